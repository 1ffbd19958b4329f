import CFaultVFS
import CSQLite
import Foundation
import POSIX
import Synchronization
import Testing

@testable import SQLite

private let schema = "CREATE TABLE t (n INTEGER UNIQUE)"

/// A configuration whose writer does nothing by itself.
private var quiet: Database.Configuration {
  var configuration = Database.Configuration()
  configuration.checkpointPages = .max
  configuration.idleDelay = .seconds(3_600)
  return configuration
}

/// A configuration that keeps the count of the test's rows as the high-water mark.
private var marking: Database.Configuration {
  var configuration = quiet
  configuration.highWaterMark = { connection in
    try connection.row("SELECT count(*) FROM t") { Int64($0.int(0)) } ?? 0
  }
  return configuration
}

private func database(
  in directory: TemporaryDirectory, _ configuration: Database.Configuration = quiet
) throws -> Database {
  let database = try Database(path: directory.database, configuration: configuration)
  try database.maintain { connection in
    if try connection.row("SELECT 1 FROM sqlite_schema", read: { $0.int(0) }) == nil {
      try connection.script(schema)
    }
  }
  return database
}

extension Database {
  fileprivate func insert(_ number: Int) throws {
    try write { try $0.run("INSERT INTO t VALUES (?)", number) }
  }
}

@Suite("Reading")
struct ReadTests {
  @Test("a read is one snapshot, whatever is written meanwhile")
  func snapshot() throws {
    let directory = try TemporaryDirectory()
    let database = try database(in: directory)
    try database.insert(1)
    try database.read { connection in
      let count = "SELECT count(*) FROM t"
      #expect(try connection.row(count) { $0.int(0) } == 1)
      try database.insert(2)
      #expect(try connection.row(count) { $0.int(0) } == 1)
      #expect(try database.numbers() == [1, 2], "a read beside it sees the change")
    }
    #expect(try database.numbers() == [1, 2])
  }

  @Test("as many read at once as come, and a connection is used again")
  func pool() throws {
    let directory = try TemporaryDirectory()
    let database = try database(in: directory)
    let inside = Atomic(0)
    let opened = directory.count(FAULT_OPEN, FAULT_DATABASE)
    let results = concurrently(8) { _ in
      try database.read { connection in
        _ = try connection.row("SELECT count(*) FROM t") { $0.int(0) }
        inside.add(1, ordering: .sequentiallyConsistent)
        return eventually { inside.load(ordering: .sequentiallyConsistent) == 8 }
      }
    }
    #expect(try results.map { try $0.get() } == Array(repeating: true, count: 8))
    #expect(directory.count(FAULT_OPEN, FAULT_DATABASE) == opened + 8)
    for _ in 0..<20 { _ = try database.numbers() }
    #expect(directory.count(FAULT_OPEN, FAULT_DATABASE) == opened + 8)
  }

  @Test("a read that fails gives its connection back without its snapshot")
  func failure() throws {
    let directory = try TemporaryDirectory()
    let database = try database(in: directory)
    let opened = directory.count(FAULT_OPEN, FAULT_DATABASE)
    #expect(throws: Refusal.self) {
      try database.read { connection in
        _ = try connection.row("SELECT count(*) FROM t") { $0.int(0) }
        throw Refusal()
      }
    }
    try database.insert(1)
    #expect(try database.numbers() == [1])
    #expect(directory.count(FAULT_OPEN, FAULT_DATABASE) == opened + 1)
  }

  @Test(
    "a read can neither write nor leave its snapshot",
    arguments: [
      "INSERT INTO t VALUES (1)", "COMMIT", "ROLLBACK", "BEGIN IMMEDIATE", "PRAGMA query_only=OFF",
      "PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM",
    ])
  func readOnly(_ sql: String) throws {
    let directory = try TemporaryDirectory()
    let database = try database(in: directory)
    try database.read { connection in
      #expect(throws: SQLiteError.self) { try connection.run(sql) }
      #expect(throws: SQLiteError.self) { try connection.run("INSERT INTO t VALUES (2)") }
    }
    #expect(try database.numbers() == [])
    #expect(directory.count(FAULT_WRITE, FAULT_DATABASE) <= 1)
  }

  @Test("an unreadable disk fails the read, and is over when the disk is back")
  func readError() throws {
    let directory = try TemporaryDirectory()
    let database = try database(in: directory)
    try database.insert(1)
    try database.checkpoint(.truncate)
    directory.fail(FAULT_READ, FAULT_DATABASE, with: SQLITE_IOERR | (1 << 8))
    let failed = Result { try database.numbers() }
    #expect(failed.sqliteError?.isUnavailable == true)
    directory.heal(FAULT_READ, FAULT_DATABASE)
    #expect(try database.numbers() == [1])
  }

  @Test("no more file descriptors or memory to open a connection")
  func cannotOpen() throws {
    let directory = try TemporaryDirectory()
    let database = try database(in: directory)
    directory.fail(FAULT_OPEN, FAULT_DATABASE, with: SQLITE_CANTOPEN)
    #expect(Result { try database.numbers() }.sqliteError?.isUnavailable == true)
    directory.heal(FAULT_OPEN, FAULT_DATABASE)
    #expect(try database.numbers() == [])
  }
}

