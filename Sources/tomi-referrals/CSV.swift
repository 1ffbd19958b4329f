/// Comma-separated values (RFC 4180), strictly: a file that could be read in two ways is refused.
///
/// SwiftCSV is not used: it does not say where in the file a row stands.
enum CSV {
  struct Row: Equatable {
    /// The line that the row begins in, from 1; quoted line breaks count.
    let line: Int
    let fields: [String]
  }

  /// Why a text cannot be read.
  struct SyntaxError: Error, Equatable {
    let line: Int
    let detail: String
  }

  /// Reads rows. A byte-order mark is skipped, lines end with CRLF or LF, empty lines are left out.
  ///
  /// - Throws: `SyntaxError`.
  static func rows(_ bytes: [UInt8]) throws -> [Row] {
    let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    var reader = Reader(bytes: bytes, position: start)
    var rows: [Row] = []
    while let row = try reader.row() {
      if row.fields != [""] { rows.append(row) }
    }
    return rows
  }

  /// A row as text, ended by CRLF. Cells that a spreadsheet would run as a formula get an apostrophe
  /// (https://owasp.org/www-community/attacks/CSV_Injection).
  static func line(_ cells: [String?]) -> String {
    cells.map { cell in
      let text = harmless(cell ?? "")
      // Scalar by scalar: with an accent after it a quotation mark is another Character.
      guard text.unicodeScalars.contains(where: { special.contains($0) }) else { return text }
      return "\"\(text.unicodeScalars.map { $0 == "\"" ? "\"\"" : String($0) }.joined())\""
    }.joined(separator: ",") + "\r\n"
  }

  /// What needs quotation marks around its cell: RFC 4180's, and what some programs end a line with.
  private static let special = Set("\",\r\n\u{B}\u{C}\u{85}\u{2028}\u{2029}".unicodeScalars)

  /// What a spreadsheet takes for the beginning of a formula.
  private static let risky = "=+-@\t\r"

  private static func harmless(_ text: String) -> String {
    looksLikeFormula(text) ? "'" + text : text
  }

  /// A cell without the apostrophe that an export put before it.
  static func plain(_ cell: String) -> String {
    cell.unicodeScalars.first == "'" && looksLikeFormula(cell)
      ? String(cell.unicodeScalars.dropFirst()) : cell
  }

  /// Apostrophes at the beginning are looked past, so that a text that has one of its own before a
  /// formula gets another, and keeps its own when that is taken off.
  private static func looksLikeFormula(_ text: String) -> Bool {
    guard let first = text.unicodeScalars.first(where: { $0 != "'" }) else { return false }
    return risky.unicodeScalars.contains(first)
  }

  private struct Reader {
    let bytes: [UInt8]
    var position: Int
    var line = 1

    init(bytes: [UInt8], position: Int) {
      self.bytes = bytes
      self.position = position
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func row() throws -> Row? {
      guard next != nil else { return nil }
      let start = line
      var fields: [String] = []
      while true {
        fields.append(try field())
        switch next {
        case UInt8(ascii: ","):
          position += 1
        case nil:
          return Row(line: start, fields: fields)
        default:
          position += next == UInt8(ascii: "\r") ? 2 : 1
          line += 1
          return Row(line: start, fields: fields)
        }
      }
    }

    private mutating func field() throws -> String {
      guard next == UInt8(ascii: "\"") else {
        let start = position
        while let byte = next, byte != UInt8(ascii: ","), byte != UInt8(ascii: "\n"), !isLineEnd {
          guard byte != UInt8(ascii: "\"") else {
            throw SyntaxError(
              line: line, detail: "A quotation mark stands inside a field that is not quoted.")
          }
          position += 1
        }
        return try text(Array(bytes[start..<position]))
      }
      let start = line
      position += 1
      var content: [UInt8] = []
      while let byte = next {
        position += 1
        if byte == UInt8(ascii: "\"") {
          guard next == UInt8(ascii: "\"") else {
            guard
              next == nil || next == UInt8(ascii: ",") || next == UInt8(ascii: "\n") || isLineEnd
            else {
              throw SyntaxError(line: line, detail: "Text follows a closing quotation mark.")
            }
            return try text(content)
          }
          position += 1
        } else if byte == UInt8(ascii: "\n") {
          line += 1
        }
        content.append(byte)
      }
      throw SyntaxError(line: start, detail: "A quoted field is not closed.")
    }

    private var isLineEnd: Bool {
      next == UInt8(ascii: "\r") && position + 1 < bytes.count
        && bytes[position + 1] == UInt8(ascii: "\n")
    }

    private func text(_ bytes: [UInt8]) throws -> String {
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw SyntaxError(line: line, detail: "The text is not UTF-8.")
      }
      return text
    }
  }
}
