/// A UUID (RFC 9562).
package struct ID: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// How many characters its text has.
  package static let length = 36

  // Not one UInt128: where that is optional twice, code that Swift 6.3 makes without optimization crashes.
  private let high: UInt64
  private let low: UInt64

  /// Reads a UUID of any version in its text form (RFC 9562, section 4), in either case; nil if `text`
  /// is not one.
  package init?(_ text: some StringProtocol) {
    var text = String(text)
    guard let id = text.withUTF8({ ID(utf8: $0) }) else { return nil }
    self = id
  }

  /// Reads a UUID's text that is given as UTF-8; nil if it is not one.
  package init?(utf8 text: UnsafeBufferPointer<UInt8>) {
    guard text.count == ID.length else { return nil }
    var words: (high: UInt64, low: UInt64) = (0, 0)
    for index in 0..<ID.length {
      let byte = text[index]
      if ID.isHyphen(at: index) {
        guard byte == UInt8(ascii: "-") else { return nil }
        continue
      }
      var digit = byte &- UInt8(ascii: "0")
      if digit > 9 {
        digit = (byte | 0x20) &- UInt8(ascii: "a")
        guard digit < 6 else { return nil }
        digit += 10
      }
      words.high = words.high << 4 | words.low >> 60
      words.low = words.low << 4 | UInt64(digit)
    }
    (high, low) = words
  }

  /// A UUID of version 7 (RFC 9562, section 5.7): the time, then 74 of the given random bits.
  ///
  /// - Parameters:
  ///   - time: The time of its making; only its milliseconds since 1970 go in.
  ///   - random: Two random numbers.
  package init(time: Timestamp, random: (UInt64, UInt64)) {
    let milliseconds = UInt64(max(0, time.milliseconds))
    high = milliseconds << 16 | 0x7000 | random.0 & 0x0FFF
    low = 1 << 63 | random.1 & 0x3FFF_FFFF_FFFF_FFFF
  }

  /// The canonical text, in lower case.
  package var text: String {
    String(unsafeUninitializedCapacity: ID.length) {
      write(to: $0)
      return ID.length
    }
  }

  /// Writes the canonical text, ``length`` bytes of ASCII.
  package func write(to text: UnsafeMutableBufferPointer<UInt8>) {
    var rest = high
    for index in 0..<ID.length {
      if ID.isHyphen(at: index) {
        text[index] = UInt8(ascii: "-")
        // Sixteen digits stand before the third hyphen.
        if index == 18 { rest = low }
      } else {
        let digit = UInt8(truncatingIfNeeded: rest >> 60)
        text[index] = digit &+ (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
        rest <<= 4
      }
    }
  }

  private static func isHyphen(at index: Int) -> Bool {
    (1 << 8 | 1 << 13 | 1 << 18 | 1 << 23) >> index & 1 == 1
  }

  /// In the order of their texts.
  package static func < (left: ID, right: ID) -> Bool {
    (left.high, left.low) < (right.high, right.low)
  }

  package var description: String { text }
}