@Suite("Reading while changes wait")
struct ReadsBesideChangesTests {
  /// The times that reads take, in nanoseconds.
  private func times(_ count: Int, of database: Database) throws -> [Int64] {
    try (0..<count).map { _ in
      let started = ContinuousClock.now
      let numbers = try database.numbers()
      #expect(numbers.count == 100)
      let took = (ContinuousClock.now - started).components
      return took.seconds * 1_000_000_000 + took.attoseconds / 1_000_000_000
    }
  }

  @Test("reads take as long as ever while another process holds the lock and 64 changes wait")
  func lockHeld() throws {
    let directory = try TemporaryDirectory()
    let database = try database(in: directory)
    try database.write { connection in
      for number in 0..<100 { try connection.run("INSERT INTO t VALUES (?)", number) }
    }
    let lock = open(directory.database + ".lock", O_RDWR)
    defer { Glibc.close(lock) }
    let answers = Answers<Int>()
    var alone: [Int64] = []
    var beside: [Int64] = []
    // In turns, so that what else the machine does strikes both.
    for round in 0..<5 {
      alone += try times(100, of: database)
      #expect(flock(lock, LOCK_EX) == 0)
      for change in 0..<64 {
        let number = 64 * round + change
        database.write {
          try $0.run("UPDATE t SET n = n WHERE n = 1")
        } then: {
          answers.completion(number)($0)
        }
      }
      beside += try times(100, of: database)
      #expect(answers.all.count == 64 * round, "all of them waited meanwhile")
      flock(lock, LOCK_UN)
      #expect(answers.wait(for: 64 * (round + 1)))
    }
    #expect(answers.all.allSatisfy { $0.result.isSuccess })
    let medians = [alone, beside].map { $0.sorted()[$0.count / 2] }
    #expect(medians[1] < 10 * medians[0], "\(medians) ns")
  }
}

