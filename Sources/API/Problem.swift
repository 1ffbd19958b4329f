import Domain
import HTTPTypes
import JSON

/// An error as the caller sees it: the problem details of RFC 9457.
struct Problem {
  let status: HTTPResponse.Status
  let code: Code
  let title: String
  let detail: String
  var errors: [FieldError] = []
  var conflict: Conflict?
  var instance = ""
  var requestID = ""
  /// The header fields of the response.
  var headers: HTTPFields = [:]

  /// The problem as JSON.
  var bytes: [UInt8] {
    object { json in
      json.field("type", "/problems/" + code.rawValue.replacing("_", with: "-"))
      json.field("title", title)
      json.field("status", status.code)
      json.field("code", code)
      json.field("detail", detail)
      json.field("instance", instance)
      json.field("request_id", requestID)
      if !errors.isEmpty {
        json.array("errors", of: errors) { json, error in
          json.object {
            switch error.place {
            case .pointer(let pointer): $0.field("pointer", pointer)
            case .parameter(let name): $0.field("parameter", name)
            case .header(let name): $0.field("header", name)
            }
            $0.field("code", error.problem.code)
            $0.field("detail", error.problem.detail)
          }
        }
      }
      switch conflict {
      case .transitionNotAllowed(_, _, let allowed): json.field("allowed", allowed)
      case .partnerNotReady(let missing): json.field("missing", missing)
      case .partnerNotEligible(let reasons): json.field("reasons", reasons.map(\.rawValue))
      case .referralAlreadyOpen(let group, let referral):
        json.field("existing", Problem.path(group, referral))
      default: break
      }
    }
  }
}

extension Problem {
  /// The kinds of problems. nginx answers with some of them too, and with three of its own: see
  /// nginx/service.conf.
  enum Code: String, CaseIterable {
    case alreadyAvailable = "already_available"
    case codeExpired = "code_expired"
    case consentMissing = "consent_missing"
    case contactMissing = "contact_missing"
    case credentialExists = "credential_exists"
    case credentialVerified = "credential_verified"
    case emailTaken = "email_taken"
    case forbidden
    case idempotencyKeyReused = "idempotency_key_reused"
    case internalError = "internal"
    case invalidParameter = "invalid_parameter"
    case malformedJSON = "malformed_json"
    case messageNotQueued = "message_not_queued"
    case methodNotAllowed = "method_not_allowed"
    case noActivePartner = "no_active_partner"
    case noPendingChanges = "no_pending_changes"
    case notFound = "not_found"
    case notResendable = "not_resendable"
    case outcomeNotPossible = "outcome_not_possible"
    case partnerAlreadyIntroduced = "partner_already_introduced"
    case partnerErased = "partner_erased"
    case partnerExists = "partner_exists"
    case partnerHasReferrals = "partner_has_referrals"
    case partnerNotEligible = "partner_not_eligible"
    case partnerNotReady = "partner_not_ready"
    case preconditionFailed = "precondition_failed"
    case quotaExceeded = "quota_exceeded"
    case referralAlreadyOpen = "referral_already_open"
    case referralClosed = "referral_closed"
    case referralNotPending = "referral_not_pending"
    case tooLarge = "too_large"
    case transitionNotAllowed = "transition_not_allowed"
    case unauthenticated
    case unavailable
    case unsupportedMediaType = "unsupported_media_type"
    case userAlreadyLinked = "user_already_linked"
    case userErased = "user_erased"
    case userIsStaff = "user_is_staff"
    case validation
  }

  /// An unexpected error. The response does not show its cause.
  static let internalError = Problem(
    status: .internalServerError, code: .internalError, title: "Internal error",
    detail: "Something went wrong on our side. It was logged with this request's ID.")

