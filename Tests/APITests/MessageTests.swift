import Domain
import HTTPTypes
import JSON
import Testing

@testable import API
@testable import Store

/// Which messages follow from what is done, and what staff sees and does with them.
@Suite struct MessageTests {
  private let list = "/api/admin/messages"
  private func path(_ message: JSON) -> String { "\(list)/\(message["id"]?.text ?? "")" }
  private func referral(_ id: String) -> String { "/api/admin/referrals/\(id)" }

  /// The messages that a query finds, oldest first: kind and address, and the status unless it is queued.
  private func found(_ world: World, _ query: String = "") -> [String] {
    world.messages(query).map { message in
      let status = message["status"]?.text ?? ""
      return "\(message["kind"]?.text ?? "") \(message["to"]?.text ?? "nobody")"
        + (status == "queued" ? "" : " " + status)
    }
  }

  /// What the letter of the newest message of a kind and to an address says.
  private func values(_ world: World, _ kind: String, to address: String) throws -> JSON {
    let message = try #require(world.messages("kind=\(kind)&to=\(address)").last)
    return try JSON(parsing: Array((world.get(path(message))["text"]?.text ?? "").utf8))
  }

  /// A world with Pablo's partner, active.
  private func furnish(
    consent: ConsentPolicy = ConsentPolicy(), mail: MailSettings? = World.mail
  ) throws -> (world: World, partner: String) {
    let world = try World(consent: consent, mail: mail)
    let partner = world.partner(with: [
      "email": "law@example.com", "contact_name": "Nora", "phone": "555-0100",
      "user_id": .string(Person.pablo.text), "affiliation_disclosure": "Tomi owns a share of it.",
    ])
    try world.deliver()
    return (world, partner)
  }

  // MARK: Requests

