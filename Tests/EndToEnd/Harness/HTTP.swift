import Foundation
import Glibc
import Testing

/// A stream socket's client end.
final class Connection {
  private let descriptor: Int32
  private var unread: [UInt8] = []

  /// Connects to a port of 127.0.0.1.
  ///
  /// - Parameter patience: Seconds after which waiting for the other end fails.
  init(port: Int, patience: Int = 40) throws {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
    descriptor = try Connection.open(AF_INET, &address, patience)
  }

  /// Connects to a Unix domain socket.
  init(path: String, patience: Int = 40) throws {
    var address = try unixAddress(path)
    descriptor = try Connection.open(AF_UNIX, &address, patience)
  }

  private static func open<Address>(
    _ domain: Int32, _ address: inout Address, _ patience: Int
  ) throws -> Int32 {
    let descriptor = socket(domain, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw Trouble.system("socket") }
    var time = timeval(tv_sec: patience, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }
    guard connect(descriptor, to: &address) == 0 else {
      let trouble = Trouble.system("connect")
      close(descriptor)
      throw trouble
    }
    return descriptor
  }

  private static func connect<Address>(_ descriptor: Int32, to address: inout Address) -> Int32 {
    withUnsafeBytes(of: &address) {
      Glibc.connect(
        descriptor, $0.assumingMemoryBound(to: sockaddr.self).baseAddress!, socklen_t($0.count))
    }
  }

  deinit { close(descriptor) }

  /// Sends all of it.
  func send(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw Trouble.system("send") }
      rest = rest.dropFirst(count)
    }
  }

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  /// Takes in what has come.
  ///
  /// - Returns: Whether there may be more; not once the other end has closed.
  private func fill() throws -> Bool {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    guard count >= 0 else { throw Trouble.system("receive") }
    unread += buffer[..<count]
    return count > 0
  }

  /// The next bytes, exactly so many.
  func receive(_ count: Int) throws -> [UInt8] {
    while unread.count < count {
      guard try fill() else { throw Trouble("the other end closed in the middle of an answer") }
    }
    defer { unread.removeFirst(count) }
    return Array(unread[..<count])
  }

  /// Everything until the other end closes.
  func receiveAll() throws -> [UInt8] {
    while try fill() {}
    defer { unread = [] }
    return unread
  }

  /// The next line, without its end.
  func receiveLine() throws -> String {
    while true {
      if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
        let line = unread[..<end]
        unread.removeFirst(end + 1)
        return String(
          decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
      }
      guard try fill() else { throw Trouble("the other end closed before an answer") }
    }
  }

  /// The next HTTP answer.
  ///
  /// - Parameter method: What it answers: an answer to `HEAD` has no body.
  func receiveAnswer(to method: String = "GET") throws -> Answer {
    let status = try receiveLine()
    let words = status.split(separator: " ", maxSplits: 2)
    guard words.count >= 2, words[0] == "HTTP/1.1", let code = Int(words[1]) else {
      throw Trouble("not a status line: \(status)")
    }
    var answer = Answer(status: code)
    while true {
      let line = try receiveLine()
      guard !line.isEmpty else { break }
      guard let colon = line.firstIndex(of: ":") else { throw Trouble("not a header: \(line)") }
      answer.headers.append(
        (
          String(line[..<colon]).lowercased(),
          line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        ))
    }
    if method == "HEAD" || code == 204 || code == 304 {
      return answer
    } else if answer["transfer-encoding"] == "chunked" {
      while let size = Int(try receiveLine(), radix: 16), size > 0 {
        answer.body += try receive(size)
        _ = try receiveLine()
      }
      _ = try receiveLine()
    } else if let length = answer["content-length"].flatMap({ Int($0) }) {
      answer.body = try receive(length)
    } else {
      answer.body = try receiveAll()
    }
    return answer
  }
}

/// A Unix domain socket's address.
func unixAddress(_ path: String) throws -> sockaddr_un {
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  let bytes = Array(path.utf8)
  guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
    throw Trouble("the path \(path) is too long for a socket")
  }
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
  return address
}

/// An HTTP answer.
struct Answer: Sendable {
  let status: Int
  /// In lower case, in the order in which they came.
  var headers: [(name: String, value: String)] = []
  var body: [UInt8] = []
  /// What it answers, such as `GET /api/health`.
  var request = ""

  init(status: Int) { self.status = status }

  func values(_ name: String) -> [String] {
    headers.filter { $0.name == name.lowercased() }.map(\.value)
  }

  /// A header's value; nil if it is missing or there are several.
  subscript(name: String) -> String? {
    let values = values(name)
    return values.count == 1 ? values[0] : nil
  }

