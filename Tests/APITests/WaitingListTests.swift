import Domain
import HTTPTypes
import JSON
import Testing

@testable import API
@testable import Store

/// Who wants to be told when a type of partner becomes available in a state.
@Suite struct WaitingListTests {
  let world: World

  init() throws { world = try World() }

  @discardableResult
  private func join(_ place: String = "WY/cpa", _ address: String = "w@example.com") -> Reply {
    world.send(
      "POST", "/api/coverage/\(place)/waitlist", as: .nobody, body: ["email": .string(address)],
      id: "same")
  }

  /// Puts an address on the list, and takes the code from the letter.
  private func code(
    _ place: String = "WY/cpa", _ address: String = "w@example.com"
  ) throws -> String {
    join(place, address)
    return try #require(try world.deliver().last { $0.kind == .waitlistConfirm }?.code)
  }

  private func confirm(_ code: String) -> Reply {
    world.post("/api/waitlist/confirm", ["code": .string(code)], as: .nobody)
  }

  private func leave(_ code: String) -> Reply {
    world.post("/api/waitlist/leave", ["code": .string(code)], as: .nobody)
  }

  /// Staff's numbers, such as `WY/cpa 1`.
  private func waiting() -> [String] {
    (world.get("/api/admin/summary")["waitlist"]?.elements ?? []).map { item in
      #expect(item.keys == ["state_code", "partner_type", "count"])
      return "\(item["state_code"]?.text ?? "")/\(item["partner_type"]?.text ?? "")"
        + " \(item["count"]?.number ?? 0)"
    }
  }

  private func entries() throws -> [String] {
    try world.contents().filter { $0.hasPrefix("waiting_list:") }
  }

  /// Lets pass some days, and forgets what is old, as the mailer does.
  private func pass(days: Int) throws {
    world.clock.pass(days: days)
    try world.store.write(now: world.clock.now, actor: nil) { try $0.forgetOldMessages() }
  }

  /// The letters that say that something is available, each with its address.
  private func told() throws -> [String] {
    try world.remind()
    return try world.deliver().filter { $0.kind == .coverageAvailable }
      .map { $0.address }.sorted()
  }

