import JSON

/// The status of a referral request in its life cycle.
package enum ReferralStatus: String, CaseIterable, Sendable {
  case pending, matched
  case introSent = "intro_sent"
  case connected, closed, cancelled

  /// The statuses that may follow this one. A matched request may be matched with another partner. Staff reopens a
  /// request that is over.
  package var allowed: [ReferralStatus] {
    switch self {
    case .pending: [.matched, .cancelled]
    case .matched: [.matched, .pending, .introSent, .cancelled]
    case .introSent: [.connected, .pending, .closed, .cancelled]
    case .connected: [.closed, .cancelled]
    case .closed: [.connected, .pending]
    case .cancelled: [.pending]
    }
  }

  /// Whether the request has ended, unless staff reopens it.
  package var isOver: Bool { self == .closed || self == .cancelled }

  /// The statuses that a request can have after its introduction. Its partner sees only these.
  package static let introduced: [ReferralStatus] = [.introSent, .connected, .closed, .cancelled]

  /// Whether the group waits for an answer. It can have one such request for each type and state.
  package var isOpen: Bool {
    switch self {
    case .pending, .matched, .introSent: true
    case .connected, .closed, .cancelled: false
    }
  }
}

/// The result of an introduction.
package enum Outcome: String, CaseIterable, Sendable {
  case engaged
  case notEngaged = "not_engaged"
  case dealClosed = "deal_closed"
  case unknown
}

/// Why a partner declines an introduction.
package enum DeclineReason: String, CaseIterable, Sendable {
  case conflictOfInterest = "conflict_of_interest"
  case noCapacity = "no_capacity"
  case outsideArea = "outside_area"
  case outsidePractice = "outside_practice"
  case terms, other
}

