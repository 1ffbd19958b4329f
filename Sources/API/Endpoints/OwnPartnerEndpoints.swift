import Domain
import JSON
import Store

/// `GET /api/partners/me`: the caller's own partner record.
@Sendable func getOwnPartner(_ call: Call, _ records: Snapshot) throws -> Answer {
  .resource(try records.view(call.ownPartner(in: records), of: .partners, seenBy: .partner))
}

/// `PUT /api/partners/me`: changes the caller's own partner record. Some changes wait for staff's
/// review.
@Sendable func updateOwnPartner(_ call: Call) throws -> Plan {
  let body = call.body(Table.partners.fields, by: .partner)
  return Plan(body) { change in
    let id = try call.ownPartner(in: change)
    try change.updatePartner(id, body, by: .partner, if: call.precondition)
    return .resource(try change.view(id, of: .partners, seenBy: .partner))
  }
}

/// `DELETE /api/partners/me/changes`: takes back the changes that wait for staff's review.
@Sendable func withdrawOwnChanges(_ call: Call) throws -> Plan {
  Plan { change in
    try change.withdrawPartnerChanges(call.ownPartner(in: change), if: call.precondition)
    return .noContent
  }
}

/// `GET /api/partners/me/referrals`: the introductions made to the partner, newest first.
@Sendable func listOwnReferrals(_ call: Call, _ records: Snapshot) throws -> Answer {
  var filter = ReferralFilter()
  filter.partnerID = try call.ownPartner(in: records)
  filter.introducedOnly = true
  filter.statuses = call.query.words("status")
  return try call.page {
    try records.referrals(filter, call.query.page, seenBy: .partner, to: &$0)
  }
}

/// `PUT /api/partners/me/referrals/:id/response`: the partner accepts or declines an introduction.
@Sendable func respondToReferral(_ call: Call) throws -> Plan {
  let id = try call.id()
  let body = call.body(responseFields, by: .partner)
  return Plan(body) { change in
    let partner = try call.ownPartner(in: change)
    let isAccepted = try change.answerReferral(
      id, ofPartner: partner, body, if: call.precondition)
    return isAccepted ? .resource(try change.referral(id, ofPartner: partner)) : .noContent
  }
}

/// `GET /api/partners/me/summary`: the numbers of the partner's introductions.
@Sendable func getOwnSummary(_ call: Call, _ records: Snapshot) throws -> Answer {
  let summary = try records.summary(ofPartner: call.ownPartner(in: records))
  return .resource(object { $0.write(summary) })
}

extension Call {
  /// The ID of the caller's own partner record.
  ///
  /// - Throws: `Failure.forbidden` if the caller has none.
  func ownPartner(in records: Snapshot) throws -> ID {
    guard let id = try records.partnerID(ofUser: caller.userID) else { throw Failure.forbidden }
    return id
  }
}
