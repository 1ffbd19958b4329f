import CFaultVFS
import CSQLite
import Foundation
import Testing

@testable import SQLite

/// A connection to a file of the test's own.
private struct Bench {
  let directory: TemporaryDirectory
  let connection: Connection

  init(_ schema: String = "") throws {
    directory = try TemporaryDirectory()
    connection = try Connection(path: directory.database, role: .writer)
    try connection.script(schema)
  }

  /// What SQLite makes of a value that is bound.
  func stored(_ value: (any Bindable)?) throws -> (type: String, quoted: String) {
    try #require(
      try connection.row("SELECT typeof(v), quote(v) FROM (SELECT ? AS v)", value) {
        ($0.text(0), $0.text(1))
      })
  }
}

@Suite("Values")
struct ValueTests {
  @Test("each type is stored as SQLite's own")
  func bind() throws {
    let bench = try Bench()
    #expect(try bench.stored(nil) == ("null", "NULL"))
    #expect(try bench.stored(Int.min) == ("integer", "-9223372036854775808"))
    #expect(try bench.stored(Int64.max) == ("integer", "9223372036854775807"))
    #expect(try bench.stored(true) == ("integer", "1"))
    #expect(try bench.stored(false) == ("integer", "0"))
    #expect(try bench.stored(2.5) == ("real", "2.5"))
    #expect(try bench.stored("it's") == ("text", "'it''s'"))
    #expect(try bench.stored("") == ("text", "''"))
    #expect(try bench.stored([UInt8]()) == ("blob", "X''"))
    #expect(try bench.stored([0, 255] as [UInt8]) == ("blob", "X'00FF'"))
    #expect(try bench.stored(Optional<String>.none) == ("null", "NULL"))
    #expect(try bench.stored(Optional(7)) == ("integer", "7"))
  }

  @Test("optionals bind as what they hold, also when they are passed as one argument")
  func bindOptional() throws {
    let bench = try Bench()
    let some: (any Bindable)? = Optional("x")
    let none: any Bindable = Optional<[UInt8]>.none
    #expect(try bench.stored(some) == ("text", "'x'"))
    #expect(try bench.stored(none) == ("null", "NULL"))
  }

