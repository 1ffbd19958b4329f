import Domain
import Foundation
import HTTPTypes
import JSON
import Logging
import Testing

@testable import API
@testable import Store

/// Filters, sorts and pages of the lists.
@Suite struct ListTests {
  let world: World

  init() throws { world = try World() }

  /// The partners that the queries below look for, a millisecond apart, by company.
  private func furnishPartners() {
    let partners: [(String, PartnerStatus, String, JSON, JSON)] = [
      ("Ærø & Søn", .active, "attorney", ["MN"], ["notes": "prefers telephone"]),
      ("birch Lending", .invited, "lender", ["CA", "MN"], ["contact_name": "José Núñez"]),
      ("Cedar-Title", .active, "title", ["TX"], ["email": "desk@cedar.example"]),
      ("dogwood", .inactive, "attorney", ["TX", "CA"], [:]),
      ("Éclair Law", .removed, "attorney", ["MN"], [:]),
      ("fir", .pendingReview, "cpa", [], ["agreement_signed_at": .null]),
    ]
    for (name, status, type, areas, fields) in partners {
      world.clock.pass(milliseconds: 1)
      let first: PartnerStatus = PartnerStatus.initial.contains(status) ? status : .active
      let body: JSON = [
        "company_name": .string(name), "status": .string(first.rawValue), "type": .string(type),
        "email": .string("\(type)\(status)@example.com"), "service_areas": areas,
        "agreement_signed_at": "2026-01-01T00:00:00Z",
      ]
      let made = world.post("/api/admin/partners", body.with(fields))
      #expect(made.verdict == "201")
      if first != status { world.move(partner: made["id"]?.text ?? "", to: status) }
    }
  }

  @Test("Partners by type, status, state, words and order") func partners() {
    furnishPartners()
    // By the first letter of the company.
    for (query, found) in [
      ("", "fÉdCbÆ"), ("sort=-created_at", "fÉdCbÆ"), ("sort=created_at", "ÆbCdÉf"),
      ("sort=company_name", "ÆbCdÉf"), ("sort=-company_name", "fÉdCbÆ"),
      ("sort=updated_at", "ÆbCdÉf"), ("sort=-updated_at", "fÉdCbÆ"),
      ("type=attorney", "ÉdÆ"), ("type=cpa,attorney,cpa", "fÉdÆ"), ("type=insurance", ""),
      ("type=", "fÉdCbÆ"), ("status=active", "CÆ"), ("status=active,removed", "ÉCÆ"),
      ("status=%20active%20,%20removed", "ÉCÆ"), ("status=active%2Cremoved", "ÉCÆ"),
      ("status=active&type=attorney", "Æ"), ("status=active,inactive&type=attorney,title", "dCÆ"),
      ("state=MN", "ÉbÆ"), ("state=tx", "dC"), ("state=ca,TX&sort=created_at", "bCd"),
      ("state=WY", ""), ("state=MN&status=active&type=attorney&sort=updated_at", "Æ"),
      ("q=law", "É"), ("q=LA", "É"), ("q=eclair", "É"), ("q=nunez", "b"), ("q=jose+N", "b"),
      ("q=Jos%C3%A9", "b"), ("q=telep", "Æ"), ("q=S%C3%98N", "Æ"), ("q=cedar", "C"),
      ("q=desk@cedar.example", "C"), ("q=title%20cedar", "C"), ("q=edar", ""),
      ("q=cedar+birch", ""), ("q=example", "fÉdCbÆ"), ("q=example&status=active", "CÆ"),
      ("q=+", ""), ("q=%2B%26", ""), ("q=\"", ""), ("q=*", ""), ("q=", "fÉdCbÆ"),
      ("q=cedar+AND+birch", ""), ("q=company_name:cedar", ""), ("q=NEAR(cedar)", ""),
      ("q=ce*dar", ""), ("q=cedar%22%20OR%20%22birch", ""), ("q", "fÉdCbÆ"), ("&&", "fÉdCbÆ"),
    ] {
      let reply = world.get("/api/admin/partners?\(query)")
      #expect(reply.verdict == "200", "\(query)")
      let names = reply.items.compactMap { $0["company_name"]?.text?.first }
      #expect(String(names) == found, "\(query)")
    }
  }

