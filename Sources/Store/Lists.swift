import Domain
import SQLite

/// A list that is walked by key: each page begins where an index finds the last item's key, so that it
/// costs the same however deep it lies, and rows that are added meanwhile shift nothing.
struct List {
  /// A table that is walked in the order of an index.
  struct Table {
    let name: String
    /// Its name in conditions and columns.
    let alias: String
    /// The column that breaks ties: the item's number.
    var number = "number"
    /// The index that is walked, where SQLite, as long as it has no statistics, would take another and
    /// sort.
    var index: String?
  }

  /// What one item is read from.
  let columns: String
  /// The table of the items.
  let items: Table
  /// Joins that give further columns, one row for each item.
  let joins: String
  /// The table that is walked: the items' own, or one with a row for each reason to find an item.
  let walked: Table
  /// The column that sorts, of both tables; nil: the number alone.
  let sort: String?
  /// The sort column's collation, if it is not the column's own.
  let collation: String
  let descending: Bool
  /// Conditions on the walked table, ANDed, with their arguments in order.
  private var conditions: [(sql: String, arguments: [any Bindable])] = []
  /// Conditions on the sort column that the list begins with.
  private var starts: [(sql: String, arguments: [any Bindable])] = []
  /// The parts that are walked one by one, each along an index of its columns and the sort key, and then
  /// merged; one part without a column is the whole table.
  private var arms: [[(column: String, value: String)]] = [[]]

  init(
    columns: String, items: Table, joins: String = "", walked: Table? = nil,
    sort: String? = nil, collation: String = "", descending: Bool
  ) {
    self.columns = columns
    self.items = items
    self.joins = joins
    self.walked = walked ?? items
    self.sort = sort
    self.collation = collation
    self.descending = descending
  }

  /// Keeps the rows that fulfil a condition.
  mutating func filter(_ sql: String, _ arguments: (any Bindable)...) {
    conditions.append((sql, arguments))
  }

  /// Keeps the rows from a bound of the sort column on, where the list begins. A cursor lies behind it;
  /// there the unary plus makes SQLite begin at the cursor, since it looks for one of the two only.
  mutating func start(_ sql: String, _ arguments: (any Bindable)...) {
    starts.append((sql, arguments))
  }

  /// Keeps the rows whose column has one of the values; all rows if there are none. The unary plus
  /// keeps SQLite from walking that column's index and sorting afterwards.
  mutating func filter(column: String, in values: [String]) {
    guard !values.isEmpty else { return }
    let marks = values.map { _ in "?" }.joined(separator: ", ")
    conditions.append(("+\(walked.alias).\(column) IN (\(marks))", values))
  }

  /// Keeps the rows whose column has one of the values, along an index for each; all rows if there are
  /// none. A further column multiplies the parts.
  mutating func walk(_ column: String, in values: [String]) {
    guard !values.isEmpty else { return }
    arms = arms.flatMap { arm in values.map { arm + [(column, $0)] } }
  }

  /// The statement for a page and its arguments. It reads one row more than the page has, which tells
  /// whether the list goes on.
  ///
  /// - Throws: `Failure.invalidParameter` for a cursor of another shape.
  func statement(for page: PageRequest) throws -> (sql: String, arguments: [any Bindable]) {
    guard arms.count > 1 else {
      let itemsJoin =
        walked.name == items.name
        ? ""
        : "JOIN \(items.name) AS \(items.alias) "
          + "ON \(items.alias).\(items.number) = \(walked.alias).\(walked.number) "
      return try select(", " + columns, itemsJoin + joins, arm: arms[0], page)
    }
    let parts = try arms.map { try select("", "", arm: $0, page) }
    // UNION, not UNION ALL: more than one part may find an item.
    let merged = parts.map { "SELECT * FROM (\($0.sql))" }.joined(separator: " UNION ")
    return (
      """
      SELECT \(keyColumns(items)), \(columns) FROM (\(merged)) AS found \
      JOIN \(items.name) AS \(items.alias) \
      ON \(items.alias).\(items.number) = found.\(walked.number) \(joins) \
      ORDER BY \(order(items)) LIMIT ?
      """, parts.flatMap(\.arguments) + [page.limit + 1]
    )
  }

  private func key(_ table: Table) -> [String] {
    (sort.map { ["\(table.alias).\($0)\(collation)"] } ?? []) + ["\(table.alias).\(table.number)"]
  }

  private func keyColumns(_ table: Table) -> String {
    (sort.map { "\(table.alias).\($0), " } ?? "") + "\(table.alias).\(table.number)"
  }

  private func order(_ table: Table) -> String {
    key(table).map { "\($0) \(descending ? "DESC" : "ASC")" }.joined(separator: ", ")
  }

  private func select(
    _ columns: String, _ joins: String, arm: [(column: String, value: String)], _ page: PageRequest
  ) throws -> (sql: String, arguments: [any Bindable]) {
    var conditions: [(sql: String, arguments: [any Bindable])] = arm.map {
      ("\(walked.alias).\($0.column) = ?", [$0.value])
    }
    conditions += self.conditions
    conditions += starts.map { ((page.after == nil ? "" : "+") + $0.sql, $0.arguments) }
    if let after = page.after {
      let key = key(walked)
      guard after.count == key.count, let number = after.last.flatMap({ Int($0) }) else {
        throw Failure.invalidParameter([List.invalidCursor])
      }
      if !collation.isEmpty {
        // A column with a collation of its own, in a row value, is not looked for in an index.
        conditions.append(("\(key[0]) \(descending ? "<=" : ">=") ?", [after[0]]))
      }
      let marks = key.map { _ in "?" }.joined(separator: ", ")
      conditions.append(
        (
          "(\(key.joined(separator: ", "))) \(descending ? "<" : ">") (\(marks))",
          after.dropLast() + [number]
        ))
    }
    let filter = conditions.map(\.sql).joined(separator: " AND ")
    return (
      """
      SELECT \(keyColumns(walked))\(columns) FROM \(walked.name) AS \(walked.alias)\
      \(walked.index.map { " INDEXED BY \($0)" } ?? "") \(joins)\
      \(filter.isEmpty ? "" : " WHERE " + filter) ORDER BY \(order(walked)) LIMIT ?
      """, conditions.flatMap(\.arguments) + [page.limit + 1]
    )
  }

  /// Reads a page.
  ///
  /// - Throws: As `statement(for:)`.
  func page<Item>(
    _ page: PageRequest, on connection: Connection, read: (inout Columns) throws -> Item
  ) throws -> Page<Item> {
    var result = Page<Item>(items: [])
    result.items.reserveCapacity(min(page.limit, 100))
    result.next = try each(page, on: connection) { result.items.append(try read(&$0)) }
    return result
  }

  /// Lends each item of a page in turn.
  ///
  /// - Returns: The last item's key if the list goes on, else nil.
  /// - Throws: As `statement(for:)`, and what `body` throws.
  func each(
    _ page: PageRequest, on connection: Connection, body: (inout Columns) throws -> Void
  ) throws -> [String]? {
    let (sql, arguments) = try statement(for: page)
    var count = 0
    var key: [String] = []
    try connection.each(sql, arguments: arguments) { row in
      count += 1
      guard count <= page.limit else { return }
      var columns = Columns(row)
      if count == page.limit {
        key = (sort == nil ? [] : [columns.text()]) + [String(columns.int())]
      } else {
        columns.skip(sort == nil ? 1 : 2)
      }
      try body(&columns)
    }
    return count > page.limit ? key : nil
  }

  static let invalidCursor = FieldError(
    .parameter("cursor"), .invalidCursor, "This cursor was not given for this list.")
}
