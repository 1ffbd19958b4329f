import Domain
import JSON
import Testing

@testable import SQLite
@testable import Store

extension TestStore {
  fileprivate func add(_ referrals: Referral...) throws {
    try change { change in for referral in referrals { try change.insert(referral) } }
  }

  /// Changes a request as staff does.
  fileprivate func edit(_ number: Int, _ json: JSON) throws {
    try change { try $0.updateReferral(number, json) }
  }
}

@Suite("Referral requests")
struct ReferralTests {
  @Test("every field comes back as it was put in, and is shown to whom it concerns")
  func roundTrip() throws {
    let test = try TestStore()
    try test.addGroups()
    var partner = Partner.sample(21)
    partner["contact_name"] = "Ann"
    partner["phone"] = "5551234"
    partner["website"] = "https://example.com"
    var full = Referral.sample(31, group: 12, .connected, .attorney, partner: 21)
    full["context"] = Referral.context(
      groupSize: 4, prices: ["min": 0, "max": 900_000_000_000], timeline: "\"soon\" \\ 日本",
      state: .DC, need: "a\nb\u{2028}\t{}[]")
    full.introSentAt = minute(-3)
    full.outcome = .engaged
    full["outcome_notes"] = "good"
    full["assigned_to"] = JSON(sampleID(9))
    full["follow_up_on"] = "2026-03-09"
    full.setConsent("2026-01", at: minute(-5))
    full["created_at"] = JSON(minute(-5))
    full.updatedAt = minute(-1)
    full["status_since"] = JSON(minute(-2))
    full["connected_at"] = JSON(minute(-2))
    var bare = Referral.sample(32, group: 13, state: nil)
    bare["context"] = Referral.context(prices: ["min": .null, "max": 5])
    let matched = Referral.sample(33, group: 14, .matched, partner: 21)
    try test.change { [partner, full, bare] change in
      try change.insert(partner)
      for referral in [full, bare, matched] { try change.insert(referral) }
    }
    func check(_ referral: Referral) throws {
      try test.read { snapshot throws in
        #expect(try snapshot.referral(referral.id) == referral)
        let named = referral.partnerID == nil ? nil : partner
        let (id, group) = (referral.id, referral.groupID)
        func single(_ audience: Audiences) -> JSON {
          guard case .object(let members) = referral.view(seenBy: audience, partner: named) else {
            return .null
          }
          return .object(members + [JSON.Member("timeline", [])])
        }
        #expect(try shown(snapshot.view(id, of: .referrals, seenBy: .staff)) == single(.staff))
        #expect(
          try shown(snapshot.referral(id, ofGroup: group, seenBy: .staff)) == single(.staff))
        #expect(
          try shown(snapshot.referral(id, ofGroup: group, seenBy: .member)) == single(.member))
        for audience in [Audiences.staff, .member, .partner] {
          var filter = ReferralFilter()
          filter.groupID = group
          #expect(
            try snapshot.referrals(filter, PageRequest(), seenBy: audience).items
              == [referral.view(seenBy: audience, partner: named)])
        }
        if referral.isIntroduced {
          #expect(try shown(snapshot.referral(id, ofPartner: partner.id)) == single(.partner))
        } else {
          #expect(refusal { try snapshot.referral(id, ofPartner: partner.id) } == .notFound)
        }
        #expect(refusal { try snapshot.referral(id, ofPartner: sampleID(22)) } == .notFound)
        #expect(
          refusal { try snapshot.referral(id, ofGroup: sampleID(19), seenBy: .member) }
            == .notFound)
      }
    }
    for referral in [full, bare, matched] { try check(referral) }
    try test.read { snapshot throws in
      #expect(try snapshot.referral(sampleID(99)) == nil)
      #expect(
        refusal { try snapshot.view(sampleID(99), of: .referrals, seenBy: .staff) } == .notFound)
    }
    full.status = .closed
    full["context"] = Referral.context()
    full.introSentAt = minute(-2)
    full.outcome = .notEngaged
    full["outcome_notes"] = .null
    full.updatedAt = minute(9)
    full["status_since"] = JSON(minute(9))
    full["connected_at"] = JSON(minute(8))
    try test.change { [full] in try $0.update(full) }
    try check(full)
  }

  @Test(
    "a group sees its partner's contact data from the introduction on; its keys are always there")
  func contact() throws {
    let test = try TestStore()
    try test.addGroups()
    var partner = Partner.sample(21)
    partner["contact_name"] = "Ann"
    partner["phone"] = "5551234"
    try test.change { [partner] change in
      try change.insert(partner)
      try change.insert(Referral.sample(31, .matched, partner: 21))
    }
    func contact() throws -> JSON? {
      try test.read {
        try shown($0.referral(sampleID(31), ofGroup: sampleID(11), seenBy: .member))
      }["partner"]
    }
    let hidden: JSON = [
      "id": JSON(sampleID(21)), "type": "attorney", "company_name": "Company 21",
      "contact_name": .null, "email": .null, "phone": .null, "website": .null,
    ]
    #expect(try contact() == hidden)
    try test.edit(31, ["status": "intro_sent"])
    #expect(
      try contact() == [
        "id": JSON(sampleID(21)), "type": "attorney", "company_name": "Company 21",
        "contact_name": "Ann", "email": "partner21@example.com", "phone": "5551234",
        "website": .null,
      ])
    try test.change { try $0.movePartner(21, to: .removed) }
    #expect(try contact() == hidden, "the partner is removed")
    try test.edit(31, ["status": "pending"])
    #expect(try contact() == .null)
  }

  @Test("the context is kept with all five fields, whatever was given")
  func context() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      try change.requestReferral(group: 11, ["partner_type": "attorney"])
      try change.requestReferral(group: 12, ["partner_type": "attorney", "context": .null])
      try change.requestReferral(
        group: 13,
        [
          "partner_type": "attorney",
          "context": ["state": "MN", "home_price_range": ["max": 5], "timeline": " "],
        ])
    }
    let empty = """
      {"group_size":null,"home_price_range":null,"timeline":null,"state":null,\
      "specific_need":null}
      """
    #expect(
      try test.texts("SELECT context FROM referral_requests ORDER BY number") == [
        empty, empty,
        """
        {"group_size":null,"home_price_range":{"min":null,"max":5},"timeline":null,\
        "state":"MN","specific_need":null}
        """,
      ])
    try test.run("UPDATE referral_requests SET id = ? WHERE number = 3", sampleID(31).text)
    try test.edit(31, ["context": .null])
    #expect(
      try test.texts("SELECT context FROM referral_requests WHERE number = 3") == [empty])
    #expect(try test.number("SELECT count(*) FROM referral_requests WHERE state IS NULL") == 3)
  }

  @Test("a group has one open request of a type and state, and is told which")
  func oneOpen() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { try $0.insert(Partner.sample(21)) }
    try test.add(
      .sample(31), .sample(32, state: nil), .sample(33, .pending, .lender),
      .sample(34, .cancelled), .sample(35, group: 12, .introSent, partner: 21))
    func open(_ number: Int) -> Failure {
      .conflict(.referralAlreadyOpen(group: sampleID(11), referral: sampleID(number)))
    }
    func ask(_ group: Int, _ type: PartnerType = .attorney, in state: JSON) -> Failure? {
      refusal {
        try test.change {
          try $0.requestReferral(
            group: group,
            ["partner_type": .string(type.rawValue), "context": ["state": state]])
        }
      }
    }
    #expect(ask(11, in: "MN") == open(31))
    #expect(ask(11, in: .null) == open(32))
    #expect(ask(11, .lender, in: "MN") == open(33))
    // The schema itself refuses a second one in each status that is open.
    for status in [.pending, .matched, .introSent] as [ReferralStatus] {
      let partner = status == .pending ? nil : 21
      #expect(throws: SQLiteError.self) { try test.add(.sample(40, status, partner: partner)) }
    }
    // What is no longer open is no obstacle, nor what is of another state, type or group.
    try test.add(
      .sample(41, .connected, partner: 21), .sample(42, .closed, partner: 21),
      .sample(43, .cancelled), .sample(44, state: .WI), .sample(45, .pending, .cpa),
      .sample(46, group: 13))
    #expect(ask(11, in: "TX") == nil)
    #expect(ask(11, .agent, in: "MN") == nil)
    #expect(ask(14, in: "MN") == nil)
    // An update that would make a second one, by state or by type.
    #expect(refusal { try test.edit(44, ["context": ["state": "MN"]]) } == open(31))
    #expect(refusal { try test.edit(45, ["partner_type": "attorney"]) } == open(31))
    try test.edit(
      31, ["context": ["state": "MN", "specific_need": "its own self is no obstacle"]])
    try test.edit(31, ["status": "cancelled"])
    try test.edit(44, ["context": ["state": "MN"]])
    try test.read { snapshot throws in
      let group = sampleID(11)
      #expect(try snapshot.openReferral(group: group, type: .attorney, state: .MN) == sampleID(44))
      #expect(try snapshot.openReferral(group: group, type: .attorney, state: nil) == sampleID(32))
      #expect(try snapshot.openReferral(group: group, type: .lender, state: .MN) == sampleID(33))
      #expect(try snapshot.openReferral(group: group, type: .lender, state: nil) == nil)
      #expect(
        try snapshot.openReferral(group: group, type: .attorney, state: .MN, except: sampleID(44))
          == nil)
      #expect(
        try snapshot.openReferral(group: sampleID(12), type: .attorney, state: .MN)
          == sampleID(35))
    }
  }

  @Test("what is matched with a partner, oldest first")
  func matched() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      try change.insert(Partner.sample(21))
      try change.insert(Partner.sample(22))
    }
    var late = Referral.sample(31, group: 11, .matched, partner: 21)
    late["created_at"] = JSON(minute(1))
    try test.add(
      late, .sample(32, group: 12, .matched, partner: 21),
      .sample(33, group: 13, .introSent, partner: 21),
      .sample(34, group: 14, .matched, partner: 22),
      .sample(35, group: 15), .sample(36, group: 16, .cancelled, partner: 21))
    #expect(
      try test.read { try $0.matchedReferrals(of: sampleID(21)) }.map(\.id)
        == [sampleID(32), sampleID(31)])
    #expect(try test.read { try $0.matchedReferrals(of: sampleID(99)) } == [])
  }

  @Test("a partner that a request was taken from or that gave it back is kept in mind, once")
  func pastPartners() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in for number in 21...23 { try change.insert(Partner.sample(number)) }
    }
    try test.add(.sample(31), .sample(32, group: 12, .matched, partner: 21))
    func past(_ number: Int) throws -> [String] {
      try test.texts(
        """
        SELECT past.partner_id FROM referral_past_partners AS past
        JOIN referral_requests ON number = referral_number WHERE id = ? ORDER BY 1
        """, sampleID(number).text)
    }
    func assign(_ partner: Int?) throws {
      try test.edit(
        31, partner.map { ["partner_id": JSON(sampleID($0))] } ?? ["status": "pending"])
    }
    try assign(21)
    #expect(try past(31) == [], "not while it has the request")
    try assign(22)
    #expect(try past(31) == [sampleID(21).text])
    try assign(nil)
    #expect(try past(31) == [sampleID(21).text, sampleID(22).text])
    try assign(21)
    try assign(nil)
    #expect(try past(31) == [sampleID(21).text, sampleID(22).text])
    try test.edit(32, ["status": "cancelled"])
    #expect(try past(32) == [], "a cancelled request keeps its partner")
    try test.run("DELETE FROM referral_requests WHERE id = ?", sampleID(31).text)
    #expect(try past(31) == [])
  }

  @Test("the state that a group asks for: its newest request's, else its own")
  func newestState() throws {
    let test = try TestStore()
    try test.addGroups()
    func state() throws -> StateCode? {
      try test.read { try $0.newestState(ofGroup: sampleID(11)) }
    }
    #expect(try state() == nil)
    try test.change { try $0.putGroup(11, ["state": "CA"]) }
    #expect(try state() == .CA)
    var newest = Referral.sample(31, .cancelled, state: .WI)
    newest["created_at"] = JSON(minute(5))
    try test.add(newest, .sample(32, .pending, state: .MN))
    #expect(try state() == .WI)
    newest = .sample(33, .cancelled, .cpa, state: nil)
    newest["created_at"] = JSON(minute(6))
    try test.add(newest)
    #expect(try state() == .CA, "the newest names none")
  }
}