  @Test("Requests in the queue and of a group") func referrals() throws {
    // One of each status but the last two in Birch, a day apart, and one in Oak.
    let day = 86_400_000
    let kept = world.partner(areas: ["MN", "CA"])
    var ids: [String: String] = [:]
    ids["p"] = world.referral(context: ["state": "MN"])
    world.clock.pass(milliseconds: day)
    ids["m"] = world.referral(.matched, context: ["state": "CA"], partner: kept)
    world.clock.pass(milliseconds: day)
    ids["i"] = world.referral(.introSent, type: "lender", as: .otherMember)
    world.clock.pass(milliseconds: day)
    ids["o"] = world.referral(
      .connected, context: ["state": "MN"], partner: kept, group: World.oak, as: .outsider)
    world.clock.pass(milliseconds: day)
    ids["c"] = world.referral(.cancelled, type: "cpa", as: .staff)
    // The oldest is touched last.
    world.clock.pass(milliseconds: 1)
    world.put(
      "/api/admin/referrals/\(ids["p"] ?? "")", ["context": ["state": "MN", "timeline": "x"]])
    let names = Dictionary(uniqueKeysWithValues: ids.map { ($1, $0) })
    func found(_ target: String, as role: Role = .staff) -> String {
      let reply = world.get(target, as: role)
      #expect(reply.verdict == "200", "\(target)")
      return reply.items.compactMap { names[$0["id"]?.text ?? ""] }.joined()
    }
    for (query, expected) in [
      ("", "coimp"), ("sort=created_at", "pmioc"), ("sort=-updated_at", "pcoim"),
      ("sort=updated_at", "miocp"), ("status=pending", "p"), ("status=matched,pending", "mp"),
      ("status=cancelled,connected,closed&sort=created_at", "oc"),
      ("status=pending,matched&sort=-updated_at", "pm"), ("partner_type=attorney", "omp"),
      ("partner_type=lender,cpa", "ci"), ("state=mn", "op"), ("state=MN,CA", "omp"),
      ("state=MN,CA&sort=updated_at", "mop"), ("state=MN&status=pending", "p"), ("state=WI", ""),
      ("group_id=\(World.birch)", "cimp"), ("group_id=\(World.oak.text.uppercased())", "o"),
      ("group_id=\(World.unknown)", ""), ("partner_id=\(kept)", "om"),
      ("partner_id=\(kept)&group_id=\(World.oak)", "o"), ("partner_id=\(kept)&status=matched", "m"),
      ("requested_by=\(Person.ann)", "mp"), ("requested_by=\(Person.sam)", "c"),
      ("requested_by=\(Person.bob)&status=intro_sent,pending", "i"),
      ("requested_by=\(World.unknown)", ""), ("group_id=", "coimp"),
      // The oldest was made 4 days and a millisecond ago, the next 3 days and a millisecond.
      ("older_than_days=0", "coimp"), ("older_than_days=1", "oimp"), ("older_than_days=4", "p"),
      ("older_than_days=5", ""), ("older_than_days=3650", ""), ("older_than_days=004", "p"),
      ("older_than_days=2&status=matched,intro_sent&partner_type=attorney", "m"),
    ] {
      #expect(found("/api/admin/referrals?\(query)") == expected, "\(query)")
    }
    let group = "/api/groups/\(World.birch)/referrals"
    for role in [Role.member, .otherMember, .staff] {
      for (query, expected) in [
        ("", "cimp"), ("status=pending,cancelled", "cp"), ("partner_type=lender", "i"),
        ("status=matched&partner_type=lender", ""), ("limit=2", "ci"),
      ] {
        #expect(found("\(group)?\(query)", as: role) == expected, "\(query)")
      }
    }
    #expect(found("/api/groups/\(World.oak)/referrals", as: .outsider) == "o")
  }

