import Domain
import JSON
import Store

/// A request as its handler sees it, after all checks that need no database.
struct Call: Sendable {
  /// The time of the request.
  let now: Timestamp
  let query: Query
  /// The body; nil if the route takes none or the caller sent none.
  let body: JSON?
  let idempotencyKey: IdempotencyKey?
  /// The quotas of callers who are not staff.
  let quotas: Quotas
  /// What members agree to before contact data is shared.
  let consent: ConsentPolicy
  private let route: Route
  /// The path's segments.
  private let path: [String]
  private let preconditions: Preconditions?
  private let identity: Caller?

  /// - Throws: `Failure`: `.tooLarge`, `.unsupportedMediaType`, `.malformedJSON`, `.invalidParameter`.
  init(
    _ request: Request, _ target: Target, _ segments: [String], _ route: Route, _ caller: Caller?,
    cipher: CursorCipher, quotas: Quotas, consent: ConsentPolicy, now: Timestamp
  ) throws {
    self.now = now
    self.quotas = quotas
    self.consent = consent
    self.route = route
    path = segments
    identity = caller
    guard let bytes = request.body else { throw Failure.tooLarge }
    body = try Call.json(bytes, of: request, route.body)
    let path = String(target.path)
    query = try Query(target.query, path: path, parameters: route.parameters, cipher: cipher)
    idempotencyKey =
      route.method == .post
      ? try IdempotencyKey(request, path: path, body: bytes, isAccepted: route.storable) : nil
    preconditions = try Preconditions(request)
  }

  private static func json(_ bytes: [UInt8], of request: Request, _ use: BodyUse) throws -> JSON? {
    guard use == .required || (use == .optional && !bytes.isEmpty) else { return nil }
    guard !bytes.isEmpty else { throw Failure.malformedJSON("The request has no body.") }
    // A media type may have parameters.
    let type = try request.header(.contentType)?
      .split(separator: ";", omittingEmptySubsequences: false).first
    guard let type, String(type).trimmingBlanks().lowercased() == "application/json" else {
      throw Failure.unsupportedMediaType()
    }
    // "identity" says that there is none (RFC 9110, section 8.4.1).
    let encodings = try request.header(.contentEncoding, isList: true)?.split(separator: ",") ?? []
    let encoding = encodings.map { String($0).trimmingBlanks() }
      .first { !$0.isEmpty && $0.lowercased() != "identity" }
    if let encoding { throw Failure.unsupportedMediaType(encoding: encoding.echo) }
    do {
      return try JSON(parsing: bytes)
    } catch let error as JSONError {
      throw Failure.malformedJSON(error.description)
    }
  }

  /// The caller.
  ///
  /// - Throws: `Failure.unauthenticated` on a public route.
  var caller: Caller {
    get throws {
      guard let identity else { throw Failure.unauthenticated(tokenGiven: false) }
      return identity
    }
  }

  /// The view that a caller of a group's routes gets.
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

  /// Checks that the caller may see the group in the path, if the route is a group's.
  ///
  /// - Throws: `Failure.notFound`.
  func checkGroup(in records: Snapshot) throws {
    guard route.audience == .member else { return }
    guard try records.maySee(id("groupId"), caller) else { throw Failure.notFound }
  }

  /// Checks the partner's quota after a change, if the route is a partner's.
  ///
  /// - Throws: `Failure.quotaExceeded`.
  func checkQuota(in change: Change) throws {
    guard route.audience == .partner, try !caller.isStaff else { return }
    try change.checkPartnerChanges(by: caller.userID, perDay: quotas.partnerChangesPerDay)
  }

  /// Reads the body with a list of fields. A change reports its mistakes after it has found the resource.
  func body(
    _ fields: [Field], by audience: Audiences, seenBy seer: Audiences? = nil, isNew: Bool = false
  ) -> Body {
    Body(body, fields, by: audience, seenBy: seer, at: now, isNew: isNew)
  }

  /// Checks `If-Match` and `If-None-Match`, if they were sent, against the caller's view of the resource.
  ///
  /// - Parameter view: Nil if it does not exist yet.
  /// - Throws: `Failure.preconditionFailed`.
  func precondition(_ view: [UInt8]?) throws {
    guard let preconditions else { return }
    guard preconditions.hold(for: view.map(ETag.of)) else { throw Failure.preconditionFailed }
  }

  /// Answers with a page of a list.
  ///
  /// - Parameters:
  ///   - order: The order of the list in words, if the page states it.
  ///   - write: Writes the items, and returns the last item's key if there are more items.
  func page(
    order: String? = nil, _ write: (inout JSONWriter) throws -> [String]?
  ) rethrows -> Answer {
    var cursor: String?
    // Most pages are smaller.
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

/// The change that a request asks for.
struct Plan: Sendable {
  /// Whether the body has mistakes. Then the change fails before it writes anything, unless the mistakes turn
  /// out to be the stored values.
  let hasMistakes: Bool
  /// Makes the change and answers.
  let perform: @Sendable (Change) throws -> Answer

  init(_ body: Body? = nil, perform: @escaping @Sendable (Change) throws -> Answer) {
    hasMistakes = body.map { !$0.errors.isEmpty } ?? false
    self.perform = perform
  }
}
