import CFaultVFS
import CSQLite
import Foundation
import Synchronization
import Testing

@testable import SQLite

/// A database whose every change inserts a pair, and a directory for its backups.
private struct Bench {
  let directory: TemporaryDirectory
  let backups: TemporaryDirectory
  let database: Database

  init() throws {
    directory = try TemporaryDirectory()
    backups = try TemporaryDirectory()
    var configuration = Database.Configuration()
    configuration.checkpointPages = .max
    configuration.idleDelay = .seconds(3_600)
    database = try Database(path: directory.database, configuration: configuration)
    try database.maintain {
      try $0.script(
        """
        CREATE TABLE t (n INTEGER PRIMARY KEY, half TEXT, padding BLOB);
        CREATE TABLE child (n INTEGER REFERENCES t);
        PRAGMA user_version=7;
        """)
    }
  }

  var copy: String { backups.path + "/copy.db" }

  func insertPair() throws {
    try database.write { connection in
      for half in ["left", "right"] {
        try connection.run("INSERT INTO t (half, padding) VALUES (?, randomblob(500))", half)
      }
    }
  }

  /// The left and right halves in a copy.
  func halves(in file: String) throws -> [Int] {
    let connection = try Connection(path: file, role: .backup)
    return try connection.row("SELECT count(*) FILTER (WHERE half = 'left'), count(*) FROM t") {
      [$0.int(0), $0.int(1)]
    } ?? []
  }
}

