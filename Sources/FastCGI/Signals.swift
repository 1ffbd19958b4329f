import Glibc

/// Signals, taken by one thread that waits for them and by no other.
///
/// A read or write that a signal cuts short looks to libfcgi like one that succeeded, or like the
/// end of the connection. So no thread that serves requests may ever take a signal.
package enum Signals {
  /// Blocks SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGPIPE in the calling thread and in all that it
  /// starts, and ignores SIGXFSZ, so that a write past a file size limit fails instead of killing
  /// the process. To be called in the main thread before any other thread starts.
  package static func block() {
    var blocked = signalSet([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE])
    pthread_sigmask(SIG_BLOCK, &blocked, nil)
    signal(SIGXFSZ, SIG_IGN)
  }

  /// Waits for the next SIGTERM, SIGINT, SIGHUP or SIGUSR1, which ``block()`` must have blocked,
  /// and returns its number.
  package static func wait() -> Int32 {
    var awaited = signalSet([SIGTERM, SIGINT, SIGHUP, SIGUSR1])
    var signal: Int32 = 0
    // sigwait(3) fails for a set that names no signal, and on some systems when a handler ran.
    while sigwait(&awaited, &signal) != 0 {}
    return signal
  }

  private static func signalSet(_ signals: [Int32]) -> sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    for signal in signals {
      sigaddset(&set, signal)
    }
    return set
  }
}
