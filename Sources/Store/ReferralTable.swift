import Domain
import JSON
import SQLite

extension Table {
  /// Groups' requests for an introduction to a partner.
  package static let referrals = Table(
    "referral_requests", alias: "r",
    derived: [(column: "state", value: { Referral(record: $0).state?.rawValue })],
    fields: [
      Field("id", .id, .exported, seen: [.member, .partner, .staff]),
      Field("group_id", .id, [.tracked, .exported], seen: [.member, .staff]),
      Field("group_name", .text(limit: 200), .exported, from: "g.name", join: groupJoin),
      Field(
        "requested_by", .id, [.nullable, .tracked, .exported], seen: [.member, .staff],
        created: [.member, .staff]),
      Field(
        "requester_name", .text(limit: 100), .exported, from: "u.name", join: requesterJoin),
      Field("requester_email", .text(.email), .exported, from: "u.email", join: requesterJoin),
      Field(
        "partner_type", .word(PartnerType.self), [.required, .tracked, .exported],
        seen: [.member, .partner, .staff], set: .staff, created: [.member, .staff]),
      Field(
        "status", .word(ReferralStatus.self), [.tracked, .exported],
        seen: [.member, .partner, .staff], set: .staff, created: []),
      Field(
        "context", .object(context), [.nullable, .tracked], seen: [.member, .partner, .staff],
        set: .staff, created: [.member, .staff]),
      Field("group_size", .integer(1...100), .exported, from: "r.context ->> '$.group_size'"),
      Field(
        "home_price_min", .integer(prices), .exported,
        from: "r.context ->> '$.home_price_range.min'"
      ),
      Field(
        "home_price_max", .integer(prices), .exported,
        from: "r.context ->> '$.home_price_range.max'"
      ),
      Field("timeline", .text(limit: 100), .exported, from: "r.context ->> '$.timeline'"),
      Field("state", .state, .exported, from: "r.state"),
      Field(
        "specific_need", .lines(limit: 2_000), .exported, from: "r.context ->> '$.specific_need'"),
      Field(
        "partner_id", .id, [.nullable, .tracked, .exported], seen: [.member, .staff], set: .staff,
        created: []),
      Field(
        "partner_company_name", .text(limit: 200), .exported, from: "p.company_name",
        join: partnerJoin),
      Field(
        "intro_sent_at", .time, [.nullable, .tracked, .exported],
        seen: [.member, .partner, .staff], set: .staff, created: []),
      Field(
        "outcome", .word(Outcome.self), [.tracked, .exported], seen: [.member, .partner, .staff]),
      Field("outcome_notes", .lines(limit: 10_000), [.tracked, .exported], seen: .staff),
      Field("created_at", .time, .exported, seen: [.member, .partner, .staff]),
      Field("updated_at", .time, .exported, seen: [.member, .partner, .staff]),
      // When the status became what it is; null since the creation.
      Field("status_changed_at", .time),
      // When the partner and the group got to work.
      Field("connected_at", .time),
      Field(
        "group",
        .joined([
          Field("id", .id, from: "r.group_id"), Field("name", .text(limit: 200), from: "g.name"),
        ]), .derived, join: groupJoin, seen: [.partner, .staff]),
      Field(
        "requester",
        .joined([
          Field("id", .id, from: "r.requested_by"),
          Field("name", .text(limit: 100), from: "u.name"),
          Field("email", .text(.email), from: "u.email"),
        ]), .derived, join: requesterJoin, seen: .staff),
      Field(
        "requester",
        .joined([
          Field("name", .text(limit: 100), from: "u.name"),
          Field("email", .text(.email), from: "u.email"),
        ]), .derived, join: requesterJoin, seen: .partner),
      Field(
        "partner", .joined(partnerContact("r.partner_id")), .derived, join: partnerJoin,
        seen: .staff),
      Field(
        "partner",
        .joined(
          partnerContact("r.partner_id") {
            "CASE WHEN r.intro_sent_at IS NOT NULL AND p.status <> 'removed' THEN p.\($0) END"
          }), .derived, join: partnerJoin, seen: .member),
      Field("timeline", .json, .single, from: timeline(), seen: [.member, .staff]),
      // What was before the introduction would tell of others that the request was tried with.
      Field(
        "timeline", .json, .single,
        from: timeline(
          """
          AND number >= (SELECT max(number) FROM events
            WHERE subject_id = r.id AND subject_kind = 'referral'
              AND changes ->> '$.status.to' = 'intro_sent')
          """), seen: .partner),
    ])

  /// What a group says of its need.
  private static let context = [
    Field("group_size", .integer(1...100), .nullable, set: .anyone),
    Field("home_price_range", .range(prices), .nullable, set: .anyone),
    Field("timeline", .text(limit: 100), .nullable, set: .anyone),
    Field("state", .state, .nullable, set: .anyone),
    Field("specific_need", .lines(limit: 2_000), .nullable, set: .anyone),
  ]

  /// Whole US dollars.
  private static let prices = 0...Int.max

