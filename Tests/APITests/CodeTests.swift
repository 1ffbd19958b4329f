import Domain
import Foundation
import HTTPTypes
import JSON
import SQLite
import Testing
import Yams

@testable import API
@testable import Store

/// Each code of a problem, and of an error within one, with a request that is refused with it.
@Suite struct CodeTests {
  typealias Provocation = @Sendable (World) throws -> Reply

  private static func partner(_ body: JSON) -> Provocation {
    { world in world.put("/api/admin/partners/\(world.partner())", body) }
  }

  private static func referral(_ status: ReferralStatus, _ body: JSON) -> Provocation {
    { world in world.put("/api/admin/referrals/\(world.referral(status))", body) }
  }

  private static func get(_ target: String, as role: Role = .staff) -> Provocation {
    { $0.get(target, as: role) }
  }

  static let problems: [Problem.Code: Provocation] = [
    .alreadyAvailable: { world in
      _ = world.partner()
      return world.post(
        "/api/coverage/MN/attorney/waitlist", ["email": "w@example.com"], as: .nobody)
    },
    .codeExpired: { $0.post("/api/sign-in/code", ["code": "unknown"], as: .nobody) },
    .consentMissing: { _ in
      let consent = Consent(version: "1", text: "You agree.")
      let world = try World(consent: ConsentPolicy(present: consent, isRequired: true))
      let made = world.post(
        "/api/groups/\(World.birch)/referrals",
        ["partner_type": "attorney", "requested_by": .string(Person.ann.text)])
      let path = "/api/admin/referrals/\(made["id"]?.text ?? "")"
      world.put(path, ["partner_id": .string(world.partner())])
      return world.put(path, ["status": "intro_sent"])
    },
    .contactMissing: { world in
      let referral = world.referral(.matched, as: .staff)
      return world.put("/api/admin/referrals/\(referral)", ["status": "intro_sent"])
    },
    .credentialExists: { world in
      let partner = world.partner()
      _ = world.credential(of: partner)
      return world.post(
        "/api/admin/partners/\(partner)/credentials",
        ["kind": "bar_admission", "number": "mn0391234", "state_code": "mn"])
    },
    .credentialVerified: { world in
      let partner = world.partner(with: ["user_id": .string("\(Person.pablo)")])
      return world.send(
        "DELETE", "/api/partners/me/credentials/\(world.credential(of: partner))", as: .partner)
    },
    .emailTaken: { $0.put("/api/admin/users/\(Person.ann)", ["email": "bob@example.com"]) },
    .forbidden: get("/api/admin/partners", as: .member),
    .idempotencyKeyReused: { world in
      let path = "/api/groups/\(World.birch)/referrals"
      let headers: HTTPFields = [.idempotencyKey: "once"]
      world.post(path, ["partner_type": "cpa"], headers: headers)
      return world.post(path, ["partner_type": "agent"], headers: headers)
    },
    .internalError: { world in
      try world.store.write(now: world.clock.now, actor: nil) {
        try $0.connection.run("DROP TABLE service_area_coverage")
      }
      // Not with `World.send`, which expects of every answer that it is no failure of ours.
      return Reply(
        world.router.answer(Request(method: "GET", target: "/api/coverage", id: "request")))
    },
    .invalidParameter: get("/api/partners?surplus=1"),
    .malformedJSON: { $0.send("POST", "/api/admin/partners", bytes: Array("{".utf8)) },
    .messageNotQueued: { world in
      _ = world.partner()
      try world.deliver()
      let sent = world.messages().at(0)["id"]?.text ?? ""
      return world.post("/api/admin/messages/\(sent)/cancel")
    },
    .methodNotAllowed: { $0.send("PATCH", "/api/partners") },
    .noActivePartner: { $0.put("/api/admin/coverage/WY/cpa", ["status": "available"]) },
    .noPendingChanges: { world in
      world.put("/api/admin/partners/\(world.partner())/changes", ["decision": "approved"])
    },
    .notFound: get("/api/nothing"),
    .notResendable: { world in
      world.post("/api/sign-in", ["email": "ann@example.com"], as: .nobody)
      return world.post("/api/admin/messages/\(world.messages().at(0)["id"]?.text ?? "")/resend")
    },
    .outcomeNotPossible: { world in
      world.put("/api/admin/referrals/\(world.referral())/outcome", ["outcome": "engaged"])
    },
    .partnerAlreadyIntroduced: { world in
      world.put(
        "/api/admin/referrals/\(world.referral(.introSent))",
        ["partner_id": .string(world.partner())])
    },
    .partnerExists: { world in
      let email: JSON = ["email": "one@example.com"]
      let second = world.partner()
      _ = world.partner(with: email)
      return world.put("/api/admin/partners/\(second)", email)
    },
    .partnerHasReferrals: { world in
      let partner = world.partner()
      _ = world.referral(.matched, partner: partner)
      return world.put("/api/admin/partners/\(partner)", ["type": "cpa"])
    },
    .partnerNotEligible: { world in
      let partner = world.partner(.inactive)
      return world.put(
        "/api/admin/referrals/\(world.referral())", ["partner_id": .string(partner)])
    },
    .partnerNotReady: partner(["service_areas": []]),
    .preconditionFailed: { world in
      world.put(
        "/api/admin/partners/\(world.partner())", [:], headers: [.ifMatch: "\"another\""])
    },
    .quotaExceeded: { world in
      for _ in 0..<30 { _ = world.referral(.cancelled) }
      return world.post(
        "/api/groups/\(World.birch)/referrals", ["partner_type": "cpa"], as: .member)
    },
    .referralAlreadyOpen: { world in
      _ = world.referral()
      return world.post(
        "/api/groups/\(World.birch)/referrals", ["partner_type": "attorney"], as: .member)
    },
    .referralClosed: referral(.cancelled, ["contact_id": .string(Person.bob.text)]),
    .referralNotPending: referral(.matched, ["partner_type": "cpa"]),
    .tooLarge: {
      $0.send(
        Request(
          method: "POST", target: "/api/admin/partners",
          headers: [.authorization: "Bearer tomi_test_staff"], body: nil, id: "request"))
    },
    .transitionNotAllowed: referral(.pending, ["status": "closed"]),
    .unauthenticated: get("/api/admin/partners", as: .nobody),
    .unavailable: { world in
      world.store.close()
      return world.get("/api/coverage")
    },
    .unsupportedMediaType: {
      $0.post("/api/admin/partners", [:], headers: [.contentType: "text/plain"])
    },
    .partnerErased: { world in
      let partner = world.partner()
      _ = try world.store.fill(now: world.clock.now) {
        try $0.erase(ErasureSubject(.partner, ID(partner)!), .refuse)
      }
      return world.put("/api/admin/partners/\(partner)/status", ["status": "pending_review"])
    },
    .userErased: { world in
      _ = try world.store.fill(now: world.clock.now) {
        try $0.erase(ErasureSubject(.user, Person.petra), .refuse)
      }
      return world.put("/api/admin/users/\(Person.petra)", ["name": "Petra"])
    },
    .userIsStaff: { $0.put("/api/admin/users/\(Person.sam)", ["name": "Other"]) },
    .userAlreadyLinked: { world in
      let user: JSON = ["user_id": .string("\(Person.pablo)")]
      _ = world.partner(with: user)
      return world.put("/api/admin/partners/\(world.partner())", user)
    },
    .validation: partner(["surplus": 1]),
  ]

