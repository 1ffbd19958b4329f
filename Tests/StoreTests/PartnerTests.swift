import Domain
import JSON
import Testing

@testable import SQLite
@testable import Store

@Suite("Partners")
struct PartnerTests {
  @Test("every field comes back as it was put in, and is shown to whom it concerns")
  func roundTrip() throws {
    let test = try TestStore()
    try test.addGroups()
    var full = Partner.sample(20, .inactive, .cpa, in: [.WI, .AK, .MN])
    for (name, value) in [
      "user_id": JSON(sampleID(1)), "company_name": "Ünïcode & \"Söhne\"; DROP TABLE partners",
      "contact_name": "名前", "email": "Office@Example.com", "phone": "+1 612 555 0100",
      "website": "https://example.com/?q=1#x", "co_ownership_certified": true,
      "description": "What\nwe do", "languages": ["es", "en"], "affiliation_disclosure": "None",
      "paused_until": "2026-03-02", "max_open_referrals": 7,
      "agreement_signed_at": JSON(minute(-9)), "invited_by": JSON(sampleID(2)), "notes": "a\nb\tc",
      "created_at": JSON(minute(-8)), "updated_at": JSON(minute(-7)),
    ] as [String: JSON] {
      full[name] = value
    }
    var bare = Partner.sample(21, .invited, .title, in: [])
    bare["agreement_signed_at"] = .null
    try test.change { [full, bare] change in
      try change.insert(full)
      try change.insert(bare)
    }
    let own = [
      "id", "type", "status", "company_name", "contact_name", "email", "phone", "website",
      "service_areas", "co_ownership_certified", "description", "languages",
      "affiliation_disclosure", "paused_until", "max_open_referrals", "agreement_signed_at",
      "pending_changes", "created_at", "updated_at",
    ]
    let derived = [
      JSON.Member("accepting_referrals", false), JSON.Member("credentials_status", "none"),
    ]
    try test.read { snapshot throws in
      #expect(try snapshot.partner(sampleID(22)) == nil)
      #expect(
        refusal { try snapshot.view(sampleID(22), of: .partners, seenBy: .staff) } == .notFound)
      for partner in [full, bare] {
        #expect(try snapshot.partner(partner.id) == partner)
        #expect(
          try shown(snapshot.view(partner.id, of: .partners, seenBy: .staff))
            == partner.view(own + ["user_id", "invited_by", "notes"]).with(derived))
        #expect(
          try shown(snapshot.view(partner.id, of: .partners, seenBy: .partner))
            == partner.view(own).with(derived))
        #expect(refusal { try snapshot.publicPartner(partner.id) } == .notFound, "not active")
      }
    }
    var changed = Partner.sample(21, .active, .lender, in: [.DC])
    for (name, value) in [
      "user_id": JSON(sampleID(3)), "contact_name": "D", "phone": "5551234",
      "website": "http://c.example", "co_ownership_certified": true,
      "invited_by": JSON(sampleID(4)), "notes": "n", "updated_at": JSON(minute(5)),
    ] as [String: JSON] {
      changed[name] = value
    }
    try test.change { [changed] in try $0.update(changed) }
    try test.read { snapshot throws in
      #expect(try snapshot.partner(bare.id) == changed)
      #expect(
        try shown(snapshot.publicPartner(bare.id))
          == changed.publicProfile.with([JSON.Member("credentials", [])]))
    }
    bare.updatedAt = minute(6)
    try test.change { [bare] in try $0.update(bare) }
    #expect(try test.read { try $0.partner(bare.id) } == bare)
    #expect(try test.findings() == [])
  }

  @Test("a new partner has what was given, and else what a new one begins with")
  func creation() throws {
    let test = try TestStore()
    try test.addGroups()
    let id = try test.change(by: sampleID(1)) {
      try $0.createPartner(["type": "title", "company_name": "B", "email": "b@example.com"])
    }
    var expected = Partner.sample(1, .invited, .title, in: [], name: "B")
    expected.set("id", id)
    expected["email"] = "b@example.com"
    expected["agreement_signed_at"] = .null
    expected["invited_by"] = JSON(sampleID(1))
    #expect(try test.read { try $0.partner(id) } == expected)
    #expect(
      try test.texts("SELECT kind || ' ' || subject_id || ' ' || changes FROM events") == [
        """
        partner.created \(id) {"type":{"from":null,"to":"title"},\
        "status":{"from":null,"to":"invited"},"company_name":{"from":null,"to":"B"},\
        "email":{"from":null,"to":"b@example.com"},"service_areas":{"from":null,"to":[]},\
        "co_ownership_certified":{"from":null,"to":false},\
        "languages":{"from":null,"to":[]},\
        "invited_by":{"from":null,"to":"\(sampleID(1))"}}
        """
      ])
  }

  @Test("a partner that leaves active gives its matched requests back, and those alone")
  func givesBack() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      for number in 21...22 { try change.insert(Partner.sample(number)) }
      try change.insert(Referral.sample(31, group: 11, .matched, partner: 21))
      try change.insert(Referral.sample(32, group: 12, .matched, partner: 21))
      try change.insert(Referral.sample(33, group: 13, .introSent, partner: 21))
      try change.insert(Referral.sample(34, group: 14, .matched, partner: 22))
    }
    try test.change(at: minute(1), by: sampleID(1)) { try $0.movePartner(21, to: .inactive) }
    #expect(
      try test.texts(
        "SELECT status || ' ' || ifnull(partner_id, '-') FROM referral_requests ORDER BY id") == [
          "pending -", "pending -", "intro_sent \(sampleID(21))", "matched \(sampleID(22))",
        ])
    #expect(
      try test.texts(
        """
        SELECT kind || ' ' || ifnull(actor_id, 'system') || ' ' || ifnull(note, '-') FROM events
        WHERE subject_kind IN ('partner', 'referral') ORDER BY number
        """) == [
          "partner.status_changed \(sampleID(1)) -",
          "referral.returned system The partner is no longer active.",
          "referral.returned system The partner is no longer active.",
        ])
    // From one status that is not active to another, nothing is left to give back.
    try test.change(at: minute(2)) { try $0.movePartner(21, to: .removed) }
    #expect(try test.number("SELECT count(*) FROM events WHERE kind = 'referral.returned'") == 2)
  }

  private static func body(
    _ number: Int, type: PartnerType = .attorney, status: PartnerStatus = .invited,
    email: String? = nil, user: Int? = nil
  ) -> JSON {
    [
      "type": .string(type.rawValue), "status": .string(status.rawValue),
      "company_name": .string("Company \(number)"),
      "email": .string(email ?? "partner\(number)@example.com"),
      "user_id": user.map { JSON(sampleID($0)) } ?? .null,
    ]
  }

  @Test(
    "one record for each type and e-mail address, case aside",
    arguments: ["partner1@example.com", "PARTNER1@Example.COM"])
  func oneForEachEmail(email: String) throws {
    let test = try TestStore()
    try test.change { try $0.insert(Partner.sample(1)) }
    #expect(
      refusal { try test.change { try $0.createPartner(Self.body(2, email: email)) } }
        == .conflict(.partnerExists))
    try test.change { _ = try $0.createPartner(Self.body(2, type: .lender, email: email)) }
    try test.change { try $0.insert(Partner.sample(3)) }
    #expect(
      refusal { try test.change { try $0.updatePartner(3, ["email": .string(email)]) } }
        == .conflict(.partnerExists))
    #expect(try test.number("SELECT count(*) FROM partners") == 3)
  }

  @Test("case aside means every script's case")
  func unicodeCase() throws {
    let test = try TestStore()
    try test.change { _ = try $0.createPartner(Self.body(1, email: "jürgen@example.com")) }
    #expect(
      refusal {
        try test.change { try $0.createPartner(Self.body(2, email: "JÜRGEN@example.com")) }
      } == .conflict(.partnerExists))
  }

  @Test("a removed record frees its address and its user, until it comes back")
  func removed() throws {
    let test = try TestStore()
    try test.addGroups()
    var first = Partner.sample(21, .removed)
    first["user_id"] = JSON(sampleID(1))
    try test.change { [first] in try $0.insert(first) }
    try test.change { _ = try $0.createPartner(Self.body(21, user: 1)) }
    func comeBack() -> Failure? {
      refusal { try test.change { try $0.movePartner(21, to: .pendingReview) } }
    }
    #expect(comeBack() == .conflict(.partnerExists))
    try test.change { try $0.updatePartner(21, ["email": "another@example.com"]) }
    #expect(comeBack() == .conflict(.userAlreadyLinked))
    try test.change { try $0.updatePartner(21, ["user_id": .null]) }
    #expect(comeBack() == nil)
    first["email"] = "another@example.com"
    first["user_id"] = .null
    first.status = .pendingReview
    #expect(try test.read { try $0.partner(first.id) } == first)
  }

  @Test("one record for each user")
  func oneForEachUser() throws {
    let test = try TestStore()
    try test.addGroups()
    var first = Partner.sample(21)
    first["user_id"] = JSON(sampleID(1))
    try test.change { [first] in try $0.insert(first) }
    #expect(
      refusal { try test.change { try $0.createPartner(Self.body(22, type: .lender, user: 1)) } }
        == .conflict(.userAlreadyLinked))
    try test.change { try $0.insert(Partner.sample(22, .invited, .lender)) }
    #expect(
      refusal { try test.change { try $0.updatePartner(22, ["user_id": JSON(sampleID(1))]) } }
        == .conflict(.userAlreadyLinked))
    // Its own address and user are no conflict.
    first["company_name"] = "Other"
    try test.change {
      try $0.updatePartner(21, ["company_name": "Other", "user_id": JSON(sampleID(1))])
    }
    #expect(try test.read { try $0.partner(first.id) } == first)
    #expect(try test.read { try $0.partnerID(ofUser: sampleID(1)) } == first.id)
    #expect(try test.read { try $0.partnerID(ofUser: sampleID(2)) } == nil)
    try test.change { try $0.movePartner(21, to: .removed) }
    #expect(try test.read { try $0.partnerID(ofUser: sampleID(1)) } == nil)
  }

  @Test("the type is fixed once a request names the partner, also one that is over")
  func fixedType() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      try change.insert(Partner.sample(21))
      try change.insert(Referral.sample(31, .closed, partner: 21))
    }
    #expect(
      refusal { try test.change { try $0.updatePartner(21, ["type": "lender"]) } }
        == .conflict(.partnerHasReferrals))
    try test.change {
      try $0.updatePartner(21, ["type": "attorney", "company_name": "Renamed"])
    }
    var renamed = Partner.sample(21)
    renamed["company_name"] = "Renamed"
    #expect(try test.read { try $0.partner(sampleID(21)) } == renamed)
  }

  @Test("a refused change leaves nothing behind")
  func atomic() throws {
    let test = try TestStore()
    func body(_ number: Int, email: Int, in state: StateCode) -> JSON {
      [
        "type": "attorney", "status": "active", "company_name": .string("Company \(number)"),
        "email": .string("partner\(email)@example.com"), "service_areas": JSON([state]),
        "agreement_signed_at": JSON(now),
      ]
    }
    let (first, second, third) = (
      body(1, email: 1, in: .MN), body(2, email: 2, in: .TX), body(3, email: 1, in: .TX)
    )
    let id = try test.change { try $0.createPartner(first) }
    #expect(
      refusal {
        try test.change { change in
          try change.createPartner(second)
          try change.createPartner(third)
        }
      } == .conflict(.partnerExists))
    #expect(try test.texts("SELECT id FROM partners") == [id.text])
    #expect(try test.read { try $0.coverage(.TX, .attorney) }.partnerCount == 0)
    #expect(
      try test.texts("SELECT kind FROM events ORDER BY number")
        == ["coverage.status_changed", "partner.created"])
  }
}
