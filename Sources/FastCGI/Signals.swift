import Glibc

/// The signals that end the program or wake it. One thread waits for them, and no other receives them.
///
/// A read or write that a signal interrupts looks to libfcgi like success, or like the end of the input. So
/// no thread that serves requests may ever receive a signal.
package enum Signals {
  /// Blocks SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGPIPE in the calling thread and in the threads that it
  /// starts. Ignores SIGXFSZ, so that a write past the file size limit fails and does not kill the process.
  /// Call it in the main thread before any other thread starts.
  package static func block() {
    var blocked = signalSet([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE])
    pthread_sigmask(SIG_BLOCK, &blocked, nil)
    signal(SIGXFSZ, SIG_IGN)
  }

  /// Waits for the next SIGTERM, SIGINT, SIGHUP or SIGUSR1, and returns its number. ``block()`` must have
  /// blocked them.
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
