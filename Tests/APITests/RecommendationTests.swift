import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// Who is recommended to a group, in which order, and that the order is fair.
@Suite struct RecommendationTests {
  let world: World

  init() throws { world = try World() }

  private static let path = "/api/groups/\(World.birch)/recommendations"

  private func recommended(
    _ query: String = "?state=MN", type: String = "attorney", as role: Role = .member,
    group: ID = World.birch, sourceLocation: SourceLocation = #_sourceLocation
  ) -> [String] {
    let reply = world.get(
      "/api/groups/\(group)/recommendations\(query)", as: role, sourceLocation: sourceLocation)
    #expect(reply.verdict == "200", sourceLocation: sourceLocation)
    let section = reply.items.first { $0["partner_type"]?.text == type }
    return section?["partners"]?.elements.compactMap { $0["id"]?.text } ?? []
  }

  @Test("All six types, each with its coverage, what it is for, and its partners' public view")
  func view() throws {
    let id = world.partner(
      areas: ["MN", "CA"],
      with: [
        "contact_name": "Nora", "website": "https://north.example", "phone": "555 010 0100",
        "co_ownership_certified": true, "notes": "hush", "company_name": "North",
      ])
    let plain = world.partner(.active, type: "agent")
    _ = world.partner(.inactive)
    _ = world.partner(areas: ["WI"])
    let reply = world.get(RecommendationTests.path, as: .member)
    #expect(reply.verdict == "200")
    #expect(reply.json.keys == ["state_code", "order", "data"])
    #expect(reply["state_code"]?.text == "MN")
    #expect(
      reply["order"]?.text
        == "Certified for co-ownership first, then the fewest open referrals, then the longest "
        + "since the last introduction, then ID. Never by payment.")
    #expect(
      reply.items.map { $0["partner_type"]?.text } == [
        "attorney", "lender", "agent", "title", "insurance", "cpa",
      ])
    let keys = ["partner_type", "purpose", "status", "message", "partner_count", "partners"]
    for section in reply.items {
      #expect(section.keys == keys)
      #expect(section["purpose"]?.text?.isEmpty == false)
      let type = section["partner_type"]?.text ?? ""
      let coverage = world.get("/api/coverage/MN/\(type)", as: .nobody)
      for field in ["status", "message", "partner_count"] {
        #expect(section[field] == coverage[field], "\(type) \(field)")
      }
    }
    #expect(reply.items[0]["purpose"]?.text == "TIC agreement review, real estate closings")
    #expect(reply.items[1]["purpose"]?.text == "TIC-friendly mortgage products")
    #expect(reply.items[2]["purpose"]?.text == "Co-ownership certified preferred")
    let expected: JSON = [
      "id": .string(id), "type": "attorney", "company_name": "North", "contact_name": "Nora",
      "website": "https://north.example", "service_areas": ["MN", "CA"],
      "co_ownership_certified": true, "description": .null, "languages": [],
      "affiliation_disclosure": .null, "accepting_referrals": true,
      "why": ["Certified for co-ownership", "Serves Minnesota"],
    ]
    #expect(reply.items[0]["partners"] == [expected])
    #expect(reply.items[0]["partners"]?[0]?.keys == expected.keys)
    #expect(reply.items[2]["partners"]?[0]?["id"]?.text == plain)
    #expect(reply.items[2]["partners"]?[0]?["why"] == ["Serves Minnesota"])
    #expect(reply.items[1]["partners"] == [])
    #expect(reply.headers[.cacheControl] == "private, no-cache")
    let etag = try #require(reply.etag)
    let same = world.get(
      RecommendationTests.path, as: .member, headers: [.ifNoneMatch: etag])
    #expect(same.status == 304)
    // Staff sees the same on the group's behalf.
    #expect(world.get(RecommendationTests.path).body == reply.body)
  }

  @Test("Certified first, then the fewest open, then the longest since the last introduction")
  func order() throws {
    // One that is busy, one that was introduced lately, one long ago, one never; then one certified.
    let busy = world.partner()
    let lately = world.partner()
    let longAgo = world.partner()
    let never = world.partner()
    let neverEither = world.partner()
    func introduce(_ partner: String, state: JSON, closed: Bool) {
      world.clock.pass(milliseconds: 86_400_000)
      _ = world.referral(
        closed ? .connected : .introSent, context: ["state": state], partner: partner,
        group: World.oak, as: .outsider)
    }
    introduce(longAgo, state: "MN", closed: true)
    introduce(lately, state: "MN", closed: true)
    introduce(busy, state: "MN", closed: false)
    #expect(
      recommended("?state=MN&limit=10") == [never, neverEither].sorted() + [longAgo, lately, busy])
    let certified = world.partner(with: ["co_ownership_certified": true])
    _ = world.referral(
      .matched, context: ["state": "MN"], partner: certified, group: World.birch, as: .member)
    #expect(
      recommended("?state=MN&limit=10")
        == [certified] + [never, neverEither].sorted() + [longAgo, lately, busy])
    // The candidates of a request stand in the same order.
    let pending = world.referral(type: "attorney", context: [:], group: World.oak, as: .outsider)
    let candidates = world.get("/api/admin/referrals/\(pending)/candidates")
    #expect(
      candidates.items.compactMap { $0["id"]?.text } == recommended("?state=MN&limit=10"))
    #expect(
      candidates["order"] == world.get(RecommendationTests.path, as: .member)["order"])
  }

  @Test("Three of a type, or as many as are asked for, of the types that are asked for")
  func limits() {
    let attorneys = (0..<12).map { _ in world.partner() }.sorted()
    let lenders = (0..<2).map { _ in world.partner(type: "lender") }.sorted()
    #expect(recommended() == Array(attorneys.prefix(3)))
    #expect(recommended("?state=MN&limit=1") == Array(attorneys.prefix(1)))
    #expect(recommended("?state=mn&limit=10") == Array(attorneys.prefix(10)))
    #expect(recommended("?state=MN&limit=10", type: "lender") == lenders)
    for (query, types) in [
      ("partner_type=lender", ["lender"]), ("partner_type=cpa,attorney", ["attorney", "cpa"]),
      ("partner_type=", ["attorney", "lender", "agent", "title", "insurance", "cpa"]),
    ] {
      let reply = world.get("\(RecommendationTests.path)?state=MN&\(query)", as: .member)
      #expect(reply.items.compactMap { $0["partner_type"]?.text } == types, "\(query)")
    }
    for (query, error) in [
      ("limit=0", "limit:out_of_range"), ("limit=11", "limit:out_of_range"),
      ("limit=x", "limit:out_of_range"), ("state=ZZ", "state:unknown_state"),
      ("state=MN,CA", "state:unknown_state"), ("partner_type=baker", "partner_type:unknown_value"),
      ("q=x", "q:unknown_parameter"), ("cursor=x", "cursor:unknown_parameter"),
      ("state=MN&state=CA", "state:repeated_parameter"),
    ] {
      #expect(
        world.get("\(RecommendationTests.path)?\(query)", as: .member).verdict
          == "400 invalid_parameter \(error)", "\(query)")
    }
  }

  @Test("The state is the one asked for, else the newest request's, else the group's")
  func state() throws {
    func state(_ query: String = "") -> String? {
      world.get(RecommendationTests.path + query, as: .member)["state_code"]?.text
    }
    #expect(state() == "MN")
    _ = world.referral(context: ["state": "WI"])
    world.clock.pass(milliseconds: 1)
    #expect(state() == "WI")
    let newest = world.referral(.cancelled, context: ["state": "TX"])
    #expect(state() == "TX")
    #expect(state("?state=ca") == "CA")
    #expect(state("?state=") == "TX")
    // Another group's request says nothing of this one.
    world.clock.pass(milliseconds: 1)
    _ = world.referral(context: ["state": "NY"], group: World.oak, as: .outsider)
    #expect(state() == "TX")
    // The newest names none: then the group's counts.
    world.clock.pass(milliseconds: 1)
    _ = world.referral(type: "cpa")
    #expect(state() == "MN")
    #expect(!newest.isEmpty)
    #expect(
      world.put("/api/admin/groups/\(World.birch)", ["state": .null]).verdict == "200")
    #expect(
      world.get(RecommendationTests.path, as: .member).verdict
        == "400 invalid_parameter state:required")
    #expect(state("?state=CA") == "CA")
  }

  @Test("Left out: who gave an open request back or lost it, and who is in the group")
  func leftOut() throws {
    let declines = world.partner(
      areas: ["MN", "WI"], with: ["user_id": .string(Person.pablo.text)])
    let taken = world.partner()
    let member = world.partner(with: ["user_id": .string(Person.bob.text)])
    let stays = world.partner()
    let all = [declines, taken, member, stays].sorted()
    #expect(recommended("?state=MN&limit=10") == all.filter { $0 != member })
    #expect(recommended("?state=MN&limit=10", as: .outsider, group: World.oak) == all)

    let request = world.referral(.introSent, context: ["state": "MN"], partner: declines)
    let answer = world.put(
      "/api/partners/me/referrals/\(request)/response", ["response": "declined"], as: .partner)
    #expect(answer.verdict == "204")
    for status: JSON in ["matched", "pending"] {
      var body: JSON = ["status": status]
      if status == "matched" { body = body.with(["partner_id": .string(taken)]) }
      #expect(world.put("/api/admin/referrals/\(request)", body).verdict == "200")
    }
    #expect(recommended("?state=MN&limit=10") == [stays])
    // Also where the group asks about another state: it is the group's open request all the same.
    #expect(recommended("?state=WI&limit=10").isEmpty)
    // Nothing of this holds for others.
    #expect(
      Set(recommended("?state=MN&limit=10", as: .outsider, group: World.oak)) == Set(all))
    // Once the request is over, all are welcome again, but for the member.
    #expect(
      world.post("/api/groups/\(World.birch)/referrals/\(request)/cancel", as: .member).verdict
        == "200")
    #expect(Set(recommended("?state=MN&limit=10")) == [declines, taken, stays])
    // Those who leave the group are welcome as well, from the next request on.
    #expect(
      world.put(
        "/api/admin/groups/\(World.birch)", ["members": [.string(Person.ann.text)]]
      ).verdict == "200")
    #expect(Set(recommended("?state=MN&limit=10")) == Set(all))
  }

  @Test(
    "Over 300 requests nobody among 20 equals is introduced twice more than another, whoever declines or pauses"
  )
  func fairnessOfRefusals() throws {
    let partners = (0..<20).map { number in
      world.partner(
        type: "agent", with: number == 7 ? ["user_id": .string(Person.pablo.text)] : [:])
    }
    let (pablo, pausing) = (partners[7], partners[3])
    func pause(_ pauses: Bool) throws {
      let moved = world.put(
        "/api/admin/partners/\(pausing)/status", ["status": pauses ? "inactive" : "active"])
      try #require(moved.verdict == "200")
    }
    var active = Set(partners)
    var introductions: [String: Int] = [:]
    var declined = 0
    for number in 0..<300 {
      // A group may make 30 requests in a day.
      world.clock.pass(milliseconds: 3_600_000)
      if number % 100 == 30 || number % 100 == 70 {
        // Who is paused misses its turns, so the count begins again.
        try pause(active.count == 20)
        if active.count == 20 { active.remove(pausing) } else { active.insert(pausing) }
        introductions = [:]
      }
      let id = world.referral(type: "agent", context: ["state": "MN"])
      var attempt = 0
      while true {
        world.clock.pass(milliseconds: 1)
        let first = try #require(
          world.get("/api/admin/referrals/\(id)/candidates?limit=1").items.first?["id"]?.text)
        try #require(active.contains(first))
        let isMatched = world.put("/api/admin/referrals/\(id)", ["partner_id": .string(first)])
        try #require(isMatched.verdict == "200")
        attempt += 1
        try #require(
          world.put("/api/admin/referrals/\(id)", ["status": "intro_sent"]).verdict == "200")
        introductions[first, default: 0] += 1
        if first == pablo {
          let answer = world.put(
            "/api/partners/me/referrals/\(id)/response", ["response": "declined"], as: .partner)
          try #require(answer.verdict == "204")
          declined += 1
        } else if number.isMultiple(of: 3), attempt < 4 {
          try #require(
            world.put("/api/admin/referrals/\(id)", ["status": "pending"]).verdict == "200")
        } else {
          try #require(
            world.put("/api/admin/referrals/\(id)", ["status": "connected"]).verdict == "200")
          break
        }
      }
      let counts = active.map { introductions[$0] ?? 0 }
      try #require((counts.max() ?? 0) - (counts.min() ?? 0) <= 1, "after \(number + 1)")
    }
    #expect(declined > 10)
  }

  @Test(
    "Over 1,000 requests nobody among 20 equals is introduced twice more than another",
    arguments: [false, true])
  func fairness(staysOpen: Bool) throws {
    let partners = Set((0..<20).map { _ in world.partner(type: "agent") })
    var introductions: [String: Int] = [:]
    for number in 0..<1_000 {
      // A group may make 30 requests in a day.
      world.clock.pass(milliseconds: 3_600_000)
      // A group may ask again only once it has its answer, so what stays open is another group's.
      var group = World.birch
      if staysOpen {
        group = ID("00000000-0000-4000-8000-00000000\(1_000 + number)")!
        let made = world.put(
          "/api/admin/groups/\(group)",
          ["name": "Group", "members": [.string(Person.ann.text)]])
        try #require(made.verdict == "201")
      }
      let made = world.post(
        "/api/groups/\(group)/referrals",
        ["partner_type": "agent", "context": ["state": "MN"]], as: .member)
      let id = try #require(made["id"]?.text)
      let first = try #require(
        world.get("/api/admin/referrals/\(id)/candidates?limit=1").items.first?["id"]?.text)
      if number.isMultiple(of: 50) {
        #expect(
          recommended("?state=MN&limit=1", type: "agent", group: group) == [first])
      }
      for body: JSON in [["partner_id": .string(first)], ["status": "intro_sent"]] {
        try #require(world.put("/api/admin/referrals/\(id)", body).verdict == "200")
      }
      introductions[first, default: 0] += 1
      if !staysOpen {
        let end: JSON = number.isMultiple(of: 3) ? "cancelled" : "connected"
        try #require(world.put("/api/admin/referrals/\(id)", ["status": end]).verdict == "200")
      }
      let counts = partners.map { introductions[$0] ?? 0 }
      try #require((counts.max() ?? 0) - (counts.min() ?? 0) <= 1, "after \(number + 1)")
    }
    #expect(Set(introductions.keys) == partners)
    #expect(introductions.values.allSatisfy { $0 == 50 })
  }
}
