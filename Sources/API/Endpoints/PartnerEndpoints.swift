import Domain
import Store

/// `GET /api/admin/partners`: the partners that the filters keep.
@Sendable func listPartners(_ call: Call, _ records: Snapshot) throws -> Answer {
  var filter = PartnerFilter()
  filter.types = call.query.words("type")
  filter.statuses = call.query.words("status")
  filter.states = call.query.words("state")
  filter.words = call.query["q"]
  if let (sort, descending) = call.query.sort(PartnerFilter.Sort.self) {
    filter.sort = sort
    filter.descending = descending
  }
  return try call.page { try records.partners(filter, call.query.page, to: &$0) }
}

/// `POST /api/admin/partners`: creates a partner.
@Sendable func createPartner(_ call: Call) throws -> Plan {
  let caller = try call.caller
  let body = call.body(Table.partners.fields, by: .staff, isNew: true)
  return Plan(body) { change in
    let id = try change.createPartner(body, invitedBy: caller.userID)
    return .resource(try change.partner(id, seenBy: .staff))
      .created(at: "/api/admin/partners/\(id)")
  }
}

/// `GET /api/admin/partners/:id`: one partner.
@Sendable func getPartner(_ call: Call, _ records: Snapshot) throws -> Answer {
  .resource(try records.partner(call.id(), seenBy: .staff))
}

/// `PUT /api/admin/partners/:id`: changes a partner's fields, its status aside.
@Sendable func updatePartner(_ call: Call) throws -> Plan {
  let id = try call.id()
  let body = call.body(Table.partners.fields, by: .staff)
  return Plan(body) { change in
    try change.updatePartner(id, body, by: .staff, if: call.precondition)
    return .resource(try change.partner(id, seenBy: .staff))
  }
}

/// `PUT /api/admin/partners/:id/status`: moves a partner along its life cycle.
@Sendable func changePartnerStatus(_ call: Call) throws -> Plan {
  let id = try call.id()
  let body = call.body(partnerStatusFields, by: .staff)
  return Plan(body) { change in
    try change.changePartnerStatus(id, body, if: call.precondition)
    return .resource(try change.partner(id, seenBy: .staff))
  }
}

/// `GET /api/admin/partners/:id/history`: what happened to a partner, newest first.
@Sendable func listPartnerHistory(_ call: Call, _ records: Snapshot) throws -> Answer {
  let id = try call.id()
  guard try records.partner(id) != nil else { throw Failure.notFound }
  return try call.page { try records.events(of: .partner, id, call.query.page, to: &$0) }
}
