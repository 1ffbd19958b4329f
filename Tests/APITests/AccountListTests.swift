import Domain
import JSON
import Testing

@testable import API
@testable import Store

/// Staff's lists of users, groups and events.
@Suite struct AccountListTests {
  private let world: World

  init() throws { world = try World() }

  private func names(_ target: String, as role: Role = .staff) -> [String] {
    let reply = world.get(target, as: role)
    #expect(reply.verdict == "200", "\(target)")
    return reply.items.map { $0["name"]?.text ?? "?" }
  }

  /// All items of a list, by pages of two.
  private func pages(_ target: String) -> [JSON] {
    let separator = target.contains("?") ? "&" : "?"
    var items: [JSON] = []
    var next: String? = "\(target)\(separator)limit=2"
    while let page = next {
      let reply = world.get(page)
      #expect(reply.verdict == "200", "\(page)")
      items += reply.items
      next = reply["next_cursor"]?.text.map { "\(target)\(separator)limit=2&cursor=\($0)" }
    }
    return items
  }

  private func rename(_ person: ID, _ name: String) {
    let reply = world.put("/api/admin/users/\(person)", ["name": .string(name)])
    #expect(reply.verdict == "200")
  }

  @Test("Users by name or creation, either way, in pages, with search and filter")
  func users() {
    rename(Person.ann, "Éclair Núñez")
    rename(Person.bob, "eclair abel")
    let byName = [
      "Dora", "eclair abel", "Éclair Núñez", "Olga", "Pablo", "Paula", "Petra", "Sam", "Tess",
    ]
    #expect(names("/api/admin/users") == byName)
    #expect(names("/api/admin/users?sort=-name") == byName.reversed())
    #expect(pages("/api/admin/users").map { $0["name"]?.text } == byName)
    #expect(
      pages("/api/admin/users?sort=-created_at").map { $0["id"]?.text }
        == Person.all.map(\.id.text).reversed())
    #expect(names("/api/admin/users?disabled=true") == ["Dora"])
    #expect(names("/api/admin/users?disabled=false") == byName.filter { $0 != "Dora" })
    #expect(names("/api/admin/users?q=ECLAIR") == ["eclair abel", "Éclair Núñez"])
    #expect(names("/api/admin/users?q=eclair+nunez&sort=-created_at") == ["Éclair Núñez"])
    #expect(names("/api/admin/users?q=ann@example.com") == ["Éclair Núñez"])
    #expect(pages("/api/admin/users?q=example").count == 9)
    #expect(names("/api/admin/users?q=example&disabled=true") == ["Dora"])
    #expect(names("/api/admin/users?q=nobody") == [])
    let staff = names("/api/admin/users?staff=true")
    #expect(staff.contains("Sam") && !staff.contains("Dora") && !staff.contains("Pablo"))
    // A narrower scope is for programs. Nothing can be assigned to its owner.
    #expect(throws: Never.self) {
      try world.store.write(now: world.clock.now, actor: nil) {
        _ = try $0.createToken(
          for: Person.ann, scope: .read,
          sha256: Array("a token that only reads, 32 byt".utf8) + [0],
          Body([:], Table.tokens.fields, by: .staff, at: $0.now, isNew: true))
      }
    }
    #expect(names("/api/admin/users?staff=true") == staff)
    #expect(names("/api/admin/users?staff=false") == byName.filter { !staff.contains($0) })
    #expect(names("/api/admin/users?staff=true&q=sam") == ["Sam"])
    #expect(names("/api/admin/users?staff=true&q=dora") == [])
    #expect(names("/api/admin/users?staff=true&q=!") == [])
    #expect(names("/api/admin/users?staff=true&disabled=true") == [])
    #expect(
      pages("/api/admin/users?staff=true&sort=-name").map { $0["name"]?.text } == staff.reversed())
    #expect(names("/api/admin/users?q=!") == [])
    #expect(names("/api/admin/users?q=") == byName)
    #expect(names("/api/admin/users?q=dora", as: .syncer) == ["Dora"])
    for query in ["disabled=yes", "staff=1", "sort=email", "disabled=true,false", "q=a&q=b", "x=1"]
    {
      #expect(world.get("/api/admin/users?\(query)").status == 400, "\(query)")
    }
    #expect(
      world.get("/api/admin/users").items[0] == world.get("/api/admin/users/\(Person.dora)").json)
  }

  @Test("Groups by name or creation, by state and member, and by their members' names")
  func groups() {
    let elm = "00000000-0000-4000-8000-0000000000d1"
    world.put("/api/admin/groups/\(elm)", ["name": "élan", "members": [.string(Person.olga.text)]])
    #expect(names("/api/admin/groups") == ["Birch", "élan", "Oak"])
    #expect(names("/api/admin/groups?sort=-name") == ["Oak", "élan", "Birch"])
    #expect(pages("/api/admin/groups?sort=created_at").count == 3)
    #expect(names("/api/admin/groups?state=MN,CA") == ["Birch", "Oak"])
    #expect(names("/api/admin/groups?state=mn&sort=created_at") == ["Birch"])
    #expect(names("/api/admin/groups?state=WY") == [])
    #expect(names("/api/admin/groups?member=\(Person.olga)") == ["élan", "Oak"])
    #expect(names("/api/admin/groups?member=\(Person.olga)&state=CA") == ["Oak"])
    #expect(names("/api/admin/groups?member=\(World.unknown)") == [])
    #expect(names("/api/admin/groups?q=ELAN") == ["élan"])
    #expect(names("/api/admin/groups?q=olga") == ["élan", "Oak"])
    #expect(names("/api/admin/groups?q=olga+example&state=CA") == ["Oak"])
    #expect(names("/api/admin/groups?q=bob@example.com") == ["Birch"])
    #expect(names("/api/admin/groups?q=example&member=\(Person.ann)") == ["Birch"])
    #expect(names("/api/admin/groups?q=ann+bob") == [], "both words are of one text")
    #expect(pages("/api/admin/groups?q=example").count == 3)
    #expect(names("/api/admin/groups?q=-") == [])
    for query in ["state=ZZ", "member=x", "sort=state", "disabled=true"] {
      #expect(world.get("/api/admin/groups?\(query)").status == 400, "\(query)")
    }
    #expect(
      world.get("/api/admin/groups").items[0] == world.get("/api/admin/groups/\(World.birch)").json)
  }

  @Test("Events by kind, subject and actor, in each combination, either way, after a number")
  func events() {
    let partner = world.partner()
    _ = world.referral(.connected, partner: partner)
    _ = world.partner(.inactive, type: "cpa")
    world.put("/api/admin/users/\(Person.petra)", ["name": "P"], as: .otherStaff)
    world.put("/api/admin/partners/\(partner)", ["notes": "N"], as: .otherStaff)
    let all = world.events
    #expect(all.count > 10)
    func value(_ event: JSON, _ path: String...) -> String? {
      path.reduce(event as JSON?) { $0?[$1] }?.text
    }
    let kinds: [String?] = [
      nil, "partner.updated", "referral.matched", "partner.created", "user.erased",
    ]
    let subjects: [String?] = [nil, partner, "MN/attorney", World.unknown]
    let subjectKinds: [String?] = [nil, "partner", "referral", "coverage", "token"]
    let actors: [String?] = [nil, Person.sam.text, Person.tess.text, World.unknown]
    var tried = 0
    for kind in kinds {
      for subject in subjects {
        for subjectKind in subjectKinds {
          for actor in actors {
            let fitting = all.filter { event in
              [
                (kind, value(event, "kind")), (subject, value(event, "subject", "id")),
                (subjectKind, value(event, "subject", "kind")),
                (actor, value(event, "actor", "id")),
              ].allSatisfy { wanted, found in wanted == nil || wanted == found }
            }
            let parameters: [(String, String?)] = [
              ("kind", kind), ("subject_id", subject), ("subject_kind", subjectKind),
              ("actor_id", actor),
            ]
            let query = parameters.map { name, value in value.map { "&\(name)=\($0)" } ?? "" }
              .joined()
            let path = "/api/admin/events?limit=100"
            let items = world.get(path + query, as: .follower).items
            #expect(items == fitting, "\(query)")
            let newest = world.get(path + "&sort=-number&after=6" + query).items
            let later = Array(fitting.filter { number($0) > 6 }.reversed())
            #expect(newest == later, "\(query)")
            tried += 1
          }
        }
      }
    }
    #expect(tried == 400)
    let newest = Array(all.dropFirst(3).reversed())
    #expect(pages("/api/admin/events?sort=-number&after=3") == newest)
    let bySam = all.filter { value($0, "actor", "id") == Person.sam.text }
    #expect(pages("/api/admin/events?actor_id=\(Person.sam)") == bySam)
    let ofPartner = all.filter { value($0, "subject", "id") == partner }
    #expect(
      world.get("/api/admin/events?subject_id=\(partner.uppercased())").items == ofPartner)
    let several = ["referral.matched", "partner.created"]
    #expect(
      pages("/api/admin/events?kind=\(several.joined(separator: ","))")
        == all.filter { several.contains(value($0, "kind") ?? "") })
    for query in [
      "kind=partner.create", "kind=referral.matched,", "subject_kind=thing",
      "subject_kind=user,group", "actor_id=system", "sort=at", "after=-1",
    ] {
      #expect(world.get("/api/admin/events?\(query)").status == 400, "\(query)")
    }
  }

  private func number(_ event: JSON) -> Int {
    if case .integer(let number)? = event["number"] { number } else { 0 }
  }
}
