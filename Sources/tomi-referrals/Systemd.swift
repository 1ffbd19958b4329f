import FastCGI
import Foundation
import Glibc
import POSIX

/// The service's messages to systemd (sd_notify(3)). Without systemd, nothing is sent.
enum Systemd {
  /// Sends an assignment such as `READY=1`. Errors are ignored: if systemd needs the message, it ends the
  /// service after a timeout.
  static func notify(_ assignment: String) {
    guard let path = environment("NOTIFY_SOCKET"), let first = path.utf8.first,
      first == UInt8(ascii: "/") || first == UInt8(ascii: "@")
    else { return }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
    // The name of an abstract socket begins with a NUL (unix(7)).
    if first == UInt8(ascii: "@") { bytes[0] = 0 }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let length = MemoryLayout<sa_family_t>.size + bytes.count
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    _ = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        sendto(
          descriptor, assignment, assignment.utf8.count, Int32(MSG_NOSIGNAL), address,
          socklen_t(length))
      }
    }
  }

  /// Notifies systemd's watchdog, if there is one, for as long as the service answers on its socket. An answer
  /// with an error counts too, because a restart does not help against a full disk.
  ///
  /// - Throws: `POSIX.Thread.StartError`.
  static func notifyWatchdog(whileAnsweringAt socket: String?) throws {
    // sd_watchdog_enabled(3).
    guard let interval = environment("WATCHDOG_USEC").flatMap({ Double($0) }), interval > 0,
      environment("WATCHDOG_PID").map({ $0 == "\(getpid())" }) ?? true, let socket
    else { return }
    try POSIX.Thread(name: "watchdog") {
      let pause = interval / 1_000_000 / 3
      while true {
        let answer = try? Client.get(
          "/api/health", from: socket, requestID: "watchdog", timeout: .seconds(pause))
        if answer != nil { notify("WATCHDOG=1") }
        Foundation.Thread.sleep(forTimeInterval: pause)
      }
    }.detach()
  }
}
