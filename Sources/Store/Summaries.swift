import Domain
import SQLite

/// The numbers of staff's overview.
package struct StaffSummary: Sendable {
  /// The number of requests with a status, type and state. The state is nil if they have none.
  package struct Count: Sendable {
    package var status: ReferralStatus
    package var type: PartnerType
    package var state: StateCode?
    package var count: Int
  }

  package var counts: [Count]
  package var pendingOlderThan7Days: Int
  package var pendingOlderThan14Days: Int
  /// The pending requests that have no candidate.
  package var withoutCandidates: Int
  /// How many introductions the partner has not answered for at least so many days.
  package var unanswered: [(days: Int, count: Int)]
  /// The declines of the last 365 days.
  package var declines: [DeclineReason: Int]
  /// The number of partners with changes that wait for a review.
  package var changesToReview: Int
  /// The requests that are not over, and whose day to follow up has passed.
  package var followUpsOverdue: Int
  /// The verified credentials that expire within ``Credential/warningDays``.
  package var credentialsExpiring: Int
  /// How many people wait for a type of partner in a state.
  package var waiting: [(state: StateCode, type: PartnerType, count: Int)]
  /// The median days of each step of the life cycle, with one decimal.
  package var medianDays: [(from: ReferralStatus, to: ReferralStatus, days: Double?)]
}

/// The numbers of a partner's overview.
package struct PartnerSummary: Sendable {
  package var byStatus: [ReferralStatus: Int]
  package var byOutcome: [Outcome: Int]
  /// The introductions and connections of the last twelve months, such as `2026-11`, oldest first.
  package var byMonth: [(month: String, introductions: Int, connections: Int)]
  /// The median days from introduction to connection, with one decimal; nil if there is no connection.
  package var medianDaysToConnection: Double?
}

extension Snapshot {
  /// The numbers of staff's overview. They come from tables that triggers maintain, and from indexes of the
  /// pending requests.
  package func staffSummary() throws -> StaffSummary {
    let counts = try connection.rows(
      "SELECT status, partner_type, state, count FROM referral_counts WHERE count > 0"
    ) { row in
      StaffSummary.Count(
        status: try row.word(0), type: try row.word(1), state: StateCode(rawValue: row.text(2)),
        count: row.int(3))
    }
    let steps: [(ReferralStatus, ReferralStatus)] = [
      (.pending, .matched), (.matched, .introSent), (.introSent, .connected), (.connected, .closed),
    ]
    return StaffSummary(
      counts: counts, pendingOlderThan7Days: try pending(olderThanDays: 7),
      pendingOlderThan14Days: try pending(olderThanDays: 14),
      withoutCandidates: try pendingWithoutCandidates(counts),
      unanswered: try [3, 7, 14].map { ($0, try unanswered(forDays: $0)) },
      declines: try declines(),
      changesToReview: try connection.row(Snapshot.changesToReview) { $0.int(0) } ?? 0,
      followUpsOverdue: try followUpsOverdue(),
      credentialsExpiring: try credentials(expiringWithinDays: Credential.warningDays),
      waiting: try waitingCounts(),
      medianDays: try steps.map { ($0, $1, try medianDays(from: $0, to: $1)) })
  }

  private func pending(olderThanDays days: Int) throws -> Int {
    try connection.row(
      "SELECT count(*) FROM referral_requests WHERE status = 'pending' AND created_at <= ?",
      now.adding(days: -days).text
    ) { $0.int(0) } ?? 0
  }

  private func unanswered(forDays days: Int) throws -> Int {
    try connection.row(Snapshot.unanswered, now.adding(days: -days).text) { $0.int(0) } ?? 0
  }

  /// The number of introductions that have waited for an answer since a time or longer.
  static let unanswered = """
    SELECT count(*) FROM referral_requests WHERE status = 'intro_sent' AND status_since <= ?
    """

  static let changesToReview = "SELECT count(*) FROM partners WHERE pending_changes IS NOT NULL"
  /// Counts the requests of four statuses whose day to follow up is before a day.
  static let overdueFollowUps = """
    SELECT count(*) FROM referral_requests WHERE status IN (?, ?, ?, ?) AND follow_up_on < ?
    """

  private func followUpsOverdue() throws -> Int {
    let statuses = ReferralStatus.allCases.filter { !$0.isOver }.map(\.rawValue)
    return try connection.row(
      Snapshot.overdueFollowUps, arguments: statuses + [now.day]
    ) { $0.int(0) } ?? 0
  }

  private func medianDays(from: ReferralStatus, to: ReferralStatus) throws -> Double? {
    let rows = try connection.rows(
      """
      SELECT tenths_of_days, count FROM referral_steps
      WHERE from_status = ? AND to_status = ? ORDER BY tenths_of_days
      """, from.rawValue, to.rawValue
    ) { (tenths: $0.int(0), count: $0.int(1)) }
    return Median.value(of: rows)
  }

