import Domain
import Foundation
import HTTPTypes
import JSON
import Testing

@testable import API
@testable import Store

/// What must not show: every route, asked by every kind of caller for things that really exist.
@Suite struct CanaryTests {
  /// Pablo is the attorney who was introduced to Birch; Paula the lender who was introduced to Oak, and is
  /// matched with Birch, but not introduced to it.
  static let viewers: [Role] = [
    .nobody, .unknownToken, .stranger, .member, .otherMember, .outsider, .partner, .otherPartner,
    .staffWithoutRights, .staff,
  ]

  /// A text that some may know.
  struct Secret: Sendable {
    let name: String
    let text: String
    /// Who finds it in some answer, staff aside.
    let shownTo: Set<Role>
  }

  /// A world with something in every corner that only some may look into.
  struct Furnished: Sendable {
    let world: World
    var secrets: [Secret] = []
    var partners: [String] = []
    var referrals: [String] = []
    var credentials: [String] = []
    /// A message to a partner, to a group and to staff.
    var messages: [String] = []
    let token: String

    private static func need(_ name: String) -> JSON { .string("canary-need-\(name)") }

    init() throws {
      world = try World(
        consent: ConsentPolicy(present: Consent(version: "canary-consent", text: "canary-text")))
      let world = world
      for (person, name) in [(Person.ann, "Ann"), (Person.bob, "Bob"), (Person.olga, "Olga")] {
        world.put(
          "/api/admin/users/\(person)",
          ["email": .string("canary-\(name.lowercased())@example.com")])
      }
      world.put("/api/admin/groups/\(World.birch)", ["name": "Canary-Birch"])
      world.put("/api/admin/groups/\(World.oak)", ["name": "Canary-Oak"])
      let made = world.post(
        "/api/admin/users/\(Person.petra)/tokens", ["name": "canary-token"])
      token = made["id"]?.text ?? ""

      // Tess invites the partners.
      func partner(_ name: String, type: String, user: ID?, signed: String) -> String {
        let reply = world.post(
          "/api/admin/partners",
          [
            "type": .string(type), "status": "active", "company_name": .string("Canary \(name)"),
            "contact_name": .string("Contact \(name)"),
            "email": .string("canary-\(name)@partners.example"),
            "phone": .string("555 0100 \(user?.text.suffix(2) ?? "00")"),
            "service_areas": ["MN", "WI"], "agreement_signed_at": .string(signed),
            "notes": .string("canary-notes-\(name)"),
            "user_id": user.map { .string($0.text) } ?? .null,
          ], as: .otherStaff)
        #expect(reply.verdict == "201")
        return reply["id"]?.text ?? ""
      }
      let attorney = partner(
        "Law", type: "attorney", user: Person.pablo, signed: "2026-01-02T03:04:05.678Z")
      let lender = partner(
        "Bank", type: "lender", user: Person.paula, signed: "2026-02-03T04:05:06.789Z")
      let gone = partner("Gone", type: "cpa", user: nil, signed: "2026-03-04T05:06:07.890Z")
      world.move(partner: gone, to: .inactive)
      partners = [attorney, lender, gone]
      for (partner, number) in [(attorney, 871), (lender, 872)] {
        world.put(
          "/api/admin/partners/\(partner)",
          [
            "max_open_referrals": .integer(number),
            "paused_until": .string("2019-07-\(number - 850)"),
          ])
        for (kind, isVerified) in [("nmls", true), ("other", false)] {
          let credential = world.post(
            "/api/admin/partners/\(partner)/credentials",
            [
              "kind": .string(kind), "number": .string("canary-\(kind)-\(number)"),
              "issuer": .string("canary-issuer-\(kind)-\(number)"),
              "notes": .string("canary-credential-\(kind)-\(number)"),
              "expires_on": .string(
                isVerified ? "2039-08-\(number - 850)" : "2039-09-\(number - 850)"),
              "verified": .bool(isVerified),
            ], as: .otherStaff)
          #expect(credential.verdict == "201")
          credentials.append(credential["id"]?.text ?? "")
        }
      }

      let proposal: JSON = [
        "company_name": "canary-proposal-name", "email": "canary-proposal@example.com",
        "website": "https://canary-proposal.example", "service_areas": ["MN", "WI", "AK"],
      ]
      let proposed = world.put("/api/partners/me", proposal, as: .partner)
      #expect(proposed["pending_changes"] == proposal)

      let introduced = world.referral(
        .introSent, context: ["state": "MN", "specific_need": Furnished.need("introduced")],
        partner: attorney)
      let declined = world.referral(
        .introSent, context: ["state": "WI", "specific_need": Furnished.need("declined")],
        partner: attorney)
      let refusal = world.put(
        "/api/partners/me/referrals/\(declined)/response",
        ["response": "declined", "reason": "canary-reason", "reason_code": "terms"], as: .partner)
      #expect(refusal.verdict == "204")
      let closed = world.referral(
        .connected, context: ["specific_need": Furnished.need("closed")], partner: attorney)
      world.put(
        "/api/admin/referrals/\(closed)/outcome",
        ["outcome": "deal_closed", "outcome_notes": "canary-outcome"])
      let matched = world.referral(
        .matched, type: "lender",
        context: ["state": "MN", "specific_need": Furnished.need("matched")], partner: lender,
        as: .otherMember)
      world.put(
        "/api/admin/referrals/\(matched)",
        [
          "context": ["state": "MN", "specific_need": Furnished.need("matched"), "group_size": 2],
          "note": "canary-history",
        ])
      let foreign = world.referral(
        .introSent, type: "lender",
        context: ["state": "MN", "specific_need": Furnished.need("foreign")], partner: lender,
        group: World.oak, as: .outsider)
      let pending = world.referral(
        type: "lender", context: ["state": "WI", "specific_need": Furnished.need("pending")],
        group: World.oak, as: .outsider)
      for (referral, day) in [(introduced, "2027-08-09"), (foreign, "2027-09-10")] {
        world.put(
          "/api/admin/referrals/\(referral)",
          [
            "assigned_to": .string(Person.sam.text), "follow_up_on": .string(day),
            "consent_version": .string("canary-consent-\(day)"),
          ])
      }
      referrals = [introduced, declined, closed, matched, foreign, pending]
      messages = ["introduction.partner", "introduction.group", "request.new"].map {
        world.messages("kind=\($0)").at(0)["id"]?.text ?? ""
      }

      let birch: Set<Role> = [.member, .otherMember]
      func hide(_ name: String, _ text: String, from: Set<Role> = [], shownTo: Set<Role> = []) {
        secrets.append(Secret(name: name, text: text, shownTo: shownTo))
      }
      hide("notes on the attorney", "canary-notes-Law")
      hide("notes on the lender", "canary-notes-Bank")
      hide("notes on the inactive one", "canary-notes-Gone")
      hide("the inactive one", "Canary Gone")
      hide("its ID", gone)
      hide("outcome_notes", "canary-outcome")
      hide("a note in the history", "canary-history")
      hide("why the partner declined", "canary-reason")
      hide("that it declined", "\"decline_reason_code\"")
      hide("the proposed name", "canary-proposal-name", shownTo: [.partner])
      hide("the proposed e-mail", "canary-proposal@example.com", shownTo: [.partner])
      hide("the proposed website", "https://canary-proposal.example", shownTo: [.partner])
      hide("a proposed state", "\"WI\",\"AK\"", shownTo: [.partner])
      hide("the field", "\"pending_changes\"", shownTo: [.partner, .otherPartner])
      // Everybody sees their own ID, in the answer about themselves.
      hide("assigned_to", Person.sam.text, shownTo: [.staffWithoutRights])
      for (day, viewers) in [("2027-08-09", birch), ("2027-09-10", [.outsider])] {
        hide("the consent, \(day)", "canary-consent-\(day)", shownTo: viewers)
        hide("follow_up_on, \(day)", "\"\(day)\"")
      }
      hide("who invited and verified", Person.tess.text, shownTo: [.partner, .otherPartner])
      for (number, owner) in [(871, Role.partner), (872, Role.otherPartner)] {
        hide("max_open_referrals \(number)", "\"max_open_referrals\":\(number)", shownTo: [owner])
        hide("paused_until \(number)", "2019-07-\(number - 850)", shownTo: [owner])
        for (kind, day) in [("nmls", "2039-08"), ("other", "2039-09")] {
          hide("a credential's notes, \(kind) \(number)", "canary-credential-\(kind)-\(number)")
          hide("its issuer, \(kind) \(number)", "canary-issuer-\(kind)-\(number)", shownTo: [owner])
          hide("its expiry, \(kind) \(number)", "\(day)-\(number - 850)", shownTo: [owner])
        }
        hide("a number that nobody verified, \(number)", "canary-other-\(number)", shownTo: [owner])
        hide(
          "the number of a verified one, \(number)", "canary-nmls-\(number)",
          shownTo: Set(CanaryTests.viewers))
      }
      for (credential, owner) in zip(
        credentials, [Role.partner, .partner, .otherPartner, .otherPartner])
      {
        hide("a credential's ID, \(credential)", credential, shownTo: [owner])
      }
      hide("the inviter's e-mail", "tess@example.com")
      hide("the attorney's user", Person.pablo.text, shownTo: [.partner])
      hide("the lender's user", Person.paula.text, shownTo: [.otherPartner])
      hide("a token's name", "canary-token")
      hide("a token's ID", token)
      hide("Ann's e-mail", "canary-ann@example.com", shownTo: [.member, .partner])
      hide("Bob's e-mail", "canary-bob@example.com", shownTo: [.otherMember])
      hide("Olga's e-mail", "canary-olga@example.com", shownTo: [.outsider, .otherPartner])
      hide("Ann's ID", Person.ann.text, shownTo: birch)
      hide("Bob's ID", Person.bob.text, shownTo: birch)
      hide("Olga's ID", Person.olga.text, shownTo: [.outsider])
      hide("Birch's name", "Canary-Birch", shownTo: birch.union([.partner]))
      hide("Oak's name", "Canary-Oak", shownTo: [.outsider, .otherPartner])
      hide("Birch's ID", World.birch.text, shownTo: birch.union([.partner]))
      hide("Oak's ID", World.oak.text, shownTo: [.outsider, .otherPartner])
      for (name, id, viewers) in [
        ("introduced", introduced, birch.union([.partner])), ("declined", declined, birch),
        ("closed", closed, birch.union([.partner])), ("matched", matched, birch),
        ("foreign", foreign, [.outsider, .otherPartner]), ("pending", pending, [.outsider]),
      ] as [(String, String, Set<Role>)] {
        hide("the need, \(name)", "canary-need-\(name)", shownTo: viewers)
        hide("the ID, \(name)", id, shownTo: viewers)
      }
      hide("the attorney's e-mail", "canary-Law@partners.example", shownTo: birch.union([.partner]))
      hide("the attorney's phone", "555 0100 08", shownTo: birch.union([.partner]))
      hide(
        "the lender's e-mail", "canary-Bank@partners.example", shownTo: [.outsider, .otherPartner])
      hide("the lender's phone", "555 0100 09", shownTo: [.outsider, .otherPartner])
      hide("the attorney's agreement", "2026-01-02T03:04:05.678Z", shownTo: [.partner])
      hide("the lender's agreement", "2026-02-03T04:05:06.789Z", shownTo: [.otherPartner])
    }

