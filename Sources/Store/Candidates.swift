import Domain
import JSON
import SQLite

/// A search for the partners that fit a group's request, in the order of `Ranking.order`.
///
/// Partners that the request was taken from or that gave it back are left out, and so are partners whose own user
/// is in the group, and those whose type staff holds back in the state.
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

  /// Calls `body` with each partner after the key `after`, best first. The shape's first column is
  /// ``shapeColumn``.
  func each(
    limit: Int, after: Ranking.Key? = nil, on connection: Connection,
    _ body: (Ranking.Key, Row) throws -> Void
  ) throws {
    var arguments: [(any Bindable)?] = [
      state?.rawValue ?? "", type.rawValue, group.text, pastArgument.text, limit,
    ]
    var start = ""
    if let after {
      start = """
        AND (k.uncertified, k.open_referrals, k.last_intro_at, k.partner_id) > (?6, ?7, ?8, ?9)
        """
      arguments += [
        after.certified ? 0 : 1, after.openReferrals, after.lastIntroAt?.text ?? "", after.id.text,
      ]
    }
    // A partner fits a request without a state if a state is left in which it is not held back.
    let isOffered =
      state == nil
      ? """
      EXISTS (SELECT 1 FROM partner_areas AS area WHERE area.partner_number = k.partner_number
        AND \(Snapshot.isOffered(state: "area.state_code", type: "?2")))
      """
      : Snapshot.isOffered(state: "?1", type: "?2")
    // CROSS JOIN keeps the ranks the outer loop, so that nothing is sorted
    // (https://www.sqlite.org/optoverview.html, section 8.2).
    try connection.each(
      """
      SELECT k.uncertified, k.open_referrals, k.last_intro_at, k.partner_id\(columns)
      FROM partner_ranks AS k CROSS JOIN partners AS p ON p.number = k.partner_number \(joins)
      WHERE k.state_code = ?1 AND k.type = ?2 \(start)
        AND NOT EXISTS (SELECT 1 FROM referral_past_partners AS past
          WHERE past.partner_id = k.partner_id AND past.referral_number \(past))
        AND NOT EXISTS (SELECT 1 FROM group_members AS m
          WHERE m.group_id = ?3 AND m.user_id = p.user_id)
        AND \(isOffered)
      ORDER BY k.uncertified, k.open_referrals, k.last_intro_at, k.partner_id LIMIT ?5
      """, arguments: arguments
    ) { row in
      try body(
        Ranking.Key(
          certified: row.int(0) == 0, openReferrals: row.int(1),
          lastIntroAt: Timestamp(row.text(2)), id: row.id(3)), row)
    }
  }

  /// The index of the shape's first column in a row.
  static let shapeColumn = 4
}

extension Snapshot {
  /// Writes a page of the partners that fit a request, best first.
  ///
  /// - Parameter write: Writes further members of an item.
  /// - Returns: The last item's key if there are more items, else nil.
  /// - Throws: `Failure.invalidParameter` for a cursor of another shape.
  package func candidates(
    for referral: Referral, _ page: PageRequest, to json: inout JSONWriter,
    _ write: (Ranking.Key, inout JSONWriter) -> Void
  ) throws -> [String]? {
    let after = try page.after.map { texts in
      guard let key = Ranking.Key(texts) else { throw List.invalidCursor }
      return key
    }
    let shape = Snapshot.candidateShape
    var last: Ranking.Key?
    var count = 0
    try CandidateSearch(
      referral: referral.id, group: referral.groupID, type: referral.partnerType,
      state: referral.state, shape
    ).each(limit: page.limit + 1, after: after, on: connection) { key, row in
      count += 1
      guard count <= page.limit else { return }
      last = key
      try json.object {
        try shape.writeMembers(row, from: CandidateSearch.shapeColumn, to: &$0)
        write(key, &$0)
      }
    }
    return count > page.limit ? last?.texts : nil
  }

  private static let candidateShape = Shape(Table.partnerContact("p.id"), of: "partners", "p")

  /// The best partner for a request; nil if none fits.
  package func bestCandidate(for referral: Referral) throws -> ID? {
    try bestCandidate(
      for: referral.id, group: referral.groupID, type: referral.partnerType, state: referral.state)
  }

  /// The best partner for a request with these fields; nil if none fits.
  func bestCandidate(
    for referral: ID, group: ID, type: PartnerType, state: StateCode?
  ) throws -> ID? {
    var best: ID?
    try CandidateSearch(referral: referral, group: group, type: type, state: state)
      .each(limit: 1, on: connection) { key, _ in best = key.id }
    return best
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
      .each(limit: limit, on: connection) { key, row in
        try json.object {
          try shape.writeMembers(row, from: CandidateSearch.shapeColumn, to: &$0)
          write(key, &$0)
        }
      }
  }
}

extension Ranking.Key {
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
