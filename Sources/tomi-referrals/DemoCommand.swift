import ArgumentParser
import Domain
import JSON
import POSIX
import Store

/// `demo`: creates data to try the service with.
struct DemoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo", abstract: "Fill an empty database with demo data.",
    discussion: """
      The data look like a year of real use that ends now, and follow the service's rules. With --until, \
      the same options always give the same data.

      With --mail-from the last days have their messages too: most are sent, some have failed, and the \
      newest wait for `tomi-referrals mail`. Nobody gets any of them before that.
      """)

  @OptionGroup var database: DatabaseOption

  @Option(help: ArgumentHelp("The number of partners.", valueName: "n"))
  var partners = 60

  @Option(help: ArgumentHelp("The number of groups of co-buyers.", valueName: "n"))
  var groups = 40

  @Option(help: ArgumentHelp("The number of referral requests.", valueName: "n"))
  var referrals = 120

  @Option(help: ArgumentHelp("Another seed gives other data.", valueName: "number"))
  var seed: UInt64 = 1

  @Option(
    help: ArgumentHelp(
      "The end of the year, such as 2026-11-01T18:00:00Z (default: now).", valueName: "time"))
  var until: String?

  @OptionGroup var mail: MailOptions

  /// The most of each. The whole year is planned in memory.
  private static let most = 1_000_000

  /// The IDs of the year's things have its times, which begin in 1970 (RFC 9562, section 5.7).
  private static let earliestEnd = Timestamp("2000-01-01T00:00:00Z")!

  /// The end of the year; nil if the option has none.
  private var end: Timestamp? { until.map { Timestamp($0) } ?? .present }

  func validate() throws {
    guard let end, (Self.earliestEnd ... .present).contains(end) else {
      throw ValidationError(
        "--until takes a time from 2000 on that is not in the future, such as 2026-11-01T18:00:00Z."
      )
    }
    for (option, count) in [
      ("partners", partners), ("groups", groups), ("referrals", referrals),
    ] where !(0...Self.most).contains(count) {
      throw ValidationError("--\(option) takes a number from 0 to \(Self.most).")
    }
    if groups == 0, referrals > 0 { throw ValidationError("Referral requests need groups.") }
  }

  func run() throws {
    let settings = try mail.settings()
    guard let end else { return }
    try Migrator.migrate(path: database.path)
    let random = Lock(SplitMix64(state: seed))
    func withStore(mail: MailSettings?, _ body: (Store) throws -> Void) throws {
      let store = try Store(
        path: database.path, random: { random.withLock { $0.next() } }, mail: mail,
        // Room for a large database, so that filling it does not wait for pages to be read again.
        writerCacheKiB: 512 << 10)
      defer { store.close() }
      try body(store)
    }
    let demo = Demo(seed: seed, end: end)
    demo.plan(partners: partners, groups: groups, referrals: referrals)
    try withStore(mail: nil) { store in
      guard try store.read(now: end, { try $0.isEmpty() }) else {
        throw CommandError("the database is not empty; demo data needs a new one")
      }
      try demo.fill(store)
    }
    try withStore(mail: settings) { try demo.fillLastDays($0) }
    Progress.end()
    let counts = [
      Wording.count(partners, "partner"), Wording.count(groups, "group"),
      Wording.count(referrals, "referral request"),
    ]
    print("Created \(Wording.list(counts) ?? "nothing").")
  }
}

/// A random number generator with a seed (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
/// 2014).
private struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Plans the actions of a year, and then carries them out in the order of their times.
///
/// The writer's thread uses it while the thread that started it waits.
private final class Demo: @unchecked Sendable {
  private struct Action: @unchecked Sendable {
    let time: Timestamp
    let actor: ID?
    let run: (Change) throws -> Void
  }

  /// The ID that an action creates for later ones. Nil before that, and again when no more actions follow.
  private final class Created {
    var id: ID?
  }

  private static let hoursOfYear = 365 * 24
  private static let actionsPerTransaction = 10_000
  /// The actions of the last days that have their messages, at most so many: each is a transaction of its own.
  private static let lastDays = 10
  private static let mostLastActions = 500

