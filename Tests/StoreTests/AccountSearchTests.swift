import Domain
import JSON
import Testing

@testable import SQLite
@testable import Schema
@testable import Store

extension Snapshot {
  /// The users in whose name or e-mail address every word of a search text begins a word.
  ///
  /// - Returns: At most `limit` of them, in any order; none if the text has no words.
  fileprivate func matchingUsers(_ words: String, limit: Int) throws -> [ID] {
    try matching(words, in: "users", limit: limit)
  }

  /// The groups in whose name every word of a search text begins a word.
  ///
  /// - Returns: At most `limit` of them, in any order; none if the text has no words.
  fileprivate func matchingGroups(_ words: String, limit: Int) throws -> [ID] {
    try matching(words, in: "groups", limit: limit)
  }

  private func matching(_ words: String, in table: String, limit: Int) throws -> [ID] {
    let phrases = Search.phrases(words)
    guard !phrases.isEmpty else { return [] }
    return try connection.rows(
      """
      SELECT id FROM \(table) WHERE number IN
        (SELECT rowid FROM \(table)_search WHERE \(table)_search MATCH ? LIMIT ?)
      """, Search.query(phrases), limit
    ) { try $0.id(0) }
  }
}

@Suite("Search for users and groups")
struct AccountSearchTests {
  private static func store() throws -> TestStore {
    let test = try TestStore()
    try test.change { change in
      for (number, name, email) in [
        (1, "Renée O’Neill", "renee@mail.example"), (2, "Søren Strauß", "soren.s@other.example"),
        (3, "田中 一郎", "tanaka@mail.example"),
      ] {
        try change.putUser(number, ["name": .string(name), "email": .string(email)])
      }
      for (number, name) in [(11, "Maple House"), (12, "The O'Neill House"), (13, "メゾン")] {
        try change.putGroup(number, ["name": .string(name)])
      }
    }
    return test
  }

  @Test(
    "each word begins a word of the name or the e-mail address",
    arguments: [
      ("renee", [1]), ("RENÉE neill", [1]), ("oneill", [1]), ("o'neill", [1]), ("neil", [1]),
      ("eill", []), ("soren", [2]), ("strauss", [2]), ("soren.s@other.example", [2]),
      ("mail", [1, 3]), ("example", [1, 2, 3]), ("田中", [3]), ("中", [3]), ("中田", []),
      ("tanaka 一郎", [3]), ("renee soren", []), ("", []), ("!?", []), ("\"", []),
      ("renee OR soren", []), ("words:renee", []), ("612", []),
    ] as [(String, [Int])])
  func users(words: String, expected: [Int]) throws {
    let test = try Self.store()
    let found = try test.read { try $0.matchingUsers(words, limit: 10) }
    #expect(found.sorted() == expected.map(sampleID))
    // A list finds the same, either way.
    for way in Search.Way.allCases {
      let ids = try test.read { snapshot in
        guard let matches = try snapshot.userMatches(words) else { return [] as [ID?] }
        let list = snapshot.userList(UserFilter(), matches.found(by: way))
        return try Page { try list.write(PageRequest(), on: snapshot.connection, to: &$0) }.ids
      }
      #expect(ids.compactMap(\.self).sorted() == expected.map(sampleID))
    }
  }

  @Test(
    "each word begins a word of the group's name",
    arguments: [
      ("house", [11, 12]), ("map hou", [11]), ("neill", [12]), ("メゾン", [13]), ("ｿ", [13]), ("", []),
    ] as [(String, [Int])])
  func groups(words: String, expected: [Int]) throws {
    let test = try Self.store()
    let found = try test.read { try $0.matchingGroups(words, limit: 10) }
    #expect(found.sorted() == expected.map(sampleID))
  }

  @Test("no more than the limit are found")
  func limit() throws {
    let test = try Self.store()
    for limit in 0...4 {
      #expect(
        try test.read { try $0.matchingUsers("example", limit: limit) }.count == min(limit, 3))
    }
  }

  @Test("the index follows each change of a name or an e-mail address")
  func follows() throws {
    let test = try Self.store()
    func users(_ words: String) throws -> [ID] {
      try test.read { try $0.matchingUsers(words, limit: 10) }
    }
    try test.change { try $0.putUser(1, ["name": "Rhea"]) }
    #expect(try users("rhea") == [sampleID(1)])
    #expect(try users("neill") == [])
    try test.change { try $0.putUser(1, ["email": "new@site.example"]) }
    #expect(try users("site rhea") == [sampleID(1)])
    #expect(try users("renee") == [])
    try test.change { try $0.putGroup(11, ["name": "Birch"]) }
    #expect(try test.read { try $0.matchingGroups("birch", limit: 10) } == [sampleID(11)])
    #expect(try test.read { try $0.matchingGroups("maple", limit: 10) } == [])
    try test.run("DELETE FROM users WHERE id = ?", sampleID(2).text)
    try test.run("DELETE FROM groups WHERE id = ?", sampleID(12).text)
    #expect(try users("soren") == [])
    try test.change { change in
      try change.putUser(4, ["name": "Fourth", "email": "d@mail.example"])
    }
    #expect(try users("fourth") == [sampleID(4)])
    #expect(try test.findings() == [])
  }

  @Test("users and groups of an earlier version are numbered by their creation, and found")
  func migrated() throws {
    let folder = try TemporaryFolder()
    try Migrator.migrate(path: folder.database, migrations: Array(Schema.migrations.prefix(2)))
    try Connection(path: folder.database, role: .writer).script(
      """
      INSERT INTO users (id, email, email_key, name, created_at, updated_at)
      VALUES ('\(sampleID(1))', 'a@b.example', 'a@b.example', 'Łukasz', '\(minute(2))', '\(now)'),
        ('\(sampleID(2))', 'c@d.example', 'c@d.example', 'Zoë', '\(minute(1))', '\(now)');
      INSERT INTO groups (id, name, created_at, updated_at)
      VALUES ('\(sampleID(11))', 'Éclair', '\(minute(2))', '\(now)'),
        ('\(sampleID(12))', 'Oak', '\(minute(1))', '\(now)');
      """)
    try Migrator.migrate(path: folder.database)
    let store = try Store(path: folder.database)
    defer { store.close() }
    #expect(try store.check(now: now) == [])
    try store.read(now: now) { snapshot in
      #expect(try snapshot.matchingUsers("lukasz", limit: 2) == [sampleID(1)])
      #expect(try snapshot.matchingUsers("zoe d", limit: 2) == [sampleID(2)])
      #expect(try snapshot.matchingGroups("eclair", limit: 2) == [sampleID(11)])
      for table in ["users", "groups"] {
        let numbers = try snapshot.connection.rows("SELECT number FROM \(table) ORDER BY id") {
          $0.int(0)
        }
        #expect(numbers == [2, 1])
      }
    }
  }

  @Test("a search reads an index")
  func plans() throws {
    let test = try Self.store()
    for table in ["users", "groups"] {
      let steps = try test.read { snapshot in
        try snapshot.connection.rows(
          """
          EXPLAIN QUERY PLAN SELECT id FROM \(table) WHERE number IN
            (SELECT rowid FROM \(table)_search WHERE \(table)_search MATCH ? LIMIT ?)
          """, "a", 1
        ) { $0.text(3) }
      }
      #expect(steps.contains { $0.contains("USING COVERING INDEX \(table)_by_number (number=?)") })
      #expect(!steps.contains { $0.hasPrefix("SCAN \(table) ") || $0 == "SCAN \(table)" })
    }
  }
}
