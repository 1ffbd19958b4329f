import Domain
import HTTPTypes
import JSON
import Store

/// `POST /api/sign-in`: sends a link for signing in, if a user has the address. The answer is always the same.
@Sendable func askToSignIn(_ call: Call) throws -> Plan {
  let body = call.body(addressFields, by: .anyone)
  return Plan(body) { change in
    try change.askToSignIn(body)
    return .accepted
  }
}

/// `POST /api/sign-in/code`: creates a token for whoever has the code of a link. Only this answer shows it.
@Sendable func signInWithCode(_ call: Call) throws -> Plan {
  let body = call.body(codeFields, by: .anyone)
  return Plan(body) { change in
    let secret = AccessToken.new()
    let token = try change.signIn(
      body, hash: AccessToken.sha256, tokenSHA256: AccessToken.sha256(of: secret))
    return Answer(
      body: object {
        $0.field("token", secret)
        $0.field("user_id", token.userID.text)
        $0.field("scope", token.scope)
        $0.field("expires_at", token.expiresAt)
      })
  }
}

/// `POST /api/coverage/:stateCode/:partnerType/waitlist`: puts an address on the waiting list, once it is confirmed.
/// The answer does not show whether it is there already.
@Sendable func joinWaitingList(_ call: Call) throws -> Plan {
  let (state, type) = try (call.state(), call.partnerType())
  let body = call.body(addressFields, by: .anyone)
  return Plan(body) { change in
    try change.joinWaitingList(state, type, body)
    return .accepted
  }
}

/// `POST /api/waitlist/confirm`: confirms the address that got the code.
@Sendable func confirmWaiting(_ call: Call) throws -> Plan {
  let body = call.body(codeFields, by: .anyone)
  return Plan(body) { change in
    try change.confirmWaiting(body, hash: AccessToken.sha256)
    return .noContent
  }
}

/// `POST /api/waitlist/leave`: takes the address that got the code off the waiting list.
@Sendable func leaveWaitingList(_ call: Call) throws -> Plan {
  let body = call.body(codeFields, by: .anyone)
  return Plan(body) { change in
    try change.leaveWaitingList(body, hash: AccessToken.sha256)
    return .noContent
  }
}
