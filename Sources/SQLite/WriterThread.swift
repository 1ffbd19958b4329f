import CSQLite
import Glibc
import Synchronization

/// The thread that feeds a ``Writer`` with the jobs that callers queue.
final class WriterThread: @unchecked Sendable {
  private struct Queue {
    var jobs: [Job] = []
    var isClosing = false
  }

  private enum Step {
    case batch([Job])
    case maintenance(Job)
    case idle
    case close
  }

  /// Used by the thread alone, but for its report.
  private let writer: Writer
  private let report: Monitor<Writer.Report>
  private let maximumBatch: Int
  private let gatherDelay: Duration
  private let queue = Monitor(Queue())
  private let thread = Atomic<UInt>(0)
  private let isJoined = Mutex(false)

  /// Starts the thread, which takes `writer` over.
  init(writer: sending Writer, configuration: Database.Configuration) throws {
    report = writer.report
    self.writer = writer
    maximumBatch = max(1, configuration.maximumBatch)
    gatherDelay = configuration.gatherDelay
    try start()
  }

  /// Queues a body and waits for its answer.
  ///
  /// - Parameter isMaintenance: Whether it runs outside of a batch and of any transaction, and once
  ///   only.
  func perform<T: Sendable>(
    isMaintenance: Bool = false, _ body: @escaping @Sendable (Connection) throws -> T
  ) throws -> T {
    guard thread.load(ordering: .acquiring) != UInt(pthread_self()) else {
      throw SQLiteError(
        extendedCode: SQLITE_MISUSE, message: "a change cannot wait for another change")
    }
    if let fatal = report.withLock({ $0.fatal }) { throw fatal }
    let job = ValueJob(isMaintenance: isMaintenance, body: body)
    try queue.change { queue in
      if queue.isClosing { throw Database.closedError }
      queue.jobs.append(job)
    }
    job.wait()
    return try job.result.get()
  }

  /// Queues maintenance that uses the writer itself.
  func maintain<T: Sendable>(
    _ body: @escaping @Sendable (Writer, Connection) throws -> T
  ) throws -> T {
    try perform(isMaintenance: true) { [unowned self] in try body(self.writer, $0) }
  }

  var statistics: Database.Statistics {
    var statistics = report.withLock { $0.statistics }
    statistics.queueLength = queue.withLock { $0.jobs.count }
    return statistics
  }

  /// Runs what is queued, then ends the thread and closes the connection. A second call waits for
  /// the first.
  func close() {
    queue.change { $0.isClosing = true }
    let thread = thread.load(ordering: .acquiring)
    isJoined.withLock { isJoined in
      guard !isJoined else { return }
      isJoined = true
      if thread == UInt(pthread_self()) {
        // One of its own jobs was the last to hold the database: it cannot wait for itself.
        pthread_detach(pthread_t(thread))
      } else {
        pthread_join(pthread_t(thread), nil)
      }
    }
  }

  private func start() throws {
    // Signals are the business of the thread that waits for them; no write of this one may be cut
    // short.
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var created = pthread_t()
    let context = Unmanaged.passRetained(self)
    let code = pthread_create(
      &created, nil,
      { context in
        guard let context else { return nil }
        let me = Unmanaged<WriterThread>.fromOpaque(context).takeRetainedValue()
        me.thread.store(UInt(pthread_self()), ordering: .releasing)
        me.main()
        return nil
      }, context.toOpaque())
    guard code == 0 else {
      context.release()
      throw SQLiteError(
        extendedCode: SQLITE_NOMEM, message: "no thread: \(String(cString: strerror(code)))")
    }
    thread.store(UInt(created), ordering: .releasing)
  }

  private func main() {
    while true {
      switch next() {
      case .batch(let jobs): writer.commit(jobs)
      case .maintenance(let job): writer.maintain(job)
      case .idle: writer.idle()
      case .close: return writer.close()
      }
    }
  }

  /// Waits for the next thing to do.
  private func next() -> Step {
    guard queue.wait(until: writer.nextIdle, for: { !$0.jobs.isEmpty || $0.isClosing }) else {
      return .idle
    }
    if gatherDelay > .zero {
      _ = queue.wait(until: .now + gatherDelay) { queue in
        queue.jobs.count >= maximumBatch || queue.isClosing
          || queue.jobs.contains { $0.isMaintenance }
      }
    }
    return queue.withLock { queue in
      guard let first = queue.jobs.first else { return .close }
      if first.isMaintenance { return .maintenance(queue.jobs.removeFirst()) }
      let batch = Array(queue.jobs.prefix(maximumBatch).prefix { !$0.isMaintenance })
      queue.jobs.removeFirst(batch.count)
      return .batch(batch)
    }
  }
}
