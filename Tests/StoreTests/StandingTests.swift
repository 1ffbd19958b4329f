import Domain
import JSON
import Schema
import Testing

@testable import SQLite
@testable import Store

@Suite("The order of candidates")
struct StandingTests {
  /// Partners 21 to 24, the first of whom is user 2, and a pending request 31.
  private static func store() throws -> TestStore {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      for number in 21...24 {
        var partner = Partner.sample(number, in: [.MN, .WI])
        if number == 21 { partner["user_id"] = JSON(sampleID(2)) }
        try change.insert(partner)
      }
      try change.insert(Referral.sample(31))
      try change.record(
        .referralRequested, sampleID(31),
        changes: #"{"status":{"from":null,"to":"pending"}}"#)
    }
    return test
  }

  /// When a group was last introduced to the partner.
  private static func lastIntro(_ number: Int, in test: TestStore) throws -> Timestamp? {
    let keys = try test.ranking(for: .sample(99, group: 19, state: nil))
    return try #require(keys.first { $0.id == sampleID(number) }).lastIntroAt
  }

  private static func edit(
    _ test: TestStore, _ number: Int = 31, at time: Timestamp, _ json: JSON
  ) throws {
    try test.change(at: time) { try $0.updateReferral(number, json) }
  }

  @Test("an introduction that was declined, taken back or corrected counts for good")
  func forGood() throws {
    let test = try Self.store()
    func introduce(_ number: Int, at time: Timestamp) throws {
      try Self.edit(test, at: time, ["partner_id": JSON(sampleID(number))])
      try Self.edit(test, at: time, ["status": "intro_sent"])
    }
    #expect(try Self.lastIntro(21, in: test) == nil)
    try introduce(21, at: minute(10))
    try test.change(at: minute(11), by: sampleID(2)) {
      _ = try $0.answerReferral(
        sampleID(31), ofPartner: sampleID(21),
        $0.body(["response": "declined"], responseFields))
    }
    #expect(try Self.lastIntro(21, in: test) == minute(10), "declined")

    try introduce(22, at: minute(20))
    try Self.edit(test, at: minute(21), ["status": "pending"])
    #expect(try Self.lastIntro(22, in: test) == minute(20), "taken back")

    try introduce(23, at: minute(30))
    try Self.edit(test, at: minute(31), ["intro_sent_at": JSON(minute(5))])
    #expect(try Self.lastIntro(23, in: test) == minute(30), "corrected to an earlier time")
    try Self.edit(test, at: minute(60), ["intro_sent_at": JSON(minute(50))])
    #expect(try Self.lastIntro(23, in: test) == minute(50), "corrected to a later time")
    try Self.edit(test, at: minute(61), ["status": "cancelled"])
    try test.change(at: minute(62)) { try $0.movePartner(23, to: .inactive) }
    try test.change(at: minute(63)) { try $0.movePartner(23, to: .active) }
    #expect(try Self.lastIntro(23, in: test) == minute(50), "paused")

    #expect(
      try test.ranking(for: .sample(99, group: 19)).map(\.id)
        == [24, 21, 22, 23].map(sampleID))
    #expect(try test.findings() == [])
  }

  @Test("whatever happens, the order is that of the certification, the referrals and the history")
  func order() throws {
    let test = try TestStore()
    try test.addGroups()
    var random = SplitMix64(state: 7)
    let states: [StateCode] = [.MN, .WI, .CA]
    try test.change { [random] change in
      var random = random
      for number in 21...32 {
        var partner = Partner.sample(number, in: Array(states.shuffled(using: &random).prefix(2)))
        partner["co_ownership_certified"] = .bool(number.isMultiple(of: 4))
        try change.insert(partner)
      }
      // Partners of another type never show.
      for number in 33...35 { try change.insert(Partner.sample(number, .active, .lender)) }
    }
    var introductions: [ID: Timestamp] = [:]
    var open: [ID: Set<ID>] = [:]
    for step in 1...400 {
      let time = minute(step)
      let partner = 21 + Int.random(in: 0..<12, using: &random)
      switch Int.random(in: 0..<10, using: &random) {
      case 0:
        let status = try #require(try test.read { try $0.partner(sampleID(partner)) }).status
        try test.change(at: time) {
          try $0.movePartner(partner, to: status == .active ? .inactive : .active)
        }
        // Its matched requests are back.
        for id in open[sampleID(partner)] ?? [] {
          if try test.read({ try $0.referral(id) })?.status == .pending {
            open[sampleID(partner)]?.remove(id)
          }
        }
      case 1:
        let areas = JSON(Array(states.shuffled(using: &random).prefix(2)))
        let isCertified = Bool.random(using: &random)
        try test.change(at: time) {
          try $0.updatePartner(
            partner, ["service_areas": areas, "co_ownership_certified": .bool(isCertified)])
        }
      default:
        // A request of a random group: a new one, or the next step of its open one.
        let group = 11 + Int.random(in: 0..<9, using: &random)
        let state = states.randomElement(using: &random)!
        guard
          let id = try test.read({
            try $0.openReferral(group: sampleID(group), type: .attorney, state: state)
          }), let referral = try test.read({ try $0.referral(id) })
        else {
          try test.change(at: time) {
            try $0.requestReferral(
              group: group,
              ["partner_type": "attorney", "context": ["state": .string(state.rawValue)]])
          }
          continue
        }
        let next: ReferralStatus =
          switch referral.status {
          case .pending: .matched
          case .matched: [.introSent, .introSent, .pending].randomElement(using: &random)!
          default: [.pending, .connected, .closed, .cancelled].randomElement(using: &random)!
          }
        var body: JSON = ["status": .string(next.rawValue)]
        var named = referral.partnerID
        if next == .matched {
          named = try test.ranking(for: referral).first?.id
          guard let named else { continue }
          body = ["partner_id": JSON(named)]
        }
        // A partner that left the state is not introduced.
        let refused = refusal { [body] in
          try test.change(at: time) {
            try $0.updateReferral(id, $0.body(body, Table.referrals.fields))
          }
        }
        guard refused == nil, let named else { continue }
        switch next {
        case .matched: open[named, default: []].insert(id)
        case .introSent: introductions[named] = time
        default: open[named]?.remove(id)
        }
      }
      guard step.isMultiple(of: 10) else { continue }
      for state in states.map(Optional.some) + [nil] {
        // The reference: the rule as the contract states it.
        let expected = try (21...32).compactMap { number -> Partner? in
          let partner = try #require(try test.read { try $0.partner(sampleID(number)) })
          let serves = state.map(partner.serviceAreas.contains) ?? true
          return partner.status == .active && serves ? partner : nil
        }.map { partner in
          (
            partner["co_ownership_certified"] == true ? 0 : 1, open[partner.id]?.count ?? 0,
            introductions[partner.id]?.text ?? "", partner.id.text
          )
        }.sorted(by: <)
        let found = try test.ranking(for: .sample(99, group: 19, state: state)).map { key in
          (key.certified ? 0 : 1, key.openReferrals, key.lastIntroAt?.text ?? "", key.id.text)
        }
        try #require(found.elementsEqual(expected, by: ==), "step \(step), \(state as Any)")
      }
    }
    #expect(introductions.count > 5)
    #expect(try test.findings() == [])
  }

  @Test("a database of 1.0.0 gets the standings of its requests and of its history")
  func migrated() throws {
    let folder = try TemporaryFolder()
    let first = Array(Schema.migrations.prefix(1))
    try Migrator.migrate(path: folder.database, migrations: first)
    do {
      let old = try Connection(path: folder.database, role: .writer)
      let ids = (0...40).map { "'\(sampleID($0))'" }
      func time(_ number: Int) -> String { "'\(minute(number))'" }
      try old.script(
        """
        INSERT INTO users VALUES (\(ids[1]), 'a@example.com', 'a@example.com', 'A', 0, 't', 't');
        INSERT INTO groups VALUES (\(ids[2]), 'G', NULL, 't', 't');
        """)
      for number in 21...26 {
        try old.script(
          """
          INSERT INTO partners (id, type, status, company_name, email, email_key, service_areas,
            agreement_signed_at, co_ownership_certified, created_at, updated_at)
          VALUES (\(ids[number]), 'attorney', '\(number == 25 ? "inactive" : "active")', 'C',
            'p\(number)@example.com', 'p\(number)@example.com', '["MN","WI"]', 't',
            \(number == 26 ? 1 : 0), 't', 't')
          """)
      }
      func request(_ number: Int, _ status: String, _ partner: Int?, _ introduced: Int?) throws {
        try old.script(
          """
          INSERT INTO referral_requests (id, group_id, requested_by, partner_type, status, context,
            partner_id, intro_sent_at, created_at, updated_at)
          VALUES (\(ids[number]), \(ids[2]), \(ids[1]), 'attorney', '\(status)', '{}',
            \(partner.map { ids[$0] } ?? "NULL"), \(introduced.map(time) ?? "NULL"), 't', 't');
          INSERT INTO events (at, subject_kind, subject_id, kind, changes)
          VALUES ('t', 'referral', \(ids[number]), 'referral.test',
            '{"status":{"from":null,"to":"\(status)"}}')
          """)
      }
      /// An event of a request: its partner before and after, and its introduction before and after.
      func event(_ number: Int, _ partner: (Int?, Int?)? = nil, _ intro: (Int?, Int?)? = nil) throws
      {
        func value(_ text: String?) -> String { text.map { "\"\($0)\"" } ?? "null" }
        var changes: [String] = []
        if let (from, to) = partner {
          changes.append(
            """
            "partner_id":{"from":\(value(from.map { sampleID($0).text })),\
            "to":\(value(to.map { sampleID($0).text }))}
            """)
        }
        if let (from, to) = intro {
          changes.append(
            """
            "intro_sent_at":{"from":\(value(from.map { minute($0).text })),\
            "to":\(value(to.map { minute($0).text }))}
            """)
        }
        try old.script(
          """
          INSERT INTO events (at, subject_kind, subject_id, kind, changes) VALUES
            ('t', 'referral', \(ids[number]), 'referral.test', '{\(changes.joined(separator: ","))}')
          """)
      }
      // 21: matched first, introduced later, and declined; since then it has another one open.
      try request(31, "cancelled", 22, 40)
      try event(31, (nil, 21))
      try event(31, nil, (nil, 30))
      try event(31, (21, nil), (30, nil))
      // 22: introduced at once, after it was matched with another one.
      try event(31, (nil, 24))
      try event(31, (24, 22), (nil, 35))
      try event(31, nil, (35, 40))
      try request(32, "matched", 21, nil)
      // 23: an introduction that only its row knows. 25: inactive, with one open.
      try request(33, "connected", 23, 10)
      try request(34, "cancelled", nil, nil)
      try event(34, (nil, 25), (nil, 50))
      try event(34, (25, 26), nil)
      try old.script(
        "DROP INDEX referral_requests_one_open; DROP TRIGGER referral_counts_inserted")
      try request(35, "intro_sent", 25, 45)
    }
    _ = try Migrator.migrate(path: folder.database)
    let reader = try Connection(path: folder.database, role: .reader)
    #expect(
      try reader.texts(
        """
        SELECT substr(partner_id, -2) || ' ' || open_referrals || ' ' || last_intro_at
        FROM partner_standings ORDER BY 1
        """) == [
          "21 1 \(minute(30))", "22 0 \(minute(40))", "23 0 \(minute(10))", "24 0 ",
          "25 1 \(minute(50))", "26 0 ",
        ])
    #expect(
      try reader.texts(
        "SELECT substr(partner_id, -2) FROM partner_ranks WHERE state_code = 'WI'")
        == ["26", "24", "23", "22", "21"])
    #expect(try reader.texts("SELECT CAST(count(*) AS TEXT) FROM partner_ranks") == ["15"])
  }
}
