import Domain
import HTTPTypes
import JSON
import Testing

@testable import API
@testable import Store

/// What protects staff's accounts over HTTP. `AudienceTests` has each route with each scope.
@Suite struct ScopeTests {
  private let world: World

  init() throws { world = try World() }

  private let tess = "/api/admin/users/\(Person.tess)"

  /// Ends every admin token of Tess.
  private func endAdminTokens(_ column: String, _ time: Timestamp) throws {
    try world.store.write(now: world.clock.now, actor: nil) { change in
      _ = try change.connection.run(
        "UPDATE tokens SET \(column) = ? WHERE user_id = ? AND scope IS NOT NULL", time.text,
        Person.tess.text)
    }
  }

  @Test(
    "Over HTTP nobody changes or disables staff, nor makes a token for them",
    arguments: [Role.staff, .otherStaff, .syncer])
  func userIsStaff(role: Role) throws {
    let before = try world.contents()
    for body in [
      ["name": "Other"], ["email": "other@example.com"], ["disabled": true],
      // Taken: the rule on staff is told first, as it says less.
      ["email": "ann@example.com"],
    ] as [JSON] {
      #expect(world.put(tess, body, as: role).verdict == "409 user_is_staff", "\(body)")
    }
    #expect(world.post(tess + "/tokens", [:], as: role).verdict == "409 user_is_staff")
    // What changes nothing is answered.
    let view = world.get(tess, as: role)
    for body in [[:], ["name": "Tess"], view.json] as [JSON] {
      #expect(world.put(tess, body, as: role).verdict == "200", "\(body)")
    }
    #expect(try world.contents() == before)
    // Wrong fields and another version are told first.
    #expect(
      world.put(tess, ["name": 1], as: role).verdict == "422 validation /name:wrong_type")
    #expect(
      world.post(tess + "/tokens", ["expires_at": .null], as: role).verdict
        == "422 validation /expires_at:not_null")
    #expect(
      world.put(tess, ["name": "Other"], as: role, headers: [.ifMatch: "\"old\""]).verdict
        == "412 precondition_failed")
    // Those without an admin token are nobody's staff.
    #expect(world.put("/api/admin/users/\(Person.petra)", ["name": "P"], as: role).verdict == "200")
  }

  @Test("Who has no good admin token is staff no more", arguments: ["revoked_at", "expires_at"])
  func formerStaff(column: String) throws {
    try endAdminTokens(column, world.clock.now)
    #expect(world.put(tess, ["name": "Other"]).verdict == "200")
    #expect(world.post(tess + "/tokens", [:]).verdict == "201")
    #expect(world.put(tess, ["disabled": true]).verdict == "200")
  }

  @Test("An admin token that is good for a moment yet protects its user")
  func lastMoment() throws {
    try endAdminTokens("expires_at", Timestamp(milliseconds: world.clock.now.milliseconds + 1))
    #expect(world.put(tess, ["name": "Other"]).verdict == "409 user_is_staff")
    world.clock.pass(milliseconds: 1)
    #expect(world.put(tess, ["name": "Other"]).verdict == "200")
  }

  @Test("A disabled user whose admin token would be good again is not enabled over HTTP")
  func disabledStaff() throws {
    try world.store.write(now: world.clock.now, actor: nil) { change in
      let body = Body(["disabled": true], Table.users.fields, by: .staff, at: change.now)
      try change.putUser(Person.tess, body)
    }
    for role in [Role.otherStaff, .reader, .syncer, .follower] {
      #expect(world.get("/api/admin/events", as: role).verdict == "401 unauthenticated")
    }
    #expect(world.put(tess, ["disabled": false]).verdict == "409 user_is_staff")
  }

  @Test("Only the scope admin revokes an admin token")
  func revoking() throws {
    let token = try world.store.read(now: world.clock.now) { snapshot in
      try #require(try snapshot.tokens().first { $0.scope == .events })
    }
    let path = "/api/admin/tokens/\(token.id)"
    #expect(world.send("DELETE", path, as: .syncer).verdict == "409 user_is_staff")
    #expect(world.send("DELETE", path, as: .staff).verdict == "204")
    // Revoked again, nothing is left to protect.
    #expect(world.send("DELETE", path, as: .syncer).verdict == "204")
    let users = try #require(
      world.post("/api/admin/users/\(Person.ann)/tokens", [:], as: .syncer)["id"]?.text)
    #expect(world.send("DELETE", "/api/admin/tokens/\(users)", as: .syncer).verdict == "204")
  }

  @Test("A user's tokens are listed without the tokens, newest first")
  func list() throws {
    let path = "/api/admin/users/\(Person.ann)/tokens"
    let before = world.get(path).items.count
    #expect(before == 3, "member, expired and revoked")
    var made: [JSON] = []
    for number in 1...4 {
      world.clock.pass(milliseconds: 1)
      let reply = world.post(path, ["name": .string("Token \(number)")], as: .syncer)
      #expect(reply.verdict == "201")
      made.insert(reply.json, at: 0)
    }
    world.send("DELETE", "/api/admin/tokens/\(made[0]["id"]?.text ?? "")")
    let reply = world.get(path, as: .syncer)
    #expect(reply.items.count == before + 4)
    for (item, made) in zip(reply.items, made) {
      let isFirst = made["name"] == "Token 4"
      let shown: JSON = [
        "scope": .null, "revoked_at": isFirst ? .string(world.clock.now.text) : .null,
        "created_by": .string(Person.tess.text),
      ]
      let expected = made.without("token").with(shown)
      #expect(item == expected)
      #expect(!reply.text.contains(made["token"]?.text ?? "?"))
    }
    let scopes = world.get("/api/admin/users/\(Person.tess)/tokens").items.map {
      $0["scope"]?.text ?? ""
    }
    #expect(scopes.sorted() == ["admin", "events", "read", "sync"])
    // By pages.
    var found: [JSON] = []
    var next: String? = path + "?limit=2"
    while let target = next {
      let page = world.get(target)
      found += page.items
      next = page["next_cursor"]?.text.map { path + "?limit=2&cursor=\($0)" }
    }
    #expect(found == reply.items)
    #expect(world.get("/api/admin/users/\(World.unknown)/tokens").verdict == "404 not_found")
    #expect(world.get("/api/admin/users/x/tokens").verdict == "404 not_found")
    #expect(world.get("/api/admin/users/\(Person.ann)/tokens?sort=name").status == 400)
  }

  @Test("A token over HTTP lasts 400 days at most, and the message says so")
  func lifetime() {
    let path = "/api/admin/users/\(Person.ann)/tokens"
    func expiring(_ value: JSON) -> Reply { world.post(path, ["expires_at": value]) }
    let latest = world.clock.now.adding(days: 400)
    #expect(expiring(.string(latest.text)).verdict == "201")
    let later = Timestamp(milliseconds: latest.milliseconds + 1)
    for (value, code) in [(.string(later.text), "out_of_range"), (.null, "not_null")]
      as [(JSON, String)]
    {
      let reply = expiring(value)
      #expect(reply.verdict == "422 validation /expires_at:\(code)")
      #expect(reply["errors"]?.elements[0]["detail"]?.text?.contains("400 days") == true)
    }
  }

  @Test("A token keeps who created it over HTTP")
  func creator() throws {
    let path = "/api/admin/users/\(Person.ann)/tokens"
    let made = world.post(path, ["expires_at": "2027-12-27T14:30:28.123Z"], as: .syncer)
    #expect(made.verdict == "201")
    let id = try #require(made["id"]?.text.flatMap { ID($0) })
    let token = try world.store.read(now: world.clock.now) { try $0.token(id) }
    #expect(token?.createdBy == Person.tess)
    #expect(token?.scope == nil)
  }
}
