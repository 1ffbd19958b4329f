import Domain
import Testing

/// Every move that the life of a partner has; all others it has not.
private let moves: [PartnerStatus: [PartnerStatus]] = [
  .invited: [.pendingReview, .active, .removed],
  .pendingReview: [.active, .inactive, .removed],
  .active: [.inactive, .removed],
  .inactive: [.active, .pendingReview, .removed],
  .removed: [.pendingReview],
]

@Suite("The life of a partner")
struct PartnerTests {
  @Test("the statuses and types are those of the product document, by name")
  func vocabulary() {
    #expect(
      PartnerStatus.allCases.map(\.rawValue)
        == ["invited", "pending_review", "active", "inactive", "removed"])
    #expect(
      PartnerType.allCases.map(\.rawValue)
        == ["attorney", "lender", "agent", "title", "insurance", "cpa"])
  }

  @Test("each status to each", arguments: PartnerStatus.allCases, PartnerStatus.allCases)
  func move(from: PartnerStatus, to: PartnerStatus) throws {
    let partner = Partner.sample(1, status: from)
    let allowed = try #require(moves[from])
    if from == to {
      #expect(try partner.moved(to: to) == partner)
    } else if allowed.contains(to) {
      var expected = partner
      expected.status = to
      #expect(try partner.moved(to: to) == expected)
    } else {
      #expect(
        refusal { try partner.moved(to: to) }
          == .conflict(
            .transitionNotAllowed(
              from: from.rawValue, to: to.rawValue, allowed: allowed.map(\.rawValue))))
    }
  }

  @Test("a new partner is invited, under review, or active")
  func initial() {
    #expect(PartnerStatus.initial == [.invited, .pendingReview, .active])
  }

  @Test(
    "to be active takes an agreement and an area",
    arguments: [
      (true, true, []),
      (false, true, ["agreement_signed_at"]),
      (true, false, ["service_areas"]),
      (false, false, ["agreement_signed_at", "service_areas"]),
    ] as [(Bool, Bool, [String])])
  func readiness(agreement: Bool, area: Bool, missing: [String]) {
    for status in PartnerStatus.allCases {
      var partner = Partner.sample(1, status: status)
      if !agreement { partner["agreement_signed_at"] = .null }
      if !area { partner["service_areas"] = [] }
      let expected: Failure? =
        status == .active && !missing.isEmpty ? .conflict(.partnerNotReady(missing: missing)) : nil
      #expect(refusal { try partner.checkReadiness() } == expected, "\(status)")
    }
  }

  @Test(
    "a move to active is refused for what is missing",
    arguments: [PartnerStatus.invited, .inactive])
  func becomingActive(from: PartnerStatus) {
    var partner = Partner.sample(1, status: from)
    partner["service_areas"] = []
    #expect(
      refusal { try partner.moved(to: .active) }
        == .conflict(.partnerNotReady(missing: ["service_areas"])))
  }

  @Test("a move that is not allowed is told before one that is not ready")
  func order() {
    var partner = Partner.sample(1, status: .removed)
    partner["agreement_signed_at"] = .null
    #expect(
      refusal { try partner.moved(to: .active) }
        == .conflict(
          .transitionNotAllowed(from: "removed", to: "active", allowed: ["pending_review"])))
  }

  @Test("a partner that is not ready moves to every other status freely")
  func unready() throws {
    var partner = Partner.sample(1, status: .invited)
    partner["agreement_signed_at"] = .null
    partner["service_areas"] = []
    for status in [.pendingReview, .inactive, .pendingReview, .removed] as [PartnerStatus] {
      partner = try partner.moved(to: status)
      #expect(partner.status == status)
    }
  }
}