  private let end: Timestamp
  private var random: SplitMix64
  private var staff: [ID] = []
  private var actions: [Action] = []
  private var lastActions: ArraySlice<Action> = []

  init(seed: UInt64, end: Timestamp) {
    self.end = end
    random = SplitMix64(state: seed ^ 0x544F_4D49)
  }

  func plan(partners: Int, groups: Int, referrals: Int) {
    planStaff()
    for index in 0..<partners { planPartner(index) }
    for index in 0..<groups {
      planGroup(index, referrals: referrals / groups + (index < referrals % groups ? 1 : 0))
    }
    actions = actions.enumerated().sorted {
      ($0.element.time, $0.offset) < ($1.element.time, $1.offset)
    }.map(\.element).filter { $0.time <= end }
    let since = end.adding(days: -Demo.lastDays)
    lastActions = actions.suffix(Demo.mostLastActions).drop { $0.time < since }
    actions.removeLast(lastActions.count)
  }

  /// Carries out the actions of the year but for those of the last days.
  func fill(_ store: Store) throws {
    for first in stride(from: 0, to: actions.count, by: Demo.actionsPerTransaction) {
      Progress.update("Filling: \(100 * first / actions.count) %")
      let actions = actions[first...].prefix(Demo.actionsPerTransaction)
      try store.fill(now: end) { change in
        for action in actions {
          try Demo.carryOut(action, change.acting(as: action.actor, at: action.time))
        }
      }
    }
  }

  private static func carryOut(_ action: Action, _ change: Change) throws {
    do {
      try action.run(change)
    } catch Failure.conflict {
      // An earlier action makes this one impossible: a request was cancelled, or a partner left. Rules are checked
      // before anything is written.
    }
  }

  // MARK: The last days, with their messages

  /// Carries out the actions of the last days. A store with settings for messages makes theirs. What was made more
  /// than two days ago counts as handed over.
  func fillLastDays(_ store: Store) throws {
    Progress.update("Filling: the last days")
    let newest = end.adding(days: -2)
    var next = end.adding(days: -Demo.lastDays)
    func carryOut(_ action: Action) throws {
      try store.write(now: action.time, actor: action.actor) { try Demo.carryOut(action, $0) }
    }
    for action in lastActions.prefix(while: { $0.time < newest }) {
      while next < action.time {
        try handOver(store, at: next)
        next = next.adding(minutes: 12 * 60)
      }
      try carryOut(action)
    }
    try joinWaitingList(store, at: newest)
    try handOver(store, at: newest)
    for action in lastActions.drop(while: { $0.time < newest }) { try carryOut(action) }
  }

  private var handedOver = 0

  /// Makes the reminders that are due, and notes of each message what a mail system may say.
  private func handOver(_ store: Store, at time: Timestamp) throws {
    for reminder in try store.read(now: time, { try $0.dueReminders() }) {
      try store.write(now: time, actor: nil) { try $0.remind(reminder) }
    }
    func take() throws -> Dispatch? {
      try store.write(now: time, actor: nil) { [self] in try $0.takeMessage(secret: secret) }
    }
    while let dispatch = try take() {
      handedOver += 1
      let isRefused = handedOver % 20 == 10
      let result = isRefused ? Demo.refusals[handedOver / 20 % Demo.refusals.count] : .accepted
      try store.write(now: time, actor: nil) { _ = try $0.note(result, of: dispatch) }
    }
  }

  /// The code of the last letter that has one, with a hash that only the demo knows.
  private var lastCode = (code: "", sha256: [UInt8]())

  private func secret() -> (code: String, sha256: [UInt8]) {
    let code = newID(at: 0).text
    lastCode = (code, Array(code.utf8.prefix(32)))
    return lastCode
  }

