import Domain
import Store

// The routes under `/api/admin/partners/:id` are staff's, those under `/api/partners/me` the partner's own.

/// `GET /api/admin/credentials`: the credentials of all partners that match the filters.
@Sendable func listAllCredentials(_ call: Call, _ records: Snapshot) throws -> Answer {
  var filter = CredentialFilter()
  filter.kinds = call.query.words("kind")
  filter.states = call.query.words("state")
  filter.isVerified = call.query["verified"].map { $0 == "true" }
  filter.expiringWithinDays = call.query.integer("expiring_within_days")
  return try call.page { try records.credentials(filter, call.query.page, to: &$0) }
}

/// `GET /api/admin/partners/:id/credentials` and `GET /api/partners/me/credentials`: a partner's credentials.
@Sendable func listCredentials(_ call: Call, _ records: Snapshot) throws -> Answer {
  let partner = try call.credentialOwner(in: records)
  guard try records.partner(partner) != nil else { throw Failure.notFound }
  return try call.page {
    try records.credentials(
      ofPartner: partner, call.query.page, seenBy: call.credentialAudience, to: &$0)
  }
}

/// `POST /api/admin/partners/:id/credentials` and `POST /api/partners/me/credentials`: adds a credential.
@Sendable func addCredential(_ call: Call) throws -> Plan {
  let body = call.credentialBody(isNew: true)
  return Plan(body) { change in
    let partner = try call.credentialOwner(in: change)
    let id = try change.addCredential(toPartner: partner, body)
    let audience = call.credentialAudience
    return .resource(try change.credential(id, ofPartner: partner, seenBy: audience))
      .created(
        at: audience == .staff
          ? "/api/admin/partners/\(partner)/credentials/\(id)"
          : "/api/partners/me/credentials/\(id)")
  }
}

/// `GET /api/admin/partners/:id/credentials/:credentialId` and
/// `GET /api/partners/me/credentials/:credentialId`: one credential.
@Sendable func getCredential(_ call: Call, _ records: Snapshot) throws -> Answer {
  let partner = try call.credentialOwner(in: records)
  return .resource(
    try records.credential(
      call.id("credentialId"), ofPartner: partner, seenBy: call.credentialAudience))
}

/// `PUT /api/admin/partners/:id/credentials/:credentialId` and
/// `PUT /api/partners/me/credentials/:credentialId`: changes a credential; staff also verifies it.
@Sendable func updateCredential(_ call: Call) throws -> Plan {
  let id = try call.id("credentialId")
  let body = call.credentialBody(isNew: false)
  return Plan(body) { change in
    let partner = try call.credentialOwner(in: change)
    let audience = call.credentialAudience
    try change.updateCredential(
      id, ofPartner: partner, body, by: audience, if: call.precondition)
    return .resource(try change.credential(id, ofPartner: partner, seenBy: audience))
  }
}

/// `DELETE /api/admin/partners/:id/credentials/:credentialId` and
/// `DELETE /api/partners/me/credentials/:credentialId`: removes a credential.
@Sendable func removeCredential(_ call: Call) throws -> Plan {
  let id = try call.id("credentialId")
  return Plan { change in
    let partner = try call.credentialOwner(in: change)
    try change.removeCredential(
      id, ofPartner: partner, by: call.credentialAudience, if: call.precondition)
    return .noContent
  }
}

extension Call {
  /// The view of a credential that the caller gets: the partner's own routes name no partner.
  fileprivate var credentialAudience: Audiences { variable("id") == nil ? .partner : .staff }

  /// The partner whose credentials the path names.
  ///
  /// - Throws: `Failure.notFound` if the ID is malformed, `.forbidden` if the caller has no partner record.
  fileprivate func credentialOwner(in records: Snapshot) throws -> ID {
    try credentialAudience == .staff ? id() : ownPartner(in: records)
  }

  /// The body that adds or changes a credential.
  fileprivate func credentialBody(isNew: Bool) -> Body {
    let audience = credentialAudience
    return body(
      Table.credentials.fields + (audience == .staff ? [credentialVerified] : []), by: audience,
      isNew: isNew)
  }
}
