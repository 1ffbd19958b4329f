import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// A partner's way through its statuses, and what depends on it.
@Suite struct PartnerLifeTests {
  let world: World

  init() throws { world = try World() }

  /// Where each status leads, as the product's rules have it.
  static let moves: [(from: PartnerStatus, to: [PartnerStatus])] = [
    (.invited, [.pendingReview, .active, .removed]),
    (.pendingReview, [.active, .inactive, .removed]),
    (.active, [.inactive, .removed]),
    (.inactive, [.active, .pendingReview, .removed]),
    (.removed, [.pendingReview]),
  ]

  @Test("Each status to each other", arguments: PartnerStatus.allCases, PartnerStatus.allCases)
  func move(from: PartnerStatus, to: PartnerStatus) throws {
    let partner = world.partner(from)
    let path = "/api/admin/partners/\(partner)"
    let allowed = try #require(PartnerLifeTests.moves.first { $0.from == from }?.to)
    let before = world.get(path)
    let contents = try world.contents()
    world.clock.pass(milliseconds: 5)
    let reply = world.put(path + "/status", ["status": .string(to.rawValue), "note": " Why\nnot "])
    if to == from {
      // The same status again changes nothing.
      #expect(reply.verdict == "200")
      #expect(reply.body == before.body)
      #expect(reply.etag == before.etag)
      #expect(try world.contents() == contents)
    } else if allowed.contains(to) {
      #expect(reply.verdict == "200")
      #expect(
        reply.json
          == before.json.with([
            "status": .string(to.rawValue), "updated_at": .string(world.clock.now.text),
            "accepting_referrals": .bool(to == .active),
          ]))
      let event = try #require(world.events(of: partner).last)
      #expect(
        event.without("number") == [
          "at": .string(world.clock.now.text),
          "actor": ["id": .string(Person.sam.text), "name": "Sam"],
          "subject": ["kind": "partner", "id": .string(partner)],
          "kind": "partner.status_changed",
          "changes": [
            "status": ["from": .string(from.rawValue), "to": .string(to.rawValue)]
          ], "note": "Why\nnot",
        ])
    } else {
      let list = allowed.map(\.rawValue).joined(separator: ",")
      #expect(reply.verdict == "409 transition_not_allowed allowed=\(list)")
      #expect(try world.contents() == contents)
    }
  }

  @Test("Active needs an agreement and an area, also later; what is not allowed is told first")
  func readiness() throws {
    let bare: JSON = ["agreement_signed_at": .null]
    for (status, areas, with, verdict) in [
      (.invited, [], bare, "409 partner_not_ready missing=agreement_signed_at,service_areas"),
      (.invited, ["MN"], bare, "409 partner_not_ready missing=agreement_signed_at"),
      (.pendingReview, [], [:], "409 partner_not_ready missing=service_areas"),
      (.invited, ["MN"], [:], "200"),
    ] as [(PartnerStatus, JSON, JSON, String)] {
      let partner = world.partner(status, areas: areas, with: with)
      let reply = world.put("/api/admin/partners/\(partner)/status", ["status": "active"])
      #expect(reply.verdict == verdict)
    }
    let removed = world.partner(.pendingReview, areas: [], with: bare)
    world.move(partner: removed, to: .removed)
    #expect(
      world.put("/api/admin/partners/\(removed)/status", ["status": "active"]).verdict
        == "409 transition_not_allowed allowed=pending_review")

    let active = "/api/admin/partners/\(world.partner())"
    let contents = try world.contents()
    for (body, missing) in [
      (["service_areas": []], "service_areas"), (["service_areas": .null], "service_areas"),
      (["agreement_signed_at": .null], "agreement_signed_at"),
      (["agreement_signed_at": "", "service_areas": []], "agreement_signed_at,service_areas"),
    ] as [(JSON, String)] {
      #expect(world.put(active, body).verdict == "409 partner_not_ready missing=\(missing)")
    }
    #expect(try world.contents() == contents)
    #expect(world.put(active, ["service_areas": ["CA"]]).verdict == "200")
    // One that is not active may lose both.
    world.put(active + "/status", ["status": "inactive"])
    #expect(
      world.put(active, ["service_areas": [], "agreement_signed_at": .null]).verdict == "200")
  }

  @Test("One partner of a type for an e-mail address, case aside, removed ones aside")
  func uniqueEmail() throws {
    let path = "/api/admin/partners"
    func body(_ type: String, _ email: String) -> JSON {
      ["type": .string(type), "company_name": "X", "email": .string(email)]
    }
    let first = try #require(world.post(path, body("cpa", "Ä@Example.com"))["id"]?.text)
    #expect(world.post(path, body("cpa", "ä@example.COM")).verdict == "409 partner_exists")
    #expect(world.post(path, body("title", "ä@example.com")).verdict == "201")
    let other = try #require(world.post(path, body("cpa", "b@example.com"))["id"]?.text)
    #expect(
      world.put("\(path)/\(other)", ["email": "ä@example.com"]).verdict == "409 partner_exists")
    #expect(
      world.put("\(path)/\(other)", ["email": "ä@example.com", "type": "agent"]).verdict == "200")
    #expect(world.put("\(path)/\(other)", ["type": "cpa"]).verdict == "409 partner_exists")
    // Its own address in another case is no conflict.
    #expect(world.put("\(path)/\(first)", ["email": "ä@EXAMPLE.com"]).verdict == "200")

    world.move(partner: first, to: .removed)
    #expect(world.put("\(path)/\(other)", ["type": "cpa"]).verdict == "200")
    let contents = try world.contents()
    #expect(
      world.put("\(path)/\(first)/status", ["status": "pending_review"]).verdict
        == "409 partner_exists")
    #expect(try world.contents() == contents)
    #expect(world.put("\(path)/\(first)", ["email": "c@example.com"]).verdict == "200")
    #expect(world.put("\(path)/\(first)/status", ["status": "pending_review"]).verdict == "200")
  }

  @Test("One partner record for a user, removed ones aside") func uniqueUser() throws {
    let petra: JSON = ["user_id": .string(Person.petra.text)]
    let first = world.partner(.active, with: petra)
    let second = world.partner(.active)
    let path = "/api/admin/partners/"
    #expect(world.put(path + second, petra).verdict == "409 user_already_linked")
    #expect(
      world.post(
        "/api/admin/partners",
        petra.with(["type": "cpa", "company_name": "X", "email": "x@example.com"])
      ).verdict == "409 user_already_linked")
    #expect(world.put(path + first, petra).verdict == "200")
    world.move(partner: first, to: .removed)
    #expect(world.put(path + second, petra).verdict == "200")
    #expect(
      world.put(path + first + "/status", ["status": "pending_review"]).verdict
        == "409 user_already_linked")
    #expect(world.put(path + second, ["user_id": .null]).verdict == "200")
    #expect(
      world.put(path + first + "/status", ["status": "pending_review"]).verdict == "200")
  }

  @Test("A partner's type is fixed while a request names it") func fixedType() throws {
    let partner = world.partner()
    let path = "/api/admin/partners/\(partner)"
    #expect(world.put(path, ["type": "lender"]).verdict == "200")
    #expect(world.put(path, ["type": "attorney"]).verdict == "200")
    let referral = world.referral(.matched, partner: partner)
    #expect(world.put(path, ["type": "lender"]).verdict == "409 partner_has_referrals")
    #expect(world.put(path, ["type": "attorney", "phone": "5550100"]).verdict == "200")
    world.put("/api/admin/referrals/\(referral)", ["status": "pending"])
    #expect(world.put(path, ["type": "lender"]).verdict == "200")
  }

  @Test(
    "A partner that leaves active gives its matched requests back, by the system; introduced ones stay",
    arguments: [PartnerStatus.inactive, .removed])
  func giveBack(status: PartnerStatus) throws {
    let partner = world.partner(.active, areas: ["MN", "CA", "WI"])
    let other = world.partner(.active)
    let matched = world.referral(.matched, context: ["state": "MN"], partner: partner)
    let second = world.referral(
      .matched, context: ["state": "CA"], partner: partner, group: World.oak, as: .outsider)
    let introduced = world.referral(.introSent, context: ["state": "WI"], partner: partner)
    let elsewhere = world.referral(.matched, partner: other)
    let untouched = [introduced, elsewhere].map { world.get("/api/admin/referrals/\($0)").body }
    let count = world.events.count
    world.clock.pass(milliseconds: 1)
    let now = JSON.string(world.clock.now.text)
    world.put(
      "/api/admin/partners/\(partner)/status",
      ["status": .string(status.rawValue), "note": "They moved"])

    for id in [matched, second] {
      let path = "/api/admin/referrals/\(id)"
      let referral = world.get(path)
      #expect(referral["status"] == "pending")
      #expect(referral["partner_id"] == .null)
      #expect(referral["partner"] == .null)
      #expect(referral["updated_at"] == now)
      #expect(
        referral["timeline"]?.elements.compactMap { $0["status"]?.text }
          == ["pending", "matched", "pending"])
      let event = try #require(world.get(path + "/history?limit=1").items.first)
      #expect(event["kind"] == "referral.returned")
      #expect(event["actor"] == .null)
      #expect(event["at"] == now)
      #expect(
        event["changes"] == [
          "status": ["from": "matched", "to": "pending"],
          "partner_id": ["from": .string(partner), "to": .null],
        ])
    }
    #expect(
      [introduced, elsewhere].map { world.get("/api/admin/referrals/\($0)").body } == untouched)
    // The partner's own, two requests, and the coverage of three states, of which one partner is left
    // in Minnesota alone.
    let kinds = world.events.dropFirst(count).compactMap { $0["kind"]?.text }.sorted()
    #expect(
      kinds == [
        "coverage.status_changed", "coverage.status_changed", "partner.status_changed",
        "referral.returned", "referral.returned",
      ])

    // Back again, it is not proposed for what it gave back, but staff may still choose it.
    if status == .removed { world.move(partner: partner, to: .pendingReview) }
    world.move(partner: partner, to: .active)
    let candidates = world.get("/api/admin/referrals/\(matched)/candidates").items
    #expect(candidates.compactMap { $0["id"]?.text } == [other])
    let fresh = world.referral(type: "attorney", group: World.oak, as: .outsider)
    #expect(
      Set(
        world.get("/api/admin/referrals/\(fresh)/candidates").items.compactMap { $0["id"]?.text })
        == [partner, other])
    let rematched = world.put(
      "/api/admin/referrals/\(matched)", ["partner_id": .string(partner)])
    #expect(rematched.verdict == "200")
    #expect(rematched["status"] == "matched")
  }

  @Test("Staff finds the requests that wait for a partner that left") func partnerStatusFilter()
    throws
  {
    let active = world.partner()
    let left = world.partner()
    let removed = world.partner()
    func introduce(_ partner: String, _ state: String, _ status: ReferralStatus = .introSent)
      -> String
    {
      world.put(
        "/api/admin/partners/\(partner)", ["service_areas": ["MN", "WI", "TX", "CA", "NY"]])
      return world.referral(status, context: ["state": .string(state)], partner: partner)
    }
    let stays = introduce(active, "MN")
    let waits = introduce(left, "WI")
    let lost = introduce(removed, "TX")
    let works = introduce(left, "CA", .connected)
    let pending = world.referral(type: "cpa")
    func found(_ query: String) -> Set<String?> {
      let reply = world.get("/api/admin/referrals?\(query)")
      #expect(reply.verdict == "200")
      return Set(reply.items.map { $0["id"]?.text })
    }
    #expect(found("partner_status=inactive,removed").isEmpty)
    world.move(partner: left, to: .inactive)
    world.move(partner: removed, to: .removed)
    #expect(found("status=intro_sent&partner_status=inactive,removed") == [waits, lost])
    #expect(found("status=intro_sent&partner_status=removed&sort=updated_at") == [lost])
    #expect(found("partner_status=inactive") == [waits, works])
    #expect(found("partner_status=inactive&state=WI") == [waits])
    #expect(found("partner_status=inactive&partner_id=\(left)&status=connected") == [works])
    #expect(found("partner_status=active") == [stays])
    #expect(found("partner_status=active,removed&group_id=\(World.birch)") == [stays, lost])
    #expect(found("partner_status=") == [stays, waits, lost, works, pending])
    #expect(found("partner_status=invited").isEmpty)
    #expect(
      world.get("/api/admin/referrals?partner_status=gone").verdict
        == "400 invalid_parameter partner_status:unknown_value")
    // Page by page, with a cursor that belongs to the filter.
    let page = world.get("/api/admin/referrals?partner_status=inactive,removed&limit=2")
    let next = try #require(page["next_cursor"]?.text)
    let rest = world.get(
      "/api/admin/referrals?partner_status=inactive,removed&limit=2&cursor=\(next)")
    #expect(Set((page.items + rest.items).map { $0["id"]?.text }) == [waits, lost, works])
    #expect(
      world.get("/api/admin/referrals?partner_status=removed&limit=2&cursor=\(next)").verdict
        == "400 invalid_parameter cursor:invalid_cursor")
    // Taken back, it waits for nobody; back in service, the partner is there again.
    #expect(world.put("/api/admin/referrals/\(lost)", ["status": "pending"]).verdict == "200")
    #expect(found("partner_status=removed").isEmpty)
    world.move(partner: left, to: .active)
    #expect(found("partner_status=active") == [stays, waits, works])
    #expect(try world.store.check(now: world.clock.now) == [])
  }

  @Test("Coverage counts active partners, and follows them") func coverageFollows() throws {
    func wyoming() -> String {
      let row = world.get("/api/coverage/WY/agent", as: .nobody)
      return "\(row["status"]?.text ?? "") \(row["partner_count"]?.number ?? -1)"
    }
    #expect(wyoming() == "unavailable 0")
    let first = world.partner(.pendingReview, type: "agent", areas: ["WY", "MN"])
    #expect(wyoming() == "unavailable 0")
    world.move(partner: first, to: .active)
    #expect(wyoming() == "available 1")
    let second = world.partner(.active, type: "agent", areas: ["WY"])
    #expect(wyoming() == "available 2")
    world.put("/api/admin/partners/\(first)", ["service_areas": ["MN"]])
    #expect(wyoming() == "available 1")
    world.put("/api/admin/partners/\(second)", ["type": "title"])
    // There was one once, so there may be one again.
    #expect(wyoming() == "coming_soon 0")
    #expect(world.get("/api/coverage/WY/title")["status"] == "available")
    let events = world.events(of: "WY/agent")
    #expect(events.map { $0["actor"] } == [.null, .null])
    #expect(
      events.map { $0["changes"] } == [
        ["status": ["from": "unavailable", "to": "available"]],
        ["status": ["from": "available", "to": "coming_soon"]],
      ])
  }

  @Test("Staff pins a status, and takes the pin off") func pins() throws {
    let path = "/api/admin/coverage/mn/lender"
    func pin(_ status: JSON) -> String {
      let reply = world.put(path, ["status": status])
      guard reply.status == 200 else { return reply.verdict }
      #expect(world.get("/api/admin/coverage/MN/lender").body == reply.body)
      let shown = world.get("/api/coverage/MN/lender", as: .nobody).json
      #expect(shown.with(["pinned_status": reply["pinned_status"] ?? .null]) == reply.json)
      #expect(reply["pinned_status"] == (status == "" ? .null : status))
      return reply["status"]?.text ?? ""
    }
    #expect(pin("available") == "409 no_active_partner")
    #expect(pin("unavailable") == "unavailable")
    let partner = world.partner(.active, type: "lender", areas: ["MN"])
    // A launch that is held back stays held back.
    #expect(world.get("/api/coverage/MN/lender")["status"] == "unavailable")
    #expect(world.get("/api/coverage/MN/lender")["partner_count"] == 1)
    let count = world.events.count
    #expect(pin("unavailable") == "unavailable")
    #expect(world.events.count == count)
    #expect(pin(.null) == "available")
    #expect(pin("available") == "available")
    #expect(world.get("/api/coverage/MN")["status"] == "available")
    // A pin to available ends with the last partner.
    world.move(partner: partner, to: .inactive)
    #expect(world.get("/api/coverage/MN/lender")["status"] == "coming_soon")
    world.move(partner: partner, to: .active)
    #expect(world.get("/api/coverage/MN/lender")["status"] == "available")
    #expect(pin("coming_soon") == "coming_soon")
    world.move(partner: partner, to: .inactive)
    world.move(partner: partner, to: .active)
    #expect(world.get("/api/coverage/MN/lender")["status"] == "coming_soon")
    #expect(pin("") == "available")

    #expect(
      world.events(of: "MN/lender").map {
        "\($0["kind"]?.text ?? "") \($0["actor"]?["name"]?.text ?? "system")"
      }
        == [
          "coverage.pinned Sam", "coverage.unpinned Sam", "coverage.pinned Sam",
          "coverage.status_changed system", "coverage.status_changed system",
          "coverage.pinned Sam", "coverage.unpinned Sam",
        ])
    #expect(
      world.events(of: "MN/lender").at(3)["changes"] == [
        "status": ["from": "available", "to": "coming_soon"],
        "pinned_status": ["from": "available", "to": .null],
      ])
    for wrong in ["PR/lender", "MN/broker", "MN/Lender", "M/lender"] {
      #expect(
        world.put("/api/admin/coverage/\(wrong)", ["status": .null]).verdict == "404 not_found")
    }
  }

  @Test("What a PUT changes is in the history, and nothing else") func history() throws {
    let partner = world.partner(.invited, with: ["notes": "old"])
    let path = "/api/admin/partners/\(partner)"
    world.clock.pass(milliseconds: 1)
    world.put(
      path,
      [
        "notes": "new", "service_areas": ["MN", "CA"], "agreement_signed_at": .null,
        "company_name": "Company 1",
      ], as: .otherStaff)
    let events = world.get(path + "/history").items
    #expect(events.compactMap { $0["kind"]?.text } == ["partner.updated", "partner.created"])
    #expect(events.at(0)["actor"] == ["id": .string(Person.tess.text), "name": "Tess"])
    #expect(
      events.at(0)["changes"] == [
        "notes": ["from": "old", "to": "new"],
        "service_areas": ["from": ["MN"], "to": ["MN", "CA"]],
        "agreement_signed_at": ["from": "2026-01-01T00:00:00.000Z", "to": .null],
      ])
    #expect(world.get("/api/admin/partners/\(World.unknown)/history").verdict == "404 not_found")
  }

  @Test(
    "Whatever a text holds, the history has it whole",
    arguments: [
      "a\"b", "a\\", "\\\"", "{\"notes\":[", "}],\"x\":", ",", ":", "\n\t", "é😀\u{0301}", "null",
    ])
  func texts(_ text: String) {
    let partner = world.partner(.invited, with: ["notes": .string(text), "contact_name": "Old"])
    let path = "/api/admin/partners/\(partner)"
    world.put(path, ["notes": .string(text + "2"), "contact_name": .null])
    let kept = world.get(path).json["notes"] ?? .null
    let first = text.trimmingBlanks()
    #expect(
      world.get(path + "/history").items.at(0)["changes"] == [
        "contact_name": ["from": "Old", "to": .null],
        "notes": ["from": first.isEmpty ? .null : .string(first), "to": kept],
      ])
  }

  @Test("Accounts: one user for an e-mail address; what changes is in the history")
  func accounts() throws {
    let ann = "/api/admin/users/\(Person.ann)"
    #expect(world.put(ann, ["email": "BOB@example.com"]).verdict == "409 email_taken")
    #expect(
      world.put(
        "/api/admin/users/\(World.unknown)", ["email": "Ann@Example.com", "name": "X"]
      ).verdict == "409 email_taken")
    let count = world.events.count
    let same = world.put(ann, ["email": "ann@example.com", "name": "Ann", "disabled": false])
    #expect(same.status == 200)
    #expect(world.events.count == count)
    #expect(world.put(ann, ["email": "ANN@example.com"]).verdict == "200")
    #expect(
      world.events(of: Person.ann.text).last?["changes"]
        == ["email": ["from": "ann@example.com", "to": "ANN@example.com"]])

    let oak = "/api/admin/groups/\(World.oak)"
    world.put(oak, ["members": [.string(Person.olga.text)], "state": "ca"])
    #expect(world.events(of: World.oak.text).isEmpty)
    world.put(
      oak, ["members": [.string(Person.petra.text), .string(Person.ann.text)], "state": ""])
    let event = try #require(world.events(of: World.oak.text).last)
    #expect(event["kind"] == "group.updated")
    #expect(
      event["changes"] == [
        "state": ["from": "CA", "to": .null],
        "members": [
          "from": [.string(Person.olga.text)],
          "to": [.string(Person.ann.text), .string(Person.petra.text)],
        ],
      ])

    let made = world.post(ann + "/tokens", ["name": "T"])
    let token = try #require(made["id"]?.text)
    let headers: HTTPFields = [.authorization: "Bearer \(made["token"]?.text ?? "")"]
    let list = "/api/groups/\(World.birch)/referrals"
    #expect(world.get(list, headers: headers).status == 200)
    for _ in 0..<2 {
      #expect(world.send("DELETE", "/api/admin/tokens/\(token)").verdict == "204")
      #expect(world.get(list, headers: headers).verdict == "401 unauthenticated")
    }
    let events = world.events(of: token)
    #expect(events.compactMap { $0["kind"]?.text } == ["token.created", "token.revoked"])
    #expect(
      events.at(0)["changes"] == [
        "user_id": ["from": .null, "to": .string(Person.ann.text)],
        "name": ["from": .null, "to": "T"],
        "expires_at": ["from": .null, "to": "2027-02-20T14:30:28.123Z"],
      ])
    #expect(events.at(1)["changes"] == ["revoked_at": ["from": .null, "to": .string(World.start)]])
  }

  @Test("A token ends at its time") func tokenExpiry() throws {
    let made = world.post(
      "/api/admin/users/\(Person.ann)/tokens", ["expires_at": "2026-11-22T14:30:28.124Z"])
    let headers: HTTPFields = [.authorization: "Bearer \(made["token"]?.text ?? "")"]
    let list = "/api/groups/\(World.birch)/referrals"
    #expect(world.get(list, headers: headers).verdict == "200")
    world.clock.pass(milliseconds: 1)
    #expect(world.get(list, headers: headers).verdict == "401 unauthenticated")
  }
}