  /// Some people wait for types of partner that their state lacks. The last one has not confirmed the address.
  private func joinWaitingList(_ store: Store, at time: Timestamp) throws {
    let wishes: [(StateCode, PartnerType, Int)] = [
      (.TX, .attorney, 3), (.NY, .lender, 2), (.OH, .attorney, 2), (.FL, .agent, 1),
      (.GA, .attorney, 1),
    ]
    var number = 0
    for (state, type, count) in wishes {
      for _ in 0..<count {
        number += 1
        let email: JSON = ["email": "waiting\(number)@mail.example"]
        do {
          try store.write(now: time, actor: nil) { change in
            try change.joinWaitingList(state, type, change.body(email, addressFields, by: .anyone))
          }
        } catch Failure.conflict {
          continue
        }
        try handOver(store, at: time)
        guard number < 9, !lastCode.code.isEmpty else { continue }
        let (code, sha256) = lastCode
        lastCode = ("", [])
        try store.write(now: time, actor: nil) { change in
          try change.confirmWaiting(
            change.body(["code": "\(code)"], codeFields, by: .anyone), hash: { _ in sha256 })
        }
      }
    }
  }

  // MARK: Staff and partners

  private func planStaff() {
    let people = [("Ana Lindqvist", "staff"), ("Marcus Bell", "marcus"), ("Priya Raman", "priya")]
    for (name, mailbox) in people {
      let id = newID(at: 0)
      staff.append(id)
      let fields: JSON = ["name": "\(name)", "email": "\(mailbox)@tomi.example"]
      plan(0, by: nil) { try $0.putUser(id, $0.body(fields, .users)) }
      // Nobody knows its secret. It makes a colleague of them, to whom requests can be handed over.
      let sha256 = (0..<32).map { _ in UInt8(between(0, 255)) }
      plan(Demo.hoursOfYear - 12, by: nil) { change in
        try change.createToken(
          for: id, scope: .admin, sha256: sha256,
          change.body(["name": "Demo"], .tokens, isNew: true))
      }
    }
  }

  private func planPartner(_ index: Int) {
    // Most partners are in Minnesota and California, and most states have none.
    let roll = chance()
    let home: StateCode = roll < 0.4 ? .MN : roll < 0.75 ? .CA : pick(Demo.furtherStates)
    var areas = [home]
    if chance() < 0.3 { areas.append(pick(StateCode.allCases)) }
    let type = weightedType()
    let family = pick(Demo.families)
    let company = Demo.company(type, family: family, town: pick(Demo.towns))
    let domain = FoldedText.searched(company).filter { $0.isASCII && $0.isLetter }
    let contact = "\(pick(Demo.names)) \(family)"
    let email = "office\(index + 1)@\(domain).example"
    let fields: JSON = [
      "type": "\(type)", "company_name": "\(company)", "contact_name": "\(contact)",
      "email": "\(email)",
      "description": chance() < 0.8 ? "\(pick(Demo.descriptions[type]!))" : .null,
      "languages": chance() < 0.4 ? ["en", "\(pick(Demo.languages))"] : ["en"],
      "affiliation_disclosure": chance() < 0.05
        ? "An owner of Tomi owns a part of this company." : .null,
      "max_open_referrals": chance() < 0.15 ? .integer(between(3, 8)) : .null,
      "phone": "(\(between(201, 989))) 555-\(between(1000, 9999))",
      "website": "https://www.\(domain).example", "service_areas": .array(areas.map { "\($0)" }),
      "co_ownership_certified": .bool(chance() < (type == .agent ? 0.5 : 0.25)),
      "notes": "Met through \(pick(Demo.sources)).",
    ]
    let actor = pick(staff)
    let invited = between(0, 240) * 24 + between(0, 9)
    let fate = chance()
    let created = Created()
    plan(invited, by: actor) { change in
      created.id = try change.createPartner(
        change.body(fields, .partners, isNew: true), invitedBy: actor)
    }
    func move(_ status: PartnerStatus, at hours: Int, note: String) {
      plan(hours, by: actor) { change in
        guard let id = created.id else { return }
        if status == .active {
          let signed: JSON = ["agreement_signed_at": "\(change.now)"]
          try change.updatePartner(id, change.body(signed, .partners), by: .staff)
        }
        let fields: JSON = ["status": .string(status.rawValue), "note": "\(note)"]
        try change.changePartnerStatus(id, change.body(fields, partnerStatusFields))
      }
    }
    let reviewed = invited + between(3, 15) * 24
    let activated = reviewed + between(1, 20) * 24
    let left = activated + between(60, 200) * 24
    if fate > 0.08 { move(.pendingReview, at: reviewed, note: "Sent their papers.") }
    if fate > 0.15 { move(.active, at: activated, note: "Agreement signed.") }
    if fate > 0.93 { move(.inactive, at: left, note: "On leave.") }
    if fate > 0.97 { move(.removed, at: left + 20 * 24, note: "Closed the practice.") }
    guard fate > 0.08 else { return }
    planCredentials(of: created, type, in: home, by: actor, from: reviewed)
    guard fate > 0.15, chance() < 0.7 else { return }
    let user = newID(at: reviewed)
    act(on: created, at: reviewed + 1, by: actor) { change, id in
      try change.putUser(user, change.body(["name": "\(contact)", "email": "\(email)"], .users))
      let link: JSON = ["user_id": "\(user)"]
      try change.updatePartner(id, change.body(link, .partners), by: .staff)
    }
    planOwnChanges(of: created, user, areas: areas, domain: domain, by: actor, from: activated)
  }

