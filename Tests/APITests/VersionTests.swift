import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// Entity tags: `If-Match`, `If-None-Match`.
@Suite struct VersionTests {
  let world: World

  init() throws { world = try World() }

  @Test(
    "Each single thing has a strong tag, the same by GET, HEAD and PUT; lists for staff have none")
  func tags() throws {
    let partner = world.partner()
    let referral = world.referral(.matched, partner: partner)
    let group = "/api/groups/\(World.birch)/referrals"
    let things: [(String, Role)] = [
      ("/api/admin/partners/\(partner)", .staff), ("/api/admin/referrals/\(referral)", .staff),
      ("\(group)/\(referral)", .staff), ("\(group)/\(referral)", .member),
      ("/api/admin/users/\(Person.ann)", .staff), ("/api/admin/groups/\(World.birch)", .staff),
      ("/api/coverage", .nobody), ("/api/coverage/MN", .nobody),
      ("/api/coverage/MN/attorney", .nobody), ("/api/openapi.json", .nobody),
      ("/api/openapi.yaml", .nobody),
    ]
    for (path, role) in things {
      let reply = world.get(path, as: role)
      let tag = try #require(reply.etag)
      #expect(tag.wholeMatch(of: /"[!#-~]+"/) != nil, "\(tag)")
      #expect(world.send("HEAD", path, as: role).headers == reply.headers)
      for (sent, status) in [
        (tag, 304), ("W/\(tag)", 304), ("\"a\", \(tag)", 304), ("\"a\",W/\(tag) , \"b\"", 304),
        ("*", 304), ("\"a\"", 200), ("", 200), (String(tag.dropFirst().dropLast()), 200),
      ] {
        for method in ["GET", "HEAD"] {
          let reply = world.send(method, path, as: role, headers: [.ifNoneMatch: sent])
          #expect(reply.status == status, "\(method) \(path) \(sent)")
          guard status == 304 else { continue }
          #expect(reply.etag == tag)
          #expect(
            reply.headers[.cacheControl] == world.get(path, as: role).headers[.cacheControl])
        }
      }
    }
    // Members see less, so theirs is another thing.
    #expect(
      world.get("\(group)/\(referral)", as: .member).etag
        != world.get("\(group)/\(referral)", as: .staff).etag)
    for list in [
      "/api/admin/partners", "/api/admin/referrals", group, "/api/admin/events",
      "/api/admin/referrals/\(referral)/candidates", "/api/admin/partners/\(partner)/history",
    ] {
      #expect(world.get(list).etag == nil)
      #expect(world.get(list, headers: [.ifNoneMatch: "*"]).status == 200)
    }
  }

  @Test("What a change answers has the tag that a GET by the same caller has") func afterChanges()
    throws
  {
    let made = world.post(
      "/api/admin/partners", ["type": "cpa", "company_name": "C", "email": "c@example.com"])
    let partner = try #require(made.headers[.location])
    #expect(made.etag == world.get(partner).etag)
    for body in [["phone": "5550100"], ["phone": "5550101"], ["phone": "5550101"]] as [JSON] {
      let reply = world.put(partner, body)
      #expect(reply.etag == world.get(partner).etag)
    }
    let asked = world.post(
      "/api/groups/\(World.birch)/referrals", ["partner_type": "cpa"], as: .member)
    let referral = try #require(asked.headers[.location])
    #expect(asked.etag == world.get(referral, as: .member).etag)
    let cancelled = world.post(referral + "/cancel", as: .member)
    #expect(cancelled.etag == world.get(referral, as: .member).etag)
    let pinned = world.put("/api/admin/coverage/MN/cpa", ["status": "unavailable"])
    #expect(pinned.etag == world.get("/api/admin/coverage/MN/cpa").etag)
    let user = world.put(
      "/api/admin/users/\(World.unknown)", ["email": "u@example.com", "name": "U"])
    #expect(user.etag == world.get("/api/admin/users/\(World.unknown)").etag)
    let group = world.put("/api/admin/groups/\(World.unknown)", ["name": "G"])
    #expect(group.etag == world.get("/api/admin/groups/\(World.unknown)").etag)
  }

  /// A PUT with its thing's address and a body that changes it.
  private func puts() -> [(path: String, thing: String, body: JSON, wrong: JSON)] {
    let partner = "/api/admin/partners/\(world.partner())"
    let referral = "/api/admin/referrals/\(world.referral(.introSent))"
    let user = "/api/admin/users/\(Person.ann)"
    let group = "/api/admin/groups/\(World.oak)"
    return [
      (partner, partner, ["phone": "5550100"], ["phone": "x"]),
      (partner + "/status", partner, ["status": "inactive"], ["status": "x"]),
      (referral, referral, ["context": ["timeline": "x"]], ["context": 1]),
      (referral + "/outcome", referral, ["outcome": "engaged"], ["outcome": "x"]),
      (user, user, ["name": "X"], ["name": ""]), (group, group, ["name": "X"], ["name": ""]),
      (
        "/api/admin/coverage/MN/agent", "/api/admin/coverage/MN/agent", ["status": "unavailable"],
        [:]
      ),
    ]
  }

  @Test("If-Match lets a PUT through only with the present version; wrong fields are told first")
  func ifMatch() throws {
    for (path, thing, body, wrong) in puts() {
      let tag = try #require(world.get(thing).etag)
      let contents = try world.contents()
      for old in [
        "\"another\"", "\"\"", "", String(tag.dropLast()), "\"a\", W/\"b\"", tag.lowercased() + "x",
      ] {
        #expect(
          world.put(path, body, headers: [.ifMatch: old]).verdict == "412 precondition_failed",
          "\(path) \(old)")
        #expect(world.put(path, wrong, headers: [.ifMatch: old]).status == 422, "\(path)")
      }
      #expect(try world.contents() == contents)
      world.clock.pass(milliseconds: 1)
      let reply = world.put(path, body, headers: [.ifMatch: tag])
      #expect(reply.verdict == "200", "\(path)")
      #expect(reply.etag != tag)
      // The version that was replaced is one too old now, also for the same change.
      #expect(
        world.put(path, body, headers: [.ifMatch: tag]).verdict == "412 precondition_failed")
      let present = try #require(reply.etag)
      for form in [present, "W/" + present, "\"a\", \(present)", "\"a\" ,W/\(present)", "*"] {
        #expect(world.put(path, body, headers: [.ifMatch: form]).verdict == "200", "\(form)")
      }
      let twice: HTTPFields = [.ifMatch: "\"a\"", .ifMatch: present]
      #expect(world.put(path, body, headers: twice).verdict == "200")
    }
  }

  @Test("If-Match lets a partner take back only the proposals that it has read") func withdrawal()
    throws
  {
    _ = world.partner(with: ["user_id": .string(Person.pablo.text)])
    let me = "/api/partners/me"
    let read = try #require(world.put(me, ["email": "a@example.com"], as: .partner).etag)
    world.clock.pass(milliseconds: 1)
    let present = try #require(world.put(me, ["email": "b@example.com"], as: .partner).etag)
    let contents = try world.contents()
    for tag in [read, "\"a\""] {
      #expect(
        world.send("DELETE", me + "/changes", as: .partner, headers: [.ifMatch: tag]).verdict
          == "412 precondition_failed")
    }
    #expect(try world.contents() == contents)
    let headers: HTTPFields = [.ifMatch: present]
    #expect(world.send("DELETE", me + "/changes", as: .partner, headers: headers).status == 204)
    #expect(world.get(me, as: .partner)["pending_changes"] == .null)
    #expect(world.send("DELETE", me + "/changes", as: .partner, headers: headers).status == 412)
  }

  @Test("A PUT that would create meets no version") func ifMatchOnCreation() throws {
    let contents = try world.contents()
    for (path, body) in [
      ("/api/admin/users/\(World.unknown)", ["email": "u@example.com", "name": "U"]),
      ("/api/admin/groups/\(World.unknown)", ["name": "G"]),
    ] as [(String, JSON)] {
      for tag in ["*", "\"a\""] {
        #expect(
          world.put(path, body, headers: [.ifMatch: tag]).verdict == "412 precondition_failed")
        #expect(world.put(path, [:], headers: [.ifMatch: tag]).status == 422)
      }
    }
    #expect(try world.contents() == contents)
  }

  @Test("If-None-Match lets a PUT through where there is nothing, or no such version")
  func ifNoneMatch() throws {
    for (path, body) in [
      ("/api/admin/users/\(World.unknown)", ["email": "u@example.com", "name": "U"]),
      ("/api/admin/groups/\(World.unknown)", ["name": "G"]),
    ] as [(String, JSON)] {
      let made = world.put(path, body, headers: [.ifNoneMatch: "*"])
      #expect(made.verdict == "201")
      let contents = try world.contents()
      let present = try #require(made.etag)
      for tag in ["*", present, "\"a\", W/\(present)"] {
        let reply = world.put(path, ["name": "Other"], headers: [.ifNoneMatch: tag])
        #expect(reply.verdict == "412 precondition_failed", "\(tag)")
        #expect(world.put(path, ["name": 1], headers: [.ifNoneMatch: tag]).status == 422)
      }
      #expect(try world.contents() == contents)
      let both: HTTPFields = [.ifMatch: present, .ifNoneMatch: present]
      #expect(world.put(path, body, headers: both).verdict == "412 precondition_failed")
      #expect(world.put(path, body, headers: [.ifNoneMatch: "\"a\""]).verdict == "200")
    }
  }

  @Test("A version comes before the rules") func beforeRules() throws {
    let partner = "/api/admin/partners/\(world.partner(.active))"
    let referral = "/api/admin/referrals/\(world.referral())"
    for (path, body, rule) in [
      (
        partner + "/status", ["status": "invited"],
        "409 transition_not_allowed allowed=inactive,removed"
      ),
      (partner, ["service_areas": []], "409 partner_not_ready missing=service_areas"),
      (referral, ["status": "closed"], "409 transition_not_allowed allowed=matched,cancelled"),
      (referral + "/outcome", ["outcome": "engaged"], "409 outcome_not_possible"),
      ("/api/admin/users/\(Person.ann)", ["email": "bob@example.com"], "409 email_taken"),
      ("/api/admin/coverage/WY/cpa", ["status": "available"], "409 no_active_partner"),
    ] as [(String, JSON, String)] {
      #expect(
        world.put(path, body, headers: [.ifMatch: "\"x\""]).verdict == "412 precondition_failed")
      #expect(world.put(path, body, headers: [.ifMatch: "*"]).verdict == rule)
      #expect(world.put(path, body).verdict == rule)
    }
  }

  @Test("A request's version changes with all that shows in it, and with nothing else")
  func referralTag() throws {
    let partner = world.partner(with: ["phone": "5550100"])
    let referral = world.referral(.matched, partner: partner)
    let member = "/api/groups/\(World.birch)/referrals/\(referral)"
    let staff = "/api/admin/referrals/\(referral)"
    func tags() -> [String?] { [world.get(member, as: .member).etag, world.get(staff).etag] }
    func change(_ path: String, _ body: JSON) -> [Bool] {
      let before = tags()
      world.clock.pass(milliseconds: 1)
      world.put(path, body)
      return zip(before, tags()).map { $0 != $1 }
    }
    // A matched partner's telephone number does not show to members.
    #expect(change("/api/admin/partners/\(partner)", ["phone": "5550101"]) == [false, true])
    #expect(change("/api/admin/partners/\(partner)", ["company_name": "New"]) == [true, true])
    #expect(change("/api/admin/partners/\(partner)", ["notes": "New"]) == [false, false])
    #expect(change("/api/admin/groups/\(World.birch)", ["name": "New"]) == [false, true])
    #expect(change("/api/admin/users/\(Person.ann)", ["name": "New"]) == [false, true])
    #expect(change("/api/admin/users/\(Person.bob)", ["name": "New"]) == [false, false])
    #expect(change(staff, ["note": "New"]) == [false, false])
    #expect(change(staff, ["status": "intro_sent"]) == [true, true])
    #expect(change("/api/admin/partners/\(partner)", ["phone": "5550102"]) == [true, true])
    world.put(staff + "/outcome", ["outcome": "engaged"])
    #expect(change(staff + "/outcome", ["outcome_notes": "New"]) == [true, true])
  }
}
