import Domain
import Foundation
import HTTPTypes
import JSON
import Synchronization
import Testing

@testable import API

/// Staff's overview: its numbers against a count of everything, one by one.
@Suite struct SummaryTests {
  let world: World

  init() throws { world = try World() }

  private static let path = "/api/admin/summary"
  private static let statuses = ReferralStatus.allCases.map(\.rawValue)

  private static func counts(_ counts: [String: Int]) -> JSON {
    .object(statuses.map { JSON.Member($0, .integer(counts[$0] ?? 0)) })
  }

  /// The declines for each reason, as overviews have them.
  static func declines(_ counts: [String: Int]) -> JSON {
    .array(
      DeclineReason.allCases.map { reason in
        [
          "reason_code": .string(reason.rawValue),
          "count": .integer(counts[reason.rawValue] ?? 0),
        ]
      })
  }

  @Test("The overview of a service without a request") func empty() throws {
    let reply = world.get(SummaryTests.path)
    let none = SummaryTests.counts([:])
    let types = ["attorney", "lender", "agent", "title", "insurance", "cpa"].map {
      ["partner_type": .string($0), "total": 0, "by_status": none] as JSON
    }
    let expected: JSON = [
      "total": 0, "by_status": none, "by_type": .array(types), "by_state": [],
      "pending_older_than_7_days": 0, "pending_older_than_14_days": 0,
      "pending_without_candidates": 0,
      "introductions_unanswered": ["over_3_days": 0, "over_7_days": 0, "over_14_days": 0],
      "declines": SummaryTests.declines([:]), "changes_to_review": 0, "follow_ups_overdue": 0,
      "credentials_expiring": 0, "waitlist": [],
      "median_days": [
        "pending_to_matched": .null, "matched_to_intro_sent": .null,
        "intro_sent_to_connected": .null, "connected_to_closed": .null,
      ],
    ]
    #expect(reply.json == expected)
    #expect(reply.json.keys == expected.keys)
    #expect(reply["by_status"]?.keys == SummaryTests.statuses)
    #expect(reply["by_type"]?[0]?.keys == ["partner_type", "total", "by_status"])
    #expect(reply["median_days"]?.keys == expected["median_days"]?.keys)
    let etag = try #require(reply.etag)
    #expect(world.get(SummaryTests.path, headers: [.ifNoneMatch: etag]).status == 304)
    _ = world.referral()
    let changed = world.get(SummaryTests.path, headers: [.ifNoneMatch: etag])
    #expect(changed.status == 200)
    #expect(changed["total"] == 1)
  }

  @Test(
    "States stand in their order, the requests without one last; days are counted to the moment")
  func edges() throws {
    for state: JSON in [.null, "WI", "CA", "MN"] {
      _ = world.referral(context: ["state": state], group: World.oak, as: .outsider)
    }
    let states = world.get(SummaryTests.path)["by_state"]
    #expect(states?.elements.map { $0["state_code"] } == ["CA", "MN", "WI", .null])
    #expect(states?[0]?.keys == ["state_code", "total", "by_status"])
    #expect(states?.elements.allSatisfy { $0["total"] == 1 } == true)
    func older(_ days: Int) -> JSON? {
      world.get(SummaryTests.path)["pending_older_than_\(days)_days"]
    }
    let day = 86_400_000
    world.clock.pass(milliseconds: 7 * day - 1)
    #expect(older(7) == 0)
    world.clock.pass(milliseconds: 1)
    #expect(older(7) == 4)
    world.clock.pass(milliseconds: 7 * day - 1)
    #expect(older(14) == 0)
    world.clock.pass(milliseconds: 1)
    #expect(older(14) == 4)
    // The queue's own filter finds as many.
    #expect(world.get("/api/admin/referrals?status=pending&older_than_days=14").items.count == 4)
  }

