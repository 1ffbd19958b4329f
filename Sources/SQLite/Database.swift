import CSQLite
import Glibc
import POSIX

/// A database file that any number of threads read, and that only the writer's thread writes.
///
/// - A read sees a snapshot on a connection of a pool. It does not wait for changes.
/// - A change is queued for the writer's thread. Changes that wait together are committed together, with
///   one sync of the disk. Each completes when it is on the disk.
/// - The lock file `PATH.lock` (beside the file itself, symbolic links resolved) is held for each
///   batch and each checkpoint, so that two processes, or two openings in one process, never write
///   at the same instant.
package final class Database: Sendable {
  /// The version of the SQLite that this process runs with, such as `3.40.1`.
  package static var libraryVersion: String { String(cString: sqlite3_libversion()) }

  /// How a database is opened.
  package struct Configuration: Sendable {
    /// Whether a file that does not exist is created, readable for its owner and group.
    package var createsFile = true
    /// The most that the page cache of each reading connection holds, in KiB.
    package var readerCacheKiB = 1_024
    /// The most that the page cache of the writing connection holds, in KiB.
    package var writerCacheKiB = 4_096
    /// How long a connection waits for a lock of SQLite's that other software holds.
    package var busyTimeout = Duration.seconds(5)
    /// How long a batch waits for the lock file.
    package var lockTimeout = Duration.seconds(5)
    /// The most changes in one transaction.
    package var maximumBatch = 256
    /// The most changes that are queued and have no answer yet. Further ones are refused.
    package var maximumWaiting = 1_024
    /// The pages in the write-ahead log at which the writer copies it into the database, without
    /// waiting for readers.
    package var checkpointPages = 1_000
    /// The bytes in the write-ahead log at which the writer waits for readers, so that the log
    /// starts over.
    package var truncateBytes = 64 << 20
    /// How long the writer waits for readers then, and when the database closes.
    package var restartWait = Duration.milliseconds(100)
    /// The most that is left of the write-ahead log's file when it starts over, in bytes.
    package var journalSizeLimit = 16 << 20
    /// How long the queue must be empty before the writer does what can wait.
    package var idleDelay = Duration.seconds(1)
    /// The time between two runs of `PRAGMA optimize`.
    package var optimizeInterval = Duration.seconds(3_600)
    /// Reads the greatest number that the database has committed, such as its last event's; 0 or
    /// more, and never less after a commit than before. The writer keeps it in the lock file, so
    /// that the loss of a write-ahead log shows (``Database/lostSince``).
    package var highWaterMark: (@Sendable (Connection) throws -> Int64)?
    /// Called on the writer's thread when a COMMIT ended with an error that leaves open whether it
    /// is on the disk, before its changes complete with that error. Nothing is written any more
    /// afterwards: the process should end and, at its next start, recover.
    package var onFatal: @Sendable (SQLiteError) -> Void = { _ in }
    /// Called on the writer's thread when a checkpoint or `PRAGMA optimize` fails, once for an error
    /// that lasts.
    package var onMaintenanceError: @Sendable (SQLiteError) -> Void = { _ in }

    package init() {}
  }

  /// How far a checkpoint goes (<https://www.sqlite.org/c3ref/wal_checkpoint_v2.html>).
  package enum CheckpointMode: Sendable {
    /// Copies the pages that no reader still needs in the log.
    case passive
    /// Waits for readers, so that the log starts over, and truncates the log's file to nothing.
    case truncate

    var code: Int32 { self == .passive ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_TRUNCATE }
  }

  /// What the writer has done since the database was opened.
  package struct Statistics: Sendable {
    /// The changes that wait now for the writer to begin them.
    package internal(set) var queueLength = 0
    /// The transactions committed.
    package internal(set) var batches = 0
    /// The changes in them, refused ones too.
    package internal(set) var changes = 0
    /// The most changes in one transaction.
    package internal(set) var largestBatch = 0
    /// The transactions by the number of their changes: with 1, up to 2, up to 4, and so on by
    /// powers of two. Each is counted once.
    package internal(set) var batchSizes = [Int](repeating: 0, count: 16)
    /// The time that committed transactions took, from BEGIN to the sync's end.
    package internal(set) var committing = Duration.zero
    /// The transactions that were lost, after which each of their changes ran in its own transaction.
    package internal(set) var restarts = 0
    /// The checkpoints begun.
    package internal(set) var checkpoints = 0
    /// Those among them that left pages in the log, because of a reader or an error.
    package internal(set) var incompleteCheckpoints = 0
    /// The time that checkpoints took.
    package internal(set) var checkpointing = Duration.zero
    /// The longest of them.
    package internal(set) var longestCheckpoint = Duration.zero
    /// The errors of checkpoints and of `PRAGMA optimize`.
    package internal(set) var maintenanceErrors = 0
    /// The last error of a checkpoint or `PRAGMA optimize`: it loses nothing, but the log may grow.
    package internal(set) var lastMaintenanceError: SQLiteError?
  }

  /// The file's real path.
  package let path: String

  private struct Pool {
    /// The connections that no thread uses.
    var idle: [Connection] = []
    var isClosed = false
  }

  let configuration: Configuration
  let queue: JobQueue
  private let writer: Writer
  private let thread: Thread
  private let pool = Lock(Pool())

  static var closedError: SQLiteError {
    SQLiteError(extendedCode: SQLITE_BUSY, message: "the database is closed")
  }

  /// Opens the database.
  ///
  /// - Throws: ``SQLiteError``: the file does not exist and shall not be created, is no database,
  ///   is locked by software that does not share it, or does not take a setting. A file that can only
  ///   be read is no error. `SQLITE_NOMEM` if the system has no further thread.
  package init(path: String, configuration: Configuration = Configuration()) throws {
    self.configuration = configuration
    self.path = try realPath(path, creating: configuration.createsFile)
    let writer = try Writer(path: self.path, configuration: configuration)
    let queue = JobQueue(
      maximumBatch: configuration.maximumBatch, maximumWaiting: configuration.maximumWaiting)
    do {
      thread = try Thread(name: "sqlite-writer") { writer.run(queue) }
    } catch {
      throw SQLiteError(extendedCode: SQLITE_NOMEM, message: "\(error)")
    }
    // A completion may be the last to hold the database, and cannot join the thread that it runs on.
    thread.detach()
    self.writer = writer
    self.queue = queue
  }

  deinit { close() }

  /// Runs queries on one snapshot: `body` sees the database as it is at its first query, whatever
  /// is written meanwhile.
  ///
  /// Keep it short: as long as it runs, the write-ahead log cannot start over.
  ///
  /// - Throws: What `body` throws, and ``SQLiteError``; `SQLITE_READONLY` when it tries to change
  ///   something.
  package func read<T>(_ body: (Connection) throws -> T) throws -> T {
    let connection = try takeReader()
    var isClean = false
    defer { if isClean { putBack(connection) } }
    try connection.control("BEGIN")
    connection.isSupervised = true
    let result: T
    do {
      result = try body(connection)
    } catch {
      connection.isSupervised = false
      isClean = connection.rollback()
      throw error
    }
    connection.isSupervised = false
    try connection.control("COMMIT")
    isClean = true
    return result
  }

  /// Changes the database, and calls `completion` once the change is on the disk.
  ///
  /// `body` runs on the writer's thread, together with other changes in one transaction, and sees
  /// what those before it did. What it changed is undone if it throws. It may run more than once,
  /// after what it did was undone, so it must do nothing but change the database and compute its
  /// result. It must not wait for another change, and cannot begin or end a transaction.
  ///
  /// `completion` is called exactly once, with what `body` returned or threw, or with a
  /// ``SQLiteError``: on the writer's thread, after the COMMIT, and in the order in which the
  /// changes were queued. Every later change waits for it, so it must be quick and must not block:
  /// it hands the result to another thread. It may queue another change.
  ///
  /// If the change cannot even be queued, `completion` is called on the calling thread, before this
  /// method returns, with an error that `isUnavailable`: too many changes wait
  /// (``Configuration/maximumWaiting``), the database is closed, or nothing is written any more.
  ///
  /// After an error that `isUnavailable` the change was not made, except after the error that
  /// ``Configuration/onFatal`` gets: then it may have been made.
  package func write<T>(
    _ body: @escaping @Sendable (Connection) throws -> T,
    then completion: @escaping @Sendable (Result<T, any Error>) -> Void
  ) {
    enqueue(isMaintenance: false, body, then: completion)
  }

  /// Changes the database as ``write(_:then:)`` does, and returns once the change is on the disk.
  ///
  /// - Throws: What `body` throws, and ``SQLiteError``; `SQLITE_MISUSE` on the writer's thread, which
  ///   would wait for itself.
  @discardableResult
  package func write<T: Sendable>(
    _ body: @escaping @Sendable (Connection) throws -> T
  ) throws -> T {
    try wait(isMaintenance: false, body)
  }

  /// Runs `body` with the writing connection, outside of any transaction, and holds the lock file
  /// meanwhile: for migrations.
  ///
  /// It runs once, begins and ends its own transactions, and may change the connection's settings,
  /// which are put back afterwards.
  ///
  /// - Throws: What `body` throws, and ``SQLiteError``; `SQLITE_MISUSE` when it left a transaction
  ///   open, which is then undone.
  @discardableResult
  package func maintain<T: Sendable>(
    _ body: @escaping @Sendable (Connection) throws -> T
  ) throws -> T {
    try wait(isMaintenance: true, body)
  }

  /// Copies the write-ahead log into the database file, waiting for readers as long as
  /// ``Configuration/busyTimeout`` says.
  ///
  /// - Returns: Whether all of it was copied.
  @discardableResult
  package func checkpoint(_ mode: CheckpointMode) throws -> Bool {
    try maintain { [writer, configuration] _ in
      writer.checkpoint(mode, wait: configuration.busyTimeout)
    }
  }

  /// What the database has lost: the number that it is known to have committed, and the lesser one
  /// that it holds.
  ///
  /// `nil` if nothing is missing, or if it cannot be known. A loss means that a write-ahead log was
  /// deleted or cut, or that the file is an older one, such as a backup; see ``acceptLoss()``.
  package var lostSince: (expected: Int64, found: Int64)? {
    writer.report.withLock { $0.lostSince }
  }

  /// Whether the file, or what belongs beside it, could not be written when the database was opened.
  /// Then every change fails with an error that `isUnavailable`.
  package var isReadOnly: Bool { writer.report.withLock { $0.isReadOnly } }

  /// Accepts the database as complete, after it was replaced by a backup.
  package func acceptLoss() throws {
    try maintain { [writer] in try writer.acceptLoss(on: $0) }
  }

  /// What the writer has done so far.
  package var statistics: Statistics {
    var statistics = writer.report.withLock { $0.statistics }
    statistics.queueLength = queue.count
    return statistics
  }

  /// Makes the changes that are queued, refuses further ones, copies the write-ahead log into the file,
  /// and closes all connections. Connections of running reads close when these end.
  ///
  /// Later calls of other methods fail with an error that `isUnavailable`. It may be called more than
  /// once. Each call returns when everything is done, but a call on the writer's thread returns at once.
  package func close() {
    queue.close()
    if !thread.isCurrent { queue.waitUntilFinished() }
    pool.withLock { pool in
      pool.isClosed = true
      pool.idle = []
    }
  }

  private func enqueue<T>(
    isMaintenance: Bool, _ body: @escaping @Sendable (Connection) throws -> T,
    then completion: @escaping @Sendable (Result<T, any Error>) -> Void
  ) {
    do {
      if let fatal = writer.report.withLock({ $0.fatal }) { throw fatal }
      try queue.append(
        Job(isMaintenance: isMaintenance, body: body) { [queue] result in
          queue.noteAnswer()
          completion(result)
        })
    } catch {
      completion(.failure(error))
    }
  }

  /// Queues a body and waits for its result.
  private func wait<T: Sendable>(
    isMaintenance: Bool, _ body: @escaping @Sendable (Connection) throws -> T
  ) throws -> T {
    // A closed queue answers at once; and once its thread has ended, another may have its ID.
    guard !thread.isCurrent || queue.isClosed else {
      throw SQLiteError(
        extendedCode: SQLITE_MISUSE, message: "a change cannot wait for another change")
    }
    let isAnswered = Semaphore()
    // The semaphore orders the two threads that use it.
    nonisolated(unsafe) var answer: Result<T, any Error>?
    enqueue(isMaintenance: isMaintenance, body) { result in
      answer = result
      isAnswered.signal()
    }
    isAnswered.wait()
    return try answer!.get()
  }

  private func takeReader() throws -> Connection {
    let idle = try pool.withLock { pool in
      if pool.isClosed { throw Self.closedError }
      // The last one put back has the warmest cache.
      return pool.idle.popLast()
    }
    return try idle
      ?? Connection(
        path: path, role: .reader, cacheKiB: configuration.readerCacheKiB,
        busyTimeout: configuration.busyTimeout.milliseconds,
        journalSizeLimit: configuration.journalSizeLimit)
  }

  private func putBack(_ connection: Connection) {
    pool.withLock { if !$0.isClosed { $0.idle.append(connection) } }
  }
}

