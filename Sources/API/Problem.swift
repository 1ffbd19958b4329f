import Domain
import HTTPTypes
import JSON

/// An error as the caller gets it: RFC 9457's problem details.
struct Problem: View {
  let status: HTTPResponse.Status
  let code: String
  let title: String
  let detail: String
  var errors: [FieldError] = []
  var conflict: Conflict?
  var instance = ""
  var requestID = ""
  /// Header fields that belong to it.
  var headers: HTTPFields = [:]

  func write(to json: inout JSONWriter) {
    json.object { json in
      json.field("type", "/problems/" + code.map { $0 == "_" ? "-" : String($0) }.joined())
      json.field("title", title)
      json.field("status", status.code)
      json.field("code", code)
      json.field("detail", detail)
      json.field("instance", instance)
      json.field("request_id", requestID)
      if !errors.isEmpty {
        json.name("errors")
        json.array { json in
          for error in errors {
            json.object {
              switch error.place {
              case .pointer(let pointer): $0.field("pointer", pointer)
              case .parameter(let name): $0.field("parameter", name)
              case .header(let name): $0.field("header", name)
              }
              $0.field("code", error.problem.code.rawValue)
              $0.field("detail", error.problem.detail)
            }
          }
        }
      }
      switch conflict {
      case .transitionNotAllowed(_, _, let allowed): json.field("allowed", allowed)
      case .partnerNotReady(let missing): json.field("missing", missing)
      case .partnerNotEligible(let reasons): json.field("reasons", reasons.map(\.rawValue))
      case .referralAlreadyOpen(let existing): json.field("existing", existing)
      default: break
      }
    }
  }
}

extension Problem {
  /// A failure of ours, of which the caller learns nothing.
  static let internalError = Problem(
    status: .internalServerError, code: "internal", title: "The service failed",
    detail: "Something went wrong on our side. It was logged with this request's ID.")

  init(_ failure: Failure) {
    switch failure {
    case .malformedJSON(let detail):
      self.init(
        status: .badRequest, code: "malformed_json", title: "The body is not JSON", detail: detail)
    case .invalidParameter(let errors):
      self.init(
        status: .badRequest, code: "invalid_parameter", title: "A parameter is not valid",
        detail: Problem.count(errors, "parameter or header", "parameters or headers"),
        errors: errors)
    case .unauthenticated(let tokenGiven):
      self.init(
        status: .unauthorized, code: "unauthenticated", title: "A valid token is needed",
        detail: tokenGiven
          ? "The token is unknown, expired or revoked."
          : "Send a token in the header Authorization: Bearer.")
      headers[.wwwAuthenticate] =
        "Bearer realm=\"tomi\"" + (tokenGiven ? ", error=\"invalid_token\"" : "")
    case .forbidden:
      self.init(
        status: .forbidden, code: "forbidden", title: "The token does not give this right",
        detail: "Another kind of token is needed here.")
    case .notFound:
      self.init(
        status: .notFound, code: "not_found", title: "There is nothing here",
        detail: "There is no such path or thing, or it is not yours to see.")
    case .methodNotAllowed(let allowed):
      self.init(
        status: .methodNotAllowed, code: "method_not_allowed",
        title: "The path does not have this method",
        detail: "It has \(allowed.joined(separator: ", ")).")
      headers[.allow] = allowed.joined(separator: ", ")
    case .conflict(let conflict):
      self.init(conflict)
    case .preconditionFailed:
      self.init(
        status: .preconditionFailed, code: "precondition_failed",
        title: "The thing has changed meanwhile",
        detail:
          "The present version is not one that If-Match and If-None-Match allow. Read it again.")
    case .tooLarge:
      self.init(
        status: .contentTooLarge, code: "too_large", title: "The body is too large",
        detail: "A body may have 65536 bytes at most.")
    case .unsupportedMediaType:
      self.init(
        status: .unsupportedMediaType, code: "unsupported_media_type",
        title: "The body is not declared as JSON",
        detail: "Send the header Content-Type: application/json.")
    case .validation(let errors):
      self.init(
        status: .unprocessableContent, code: "validation", title: "The request is not valid",
        detail: Problem.count(errors, "field", "fields"), errors: errors)
    case .idempotencyKeyReused:
      self.init(
        status: .unprocessableContent, code: "idempotency_key_reused",
        title: "The idempotency key was used before",
        detail: "This key came with another body in the last 24 hours. Make a new key.")
    case .unavailable:
      self.init(
        status: .serviceUnavailable, code: "unavailable", title: "The service is not available",
        detail: "The database cannot be used just now. Nothing was changed; try again.")
      headers[.retryAfter] = "5"
    }
  }

  private init(_ conflict: Conflict) {
    let (code, title, detail) =
      switch conflict {
      case .transitionNotAllowed(let from, let to, let allowed):
        (
          "transition_not_allowed", "This change of status is not allowed",
          "From \(from) to \(to) there is no way"
            + (allowed.isEmpty ? "." : "; allowed: \(allowed.joined(separator: ", ")).")
        )
      case .partnerNotReady(let missing):
        (
          "partner_not_ready", "The partner lacks what an active one needs",
          "Missing: \(missing.joined(separator: ", "))."
        )
      case .partnerExists:
        (
          "partner_exists", "There is such a partner already",
          "Another partner of this type has this e-mail address."
        )
      case .userAlreadyLinked:
        (
          "user_already_linked", "The user is linked already",
          "This user is linked to another partner record."
        )
      case .partnerHasReferrals:
        (
          "partner_has_referrals", "The partner's type is fixed",
          "A referral names this partner, so its type cannot change."
        )
      case .partnerNotEligible(let reasons):
        (
          "partner_not_eligible", "The partner does not fit the request",
          reasons.map(Problem.sentence).joined(separator: " ")
        )
      case .partnerAlreadyIntroduced:
        (
          "partner_already_introduced", "A partner was introduced already",
          "Take the request back to pending before you name another partner."
        )
      case .referralNotPending:
        (
          "referral_not_pending", "The request is not pending",
          "The type of partner can change only while the request is pending."
        )
      case .referralAlreadyOpen(let existing):
        (
          "referral_already_open", "There is an open request already",
          "The group has an open request for this type and state: \(existing)."
        )
      case .outcomeNotPossible(let status):
        (
          "outcome_not_possible", "There is no outcome to record",
          "A request that is \(status.rawValue) has no outcome: it is recorded from the "
            + "introduction on, and not once the request is cancelled."
        )
      case .noActivePartner:
        (
          "no_active_partner", "There is no active partner",
          "Coverage without an active partner cannot be pinned to available."
        )
      case .emailTaken:
        ("email_taken", "The e-mail address is taken", "Another user has this e-mail address.")
      }
    self.init(status: .conflict, code: code, title: title, detail: detail, conflict: conflict)
  }

  private static func sentence(_ reason: Ineligibility) -> String {
    switch reason {
    case .notActive: "The partner is not active."
    case .otherType: "The partner is of another type."
    case .doesNotServeState: "The partner does not serve the request's state."
    }
  }

  private static func count(_ errors: [FieldError], _ one: String, _ many: String) -> String {
    errors.count == 1
      ? "1 \(one) needs another value." : "\(errors.count) \(many) need another value."
  }
}
