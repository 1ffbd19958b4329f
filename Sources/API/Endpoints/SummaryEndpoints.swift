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
      json.name("median_days")
      json.object { json in
        for step in summary.medianDays {
          json.name(escaping: "\(step.from.rawValue)_to_\(step.to.rawValue)")
          json.value(step.days.map(JSON.number) ?? .null)
        }
      }
    })
}

extension JSONWriter {
  /// Writes the total of some counts, and their totals by status.
  fileprivate mutating func totals(_ counts: [StaffSummary.Count]) {
    field("total", counts.reduce(0) { $0 + $1.count })
    self.counts("by_status", of: ReferralStatus.allCases) { status in
      counts.reduce(0) { $0 + ($1.status == status ? $1.count : 0) }
    }
  }
}
