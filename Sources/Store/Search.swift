import Domain
import SQLite

/// A search text as a query of SQLite's full-text search (FTS5).
enum Search {
  /// The number of partners that match an FTS5 query.
  enum Matches {
    /// The list reads all matches and sorts them.
    case few(query: String)
    /// The list is walked in its order, because the next match is never far.
    case many(query: String)
  }

  /// The smallest number of matches that counts as many.
  static let manyMatches = 2_000

  /// The columns that everybody's search reads: the company's and the contact's name.
  static let publicColumns = ["public_words"]
  /// The columns that staff's search reads: also the e-mail address, the telephone number and the notes.
  static let staffColumns = ["public_words", "staff_words"]

  /// The words of ``publicColumns``.
  static func publicWords(company: String?, contact: String?) -> String {
    words([company, contact])
  }

  /// The words of ``staffColumns`` that are not everybody's.
  static func staffWords(email: String?, phone: String?, notes: String?) -> String {
    words([email, phone, phone.map(PhoneNumber.words), notes])
  }

  private static func words(_ texts: [String?]) -> String {
    texts.compactMap { $0.map(FoldedText.searched) }.joined(separator: " ")
  }

  /// Defines the functions with which the migrations fill the derived columns.
  static func defineFunctions(on connection: Connection) throws {
    try connection.define("sort_key", 1) { $0[0].map(FoldedText.sortKey) }
    try connection.define("public_words", 2) { publicWords(company: $0[0], contact: $0[1]) }
    try connection.define("staff_words", 3) {
      staffWords(email: $0[0], phone: $0[1], notes: $0[2])
    }
  }

  /// The query for texts in which every word begins a word. A word's parts must follow each other. The words are
  /// quoted, so that none is read as FTS5's syntax (https://www.sqlite.org/fts5.html, section 3.1).
  ///
  /// - Parameter columns: The columns to search.
  /// - Returns: Nil if the text has no words.
  static func query(_ text: String, in columns: [String]) -> String? {
    let words = Set(FoldedText.words(text).map { $0.joined(separator: " ") })
    guard !words.isEmpty else { return nil }
    // A word that begins another word does not change the result, but costs as much.
    let phrases = words.filter { word in
      !words.contains { $0 != word && $0.utf8.starts(with: word.utf8) }
    }.map { "\"\($0)\"*" }.sorted()
    var query = phrases.joined(separator: " AND ")
    if let number = PhoneNumber.searched(text) { query = "(\(query)) OR \"\(number)\"*" }
    return "{\(columns.joined(separator: " "))} : (\(query))"
  }
}

extension Snapshot {
  /// The partners that match all words; nil if there are none.
  ///
  /// - Parameter columns: As in `Search.query(_:in:)`.
  func matches(_ words: String, in columns: [String]) throws -> Search.Matches? {
    guard let query = Search.query(words, in: columns) else { return nil }
    let count =
      try connection.row(
        """
        SELECT count(*) FROM
          (SELECT 1 FROM partners_search WHERE partners_search MATCH ? LIMIT ?)
        """, query, Search.manyMatches
      ) { $0.int(0) } ?? 0
    if count == 0 { return nil }
    return count < Search.manyMatches ? .few(query: query) : .many(query: query)
  }
}

extension List {
  /// Selects the partners that match.
  mutating func filter(_ matches: Search.Matches) {
    let number = "\(walked.alias).\(walked.number)"
    let found = "(SELECT rowid FROM partners_search WHERE partners_search MATCH ?)"
    switch matches {
    case .few(let query): filter("\(number) IN \(found)", query)
    // The unary plus keeps SQLite from looking up each match and sorting.
    case .many(let query): filter("+\(number) IN \(found)", query)
    }
  }
}
