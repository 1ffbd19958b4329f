import Glibc

/// Milliseconds on a clock that never jumps.
func monotonicMilliseconds() -> Int {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

extension Duration {
  /// Whole milliseconds, rounded down; at most what a century has, so that sums stay in range.
  var milliseconds: Int {
    let seconds = min(components.seconds, 100 * 366 * 86_400)
    return Int(seconds) * 1000 + Int(components.attoseconds / 1_000_000_000_000_000)
  }
}