  @Test("NaN is refused rather than stored as NULL")
  func nan() throws {
    let bench = try Bench("CREATE TABLE t (v)")
    #expect {
      try bench.connection.run("INSERT INTO t VALUES (?)", Double.nan)
    } throws: { ($0 as? SQLiteError)?.code == SQLITE_MISMATCH }
    #expect(try bench.connection.rows("SELECT 1 FROM t") { $0.int(0) } == [])
  }

  @Test(
    "values come back as they went in",
    arguments: ["", "plain", "a\0b\0", "é🏠\u{10FFFF}", "'\"\\\n"])
  func text(_ text: String) throws {
    let bench = try Bench("CREATE TABLE t (v TEXT) STRICT")
    try bench.connection.run("INSERT INTO t VALUES (?)", text)
    let read = try #require(
      try bench.connection.row("SELECT v FROM t") { row in
        (row.text(0), row.textOrNil(0), row.bytes(0), Array(row.utf8(0)))
      })
    #expect(read.0 == text)
    #expect(read.1 == text)
    #expect(read.2 == Array(text.utf8))
    #expect(read.3 == Array(text.utf8))
  }

  @Test("numbers and bytes come back as they went in")
  func numbers() throws {
    let bench = try Bench()
    let big = [UInt8](repeating: 7, count: 1 << 20)
    let row = try #require(
      try bench.connection.row(
        "SELECT ?, ?, ?, ?, ?", Int64.min, Int.max, true, [UInt8](), big
      ) {
        (
          least: $0.int(0), greatest: $0.int(1), truth: $0.int(2), empty: $0.bytes(3),
          big: $0.bytes(4), count: $0.count
        )
      })
    #expect(row.least == Int.min)
    #expect(row.greatest == Int.max)
    #expect(row.truth == 1)
    #expect(row.empty == [])
    #expect(row.big == big)
    #expect(row.count == 5)
    #expect(try bench.connection.row("SELECT typeof(?)", -0.5) { $0.text(0) } == "real")
  }

  @Test("NULL is nil in the optional readers")
  func null() throws {
    let bench = try Bench()
    let isNil = try bench.connection.row("SELECT NULL") { row in
      row.textOrNil(0) == nil
    }
    #expect(isNil == true)
    let values = try bench.connection.row("SELECT 'a', ''") { row in
      row.textOrNil(0) == "a" && row.textOrNil(1) == ""
    }
    #expect(values == true)
  }

  @Test("value tells each column's type and content")
  func values() throws {
    let bench = try Bench()
    let seen = try bench.connection.row(
      "SELECT NULL, ?, 2.5, ?, '', x'00', x''", Int.min, "a\0é"
    ) { row in
      (0..<row.count).map { index in
        switch row.value(index) {
        case .null: "null"
        case .integer(let number): "integer \(number)"
        case .real(let number): "real \(number)"
        case .text(let bytes): "text \(Array(bytes))"
        case .blob: "blob \(row.bytes(index))"
        }
      }
    }
    #expect(
      seen == [
        "null", "integer \(Int.min)", "real 2.5", "text [97, 0, 195, 169]", "text []", "blob [0]",
        "blob []",
      ])
  }

  @Test("value of a column that does not exist throws")
  func valueOfNoColumn() throws {
    let bench = try Bench()
    for index in [1, -1] {
      #expect {
        try bench.connection.row("SELECT 1") {
          if case .null = $0.value(index) { true } else { false }
        }
      } throws: { ($0 as? SQLiteError)?.code == SQLITE_MISMATCH }
    }
  }

  @Test("text that is not UTF-8 is repaired")
  func notUTF8() throws {
    let bench = try Bench()
    #expect(
      try bench.connection.row("SELECT CAST(x'61ff62' AS TEXT)") { $0.text(0) } == "a\u{FFFD}b")
  }

  @Test(
    "a column read as what it is not throws, with its name",
    arguments: [
      ("SELECT NULL AS c", "text"), ("SELECT NULL AS c", "int"), ("SELECT NULL AS c", "bytes"),
      ("SELECT 'a' AS c", "int"), ("SELECT 1 AS c", "text"), ("SELECT 1.5 AS c", "int"),
      ("SELECT x'00' AS c", "text"), ("SELECT 1.5 AS c", "bytes"), ("SELECT 1 AS c", "bytes"),
      ("SELECT 1 AS c", "optional text"), ("SELECT x'00' AS c", "optional text"),
    ])
  func misread(_ sql: String, _ reader: String) throws {
    let bench = try Bench()
    let error = #expect(throws: SQLiteError.self) {
      try bench.connection.rows(sql) { row in
        switch reader {
        case "text": _ = row.text(0)
        case "int": _ = row.int(0)
        case "bytes": _ = row.bytes(0)
        default: _ = row.textOrNil(0)
        }
      }
    }
    #expect(error?.code == SQLITE_MISMATCH)
    #expect(error?.message.contains("column 0 (c)") == true)
    #expect(error?.sql == sql)
    // The mistake does not stick to the statement.
    #expect(try bench.connection.rows(sql) { _ in 1 } == [1])
  }

  @Test("a column that does not exist throws, also where NULL would do")
  func noColumn() throws {
    let bench = try Bench()
    #expect {
      try bench.connection.row("SELECT 1") { $0.textOrNil(1) }
    } throws: { ($0 as? SQLiteError)?.message == "column 1 does not hold a column" }
  }
}

@Suite("Statements")
struct StatementTests {
  @Test("run tells the rows that the statement itself changed")
  func changes() throws {
    let bench = try Bench(
      """
      CREATE TABLE t (n INTEGER PRIMARY KEY, v); CREATE TABLE log (n);
      CREATE TRIGGER logged AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.n), (new.n); END;
      """)
    let connection = bench.connection
    #expect(try connection.run("INSERT INTO t (n) VALUES (1), (2), (3)") == 3)
    #expect(try connection.run("UPDATE t SET v = ? WHERE n > ?", "x", 1) == 2)
    #expect(try connection.run("UPDATE t SET v = 1 WHERE n > 100") == 0)
    #expect(try connection.run("DELETE FROM t") == 3)
    #expect(try connection.run("CREATE TABLE u (n)") == 0)
    #expect(try connection.run("SELECT * FROM log") == 0)
    #expect(try connection.run("INSERT INTO t (n) VALUES (?) RETURNING n", arguments: [9]) == 1)
  }

