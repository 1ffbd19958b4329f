import CSQLite
import Glibc

/// Makes every change of a ``Database``, on the one connection that writes and checkpoints. It is
/// used by one thread at a time: ``WriterThread``'s, once that runs.
///
/// A batch of changes is one transaction: each change runs in a savepoint, then comes one COMMIT,
/// and only then the answers, refusals too, since they may rest on what another change of the batch
/// did. A change that is undone together with others, through no fault of its own, runs again.
final class Writer {
  /// What other threads may see.
  struct Report {
    /// Why nothing is written any more: a COMMIT whose outcome is unknown.
    var fatal: SQLiteError?
    var lostSince: (expected: Int64, found: Int64)?
    /// Whether changes could not be made when the database was opened.
    var isReadOnly = false
    var statistics = Database.Statistics()
  }

  /// What became of a transaction.
  private enum Outcome {
    /// All of its changes have their answer.
    case answered
    /// Nothing of it was made and nothing answered, because this change took all others with it.
    case lost(Job)
    /// Nothing of it was made and nothing answered, because the COMMIT was refused for the sake of
    /// one that it does not name.
    case refused
  }

  let report: Monitor<Report>
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
  private var lastOptimize = ContinuousTime.now
  private var lastTrouble: Int32?

  /// How often one batch starts over because a change took all others with it. After that each
  /// change has a transaction of its own, so that a batch costs a bounded number of runs, whatever
  /// its changes do.
  private static let restartLimit = 3

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
    // The mark first: a change that another process commits in between raises the number, never the
    // mark alone.
    if let expected = lock.readMark(), let found = try Self.number(in: probe, by: configuration),
      found < expected
    {
      report.lostSince = (expected, found)
    }
    self.report = Monitor(report)
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

  // MARK: - Batches

  /// Makes all of the changes, and answers each.
  func commit(_ jobs: [Job]) {
    withLockFile(failing: jobs) {
      var together = jobs
      var alone: [Job] = []
      var restarts = 0
      attempts: while !together.isEmpty {
        switch restarts < Self.restartLimit ? transact(together) : .refused {
        case .answered:
          break attempts
        case .lost(let culprit):
          // Its own answer may rest on a change that was undone with it: it gets it in a
          // transaction of its own.
          together.removeAll { $0 === culprit }
          alone.append(culprit)
          restarts += 1
        case .refused:
          alone = together + alone
          break attempts
        }
      }
      for job in alone { _ = transact([job]) }
      checkpointIfLarge()
      optimizeIfDue()
    }
  }

  /// Makes changes in one transaction. A single change is always answered.
  private func transact(_ jobs: [Job]) -> Outcome {
    let started = ContinuousTime.now
    do {
      let connection = try usableConnection()
      guard !connection.hasMoved else {
        throw SQLiteError(
          extendedCode: Extended.readOnlyMoved,
          message: "\(path) is another file than the one that is open: start again")
      }
      try connection.control("BEGIN IMMEDIATE")
      for job in jobs {
        guard let failure = attempt(job, on: connection) else { continue }
        abandonTransaction(of: connection)
        report.withLock { $0.statistics.restarts += 1 }
        guard jobs.count == 1 else { return .lost(job) }
        fail(jobs, failure)
        return .answered
      }
      do {
        try connection.control("COMMIT")
      } catch let error as SQLiteError {
        return refuse(jobs, error, on: connection)
      }
      storeMark(of: connection)
      noteCommit(of: jobs, on: connection, took: .now - started)
      for job in jobs { job.answer() }
    } catch {
      fail(jobs, error)
    }
    return .answered
  }

  /// Runs one change in a savepoint, which stays if the change succeeded and else is undone.
  ///
  /// - Returns: `nil`, or the error with which the whole transaction was lost.
  private func attempt(_ job: Job, on connection: Connection) -> (any Error)? {
    do {
      try connection.control("SAVEPOINT change")
      connection.isSupervised = true
      job.run(connection)
      connection.isSupervised = false
      if connection.isAutocommit {
        // The body may have caught the error, and believe that it succeeded.
        return job.error
          ?? SQLiteError(
            extendedCode: Extended.abortRollback,
            message: "the transaction was rolled back by an error that the change did not report")
      }
      if job.error == nil && connection.hasForeignKeyViolation {
        // At COMMIT it would fail the whole batch, and name nobody.
        job.fail(SQLiteError(extendedCode: Extended.constraintForeignKey))
      }
      if job.error != nil { try connection.control("ROLLBACK TO change") }
      try connection.control("RELEASE change")
      return nil
    } catch {
      return error
    }
  }

  /// Deals with a COMMIT that failed: nobody is told that a change was made.
  private func refuse(_ jobs: [Job], _ error: SQLiteError, on connection: Connection) -> Outcome {
    let error = error.isOutOfSpace ? SQLiteError(extendedCode: SQLITE_FULL) : error
    if error.code == SQLITE_IOERR || error.code == SQLITE_NOMEM {
      // The commit may be in the log or not, and a later sync that succeeds says nothing about this
      // one: the kernel reports a failed write-back once, and may have dropped the pages.
      report.withLock { $0.fatal = error }
      configuration.onFatal(error)
    }
    abandonTransaction(of: connection)
    if error.isConstraint && jobs.count > 1 { return .refused }
    fail(jobs, error)
    return .answered
  }

