import Domain
import Foundation
import JSON
import Testing

@testable import SQLite
@testable import Store

/// A damage that SQL can do, and what a check must say of it.
private struct Damage: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let sql: String
  let findings: [String]

  init(_ name: String, _ sql: String, _ findings: String...) {
    testDescription = name
    self.sql = sql
    self.findings = findings
  }
}

@Suite("Checking")
struct CheckTests {
  /// A closed database with an active partner 21 of MN and WI, and its matched request 31.
  private static func folder() throws -> TemporaryFolder {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      try change.insert(Partner.sample(21, in: [.MN, .WI], name: "Needle"))
      try change.insert(Referral.sample(31))
      try change.record(
        .referralRequested, sampleID(31),
        changes: #"{"status":{"from":null,"to":"pending"}}"#)
    }
    // After 600 minutes: 4 tenths of a day.
    try test.change(at: minute(600)) { change in
      try change.perform(
        .match(sampleID(21)), on: try #require(try change.referral(sampleID(31))),
        partner: try change.partner(sampleID(21)))
    }
    #expect(try test.findings() == [])
    test.store.close()
    return test.folder
  }

  private static func findings(in folder: TemporaryFolder) throws -> [String] {
    let store = try Store(path: folder.database)
    defer { store.close() }
    return try store.check(now: now)
  }

  private static let areas =
    "The areas in the index of partner \(sampleID(21)) are not its service areas."
  private static let steps =
    "The overview's times from pending to matched do not match the history."
  private static let words =
    "The folded name or the searched words of partner \(sampleID(21)) do not match its fields."
  private static let search = "The search index does not match the partners."

  private static let standing =
    "The standing of partner \(sampleID(21)) does not follow from its referrals."
  private static let declines =
    "The declines of referral \(sampleID(31)) do not match its history."
  private static let ranks =
    "The ranks of partner \(sampleID(21)) do not follow from its areas and its standing."

