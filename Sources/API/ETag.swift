import Crypto
import Foundation

/// Entity tags (RFC 9110, section 8.8.3). A tag is a hash of the caller's view of a resource, so that it changes
/// with everything in the view, such as the phone number of a referral's partner.
enum ETag {
  /// The strong tag of a body, in quotes.
  static func of(_ body: [UInt8]) -> String {
    "\"" + SHA256.hash(data: body).base64(first: 12) + "\""
  }

  /// Whether a list of tags, as in `If-Match` and `If-None-Match`, has this one. Weak forms count as equal,
  /// because compression makes tags weak.
  static func list(_ list: String, names tag: String) -> Bool {
    list.utf8.split(separator: UInt8(ascii: ",")).contains { part in
      let spaces: Set = [UInt8(ascii: " "), UInt8(ascii: "\t")]
      var part = part.drop { spaces.contains($0) }
      while let last = part.last, spaces.contains(last) { part.removeLast() }
      if part.starts(with: "W/".utf8) { part = part.dropFirst(2) }
      return part.elementsEqual(tag.utf8) || part.elementsEqual("*".utf8)
    }
  }
}

/// A request's conditional headers (RFC 9110, section 13.1).
struct Preconditions: Sendable {
  private let ifMatch: String?
  private let ifNoneMatch: String?

  /// Nil if the request has none.
  ///
  /// - Throws: `Failure.invalidParameter`.
  init?(_ request: Request) throws {
    ifMatch = try request.header(.ifMatch, isList: true)
    ifNoneMatch = try request.header(.ifNoneMatch, isList: true)
    if ifMatch == nil, ifNoneMatch == nil { return nil }
  }

  /// Whether the conditions are true.
  ///
  /// - Parameter tag: The resource's tag; nil if it does not exist.
  func hold(for tag: String?) -> Bool {
    if let ifMatch {
      guard let tag, ETag.list(ifMatch, names: tag) else { return false }
    }
    guard let ifNoneMatch, let tag else { return true }
    return !ETag.list(ifNoneMatch, names: tag)
  }
}

extension SHA256Digest {
  /// The first bytes in Base64 (RFC 4648, section 4).
  func base64(first count: Int) -> String {
    withUnsafeBytes { bytes in
      bytes.baseAddress.map { Data(bytes: $0, count: count) } ?? Data()
    }.base64EncodedString()
  }
}
