import Crypto
import Domain
import Foundation
import HTTPTypes
import Store

/// The key that makes a POST safe to repeat. For 24 hours, a repeated request gets the first answer.
struct IdempotencyKey: Sendable {
  private let key: String
  private let path: String
  private let bodySHA256: [UInt8]

  /// Reads the header `Idempotency-Key`; nil if it was not sent.
  ///
  /// - Parameter isAccepted: Whether the route accepts one.
  /// - Throws: `Failure.invalidParameter`.
  init?(_ request: Request, path: String, body: [UInt8], isAccepted: Bool) throws {
    guard let value = try request.header(.idempotencyKey) else { return nil }
    func refuse(_ code: FieldCode, _ detail: String) -> Failure {
      .invalidParameter([FieldError(.header("Idempotency-Key"), code, detail)])
    }
    guard isAccepted else {
      throw refuse(.notAllowedHere, "Not allowed here, because this answer must not be stored.")
    }
    var key = value.trimmingBlanks()
    if key.utf8.count > 1, key.utf8.first == UInt8(ascii: "\""), key.utf8.last == UInt8(ascii: "\"")
    {
      key = String(key.unicodeScalars.dropFirst().dropLast())
    }
    guard (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else {
      throw refuse(.invalidFormat, "Must be 1 to 255 visible ASCII characters.")
    }
    self.key = key
    self.path = path
    bodySHA256 = Array(SHA256.hash(data: Data(body)))
  }

  /// Runs `body` once for a caller, path and key. Later requests get its stored answer.
  ///
  /// A staff user who also uses a user's token has separate keys for the two, since the answers differ.
  ///
  /// - Throws: `Failure.idempotencyKeyReused` if the request's body differs; what `body` throws.
  func once(for caller: Caller, in change: Change, _ body: () throws -> Answer) throws -> Answer {
    let user = caller.userID
    let path = caller.isStaff ? "staff \(path)" : path
    if let stored = try change.storedAnswer(user: user, path: path, key: key) {
      guard stored.requestSHA256 == bodySHA256 else { throw Failure.idempotencyKeyReused }
      return Answer(
        status: [.ok, .created, .noContent].first { $0.code == stored.status }
          ?? HTTPResponse.Status(code: stored.status), body: stored.body, etag: stored.etag,
        location: stored.location, isReplay: true)
    }
    let answer = try body()
    try change.keep(
      StoredAnswer(
        requestSHA256: bodySHA256, status: answer.status.code, location: answer.location,
        etag: answer.etag, body: answer.body),
      user: user, path: path, key: key)
    return answer
  }
}
