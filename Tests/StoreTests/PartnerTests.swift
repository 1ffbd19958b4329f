import Domain
import Testing

@testable import Store

@Suite("Partners")
struct PartnerTests {
  @Test("every field comes back as it was put in")
  func roundTrip() throws {
    let test = try TestStore()
    try test.addGroups()
    let full = Partner(
      id: sampleID(20), userID: sampleID(1), type: .cpa, status: .inactive,
      companyName: "Ünïcode & \"Söhne\"; DROP TABLE partners", contactName: "名前",
      email: "Office@Example.com", phone: "+1 612 555 0100", website: "https://example.com/?q=1#x",
      serviceAreas: [.WI, .AK, .MN], coOwnershipCertified: true, agreementSignedAt: minute(-9),
      invitedBy: sampleID(2), notes: "a\nb\tc", createdAt: minute(-8), updatedAt: minute(-7))
    let bare = Partner(
      id: sampleID(21), type: .title, status: .invited, companyName: "B", email: "b@example.com",
      createdAt: now, updatedAt: now)
    try test.change { change in
      try change.insert(full)
      try change.insert(bare)
    }
    try test.read { snapshot throws in
      #expect(try snapshot.partner(full.id) == full)
      #expect(try snapshot.partner(bare.id) == bare)
      #expect(try snapshot.partner(sampleID(22)) == nil)
    }
    var changed = Partner(
      id: bare.id, userID: sampleID(3), type: .lender, status: .active, companyName: "C",
      contactName: "D", email: "c@example.com", phone: "5551234", website: "http://c.example",
      serviceAreas: [.DC], coOwnershipCertified: true, agreementSignedAt: now,
      invitedBy: sampleID(4), notes: "n", createdAt: now, updatedAt: minute(5))
    try test.change { [changed] in try $0.update(bare, to: changed) }
    #expect(try test.read { try $0.partner(bare.id) } == changed)
    let before = changed
    changed = bare
    changed.updatedAt = minute(6)
    try test.change { [changed] in try $0.update(before, to: changed) }
    #expect(try test.read { try $0.partner(bare.id) } == changed)
    #expect(try test.findings() == [])
  }

  @Test(
    "one record for each type and e-mail address, case aside",
    arguments: ["partner1@example.com", "PARTNER1@Example.COM"])
  func oneForEachEmail(email: String) throws {
    let test = try TestStore()
    try test.change { try $0.insert(Partner.sample(1)) }
    var other = Partner.sample(2)
    other.email = email
    #expect(
      refusal { try test.change { [other] in try $0.insert(other) } }
        == .conflict(.partnerExists))
    other.type = .lender
    try test.change { [other] in try $0.insert(other) }
    var third = Partner.sample(3)
    try test.change { [third] in try $0.insert(third) }
    let before = third
    third.email = email
    #expect(
      refusal { try test.change { [third] in try $0.update(before, to: third) } }
        == .conflict(.partnerExists))
    #expect(try test.number("SELECT count(*) FROM partners") == 3)
  }

  @Test("case aside means every script's case")
  func unicodeCase() throws {
    let test = try TestStore()
    var first = Partner.sample(1)
    first.email = "jürgen@example.com"
    var second = Partner.sample(2)
    second.email = "JÜRGEN@example.com"
    try test.change { [first] in try $0.insert(first) }
    #expect(
      refusal { try test.change { [second] in try $0.insert(second) } }
        == .conflict(.partnerExists))
  }

  @Test("a removed record frees its address and its user, until it comes back")
  func removed() throws {
    let test = try TestStore()
    try test.addGroups()
    var first = Partner.sample(21, .removed)
    first.userID = sampleID(1)
    var second = Partner.sample(22)
    second.userID = sampleID(1)
    second.email = first.email
    try test.change { [first, second] change in
      try change.insert(first)
      try change.insert(second)
    }
    var back = first
    back.status = .pendingReview
    #expect(
      refusal { try test.change { [first, back] in try $0.update(first, to: back) } }
        == .conflict(.partnerExists))
    back.email = "another@example.com"
    #expect(
      refusal { try test.change { [first, back] in try $0.update(first, to: back) } }
        == .conflict(.userAlreadyLinked))
    back.userID = nil
    try test.change { [first, back] in try $0.update(first, to: back) }
    #expect(try test.read { try $0.partner(first.id) } == back)
  }

  @Test("one record for each user")
  func oneForEachUser() throws {
    let test = try TestStore()
    try test.addGroups()
    var first = Partner.sample(21)
    first.userID = sampleID(1)
    var second = Partner.sample(22, .invited, .lender)
    second.userID = sampleID(1)
    try test.change { [first] in try $0.insert(first) }
    #expect(
      refusal { try test.change { [second] in try $0.insert(second) } }
        == .conflict(.userAlreadyLinked))
    var unlinked = second
    unlinked.userID = nil
    try test.change { [unlinked] in try $0.insert(unlinked) }
    #expect(
      refusal { try test.change { [unlinked, second] in try $0.update(unlinked, to: second) } }
        == .conflict(.userAlreadyLinked))
    // Its own address and user are no conflict.
    var renamed = first
    renamed.companyName = "Other"
    try test.change { [first, renamed] in try $0.update(first, to: renamed) }
    #expect(try test.read { try $0.partner(ofUser: sampleID(1)) } == renamed)
    #expect(try test.read { try $0.partner(ofUser: sampleID(2)) } == nil)
  }

  @Test("the type is fixed once a request names the partner, also one that is over")
  func fixedType() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      try change.insert(Partner.sample(21))
      try change.insert(Referral.sample(31, .closed, partner: 21))
    }
    var lender = Partner.sample(21, .active, .lender)
    #expect(
      refusal { try test.change { [lender] in try $0.update(.sample(21), to: lender) } }
        == .conflict(.partnerHasReferrals))
    lender.type = .attorney
    lender.companyName = "Renamed"
    try test.change { [lender] in try $0.update(.sample(21), to: lender) }
    #expect(try test.read { try $0.partner(sampleID(21)) } == lender)
  }

  @Test("a refused change leaves nothing behind")
  func atomic() throws {
    let test = try TestStore()
    try test.change { try $0.insert(Partner.sample(1)) }
    #expect(
      refusal {
        try test.change { change in
          try change.insert(Partner.sample(2, in: [.TX]))
          try change.record("partner.created", .partner, sampleID(2).text, changes: "{}")
          var same = Partner.sample(3)
          same.email = "partner1@example.com"
          try change.insert(same)
        }
      } == .conflict(.partnerExists))
    #expect(try test.texts("SELECT id FROM partners") == [sampleID(1).text])
    #expect(try test.read { try $0.coverage(.TX, .attorney) }.partnerCount == 0)
    #expect(try test.texts("SELECT kind FROM events") == ["coverage.status_changed"])
  }
}
