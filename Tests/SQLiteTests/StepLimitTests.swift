import Testing

@testable import SQLite

@Suite("A limit of steps")
struct StepLimitTests {
  private static let endless = """
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n
    """
  private static let short = """
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
    SELECT count(*) FROM n
    """

  @Test("a statement that takes too many steps is ended, and the transaction goes on")
  func ended() throws {
    let directory = try TemporaryDirectory()
    let connection = try Connection(path: directory.database, role: .writer)
    try connection.script("CREATE TABLE t (v); BEGIN; INSERT INTO t VALUES (1)")
    let count = try connection.limited(toThousandSteps: 50) {
      try connection.row(Self.endless) { $0.int(0) }
    }
    #expect(count == nil)
    // The limit holds for what it was given alone.
    #expect(try connection.row(Self.short) { $0.int(0) } == 100)
    try connection.script("COMMIT")
    #expect(try connection.row("SELECT v FROM t") { $0.int(0) } == 1)
  }

  @Test("the steps of all statements count together")
  func together() throws {
    let directory = try TemporaryDirectory()
    let connection = try Connection(path: directory.database, role: .writer)
    var runs = 0
    let result: Int? = try connection.limited(toThousandSteps: 20) {
      while true {
        _ = try connection.row(Self.short) { $0.int(0) }
        runs += 1
        if runs == 1_000 { return runs }
      }
    }
    // A run takes more than a thousand steps.
    #expect(result == nil)
    #expect(runs > 2 && runs < 40)
  }

  @Test("what takes few steps has its result, and other errors are thrown")
  func few() throws {
    struct Stop: Error {}
    let directory = try TemporaryDirectory()
    let connection = try Connection(path: directory.database, role: .writer)
    let count = try connection.limited(toThousandSteps: 50) {
      try connection.row(Self.short) { $0.int(0) }
    }
    #expect(count == 100)
    #expect(throws: Stop.self) {
      try connection.limited(toThousandSteps: 50) { throw Stop() }
    }
    #expect(throws: SQLiteError.self) {
      try connection.limited(toThousandSteps: 50) { try connection.run("SELECT nothing") }
    }
  }
}