  private static let groupJoin = "JOIN groups AS g ON g.id = r.group_id"
  private static let requesterJoin = "JOIN users AS u ON u.id = r.requested_by"
  private static let partnerJoin = "LEFT JOIN partners AS p ON p.id = r.partner_id"

  /// When a request got each of its statuses, oldest first.
  private static func timeline(_ condition: String = "") -> String {
    """
    (SELECT json_group_array(json_object('status', status, 'at', at)) FROM
      (SELECT changes ->> '$.status.to' AS status, at FROM events
       WHERE subject_id = r.id AND subject_kind = 'referral'
         AND changes ->> '$.status.to' IS NOT NULL \(condition)
       ORDER BY number))
    """
  }

  /// A context in which nothing is said.
  static let emptyContext = JSON.object(context.map { JSON.Member($0.name, .null) })
}

/// What is looked for among the referral requests. An empty list of values filters nothing.
package struct ReferralFilter: Sendable {
  package enum Sort: String, CaseIterable, Sendable {
    case createdAt = "created_at"
    case updatedAt = "updated_at"
  }

  package var statuses: [ReferralStatus] = []
  package var types: [PartnerType] = []
  package var states: [StateCode] = []
  package var groupID: ID?
  package var partnerID: ID?
  package var requestedBy: ID?
  /// Only those made at this time or before.
  package var createdUntil: Timestamp?
  /// Whether only those are kept whose partner was introduced.
  package var introducedOnly = false
  package var sort = Sort.createdAt
  package var descending = true

  package init() {}
}

extension Snapshot {
  /// The request with this ID; nil if it does not exist.
  package func referral(_ id: ID) throws -> Referral? {
    try Table.referrals.load("WHERE r.id = ?", [id.text], on: connection).first
      .map(Referral.init(record:))
  }

  /// The request with this ID as JSON, as staff sees it.
  ///
  /// - Throws: `Failure.notFound`.
  package func referral(_ id: ID, seenBy audience: Audiences) throws -> [UInt8] {
    try view(Table.referrals.single(audience), "WHERE r.id = ?", id.text)
  }

  /// A group's request as JSON, as its members or staff see it.
  ///
  /// - Throws: `Failure.notFound`.
  package func referral(_ id: ID, ofGroup group: ID, seenBy audience: Audiences) throws -> [UInt8] {
    try view(
      Table.referrals.single(audience), "WHERE r.id = ? AND r.group_id = ?", id.text, group.text)
  }

  /// A request as JSON, as its partner sees it once it was introduced.
  ///
  /// - Throws: `Failure.notFound`.
  package func referral(_ id: ID, ofPartner partner: ID) throws -> [UInt8] {
    try view(
      Table.referrals.single(.partner),
      "WHERE r.id = ? AND r.partner_id = ? AND r.intro_sent_at IS NOT NULL", id.text, partner.text)
  }

  /// Writes a page of requests as an audience sees them.
  ///
  /// - Returns: The last one's key if the list goes on, else nil.
  package func referrals(
    _ filter: ReferralFilter, _ page: PageRequest, seenBy audience: Audiences,
    to json: inout JSONWriter
  ) throws -> [String]? {
    try referralList(filter, seenBy: audience).write(page, on: connection, to: &json)
  }

  /// The list behind `referrals(_:_:seenBy:to:)`.
  func referralList(_ filter: ReferralFilter, seenBy audience: Audiences) -> List {
    var list = List(
      Table.referrals.list(audience), items: List.Source(name: "referral_requests", alias: "r"),
      sort: filter.sort.rawValue, descending: filter.descending)
    let statuses = filter.statuses.distinctWords
    let states = filter.states.distinctWords
    // What narrows most is walked; a group, a partner or a person has few requests in any order.
    var walked = false
    for (column, id) in [
      ("group_id", filter.groupID), ("partner_id", filter.partnerID),
      ("requested_by", filter.requestedBy),
    ] {
      guard let id else { continue }
      if walked {
        list.filter(column: column, in: [id.text])
      } else {
        list.walk(column, in: [id.text])
        walked = true
      }
    }
    if walked || statuses.isEmpty {
      list.filter(column: "status", in: statuses)
    } else {
      list.walk("status", in: statuses)
      walked = true
    }
    if walked || filter.sort != .createdAt {
      list.filter(column: "state", in: states)
    } else {
      list.walk("state", in: states)
    }
    list.filter(column: "partner_type", in: filter.types.distinctWords)
    if filter.introducedOnly { list.filter("r.intro_sent_at IS NOT NULL") }
    if let until = filter.createdUntil {
      switch (filter.sort, filter.descending) {
      case (.createdAt, true): list.start("r.created_at <= ?", until.text)
      case (.createdAt, false): list.filter("r.created_at <= ?", until.text)
      // With the plus, as SQLite would walk this column, and sort all that it finds.
      case (.updatedAt, _): list.filter("+r.created_at <= ?", until.text)
      }
    }
    return list
  }

