import Domain
import HTTPTypes
import JSON

/// A request, read to its end.
package struct Request: Sendable {
  /// The method as it was sent, such as `GET`.
  package var method: String
  /// The request target's path and query as they were sent, before any decoding.
  package var target: String
  /// The header fields that the service uses, with repetitions.
  package var headers: HTTPFields
  /// The body; nil if it was over the limit.
  package var body: [UInt8]?
  /// The web server's ID of the request, for logs and problems.
  package var id: String

  package init(
    method: String, target: String, headers: HTTPFields = [:], body: [UInt8]? = [], id: String
  ) {
    self.method = method
    self.target = target
    self.headers = headers
    self.body = body
    self.id = id
  }
}

extension Request {
  /// The value of a header; nil if it was not sent.
  ///
  /// - Parameter isList: Whether several fields are one list (RFC 9110, section 5.3).
  /// - Throws: `Failure.invalidParameter` if it is repeated but not a list, or not in the stream-safe format.
  func header(_ name: HTTPField.Name, isList: Bool = false) throws -> String? {
    let values = headers[values: name]
    guard let first = values.first else { return nil }
    func refuse(_ code: FieldCode, _ detail: String) -> Failure {
      .invalidParameter([FieldError(.header(name.rawName), code, detail)])
    }
    guard values.count == 1 || isList else {
      throw refuse(.repeatedParameter, "This header can be sent only once.")
    }
    let value = values.count == 1 ? first : values.joined(separator: ", ")
    guard isStreamSafe(value) else {
      throw refuse(.invalidFormat, "Must not have more than 30 combining marks in a row.")
    }
    return value
  }
}

/// A response to send.
package struct Response: Sendable {
  package var status: HTTPResponse.Status
  package var headers: HTTPFields
  package var body: [UInt8]

  package init(status: HTTPResponse.Status, headers: HTTPFields = [:], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }
}

extension HTTPField.Name {
  static let idempotencyKey = HTTPField.Name("Idempotency-Key")!
  static let idempotentReplayed = HTTPField.Name("Idempotent-Replayed")!
  static let link = HTTPField.Name("Link")!

  /// The request headers that the service uses.
  package static let ofRequests: [HTTPField.Name] = [
    .authorization, .contentEncoding, .contentType, .ifMatch, .ifNoneMatch, .idempotencyKey,
    .origin,
    .accessControlRequestMethod,
  ]
}

extension HTTPFields {
  /// Adds a field that does not exist yet.
  mutating func add(_ name: HTTPField.Name, _ value: String) {
    append(HTTPField(name: name, value: value))
  }
}

/// The result of a handler.
struct Answer: Sendable {
  var status: HTTPResponse.Status = .ok
  var contentType = "application/json"
  var body: [UInt8] = []
  var etag: String?
  var location: String?
  /// The next page's address, for the `Link` header.
  var next: String?
  /// Whether this is the stored answer to an earlier request with the same idempotency key.
  var isReplay = false

  /// A single resource as JSON, with its version.
  static func resource(_ body: [UInt8]) -> Answer { Answer(body: body, etag: ETag.of(body)) }

  /// The answer for a new resource.
  func created(at location: String) -> Answer {
    var answer = self
    answer.status = .created
    answer.location = location
    return answer
  }

  /// The answer where nothing may show what was done.
  static let accepted = Answer(status: .accepted)

  static let noContent = Answer(status: .noContent)
}