  /// Plans the licence that a partner's profession needs, for some also an insurance. Staff verifies most of them.
  private func planCredentials(
    of partner: Created, _ type: PartnerType, in state: StateCode, by actor: ID, from hours: Int
  ) {
    let (kind, issuer) = Demo.licences[type]!
    var credentials: [JSON] = [
      [
        "kind": "\(kind.rawValue)", "number": "\(between(10_000, 999_999))", "issuer": "\(issuer)",
        "state_code": kind == .nmls ? .null : "\(state)", "expires_on": "\(expiry())",
      ]
    ]
    if chance() < 0.3 {
      credentials.append([
        "kind": "\(CredentialKind.errorsAndOmissions.rawValue)",
        "number": "EO-\(between(100_000, 999_999))", "issuer": "Prairie Mutual",
        "expires_on": "\(expiry())",
      ])
    }
    for credential in credentials {
      let isVerified = chance() < 0.8
      act(on: partner, at: hours, by: actor) { change, id in
        let added = try change.addCredential(
          toPartner: id, change.body(credential, .credentials, isNew: true))
        guard isVerified else { return }
        let verified = change.body(["verified": true], [credentialVerified])
        try change.updateCredential(added, ofPartner: id, verified, by: .staff)
      }
    }
  }

  /// The last good day of a credential: a few expired lately, some expire within a month.
  private func expiry() -> String {
    let roll = chance()
    let days =
      roll < 0.04 ? between(-40, -1) : roll < 0.18 ? between(1, 30) : between(31, 700)
    return end.adding(days: days).day
  }

  /// Plans what a partner changes itself: an early change that staff reviews, one that still waits, and a pause.
  private func planOwnChanges(
    of partner: Created, _ user: ID, areas: [StateCode], domain: String, by actor: ID,
    from hours: Int
  ) {
    let further = StateCode.allCases.filter { !areas.contains($0) }
    let proposals: [JSON] = [
      ["website": "https://\(domain).example"],
      ["description": "We answer within one business day."],
      ["service_areas": .array((areas + [pick(further)]).map { "\($0)" })],
    ]
    func propose(_ fields: JSON, at hours: Int) {
      act(on: partner, at: hours, by: user) { change, id in
        try change.updatePartner(id, change.body(fields, .partners, by: .partner), by: .partner)
      }
    }
    if chance() < 0.2 {
      let decision: ReviewDecision = chance() < 0.7 ? .approved : .rejected
      propose(pick(proposals), at: hours + 5 * 24)
      act(on: partner, at: hours + 7 * 24, by: actor) { change, id in
        let review: JSON = ["decision": "\(decision)"]
        try change.reviewPartnerChanges(id, change.body(review, partnerReviewFields))
      }
    }
    let lately = Demo.hoursOfYear - between(1, 14) * 24
    guard lately > hours else { return }
    if chance() < 0.15 { propose(pick(proposals), at: lately) }
    if chance() < 0.1 {
      let pause: JSON = ["paused_until": "\(end.adding(days: between(10, 60)).day)"]
      propose(pause, at: lately)
    }
  }

