import Domain
import Testing

@testable import Store

extension TestStore {
  fileprivate func add(_ referrals: Referral...) throws {
    try change { change in for referral in referrals { try change.insert(referral) } }
  }

  /// Changes a request as the service does.
  fileprivate func edit(_ number: Int, _ body: @escaping @Sendable (inout Referral) -> Void) throws
  {
    try change { change in
      var referral = try #require(try change.referral(sampleID(number))).referral
      body(&referral)
      try change.update(referral)
    }
  }
}

@Suite("Referral requests")
struct ReferralTests {
  @Test("every field comes back as it was put in, with the partner and who asked")
  func roundTrip() throws {
    let test = try TestStore()
    try test.addGroups()
    var partner = Partner.sample(21)
    partner.contactName = "Ann"
    partner.phone = "5551234"
    partner.website = "https://example.com"
    var full = Referral.sample(31, group: 12, .connected, .attorney, partner: 21)
    full.context = Context(
      groupSize: 4, homePriceRange: Context.PriceRange(min: 0, max: 900_000_000_000),
      timeline: "\"soon\" \\ 日本", state: .DC, specificNeed: "a\nb\u{2028}\t{}[]")
    full.introSentAt = minute(-3)
    full.outcome = .engaged
    full.outcomeNotes = "good"
    full.createdAt = minute(-5)
    full.updatedAt = minute(-1)
    full.statusChangedAt = minute(-2)
    full.connectedAt = minute(-2)
    var bare = Referral.sample(32, group: 13, state: nil)
    bare.context = Context(homePriceRange: Context.PriceRange(max: 5))
    try test.change { [partner, full, bare] change in
      try change.insert(partner)
      try change.insert(full)
      try change.insert(bare)
    }
    try test.read { snapshot throws in
      let record = try #require(try snapshot.referral(full.id))
      #expect(record.referral == full)
      let contact = try #require(record.partner)
      #expect(contact.id == partner.id)
      #expect(contact.type == .attorney)
      #expect(
        [contact.companyName, contact.contactName, contact.email, contact.phone, contact.website]
          == ["Company 21", "Ann", "partner21@example.com", "5551234", "https://example.com"])
      #expect(record.groupName == "Group 12")
      #expect(record.requesterName == "User 2")
      #expect(record.requesterEmail == "user2@example.com")
      var filter = ReferralFilter()
      filter.groupID = full.groupID
      let known = KnownReferral(record)
      #expect(try snapshot.memberReferrals(filter, PageRequest()).items.contains(known))
      let group = full.groupID
      #expect(
        try snapshot.memberReferral(full.id, ofGroup: group, body: KnownReferral.init) == known)
      #expect(
        try snapshot.memberReferral(bare.id, ofGroup: group, body: KnownReferral.init) == nil)
      let other = try #require(try snapshot.referral(bare.id))
      #expect(other.referral == bare)
      #expect(other.partner == nil)
      #expect(try snapshot.referral(sampleID(99)) == nil)
    }
    full.partnerType = .attorney
    full.status = .closed
    full.context = Context()
    full.introSentAt = minute(-2)
    full.outcome = .notEngaged
    full.outcomeNotes = nil
    full.updatedAt = minute(9)
    full.statusChangedAt = minute(9)
    full.connectedAt = minute(8)
    try test.change { [full] in try $0.update(full) }
    #expect(try test.read { try $0.referral(full.id) }?.referral == full)
  }

  @Test("the context is kept with all five fields")
  func context() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.add(.sample(31, state: nil))
    #expect(
      try test.texts("SELECT context FROM referral_requests") == [
        """
        {"group_size":null,"home_price_range":null,"timeline":null,"state":null,\
        "specific_need":null}
        """
      ])
  }

  @Test("a group has one open request of a type and state, and is told which")
  func oneOpen() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { try $0.insert(Partner.sample(21)) }
    try test.add(
      .sample(31), .sample(32, state: nil), .sample(33, .pending, .lender),
      .sample(34, .cancelled), .sample(35, group: 12, .introSent, partner: 21))
    let open = Failure.conflict(
      .referralAlreadyOpen(
        existing: "/api/groups/\(sampleID(11))/referrals/\(sampleID(31))"))
    for status in [.pending, .matched, .introSent] as [ReferralStatus] {
      let partner = status == .pending ? nil : 21
      #expect(refusal { try test.add(.sample(40, status, partner: partner)) } == open)
    }
    #expect(
      refusal { try test.add(.sample(40, state: nil)) }
        == .conflict(
          .referralAlreadyOpen(
            existing: "/api/groups/\(sampleID(11))/referrals/\(sampleID(32))")))
    // What is open no more is no obstacle, nor what is of another state, type or group.
    try test.add(
      .sample(41, .connected, partner: 21), .sample(42, .closed, partner: 21),
      .sample(43, .cancelled), .sample(44, state: .WI), .sample(45, .pending, .cpa),
      .sample(46, group: 13))
    // An update that would make a second one, by state or by type.
    #expect(refusal { try test.edit(44) { $0.context.state = .MN } } == open)
    #expect(refusal { try test.edit(45) { $0.partnerType = .attorney } } == open)
    try test.edit(31) { $0.context.specificNeed = "its own self is no obstacle" }
    try test.edit(31) { $0.status = .cancelled }
    try test.edit(44) { $0.context.state = .MN }
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
    late.createdAt = minute(1)
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
      try test.edit(31) {
        $0.status = partner == nil ? .pending : .matched
        $0.partnerID = partner.map(sampleID)
      }
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
    try test.edit(32) { $0.status = .cancelled }
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
    try test.change { change in
      var group = Group.sample(11)
      group.state = .CA
      try change.put(group)
    }
    #expect(try state() == .CA)
    var newest = Referral.sample(31, .cancelled, state: .WI)
    newest.createdAt = minute(5)
    try test.add(newest, .sample(32, .pending, state: .MN))
    #expect(try state() == .WI)
    newest = .sample(33, .cancelled, .cpa, state: nil)
    newest.createdAt = minute(6)
    try test.add(newest)
    #expect(try state() == .CA, "the newest names none")
  }
}