  /// Numbers that look random and are the same each time (SplitMix64, https://prng.di.unimi.it/splitmix64.c).
  struct Dice: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
      return mixed ^ (mixed >> 31)
    }

    /// An element of an array that is not empty.
    mutating func pick<Element>(_ elements: some Collection<Element>) -> Element {
      elements[
        elements.index(
          elements.startIndex, offsetBy: Int.random(in: 0..<elements.count, using: &self))]
    }

    mutating func isLucky(oneIn count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }
  }

  /// All items of one of staff's lists.
  private func all(_ path: String) -> [JSON] {
    var items: [JSON] = []
    var target: String? = "\(path)?limit=100"
    while let page = target.map({ world.get($0) }) {
      items += page.items
      target = page["next_cursor"]?.text.map { "\(path)?limit=100&cursor=\($0)" }
    }
    return items
  }

  /// The overview as a count of every request, its candidates and every event gives it.
  private func counted() throws -> JSON {
    let referrals = all("/api/admin/referrals")
    func byStatus(_ referrals: [JSON]) -> JSON {
      SummaryTests.counts(
        Dictionary(grouping: referrals) { $0["status"]?.text ?? "" }.mapValues(\.count))
    }
    func state(_ referral: JSON) -> String? { referral["context"]?["state"]?.text }
    let pending = referrals.filter { $0["status"]?.text == "pending" }
    func older(_ days: Int) throws -> JSON {
      .integer(
        try pending.filter {
          let created = try #require(Timestamp($0["created_at"]?.text ?? ""))
          return world.clock.now.milliseconds - created.milliseconds >= Int64(days) * 86_400_000
        }.count)
    }
    let unserved = pending.filter {
      world.get("/api/admin/referrals/\($0["id"]?.text ?? "")/candidates").items.isEmpty
    }

    let today = world.clock.now
    let removed = all("/api/admin/partners").filter { $0["status"] == "removed" }.map { $0["id"] }
    let expiring = all("/api/admin/partners").flatMap { partner in
      removed.contains(partner["id"])
        ? [] : all("/api/admin/partners/\(partner["id"]?.text ?? "")/credentials")
    }.filter { credential in
      guard let day = credential["expires_on"]?.text else { return false }
      return credential["verified_at"] != .null && day >= today.day
        && day <= today.adding(days: 30).day
    }

    var since: [String: Int64] = [:]
    var tenths: [String: [Int]] = [:]
    for event in world.events where event["subject"]?["kind"]?.text == "referral" {
      guard let status = event["changes"]?["status"], let id = event["subject"]?["id"]?.text,
        let at = Timestamp(event["at"]?.text ?? "")?.milliseconds
      else { continue }
      if let from = status["from"]?.text, let to = status["to"]?.text, let start = since[id] {
        let days = Double(at - start) / 86_400_000
        tenths["\(from)_to_\(to)", default: []].append(Int((10 * days).rounded()))
      }
      since[id] = at
    }
    func median(_ step: String) -> JSON {
      guard let values = tenths[step]?.sorted() else { return .null }
      // To a tenth of a day: the mean of the two in the middle, half a tenth upwards.
      let middle = (values[(values.count - 1) / 2] + values[values.count / 2] + 1) / 2
      return middle.isMultiple(of: 10) ? .integer(middle / 10) : .number(Double(middle) / 10)
    }
    let states = Set(referrals.map(state)).sorted { ($0 ?? "~") < ($1 ?? "~") }
    return [
      "total": .integer(referrals.count), "by_status": byStatus(referrals),
      "by_type": .array(
        PartnerType.allCases.map { type in
          let some = referrals.filter { $0["partner_type"]?.text == type.rawValue }
          return [
            "partner_type": .string(type.rawValue), "total": .integer(some.count),
            "by_status": byStatus(some),
          ]
        }),
      "by_state": .array(
        states.map { code in
          let some = referrals.filter { state($0) == code }
          return [
            "state_code": code.map { .string($0) } ?? .null, "total": .integer(some.count),
            "by_status": byStatus(some),
          ]
        }),
      "pending_older_than_7_days": try older(7), "pending_older_than_14_days": try older(14),
      "pending_without_candidates": .integer(unserved.count),
      "introductions_unanswered": .object(
        [3, 7, 14].map { days in
          let count = referrals.count {
            guard $0["status"]?.text == "intro_sent", let start = since[$0["id"]?.text ?? ""]
            else { return false }
            return world.clock.now.milliseconds - start >= Int64(days) * 86_400_000
          }
          return JSON.Member("over_\(days)_days", .integer(count))
        }),
      "declines": SummaryTests.declines(
        Dictionary(
          grouping: world.events.compactMap { $0["changes"]?["decline_reason_code"]?["to"]?.text }
        ) { $0 }.mapValues(\.count)),
      "changes_to_review": .integer(
        world.get("/api/admin/partners?pending_changes=true").items.count),
      "follow_ups_overdue": 0,
      "credentials_expiring": .integer(expiring.count), "waitlist": [],
      "median_days": .object(
        [
          "pending_to_matched", "matched_to_intro_sent", "intro_sent_to_connected",
          "connected_to_closed",
        ].map { JSON.Member($0, median($0)) }),
    ]
  }

  @Test("After any history the numbers are those of a count", arguments: [1, 2, 3] as [UInt64])
  func histories(seed: UInt64) throws {
    var dice = Dice(state: seed)
    let types = ["attorney", "lender", "cpa"]
    let states: [JSON] = ["MN", "CA", "WI", .null]
    let users = [Person.pablo, Person.paula, Person.bob, Person.olga]
    // One has nobody to be introduced to at first; two partners are members of a group.
    let partners = (0..<7).map { number in
      world.partner(
        type: types[number % 2], areas: number < 4 ? ["MN", "CA"] : ["CA"],
        with: number < 4 ? ["user_id": .string(users[number].text)] : [:])
    }
    let owners: [Role] = [.partner, .otherPartner, .otherMember, .outsider]
    var referrals: [String] = []
    var verdicts: [Bool: Int] = [:]
    var seen: Set<String> = []
    for step in 1...350 {
      // To the millisecond, so that no stay ends midway between two tenths of a day.
      if dice.isLucky(oneIn: 3) {
        world.clock.pass(milliseconds: Int.random(in: 1...200_000_000, using: &dice))
      }
      // Mostly one of the newest, so that some come to their end.
      let id =
        referrals.isEmpty
        ? World.unknown : dice.pick(referrals.suffix(dice.isLucky(oneIn: 5) ? referrals.count : 6))
      let partner = dice.pick(partners)
      let reply: Reply
      switch Int.random(in: 0..<25, using: &dice) {
      case 0..<5:
        let isBirch = Bool.random(using: &dice)
        reply = world.post(
          "/api/groups/\(isBirch ? World.birch : World.oak)/referrals",
          [
            "partner_type": .string(dice.pick(types)), "context": ["state": dice.pick(states)],
          ], as: isBirch ? .member : .outsider)
        if let made = reply["id"]?.text { referrals.append(made) }
      case 5..<11:
        // One step onwards, with the first of those who fit, if there is anybody.
        let referral = world.get("/api/admin/referrals/\(id)")
        let body: JSON
        switch referral["status"]?.text {
        case "matched": body = ["status": "intro_sent"]
        case "intro_sent": body = ["status": "connected"]
        case "connected": body = ["status": "closed"]
        default:
          let fitting = world.get("/api/admin/referrals/\(id)/candidates?limit=1")
          body = ["partner_id": fitting.items.first?["id"] ?? .string(partner)]
        }
        reply = world.put("/api/admin/referrals/\(id)", body)
      case 11:
        reply = world.put("/api/admin/referrals/\(id)", ["partner_id": .string(partner)])
      case 12:
        reply = world.put(
          "/api/admin/referrals/\(id)",
          ["status": .string(dice.pick(["intro_sent", "connected", "pending", "closed"]))])
      case 13:
        reply = world.put(
          "/api/admin/referrals/\(id)",
          ["partner_type": .string(dice.pick(types)), "context": ["state": dice.pick(states)]])
      case 14:
        reply = world.put(
          "/api/admin/referrals/\(id)/outcome",
          ["outcome": .string(dice.pick(Outcome.allCases).rawValue)])
      case 15:
        reply = world.post("/api/groups/\(World.birch)/referrals/\(id)/cancel", as: .member)
      case 16, 17, 23:
        // One that waits for an answer, if there is any; by its partner, or anybody.
        let waiting = world.get("/api/admin/referrals?status=intro_sent&limit=100").items
        let asked = waiting.isEmpty ? nil : dice.pick(waiting)
        let id = asked?["id"]?.text ?? id
        let introduced = asked?["partner_id"]?.text
        let owner = partners.prefix(owners.count).firstIndex { $0 == introduced }
        reply = world.put(
          "/api/partners/me/referrals/\(id)/response",
          dice.pick(
            [
              ["response": "accepted"], ["response": "accepted", "reason_code": .null],
              ["response": "declined"], ["response": "declined", "reason_code": "no_capacity"],
              ["response": "declined", "reason_code": "terms"],
            ] as [JSON]),
          as: owner.map { owners[$0] } ?? dice.pick(owners))
      case 18 where Bool.random(using: &dice):
        reply = world.put(
          "/api/partners/me", ["website": .string("https://\(step).example")], as: dice.pick(owners)
        )
      case 18:
        let day = world.clock.now.adding(days: Int.random(in: -2...20, using: &dice)).day
        reply = world.put(
          "/api/admin/partners/\(partner)",
          ["paused_until": Bool.random(using: &dice) ? .string(day) : .null])
      case 19:
        reply = world.put(
          "/api/admin/partners/\(partner)",
          ["max_open_referrals": dice.pick([1, 2, .null] as [JSON])])
      case 20:
        let day = world.clock.now.adding(days: Int.random(in: -2...60, using: &dice)).day
        reply = world.post(
          "/api/admin/partners/\(partner)/credentials",
          [
            "kind": .string(dice.pick(["nmls", "other"])), "number": .string("\(step)"),
            "expires_on": .string(day), "verified": true,
          ])
      case 21:
        let list = "/api/admin/partners/\(partner)/credentials"
        let credential = world.get(list).items.first?["id"]?.text ?? World.unknown
        reply = world.send("DELETE", "\(list)/\(credential)")
      case 22:
        reply = world.put(
          "/api/admin/partners/\(partner)/status",
          ["status": .string(dice.pick(["active", "inactive", "active"]))])
      default:
        reply = world.put(
          "/api/admin/groups/\(World.oak)",
          [
            "members": Bool.random(using: &dice)
              ? [.string(Person.olga.text), .string(Person.pablo.text)]
              : [.string(Person.olga.text)]
          ])
      }
      verdicts[reply.status < 400, default: 0] += 1
      guard step.isMultiple(of: 50) else { continue }
      let counted = try counted()
      let shown = world.get(SummaryTests.path)
      for field in counted.keys {
        #expect(shown[field] == counted[field], "\(field) after \(step) moves of \(seed)")
      }
      #expect(shown.json.keys == counted.keys)
      #expect(shown["median_days"]?.keys == counted["median_days"]?.keys)
      for member in counted["by_status"]?.members ?? [] where member.value != 0 {
        seen.insert(member.name)
      }
      for field in [
        "pending_older_than_7_days", "pending_without_candidates", "changes_to_review",
      ] where counted[field] != 0 {
        seen.insert(field)
      }
      if counted["declines"] != SummaryTests.declines([:]) { seen.insert("declines") }
    }
    // The dice have shown every side, moves that were made and moves that were refused among them.
    #expect(
      seen
        == Set(SummaryTests.statuses).union([
          "pending_older_than_7_days", "pending_without_candidates", "changes_to_review",
          "declines",
        ]))
    #expect((verdicts[true] ?? 0) > 80)
    #expect((verdicts[false] ?? 0) > 80)
    #expect(world.get(SummaryTests.path)["median_days"]?["connected_to_closed"] != .null)
  }

  @Test("Those whom nobody can serve, for each of the reasons") func withoutCandidates() throws {
    func unserved() -> Int? {
      world.get(SummaryTests.path)["pending_without_candidates"]?.number
    }
    // Nobody is there at all, with a state and without.
    let served = world.referral(context: ["state": "MN"])
    _ = world.referral(context: [:])
    #expect(unserved() == 2)
    // One serves both.
    let first = world.partner(with: ["user_id": .string(Person.pablo.text)])
    #expect(unserved() == 0)
    // It gives the one back.
    for body: JSON in [["partner_id": .string(first)], ["status": "intro_sent"]] {
      #expect(world.put("/api/admin/referrals/\(served)", body).verdict == "200")
    }
    #expect(unserved() == 0)
    #expect(
      world.put(
        "/api/partners/me/referrals/\(served)/response", ["response": "declined"], as: .partner
      ).verdict == "204")
    #expect(unserved() == 1)
    // Its user joins the group: then it serves neither.
    func members(_ people: [ID]) {
      let reply = world.put(
        "/api/admin/groups/\(World.birch)", ["members": .array(people.map { .string($0.text) })])
      #expect(reply.verdict == "200")
    }
    members([Person.ann, Person.pablo])
    #expect(unserved() == 2)
    members([Person.ann])
    #expect(unserved() == 1)
    // It is paused, full, or its credential has expired.
    func edit(_ body: JSON) {
      #expect(world.put("/api/admin/partners/\(first)", body).verdict == "200")
    }
    edit(["paused_until": "2026-11-22"])
    #expect(unserved() == 2)
    edit(["paused_until": "2026-11-21"])
    #expect(unserved() == 1)
    let other = world.referral(
      .matched, context: ["state": "MN"], partner: first, group: World.oak, as: .outsider)
    edit(["max_open_referrals": 1])
    #expect(unserved() == 2)
    #expect(world.put("/api/admin/referrals/\(other)", ["status": "cancelled"]).verdict == "200")
    #expect(unserved() == 1)
    let credential = world.credential(of: first, with: ["expires_on": "2026-11-21"])
    #expect(unserved() == 2)
    #expect(
      world.send("DELETE", "/api/admin/partners/\(first)/credentials/\(credential)").status == 204)
    #expect(unserved() == 1)
    // Another comes and goes.
    let second = world.partner()
    #expect(unserved() == 0)
    world.move(partner: second, to: .inactive)
    #expect(unserved() == 1)
    world.move(partner: first, to: .inactive)
    #expect(unserved() == 2)
    // What is no longer pending counts no more.
    world.post("/api/groups/\(World.birch)/referrals/\(served)/cancel", as: .member)
    #expect(unserved() == 1)
  }

  /// Looks at the overview again and again, on a thread of its own.
  private final class Onlooker: Sendable {
    private let world: World
    private let shown = Mutex<[JSON]>([])
    private let isStopped = Atomic<Bool>(false)
    private let end = DispatchSemaphore(value: 0)

    init(_ world: World) { self.world = world }

    /// What it has seen so far.
    var seen: [JSON] { shown.withLock { $0 } }

    func look() {
      while !isStopped.load(ordering: .acquiring) {
        let reply = world.get(SummaryTests.path)
        shown.withLock { $0.append(reply.json) }
      }
      end.signal()
    }

    /// Returns when it has looked for the last time.
    func stop() {
      guard !isStopped.exchange(true, ordering: .acquiringAndReleasing) else { return }
      end.wait()
    }
  }

  @Test("All numbers are of one moment, while requests are being cancelled") func snapshot() throws
  {
    let count = 150
    var ids: [String] = []
    for number in 0..<count {
      let group = ID("00000000-0000-4000-8000-00000000\(1_000 + number)")!
      world.put(
        "/api/admin/groups/\(group)",
        ["name": "Group", "members": [.string(Person.ann.text)]])
      ids.append(world.referral(context: ["state": "MN"], group: group))
    }
    world.clock.pass(milliseconds: 20 * 86_400_000)

    let onlooker = Onlooker(world)
    Thread.detachNewThread { onlooker.look() }
    defer { onlooker.stop() }
    for (number, id) in ids.enumerated() {
      // Now and then until it has been looked at, so that it is looked at in between.
      let before = onlooker.seen.count
      let deadline = ContinuousClock.now + .seconds(30)
      while number.isMultiple(of: 15), onlooker.seen.count < before + 2 {
        try #require(ContinuousClock.now < deadline)
        usleep(100)
      }
      world.put("/api/admin/referrals/\(id)", ["status": "cancelled"])
    }
    onlooker.stop()

    let summaries = onlooker.seen
    #expect(Set(summaries.map { $0["by_status"]?["pending"]?.number }).count >= 10)
    for summary in summaries {
      let left = summary["by_status"]?["pending"]?.number ?? -1
      // Some of these are counted by triggers, some from the requests themselves.
      for (name, number) in [
        ("older than 7", summary["pending_older_than_7_days"]),
        ("older than 14", summary["pending_older_than_14_days"]),
        ("without candidates", summary["pending_without_candidates"]),
        ("attorneys", summary["by_type"]?[0]?["by_status"]?["pending"]),
        ("Minnesota", summary["by_state"]?[0]?["by_status"]?["pending"]),
        ("the rest", (summary["by_status"]?["cancelled"]?.number).map { .integer(count - $0) }),
      ] {
        #expect(number == .integer(left), "\(name)")
      }
    }
  }
}