  // MARK: Groups and referral requests

  private func planGroup(_ index: Int, referrals: Int) {
    let founded = between(20, 280) * 24
    let id = newID(at: founded)
    let state: StateCode = chance() < 0.55 ? .MN : chance() < 0.8 ? .CA : pick(Demo.furtherStates)
    let members = (0..<between(2, 4)).map { member -> (id: ID, fields: JSON) in
      let id = newID(at: founded)
      let name = "\(pick(Demo.names)) \(pick(Demo.families))"
      return (
        id, ["name": "\(name)", "email": "member\(index + 1).\(member + 1)@mail.example"]
      )
    }
    let name =
      "\(pick(Demo.streets)) \(pick(["House", "Collective", "Co-op", "Neighbors", "Home"]))"
    plan(founded, by: pick(staff)) { change in
      for member in members { try change.putUser(member.id, change.body(member.fields, .users)) }
      let group: JSON = [
        "name": "\(name)", "state": "\(state)", "members": .array(members.map { "\($0.id)" }),
      ]
      try change.putGroup(id, change.body(group, .groups))
    }
    for _ in 0..<referrals {
      // The last days are busier, so that there is something to do at the desk.
      let asked =
        chance() < 0.12
        ? Demo.hoursOfYear - between(2, 96)
        : founded + 24 + between(0, Demo.hoursOfYear - founded - 48)
      planReferral(of: id, in: state, members: members.map(\.id), at: asked)
    }
  }

  private func planReferral(of group: ID, in state: StateCode, members: [ID], at hours: Int) {
    let member = pick(members)
    let lowest = between(5, 16) * 50_000
    // A group has one open request of a type and state. If there is one of the first choice, another is made.
    var wishes = [(weightedType(), chance() < 0.9 ? state : nil)]
    wishes += PartnerType.allCases.flatMap { type in [(type, state), (type, nil)] }
    let timeline = pick(["1 month", "3 months", "6 months", "this year"])
    let need = random.next()
    let created = Created()
    plan(hours, by: member) { change in
      var wishes = wishes[...]
      while let (type, state) = wishes.first {
        let needs = Demo.needs[type]!
        let context: JSON = [
          "group_size": .integer(members.count),
          "home_price_range": ["min": .integer(lowest), "max": .integer(lowest + 150_000)],
          "timeline": "\(timeline)", "state": state.map { "\($0)" } ?? .null,
          "specific_need": "\(needs[Int(need % UInt64(needs.count))])",
        ]
        let body = change.body(
          ["partner_type": "\(type)", "context": context], .referrals, by: .member, isNew: true)
        do {
          created.id = try change.requestReferral(
            ofGroup: group, body, by: Caller(userID: member))
          return
        } catch Failure.conflict(.referralAlreadyOpen(_, let open)) {
          wishes.removeFirst()
          guard wishes.isEmpty else { continue }
          // There is an open request of every type. One is cancelled to make room for the last wish.
          let note = change.body(["note": "We no longer need this."], [.note])
          try change.cancelReferral(open, ofGroup: group, note, byStaff: true)
          wishes = [(type, state)]
        }
      }
    }
    planLife(of: created, group: group, member: member, from: hours)
  }

