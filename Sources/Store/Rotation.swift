import Domain

/// Which backups are kept: the newest of each of the last days that have one, and of each of the last
/// weeks. Days and weeks are UTC's; a week begins on Monday.
package struct Rotation: Equatable, Sendable {
  /// How many days, 1 or more, so that the newest backup is always kept.
  package let days: Int
  /// How many weeks.
  package let weeks: Int

  package init(days: Int, weeks: Int) {
    self.days = days
    self.weeks = weeks
  }

  /// The backups that nothing asks for any more.
  ///
  /// - Parameter times: When each was made.
  package func surplus(of times: [Timestamp]) -> [Timestamp] {
    let newestFirst = times.sorted { $0 > $1 }
    var kept: Set<Timestamp> = []
    for (period, limit) in [(Rotation.day, days), (Rotation.week, weeks)] {
      var seen: Set<Int64> = []
      for time in newestFirst where seen.count < limit {
        if seen.insert(period(time)).inserted { kept.insert(time) }
      }
    }
    return newestFirst.filter { !kept.contains($0) }
  }

  private static func day(_ time: Timestamp) -> Int64 {
    Int64((Double(time.milliseconds) / 86_400_000).rounded(.down))
  }

  /// 1970 began on a Thursday.
  private static func week(_ time: Timestamp) -> Int64 {
    Int64((Double(day(time) + 3) / 7).rounded(.down))
  }
}
