import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// Who may do what: each route with each kind of caller.
@Suite struct AudienceTests {
  /// A world in which each route has something to answer, with texts in it that not everybody may see.
  struct Furnished: Sendable {
    let world: World
    /// Pablo's record, active.
    let partner: String
    /// A request of Birch, matched with Pablo's.
    let referral: String
    /// A request of Oak, connected with Pablo's.
    let foreign: String
    /// A request of Oak, introduced to Pablo's.
    let introduced: String
    let token: String
    /// A credential of Pablo's that staff has verified, and one that it has not.
    let verified: String
    let credential: String
    /// A message that is queued.
    let message: String

    init() throws {
      world = try World(
        consent: ConsentPolicy(present: Consent(version: "2026-01", text: "You agree.")))
      // Ann gets code-1 for signing in, and somebody code-2 for the waiting list.
      world.post("/api/sign-in", ["email": "ann@example.com"], as: .nobody)
      world.post("/api/coverage/WY/cpa/waitlist", ["email": "SECRET@example.com"], as: .nobody)
      try world.deliver()
      partner = world.partner(
        .active, areas: ["MN", "CA"],
        with: [
          "user_id": .string(Person.pablo.text), "notes": "SECRET notes",
          "email": "hidden@example.com", "phone": "555-0100 x23",
        ])
      world.put("/api/partners/me", ["website": "https://proposal.example"], as: .partner)
      _ = world.partner(.invited, with: ["user_id": .string(Person.paula.text)])
      referral = world.referral(.matched, context: ["state": "MN"], partner: partner)
      world.put("/api/admin/referrals/\(referral)", ["note": "SECRET of the history"])
      foreign = world.referral(
        .introSent, context: ["specific_need": "Need of Oak"], partner: partner,
        group: World.oak, as: .outsider)
      world.put(
        "/api/admin/referrals/\(foreign)/outcome",
        ["outcome": "engaged", "outcome_notes": "SECRET outcome"])
      world.put(
        "/api/admin/referrals/\(referral)",
        ["assigned_to": .string(Person.sam.text), "follow_up_on": "2026-12-01"])
      introduced = world.referral(
        .introSent, context: ["state": "CA", "specific_need": "Need of Oak"], partner: partner,
        group: World.oak, as: .outsider)
      let made = world.post(
        "/api/admin/users/\(Person.petra)/tokens", ["name": "SECRET token"])
      token = made["id"]?.text ?? ""
      verified = world.credential(of: partner, with: ["notes": "SECRET of the credential"])
      credential = world.credential(
        of: partner, with: ["number": "2", "notes": "SECRET too", "verified": false])
      message = world.messages("kind=introduction.partner").at(0)["id"]?.text ?? ""
    }

    func expand(_ pattern: String) -> String {
      pattern.replacing("PARTNER", with: partner).replacing("FOREIGN", with: foreign)
        .replacing("INTRODUCED", with: introduced).replacing("REFERRAL", with: referral)
        .replacing("VERIFIED", with: verified).replacing("CREDENTIAL", with: credential)
        .replacing("MESSAGE", with: message)
        .replacing("TOKEN", with: token).replacing("BIRCH", with: World.birch.text)
        .replacing("ANN", with: Person.ann.text)
    }
  }

  enum Rights: Sendable {
    case everybody, staff
    /// Everyone with a good token.
    case signedIn
    /// Birch's members, and staff on their behalf.
    case birch
    /// Users with a partner record.
    case partners
    /// Pablo alone; other partners may not know of it.
    case pablo
  }

  /// A request that its audience may make, and what it then answers.
  struct Scenario: Sendable, CustomTestStringConvertible {
    let method: String
    let path: String
    let rights: Rights
    let body: JSON?
    let status: Int

    init(_ method: String, _ path: String, _ rights: Rights, _ status: Int, _ body: JSON? = nil) {
      self.method = method
      self.path = path
      self.rights = rights
      self.body = body
      self.status = status
    }

    var testDescription: String { "\(method) \(path)" }

    /// The scopes of the admin tokens that may be shown, by the method and the path alone.
    var scopes: Set<Scope> {
      var scopes: Set<Scope> = [.admin]
      if method == "GET", rights == .staff || rights == .birch { scopes.insert(.read) }
      if path.starts(with: /\/api\/admin\/(users|groups|tokens)(\/|$)/) { scopes.insert(.sync) }
      if path == "/api/admin/events" { scopes.insert(.events) }
      if rights == .signedIn { scopes = Set(Scope.allCases) }
      return scopes
    }

