import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// What a partner sees and does: Pablo, who is linked to a record.
@Suite struct OwnPartnerTests {
  let world: World
  let partner: String
  let me = "/api/partners/me"

  init() throws {
    world = try World()
    partner = world.partner(
      .active, areas: ["MN", "CA"],
      with: [
        "user_id": .string(Person.pablo.text), "contact_name": "Pablo", "phone": "5550100",
        "notes": "SECRET",
      ])
  }

  private func introduced(_ state: String = "MN", group: ID = World.birch, as role: Role = .member)
    -> String
  {
    world.referral(
      .introSent, context: ["state": .string(state)], partner: partner, group: group, as: role)
  }

  @Test("The partner's own profile, with each status of the record") func profile() throws {
    let expected: JSON = [
      "id": .string(partner), "type": "attorney", "status": "active", "company_name": "Company 1",
      "contact_name": "Pablo", "email": "company1@example.com", "phone": "5550100",
      "website": .null, "service_areas": ["MN", "CA"], "co_ownership_certified": false,
      "agreement_signed_at": "2026-01-01T00:00:00.000Z", "created_at": .string(World.start),
      "updated_at": .string(World.start),
    ]
    let reply = world.get(me, as: .partner)
    #expect(reply.json == expected)
    #expect(reply.json.keys == expected.keys)
    world.move(partner: partner, to: .inactive)
    #expect(world.get(me, as: .partner)["status"] == "inactive")
    // A record that was removed is none.
    world.move(partner: partner, to: .removed)
    #expect(world.get(me, as: .partner).verdict == "403 forbidden")
    // Staff have no record of their own, unless they are linked to one.
    #expect(world.get(me, as: .staff).verdict == "403 forbidden")
    let other = world.partner(.invited, with: ["user_id": .string(Person.sam.text)])
    #expect(world.get(me, as: .staff)["id"] == .string(other))
  }

  @Test("The partner changes its profile, and nothing else") func update() throws {
    let read = world.get(me, as: .partner)
    #expect(world.put(me, read.json, as: .partner).body == read.body)
    world.clock.pass(milliseconds: 1)
    let edit: JSON = [
      "company_name": "New", "contact_name": .null, "email": "new@example.com",
      "phone": "5550199", "website": "https://new.example", "service_areas": ["wi", "MN"],
    ]
    let changed = world.put(me, read.json.with(edit), as: .partner)
    #expect(
      changed.json
        == read.json.with(edit).with([
          "service_areas": ["WI", "MN"], "updated_at": .string(world.clock.now.text),
        ]))
    #expect(world.get(me, as: .partner).body == changed.body)
    #expect(changed.etag == world.get(me, as: .partner).etag)
    let event = try #require(world.events(of: partner).last)
    #expect(event["kind"] == "partner.updated")
    #expect(event["actor"] == ["id": .string(Person.pablo.text), "name": "Pablo"])
    #expect(world.get("/api/coverage/WI/attorney")["partner_count"] == 1)
    #expect(world.get("/api/admin/partners/\(partner)")["notes"] == "SECRET")

