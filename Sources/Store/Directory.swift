import Domain
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

/// What everybody may know of an active partner, as a row of the database has it: the texts are to be
/// read before the row is left.
package struct PublicProfile {
  package let id: UnsafeBufferPointer<UInt8>
  package let type: UnsafeBufferPointer<UInt8>
  package let companyName: UnsafeBufferPointer<UInt8>
  package let contactName: UnsafeBufferPointer<UInt8>?
  package let website: UnsafeBufferPointer<UInt8>?
  /// The states it serves, in the order given, each once: a JSON array of their codes.
  package let serviceAreas: UnsafeBufferPointer<UInt8>
  package let coOwnershipCertified: Bool

  fileprivate static let columns =
    "p.id, p.type, p.company_name, p.contact_name, p.website, p.service_areas, p.co_ownership_certified"

  fileprivate init(_ columns: inout Columns) {
    id = columns.utf8()
    type = columns.utf8()
    companyName = columns.utf8()
    contactName = columns.utf8OrNil()
    website = columns.utf8OrNil()
    serviceAreas = columns.utf8()
    coOwnershipCertified = columns.bool()
  }
}

extension Snapshot {
  /// Lends a page of the active partners that the filter keeps, one by one.
  ///
  /// - Returns: The last one's key if the list goes on, else nil.
  package func directory(
    _ filter: DirectoryFilter, _ page: PageRequest, body: (PublicProfile) throws -> Void
  ) throws -> [String]? {
    try directoryList(filter)?.each(page, on: connection) { try body(PublicProfile(&$0)) }
  }

  /// Lends the public profile of the partner with this ID; nil if there is none that is active.
  package func publicProfile<Result>(
    _ id: ID, body: (PublicProfile) throws -> Result
  ) throws -> Result? {
    try connection.row(
      "SELECT \(PublicProfile.columns) FROM partners AS p WHERE p.id = ? AND p.status = 'active'",
      id.text
    ) { row in
      var columns = Columns(row)
      return try body(PublicProfile(&columns))
    }
  }

  /// With more parts than this it is cheaper to walk all partners, most of which fit then.
  private static let partLimit = 60

  /// The list behind `directory(_:_:)`; nil if the filter can find nothing.
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
      walked = List.Table(name: "partner_areas", alias: "a", number: "partner_number")
    } else if partLimit > 0 {
      walked.index =
        "partners_active_by" + (byType ? "_type" : "")
        + (filter.sort == .companyName ? "_company" : "_creation")
    }
    var list = List(
      columns: PublicProfile.columns, items: Snapshot.partnerTable, walked: walked,
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

  /// The partner record of a user's own; nil if there is none.
  package func partner(ofUser user: ID) throws -> Partner? {
    try connection.row(
      """
      SELECT \(Snapshot.partnerColumns) FROM partners AS p
      WHERE p.user_id = ? AND p.status <> 'removed'
      """, user.text
    ) { row in
      var columns = Columns(row)
      return try Snapshot.partner(&columns)
    }
  }
}
