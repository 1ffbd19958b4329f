import Domain
import JSON
import Store

/// `GET /api/coverage`: every state with its own status.
@Sendable func listCoverage(_ call: Call, _ records: Snapshot) throws -> Answer {
  let states = try records.coverageByState().map(StateSummary.init)
  var answer = call.page { json in
    for state in states { state.write(to: &json) }
    return nil
  }
  answer.etag = ETag.of(answer.body)
  return answer
}

/// `GET /api/coverage/:stateCode`: one state with its six types of partner.
@Sendable func getStateCoverage(_ call: Call, _ records: Snapshot) throws -> Answer {
  let state = try call.state()
  return .resource(StateCoverage(state: state, rows: try records.coverage(state)).bytes)
}

/// `GET /api/coverage/:stateCode/:partnerType`: one state and type.
@Sendable func getTypeCoverage(_ call: Call, _ records: Snapshot) throws -> Answer {
  .resource(TypeCoverage(try records.coverage(call.state(), call.partnerType())).bytes)
}

/// `PUT /api/admin/coverage/:stateCode/:partnerType`: pins a status, or follows the count again.
@Sendable func pinCoverage(_ call: Call) throws -> Plan {
  let (state, type) = try (call.state(), call.partnerType())
  let fields = [Field.parameter("status", .word(CoverageStatus.self), [.required, .nullable])]
  let body = call.body(fields, by: .staff)
  return Plan(body) { change in
    let view = TypeCoverage(try change.coverage(state, type)).bytes
    var body = body
    try body.finish(against: view)
    try call.precondition(view)
    try change.pinCoverage(state, type, to: body.word("status"))
    return .resource(TypeCoverage(try change.coverage(state, type)).bytes)
  }
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

  /// The type of partner that the path names.
  ///
  /// - Throws: `Failure.notFound`.
  fileprivate func partnerType() throws -> PartnerType {
    guard let type = variable("partnerType").flatMap(PartnerType.init(rawValue:)) else {
      throw Failure.notFound
    }
    return type
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
