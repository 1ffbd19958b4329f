import Domain
import Testing

/// Every move that the life of a request has; all others it has not.
private let moves: [ReferralStatus: [ReferralStatus]] = [
  .pending: [.matched, .cancelled],
  .matched: [.matched, .pending, .introSent, .cancelled],
  .introSent: [.connected, .pending, .closed, .cancelled],
  .connected: [.closed, .cancelled],
  .closed: [.connected, .pending],
  .cancelled: [.pending],
]

@Suite("The life of a referral request")
struct ReferralTests {
  @Test("the statuses and outcomes are those of the product document, by name")
  func vocabulary() {
    #expect(
      ReferralStatus.allCases.map(\.rawValue)
        == ["pending", "matched", "intro_sent", "connected", "closed", "cancelled"])
    #expect(
      Outcome.allCases.map(\.rawValue) == ["engaged", "not_engaged", "deal_closed", "unknown"])
  }

  @Test("each status to each", arguments: ReferralStatus.allCases, ReferralStatus.allCases)
  func move(from: ReferralStatus, to: ReferralStatus) throws {
    let allowed = try #require(moves[from])
    let expected: Failure? =
      allowed.contains(to)
      ? nil
      : .conflict(
        .transitionNotAllowed(
          from: from.rawValue, to: to.rawValue, allowed: allowed.map(\.rawValue)))
    #expect(refusal { try Referral.sample(from).checkTransition(to: to) } == expected)
  }

  @Test("pending, matched and intro_sent are open")
  func open() {
    #expect(ReferralStatus.allCases.filter(\.isOpen) == [.pending, .matched, .introSent])
  }

  @Test("what follows from each move")
  func effects() throws {
    for from in ReferralStatus.allCases {
      for to in moves[from] ?? [] {
        let referral = Referral.sample(from)
        var expected = referral
        expected.status = to
        if to != from { expected.set("status_since", now) }
        if from == .closed { expected.outcome = nil }
        switch to {
        case .pending:
          expected.partnerID = nil
          expected.introSentAt = nil
          expected["connected_at"] = .null
        case .introSent:
          expected.introSentAt = now
        case .connected:
          expected.set("connected_at", from == .closed ? referral.time("status_since") : now)
        case .closed:
          expected.outcome = .unknown
        default:
          break
        }
        let command = ReferralCommand(status: to)
        #expect(
          try referral.applying(command, partner: .sample(100), hasContact: true, at: now)
            == expected,
          "\(from) to \(to)")
      }
    }
  }

  @Test("an introduction that has its time keeps it, and a closed request its outcome")
  func kept() throws {
    var referral = Referral.sample(.matched)
    referral.introSentAt = now.adding(days: -5)
    #expect(
      try referral.applying(.introduce, hasContact: true, at: now).introSentAt
        == now.adding(days: -5))
    referral = .sample(.connected)
    referral.outcome = .engaged
    #expect(try referral.applying(.close, at: now).outcome == .engaged)
  }

  @Test(
    "a cancellation in each status",
    arguments: [
      (.pending, true, true), (.matched, true, true), (.introSent, true, true),
      (.connected, false, true), (.closed, false, false),
    ] as [(ReferralStatus, member: Bool, staff: Bool)])
  func cancel(status: ReferralStatus, member: Bool, staff: Bool) throws {
    let referral = Referral.sample(status)
    var cancelled = referral
    cancelled.status = .cancelled
    cancelled.set("status_since", now)
    for (byStaff, may) in [(false, member), (true, staff)] {
      if may {
        #expect(try referral.cancelled(byStaff: byStaff, at: now) == cancelled)
      } else {
        // Staff reopens a closed request.
        #expect(
          refusal { try referral.cancelled(byStaff: byStaff, at: now) }
            == .conflict(
              .transitionNotAllowed(
                from: status.rawValue, to: "cancelled",
                allowed: byStaff ? ["connected", "pending"] : [])))
      }
    }
  }

  @Test("cancelled again changes nothing", arguments: [false, true])
  func cancelledAgain(byStaff: Bool) throws {
    let referral = Referral.sample(.cancelled)
    #expect(try referral.cancelled(byStaff: byStaff, at: now) == referral)
  }

  @Test("each outcome in each status", arguments: ReferralStatus.allCases, Outcome.allCases)
  func outcome(status: ReferralStatus, outcome: Outcome) throws {
    let referral = Referral.sample(status)
    var expected = referral
    expected.outcome = outcome
    switch status {
    case .pending, .matched, .cancelled:
      #expect(
        refusal { try referral.recording(outcome, at: now) }
          == .conflict(.outcomeNotPossible(status: status)))
      return
    case .introSent, .connected:
      expected.status = outcome == .engaged ? .connected : .closed
      if expected.status != status { expected.set("status_since", now) }
      // A deal that was closed was a connection, too.
      if status == .introSent && [.engaged, .dealClosed].contains(outcome) {
        expected.set("connected_at", now)
      }
    case .closed:
      break
    }
    #expect(try referral.recording(outcome, at: now) == expected)
  }

  @Test("a request that was cancelled after its introduction takes no outcome")
  func outcomeOfCancelled() throws {
    let referral = try Referral.sample(.connected).cancelled(byStaff: true, at: now)
    #expect(referral.isIntroduced)
    #expect(
      refusal { try referral.recording(.unknown, at: now) }
        == .conflict(.outcomeNotPossible(status: .cancelled)))
  }

  @Test("a reopened request has no outcome; if it is connected again, it keeps its introduction")
  func reopen() throws {
    var closed = Referral.sample(.closed)
    closed.set("connected_at", now.adding(days: -1))
    closed["outcome_notes"] = "They chose another one."
    let connected = try closed.applying(.connect, at: now)
    #expect(connected.status == .connected)
    #expect(connected.partnerID == Referral.partner)
    #expect(connected.introSentAt == Referral.introduction)
    #expect(connected.time("connected_at") == now.adding(days: -1))
    #expect(connected.time("status_since") == now)
    #expect(connected.outcome == nil)
    #expect(connected["outcome_notes"] == "They chose another one.")
    #expect(try connected.recording(.dealClosed, at: now).outcome == .dealClosed)

    let pending = try closed.applying(.giveBack, at: now)
    #expect(pending.status == .pending)
    for field in ["partner_id", "intro_sent_at", "connected_at", "outcome"] {
      #expect(pending[field] == .null, "\(field)")
    }

    // A connected request may be cancelled with its outcome.
    var cancelled = Referral.sample(.connected)
    cancelled.outcome = .engaged
    cancelled = try cancelled.cancelled(byStaff: true, at: now)
    #expect(cancelled.outcome == .engaged)
    #expect(try cancelled.applying(.giveBack, at: now).outcome == nil)
  }

  @Test("closed and cancelled end a request until staff reopens it")
  func over() {
    #expect(ReferralStatus.allCases.filter(\.isOver) == [.closed, .cancelled])
  }

  @Test("an introduction needs a contact, and consent if it is required")
  func introduction() throws {
    var referral = Referral.sample(.matched)
    let partner = Partner.sample(100)
    for command in [
      ReferralCommand.introduce, ReferralCommand(status: .introSent, partnerID: partner.id),
    ] {
      #expect(
        refusal { try referral.applying(command, partner: partner, at: now) }
          == .conflict(.contactMissing))
      #expect(
        refusal {
          try referral.applying(
            command, partner: partner, hasContact: true, requiresConsent: true, at: now)
        } == .conflict(.consentMissing))
    }
    referral.setConsent("2026-01", at: now)
    #expect(
      try referral.applying(.introduce, hasContact: true, requiresConsent: true, at: now).status
        == .introSent)
    // An introduced request is not introduced again.
    let introduced = Referral.sample(.introSent)
    #expect(try introduced.applying(.connect, requiresConsent: true, at: now).status == .connected)
    #expect(try introduced.applying(.introduce, requiresConsent: true, at: now) == introduced)
    let closed = Referral.sample(.closed)
    #expect(try closed.applying(.connect, requiresConsent: true, at: now).status == .connected)
  }

  @Test("the contact can change until the request is over", arguments: ReferralStatus.allCases)
  func contact(status: ReferralStatus) throws {
    let referral = Referral.sample(status)
    var command = ReferralCommand()
    command.contactID = sampleID(4)
    if status.isOver {
      #expect(
        refusal { try referral.applying(command, hasContact: true, at: now) }
          == .conflict(.referralClosed))
      // It can change with the request's reopening.
      command.status = .pending
      #expect(try referral.applying(command, at: now).contactID == sampleID(4))
    } else {
      #expect(try referral.applying(command, hasContact: true, at: now).contactID == sampleID(4))
      if referral.isIntroduced {
        #expect(refusal { try referral.applying(command, at: now) } == .conflict(.contactMissing))
      } else {
        #expect(try referral.applying(command, at: now).contactID == sampleID(4))
      }
    }
    command = ReferralCommand()
    command.contactID = referral.contactID
    #expect(try referral.applying(command, at: now) == referral)
  }

  @Test("consent has the time at which it was given or changed")
  func consent() throws {
    var referral = Referral.sample(.pending)
    func consent(_ version: String?, at time: Timestamp) throws {
      var command = ReferralCommand()
      command.consentVersion = .some(version)
      referral = try referral.applying(command, at: time)
    }
    try consent("1", at: now)
    #expect(referral.time("consented_at") == now)
    try consent("1", at: now.adding(days: 1))
    #expect(referral.time("consented_at") == now)
    try consent("2", at: now.adding(days: 2))
    #expect(referral.consentVersion == "2")
    #expect(referral.time("consented_at") == now.adding(days: 2))
    try consent(nil, at: now.adding(days: 3))
    #expect(referral.consentVersion == nil)
    #expect(referral["consented_at"] == .null)
  }

  @Test("a partner sees what was introduced, even if it was cancelled later")
  func introduced() {
    #expect(ReferralStatus.introduced == [.introSent, .connected, .closed, .cancelled])
  }

  @Test("the partner's answer in each status", arguments: ReferralStatus.allCases, [true, false])
  func answer(status: ReferralStatus, accepted: Bool) throws {
    let referral = Referral.sample(status)
    var expected = referral
    switch (status, accepted) {
    case (.introSent, true):
      expected.status = .connected
      expected.set("status_since", now)
      expected.set("connected_at", now)
    case (.introSent, false):
      expected.status = .pending
      expected.set("status_since", now)
      expected.partnerID = nil
      expected.introSentAt = nil
    case (.connected, true):
      break
    default:
      #expect(
        refusal { try referral.answered(accepted: accepted, at: now) }
          == .conflict(
            .transitionNotAllowed(
              from: status.rawValue, to: accepted ? "connected" : "pending", allowed: [])))
      return
    }
    #expect(try referral.answered(accepted: accepted, at: now) == expected)
  }

  @Test("why a partner does not fit, all reasons at once")
  func ineligibility() {
    let referral = Referral.sample(.pending)
    #expect(Partner.sample(1).ineligibility(for: referral, at: now) == [])
    for status in PartnerStatus.allCases where status != .active {
      #expect(
        Partner.sample(1, status: status).ineligibility(for: referral, at: now) == [.notActive])
    }
    for type in PartnerType.allCases where type != .attorney {
      var partner = Partner.sample(1)
      partner.set("type", type)
      #expect(partner.ineligibility(for: referral, at: now) == [.otherType])
    }
    var partner = Partner.sample(1, status: .inactive)
    partner["type"] = "cpa"
    partner["service_areas"] = ["CA", "WI"]
    #expect(
      partner.ineligibility(for: referral, at: now) == [.notActive, .otherType, .doesNotServeState])
    var anywhere = referral
    anywhere["context"] = ["state": .null]
    #expect(partner.ineligibility(for: anywhere, at: now) == [.notActive, .otherType])
    for (day, reasons) in [
      ("2026-02-28", [.credentialExpired]), ("2026-03-01", []), ("9999-12-31", []),
    ] as [(String, [Ineligibility])] {
      var partner = Partner.sample(1)
      partner["credentials_good_until"] = .string(day)
      // Whether it accepts referrals is no reason: staff decides that.
      partner["paused_until"] = "2026-12-31"
      #expect(partner.ineligibility(for: referral, at: now) == reasons, "\(day)")
    }
  }
}
