/// The part of a list that a request asks for.
package struct PageRequest: Equatable, Sendable {
  /// The most items that the part may have, 1 to 100.
  package var limit: Int
  /// The key of the item that precedes the part; nil for the beginning of the list.
  package var after: [String]?

  package init(limit: Int = 25, after: [String]? = nil) {
    self.limit = limit
    self.after = after
  }
}
