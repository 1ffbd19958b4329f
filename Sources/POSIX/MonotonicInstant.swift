import Glibc

/// A moment on the clock that never goes back (CLOCK_MONOTONIC of clock_gettime(2)), to the nanosecond.
package struct MonotonicInstant: Comparable, Sendable {
  /// Nanoseconds since a moment that is fixed until the machine restarts.
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

  /// The moment as the system's calls take it.
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
  /// The whole nanoseconds, rounded toward zero; at most what a century has, so that sums stay in range.
  package var nanoseconds: Int64 {
    let seconds = min(components.seconds, 100 * 366 * 86_400)
    return seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000
  }

  /// The whole milliseconds, rounded toward zero; at most what a century has.
  package var milliseconds: Int { Int(nanoseconds / 1_000_000) }
}
