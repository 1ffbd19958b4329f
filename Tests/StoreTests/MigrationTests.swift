import Domain
import Foundation
import Synchronization
import Testing

@testable import SQLite
@testable import Schema
@testable import Store

/// The real schema, and a step behind it.
private func migrations(_ next: String) -> [Schema.Migration] {
  Schema.migrations
    + [Schema.Migration(number: Schema.migrations.count + 1, name: "next", sql: next)]
}

private let known = Schema.migrations.count

extension TemporaryFolder {
  /// Runs statements past the store.
  fileprivate func run(_ sql: String) throws {
    try Connection(path: database, role: .writer).script(sql)
  }

  fileprivate func texts(_ sql: String) throws -> [String] {
    try Connection(path: database, role: .reader).texts(sql)
  }

  fileprivate func version() throws -> [String] {
    try Connection(path: database, role: .reader).pragma("user_version")
  }

  /// Makes the database as version 1.0.0 left it after a year of use.
  fileprivate func makeFirstRelease(referrals: Int) throws {
    try Migrator.migrate(path: database, migrations: [Schema.migrations[0]])
    let script = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../first_release.sql")
    let connection = try Connection(path: database, role: .writer)
    try connection.script("CREATE TEMP TABLE size AS SELECT \(referrals) AS referrals; BEGIN")
    try connection.script(String(contentsOf: script, encoding: .utf8))
    try connection.script("COMMIT")
  }

  /// The bytes of each file in the folder.
  fileprivate func contents() throws -> [String: Data] {
    let pairs = try files.map { ($0, try Data(contentsOf: URL(filePath: path + "/" + $0))) }
    return Dictionary(uniqueKeysWithValues: pairs)
  }

  /// A database that another program wrote: not in WAL, and without a file beside it.
  fileprivate func makeForeign(_ sql: String) throws {
    try Connection(path: database, role: .writer).script(
      "PRAGMA journal_mode = DELETE; CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1); \(sql)"
    )
    #expect(try files == ["referrals.db"])
  }
}

@Suite("Migrations")
struct MigrationTests {
  @Test("the embedded steps are numbered from 1 without a gap")
  func numbered() {
    #expect(Schema.migrations.map(\.number) == Array(1...known))
    #expect(Schema.migrations.allSatisfy { !$0.name.isEmpty && !$0.sql.isEmpty })
  }

  @Test("a missing database is made, and one that is up to date left alone")
  func migrate() throws {
    let folder = try TemporaryFolder()
    #expect(try Migrator.migrate(path: folder.database).map(\.number) == Array(1...known))
    #expect(try folder.version() == ["\(known)"])
    let store = try Store(path: folder.database)
    #expect(try store.read(now: now) { try $0.isEmpty() })
    try store.read(now: now) { try $0.ping() }
    store.close()
    let before = try Data(contentsOf: URL(filePath: folder.database))
    #expect(try Migrator.migrate(path: folder.database).isEmpty)
    #expect(try Data(contentsOf: URL(filePath: folder.database)) == before)
  }

  @Test("each database gets a key of its own for cursors, also one of version 1.0.0")
  func cursorKey() throws {
    let folders = try (0..<3).map { _ in try TemporaryFolder() }
    try Migrator.migrate(path: folders[0].database, migrations: [Schema.migrations[0]])
    let keys = try folders.map { folder in
      try Migrator.migrate(path: folder.database)
      let store = try Store(path: folder.database)
      defer { store.close() }
      return store.cursorKey
    }
    #expect(Set(keys).count == 3)
    #expect(keys.allSatisfy { $0.count == 32 })
    // It stays as it is.
    try Migrator.migrate(path: folders[0].database)
    let store = try Store(path: folders[0].database)
    defer { store.close() }
    #expect(store.cursorKey == keys[0])

    try folders[1].run("DELETE FROM secrets")
    #expect(refusal { try Store(path: folders[1].database) }?.isUnavailable == true)
  }

  @Test("a further step is applied alone, and keeps the rows")
  func next() throws {
    let folder = try TemporaryFolder()
    try Migrator.migrate(path: folder.database)
    let store = try Store(path: folder.database)
    try store.write(now: now, actor: nil) { try $0.insert(User.sample(1)) }
    store.close()
    let steps = migrations("ALTER TABLE users ADD COLUMN nickname TEXT")
    #expect(try Migrator.migrate(path: folder.database, migrations: steps).map(\.name) == ["next"])
    #expect(try folder.version() == ["\(known + 1)"])
    #expect(try folder.texts("SELECT name || ifnull(nickname, '-') FROM users") == ["User 1-"])
  }

