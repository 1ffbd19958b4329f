import CFaultVFS
import CSQLite
import Foundation
import POSIX
import Synchronization
import Testing

@testable import SQLite

/// A database with a table `t (n UNIQUE)`, whose writer checkpoints only when a test says so.
private struct Bench {
  let directory: TemporaryDirectory
  let database: Database
  let runs = Runs()

  init(
    _ schema: String = "", configure: (inout Database.Configuration) -> Void = { _ in }
  ) throws {
    directory = try TemporaryDirectory()
    var configuration = Database.Configuration()
    configuration.checkpointPages = .max
    configuration.idleDelay = .seconds(3_600)
    configure(&configuration)
    database = try Database(path: directory.database, configuration: configuration)
    try database.maintain { try $0.script("CREATE TABLE t (n INTEGER UNIQUE); \(schema)") }
  }

  /// A change that inserts a number and gives it back.
  func insert(_ number: Int) -> @Sendable (Connection) throws -> Int {
    change(number) { try $0.run("INSERT INTO t VALUES (?)", number) }
  }

  /// A change that does `body` and gives its number back.
  func change(
    _ number: Int, _ body: @escaping @Sendable (Connection) throws -> Void
  ) -> @Sendable (Connection) throws -> Int {
    { [runs] connection in
      runs.count(number)
      try body(connection)
      return number
    }
  }
}

/// Counts how often each change ran.
private final class Runs: Sendable {
  private let counts = Lock<[Int: Int]>([:])
  func count(_ number: Int) { counts.withLock { $0[number, default: 0] += 1 } }
  subscript(number: Int) -> Int { counts.withLock { $0[number, default: 0] } }
}

/// Errors that a test's closure was told.
private final class Told: Sendable {
  private let errors = Lock<[SQLiteError]>([])
  func tell(_ error: SQLiteError) { errors.withLock { $0.append(error) } }
  var all: [SQLiteError] { errors.withLock { $0 } }
}

@Suite("Group commit")
struct GroupCommitTests {
  @Test("every caller gets its own result, and all of it is there")
  func ownResults() throws {
    let bench = try Bench("CREATE TABLE own (id INTEGER PRIMARY KEY, thread, turn)")
    let results = concurrently(32) { thread in
      try (0..<20).map { turn in
        try bench.database.write { connection in
          try connection.row(
            "INSERT INTO own (thread, turn) VALUES (?, ?) RETURNING id", thread, turn
          ) { $0.int(0) } ?? 0
        }
      }
    }
    for (thread, result) in results.enumerated() {
      for (turn, id) in try result.get().enumerated() {
        let row = try bench.database.read { connection in
          try connection.row("SELECT thread, turn FROM own WHERE id = ?", id) {
            [$0.int(0), $0.int(1)]
          }
        }
        #expect(row == [thread, turn])
      }
    }
    let statistics = bench.database.statistics
    #expect(statistics.changes == 640)
    #expect(statistics.batches < 640, "32 threads never met in a batch")
    #expect(statistics.queueLength == 0)
  }

  @Test("a batch is one commit and one sync")
  func oneSync() throws {
    let bench = try Bench()
    try bench.database.write { try $0.run("INSERT INTO t VALUES (0)") }
    let syncs = bench.directory.count(FAULT_SYNC, FAULT_WAL)
    let batches = bench.database.statistics.batches
    let results = bench.database.batch((1...20).map(bench.insert))
    #expect(try results.map { try $0.get() } == Array(1...20))
    #expect(bench.directory.count(FAULT_SYNC, FAULT_WAL) == syncs + 1)
    #expect(bench.database.statistics.batches == batches + 1)
    #expect(bench.database.statistics.largestBatch == 20)
    #expect(try bench.database.numbers() == Array(0...20))
  }

  @Test("nobody is answered before the sync, neither those who succeed nor those who are refused")
  func answersAfterSync() throws {
    let bench = try Bench()
    bench.directory.hold(FAULT_SYNC, FAULT_WAL)
    let answered = Atomic(0)
    let changes = Background { [bench] in
      _ = bench.database.batch([bench.insert(1), bench.insert(1), bench.insert(2)])
      answered.store(1, ordering: .sequentiallyConsistent)
    }
    #expect(eventually { bench.directory.held(FAULT_SYNC, FAULT_WAL) == 1 })
    usleep(100_000)
    #expect(bench.runs[1] == 2 && bench.runs[2] == 1, "all have run")
    #expect(bench.database.statistics.changes == 0)
    #expect(!changes.isFinished)
    #expect(try bench.database.numbers() == [], "readers see nothing that is not on the disk")
    bench.directory.release(FAULT_SYNC, FAULT_WAL)
    changes.wait()
    #expect(answered.load(ordering: .sequentiallyConsistent) == 1)
    #expect(try bench.database.numbers() == [1, 2])
  }