@Suite("Backup")
struct BackupTests {
  @Test("a copy made while others write is whole, consistent, and holds all that was there before")
  func consistent() throws {
    let bench = try Bench()
    for _ in 0..<200 { try bench.insertPair() }
    let isOver = Atomic(false)
    let writers = (0..<3).map { _ in
      Background {
        while !isOver.load(ordering: .relaxed) { try? bench.insertPair() }
      }
    }
    let before = try bench.database.read { try $0.row("SELECT count(*) FROM t") { $0.int(0) } ?? 0 }
    let checkpoints = bench.directory.count(FAULT_WRITE, FAULT_DATABASE)
    try bench.database.backup(to: bench.copy)
    isOver.store(true, ordering: .relaxed)
    for writer in writers { writer.wait() }
    #expect(
      bench.directory.count(FAULT_WRITE, FAULT_DATABASE) == checkpoints, "nothing is copied back")
    let halves = try bench.halves(in: bench.copy)
    #expect(halves[1] >= before)
    #expect(halves[0] * 2 == halves[1], "no half of a change")
    let connection = try Connection(path: bench.copy, role: .backup)
    #expect(try connection.pragma("integrity_check") == ["ok"])
    #expect(try connection.pragma("user_version") == ["7"])
    #expect(try bench.backups.files == ["copy.db"])
    #expect(try bench.backups.permissions(of: "copy.db") == 0o640)
  }

  @Test("a copy can take the database's place")
  func restore() throws {
    let bench = try Bench()
    try bench.insertPair()
    try bench.database.backup(to: bench.copy)
    let restored = try Database(path: bench.copy)
    try restored.write { try $0.run("INSERT INTO t (half) VALUES ('left')") }
    #expect(try restored.read { try $0.row("SELECT count(*) FROM t") { $0.int(0) } } == 3)
  }

  @Test("another process, or another opening, copies without the lock and without writing")
  func besideServer() async throws {
    let bench = try Bench()
    for _ in 0..<20 { try bench.insertPair() }
    let isHeld = Atomic(false)
    let gate = DispatchSemaphore(value: 0)
    let holder = Background {
      try? bench.database.maintain { _ in
        isHeld.store(true, ordering: .sequentiallyConsistent)
        gate.wait()
      }
    }
    #expect(eventually { isHeld.load(ordering: .sequentiallyConsistent) })
    let log = try Data(contentsOf: URL(filePath: bench.directory.database + "-wal"))
    let (path, copy) = (bench.directory.database, bench.copy)
    await #expect(processExitsWith: .success) { [path = path as String, copy = copy as String] in
      let database = try Database(path: path)
      try database.backup(to: copy)
      database.close()
    }
    #expect(try Data(contentsOf: URL(filePath: bench.directory.database + "-wal")) == log)
    #expect(try bench.halves(in: bench.copy) == [20, 40])
    gate.signal()
    holder.wait()
  }

  @Test("a file that is there is not replaced unless told, and never the database itself")
  func existing() throws {
    let bench = try Bench()
    try bench.insertPair()
    try "precious".write(toFile: bench.copy, atomically: false, encoding: .utf8)
    let refused = Result { try bench.database.backup(to: bench.copy) }
    #expect(refused.sqliteError?.message == "\(bench.copy): File exists")
    #expect(try String(contentsOfFile: bench.copy, encoding: .utf8) == "precious")
    try bench.database.backup(to: bench.copy, replacing: true)
    #expect(try bench.halves(in: bench.copy) == [1, 2])
    let itself = Result { try bench.database.backup(to: bench.directory.database, replacing: true) }
    #expect(itself.sqliteError?.code == SQLITE_MISUSE)
    #expect(try bench.backups.files == ["copy.db"])
  }

  @Test("a file that comes meanwhile is not replaced either")
  func comesMeanwhile() throws {
    let bench = try Bench()
    try bench.insertPair()
    let result = Result {
      try bench.database.backup(to: bench.copy) { _ in
        try "precious".write(toFile: bench.copy, atomically: false, encoding: .utf8)
      }
    }
    #expect(result.sqliteError != nil)
    #expect(try String(contentsOfFile: bench.copy, encoding: .utf8) == "precious")
    #expect(try bench.backups.files == ["copy.db"])
  }

  @Test("whatever fails leaves no file", arguments: [SQLITE_FULL, Extended.ioErrorWrite])
  func failure(_ code: Int32) throws {
    let bench = try Bench()
    try bench.insertPair()
    bench.backups.fail(FAULT_WRITE, FAULT_DATABASE, with: code, skip: 1)
    let result = Result { try bench.database.backup(to: bench.copy) }
    #expect(result.sqliteError?.extendedCode == code)
    #expect(try bench.backups.files == [])
    #expect(throws: SQLiteError.self) {
      try bench.database.backup(to: bench.backups.path + "/none/copy.db")
    }
    bench.backups.heal(FAULT_WRITE, FAULT_DATABASE)
    try bench.database.backup(to: bench.copy)
    #expect(try bench.halves(in: bench.copy) == [1, 2])
  }

  @Test("a copy that fails its check gets no name")
  func check() throws {
    let bench = try Bench()
    try bench.database.maintain {
      try $0.script("PRAGMA foreign_keys=OFF; INSERT INTO child VALUES (99);")
    }
    let result = Result { try bench.database.backup(to: bench.copy) }
    #expect(result.sqliteError?.message == "a row of child refers to one that does not exist")
    #expect(try bench.backups.files == [])
  }

  @Test("progress rises to the check, and stops the backup by throwing")
  func progress() throws {
    let bench = try Bench()
    try bench.database.write { connection in
      for _ in 0..<5_000 {
        try connection.run("INSERT INTO t (half, padding) VALUES ('left', randomblob(1000))")
      }
    }
    var shares: [Double] = []
    var checks = 0
    try bench.database.backup(to: bench.copy) { step in
      switch step {
      case .copying(let share):
        #expect(checks == 0)
        shares.append(share)
      case .checking: checks += 1
      }
    }
    #expect(shares.count > 2 && checks > 0)
    #expect(shares == shares.sorted() && shares.allSatisfy { (0...1).contains($0) })
    #expect((shares.last ?? 0) > 0)
    for stopAtCheck in [false, true] {
      #expect(throws: Refusal.self) {
        try bench.database.backup(to: bench.copy, replacing: true) { step in
          if case .checking = step { throw Refusal() }
          if case .copying(let share) = step, share > 0, !stopAtCheck { throw Refusal() }
        }
      }
    }
    #expect(try bench.backups.files == ["copy.db"])
    #expect(try bench.halves(in: bench.copy) == [5_000, 5_000])
  }

  @Test("a name without a directory is in the current one")
  func relative() async throws {
    await #expect(processExitsWith: .success) {
      let bench = try Bench()
      try bench.insertPair()
      try #require(chdir(bench.backups.path) == 0)
      try bench.database.backup(to: "copy.db")
      try #require(try bench.halves(in: "copy.db") == [1, 2])
      try #require(chdir("/") == 0)
    }
  }
}
