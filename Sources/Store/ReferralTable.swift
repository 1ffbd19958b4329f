import Domain
import JSON
import SQLite

extension Table {
  /// The groups' requests for an introduction to a partner.
  package static let referrals = Table(
    "referral_requests", alias: "r",
    derived: [
      DerivedColumn(column: "state", sources: ["context"]) { Referral(record: $0).state?.rawValue }
    ],
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
        "contact_id", .id, [.nullable, .tracked, .exported], seen: [.member, .staff], set: .staff,
        created: [.member, .staff]),
      Field(
        "partner_type", .word(PartnerType.self), [.required, .tracked, .exported],
        seen: [.member, .partner, .staff], set: .staff, created: [.member, .staff]),
      Field(
        "status", .word(ReferralStatus.self), [.tracked, .exported],
        seen: [.member, .partner, .staff], set: .staff, created: []),
      Field("status_since", .time, .exported, seen: [.member, .partner, .staff]),
      Field(
        "context", .object(context), [.nullable, .tracked], seen: [.member, .staff],
        set: .staff, created: [.member, .staff]),
      Field(
        "context", .json,
        from: "iif(\(hidesContact), json_set(r.context, '$.specific_need', NULL), r.context)",
        join: contactJoin, seen: .partner),
      Field("group_size", .integer(1...100), .exported, from: "r.context ->> '$.group_size'"),
      Field(
        "home_price_min", .integer(prices), .exported,
        from: "r.context ->> '$.home_price_range.min'"),
      Field(
        "home_price_max", .integer(prices), .exported,
        from: "r.context ->> '$.home_price_range.max'"),
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
      Field(
        "assigned_to", .id, [.nullable, .tracked, .exported], seen: .staff, set: .staff,
        created: []),
      Field(
        "follow_up_on", .date, [.nullable, .tracked, .exported], seen: .staff, set: .staff,
        created: []),
      Field(
        "consent_version", .text(limit: Consent.versionLimit), [.nullable, .tracked, .exported],
        seen: [.member, .staff], set: .staff, created: [.member, .staff]),
      Field("consented_at", .time, [.tracked, .exported, .personal], seen: [.member, .staff]),
      Field("created_at", .time, .exported, seen: [.member, .partner, .staff]),
      Field("updated_at", .time, .exported, seen: [.member, .partner, .staff]),
      // The time at which the partner and the group started to work together.
      Field("connected_at", .time),
      Field(
        "group",
        .joined([
          Field("id", .id, from: "r.group_id"), Field("name", .text(limit: 200), from: "g.name"),
        ]), join: groupJoin, seen: [.partner, .staff]),
      Field(
        "requester",
        .joined([
          Field("id", .id, from: "r.requested_by"),
          Field("name", .text(limit: 100), from: "u.name"),
          Field("email", .text(.email), from: "u.email"),
        ]), join: requesterJoin, seen: .staff),
      Field(
        "contact",
        .joined([
          Field("id", .id, from: "r.contact_id"),
          Field("name", .text(limit: 100), from: "contact.name"),
          Field("email", .text(.email), from: "contact.email"),
        ]), join: contactJoin, seen: .staff),
      Field(
        "contact",
        .joined([
          Field("name", .text(limit: 100), from: "iif(\(hidesContact), NULL, contact.name)"),
          Field("email", .text(.email), from: "contact.email"),
        ]), join: contactJoin, seen: .partner),
      Field(
        "assignee",
        .joined([
          Field("id", .id, from: "r.assigned_to"),
          Field("name", .text(limit: 100), from: "assignee.name"),
        ]), join: "LEFT JOIN users AS assignee ON assignee.id = r.assigned_to",
        seen: .staff),
      Field(
        "partner", .joined(partnerContact("r.partner_id")), join: partnerJoin,
        seen: .staff),
      Field(
        "partner",
        .joined(
          partnerContact("r.partner_id") {
            "CASE WHEN r.intro_sent_at IS NOT NULL AND p.status <> 'removed' THEN p.\($0) END"
          }), join: partnerJoin, seen: .member),
      Field("timeline", .json, .single, from: timeline(), seen: [.member, .staff]),
      // The part before the introduction would show that other partners were proposed first.
      Field(
        "timeline", .json, .single,
        from: timeline(
          """
          AND number >= ifnull((SELECT max(number) FROM events
            WHERE subject_id = r.id AND subject_kind = 'referral'
              AND changes ->> '$.status.to' = 'intro_sent'), 0)
          """), seen: .partner),
    ])

  /// The group's description of its need.
  private static let context = [
    Field("group_size", .integer(1...100), .nullable, set: .anyone),
    Field("home_price_range", .range(prices), .nullable, set: .anyone),
    Field("timeline", .text(limit: 100), .nullable, set: .anyone),
    Field("state", .state, .nullable, set: .anyone),
    Field("specific_need", .lines(limit: 2_000), .nullable, set: .anyone),
  ]

  /// Whole US dollars, up to an amount that is exact as a number of JavaScript.
  private static let prices = 0...1_000_000_000_000

  // CROSS JOIN keeps the requests the outer loop, in the order of an index. SQLite would sort them otherwise if there
  // are far fewer groups (https://www.sqlite.org/optoverview.html, section 8.2).
  private static let groupJoin = "CROSS JOIN groups AS g ON g.id = r.group_id"
  private static let requesterJoin = "CROSS JOIN users AS u ON u.id = r.requested_by"
  private static let contactJoin = "LEFT JOIN users AS contact ON contact.id = r.contact_id"
  /// Whether the partner does not see the group's contact and its need in its own words.
  private static let hidesContact = "r.status = 'cancelled' OR ifnull(contact.disabled, 0)"
  private static let partnerJoin = "LEFT JOIN partners AS p ON p.id = r.partner_id"

  /// The times at which a request got each of its statuses, oldest first.
  private static func timeline(_ condition: String = "") -> String {
    """
    (SELECT json_group_array(json_object('status', status, 'at', at)) FROM
      (SELECT changes ->> '$.status.to' AS status, at FROM events
       WHERE subject_id = r.id AND subject_kind = 'referral'
         AND changes ->> '$.status.to' IS NOT NULL \(condition)
       ORDER BY number))
    """
  }
}

