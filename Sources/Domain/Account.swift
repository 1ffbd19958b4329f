/// The part of a user's account that this service keeps. Tomi's sign-in owns the rest.
package struct User: Resource {
  package var record: Record

  package init(record: Record) { self.record = record }

  /// The e-mail address, which no other user has.
  package var email: String { required(text("email"), "email") }

  /// The name as people read it.
  package var name: String { required(text("name"), "name") }

  /// A disabled user's tokens are not accepted.
  package var isDisabled: Bool { flag("disabled") }
}

/// The part of a group of co-buyers that this service keeps.
package struct Group: Resource {
  package var record: Record

  package init(record: Record) { self.record = record }

  /// The name as people read it.
  package var name: String { required(text("name"), "name") }

  /// The members' IDs, in order.
  package var members: [ID] {
    guard case .array(let ids) = record["members"] else { return [] }
    return ids.compactMap { if case .string(let id) = $0 { ID(id) } else { nil } }
  }
}

/// The part of staff's rights that an admin token gives.
package enum Scope: String, CaseIterable, Sendable {
  /// All of them.
  case admin
  /// To read what staff and groups read.
  case read
  /// To read and change users, groups and their tokens, for the systems that own accounts.
  case sync
  /// To read the history of all changes, for mailers and bots.
  case events
}

/// An access token without its secret, which is not stored.
package struct Token: Resource {
  package var record: Record

  package init(record: Record) { self.record = record }

  /// The user whom it identifies.
  package var userID: ID { required(id("user_id"), "user_id") }

  /// The part of staff's rights that it gives; nil for a token without any.
  package var scope: Scope? { word("scope") }

  /// The user who created it over HTTP; nil if the command line did.
  package var createdBy: ID? { id("created_by") }

  /// What it is for, in the words of whoever created it.
  package var name: String? { text("name") }

  /// When it expires; nil if it never does.
  package var expiresAt: Timestamp? { time("expires_at") }

  /// When it was revoked; nil if it was not.
  package var revokedAt: Timestamp? { time("revoked_at") }

  /// How many days a token is valid by default.
  package static let defaultDays = 90

  /// The most days that a token is valid if a user creates it.
  package static let maximumDays = 400
}

/// Who makes a request, as its token shows.
package struct Caller: Equatable, Sendable {
  /// The token's user.
  package var userID: ID
  /// The part of staff's rights that the token gives; nil for a token without any.
  package var scope: Scope?

  package init(userID: ID, scope: Scope? = nil) {
    self.userID = userID
    self.scope = scope
  }

  /// Whether the token is an admin token.
  package var isStaff: Bool { scope != nil }
}