@Suite("Opening and closing")
struct LifeTests {
  @Test("a file that is not there is created only if it is to be")
  func creation() throws {
    let directory = try TemporaryDirectory()
    var configuration = quiet
    configuration.createsFile = false
    #expect {
      try Database(path: directory.database, configuration: configuration)
    } throws: { ($0 as? SQLiteError)?.code == SQLITE_CANTOPEN }
    #expect(try directory.files == [])
    #expect {
      try Database(path: directory.path + "/none/test.db", configuration: quiet)
    } throws: { ($0 as? SQLiteError)?.message.contains("No such file") == true }
    _ = try database(in: directory)
    #expect(try directory.files == ["test.db", "test.db-shm", "test.db-wal", "test.db.lock"])
  }

  @Test(
    "owner and group may read it and its companions, whatever the umask", arguments: [0, 0o077])
  func permissions(_ mask: UInt32) async throws {
    // The umask is the whole process's, so this takes another.
    await #expect(processExitsWith: .success) { [mask = mask as UInt32] in
      umask(mask)
      let directory = try TemporaryDirectory()
      let database = try database(in: directory)
      try database.insert(1)
      for file in ["test.db", "test.db-wal", "test.db-shm", "test.db.lock"] {
        let permissions = try directory.permissions(of: file)
        try #require(permissions == 0o640, "\(file): \(String(permissions, radix: 8))")
      }
    }
  }

  @Test("two names of one database share its files and its lock")
  func symbolicLink() throws {
    let directory = try TemporaryDirectory()
    let first = try database(in: directory)
    let link = directory.path + "/other.db"
    try FileManager.default.createSymbolicLink(
      atPath: link, withDestinationPath: directory.database)
    let second = try Database(path: link, configuration: quiet)
    #expect(second.path == directory.database)
    try second.insert(1)
    #expect(try first.numbers() == [1])
    #expect(
      try directory.files == ["other.db", "test.db", "test.db-shm", "test.db-wal", "test.db.lock"])
  }

  @Test("closing makes what is queued, empties the log, and refuses what comes later")
  func close() throws {
    let directory = try TemporaryDirectory()
    let database = try database(in: directory)
    let hold = WriterHold(database)
    var threads: [Background] = []
    let failures = Atomic(0)
    for number in 0..<5 {
      threads.append(
        Background {
          do { try database.insert(number) } catch { failures.add(1, ordering: .relaxed) }
        })
    }
    #expect(eventually { database.statistics.queueLength == 5 })
    threads.append(Background { database.close() })
    usleep(20_000)
    hold.release()
    for thread in threads { thread.wait() }
    #expect(failures.load(ordering: .relaxed) == 0)
    #expect(try directory.size(of: "test.db-wal") == 0)
    #expect(Result { try database.insert(9) }.sqliteError?.isUnavailable == true)
    #expect(Result { try database.numbers() }.sqliteError?.isUnavailable == true)
    #expect(Result { try database.maintain { _ in } }.sqliteError?.isUnavailable == true)
    database.close()
    let again = try Database(path: directory.database, configuration: quiet)
    #expect(try again.numbers() == [0, 1, 2, 3, 4])
  }

  @Test("a database that nobody holds any more closes itself")
  func abandoned() throws {
    let directory = try TemporaryDirectory()
    do {
      let database = try database(in: directory)
      try database.insert(1)
      #expect(try directory.size(of: "test.db-wal") > 0)
    }
    #expect(try directory.size(of: "test.db-wal") == 0)
  }

  @Test("a read that runs while the database closes ends well")
  func closeWhileReading() throws {
    let directory = try TemporaryDirectory()
    let database = try database(in: directory)
    try database.insert(1)
    let rows = try database.read { connection in
      _ = try connection.row("SELECT n FROM t") { $0.int(0) }
      database.close()
      return try connection.rows("SELECT n FROM t") { $0.int(0) }
    }
    #expect(rows == [1])
  }

  @Test("only a database that wrote checkpoints when it closes")
  func readerCloses() throws {
    let directory = try TemporaryDirectory()
    let server = try database(in: directory)
    try server.insert(1)
    let size = try directory.size(of: "test.db-wal")
    let writes = directory.count(FAULT_WRITE, FAULT_DATABASE)
    let command = try Database(path: directory.database, configuration: quiet)
    #expect(try command.numbers() == [1])
    command.close()
    #expect(directory.count(FAULT_WRITE, FAULT_DATABASE) == writes)
    #expect(try directory.size(of: "test.db-wal") == size)
  }

  @Test("a file that can only be read is read; its changes are unavailable")
  func readOnlyFile() async throws {
    // The permissions bind no superuser, so this takes a process of its own that gives its rights
    // up.
    await #expect(processExitsWith: .success) {
      let directory = try TemporaryDirectory()
      let server = try database(in: directory)
      try server.insert(1)
      try server.backup(to: directory.path + "/copy.db")
      for file in try directory.files {
        try #require(chmod(directory.path + "/" + file, 0o444) == 0)
      }
      try #require(chmod(directory.path, 0o555) == 0)
      if geteuid() == 0 { try #require(seteuid(65_534) == 0) }
      for name in ["test.db", "copy.db"] {
        let database = try Database(path: directory.path + "/" + name, configuration: quiet)
        try #require(database.isReadOnly)
        try #require(try database.numbers() == [1])
        let result = Result { try database.insert(2) }
        try #require(result.sqliteError?.isUnavailable == true, "\(result)")
        try #require(try database.numbers() == [1])
        database.close()
      }
      if getuid() == 0 { try #require(seteuid(0) == 0) }
      try #require(chmod(directory.path, 0o755) == 0)
    }
  }

  @Test("a file that is no database is refused")
  func notADatabase() throws {
    let directory = try TemporaryDirectory()
    try Data(repeating: 65, count: 8_192).write(to: URL(filePath: directory.database))
    #expect { try Database(path: directory.database, configuration: quiet) } throws: {
      ($0 as? SQLiteError)?.isCorrupt == true
    }
  }
}