  @Test("row reads the first, each streams, and what they throw ends them")
  func reading() throws {
    let bench = try Bench("CREATE TABLE t (n); INSERT INTO t VALUES (1), (2), (3);")
    let connection = bench.connection
    let sql = "SELECT n FROM t ORDER BY n"
    #expect(try connection.row(sql) { $0.int(0) } == 1)
    #expect(try connection.row("SELECT n FROM t WHERE n > ?", 5) { $0.int(0) } == nil)
    #expect(try connection.rows(sql) { $0.int(0) } == [1, 2, 3])
    #expect(
      try connection.rows("SELECT n FROM t WHERE n > ?", arguments: [1]) { $0.int(0) } == [2, 3])
    var seen: [Int] = []
    #expect(throws: Refusal.self) {
      try connection.each(sql) { row in
        seen.append(row.int(0))
        if seen.count == 2 { throw Refusal() }
      }
    }
    #expect(seen == [1, 2])
    // The statement was reset: it starts from the first row, and no lock stays held.
    #expect(try connection.row(sql) { $0.int(0) } == 1)
    try connection.run("DROP TABLE t")
  }

  @Test("the number of arguments must be the statement's")
  func argumentCount() throws {
    let bench = try Bench("CREATE TABLE t (a, b)")
    for arguments in [[], [1], [1, 2, 3]] as [[(any Bindable)?]] {
      #expect {
        try bench.connection.run("INSERT INTO t VALUES (?, ?)", arguments: arguments)
      } throws: { ($0 as? SQLiteError)?.code == SQLITE_RANGE }
    }
    #expect(try bench.connection.row("SELECT count(*) FROM t") { $0.int(0) } == 0)
  }

  @Test("arguments do not outlive their use")
  func bindingsCleared() throws {
    let bench = try Bench()
    let sql = "SELECT ?"
    #expect(try bench.connection.row(sql, "secret") { $0.text(0) } == "secret")
    var statement: OpaquePointer?
    while true {
      statement = sqlite3_next_stmt(bench.connection.handle, statement)
      guard let statement else { break }
      let expanded = sqlite3_expanded_sql(statement)
      defer { sqlite3_free(expanded) }
      #expect(expanded.map { String(cString: $0) }?.contains("secret") == false)
      #expect(sqlite3_stmt_busy(statement) == 0)
    }
  }

  @Test(
    "exactly one statement",
    arguments: ["", " ; ", "-- nothing", "SELECT 1; SELECT 2", "SELECT 1\0"])
  func oneStatement(_ sql: String) throws {
    let bench = try Bench()
    #expect { try bench.connection.run(sql) } throws: {
      ($0 as? SQLiteError)?.code == SQLITE_MISUSE
    }
    #expect(try bench.connection.row("SELECT 1; -- and a comment; ;") { $0.int(0) } == 1)
  }

  @Test("a script runs up to the statement that fails")
  func script() throws {
    let bench = try Bench(
      "-- first\nCREATE TABLE t (n);;\n\n/* second; */ INSERT INTO t VALUES ('a;b'); -- end")
    #expect(try bench.connection.row("SELECT n FROM t") { $0.text(0) } == "a;b")
    let error = #expect(throws: SQLiteError.self) {
      try bench.connection.script(
        "INSERT INTO t VALUES (2); INSERT INTO none VALUES (3); INSERT INTO t VALUES (4);")
    }
    #expect(error?.sql?.contains("INSERT INTO none") == true)
    #expect(try bench.connection.row("SELECT count(*) FROM t") { $0.int(0) } == 2)
  }

  @Test("the same query may run within its own rows")
  func reentrancy() throws {
    let bench = try Bench("CREATE TABLE t (n); INSERT INTO t VALUES (1), (2), (3);")
    let connection = bench.connection
    let sql = "SELECT n FROM t WHERE n > ? ORDER BY n"
    let pairs = try connection.rows(sql, 0) { outer in
      let first = outer.int(0)
      let inner = try connection.rows(sql, first) { $0.int(0) }
      return [first, outer.int(0)] + inner
    }
    #expect(pairs == [[1, 1, 2, 3], [2, 2, 3], [3, 3]])
    #expect(connection.cachedStatementCount == 1, "only the outermost is kept")
  }

  @Test("the cache is bounded, and keeps what is used")
  func cacheBound() throws {
    let bench = try Bench()
    let connection = bench.connection
    let kept = "SELECT 'kept'"
    for number in 0..<1_000 {
      #expect(try connection.row("SELECT \(number)") { $0.int(0) } == number)
      #expect(try connection.row(kept) { $0.text(0) } == "kept")
    }
    #expect(connection.cachedStatementCount == Connection.statementLimit)
    var count = 0
    var hasKept = false
    var statement = sqlite3_next_stmt(connection.handle, nil)
    while let current = statement {
      count += 1
      hasKept = hasKept || String(cString: sqlite3_sql(current)) == kept
      statement = sqlite3_next_stmt(connection.handle, current)
    }
    #expect(count == Connection.statementLimit, "evicted statements are finalized")
    #expect(hasKept)
  }

  @Test("the cache is bounded also for texts that go on after their statement")
  func cacheBoundWithTails() throws {
    let bench = try Bench()
    let connection = bench.connection
    for number in 0..<1_000 {
      #expect(try connection.row("SELECT \(number); -- \(number)") { $0.int(0) } == number)
    }
    #expect(connection.cachedStatementCount == Connection.statementLimit)
    var count = 0
    var statement = sqlite3_next_stmt(connection.handle, nil)
    while let current = statement {
      count += 1
      statement = sqlite3_next_stmt(connection.handle, current)
    }
    #expect(count == Connection.statementLimit, "evicted statements are finalized")
  }

  @Test("texts that are equal as text, but not in their bytes, are two statements")
  func canonicalEquivalence() throws {
    let bench = try Bench()
    for letter in ["\u{E9}", "e\u{301}"] {
      let bytes = try bench.connection.row("SELECT '\(letter)'") { Array($0.utf8(0)) }
      #expect(bytes == Array(letter.utf8))
    }
    #expect(bench.connection.cachedStatementCount == 2)
  }

  @Test("texts of the same length and the same end are told apart")
  func similarTexts() throws {
    let bench = try Bench()
    for number in 10..<60 {
      let sql = "SELECT \(number) AS number, 'and a long end that is the same in all of them'"
      for _ in 0..<2 { #expect(try bench.connection.row(sql) { $0.int(0) } == number) }
    }
    #expect(bench.connection.cachedStatementCount == 50)
  }

  @Test("a statement that begins or ends transactions is not kept, but judged at each use")
  func controlNotKept() throws {
    let bench = try Bench("CREATE TABLE t (n)")
    for sql in ["BEGIN", "SAVEPOINT s", "RELEASE s", "COMMIT", "PRAGMA wal_checkpoint"] {
      try bench.connection.run(sql)
    }
    #expect(bench.connection.cachedStatementCount == 0)
    bench.connection.isSupervised = true
    #expect(throws: SQLiteError.self) { try bench.connection.run("BEGIN") }
    try bench.connection.control("BEGIN")
    #expect { try bench.connection.run("COMMIT") } throws: {
      ($0 as? SQLiteError)?.code == SQLITE_AUTH
    }
    try bench.connection.control("COMMIT")
  }

  @Test("a statement is prepared once, and again by itself when the schema changes")
  func schemaChange() throws {
    let bench = try Bench("CREATE TABLE t (a); INSERT INTO t VALUES (1);")
    let connection = bench.connection
    #expect(try connection.row("SELECT * FROM t") { $0.count } == 1)
    try connection.run("ALTER TABLE t ADD COLUMN b DEFAULT 'new'")
    #expect(try connection.row("SELECT * FROM t") { $0.text(1) } == "new")
  }
}