  private static let damages = [
    Damage(
      "a count that is too high",
      """
      UPDATE service_area_coverage SET partner_count = 2
      WHERE state_code = 'MN' AND partner_type = 'attorney'
      """,
      "The coverage of MN/attorney counts 2 partners, but there are 1."),
    Damage(
      "a count of nobody",
      """
      UPDATE service_area_coverage SET partner_count = 1
      WHERE state_code = 'TX' AND partner_type = 'cpa'
      """,
      "The coverage of TX/cpa counts 1 partner, but there are 0."),
    Damage(
      "a status that does not follow",
      """
      UPDATE service_area_coverage SET status = 'unavailable'
      WHERE state_code = 'WI' AND partner_type = 'attorney'
      """,
      "The coverage of WI/attorney is unavailable, which does not follow from its count."),
    Damage(
      "a pin that does not show",
      """
      DROP TRIGGER coverage_status_follows;
      UPDATE service_area_coverage SET pinned_status = 'unavailable'
      WHERE state_code = 'MN' AND partner_type = 'attorney'
      """,
      "The coverage of MN/attorney is available, which does not follow from its count."),
    Damage(
      "a row of coverage that is missing",
      "DELETE FROM service_area_coverage WHERE state_code = 'AK' AND partner_type = 'agent'",
      "There are 305 rows of coverage, not 306."),
    Damage(
      "a count of requests",
      "UPDATE referral_counts SET count = 3 WHERE status = 'matched'",
      "The overview counts 3 requests of matched/attorney/MN, but there are 1."),
    Damage(
      "requests that are counted nowhere", "DELETE FROM referral_counts",
      "The overview counts 0 requests of matched/attorney/MN, but there are 1."),
    Damage("a step that is counted nowhere", "DELETE FROM referral_steps", steps),
    Damage("a step that is counted twice", "UPDATE referral_steps SET count = 2", steps),
    Damage(
      "a step that took another time", "UPDATE referral_steps SET tenths_of_days = 3", steps),
    Damage(
      "steps that never were",
      """
      INSERT INTO referral_steps VALUES ('connected', 'closed', 1, 1), ('connected', 'closed', 2, 1)
      """, "The overview's times from connected to closed do not match the history."),
    Damage("an area that is missing", "DELETE FROM partner_areas WHERE state_code = 'WI'", areas),
    Damage(
      "an area too many",
      """
      INSERT INTO partner_areas (partner_number, state_code, type, active, name_key, created_at)
      SELECT partner_number, 'TX', type, active, name_key, created_at FROM partner_areas LIMIT 1
      """, areas),
    Damage("an area of another name", "UPDATE partner_areas SET name_key = 'Other'", areas),
    Damage(
      "an area of another type", "UPDATE partner_areas SET type = 'cpa' WHERE state_code = 'WI'",
      areas),
    Damage(
      "an area that is not active",
      "UPDATE partner_areas SET active = 0 WHERE state_code = 'MN'", areas),
    Damage(
      "a partner that changed past the triggers",
      """
      DROP TRIGGER partner_areas_updated;
      UPDATE partners SET status = 'inactive'
      """, areas),
    Damage(
      "open referrals that are not", "UPDATE partner_standings SET open_referrals = 2", standing),
    Damage(
      "an introduction that never was",
      "UPDATE partner_standings SET last_intro_at = '2026-01-01T00:00:00.000Z'", standing),
    Damage(
      "an introduction that the history alone knows",
      """
      INSERT INTO events (at, subject_kind, subject_id, kind, changes)
      VALUES ('\(now)', 'referral', '\(sampleID(31))', 'referral.updated',
        '{"intro_sent_at":{"from":null,"to":"\(now)"},"partner_id":{"from":null,"to":"\(sampleID(21))"}}')
      """, standing),
    Damage(
      "an introduction that ended and never was",
      """
      INSERT INTO past_introductions (referral_number, partner_id, intro_sent_at)
      SELECT number, '\(sampleID(21))', '\(now)' FROM referral_requests
      """, "The past introductions of referral \(sampleID(31)) do not match its history."),
    Damage(
      "an introduction that ended, of which the history alone knows",
      """
      INSERT INTO referral_past_partners
      SELECT number, '\(sampleID(21))' FROM referral_requests;
      INSERT INTO events (at, subject_kind, subject_id, kind, changes)
      VALUES ('\(now)', 'referral', '\(sampleID(31))', 'referral.returned',
        '{"intro_sent_at":{"from":"\(now)","to":null},"partner_id":{"from":"\(sampleID(21))","to":null}}')
      """, "The past introductions of referral \(sampleID(31)) do not match its history."),
    Damage(
      "a decline that never was",
      """
      INSERT INTO declines (referral_number, partner_id, intro_sent_at, declined_at, reason_code)
      SELECT number, '\(sampleID(21))', '\(now)', '\(now)', 'terms' FROM referral_requests
      """, declines),
    Damage(
      "a decline of which the history alone knows",
      """
      INSERT INTO events (at, subject_kind, subject_id, kind, changes)
      VALUES ('\(now)', 'referral', '\(sampleID(31))', 'referral.returned',
        '{"partner_id":{"from":"\(sampleID(21))","to":null},"decline_reason_code":{"from":null,"to":"terms"}}')
      """, declines),
    Damage("a partner without a standing", "DELETE FROM partner_standings", standing, ranks),
    Damage(
      "a rank with another number of open referrals", "UPDATE partner_ranks SET open_referrals = 0",
      ranks),
    Damage(
      "a partner's status that is another one",
      "UPDATE referral_requests SET partner_status_unless_active = 'removed'",
      "Referral \(sampleID(31)) keeps a status that its partner does not have."),
    Damage("a rank that is missing", "DELETE FROM partner_ranks WHERE state_code = 'WI'", ranks),
    Damage("a rank of another type", "UPDATE partner_ranks SET type = 'cpa'", ranks),
    Damage(
      "a partner that left past the triggers",
      """
      DROP TRIGGER partner_ranks_partner_updated;
      UPDATE partners SET status = 'inactive'
      """, ranks),
    Damage(
      "a credential that the partner does not know",
      """
      DROP TRIGGER partner_credentials_inserted;
      INSERT INTO partner_credentials (id, partner_id, kind, number, number_key, expires_on,
        good_until, verified_at, created_at, updated_at)
      VALUES ('\(sampleID(41))', '\(sampleID(21))', 'nmls', 'A 1', 'a1', '2026-01-01', '2026-01-01',
        '\(now)', '\(now)', '\(now)')
      """, "The last good day of partner \(sampleID(21)) does not follow from its credentials."),
    Damage(
      "a last good day of nothing", "UPDATE partners SET credentials_good_until = '2026-01-01'",
      "The last good day of partner \(sampleID(21)) does not follow from its credentials."),
    Damage(
      "a credential's number that is another one",
      """
      INSERT INTO partner_credentials (id, partner_id, kind, number, number_key, good_until,
        created_at, updated_at)
      VALUES ('\(sampleID(41))', '\(sampleID(21))', 'nmls', 'A 1', 'a 1', '9999-12-31', '\(now)',
        '\(now)')
      """, "The key of credential \(sampleID(41)) does not match its number."),
    Damage(
      "words that the search index lacks",
      """
      INSERT INTO partners_search (partners_search, rowid, public_words, staff_words)
      SELECT 'delete', number, public_words, staff_words FROM partners
      """, search),
    Damage(
      "words that the search index has of an earlier name",
      """
      DROP TRIGGER partners_search_updated;
      UPDATE partners SET public_words = 'somebody'
      """, words, search),
    Damage("a partner whose folded name is another's", "UPDATE partners SET name_key = 'x'", words),
    Damage("words that are not the partner's", "UPDATE partners SET public_words = 'x'", words),
    Damage("words that are not the company's", "UPDATE partners SET company_words = 'x'", words),
    Damage(
      "a telephone number that the words lack", "UPDATE partners SET phone = '612-555-0142'", words),
    Damage(
      "words that the search for users lacks",
      """
      INSERT INTO users_search (users_search, rowid, words)
      SELECT 'delete', number, words FROM users WHERE email = 'user9@example.com'
      """, "The search index does not match the users."),
    Damage(
      "words that the search for groups lacks",
      """
      INSERT INTO groups_search (groups_search, rowid, words)
      SELECT 'delete', number, words FROM groups WHERE name = 'Group 12'
      """, "The search index does not match the groups."),
    Damage(
      "words that are not the user's",
      "UPDATE users SET words = 'x' WHERE email = 'user9@example.com'",
      "The number, the folded name or the searched words of user \(sampleID(9)) do not match its fields."
    ),
    Damage(
      "words that are not the group's", "UPDATE groups SET words = 'x' WHERE name = 'Group 12'",
      "The number, the folded name or the searched words of group \(sampleID(12)) do not match its fields."
    ),
    Damage(
      "a folded name that is not the user's",
      "UPDATE users SET name_key = 'x' WHERE email = 'user9@example.com'",
      "The number, the folded name or the searched words of user \(sampleID(9)) do not match its fields."
    ),
    Damage(
      "an erasure that names another event",
      "INSERT INTO erasures VALUES (1, 'user', '\(sampleID(9))')",
      "The erasure of user \(sampleID(9)) has no event."),
    Damage(
      "a group without a number",
      """
      DROP TRIGGER groups_search_inserted;
      INSERT INTO groups (id, name, words, created_at, updated_at)
      VALUES ('\(sampleID(40))', 'New', 'new', '\(now)', '\(now)')
      """,
      "The number, the folded name or the searched words of group \(sampleID(40)) do not match its fields.",
      "The search index does not match the groups."),
    Damage(
      "a row that names one that is not there",
      """
      PRAGMA foreign_keys = OFF;
      DELETE FROM users WHERE email = 'user9@example.com'
      """,
      "A row of group_members refers to a row of users that does not exist."),
    Damage(
      "a value that the schema does not allow",
      """
      PRAGMA ignore_check_constraints = ON;
      UPDATE users SET name = '' WHERE email = 'user9@example.com'
      """,
      "CHECK constraint failed in users",
      "The number, the folded name or the searched words of user \(sampleID(9)) do not match its fields."
    ),
    Damage(
      "a request whose history says otherwise",
      """
      DROP TRIGGER referral_steps_counted;
      UPDATE referral_requests SET status = 'cancelled'
      """,
      "Referral \(sampleID(31)) is cancelled, which is not the last status in its history."),
    Damage(
      "a request without a history",
      """
      INSERT INTO referral_requests (id, group_id, requested_by, partner_type, status, context,
        created_at, updated_at)
      VALUES ('\(sampleID(32))', '\(sampleID(12))', '\(sampleID(2))', 'cpa', 'pending', '{}',
        '\(now)', '\(now)')
      """,
      "Referral \(sampleID(32)) is pending, which is not the last status in its history."),
  ]