  @Test("a refused change undoes itself alone")
  func constraintAlone() throws {
    let bench = try Bench("CREATE TABLE trace (n)")
    let syncs = bench.directory.count(FAULT_SYNC, FAULT_WAL)
    let results = bench.database.batch(
      (0..<12).map { number in
        bench.change(number) {
          try $0.run("INSERT INTO trace VALUES (?)", number)
          try $0.run("INSERT INTO t VALUES (?)", number == 5 ? 4 : number)
        }
      })
    for number in 0..<12 where number != 5 { #expect(try results[number].get() == number) }
    #expect(results[5].sqliteError?.extendedCode == Extended.constraintUnique)
    #expect(try bench.database.numbers() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11])
    let traces = try bench.database.read { try $0.row("SELECT count(*) FROM trace") { $0.int(0) } }
    #expect(traces == 11)
    #expect((0..<12).allSatisfy { bench.runs[$0] == 1 }, "nobody ran twice")
    #expect(bench.directory.count(FAULT_SYNC, FAULT_WAL) == syncs + 1)
  }

  @Test("a body that throws is undone, and its error is the caller's")
  func bodyThrows() throws {
    let bench = try Bench()
    let results = bench.database.batch([
      bench.insert(1),
      bench.change(2) {
        try $0.run("INSERT INTO t VALUES (2)")
        throw Refusal()
      },
      bench.insert(3),
    ])
    #expect(throws: Refusal.self) { try results[1].get() }
    #expect(results[0].isSuccess && results[2].isSuccess)
    #expect(try bench.database.numbers() == [1, 3])
  }

  @Test(
    "a body can neither end its transaction nor change what the writer relies on",
    arguments: [
      "COMMIT", "END", "ROLLBACK", "BEGIN", "SAVEPOINT mine", "RELEASE change",
      "ROLLBACK TO change", "PRAGMA wal_checkpoint", "PRAGMA journal_mode=DELETE",
      "PRAGMA synchronous=OFF", "PRAGMA Foreign_Keys=OFF", "PRAGMA defer_foreign_keys=ON",
      "PRAGMA wal_autocheckpoint=1", "ATTACH ':memory:' AS other",
    ])
  func noControl(_ sql: String) throws {
    let bench = try Bench()
    // Prepared where it is allowed, so that a kept statement would be found.
    try bench.database.maintain {
      _ = try? $0.run(sql)
      _ = $0.rollback()
    }
    let results = bench.database.batch([
      bench.insert(1),
      bench.change(2) {
        try $0.run("INSERT INTO t VALUES (2)")
        try $0.run(sql)
      },
      bench.change(3) { connection in
        _ = try? connection.run(sql)
        _ = try? connection.script(sql)
        try connection.run("INSERT INTO t VALUES (3)")
      },
      bench.insert(4),
    ])
    #expect(results[1].sqliteError?.code == SQLITE_AUTH)
    #expect(results[0].isSuccess && results[2].isSuccess && results[3].isSuccess)
    #expect((1...4).allSatisfy { bench.runs[$0] == 1 })
    #expect(try bench.database.numbers() == [1, 3, 4])
    #expect(bench.database.statistics.batches == 1)
  }

  @Test("a trigger that rolls back everything costs the others a second run, and nothing else")
  func raiseRollback() throws {
    let bench = try Bench(
      """
      CREATE TRIGGER thirteen BEFORE INSERT ON t WHEN new.n = 13
      BEGIN SELECT RAISE(ROLLBACK, 'not thirteen'); END;
      """)
    let results = bench.database.batch([10, 13, 14, 10].map(bench.insert))
    #expect(try results[0].get() == 10)
    #expect(results[1].sqliteError?.message == "not thirteen")
    #expect(try results[2].get() == 14)
    #expect(results[3].sqliteError?.extendedCode == Extended.constraintUnique)
    #expect(try bench.database.numbers() == [10, 14])
    #expect(bench.runs[14] == 1 && bench.runs[13] == 2)
    #expect(bench.database.statistics.restarts == 2)
  }

  @Test("a body that goes on after everything was rolled back writes nothing, and is told")
  func swallowedRollback() throws {
    let bench = try Bench()
    let results = bench.database.batch([
      bench.insert(1),
      bench.change(2) {
        _ = try? $0.run("INSERT OR ROLLBACK INTO t VALUES (1), (1)")
        _ = try? $0.run("INSERT INTO t VALUES (99)")
        _ = try? $0.script("INSERT INTO t VALUES (98)")
      },
      bench.insert(3),
    ])
    #expect(results[0].isSuccess && results[2].isSuccess)
    #expect(results[1].sqliteError?.extendedCode == Extended.abortRollback)
    #expect(try bench.database.numbers() == [1, 3])
  }

  @Test("however many roll everything back, each change runs a bounded number of times")
  func manyCulprits() throws {
    let bench = try Bench()
    let results = bench.database.batch(
      (0..<40).map { number in
        bench.change(number) {
          try $0.run(
            "INSERT OR ROLLBACK INTO t VALUES (?), (?)", number,
            number % 2 == 0 ? number + 100 : number)
        }
      })
    for number in 0..<40 {
      #expect(results[number].isSuccess == (number % 2 == 0))
      #expect(bench.runs[number] <= 2)
    }
    let expected = (0..<40).filter { $0 % 2 == 0 }.flatMap { [$0, $0 + 100] }.sorted()
    #expect(try bench.database.numbers() == expected)
  }

  @Test("a change that fills the disk fails alone")
  func fullByOne() throws {
    let bench = try Bench("CREATE TABLE big (b)")
    try bench.database.maintain { connection in
      let pages = try connection.pragma("page_count").first.flatMap { Int($0) } ?? 0
      try connection.pragma("max_page_count=\(pages + 20)")
    }
    let huge = bench.change(2) { try $0.run("INSERT INTO big VALUES (zeroblob(1000000))") }
    let results = bench.database.batch([bench.insert(1), huge, bench.insert(3)])
    #expect(results[0].isSuccess && results[2].isSuccess)
    #expect(results[1].sqliteError?.code == SQLITE_FULL)
    #expect(results[1].sqliteError?.isUnavailable == true)
    #expect(try bench.database.numbers() == [1, 3])
    try bench.database.maintain { _ = try $0.pragma("max_page_count=1000000") }
    #expect(try bench.database.write(huge) == 2)
  }

  @Test(
    "a disk that is full at COMMIT: nobody is acknowledged, reads go on, and it recovers by itself")
  func fullAtCommit() throws {
    let told = Told()
    let bench = try Bench { $0.onFatal = told.tell }
    try bench.database.write { try $0.run("INSERT INTO t VALUES (0)") }
    bench.directory.fail(FAULT_WRITE, FAULT_WAL, with: SQLITE_FULL)
    let results = bench.database.batch([1, 1, 0, 2].map(bench.insert))
    for number in [0, 1, 3] {
      #expect(
        results[number].sqliteError?.code == SQLITE_FULL, "no refusal rests on what was undone")
    }
    #expect(
      results[2].sqliteError?.extendedCode == Extended.constraintUnique,
      "this one rests on what is there")
    #expect(try bench.database.numbers() == [0])
    bench.directory.heal(FAULT_WRITE, FAULT_WAL)
    #expect(try bench.database.write(bench.insert(3)) == 3)
    #expect(try bench.database.numbers() == [0, 3])
    #expect(told.all.isEmpty)
  }

  @Test("a quota or a file's limit at COMMIT is a full disk", arguments: [EDQUOT, EFBIG, ENOSPC])
  func quotaAtCommit(_ number: Int32) throws {
    let told = Told()
    let bench = try Bench { $0.onFatal = told.tell }
    bench.directory.fail(
      FAULT_WRITE, FAULT_WAL, with: Extended.ioErrorWrite, systemError: number)
    let results = bench.database.batch([bench.insert(1), bench.insert(2)])
    for result in results { #expect(result.sqliteError?.code == SQLITE_FULL) }
    bench.directory.heal(FAULT_WRITE, FAULT_WAL)
    #expect(try bench.database.write(bench.insert(3)) == 3)
    #expect(try bench.database.numbers() == [3])
    #expect(told.all.isEmpty)
  }

  @Test(
    "a COMMIT whose outcome is unknown is told, acknowledges nobody, and ends all writing",
    arguments: [
      (FAULT_SYNC, Extended.ioErrorFsync, SQLITE_IOERR),
      (FAULT_WRITE, Extended.ioErrorWrite, SQLITE_IOERR),
      (FAULT_SYNC, SQLITE_IOERR | (12 << 8), SQLITE_NOMEM),
    ])
  func unknownOutcome(_ operation: fault_operation, _ code: Int32, _ seen: Int32) throws {
    let told = Told()
    let bench = try Bench { $0.onFatal = told.tell }
    try bench.database.write { try $0.run("INSERT INTO t VALUES (0)") }
    bench.directory.fail(operation, FAULT_WAL, with: code, times: 1, systemError: EIO)
    let results = bench.database.batch([bench.insert(1), bench.insert(0), bench.insert(2)])
    for result in results {
      #expect(result.sqliteError?.code == seen)
      #expect(result.sqliteError?.isUnavailable == true)
    }
    #expect(told.all.map(\.code) == [seen])
    // The fault is gone, and yet nothing may be written: the next sync would say nothing about this
    // one.
    let writes = bench.directory.count(FAULT_WRITE, FAULT_WAL)
    let later = Result { try bench.database.write(bench.insert(3)) }
    #expect(later.sqliteError?.isUnavailable == true)
    #expect(bench.runs[3] == 0)
    #expect(try bench.database.numbers() == [0], "reads go on")
    let checkpoints = bench.directory.count(FAULT_WRITE, FAULT_DATABASE)
    bench.database.close()
    #expect(bench.directory.count(FAULT_WRITE, FAULT_WAL) == writes)
    #expect(bench.directory.count(FAULT_WRITE, FAULT_DATABASE) == checkpoints)
    // Recovery: what was acknowledged is there; the rest wholly or not at all.
    let again = try Database(path: bench.directory.database)
    let recovered = try again.numbers()
    #expect(recovered == [0] || recovered == [0, 1, 2])
    #expect(try again.write(bench.insert(4)) == 4)
  }

  @Test("an error after the sync: nobody was told, and yet the change is there after recovery")
  func errorAfterSync() throws {
    let told = Told()
    let bench = try Bench("CREATE TABLE big (b)") {
      $0.writerCacheKiB = 1 << 16
      $0.onFatal = told.tell
    }
    // The log's index grows by a page of shared memory for each 4,096 frames or so, once they are
    // synced.
    bench.directory.fail(FAULT_SHM_MAP, FAULT_DATABASE, with: SQLITE_IOERR | (19 << 8))
    let result = Result {
      try bench.database.write { connection in
        try connection.run("INSERT INTO t VALUES (1)")
        try connection.run("INSERT INTO big VALUES (zeroblob(20000000))")
      }
    }
    #expect(result.sqliteError?.code == SQLITE_IOERR)
    #expect(told.all.count == 1)
    bench.directory.heal(FAULT_SHM_MAP, FAULT_DATABASE)
    #expect(try bench.database.numbers() == [])
    #expect(Result { try bench.database.write(bench.insert(2)) }.sqliteError?.isUnavailable == true)
    // Recovery is the next opening's, after the last connection of this one is gone.
    bench.database.close()
    #expect(try Database(path: bench.directory.database).numbers() == [1])
  }

  @Test("onFatal comes before the answers")
  func fatalFirst() throws {
    let directory = try TemporaryDirectory()
    let isAnswered = Lock(false)
    let wasAnswered = Lock<Bool?>(nil)
    var configuration = Database.Configuration()
    configuration.onFatal = { _ in
      usleep(50_000)
      wasAnswered.withLock { $0 = isAnswered.withLock { $0 } }
    }
    let database = try Database(path: directory.database, configuration: configuration)
    try database.maintain { try $0.script("CREATE TABLE t (n)") }
    directory.fail(FAULT_SYNC, FAULT_WAL, with: Extended.ioErrorFsync, times: 1)
    #expect(throws: SQLiteError.self) {
      try database.write { try $0.run("INSERT INTO t VALUES (1)") }
    }
    isAnswered.withLock { $0 = true }
    #expect(wasAnswered.withLock { $0 } == false)
  }

  @Test(
    "an error that rolls back everything within a change: the others are made, it is told",
    arguments: [
      (SQLITE_IOERR | (1 << 8), SQLITE_IOERR), (SQLITE_IOERR | (12 << 8), SQLITE_NOMEM),
    ])
  func lostWithinChange(_ code: Int32, _ seen: Int32) throws {
    let told = Told()
    let bench = try Bench(
      """
      CREATE TABLE big (b);
      WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 500)
      INSERT INTO big SELECT zeroblob(3000) FROM c;
      """
    ) {
      $0.writerCacheKiB = 64
      $0.onFatal = told.tell
    }
    #expect(try bench.database.checkpoint(.truncate))
    let culprit = bench.change(2) { [directory = bench.directory] connection in
      directory.fail(FAULT_READ, FAULT_DATABASE, with: code, times: 1)
      defer { directory.heal(FAULT_READ, FAULT_DATABASE) }
      try connection.run("UPDATE big SET b = 'x' || length(b)")
    }
    let results = bench.database.batch([bench.insert(1), culprit, bench.insert(3)])
    #expect(results[0].isSuccess && results[2].isSuccess)
    #expect(results[1].sqliteError?.code == seen)
    #expect(results[1].sqliteError?.isUnavailable == true)
    #expect(bench.database.statistics.restarts == 2, "the whole transaction was lost, twice")
    #expect(try bench.database.numbers() == [1, 3])
    #expect(told.all.isEmpty, "its outcome is known")
    let unchanged = try bench.database.read {
      try $0.row("SELECT count(*) FROM big WHERE length(b) = 3000") { $0.int(0) }
    }
    #expect(unchanged == 500)
  }

  @Test("a deferred foreign key is the change's own fault, not the batch's")
  func deferredForeignKey() throws {
    let bench = try Bench(
      """
      CREATE TABLE parent (id INTEGER PRIMARY KEY);
      CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
      """)
    let results = bench.database.batch([
      bench.insert(1),
      bench.change(2) { try $0.run("INSERT INTO child VALUES (7)") },
      bench.change(3) {
        try $0.run("INSERT INTO child VALUES (8)")
        try $0.run("INSERT INTO parent VALUES (8)")
      },
      bench.insert(4),
    ])
    #expect(results[1].sqliteError?.extendedCode == Extended.constraintForeignKey)
    #expect(results[0].isSuccess && results[2].isSuccess && results[3].isSuccess)
    #expect((1...4).allSatisfy { bench.runs[$0] == 1 })
    #expect(try bench.database.numbers() == [1, 4])
    let children = try bench.database.read { try $0.rows("SELECT id FROM child") { $0.int(0) } }
    #expect(children == [8])
  }

  @Test("a lock that an outsider holds makes the batch unavailable, not lost")
  func outsider() throws {
    let bench = try Bench { $0.busyTimeout = .milliseconds(30) }
    let outsider = try Connection(path: bench.directory.database, role: .writer)
    try outsider.run("BEGIN IMMEDIATE")
    let results = bench.database.batch([bench.insert(1), bench.insert(2)])
    for result in results { #expect(result.sqliteError?.code == SQLITE_BUSY) }
    #expect(bench.runs[1] == 0)
    #expect(try bench.database.numbers() == [])
    try outsider.run("COMMIT")
    #expect(try bench.database.write(bench.insert(1)) == 1)
  }

  @Test("a batch has its limit, and keeps the order")
  func limit() throws {
    let bench = try Bench { $0.maximumBatch = 4 }
    let order = Lock<[Int]>([])
    let results = bench.database.batch(
      (0..<10).map { number in
        bench.change(number) { _ in order.withLock { $0.append(number) } }
      })
    #expect(results.count == 10 && results.allSatisfy { $0.isSuccess })
    #expect(bench.database.statistics.batches == 3)
    #expect(bench.database.statistics.largestBatch == 4)
    #expect(order.withLock { $0 } == Array(0..<10))
  }

  @Test("a change that waits for another is refused rather than stuck")
  func nested() throws {
    let bench = try Bench()
    let result = Result {
      try bench.database.write { [database = bench.database] connection in
        try connection.run("INSERT INTO t VALUES (1)")
        try database.write { try $0.run("INSERT INTO t VALUES (2)") }
      }
    }
    #expect(result.sqliteError?.code == SQLITE_MISUSE)
    #expect(try bench.database.numbers() == [])
  }

  @Test("maintenance runs by itself, and its settings and its open transaction do not stay")
  func maintenance() throws {
    let bench = try Bench()
    try bench.database.maintain { connection in
      #expect(connection.isAutocommit)
      try connection.script(
        "PRAGMA foreign_keys=OFF; PRAGMA synchronous=OFF; PRAGMA query_only=ON;")
    }
    let settings = try bench.database.maintain { connection in
      try ["foreign_keys", "synchronous", "query_only"].flatMap { try connection.pragma($0) }
    }
    #expect(settings == ["1", "2", "0"])
    let open = Result {
      try bench.database.maintain { try $0.script("BEGIN; INSERT INTO t VALUES (1);") }
    }
    #expect(open.sqliteError?.code == SQLITE_MISUSE)
    #expect(try bench.database.numbers() == [])
    #expect(throws: Refusal.self) { try bench.database.maintain { _ in throw Refusal() } }
    #expect(try bench.database.write(bench.insert(2)) == 2)
  }
}
