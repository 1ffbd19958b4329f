import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// A request's way from the asking to the outcome.
@Suite struct ReferralLifeTests {
  let world: World

  init() throws { world = try World() }

  /// Where each status leads, as the product's rules have it.
  static func moves(from status: ReferralStatus) -> [ReferralStatus] {
    switch status {
    case .pending: [.matched, .cancelled]
    case .matched: [.matched, .pending, .introSent, .cancelled]
    case .introSent: [.connected, .pending, .closed, .cancelled]
    case .connected: [.closed, .cancelled]
    case .closed: [.connected, .pending]
    case .cancelled: [.pending]
    }
  }

  private func path(_ id: String) -> String { "/api/admin/referrals/\(id)" }

  @Test("Each status to each other", arguments: ReferralStatus.allCases, ReferralStatus.allCases)
  func move(from: ReferralStatus, to: ReferralStatus) throws {
    let referral = world.referral(from)
    let before = world.get(path(referral))
    var body: JSON = ["status": .string(to.rawValue), "note": "Said so"]
    if to == .matched, before["partner_id"] == .null {
      body = body.with(["partner_id": .string(world.partner())])
    }
    // A note on a request that stays as it is has a test of its own.
    if to == from { body = body.without("note") }
    let contents = try world.contents()
    world.clock.pass(milliseconds: 3)
    let now = JSON.string(world.clock.now.text)
    let reply = world.put(path(referral), body)
    let allowed = ReferralLifeTests.moves(from: from)
    if to == from, body["partner_id"] == nil {
      #expect(reply.verdict == "200")
      #expect(reply.body == before.body)
      #expect(reply.etag == before.etag)
      #expect(try world.contents() == contents)
    } else if allowed.contains(to) {
      #expect(reply.verdict == "200")
      #expect(reply["status"] == .string(to.rawValue))
      #expect(reply["updated_at"] == now)
      #expect(
        reply["timeline"]
          == .array(
            (before["timeline"]?.elements ?? []) + [
              ["status": .string(to.rawValue), "at": now]
            ]))
      #expect(
        reply["partner_id"]
          == (to == .pending ? .null : body["partner_id"] ?? before["partner_id"]))
      #expect(
        reply["intro_sent_at"]
          == (to == .introSent ? now : to == .pending ? .null : before["intro_sent_at"]))
      #expect(reply["outcome"] == (to == .closed ? "unknown" : .null))
      let event = try #require(world.get(path(referral) + "/history").items.first)
      let kind =
        switch to {
        case _ where from == .closed || from == .cancelled: "reopened"
        case .pending: "returned"
        case .matched: "matched"
        case .introSent: "intro_sent"
        case .connected: "connected"
        case .closed: "closed"
        case .cancelled: "cancelled"
        }
      #expect(event["kind"] == .string("referral.\(kind)"))
      #expect(event["note"] == "Said so")
      #expect(event["actor"]?["id"] == .string(Person.sam.text))
      #expect(
        event["changes"]?["status"] == ["from": .string(from.rawValue), "to": .string(to.rawValue)])
    } else {
      let list = allowed.map(\.rawValue).joined(separator: ",")
      #expect(reply.verdict == "409 transition_not_allowed allowed=\(list)")
      #expect(try world.contents() == contents)
    }
  }

  @Test("A partner alone says matched; another partner takes its place")
  func matching() throws {
    let first = world.partner()
    let second = world.partner()
    let third = world.partner()
    let referral = world.referral()
    let path = path(referral)
    #expect(world.put(path, ["partner_id": .string(first)])["status"] == "matched")
    let events = world.events.count
    #expect(world.put(path, ["partner_id": .string(first.uppercased())]).verdict == "200")
    #expect(world.put(path, ["partner_id": .string(first), "status": "matched"]).verdict == "200")
    #expect(world.events.count == events)
    let other = world.put(path, ["partner_id": .string(second)])
    #expect(other["status"] == "matched")
    #expect(other["partner"]?["id"] == .string(second))
    let event = try #require(world.events(of: referral).last)
    #expect(event["kind"] == "referral.matched")
    #expect(
      event["changes"] == ["partner_id": ["from": .string(first), "to": .string(second)]])
    // Those that it was taken from are not proposed again.
    func candidates() -> [String] {
      world.get(path + "/candidates").items.compactMap { $0["id"]?.text }
    }
    #expect(candidates() == [third, second])
    world.put(path, ["status": "pending"])
    #expect(candidates() == [third])
    // By hand they may be taken all the same.
    #expect(world.put(path, ["partner_id": .string(first)]).verdict == "200")
    // The introduction may name another partner at once.
    world.clock.pass(milliseconds: 1)
    let introduced = world.put(path, ["status": "intro_sent", "partner_id": .string(third)])
    #expect(introduced.verdict == "200")
    #expect(introduced["partner_id"] == .string(third))
    #expect(introduced["intro_sent_at"] == .string(world.clock.now.text))
  }

  @Test("What contradicts itself is a wrong field, whatever the status")
  func contradictions() throws {
    let partner = JSON.string(world.partner(areas: ["WI"]))
    let pending = world.referral(context: ["state": "WI"])
    let matched = world.referral(.matched, context: ["state": "MN"])
    let introduced = world.referral(.introSent, context: ["state": "CA"])
    let cancelled = world.referral(.cancelled)
    let contents = try world.contents()
    let cases: [(String, JSON, String)] = [
      (pending, ["status": "matched"], "/partner_id:required"),
      (pending, ["status": "matched", "partner_id": .null], "/partner_id:not_null"),
      (pending, ["status": "pending", "partner_id": partner], "/partner_id:not_allowed_here"),
      (pending, ["partner_id": .null], "/partner_id:not_null"),
      (pending, ["partner_id": .string(World.unknown)], "/partner_id:unknown_partner"),
      (pending, ["status": "cancelled", "partner_id": partner], "/partner_id:not_allowed_here"),
      (pending, ["intro_sent_at": .string(World.start)], "/intro_sent_at:not_allowed_here"),
      (
        pending, ["partner_id": partner, "intro_sent_at": .string(World.start)],
        "/intro_sent_at:not_allowed_here"
      ),
      (matched, ["partner_id": .null], "/partner_id:not_null"),
      (matched, ["status": "matched", "partner_id": .null], "/partner_id:not_null"),
      (matched, ["status": "intro_sent", "partner_id": .null], "/partner_id:not_null"),
      (matched, ["status": "pending", "partner_id": partner], "/partner_id:not_allowed_here"),
      (matched, ["intro_sent_at": .string(World.start)], "/intro_sent_at:not_allowed_here"),
      (
        matched, ["status": "intro_sent", "intro_sent_at": "2026-11-22T14:35:28.124Z"],
        "/intro_sent_at:in_future"
      ),
      (introduced, ["intro_sent_at": .null], "/intro_sent_at:not_null"),
      (introduced, ["intro_sent_at": "2027-01-01T00:00:00Z"], "/intro_sent_at:in_future"),
      (introduced, ["partner_id": .null], "/partner_id:not_null"),
      (
        introduced, ["status": "pending", "intro_sent_at": .string(World.start)],
        "/intro_sent_at:not_allowed_here"
      ),
      (cancelled, ["intro_sent_at": .string(World.start)], "/intro_sent_at:not_allowed_here"),
      (cancelled, ["status": "matched"], "/partner_id:required"),
    ]
    for (id, body, errors) in cases {
      #expect(world.put(path(id), body).verdict == "422 validation \(errors)", "\(body)")
    }
    #expect(try world.contents() == contents)
    #expect(
      world.put(path(matched), ["status": "pending", "partner_id": .null]).verdict == "200")
    #expect(
      world.put(
        path(introduced), ["status": "pending", "partner_id": .null, "intro_sent_at": .null]
      )
      .verdict == "200")
  }

  @Test("A partner must fit: active, of the type, serving the state; all reasons are told")
  func eligibility() throws {
    let referral = world.referral(context: ["state": "MN"])
    let anywhere = world.referral()
    let cases: [(String, String, String)] = [
      (world.partner(.invited), referral, "not_active"),
      (world.partner(.pendingReview), referral, "not_active"),
      (world.partner(.inactive), referral, "not_active"),
      (world.partner(.removed), referral, "not_active"),
      (world.partner(type: "lender"), referral, "other_type"),
      (world.partner(areas: ["CA", "WI"]), referral, "does_not_serve_state"),
      (
        world.partner(.inactive, type: "cpa", areas: ["CA"]), referral,
        "not_active,other_type,does_not_serve_state"
      ),
      (world.partner(.inactive, areas: ["CA"]), anywhere, "not_active"),
      (world.partner(areas: ["CA"]), anywhere, ""),
    ]
    for (partner, id, reasons) in cases {
      let contents = try world.contents()
      let reply = world.put(path(id), ["partner_id": .string(partner)])
      if reasons.isEmpty {
        #expect(reply.verdict == "200")
      } else {
        #expect(reply.verdict == "409 partner_not_eligible reasons=\(reasons)")
        #expect(try world.contents() == contents)
      }
    }

    // A matched request may not move to where its partner does not serve; an introduced one may.
    let partner = world.partner(areas: ["MN", "WI"])
    world.put(path(referral), ["partner_id": .string(partner)])
    #expect(world.put(path(referral), ["context": ["state": "WI"]]).verdict == "200")
    #expect(
      world.put(path(referral), ["context": ["state": "CA"]]).verdict
        == "409 partner_not_eligible reasons=does_not_serve_state")
    world.put(path(referral), ["status": "intro_sent"])
    #expect(world.put(path(referral), ["context": ["state": "CA"]]).verdict == "200")
  }

  @Test(
    "Once introduced, another partner is refused; the same one is no change",
    arguments: [ReferralStatus.introSent, .connected, .closed])
  func alreadyIntroduced(status: ReferralStatus) throws {
    let referral = world.referral(status)
    let other = world.partner()
    let contents = try world.contents()
    #expect(
      world.put(path(referral), ["partner_id": .string(other)]).verdict
        == "409 partner_already_introduced")
    #expect(
      world.put(path(referral), ["partner_id": .string(other), "status": .string(status.rawValue)])
        .verdict == "409 partner_already_introduced")
    let own = try #require(world.get(path(referral))["partner_id"])
    #expect(world.put(path(referral), ["partner_id": own]).verdict == "200")
    #expect(try world.contents() == contents)
  }

  @Test("A cancelled request gets no partner") func cancelledGetsNoPartner() throws {
    let referral = world.referral(.cancelled)
    #expect(
      world.put(path(referral), ["partner_id": .string(world.partner())]).verdict
        == "409 transition_not_allowed allowed=pending")
  }

  @Test("Staff changes the partner type of a pending request, not of another")
  func partnerType() throws {
    for status in ReferralStatus.allCases {
      let referral = world.referral(status, type: "title", group: World.oak, as: .outsider)
      let reply = world.put(path(referral), ["partner_type": "insurance"])
      #expect(reply.verdict == (status == .pending ? "200" : "409 referral_not_pending"))
      #expect(
        world.put(path(referral), ["partner_type": reply["partner_type"] ?? "title"]).status == 200)
      // Makes room for the next.
      world.post("/api/groups/\(World.oak)/referrals/\(referral)/cancel")
    }
    let referral = world.referral(type: "cpa")
    let lender = world.partner(type: "lender")
    let both = world.put(path(referral), ["partner_type": "lender", "partner_id": .string(lender)])
    #expect(both.verdict == "200")
    #expect(both["status"] == "matched")
  }

  @Test("The time of an introduction is now, or the past time that staff gives, then or later")
  func introductionTime() throws {
    let referral = world.referral(.matched)
    let path = path(referral)
    world.clock.pass(milliseconds: 10)
    let given = world.put(
      path, ["status": "intro_sent", "intro_sent_at": "2026-11-20T10:00:00+01:00"])
    #expect(given["intro_sent_at"] == "2026-11-20T09:00:00.000Z")
    #expect(given["timeline"]?[2]?["at"] == .string(world.clock.now.text))
    let corrected = world.put(path, ["intro_sent_at": .string(world.clock.now.text)])
    #expect(corrected["intro_sent_at"] == .string(world.clock.now.text))
    #expect(world.events(of: referral).last?["kind"] == "referral.updated")
    world.put(path, ["status": "connected"])
    #expect(world.put(path, ["intro_sent_at": "2026-11-21T00:00:00Z"]).verdict == "200")
    world.put(path, ["status": "cancelled"])
    #expect(world.put(path, ["intro_sent_at": "2026-11-20T00:00:00Z"]).verdict == "200")

    let again = world.referral(.introSent)
    let back = world.put("/api/admin/referrals/\(again)", ["status": "pending"])
    #expect(back["intro_sent_at"] == .null)
    #expect(world.put("/api/admin/referrals/\(again)", ["intro_sent_at": .null]).verdict == "200")
  }

  @Test("One open request of a type and a state; no state counts as one") func oneOpen() throws {
    let list = "/api/groups/\(World.birch)/referrals"
    func ask(_ type: String, _ state: String?, _ group: ID = World.birch) -> String {
      var body: JSON = ["partner_type": .string(type)]
      if let state { body = body.with(["context": ["state": .string(state)]]) }
      return world.post("/api/groups/\(group)/referrals", body).verdict
    }
    let open = world.referral(context: ["state": "MN"])
    #expect(ask("attorney", "mn") == "409 referral_already_open existing=\(list)/\(open)")
    #expect(ask("attorney", "MN", World.oak) == "201")
    #expect(ask("lender", "MN") == "201")
    let nowhere = world.referral()
    #expect(ask("attorney", nil) == "409 referral_already_open existing=\(list)/\(nowhere)")
    let california = world.referral(context: ["state": "CA"])
    let cpa = world.referral(type: "cpa", context: ["state": "MN"])

    let contents = try world.contents()
    let moves: [(String, JSON, String)] = [
      (california, ["context": ["state": "MN"]], open), (california, ["context": [:]], nowhere),
      (cpa, ["partner_type": "attorney"], open),
    ]
    for (id, body, existing) in moves {
      #expect(
        world.put(path(id), body).verdict
          == "409 referral_already_open existing=\(list)/\(existing)")
    }
    #expect(try world.contents() == contents)

    // It is open until it is connected, closed or cancelled.
    let partner = world.partner()
    world.put(path(open), ["partner_id": .string(partner)])
    #expect(ask("attorney", "MN").hasPrefix("409 referral_already_open"))
    world.put(path(open), ["status": "intro_sent"])
    #expect(ask("attorney", "MN").hasPrefix("409 referral_already_open"))
    world.put(path(open), ["status": "connected"])
    #expect(ask("attorney", "MN") == "201")
    world.post("\(list)/\(nowhere)/cancel", as: .member)
    #expect(ask("attorney", nil) == "201")
  }

  @Test(
    "Members cancel until connected, staff until closed; again changes nothing",
    arguments: ReferralStatus.allCases, [Role.member, .staff])
  func cancelling(status: ReferralStatus, role: Role) throws {
    let referral = world.referral(status)
    let path = "/api/groups/\(World.birch)/referrals/\(referral)"
    let before = world.get(path, as: role)
    let contents = try world.contents()
    world.clock.pass(milliseconds: 1)
    let reply = world.post(path + "/cancel", ["note": "Changed our mind"], as: role)
    switch status {
    case .connected where role == .member, .closed:
      // Staff can reopen it.
      let allowed = role == .staff ? "connected,pending" : ""
      #expect(reply.verdict == "409 transition_not_allowed allowed=\(allowed)")
      #expect(try world.contents() == contents)
      return
    case .cancelled:
      #expect(reply.verdict == "200")
      #expect(reply.body == before.body)
      #expect(try world.contents() == contents)
    default:
      #expect(reply.verdict == "200")
      #expect(reply["status"] == "cancelled")
      #expect(reply["partner"] == before["partner"])
      #expect(reply["updated_at"] == .string(world.clock.now.text))
      #expect(reply.json.keys == before.json.keys)
      let event = try #require(world.events(of: referral).last)
      #expect(event["kind"] == "referral.cancelled")
      #expect(event["note"] == "Changed our mind")
      #expect(event["actor"]?["id"] == .string(role.user.text))
      // What people say about a change is for staff.
      #expect(!world.get(path, as: .member).text.contains("Changed our mind"))
    }
    #expect(world.get(path, as: role).body == reply.body)
    let events = world.events.count
    world.clock.pass(milliseconds: 1)
    #expect(world.post(path + "/cancel", as: role).body == reply.body)
    #expect(world.events.count == events)
  }

  @Test(
    "An outcome moves the request along, corrects a closed one, and is not for the others",
    arguments: ReferralStatus.allCases, ["engaged", "not_engaged", "deal_closed", "unknown"])
  func outcomes(status: ReferralStatus, outcome: String) throws {
    let referral = world.referral(status)
    let contents = try world.contents()
    world.clock.pass(milliseconds: 1)
    let reply = world.put(
      path(referral) + "/outcome", ["outcome": .string(outcome), "outcome_notes": "CANARY"])
    guard [.introSent, .connected, .closed].contains(status) else {
      #expect(reply.verdict == "409 outcome_not_possible")
      #expect(try world.contents() == contents)
      return
    }
    let expected = status == .closed || outcome != "engaged" ? "closed" : "connected"
    #expect(reply.verdict == "200")
    #expect(reply["status"] == .string(expected))
    #expect(reply["outcome"] == .string(outcome))
    #expect(reply["outcome_notes"] == "CANARY")
    let event = try #require(world.events(of: referral).last)
    #expect(event["kind"] == "referral.outcome_recorded")
    #expect(
      event["changes"]?["status"]
        == (expected == status.rawValue
          ? nil : ["from": .string(status.rawValue), "to": .string(expected)]))
    #expect(
      !world.get("/api/groups/\(World.birch)/referrals/\(referral)", as: .member).text
        .contains("CANARY"))

    // The same again changes nothing; the notes alone may change once there is an outcome.
    let count = world.events.count
    world.clock.pass(milliseconds: 1)
    let again = world.put(
      path(referral) + "/outcome", ["outcome": .string(outcome), "outcome_notes": "CANARY"])
    #expect(again.body == reply.body)
    #expect(world.put(path(referral) + "/outcome", [:]).body == reply.body)
    #expect(world.events.count == count)
    let cleared = world.put(path(referral) + "/outcome", ["outcome_notes": .null])
    #expect(cleared["outcome_notes"] == .null)
    #expect(cleared["outcome"] == .string(outcome))
    #expect(cleared["status"] == .string(expected))
  }

  @Test("Closed by staff, an outcome that is known stays") func closedWithOutcome() throws {
    let referral = world.referral(.introSent)
    world.put(path(referral) + "/outcome", ["outcome": "engaged"])
    #expect(world.put(path(referral), ["status": "closed"])["outcome"] == "engaged")
    let corrected = world.put(path(referral) + "/outcome", ["outcome": "deal_closed"])
    #expect(corrected["status"] == "closed")
    #expect(
      corrected["timeline"]?.elements.compactMap { $0["status"]?.text }
        == ["pending", "matched", "intro_sent", "connected", "closed"])
    // Cancelled with an outcome, none is recorded any more.
    let other = world.referral(.introSent)
    world.put(path(other) + "/outcome", ["outcome": "engaged"])
    world.put(path(other), ["status": "cancelled"])
    #expect(
      world.put(path(other) + "/outcome", ["outcome": "unknown"]).verdict
        == "409 outcome_not_possible")
  }

  @Test("Notes are in the history, newest first, and nowhere else") func notes() throws {
    let referral = world.referral()
    world.put(path(referral), ["note": "First call:\n\tno answer "])
    world.put(path(referral), ["partner_id": .string(world.partner()), "note": "Second"])
    world.put(path(referral), ["status": "matched", "note": "Phoned"])
    world.put(path(referral), ["status": "matched", "note": "Phoned"])
    world.put(path(referral), ["note": "Phoned"])
    let history = world.get(path(referral) + "/history").items
    #expect(
      history.map { "\($0["kind"]?.text ?? ""): \($0["note"]?.text ?? "-")" } == [
        "referral.noted: Phoned", "referral.matched: Second",
        "referral.noted: First call:\n\tno answer",
        "referral.requested: -",
      ])
    #expect(history.at(2)["changes"] == [:])
    // What another says is theirs, even in the same words.
    world.put(path(referral), ["note": "Phoned"], as: .otherStaff)
    #expect(world.get(path(referral) + "/history").items.count == history.count + 1)
    #expect(!world.get(path(referral)).text.contains("First call"))
    #expect(!world.get("/api/admin/referrals").text.contains("First call"))
    for suffix in ["", "/history", "/candidates"] {
      #expect(
        world.get("/api/admin/referrals/\(World.unknown)\(suffix)").verdict == "404 not_found")
      #expect(world.get("/api/admin/referrals/1\(suffix)").verdict == "404 not_found")
    }
  }

  @Test("Candidates stand in Tomi's order for a request in any status") func order() throws {
    let certified: JSON = ["co_ownership_certified": true]
    let busy = world.partner(with: certified)
    let late = world.partner()
    let early = world.partner()
    let fresh = world.partner()
    let best = world.partner(with: certified)
    // Closed requests are not open, but their introduction counts.
    for (partner, day) in [(late, 21), (early, 20)] {
      let referral = world.referral(.matched, partner: partner, group: World.oak, as: .outsider)
      world.put(
        path(referral),
        ["status": "intro_sent", "intro_sent_at": .string("2026-11-\(day)T00:00:00Z")])
      world.put(path(referral), ["status": "closed"])
    }
    _ = world.referral(.matched, partner: busy, group: World.oak, as: .outsider)
    let referral = world.referral()
    for status in ["pending", "cancelled"] {
      world.put(path(referral), ["status": .string(status)])
      let candidates = world.get(path(referral) + "/candidates").items
      #expect(candidates.compactMap { $0["id"]?.text } == [best, busy, fresh, early, late])
      #expect(
        candidates.at(4)["why"] == ["No open referrals", "Last introduced on 2026-11-21"])
      #expect(candidates.at(4)["last_intro_at"] == "2026-11-21T00:00:00.000Z")
    }
  }
}
