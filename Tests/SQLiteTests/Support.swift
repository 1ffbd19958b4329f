import CFaultVFS
import CSQLite
import Foundation
import POSIX
import Synchronization

@testable import SQLite

extension Extended {
  static let constraintPrimaryKey = SQLITE_CONSTRAINT | (6 << 8)
  static let constraintUnique = SQLITE_CONSTRAINT | (8 << 8)
  static let ioErrorFsync = SQLITE_IOERR | (4 << 8)
}

/// A directory of a test's own, watched by the fault VFS, removed with all that is in it when the test
/// is done.
final class TemporaryDirectory: @unchecked Sendable {
  let path: String
  private let faults: OpaquePointer

  init() throws {
    precondition(fault_vfs_register() == SQLITE_OK)
    let directory = FileManager.default.temporaryDirectory.appending(
      path: "SQLiteTests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    guard let resolved = realpath(directory.path, nil) else { throw POSIXError(.ENOENT) }
    defer { free(resolved) }
    path = String(cString: resolved)
    guard let faults = fault_vfs_watch(path) else { throw POSIXError(.ENOMEM) }
    self.faults = faults
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The test's database file.
  var database: String { path + "/test.db" }

  /// The names of the files in it.
  var files: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
  }

  func size(of name: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path + "/" + name)
    return (attributes[.size] as? NSNumber)?.intValue ?? -1
  }

  func permissions(of name: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path + "/" + name)
    return (attributes[.posixPermissions] as? NSNumber)?.intValue ?? -1
  }

  func count(_ operation: fault_operation, _ file: fault_file) -> Int {
    fault_vfs_count(faults, operation, file)
  }

  func fail(
    _ operation: fault_operation, _ file: fault_file, with code: Int32, skip: Int = 0,
    times: Int = -1, systemError: Int32 = 0
  ) {
    fault_vfs_fail(faults, operation, file, skip, times, code, systemError)
  }

  func heal(_ operation: fault_operation, _ file: fault_file) {
    fault_vfs_fail(faults, operation, file, 0, 0, SQLITE_OK, 0)
  }

  func hold(_ operation: fault_operation, _ file: fault_file) {
    fault_vfs_hold(faults, operation, file)
  }

  func release(_ operation: fault_operation, _ file: fault_file) {
    fault_vfs_release(faults, operation, file)
  }

  func held(_ operation: fault_operation, _ file: fault_file) -> Int {
    fault_vfs_held(faults, operation, file)
  }
}

/// Runs `body` on `count` threads at once, and returns what each gave, by its number.
func concurrently<T: Sendable>(
  _ count: Int, _ body: @escaping @Sendable (Int) throws -> T
) -> [Result<T, any Error>] {
  let results = Lock<[Int: Result<T, any Error>]>([:])
  let started = (0..<count).map { number in
    Background {
      let result = Result { try body(number) }
      results.withLock { $0[number] = result }
    }
  }
  for thread in started { thread.wait() }
  return results.withLock { results in (0..<count).compactMap { results[$0] } }
}

/// A thread that runs one closure.
final class Background: Sendable {
  private let done = DispatchSemaphore(value: 0)
  private let isDone = Atomic(false)

  init(_ body: @escaping @Sendable () -> Void) {
    Thread.detachNewThread { [self] in
      body()
      isDone.store(true, ordering: .sequentiallyConsistent)
      done.signal()
    }
  }

  var isFinished: Bool { isDone.load(ordering: .sequentiallyConsistent) }

  func wait() {
    done.wait()
    done.signal()
  }
}

/// Waits until `condition` holds, for ten seconds at most.
///
/// - Returns: Whether it came to hold.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
  let deadline = Date.now.addingTimeInterval(10)
  while Date.now < deadline {
    if try condition() { return true }
    usleep(1_000)
  }
  return try condition()
}

/// Keeps a database's writer busy with a job of its own, so that what is queued meanwhile waits.
final class WriterHold: Sendable {
  private let gate = DispatchSemaphore(value: 0)
  private let holder: Background

  init(_ database: Database) {
    let hasBegun = DispatchSemaphore(value: 0)
    holder = Background { [gate] in
      _ = try? database.maintain { _ in
        hasBegun.signal()
        gate.wait()
      }
      hasBegun.signal()
    }
    hasBegun.wait()
  }

  func release() {
    gate.signal()
    holder.wait()
  }
}

/// What the completions of changes received, in the order in which they were called.
final class Answers<T: Sendable>: Sendable {
  struct Answer: Sendable {
    let number: Int
    let result: Result<T, any Error>
    /// The thread that called the completion.
    let thread: pthread_t
  }

  private let answers = Lock<[Answer]>([])

  /// The completion of the change with this number.
  ///
  /// - Parameter then: What else it does.
  func completion(
    _ number: Int, then: @escaping @Sendable () -> Void = {}
  ) -> @Sendable (Result<T, any Error>) -> Void {
    { result in
      self.answers.withLock {
        $0.append(Answer(number: number, result: result, thread: pthread_self()))
      }
      then()
    }
  }

  var all: [Answer] { answers.withLock { $0 } }

  /// The changes' numbers, in the order in which they were answered.
  var numbers: [Int] { all.map(\.number) }

  /// Waits for so many answers, and as long as it takes to see that there are no more.
  func wait(for count: Int) -> Bool {
    guard eventually({ all.count >= count }) else { return false }
    usleep(20_000)
    return all.count == count
  }

  /// The result of the change with this number, if it has exactly one.
  subscript(number: Int) -> Result<T, any Error>? {
    let own = all.filter { $0.number == number }
    return own.count == 1 ? own[0].result : nil
  }
}

extension Database {
  /// Makes `changes` one batch: they queue, in order, while a job holds the writer.
  ///
  /// - Returns: What each of them gave, by its number.
  func batch<T: Sendable>(
    _ changes: [@Sendable (Connection) throws -> T]
  ) -> [Result<T, any Error>] {
    let hold = WriterHold(self)
    let answers = Answers<T>()
    for (number, change) in changes.enumerated() {
      write(change, then: answers.completion(number))
    }
    hold.release()
    _ = answers.wait(for: changes.count)
    return changes.indices.compactMap { answers[$0] }
  }

  /// The numbers in the test's table.
  func numbers() throws -> [Int] {
    try read { try $0.rows("SELECT n FROM t ORDER BY n") { $0.int(0) } }
  }
}

extension Result {
  /// The error, if it is SQLite's.
  var sqliteError: SQLiteError? {
    if case .failure(let error) = self { error as? SQLiteError } else { nil }
  }

  var isSuccess: Bool { if case .success = self { true } else { false } }
}

/// What a body throws of its own.
struct Refusal: Error, Equatable {}
