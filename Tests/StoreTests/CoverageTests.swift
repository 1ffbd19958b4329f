import Domain
import JSON
import Testing

@testable import SQLite
@testable import Store

extension TestStore {
  /// A row of coverage in short: status, count and, behind a slash, what is pinned.
  fileprivate func coverage(_ state: StateCode, _ type: PartnerType = .attorney) throws -> String {
    let coverage = try read { try $0.coverage(state, type) }
    let pin = coverage.pinnedStatus.map { "/\($0.rawValue)" } ?? ""
    return "\(coverage.status.rawValue) \(coverage.partnerCount)\(pin)"
  }

  fileprivate func add(_ partners: Partner...) throws {
    try change { change in for partner in partners { try change.insert(partner) } }
  }

  /// Changes a partner's fields as the service does.
  fileprivate func edit(_ number: Int, _ json: JSON) throws {
    try change { try $0.updatePartner(number, json) }
  }

  /// Moves a partner along its life cycle as the service does.
  fileprivate func move(_ number: Int, to status: PartnerStatus) throws {
    try change { try $0.movePartner(number, to: status) }
  }

  /// Changes a partner's row in one step, whatever the life cycle says.
  fileprivate func replace(_ number: Int, _ body: @escaping @Sendable (inout Partner) -> Void)
    throws
  {
    try change { change in
      var partner = try #require(try change.partner(sampleID(number)))
      body(&partner)
      try change.update(partner)
    }
  }

  fileprivate func pin(_ status: CoverageStatus?, _ state: StateCode) throws {
    let body = Body(
      ["status": status.map { .string($0.rawValue) } ?? .null], coveragePinFields, by: .staff,
      at: now)
    try change { try $0.pinCoverage(state, .attorney, body, seenAs: { _ in Array("{}".utf8) }) }
  }

  /// The coverage events that nobody pinned: subject, actor and changes.
  fileprivate func coverageEvents() throws -> [String] {
    try texts(
      """
      SELECT subject_id || iif(actor_id IS NULL, ' system ', ' someone ') || changes FROM events
      WHERE kind = 'coverage.status_changed' ORDER BY number
      """)
  }
}

/// How a partner stops to serve Minnesota as an attorney.
private enum Departure: CaseIterable {
  case inactive, removed, elsewhere, otherType
}

@Suite("Coverage")
struct CoverageTests {
  @Test("51 states and 6 types from the start: MN and CA come soon, all others are not served")
  func seeded() throws {
    let test = try TestStore()
    #expect(try test.number("SELECT count(*) FROM service_area_coverage") == 306)
    for state in StateCode.allCases {
      let rows = try test.read { try $0.coverage(state) }
      #expect(rows.map(\.partnerType) == PartnerType.allCases)
      for row in rows {
        #expect(row.stateCode == state)
        #expect(row.status == (state == .MN || state == .CA ? .comingSoon : .unavailable))
        #expect(row.partnerCount == 0)
        #expect(row.pinnedStatus == nil)
      }
    }
    let ids = try test.texts("SELECT id FROM service_area_coverage")
    #expect(Set(ids).count == 306)
    #expect(ids.allSatisfy { ID($0)?.text == $0 })
    // Version 4 and its variant (RFC 9562, section 5.4).
    #expect(ids.allSatisfy { Array($0)[14] == "4" && "89ab".contains(Array($0)[19]) })
    #expect(try test.findings() == [])
  }