@Suite("Candidates")
struct CandidateTests {
  /// Six partners, of whom 21 is busy, 22 certified, 23 a lender, 24 inactive, 25 elsewhere, and 26 user 6.
  private static func store() throws -> TestStore {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      var certified = Partner.sample(22, in: [.WI, .MN])
      certified["co_ownership_certified"] = true
      var user = Partner.sample(26)
      user["user_id"] = JSON(sampleID(6))
      for partner in [
        .sample(21), certified, .sample(23, .active, .lender), .sample(24, .inactive),
        .sample(25, in: [.CA]), user,
      ] {
        try change.insert(partner)
      }
    }
    return test
  }

  private static func keys(_ referral: Referral, in test: TestStore) throws -> [String] {
    try test.ranking(for: referral).map { key in
      let number = (20...30).first { sampleID($0) == key.id }
      let intro = key.lastIntroAt.map { " \($0.text.dropFirst(11).prefix(5))" } ?? ""
      return "\(number ?? 0)\(key.certified ? "*" : "") \(key.openReferrals)\(intro)"
    }
  }

  @Test("active partners of the type that serve the state; without a state, of the type")
  func fit() throws {
    let test = try Self.store()
    try test.add(
      .sample(31), .sample(32, state: .CA), .sample(33, state: nil), .sample(34, .pending, .cpa))
    #expect(try Self.keys(.sample(31), in: test) == ["22* 0", "21 0", "26 0"])
    #expect(try Self.keys(.sample(32, state: .CA), in: test) == ["25 0"])
    #expect(
      try Self.keys(.sample(33, state: nil), in: test) == ["22* 0", "21 0", "25 0", "26 0"])
    #expect(try Self.keys(.sample(34, .pending, .cpa), in: test) == [])
    #expect(try Self.keys(.sample(31, .pending, .lender), in: test) == ["23 0"])
    #expect(try Self.keys(.sample(31, .pending, .lender, state: .TX), in: test) == [])
  }

  @Test("open are the matched and introduced; the last introduction is that of any request")
  func numbers() throws {
    let test = try Self.store()
    try test.add(
      .sample(31, group: 12, .matched, partner: 21),
      .sample(32, group: 13, .introSent, partner: 21, introduced: minute(-30)),
      .sample(33, group: 14, .connected, partner: 21, introduced: minute(-20)),
      .sample(34, group: 15, .closed, partner: 21, introduced: minute(-10)),
      .sample(35, group: 17, .cancelled, partner: 21),
      .sample(36, group: 18, .cancelled, partner: 22, introduced: minute(-40)))
    #expect(
      try Self.keys(.sample(39), in: test) == ["22* 0 11:20", "26 0", "21 2 11:50"])
  }

  @Test("the partner that has the request is among them; past ones of this request are not")
  func pastPartners() throws {
    let test = try Self.store()
    try test.add(.sample(31, .matched, partner: 21), .sample(32, group: 12))
    #expect(
      try Self.keys(.sample(31, .matched, partner: 21), in: test) == ["22* 0", "26 0", "21 1"])
    try test.edit(31, ["partner_id": JSON(sampleID(22))])
    #expect(try Self.keys(.sample(31, .matched, partner: 22), in: test) == ["22* 1", "26 0"])
    try test.edit(31, ["status": "pending"])
    #expect(try Self.keys(.sample(31), in: test) == ["26 0"])
    #expect(
      try Self.keys(.sample(32, group: 12), in: test) == ["22* 0", "21 0", "26 0"],
      "another request knows nothing of it")
  }

  @Test("a partner is not proposed to its own group")
  func ownGroup() throws {
    let test = try Self.store()
    #expect(try Self.keys(.sample(31, group: 16), in: test) == ["22* 0", "21 0"])
    #expect(try Self.keys(.sample(31, group: 17), in: test) == ["22* 0", "21 0", "26 0"])
  }

  @Test("for a group that has not asked: those it would not want for an open request are left out")
  func forGroup() throws {
    let test = try Self.store()
    func ids(_ group: Int, _ type: PartnerType = .attorney, _ state: StateCode = .MN) throws -> [ID]
    {
      try test.recommended(to: sampleID(group), type, state).map(\.id)
    }
    #expect(try ids(11) == [22, 21, 26].map(sampleID))
    #expect(try ids(16) == [22, 21].map(sampleID))
    #expect(try ids(11, .attorney, .CA) == [sampleID(25)])
    #expect(try ids(11, .cpa) == [])
    try test.add(.sample(31, .matched, state: .WI, partner: 22))
    try test.edit(31, ["status": "pending"])
    #expect(try ids(11) == [21, 26].map(sampleID))
    #expect(try ids(12) == [22, 21, 26].map(sampleID))
    try test.edit(31, ["status": "cancelled"])
    #expect(try ids(11) == [22, 21, 26].map(sampleID), "its request is over")
  }
}
