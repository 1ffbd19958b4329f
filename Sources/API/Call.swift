import Domain
import JSON
import Store

/// One request, as its handler sees it.
struct Call: Sendable {
  /// The time of the request.
  let now: Timestamp
  let query: Query
  /// The body; nil where the route takes none or the caller sent none.
  let body: JSON?
  private let route: Route
  /// The path's segments.
  private let path: [String]
  private let preconditions: Preconditions?
  private let identity: Caller?

  init(
    now: Timestamp, query: Query, route: Route, path: [String], body: JSON?,
    preconditions: Preconditions?, identity: Caller?
  ) {
    self.now = now
    self.query = query
    self.route = route
    self.path = path
    self.body = body
    self.preconditions = preconditions
    self.identity = identity
  }

  /// Who calls.
  ///
  /// - Throws: `Failure.unauthenticated` where nobody had to say so.
  var caller: Caller {
    get throws {
      guard let identity else { throw Failure.unauthenticated(tokenGiven: false) }
      return identity
    }
  }

  /// How a group's routes show their things to the caller.
  var groupAudience: Audiences {
    get throws { try caller.isStaff ? .staff : .member }
  }

  /// The value of a variable segment of the path; nil if the route has no such variable.
  func variable(_ name: String) -> String? { route.variable(name, in: path) }

  /// An ID in the path.
  ///
  /// - Throws: `Failure.notFound` if it is malformed.
  func id(_ name: String = "id") throws -> ID {
    guard let id = variable(name).flatMap({ ID($0) }) else { throw Failure.notFound }
    return id
  }

  /// Checks that the caller may know of the group that the path names, where it names one.
  ///
  /// - Throws: `Failure.notFound`.
  func checkGroup(in records: Snapshot) throws {
    guard route.audience == .member else { return }
    guard try records.mayKnow(id("groupId"), caller) else { throw Failure.notFound }
  }

  /// Reads the body by a list of fields. Its mistakes are answered once the resource was found.
  func body(
    _ fields: [Field], by audience: Audiences, seenBy seer: Audiences? = nil, isNew: Bool = false
  ) -> Body {
    Body(body, fields, by: audience, seenBy: seer, at: now, isNew: isNew)
  }

  /// Checks `If-Match` and `If-None-Match`, if they were sent, against the resource as the caller sees it.
  ///
  /// - Parameter view: Nil if it does not exist yet.
  /// - Throws: `Failure.preconditionFailed`.
  func precondition(_ view: [UInt8]?) throws {
    guard let preconditions else { return }
    guard preconditions.hold(for: view.map(ETag.of)) else { throw Failure.preconditionFailed }
  }

  /// A page of a list, with the address of the next one.
  ///
  /// - Parameter write: Writes the items, and returns the last one's key if the list goes on.
  func page(
    order: String? = nil, _ write: (inout JSONWriter) throws -> [String]?
  ) rethrows -> Answer {
    var cursor: String?
    // Most pages are smaller, so that this is all the room they need.
    var json = JSONWriter(capacity: 32_768)
    try json.object {
      $0.name("data")
      try $0.array { json in
        cursor = try write(&json).map(query.cursor(after:))
      }
      $0.field("has_more", cursor != nil)
      $0.field("next_cursor", cursor)
      if let order { $0.field("order", order) }
    }
    return Answer(body: json.bytes, next: cursor.map(query.address(cursor:)))
  }
}

/// What a request is to change.
struct Plan: Sendable {
  /// Whether the body has mistakes: then the change is refused before it changes anything.
  let isRefused: Bool
  /// Makes the change, and answers.
  let perform: @Sendable (Change) throws -> Answer

  init(_ body: Body? = nil, perform: @escaping @Sendable (Change) throws -> Answer) {
    isRefused = body.map { !$0.errors.isEmpty } ?? false
    self.perform = perform
  }
}
