import Glibc

/// What a thread of the server has for itself. It is handed to the thread when that starts, and
/// used by it alone; that is why it may be sent.
final class Worker: @unchecked Sendable {
  /// Where it receives.
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 8)
  let exchange: Exchange
  /// Whether it is among the threads that take requests; see ``Crew``.
  var hasPlace = false

  init(requestSize: Int) throws {
    exchange = try Exchange(requestSize: requestSize)
  }

  deinit {
    buffer.deallocate()
  }
}

/// A thread of its own, which takes no signal.
struct Thread {
  private let id: pthread_t

  private final class Body {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) {
      self.run = run
    }
  }

  /// Starts it.
  ///
  /// - Throws: `FastCGIError` if the system gives no further thread.
  init(stackSize: Int, _ run: @escaping @Sendable () -> Void) throws {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    guard pthread_attr_setstacksize(&attributes, stackSize) == 0 else {
      throw FastCGIError("a thread cannot have a stack of \(stackSize) bytes")
    }
    // A thread begins with the mask of the one that starts it. What a signal interrupts looks to
    // libfcgi like success or like the end, so these threads are never to be interrupted.
    // Those that tell of a crash stay, and SIGPROF, with which Swift's report of a crash halts the
    // other threads.
    var blocked = sigset_t()
    var before = sigset_t()
    sigfillset(&blocked)
    for signal in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF] {
      sigdelset(&blocked, signal)
    }
    pthread_sigmask(SIG_SETMASK, &blocked, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    let body = Unmanaged.passRetained(Body(run))
    var id = pthread_t()
    let code = pthread_create(
      &id, &attributes,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, body.toOpaque())
    guard code == 0 else {
      body.release()
      throw FastCGIError.system("cannot start a thread", errno: code)
    }
    self.id = id
  }

  /// Waits for its end.
  func join() {
    pthread_join(id, nil)
  }
}
