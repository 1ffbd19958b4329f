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
  /// There may be one.
  case optional
  case required
}

/// One row of the table of routes.
struct Route: Sendable {
  enum Handler: Sendable {
    /// Reads on one snapshot of the database.
    case read(@Sendable (Call<Snapshot>) throws -> Answer)
    /// Makes one change to the database, all or nothing.
    case write(@Sendable (Call<Change>) throws -> Answer)
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
    storable: Bool = true, _ handler: @escaping @Sendable (Call<Snapshot>) throws -> Answer
  ) -> Route {
    Route(
      method: .get, pattern: pattern, audience: audience, parameters: parameters, body: .none,
      storable: storable, handler: .read(handler))
  }

  /// A route that makes a change.
  static func change(
    _ method: HTTPRequest.Method, _ pattern: String, _ audience: Audience,
    body: BodyUse = .required, storable: Bool = true,
    _ handler: @escaping @Sendable (Call<Change>) throws -> Answer
  ) -> Route {
    Route(
      method: method, pattern: pattern, audience: audience, parameters: [], body: body,
      storable: storable, handler: .write(handler))
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
      if case .literal(let literal) = segment, literal != text { return false }
    }
    return true
  }

  /// The value of a variable segment in a path that fits; nil if there is no such variable.
  func variable(_ name: String, in path: [String]) -> String? {
    for (segment, text) in zip(segments, path) {
      if case .variable(name) = segment { return text }
    }
    return nil
  }
}

/// One request, as its handler sees it.
struct Call<Records: Snapshot> {
  /// The database at this moment; a `Change` where the route makes one.
  let records: Records
  let query: Query
  private let route: Route
  /// The path's segments.
  private let path: [String]
  /// The body; nil where the route takes none or the caller sent none.
  let body: JSON?
  private let preconditions: Preconditions?
  fileprivate let identity: Caller?

  init(
    records: Records, query: Query, route: Route, path: [String], body: JSON?,
    preconditions: Preconditions?, identity: Caller?
  ) {
    self.records = records
    self.query = query
    self.route = route
    self.path = path
    self.body = body
    self.preconditions = preconditions
    self.identity = identity
  }

  /// The time that counts as present.
  var now: Timestamp { records.now }

  /// Who calls.
  ///
  /// - Throws: `Failure.unauthenticated` where nobody had to say so.
  var caller: Caller {
    get throws {
      guard let identity else { throw Failure.unauthenticated(tokenGiven: false) }
      return identity
    }
  }

  /// The value of a variable segment of the path; nil if there is no such variable.
  func variable(_ name: String) -> String? { route.variable(name, in: path) }

  /// An ID in the path.
  ///
  /// - Throws: `Failure.notFound` if it is malformed.
  func id(_ name: String = "id") throws -> ID {
    guard let id = variable(name).flatMap({ ID($0) }) else { throw Failure.notFound }
    return id
  }

  /// The body's fields.
  ///
  /// - Throws: `Failure.validation` if it is no object.
  func fields() throws -> Fields {
    try Fields(body ?? .object([]))
  }

  /// Checks `If-Match` and `If-None-Match`, if they were sent, against the thing as this caller sees it.
  ///
  /// - Parameter thing: Nil if it does not exist yet.
  /// - Throws: `Failure.preconditionFailed`.
  func checkPrecondition(_ thing: (some View)?) throws {
    guard let preconditions else { return }
    let tag = thing.map { ETag.of($0.bytes) }
    guard preconditions.hold(for: tag) else { throw Failure.preconditionFailed }
  }

  /// A page of a list, each item as the view that `view` makes of it, with the address of the next one.
  func page<Item, Shown: View>(
    _ page: Page<Item>, order: String? = nil, as view: (Item) -> Shown
  ) -> Answer {
    self.page(order: order) { (write: (Shown) -> Void) in
      for item in page.items { write(view(item)) }
      return page.next
    }
  }

  /// A page of a list whose items are written as they are read.
  ///
  /// - Parameter walk: Calls its argument with each item's view, and returns the last item's key if the
  ///   list goes on.
  func page<Shown: View>(
    order: String? = nil, _ walk: (_ write: (Shown) -> Void) throws -> [String]?
  ) rethrows -> Answer {
    var cursor: String?
    // Most pages are smaller, so that this is all the room they need.
    var json = JSONWriter(capacity: 32_768)
    try json.object {
      $0.name("data")
      try $0.array { json in
        cursor = try walk { $0.write(to: &json) }.map(query.cursor(after:))
      }
      $0.field("has_more", cursor != nil)
      $0.field("next_cursor", cursor)
      if let order { $0.field("order", order) }
    }
    return Answer(body: json.bytes, next: cursor.map(query.address(cursor:)))
  }
}
