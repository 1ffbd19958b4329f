import Glibc

/// A thread that blocks all signals but those of a crash.
package struct Thread: Sendable {
  private let id: pthread_t

  /// The system cannot create another thread.
  package struct StartError: Error, CustomStringConvertible {
    /// The error number of pthread_create(3).
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

  /// Starts a thread.
  ///
  /// - Parameters:
  ///   - name: The name that `top -H` and debuggers show, of at most 15 bytes (proc(5), comm).
  ///   - stackSize: The size of its stack in bytes; nil for the system's default.
  ///   - run: The work of the thread.
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
    // A thread inherits the signal mask of the thread that starts it. No signal may interrupt these threads,
    // because libfcgi takes an interrupted call for success or for the end, and a write of SQLite could be
    // incomplete. The signals of a crash stay unblocked, and SIGPROF, with which Swift's crash report stops the
    // other threads.
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

  /// Whether this is the calling thread.
  package var isCurrent: Bool { pthread_equal(id, pthread_self()) != 0 }

  /// Waits for its end. Call either this or ``detach()``, once.
  package func join() { pthread_join(id, nil) }

  /// Frees its resources when it ends, so that no thread needs to join it.
  package func detach() { pthread_detach(id) }
}

/// Does the same as pthread_setname_np(3), which Swift's Glibc does not import.
private func nameThisThread(_ name: String) {
  let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
  guard file >= 0 else { return }
  _ = write(file, name, name.utf8.count)
  close(file)
}
