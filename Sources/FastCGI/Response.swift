import CFastCGI
import HTTPTypes

/// An answer, in the terms of CGI (RFC 3875 §6).
package struct Response: Sendable {
  /// The HTTP status.
  package var status: HTTPResponse.Status
  /// The headers, in the order in which they are sent. The caller adds `Content-Length`.
  ///
  /// HTTPTypes makes sure that a name is a token (RFC 9110 §5.6.2), and that a value has no line break and
  /// no NUL. So no header can begin another or end the head.
  package var headers: HTTPFields
  /// The body's bytes.
  package var body: [UInt8]

  /// An answer of these parts.
  package init(
    status: HTTPResponse.Status, headers: HTTPFields = [:], body: [UInt8] = []
  ) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// Appends the records that answer a request and end it.
  ///
  /// - Parameter head: Scratch space for the head.
  func appendRecords(requestID: UInt16, to bytes: inout [UInt8], head: inout [UInt8]) {
    head.removeAll(keepingCapacity: true)
    appendHead(to: &head)
    bytes.appendStreamPart(type: FCGI_STDOUT, requestID: requestID, content: head)
    bytes.appendStreamPart(type: FCGI_STDOUT, requestID: requestID, content: body)
    bytes.appendStreamEnd(type: FCGI_STDOUT, requestID: requestID)
    bytes.appendEnd(requestID: requestID, protocolStatus: FCGI_REQUEST_COMPLETE)
  }

  /// Appends the head in CGI's form: `Status`, the headers, and the empty line.
  func appendHead(to bytes: inout [UInt8]) {
    // nginx cuts a space at the end of the value. So without a phrase, its status line would lack the
    // space that RFC 9112 §4 demands.
    let phrase = status.reasonPhrase.isEmpty ? "Unknown" : status.reasonPhrase
    bytes.append(contentsOf: "Status: ".utf8)
    bytes.append(contentsOf: String(status.code).utf8)
    bytes.append(UInt8(ascii: " "))
    bytes.append(contentsOf: phrase.utf8)
    bytes.append(contentsOf: "\r\n".utf8)
    for field in headers {
      bytes.append(contentsOf: field.name.rawName.utf8)
      bytes.append(contentsOf: ": ".utf8)
      field.withUnsafeBytesOfValue { bytes.append(contentsOf: $0) }
      bytes.append(contentsOf: "\r\n".utf8)
    }
    bytes.append(contentsOf: "\r\n".utf8)
  }
}
