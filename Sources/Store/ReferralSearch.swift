import Domain
import SQLite

/// The requests that match a search text: each word begins a word of the group's name, the requester's name or
/// e-mail address, or the partner's company.
struct ReferralMatches {
  fileprivate let phrases: [String]
  /// The groups, requesters and partners among whose few requests all matches are; nil: the list is walked in its
  /// order, because the next match is not far.
  fileprivate let parties: [Party: [[String]]]?

  /// Whether the list reads all matches and sorts them.
  var isFew: Bool { parties != nil }
}

/// Those whose words a search for requests reads.
private struct Party: Hashable {
  let table: String
  /// The column of the index with the words, or with more than these.
  let words: String
  /// The column of requests that refers to the table.
  let reference: String

  static let all = [
    Party(table: "groups", words: "words", reference: "group_id"),
    Party(table: "users", words: "words", reference: "requested_by"),
    Party(table: "partners", words: "public_words", reference: "partner_id"),
  ]

  /// The numbers of the rows that match a query of SQLite's full-text search.
  var numbers: String {
    "SELECT rowid FROM \(table)_search WHERE \(table)_search MATCH ?"
  }

  /// The requests of those that match such a query.
  var requests: String {
    """
    SELECT number FROM referral_requests
    WHERE \(reference) IN (SELECT id FROM \(table) WHERE number IN (\(numbers)))
    """
  }

  /// The query for rows that have all of the phrases of one of the lists.
  func query(_ lists: [[String]]) -> String {
    "{\(words)} : (\(lists.map { "(\(Search.query($0)))" }.joined(separator: " OR ")))"
  }
}

extension Snapshot {
  /// The requests that match a search text; nil if there are none.
  ///
  /// - Parameter isNarrow: Whether other filters leave so few requests that all of them may be read.
  func referralMatches(_ words: String, isNarrow: Bool) throws -> ReferralMatches? {
    let phrases = Search.phrases(words)
    guard !phrases.isEmpty else { return nil }
    if isNarrow { return ReferralMatches(phrases: phrases, parties: nil) }
    let parties = try parties(of: phrases)
    return parties?.isEmpty == true ? nil : ReferralMatches(phrases: phrases, parties: parties)
  }

  /// The groups, requesters and partners among whose requests all matches are, each with the phrases that they
  /// have: a dictionary without any if nothing matches; nil if their requests are too many to be read.
  private func parties(of phrases: [String]) throws -> [Party: [[String]]]? {
    // All requests of those that have a single phrase match, so that the next is near if there are many. With several
    // phrases, a party with one of them may have no match.
    let limit = phrases.count == 1 ? 5_000 : 10_000
    // Some of the phrases are enough. The longest are the rarest.
    let phrases = phrases.sorted { $0.utf8.count > $1.utf8.count }.prefix(3)
    // Each way to share the phrases among the parties.
    var shares: [[Party: [String]]] = [[:]]
    for phrase in phrases {
      shares = shares.flatMap { share in
        Party.all.map { share.merging([$0: [phrase]], uniquingKeysWith: +) }
      }
    }
    var counts: [String: Int] = [:]
    var chosen: [Party: [[String]]] = [:]
    var total = 0
    for share in shares {
      // The request's party with the fewest requests finds it.
      var best: (party: Party, phrases: [String], count: Int)?
      for party in Party.all where best?.count != 0 {
        guard let phrases = share[party] else { continue }
        let query = party.query([phrases])
        let key = "\(party.table) \(query)"
        let count = try counts[key] ?? self.count(party, query, limit: limit)
        counts[key] = count
        if count < best?.count ?? .max { best = (party, phrases, count) }
      }
      guard let best, best.count > 0 else { continue }
      if chosen[best.party]?.contains(best.phrases) == true { continue }
      chosen[best.party, default: []].append(best.phrases)
      total += best.count
      if total >= limit { return nil }
    }
    return chosen
  }

  /// How many requests a party has whose words match a query, up to a limit.
  private func count(_ party: Party, _ query: String, limit: Int) throws -> Int {
    func count(_ rows: String) throws -> Int {
      try connection.row("SELECT count(*) FROM (\(rows) LIMIT ?)", query, limit) { $0.int(0) } ?? 0
    }
    let matches = try count(party.numbers)
    return matches == 0 || matches == limit ? matches : try count(party.requests)
  }
}

extension List {
  /// Selects the requests that match.
  mutating func filter(_ matches: ReferralMatches) {
    if let parties = matches.parties {
      let parties = parties.sorted { $0.key.table < $1.key.table }
      filter(
        "r.number IN (\(parties.map(\.key.requests).joined(separator: " UNION ALL ")))",
        arguments: parties.map { $0.key.query($0.value) })
    }
    // Words of two parties do not follow each other.
    let (sql, arguments) = Search.condition(
      matches.phrases,
      in: "(g.words || '; ' || u.words || '; ' || ifnull(p.company_words, ''))")
    filter(
      """
      EXISTS (SELECT 1 FROM groups AS g JOIN users AS u ON u.id = r.requested_by
        LEFT JOIN partners AS p ON p.id = r.partner_id WHERE g.id = r.group_id AND \(sql))
      """, arguments: arguments)
  }
}