    /// What the role gets instead; nil where the role may.
    func refusal(for role: Role) -> String? {
      if rights == .everybody { return nil }
      if Role.unauthenticated.contains(role) { return "401 unauthenticated" }
      let isStaff = role.scope != nil
      if let scope = role.scope, !scopes.contains(scope) { return "403 forbidden" }
      return switch rights {
      case .everybody, .signedIn: nil
      case .staff: isStaff ? nil : "403 forbidden"
      case .birch: isStaff || role == .member || role == .otherMember ? nil : "404 not_found"
      case .partners: role == .partner || role == .otherPartner ? nil : "403 forbidden"
      case .pablo:
        role == .partner ? nil : role == .otherPartner ? "404 not_found" : "403 forbidden"
      }
    }
  }

  static let newPartner: JSON = [
    "type": "lender", "company_name": "New", "email": "new@example.com",
  ]

  static let scenarios: [Scenario] = [
    Scenario("GET", "/api/admin/partners", .staff, 200),
    Scenario("POST", "/api/admin/partners", .staff, 201, newPartner),
    Scenario("GET", "/api/admin/partners/PARTNER", .staff, 200),
    Scenario("PUT", "/api/admin/partners/PARTNER", .staff, 200, ["company_name": "Other"]),
    Scenario("PUT", "/api/admin/partners/PARTNER/status", .staff, 200, ["status": "inactive"]),
    Scenario(
      "PUT", "/api/admin/partners/PARTNER/changes", .staff, 200, ["decision": "rejected"]),
    Scenario("GET", "/api/admin/partners/PARTNER/summary", .staff, 200),
    Scenario("GET", "/api/admin/partners/PARTNER/history", .staff, 200),
    Scenario("GET", "/api/admin/partners/PARTNER/credentials", .staff, 200),
    Scenario(
      "POST", "/api/admin/partners/PARTNER/credentials", .staff, 201,
      ["kind": "nmls", "number": "1"]),
    Scenario("GET", "/api/admin/partners/PARTNER/credentials/VERIFIED", .staff, 200),
    Scenario(
      "PUT", "/api/admin/partners/PARTNER/credentials/VERIFIED", .staff, 200, ["issuer": "Court"]),
    Scenario("DELETE", "/api/admin/partners/PARTNER/credentials/VERIFIED", .staff, 204),
    Scenario("GET", "/api/admin/credentials", .staff, 200),
    Scenario("POST", "/api/groups/BIRCH/referrals", .birch, 201, ["partner_type": "cpa"]),
    Scenario("GET", "/api/groups/BIRCH/referrals", .birch, 200),
    Scenario("GET", "/api/groups/BIRCH/referrals/REFERRAL", .birch, 200),
    Scenario("POST", "/api/groups/BIRCH/referrals/REFERRAL/cancel", .birch, 200),
    Scenario("GET", "/api/admin/referrals", .staff, 200),
    Scenario("GET", "/api/admin/referrals/REFERRAL", .staff, 200),
    Scenario("PUT", "/api/admin/referrals/REFERRAL", .staff, 200, ["status": "intro_sent"]),
    Scenario(
      "PUT", "/api/admin/referrals/FOREIGN/outcome", .staff, 200, ["outcome": "deal_closed"]),
    Scenario("GET", "/api/admin/referrals/REFERRAL/history", .staff, 200),
    Scenario("GET", "/api/admin/referrals/REFERRAL/candidates", .staff, 200),
    Scenario("GET", "/api/admin/referrals/REFERRAL/introduction", .staff, 200),
    Scenario("GET", "/api/admin/messages", .staff, 200),
    Scenario("GET", "/api/admin/messages/MESSAGE", .staff, 200),
    Scenario("POST", "/api/admin/messages/MESSAGE/resend", .staff, 201),
    Scenario("POST", "/api/admin/messages/MESSAGE/cancel", .staff, 200),
    Scenario("POST", "/api/sign-in", .everybody, 202, ["email": "ann@example.com"]),
    Scenario("POST", "/api/sign-in/code", .everybody, 200, ["code": "code-1"]),
    Scenario(
      "POST", "/api/coverage/MN/cpa/waitlist", .everybody, 202, ["email": "new@example.com"]),
    Scenario("POST", "/api/waitlist/confirm", .everybody, 204, ["code": "code-2"]),
    Scenario("POST", "/api/waitlist/leave", .everybody, 204, ["code": "code-2"]),
    Scenario("GET", "/api/consent", .everybody, 200),
    Scenario("GET", "/api/coverage", .everybody, 200),
    Scenario("GET", "/api/coverage/MN", .everybody, 200),
    Scenario("GET", "/api/coverage/MN/attorney", .everybody, 200),
    Scenario("GET", "/api/admin/coverage", .staff, 200),
    Scenario("GET", "/api/admin/coverage/MN/agent", .staff, 200),
    Scenario("PUT", "/api/admin/coverage/MN/agent", .staff, 200, ["status": "unavailable"]),
    Scenario("GET", "/api/groups/BIRCH/recommendations", .birch, 200),
    Scenario("GET", "/api/admin/summary", .staff, 200),
    Scenario("GET", "/api/admin/fairness?partner_type=attorney&state=MN", .staff, 200),
    Scenario("GET", "/api/partners", .everybody, 200),
    Scenario("GET", "/api/partners/PARTNER", .everybody, 200),
    Scenario("GET", "/api/partners/me", .partners, 200),
    Scenario("PUT", "/api/partners/me", .partners, 200, ["company_name": "Other"]),
    Scenario("DELETE", "/api/partners/me/changes", .partners, 204),
    Scenario("GET", "/api/partners/me/referrals", .partners, 200),
    Scenario(
      "PUT", "/api/partners/me/referrals/INTRODUCED/response", .pablo, 200,
      ["response": "accepted"]),
    Scenario("GET", "/api/partners/me/summary", .partners, 200),
    Scenario("GET", "/api/partners/me/credentials", .partners, 200),
    Scenario(
      "POST", "/api/partners/me/credentials", .partners, 201, ["kind": "nmls", "number": "1"]),
    Scenario("GET", "/api/partners/me/credentials/CREDENTIAL", .pablo, 200),
    Scenario(
      "PUT", "/api/partners/me/credentials/CREDENTIAL", .pablo, 200, ["issuer": "Court"]),
    Scenario("DELETE", "/api/partners/me/credentials/CREDENTIAL", .pablo, 204),
    Scenario("GET", "/api/me", .signedIn, 200),
    Scenario("GET", "/api/admin/users", .staff, 200),
    Scenario("GET", "/api/admin/users/ANN", .staff, 200),
    Scenario("PUT", "/api/admin/users/ANN", .staff, 200, ["name": "Anna"]),
    Scenario("GET", "/api/admin/users/ANN/tokens", .staff, 200),
    Scenario("POST", "/api/admin/users/ANN/tokens", .staff, 201, [:]),
    Scenario("DELETE", "/api/admin/tokens/TOKEN", .staff, 204),
    Scenario("GET", "/api/admin/groups", .staff, 200),
    Scenario("GET", "/api/admin/groups/BIRCH", .staff, 200),
    Scenario("PUT", "/api/admin/groups/BIRCH", .staff, 200, ["name": "Beech"]),
    Scenario("GET", "/api/admin/events", .staff, 200),
    Scenario("GET", "/api/health", .everybody, 200),
    Scenario("GET", "/api/openapi.json", .everybody, 200),
    Scenario("GET", "/api/openapi.yaml", .everybody, 200),
  ]

