import Domain
import JSON
import SQLite

/// The fields of a body that records a request's outcome.
package let outcomeFields: [Field] = [
  .parameter("outcome", .word(Outcome.self)),
  .parameter("outcome_notes", .lines(limit: 10_000), .nullable),
]

/// The fields of a body with a partner's answer to an introduction.
package let responseFields: [Field] = [
  .parameter("response", .word(IntroductionResponse.self), .required),
  .parameter("reason_code", .word(DeclineReason.self), .nullable),
  .parameter("reason", .lines(limit: 2_000), .nullable),
]

/// A partner's answer to an introduction.
package enum IntroductionResponse: String, CaseIterable, Sendable {
  case accepted, declined
}

extension Change {
  /// Creates a group's request for an introduction.
  ///
  /// - Parameters:
  ///   - body: Read with the fields of ``Table/referrals`` for a new one.
  ///   - caller: Who asks. The caller is the requester unless the body names another user, and the requester is the
  ///     contact if a member of the group, unless the body names another one.
  ///   - consent: What a member must agree to.
  /// - Throws: `Failure`: `.validation`, `.conflict(.referralAlreadyOpen)`.
  package func requestReferral(
    ofGroup group: ID, _ body: Body, by caller: Caller, consent: ConsentPolicy = ConsentPolicy()
  ) throws -> ID {
    var body = body
    if let requester = body.id("requested_by"), requester != caller.userID {
      if !caller.isStaff {
        body.fail("requested_by", .notAMember, "Members can only name themselves.")
      } else if try !isMember(requester, of: group) {
        body.fail("requested_by", .notAMember, "This user is not a member of the group.")
      }
    }
    if let contact = body.id("contact_id") { try checkContact(contact, ofGroup: group, &body) }
    // A version that is wrong in itself has its mistake already.
    let isRead = body["consent_version"] != nil || !body.has("consent_version")
    if !caller.isStaff, isRead, let problem = consent.problem(with: body.text("consent_version")) {
      body.fail("consent_version", problem.code, problem.detail)
    }
    try body.check(against: nil)
    let id = newID()
    var referral = Referral(record: Table.referrals.newRecord(id, at: now))
    referral.set("group_id", group)
    referral.status = .pending
    body.apply(to: &referral)
    if referral.record["requested_by"] == .null { referral.set("requested_by", caller.userID) }
    if referral.contactID == nil, try isMember(referral.requestedBy, of: group) {
      referral.contactID = referral.requestedBy
    }
    referral.set("status_since", now)
    if referral.consentVersion != nil { referral.set("consented_at", now) }
    try add(referral)
    try announce(referral)
    return id
  }

  /// Stores a new request and records it as an event. The event has `status_since` only if that is an earlier time.
  ///
  /// - Throws: `Failure.conflict(.referralAlreadyOpen)`.
  func add(_ referral: Referral) throws {
    try checkOpenness(of: referral)
    try Table.referrals.insert(referral.record, on: connection)
    // Without the context, which a member may fill with thousands of characters. The row has it, and the event
    // of a later change has it as the old value.
    var recorded = referral.record
    recorded["context"] = .null
    try record(
      .referralRequested, referral.id,
      changes: Table.referrals.changes(
        from: nil, to: recorded,
        with: referral.time("status_since") == now
          ? [] : [JSON.Member("status_since", referral.record["status_since"])]))
  }

  /// Cancels a group's request. Nothing happens if it is already cancelled.
  ///
  /// - Parameter body: Read with ``Field/note``.
  /// - Throws: `Failure`: `.notFound`, `.validation`, `.conflict(.transitionNotAllowed)`.
  package func cancelReferral(_ id: ID, ofGroup group: ID, _ body: Body, byStaff: Bool) throws {
    guard let old = try referral(id), old.groupID == group else { throw Failure.notFound }
    try body.check(against: nil)
    try replace(old, by: old.cancelled(byStaff: byStaff, at: now), note: body.text("note"))
  }

  /// Adds a mistake to the body if the contact is not a member of the group.
  private func checkContact(_ contact: ID, ofGroup group: ID, _ body: inout Body) throws {
    guard try !isMember(contact, of: group) else { return }
    body.fail("contact_id", .notAMember, "This user is not a member of the group.")
  }

  /// Adds a mistake to the body if it gives the request to somebody who is not staff: the caller, or a user with a
  /// valid token of the scope admin.
  private func checkAssignee(_ body: inout Body, of referral: Referral) throws {
    guard let id = body.id("assigned_to"), id != referral.id("assigned_to"), id != actor else {
      return
    }
    guard let user = try user(id) else {
      body.fail("assigned_to", .unknownUser, "No user has this ID.")
      return
    }
    if try user.isDisabled || !holdsAdminToken(id, scope: .admin) {
      body.fail(
        "assigned_to", .notStaff,
        "Must be a user with a valid admin token of the scope \"admin\", or yourself.")
    }
  }