/// A group's request for an introduction to a partner.
package struct Referral: Resource {
  package var record: Record

  package init(record: Record) { self.record = record }

  /// The group that asks.
  package var groupID: ID { required(id("group_id"), "group_id") }

  /// The member who asks on behalf of the group.
  package var requestedBy: ID { required(id("requested_by"), "requested_by") }

  /// The member whom the partner is put in touch with; nil if there is none yet.
  package var contactID: ID? {
    get { id("contact_id") }
    set { set("contact_id", newValue) }
  }

  /// Which text the requester agreed to before contact data is shared; nil if to none.
  package var consentVersion: String? { text("consent_version") }

  /// The profession that the group needs.
  package var partnerType: PartnerType { required(word("partner_type"), "partner_type") }

  /// Its place in the life cycle.
  package var status: ReferralStatus {
    get { required(word("status"), "status") }
    set { set("status", newValue) }
  }

  /// The state in which the group wants to buy; nil if the context does not name one.
  package var state: StateCode? {
    if case .string(let code) = record["context"]["state"] { StateCode(code) } else { nil }
  }

  /// The partner; nil while the request is pending, and never nil once it is matched.
  package var partnerID: ID? {
    get { id("partner_id") }
    set { set("partner_id", newValue) }
  }

  /// When the introduction was sent; nil before it.
  package var introSentAt: Timestamp? {
    get { time("intro_sent_at") }
    set { set("intro_sent_at", newValue) }
  }

  /// The result, once it is recorded.
  package var outcome: Outcome? {
    get { word("outcome") }
    set { set("outcome", newValue) }
  }

  /// Whether the group and the partner were introduced to each other.
  package var isIntroduced: Bool { record["intro_sent_at"] != .null }

  /// The fields that do not fit the status. A request that went through the life cycle has none.
  package var contradictions: [FieldError] {
    var errors: [FieldError] = []
    func wrong(_ field: String, _ code: FieldCode, _ detail: String) {
      errors.append(FieldError(.pointer("/" + field), code, detail))
    }
    let needsIntroduction = [.introSent, .connected, .closed].contains(status)
    if partnerID == nil, needsIntroduction || status == .matched {
      wrong("partner_id", .required, "\(status.withArticle) request needs a partner.")
    }
    if partnerID != nil, status == .pending {
      wrong("partner_id", .notAllowedHere, "A pending request has no partner.")
    }
    if !isIntroduced, needsIntroduction {
      wrong(
        "intro_sent_at", .required,
        "\(status.withArticle) request needs the time of its introduction.")
    }
    if isIntroduced, status == .pending || status == .matched || partnerID == nil {
      wrong("intro_sent_at", .notAllowedHere, "The request is not introduced.")
    }
    if consentVersion == nil, time("consented_at") != nil {
      wrong("consented_at", .notAllowedHere, "Without a consent_version there is no consent.")
    }
    if outcome != nil, ![.connected, .closed, .cancelled].contains(status) {
      wrong("outcome", .notAllowedHere, "\(status.withArticle) request has no outcome.")
    }
    return errors
  }

  /// Checks that the status `next` may follow the present one.
  ///
  /// - Throws: `Failure.conflict(.transitionNotAllowed)` with the statuses that may follow.
  package func checkTransition(to next: ReferralStatus) throws {
    guard status.allowed.contains(next) else { throw notAllowed(next, allowed: status.allowed) }
  }

  /// Sets which text the requester agreed to, and when. Nothing happens if it is set already.
  package mutating func setConsent(_ version: String?, at now: Timestamp) {
    guard version != consentVersion else { return }
    record["consent_version"] = version.map(JSON.string) ?? .null
    set("consented_at", version == nil ? nil : now)
  }

  /// The request with the status `next`, and with the fields that follow from it: a pending request has no
  /// partner and no introduction, an introduced one has the time of the introduction, a closed one has an outcome,
  /// and one that is reopened has none.
  ///
  /// The caller has checked that the life cycle allows the change.
  private func moved(to next: ReferralStatus, at now: Timestamp) -> Referral {
    guard next != status else { return self }
    var moved = self
    moved.status = next
    moved.set("status_since", now)
    if status.isOver { moved.outcome = nil }
    switch next {
    case .pending:
      moved.partnerID = nil
      moved.introSentAt = nil
      moved.set("connected_at", nil as Timestamp?)
    case .introSent:
      moved.introSentAt = introSentAt ?? now
    case .closed:
      moved.outcome = outcome ?? .unknown
    case .connected:
      // What is reopened as connected was so when it was closed, at the latest.
      moved.set(
        "connected_at", time("connected_at") ?? (status == .closed ? time("status_since") : now))
    case .matched, .cancelled:
      break
    }
    return moved
  }

  /// The request after a command.
  ///
  /// - Parameters:
  ///   - partner: The partner that the request names afterwards; nil if it names none.
  ///   - hasContact: Whether the request names a contact afterwards who is a member of the group and whose account is
  ///     not disabled.
  ///   - requiresConsent: Whether an introduction needs the requester's consent.
  /// - Throws: `Failure.conflict` with the first of these that applies: `.transitionNotAllowed`,
  ///   `.referralNotPending`, `.referralClosed`, `.partnerAlreadyIntroduced`, `.partnerNotEligible`,
  ///   `.contactMissing`, `.consentMissing`.
  package func applying(
    _ command: ReferralCommand, partner: Partner? = nil, hasContact: Bool = false,
    requiresConsent: Bool = false, at now: Timestamp
  ) throws -> Referral {
    let target = command.status ?? status
    if target != status { try checkTransition(to: target) }
    var next = self
    if let type = command.partnerType, type != partnerType {
      guard status == .pending else { throw Failure.conflict(.referralNotPending) }
      next.set("partner_type", type)
    }
    if let contact = command.contactID, contact != contactID {
      guard !(status.isOver && target.isOver) else { throw Failure.conflict(.referralClosed) }
      next.contactID = contact
    }
    if let version = command.consentVersion { next.setConsent(version, at: now) }
    for field in command.fields { next.record[field.name] = field.value }
    let changesPartner = command.partnerID != nil && command.partnerID != partnerID
    if changesPartner {
      guard !isIntroduced else { throw Failure.conflict(.partnerAlreadyIntroduced) }
      next.partnerID = command.partnerID
    }
    if let context = command.context { next.record["context"] = context }
    next = next.moved(to: target, at: now)
    if let time = command.introSentAt { next.introSentAt = time }

    // An introduction that was sent stays valid when the request is corrected later. A matched partner is
    // checked again, because it may have left the state in the meantime.
    let isProposed = !isIntroduced && next.partnerID != nil && next.status.isOpen
    let isChecked = changesPartner || target != status || next.state != state
    if isProposed, isChecked, let partner {
      let reasons = partner.ineligibility(for: next, at: now)
      guard reasons.isEmpty else { throw Failure.conflict(.partnerNotEligible(reasons)) }
    }
    let introduces = target == .introSent && status != .introSent
    if introduces || (next.isIntroduced && next.contactID != contactID) {
      guard hasContact else { throw Failure.conflict(.contactMissing) }
    }
    if introduces, requiresConsent, next.consentVersion == nil {
      throw Failure.conflict(.consentMissing)
    }
    return next
  }

  /// The request after a cancellation; itself if it is cancelled already. Members can cancel a request
  /// until it is connected, staff until it is closed.
  ///
  /// - Throws: `Failure.conflict(.transitionNotAllowed)`.
  package func cancelled(byStaff: Bool, at now: Timestamp) throws -> Referral {
    guard byStaff || (status != .connected && status != .closed) else {
      throw notAllowed(.cancelled, allowed: [])
    }
    return try applying(.cancel, at: now)
  }

  /// The request with an outcome. `engaged` makes an introduced request connected; every other outcome
  /// closes it. If the request is closed already, only the outcome changes.
  ///
  /// - Throws: `Failure.conflict(.outcomeNotPossible)` before the introduction, and if it is cancelled.
  package func recording(_ outcome: Outcome, at now: Timestamp) throws -> Referral {
    guard [.introSent, .connected, .closed].contains(status) else {
      throw Failure.conflict(.outcomeNotPossible(status: status))
    }
    var next = self
    next.outcome = outcome
    if status == .closed { return next }
    if outcome == .dealClosed, next.time("connected_at") == nil { next.set("connected_at", now) }
    return next.moved(to: outcome == .engaged ? .connected : .closed, at: now)
  }

  /// The request after its partner has accepted the introduction, or declined it: connected, or pending
  /// again. Accepting a connected request changes nothing.
  ///
  /// - Throws: `Failure.conflict(.transitionNotAllowed)` unless the request waits for the answer.
  package func answered(accepted: Bool, at now: Timestamp) throws -> Referral {
    if accepted, status == .connected { return self }
    let command: ReferralCommand = accepted ? .connect : .giveBack
    guard status == .introSent else {
      throw notAllowed(accepted ? .connected : .pending, allowed: [])
    }
    return try applying(command, at: now)
  }

  private func notAllowed(_ next: ReferralStatus, allowed: [ReferralStatus]) -> Failure {
    .conflict(
      .transitionNotAllowed(
        from: status.rawValue, to: next.rawValue, allowed: allowed.map(\.rawValue)))
  }
}

/// Why a partner does not fit a request.
package enum Ineligibility: String, CaseIterable, Sendable {
  case notActive = "not_active"
  case otherType = "other_type"
  case doesNotServeState = "does_not_serve_state"
  case credentialExpired = "credential_expired"
}

extension Partner {
  /// The reasons why this partner does not fit the request; empty if it fits.
  package func ineligibility(for referral: Referral, at now: Timestamp) -> [Ineligibility] {
    var reasons: [Ineligibility] = []
    if status != .active { reasons.append(.notActive) }
    if type != referral.partnerType { reasons.append(.otherType) }
    if let state = referral.state, !serviceAreas.contains(state) {
      reasons.append(.doesNotServeState)
    }
    if let day = text("credentials_good_until"), day < now.day {
      reasons.append(.credentialExpired)
    }
    return reasons
  }
}
