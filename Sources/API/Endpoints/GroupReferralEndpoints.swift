import Domain
import Store

/// `POST /api/groups/:groupId/referrals`: asks for an introduction to a partner.
@Sendable func requestReferral(_ call: Call) throws -> Plan {
  let (group, caller) = try (call.id("groupId"), call.caller)
  let audience = try call.groupAudience
  let body = call.body(Table.referrals.fields, by: audience, seenBy: .staff, isNew: true)
  return Plan(body) { change in
    let id = try change.requestReferral(
      ofGroup: group, body, by: caller, consent: call.consent)
    if !caller.isStaff {
      try change.checkRequests(ofGroup: group, perDay: call.quotas.groupRequestsPerDay)
    }
    return .resource(try change.referral(id, ofGroup: group, seenBy: audience))
      .created(at: "/api/groups/\(group)/referrals/\(id)")
  }
}

/// `GET /api/groups/:groupId/referrals`: the group's requests, newest first.
@Sendable func listGroupReferrals(_ call: Call, _ records: Snapshot) throws -> Answer {
  var filter = ReferralFilter()
  filter.groupID = try call.id("groupId")
  filter.statuses = call.query.words("status")
  filter.types = call.query.words("partner_type")
  let audience = try call.groupAudience
  return try call.page {
    try records.referrals(filter, call.query.page, seenBy: audience, to: &$0)
  }
}

/// `GET /api/groups/:groupId/referrals/:id`: one request of the group.
@Sendable func getGroupReferral(_ call: Call, _ records: Snapshot) throws -> Answer {
  .resource(
    try records.referral(call.id(), ofGroup: call.id("groupId"), seenBy: call.groupAudience))
}

/// `POST /api/groups/:groupId/referrals/:id/cancel`: cancels a request.
@Sendable func cancelReferral(_ call: Call) throws -> Plan {
  let (id, group, caller) = try (call.id(), call.id("groupId"), call.caller)
  let audience = try call.groupAudience
  let body = call.body([.note], by: audience)
  return Plan(body) { change in
    try change.cancelReferral(id, ofGroup: group, body, byStaff: caller.isStaff)
    return .resource(try change.referral(id, ofGroup: group, seenBy: audience))
  }
}
