import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// How long a refusal can be. `Reply.check` holds every answer to the limits; these requests are made to have the
/// longest ones. nginx takes targets of at most 8 KiB and bodies of at most 64 KiB.
@Suite struct RefusalSizeTests {
  /// A control character takes the most bytes in JSON: six.
  private static let bell = "\u{7}"

  /// A name that nothing has, of more characters than an answer repeats.
  private static func name(_ number: Int, of character: String) -> String {
    "\(number)" + String(repeating: character, count: 60)
  }

  private func echoes(_ reply: Reply, _ place: String) -> [String] {
    (reply["errors"]?.elements ?? []).compactMap { $0[place]?.text }
  }

  @Test("Unknown parameters: 100 of them, each with 50 characters of its name")
  func parameters() throws {
    let world = try World()
    let many = world.get("/api/coverage?" + String(repeating: "a&", count: 4_000), as: .nobody)
    #expect(echoes(many, "parameter") == Array(repeating: "a", count: 100))

    for (character, escape) in [(Self.bell, "%07"), ("\"", "%22"), ("😀", "%F0%9F%98%80")] {
      let names = (0..<8_000 / (60 * escape.utf8.count + 3)).map { Self.name($0, of: character) }
      let query = names.map { $0.replacing(character, with: escape) }.joined(separator: "&")
      let reply = world.get("/api/coverage?\(query)", as: .nobody)
      let cut = names.map { String(Substring($0.unicodeScalars.prefix(50))) }
      #expect(echoes(reply, "parameter") == cut)
    }

    // What is no UTF-8 is repeated as it was sent.
    let reply = world.get("/api/coverage?" + String(repeating: "%FF", count: 2_000), as: .nobody)
    #expect(echoes(reply, "parameter").map(\.unicodeScalars.count) == [50])
  }

  @Test(
    "Unknown fields: 100 of them, each with 50 characters of its name",
    arguments: [bell, "~", "/", "\"", "\\", "\u{2028}", "😀", "e\u{301}"])
  func fields(character: String) throws {
    let world = try World()
    let size = JSON.string(character).bytes.count - 2
    let members = (0..<62_000 / (60 * size + 8)).map {
      JSON.Member(Self.name($0, of: character), 1)
    }
    let pointers = members.prefix(100).map { member in
      String(Substring(member.name.unicodeScalars.prefix(50)))
        .replacing("~", with: "~0").replacing("/", with: "~1")
    }
    let whole = world.post("/api/admin/partners", .object(members))
    #expect(whole.status == 422)
    let unknown = echoes(whole, "pointer").filter { $0.utf8.count > 20 }
    #expect(unknown == pointers.prefix(unknown.count).map { "/" + $0 })
    #expect(unknown.count >= min(90, members.count))

    let nested = world.post(
      "/api/groups/\(World.birch)/referrals",
      ["partner_type": "cpa", "context": .object(members)], as: .member)
    #expect(echoes(nested, "pointer") == pointers.map { "/context/" + $0 })
  }

  @Test("A single name of 60 KB is cut") func longName() throws {
    let name = String(repeating: "~", count: 60_000)
    let reply = try World().post("/api/admin/partners", .object([JSON.Member(name, 1)]))
    #expect(echoes(reply, "pointer").last == "/" + String(repeating: "~0", count: 50))
  }

  @Test("Elements of a list: 100 of them, each with 50 characters of its value")
  func elements() throws {
    let world = try World()
    let values = (0..<170).map { JSON.string(Self.name($0, of: Self.bell)) }
    let reply = world.put(
      "/api/admin/partners/\(world.partner())", ["service_areas": .array(values)])
    #expect(echoes(reply, "pointer") == (0..<100).map { "/service_areas/\($0)" })
    let cut = String(repeating: Self.bell, count: 49)
    #expect(echoes(reply, "detail").first == "\"0\(cut)\" is not a US state code.")

    // One character for the eye can have any number of scalars.
    let family = String(repeating: "👩\u{200D}", count: 10_000)
    let single = world.put(
      "/api/admin/partners/\(world.partner())", ["service_areas": [.string(family)]])
    #expect(single.body.count < 1_000)
    let query = world.get("/api/partners?state=" + String(repeating: "%07", count: 2_500))
    #expect(query.body.count < 1_000)
  }

  @Test("Paths and headers") func pathsAndHeaders() throws {
    let world = try World()
    for character in ["\"", "\\", "é", "😀", Self.bell] {
      let path = "/api/" + String(repeating: character, count: 8_000 / character.utf8.count)
      #expect(world.get(path).body.count < 2_000)
    }
    let long = String(repeating: "\"", count: 8_000)
    let headers: HTTPFields = [
      .idempotencyKey: long, .ifMatch: long, .contentEncoding: long, .contentType: long,
      .authorization: "Bearer \(long)",
    ]
    for header in headers {
      let reply = world.send(
        "POST", "/api/admin/users/\(Person.ann)/tokens", body: [:],
        headers: HTTPFields([header]))
      #expect(reply.body.count < 1_000, "\(header.name)")
    }
  }
}
