import Domain
import JSON
import Store

/// `GET /api/admin/referrals`: the requests that match the filters.
@Sendable func listReferrals(_ call: Call, _ records: Snapshot) throws -> Answer {
  var filter = ReferralFilter()
  filter.statuses = call.query.words("status")
  filter.types = call.query.words("partner_type")
  filter.states = call.query.words("state")
  filter.groupID = call.query.id("group_id")
  filter.partnerID = call.query.id("partner_id")
  filter.partnerStatuses = call.query.words("partner_status")
  filter.requestedBy = call.query.id("requested_by")
  filter.createdUntil = call.query.integer("older_than_days").map { call.now.adding(days: -$0) }
  filter.statusUntil = call.query.integer("in_status_days").map { call.now.adding(days: -$0) }
  filter.assignee =
    switch call.query["assigned_to"] {
    case "me": .user(try call.caller.userID)
    case "none": .nobody
    default: call.query.id("assigned_to").map { .user($0) }
    }
  filter.followUpUntil = call.query["follow_up_until"]
  filter.words = call.query["q"]
  filter.order = call.query.order() ?? filter.order
  return try call.page { try records.referrals(filter, call.query.page, seenBy: .staff, to: &$0) }
}

/// `GET /api/admin/referrals/:id`: one request.
@Sendable func getReferral(_ call: Call, _ records: Snapshot) throws -> Answer {
  .resource(try records.view(call.id(), of: .referrals, seenBy: .staff))
}

/// `PUT /api/admin/referrals/:id`: matches, introduces, takes back, closes, cancels, reopens or corrects a request.
@Sendable func updateReferral(_ call: Call) throws -> Plan {
  let id = try call.id()
  let body = call.body(Table.referrals.fields + [.note], by: .staff)
  return Plan(body) { change in
    try change.updateReferral(
      id, body, requiresConsent: call.consent.isRequired, if: call.precondition)
    return .resource(try change.view(id, of: .referrals, seenBy: .staff))
  }
}

/// `PUT /api/admin/referrals/:id/outcome`: records the outcome of an introduction.
@Sendable func recordOutcome(_ call: Call) throws -> Plan {
  let id = try call.id()
  let body = call.body(outcomeFields, by: .staff)
  return Plan(body) { change in
    try change.recordOutcome(id, body, if: call.precondition)
    return .resource(try change.view(id, of: .referrals, seenBy: .staff))
  }
}

/// `GET /api/admin/referrals/:id/history`: the history of a request, newest first.
@Sendable func listReferralHistory(_ call: Call, _ records: Snapshot) throws -> Answer {
  let id = try call.id()
  guard try records.referral(id) != nil else { throw Failure.notFound }
  return try call.page { try records.events(of: .referral, id, call.query.page, to: &$0) }
}

/// `GET /api/admin/referrals/:id/candidates`: the partners that fit a request, best first, and if asked for, those
/// that are left out.
@Sendable func listCandidates(_ call: Call, _ records: Snapshot) throws -> Answer {
  guard let referral = try records.referral(call.id()) else { throw Failure.notFound }
  return try call.page(order: Ranking.order) { json in
    try records.candidates(
      for: referral, includingLeftOut: call.query["all"] == "true", call.query.page, to: &json
    ) { key, leftOut, json in
      json.field("co_ownership_certified", key.certified)
      json.field("open_referrals", key.openReferrals)
      json.field("last_intro_at", key.lastIntroAt)
      json.field("why", Ranking.why(key, servedState: referral.state))
      json.field("left_out", leftOut.map(\.rawValue))
    }
  }
}
