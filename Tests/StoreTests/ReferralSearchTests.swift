import Domain
import JSON
import Testing

@testable import SQLite
@testable import Schema
@testable import Store

@Suite("Search for referral requests")
struct ReferralSearchTests {
  /// Requests 31 of Maple House by Zoë with O'Neill Law, and 32 of Oak by Smith without a partner.
  private static func store() throws -> TestStore {
    let test = try TestStore()
    try test.change { change in
      try change.putUser(1, ["name": "Zoë Müller", "email": "zoe@mail.example"])
      try change.putUser(2, ["name": "Smith", "email": "s.maple@other.example"])
      try change.putGroup(11, ["name": "Maple House", "members": [JSON(sampleID(1))]])
      try change.putGroup(12, ["name": "Oak 田中", "members": [JSON(sampleID(2))]])
      var partner = Partner.sample(21, name: "O’Neill Law")
      partner["contact_name"] = "Quentin"
      partner["notes"] = "Secret"
      try change.insert(partner)
      try change.insert(Referral.sample(31, group: 11, .matched, partner: 21))
      try change.insert(Referral.sample(32, group: 12))
    }
    return test
  }

  private static func found(_ words: String, in test: TestStore) throws -> [ID?] {
    var filter = ReferralFilter()
    filter.words = words
    filter.order.descending = false
    return try test.read { try $0.referrals(filter, PageRequest()) }.ids
  }

  @Test(
    "each word begins a word of the group, the requester or the partner's company",
    arguments: [
      ("maple", [31, 32]), ("MAPLE HOUSE", [31]), ("house maple", [31]), ("oak", [32]),
      ("zoe", [31]), ("zoe@mail.example", [31]), ("muller", [31]), ("smith", [32]),
      ("oneill", [31]), ("neill", [31]), ("law", [31]), ("example", [31, 32]), ("田", [32]),
      ("中田", []),
      // Words of several of them.
      ("zoe law", [31]), ("house zoe neill", [31]), ("smith oak example maple", [32]),
      ("smith law", []), ("maple law", [31]), ("maple smith", [32]), ("zoe oak", []),
      ("m h z m l n", [31]),
      // What a request's search does not read: the contact, notes, e-mail and telephone of a partner.
      ("quentin", []), ("secret", []), ("partner21", []), ("company", []),
      ("", []), ("!?", []), ("\"", []), ("maple OR oak", []), ("OUSE", []), ("612", []),
    ] as [(String, [Int])])
  func words(words: String, expected: [Int]) throws {
    let test = try Self.store()
    #expect(try Self.found(words, in: test) == expected.map(sampleID))
    for way in Search.Way.allCases {
      let ids = try test.read { snapshot in
        guard let matches = try snapshot.referralMatches(words) else { return [] as [ID?] }
        var filter = ReferralFilter()
        filter.order.descending = false
        let list = try snapshot.referralList(filter, seenBy: .staff, matches.found(by: way))
        return try Page { try list.write(PageRequest(), on: snapshot.connection, to: &$0) }.ids
      }
      #expect(ids == expected.map(sampleID))
    }
    // Requests that have no partner yet are not found by one's words.
    var pending = ReferralFilter()
    pending.words = words
    pending.statuses = [.pending]
    #expect(
      try test.read { try $0.referrals(pending, PageRequest()) }.ids
        == expected.filter { $0 == 32 }.map(sampleID))
    // A short list finds the same.
    for (group, number) in [(11, 31), (12, 32)] {
      var filter = ReferralFilter()
      filter.words = words
      filter.groupID = sampleID(group)
      let page = try test.read { try $0.referrals(filter, PageRequest()) }
      #expect(page.ids == (expected.contains(number) ? [sampleID(number)] : []))
    }
  }

  @Test("the search follows each change of a name, and of the request's partner")
  func follows() throws {
    let test = try Self.store()
    try test.change { change in
      try change.putUser(1, ["name": "Rhea"])
      try change.putGroup(11, ["name": "Birch"])
      try change.updatePartner(21, ["company_name": "Polaris"])
    }
    for (words, expected) in [
      ("rhea birch polaris", [31]), ("zoe house", []), ("neill", []), ("house", []),
    ] as [(String, [Int])] {
      #expect(try Self.found(words, in: test) == expected.map(sampleID))
    }
    try test.change { try $0.updateReferral(31, ["status": "pending"]) }
    #expect(try Self.found("polaris", in: test) == [])
    #expect(try Self.found("rhea", in: test) == [sampleID(31)])
    try test.change { try $0.updateReferral(32, ["partner_id": JSON(sampleID(21))]) }
    #expect(try Self.found("polaris", in: test) == [sampleID(32)])
    // The requests have no history, because they were put in past the changes.
    #expect(try test.findings().filter { $0.contains("search") } == [])
  }

  @Test("requests of an earlier version get their contact, the time of their status, and are found")
  func migrated() throws {
    let folder = try TemporaryFolder()
    try Migrator.migrate(path: folder.database, migrations: Array(Schema.migrations.prefix(2)))
    let ids = (0...40).map { "'\(sampleID($0))'" }
    func request(_ number: Int, by user: Int, _ status: String, since: Timestamp?) -> String {
      """
      INSERT INTO referral_requests (id, group_id, requested_by, partner_type, status, context,
        created_at, updated_at, status_changed_at)
      VALUES (\(ids[number]), \(ids[11]), \(ids[user]), 'cpa', '\(status)', '{}', '\(minute(1))',
        '\(minute(2))', \(since.map { "'\($0)'" } ?? "NULL"));
      INSERT INTO events (at, subject_kind, subject_id, kind, changes)
      VALUES ('\(minute(1))', 'referral', \(ids[number]), 'referral.requested',
        '{"status":{"from":null,"to":"\(status)"}}');
      """
    }
    try Connection(path: folder.database, role: .writer).script(
      """
      INSERT INTO users (id, email, email_key, name, created_at, updated_at)
      VALUES (\(ids[1]), 'a@b.example', 'a@b.example', 'Ann', '\(now)', '\(now)'),
        (\(ids[2]), 'c@d.example', 'c@d.example', 'Staff', '\(now)', '\(now)');
      INSERT INTO groups (id, name, created_at, updated_at) VALUES (\(ids[11]), 'Oak', '\(now)', '\(now)');
      INSERT INTO group_members (group_id, user_id) VALUES (\(ids[11]), \(ids[1]));
      \(request(31, by: 1, "pending", since: nil))
      \(request(32, by: 2, "cancelled", since: minute(2)))
      """)
    try Migrator.migrate(path: folder.database)
    let store = try Store(path: folder.database)
    defer { store.close() }
    #expect(try store.check(now: now) == [])
    try store.read(now: now) { snapshot in
      let pending = try #require(try snapshot.referral(sampleID(31)))
      #expect(pending.contactID == sampleID(1))
      #expect(pending.time("status_since") == minute(1))
      let cancelled = try #require(try snapshot.referral(sampleID(32)))
      #expect(cancelled.contactID == nil)
      #expect(cancelled.time("status_since") == minute(2))
      for field in ["assigned_to", "follow_up_on", "consent_version", "consented_at"] {
        #expect(pending[field] == .null)
      }
      var filter = ReferralFilter()
      filter.words = "oak staff"
      #expect(try snapshot.referrals(filter, PageRequest()).ids == [sampleID(32)])
    }
  }
}
