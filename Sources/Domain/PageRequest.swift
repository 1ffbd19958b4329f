/// Which part of a list is asked for.
package struct PageRequest: Equatable, Sendable {
  /// How many items at most, 1 to 100.
  package var limit: Int
  /// The key of the item that the part begins after; nil: the list's beginning.
  package var after: [String]?

  package init(limit: Int = 25, after: [String]? = nil) {
    self.limit = limit
    self.after = after
  }
}