@Suite("The lock file")
struct LockTests {
  @Test("two openings take turns, and lose nothing")
  func turns() throws {
    let directory = try TemporaryDirectory()
    let first = try database(in: directory)
    let second = try Database(path: directory.database, configuration: quiet)
    try first.insert(0)
    let results = concurrently(8) { thread in
      let database = thread % 2 == 0 ? first : second
      for _ in 0..<25 {
        try database.write { try $0.run("UPDATE t SET n = n + 1") }
      }
    }
    for result in results { #expect(result.isSuccess, "\(result)") }
    #expect(try first.numbers() == [200])
    #expect(try second.numbers() == [200])
  }

  @Test("who waits too long is told, and made nothing")
  func timeout() throws {
    let directory = try TemporaryDirectory()
    let first = try database(in: directory)
    var impatient = quiet
    impatient.lockTimeout = .milliseconds(30)
    let second = try Database(path: directory.database, configuration: impatient)
    let hold = WriterHold(first)
    let refused = Result { try second.insert(1) }
    #expect(refused.sqliteError?.extendedCode == Extended.busyTimeout)
    #expect(refused.sqliteError?.isUnavailable == true)
    #expect(try second.numbers() == [], "reads need no lock")
    hold.release()
    try second.insert(2)
    #expect(try first.numbers() == [2])
  }

  @Test("two processes take turns, and lose nothing")
  func processes() async throws {
    let directory = try TemporaryDirectory()
    let database = try database(in: directory)
    try database.insert(0)
    let parent = Background {
      for _ in 0..<100 { _ = try? database.write { try $0.run("UPDATE t SET n = n + 1") } }
    }
    let path = directory.database
    await #expect(processExitsWith: .success) { [path = path as String] in
      let database = try Database(path: path, configuration: quiet)
      for _ in 0..<100 { try database.write { try $0.run("UPDATE t SET n = n + 1") } }
      database.close()
    }
    parent.wait()
    #expect(try database.numbers() == [200])
    let integrity = try database.read { try $0.pragma("integrity_check") }
    #expect(integrity == ["ok"])
  }

  @Test("a process that is killed leaves no lock, and all that it acknowledged")
  func killed() async throws {
    let directory = try TemporaryDirectory()
    let database = try database(in: directory)
    let path = directory.database
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
      let database = try Database(path: path, configuration: quiet)
      for number in 1...5 { try database.insert(number) }
      try database.write { connection in
        try connection.run("INSERT INTO t VALUES (6)")
        kill(getpid(), SIGKILL)
      }
    }
    try database.insert(7)
    #expect(try database.numbers() == [1, 2, 3, 4, 5, 7])
  }

  @Test("a lock file that was removed is made again, and shared again")
  func removed() throws {
    let directory = try TemporaryDirectory()
    let first = try database(in: directory)
    let second = try Database(path: directory.database, configuration: quiet)
    try first.insert(1)
    try FileManager.default.removeItem(atPath: directory.database + ".lock")
    try second.insert(2)
    try FileManager.default.removeItem(atPath: directory.database + ".lock")
    try Data().write(to: URL(filePath: directory.database + ".lock"))
    let other = open(directory.database + ".lock", O_RDWR)
    defer { Glibc.close(other) }
    try first.insert(3)
    try first.write { _ in
      // The writer's lock is on the file that has the name now.
      #expect(flock(other, LOCK_EX | LOCK_NB) != 0)
    }
    #expect(eventually { flock(other, LOCK_EX | LOCK_NB) == 0 }, "given back after the batch")
  }

  @Test("without a lock file reads go on, changes are unavailable, and it recovers by itself")
  func unusable() throws {
    let directory = try TemporaryDirectory()
    _ = try database(in: directory)
    let lock = directory.database + ".lock"
    try FileManager.default.removeItem(atPath: lock)
    try FileManager.default.createDirectory(atPath: lock, withIntermediateDirectories: false)
    let database = try Database(path: directory.database, configuration: quiet)
    #expect(try database.numbers() == [])
    #expect(Result { try database.insert(1) }.sqliteError?.isUnavailable == true)
    try FileManager.default.removeItem(atPath: lock)
    try database.insert(2)
    #expect(try database.numbers() == [2])
  }
}

