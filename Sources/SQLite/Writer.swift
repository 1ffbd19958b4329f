import CSQLite
import Glibc
import POSIX

/// Makes all changes of a ``Database``, on the only connection that writes and checkpoints. Other threads
/// use only its report.
///
/// A batch of changes is one transaction. Each change runs in a savepoint, and all are answered after the
/// COMMIT. Refusals wait for it too, because they may depend on another change of the batch. If the
/// transaction is lost, each change runs again in its own transaction.
final class Writer: @unchecked Sendable {
  /// What other threads may see.
  struct Report {
    /// Why nothing is written any more: a COMMIT whose outcome is unknown.
    var fatal: SQLiteError?
    var lostSince: (expected: Int64, found: Int64)?
    /// Whether changes could not be made when the database was opened.
    var isReadOnly = false
    var statistics = Database.Statistics()
  }

  let report: Lock<Report>
  private let path: String
  private let configuration: Database.Configuration
  private let lock: LockFile
  private let pageSize: Int
  private let checkpointPages: Int
  private var connection: Connection?
  private var walPages = 0
  private var nextPassive: Int
  private var nextTruncate: Int
  private var hasPagesToCopy = false
  private var hasChangesToAnalyze = false
  private var lastOptimize = MonotonicInstant.now
  /// The code of the error that `onMaintenanceError` received last, until it is over.
  private var reportedError: Int32?

  /// Opens the writing connection and compares the high-water marks.
  ///
  /// A file that can only be read is no error: its changes fail, its reads do not.
  init(path: String, configuration: Database.Configuration) throws {
    self.path = path
    self.configuration = configuration
    lock = LockFile(besideDatabaseAt: path)
    let probe = try Connection(path: path, role: .backup)
    pageSize = try probe.pragma("page_size").first.flatMap { Int($0) } ?? 4_096
    // A log has fewer, and the sums stay in range.
    checkpointPages = min(configuration.checkpointPages, Int(Int32.max))
    nextPassive = checkpointPages
    nextTruncate = configuration.truncateBytes / pageSize
    var report = Report()
    // The mark comes first: a change that another process commits in between raises the number,
    // never the mark alone.
    if let expected = lock.readMark(), let found = try Self.number(in: probe, by: configuration),
      found < expected
    {
      report.lostSince = (expected, found)
    }
    self.report = Lock(report)
    if try probe.pragma("journal_mode") == ["wal"] {
      connection = try open()
    } else if faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 {
      // Changing the journal's mode writes.
      try lock.acquire(timeout: configuration.lockTimeout)
      defer { lock.release() }
      connection = try open()
    }
    let isReadOnly = connection?.isReadOnly ?? true || !lock.canBeOpened
    self.report.withLock { $0.isReadOnly = isReadOnly }
  }

  /// Runs the jobs of a queue until it is closed and empty, then closes the connection.
  func run(_ queue: JobQueue) {
    while true {
      switch queue.next(until: nextIdle) {
      case .batch(let jobs): commit(jobs)
      case .maintenance(let job): maintain(job)
      case .idle: idle()
      case .close:
        close()
        return queue.finish()
      }
    }
  }

  // MARK: - Batches

  /// Makes all of the changes, and answers each.
  private func commit(_ jobs: [Job]) {
    withLockFile(failing: jobs) {
      transact(jobs)
      checkpointIfLarge()
      optimizeIfDue()
    }
  }

  /// Makes changes in one transaction, or if it is lost each in its own transaction, and answers them.
  private func transact(_ jobs: [Job]) {
    let started = MonotonicInstant.now
    var hasBegun = false
    do {
      let connection = try usableConnection()
      guard !connection.hasMoved else {
        throw SQLiteError(
          extendedCode: Extended.readOnlyMoved,
          message: "\(path) is another file than the one that is open: start again")
      }
      try connection.control("BEGIN IMMEDIATE")
      hasBegun = true
      var refusals: [(any Error)?] = []
      for job in jobs { refusals.append(try attempt(job, on: connection)) }
      try commitTransaction(of: connection)
      storeMark(of: connection)
      noteCommit(of: jobs, took: .now - started)
      for (job, refusal) in zip(jobs, refusals) { job.complete(refusal) }
    } catch {
      if hasBegun {
        abandonTransaction()
        report.withLock { $0.statistics.restarts += 1 }
      }
      // A batch that could not even begin has no change to blame.
      guard hasBegun && jobs.count > 1 && report.withLock({ $0.fatal }) == nil else {
        return fail(jobs, error)
      }
      for job in jobs { transact([job]) }
    }
  }