  @Test("Each route of the table stands among the scenarios, once") func complete() {
    let tested = AudienceTests.scenarios.map { scenario in
      let path = String(scenario.path.prefix { $0 != "?" })
        .replacing("/groups/BIRCH/", with: "/groups/:groupId/")
        .replacing("coverage/MN/attorney", with: "coverage/:stateCode/:partnerType")
        .replacing("coverage/MN/agent", with: "coverage/:stateCode/:partnerType")
        .replacing("coverage/MN/cpa", with: "coverage/:stateCode/:partnerType")
        .replacing("coverage/MN", with: "coverage/:stateCode")
        .replacing("credentials/VERIFIED", with: "credentials/:credentialId")
        .replacing("credentials/CREDENTIAL", with: "credentials/:credentialId")
      let words = [
        "PARTNER", "REFERRAL", "INTRODUCED", "FOREIGN", "TOKEN", "BIRCH", "ANN", "MESSAGE",
      ]
      return scenario.method + " "
        + words.reduce(path) { $0.replacing($1, with: ":id") }
    }
    let routes = Route.all.map { "\($0.method.rawValue) \($0.pattern)" }
    #expect(tested.sorted() == routes.sorted())
  }

  @Test("Those without the right are refused, and nothing changes", arguments: scenarios)
  func refusals(_ scenario: Scenario) throws {
    let furnished = try Furnished()
    let world = furnished.world
    let before = try world.contents()
    for role in Role.allCases {
      guard let refusal = scenario.refusal(for: role) else { continue }
      let reply = world.send(
        scenario.method, furnished.expand(scenario.path), as: role, body: scenario.body)
      #expect(reply.verdict == refusal, "\(role)")
      for word in ["SECRET", "Need of Oak", "hidden@", "555-0100", "proposal"] {
        #expect(!reply.text.contains(word), "\(role)")
      }
      guard reply.status == 401 else { continue }
      let challenge = "Bearer realm=\"tomi\""
      #expect(
        reply.headers[.wwwAuthenticate]
          == (role == .nobody ? challenge : challenge + ", error=\"invalid_token\""))
    }
    #expect(try world.contents() == before)
  }

  @Test("Those with the right are answered", arguments: scenarios)
  func answers(_ scenario: Scenario) throws {
    var furnished = try Furnished()
    for role in Role.allCases where scenario.refusal(for: role) == nil {
      // What a change leaves behind would refuse the next role.
      if scenario.method != "GET" { furnished = try Furnished() }
      let reply = furnished.world.send(
        scenario.method, furnished.expand(scenario.path), as: role, body: scenario.body)
      #expect(reply.status == scenario.status, "\(role): \(reply.text)")
      // The description of the API names staff's fields as well.
      guard role.scope == nil, !scenario.path.hasPrefix("/api/openapi") else { continue }
      var secrets = [
        "SECRET", "outcome_notes", "invited_by", "\"notes\"", "assign", "follow_up",
      ]
      // A partner sees who has verified its credentials.
      if !scenario.path.hasPrefix("/api/partners/me/credentials") {
        secrets.append(Person.sam.text)
      }
      // A partner sees its own contact and what the groups say that it was introduced to.
      if role != .partner { secrets += ["hidden@", "555-0100", "Need of Oak", "proposal"] }
      for word in secrets where word != role.user.text {
        #expect(!reply.text.contains(word), "\(role): \(reply.text)")
      }
    }
  }

  @Test("401 tells all bad tokens alike; no token apart only in the challenge")
  func badTokensLookAlike() throws {
    let world = try World()
    let replies = [Role.unknownToken, .expired, .revoked, .disabled].map {
      world.send("GET", "/api/admin/partners", as: $0, id: "same")
    }
    for reply in replies {
      #expect(reply.body == replies[0].body)
      #expect(reply.headers == replies[0].headers)
    }
  }

  @Test("A token is read from the header Authorization alone, after the scheme Bearer in any case")
  func schemes() throws {
    let world = try World()
    for (header, verdict) in [
      ("Bearer tomi_test_staff", "200"), ("bearer tomi_test_staff", "200"),
      ("BEARER   tomi_test_staff", "200"), ("tomi_test_staff", "401 unauthenticated"),
      ("Basic tomi_test_staff", "401 unauthenticated"), ("Bearer", "401 unauthenticated"),
      ("Bearer tomi_test_staff tomi_test_staff", "401 unauthenticated"),
      ("Bearer TOMI_TEST_STAFF", "401 unauthenticated"), ("", "401 unauthenticated"),
      // Only spaces separate the two. nginx's limits recognise a token by that.
      ("Bearer \ttomi_test_staff", "401 unauthenticated"),
      ("Bearer\t tomi_test_staff", "401 unauthenticated"),
      ("Bearer \u{a0}tomi_test_staff", "401 unauthenticated"),
      ("Bearer \u{200b}tomi_test_staff", "401 unauthenticated"),
    ] {
      let reply = world.get("/api/admin/events", headers: [.authorization: header])
      #expect(reply.verdict == verdict, "\(header)")
      guard reply.status == 401 else { continue }
      // RFC 6750, section 3.1: where no bearer token was sent, nothing is said of one.
      #expect(
        reply.headers[.wwwAuthenticate]?.contains("invalid_token")
          == header.lowercased().hasPrefix("bearer "), "\(header)")
    }
  }

  @Test("Two tokens are one too many, but nobody looks at them on a public path")
  func twoTokens() throws {
    let world = try World()
    let both: HTTPFields = [
      .authorization: "Bearer tomi_test_staff", .authorization: "Bearer tomi_test_staff",
    ]
    #expect(
      world.get("/api/admin/events", headers: both).verdict
        == "400 invalid_parameter Authorization:repeated_parameter")
    #expect(world.get("/api/coverage", headers: both).verdict == "200")
  }

  @Test("Another group's things answer like ones that do not exist, byte for byte")
  func othersDoNotExist() throws {
    let furnished = try Furnished()
    let world = furnished.world
    let birch = World.birch.text
    // What exists, beside what does not; both paths have the same length.
    let pairs: [(method: String, real: String, none: String, body: JSON?)] = [
      ("GET", "/api/groups/\(birch)/referrals", "/api/groups/\(World.unknown)/referrals", nil),
      (
        "POST", "/api/groups/\(birch)/referrals", "/api/groups/\(World.unknown)/referrals",
        ["partner_type": "cpa"]
      ),
      (
        "POST", "/api/groups/\(birch)/referrals", "/api/groups/\(World.unknown)/referrals",
        ["partner_type": "astrologer", "surplus": 1]
      ),
      (
        "GET", "/api/groups/\(birch)/referrals/\(furnished.referral)",
        "/api/groups/\(birch)/referrals/\(World.unknown)", nil
      ),
      (
        "POST", "/api/groups/\(birch)/referrals/\(furnished.referral)/cancel",
        "/api/groups/\(World.unknown)/referrals/\(World.unknown)/cancel", nil
      ),
    ]
    for role in [Role.outsider, .stranger, .staffWithoutRights] {
      for pair in pairs {
        let real = world.send(pair.method, pair.real, as: role, body: pair.body, id: "same")
        let none = world.send(pair.method, pair.none, as: role, body: pair.body, id: "same")
        #expect(real.verdict == "404 not_found")
        #expect(real.headers == none.headers)
        #expect(real.text.replacing(pair.real, with: pair.none) == none.text)
      }
    }

    // Through one's own group, another's request is not there either, for staff neither.
    for role in [Role.member, .staff] {
      for (method, suffix) in [("GET", ""), ("POST", "/cancel")] {
        let real = "/api/groups/\(birch)/referrals/\(furnished.foreign)\(suffix)"
        let none = "/api/groups/\(birch)/referrals/\(World.unknown)\(suffix)"
        let one = world.send(method, real, as: role, id: "same")
        let other = world.send(method, none, as: role, id: "same")
        #expect(one.verdict == "404 not_found")
        #expect(one.headers == other.headers)
        #expect(one.text.replacing(real, with: none) == other.text)
      }
    }
  }

  @Test("A change of membership, of a user, of a token counts from the next request on")
  func changesCountAtOnce() throws {
    let world = try World()
    let list = "/api/groups/\(World.birch)/referrals"
    #expect(world.get(list, as: .stranger).status == 404)
    world.put(
      "/api/admin/groups/\(World.birch)",
      ["members": [.string(Person.bob.text), .string(Person.petra.text)]])
    #expect(world.get(list, as: .stranger).status == 200)
    #expect(world.get(list, as: .member).status == 404)
    world.put("/api/admin/users/\(Person.petra)", ["disabled": true])
    #expect(world.get(list, as: .stranger).status == 401)
    world.put("/api/admin/users/\(Person.petra)", ["disabled": false])
    #expect(world.get(list, as: .stranger).status == 200)
  }

  @Test("Members of a group share its requests") func membersShare() throws {
    let world = try World()
    let referral = world.referral()
    let path = "/api/groups/\(World.birch)/referrals/\(referral)"
    #expect(world.get(path, as: .member).body == world.get(path, as: .otherMember).body)
    #expect(world.post(path + "/cancel", as: .otherMember).verdict == "200")
  }
}
