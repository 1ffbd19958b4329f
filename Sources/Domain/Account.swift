/// The part of an account that this service keeps; Tomi's sign-in owns the rest.
package struct User: Resource {
  package var record: Record

  package init(record: Record) { self.record = record }

  package var email: String { required(text("email"), "email") }

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

/// An access token, without its secret, which is stored nowhere.
package struct Token: Resource {
  package var record: Record

  package init(record: Record) { self.record = record }

  package var userID: ID { required(id("user_id"), "user_id") }

  /// Whether it gives staff's rights.
  package var isAdmin: Bool { flag("admin") }

  package var name: String? { text("name") }

  /// Nil: never.
  package var expiresAt: Timestamp? { time("expires_at") }

  package var revokedAt: Timestamp? { time("revoked_at") }

  /// How many days a token lasts if nothing else is said.
  package static let defaultDays = 90
}

/// Who makes a request, by its token.
package struct Caller: Equatable, Sendable {
  package var userID: ID
  /// Whether the token is an admin token.
  package var isStaff: Bool

  package init(userID: ID, isStaff: Bool) {
    self.userID = userID
    self.isStaff = isStaff
  }
}
