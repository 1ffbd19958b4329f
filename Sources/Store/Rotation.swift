import Domain

/// The rule for keeping backups: the newest backup of each of the last days and weeks that have one. Days and
/// weeks are in UTC, and weeks begin on Monday.
package struct Rotation: Equatable, Sendable {
  /// The number of days. It is at least 1, so that the newest backup is always kept.
  package let days: Int
  /// The number of weeks.
  package let weeks: Int

  package init(days: Int, weeks: Int) {
    self.days = days
    self.weeks = weeks
  }

  /// The times of the backups that the rule does not keep.
  ///
  /// - Parameter times: The times of all backups.
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