    /// The paths that a pattern stands for, with everything that there is.
    func paths(_ pattern: String) -> [String] {
      let ids =
        pattern.contains("/users/")
        ? [Person.ann, Person.bob, Person.olga, Person.tess, Person.pablo, Person.paula].map(\.text)
        : pattern.contains("/tokens/")
          ? [token]
          : pattern.contains("/messages/")
            ? messages
            : pattern.contains("/groups/:id")
              ? [World.birch.text, World.oak.text]
              : pattern.contains("/referrals/") ? referrals : partners
      let values: [String: [String]] = [
        ":groupId": [World.birch.text, World.oak.text], ":id": ids, ":stateCode": ["MN", "WI"],
        ":partnerType": ["attorney", "lender", "cpa"], ":credentialId": credentials,
      ]
      return pattern.split(separator: "/").reduce([""]) { paths, segment in
        (values[String(segment)] ?? [String(segment)]).flatMap { value in
          paths.map { "\($0)/\(value)" }
        }
      }
    }

    /// The query that a route can't do without; empty if it can.
    func requiredQuery(_ route: Route) -> String {
      let values = ["partner_type": "attorney", "state": "MN"]
      let pairs = route.parameters.filter(\.isRequired).map {
        "\($0.name)=\(values[$0.name] ?? "")"
      }
      return pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&")
    }

