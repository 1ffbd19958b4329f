import Domain
import Foundation
import HTTPTypes
import JSON
import Testing

@testable import API
@testable import Store

/// Requests that nobody would write: none may fail the service, and none that is refused may change
/// anything. The seed is in the failing test's name, so that each run can be repeated. For more than a
/// test run's worth, TOMI_FUZZ_CASES says how many cases of each kind, and TOMI_SEED where seeds begin.
@Suite struct FuzzTests {
  /// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
  struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }

    mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &self) == 0 }

    mutating func pick<Element>(_ elements: [Element]) -> Element {
      elements[Int.random(in: 0..<elements.count, using: &self)]
    }
  }

  /// The seeds of a kind of which each has `size` cases; `usual` many, if the environment says nothing.
  static func seeds(_ usual: Int, of size: Int) -> Range<UInt64> {
    let environment = ProcessInfo.processInfo.environment
    let first = environment["TOMI_SEED"].flatMap(UInt64.init) ?? 1
    let cases = environment["TOMI_FUZZ_CASES"].flatMap(Int.init)
    return first..<first + UInt64(cases.map { max(1, ($0 + size - 1) / size) } ?? usual)
  }

  static let names = [
    "id", "user_id", "type", "status", "company_name", "contact_name", "email", "phone", "website",
    "service_areas", "co_ownership_certified", "agreement_signed_at", "invited_by", "notes",
    "created_at", "updated_at", "partner_type", "context", "group_size", "home_price_range", "min",
    "max", "timeline", "state", "specific_need", "partner_id", "intro_sent_at", "outcome",
    "outcome_notes", "note", "requested_by", "group_id", "group", "requester", "contact_id",
    "assigned_to", "follow_up_on", "consent_version", "partner", "name",
    "disabled", "members", "expires_at", "response", "reason", "reason_code", "decision", "fields",
    "pending_changes", "description", "languages",
    "affiliation_disclosure", "accepting_referrals", "paused_until", "max_open_referrals",
    "credentials_status", "kind", "number", "state_code", "issuer", "expires_on", "verified",
    "verified_at", "verified_by", "code",
  ]

  /// The fields of a partner.
  static let partnerNames =
    Array(names.prefix(16)) + [
      "description", "languages", "affiliation_disclosure", "accepting_referrals", "paused_until",
      "max_open_referrals", "credentials_status", "pending_changes",
    ]

  /// The fields of a credential.
  static let credentialNames = [
    "id", "kind", "number", "state_code", "issuer", "expires_on", "verified", "verified_at",
    "verified_by", "notes", "created_at", "updated_at",
  ]

  static let texts = [
    "", " ", "x", "\u{0}", "\n", "\u{7F}", "\u{FEFF}", "\u{202E}", "😀", "e\u{301}", "ﬂ", "'; --",
    "null", "{}", "a@example.com", "A@Example.com", "@", "5550100", "https://example.com",
    "https://", "http://[::1]/", "http://[", "MN", "ca", "XX", "attorney", "lender", "invited",
    "pending_review", "active", "inactive", "removed", "pending", "matched", "intro_sent",
    "connected", "closed", "cancelled", "engaged", "not_engaged", "unknown", "available",
    "coming_soon", "accepted", "declined", "approved", "rejected", "no_capacity", World.start,
    "2020-02-30T00:00:00Z",
    "2026-11-22", "9999-12-31", "0001-01-01", "en", "XX", "bar_admission",
    "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00Z", World.unknown, Person.ann.text,
    World.birch.text.uppercased(), String(repeating: "x", count: 101),
    String(repeating: "é", count: 256), String(repeating: "\u{1F468}\u{200D}", count: 5_001),
  ]

  static func value(_ random: inout Random, ids: [String], depth: Int = 0) -> JSON {
    switch Int.random(in: 0..<(depth < 3 ? 12 : 9), using: &random) {
    case 0: .null
    case 1: .bool(random.chance(2))
    case 2: .integer(random.pick([0, -1, 1, 3, 100, 101, .max, .min]))
    case 3: .number(random.pick([0.5, -0.0, 1e300, 1e19, 1e-300]))
    case 4, 5: .string(random.pick(ids))
    case 9:
      .array(
        (0..<Int.random(in: 0..<4, using: &random)).map { _ in
          value(&random, ids: ids, depth: depth + 1)
        })
    case 10, 11: object(&random, ids: ids, depth: depth + 1)
    default: .string(random.pick(texts))
    }
  }

  static func object(
    _ random: inout Random, ids: [String], names: [String] = FuzzTests.names, depth: Int = 0
  ) -> JSON {
    var object: JSON = [:]
    for _ in 0..<Int.random(in: 0..<5, using: &random) {
      let name = random.chance(20) ? random.pick(texts) : random.pick(names)
      object = object.with(.object([.init(name, value(&random, ids: ids, depth: depth))]))
    }
    return object
  }

  /// What a route takes, so that some of the bodies are right.
  static let routes: [(method: String, path: String, names: [String], right: JSON)] = [
    (
      "POST", "/api/admin/partners", partnerNames,
      ["type": "cpa", "company_name": "C", "email": "c@example.com"]
    ),
    ("PUT", "/api/admin/partners/PARTNER", partnerNames, [:]),
    ("PUT", "/api/admin/partners/PARTNER/status", ["status", "note"], ["status": "inactive"]),
    (
      "PUT", "/api/admin/partners/PARTNER/changes", ["decision", "fields", "note"],
      ["decision": "approved"]
    ),
    (
      "POST", "/api/groups/BIRCH/referrals", ["partner_type", "context", "requested_by"],
      ["partner_type": "title"]
    ),
    ("POST", "/api/groups/BIRCH/referrals/REFERRAL/cancel", ["note"], [:]),
    (
      "PUT", "/api/admin/referrals/REFERRAL",
      ["status", "partner_id", "partner_type", "context", "intro_sent_at", "note"], [:]
    ),
    (
      "PUT", "/api/admin/referrals/INTRODUCED/outcome", ["outcome", "outcome_notes"],
      ["outcome": "engaged"]
    ),
    ("PUT", "/api/admin/coverage/MN/attorney", ["status"], ["status": .null]),
    ("PUT", "/api/admin/users/ANN", ["email", "name", "id", "created_at"], [:]),
    (
      "PUT", "/api/admin/users/\(World.unknown)", ["email", "name", "disabled"],
      ["email": "n@example.com", "name": "N"]
    ),
    ("POST", "/api/admin/users/ANN/tokens", ["name", "expires_at"], [:]),
    ("PUT", "/api/admin/groups/BIRCH", ["name", "state", "members"], [:]),
    ("PUT", "/api/partners/me", partnerNames, [:]),
    ("DELETE", "/api/partners/me/changes", [], [:]),
    (
      "PUT", "/api/partners/me/referrals/INTRODUCED/response",
      ["response", "reason", "reason_code"],
      ["response": "accepted"]
    ),
    ("DELETE", "/api/admin/tokens/TOKEN", [], [:]),
    (
      "POST", "/api/admin/partners/PARTNER/credentials", credentialNames,
      ["kind": "nmls", "number": "1"]
    ),
    ("PUT", "/api/admin/partners/PARTNER/credentials/VERIFIED", credentialNames, [:]),
    ("DELETE", "/api/admin/partners/PARTNER/credentials/VERIFIED", [], [:]),
    (
      "POST", "/api/partners/me/credentials", credentialNames, ["kind": "nmls", "number": "2"]
    ),
    ("PUT", "/api/partners/me/credentials/CREDENTIAL", credentialNames, [:]),
    ("DELETE", "/api/partners/me/credentials/CREDENTIAL", [], [:]),
    ("POST", "/api/admin/messages/MESSAGE/resend", [], [:]),
    ("POST", "/api/admin/messages/MESSAGE/cancel", [], [:]),
    ("POST", "/api/sign-in", ["email"], ["email": "ann@example.com"]),
    ("POST", "/api/sign-in/code", ["code"], ["code": "code-1"]),
    ("POST", "/api/coverage/MN/attorney/waitlist", ["email"], ["email": "w@example.com"]),
    ("POST", "/api/waitlist/confirm", ["code"], ["code": "code-2"]),
    ("POST", "/api/waitlist/leave", ["code"], ["code": "code-2"]),
  ]

  @Test("Each route that changes something is fuzzed") func complete() {
    let changing = Route.all.filter { $0.method != .get }.map(\.pattern)
    let fuzzed = FuzzTests.routes.map { route in
      var path = route.path.replacing("MN/attorney", with: ":stateCode/:partnerType")
        .replacing("groups/BIRCH/referrals", with: "groups/:groupId/referrals")
        .replacing("VERIFIED", with: ":credentialId")
        .replacing("CREDENTIAL", with: ":credentialId")
      for word in [
        "PARTNER", "REFERRAL", "INTRODUCED", "BIRCH", "ANN", "TOKEN", "MESSAGE", World.unknown,
      ] {
        path = path.replacing(word, with: ":id")
      }
      return path
    }
    #expect(Set(fuzzed) == Set(changing))
  }

  @Test("Bodies", arguments: FuzzTests.seeds(4, of: 900)) func bodies(seed: UInt64) throws {
    var random = Random(state: seed)
    let furnished = try AudienceTests.Furnished()
    let world = furnished.world
    let ids = [
      furnished.partner, furnished.referral, furnished.introduced, Person.ann.text,
      Person.paula.text, World.oak.text,
    ]
    var contents = try world.contents()
    var refused = 0
    var accepted = 0
    for _ in 0..<900 {
      let route = random.pick(FuzzTests.routes)
      var body = random.chance(2) ? route.right : [:]
      let names = random.chance(6) ? FuzzTests.names : route.names
      if !names.isEmpty {
        body = body.with(FuzzTests.object(&random, ids: ids, names: names))
      }
      var bytes = body.bytes
      if random.chance(10) {
        // Cut, or one byte another.
        if random.chance(2) {
          bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
        } else {
          bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(
            in: 0...255, using: &random)
        }
      }
      var headers: HTTPFields = [:]
      if random.chance(10) { headers[.idempotencyKey] = random.pick(["a", "b", "ä", "\"", ""]) }
      if random.chance(15) { headers[.ifMatch] = random.pick(["*", "\"x\"", "", ","]) }
      if random.chance(20) { headers[.contentType] = random.pick(["text/plain", "", ";"]) }
      let role: Role = route.path.hasPrefix("/api/partners/me") ? .partner : .staff
      world.clock.pass(milliseconds: 1)
      let reply = world.send(
        route.method, furnished.expand(route.path), as: role, bytes: bytes, headers: headers)
      #expect(
        [200, 201, 202, 204, 400, 403, 404, 409, 410, 412, 415, 422].contains(reply.status),
        "\(route) \(String(decoding: bytes, as: UTF8.self))")
      if reply.status < 400 {
        accepted += 1
        contents = try world.contents()
      } else {
        refused += 1
        // Comparing takes longer than refusing.
        if refused % 10 == 0 { #expect(try world.contents() == contents, "\(route)") }
      }
    }
    // The bodies are neither all wrong nor all right.
    #expect(accepted > 50 && refused > 200, "\(accepted) accepted, \(refused) refused")
    #expect(try world.store.check(now: world.clock.now) == [])
  }

  /// Values that lists take for these parameters, if not all of them.
  static let parameters: [String: [String]] = [
    "type": ["attorney", "cpa,lender"], "partner_type": ["attorney", "lender, cpa"],
    "status": ["intro_sent", "closed,intro_sent", "active"], "state": ["MN", "mn", "CA,MN"],
    "q": ["company", "a b", "\"", "*", "é😀", " "], "sort": ["created_at", "-created_at"],
    "limit": ["1", "2", "10", "003"], "older_than_days": ["0", "3650"], "after": ["0", "5"],
    "group_id": [World.birch.text], "partner_id": [World.unknown],
    "requested_by": [Person.ann.text.uppercased()], "pending_changes": ["true", "false"],
    "referral_id": [World.unknown], "to": ["ann@example.com", "STAFF@tomi.example"],
    "kind": ["request.new", "request.new,sign_in"],
  ]

  @Test("Queries", arguments: FuzzTests.seeds(2, of: 800)) func queries(seed: UInt64) throws {
    var random = Random(state: seed)
    let furnished = try AudienceTests.Furnished()
    let world = furnished.world
    let contents = try world.contents()
    let lists = Route.all.filter { $0.method == .get && !$0.parameters.isEmpty }
    #expect(lists.count >= 10)
    let words =
      FuzzTests.texts.prefix(52) + ["1", "100", "created_at", "-company_name", "attorney,cpa", ","]
    var answered = 0
    for _ in 0..<800 {
      let route = random.pick(lists)
      var names = route.parameters.map(\.name)
      if random.chance(8) { names.append("surplus") }
      let pairs = (0..<Int.random(in: 1...3, using: &random)).map { _ in
        let name = random.pick(names)
        var value = random.chance(12) ? "%\(random.pick(["", "F", "FF", "zz", "00", "C3%28"]))" : ""
        if value.isEmpty {
          let right = FuzzTests.parameters[name] ?? []
          let isRight = !right.isEmpty && !random.chance(5)
          value = PercentEncoding.encode(random.pick(isRight ? right : Array(words)))
          if random.chance(10) { value = value.replacing("%20", with: "+") }
        }
        return name + (random.chance(15) ? "" : "=") + value
      }
      let path = route.pattern.replacing(":groupId", with: World.birch.text)
        .replacing("partners/:id", with: "partners/\(furnished.partner)")
        .replacing("referrals/:id", with: "referrals/\(furnished.referral)")
        .replacing("users/:id", with: "users/\(Person.ann)")
      let role: Role = path.hasPrefix("/api/partners/me") ? .partner : .staff
      let reply = world.get(path + "?" + pairs.joined(separator: "&"), as: role)
      #expect(reply.status == 200 || reply.status == 400, "\(path) \(pairs)")
      if reply.status == 200 { answered += 1 }
    }
    #expect(answered > 100 && answered < 700, "\(answered) answered")
    #expect(try world.contents() == contents)
  }

  @Test("Targets and methods", arguments: FuzzTests.seeds(1, of: 1500))
  func targets(seed: UInt64) throws {
    var random = Random(state: seed)
    let world = try World()
    let contents = try world.contents()
    let parts = [
      "api", "admin", "partners", "referrals", "coverage", "groups", "users", "me", "health", "MN",
      "attorney", World.unknown, World.birch.text, "", ".", "..", "%2F", "%2e%2e", "%00", "%", "?",
      "#", "//", "*", "😀", "%F0%9F%98%80", "status", "history", "openapi.yaml",
    ]
    for _ in 0..<1500 {
      var target = random.chance(20) ? "" : "/api"
      for _ in 0..<Int.random(in: 0..<5, using: &random) { target += "/" + random.pick(parts) }
      let method = random.pick(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get"])
      let reply = world.send(method, target, as: random.pick(Role.allCases))
      #expect(
        [200, 204, 400, 401, 403, 404, 405].contains(reply.status), "\(method) \(target)")
    }
    #expect(try world.contents() == contents)
  }
}