  /// The group's open request of the type and state; nil if it has none.
  package func openReferral(
    group: ID, type: PartnerType, state: StateCode?, except id: ID? = nil
  ) throws -> ID? {
    try connection.row(
      """
      SELECT id FROM referral_requests
      WHERE group_id = ? AND partner_type = ? AND ifnull(state, '') = ?
        AND (status = 'pending' OR status = 'matched' OR status = 'intro_sent') AND id <> ?
      """, group.text, type.rawValue, state?.rawValue ?? "", id?.text ?? ""
    ) { try $0.id(0) }
  }

  /// The requests that are matched with a partner, but not introduced to it.
  func matchedReferrals(of partner: ID) throws -> [Referral] {
    try Table.referrals.load(
      "WHERE r.partner_id = ? AND r.status = 'matched' ORDER BY r.created_at, r.number",
      [partner.text], on: connection
    ).map(Referral.init(record:))
  }

  /// Writes a partner as a request names it, for one that is proposed.
  package func writeCandidate(_ id: ID, to json: inout JSONWriter) throws {
    try connection.each(Snapshot.candidateShape.select + "WHERE p.id = ?", arguments: [id.text]) {
      try Snapshot.candidateShape.writeMembers($0, to: &json)
    }
  }

  private static let candidateShape = Shape(Table.partnerContact("p.id"), of: "partners", "p")

  /// The place in the order of every active partner that fits a request: of its type, serving its state
  /// if it has one. Left out: partners that the request was taken from or that gave it back, and those
  /// whose own user is in the group.
  package func rankingKeys(for referral: Referral) throws -> [Ranking.Key] {
    try rankingKeys(
      group: referral.groupID, type: referral.partnerType, state: referral.state,
      past: Snapshot.pastOfReferral, referral.id)
  }

  /// Whether `rankingKeys(for:)` has any for this request.
  func hasCandidate(
    for referral: ID, group: ID, type: PartnerType, state: StateCode?
  ) throws -> Bool {
    try connection.row(
      "SELECT 1 \(Snapshot.candidates(state: state, past: Snapshot.pastOfReferral)) LIMIT 1",
      state?.rawValue, type.rawValue, group.text, referral.text
    ) { _ in true } ?? false
  }

  private static let pastOfReferral =
    "past.referral_number = (SELECT number FROM referral_requests WHERE id = ?4)"

  /// The same for what a group might ask for. The partners that are left out for its open requests of
  /// the type are left out here as well.
  package func rankingKeys(
    forGroup group: ID, type: PartnerType, state: StateCode
  ) throws -> [Ranking.Key] {
    try rankingKeys(
      group: group, type: type, state: state,
      past: """
        past.referral_number IN (SELECT number FROM referral_requests
          WHERE group_id = ?4 AND partner_type = ?2
            AND (status = 'pending' OR status = 'matched' OR status = 'intro_sent'))
        """, group)
  }

  private func rankingKeys(
    group: ID, type: PartnerType, state: StateCode?, past: String, _ pastArgument: ID
  ) throws -> [Ranking.Key] {
    try connection.rows(
      """
      SELECT p.co_ownership_certified,
        (SELECT count(*) FROM referral_requests AS r
         WHERE r.partner_id = p.id AND r.status IN ('matched', 'intro_sent')),
        (SELECT max(r.intro_sent_at) FROM referral_requests AS r
         WHERE r.partner_id = p.id AND r.intro_sent_at IS NOT NULL),
        p.id
      \(Snapshot.candidates(state: state, past: past))
      """, state?.rawValue, type.rawValue, group.text, pastArgument.text
    ) { row in
      try Ranking.Key(
        certified: row.int(0) != 0, openReferrals: row.int(1), lastIntroAt: row.timeOrNil(2),
        id: row.id(3))
    }
  }

  /// The partners that fit: what follows SELECT. Its arguments are a state or null, a type, a group, and
  /// what `past` wants, a condition on the partners that are left out.
  private static func candidates(state: StateCode?, past: String) -> String {
    let fitting =
      state == nil
      ? """
      partners AS p INDEXED BY partners_active_by_type_creation
      WHERE p.status = 'active' AND p.type = ?2 AND ?1 IS NULL
      """
      : """
      partner_areas AS a JOIN partners AS p ON p.number = a.partner_number
      WHERE a.state_code = ?1 AND a.type = ?2 AND a.active = 1
      """
    return """
      FROM \(fitting)
        AND NOT EXISTS (SELECT 1 FROM referral_past_partners AS past
          WHERE past.partner_id = p.id AND \(past))
        AND NOT EXISTS (SELECT 1 FROM group_members AS m
          WHERE m.group_id = ?3 AND m.user_id = p.user_id)
      """
  }

  /// The state of the group's newest request, else the group's own; nil if neither names one.
  package func newestState(ofGroup group: ID) throws -> StateCode? {
    let newest = try connection.row(
      """
      SELECT state FROM referral_requests WHERE group_id = ?
      ORDER BY created_at DESC, number DESC LIMIT 1
      """, group.text
    ) { try $0.wordOrNil(0, StateCode.self) }
    return try (newest ?? nil) ?? self.group(group)?.word("state")
  }
}
