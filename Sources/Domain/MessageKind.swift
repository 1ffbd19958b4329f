/// What a message is about. Each kind has a template.
package enum MessageKind: String, CaseIterable, Sendable {
  case requestReceived = "request.received"
  case requestNew = "request.new"
  case introductionPartner = "introduction.partner"
  case introductionGroup = "introduction.group"
  case introductionReminder = "introduction.reminder"
  case introductionUnanswered = "introduction.unanswered"
  case referralAnswered = "referral.answered"
  case referralOutcome = "referral.outcome"
  case partnerInvited = "partner.invited"
  case partnerActivated = "partner.activated"
  case partnerChangesReviewed = "partner.changes_reviewed"
  case partnerChangesWaiting = "partner.changes_waiting"
  case credentialExpiring = "credential.expiring"
  case coverageAvailable = "coverage.available"
  case signIn = "sign_in"
  case waitlistConfirm = "waitlist.confirm"

  /// Whether somebody without a token asks for it. It carries a code that exists only in the letter, so that the
  /// letter is written when it is handed over.
  package var isAskedFor: Bool { self == .signIn || self == .waitlistConfirm }

  /// Whether it goes to a partner, at the partner's own address, unless it goes to staff.
  package var isToPartner: Bool {
    switch self {
    case .introductionPartner, .introductionReminder, .partnerInvited, .partnerActivated,
      .partnerChangesReviewed, .credentialExpiring:
      true
    default: false
    }
  }

  /// The kinds that have no reason any more when a request gets a status.
  package static func obsolete(in status: ReferralStatus) -> [MessageKind] {
    var kinds: [MessageKind] = []
    if status == .cancelled { kinds += [.requestReceived, .requestNew, .referralAnswered] }
    if status != .introSent { kinds += [.introductionReminder, .introductionUnanswered] }
    if status != .introSent, status != .connected {
      kinds += [.introductionPartner, .introductionGroup]
    }
    if status != .connected { kinds.append(.referralOutcome) }
    return kinds
  }

  /// The kinds that have no reason any more when a partner gets a status.
  package static func obsolete(in status: PartnerStatus) -> [MessageKind] {
    if status == .removed { return allCases }
    return (status == .invited ? [] : [.partnerInvited])
      + (status == .active ? [] : [.partnerActivated, .partnerChangesWaiting])
  }
}
