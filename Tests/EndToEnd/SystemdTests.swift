import Foundation
import Glibc
import Testing

extension EndToEnd {
  @Suite("Under systemd") struct SystemdTests {
    /// The socket on which a supervisor hears of its service (sd_notify(3)).
    private final class Supervisor {
      let path: String
      private let descriptor: Int32

      init(at path: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = try unixAddress(path)
        let bound = withUnsafeBytes(of: &address) {
          bind(
            descriptor, $0.assumingMemoryBound(to: sockaddr.self).baseAddress!,
            socklen_t($0.count))
        }
        guard bound == 0 else { throw Trouble.system("bind") }
        var timeout = timeval(tv_sec: 15, tv_usec: 0)
        setsockopt(
          descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
      }

      deinit { close(descriptor) }

      /// The next word; nil if none comes.
      func next() -> String? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        return count < 0 ? nil : String(decoding: bytes.prefix(count), as: UTF8.self)
      }

      /// Whether no word comes within the time.
      func isSilent(for milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) == 0
      }
    }

    @Test("says that it is ready once it answers, feeds the watchdog, and says that it stops")
    func notifications() throws {
      try inFolder { folder in
        let supervisor = try Supervisor(at: "\(folder)/notify")
        var options = Service.Options()
        options.wrapper = [
          "env", "NOTIFY_SOCKET=\(supervisor.path)", "WATCHDOG_USEC=600000",
        ]
        try Service.run(options) { service in
          #expect(supervisor.next() == "READY=1")
          #expect(supervisor.next() == "WATCHDOG=1")
          #expect(supervisor.next() == "WATCHDOG=1")
          // Held, it answers nobody, and says nothing.
          let responder = try service.responder
          kill(responder.pid, SIGSTOP)
          while !supervisor.isSilent(for: 0) { _ = supervisor.next() }
          #expect(supervisor.isSilent(for: 1_000))
          kill(responder.pid, SIGCONT)
          #expect(supervisor.next() == "WATCHDOG=1")
          #expect(service.stopResponder() == .exit(0))
          var last: String?
          while !supervisor.isSilent(for: 0) { last = supervisor.next() ?? last }
          #expect(last == "STOPPING=1")
        }
      }
    }

    @Test("a watchdog of another process, or none, hears nothing")
    func otherWatchdog() throws {
      try inFolder { folder in
        let supervisor = try Supervisor(at: "\(folder)/notify")
        var options = Service.Options()
        options.wrapper = [
          "env", "NOTIFY_SOCKET=\(supervisor.path)", "WATCHDOG_USEC=60000", "WATCHDOG_PID=1",
        ]
        try Service.run(options) { _ in
          #expect(supervisor.next() == "READY=1")
          #expect(supervisor.isSilent(for: 500))
        }
      }
    }
  }
}
