import Domain
import HTTPTypes
import Store

/// `GET /api/admin/messages`: the messages that match the filters, newest first.
@Sendable func listMessages(_ call: Call, _ records: Snapshot) throws -> Answer {
  var filter = MessageFilter()
  filter.statuses = call.query.words("status")
  filter.kinds = call.query.words("kind")
  filter.referralID = call.query.id("referral_id")
  filter.partnerID = call.query.id("partner_id")
  filter.address = call.query["to"]
  return try call.page { try records.messages(filter, call.query.page, to: &$0) }
}

/// `GET /api/admin/messages/:id`: one message with its text.
@Sendable func getMessage(_ call: Call, _ records: Snapshot) throws -> Answer {
  .resource(try records.view(call.id(), of: .messages, seenBy: .staff))
}

/// `POST /api/admin/messages/:id/resend`: makes a new message of the same text.
@Sendable func resendMessage(_ call: Call) throws -> Plan {
  let id = try call.id()
  return Plan { change in
    let new = try change.resendMessage(id)
    return Answer.resource(try change.view(new, of: .messages, seenBy: .staff))
      .created(at: "/api/admin/messages/\(new)")
  }
}

/// `POST /api/admin/messages/:id/cancel`: cancels a message that is queued or has failed.
@Sendable func cancelMessage(_ call: Call) throws -> Plan {
  let id = try call.id()
  return Plan { change in
    try change.cancelMessage(id, if: call.precondition)
    return .resource(try change.view(id, of: .messages, seenBy: .staff))
  }
}

/// `GET /api/admin/referrals/:id/introduction`: the letters that an introduction would send now.
@Sendable func previewIntroduction(_ call: Call, _ records: Snapshot) throws -> Answer {
  .resource(
    try records.introduction(
      of: call.id(), requiresConsent: call.consent.isRequired))
}