@Suite("Errors")
struct ErrorTests {
  @Test("constraints have their extended code and SQLite's words")
  func constraints() throws {
    let bench = try Bench(
      """
      CREATE TABLE p (id INTEGER PRIMARY KEY, u TEXT UNIQUE, c INTEGER CONSTRAINT positive CHECK (c > 0), n NOT NULL DEFAULT 0);
      CREATE TABLE f (id INTEGER REFERENCES p);
      CREATE TABLE s (i INTEGER) STRICT;
      CREATE TRIGGER guard BEFORE DELETE ON p BEGIN SELECT RAISE(ABORT, 'never deleted'); END;
      INSERT INTO p (id, u) VALUES (1, 'a');
      """)
    func failure(_ sql: String) throws -> SQLiteError {
      try #require(#expect(throws: SQLiteError.self) { try bench.connection.run(sql) })
    }
    let unique = try failure("INSERT INTO p (id, u) VALUES (2, 'a')")
    #expect(unique.extendedCode == Extended.constraintUnique)
    #expect(unique.code == SQLITE_CONSTRAINT)
    #expect(unique.message == "UNIQUE constraint failed: p.u")
    #expect(unique.sql == "INSERT INTO p (id, u) VALUES (2, 'a')")
    #expect(!unique.isUnavailable && !unique.isCorrupt)
    let primary = try failure("INSERT INTO p (id) VALUES (1)")
    #expect(primary.extendedCode == Extended.constraintPrimaryKey)
    let check = try failure("INSERT INTO p (c) VALUES (0)")
    #expect(check.message == "CHECK constraint failed: positive")
    let null = try failure("INSERT INTO p (n) VALUES (NULL)")
    #expect(null.message == "NOT NULL constraint failed: p.n")
    let foreign = try failure("INSERT INTO f VALUES (99)")
    #expect(foreign.extendedCode == Extended.constraintForeignKey)
    #expect(try failure("DELETE FROM p").message == "never deleted")
    #expect(try failure("INSERT INTO s VALUES ('x')").code == SQLITE_CONSTRAINT)
    let syntax = try failure("SELEC")
    #expect(syntax.code == SQLITE_ERROR)
    #expect(syntax.description == "SQLite error 1: near \"SELEC\": syntax error [SELEC]")
  }

