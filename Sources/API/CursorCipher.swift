import Crypto
import Foundation
import JSON

/// Encrypts the keys at which the pages of lists begin, so that a cursor shows nothing of the database: neither
/// a row's number nor how many digits it has.
///
/// The cipher is AES-256-GCM. The nonce is not random but made from the text and its list (HMAC-SHA256), as in
/// RFC 5297, because pages with equal content must have equal cursors: a cursor is part of what a page's ETag is
/// made of. Two different texts have the same nonce once in 2^48.
struct CursorCipher: Sendable {
  // Bytes, because swift-crypto 3 does not declare its keys as Sendable.
  private let cipherKey: [UInt8]
  private let nonceKey: [UInt8]

  /// - Parameter key: 256 bits.
  init(key: [UInt8]) {
    cipherKey = CursorCipher.code(of: Array("cipher".utf8), key)
    nonceKey = CursorCipher.code(of: Array("nonce".utf8), key)
  }

  private static func code(of bytes: [UInt8], _ key: [UInt8]) -> [UInt8] {
    Array(HMAC<SHA256>.authenticationCode(for: bytes, using: SymmetricKey(data: key)))
  }

  /// The cursor for a key.
  ///
  /// - Parameter list: What the cursor belongs to: the list, its filters and its order.
  func cursor(for key: [String], of list: [UInt8]) -> String {
    var json = JSONWriter()
    json.array { json in
      for text in key { json.string(text) }
    }
    var text = json.bytes
    // To 20, 44, 68 … bytes. Then a number alone has one length, and so has a time with a number. With the nonce and
    // the tag it is a multiple of three, so that base64 has no spare bits in which a cursor could be changed.
    while (text.count + 4) % 24 != 0 { text.append(UInt8(ascii: " ")) }
    do {
      // JSON has no NUL, so no two pairs of a text and a list give the same bytes.
      let nonce = CursorCipher.code(of: text + [0] + list, nonceKey).prefix(12)
      let box = try AES.GCM.seal(
        text, using: SymmetricKey(data: cipherKey), nonce: AES.GCM.Nonce(data: nonce),
        authenticating: list)
      return Base64URL.encode(Array(nonce) + box.ciphertext + box.tag)
    } catch {
      // Only a key or a nonce of another size is refused.
      preconditionFailure("\(error)")
    }
  }

  /// The key in a cursor; nil if the cursor was not made with this cipher, or for another list.
  func key(in cursor: String, of list: [UInt8]) -> [String]? {
    guard let bytes = Base64URL.decode(cursor),
      let box = try? AES.GCM.SealedBox(combined: bytes),
      let text = try? AES.GCM.open(box, using: SymmetricKey(data: cipherKey), authenticating: list),
      case .array(let elements) = try? JSON(parsing: Array(text))
    else { return nil }
    return elements.compactMap { if case .string(let text) = $0 { text } else { nil } }
  }
}
