import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// What staff pins of the coverage, how it sees that, and what follows from it.
@Suite struct CoveragePinTests {
  let world: World
  let path = "/api/admin/coverage/MN/cpa"

  init() throws { world = try World() }

  private func pin(_ status: JSON, _ area: String = "MN/attorney") {
    #expect(world.put("/api/admin/coverage/\(area)", ["status": status]).verdict == "200")
  }

  @Test("Staff sees every state and type with its pin; nobody else sees a pin") func views() throws
  {
    _ = world.partner(type: "cpa")
    let all = world.get("/api/admin/coverage")
    #expect(all.json.keys == ["data", "has_more", "next_cursor"])
    #expect(all["has_more"] == false)
    #expect(all["next_cursor"] == .null)
    #expect(all.items.count == 306)
    let areas = StateCode.allCases.map(\.rawValue).sorted().flatMap { state in
      PartnerType.allCases.map { "\(state)/\($0.rawValue)" }
    }
    #expect(
      all.items.map { "\($0["state_code"]?.text ?? "")/\($0["partner_type"]?.text ?? "")" } == areas
    )
    pin("coming_soon", "MN/cpa")
    let expected: JSON = [
      "state_code": "MN", "state_name": "Minnesota", "partner_type": "cpa", "status": "coming_soon",
      "message": "Coming soon", "partner_count": 1, "pinned_status": "coming_soon",
    ]
    let one = world.get(path)
    #expect(one.json == expected)
    #expect(one.headers[.cacheControl] == "private, no-cache")
    #expect(world.get("/api/admin/coverage").items.filter { $0 == expected }.count == 1)
    for path in ["/api/coverage", "/api/coverage/MN", "/api/coverage/MN/cpa"] {
      #expect(!world.get(path, as: .nobody).text.contains("pinned"), "\(path)")
    }
    for wrong in ["PR/cpa", "MN/broker", "MN/CPA", "M/cpa"] {
      #expect(world.get("/api/admin/coverage/\(wrong)").verdict == "404 not_found")
    }
  }

  @Test("The list's filters") func filters() {
    pin("coming_soon", "MN/cpa")
    pin("unavailable", "WI/title")
    func found(_ query: String) -> [String] {
      world.get("/api/admin/coverage?\(query)").items.map {
        "\($0["state_code"]?.text ?? "")/\($0["partner_type"]?.text ?? "")"
      }
    }
    #expect(found("pinned=true") == ["MN/cpa", "WI/title"])
    #expect(found("pinned=false").count == 304)
    #expect(found("pinned=").count == 306)
    #expect(found("pinned=true&state=wi") == ["WI/title"])
    #expect(found("state=wi,mn&type=title,cpa") == ["MN/title", "MN/cpa", "WI/title", "WI/cpa"])
    #expect(found("type=agent").count == 51)
    for (query, error) in [
      ("pinned=yes", "pinned:unknown_value"), ("state=ZZ", "state:unknown_state"),
      ("type=baker", "type:unknown_value"), ("limit=1", "limit:unknown_parameter"),
      ("pinned=true&pinned=true", "pinned:repeated_parameter"),
    ] {
      #expect(
        world.get("/api/admin/coverage?\(query)").verdict == "400 invalid_parameter \(error)")
    }
  }

  @Test("A pin that does not change the status is another version all the same")
  func versions() throws {
    let tag = try #require(world.get(path).etag)
    let pinned = world.put(
      path, ["status": "coming_soon"], as: .otherStaff, headers: [.ifMatch: tag])
    #expect(pinned.verdict == "200")
    #expect(pinned["status"] == "coming_soon")
    #expect(pinned.etag != tag)
    #expect(
      world.put(path, ["status": .null], headers: [.ifMatch: tag]).verdict
        == "412 precondition_failed")
    #expect(world.get(path)["pinned_status"] == "coming_soon")
    let present = try #require(pinned.etag)
    #expect(world.put(path, ["status": .null], headers: [.ifMatch: present]).verdict == "200")
    #expect(world.get(path).etag == tag)
    #expect(world.get(path, headers: [.ifNoneMatch: tag]).status == 304)
  }

  @Test("A view that was read may be sent back: unchanged it changes nothing, edited it pins")
  func sentBack() throws {
    _ = world.partner(type: "cpa")
    let view = world.get(path)
    let contents = try world.contents()
    #expect(world.put(path, view.json).body == view.body)
    #expect(try world.contents() == contents)
    let pinned = world.put(path, view.json.with(["status": "unavailable"]))
    #expect(pinned["pinned_status"] == "unavailable")
    #expect(world.put(path, pinned.json).body == pinned.body)
    let free = world.put(path, pinned.json.with(["status": .null]))
    #expect(free.body == view.body)
    for field in ["state_code", "state_name", "partner_type", "message", "pinned_status"] {
      #expect(
        world.put(path, view.json.with([field: "available"])).verdict
          == "422 validation /\(field):read_only")
    }
    #expect(
      world.put(path, view.json.with(["partner_count": 2])).verdict
        == "422 validation /partner_count:read_only")
    #expect(
      world.put(path, view.json.with(["x": 2])).verdict == "422 validation /x:unknown_field")
    // Alone, the present status is a pin.
    #expect(world.put(path, ["status": "available"])["pinned_status"] == "available")
  }

  @Test(
    "A type that is held back in a state is proposed to nobody there, and not found by the state",
    arguments: ["coming_soon", "unavailable"])
  func heldBack(status: String) throws {
    let there = world.partner()
    let both = world.partner(areas: ["MN", "WI"])
    let agent = world.partner(type: "agent")
    let request = world.referral(context: ["state": "MN"])
    let anywhere = world.referral(group: World.oak, as: .outsider)
    func recommended(_ state: String) -> [String] {
      let path = "/api/groups/\(World.birch)/recommendations?state=\(state)&partner_type=attorney"
      return world.get(path, as: .member).items.at(0)["partners"]?.elements
        .compactMap { $0["id"]?.text } ?? []
    }
    func candidates(_ id: String) -> Set<String?> {
      Set(world.get("/api/admin/referrals/\(id)/candidates").items.map { $0["id"]?.text })
    }
    func directory(_ query: String) -> Set<String?> {
      Set(world.get("/api/partners?\(query)", as: .nobody).items.map { $0["id"]?.text })
    }
    #expect(Set(recommended("MN")) == [there, both])
    #expect(candidates(request) == [there, both])
    #expect(directory("state=MN") == [there, both, agent])

    pin(.string(status))
    #expect(recommended("MN").isEmpty)
    #expect(recommended("WI") == [both])
    #expect(candidates(request).isEmpty)
    #expect(candidates(anywhere) == [both], "who is left a state fits a request without one")
    let overview = world.get("/api/admin/summary")
    #expect(overview["pending_without_candidates"] == 1)
    let everywhere = StateCode.allCases.map(\.rawValue).joined(separator: ",")
    for (query, expected) in [
      ("state=MN", [agent]), ("state=MN&type=attorney", []), ("state=MN,WI", [both, agent]),
      ("state=WI", [both]), ("state=\(everywhere)", [both, agent]),
      ("state=\(everywhere)&type=attorney", [both]), ("state=MN&q=company", [agent]),
      ("state=MN,WI&q=company&type=attorney", [both]), ("", [there, both, agent]),
      ("type=attorney", [there, both]), ("q=company", [there, both, agent]),
    ] as [(String, Set<String>)] {
      #expect(directory(query) == expected, "\(query)")
    }
    // Staff's own list finds them, and staff matches them by hand.
    #expect(world.get("/api/admin/partners?state=MN&type=attorney").items.count == 2)
    #expect(world.get("/api/partners/\(there)", as: .nobody).status == 200)
    for body: JSON in [["partner_id": .string(there)], ["status": "intro_sent"]] {
      #expect(world.put("/api/admin/referrals/\(request)", body).verdict == "200")
    }
    // The state has its agents, so it is available.
    #expect(world.get("/api/coverage/MN", as: .nobody)["status"] == "available")
    #expect(world.get("/api/coverage/MN/attorney", as: .nobody)["status"] == .string(status))
    #expect(world.get("/api/coverage/MN/attorney", as: .nobody)["partner_count"] == 2)

    pin(.null)
    #expect(Set(recommended("MN")) == [there, both])
    #expect(directory("state=MN") == [there, both, agent])
    pin("available")
    #expect(Set(recommended("MN")) == [there, both], "a pin to available holds nobody back")
    #expect(directory("state=MN&type=attorney") == [there, both])
  }

  @Test("A page's cursor goes on where it was, whatever is pinned meanwhile") func cursor() throws {
    let attorneys = (0..<4).map { _ in world.partner() }
    let agents = (0..<4).map { _ in world.partner(type: "agent") }
    let query = "/api/partners?state=MN&sort=created_at&limit=3"
    let first = world.get(query, as: .nobody)
    #expect(first.items.compactMap { $0["id"]?.text } == Array(attorneys.prefix(3)))
    pin("coming_soon")
    let next = try #require(first["next_cursor"]?.text)
    let second = world.get("\(query)&cursor=\(next)", as: .nobody)
    #expect(second.items.compactMap { $0["id"]?.text } == Array(agents.prefix(3)))
    let tag = try #require(first.etag)
    #expect(world.get(query, as: .nobody, headers: [.ifNoneMatch: tag]).status == 200)
  }
}
