import Crypto
import Domain
import Foundation
import HTTPTypes
import Store

/// Identifies the caller of a request by the token and checks that they may call the route.
///
/// - Parameter verifier: Verifies the tokens of another sign-in, if they are accepted.
/// - Returns: Nil for a public route.
/// - Throws: `Failure`: `.unauthenticated`, `.forbidden`, and `.invalidParameter` for two tokens.
func authenticate(
  _ request: Request, for route: Route, in records: Snapshot, _ verifier: WebTokenVerifier?
) throws -> Caller? {
  guard route.audience != .anyone else { return nil }
  guard let header = try request.header(.authorization) else {
    throw Failure.unauthenticated(tokenGiven: false)
  }
  // RFC 6750, section 2.1; a scheme's case does not count (RFC 9110, section 11.1). Nothing but spaces separates the
  // two (section 11.4): nginx must recognise each token that counts here, or its limits would not.
  let space = UInt8(ascii: " ")
  let scheme = header.utf8.prefix { $0 != space }
  guard scheme.count < header.utf8.count, String(scheme)?.lowercased() == "bearer" else {
    throw Failure.unauthenticated(tokenGiven: false)
  }
  let token = String(header.utf8[scheme.endIndex...].drop { $0 == space }) ?? ""
  guard let caller = try caller(of: token, in: records, verifier) else {
    throw Failure.unauthenticated(tokenGiven: true)
  }
  // A user's token has no scope: its rights follow from the user's groups and partner record.
  let isInScope = caller.scope.map(route.admits) ?? true
  let isInAudience =
    switch route.audience {
    case .staff: caller.isStaff
    case .partner: try records.partnerID(ofUser: caller.userID) != nil
    // `Call.checkGroup` checks the membership.
    default: true
    }
  guard isInScope && isInAudience else { throw Failure.forbidden }
  return caller
}

private func caller(
  of token: String, in records: Snapshot, _ verifier: WebTokenVerifier?
) throws -> Caller? {
  // The service's own tokens have no dot.
  guard let verifier, token.utf8.contains(UInt8(ascii: ".")) else {
    return try records.caller(tokenSHA256: AccessToken.sha256(of: token))
  }
  guard let caller = verifier.caller(of: token, now: records.now),
    let user = try records.user(caller.userID), !user.isDisabled
  else { return nil }
  return caller
}

/// The secret of an access token.
package enum AccessToken {
  /// A new secret: 256 random bits in base64url, with a prefix that scanners for leaked secrets can find.
  package static func new() -> String { "tomi_" + newCode() }

  /// A new code for a letter: 256 random bits in base64url.
  package static func newCode() -> String {
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    return Base64URL.encode(bytes)
  }

  /// The hash that is stored. The secret has too many random bits to be guessed, so the hash can be fast.
  package static func sha256(of token: String) -> [UInt8] {
    Array(SHA256.hash(data: Data(token.utf8)))
  }
}