/// The filters and the order of a list of referral requests. An empty list of values filters nothing.
package struct ReferralFilter: Sendable {
  package enum Sort: String, CaseIterable, Sendable {
    case createdAt = "created_at"
    case updatedAt = "updated_at"
    case statusSince = "status_since"
  }

  /// Who looks after a request.
  package enum Assignee: Sendable {
    case nobody
    case user(ID)
  }

  package var statuses: [ReferralStatus] = []
  package var types: [PartnerType] = []
  package var states: [StateCode] = []
  package var groupID: ID?
  package var partnerID: ID?
  /// The statuses of the requests' partners. Requests without a partner have none of them.
  package var partnerStatuses: [PartnerStatus] = []
  package var requestedBy: ID?
  /// The latest time of creation.
  package var createdUntil: Timestamp?
  /// The latest time at which the status became what it is.
  package var statusUntil: Timestamp?
  package var assignee: Assignee?
  /// The latest day to follow up, such as `2026-11-22`. Requests without a day have none of them.
  package var followUpUntil: String?
  /// Each word must begin a word of the group's name, the requester's name or e-mail address, or the partner's
  /// company.
  package var words: String?
  /// Whether the list has introduced requests only.
  package var introducedOnly = false
  package var order = (by: Sort.createdAt, descending: true)

  package init() {}
}

extension Snapshot {
  /// The request with this ID; nil if it does not exist.
  package func referral(_ id: ID) throws -> Referral? {
    try find(.referrals, "id", id.text)
  }

  /// A group's request as JSON, as its members or staff see it.
  ///
  /// - Throws: `Failure.notFound`.
  package func referral(_ id: ID, ofGroup group: ID, seenBy audience: Audiences) throws -> [UInt8] {
    try view(
      Table.referrals.single(audience), "WHERE r.id = ? AND r.group_id = ?", id.text, group.text)
  }

  /// An introduced request as JSON, as its partner sees it.
  ///
  /// - Throws: `Failure.notFound`.
  package func referral(_ id: ID, ofPartner partner: ID) throws -> [UInt8] {
    try view(
      Table.referrals.single(.partner),
      "WHERE r.id = ? AND r.partner_id = ? AND r.intro_sent_at IS NOT NULL", id.text, partner.text)
  }

  /// Writes a page of requests as an audience sees them.
  ///
  /// - Returns: The last item's key if there are more items, else nil.
  package func referrals(
    _ filter: ReferralFilter, _ page: PageRequest, seenBy audience: Audiences,
    to json: inout JSONWriter
  ) throws -> [String]? {
    try write(
      page, matching: filter.words, to: &json,
      find: { try referralMatches($0, havePartners: filter.statuses != [.pending]) },
      list: { try referralList(filter, seenBy: audience, $0) })
  }

