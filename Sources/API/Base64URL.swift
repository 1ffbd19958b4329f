import Foundation

/// Base64 in the alphabet for URLs, without padding (RFC 4648, section 5).
enum Base64URL {
  static func encode(_ bytes: [UInt8]) -> String {
    var encoded = Data(bytes).base64EncodedString()
    return encoded.withUTF8 { base64 in
      String(unsafeUninitializedCapacity: base64.count) { text in
        var count = 0
        for byte in base64 where byte != UInt8(ascii: "=") {
          text[count] =
            switch byte {
            case UInt8(ascii: "+"): UInt8(ascii: "-")
            case UInt8(ascii: "/"): UInt8(ascii: "_")
            default: byte
            }
          count += 1
        }
        return count
      }
    }
  }

  /// The decoded bytes; nil if the text is not base64url, or has padding.
  static func decode(_ text: some StringProtocol) -> [UInt8]? {
    var base64: [UInt8] = []
    base64.reserveCapacity(text.utf8.count + 3)
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "-"): base64.append(UInt8(ascii: "+"))
      case UInt8(ascii: "_"): base64.append(UInt8(ascii: "/"))
      case UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="): return nil
      default: base64.append(byte)
      }
    }
    while base64.count % 4 != 0 { base64.append(UInt8(ascii: "=")) }
    return Data(base64Encoded: Data(base64)).map { Array($0) }
  }
}
