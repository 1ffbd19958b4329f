import Glibc
import POSIX
import Synchronization

/// Decides how many threads a server has.
///
/// A few for each processor are enough while requests are short. With more, each event would wake a thread
/// that sleeps, while one that is awake could have received it in passing: on two processors, 32 threads
/// spend half as much again on a short request as four do. When long requests hold all threads, an extra
/// one starts. It ends when another thread is idle.
final class ThreadLimiter: Sendable {
  /// How many threads keep all processors busy, also when one of them waits for the disk.
  static let usualThreads = max(4, 2 * sysconf(Int32(_SC_NPROCESSORS_ONLN)))
  /// How long no thread may be idle, and none take an event, before an extra one starts; in microseconds.
  /// Threads that only wait for their turn on a busy machine are not to count as held.
  private static let patience: UInt32 = 20_000

  /// How many threads run all the time.
  let usual: Int
  private let limit: Int
  private let running = Atomic<Int>(0)
  /// The threads that wait for an event.
  private let idle = Atomic<Int>(0)
  /// How many times a thread has begun to wait for an event.
  private let turns = Atomic<Int>(0)
  /// Wakes ``run(start:)`` when no thread is idle and when the last thread ends.
  private let alarm = Semaphore()
  private let isAlarmRaised = Atomic(false)

  /// - Parameters:
  ///   - limit: How many threads there may be; at least one.
  ///   - usual: How many of them run all the time.
  init(limit: Int, usual: Int = usualThreads) {
    self.limit = max(1, limit)
    self.usual = min(usual, self.limit)
  }

  /// Whether a thread waits for an event.
  var hasIdleThread: Bool { idle.load(ordering: .sequentiallyConsistent) > 0 }

  /// Starts the usual threads, starts extra ones when they are needed, and returns when all have ended.
  ///
  /// - Parameters:
  ///   - start: Starts the thread of a number from 1 on. The thread must call ``threadEnded()`` last. An
  ///     extra thread must end when ``hasIdleThread`` is true.
  ///   - cancel: Ends the threads that have started, when one of the usual threads cannot start.
  /// - Throws: The error of `start`, if one of the usual threads cannot start.
  func run(
    start: (_ number: Int, _ isExtra: Bool) throws -> Void, cancel: () -> Void
  ) throws {
    var failure: (any Error)?
    do {
      for _ in 0..<usual { try startThread(isExtra: false, start) }
    } catch {
      failure = error
      cancel()
    }
    while running.load(ordering: .sequentiallyConsistent) > 0 {
      alarm.wait()
      let before = turns.load(ordering: .relaxed)
      usleep(Self.patience)
      let count = running.load(ordering: .sequentiallyConsistent)
      if failure == nil, (1..<limit).contains(count), !hasIdleThread,
        turns.load(ordering: .relaxed) == before
      {
        // If the system has no further thread to give, the next look tries again.
        try? startThread(isExtra: true, start)
      }
      isAlarmRaised.store(false, ordering: .sequentiallyConsistent)
      // A thread that became busy until now has found the alarm raised.
      if !hasIdleThread { raiseAlarm() }
    }
    if let failure { throw failure }
  }

  private func startThread(
    isExtra: Bool, _ start: (_ number: Int, _ isExtra: Bool) throws -> Void
  ) throws {
    let number = running.add(1, ordering: .sequentiallyConsistent).newValue
    do {
      try start(number, isExtra)
    } catch {
      running.subtract(1, ordering: .sequentiallyConsistent)
      throw error
    }
  }

  /// Notes that the calling thread is about to end.
  func threadEnded() {
    if running.subtract(1, ordering: .sequentiallyConsistent).newValue == 0 { alarm.signal() }
  }

  /// Runs `wait`, which waits for an event, and counts the thread as idle meanwhile.
  func whileIdle<Result>(_ wait: () -> Result) -> Result {
    turns.add(1, ordering: .relaxed)
    idle.add(1, ordering: .sequentiallyConsistent)
    let result = wait()
    if idle.subtract(1, ordering: .sequentiallyConsistent).newValue == 0 { raiseAlarm() }
    return result
  }

  private func raiseAlarm() {
    guard limit > usual, !isAlarmRaised.load(ordering: .sequentiallyConsistent),
      !isAlarmRaised.exchange(true, ordering: .sequentiallyConsistent)
    else { return }
    alarm.signal()
  }
}
