import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// How much callers who are not staff may change in 24 hours.
@Suite struct QuotaTests {
  private let minute = 60_000
  private let day = 24 * 3_600_000

  private let requests = "/api/groups/\(World.birch)/referrals"

  /// A member asks, and cancels the request so that the next one is possible.
  private func ask(_ world: World, as role: Role = .member) -> Reply {
    let reply = world.post(requests, ["partner_type": "cpa"], as: role)
    if let id = reply["id"]?.text {
      #expect(world.post("\(requests)/\(id)/cancel", as: role).status == 200)
    }
    return reply
  }

  @Test("A group makes 30 requests in any 24 hours; staff may make more for it")
  func group() throws {
    let world = try World()
    for _ in 0..<30 {
      #expect(ask(world).status == 201)
      world.clock.pass(milliseconds: minute)
    }
    let before = try world.contents()
    let refused = world.post(requests, ["partner_type": "cpa"], as: .otherMember)
    #expect(refused.verdict == "429 quota_exceeded")
    // The first one was made 30 minutes ago.
    #expect(refused.headers[.retryAfter] == String((day - 30 * minute) / 1000))
    #expect(
      refused["detail"]?.text
        == "A group can make 30 requests in 24 hours. Try again after the time in Retry-After.")
    // What is wrong with a request comes first.
    #expect(world.post(requests, ["partner_type": "x"], as: .member).status == 422)
    #expect(try world.contents() == before)

    #expect(ask(world, as: .staff).status == 201)
    #expect(
      world.post("/api/groups/\(World.oak)/referrals", ["partner_type": "cpa"], as: .outsider)
        .status == 201)

    // The first one and no other is 24 hours old. Staff's counts as one of the group's.
    world.clock.pass(milliseconds: day - 30 * minute - 1)
    #expect(ask(world).verdict == "429 quota_exceeded")
    world.clock.pass(milliseconds: 1)
    let next = ask(world)
    #expect(next.verdict == "429 quota_exceeded")
    #expect(next.headers[.retryAfter] == "60")
    world.clock.pass(milliseconds: minute)
    #expect(ask(world).status == 201)
    #expect(ask(world).status == 429)
  }

  @Test("Only what succeeds counts, and an answer that is repeated does not") func success() throws
  {
    let world = try World(quotas: Quotas(groupRequestsPerDay: 2))
    let key: HTTPFields = [.idempotencyKey: "once"]
    for _ in 0..<3 {
      #expect(world.post(requests, ["partner_type": "x"], as: .member).status == 422)
      let reply = world.post(requests, ["partner_type": "cpa"], as: .member, headers: key)
      #expect(reply.status == 201)
      #expect(world.post(requests, ["partner_type": "cpa"], as: .member).status == 409)
    }
    #expect(world.post(requests, ["partner_type": "agent"], as: .member).status == 201)
    let third: JSON = ["partner_type": "title"]
    let other: HTTPFields = [.idempotencyKey: "twice"]
    #expect(world.post(requests, third, as: .member, headers: other).status == 429)
    #expect(
      world.post(requests, ["partner_type": "cpa"], as: .member, headers: key)
        .headers[.idempotentReplayed] == "true")
    // A refusal is not kept under its key.
    world.clock.pass(milliseconds: day)
    #expect(world.post(requests, third, as: .member, headers: other).status == 201)
  }

  @Test("A partner makes 200 changes in any 24 hours: of its record, and answers")
  func partner() throws {
    let world = try World()
    let id = world.partner(with: ["user_id": .string("\(Person.pablo)")])
    let first = world.referral(.introSent, partner: id)
    let second = world.referral(
      .introSent, type: "attorney", partner: id, group: World.oak, as: .outsider)
    func edit(_ number: Int, as role: Role = .partner) -> Reply {
      world.put("/api/partners/me", ["contact_name": .string("Name \(number)")], as: role)
    }
    func answer(_ referral: String, _ response: String) -> Reply {
      world.put(
        "/api/partners/me/referrals/\(referral)/response", ["response": .string(response)],
        as: .partner)
    }
    #expect(answer(first, "accepted").status == 200)
    // States that come and go wait for no review while the partner is not active.
    world.move(partner: id, to: .inactive)
    for number in 0..<99 {
      let areas: JSON = number % 2 == 0 ? ["MN", "WI", "IA"] : ["MN"]
      #expect(world.put("/api/partners/me", ["service_areas": areas], as: .partner).status == 200)
    }
    world.move(partner: id, to: .active)
    for number in 0..<100 { #expect(edit(number).status == 200) }
    // These change nothing.
    #expect(edit(99).status == 200)
    #expect(answer(first, "accepted").status == 200)
    world.clock.pass(milliseconds: 500)
    let before = try world.contents()
    let refused = edit(100)
    #expect(refused.verdict == "429 quota_exceeded")
    #expect(refused.headers[.retryAfter] == String(day / 1000))
    #expect(
      refused["detail"]?.text
        == "A partner can make 200 changes in 24 hours. Try again after the time in Retry-After.")
    #expect(answer(second, "declined").verdict == "429 quota_exceeded")
    #expect(try world.contents() == before)
    #expect(world.put("/api/admin/partners/\(id)", ["contact_name": "By staff"]).status == 200)
    world.clock.pass(milliseconds: day)
    #expect(answer(second, "declined").status == 204)
    #expect(edit(100).status == 200)
  }

  @Test("What a partner does as a member of a group is not a change by the partner")
  func partnerAsMember() throws {
    let world = try World(quotas: Quotas(partnerChangesPerDay: 1))
    let id = world.partner(.active, type: "title", with: ["user_id": .string("\(Person.ann)")])
    for _ in 0..<3 { #expect(ask(world).status == 201) }
    let edit = { (name: JSON) in
      world.put("/api/partners/me", ["contact_name": name], as: .member)
    }
    #expect(edit("A").status == 200)
    #expect(edit("B").status == 429)
    #expect(world.put("/api/admin/partners/\(id)", ["contact_name": "C"]).status == 200)
    #expect(ask(world).status == 201)
    // Staff who are a partner, too, have no quota.
    world.put("/api/admin/partners/\(id)", ["user_id": .string("\(Person.sam)")])
    for name in ["D", "E", "F"] as [JSON] {
      #expect(world.put("/api/partners/me", ["contact_name": name], as: .staff).status == 200)
    }
  }

  @Test("A creation's event does not repeat the context") func creationEvent() throws {
    let world = try World()
    let need = String(repeating: "😀", count: 2_000)
    let id = world.referral(context: ["specific_need": .string(need)])
    let created = try #require(world.events(of: id).first)
    #expect(created["kind"] == "referral.requested")
    #expect(
      created["changes"]?.keys == [
        "group_id", "requested_by", "contact_id", "partner_type", "status",
      ])
    world.put("/api/admin/referrals/\(id)", ["context": [:]])
    let changed = try #require(world.events(of: id).last)
    #expect(changed["changes"]?["context"]?["from"]?["specific_need"]?.text == need)
  }
}
