/// Where a referral request stands.
package enum ReferralStatus: String, CaseIterable, Sendable {
  case pending, matched
  case introSent = "intro_sent"
  case connected, closed, cancelled

  /// The statuses that may follow this one. `matched` follows itself with another partner.
  package var allowed: [ReferralStatus] {
    switch self {
    case .pending: [.matched, .cancelled]
    case .matched: [.matched, .pending, .introSent, .cancelled]
    case .introSent: [.connected, .pending, .closed, .cancelled]
    case .connected: [.closed, .cancelled]
    case .closed, .cancelled: []
    }
  }

  /// The statuses that a request can have once it was introduced: what its partner sees.
  package static let introduced: [ReferralStatus] = [.introSent, .connected, .closed, .cancelled]

  /// Whether a group waits for an answer; it may have one such request for a type and a state.
  package var isOpen: Bool {
    switch self {
    case .pending, .matched, .introSent: true
    case .connected, .closed, .cancelled: false
    }
  }
}

/// What came of an introduction.
package enum Outcome: String, CaseIterable, Sendable {
  case engaged
  case notEngaged = "not_engaged"
  case dealClosed = "deal_closed"
  case unknown
}

/// What a group says of its need.
package struct Context: Equatable, Sendable {
  /// Whole US dollars; an end that is nil is open.
  package struct PriceRange: Equatable, Sendable {
    package var min: Int?
    package var max: Int?

    package init(min: Int? = nil, max: Int? = nil) {
      self.min = min
      self.max = max
    }
  }

  /// How many buy together.
  package var groupSize: Int?
  package var homePriceRange: PriceRange?
  package var timeline: String?
  package var state: StateCode?
  package var specificNeed: String?

  package init(
    groupSize: Int? = nil, homePriceRange: PriceRange? = nil, timeline: String? = nil,
    state: StateCode? = nil, specificNeed: String? = nil
  ) {
    self.groupSize = groupSize
    self.homePriceRange = homePriceRange
    self.timeline = timeline
    self.state = state
    self.specificNeed = specificNeed
  }
}

