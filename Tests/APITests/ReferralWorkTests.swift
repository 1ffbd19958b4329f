import Domain
import HTTPTypes
import JSON
import Store
import Testing

@testable import API

/// What staff and groups do with a request beside its way: contact, owner, dates, consent, reopening, the working list.
@Suite struct ReferralWorkTests {
  private let requests = "/api/groups/\(World.birch)/referrals"
  private func path(_ id: String) -> String { "/api/admin/referrals/\(id)" }
  private func text(_ id: ID) -> JSON { .string(id.text) }

  private static let consent = Consent(version: "2026-01", text: "You agree.\n\nTo this.")

  // MARK: The contact

  @Test(
    "The contact is the requester if a member, else nobody; the requester or staff may name a member"
  )
  func contactOfNew() throws {
    let world = try World()
    let cases: [(String, Role, JSON, JSON)] = [
      ("attorney", .member, [:], text(Person.ann)),
      ("lender", .member, ["contact_id": .null], text(Person.ann)),
      ("agent", .member, ["contact_id": text(Person.bob)], text(Person.bob)),
      ("title", .staff, [:], .null),
      ("insurance", .staff, ["requested_by": text(Person.bob)], text(Person.bob)),
      ("cpa", .staff, ["contact_id": text(Person.ann)], text(Person.ann)),
    ]
    for (type, role, body, contact) in cases {
      let made = world.post(requests, body.with(["partner_type": .string(type)]), as: role)
      #expect(made.verdict == "201", "\(type)")
      #expect(made["contact_id"] == contact, "\(type)")
      let event = world.events(of: made["id"]?.text ?? "").first
      #expect(event?["changes"]?["contact_id"]?["to"] == (contact == .null ? nil : contact))
    }
    let contents = try world.contents()
    for role in [Role.member, .staff] {
      for contact in [Person.olga.text, World.unknown] {
        #expect(
          world.post(
            requests, ["partner_type": "cpa", "contact_id": .string(contact)], as: role
          ).verdict == "422 validation /contact_id:not_a_member")
      }
      #expect(
        world.post(requests, ["partner_type": "cpa", "contact_id": "x"], as: role).verdict
          == "422 validation /contact_id:invalid_format")
      #expect(
        world.post(requests, ["partner_type": "cpa", "contact_id": 1], as: role).verdict
          == "422 validation /contact_id:wrong_type")
    }
    #expect(try world.contents() == contents)
  }

  @Test("Staff changes the contact until the request is over, and takes it off only while pending")
  func changeContact() throws {
    let world = try World()
    let bob: JSON = ["contact_id": text(Person.bob)]
    let nobody: JSON = ["contact_id": .null]
    for status in ReferralStatus.allCases {
      let referral = world.referral(status)
      let reply = world.put(path(referral), bob)
      #expect(reply.verdict == (status.isOver ? "409 referral_closed" : "200"), "\(status)")
      if !status.isOver {
        #expect(
          reply["contact"] == [
            "id": text(Person.bob), "name": "Bob", "email": "bob@example.com",
          ])
        #expect(
          world.events(of: referral).last?["changes"] == [
            "contact_id": ["from": text(Person.ann), "to": text(Person.bob)]
          ])
      }
      #expect(
        world.put(path(referral), nobody).verdict
          == (status == .pending ? "200" : "422 validation /contact_id:not_null"), "\(status)")
      for other in [Person.olga.text, World.unknown] {
        #expect(
          world.put(path(referral), ["contact_id": .string(other)]).verdict
            == "422 validation /contact_id:not_a_member", "\(status)")
      }
      // What was read may be sent back.
      #expect(world.put(path(referral), world.get(path(referral)).json).verdict == "200")
      if !status.isOver { world.put(path(referral), ["status": "cancelled"]) }
    }
    // A member has no way to change it.
    #expect(world.put(path(world.referral()), bob, as: .member).verdict == "403 forbidden")
  }

  @Test("An introduction needs a contact who is still a member and not disabled")
  func contactMissing() throws {
    let world = try World()
    let missing = "409 contact_missing"
    let introduce: JSON = ["status": "intro_sent"]
    let ofStaff = world.referral(.matched, type: "lender", as: .staff)
    #expect(world.put(path(ofStaff), introduce).verdict == missing)
    // In one body, with who looks after it.
    let introduced = world.put(
      path(ofStaff),
      introduce.with(["contact_id": text(Person.bob), "assigned_to": text(Person.sam)]))
    #expect(introduced.verdict == "200")
    #expect(introduced["assignee"] == ["id": text(Person.sam), "name": "Sam"])

    let referral = world.referral(.matched)
    let group = "/api/admin/groups/\(World.birch)"
    world.put(group, ["members": [text(Person.bob), text(Person.dora)]])
    #expect(world.put(path(referral), introduce).verdict == missing)
    world.put(group, ["members": [text(Person.ann), text(Person.bob), text(Person.dora)]])
    world.put("/api/admin/users/\(Person.ann)", ["disabled": true])
    #expect(world.put(path(referral), introduce).verdict == missing)
    #expect(
      world.put(path(referral), introduce.with(["contact_id": text(Person.dora)])).verdict
        == missing)
    world.put("/api/admin/users/\(Person.ann)", ["disabled": false])
    #expect(world.put(path(referral), introduce).verdict == "200")
    // The contact of an introduced request is somebody who can be reached.
    #expect(world.put(path(referral), ["contact_id": text(Person.dora)]).verdict == missing)
    #expect(world.put(path(referral), ["contact_id": text(Person.bob)]).verdict == "200")
  }

  @Test(
    "The partner sees the contact and the need until the request is cancelled or the contact disabled"
  )
  func partnersView() throws {
    let world = try World()
    let partner = world.partner(with: ["user_id": text(Person.pablo)])
    let context: JSON = ["state": "MN", "group_size": 3, "specific_need": "The need"]
    let referral = world.referral(.introSent, context: context, partner: partner)
    func seen() -> JSON {
      world.get("/api/partners/me/referrals", as: .partner).items.first ?? .null
    }
    func expect(_ contact: JSON, _ need: JSON, _ comment: Comment) {
      #expect(seen()["contact"] == contact, comment)
      #expect(seen()["context"]?["specific_need"] == need, comment)
      #expect(seen()["context"]?["group_size"] == 3, comment)
      #expect(seen()["context"]?["state"] == "MN", comment)
    }
    let ann: JSON = ["name": "Ann", "email": "ann@example.com"]
    let bob: JSON = ["name": "Bob", "email": "bob@example.com"]
    expect(ann, "The need", "introduced")
    world.put(path(referral), ["contact_id": text(Person.bob)])
    expect(bob, "The need", "another contact")
    world.put("/api/admin/users/\(Person.bob)", ["disabled": true])
    expect(.null, .null, "disabled")
    // Staff and the group see it all the same.
    #expect(world.get(path(referral))["contact"]?["name"] == "Bob")
    #expect(world.get(path(referral))["context"]?["specific_need"] == "The need")
    world.put("/api/admin/users/\(Person.bob)", ["disabled": false])
    world.put("/api/admin/groups/\(World.birch)", ["members": [text(Person.ann)]])
    expect(bob, "The need", "no longer a member")
    world.put(path(referral), ["status": "closed"])
    expect(bob, "The need", "closed")
    world.put(path(referral), ["status": "connected"])
    world.put(path(referral), ["status": "cancelled"])
    expect(.null, .null, "cancelled")
    #expect(
      world.get("\(requests)/\(referral)", as: .member)["context"]?["specific_need"] == "The need")
    for word in ["requester", "contact_id", "assign", "follow_up", "consent"] {
      #expect(!world.get("/api/partners/me/referrals", as: .partner).text.contains(word))
    }
  }

  // MARK: Owner and dates

  @Test("A request is given to staff: the caller, or whoever has a valid token of the scope admin")
  func assign() throws {
    let world = try World()
    let referral = path(world.referral())
    func give(_ user: JSON) -> String { world.put(referral, ["assigned_to": user]).verdict }
    #expect(give(text(Person.tess)) == "200")
    #expect(world.get(referral)["assignee"] == ["id": text(Person.tess), "name": "Tess"])
    #expect(
      world.events.last?["changes"] == ["assigned_to": ["from": .null, "to": text(Person.tess)]])
    #expect(world.events.last?["kind"] == "referral.updated")
    let events = world.events.count
    #expect(give(text(Person.tess)) == "200")
    #expect(world.events.count == events)
    #expect(give(text(Person.ann)) == "422 validation /assigned_to:not_staff")
    #expect(give(.string(World.unknown)) == "422 validation /assigned_to:unknown_user")
    #expect(give("me") == "422 validation /assigned_to:invalid_format")
    #expect(give(.null) == "200")
    #expect(world.get(referral)["assignee"] == .null)

    // Another scope is no staff that does the work.
    try world.run("UPDATE tokens SET scope = 'read' WHERE user_id = '\(Person.tess)'")
    #expect(give(text(Person.tess)) == "422 validation /assigned_to:not_staff")
    for change in ["revoked_at = created_at", "expires_at = created_at"] {
      try world.run(
        "UPDATE tokens SET scope = 'admin', revoked_at = NULL, expires_at = NULL WHERE user_id = '\(Person.tess)'"
      )
      #expect(give(text(Person.tess)) == "200")
      #expect(give(text(Person.sam)) == "200")
      try world.run("UPDATE tokens SET \(change) WHERE user_id = '\(Person.tess)'")
      #expect(give(text(Person.tess)) == "422 validation /assigned_to:not_staff")
    }
    // A value that is sent back is not checked again.
    try world.run("UPDATE referral_requests SET assigned_to = '\(Person.tess)'")
    #expect(give(text(Person.tess)) == "200")
    try world.run("UPDATE referral_requests SET assigned_to = NULL")
    try world.run(
      "UPDATE tokens SET revoked_at = NULL, expires_at = NULL, scope = 'admin' WHERE user_id = '\(Person.tess)'"
    )
    try world.run("UPDATE users SET disabled = 1 WHERE id = '\(Person.tess)'")
    #expect(give(text(Person.tess)) == "422 validation /assigned_to:not_staff")
  }

  @Test("A day to follow up may be any day, in any status")
  func followUp() throws {
    let world = try World()
    for status in ReferralStatus.allCases {
      let referral = path(world.referral(status))
      for day in ["2026-12-01", "2020-02-29"] {
        let reply = world.put(referral, ["follow_up_on": .string(day)])
        #expect(reply.verdict == "200", "\(status)")
        #expect(reply["follow_up_on"] == .string(day))
      }
      #expect(
        world.events.last?["changes"]
          == ["follow_up_on": ["from": "2026-12-01", "to": "2020-02-29"]])
      for wrong: JSON in ["2026-02-30", "tomorrow", "2026-12-01T00:00:00Z"] {
        #expect(
          world.put(referral, ["follow_up_on": wrong]).verdict
            == "422 validation /follow_up_on:invalid_format")
      }
      #expect(world.put(referral, ["follow_up_on": ""])["follow_up_on"] == .null)
      world.put(referral, ["status": "cancelled"])
    }
    for (name, value) in [("assigned_to", text(Person.sam)), ("follow_up_on", "2026-12-01")] {
      for role in [Role.member, .staff] {
        #expect(
          world.post(requests, ["partner_type": "title", name: value], as: role).verdict
            == "422 validation /\(name):read_only")
      }
    }
  }

  @Test("The status has its time")
  func statusSince() throws {
    let world = try World()
    let referral = world.referral(.matched)
    #expect(world.get(path(referral))["status_since"] == .string(World.start))
    world.clock.pass(milliseconds: 5)
    world.put(path(referral), ["follow_up_on": "2026-12-01"])
    #expect(world.get(path(referral))["status_since"] == .string(World.start))
    world.put(path(referral), ["status": "intro_sent", "intro_sent_at": "2026-11-01T00:00:00Z"])
    let now = JSON.string(world.clock.now.text)
    #expect(world.get(path(referral))["status_since"] == now)
    #expect(world.get("\(requests)/\(referral)", as: .member)["status_since"] == now)
  }

  @Test(
    "Of two members of staff who change a request at once, the second is told, and nothing is lost")
  func atOnce() throws {
    let world = try World()
    let referral = path(world.referral(.matched))
    let seen = world.get(referral)
    let tag = try #require(seen.etag)
    world.clock.pass(milliseconds: 1)
    let first = world.put(
      referral, ["assigned_to": text(Person.sam), "note": "Mine"], headers: [.ifMatch: tag])
    #expect(first.verdict == "200")
    let contents = try world.contents()
    let body: JSON = ["follow_up_on": "2026-12-01", "status": "intro_sent"]
    let second = world.put(referral, body, as: .otherStaff, headers: [.ifMatch: tag])
    #expect(second.verdict == "412 precondition_failed")
    #expect(try world.contents() == contents)
    // After reading again, both changes are there.
    let again = world.get(referral, as: .otherStaff)
    let third = world.put(
      referral, again.json.with(["follow_up_on": "2026-12-01", "status": "intro_sent"]),
      as: .otherStaff, headers: [.ifMatch: try #require(again.etag)])
    #expect(third["assigned_to"] == text(Person.sam))
    #expect(third["follow_up_on"] == "2026-12-01")
    #expect(third["status"] == "intro_sent")
  }

  // MARK: Consent

  @Test("The text to agree to is public, and 404 without one")
  func consentText() throws {
    #expect(try World().get("/api/consent", as: .nobody).verdict == "404 not_found")
    let world = try World(consent: ConsentPolicy(present: Self.consent))
    for role in [Role.nobody, .unknownToken, .member, .staff] {
      let reply = world.get("/api/consent", as: role)
      #expect(reply.json == ["version": "2026-01", "text": "You agree.\n\nTo this."])
      #expect(reply.headers[.cacheControl] == "public, max-age=60, stale-while-revalidate=300")
      let known = world.get(
        "/api/consent", as: role, headers: [.ifNoneMatch: try #require(reply.etag)])
      #expect(known.status == 304)
    }
    #expect(
      world.get("/api/consent?version=1").verdict
        == "400 invalid_parameter version:unknown_parameter")
  }

  @Test("Consent is kept with its time, and seen by staff and the group")
  func keepConsent() throws {
    let world = try World()
    let made = world.post(
      requests, ["partner_type": "cpa", "consent_version": " 2025-07 "], as: .member)
    #expect(made["consent_version"] == "2025-07")
    #expect(made["consented_at"] == .string(World.start))
    let id = made["id"]?.text ?? ""
    #expect(
      world.events(of: id).first?["changes"]?["consented_at"]
        == ["from": .null, "to": .string(World.start)])
    world.clock.pass(milliseconds: 1)
    let same = world.put(path(id), ["consent_version": "2025-07"])
    #expect(same["consented_at"] == .string(World.start))
    let changed = world.put(path(id), ["consent_version": "2026-01"])
    #expect(changed["consented_at"] == .string(world.clock.now.text))
    #expect(
      world.get("\(requests)/\(id)", as: .member)["consent_version"] == "2026-01")
    let cleared = world.put(path(id), ["consent_version": .null])
    #expect(cleared["consent_version"] == .null)
    #expect(cleared["consented_at"] == .null)
    #expect(
      world.put(path(id), ["consented_at": .string(World.start)]).verdict
        == "422 validation /consented_at:read_only")
    for (value, code) in [
      (JSON.string(String(repeating: "1", count: 51)), "too_long"), (1, "wrong_type"),
      ("1\n2", "control_character"),
    ] {
      #expect(
        world.put(path(id), ["consent_version": value]).verdict
          == "422 validation /consent_version:\(code)")
      #expect(
        world.post(requests, ["partner_type": "agent", "consent_version": value], as: .member)
          .verdict == "422 validation /consent_version:\(code)")
    }
    // Staff on the group's behalf, without a version.
    let ofStaff = world.post(requests, ["partner_type": "title"])
    #expect(ofStaff["consented_at"] == .null)
  }

  @Test(
    "If consent is required, a member's request needs the present version, and an introduction any")
  func requireConsent() throws {
    let world = try World(consent: ConsentPolicy(present: Self.consent, isRequired: true))
    let body: JSON = ["partner_type": "attorney"]
    for (version, code) in [
      (nil, "required"), (.null, "required"), ("", "required"), ("2025-07", "unknown_value"),
      (.string(String(repeating: "1", count: 51)), "too_long"),
    ] as [(JSON?, String)] {
      let sent = version.map { body.with(["consent_version": $0]) } ?? body
      #expect(
        world.post(requests, sent, as: .member).verdict
          == "422 validation /consent_version:\(code)")
    }
    // Staff asks without it, and may record another version later.
    let made = world.post(requests, body.with(["requested_by": text(Person.ann)]))
    #expect(made.verdict == "201")
    let referral = path(made["id"]?.text ?? "")
    world.put(referral, ["partner_id": .string(world.partner())])
    let contents = try world.contents()
    #expect(world.put(referral, ["status": "intro_sent"]).verdict == "409 consent_missing")
    #expect(try world.contents() == contents)
    let introduced = world.put(referral, ["status": "intro_sent", "consent_version": "2025-07"])
    #expect(introduced.verdict == "200")
    #expect(introduced["consented_at"] == .string(World.start))

    let agreed = world.post(
      requests, ["partner_type": "cpa", "consent_version": "2026-01"], as: .member)
    #expect(agreed.verdict == "201")
    let ofMember = path(agreed["id"]?.text ?? "")
    world.put(ofMember, ["partner_id": .string(world.partner(type: "cpa"))])
    #expect(world.put(ofMember, ["status": "intro_sent"]).verdict == "200")
  }

  @Test(
    "Without the requirement, a member may leave it out, but names no other version than the present one"
  )
  func presentConsent() throws {
    let world = try World(consent: ConsentPolicy(present: Self.consent))
    let body: JSON = ["partner_type": "attorney", "consent_version": "2025-07"]
    #expect(
      world.post(requests, body, as: .member).verdict
        == "422 validation /consent_version:unknown_value")
    #expect(world.post(requests, body, as: .staff)["consent_version"] == "2025-07")
    #expect(world.referral(.introSent, type: "cpa").isEmpty == false)
  }

  // MARK: Reopening

  @Test("Staff reopens a closed request as connected: it keeps its partner and introduction")
  func reopenConnected() throws {
    let world = try World()
    let referral = world.referral(.connected)
    let before = world.get(path(referral))
    world.put(
      path(referral) + "/outcome", ["outcome": "not_engaged", "outcome_notes": "By mistake"])
    let reopened = world.put(path(referral), ["status": "connected", "note": "They did engage."])
    #expect(reopened.verdict == "200")
    #expect(reopened["outcome"] == .null)
    #expect(reopened["outcome_notes"] == "By mistake")
    for field in ["partner_id", "intro_sent_at", "contact_id"] {
      #expect(reopened[field] == before[field])
    }
    let event = try #require(world.events(of: referral).last)
    #expect(event["kind"] == "referral.reopened")
    #expect(event["note"] == "They did engage.")
    #expect(event["changes"]?["outcome"] == ["from": "not_engaged", "to": .null])
    #expect(
      world.put(path(referral) + "/outcome", ["outcome": "deal_closed"])["status"] == "closed")
    #expect(try world.store.check(now: world.clock.now) == [])
  }

  @Test(
    "A request that is reopened as pending has no partner, and that partner is not proposed again")
  func reopenPending() throws {
    let world = try World()
    for status in [ReferralStatus.closed, .cancelled] {
      let partner = world.partner(type: "cpa")
      let referral = world.referral(
        status == .closed ? .closed : .introSent, type: "cpa", partner: partner)
      if status == .cancelled { world.put(path(referral), ["status": "cancelled"]) }
      #expect(
        world.put(path(referral), ["status": "pending", "partner_id": .string(partner)]).verdict
          == "422 validation /partner_id:not_allowed_here")
      world.clock.pass(milliseconds: 86_400_000)
      let reopened = world.put(path(referral), ["status": "pending"])
      #expect(reopened.verdict == "200")
      for field in ["partner_id", "intro_sent_at", "outcome", "partner"] {
        #expect(reopened[field] == .null, "\(field)")
      }
      #expect(reopened["status_since"] == .string(world.clock.now.text))
      let candidates = world.get(path(referral) + "/candidates").items
      #expect(!candidates.contains { $0["id"] == .string(partner) })
      #expect(try world.store.check(now: world.clock.now) == [])
      // It goes its way again, with another one.
      let other = world.partner(type: "cpa")
      #expect(world.put(path(referral), ["partner_id": .string(other)])["status"] == "matched")
      world.put(path(referral), ["status": "cancelled"])
    }
  }

  @Test("A group has one open request, also after a reopening")
  func reopenOpen() throws {
    let world = try World()
    let cancelled = world.referral(.cancelled)
    let closed = world.referral(.closed)
    let open = world.referral()
    let taken = "409 referral_already_open existing=\(requests)/\(open)"
    let contents = try world.contents()
    for referral in [cancelled, closed] {
      #expect(world.put(path(referral), ["status": "pending"]).verdict == taken)
    }
    #expect(try world.contents() == contents)
    // A connected request is not open.
    #expect(world.put(path(closed), ["status": "connected"]).verdict == "200")
    world.put(path(open), ["status": "cancelled"])
    #expect(world.put(path(cancelled), ["status": "pending"]).verdict == "200")
    #expect(
      world.put(path(closed), ["status": "pending"]).verdict
        == "409 transition_not_allowed allowed=closed,cancelled")
  }

  @Test("Members do not reopen, nor learn that staff may")
  func reopenAsMember() throws {
    let world = try World()
    let closed = world.referral(.closed)
    #expect(
      world.post("\(requests)/\(closed)/cancel", as: .member).verdict
        == "409 transition_not_allowed allowed=")
    #expect(
      world.post("\(requests)/\(closed)/cancel", as: .staff).verdict
        == "409 transition_not_allowed allowed=connected,pending")
    #expect(
      world.put(path(closed), ["status": "connected"], as: .member).verdict == "403 forbidden")
  }

  // MARK: The working list

  @Test("The working list: whose, until when, for how long, and what words")
  func workingList() throws {
    let world = try World()
    let old = world.referral(.matched, type: "attorney")
    world.clock.pass(milliseconds: 5 * 86_400_000)
    let mine = world.referral(type: "lender")
    let theirs = world.referral(type: "agent", group: World.oak, as: .outsider)
    world.put(path(mine), ["assigned_to": text(Person.sam), "follow_up_on": "2026-11-26"])
    world.put(path(theirs), ["assigned_to": text(Person.tess), "follow_up_on": "2026-11-27"])
    let names = [old: "old", mine: "mine", theirs: "theirs"]
    for (query, expected) in [
      ("assigned_to=me", ["mine"]), ("assigned_to=none", ["old"]),
      ("assigned_to=\(Person.tess)", ["theirs"]),
      ("assigned_to=\(Person.tess.text.uppercased())", ["theirs"]),
      ("assigned_to=\(World.unknown)", []), ("assigned_to=", ["theirs", "mine", "old"]),
      ("follow_up_until=2026-11-26", ["mine"]), ("follow_up_until=2026-11-27", ["theirs", "mine"]),
      ("follow_up_until=2026-11-25", []), ("follow_up_until=2026-11-27&status=matched", []),
      ("follow_up_until=2026-11-27&assigned_to=me", ["mine"]),
      ("in_status_days=0", ["theirs", "mine", "old"]), ("in_status_days=5", ["old"]),
      ("in_status_days=6", []), ("in_status_days=5&status=pending", []),
      ("q=oak", ["theirs"]), ("q=ann", ["mine", "old"]),
      ("q=birch+ann@example.com", ["mine", "old"]),
      ("q=company", ["old"]), ("q=company+birch", ["old"]), ("q=!", []), ("q=nobody", []),
      ("q=birch&assigned_to=me&status=pending,matched", ["mine"]),
      ("sort=status_since", ["old", "mine", "theirs"]),
      ("sort=-status_since&assigned_to=none", ["old"]),
      ("sort=-status_since&q=example", ["theirs", "mine", "old"]),
    ] as [(String, [String])] {
      let reply = world.get("/api/admin/referrals?\(query)")
      #expect(reply.verdict == "200", "\(query)")
      #expect(
        reply.items.compactMap { $0["id"]?.text.flatMap { names[$0] } } == expected, "\(query)")
    }
    #expect(
      world.get("/api/admin/referrals?assigned_to=me", as: .reader).items
        .compactMap { $0["id"]?.text } == [theirs])
    for (query, error) in [
      ("assigned_to=you", "assigned_to:invalid_format"),
      ("assigned_to=ME", "assigned_to:invalid_format"),
      ("assigned_to=me&assigned_to=none", "assigned_to:repeated_parameter"),
      ("follow_up_until=2026-13-01", "follow_up_until:invalid_format"),
      ("in_status_days=-1", "in_status_days:out_of_range"),
      ("in_status_days=3651", "in_status_days:out_of_range"),
      ("sort=follow_up_on", "sort:unknown_value"),
      ("q=\(String(repeating: "a", count: 201))", "q:too_long"),
    ] {
      #expect(
        world.get("/api/admin/referrals?\(query)").verdict == "400 invalid_parameter \(error)",
        "\(query)")
    }
  }

  @Test("The overview counts the requests that were to be followed up before today")
  func overdue() throws {
    let world = try World()
    func overdue() -> JSON? { world.get("/api/admin/summary")["follow_ups_overdue"] }
    let first = world.referral(type: "attorney")
    let second = world.referral(.connected, type: "lender")
    world.put(path(first), ["follow_up_on": "2026-11-21"])
    world.put(path(second), ["follow_up_on": "2026-11-22"])
    #expect(overdue() == 1)
    world.clock.pass(milliseconds: 86_400_000)
    #expect(overdue() == 2)
    world.put(path(second), ["status": "closed"])
    #expect(overdue() == 1)
    world.put(path(first), ["follow_up_on": .null])
    #expect(overdue() == 0)
  }
}