@Suite("The high-water mark")
struct MarkTests {
  @Test("each batch leaves the number that it reached")
  func written() throws {
    let directory = try TemporaryDirectory()
    let database = try database(in: directory, marking)
    let lock = directory.database + ".lock"
    #expect(try String(contentsOfFile: lock, encoding: .utf8) == "00000000000000000000\n")
    for number in 1...3 { try database.insert(number) }
    #expect(try String(contentsOfFile: lock, encoding: .utf8) == "00000000000000000003\n")
    #expect(database.lostSince == nil)
    let again = try Database(path: directory.database, configuration: marking)
    #expect(again.lostSince == nil)
  }

  @Test("a log that was deleted while the service was down is noticed, until someone accepts it")
  func deletedLog() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.database
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
      let database = try Database(path: path, configuration: marking)
      try database.maintain { try $0.script(schema) }
      for number in 1...2 { try database.insert(number) }
      try database.checkpoint(.truncate)
      for number in 3...5 { try database.insert(number) }
      kill(getpid(), SIGKILL)
    }
    for sidecar in ["-wal", "-shm"] { try FileManager.default.removeItem(atPath: path + sidecar) }
    do {
      let database = try Database(path: path, configuration: marking)
      #expect(try database.read { try $0.pragma("integrity_check") } == ["ok"], "it looks sound")
      let loss = try #require(database.lostSince)
      #expect(loss == (expected: 5, found: 2))
      // The evidence outlives further changes, and a restart.
      try database.insert(6)
    }
    let database = try Database(path: path, configuration: marking)
    let loss = try #require(database.lostSince)
    #expect(loss == (expected: 5, found: 3))
    try database.acceptLoss()
    #expect(database.lostSince == nil)
    #expect(try Database(path: path, configuration: marking).lostSince == nil)
    try database.insert(7)
    #expect(try String(contentsOfFile: path + ".lock", encoding: .utf8) == "00000000000000000004\n")
  }

  @Test("a backup put in the database's place shows as a loss, and so does an empty file")
  func restored() throws {
    let directory = try TemporaryDirectory()
    let copy = directory.path + "/copy.db"
    do {
      let database = try database(in: directory, marking)
      try database.insert(1)
      try database.backup(to: copy)
      try database.insert(2)
    }
    for name in ["", "-wal", "-shm"] {
      try FileManager.default.removeItem(atPath: directory.database + name)
    }
    #expect(rename(copy, directory.database) == 0)
    do {
      let database = try Database(path: directory.database, configuration: marking)
      let loss = try #require(database.lostSince)
      #expect(loss == (expected: 2, found: 1))
      #expect(try database.numbers() == [1])
    }
    for name in ["", "-wal", "-shm"] {
      try FileManager.default.removeItem(atPath: directory.database + name)
    }
    let empty = try Database(path: directory.database, configuration: marking)
    let loss = try #require(empty.lostSince)
    #expect(loss == (expected: 2, found: 0))
  }

  @Test(
    "a mark that is missing or unreadable is no error",
    arguments: ["", "5\n", "not a number, at all\n", "-0000000000000000009\n"])
  func unreadable(_ mark: String) throws {
    let directory = try TemporaryDirectory()
    do { try database(in: directory, marking).insert(1) }
    try mark.write(toFile: directory.database + ".lock", atomically: false, encoding: .utf8)
    let database = try Database(path: directory.database, configuration: marking)
    #expect(database.lostSince == nil)
    try database.insert(2)
    let written = try String(contentsOfFile: directory.database + ".lock", encoding: .utf8)
    #expect(written.hasPrefix("00000000000000000002\n"))
  }
}

