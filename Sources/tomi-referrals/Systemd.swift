import FastCGI
import Foundation
import Glibc
import POSIX

/// What the service tells systemd of itself, where that has started it (sd_notify(3)).
enum Systemd {
  private static var environment: [String: String] { ProcessInfo.processInfo.environment }

  /// Sends an assignment such as `READY=1`. Nothing happens where nobody asked for it, and a word that
  /// does not arrive is systemd's to miss.
  static func notify(_ assignment: String) {
    guard let path = environment["NOTIFY_SOCKET"], let first = path.utf8.first,
      first == UInt8(ascii: "/") || first == UInt8(ascii: "@")
    else { return }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
    // An abstract socket, unix(7).
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

  /// Tells the watchdog, where one watches, that the responder answers on its socket; for as long as it
  /// does. Any answer counts: a restart cures no full disk.
  ///
  /// - Throws: `POSIX.Thread.StartError`.
  static func keepWatchdogQuiet(askingAt socket: String?) throws {
    // sd_watchdog_enabled(3).
    guard let interval = environment["WATCHDOG_USEC"].flatMap({ Double($0) }), interval > 0,
      environment["WATCHDOG_PID"].map({ $0 == "\(getpid())" }) ?? true, let socket
    else { return }
    try POSIX.Thread(name: "watchdog") {
      let pause = interval / 1_000_000 / 3
      while true {
        let answer = try? Client.send(
          to: socket,
          parameters: [
            ("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/api/health"), ("REQUEST_ID", "watchdog"),
          ], timeout: .seconds(pause))
        if answer != nil { notify("WATCHDOG=1") }
        Foundation.Thread.sleep(forTimeInterval: pause)
      }
    }.detach()
  }
}
