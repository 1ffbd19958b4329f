import Domain
import JSON
import Testing

/// Where a request stands before an update.
private enum Start: String {
  case pending, matched
  case introSent = "intro_sent"
  case connected, closed
  case cancelledEarly = "cancelled while pending"
  case cancelledMatched = "cancelled while matched"
  case cancelledIntroduced = "cancelled once introduced"

  var referral: Referral {
    var referral = Referral.sample(ReferralStatus(rawValue: rawValue) ?? .cancelled)
    if self == .cancelledMatched || self == .cancelledIntroduced {
      referral.partnerID = Referral.partner
    }
    if self == .cancelledIntroduced { referral.introSentAt = Referral.introduction }
    return referral
  }
}

/// Another partner than the samples', who fits as well.
private let other = Partner.sample(200)
private let unknown = sampleID(999)

extension ReferralUpdate {
  /// What is wrong with its fields, whatever the life cycle says.
  fileprivate func problems(
    for referral: Referral, partnerExists: Bool, at now: Timestamp
  ) -> [FieldError] {
    command(for: referral, partnerExists: partnerExists, at: now).errors
  }

  /// The request after its command, whatever is wrong with its fields.
  fileprivate func applied(
    to referral: Referral, partner: Partner?, at now: Timestamp
  ) throws -> Referral {
    let command = command(for: referral, partnerExists: true, at: now).command
    return try referral.applying(command, partner: partner, hasContact: true, at: now)
  }
}

/// What an update does, in a word: the new status; `=` where nothing at all changes; `+` behind the status for another partner;
/// `x` for a move that the life cycle lacks, `409 …` for other conflicts; `!…` with the first field's code for 422.
private func effect(of update: ReferralUpdate, on referral: Referral) -> String {
  let named: ID? = if case .some(.some(let id)) = update.partnerID { id } else { nil }
  let problems = update.problems(for: referral, partnerExists: named != unknown, at: now)
  if let problem = problems.first { return "!" + problem.problem.code.rawValue }
  do {
    let partner = [Partner.sample(100), other].first { $0.id == named ?? referral.partnerID }
    let updated = try update.applied(to: referral, partner: partner, at: now)
    if updated == referral { return "=" }
    let isOther = updated.partnerID != nil && updated.partnerID != referral.partnerID
    return updated.status.rawValue + (isOther ? "+" : "")
  } catch Failure.conflict(.transitionNotAllowed) {
    return "x"
  } catch Failure.conflict(let conflict) {
    return "409 \(conflict)"
  } catch {
    return "\(error)"
  }
}

/// The cells of a table's row, which stand apart by two spaces or more.
private func cells(_ row: String) -> [String] {
  row.split(separator: "  ").map { String($0.drop(while: { $0 == " " })) }
}

private struct Grid: CustomTestStringConvertible, Sendable {
  let start: String
  let rows: String
  var testDescription: String { start }
}

@Suite("Staff's update of a referral request")
struct ReferralUpdateTests {
  private static let statuses: [ReferralStatus?] = [
    nil, .pending, .matched, .introSent, .connected, .closed, .cancelled,
  ]

