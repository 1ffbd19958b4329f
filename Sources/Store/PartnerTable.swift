import Domain
import JSON
import SQLite

extension Table {
  /// The partners, with every field that anybody sees or sets.
  package static let partners = Table(
    "partners", alias: "p",
    derived: [
      DerivedColumn(column: "email_key", sources: ["email"]) {
        Partner(record: $0).email.comparisonKey
      },
      DerivedColumn(column: "name_key", sources: ["company_name"]) {
        FoldedText.sortKey(Partner(record: $0).companyName)
      },
      DerivedColumn(column: "company_words", sources: ["company_name"]) {
        Search.words([Partner(record: $0).companyName])
      },
      DerivedColumn(column: "public_words", sources: ["company_name", "contact_name"]) {
        let partner = Partner(record: $0)
        return Search.publicWords(
          company: partner.companyName, contact: partner.text("contact_name"))
      },
      DerivedColumn(column: "staff_words", sources: ["email", "phone", "notes"]) {
        let partner = Partner(record: $0)
        return Search.staffWords(
          email: partner.email, phone: partner.text("phone"), notes: partner.text("notes"))
      },
    ],
    fields: [
      Field("id", .id, .exported, seen: .all),
      Field("user_id", .id, [.nullable, .tracked, .exported], seen: .staff, set: .staff),
      Field(
        "type", .word(PartnerType.self), [.required, .tracked, .exported], seen: .all, set: .staff),
      Field(
        "status", .word(PartnerStatus.self, initial: PartnerStatus.initial),
        [.tracked, .exported], seen: [.partner, .staff], created: .staff),
      Field(
        "company_name", .text(limit: 200), [.required, .tracked, .exported, .reviewed], seen: .all,
        set: [.partner, .staff]),
      Field(
        "contact_name", .text(limit: 100), [.nullable, .tracked, .exported], seen: .all,
        set: [.partner, .staff]),
      Field(
        "email", .text(.email), [.required, .tracked, .exported, .reviewed],
        seen: [.partner, .staff], set: [.partner, .staff]),
      Field(
        "phone", .text(.phone), [.nullable, .tracked, .exported], seen: [.partner, .staff],
        set: [.partner, .staff]),
      Field(
        "website", .text(.website), [.nullable, .tracked, .exported, .reviewed], seen: .all,
        set: [.partner, .staff]),
      Field(
        "service_areas", .list(of: .state, limit: 51), [.tracked, .exported, .reviewed], seen: .all,
        set: [.partner, .staff]),
      Field("co_ownership_certified", .flag, [.tracked, .exported], seen: .all, set: .staff),
      Field(
        "description", .lines(limit: 2_000), [.nullable, .tracked, .exported, .reviewed],
        seen: .all, set: [.partner, .staff]),
      Field(
        "languages", .list(of: .language, limit: LanguageCode.codes.count), [.tracked, .exported],
        seen: .all, set: [.partner, .staff]),
      Field(
        "affiliation_disclosure", .text(limit: 500), [.nullable, .tracked, .exported], seen: .all,
        set: .staff),
      Field("accepting_referrals", .flag, from: acceptingReferrals, seen: .all),
      Field(
        "credentials", .json, .single, from: goodCredentials, seen: [.anyone, .member]),
      Field(
        "paused_until", .date, [.nullable, .tracked, .exported], seen: [.partner, .staff],
        set: [.partner, .staff]),
      Field(
        "max_open_referrals", .integer(1...1_000), [.onlyNull, .tracked, .exported],
        seen: [.partner, .staff], set: [.partner, .staff]),
      Field(
        "credentials_status", .word(CredentialsStatus.self), from: credentialsStatus,
        seen: [.partner, .staff]),
      // The last day on which everything verified is good, which triggers keep; null if nothing is verified.
      Field("credentials_good_until", .date),
      Field(
        "agreement_signed_at", .time(isPast: true), [.nullable, .tracked, .exported],
        seen: [.partner, .staff], set: .staff),
      Field("invited_by", .id, [.tracked, .exported], seen: .staff),
      Field(
        "notes", .lines(limit: 10_000), [.nullable, .tracked, .exported], seen: .staff,
        set: .staff),
      // The values that the partner proposes, by field; null if nothing waits for a review.
      Field("pending_changes", .json, .tracked, seen: [.partner, .staff]),
      Field("created_at", .time, .exported, seen: [.partner, .staff]),
      Field("updated_at", .time, .exported, seen: [.partner, .staff]),
    ])

  /// The condition that a partner wants no introductions today.
  static let isPaused = "ifnull(p.paused_until >= today(), FALSE)"

  /// The condition that a partner has as many open referrals as it wants.
  ///
  /// - Parameter open: The SQL expression for the number of its open referrals.
  static func isAtCapacity(open: String) -> String {
    "ifnull(\(open) >= p.max_open_referrals, FALSE)"
  }

  /// The condition that a verified credential of a partner has expired, without another good one of its kind
  /// and state.
  static let hasExpiredCredential = "ifnull(p.credentials_good_until < today(), FALSE)"

  // Unlike OR, CASE leaves out what is not needed: most partners have no maximum.
  private static let acceptingReferrals = """
    (CASE WHEN p.status <> 'active' OR \(isPaused) THEN FALSE
      WHEN p.max_open_referrals IS NULL THEN TRUE
      ELSE NOT \(isAtCapacity(
        open: "(SELECT open_referrals FROM partner_standings WHERE partner_id = p.id)")) END)
    """

