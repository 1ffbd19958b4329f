import Domain
import Store

extension Route {
  private static let introduced = ReferralStatus.introduced.map(\.rawValue)

  /// Every route of the service. If two patterns match a path, the first one counts.
  static let all: [Route] = [
    .get(
      "/api/admin/partners", .staff,
      query: [
        .list("type", .word(PartnerType.self)), .list("status", .word(PartnerStatus.self)),
        .list("state", .state),
        .search, .sort(PartnerFilter.Sort.self, default: "-created_at"), .limit(), .cursor,
      ], listPartners),
    .change(.post, "/api/admin/partners", .staff, createPartner),
    .get("/api/admin/partners/:id", .staff, getPartner),
    .change(.put, "/api/admin/partners/:id", .staff, updatePartner),
    .change(.put, "/api/admin/partners/:id/status", .staff, changePartnerStatus),
    .get(
      "/api/admin/partners/:id/history", .staff, query: [.limit(), .cursor], listPartnerHistory),

    .change(.post, "/api/groups/:groupId/referrals", .member, requestReferral),
    .get(
      "/api/groups/:groupId/referrals", .member,
      query: [
        .list("status", .word(ReferralStatus.self)), .list("partner_type", .word(PartnerType.self)),
        .limit(),
        .cursor,
      ], listGroupReferrals),
    .get("/api/groups/:groupId/referrals/:id", .member, getGroupReferral),
    .change(
      .post, "/api/groups/:groupId/referrals/:id/cancel", .member, body: .optional, cancelReferral),

    .get(
      "/api/groups/:groupId/recommendations", .member,
      query: [
        .one("state", .state), .list("partner_type", .word(PartnerType.self)),
        .limit(10, default: 3),
      ], recommendPartners),

    .get("/api/admin/summary", .staff, getSummary),
    .get(
      "/api/admin/referrals", .staff,
      query: [
        .list("status", .word(ReferralStatus.self)), .list("partner_type", .word(PartnerType.self)),
        .list("state", .state), .one("group_id", .id), .one("partner_id", .id),
        .list("partner_status", .word(PartnerStatus.self)),
        .one("requested_by", .id),
        .one("older_than_days", .integer(0...3650)),
        .sort(ReferralFilter.Sort.self, default: "-created_at"), .limit(), .cursor,
      ], listReferrals),
    .get("/api/admin/referrals/:id", .staff, getReferral),
    .change(.put, "/api/admin/referrals/:id", .staff, updateReferral),
    .change(.put, "/api/admin/referrals/:id/outcome", .staff, recordOutcome),
    .get(
      "/api/admin/referrals/:id/history", .staff, query: [.limit(), .cursor], listReferralHistory),
    .get(
      "/api/admin/referrals/:id/candidates", .staff, query: [.limit(), .cursor], listCandidates),

    .get("/api/coverage", .anyone, listCoverage),
    .get("/api/coverage/:stateCode", .anyone, getStateCoverage),
    .get("/api/coverage/:stateCode/:partnerType", .anyone, getTypeCoverage),
    .get(
      "/api/admin/coverage", .staff,
      query: [
        .list("state", .state), .list("type", .word(PartnerType.self)),
        .one("pinned", .word(["true", "false"], initial: [])),
      ], listPins),
    .get("/api/admin/coverage/:stateCode/:partnerType", .staff, getPin),
    .change(.put, "/api/admin/coverage/:stateCode/:partnerType", .staff, pinCoverage),

    .get(
      "/api/partners", .anyone,
      query: [
        .list("type", .word(PartnerType.self)), .list("state", .state), .search,
        .sort(DirectoryFilter.Sort.self, default: "company_name"), .limit(), .cursor,
      ], searchDirectory),
    .get("/api/partners/me", .partner, getOwnPartner),
    .change(.put, "/api/partners/me", .partner, updateOwnPartner),
    .get(
      "/api/partners/me/referrals", .partner,
      query: [
        .list("status", .word(introduced, initial: introduced)), .limit(), .cursor,
      ], listOwnReferrals),
    .change(.put, "/api/partners/me/referrals/:id/response", .partner, respondToReferral),
    .get("/api/partners/me/summary", .partner, getOwnSummary),
    .get("/api/partners/:id", .anyone, getPublicPartner),

    .get("/api/admin/users/:id", .staff, getUser),
    .change(.put, "/api/admin/users/:id", .staff, putUser),
    .change(.post, "/api/admin/users/:id/tokens", .staff, storable: false, createToken),
    .change(.delete, "/api/admin/tokens/:id", .staff, body: .none, revokeToken),
    .get("/api/admin/groups/:id", .staff, getGroup),
    .change(.put, "/api/admin/groups/:id", .staff, putGroup),

    .get(
      "/api/admin/events", .staff,
      query: [.one("after", .integer(0...Int.max)), .limit(), .cursor],
      listEvents),

    .get("/api/health", .anyone, storable: false, getHealth),
    .get("/api/openapi.yaml", .anyone, getOpenAPI),
  ]
}
