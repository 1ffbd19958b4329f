import FastCGI
import Foundation
import Glibc
import Testing

@Suite("Signals")
struct SignalTests {
  @Test("signals sent to the very threads that serve do not cut an answer short")
  func duringRequests() async {
    await #expect(processExitsWith: .success) {
      takeSignals()
      // A handler without SA_RESTART, as libfcgi itself installs them.
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { _ in }
      sigaction(SIGUSR1, &action, nil)
      sigaction(SIGTERM, &action, nil)
      let big = [UInt8](repeating: 0x63, count: 2 << 20)
      let serving = Record<UInt>()
      let responder = try Responder(.init(threads: 2)) { _ in
        serving.append(UInt(pthread_self()))
        return Response(status: 200, body: big)
      }
      let peer = try responder.peer()
      for _ in 0..<5 {
        peer.send(Wire.request())
        try #require(eventually { responder.server.busyThreads == 0 && !serving.all.isEmpty })
        // The answer is longer than the socket's buffer, so the threads send it in parts.
        for _ in 0..<50 {
          for thread in Set(serving.all) {
            pthread_kill(pthread_t(thread), SIGUSR1)
            pthread_kill(pthread_t(thread), SIGTERM)
          }
          usleep(1000)
        }
        #expect(try peer.answer().body.count == big.count)
      }
    }
  }

  @Test(
    "a blocked signal is waited for, and ends nothing by itself",
    arguments: [SIGTERM, SIGINT, SIGHUP, SIGUSR1])
  func waiting(signal: Int32) async {
    await #expect(processExitsWith: .success) { [signal] in
      takeSignals()
      Signals.block()
      let responder = try Responder(.init(threads: 2))
      let peer = try responder.peer()
      // To this thread: others of the test's own process do not block it.
      pthread_kill(pthread_self(), SIGPIPE)
      pthread_kill(pthread_self(), signal)
      #expect(Signals.wait() == signal)
      peer.send(Wire.request())
      #expect(try peer.answer().protocolStatus == 0)
      responder.server.stop()
      #expect(responder.ends(within: 20))
    }
  }

  @Test("a write past the file size limit fails, and does not kill")
  func fileSizeLimit() async {
    await #expect(processExitsWith: .success) {
      signal(SIGXFSZ, SIG_DFL)
      takeSignals()
      Signals.block()
      let directory = TemporaryDirectory()
      var limit = rlimit(rlim_cur: 10, rlim_max: 10)
      setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
      let file = open(directory.path + "/f", O_WRONLY | O_CREAT, 0o600)
      _ = write(file, "0123456789", 10)
      let written = write(file, "x", 1)
      let reason = errno
      #expect(written == -1 && reason == EFBIG)
    }
  }

  @Test("the program's own signal handlers stay as they were")
  func handlers() async {
    await #expect(processExitsWith: .success) {
      signal(SIGUSR1, SIG_IGN)
      let responder = try Responder(.init(threads: 1))
      let peer = try responder.peer()
      peer.send(Wire.request())
      _ = try peer.answer()
      for (number, isIgnored) in [(SIGUSR1, true), (SIGTERM, false)] {
        var action = sigaction()
        sigaction(number, nil, &action)
        let handler = unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
        #expect(handler == (isIgnored ? 1 : 0))
      }
    }
  }
}

/// Unblocks all signals in this thread; a test's thread begins with most of them blocked.
func takeSignals() {
  var all = sigset_t()
  sigfillset(&all)
  pthread_sigmask(SIG_UNBLOCK, &all, nil)
}