  @Test("every state's own status is the best of its six, in the order of the codes")
  func byState() throws {
    let test = try TestStore()
    try test.add(.sample(1, .active, .cpa, in: [.WI]))
    let states = try test.read { try $0.coverageByState() }
    #expect(states.map(\.state) == StateCode.allCases)
    let expected: [StateCode: CoverageStatus] = [
      .MN: .comingSoon, .CA: .comingSoon, .WI: .available,
    ]
    for (state, status) in states { #expect(status == expected[state, default: .unavailable]) }
  }

  @Test("only active partners count, and each status change is followed")
  func statuses() throws {
    let test = try TestStore()
    try test.add(
      .sample(1, .invited, in: [.MN, .WI]), .sample(2, .pendingReview), .sample(3, .inactive),
      .sample(4, .removed))
    #expect(try test.coverage(.MN) == "coming_soon 0")
    #expect(try test.coverageEvents() == [])
    try test.move(1, to: .active)
    #expect(try test.coverage(.MN) == "available 1")
    #expect(try test.coverage(.WI) == "available 1")
    #expect(try test.coverage(.MN, .lender) == "coming_soon 0")
    try test.move(2, to: .active)
    #expect(try test.coverage(.MN) == "available 2")
    try test.move(1, to: .inactive)
    #expect(try test.coverage(.MN) == "available 1")
    #expect(try test.coverage(.WI) == "coming_soon 0", "there was a partner once")
    try test.move(2, to: .removed)
    #expect(try test.coverage(.MN) == "coming_soon 0")
    #expect(
      try test.coverageEvents() == [
        #"MN/attorney system {"status":{"from":"coming_soon","to":"available"}}"#,
        #"WI/attorney system {"status":{"from":"unavailable","to":"available"}}"#,
        #"WI/attorney system {"status":{"from":"available","to":"coming_soon"}}"#,
        #"MN/attorney system {"status":{"from":"available","to":"coming_soon"}}"#,
      ])
    #expect(try test.findings() == [])
  }

