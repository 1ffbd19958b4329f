import Domain
import SQLite

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
  /// Whether only those count whose partner was introduced.
  package var introducedOnly = false
  package var sort = Sort.createdAt
  package var descending = true

  package init() {}
}

/// A request and its partner as the members of its group see them, and as a row of the database has
/// them: the texts are to be read before the row is left.
package struct MemberReferralRecord {
  package let id: UnsafeBufferPointer<UInt8>
  package let groupID: UnsafeBufferPointer<UInt8>
  package let requestedBy: UnsafeBufferPointer<UInt8>
  package let partnerType: UnsafeBufferPointer<UInt8>
  package let status: UnsafeBufferPointer<UInt8>
  /// A JSON object.
  package let context: UnsafeBufferPointer<UInt8>
  package let introSentAt: UnsafeBufferPointer<UInt8>?
  package let outcome: UnsafeBufferPointer<UInt8>?
  package let createdAt: UnsafeBufferPointer<UInt8>
  package let updatedAt: UnsafeBufferPointer<UInt8>
  package let partner: Partner?

  /// What a request names a partner by.
  package struct Partner {
    package let id: UnsafeBufferPointer<UInt8>
    package let type: UnsafeBufferPointer<UInt8>
    package let companyName: UnsafeBufferPointer<UInt8>
    package let contactName: UnsafeBufferPointer<UInt8>?
    package let email: UnsafeBufferPointer<UInt8>
    package let phone: UnsafeBufferPointer<UInt8>?
    package let website: UnsafeBufferPointer<UInt8>?
  }

  fileprivate static let columns = """
    r.id, r.group_id, r.requested_by, r.partner_type, r.status, r.context, r.intro_sent_at, \
    r.outcome, r.created_at, r.updated_at, r.partner_id, \(PartnerContact.columns)
    """

  fileprivate init(_ columns: inout Columns) {
    id = columns.utf8()
    groupID = columns.utf8()
    requestedBy = columns.utf8()
    partnerType = columns.utf8()
    status = columns.utf8()
    context = columns.utf8()
    introSentAt = columns.utf8OrNil()
    outcome = columns.utf8OrNil()
    createdAt = columns.utf8()
    updatedAt = columns.utf8()
    partner = columns.utf8OrNil().map { id in
      Partner(
        id: id, type: columns.utf8(), companyName: columns.utf8(),
        contactName: columns.utf8OrNil(), email: columns.utf8(), phone: columns.utf8OrNil(),
        website: columns.utf8OrNil())
    }
  }
}

/// What staff sees of a request's partner.
package struct PartnerContact: Equatable, Sendable {
  package var id: ID
  package var type: PartnerType
  package var companyName: String
  package var contactName: String?
  package var email: String
  package var phone: String?
  package var website: String?

  fileprivate static let columns =
    "p.type, p.company_name, p.contact_name, p.email, p.phone, p.website"

  /// - Parameter id: The partner's; nil for a request without one, whose columns are empty.
  fileprivate init?(_ columns: inout Columns, id: ID?) throws {
    guard let id else {
      columns.skip(6)
      return nil
    }
    self.id = id
    type = try columns.word()
    companyName = columns.text()
    contactName = columns.textOrNil()
    email = columns.text()
    phone = columns.textOrNil()
    website = columns.textOrNil()
  }
}

/// A request, its partner, and who asked: what staff sees.
package struct StaffReferralRecord: Equatable, Sendable {
  package var referral: Referral
  package var partner: PartnerContact?
  package var groupName: String
  package var requesterName: String
  package var requesterEmail: String
}

extension Snapshot {
  private static let referralColumns = """
    r.id, r.group_id, r.requested_by, r.partner_type, r.status, r.context, r.partner_id, \
    r.intro_sent_at, r.outcome, r.outcome_notes, r.created_at, r.updated_at, \
    r.status_changed_at, r.connected_at
    """
  private static let partnerJoin = "LEFT JOIN partners AS p ON p.id = r.partner_id"
  private static let staffColumns = """
    \(referralColumns), \(PartnerContact.columns), g.name, u.name, u.email
    """
  private static let staffJoins =
    partnerJoin
    + " JOIN groups AS g ON g.id = r.group_id JOIN users AS u ON u.id = r.requested_by"

  private static func referral(_ columns: inout Columns) throws -> Referral {
    try Referral(
      id: columns.id(), groupID: columns.id(), requestedBy: columns.id(),
      partnerType: columns.word(), status: columns.word(),
      context: StoredContext.decode(columns.utf8()), partnerID: columns.idOrNil(),
      introSentAt: columns.timeOrNil(), outcome: columns.wordOrNil(),
      outcomeNotes: columns.textOrNil(), createdAt: columns.time(), updatedAt: columns.time(),
      statusChangedAt: columns.timeOrNil(), connectedAt: columns.timeOrNil())
  }

  private static func staffRecord(_ columns: inout Columns) throws -> StaffReferralRecord {
    let referral = try referral(&columns)
    return StaffReferralRecord(
      referral: referral, partner: try PartnerContact(&columns, id: referral.partnerID),
      groupName: columns.text(), requesterName: columns.text(), requesterEmail: columns.text())
  }

  /// The request with this ID as staff sees it; nil if there is none.
  package func referral(_ id: ID) throws -> StaffReferralRecord? {
    try connection.row(
      """
      SELECT \(Snapshot.staffColumns) FROM referral_requests AS r \(Snapshot.staffJoins)
      WHERE r.id = ?
      """, id.text
    ) { row in
      var columns = Columns(row)
      return try Snapshot.staffRecord(&columns)
    }
  }

