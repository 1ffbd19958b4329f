import Domain
import JSON
import Store

/// `GET /api/coverage`: every state with its status, the best of the types that the query names, or of all six.
@Sendable func listCoverage(_ call: Call, _ records: Snapshot) throws -> Answer {
  let states = try records.coverageByState(call.query.words("type"))
  var answer = call.page { json in
    for (state, status) in states {
      json.object {
        $0.write(state)
        $0.write(status)
      }
    }
    return nil
  }
  answer.etag = ETag.of(answer.body)
  return answer
}

/// `GET /api/coverage/:stateCode`: one state with its six types of partner.
@Sendable func getStateCoverage(_ call: Call, _ records: Snapshot) throws -> Answer {
  let state = try call.state()
  let rows = try records.coverage(state)
  return .resource(
    object { json in
      json.write(state)
      json.write(CoverageStatus.best(of: rows.map(\.status)))
      json.array("partner_types", of: rows) { json, row in json.object { $0.write(row) } }
    })
}

/// `GET /api/coverage/:stateCode/:partnerType`: one state and type.
@Sendable func getTypeCoverage(_ call: Call, _ records: Snapshot) throws -> Answer {
  .resource(view(try records.coverage(call.state(), call.partnerType())))
}

/// `GET /api/admin/coverage`: every state and type with what is pinned.
@Sendable func listPins(_ call: Call, _ records: Snapshot) throws -> Answer {
  var filter = CoverageFilter()
  filter.states = call.query.words("state")
  filter.types = call.query.words("type")
  filter.isPinned = call.query["pinned"].map { $0 == "true" }
  let rows = try records.coverage(filter)
  return call.page { json in
    for row in rows { json.object { $0.writePin(row) } }
    return nil
  }
}

/// `GET /api/admin/coverage/:stateCode/:partnerType`: one state and type with what is pinned.
@Sendable func getPin(_ call: Call, _ records: Snapshot) throws -> Answer {
  .resource(staffView(try records.coverage(call.state(), call.partnerType())))
}

/// `PUT /api/admin/coverage/:stateCode/:partnerType`: pins a status, or lets it follow the count again.
@Sendable func pinCoverage(_ call: Call) throws -> Plan {
  let (state, type) = try (call.state(), call.partnerType())
  let body = call.body(coveragePinFields, by: .staff)
  return Plan(body) { change in
    try change.pinCoverage(state, type, body, seenAs: staffView, if: call.precondition)
    return .resource(staffView(try change.coverage(state, type)))
  }
}

extension Call {
  /// The state that the path names, in either case.
  ///
  /// - Throws: `Failure.notFound`.
  func state() throws -> StateCode {
    guard let state = variable("stateCode").flatMap({ StateCode($0) }) else {
      throw Failure.notFound
    }
    return state
  }

  /// The type of partner that the path names.
  ///
  /// - Throws: `Failure.notFound`.
  func partnerType() throws -> PartnerType {
    guard let type = variable("partnerType").flatMap(PartnerType.init(rawValue:)) else {
      throw Failure.notFound
    }
    return type
  }
}

/// One state and type as JSON.
@Sendable private func view(_ coverage: Coverage) -> [UInt8] {
  object { json in
    json.write(coverage.stateCode)
    json.write(coverage)
  }
}

/// One state and type as JSON for staff.
@Sendable private func staffView(_ coverage: Coverage) -> [UInt8] {
  object { $0.writePin(coverage) }
}

extension JSONWriter {
  fileprivate mutating func writePin(_ coverage: Coverage) {
    write(coverage.stateCode)
    write(coverage)
    field("pinned_status", coverage.pinnedStatus)
  }

  fileprivate mutating func write(_ state: StateCode) {
    field("state_code", state)
    field("state_name", state.name)
  }

  fileprivate mutating func write(_ status: CoverageStatus) {
    field("status", status)
    field("message", status.message)
  }

  fileprivate mutating func write(_ coverage: Coverage) {
    field("partner_type", coverage.partnerType)
    write(coverage.status)
    field("partner_count", coverage.partnerCount)
  }
}
