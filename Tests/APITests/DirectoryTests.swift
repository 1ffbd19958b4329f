import Domain
import HTTPTypes
import JSON
import Store
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
        "description": "Agreements", "languages": ["en"], "affiliation_disclosure": "None",
        "max_open_referrals": 77, "paused_until": "2026-11-21",
      ])
    _ = world.credential(
      of: partner,
      with: ["kind": "nmls", "number": "7", "state_code": .null, "notes": "SECRET"])
    _ = world.credential(of: partner, with: ["verified": false])
    _ = world.credential(of: partner, with: ["number": "3", "expires_on": "2026-11-21"])
    _ = world.credential(of: partner, with: ["number": "4", "kind": "other", "verified": false])
    let expected: JSON = [
      "id": .string(partner), "type": "attorney", "company_name": "Company 1",
      "contact_name": "Nora", "website": "https://north.example", "service_areas": ["MN", "CA"],
      "co_ownership_certified": true, "description": "Agreements", "languages": ["en"],
      "affiliation_disclosure": "None", "accepting_referrals": true,
    ]
    let single = expected.with([
      "credentials": [["kind": "nmls", "number": "7", "state_code": .null]]
    ])
    for role in [Role.nobody, .partner, .staff] {
      let reply = world.get("/api/partners/\(partner.uppercased())", as: role)
      #expect(reply.json == single)
      #expect(reply.json.keys == single.keys)
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
          "languages": [["en", "es"], ["es"], ["so"], [], ["so", "en"], ["en"]][index],
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
      ("", "ÆbBCdE"), ("sort=company_name", "ÆbBCdE"), ("sort=-company_name", "EdCBbÆ"),
      ("sort=created_at", "ÆbCdEB"), ("sort=-created_at", "BEdCbÆ"),
      ("type=attorney", "ÆBCE"), ("type=cpa,lender", "bd"), ("type=title", ""),
      ("state=MN", "ÆBC"), ("state=mn,CA,wi", "ÆbBCd"), ("state=MN,CA&type=attorney", "ÆBC"),
      ("state=MN,CA,WI,TX&sort=-created_at", "BEdCbÆ"),
      ("state=CA,MN&sort=created_at&type=attorney,lender", "ÆbCB"), ("q=ann", "bE"),
      ("q=JOSE", "Æ"), ("q=birch+lee", "b"), ("q=ann&type=attorney", "E"), ("q=ann&state=ca", "b"),
      ("q=hidden", ""), ("q=secret", ""), ("q=+", ""), ("state=WY", ""),
      ("language=es", "Æb"), ("language=ES,so", "ÆbCE"), ("language=fr", ""),
      ("language=", "ÆbBCdE"), ("language=en&state=MN", "ÆB"), ("language=so&type=attorney", "CE"),
      ("language=en&state=MN,TX&sort=-created_at", "BEÆ"), ("language=en&q=ann", "E"),
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
    #expect(found("/api/partners?\(all)&type=attorney,lender,cpa") == "ÆbBCdE")
    for (query, errors) in [
      ("status=active", "status:unknown_parameter"), ("sort=updated_at", "sort:unknown_value"),
      ("type=broker", "type:unknown_value"), ("state=PR", "state:unknown_state"),
      ("language=en,xx", "language:unknown_value"),
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
        "co_ownership_certified": false, "description": .null, "languages": [],
        "affiliation_disclosure": .null, "accepting_referrals": true, "why": why,
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

  @Test("After a partner whose name has the longest folded form, the list goes on")
  func longestName() throws {
    for _ in 0..<2 {
      world.partner(with: ["company_name": .string(String(repeating: "ﷺ", count: 200))])
    }
    let first = world.get("/api/partners?limit=1", as: .nobody)
    let cursor = try #require(first["next_cursor"]?.text)
    #expect(cursor.utf8.count < 2_000)
    let second = world.get("/api/partners?limit=1&cursor=\(cursor)", as: .nobody)
    #expect(second.items.count == 1 && second["has_more"] == false)
  }

  // MARK: Words

  /// The letters of the companies that a search finds, or the refusal.
  private func found(_ words: String, in letters: [String: String]) -> String {
    let reply = world.get("/api/partners?q=\(PercentEncoding.encode(words))", as: .nobody)
    guard reply.verdict == "200" else { return reply.verdict }
    return reply.items.map { letters[$0["id"]?.text ?? ""] ?? "?" }.sorted().joined()
  }

  @Test(
    "Whatever is typed is words, which begin words of company or contact, accents and case aside")
  func hostileWords() throws {
    var letters: [String: String] = [:]
    for (letter, company, contact) in [
      ("a", "Smith & Sons (Law)", "José O'Brien"), ("b", "NEAR Field Title", "Notary Orbit"),
      ("c", "100% Röst AND Co.", "Zoë"), ("d", "company_name Ltd", "日本語 Русский"),
      ("e", "Smithers 😀 Title", "Anna-Lena"),
    ] {
      let id = world.partner(
        with: [
          "company_name": .string(company), "contact_name": .string(contact),
          "notes": "Nightingale notary smith", "email": .string("\(letter)@wren.example"),
          "website": "https://kestrel.example", "phone": "555 010 0100",
        ])
      letters[id] = letter
    }
    for (words, expected) in [
      ("smith", "ae"), ("SMITH", "ae"), ("smith sons", "a"), ("sons smith", "a"), ("mith", ""),
      ("\"smith\"", "ae"), ("\"smith", "ae"), ("smith\"", "ae"), ("\"smith & sons\"", "a"),
      ("'smith'", "ae"), ("smith'; DROP TABLE partners; --", ""), ("smith' OR '1'='1", ""),
      ("smith OR near", ""), ("near AND field", ""), ("and", "c"), ("röst and", "c"),
      ("smith NOT law", ""), ("NEAR(near field)", "b"), ("near(field, 5)", ""), ("near/2", ""),
      ("smith*", "ae"), ("*smith", "ae"), ("^smith", "ae"), ("-smith", "ae"), ("+smith", "ae"),
      ("sm*th", ""), ("sm?th", ""), ("sm_th", ""), ("sm%", "ae"), ("(smith", "ae"),
      ("smith)", "ae"),
      ("{company_name}: smith", ""), ("company_name : smith", ""), ("company_name", "d"),
      ("name company", "d"), ("notes:nightingale", ""), ("email : a", ""),
      ("- {notes} : smith", ""),
      ("rowid", ""), ("rank MATCH 'bm25()'", ""), ("smith\\", "ae"), ("smith/**/", "ae"),
      ("jose", "a"), ("JOSÉ", "a"), ("jose\u{301}", "a"), ("jos\u{65}\u{301}", "a"),
      ("ro\u{308}st", "c"), ("rost", "c"), ("zoe", "c"), ("z\u{6F}\u{65}\u{308}", "c"),
      ("o'brien", "a"), ("o’brien", "a"), ("brien", "a"), ("obrien", "a"), ("anna-lena", "e"),
      ("lena", "e"), ("日本", "d"), ("本", "d"), ("русск", "d"), ("РУССКИЙ", "d"), ("100", "c"),
      ("100%", "c"), ("😀", ""), ("😀 smith", "ae"), ("smith😀title", "e"), ("👩‍👩‍👧 title", "be"),
      ("smith\u{200D}", "ae"), ("\u{FEFF}smith", "ae"),
      (" \t ", ""), ("!", ""), ("…", ""), ("\"\"", ""), ("\"", ""), ("()", ""), ("*", ""),
      ("&&", ""),
      ("'", ""), ("\\", ""), ("%", ""), ("_", ""), ("-- ", ""), ("{}:", ""), ("\u{301}", ""),
      ("\u{E000}", ""), ("\u{10FFFD}", ""), ("½", ""),
      ("smith smith SMITH s sm", "ae"), (String(repeating: "s ", count: 100), "ae"),
      (String(repeating: "s", count: 200), ""),
      (String(repeating: "s", count: 201), "400 invalid_parameter q:too_long"),
      ("smith\u{0}", "400 invalid_parameter q:control_character"),
      ("smith\u{0}sons", "400 invalid_parameter q:control_character"),
      ("smith\nsons", "400 invalid_parameter q:control_character"),
      ("smith\tsons", "400 invalid_parameter q:control_character"),
      ("\u{1B}[31m", "400 invalid_parameter q:control_character"),
      ("smith\u{85}x", "400 invalid_parameter q:control_character"),
      ("smith\u{2028}sons", "400 invalid_parameter q:control_character"),
      ("\u{202E}htims", ""), ("sm\u{200B}ith\u{AD}", "ae"), ("\u{202E}", ""),
      // What stands in notes, e-mail, telephone, website and area alone is not found.
      ("nightingale", ""), ("wren", ""), ("a@wren.example", ""), ("example", ""), ("kestrel", ""),
      ("https", ""), ("555", ""), ("mn", ""), ("attorney", ""), ("active", ""),
    ] {
      #expect(found(words, in: letters) == expected, "\(words.debugDescription)")
    }
    for raw in ["%FF", "%C3", "%ED%A0%80", "%zz", "%"] {
      #expect(
        world.get("/api/partners?q=\(raw)", as: .nobody).verdict
          == "400 invalid_parameter q:invalid_format", "\(raw)")
    }
    // Staff finds more of them by the same words.
    #expect(world.get("/api/admin/partners?q=nightingale").items.count == 5)
    #expect(world.get("/api/admin/partners?q=d@wren.example").items.count == 1)
  }

  // MARK: Pages

  @Test("A cursor belongs to its list, its filters and its order") func cursors() throws {
    for number in 0..<4 {
      world.clock.pass(milliseconds: 1)
      _ = world.partner(
        type: number < 2 ? "attorney" : "lender", areas: ["MN", "CA"],
        with: ["contact_name": "Ann"])
    }
    let queries = [
      "", "sort=-company_name", "sort=created_at", "sort=-created_at", "type=attorney",
      "type=attorney,lender", "state=MN", "state=CA", "state=CA,MN", "q=company", "q=ann",
      "type=attorney&state=MN", "type=attorney&state=MN&q=ann", "state=MN&sort=created_at",
      "type=attorney&sort=created_at",
    ]
    var cursors: [String] = []
    for query in queries {
      let reply = world.get("/api/partners?\(query)&limit=1", as: .nobody)
      #expect(reply["has_more"] == true, "\(query)")
      cursors.append(try #require(reply["next_cursor"]?.text))
    }
    for (mine, query) in queries.enumerated() {
      for (index, cursor) in cursors.enumerated() {
        let reply = world.get("/api/partners?\(query)&cursor=\(cursor)", as: .nobody)
        let expected = index == mine ? "200" : "400 invalid_parameter cursor:invalid_cursor"
        #expect(reply.verdict == expected, "\(queries[index]) in \(query)")
      }
    }
    // The same list in other words, and pages of another length.
    for (query, same) in [
      ("", "sort=company_name"), ("", "limit=100"), ("", "q=&type="),
      ("state=CA,MN", "state=mn,ca,MN"), ("type=attorney,lender", "type=lender,%20attorney"),
      ("q=ann", "q=%20ann+"),
    ] {
      let cursor = cursors[try #require(queries.firstIndex(of: query))]
      #expect(
        world.get("/api/partners?\(same)&cursor=\(cursor)", as: .nobody).verdict == "200", "\(same)"
      )
    }
    // Staff's list, which sorts by company as well, has cursors of its own.
    let staff = world.get("/api/admin/partners?sort=company_name&limit=1")["next_cursor"]?.text
    #expect(
      world.get("/api/partners?cursor=\(staff ?? "")", as: .nobody).verdict
        == "400 invalid_parameter cursor:invalid_cursor")
    // One that was tampered with is refused or is one; it never fails.
    for cursor in [cursors[0], cursors[2]] {
      for index in cursor.indices {
        for replacement in ["A", "-", ""] {
          let forged = cursor[..<index] + replacement + cursor[cursor.index(after: index)...]
          let verdict = world.get("/api/partners?cursor=\(forged)", as: .nobody).verdict
          #expect(
            ["200", "400 invalid_parameter cursor:invalid_cursor"].contains(verdict), "\(forged)")
        }
      }
    }
  }

  /// A partner as the walks below expect it.
  private struct Listed {
    let id: String
    let name: String
    let type: PartnerType
    let areas: [StateCode]
    let isSmith: Bool
    /// In the order of creation, many at one time.
    let time: Int
    let number: Int
  }

  /// Adds a partner at random.
  private func add(_ number: Int, _ dice: inout SummaryTests.Dice) throws -> Listed? {
    let type = dice.pick([PartnerType.attorney, .attorney, .lender, .cpa])
    let areas = dice.pick([[.MN], [.MN, .CA], [.CA], [.WI, .MN]] as [[StateCode]])
    let isSmith = dice.isLucky(oneIn: 2)
    let word = dice.pick(["alder", "Birch", "cedar", "Birch", "Elm"])
    let status = dice.isLucky(oneIn: 6) ? PartnerStatus.inactive : .active
    if dice.isLucky(oneIn: 4) { world.clock.pass(milliseconds: 1) }
    let now = world.clock.now
    let name = isSmith ? "\(word) Smith" : word
    let id = try world.store.write(now: now, actor: nil) { change in
      let body: JSON = [
        "type": .string(type.rawValue), "status": "active", "company_name": .string(name),
        "email": .string("walk\(number)@example.com"),
        "service_areas": .array(areas.map { .string($0.rawValue) }),
        "agreement_signed_at": .string(now.text),
      ]
      let id = try change.createPartner(
        Body(body, Table.partners.fields, by: .staff, at: now, isNew: true), invitedBy: nil)
      if status != .active {
        try change.changePartnerStatus(
          id,
          Body(["status": .string(status.rawValue)], partnerStatusFields, by: .staff, at: now))
      }
      return id.text
    }
    guard status == .active else { return nil }
    return Listed(
      id: id, name: name.lowercased(), type: type, areas: areas, isSmith: isSmith,
      time: Int(now.milliseconds), number: number)
  }

  @Test(
    "Whatever is filtered and however sorted, the pages hold each partner once, though some are added",
    arguments: [1, 7, 100])
  func walks(limit: Int) throws {
    var dice = SummaryTests.Dice(state: UInt64(limit))
    var all: [Listed] = []
    var count = 0
    func grow(_ more: Int) throws {
      for _ in 0..<more {
        count += 1
        if let listed = try add(count, &dice) { all.append(listed) }
      }
    }
    // A page of a hundred has a next one only in a longer list.
    try grow(limit == 100 ? 150 : 30)
    let filters: [(query: String, keeps: (Listed) -> Bool)] = [
      ("", { _ in true }), ("type=attorney", { $0.type == .attorney }),
      ("type=attorney,cpa", { $0.type != .lender }), ("state=MN", { $0.areas.contains(.MN) }),
      ("state=CA,MN,WI", { _ in true }),
      ("state=CA,WI&type=lender", { $0.type == .lender && $0.areas != [.MN] }),
      ("q=smith", { $0.isSmith }),
      (
        "q=smi&state=MN&type=attorney,lender",
        { $0.isSmith && $0.areas != [.CA] && $0.type != .cpa }
      ),
    ]
    let orders: [(query: String, precedes: (Listed, Listed) -> Bool)] = [
      ("company_name", { ($0.name, $0.number) < ($1.name, $1.number) }),
      ("created_at", { ($0.time, $0.number) < ($1.time, $1.number) }),
    ]
    for (query, keeps) in filters {
      for (sort, precedes) in orders {
        for isDescending in [false, true] {
          func listed() -> [Listed] {
            let sorted = all.filter(keeps).sorted(by: precedes)
            return isDescending ? sorted.reversed() : sorted
          }
          let before = listed()
          let name = "\(query), by \(isDescending ? "-" : "")\(sort)"
          var next: String? =
            "/api/partners?\(query)&limit=\(limit)&sort=\(isDescending ? "-" : "")\(sort)"
          var walked: [String] = []
          var expected = before.map(\.id)
          while let target = next, walked.count <= expected.count {
            let reply = world.get(target, as: .nobody)
            let isFirst = walked.isEmpty
            walked += reply.items.compactMap { $0["id"]?.text }
            next = reply.headers[.link].map { String($0.dropFirst().prefix { $0 != ">" }) }
            #expect((next != nil) == (reply["has_more"] == true), "\(name)")
            #expect(next == nil || reply.items.count == limit, "\(name)")
            guard isFirst, next != nil else { continue }
            // Some come before the place where the walk is, some behind it.
            let place = walked.last
            try grow(2)
            expected =
              before.prefix(limit).map(\.id)
              + listed().drop { $0.id != place }.dropFirst().map(\.id)
          }
          #expect(walked == expected, "\(name)")
          #expect(!walked.isEmpty, "\(name)")
        }
      }
    }
  }

  // MARK: Versions and caches

  @Test("What everybody sees has a version that only what everybody sees changes") func versions()
    throws
  {
    let partner = world.partner(areas: ["MN", "CA"])
    let targets = ["/api/partners/\(partner)", "/api/partners", "/api/partners?state=MN&q=comp"]
    func tags() -> [String?] { targets.map { world.get($0, as: .nobody).etag } }
    var last = tags()
    #expect(Set(last).count == 2 && !last.contains(nil))
    for (edit, shows) in [
      (["notes": "Internal"], false), (["notes": .null], false), (["phone": "555 0100 200"], false),
      (["email": "other@example.com"], false), (["user_id": .string(Person.pablo.text)], false),
      (["agreement_signed_at": "2026-02-02T00:00:00Z"], false),
      (["company_name": "Competent"], true), (["contact_name": "Nora"], true),
      (["website": "https://north.example"], true), (["service_areas": ["CA", "MN"]], true),
      (["service_areas": ["MN"]], true), (["co_ownership_certified": true], true),
      (["type": "cpa"], true), (["description": "What we do"], true), (["languages": ["en"]], true),
      (["affiliation_disclosure": "None"], true), (["max_open_referrals": 5], false),
      (["paused_until": "2026-11-21"], false), (["paused_until": "2026-11-23"], true),
      (["paused_until": "2026-11-24"], false),
    ] as [(JSON, Bool)] {
      world.clock.pass(milliseconds: 1)
      #expect(world.put("/api/admin/partners/\(partner)", edit).verdict == "200")
      let now = tags()
      for (index, target) in targets.enumerated() {
        #expect((now[index] != last[index]) == shows, "\(edit.keys) \(target)")
        let known: HTTPFields = [.ifNoneMatch: last[index] ?? ""]
        let reply = world.get(target, as: .nobody, headers: known)
        #expect(reply.status == (shows ? 200 : 304), "\(edit.keys) \(target)")
        #expect(reply.etag == now[index])
        #expect(
          reply.headers[.cacheControl] == "public, max-age=60, stale-while-revalidate=300")
      }
      last = now
    }
  }

  @Test("A partner that leaves active is gone at once, and there again when it comes back")
  func leaves() throws {
    let stays = world.partner(with: ["company_name": "Company A"])
    let partner = world.partner(with: ["company_name": "Company B"])
    let lists = [
      "", "?sort=-company_name", "?sort=created_at", "?state=MN", "?type=attorney", "?q=comp",
      "?state=MN,CA&type=attorney,cpa", "?state=MN&q=comp",
    ]
    func expect(isThere: Bool) {
      for list in lists {
        let ids = world.get("/api/partners\(list)", as: .nobody).items.compactMap { $0["id"]?.text }
        #expect(Set(ids) == (isThere ? [stays, partner] : [stays]), "\(list)")
      }
      let profile = world.get("/api/partners/\(partner)", as: .nobody)
      #expect(profile.verdict == (isThere ? "200" : "404 not_found"))
      #expect(world.get("/api/partners?q=b", as: .nobody).items.count == (isThere ? 1 : 0))
    }
    expect(isThere: true)
    let tag = world.get("/api/partners/\(partner)", as: .nobody).etag ?? ""
    for away in [PartnerStatus.inactive, .removed] {
      world.move(partner: partner, to: away)
      expect(isThere: false)
      #expect(
        world.get("/api/partners/\(partner)", as: .nobody, headers: [.ifNoneMatch: tag]).verdict
          == "404 not_found")
      if away == .removed { world.move(partner: partner, to: .pendingReview) }
      expect(isThere: false)
      world.move(partner: partner, to: .active)
      expect(isThere: true)
    }
  }

  @Test("No token is looked at, however bad: the same answer, and as public") func tokens() throws {
    let partner = world.partner()
    for target in [
      "/api/partners", "/api/partners?q=comp", "/api/partners/\(partner)",
      "/api/partners/\(World.unknown)", "/api/partners?sort=x",
    ] {
      let anybody = world.send("GET", target, as: .nobody, id: "same")
      #expect(
        anybody.headers[.cacheControl]
          == (anybody.status == 200
            ? "public, max-age=60, stale-while-revalidate=300" : "no-store"))
      for role in Role.allCases {
        let reply = world.send("GET", target, as: role, id: "same")
        #expect(reply.body == anybody.body && reply.headers == anybody.headers, "\(role) \(target)")
      }
      for header in [
        "Bearer", "Bearer ", "Bearer x y", "Basic YTpi", "nonsense", "", "Bearer \u{7F}é",
      ] {
        let reply = world.send(
          "GET", target, as: .nobody, headers: [.authorization: header], id: "same")
        #expect(
          reply.body == anybody.body && reply.headers == anybody.headers, "\(header) \(target)")
      }
    }
  }
}