  /// Lends a group's request as its members see it; nil if the group has none with this ID.
  package func memberReferral<Result>(
    _ id: ID, ofGroup group: ID, body: (MemberReferralRecord) throws -> Result
  ) throws -> Result? {
    try connection.row(
      """
      SELECT \(MemberReferralRecord.columns) FROM referral_requests AS r \(Snapshot.partnerJoin)
      WHERE r.id = ? AND r.group_id = ?
      """, id.text, group.text
    ) { row in
      var columns = Columns(row)
      return try body(MemberReferralRecord(&columns))
    }
  }

  /// A page of requests as staff sees them.
  package func staffReferrals(
    _ filter: ReferralFilter, _ page: PageRequest
  ) throws -> Page<StaffReferralRecord> {
    try referralList(filter, columns: Snapshot.staffColumns, joins: Snapshot.staffJoins)
      .page(page, on: connection, read: Snapshot.staffRecord)
  }

  /// Lends a page of requests as the members of their groups see them, one by one.
  ///
  /// - Returns: The last one's key if the list goes on, else nil.
  package func memberReferrals(
    _ filter: ReferralFilter, _ page: PageRequest, body: (MemberReferralRecord) throws -> Void
  ) throws -> [String]? {
    try referralList(filter, columns: MemberReferralRecord.columns, joins: Snapshot.partnerJoin)
      .each(page, on: connection) { try body(MemberReferralRecord(&$0)) }
  }

  /// The list of staff's queue, for the tests of its query plans.
  func staffReferralList(_ filter: ReferralFilter) -> List {
    referralList(filter, columns: Snapshot.staffColumns, joins: Snapshot.staffJoins)
  }

  private func referralList(_ filter: ReferralFilter, columns: String, joins: String) -> List {
    var list = List(
      columns: columns, items: List.Table(name: "referral_requests", alias: "r"), joins: joins,
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
    ) { row in
      var columns = Columns(row)
      return try columns.id()
    }
  }

  /// The requests that are matched with a partner, but not introduced to it.
  package func matchedReferrals(of partner: ID) throws -> [Referral] {
    var filter = ReferralFilter()
    filter.partnerID = partner
    filter.statuses = [.matched]
    filter.descending = false
    return try referralList(filter, columns: Snapshot.referralColumns, joins: "")
      .page(PageRequest(limit: .max - 1), on: connection, read: Snapshot.referral).items
  }

  /// The place in the order of every active partner that fits a request: of its type, serving its state
  /// if it has one. Left out: partners that the request was taken from or that gave it back, and those
  /// whose own user is in the group.
  package func rankingKeys(for referral: Referral) throws -> [Ranking.Key] {
    try rankingKeys(
      group: referral.groupID, type: referral.partnerType, state: referral.context.state,
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
      var columns = Columns(row)
      return try Ranking.Key(
        certified: columns.bool(), openReferrals: columns.int(),
        lastIntroAt: columns.timeOrNil(), id: columns.id())
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
    ) { row in
      var columns = Columns(row)
      return try columns.wordOrNil(StateCode.self)
    }
    return try (newest ?? nil) ?? self.group(group)?.state
  }
}

extension Change {
  /// Adds a request.
  ///
  /// - Throws: `Failure.conflict(.referralAlreadyOpen)`.
  package func insert(_ referral: Referral) throws {
    try checkOpenness(of: referral)
    try connection.run(
      """
      INSERT INTO referral_requests (id, group_id, requested_by, partner_type, status, context,
        state, partner_id, intro_sent_at, outcome, outcome_notes, created_at, updated_at,
        status_changed_at, connected_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      """, referral.id.text, referral.groupID.text, referral.requestedBy.text,
      referral.partnerType.rawValue, referral.status.rawValue,
      StoredContext.encode(referral.context), referral.context.state?.rawValue,
      referral.partnerID?.text,
      referral.introSentAt?.text, referral.outcome?.rawValue, referral.outcomeNotes,
      referral.createdAt.text, referral.updatedAt.text, referral.statusChangedAt?.text,
      referral.connectedAt?.text)
  }

  /// Replaces what can change of a request.
  ///
  /// - Throws: `Failure.conflict(.referralAlreadyOpen)`.
  package func update(_ referral: Referral) throws {
    try checkOpenness(of: referral)
    try connection.run(
      """
      UPDATE referral_requests
      SET partner_type = ?, status = ?, context = ?, state = ?, partner_id = ?, intro_sent_at = ?,
        outcome = ?, outcome_notes = ?, updated_at = ?, status_changed_at = ?, connected_at = ?
      WHERE id = ?
      """, referral.partnerType.rawValue, referral.status.rawValue,
      StoredContext.encode(referral.context), referral.context.state?.rawValue,
      referral.partnerID?.text,
      referral.introSentAt?.text, referral.outcome?.rawValue, referral.outcomeNotes,
      referral.updatedAt.text, referral.statusChangedAt?.text, referral.connectedAt?.text,
      referral.id.text)
  }

  private func checkOpenness(of referral: Referral) throws {
    guard referral.status.isOpen else { return }
    let open = try openReferral(
      group: referral.groupID, type: referral.partnerType, state: referral.context.state,
      except: referral.id)
    guard let open else { return }
    throw Failure.conflict(
      .referralAlreadyOpen(existing: "/api/groups/\(referral.groupID)/referrals/\(open)"))
  }
}
