import Domain
import JSON
import Store

/// `GET /api/admin/summary`: how many requests are where, what waits too long, what nobody can serve.
@Sendable func getSummary(_ call: Call, _ records: Snapshot) throws -> Answer {
  .resource(StaffSummaryView(summary: try records.staffSummary()).bytes)
}

/// Staff's overview.
struct StaffSummaryView: View {
  let summary: StaffSummary

  func write(to json: inout JSONWriter) {
    json.object { json in
      json.field("total", summary.counts.reduce(0) { $0 + $1.count })
      json.name("by_status")
      StaffSummaryView.write(summary.counts, to: &json)
      json.name("by_type")
      json.array { json in
        for type in PartnerType.allCases {
          json.object {
            $0.field("partner_type", type)
            StaffSummaryView.writeGroup(summary.counts.filter { $0.type == type }, to: &$0)
          }
        }
      }
      json.name("by_state")
      json.array { json in
        // Those that name no state come last.
        let groups = Dictionary(grouping: summary.counts, by: \.state)
        for (state, counts) in groups.sorted(by: {
          ($0.key?.rawValue ?? "~") < ($1.key?.rawValue ?? "~")
        }) {
          json.object {
            $0.field("state_code", state)
            StaffSummaryView.writeGroup(counts, to: &$0)
          }
        }
      }
      json.field("pending_older_than_7_days", summary.pendingOlderThan7Days)
      json.field("pending_older_than_14_days", summary.pendingOlderThan14Days)
      json.field("pending_without_candidates", summary.withoutCandidates)
      json.name("median_days")
      json.object { json in
        for step in summary.medianDays {
          json.name(escaping: "\(step.from.rawValue)_to_\(step.to.rawValue)")
          json.days(step.days)
        }
      }
    }
  }

  private static func writeGroup(_ counts: [StaffSummary.Count], to json: inout JSONWriter) {
    json.field("total", counts.reduce(0) { $0 + $1.count })
    json.name("by_status")
    write(counts, to: &json)
  }

  private static func write(_ counts: [StaffSummary.Count], to json: inout JSONWriter) {
    json.object { json in
      for status in ReferralStatus.allCases {
        json.name(escaping: status.rawValue)
        json.integer(counts.reduce(0) { $0 + ($1.status == status ? $1.count : 0) })
      }
    }
  }
}

extension JSONWriter {
  /// Writes a number of days, or null.
  mutating func days(_ days: Double?) {
    if let days { number(days) } else { null() }
  }
}