    /// The queries of a route that look furthest into it.
    func queries(_ route: Route) -> [String] {
      let names = route.parameters.map(\.name)
      var queries = [requiredQuery(route)]
      if names.contains("limit") { queries += ["?limit=1", "?limit=10"] }
      if route.parameters.contains(where: { $0.name == "limit" && $0.fallback == "25" }) {
        queries.append("?limit=100")
      }
      if names.contains("q") { queries += ["?q=canary", "?q=canary-notes", "?q=partners.example"] }
      if names.contains("group_id") {
        queries += [World.birch, World.oak].map { "?group_id=\($0)" }
      }
      if names.contains("state") { queries.append("?state=MN") }
      if names.contains("partner_type") { queries.append("?partner_type=lender") }
      if names.contains("status") { queries.append("?status=nonsense") }
      if names.contains("all") { queries.append("?all=true") }
      if names.contains("language") { queries.append("?language=en") }
      if names.contains("to") { queries.append("?to=canary-ann@example.com") }
      return queries
    }

    /// What a route that makes a change is sent: what it expects, and what it does not.
    func bodies(_ route: Route) -> [JSON?] {
      guard route.body != .none else { return [nil] }
      let fitting: [String: JSON] = [
        "POST /api/admin/partners": [
          "type": "title", "company_name": "New", "email": "new@example.com",
        ],
        "PUT /api/admin/partners/:id": ["website": "https://example.com"],
        "PUT /api/admin/partners/:id/status": ["status": "inactive"],
        "PUT /api/admin/partners/:id/changes": ["decision": "rejected"],
        "POST /api/groups/:groupId/referrals": ["partner_type": "attorney"],
        "POST /api/groups/:groupId/referrals/:id/cancel": ["note": "No more."],
        "PUT /api/admin/referrals/:id": ["context": ["group_size": 4]],
        "PUT /api/admin/referrals/:id/outcome": ["outcome": "engaged"],
        "PUT /api/admin/coverage/:stateCode/:partnerType": ["status": "coming_soon"],
        "PUT /api/partners/me": ["website": "https://example.com"],
        "PUT /api/partners/me/referrals/:id/response": ["response": "accepted"],
        "PUT /api/admin/users/:id": ["name": "Other"],
        "POST /api/admin/users/:id/tokens": ["name": "other"],
        "PUT /api/admin/groups/:id": ["name": "Other"],
        "POST /api/admin/partners/:id/credentials": ["kind": "nmls", "number": "7"],
        "PUT /api/admin/partners/:id/credentials/:credentialId": ["state_code": "MN"],
        "POST /api/partners/me/credentials": ["kind": "nmls", "number": "8"],
        "PUT /api/partners/me/credentials/:credentialId": ["state_code": "MN"],
        "POST /api/sign-in": ["email": "canary-ann@example.com"],
        "POST /api/sign-in/code": ["code": "unknown"],
        "POST /api/coverage/:stateCode/:partnerType/waitlist": ["email": "canary-ann@example.com"],
        "POST /api/waitlist/confirm": ["code": "unknown"],
        "POST /api/waitlist/leave": ["code": "unknown"],
      ]
      return [fitting["\(route.method.rawValue) \(route.pattern)"], [:], ["nonsense": 1]]
    }
  }

