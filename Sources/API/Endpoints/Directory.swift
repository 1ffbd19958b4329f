import Domain
import JSON
import Store

/// `GET /api/partners`: the public directory of active partners.
@Sendable func searchDirectory(_ call: Call<Snapshot>) throws -> Answer {
  var filter = DirectoryFilter()
  filter.types = call.query.words("type")
  filter.states = call.query.words("state")
  filter.words = call.query["q"]
  if let (sort, descending) = call.query.sort(DirectoryFilter.Sort.self) {
    filter.sort = sort
    filter.descending = descending
  }
  var answer = try call.page { (write: (PublicPartner) -> Void) in
    try call.records.directory(filter, call.query.page) { write(PublicPartner($0)) }
  }
  answer.etag = ETag.of(answer.body)
  return answer
}

/// `GET /api/partners/:id`: an active partner's public profile.
@Sendable func getPublicPartner(_ call: Call<Snapshot>) throws -> Answer {
  guard
    let answer = try call.records.publicProfile(
      call.id(), body: { Answer.thing(PublicPartner($0)) })
  else { throw Failure.notFound }
  return answer
}

/// A partner as everybody sees it.
struct PublicPartner: View {
  let partner: PublicProfile

  init(_ partner: PublicProfile) { self.partner = partner }

  func write(to json: inout JSONWriter) {
    json.object { writeMembers(to: &$0) }
  }

  fileprivate func writeMembers(to json: inout JSONWriter) {
    json.field("id", partner.id)
    json.field("type", partner.type)
    json.field("company_name", partner.companyName)
    json.field("contact_name", partner.contactName)
    json.field("website", partner.website)
    json.name("service_areas")
    json.raw(utf8: partner.serviceAreas)
    json.field("co_ownership_certified", partner.coOwnershipCertified)
  }
}

/// `GET /api/groups/:groupId/recommendations`: who fits the group in a state, by type, in Tomi's order.
@Sendable func recommendPartners(_ call: Call<Snapshot>) throws -> Answer {
  let group = try call.id("groupId")
  guard
    let state = try call.query["state"].flatMap({ StateCode($0) })
      ?? call.records.newestState(ofGroup: group)
  else {
    throw Failure.invalidParameter([
      FieldError(
        .parameter("state"), .required,
        "Name a state: neither the group's newest request nor the group itself does.")
    ])
  }
  let asked: [PartnerType] = call.query.words("partner_type")
  let limit = call.query.integer("limit") ?? 3
  var json = JSONWriter()
  try json.object { json in
    json.field("state_code", state)
    json.field("order", Ranking.order)
    json.name("data")
    try json.array { json in
      for type in PartnerType.allCases where asked.isEmpty || asked.contains(type) {
        try call.writeRecommendation(of: type, in: state, to: group, limit: limit, &json)
      }
    }
  }
  return .thing(json.bytes)
}

extension Call {
  /// Writes whom a group is recommended of one type.
  fileprivate func writeRecommendation(
    of type: PartnerType, in state: StateCode, to group: ID, limit: Int, _ json: inout JSONWriter
  ) throws {
    let coverage = try records.coverage(state, type)
    let keys = try records.rankingKeys(forGroup: group, type: type, state: state).sorted()
    try json.object { json in
      json.field("partner_type", type)
      json.field("purpose", type.purpose)
      json.field("status", coverage.status)
      json.field("message", coverage.status.message)
      json.field("partner_count", coverage.partnerCount)
      json.name("partners")
      try json.array { json in
        for key in keys.prefix(limit) {
          try records.publicProfile(key.id) { partner in
            json.object {
              PublicPartner(partner).writeMembers(to: &$0)
              $0.field("why", Ranking.publicWhy(key, servedState: state))
            }
          }
        }
      }
    }
  }
}
