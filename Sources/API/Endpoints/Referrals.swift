import Domain
import JSON
import Store

/// `POST /api/groups/:groupId/referrals`: asks for an introduction to a partner.
@Sendable func requestReferral(_ call: Call<Change>) throws -> Answer {
  let caller = try call.caller
  var referral = Referral(
    id: call.records.newID(), groupID: try call.id("groupId"), requestedBy: caller.userID,
    createdAt: call.now, updatedAt: call.now)
  var fields = try call.fields()
  fields.require("partner_type")
  fields.set("partner_type", &referral.partnerType, .word())
  if let context = fields.context("context") { referral.context = context }
  if let requester = fields.givenOrNull("requested_by", .id) {
    referral.requestedBy = requester ?? caller.userID
    let isAllowed =
      caller.isStaff
      ? try requester == nil || requester == caller.userID
        || call.records.isMember(referral.requestedBy, of: referral.groupID)
      : referral.requestedBy == caller.userID
    if !isAllowed {
      fields.fail(
        "requested_by", .notAMember,
        caller.isStaff
          ? "This user is not a member of the group." : "Members ask in their own name.")
    }
  }
  fields.readOnly(
    StaffReferral.fields.filter { !["requested_by", "partner_type", "context"].contains($0) },
    stored: StaffReferral?.none)
  try fields.finish()
  try call.records.insert(referral)
  let view = StaffReferral.Core(referral)
  try call.records.record(
    "referral.requested", .referral, referral.id.text,
    changes: Changes.between(StaffReferral.Core?.none, view, fields: StaffReferral.history))
  return try call.groupAnswer(referral.id)
    .created(at: "/api/groups/\(referral.groupID)/referrals/\(referral.id)")
}

/// `GET /api/groups/:groupId/referrals`: the group's requests, newest first.
@Sendable func listGroupReferrals(_ call: Call<Snapshot>) throws -> Answer {
  var filter = ReferralFilter()
  filter.groupID = try call.id("groupId")
  filter.statuses = call.query.words("status")
  filter.types = call.query.words("partner_type")
  guard try call.caller.isStaff else {
    return try call.page { (write: (MemberReferral) -> Void) in
      try call.records.memberReferrals(filter, call.query.page) { write(MemberReferral($0)) }
    }
  }
  return call.page(
    try call.records.staffReferrals(filter, call.query.page)
  ) { StaffReferral($0) }
}

/// `GET /api/groups/:groupId/referrals/:id`: one request of the group.
@Sendable func getGroupReferral(_ call: Call<Snapshot>) throws -> Answer {
  try call.groupAnswer(call.id())
}

/// `POST /api/groups/:groupId/referrals/:id/cancel`: cancels a request.
@Sendable func cancelReferral(_ call: Call<Change>) throws -> Answer {
  let old = try call.groupRecord(call.id()).referral
  var fields = try call.fields()
  var note: String?
  fields.set("note", &note, .note)
  try fields.finish()
  var new = try old.cancelled(byStaff: call.caller.isStaff, at: call.now)
  if new != old {
    new.updatedAt = call.now
    try call.records.update(new)
    try call.recordReferral("referral.cancelled", from: old, to: new, note: note)
  }
  return try call.groupAnswer(new.id)
}

extension Call {
  /// A request, if it is of the group that the path names.
  ///
  /// - Throws: `Failure.notFound`.
  fileprivate func groupRecord(_ id: ID) throws -> StaffReferralRecord {
    guard let record = try records.referral(id), record.referral.groupID == (try self.id("groupId"))
    else { throw Failure.notFound }
    return record
  }

  /// A request of the group that the path names, as the caller sees it.
  ///
  /// - Throws: `Failure.notFound`.
  fileprivate func groupAnswer(_ id: ID) throws -> Answer {
    let timeline = try records.timeline(of: id)
    if try caller.isStaff { return .thing(StaffReferral(try groupRecord(id), timeline: timeline)) }
    let answer = try records.memberReferral(id, ofGroup: self.id("groupId")) {
      Answer.thing(MemberReferral($0, timeline: timeline))
    }
    guard let answer else { throw Failure.notFound }
    return answer
  }
}

extension Fields {
  /// Reads a context; an empty one if it is null, nil if it was left out or is wrong.
  mutating func context(_ name: String) -> Context? {
    guard has(name) else { return nil }
    return object(name) { fields in
      var context = Context()
      fields.set("group_size", &context.groupSize, .integer(1...100))
      context.homePriceRange = fields.priceRange("home_price_range")
      fields.set("timeline", &context.timeline, .text(limit: 100))
      fields.set("state", &context.state, .state)
      fields.set("specific_need", &context.specificNeed, .text(limit: 2_000, multiline: true))
      return context
    } ?? Context()
  }

  private mutating func priceRange(_ name: String) -> Context.PriceRange? {
    let range = object(name) { fields in
      var range = Context.PriceRange()
      fields.set("min", &range.min, .integer(0...Int.max))
      fields.set("max", &range.max, .integer(0...Int.max))
      return range
    }
    guard let range, range != Context.PriceRange() else { return nil }
    if let min = range.min, let max = range.max, min > max {
      fail(name, .outOfRange, "The lower end is above the upper end.")
    }
    return range
  }
}

/// When a request got each of its statuses, oldest first.
struct Timeline: View {
  let steps: [(status: ReferralStatus, at: Timestamp)]

  func write(to json: inout JSONWriter) {
    json.array { json in
      for step in steps {
        json.object {
          $0.field("status", step.status)
          $0.field("at", step.at)
        }
      }
    }
  }
}

/// A request as the group's members see it. How to reach its partner shows once it was introduced.
struct MemberReferral: View {
  let record: MemberReferralRecord
  /// Nil in a list.
  let timeline: Timeline?

  init(
    _ record: MemberReferralRecord, timeline: [(status: ReferralStatus, at: Timestamp)]? = nil
  ) {
    self.record = record
    self.timeline = timeline.map(Timeline.init)
  }

  func write(to json: inout JSONWriter) {
    json.object {
      $0.field("id", record.id)
      $0.field("group_id", record.groupID)
      $0.field("requested_by", record.requestedBy)
      $0.field("partner_type", record.partnerType)
      $0.field("status", record.status)
      $0.name("context")
      $0.raw(utf8: record.context)
      $0.field("partner_id", record.partner?.id)
      $0.field("intro_sent_at", record.introSentAt)
      $0.field("outcome", record.outcome)
      $0.field("created_at", record.createdAt)
      $0.field("updated_at", record.updatedAt)
      $0.name("partner")
      if let partner = record.partner { write(partner, to: &$0) } else { $0.null() }
      if let timeline { $0.field("timeline", timeline) }
    }
  }

  private func write(_ partner: MemberReferralRecord.Partner, to json: inout JSONWriter) {
    json.object {
      $0.field("id", partner.id)
      $0.field("type", partner.type)
      $0.field("company_name", partner.companyName)
      if record.introSentAt != nil {
        $0.field("contact_name", partner.contactName)
        $0.field("email", partner.email)
        $0.field("phone", partner.phone)
      }
      $0.field("website", partner.website)
    }
  }
}
