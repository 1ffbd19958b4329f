import Domain
import Testing

@testable import Store

@Suite("Rotation of backups")
struct RotationTests {
  private func time(_ text: String) throws -> Timestamp { try #require(Timestamp(text)) }

  @Test("a backup an hour for half a year: the newest of 7 days, and of 5 weeks")
  func hourly() throws {
    var times: [Timestamp] = []
    let rotation = Rotation(days: 7, weeks: 5)
    // A Wednesday, 10:30.
    let start = try time("2026-06-03T10:30:00.000Z")
    for hour in 0..<(24 * 180) {
      times.append(Timestamp(milliseconds: start.milliseconds + Int64(hour) * 3_600_000))
      let surplus = rotation.surplus(of: times)
      times.removeAll { surplus.contains($0) }
    }
    // The last one is of Monday 2026-11-30, 09:30.
    #expect(
      times.map(\.text) == [
        // The newest of their weeks, each a Sunday's.
        "2026-11-08T23:30:00.000Z", "2026-11-15T23:30:00.000Z", "2026-11-22T23:30:00.000Z",
        // The newest of their days; the last two the newest of their weeks as well.
        "2026-11-24T23:30:00.000Z", "2026-11-25T23:30:00.000Z", "2026-11-26T23:30:00.000Z",
        "2026-11-27T23:30:00.000Z", "2026-11-28T23:30:00.000Z", "2026-11-29T23:30:00.000Z",
        "2026-11-30T09:30:00.000Z",
      ])
  }

  @Test("days without a backup do not count, however long there was none")
  func gaps() throws {
    let times = try [
      "2024-01-01T00:00:00.000Z", "2024-01-01T23:59:59.999Z", "2024-01-02T00:00:00.000Z",
      "2026-05-05T05:05:05.005Z",
    ].map(time)
    #expect(Rotation(days: 3, weeks: 0).surplus(of: times) == [times[0]])
    #expect(Rotation(days: 2, weeks: 0).surplus(of: times) == [times[1], times[0]])
    #expect(Rotation(days: 1, weeks: 0).surplus(of: times) == [times[2], times[1], times[0]])
    // 2024-01-01 is a Monday: the week's newest is that of the 2nd.
    #expect(Rotation(days: 1, weeks: 2).surplus(of: times) == [times[1], times[0]])
  }

  @Test("a week begins on Monday, 1970 and before as well")
  func weeks() throws {
    let sunday = try time("2026-11-22T23:59:59.999Z")
    let monday = try time("2026-11-23T00:00:00.000Z")
    #expect(Rotation(days: 1, weeks: 2).surplus(of: [sunday, monday]).isEmpty)
    let next = try time("2026-11-29T23:59:59.999Z")
    #expect(Rotation(days: 1, weeks: 1).surplus(of: [monday, next]) == [monday])
    let old = try ["1969-12-28T12:00:00.000Z", "1969-12-29T12:00:00.000Z"].map(time)
    #expect(Rotation(days: 1, weeks: 2).surplus(of: old).isEmpty)
    #expect(Rotation(days: 1, weeks: 1).surplus(of: old) == [old[0]])
  }

  @Test("none is none") func none() { #expect(Rotation(days: 1, weeks: 1).surplus(of: []).isEmpty) }
}