  /// For each start: what is said of the partner, down, against what is said of the status, across. The
  /// short words: `!here` not_allowed_here, `!null` not_null, `!unknown` unknown_partner, `taken`
  /// partner_already_introduced.
  private static let grids = [
    Grid(
      start: "pending",
      rows: """
        partner_id  (none)    pending   matched    intro_sent  connected  closed    cancelled
        left out    =         =         !required  x           x          x         cancelled
        null        !null     =         !null      x           x          x         cancelled
        other       matched+  !here     matched+   x           x          !here     !here
        unknown     !unknown  !unknown  !unknown   !unknown    !unknown   !unknown  !unknown
        """),
    Grid(
      start: "matched",
      rows: """
        partner_id  (none)    pending   matched   intro_sent   connected  closed    cancelled
        left out    =         pending   =         intro_sent   x          x         cancelled
        null        !null     pending   !null     !null        !null      !null     !null
        same        =         !here     =         intro_sent   x          x         cancelled
        other       matched+  !here     matched+  intro_sent+  x          !here     !here
        unknown     !unknown  !unknown  !unknown  !unknown     !unknown   !unknown  !unknown
        """),
    Grid(
      start: "intro_sent",
      rows: """
        partner_id  (none)  pending  matched  intro_sent  connected  closed  cancelled
        left out    =       pending  x        =           connected  closed  cancelled
        null        !null   pending  !null    !null       !null      !null   !null
        same        =       !here    x        =           connected  closed  cancelled
        other       taken   !here    x        taken       taken      taken   taken
        """),
    Grid(
      start: "connected",
      rows: """
        partner_id  (none)  pending  matched  intro_sent  connected  closed  cancelled
        left out    =       x        x        x           =          closed  cancelled
        null        !null   x        !null    !null       !null      !null   !null
        same        =       !here    x        x           =          closed  cancelled
        other       taken   !here    x        x           taken      taken   taken
        """),
    Grid(
      start: "closed",
      rows: """
        partner_id  (none)  pending  matched  intro_sent  connected  closed  cancelled
        left out    =       pending  x        x           connected  =       x
        null        !null   pending  !null    !null       !null      !null   !null
        same        =       !here    x        x           connected  =       x
        other       taken   !here    x        x           taken      taken   x
        """),
    Grid(
      start: "cancelled while pending",
      rows: """
        partner_id  (none)  pending  matched    intro_sent  connected  closed  cancelled
        left out    =       pending  !required  x           x          x       =
        null        !null   pending  !null      x           x          x       =
        other       x       !here    x          x           x          !here   !here
        """),
    Grid(
      start: "cancelled while matched",
      rows: """
        partner_id  (none)  pending  matched  intro_sent  connected  closed  cancelled
        left out    =       pending  x        x           x          x       =
        null        !null   pending  !null    !null       !null      !null   !null
        same        =       !here    x        x           x          x       =
        other       x       !here    x        x           x          !here   !here
        """),
    Grid(
      start: "cancelled once introduced",
      rows: """
        partner_id  (none)  pending  matched  intro_sent  connected  closed  cancelled
        left out    =       pending  x        x           x          x       =
        null        !null   pending  !null    !null       !null      !null   !null
        same        =       !here    x        x           x          x       =
        other       taken   !here    x        x           x          x       taken
        """),
  ]

  private static let words = [
    "!here": "!not_allowed_here", "!null": "!not_null", "!unknown": "!unknown_partner",
    "taken": "409 partnerAlreadyIntroduced",
  ]