  private static let credentialsStatus = """
    (CASE WHEN \(hasExpiredCredential) THEN 'expired'
      WHEN p.credentials_good_until <= \(CredentialFilter.lastDay(within: Credential.warningDays)) THEN 'expiring'
      WHEN p.credentials_good_until IS NOT NULL THEN 'verified'
      WHEN EXISTS (SELECT 1 FROM partner_credentials WHERE partner_id = p.id) THEN 'unverified'
      ELSE 'none' END)
    """

  /// The verified credentials that have not expired.
  private static let goodCredentials = """
    (SELECT json_group_array(
        json_object('kind', kind, 'number', number, 'state_code', state_code)) FROM
      (SELECT kind, number, state_code FROM partner_credentials
       WHERE partner_id = p.id AND verified_at IS NOT NULL AND good_until >= today()
       ORDER BY kind, state_code, number_key))
    """

  /// A partner as a referral shows it, with its contact data.
  ///
  /// - Parameters:
  ///   - id: The column with the partner's ID.
  ///   - contact: The expression for a column that shows only after the introduction.
  static func partnerContact(
    _ id: String, contact: (String) -> String = { "p.\($0)" }
  ) -> [Field] {
    [
      Field("id", .id, from: id),
      Field("type", .word(PartnerType.self), from: "p.type"),
      Field("company_name", .text(limit: 200), from: "p.company_name"),
      Field("contact_name", .text(limit: 100), from: contact("contact_name")),
      Field("email", .text(.email), from: contact("email")),
      Field("phone", .text(.phone), from: contact("phone")),
      Field("website", .text(.website), from: "p.website"),
    ]
  }
}

/// The filters and the order of staff's list of partners. An empty list of values filters nothing.
package struct PartnerFilter: Sendable {
  package enum Sort: String, CaseIterable, Sendable {
    case createdAt = "created_at"
    case updatedAt = "updated_at"
    case companyName = "company_name"
  }

  package var types: [PartnerType] = []
  package var statuses: [PartnerStatus] = []
  package var states: [StateCode] = []
  /// Each word must begin a word of the company, contact, e-mail, telephone number or notes.
  package var words: String?
  /// Whether changes that the partner proposes wait for a review; nil: either.
  package var hasPendingChanges: Bool?
  package var order = (by: Sort.createdAt, descending: true)

  package init() {}
}

extension Snapshot {
  static let partnerTable = List.Source(name: "partners", alias: "p")

  /// The partner with this ID in any status; nil if there is none.
  package func partner(_ id: ID) throws -> Partner? {
    try find(.partners, "id", id.text)
  }

  /// The ID of the partner record that the user is linked to; nil if there is none.
  package func partnerID(ofUser user: ID) throws -> ID? {
    try connection.row(
      "SELECT id FROM partners WHERE user_id = ? AND status <> 'removed'", user.text
    ) { ID($0.text(0)) } ?? nil
  }

  /// Writes a page of the partners that the filter selects, as staff sees them.
  ///
  /// - Returns: The last item's key if there are more items, else nil.
  package func partners(
    _ filter: PartnerFilter, _ page: PageRequest, to json: inout JSONWriter
  ) throws -> [String]? {
    try write(
      page, matching: filter.words, to: &json,
      find: { try partnerMatches($0, in: Search.staffColumns) },
      list: { partnerList(filter, $0) })
  }

  /// The list of `partners(_:_:to:)`.
  func partnerList(
    _ filter: PartnerFilter, _ matches: Search.Matches? = nil
  ) -> List {
    let sort = filter.order.by == .companyName ? "name_key" : filter.order.by.rawValue
    var items = Snapshot.partnerTable
    // These indexes have only the partners with proposals.
    if filter.hasPendingChanges == true { items.index = "partners_to_review_by_\(sort)" }
    var list = List(
      Table.partners.list(.staff), items: items, sort: sort, descending: filter.order.descending)
    let statuses = filter.statuses.distinctWords
    let types = filter.types.distinctWords
    if let isPending = filter.hasPendingChanges {
      list.filter("p.pending_changes IS \(isPending ? "NOT NULL" : "NULL")")
    }
    if items.index != nil {
      list.filter(column: "status", in: statuses)
      list.filter(column: "type", in: types)
    } else if filter.order.by == .createdAt, !statuses.isEmpty {
      list.walk("status", in: statuses)
      list.filter(column: "type", in: types)
    } else if filter.order.by == .createdAt {
      list.walk("type", in: types)
    } else {
      list.filter(column: "status", in: statuses)
      list.filter(column: "type", in: types)
    }
    if !filter.states.isEmpty {
      list.filter(Snapshot.serves(filter.states))
    }
    if let matches { list.filter(matches) }
    return list
  }

  /// The condition that a partner serves one of the states.
  ///
  /// - Parameter condition: A further condition on the area.
  static func serves(_ states: [StateCode], where condition: String = "TRUE") -> String {
    // State codes need no quoting.
    let codes = Set(states.map { "'\($0.rawValue)'" }).sorted().joined(separator: ", ")
    return """
      EXISTS (SELECT 1 FROM partner_areas AS area WHERE area.partner_number = p.number \
      AND area.state_code IN (\(codes)) AND \(condition))
      """
  }
}
