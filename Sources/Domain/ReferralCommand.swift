import JSON

/// What is to happen to a referral request: a move along its life cycle, a partner, corrections.
package struct ReferralCommand: Equatable, Sendable {
  /// The status that it gets; nil keeps it.
  package var status: ReferralStatus?
  /// The partner that it gets; nil keeps it, as does the partner that it has.
  package var partnerID: ID?
  /// The type of partner that it asks for; nil keeps it.
  package var partnerType: PartnerType?
  /// The context that replaces its own; nil keeps it.
  package var context: JSON?
  /// When the introduction was made; nil keeps it, or is now for a new introduction.
  package var introSentAt: Timestamp?

  /// Proposes a partner.
  package static func match(_ partner: ID) -> Self {
    Self(status: .matched, partnerID: partner)
  }
  /// Puts the group and the matched partner in touch.
  package static let introduce = Self(status: .introSent)
  /// Takes the request off its partner.
  package static let giveBack = Self(status: .pending)
  /// Notes that the group and the partner got to work.
  package static let connect = Self(status: .connected)
  /// Ends the request, with the outcome unknown if it has none.
  package static let close = Self(status: .closed)
  /// Ends the request without an outcome.
  package static let cancel = Self(status: .cancelled)

  package init(status: ReferralStatus? = nil, partnerID: ID? = nil) {
    self.status = status
    self.partnerID = partnerID
  }
}

/// What staff sends to change a request. A field that is nil was left out; a field that was given as null is
/// `.some(nil)`.
package struct ReferralUpdate: Equatable, Sendable {
  package var status: ReferralStatus?
  package var partnerID: ID??
  package var partnerType: PartnerType?
  package var context: JSON?
  package var introSentAt: Timestamp??

  package init(
    status: ReferralStatus? = nil, partnerID: ID?? = nil, partnerType: PartnerType? = nil,
    context: JSON? = nil, introSentAt: Timestamp?? = nil
  ) {
    self.status = status
    self.partnerID = partnerID
    self.partnerType = partnerType
    self.context = context
    self.introSentAt = introSentAt
  }

  /// The command that is meant for a request as it stands, and what is wrong with the fields, whatever the
  /// life cycle says.
  ///
  /// A partner alone means a match on a request that was not introduced.
  ///
  /// - Parameter partnerExists: Whether the partner that is named exists; true if none is named.
  package func command(
    for referral: Referral, partnerExists: Bool, at now: Timestamp
  ) -> (command: ReferralCommand, errors: [FieldError]) {
    var errors: [FieldError] = []
    func wrong(_ field: String, _ code: FieldCode, _ detail: String) {
      errors.append(FieldError(.pointer("/" + field), code, detail))
    }
    let isTaken = referral.isIntroduced
    let named: ID? = if case .some(.some(let id)) = partnerID { id } else { nil }
    let isOther = named != nil && named != referral.partnerID
    let target = status ?? (isOther && !isTaken ? .matched : referral.status)

    switch partnerID {
    case .none:
      if status == .matched, referral.partnerID == nil {
        wrong("partner_id", .required, "A matched request needs a partner.")
      }
    case .some(.none):
      if status == nil {
        wrong(
          "partner_id", .notNull, "To remove the partner, also send the status \"pending\".")
      } else if target != .pending, target == .matched || referral.partnerID != nil {
        wrong("partner_id", .notNull, "\(target.withArticle) request keeps its partner.")
      }
    case .some(.some):
      if !partnerExists {
        wrong("partner_id", .unknownPartner, "No partner has this ID.")
      } else if target == .pending {
        wrong("partner_id", .notAllowedHere, "A pending request has no partner.")
      } else if isOther, target == .closed || target == .cancelled, !isTaken, status != nil {
        wrong(
          "partner_id", .notAllowedHere,
          "A partner can be set only with the status \"matched\" or \"intro_sent\".")
      }
    }

    let becomesIntroduced = target == .introSent || (isTaken && target != .pending)
    switch introSentAt {
    case .none:
      break
    case .some(.none):
      if isTaken, becomesIntroduced {
        wrong("intro_sent_at", .notNull, "The time of an introduction can't be removed.")
      }
    case .some(.some(let time)):
      if !becomesIntroduced {
        wrong("intro_sent_at", .notAllowedHere, "The request is not introduced.")
      } else if time > now {
        wrong("intro_sent_at", .inFuture, "Must not be in the future.")
      }
    }

    var command = ReferralCommand(status: target, partnerID: named)
    command.partnerType = partnerType
    command.context = context
    if case .some(.some(let time)) = introSentAt { command.introSentAt = time }
    return (command, errors)
  }
}

extension ReferralStatus {
  /// The status as messages name it, such as `introduced`.
  package var adjective: String {
    switch self {
    case .introSent: "introduced"
    default: rawValue
    }
  }

  /// The same with its article at the beginning of a sentence, such as `An introduced`.
  package var withArticle: String {
    self == .introSent ? "An introduced" : "A \(adjective)"
  }
}
