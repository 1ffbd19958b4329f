import CSQLite

extension Connection {
  /// A function that statements of a connection can call.
  private final class Function {
    let body: ([String?]) -> String?

    init(_ body: @escaping ([String?]) -> String?) { self.body = body }
  }

  /// Defines a function for this connection's statements. The schema's views, triggers and indexes can't use
  /// it (https://www.sqlite.org/c3ref/c_deterministic.html, SQLITE_DIRECTONLY).
  ///
  /// - Parameters:
  ///   - name: The function's name.
  ///   - arguments: How many arguments it has.
  ///   - body: Gets the arguments as texts, nil for NULL. Nil means NULL.
  /// - Throws: ``SQLiteError``.
  package func define(
    _ name: String, _ arguments: Int, _ body: @escaping ([String?]) -> String?
  ) throws {
    let code = sqlite3_create_function_v2(
      handle, name, Int32(arguments),
      SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
      Unmanaged.passRetained(Function(body)).toOpaque(),
      { context, count, values in
        let function = Unmanaged<Function>.fromOpaque(sqlite3_user_data(context))
          .takeUnretainedValue()
        let arguments = (0..<Int(count)).map { index -> String? in
          guard let value = values?[index], let start = sqlite3_value_text(value) else {
            return nil
          }
          return String(
            decoding: UnsafeBufferPointer(start: start, count: Int(sqlite3_value_bytes(value))),
            as: UTF8.self)
        }
        guard let result = function.body(arguments) else {
          sqlite3_result_null(context)
          return
        }
        csqlite_result_text_copy(context, result, UInt64(result.utf8.count))
      }, nil, nil, { Unmanaged<Function>.fromOpaque($0!).release() })
    // SQLite releases the function also if it fails.
    guard code == SQLITE_OK else { throw SQLiteError(last: handle, sql: nil) }
  }
}
