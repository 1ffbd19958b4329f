import HTTPTypes
import JSON

/// The origins whose pages may call the service (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol).
struct Origins: Sendable {
  let allowed: [String]

  private static let requestHeaders =
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match"
  private static let exposedHeaders =
    "ETag, Location, Link, Retry-After, X-Request-Id, Idempotent-Replayed"

  /// Adds the headers that let a page of an allowed origin read the answer.
  func mark(_ response: inout Response, for request: Request) {
    // Every answer has it, so that a cache does not give one origin's answer to another.
    response.headers.add(.vary, "Origin")
    guard let origin = allowedOrigin(of: request) else { return }
    response.headers[.accessControlAllowOrigin] = origin
    response.headers[.accessControlExposeHeaders] = Origins.exposedHeaders
  }

  /// The request's origin, if it is allowed.
  private func allowedOrigin(of request: Request) -> String? {
    guard let origin = request.headers[.origin] else { return nil }
    return allowed.first { $0.isSame(as: origin) }
  }

  /// Answers `OPTIONS`, whether or not it is a preflight.
  func preflight(_ request: Request, allowed methods: [String]) -> Response {
    var response = Response(status: .noContent)
    response.headers[.allow] = methods.joined(separator: ", ")
    response.headers[.cacheControl] = "no-store"
    guard allowedOrigin(of: request) != nil else { return response }
    response.headers[.accessControlAllowMethods] = methods.joined(separator: ", ")
    response.headers[.accessControlAllowHeaders] = Origins.requestHeaders
    response.headers[.accessControlMaxAge] = "7200"
    return response
  }
}
