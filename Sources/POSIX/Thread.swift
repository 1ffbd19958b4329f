import Glibc

/// A thread of its own, which takes no signal but those that tell of a crash.
package struct Thread: Sendable {
  private let id: pthread_t

  /// The system has no further thread to give.
  package struct StartError: Error, CustomStringConvertible {
    /// What the system says (pthread_create(3)).
    package let code: Int32
    package var description: String { "cannot start a thread: \(systemErrorText(code))" }
  }

  private final class Body {
    let name: String
    let run: @Sendable () -> Void

    init(_ name: String, _ run: @escaping @Sendable () -> Void) {
      self.name = name
      self.run = run
    }
  }

  /// Starts it.
  ///
  /// - Parameters:
  ///   - name: What `top -H` and a debugger show; 15 bytes at most (proc(5), comm).
  ///   - stackSize: Bytes of its stack; nil for the system's usual.
  ///   - run: What it does.
  /// - Throws: ``StartError``.
  package init(name: String, stackSize: Int? = nil, _ run: @escaping @Sendable () -> Void) throws {
    precondition(name.utf8.count <= 15, "a thread's name has 15 bytes at most")
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    if let stackSize {
      let code = pthread_attr_setstacksize(&attributes, stackSize)
      guard code == 0 else { throw StartError(code: code) }
    }
    // A thread begins with the mask of the one that starts it. A call that a signal interrupts looks to
    // libfcgi like success or like the end, and a write of SQLite's could be cut short, so these threads
    // are never to be interrupted. Those that tell of a crash stay, and SIGPROF, with which Swift's report
    // of a crash halts the other threads.
    var blocked = sigset_t()
    var before = sigset_t()
    sigfillset(&blocked)
    for signal in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF] {
      sigdelset(&blocked, signal)
    }
    pthread_sigmask(SIG_SETMASK, &blocked, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    let body = Unmanaged.passRetained(Body(name, run))
    var id = pthread_t()
    let code = pthread_create(
      &id, &attributes,
      { argument in
        guard let argument else { return nil }
        let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
        nameThisThread(body.name)
        body.run()
        return nil
      }, body.toOpaque())
    guard code == 0 else {
      body.release()
      throw StartError(code: code)
    }
    self.id = id
  }

  /// Whether this is the thread that asks.
  package var isCurrent: Bool { pthread_equal(id, pthread_self()) != 0 }

  /// Waits for its end. To be called once, unless ``detach()`` is.
  package func join() { pthread_join(id, nil) }

  /// Lets it end by itself.
  package func detach() { pthread_detach(id) }
}

/// Swift's Glibc lacks pthread_setname_np(3); the file does the same.
private func nameThisThread(_ name: String) {
  let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
  guard file >= 0 else { return }
  _ = write(file, name, name.utf8.count)
  close(file)
}
