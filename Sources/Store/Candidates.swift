import Domain
import JSON
import SQLite

/// A search for the active partners of a type that serve a state, in the order of `Ranking.order`: those that fit a
/// group's request, or those that are left out.
private struct CandidateSearch {
  /// The SELECT list, after the columns of the ranking key.
  var columns = ""
  /// The joins for the columns.
  var joins = ""
  let group: ID
  let type: PartnerType
  let state: StateCode?
  /// The condition on the requests whose past partners are left out. Its argument is ``pastArgument``.
  let past: String
  let pastArgument: ID

  /// The search for a request's candidates.
  init(referral: ID, group: ID, type: PartnerType, state: StateCode?, _ shape: Shape? = nil) {
    self.init(
      group, type, state, "= (SELECT number FROM referral_requests WHERE id = ?4)", referral, shape)
  }

  /// The search for partners that a group can ask for. Partners that are left out for the group's open requests of
  /// the type are left out here too.
  init(group: ID, type: PartnerType, state: StateCode, _ shape: Shape) {
    self.init(
      group, type, state,
      """
      IN (SELECT number FROM referral_requests WHERE group_id = ?4 AND partner_type = ?2
        AND (status = 'pending' OR status = 'matched' OR status = 'intro_sent'))
      """, group, shape)
  }

  private init(
    _ group: ID, _ type: PartnerType, _ state: StateCode?, _ past: String, _ pastArgument: ID,
    _ shape: Shape?
  ) {
    self.group = group
    self.type = type
    self.state = state
    self.past = past
    self.pastArgument = pastArgument
    if let shape {
      columns = ", \(shape.columns)"
      joins = shape.joins
    }
  }

  /// The partners that fit, or the others.
  enum Part: Int, CaseIterable {
    case fitting, leftOut
  }

  /// Calls `body` with each partner of a part after the key `after`, best first, and with the reasons why it is
  /// left out. The shape's first column is ``shapeColumn``.
  func each(
    _ part: Part = .fitting, limit: Int, after: Ranking.Key? = nil, on connection: Connection,
    _ body: (Ranking.Key, [Ranking.LeftOut], Row) throws -> Void
  ) throws {
    var arguments: [(any Bindable)?] = [
      state?.rawValue ?? "", type.rawValue, group.text, pastArgument.text, limit,
    ]
    var start = ""
    if let after {
      start = """
        AND (\(Ranking.Key.columns)) > (?6, ?7, ?8, ?9)
        """
      arguments += [
        after.certified ? 0 : 1, after.openReferrals, after.lastIntroAt?.text ?? "", after.id.text,
      ]
    }
    let reasons = Ranking.LeftOut.allCases.map { (reason: $0, sql: condition($0)) }
    let isLeftOut = reasons.map(\.sql).joined(separator: " OR ")
    let codes =
      part == .leftOut
      ? reasons.map { "iif(\($0.sql), '\($0.reason.rawValue) ', '')" }.joined(separator: " || ")
      : "''"
    // CROSS JOIN keeps the ranks the outer loop, so that nothing is sorted
    // (https://www.sqlite.org/optoverview.html, section 8.2).
    try connection.each(
      """
      SELECT \(Ranking.Key.columns), \(codes)\(columns)
      FROM partner_ranks AS k CROSS JOIN partners AS p ON p.number = k.partner_number \(joins)
      WHERE k.state_code = ?1 AND k.type = ?2 \(start)
        AND \(part == .leftOut ? "" : "NOT ")(\(isLeftOut))
      ORDER BY \(Ranking.Key.columns) LIMIT ?5
      """, arguments: arguments
    ) { row in
      try body(
        Ranking.Key(row),
        row.text(4).split(separator: " ").compactMap { Ranking.LeftOut(rawValue: String($0)) }, row)
    }
  }

  /// The condition under which a partner is left out for a reason.
  private func condition(_ reason: Ranking.LeftOut) -> String {
    switch reason {
    case .triedBefore:
      """
      EXISTS (SELECT 1 FROM referral_past_partners AS past
        WHERE past.partner_id = k.partner_id AND past.referral_number \(past))
      """
    case .ownGroup:
      """
      EXISTS (SELECT 1 FROM group_members AS m
        WHERE m.group_id = ?3 AND m.user_id = p.user_id)
      """
    case .paused, .atCapacity, .credentialExpired, .heldBack:
      CandidateSearch.condition(general: reason, hasState: state != nil)
    }
  }

  /// The condition under which a partner is left out for one of the general reasons.
  private static func condition(general reason: Ranking.LeftOut, hasState: Bool) -> String {
    switch reason {
    case .paused: Table.isPaused
    case .atCapacity: Table.isAtCapacity(open: "k.open_referrals")
    case .credentialExpired: Table.hasExpiredCredential
    case .heldBack where hasState: "NOT \(Snapshot.isOffered(state: "?1", type: "?2"))"
    case .heldBack:
      // A partner fits a request without a state if a state is left in which it is not held back.
      """
      NOT EXISTS (SELECT 1 FROM partner_areas AS area WHERE area.partner_number = k.partner_number
        AND \(Snapshot.isOffered(state: "area.state_code", type: "?2")))
      """
    case .triedBefore, .ownGroup: preconditionFailure("it depends on the request")
    }
  }

