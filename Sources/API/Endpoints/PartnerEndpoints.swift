import Domain
import Store

/// `GET /api/admin/partners`: the partners that match the filters.
@Sendable func listPartners(_ call: Call, _ records: Snapshot) throws -> Answer {
  var filter = PartnerFilter()
  filter.types = call.query.words("type")
  filter.statuses = call.query.words("status")
  filter.states = call.query.words("state")
  filter.hasPendingChanges = call.query["pending_changes"].map { $0 == "true" }
  filter.words = call.query["q"]
  filter.order = call.query.order() ?? filter.order
  return try call.page { try records.partners(filter, call.query.page, to: &$0) }
}

/// `POST /api/admin/partners`: creates a partner.
@Sendable func createPartner(_ call: Call) throws -> Plan {
  let caller = try call.caller
  let body = call.body(Table.partners.fields, by: .staff, isNew: true)
  return Plan(body) { change in
    let id = try change.createPartner(body, invitedBy: caller.userID)
    return .resource(try change.view(id, of: .partners, seenBy: .staff))
      .created(at: "/api/admin/partners/\(id)")
  }
}

/// `GET /api/admin/partners/:id`: one partner.
@Sendable func getPartner(_ call: Call, _ records: Snapshot) throws -> Answer {
  .resource(try records.view(call.id(), of: .partners, seenBy: .staff))
}

/// `PUT /api/admin/partners/:id`: changes a partner's fields, except its status.
@Sendable func updatePartner(_ call: Call) throws -> Plan {
  let id = try call.id()
  let body = call.body(Table.partners.fields, by: .staff)
  return Plan(body) { change in
    try change.updatePartner(id, body, by: .staff, if: call.precondition)
    return .resource(try change.view(id, of: .partners, seenBy: .staff))
  }
}

/// `PUT /api/admin/partners/:id/status`: moves a partner to another status.
@Sendable func changePartnerStatus(_ call: Call) throws -> Plan {
  let id = try call.id()
  let body = call.body(partnerStatusFields, by: .staff)
  return Plan(body) { change in
    try change.changePartnerStatus(id, body, if: call.precondition)
    return .resource(try change.view(id, of: .partners, seenBy: .staff))
  }
}

/// `PUT /api/admin/partners/:id/changes`: approves or rejects the changes that a partner proposes.
@Sendable func reviewPartnerChanges(_ call: Call) throws -> Plan {
  let id = try call.id()
  let body = call.body(partnerReviewFields, by: .staff)
  return Plan(body) { change in
    try change.reviewPartnerChanges(id, body, if: call.precondition)
    return .resource(try change.view(id, of: .partners, seenBy: .staff))
  }
}

/// `GET /api/admin/partners/:id/history`: the history of a partner, newest first.
@Sendable func listPartnerHistory(_ call: Call, _ records: Snapshot) throws -> Answer {
  let id = try call.id()
  guard try records.partner(id) != nil else { throw Failure.notFound }
  return try call.page { try records.events(of: .partner, id, call.query.page, to: &$0) }
}
