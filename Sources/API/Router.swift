import Crypto
import Domain
import HTTPTypes
import JSON
import Logging
import Store

/// Answers requests. It finds the route, authenticates the caller, makes the checks that all routes share,
/// opens the transaction, and turns the handler's result or error into a response.
package final class Router: Sendable {
  private let store: Store
  private let origins: Origins
  private let verifier: WebTokenVerifier?
  private let cipher: CursorCipher
  private let quotas: Quotas
  private let consent: ConsentPolicy
  private let slowAfter: Duration
  private let logger: Logger
  private let clock: @Sendable () -> Timestamp
  /// The patterns by the number of their segments. If several match a path, the first one counts.
  private let patterns: [Int: [Pattern]]
  /// The numbers of requests since the start.
  package let traffic: Traffic

  /// - Parameters:
  ///   - origins: The origins whose pages may call the service (CORS), such as `https://app.example`.
  ///   - verifier: Verifies the tokens of another sign-in. Without it, only the service's own are accepted.
  ///   - quotas: How much callers who are not staff may change in a day.
  ///   - consent: What members agree to before contact data is shared.
  ///   - slowAfter: Requests that take longer are logged.
  ///   - clock: The present time.
  package init(
    store: Store, origins: [String] = [], verifier: WebTokenVerifier? = nil,
    quotas: Quotas = Quotas(), consent: ConsentPolicy = ConsentPolicy(),
    slowAfter: Duration = .milliseconds(500),
    logger: Logger, clock: @escaping @Sendable () -> Timestamp
  ) {
    self.store = store
    self.origins = Origins(allowed: origins)
    self.verifier = verifier
    cipher = CursorCipher(key: store.cursorKey)
    self.quotas = quotas
    self.consent = consent
    self.slowAfter = slowAfter
    self.logger = logger
    self.clock = clock
    var patterns: [Pattern] = []
    for route in Route.all {
      if let index = patterns.firstIndex(where: { $0.text == route.pattern }) {
        patterns[index].routes.append(route)
      } else {
        patterns.append(Pattern(index: patterns.count, routes: [route]))
      }
    }
    self.patterns = Dictionary(grouping: patterns) { $0.routes[0].segments.count }
    traffic = Traffic(routes: patterns.map(\.text))
  }

  /// Answers a request. Any failure becomes a problem in the response.
  ///
  /// - Parameter reply: Called once. For a read it is called before this method returns; for a change, the
  ///   database's writer calls it when the change is on the disk. It must not block.
  package func respond(to request: Request, reply: @escaping @Sendable (Response) -> Void) {
    let start = ContinuousClock.now
    var trace = Trace()
    do {
      switch try begin(request, trace: &trace) {
      case .response(let response):
        finish(.success(response), to: request, trace, since: start, reply)
      case .change(let route, let caller, let change):
        store.write(now: clock(), actor: caller?.userID, change) { [trace] result in
          let response = result.map { self.response($0, to: request, route) }
          self.finish(response, to: request, trace, since: start, reply)
        }
      }
    } catch {
      finish(.failure(error), to: request, trace, since: start, reply)
    }
  }

  /// Completes a response, counts it, logs it and sends it.
  private func finish(
    _ result: Result<Response, any Error>, to request: Request, _ trace: Trace,
    since start: ContinuousClock.Instant, _ reply: (Response) -> Void
  ) {
    var trace = trace
    var response: Response
    switch result {
    case .success(let answer): response = answer
    case .failure(let error): response = problem(error, request: request, trace: &trace)
    }
    origins.mark(&response, for: request)
    if !response.status.hasNoBody {
      response.headers.add(.contentLength, String(response.body.count))
    }
    if request.method.isSame(as: "HEAD") { response.body = [] }
    let time = ContinuousClock.now - start
    traffic.count(
      route: trace.pattern?.index, method: request.method, status: response.status.code, took: time)
    log(request, response, trace, took: time)
    reply(response)
  }

  /// The routes of one pattern.
  private struct Pattern {
    /// Its index among all patterns.
    let index: Int
    var routes: [Route]

    var text: String { routes[0].pattern }
  }

  /// What the log says about a request.
  private struct Trace {
    var pattern: Pattern?
    var caller: Caller?
    /// The cause of a failure. The response does not show it.
    var cause: String?
  }

  /// The next step for a request.
  private enum Course {
    case response(Response)
    case change(Route, Caller?, @Sendable (Change) throws -> Answer)
  }

  /// Does everything for a request that does not need the writer.
  private func begin(_ request: Request, trace: inout Trace) throws -> Course {
    let target = Target(request.target)
    guard let segments = target.segments else { throw Failure.notFound }
    guard
      let pattern = patterns[segments.count]?.first(where: { $0.routes[0].fits(segments) })
    else { throw Failure.notFound }
    trace.pattern = pattern
    let method = request.method.isSame(as: "HEAD") ? "GET" : request.method
    guard let route = pattern.routes.first(where: { $0.method.rawValue.isSame(as: method) }) else {
      let allowed = Router.methods(pattern.routes)
      guard method.isSame(as: "OPTIONS") else { throw Failure.methodNotAllowed(allowed) }
      return .response(origins.preflight(request, allowed: allowed))
    }

    let now = clock()
    return try store.read(now: now) { snapshot in
      let caller = try authenticate(request, for: route, in: snapshot, verifier)
      trace.caller = caller
      let call = try Call(
        request, target, segments, route, caller, cipher: cipher, quotas: quotas,
        consent: consent, now: now)
      switch route.handler {
      case .read(let handler):
        try call.checkGroup(in: snapshot)
        return .response(response(try handler(call, snapshot), to: request, route))
      case .change(let handler):
        let plan = try handler(call)
        let change: @Sendable (Change) throws -> Answer = { change in
          try call.checkGroup(in: change)
          func perform() throws -> Answer {
            let answer = try plan.perform(change)
            try call.checkQuota(in: change)
            return answer
          }
          guard let caller, let key = call.idempotencyKey else { return try perform() }
          return try key.once(for: caller, in: change, perform)
        }
        // A mistake in the body is found before the change writes anything, so that this needs no writer.
        if plan.hasMistakes {
          try snapshot.rehearse(actor: caller?.userID) { _ = try change($0) }
        }
        return .change(route, caller, change)
      }
    }
  }

  /// The methods of a path for the `Allow` header.
  private static func methods(_ routes: [Route]) -> [String] {
    let own = Set(routes.map(\.method.rawValue))
    return ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"].filter {
      own.contains($0) || $0 == "OPTIONS" || ($0 == "HEAD" && own.contains("GET"))
    }
  }

  private func response(_ answer: Answer, to request: Request, _ route: Route) -> Response {
    var headers: HTTPFields = [:]
    switch (route.storable, route.audience) {
    case (false, _): headers.add(.cacheControl, "no-store")
    case (true, .anyone) where route.method != .get: headers.add(.cacheControl, "no-store")
    case (true, .anyone):
      headers.add(.cacheControl, "public, max-age=60, stale-while-revalidate=300")
    case (true, _): headers.add(.cacheControl, "private, no-cache")
    }
    if let etag = answer.etag { headers.add(.eTag, etag) }
    if let location = answer.location { headers.add(.location, location) }
    if let next = answer.next { headers.add(.link, "<" + next + ">; rel=\"next\"") }
    if answer.isReplay { headers.add(.idempotentReplayed, "true") }

    if route.method == .get, let etag = answer.etag,
      let known = request.headers[.ifNoneMatch], ETag.list(known, names: etag)
    {
      return Response(status: .notModified, headers: headers)
    }
    guard !answer.body.isEmpty else { return Response(status: answer.status, headers: headers) }
    headers.add(.contentType, answer.contentType)
    return Response(status: answer.status, headers: headers, body: answer.body)
  }

  private func problem(_ error: any Error, request: Request, trace: inout Trace) -> Response {
    var problem: Problem
    if let failure = error as? Failure {
      if case .unavailable(let cause) = failure { trace.cause = cause }
      problem = Problem(failure)
    } else {
      trace.cause = "\(error)"
      problem = .internalError
    }
    // No route's path is longer. A caller's own may have thousands of characters that JSON escapes.
    let path = Target(request.target).path.unicodeScalars
    problem.instance = String(Substring(path.prefix(200)))
    problem.requestID = request.id
    var headers = problem.headers
    headers[.contentType] = "application/problem+json"
    headers[.cacheControl] = "no-store"
    return Response(status: problem.status, headers: headers, body: problem.bytes)
  }

  /// Logs a request that failed or was slow. The web server logs every request, so a refusal is logged for debugging
  /// alone: callers could fill the disk with them.
  private func log(_ request: Request, _ response: Response, _ trace: Trace, took time: Duration) {
    let level: Logger.Level
    switch response.status.code {
    case 500...: level = .error
    case _ where time >= slowAfter: level = .warning
    case 400...: level = .debug
    default: return
    }
    guard level >= logger.logLevel else { return }
    let milliseconds = (time / .milliseconds(1) * 1000).rounded() / 1000
    var metadata: Logger.Metadata = [
      "request_id": "\(request.id)", "method": "\(request.method)",
      "route": "\(trace.pattern?.text ?? "none")",
      "status": .stringConvertible(response.status.code),
      "ms": .stringConvertible(milliseconds),
    ]
    if let caller = trace.caller { metadata["caller"] = "\(caller.userID)" }
    if let cause = trace.cause { metadata["cause"] = "\(cause)" }
    logger.log(
      level: level, level == .warning ? "request was slow" : "request failed", metadata: metadata)
  }
}

