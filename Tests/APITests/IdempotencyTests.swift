import Domain
import Foundation
import HTTPTypes
import JSON
import Synchronization
import Testing

@testable import API

/// `Idempotency-Key`: a POST that is sent again.
@Suite struct IdempotencyTests {
  let world: World
  let partners = "/api/admin/partners"
  let body: JSON = ["type": "cpa", "company_name": "C", "email": "c@example.com"]

  init() throws { world = try World() }

  private func post(
    _ key: String, _ path: String? = nil, _ body: JSON? = nil, as role: Role = .staff
  ) -> Reply {
    world.post(
      path ?? partners, body ?? self.body, as: role, headers: [.idempotencyKey: key])
  }

  private func isReplay(_ reply: Reply) -> Bool {
    reply.headers[.idempotentReplayed] == "true"
  }

  @Test("The first answer is given again, with a word that it is") func replay() throws {
    let first = post("abc")
    #expect(first.verdict == "201")
    #expect(first.headers[.idempotentReplayed] == nil)
    // What became of the partner meanwhile does not count.
    world.put(first.headers[.location] ?? "", ["phone": "5550100"])
    let contents = try world.contents()
    world.clock.pass(milliseconds: 1000)
    for key in ["abc", "\"abc\"", " abc "] {
      let again = post(key)
      #expect(isReplay(again))
      #expect(again.status == 201)
      #expect(again.body == first.body)
      var headers = again.headers
      headers[.idempotentReplayed] = nil
      #expect(headers == first.headers)
    }
    #expect(try world.contents() == contents)
  }

