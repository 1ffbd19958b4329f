import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// Partners' licenses and insurances: who adds, changes, verifies and removes them, and what follows.
@Suite struct CredentialTests {
  let world: World
  /// Pablo's record, an active attorney in Minnesota.
  let partner: String
  let path: String
  private let own = "/api/partners/me/credentials"

  init() throws {
    world = try World()
    partner = world.partner(with: ["user_id": .string(Person.pablo.text)])
    path = "/api/admin/partners/\(partner)/credentials"
  }

  private static let bar: JSON = [
    "kind": "bar_admission", "number": "MN 0391234", "state_code": "mn",
    "issuer": "Minnesota Supreme Court", "expires_on": "2027-06-30",
  ]

  private var status: JSON? { world.get("/api/admin/partners/\(partner)")["credentials_status"] }

  @Test("A credential for staff and for its partner, with all fields and with the fewest")
  func views() throws {
    let added = world.post(
      path, CredentialTests.bar.with(["notes": "SECRET\nnote", "verified": true]))
    let id = try #require(added["id"]?.text)
    let expected: JSON = [
      "id": .string(id), "kind": "bar_admission", "number": "MN 0391234", "state_code": "MN",
      "issuer": "Minnesota Supreme Court", "expires_on": "2027-06-30",
      "verified_at": .string(World.start), "verified_by": .string(Person.sam.text),
      "notes": "SECRET\nnote", "created_at": .string(World.start),
      "updated_at": .string(World.start),
    ]
    #expect(added.status == 201)
    #expect(added.headers[.location] == "\(path)/\(id)")
    #expect(added.json == expected)
    #expect(added.json.keys == expected.keys)
    let read = world.get("\(path)/\(id)")
    #expect(read.body == added.body)
    #expect(read.etag == added.etag)
    #expect(world.get("\(path)/\(id)", headers: [.ifNoneMatch: read.etag ?? ""]).status == 304)
    #expect(
      world.get(path).json == ["data": [expected], "has_more": false, "next_cursor": .null])

    let seen = world.get("\(own)/\(id.uppercased())", as: .partner)
    #expect(seen.json == expected.without("notes"))
    #expect(world.get(own, as: .partner).items == [expected.without("notes")])