  static let errors: [FieldCode: Provocation] = [
    .controlCharacter: partner(["company_name": "A\u{7}"]),
    .inFuture: partner(["agreement_signed_at": "2126-01-01T00:00:00Z"]),
    .inPast: {
      $0.post(
        "/api/admin/users/\(Person.ann)/tokens", ["expires_at": "2020-01-01T00:00:00Z"])
    },
    .invisibleCharacter: partner(["company_name": "A\u{200B}B"]),
    .invalidCursor: get("/api/partners?cursor=another"),
    .invalidFormat: partner(["email": "nobody"]),
    .notAMember: {
      $0.post(
        "/api/groups/\(World.birch)/referrals",
        ["partner_type": "cpa", "requested_by": .string("\(Person.olga)")])
    },
    .notAllowedHere: {
      $0.post("/api/admin/users/\(Person.ann)/tokens", [:], headers: [.idempotencyKey: "once"])
    },
    .notStaff: referral(.pending, ["assigned_to": .string(Person.ann.text)]),
    .notNull: partner(["company_name": .null]),
    .outOfRange: get("/api/partners?limit=0"),
    .readOnly: partner(["id": .string(World.unknown)]),
    .repeatedParameter: get("/api/partners?limit=1&limit=1"),
    .required: { $0.post("/api/admin/partners", [:]) },
    .tooLong: partner(["company_name": .string(String(repeating: "a", count: 201))]),
    .unknownField: partner(["surplus": 1]),
    .unknownParameter: get("/api/partners?surplus=1"),
    .unknownPartner: referral(.pending, ["partner_id": .string(World.unknown)]),
    .unknownState: partner(["service_areas": ["ZZ"]]),
    .unknownUser: partner(["user_id": .string(World.unknown)]),
    .unknownValue: partner(["type": "plumber"]),
    .wrongType: partner(["company_name": 1]),
  ]

  @Test("Each kind of problem can be provoked", arguments: Problem.Code.allCases)
  func problem(code: Problem.Code) throws {
    let provoke = try #require(Self.problems[code], "no request of this test provokes it")
    #expect(try provoke(World())["code"]?.text == code.rawValue)
  }

  @Test("Each kind of mistake can be provoked", arguments: FieldCode.allCases)
  func error(code: FieldCode) throws {
    let provoke = try #require(Self.errors[code], "no request of this test provokes it")
    let codes = try provoke(World())["errors"]?.elements.map { $0["code"]?.text }
    #expect(codes == [code.rawValue] || (code == .required && codes?.contains("required") == true))
  }

  @Test("The document lists these codes, nginx's, and no others") func documented() throws {
    let schemas = try #require(try OpenAPITests.document()["components"]?["schemas"]?.mapping)
    let problems = schemas.values.compactMap {
      $0["allOf"] == nil ? nil : $0["properties"]?["code"]?["const"]?.string
    }
    // EndToEnd's WebServerErrorTests provoke these three.
    let ofNginx = ["bad_request", "rate_limited", "uri_too_long"]
    let own = Problem.Code.allCases.map(\.rawValue)
    #expect(problems.sorted() == (own + ofNginx).sorted())

    let listed = schemas["FieldErrorCode"]?["enum"]?.sequence?.compactMap(\.string)
    #expect(listed == FieldCode.allCases.map(\.rawValue).sorted())

    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../nginx/service.conf").standardizedFileURL
    let configuration = try String(contentsOf: file, encoding: .utf8)
    let sent = Set(configuration.matches(of: #/"code":"([a-z_]+)"/#).map { String($0.output.1) })
    #expect(sent.subtracting(own) == Set(ofNginx))
  }
}
