/// How many changes callers may make in any 24 hours. Each is kept for good, so without a limit a single caller
/// could fill the disk. Staff has no quota.
package struct Quotas: Equatable, Sendable {
  /// The requests of one group.
  package var groupRequestsPerDay: Int
  /// The changes by one partner: of its record, and answers to introductions.
  package var partnerChangesPerDay: Int

  package init(groupRequestsPerDay: Int = 30, partnerChangesPerDay: Int = 200) {
    self.groupRequestsPerDay = groupRequestsPerDay
    self.partnerChangesPerDay = partnerChangesPerDay
  }
}

/// A quota that is used up.
package struct ExceededQuota: Equatable, Sendable {
  /// What it counts.
  package enum Subject: Sendable {
    case groupRequests, partnerChanges
  }

  package let subject: Subject
  /// The most changes in 24 hours.
  package let limit: Int
  /// The seconds until the next change is allowed, at least 1.
  package let retryAfter: Int

  /// - Parameter oldest: The time of the change that must be 24 hours old before another one is allowed.
  package init(_ subject: Subject, limit: Int, oldest: Timestamp, now: Timestamp) {
    self.subject = subject
    self.limit = limit
    let milliseconds = oldest.adding(days: 1).milliseconds - now.milliseconds
    retryAfter = max(1, Int((milliseconds + 999) / 1000))
  }
}