/// A group's request for an introduction to a partner.
package struct Referral: Equatable, Sendable {
  package var id: ID
  package var groupID: ID
  package var requestedBy: ID
  package var partnerType: PartnerType
  package var status: ReferralStatus
  package var context: Context
  /// Nil while pending; never nil from matched on.
  package var partnerID: ID?
  /// Set from the introduction on: then the request counts as *introduced*.
  package var introSentAt: Timestamp?
  package var outcome: Outcome?
  /// Internal: for staff's eyes only.
  package var outcomeNotes: String?
  package var createdAt: Timestamp
  package var updatedAt: Timestamp
  /// When the status became what it is; nil since the creation.
  package var statusChangedAt: Timestamp?
  /// When the partner and the group got to work.
  package var connectedAt: Timestamp?

  package init(
    id: ID, groupID: ID, requestedBy: ID, partnerType: PartnerType = .attorney,
    status: ReferralStatus = .pending, context: Context = Context(), partnerID: ID? = nil,
    introSentAt: Timestamp? = nil, outcome: Outcome? = nil, outcomeNotes: String? = nil,
    createdAt: Timestamp, updatedAt: Timestamp, statusChangedAt: Timestamp? = nil,
    connectedAt: Timestamp? = nil
  ) {
    self.id = id
    self.groupID = groupID
    self.requestedBy = requestedBy
    self.partnerType = partnerType
    self.status = status
    self.context = context
    self.partnerID = partnerID
    self.introSentAt = introSentAt
    self.outcome = outcome
    self.outcomeNotes = outcomeNotes
    self.createdAt = createdAt
    self.updatedAt = updatedAt
    self.statusChangedAt = statusChangedAt
    self.connectedAt = connectedAt
  }

  /// Whether the group and the partner were introduced to each other.
  package var isIntroduced: Bool { introSentAt != nil }

  /// Checks that the life cycle has a move to `next`.
  ///
  /// - Throws: `Failure.conflict(.transitionNotAllowed)` with the moves that there are.
  package func checkTransition(to next: ReferralStatus) throws {
    guard status.allowed.contains(next) else { throw notAllowed(next, allowed: status.allowed) }
  }

  /// The request after `next`, with what follows from the move itself: back to pending clears the
  /// partner and the introduction, an introduction has its time, a closed request has an outcome.
  ///
  /// The caller has checked that the life cycle allows it.
  package func moved(to next: ReferralStatus, at now: Timestamp) -> Referral {
    var moved = self
    moved.status = next
    if next != status { moved.statusChangedAt = now }
    switch next {
    case .pending:
      moved.partnerID = nil
      moved.introSentAt = nil
    case .introSent:
      moved.introSentAt = introSentAt ?? now
    case .closed:
      moved.outcome = outcome ?? .unknown
    case .connected:
      moved.connectedAt = connectedAt ?? now
    case .matched, .cancelled:
      break
    }
    return moved
  }

  /// The request after a cancellation; itself if it is cancelled already. Members cancel until the
  /// request is connected, staff until it is closed.
  ///
  /// - Throws: `Failure.conflict(.transitionNotAllowed)`.
  package func cancelled(byStaff: Bool, at now: Timestamp) throws -> Referral {
    if status == .cancelled { return self }
    guard byStaff || status != .connected else { throw notAllowed(.cancelled, allowed: []) }
    try checkTransition(to: .cancelled)
    return moved(to: .cancelled, at: now)
  }

  /// The request with an outcome recorded: `engaged` moves an introduced one to connected, the others
  /// close it; on a closed one the outcome is corrected.
  ///
  /// - Throws: `Failure.conflict(.outcomeNotPossible)` before the introduction and when cancelled.
  package func recording(_ outcome: Outcome, at now: Timestamp) throws -> Referral {
    guard [.introSent, .connected, .closed].contains(status) else {
      throw Failure.conflict(.outcomeNotPossible(status: status))
    }
    var next = self
    next.outcome = outcome
    if status == .closed { return next }
    return next.moved(to: outcome == .engaged ? .connected : .closed, at: now)
  }

  /// The request after its partner's answer to the introduction: connected, or back to pending. An
  /// answer that was given already changes nothing.
  ///
  /// - Throws: `Failure.conflict(.transitionNotAllowed)` unless the request waits for the answer.
  package func answered(accepted: Bool, at now: Timestamp) throws -> Referral {
    if accepted, status == .connected { return self }
    let next: ReferralStatus = accepted ? .connected : .pending
    guard status == .introSent else { throw notAllowed(next, allowed: []) }
    return moved(to: next, at: now)
  }

  private func notAllowed(_ next: ReferralStatus, allowed: [ReferralStatus]) -> Failure {
    .conflict(
      .transitionNotAllowed(
        from: status.rawValue, to: next.rawValue, allowed: allowed.map(\.rawValue)))
  }
}

/// Why a partner does not fit a request.
package enum Ineligibility: String, Sendable {
  case notActive = "not_active"
  case otherType = "other_type"
  case doesNotServeState = "does_not_serve_state"
}

extension Partner {
  /// Why this partner does not fit the request; empty if it does.
  package func ineligibility(for referral: Referral) -> [Ineligibility] {
    var reasons: [Ineligibility] = []
    if status != .active { reasons.append(.notActive) }
    if type != referral.partnerType { reasons.append(.otherType) }
    if let state = referral.context.state, !serviceAreas.contains(state) {
      reasons.append(.doesNotServeState)
    }
    return reasons
  }
}

