import CSQLite
import POSIX

/// The jobs that wait for the writer's thread, in their order.
final class JobQueue: Sendable {
  /// What the writer's thread does next.
  enum Step {
    case batch([Job])
    case maintenance(Job)
    /// Nothing came in time.
    case idle
    /// Every job has run, and no further one can come.
    case close
  }

  private struct State {
    var jobs: [Job] = []
    /// The jobs that were queued and are not answered yet: those in `jobs`, and those that run.
    var unanswered = 0
    var isClosed = false
    var isFinished = false
  }

  private let maximumBatch: Int
  private let maximumWaiting: Int
  private let state = Monitor(State())

  init(maximumBatch: Int, maximumWaiting: Int) {
    self.maximumBatch = max(1, maximumBatch)
    self.maximumWaiting = max(1, maximumWaiting)
  }

  /// Appends a job, whose completion must call ``noteAnswer()``.
  ///
  /// - Throws: ``SQLiteError``, always `isUnavailable`, if the queue is full or closed.
  func append(_ job: Job) throws {
    try state.change { state in
      if state.isClosed { throw Database.closedError }
      guard state.unanswered < maximumWaiting else {
        throw SQLiteError(
          extendedCode: SQLITE_BUSY,
          message: "too many changes wait to be written: the limit is \(maximumWaiting)")
      }
      state.unanswered += 1
      state.jobs.append(job)
    }
  }

  /// Makes room for another job. It is called just before an answer, so that the receiver of the answer can
  /// queue the next job.
  func noteAnswer() { state.withLock { $0.unanswered -= 1 } }

  /// Waits for the next step, at most until `deadline`.
  func next(until deadline: MonotonicInstant?) -> Step {
    guard state.wait(until: deadline, for: { !$0.jobs.isEmpty || $0.isClosed }) else {
      return .idle
    }
    return state.withLock { state in
      guard let first = state.jobs.first else { return .close }
      if first.isMaintenance { return .maintenance(state.jobs.removeFirst()) }
      let batch = Array(state.jobs.prefix(maximumBatch).prefix { !$0.isMaintenance })
      state.jobs.removeFirst(batch.count)
      return .batch(batch)
    }
  }

  /// The jobs that the writer has not begun yet.
  var count: Int { state.withLock { $0.jobs.count } }

  /// Whether no further job can be appended.
  var isClosed: Bool { state.withLock { $0.isClosed } }

  /// Refuses further jobs. Those that wait still run.
  func close() { state.change { $0.isClosed = true } }

  /// Ends ``waitUntilFinished()``: the writer has closed its files.
  func finish() { state.change { $0.isFinished = true } }

  /// Waits for ``finish()``.
  func waitUntilFinished() { _ = state.wait(until: nil) { $0.isFinished } }
}
