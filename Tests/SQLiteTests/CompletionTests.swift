import CFaultVFS
import CSQLite
import Foundation
import POSIX
import Synchronization
import Testing

@testable import SQLite

/// A database with a table `t (n UNIQUE)`, and the answers to its changes.
private struct Bench {
  let directory: TemporaryDirectory
  let database: Database
  let answers = Answers<Int>()

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

  /// Queues a change that inserts a number.
  func insert(_ number: Int, then: @escaping @Sendable () -> Void = {}) {
    database.write(
      { connection in
        try connection.run("INSERT INTO t VALUES (?)", number)
        return number
      }, then: answers.completion(number, then: then))
  }

  /// Whether this change was answered on this thread with an error that says so.
  func isRefusedHere(_ number: Int, because reason: String) -> Bool {
    guard let answer = answers.all.last, answer.number == number else { return false }
    return answer.result.sqliteError?.isUnavailable == true
      && answer.result.sqliteError?.message.contains(reason) == true
      && pthread_equal(answer.thread, pthread_self()) != 0
  }
}

@Suite("Completions")
struct CompletionTests {
  @Test(
    "each comes once, on one thread of the writer's, in the order of the queue",
    arguments: ["", "a change takes its batch with it"])
  func order(_ loss: String) throws {
    let bench = try Bench(
      """
      CREATE TRIGGER thirteen BEFORE INSERT ON t WHEN new.n = 13
      BEGIN SELECT RAISE(ROLLBACK, 'not thirteen'); END;
      """)
    let hold = WriterHold(bench.database)
    // More than two batches.
    for number in 0..<600 where number != 13 || !loss.isEmpty {
      bench.database.write(
        { connection in
          try connection.run("INSERT INTO t VALUES (?)", number)
          if number % 7 == 5 { throw Refusal() }
          return number
        }, then: bench.answers.completion(number))
    }
    #expect(bench.answers.all.isEmpty)
    hold.release()
    let expected = (0..<600).filter { $0 != 13 || !loss.isEmpty }
    #expect(bench.answers.wait(for: expected.count))
    #expect(bench.answers.numbers == expected)
    for answer in bench.answers.all where answer.number != 13 {
      if answer.number % 7 == 5 {
        #expect(throws: Refusal.self) { try answer.result.get() }
      } else {
        #expect(try answer.result.get() == answer.number)
      }
    }
    #expect(loss.isEmpty || bench.answers[13]?.sqliteError?.message == "not thirteen")
    let writer = try #require(bench.answers.all.first?.thread)
    #expect(bench.answers.all.allSatisfy { pthread_equal($0.thread, writer) != 0 })
    #expect(pthread_equal(writer, pthread_self()) == 0)
    #expect(try bench.database.numbers() == expected.filter { $0 != 13 && $0 % 7 != 5 })
  }

  @Test("order and number hold with many threads that queue")
  func threads() throws {
    let bench = try Bench()
    _ = concurrently(8) { thread in
      for turn in 0..<50 { bench.insert(thread * 50 + turn) }
    }
    #expect(bench.answers.wait(for: 400))
    #expect(bench.answers.numbers.sorted() == Array(0..<400))
    for thread in 0..<8 {
      let own = bench.answers.numbers.filter { $0 / 50 == thread }
      #expect(own == own.sorted())
    }
  }

  @Test("none comes before the sync has ended, neither a success nor a refusal")
  func durability() throws {
    let bench = try Bench()
    bench.directory.hold(FAULT_SYNC, FAULT_WAL)
    let hold = WriterHold(bench.database)
    bench.insert(1)
    bench.insert(1)
    bench.insert(2)
    hold.release()
    #expect(eventually { bench.directory.held(FAULT_SYNC, FAULT_WAL) == 1 })
    usleep(100_000)
    #expect(bench.answers.all.isEmpty)
    bench.directory.release(FAULT_SYNC, FAULT_WAL)
    #expect(bench.answers.wait(for: 3))
    #expect(bench.answers.all.map(\.result.isSuccess) == [true, false, true])
  }

  @Test("after a lost batch each comes after the sync of its own transaction")
  func durabilityAlone() throws {
    let bench = try Bench()
    let syncs = Lock<[Int]>([])
    let before = bench.directory.count(FAULT_SYNC, FAULT_WAL)
    let hold = WriterHold(bench.database)
    for number in 0..<5 {
      let directory = bench.directory
      bench.database.write(
        { connection in
          // The second takes all others with it.
          let sql =
            number == 1
            ? "INSERT OR ROLLBACK INTO t VALUES (?1), (?1)" : "INSERT INTO t VALUES (?1)"
          return try connection.run(sql, number)
        },
        then: bench.answers.completion(number) {
          syncs.withLock { $0.append(directory.count(FAULT_SYNC, FAULT_WAL) - before) }
        })
    }
    hold.release()
    #expect(bench.answers.wait(for: 5))
    #expect(bench.answers.numbers == Array(0..<5))
    #expect(syncs.withLock { $0 } == [1, 1, 2, 3, 4])
    #expect(try bench.database.numbers() == [0, 2, 3, 4])
  }

