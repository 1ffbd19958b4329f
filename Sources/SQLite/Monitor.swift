import Glibc
import POSIX

/// State that threads share under a mutex, and whose change they may wait for: the standard
/// library's `Mutex` has no condition to wait for.
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

  /// Uses the state while no other thread does.
  func withLock<T>(_ body: (inout State) throws -> T) rethrows -> T {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body(&state)
  }

  /// Uses the state as ``withLock(_:)`` does, and wakes every thread that waits for a change.
  func change<T>(_ body: (inout State) throws -> T) rethrows -> T {
    defer { pthread_cond_broadcast(condition) }
    return try withLock(body)
  }

  /// Waits until `isReady`, or until `deadline` has passed.
  ///
  /// - Returns: Whether it is ready.
  func wait(until deadline: MonotonicInstant?, for isReady: (State) -> Bool) -> Bool {
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
