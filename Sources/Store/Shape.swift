import Domain
import JSON
import SQLite

/// What one audience sees of a resource: the columns to select, and how a row of them is written as JSON.
struct Shape: Sendable {
  /// The SELECT list.
  let columns: String
  /// The joins that it needs, each with a space behind it.
  let joins: String
  /// A statement that selects them, up to its condition.
  let select: String

  /// How one column, or the beginning or end of an object, is written.
  private struct Part: Sendable {
    enum Form: Sendable {
      case text, flag, integer, json
      /// An object of that many parts; null where its first column is.
      case open(parts: Int, columns: Int)
      case close
    }

    /// The member's name in quotes, and a colon.
    let name: [UInt8]
    let form: Form
  }

  private let parts: [Part]

  init(_ fields: [Field], of table: String, _ alias: String) {
    var columns: [String] = []
    var joins: [String] = []
    parts = Shape.parts(of: fields, alias, &columns, &joins)
    self.columns = columns.joined(separator: ", ")
    self.joins = joins.map { $0 + " " }.joined()
    select = "SELECT \(self.columns) FROM \(table) AS \(alias) \(self.joins)"
  }

  private static func parts(
    of fields: [Field], _ alias: String, _ columns: inout [String], _ joins: inout [String]
  ) -> [Part] {
    fields.flatMap { field in
      if let join = field.join, !joins.contains(join) { joins.append(join) }
      let name = Array("\"\(field.name)\":".utf8)
      if case .joined(let inner) = field.kind {
        let before = columns.count
        let parts = parts(of: inner, alias, &columns, &joins)
        return [
          Part(name: name, form: .open(parts: parts.count, columns: columns.count - before))
        ] + parts + [Part(name: [], form: .close)]
      }
      columns.append(field.expression(alias))
      let form: Part.Form =
        switch field.kind {
        case .flag: .flag
        case .integer: .integer
        case .list, .object, .range, .json: .json
        default: .text
        }
      return [Part(name: name, form: form)]
    }
  }

  /// Writes a row as an object.
  ///
  /// - Parameter first: The index of the first of the shape's columns.
  func write(_ row: Row, from first: Int = 0, to json: inout JSONWriter) throws {
    json.open()
    try writeMembers(row, from: first, to: &json)
    json.close()
  }

  /// Writes a row's columns as members of an object that the caller has opened.
  func writeMembers(_ row: Row, from first: Int = 0, to json: inout JSONWriter) throws {
    var column = first
    var index = 0
    while index < parts.count {
      let part = parts[index]
      index += 1
      switch part.form {
      case .open(let count, let columns):
        json.name(part.name)
        if case .null = row.value(column) {
          json.null()
          column += columns
          index += count + 1
        } else {
          json.open()
        }
      case .close:
        json.close()
      case let form:
        switch row.value(column) {
        case .null: json.nullMember(part.name)
        case .text(let utf8):
          if case .json = form {
            json.name(part.name)
            json.raw(utf8: utf8)
          } else {
            json.member(part.name, string: utf8)
          }
        case .integer(let number):
          json.name(part.name)
          if case .flag = form { json.bool(number != 0) } else { json.integer(number) }
        case .real, .blob:
          throw DamagedValue(text: "column \(column)")
        }
        column += 1
      }
    }
  }
}
