import Domain
import JSON
import Testing

@Suite("The review of what a partner proposes")
struct PartnerReviewTests {
  private static func partner(_ areas: JSON, proposing proposals: JSON = .null) -> Partner {
    var partner = Partner.sample(1)
    partner["service_areas"] = areas
    partner["website"] = .null
    partner["pending_changes"] = proposals
    return partner
  }

  @Test(
    "a proposal waits; of a list only what it adds does",
    arguments: [
      // The present list, what waits, the list that is sent; then the list and what waits.
      (["MN"], .null, ["MN"], ["MN"], .null),
      (["MN"], .null, ["MN", "WI"], ["MN"], ["service_areas": ["MN", "WI"]]),
      (["MN", "CA"], .null, ["CA"], ["CA"], .null),
      (["MN", "CA"], .null, ["CA", "MN"], ["CA", "MN"], .null),
      (["MN", "CA"], .null, ["WI", "CA"], ["CA"], ["service_areas": ["WI", "CA"]]),
      (["MN", "CA"], .null, ["WI"], [], ["service_areas": ["WI"]]),
      (["MN"], .null, [], [], .null),
      ([], .null, ["MN"], [], ["service_areas": ["MN"]]),
      // The present list leaves the proposal alone, another one replaces it.
      (
        ["MN"], ["service_areas": ["MN", "WI"]], ["MN"], ["MN"], ["service_areas": ["MN", "WI"]]
      ),
      (
        ["MN"], ["service_areas": ["MN", "WI"]], ["MN", "TX"], ["MN"],
        ["service_areas": ["MN", "TX"]]
      ),
      (
        ["MN"], ["website": "w", "service_areas": ["MN", "WI"]], ["MN", "TX"], ["MN"],
        ["website": "w", "service_areas": ["MN", "TX"]]
      ),
    ] as [(JSON, JSON, JSON, JSON, JSON)])
  func list(areas: JSON, waiting: JSON, sent: JSON, kept: JSON, proposals: JSON) {
    var partner = Self.partner(areas, proposing: waiting)
    partner.propose(sent, for: "service_areas")
    #expect(partner["service_areas"] == kept)
    #expect(partner["pending_changes"] == proposals)
  }

  @Test("any other value waits whole, null as well, and the present one proposes nothing")
  func value() {
    var partner = Self.partner(["MN"])
    partner.propose("North Star Law", for: "company_name")
    #expect(partner["pending_changes"] == .null)
    partner.propose("Southside", for: "company_name")
    partner.propose("w", for: "website")
    #expect(partner["pending_changes"] == ["company_name": "Southside", "website": "w"])
    partner.propose("x", for: "website")
    partner.propose("North Star Law", for: "company_name")
    partner.propose(.null, for: "website")
    #expect(partner["pending_changes"] == ["company_name": "Southside", "website": "x"])
    partner["website"] = "v"
    partner.propose(.null, for: "website")
    #expect(partner["pending_changes"] == ["company_name": "Southside", "website": .null])
    #expect(partner["company_name"] == "North Star Law")
    partner.proposals = []
    #expect(partner["pending_changes"] == .null)
  }

  @Test(
    "a list that waits follows the present one, and ends when it adds nothing",
    arguments: [
      // The present list before and after a change, and the list that waits before and after it.
      (["MN"], ["MN"], ["MN", "WI"], ["MN", "WI"]),
      (["MN", "CA"], ["MN"], ["MN", "CA", "WI"], ["MN", "WI"]),
      (["MN"], ["MN", "TX"], ["WI", "MN"], ["WI", "MN", "TX"]),
      (["MN", "CA"], ["CA", "TX"], ["MN", "CA", "WI"], ["CA", "WI", "TX"]),
      (["MN"], ["MN", "WI"], ["MN", "WI"], nil),
      (["MN"], ["WI", "MN", "TX"], ["MN", "WI"], nil),
      (["MN"], ["MN", "WI"], ["MN", "WI", "TX"], ["MN", "WI", "TX"]),
      // Added and removed again by staff, while it waits.
      (["MN", "WI"], ["MN"], ["MN", "WI", "TX"], ["MN", "TX"]),
    ] as [(JSON, JSON, JSON, JSON?)])
  func follow(former: JSON, present: JSON, waiting: JSON, expected: JSON?) {
    let old = Self.partner(former, proposing: ["service_areas": waiting, "website": "w"])
    var new = old
    new["service_areas"] = present
    new.adaptProposals(since: old)
    var proposals: [JSON.Member] = [JSON.Member("website", "w")]
    if let expected { proposals.append(JSON.Member("service_areas", expected)) }
    #expect(new["pending_changes"] == .object(proposals))
    #expect(new["service_areas"] == present)
  }

  @Test("a proposal ends when the field has its value, and all end with the active status")
  func end() {
    let old = Self.partner(["MN"], proposing: ["website": "w", "email": "e"])
    var new = old
    new["website"] = "w"
    new["email"] = "other"
    new.adaptProposals(since: old)
    #expect(new["pending_changes"] == ["email": "e"])
    for status in PartnerStatus.allCases {
      var moved = old
      moved.status = status
      moved.adaptProposals(since: old)
      #expect(moved["pending_changes"] == (status == .active ? old["pending_changes"] : .null))
    }
  }

  @Test("the vocabularies are the contract's") func vocabulary() {
    #expect(
      DeclineReason.allCases.map(\.rawValue) == [
        "conflict_of_interest", "no_capacity", "outside_area", "outside_practice", "terms", "other",
      ])
    #expect(ReviewDecision.allCases.map(\.rawValue) == ["approved", "rejected"])
  }
}
