import Domain
import JSON
import SQLite

/// A list with pages. Each page begins at the last item's key in an index, so that every page costs the same,
/// and rows that are added between two pages move no item.
package struct List {
  /// A table that is walked in the order of an index.
  struct Source {
    let name: String
    /// Its name in conditions and columns.
    let alias: String
    /// The column with the item's number, or `id` in a table without numbers. It breaks ties.
    var number = "number"
    /// Whether that column has IDs.
    var hasIDs: Bool { number == "id" }
    /// The index to walk, if SQLite without statistics would use another one and sort.
    var index: String?
  }

  /// The shape of the items.
  let shape: Shape
  /// The table of the items.
  let items: Source
  /// The table that is walked: the items' own table, or a table with several rows for an item.
  let walked: Source
  /// The column to sort by, in both tables; nil: only the number.
  let sort: String?
  let descending: Bool
  /// Conditions on the walked table.
  private var conditions: [String] = []
  private var arguments: [(any Bindable)?] = []
  /// A condition on the sort column at which the list begins, and its argument.
  private var start: (sql: String, argument: any Bindable)?
  /// Whether the keys of the page are found first, and then its items. It is for lists that SQLite has to sort:
  /// otherwise it reads the columns of every item before it knows the page.
  var findsKeysFirst = false
  /// The parts that are walked separately, each along an index of its columns and the sort key, and then
  /// merged. One part without a column is the whole table.
  private var arms: [[(column: String, value: String?)]] = [[]]

  init(
    _ shape: Shape, items: Source, walked: Source? = nil, sort: String? = nil,
    descending: Bool
  ) {
    self.shape = shape
    self.items = items
    self.walked = walked ?? items
    self.sort = sort
    self.descending = descending
  }

  /// Selects the rows that satisfy a condition.
  mutating func filter(_ sql: String, _ arguments: (any Bindable)...) {
    filter(sql, arguments: arguments)
  }

  /// Selects the rows that satisfy a condition.
  mutating func filter(_ sql: String, arguments: [any Bindable]) {
    conditions.append(sql)
    self.arguments += arguments as [(any Bindable)?]
  }

  /// Selects the rows from a bound of the sort column on. A cursor is always after the bound. With a cursor, a
  /// unary plus before the condition makes SQLite begin at the cursor, because it uses only one of the two.
  mutating func start(_ sql: String, _ argument: any Bindable) {
    start = (sql, argument)
  }

  /// Selects the rows whose column has one of the values, or all rows if there are no values. The unary plus
  /// keeps SQLite from walking that column's index and sorting afterwards.
  mutating func filter(column: String, in values: [String]) {
    filter("+\(walked.alias).\(column)", in: values)
  }

  /// Selects the rows for which an expression has one of the values, or all rows if there are no values.
  mutating func filter(_ sql: String, in values: [String]) {
    guard !values.isEmpty else { return }
    let marks = values.map { _ in "?" }.joined(separator: ", ")
    conditions.append("\(sql) IN (\(marks))")
    arguments += values as [(any Bindable)?]
  }

  /// Selects the rows whose column has one of the values, along an index for each value, or all rows if there
  /// are no values. Another column multiplies the parts.
  mutating func walk(_ column: String, in values: [String]) {
    guard !values.isEmpty else { return }
    walk(values.map { [(column, .some($0))] })
  }

  /// Selects the rows whose columns have the values of one of the parts, along an index for each part. A value of
  /// nil is NULL.
  mutating func walk(_ parts: [[(column: String, value: String?)]]) {
    arms = arms.flatMap { arm in parts.map { arm + $0 } }
  }

  /// The statement for a page and its arguments. It reads one row more than the page has, to find out whether
  /// there are more items.
  ///
  /// - Throws: `Failure.invalidParameter` for a cursor of another shape.
  func statement(for page: PageRequest) throws -> (sql: String, arguments: [(any Bindable)?]) {
    var sql: [String] = []
    sql.reserveCapacity(64)
    var arguments: [(any Bindable)?] = []
    if arms.count == 1, !findsKeysFirst {
      sql.append("SELECT ")
      addKey(of: walked, to: &sql)
      sql += [", ", shape.columns]
      addSource(to: &sql)
      if walked.name != items.name { addJoin(to: walked.alias, &sql) }
      sql.append(shape.joins)
      try addConditions(on: arms[0], page, to: &sql, &arguments)
    } else {
      sql.append("SELECT ")
      addKey(of: items, to: &sql)
      sql += [", ", shape.columns, " FROM ("]
      for (index, arm) in arms.enumerated() {
        // UNION, not UNION ALL: more than one part may find an item.
        sql.append(index == 0 ? "SELECT * FROM (SELECT " : " UNION SELECT * FROM (SELECT ")
        addKey(of: walked, to: &sql)
        addSource(to: &sql)
        try addConditions(on: arm, page, to: &sql, &arguments)
        sql.append(")")
      }
      sql.append(") AS found ")
      addJoin(to: "found", &sql)
      sql.append(shape.joins)
      addOrder(of: items, page, to: &sql, &arguments)
    }
    return (sql.joined(), arguments)
  }

  private func addSource(to sql: inout [String]) {
    sql += [" FROM ", walked.name, " AS ", walked.alias, " "]
    if let index = walked.index { sql += ["INDEXED BY ", index, " "] }
  }

  /// Joins the items to what was walked.
  private func addJoin(to walker: String, _ sql: inout [String]) {
    sql += [
      "JOIN ", items.name, " AS ", items.alias, " ON ", items.alias, ".", items.number, " = ",
      walker, ".", walked.number, " ",
    ]
  }

  /// Adds a source's columns of the key, with what follows each of them where they sort.
  private func addKey(
    of source: Source, direction: String = "", to sql: inout [String]
  ) {
    if let sort { sql += [source.alias, ".", sort, direction, ", "] }
    sql += [source.alias, ".", source.number, direction]
  }

  private func addConditions(
    on arm: [(column: String, value: String?)], _ page: PageRequest, to sql: inout [String],
    _ arguments: inout [(any Bindable)?]
  ) throws {
    sql.append("WHERE ")
    for part in arm {
      sql += [walked.alias, ".", part.column, part.value == nil ? " IS NULL AND " : " = ? AND "]
      if let value = part.value { arguments.append(value) }
    }
    for condition in conditions { sql += [condition, " AND "] }
    arguments += self.arguments
    if let start {
      sql += [page.after == nil ? "" : "+", start.sql, " AND "]
      arguments.append(start.argument)
    }
    if let after = page.after {
      let number = after.last.flatMap { text -> (any Bindable)? in
        items.hasIDs ? ID(text)?.text : Int(text)
      }
      guard after.count == (sort == nil ? 1 : 2), let number else { throw List.invalidCursor }
      sql.append("(")
      addKey(of: walked, to: &sql)
      sql += [descending ? ") < (" : ") > (", sort == nil ? "?" : "?, ?", ") AND "]
      for text in after.dropLast() { arguments.append(text) }
      arguments.append(number)
    }
    sql.append("TRUE")
    addOrder(of: walked, page, to: &sql, &arguments)
  }

  private func addOrder(
    of source: Source, _ page: PageRequest, to sql: inout [String],
    _ arguments: inout [(any Bindable)?]
  ) {
    sql.append(" ORDER BY ")
    addKey(of: source, direction: descending ? " DESC" : " ASC", to: &sql)
    sql.append(" LIMIT ?")
    arguments.append(page.limit + 1)
  }

  /// Writes the items of a page into an array that the caller has opened.
  ///
  /// - Returns: The last item's key if there are more items, else nil.
  /// - Throws: As `statement(for:)`.
  func write(
    _ page: PageRequest, on connection: Connection, to json: inout JSONWriter
  ) throws -> [String]? {
    let (sql, arguments) = try statement(for: page)
    let keyColumns = sort == nil ? 1 : 2
    var count = 0
    var key: [String] = []
    try connection.each(sql, arguments: arguments) { row in
      count += 1
      guard count <= page.limit else { return }
      if count == page.limit {
        let number = items.hasIDs ? row.text(keyColumns - 1) : String(row.int(keyColumns - 1))
        key = (sort == nil ? [] : [row.text(0)]) + [number]
      }
      try shape.write(row, from: keyColumns, to: &json)
    }
    return count > page.limit ? key : nil
  }

  /// The smallest number of rows that are not sorted for a page if another way to find it is likely to be shorter.
  static let many = 5_000

  /// The failure for a cursor that is not one of the list's.
  package static let invalidCursor = Failure.invalidParameter([
    FieldError(
      .parameter("cursor"), .invalidCursor,
      "This cursor belongs to another list, other filters or another order.")
  ])
}

extension Snapshot {
  /// How many rows a query has, up to `List.many`.
  func count(_ sql: String, _ arguments: [String]) throws -> Int {
    try connection.row(
      "SELECT count(*) FROM (\(sql) LIMIT ?)", arguments: arguments + [List.many]
    ) { $0.int(0) } ?? 0
  }
}

extension Array where Element: Hashable & RawRepresentable<String> {
  /// The distinct words in order, so that equal filters have the same statement.
  var distinctWords: [String] {
    count < 2 ? map(\.rawValue) : Set(self).map(\.rawValue).sorted()
  }
}