  private func planLife(of created: Created, group: ID, member: ID, from hours: Int) {
    let actor = pick(staff)
    let fate = chance()
    let outcome = pick(["deal_closed", "deal_closed", "not_engaged", "unknown"])
    let patience = between(14, 60)
    func act(
      at hours: Int, by actor: ID, _ run: @escaping (Change, Referral) throws -> Void
    ) {
      plan(hours, by: actor) { change in
        guard let id = created.id, let referral = try change.referral(id) else { return }
        try run(change, referral)
      }
    }
    /// Matches the request with the best candidate, who is not the partner that declined it.
    func match(at hours: Int) {
      act(at: hours, by: actor) { change, referral in
        // Without a partner in the state, the request waits.
        guard referral.status == .pending, let best = try change.bestCandidate(for: referral)
        else { return }
        let fields: JSON = ["partner_id": "\(best)", "assigned_to": "\(actor)"]
        try change.updateReferral(referral.id, change.body(fields, .referrals))
      }
    }
    func introduce(at hours: Int) {
      act(at: hours, by: actor) { change, referral in
        guard referral.status == .matched else { return }
        let fields: JSON = [
          "status": "\(ReferralStatus.introSent.rawValue)",
          "follow_up_on": "\(change.now.adding(days: 7).day)",
        ]
        try change.updateReferral(referral.id, change.body(fields, .referrals))
      }
    }
    /// The partner answers itself if it has a user. Otherwise staff records that they work together.
    func answer(_ fields: JSON, at hours: Int) {
      act(at: hours, by: actor) { change, referral in
        guard referral.status == .introSent,
          let partner = try referral.partnerID.flatMap({ try change.partner($0) })
        else { return }
        if let user = partner.userID {
          _ = try change.acting(as: user, at: change.now).answerReferral(
            referral.id, ofPartner: partner.id,
            change.body(fields, responseFields, by: .partner))
        } else if fields["response"] == "accepted" {
          try change.perform(.connect, on: referral, partner: partner)
        }
        guard fields["response"] == "accepted" else { return }
        let later: JSON = ["follow_up_on": "\(change.now.adding(days: patience).day)"]
        try change.updateReferral(referral.id, change.body(later, .referrals))
      }
    }
    func cancel(at hours: Int, from statuses: Set<ReferralStatus>) {
      act(at: hours, by: member) { change, referral in
        guard statuses.contains(referral.status) else { return }
        let note = change.body(["note": "We found somebody ourselves."], [.note], by: .member)
        try change.cancelReferral(referral.id, ofGroup: group, note, byStaff: false)
      }
    }
    func close(at hours: Int, from status: ReferralStatus, _ outcome: String, _ notes: String) {
      act(at: hours, by: actor) { change, referral in
        guard referral.status == status else { return }
        let fields: JSON = ["outcome": "\(outcome)", "outcome_notes": "\(notes)"]
        try change.recordOutcome(referral.id, change.body(fields, outcomeFields))
      }
    }
    if fate < 0.06 { cancel(at: hours + between(5, 90), from: Set(ReferralStatus.allCases)) }
    let matched = hours + between(4, 120)
    // Staff looks again after three weeks if there was no partner.
    for matched in [matched, matched + 21 * 24] {
      let introduced = matched + between(2, 72)
      match(at: matched)
      introduce(at: introduced)
      if chance() < 0.12 {
        let (code, reason) = pick(Demo.declines)
        let declined = introduced + between(2, 9)
        answer(
          ["response": "declined", "reason_code": "\(code.rawValue)", "reason": "\(reason)"],
          at: declined)
        match(at: declined + 24)
        introduce(at: declined + 30)
      }
      if fate > 0.25 { answer(["response": "accepted"], at: introduced + between(40, 200)) }
      if fate > 0.4 {
        close(
          at: introduced + between(20, 80) * 24, from: .connected, outcome,
          "The partner told us on the telephone.")
      }
      let given = introduced + between(15, 25) * 24
      if fate > 0.08 { close(at: given, from: .introSent, "unknown", "They never answered.") }
    }
    if chance() < 0.9 { cancel(at: matched + between(40, 60) * 24, from: [.pending]) }
    if chance() < 0.8 {
      close(at: matched + 120 * 24, from: .connected, "unknown", "Nobody could tell us.")
    }
  }

  /// Plans something for a partner that an action creates.
  private func act(
    on partner: Created, at hours: Int, by actor: ID,
    _ run: @escaping (Change, ID) throws -> Void
  ) {
    plan(hours, by: actor) { change in if let id = partner.id { try run(change, id) } }
  }

  // MARK: Times and random choices

