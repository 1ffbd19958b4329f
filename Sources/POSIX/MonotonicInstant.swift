import Glibc

/// A moment on the monotonic clock (CLOCK_MONOTONIC of clock_gettime(2)), to the nanosecond.
package struct MonotonicInstant: Comparable, Sendable {
  /// Nanoseconds since a moment that stays the same until the machine restarts.
  package let nanoseconds: Int64

  package init(nanoseconds: Int64) {
    self.nanoseconds = nanoseconds
  }

  /// The present moment.
  package static var now: MonotonicInstant {
    var time = Glibc.timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return MonotonicInstant(
      nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }

  /// The moment in the form of system calls.
  package var timespec: timespec {
    Glibc.timespec(
      tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
  }

  package static func + (instant: MonotonicInstant, duration: Duration) -> MonotonicInstant {
    MonotonicInstant(nanoseconds: instant.nanoseconds + duration.nanoseconds)
  }

  package static func - (later: MonotonicInstant, earlier: MonotonicInstant) -> Duration {
    .nanoseconds(later.nanoseconds - earlier.nanoseconds)
  }

  package static func < (left: MonotonicInstant, right: MonotonicInstant) -> Bool {
    left.nanoseconds < right.nanoseconds
  }
}

extension Duration {
  /// The whole nanoseconds, rounded toward zero, and at most those of a century, so that sums stay in range.
  package var nanoseconds: Int64 {
    let seconds = min(components.seconds, 100 * 366 * 86_400)
    return seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000
  }

  /// The whole milliseconds, rounded toward zero, and at most those of a century.
  package var milliseconds: Int { Int(nanoseconds / 1_000_000) }
}
