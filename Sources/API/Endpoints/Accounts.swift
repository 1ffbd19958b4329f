import Domain
import JSON
import Store

/// `GET /api/admin/users/:id`: one user.
@Sendable func getUser(_ call: Call<Snapshot>) throws -> Answer {
  guard let user = try call.records.user(call.id()) else { throw Failure.notFound }
  return .thing(UserView(user))
}

/// `PUT /api/admin/users/:id`: creates a user or changes it.
@Sendable func putUser(_ call: Call<Change>) throws -> Answer {
  let id = try call.id()
  let old = try call.records.user(id)
  var new = old ?? User(id: id, createdAt: call.now, updatedAt: call.now)
  var fields = try call.fields()
  if old == nil { fields.require("email", "name") }
  fields.set("email", &new.email, .text(.email))
  fields.set("name", &new.name, .text(limit: 100))
  fields.set("disabled", &new.disabled, .bool)
  fields.acceptID(id)
  fields.readOnly(["created_at", "updated_at"], stored: old.map(UserView.init))
  try fields.finish()
  try call.checkPrecondition(old.map(UserView.init))
  if let old, new == old { return .thing(UserView(old)) }
  new.updatedAt = call.now
  try Accounts.put(new, replacing: old, in: call.records)
  let view = UserView(new)
  return old == nil ? .thing(view).created(at: "/api/admin/users/\(id)") : .thing(view)
}

/// `GET /api/admin/groups/:id`: one group with its members.
@Sendable func getGroup(_ call: Call<Snapshot>) throws -> Answer {
  guard let group = try call.records.group(call.id()) else { throw Failure.notFound }
  return .thing(GroupView(group))
}

/// `PUT /api/admin/groups/:id`: creates a group or changes it; `members` replaces the membership.
@Sendable func putGroup(_ call: Call<Change>) throws -> Answer {
  let id = try call.id()
  let old = try call.records.group(id)
  var new = old ?? Group(id: id, createdAt: call.now, updatedAt: call.now)
  var fields = try call.fields()
  if old == nil { fields.require("name") }
  fields.set("name", &new.name, .text(limit: 200))
  fields.set("state", &new.state, .state)
  fields.set(
    "members", &new.members, list: .list(of: .user(among: try call.knownMembers()), limit: 100))
  new.members.sort()
  fields.acceptID(id)
  fields.readOnly(["created_at", "updated_at"], stored: old.map(GroupView.init))
  try fields.finish()
  try call.checkPrecondition(old.map(GroupView.init))
  if let old, new == old { return .thing(GroupView(old)) }
  new.updatedAt = call.now
  try call.records.put(new)
  let view = GroupView(new)
  try call.records.record(
    old == nil ? "group.created" : "group.updated", .group, id.text,
    changes: Changes.between(old.map(GroupView.init), view, fields: ["name", "state", "members"]))
  return old == nil ? .thing(view).created(at: "/api/admin/groups/\(id)") : .thing(view)
}

/// `POST /api/admin/users/:id/tokens`: makes a token for a user and shows it, this once.
@Sendable func createToken(_ call: Call<Change>) throws -> Answer {
  guard let user = try call.records.user(call.id()) else { throw Failure.notFound }
  var token = Token(
    id: call.records.newID(), userID: user.id, admin: false, name: nil, createdAt: call.now,
    expiresAt: call.now.adding(days: Token.defaultDays))
  var fields = try call.fields()
  fields.set("name", &token.name, .text(limit: 100))
  // A token that never expires is asked for by null, not by a form's field that was left empty.
  fields.set("expires_at", &token.expiresAt, .time.notEmpty)
  if fields.has("expires_at"), let expiry = token.expiresAt, expiry <= call.now {
    fields.fail("expires_at", .inPast, "This time lies in the past.")
  }
  try fields.finish()
  let secret = AccessToken.new()
  try Accounts.create(token, secret: secret, in: call.records)
  return Answer(status: .created, body: TokenView(token: token, secret: secret).bytes)
}