  @Test("A cancellation's answer does not show a partner that was removed meanwhile")
  func removedPartner() throws {
    let partner = world.partner(with: ["phone": "555-0100", "contact_name": "Nora"])
    let kept = world.partner(type: "agent", with: ["phone": "555-0199"])
    func cancel(_ type: String, _ partner: String) -> (path: String, reply: Reply) {
      let id = world.referral(.introSent, type: type, partner: partner)
      let path = "/api/groups/\(World.birch)/referrals/\(id)/cancel"
      return (path, post("key", path, [:], as: .member))
    }
    let (path, first) = cancel("attorney", partner)
    let (other, _) = cancel("agent", kept)
    #expect(first.text.contains("555-0100"))
    #expect(isReplay(post("key", path, [:], as: .member)))
    world.move(partner: partner, to: .inactive)
    #expect(isReplay(post("key", path, [:], as: .member)), "an inactive one shows")
    let asked = post(
      "asked", "/api/groups/\(World.birch)/referrals", ["partner_type": "cpa"], as: .member)
    world.move(partner: partner, to: .removed)
    let again = post("key", path, [:], as: .member)
    #expect(again.verdict == "200")
    #expect(again["status"] == "cancelled")
    for word in ["555-0100", "Nora", "@example.com"] { #expect(!again.text.contains(word)) }
    #expect(again.body == world.get(String(path.dropLast(7)), as: .member).body)
    #expect(isReplay(post("key", other, [:], as: .member)))
    let asksAgain = post(
      "asked", "/api/groups/\(World.birch)/referrals", ["partner_type": "cpa"], as: .member)
    #expect(isReplay(asksAgain))
    #expect(asksAgain.body == asked.body)
  }

  @Test("The same key with another body is refused; the body counts byte for byte")
  func otherBody() throws {
    #expect(post("abc").verdict == "201")
    let contents = try world.contents()
    #expect(
      post("abc", nil, body.with(["email": "d@example.com"])).verdict
        == "422 idempotency_key_reused")
    #expect(post("abc", nil, ["surplus": 1]).verdict == "422 idempotency_key_reused")
    let spaced = [UInt8](" ".utf8) + body.bytes
    #expect(
      world.send("POST", partners, bytes: spaced, headers: [.idempotencyKey: "abc"]).verdict
        == "422 idempotency_key_reused")
    #expect(try world.contents() == contents)
  }

  @Test("On another path and from another caller it is another key") func otherKeys() throws {
    let group = "/api/groups/\(World.birch)/referrals"
    let replies = [
      post("abc", group, ["partner_type": "cpa"], as: .member),
      post("abc", group, ["partner_type": "title"], as: .otherMember),
      post("abc", group, ["partner_type": "agent"], as: .staff),
      post("abc", "/api/groups/\(World.oak)/referrals", ["partner_type": "cpa"], as: .outsider),
      post("abc"), post("abd", nil, body.with(["email": "d@example.com"])),
      post("ABC", nil, body.with(["email": "e@example.com"])),
    ]
    for reply in replies {
      #expect(reply.verdict == "201")
      #expect(!isReplay(reply))
    }
    #expect(Set(replies.compactMap { $0["id"]?.text }).count == replies.count)
    #expect(isReplay(post("abc", group, ["partner_type": "cpa"], as: .member)))
    // The caller is the user, not the token.
    let made = world.post("/api/admin/users/\(Person.ann)/tokens", [:])
    let replay = world.post(
      group, ["partner_type": "cpa"],
      headers: [
        .idempotencyKey: "abc", .authorization: "Bearer \(made["token"]?.text ?? "")",
      ])
    #expect(replay.body == replies[0].body)
    #expect(isReplay(replay))
    // But what the same user saw as staff is not for the token that an app holds.
    let own = post("abc", group, ["partner_type": "agent"], as: .staffWithoutRights)
    #expect(own.verdict == "404 not_found")
    #expect(!isReplay(own))
  }

  @Test("A refusal is not kept") func refusals() throws {
    let contents = try world.contents()
    for wrong in [[:], ["type": "x"], body.with(["status": "active"])] as [JSON] {
      #expect(post("abc", nil, wrong).status >= 400)
    }
    #expect(post("abc", nil, body, as: .member).verdict == "403 forbidden")
    #expect(try world.contents() == contents)
    let made = post("abc")
    #expect(made.verdict == "201")
    #expect(!isReplay(made))
  }

  @Test("A cancellation is given again as it was") func cancellation() throws {
    let group = "/api/groups/\(World.birch)/referrals"
    let referral = world.referral()
    let path = "\(group)/\(referral)/cancel"
    let key: HTTPFields = [.idempotencyKey: "abc"]
    let first = world.post(path, as: .member, headers: key)
    #expect(first.verdict == "200")
    let again = world.post(path, as: .member, headers: key)
    #expect(isReplay(again))
    #expect(again.body == first.body)
    #expect(
      world.post(path, ["note": "x"], as: .member, headers: key).verdict
        == "422 idempotency_key_reused")
    // What one may not see any more is not given again either.
    world.put("/api/admin/groups/\(World.birch)", ["members": []])
    #expect(world.post(path, as: .member, headers: key).verdict == "404 not_found")
  }

  @Test("After 24 hours the key is a new one") func expiry() throws {
    let group = "/api/groups/\(World.birch)/referrals"
    let first = post("abc", group, ["partner_type": "cpa"])
    world.clock.pass(milliseconds: 86_400_000 - 1)
    #expect(isReplay(post("abc", group, ["partner_type": "cpa"])))
    world.clock.pass(milliseconds: 1)
    #expect(
      post("abc", group, ["partner_type": "cpa"]).verdict
        == "409 referral_already_open existing=\(first.headers[.location] ?? "")")
    let other = post("abc", group, ["partner_type": "agent"])
    #expect(other.verdict == "201")
    #expect(!isReplay(other))
    #expect(isReplay(post("abc", group, ["partner_type": "agent"])))
  }

  @Test("What is over a day old is dropped") func cleaning() throws {
    for number in 0..<12 {
      #expect(
        post("k\(number)", nil, body.with(["email": .string("k\(number)@example.com")])).status
          == 201)
    }
    world.clock.pass(milliseconds: 86_400_000)
    for number in 12..<14 {
      #expect(
        post("k\(number)", nil, body.with(["email": .string("k\(number)@example.com")])).status
          == 201)
    }
    let kept = try world.contents().filter { $0.hasPrefix("idempotency_keys:") }
    #expect(kept.count == 2)
  }

  @Test("A key is 1 to 255 visible characters, and there is one of it") func forms() throws {
    let long = String(repeating: "~", count: 255)
    for (index, key) in [long, "\"\(long)\"", "!", "\"", "a\"b", "\"\"\""].enumerated() {
      let reply = post(key, nil, body.with(["email": .string("\(index)@example.com")]))
      // Quotes around a key are not part of it, so that the second is the first, with another body.
      #expect(
        reply.verdict
          == (index == 1
            ? "422 idempotency_key_reused" : index == 5 ? "422 idempotency_key_reused" : "201"),
        "\(key)")
    }
    let contents = try world.contents()
    let wrong = "400 invalid_parameter Idempotency-Key:invalid_format"
    for key in ["", " ", "\"\"", "a b", "ä", "a\tb", long + "~", "\"\(long)~\""] {
      #expect(post(key).verdict == wrong, "\(key)")
    }
    #expect(
      world.post(partners, body, headers: [.idempotencyKey: "a", .idempotencyKey: "a"]).verdict
        == "400 invalid_parameter Idempotency-Key:repeated_parameter")
    #expect(try world.contents() == contents)
  }

  @Test("A token's creation takes none") func tokens() throws {
    let contents = try world.contents()
    #expect(
      post("abc", "/api/admin/users/\(Person.ann)/tokens", [:]).verdict
        == "400 invalid_parameter Idempotency-Key:not_allowed_here")
    #expect(try world.contents() == contents)
  }

  @Test("Other methods do not look at it") func otherMethods() throws {
    let wrong: HTTPFields = [.idempotencyKey: "not a key"]
    #expect(world.get("/api/admin/events", headers: wrong).verdict == "200")
    #expect(
      world.put("/api/admin/users/\(Person.ann)", ["name": "A"], headers: wrong).verdict == "200")
    #expect(
      world.put("/api/admin/users/\(Person.ann)", ["name": "B"], headers: wrong)["name"] == "B")
  }

  @Test("Twenty at the same moment are one") func atOnce() throws {
    let replies = Mutex<[Reply]>([])
    let ready = DispatchSemaphore(value: 0)
    let go = DispatchSemaphore(value: 0)
    let done = DispatchSemaphore(value: 0)
    for _ in 0..<20 {
      Thread.detachNewThread { [world, partners, body] in
        ready.signal()
        go.wait()
        let reply = world.post(partners, body, headers: [.idempotencyKey: "abc"])
        replies.withLock { $0.append(reply) }
        done.signal()
      }
    }
    for _ in 0..<20 { ready.wait() }
    for _ in 0..<20 { go.signal() }
    for _ in 0..<20 { done.wait() }
    let all = replies.withLock { $0 }
    #expect(all.count == 20)
    #expect(Set(all.map(\.status)) == [201])
    #expect(Set(all.map(\.text)).count == 1)
    #expect(all.filter { !isReplay($0) }.count == 1)
    #expect(world.get(partners).items.count == 1)
    #expect(world.events.count == 1)
  }

  @Test("Without keys, twenty at the same moment still make one partner of an address")
  func atOnceWithoutKeys() throws {
    let verdicts = Mutex<[String: Int]>([:])
    let done = DispatchSemaphore(value: 0)
    for _ in 0..<20 {
      Thread.detachNewThread { [world, partners, body] in
        let verdict = world.post(partners, body).verdict
        verdicts.withLock { $0[verdict, default: 0] += 1 }
        done.signal()
      }
    }
    for _ in 0..<20 { done.wait() }
    #expect(verdicts.withLock { $0 } == ["201": 1, "409 partner_exists": 19])
  }
}
