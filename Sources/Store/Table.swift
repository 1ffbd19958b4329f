import Domain
import JSON
import SQLite

/// A table of the database whose rows are a resource, with the resource's fields.
package struct Table: Sendable {
  /// The table's name.
  let name: String
  /// Its name in expressions.
  let alias: String
  package let fields: [Field]
  /// Columns that are derived from fields, for indexes and constraints.
  let derived: [(column: String, value: @Sendable (Record) -> String?)]
  /// Columns that are written once and that no record holds.
  let secretColumns: [String]
  /// What each audience sees, in lists and alone.
  private let shapes: [Audiences: (list: Shape, single: Shape)]
  /// The fields with a column of the row.
  private let stored: [Field]
  /// The fields of a record: those of its row, and lists from elsewhere that can be set.
  private let loaded: [Field]
  private let tracked: [Field]
  private let selectStored: String
  private let insertStatement: String

  init(
    _ name: String, alias: String,
    derived: [(column: String, value: @Sendable (Record) -> String?)] = [],
    secretColumns: [String] = [], fields: [Field]
  ) {
    self.name = name
    self.alias = alias
    self.fields = fields
    self.derived = derived
    self.secretColumns = secretColumns
    var shapes: [Audiences: (list: Shape, single: Shape)] = [:]
    for audience in [Audiences.anyone, .member, .partner, .staff] {
      let seen = fields.filter { $0.seenBy.contains(audience) }
      shapes[audience] = (
        Shape(seen.filter { !$0.traits.contains(.single) }, of: name, alias),
        Shape(seen, of: name, alias)
      )
    }
    self.shapes = shapes
    stored = fields.filter { !$0.traits.contains(.derived) }
    loaded = fields.filter { !$0.traits.contains(.derived) || !$0.setBy.isEmpty }
    tracked = fields.filter { $0.traits.contains(.tracked) }
    selectStored =
      "SELECT \(loaded.map { $0.expression(alias) }.joined(separator: ", ")) FROM \(name) AS \(alias) "
    let columns = stored.map(\.name) + derived.map(\.column)
    let inserted = columns + secretColumns
    insertStatement =
      "INSERT INTO \(name) (\(inserted.joined(separator: ", "))) "
      + "VALUES (\(inserted.map { _ in "?" }.joined(separator: ", ")))"
  }

  /// What an audience sees of a resource in a list.
  func list(_ audience: Audiences) -> Shape { shapes[audience]!.list }

  /// What an audience sees of a single resource.
  func single(_ audience: Audiences) -> Shape { shapes[audience]!.single }

  // MARK: - Records

  /// Loads the records that a condition keeps.
  func load(_ condition: String, _ arguments: [(any Bindable)?], on connection: Connection) throws
    -> [Record]
  {
    return try connection.rows(selectStored + condition, arguments: arguments) { row in
      Record(
        try loaded.enumerated().map { index, field in
          JSON.Member(field.name, try field.kind.load(row, index))
        })
    }
  }

  /// Adds a record's row.
  ///
  /// - Parameter secrets: The values of ``secretColumns``.
  func insert(
    _ record: Record, secrets: [any Bindable] = [], on connection: Connection
  ) throws {
    try connection.run(
      insertStatement, arguments: values(of: record) + secrets as [(any Bindable)?])
  }

  /// Changes a record's row, in the columns that differ: the others' indexes and triggers are left alone.
  func update(_ old: Record, to new: Record, on connection: Connection) throws {
    var columns: [String] = []
    var arguments: [(any Bindable)?] = []
    for field in stored where old[field.name] != new[field.name] {
      columns.append("\(field.name) = ?")
      arguments.append(field.kind.column(for: new[field.name]))
    }
    for (column, value) in derived where value(old) != value(new) {
      columns.append("\(column) = ?")
      arguments.append(value(new))
    }
    guard !columns.isEmpty else { return }
    try connection.run(
      "UPDATE \(name) SET \(columns.joined(separator: ", ")) WHERE id = ?",
      arguments: arguments + [Kind.id.column(for: new["id"])])
  }

  private func values(of record: Record) -> [(any Bindable)?] {
    stored.map { $0.kind.column(for: record[$0.name]) }
      + derived.map { $0.value(record) }
  }

  /// What the history keeps of a change: a JSON object with `{"from": …, "to": …}` for each tracked field
  /// that differs. Of a new record the empty fields are left out.
  func changes(from old: Record?, to new: Record) -> String {
    var json = JSONWriter()
    json.object {
      for field in tracked {
        let before = old?[field.name] ?? .null
        let after = new[field.name]
        guard before != after else { continue }
        $0.name(escaping: field.name)
        $0.object {
          $0.name("from")
          $0.value(before)
          $0.name("to")
          $0.value(after)
        }
      }
    }
    return json.text
  }
}

extension Field {
  /// The SQL expression that it is read from.
  func expression(_ alias: String) -> String { source ?? "\(alias).\(name)" }
}

extension Table {
  fileprivate var exported: [Field] { fields.filter { $0.traits.contains(.exported) } }

  /// The names of an exported spreadsheet's columns.
  package var exportedColumns: [String] { exported.map(\.name) }
}

extension Snapshot {
  /// Lends each row of a table as a spreadsheet's cells, in the order of ``Table/exportedColumns``, the
  /// oldest first.
  package func export(_ table: Table, _ body: ([String?]) throws -> Void) throws {
    let fields = table.exported
    let columns = fields.map { $0.expression(table.alias) }.joined(separator: ", ")
    let joins = fields.compactMap(\.join).reduce(into: [String]()) { joins, join in
      if !joins.contains(join) { joins.append(join) }
    }.joined(separator: " ")
    let alias = table.alias
    try connection.each(
      """
      SELECT \(columns) FROM \(table.name) AS \(alias) \(joins)
      ORDER BY \(alias).created_at, \(alias).number
      """
    ) { row in
      try body(try fields.enumerated().map { index, field in try field.kind.cell(row, index) })
    }
  }
}
