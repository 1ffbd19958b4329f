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

extension Snapshot {
  /// A page of the active partners that the filter keeps.
  package func directory(
    _ filter: DirectoryFilter, _ page: PageRequest
  ) throws -> Page<PublicProfile> {
    try directoryList(filter)?.page(page, on: connection, read: Snapshot.publicProfile)
      ?? Page(items: [])
  }

  /// From how many matches on the directory is walked in its order and each partner looked up in the
  /// search index, instead of sorting the matches: then a match is never far.
  private static let manyMatches = 2_000

  /// With more parts than this it is cheaper to walk all partners, most of which fit then.
  private static let partLimit = 60

  /// The list behind `directory(_:_:)`; nil if the filter can find nothing.
  func directoryList(_ filter: DirectoryFilter) throws -> List? {
    var search: (sql: String, query: String)?
    if let words = filter.words {
      guard let query = Search.query(words, in: ["company_name", "contact_name"]) else {
        return nil
      }
      let matches =
        try connection.row(
          """
          SELECT count(*) FROM
            (SELECT 1 FROM partners_search WHERE partners_search MATCH ? LIMIT ?)
          """, query, Snapshot.manyMatches
        ) { $0.int(0) } ?? 0
      if matches == 0 { return nil }
      search =
        matches < Snapshot.manyMatches
        ? ("p.number IN (SELECT rowid FROM partners_search WHERE partners_search MATCH ?)", query)
        : (
          """
          EXISTS (SELECT 1 FROM partners_search
          WHERE partners_search MATCH ? AND rowid = +p.number)
          """, query
        )
    }

    let types = Set(filter.types).map(\.rawValue).sorted()
    let states = Set(filter.states).map(\.rawValue).sorted()
    let allTypes = types.isEmpty ? PartnerType.allCases.map(\.rawValue) : types
    let byArea =
      search == nil && !states.isEmpty && states.count * allTypes.count <= Snapshot.partLimit
    var walked = Snapshot.partnerTable
    if byArea {
      walked = List.Table(name: "partner_areas", alias: "a", number: "partner_number")
    } else if search == nil {
      walked.index =
        "partners_active_by" + (types.isEmpty ? "" : "_type")
        + (filter.sort == .companyName ? "_company" : "_creation")
    }
    var list = List(
      columns: Snapshot.publicColumns, items: Snapshot.partnerTable, walked: walked,
      sort: filter.sort.rawValue,
      collation: filter.sort == .companyName ? " COLLATE NOCASE" : "",
      descending: filter.descending)
    if byArea {
      list.filter("a.active = 1")
      list.walk("state_code", in: states)
      list.walk("type", in: allTypes)
      return list
    }
    list.filter("p.status = 'active'")
    if let search {
      list.filter(column: "type", in: types)
      list.filter(search.sql, search.query)
    } else {
      list.walk("type", in: types)
    }
    if !states.isEmpty { list.filter(Snapshot.serves(filter.states)) }
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