    let few = world.post(own, ["kind": "nmls", "number": " 77 "], as: .partner)
    #expect(few.status == 201)
    #expect(few.headers[.location] == "\(own)/\(few["id"]?.text ?? "")")
    #expect(
      few.json == [
        "id": few["id"] ?? .null, "kind": "nmls", "number": "77", "state_code": .null,
        "issuer": .null, "expires_on": .null, "verified_at": .null, "verified_by": .null,
        "created_at": .string(World.start), "updated_at": .string(World.start),
      ])
    // The soonest to expire first, those that never do last.
    #expect(world.get(path).items.map { $0["number"] } == ["MN 0391234", "77"])
    #expect(world.get(own + "?limit=1", as: .partner).json["has_more"] == true)
  }

  static let wrong: [(JSON, String)] = [
    (["kind": .null], "/kind:not_null"), (["kind": ""], "/kind:required"),
    (["kind": "diploma"], "/kind:unknown_value"), (["kind": 1], "/kind:wrong_type"),
    (["number": .null], "/number:not_null"), (["number": " "], "/number:required"),
    (["number": .string(String(repeating: "é", count: 51))], "/number:too_long"),
    (["number": "a\nb"], "/number:control_character"), (["number": 12], "/number:wrong_type"),
    (["state_code": "PR"], "/state_code:unknown_state"),
    (["state_code": ["MN"]], "/state_code:wrong_type"),
    (["issuer": .string(String(repeating: "x", count: 101))], "/issuer:too_long"),
    (["expires_on": "2027-02-29"], "/expires_on:invalid_format"),
    (["expires_on": "2027-06-30T00:00:00Z"], "/expires_on:invalid_format"),
    (["expires_on": 2027], "/expires_on:wrong_type"),
    (["partner_id": .string(World.unknown)], "/partner_id:unknown_field"),
    (["good_until": "2027-06-30"], "/good_until:unknown_field"),
  ]

  @Test("A wrong field is named, whoever sends it, and nothing changes") func validation() throws {
    let id = world.credential(of: partner, with: ["verified": false])
    let before = try world.contents()
    for (fields, error) in CredentialTests.wrong {
      for (base, role) in [(path, Role.staff), (own, .partner)] {
        let verdict = "422 validation \(error)"
        #expect(
          world.post(base, CredentialTests.bar.with(fields), as: role).verdict == verdict,
          "\(fields)")
        #expect(world.put("\(base)/\(id)", fields, as: role).verdict == verdict, "\(fields)")
      }
    }
    for fields in [["notes": "mine"], ["verified": true], ["notes": .null]] as [JSON] {
      let verdict = "422 validation /\(fields.keys[0]):unknown_field"
      #expect(world.post(own, CredentialTests.bar.with(fields), as: .partner).verdict == verdict)
      #expect(world.put("\(own)/\(id)", fields, as: .partner).verdict == verdict)
    }
    for (fields, error) in [
      (["verified": .null], "/verified:not_null"), (["verified": "yes"], "/verified:wrong_type"),
      (["verified_at": .string(World.start)], "/verified_at:read_only"),
      (["verified_by": .string(Person.sam.text)], "/verified_by:read_only"),
      (["notes": .string(String(repeating: "x", count: 2_001))], "/notes:too_long"),
    ] as [(JSON, String)] {
      #expect(world.put("\(path)/\(id)", fields).verdict == "422 validation \(error)")
    }
    #expect(
      world.post(path, [:]).verdict == "422 validation /kind:required /number:required")
    #expect(
      world.post(path, CredentialTests.bar.with(["verified_at": .null])).verdict
        == "422 validation /verified_at:read_only")
    #expect(try world.contents() == before)
  }

  @Test("What is not there, or another partner's, answers 404") func missing() throws {
    let other = world.partner(with: ["user_id": .string(Person.paula.text)])
    let foreign = world.credential(of: other)
    for (base, role, id) in [
      (path, Role.staff, foreign), (path, .staff, World.unknown), (path, .staff, "x"),
      (own, .partner, foreign), (own, .partner, World.unknown), (own, .partner, "x"),
      ("/api/admin/partners/\(World.unknown)/credentials", .staff, foreign),
      ("/api/admin/partners/x/credentials", .staff, foreign),
    ] {
      for (method, body) in [("GET", nil), ("PUT", ["kind": "no"]), ("DELETE", nil)]
        as [(String, JSON?)]
      {
        #expect(
          world.send(method, "\(base)/\(id)", as: role, body: body).verdict == "404 not_found")
      }
    }
    for (method, body) in [("GET", nil), ("POST", ["kind": "no"])] as [(String, JSON?)] {
      for id in [World.unknown, "x"] {
        #expect(
          world.send(method, "/api/admin/partners/\(id)/credentials", body: body).verdict
            == "404 not_found")
      }
    }
    #expect(world.get("/api/admin/partners/\(other)/credentials/\(foreign)").status == 200)
  }

  @Test("The same kind, state and number twice for one partner is refused, case and blanks aside")
  func unique() throws {
    let id = world.credential(of: partner, with: ["number": "MN 039"])
    let second = world.credential(of: partner, with: ["number": "MN 040", "verified": false])
    for number in ["MN 039", "mn039", " M N\u{A0}0\u{2009}39 "] as [JSON] {
      for (base, role) in [(path, Role.staff), (own, .partner)] {
        let body: JSON = ["kind": "bar_admission", "number": number, "state_code": "MN"]
        #expect(world.post(base, body, as: role).verdict == "409 credential_exists", "\(number)")
        let change: JSON = ["number": number]
        #expect(
          world.put("\(base)/\(second)", change, as: role).verdict == "409 credential_exists")
      }
    }
    for other: JSON in [
      ["kind": "nmls"], ["state_code": "WI"], ["state_code": .null], ["number": "MN-039"],
    ] {
      let body: JSON = ["kind": "bar_admission", "number": "MN 039", "state_code": "MN"]
      #expect(world.post(path, body.with(other)).status == 201)
    }
    // Another partner may have it, and it may be spelled otherwise.
    _ = world.credential(of: world.partner(), with: ["number": "MN 039"])
    #expect(world.put("\(path)/\(id)", ["number": "mn039"]).verdict == "200")
    // Once it is gone, it can come again.
    #expect(world.send("DELETE", "\(path)/\(id)").status == 204)
    #expect(world.put("\(path)/\(second)", ["number": "MN039"]).verdict == "200")
  }

  @Test("Staff verifies it and takes that back; a change of what was verified takes it back too")
  func verifying() throws {
    let id = world.credential(of: partner, with: ["verified": false])
    let target = "\(path)/\(id)"
    world.clock.pass(milliseconds: 1)
    let first = world.clock.now.text
    let verified = world.put(target, ["verified": true], as: .otherStaff)
    #expect(verified["verified_at"] == .string(first))
    #expect(verified["verified_by"] == .string(Person.tess.text))
    #expect(verified["updated_at"] == .string(first))
    world.clock.pass(milliseconds: 1)
    // Again, or with what is not verified, it stays as it is.
    #expect(world.put(target, ["verified": true]).body == verified.body)
    #expect(world.put(target, verified.json).body == verified.body)
    #expect(world.put(target, ["issuer": "Court"])["verified_at"] == .string(first))
    #expect(world.put(target, ["notes": "Seen"])["verified_by"] == .string(Person.tess.text))
    for fields in [
      ["kind": "other"], ["number": "2"], ["state_code": "WI"], ["state_code": .null],
      ["expires_on": "2028-01-01"], ["expires_on": .null],
    ] as [JSON] {
      let changed = world.put(target, fields)
      #expect(changed.verdict == "200")
      #expect(changed["verified_at"] == .null && changed["verified_by"] == .null, "\(fields)")
      #expect(world.put(target, ["verified": true])["verified_by"] == .string(Person.sam.text))
    }
    world.clock.pass(milliseconds: 1)
    let both = world.put(target, ["expires_on": "2029-01-01", "verified": true], as: .otherStaff)
    #expect(both["verified_at"] == .string(world.clock.now.text))
    #expect(both["verified_by"] == .string(Person.tess.text))
    let off = world.put(target, ["verified": false])
    #expect(off["verified_at"] == .null && off["verified_by"] == .null)
    #expect(world.put(target, ["verified": false]).body == off.body)
  }

  @Test("A partner changes and removes its own until staff has verified it") func ownChanges()
    throws
  {
    let added = world.post(own, CredentialTests.bar, as: .partner)
    let target = "\(own)/\(added["id"]?.text ?? "")"
    let changed = world.put(target, ["issuer": .null, "expires_on": "2028-01-01"], as: .partner)
    #expect(changed.verdict == "200")
    #expect(world.put("\(path)/\(added["id"]?.text ?? "")", ["verified": true]).status == 200)
    let seen = world.get(target, as: .partner)
    let before = try world.contents()
    for fields in [["issuer": "Me"], ["number": "1"], ["expires_on": .null]] as [JSON] {
      #expect(world.put(target, fields, as: .partner).verdict == "409 credential_verified")
    }
    #expect(world.send("DELETE", target, as: .partner).verdict == "409 credential_verified")
    // What is sent back as it was read changes nothing.
    #expect(world.put(target, seen.json, as: .partner).body == seen.body)
    #expect(try world.contents() == before)
    // A wrong field and a wrong version come first.
    #expect(world.put(target, ["number": ""], as: .partner).status == 422)
    let stale: HTTPFields = [.ifMatch: added.etag ?? ""]
    #expect(world.put(target, ["issuer": "Me"], as: .partner, headers: stale).status == 412)
    #expect(world.send("DELETE", target, as: .partner, headers: stale).status == 412)
    #expect(world.put("\(path)/\(added["id"]?.text ?? "")", ["verified": false]).status == 200)
    #expect(world.send("DELETE", target, as: .partner).status == 204)
    #expect(world.send("DELETE", target, as: .partner).verdict == "404 not_found")
    #expect(world.get(own, as: .partner).items.isEmpty)
  }

  @Test("Versions and retries, as everywhere") func conventions() throws {
    let key: HTTPFields = [.idempotencyKey: "once"]
    let added = world.post(path, CredentialTests.bar, headers: key)
    let again = world.post(path, CredentialTests.bar, headers: key)
    #expect(again.status == 201)
    #expect(again.body == added.body)
    #expect(again.headers[.idempotentReplayed] == "true")
    let target = "\(path)/\(added["id"]?.text ?? "")"
    let tag: HTTPFields = [.ifMatch: added.etag ?? ""]
    #expect(world.put(target, ["issuer": "A"], headers: tag).verdict == "200")
    #expect(world.put(target, ["issuer": "B"], headers: tag).verdict == "412 precondition_failed")
    #expect(world.send("DELETE", target, headers: tag).verdict == "412 precondition_failed")
    let newest: HTTPFields = [.ifMatch: world.get(target).etag ?? ""]
    #expect(world.send("DELETE", target, headers: newest).status == 204)
    // The partner's tag tells that its credentials changed.
    let before = world.get("/api/admin/partners/\(partner)").etag
    _ = world.credential(of: partner)
    #expect(world.get("/api/admin/partners/\(partner)").etag != before)
  }

  @Test("A partner's changes count for its quota; staff has none") func quota() throws {
    let world = try World(quotas: Quotas(groupRequestsPerDay: 30, partnerChangesPerDay: 3))
    let partner = world.partner(with: ["user_id": .string(Person.pablo.text)])
    let added = world.post(own, CredentialTests.bar, as: .partner)
    let target = "\(own)/\(added["id"]?.text ?? "")"
    #expect(world.put(target, ["issuer": "A"], as: .partner).verdict == "200")
    #expect(world.put(target, ["issuer": "A"], as: .partner).verdict == "200")
    #expect(world.send("DELETE", target, as: .partner).status == 204)
    let before = try world.contents()
    #expect(world.post(own, CredentialTests.bar, as: .partner).verdict == "429 quota_exceeded")
    #expect(try world.contents() == before)
    _ = world.credential(of: partner)
  }

  @Test("The partner's history tells each change with the old and the new values") func history()
    throws
  {
    let id = world.post(path, CredentialTests.bar.with(["notes": "Seen"]))["id"]?.text ?? ""
    world.put("\(path)/\(id)", ["expires_on": "2028-06-30", "notes": .null])
    world.put("\(path)/\(id)", ["verified": true])
    world.put("\(path)/\(id)", ["verified": true])
    #expect(world.send("DELETE", "\(path)/\(id)").status == 204)
    let named: JSON = [
      "kind": ["from": "bar_admission", "to": "bar_admission"],
      "number": ["from": "MN 0391234", "to": "MN 0391234"],
      "state_code": ["from": "MN", "to": "MN"],
    ]
    let events = world.get("/api/admin/partners/\(partner)/history").items.reversed().dropFirst()
    #expect(
      events.map { $0["kind"] } == [
        "partner.credential_added", "partner.credential_changed", "partner.credential_changed",
        "partner.credential_removed",
      ])
    #expect(events.allSatisfy { $0["subject"] == ["kind": "partner", "id": .string(partner)] })
    #expect(
      events.map { $0["changes"] } == [
        [
          "kind": ["from": .null, "to": "bar_admission"],
          "number": ["from": .null, "to": "MN 0391234"],
          "state_code": ["from": .null, "to": "MN"],
          "issuer": ["from": .null, "to": "Minnesota Supreme Court"],
          "expires_on": ["from": .null, "to": "2027-06-30"],
          "notes": ["from": .null, "to": "Seen"],
        ],
        named.with([
          "expires_on": ["from": "2027-06-30", "to": "2028-06-30"],
          "notes": ["from": "Seen", "to": .null],
        ]),
        named.with([
          "verified_at": ["from": .null, "to": .string(World.start)],
          "verified_by": ["from": .null, "to": .string(Person.sam.text)],
        ]),
        [
          "kind": ["from": "bar_admission", "to": .null],
          "number": ["from": "MN 0391234", "to": .null],
          "state_code": ["from": "MN", "to": .null],
          "issuer": ["from": "Minnesota Supreme Court", "to": .null],
          "expires_on": ["from": "2028-06-30", "to": .null],
          "verified_at": ["from": .string(World.start), "to": .null],
          "verified_by": ["from": .string(Person.sam.text), "to": .null],
        ],
      ])
  }

  @Test("All partners' credentials, filtered, the soonest to expire first") func all() throws {
    let other = world.partner(type: "lender")
    let gone = world.partner()
    let given: [(String, JSON)] = [
      (partner, ["number": "1", "expires_on": "2026-12-22"]),
      (other, ["number": "2", "kind": "nmls", "state_code": .null, "expires_on": "2026-11-22"]),
      (other, ["number": "3", "kind": "other", "state_code": "WI", "verified": false]),
      (partner, ["number": "4", "expires_on": "2026-11-21", "kind": "cpa_license"]),
      (partner, ["number": "5", "expires_on": "2026-12-23", "verified": false]),
      (gone, ["number": "6", "expires_on": "2026-11-30"]),
    ]
    for (owner, fields) in given { _ = world.credential(of: owner, with: fields) }
    world.move(partner: gone, to: .removed)
    let list = "/api/admin/credentials"
    let first = world.get(list + "?kind=nmls").items.at(0)
    #expect(first["partner"] == ["id": .string(other), "company_name": "Company 2"])
    #expect(
      first.keys == [
        "id", "kind", "number", "state_code", "issuer", "expires_on", "verified_at", "verified_by",
        "notes", "created_at", "updated_at", "partner",
      ])
    for (query, expected) in [
      ("", "42153"), ("kind=nmls,other", "23"), ("kind=", "42153"), ("state=mn,WI", "4153"),
      ("verified=true", "421"), ("verified=false", "53"), ("verified=false&kind=other", "3"),
      ("verified=true&kind=nmls,bar_admission", "21"), ("expiring_within_days=30", "21"),
      ("expiring_within_days=0", "2"), ("expiring_within_days=31", "215"),
      ("expiring_within_days=31&verified=false", "5"), ("expiring_within_days=3650", "215"),
      ("expiring_within_days=30&kind=bar_admission&state=MN", "1"), ("kind=title_license", ""),
    ] {
      #expect(
        world.get("\(list)?\(query)").items.compactMap { $0["number"]?.text }.joined() == expected,
        "\(query)")
      var walked = ""
      var next: String? = "\(list)?\(query)&limit=1"
      while let page = next, walked.count <= expected.count {
        let reply = world.get(page)
        walked += reply.items.compactMap { $0["number"]?.text }.joined()
        next = reply.headers[.link].map { String($0.dropFirst().prefix { $0 != ">" }) }
      }
      #expect(walked == expected, "\(query)")
    }
    for (query, errors) in [
      ("kind=diploma", "kind:unknown_value"), ("state=PR", "state:unknown_state"),
      ("verified=yes", "verified:unknown_value"),
      ("expiring_within_days=-1", "expiring_within_days:out_of_range"),
      ("expiring_within_days=3651", "expiring_within_days:out_of_range"),
      ("sort=number", "sort:unknown_parameter"), ("partner=x", "partner:unknown_parameter"),
    ] {
      #expect(world.get("\(list)?\(query)").verdict == "400 invalid_parameter \(errors)")
    }
    #expect(world.get("/api/admin/summary")["credentials_expiring"] == 2)
  }

  @Test("The status is the worst that matters, by kind and state, and follows the day")
  func statuses() throws {
    #expect(status == "none")
    let first = world.credential(
      of: partner, with: ["verified": false, "expires_on": "2020-01-01"])
    #expect(status == "unverified")
    #expect(world.put("\(path)/\(first)", ["verified": true]).status == 200)
    #expect(status == "expired")
    // Another one of the kind and state is good, whatever its number.
    let second = world.credential(of: partner, with: ["number": "2", "expires_on": "2026-12-23"])
    #expect(status == "verified")
    world.clock.pass(days: 1)
    #expect(status == "expiring")
    world.clock.pass(days: 30)
    #expect(status == "expiring", "its last day")
    world.clock.pass(days: 1)
    #expect(status == "expired")
    _ = world.credential(of: partner, with: ["kind": "other", "expires_on": "2026-12-30"])
    #expect(status == "expired")
    #expect(world.put("\(path)/\(second)", ["expires_on": .null, "verified": true]).status == 200)
    #expect(status == "expiring")
    #expect(world.put("\(path)/\(second)", ["verified": false]).status == 200)
    #expect(status == "expired")
    #expect(world.send("DELETE", "\(path)/\(first)").status == 204)
    #expect(status == "expiring")
    let wisconsin = world.credential(
      of: partner, with: ["number": "3", "state_code": "WI", "expires_on": "2026-01-01"])
    #expect(status == "expired")
    #expect(world.put("\(path)/\(wisconsin)", ["state_code": "MN"]).status == 200)
    #expect(status == "expiring", "not verified any more")
    #expect(world.get("/api/partners/me", as: .partner)["credentials_status"] == "expiring")
    #expect(try world.store.check(now: world.clock.now) == [])
  }

  @Test("A partner with an expired credential is not proposed, matched or introduced")
  func expired()
    throws
  {
    let credential = world.credential(of: partner, with: ["expires_on": "2026-11-22"])
    let matched = world.referral(.matched, partner: partner)
    let pending = world.referral(context: ["state": "MN"])
    let introduced = world.referral(
      .introSent, partner: partner, group: World.oak, as: .outsider)
    let candidates = "/api/admin/referrals/\(pending)/candidates"
    func recommended() -> Int? {
      world.get("/api/groups/\(World.oak)/recommendations?state=MN&partner_type=attorney")
        .items.at(0)["partners"]?.elements.count
    }
    #expect(world.get(candidates).items.count == 1)
    #expect(recommended() == 1)
    world.clock.pass(days: 1)
    #expect(world.get(candidates).items.isEmpty)
    #expect(recommended() == 0)
    #expect(
      world.get(candidates + "?all=true").items.at(0)["left_out"] == ["credential_expired"])
    let refused = "409 partner_not_eligible reasons=credential_expired"
    let reply = world.put("/api/admin/referrals/\(pending)", ["partner_id": .string(partner)])
    #expect(reply.verdict == refused)
    #expect(reply["detail"] == "A verified credential of the partner has expired.")
    #expect(
      world.put("/api/admin/referrals/\(matched)", ["status": "intro_sent"]).verdict == refused)
    // What is not an introduction is possible, and what was introduced goes on.
    #expect(world.put("/api/admin/referrals/\(introduced)", ["status": "connected"]).status == 200)
    #expect(world.put("/api/admin/referrals/\(matched)", ["status": "pending"]).status == 200)
    // It stays in the directory and the coverage, and says nothing of it there.
    #expect(world.get("/api/partners/\(partner)", as: .nobody)["credentials"] == [])
    #expect(world.get("/api/partners?state=MN", as: .nobody).items.count == 1)
    #expect(world.get("/api/coverage/MN/attorney", as: .nobody)["partner_count"] == 1)
    #expect(world.get("/api/partners/\(partner)", as: .nobody)["accepting_referrals"] == true)
    // Renewed, it is proposed again.
    #expect(
      world.put("\(path)/\(credential)", ["expires_on": "2027-11-22", "verified": true]).status
        == 200)
    #expect(world.get(candidates).items.count == 1)
    #expect(
      world.put("/api/admin/referrals/\(pending)", ["partner_id": .string(partner)]).status == 200)
  }
}
