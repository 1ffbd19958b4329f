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
  var answer = call.page(
    try call.records.directory(filter, call.query.page), as: PublicPartner.init)
  answer.etag = ETag.of(answer.body)
  return answer
}

/// `GET /api/partners/:id`: an active partner's public profile.
@Sendable func getPublicPartner(_ call: Call<Snapshot>) throws -> Answer {
  guard let partner = try call.records.partner(call.id()), partner.status == .active else {
    throw Failure.notFound
  }
  return .thing(PublicPartner(partner.publicProfile))
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
    json.field("service_areas", partner.serviceAreas)
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
  let recommendations = try PartnerType.allCases
    .filter { asked.isEmpty || asked.contains($0) }
    .map { type in
      let keys = try call.records.rankingKeys(forGroup: group, type: type, state: state).sorted()
      return Recommendation(
        coverage: try call.records.coverage(state, type),
        partners: try keys.prefix(limit).compactMap { key in
          try call.records.partner(key.id).map {
            RecommendedPartner(partner: $0, why: Ranking.publicWhy(key, servedState: state))
          }
        })
    }
  return .thing(Recommendations(state: state, recommendations: recommendations))
}

/// What a group is recommended.
struct Recommendations: View {
  let state: StateCode
  let recommendations: [Recommendation]

  func write(to json: inout JSONWriter) {
    json.object {
      $0.field("state_code", state)
      $0.field("order", Ranking.order)
      $0.name("data")
      $0.array(recommendations)
    }
  }
}

/// The partners of one type.
struct Recommendation: View {
  let coverage: Coverage
  let partners: [RecommendedPartner]

  func write(to json: inout JSONWriter) {
    json.object {
      $0.field("partner_type", coverage.partnerType)
      $0.field("purpose", coverage.partnerType.purpose)
      $0.field("status", coverage.status)
      $0.field("message", coverage.status.message)
      $0.field("partner_count", coverage.partnerCount)
      $0.name("partners")
      $0.array(partners)
    }
  }
}

/// A partner's public view, and why it stands where it stands.
struct RecommendedPartner: View {
  let partner: Partner
  let why: [String]

  func write(to json: inout JSONWriter) {
    json.object {
      PublicPartner(partner.publicProfile).writeMembers(to: &$0)
      $0.field("why", why)
    }
  }
}