  /// The first partners who are not left out for a general reason.
  static func first(
    _ limit: Int, of type: PartnerType, in state: StateCode?, on connection: Connection
  ) throws -> [ID] {
    let reasons = Ranking.LeftOut.general.map { condition(general: $0, hasState: state != nil) }
    return try connection.rows(
      """
      SELECT k.partner_id
      FROM partner_ranks AS k CROSS JOIN partners AS p ON p.number = k.partner_number
      WHERE k.state_code = ?1 AND k.type = ?2 AND NOT (\(reasons.joined(separator: " OR ")))
      ORDER BY \(Ranking.Key.columns) LIMIT ?3
      """, state?.rawValue ?? "", type.rawValue, limit
    ) { try $0.id(0) }
  }

  /// The index of the shape's first column in a row.
  static let shapeColumn = 5
}

extension Snapshot {
  /// Writes a page of the partners that fit a request, best first.
  ///
  /// - Parameters:
  ///   - includingLeftOut: Whether those that are left out follow, also best first.
  ///   - write: Writes further members of an item. It gets the reasons why the partner is left out.
  /// - Returns: The last item's key if there are more items, else nil.
  /// - Throws: `Failure.invalidParameter` for a cursor of another shape.
  package func candidates(
    for referral: Referral, includingLeftOut: Bool = false, _ page: PageRequest,
    to json: inout JSONWriter, _ write: (Ranking.Key, [Ranking.LeftOut], inout JSONWriter) -> Void
  ) throws -> [String]? {
    let after = try page.after.map { texts in
      guard let part = texts.first.flatMap({ Int($0) }).flatMap(CandidateSearch.Part.init),
        let key = Ranking.Key(Array(texts.dropFirst()))
      else { throw List.invalidCursor }
      return (part: part, key: key)
    }
    let shape = Snapshot.candidateShape
    let search = CandidateSearch(
      referral: referral.id, group: referral.groupID, type: referral.partnerType,
      state: referral.state, shape)
    var last: [String]?
    var count = 0
    for part in includingLeftOut ? CandidateSearch.Part.allCases : [.fitting] {
      if let after, part.rawValue < after.part.rawValue { continue }
      // One more than the page has, to find out whether there are more.
      try search.each(
        part, limit: page.limit + 1 - count, after: after?.part == part ? after?.key : nil,
        on: connection
      ) { key, reasons, row in
        count += 1
        guard count <= page.limit else { return }
        last = [String(part.rawValue)] + key.texts
        try json.object {
          try shape.writeMembers(row, from: CandidateSearch.shapeColumn, to: &$0)
          write(key, reasons, &$0)
        }
      }
      if count > page.limit { return last }
    }
    return nil
  }

  private static let candidateShape = Shape(Table.partnerContact("p.id"), of: "partners", "p")

  /// The best partner for a request; nil if none fits.
  package func bestCandidate(for referral: Referral) throws -> ID? {
    var best: ID?
    try CandidateSearch(
      referral: referral.id, group: referral.groupID, type: referral.partnerType,
      state: referral.state
    ).each(limit: 1, on: connection) { key, _, _ in best = key.id }
    return best
  }

  /// The best of the active partners of a type that serve a state and are not left out for a reason that is the same
  /// for all requests.
  func firstCandidates(_ limit: Int, of type: PartnerType, in state: StateCode?) throws -> [ID] {
    try CandidateSearch.first(limit, of: type, in: state, on: connection)
  }

  /// The partners that are left out for a request because it was with them before, or because they are in its group.
  func partnersLeftOut(forRequest number: Int, ofGroup group: ID) throws -> Set<ID> {
    Set(
      try connection.rows(
        """
        SELECT partner_id FROM referral_past_partners WHERE referral_number = ?
        UNION ALL
        SELECT p.id FROM group_members AS m CROSS JOIN partners AS p ON p.user_id = m.user_id
        WHERE m.group_id = ?
        """, number, group.text
      ) { try $0.id(0) })
  }

  /// Writes the partners that a group can ask for, as everybody sees them, best first.
  ///
  /// - Parameters:
  ///   - limit: The most items.
  ///   - write: Writes further members of an item.
  package func recommendations(
    forGroup group: ID, type: PartnerType, state: StateCode, limit: Int, to json: inout JSONWriter,
    _ write: (Ranking.Key, inout JSONWriter) -> Void
  ) throws {
    let shape = Table.partners.list(.anyone)
    try CandidateSearch(group: group, type: type, state: state, shape)
      .each(limit: limit, on: connection) { key, _, row in
        try json.object {
          try shape.writeMembers(row, from: CandidateSearch.shapeColumn, to: &$0)
          write(key, &$0)
        }
      }
  }
}

extension Ranking.Key {
  /// The columns of `partner_ranks` with the key, in its order.
  static let columns = "k.uncertified, k.open_referrals, k.last_intro_at, k.partner_id"

  /// Reads the key from the first columns of a row.
  init(_ row: Row) throws {
    self.init(
      certified: row.int(0) == 0, openReferrals: row.int(1), lastIntroAt: Timestamp(row.text(2)),
      id: try row.id(3))
  }

  /// The key as a cursor's texts.
  fileprivate var texts: [String] {
    [certified ? "1" : "0", String(openReferrals), lastIntroAt?.text ?? "", id.text]
  }

  /// Reads the key from a cursor's texts; nil if they are not a key.
  fileprivate init?(_ texts: [String]) {
    guard texts.count == 4, let open = Int(texts[1]), let id = ID(texts[3]) else { return nil }
    let lastIntroAt = Timestamp(texts[2])
    guard texts[2].isEmpty || lastIntroAt != nil else { return nil }
    self.init(
      certified: texts[0] == "1", openReferrals: open, lastIntroAt: lastIntroAt, id: id)
  }
}
