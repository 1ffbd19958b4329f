import Domain
import HTTPTypes
import JSON
import Testing

@testable import API
@testable import Store

/// A token by mail: what is asked for, what the answer hides, and what a code is good for.
@Suite struct SignInTests {
  let world: World

  init() throws { world = try World() }

  @discardableResult
  private func ask(_ address: String, headers: HTTPFields = [:]) -> Reply {
    world.send(
      "POST", "/api/sign-in", as: .nobody, body: ["email": .string(address)], headers: headers,
      id: "same")
  }

  /// Asks for a link, and takes its code from the letter.
  private func code(for address: String = "ann@example.com") throws -> String {
    ask(address)
    return try #require(try world.deliver().last?.code)
  }

  private func use(_ code: String) -> Reply {
    world.post("/api/sign-in/code", ["code": .string(code)], as: .nobody)
  }

  /// The number that the next message has.
  private func nextNumber() throws -> Int {
    try world.store.read(now: world.clock.now) { snapshot in
      try snapshot.connection.row("SELECT seq FROM sqlite_sequence WHERE name = 'messages'") {
        $0.int(0)
      } ?? 0
    } + 1
  }

  @Test("The answer is the same for known, unknown and disabled users, and takes a write for each")
  func sameAnswer() throws {
    let known = ask("ann@example.com")
    #expect(known.status == 202)
    #expect(known.body.isEmpty)
    for address in [
      "nobody@example.com", "dora@example.com", "sam@example.com", "ANN@EXAMPLE.COM",
      "ann@example.com", "ann@example.com", "ann@example.com", "ann@example.com", "ann@example.com",
    ] {
      let number = try nextNumber()
      let reply = ask(address)
      #expect(reply.status == 202)
      #expect(reply.body == known.body)
      #expect(reply.headers == known.headers)
      // Without a write the answer would not wait for the disk.
      #expect(try nextNumber() == number + 1, "\(address)")
    }
    let asked = world.messages()
    #expect(Set(asked.map { $0["to"]?.text }) == ["ann@example.com", "sam@example.com"])
    for message in asked { #expect(message["kind"] == "sign_in") }
    #expect(try world.contents().filter { $0.contains("nobody@") }.isEmpty)
  }

  @Test("A token makes no difference, nor does an idempotency key", arguments: Role.allCases)
  func tokens(role: Role) throws {
    for _ in 0..<2 {
      let reply = world.post(
        "/api/sign-in", ["email": "bob@example.com"], as: role, headers: [.idempotencyKey: "once"])
      #expect(reply.verdict == "202")
      #expect(reply.headers[.idempotentReplayed] == nil)
    }
    #expect(world.messages().map { $0["status"]?.text } == ["cancelled", "queued"])
    #expect(
      ask("bob@example.com", headers: [.idempotencyKey: ""]).verdict
        == "400 invalid_parameter Idempotency-Key:invalid_format")
    #expect(try world.contents().filter { $0.hasPrefix("idempotency_keys:") }.isEmpty)
  }

