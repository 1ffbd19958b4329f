import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// Paths, methods, caching and browsers.
@Suite struct HTTPTests {
  @Test("How long each answer may be kept, by whom", arguments: AudienceTests.scenarios)
  func caching(_ scenario: AudienceTests.Scenario) throws {
    var furnished = try AudienceTests.Furnished()
    let kept =
      switch scenario.path {
      case "/api/health",
        _ where scenario.method == "POST" && scenario.path.hasSuffix("/tokens"),
        _ where scenario.method == "POST" && scenario.rights == .everybody:
        "no-store"
      case _ where scenario.rights == .everybody:
        "public, max-age=60, stale-while-revalidate=300"
      default: "private, no-cache"
      }
    // A token makes no difference where none is looked at.
    let roles: [Role] =
      switch scenario.rights {
      case .everybody: [.nobody, .staff, .expired]
      case .partners, .pablo: [.partner]
      case .staff, .birch, .signedIn: [.staff]
      }
    for role in roles {
      // A code for signing in is used up.
      if scenario.method != "GET" { furnished = try AudienceTests.Furnished() }
      let path = furnished.expand(scenario.path)
      let reply = furnished.world.send(scenario.method, path, as: role, body: scenario.body)
      #expect(reply.status == scenario.status)
      #expect(reply.headers[.cacheControl] == kept)
      guard scenario.method == "GET" else { continue }
      let head = furnished.world.send("HEAD", path, as: role)
      #expect(head.status == scenario.status)
      #expect(head.headers == reply.headers)
    }
  }

  @Test("Each path names its methods, and refuses the others") func methods() throws {
    let world = try World()
    let patterns = Set(Route.all.map(\.pattern)).sorted()
    let allowed: [String: String] = [
      "/api/admin/coverage": "GET, HEAD, OPTIONS",
      "/api/admin/coverage/:stateCode/:partnerType": "GET, HEAD, PUT, OPTIONS",
      "/api/admin/credentials": "GET, HEAD, OPTIONS",
      "/api/admin/events": "GET, HEAD, OPTIONS",
      "/api/admin/groups": "GET, HEAD, OPTIONS",
      "/api/admin/groups/:id": "GET, HEAD, PUT, OPTIONS",
      "/api/admin/messages": "GET, HEAD, OPTIONS",
      "/api/admin/messages/:id": "GET, HEAD, OPTIONS",
      "/api/admin/messages/:id/cancel": "POST, OPTIONS",
      "/api/admin/messages/:id/resend": "POST, OPTIONS",
      "/api/admin/partners": "GET, HEAD, POST, OPTIONS",
      "/api/admin/partners/:id": "GET, HEAD, PUT, OPTIONS",
      "/api/admin/fairness": "GET, HEAD, OPTIONS",
      "/api/admin/partners/:id/changes": "PUT, OPTIONS",
      "/api/admin/partners/:id/credentials": "GET, HEAD, POST, OPTIONS",
      "/api/admin/partners/:id/credentials/:credentialId": "GET, HEAD, PUT, DELETE, OPTIONS",
      "/api/admin/partners/:id/history": "GET, HEAD, OPTIONS",
      "/api/admin/partners/:id/status": "PUT, OPTIONS",
      "/api/admin/partners/:id/summary": "GET, HEAD, OPTIONS",
      "/api/admin/referrals": "GET, HEAD, OPTIONS",
      "/api/admin/referrals/:id": "GET, HEAD, PUT, OPTIONS",
      "/api/admin/referrals/:id/candidates": "GET, HEAD, OPTIONS",
      "/api/admin/referrals/:id/history": "GET, HEAD, OPTIONS",
      "/api/admin/referrals/:id/introduction": "GET, HEAD, OPTIONS",
      "/api/admin/referrals/:id/outcome": "PUT, OPTIONS",
      "/api/admin/tokens/:id": "DELETE, OPTIONS",
      "/api/admin/users": "GET, HEAD, OPTIONS",
      "/api/admin/users/:id": "GET, HEAD, PUT, OPTIONS",
      "/api/admin/users/:id/tokens": "GET, HEAD, POST, OPTIONS",
      "/api/consent": "GET, HEAD, OPTIONS",
      "/api/coverage": "GET, HEAD, OPTIONS",
      "/api/coverage/:stateCode": "GET, HEAD, OPTIONS",
      "/api/coverage/:stateCode/:partnerType": "GET, HEAD, OPTIONS",
      "/api/coverage/:stateCode/:partnerType/waitlist": "POST, OPTIONS",
      "/api/sign-in": "POST, OPTIONS",
      "/api/sign-in/code": "POST, OPTIONS",
      "/api/waitlist/confirm": "POST, OPTIONS",
      "/api/waitlist/leave": "POST, OPTIONS",
      "/api/admin/summary": "GET, HEAD, OPTIONS",
      "/api/groups/:groupId/recommendations": "GET, HEAD, OPTIONS",
      "/api/partners": "GET, HEAD, OPTIONS",
      "/api/partners/:id": "GET, HEAD, OPTIONS",
      "/api/partners/me": "GET, HEAD, PUT, OPTIONS",
      "/api/partners/me/credentials": "GET, HEAD, POST, OPTIONS",
      "/api/partners/me/credentials/:credentialId": "GET, HEAD, PUT, DELETE, OPTIONS",
      "/api/partners/me/changes": "DELETE, OPTIONS",
      "/api/partners/me/referrals": "GET, HEAD, OPTIONS",
      "/api/partners/me/referrals/:id/response": "PUT, OPTIONS",
      "/api/partners/me/summary": "GET, HEAD, OPTIONS",
      "/api/groups/:groupId/referrals": "GET, HEAD, POST, OPTIONS",
      "/api/groups/:groupId/referrals/:id": "GET, HEAD, OPTIONS",
      "/api/groups/:groupId/referrals/:id/cancel": "POST, OPTIONS",
      "/api/health": "GET, HEAD, OPTIONS",
      "/api/me": "GET, HEAD, OPTIONS",
      "/api/openapi.json": "GET, HEAD, OPTIONS",
      "/api/openapi.yaml": "GET, HEAD, OPTIONS",
    ]
    #expect(allowed.keys.sorted() == patterns)
    for (pattern, methods) in allowed {
      let path = pattern.split(separator: "/").map { $0.hasPrefix(":") ? "x" : String($0) }
        .joined(separator: "/")
      let target = "/" + path + "?surplus=1"
      let options = world.send("OPTIONS", target, as: .nobody)
      #expect(options.status == 204)
      #expect(options.headers[.allow] == methods)
      #expect(options.headers[.accessControlAllowMethods] == nil)
      let list = methods.split(separator: ", ")
      for method in [
        "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get", "BREW", "",
      ] where !list.contains(Substring(method)) {
        let reply = world.send(method, target, as: .nobody)
        #expect(reply.status == 405, "\(method) \(pattern)")
        #expect(reply.headers[.allow] == methods)
      }
    }
  }