  @Test("an error leaves the statement usable")
  func statementAfterError() throws {
    let bench = try Bench("CREATE TABLE t (n UNIQUE)")
    let sql = "INSERT INTO t VALUES (?)"
    try bench.connection.run(sql, 1)
    #expect(throws: SQLiteError.self) { try bench.connection.run(sql, 1) }
    #expect(try bench.connection.run(sql, 2) == 1)
    #expect(bench.connection.isAutocommit)
  }

  @Test("a description never holds the values")
  func noValues() throws {
    let bench = try Bench("CREATE TABLE t (n UNIQUE)")
    try bench.connection.run("INSERT INTO t VALUES (?)", "jane@example.org")
    let error = #expect(throws: SQLiteError.self) {
      try bench.connection.run("INSERT INTO t VALUES (?)", "jane@example.org")
    }
    #expect(error?.description.contains("jane") == false)
  }

  @Test("what stops the database just now is told from what is wrong")
  func unavailable() {
    for code in [
      SQLITE_FULL, SQLITE_IOERR, Extended.ioErrorFsync, SQLITE_NOMEM, SQLITE_BUSY,
      Extended.busyTimeout, SQLITE_LOCKED, SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_PROTOCOL,
    ] {
      #expect(SQLiteError(extendedCode: code).isUnavailable, "\(code)")
    }
    for code in [SQLITE_ERROR, SQLITE_CONSTRAINT, SQLITE_MISUSE, SQLITE_CORRUPT, SQLITE_NOTADB] {
      #expect(!SQLiteError(extendedCode: code).isUnavailable, "\(code)")
    }
    #expect(SQLiteError(extendedCode: SQLITE_CORRUPT).isCorrupt)
    #expect(SQLiteError(extendedCode: SQLITE_NOTADB).isCorrupt)
  }

  @Test("a file that is no database, and one that is not there")
  func notADatabase() throws {
    let directory = try TemporaryDirectory()
    try Data(repeating: 65, count: 8_192).write(to: URL(filePath: directory.database))
    #expect { try Connection(path: directory.database, role: .writer) } throws: {
      ($0 as? SQLiteError)?.isCorrupt == true
    }
    #expect { try Connection(path: directory.path + "/none.db", role: .reader) } throws: {
      ($0 as? SQLiteError)?.code == SQLITE_CANTOPEN
    }
    #expect(try directory.files == ["test.db"])
  }
}

