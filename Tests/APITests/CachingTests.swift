import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// What caches may keep: what everybody may see, and nothing else.
@Suite struct CachingTests {
  private static let isPublic = "public, max-age=60, stale-while-revalidate=300"
  private static let isPrivate = "private, no-cache"

  @Test("What a token is needed for is never public, whoever asks and however it ends")
  func nothingPersonal() throws {
    let untouched = try CanaryTests.Furnished()
    var answered: Set<String> = []
    for route in Route.all where route.audience != .anyone {
      let method = route.method.rawValue
      let furnished = route.method == .get ? untouched : try CanaryTests.Furnished()
      let world = furnished.world
      for path in furnished.paths(route.pattern).map({ $0 + furnished.requiredQuery(route) }) {
        for role in CanaryTests.viewers {
          for body in furnished.bodies(route).prefix(1) {
            let reply = world.send(method, path, as: role, body: body)
            let expected =
              reply.status >= 400 || !route.storable ? "no-store" : CachingTests.isPrivate
            #expect(reply.headers[.cacheControl] == expected, "\(role) \(method) \(path)")
            if reply.status < 400 { answered.insert("\(method) \(route.pattern)") }
            guard method == "GET", reply.status == 200 else { continue }
            let head = world.send("HEAD", path, as: role)
            #expect(head.headers[.cacheControl] == expected, "\(role) HEAD \(path)")
            guard let etag = reply.etag else { continue }
            let same = world.get(path, as: role, headers: [.ifNoneMatch: etag])
            #expect(same.status == 304)
            #expect(same.headers[.cacheControl] == expected, "\(role) 304 \(path)")
          }
        }
      }
    }
    // Each of them has answered somebody, so that it was not refusals alone that were looked at.
    let all = Route.all.filter { $0.audience != .anyone }
      .map { "\($0.method.rawValue) \($0.pattern)" }
    #expect(Set(all).subtracting(answered).isEmpty)
  }

  @Test("An answer given again to a retry is as private as the first one") func replay() throws {
    let world = try World()
    let headers: HTTPFields = [.idempotencyKey: "once"]
    for replayed in [nil, "true"] {
      let reply = world.post(
        "/api/groups/\(World.birch)/referrals", ["partner_type": "agent"], as: .member,
        headers: headers)
      #expect(reply.verdict == "201")
      #expect(reply.headers[.idempotentReplayed] == replayed)
      #expect(reply.headers[.cacheControl] == CachingTests.isPrivate)
    }
  }

  @Test("What everybody may see is public, has a version, and is the same with a token and without")
  func everybody() throws {
    let furnished = try CanaryTests.Furnished()
    let world = furnished.world
    for route in Route.all where route.audience == .anyone && route.method == .get {
      for path in furnished.paths(route.pattern) {
        for query in furnished.queries(route) {
          let reply = world.get(path + query, as: .nobody)
          let expected =
            reply.status >= 400 || !route.storable ? "no-store" : CachingTests.isPublic
          #expect(reply.headers[.cacheControl] == expected, "\(path + query)")
          for role in CanaryTests.viewers where reply.status < 400 {
            let other = world.get(path + query, as: role)
            #expect(other.body == reply.body, "\(role) \(path + query)")
            #expect(other.headers == reply.headers, "\(role) \(path + query)")
          }
          guard reply.status == 200, route.storable else { continue }
          let etag = try #require(reply.etag, "\(path + query)")
          let same = world.get(path + query, as: .nobody, headers: [.ifNoneMatch: etag])
          #expect(same.status == 304, "\(path + query)")
          #expect(same.headers[.cacheControl] == CachingTests.isPublic, "\(path + query)")
          let head = world.send("HEAD", path + query, as: .nobody)
          #expect(head.headers[.cacheControl] == CachingTests.isPublic, "\(path + query)")
        }
      }
    }
    let unstored = Route.all.filter { $0.audience == .anyone && !$0.storable }.map(\.pattern)
    #expect(unstored == ["/api/sign-in/code", "/api/health"])
  }

  @Test(
    "The answer to a POST that everybody may send is for nobody else, with a token and without",
    arguments: AudienceTests.scenarios.filter { $0.rights == .everybody && $0.method == "POST" })
  func asked(_ scenario: AudienceTests.Scenario) throws {
    for role in [Role.nobody, .member, .staff] {
      let world = try AudienceTests.Furnished().world
      let reply = world.post(scenario.path, scenario.body, as: role)
      #expect(reply.status == scenario.status)
      #expect(reply.headers[.cacheControl] == "no-store")
      #expect(reply.etag == nil)
    }
  }
}