@Suite("Checkpoints")
struct CheckpointTests {
  @Test("past its pages the writer copies the log, and the log begins anew")
  func passive() throws {
    let directory = try TemporaryDirectory()
    var configuration = quiet
    configuration.checkpointPages = 10
    let database = try database(in: directory, configuration)
    for number in 0..<200 { try database.insert(number) }
    let statistics = database.statistics
    #expect(statistics.checkpoints >= 10)
    #expect(statistics.incompleteCheckpoints == 0)
    #expect(statistics.longestCheckpoint > .zero)
    #expect(try directory.size(of: "test.db-wal") < 40 * 4_200)
    #expect(directory.count(FAULT_SYNC, FAULT_DATABASE) >= 10)
    #expect(try database.numbers() == Array(0..<200))
  }

  @Test("a quiet moment is used, once")
  func idle() throws {
    let directory = try TemporaryDirectory()
    var configuration = quiet
    configuration.idleDelay = .milliseconds(20)
    let database = try database(in: directory, configuration)
    try database.insert(1)
    #expect(eventually { database.statistics.checkpoints > 0 })
    let checkpoints = database.statistics.checkpoints
    usleep(200_000)
    #expect(database.statistics.checkpoints == checkpoints)
    #expect(database.statistics.incompleteCheckpoints == 0)
  }

  @Test("past its size the log is cut, although reads overlap without end")
  func truncate() throws {
    let directory = try TemporaryDirectory()
    var configuration = quiet
    configuration.truncateBytes = 40 * 4_096
    configuration.restartWait = .seconds(2)
    let database = try database(in: directory, configuration)
    let isOver = Atomic(false)
    let readers = (0..<2).map { _ in
      Background {
        while !isOver.load(ordering: .relaxed) {
          _ = try? database.read { connection in
            _ = try connection.row("SELECT count(*) FROM t") { $0.int(0) }
            usleep(2_000)
          }
        }
      }
    }
    var longest = 0
    for number in 0..<300 {
      try database.insert(number)
      longest = max(longest, try directory.size(of: "test.db-wal"))
    }
    isOver.store(true, ordering: .relaxed)
    for reader in readers { reader.wait() }
    #expect(longest < 80 * 4_200)
    #expect(database.statistics.checkpoints >= 5)
    #expect(database.statistics.incompleteCheckpoints == 0)
  }

  @Test("a long read keeps the log, but neither changes nor the log's end from coming")
  func longRead() throws {
    let directory = try TemporaryDirectory()
    var configuration = quiet
    configuration.checkpointPages = 10
    configuration.truncateBytes = 30 * 4_096
    configuration.restartWait = .milliseconds(1)
    let database = try database(in: directory, configuration)
    try database.insert(1_000)
    try database.read { connection in
      #expect(try connection.row("SELECT count(*) FROM t") { $0.int(0) } == 1)
      for number in 0..<100 { try database.insert(number) }
      #expect(database.statistics.incompleteCheckpoints > 0)
      #expect(database.statistics.checkpoints < 50, "not one for each batch")
      #expect(try connection.row("SELECT count(*) FROM t") { $0.int(0) } == 1)
    }
    #expect(try database.checkpoint(.truncate))
    #expect(try directory.size(of: "test.db-wal") == 0)
    #expect(database.statistics.lastMaintenanceError == nil)
  }

  @Test(
    "a checkpoint that fails loses nothing and stops nobody",
    arguments: [
      (FAULT_WRITE, SQLITE_FULL), (FAULT_WRITE, Extended.ioErrorWrite),
      (FAULT_SYNC, Extended.ioErrorFsync),
    ])
  func failure(_ operation: fault_operation, _ code: Int32) throws {
    let directory = try TemporaryDirectory()
    var configuration = quiet
    configuration.checkpointPages = 10
    let database = try database(in: directory, configuration)
    directory.fail(operation, FAULT_DATABASE, with: code)
    for number in 0..<50 { try database.insert(number) }
    #expect(database.statistics.lastMaintenanceError?.extendedCode == code)
    #expect(database.statistics.incompleteCheckpoints > 0)
    #expect(try database.numbers() == Array(0..<50))
    directory.heal(operation, FAULT_DATABASE)
    #expect(try database.checkpoint(.truncate))
    database.close()
    #expect(try Database(path: directory.database).numbers() == Array(0..<50))
  }