  /// Counts the pending requests without a candidate. Where all partners of a type and state are left out for a
  /// general reason, all requests are. Elsewhere a request can be one only if it had the first of the others before,
  /// or if that partner is in its group, so that only these requests are looked up.
  private func pendingWithoutCandidates(_ counts: [StaffSummary.Count]) throws -> Int {
    var unserved = 0
    // Few requests leave out so many that more would be needed.
    let usual = 4
    var places: [ID: [(count: StaffSummary.Count, free: [ID])]] = [:]
    for count in counts where count.status == .pending {
      let free = try firstCandidates(usual, of: count.type, in: count.state)
      if let first = free.first {
        places[first, default: []].append((count, free))
      } else {
        unserved += count.count
      }
    }
    for (first, places) in places {
      let suspects = try pending(leavingOut: first)
      for (place, free) in places {
        let leftOut = try suspects.filter { $0.type == place.type && $0.state == place.state }
          .map { try partnersLeftOut(forRequest: $0.number, ofGroup: $0.group) }
        guard let most = leftOut.map(\.count).max() else { continue }
        // With one more than any request leaves out, none leaves out all. Fewer than asked for are all that
        // there are.
        let isEnough = free.count > most || free.count < usual
        let free = isEnough ? free : try firstCandidates(most + 1, of: place.type, in: place.state)
        unserved += leftOut.count { $0.isSuperset(of: free) }
      }
    }
    return unserved
  }

  /// The pending requests that had the partner before, or whose group the partner's user is in.
  private func pending(
    leavingOut partner: ID
  ) throws -> [(number: Int, group: ID, type: PartnerType, state: StateCode?)] {
    // CROSS JOIN and the unary plus keep SQLite from walking all pending requests.
    try connection.rows(
      """
      SELECT r.number, r.group_id, r.partner_type, r.state
      FROM referral_past_partners AS past
        CROSS JOIN referral_requests AS r ON r.number = past.referral_number
      WHERE past.partner_id = ?1 AND r.status = 'pending'
      UNION
      SELECT r.number, r.group_id, r.partner_type, r.state
      FROM partners AS p CROSS JOIN group_members AS m ON m.user_id = p.user_id
        CROSS JOIN referral_requests AS r ON r.group_id = m.group_id
      WHERE p.id = ?1 AND +r.status = 'pending'
      """, partner.text
    ) { row in
      (
        number: row.int(0), group: try row.id(1), type: try row.word(2),
        state: try row.wordOrNil(3)
      )
    }
  }

  /// The numbers of a partner's overview.
  package func summary(ofPartner partner: ID) throws -> PartnerSummary {
    let months = Months.last(12, until: now)
    var summary = PartnerSummary(
      byStatus: [:], byOutcome: [:], byMonth: months.map { ($0, 0, 0) },
      medianDaysToConnection: nil)
    var tenths: [Int] = []
    try connection.each(
      """
      SELECT status, outcome, substr(intro_sent_at, 1, 7), substr(connected_at, 1, 7),
        CAST(round(10 * max(0, julianday(connected_at) - julianday(intro_sent_at))) AS INTEGER)
      FROM referral_requests WHERE partner_id = ? AND intro_sent_at IS NOT NULL
      """, arguments: [partner.text]
    ) { row in
      summary.byStatus[try row.word(0), default: 0] += 1
      if let outcome: Outcome = try row.wordOrNil(1) {
        summary.byOutcome[outcome, default: 0] += 1
      }
      if let index = months.firstIndex(of: row.text(2)) {
        summary.byMonth[index].introductions += 1
      }
      if let month = row.textOrNil(3) {
        if let index = months.firstIndex(of: month) { summary.byMonth[index].connections += 1 }
        tenths.append(row.int(4))
      }
    }
    summary.medianDaysToConnection = Median.value(of: tenths.sorted().map { ($0, 1) })
    return summary
  }
}

enum Median {
  /// The median of a histogram: the middle value, or the mean of the two middle values, rounded up to a tenth.
  ///
  /// - Parameter values: Tenths, such as of a day, in ascending order, none negative, each with its
  ///   number.
  /// - Returns: The median in the whole unit, with one decimal; nil if there are no values.
  static func value(of values: [(tenths: Int, count: Int)]) -> Double? {
    let total = values.reduce(0) { $0 + $1.count }
    guard total > 0 else { return nil }
    func value(at index: Int) -> Int {
      var seen = 0
      for (tenths, count) in values {
        seen += count
        if index < seen { return tenths }
      }
      return 0
    }
    return Double((value(at: (total - 1) / 2) + value(at: total / 2) + 1) / 2) / 10
  }
}

enum Months {
  /// The last `count` months including that of `now`, such as `2026-11`, oldest first.
  static func last(_ count: Int, until now: Timestamp) -> [String] {
    let parts = now.text.split(separator: "-")
    guard let year = Int(parts[0]), let month = Int(parts[1]) else { return [] }
    let latest = year * 12 + month - 1
    return (latest - count + 1...latest).map { index in
      let (year, month) = (index / 12, index % 12 + 1)
      return String(repeating: "0", count: max(0, 4 - String(year).count)) + "\(year)-"
        + (month < 10 ? "0\(month)" : "\(month)")
    }
  }
}