extension Database {
  /// Runs `body` while no other process does so with the same file beside the database. The lock ends with the process
  /// in every case.
  ///
  /// - Parameter suffix: What the file's name has beside the database's.
  /// - Returns: Nil if another process holds the lock.
  /// - Throws: ``SQLiteError`` if the file can't be opened, what `body` throws.
  package func alone<Value>(suffix: String, _ body: () throws -> Value) throws -> Value? {
    let lock = LockFile(besideDatabaseAt: path, suffix: suffix)
    do {
      try lock.acquire(timeout: .zero)
    } catch let error as SQLiteError where error.extendedCode == Extended.busyTimeout {
      return nil
    }
    defer { lock.release() }
    return try body()
  }
}

/// The real path of a database file, which it creates if it is to.
///
/// It never opens an existing file: closing it again would drop the locks that the process holds on
/// it through SQLite (<https://www.sqlite.org/howtocorrupt.html>, 2.2).
private func realPath(_ path: String, creating: Bool) throws -> String {
  if creating && mknod(path, S_IFREG | 0o640, 0) == 0 {
    // Whatever the umask is. SQLite gives the files beside it the same permissions.
    chmod(path, 0o640)
  }
  guard let resolved = realpath(path, nil) else {
    throw SQLiteError(extendedCode: SQLITE_CANTOPEN, about: path)
  }
  defer { free(resolved) }
  return String(cString: resolved)
}