  @Test("an error of the upkeep that lasts is told of once, and again when it comes back")
  func toldOnce() throws {
    let directory = try TemporaryDirectory()
    var configuration = quiet
    configuration.checkpointPages = 10
    let told = Counter()
    configuration.onMaintenanceError = { told.add($0.extendedCode) }
    let database = try database(in: directory, configuration)
    for round in 1...2 {
      directory.fail(FAULT_WRITE, FAULT_DATABASE, with: SQLITE_FULL)
      for number in 0..<50 { try database.insert(100 * round + number) }
      #expect(told.codes == Array(repeating: SQLITE_FULL, count: round))
      directory.heal(FAULT_WRITE, FAULT_DATABASE)
      #expect(try database.checkpoint(.truncate))
    }
    #expect(database.statistics.maintenanceErrors > 2)
  }

  /// The codes that were told, from any thread.
  private final class Counter: Sendable {
    private let told = Lock<[Int32]>([])
    var codes: [Int32] { told.withLock { $0 } }
    func add(_ code: Int32) { told.withLock { $0.append(code) } }
  }

  @Test("a file that was moved away is written no more: nobody would find the change")
  func moved() throws {
    let directory = try TemporaryDirectory()
    let database = try database(in: directory, quiet)
    try database.insert(1)
    #expect(rename(directory.database, directory.database + ".moved") == 0)
    let error = #expect(throws: SQLiteError.self) { try database.insert(2) }
    #expect(error?.isUnavailable == true, "\(String(describing: error))")
    #expect(rename(directory.database + ".moved", directory.database) == 0)
    try database.insert(3)
    #expect(try database.numbers() == [1, 3])
  }

  @Test("PRAGMA optimize runs when it is due")
  func optimize() throws {
    let directory = try TemporaryDirectory()
    var configuration = quiet
    configuration.optimizeInterval = .zero
    let database = try database(in: directory, configuration)
    try database.write { connection in
      try connection.run("CREATE INDEX byN ON t (n, n)")
      for number in 0..<100 { try connection.run("INSERT INTO t VALUES (?)", number) }
      _ = try connection.rows("SELECT n FROM t WHERE n > 5") { $0.int(0) }
    }
    let analyzed = {
      try database.read { connection in
        try connection.rows("SELECT name FROM sqlite_schema WHERE name = 'sqlite_stat1'") {
          $0.text(0)
        }
      } == ["sqlite_stat1"]
    }
    #expect(try eventually(analyzed))
    #expect(database.statistics.lastMaintenanceError == nil)
  }
}

@Suite("A full disk")
struct FullDiskTests {
  @Test(
    "a limit on the size of files: reads go on, changes are unavailable, and it recovers by itself")
  func fileLimit() async throws {
    await #expect(processExitsWith: .success) {
      let directory = try TemporaryDirectory()
      var configuration = quiet
      configuration.onFatal = { _ in _exit(3) }
      let database = try database(in: directory, configuration)
      try database.maintain { try $0.script("CREATE TABLE big (b)") }
      // Its default action is to end the process.
      signal(SIGXFSZ, SIG_IGN)
      var before = rlimit()
      try #require(getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &before) == 0)
      var limit = rlimit(rlim_cur: 1 << 20, rlim_max: before.rlim_max)
      try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
      var made = 0
      var failure: SQLiteError?
      while failure == nil && made < 1_000 {
        let number = made
        let result = Result {
          try database.write { connection in
            try connection.run("INSERT INTO t VALUES (?)", number)
            try connection.run("INSERT INTO big VALUES (zeroblob(20000))")
          }
        }
        if result.isSuccess { made += 1 } else { failure = result.sqliteError }
      }
      try #require(failure?.code == SQLITE_FULL, "\(String(describing: failure))")
      try #require(made > 10)
      try #require(try database.numbers() == Array(0..<made))
      let again = Result {
        try database.write { try $0.run("INSERT INTO big VALUES (zeroblob(20000))") }
      }
      try #require(again.sqliteError?.isUnavailable == true)
      try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &before) == 0)
      try database.insert(-2)
      let numbers = try database.numbers()
      try #require(numbers.filter { $0 >= 0 } == Array(0..<made))
      database.close()
      try #require(try Database(path: directory.database).numbers() == numbers)
    }
  }
}
