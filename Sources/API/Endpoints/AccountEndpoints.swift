import Domain
import HTTPTypes
import JSON
import Store

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

/// `POST /api/admin/users/:id/tokens`: creates a token for a user. Only this answer shows it.
@Sendable func createToken(_ call: Call) throws -> Plan {
  let user = try call.id()
  let body = call.body(Table.tokens.fields, by: .staff, isNew: true)
  return Plan(body) { change in
    let secret = AccessToken.new()
    let id = try change.createToken(
      for: user, scope: nil, sha256: AccessToken.sha256(of: secret), body)
    let body = try object {
      try change.writeMembers(id, of: .tokens, seenBy: .staff, to: &$0)
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
