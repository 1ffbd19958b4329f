import Domain
import HTTPTypes
import JSON
import Store

/// `GET /api/me`: the caller, with the groups and the partner record that the token gives access to.
@Sendable func getMe(_ call: Call, _ records: Snapshot) throws -> Answer {
  let caller = try call.caller
  guard let user = try records.user(caller.userID) else { throw Failure.notFound }
  let groups = try records.groups(of: user.id)
  let partner = try records.partnerID(ofUser: user.id).flatMap { try records.partner($0) }
  let roles = [
    caller.isStaff ? "staff" : nil, partner == nil ? nil : "partner",
    groups.isEmpty ? nil : "member",
  ]
  return .resource(
    object { json in
      json.field("id", user.id.text)
      json.field("name", user.name)
      json.field("email", user.email)
      json.field("roles", roles.compactMap { $0 })
      json.field("scope", caller.scope)
      json.array("groups", of: groups) { json, group in
        json.object {
          $0.field("id", group.id.text)
          $0.field("name", group.name)
        }
      }
      json.name("partner")
      if let partner {
        json.object {
          $0.field("id", partner.id.text)
          $0.field("company_name", partner.companyName)
        }
      } else {
        json.null()
      }
    })
}

/// `GET /api/admin/users`: the users that match the filters.
@Sendable func listUsers(_ call: Call, _ records: Snapshot) throws -> Answer {
  var filter = UserFilter()
  filter.words = call.query["q"]
  filter.isDisabled = call.query["disabled"].map { $0 == "true" }
  filter.isStaff = call.query["staff"].map { $0 == "true" }
  filter.order = call.query.order() ?? filter.order
  return try call.page { try records.users(filter, call.query.page, to: &$0) }
}

/// `GET /api/admin/users/:id`: one user.
@Sendable func getUser(_ call: Call, _ records: Snapshot) throws -> Answer {
  .resource(try records.view(call.id(), of: .users, seenBy: .staff))
}

/// `PUT /api/admin/users/:id`: creates a user or changes it.
@Sendable func putUser(_ call: Call) throws -> Plan {
  let id = try call.id()
  let body = call.body(Table.users.fields, by: .staff)
  return Plan(body) { change in
    let isNew = try change.putUser(id, body, if: call.precondition)
    let answer = Answer.resource(try change.view(id, of: .users, seenBy: .staff))
    return isNew ? answer.created(at: "/api/admin/users/\(id)") : answer
  }
}

/// `GET /api/admin/groups`: the groups that match the filters.
@Sendable func listGroups(_ call: Call, _ records: Snapshot) throws -> Answer {
  var filter = GroupFilter()
  filter.words = call.query["q"]
  filter.states = call.query.words("state")
  filter.member = call.query.id("member")
  filter.order = call.query.order() ?? filter.order
  return try call.page { try records.groups(filter, call.query.page, to: &$0) }
}

/// `GET /api/admin/groups/:id`: one group with its members.
@Sendable func getGroup(_ call: Call, _ records: Snapshot) throws -> Answer {
  .resource(try records.view(call.id(), of: .groups, seenBy: .staff))
}

/// `PUT /api/admin/groups/:id`: creates a group or changes it; `members` replaces the membership.
@Sendable func putGroup(_ call: Call) throws -> Plan {
  let id = try call.id()
  let body = call.body(Table.groups.fields, by: .staff)
  return Plan(body) { change in
    let isNew = try change.putGroup(id, body, if: call.precondition)
    let answer = Answer.resource(try change.view(id, of: .groups, seenBy: .staff))
    return isNew ? answer.created(at: "/api/admin/groups/\(id)") : answer
  }
}

/// `GET /api/admin/users/:id/tokens`: a user's tokens without their secrets, newest first.
@Sendable func listTokens(_ call: Call, _ records: Snapshot) throws -> Answer {
  let id = try call.id()
  guard try records.user(id) != nil else { throw Failure.notFound }
  return try call.page { try records.tokens(of: id, call.query.page, to: &$0) }
}

/// `POST /api/admin/users/:id/tokens`: creates a token for a user. Only this answer shows it.
@Sendable func createToken(_ call: Call) throws -> Plan {
  let user = try call.id()
  let body = call.body(Table.tokens.fields, by: .staff, isNew: true)
  return Plan(body) { change in
    let secret = AccessToken.new()
    let token = try change.createToken(
      for: user, scope: nil, sha256: AccessToken.sha256(of: secret), body)
    let body = object {
      $0.field("id", token.id.text)
      $0.field("user_id", token.userID.text)
      $0.field("name", token.name)
      $0.field("expires_at", token.expiresAt)
      $0.field("created_at", token.createdAt)
      $0.field("token", secret)
    }
    return Answer(status: .created, body: body)
  }
}

/// `DELETE /api/admin/tokens/:id`: revokes a token, from the next request on.
@Sendable func revokeToken(_ call: Call) throws -> Plan {
  let (id, scope) = try (call.id(), call.caller.scope)
  return Plan { change in
    try change.revokeToken(id, by: scope)
    return .noContent
  }
}