  @Test("A request, its introduction, and a partner that accepts") func accepted() throws {
    let (world, partner) = try furnish()
    let id = world.referral(
      .matched,
      context: [
        "state": "MN", "group_size": 3, "home_price_range": ["min": 350_000, "max": 420_000],
        "specific_need": "A TIC agreement.",
      ], partner: partner)
    let about = "referral_id=\(id)"
    let received = ["request.received ann@example.com", "request.new staff@tomi.example"]
    #expect(found(world, about) == received)
    let first = world.messages(about).at(0)
    #expect(first["referral_id"]?.text == id)
    #expect(first["user_id"]?.text == Person.ann.text)
    #expect(first["partner_id"] == .null)
    #expect(try values(world, "request.received", to: "ann@example.com")["partner"] == .null)
    let new = try values(world, "request.new", to: World.staffAddress)
    #expect(new["requester"] == ["name": "Ann", "email": "ann@example.com"])
    #expect(new["links"]?["desk"]?.text == "https://tomi.example/desk/referral?id=\(id)")

    world.put(referral(id), ["status": "intro_sent"])
    let introduced =
      received + ["introduction.partner law@example.com", "introduction.group ann@example.com"]
    #expect(found(world, about) == introduced)
    let toPartner = world.messages(about).at(2)
    #expect(toPartner["partner_id"]?.text == partner)
    #expect(toPartner["user_id"]?.text == Person.pablo.text)
    #expect(world.messages(about).at(3)["partner_id"]?.text == partner)
    for (kind, address) in [
      ("introduction.partner", "law@example.com"), ("introduction.group", "ann@example.com"),
    ] {
      let values = try values(world, kind, to: address)
      #expect(values["contact"] == ["name": "Ann", "email": "ann@example.com"])
      #expect(values["requester"] == .null)
      #expect(
        values["partner"] == [
          "company_name": "Company 1", "contact_name": "Nora", "email": "law@example.com",
          "phone": "555-0100", "website": .null,
          "affiliation_disclosure": "Tomi owns a share of it.",
        ])
      #expect(
        values["need"] == [
          "specific_need": "A TIC agreement.", "group_size": "3 people",
          "home_price": "$350,000 to $420,000", "timeline": .null,
        ])
      #expect(values["state"] == "Minnesota")
    }
    // The same again is no second introduction.
    world.put(referral(id), ["status": "intro_sent"])
    #expect(found(world, about) == introduced)

    let response = "/api/partners/me/referrals/\(id)/response"
    world.put(response, ["response": "accepted", "reason": "Gladly."], as: .partner)
    world.put(response, ["response": "accepted"], as: .partner)
    #expect(
      found(world, about) == introduced + [
        "referral.answered staff@tomi.example", "referral.answered ann@example.com",
      ])
    let toStaff = try values(world, "referral.answered", to: World.staffAddress)
    #expect(toStaff["accepted"] == true && toStaff["to_contact"] == false)
    #expect(toStaff["reason"] == "Gladly.")
    let toContact = try values(world, "referral.answered", to: "ann@example.com")
    #expect(toContact["accepted"] == true && toContact["to_contact"] == true)
    #expect(toContact["reason"] == .null, "the partner told staff")
    #expect(try world.store.check(now: world.clock.now) == [])
  }

  @Test("A partner that declines: its owner is told why, the group nothing, and letters stop")
  func declined() throws {
    let (world, partner) = try furnish()
    let id = world.referral(.introSent, partner: partner)
    world.put(referral(id), ["assigned_to": .string(Person.sam.text)])
    try world.deliver(.temporarily("busy"))
    world.put(
      "/api/partners/me/referrals/\(id)/response",
      ["response": "declined", "reason_code": "no_capacity", "reason": "Until May."], as: .partner)
    #expect(
      found(world, "referral_id=\(id)") == [
        "request.received ann@example.com", "request.new staff@tomi.example",
        "introduction.partner law@example.com cancelled",
        "introduction.group ann@example.com cancelled", "referral.answered sam@example.com",
      ])
    let values = try values(world, "referral.answered", to: "sam@example.com")
    #expect(values["accepted"] == false)
    #expect(values["reason"] == "Until May.")
    #expect(values["reason_code"] == "no capacity at the moment")
    #expect(values["partner"]?["company_name"] == "Company 1", "it is the one that declined")
    // Introduced again, there is a letter for each side again.
    let other = world.partner(with: ["email": "other@example.com"])
    world.put(referral(id), ["partner_id": .string(other)])
    world.put(referral(id), ["status": "intro_sent"])
    #expect(
      found(world, "referral_id=\(id)&kind=introduction.partner,introduction.group").suffix(2) == [
        "introduction.partner other@example.com", "introduction.group ann@example.com",
      ])
  }

  @Test("A cancelled request has no reason for letters; what was sent stays sent")
  func cancelled() throws {
    let (world, partner) = try furnish()
    let id = world.referral(.introSent, partner: partner)
    world.post("/api/groups/\(World.birch)/referrals/\(id)/cancel", as: .member)
    #expect(found(world, "referral_id=\(id)").filter { !$0.hasSuffix(" cancelled") } == [])
    let sent = world.referral(.introSent, type: "agent")
    try world.deliver()
    world.post("/api/groups/\(World.birch)/referrals/\(sent)/cancel", as: .member)
    #expect(found(world, "referral_id=\(sent)").filter { !$0.hasSuffix(" sent") } == [])
  }

  @Test(
    "Each change of status cancels the queued letters that have no reason any more",
    arguments: [
      (["status": "pending"], "introduction.partner,introduction.group"),
      (["status": "closed"], "introduction.partner,introduction.group"),
      (["status": "connected"], ""),
    ] as [(JSON, String)])
  func obsolete(body: JSON, kinds: String) throws {
    let (world, partner) = try furnish()
    let id = world.referral(.introSent, partner: partner)
    world.put(referral(id), body)
    let cancelled = world.messages("referral_id=\(id)&status=cancelled").map { $0["kind"]?.text }
    #expect(cancelled == kinds.split(separator: ",").map(String.init))
  }

  @Test("Who can't be told is not: no contact, a disabled one, no address of staff")
  func nobody() throws {
    let (world, partner) = try furnish()
    let made = world.post("/api/groups/\(World.birch)/referrals", ["partner_type": "attorney"])
    let id = made["id"]?.text ?? ""
    #expect(found(world, "referral_id=\(id)") == ["request.new staff@tomi.example"])
    for body: JSON in [
      ["contact_id": .string(Person.ann.text)], ["partner_id": .string(partner)],
      ["status": "intro_sent"],
    ] {
      #expect(world.put(referral(id), body).verdict == "200")
    }
    world.put("/api/admin/users/\(Person.ann)", ["disabled": true])
    #expect(
      found(world, "referral_id=\(id)&kind=introduction.group")
        == ["introduction.group ann@example.com cancelled"])
    world.put(
      "/api/partners/me/referrals/\(id)/response", ["response": "accepted"], as: .partner)
    #expect(
      found(world, "referral_id=\(id)&kind=referral.answered")
        == ["referral.answered staff@tomi.example"])

    var mail = World.mail
    mail.staffAddress = nil
    let quiet = try World(mail: mail)
    _ = quiet.referral()
    #expect(found(quiet) == ["request.received ann@example.com"])
  }

  @Test("A refused change queues nothing, and a request that is sent again nothing twice")
  func refused() throws {
    let (world, partner) = try furnish()
    let id = world.referral(.matched, partner: partner)
    let count = world.messages().count
    world.put(referral(id), ["status": "intro_sent", "contact_id": .string(World.unknown)])
    world.put(referral(id), ["status": "intro_sent"], headers: [.ifMatch: "\"old\""])
    world.post(
      "/api/groups/\(World.birch)/referrals", ["partner_type": "attorney"], as: .member)
    #expect(world.messages().count == count)
    for _ in 0..<2 {
      world.post(
        "/api/groups/\(World.birch)/referrals", ["partner_type": "cpa"], as: .member,
        headers: [.idempotencyKey: "once"])
    }
    #expect(world.messages().count == count + 2)
  }

  @Test("Without a sender nothing is queued, and all else works", arguments: [true, false])
  func noSender(hasSettings: Bool) throws {
    var mail = World.mail
    mail.sender = nil
    let (world, partner) = try furnish(mail: hasSettings ? mail : nil)
    let id = world.referral(.introSent, partner: partner)
    world.put("/api/partners/me", ["company_name": "Other"], as: .partner)
    world.post("/api/sign-in", ["email": "ann@example.com"], as: .nobody)
    let waiting = world.post(
      "/api/coverage/WY/cpa/waitlist", ["email": "w@example.com"], as: .nobody)
    #expect(waiting.verdict == "202")
    world.clock.pass(days: 7)
    try world.remind()
    #expect(world.messages().isEmpty)
    let kinds = world.events(of: id).map { $0["kind"]?.text }
    #expect(
      kinds == ["referral.requested", "referral.matched", "referral.intro_sent"],
      "nobody was told that there is no answer")
    #expect(try world.contents().filter { $0.hasPrefix("waiting_list:") }.isEmpty)
    let preview = world.get(referral(id) + "/introduction")
    #expect(preview["missing"] == ["mail_not_configured"])
    #expect((preview["to_group"] == .null) == !hasSettings)
  }

  @Test("Without the address of the pages letters have no links, and nobody signs in by one")
  func noLinks() throws {
    var mail = World.mail
    mail.publicURL = nil
    let (world, partner) = try furnish(mail: mail)
    _ = world.referral(.introSent, partner: partner)
    let values = try values(world, "introduction.partner", to: "law@example.com")
    #expect(values["links"] == ["group": .null, "portal": .null, "desk": .null])
    let count = world.messages().count
    world.post("/api/sign-in", ["email": "ann@example.com"], as: .nobody)
    world.post("/api/coverage/WY/cpa/waitlist", ["email": "w@example.com"], as: .nobody)
    #expect(world.messages().count == count)
  }

  @Test("After 7 days without an answer an event of the system says so, once") func unanswered()
    throws
  {
    let (world, partner) = try furnish()
    let id = world.referral(.introSent, partner: partner)
    for day in 1...9 {
      world.clock.pass(days: 1)
      try world.remind()
      let kinds = world.messages("referral_id=\(id)").suffix(from: 4).map { $0["kind"]?.text }
      #expect(
        kinds
          == (day < 3
            ? [] : ["introduction.reminder"] + (day < 7 ? [] : ["introduction.unanswered"])))
    }
    let events = world.get("/api/admin/events?kind=referral.unanswered").items
    #expect(events.count == 1)
    #expect(events.at(0)["actor"] == .null)
    #expect(events.at(0)["subject"] == ["kind": "referral", "id": .string(id)])
    #expect(world.get(referral(id) + "/history").items.at(0) == events.at(0))
    let values = try values(world, "introduction.unanswered", to: World.staffAddress)
    #expect(values["days"] == "7 days")
  }

  // MARK: Partners

  @Test("A partner is told that it is invited, active, and what became of its changes")
  func partners() throws {
    let world = try World()
    let id = world.partner(
      .invited, with: ["email": "law@example.com", "user_id": .string(Person.pablo.text)])
    let about = "partner_id=\(id)"
    #expect(found(world, about) == ["partner.invited law@example.com"])
    world.move(partner: id, to: .active)
    #expect(
      found(world, about) == [
        "partner.invited law@example.com cancelled", "partner.activated law@example.com",
      ])
    try world.deliver()
    let changes = "/api/admin/partners/\(id)/changes"
    func waiting() -> [String] { found(world, about + "&kind=partner.changes_waiting") }
    func propose(_ body: JSON) { world.put("/api/partners/me", body, as: .partner) }
    propose(["phone": "555-0100"])
    #expect(waiting().isEmpty, "nothing waits")
    propose(["company_name": "Lake Law", "email": "lake@example.com"])
    propose(["website": "https://lake.example"])
    #expect(waiting() == ["partner.changes_waiting staff@tomi.example"], "one is enough")
    #expect(
      try values(world, "partner.changes_waiting", to: World.staffAddress)["fields"]
        == "company name and e-mail address")

    world.put(changes, ["decision": "rejected", "fields": ["website"], "note": "It is down."])
    let rejected = try values(world, "partner.changes_reviewed", to: "law@example.com")
    #expect(rejected["rejected"] == "website" && rejected["approved"] == .null)
    #expect(rejected["note"] == "It is down.")
    #expect(waiting() == ["partner.changes_waiting staff@tomi.example"], "some wait still")
    world.put(changes, ["decision": "approved"])
    let approved = try values(world, "partner.changes_reviewed", to: "lake@example.com")
    #expect(approved["approved"] == "company name and e-mail address")
    #expect(approved["rejected"] == .null && approved["note"] == .null)
    #expect(waiting() == ["partner.changes_waiting staff@tomi.example cancelled"])

    // What is taken back, or ends with the status, needs no review.
    propose(["website": "https://lake.example"])
    world.send("DELETE", "/api/partners/me/changes", as: .partner)
    propose(["website": "https://lake.example"])
    world.move(partner: id, to: .inactive)
    #expect(waiting().suffix(2).allSatisfy { $0.hasSuffix(" cancelled") })
    #expect(waiting().count == 3)
    world.move(partner: id, to: .active)
    #expect(found(world, about).last == "partner.activated lake@example.com")
    world.move(partner: id, to: .removed)
    #expect(world.messages(about + "&status=queued").isEmpty)
    #expect(try world.store.check(now: world.clock.now) == [])
  }

  @Test(
    "A partner that is made active or in review",
    arguments: [
      (PartnerStatus.active, ["partner.activated company1@example.com"]), (.pendingReview, []),
    ])
  func newPartner(status: PartnerStatus, messages: [String]) throws {
    let world = try World()
    _ = world.partner(status)
    #expect(found(world) == messages)
  }

  // MARK: Looking

  @Test("A message has all its fields, and alone its text") func views() throws {
    let (world, partner) = try furnish()
    let message = world.messages().at(0)
    #expect(
      message.without("id") == [
        "kind": "partner.activated", "to": "law@example.com",
        "subject": "Company 1 is now a Tomi partner",
        "status": "sent", "referral_id": .null, "partner_id": .string(partner),
        "user_id": .string(Person.pablo.text), "attempts": 1, "last_error": .null,
        "created_at": .string(World.start), "due_at": .string(World.start),
        "sent_at": .string(World.start),
      ])
    let single = world.get(path(message))
    #expect(single.json.without("text") == message)
    #expect(single["text"]?.text?.isEmpty == false)
    #expect(single.headers[.cacheControl] == "private, no-cache")
    let tag = try #require(single.etag)
    #expect(world.get(path(message), headers: [.ifNoneMatch: tag]).status == 304)
    for id in [World.unknown, "x"] {
      for (method, suffix) in [("GET", ""), ("POST", "/resend"), ("POST", "/cancel")] {
        #expect(world.send(method, "\(list)/\(id)\(suffix)").verdict == "404 not_found")
      }
    }
    world.clock.pass(days: 90)
    try world.store.write(now: world.clock.now, actor: nil) { try $0.forgetOldMessages() }
    #expect(world.get(path(message)).json == single.json.with(["text": .null]))
    #expect(world.post(path(message) + "/resend").verdict == "409 not_resendable")
  }

  @Test("What the mail system refuses, for now and for good") func refusals() throws {
    let world = try World()
    _ = world.partner()
    try world.deliver(.temporarily("EX_TEMPFAIL (75): try later"))
    let waiting = world.messages().at(0)
    #expect(waiting["status"] == "queued")
    #expect(waiting["attempts"] == 1)
    #expect(waiting["last_error"] == "EX_TEMPFAIL (75): try later")
    #expect(waiting["due_at"]?.text == world.clock.now.adding(minutes: 1).text)
    world.clock.pass(milliseconds: 60_000)
    try world.deliver(.permanently("EX_NOUSER (67): no such user"))
    let failed = world.messages().at(0)
    #expect(failed["status"] == "failed")
    #expect(failed["attempts"] == 2)
    #expect(failed["sent_at"] == .null)
    #expect(world.post(path(failed) + "/cancel")["status"] == "cancelled")
  }

  @Test("An erased person's messages have no address and no text") func erased() throws {
    let (world, partner) = try furnish()
    let id = world.referral(.introSent, partner: partner)
    world.post("/api/groups/\(World.birch)/referrals/\(id)/cancel", as: .member)
    try world.deliver()
    _ = try world.store.fill(now: world.clock.now) {
      try $0.erase(ErasureSubject(.user, Person.ann), .refuse)
    }
    for message in world.messages("referral_id=\(id)") {
      let single = world.get(path(message))
      #expect(single["text"] == .null && single["subject"] == "Erased")
      #expect(["sent", "cancelled"].contains(single["status"]?.text))
      let isOwn = ["request.received", "introduction.group"].contains(message["kind"]?.text)
      #expect((single["to"] == .null) == isOwn)
      #expect(world.post(path(message) + "/resend").verdict == "409 not_resendable")
    }
    #expect(world.get("\(list)?to=ann@example.com").items.isEmpty)
  }

  // MARK: Sending again and cancelling

  @Test("Sent again: a new message of the same text, with an event; once for a key")
  func resend() throws {
    let (world, partner) = try furnish()
    let id = world.referral(.introSent, partner: partner)
    try world.deliver()
    world.clock.pass(milliseconds: 1000)
    let first = try #require(world.messages("referral_id=\(id)&kind=introduction.group").first)
    let text = world.get(path(first))["text"]
    let count = world.messages().count
    let headers: HTTPFields = [.idempotencyKey: "once"]
    let new = world.post(path(first) + "/resend", headers: headers)
    #expect(new.verdict == "201")
    #expect(new.headers[.location] == path(new.json))
    #expect(new["id"] != first["id"])
    let now = JSON.string(world.clock.now.text)
    #expect(
      new.json
        == first.with([
          "id": new["id"] ?? .null, "status": "queued", "attempts": 0, "created_at": now,
          "due_at": now, "sent_at": .null, "text": text ?? .null,
        ]))
    #expect(world.get(path(new.json)).body == new.body)
    #expect(world.post(path(first) + "/resend", headers: headers).body == new.body)
    #expect(world.messages().count == count + 1)
    let event = try #require(world.events.last)
    #expect(event["kind"] == "message.resent")
    #expect(event["subject"] == ["kind": "message", "id": new["id"] ?? .null])
    #expect(event["actor"]?["id"]?.text == Person.sam.text)
    #expect(event["changes"] == ["resent_from": ["from": .null, "to": first["id"] ?? .null]])
    #expect(world.get("/api/admin/events?subject_kind=message").items == [event])

    // It is sent with a Message-ID of its own, and cancelled as the first one would be.
    let dispatch = try #require(try world.deliver().first)
    #expect(dispatch.id.text == new["id"]?.text)
    #expect(dispatch.messageID == "<\(dispatch.id)@tomi.example>")
    let third = world.post(path(first) + "/resend")
    world.put(referral(id), ["status": "pending"])
    #expect(world.get(path(third.json))["status"] == "cancelled")
    // Of any status, and by whoever may.
    #expect(world.post(path(third.json) + "/resend").verdict == "201")
    #expect(world.post(path(first) + "/resend", as: .reader).verdict == "403 forbidden")
  }

  @Test("A letter with a code is not sent again") func notResendable() throws {
    let world = try World()
    world.post("/api/sign-in", ["email": "ann@example.com"], as: .nobody)
    world.post("/api/coverage/WY/cpa/waitlist", ["email": "w@example.com"], as: .nobody)
    for isSent in [false, true] {
      if isSent { try world.deliver() }
      #expect(world.messages().count == 2)
      for message in world.messages() {
        #expect(world.get(path(message))["text"] == .null)
        #expect(world.post(path(message) + "/resend").verdict == "409 not_resendable")
      }
    }
    #expect(world.events.isEmpty)
  }

  @Test("Cancelled while it is queued or has failed, in the version that was read")
  func cancel() throws {
    let (world, partner) = try furnish()
    #expect(
      world.post(path(world.messages().at(0)) + "/cancel").verdict == "409 message_not_queued")
    let id = world.referral(.introSent, partner: partner)
    let message = try #require(world.messages("kind=introduction.partner").first)
    let tag = try #require(world.get(path(message)).etag)
    let cancel = path(message) + "/cancel"
    #expect(
      world.post(cancel, headers: [.ifMatch: "\"old\""]).verdict == "412 precondition_failed")
    let cancelled = world.post(cancel, headers: [.ifMatch: tag, .idempotencyKey: "once"])
    #expect(cancelled.verdict == "200")
    #expect(cancelled.json.without("text") == message.with(["status": "cancelled"]))
    #expect(cancelled.etag == world.get(path(message)).etag)
    #expect(
      world.post(cancel, headers: [.ifMatch: tag, .idempotencyKey: "once"]).body == cancelled.body)
    #expect(world.post(cancel, headers: [.ifMatch: tag]).verdict == "412 precondition_failed")
    #expect(world.post(cancel).verdict == "409 message_not_queued")
    let event = try #require(world.events.last)
    #expect(event["kind"] == "message.cancelled")
    #expect(event["subject"] == ["kind": "message", "id": message["id"] ?? .null])
    #expect(event["changes"] == ["status": ["from": "queued", "to": "cancelled"]])
    let delivered = try world.deliver().map(\.kind)
    #expect(!delivered.contains(.introductionPartner) && delivered.contains(.introductionGroup))
    #expect(world.messages("referral_id=\(id)&status=cancelled").count == 1)

    // While the mailer has it in hand, it is too late.
    _ = world.partner()
    let taken = try #require(
      try world.store.write(now: world.clock.now, actor: nil) {
        try $0.takeMessage { ("", []) }
      })
    let held = "\(list)/\(taken.id)"
    #expect(world.get(held)["status"] == "sending")
    #expect(world.post(held + "/cancel").verdict == "409 message_not_queued")
  }

  // MARK: The introduction before it is sent

  @Test("The preview is what is sent then, and what is missing for it") func preview() throws {
    let consent = ConsentPolicy(
      present: Consent(version: "1", text: "You agree."), isRequired: true)
    let (world, partner) = try furnish(consent: consent)
    let made = world.post(
      "/api/groups/\(World.birch)/referrals",
      ["partner_type": "attorney", "context": ["state": "MN"]])
    let id = made["id"]?.text ?? ""
    let path = referral(id) + "/introduction"
    func missing(_ codes: String...) {
      let preview = world.get(path)
      #expect(preview.verdict == "200")
      #expect(preview.json.keys == ["to_partner", "to_group", "missing"])
      #expect(preview["missing"] == .array(codes.map { .string($0) }))
    }
    missing("partner_missing", "contact_missing", "consent_missing")
    #expect(world.get(path)["to_partner"] == .null)
    world.put(referral(id), ["partner_id": .string(partner)])
    missing("contact_missing", "consent_missing")
    #expect(world.get(path)["to_partner"] == .null && world.get(path)["to_group"] == .null)
    world.put(referral(id), ["contact_id": .string(Person.bob.text)])
    missing("consent_missing")
    world.put("/api/admin/users/\(Person.bob)", ["disabled": true])
    missing("contact_missing", "consent_missing")
    world.put("/api/admin/users/\(Person.bob)", ["disabled": false])
    world.put(referral(id), ["consent_version": "1"])
    missing()
    // What keeps it from being introduced by the rules.
    world.put("/api/admin/partners/\(partner)", ["service_areas": ["WI"]])
    let expired = world.credential(of: partner, with: ["expires_on": "2026-11-01"])
    missing("does_not_serve_state", "credential_expired")
    #expect(
      world.put(referral(id), ["status": "intro_sent"]).verdict
        == "409 partner_not_eligible reasons=does_not_serve_state,credential_expired")
    world.put("/api/admin/partners/\(partner)", ["service_areas": ["MN"]])
    world.send("DELETE", "/api/admin/partners/\(partner)/credentials/\(expired)")
    missing()

    let count = world.messages().count
    let preview = world.get(path)
    #expect(world.messages().count == count, "nothing is queued")
    let tag = try #require(preview.etag)
    #expect(world.get(path, headers: [.ifNoneMatch: tag]).status == 304)
    #expect(world.put(referral(id), ["status": "intro_sent"]).verdict == "200")
    for (name, kind) in [
      ("to_partner", "introduction.partner"), ("to_group", "introduction.group"),
    ] {
      let message = try #require(world.messages("referral_id=\(id)&kind=\(kind)").first)
      let single = world.get("\(list)/\(message["id"]?.text ?? "")")
      let sent: JSON = [
        "to": single["to"] ?? .null, "subject": single["subject"] ?? .null,
        "text": single["text"] ?? .null,
      ]
      #expect(preview[name] == sent)
    }
    // It stays valid when the partner leaves the state.
    world.put("/api/admin/partners/\(partner)", ["service_areas": ["WI"]])
    missing()
    for id in [World.unknown, "x"] {
      #expect(world.get(referral(id) + "/introduction").verdict == "404 not_found")
    }
  }
}
