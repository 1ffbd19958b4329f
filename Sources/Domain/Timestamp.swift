/// A moment in UTC, to the millisecond, in the years 1 to 9999.
package struct Timestamp: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Milliseconds since the beginning of 1970, without leap seconds.
  package let milliseconds: Int64

  /// Reads an RFC 3339 date-time with `T` and `Z` in upper case, any offset, and any number of fraction digits,
  /// of which the first three count. Nil for anything else, also for a leap second (`:60`) and for years outside
  /// 1 to 9999.
  package init?(_ text: String) {
    var text = text
    guard let time = text.withUTF8({ Timestamp(utf8: $0) }) else { return nil }
    self = time
  }

  private init?(utf8 bytes: UnsafeBufferPointer<UInt8>) {
    guard bytes.count >= 20 else { return nil }
    func number(_ range: Range<Int>) -> Int64? {
      var value: Int64 = 0
      for index in range {
        let byte = bytes[index]
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
        value = value * 10 + Int64(byte - UInt8(ascii: "0"))
      }
      return value
    }
    guard bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
      bytes[10] == UInt8(ascii: "T"), bytes[13] == UInt8(ascii: ":"),
      bytes[16] == UInt8(ascii: ":"),
      let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
      let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
      (1...12).contains(month), day >= 1, day <= Timestamp.days(in: month, of: year),
      hour < 24, minute < 60, second < 60
    else { return nil }

    var position = 19
    var fraction: Int64 = 0
    if bytes[position] == UInt8(ascii: ".") {
      let start = position + 1
      position = start
      while position < bytes.count, (0x30...0x39).contains(bytes[position]) { position += 1 }
      guard position > start else { return nil }
      for offset in 0..<3 {
        let digit = start + offset < position ? Int64(bytes[start + offset] - 0x30) : 0
        fraction = fraction * 10 + digit
      }
    }

    guard position < bytes.count else { return nil }
    let sign = bytes[position]
    var offset: Int64 = 0
    if sign != UInt8(ascii: "Z") || bytes.count - position != 1 {
      guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"), bytes.count - position == 6,
        bytes[position + 3] == UInt8(ascii: ":"),
        let hours = number(position + 1..<position + 3),
        let minutes = number(position + 4..<position + 6), hours < 24, minutes < 60
      else { return nil }
      offset = (hours * 60 + minutes) * (sign == UInt8(ascii: "+") ? 1 : -1)
    }

    let minutes = (Timestamp.daysSince1970(year, month, day) * 24 + hour) * 60 + minute - offset
    let milliseconds = (minutes * 60 + second) * 1000 + fraction
    guard (Timestamp.first...Timestamp.last).contains(milliseconds) else { return nil }
    self.init(milliseconds: milliseconds)
  }

  /// The beginning of a day in UTC, such as `2026-11-22`. Nil for anything else.
  package init?(day text: String) {
    guard text.utf8.count == 10 else { return nil }
    self.init(text + "T00:00:00Z")
  }

  /// The moment so many milliseconds after the beginning of 1970, or the nearest one in the years 1 to 9999.
  package init(milliseconds: Int64) {
    self.milliseconds = min(max(milliseconds, Timestamp.first), Timestamp.last)
  }

  /// The moment as `2026-11-22T14:30:28.123Z`. All texts have the same length, so that they sort as the moments
  /// do.
  package var text: String {
    // Counted from the first day, so that no division rounds the wrong way.
    let sinceFirst = milliseconds - Timestamp.first
    let rest = sinceFirst % 86_400_000
    let (year, month, day) = Timestamp.date(
      daysSince1970: sinceFirst / 86_400_000 + Timestamp.first / 86_400_000)
    return String(unsafeUninitializedCapacity: 24) { text in
      func put(_ value: Int64, _ position: Int, _ width: Int) {
        var value = value
        for index in (position..<position + width).reversed() {
          text[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value % 10)
          value /= 10
        }
      }
      let (_, length) = text.initialize(from: "0000-00-00T00:00:00.000Z".utf8)
      put(year, 0, 4)
      put(month, 5, 2)
      put(day, 8, 2)
      put(rest / 3_600_000, 11, 2)
      put(rest / 60_000 % 60, 14, 2)
      put(rest / 1000 % 60, 17, 2)
      put(rest % 1000, 20, 3)
      return length
    }
  }

  /// The moment's day in UTC, such as `2026-11-22`. Days sort as their texts do.
  package var day: String { String(text.prefix(10)) }

  /// The moment that is later by so many days of 24 hours, or earlier if negative.
  package func adding(days: Int) -> Timestamp {
    Timestamp(milliseconds: milliseconds + Int64(days) * 86_400_000)
  }

  /// The moment that is later by so many minutes, or earlier if negative.
  package func adding(minutes: Int) -> Timestamp {
    Timestamp(milliseconds: milliseconds + Int64(minutes) * 60_000)
  }

  /// Whether the moment is in the future. The clocks of two machines differ, so five minutes don't count.
  package func isFuture(at now: Timestamp) -> Bool { milliseconds > now.milliseconds + 300_000 }

  package static func < (left: Timestamp, right: Timestamp) -> Bool {
    left.milliseconds < right.milliseconds
  }

  package var description: String { text }

  private static let first: Int64 = -62_135_596_800_000  // 0001-01-01T00:00:00.000Z
  private static let last: Int64 = 253_402_300_799_999  // 9999-12-31T23:59:59.999Z

  private static func days(in month: Int64, of year: Int64) -> Int64 {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  // The two conversions are Howard Hinnant's days_from_civil and civil_from_days
  // (https://howardhinnant.github.io/date_algorithms.html), for the proleptic Gregorian calendar.
  private static func daysSince1970(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let y = month <= 2 ? year - 1 : year
    let era = (y >= 0 ? y : y - 399) / 400
    let yearOfEra = y - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  private static func date(daysSince1970 days: Int64) -> (Int64, Int64, Int64) {
    let z = days + 719_468
    let era = (z >= 0 ? z : z - 146_096) / 146_097
    let dayOfEra = z - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let month = shifted < 10 ? shifted + 3 : shifted - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * shifted + 2) / 5 + 1)
  }
}
