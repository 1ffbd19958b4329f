import Domain
import JSON
import SQLite

extension Change {
  /// Creates the user with this ID or changes it.
  ///
  /// - Parameter body: Read with the fields of ``Table/users``.
  /// - Returns: Whether the user is new.
  /// - Throws: `Failure`: `.validation`, what `precondition` throws, `.conflict` with `.userIsStaff`,
  ///   `.userErased` or `.emailTaken`.
  @discardableResult
  package func putUser(
    _ id: ID, _ body: Body, if precondition: Precondition = { _ in }
  ) throws -> Bool {
    let old = try user(id)
    guard let new = try replacement(of: old, id, body, .users, precondition) else { return false }
    try checkIsNotStaff(id)
    if try isErased(ErasureSubject(.user, id)) { throw Failure.conflict(.userErased) }
    let holder = try user(email: new.email)
    guard holder == nil || holder?.id == id else { throw Failure.conflict(.emailTaken) }
    try put(new, replacing: old, in: .users, old == nil ? .userCreated : .userUpdated)
    if new.isDisabled {
      try cancelMessages(
        of: MessageKind.allCases.filter { !$0.isToPartner }, "user_id = ?", id.text)
    }
    if new.isDisabled || new.email != old?.email { try endSignIn(of: id) }
    return old == nil
  }

  /// Checks that the user has no valid admin token. Whoever changed such a user's e-mail address or got a token
  /// for the user would act as staff, so that only the command line, which is no user, may do it.
  ///
  /// - Throws: `Failure.conflict(.userIsStaff)`.
  private func checkIsNotStaff(_ user: ID) throws {
    guard actor != nil, try holdsAdminToken(user) else { return }
    throw Failure.conflict(.userIsStaff)
  }

