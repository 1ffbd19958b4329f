import Glibc

/// A counting semaphore (sem_init(3)). It makes no system call while no thread waits.
package final class Semaphore: @unchecked Sendable {
  private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  /// Creates a semaphore with a value.
  package init(_ value: UInt32 = 0) {
    sem_init(semaphore, 0, value)
  }

  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }

  /// Waits until the value is above 0, and lowers it by 1.
  package func wait() {
    while sem_wait(semaphore) != 0 {
      precondition(errno == EINTR, "sem_wait failed: \(systemErrorText(errno))")
    }
  }

  /// Raises the value by 1, which lets one waiting thread continue.
  package func signal() {
    let isSignalled = sem_post(semaphore) == 0
    precondition(isSignalled, "sem_post failed: \(systemErrorText(errno))")
  }
}
