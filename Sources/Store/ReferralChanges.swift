import Domain
import JSON
import SQLite

/// What `…/outcome` of a request takes.
package let outcomeFields: [Field] = [
  .parameter("outcome", .word(Outcome.self)),
  .parameter("outcome_notes", .lines(limit: 10_000), .nullable),
]

/// What a partner's answer to an introduction takes.
package let responseFields: [Field] = [
  .parameter("response", .word(IntroductionResponse.self), .required),
  .parameter("reason", .lines(limit: 2_000), .nullable),
]

/// What a partner answers to an introduction.
package enum IntroductionResponse: String, CaseIterable, Sendable {
  case accepted, declined
}

extension Change {
  /// Asks for an introduction on a group's behalf.
  ///
  /// - Parameters:
  ///   - body: Read by ``Table/referrals`` for a new one.
  ///   - caller: Who asks; the requester, unless the body names another.
  /// - Throws: `Failure`: `.validation`, `.conflict(.referralAlreadyOpen)`.
  package func requestReferral(ofGroup group: ID, _ body: Body, by caller: Caller) throws -> ID {
    var body = body
    if let requester = body.text("requested_by").flatMap({ ID($0) }), requester != caller.userID {
      if !caller.isStaff {
        body.fail("requested_by", .notAMember, "Members can ask only in their own name.")
      } else if try !isMember(requester, of: group) {
        body.fail("requested_by", .notAMember, "This user is not a member of the group.")
      }
    }
    try body.finish(against: nil)
    let id = newID()
    var referral = Referral(
      record: newRecord(
        id,
        [
          "group_id": .string(group.text), "status": .string(ReferralStatus.pending.rawValue),
          "context": Table.emptyContext,
        ]))
    body.apply(to: &referral)
    if referral.record["requested_by"] == .null { referral.set("requested_by", caller.userID) }
    if referral.record["context"] == .null { referral.record["context"] = Table.emptyContext }
    try checkOpenness(of: referral)
    try Table.referrals.insert(referral.record, on: connection)
    try record(
      "referral.requested", .referral, id,
      changes: Table.referrals.changes(from: nil, to: referral.record))
    return id
  }

  /// Cancels a group's request; nothing if it is cancelled already.
  ///
  /// - Parameter body: It may have ``Field/note``.
  /// - Throws: `Failure`: `.notFound`, `.validation`, `.conflict(.transitionNotAllowed)`.
  package func cancelReferral(_ id: ID, ofGroup group: ID, _ body: Body, byStaff: Bool) throws {
    guard let old = try referral(id), old.groupID == group else { throw Failure.notFound }
    var body = body
    try body.finish(against: nil)
    try replace(old, by: old.cancelled(byStaff: byStaff, at: now), note: body.text("note"))
  }

  /// Matches, introduces, takes back, closes, cancels or corrects a request, as staff says.
  ///
  /// - Parameter body: Read by ``Table/referrals`` and ``Field/note``.
  /// - Throws: `Failure`: `.notFound`, `.validation`, what `precondition` throws, `.conflict` as
  ///   `Referral.applying(_:partner:at:)`, and `.referralAlreadyOpen`.
  package func updateReferral(_ id: ID, _ body: Body, if precondition: Precondition = { _ in })
    throws
  {
    let view = try referral(id, seenBy: .staff)
    guard let old = try referral(id) else { throw Failure.notFound }
    var body = body
    let update = ReferralUpdate(body)
    let partnerID: ID? = (update.partnerID ?? old.partnerID) ?? nil
    let partner = try partnerID.flatMap { try self.partner($0) }
    let (command, errors) = update.command(
      for: old, partnerExists: partnerID == nil || partner != nil, at: now)
    // Without the status nobody knows what the other fields mean.
    let wrong = body.errors.map(\.place)
    if !wrong.contains(.pointer("/status")) {
      body.fail(errors.filter { !wrong.contains($0.place) })
    }
    try body.finish(against: view)
    try precondition(view)
    try perform(command, on: old, partner: partner, note: body.text("note"))
  }

  /// Carries out a command on a request.
  ///
  /// - Parameter partner: The partner that the request names afterwards, if it names one.
  /// - Throws: `Failure.conflict` as `Referral.applying(_:partner:at:)`, and `.referralAlreadyOpen`.
  package func perform(
    _ command: ReferralCommand, on old: Referral, partner: Partner?, note: String? = nil
  ) throws {
    let new = try old.applying(command, partner: partner, at: now)
    if new == old {
      try recordNote(note, on: old)
    } else {
      try replace(old, by: new, note: note)
    }
  }

