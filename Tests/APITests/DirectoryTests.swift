import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// The public directory, and what a group is recommended.
@Suite struct DirectoryTests {
  let world: World

  init() throws { world = try World() }

  @Test("An active partner as everybody sees it; the others are not there") func profile() throws {
    let partner = world.partner(
      .active, areas: ["MN", "CA"],
      with: [
        "user_id": .string(Person.pablo.text), "contact_name": "Nora", "phone": "5550100",
        "website": "https://north.example", "notes": "SECRET", "co_ownership_certified": true,
      ])
    let expected: JSON = [
      "id": .string(partner), "type": "attorney", "company_name": "Company 1",
      "contact_name": "Nora", "website": "https://north.example", "service_areas": ["MN", "CA"],
      "co_ownership_certified": true,
    ]
    for role in [Role.nobody, .partner, .staff] {
      let reply = world.get("/api/partners/\(partner.uppercased())", as: role)
      #expect(reply.json == expected)
      #expect(reply.json.keys == expected.keys)
      #expect(
        world.get("/api/partners", as: role).json
          == ["data": [expected], "has_more": false, "next_cursor": .null])
    }
    let none = world.send("GET", "/api/partners/\(World.unknown)", as: .nobody, id: "same")
    #expect(none.verdict == "404 not_found")
    for status in PartnerStatus.allCases where status != .active {
      let other = world.partner(status)
      let reply = world.send("GET", "/api/partners/\(other)", as: .nobody, id: "same")
      #expect(reply.text.replacing(other, with: World.unknown) == none.text)
      #expect(reply.headers == none.headers)
    }
    #expect(world.get("/api/partners", as: .nobody).items.count == 1)
    #expect(world.get("/api/partners/x", as: .nobody).verdict == "404 not_found")
  }

  @Test("The directory is filtered, sorted and walked; each partner stands in it once")
  func search() throws {
    let partners: [(String, String, JSON, String)] = [
      ("Ærø", "attorney", ["MN", "CA", "WI"], "José"), ("birch", "lender", ["CA"], "Ann Lee"),
      ("Cedar", "attorney", ["CA", "MN"], "Bo"), ("dogwood", "cpa", ["WI"], "Cy"),
      ("Elm", "attorney", ["TX"], "Ann"), ("birch", "attorney", ["MN"], "Di"),
    ]
    var letters: [String: String] = [:]
    for (index, (name, type, areas, contact)) in partners.enumerated() {
      world.clock.pass(milliseconds: index % 2)
      let id = world.partner(
        type: type, areas: areas,
        with: [
          "company_name": .string(name), "contact_name": .string(contact),
          "notes": "hidden", "email": .string("hidden\(index)@secret.example"),
        ])
      letters[id] = index == 5 ? "B" : String(name.prefix(1))
    }
    func found(_ target: String) -> String {
      let reply = world.get(target, as: .nobody)
      #expect(reply.verdict == "200", "\(target)")
      return reply.items.compactMap { letters[$0["id"]?.text ?? ""] }.joined()
    }
    for (query, expected) in [
      ("", "bBCdEÆ"), ("sort=company_name", "bBCdEÆ"), ("sort=-company_name", "ÆEdCBb"),
      ("sort=created_at", "ÆbCdEB"), ("sort=-created_at", "BEdCbÆ"),
      ("type=attorney", "BCEÆ"), ("type=cpa,lender", "bd"), ("type=title", ""),
      ("state=MN", "BCÆ"), ("state=mn,CA,wi", "bBCdÆ"), ("state=MN,CA&type=attorney", "BCÆ"),
      ("state=MN,CA,WI,TX&sort=-created_at", "BEdCbÆ"),
      ("state=CA,MN&sort=created_at&type=attorney,lender", "ÆbCB"), ("q=ann", "bE"),
      ("q=JOSE", "Æ"), ("q=birch+lee", "b"), ("q=ann&type=attorney", "E"), ("q=ann&state=ca", "b"),
      ("q=hidden", ""), ("q=secret", ""), ("q=+", ""), ("state=WY", ""),
    ] {
      #expect(found("/api/partners?\(query)") == expected, "\(query)")
      // In pages of one the same, whatever way the list takes.
      var walked = ""
      var next: String? = "/api/partners?\(query)&limit=1"
      while let page = next, walked.count <= expected.count {
        let reply = world.get(page, as: .nobody)
        walked += reply.items.compactMap { letters[$0["id"]?.text ?? ""] }.joined()
        next = reply.headers[.link].map { String($0.dropFirst().prefix { $0 != ">" }) }
      }
      #expect(walked == expected, "\(query)")
    }
    let all = "state=" + StateCode.allCases.map(\.rawValue).joined(separator: ",")
    #expect(found("/api/partners?\(all)&type=attorney,lender,cpa") == "bBCdEÆ")
    for (query, errors) in [
      ("status=active", "status:unknown_parameter"), ("sort=updated_at", "sort:unknown_value"),
      ("type=broker", "type:unknown_value"), ("state=PR", "state:unknown_state"),
      ("limit=101", "limit:out_of_range"), ("cursor=x", "cursor:invalid_cursor"),
    ] {
      #expect(
        world.get("/api/partners?\(query)", as: .nobody).verdict
          == "400 invalid_parameter \(errors)")
    }
    // A page has a version of its own, which changes with what is on it.
    let page = world.get("/api/partners?limit=2", as: .nobody)
    let tag = try #require(page.etag)
    let known: HTTPFields = [.ifNoneMatch: tag]
    #expect(world.get("/api/partners?limit=2", as: .nobody, headers: known).status == 304)
    _ = world.partner(with: ["company_name": "Acer"])
    #expect(world.get("/api/partners?limit=2", as: .nobody, headers: known).status == 200)
  }

  @Test("Recommendations: each type with its coverage and purpose, partners in Tomi's order")
  func recommendations() throws {
    let path = "/api/groups/\(World.birch)/recommendations"
    let plain = world.partner()
    let busy = world.partner()
    let best = world.partner(
      areas: ["MN"],
      with: [
        "co_ownership_certified": true, "contact_name": "Bea", "phone": "5550100",
        "notes": "SECRET", "website": "https://best.example",
      ])
    // Bob would be introduced to himself.
    _ = world.partner(areas: ["MN"], with: ["user_id": .string(Person.bob.text)])
    _ = world.partner(.inactive)
    _ = world.partner(areas: ["CA"])
    _ = world.referral(.introSent, partner: busy, group: World.oak, as: .outsider)

    func partner(_ id: String, _ number: Int, _ why: JSON, _ fields: JSON = [:]) -> JSON {
      let view: JSON = [
        "id": .string(id), "type": "attorney", "company_name": .string("Company \(number)"),
        "contact_name": .null, "website": .null, "service_areas": ["MN"],
        "co_ownership_certified": false, "why": why,
      ]
      return view.with(fields)
    }
    let attorneys: JSON = [
      "partner_type": "attorney", "purpose": "TIC agreement review, real estate closings",
      "status": "available", "message": "Available", "partner_count": 4,
      "partners": [
        partner(
          best, 3, ["Certified for co-ownership", "Serves Minnesota"],
          [
            "contact_name": "Bea", "website": "https://best.example",
            "co_ownership_certified": true,
          ]),
        partner(plain, 1, ["Serves Minnesota"]), partner(busy, 2, ["Serves Minnesota"]),
      ],
    ]
    let reply = world.get(path, as: .member)
    #expect(reply.json.keys == ["state_code", "order", "data"])
    #expect(reply["state_code"] == "MN")
    #expect(reply["order"]?.text?.hasSuffix("Never by payment.") == true)
    #expect(
      reply.items.compactMap { $0["partner_type"]?.text }
        == ["attorney", "lender", "agent", "title", "insurance", "cpa"])
    #expect(reply.items.at(0) == attorneys)
    #expect(reply.items.at(0).keys == attorneys.keys)
    #expect(
      reply.items.at(1) == [
        "partner_type": "lender", "purpose": "TIC-friendly mortgage products",
        "status": "coming_soon", "message": "Coming soon", "partner_count": 0, "partners": [],
      ])
    #expect(reply.items.at(2)["purpose"] == "Co-ownership certified preferred")
    #expect(world.get(path).body == reply.body)

    // The limit is for each type; types stay in Tomi's order.
    let limited = world.get(path + "?limit=2&partner_type=cpa,attorney", as: .member)
    #expect(limited.items.compactMap { $0["partner_type"]?.text } == ["attorney", "cpa"])
    #expect(
      limited.items.at(0)["partners"]?.elements.compactMap { $0["id"]?.text } == [best, plain])

    // A partner that was taken off an open request of the group is not recommended to it.
    let referral = world.referral(.matched, context: ["state": "MN"], partner: best)
    world.put("/api/admin/referrals/\(referral)", ["status": "pending"])
    func ids() -> [String] {
      world.get(path + "?partner_type=attorney", as: .member).items.at(0)["partners"]?.elements
        .compactMap { $0["id"]?.text } ?? []
    }
    #expect(ids() == [plain, busy])
    world.post("/api/groups/\(World.birch)/referrals/\(referral)/cancel")
    #expect(ids() == [best, plain, busy])
  }

  @Test("The state is the one asked for, else the newest request's, else the group's")
  func recommendedState() throws {
    let path = "/api/groups/\(World.birch)/recommendations"
    func state(_ query: String = "") -> String {
      let reply = world.get(path + query, as: .member)
      return reply["state_code"]?.text ?? reply.verdict
    }
    #expect(state() == "MN")
    world.clock.pass(milliseconds: 1)
    _ = world.referral(.cancelled, context: ["state": "WI"])
    #expect(state() == "WI")
    world.clock.pass(milliseconds: 1)
    _ = world.referral(type: "cpa")
    #expect(state() == "MN")
    #expect(state("?state=ca") == "CA")
    world.put("/api/admin/groups/\(World.birch)", ["state": .null])
    #expect(state() == "400 invalid_parameter state:required")
    #expect(state("?state=") == "400 invalid_parameter state:required")
    #expect(state("?state=TX") == "TX")
    for (query, errors) in [
      ("state=MN,CA", "state:unknown_state"), ("state=PR", "state:unknown_state"),
      ("limit=11", "limit:out_of_range"), ("limit=0", "limit:out_of_range"),
      ("partner_type=broker", "partner_type:unknown_value"),
      ("cursor=x", "cursor:unknown_parameter"),
    ] {
      #expect(state("?\(query)") == "400 invalid_parameter \(errors)")
    }
  }
}
