import CSQLite

/// One connection to a database file, with its prepared statements.
///
/// Only one thread may use it at a time, because it is opened without a mutex
/// (<https://www.sqlite.org/threadsafe.html>, "multi-thread").
///
/// Every connection is in WAL mode with `synchronous=FULL`, enforces foreign keys, protects its
/// schema (DEFENSIVE), and uses double quotes for identifiers only. It never starts a checkpoint after a
/// commit or when it closes: Debian 12's SQLite 3.40.1 can corrupt a file when two connections write or
/// checkpoint at the same instant, so ``Database`` decides when.
package final class Connection {
  /// What a connection may do.
  package enum Role: Sendable {
    /// Reads only: `query_only` is on.
    case reader
    /// Reads and writes.
    case writer
    /// Reads a file opened read-only; unlike ``reader`` it may `VACUUM INTO` another file.
    case backup
  }

  /// How many prepared statements a connection keeps.
  static let statementLimit = 256

  let handle: OpaquePointer

  /// Whether statements can run only in the transaction that ``Database`` has begun, and cannot end it.
  /// Otherwise a body that continues after its transaction was rolled back would commit each further
  /// statement.
  var isSupervised = false

  /// What the SQL function `today()` returns, such as `2026-11-22`; nil for NULL. Whoever begins to use the
  /// connection sets it, because statements must not read SQLite's clock.
  package var today: String?

  /// The pages in the write-ahead log after this connection's last commit.
  private(set) var walPages = 0

  private let role: Role
  private let cacheKiB: Int
  private let busyTimeout: Int
  private let journalSizeLimit: Int
  private var statements: [Statement.Key: Statement] = [:]
  private var controls: [String: Statement] = [:]
  private var clock: UInt64 = 0

  /// Whether the statement just prepared begins or ends transactions, or changes what ``Database``
  /// relies on.
  private var isControlStatement = false

  /// Set while ``Database`` itself begins or ends a transaction.
  private var isControlling = false

  /// Opens a connection.
  ///
  /// - Parameters:
  ///   - path: The database file. Only a ``Role/writer`` creates it if it does not exist.
  ///   - role: What it may do.
  ///   - cacheKiB: The most that its page cache may hold, in KiB.
  ///   - busyTimeout: How long it waits for another connection's lock, in milliseconds.
  ///   - journalSizeLimit: The most that is left of the write-ahead log's file when it starts over,
  ///     in bytes.
  /// - Throws: ``SQLiteError``; with code `SQLITE_MISUSE` when one of its settings did not take.
  package init(
    path: String, role: Role, cacheKiB: Int = 512, busyTimeout: Int = 5_000,
    journalSizeLimit: Int = 16 << 20
  ) throws {
    _ = Self.isLibraryConfigured
    self.role = role
    self.cacheKiB = cacheKiB
    self.busyTimeout = busyTimeout
    self.journalSizeLimit = journalSizeLimit
    let access =
      switch role {
      case .reader: SQLITE_OPEN_READWRITE
      case .writer: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
      case .backup: SQLITE_OPEN_READONLY
      }
    var opened: OpaquePointer?
    let code = sqlite3_open_v2(
      path, &opened, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
    guard code == SQLITE_OK, let opened else {
      // Even a connection that did not open holds memory, unless there was none for it at all.
      defer { sqlite3_close_v2(opened) }
      throw opened.map { SQLiteError(last: $0, sql: nil) }
        ?? SQLiteError(extendedCode: SQLITE_NOMEM)
    }
    handle = opened
    sqlite3_set_authorizer(opened, noteControl, Unmanaged.passUnretained(self).toOpaque())
    try define("today", 0) { [unowned self] _ in today }
    try configure()
  }

  deinit {
    // Each must be finalized before the connection closes.
    statements.removeAll()
    controls.removeAll()
    sqlite3_close_v2(handle)
  }

  // MARK: - Statements

  /// Runs one statement to its end.
  ///
  /// - Parameters:
  ///   - sql: One statement, with a `?` for each argument.
  ///   - arguments: Its arguments, in order.
  /// - Returns: How many rows it inserted, changed or deleted itself, triggers and foreign key
  ///   actions aside.
  /// - Throws: ``SQLiteError``; with code `SQLITE_RANGE` when the number of arguments is another
  ///   than the statement's, `SQLITE_MISUSE` when `sql` is not exactly one statement, `SQLITE_AUTH`
  ///   when it would begin or end a transaction of ``Database``'s.
  @discardableResult
  package func run(_ sql: String, _ arguments: (any Bindable)?...) throws -> Int {
    try run(sql, arguments: arguments)
  }

  /// Runs one statement to its end, as ``run(_:_:)`` does.
  @discardableResult
  package func run(_ sql: String, arguments: [(any Bindable)?]) throws -> Int {
    try using(sql, arguments) { statement in
      let before = sqlite3_total_changes64(handle)
      while try statement.step(of: handle) {}
      // A statement that is no INSERT, UPDATE or DELETE leaves the count of the last one that was.
      return sqlite3_total_changes64(handle) == before ? 0 : Int(sqlite3_changes64(handle))
    }
  }

  /// Reads all rows of a query.
  ///
  /// - Parameters:
  ///   - sql: One statement, with a `?` for each argument.
  ///   - arguments: Its arguments, in order.
  ///   - read: Makes a value of a row. It may use the connection, with the same query too.
  /// - Throws: What `read` throws, and ``SQLiteError`` as ``run(_:_:)`` does, also when `read` took
  ///   a column for what it is not (``Row``).
  package func rows<T>(
    _ sql: String, _ arguments: (any Bindable)?..., read: (Row) throws -> T
  ) throws -> [T] {
    try rows(sql, arguments: arguments, read: read)
  }

  /// Reads all rows of a query, as ``rows(_:_:read:)`` does.
  package func rows<T>(
    _ sql: String, arguments: [(any Bindable)?], read: (Row) throws -> T
  ) throws -> [T] {
    var result: [T] = []
    try each(sql, arguments: arguments) { result.append(try read($0)) }
    return result
  }

  /// Reads the first row of a query, or `nil` if there is none; otherwise as ``rows(_:_:read:)``.
  package func row<T>(
    _ sql: String, _ arguments: (any Bindable)?..., read: (Row) throws -> T
  ) throws -> T? {
    try row(sql, arguments: arguments, read: read)
  }

  /// Reads the first row of a query, or `nil` if there is none; otherwise as ``rows(_:_:read:)``.
  ///
  /// A statement that writes (`… RETURNING`) has done all of its work by its first row
  /// (<https://www.sqlite.org/lang_returning.html>).
  package func row<T>(
    _ sql: String, arguments: [(any Bindable)?], read: (Row) throws -> T
  ) throws -> T? {
    try using(sql, arguments) { statement in
      try statement.step(of: handle) ? try self.read(statement, read) : nil
    }
  }

  /// Calls `body` with each row of a query. Only one row is in memory at a time.
  ///
  /// An error of `body` ends it; otherwise as ``rows(_:_:read:)``.
  package func each(
    _ sql: String, arguments: [(any Bindable)?] = [], body: (Row) throws -> Void
  ) throws {
    try using(sql, arguments) { statement in
      while try statement.step(of: handle) { try read(statement, body) }
    }
  }

  /// Runs statements without arguments in their order, up to the first that fails: for migrations.
  ///
  /// They run in the open transaction, or in one that they begin; otherwise each is a transaction.
  ///
  /// - Parameter progress: Called before each statement with the share of the text, from 0 to 1, that is done.
  /// - Throws: ``SQLiteError`` with the statement that failed; those before it have run.
  package func script(_ sql: String, progress: (Double) -> Void = { _ in }) throws {
    let length = Double(sql.utf8.count)
    var rest = sql[...]
    while !rest.isEmpty {
      progress(1 - Double(rest.utf8.count) / length)
      let (prepared, tail) = try prepare(rest, flags: 0)
      rest = tail
      guard let statement = prepared else { continue }
      try checkTransaction(sql: statement.sql)
      while try statement.step(of: handle) {}
    }
  }

  /// Runs `PRAGMA text` (<https://www.sqlite.org/pragma.html>).
  ///
  /// - Returns: The first column of each row as text, NULL as empty text.
  /// - Throws: ``SQLiteError``. An unknown pragma is no error to SQLite: it gives no row.
  @discardableResult
  package func pragma(_ text: String) throws -> [String] {
    let sql = "PRAGMA \(text)"
    try checkTransaction(sql: sql)
    let statement = try prepareOne(sql, flags: 0)
    var values: [String] = []
    while try statement.step(of: handle) {
      values.append(sqlite3_column_text(statement.handle, 0).map { String(cString: $0) } ?? "")
    }
    return values
  }

  /// Whether no transaction is open. SQLite rolls back the whole transaction on some errors
  /// (<https://www.sqlite.org/lang_transaction.html>, "Response To Errors Within A Transaction").
  package var isAutocommit: Bool { sqlite3_get_autocommit(handle) != 0 }

  /// Whether the file could only be opened for reading, whatever was asked for.
  var isReadOnly: Bool { sqlite3_db_readonly(handle, "main") == 1 }

  /// How many prepared statements it keeps now.
  var cachedStatementCount: Int { statements.count }

  /// Whether a deferred foreign key is violated now, so that the COMMIT would fail
  /// (<https://www.sqlite.org/c3ref/c_dbstatus_options.html>, DEFERRED_FKS).
  var hasForeignKeyViolation: Bool {
    var current: Int32 = 0
    var highest: Int32 = 0
    sqlite3_db_status(handle, SQLITE_DBSTATUS_DEFERRED_FKS, &current, &highest, 0)
    return current != 0
  }

  /// Runs a statement that begins or ends a transaction or a savepoint, which a supervised body
  /// cannot.
  func control(_ sql: String) throws {
    isControlling = true
    defer { isControlling = false }
    let statement: Statement
    if let kept = controls[sql] {
      statement = kept
    } else {
      statement = try prepareOne(sql, flags: UInt32(SQLITE_PREPARE_PERSISTENT))
      controls[sql] = statement
    }
    defer { statement.reset() }
    _ = try statement.step(of: handle)
  }

  /// Ends the open transaction without its changes, if there is one.
  ///
  /// - Returns: Whether none is open any more.
  func rollback() -> Bool {
    if !isAutocommit {
      try? control("ROLLBACK")
    }
    return isAutocommit
  }

  /// Whether this file is no longer the one at its path
  /// (<https://www.sqlite.org/c3ref/c_fcntl_begin_atomic_write.html>, SQLITE_FCNTL_HAS_MOVED).
  var hasMoved: Bool {
    var moved: Int32 = 0
    sqlite3_file_control(handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved)
    return moved != 0
  }

  /// Copies the write-ahead log into the database file.
  ///
  /// - Parameters:
  ///   - mode: `SQLITE_CHECKPOINT_PASSIVE`, `…_RESTART` or `…_TRUNCATE`.
  ///   - wait: How long the last two wait for readers, in milliseconds.
  /// - Returns: The pages in the log, and how many of them are in the database file by now.
  /// - Throws: ``SQLiteError``; `SQLITE_BUSY` when a reader kept it from the end, the pages then
  ///   unknown.
  func checkpoint(_ mode: Int32, wait: Int) throws -> (inLog: Int, done: Int) {
    sqlite3_busy_timeout(handle, Int32(clamping: wait))
    defer { sqlite3_busy_timeout(handle, Int32(clamping: busyTimeout)) }
    var inLog: Int32 = 0
    var done: Int32 = 0
    guard sqlite3_wal_checkpoint_v2(handle, "main", mode, &inLog, &done) == SQLITE_OK else {
      throw SQLiteError(last: handle, sql: nil)
    }
    return (Int(inLog), Int(done))
  }

  // MARK: - Settings

  /// Sets whether statements may edit the text of the schema (`PRAGMA writable_schema`). A migration does that to
  /// change a CHECK. At first they may not.
  package func allowSchemaEdits(_ allowed: Bool) throws {
    var now: Int32 = -1
    let defensive: Int32 = allowed ? 0 : 1
    guard csqlite_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, defensive, &now) == SQLITE_OK,
      now == defensive
    else { throw SQLiteError(last: handle, sql: nil) }
  }

  /// Without its statistics SQLite allocates memory without a mutex that all threads share
  /// (<https://www.sqlite.org/c3ref/c_config_covering_index_scan.html>, MEMSTATUS). Must come
  /// before the library's first use; if other code in the process was earlier, it stays as it is.
  private static let isLibraryConfigured = csqlite_config_memstatus(0) == SQLITE_OK

  /// Makes every setting of the connection, and reads each back.
  ///
  /// - Throws: ``SQLiteError`` with code `SQLITE_MISUSE` for the setting that did not take.
  func configure() throws {
    sqlite3_busy_timeout(handle, Int32(clamping: busyTimeout))
    for (option, value) in [
      (SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1), (SQLITE_DBCONFIG_DEFENSIVE, 1),
      (SQLITE_DBCONFIG_DQS_DML, 0), (SQLITE_DBCONFIG_DQS_DDL, 0),
      // SQLite before 3.41 considers its JSON functions and FTS5 unsafe in a schema that is not trusted.
      // Then json_valid() in a CHECK and a trigger on a search index do not work. We register no
      // function that a schema could misuse.
      (SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1), (SQLITE_DBCONFIG_ENABLE_FKEY, 1),
    ] as [(Int32, Int32)] {
      var now: Int32 = -1
      guard csqlite_db_config(handle, option, value, &now) == SQLITE_OK, now == value else {
        throw SQLiteError(
          extendedCode: SQLITE_MISUSE, message: "db_config \(option) is \(now), not \(value)")
      }
    }
    if role == .writer, try pragma("journal_mode") != ["wal"] {
      try pragma("journal_mode=WAL")
    }
    var settings = [
      ("wal_autocheckpoint", "0"), ("synchronous", "2"), ("foreign_keys", "1"),
      ("trusted_schema", "1"), ("mmap_size", "0"), ("temp_store", "2"),
      ("cache_size", "-\(cacheKiB)"), ("busy_timeout", "\(busyTimeout)"),
      ("journal_size_limit", "\(journalSizeLimit)"), ("recursive_triggers", "0"),
    ]
    if role == .reader { settings.append(("query_only", "1")) }
    if role == .writer { settings.append(("query_only", "0")) }
    for (name, value) in settings {
      try pragma("\(name)=\(value)")
      let now = try pragma(name)
      guard now == [value] else {
        throw SQLiteError(
          extendedCode: SQLITE_MISUSE, message: "PRAGMA \(name) is \(now), not \(value)")
      }
    }
    if role == .writer {
      let mode = try pragma("journal_mode")
      guard mode == ["wal"] else {
        throw SQLiteError(extendedCode: SQLITE_MISUSE, message: "journal_mode is \(mode), not WAL")
      }
    }
    // Last: setting wal_autocheckpoint takes the hook away.
    sqlite3_wal_hook(handle, noteWALSize, Unmanaged.passUnretained(self).toOpaque())
  }

  // MARK: - The statement cache

  /// Lends the statement for `sql`, with its arguments bound, and resets it afterwards, whatever
  /// happens.
  private func using<T>(
    _ sql: String, _ arguments: [(any Bindable)?], _ body: (Statement) throws -> T
  ) throws -> T {
    try checkTransaction(sql: sql)
    let statement = try statement(for: sql)
    defer { statement.reset() }
    try statement.bind(arguments)
    return try body(statement)
  }

  private func read<T>(_ statement: Statement, _ body: (Row) throws -> T) throws -> T {
    let value = try body(Row(statement: statement))
    if let misread = statement.misread { throw misread }
    return value
  }

  private func checkTransaction(sql: String) throws {
    if isSupervised && isAutocommit {
      throw SQLiteError(
        extendedCode: Extended.abortRollback,
        message: "the transaction was rolled back by an earlier error", sql: sql)
    }
  }

  /// Finds or prepares the statement for `sql`, and marks it as in use.
  private func statement(for sql: String) throws -> Statement {
    clock += 1
    let key = Statement.Key(sql: sql)
    let kept = statements[key]
    if let kept, !kept.inUse {
      kept.inUse = true
      kept.lastUse = clock
      return kept
    }
    isControlStatement = false
    let statement = try prepareOne(sql, flags: UInt32(SQLITE_PREPARE_PERSISTENT))
    statement.inUse = true
    statement.lastUse = clock
    // Keeping a control statement would hand it to a supervised body without asking the authorizer
    // again.
    if kept == nil && !isControlStatement {
      evictIfFull()
      statements[key] = statement
    }
    return statement
  }

  private func evictIfFull() {
    guard statements.count >= Self.statementLimit,
      let oldest = statements.lazy.filter({ !$0.value.inUse })
        .min(by: { $0.value.lastUse < $1.value.lastUse })
    else { return }
    statements[oldest.key] = nil
  }

  private func prepareOne(_ sql: String, flags: UInt32) throws -> Statement {
    let (prepared, tail) = try prepare(sql[...], flags: flags)
    guard let prepared else {
      throw SQLiteError(extendedCode: SQLITE_MISUSE, message: "no statement", sql: sql)
    }
    var rest = tail
    while !rest.isEmpty {
      let (another, tail) = try prepare(rest, flags: 0)
      guard another == nil else {
        throw SQLiteError(extendedCode: SQLITE_MISUSE, message: "more than one statement", sql: sql)
      }
      rest = tail
    }
    return prepared
  }

  /// Prepares the first statement of `sql`.
  ///
  /// - Returns: It, or `nil` where there are only spaces and comments, and the text after it.
  private func prepare(_ sql: Substring, flags: UInt32) throws -> (Statement?, Substring) {
    var text = String(sql)
    let (code, prepared, used) = text.withUTF8 { utf8 in
      utf8.withMemoryRebound(to: CChar.self) { characters in
        var prepared: OpaquePointer?
        var tail: UnsafePointer<CChar>?
        let code = sqlite3_prepare_v3(
          handle, characters.baseAddress, Int32(clamping: characters.count), flags, &prepared, &tail
        )
        let used = tail.flatMap { end in characters.baseAddress.map { end - $0 } }
        return (code, prepared, used ?? characters.count)
      }
    }
    guard code == SQLITE_OK else { throw SQLiteError(last: handle, sql: text) }
    let end = text.utf8.index(text.startIndex, offsetBy: used)
    if end != text.endIndex && text.utf8[end] == 0 {
      sqlite3_finalize(prepared)
      throw SQLiteError(
        extendedCode: SQLITE_MISUSE, message: "the SQL text holds a NUL character", sql: text)
    }
    let statement = prepared.map { Statement(handle: $0, sql: String(text[..<end])) }
    return (statement, text[end...])
  }

  /// Notes a statement that a supervised body must not run.
  ///
  /// - Returns: Whether it may be prepared.
  fileprivate func mayPrepare(action: Int32, name: String?) -> Bool {
    switch action {
    case SQLITE_TRANSACTION, SQLITE_SAVEPOINT, SQLITE_ATTACH, SQLITE_DETACH:
      break
    case SQLITE_PRAGMA where name.map(Self.guardedPragmas.contains) ?? false:
      break
    default:
      return true
    }
    isControlStatement = true
    return !isSupervised || isControlling
  }

  /// The pragmas that would change what ``Database`` relies on.
  private static let guardedPragmas: Set<String> = [
    "defer_foreign_keys", "foreign_keys", "ignore_check_constraints", "journal_mode",
    "journal_size_limit", "locking_mode", "query_only", "synchronous", "wal_autocheckpoint",
    "wal_checkpoint", "writable_schema",
  ]

  fileprivate func noteWAL(pages: Int) { walPages = pages }
}

/// The authorizer (<https://www.sqlite.org/c3ref/set_authorizer.html>), called while a statement is
/// prepared.
private func noteControl(
  context: UnsafeMutableRawPointer?, action: Int32, first: UnsafePointer<CChar>?,
  second: UnsafePointer<CChar>?, database: UnsafePointer<CChar>?, trigger: UnsafePointer<CChar>?
) -> Int32 {
  guard let context else { return SQLITE_DENY }
  let connection = Unmanaged<Connection>.fromOpaque(context).takeUnretainedValue()
  let name = action == SQLITE_PRAGMA ? first.map { String(cString: $0).lowercased() } : nil
  return connection.mayPrepare(action: action, name: name) ? SQLITE_OK : SQLITE_DENY
}

/// The WAL hook (<https://www.sqlite.org/c3ref/wal_hook.html>), called after each commit.
private func noteWALSize(
  context: UnsafeMutableRawPointer?, handle: OpaquePointer?, database: UnsafePointer<CChar>?,
  pages: Int32
) -> Int32 {
  guard let context else { return SQLITE_OK }
  Unmanaged<Connection>.fromOpaque(context).takeUnretainedValue().noteWAL(pages: Int(pages))
  return SQLITE_OK
}
