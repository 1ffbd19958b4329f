import Domain
import Foundation
import Testing

@Suite("Timestamps")
struct TimestampTests {
  @Test(
    "what is read, and how it is written",
    arguments: [
      ("2026-11-22T14:30:28.123Z", "2026-11-22T14:30:28.123Z"),
      ("2026-11-22T14:30:28Z", "2026-11-22T14:30:28.000Z"),
      // Offsets.
      ("2026-11-22T14:30:28+00:00", "2026-11-22T14:30:28.000Z"),
      ("2026-11-22T14:30:28-00:00", "2026-11-22T14:30:28.000Z"),
      ("2026-11-22T14:30:28+05:30", "2026-11-22T09:00:28.000Z"),
      ("2026-11-22T14:30:28-06:00", "2026-11-22T20:30:28.000Z"),
      ("2026-11-22T00:30:00+14:00", "2026-11-21T10:30:00.000Z"),
      ("2026-12-31T23:59:59.999-00:01", "2027-01-01T00:00:59.999Z"),
      ("2026-01-01T00:00:00+23:59", "2025-12-31T00:01:00.000Z"),
      ("2024-03-01T00:00:00+00:01", "2024-02-29T23:59:00.000Z"),
      ("2023-03-01T00:00:00+00:01", "2023-02-28T23:59:00.000Z"),
      // Fractions are cut, not rounded.
      ("2026-11-22T14:30:28.1Z", "2026-11-22T14:30:28.100Z"),
      ("2026-11-22T14:30:28.01Z", "2026-11-22T14:30:28.010Z"),
      ("2026-11-22T14:30:28.9999Z", "2026-11-22T14:30:28.999Z"),
      ("2026-11-22T14:30:28.0009Z", "2026-11-22T14:30:28.000Z"),
      ("2026-11-22T14:30:28.123456789012345678901234567890Z", "2026-11-22T14:30:28.123Z"),
      ("2026-11-22T14:30:28.5+01:00", "2026-11-22T13:30:28.500Z"),
      // Leap days.
      ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00.000Z"),
      ("2000-02-29T12:00:00Z", "2000-02-29T12:00:00.000Z"),
      ("1600-02-29T12:00:00Z", "1600-02-29T12:00:00.000Z"),
      // The ends.
      ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
      ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
      ("0001-01-01T01:00:00+01:00", "0001-01-01T00:00:00.000Z"),
      ("9999-12-31T22:59:59.999-01:00", "9999-12-31T23:59:59.999Z"),
      ("0000-12-31T23:30:00-00:30", "0001-01-01T00:00:00.000Z"),
      ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
    ])
  func reading(text: String, written: String) throws {
    #expect(try #require(Timestamp(text)).text == written)
    #expect(try #require(Timestamp(text)).description == written)
  }

  @Test(
    "what is refused",
    arguments: [
      "", "2026", "2026-11-22", "14:30:28Z", "now", "1772366400",
      "2026-11-22T14:30:28", "2026-11-22T14:30:28.123", "2026-11-22T14:30Z",
      "2026-11-22t14:30:28Z", "2026-11-22T14:30:28z", "2026-11-22 14:30:28Z",
      "2026-11-22T14:30:60Z", "2016-12-31T23:59:60Z", "2026-11-22T24:00:00Z",
      "2026-11-22T14:60:00Z", "2026-11-22T14:30:61Z",
      "2026-00-22T14:30:28Z", "2026-13-22T14:30:28Z", "2026-11-00T14:30:28Z",
      "2026-11-31T14:30:28Z", "2026-02-30T14:30:28Z", "2026-02-29T14:30:28Z",
      "2026-04-31T14:30:28Z", "2026-06-31T14:30:28Z", "2026-09-31T14:30:28Z",
      "2026-01-32T14:30:28Z", "1900-02-29T14:30:28Z", "2100-02-29T14:30:28Z",
      "0000-06-15T12:00:00Z", "0000-12-31T23:59:59Z",
      "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
      "2026-11-22T14:30:28.Z", "2026-11-22T14:30:28,123Z", "2026-11-22T14:30:28.12aZ",
      "2026-11-22T14:30:28+24:00", "2026-11-22T14:30:28+05:60", "2026-11-22T14:30:28+0530",
      "2026-11-22T14:30:28+05", "2026-11-22T14:30:28+5:30", "2026-11-22T14:30:28 +05:30",
      "2026-11-22T14:30:28Z+05:30", "2026-11-22T14:30:28ZZ", "2026-11-22T14:30:28Z ",
      " 2026-11-22T14:30:28Z", "2026-11-22T14:30:28Z\u{0}", "+2026-11-22T14:30:28Z",
      "-026-11-22T14:30:28Z", "12026-11-22T14:30:28Z", "2026-11-22T-4:30:28Z",
      "2026/11/22T14:30:28Z", "2026-11-22T14.30.28Z", "20261122T143028Z", "2026-W47-7T14:30:28Z",
      "２０２６-11-22T14:30:28Z", "2026-11-22T14:30:28\u{2212}05:30",
    ])
  func refused(text: String) {
    #expect(Timestamp(text) == nil)
  }

