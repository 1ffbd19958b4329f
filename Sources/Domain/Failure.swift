/// Why a request is refused. The API answers each failure with one problem (RFC 9457).
package enum Failure: Error, Equatable {
  /// 400: the body is not JSON, for this reason.
  case malformedJSON(String)
  /// 400: a query parameter or a header is wrong.
  case invalidParameter([FieldError])
  /// 401: the request has no token, or one that is not valid.
  case unauthenticated(tokenGiven: Bool)
  /// 403: the token does not give the right to do this.
  case forbidden
  /// 404: the path or the resource does not exist, or the caller must not know that it does.
  case notFound
  /// 405: the path does not have this method, but these.
  case methodNotAllowed([String])
  /// 409: the present state of the resource does not allow it.
  case conflict(Conflict)
  /// 410: nobody has got this code, it is too old, or it was used.
  case codeExpired
  /// 412: the resource is not in the version that `If-Match` or `If-None-Match` asks for.
  case preconditionFailed
  /// 413: the body is over the limit.
  case tooLarge
  /// 415: the body's `Content-Type` is not JSON, or its `Content-Encoding` is this one.
  case unsupportedMediaType(encoding: String? = nil)
  /// 422: the body is JSON, but these fields are wrong.
  case validation([FieldError])
  /// 422: the idempotency key was used for another request before.
  case idempotencyKeyReused
  /// 429: the caller has made as many changes in the last 24 hours as are allowed.
  case quotaExceeded(ExceededQuota)
  /// 503: the database cannot be read or written now. The text says why; only the log shows it.
  case unavailable(String)
}

/// The rules that depend on the state of a resource.
package enum Conflict: Equatable, Sendable {
  /// The life cycle does not allow this change of status. `allowed` are the statuses that may follow.
  case transitionNotAllowed(from: String, to: String, allowed: [String])
  /// An active partner needs these fields.
  case partnerNotReady(missing: [String])
  /// Another partner record of this type has the e-mail address.
  case partnerExists
  /// The user is linked to another partner record.
  case userAlreadyLinked
  /// The partner's type can't change, because a referral request names the partner.
  case partnerHasReferrals
  /// The partner has a credential of this kind, state and number.
  case credentialExists
  /// Staff has verified the credential, so the partner can't change it.
  case credentialVerified
  /// The partner does not fit the request, for these reasons.
  case partnerNotEligible([Ineligibility])
  /// The group was already introduced to another partner.
  case partnerAlreadyIntroduced
  /// Only a pending request can change its partner type.
  case referralNotPending
  /// The contact of a request that is over can't change.
  case referralClosed
  /// An introduction needs a contact who is a member of the group and whose account is not disabled.
  case contactMissing
  /// An introduction needs the requester's consent.
  case consentMissing
  /// The group already has this open request for the type and the state.
  case referralAlreadyOpen(group: ID, referral: ID)
  /// An outcome can be recorded only after the introduction, and not for a cancelled request.
  case outcomeNotPossible(status: ReferralStatus)
  /// The partner has proposed no changes that wait for a review.
  case noPendingChanges
  /// Coverage without an active partner can't be `available`.
  case noActivePartner
  /// The type of partner is available in the state, so that nobody has to wait.
  case alreadyAvailable
  /// A message can't be sent again: it carries a code, its text is gone, or the service sends no messages.
  case notResendable
  /// Only a message that is queued or has failed can be cancelled.
  case messageNotQueued(MessageStatus)
  /// Another user has the e-mail address.
  case emailTaken
  /// The user's personal data was erased, and must not come back.
  case userErased
  /// The partner's data was erased, and must not come back.
  case partnerErased
  /// The user has a valid admin token, so only the command line changes the user or creates a token.
  case userIsStaff
}