  /// What the viewer finds in all answers, by the secret's name.
  private func walk(_ furnished: Furnished, as viewer: Role) -> (found: Set<String>, asked: Int) {
    var found: Set<String> = []
    var asked = 0
    func ask(_ method: String, _ path: String, query: String = "", _ body: JSON? = nil) {
      let reply = furnished.world.send(method, path + query, as: viewer, body: body)
      asked += 1
      let headers = reply.headers.map { "\($0.name): \($0.value)" }.joined(separator: "\n")
      // What the caller wrote into the request's own address is no news in the answer.
      let answer = (headers + "\n" + reply.text).replacing(path, with: "")
      for secret in furnished.secrets where answer.contains(secret.text) {
        found.insert(secret.name)
        guard viewer != .staff, !secret.shownTo.contains(viewer) else { continue }
        Issue.record("\(viewer) learns \(secret.name) from \(method) \(path + query): \(answer)")
      }
    }
    // Reading first: then the world is still as it was furnished. The description of the API names every field.
    for route in Route.all
    where route.method == .get && !route.pattern.hasPrefix("/api/openapi") {
      for path in furnished.paths(route.pattern) {
        for query in furnished.queries(route) { ask("GET", path, query: query) }
        ask("HEAD", path)
        ask("OPTIONS", path)
      }
    }
    for route in Route.all where route.method != .get {
      for path in furnished.paths(route.pattern) {
        for body in furnished.bodies(route) { ask(route.method.rawValue, path, body) }
      }
    }
    return (found, asked)
  }

