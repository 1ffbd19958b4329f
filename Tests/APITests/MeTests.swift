import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// What a page needs to know first about the caller.
@Suite struct MeTests {
  private func me(
    _ person: ID, _ name: String, roles: JSON, scope: JSON = .null, groups: JSON = [],
    partner: JSON = .null
  ) -> JSON {
    [
      "id": .string(person.text), "name": .string(name),
      "email": .string("\(name.lowercased())@example.com"), "roles": roles, "scope": scope,
      "groups": groups, "partner": partner,
    ]
  }

  private let birch: JSON = [["id": .string(World.birch.text), "name": "Birch"]]

  @Test("Each token tells whose it is and what it gives access to")
  func roles() throws {
    let world = try World()
    let expected: [(Role, JSON)] = [
      (.member, me(Person.ann, "Ann", roles: ["member"], groups: birch)),
      (.stranger, me(Person.petra, "Petra", roles: [])),
      (.staffWithoutRights, me(Person.sam, "Sam", roles: [])),
      (.staff, me(Person.sam, "Sam", roles: ["staff"], scope: "admin")),
      (.reader, me(Person.tess, "Tess", roles: ["staff"], scope: "read")),
      (.syncer, me(Person.tess, "Tess", roles: ["staff"], scope: "sync")),
      (.follower, me(Person.tess, "Tess", roles: ["staff"], scope: "events")),
    ]
    for (role, answer) in expected {
      let reply = world.get("/api/me", as: role)
      #expect(reply.verdict == "200")
      #expect(reply.json == answer, "\(role)")
      #expect(reply.headers[.cacheControl] == "private, no-cache")
      let again = world.get("/api/me", as: role, headers: [.ifNoneMatch: reply.etag ?? ""])
      #expect(again.status == 304, "\(role)")
    }
    for role in Role.unauthenticated {
      #expect(world.get("/api/me", as: role).verdict == "401 unauthenticated", "\(role)")
    }
    #expect(world.put("/api/me", [:]).verdict.hasPrefix("405"))
    #expect(world.get("/api/me?x=1", as: .member).status == 400)
  }

  @Test("All roles at once, in their order; the groups by name; a removed partner record is none")
  func all() throws {
    let world = try World()
    let partner = world.partner(with: ["user_id": .string(Person.sam.text)])
    for (group, name) in [(World.birch, "zeta"), (World.oak, "Éclair")] {
      world.put(
        "/api/admin/groups/\(group)",
        ["name": .string(name), "members": [.string(Person.sam.text)]])
    }
    let groups: JSON = [
      ["id": .string(World.oak.text), "name": "Éclair"],
      ["id": .string(World.birch.text), "name": "zeta"],
    ]
    #expect(
      world.get("/api/me").json
        == me(
          Person.sam, "Sam", roles: ["staff", "partner", "member"], scope: "admin", groups: groups,
          partner: ["id": .string(partner), "company_name": "Company 1"]))
    #expect(
      world.get("/api/me", as: .staffWithoutRights)["roles"] == ["partner", "member"])
    world.move(partner: partner, to: .removed)
    let reply = world.get("/api/me")
    #expect(reply["partner"] == .null)
    #expect(reply["roles"] == ["staff", "member"])
  }
}
