import Domain
import JSON
import SQLite

/// One audience's view of a resource: the columns to select, and how a row of them becomes JSON.
struct Shape: Sendable {
  /// The SELECT list.
  let columns: String
  /// The joins for the columns, each followed by a space.
  let joins: String
  /// The statement that selects the columns, without a condition.
  let select: String

  /// A column, or the beginning or end of an object. It holds no reference, because counting references takes
  /// longer than writing a value.
  private struct Part: Sendable {
    enum Form: Sendable {
      case text, flag, integer, json
      /// An object with this many parts. It is null if its first column is.
      case open(parts: Int, columns: Int)
      case close
    }

    /// Where in ``names`` the member's name is, in quotes and with a colon.
    let name: Range<Int>
    let form: Form
  }

  private let names: [UInt8]
  private let parts: [Part]

  init(_ fields: [Field], of table: String, _ alias: String) {
    var columns: [String] = []
    var joins: [String] = []
    var names: [UInt8] = []
    parts = Shape.parts(of: fields, alias, &columns, &joins, &names)
    self.names = names
    self.columns = columns.joined(separator: ", ")
    self.joins = joins.map { $0 + " " }.joined()
    select = "SELECT \(self.columns) FROM \(table) AS \(alias) \(self.joins)"
  }

  private static func parts(
    of fields: [Field], _ alias: String, _ columns: inout [String], _ joins: inout [String],
    _ names: inout [UInt8]
  ) -> [Part] {
    var parts: [Part] = []
    for field in fields {
      if let join = field.join, !joins.contains(join) { joins.append(join) }
      let start = names.count
      names += "\"\(field.name)\":".utf8
      let name = start..<names.count
      if case .joined(let inner) = field.kind {
        let before = columns.count
        let members = Shape.parts(of: inner, alias, &columns, &joins, &names)
        parts.append(
          Part(
            name: name, form: .open(parts: members.count, columns: columns.count - before)))
        parts += members
        parts.append(Part(name: 0..<0, form: .close))
        continue
      }
      columns.append(field.expression(alias))
      let form: Part.Form =
        switch field.kind {
        case .flag: .flag
        case .integer: .integer
        case .list, .object, .range, .json: .json
        default: .text
        }
      parts.append(Part(name: name, form: form))
    }
    return parts
  }

  /// Writes a row as an object.
  ///
  /// - Parameter first: The index of the shape's first column in the row.
  func write(_ row: Row, from first: Int = 0, to json: inout JSONWriter) throws {
    json.open(nil)
    try writeMembers(row, from: first, to: &json)
    json.close()
  }

  /// Writes a row's columns as members of an object that the caller has opened.
  func writeMembers(_ row: Row, from first: Int = 0, to json: inout JSONWriter) throws {
    try names.withUnsafeBufferPointer { names in
      try parts.withUnsafeBufferPointer { parts in
        var column = first
        var index = 0
        while index < parts.count {
          let part = parts[index]
          let name = UnsafeBufferPointer(rebasing: names[part.name])
          index += 1
          switch part.form {
          case .open(let count, let columns):
            if case .null = row.value(column) {
              json.member(name, .null)
              column += columns
              index += count + 1
            } else {
              json.open(name)
            }
            continue
          case .close:
            json.close()
            continue
          case .text, .flag, .integer, .json:
            break
          }
          switch (row.value(column), part.form) {
          case (.null, _): json.member(name, .null)
          case (.text(let utf8), .json): json.member(name, .json(utf8))
          case (.text(let utf8), _): json.member(name, .string(utf8))
          case (.integer(let number), .flag): json.member(name, .bool(number != 0))
          case (.integer(let number), _): json.member(name, .integer(number))
          case (.real, _), (.blob, _): throw DamagedValue(text: "column \(column)")
          }
          column += 1
        }
      }
    }
  }
}