  @Test(
    "Each caller finds what is meant for it, and nothing else, on every route",
    arguments: viewers)
  func walk(as viewer: Role) throws {
    let furnished = try Furnished()
    let (found, asked) = walk(furnished, as: viewer)
    #expect(asked > 200)
    // Staff finds all of it: so each of these texts can be seen where it may be.
    let expected = furnished.secrets.filter { viewer == .staff || $0.shownTo.contains(viewer) }
    #expect(found == Set(expected.map(\.name)))
  }

  @Test("A letter says nothing that its reader may not know, whatever its template shows")
  func letters() throws {
    let furnished = try Furnished()
    let world = furnished.world
    var letters: [(kind: String, reader: String, text: String)] = []
    func deliver() throws -> [Dispatch] {
      let delivered = try world.deliver()
      letters += delivered.map { ($0.kind.rawValue, $0.address, $0.letter.text) }
      return delivered
    }
    world.post("/api/sign-in", ["email": "canary-ann@example.com"], as: .nobody)
    world.post("/api/coverage/WY/title/waitlist", ["email": "waiting@example.com"], as: .nobody)
    let code = try deliver().first { $0.kind == .waitlistConfirm }?.code ?? ""
    world.post("/api/waitlist/confirm", ["code": .string(code)], as: .nobody)
    let invited = world.partner(
      .invited, type: "title", areas: ["WY"],
      with: ["notes": "canary-notes-Law", "max_open_referrals": 871])
    world.move(partner: invited, to: .active)
    world.put(
      "/api/admin/partners/\(furnished.partners[0])/changes",
      ["decision": "rejected", "fields": ["website"]])
    // The first introduction is answered, the other one waits.
    world.clock.pass(days: 3)
    try world.remind()
    world.put(
      "/api/partners/me/referrals/\(furnished.referrals[0])/response",
      ["response": "accepted", "reason": "canary-reason"], as: .partner)
    world.clock.pass(days: 30)
    try world.remind()
    let expiry = try #require(Timestamp("2039-08-15T00:00:00Z"))
    world.clock.pass(milliseconds: Int(expiry.milliseconds - world.clock.now.milliseconds))
    try world.remind()
    // Also those that are cancelled, or wait for another day.
    let all = try world.store.read(now: world.clock.now) { snapshot in
      try snapshot.connection.rows(
        "SELECT kind, recipient, text FROM messages WHERE recipient <> ? AND text IS NOT NULL",
        World.staffAddress
      ) { (kind: $0.text(0), reader: $0.text(1), text: $0.text(2)) }
    }
    letters += all
    letters.removeAll { $0.reader == World.staffAddress || $0.reader == "sam@example.com" }
    #expect(
      Set(letters.map(\.kind)) == [
        "request.received", "introduction.partner", "introduction.group", "introduction.reminder",
        "referral.answered", "partner.invited", "partner.activated", "partner.changes_reviewed",
        "credential.expiring", "coverage.available", "sign_in", "waitlist.confirm",
      ])

