import Glibc

/// State that threads share under a mutex, and may wait on to change: a `Mutex` of the standard
/// library has no condition to wait for.
final class Monitor<State>: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var state: State

  init(_ state: State) {
    self.state = state
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    // So that a changed wall clock neither ends nor stretches a wait.
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// Uses the state alone.
  func withLock<T>(_ body: (inout State) throws -> T) rethrows -> T {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body(&state)
  }

  /// Uses the state alone, and wakes who waits for it.
  func change<T>(_ body: (inout State) throws -> T) rethrows -> T {
    defer { pthread_cond_broadcast(condition) }
    return try withLock(body)
  }

  /// Waits until `isReady`, or until `deadline` has passed.
  ///
  /// - Returns: Whether it is ready.
  func wait(until deadline: ContinuousTime?, for isReady: (State) -> Bool) -> Bool {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while !isReady(state) {
      if let deadline {
        var time = deadline.timespec
        if pthread_cond_timedwait(condition, mutex, &time) == ETIMEDOUT { return isReady(state) }
      } else {
        pthread_cond_wait(condition, mutex)
      }
    }
    return true
  }
}

/// A moment on the clock that never goes back (`CLOCK_MONOTONIC`), in nanoseconds.
struct ContinuousTime: Comparable {
  let nanoseconds: Int64

  /// The present moment.
  static var now: ContinuousTime {
    var time = Glibc.timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return ContinuousTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }

  var timespec: timespec {
    Glibc.timespec(
      tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
  }

  static func + (time: ContinuousTime, duration: Duration) -> ContinuousTime {
    ContinuousTime(nanoseconds: time.nanoseconds + duration.nanoseconds)
  }

  static func - (later: ContinuousTime, earlier: ContinuousTime) -> Duration {
    .nanoseconds(later.nanoseconds - earlier.nanoseconds)
  }

  static func < (one: ContinuousTime, other: ContinuousTime) -> Bool {
    one.nanoseconds < other.nanoseconds
  }
}

extension Duration {
  /// The whole nanoseconds; durations here are far below the 292 years that fit.
  var nanoseconds: Int64 {
    components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000
  }

  /// The whole milliseconds.
  var milliseconds: Int { Int(nanoseconds / 1_000_000) }
}
