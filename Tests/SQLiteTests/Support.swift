import CFaultVFS
import CSQLite
import Foundation
import Synchronization

@testable import SQLite

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
  let results = Mutex<[Int: Result<T, any Error>]>([:])
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

extension Database {
  /// Makes `changes` one batch: they queue, each on a thread of its own and in order, while a first
  /// job holds the writer.
  ///
  /// - Returns: What each of them gave, by its number.
  func batch<T: Sendable>(
    _ changes: [@Sendable (Connection) throws -> T]
  ) -> [Result<T, any Error>] {
    let gate = DispatchSemaphore(value: 0)
    let isHeld = Atomic(false)
    let results = Mutex<[Int: Result<T, any Error>]>([:])
    let first = Background {
      _ = try? self.maintain { _ in
        isHeld.store(true, ordering: .sequentiallyConsistent)
        gate.wait()
      }
    }
    _ = eventually { isHeld.load(ordering: .sequentiallyConsistent) }
    var threads = [first]
    for (number, change) in changes.enumerated() {
      threads.append(
        Background {
          let result = Result { try self.write(change) }
          results.withLock { $0[number] = result }
        })
      _ = eventually { self.statistics.queueLength == number + 1 }
    }
    gate.signal()
    for thread in threads { thread.wait() }
    return results.withLock { results in changes.indices.compactMap { results[$0] } }
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