    let readers: [String: Role] = [
      "canary-ann@example.com": .member, "canary-bob@example.com": .otherMember,
      "canary-olga@example.com": .outsider, "canary-Law@partners.example": .partner,
      "canary-Bank@partners.example": .otherPartner,
    ]
    // A partner got the request that it declined, and an inactive partner knows itself.
    let known: [String: Set<String>] = [
      "canary-Law@partners.example": ["the need, declined", "the ID, declined"],
      "canary-Gone@partners.example": ["the inactive one", "its ID"],
    ]
    var found: [Role: Set<String>] = [:]
    for letter in letters {
      let reader = readers[letter.reader] ?? .nobody
      for secret in furnished.secrets where letter.text.contains(secret.text) {
        found[reader, default: []].insert(secret.name)
        let mayKnow =
          secret.shownTo.contains(reader) || known[letter.reader]?.contains(secret.name) == true
        #expect(mayKnow, "\(letter.reader) learns \(secret.name) from \(letter)")
      }
    }
    // What a letter is for is in it.
    let contactData: [Role: Set<String>] = [
      .member: ["the attorney's e-mail", "the attorney's phone"],
      .partner: ["Ann's e-mail", "the need, introduced"],
      .outsider: ["the lender's e-mail", "the lender's phone"],
      .otherPartner: ["Olga's e-mail", "the need, foreign"],
    ]
    for (reader, names) in contactData {
      #expect(names.isSubset(of: found[reader] ?? []), "\(reader)")
    }
  }

  @Test("What only staff may know does not even change others' answers or their versions")
  func invisible() throws {
    let furnished = try Furnished()
    let world = furnished.world
    let viewers = CanaryTests.viewers.filter { $0 != .staff }
    func answers() -> [String] {
      viewers.flatMap { viewer in
        Route.all.filter { $0.method == .get }.flatMap { furnished.paths($0.pattern) }
          // The time of a change is the partner's own to know.
          .filter { viewer != .partner || $0 != "/api/partners/me" }
          .map { path in
            let reply = world.send("GET", path, as: viewer)
            // The problem's request_id differs each time.
            return "\(viewer) \(path) \(reply.status) \(reply.etag ?? "-") "
              + (reply.status < 400 ? reply.text : reply.verdict)
          }
      }
    }
    let before = answers()
    #expect(before == answers())
    world.clock.pass(milliseconds: 1)
    let noted = world.put(
      "/api/admin/partners/\(furnished.partners[0])",
      ["notes": "Quite other notes", "user_id": .string(Person.pablo.text)])
    #expect(noted.verdict == "200")
    let moved = world.put(
      "/api/admin/partners/\(furnished.partners[2])/status", ["status": "pending_review"])
    #expect(moved.verdict == "200")
    let after = answers()
    #expect(before.count == after.count)
    for (old, new) in zip(before, after) { #expect(old == new) }
  }
}