  @Test("Other paths are not there, whoever asks and however") func otherPaths() throws {
    let world = try World()
    for target in [
      "", "/", "/api", "/api/", "/API/coverage", "/api/Coverage", "/api/coverage/",
      "/api//coverage", "//api/coverage", "/api/coverage//MN", "/api/coverage/MN/",
      "/api/coverage/MN/attorney/x", "/api/coverage%2FMN", "/api/coverage/MN%2Fattorney",
      "/api%2Fcoverage", "/api/coverage/%", "/api/coverage/M%4", "/api/coverage/%zz",
      "/api/coverage/%FF", "/api/coverage/MN%00", "/api/coverage/MN%20", "/api/coverage/+MN",
      "/api/coverage/../coverage", "/api/./coverage", "/api/coverage/MN/..",
      "/api/coverage/MN/../../health", "/api/%2e/coverage", "/api/%2E%2E/api/coverage",
      "/api/coverage;v=1", "/api/coverage%3F", "api/coverage", "*",
      "http://example.com/api/coverage", "/api/admin", "/api/admin/", "/api/admin/secret",
      "/api/admin/partners/x/y/z", "/api/groups", "/api/groups/x", "/health", "/api/health/x",
      "/api/admin/coverage/", "/api/admin/coverage/MN", "/api/admin/tokens", "/api/me/x",
    ] {
      for (method, role) in [
        ("GET", Role.nobody), ("GET", .staff), ("OPTIONS", .nobody), ("PATCH", .member),
      ] {
        // Coverage of what is no state is a path that exists and a thing that does not.
        let isThing =
          ["/%20", "MN%00", "/+MN", "MN%20"].contains(where: target.hasSuffix) && method != "GET"
        let reply = world.send(method, target, as: role)
        #expect(
          reply.verdict.hasPrefix("404") || (isThing && [204, 405].contains(reply.status)),
          "\(method) \(target)")
      }
    }
  }

  @Test("A path's parts are decoded after they are parted") func encodedPaths() throws {
    let world = try World()
    let partner = world.partner()
    let plain = world.get("/api/admin/partners/\(partner)")
    let encoded = partner.utf8.map { "%" + String($0, radix: 16) }.joined()
    for target in [
      "/api/admin/partners/\(encoded)", "/%61pi/adm%69n/p%61rtners/\(partner)",
      "/api/admin/partners/\(partner.uppercased())",
    ] {
      #expect(world.get(target).body == plain.body)
    }
    #expect(world.get("/api/c%6Fverage/%6D%4E", as: .nobody)["state_code"] == "MN")
    // What was encoded in the path is told as it was sent.
    #expect(world.get("/api/%6Eone").verdict == "404 not_found")
  }

  @Test("A query is decoded: escapes, plus, ends") func decodedQuery() throws {
    let world = try World()
    let id = world.partner(with: ["company_name": "Grün & Söhne 100%"])
    for query in [
      "q=gr%C3%BCn", "q=gr%c3%bcn", "%71=gr%C3%BCn", "q=Gr%C3%BCn+S%C3%B6hne", "q=100%25",
      "q=gr%C3%BCn&", "&q=gr%C3%BCn", "q=S%C3%B6hne%20%26%20", "q=a%3Db&q2", "q==gr%C3%BCn",
    ] {
      let reply = world.get("/api/admin/partners?\(query)")
      switch query {
      case "q=a%3Db&q2": #expect(reply.verdict == "400 invalid_parameter q2:unknown_parameter")
      default:
        #expect(reply.items.compactMap { $0["id"]?.text } == [id], "\(query)")
      }
    }
  }

  @Test("Only pages of allowed origins may read the answers") func origins() throws {
    let world = try World(origins: ["https://app.example", "http://localhost:3000"])
    let exposed = "ETag, Location, Link, Retry-After, X-Request-Id, Idempotent-Replayed"
    for (origin, isAllowed) in [
      ("https://app.example", true), ("http://localhost:3000", true),
      ("https://app.example:443", false), ("https://APP.example", false),
      ("https://evil.example", false), ("null", false), ("*", false), ("", false),
      ("https://app.example, https://evil.example", false),
    ] {
      for (method, target, role) in [
        ("GET", "/api/coverage", Role.nobody), ("GET", "/api/coverage/PR", .nobody),
        ("GET", "/api/admin/events", .nobody), ("GET", "/api/admin/events", .staff),
        ("PATCH", "/api/coverage", .nobody), ("GET", "/none", .nobody),
        ("GET", "/api/health", .nobody), ("HEAD", "/api/health", .nobody),
      ] {
        let reply = world.send(method, target, as: role, headers: [.origin: origin])
        #expect(reply.headers[.accessControlAllowOrigin] == (isAllowed ? origin : nil))
        #expect(reply.headers[.accessControlExposeHeaders] == (isAllowed ? exposed : nil))
        #expect(reply.headers[.accessControlAllowCredentials] == nil)
      }
      let preflight = world.send(
        "OPTIONS", "/api/admin/partners", as: .nobody,
        headers: [.origin: origin, .accessControlRequestMethod: "POST"])
      #expect(preflight.status == 204)
      #expect(preflight.headers[.accessControlAllowOrigin] == (isAllowed ? origin : nil))
      #expect(
        preflight.headers[.accessControlAllowMethods]
          == (isAllowed ? "GET, HEAD, POST, OPTIONS" : nil))
      #expect(
        preflight.headers[.accessControlAllowHeaders]
          == (isAllowed
            ? "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match" : nil))
      #expect(preflight.headers[.accessControlMaxAge] == (isAllowed ? "7200" : nil))
    }
    #expect(
      world.send("OPTIONS", "/none", as: .nobody, headers: [.origin: "https://app.example"]).verdict
        == "404 not_found")
    // By default nobody is.
    let none = try World().send(
      "OPTIONS", "/api/coverage", as: .nobody, headers: [.origin: "https://app.example"])
    #expect(none.headers[.accessControlAllowOrigin] == nil)
  }

  @Test("A 304 to a browser may be read as well") func notModifiedForBrowsers() throws {
    let world = try World(origins: ["https://app.example"])
    let reply = world.get(
      "/api/coverage", as: .nobody, headers: [.origin: "https://app.example", .ifNoneMatch: "*"])
    #expect(reply.status == 304)
    #expect(reply.headers[.accessControlAllowOrigin] == "https://app.example")
  }

  @Test("What fails is logged with the request's ID and caller; what succeeds is not")
  func log() throws {
    let world = try World()
    #expect(world.get("/api/coverage").status == 200)
    #expect(world.log.lines.isEmpty)
    world.send("GET", "/api/admin/events?secret=x", as: .member, id: "abc")
    let line = try #require(world.log.lines.first)
    #expect(world.log.lines.count == 1)
    for part in [
      "debug request failed", "request_id=abc", "route=/api/admin/events", "status=403",
      "method=GET",
    ] {
      #expect(line.contains(part))
    }
    #expect(!line.contains("secret"))
    #expect(!line.contains("tomi_test"))
  }

  @Test("When the database cannot be read any more, it is unavailable, and says when to come back")
  func unavailable() throws {
    let world = try World()
    #expect(world.get("/api/health", as: .nobody).verdict == "200")
    world.store.close()
    for (method, target, body) in [
      ("GET", "/api/health", nil), ("GET", "/api/coverage", nil),
      ("GET", "/api/admin/events", nil),
      ("PUT", "/api/admin/users/\(Person.ann)", ["name": "X"]),
    ] as [(String, String, JSON?)] {
      let reply = world.send(method, target, body: body)
      #expect(reply.verdict == "503 unavailable")
      #expect(reply.headers[.retryAfter] == "5")
    }
  }
}
