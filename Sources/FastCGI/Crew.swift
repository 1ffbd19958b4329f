import Glibc
import Synchronization

/// Which of a server's threads take requests just now.
///
/// A few for each processor have a place. Were there more, each request would wake a thread that sleeps,
/// while those that are awake could have taken it in passing: on two processors a short request takes
/// half as much again with 32 threads that wait for events as with four. The others stand by. One of them
/// comes in when a thread gives its place up because it will wait for something other than the processor,
/// or when every thread that has a place is held by a long request. As long as one is not, it takes all
/// that comes.
final class Crew: Sendable {
  /// How long all may be busy, with none of them done, until one more gets a place; in microseconds. Not
  /// so short that it happens to threads which only wait for their turn on a busy machine.
  private static let patience: UInt32 = 20_000

  /// The places that are free.
  private let free: Semaphore
  /// Wakes the thread of ``relieve()``.
  private let alarm = Semaphore(0)
  private let isAlarmed = Atomic(false)
  /// The threads that wait for an event.
  private let watching = Atomic<Int>(0)
  /// How often a thread began to.
  private let turns = Atomic<Int>(0)
  /// The places beyond the usual ones, which are given up again.
  private let extra = Atomic<Int>(0)
  private let extraLimit: Int
  private let isOver = Atomic(false)

  /// - Parameters:
  ///   - threads: How many threads there are.
  ///   - places: How many of them may take requests.
  init(threads: Int, places: Int) {
    free = Semaphore(UInt32(clamping: min(threads, places)))
    extraLimit = max(0, threads - places)
  }

  /// Whether there are threads that stand by, so that ``relieve()`` must run on a thread of its own.
  var needsRelief: Bool { extraLimit > 0 }

  /// Waits for a place, unless the thread has one that it may keep.
  func enter(_ worker: Worker) {
    if worker.hasPlace, !endsExtraPlace() { return }
    free.wait()
    worker.hasPlace = true
  }

  /// Ends one of the places beyond the usual ones, if there are any, and says whether it did. Only while
  /// another thread is there to take what comes, or one that came in to help would be gone again after a
  /// single request.
  private func endsExtraPlace() -> Bool {
    var count = extra.load(ordering: .relaxed)
    while count > 0, watching.load(ordering: .sequentiallyConsistent) > 0 {
      let (isDone, now) = extra.compareExchange(
        expected: count, desired: count - 1, ordering: .relaxed)
      if isDone { return true }
      count = now
    }
    return false
  }

  /// Gives the thread's place to one that stands by.
  func leave(_ worker: Worker) {
    guard worker.hasPlace else { return }
    worker.hasPlace = false
    free.signal()
  }

  /// Runs what waits for an event.
  func watch<Result>(_ wait: () -> Result) -> Result {
    turns.add(1, ordering: .relaxed)
    watching.add(1, ordering: .sequentiallyConsistent)
    let result = wait()
    if watching.subtract(1, ordering: .sequentiallyConsistent).newValue == 0, needsRelief {
      raiseAlarm()
    }
    return result
  }

  private func raiseAlarm() {
    guard !isAlarmed.load(ordering: .sequentiallyConsistent),
      !isAlarmed.exchange(true, ordering: .sequentiallyConsistent)
    else { return }
    alarm.signal()
  }

  /// Gives one more thread a place whenever all that have one are held by long requests, until
  /// ``end()``. It sleeps while there is a thread to take what comes.
  func relieve() {
    while true {
      alarm.wait()
      var seen = turns.load(ordering: .relaxed)
      while watching.load(ordering: .sequentiallyConsistent) == 0 {
        if isOver.load(ordering: .sequentiallyConsistent) { return }
        usleep(Self.patience)
        let now = turns.load(ordering: .relaxed)
        // Where a place is free there is nobody to take it: all wait for something else.
        if now == seen, extra.load(ordering: .relaxed) < extraLimit, free.value == 0,
          watching.load(ordering: .sequentiallyConsistent) == 0
        {
          extra.add(1, ordering: .relaxed)
          free.signal()
        }
        seen = now
      }
      if isOver.load(ordering: .sequentiallyConsistent) { return }
      isAlarmed.store(false, ordering: .sequentiallyConsistent)
      // Whoever left meanwhile has found the alarm raised.
      if watching.load(ordering: .sequentiallyConsistent) == 0 { raiseAlarm() }
    }
  }

  /// Ends ``relieve()``.
  func end() {
    isOver.store(true, ordering: .sequentiallyConsistent)
    alarm.signal()
  }
}

/// A counting semaphore of the system (sem_init(3)), which costs no system call as long as nobody waits.
private final class Semaphore: @unchecked Sendable {
  private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init(_ value: UInt32) {
    sem_init(semaphore, 0, value)
  }

  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }

  /// How often it can be waited for without waiting.
  var value: Int32 {
    var value: Int32 = 0
    sem_getvalue(semaphore, &value)
    return value
  }

  func wait() {
    while sem_wait(semaphore) != 0 {
      precondition(errno == EINTR, "sem_wait failed with error \(errno)")
    }
  }

  func signal() {
    let isSignalled = sem_post(semaphore) == 0
    precondition(isSignalled, "sem_post failed with error \(errno)")
  }
}
