import CSQLite
import Glibc

/// A database file that any number of threads read, and one thread of its own writes.
///
/// - A read is a snapshot on a connection of a pool, and waits for nobody.
/// - A change is queued to the one writing thread. Changes that wait together are committed
///   together, with one sync of the disk, and each is answered only once it is on the disk.
/// - The lock file `PATH.lock` (beside the file itself, symbolic links resolved) is held for each
///   batch and each checkpoint, so that two processes, or two openings in one process, never write
///   at the same instant.
package final class Database: Sendable {
  /// How a database is opened.
  package struct Configuration: Sendable {
    /// Whether a file that does not exist is created, readable for its owner and group.
    package var createsFile = true
    /// The most that the page cache of each reading connection holds, in KiB.
    package var readerCacheKiB = 1_024
    /// The most that the page cache of the writing connection holds, in KiB.
    package var writerCacheKiB = 4_096
    /// How long a connection waits for a lock of SQLite's that someone outside of this code holds.
    package var busyTimeout = Duration.seconds(5)
    /// How long a batch waits for the lock file.
    package var lockTimeout = Duration.seconds(5)
    /// The most changes in one transaction.
    package var maximumBatch = 256
    /// How long the first change of a batch waits for more to come.
    package var gatherDelay = Duration.zero
    /// The pages in the write-ahead log at which the writer copies it into the database without
    /// waiting for anyone.
    package var checkpointPages = 1_000
    /// The bytes in the write-ahead log at which the writer waits for readers in order to begin it
    /// anew.
    package var truncateBytes = 64 << 20
    /// How long the writer then waits for readers, and at closing.
    package var restartWait = Duration.milliseconds(100)
    /// What is left of the write-ahead log's file when it begins anew, in bytes.
    package var journalSizeLimit = 16 << 20
    /// How long nothing must have come before the writer does what can wait.
    package var idleDelay = Duration.seconds(1)
    /// How long between two runs of `PRAGMA optimize`.
    package var optimizeInterval = Duration.seconds(3_600)
    /// Reads the greatest number that the database has committed, such as its last event's; 0 or
    /// more, and never less after a commit than before. The writer keeps it in the lock file, so
    /// that the loss of a write-ahead log shows (``Database/lostSince``).
    package var highWaterMark: (@Sendable (Connection) throws -> Int64)?
    /// Told when a COMMIT ended with an error that leaves open whether it is on the disk, before
    /// its changes' callers get that error. Nothing is written any more afterwards: the process
    /// should end and, at its next start, recover. Called on the writer's thread.
    package var onFatal: @Sendable (SQLiteError) -> Void = { _ in }
    /// Told when a checkpoint or `PRAGMA optimize` fails, once for an error that lasts. Called on the
    /// writer's thread.
    package var onMaintenanceError: @Sendable (SQLiteError) -> Void = { _ in }

    package init() {}
  }

  /// How far a checkpoint goes (<https://www.sqlite.org/c3ref/wal_checkpoint_v2.html>).
  package enum CheckpointMode: Sendable {
    /// Copies what no reader keeps it from copying.
    case passive
    /// Waits for readers, so that the log begins anew.
    case restart
    /// As ``restart``, and cuts the log's file to nothing.
    case truncate

    var code: Int32 {
      switch self {
      case .passive: SQLITE_CHECKPOINT_PASSIVE
      case .restart: SQLITE_CHECKPOINT_RESTART
      case .truncate: SQLITE_CHECKPOINT_TRUNCATE
      }
    }
  }

  /// What the writer has done since the database was opened.
  package struct Statistics: Sendable {
    /// The changes that wait now.
    package internal(set) var queueLength = 0
    /// The transactions committed.
    package internal(set) var batches = 0
    /// The changes answered in them, refused ones too.
    package internal(set) var changes = 0
    /// The most changes in one transaction.
    package internal(set) var largestBatch = 0
    /// The number of transactions by their changes: those with 1, up to 2, up to 4, and so on by powers
    /// of two. Each is counted once.
    package internal(set) var batchSizes = [Int](repeating: 0, count: 16)
    /// The time that committed transactions took, from BEGIN to the sync's end.
    package internal(set) var committing = Duration.zero
    /// How often a change took its whole transaction with it.
    package internal(set) var restarts = 0
    /// The write-ahead log's length after the last commit or truncation, in bytes.
    package internal(set) var walBytes = 0
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
    var idle: [Idle] = []
    var isClosed = false
  }

  /// A connection that nobody uses, and that the next thread may take.
  private struct Idle: @unchecked Sendable {
    let connection: Connection
  }

  let configuration: Configuration
  private let writer: WriterThread
  private let report: Monitor<Writer.Report>
  /// Not under the standard library's `Mutex`: on Linux that is a futex with priority inheritance,
  /// which hands itself to the thread that waits, so that under contention every use becomes a
  /// change of threads (with 8 threads on 2 cores, reads were ten times slower).
  private let pool = Monitor(Pool())

  static var closedError: SQLiteError {
    SQLiteError(extendedCode: SQLITE_BUSY, message: "the database is closed")
  }

  /// Opens the database.
  ///
  /// - Throws: ``SQLiteError``: the file does not exist and shall not be created, is no database,
  ///   is in use by someone who does not share it, or does not take a setting. A file that can only
  ///   be read is no error.
  package init(path: String, configuration: Configuration = Configuration()) throws {
    self.configuration = configuration
    self.path = try realPath(path, creating: configuration.createsFile)
    let writer = try Writer(path: self.path, configuration: configuration)
    report = writer.report
    self.writer = try WriterThread(writer: writer, configuration: configuration)
  }

  deinit { close() }

  /// Runs queries on one snapshot: `body` sees the database as it is at its first query, whatever
  /// is written meanwhile.
  ///
  /// Keep it short: as long as it runs, the write-ahead log cannot begin anew.
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

  /// Changes the database, and returns once the change is on the disk.
  ///
  /// `body` runs on the writer's thread, together with other changes in one transaction, and sees
  /// what those before it did. What it changed is undone if it throws. It may run more than once,
  /// after what it did was undone, so it must do nothing but change the database and compute its
  /// result. It must not wait for another change, and cannot begin or end a transaction;
  /// ``Connection/savepoint(_:)`` it can.
  ///
  /// - Throws: What `body` throws, and ``SQLiteError``. With `isUnavailable` the change was not
  ///   made, but for the one case in which ``Configuration/onFatal`` is told: then it may have
  ///   been.
  @discardableResult
  package func write<T: Sendable>(
    _ body: @escaping @Sendable (Connection) throws -> T
  ) throws -> T {
    try writer.perform(body)
  }

  /// Gives `body` the writing connection by itself, outside of any transaction and under the lock
  /// file: for migrations.
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
    try writer.perform(isMaintenance: true, body)
  }

  /// Copies the write-ahead log into the database file, waiting for readers as long as
  /// ``Configuration/busyTimeout`` says.
  ///
  /// - Returns: Whether all of it was copied.
  @discardableResult
  package func checkpoint(_ mode: CheckpointMode) throws -> Bool {
    let wait = configuration.busyTimeout
    return try writer.maintain { writer, _ in writer.checkpoint(mode, wait: wait) }
  }

  /// What the database has lost: the number that it is known to have committed, and the lesser one
  /// that it holds.
  ///
  /// `nil` if nothing is missing, or nobody can tell. It means that a write-ahead log was deleted
  /// or cut, or that the file is an older one, such as a backup; see ``acceptLoss()``.
  package var lostSince: (expected: Int64, found: Int64)? { report.withLock { $0.lostSince } }

  /// Whether the file, or what belongs beside it, could not be written when the database was opened.
  /// Then every change fails with an error that `isUnavailable`.
  package var isReadOnly: Bool { report.withLock { $0.isReadOnly } }

  /// Takes the database as it is for complete: after a backup was put in its place.
  package func acceptLoss() throws {
    try writer.maintain { writer, connection in try writer.acceptLoss(on: connection) }
  }

  /// What the writer has done so far.
  package var statistics: Statistics { writer.statistics }

  /// Makes the changes that are queued, refuses further ones, copies the write-ahead log into the
  /// file, and closes all connections; those of reads that still run when they end.
  ///
  /// Everything after it fails with an error that `isUnavailable`. It may be called more than once.
  package func close() {
    writer.close()
    pool.withLock { pool in
      pool.isClosed = true
      pool.idle = []
    }
  }

  private func takeReader() throws -> Connection {
    let idle = try pool.withLock { pool in
      if pool.isClosed { throw Self.closedError }
      // The last one put back has the warmest cache.
      return pool.idle.popLast()
    }
    return try idle?.connection
      ?? Connection(
        path: path, role: .reader, cacheKiB: configuration.readerCacheKiB,
        busyTimeout: configuration.busyTimeout.milliseconds,
        journalSizeLimit: configuration.journalSizeLimit)
  }

  private func putBack(_ connection: Connection) {
    let idle = Idle(connection: connection)
    pool.withLock { if !$0.isClosed { $0.idle.append(idle) } }
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
    throw SQLiteError(
      extendedCode: SQLITE_CANTOPEN, message: "\(path): \(String(cString: strerror(errno)))")
  }
  defer { free(resolved) }
  return String(cString: resolved)
}
