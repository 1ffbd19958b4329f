import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// Partners that want no introductions for now, or no more: who proposes them, and who still finds them.
@Suite struct AvailabilityTests {
  let world: World

  init() throws { world = try World() }

  private func accepting(_ partner: String) -> [JSON?] {
    [
      world.get("/api/admin/partners/\(partner)")["accepting_referrals"],
      world.get("/api/partners/\(partner)", as: .nobody)["accepting_referrals"],
      world.get("/api/partners/me", as: .partner)["accepting_referrals"],
    ]
  }

  @Test("A pause lasts up to and with its day, in UTC") func pause() throws {
    let partner = world.partner(with: ["user_id": .string(Person.pablo.text)])
    let referral = world.referral(context: ["state": "MN"])
    let candidates = "/api/admin/referrals/\(referral)/candidates"
    let yes: [JSON?] = [true, true, true]
    let no: [JSON?] = [false, false, false]
    #expect(accepting(partner) == yes)
    let paused = world.put("/api/partners/me", ["paused_until": "2026-11-23"], as: .partner)
    #expect(paused.verdict == "200")
    #expect(paused["accepting_referrals"] == false)
    #expect(accepting(partner) == no)
    #expect(world.get(candidates).items.isEmpty)
    // The clock stands at 14:30:28.123 on the day before.
    let untilMidnight = 24 * 3_600_000 - (14 * 3_600_000 + 30 * 60_000 + 28_123)
    world.clock.pass(milliseconds: untilMidnight)
    #expect(world.clock.now.text == "2026-11-23T00:00:00.000Z")
    world.clock.pass(milliseconds: 86_399_999)
    #expect(accepting(partner) == no)
    #expect(world.get(candidates).items.isEmpty)
    let tag = world.get("/api/admin/partners/\(partner)").etag
    world.clock.pass(milliseconds: 1)
    #expect(accepting(partner) == yes)
    #expect(world.get(candidates).items.count == 1)
    // The version goes by what is shown.
    let stale: HTTPFields = [.ifMatch: tag ?? ""]
    #expect(
      world.put("/api/admin/partners/\(partner)", ["notes": "x"], headers: stale).status == 412)
    // A read-only field may be sent back as it is, and only so.
    let view = world.get("/api/admin/partners/\(partner)")
    #expect(world.put("/api/admin/partners/\(partner)", view.json).body == view.body)
    #expect(
      world.put("/api/admin/partners/\(partner)", ["accepting_referrals": false]).verdict
        == "422 validation /accepting_referrals:read_only")
    #expect(
      world.put("/api/admin/partners/\(partner)", ["credentials_status": "verified"]).verdict
        == "422 validation /credentials_status:read_only")
  }

  @Test("A partner is full at its maximum of open referrals, until one of them is answered")
  func full() throws {
    let partner = world.partner(
      areas: ["MN", "CA"],
      with: ["user_id": .string(Person.pablo.text), "max_open_referrals": 2])
    let first = world.referral(.matched, context: ["state": "MN"], partner: partner)
    #expect(accepting(partner) == [true, true, true])
    let second = world.referral(
      .introSent, context: ["state": "CA"], partner: partner, group: World.oak, as: .outsider)
    #expect(accepting(partner) == [false, false, false])
    let third = world.referral(context: ["state": "CA"])
    let candidates = "/api/admin/referrals/\(third)/candidates"
    #expect(world.get(candidates).items.isEmpty)
    // Staff may match it by hand all the same, and introduce it.
    for body: JSON in [["partner_id": .string(partner)], ["status": "intro_sent"]] {
      #expect(world.put("/api/admin/referrals/\(third)", body).verdict == "200")
    }
    #expect(
      world.put(
        "/api/partners/me/referrals/\(second)/response", ["response": "accepted"], as: .partner
      ).verdict == "200")
    #expect(accepting(partner) == [false, false, false], "two are open still")
    world.put("/api/admin/referrals/\(first)", ["status": "pending"])
    #expect(accepting(partner) == [true, true, true])
    world.put("/api/partners/me", ["max_open_referrals": 1], as: .partner)
    #expect(accepting(partner) == [false, false, false])
    world.put("/api/partners/me", ["max_open_referrals": .null], as: .partner)
    #expect(accepting(partner) == [true, true, true])
  }

  @Test("Only an active partner accepts referrals") func inactive() throws {
    for status in PartnerStatus.allCases {
      let partner = world.partner(status)
      let view = world.get("/api/admin/partners/\(partner)")
      #expect(view["accepting_referrals"] == .bool(status == .active), "\(status)")
    }
  }

  @Test("A partner that is paused stays in the directory and the coverage, but is not recommended")
  func stays() throws {
    let paused = world.partner(with: ["paused_until": "2026-12-31"])
    let other = world.partner()
    #expect(
      Set(world.get("/api/partners?state=MN", as: .nobody).items.map { $0["id"]?.text })
        == [paused, other])
    #expect(world.get("/api/coverage/MN/attorney", as: .nobody)["partner_count"] == 2)
    let reply = world.get(
      "/api/groups/\(World.birch)/recommendations?partner_type=attorney", as: .member)
    #expect(reply.items.at(0)["partner_count"] == 2)
    #expect(reply.items.at(0)["partners"]?.elements.map { $0["id"]?.text } == [other])
    let referral = world.referral(context: ["state": "MN"])
    for body: JSON in [["partner_id": .string(paused)], ["status": "intro_sent"]] {
      #expect(world.put("/api/admin/referrals/\(referral)", body).verdict == "200")
    }
  }

  @Test("All candidates: those left out after the others, each with every reason, best first")
  func leftOut() throws {
    let referral = world.referral(context: ["state": "MN"])
    let path = "/api/admin/referrals/\(referral)/candidates"
    /// A partner whose ID comes after those of the others.
    func partner(_ fields: JSON = [:]) -> String {
      world.clock.pass(milliseconds: 1)
      return world.partner(with: fields)
    }
    let plain = partner()
    let tried = partner()
    for body: JSON in [["partner_id": .string(tried)], ["status": "pending"]] {
      #expect(world.put("/api/admin/referrals/\(referral)", body).verdict == "200")
    }
    let paused = partner(["paused_until": "2026-11-22", "co_ownership_certified": true])
    let own = partner(["user_id": .string(Person.bob.text)])
    let expired = partner()
    _ = world.credential(of: expired, with: ["expires_on": "2026-11-21"])
    let all = partner([
      "paused_until": "2026-11-22", "max_open_referrals": 1, "user_id": .string(Person.ann.text),
    ])
    _ = world.credential(of: all, with: ["expires_on": "2026-11-21", "verified": false])
    _ = world.referral(
      .introSent, context: ["state": "MN"], partner: all, group: World.oak, as: .outsider)
    // None of these is a candidate of any kind.
    _ = world.partner(.inactive)
    _ = world.partner(type: "cpa")
    _ = world.partner(areas: ["WI"])

    func listed(_ query: String = "?all=true") -> [[String]] {
      world.get(path + query).items.map { item in
        [item["id"]?.text ?? ""] + (item["left_out"]?.elements.compactMap(\.text) ?? ["?"])
      }
    }
    var expected = [
      [plain], [paused, "paused"],
      [tried, "tried_before"], [own, "own_group"], [expired, "credential_expired"],
      [all, "paused", "at_capacity", "own_group"],
    ]
    // Those without an introduction are in the order of their IDs, which is that of their creation.
    #expect(listed() == expected)
    #expect(listed("") == [[plain]])
    #expect(listed("?all=false") == [[plain]])
    for limit in 1...7 {
      var walked: [[String]] = []
      var next: String? = path + "?all=true&limit=\(limit)"
      while let page = next, walked.count <= expected.count {
        let reply = world.get(page)
        walked += reply.items.map { item in
          [item["id"]?.text ?? ""] + (item["left_out"]?.elements.compactMap(\.text) ?? ["?"])
        }
        #expect((reply["next_cursor"] == .null) == (reply["has_more"] == false))
        next = reply.headers[.link].map { String($0.dropFirst().prefix { $0 != ">" }) }
      }
      #expect(walked == expected, "\(limit)")
    }
    // Held back, everybody is left out.
    world.put("/api/admin/coverage/MN/attorney", ["status": "coming_soon"])
    expected = [
      [paused, "paused", "held_back"], [plain, "held_back"], [tried, "held_back", "tried_before"],
      [own, "held_back", "own_group"], [expired, "credential_expired", "held_back"],
      [all, "paused", "at_capacity", "held_back", "own_group"],
    ]
    #expect(listed() == expected)
    #expect(listed("").isEmpty)
    // For a request without a state, only those whose every state is held back.
    let anywhere = world.referral(context: [:], group: World.oak, as: .outsider)
    let wide = world.get("/api/admin/referrals/\(anywhere)/candidates?all=true").items
    #expect(wide.filter { $0["left_out"] == [] }.count == 1, "the one of Wisconsin")
    #expect(wide.count == 7)
    for (query, errors) in [
      ("?all=yes", "all:unknown_value"), ("?all=1", "all:unknown_value"),
      ("?all=true&all=true", "all:repeated_parameter"),
    ] {
      #expect(world.get(path + query).verdict == "400 invalid_parameter \(errors)")
    }
    // A cursor belongs to the list with or without those left out.
    let cursor = world.get(path + "?all=true&limit=1")["next_cursor"]?.text ?? ""
    #expect(
      world.get("\(path)?limit=1&cursor=\(cursor)").verdict
        == "400 invalid_parameter cursor:invalid_cursor")
  }
}