/// `DELETE /api/admin/tokens/:id`: revokes a token, from the next request on.
@Sendable func revokeToken(_ call: Call<Change>) throws -> Answer {
  guard let token = try call.records.token(call.id()) else { throw Failure.notFound }
  try Accounts.revoke(token, in: call.records)
  return .noContent
}

/// The changes of accounts that the command line makes as well, each with its event.
package enum Accounts {
  /// Adds a user.
  ///
  /// - Throws: `Failure.conflict(.emailTaken)`.
  package static func create(_ user: User, in change: Change) throws {
    try put(user, replacing: nil, in: change)
  }

  fileprivate static func put(_ user: User, replacing old: User?, in change: Change) throws {
    try change.put(user)
    try change.record(
      old == nil ? "user.created" : "user.updated", .user, user.id.text,
      changes: Changes.between(
        old.map(UserView.init), UserView(user), fields: ["email", "name", "disabled"]))
  }

  /// Adds a token, of which only the hash is kept.
  package static func create(_ token: Token, secret: String, in change: Change) throws {
    try change.insert(token, sha256: AccessToken.sha256(of: secret))
    try change.record(
      "token.created", .token, token.id.text,
      changes: Changes.between(
        TokenView?.none, TokenView(token: token, secret: nil),
        fields: ["user_id", "admin", "name", "expires_at"]))
  }

  /// Revokes a token; nothing if it is revoked already.
  package static func revoke(_ token: Token, in change: Change) throws {
    guard token.revokedAt == nil else { return }
    try change.revoke(token.id)
    try change.record(
      "token.revoked", .token, token.id.text,
      changes: #"{"revoked_at":{"from":null,"to":"\#(change.now)"}}"#)
  }
}

extension Fields {
  /// The ID in the path may stand in the body as well.
  fileprivate mutating func acceptID(_ id: ID) {
    if let given = given("id", .id), given != id {
      fail("id", .readOnly, "This field cannot be set here.")
    }
  }
}

extension Call<Change> {
  /// Those of the IDs in the body's `members` that are users.
  fileprivate func knownMembers() throws -> Set<ID> {
    guard case .array(let elements) = body?["members"], elements.count <= 1_000 else { return [] }
    var known: Set<ID> = []
    for case .string(let text) in elements {
      if let id = ID(text.trimmingWhitespace()), try records.user(id) != nil { known.insert(id) }
    }
    return known
  }
}

extension Fields.Reader where Value == ID {
  /// The ID of a user, one of those that are known.
  fileprivate static func user(among known: Set<ID>) -> Self {
    Self { json in
      id.read(json).flatMap { id in
        guard let id, !known.contains(id) else { return .success(id) }
        return .failure(.init(.unknownUser, "There is no user with this ID."))
      }
    }
  }
}

/// A user, as staff sees it.
struct UserView: View {
  let user: User

  init(_ user: User) { self.user = user }

  func write(to json: inout JSONWriter) {
    json.object {
      $0.field("id", user.id)
      $0.field("email", user.email)
      $0.field("name", user.name)
      $0.field("disabled", user.disabled)
      $0.field("created_at", user.createdAt)
      $0.field("updated_at", user.updatedAt)
    }
  }
}

/// A group, as staff sees it.
struct GroupView: View {
  let group: Group

  init(_ group: Group) { self.group = group }

  func write(to json: inout JSONWriter) {
    json.object {
      $0.field("id", group.id)
      $0.field("name", group.name)
      $0.field("state", group.state)
      $0.field("members", group.members.map(\.text))
      $0.field("created_at", group.createdAt)
      $0.field("updated_at", group.updatedAt)
    }
  }
}

/// A token at its creation.
private struct TokenView: View {
  let token: Token
  /// Nil where the token itself must not show.
  let secret: String?

  func write(to json: inout JSONWriter) {
    json.object {
      $0.field("id", token.id)
      $0.field("user_id", token.userID)
      $0.field("name", token.name)
      $0.field("expires_at", token.expiresAt)
      $0.field("created_at", token.createdAt)
      // Else it is for the history, where the rights count.
      if let secret { $0.field("token", secret) } else { $0.field("admin", token.admin) }
    }
  }
}
