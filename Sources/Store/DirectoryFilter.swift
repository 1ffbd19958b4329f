import Domain
import JSON
import SQLite

/// What somebody looks for in the public directory. An empty list of values filters nothing.
package struct DirectoryFilter: Sendable {
  package enum Sort: String, CaseIterable, Sendable {
    case companyName = "company_name"
    case createdAt = "created_at"
  }

  package var types: [PartnerType] = []
  package var states: [StateCode] = []
  /// Words, each the beginning of one in company or contact.
  package var words: String?
  package var sort = Sort.companyName
  package var descending = false

  package init() {}
}

extension Snapshot {
  /// Writes a page of the active partners that the filter keeps, as everybody sees them.
  ///
  /// - Returns: The last one's key if the list goes on, else nil.
  package func directory(
    _ filter: DirectoryFilter, _ page: PageRequest, to json: inout JSONWriter
  ) throws -> [String]? {
    try directoryList(filter)?.write(page, on: connection, to: &json)
  }

  /// The public profile of an active partner as JSON.
  ///
  /// - Throws: `Failure.notFound`.
  package func publicPartner(_ id: ID) throws -> [UInt8] {
    try view(Table.partners.single(.anyone), "WHERE p.id = ? AND p.status = 'active'", id.text)
  }

  /// Writes the members of an active partner's public profile.
  package func writePublicPartner(_ id: ID, to json: inout JSONWriter) throws {
    let shape = Table.partners.list(.anyone)
    try connection.each(shape.select + "WHERE p.id = ?", arguments: [id.text]) {
      try shape.writeMembers($0, to: &json)
    }
  }

  /// With more parts than this it is cheaper to walk all partners, most of which fit then.
  private static let partLimit = 60

  /// The list behind `directory(_:_:to:)`; nil if the filter can find nothing.
  func directoryList(_ filter: DirectoryFilter) throws -> List? {
    var matches: Search.Matches?
    if let words = filter.words {
      matches = try self.matches(words, in: ["company_name", "contact_name"])
      if matches == nil { return nil }
    }
    let types = filter.types.distinctWords
    let states = filter.states.distinctWords
    let allTypes = types.isEmpty ? PartnerType.allCases.map(\.rawValue) : types
    // Each part would gather the many matches anew; the few are looked up without walking anything.
    let partLimit =
      switch matches {
      case .none: Snapshot.partLimit
      case .many: 1
      case .few: 0
      }
    let byArea = !states.isEmpty && states.count * allTypes.count <= partLimit
    let byType = !types.isEmpty && types.count <= partLimit
    var walked = Snapshot.partnerTable
    if byArea {
      walked = List.Source(name: "partner_areas", alias: "a", number: "partner_number")
    } else if partLimit > 0 {
      walked.index =
        "partners_active_by" + (byType ? "_type" : "")
        + (filter.sort == .companyName ? "_company" : "_creation")
    }
    var list = List(
      Table.partners.list(.anyone), items: Snapshot.partnerTable, walked: walked,
      sort: filter.sort.rawValue,
      collation: filter.sort == .companyName ? " COLLATE NOCASE" : "",
      descending: filter.descending)
    if byArea {
      list.filter("a.active = 1")
      list.walk("state_code", in: states)
      list.walk("type", in: allTypes)
    } else {
      list.filter("p.status = 'active'")
      if byType {
        list.walk("type", in: types)
      } else {
        list.filter(column: "type", in: types)
      }
      if !states.isEmpty { list.filter(Snapshot.serves(filter.states)) }
    }
    if let matches { list.filter(matches) }
    return list
  }
}
