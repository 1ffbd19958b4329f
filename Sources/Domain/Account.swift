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

  /// The members' IDs, in order.
  package var members: [ID] {
    guard case .array(let ids) = record["members"] else { return [] }
    return ids.compactMap { if case .string(let id) = $0 { ID(id) } else { nil } }
  }
}

/// An access token without its secret, which is not stored.
package struct Token: Resource {
  package var record: Record

  package init(record: Record) { self.record = record }

  /// The user whom it identifies.
  package var userID: ID { required(id("user_id"), "user_id") }

  /// Whether it gives the rights of staff.
  package var isAdmin: Bool { flag("admin") }

  /// What it is for, in the words of whoever created it.
  package var name: String? { text("name") }

  /// When it expires; nil if it never does.
  package var expiresAt: Timestamp? { time("expires_at") }

  /// When it was revoked; nil if it was not.
  package var revokedAt: Timestamp? { time("revoked_at") }

  /// How many days a token is valid by default.
  package static let defaultDays = 90
}

/// Who makes a request, as its token shows.
package struct Caller: Equatable, Sendable {
  /// The token's user.
  package var userID: ID
  /// Whether the token is an admin token.
  package var isStaff: Bool

  package init(userID: ID, isStaff: Bool) {
    self.userID = userID
    self.isStaff = isStaff
  }
}