extension HTTPResponse.Status {
  /// Whether a response of this status never has a body (RFC 9110, section 6.4.1).
  fileprivate var hasNoBody: Bool { self == .noContent || self == .notModified }
}

/// The parts of a request target.
struct Target {
  let path: Substring
  /// The part after the `?`; nil if there is none.
  let query: Substring?

  init(_ text: String) {
    let mark = text.utf8.firstIndex(of: UInt8(ascii: "?"))
    path = text[..<(mark ?? text.endIndex)]
    query = mark.map { text[text.utf8.index(after: $0)...] }
  }

  /// The path's segments. They are decoded after the split, so that an encoded slash does not separate. Nil
  /// if no route can match: the path has an empty segment, a trailing slash, a dot segment, or an invalid
  /// escape.
  var segments: [String]? {
    let slash = UInt8(ascii: "/")
    let bytes = Array(path.utf8)
    guard bytes.first == slash else { return nil }
    var segments: [String] = []
    var start = 1
    while start <= bytes.count {
      let end = bytes[start...].firstIndex(of: slash) ?? bytes.endIndex
      guard start < end, let text = PercentEncoding.decode(bytes[start..<end]),
        !text.utf8.contains(slash), text != ".", text != ".."
      else { return nil }
      segments.append(text)
      start = end + 1
    }
    return segments
  }
}
