import Domain
import JSON
import Store

/// `GET /api/partners/me`: the partner's own profile.
@Sendable func getOwnPartner(_ call: Call, _ records: Snapshot) throws -> Answer {
  .resource(try records.partner(call.ownPartner(in: records), seenBy: .partner))
}

/// `PUT /api/partners/me`: the partner changes its profile.
@Sendable func updateOwnPartner(_ call: Call) throws -> Plan {
  let body = call.body(Table.partners.fields, by: .partner)
  return Plan(body) { change in
    let id = try call.ownPartner(in: change)
    try change.updatePartner(id, body, by: .partner, if: call.precondition)
    return .resource(try change.partner(id, seenBy: .partner))
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

/// `GET /api/partners/me/summary`: how the partner is doing.
@Sendable func getOwnSummary(_ call: Call, _ records: Snapshot) throws -> Answer {
  let summary = try records.summary(ofPartner: call.ownPartner(in: records))
  return .resource(PartnerSummaryView(summary: summary).bytes)
}

extension Call {
  /// The ID of the caller's partner record.
  ///
  /// - Throws: `Failure.forbidden` if the caller has none.
  fileprivate func ownPartner(in records: Snapshot) throws -> ID {
    guard let id = try records.partnerID(ofUser: caller.userID) else { throw Failure.forbidden }
    return id
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
