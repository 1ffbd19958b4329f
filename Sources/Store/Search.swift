import Domain
import JSON
import SQLite

/// A search text as a query of SQLite's full-text search (FTS5).
enum Search {
  /// The rows of a list that a search selects.
  struct Matches {
    /// A query for the numbers of all of them, and its arguments.
    let numbers: (sql: String, arguments: [String])
    /// The same as a condition on one row, and its arguments; nil: the numbers are looked up in the query's result.
    var condition: (sql: String, arguments: [String])?
    /// Whether the numbers are also those of rows that do not match, so that they need the condition.
    var needCondition = false
    /// How they are found. Few are sorted.
    var way: Way
  }

  /// How a list finds the matches of a page.
  enum Way: CaseIterable {
    /// It reads all matches and sorts them, which costs the same for each match.
    case sort
    /// It walks the rows in its order, and tests each. This finds a page soon if many rows match, unless all of
    /// these are far down the list.
    case walk
  }

  /// How long a walk is tried before all matches are sorted: some 5 ms.
  static let thousandSteps = 150

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

  /// A query for the numbers of the rows of a table that match a query of SQLite's full-text search.
  static func numbers(in table: String) -> String {
    "SELECT rowid FROM \(table)_search WHERE \(table)_search MATCH ?"
  }

  /// The condition that every phrase begins a word of a text.
  ///
  /// - Parameter text: An SQL expression for folded words, without a space before the first.
  /// - Returns: The condition, and its arguments.
  static func condition(_ phrases: [String], in text: String) -> (sql: String, arguments: [String])
  {
    (
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
  /// Writes a page of a list, or of its rows that match a search text.
  ///
  /// - Parameters:
  ///   - find: Finds the matches of a text; nil if there are none.
  ///   - list: The list; nil if nothing can match its filters.
  /// - Returns: The last item's key if there are more items, else nil.
  func write(
    _ page: PageRequest, matching words: String?, to json: inout JSONWriter,
    find: (String) throws -> Search.Matches?,
    list: (Search.Matches?) throws -> List?
  ) throws -> [String]? {
    guard let words else { return try list(nil)?.write(page, on: connection, to: &json) }
    guard var matches = try find(words) else { return nil }
    if matches.way == .walk {
      let end = try json.attempt { json in
        try connection.limited(toThousandSteps: Search.thousandSteps) {
          try list(matches)?.write(page, on: connection, to: &json)
        }
      }
      if let end { return end }
      matches.way = .sort
    }
    return try list(matches)?.write(page, on: connection, to: &json)
  }

  /// The partners that match all words; nil if there are none.
  ///
  /// - Parameter columns: As in `Search.query(_:in:)`.
  func partnerMatches(_ words: String, in columns: [String]) throws -> Search.Matches? {
    guard let query = Search.query(words, in: columns) else { return nil }
    let numbers = Search.numbers(in: "partners")
    let count = try count(numbers, [query])
    return count == 0
      ? nil : Search.Matches(numbers: (numbers, [query]), way: count < List.many ? .sort : .walk)
  }
}

extension List {
  /// Selects the rows that match.
  mutating func filter(_ matches: Search.Matches) {
    let number = "\(walked.alias).\(walked.hasIDs ? "number" : walked.number)"
    let numbers = matches.numbers
    switch matches.way {
    case .sort: filter("\(number) IN (\(numbers.sql))", arguments: numbers.arguments)
    case .walk where matches.condition != nil: break
    // The unary plus keeps SQLite from looking up each match and sorting.
    case .walk: filter("+\(number) IN (\(numbers.sql))", arguments: numbers.arguments)
    }
    if let condition = matches.condition, matches.way == .walk || matches.needCondition {
      filter(condition.sql, arguments: condition.arguments)
    }
  }
}