@Suite("Settings")
struct SettingTests {
  @Test("every setting took", arguments: [Connection.Role.writer, .reader])
  func settings(_ role: Connection.Role) throws {
    let bench = try Bench("CREATE TABLE t (n)")
    let connection = try Connection(
      path: bench.directory.database, role: role, cacheKiB: 300, busyTimeout: 1_234,
      journalSizeLimit: 99_999)
    let expected = [
      "journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "trusted_schema": "1",
      "mmap_size": "0", "temp_store": "2", "wal_autocheckpoint": "0", "cache_size": "-300",
      "busy_timeout": "1234", "journal_size_limit": "99999", "recursive_triggers": "0",
      "query_only": role == .reader ? "1" : "0",
    ]
    for (name, value) in expected { #expect(try connection.pragma(name) == [value], "\(name)") }
    for option in [SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, SQLITE_DBCONFIG_DEFENSIVE] {
      var now: Int32 = -1
      _ = csqlite_db_config(connection.handle, option, -1, &now)
      #expect(now == 1)
    }
    #expect(sqlite3_db_mutex(connection.handle) == nil, "opened without a mutex")
  }

  @Test("double quotes are identifiers only")
  func doubleQuotes() throws {
    let bench = try Bench()
    #expect(throws: SQLiteError.self) { try bench.connection.run(#"SELECT "text""#) }
    #expect(throws: SQLiteError.self) {
      try bench.connection.run(#"CREATE TABLE t (n CHECK (n <> "text"))"#)
    }
  }

  @Test("the schema itself cannot be written")
  func defensive() throws {
    let bench = try Bench("CREATE TABLE t (n); PRAGMA writable_schema=ON;")
    #expect(throws: SQLiteError.self) {
      try bench.connection.run("UPDATE sqlite_schema SET sql = 'x'")
    }
    try bench.connection.pragma("journal_mode=OFF")
    #expect(try bench.connection.pragma("journal_mode") == ["wal"])
  }

  @Test("a reader cannot write")
  func readerWrites() throws {
    let bench = try Bench("CREATE TABLE t (n)")
    let reader = try Connection(path: bench.directory.database, role: .reader)
    for sql in [
      "INSERT INTO t VALUES (1)", "CREATE TABLE u (n)", "DROP TABLE t", "PRAGMA user_version=3",
    ] {
      #expect { try reader.run(sql) } throws: { ($0 as? SQLiteError)?.code == SQLITE_READONLY }
    }
    #expect(try bench.connection.row("SELECT count(*) FROM t") { $0.int(0) } == 0)
  }

  @Test("closing a connection neither checkpoints nor removes the log")
  func closeKeepsLog() throws {
    let directory = try TemporaryDirectory()
    do {
      let connection = try Connection(path: directory.database, role: .writer)
      try connection.script("CREATE TABLE t (n); INSERT INTO t VALUES (1);")
    }
    #expect(try directory.files == ["test.db", "test.db-shm", "test.db-wal"])
    #expect(try directory.size(of: "test.db-wal") > 0)
    #expect(try directory.size(of: "test.db") == 4_096, "only the page that says WAL")
    let reader = try Connection(path: directory.database, role: .reader)
    #expect(try reader.row("SELECT n FROM t") { $0.int(0) } == 1)
  }

  @Test("a commit of many pages does not checkpoint")
  func noAutomaticCheckpoint() throws {
    let bench = try Bench("CREATE TABLE t (b)")
    for _ in 0..<3 {
      try bench.connection.run("INSERT INTO t VALUES (zeroblob(?))", 6_000_000)
    }
    #expect(bench.directory.count(FAULT_WRITE, FAULT_DATABASE) <= 1)
    #expect(try bench.directory.size(of: "test.db-wal") > 12_000_000)
  }
}
