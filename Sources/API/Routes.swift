import Domain
import Store

extension Route {
  private static let introduced = ReferralStatus.introduced.map(\.rawValue)

  /// Every route of the service: the method, the path, who calls it, and the scope that an admin token needs. If
  /// two patterns match a path, the first one counts.
  static let all: [Route] = [
    .get(
      "/api/admin/partners", .staff, scope: .read,
      query: [
        .list("type", .word(PartnerType.self)), .list("status", .word(PartnerStatus.self)),
        .list("state", .state), .one("pending_changes", .truth),
        .search, .sort(PartnerFilter.Sort.self, default: "-created_at"), .limit(), .cursor,
      ], listPartners),
    .change(.post, "/api/admin/partners", .staff, scope: .admin, createPartner),
    .get("/api/admin/partners/:id", .staff, scope: .read, getPartner),
    .change(.put, "/api/admin/partners/:id", .staff, scope: .admin, updatePartner),
    .change(.put, "/api/admin/partners/:id/status", .staff, scope: .admin, changePartnerStatus),
    .change(.put, "/api/admin/partners/:id/changes", .staff, scope: .admin, reviewPartnerChanges),
    .get("/api/admin/partners/:id/summary", .staff, scope: .read, getPartnerSummary),
    .get(
      "/api/admin/partners/:id/history", .staff, scope: .read, query: [.limit(), .cursor],
      listPartnerHistory),
    .get(
      "/api/admin/partners/:id/credentials", .staff, scope: .read, query: [.limit(), .cursor],
      listCredentials),
    .change(
      .post, "/api/admin/partners/:id/credentials", .staff, scope: .admin, addCredential),
    .get(
      "/api/admin/partners/:id/credentials/:credentialId", .staff, scope: .read, getCredential),
    .change(
      .put, "/api/admin/partners/:id/credentials/:credentialId", .staff, scope: .admin,
      updateCredential),
    .change(
      .delete, "/api/admin/partners/:id/credentials/:credentialId", .staff, scope: .admin,
      body: .none, removeCredential),
    .get(
      "/api/admin/credentials", .staff, scope: .read,
      query: [
        .list("kind", .word(CredentialKind.self)), .list("state", .state),
        .one("verified", .truth), .one("expiring_within_days", .integer(0...3650)), .limit(),
        .cursor,
      ], listAllCredentials),

    .change(.post, "/api/groups/:groupId/referrals", .member, scope: .admin, requestReferral),
    .get(
      "/api/groups/:groupId/referrals", .member, scope: .read,
      query: [
        .list("status", .word(ReferralStatus.self)), .list("partner_type", .word(PartnerType.self)),
        .limit(),
        .cursor,
      ], listGroupReferrals),
    .get("/api/groups/:groupId/referrals/:id", .member, scope: .read, getGroupReferral),
    .change(
      .post, "/api/groups/:groupId/referrals/:id/cancel", .member, scope: .admin, body: .optional,
      cancelReferral),

    .get(
      "/api/groups/:groupId/recommendations", .member, scope: .read,
      query: [
        .one("state", .state), .list("partner_type", .word(PartnerType.self)),
        .limit(10, default: 3),
      ], recommendPartners),

    .get("/api/admin/summary", .staff, scope: .read, getSummary),
    .get(
      "/api/admin/fairness", .staff, scope: .read,
      query: [.required("partner_type", .word(PartnerType.self)), .required("state", .state)],
      getFairness),
    .get(
      "/api/admin/referrals", .staff, scope: .read,
      query: [
        .list("status", .word(ReferralStatus.self)), .list("partner_type", .word(PartnerType.self)),
        .list("state", .state), .one("group_id", .id), .one("partner_id", .id),
        .list("partner_status", .word(PartnerStatus.self)),
        .one("requested_by", .id),
        .one("older_than_days", .integer(0...3650)),
        .id("assigned_to", or: "me", "none"), .one("follow_up_until", .date),
        .one("in_status_days", .integer(0...3650)), .search,
        .sort(ReferralFilter.Sort.self, default: "-created_at"), .limit(), .cursor,
      ], listReferrals),
    .get("/api/admin/referrals/:id", .staff, scope: .read, getReferral),
    .change(.put, "/api/admin/referrals/:id", .staff, scope: .admin, updateReferral),
    .change(.put, "/api/admin/referrals/:id/outcome", .staff, scope: .admin, recordOutcome),
    .get(
      "/api/admin/referrals/:id/history", .staff, scope: .read, query: [.limit(), .cursor],
      listReferralHistory),
    .get(
      "/api/admin/referrals/:id/candidates", .staff, scope: .read,
      query: [.one("all", .truth), .limit(), .cursor], listCandidates),

    .get(
      "/api/admin/referrals/:id/introduction", .staff, scope: .read, previewIntroduction),
    .get(
      "/api/admin/messages", .staff, scope: .read,
      query: [
        .list("status", .word(MessageStatus.self)), .list("kind", .word(MessageKind.self)),
        .one("referral_id", .id), .one("partner_id", .id), .one("to", .text(.email)), .limit(),
        .cursor,
      ], listMessages),
    .get("/api/admin/messages/:id", .staff, scope: .read, getMessage),
    .change(
      .post, "/api/admin/messages/:id/resend", .staff, scope: .admin, body: .none, resendMessage),
    .change(
      .post, "/api/admin/messages/:id/cancel", .staff, scope: .admin, body: .none, cancelMessage),

    .change(.post, "/api/sign-in", .anyone, askToSignIn),
    .change(.post, "/api/sign-in/code", .anyone, storable: false, signInWithCode),

    .get("/api/consent", .anyone, getConsent),

    .get(
      "/api/coverage", .anyone, query: [.list("type", .word(PartnerType.self))], listCoverage),
    .get("/api/coverage/:stateCode", .anyone, getStateCoverage),
    .get("/api/coverage/:stateCode/:partnerType", .anyone, getTypeCoverage),
    .change(
      .post, "/api/coverage/:stateCode/:partnerType/waitlist", .anyone, joinWaitingList),
    .change(.post, "/api/waitlist/confirm", .anyone, confirmWaiting),
    .change(.post, "/api/waitlist/leave", .anyone, leaveWaitingList),
    .get(
      "/api/admin/coverage", .staff, scope: .read,
      query: [
        .list("state", .state), .list("type", .word(PartnerType.self)),
        .one("pinned", .truth),
      ], listPins),
    .get("/api/admin/coverage/:stateCode/:partnerType", .staff, scope: .read, getPin),
    .change(
      .put, "/api/admin/coverage/:stateCode/:partnerType", .staff, scope: .admin, pinCoverage),

    .get(
      "/api/partners", .anyone,
      query: [
        .list("type", .word(PartnerType.self)), .list("state", .state),
        .list("language", .language), .search,
        .sort(DirectoryFilter.Sort.self, default: "company_name"), .limit(), .cursor,
      ], searchDirectory),
    .get("/api/partners/me", .partner, getOwnPartner),
    .change(.put, "/api/partners/me", .partner, updateOwnPartner),
    .change(.delete, "/api/partners/me/changes", .partner, body: .none, withdrawOwnChanges),
    .get(
      "/api/partners/me/referrals", .partner,
      query: [
        .list("status", .word(introduced, initial: introduced)), .limit(), .cursor,
      ], listOwnReferrals),
    .change(.put, "/api/partners/me/referrals/:id/response", .partner, respondToReferral),
    .get("/api/partners/me/summary", .partner, getOwnSummary),
    .get(
      "/api/partners/me/credentials", .partner, query: [.limit(), .cursor], listCredentials),
    .change(.post, "/api/partners/me/credentials", .partner, addCredential),
    .get("/api/partners/me/credentials/:credentialId", .partner, getCredential),
    .change(.put, "/api/partners/me/credentials/:credentialId", .partner, updateCredential),
    .change(
      .delete, "/api/partners/me/credentials/:credentialId", .partner, body: .none,
      removeCredential),
    .get("/api/partners/:id", .anyone, getPublicPartner),

    .get("/api/me", .signedIn, scope: nil, getMe),

    .get(
      "/api/admin/users", .staff, scope: .sync,
      query: [
        .search, .one("disabled", .truth), .one("staff", .truth),
        .sort(AccountSort.self, default: "name"), .limit(), .cursor,
      ], listUsers),
    .get("/api/admin/users/:id", .staff, scope: .sync, getUser),
    .change(.put, "/api/admin/users/:id", .staff, scope: .sync, putUser),
    .get(
      "/api/admin/users/:id/tokens", .staff, scope: .sync, query: [.limit(), .cursor],
      listTokens),
    .change(
      .post, "/api/admin/users/:id/tokens", .staff, scope: .sync, storable: false, createToken),
    .change(.delete, "/api/admin/tokens/:id", .staff, scope: .sync, body: .none, revokeToken),
    .get(
      "/api/admin/groups", .staff, scope: .sync,
      query: [
        .search, .list("state", .state), .one("member", .id),
        .sort(AccountSort.self, default: "name"), .limit(), .cursor,
      ], listGroups),
    .get("/api/admin/groups/:id", .staff, scope: .sync, getGroup),
    .change(.put, "/api/admin/groups/:id", .staff, scope: .sync, putGroup),

    .get(
      "/api/admin/events", .staff, scope: .events,
      query: [
        .one("after", .integer(0...Int.max)), .list("kind", .word(EventKind.self)),
        .one("subject_kind", .word(SubjectKind.self)), .one("subject_id", .subjectID),
        .one("actor_id", .id), .sort(EventFilter.Sort.self, default: "number"), .limit(), .cursor,
      ], listEvents),

    .get("/api/health", .anyone, storable: false, getHealth),
    .get("/api/openapi.json", .anyone, getOpenAPIAsJSON),
    .get("/api/openapi.yaml", .anyone, getOpenAPI),
  ]
}