  /// The list of `referrals(_:_:seenBy:to:)`.
  func referralList(
    _ filter: ReferralFilter, seenBy audience: Audiences,
    _ matches: Search.Matches? = nil
  ) throws -> List {
    var list = List(
      Table.referrals.list(audience), items: List.Source(name: "referral_requests", alias: "r"),
      sort: filter.order.by.rawValue, descending: filter.order.descending)
    let statuses = filter.statuses.distinctWords
    let states = filter.states.distinctWords
    // The most selective filter is walked. A group, a partner or a user has few requests in any order.
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
    if let matches {
      list.filter(matches)
      if matches.way == .sort { walked = true }
    }
    if let day = filter.followUpUntil {
      // In this form, SQLite does not walk the column's index and sort afterwards.
      list.filter("ifnull(r.follow_up_on, '~') <= ?", day)
      if !walked, let few = try fewFollowUps(until: day, filter.statuses) {
        list.filter("r.number IN (\(few.sql))", arguments: few.arguments)
        walked = true
      }
    }
    let partnerStatuses = filter.partnerStatuses.distinctWords
    if !walked, !partnerStatuses.isEmpty, !filter.partnerStatuses.contains(.active) {
      list.walk("partner_status_unless_active", in: partnerStatuses)
      list.walk("status", in: statuses.isEmpty ? ReferralStatus.allCases.distinctWords : statuses)
      walked = true
    } else {
      list.filter(
        "CASE WHEN r.partner_id IS NOT NULL THEN ifnull(r.partner_status_unless_active, 'active') END",
        in: partnerStatuses)
    }
    switch filter.assignee {
    case nil: break
    case .nobody where walked: list.filter("+r.assigned_to IS NULL")
    case .user(let id) where walked: list.filter(column: "assigned_to", in: [id.text])
    case .nobody: list.walk([[("assigned_to", nil)]])
    case .user(let id): list.walk("assigned_to", in: [id.text])
    }
    if filter.assignee != nil, !walked {
      list.walk("status", in: statuses.isEmpty ? ReferralStatus.allCases.distinctWords : statuses)
      walked = true
    } else if walked || statuses.isEmpty {
      list.filter(column: "status", in: statuses)
    } else {
      list.walk("status", in: statuses)
      walked = true
    }
    if walked || filter.order.by != .createdAt {
      list.filter(column: "state", in: states)
    } else {
      list.walk("state", in: states)
    }
    list.filter(column: "partner_type", in: filter.types.distinctWords)
    if filter.introducedOnly { list.filter("r.intro_sent_at IS NOT NULL") }
    // A request is created before its status becomes what it is.
    let created = [filter.createdUntil, filter.statusUntil].compactMap { $0 }.min()
    for (column, until) in [("created_at", created), ("status_since", filter.statusUntil)] {
      guard let until else { continue }
      if column != filter.order.by.rawValue {
        // The unary plus keeps SQLite from walking this column's index and sorting afterwards.
        list.filter("+r.\(column) <= ?", until.text)
      } else if filter.order.descending {
        list.start("r.\(column) <= ?", until.text)
      } else {
        list.filter("r.\(column) <= ?", until.text)
      }
    }
    return list
  }

  /// The query for the numbers of the requests to follow up by a day; nil if they are too many to be sorted.
  private func fewFollowUps(
    until day: String, _ statuses: [ReferralStatus]
  ) throws -> (sql: String, arguments: [String])? {
    let statuses = (statuses.isEmpty ? ReferralStatus.allCases : statuses).distinctWords
    let marks = statuses.map { _ in "?" }.joined(separator: ", ")
    let sql = """
      SELECT number FROM referral_requests WHERE status IN (\(marks)) AND follow_up_on <= ?
      """
    let arguments = statuses + [day]
    return try count(sql, arguments) < List.many ? (sql, arguments) : nil
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

  /// The requests that are matched with a partner but not introduced to it.
  func matchedReferrals(of partner: ID) throws -> [Referral] {
    try load(
      .referrals,
      "WHERE r.partner_id = ? AND r.status = 'matched' ORDER BY r.created_at, r.number",
      [partner.text])
  }

  /// The state of the group's newest request, else the group's own; nil if neither has a state.
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
