import Domain
import Foundation
import HTTPTypes
import JSON
import Testing

@testable import API
@testable import Store

/// Why partners decline, how long they take to answer, and how introductions are spread.
@Suite struct DeclineTests {
  let world: World
  /// Pablo's record, active.
  let partner: String

  init() throws {
    world = try World()
    partner = world.partner(
      .active, areas: ["MN", "CA"], with: ["user_id": .string(Person.pablo.text)])
  }

  private static let hour = 3_600_000
  private static let day = 24 * hour

  /// A request of a new group that is introduced to Pablo's record.
  private func introduced(_ partner: String? = nil) -> String {
    let group = ID(UUID().uuidString)!
    world.put("/api/admin/groups/\(group)", ["name": "G", "members": [.string(Person.ann.text)]])
    return world.referral(
      .introSent, context: ["state": "MN"], partner: partner ?? self.partner, group: group)
  }

  private func answer(_ id: String, _ body: JSON, as role: Role = .partner) -> Reply {
    world.put("/api/partners/me/referrals/\(id)/response", body, as: role)
  }

  @Test("Each code is kept with the decline; without one it is other")
  func codes() throws {
    let codes: [JSON?] = DeclineReason.allCases.map { .string($0.rawValue) } + [.null, "", nil]
    for code in codes {
      let id = introduced()
      let body: JSON = ["response": "declined", "reason": "Why"]
      #expect(
        answer(id, code.map { body.with(["reason_code": $0]) } ?? body).verdict == "204")
      let event = try #require(world.events(of: id).last)
      #expect(event["kind"] == "referral.returned" && event["note"] == "Why")
      let word = code?.text.flatMap { $0.isEmpty ? nil : $0 } ?? "other"
      #expect(
        event["changes"]?["decline_reason_code"] == ["from": .null, "to": .string(word)])
    }
    let expected = SummaryTests.declines(
      Dictionary(uniqueKeysWithValues: DeclineReason.allCases.map { ($0.rawValue, 1) })
        .merging(["other": 4]) { $1 })
    #expect(world.get("/api/admin/summary")["declines"] == expected)
    #expect(world.get("/api/admin/partners/\(partner)/summary")["declines"] == expected)
    // What staff takes back is no decline.
    let taken = introduced()
    world.put("/api/admin/referrals/\(taken)", ["status": "pending"])
    #expect(world.events(of: taken).last?["changes"]?["decline_reason_code"] == nil)
    #expect(world.get("/api/admin/summary")["declines"] == expected)
    #expect(try world.store.check(now: world.clock.now) == [])
  }

  @Test("A code that is none, or that comes with an acceptance, is refused") func refused() throws {
    let id = introduced()
    let contents = try world.contents()
    for (body, verdict) in [
      (
        ["response": "declined", "reason_code": "boredom"],
        "422 validation /reason_code:unknown_value"
      ),
      (["response": "declined", "reason_code": 1], "422 validation /reason_code:wrong_type"),
      (
        ["response": "accepted", "reason_code": "terms"],
        "422 validation /reason_code:not_allowed_here"
      ),
      (
        ["response": "accepted", "reason_code": "boredom"],
        "422 validation /reason_code:unknown_value"
      ),
      (["reason_code": "terms"], "422 validation /response:required"),
    ] as [(JSON, String)] {
      #expect(answer(id, body).verdict == verdict)
    }
    #expect(answer(World.unknown, ["response": "accepted", "reason_code": "terms"]).status == 404)
    #expect(try world.contents() == contents)
    #expect(answer(id, ["response": "accepted", "reason_code": .null]).verdict == "200")
    #expect(
      answer(id, ["response": "accepted", "reason_code": "terms"]).verdict
        == "422 validation /reason_code:not_allowed_here")
  }

  @Test("Declined again it is 204 and counts once, also for another user of the record; then anew")
  func again() throws {
    let id = introduced()
    let decline: JSON = ["response": "declined", "reason_code": "terms"]
    #expect(answer(id, decline).verdict == "204")
    let contents = try world.contents()
    #expect(answer(id, ["response": "declined", "reason_code": "no_capacity"]).verdict == "204")
    #expect(answer(id, ["response": "accepted"]).verdict == "404 not_found")
    #expect(try world.contents() == contents)
    world.put("/api/admin/partners/\(partner)", ["user_id": .string(Person.petra.text)])
    #expect(answer(id, decline, as: .stranger).verdict == "204")
    #expect(answer(id, decline).verdict == "403 forbidden")
    // It counts for good, whatever becomes of the request, and a further decline counts too.
    for body: JSON in [["partner_id": .string(partner)], ["status": "intro_sent"]] {
      #expect(world.put("/api/admin/referrals/\(id)", body).verdict == "200")
    }
    #expect(answer(id, decline, as: .stranger).verdict == "204")
    world.put("/api/admin/referrals/\(id)", ["status": "cancelled"])
    #expect(
      world.get("/api/admin/summary")["declines"] == SummaryTests.declines(["terms": 2]))
    #expect(try world.store.check(now: world.clock.now) == [])
  }

  @Test("Declines count for 365 days") func window() {
    let id = introduced()
    #expect(answer(id, ["response": "declined"]).verdict == "204")
    func counted() -> [JSON?] {
      let fairness = world.get("/api/admin/fairness?partner_type=attorney&state=MN").items.at(0)
      return [
        world.get("/api/admin/summary")["declines"]?[5]?["count"],
        world.get("/api/admin/partners/\(partner)/summary")["declines"]?[5]?["count"],
        fairness["introductions"], fairness["declines"],
      ]
    }
    world.clock.pass(milliseconds: 365 * DeclineTests.day)
    #expect(counted() == [1, 1, 1, 1])
    #expect(
      world.get("/api/admin/partners/\(partner)/summary")["median_hours_to_answer"] == 0)
    world.clock.pass(milliseconds: 1)
    #expect(counted() == [0, 0, 0, 0])
    #expect(
      world.get("/api/admin/partners/\(partner)/summary")["median_hours_to_answer"] == .null)
  }

  @Test("A partner's summary for staff is its own with the declines and the hours to an answer")
  func summary() {
    let path = "/api/admin/partners/\(partner)/summary"
    func own() -> JSON { world.get("/api/partners/me/summary", as: .partner).json }
    let none = world.get(path)
    #expect(
      none.json
        == own().with([
          "declines": SummaryTests.declines([:]), "median_hours_to_answer": .null,
        ]))
    #expect(
      none.json.keys == own().keys + ["declines", "median_hours_to_answer"])
    #expect(world.get(path, headers: [.ifNoneMatch: none.etag ?? ""]).status == 304)

    let ids = (0..<5).map { _ in introduced() }
    world.clock.pass(milliseconds: 2 * DeclineTests.hour)
    _ = answer(ids[0], ["response": "accepted"])
    world.clock.pass(milliseconds: DeclineTests.hour / 2)
    _ = answer(ids[1], ["response": "declined", "reason_code": "outside_practice"])
    #expect(world.get(path)["median_hours_to_answer"] == .number(2.3))
    // Staff records what the partner said on the telephone; what is taken back has no answer.
    world.clock.pass(milliseconds: 10 * DeclineTests.hour)
    world.put("/api/admin/referrals/\(ids[2])", ["status": "connected"])
    world.put("/api/admin/referrals/\(ids[3])", ["status": "pending"])
    #expect(world.get(path)["median_hours_to_answer"] == .number(2.5))
    let reply = world.get(path)
    #expect(reply["declines"] == SummaryTests.declines(["outside_practice": 1]))
    #expect(reply.json.without("declines", "median_hours_to_answer") == own())
    #expect(
      world.get("/api/admin/partners/\(World.unknown)/summary").verdict == "404 not_found")
    world.move(partner: partner, to: .inactive)
    world.move(partner: partner, to: .removed)
    #expect(world.get(path)["declines"] == reply["declines"])
  }

  @Test("Introductions that wait count from when the status became so") func unanswered() {
    let id = world.referral(.matched, context: ["state": "MN"], partner: partner)
    let past = world.clock.now.adding(days: -30)
    world.put(
      "/api/admin/referrals/\(id)",
      ["status": "intro_sent", "intro_sent_at": .string(past.text)])
    func counted() -> [JSON?] {
      let counts = world.get("/api/admin/summary")["introductions_unanswered"]
      #expect(counts?.keys == ["over_3_days", "over_7_days", "over_14_days"])
      return [counts?["over_3_days"], counts?["over_7_days"], counts?["over_14_days"]]
    }
    world.clock.pass(milliseconds: 3 * DeclineTests.day - 1)
    #expect(counted() == [0, 0, 0])
    world.clock.pass(milliseconds: 1)
    #expect(counted() == [1, 0, 0])
    world.clock.pass(milliseconds: 4 * DeclineTests.day)
    #expect(counted() == [1, 1, 0])
    world.clock.pass(milliseconds: 7 * DeclineTests.day)
    // A correction of the time does not start it again.
    world.put(
      "/api/admin/referrals/\(id)", ["intro_sent_at": .string(world.clock.now.text)])
    #expect(counted() == [1, 1, 1])
    _ = answer(id, ["response": "accepted"])
    #expect(counted() == [0, 0, 0])
  }

  @Test("Fairness: every introduction of the year, whatever came of it, in the order of proposals")
  func fairness() throws {
    let certified = world.partner(areas: ["MN"], with: ["co_ownership_certified": true])
    let idle = world.partner(areas: ["MN", "WI"])
    _ = world.partner(areas: ["WI"])
    _ = world.partner(.inactive, areas: ["MN"])
    _ = world.partner(type: "cpa", areas: ["MN"])
    let path = "/api/admin/fairness?partner_type=attorney&state=mn"
    let old = introduced()
    _ = answer(old, ["response": "accepted"])
    world.clock.pass(milliseconds: 200 * DeclineTests.day)
    let declined = introduced()
    _ = answer(declined, ["response": "declined"])
    let taken = introduced()
    world.put("/api/admin/referrals/\(taken)", ["status": "pending"])
    let open = introduced()
    _ = world.referral(.matched, context: ["state": "CA"], partner: partner)
    let other = introduced(certified)
    world.put("/api/admin/referrals/\(other)", ["status": "cancelled"])
    let now = JSON.string(world.clock.now.text)
    func item(_ id: String, _ name: String, _ numbers: [Int], _ last: JSON) -> JSON {
      [
        "id": .string(id), "company_name": .string(name), "introductions": .integer(numbers[0]),
        "declines": .integer(numbers[1]), "open_referrals": .integer(numbers[2]),
        "last_intro_at": last,
      ]
    }
    let reply = world.get(path)
    let expected: JSON = [
      "partner_type": "attorney", "state_code": "MN", "order": .string(Ranking.order),
      "data": [
        item(certified, "Company 2", [1, 0, 0], now), item(idle, "Company 3", [0, 0, 0], .null),
        item(partner, "Company 1", [4, 1, 2], now),
      ],
    ]
    #expect(reply.json == expected)
    #expect(reply.json.keys == expected.keys)
    #expect(reply.items.at(0).keys == expected["data"]?[0]?.keys)
    #expect(world.get(path, headers: [.ifNoneMatch: reply.etag ?? ""]).status == 304)
    // A correction is no second introduction, but moves it, also out of the year.
    let longAgo = world.clock.now.adding(days: -400)
    world.put("/api/admin/referrals/\(open)", ["intro_sent_at": .string(longAgo.text)])
    #expect(world.get(path).items.at(2)["introductions"] == 3)
    world.put("/api/admin/referrals/\(open)", ["status": "pending"])
    #expect(world.get(path).items.map { $0["introductions"] } == [1, 0, 3])
    // The first one is more than a year ago now.
    world.clock.pass(milliseconds: 166 * DeclineTests.day)
    #expect(world.get(path).items.at(2)["introductions"] == 2)
    // Also where staff holds the state back.
    world.put("/api/admin/coverage/MN/attorney", ["status": "coming_soon"])
    #expect(world.get(path).items.count == 3)
    #expect(world.get("/api/admin/fairness?partner_type=title&state=AK").items.isEmpty)
    #expect(try world.store.check(now: world.clock.now) == [])
  }

  @Test("Fairness is of one type and one state")
  func fairnessParameters() {
    for (query, verdict) in [
      ("", "partner_type:required state:required"),
      ("?partner_type=attorney", "state:required"), ("?state=MN", "partner_type:required"),
      ("?partner_type=&state=MN", "partner_type:required"),
      ("?partner_type=attorney,cpa&state=MN", "partner_type:unknown_value"),
      ("?partner_type=attorney&state=MN,CA", "state:unknown_state"),
      (
        "?partner_type=x&surplus=1",
        "partner_type:unknown_value state:required surplus:unknown_parameter"
      ),
      ("?partner_type=attorney&state=MN&state=MN", "state:repeated_parameter"),
    ] {
      #expect(
        world.get("/api/admin/fairness" + query).verdict == "400 invalid_parameter " + verdict)
    }
  }
}