  /// Records staff's note on a request that stays as it is. One that is sent again adds nothing.
  private func recordNote(_ note: String?, on referral: Referral) throws {
    guard let note else { return }
    let isRepeated = try connection.row(
      """
      SELECT note IS ? AND actor_id IS ? FROM events
      WHERE subject_id = ? AND subject_kind = 'referral' ORDER BY number DESC LIMIT 1
      """, note, actor?.text, referral.id.text
    ) { $0.int(0) != 0 }
    if isRepeated != true {
      try record("referral.noted", .referral, referral.id, changes: "{}", note: note)
    }
  }

  /// Records what came of an introduction.
  ///
  /// - Parameter body: Read by ``outcomeFields``.
  /// - Throws: `Failure`: `.notFound`, `.validation`, what `precondition` throws,
  ///   `.conflict(.outcomeNotPossible)`.
  package func recordOutcome(_ id: ID, _ body: Body, if precondition: Precondition = { _ in })
    throws
  {
    let view = try referral(id, seenBy: .staff)
    guard let old = try referral(id) else { throw Failure.notFound }
    var body = body
    if old.outcome == nil, !body.has("outcome") {
      body.fail("outcome", .required, "This field is required.")
    }
    try body.finish(against: view)
    try precondition(view)
    var new = try old.recording(body.word("outcome") ?? old.outcome ?? .unknown, at: now)
    if let notes = body["outcome_notes"] { new.record["outcome_notes"] = notes }
    try replace(old, by: new, "referral.outcome_recorded")
  }

  /// Records a partner's answer to an introduction: connected, or back to pending.
  ///
  /// - Parameter body: Read by ``responseFields``.
  /// - Returns: Whether the introduction was accepted.
  /// - Throws: `Failure`: `.notFound`, `.validation`, what `precondition` throws,
  ///   `.conflict(.transitionNotAllowed)`.
  package func answerReferral(
    _ id: ID, ofPartner partner: ID, _ body: Body, if precondition: Precondition = { _ in }
  ) throws -> Bool {
    let view = try referral(id, ofPartner: partner)
    guard let old = try referral(id) else { throw Failure.notFound }
    var body = body
    try body.finish(against: view)
    try precondition(view)
    let isAccepted = body.word("response") == IntroductionResponse.accepted
    try replace(
      old, by: old.answered(accepted: isAccepted, at: now), note: body.text("reason"))
    return isAccepted
  }

  /// Returns a matched request to pending, because its partner is gone: the system does it, whoever
  /// caused it.
  func giveBack(_ old: Referral, note: String) throws {
    try replace(old, by: old.applying(.giveBack, at: now), note: note, actor: .some(nil))
  }

  /// Stores what became of a request, and records it.
  ///
  /// - Parameters:
  ///   - kind: The event's; nil: as the change itself says.
  ///   - actor: Who caused it; left out: the change's actor.
  private func replace(
    _ old: Referral, by changed: Referral, _ kind: String? = nil, note: String? = nil,
    actor: ID?? = nil
  ) throws {
    guard changed != old else { return }
    var new = changed
    new.updatedAt = now
    try checkOpenness(of: new)
    try Table.referrals.update(old.record, to: new.record, on: connection)
    let usual =
      if new.status != old.status {
        new.status.eventKind
      } else if new.partnerID != old.partnerID {
        ReferralStatus.matched.eventKind
      } else {
        "referral.updated"
      }
    try record(
      kind ?? usual, .referral, new.id.text,
      changes: Table.referrals.changes(from: old.record, to: new.record), note: note,
      actor: actor ?? self.actor)
  }

  private func checkOpenness(of referral: Referral) throws {
    guard referral.status.isOpen else { return }
    let open = try openReferral(
      group: referral.groupID, type: referral.partnerType, state: referral.state,
      except: referral.id)
    guard let open else { return }
    throw Failure.conflict(.referralAlreadyOpen(group: referral.groupID, referral: open))
  }
}

extension ReferralStatus {
  /// What the history calls a request's change to this status.
  fileprivate var eventKind: String {
    switch self {
    case .pending: "referral.returned"
    case .matched: "referral.matched"
    case .introSent: "referral.intro_sent"
    case .connected: "referral.connected"
    case .closed: "referral.closed"
    case .cancelled: "referral.cancelled"
    }
  }
}

extension ReferralUpdate {
  /// What a body asks for; fields that are wrong count as left out.
  fileprivate init(_ body: Body) {
    self.init(
      status: body.word("status"),
      partnerID: body["partner_id"].map { _ in body.text("partner_id").flatMap { ID($0) } },
      partnerType: body.word("partner_type"),
      context: body["context"].map { $0 == .null ? Table.emptyContext : $0 },
      introSentAt: body["intro_sent_at"].map { _ in
        body.text("intro_sent_at").flatMap { Timestamp($0) }
      })
  }
}
