import Domain
import JSON
import SQLite

extension Table {
  /// The accounts that Tomi's sign-in owns.
  package static let users = Table(
    "users", alias: "u",
    derived: [(column: "email_key", value: { User(record: $0).email.comparisonKey })],
    fields: [
      Field("id", .id, seen: .staff),
      Field("email", .text(.email), [.required, .tracked], seen: .staff, set: .staff),
      Field("name", .text(limit: 100), [.required, .tracked], seen: .staff, set: .staff),
      Field("disabled", .flag, .tracked, seen: .staff, set: .staff),
      Field("created_at", .time, seen: .staff),
      Field("updated_at", .time, seen: .staff),
    ])

  /// The groups of co-buyers.
  package static let groups = Table(
    "groups", alias: "g",
    fields: [
      Field("id", .id, seen: .staff),
      Field("name", .text(limit: 200), [.required, .tracked], seen: .staff, set: .staff),
      Field("state", .state, [.nullable, .tracked], seen: .staff, set: .staff),
      Field(
        "members", .list(of: .id, limit: 100), .tracked,
        from: """
          (SELECT json_group_array(user_id) FROM
            (SELECT user_id FROM group_members WHERE group_id = g.id ORDER BY user_id))
          """,
        seen: .staff, set: .staff),
      Field("created_at", .time, seen: .staff),
      Field("updated_at", .time, seen: .staff),
    ])

  /// Access tokens, without their secrets.
  package static let tokens = Table(
    "tokens", alias: "t", secretColumns: ["sha256"],
    fields: [
      Field("id", .id, seen: .staff),
      Field("user_id", .id, .tracked, seen: .staff),
      Field("admin", .flag, .tracked),
      Field("name", .text(limit: 100), [.nullable, .tracked], seen: .staff, created: .staff),
      Field("expires_at", .time, [.onlyNull, .tracked], seen: .staff, created: .staff),
      Field("created_at", .time, seen: .staff),
      Field("revoked_at", .time, .tracked),
    ])
}

extension Snapshot {
  /// The user with this ID; nil if there is none.
  package func user(_ id: ID) throws -> User? {
    try Table.users.load("WHERE u.id = ?", [id.text], on: connection).first.map(User.init(record:))
  }

  /// The user with this e-mail address, case aside; nil if there is none.
  package func user(email: String) throws -> User? {
    try Table.users.load("WHERE u.email_key = ?", [email.comparisonKey], on: connection).first
      .map(User.init(record:))
  }

  /// The user with this ID as JSON, as staff sees it.
  ///
  /// - Throws: `Failure.notFound`.
  package func userView(_ id: ID) throws -> [UInt8] {
    try view(Table.users.single(.staff), "WHERE u.id = ?", id.text)
  }

  /// The group with this ID and its members; nil if there is none.
  package func group(_ id: ID) throws -> Group? {
    try Table.groups.load("WHERE g.id = ?", [id.text], on: connection).first
      .map(Group.init(record:))
  }

  /// The group with this ID as JSON, as staff sees it.
  ///
  /// - Throws: `Failure.notFound`.
  package func groupView(_ id: ID) throws -> [UInt8] {
    try view(Table.groups.single(.staff), "WHERE g.id = ?", id.text)
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
    ) { Caller(userID: try $0.id(0), isStaff: $0.int(1) != 0) }
  }

  /// The token with this ID; nil if there is none.
  package func token(_ id: ID) throws -> Token? {
    try Table.tokens.load("WHERE t.id = ?", [id.text], on: connection).first
      .map(Token.init(record:))
  }

  /// The token with this ID as JSON, as staff sees it.
  ///
  /// - Throws: `Failure.notFound`.
  package func tokenView(_ id: ID) throws -> [UInt8] {
    try view(Table.tokens.single(.staff), "WHERE t.id = ?", id.text)
  }

  /// All tokens, the newest first.
  package func tokens() throws -> [Token] {
    try Table.tokens.load("ORDER BY t.created_at DESC, t.id DESC", [], on: connection)
      .map(Token.init(record:))
  }
}
