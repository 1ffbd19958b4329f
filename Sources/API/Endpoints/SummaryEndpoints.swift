import Domain
import JSON
import Store

/// `GET /api/admin/summary`: the numbers of requests, and how long their steps take.
@Sendable func getSummary(_ call: Call, _ records: Snapshot) throws -> Answer {
  let summary = try records.staffSummary()
  let counts = summary.counts
  // Requests without a state come last.
  let states = Dictionary(grouping: counts, by: \.state)
    .sorted { ($0.key?.rawValue ?? "~") < ($1.key?.rawValue ?? "~") }
  return .resource(
    object { json in
      json.totals(counts)
      json.array("by_type", of: PartnerType.allCases) { json, type in
        json.object {
          $0.field("partner_type", type)
          $0.totals(counts.filter { $0.type == type })
        }
      }
      json.array("by_state", of: states) { json, state in
        json.object {
          $0.field("state_code", state.key)
          $0.totals(state.value)
        }
      }
      json.field("pending_older_than_7_days", summary.pendingOlderThan7Days)
      json.field("pending_older_than_14_days", summary.pendingOlderThan14Days)
      json.field("pending_without_candidates", summary.withoutCandidates)
      json.name("introductions_unanswered")
      json.object { json in
        for (days, count) in summary.unanswered {
          json.name(escaping: "over_\(days)_days")
          json.integer(count)
        }
      }
      json.write(summary.declines)
      json.field("changes_to_review", summary.changesToReview)
      json.field("follow_ups_overdue", summary.followUpsOverdue)
      json.field("credentials_expiring", summary.credentialsExpiring)
      json.array("waitlist", of: summary.waiting) { json, waiting in
        json.object {
          $0.field("state_code", waiting.state)
          $0.field("partner_type", waiting.type)
          $0.field("count", waiting.count)
        }
      }
      json.name("median_days")
      json.object { json in
        for step in summary.medianDays {
          json.name(escaping: "\(step.from.rawValue)_to_\(step.to.rawValue)")
          json.value(step.days.map(JSON.number) ?? .null)
        }
      }
    })
}

/// `GET /api/admin/partners/:id/summary`: the numbers of a partner's introductions, declines and
/// answers.
@Sendable func getPartnerSummary(_ call: Call, _ records: Snapshot) throws -> Answer {
  let id = try call.id()
  guard try records.partner(id) != nil else { throw Failure.notFound }
  let summary = try records.summary(ofPartner: id)
  let answers = try records.answers(ofPartner: id)
  return .resource(
    object { json in
      json.write(summary)
      json.write(answers.declines)
      json.field("median_hours_to_answer", decimal: answers.medianHours)
    })
}

/// `GET /api/admin/fairness`: how a state's introductions are spread over the partners of a type.
@Sendable func getFairness(_ call: Call, _ records: Snapshot) throws -> Answer {
  guard let type = call.query.words("partner_type", PartnerType.self).first,
    let state = call.query["state"].flatMap({ StateCode($0) })
  else { preconditionFailure("the route requires both") }
  let shares = try records.shares(of: type, in: state)
  return .resource(
    object { json in
      json.field("partner_type", type)
      json.field("state_code", state)
      json.field("order", Ranking.order)
      json.array("data", of: shares) { json, share in
        json.object {
          $0.field("id", share.partner.id.text)
          $0.field("company_name", share.companyName)
          $0.field("introductions", share.introductions)
          $0.field("declines", share.declines)
          $0.field("open_referrals", share.partner.openReferrals)
          $0.field("last_intro_at", share.partner.lastIntroAt)
        }
      }
    })
}

extension JSONWriter {
  /// Writes the numbers of a partner's overview.
  mutating func write(_ summary: PartnerSummary) {
    counts("by_status", of: ReferralStatus.introduced) { summary.byStatus[$0] ?? 0 }
    counts("by_outcome", of: Outcome.allCases) { summary.byOutcome[$0] ?? 0 }
    array("by_month", of: summary.byMonth) { json, month in
      json.object {
        $0.field("month", month.month)
        $0.field("introductions", month.introductions)
        $0.field("connections", month.connections)
      }
    }
    field("median_days_to_connection", decimal: summary.medianDaysToConnection)
  }

  /// Writes how often partners declined for each reason.
  fileprivate mutating func write(_ declines: [DeclineReason: Int]) {
    array("declines", of: DeclineReason.allCases) { json, reason in
      json.object {
        $0.field("reason_code", reason)
        $0.field("count", declines[reason] ?? 0)
      }
    }
  }

  /// Writes the total of some counts, and their totals by status.
  fileprivate mutating func totals(_ counts: [StaffSummary.Count]) {
    field("total", counts.reduce(0) { $0 + $1.count })
    self.counts("by_status", of: ReferralStatus.allCases) { status in
      counts.reduce(0) { $0 + ($1.status == status ? $1.count : 0) }
    }
  }
}
