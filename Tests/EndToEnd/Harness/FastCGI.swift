/// Requests straight to the responder, in records written by hand from FastCGI's specification
/// (1.0, §3.3, §5 and §8).
enum FastCGI {
  static func record(_ type: UInt8, _ content: [UInt8]) -> [UInt8] {
    [1, type, 0, 1, UInt8(content.count >> 8), UInt8(content.count & 255), 0, 0] + content
  }

  private static func length(_ count: Int) -> [UInt8] {
    count < 128
      ? [UInt8(count)]
      : [
        UInt8(count >> 24 | 128), UInt8(count >> 16 & 255), UInt8(count >> 8 & 255),
        UInt8(count & 255),
      ]
  }

  /// A whole request, as nginx sends one; the connection is kept after it.
  static func request(
    _ method: String, _ target: String, token: String? = nil, _ json: JSON? = nil
  ) throws -> [UInt8] {
    let body = try json?.bytes ?? []
    var parameters = [
      ("REQUEST_METHOD", method), ("REQUEST_URI", target), ("REQUEST_ID", "straight"),
      ("CONTENT_LENGTH", "\(body.count)"),
    ]
    if json != nil { parameters.append(("CONTENT_TYPE", "application/json")) }
    if let token { parameters.append(("HTTP_AUTHORIZATION", "Bearer \(token)")) }
    let pairs = parameters.flatMap { name, value in
      length(name.utf8.count) + length(value.utf8.count) + Array(name.utf8) + Array(value.utf8)
    }
    return record(1, [0, 1, 1, 0, 0, 0, 0, 0]) + record(4, pairs) + record(4, [])
      + (body.isEmpty ? [] : record(5, body)) + record(5, [])
  }
}

extension Connection {
  /// The next FastCGI answer, its status taken from the CGI header (RFC 3875, section 6.3.3).
  func receiveFastCGIAnswer() throws -> Answer {
    var output: [UInt8] = []
    while true {
      let head = try receive(8)
      let content = try receive(Int(head[4]) << 8 | Int(head[5]))
      _ = try receive(Int(head[6]))
      if head[1] == 6 { output += content }
      if head[1] == 3 { break }
    }
    let text = String(decoding: output, as: UTF8.self)
    guard let end = text.range(of: "\r\n\r\n"),
      let status = text[..<end.lowerBound].firstMatch(of: /(?m)^Status: (\d{3})/)
    else { throw Trouble("not a CGI answer: \(text)") }
    var answer = Answer(status: Int(status.1)!)
    answer.body = Array(text[end.upperBound...].utf8)
    return answer
  }
}
