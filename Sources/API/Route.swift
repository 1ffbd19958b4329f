import Domain
import HTTPTypes
import JSON
import Store

/// Whether a route takes a body. `none` ignores it.
enum BodyUse: Sendable {
  case none, optional, required
}

/// One row of the table of routes.
struct Route: Sendable {
  enum Handler: Sendable {
    /// Answers from one snapshot of the database.
    case read(@Sendable (Call, Snapshot) throws -> Answer)
    /// Plans the change from the request alone, without the database.
    case change(@Sendable (Call) throws -> Plan)
  }

  let method: HTTPRequest.Method
  /// The path, with `:name` for a variable segment.
  let pattern: String
  let segments: [Segment]
  /// Who may call it: `.anyone` (the token is ignored), `.member` (members of the path's group, and staff on
  /// their behalf), `.partner` (users who are linked to a partner record), `.staff` (admin tokens), or `.signedIn`
  /// (any token).
  let audience: Audiences
  /// The scope that an admin token needs at least: `.admin`, which has all rights; `.read`; `.sync`; or
  /// `.events`; nil if any will do. The token of a user needs none.
  let scope: Scope?
  /// The query parameters in the order of their names.
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
    _ pattern: String, _ audience: Audiences, scope: Scope? = .admin,
    query parameters: [Parameter] = [], storable: Bool = true,
    _ handler: @escaping @Sendable (Call, Snapshot) throws -> Answer
  ) -> Route {
    Route(
      method: .get, pattern: pattern, audience: audience, scope: scope, parameters: parameters,
      body: .none, storable: storable, handler: .read(handler))
  }

  /// A route that makes a change.
  static func change(
    _ method: HTTPRequest.Method, _ pattern: String, _ audience: Audiences,
    scope: Scope = .admin, body: BodyUse = .required, storable: Bool = true,
    _ handler: @escaping @Sendable (Call) throws -> Plan
  ) -> Route {
    Route(
      method: method, pattern: pattern, audience: audience, scope: scope, parameters: [],
      body: body, storable: storable, handler: .change(handler))
  }

  private init(
    method: HTTPRequest.Method, pattern: String, audience: Audiences, scope: Scope?,
    parameters: [Parameter], body: BodyUse, storable: Bool, handler: Handler
  ) {
    self.method = method
    self.pattern = pattern
    self.audience = audience
    self.scope = scope
    self.parameters = parameters.sorted { $0.name < $1.name }
    self.body = body
    self.storable = storable
    self.handler = handler
    segments = pattern.split(separator: "/").map {
      $0.hasPrefix(":") ? .variable(String($0.dropFirst())) : .literal(String($0))
    }
  }

  /// Whether an admin token of this scope may call the route. `.read` also reads what narrower scopes read.
  func admits(_ scope: Scope) -> Bool {
    guard let needed = self.scope else { return true }
    return switch scope {
    case .admin: true
    case .read: method == .get && needed != .admin
    case .sync, .events: scope == needed
    }
  }

  /// Whether the route matches a path with these segments.
  func fits(_ path: [String]) -> Bool {
    guard path.count == segments.count else { return false }
    for (segment, text) in zip(segments, path) {
      if case .literal(let literal) = segment, !literal.isSame(as: text) { return false }
    }
    return true
  }

  /// The value of a variable segment in a matching path; nil if the route has no such variable.
  func variable(_ name: String, in path: [String]) -> String? {
    for (segment, text) in zip(segments, path) {
      if case .variable(name) = segment { return text }
    }
    return nil
  }
}
