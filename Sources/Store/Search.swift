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

  /// The words by which texts are found, folded and separated by spaces.
  static func words(_ texts: [String?]) -> String {
    texts.compactMap { $0.map(FoldedText.searched) }.joined(separator: " ")
  }

  /// Defines the functions with which the migrations fill the derived columns.
  static func defineFunctions(on connection: Connection) throws {
    try connection.define("sort_key", 1) { $0[0].map(FoldedText.sortKey) }
    try connection.define("public_words", 2) { publicWords(company: $0[0], contact: $0[1]) }
    try connection.define("staff_words", 3) {
      staffWords(email: $0[0], phone: $0[1], notes: $0[2])
    }
    try connection.define("search_words", 1) { words($0) }
    try connection.define("search_words", 2) { words($0) }
  }

  /// The words of a search text in their folded form, each with its parts separated by spaces.
  static func phrases(_ text: String) -> [String] {
    let words = Set(FoldedText.words(text).map { $0.joined(separator: " ") })
    // A word that begins another word does not change the result, but costs as much.
    return words.filter { word in
      !words.contains { $0 != word && $0.utf8.starts(with: word.utf8) }
    }.sorted()
  }

  /// The query for texts in which every phrase begins a word. A phrase's parts must follow each other. The phrases
  /// are quoted, so that none is read as FTS5's syntax (https://www.sqlite.org/fts5.html, section 3.1).
  static func query(_ phrases: some Sequence<String>) -> String {
    phrases.map { "\"\($0)\"*" }.joined(separator: " AND ")
  }

  /// The condition that every phrase begins a word of a text; a condition that is never true if there are none.
  ///
  /// - Parameter text: An SQL expression for folded words, without a space before the first.
  /// - Returns: The condition, and its arguments.
  static func condition(_ phrases: [String], in text: String) -> (sql: String, arguments: [String])
  {
    guard !phrases.isEmpty else { return ("FALSE", []) }
    return (
      phrases.map { _ in "instr(' ' || \(text), ?) > 0" }.joined(separator: " AND "),
      phrases.map { " " + $0 }
    )
  }

  /// The query for partners in whose columns every word begins a word, or that have the telephone number.
  ///
  /// - Parameter columns: The columns to search.
  /// - Returns: Nil if the text has no words.
  static func query(_ text: String, in columns: [String]) -> String? {
    let phrases = phrases(text)
    guard !phrases.isEmpty else { return nil }
    var query = query(phrases)
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

  /// Selects the rows in which every word of a search text begins a word of a text; none if the search text has
  /// no words. The list reads the text in each row that it walks, so this is for searches that match many rows.
  ///
  /// - Parameter text: An SQL expression for folded words, such as `u.words`.
  mutating func filter(words: String, in text: String) {
    let (sql, arguments) = Search.condition(Search.phrases(words), in: text)
    filter(sql, arguments: arguments)
  }
}
