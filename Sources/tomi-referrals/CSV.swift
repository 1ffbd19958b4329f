import Domain
import JSON

/// Comma-separated values (RFC 4180), also with semicolons or tabs instead of commas. A file that can be read in
/// two ways is refused.
///
/// SwiftCSV is not used because it does not tell the line of a row.
enum CSV {
  struct Row: Equatable {
    /// The line in which the row begins, counted from 1. Line breaks in quoted fields count.
    let line: Int
    let fields: [String]
  }

  /// The reason why a file cannot be read.
  struct SyntaxError: Error, Equatable {
    let line: Int
    let detail: String
  }

  private static let separators = Array(",;\t".utf8)

  /// Reads rows. Lines end with CRLF or LF. Rows without any text are skipped. The first comma, semicolon or tab that
  /// is not in quotation marks shows which of the three separates the fields.
  ///
  /// - Parameter bytes: UTF-8 without a byte-order mark.
  /// - Throws: `SyntaxError`.
  static func rows(_ bytes: [UInt8]) throws -> [Row] {
    enum State { case start, unquoted, quoted, closed }
    let (quote, lineFeed) = (UInt8(ascii: "\""), UInt8(ascii: "\n"))
    var separator: UInt8?
    var rows: [Row] = []
    var fields: [String] = []
    var content: [UInt8] = []
    var state = State.start
    var (line, rowLine, quoteLine) = (1, 1, 1)
    func endField() throws {
      guard let text = String(validating: content, as: UTF8.self) else {
        throw SyntaxError(
          line: line,
          detail: "The text is not UTF-8. Files of Windows often need --encoding windows-1252.")
      }
      // As in JSON: such a text would take quadratic time to compare.
      guard isStreamSafe(text) else {
        throw SyntaxError(
          line: line, detail: "A cell has more than 30 combining marks in a row.")
      }
      fields.append(text)
      content = []
      state = .start
    }
    func endRow() throws {
      try endField()
      if fields.contains(where: { !$0.trimmingBlanks().isEmpty }) {
        rows.append(Row(line: rowLine, fields: fields))
      }
      fields = []
      rowLine = line + 1
    }
    if bytes.contains(UInt8(ascii: "\r")), !bytes.contains(lineFeed) {
      throw SyntaxError(
        line: 1,
        detail: "The lines end with CR alone. Save the file with lines that end with CRLF or LF.")
    }
    for (index, byte) in bytes.enumerated() {
      switch (state, byte) {
      case (.quoted, quote): state = .closed
      case (.quoted, _): content.append(byte)
      case (_, _) where byte == separator || separator == nil && separators.contains(byte):
        separator = byte
        try endField()
      case (_, lineFeed): try endRow()
      case (_, UInt8(ascii: "\r")) where bytes[(index + 1)...].first == lineFeed: break
      case (.start, quote):
        state = .quoted
        quoteLine = line
      case (.closed, quote):
        content.append(quote)
        state = .quoted
      case (.closed, _):
        throw SyntaxError(line: line, detail: "Text follows a closing quotation mark.")
      case (_, quote):
        throw SyntaxError(
          line: line, detail: "A field that is not quoted contains a quotation mark.")
      case (_, _):
        content.append(byte)
        state = .unquoted
      }
      if byte == lineFeed { line += 1 }
    }
    if state == .quoted {
      throw SyntaxError(line: quoteLine, detail: "A quoted field is not closed.")
    }
    if state != .start || !fields.isEmpty { try endRow() }
    return rows
  }

  /// A row as text that ends with CRLF. Cells that a spreadsheet would run as a formula get an apostrophe
  /// (<https://owasp.org/www-community/attacks/CSV_Injection>).
  static func line(_ cells: [String?]) -> String {
    cells.map { cell in
      let cell = cell ?? ""
      let text = looksLikeFormula(cell) ? "'" + cell : cell
      // By scalars, because a quotation mark with an accent is another Character.
      guard text.unicodeScalars.contains(where: { special.contains($0) }) else { return text }
      return "\"\(text.unicodeScalars.map { $0 == "\"" ? "\"\"" : String($0) }.joined())\""
    }.joined(separator: ",") + "\r\n"
  }

  /// The characters that need quotation marks: those of RFC 4180, and those that end a line for some programs.
  private static let special = Set("\",\r\n\u{B}\u{C}\u{85}\u{2028}\u{2029}".unicodeScalars)

  /// A cell without the apostrophe that an export added.
  static func plain(_ cell: String) -> String {
    cell.unicodeScalars.first == "'" && looksLikeFormula(cell)
      ? String(cell.unicodeScalars.dropFirst()) : cell
  }

  /// The characters with which a formula begins, and their full-width forms, which some spreadsheets take for them.
  private static let formulaStarts = Set("=+-@\t\r＝＋－＠".unicodeScalars)

  /// Whether a text, after any apostrophes, begins as a formula does in a spreadsheet. So a text that has an
  /// apostrophe of its own before a formula gets another one, and keeps its own when that is removed.
  private static func looksLikeFormula(_ text: String) -> Bool {
    guard let first = text.unicodeScalars.first(where: { $0 != "'" }) else { return false }
    return formulaStarts.contains(first)
  }
}
