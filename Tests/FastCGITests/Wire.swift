import Foundation
import Glibc

/// FastCGI records written by hand from the specification (1.0 §3.3, §8), so that the tests do not
/// share the code they test.
enum Wire {
  static let begin: UInt8 = 1
  static let abort: UInt8 = 2
  static let end: UInt8 = 3
  static let params: UInt8 = 4
  static let stdin: UInt8 = 5
  static let stdout: UInt8 = 6
  static let stderr: UInt8 = 7
  static let data: UInt8 = 8
  static let getValues: UInt8 = 9
  static let getValuesResult: UInt8 = 10
  static let unknownType: UInt8 = 11

  static func record(
    _ type: UInt8, id: Int = 1, _ content: [UInt8] = [], padding: Int = 0, version: UInt8 = 1
  ) -> [UInt8] {
    [
      version, type, UInt8(id >> 8), UInt8(id & 255), UInt8(content.count >> 8),
      UInt8(content.count & 255), UInt8(padding), 0,
    ] + content + [UInt8](repeating: 0xEE, count: padding)
  }

  static func begin(id: Int = 1, role: Int = 1, keep: Bool = true) -> [UInt8] {
    record(begin, id: id, [UInt8(role >> 8), UInt8(role & 255), keep ? 1 : 0, 0, 0, 0, 0, 0])
  }

  static func length(_ count: Int, long: Bool = false) -> [UInt8] {
    count < 128 && !long
      ? [UInt8(count)]
      : [
        UInt8(count >> 24 | 128), UInt8(count >> 16 & 255), UInt8(count >> 8 & 255),
        UInt8(count & 255),
      ]
  }

  static func pair(_ name: String, _ value: String) -> [UInt8] {
    length(name.utf8.count) + length(value.utf8.count) + Array(name.utf8) + Array(value.utf8)
  }

  static func pairs(_ parameters: [(String, String)]) -> [UInt8] {
    parameters.flatMap { pair($0.0, $0.1) }
  }

  /// A stream cut into records of at most `size` bytes, and its end; all of them padded.
  static func stream(
    _ type: UInt8, id: Int = 1, _ content: [UInt8], size: Int = 65_535, padding: Int = 0
  ) -> [UInt8] {
    stride(from: 0, to: content.count, by: size).flatMap {
      record(type, id: id, Array(content[$0..<min($0 + size, content.count)]), padding: padding)
    } + record(type, id: id, padding: padding)
  }

  /// A whole request. `CONTENT_LENGTH` is added unless it is among the parameters.
  static func request(
    _ parameters: [(String, String)] = [("REQUEST_METHOD", "GET")], body: [UInt8] = [],
    id: Int = 1, keep: Bool = true, size: Int = 65_535, padding: Int = 0
  ) -> [UInt8] {
    let hasLength = parameters.contains { $0.0 == "CONTENT_LENGTH" }
    let all = parameters + (hasLength ? [] : [("CONTENT_LENGTH", "\(body.count)")])
    return begin(id: id, keep: keep)
      + stream(params, id: id, pairs(all), size: size, padding: padding)
      + stream(stdin, id: id, body, size: size, padding: padding)
  }
}

struct WireError: Error, CustomStringConvertible {
  let description: String
}

/// The address of a port of this machine; 0 for any that is free.
func loopback(port: in_port_t) -> sockaddr_in {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port
  address.sin_addr = in_addr(s_addr: in_addr_t(0x7F00_0001).bigEndian)
  return address
}

/// The web server's end of a connection.
final class Peer: @unchecked Sendable {
  struct Record: Equatable {
    let type: UInt8
    let id: Int
    let content: [UInt8]
  }

  /// What came for one request.
  struct Answer {
    var head = ""
    var body: [UInt8] = []
    var protocolStatus = -1
    var others: [Record] = []
    var text: String { String(decoding: body, as: UTF8.self) }
  }

  let descriptor: Int32
  private var unread: [UInt8] = []

