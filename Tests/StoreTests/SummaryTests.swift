import Domain
import JSON
import Testing

@testable import Store

extension TestStore {
  /// Moves a request at a time, as the service does.
  fileprivate func move(
    _ number: Int, to status: ReferralStatus, at time: Timestamp, partner: Int? = nil
  ) throws {
    try change(at: time) { change in
      let referral = try #require(try change.referral(sampleID(number)))
      let command = ReferralCommand(status: status, partnerID: partner.map(sampleID))
      let named = command.partnerID ?? referral.partnerID
      try change.perform(command, on: referral, partner: named.flatMap { try change.partner($0) })
    }
  }

  /// The counts of staff's overview: status, type and state.
  fileprivate func counts() throws -> [String: Int] {
    let counts = try read { try $0.staffSummary() }.counts
    return Dictionary(
      uniqueKeysWithValues: counts.map {
        ("\($0.status.rawValue) \($0.type.rawValue) \($0.state?.rawValue ?? "-")", $0.count)
      })
  }
}

@Suite("Overviews")
struct SummaryTests {
  @Test("the counts follow every change of a request")
  func counts() throws {
    let test = try TestStore()
    try test.addGroups()
    #expect(try test.counts() == [:])
    try test.change { change in
      try change.insert(Partner.sample(21))
      try change.insert(Referral.sample(31))
      try change.insert(Referral.sample(32, group: 12))
      try change.insert(Referral.sample(33, group: 13, .pending, .cpa, state: nil))
    }
    #expect(try test.counts() == ["pending attorney MN": 2, "pending cpa -": 1])
    try test.move(31, to: .matched, at: now, partner: 21)
    try test.change { change in
      try change.updateReferral(33, ["partner_type": "lender", "context": ["state": "WI"]])
    }
    #expect(
      try test.counts()
        == ["pending attorney MN": 1, "matched attorney MN": 1, "pending lender WI": 1])
    try test.run("DELETE FROM referral_requests WHERE id = ?", sampleID(32).text)
    #expect(try test.counts() == ["matched attorney MN": 1, "pending lender WI": 1])
  }

  @Test("what is pending for more than 7 and 14 days")
  func old() throws {
    let test = try TestStore()
    try test.addGroups()
    for (number, days) in [0, 6, 7, 13, 14, 100].enumerated() {
      var referral = Referral.sample(31 + number, group: 11 + number)
      referral.set("created_at", now.adding(days: -days))
      try test.change { [referral] in try $0.insert(referral) }
    }
    var cancelled = Referral.sample(41, group: 18, .cancelled)
    cancelled.set("created_at", now.adding(days: -30))
    try test.change { [cancelled] in try $0.insert(cancelled) }
    let summary = try test.read { try $0.staffSummary() }
    #expect(summary.pendingOlderThan7Days == 4)
    #expect(summary.pendingOlderThan14Days == 2)
  }

  @Test("pending requests without a candidate: nobody there, all of them past, or one of the group")
  func withoutCandidates() throws {
    let test = try TestStore()
    try test.addGroups()
    func count() throws -> Int { try test.read { try $0.staffSummary() }.withoutCandidates }
    try test.change { change in
      var own = Partner.sample(21, .active, .attorney, in: [.MN])
      own["user_id"] = JSON(sampleID(1))
      try change.insert(own)
      try change.insert(Partner.sample(22, .active, .lender, in: [.CA]))
      try change.insert(Partner.sample(23, .inactive, .cpa, in: [.MN]))
    }
    #expect(try count() == 0)
    try test.change { try $0.insert(Referral.sample(31, group: 12)) }
    #expect(try count() == 0)
    try test.change { try $0.insert(Referral.sample(32, group: 11)) }
    #expect(try count() == 1, "the only attorney is in the group")
    try test.change { try $0.insert(Referral.sample(33, group: 13, .pending, .cpa)) }
    try test.change { try $0.insert(Referral.sample(34, group: 13, .pending, .cpa, state: nil)) }
    #expect(try count() == 3, "no cpa is active")
    try test.change { try $0.insert(Referral.sample(35, group: 14, .pending, .lender, state: nil)) }
    #expect(try count() == 3)
    try test.move(35, to: .matched, at: now, partner: 22)
    #expect(try count() == 3)
    try test.move(35, to: .pending, at: now)
    #expect(try count() == 4, "the only lender gave it back")
    try test.change { try $0.insert(Partner.sample(24, .active, .lender, in: [.TX])) }
    #expect(try count() == 3)
    try test.move(32, to: .cancelled, at: now)
    #expect(try count() == 2)
  }

  @Test("the median of the days that a step takes")
  func medianDays() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { try $0.insert(Partner.sample(21)) }
    func medians() throws -> [String: Double] {
      let steps = try test.read { try $0.staffSummary() }.medianDays
      #expect(
        steps.map { "\($0.from) \($0.to)" } == [
          "pending matched", "matched introSent", "introSent connected", "connected closed",
        ])
      return Dictionary(
        uniqueKeysWithValues: steps.compactMap { step in
          step.days.map { ("\(step.from) \(step.to)", $0) }
        })
    }
    #expect(try medians() == [:])
    for number in 1...4 {
      try test.change { try $0.insert(Referral.sample(30 + number, group: 10 + number)) }
    }
    func hours(_ hours: Int) -> Timestamp { minute(hours * 60) }
    try test.move(31, to: .matched, at: hours(24), partner: 21)
    #expect(try medians() == ["pending matched": 1])
    try test.move(32, to: .matched, at: hours(48), partner: 21)
    #expect(try medians() == ["pending matched": 1.5])
    try test.move(33, to: .matched, at: hours(240), partner: 21)
    #expect(try medians() == ["pending matched": 2])
    try test.move(31, to: .introSent, at: hours(36))
    try test.move(31, to: .connected, at: hours(37))
    try test.move(31, to: .closed, at: hours(37 + 240))
    #expect(
      try medians() == [
        "pending matched": 2, "matched introSent": 0.5, "introSent connected": 0,
        "connected closed": 10,
      ])
    // A clock that was put back does not make a step shorter than nothing.
    try test.move(34, to: .matched, at: hours(-24), partner: 21)
    #expect(try medians()["pending matched"] == 1.5)
  }

  @Test(
    "the median of values with how often each occurs, half a tenth upwards",
    arguments: [
      ([], nil), ([(30, 1)], 3), ([(0, 1)], 0), ([(10, 1), (20, 1)], 1.5), ([(10, 5), (90, 1)], 1),
      ([(10, 3), (90, 3)], 5), ([(10, 1), (50, 1), (90, 7)], 9), ([(0, 1), (1, 1)], 0.1),
      ([(1, 1), (2, 1)], 0.2), ([(4, 2), (7, 2)], 0.6), ([(24, 1), (25, 1)], 2.5),
      ([(3, 1), (4, 1), (90, 1)], 0.4), ([(12_345, 9)], 1234.5),
    ] as [([(tenths: Int, count: Int)], Double?)])
  func median(values: [(tenths: Int, count: Int)], days: Double?) {
    #expect(Median.value(of: values) == days)
  }

  @Test(
    "the last months, over the turn of years",
    arguments: [
      ("2026-03-01T12:00:00.000Z", 3, ["2026-01", "2026-02", "2026-03"]),
      ("2026-01-31T23:59:59.999Z", 2, ["2025-12", "2026-01"]),
      ("2025-12-01T00:00:00.000Z", 1, ["2025-12"]),
      (
        "2026-02-28T00:00:00.000Z", 12,
        [
          "2025-03", "2025-04", "2025-05", "2025-06", "2025-07", "2025-08", "2025-09", "2025-10",
          "2025-11", "2025-12", "2026-01", "2026-02",
        ]
      ),
    ])
  func months(time: String, count: Int, months: [String]) {
    #expect(Months.last(count, until: Timestamp(time)!) == months)
  }

  @Test("a partner's own overview counts what was introduced to it, and nothing else")
  func partner() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      try change.insert(Partner.sample(21))
      try change.insert(Partner.sample(22))
    }
    func add(
      _ number: Int, _ status: ReferralStatus, partner: Int = 21, introduced: Int?,
      connected: Int? = nil, outcome: Outcome? = nil
    ) throws {
      var referral = Referral.sample(number, group: number - 20, status, partner: partner)
      referral.introSentAt = introduced.map { now.adding(days: -$0) }
      referral.outcome = outcome
      referral.set("connected_at", connected.map { now.adding(days: -$0) })
      try test.change { [referral] in try $0.insert(referral) }
    }
    try add(31, .introSent, introduced: 0)
    try add(32, .connected, introduced: 40, connected: 30)
    try add(33, .closed, introduced: 70, connected: 66, outcome: .dealClosed)
    try add(34, .closed, introduced: 500, outcome: .unknown)
    try add(35, .cancelled, introduced: 10)
    try add(36, .matched, introduced: nil)
    try add(37, .cancelled, introduced: nil)
    try add(38, .introSent, partner: 22, introduced: 1)
    let summary = try test.read { try $0.summary(ofPartner: sampleID(21)) }
    #expect(summary.byStatus == [.introSent: 1, .connected: 1, .closed: 2, .cancelled: 1])
    #expect(summary.byOutcome == [.dealClosed: 1, .unknown: 1])
    #expect(summary.byMonth.count == 12)
    #expect(summary.byMonth.first?.month == "2025-04")
    #expect(
      summary.byMonth.suffix(4).map { "\($0.month) \($0.introductions) \($0.connections)" }
        == ["2025-12 1 1", "2026-01 1 1", "2026-02 1 0", "2026-03 1 0"])
    #expect(summary.byMonth.prefix(8).allSatisfy { $0.introductions == 0 && $0.connections == 0 })
    #expect(summary.medianDaysToConnection == 7)
    let nothing = try test.read { try $0.summary(ofPartner: sampleID(99)) }
    #expect(nothing.byStatus.isEmpty && nothing.byOutcome.isEmpty)
    #expect(nothing.medianDaysToConnection == nil)
  }
}
