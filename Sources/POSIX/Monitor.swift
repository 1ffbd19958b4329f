import Glibc

/// State that threads share under a mutex, and whose changes they can wait for.
package final class Monitor<State>: @unchecked Sendable {
  private let lock: Lock<State>
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  package init(_ state: State) {
    lock = Lock(state)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    // A change of the system's time must not affect a wait.
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(condition)
    condition.deallocate()
  }

  /// Calls `body` with the state while no other thread uses it.
  package func withLock<T>(_ body: (inout State) throws -> T) rethrows -> T {
    try lock.withLock(body)
  }

  /// Calls `body` as ``withLock(_:)`` does, and wakes every thread that waits for a change.
  package func change<T>(_ body: (inout State) throws -> T) rethrows -> T {
    defer { pthread_cond_broadcast(condition) }
    return try lock.withLock(body)
  }

  /// Waits until `isReady` returns true for the state, or until `deadline`.
  ///
  /// - Returns: Whether the state is ready.
  package func wait(until deadline: MonotonicInstant?, for isReady: (State) -> Bool) -> Bool {
    pthread_mutex_lock(lock.mutex)
    defer { pthread_mutex_unlock(lock.mutex) }
    while !isReady(lock.state) {
      if let deadline {
        var time = deadline.timespec
        if pthread_cond_timedwait(condition, lock.mutex, &time) == ETIMEDOUT {
          return isReady(lock.state)
        }
      } else {
        pthread_cond_wait(condition, lock.mutex)
      }
    }
    return true
  }
}
