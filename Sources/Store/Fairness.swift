import Domain
import SQLite

/// A partner's share of the introductions of the last 365 days.
package struct IntroductionShare: Sendable {
  /// The partner, with what decides its place in the order of proposals.
  package var partner: Ranking.Key
  package var companyName: String
  /// The introductions that were made, whatever came of them.
  package var introductions: Int
  /// The introductions that it declined.
  package var declines: Int
}

/// A partner's answers to introductions in the last 365 days.
package struct PartnerAnswers: Sendable {
  package var declines: [DeclineReason: Int]
  /// The median hours from the introduction to the answer, with one decimal; nil if there is no
  /// answer.
  package var medianHours: Double?
}

extension Snapshot {
  /// The time at which the last 365 days began.
  private var aYearAgo: String { now.adding(days: -365).text }

  /// The active partners of a type that serve a state, in the order in which they are proposed.
  package func shares(of type: PartnerType, in state: StateCode) throws -> [IntroductionShare] {
    try connection.rows(Snapshot.shares, state.rawValue, type.rawValue, aYearAgo) { row in
      IntroductionShare(
        partner: try Ranking.Key(row), companyName: row.text(4), introductions: row.int(5),
        declines: row.int(6))
    }
  }

  static let shares = """
    SELECT \(Ranking.Key.columns), p.company_name,
      (SELECT count(*) FROM referral_requests AS r
       WHERE r.partner_id = k.partner_id AND r.intro_sent_at >= ?3)
      + (SELECT count(*) FROM past_introductions AS past
       WHERE past.partner_id = k.partner_id AND past.intro_sent_at >= ?3),
      (SELECT count(*) FROM declines AS d
       WHERE d.partner_id = k.partner_id AND d.declined_at >= ?3)
    FROM partner_ranks AS k CROSS JOIN partners AS p ON p.number = k.partner_number
    WHERE k.state_code = ?1 AND k.type = ?2
    ORDER BY \(Ranking.Key.columns)
    """

  /// How often partners declined in the last 365 days, by reason.
  func declines() throws -> [DeclineReason: Int] {
    let counts = try DeclineReason.allCases.map { reason in
      let count = try connection.row(Snapshot.declinesForReason, reason.rawValue, aYearAgo) {
        $0.int(0)
      }
      return (reason, count ?? 0)
    }
    return Dictionary(uniqueKeysWithValues: counts)
  }

  static let declinesForReason =
    "SELECT count(*) FROM declines WHERE reason_code = ? AND declined_at >= ?"

  /// A partner's answers of the last 365 days: declines, and connections, also those that staff
  /// recorded.
  package func answers(ofPartner partner: ID) throws -> PartnerAnswers {
    var declines: [DeclineReason: Int] = [:]
    var tenths: [Int] = []
    try connection.each(Snapshot.answers, arguments: [partner.text, aYearAgo]) { row in
      if let reason: DeclineReason = try row.wordOrNil(0) { declines[reason, default: 0] += 1 }
      tenths.append(row.int(1))
    }
    return PartnerAnswers(
      declines: declines, medianHours: Median.value(of: tenths.sorted().map { ($0, 1) }))
  }

  static let answers = """
    SELECT reason_code,
      CAST(round(240 * max(0, julianday(answered_at) - julianday(intro_sent_at))) AS INTEGER)
    FROM (
      SELECT reason_code, intro_sent_at, declined_at AS answered_at FROM declines
      WHERE partner_id = ?1 AND declined_at >= ?2
      UNION ALL
      SELECT NULL, intro_sent_at, connected_at FROM referral_requests
      WHERE partner_id = ?1 AND intro_sent_at IS NOT NULL AND connected_at >= ?2)
    """
}
