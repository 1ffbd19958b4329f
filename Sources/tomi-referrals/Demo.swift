import API
import ArgumentParser
import Domain
import Foundation
import HTTPTypes
import JSON
import Logging
import Store
import Synchronization

/// `demo`: plausible data to try the service with.
struct DemoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo", abstract: "Fill an empty database with plausible data.",
    discussion: """
      The data are made by the service's own rules, as if people had used it for a year. The same
      seed and the same numbers give the same data.
      """)

  @OptionGroup var database: DatabaseOption

  @Option(help: ArgumentHelp("How many partners.", valueName: "n"))
  var partners = 60

  @Option(help: ArgumentHelp("How many groups of co-buyers.", valueName: "n"))
  var groups = 40

  @Option(
    help: ArgumentHelp("How many referral requests, as far as the rules allow.", valueName: "n"))
  var referrals = 120

  @Option(help: ArgumentHelp("What the data depend on.", valueName: "number"))
  var seed: UInt64 = 1

  func validate() throws {
    for (name, number) in [("partners", partners), ("groups", groups), ("referrals", referrals)]
    where number < 0 {
      throw ValidationError("--\(name) cannot be negative.")
    }
    if groups == 0, referrals > 0 { throw ValidationError("Referrals need groups.") }
  }

  func run() throws {
    try Migrator.migrate(path: database.path)
    let random = Mutex(SplitMix64(state: seed))
    let store = try Store(path: database.path, random: { random.withLock { $0.next() } })
    defer { store.close() }
    guard try store.read(now: .present, { try $0.isEmpty() }) else {
      throw CommandError("the database is not empty: demo data are made in a new one only")
    }
    let demo = Demo(store: store, seed: seed)
    try demo.run(partners: partners, groups: groups, referrals: referrals)
    Progress.end()
    print(
      "Made \(partners) partners, \(groups) groups and \(demo.referralCount) referral requests.")
  }
}

/// A small generator whose numbers a seed fixes (Steele, Lea, Flood: Fast splittable pseudorandom
/// number generators, 2014).
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// A year of use: what people would have sent to the service, sent to it in the order of time.
private final class Demo {
  private final class Clock: Sendable {
    private let time = Mutex(Timestamp(milliseconds: 0))

    var now: Timestamp { time.withLock { $0 } }

    func set(_ milliseconds: Int64) {
      time.withLock { $0 = Timestamp(milliseconds: milliseconds) }
    }
  }

  /// The year that the data lie in: fixed, since the same seed gives the same data.
  private static let end: Int64 = 1_793_556_000_000  // 2026-11-01T18:00:00Z
  private static let hour: Int64 = 3_600_000
  private static let day = 24 * hour
  private static let start = end - 365 * day

  private let store: Store
  private let router: Router
  private let clock = Clock()
  private var random: SplitMix64
  private var staff: [Caller] = []
  private var actions: [(time: Int64, run: () throws -> Void)] = []
  /// The requests that the service took: a group has one open request of a type and state.
  private(set) var referralCount = 0

  /// What the service made, for what happens to it later; its ID is nil until then, and again when
  /// nothing more happens to it.
  private final class Made {
    var id: String?
  }

  init(store: Store, seed: UInt64) {
    self.store = store
    random = SplitMix64(state: seed ^ 0x544F_4D49)
    router = Router(
      store: store, logger: Logger(label: "demo") { _ in SwiftLogNoOpLogHandler() },
      clock: { [clock] in clock.now })
  }

  func run(partners: Int, groups: Int, referrals: Int) throws {
    clock.set(Demo.start)
    try makeStaff()
    for index in 0..<partners { planPartner(index) }
    for index in 0..<groups {
      planGroup(index, referrals: referrals / groups + (index < referrals % groups ? 1 : 0))
    }
    let ordered = actions.enumerated().sorted {
      ($0.element.time, $0.offset) < ($1.element.time, $1.offset)
    }
    for (done, action) in ordered.map(\.element).enumerated() where action.time <= Demo.end {
      clock.set(action.time)
      try action.run()
      if done % 50 == 0 { Progress.update("Filling: \(100 * done / actions.count) %") }
    }
  }

