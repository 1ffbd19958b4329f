import Domain
import Testing

@testable import Store

@Suite("Idempotency keys")
struct IdempotencyTests {
  private static func answer(_ byte: UInt8 = 1, location: String? = "/l", etag: String? = "\"e\"")
    -> StoredAnswer
  {
    StoredAnswer(
      requestSHA256: Array(repeating: byte, count: 32), status: 201, location: location,
      etag: etag, body: [0x7B, byte, 0x00, 0xFF, 0x7D])
  }

  private static func stored(
    _ test: TestStore, user: Int = 1, path: String = "/p", key: String = "k",
    at time: Timestamp = now
  ) throws -> StoredAnswer? {
    try test.change(at: time) { try $0.storedAnswer(user: sampleID(user), path: path, key: key) }
  }

  @Test("the first answer comes back, byte for byte, for the same caller, path and key alone")
  func kept() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { try $0.keep(Self.answer(), user: sampleID(1), path: "/p", key: "k") }
    #expect(try Self.stored(test) == Self.answer())
    #expect(try Self.stored(test, user: 2) == nil)
    #expect(try Self.stored(test, path: "/q") == nil)
    #expect(try Self.stored(test, key: "K") == nil)
    let bare = Self.answer(2, location: nil, etag: nil)
    try test.change { try $0.keep(bare, user: sampleID(2), path: "/p", key: "k") }
    #expect(try Self.stored(test, user: 2) == bare)
    #expect(try Self.stored(test) == Self.answer())
  }

  @Test("for 24 hours, and then the key is free again")
  func expiry() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { try $0.keep(Self.answer(), user: sampleID(1), path: "/p", key: "k") }
    let last = Timestamp(milliseconds: now.adding(days: 1).milliseconds - 1)
    #expect(try Self.stored(test, at: last) == Self.answer())
    #expect(try Self.stored(test, at: now.adding(days: 1)) == nil)
    try test.change(at: now.adding(days: 1)) {
      try $0.keep(Self.answer(9), user: sampleID(1), path: "/p", key: "k")
    }
    #expect(try Self.stored(test, at: now.adding(days: 1)) == Self.answer(9))
    #expect(try test.number("SELECT count(*) FROM idempotency_keys") == 1)
  }

  @Test("a key whose change is undone is not kept")
  func undone() throws {
    struct Undo: Error {}
    let test = try TestStore()
    try test.addGroups()
    #expect(throws: Undo.self) {
      try test.change { (change) -> Void in
        try change.keep(Self.answer(), user: sampleID(1), path: "/p", key: "k")
        throw Undo()
      }
    }
    #expect(try Self.stored(test) == nil)
  }

  @Test("each new one drops ten old ones, the oldest first, and none that still counts")
  func purge() throws {
    let test = try TestStore()
    try test.addGroups()
    for number in 0..<25 {
      try test.change(at: minute(number)) {
        try $0.keep(Self.answer(), user: sampleID(1), path: "/p", key: "old \(number)")
      }
    }
    let day = 24 * 60
    func keep(_ key: String, at time: Timestamp) throws -> [String] {
      try test.change(at: time) {
        try $0.keep(Self.answer(), user: sampleID(1), path: "/p", key: key)
      }
      return try test.texts(
        "SELECT key FROM idempotency_keys WHERE key LIKE 'old%' ORDER BY created_at")
    }
    // 22 of them are over: those of the minutes 0 to 21.
    #expect(try keep("new 1", at: minute(day + 21)) == (10..<25).map { "old \($0)" })
    #expect(try keep("new 2", at: minute(day + 21)) == (20..<25).map { "old \($0)" })
    #expect(try keep("new 3", at: minute(day + 21)) == (22..<25).map { "old \($0)" })
    #expect(try keep("new 4", at: minute(day + 21)) == (22..<25).map { "old \($0)" })
    #expect(try test.number("SELECT count(*) FROM idempotency_keys") == 7)
  }

  @Test("only a user's newest 1,000 are kept")
  func limit() throws {
    let test = try TestStore()
    try test.addGroups()
    func count(_ user: Int) throws -> Int {
      try test.number(
        "SELECT count(*) FROM idempotency_keys WHERE user_id = ?", sampleID(user).text)
    }
    // All at one time, so that the order of their making counts.
    try test.change { change in
      for user in [1, 2] {
        for number in 1...1_000 {
          try change.keep(Self.answer(), user: sampleID(user), path: "/p", key: "\(number)")
        }
      }
    }
    #expect(try count(1) == 1_000)
    try test.change { change in
      for number in 1_001...1_003 {
        try change.keep(Self.answer(), user: sampleID(1), path: "/p", key: "\(number)")
      }
    }
    #expect(try count(1) == 1_000)
    #expect(try count(2) == 1_000)
    #expect(try Self.stored(test, key: "3") == nil)
    #expect(try Self.stored(test, key: "4") == Self.answer())
    #expect(try Self.stored(test, key: "1003") == Self.answer())
    #expect(try Self.stored(test, user: 2, key: "1") == Self.answer())
  }
}
