import JSON

/// A change of a referral request: its next status, its partner, and corrections.
package struct ReferralCommand: Equatable, Sendable {
  /// The next status; nil keeps the present one.
  package var status: ReferralStatus?
  /// The partner to match; nil keeps the present one.
  package var partnerID: ID?
  /// The profession to ask for; nil keeps the present one.
  package var partnerType: PartnerType?
  /// The context; nil keeps the present one.
  package var context: JSON?
  /// When the introduction was sent; nil keeps the present time, and means now for a new introduction.
  package var introSentAt: Timestamp?
  /// The member whom the partner is put in touch with, or nil for nobody; nil keeps the present one.
  package var contactID: ID??
  /// Which text the requester agreed to, or nil for none; nil keeps the present one.
  package var consentVersion: String??
  /// The fields that no rule depends on, such as who looks after the request.
  package var fields: [JSON.Member] = []

  /// Proposes a partner.
  package static func match(_ partner: ID) -> Self {
    Self(status: .matched, partnerID: partner)
  }
  /// Introduces the group and the matched partner to each other.
  package static let introduce = Self(status: .introSent)
  /// Takes the request back from its partner.
  package static let giveBack = Self(status: .pending)
  /// Records that the group and the partner work together.
  package static let connect = Self(status: .connected)
  /// Ends the request. Without an outcome, its outcome becomes unknown.
  package static let close = Self(status: .closed)
  /// Ends the request and leaves its outcome as it is.
  package static let cancel = Self(status: .cancelled)

  package init(status: ReferralStatus? = nil, partnerID: ID? = nil) {
    self.status = status
    self.partnerID = partnerID
  }
}

/// The fields that staff sends to change a request. A field that was not sent is nil; a field that was sent as
/// null is `.some(nil)`.
package struct ReferralUpdate: Equatable, Sendable {
  package var status: ReferralStatus?
  package var partnerID: ID??
  package var partnerType: PartnerType?
  package var context: JSON?
  package var introSentAt: Timestamp??
  package var contactID: ID??
  package var consentVersion: String??
  /// The fields that no rule depends on, such as who looks after the request.
  package var fields: [JSON.Member]

  package init(
    status: ReferralStatus? = nil, partnerID: ID?? = nil, partnerType: PartnerType? = nil,
    context: JSON? = nil, introSentAt: Timestamp?? = nil, contactID: ID?? = nil,
    consentVersion: String?? = nil, fields: [JSON.Member] = []
  ) {
    self.status = status
    self.partnerID = partnerID
    self.partnerType = partnerType
    self.context = context
    self.introSentAt = introSentAt
    self.contactID = contactID
    self.consentVersion = consentVersion
    self.fields = fields
  }

  /// The command that these fields mean for a request, and the errors in the fields. Whether the life cycle
  /// allows the command is not checked here.
  ///
  /// A partner without a status matches a request that was not introduced.
  ///
  /// - Parameter partnerExists: Whether the named partner exists; true if the fields name none.
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
      } else if time != referral.introSentAt, time.isFuture(at: now) {
        wrong("intro_sent_at", .inFuture, "Must not be in the future.")
      }
    }

    if case .some(.none) = contactID, referral.contactID != nil, target != .pending {
      wrong("contact_id", .notNull, "\(target.withArticle) request keeps its contact.")
    }

    var command = ReferralCommand(status: target, partnerID: named)
    command.contactID = contactID
    command.consentVersion = consentVersion
    command.fields = fields
    command.partnerType = partnerType
    command.context = context
    if case .some(.some(let time)) = introSentAt { command.introSentAt = time }
    return (command, errors)
  }
}

extension ReferralStatus {
  /// The status in the words of messages, such as `introduced`.
  package var adjective: String { self == .introSent ? "introduced" : rawValue }

  /// The adjective with its article at the beginning of a sentence, such as `An introduced`.
  package var withArticle: String {
    self == .introSent ? "An introduced" : "A \(adjective)"
  }
}
