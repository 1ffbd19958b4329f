import Domain
import SQLite

extension Change {
  /// The time of a group's request before its last ones.
  static let requestBeforeLast = """
    SELECT created_at FROM referral_requests WHERE group_id = ? AND created_at > ?
    ORDER BY created_at DESC LIMIT 1 OFFSET ?
    """

  /// The time of a user's change as a partner before the last ones. Left out is what the user does as a member of
  /// a group, and what follows from a change, such as the coverage.
  static let partnerChangeBeforeLast = """
    SELECT at FROM events
    WHERE actor_id = ? AND at > ? AND (subject_kind = 'partner' OR subject_kind = 'referral')
      AND kind <> 'referral.requested' AND kind <> 'referral.cancelled'
    ORDER BY at DESC LIMIT 1 OFFSET ?
    """

  /// Checks the quota of a group, including the request that was just made.
  ///
  /// - Parameter limit: The most requests in 24 hours.
  /// - Throws: `Failure.quotaExceeded`, which undoes the change.
  package func checkRequests(ofGroup group: ID, perDay limit: Int) throws {
    try check(.groupRequests, limit, Change.requestBeforeLast, group)
  }

  /// Checks the quota of a partner's user, including the change that was just made.
  ///
  /// - Parameter limit: The most changes in 24 hours.
  /// - Throws: `Failure.quotaExceeded`, which undoes the change.
  package func checkPartnerChanges(by user: ID, perDay limit: Int) throws {
    try check(.partnerChanges, limit, Change.partnerChangeBeforeLast, user)
  }

  /// - Parameter sql: Finds the time of the change before the last `limit` ones, if it is in the last 24 hours.
  private func check(
    _ subject: ExceededQuota.Subject, _ limit: Int, _ sql: String, _ id: ID
  ) throws {
    let oldest = try connection.row(sql, id.text, now.adding(days: -1).text, limit) {
      try $0.timeOrNil(0)
    }
    guard let oldest = oldest ?? nil else { return }
    throw Failure.quotaExceeded(ExceededQuota(subject, limit: limit, oldest: oldest, now: now))
  }
}