  @Test("The answer is the same for every address, and takes a write for each") func sameAnswer()
    throws
  {
    func nextNumber() throws -> Int {
      try world.store.read(now: world.clock.now) { snapshot in
        try snapshot.connection.row("SELECT seq FROM sqlite_sequence WHERE name = 'messages'") {
          $0.int(0)
        } ?? 0
      }
    }
    let first = join()
    #expect(first.status == 202)
    #expect(first.body.isEmpty)
    let confirmed = try code("WY/cpa", "confirmed@example.com")
    #expect(confirm(confirmed).status == 204)
    for address in [
      "w@example.com", "W@Example.com", "confirmed@example.com", "ann@example.com",
    ] + Array(repeating: "w@example.com", count: 6) {
      let number = try nextNumber()
      let reply = join("WY/cpa", address)
      #expect(reply.status == 202)
      #expect(reply.body == first.body)
      #expect(reply.headers == first.headers)
      #expect(try nextNumber() == number + 1, "\(address)")
    }
    #expect(try entries().count == 3)
    #expect(
      world.messages("to=confirmed@example.com").count == 1, "who waits already gets no letter")
  }

  @Test("Where it is available nobody waits; a place that is none is not there") func refusals()
    throws
  {
    _ = world.partner()
    let contents = try world.contents()
    #expect(join("MN/attorney").verdict == "409 already_available")
    #expect(join("mn/attorney").verdict == "409 already_available")
    for place in ["PR/cpa", "MN/broker", "MN/CPA", "M/cpa"] {
      #expect(join(place).verdict == "404 not_found")
    }
    for (body, error) in [
      ([:], "/email:required"), (["email": "w"], "/email:invalid_format"),
      (["email": "w@example.com", "code": "x"], "/code:unknown_field"),
    ] as [(JSON, String)] {
      #expect(
        world.post("/api/coverage/MN/attorney/waitlist", body, as: .nobody).verdict
          == "422 validation \(error)", "fields come before rules")
    }
    for path in ["/api/waitlist/confirm", "/api/waitlist/leave"] {
      #expect(world.post(path, [:], as: .nobody).verdict == "422 validation /code:required")
      #expect(
        world.post(path, ["code": .null], as: .nobody).verdict == "422 validation /code:not_null")
    }
    #expect(try world.contents() == contents)
    // Held back by staff, it is not available.
    world.put("/api/admin/coverage/MN/attorney", ["status": "coming_soon"])
    #expect(join("MN/attorney").verdict == "202")
  }

  @Test("Only a confirmed address counts, once for each place") func confirmation() throws {
    let code = try code()
    let message = world.messages().at(0)
    #expect(message["kind"] == "waitlist.confirm" && message["to"] == "w@example.com")
    #expect(message["user_id"] == .null)
    #expect(world.get("/api/admin/messages/\(message["id"]?.text ?? "")")["text"] == .null)
    #expect(waiting().isEmpty)
    for _ in 0..<2 {
      let reply = confirm(code)
      #expect(reply.verdict == "204")
      #expect(reply.headers[.cacheControl] == "no-store")
      #expect(waiting() == ["WY/cpa 1"])
    }
    join("WY/cpa", "W@EXAMPLE.com")
    _ = try confirm(self.code("WY/cpa", "other@example.com"))
    _ = try confirm(self.code("WY/attorney", "w@example.com"))
    _ = try confirm(self.code("AK/cpa", "w@example.com"))
    join("WY/title")
    #expect(waiting() == ["AK/cpa 1", "WY/attorney 1", "WY/cpa 2"])
    #expect(confirm("unknown").verdict == "410 code_expired")
    #expect(world.events.isEmpty, "no event names an address")
    #expect(try !world.contents().contains { $0.contains(code) })
  }

  @Test("Whoever leaves is forgotten, confirmed or not; leaving again changes nothing")
  func leaving() throws {
    let unconfirmed = try code("WY/cpa", "u@example.com")
    let confirmed = try code("WY/cpa", "c@example.com")
    #expect(confirm(confirmed).status == 204)
    join("WY/cpa", "u@example.com")
    for code in [unconfirmed, confirmed] {
      for _ in 0..<2 { #expect(leave(code).verdict == "204") }
      #expect(confirm(code).verdict == "410 code_expired")
    }
    #expect(leave("unknown").verdict == "204")
    #expect(waiting().isEmpty)
    #expect(try entries().isEmpty)
    #expect(
      try !world.contents().contains { $0.contains("@example.com") && $0.contains("waitlist") })
    #expect(world.messages().map { $0["status"]?.text } == ["sent", "sent", "cancelled"])
    for message in world.messages() { #expect(message["to"] == .null) }
    #expect(try world.store.check(now: world.clock.now) == [])
  }

  @Test("Each letter's code is good, also after a newer one") func severalLetters() throws {
    let first = try code()
    let second = try code()
    #expect(first != second)
    #expect(confirm(first).verdict == "204")
    #expect(leave(second).verdict == "204")
    #expect(confirm(first).verdict == "410 code_expired")
  }

  @Test("What is not confirmed is forgotten after 7 days, counted from the last time")
  func unconfirmed() throws {
    let old = try code("WY/cpa", "old@example.com")
    let kept = try code("WY/cpa", "kept@example.com")
    let again = try code("WY/cpa", "again@example.com")
    #expect(confirm(kept).status == 204)
    try pass(days: 6)
    join("WY/cpa", "again@example.com")
    world.clock.pass(milliseconds: 86_400_000 - 1)
    let late = try code("WY/cpa", "late@example.com")
    #expect(confirm(late).verdict == "204")
    world.clock.pass(milliseconds: 1)
    // Before anything is cleaned, too.
    #expect(confirm(old).verdict == "410 code_expired")
    #expect(leave(old).verdict == "204")
    try pass(days: 0)
    #expect(confirm(old).verdict == "410 code_expired")
    #expect(confirm(again).verdict == "204")
    #expect(waiting() == ["WY/cpa 3"])
    #expect(world.get("/api/admin/messages?to=old@example.com").items.isEmpty)
    try pass(days: 365)
    #expect(waiting() == ["WY/cpa 3"], "who has confirmed waits for as long as it takes")
  }

  /// What can make a type available.
  enum Cause: CaseIterable {
    case newPartner, activation, newArea, imported, pin
  }

  @Test(
    "Told once when it becomes available, whatever made it so, then forgotten",
    arguments: Cause.allCases)
  func told(cause: Cause) throws {
    var before: String?
    switch cause {
    case .activation: before = world.partner(.pendingReview, type: "cpa", areas: ["WY"])
    case .newArea: before = world.partner(type: "cpa", areas: ["WI"])
    case .pin:
      before = world.partner(type: "cpa", areas: ["WY"])
      world.put("/api/admin/coverage/WY/cpa", ["status": "coming_soon"])
    case .newPartner, .imported: break
    }
    for address in ["a@example.com", "b@example.com"] {
      #expect(try confirm(code("WY/cpa", address)).status == 204)
    }
    #expect(try confirm(code("AK/cpa", "a@example.com")).status == 204)
    let unconfirmed = try code("WY/cpa", "unconfirmed@example.com")
    #expect(try told().isEmpty, "it is not available yet")
    switch cause {
    case .newPartner: _ = world.partner(type: "cpa", areas: ["WY"])
    case .activation: world.move(partner: before ?? "", to: .active)
    case .newArea:
      world.put("/api/admin/partners/\(before ?? "")", ["service_areas": ["WI", "WY"]])
    case .imported:
      try world.store.write(now: world.clock.now, actor: nil) { change in
        _ = try change.importPartner(
          [
            "type": "cpa", "company_name": "I", "email": "i@example.com", "status": "active",
            "service_areas": ["WY"], "agreement_signed_at": "2026-01-01T00:00:00Z",
          ], updating: false)
      }
    case .pin: world.put("/api/admin/coverage/WY/cpa", ["status": .null])
    }
    #expect(try told() == ["a@example.com", "b@example.com"])
    #expect(waiting() == ["AK/cpa 1"])
    #expect(try told().isEmpty)
    let sent = world.messages("kind=coverage.available")
    #expect(sent.map { $0["status"]?.text } == ["sent", "sent"])
    for message in sent {
      #expect(message["to"] == .null, "the addresses are forgotten")
      let path = "/api/admin/messages/\(message["id"]?.text ?? "")"
      #expect(world.get(path)["text"] == .null)
      #expect(world.post(path + "/resend").verdict == "409 not_resendable")
    }
    // Who confirms only now is told now. Then nobody is left.
    #expect(confirm(unconfirmed).verdict == "204")
    #expect(try told() == ["unconfirmed@example.com"])
    #expect(confirm(unconfirmed).verdict == "410 code_expired")
    #expect(leave(unconfirmed).verdict == "204")
    #expect(try entries().count == 1)
    #expect(try world.store.check(now: world.clock.now) == [])
  }

  @Test("A letter that is sent again before it is handed over still comes once") func resent()
    throws
  {
    #expect(try confirm(code()).status == 204)
    _ = world.partner(type: "cpa", areas: ["WY"])
    try world.remind()
    let queued = try #require(world.messages("kind=coverage.available").first)
    #expect(
      world.post("/api/admin/messages/\(queued["id"]?.text ?? "")/resend").verdict == "201")
    #expect(try told() == ["w@example.com"])
    #expect(try !world.contents().contains { $0.contains("w@example.com") })
  }

  @Test("What the mail system refuses for good is forgotten, too") func undeliverable() throws {
    #expect(try confirm(code()).status == 204)
    _ = world.partner(type: "cpa", areas: ["WY"])
    try world.remind()
    try world.deliver(.permanently("EX_NOUSER (67): no such user"))
    #expect(try entries().isEmpty)
    #expect(waiting().isEmpty)
    #expect(world.messages("kind=coverage.available").map { $0["status"]?.text } == ["failed"])
  }
}
