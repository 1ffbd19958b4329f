import Domain
import JSON
import Store

/// A CSV file whose first row names the columns.
struct Sheet: Sendable {
  /// The mistakes in a file, a line of text each.
  struct Errors: Error {
    let lines: [String]
  }

  /// The rows below the first one.
  let rows: [CSV.Row]
  /// The fields that the columns hold, in the file's order.
  private let fields: [Field]

  /// - Parameters:
  ///   - text: UTF-8 without a byte-order mark.
  ///   - file: The file as messages name it.
  ///   - known: The fields that a column may hold.
  ///   - missing: The columns that are missing beside those with these names.
  /// - Throws: `Errors`, and `CSV.SyntaxError`. A file without any text throws `CommandError`.
  init(_ text: [UInt8], of file: String, known: [Field], missing: ([String]) -> [String]) throws {
    var rows = try CSV.rows(text)
    // With this first row, some spreadsheets name the separator.
    if rows.first?.fields.filter({ !$0.trimmingBlanks().isEmpty }) == ["sep="] {
      rows.removeFirst()
    }
    guard let header = rows.first else { throw CommandError("\(file) is empty") }
    var names = header.fields.map { $0.trimmingBlanks() }
    while names.last == "" { names.removeLast() }
    let fields = names.map { name in known.first { $0.name == name } }
    let errors = names.indices.compactMap { index -> String? in
      let (name, place) = (names[index], "line \(header.line), column \(index + 1)")
      guard fields[index] == nil else {
        return names.firstIndex(of: name) == index ? nil : "\(place): duplicate column \"\(name)\""
      }
      guard let separator = Sheet.separator(in: name, of: known) else {
        return "\(place): unknown column \"\(name)\""
      }
      return "\(place): \"\(separator)\" does not separate columns. Use commas, semicolons or tabs."
    }
    // Where nothing separates the names, none of them is there.
    let isSeparated = !names.contains { Sheet.separator(in: $0, of: known) != nil }
    let absent = isSeparated ? missing(names) : []
    let all = errors + absent.map { "line \(header.line): missing column \"\($0)\"" }
    guard all.isEmpty else { throw Errors(lines: all) }
    self.rows = Array(rows.dropFirst())
    self.fields = fields.compactMap(\.self)
  }

  /// The character after a known name at the beginning of a column's name, such as `；` in `type；email`.
  private static func separator(in name: String, of known: [Field]) -> Unicode.Scalar? {
    let scalars = name.unicodeScalars
    guard let end = scalars.firstIndex(where: { $0 != "_" && !("a"..."z").contains($0) }) else {
      return nil
    }
    let first = String(scalars[..<end])
    return known.contains { $0.name == first } ? scalars[end] : nil
  }

  /// The cells of a row that are not empty, as the members of a body.
  ///
  /// - Throws: `Errors` if the row has too few cells, or text beside the named columns.
  func cells(of row: CSV.Row) throws -> JSON {
    var cells = row.fields[...]
    while cells.count > fields.count, cells.last?.trimmingBlanks() == "" { cells.removeLast() }
    guard cells.count == fields.count else {
      throw Errors(
        lines: ["line \(row.line): \(cells.count) cells, but the first row has \(fields.count)"])
    }
    return .object(
      zip(fields, cells).compactMap { field, cell in
        let text = CSV.plain(cell).trimmingBlanks()
        return text.isEmpty ? nil : JSON.Member(field.name, field.kind.value(ofCell: text))
      })
  }

  /// The mistakes that a refused row shows, each with its line and column.
  ///
  /// - Throws: A failure that is not the row's.
  static func lines(_ failure: Failure, of row: CSV.Row) throws -> [String] {
    func line(_ column: some StringProtocol, _ detail: String) -> String {
      "line \(row.line), column \(column): \(detail)"
    }
    switch failure {
    case .validation(let errors):
      return errors.map { error in
        guard case .pointer(let pointer) = error.place else { return error.problem.detail }
        return line(pointer.split(separator: "/").first ?? "", error.problem.detail)
      }
    case .conflict(.userErased):
      return [line("id", "The personal data of this user was erased.")]
    case .conflict(.partnerErased):
      return [line("id", "The data of this partner was erased.")]
    case .conflict(.emailTaken):
      return [line("email", "Another user has this e-mail address.")]
    case .conflict(.referralAlreadyOpen):
      return [line("group_id", "The group has an open request of this type and state.")]
    case .conflict(.partnerExists):
      return [line("email", "Another partner of this type has this e-mail address.")]
    case .conflict(.userAlreadyLinked):
      return [line("user_id", "This user is linked to another partner.")]
    case .conflict(.partnerHasReferrals):
      return [
        line("type", "A referral request names this partner, so its type can't change.")
      ]
    case .conflict(.transitionNotAllowed(let from, let to, let allowed)):
      return [
        line(
          "status",
          "The partner is \(from) and can't become \(to). "
            + "Allowed: \(allowed.joined(separator: ", ")).")
      ]
    case .conflict(.partnerNotReady(let missing)):
      return missing.map { line($0, "This field is required for an active partner.") }
    default: throw failure
    }
  }
}
