/// A UUID (RFC 9562).
package struct ID: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The length of the text form.
  private static let length = 36

  // Not one UInt128: unoptimized code of Swift 6.3 crashes where that is optional twice.
  private let high: UInt64
  private let low: UInt64

  /// Reads the text form of a UUID of any version (RFC 9562, section 4), in either case; nil if `text` is not
  /// one.
  package init?(_ text: some StringProtocol) {
    var text = String(text)
    guard let id = text.withUTF8({ ID(utf8: $0) }) else { return nil }
    self = id
  }

  private init?(utf8 text: UnsafeBufferPointer<UInt8>) {
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
  ///   - time: When it is created. A time before 1970 counts as 1970.
  ///   - random: Two random numbers, from which 12 and 62 bits are taken.
  package init(time: Timestamp, random: (UInt64, UInt64)) {
    let milliseconds = UInt64(max(0, time.milliseconds))
    high = milliseconds << 16 | 0x7000 | random.0 & 0x0FFF
    low = 1 << 63 | random.1 & 0x3FFF_FFFF_FFFF_FFFF
  }

  /// The canonical text, in lower case.
  package var text: String {
    String(unsafeUninitializedCapacity: ID.length) { text in
      var rest = high
      for index in 0..<ID.length {
        if ID.isHyphen(at: index) {
          text[index] = UInt8(ascii: "-")
          // The third hyphen follows the sixteenth digit.
          if index == 18 { rest = low }
        } else {
          let digit = UInt8(truncatingIfNeeded: rest >> 60)
          text[index] = digit &+ (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
          rest <<= 4
        }
      }
      return ID.length
    }
  }

  private static func isHyphen(at index: Int) -> Bool {
    (1 << 8 | 1 << 13 | 1 << 18 | 1 << 23) >> index & 1 == 1
  }

  /// IDs sort as their texts do.
  package static func < (left: ID, right: ID) -> Bool {
    (left.high, left.low) < (right.high, right.low)
  }

  package var description: String { text }
}