  /// Runs one change in a savepoint, which stays if the change succeeded and is undone otherwise.
  ///
  /// - Returns: Why the change is refused, or `nil`.
  /// - Throws: The error that lost the whole transaction.
  private func attempt(_ job: Job, on connection: Connection) throws -> (any Error)? {
    try connection.control("SAVEPOINT change")
    var refusal: (any Error)?
    connection.isSupervised = true
    do { try job.run(connection) } catch { refusal = error }
    connection.isSupervised = false
    if connection.isAutocommit {
      // The body may have caught the error, and believe that it succeeded.
      throw refusal
        ?? SQLiteError(
          extendedCode: Extended.abortRollback,
          message: "the transaction was rolled back by an error that the change did not report")
    }
    if refusal == nil && connection.hasForeignKeyViolation {
      // At COMMIT it would fail the whole batch, and not say which change is to blame.
      refusal = SQLiteError(extendedCode: Extended.constraintForeignKey)
    }
    if refusal != nil { try connection.control("ROLLBACK TO change") }
    try connection.control("RELEASE change")
    return refusal
  }

  /// Commits, or ends all writing if the outcome is unknown.
  private func commitTransaction(of connection: Connection) throws {
    do {
      try connection.control("COMMIT")
    } catch let error as SQLiteError {
      if error.isOutOfSpace { throw SQLiteError(extendedCode: SQLITE_FULL) }
      if error.code == SQLITE_IOERR || error.code == SQLITE_NOMEM {
        // The commit may be in the log or not, and a later sync that succeeds says nothing about
        // this one: the kernel reports a failed write-back once, and may have dropped the pages.
        report.withLock { $0.fatal = error }
        configuration.onFatal(error)
      }
      throw error
    }
  }

  private func fail(_ jobs: [Job], _ error: any Error) {
    for job in jobs { job.complete(error) }
  }

  private func noteCommit(of jobs: [Job], took: Duration) {
    hasPagesToCopy = true
    hasChangesToAnalyze = true
    report.withLock {
      $0.statistics.batches += 1
      $0.statistics.changes += jobs.count
      $0.statistics.largestBatch = max($0.statistics.largestBatch, jobs.count)
      $0.statistics.batchSizes[min(Int.bitWidth - (jobs.count - 1).leadingZeroBitCount, 15)] += 1
      $0.statistics.committing += took
    }
  }

  // MARK: - Maintenance

  /// Runs a job outside of any transaction, and restores the connection's settings afterwards.
  private func maintain(_ job: Job) {
    withLockFile(failing: [job]) {
      var failure: (any Error)?
      do {
        let connection = try usableConnection()
        hasPagesToCopy = true
        hasChangesToAnalyze = true
        do { try job.run(connection) } catch { failure = error }
        if !connection.isAutocommit {
          abandonTransaction()
          failure = SQLiteError(extendedCode: SQLITE_MISUSE, message: "a transaction was left open")
        }
        try connection.configure()
        storeMark(of: connection)
      } catch {
        connection = nil
        failure = error
      }
      job.complete(failure)
    }
  }

  /// Takes the database's own number for the high-water mark from now on.
  func acceptLoss(on connection: Connection) throws {
    if let number = try Self.number(in: connection, by: configuration) { lock.writeMark(number) }
    report.withLock { $0.lostSince = nil }
  }

  /// When ``idle()`` should run if no job comes, or `nil` if it has nothing to do.
  private var nextIdle: MonotonicInstant? {
    if hasPagesToCopy { return .now + configuration.idleDelay }
    if hasChangesToAnalyze {
      return max(.now + configuration.idleDelay, lastOptimize + configuration.optimizeInterval)
    }
    return nil
  }

  /// Does what can wait until no job comes. If another process is writing, it waits for the next such
  /// moment.
  private func idle() {
    withLockFile(failing: [], timeout: .zero) {
      optimizeIfDue()
      if hasPagesToCopy { checkpoint(.passive, wait: .zero) }
    }
  }

  /// Empties the log unless a reader still needs it, and closes the connection.
  private func close() {
    if hasPagesToCopy {
      withLockFile(failing: []) {
        if hasChangesToAnalyze { optimize() }
        checkpoint(.truncate, wait: configuration.restartWait)
      }
    }
    connection = nil
  }

