import Domain
import JSON
import SQLite

/// The filters and the order of the public directory. An empty list of values filters nothing.
package struct DirectoryFilter: Sendable {
  package enum Sort: String, CaseIterable, Sendable {
    case companyName = "company_name"
    case createdAt = "created_at"
  }

  package var types: [PartnerType] = []
  package var states: [StateCode] = []
  /// The partner speaks one of them.
  package var languages: [LanguageCode] = []
  /// Each word must begin a word of the company or contact.
  package var words: String?
  package var order = (by: Sort.companyName, descending: false)

  package init() {}
}

extension Snapshot {
  /// Writes a page of the active partners that the filter selects, as everybody sees them. A state does not find
  /// partners of a type that staff holds back there.
  ///
  /// - Returns: The last item's key if there are more items, else nil.
  package func directory(
    _ filter: DirectoryFilter, _ page: PageRequest, to json: inout JSONWriter
  ) throws -> [String]? {
    try write(
      page, matching: filter.words, to: &json,
      find: { try partnerMatches($0, in: Search.publicColumns) },
      list: { try directoryList(filter, $0) })
  }

  /// The public profile of an active partner as JSON.
  ///
  /// - Throws: `Failure.notFound`.
  package func publicPartner(_ id: ID) throws -> [UInt8] {
    try view(Table.partners.single(.anyone), "WHERE p.id = ? AND p.status = 'active'", id.text)
  }

  /// With more parts than this, most partners match, and it is cheaper to walk them all.
  private static let partLimit = 60

  /// The list of `directory(_:_:to:)`; nil if nothing can match the filter.
  func directoryList(
    _ filter: DirectoryFilter, _ matches: Search.Matches? = nil
  ) throws -> List? {
    let types = filter.types.distinctWords
    let states = filter.states.distinctWords
    let allTypes = types.isEmpty ? PartnerType.allCases.map(\.rawValue) : types
    // Each part would read the matches again. Matches that are sorted are looked up without a walk.
    let partLimit =
      switch matches?.way {
      case nil: Snapshot.partLimit
      case .walk: 1
      case .sort: 0
      }
    let byArea = !states.isEmpty && states.count * allTypes.count <= partLimit
    let byType = !types.isEmpty && types.count <= partLimit
    var walked = Snapshot.partnerTable
    if byArea {
      walked = List.Source(name: "partner_areas", alias: "a", number: "partner_number")
    } else if partLimit > 0 {
      walked.index =
        "partners_active_by" + (byType ? "_type" : "")
        + (filter.order.by == .companyName ? "_name" : "_creation")
    }
    var list = List(
      Table.partners.list(.anyone), items: Snapshot.partnerTable, walked: walked,
      sort: filter.order.by == .companyName ? "name_key" : filter.order.by.rawValue,
      descending: filter.order.descending)
    if byArea {
      let isHeldBack = try isHeldBack()
      let areas = states.flatMap { state in
        allTypes.filter { !isHeldBack(state, $0) }.map { [("state_code", state), ("type", $0)] }
      }
      if areas.isEmpty { return nil }
      list.filter("a.active = 1")
      list.walk(areas)
    } else {
      list.filter("p.status = 'active'")
      if byType {
        list.walk("type", in: types)
      } else {
        list.filter(column: "type", in: types)
      }
      if !filter.states.isEmpty {
        list.filter(
          Snapshot.serves(
            filter.states, where: Snapshot.isOffered(state: "area.state_code", type: "area.type")))
      }
    }
    if !filter.languages.isEmpty {
      // Codes need no quoting, and none is part of another in quotes.
      let spoken = filter.languages.distinctWords.map {
        "instr(speaker.languages, '\"\($0)\"') > 0"
      }
      list.filter(
        """
        EXISTS (SELECT 1 FROM partners AS speaker \
        WHERE speaker.number = \(walked.alias).\(walked.number) \
        AND (\(spoken.joined(separator: " OR "))))
        """)
    }
    if let matches { list.filter(matches) }
    return list
  }
}