  @Test("Messages by status, kind, request, partner and address, newest first") func messages()
    throws
  {
    let law = world.partner(with: ["email": "law@example.com"])
    let first = world.referral(.introSent, partner: law)
    try world.deliver()
    _ = world.partner(.invited, type: "cpa", with: ["email": "LAW@example.com"])
    let second = world.referral(.introSent, type: "agent", group: World.oak, as: .outsider)
    world.post("/api/groups/\(World.oak)/referrals/\(second)/cancel", as: .outsider)
    world.post("/api/sign-in", ["email": "ann@example.com"], as: .nobody)
    // By the first letters of the kind.
    let names = [
      "partner.activated": "A", "partner.invited": "I", "request.received": "r",
      "request.new": "n", "introduction.partner": "p", "introduction.group": "g", "sign_in": "s",
    ]
    for (query, found) in [
      ("", "sgpAnrIgpnrA"), ("status=sent", "gpnrA"), ("status=cancelled", "gpnr"),
      ("status=queued", "sAI"), ("status=queued,cancelled", "sgpAnrI"), ("status=failed", ""),
      ("status=queued,sending,sent,failed,cancelled", "sgpAnrIgpnrA"),
      ("kind=request.new", "nn"), ("kind=request.new,sign_in,partner.invited", "snIn"),
      ("kind=request.new&status=sent", "n"), ("kind=request.new,sign_in&status=sent,queued", "sn"),
      ("referral_id=\(first)", "gpnr"), ("referral_id=\(second.uppercased())", "gpnr"),
      ("referral_id=\(first)&kind=request.new,introduction.group", "gn"),
      ("referral_id=\(first)&status=cancelled", ""), ("referral_id=\(World.unknown)", ""),
      ("partner_id=\(law)", "gpA"), ("partner_id=\(law)&referral_id=\(first)", "gp"),
      ("partner_id=\(law)&referral_id=\(second)", ""), ("partner_id=\(law)&kind=sign_in", ""),
      ("to=law@example.com", "IpA"), ("to=Law@Example.COM&status=sent", "pA"),
      ("to=ann@example.com", "sgr"), ("to=ann@example.com&kind=sign_in,request.received", "sr"),
      ("to=ann@example.com&referral_id=\(first)", "gr"), ("to=nobody@example.com", ""),
      ("to=&status=&kind=&referral_id=", "sgpAnrIgpnrA"),
    ] {
      let reply = world.get("/api/admin/messages?\(query)")
      #expect(reply.verdict == "200", "\(query)")
      let kinds = reply.items.map { names[$0["kind"]?.text ?? ""] ?? "?" }
      #expect(kinds.joined() == found, "\(query)")
      // The same by pages.
      var walked: [JSON] = []
      var next: String? = "/api/admin/messages?limit=2&\(query)"
      while let target = next {
        let page = world.get(target)
        walked += page.items
        next = page.headers[.link].map { String($0.dropFirst().prefix { $0 != ">" }) }
      }
      #expect(walked == reply.items, "\(query)")
    }
  }

