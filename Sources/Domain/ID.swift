/// A UUID in its canonical text form, 36 characters in lower case (RFC 9562, section 4).
package struct ID: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The 36 characters, in lower case.
  package let text: String

  /// Reads a UUID of any version, in either case; nil if `text` is not one.
  package init?(_ text: some StringProtocol) {
    // The generic text's bytes one by one would cost as much as the rest of a request.
    var bytes = Array(String(text).utf8)
    guard bytes.count == 36 else { return nil }
    for index in bytes.indices {
      switch (index, bytes[index]) {
      case (8, UInt8(ascii: "-")), (13, UInt8(ascii: "-")), (18, UInt8(ascii: "-")),
        (23, UInt8(ascii: "-")):
        continue
      case (8, _), (13, _), (18, _), (23, _):
        return nil
      case (_, UInt8(ascii: "0")...UInt8(ascii: "9")), (_, UInt8(ascii: "a")...UInt8(ascii: "f")):
        continue
      case (_, UInt8(ascii: "A")...UInt8(ascii: "F")):
        bytes[index] |= 0x20
      default:
        return nil
      }
    }
    self.text = String(decoding: bytes, as: UTF8.self)
  }

  /// Takes the text of an ID that this service wrote itself.
  package init(stored text: String) {
    self.text = text
  }

  /// A UUID of version 7 (RFC 9562, section 5.7): the time, then 74 of the given random bits.
  ///
  /// - Parameters:
  ///   - time: The time of its making; only its milliseconds since 1970 go in.
  ///   - random: Two random numbers.
  package init(time: Timestamp, random: (UInt64, UInt64)) {
    let milliseconds = UInt64(max(0, time.milliseconds))
    let high = milliseconds << 16 | 0x7000 | random.0 & 0x0FFF
    let low = 1 << 63 | random.1 & 0x3FFF_FFFF_FFFF_FFFF
    var bytes: [UInt8] = []
    bytes.reserveCapacity(36)
    for (index, word) in [high, low].enumerated() {
      for shift in stride(from: 60, through: 0, by: -4) {
        bytes.append("0123456789abcdef".utf8.byte(at: Int(word >> UInt64(shift) & 0xF)))
        let digits = index * 16 + (64 - shift) / 4
        if [8, 12, 16, 20].contains(digits) { bytes.append(UInt8(ascii: "-")) }
      }
    }
    text = String(decoding: bytes, as: UTF8.self)
  }

  package static func < (left: ID, right: ID) -> Bool { left.text < right.text }

  package var description: String { text }
}

extension String.UTF8View {
  fileprivate func byte(at offset: Int) -> UInt8 { self[index(startIndex, offsetBy: offset)] }
}