  // MARK: Staff, partners

  private func makeStaff() throws {
    let people = [("Ana Lindqvist", "ana"), ("Marcus Bell", "marcus"), ("Priya Raman", "priya")]
    for (name, mailbox) in people {
      let now = clock.now
      let user = try store.write(now: now, actor: nil) { change in
        let user = User(
          id: change.newID(), email: "\(mailbox)@tomi.example", name: name, createdAt: now,
          updatedAt: now)
        try Accounts.create(user, in: change)
        return user
      }
      staff.append(Caller(userID: user.id, isStaff: true))
    }
  }

  private func planPartner(_ index: Int) {
    // Most states have nobody yet: Minnesota and California come first.
    let roll = chance()
    let home: StateCode = roll < 0.4 ? .MN : roll < 0.75 ? .CA : pick(Demo.furtherStates)
    var areas = [home]
    if chance() < 0.3 { areas.append(pick(StateCode.allCases)) }
    let type = weighted(Demo.types)
    let family = pick(Demo.families)
    let company = Demo.company(type, family: family, town: pick(Demo.towns))
    let contact = "\(pick(Demo.names)) \(family)"
    let domain = company.lowercased().filter { $0.isASCII && $0.isLetter }
    let certified = chance() < (type == .agent ? 0.5 : 0.25)
    let phone = "(\(between(201, 989))) 555-\(between(1000, 9999))"
    let caller = pick(staff)
    let invited = Demo.start + Int64(between(0, 240)) * Demo.day + Int64(between(0, 9)) * Demo.hour
    let fate = chance()
    let made = Made()
    plan(invited) { [self] in
      let partner = try send(
        .post, "/api/admin/partners", as: caller, expecting: 201,
        .object([
          .init("type", .string(type.rawValue)), .init("company_name", .string(company)),
          .init("contact_name", .string(contact)),
          .init("email", .string("office\(index + 1)@\(domain).example")),
          .init("phone", .string(phone)),
          .init("website", .string("https://www.\(domain).example")),
          .init("service_areas", .array(areas.map { .string($0.rawValue) })),
          .init("co_ownership_certified", .bool(certified)),
          .init("notes", .string("Met through \(pick(Demo.sources)).")),
        ]))
      if case .string(let id) = partner["id"] { made.id = id }
    }
    func move(_ status: PartnerStatus, at time: Int64, note: String) {
      plan(time) { [self] in
        guard let id = made.id else { return }
        let path = "/api/admin/partners/\(id)"
        if status == .active {
          _ = try send(
            .put, path, as: caller, expecting: 200,
            .object([.init("agreement_signed_at", .string(clock.now.text))]))
        }
        _ = try send(
          .put, path + "/status", as: caller, expecting: 200,
          .object([.init("status", .string(status.rawValue)), .init("note", .string(note))]))
      }
    }
    let reviewed = invited + Int64(between(3, 15)) * Demo.day
    let activated = reviewed + Int64(between(1, 20)) * Demo.day
    let left = activated + Int64(between(60, 200)) * Demo.day
    if fate > 0.08 { move(.pendingReview, at: reviewed, note: "Sent their papers.") }
    if fate > 0.15 { move(.active, at: activated, note: "Agreement signed.") }
    if fate > 0.93 { move(.inactive, at: left, note: "On leave.") }
    if fate > 0.97 { move(.removed, at: left + 20 * Demo.day, note: "Closed the practice.") }
  }

  // MARK: Groups, referrals

