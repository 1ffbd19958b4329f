import Domain
import JSON
import Store

/// `GET /api/partners`: the public directory of active partners.
@Sendable func searchDirectory(_ call: Call, _ records: Snapshot) throws -> Answer {
  var filter = DirectoryFilter()
  filter.types = call.query.words("type")
  filter.states = call.query.words("state")
  filter.languages = call.query.words("language")
  filter.words = call.query["q"]
  filter.order = call.query.order() ?? filter.order
  var answer = try call.page { try records.directory(filter, call.query.page, to: &$0) }
  answer.etag = ETag.of(answer.body)
  return answer
}

/// `GET /api/partners/:id`: an active partner's public profile.
@Sendable func getPublicPartner(_ call: Call, _ records: Snapshot) throws -> Answer {
  .resource(try records.publicPartner(call.id()))
}

/// `GET /api/groups/:groupId/recommendations`: the partners that fit the group in a state, by type.
@Sendable func recommendPartners(_ call: Call, _ records: Snapshot) throws -> Answer {
  let group = try call.id("groupId")
  guard
    let state = try call.query["state"].flatMap({ StateCode($0) })
      ?? records.newestState(ofGroup: group)
  else {
    throw Failure.invalidParameter([
      FieldError(
        .parameter("state"), .required,
        "Required, because neither the group nor its newest request has a state.")
    ])
  }
  let asked: [PartnerType] = call.query.words("partner_type")
  let limit = call.query.integer("limit") ?? 3
  let coverage = try records.coverage(state).filter {
    asked.isEmpty || asked.contains($0.partnerType)
  }
  return .resource(
    try object { json in
      json.field("state_code", state)
      json.field("order", Ranking.order)
      try json.array("data", of: coverage) { json, coverage in
        try writeRecommendation(of: coverage, to: group, limit: limit, records, &json)
      }
    })
}

/// Writes the recommended partners of one type.
private func writeRecommendation(
  of coverage: Coverage, to group: ID, limit: Int, _ records: Snapshot, _ json: inout JSONWriter
) throws {
  let (type, state) = (coverage.partnerType, coverage.stateCode)
  try json.object { json in
    json.field("partner_type", type)
    json.field("purpose", type.purpose)
    json.field("status", coverage.status)
    json.field("message", coverage.status.message)
    json.field("partner_count", coverage.partnerCount)
    json.name("partners")
    try json.array { json in
      try records.recommendations(
        forGroup: group, type: type, state: state, limit: limit, to: &json
      ) { key, json in
        json.field("why", Ranking.publicWhy(key, servedState: state))
      }
    }
  }
}
