/// An answer, in the terms of CGI (RFC 3875 §6).
package struct Response: Sendable {
  /// The HTTP status.
  package var status: Int
  /// The headers in the order they are sent. `Content-Length` is the caller's to give.
  ///
  /// Line breaks and NUL within a value are sent as spaces, and a header whose name is not a token
  /// (RFC 9110 §5.6.2) is not sent, so that no header can begin another or end the head.
  package var headers: [(name: String, value: String)]
  /// The body's bytes.
  package var body: [UInt8]

  /// An answer of these parts.
  package init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// The value of the first header of that name, whatever its case, or nil.
  package subscript(header name: String) -> String? {
    headers.first { $0.name.lowercased() == name.lowercased() }?.value
  }

  /// Appends the head as CGI has it: `Status`, the headers, and the empty line.
  func appendHead(to bytes: inout [UInt8]) {
    // nginx passes the status on as it stands; without a phrase its status line would lack the
    // space that RFC 9112 §4 asks for.
    for part in ["Status: ", String(status), " ", Self.phrase(for: status), "\r\n"] {
      bytes.append(contentsOf: part.utf8)
    }
    for (name, value) in headers where Self.isToken(name) {
      bytes.append(contentsOf: name.utf8)
      bytes.append(UInt8(ascii: ":"))
      bytes.append(UInt8(ascii: " "))
      let start = bytes.count
      bytes.append(contentsOf: value.utf8)
      for index in start..<bytes.count {
        let byte = bytes[index]
        if byte == 0x0D || byte == 0x0A || byte == 0 { bytes[index] = UInt8(ascii: " ") }
      }
      bytes.append(0x0D)
      bytes.append(0x0A)
    }
    bytes.append(0x0D)
    bytes.append(0x0A)
  }

  private static func isToken(_ name: String) -> Bool {
    !name.isEmpty
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
          return true
        default:
          return "!#$%&'*+.^_`|~".utf8.contains(byte)
        }
      }
  }

  /// The reason phrase of RFC 9110 §15, RFC 6585 and, for a status that they do not name, of its
  /// class.
  private static func phrase(for status: Int) -> String {
    switch status {
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 204: "No Content"
    case 301: "Moved Permanently"
    case 302: "Found"
    case 303: "See Other"
    case 304: "Not Modified"
    case 307: "Temporary Redirect"
    case 308: "Permanent Redirect"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 406: "Not Acceptable"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 410: "Gone"
    case 411: "Length Required"
    case 412: "Precondition Failed"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 422: "Unprocessable Content"
    case 428: "Precondition Required"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 300...399: "Redirection"
    case 400...499: "Client Error"
    case 500...599: "Server Error"
    default: "Success"
    }
  }
}
