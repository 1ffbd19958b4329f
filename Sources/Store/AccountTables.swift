import Domain
import JSON
import SQLite

extension Table {
  /// The accounts. Tomi's sign-in owns them.
  package static let users = Table(
    "users", alias: "u",
    derived: [
      DerivedColumn(column: "email_key", sources: ["email"]) {
        User(record: $0).email.comparisonKey
      },
      DerivedColumn(column: "words", sources: ["name", "email"]) {
        Search.words([User(record: $0).name, User(record: $0).email])
      },
      DerivedColumn(column: "name_key", sources: ["name"]) {
        FoldedText.sortKey(User(record: $0).name)
      },
    ],
    fields: [
      Field("id", .id, .exported, seen: .staff),
      Field("email", .text(.email), [.required, .tracked, .exported], seen: .staff, set: .staff),
      Field(
        "name", .text(limit: 100), [.required, .tracked, .exported], seen: .staff, set: .staff),
      Field("disabled", .flag, [.tracked, .exported], seen: .staff, set: .staff),
      Field("created_at", .time, .exported, seen: .staff),
      Field("updated_at", .time, .exported, seen: .staff),
    ])

  /// The groups of co-buyers.
  package static let groups = Table(
    "groups", alias: "g",
    derived: [
      DerivedColumn(column: "words", sources: ["name"]) {
        Search.words([Group(record: $0).text("name")])
      },
      DerivedColumn(column: "name_key", sources: ["name"]) {
        FoldedText.sortKey(Group(record: $0).name)
      },
    ],
    fields: [
      Field("id", .id, .exported, seen: .staff),
      Field(
        "name", .text(limit: 200), [.required, .tracked, .exported], seen: .staff, set: .staff),
      Field("state", .state, [.nullable, .tracked, .exported], seen: .staff, set: .staff),
      Field(
        "members", .list(of: .id, limit: 100), [.tracked, .exported],
        from: """
          (SELECT json_group_array(user_id) FROM
            (SELECT user_id FROM group_members WHERE group_id = g.id ORDER BY user_id))
          """,
        seen: .staff, set: .staff),
      Field("created_at", .time, .exported, seen: .staff),
      Field("updated_at", .time, .exported, seen: .staff),
    ])

  /// Access tokens, without their secrets.
  package static let tokens = Table(
    "tokens", alias: "t", secretColumns: ["sha256"],
    fields: [
      Field("id", .id, seen: .staff),
      Field("user_id", .id, .tracked, seen: .staff),
      Field("scope", .word(Scope.self), .tracked, seen: .staff),
      Field("name", .text(limit: 100), [.nullable, .tracked], seen: .staff, created: .staff),
      Field("expires_at", .time, [.onlyNull, .tracked], seen: .staff, created: .staff),
      Field("created_at", .time, seen: .staff),
      Field("revoked_at", .time, .tracked, seen: .staff),
      Field("created_by", .id, seen: .staff),
    ])
}

extension Snapshot {
  /// The user with this ID; nil if there is none.
  package func user(_ id: ID) throws -> User? {
    try find(.users, "id", id.text)
  }

  /// The user with this e-mail address in any case; nil if there is none.
  package func user(email: String) throws -> User? {
    try find(.users, "email_key", email.comparisonKey)
  }

  /// The user with this ID, or with this e-mail address in any case; nil if there is none.
  package func user(named text: String) throws -> User? {
    try ID(text).map { try user($0) } ?? user(email: text)
  }

  /// The group with this ID and its members; nil if there is none.
  package func group(_ id: ID) throws -> Group? {
    try find(.groups, "id", id.text)
  }

  /// The groups of which the user is a member, in the order of their names.
  package func groups(of user: ID) throws -> [Group] {
    try load(
      .groups,
      """
      WHERE g.id IN (SELECT group_id FROM group_members WHERE user_id = ?)
      ORDER BY g.name_key, g.id
      """, [user.text])
  }

  /// Whether the user is in the group.
  package func isMember(_ user: ID, of group: ID) throws -> Bool {
    try connection.row(
      "SELECT 1 FROM group_members WHERE group_id = ? AND user_id = ?", group.text, user.text
    ) { _ in true } ?? false
  }

  /// Whether the caller may see the group: staff see every group, others only their own.
  package func maySee(_ group: ID, _ caller: Caller) throws -> Bool {
    guard caller.isStaff else { return try isMember(caller.userID, of: group) }
    return try connection.row("SELECT 1 FROM groups WHERE id = ?", group.text) { _ in true }
      ?? false
  }

  /// The owner of the token with this SHA-256; nil if it is unknown, expired, revoked, or of a disabled user.
  package func caller(tokenSHA256: [UInt8]) throws -> Caller? {
    try connection.row(
      """
      SELECT t.user_id, t.scope FROM tokens AS t JOIN users AS u ON u.id = t.user_id
      WHERE t.sha256 = ? AND t.revoked_at IS NULL AND NOT u.disabled
        AND (t.expires_at IS NULL OR t.expires_at > ?)
      """, tokenSHA256, now.text
    ) { Caller(userID: try $0.id(0), scope: try $0.wordOrNil(1)) }
  }

  /// Whether the user has an admin token that is neither revoked nor expired. If the user is disabled, it would
  /// be valid again as soon as the user is not.
  ///
  /// - Parameter scope: The token's scope; nil for any.
  func holdsAdminToken(_ user: ID, scope: Scope? = nil) throws -> Bool {
    try connection.row(
      """
      SELECT 1 FROM tokens WHERE user_id = ? AND scope = ifnull(?, scope) AND revoked_at IS NULL
        AND (expires_at IS NULL OR expires_at > ?) LIMIT 1
      """, user.text, scope?.rawValue, now.text
    ) { _ in true } ?? false
  }

  /// The token with this ID; nil if there is none.
  package func token(_ id: ID) throws -> Token? {
    try find(.tokens, "id", id.text)
  }

  /// Writes a page of the user's tokens without their secrets, newest first.
  ///
  /// - Returns: The last item's key if there are more items, else nil.
  package func tokens(
    of user: ID, _ page: PageRequest, to json: inout JSONWriter
  ) throws -> [String]? {
    try tokenList(of: user).write(page, on: connection, to: &json)
  }

  /// The list of `tokens(of:_:to:)`. The ID of a token begins with the time of its creation.
  func tokenList(of user: ID) -> List {
    var list = List(
      Table.tokens.list(.staff), items: List.Source(name: "tokens", alias: "t", number: "id"),
      descending: true)
    list.walk("user_id", in: [user.text])
    return list
  }

  /// The user's tokens, the oldest first.
  func tokens(of user: ID) throws -> [Token] {
    try load(.tokens, "WHERE t.user_id = ? ORDER BY t.id", [user.text])
  }

  /// The tokens that the user created over HTTP and that are not revoked.
  package func tokens(createdBy user: ID) throws -> [Token] {
    try load(.tokens, "WHERE t.created_by = ? AND t.revoked_at IS NULL", [user.text])
  }

  /// All tokens, the newest first.
  package func tokens() throws -> [Token] {
    try load(.tokens, "ORDER BY t.created_at DESC, t.id DESC")
  }
}
