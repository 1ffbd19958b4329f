import Domain
import JSON
import Store

/// `GET /api/coverage`: every state with its own status.
@Sendable func listCoverage(_ call: Call<Snapshot>) throws -> Answer {
  let states = try call.records.coverageByState().map(StateSummary.init)
  var answer = call.page(Page(items: states)) { $0 }
  answer.etag = ETag.of(answer.body)
  return answer
}

/// `GET /api/coverage/:stateCode`: one state with its six types of partner.
@Sendable func getStateCoverage(_ call: Call<Snapshot>) throws -> Answer {
  let state = try call.state()
  return .thing(StateCoverage(state: state, rows: try call.records.coverage(state)))
}

/// `GET /api/coverage/:stateCode/:partnerType`: one state and type.
@Sendable func getTypeCoverage(_ call: Call<Snapshot>) throws -> Answer {
  .thing(TypeCoverage(try call.coverage()))
}

/// `PUT /api/admin/coverage/:stateCode/:partnerType`: pins a status, or follows the count again.
@Sendable func pinCoverage(_ call: Call<Change>) throws -> Answer {
  let old = try call.coverage()
  var fields = try call.fields()
  fields.require("status")
  var status = old.pinnedStatus
  fields.set("status", &status, .word())
  try fields.finish()
  try call.checkPrecondition(TypeCoverage(old))
  try old.checkPin(status)
  guard status != old.pinnedStatus else { return .thing(TypeCoverage(old)) }
  try call.records.pin(status, on: old)
  let new = try call.coverage()
  try call.records.record(
    status == nil ? "coverage.unpinned" : "coverage.pinned", .coverage,
    "\(old.stateCode.rawValue)/\(old.partnerType.rawValue)",
    changes: Changes.between(
      PinnedCoverage(old), PinnedCoverage(new), fields: ["status", "pinned_status"]))
  return .thing(TypeCoverage(new))
}

extension Call {
  /// The state that the path names, in either case.
  ///
  /// - Throws: `Failure.notFound`.
  fileprivate func state() throws -> StateCode {
    guard let state = variable("stateCode").flatMap({ StateCode($0) }) else {
      throw Failure.notFound
    }
    return state
  }

  /// - Throws: `Failure.notFound`.
  fileprivate func coverage() throws -> Coverage {
    guard let type = variable("partnerType").flatMap(PartnerType.init(rawValue:)) else {
      throw Failure.notFound
    }
    return try records.coverage(state(), type)
  }
}

/// A state among all of them.
struct StateSummary: View {
  let state: StateCode
  let status: CoverageStatus

  func write(to json: inout JSONWriter) {
    json.object {
      $0.field("state_code", state)
      $0.field("state_name", state.name)
      $0.field("status", status)
      $0.field("message", status.message)
    }
  }
}

/// A state by itself.
struct StateCoverage: View {
  let state: StateCode
  let rows: [Coverage]

  func write(to json: inout JSONWriter) {
    let status = CoverageStatus.best(of: rows.map(\.status))
    json.object {
      $0.field("state_code", state)
      $0.field("state_name", state.name)
      $0.field("status", status)
      $0.field("message", status.message)
      $0.name("partner_types")
      $0.array { json in
        for row in rows {
          json.object {
            $0.field("partner_type", row.partnerType)
            $0.field("status", row.status)
            $0.field("message", row.status.message)
            $0.field("partner_count", row.partnerCount)
          }
        }
      }
    }
  }
}

/// One state and type.
struct TypeCoverage: View {
  let row: Coverage

  init(_ row: Coverage) { self.row = row }

  func write(to json: inout JSONWriter) {
    json.object {
      $0.field("state_code", row.stateCode)
      $0.field("state_name", row.stateCode.name)
      $0.field("partner_type", row.partnerType)
      $0.field("status", row.status)
      $0.field("message", row.status.message)
      $0.field("partner_count", row.partnerCount)
    }
  }
}

/// What the history keeps of one state and type.
private struct PinnedCoverage: View {
  let row: Coverage

  init(_ row: Coverage) { self.row = row }

  func write(to json: inout JSONWriter) {
    json.object {
      $0.field("status", row.status)
      $0.field("pinned_status", row.pinnedStatus)
    }
  }
}