/// What staff asks to change in a request. A field that is nil was left out; a field that was given as
/// null is `.some(nil)`.
package struct ReferralUpdate: Equatable, Sendable {
  package var status: ReferralStatus?
  package var partnerID: ID??
  package var partnerType: PartnerType?
  package var context: Context?
  package var introSentAt: Timestamp??
  package var note: String?

  package init(
    status: ReferralStatus? = nil, partnerID: ID?? = nil, partnerType: PartnerType? = nil,
    context: Context? = nil, introSentAt: Timestamp?? = nil, note: String? = nil
  ) {
    self.status = status
    self.partnerID = partnerID
    self.partnerType = partnerType
    self.context = context
    self.introSentAt = introSentAt
    self.note = note
  }

  /// The status that is meant: the one given, else `matched` where a partner alone says so.
  package func target(for referral: Referral) -> ReferralStatus {
    if let status { return status }
    guard case .some(.some(let partner)) = partnerID, partner != referral.partnerID,
      !referral.isIntroduced
    else { return referral.status }
    return .matched
  }

  /// What is wrong with the fields by themselves, whatever the life cycle says.
  ///
  /// - Parameter partnerExists: Whether the partner that is named exists; true if none is named.
  package func problems(
    for referral: Referral, partnerExists: Bool, at now: Timestamp
  ) -> [FieldError] {
    let target = target(for: referral)
    var errors: [FieldError] = []
    func wrong(_ field: String, _ code: FieldCode, _ detail: String) {
      errors.append(FieldError(.pointer("/" + field), code, detail))
    }

    switch partnerID {
    case .none:
      if status == .matched, referral.partnerID == nil {
        wrong("partner_id", .required, "A matched request names its partner.")
      }
    case .some(.none):
      if status == nil {
        wrong(
          "partner_id", .notNull, "To take the partner off, send the status \"pending\" as well.")
      } else if target != .pending, target == .matched || referral.partnerID != nil {
        wrong("partner_id", .notNull, "A request that is \(target.rawValue) keeps its partner.")
      }
    case .some(.some(let partner)):
      if !partnerExists {
        wrong("partner_id", .unknownPartner, "There is no partner with this ID.")
      } else if target == .pending {
        wrong("partner_id", .notAllowedHere, "A pending request has no partner.")
      } else if partner != referral.partnerID, target == .closed || target == .cancelled,
        !referral.isIntroduced, status != nil
      {
        wrong(
          "partner_id", .notAllowedHere,
          "A partner is set with the status \"matched\" or \"intro_sent\".")
      }
    }

    let becomesIntroduced =
      target == .introSent || (referral.isIntroduced && target != .pending)
    switch introSentAt {
    case .none:
      break
    case .some(.none):
      if referral.isIntroduced, becomesIntroduced {
        wrong("intro_sent_at", .notNull, "An introduced request keeps the time of it.")
      }
    case .some(.some(let time)):
      if !becomesIntroduced {
        wrong("intro_sent_at", .notAllowedHere, "The request is not introduced.")
      } else if time > now {
        wrong("intro_sent_at", .inFuture, "An introduction lies in the past.")
      }
    }
    return errors
  }

  /// The request after this update. `problems(for:partnerExists:at:)` found none.
  ///
  /// - Parameter partner: The partner that the request names afterwards, if it names one.
  /// - Throws: `Failure.conflict`: `.transitionNotAllowed`, `.referralNotPending`,
  ///   `.partnerAlreadyIntroduced`, `.partnerNotEligible`, in this order.
  package func applied(
    to referral: Referral, partner: Partner?, at now: Timestamp
  ) throws -> Referral {
    let target = target(for: referral)
    let namesPartner: ID? = if case .some(.some(let id)) = partnerID { id } else { nil }
    let changesPartner = namesPartner != nil && namesPartner != referral.partnerID
    if target != referral.status {
      try referral.checkTransition(to: target)
    }
    var next = referral
    if let partnerType, partnerType != referral.partnerType {
      guard referral.status == .pending else { throw Failure.conflict(.referralNotPending) }
      next.partnerType = partnerType
    }
    if changesPartner {
      guard !referral.isIntroduced else { throw Failure.conflict(.partnerAlreadyIntroduced) }
      next.partnerID = namesPartner
    }
    if let context { next.context = context }
    if target != referral.status { next = next.moved(to: target, at: now) }
    if case .some(.some(let time)) = introSentAt { next.introSentAt = time }

    // An introduction that was made stands, whatever is corrected in the request later.
    let isProposed = !referral.isIntroduced && next.partnerID != nil && next.status.isOpen
    let isAsked =
      changesPartner || target != referral.status
      || next.context.state != referral.context.state
    // A partner may have left the state since it was matched.
    if isProposed, isAsked, let partner {
      let reasons = partner.ineligibility(for: next)
      guard reasons.isEmpty else { throw Failure.conflict(.partnerNotEligible(reasons)) }
    }
    return next
  }
}
