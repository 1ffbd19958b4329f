/// Everything for which a request is refused. The API turns each into one problem (RFC 9457).
package enum Failure: Error, Equatable {
  /// 400: the body is no JSON text.
  case malformedJSON(String)
  /// 400: a query parameter or a header is wrong.
  case invalidParameter([FieldError])
  /// 401: no token, or one that does not count.
  case unauthenticated(tokenGiven: Bool)
  /// 403: the token does not give the right.
  case forbidden
  /// 404: no such path or thing, or one that the caller may not know of.
  case notFound
  /// 405, with the methods that the path has.
  case methodNotAllowed([String])
  /// 409: a rule, given the state of things, forbids it.
  case conflict(Conflict)
  /// 412: it is in another version than `If-Match` or `If-None-Match` asks for.
  case preconditionFailed
  /// 413: the body is over the limit.
  case tooLarge
  /// 415: the body's `Content-Type` is not JSON.
  case unsupportedMediaType
  /// 422: the body is JSON, but these fields are wrong.
  case validation([FieldError])
  /// 422: the idempotency key came with another request before.
  case idempotencyKeyReused
  /// 503: the database cannot be read or written just now; why, for the log alone.
  case unavailable(String)
}

/// One wrong field of a body, or one wrong query parameter or header.
package struct FieldError: Error, Equatable, Sendable {
  /// Where the mistake is.
  package enum Place: Equatable, Sendable {
    /// A JSON pointer into the body (RFC 6901), such as `/service_areas/1`.
    case pointer(String)
    /// A query parameter's name.
    case parameter(String)
    /// A header field's name.
    case header(String)
  }

  package var place: Place
  package var problem: FieldProblem

  package init(_ place: Place, _ code: FieldCode, _ detail: String) {
    self.place = place
    problem = FieldProblem(code, detail)
  }

  package init(_ place: Place, _ problem: FieldProblem) {
    self.place = place
    self.problem = problem
  }
}

/// The rules that the state of things can break.
package enum Conflict: Equatable, Sendable {
  /// The life cycle has no such move; `allowed` are those that it has from here.
  case transitionNotAllowed(from: String, to: String, allowed: [String])
  /// An active partner needs these fields.
  case partnerNotReady(missing: [String])
  /// Another partner record of this type has the e-mail address.
  case partnerExists
  /// The user is linked to another partner record.
  case userAlreadyLinked
  /// The partner's type is fixed, since a referral names it.
  case partnerHasReferrals
  /// The partner does not fit the request, for these reasons.
  case partnerNotEligible([Ineligibility])
  /// The request was introduced to another partner already.
  case partnerAlreadyIntroduced
  /// Only a pending request changes its partner type.
  case referralNotPending
  /// The group has an open request of that type and state: this one.
  case referralAlreadyOpen(group: ID, referral: ID)
  /// An outcome is recorded from the introduction on, and not for a cancelled request.
  case outcomeNotPossible(status: ReferralStatus)
  /// Coverage without an active partner is not `available`.
  case noActivePartner
  /// Another user has the e-mail address.
  case emailTaken
}