  /// A header's value, which must be there.
  func require(_ name: String) throws -> String {
    guard let value = self[name] else { throw Trouble("\(request) answered without \(name)") }
    return value
  }

  var text: String { String(decoding: body, as: UTF8.self) }

  var json: JSON {
    get throws {
      do {
        return try JSON(parsing: body)
      } catch {
        throw Trouble("\(request) answered \(status) with what is not JSON: \(text)")
      }
    }
  }

  // These throw, rather than record an issue, since a thread of a test's own belongs to no test.

  /// Goes on only if the answer is as it should be.
  func check(
    _ isRight: @autoclosure () throws -> Bool, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    guard try isRight() else {
      let head = headers.map { "\($0.name): \($0.value)" }.joined(separator: "; ")
      throw Trouble(
        "\(sourceLocation.fileName):\(sourceLocation.line): \(request) answered \(status) \(text) [\(head)]"
      )
    }
  }

  /// Goes on only if the status is this one, and every answer's common headers are there once.
  @discardableResult
  func expect(
    _ status: Int, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Answer {
    try check(self.status == status, sourceLocation: sourceLocation)
    try check(
      self["x-request-id"]?.wholeMatch(of: /[0-9a-f]{32}/) != nil
        && self["x-content-type-options"] == "nosniff", sourceLocation: sourceLocation)
    return self
  }

  /// Goes on only if this is a problem of this kind, whole and in the contract's form (RFC 9457).
  ///
  /// - Parameter instance: The path that it should name.
  @discardableResult
  func expectProblem(
    _ status: Int, _ code: String, instance: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> JSON {
    try expect(status, sourceLocation: sourceLocation)
    let problem = try json
    let whole: JSON = [
      "type": .string("/problems/" + code.replacing("_", with: "-")), "code": .string(code),
      "status": .number(Double(status)), "request_id": .string(self["x-request-id"] ?? ""),
      "instance": instance.map { .string($0) } ?? problem["instance"],
    ]
    try check(problem.merging(whole) == problem, sourceLocation: sourceLocation)
    try check(
      !problem["title"].text.isEmpty && !problem["detail"].text.isEmpty
        && problem["instance"].text.hasPrefix("/") && !problem["instance"].text.contains("?"),
      sourceLocation: sourceLocation)
    try check(
      self["content-type"] == "application/problem+json" && self["cache-control"] == "no-store",
      sourceLocation: sourceLocation)
    return problem
  }
}

/// A caller of the service, on one connection for as long as that is kept.
final class Client {
  let port: Int
  var token: String?
  private var connection: Connection?

  init(port: Int, token: String? = nil) {
    self.port = port
    self.token = token
  }

  /// Sends a request and receives its answer.
  ///
  /// - Parameter headers: Added to `Host`, `Content-Length`, and where they apply `Content-Type`
  ///   and `Authorization`, which they replace.
  @discardableResult
  func send(
    _ method: String, _ target: String, _ json: JSON? = nil, body: [UInt8]? = nil,
    headers: [String: String] = [:]
  ) throws -> Answer {
    let body = try body ?? json?.bytes
    var all = ["Host": "127.0.0.1"]
    if let token { all["Authorization"] = "Bearer \(token)" }
    if let body {
      all["Content-Type"] = "application/json"
      all["Content-Length"] = "\(body.count)"
    }
    all.merge(headers) { $1 }
    let head =
      "\(method) \(target) HTTP/1.1\r\n"
      + all.map { "\($0.key): \($0.value)\r\n" }.joined() + "\r\n"
    let connection = try self.connection ?? Connection(port: port)
    self.connection = nil
    try connection.send(Array(head.utf8) + (body ?? []))
    var answer = try connection.receiveAnswer(to: method)
    answer.request = "\(method) \(target)"
    if answer["connection"] != "close" { self.connection = connection }
    return answer
  }

  func get(_ target: String, headers: [String: String] = [:]) throws -> Answer {
    try send("GET", target, headers: headers)
  }

  func put(_ target: String, _ json: JSON, headers: [String: String] = [:]) throws -> Answer {
    try send("PUT", target, json, headers: headers)
  }

  func post(_ target: String, _ json: JSON, headers: [String: String] = [:]) throws -> Answer {
    try send("POST", target, json, headers: headers)
  }

  /// Every item of a list, page by page along its `Link` headers.
  func all(_ target: String) throws -> [JSON] {
    var items: [JSON] = []
    var next: String? = target
    while let target = next {
      let answer = try get(target).expect(200)
      let page = try answer.json
      items += page["data"].elements
      next = answer["link"]?.wholeMatch(of: /<(\/.+)>; rel="next"/).map { String($0.1) }
      try #require((next != nil) == (page["has_more"] == true), "\(answer.headers)")
    }
    return items
  }
}