  private func planGroup(_ index: Int, referrals: Int) {
    let id = newID()
    let state: StateCode = chance() < 0.55 ? .MN : chance() < 0.8 ? .CA : pick(Demo.furtherStates)
    let members = (0..<between(2, 4)).map { member in
      (
        id: newID(), name: "\(pick(Demo.names)) \(pick(Demo.families))",
        email: "member\(index + 1).\(member + 1)@mail.example"
      )
    }
    let name =
      "\(pick(Demo.streets)) \(pick(["House", "Collective", "Co-op", "Neighbours", "Home"]))"
    let founded = Demo.start + Int64(between(20, 280)) * Demo.day
    let caller = pick(staff)
    plan(founded) { [self] in
      for member in members {
        _ = try send(
          .put, "/api/admin/users/\(member.id)", as: caller, expecting: 201,
          .object([.init("email", .string(member.email)), .init("name", .string(member.name))]))
      }
      _ = try send(
        .put, "/api/admin/groups/\(id)", as: caller, expecting: 201,
        .object([
          .init("name", .string(name)), .init("state", .string(state.rawValue)),
          .init("members", .array(members.map { .string($0.id.text) })),
        ]))
    }
    for _ in 0..<referrals {
      let time =
        founded + Demo.day + Int64(between(0, Int((Demo.end - founded) / Demo.hour) - 24))
        * Demo.hour
      let member = Caller(userID: pick(members).id, isStaff: false)
      let type = weighted(Demo.types)
      let lowest = between(5, 16) * 50_000
      let context = JSON.object([
        .init("group_size", .integer(members.count)),
        .init(
          "home_price_range",
          .object([.init("min", .integer(lowest)), .init("max", .integer(lowest + 150_000))])),
        .init("timeline", .string(pick(["1 month", "3 months", "6 months", "this year"]))),
        .init("state", chance() < 0.9 ? .string(state.rawValue) : .null),
        .init("specific_need", .string(pick(Demo.needs[type]!))),
      ])
      let made = Made()
      plan(time) { [self] in
        let referral = try send(
          .post, "/api/groups/\(id)/referrals", as: member, expecting: 201, orElse: 409,
          .object([.init("partner_type", .string(type.rawValue)), .init("context", context)]))
        guard case .string(let referralID) = referral["id"] else { return }
        made.id = referralID
        referralCount += 1
      }
      planLife(of: made, group: id, member: member, from: time)
    }
  }

  private func planLife(of made: Made, group: ID, member: Caller, from time: Int64) {
    let caller = pick(staff)
    let fate = chance()
    let outcome = pick(["deal_closed", "deal_closed", "not_engaged", "unknown"])
    func act(at time: Int64, _ run: @escaping (_ path: String) throws -> Void) {
      plan(time) {
        guard let id = made.id else { return }
        try run("/api/admin/referrals/\(id)")
      }
    }
    func move(_ status: ReferralStatus, at time: Int64) {
      act(at: time) { [self] path in
        _ = try send(
          .put, path, as: caller, expecting: 200, orElse: 409,
          .object([.init("status", .string(status.rawValue))]))
      }
    }
    if fate < 0.06 {
      plan(time + Int64(between(5, 90)) * Demo.hour) { [self] in
        guard let id = made.id else { return }
        _ = try send(
          .post, "/api/groups/\(group)/referrals/\(id)/cancel", as: member, expecting: 200,
          orElse: 409, .object([.init("note", .string("We found somebody ourselves."))]))
      }
    }
    let matched = time + Int64(between(4, 120)) * Demo.hour
    let introduced = matched + Int64(between(2, 72)) * Demo.hour
    act(at: matched) { [self] path in
      let candidates = try send(.get, path + "/candidates?limit=1", as: caller, expecting: 200)
      guard case .array(let found) = candidates["data"], let best = found.first?["id"] else {
        // Nobody serves this state yet: the request waits.
        made.id = nil
        return
      }
      _ = try send(
        .put, path, as: caller, expecting: 200, orElse: 409, .object([.init("partner_id", best)]))
    }
    move(.introSent, at: introduced)
    if fate > 0.3 { move(.connected, at: introduced + Int64(between(10, 200)) * Demo.hour) }
    if fate > 0.5 {
      act(at: introduced + Int64(between(20, 80)) * Demo.day) { [self] path in
        _ = try send(
          .put, path + "/outcome", as: caller, expecting: 200, orElse: 409,
          .object([
            .init("outcome", .string(outcome)),
            .init("outcome_notes", .string("As the partner told us by telephone.")),
          ]))
      }
    }
  }

