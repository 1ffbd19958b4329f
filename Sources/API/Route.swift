import Domain
import HTTPTypes
import JSON
import Store

/// Who a route is for.
enum Audience: Sendable {
  /// Everybody; a token is not looked at.
  case anyone
  /// Holders of an admin token.
  case staff
  /// The members of the group that the path names, and staff on their behalf.
  case member
  /// Users who are linked to a partner record.
  case partner
}

/// What a route does with a body.
enum BodyUse: Sendable {
  /// A body means nothing and is not looked at.
  case none
  /// A body may be sent.
  case optional
  case required
}

/// One row of the table of routes.
struct Route: Sendable {
  enum Handler: Sendable {
    /// Answers from one snapshot of the database.
    case read(@Sendable (Call, Snapshot) throws -> Answer)
    /// Reads the request, without the database, and says what to change.
    case change(@Sendable (Call) throws -> Plan)
  }

  let method: HTTPRequest.Method
  /// Its segments, `:name` for one that varies.
  let pattern: String
  let segments: [Segment]
  let audience: Audience
  /// In the order of their names.
  let parameters: [Parameter]
  let body: BodyUse
  /// Whether the answer may be stored: by caches, and for an idempotency key.
  let storable: Bool
  let handler: Handler

  enum Segment: Sendable {
    case literal(String)
    case variable(String)
  }

  /// A route that reads.
  static func get(
    _ pattern: String, _ audience: Audience, query parameters: [Parameter] = [],
    storable: Bool = true, _ handler: @escaping @Sendable (Call, Snapshot) throws -> Answer
  ) -> Route {
    Route(
      method: .get, pattern: pattern, audience: audience, parameters: parameters, body: .none,
      storable: storable, handler: .read(handler))
  }

  /// A route that makes a change.
  static func change(
    _ method: HTTPRequest.Method, _ pattern: String, _ audience: Audience,
    body: BodyUse = .required, storable: Bool = true,
    _ handler: @escaping @Sendable (Call) throws -> Plan
  ) -> Route {
    Route(
      method: method, pattern: pattern, audience: audience, parameters: [], body: body,
      storable: storable, handler: .change(handler))
  }

  private init(
    method: HTTPRequest.Method, pattern: String, audience: Audience, parameters: [Parameter],
    body: BodyUse, storable: Bool, handler: Handler
  ) {
    self.method = method
    self.pattern = pattern
    self.audience = audience
    self.parameters = parameters.sorted { $0.name < $1.name }
    self.body = body
    self.storable = storable
    self.handler = handler
    segments = pattern.split(separator: "/").map {
      $0.hasPrefix(":") ? .variable(String($0.dropFirst())) : .literal(String($0))
    }
  }

  /// Whether these are this route's segments.
  func fits(_ path: [String]) -> Bool {
    guard path.count == segments.count else { return false }
    for (segment, text) in zip(segments, path) {
      if case .literal(let literal) = segment, !literal.isSame(as: text) { return false }
    }
    return true
  }

  /// The value of a variable segment in a path that fits; nil if the route has no such variable.
  func variable(_ name: String, in path: [String]) -> String? {
    for (segment, text) in zip(segments, path) {
      if case .variable(name) = segment { return text }
    }
    return nil
  }
}