  @Test(
    "milliseconds since 1970",
    arguments: [
      (0, "1970-01-01T00:00:00.000Z"),
      (-1, "1969-12-31T23:59:59.999Z"),
      (1, "1970-01-01T00:00:00.001Z"),
      (951_782_400_000, "2000-02-29T00:00:00.000Z"),
      (-2_208_988_800_000, "1900-01-01T00:00:00.000Z"),
      (1_772_366_400_000, "2026-03-01T12:00:00.000Z"),
      (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
      (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ] as [(Int64, String)])
  func milliseconds(milliseconds: Int64, text: String) {
    #expect(Timestamp(milliseconds: milliseconds).text == text)
    #expect(Timestamp(text)!.milliseconds == milliseconds)
  }

  @Test("a day is its beginning in UTC, and nothing else is a day")
  func day() throws {
    let day = try #require(Timestamp(day: "2024-02-29"))
    #expect(day.text == "2024-02-29T00:00:00.000Z")
    #expect(day.adding(days: 1).day == "2024-03-01")
    #expect(Timestamp("2026-11-22T23:59:59.999Z")?.day == "2026-11-22")
    for text in [
      "", "2026-02-29", "2026-11-31", "2026-13-01", "0000-01-01", "2026-1-2", "2026/11/22",
      "2026-11-22T", "2026-11-22T00:00:00Z", "22-11-2026", "+026-11-22", "２026-11-22",
    ] {
      #expect(Timestamp(day: text) == nil, "\(text)")
    }
  }

  @Test("milliseconds beyond the years 1 to 9999 are held to them")
  func held() {
    #expect(Timestamp(milliseconds: .min).text == "0001-01-01T00:00:00.000Z")
    #expect(Timestamp(milliseconds: .max).text == "9999-12-31T23:59:59.999Z")
  }

  @Test("written and read again over the whole range, and in order, as Foundation does it")
  func roundTrip() throws {
    let foundation = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    var generator = SystemRandomNumberGenerator()
    // Every year or so, on no fixed day, and the milliseconds about each midnight.
    var previous: Timestamp?
    for step in stride(
      from: Int64(-62_135_596_800_000), to: 253_401_000_000_000, by: 34_567_891_234)
    {
      let milliseconds = step + Int64.random(in: 0..<1_000_000_000, using: &generator)
      let midnight = milliseconds / 86_400_000 * 86_400_000
      for value in [milliseconds, midnight - 1, midnight, midnight + 1]
      where (-62_135_596_800_000...253_402_300_799_999).contains(value) {
        let time = Timestamp(milliseconds: value)
        #expect(time.milliseconds == value)
        #expect(Timestamp(time.text) == time)
      }
      let time = Timestamp(milliseconds: milliseconds)
      if let previous { #expect(previous < time) }
      previous = time
      // Before 1582 Foundation's calendar is the Julian one.
      if milliseconds > -12_000_000_000_000 {
        let date = try foundation.parse(time.text)
        #expect(Int64((date.timeIntervalSince1970 * 1000).rounded()) == milliseconds)
      }
    }
  }

  @Test("days are of 24 hours, back and forth, and end with the calendar")
  func addingDays() {
    #expect(now.adding(days: 1).text == "2026-03-02T12:00:00.000Z")
    #expect(now.adding(days: -1).text == "2026-02-28T12:00:00.000Z")
    #expect(now.adding(days: 0) == now)
    #expect(now.adding(days: 90).text == "2026-05-30T12:00:00.000Z")
    #expect(now.adding(days: 10_000_000).text == "9999-12-31T23:59:59.999Z")
    #expect(now.adding(days: -10_000_000).text == "0001-01-01T00:00:00.000Z")
  }
}