  @Test("statistics cover what the migrations have created")
  func statistics() throws {
    let folder = try TemporaryFolder()
    try folder.makeFirstRelease(referrals: 600)
    let analyze = "PRAGMA analysis_limit = 400; ANALYZE"
    let counts = "SELECT tbl || ' ' || ifnull(idx, '') || ' ' || stat FROM sqlite_stat1 ORDER BY 1"
    try folder.run(analyze)
    let former = try folder.texts(counts)
    try Migrator.migrate(path: folder.database)
    let found = try folder.texts(counts)
    #expect(found != former)
    try folder.run(analyze)
    #expect(try folder.texts(counts) == found)
  }

  @Test("rows of 1.0.0 get what later versions derive from them")
  func filled() throws {
    let folder = try TemporaryFolder()
    try Migrator.migrate(path: folder.database, migrations: [Schema.migrations[0]])
    try folder.run(
      """
      INSERT INTO partners (id, type, status, company_name, contact_name, email, email_key, phone,
        service_areas, agreement_signed_at, notes, created_at, updated_at)
      SELECT printf('00000000-0000-7000-8000-%012d', value), 'title', 'active',
        CASE value WHEN 1 THEN 'Zenith' WHEN 2 THEN 'Hawaiʻi Éclair' ELSE 'Øster' END,
        CASE value WHEN 1 THEN 'Rory O’Neill' END, 'a' || value || '@example.com',
        'a' || value || '@example.com', CASE value WHEN 2 THEN '(612) 555-0142' END, '["MN","HI"]',
        '2026-01-01T00:00:00.000Z', CASE value WHEN 3 THEN 'Ask 法律' END,
        '2026-01-0' || value || 'T00:00:00.000Z', '2026-01-0' || value || 'T00:00:00.000Z'
      FROM json_each('[1, 2, 3]')
      """)
    #expect(try Migrator.migrate(path: folder.database).map(\.number) == Array(2...known))
    let store = try Store(path: folder.database)
    defer { store.close() }
    #expect(try store.check(now: now) == [])
    try store.read(now: now) { snapshot in
      for states in [[], [.MN]] as [[StateCode]] {
        var directory = DirectoryFilter()
        directory.states = states
        let page = try snapshot.directory(directory, PageRequest())
        #expect(
          page.items.map { $0["company_name"]?.text } == ["Hawaiʻi Éclair", "Øster", "Zenith"])
        for item in page.items {
          #expect(item["languages"] == [] && item["accepting_referrals"] == true)
        }
      }
      for (words, number) in [("hawaii", 2), ("oneill", 1), ("0142", 2), ("律", 3), ("a3", 3)] {
        var filter = PartnerFilter()
        filter.words = words
        #expect(try snapshot.partners(filter, PageRequest()).ids == [sampleID(number)], "\(words)")
      }
    }
  }

  @Test("a database of 1.0.0 after a year of use has nothing wrong with it afterwards")
  func firstRelease() throws {
    let folder = try TemporaryFolder()
    try folder.makeFirstRelease(referrals: 1_200)
    let before = try folder.texts(
      """
      SELECT json_array(id, status, partner_id, intro_sent_at, outcome, context, updated_at)
      FROM referral_requests ORDER BY number
      """)
    #expect(before.count == 1_200)
    let events = try folder.texts("SELECT json_array(number, kind, changes, note) FROM events")
    let seen = Mutex<[Double]>([])
    let applied = try Migrator.migrate(path: folder.database) { _, share in
      seen.withLock { $0.append(share) }
    }
    let shares = seen.withLock { $0 }
    #expect(applied.map(\.number) == Array(2...known))
    #expect(shares.count > 20 && shares.allSatisfy { (0...1).contains($0) })
    #expect(shares.filter { $0 == 0 }.count == applied.count)
    #expect(
      try folder.texts(
        """
        SELECT json_array(id, status, partner_id, intro_sent_at, outcome, context, updated_at)
        FROM referral_requests ORDER BY number
        """) == before)
    #expect(
      try folder.texts("SELECT json_array(number, kind, changes, note) FROM events") == events)
    let store = try Store(path: folder.database)
    defer { store.close() }
    #expect(try store.check(now: now) == [])
    let referrals = try store.read(now: now) {
      try $0.referrals(ReferralFilter(), PageRequest()).items
    }
    #expect(referrals.count == 25)
    let partners = try store.read(now: now) {
      try $0.partners(PartnerFilter(), PageRequest()).items
    }
    #expect(partners.count == 24)
  }

  @Test("the time that the migrations take is told from the file's size")
  func expectedTime() throws {
    let folder = try TemporaryFolder()
    #expect(Migrator.expectedSeconds(path: folder.database) == 0)
    #expect(FileManager.default.createFile(atPath: folder.database, contents: nil))
    for (bytes, seconds) in [(0, 0), (1, 1), (50_000_000, 1), (50_000_001, 2), (2_600_000_000, 52)]
    {
      #expect(truncate(folder.database, bytes) == 0)
      #expect(Migrator.expectedSeconds(path: folder.database) == seconds, "\(bytes)")
    }
  }

  @Test("an admin token of version 1.0.0 has the scope admin, and its creator is the event's actor")
  func tokensOfFirstVersion() throws {
    let folder = try TemporaryFolder()
    try Migrator.migrate(path: folder.database, migrations: [Schema.migrations[0]])
    let user = "'\(sampleID(1))'"
    try folder.run(
      """
      INSERT INTO users (id, email, email_key, name, created_at, updated_at)
      VALUES (\(user), 'a@b.example', 'a@b.example', 'Ann', '\(now)', '\(now)');
      INSERT INTO tokens (id, user_id, admin, sha256, created_at)
      VALUES ('\(sampleID(2))', \(user), 1, zeroblob(32), '\(now)'),
        ('\(sampleID(3))', \(user), 0, randomblob(32), '\(now)'),
        ('\(sampleID(4))', \(user), 0, randomblob(32), '\(now)');
      INSERT INTO events (at, actor_id, subject_kind, subject_id, kind, changes)
      VALUES ('\(now)', NULL, 'token', '\(sampleID(2))', 'token.created', '{}'),
        ('\(now)', \(user), 'token', '\(sampleID(3))', 'token.created', '{}'),
        ('\(now)', \(user), 'token', '\(sampleID(4))', 'token.revoked', '{}');
      """)
    try Migrator.migrate(path: folder.database)
    #expect(
      try folder.texts(
        "SELECT ifnull(scope, '-') || ' ' || ifnull(created_by, '-') FROM tokens ORDER BY id")
        == ["admin -", "- \(sampleID(1))", "- -"])
    let store = try Store(path: folder.database)
    #expect(try store.check(now: now) == [])
    store.close()
  }

  @Test("what partners declined before, and what staff took back, is told apart by who did it")
  func declinesOfEarlierVersions() throws {
    let folder = try TemporaryFolder()
    try Migrator.migrate(path: folder.database, migrations: Array(Schema.migrations.prefix(2)))
    // 1 is the partner's user, 2 was it, 3 is staff.
    var sql = ""
    for user in 1...3 {
      sql += """
        INSERT INTO users (id, email, email_key, name, created_at, updated_at)
        VALUES ('\(sampleID(user))', 'u\(user)@b.example', 'u\(user)@b.example', 'U', '\(now)', '\(now)');

        """
    }
    sql += """
      INSERT INTO groups (id, name, created_at, updated_at)
      VALUES ('\(sampleID(11))', 'G', '\(now)', '\(now)');
      INSERT INTO partners (id, user_id, type, status, company_name, email, email_key, created_at,
        updated_at)
      VALUES ('\(sampleID(21))', '\(sampleID(1))', 'attorney', 'invited', 'C', 'p@b.example',
        'p@b.example', '\(now)', '\(now)');
      INSERT INTO events (at, subject_kind, subject_id, kind, changes) VALUES
        ('\(now)', 'partner', '\(sampleID(21))', 'partner.created',
          '{"user_id":{"from":null,"to":"\(sampleID(2))"}}'),
        ('\(now)', 'partner', '\(sampleID(21))', 'partner.updated',
          '{"user_id":{"from":"\(sampleID(2))","to":"\(sampleID(1))"}}');

      """
    // Requests 31 to 34 were introduced and came back, by the three users and the system; 35 was
    // only matched.
    for (number, actor) in [(31, 1), (32, 2), (33, 3), (34, nil), (35, 1)] as [(Int, Int?)] {
      let intro =
        number == 35
        ? "" : #","intro_sent_at":{"from":"\#(minute(number))","to":null}"#
      sql += """
        INSERT INTO referral_requests (id, group_id, requested_by, partner_type, status, context,
          created_at, updated_at)
        VALUES ('\(sampleID(number))', '\(sampleID(11))', '\(sampleID(3))', 'attorney', 'cancelled', '{}',
          '\(now)', '\(now)');
        INSERT INTO referral_past_partners
        SELECT number, '\(sampleID(21))' FROM referral_requests WHERE id = '\(sampleID(number))';
        INSERT INTO events (at, actor_id, subject_kind, subject_id, kind, changes)
        VALUES ('\(minute(number + 10))', \(actor.map { "'\(sampleID($0))'" } ?? "NULL"), 'referral',
          '\(sampleID(number))', 'referral.returned',
          '{"status":{"from":"intro_sent","to":"pending"},"partner_id":{"from":"\(sampleID(21))","to":null}\(intro)}');

        """
    }
    try folder.run(sql)
    try Migrator.migrate(path: folder.database)
    #expect(
      try folder.texts(
        """
        SELECT substr(r.id, -2) || ' ' || substr(d.partner_id, -2) || ' ' || d.intro_sent_at || ' '
          || d.declined_at || ' ' || d.reason_code
        FROM declines AS d JOIN referral_requests AS r ON r.number = d.referral_number ORDER BY 1
        """) == [
          "31 21 \(minute(31)) \(minute(41)) other", "32 21 \(minute(32)) \(minute(42)) other",
        ])
    #expect(
      try folder.texts(
        """
        SELECT substr(r.id, -2) || ' ' || past.intro_sent_at FROM past_introductions AS past
        JOIN referral_requests AS r ON r.number = past.referral_number ORDER BY 1
        """) == [31, 32, 33, 34].map { "\($0) \(minute($0))" })
    let store = try Store(path: folder.database)
    defer { store.close() }
    let findings = try store.check(now: now)
    #expect(!findings.contains { $0.contains("introductions") || $0.contains("declines") })
  }

  @Test("a step that fails leaves nothing of itself, and what was there before intact")
  func brokenStep() throws {
    let folder = try TemporaryFolder()
    let steps = migrations("CREATE TABLE half (a); CREATE TABLE users (a); CREATE TABLE rest (a)")
    #expect(throws: SQLiteError.self) {
      try Migrator.migrate(path: folder.database, migrations: steps)
    }
    #expect(try folder.version() == ["\(known)"], "the steps before it stay")
    #expect(try folder.texts("SELECT name FROM sqlite_schema WHERE name IN ('half', 'rest')") == [])
    let store = try Store(path: folder.database)
    #expect(try store.check(now: now) == [])
    store.close()
    let repaired = migrations("CREATE TABLE half (a)")
    #expect(try Migrator.migrate(path: folder.database, migrations: repaired).count == 1)
    #expect(try folder.version() == ["\(known + 1)"])
  }

  @Test("a first step that fails leaves an empty database, which can be migrated")
  func brokenFirstStep() throws {
    let folder = try TemporaryFolder()
    let broken = Schema.Migration(
      number: 1, name: "broken", sql: "PRAGMA application_id = 7; CREATE TABLE a (b); oops")
    #expect(throws: SQLiteError.self) {
      try Migrator.migrate(path: folder.database, migrations: [broken])
    }
    #expect(try folder.texts("SELECT name FROM sqlite_schema") == [])
    #expect(try Migrator.migrate(path: folder.database).count == known)
  }

  @Test("a dry run says what would be done, and does nothing")
  func dryRun() throws {
    let folder = try TemporaryFolder()
    let all = try Migrator.migrate(path: folder.database, dryRun: true)
    #expect(all.map(\.number) == Array(1...known))
    #expect(try folder.files == [])
    try Migrator.migrate(path: folder.database)
    let before = try folder.contents()
    #expect(try Migrator.migrate(path: folder.database, dryRun: true).isEmpty)
    let steps = migrations("CREATE TABLE more (a)")
    #expect(
      try Migrator.migrate(path: folder.database, dryRun: true, migrations: steps).map(\.number)
        == [known + 1])
    let after = try folder.contents()
    // The shared memory is everybody's who reads.
    for (name, data) in before where !name.hasSuffix("-shm") {
      #expect(after[name] == data, "\(name)")
    }
    #expect(try folder.version() == ["\(known)"])
  }

  @Test("an empty file is a database without any step", arguments: [true, false])
  func emptyFile(dryRun: Bool) throws {
    let folder = try TemporaryFolder()
    #expect(FileManager.default.createFile(atPath: folder.database, contents: nil))
    #expect(throws: MigrationError.older(database: 0, known: known)) {
      try Store(path: folder.database)
    }
    #expect(try Migrator.migrate(path: folder.database, dryRun: dryRun).count == known)
    let size = try folder.contents()["referrals.db"]?.count ?? -1
    #expect(dryRun ? size == 0 : size > 0)
  }

  @Test("a database of a newer version is refused, and left as it is")
  func newer() throws {
    let folder = try TemporaryFolder()
    try Migrator.migrate(path: folder.database)
    try folder.run("PRAGMA user_version = \(known + 1)")
    let newer = MigrationError.newer(database: known + 1, known: known)
    for dryRun in [true, false] {
      #expect(throws: newer) { try Migrator.migrate(path: folder.database, dryRun: dryRun) }
    }
    #expect(throws: newer) { try Store(path: folder.database) }
    #expect(try folder.version() == ["\(known + 1)"])
  }

  @Test("a database that lacks a step is no store yet")
  func older() throws {
    let folder = try TemporaryFolder()
    try Migrator.migrate(path: folder.database)
    try folder.run("PRAGMA user_version = 0")
    #expect(throws: MigrationError.older(database: 0, known: known)) {
      try Store(path: folder.database)
    }
  }

  @Test(
    "another program's database is refused, and not a byte of it changed",
    arguments: [
      "PRAGMA application_id = 1", "PRAGMA user_version = 1", "PRAGMA user_version = 99",
      "SELECT 1",
      "PRAGMA application_id = 1; DROP TABLE theirs; VACUUM",
    ])
  func foreign(sql: String) throws {
    let folder = try TemporaryFolder()
    try folder.makeForeign(sql)
    let before = try folder.contents()
    for dryRun in [true, false] {
      #expect(throws: MigrationError.notOurs) {
        try Migrator.migrate(path: folder.database, dryRun: dryRun)
      }
    }
    #expect(throws: MigrationError.notOurs) { try Store(path: folder.database) }
    #expect(try folder.contents() == before)
  }

  @Test("a file that is no database is refused, and not a byte of it changed")
  func noDatabase() throws {
    let folder = try TemporaryFolder()
    let text = Data(String(repeating: "This is a letter, not a database.\n", count: 300).utf8)
    #expect(FileManager.default.createFile(atPath: folder.database, contents: text))
    for dryRun in [true, false] {
      #expect(throws: Failure.self) {
        try Migrator.migrate(path: folder.database, dryRun: dryRun)
      }
    }
    #expect(throws: Failure.self) { try Store(path: folder.database) }
    #expect(try folder.contents() == ["referrals.db": text])
  }

  @Test("what cannot be opened is unavailable")
  func unavailable() throws {
    let folder = try TemporaryFolder()
    for path in [folder.path, folder.path + "/none/referrals.db", "/dev/null/referrals.db"] {
      #expect(refusal { try Migrator.migrate(path: path) }?.isUnavailable == true, "\(path)")
      #expect(refusal { try Store(path: path) }?.isUnavailable == true, "\(path)")
    }
    #expect(refusal { try Store(path: folder.database) }?.isUnavailable == true)
    #expect(try folder.files == [], "a store makes no file")
  }

  @Test("several at once apply each step once")
  func concurrent() throws {
    let folder = try TemporaryFolder()
    let path = folder.database
    let applied = Mutex<[Int]>([])
    DispatchQueue.concurrentPerform(iterations: 4) { _ in
      do {
        let done = try Migrator.migrate(path: path).map(\.number)
        applied.withLock { $0 += done }
      } catch {
        Issue.record(error)
      }
    }
    #expect(applied.withLock { $0 } == Array(1...known))
    let store = try Store(path: path)
    defer { store.close() }
    #expect(try store.check(now: now) == [])
  }

  @Test("the reasons, in words for whoever runs it")
  func descriptions() {
    #expect("\(MigrationError.notOurs)" == "this file is a database of another program")
    #expect("\(MigrationError.newer(database: 9, known: 1))".contains("schema 9"))
    #expect("\(MigrationError.older(database: 0, known: 1))".contains("tomi-referrals migrate"))
  }
}
