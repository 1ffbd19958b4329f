import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// The whole bodies of the answers: each field, no other, in the order of the product document's tables.
@Suite struct ViewTests {
  let world: World

  init() throws { world = try World() }

  private static let context: JSON = [
    "group_size": 3, "home_price_range": ["min": 300_000, "max": .null],
    "timeline": "this spring", "state": "MN", "specific_need": "A TIC agreement\nfor three",
  ]

  private static let emptyContext: JSON = [
    "group_size": .null, "home_price_range": .null, "timeline": .null, "state": .null,
    "specific_need": .null,
  ]

  /// A partner with something in every field.
  private func fullPartner() -> Reply {
    world.post(
      "/api/admin/partners",
      [
        "user_id": .string(Person.petra.text), "type": "attorney", "status": "active",
        "company_name": "North Law", "contact_name": "Nora North", "email": "Nora@North.example",
        "phone": "+1 (612) 555-0100", "website": "https://north.example/tic",
        "service_areas": ["mn", "CA", "MN"], "co_ownership_certified": true,
        "agreement_signed_at": "2026-03-01T10:00:00.1239+02:00", "notes": "Met at a fair.\nGood.",
        "description": "Agreements\nfor three", "languages": ["EN", "es"],
        "affiliation_disclosure": "None", "paused_until": "2026-11-21", "max_open_referrals": 7,
      ])
  }

