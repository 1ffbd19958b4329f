import Domain
import SQLite

extension Snapshot {
  /// The users in whose name or e-mail address every word of a search text begins a word.
  ///
  /// - Returns: At most `limit` of them, in any order; none if the text has no words.
  package func matchingUsers(_ words: String, limit: Int) throws -> [ID] {
    try matching(words, in: "users", limit: limit)
  }

  /// The groups in whose name every word of a search text begins a word.
  ///
  /// - Returns: At most `limit` of them, in any order; none if the text has no words.
  package func matchingGroups(_ words: String, limit: Int) throws -> [ID] {
    try matching(words, in: "groups", limit: limit)
  }

  private func matching(_ words: String, in table: String, limit: Int) throws -> [ID] {
    let phrases = Search.phrases(words)
    guard !phrases.isEmpty else { return [] }
    return try connection.rows(
      """
      SELECT id FROM \(table) WHERE number IN
        (SELECT rowid FROM \(table)_search WHERE \(table)_search MATCH ? LIMIT ?)
      """, Search.query(phrases), limit
    ) { try $0.id(0) }
  }
}

extension List {
  /// Selects the rows in which every word of a search text begins a word of a text; none if the search text has
  /// no words. The list reads the text in each row that it walks, so this is for searches that match many rows.
  ///
  /// - Parameter text: An SQL expression for folded words, such as `u.words`.
  mutating func filter(words: String, in text: String) {
    let (sql, arguments) = Search.condition(Search.phrases(words), in: text)
    filter(sql, arguments: arguments)
  }
}