  /// Creates the group with this ID or changes it. `members` replaces the membership.
  ///
  /// - Parameter body: Read with the fields of ``Table/groups``.
  /// - Returns: Whether the group is new.
  /// - Throws: `Failure`: `.validation`, what `precondition` throws.
  @discardableResult
  package func putGroup(
    _ id: ID, _ body: Body, if precondition: Precondition = { _ in }
  ) throws -> Bool {
    let old = try group(id)
    var body = body
    try checkMembers(&body)
    guard var new = try replacement(of: old, id, body, .groups, precondition) else { return false }
    new.record["members"] = .array(new.members.sorted().map { .string($0.text) })
    if new == old { return false }
    try put(new, replacing: old, in: .groups, old == nil ? .groupCreated : .groupUpdated)
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

  /// The resource after a PUT, whether or not it existed before; nil if nothing changes.
  private func replacement<Value: Resource>(
    of old: Value?, _ id: ID, _ body: Body, _ table: Table, _ precondition: Precondition
  ) throws -> Value? {
    var new = old ?? Value(record: table.newRecord(id, at: now))
    var body = body
    if old == nil {
      body.require(table.fields)
      // The path has the ID, and the body may repeat it.
      try body.check(against: Array("{\"id\":\"\(id)\"}".utf8)) { _ in try precondition(nil) }
    } else {
      let view = try view(id, of: table, seenBy: .staff)
      try body.accept(storedIn: view)
      try body.check(against: view, if: precondition)
    }
    body.apply(to: &new)
    return new == old ? nil : new
  }

  private func put<Value: Resource>(
    _ changed: Value, replacing old: Value?, in table: Table, _ kind: EventKind
  ) throws {
    var new = changed
    if let old {
      new.updatedAt = now
      try table.update(old.record, to: new.record, on: connection)
    } else {
      try table.insert(new.record, on: connection)
    }
    try record(
      kind, new.id,
      changes: table.changes(from: old?.record, to: new.record))
  }

  /// Adds a mistake to the body for each member that is not a known user.
  private func checkMembers(_ body: inout Body) throws {
    // A list far beyond the limit is not read.
    guard case .array(let elements)? = body.sent("members"), elements.count <= 1_000 else { return }
    for (index, element) in elements.enumerated() {
      guard case .string(let text) = element, let id = ID(text.trimmingBlanks()),
        try user(id) == nil || isErased(ErasureSubject(.user, id))
      else { continue }
      body.fail([
        FieldError(.pointer("/members/\(index)"), .unknownUser, "No user has this ID.")
      ])
    }
  }

  /// Creates a token. Only the hash of its secret is stored. A token that a user creates, instead of the command
  /// line, expires after ``Token/maximumDays`` at the latest.
  ///
  /// - Parameters:
  ///   - owner: The user who gets it.
  ///   - scope: The part of staff's rights that it gives; nil for none.
  ///   - sha256: The hash of its secret.
  ///   - body: Read with the fields of ``Table/tokens`` for a new one.
  /// - Throws: `Failure`: `.notFound` if the user doesn't exist, `.validation`, `.conflict(.userIsStaff)`.
  @discardableResult
  package func createToken(for owner: ID, scope: Scope?, sha256: [UInt8], _ body: Body) throws
    -> Token
  {
    guard try user(owner) != nil else { throw Failure.notFound }
    if try isErased(ErasureSubject(.user, owner)) { throw Failure.conflict(.userErased) }
    var body = body
    if let expiry = body.time("expires_at") {
      if expiry <= now { body.fail("expires_at", .inPast, "Must be in the future.") }
      if actor != nil, expiry > now.adding(days: Token.maximumDays) {
        body.fail(
          "expires_at", .outOfRange, "Must be within \(Token.maximumDays) days from now.")
      }
    } else if actor != nil, body["expires_at"] == .null {
      body.fail(
        "expires_at", .notNull,
        "Must be a time within \(Token.maximumDays) days from now: a token has to expire.")
    }
    try body.check(against: nil)
    try checkIsNotStaff(owner)
    var token = newToken(for: owner, scope)
    body.apply(to: &token)
    try add(token, sha256: sha256)
    return token
  }

  /// A new token of the change's actor, which expires after ``Token/defaultDays``.
  func newToken(for owner: ID, _ scope: Scope?) -> Token {
    var token = Token(record: Table.tokens.newRecord(newID(), at: now))
    token.set("user_id", owner)
    token.set("scope", scope)
    token.set("created_by", actor)
    token.set("expires_at", now.adding(days: Token.defaultDays))
    return token
  }

  /// Stores a token and records it as an event.
  func add(_ token: Token, sha256: [UInt8]) throws {
    try Table.tokens.insert(token.record, secrets: [sha256], on: connection)
    try record(
      .tokenCreated, token.id, changes: Table.tokens.changes(from: nil, to: token.record))
  }

  /// Revokes every token that the user created over HTTP.
  ///
  /// - Returns: How many were not revoked before.
  package func revokeTokens(createdBy user: ID) throws -> Int {
    let tokens = try tokens(createdBy: user)
    for token in tokens { try revokeToken(token.id) }
    return tokens.count
  }

  /// Revokes a token, from the next request on. Nothing happens if it is already revoked.
  ///
  /// - Parameter scope: What the caller may do. Only ``Scope/admin`` revokes an admin token, since a user without
  ///   one loses the protection of staff.
  /// - Throws: `Failure`: `.notFound`, `.conflict(.userIsStaff)`.
  package func revokeToken(_ id: ID, by scope: Scope? = .admin) throws {
    guard let old = try token(id) else { throw Failure.notFound }
    guard old.revokedAt == nil else { return }
    guard old.scope == nil || scope == .admin else { throw Failure.conflict(.userIsStaff) }
    var new = old
    new.set("revoked_at", now)
    try Table.tokens.update(old.record, to: new.record, on: connection)
    try record(
      .tokenRevoked, id,
      changes: Table.tokens.changes(from: old.record, to: new.record))
  }
}
