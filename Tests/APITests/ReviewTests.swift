import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// What an active partner changes itself, and what staff makes of it.
@Suite struct ReviewTests {
  let world: World
  /// Pablo's record, active.
  let partner: String
  let me = "/api/partners/me"

  init() throws {
    world = try World()
    partner = world.partner(
      .active, areas: ["MN", "CA"],
      with: ["user_id": .string(Person.pablo.text), "website": "https://old.example"])
  }

  private var changes: String { "/api/admin/partners/\(partner)/changes" }

  private var record: JSON { world.get("/api/admin/partners/\(partner)").json }

  private func propose(_ body: JSON, sourceLocation: SourceLocation = #_sourceLocation) -> JSON {
    let reply = world.put(me, body, as: .partner, sourceLocation: sourceLocation)
    #expect(reply.verdict == "200", sourceLocation: sourceLocation)
    return reply["pending_changes"] ?? .null
  }

  private func review(_ decision: String, _ more: JSON = [:]) -> Reply {
    world.put(changes, (["decision": .string(decision)] as JSON).with(more))
  }

  private static let proposal: JSON = [
    "company_name": "New", "email": "new@example.com", "website": "https://new.example",
    "service_areas": ["WI", "MN", "CA"],
  ]

  @Test("Name, e-mail, website and new states wait; contact and telephone change at once")
  func proposed() throws {
    let before = world.get(me, as: .partner)
    let coverage = world.get("/api/coverage/WI/attorney").json
    world.clock.pass(milliseconds: 1)
    let reply = world.put(
      me, ReviewTests.proposal.with(["contact_name": "Pia", "phone": "5550199"]), as: .partner)
    #expect(
      reply.json
        == before.json.with([
          "contact_name": "Pia", "phone": "5550199", "pending_changes": ReviewTests.proposal,
          "updated_at": .string(world.clock.now.text),
        ]))
    #expect(reply.etag == world.get(me, as: .partner).etag)
    #expect(record["pending_changes"] == ReviewTests.proposal)
    let event = try #require(world.events(of: partner).last)
    #expect(event["kind"] == "partner.changes_proposed")
    #expect(event["actor"]?["name"] == "Pablo")
    #expect(
      event["changes"] == [
        "contact_name": ["from": .null, "to": "Pia"], "phone": ["from": .null, "to": "5550199"],
        "pending_changes": ["from": .null, "to": ReviewTests.proposal],
      ])
    // Nobody else sees any of it.
    #expect(world.get("/api/coverage/WI/attorney").json == coverage)
    let profile = world.get("/api/partners/\(partner)", as: .nobody)
    #expect(profile["company_name"] == before["company_name"])
    #expect(profile["pending_changes"] == nil)
    #expect(world.get("/api/partners?state=WI", as: .nobody).items.isEmpty)

    // What was read can be sent back, all of it: nothing happens.
    let contents = try world.contents()
    world.clock.pass(milliseconds: 1)
    #expect(world.put(me, reply.json, as: .partner).body == reply.body)
    #expect(world.put("/api/admin/partners/\(partner)", record).verdict == "200")
    // The same proposals again, in another order of their fields.
    let reversed = JSON.object(ReviewTests.proposal.members.reversed())
    #expect(propose(reversed) == ReviewTests.proposal)
    #expect(try world.contents() == contents)
    for value: JSON in [.null, [:], ["email": "new@example.com"], "x"] {
      #expect(
        world.put(me, ["pending_changes": value], as: .partner).verdict
          == "422 validation /pending_changes:read_only")
      #expect(
        world.put("/api/admin/partners/\(partner)", ["pending_changes": value]).verdict
          == "422 validation /pending_changes:read_only")
    }
    #expect(
      world.post(
        "/api/admin/partners", AudienceTests.newPartner.with(["pending_changes": .null])
      ).verdict == "422 validation /pending_changes:read_only")
  }

  @Test("A later proposal replaces the earlier one of its field alone; the present value does not")
  func replaced() {
    _ = propose(["email": "one@example.com", "website": "https://one.example"])
    #expect(
      propose(["email": "two@example.com", "website": "https://old.example"])
        == ["email": "two@example.com", "website": "https://one.example"])
    #expect(
      propose(["website": .null]) == ["email": "two@example.com", "website": .null])
    #expect(review("approved", ["fields": ["website"]])["website"] == .null)
    #expect(record["pending_changes"] == ["email": "two@example.com"])
  }

  @Test("States that a list removes end at once, and those that it adds wait") func areas() {
    #expect(propose(["service_areas": ["CA", "wi"]]) == ["service_areas": ["CA", "WI"]])
    #expect(record["service_areas"] == ["CA"])
    #expect(world.get("/api/coverage/MN/attorney")["partner_count"] == 0)
    #expect(world.get("/api/coverage/WI/attorney")["partner_count"] == 0)
    let refused = "409 partner_not_ready missing=service_areas"
    for areas: JSON in [[], ["TX"], .null] {
      #expect(world.put(me, ["service_areas": areas], as: .partner).verdict == refused)
    }
    #expect(record["service_areas"] == ["CA"])
    // Staff adds one and removes another; the list that waits follows.
    world.put("/api/admin/partners/\(partner)", ["service_areas": ["CA", "TX", "NY"]])
    #expect(record["pending_changes"] == ["service_areas": ["CA", "WI", "TX", "NY"]])
    // So it does when the partner removes one: that proposes nothing.
    #expect(
      propose(["service_areas": ["TX", "NY"]]) == ["service_areas": ["WI", "TX", "NY"]])
    #expect(world.events(of: partner).last?["kind"] == "partner.updated")
    world.put("/api/admin/partners/\(partner)", ["service_areas": ["TX"]])
    // What is approved is what was shown.
    #expect(record["pending_changes"] == ["service_areas": ["WI", "TX"]])
    let approved = review("approved")
    #expect(approved["service_areas"] == ["WI", "TX"])
    #expect(approved["pending_changes"] == .null)
    #expect(world.get("/api/coverage/WI/attorney")["partner_count"] == 1)
    // What staff does by itself ends the proposal of the same.
    _ = propose(["service_areas": ["WI", "TX", "MN"], "website": "https://new.example"])
    world.put(
      "/api/admin/partners/\(partner)",
      ["service_areas": ["MN", "TX", "WI"], "website": "https://new.example"])
    #expect(record["pending_changes"] == .null)
  }

  @Test("Staff approves or rejects all or some; the history has the values and the note")
  func decide() throws {
    _ = propose(ReviewTests.proposal)
    let old = record
    world.clock.pass(milliseconds: 1)
    let some = review(
      "rejected", ["fields": ["website", " email ", "website"], "note": "Broken."])
    #expect(some.verdict == "200")
    let rest: JSON = ["company_name": "New", "service_areas": ["WI", "MN", "CA"]]
    #expect(
      some.json
        == old.with(["pending_changes": rest, "updated_at": .string(world.clock.now.text)]))
    var event = try #require(world.events(of: partner).last)
    #expect(event["kind"] == "partner.changes_rejected")
    #expect(event["note"] == "Broken.")
    #expect(event["actor"]?["name"] == "Sam")
    #expect(
      event["changes"] == ["pending_changes": ["from": ReviewTests.proposal, "to": rest]])
    let all = review("approved", ["fields": .null])
    #expect(all["company_name"] == "New" && all["service_areas"] == ["WI", "MN", "CA"])
    #expect(all["email"] == old["email"] && all["pending_changes"] == .null)
    #expect(all.etag == world.get("/api/admin/partners/\(partner)").etag)
    event = try #require(world.events(of: partner).last)
    #expect(event["kind"] == "partner.changes_approved")
    #expect(event["note"] == .null)
    #expect(
      event["changes"] == [
        "company_name": ["from": "Company 1", "to": "New"],
        "service_areas": ["from": ["MN", "CA"], "to": ["WI", "MN", "CA"]],
        "pending_changes": ["from": rest, "to": .null],
      ])
    // It shows at once, and the search finds it.
    #expect(world.get("/api/partners?state=WI&q=new", as: .nobody).items.count == 1)
    // Again, there is nothing left.
    #expect(review("approved").verdict == "409 no_pending_changes")
    #expect(review("rejected", ["fields": ["email"]]).verdict == "409 no_pending_changes")
  }

  @Test("What a review can't be, and in which order it is told") func refusedReviews() throws {
    let tag = try #require(world.get("/api/admin/partners/\(partner)").etag)
    _ = propose(["email": "new@example.com", "service_areas": ["MN", "CA", "WI"]])
    let contents = try world.contents()
    for (body, verdict) in [
      ([:], "422 validation /decision:required"),
      (["decision": .null], "422 validation /decision:not_null"),
      (["decision": "maybe"], "422 validation /decision:unknown_value"),
      (["decision": "approved", "fields": []], "422 validation /fields:required"),
      (["decision": "approved", "fields": "email"], "422 validation /fields:wrong_type"),
      (
        ["decision": "approved", "fields": ["email", "website", "email", "description"]],
        "422 validation /fields/1:unknown_value /fields/3:unknown_value"
      ),
      (
        ["decision": "approved", "fields": ["email", "phone", "surplus"]],
        "422 validation /fields/1:unknown_value /fields/2:unknown_value"
      ),
      (
        ["decision": "approved", "fields": ["phone", ""]],
        "422 validation /fields/0:unknown_value /fields/1:required"
      ),
      (["decision": "approved", "fields": [1]], "422 validation /fields/0:wrong_type"),
      (
        ["decision": "approved", "note": 1, "surplus": 1],
        "422 validation /note:wrong_type /surplus:unknown_field"
      ),
    ] as [(JSON, String)] {
      #expect(world.put(changes, body, headers: [.ifMatch: tag]).verdict == verdict)
    }
    #expect(
      world.put(changes, ["decision": "approved"], headers: [.ifMatch: tag]).verdict
        == "412 precondition_failed")
    for path in ["/api/admin/partners/\(World.unknown)/changes", "/api/admin/partners/x/changes"] {
      #expect(world.put(path, [:]).verdict == "404 not_found")
    }
    #expect(try world.contents() == contents)
    let current = try #require(world.get("/api/admin/partners/\(partner)").etag)
    #expect(
      world.put(changes, ["decision": "approved"], headers: [.ifMatch: current]).verdict == "200")
    // A record that is not active has none.
    world.move(partner: partner, to: .inactive)
    #expect(review("approved").verdict == "409 no_pending_changes")
    #expect(
      world.put(changes, ["decision": "approved"], headers: [.ifMatch: current]).verdict
        == "412 precondition_failed")
  }

  @Test("Whose e-mail it is, is looked at when staff approves, and never told to the partner")
  func uniqueness() throws {
    _ = world.partner(with: ["email": "taken@example.com"])
    let replies = ["taken@example.com", "known@example.com"].map { email -> Reply in
      let reply = world.send(
        "PUT", me, as: .partner, body: ["email": .string(email)], id: "same")
      #expect(world.send("DELETE", me + "/changes", as: .partner).verdict == "204")
      return reply
    }
    #expect(replies.map(\.status) == [200, 200])
    #expect(replies[0].text.replacing("taken@", with: "known@") == replies[1].text)
    #expect(Set(replies[0].headers.map(\.name)) == Set(replies[1].headers.map(\.name)))

    _ = propose(["email": "Taken@example.com", "website": "https://new.example"])
    let contents = try world.contents()
    #expect(review("approved").verdict == "409 partner_exists")
    #expect(review("approved", ["fields": ["email"]]).verdict == "409 partner_exists")
    #expect(try world.contents() == contents)
    #expect(review("approved", ["fields": ["website"]]).verdict == "200")
    #expect(review("rejected").verdict == "200")
  }

  @Test("A list that only removes states is no proposal: the earlier one waits without them")
  func removal() {
    #expect(
      propose(["service_areas": ["MN", "CA", "WI"]]) == ["service_areas": ["MN", "CA", "WI"]])
    #expect(propose(["service_areas": ["MN"]]) == ["service_areas": ["MN", "WI"]])
    #expect(record["service_areas"] == ["MN"])
    #expect(review("approved")["service_areas"] == ["MN", "WI"])
  }

  @Test("A partner takes its proposals back, and again") func withdraw() throws {
    _ = propose(["email": "new@example.com"])
    let stored = record
    world.clock.pass(milliseconds: 1)
    #expect(world.send("DELETE", me + "/changes", as: .partner).verdict == "204")
    #expect(
      record
        == stored.with(["pending_changes": .null, "updated_at": .string(world.clock.now.text)]))
    let event = try #require(world.events(of: partner).last)
    #expect(event["kind"] == "partner.changes_withdrawn")
    #expect(
      event["changes"]
        == ["pending_changes": ["from": ["email": "new@example.com"], "to": .null]])
    let contents = try world.contents()
    #expect(world.send("DELETE", me + "/changes", as: .partner).verdict == "204")
    #expect(try world.contents() == contents)
    #expect(
      world.send("DELETE", me + "/changes", as: .otherPartner).verdict == "403 forbidden")
  }

  @Test("Proposals and what is taken back count for the quota; staff's decisions do not")
  func quota() throws {
    let world = try World(quotas: Quotas(partnerChangesPerDay: 2))
    let partner = world.partner(with: ["user_id": .string(Person.pablo.text)])
    #expect(world.put(me, ["email": "a@example.com"], as: .partner).verdict == "200")
    #expect(world.send("DELETE", me + "/changes", as: .partner).verdict == "204")
    #expect(world.send("DELETE", me + "/changes", as: .partner).verdict == "204")
    #expect(world.put(me, ["email": "b@example.com"], as: .partner).status == 429)
    world.clock.pass(milliseconds: 86_400_000)
    #expect(world.put(me, ["email": "c@example.com"], as: .partner).verdict == "200")
    #expect(world.put(me, ["phone": "5550199"], as: .partner).verdict == "200")
    #expect(world.send("DELETE", me + "/changes", as: .partner).status == 429)
    #expect(
      world.put("/api/admin/partners/\(partner)/changes", ["decision": "rejected"]).verdict
        == "200")
  }

  @Test("Proposals end when the partner is no longer active", arguments: ["inactive", "removed"])
  func end(status: String) throws {
    _ = propose(["email": "new@example.com"])
    let moved = world.put("/api/admin/partners/\(partner)/status", ["status": .string(status)])
    #expect(moved["pending_changes"] == .null)
    let event = try #require(world.events(of: partner).last)
    #expect(event["kind"] == "partner.status_changed")
    #expect(
      event["changes"]?["pending_changes"]
        == ["from": ["email": "new@example.com"], "to": .null])
    #expect(review("approved").verdict == "409 no_pending_changes")
  }

  @Test("Staff changes everything at once, and a linked staff user proposes as a partner")
  func staff() {
    world.put("/api/admin/partners/\(partner)", ["user_id": .string(Person.sam.text)])
    let reply = world.put("/api/admin/partners/\(partner)", ["email": "staff@example.com"])
    #expect(reply["email"] == "staff@example.com" && reply["pending_changes"] == .null)
    #expect(
      world.put(me, ["email": "own@example.com"], as: .staff)["pending_changes"]
        == ["email": "own@example.com"])
  }

  @Test("Staff's list and overview find those with proposals") func list() {
    _ = world.partner(.invited, with: ["user_id": .string(Person.paula.text)])
    let path = "/api/admin/partners?pending_changes="
    func found(_ query: String) -> [String] {
      world.get(path + query).items.compactMap { $0["id"]?.text }
    }
    #expect(found("true").isEmpty && found("false").count == 2)
    #expect(world.get("/api/admin/summary")["changes_to_review"] == 0)
    _ = propose(["email": "new@example.com"])
    for sort in ["", "&sort=company_name", "&sort=-updated_at", "&status=active&type=attorney"] {
      #expect(found("true" + sort) == [partner], "\(sort)")
    }
    #expect(found("true&q=company1").count == 1 && found("true&state=MN").count == 1)
    #expect(found("true&status=invited").isEmpty && found("true&type=cpa").isEmpty)
    #expect(found("false").count == 1 && found("").count == 2)
    #expect(world.get("/api/admin/summary")["changes_to_review"] == 1)
    #expect(
      world.get(path + "yes").verdict == "400 invalid_parameter pending_changes:unknown_value")
    _ = review("rejected")
    #expect(found("true").isEmpty)
    #expect(world.get("/api/admin/summary")["changes_to_review"] == 0)
  }
}