  @Test("Exactly as old as asked for is old enough") func age() {
    let id = world.referral()
    world.clock.pass(milliseconds: 86_400_000 - 1)
    #expect(world.get("/api/admin/referrals?older_than_days=1").items.isEmpty)
    world.clock.pass(milliseconds: 1)
    #expect(
      world.get("/api/admin/referrals?older_than_days=1").items.compactMap { $0["id"]?.text } == [
        id
      ])
  }

  static let wrongQueries: [(String, String)] = [
    ("/api/admin/partners?typ=cpa", "typ:unknown_parameter"),
    ("/api/admin/partners?Type=cpa", "Type:unknown_parameter"),
    ("/api/admin/partners?type=cpa&type=cpa", "type:repeated_parameter"),
    ("/api/admin/partners?type=&type=cpa", "type:repeated_parameter"),
    ("/api/admin/partners?type=cpa&t%79pe=cpa", "type:repeated_parameter"),
    ("/api/admin/partners?=x", ":unknown_parameter"),
    ("/api/admin/partners?type=CPA", "type:unknown_value"),
    ("/api/admin/partners?type=cpa,", "type:unknown_value"),
    ("/api/admin/partners?type=,", "type:unknown_value"),
    ("/api/admin/partners?type=cpa;lender", "type:unknown_value"),
    ("/api/admin/partners?status=pending", "status:unknown_value"),
    ("/api/admin/partners?state=MN,PR", "state:unknown_state"),
    ("/api/admin/partners?state=%EF%AC%82", "state:unknown_state"),
    ("/api/admin/partners?sort=email", "sort:unknown_value"),
    ("/api/admin/partners?sort=--created_at", "sort:unknown_value"),
    ("/api/admin/partners?sort=+created_at", "sort:unknown_value"),
    ("/api/admin/partners?sort=created_at,updated_at", "sort:unknown_value"),
    ("/api/admin/partners?q=%00", "q:control_character"),
    ("/api/admin/partners?q=%0A%09x%0Ay", "q:control_character"),
    ("/api/admin/partners?q=%FF", "q:invalid_format"),
    ("/api/admin/partners?q=%4", "q:invalid_format"),
    ("/api/admin/partners?q=%zz", "q:invalid_format"),
    ("/api/admin/partners?q=%", "q:invalid_format"),
    ("/api/admin/partners?q=%ED%A0%80", "q:invalid_format"),
    ("/api/admin/partners?%FF=x", "%FF:unknown_parameter"),
    ("/api/admin/partners?q=" + String(repeating: "x", count: 201), "q:too_long"),
    ("/api/admin/partners?limit=0", "limit:out_of_range"),
    ("/api/admin/partners?limit=101", "limit:out_of_range"),
    ("/api/admin/partners?limit=-1", "limit:out_of_range"),
    ("/api/admin/partners?limit=1.0", "limit:out_of_range"),
    ("/api/admin/partners?limit=1e1", "limit:out_of_range"),
    ("/api/admin/partners?limit=ten", "limit:out_of_range"),
    ("/api/admin/partners?limit=%D9%A1", "limit:out_of_range"),
    ("/api/admin/partners?limit=99999999999999999999", "limit:out_of_range"),
    (
      "/api/admin/partners?limit=0&sort=x&surplus=1&q=%FF&type=x",
      "limit:out_of_range q:invalid_format sort:unknown_value surplus:unknown_parameter type:unknown_value"
    ),
    ("/api/admin/referrals?group_id=x", "group_id:invalid_format"),
    (
      "/api/admin/referrals?partner_id=\(World.unknown),\(World.unknown)",
      "partner_id:invalid_format"
    ),
    ("/api/admin/referrals?requested_by=%20\(World.unknown)", "requested_by:invalid_format"),
    ("/api/admin/referrals?status=invited", "status:unknown_value"),
    ("/api/admin/referrals?sort=company_name", "sort:unknown_value"),
    ("/api/admin/referrals?older_than_days=3651", "older_than_days:out_of_range"),
    ("/api/admin/referrals?older_than_days=-1", "older_than_days:out_of_range"),
    ("/api/admin/referrals?contact_id=x", "contact_id:unknown_parameter"),
    ("/api/admin/events?after=-1", "after:out_of_range"),
    ("/api/admin/events?after=9223372036854775808", "after:out_of_range"),
    ("/api/admin/events?sort=at", "sort:unknown_value"),
    ("/api/admin/events?kind=referral.match", "kind:unknown_value"),
    ("/api/admin/events?kind=referral.matched,none", "kind:unknown_value"),
    ("/api/admin/events?subject_kind=partners", "subject_kind:unknown_value"),
    ("/api/admin/events?actor_id=system", "actor_id:invalid_format"),
    (
      "/api/admin/events?subject_id=\(String(repeating: "x", count: 37))", "subject_id:too_long"
    ),
    ("/api/admin/messages?sort=number", "sort:unknown_parameter"),
    ("/api/admin/messages?status=pending&kind=sent", "kind:unknown_value status:unknown_value"),
    ("/api/admin/messages?to=ann", "to:invalid_format"),
    (
      "/api/admin/messages?referral_id=x&partner_id=1",
      "partner_id:invalid_format referral_id:invalid_format"
    ),
    ("/api/admin/referrals/\(World.unknown)/introduction?x=1", "x:unknown_parameter"),
    ("/api/admin/users?disabled=1&sort=email", "disabled:unknown_value sort:unknown_value"),
    ("/api/admin/groups?member=x&state=ZZ", "member:invalid_format state:unknown_state"),
    ("/api/admin/users/\(Person.ann)/tokens?sort=name", "sort:unknown_parameter"),
    ("/api/groups/\(World.birch)/referrals?sort=created_at", "sort:unknown_parameter"),
    ("/api/coverage?limit=1", "limit:unknown_parameter"),
    ("/api/coverage/MN?x", "x:unknown_parameter"), ("/api/health?x=1", "x:unknown_parameter"),
    ("/api/openapi.yaml?v=1", "v:unknown_parameter"),
    ("/api/admin/users/\(Person.ann)?fields=id", "fields:unknown_parameter"),
  ]

  @Test("A wrong query is told, each parameter of it") func wrongQuery() {
    for (target, errors) in ListTests.wrongQueries {
      #expect(world.get(target).verdict == "400 invalid_parameter \(errors)", "\(target)")
    }
  }

  @Test("At most 100 wrong parameters are listed") func manyErrors() {
    for count in [100, 101, 2_000] {
      let names = (0..<count).map { "a\($0)" }.joined(separator: "&")
      let errors = world.get("/api/coverage?\(names)", as: .nobody)["errors"]?.elements ?? []
      #expect(errors.count == 100)
      #expect(errors.at(99)["parameter"]?.text == "a99")
    }
  }

  @Test("A change takes no parameter either") func changesTakeNone() throws {
    let contents = try world.contents()
    for (method, path) in [
      ("PUT", "/api/admin/users/\(Person.ann)"), ("POST", "/api/admin/partners"),
      ("DELETE", "/api/admin/tokens/\(World.unknown)"),
      ("POST", "/api/groups/\(World.birch)/referrals"),
    ] {
      #expect(
        world.send(method, path + "?dry_run=1", body: [:]).verdict
          == "400 invalid_parameter dry_run:unknown_parameter")
    }
    #expect(try world.contents() == contents)
    #expect(world.put("/api/admin/users/\(Person.ann)?", ["name": "Anna"]).verdict == "200")
  }

  // MARK: Pages

  /// A world with a few things in each list, many of them at the same moment.
  private func furnishAll() -> (partner: String, referral: String) {
    let partners = (0..<7).map { index in
      if index % 3 == 0 { world.clock.pass(milliseconds: 1) }
      // Names that sort by case and by number otherwise than by order.
      return world.partner(with: ["company_name": .string(["b", "A", "a"][index % 3])])
    }
    let types = ["attorney", "lender", "agent", "title", "insurance", "cpa"]
    for (index, type) in types.enumerated() {
      if index % 2 == 0 { world.clock.pass(milliseconds: 1) }
      _ = world.referral(type: type)
    }
    let referral = world.referral(.matched, context: ["state": "MN"], partner: partners[0])
    for number in 0..<5 {
      world.put("/api/admin/partners/\(partners[0])", ["phone": .string("555010\(number)")])
      world.put("/api/admin/referrals/\(referral)", ["note": .string("\(number)")])
    }
    return (partners[0], referral)
  }

  @Test("Each list is walked in pages of any size: everything once, in the list's order")
  func walks() throws {
    let (partner, referral) = furnishAll()
    let lists: [(String, Role)] = [
      ("/api/admin/partners?", .staff), ("/api/admin/partners?sort=company_name&", .staff),
      ("/api/admin/partners?sort=-company_name&status=active,invited&", .staff),
      ("/api/admin/partners?sort=-updated_at&q=example&", .staff),
      ("/api/admin/partners?type=attorney,lender&state=mn&", .staff),
      ("/api/admin/partners/\(partner)/history?", .staff),
      ("/api/admin/referrals?", .staff), ("/api/admin/referrals?sort=updated_at&", .staff),
      ("/api/admin/referrals?status=pending,matched&sort=created_at&", .staff),
      ("/api/admin/referrals?group_id=\(World.birch)&partner_type=cpa,title,agent&", .staff),
      ("/api/admin/referrals?older_than_days=0&", .staff),
      ("/api/groups/\(World.birch)/referrals?", .member),
      ("/api/groups/\(World.birch)/referrals?status=pending&", .staff),
      ("/api/admin/referrals/\(referral)/history?", .staff),
      ("/api/admin/referrals/\(referral)/candidates?", .staff),
      ("/api/admin/events?", .staff), ("/api/admin/events?after=3&", .staff),
      ("/api/admin/messages?", .staff), ("/api/admin/messages?status=queued,cancelled&", .staff),
      ("/api/admin/messages?kind=request.new,partner.activated&", .staff),
    ]
    for (target, role) in lists {
      let whole = world.get(target + "limit=100", as: role)
      #expect(whole["has_more"] == false && whole["next_cursor"] == .null, "\(target)")
      #expect(whole.headers[.link] == nil)
      #expect(whole.items.count >= 3, "\(target)")
      for limit in [1, 2, whole.items.count - 1, whole.items.count] {
        var walked: [JSON] = []
        var next: String? = target + "limit=\(limit)"
        while let page = next, walked.count <= whole.items.count {
          let reply = world.get(page, as: role)
          #expect(reply.verdict == "200", "\(page)")
          walked += reply.items
          let link = reply.headers[.link]
          if reply["has_more"] == true {
            #expect(reply.items.count == limit)
            let cursor = try #require(reply["next_cursor"]?.text)
            #expect(cursor.wholeMatch(of: /[A-Za-z0-9_-]+/) != nil)
            let address = try #require(link?.wholeMatch(of: /<(\/[^>]+)>; rel="next"/)?.1)
            #expect(address.contains("cursor=\(cursor)"))
            // The address leads where the cursor does.
            let other = world.get(target + "limit=\(limit)&cursor=\(cursor)", as: role)
            #expect(world.get(String(address), as: role).body == other.body)
            next = String(address)
          } else {
            #expect(reply["next_cursor"] == .null)
            #expect(link == nil)
            next = nil
          }
          let head = world.send("HEAD", page, as: role)
          #expect(head.headers == reply.headers)
        }
        #expect(walked == whole.items, "\(target) \(limit)")
      }
    }
  }

  @Test("25 to a page if nothing is said") func defaultLimit() throws {
    try world.store.write(now: world.clock.now, actor: nil) { change in
      for _ in 0..<26 { try change.record(.userUpdated, "x", changes: "{}", actor: nil) }
    }
    let page = world.get("/api/admin/events")
    #expect(page.items.count == 25)
    #expect(page["has_more"] == true)
    #expect(world.get("/api/admin/events?limit=26")["has_more"] == false)
    #expect(world.get("/api/admin/events?after=25").items.count == 1)
    #expect(world.get("/api/admin/events?after=\(Int.max)").items.isEmpty)
  }

  @Test("Rows that are added between pages shift nothing") func addedMeanwhile() throws {
    let first = (0..<4).map { _ in
      world.clock.pass(milliseconds: 1)
      return world.partner()
    }
    for (sort, expected) in [("-created_at", Array(first.reversed())), ("created_at", first)] {
      var walked: [String] = []
      var next: String? = "/api/admin/partners?sort=\(sort)&limit=1"
      while let page = next {
        let reply = world.get(page)
        walked += reply.items.compactMap { $0["id"]?.text }
        next = reply.headers[.link].map { String($0.dropFirst().prefix { $0 != ">" }) }
        if walked.count <= first.count {
          world.clock.pass(milliseconds: 1)
          _ = world.partner(.invited)
        }
      }
      #expect(Array(walked.prefix(4)) == expected, "\(sort)")
      #expect(Set(walked).count == walked.count)
    }
  }

  @Test("A cursor belongs to its list, its filters and its order, and to no caller")
  func foreignCursors() throws {
    let (partner, referral) = furnishAll()
    func cursor(_ target: String, as role: Role = .staff) throws -> String {
      try #require(world.get(target, as: role)["next_cursor"]?.text)
    }
    let partners = try cursor("/api/admin/partners?limit=1&type=attorney&sort=company_name")
    let group = try cursor("/api/groups/\(World.birch)/referrals?limit=1", as: .member)
    let history = try cursor("/api/admin/partners/\(partner)/history?limit=1")
    let candidates = try cursor("/api/admin/referrals/\(referral)/candidates?limit=1")
    let events = try cursor("/api/admin/events?limit=1&after=1")
    let wrong = "400 invalid_parameter cursor:invalid_cursor"
    for (target, verdict) in [
      ("/api/admin/partners?type=attorney&sort=company_name&cursor=\(partners)", "200"),
      // The order of parameters, the limit and the way to write a filter do not count.
      (
        "/api/admin/partners?cursor=\(partners)&limit=3&sort=company_name&type=attorney,attorney",
        "200"
      ),
      ("/api/admin/partners?type=attorney&sort=-company_name&cursor=\(partners)", wrong),
      ("/api/admin/partners?type=attorney&cursor=\(partners)", wrong),
      ("/api/admin/partners?sort=company_name&cursor=\(partners)", wrong),
      ("/api/admin/partners?type=attorney,cpa&sort=company_name&cursor=\(partners)", wrong),
      ("/api/admin/partners?type=attorney&sort=company_name&state=MN&cursor=\(partners)", wrong),
      ("/api/admin/partners?cursor=\(group)", wrong),
      ("/api/groups/\(World.birch)/referrals?cursor=\(group)", "200"),
      ("/api/groups/\(World.oak)/referrals?cursor=\(group)", wrong),
      ("/api/admin/referrals?cursor=\(group)", wrong),
      ("/api/admin/partners/\(partner)/history?cursor=\(history)", "200"),
      ("/api/admin/referrals/\(referral)/history?cursor=\(history)", wrong),
      ("/api/admin/referrals/\(referral)/candidates?cursor=\(candidates)", "200"),
      ("/api/admin/referrals/\(referral)/candidates?cursor=\(history)", wrong),
      ("/api/admin/events?after=1&cursor=\(events)", "200"),
      ("/api/admin/events?after=2&cursor=\(events)", wrong),
      ("/api/admin/events?cursor=\(events)", wrong), ("/api/admin/events?after=1&cursor=", "200"),
    ] {
      #expect(world.get(target).verdict == verdict, "\(target)")
    }
    // Cut, lengthened, changed, and never ours.
    var garbage = [
      "x", "=", "AAAA", "%20", "null", "W10", "WzFd", "eyJhIjoxfQ", "e30", "\u{1F600}",
    ]
    garbage += (1..<group.count).map { String(group.prefix($0)) }
    garbage += [group + "A", group + group, String(group.reversed())]
    // Each character of it counts.
    garbage += group.indices.map { index in
      group.replacingCharacters(in: index...index, with: group[index] == "A" ? "B" : "A")
    }
    // A cursor for the same list, made with another key.
    garbage.append(
      CursorCipher(key: Array(repeating: 0, count: 32)).cursor(
        for: [World.start, "1"], of: Array("/api/groups/\(World.birch)/referrals?".utf8)))
    for text in garbage {
      let reply = world.get("/api/groups/\(World.birch)/referrals?cursor=\(text)", as: .member)
      #expect(reply.verdict == wrong, "\(text)")
    }
  }

  @Test("A cursor shows nothing of the rows, not even how many there are") func secrecy() throws {
    let target = "/api/groups/\(World.birch)/referrals?limit=1"
    for _ in 0..<2 { _ = world.referral(.cancelled) }
    func cursor() throws -> String {
      try #require(world.get(target, as: .member)["next_cursor"]?.text)
    }
    let few = try cursor()
    // Equal pages have equal cursors, so that their ETags are equal, too.
    #expect(try cursor() == few)
    for _ in 0..<10 { _ = world.referral(.cancelled) }
    let more = try cursor()
    #expect(more != few)
    #expect(more.count == few.count)
    #expect(few.count == 96)
    let bytes = try #require(Base64URL.decode(few))
    #expect(!String(decoding: bytes, as: UTF8.self).contains("2026"))
    // Another list begins its cursors in another way, though the keys are alike.
    let queue = try #require(world.get("/api/admin/referrals?limit=1")["next_cursor"]?.text)
    #expect(queue.prefix(8) != more.prefix(8))
  }

  @Test("Processes that share a database read each other's cursors, and so does a copy of it")
  func sharedKey() throws {
    for _ in 0..<2 { _ = world.referral(.cancelled) }
    let target = "/api/groups/\(World.birch)/referrals?limit=1"
    let page = world.get(target, as: .member)
    let cursor = try #require(page["next_cursor"]?.text)
    let copy = world.folder.file("copy.db").path
    try world.store.backup(to: copy)
    for path in [world.folder.file("test.db").path, copy] {
      let store = try Store(path: path)
      defer { store.close() }
      let router = Router(
        store: store, logger: Logger(label: "test") { _ in RecordedLog() },
        clock: { [world] in world.clock.now })
      func get(_ target: String) -> Reply {
        Reply(
          router.answer(
            Request(
              method: "GET", target: target,
              headers: [.authorization: "Bearer \(Role.member.token ?? "")"], id: "1")))
      }
      #expect(get(target).body == page.body)
      #expect(get("\(target)&cursor=\(cursor)").status == 200)
    }
  }
}
