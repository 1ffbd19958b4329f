/// What an event says. Each kind begins with the kind of its subject and a dot.
package enum EventKind: String, CaseIterable, Sendable {
  case partnerCreated = "partner.created"
  case partnerUpdated = "partner.updated"
  case partnerStatusChanged = "partner.status_changed"
  case partnerChangesProposed = "partner.changes_proposed"
  case partnerChangesWithdrawn = "partner.changes_withdrawn"
  case partnerChangesApproved = "partner.changes_approved"
  case partnerChangesRejected = "partner.changes_rejected"
  case partnerCredentialAdded = "partner.credential_added"
  case partnerCredentialChanged = "partner.credential_changed"
  case partnerCredentialRemoved = "partner.credential_removed"
  case partnerErased = "partner.erased"
  case referralRequested = "referral.requested"
  case referralMatched = "referral.matched"
  case referralReturned = "referral.returned"
  case referralIntroSent = "referral.intro_sent"
  case referralConnected = "referral.connected"
  case referralClosed = "referral.closed"
  case referralCancelled = "referral.cancelled"
  case referralReopened = "referral.reopened"
  case referralUpdated = "referral.updated"
  case referralNoted = "referral.noted"
  case referralOutcomeRecorded = "referral.outcome_recorded"
  case referralUnanswered = "referral.unanswered"
  case coveragePinned = "coverage.pinned"
  case coverageUnpinned = "coverage.unpinned"
  case coverageStatusChanged = "coverage.status_changed"
  case userCreated = "user.created"
  case userUpdated = "user.updated"
  case userErased = "user.erased"
  case groupCreated = "group.created"
  case groupUpdated = "group.updated"
  case tokenCreated = "token.created"
  case tokenRevoked = "token.revoked"
  case messageResent = "message.resent"
  case messageCancelled = "message.cancelled"
  case databaseEventsLost = "database.events_lost"

  /// The kind of subject that such an event has.
  package var subject: SubjectKind {
    guard let kind = SubjectKind(rawValue: String(rawValue.prefix { $0 != "." })) else {
      preconditionFailure("\(rawValue) does not begin with a kind of subject")
    }
    return kind
  }
}