  /// Not connected yet. Each wait fails after `patience` seconds.
  init(patience: Int = 15, domain: Int32 = AF_UNIX) {
    // Not for the processes that other tests start meanwhile: they would keep it open.
    descriptor = socket(domain, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var time = timeval(tv_sec: patience, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, size)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, size)
  }

  convenience init(_ path: String, patience: Int = 15) throws {
    self.init(patience: patience)
    try connect(to: path)
  }

  func connect(to path: String) throws {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard connected == 0 else {
      throw WireError(description: "connect: \(String(cString: strerror(errno)))")
    }
  }

  /// Connects to a port of this machine, given as the socket calls take it.
  convenience init(port: in_port_t) throws {
    self.init(domain: AF_INET)
    var address = loopback(port: port)
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard connected == 0 else {
      throw WireError(description: "connect: \(String(cString: strerror(errno)))")
    }
  }

  deinit {
    close(descriptor)
  }

  /// Sends all, and says whether that succeeded.
  @discardableResult
  func send(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count < 0, errno == EINTR { continue }
      if count <= 0 { return false }
      sent += count
    }
    return true
  }

  func endSending() {
    shutdown(descriptor, Int32(SHUT_WR))
  }

  /// The next record, or nil at the connection's end.
  func record() throws -> Record? {
    while true {
      if unread.count >= 8 {
        let length = Int(unread[4]) << 8 | Int(unread[5])
        let whole = 8 + length + Int(unread[6])
        if unread.count >= whole {
          guard unread[0] == 1 else { throw WireError(description: "version \(unread[0])") }
          defer { unread.removeFirst(whole) }
          return Record(
            type: unread[1], id: Int(unread[2]) << 8 | Int(unread[3]),
            content: Array(unread[8..<8 + length]))
        }
      }
      var buffer = [UInt8](repeating: 0, count: 65_536)
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count == 0 || (count < 0 && errno == ECONNRESET) {
        guard unread.isEmpty else { throw WireError(description: "half a record") }
        return nil
      }
      // A process that was stopped and goes on, as a machine under load may do, interrupts a wait that has
      // a limit, without any signal handler (signal(7)).
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw WireError(description: "no answer: \(String(cString: strerror(errno)))")
      }
      unread += buffer[..<count]
    }
  }

  /// The answer to request `id`, to its end.
  func answer(id: Int = 1) throws -> Answer {
    var answer = Answer()
    var output: [UInt8] = []
    while let record = try record() {
      if record.id == id, record.type == Wire.stdout {
        output += record.content
      } else if record.id == id, record.type == Wire.end {
        answer.protocolStatus = Int(record.content[4])
        let text = Data(output)
        guard let gap = text.range(of: Data("\r\n\r\n".utf8)) else {
          answer.body = output
          return answer
        }
        answer.head = String(decoding: text[..<gap.upperBound], as: UTF8.self)
        answer.body = Array(text[gap.upperBound...])
        return answer
      } else {
        answer.others.append(record)
      }
    }
    throw WireError(description: "closed without an answer")
  }

  /// Whether something has come, or the end, that nobody has read yet.
  func hasUnread(within seconds: Double) -> Bool {
    if !unread.isEmpty { return true }
    var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return Glibc.poll(&poll, 1, Int32(seconds * 1000)) == 1
  }

  /// Whether the other end asks to be let go, by an empty record that belongs to no answer, and closes
  /// then.
  func isDismissed(id: Int = 1) throws -> Bool {
    let asking = Record(type: Wire.stderr, id: id, content: [])
    guard try record() == asking else { return false }
    while let record = try record() {
      if record != asking { return false }
    }
    return true
  }

  /// Whether the other end closes in time, whatever it sends until then. A connection that is closed for
  /// what the peer sent may end within a record.
  func isClosedAfterAll() -> Bool {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count > 0 || (count < 0 && errno == EINTR) { continue }
      return count == 0 || errno == ECONNRESET
    }
  }

  /// Whether the other end closes, without sending anything more.
  func isClosed() throws -> Bool {
    try record() == nil
  }
}
