import Domain
import SQLite

/// Those whose words a search for requests reads.
private struct Party: Hashable {
  let table: String
  /// The column of the index with the words, or with more than these.
  let words: String
  /// The column of the table with these words alone, if the index has more.
  var exactWords: String?
  /// The column of requests that refers to the table.
  let reference: String

  static let all = [
    Party(table: "groups", words: "words", reference: "group_id"),
    Party(table: "users", words: "words", reference: "requested_by"),
    Party(
      table: "partners", words: "public_words", exactWords: "company_words",
      reference: "partner_id"),
  ]

  /// The numbers of the rows that match a query of SQLite's full-text search.
  var numbers: String { Search.numbers(in: table) }

  /// The requests of those that match such a query and satisfy a condition.
  func requests(where condition: String) -> String {
    """
    SELECT number FROM referral_requests
    WHERE \(reference) IN (SELECT id FROM \(table) WHERE number IN (\(numbers)) AND \(condition))
    """
  }

  /// The query for rows that have all of the phrases of one of the lists.
  func query(_ lists: [[String]]) -> String {
    "{\(words)} : (\(lists.map { "(\(Search.query($0)))" }.joined(separator: " OR ")))"
  }
}

extension Snapshot {
  /// The requests that match a search text: each word begins a word of the group's name, the requester's name or
  /// e-mail address, or the partner's company. Nil if there are none.
  ///
  /// - Parameter havePartners: Whether the list can have requests with a partner.
  func referralMatches(_ words: String, havePartners: Bool = true) throws -> Search.Matches? {
    let phrases = Search.phrases(words)
    guard !phrases.isEmpty else { return nil }
    let (parties, areFew) = try parties(
      of: phrases, among: havePartners ? Party.all : Party.all.filter { $0.table != "partners" })
    guard !parties.isEmpty else { return nil }
    var sources: [String] = []
    var arguments: [String] = []
    for (party, lists) in parties.sorted(by: { $0.key.table < $1.key.table }) {
      arguments.append(party.query(lists))
      var condition = "TRUE"
      // Several phrases are tested for each request.
      if phrases.count == 1, let column = party.exactWords {
        let exact = Search.condition(phrases, in: column)
        condition = exact.sql
        arguments += exact.arguments
      }
      sources.append(party.requests(where: condition))
    }
    let found = sources.joined(separator: " UNION ALL ")
    // Words of two parties do not follow each other.
    let (words, phraseArguments) = Search.condition(
      phrases, in: "(g.words || '; ' || u.words || '; ' || ifnull(p.company_words, ''))")
    let condition = """
      EXISTS (SELECT 1 FROM groups AS g JOIN users AS u ON u.id = r.requested_by
        LEFT JOIN partners AS p ON p.id = r.partner_id WHERE g.id = r.group_id AND \(words))
      """
    return Search.Matches(
      numbers: (found, arguments), condition: (condition, phraseArguments),
      // All requests of one that has a single phrase match.
      needCondition: phrases.count > 1,
      way: try areFew && count(found, arguments) < List.many ? .sort : .walk)
  }

  /// The groups, requesters and partners among whose requests all matches are, each with lists of phrases: they have
  /// all phrases of one of the lists.
  ///
  /// - Returns: None if nothing matches; and whether they are few.
  private func parties(
    of phrases: [String], among parties: [Party]
  ) throws -> (chosen: [Party: [[String]]], areFew: Bool) {
    // Some of the phrases are enough. The longest are the rarest.
    let phrases = phrases.sorted { $0.utf8.count > $1.utf8.count }.prefix(5)
    // Each way to share the phrases among the parties that know them.
    var shares: [[Party: [String]]] = [[:]]
    for phrase in phrases {
      let knowing = try parties.filter { try isKnown(phrase, to: $0) }
      shares = shares.flatMap { share in
        knowing.map { share.merging([$0: [phrase]], uniquingKeysWith: +) }
      }
    }
    var counts: [String: Int] = [:]
    var chosen: [Party: [[String]]] = [:]
    var areFew = true
    for share in shares {
      // The request's party that is the rarest finds it.
      var best: (party: Party, phrases: [String], count: Int)?
      for party in parties where best?.count != 0 {
        guard let phrases = share[party] else { continue }
        let query = party.query([phrases])
        let key = "\(party.table) \(query)"
        let count = try counts[key] ?? self.count(party.numbers, [query])
        counts[key] = count
        if count < best?.count ?? .max { best = (party, phrases, count) }
      }
      guard let best, best.count > 0 else { continue }
      if chosen[best.party]?.contains(best.phrases) == true { continue }
      chosen[best.party, default: []].append(best.phrases)
      areFew = areFew && best.count < List.many
    }
    return (chosen, areFew)
  }

  private func isKnown(_ phrase: String, to party: Party) throws -> Bool {
    try connection.row("\(party.numbers) LIMIT 1", party.query([[phrase]])) { _ in true } ?? false
  }
}
