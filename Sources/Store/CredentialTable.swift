import Domain
import JSON
import SQLite

extension Table {
  /// The partners' credentials.
  package static let credentials = Table(
    "partner_credentials", alias: "c",
    derived: [
      DerivedColumn(column: "number_key", sources: ["number"]) {
        Credential.comparisonKey(ofNumber: Credential(record: $0).number)
      },
      DerivedColumn(column: "good_until", sources: ["expires_on"]) {
        Credential(record: $0).expiresOn ?? "9999-12-31"
      },
    ],
    fields: [
      Field("id", .id, seen: [.partner, .staff]),
      Field("partner_id", .id),
      Field(
        "kind", .word(CredentialKind.self), [.required, .tracked], seen: [.partner, .staff],
        set: [.partner, .staff]),
      Field(
        "number", .text(limit: 50), [.required, .tracked], seen: [.partner, .staff],
        set: [.partner, .staff]),
      Field(
        "state_code", .state, [.nullable, .tracked], seen: [.partner, .staff],
        set: [.partner, .staff]),
      Field(
        "issuer", .text(limit: 100), [.nullable, .tracked], seen: [.partner, .staff],
        set: [.partner, .staff]),
      Field(
        "expires_on", .date, [.nullable, .tracked], seen: [.partner, .staff],
        set: [.partner, .staff]),
      Field("verified_at", .time, .tracked, seen: [.partner, .staff]),
      Field("verified_by", .id, .tracked, seen: [.partner, .staff]),
      Field("notes", .lines(limit: 2_000), [.nullable, .tracked], seen: .staff, set: .staff),
      Field("created_at", .time, seen: [.partner, .staff]),
      Field("updated_at", .time, seen: [.partner, .staff]),
    ])

  /// The partner of a credential in the list of all partners' credentials.
  package static let partnerOfCredential = Field(
    "partner",
    .joined([
      Field("id", .id, from: "c.partner_id"),
      Field("company_name", .text(limit: 200), from: "p.company_name"),
    ]), join: "JOIN partners AS p ON p.id = c.partner_id")
}

/// The filters of the list of all partners' credentials. An empty list of values filters nothing.
package struct CredentialFilter: Sendable {
  package var kinds: [CredentialKind] = []
  package var states: [StateCode] = []
  /// Whether staff has verified them; nil: all.
  package var isVerified: Bool?
  /// In how many days at most they expire, 0 for today; nil: any time, and those that have expired.
  package var expiringWithinDays: Int?

  package init() {}

  /// The SQL expression for the day that is so many days after today.
  static func lastDay(within days: Int) -> String { "date(today(), '+\(days) days')" }
}

extension Snapshot {
  private static let credentialTable = List.Source(
    name: "partner_credentials", alias: "c", number: "serial")

  private static let credentialShape = Shape(
    Table.credentials.fields.filter { $0.seenBy.contains(.staff) } + [Table.partnerOfCredential],
    of: "partner_credentials", "c")

  /// The credential with this ID; nil if the partner has none.
  func credential(_ id: ID, ofPartner partner: ID) throws -> Credential? {
    let credential: Credential? = try find(.credentials, "id", id.text)
    return credential?.partnerID == partner ? credential : nil
  }

  /// A partner's credential as JSON, as the partner or staff sees it.
  ///
  /// - Throws: `Failure.notFound`.
  package func credential(
    _ id: ID, ofPartner partner: ID, seenBy audience: Audiences
  ) throws -> [UInt8] {
    try view(
      Table.credentials.single(audience), "WHERE c.id = ? AND c.partner_id = ?", id.text,
      partner.text)
  }

  /// Writes a page of a partner's credentials, the soonest to expire first.
  ///
  /// - Returns: The last item's key if there are more items, else nil.
  package func credentials(
    ofPartner partner: ID, _ page: PageRequest, seenBy audience: Audiences,
    to json: inout JSONWriter
  ) throws -> [String]? {
    try credentialList(ofPartner: partner, seenBy: audience)
      .write(page, on: connection, to: &json)
  }

  /// The list of `credentials(ofPartner:_:seenBy:to:)`.
  func credentialList(ofPartner partner: ID, seenBy audience: Audiences) -> List {
    var list = List(
      Table.credentials.list(audience), items: Snapshot.credentialTable, sort: "good_until",
      descending: false)
    list.walk("partner_id", in: [partner.text])
    return list
  }

  /// Writes a page of the credentials that the filter selects, with their partners, as staff sees them, the
  /// soonest to expire first. Those of removed partners are left out.
  ///
  /// - Returns: The last item's key if there are more items, else nil.
  package func credentials(
    _ filter: CredentialFilter, _ page: PageRequest, to json: inout JSONWriter
  ) throws -> [String]? {
    try credentialList(filter).write(page, on: connection, to: &json)
  }

  /// The list of `credentials(_:_:to:)`.
  func credentialList(_ filter: CredentialFilter) -> List {
    var walked = Snapshot.credentialTable
    // Most are verified, so that the others would be far apart in another index.
    if filter.isVerified == false { walked.index = "partner_credentials_unverified" }
    var list = List(
      Snapshot.credentialShape, items: Snapshot.credentialTable, walked: walked,
      sort: "good_until", descending: false)
    let kinds = filter.kinds.distinctWords
    switch filter.isVerified {
    case false:
      list.filter("c.verified_at IS NULL")
      list.filter(column: "kind", in: kinds)
    case true:
      list.filter("c.verified_at IS NOT NULL")
      list.walk("kind", in: kinds)
    default:
      list.walk("kind", in: kinds)
    }
    list.filter(column: "state_code", in: filter.states.distinctWords)
    list.filter(
      """
      EXISTS (SELECT 1 FROM partners AS owner WHERE owner.id = c.partner_id \
      AND owner.status <> 'removed')
      """)
    if let days = filter.expiringWithinDays {
      list.start("c.good_until >= ?", now.day)
      list.filter("c.good_until <= ?", now.adding(days: days).day)
    }
    return list
  }

  /// How many verified credentials expire from today on within so many days. Those of removed partners don't
  /// count.
  func credentials(expiringWithinDays days: Int) throws -> Int {
    try connection.row(
      """
      SELECT count(*) FROM partner_credentials AS c CROSS JOIN partners AS p ON p.id = c.partner_id
      WHERE c.good_until BETWEEN ? AND ? AND c.verified_at IS NOT NULL AND p.status <> 'removed'
      """, now.day, now.adding(days: days).day
    ) { $0.int(0) } ?? 0
  }
}