  /// Matches, introduces, takes back, closes, cancels, reopens or corrects a request.
  ///
  /// - Parameters:
  ///   - body: Read with the fields of ``Table/referrals`` and ``Field/note``.
  ///   - requiresConsent: Whether an introduction needs the requester's consent.
  /// - Throws: `Failure`: `.notFound`, `.validation`, what `precondition` throws, `.conflict` as
  ///   `Referral.applying(_:partner:hasContact:requiresConsent:at:)`, and `.referralAlreadyOpen`.
  package func updateReferral(
    _ id: ID, _ body: Body, requiresConsent: Bool = false,
    if precondition: Precondition = { _ in }
  ) throws {
    guard let old = try referral(id) else { throw Failure.notFound }
    let view = try view(id, of: .referrals, seenBy: .staff)
    var body = body
    try body.accept(storedIn: view)
    try checkAssignee(&body, of: old)
    if let contact = body.id("contact_id"), contact != old.contactID {
      try checkContact(contact, ofGroup: old.groupID, &body)
    }
    let update = ReferralUpdate(body)
    let partnerID: ID? = (update.partnerID ?? old.partnerID) ?? nil
    let partner = try partnerID.flatMap { try self.partner($0) }
    let (command, errors) = update.command(
      for: old, partnerExists: partnerID == nil || partner != nil, at: now)
    // The other fields depend on the status, so they are checked only if the status is valid.
    let wrong = body.errors.map(\.place)
    if !wrong.contains(.pointer("/status")) {
      body.fail(errors.filter { !wrong.contains($0.place) })
    }
    try body.check(against: view, if: precondition)
    try perform(
      command, on: old, partner: partner, requiresConsent: requiresConsent,
      note: body.text("note"))
  }

  /// Carries out a command on a request.
  ///
  /// - Parameters:
  ///   - partner: The partner that the request has afterwards, if it has one.
  ///   - requiresConsent: Whether an introduction needs the requester's consent.
  /// - Throws: `Failure.conflict` as `Referral.applying(_:partner:hasContact:requiresConsent:at:)`, and
  ///   `.referralAlreadyOpen`.
  package func perform(
    _ command: ReferralCommand, on old: Referral, partner: Partner?,
    requiresConsent: Bool = false, note: String? = nil
  ) throws {
    let contact = command.contactID ?? old.contactID
    let hasContact = try contact.flatMap { try reachable($0, inGroup: old.groupID) } != nil
    let new = try old.applying(
      command, partner: partner, hasContact: hasContact, requiresConsent: requiresConsent, at: now)
    if new == old {
      try recordNote(note, on: old)
    } else {
      try replace(old, by: new, note: note)
    }
  }

  /// Records a note on a request that does not change. Nothing happens if it repeats the last event's note.
  private func recordNote(_ note: String?, on referral: Referral) throws {
    guard let note else { return }
    let isRepeated = try connection.row(
      """
      SELECT note IS ? AND actor_id IS ? FROM events
      WHERE subject_id = ? AND subject_kind = 'referral' ORDER BY number DESC LIMIT 1
      """, note, actor?.text, referral.id.text
    ) { $0.int(0) != 0 }
    if isRepeated != true {
      try record(.referralNoted, referral.id, changes: "{}", note: note)
    }
  }

  /// Records the outcome of an introduction.
  ///
  /// - Parameter body: Read with ``outcomeFields``.
  /// - Throws: `Failure`: `.notFound`, `.validation`, what `precondition` throws,
  ///   `.conflict(.outcomeNotPossible)`.
  package func recordOutcome(_ id: ID, _ body: Body, if precondition: Precondition = { _ in })
    throws
  {
    guard let old = try referral(id) else { throw Failure.notFound }
    let view = try view(id, of: .referrals, seenBy: .staff)
    var body = body
    try body.accept(storedIn: view)
    if old.outcome == nil, !body.has("outcome") {
      body.fail("outcome", .required, "This field is required.")
    }
    try body.check(against: view, if: precondition)
    var new = try old.recording(body.word("outcome") ?? old.outcome ?? .unknown, at: now)
    if let notes = body["outcome_notes"] { new.record["outcome_notes"] = notes }
    try replace(old, by: new, .referralOutcomeRecorded)
  }

