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

  /// The query for texts in which every word begins a word. The words are quoted, so that none is read as
  /// FTS5's syntax (https://www.sqlite.org/fts5.html, section 3.1).
  ///
  /// - Parameter columns: The columns to search; all if there are none.
  /// - Returns: Nil if the text has no words.
  static func query(_ text: String, in columns: [String] = []) -> String? {
    // The tokenizer's words consist of letters, digits and private use (fts5.html, section 4.3.1).
    let words = text.unicodeScalars.split { scalar in
      switch scalar.properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
        .decimalNumber, .letterNumber, .otherNumber, .privateUse, .nonspacingMark,
        .spacingMark, .enclosingMark:
        false
      default: true
      }
    }
    .filter { word in
      // To the tokenizer, marks alone are not a word.
      !word.allSatisfy {
        [.nonspacingMark, .spacingMark, .enclosingMark].contains($0.properties.generalCategory)
      }
    }
    guard !words.isEmpty else { return nil }
    // A word that begins another word does not change the result, but costs as much.
    let byLowercase = Dictionary(
      words.map { (Array($0.map(\.properties.lowercaseMapping).joined().unicodeScalars), $0) },
      uniquingKeysWith: { first, _ in first })
    let phrases = byLowercase.filter { word in
      !byLowercase.keys.contains { $0 != word.key && $0.starts(with: word.key) }
    }.map { "\"\(String(String.UnicodeScalarView($0.value)))\"*" }.sorted()
    let filter = columns.isEmpty ? "" : "{\(columns.joined(separator: " "))} : "
    return "\(filter)(\(phrases.joined(separator: " AND ")))"
  }
}

extension Snapshot {
  /// The partners that match all words; nil if there are none.
  ///
  /// - Parameter columns: As in `Search.query(_:in:)`.
  func matches(_ words: String, in columns: [String] = []) throws -> Search.Matches? {
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