  private func isVersion7(_ id: String) -> Bool {
    id.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/) != nil
  }

  @Test("A partner for staff, with all fields and with the fewest") func staffPartner() throws {
    let full = fullPartner()
    let id = try #require(full["id"]?.text)
    #expect(isVersion7(id))
    let expected: JSON = [
      "id": .string(id), "user_id": .string(Person.petra.text), "type": "attorney",
      "status": "active", "company_name": "North Law", "contact_name": "Nora North",
      "email": "Nora@North.example", "phone": "+1 (612) 555-0100",
      "website": "https://north.example/tic", "service_areas": ["MN", "CA"],
      "co_ownership_certified": true, "description": "Agreements\nfor three",
      "languages": ["en", "es"], "affiliation_disclosure": "None", "accepting_referrals": true,
      "paused_until": "2026-11-21", "max_open_referrals": 7, "credentials_status": "none",
      "agreement_signed_at": "2026-03-01T08:00:00.123Z",
      "invited_by": .string(Person.sam.text), "notes": "Met at a fair.\nGood.",
      "pending_changes": .null, "created_at": .string(World.start),
      "updated_at": .string(World.start),
    ]
    #expect(full.status == 201)
    #expect(full.headers[.location] == "/api/admin/partners/\(id)")
    #expect(full.json == expected)
    #expect(full.json.keys == expected.keys)
    #expect(world.get("/api/admin/partners/\(id)").body == full.body)
    #expect(
      world.get("/api/admin/partners").json
        == ["data": [expected], "has_more": false, "next_cursor": .null])

    let few = world.post(
      "/api/admin/partners",
      ["type": "cpa", "company_name": "Few", "email": "few@example.com"], as: .otherStaff)
    let fewID = try #require(few["id"])
    #expect(
      few.json == [
        "id": fewID, "user_id": .null, "type": "cpa", "status": "invited", "company_name": "Few",
        "contact_name": .null, "email": "few@example.com", "phone": .null, "website": .null,
        "service_areas": [], "co_ownership_certified": false, "description": .null,
        "languages": [], "affiliation_disclosure": .null, "accepting_referrals": false,
        "paused_until": .null, "max_open_referrals": .null, "credentials_status": "none",
        "agreement_signed_at": .null,
        "invited_by": .string(Person.tess.text), "notes": .null,
        "pending_changes": .null, "created_at": .string(World.start),
        "updated_at": .string(World.start),
      ])
  }

  @Test("A request at each step, for staff and for members") func referral() throws {
    let partner = try #require(fullPartner()["id"])
    let made = world.post(
      "/api/groups/\(World.birch)/referrals",
      ["partner_type": "attorney", "context": ViewTests.context], as: .member)
    let id = try #require(made["id"]?.text)
    #expect(isVersion7(id))
    let memberPath = "/api/groups/\(World.birch)/referrals/\(id)"
    let staffPath = "/api/admin/referrals/\(id)"
    #expect(made.headers[.location] == memberPath)

    var member: JSON = [
      "id": .string(id), "group_id": .string(World.birch.text),
      "requested_by": .string(Person.ann.text), "contact_id": .string(Person.ann.text),
      "partner_type": "attorney", "status": "pending", "status_since": .string(World.start),
      "context": ViewTests.context, "partner_id": .null, "intro_sent_at": .null,
      "outcome": .null, "consent_version": .null, "consented_at": .null,
      "created_at": .string(World.start), "updated_at": .string(World.start),
      "partner": .null, "timeline": [["status": "pending", "at": .string(World.start)]],
    ]
    var staff: JSON = [
      "id": .string(id), "group_id": .string(World.birch.text),
      "requested_by": .string(Person.ann.text), "contact_id": .string(Person.ann.text),
      "partner_type": "attorney", "status": "pending", "status_since": .string(World.start),
      "context": ViewTests.context, "partner_id": .null, "intro_sent_at": .null,
      "outcome": .null, "outcome_notes": .null, "assigned_to": .null, "follow_up_on": .null,
      "consent_version": .null, "consented_at": .null, "created_at": .string(World.start),
      "updated_at": .string(World.start),
      "group": ["id": .string(World.birch.text), "name": "Birch"],
      "requester": ["id": .string(Person.ann.text), "name": "Ann", "email": "ann@example.com"],
      "contact": ["id": .string(Person.ann.text), "name": "Ann", "email": "ann@example.com"],
      "assignee": .null,
      "partner": .null, "timeline": [["status": "pending", "at": .string(World.start)]],
    ]

    /// Holds both views, alone and in lists, to what is expected at this step.
    func check(_ changed: Reply, _ status: Int = 200, as role: Role = .staff) {
      #expect(changed.status == status)
      #expect(changed.json == (role == .staff ? staff : member))
      let forMember = world.get(memberPath, as: .member)
      #expect(forMember.json == member)
      #expect(forMember.json.keys == member.keys)
      #expect(
        world.get("/api/groups/\(World.birch)/referrals", as: .member).json
          == ["data": [member.without("timeline")], "has_more": false, "next_cursor": .null])
      // Staff sees everything on the group's path as well.
      for path in [staffPath, memberPath] {
        let forStaff = world.get(path)
        #expect(forStaff.json == staff)
        #expect(forStaff.json.keys == staff.keys)
      }
      for list in ["/api/groups/\(World.birch)/referrals", "/api/admin/referrals"] {
        #expect(
          world.get(list).json
            == ["data": [staff.without("timeline")], "has_more": false, "next_cursor": .null])
      }
    }
    check(made, 201, as: .member)

    let contact: JSON = [
      "id": partner, "type": "attorney", "company_name": "North Law",
      "contact_name": "Nora North", "email": "Nora@North.example", "phone": "+1 (612) 555-0100",
      "website": "https://north.example/tic",
    ]
    world.clock.pass(milliseconds: 1_877)
    let matchedAt: JSON = "2026-11-22T14:30:30.000Z"
    let matched = world.put(staffPath, ["partner_id": partner])
    var changes: JSON = [
      "status": "matched", "partner_id": partner, "updated_at": matchedAt,
      "status_since": matchedAt,
      "timeline": [
        ["status": "pending", "at": .string(World.start)], ["status": "matched", "at": matchedAt],
      ],
    ]
    member = member.with(changes).with([
      "partner": contact.with(["contact_name": .null, "email": .null, "phone": .null])
    ])
    staff = staff.with(changes).with(["partner": contact])
    check(matched)

    world.clock.pass(milliseconds: 1)
    let introducedAt: JSON = "2026-11-22T14:30:30.001Z"
    let introduced = world.put(staffPath, ["status": "intro_sent", "note": "By e-mail"])
    changes = [
      "status": "intro_sent", "intro_sent_at": introducedAt, "updated_at": introducedAt,
      "status_since": introducedAt,
      "partner": contact,
      "timeline": [
        ["status": "pending", "at": .string(World.start)], ["status": "matched", "at": matchedAt],
        ["status": "intro_sent", "at": introducedAt],
      ],
    ]
    member = member.with(changes)
    staff = staff.with(changes)
    check(introduced)

    world.clock.pass(milliseconds: 1)
    let closedAt: JSON = "2026-11-22T14:30:30.002Z"
    let closed = world.put(
      staffPath + "/outcome", ["outcome": "not_engaged", "outcome_notes": " Too dear.\n "])
    changes = [
      "status": "closed", "outcome": "not_engaged", "updated_at": closedAt,
      "status_since": closedAt,
      "timeline": [
        ["status": "pending", "at": .string(World.start)], ["status": "matched", "at": matchedAt],
        ["status": "intro_sent", "at": introducedAt], ["status": "closed", "at": closedAt],
      ],
    ]
    member = member.with(changes)
    staff = staff.with(changes).with(["outcome_notes": "Too dear."])
    check(closed)
  }

  @Test("A context is shown with all its fields, given or not") func emptyContext() throws {
    let cases: [JSON] = [
      ["partner_type": "attorney"], ["partner_type": "lender", "context": .null],
      ["partner_type": "agent", "context": [:]],
      [
        "partner_type": "title",
        "context": ["home_price_range": [:], "timeline": "  ", "state": "", "group_size": .null],
      ],
      [
        "partner_type": "cpa",
        "context": ["home_price_range": ["min": .null, "max": .null], "specific_need": "\n"],
      ],
    ]
    for (index, body) in cases.enumerated() {
      let made = world.post("/api/groups/\(World.birch)/referrals", body, as: .member)
      #expect(made["context"] == ViewTests.emptyContext, "\(index)")
      #expect(made["context"]?.keys == ViewTests.emptyContext.keys)
    }
  }

  @Test("Coverage: all states, one state, one type, before and after there is a partner")
  func coverage() throws {
    let names: [(String, String)] = [
      ("AK", "Alaska"), ("AL", "Alabama"), ("AR", "Arkansas"), ("AZ", "Arizona"),
      ("CA", "California"), ("CO", "Colorado"), ("CT", "Connecticut"),
      ("DC", "District of Columbia"), ("DE", "Delaware"), ("FL", "Florida"), ("GA", "Georgia"),
      ("HI", "Hawaii"), ("IA", "Iowa"), ("ID", "Idaho"), ("IL", "Illinois"), ("IN", "Indiana"),
      ("KS", "Kansas"), ("KY", "Kentucky"), ("LA", "Louisiana"), ("MA", "Massachusetts"),
      ("MD", "Maryland"), ("ME", "Maine"), ("MI", "Michigan"), ("MN", "Minnesota"),
      ("MO", "Missouri"), ("MS", "Mississippi"), ("MT", "Montana"), ("NC", "North Carolina"),
      ("ND", "North Dakota"), ("NE", "Nebraska"), ("NH", "New Hampshire"), ("NJ", "New Jersey"),
      ("NM", "New Mexico"), ("NV", "Nevada"), ("NY", "New York"), ("OH", "Ohio"),
      ("OK", "Oklahoma"), ("OR", "Oregon"), ("PA", "Pennsylvania"), ("RI", "Rhode Island"),
      ("SC", "South Carolina"), ("SD", "South Dakota"), ("TN", "Tennessee"), ("TX", "Texas"),
      ("UT", "Utah"), ("VA", "Virginia"), ("VT", "Vermont"), ("WA", "Washington"),
      ("WI", "Wisconsin"), ("WV", "West Virginia"), ("WY", "Wyoming"),
    ]
    let types = ["attorney", "lender", "agent", "title", "insurance", "cpa"]

    func list(available: Set<String>) -> JSON {
      let rows = names.map { code, name -> JSON in
        let status =
          available.contains(code)
          ? "available" : ["MN", "CA"].contains(code) ? "coming_soon" : "unavailable"
        return [
          "state_code": .string(code), "state_name": .string(name), "status": .string(status),
          "message": status == "available" ? "Available" : "Coming soon",
        ]
      }
      return ["data": .array(rows), "has_more": false, "next_cursor": .null]
    }
    #expect(world.get("/api/coverage", as: .nobody).json == list(available: []))

    for (code, name) in names {
      let status: JSON = ["MN", "CA"].contains(code) ? "coming_soon" : "unavailable"
      let state: JSON = [
        "state_code": .string(code), "state_name": .string(name), "status": status,
        "message": "Coming soon",
        "partner_types": .array(
          types.map {
            [
              "partner_type": .string($0), "status": status, "message": "Coming soon",
              "partner_count": 0,
            ]
          }),
      ]
      let reply = world.get("/api/coverage/\(code)", as: .nobody)
      #expect(reply.json == state)
      #expect(reply.json.keys == state.keys)
    }

    _ = world.partner(.active, type: "agent", areas: ["TX", "CA"])
    _ = world.partner(.active, type: "agent", areas: ["TX"])
    for (query, available) in [
      ("", ["CA", "TX"]), ("?type=", ["CA", "TX"]), ("?type=agent", ["CA", "TX"]),
      ("?type=cpa,agent", ["CA", "TX"]), ("?type=cpa", []), ("?type=cpa,title", []),
    ] as [(String, Set<String>)] {
      let reply = world.get("/api/coverage\(query)", as: .nobody)
      #expect(reply.json == list(available: available), "\(query)")
    }
    #expect(
      world.get("/api/coverage?type=broker", as: .nobody).verdict
        == "400 invalid_parameter type:unknown_value")
    let texas: JSON = [
      "state_code": "TX", "state_name": "Texas", "status": "available", "message": "Available",
      "partner_types": .array(
        types.map {
          [
            "partner_type": .string($0), "status": $0 == "agent" ? "available" : "unavailable",
            "message": $0 == "agent" ? "Available" : "Coming soon",
            "partner_count": $0 == "agent" ? 2 : 0,
          ]
        }),
    ]
    for path in ["/api/coverage/TX", "/api/coverage/tx", "/api/coverage/Tx", "/api/coverage/%74X"] {
      #expect(world.get(path, as: .nobody).json == texas)
    }
    let agents: JSON = [
      "state_code": "TX", "state_name": "Texas", "partner_type": "agent", "status": "available",
      "message": "Available", "partner_count": 2,
    ]
    let one = world.get("/api/coverage/tx/agent", as: .nobody)
    #expect(one.json == agents)
    #expect(one.json.keys == agents.keys)
    for path in [
      "/api/coverage/PR", "/api/coverage/T", "/api/coverage/TXX", "/api/coverage/%EF%AC%82",
      "/api/coverage/TX/Agent", "/api/coverage/TX/broker", "/api/coverage/ZZ/agent",
    ] {
      #expect(world.get(path, as: .nobody).verdict == "404 not_found", "\(path)")
    }
  }

  @Test("A user and a group, made and read") func userAndGroup() throws {
    let id = "00000000-0000-4000-8000-0000000000AA"
    let path = "/api/admin/users/\(id)"
    let user: JSON = [
      "id": .string(id.lowercased()), "email": "Una@Example.com", "name": "Una", "disabled": false,
      "created_at": .string(World.start), "updated_at": .string(World.start),
    ]
    let made = world.put(path, ["email": " Una@Example.com ", "name": " Una "])
    #expect(made.status == 201)
    #expect(made.headers[.location] == "/api/admin/users/\(id.lowercased())")
    #expect(made.json == user)
    #expect(made.json.keys == user.keys)
    #expect(world.get(path).body == made.body)
    world.clock.pass(milliseconds: 877)
    let changed = world.put(path, ["disabled": true])
    #expect(
      changed.json
        == user.with(["disabled": true, "updated_at": "2026-11-22T14:30:29.000Z"]))

    let groupPath = "/api/admin/groups/\(id)"
    let group: JSON = [
      "id": .string(id.lowercased()), "name": "Una's", "state": "WA",
      "members": [.string(Person.ann.text), .string(id.lowercased())],
      "created_at": "2026-11-22T14:30:29.000Z", "updated_at": "2026-11-22T14:30:29.000Z",
    ]
    let madeGroup = world.put(
      groupPath,
      [
        "name": "Una's", "state": "wa",
        "members": [.string(id), .string(Person.ann.text), .string(id.lowercased())],
      ])
    #expect(madeGroup.status == 201)
    #expect(madeGroup.headers[.location] == "/api/admin/groups/\(id.lowercased())")
    #expect(madeGroup.json == group)
    #expect(madeGroup.json.keys == group.keys)
    #expect(world.get(groupPath).body == madeGroup.body)
    let least = world.put("/api/admin/groups/\(World.unknown)", ["name": "Least"])
    #expect(
      least.json.without("created_at", "updated_at") == [
        "id": .string(World.unknown), "name": "Least", "state": .null, "members": [],
      ])
  }

  @Test("A token shows at its making and never again") func token() throws {
    let path = "/api/admin/users/\(Person.petra)/tokens"
    let made = world.post(path, ["name": " Phone ", "expires_at": "2027-01-01T00:00:00Z"])
    let secret = try #require(made["token"]?.text)
    // 256 bits in base64url.
    #expect(secret.wholeMatch(of: /tomi_[A-Za-z0-9_-]{43}/) != nil)
    let id = try #require(made["id"])
    let expected: JSON = [
      "id": id, "user_id": .string(Person.petra.text), "name": "Phone",
      "expires_at": "2027-01-01T00:00:00.000Z", "created_at": .string(World.start),
      "token": .string(secret),
    ]
    #expect(made.status == 201)
    #expect(made.json == expected)
    #expect(made.json.keys == expected.keys)
    #expect(made.headers[.cacheControl] == "no-store")
    #expect(made.headers[.location] == nil)
    #expect(made.headers[.eTag] == nil)
    #expect(!world.get("/api/admin/events").text.contains(secret))
    #expect(try !world.contents().joined().contains(secret))

    let petra: HTTPFields = [.authorization: "Bearer \(secret)"]
    #expect(world.get("/api/groups/\(World.birch)/referrals", headers: petra).status == 404)
    // Never an admin's.
    #expect(world.get("/api/admin/events", headers: petra).verdict == "403 forbidden")

    // 90 days if nothing is said.
    let plain = world.post(path, [:])
    #expect(plain["expires_at"] == "2027-02-20T14:30:28.123Z")
    #expect(plain["name"] == .null)
  }

  @Test("An event, by a user and by the system") func events() throws {
    let user = world.put(
      "/api/admin/users/\(World.unknown)", ["email": "new@example.com", "name": "New"])
    #expect(user.status == 201)
    let partner = world.partner(.active, areas: ["MN"], with: ["notes": "Known"])
    let events = world.events
    let numbers = events.compactMap { $0["number"]?.number }
    #expect(numbers == [1, 2, 3])
    let sam: JSON = ["id": .string(Person.sam.text), "name": "Sam"]
    #expect(
      events.at(0) == [
        "number": 1, "at": .string(World.start), "actor": sam,
        "subject": ["kind": "user", "id": .string(World.unknown)], "kind": "user.created",
        "changes": [
          "email": ["from": .null, "to": "new@example.com"], "name": ["from": .null, "to": "New"],
          "disabled": ["from": .null, "to": false],
        ], "note": .null,
      ])
    #expect(
      events.at(0).keys == ["number", "at", "actor", "subject", "kind", "changes", "note"])
    let byPartner = try #require(world.events(of: partner).first)
    #expect(
      byPartner.without("number") == [
        "at": .string(World.start), "actor": sam,
        "subject": ["kind": "partner", "id": .string(partner)], "kind": "partner.created",
        "changes": [
          "type": ["from": .null, "to": "attorney"], "status": ["from": .null, "to": "active"],
          "company_name": ["from": .null, "to": "Company 1"],
          "email": ["from": .null, "to": "company1@example.com"],
          "service_areas": ["from": .null, "to": ["MN"]],
          "co_ownership_certified": ["from": .null, "to": false],
          "languages": ["from": .null, "to": []],
          "agreement_signed_at": ["from": .null, "to": "2026-01-01T00:00:00.000Z"],
          "invited_by": ["from": .null, "to": .string(Person.sam.text)],
          "notes": ["from": .null, "to": "Known"],
        ], "note": .null,
      ])
    let bySystem = try #require(world.events(of: "MN/attorney").first)
    #expect(
      bySystem.without("number") == [
        "at": .string(World.start), "actor": .null,
        "subject": ["kind": "coverage", "id": "MN/attorney"], "kind": "coverage.status_changed",
        "changes": ["status": ["from": "coming_soon", "to": "available"]], "note": .null,
      ])
    #expect(
      world.get("/api/admin/partners/\(partner)/history").json
        == ["data": [byPartner], "has_more": false, "next_cursor": .null])
  }

  @Test("Candidates, best first, and why") func candidates() throws {
    let referral = world.referral(context: ["state": "CA"])
    let path = "/api/admin/referrals/\(referral)/candidates"
    let order =
      "Certified for co-ownership first, then the fewest open referrals, then the longest since the "
      + "last introduction, then ID. Never by payment."
    #expect(
      world.get(path).json
        == ["data": [], "has_more": false, "next_cursor": .null, "order": .string(order)])

    let busy = world.partner(areas: ["CA"])
    _ = world.referral(
      .introSent, context: ["state": "CA"], partner: busy, group: World.oak, as: .outsider)
    world.clock.pass(milliseconds: 1000)
    let best = world.partner(
      areas: ["CA"],
      with: [
        "co_ownership_certified": true, "contact_name": "Bea", "phone": "555 0100",
        "website": "https://best.example", "notes": "CANARY",
      ])
    let free = world.partner(areas: ["CA", "MN"])
    // None of these fits.
    _ = world.partner(areas: ["MN"])
    _ = world.partner(type: "lender", areas: ["CA"])
    _ = world.partner(.inactive, areas: ["CA"])
    _ = world.partner(.invited, areas: ["CA"])
    // A partner whose own user is in the group would be introduced to itself.
    _ = world.partner(areas: ["CA"], with: ["user_id": .string(Person.bob.text)])

    let expected: [JSON] = [
      [
        "id": .string(best), "type": "attorney", "company_name": "Company 2",
        "contact_name": "Bea", "email": "company2@example.com", "phone": "555 0100",
        "website": "https://best.example", "co_ownership_certified": true, "open_referrals": 0,
        "last_intro_at": .null,
        "why": [
          "Certified for co-ownership", "Serves California", "No open referrals",
          "Not introduced yet",
        ], "left_out": [],
      ],
      [
        "id": .string(free), "type": "attorney", "company_name": "Company 3",
        "contact_name": .null, "email": "company3@example.com", "phone": .null,
        "website": .null, "co_ownership_certified": false, "open_referrals": 0,
        "last_intro_at": .null,
        "why": ["Serves California", "No open referrals", "Not introduced yet"], "left_out": [],
      ],
      [
        "id": .string(busy), "type": "attorney", "company_name": "Company 1",
        "contact_name": .null, "email": "company1@example.com", "phone": .null,
        "website": .null, "co_ownership_certified": false, "open_referrals": 1,
        "last_intro_at": .string(World.start),
        "why": ["Serves California", "1 open referral", "Last introduced on 2026-11-22"],
        "left_out": [],
      ],
    ]
    let list = world.get(path)
    #expect(list.items == expected)
    #expect(list.items.first?.keys == expected[0].keys)
    #expect(list.json.keys == ["data", "has_more", "next_cursor", "order"])
  }

  @Test("Health") func health() {
    let reply = world.get("/api/health", as: .nobody)
    #expect(reply.text == #"{"status":"ok"}"#)
    #expect(reply.headers[.cacheControl] == "no-store")
    #expect(reply.etag == nil)
  }
}
