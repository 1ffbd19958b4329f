import CSQLite
import Glibc

/// A prepared statement, owned by one ``Connection``.
final class Statement {
  let handle: OpaquePointer
  let sql: String
  let parameterCount: Int

  /// Whether someone is stepping through it, so that the same SQL asked for meanwhile needs another
  /// statement.
  var inUse = false

  /// When it was last used, on its connection's own clock: what the cache evicts by.
  var lastUse: UInt64 = 0

  /// What a ``Row`` of it found wrong; thrown once the row's closure has returned.
  var misread: SQLiteError?

  init(handle: OpaquePointer, sql: String) {
    self.handle = handle
    self.sql = sql
    parameterCount = Int(sqlite3_bind_parameter_count(handle))
  }

  deinit { sqlite3_finalize(handle) }

  /// Binds all parameters, in order.
  func bind(_ arguments: [(any Bindable)?], of database: OpaquePointer) throws {
    guard arguments.count == parameterCount else {
      // SQLite would take a missing one for NULL.
      throw SQLiteError(
        extendedCode: SQLITE_RANGE,
        message: "\(arguments.count) arguments for \(parameterCount) parameters", sql: sql)
    }
    var index: Int32 = 0
    for argument in arguments {
      index += 1
      let code = argument?.bind(to: handle, at: index) ?? sqlite3_bind_null(handle, index)
      guard code == SQLITE_OK else {
        throw SQLiteError(
          extendedCode: code,
          message: "argument \(index): \(String(cString: sqlite3_errstr(code)))", sql: sql)
      }
    }
  }

  /// Moves to the next row.
  ///
  /// - Returns: Whether there is one.
  func step(of database: OpaquePointer) throws -> Bool {
    switch sqlite3_step(handle) {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    default:
      // Before any other call can change it.
      let systemError = errno
      throw SQLiteError(last: database, sql: sql, systemError: systemError)
    }
  }

  /// Ends its use: no lock or snapshot stays held, and no argument stays in memory or for the next
  /// use.
  func reset() {
    // Its result is the last step's, which was thrown already.
    sqlite3_reset(handle)
    if parameterCount > 0 { sqlite3_clear_bindings(handle) }
    misread = nil
    inUse = false
  }
}
