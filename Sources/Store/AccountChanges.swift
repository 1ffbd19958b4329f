import Domain
import JSON
import SQLite

extension Change {
  /// Adds a user, or changes the one with this ID.
  ///
  /// - Parameter body: Read by ``Table/users``.
  /// - Returns: Whether the user is new.
  /// - Throws: `Failure`: `.validation`, what `precondition` throws, `.conflict(.emailTaken)`.
  @discardableResult
  package func putUser(
    _ id: ID, _ body: Body, if precondition: Precondition = { _ in }
  ) throws -> Bool {
    let old = try user(id)
    let fresh = User(record: newRecord(id, ["disabled": false]))
    guard
      let new = try replacement(
        of: old, or: fresh, body, Table.users, seen: { try userView(id) }, precondition)
    else { return false }
    let holder = try user(email: new.email)
    guard holder == nil || holder?.id == id else { throw Failure.conflict(.emailTaken) }
    try put(new.record, replacing: old?.record, in: Table.users, .user)
    return old == nil
  }

  /// Adds a group, or changes the one with this ID; `members` replaces the membership.
  ///
  /// - Parameter body: Read by ``Table/groups``.
  /// - Returns: Whether the group is new.
  /// - Throws: `Failure`: `.validation`, what `precondition` throws.
  @discardableResult
  package func putGroup(
    _ id: ID, _ body: Body, if precondition: Precondition = { _ in }
  ) throws -> Bool {
    let old = try group(id)
    let fresh = Group(record: newRecord(id, ["members": []]))
    var body = body
    try checkMembers(&body)
    guard
      var new = try replacement(
        of: old, or: fresh, body, Table.groups, seen: { try groupView(id) }, precondition)
    else { return false }
    new.record["members"] = .array(new.members.sorted().map { .string($0.text) })
    if new.record == old?.record { return false }
    try put(new.record, replacing: old?.record, in: Table.groups, .group)
    let (before, after) = (Set(old?.members ?? []), Set(new.members))
    for member in before.subtracting(after) {
      try connection.run(
        "DELETE FROM group_members WHERE group_id = ? AND user_id = ?", id.text, member.text)
    }
    for member in after.subtracting(before) {
      try connection.run(
        "INSERT INTO group_members (group_id, user_id) VALUES (?, ?)", id.text, member.text)
    }
    return old == nil
  }

  /// What a PUT makes of a resource that may exist; nil if it changes nothing.
  private func replacement<Value: Resource>(
    of old: Value?, or fresh: Value, _ body: Body, _ table: Table, seen: () throws -> [UInt8],
    _ precondition: Precondition
  ) throws -> Value? {
    var body = body
    let view = try old == nil ? nil : seen()
    if old == nil {
      for field in table.fields where field.traits.contains(.required) && !body.has(field.name) {
        body.fail(field.name, .required, "This field is required.")
      }
    }
    // The path names the ID, and the body may repeat it.
    try body.finish(against: view ?? Array("{\"id\":\"\(fresh.id)\"}".utf8))
    try precondition(view)
    var new = old ?? fresh
    body.apply(to: &new)
    return new == old ? nil : new
  }

  private func put(
    _ record: Record, replacing old: Record?, in table: Table, _ kind: SubjectKind
  ) throws {
    var record = record
    record["updated_at"] = .string(now.text)
    if let old {
      try table.update(old, to: record, on: connection)
    } else {
      try table.insert(record, on: connection)
    }
    try self.record(
      "\(kind.rawValue).\(old == nil ? "created" : "updated")", kind, User(record: record).id,
      changes: table.changes(from: old, to: record))
  }

  /// Notes a mistake for each of the body's members that is no user.
  private func checkMembers(_ body: inout Body) throws {
    // One that is far too long is not looked into.
    guard case .array(let elements)? = body.sent("members"), elements.count <= 1_000 else { return }
    for (index, element) in elements.enumerated() {
      guard case .string(let text) = element, let id = ID(text.trimmingWhitespace()),
        try user(id) == nil
      else { continue }
      body.fail([
        FieldError(.pointer("/members/\(index)"), .unknownUser, "No user has this ID.")
      ])
    }
  }

  /// Adds a token, of which only the hash is stored.
  ///
  /// - Parameters:
  ///   - user: Whose it is.
  ///   - isAdmin: Whether it gives staff's rights.
  ///   - sha256: The hash of its secret.
  ///   - body: Read by ``Table/tokens`` for a new one.
  /// - Throws: `Failure.validation`.
  package func createToken(for user: ID, isAdmin: Bool, sha256: [UInt8], _ body: Body) throws -> ID
  {
    var body = body
    if let expiry = body.text("expires_at").flatMap({ Timestamp($0) }), expiry <= now {
      body.fail("expires_at", .inPast, "Must be in the future.")
    }
    try body.finish(against: nil)
    let id = newID()
    var token = Token(
      record: newRecord(
        id,
        [
          "user_id": .string(user.text), "admin": .bool(isAdmin),
          "expires_at": .string(now.adding(days: Token.defaultDays).text),
        ]))
    body.apply(to: &token)
    try Table.tokens.insert(token.record, secrets: [sha256], on: connection)
    try record(
      "token.created", .token, id, changes: Table.tokens.changes(from: nil, to: token.record))
    return id
  }

  /// Revokes a token, from the next request on; nothing if it is revoked already.
  ///
  /// - Throws: `Failure.notFound`.
  package func revokeToken(_ id: ID) throws {
    guard let old = try token(id) else { throw Failure.notFound }
    guard old.revokedAt == nil else { return }
    var new = old
    new.set("revoked_at", now)
    try Table.tokens.update(old.record, to: new.record, on: connection)
    try record(
      "token.revoked", .token, id,
      changes: Table.tokens.changes(from: old.record, to: new.record))
  }
}