  @Test("What is no address is refused") func wrongBodies() throws {
    let contents = try world.contents()
    for (body, error) in [
      ([:], "/email:required"), (["email": .null], "/email:not_null"),
      (["email": ""], "/email:required"), (["email": "ann"], "/email:invalid_format"),
      (["email": 1], "/email:wrong_type"),
      (["email": "ann@example.com", "name": "Ann"], "/name:unknown_field"),
    ] as [(JSON, String)] {
      #expect(
        world.post("/api/sign-in", body, as: .nobody).verdict == "422 validation \(error)")
    }
    for (body, error) in [
      ([:], "/code:required"), (["code": .null], "/code:not_null"),
      (["code": " "], "/code:required"),
      (["code": .string(String(repeating: "x", count: 101))], "/code:too_long"),
      (["code": "x", "email": "ann@example.com"], "/email:unknown_field"),
    ] as [(JSON, String)] {
      #expect(
        world.post("/api/sign-in/code", body, as: .nobody).verdict == "422 validation \(error)")
    }
    #expect(
      world.post("/api/sign-in/code", ["code": "x"], headers: [.idempotencyKey: "once"]).verdict
        == "400 invalid_parameter Idempotency-Key:not_allowed_here")
    #expect(try world.contents() == contents)
  }

  @Test("The code of the letter gives a user's token of 30 days, once") func token() throws {
    let code = try code(for: " Ann@Example.com ")
    let queued = world.messages().at(0)
    #expect(queued["to"] == "ann@example.com")
    #expect(queued["user_id"]?.text == Person.ann.text)
    #expect(world.get("/api/admin/messages/\(queued["id"]?.text ?? "")")["text"] == .null)
    let reply = use(code)
    #expect(reply.verdict == "200")
    #expect(reply.json.keys == ["token", "user_id", "scope", "expires_at"])
    #expect(reply["user_id"]?.text == Person.ann.text)
    #expect(reply["scope"] == .null)
    #expect(reply["expires_at"]?.text == world.clock.now.adding(days: 30).text)
    #expect(reply.headers[.cacheControl] == "no-store")
    #expect(reply.etag == nil && reply.headers[.location] == nil)
    let secret = try #require(reply["token"]?.text)
    #expect(secret.wholeMatch(of: /tomi_[\w-]{43}/) != nil)
    let headers: HTTPFields = [.authorization: "Bearer \(secret)"]
    let me = world.get("/api/me", as: .nobody, headers: headers)
    #expect(me["id"]?.text == Person.ann.text)
    #expect(me["roles"] == ["member"])
    #expect(
      world.get("/api/groups/\(World.birch)/referrals", as: .nobody, headers: headers).status == 200
    )

    #expect(use(code).verdict == "410 code_expired")
    let contents = try world.contents()
    #expect(!contents.contains { $0.contains(code) || $0.contains(secret) }, "neither is kept")
    let event = try #require(world.events.last)
    #expect(event["kind"] == "token.created")
    #expect(event["actor"]?["id"]?.text == Person.ann.text)
    let listed = world.get("/api/admin/users/\(Person.ann)/tokens").items
    #expect(
      listed.contains { $0["scope"] == .null && $0["expires_at"] == reply["expires_at"] })
    world.clock.pass(days: 30)
    #expect(world.get("/api/me", as: .nobody, headers: headers).verdict == "401 unauthenticated")
  }

  @Test("Staff gets a user's token, too") func staff() throws {
    let reply = use(try code(for: "sam@example.com"))
    #expect(reply["scope"] == .null)
    let headers: HTTPFields = [.authorization: "Bearer \(reply["token"]?.text ?? "")"]
    #expect(
      world.get("/api/admin/partners", as: .nobody, headers: headers).verdict == "403 forbidden")
  }

  @Test("An admin's link, which the command line makes, gives an admin token") func admin() throws {
    try world.store.write(now: world.clock.now, actor: nil) { change in
      try change.addSignInCode(AccessToken.sha256(of: "printed"), for: Person.sam, scope: .admin)
    }
    // A letter's code does not end it.
    _ = try code(for: "sam@example.com")
    let reply = use("printed")
    #expect(reply["scope"] == "admin")
    let headers: HTTPFields = [.authorization: "Bearer \(reply["token"]?.text ?? "")"]
    #expect(world.get("/api/admin/partners", as: .nobody, headers: headers).status == 200)
    #expect(use("printed").verdict == "410 code_expired")
  }

  @Test("A code is good for 15 minutes after the letter is handed over") func age() throws {
    ask("ann@example.com")
    ask("bob@example.com")
    world.clock.pass(milliseconds: 10 * 60_000)
    let codes = try world.deliver().compactMap(\.code)
    #expect(codes.count == 2)
    world.clock.pass(milliseconds: 15 * 60_000 - 1)
    #expect(use(codes[0]).verdict == "200")
    world.clock.pass(milliseconds: 1)
    #expect(use(codes[1]).verdict == "410 code_expired")
    for unknown in ["x", codes[1] + "x", String(codes[1].dropLast())] {
      #expect(use(unknown).verdict == "410 code_expired")
    }
  }

  @Test("A newer letter ends an earlier code, and takes the place of one that is not sent")
  func newerLetter() throws {
    let first = try code()
    ask("ann@example.com")
    #expect(world.messages().map { $0["status"]?.text } == ["sent", "queued"])
    ask("ann@example.com")
    #expect(world.messages().map { $0["status"]?.text } == ["sent", "cancelled", "queued"])
    let second = try #require(try world.deliver().last?.code)
    #expect(use(first).verdict == "410 code_expired")
    #expect(use(second).verdict == "200")
    // Another user's code is left alone.
    let anns = try code()
    let bobs = try code(for: "bob@example.com")
    #expect(use(anns).verdict == "200")
    #expect(use(bobs).verdict == "200")
  }

  @Test("A letter that was handed over twice has two codes; using one ends both")
  func handedOverTwice() throws {
    ask("ann@example.com")
    let first = try #require(try world.deliver(.temporarily("busy")).first?.code)
    world.clock.pass(milliseconds: 60_000)
    let second = try #require(try world.deliver().first?.code)
    #expect(first != second)
    #expect(use(first).verdict == "200")
    #expect(use(second).verdict == "410 code_expired")
  }

  @Test("Who is disabled or erased meanwhile does not sign in") func gone() throws {
    let anns = try code()
    world.put("/api/admin/users/\(Person.ann)", ["disabled": true])
    #expect(use(anns).verdict == "410 code_expired")
    ask("bob@example.com")
    world.put("/api/admin/users/\(Person.bob)", ["disabled": true])
    #expect(world.messages().last?["status"] == "cancelled")
    let petras = try code(for: "petra@example.com")
    _ = try world.store.fill(now: world.clock.now) {
      try $0.erase(ErasureSubject(.user, Person.petra), .refuse)
    }
    #expect(use(petras).verdict == "410 code_expired")
  }

  @Test("Five letters an hour to an address in any case, with the waiting list's; then silence")
  func limit() throws {
    for address in ["ann@example.com", "Ann@Example.com", "ANN@example.com"] { ask(address) }
    let waiting = world.post(
      "/api/coverage/WY/cpa/waitlist", ["email": "aNN@example.com"], as: .nobody)
    #expect(waiting.verdict == "202")
    world.clock.pass(milliseconds: 1)
    let fifth = ask("ann@example.com")
    #expect(world.messages().count == 5)
    let sixth = ask("ann@example.com")
    #expect(sixth.headers == fifth.headers && sixth.status == 202)
    #expect(
      world.post("/api/coverage/WI/cpa/waitlist", ["email": "ann@example.com"], as: .nobody).status
        == 202)
    #expect(world.messages().count == 5)
    // The last letter that was allowed still comes.
    #expect(try world.deliver().filter { $0.kind == .signIn }.count == 1)
    // Others are not kept back.
    ask("bob@example.com")
    #expect(world.messages().count == 6)
    world.clock.pass(milliseconds: 3_600_000 - 1)
    ask("ann@example.com")
    #expect(world.messages().count == 7, "four of the five were an hour ago")
  }

  @Test("A letter that could not be sent for an hour is not sent") func late() throws {
    ask("ann@example.com")
    world.clock.pass(milliseconds: 3_600_000)
    #expect(try world.deliver().isEmpty)
    #expect(world.messages().at(0)["status"] == "cancelled")
  }
}
