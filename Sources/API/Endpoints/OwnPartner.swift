import Domain
import JSON
import Store

/// `GET /api/partners/me`: the partner's own profile.
@Sendable func getOwnPartner(_ call: Call<Snapshot>) throws -> Answer {
  .thing(OwnPartner(try call.ownPartner))
}

/// `PUT /api/partners/me`: the partner changes its profile.
@Sendable func updateOwnPartner(_ call: Call<Change>) throws -> Answer {
  let old = try call.ownPartner
  var new = old
  var fields = try call.fields()
  fields.setProfile(&new)
  fields.readOnly(OwnPartner.readOnly, stored: OwnPartner(old))
  try fields.finish()
  try call.checkPrecondition(OwnPartner(old))
  guard new != old else { return .thing(OwnPartner(old)) }
  try new.checkReadiness()
  new.updatedAt = call.now
  try call.records.update(old, to: new)
  try call.recordPartner("partner.updated", from: old, to: new)
  return .thing(OwnPartner(new))
}

/// `GET /api/partners/me/referrals`: the introductions made to the partner, newest first.
@Sendable func listOwnReferrals(_ call: Call<Snapshot>) throws -> Answer {
  var filter = ReferralFilter()
  filter.partnerID = try call.ownPartner.id
  filter.introducedOnly = true
  filter.statuses = call.query.words("status")
  return call.page(
    try call.records.staffReferrals(filter, call.query.page)
  ) { PartnerReferral($0) }
}

/// `PUT /api/partners/me/referrals/:id/response`: the partner accepts or declines an introduction.
@Sendable func respondToReferral(_ call: Call<Change>) throws -> Answer {
  guard let record = try call.records.referral(call.id()),
    record.referral.partnerID == (try call.ownPartner.id), record.referral.isIntroduced
  else { throw Failure.notFound }
  let old = record.referral
  var fields = try call.fields()
  fields.require("response")
  let response = fields.given("response", .word(of: IntroductionResponse.allCases))
  var reason: String?
  fields.set("reason", &reason, .note)
  try fields.finish()
  try call.checkPrecondition(try call.partnerView(record))
  let accepted = response == .accepted
  var new = try old.answered(accepted: accepted, at: call.now)
  if new != old {
    new.updatedAt = call.now
    try call.records.update(new)
    try call.recordReferral(new.status.eventKind, from: old, to: new, note: reason)
  }
  guard accepted, let changed = try call.records.referral(new.id) else { return .noContent }
  return .thing(try call.partnerView(changed))
}

/// `GET /api/partners/me/summary`: how the partner is doing.
@Sendable func getOwnSummary(_ call: Call<Snapshot>) throws -> Answer {
  .thing(PartnerSummaryView(summary: try call.records.summary(ofPartner: call.ownPartner.id)))
}

/// What a partner says to an introduction.
enum IntroductionResponse: String, CaseIterable {
  case accepted, declined
}

extension Call {
  /// The caller's partner record.
  ///
  /// - Throws: `Failure.forbidden` if there is none.
  fileprivate var ownPartner: Partner {
    get throws {
      guard let partner = try records.partner(ofUser: caller.userID) else {
        throw Failure.forbidden
      }
      return partner
    }
  }

  fileprivate func partnerView(_ record: StaffReferralRecord) throws -> PartnerReferral {
    let timeline = try records.timeline(of: record.referral.id)
    // What was before would tell of others that the request was tried with.
    let introduction = timeline.lastIndex { $0.status == .introSent } ?? timeline.endIndex
    return PartnerReferral(record, timeline: Array(timeline[introduction...]))
  }
}

/// A partner as it sees itself.
struct OwnPartner: View {
  let partner: Partner

  init(_ partner: Partner) { self.partner = partner }

  /// What the partner sees, but does not change.
  static let readOnly = [
    "id", "type", "status", "co_ownership_certified", "agreement_signed_at", "created_at",
    "updated_at",
  ]

  func write(to json: inout JSONWriter) {
    json.object {
      $0.field("id", partner.id)
      $0.field("type", partner.type)
      $0.field("status", partner.status)
      $0.field("company_name", partner.companyName)
      $0.field("contact_name", partner.contactName)
      $0.field("email", partner.email)
      $0.field("phone", partner.phone)
      $0.field("website", partner.website)
      $0.field("service_areas", partner.serviceAreas)
      $0.field("co_ownership_certified", partner.coOwnershipCertified)
      $0.field("agreement_signed_at", partner.agreementSignedAt)
      $0.field("created_at", partner.createdAt)
      $0.field("updated_at", partner.updatedAt)
    }
  }
}

/// A request as the partner sees it that was introduced.
struct PartnerReferral: View {
  let record: StaffReferralRecord
  /// Nil in a list.
  let timeline: Timeline?

  init(
    _ record: StaffReferralRecord, timeline: [(status: ReferralStatus, at: Timestamp)]? = nil
  ) {
    self.record = record
    self.timeline = timeline.map(Timeline.init)
  }

  func write(to json: inout JSONWriter) {
    let referral = record.referral
    json.object {
      $0.field("id", referral.id)
      $0.field("partner_type", referral.partnerType)
      $0.field("status", referral.status)
      $0.name("context")
      $0.context(referral.context)
      $0.field("intro_sent_at", referral.introSentAt)
      $0.field("outcome", referral.outcome)
      $0.field("created_at", referral.createdAt)
      $0.field("updated_at", referral.updatedAt)
      $0.name("group")
      $0.object {
        $0.field("id", referral.groupID)
        $0.field("name", record.groupName)
      }
      $0.name("requester")
      $0.object {
        $0.field("name", record.requesterName)
        $0.field("email", record.requesterEmail)
      }
      if let timeline { $0.field("timeline", timeline) }
    }
  }
}

/// A partner's overview.
struct PartnerSummaryView: View {
  let summary: PartnerSummary

  func write(to json: inout JSONWriter) {
    json.object { json in
      json.name("by_status")
      json.object { json in
        for status in ReferralStatus.introduced {
          json.name(escaping: status.rawValue)
          json.integer(summary.byStatus[status] ?? 0)
        }
      }
      json.name("by_outcome")
      json.object { json in
        for outcome in Outcome.allCases {
          json.name(escaping: outcome.rawValue)
          json.integer(summary.byOutcome[outcome] ?? 0)
        }
      }
      json.name("by_month")
      json.array { json in
        for month in summary.byMonth {
          json.object {
            $0.field("month", month.month)
            $0.field("introductions", month.introductions)
            $0.field("connections", month.connections)
          }
        }
      }
      json.name("median_days_to_connection")
      json.days(summary.medianDaysToConnection)
    }
  }
}
