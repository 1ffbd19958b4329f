/// The part of an account that this service keeps; Tomi's sign-in owns the rest.
package struct User: Equatable, Sendable {
  package var id: ID
  package var email: String
  package var name: String
  /// A disabled user's tokens do not count.
  package var disabled: Bool
  package var createdAt: Timestamp
  package var updatedAt: Timestamp

  package init(
    id: ID, email: String = "", name: String = "", disabled: Bool = false, createdAt: Timestamp,
    updatedAt: Timestamp
  ) {
    self.id = id
    self.email = email
    self.name = name
    self.disabled = disabled
    self.createdAt = createdAt
    self.updatedAt = updatedAt
  }
}

/// The part of a group of co-buyers that this service keeps.
package struct Group: Equatable, Sendable {
  package var id: ID
  package var name: String
  /// Where it wants to buy, if it has said so.
  package var state: StateCode?
  /// The members' IDs, in order.
  package var members: [ID]
  package var createdAt: Timestamp
  package var updatedAt: Timestamp

  package init(
    id: ID, name: String = "", state: StateCode? = nil, members: [ID] = [], createdAt: Timestamp,
    updatedAt: Timestamp
  ) {
    self.id = id
    self.name = name
    self.state = state
    self.members = members
    self.createdAt = createdAt
    self.updatedAt = updatedAt
  }
}

/// An access token, without the token itself, which is kept nowhere.
package struct Token: Equatable, Sendable {
  package var id: ID
  package var userID: ID
  /// Whether it gives staff's rights.
  package var admin: Bool
  package var name: String?
  package var createdAt: Timestamp
  /// Nil: never.
  package var expiresAt: Timestamp?
  package var revokedAt: Timestamp?

  package init(
    id: ID, userID: ID, admin: Bool, name: String?, createdAt: Timestamp, expiresAt: Timestamp?,
    revokedAt: Timestamp? = nil
  ) {
    self.id = id
    self.userID = userID
    self.admin = admin
    self.name = name
    self.createdAt = createdAt
    self.expiresAt = expiresAt
    self.revokedAt = revokedAt
  }

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