  init(_ failure: Failure) {
    switch failure {
    case .malformedJSON(let detail):
      self.init(
        status: .badRequest, code: .malformedJSON, title: "The body is not valid JSON",
        detail: detail)
    case .invalidParameter(let errors):
      self.init(
        status: .badRequest, code: .invalidParameter, title: "A parameter is not valid",
        detail: Problem.count(errors, "parameter or header", "parameters or headers"),
        errors: errors)
    case .unauthenticated(let tokenGiven):
      self.init(
        status: .unauthorized, code: .unauthenticated, title: "A valid token is required",
        detail: tokenGiven
          ? "The token is unknown, expired or revoked."
          : "Send a token in the header \"Authorization: Bearer TOKEN\".")
      headers[.wwwAuthenticate] =
        "Bearer realm=\"tomi\"" + (tokenGiven ? ", error=\"invalid_token\"" : "")
    case .forbidden:
      self.init(
        status: .forbidden, code: .forbidden, title: "The token does not allow this",
        detail: "This request needs another kind of token.")
    case .notFound:
      self.init(
        status: .notFound, code: .notFound, title: "Not found",
        detail: "Nothing exists at this path, or your token can't see it.")
    case .methodNotAllowed(let allowed):
      self.init(
        status: .methodNotAllowed, code: .methodNotAllowed, title: "Method not allowed",
        detail: "Allowed methods: \(allowed.joined(separator: ", ")).")
      headers[.allow] = allowed.joined(separator: ", ")
    case .conflict(let conflict):
      self.init(conflict)
    case .codeExpired:
      self.init(
        status: .gone, code: .codeExpired, title: "The code is not valid any more",
        detail: "The code is unknown, too old or was used. Ask for a new letter.")
    case .preconditionFailed:
      self.init(
        status: .preconditionFailed, code: .preconditionFailed,
        title: "The resource has changed",
        detail: "The resource has changed since you read it. Read it again and retry.")
    case .tooLarge:
      self.init(
        status: .contentTooLarge, code: .tooLarge, title: "The body is too large",
        detail: "The body must be 64 KiB or smaller.")
    case .unsupportedMediaType(let encoding):
      self.init(
        status: .unsupportedMediaType, code: .unsupportedMediaType,
        title: "The body must be JSON, not compressed",
        detail: encoding.map {
          "The body has the Content-Encoding \"\($0)\". Send it without one."
        } ?? "Send the header \"Content-Type: application/json\".")
      // RFC 9110, section 12.5.3.
      if encoding != nil { headers[.acceptEncoding] = "identity" }
    case .validation(let errors):
      self.init(
        status: .unprocessableContent, code: .validation, title: "The request is not valid",
        detail: Problem.count(errors, "field", "fields"), errors: errors)
    case .idempotencyKeyReused:
      self.init(
        status: .unprocessableContent, code: .idempotencyKeyReused,
        title: "The idempotency key was used for another request",
        detail: "This key was sent with another body in the last 24 hours. Use a new key.")
    case .quotaExceeded(let quota):
      let limit =
        switch quota.subject {
        case .groupRequests: "A group can make \(quota.limit) requests in 24 hours."
        case .partnerChanges: "A partner can make \(quota.limit) changes in 24 hours."
        }
      self.init(
        status: .tooManyRequests, code: .quotaExceeded, title: "The daily quota is used up",
        detail: "\(limit) Try again after the time in Retry-After.")
      headers[.retryAfter] = String(quota.retryAfter)
    case .unavailable:
      self.init(
        status: .serviceUnavailable, code: .unavailable, title: "The service is unavailable",
        detail: "The database can't be used right now. Nothing was changed. Try again.")
      headers[.retryAfter] = "5"
    }
  }

