import Domain
import SQLite

/// Words that a person typed, as a query of SQLite's full-text search (FTS5).
enum Search {
  /// The partners that fit a query, which is FTS5's.
  enum Matches {
    /// So few that the list is made of them and sorted.
    case few(query: String)
    /// So many that the list is walked in its order instead: then the next of them is never far.
    case many(query: String)
  }

  /// From how many matches on they are many.
  static let manyMatches = 2_000

  /// Every word must begin a word of the text. Each is quoted, so that none is read as the query
  /// language's syntax (https://www.sqlite.org/fts5.html, section 3.1).
  ///
  /// - Parameter columns: The columns that are searched; all if none is named.
  /// - Returns: Nil if there is no word in it.
  static func query(_ text: String, in columns: [String] = []) -> String? {
    // What the tokenizer takes for words: letters, digits and private use (fts5.html, section 4.3.1).
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
      // Marks alone are no word to the tokenizer.
      !word.allSatisfy {
        [.nonspacingMark, .spacingMark, .enclosingMark].contains($0.properties.generalCategory)
      }
    }
    guard !words.isEmpty else { return nil }
    // A word that begins another one asks for nothing more, but each costs as much as the first.
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
  /// The partners that have all of the words; nil if there are none.
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
  /// Keeps the partners that are among the matches.
  mutating func filter(_ matches: Search.Matches) {
    let number = "\(walked.alias).\(walked.number)"
    let found = "(SELECT rowid FROM partners_search WHERE partners_search MATCH ?)"
    switch matches {
    case .few(let query): filter("\(number) IN \(found)", query)
    // The unary plus keeps SQLite from looking each of them up and sorting.
    case .many(let query): filter("+\(number) IN \(found)", query)
    }
  }
}
