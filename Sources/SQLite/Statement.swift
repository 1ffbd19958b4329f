import CSQLite
import Glibc

/// A prepared statement, owned by one ``Connection``.
final class Statement {
  /// The SQL text that a statement is kept under.
  ///
  /// Two texts are equal if their bytes are. Those of `String` compare by canonical equivalence,
  /// so that `'é'` in its two forms would be one statement; and a text with such a letter takes
  /// microseconds to hash.
  struct Key: Hashable {
    let sql: String

    static func == (one: Key, other: Key) -> Bool {
      one.withBytes { one in
        other.withBytes { other in
          guard one.count == other.count, let first = one.baseAddress,
            let second = other.baseAddress
          else { return one.count == other.count }
          return first == second || memcmp(first, second, one.count) == 0
        }
      }
    }

    /// Few of a connection's statements have the same length and the same end.
    func hash(into hasher: inout Hasher) {
      withBytes { bytes in
        hasher.combine(bytes.count)
        hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: bytes.suffix(32)))
      }
    }

    private func withBytes<T>(_ body: (UnsafeRawBufferPointer) -> T) -> T {
      sql.utf8.withContiguousStorageIfAvailable { body(UnsafeRawBufferPointer($0)) }
        // Only a text that Foundation bridges on other systems has no such bytes.
        ?? Array(sql.utf8).withUnsafeBytes(body)
    }
  }

  let handle: OpaquePointer
  let sql: String
  let parameterCount: Int

  /// Whether it is being stepped through, so that the same SQL needs another statement meanwhile.
  var inUse = false

  /// When it was last used, on its connection's own clock. The cache evicts by it.
  var lastUse: UInt64 = 0

  /// What a ``Row`` found wrong. The connection throws it once the row's closure has returned.
  var misread: SQLiteError?

  init(handle: OpaquePointer, sql: String) {
    self.handle = handle
    self.sql = sql
    parameterCount = Int(sqlite3_bind_parameter_count(handle))
  }

  deinit { sqlite3_finalize(handle) }

  /// Binds all parameters, in order.
  func bind(_ arguments: [(any Bindable)?]) throws {
    guard arguments.count == parameterCount else {
      // SQLite binds NULL to a parameter without an argument.
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

  /// Ends its use: no lock, snapshot or argument stays.
  func reset() {
    // Its result is the last step's, which was thrown already.
    sqlite3_reset(handle)
    if parameterCount > 0 { sqlite3_clear_bindings(handle) }
    misread = nil
    inUse = false
  }
}