  /// Records a partner's answer to an introduction: connected, or back to pending.
  ///
  /// A partner that has declined no longer has the request. If it declines again, which a caller does who did not get
  /// the first answer, nothing happens. The precondition is not checked then (RFC 9110, section 13.1.1: a change that
  /// was made already may be answered as a success).
  ///
  /// - Parameter body: Read with ``responseFields``.
  /// - Returns: Whether the introduction was accepted.
  /// - Throws: `Failure`: `.notFound`, `.validation`, what `precondition` throws,
  ///   `.conflict(.transitionNotAllowed)`.
  package func answerReferral(
    _ id: ID, ofPartner partner: ID, _ body: Body, if precondition: Precondition = { _ in }
  ) throws -> Bool {
    let isAccepted = body.word("response") == IntroductionResponse.accepted
    let reason: DeclineReason? = isAccepted ? nil : body.word("reason_code") ?? .other
    var body = body
    if isAccepted, body.text("reason_code") != nil {
      body.fail(
        "reason_code", .notAllowedHere,
        "An accepted introduction has no reason code. Send it with \"declined\" only.")
    }
    guard let old = try referral(id) else { throw Failure.notFound }
    guard old.partnerID == partner, old.isIntroduced else {
      guard body.word("response") == IntroductionResponse.declined,
        try hasDeclined(id, partner: partner)
      else { throw Failure.notFound }
      try body.check(against: nil)
      return false
    }
    try body.check(against: referral(id, ofPartner: partner), if: precondition)
    let facts = reason.map { [JSON.Member("decline_reason_code", .string($0.rawValue))] } ?? []
    try replace(
      old, by: old.answered(accepted: isAccepted, at: now), note: body.text("reason"), with: facts)
    if let reason {
      try connection.run(
        """
        INSERT INTO declines (referral_number, partner_id, intro_sent_at, declined_at, reason_code)
        SELECT number, ?, ?, ?, ? FROM referral_requests WHERE id = ?
        """, partner.text, old.introSentAt?.text, now.text, reason.rawValue, id.text)
    }
    // A connected request can be accepted again.
    if old.status == .introSent {
      try announceAnswer(
        to: old, accepted: isAccepted, code: reason, reason: body.text("reason"))
    }
    return isAccepted
  }

  /// Whether the partner has declined this request.
  private func hasDeclined(_ id: ID, partner: ID) throws -> Bool {
    try connection.row(
      """
      SELECT 1 FROM declines
      WHERE referral_number = (SELECT number FROM referral_requests WHERE id = ?) AND partner_id = ?
      LIMIT 1
      """, id.text, partner.text
    ) { _ in true } ?? false
  }

  /// Returns a matched request to pending because its partner is no longer active. The event's actor is the
  /// system.
  func giveBack(_ old: Referral, note: String) throws {
    try replace(old, by: old.applying(.giveBack, at: now), note: note, actor: .some(nil))
  }

  /// Stores a changed request and records it as an event.
  ///
  /// - Parameters:
  ///   - kind: The event's kind; nil: it follows from the change.
  ///   - facts: What else the event says, by name.
  ///   - actor: The event's actor; if it is left out, the change's actor.
  private func replace(
    _ old: Referral, by changed: Referral, _ kind: EventKind? = nil, note: String? = nil,
    with facts: [JSON.Member] = [], actor: ID?? = nil
  ) throws {
    guard changed != old else { return }
    var new = changed
    new.updatedAt = now
    try checkOpenness(of: new)
    try Table.referrals.update(old.record, to: new.record, on: connection)
    let usual: EventKind =
      if old.status.isOver, !new.status.isOver {
        .referralReopened
      } else if new.status != old.status {
        new.status.eventKind
      } else if new.partnerID != old.partnerID {
        .referralMatched
      } else {
        .referralUpdated
      }
    try record(
      kind ?? usual, new.id.text,
      changes: Table.referrals.changes(from: old.record, to: new.record, with: facts), note: note,
      actor: actor ?? self.actor)
    try announce(new, since: old)
  }

  /// Checks that the group has no other open request of the type and state.
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
  /// The kind of the event for a request's change to this status.
  fileprivate var eventKind: EventKind {
    switch self {
    case .pending: .referralReturned
    case .matched: .referralMatched
    case .introSent: .referralIntroSent
    case .connected: .referralConnected
    case .closed: .referralClosed
    case .cancelled: .referralCancelled
    }
  }
}

extension ReferralUpdate {
  /// The fields on which the life cycle has rules. Staff sets the others as they are.
  private static let ruled = [
    "status", "partner_id", "partner_type", "context", "intro_sent_at", "contact_id",
    "consent_version",
  ]

  /// The update that a body asks for. A field that is wrong counts as missing.
  fileprivate init(_ body: Body) {
    self.init(
      status: body.word("status"),
      partnerID: body["partner_id"].map { _ in body.id("partner_id") },
      partnerType: body.word("partner_type"), context: body["context"],
      introSentAt: body["intro_sent_at"].map { _ in body.time("intro_sent_at") },
      contactID: body["contact_id"].map { _ in body.id("contact_id") },
      consentVersion: body["consent_version"].map { _ in body.text("consent_version") },
      fields: Table.referrals.fields.compactMap { field in
        guard field.setBy.contains(.staff), !ReferralUpdate.ruled.contains(field.name) else {
          return nil
        }
        return body[field.name].map { JSON.Member(field.name, $0) }
      })
  }
}
