import Domain

/// One field of a resource: one row of its table of fields.
package final class Field: Sendable {
  /// The properties of a field that are on or off.
  package struct Traits: OptionSet, Sendable {
    package let rawValue: Int

    package init(rawValue: Int) { self.rawValue = rawValue }

    /// A new resource must have it.
    package static let required = Traits(rawValue: 1)
    /// Null empties it.
    package static let nullable = Traits(rawValue: 2)
    /// Null empties it, but an empty text does not.
    package static let onlyNull = Traits(rawValue: 4)
    /// The history keeps its changes.
    package static let tracked = Traits(rawValue: 8)
    /// It is a column of the exported spreadsheet.
    package static let exported = Traits(rawValue: 16)
    /// It is part of a single resource, but not of a list's items.
    package static let single = Traits(rawValue: 32)
    /// It is erased with a person's texts, though it is none.
    package static let personal = Traits(rawValue: 64)
    /// A value that an active partner sets itself waits for staff's review.
    package static let reviewed = Traits(rawValue: 128)
  }

  /// The name in JSON.
  package let name: String
  package let kind: Kind
  package let traits: Traits
  /// The SQL expression that it is read from; nil: the table's column of the same name.
  let source: String?
  /// The join that the expression needs.
  let join: String?
  /// Who sees it.
  package let seenBy: Audiences
  /// Who may set it in a new resource.
  package let createdBy: Audiences
  /// Who may change it.
  package let setBy: Audiences

  /// - Parameters:
  ///   - created: Who may set it in a new resource; nil: those who may change it.
  init(
    _ name: String, _ kind: Kind, _ traits: Traits = [], from source: String? = nil,
    join: String? = nil, seen: Audiences = [], set: Audiences = [], created: Audiences? = nil
  ) {
    self.name = name
    self.kind = kind
    self.traits = traits
    self.source = source
    self.join = join
    seenBy = seen
    setBy = set
    createdBy = created ?? set
  }

  /// Whether it is read from expressions, and not written with the resource's row.
  package var isComputed: Bool {
    if case .joined = kind { true } else { source != nil }
  }

  /// The caller's remark on a change, for the history.
  package static let note = Field.parameter("note", .lines(limit: 2_000), .nullable)

  /// A field of a request's body that belongs to no resource, such as a partner's answer. Whoever may call the route
  /// may send it.
  package static func parameter(_ name: String, _ kind: Kind, _ traits: Traits = []) -> Field {
    Field(name, kind, traits, set: .all)
  }
}
