import ArgumentParser
import Domain
import Foundation
import JSON
import POSIX
import Store

/// `demo`: plausible data to try the service with.
struct DemoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo", abstract: "Fill an empty database with plausible data.",
    discussion: """
      The data follow the service's own rules, as if people had used it for a year. The same seed and
      the same numbers give the same data.
      """)

  @OptionGroup var database: DatabaseOption

  @Option(help: ArgumentHelp("How many partners.", valueName: "n"))
  var partners = 60

  @Option(help: ArgumentHelp("How many groups of co-buyers.", valueName: "n"))
  var groups = 40

  @Option(help: ArgumentHelp("How many referral requests.", valueName: "n"))
  var referrals = 120

  @Option(help: ArgumentHelp("Another seed gives other data.", valueName: "number"))
  var seed: UInt64 = 1

  func validate() throws {
    for (name, number) in [("partners", partners), ("groups", groups), ("referrals", referrals)]
    where number < 0 {
      throw ValidationError("--\(name) can't be negative.")
    }
    if groups == 0, referrals > 0 { throw ValidationError("Referral requests need groups.") }
  }

  func run() throws {
    try Migrator.migrate(path: database.path)
    let random = Lock(SplitMix64(state: seed))
    let store = try Store(
      path: database.path, random: { random.withLock { $0.next() } },
      // Room for a large database, so that filling it does not wait for pages to be read again.
      writerCacheKiB: 512 << 10)
    defer { store.close() }
    guard try store.read(now: .present, { try $0.isEmpty() }) else {
      throw CommandError("the database is not empty: demo data can be made only in a new one")
    }
    let demo = Demo(store: store, seed: seed)
    try demo.run(partners: partners, groups: groups, referrals: referrals)
    Progress.end()
    print("Made \(partners) partners, \(groups) groups and \(referrals) referral requests.")
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

/// A year of use: what people would have done, in the order of time.
///
/// The writer's thread uses it while the thread that started it waits.
private final class Demo: @unchecked Sendable {
  /// Something that somebody does at a time.
  private struct Action: @unchecked Sendable {
    let time: Timestamp
    let actor: ID
    let run: (Change) throws -> Void
  }

  /// A referral request, once it was made; nil until then, and again when nothing more happens to it.
  private final class Made {
    var id: ID?
  }

  /// The year that the data lie in: fixed, since the same seed gives the same data.
  private static let end = Timestamp("2026-11-01T18:00:00Z")!
  private static let hour: Int64 = 3_600_000
  private static let hoursOfYear = 365 * 24

  /// How many actions one transaction holds.
  private static let batch = 10_000

  private let store: Store
  private var random: SplitMix64
  private var staff: [ID] = []
  private var actions: [Action] = []

  init(store: Store, seed: UInt64) {
    self.store = store
    random = SplitMix64(state: seed ^ 0x544F_4D49)
  }

  func run(partners: Int, groups: Int, referrals: Int) throws {
    try addStaff()
    for index in 0..<partners { planPartner(index) }
    for index in 0..<groups {
      planGroup(index, referrals: referrals / groups + (index < referrals % groups ? 1 : 0))
    }
    let ordered = actions.enumerated().sorted {
      ($0.element.time, $0.offset) < ($1.element.time, $1.offset)
    }.map(\.element).filter { $0.time <= Demo.end }
    for first in stride(from: 0, to: ordered.count, by: Demo.batch) {
      Progress.update("Filling: \(100 * first / ordered.count) %")
      let batch = ordered[first..<min(first + Demo.batch, ordered.count)]
      try store.fill(now: Demo.end) { change in
        for action in batch {
          do {
            try action.run(change.acting(as: action.actor, at: action.time))
          } catch Failure.conflict {
            // Something else happened to it meanwhile: it was cancelled, or its partner left. A rule is
            // asked before anything is written.
          }
        }
      }
    }
  }

  // MARK: Staff, partners

  private func addStaff() throws {
    let people = [("Ana Lindqvist", "ana"), ("Marcus Bell", "marcus"), ("Priya Raman", "priya")]
    try store.write(now: time(hours: 0), actor: nil) { [self] change in
      for (name, mailbox) in people {
        let id = change.newID()
        try change.putUser(
          id, user(name: name, email: "\(mailbox)@tomi.example", at: change.now))
        staff.append(id)
      }
    }
  }

  private func user(name: String, email: String, at now: Timestamp) -> Body {
    Body(
      ["name": .string(name), "email": .string(email)], Table.users.fields, by: .staff, at: now)
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
    let domain = company.lowercased().filter { $0.isASCII && $0.isLetter }
    let fields: JSON = [
      "type": .string(type.rawValue), "company_name": .string(company),
      "contact_name": .string("\(pick(Demo.names)) \(family)"),
      "email": .string("office\(index + 1)@\(domain).example"),
      "phone": .string("(\(between(201, 989))) 555-\(between(1000, 9999))"),
      "website": .string("https://www.\(domain).example"),
      "service_areas": .array(areas.map { .string($0.rawValue) }),
      "co_ownership_certified": .bool(chance() < (type == .agent ? 0.5 : 0.25)),
      "notes": .string("Met through \(pick(Demo.sources))."),
    ]
    let actor = pick(staff)
    let invited = between(0, 240) * 24 + between(0, 9)
    let fate = chance()
    let made = Made()
    plan(invited, by: actor) { change in
      let body = Body(fields, Table.partners.fields, by: .staff, at: change.now, isNew: true)
      made.id = try change.createPartner(body, invitedBy: actor)
    }
    func move(_ status: PartnerStatus, at hours: Int, note: String) {
      plan(hours, by: actor) { change in
        guard let id = made.id else { return }
        if status == .active {
          let signed: JSON = ["agreement_signed_at": .string(change.now.text)]
          try change.updatePartner(
            id, Body(signed, Table.partners.fields, by: .staff, at: change.now), by: .staff)
        }
        let body: JSON = ["status": .string(status.rawValue), "note": .string(note)]
        try change.changePartnerStatus(
          id, Body(body, partnerStatusFields, by: .staff, at: change.now))
      }
    }
    let reviewed = invited + between(3, 15) * 24
    let activated = reviewed + between(1, 20) * 24
    let left = activated + between(60, 200) * 24
    if fate > 0.08 { move(.pendingReview, at: reviewed, note: "Sent their papers.") }
    if fate > 0.15 { move(.active, at: activated, note: "Agreement signed.") }
    if fate > 0.93 { move(.inactive, at: left, note: "On leave.") }
    if fate > 0.97 { move(.removed, at: left + 20 * 24, note: "Closed the practice.") }
  }

  // MARK: Groups, referral requests

  private func planGroup(_ index: Int, referrals: Int) {
    let founded = between(20, 280) * 24
    let id = newID(at: time(hours: founded))
    let state: StateCode = chance() < 0.55 ? .MN : chance() < 0.8 ? .CA : pick(Demo.furtherStates)
    let members = (0..<between(2, 4)).map { member in
      (
        id: newID(at: time(hours: founded)), name: "\(pick(Demo.names)) \(pick(Demo.families))",
        email: "member\(index + 1).\(member + 1)@mail.example"
      )
    }
    let name =
      "\(pick(Demo.streets)) \(pick(["House", "Collective", "Co-op", "Neighbours", "Home"]))"
    plan(founded, by: pick(staff)) { [self] change in
      for member in members {
        try change.putUser(
          member.id, user(name: member.name, email: member.email, at: change.now))
      }
      let group: JSON = [
        "name": .string(name), "state": .string(state.rawValue),
        "members": .array(members.map { .string($0.id.text) }),
      ]
      try change.putGroup(id, Body(group, Table.groups.fields, by: .staff, at: change.now))
    }
    for _ in 0..<referrals {
      planReferral(
        of: id, in: state, members: members.map(\.id),
        at: founded + 24 + between(0, Demo.hoursOfYear - founded - 48))
    }
  }

  private func planReferral(of group: ID, in state: StateCode, members: [ID], at hours: Int) {
    let member = pick(members)
    let lowest = between(5, 16) * 50_000
    // A group has one open request of a type and state. Where the first choice is taken, another is made.
    var wishes = [(weighted(Demo.types), chance() < 0.9 ? state : nil)]
    wishes += PartnerType.allCases.flatMap { type in [(type, state), (type, nil)] }
    let size = members.count
    let timeline = pick(["1 month", "3 months", "6 months", "this year"])
    let need = random.next()
    let made = Made()
    plan(hours, by: member) { change in
      var wishes = wishes[...]
      while let (type, state) = wishes.first {
        let needs = Demo.needs[type]!
        let context: JSON = [
          "group_size": .integer(size),
          "home_price_range": ["min": .integer(lowest), "max": .integer(lowest + 150_000)],
          "timeline": .string(timeline),
          "state": state.map { .string($0.rawValue) } ?? .null,
          "specific_need": .string(needs[Int(need % UInt64(needs.count))]),
        ]
        let body = Body(
          ["partner_type": .string(type.rawValue), "context": context], Table.referrals.fields,
          by: .member, at: change.now, isNew: true)
        do {
          made.id = try change.requestReferral(
            ofGroup: group, body, by: Caller(userID: member, isStaff: false))
          return
        } catch Failure.conflict(.referralAlreadyOpen(_, let open)) {
          wishes.removeFirst()
          guard wishes.isEmpty else { continue }
          // All of them are open: one of them ends, and the last wish is free.
          let note = Body(
            ["note": "We no longer need this."], [.note], by: .staff, at: change.now)
          try change.cancelReferral(open, ofGroup: group, note, byStaff: true)
          wishes = [(type, state)]
        }
      }
    }
    planLife(of: made, group: group, member: member, from: hours)
  }

  private func planLife(of made: Made, group: ID, member: ID, from hours: Int) {
    let actor = pick(staff)
    let fate = chance()
    let outcome = pick(["deal_closed", "deal_closed", "not_engaged", "unknown"])
    func act(
      at hours: Int, by actor: ID, _ run: @escaping (Change, Referral) throws -> Void
    ) {
      plan(hours, by: actor) { change in
        guard let id = made.id, let referral = try change.referral(id) else { return }
        try run(change, referral)
      }
    }
    func move(_ command: ReferralCommand, at hours: Int) {
      act(at: hours, by: actor) { change, referral in
        let partner = try referral.partnerID.flatMap { try change.partner($0) }
        try change.perform(command, on: referral, partner: partner)
      }
    }
    if fate < 0.06 {
      act(at: hours + between(5, 90), by: member) { change, referral in
        let note = Body(
          ["note": "We found somebody ourselves."], [.note], by: .member, at: change.now)
        try change.cancelReferral(referral.id, ofGroup: group, note, byStaff: false)
      }
    }
    let matched = hours + between(4, 120)
    let introduced = matched + between(2, 72)
    act(at: matched, by: actor) { change, referral in
      guard let best = try change.rankingKeys(for: referral).min() else {
        // Nobody serves this state yet: the request waits.
        made.id = nil
        return
      }
      try change.perform(
        .match(best.id), on: referral, partner: try change.partner(best.id))
    }
    move(.introduce, at: introduced)
    if fate > 0.3 { move(.connect, at: introduced + between(10, 200)) }
    if fate > 0.5 {
      act(at: introduced + between(20, 80) * 24, by: actor) { change, referral in
        let body: JSON = [
          "outcome": .string(outcome), "outcome_notes": "As the partner told us on the telephone.",
        ]
        try change.recordOutcome(
          referral.id, Body(body, outcomeFields, by: .staff, at: change.now))
      }
    }
  }

  // MARK: Means

  private func plan(_ hours: Int, by actor: ID, _ run: @escaping (Change) throws -> Void) {
    actions.append(Action(time: time(hours: hours), actor: actor, run: run))
  }

  /// A time so many hours after the year's beginning.
  private func time(hours: Int) -> Timestamp {
    Timestamp(
      milliseconds: Demo.end.milliseconds + Int64(hours - Demo.hoursOfYear) * Demo.hour)
  }

  private func newID(at time: Timestamp) -> ID {
    ID(time: time, random: (random.next(), random.next()))
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