  private func plan(_ hours: Int, by actor: ID?, _ run: @escaping (Change) throws -> Void) {
    actions.append(Action(time: time(hours: hours), actor: actor, run: run))
  }

  /// The time so many hours after the beginning of the year.
  private func time(hours: Int) -> Timestamp {
    Timestamp(
      milliseconds: end.milliseconds + Int64(hours - Demo.hoursOfYear) * 3_600_000)
  }

  private func newID(at hours: Int) -> ID {
    ID(time: time(hours: hours), random: (random.next(), random.next()))
  }

  private func pick<Element>(_ elements: [Element]) -> Element {
    elements[between(0, elements.count - 1)]
  }

  private func between(_ low: Int, _ high: Int) -> Int {
    low + Int(random.next() % UInt64(max(high - low, 0) + 1))
  }

  private func chance() -> Double { Double(random.next() >> 11) / Double(1 << 53) }

  private func weightedType() -> PartnerType {
    var roll = chance()
    for (type, weight) in Demo.types {
      if roll < weight { return type }
      roll -= weight
    }
    return .attorney
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
  private static let descriptions: [PartnerType: [String]] = [
    .attorney: [
      "We draft and review TIC agreements, and are at the closing with you.",
      "Co-ownership is most of our work. The first call is free.",
    ],
    .lender: [
      "Fractional TIC loans for two to ten owners.",
      "Local credit decisions, and one loan officer from start to end.",
    ],
    .agent: [
      "Duplexes, triplexes and large houses for groups.",
      "I have bought with friends myself, and know what to look for.",
    ],
    .title: ["Title and escrow for shared ownership."],
    .insurance: ["One policy for the house and all of its owners."],
    .cpa: ["Taxes for owners who share a house."],
  ]
  private static let languages = ["es", "so", "vi", "zh", "fr", "de", "ko", "am"]
  private static let licences: [PartnerType: (CredentialKind, String)] = [
    .attorney: (.barAdmission, "State bar"), .lender: (.nmls, "NMLS"),
    .agent: (.realEstateLicense, "Department of Commerce"),
    .title: (.titleLicense, "Department of Commerce"),
    .insurance: (.insuranceLicense, "Department of Insurance"),
    .cpa: (.cpaLicense, "Board of Accountancy"),
  ]
  private static let declines: [(DeclineReason, String)] = [
    (.noCapacity, "We are full until the end of next month."),
    (.conflictOfInterest, "We represent the seller."),
    (.outsideArea, "Too far from our office."),
    (.outsidePractice, "We do not make loans of this kind."),
    (.terms, "The timeline is too short for us."),
    (.other, "We are moving our office."),
  ]
  private static let refusals: [DeliveryResult] = [
    .permanently(
      "exit status 67 (EX_NOUSER): 550 5.1.1 Recipient address rejected: User unknown in virtual mailbox table"
    ),
    .temporarily(
      "exit status 75 (EX_TEMPFAIL): 451 4.7.1 Greylisting in action, please come back later"),
  ]
  private static let sources = [
    "a bar association", "a member's tip", "a conference", "their website",
  ]
  private static let needs: [PartnerType: [String]] = [
    .attorney: ["Review of our TIC agreement", "A closing for all owners"],
    .lender: ["A TIC mortgage with fractional loans", "One loan for all of us"],
    .agent: ["A duplex with a yard", "Somebody who knows co-ownership"],
    .title: ["Title insurance for unequal shares"],
    .insurance: ["A policy that names all owners"],
    .cpa: ["How to share the deductions"],
  ]
}

extension Change {
  /// Reads the fields of a resource as a request's body.
  fileprivate func body(
    _ fields: JSON, _ table: Table, by audience: Audiences = .staff, isNew: Bool = false
  ) -> Body {
    Body(fields, table.fields, by: audience, at: now, isNew: isNew)
  }

  /// Reads fields as a request's body.
  fileprivate func body(_ json: JSON, _ fields: [Field], by audience: Audiences = .staff) -> Body {
    Body(json, fields, by: audience, at: now)
  }
}