  @Test("partner_id and status together, from each start", arguments: grids)
  private func partnerAndStatus(_ grid: Grid) throws {
    let referral = try #require(Start(rawValue: grid.start)).referral
    for row in grid.rows.split(separator: "\n").dropFirst() {
      let cells = cells(String(row))
      let name = try #require(cells.first)
      try #require(cells.count == 1 + Self.statuses.count, "\(row)")
      for (status, expected) in zip(Self.statuses, cells.dropFirst()) {
        var update = ReferralUpdate(status: status)
        switch name {
        case "null": update.partnerID = .some(nil)
        case "same": update.partnerID = Referral.partner
        case "other": update.partnerID = other.id
        case "unknown": update.partnerID = unknown
        default: break
        }
        #expect(
          effect(of: update, on: referral) == Self.words[expected] ?? expected,
          "partner_id \(name), status \(status?.rawValue ?? "left out")")
      }
    }
  }

  @Test(
    "intro_sent_at: null, past and future",
    arguments: [
      // The start, the status given, and what comes of each; a time stands for itself: "past" is kept, "now" is set.
      (.pending, nil, "=", "!not_allowed_here", "!not_allowed_here"),
      (.pending, .cancelled, "none", "!not_allowed_here", "!not_allowed_here"),
      (.matched, nil, "=", "!not_allowed_here", "!not_allowed_here"),
      (.matched, .pending, "none", "!not_allowed_here", "!not_allowed_here"),
      (.matched, .cancelled, "none", "!not_allowed_here", "!not_allowed_here"),
      (.matched, .introSent, "now", "past", "!in_future"),
      (.introSent, nil, "!not_null", "past", "!in_future"),
      (.introSent, .introSent, "!not_null", "past", "!in_future"),
      (.introSent, .pending, "none", "!not_allowed_here", "!not_allowed_here"),
      (.introSent, .connected, "!not_null", "past", "!in_future"),
      (.introSent, .closed, "!not_null", "past", "!in_future"),
      (.introSent, .cancelled, "!not_null", "past", "!in_future"),
      (.connected, nil, "!not_null", "past", "!in_future"),
      (.connected, .closed, "!not_null", "past", "!in_future"),
      (.closed, nil, "!not_null", "past", "!in_future"),
      (.cancelledEarly, nil, "=", "!not_allowed_here", "!not_allowed_here"),
      (.cancelledMatched, nil, "=", "!not_allowed_here", "!not_allowed_here"),
      (.cancelledIntroduced, nil, "!not_null", "past", "!in_future"),
    ] as [(Start, ReferralStatus?, String, String, String)])
  private func introduction(
    start: Start, status: ReferralStatus?, null: String, past: String, future: String
  ) throws {
    let referral = start.referral
    let given: [(Timestamp?, String)] = [
      (nil, null), (now.adding(days: -7), past), (now.adding(days: 1), future),
    ]
    for (time, expected) in given {
      let update = ReferralUpdate(status: status, introSentAt: .some(time))
      let effect = effect(of: update, on: referral)
      guard ["none", "now", "past"].contains(expected) else {
        #expect(effect == expected, "\(String(describing: time))")
        continue
      }
      #expect(effect == status?.rawValue ?? referral.status.rawValue)
      let updated = try update.applied(to: referral, partner: .sample(100), at: now)
      let times = ["now": now, "past": now.adding(days: -7)]
      #expect(updated.introSentAt == times[expected])
    }
  }

  @Test("an introduction made this very moment is not in the future")
  func introducedNow() {
    let update = ReferralUpdate(status: .introSent, introSentAt: now)
    #expect(effect(of: update, on: .sample(.matched)) == "intro_sent")
  }

  @Test("every wrong field is named at once")
  func problems() {
    let update = ReferralUpdate(
      status: .introSent, partnerID: unknown, introSentAt: now.adding(days: 1))
    let problems = update.problems(for: .sample(.matched), partnerExists: false, at: now)
    #expect(problems.map(\.place) == [.pointer("/partner_id"), .pointer("/intro_sent_at")])
    #expect(problems.map(\.problem.code) == [.unknownPartner, .inFuture])
  }

  @Test("the contact is null only while the request is pending", arguments: ReferralStatus.allCases)
  func noContact(status: ReferralStatus) throws {
    var referral = Referral.sample(status)
    let update = ReferralUpdate(contactID: .some(nil))
    #expect(effect(of: update, on: referral) == (status == .pending ? "pending" : "!not_null"))
    referral.contactID = nil
    #expect(effect(of: update, on: referral) == "=")
  }

  @Test("who looks after it, when to follow up and the consent change in any status, and with it")
  func work() throws {
    for status in ReferralStatus.allCases {
      let update = ReferralUpdate(
        consentVersion: "1",
        fields: [JSON.Member("assigned_to", "x"), JSON.Member("follow_up_on", "2026-03-02")])
      var expected = Referral.sample(status)
      expected.setConsent("1", at: now)
      expected["assigned_to"] = "x"
      expected["follow_up_on"] = "2026-03-02"
      #expect(
        try update.applied(to: .sample(status), partner: .sample(100), at: now) == expected)
    }
    let update = ReferralUpdate(
      status: .introSent, contactID: sampleID(4), fields: [JSON.Member("assigned_to", "x")])
    let introduced = try update.applied(to: .sample(.matched), partner: .sample(100), at: now)
    #expect(introduced.status == .introSent)
    #expect(introduced.contactID == sampleID(4))
    #expect(introduced["assigned_to"] == "x")
  }

  @Test("an update that says nothing changes nothing", arguments: ReferralStatus.allCases)
  func empty(status: ReferralStatus) {
    #expect(effect(of: ReferralUpdate(), on: .sample(status)) == "=")
  }

  @Test("the partner type changes while pending alone", arguments: ReferralStatus.allCases)
  func partnerType(status: ReferralStatus) throws {
    let referral = Referral.sample(status)
    let update = ReferralUpdate(partnerType: .lender)
    if status == .pending {
      var expected = referral
      expected["partner_type"] = "lender"
      #expect(try update.applied(to: referral, partner: nil, at: now) == expected)
    } else {
      #expect(
        refusal { try update.applied(to: referral, partner: .sample(100), at: now) }
          == .conflict(.referralNotPending))
    }
    #expect(effect(of: ReferralUpdate(partnerType: .attorney), on: referral) == "=")
  }

  @Test("the type and the partner may change at once, and then the partner must be of the new type")
  func typeAndPartner() throws {
    var lender = other
    lender["type"] = "lender"
    let update = ReferralUpdate(partnerID: other.id, partnerType: .lender)
    let referral = Referral.sample(.pending)
    let updated = try update.applied(to: referral, partner: lender, at: now)
    #expect(updated.status == .matched)
    #expect(updated.partnerType == .lender)
    #expect(
      refusal { try update.applied(to: referral, partner: other, at: now) }
        == .conflict(.partnerNotEligible([.otherType])))
  }

  @Test("context is replaced whole", arguments: ReferralStatus.allCases)
  func context(status: ReferralStatus) throws {
    var expected = Referral.sample(status)
    expected["context"] = ["timeline": "this spring", "state": "MN"]
    let update = ReferralUpdate(context: expected["context"])
    #expect(
      try update.applied(to: .sample(status), partner: .sample(100), at: now) == expected)
  }

  @Test(
    "a partner that does not fit is refused, with all reasons",
    arguments: [ReferralStatus.pending, .matched])
  func eligibility(status: ReferralStatus) {
    var partner = Partner.sample(200, status: .inactive)
    partner["type"] = "agent"
    partner["service_areas"] = ["CA"]
    let update = ReferralUpdate(partnerID: partner.id)
    #expect(
      refusal { try update.applied(to: .sample(status), partner: partner, at: now) }
        == .conflict(.partnerNotEligible([.notActive, .otherType, .doesNotServeState])))
  }

  @Test("a request without a state takes a partner of any")
  func anyState() throws {
    var referral = Referral.sample(.pending)
    referral["context"] = ["group_size": 3, "state": .null]
    var partner = other
    partner["service_areas"] = ["AK"]
    let update = ReferralUpdate(partnerID: partner.id)
    #expect(try update.applied(to: referral, partner: partner, at: now).partnerID == partner.id)
  }

  @Test("the partner must serve the state that the same update gives")
  func newState() throws {
    var californian = other
    californian["service_areas"] = ["CA"]
    let update = ReferralUpdate(partnerID: other.id, context: ["state": "CA"])
    #expect(
      try update.applied(to: .sample(.pending), partner: californian, at: now).status == .matched)
    #expect(
      refusal { try update.applied(to: .sample(.pending), partner: other, at: now) }
        == .conflict(.partnerNotEligible([.doesNotServeState])))
  }

  @Test("a new state while matched must be one that the partner serves")
  func stateWhileMatched() throws {
    let partner = Partner.sample(100)
    let matched = Referral.sample(.matched)
    #expect(
      refusal {
        try ReferralUpdate(context: ["state": "CA"])
          .applied(to: matched, partner: partner, at: now)
      } == .conflict(.partnerNotEligible([.doesNotServeState])))
    #expect(
      refusal {
        try ReferralUpdate(status: .introSent, context: ["state": "CA"])
          .applied(to: matched, partner: partner, at: now)
      } == .conflict(.partnerNotEligible([.doesNotServeState])))
    let anywhere = ReferralUpdate(context: [:])
    #expect(try anywhere.applied(to: matched, partner: partner, at: now)["context"] == [:])
    let back = ReferralUpdate(status: .pending, context: ["state": "CA"])
    #expect(try back.applied(to: matched, partner: partner, at: now).status == .pending)
  }

  @Test(
    "an introduction stands, whatever state is put in later",
    arguments: [ReferralStatus.introSent, .connected])
  func stateOnceIntroduced(status: ReferralStatus) throws {
    let update = ReferralUpdate(context: ["state": "CA"])
    let updated = try update.applied(to: .sample(status), partner: .sample(100), at: now)
    #expect(updated.state == .CA)
    #expect(updated.status == status)
  }

  @Test("a partner that stopped to fit since the match is not introduced, but other things go on")
  func unfitSince() throws {
    var partner = Partner.sample(100)
    partner["service_areas"] = ["CA"]
    let matched = Referral.sample(.matched)
    #expect(throws: Failure.conflict(.partnerNotEligible([.doesNotServeState]))) {
      try ReferralUpdate(status: .introSent).applied(to: matched, partner: partner, at: now)
    }
    for status in [ReferralStatus.matched, .pending, .cancelled] {
      let updated = try ReferralUpdate(status: status)
        .applied(to: matched, partner: partner, at: now)
      #expect(updated.status == status)
    }
    // What was introduced stands.
    let introduced = Referral.sample(.introSent)
    let updated = try ReferralUpdate(status: .connected)
      .applied(to: introduced, partner: partner, at: now)
    #expect(updated.status == .connected)
  }

  @Test("the order of conflicts: transition, type, contact, introduction, eligibility")
  func order() {
    let unfit = Partner.sample(200, status: .removed)
    func conflict(_ update: ReferralUpdate, _ start: ReferralStatus) -> String {
      effectOfConflict { try update.applied(to: .sample(start), partner: unfit, at: now) }
    }
    var update = ReferralUpdate(status: .matched, partnerID: unfit.id, partnerType: .cpa)
    #expect(conflict(update, .introSent) == "transitionNotAllowed")
    update.status = .connected
    #expect(conflict(update, .introSent) == "referralNotPending")
    update.partnerType = nil
    #expect(conflict(update, .introSent) == "partnerAlreadyIntroduced")
    update.status = nil
    #expect(conflict(update, .matched) == "partnerNotEligible")
    update.contactID = sampleID(4)
    #expect(conflict(update, .closed) == "referralClosed")
  }

  private func effectOfConflict(_ body: () throws -> Referral) -> String {
    guard case .conflict(let conflict) = refusal(body) else { return "none" }
    return String("\(conflict)".prefix { $0 != "(" })
  }
}