  @Test("a process that is killed in a completion has its change, and no later one")
  func killed() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.database
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
      let database = try Database(path: path)
      try database.maintain { try $0.script("CREATE TABLE t (n)") }
      database.write(
        { try $0.run("INSERT INTO t VALUES (1)") }, then: { _ in kill(getpid(), SIGKILL) })
      while true { pause() }
    }
    #expect(try Database(path: path).numbers() == [1])
  }

  @Test("1,024 changes may wait; the next is refused at once, and later ones are taken again")
  func limit() throws {
    let bench = try Bench()
    // The first is being committed, which counts as waiting.
    bench.directory.hold(FAULT_SYNC, FAULT_WAL)
    bench.insert(0)
    #expect(eventually { bench.directory.held(FAULT_SYNC, FAULT_WAL) == 1 })
    for number in 1..<1_024 { bench.insert(number) }
    #expect(bench.answers.all.isEmpty)
    bench.insert(1_024)
    #expect(bench.answers.all.count == 1)
    #expect(bench.isRefusedHere(1_024, because: "too many changes wait"))
    let blocking = Result { try bench.database.write { try $0.run("INSERT INTO t VALUES (-1)") } }
    #expect(blocking.sqliteError?.message.contains("too many changes wait") == true)
    #expect(Result { try bench.database.maintain { _ in } }.sqliteError?.isUnavailable == true)
    #expect(try bench.database.numbers() == [], "reads go on")
    bench.directory.release(FAULT_SYNC, FAULT_WAL)
    #expect(bench.answers.wait(for: 1_025))
    #expect(bench.answers.numbers == [1_024] + Array(0..<1_024))
    #expect(bench.answers.all.dropFirst().allSatisfy { $0.result.isSuccess })
    bench.insert(1_025)
    #expect(bench.answers.wait(for: 1_026))
    #expect(bench.answers[1_025]?.isSuccess == true)
    #expect(try bench.database.numbers() == Array(0..<1_024) + [1_025])
  }

  @Test("whoever hears an answer finds room for the next change")
  func room() throws {
    let bench = try Bench { $0.maximumWaiting = 4 }
    let hold = WriterHold(bench.database)
    // With the job that holds the writer they are four.
    for number in 0..<3 { bench.insert(number) { bench.insert(number + 10) } }
    bench.insert(99)
    #expect(bench.isRefusedHere(99, because: "too many changes wait"))
    hold.release()
    #expect(bench.answers.wait(for: 7))
    #expect(bench.answers.numbers == [99, 0, 1, 2, 10, 11, 12])
    #expect(bench.answers.all.dropFirst().allSatisfy { $0.result.isSuccess })
  }

  @Test("a completion may queue the next change, but not wait for one")
  func chain() throws {
    let bench = try Bench()
    @Sendable func next(_ number: Int) {
      bench.insert(number) { if number < 100 { next(number + 1) } }
    }
    next(1)
    #expect(bench.answers.wait(for: 100))
    #expect(bench.answers.numbers == Array(1...100))
    let blocking = Lock<SQLiteError?>(nil)
    bench.insert(101) {
      let result = Result { try bench.database.write { try $0.run("INSERT INTO t VALUES (102)") } }
      blocking.withLock { $0 = result.sqliteError }
    }
    #expect(bench.answers.wait(for: 101))
    #expect(blocking.withLock { $0?.code } == SQLITE_MISUSE)
  }

  @Test("closing answers all that is queued, in order, and refuses what comes later")
  func close() throws {
    let bench = try Bench()
    let hold = WriterHold(bench.database)
    for number in 0..<700 { bench.insert(number) }
    // What this completion queues comes after the closing.
    bench.insert(700) { bench.insert(701) }
    let closing = Background { bench.database.close() }
    let closingToo = Background { bench.database.close() }
    #expect(eventually { bench.database.queue.isClosed })
    #expect(bench.answers.all.isEmpty)
    hold.release()
    closing.wait()
    closingToo.wait()
    #expect(bench.answers.numbers == Array(0...701), "before close returns")
    for answer in bench.answers.all.dropLast() { #expect(answer.result.isSuccess) }
    #expect(bench.answers[701]?.sqliteError?.isUnavailable == true)
    bench.insert(702)
    #expect(bench.isRefusedHere(702, because: "closed"))
    #expect(try Database(path: bench.directory.database).numbers() == Array(0...700))
  }

  @Test("a completion may close the database, and be the last to hold it")
  func closeWithin() throws {
    let directory = try TemporaryDirectory()
    let answers = Answers<Int>()
    for round in 0..<2 {
      let database = try Database(path: directory.database)
      let hold = WriterHold(database)
      database.write(
        { try $0.run("CREATE TABLE t\(round) (n)") },
        then: answers.completion(round) {
          if round == 0 { database.close() } else { _ = database.path }
        })
      database.write(
        { try $0.run("INSERT INTO t\(round) VALUES (1)") }, then: answers.completion(9))
      hold.release()
    }
    #expect(answers.wait(for: 4))
    #expect(answers.all.allSatisfy { $0.result.isSuccess })
    #expect(try eventually { try directory.size(of: "test.db-wal") == 0 }, "both have closed")
  }

  @Test("a COMMIT whose outcome is unknown answers its batch and all that waits, once, in order")
  func fatal() throws {
    let isTold = Atomic(false)
    let bench = try Bench {
      $0.maximumBatch = 3
      $0.onFatal = { _ in isTold.store(true, ordering: .sequentiallyConsistent) }
    }
    let wasTold = Atomic(0)
    bench.directory.fail(FAULT_SYNC, FAULT_WAL, with: Extended.ioErrorFsync, times: 1)
    let hold = WriterHold(bench.database)
    for number in 0..<8 {
      bench.insert(number) {
        if isTold.load(ordering: .sequentiallyConsistent) {
          wasTold.add(1, ordering: .sequentiallyConsistent)
        }
      }
    }
    hold.release()
    #expect(bench.answers.wait(for: 8))
    #expect(bench.answers.numbers == Array(0..<8))
    #expect(bench.answers.all.allSatisfy { $0.result.sqliteError?.code == SQLITE_IOERR })
    #expect(wasTold.load(ordering: .sequentiallyConsistent) == 8, "onFatal comes first")
    let syncs = bench.directory.count(FAULT_SYNC, FAULT_WAL)
    bench.insert(8)
    #expect(bench.isRefusedHere(8, because: "I/O error"))
    bench.database.close()
    #expect(bench.directory.count(FAULT_SYNC, FAULT_WAL) == syncs, "nothing was tried again")
    #expect(bench.answers.numbers == Array(0...8))
  }

  @Test("a COMMIT that fails for good while changes run one by one ends writing for the rest")
  func fatalAlone() throws {
    let bench = try Bench(
      """
      CREATE TRIGGER thirteen BEFORE INSERT ON t WHEN new.n = 13
      BEGIN SELECT RAISE(ROLLBACK, 'not thirteen'); END;
      """)
    bench.directory.fail(FAULT_SYNC, FAULT_WAL, with: Extended.ioErrorFsync, skip: 1, times: 1)
    let hold = WriterHold(bench.database)
    for number in 10..<15 { bench.insert(number) }
    hold.release()
    #expect(bench.answers.wait(for: 5))
    #expect(bench.answers.numbers == Array(10..<15))
    #expect(bench.answers[10]?.isSuccess == true)
    for number in 11..<15 { #expect(bench.answers[number]?.sqliteError?.code == SQLITE_IOERR) }
    #expect(try bench.database.numbers() == [10])
  }

  @Test("a batch that cannot begin answers each of its changes once, and runs none")
  func cannotBegin() throws {
    let bench = try Bench { $0.lockTimeout = .milliseconds(10) }
    let lock = open(bench.directory.database + ".lock", O_RDWR)
    defer { Glibc.close(lock) }
    #expect(flock(lock, LOCK_EX) == 0)
    let runs = Atomic(0)
    for number in 0..<5 {
      bench.database.write(
        { _ in
          runs.add(1, ordering: .relaxed)
          return number
        }, then: bench.answers.completion(number))
    }
    #expect(bench.answers.wait(for: 5))
    #expect(bench.answers.numbers == Array(0..<5))
    for answer in bench.answers.all {
      #expect(answer.result.sqliteError?.extendedCode == Extended.busyTimeout)
    }
    #expect(runs.load(ordering: .relaxed) == 0)
    flock(lock, LOCK_UN)
    bench.insert(9)
    #expect(bench.answers.wait(for: 6))
    #expect(bench.answers[9]?.isSuccess == true)
  }
}