  // MARK: Means

  private func plan(_ time: Int64, _ run: @escaping () throws -> Void) {
    actions.append((time, run))
  }

  /// Sends a request to the service.
  ///
  /// - Returns: The answer's JSON; null for a refusal with the status `refusal`.
  private func send(
    _ method: HTTPRequest.Method, _ target: String, as caller: Caller, expecting status: Int,
    orElse refusal: Int? = nil, _ body: JSON? = nil
  ) throws -> JSON {
    var request = API.Request(method: method.rawValue, target: target, id: "demo")
    if let body {
      var json = JSONWriter()
      json.value(body)
      request.body = json.bytes
      request.headers[.contentType] = "application/json"
    }
    let response = router.respond(to: request, as: caller)
    if response.status.code == refusal { return .null }
    guard response.status.code == status else {
      throw CommandError(
        "\(method) \(target): \(response.status) \(String(decoding: response.body, as: UTF8.self))")
    }
    return try JSON(parsing: response.body)
  }

  private func newID() -> ID {
    ID(time: clock.now, random: (random.next(), random.next()))
  }

  private func pick<Element>(_ elements: [Element]) -> Element {
    elements[between(0, elements.count - 1)]
  }

  private func between(_ low: Int, _ high: Int) -> Int {
    low + Int(random.next() % UInt64(max(high - low, 0) + 1))
  }

  private func chance() -> Double { Double(random.next() >> 11) / Double(1 << 53) }

  private func weighted(_ types: [(PartnerType, Double)]) -> PartnerType {
    var roll = chance()
    for (type, weight) in types {
      if roll < weight { return type }
      roll -= weight
    }
    return types[0].0
  }

  private static func company(_ type: PartnerType, family: String, town: String) -> String {
    switch type {
    case .attorney: "\(family) Law, \(town)"
    case .lender: "\(town) \(family) Lending"
    case .agent: "\(family) Realty \(town)"
    case .title: "\(town) Title & Escrow \(family)"
    case .insurance: "\(family) Insurance \(town)"
    case .cpa: "\(family) & Partners CPA, \(town)"
    }
  }

  private static let types: [(PartnerType, Double)] = [
    (.attorney, 0.4), (.lender, 0.25), (.agent, 0.2), (.title, 0.05), (.insurance, 0.05),
    (.cpa, 0.05),
  ]
  private static let furtherStates: [StateCode] = [.WI, .OR, .WA, .NY, .CO, .TX, .IL, .MA]
  private static let names = [
    "Maya", "Jonas", "Aisha", "Diego", "Ingrid", "Kofi", "Mei", "Noah", "Renée", "Sofia", "Tomasz",
    "Yusuf", "Zoë", "Elif", "Hannah", "Priya",
  ]
  private static let families = [
    "Andersen", "Brandt", "Castillo", "Dubois", "Eriksson", "Fischer", "García", "Huang", "Ito",
    "Jensen", "Kowalski", "Larsen", "Müller", "Nguyen", "Okafor", "Petrov", "Quinn", "Rossi",
  ]
  private static let towns = [
    "Duluth", "Rochester", "Oakland", "Mankato", "Sacramento", "Fresno", "Eagan", "Berkeley",
    "Winona", "Pasadena",
  ]
  private static let streets = [
    "Maple Street", "Lake Avenue", "Summit", "Cedar Lane", "Mill Creek", "Orchard", "Bay View",
    "Prairie Road", "Sunset", "Elm Court",
  ]
  private static let sources = [
    "a bar association", "a member's tip", "a conference", "their website",
  ]
  private static let needs: [PartnerType: [String]] = [
    .attorney: ["Review of our TIC agreement", "A closing for three owners"],
    .lender: ["A TIC mortgage with fractional loans", "One loan for four of us"],
    .agent: ["A duplex with a yard", "Somebody who knows co-ownership"],
    .title: ["Title insurance for unequal shares"],
    .insurance: ["A policy that names all owners"],
    .cpa: ["How to share the deductions"],
  ]
}
