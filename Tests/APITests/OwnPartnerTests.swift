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
        "notes": "SECRET", "affiliation_disclosure": "Owned by a founder of Tomi",
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
      "description": .null, "languages": [],
      "affiliation_disclosure": "Owned by a founder of Tomi",
      "accepting_referrals": true, "paused_until": .null, "max_open_referrals": .null,
      "credentials_status": "none",
      "agreement_signed_at": "2026-01-01T00:00:00.000Z", "pending_changes": .null,
      "created_at": .string(World.start),
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

  @Test("A partner that is not active changes its profile at once, and nothing else")
  func update() throws {
    world.move(partner: partner, to: .inactive)
    let read = world.get(me, as: .partner)
    #expect(world.put(me, read.json, as: .partner).body == read.body)
    world.clock.pass(milliseconds: 1)
    let edit: JSON = [
      "company_name": "New", "contact_name": .null, "email": "new@example.com",
      "phone": "5550199", "website": "https://new.example", "service_areas": ["wi", "MN"],
      "description": "New", "languages": ["es"], "paused_until": "2026-11-21",
      "max_open_referrals": 3,
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
    ] as [(JSON, String)] {
      #expect(world.put(me, body, as: .partner).verdict == verdict)
      #expect(world.put(me, body, as: .partner, headers: [.ifMatch: "\"x\""]).status == 422)
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
      "status_since": .string(World.start),
      "context": [
        "group_size": .null, "home_price_range": .null, "timeline": .null, "state": "MN",
        "specific_need": .null,
      ],
      "intro_sent_at": .string(World.start), "outcome": .null, "created_at": .string(World.start),
      "updated_at": .string(World.start),
      "group": ["id": .string(World.birch.text), "name": "Birch"],
      "contact": ["name": "Ann", "email": "ann@example.com"],
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
        "id", "partner_type", "status", "status_since", "context", "intro_sent_at", "outcome",
        "created_at", "updated_at", "group", "contact", "timeline",
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
    #expect(world.put(path, ["response": "accepted"], as: .partner).verdict == "404 not_found")
    #expect(world.get(me + "/referrals", as: .partner).items.isEmpty)
    let candidates = world.get("/api/admin/referrals/\(referral)/candidates").items
    #expect(candidates.compactMap { $0["id"]?.text } == [other])
    #expect(
      !world.get("/api/groups/\(World.birch)/referrals/\(referral)", as: .member).text
        .contains("Too busy"))
  }

  @Test("Declined again after a lost answer: the same answer, and nothing happens")
  func declineAgain() throws {
    let referral = introduced()
    let path = me + "/referrals/\(referral)/response"
    let request = "/api/admin/referrals/\(referral)"
    let decline: JSON = ["response": "declined", "reason": "Too busy"]
    _ = world.partner(with: ["user_id": .string(Person.paula.text)])
    #expect(world.put(path, decline, as: .partner).verdict == "204")
    let other = world.partner(areas: ["MN"])
    func declinesAgain(_ comment: Comment) throws {
      let contents = try world.contents()
      world.clock.pass(milliseconds: 1)
      for headers: HTTPFields in [[:], [.ifMatch: "*"], [.ifMatch: "\"of before\""]] {
        #expect(
          world.put(path, decline, as: .partner, headers: headers).verdict == "204", comment)
      }
      #expect(world.put(path, ["response": "declined"], as: .partner).verdict == "204", comment)
      #expect(
        world.put(path, ["response": "accepted"], as: .partner).verdict == "404 not_found", comment)
      #expect(
        world.put(path, ["response": "perhaps"], as: .partner).verdict == "404 not_found", comment)
      #expect(
        world.put(path, decline.with(["x": 1]), as: .partner).verdict
          == "422 validation /x:unknown_field", comment)
      #expect(
        world.put(path, decline, as: .otherPartner).verdict == "404 not_found", comment)
      #expect(try world.contents() == contents, comment)
    }
    try declinesAgain("pending")
    #expect(
      world.put(
        me + "/referrals/\(World.unknown)/response", decline, as: .partner
      ).verdict == "404 not_found")
    for body: JSON in [
      ["partner_id": .string(other)], ["status": "intro_sent"], ["status": "connected"],
      ["status": "cancelled"],
    ] {
      #expect(world.put(request, body).verdict == "200")
      try declinesAgain("\(body)")
    }

    // Matched with it once more, and not introduced, it knows nothing of that.
    let second = introduced("CA")
    let secondPath = me + "/referrals/\(second)/response"
    let staffPath = "/api/admin/referrals/\(second)"
    #expect(world.put(secondPath, decline, as: .partner).verdict == "204")
    #expect(world.put(staffPath, ["partner_id": .string(partner)]).verdict == "200")
    #expect(world.put(secondPath, decline, as: .partner).verdict == "204")
    #expect(world.get(staffPath)["status"] == "matched")
    // Introduced again, it declines again, which is news.
    #expect(world.put(staffPath, ["status": "intro_sent"]).verdict == "200")
    let count = world.events.count
    #expect(world.put(secondPath, decline, as: .partner).verdict == "204")
    #expect(world.events.count == count + 1)
    #expect(world.get(staffPath)["status"] == "pending")
  }

  @Test("A request that staff took back was not declined") func takenBack() throws {
    let referral = introduced()
    let path = me + "/referrals/\(referral)/response"
    #expect(
      world.put("/api/admin/referrals/\(referral)", ["status": "pending"]).verdict == "200")
    #expect(world.put(path, ["response": "declined"], as: .partner).verdict == "404 not_found")
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
      "introductions_unanswered": ["over_3_days": 0, "over_7_days": 0, "over_14_days": 0],
      "declines": SummaryTests.declines([:]), "changes_to_review": 0, "follow_ups_overdue": 0,
      "credentials_expiring": 0, "waitlist": [],
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
      reply["introductions_unanswered"]
        == ["over_3_days": 1, "over_7_days": 0, "over_14_days": 0])
    #expect(
      reply["median_days"] == [
        "pending_to_matched": 3, "matched_to_intro_sent": 1, "intro_sent_to_connected": .null,
        "connected_to_closed": .null,
      ])
  }

  // MARK: Who may

  @Test(
    "The partner's side is open to the user of a record that is not removed, and to nobody else")
  func matrix() throws {
    let paths: [(method: String, path: String, body: JSON?)] = [
      ("GET", me, nil), ("PUT", me, [:]), ("GET", me + "/referrals", nil),
      ("PUT", me + "/referrals/\(introduced())/response", ["response": "accepted"]),
      ("GET", me + "/summary", nil),
    ]
    func expect(_ role: Role, _ expected: String, answering other: String? = nil) {
      for (method, path, body) in paths {
        let verdict = world.send(method, path, as: role, body: body).verdict
        let isAnswer = path.hasSuffix("/response")
        #expect(verdict == (isAnswer ? other ?? expected : expected), "\(role) \(method) \(path)")
      }
    }
    for role in Role.unauthenticated { expect(role, "401 unauthenticated") }
    for role in [
      Role.stranger, .outsider, .member, .otherMember, .otherPartner, .staffWithoutRights, .staff,
      .otherStaff, .reader, .syncer, .follower,
    ] { expect(role, "403 forbidden") }
    expect(.partner, "200")

    // Another's record, in each status that it can have.
    let other = world.partner(.invited, with: ["user_id": .string(Person.paula.text)])
    for status in [PartnerStatus.invited, .pendingReview, .active, .inactive] {
      if status != .invited { world.move(partner: other, to: status) }
      expect(.otherPartner, "200", answering: "404 not_found")
      #expect(world.get(me, as: .otherPartner)["status"] == .string(status.rawValue))
    }
    world.move(partner: other, to: .removed)
    expect(.otherPartner, "403 forbidden")
    world.move(partner: other, to: .pendingReview)
    expect(.otherPartner, "200", answering: "404 not_found")

    // Staff whose user has a record, whichever token is shown.
    _ = world.partner(.invited, with: ["user_id": .string(Person.sam.text)])
    for role in [Role.staff, .staffWithoutRights] {
      expect(role, "200", answering: "404 not_found")
    }
    expect(.otherStaff, "403 forbidden")
    // An admin token of a narrower scope is not for this, though its user is linked.
    world.put("/api/admin/partners/\(other)", ["user_id": .string(Person.tess.text)])
    world.move(partner: other, to: .active)
    expect(.otherStaff, "200", answering: "404 not_found")
    for role in [Role.reader, .syncer, .follower] { expect(role, "403 forbidden") }

    // Unlinked, the user is a stranger again; the record keeps what was introduced to it.
    world.put("/api/admin/partners/\(partner)", ["user_id": .null])
    expect(.partner, "403 forbidden")
    world.put("/api/admin/partners/\(partner)", ["user_id": .string(Person.petra.text)])
    expect(.partner, "403 forbidden")
    expect(.stranger, "200")
    // A record that is not active any more still has its introductions.
    world.move(partner: partner, to: .inactive)
    expect(.stranger, "200")
    world.move(partner: partner, to: .removed)
    expect(.stranger, "403 forbidden")
  }

  // MARK: The profile

  @Test(
    "What the partner may not change is refused, field by field, unless it is sent back as it is")
  func refusedFields() throws {
    let read = world.get(me, as: .partner).json
    let staff = world.get("/api/admin/partners/\(partner)").json
    let contents = try world.contents()
    func verdict(_ name: String, _ value: JSON) -> String {
      world.put(me, .object([.init(name, value)]), as: .partner).verdict
    }
    for name in staff.keys where !read.keys.contains(name) {
      // Not even with the value that it has.
      for value in [staff[name] ?? .null, .null, "x"] {
        #expect(verdict(name, value) == "422 validation /\(name):unknown_field")
      }
    }
    #expect(Set(staff.keys).subtracting(read.keys) == ["user_id", "invited_by", "notes"])
    for name in ["note", "Company_name", "", "timeline", "password", "service_areas "] {
      #expect(verdict(name, "x") == "422 validation /\(name):unknown_field")
    }
    for (name, other) in [
      ("id", .string(World.unknown)), ("type", "cpa"), ("status", "inactive"),
      ("co_ownership_certified", true), ("agreement_signed_at", "2026-01-01T00:00:00.001Z"),
      ("affiliation_disclosure", "None"), ("accepting_referrals", false),
      ("credentials_status", "verified"),
      ("created_at", "2026-01-01T00:00:00.000Z"), ("updated_at", "2026-01-01T00:00:00.000Z"),
    ] as [(String, JSON)] {
      #expect(verdict(name, read[name] ?? .null) == "200")
      for value in [other, .null, 1, [], [:]] {
        #expect(verdict(name, value) == "422 validation /\(name):read_only", "\(name)")
      }
    }
    for (name, value, error) in [
      ("company_name", .null, "not_null"), ("company_name", "", "required"),
      ("company_name", 1, "wrong_type"),
      ("company_name", .string(String(repeating: "é", count: 201)), "too_long"),
      ("company_name", "a\nb", "control_character"),
      ("contact_name", .string(String(repeating: "x", count: 101)), "too_long"),
      ("email", .null, "not_null"), ("email", " ", "required"), ("email", "x", "invalid_format"),
      ("phone", "12", "invalid_format"), ("website", "ftp://x.example", "invalid_format"),
      ("website", "https://me@x.example", "invalid_format"), ("service_areas", "MN", "wrong_type"),
    ] as [(String, JSON, String)] {
      #expect(verdict(name, value) == "422 validation /\(name):\(error)")
    }
    #expect(
      verdict("service_areas", ["MN", "ZZ"]) == "422 validation /service_areas/1:unknown_state")
    #expect(verdict("service_areas", .null) == "409 partner_not_ready missing=service_areas")
    #expect(try world.contents() == contents)
  }

  @Test("Who is not active may be without an area, and edits what it has") func areas() throws {
    world.move(partner: partner, to: .inactive)
    for areas in [[], ["tx", "MN", "TX"], []] as [JSON] {
      #expect(world.put(me, ["service_areas": areas], as: .partner).verdict == "200")
    }
    #expect(
      world.put("/api/admin/partners/\(partner)/status", ["status": "active"]).verdict
        == "409 partner_not_ready missing=service_areas")
    let text = String(repeating: "é", count: 200)
    #expect(
      world.put(me, ["company_name": .string(text)], as: .partner)["company_name"] == .string(text))
  }

  @Test("The profile has one version on all ways, and a change of it needs the one it knows")
  func profileVersions() throws {
    let first = try #require(world.get(me, as: .partner).etag)
    func put(_ body: JSON, _ tag: String) -> Reply {
      world.put(me, body, as: .partner, headers: [.ifMatch: tag])
    }
    world.clock.pass(milliseconds: 1)
    let changed = put(["contact_name": "Pia"], first)
    #expect(changed.verdict == "200")
    let second = try #require(changed.etag)
    #expect(second != first && second == world.get(me, as: .partner).etag)
    let contents = try world.contents()
    #expect(put(["contact_name": "Pat"], first).verdict == "412 precondition_failed")
    #expect(put(["contact_name": 1], first).status == 422)
    #expect(try world.contents() == contents)
    // What the partner does not see is no new version to it.
    world.put("/api/admin/partners/\(partner)", ["user_id": .string(Person.pablo.text)])
    for tag in [second, "W/\(second)", "*", "\"x\", \(second)"] {
      #expect(put([:], tag).verdict == "200", "\(tag)")
    }
    #expect(
      world.get(me, as: .partner, headers: [.ifNoneMatch: "W/\(second)"]).status == 304)
  }

  // MARK: Answers

  @Test("Each answer in each status of a request, of one's own and of another's") func answers()
    throws
  {
    _ = world.partner(areas: ["MN"], with: ["user_id": .string(Person.paula.text)])
    let bodies: [(name: String, body: JSON, wrong: String?)] = [
      ("accepted", ["response": "accepted"], nil), ("declined", ["response": "declined"], nil),
      ("rubbish", ["response": "perhaps"], "422 validation /response:unknown_value"),
      ("nothing", [:], "422 validation /response:required"),
    ]
    var number = 0
    /// A request that is, or was, with the partner.
    func request(_ status: String) -> String {
      number += 1
      let group = ID("00000000-0000-4000-8000-00000000\(2_000 + number)")!
      world.put("/api/admin/groups/\(group)", ["name": "G", "members": [.string(Person.ann.text)]])
      func make(_ status: ReferralStatus) -> String {
        world.referral(status, context: ["state": "MN"], partner: partner, group: group)
      }
      func move(_ id: String, _ status: String) -> String {
        let moved = world.put("/api/admin/referrals/\(id)", ["status": .string(status)])
        #expect(moved.verdict == "200")
        return id
      }
      return switch status {
      case "pending after the introduction": move(make(.introSent), "pending")
      case "cancelled before the introduction": move(make(.matched), "cancelled")
      case "cancelled after it": move(make(.introSent), "cancelled")
      case "closed unconnected": move(make(.introSent), "closed")
      default: make(ReferralStatus(rawValue: status) ?? .pending)
      }
    }
    let refused = "409 transition_not_allowed allowed="
    let expected: [(status: String, accepted: String, declined: String)] = [
      ("pending", "404 not_found", "404 not_found"), ("matched", "404 not_found", "404 not_found"),
      ("pending after the introduction", "404 not_found", "404 not_found"),
      ("cancelled before the introduction", "404 not_found", "404 not_found"),
      ("intro_sent", "200", "204"), ("connected", "200", refused), ("closed", refused, refused),
      ("closed unconnected", refused, refused), ("cancelled after it", refused, refused),
    ]
    for (status, accepted, declined) in expected {
      for (name, body, wrong) in bodies {
        let id = request(status)
        let path = me + "/referrals/\(id)/response"
        let before = try world.contents()
        // Another partner may not know of it, whatever it says.
        #expect(world.put(path, body, as: .otherPartner).verdict == "404 not_found", "\(status)")
        let expected =
          accepted.hasPrefix("404")
          ? accepted : wrong ?? (name == "accepted" ? accepted : declined)
        if !expected.hasPrefix("404"), wrong == nil {
          // A version that is not its own is told before the rule.
          #expect(
            world.put(path, body, as: .partner, headers: [.ifMatch: "\"x\""]).verdict
              == "412 precondition_failed")
        }
        #expect(try world.contents() == before)
        #expect(world.put(path, body, as: .partner).verdict == expected, "\(name), \(status)")
        let mayChange = wrong == nil && status == "intro_sent"
        #expect(try (world.contents() != before) == mayChange, "\(name), \(status)")
        let now = world.get("/api/admin/referrals/\(id)")["status"]?.text
        if mayChange { #expect(now == (name == "accepted" ? "connected" : "pending")) }
      }
    }
  }

  @Test("An answer has the request's version, and minds the one that the partner knows")
  func answerVersions() throws {
    let referral = introduced()
    let path = me + "/referrals/\(referral)/response"
    func accept(_ tag: String?) -> Reply {
      world.put(
        path, ["response": "accepted"], as: .partner,
        headers: tag.map { [.ifMatch: $0] } ?? [:])
    }
    #expect(accept("\"stale\"").verdict == "412 precondition_failed")
    #expect(world.get("/api/admin/referrals/\(referral)")["status"] == "intro_sent")
    let first = accept("*")
    let tag = try #require(first.etag)
    let events = world.events.count
    let contents = try world.contents()
    world.clock.pass(milliseconds: 1000)
    for same in [nil, tag, "W/\(tag)", "*"] {
      let again = world.put(
        path, ["response": "accepted", "reason": "Once more."], as: .partner,
        headers: same.map { [.ifMatch: $0, .idempotencyKey: "key"] } ?? [:])
      #expect(again.body == first.body && again.etag == tag)
      #expect(again.headers[.idempotentReplayed] == nil)
    }
    #expect(world.events.count == events)
    #expect(try world.contents() == contents)
    // What staff alone sees makes no other version; what the partner sees does.
    let outcome = "/api/admin/referrals/\(referral)/outcome"
    world.put(outcome, ["outcome": "engaged"])
    #expect(accept(tag).verdict == "412 precondition_failed")
    let second = accept(nil)
    #expect(second["outcome"] == "engaged" && second.etag != tag)
    // The group's name is seen as well.
    world.put("/api/admin/groups/\(World.birch)", ["name": "Beech"])
    #expect(accept(second.etag).verdict == "412 precondition_failed")
    #expect(accept(nil)["group"]?["name"] == "Beech")
  }

  @Test("The timeline begins with the introduction: who was tried before is nobody's business")
  func timeline() throws {
    let first = world.partner(areas: ["MN"], with: ["user_id": .string(Person.paula.text)])
    let referral = world.referral(.introSent, context: ["state": "MN"], partner: first)
    func pass() -> JSON {
      world.clock.pass(milliseconds: 60_000)
      return .string(world.clock.now.text)
    }
    let path = me + "/referrals/\(referral)/response"
    func put(_ body: JSON) {
      #expect(world.put("/api/admin/referrals/\(referral)", body).verdict == "200")
    }
    _ = pass()
    #expect(world.put(path, ["response": "declined"], as: .otherPartner).verdict == "204")
    _ = pass()
    put(["partner_id": .string(world.partner())])
    _ = pass()
    put(["partner_id": .string(partner)])
    let introduced = pass()
    put(["status": "intro_sent"])
    let connected = pass()
    let reply = world.put(path, ["response": "accepted"], as: .partner)
    #expect(
      reply["timeline"] == [
        ["status": "intro_sent", "at": introduced], ["status": "connected", "at": connected],
      ])
    // Staff and members see all of it.
    for target in [
      "/api/admin/referrals/\(referral)", "/api/groups/\(World.birch)/referrals/\(referral)",
    ] {
      #expect(
        world.get(target)["timeline"]?.elements.map { $0["status"] } == [
          "pending", "matched", "intro_sent", "pending", "matched", "intro_sent", "connected",
        ])
    }
    // Nothing in the partner's list tells of it either.
    let list = world.get(me + "/referrals", as: .partner)
    #expect(list.items.at(0)["intro_sent_at"] == introduced)
    #expect(!list.text.contains(first))
  }

  @Test("Declined, the partner is proposed for that request never again, for others as before")
  func declinedForGood() throws {
    let referral = introduced()
    func candidates(_ id: String) -> [String] {
      world.get("/api/admin/referrals/\(id)/candidates").items.compactMap { $0["id"]?.text }
    }
    func recommended(_ query: String, _ group: ID = World.birch) -> Bool {
      world.get("/api/groups/\(group)/recommendations\(query)").items.contains { section in
        section["partners"]?.elements.contains { $0["id"]?.text == partner } == true
      }
    }
    #expect(candidates(referral) == [partner])
    let response = me + "/referrals/\(referral)/response"
    #expect(world.put(response, ["response": "declined"], as: .partner).verdict == "204")
    #expect(candidates(referral).isEmpty)
    #expect(!recommended("?state=MN") && !recommended("?state=CA"))
    // The group's other requests, and other groups, are not concerned.
    let other = world.referral(context: ["state": "CA"])
    let foreign = world.referral(context: ["state": "MN"], group: World.oak, as: .outsider)
    #expect(candidates(other) == [partner] && candidates(foreign) == [partner])
    #expect(recommended("?state=MN", World.oak))
    // Neither time nor another's try brings it back.
    let second = world.partner(areas: ["MN"])
    for body: JSON in [["partner_id": .string(second)], ["status": "pending"]] {
      #expect(world.put("/api/admin/referrals/\(referral)", body).verdict == "200")
    }
    world.clock.pass(milliseconds: 400 * 86_400_000)
    #expect(candidates(referral).isEmpty)
    // Staff may match it by hand all the same, and it may decline again.
    for body: JSON in [["partner_id": .string(partner)], ["status": "intro_sent"]] {
      #expect(world.put("/api/admin/referrals/\(referral)", body).verdict == "200")
    }
    #expect(world.put(response, ["response": "declined"], as: .partner).verdict == "204")
    #expect(world.put(response, ["response": "accepted"], as: .partner).verdict == "404 not_found")
    #expect(candidates(referral).isEmpty)
    // The request over, a new one of the same kind may be theirs.
    world.post("/api/groups/\(World.birch)/referrals/\(referral)/cancel")
    let next = world.referral(context: ["state": "MN"])
    #expect(Set(candidates(next)) == [partner, second])
    #expect(recommended("?state=MN"))
  }

  // MARK: The overview

  /// The partner's overview as staff's list and the history give it, counted one by one.
  private func counted(_ partner: String) throws -> JSON {
    var referrals: [JSON] = []
    var target: String? = "/api/admin/referrals?partner_id=\(partner)&limit=100"
    while let page = target.map({ world.get($0) }) {
      referrals += page.items
      target = page.headers[.link].map { String($0.dropFirst().prefix { $0 != ">" }) }
    }
    referrals = referrals.filter { $0["intro_sent_at"] != .null }
    var connections: [String: String] = [:]
    var since: [String: String] = [:]
    for event in world.events where event["subject"]?["kind"] == "referral" {
      let (id, at) = (event["subject"]?["id"]?.text ?? "", event["at"]?.text)
      guard let status = event["changes"]?["status"] else { continue }
      switch (status["from"], status["to"]) {
      // One that is reopened was connected when it was closed, at the latest.
      case ("closed", "connected"): connections[id] = connections[id] ?? since[id]
      case (_, "connected"): connections[id] = at
      case ("intro_sent", "closed")
      where event["changes"]?["outcome"]?["to"] == "deal_closed":
        connections[id] = at
      case (_, "pending"): connections[id] = nil
      default: break
      }
      since[id] = at
    }
    func count(_ field: String, _ words: [String]) -> JSON {
      .object(
        words.map { word in
          .init(word, .integer(referrals.count { $0[field]?.text == word }))
        })
    }
    var months: [String] = []
    let now = world.clock.now.text
    var (year, month) = (
      try #require(Int(now.prefix(4))), try #require(Int(now.dropFirst(5).prefix(2)))
    )
    for _ in 0..<12 {
      months.insert("\(year)-\(month < 10 ? "0" : "")\(month)", at: 0)
      (year, month) = month == 1 ? (year - 1, 12) : (year, month - 1)
    }
    var tenths: [Int] = []
    for referral in referrals {
      guard let end = connections[referral["id"]?.text ?? ""].flatMap({ Timestamp($0) }),
        let start = (referral["intro_sent_at"]?.text).flatMap({ Timestamp($0) })
      else { continue }
      let days = Double(end.milliseconds - start.milliseconds) / 86_400_000
      tenths.append(max(0, Int((10 * days).rounded())))
    }
    tenths.sort()
    var median: JSON = .null
    if !tenths.isEmpty {
      let middle = (tenths[(tenths.count - 1) / 2] + tenths[tenths.count / 2] + 1) / 2
      median =
        middle.isMultiple(of: 10) ? .integer(middle / 10) : .number(Double(middle) / 10)
    }
    return [
      "by_status": count("status", ["intro_sent", "connected", "closed", "cancelled"]),
      "by_outcome": count("outcome", ["engaged", "not_engaged", "deal_closed", "unknown"]),
      "by_month": .array(
        months.map { month in
          [
            "month": .string(month),
            "introductions": .integer(
              referrals.count { $0["intro_sent_at"]?.text?.hasPrefix(month) == true }),
            "connections": .integer(
              referrals.count { connections[$0["id"]?.text ?? ""]?.hasPrefix(month) == true }),
          ]
        }),
      "median_days_to_connection": median,
    ]
  }

  @Test("After any history the overview is a count of it", arguments: [1, 2] as [UInt64])
  func histories(seed: UInt64) throws {
    var dice = SummaryTests.Dice(state: seed)
    let other = world.partner(areas: ["MN"], with: ["user_id": .string(Person.paula.text)])
    var seen: Set<String> = []
    var referrals: [String] = []
    for step in 1...400 {
      // Over some fourteen months, to the millisecond.
      world.clock.pass(milliseconds: Int.random(in: 1...260_000_000, using: &dice))
      let id =
        referrals.isEmpty || dice.isLucky(oneIn: 20)
        ? World.unknown : dice.pick(referrals.suffix(5))
      let path = "/api/admin/referrals/\(id)"
      switch Int.random(in: 0..<16, using: &dice) {
      case 0..<4:
        let made = world.post(
          "/api/groups/\(World.birch)/referrals",
          [
            "partner_type": "attorney",
            "context": ["state": dice.isLucky(oneIn: 2) ? "MN" : .null],
          ], as: .member)
        if let made = made["id"]?.text { referrals.append(made) }
      case 4..<7:
        world.put(path, ["partner_id": .string(dice.isLucky(oneIn: 4) ? other : partner)])
      case 7..<9: world.put(path, ["status": "intro_sent"])
      case 9:
        // The introduction was a while ago.
        let time = Timestamp(
          milliseconds: world.clock.now.milliseconds
            - Int64.random(in: 1...900_000_000, using: &dice))
        world.put(path, ["status": "intro_sent", "intro_sent_at": .string(time.text)])
      case 10:
        world.put(path, ["status": .string(dice.pick(["connected", "closed", "pending"]))])
      case 11..<13:
        world.put(
          path + "/outcome", ["outcome": .string(dice.pick(Outcome.allCases).rawValue)])
      case 13:
        world.put(path, ["status": .string(dice.pick(["cancelled", "cancelled", "pending"]))])
      default:
        world.put(
          me + "/referrals/\(id)/response",
          ["response": .string(dice.isLucky(oneIn: 3) ? "declined" : "accepted")],
          as: dice.isLucky(oneIn: 5) ? .otherPartner : .partner)
      }
      guard step.isMultiple(of: 50) else { continue }
      for (id, role) in [(partner, Role.partner), (other, .otherPartner)] {
        let counted = try counted(id)
        let shown = world.get(me + "/summary", as: role)
        for field in counted.keys {
          #expect(shown[field] == counted[field], "\(field) of \(role) after \(step) of \(seed)")
        }
        #expect(shown.json.keys == counted.keys)
        for field in ["by_status", "by_outcome"] {
          for member in counted[field]?.members ?? [] where member.value != 0 {
            seen.insert("\(field) \(member.name)")
          }
        }
        if counted["median_days_to_connection"] != .null { seen.insert("a median") }
        let months = counted["by_month"]?.elements.count { $0["introductions"] != 0 } ?? 0
        if months > 1 { seen.insert("months") }
      }
    }
    // Every number was something else than 0 at some time.
    #expect(seen.count == 4 + 4 + 2, "\(seen.sorted())")
  }
}
