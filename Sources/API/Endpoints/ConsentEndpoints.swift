import Domain
import JSON
import Store

/// `GET /api/consent`: the text that members agree to before contact data is shared.
@Sendable func getConsent(_ call: Call, _ records: Snapshot) throws -> Answer {
  guard let consent = call.consent.present else { throw Failure.notFound }
  return .resource(
    object {
      $0.field("version", consent.version)
      $0.field("text", consent.text)
    })
}
