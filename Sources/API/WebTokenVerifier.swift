import Crypto
import Domain
import Foundation
import JSON
import _CryptoExtras

/// Verifies the tokens of another sign-in: JSON Web Tokens (RFC 7519), signed with HS256, ES256 or RS256.
///
/// The type of a key determines its algorithm. The token's header only chooses among the keys, so that neither
/// `none` nor a public key used as a secret is accepted.
package struct WebTokenVerifier: Sendable {
  /// The claim that gives a token's user staff's rights.
  package struct StaffClaim: Equatable, Sendable {
    let name: String
    /// The claim's value, or one of its values; nil: the claim must be `true`.
    let value: String?

    /// - Parameter text: `NAME`, or `NAME=VALUE`; nil if there is no name.
    package init?(_ text: String) {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = parts.first, !name.isEmpty else { return nil }
      self.name = String(name)
      value = parts.count == 2 ? String(parts[1]) : nil
    }

    func holds(in claims: JSON) -> Bool {
      switch (claims[name], value) {
      case (.bool(let flag), nil): flag
      case (.string(let text), let value?): text.utf8.elementsEqual(value.utf8)
      case (.array(let elements), let value?): elements.contains(.string(value))
      default: false
      }
    }
  }

  /// The accepted difference between two clocks, in seconds.
  static let leeway = 60.0

  private let keys: [Key]
  private let issuer: String
  private let audience: String
  private let staffClaim: StaffClaim?

  /// - Parameters:
  ///   - keySet: A JWK Set (RFC 7517) with the keys that sign tokens. Keys of other kinds are ignored.
  ///   - issuer: The required value of `iss`.
  ///   - audience: The required value of `aud`, or one of its values.
  ///   - staffClaim: The claim for staff's rights; nil: nobody has them.
  /// - Throws: `KeySetError` if it is not a key set, has no usable key, or has a key that must not be used.
  package init(
    keySet: [UInt8], issuer: String, audience: String, staffClaim: StaffClaim?
  ) throws {
    keys = try Key.all(in: keySet)
    self.issuer = issuer
    self.audience = audience
    self.staffClaim = staffClaim
  }

  /// Whether a key is a secret (HS256): whoever knows it can make tokens.
  package var hasSecret: Bool { keys.contains { $0.algorithm == .hs256 } }

  /// The caller whom a token identifies; nil if the token is not valid at this time. The user may not exist.
  func caller(of token: String, now: Timestamp) -> Caller? {
    // The compact serialization of RFC 7515, section 7.1.
    let parts = token.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, let header = JSON(base64URL: parts[0]),
      let signature = Base64URL.decode(parts[2]), case .string(let algorithm) = header["alg"],
      // It lists extensions that must be supported (RFC 7515, section 4.1.11). None are.
      header["crit"] == nil
    else { return nil }
    var id: String?
    if case .string(let text) = header["kid"] { id = text }
    let signed = Data("\(parts[0]).\(parts[1])".utf8)
    let isSigned = keys.contains { key in
      key.algorithm.rawValue == algorithm && (id == nil || key.id == nil || key.id == id)
        && key.isSignature(Data(signature), of: signed)
    }
    guard isSigned, let claims = JSON(base64URL: parts[1]), isValid(claims, at: now),
      case .string(let subject) = claims["sub"], let user = ID(subject)
    else { return nil }
    return Caller(userID: user, scope: staffClaim?.holds(in: claims) == true ? .admin : nil)
  }

  private func isValid(_ claims: JSON, at now: Timestamp) -> Bool {
    let time = Double(now.milliseconds) / 1000
    guard claims["iss"] == .string(issuer), let expiry = claims["exp"]?.seconds,
      time < expiry + WebTokenVerifier.leeway
    else { return false }
    if let start = claims["nbf"] {
      guard let start = start.seconds, time >= start - WebTokenVerifier.leeway else { return false }
    }
    return switch claims["aud"] {
    case .array(let audiences): audiences.contains(.string(audience))
    case let single: single == .string(audience)
    }
  }

  /// One key of a set.
  private struct Key: Sendable {
    enum Algorithm: String {
      case hs256 = "HS256"
      case es256 = "ES256"
      case rs256 = "RS256"
    }

    /// It is unchecked because swift-crypto 3 does not declare its immutable keys as Sendable.
    private enum Material: @unchecked Sendable {
      case secret(SymmetricKey)
      case ellipticCurve(P256.Signing.PublicKey)
      case rsa(_RSA.Signing.PublicKey)

      var algorithm: Algorithm {
        switch self {
        case .secret: .hs256
        case .ellipticCurve: .es256
        case .rsa: .rs256
        }
      }
    }

    let id: String?
    private let material: Material

    var algorithm: Algorithm { material.algorithm }

    static func all(in keySet: [UInt8]) throws -> [Key] {
      guard let set = try? JSON(parsing: keySet), case .array(let elements) = set["keys"] else {
        throw KeySetError("it is not a JWK Set: a JSON object with an array \"keys\"")
      }
      let keys = try elements.enumerated().compactMap { index, element in
        do {
          return try Key(element)
        } catch let error as KeySetError {
          throw KeySetError("key \(index + 1): \(error.description)")
        }
      }
      guard !keys.isEmpty else { throw KeySetError("it has no key for HS256, ES256 or RS256") }
      return keys
    }

    /// - Returns: Nil for a key of another kind, or for another use (RFC 7517, sections 4.1, 4.2, 5).
    private init?(_ json: JSON) throws {
      if let use = json["use"], use != .string("sig") { return nil }
      guard case .string(let type) = json["kty"] else { throw KeySetError("it has no \"kty\"") }
      switch (type, json["crv"]) {
      case ("oct", _):
        let bytes = try Key.bytes("k", of: json)
        // RFC 7518, section 3.2: the secret must not be shorter than the hash.
        guard bytes.count >= 32 else {
          throw KeySetError(
            "a secret for HS256 needs at least 32 bytes, but this one has \(bytes.count)")
        }
        material = .secret(SymmetricKey(data: bytes))
      case ("EC", .string("P-256")):
        try Key.checkIsPublic(json)
        let point = try Key.bytes("x", of: json) + Key.bytes("y", of: json)
        guard point.count == 64, let key = try? P256.Signing.PublicKey(rawRepresentation: point)
        else { throw KeySetError("\"x\" and \"y\" are not a point of P-256") }
        material = .ellipticCurve(key)
      case ("RSA", _):
        try Key.checkIsPublic(json)
        let modulus = try Key.bytes("n", of: json)
        // RFC 7518, section 3.3.
        guard modulus.count >= 256 else { throw KeySetError("an RSA key needs at least 2048 bits") }
        guard let key = try? _RSA.Signing.PublicKey(n: modulus, e: Key.bytes("e", of: json))
        else { throw KeySetError("\"n\" and \"e\" are not an RSA key") }
        material = .rsa(key)
      default: return nil
      }
      if let given = json["alg"], given != .string(material.algorithm.rawValue) {
        // Other algorithms, such as PS256, are not supported.
        return nil
      }
      id = if case .string(let text) = json["kid"] { text } else { nil }
    }

    private static func bytes(_ name: String, of json: JSON) throws -> Data {
      guard case .string(let text) = json[name], let bytes = Base64URL.decode(text) else {
        throw KeySetError("\"\(name)\" is missing or not in base64url")
      }
      return Data(bytes)
    }

    private static func checkIsPublic(_ json: JSON) throws {
      guard json["d"] == nil else {
        throw KeySetError("it is a private key; only the sign-in may have it")
      }
    }

    func isSignature(_ signature: Data, of message: Data) -> Bool {
      switch material {
      case .secret(let key):
        return HMAC<SHA256>.isValidAuthenticationCode(
          signature, authenticating: message, using: key)
      case .ellipticCurve(let key):
        guard let signature = try? P256.Signing.ECDSASignature(rawRepresentation: signature)
        else { return false }
        return key.isValidSignature(signature, for: SHA256.hash(data: message))
      case .rsa(let key):
        return key.isValidSignature(
          _RSA.Signing.RSASignature(rawRepresentation: signature),
          for: SHA256.hash(data: message), padding: .insecurePKCS1v1_5)
      }
    }
  }
}

/// The reason why a key set can't be used.
package struct KeySetError: Error, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}

extension JSON {
  /// A JSON text in base64url.
  fileprivate init?(base64URL text: Substring) {
    guard let bytes = Base64URL.decode(text), let json = try? JSON(parsing: bytes) else {
      return nil
    }
    self = json
  }

  /// A NumericDate (RFC 7519, section 2): seconds since the start of 1970.
  fileprivate var seconds: Double? {
    switch self {
    case .integer(let seconds): Double(seconds)
    case .number(let seconds): seconds
    default: nil
    }
  }
}