  private init(_ conflict: Conflict) {
    let (code, title, detail): (Code, String, String) =
      switch conflict {
      case .transitionNotAllowed(let from, let to, let allowed):
        (
          .transitionNotAllowed, "This change of status is not allowed",
          Problem.sentence(from: from, to: to)
            + (allowed.isEmpty ? "" : " Allowed: \(allowed.joined(separator: ", ")).")
        )
      case .partnerNotReady(let missing):
        (
          .partnerNotReady, "The partner is not ready to be active",
          "An active partner needs: \(missing.joined(separator: ", "))."
        )
      case .partnerExists:
        (
          .partnerExists, "The partner already exists",
          "Another partner of this type has this e-mail address."
        )
      case .userAlreadyLinked:
        (
          .userAlreadyLinked, "The user is already linked",
          "This user is linked to another partner."
        )
      case .partnerHasReferrals:
        (
          .partnerHasReferrals, "The partner's type can't change",
          "A referral request names this partner, so its type can't change."
        )
      case .credentialExists:
        (
          .credentialExists, "The partner already has this credential",
          "The partner has a credential of this kind, state and number."
        )
      case .credentialVerified:
        (
          .credentialVerified, "The credential is verified",
          "Only staff can change or remove a credential that is verified."
        )
      case .partnerNotEligible(let reasons):
        (
          .partnerNotEligible, "The partner does not fit the request",
          reasons.map(Problem.sentence).joined(separator: " ")
        )
      case .partnerAlreadyIntroduced:
        (
          .partnerAlreadyIntroduced, "A partner is already introduced",
          "Set the request back to pending before you name another partner."
        )
      case .referralNotPending:
        (
          .referralNotPending, "The request is not pending",
          "The partner type can change only while the request is pending."
        )
      case .referralClosed:
        (
          .referralClosed, "The request is closed or cancelled",
          "The contact of a closed or cancelled request can't change."
        )
      case .contactMissing:
        (
          .contactMissing, "The request has no contact",
          "An introduction needs a contact who is a member of the group and whose account is not "
            + "disabled."
        )
      case .consentMissing:
        (
          .consentMissing, "The requester's consent is missing",
          "An introduction needs the version of the text that the requester agreed to."
        )
      case .referralAlreadyOpen(let group, let referral):
        (
          .referralAlreadyOpen, "The group already has an open request",
          "The group has an open request for this type and state: \(Problem.path(group, referral))."
        )
      case .outcomeNotPossible(let status):
        (
          .outcomeNotPossible, "The request can't have an outcome",
          "\(status.withArticle) request can't have an outcome. Record it after the introduction "
            + "and before a cancellation."
        )
      case .noActivePartner:
        (
          .noActivePartner, "No active partner",
          "Coverage without an active partner can't be pinned to available."
        )
      case .noPendingChanges:
        (
          .noPendingChanges, "No changes wait for a review",
          "This partner has no pending changes."
        )
      case .alreadyAvailable:
        (
          .alreadyAvailable, "It is available",
          "This type of partner is available in this state, so there is no waiting list."
        )
      case .notResendable:
        (
          .notResendable, "The message can't be sent again",
          "Its text is gone or had a code, or the service sends no messages."
        )
      case .messageNotQueued(let status):
        (
          .messageNotQueued, "The message is not queued",
          "Only a message that is queued or failed can be cancelled. This one is \(status.rawValue)."
        )
      case .emailTaken:
        (
          .emailTaken, "The e-mail address is taken",
          "Another user has this e-mail address."
        )
      case .userErased:
        (
          .userErased, "The user was erased",
          "The personal data of this user was erased. Use another ID for a new account."
        )
      case .partnerErased:
        (
          .partnerErased, "The partner was erased",
          "The data of this partner was erased. Create a new partner instead."
        )
      case .userIsStaff:
        (
          .userIsStaff, "The user is staff",
          "This user has an admin token. Use the command line on the server."
        )
      }
    self.init(status: .conflict, code: code, title: title, detail: detail, conflict: conflict)
  }

  /// The reason why a change of status is refused, such as `A connected request can't go back to pending.`
  private static func sentence(from: String, to: String) -> String {
    func adjective(_ status: String) -> String {
      ReferralStatus(rawValue: status)?.adjective ?? status.replacing("_", with: " ")
    }
    let article = "aeiou".contains(from.prefix(1)) ? "An" : "A"
    // Partners and requests have no status in common.
    let subject = ReferralStatus(rawValue: from) == nil ? "partner" : "request"
    let verb = to == ReferralStatus.pending.rawValue ? "go back to" : "become"
    return "\(article) \(adjective(from)) \(subject) can't \(verb) \(adjective(to))."
  }

  private static func sentence(_ reason: Ineligibility) -> String {
    switch reason {
    case .notActive: "The partner is not active."
    case .otherType: "The partner is of another type."
    case .doesNotServeState: "The partner does not serve the request's state."
    case .credentialExpired: "A verified credential of the partner has expired."
    }
  }

  /// The path of a group's request.
  private static func path(_ group: ID, _ referral: ID) -> String {
    "/api/groups/\(group)/referrals/\(referral)"
  }

  private static func count(_ errors: [FieldError], _ one: String, _ many: String) -> String {
    errors.count == 1
      ? "1 \(one) needs another value." : "\(errors.count) \(many) need other values."
  }
}