  @Test("a partner that is active from the start counts at once")
  func activeFromTheStart() throws {
    let test = try TestStore()
    try test.addGroups()
    let id = try test.change(by: sampleID(1)) {
      try $0.createPartner([
        "type": "attorney", "status": "active", "company_name": "C", "email": "c@example.com",
        "service_areas": ["WI", "TX"], "agreement_signed_at": JSON(now),
      ])
    }
    #expect(try test.read { try $0.partner(id) }?.serviceAreas == [.WI, .TX])
    #expect(try test.coverage(.TX) == "available 1")
    #expect(try test.coverage(.WI) == "available 1")
    #expect(
      try test.coverageEvents() == [
        #"TX/attorney system {"status":{"from":"unavailable","to":"available"}}"#,
        #"WI/attorney system {"status":{"from":"unavailable","to":"available"}}"#,
      ])
  }

  @Test("areas that come, go and stay")
  func areas() throws {
    let test = try TestStore()
    try test.add(.sample(1, in: [.MN, .WI]))
    try test.edit(1, ["service_areas": ["CA", "WI", "IA"]])
    #expect(try test.coverage(.MN) == "coming_soon 0")
    #expect(try test.coverage(.WI) == "available 1")
    #expect(try test.coverage(.CA) == "available 1")
    #expect(try test.coverage(.IA) == "available 1")
    #expect(
      try test.texts("SELECT state_code FROM partner_areas ORDER BY state_code")
        == ["CA", "IA", "WI"])
    try test.edit(1, ["service_areas": ["WI", "IA", "CA"]])
    #expect(try test.read { try $0.partner(sampleID(1)) }?.serviceAreas == [.WI, .IA, .CA])
    #expect(try test.coverage(.WI) == "available 1")
    #expect(try test.findings() == [])
  }

  @Test("status and areas at once")
  func statusAndAreas() throws {
    let test = try TestStore()
    try test.add(.sample(1, .inactive, in: [.MN, .WI]))
    try test.replace(1) {
      $0.status = .active
      $0["service_areas"] = ["WI", "CA"]
    }
    #expect(
      try ["MN", "WI", "CA"].map { try test.coverage(StateCode($0)!) }
        == ["coming_soon 0", "available 1", "available 1"])
    try test.replace(1) {
      $0.status = .inactive
      $0["service_areas"] = ["MN", "CA"]
    }
    #expect(
      try ["MN", "WI", "CA"].map { try test.coverage(StateCode($0)!) }
        == ["coming_soon 0", "coming_soon 0", "coming_soon 0"])
    #expect(try test.findings() == [])
  }

  @Test("another type, another row")
  func type() throws {
    let test = try TestStore()
    try test.add(.sample(1), .sample(2))
    try test.edit(1, ["type": "lender"])
    #expect(try test.coverage(.MN) == "available 1")
    #expect(try test.coverage(.MN, .lender) == "available 1")
    try test.replace(2) {
      $0["type"] = "title"
      $0["service_areas"] = ["WI"]
      $0.status = .inactive
    }
    #expect(try test.coverage(.MN) == "coming_soon 0")
    #expect(try test.coverage(.MN, .title) == "coming_soon 0")
    #expect(try test.coverage(.WI, .title) == "unavailable 0")
    #expect(try test.findings() == [])
  }

  @Test("another name changes no count, but the name that the areas are sorted by")
  func rename() throws {
    let test = try TestStore()
    try test.add(.sample(1, in: [.MN, .WI]))
    let events = try test.coverageEvents()
    try test.edit(1, ["company_name": "Zenith"])
    #expect(try test.texts("SELECT name_key FROM partner_areas") == ["zenith", "zenith"])
    #expect(try test.coverage(.MN) == "available 1")
    #expect(try test.coverageEvents() == events)
    #expect(try test.findings() == [])
  }

  @Test("a partner's row that is deleted takes its areas and counts along")
  func deleted() throws {
    let test = try TestStore()
    try test.add(.sample(1), .sample(2))
    try test.run("DELETE FROM partners WHERE id = ?", sampleID(1).text)
    #expect(try test.coverage(.MN) == "available 1")
    #expect(try test.number("SELECT count(*) FROM partner_areas") == 1)
    #expect(try test.findings() == [])
  }

  @Test("a state that is named twice counts once")
  func repeated() throws {
    let test = try TestStore()
    try test.add(.sample(1))
    try test.run(#"UPDATE partners SET service_areas = '["MN","WI","MN","WI"]'"#)
    #expect(try test.coverage(.MN) == "available 1")
    #expect(try test.coverage(.WI) == "available 1")
    #expect(try test.findings() == [])
  }

  @Test("a pinned status stands whatever the count is, and the count goes on")
  func pinned() throws {
    let test = try TestStore()
    try test.pin(.unavailable, .MN)
    #expect(try test.coverage(.MN) == "unavailable 0/unavailable")
    try test.add(.sample(1))
    #expect(try test.coverage(.MN) == "unavailable 1/unavailable")
    #expect(try test.coverageEvents() == [])
    try test.pin(.comingSoon, .MN)
    #expect(try test.coverage(.MN) == "coming_soon 1/coming_soon")
    try test.pin(.available, .MN)
    #expect(try test.coverage(.MN) == "available 1/available")
    try test.pin(nil, .MN)
    #expect(try test.coverage(.MN) == "available 1")
    try test.pin(.comingSoon, .MN)
    try test.move(1, to: .inactive)
    #expect(try test.coverage(.MN) == "coming_soon 0/coming_soon")
    try test.pin(nil, .MN)
    #expect(try test.coverage(.MN) == "coming_soon 0")
    #expect(try test.findings() == [])
  }

  @Test("the schema itself pins nothing to available without a partner")
  func pinnedAtNone() throws {
    let test = try TestStore()
    #expect(refusal { try test.pin(.available, .MN) } == .conflict(.noActivePartner))
    #expect(throws: SQLiteError.self) {
      try test.run(
        """
        UPDATE service_area_coverage SET pinned_status = 'available'
        WHERE state_code = 'MN' AND partner_type = 'attorney'
        """)
    }
    #expect(try test.coverage(.MN) == "coming_soon 0")
  }

  @Test(
    "a pin to available ends when the count reaches 0, however it does",
    arguments: Departure.allCases)
  private func pinEnds(departure: Departure) throws {
    let test = try TestStore()
    try test.add(.sample(1))
    try test.pin(.available, .MN)
    switch departure {
    case .inactive: try test.move(1, to: .inactive)
    case .removed: try test.move(1, to: .removed)
    case .elsewhere: try test.edit(1, ["service_areas": ["WI"]])
    case .otherType: try test.edit(1, ["type": "lender"])
    }
    #expect(try test.coverage(.MN) == "coming_soon 0")
    #expect(
      try test.coverageEvents().last(where: { $0.hasPrefix("MN/attorney") }) == """
        MN/attorney system {"status":{"from":"available","to":"coming_soon"},\
        "pinned_status":{"from":"available","to":null}}
        """)
    #expect(try test.findings() == [])
  }

  @Test("a pin to available ends with a deleted row as well")
  func pinEndsByDeletion() throws {
    let test = try TestStore()
    try test.add(.sample(1))
    try test.pin(.available, .MN)
    try test.run("DELETE FROM partners")
    #expect(try test.coverage(.MN) == "coming_soon 0")
  }

  @Test("a pin to available survives every change in which the count never is 0")
  func pinSurvives() throws {
    let test = try TestStore()
    try test.add(.sample(1, in: [.MN, .WI]), .sample(2))
    try test.pin(.available, .MN)
    try test.move(2, to: .inactive)
    #expect(try test.coverage(.MN) == "available 1/available")
    try test.edit(1, ["service_areas": ["CA", "MN"]])
    #expect(try test.coverage(.MN) == "available 1/available")
    try test.edit(1, ["company_name": "Another Name"])
    #expect(try test.coverage(.MN) == "available 1/available")
    try test.edit(1, ["service_areas": ["MN"]])
    #expect(try test.coverage(.MN) == "available 1/available")
    try test.move(2, to: .active)
    try test.edit(1, ["type": "cpa"])
    #expect(try test.coverage(.MN) == "available 1/available")
    #expect(try test.findings() == [])
  }

  @Test("after any changes the counts are those of the rows", arguments: UInt64(1)...4)
  func random(seed: UInt64) throws {
    var generator = SplitMix64(state: seed)
    let states: [StateCode] = [.MN, .WI, .TX]
    let types: [PartnerType] = [.attorney, .lender]
    var partners: [Partner] = []
    var everServed: Set<String> = []
    let test = try TestStore()
    for step in 0..<120 {
      let areas = states.filter { _ in Bool.random(using: &generator) }
      let status = PartnerStatus.allCases.randomElement(using: &generator)!
      let type = types.randomElement(using: &generator)!
      if partners.count < 6 {
        let usable = areas.isEmpty && status == .active ? [.MN] : areas
        let partner = Partner.sample(step + 1, status, type, in: usable)
        try test.add(partner)
        partners.append(partner)
      } else {
        let index = partners.indices.randomElement(using: &generator)!
        var new = partners[index]
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: new.status = status
        case 1: new["service_areas"] = JSON(areas)
        case 2: new.set("type", type)
        default:
          new.status = status
          new["service_areas"] = JSON(areas)
          new.set("type", type)
        }
        if new.status == .active && new.serviceAreas.isEmpty {
          new["service_areas"] = ["TX"]
        }
        try test.change { [new] in try $0.update(new) }
        partners[index] = new
      }
      for state in states {
        for type in types {
          let count = partners.filter {
            $0.status == .active && $0.type == type && $0.serviceAreas.contains(state)
          }.count
          if count > 0 { everServed.insert("\(state)/\(type)") }
          let comesSoon = state == .MN || everServed.contains("\(state)/\(type)")
          let status = count > 0 ? "available" : comesSoon ? "coming_soon" : "unavailable"
          #expect(try test.coverage(state, type) == "\(status) \(count)", "step \(step)")
        }
      }
    }
    #expect(try test.findings() == [])
  }
}