    let contents = try world.contents()
    for (body, verdict) in [
      (["notes": "x"], "422 validation /notes:unknown_field"),
      (["user_id": .null], "422 validation /user_id:unknown_field"),
      (["invited_by": .null], "422 validation /invited_by:unknown_field"),
      (
        ["type": "cpa", "status": "removed", "co_ownership_certified": true, "id": "x"],
        "422 validation /co_ownership_certified:read_only /id:read_only /status:read_only /type:read_only"
      ),
      (["agreement_signed_at": .null], "422 validation /agreement_signed_at:read_only"),
      (
        ["company_name": " ", "phone": "x"],
        "422 validation /company_name:required /phone:invalid_format"
      ),
      (["service_areas": []], "409 partner_not_ready missing=service_areas"),
    ] as [(JSON, String)] {
      #expect(world.put(me, body, as: .partner).verdict == verdict)
      #expect(
        world.put(me, body, as: .partner, headers: [.ifMatch: "\"x\""]).status
          == (verdict.hasPrefix("409") ? 412 : 422))
    }
    #expect(try world.contents() == contents)
    _ = world.partner(.invited, with: ["email": "taken@example.com"])
    #expect(
      world.put(me, ["email": "Taken@example.com"], as: .partner).verdict == "409 partner_exists")
  }

  @Test("A partner sees the introductions made to it, newest first, and no other request")
  func referrals() throws {
    let first = introduced()
    world.clock.pass(milliseconds: 1)
    let second = introduced("CA", group: World.oak, as: .outsider)
    world.put(
      "/api/admin/referrals/\(second)/outcome",
      ["outcome": "deal_closed", "outcome_notes": "SECRET"])
    _ = world.referral(type: "attorney")
    _ = world.referral(.matched, context: ["state": "CA"], partner: partner)
    _ = world.referral(.introSent, type: "lender")
    // Cancelled before the introduction, and after it.
    let matched = world.referral(.matched, partner: partner, group: World.oak, as: .outsider)
    world.post("/api/groups/\(World.oak)/referrals/\(matched)/cancel", ["note": "SECRET"])

    let list = world.get(me + "/referrals", as: .partner)
    #expect(list.items.compactMap { $0["id"]?.text } == [second, first])
    let expected: JSON = [
      "id": .string(first), "partner_type": "attorney", "status": "intro_sent",
      "context": [
        "group_size": .null, "home_price_range": .null, "timeline": .null, "state": "MN",
        "specific_need": .null,
      ],
      "intro_sent_at": .string(World.start), "outcome": .null, "created_at": .string(World.start),
      "updated_at": .string(World.start),
      "group": ["id": .string(World.birch.text), "name": "Birch"],
      "requester": ["name": "Ann", "email": "ann@example.com"],
    ]
    #expect(list.items.at(1) == expected)
    #expect(list.items.at(1).keys == expected.keys)
    #expect(list.items.at(0)["outcome"] == "deal_closed")
    #expect(!list.text.contains("SECRET"))

    for (query, found) in [
      ("status=intro_sent", [first]), ("status=closed,connected", [second]),
      ("status=cancelled", []), ("limit=1", [second]),
    ] {
      #expect(
        world.get(me + "/referrals?\(query)", as: .partner).items.compactMap { $0["id"]?.text }
          == found)
    }
    for status in ["pending", "matched", "intro_sent,matched"] {
      #expect(
        world.get(me + "/referrals?status=\(status)", as: .partner).verdict
          == "400 invalid_parameter status:unknown_value")
    }
    // Back to pending, it is the partner's no more.
    world.put("/api/admin/referrals/\(first)", ["status": "pending"])
    #expect(
      world.get(me + "/referrals", as: .partner).items.compactMap { $0["id"]?.text } == [second])
  }

  @Test("Accepted, the request is connected; accepted again, the same") func accept() throws {
    let referral = introduced()
    let path = me + "/referrals/\(referral)/response"
    world.clock.pass(milliseconds: 1)
    let reply = world.put(path, ["response": "accepted", "reason": " Glad to. "], as: .partner)
    #expect(reply.verdict == "200")
    #expect(reply["status"] == "connected")
    #expect(
      reply.json.keys == [
        "id", "partner_type", "status", "context", "intro_sent_at", "outcome", "created_at",
        "updated_at", "group", "requester", "timeline",
      ])
    let event = try #require(world.events(of: referral).last)
    #expect(event["kind"] == "referral.connected")
    #expect(event["note"] == "Glad to.")
    #expect(event["actor"]?["id"] == .string(Person.pablo.text))
    let count = world.events.count
    world.clock.pass(milliseconds: 1)
    let again = world.put(path, ["response": "accepted"], as: .partner)
    #expect(again.body == reply.body)
    #expect(again.etag == reply.etag)
    #expect(world.events.count == count)
    #expect(
      world.put(path, ["response": "declined"], as: .partner).verdict
        == "409 transition_not_allowed allowed=")
    for status in ["closed", "cancelled"] {
      world.put("/api/admin/referrals/\(referral)", ["status": .string(status)])
      for response in ["accepted", "declined"] {
        #expect(
          world.put(path, ["response": .string(response)], as: .partner).verdict
            == "409 transition_not_allowed allowed=")
      }
    }
  }

  @Test("Declined, the request is pending again and never proposed to this partner")
  func decline() throws {
    let referral = introduced()
    let path = me + "/referrals/\(referral)/response"
    let other = world.partner(areas: ["MN"])
    #expect(
      world.put(path, ["response": "declined", "reason": "Too busy"], as: .partner).verdict == "204"
    )
    let staff = world.get("/api/admin/referrals/\(referral)")
    #expect(staff["status"] == "pending")
    #expect(staff["partner_id"] == .null)
    #expect(staff["intro_sent_at"] == .null)
    let event = try #require(world.events(of: referral).last)
    #expect(event["kind"] == "referral.returned")
    #expect(event["note"] == "Too busy")
    #expect(world.put(path, ["response": "declined"], as: .partner).verdict == "404 not_found")
    #expect(world.get(me + "/referrals", as: .partner).items.isEmpty)
    let candidates = world.get("/api/admin/referrals/\(referral)/candidates").items
    #expect(candidates.compactMap { $0["id"]?.text } == [other])
    #expect(
      !world.get("/api/groups/\(World.birch)/referrals/\(referral)", as: .member).text
        .contains("Too busy"))
  }

  @Test("Only the partner that was introduced may know of the request and answer")
  func othersMayNot() throws {
    let referral = introduced()
    let matched = world.referral(.matched, context: ["state": "CA"], partner: partner)
    _ = world.partner(with: ["user_id": .string(Person.paula.text)])
    let contents = try world.contents()
    func verdict(_ id: String, _ body: JSON, as role: Role) -> String {
      world.put(me + "/referrals/\(id)/response", body, as: role).verdict
    }
    let accepted: JSON = ["response": "accepted"]
    #expect(verdict(referral, accepted, as: .otherPartner) == "404 not_found")
    #expect(verdict(matched, accepted, as: .partner) == "404 not_found")
    #expect(verdict(World.unknown, accepted, as: .partner) == "404 not_found")
    #expect(verdict("x", [:], as: .partner) == "404 not_found")
    #expect(verdict(referral, accepted, as: .staff) == "403 forbidden")
    #expect(verdict(referral, accepted, as: .member) == "403 forbidden")
    #expect(
      verdict(referral, ["reason": 1, "x": 1], as: .partner)
        == "422 validation /reason:wrong_type /response:required /x:unknown_field")
    #expect(
      verdict(referral, ["response": "maybe"], as: .partner)
        == "422 validation /response:unknown_value")
    #expect(
      verdict(referral, ["response": .null], as: .partner) == "422 validation /response:not_null")
    #expect(try world.contents() == contents)
  }

  @Test("The partner's overview: counts, months, days to connection") func summary() throws {
    let none = world.get(me + "/summary", as: .partner)
    let months = (0..<12).map { index -> String in
      index == 0 ? "2025-12" : "2026-\(index < 10 ? "0" : "")\(index)"
    }
    func month(_ name: String, _ introductions: Int, _ connections: Int) -> JSON {
      [
        "month": .string(name), "introductions": .integer(introductions),
        "connections": .integer(connections),
      ]
    }
    #expect(
      none.json == [
        "by_status": ["intro_sent": 0, "connected": 0, "closed": 0, "cancelled": 0],
        "by_outcome": ["engaged": 0, "not_engaged": 0, "deal_closed": 0, "unknown": 0],
        "by_month": .array(months.map { month($0, 0, 0) }), "median_days_to_connection": .null,
      ])
    #expect(none.json.keys == ["by_status", "by_outcome", "by_month", "median_days_to_connection"])

    /// A request that was introduced so many days ago and is connected now.
    func connected(_ type: String, daysAgo: Int, group: ID, as role: Role) -> String {
      let id = world.referral(
        .matched, context: ["timeline": .string(type)], partner: partner, group: group, as: role)
      let time = world.clock.now.adding(days: -daysAgo)
      world.put(
        "/api/admin/referrals/\(id)",
        ["status": "intro_sent", "intro_sent_at": .string(time.text)])
      world.put("/api/admin/referrals/\(id)", ["status": "connected"])
      return id
    }
    _ = connected("a", daysAgo: 30, group: World.birch, as: .member)
    let second = connected("b", daysAgo: 2, group: World.birch, as: .member)
    world.put("/api/admin/referrals/\(second)/outcome", ["outcome": "deal_closed"])
    _ = connected("c", daysAgo: 5, group: World.oak, as: .outsider)
    _ = introduced()
    _ = world.referral(.matched, context: ["state": "CA"], partner: partner)
    let reply = world.get(me + "/summary", as: .partner)
    #expect(
      reply["by_status"] == ["intro_sent": 1, "connected": 2, "closed": 1, "cancelled": 0])
    #expect(
      reply["by_outcome"] == ["engaged": 0, "not_engaged": 0, "deal_closed": 1, "unknown": 0])
    #expect(
      reply["by_month"]
        == .array(
          months.map {
            switch $0 {
            case "2026-10": month($0, 1, 0)
            case "2026-11": month($0, 3, 3)
            default: month($0, 0, 0)
            }
          }))
    #expect(reply["median_days_to_connection"] == 5)
  }

  @Test("Staff's overview: how many are where, what waits, what nobody can serve")
  func staffSummary() throws {
    let none = world.get("/api/admin/summary")
    let zero: JSON = [
      "pending": 0, "matched": 0, "intro_sent": 0, "connected": 0, "closed": 0, "cancelled": 0,
    ]
    let types = ["attorney", "lender", "agent", "title", "insurance", "cpa"]
    let expected: JSON = [
      "total": 0, "by_status": zero,
      "by_type": .array(
        types.map { ["partner_type": .string($0), "total": 0, "by_status": zero] }),
      "by_state": [], "pending_older_than_7_days": 0, "pending_older_than_14_days": 0,
      "pending_without_candidates": 0,
      "median_days": [
        "pending_to_matched": .null, "matched_to_intro_sent": .null,
        "intro_sent_to_connected": .null, "connected_to_closed": .null,
      ],
    ]
    #expect(none.json == expected)
    #expect(none.json.keys == expected.keys)

    let day = 86_400_000
    // Waits 15 days, and nobody serves Texas.
    _ = world.referral(context: ["state": "TX"])
    world.clock.pass(milliseconds: 7 * day)
    // Waits 8 days, though there is somebody.
    _ = world.referral(context: ["state": "MN"], group: World.oak, as: .outsider)
    let matched = world.referral(context: ["state": "CA"])
    world.clock.pass(milliseconds: 3 * day)
    world.put("/api/admin/referrals/\(matched)", ["partner_id": .string(partner)])
    world.clock.pass(milliseconds: 1 * day)
    world.put("/api/admin/referrals/\(matched)", ["status": "intro_sent"])
    world.clock.pass(milliseconds: 4 * day)
    _ = world.referral(type: "cpa")
    let reply = world.get("/api/admin/summary")
    #expect(reply["total"] == 4)
    #expect(reply["by_status"] == zero.with(["pending": 3, "intro_sent": 1]))
    #expect(
      reply["by_type"]?[0] == [
        "partner_type": "attorney", "total": 3,
        "by_status": zero.with(["pending": 2, "intro_sent": 1]),
      ])
    #expect(
      reply["by_state"] == [
        ["state_code": "CA", "total": 1, "by_status": zero.with(["intro_sent": 1])],
        ["state_code": "MN", "total": 1, "by_status": zero.with(["pending": 1])],
        ["state_code": "TX", "total": 1, "by_status": zero.with(["pending": 1])],
        ["state_code": .null, "total": 1, "by_status": zero.with(["pending": 1])],
      ])
    #expect(reply["pending_older_than_7_days"] == 2)
    #expect(reply["pending_older_than_14_days"] == 1)
    #expect(reply["pending_without_candidates"] == 2)
    #expect(
      reply["median_days"] == [
        "pending_to_matched": 3, "matched_to_intro_sent": 1, "intro_sent_to_connected": .null,
        "connected_to_closed": .null,
      ])
  }
}