@Suite("Ranking keys")
struct RankingKeyTests {
  /// Six partners, of whom 21 is busy, 22 certified, 23 a lender, 24 inactive, 25 elsewhere, and 26 user 6.
  private static func store() throws -> TestStore {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      var certified = Partner.sample(22, in: [.WI, .MN])
      certified.coOwnershipCertified = true
      var user = Partner.sample(26)
      user.userID = sampleID(6)
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
    try test.read { try $0.rankingKeys(for: referral) }.sorted().map { key in
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
    try test.edit(31) { $0.partnerID = sampleID(22) }
    #expect(try Self.keys(.sample(31, .matched, partner: 22), in: test) == ["22* 1", "26 0"])
    try test.edit(31) {
      $0.status = .pending
      $0.partnerID = nil
    }
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
      try test.read {
        try $0.rankingKeys(forGroup: sampleID(group), type: type, state: state)
      }.sorted().map(\.id)
    }
    #expect(try ids(11) == [22, 21, 26].map(sampleID))
    #expect(try ids(16) == [22, 21].map(sampleID))
    #expect(try ids(11, .attorney, .CA) == [sampleID(25)])
    #expect(try ids(11, .cpa) == [])
    try test.add(.sample(31, .matched, state: .WI, partner: 22))
    try test.edit(31) {
      $0.status = .pending
      $0.partnerID = nil
    }
    #expect(try ids(11) == [21, 26].map(sampleID))
    #expect(try ids(12) == [22, 21, 26].map(sampleID))
    try test.edit(31) { $0.status = .cancelled }
    #expect(try ids(11) == [22, 21, 26].map(sampleID), "its request is over")
  }
}
