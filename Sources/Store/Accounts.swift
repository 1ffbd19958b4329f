import Domain
import SQLite

extension Snapshot {
  /// The user with this ID; nil if there is none.
  package func user(_ id: ID) throws -> User? {
    try connection.row(
      "SELECT id, email, name, disabled, created_at, updated_at FROM users WHERE id = ?", id.text,
      read: Snapshot.user)
  }

  /// The user with this e-mail address, case aside; nil if there is none.
  package func user(email: String) throws -> User? {
    try connection.row(
      "SELECT id, email, name, disabled, created_at, updated_at FROM users WHERE email_key = ?",
      email.comparisonKey, read: Snapshot.user)
  }

  private static func user(_ row: Row) throws -> User {
    var columns = Columns(row)
    return try User(
      id: columns.id(), email: columns.text(), name: columns.text(), disabled: columns.bool(),
      createdAt: columns.time(), updatedAt: columns.time())
  }

  /// The group with this ID and its members; nil if there is none.
  package func group(_ id: ID) throws -> Group? {
    let group = try connection.row(
      "SELECT id, name, state, created_at, updated_at FROM groups WHERE id = ?", id.text
    ) { row in
      var columns = Columns(row)
      return try Group(
        id: columns.id(), name: columns.text(), state: columns.wordOrNil(),
        createdAt: columns.time(), updatedAt: columns.time())
    }
    guard var group else { return nil }
    group.members = try connection.rows(
      "SELECT user_id FROM group_members WHERE group_id = ? ORDER BY user_id", id.text
    ) { row in
      var columns = Columns(row)
      return try columns.id()
    }
    return group
  }

  /// Whether the user is in the group.
  package func isMember(_ user: ID, of group: ID) throws -> Bool {
    try connection.row(
      "SELECT 1 FROM group_members WHERE group_id = ? AND user_id = ?", group.text, user.text
    ) { _ in true } ?? false
  }

  /// Whether the caller may know of the group: staff of all that exist, others of their own.
  package func mayKnow(_ group: ID, _ caller: Caller) throws -> Bool {
    guard caller.isStaff else { return try isMember(caller.userID, of: group) }
    return try connection.row("SELECT 1 FROM groups WHERE id = ?", group.text) { _ in true }
      ?? false
  }

  /// Who has the token with this SHA-256; nil if it is unknown, expired, revoked or of a disabled user.
  package func caller(tokenSHA256: [UInt8]) throws -> Caller? {
    try connection.row(
      """
      SELECT t.user_id, t.admin FROM tokens AS t JOIN users AS u ON u.id = t.user_id
      WHERE t.sha256 = ? AND t.revoked_at IS NULL AND NOT u.disabled
        AND (t.expires_at IS NULL OR t.expires_at > ?)
      """, tokenSHA256, now.text
    ) { row in
      var columns = Columns(row)
      return try Caller(userID: columns.id(), isStaff: columns.bool())
    }
  }

  /// The token with this ID; nil if there is none.
  package func token(_ id: ID) throws -> Token? {
    try tokens(where: "id = ?", id.text).first
  }

  /// All tokens, the newest first.
  package func tokens() throws -> [Token] {
    try tokens(where: "? IS NULL", nil)
  }

  private func tokens(where condition: String, _ argument: String?) throws -> [Token] {
    try connection.rows(
      """
      SELECT id, user_id, admin, name, created_at, expires_at, revoked_at FROM tokens
      WHERE \(condition) ORDER BY created_at DESC, id DESC
      """, argument
    ) { row in
      var columns = Columns(row)
      return try Token(
        id: columns.id(), userID: columns.id(), admin: columns.bool(), name: columns.textOrNil(),
        createdAt: columns.time(), expiresAt: columns.timeOrNil(), revokedAt: columns.timeOrNil())
    }
  }
}

extension Change {
  /// Adds a user or replaces the one with its ID.
  ///
  /// - Throws: `Failure.conflict(.emailTaken)`.
  package func put(_ user: User) throws {
    let holder = try self.user(email: user.email)
    guard holder == nil || holder?.id == user.id else { throw Failure.conflict(.emailTaken) }
    try connection.run(
      """
      INSERT INTO users (id, email, email_key, name, disabled, created_at, updated_at)
      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
      ON CONFLICT (id) DO UPDATE
      SET email = ?2, email_key = ?3, name = ?4, disabled = ?5, updated_at = ?7
      """, user.id.text, user.email, user.email.comparisonKey, user.name, user.disabled,
      user.createdAt.text, user.updatedAt.text)
  }

  /// Adds a group with its members or replaces the one with its ID.
  package func put(_ group: Group) throws {
    try connection.run(
      """
      INSERT INTO groups (id, name, state, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)
      ON CONFLICT (id) DO UPDATE SET name = ?2, state = ?3, updated_at = ?5
      """, group.id.text, group.name, group.state?.rawValue, group.createdAt.text,
      group.updatedAt.text)
    let old = Set(try self.group(group.id)?.members ?? [])
    let new = Set(group.members)
    for member in old.subtracting(new) {
      try connection.run(
        "DELETE FROM group_members WHERE group_id = ? AND user_id = ?", group.id.text, member.text)
    }
    for member in new.subtracting(old) {
      try connection.run(
        "INSERT INTO group_members (group_id, user_id) VALUES (?, ?)", group.id.text, member.text)
    }
  }

  /// Adds a token, of which only the hash is kept.
  package func insert(_ token: Token, sha256: [UInt8]) throws {
    try connection.run(
      """
      INSERT INTO tokens (id, user_id, admin, name, sha256, created_at, expires_at)
      VALUES (?, ?, ?, ?, ?, ?, ?)
      """, token.id.text, token.userID.text, token.admin, token.name, sha256,
      token.createdAt.text, token.expiresAt?.text)
  }

  /// Revokes a token from now on.
  package func revoke(_ token: ID) throws {
    try connection.run(
      "UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", now.text, token.text)
  }
}
