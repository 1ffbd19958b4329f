import Domain
import JSON
import SQLite

/// A column that the service derives from a resource's fields.
struct DerivedColumn: Sendable {
  let column: String
  /// The names of the fields.
  let sources: [String]
  let value: @Sendable (Record) -> String?
}

/// A table of the database whose rows are resources, with the fields of the resource.
package struct Table: Sendable {
  let name: String
  /// The table's name in expressions.
  let alias: String
  package let fields: [Field]
  /// The columns that are derived from fields, for indexes and constraints.
  let derived: [DerivedColumn]
  /// The columns that are written once and are not part of a record.
  let secretColumns: [String]
  /// What each audience sees, in lists and alone.
  private let shapes: [Audiences: (list: Shape, single: Shape)]
  /// The fields that have a column of their own.
  let stored: [Field]
  /// The fields of a record: the stored ones, and those from elsewhere that can be set.
  fileprivate let loaded: [Field]
  private let tracked: [Field]
  fileprivate let selectStored: String
  private let insertStatement: String

  init(
    _ name: String, alias: String,
    derived: [DerivedColumn] = [],
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
    stored = fields.filter { !$0.isComputed }
    loaded = fields.filter { !$0.isComputed || !$0.setBy.isEmpty }
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

  /// The record of a new resource.
  ///
  /// - Parameter fields: The values that differ from an empty field's.
  func newRecord(_ id: ID, at now: Timestamp, _ fields: [String: JSON] = [:]) -> Record {
    var record = Record(loaded.map { JSON.Member($0.name, $0.kind.empty) })
    record["id"] = .string(id.text)
    record["created_at"] = .string(now.text)
    record["updated_at"] = .string(now.text)
    for (name, value) in fields { record[name] = value }
    return record
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
    for derived in derived where derived.sources.contains(where: { old[$0] != new[$0] }) {
      columns.append("\(derived.column) = ?")
      arguments.append(derived.value(new))
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

  /// The part of a change that the history keeps: a JSON object with `{"from": …, "to": …}` for each
  /// tracked field that differs. A new or removed record's null fields are not part of it.
  ///
  /// - Parameters:
  ///   - old: The record before the change; nil if it is new.
  ///   - new: The record after it; nil if it is removed.
  ///   - names: The fields that are part of it also if they don't differ.
  ///   - facts: What else the history keeps of the change, by name. Each had no value before.
  func changes(
    from old: Record?, to new: Record?, always names: [String] = [], with facts: [JSON.Member] = []
  ) -> String {
    var json = JSONWriter()
    json.object {
      for field in tracked {
        let before = old?[field.name] ?? .null
        let after = new?[field.name] ?? .null
        guard before != after || names.contains(field.name) else { continue }
        $0.name(escaping: field.name)
        $0.object {
          $0.name("from")
          $0.value(before)
          $0.name("to")
          $0.value(after)
        }
      }
      for fact in facts {
        $0.name(escaping: fact.name)
        $0.object {
          $0.name("from")
          $0.value(.null)
          $0.name("to")
          $0.value(fact.value)
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
  /// The fields that are the columns of an exported spreadsheet.
  package var exportedFields: [Field] { fields.filter { $0.traits.contains(.exported) } }

  /// The names of an exported spreadsheet's columns.
  package var exportedColumns: [String] { exportedFields.map(\.name) }
}

extension Snapshot {
  /// Loads the resources that a condition selects.
  func load<Value: Resource>(
    _ table: Table, _ condition: String, _ arguments: [(any Bindable)?] = []
  ) throws -> [Value] {
    try connection.rows(table.selectStored + condition, arguments: arguments) { row in
      Value(
        record: Record(
          try table.loaded.enumerated().map { index, field in
            JSON.Member(field.name, try field.kind.load(row, index))
          }))
    }
  }

  /// Loads the resource whose column has a value; nil if there is none.
  func find<Value: Resource>(
    _ table: Table, _ column: String, _ value: any Bindable
  ) throws -> Value? {
    let found: [Value] = try load(table, "WHERE \(table.alias).\(column) = ?", [value])
    return found.first
  }

  /// A resource as JSON, as an audience sees it.
  ///
  /// - Throws: `Failure.notFound`.
  package func view(_ id: ID, of table: Table, seenBy audience: Audiences) throws -> [UInt8] {
    try view(table.single(audience), "WHERE \(table.alias).id = ?", id.text)
  }

  /// One resource as JSON.
  ///
  /// - Throws: `Failure.notFound`.
  func view(_ shape: Shape, _ condition: String, _ arguments: (any Bindable)?...) throws -> [UInt8]
  {
    let bytes = try connection.row(shape.select + condition, arguments: arguments) { row in
      var json = JSONWriter()
      try shape.write(row, to: &json)
      return json.bytes
    }
    guard let bytes else { throw Failure.notFound }
    return bytes
  }

  /// Writes a resource's members into an object that the caller has opened.
  package func writeMembers(
    _ id: ID, of table: Table, seenBy audience: Audiences, to json: inout JSONWriter
  ) throws {
    let shape = table.list(audience)
    try connection.each(shape.select + "WHERE \(table.alias).id = ?", arguments: [id.text]) {
      try shape.writeMembers($0, to: &json)
    }
  }

  /// Calls `body` with the cells of each row of a table, in the order of ``Table/exportedFields``. The oldest
  /// row comes first.
  package func export(_ table: Table, _ body: ([String?]) throws -> Void) throws {
    let fields = table.exportedFields
    let alias = table.alias
    try connection.each(
      Shape(fields, of: table.name, alias).select
        + "ORDER BY \(alias).created_at, \(alias).number"
    ) { row in
      try body(try fields.enumerated().map { index, field in try field.kind.cell(row, index) })
    }
  }
}