  /// Copies the log into the database file, and counts it.
  ///
  /// A failure loses nothing, as the log keeps every page until all of it was copied and synced.
  ///
  /// - Returns: Whether all of it was copied.
  @discardableResult
  func checkpoint(_ mode: Database.CheckpointMode, wait: Duration) -> Bool {
    guard let connection = try? usableConnection() else { return false }
    let started = MonotonicInstant.now
    var isComplete = false
    var failure: SQLiteError?
    repeat {
      do {
        // Short waits, repeated: SQLite waits for the slot in which it saw an old reader even after
        // that slot has passed on to new readers, who need not be waited for. Where reads overlap,
        // one long wait may never end.
        let pages = try connection.checkpoint(
          mode.code, wait: min(wait, .milliseconds(10)).milliseconds)
        isComplete = pages.inLog == pages.done
        failure = nil
      } catch {
        failure = error as? SQLiteError
      }
    } while failure?.code == SQLITE_BUSY && .now < started + wait
    if isComplete { hasPagesToCopy = false }
    let took = MonotonicInstant.now - started
    report.withLock {
      $0.statistics.checkpoints += 1
      $0.statistics.checkpointing += took
      $0.statistics.longestCheckpoint = max($0.statistics.longestCheckpoint, took)
      if !isComplete { $0.statistics.incompleteCheckpoints += 1 }
    }
    if let failure, failure.code != SQLITE_BUSY {
      note(failure)
    } else if isComplete {
      reportedError = nil
    }
    return isComplete
  }

  /// Counts an error of a checkpoint or of `PRAGMA optimize`, and reports it if it is another than
  /// the last.
  private func note(_ error: any Error) {
    guard let error = error as? SQLiteError else { return }
    report.withLock {
      $0.statistics.maintenanceErrors += 1
      $0.statistics.lastMaintenanceError = error
    }
    guard error.extendedCode != reportedError else { return }
    reportedError = error.extendedCode
    configuration.onMaintenanceError(error)
  }

  private func checkpointIfLarge() {
    guard let pages = connection?.walPages else { return }
    if pages < walPages {
      // The log has started over.
      nextPassive = checkpointPages
      nextTruncate = configuration.truncateBytes / pageSize
    }
    walPages = pages
    if pages >= nextTruncate {
      // With overlapping readers, the log never starts over. So this waits for the present readers, while
      // new ones do not need the log. A long reader, such as a backup, must not delay every batch.
      checkpoint(.truncate, wait: configuration.restartWait)
      nextTruncate = pages + pages / 4
      nextPassive = pages + checkpointPages
    } else if pages >= nextPassive {
      checkpoint(.passive, wait: .zero)
      nextPassive = pages + checkpointPages
    }
  }

  private func optimizeIfDue() {
    if hasChangesToAnalyze && .now >= lastOptimize + configuration.optimizeInterval { optimize() }
  }

  /// Refreshes the planner's statistics where they are out of date
  /// (<https://www.sqlite.org/lang_analyze.html>), looking at a bounded number of rows.
  private func optimize() {
    do {
      let connection = try usableConnection()
      try connection.pragma("analysis_limit=400")
      try connection.pragma("optimize")
    } catch {
      note(error)
    }
    lastOptimize = .now
    hasChangesToAnalyze = false
  }

  // MARK: - The connection, the lock and the mark

  private func open() throws -> Connection {
    try Connection(
      path: path, role: .writer, cacheKiB: configuration.writerCacheKiB,
      busyTimeout: configuration.busyTimeout.milliseconds,
      journalSizeLimit: configuration.journalSizeLimit)
  }

  /// The connection, opened again if it was dropped.
  private func usableConnection() throws -> Connection {
    if let fatal = report.withLock({ $0.fatal }) { throw fatal }
    let usable = try connection ?? open()
    connection = usable
    return usable
  }

  /// Rolls back, or drops a connection that cannot.
  private func abandonTransaction() {
    if connection?.rollback() != true { connection = nil }
  }

  /// Runs `body` while holding the lock file, or fails `jobs` without it.
  private func withLockFile(failing jobs: [Job], timeout: Duration? = nil, _ body: () -> Void) {
    do {
      try lock.acquire(timeout: timeout ?? configuration.lockTimeout)
    } catch {
      return fail(jobs, error)
    }
    body()
    lock.release()
  }

  private func storeMark(of connection: Connection) {
    // While a loss is not accepted, the mark is its only evidence.
    guard let highWaterMark = configuration.highWaterMark,
      report.withLock({ $0.lostSince }) == nil,
      let number = try? highWaterMark(connection)
    else { return }
    lock.writeMark(number)
  }

  /// The database's number for the high-water mark; 0 as long as its tables do not exist.
  private static func number(
    in connection: Connection, by configuration: Database.Configuration
  ) throws -> Int64? {
    do {
      return try configuration.highWaterMark?(connection)
    } catch let error as SQLiteError where error.code == SQLITE_ERROR {
      return 0
    }
  }
}
