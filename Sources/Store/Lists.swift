import Domain
import SQLite

/// A list that is walked by key: each page begins where an index finds the last item's key, so that it
/// costs the same however deep it lies, and rows that are added meanwhile shift nothing.
struct List {
  /// What one item is read from, behind the sort key and the row's number.
  var columns: String
  /// The table that is listed. It has a column `number`, which breaks ties.
  var table: String
  /// The table's name in the conditions and columns.
  var alias: String
  /// Joins that give further columns, one row for each of the table's.
  var joins = ""
  /// The column that sorts, of the listed table; nil: the number alone.
  var sort: String?
  /// The sort column's collation, if it is not the column's own.
  var collation = ""
  var descending: Bool
  /// Conditions on the listed table, ANDed, with their arguments in order.
  private(set) var conditions: [(sql: String, arguments: [any Bindable])] = []
  /// A column whose values are walked one by one, each along an index of the column and the sort key,
  /// and then merged. Its conditions stand in no other place.
  var driver: (column: String, values: [String])?

  init(
    columns: String, table: String, alias: String, joins: String = "", sort: String? = nil,
    collation: String = "", descending: Bool
  ) {
    self.columns = columns
    self.table = table
    self.alias = alias
    self.joins = joins
    self.sort = sort
    self.collation = collation
    self.descending = descending
  }

  mutating func filter(_ sql: String, _ arguments: (any Bindable)...) {
    conditions.append((sql, arguments))
  }

  /// Keeps the rows whose column has one of the values; all rows if there are none. The unary plus
  /// keeps SQLite from walking that column's index and sorting afterwards.
  mutating func filter(column: String, in values: [String]) {
    guard !values.isEmpty else { return }
    let marks = values.map { _ in "?" }.joined(separator: ", ")
    conditions.append(("+\(alias).\(column) IN (\(marks))", values))
  }

  /// The statement for a page and its arguments. It reads one row more than the page has, which tells
  /// whether the list goes on.
  func statement(for page: PageRequest) throws -> (sql: String, arguments: [any Bindable]) {
    let key = (sort.map { ["\(alias).\($0)\(collation)"] } ?? []) + ["\(alias).number"]
    let keyColumns = (sort.map { "\(alias).\($0), " } ?? "") + "\(alias).number"
    let order = key.map { "\($0) \(descending ? "DESC" : "ASC")" }.joined(separator: ", ")
    var conditions = conditions
    if let after = page.after {
      guard after.count == key.count, let number = after.last.flatMap({ Int($0) }) else {
        throw Failure.invalidParameter([List.invalidCursor])
      }
      let marks = key.map { _ in "?" }.joined(separator: ", ")
      conditions.append(
        (
          "(\(key.joined(separator: ", "))) \(descending ? "<" : ">") (\(marks))",
          after.dropLast() + [number]
        ))
    }
    func select(_ columns: String, _ joins: String, driver: (String, String)?) -> (
      String, [any Bindable]
    ) {
      var conditions = conditions
      if let driver { conditions.insert(("\(alias).\(driver.0) = ?", [driver.1]), at: 0) }
      let filter = conditions.map(\.sql).joined(separator: " AND ")
      return (
        """
        SELECT \(keyColumns)\(columns) FROM \(table) AS \(alias)\(joins)\
        \(filter.isEmpty ? "" : " WHERE " + filter) ORDER BY \(order) LIMIT ?
        """, conditions.flatMap(\.arguments) + [page.limit + 1]
      )
    }

    guard let driver, driver.values.count > 1 else {
      return select(
        ", " + columns, " " + joins,
        driver: driver.flatMap { driver in driver.values.first.map { (driver.column, $0) } })
    }
    let arms = driver.values.map { select("", "", driver: (driver.column, $0)) }
    let merged = arms.map { "SELECT * FROM (\($0.0))" }.joined(separator: " UNION ALL ")
    return (
      """
      SELECT \(keyColumns), \(columns) FROM (\(merged)) AS found \
      JOIN \(table) AS \(alias) ON \(alias).number = found.number \(joins) \
      ORDER BY \(order) LIMIT ?
      """, arms.flatMap(\.1) + [page.limit + 1]
    )
  }

  /// Reads a page.
  ///
  /// - Throws: `Failure.invalidParameter` for a cursor of another shape.
  func page<Item>(
    _ page: PageRequest, on connection: Connection, read: (inout Columns) throws -> Item
  ) throws -> Page<Item> {
    let (sql, arguments) = try statement(for: page)
    var keys: [[String]] = []
    var items = try connection.rows(sql, arguments: arguments) { row in
      var columns = Columns(row)
      keys.append((sort == nil ? [] : [columns.text()]) + [String(columns.int())])
      return try read(&columns)
    }
    guard items.count > page.limit else { return Page(items: items) }
    items.removeLast()
    return Page(items: items, next: keys[page.limit - 1])
  }

  static let invalidCursor = FieldError(
    .parameter("cursor"), .invalidCursor, "This cursor was not given for this list.")
}
