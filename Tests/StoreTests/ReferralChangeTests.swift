import Domain
import JSON
import Testing

@testable import SQLite
@testable import Store

extension TestStore {
  /// The referrals' events: number, kind, who, the fields that changed, note.
  fileprivate func history() throws -> [String] {
    try texts(
      """
      SELECT kind || ' ' || ifnull((SELECT name FROM users WHERE id = actor_id), 'system') || ' ('
        || ifnull((SELECT group_concat(key, ' ') FROM json_each(changes)), '') || ')'
        || ifnull(' ' || note, '')
      FROM events WHERE subject_kind = 'referral' ORDER BY number
      """)
  }

  fileprivate func status(_ number: Int) throws -> ReferralStatus? {
    try read { try $0.referral(sampleID(number))?.status }
  }
}

/// The changes of a referral request, each with what it records.
@Suite("Changes of referral requests")
struct ReferralChangeTests {
  /// Partners 21 and 22, and request 31 of group 11.
  private static func store(_ referral: Referral = .sample(31)) throws -> TestStore {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      for number in 21...22 { try change.insert(Partner.sample(number)) }
      try change.insert(referral)
    }
    return test
  }

  @Test("asking: for oneself, or for a member if staff asks; it is recorded")
  func request() throws {
    let test = try TestStore()
    try test.addGroups()
    func ask(_ requester: Int?, user: Int, isStaff: Bool = false, type: PartnerType) throws -> ID {
      try test.change(by: sampleID(user)) { change in
        let body = change.body(
          [
            "partner_type": .string(type.rawValue),
            "requested_by": requester.map { JSON(sampleID($0)) } ?? .null,
          ], Table.referrals.fields, isNew: true)
        return try change.requestReferral(
          ofGroup: sampleID(11), body,
          by: Caller(userID: sampleID(user), scope: isStaff ? .admin : nil))
      }
    }
    func requester(_ id: ID) throws -> ID? { try test.read { try $0.referral(id)?.requestedBy } }
    func refused(_ detail: String) -> Failure {
      .validation([FieldError(.pointer("/requested_by"), .notAMember, detail)])
    }
    #expect(try requester(ask(nil, user: 1, type: .attorney)) == sampleID(1))
    #expect(try requester(ask(1, user: 1, type: .lender)) == sampleID(1))
    #expect(try requester(ask(1, user: 9, isStaff: true, type: .agent)) == sampleID(1))
    #expect(try requester(ask(nil, user: 9, isStaff: true, type: .title)) == sampleID(9))
    #expect(
      refusal { try ask(2, user: 1, type: .cpa) }
        == refused("Members can only name themselves."))
    #expect(
      refusal { try ask(2, user: 9, isStaff: true, type: .cpa) }
        == refused("This user is not a member of the group."))
    let event = "(group_id requested_by contact_id partner_type status)"
    #expect(
      try test.history() == [
        "referral.requested User 1 \(event)", "referral.requested User 1 \(event)",
        "referral.requested User 9 \(event)",
        "referral.requested User 9 (group_id requested_by partner_type status)",
      ])
    #expect(try test.findings() == [])
  }

  @Test("staff's way from pending to closed, and its history")
  func way() throws {
    let test = try Self.store()
    for (index, (json, status)) in [
      (["partner_id": JSON(sampleID(21))], .matched),
      (["partner_id": JSON(sampleID(22)), "note": "nearer"], .matched),
      (["status": "intro_sent"], .introSent), (["status": "connected"], .connected),
      (["context": ["timeline": "soon"]], .connected),
      (["status": "closed", "note": "done"], .closed), (["status": "closed"], .closed),
    ].enumerated() as EnumeratedSequence<[(JSON, ReferralStatus)]> {
      let time = minute(1 + index)
      try test.change(at: time, by: sampleID(9)) { try $0.updateReferral(31, json) }
      #expect(try test.status(31) == status)
      let updatedAt = try test.read { try $0.referral(sampleID(31))?.updatedAt }
      #expect(updatedAt == (index < 6 ? time : minute(6)), "the last one changes nothing")
    }
    #expect(
      try test.history() == [
        "referral.matched User 9 (status partner_id)",
        "referral.matched User 9 (partner_id) nearer",
        "referral.intro_sent User 9 (status intro_sent_at)",
        "referral.connected User 9 (status)", "referral.updated User 9 (context)",
        "referral.closed User 9 (status outcome) done",
      ])
  }

  @Test("a note on a request that stays as it is is kept, and once")
  func note() throws {
    let test = try Self.store()
    for (user, note) in [(9, "a"), (9, "a"), (8, "a"), (8, "b"), (8, "b"), (9, "a")] {
      try test.change(by: sampleID(user)) { try $0.updateReferral(31, ["note": .string(note)]) }
    }
    #expect(
      try test.history() == [
        "referral.noted User 9 () a", "referral.noted User 8 () a", "referral.noted User 8 () b",
        "referral.noted User 9 () a",
      ])
    #expect(try test.read { try $0.referral(sampleID(31))?.updatedAt } == now)
  }

  @Test("a request that is not there, or of another group, is not found")
  func notFound() throws {
    let test = try Self.store()
    let none = sampleID(99)
    let changes: [@Sendable (Change) throws -> Void] = [
      { try $0.updateReferral(99, ["status": "cancelled"]) },
      { try $0.recordOutcome(none, $0.body(["outcome": "engaged"], outcomeFields)) },
      { try $0.cancelReferral(none, ofGroup: sampleID(11), $0.body([:], [.note]), byStaff: true) },
      {
        try $0.cancelReferral(
          sampleID(31), ofGroup: sampleID(12), $0.body([:], [.note]), byStaff: true)
      },
      {
        _ = try $0.answerReferral(
          sampleID(31), ofPartner: sampleID(21), $0.body(["response": "accepted"], responseFields))
      },
    ]
    for change in changes { #expect(refusal { try test.change(change) } == .notFound) }
    #expect(try test.history() == [])
  }

  @Test("a cancellation, with its reason; again it changes nothing")
  func cancel() throws {
    let test = try Self.store()
    for _ in 0..<2 {
      try test.change(at: minute(1), by: sampleID(1)) {
        try $0.cancelReferral(
          sampleID(31), ofGroup: sampleID(11), $0.body(["note": "bought"], [.note]),
          byStaff: false)
      }
    }
    #expect(try test.status(31) == .cancelled)
    #expect(try test.history() == ["referral.cancelled User 1 (status) bought"])
  }

  @Test("an outcome connects or closes, and is corrected with its notes")
  func outcome() throws {
    let test = try Self.store(.sample(31, .introSent, partner: 21))
    func record(_ json: JSON) -> Failure? {
      refusal {
        try test.change(by: sampleID(9)) {
          try $0.recordOutcome(sampleID(31), $0.body(json, outcomeFields))
        }
      }
    }
    #expect(
      record(["outcome_notes": "n"])
        == .validation([
          FieldError(.pointer("/outcome"), .required, "This field is required.")
        ]))
    #expect(record(["outcome": "engaged"]) == nil)
    #expect(try test.status(31) == .connected)
    #expect(record(["outcome_notes": "n"]) == nil)
    #expect(try test.status(31) == .connected)
    #expect(record(["outcome": "deal_closed"]) == nil)
    #expect(try test.status(31) == .closed)
    #expect(record(["outcome": "not_engaged", "outcome_notes": .null]) == nil)
    #expect(record(["outcome": "not_engaged"]) == nil)
    #expect(
      try test.history() == [
        "referral.outcome_recorded User 9 (status outcome)",
        "referral.outcome_recorded User 9 (outcome_notes)",
        "referral.outcome_recorded User 9 (status outcome)",
        "referral.outcome_recorded User 9 (outcome outcome_notes)",
      ])
  }

  @Test("after requests went every way, a check finds nothing, and the timeline is complete")
  func consistent() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      for number in 21...22 { try change.insert(Partner.sample(number)) }
    }
    func request(_ group: Int) throws -> ID {
      try test.change { try $0.requestReferral(group: group, ["partner_type": "attorney"]) }
    }
    func staff(_ id: ID, hour: Int, _ json: JSON) throws {
      try test.change(at: minute(60 * hour)) {
        try $0.updateReferral(id, $0.body(json, Table.referrals.fields))
      }
    }
    let (closed, returned) = (try request(11), try request(12))
    for id in [closed, returned] {
      try staff(id, hour: 10, ["partner_id": JSON(sampleID(21))])
      try staff(id, hour: 30, ["status": "intro_sent"])
    }
    try test.change(at: minute(60 * 50)) {
      try $0.recordOutcome(closed, $0.body(["outcome": "engaged"], outcomeFields))
    }
    try test.change(at: minute(60 * 90)) {
      try $0.recordOutcome(closed, $0.body(["outcome": "deal_closed"], outcomeFields))
    }
    try test.change(at: minute(60 * 50)) {
      _ = try $0.answerReferral(
        returned, ofPartner: sampleID(21), $0.body(["response": "declined"], responseFields))
    }
    try staff(returned, hour: 60, ["partner_id": JSON(sampleID(22))])
    try test.change(at: minute(60 * 70)) { try $0.movePartner(22, to: .inactive) }
    #expect(try test.findings() == [])
    func timeline(_ id: ID) throws -> [String?] {
      let view = try test.read { try shown($0.view(id, of: .referrals, seenBy: .staff)) }
      guard case .array(let steps)? = view["timeline"] else { return [] }
      return steps.map { $0["status"]?.text }
    }
    #expect(
      try timeline(closed) == ["pending", "matched", "intro_sent", "connected", "closed"])
    #expect(
      try timeline(returned)
        == ["pending", "matched", "intro_sent", "pending", "matched", "pending"])
  }

  @Test("a partner accepts, or gives the request back with its reason", arguments: [true, false])
  func answer(isAccepted: Bool) throws {
    let test = try Self.store(.sample(31, .introSent, partner: 21))
    let response: JSON = isAccepted ? "accepted" : "declined"
    let answered = try test.change(by: sampleID(2)) {
      try $0.answerReferral(
        sampleID(31), ofPartner: sampleID(21),
        $0.body(["response": response, "reason": "why"], responseFields))
    }
    #expect(answered == isAccepted)
    #expect(
      try test.history() == [
        isAccepted
          ? "referral.connected User 2 (status) why"
          : "referral.returned User 2 (status partner_id intro_sent_at decline_reason_code) why"
      ])
    let past = try test.texts("SELECT partner_id FROM referral_past_partners")
    #expect(past == (isAccepted ? [] : [sampleID(21).text]))
    if isAccepted {
      #expect(
        try test.change {
          try $0.answerReferral(
            sampleID(31), ofPartner: sampleID(21), $0.body(["response": "accepted"], responseFields)
          )
        })
      #expect(try test.history().count == 1, "said already")
    }
  }

  @Test("nothing is changed by a request that its precondition or its fields refuse")
  func refused() throws {
    let test = try Self.store()
    let view = try test.read { try $0.view(sampleID(31), of: .referrals, seenBy: .staff) }
    func update(_ json: JSON, if precondition: @escaping @Sendable ([UInt8]?) throws -> Void)
      -> Failure?
    {
      refusal {
        try test.change {
          try $0.updateReferral(
            sampleID(31), $0.body(json, Table.referrals.fields + [.note]), if: precondition)
        }
      }
    }
    let failing: @Sendable ([UInt8]?) throws -> Void = { seen in
      #expect(seen == view)
      throw Failure.preconditionFailed
    }
    #expect(update(["status": "cancelled"], if: failing) == .preconditionFailed)
    #expect(update(["status": "intro_sent"], if: failing) == .preconditionFailed)
    let wrong: [(JSON, String, FieldCode)] = [
      (["status": "open"], "/status", .unknownValue), (["status": .null], "/status", .notNull),
      (["partner_id": JSON(sampleID(99))], "/partner_id", .unknownPartner),
      (["partner_id": "x", "status": "matched"], "/partner_id", .invalidFormat),
      (["status": "matched"], "/partner_id", .required),
      (["outcome": "engaged"], "/outcome", .readOnly), (["nothing": 1], "/nothing", .unknownField),
      (["connected_at": .null], "/connected_at", .unknownField),
      (["context": ["state": "XX"]], "/context/state", .unknownState),
    ]
    for (json, pointer, code) in wrong {
      guard case .validation(let errors)? = update(json, if: failing) else {
        Issue.record("\(json) is taken")
        continue
      }
      #expect(errors.map(\.place) == [.pointer(pointer)])
      #expect(errors.map(\.problem.code) == [code])
    }
    #expect(try test.read { try $0.view(sampleID(31), of: .referrals, seenBy: .staff) } == view)
    #expect(try test.history() == [])
    // What a GET gave can be sent back.
    let same = try shown(view)
    #expect(update(same, if: { _ in }) == nil)
    #expect(try test.history() == [])
  }
}
