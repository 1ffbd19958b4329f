import CFastCGI
import Glibc
import HTTPTypes
import POSIX

/// A small FastCGI client. It sends a request as a web server does, and waits for the answer.
package enum Client {
  private static let longestAnswer = 64 << 20

  /// Sends one request on a new connection.
  ///
  /// - Parameters:
  ///   - path: The responder's socket.
  ///   - parameters: CGI variables, `CONTENT_LENGTH` among them if the request has a body.
  ///   - body: The request's body.
  ///   - timeout: The limit for all of it, from connecting to the end of the answer.
  /// - Returns: The answer. Its status is 200 if the responder does not name one (RFC 3875 §6.3.3).
  /// - Throws: `FastCGIError` if there is no answer in FastCGI in time.
  package static func send(
    to path: String, parameters: [(String, String)], body: [UInt8] = [],
    timeout: Duration = .seconds(5)
  ) throws -> Response {
    let deadline = MonotonicInstant.now + timeout
    let connection = try connect(to: path, before: deadline)
    defer { close(connection) }
    var pairs: [UInt8] = []
    for (name, value) in parameters { pairs.appendPair(name.utf8, value.utf8) }
    var request: [UInt8] = []
    request.appendRecord(
      type: FCGI_BEGIN_REQUEST, requestID: 1, content: [0, UInt8(FCGI_RESPONDER), 0, 0, 0, 0, 0, 0])
    for (type, content) in [(FCGI_PARAMS, pairs), (FCGI_STDIN, body)] {
      request.appendStreamPart(type: type, requestID: 1, content: content)
      request.appendStreamEnd(type: type, requestID: 1)
    }
    try write(request, to: connection, path: path, before: deadline)
    return try parse(try readAnswer(from: connection, path: path, before: deadline))
  }

  private static func connect(to path: String, before deadline: MonotonicInstant) throws -> Int32 {
    let address = try SocketAddress(path: path)
    let connection = try SocketAddress.makeSocket()
    while address.withPointer({ Glibc.connect(connection, $0, $1) }) != 0 {
      // EAGAIN means a full backlog. Unlike an Internet socket, this one cannot be polled for room in it.
      guard errno == EAGAIN || errno == EINTR, MonotonicInstant.now < deadline else {
        let error = FastCGIError.system("cannot connect to \(path)")
        close(connection)
        throw error
      }
      usleep(5000)
    }
    return connection
  }

  private static func wait(
    for events: Int32, on connection: Int32, path: String, before deadline: MonotonicInstant
  ) throws {
    var entry = pollfd(fd: connection, events: Int16(events), revents: 0)
    while true {
      let remaining = (deadline - .now).milliseconds
      guard remaining > 0 else { throw FastCGIError("no answer in time on \(path)") }
      let count = poll(&entry, 1, Int32(clamping: remaining))
      if count > 0 { return }
      if count < 0, errno != EINTR { throw FastCGIError.system("cannot wait for \(path)") }
    }
  }

  private static func write(
    _ bytes: [UInt8], to connection: Int32, path: String, before deadline: MonotonicInstant
  ) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes {
        Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if errno == EAGAIN || errno == EINTR {
        try wait(for: POLLOUT, on: connection, path: path, before: deadline)
      } else {
        throw FastCGIError.system("cannot send to \(path)")
      }
    }
  }

  /// Reads the standard output until the end of the request.
  private static func readAnswer(
    from connection: Int32, path: String, before deadline: MonotonicInstant
  ) throws -> [UInt8] {
    var answer: [UInt8] = []
    var unread: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = recv(connection, &buffer, buffer.count, 0)
      if count < 0, errno == EAGAIN || errno == EINTR {
        try wait(for: POLLIN, on: connection, path: path, before: deadline)
        continue
      }
      guard count >= 0 else { throw FastCGIError.system("cannot read from \(path)") }
      guard count > 0 else { throw FastCGIError("\(path) closed the connection without an answer") }
      unread.append(contentsOf: buffer[..<count])
      var offset = 0
      while unread.count - offset >= RecordHeader.size {
        let header = unread.withUnsafeBytes { RecordHeader($0, at: offset) }
        guard header.version == UInt8(FCGI_VERSION_1) else {
          throw FastCGIError("\(path) does not answer in FastCGI")
        }
        guard unread.count - offset >= header.recordLength else { break }
        let start = offset + RecordHeader.size
        let content = unread[start..<start + header.contentLength]
        offset += header.recordLength
        if header.type == FCGI_STDOUT { answer += content }
        guard answer.count <= longestAnswer else {
          throw FastCGIError("the answer on \(path) is too long")
        }
        guard header.type == FCGI_END_REQUEST else { continue }
        guard content.count == 8, content[start + 4] == UInt8(FCGI_REQUEST_COMPLETE) else {
          throw FastCGIError("\(path) did not take the request")
        }
        return answer
      }
      unread.removeFirst(offset)
    }
  }

  /// Reads an answer in CGI's form (RFC 3875 §6): header lines, an empty line, the body.
  static func parse(_ answer: [UInt8]) throws -> Response {
    var response = Response(status: .ok)
    var rest = answer[...]
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
      var line = rest[..<end]
      rest = rest[(end + 1)...]
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      if line.isEmpty {
        response.body = Array(rest)
        return response
      }
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { break }
      let name = String(decoding: line[..<colon], as: UTF8.self)
      let value = line[(colon + 1)...].drop { $0 == UInt8(ascii: " ") }
      if name.lowercased() == "status" {
        let text = String(decoding: value, as: UTF8.self)
        guard let code = Int(text.prefix(3)), (100...999).contains(code) else { break }
        response.status = .init(code: code, reasonPhrase: String(text.dropFirst(4)))
      } else {
        guard let name = HTTPField.Name(name) else { break }
        response.headers.append(HTTPField(name: name, value: value))
      }
    }
    throw FastCGIError("the answer has no CGI head")
  }
}