  @Test("finds each damage, and nothing else", arguments: damages)
  private func damage(_ damage: Damage) throws {
    let folder = try Self.folder()
    try Connection(path: folder.database, role: .writer).script(damage.sql)
    #expect(try Self.findings(in: folder) == damage.findings)
  }

  @Test("finds several at once")
  func several() throws {
    let folder = try Self.folder()
    try Connection(path: folder.database, role: .writer).script(
      """
      DELETE FROM service_area_coverage WHERE state_code = 'AK';
      DROP TRIGGER referral_steps_counted;
      UPDATE referral_requests SET status = 'cancelled';
      DELETE FROM partner_areas WHERE state_code = 'WI'
      """)
    #expect(try Self.findings(in: folder).count == 3)
  }

  @Test("finds a page that was overwritten")
  func overwritten() throws {
    let folder = try Self.folder()
    let page: Int
    do {
      let connection = try Connection(path: folder.database, role: .writer)
      let root = try connection.row(
        "SELECT rootpage FROM sqlite_schema WHERE name = 'partners_one_per_email'"
      ) { $0.int(0) }
      page = try #require(root)
      #expect(try connection.checkpoint(1, wait: 1000).inLog >= 0)
    }
    var bytes = try Data(contentsOf: URL(filePath: folder.database))
    let range = (page - 1) * 4096..<page * 4096
    let key = try #require(bytes.range(of: Data("partner21@example.com".utf8), in: range))
    bytes[key.lowerBound] = UInt8(ascii: "q")
    try bytes.write(to: URL(filePath: folder.database))
    #expect(
      try Self.findings(in: folder) == ["row 1 missing from index partners_one_per_email"])
  }

  @Test("tells what it looks at, and changes nothing")
  func progress() throws {
    let test = try TestStore()
    try test.change {
      _ = try $0.createPartner([
        "type": "attorney", "company_name": "Company", "email": "partner@example.com",
      ])
    }
    let before = try test.number("SELECT max(number) FROM events")
    var steps: [String] = []
    #expect(try test.store.check(now: now) { steps.append($0) } == [])
    #expect(steps.count == 5)
    #expect(try test.number("SELECT max(number) FROM events") == before)
  }
}
