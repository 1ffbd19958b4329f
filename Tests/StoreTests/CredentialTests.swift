import Domain
import JSON
import Testing

@testable import SQLite
@testable import Store

extension Snapshot {
  fileprivate func credentials(_ filter: CredentialFilter, _ page: PageRequest) throws -> Page {
    try Page { try credentials(filter, page, to: &$0) }
  }
}

@Suite("Credentials")
struct CredentialTests {
  private static func body(
    _ json: JSON, isNew: Bool = false, at time: Timestamp = now
  ) -> Body {
    Body(
      json, Table.credentials.fields + [credentialVerified], by: .staff, at: time, isNew: isNew)
  }

  @Test("the last good day follows every change, and so does what is derived from it")
  func derived() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      for number in 21...23 { try change.insert(Partner.sample(number)) }
    }
    var random = SplitMix64(state: 1)
    var made: [(id: ID, partner: Int)] = []
    let days = ["2026-02-01", "2026-02-28", "2026-03-01", "2026-03-31", "2026-04-01", nil]
    func anyDay() -> JSON { days.randomElement(using: &random)!.map { .string($0) } ?? .null }
    for step in 1...200 {
      let fields: JSON = [
        "kind": Bool.random(using: &random) ? "nmls" : "other",
        "state_code": Bool.random(using: &random) ? "MN" : .null, "expires_on": anyDay(),
        "number": .string("\(step)"), "verified": .bool(Int.random(in: 0..<3, using: &random) > 0),
      ]
      switch made.isEmpty ? 0 : Int.random(in: 0..<4, using: &random) {
      case 0:
        let partner = Int.random(in: 21...23, using: &random)
        let id = try test.change(by: sampleID(1)) {
          try $0.addCredential(toPartner: sampleID(partner), Self.body(fields, isNew: true))
        }
        made.append((id, partner))
      case 1:
        let (id, partner) = made.remove(at: Int.random(in: made.indices, using: &random))
        try test.change {
          try $0.removeCredential(id, ofPartner: sampleID(partner), by: .staff)
        }
      default:
        let (id, partner) = made.randomElement(using: &random)!
        let members = ["kind", "state_code", "expires_on", "verified"].filter { _ in
          Bool.random(using: &random)
        }
        let some = JSON.object(members.map { JSON.Member($0, fields[$0] ?? .null) })
        try test.change(by: sampleID(2)) {
          try $0.updateCredential(
            id, ofPartner: sampleID(partner), Self.body(some), by: .staff)
        }
      }
      for number in 21...23 {
        let credentials: [Credential] = try test.read {
          try $0.load(.credentials, "WHERE c.partner_id = ?", [sampleID(number).text])
        }
        let good = Dictionary(
          grouping: credentials.filter(\.isVerified),
          by: { "\($0.kind) \($0.state?.rawValue ?? "-")" }
        ).mapValues { $0.map { $0.expiresOn ?? "9999-12-31" }.max() ?? "" }
        let until = good.values.min()
        let status =
          switch until {
          case nil: credentials.isEmpty ? "none" : "unverified"
          case let day? where day < "2026-03-01": "expired"
          case let day? where day <= "2026-03-31": "expiring"
          default: "verified"
          }
        let partner = try #require(try test.read { try $0.partner(sampleID(number)) })
        #expect(partner.text("credentials_good_until") == until, "step \(step)")
        let view = try test.read {
          try shown($0.view(sampleID(number), of: .partners, seenBy: .staff))
        }
        #expect(view["credentials_status"]?.text == status, "step \(step)")
        let isCandidate = try test.ranking(for: .sample(99, group: 19))
          .contains { $0.id == sampleID(number) }
        #expect(isCandidate == (status != "expired"), "step \(step)")
      }
    }
    #expect(try test.findings() == [])
    // What is derived goes with the partner.
    try test.run("DELETE FROM partners WHERE id = ?", sampleID(21).text)
    #expect(
      try test.number(
        "SELECT count(*) FROM partner_credentials WHERE partner_id = ?", sampleID(21).text) == 0)
  }

  @Test("the day of a view is that of its snapshot, whatever the connection was used for before")
  func today() throws {
    let test = try TestStore()
    var paused = Partner.sample(21)
    paused["paused_until"] = "2026-03-01"
    try test.change { [paused] in try $0.insert(paused) }
    for (time, isAccepting) in [
      (now, false), (now.adding(days: 1), true), (now, false), (now.adding(days: -400), false),
      (now.adding(days: 400), true),
    ] {
      let view = try test.read(at: time) { try shown($0.publicPartner(sampleID(21))) }
      #expect(view["accepting_referrals"] == .bool(isAccepting), "\(time)")
      let changed = try test.change(at: time) { change in
        try shown(change.publicPartner(sampleID(21)))
      }
      #expect(changed == view)
    }
  }

  @Test(
    "each list of credentials is walked along an index, from its cursor on",
    arguments: [false, true])
  func plans(analyzed: Bool) throws {
    let folder = try TemporaryFolder()
    let connection = try rawDatabase(in: folder)
    try connection.script(
      """
      BEGIN;
      CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS
        (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
      SELECT i, printf('00000000-0000-7000-8000-%012d', i) AS id,
        date('2026-01-01', '+' || (i * 7919 % 900) || ' days') AS day,
        '2026-01-01T00:00:00.000Z' AS time FROM n;
      INSERT INTO users (id, email, email_key, name, created_at, updated_at)
      SELECT id, 'u@example.com', 'u@example.com', 'U', time, time FROM n WHERE i = 1;
      INSERT INTO partners (id, type, status, company_name, email, email_key, created_at, updated_at)
      SELECT id, 'attorney', iif(i % 9, 'pending_review', 'removed'), 'C', 'e' || i || '@example.com',
        'e' || i, time, time FROM n WHERE i <= 1000;
      INSERT INTO partner_credentials (id, partner_id, kind, number, number_key, state_code,
        expires_on, good_until, verified_at, verified_by, created_at, updated_at)
      SELECT id, printf('00000000-0000-7000-8000-%012d', 1 + i / 3),
        iif(i % 3, 'bar_admission', 'nmls'), i, i, iif(i % 2, 'MN', NULL), day, day,
        iif(i % 20, time, NULL), iif(i % 20, printf('00000000-0000-7000-8000-%012d', 1), NULL),
        time, time FROM n WHERE i < 3000;
      COMMIT
      """)
    if analyzed { try connection.script("PRAGMA analysis_limit = 400; ANALYZE") }
    let snapshot = Snapshot(connection: connection, now: now, mail: nil)
    let verifications: [Bool?] = [nil, true, false]
    for kinds in [[], [.nmls], [.nmls, .barAdmission]] as [[CredentialKind]] {
      for isVerified in verifications {
        for days in [nil, 30] as [Int?] {
          for states in [[], [.MN]] as [[StateCode]] {
            var filter = CredentialFilter()
            filter.kinds = kinds
            filter.isVerified = isVerified
            filter.expiringWithinDays = days
            filter.states = states
            for after in [nil, ["2026-03-05", "900"]] as [[String]?] {
              try Self.expectIndexed(
                snapshot.credentialList(filter), PageRequest(limit: 25, after: after), connection,
                isBounded: days != nil || after != nil, "\(filter)")
            }
            // The pages together have what the filter selects, in order.
            var found: [JSON] = []
            var page = PageRequest(limit: 70)
            repeat {
              let part = try snapshot.credentials(filter, page)
              found += part.items
              page.after = part.next
            } while page.after != nil
            let keys = found.map { $0["expires_on"]?.text ?? "9999" }
            #expect(keys == keys.sorted())
            let condition = [
              kinds.isEmpty
                ? "TRUE" : "c.kind IN ('\(kinds.map(\.rawValue).joined(separator: "', '"))')",
              isVerified.map { "(c.verified_at IS NOT NULL) = \($0)" } ?? "TRUE",
              days == nil ? "TRUE" : "c.expires_on BETWEEN '2026-03-01' AND '2026-03-31'",
              states.isEmpty ? "TRUE" : "c.state_code = 'MN'", "p.status <> 'removed'",
            ].joined(separator: " AND ")
            let expected = try connection.texts(
              """
              SELECT c.id FROM partner_credentials AS c JOIN partners AS p ON p.id = c.partner_id
              WHERE \(condition)
              """)
            #expect(found.count == expected.count, "\(filter)")
            #expect(Set(found.compactMap { $0["id"]?.text }) == Set(expected), "\(filter)")
          }
        }
      }
    }
    for after in [nil, ["2026-03-05", "900"]] as [[String]?] {
      try Self.expectIndexed(
        snapshot.credentialList(ofPartner: sampleID(3), seenBy: .partner),
        PageRequest(after: after), connection, isBounded: true, "a partner's")
    }
    #expect(
      try snapshot.credentials(expiringWithinDays: 30)
        == Int(
          connection.texts(
            """
            SELECT CAST(count(*) AS TEXT) FROM partner_credentials AS c
            JOIN partners AS p ON p.id = c.partner_id
            WHERE verified_at IS NOT NULL AND expires_on BETWEEN '2026-03-01' AND '2026-03-31'
              AND p.status <> 'removed'
            """)[0]))
  }

  /// - Parameter isBounded: Whether the walk begins within the index.
  private static func expectIndexed(
    _ list: List, _ page: PageRequest, _ connection: Connection, isBounded: Bool, _ name: String
  ) throws {
    let (sql, arguments) = try list.statement(for: page)
    let isMerged = sql.contains(") AS found")
    let steps = try connection.details("EXPLAIN QUERY PLAN " + sql, arguments)
    let sorts = steps.filter { $0.contains("USE TEMP B-TREE FOR ORDER BY") }
    #expect(sorts.count <= (isMerged ? 1 : 0), "\(name): \(steps)")
    let walks = steps.filter { $0.contains(" c ") && !$0.contains("rowid=") }
    #expect(!walks.isEmpty, "\(name): \(steps)")
    for walk in walks {
      #expect(walk.contains("INDEX partner_credentials_"), "\(name): \(walk)")
      if isBounded { #expect(walk.hasPrefix("SEARCH"), "\(name): \(walk)") }
    }
  }

  @Test(
    "pending requests without a candidate, as a look at each of them counts them", arguments: 1...4)
  func withoutCandidates(seed: Int) throws {
    let test = try TestStore()
    try test.addGroups()
    var random = SplitMix64(state: UInt64(seed))
    let places: [(PartnerType, StateCode?)] = [
      (.attorney, .MN), (.attorney, .WI), (.attorney, nil), (.cpa, .MN), (.cpa, nil), (.title, .WI),
    ]
    try test.change { change in
      var random = SplitMix64(state: UInt64(seed))
      for number in 21...26 {
        var partner = Partner.sample(
          number, .active, number % 3 == 0 ? .cpa : .attorney,
          in: number % 2 == 0 ? [.MN] : [.MN, .WI])
        if number < 24 { partner["user_id"] = JSON(sampleID(number - 20)) }
        try change.insert(partner)
      }
      var number = 30
      for group in 11...19 {
        for (type, state) in places where Int.random(in: 0..<3, using: &random) > 0 {
          number += 1
          try change.insert(Referral.sample(number, group: group, .pending, type, state: state))
          for partner in 21...26 where Int.random(in: 0..<3, using: &random) == 0 {
            try change.connection.run(
              """
              INSERT INTO referral_past_partners
              SELECT number, ? FROM referral_requests WHERE id = ?
              """, sampleID(partner).text, sampleID(number).text)
          }
        }
      }
    }
    var counts: Set<Int> = []
    for _ in 0..<25 {
      let number = Int.random(in: 21...26, using: &random)
      let change: JSON =
        switch Int.random(in: 0..<3, using: &random) {
        case 0: ["paused_until": "2026-03-01"]
        case 1: ["paused_until": .null]
        default: ["service_areas": Bool.random(using: &random) ? ["MN"] : ["MN", "WI"]]
        }
      try test.change { try $0.updatePartner(number, change) }
      if Int.random(in: 0..<4, using: &random) == 0 {
        let pin = Bool.random(using: &random) ? "'coming_soon'" : "NULL"
        try test.run(
          """
          UPDATE service_area_coverage SET pinned_status = \(pin)
          WHERE state_code = 'MN' AND partner_type = 'attorney'
          """)
      }
      let (shown, counted) = try test.read { snapshot throws in
        let pending: [Referral] = try snapshot.load(.referrals, "WHERE r.status = 'pending'")
        return (
          try snapshot.staffSummary().withoutCandidates,
          try pending.count { try snapshot.bestCandidate(for: $0) == nil }
        )
      }
      #expect(shown == counted)
      counts.insert(shown)
    }
    #expect(counts.count > 3)
  }
}

extension Connection {
  fileprivate func details(_ sql: String, _ arguments: [(any Bindable)?]) throws -> [String] {
    try rows(sql, arguments: arguments) { $0.text(3) }
  }
}
