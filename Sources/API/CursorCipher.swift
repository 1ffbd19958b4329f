import Crypto
import Foundation
import JSON

/// Encrypts the keys at which the pages of lists begin, so that a cursor shows nothing of the database: neither
/// a row's number nor how many digits it has.
///
/// The cipher is AES-256-GCM. The nonce is not random but made from the text and its list (HMAC-SHA256), as in
/// RFC 5297, because pages with equal content must have equal cursors: a cursor is part of what a page's ETag is
/// made of. Only among about 2^48 texts are two likely to share a nonce.
struct CursorCipher: Sendable {
  // swift-crypto 3 does not declare these as Sendable. They are values that never change.
  private nonisolated(unsafe) let cipherKey: SymmetricKey
  /// Its copies make the nonces, so that no key is prepared for each.
  private nonisolated(unsafe) let nonceCode: HMAC<SHA256>

  /// - Parameter key: 256 bits.
  init(key: [UInt8]) {
    func derived(_ purpose: String) -> SymmetricKey {
      SymmetricKey(
        data: HMAC<SHA256>.authenticationCode(
          for: Array(purpose.utf8), using: SymmetricKey(data: key)))
    }
    cipherKey = derived("cipher")
    nonceCode = HMAC(key: derived("nonce"))
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
      var code = nonceCode
      code.update(data: text)
      // JSON has no NUL, so no two pairs of a text and a list give the same bytes.
      code.update(data: [0])
      code.update(data: list)
      let box = try AES.GCM.seal(
        text, using: cipherKey, nonce: AES.GCM.Nonce(data: Array(code.finalize()).prefix(12)),
        authenticating: list)
      // The nonce, the encrypted text and the tag. Only a nonce of another size has no such form.
      return Base64URL.encode(Array(box.combined!))
    } catch {
      // Only a key or a nonce of another size is refused.
      preconditionFailure("\(error)")
    }
  }

  /// The key in a cursor; nil if the cursor was not made with this cipher, or for another list.
  func key(in cursor: String, of list: [UInt8]) -> [String]? {
    guard let bytes = Base64URL.decode(cursor),
      let box = try? AES.GCM.SealedBox(combined: bytes),
      let text = try? AES.GCM.open(box, using: cipherKey, authenticating: list),
      case .array(let elements) = try? JSON(parsing: Array(text))
    else { return nil }
    return elements.compactMap { if case .string(let text) = $0 { text } else { nil } }
  }
}
