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
  /// Conditions on the walked table, each with an AND behind it.
  private var conditions = SQL()
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
    conditions += [sql, " AND "]
    conditions.arguments += arguments as [(any Bindable)?]
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
    conditions += ["+", walked.alias, ".", column, " IN (", marks, ") AND "]
    for value in values { conditions.arguments.append(value) }
  }

  /// Keeps the rows whose column has one of the values, along an index for each; all rows if there are
  /// none. A further column multiplies the parts.
  mutating func walk(_ column: String, in values: [String]) {
    guard !values.isEmpty else { return }
    if let value = values.first, values.count == 1 {
      for index in arms.indices { arms[index].append((column, value)) }
    } else {
      arms = arms.flatMap { arm in values.map { arm + [(column, $0)] } }
    }
  }

  /// The statement for a page and its arguments. It reads one row more than the page has, which tells
  /// whether the list goes on.
  ///
  /// - Throws: `Failure.invalidParameter` for a cursor of another shape.
  func statement(for page: PageRequest) throws -> (sql: String, arguments: [(any Bindable)?]) {
    var sql = SQL(capacity: 1024)
    if arms.count == 1 {
      sql += "SELECT "
      addKey(of: walked, to: &sql)
      sql += [", ", columns]
      addSource(to: &sql)
      if walked.name != items.name { addJoin(with: walked.alias, to: &sql) }
      sql += joins
      try addConditions(on: arms[0], page, to: &sql)
    } else {
      sql += "SELECT "
      addKey(of: items, to: &sql)
      sql += [", ", columns, " FROM ("]
      for (index, arm) in arms.enumerated() {
        // UNION, not UNION ALL: more than one part may find an item.
        sql += index == 0 ? "SELECT * FROM (SELECT " : " UNION SELECT * FROM (SELECT "
        addKey(of: walked, to: &sql)
        addSource(to: &sql)
        try addConditions(on: arm, page, to: &sql)
        sql += ")"
      }
      sql += ") AS found "
      addJoin(with: "found", to: &sql)
      sql += joins
      addOrder(of: items, page, to: &sql)
    }
    return (sql.text, sql.arguments)
  }

  private func addSource(to sql: inout SQL) {
    sql += [" FROM ", walked.name, " AS ", walked.alias]
    if let index = walked.index { sql += [" INDEXED BY ", index] }
    sql += " "
  }

  /// Joins the items to what was walked.
  private func addJoin(with walker: String, to sql: inout SQL) {
    sql += ["JOIN ", items.name, " AS ", items.alias, " ON "]
    sql += [items.alias, ".", items.number, " = ", walker, ".", walked.number, " "]
  }

  /// Adds a table's columns of the key, with what stands behind each of them where they sort.
  private func addKey(
    of table: Table, collation: String = "", direction: String = "", to sql: inout SQL
  ) {
    if let sort { sql += [table.alias, ".", sort, collation, direction, ", "] }
    sql += [table.alias, ".", table.number, direction]
  }

  private func addConditions(
    on arm: [(column: String, value: String)], _ page: PageRequest, to sql: inout SQL
  ) throws {
    sql += " WHERE "
    for part in arm {
      sql += [walked.alias, ".", part.column, " = ? AND "]
      sql.arguments.append(part.value)
    }
    sql += conditions
    for start in starts {
      sql += [page.after == nil ? "" : "+", start.sql, " AND "]
      sql.arguments += start.arguments as [(any Bindable)?]
    }
    if let after = page.after {
      guard after.count == (sort == nil ? 1 : 2), let number = after.last.flatMap({ Int($0) })
      else {
        throw Failure.invalidParameter([List.invalidCursor])
      }
      if let sort, !collation.isEmpty {
        // A column with a collation of its own, in a row value, is not looked for in an index.
        sql += [walked.alias, ".", sort, collation, descending ? " <= ? AND " : " >= ? AND "]
        sql.arguments.append(after[0])
      }
      sql += "("
      addKey(of: walked, collation: collation, to: &sql)
      sql += [descending ? ") < (" : ") > (", sort == nil ? "?" : "?, ?", ") AND "]
      for text in after.dropLast() { sql.arguments.append(text) }
      sql.arguments.append(number)
    }
    sql += "TRUE"
    addOrder(of: walked, page, to: &sql)
  }

  private func addOrder(of table: Table, _ page: PageRequest, to sql: inout SQL) {
    sql += " ORDER BY "
    addKey(of: table, collation: collation, direction: descending ? " DESC" : " ASC", to: &sql)
    sql += " LIMIT ?"
    sql.arguments.append(page.limit + 1)
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

extension Array where Element: Hashable & RawRepresentable<String> {
  /// The words, each once and in order, so that filters that mean the same make the same statement.
  var distinctWords: [String] {
    count < 2 ? map(\.rawValue) : Set(self).map(\.rawValue).sorted()
  }
}

/// A statement that is put together, and its arguments in order. Not a String: to append to one costs
/// several times as much, and a page's statement has some sixty parts.
private struct SQL {
  private var utf8: [UInt8] = []
  var arguments: [(any Bindable)?] = []

  /// - Parameter capacity: How many bytes to have room for from the start.
  init(capacity: Int = 0) {
    utf8.reserveCapacity(capacity)
  }

  var text: String { String(decoding: utf8, as: UTF8.self) }

  static func += (sql: inout SQL, part: String) {
    var part = part
    part.withUTF8 { sql.utf8.append(contentsOf: $0) }
  }

  static func += (sql: inout SQL, parts: [String]) {
    for part in parts { sql += part }
  }

  static func += (sql: inout SQL, other: SQL) {
    sql.utf8 += other.utf8
    sql.arguments += other.arguments
  }
}