  private func fail(_ jobs: [Job], _ error: any Error) {
    for job in jobs {
      job.fail(error)
      job.answer()
    }
  }

  private func noteCommit(of jobs: [Job], on connection: Connection, took: Duration) {
    hasPagesToCopy = true
    hasChangesToAnalyze = true
    report.withLock {
      $0.statistics.batches += 1
      $0.statistics.changes += jobs.count
      $0.statistics.largestBatch = max($0.statistics.largestBatch, jobs.count)
      $0.statistics.batchSizes[min(Int.bitWidth - (jobs.count - 1).leadingZeroBitCount, 15)] += 1
      $0.statistics.committing += took
      $0.statistics.walBytes = connection.walPages * pageSize
    }
  }

  // MARK: - Maintenance

  /// Runs a job by itself, outside of any transaction, and puts the connection's settings back
  /// afterwards.
  func maintain(_ job: Job) {
    withLockFile(failing: [job]) {
      do {
        let connection = try usableConnection()
        hasPagesToCopy = true
        hasChangesToAnalyze = true
        job.run(connection)
        if !connection.isAutocommit {
          abandonTransaction(of: connection)
          job.fail(
            SQLiteError(extendedCode: SQLITE_MISUSE, message: "a transaction was left open"))
        }
        try connection.configure()
        storeMark(of: connection)
      } catch {
        connection = nil
        job.fail(error)
      }
      job.answer()
    }
  }

  /// Takes the database's own number for the high-water mark from now on.
  func acceptLoss(on connection: Connection) throws {
    if let number = try Self.number(in: connection, by: configuration) { lock.writeMark(number) }
    report.withLock { $0.lostSince = nil }
  }

  /// When ``idle()`` should run if no job comes, or `nil` if it has nothing to do.
  var nextIdle: ContinuousTime? {
    if hasPagesToCopy { return .now + configuration.idleDelay }
    if hasChangesToAnalyze {
      return max(.now + configuration.idleDelay, lastOptimize + configuration.optimizeInterval)
    }
    return nil
  }

  /// Does what can wait for a quiet moment. If another process is writing just now, it waits for
  /// the next one.
  func idle() {
    withLockFile(failing: [], timeout: .zero) {
      optimizeIfDue()
      if hasPagesToCopy { checkpoint(.passive, wait: .zero) }
    }
  }

  /// Leaves the database with an empty log if no reader keeps it from that, and closes the
  /// connection.
  func close() {
    if hasPagesToCopy {
      withLockFile(failing: []) {
        if hasChangesToAnalyze { optimize() }
        checkpoint(.truncate, wait: configuration.restartWait)
      }
    }
    connection = nil
  }

  /// Copies the log into the database file, and notes how that went.
  ///
  /// A failure loses nothing, as the log keeps every page until all of it was copied and synced.
  ///
  /// - Returns: Whether all of it was copied.
  @discardableResult
  func checkpoint(_ mode: Database.CheckpointMode, wait: Duration) -> Bool {
    guard let connection = try? usableConnection() else { return false }
    let started = ContinuousTime.now
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
    let took = ContinuousTime.now - started
    report.withLock {
      $0.statistics.checkpoints += 1
      $0.statistics.checkpointing += took
      $0.statistics.longestCheckpoint = max($0.statistics.longestCheckpoint, took)
      if !isComplete { $0.statistics.incompleteCheckpoints += 1 }
      if isComplete && mode == .truncate { $0.statistics.walBytes = 0 }
    }
    if let failure, failure.code != SQLITE_BUSY {
      note(failure)
    } else if isComplete {
      lastTrouble = nil
    }
    return isComplete
  }

  /// Counts an error of the upkeep, and tells of the first one of its kind until it is over.
  private func note(_ error: any Error) {
    guard let error = error as? SQLiteError else { return }
    report.withLock {
      $0.statistics.maintenanceErrors += 1
      $0.statistics.lastMaintenanceError = error
    }
    guard error.extendedCode != lastTrouble else { return }
    lastTrouble = error.extendedCode
    configuration.onMaintenanceError(error)
  }

  private func checkpointIfLarge() {
    guard let pages = connection?.walPages else { return }
    if pages < walPages {
      // The log began anew.
      nextPassive = checkpointPages
      nextTruncate = configuration.truncateBytes / pageSize
    }
    walPages = pages
    if pages >= nextTruncate {
      // Readers that overlap keep the log from ever beginning anew by itself; this waits for those
      // of the moment, and lets new ones read past the log. One that stays long, such as a backup,
      // must not hold up every batch.
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
  private func abandonTransaction(of abandoned: Connection) {
    if !abandoned.rollback() { connection = nil }
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
