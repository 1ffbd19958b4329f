import CSQLite

/// One row of a result, valid only within the closure that it is given to.
///
/// Columns are numbered from 0. A reader is strict: when the column holds another type than the
/// reader's, or NULL for a reader without `OrNil`, or does not exist, the reader answers an empty
/// value and the call that produced the row throws `SQLITE_MISMATCH` with the column's name as soon
/// as the closure returns. So a wrong column never passes as 0 or "".
package struct Row {
  let statement: Statement

  private var handle: OpaquePointer { statement.handle }

  /// The number of columns.
  package var count: Int { Int(sqlite3_data_count(handle)) }

  /// An INTEGER.
  package func int(_ index: Int) -> Int {
    let value = value(index)
    guard sqlite3_value_type(value) == SQLITE_INTEGER else {
      return mismatch(index, "an integer", 0)
    }
    return Int(sqlite3_value_int64(value))
  }

  /// A TEXT with all of its characters, NUL too. Bytes that are not UTF-8 come as U+FFFD.
  package func text(_ index: Int) -> String { String(decoding: utf8(index), as: UTF8.self) }

  /// A TEXT, or `nil` for NULL.
  package func textOrNil(_ index: Int) -> String? {
    utf8OrNil(index).map { String(decoding: $0, as: UTF8.self) }
  }

  /// A BLOB, or the bytes of a TEXT.
  package func bytes(_ index: Int) -> [UInt8] {
    let value = value(index)
    let type = sqlite3_value_type(value)
    guard type == SQLITE_BLOB || type == SQLITE_TEXT else { return mismatch(index, "bytes", []) }
    // A null pointer is an empty BLOB, or memory ran out: the length, asked second, tells which
    // (https://www.sqlite.org/c3ref/column_blob.html).
    let start = sqlite3_value_blob(value)
    let count = Int(sqlite3_value_bytes(value))
    guard count > 0 else { return [] }
    guard let start else { return noMemory([]) }
    return [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  }

  /// The bytes of a TEXT where SQLite holds them, without a copy; valid as long as the row.
  package func utf8(_ index: Int) -> UnsafeBufferPointer<UInt8> {
    let value = value(index)
    guard sqlite3_value_type(value) == SQLITE_TEXT else {
      return mismatch(index, "text", Row.nothing)
    }
    return utf8(of: value)
  }

  /// The bytes of a TEXT, as ``utf8(_:)`` gives them, or `nil` for NULL.
  package func utf8OrNil(_ index: Int) -> UnsafeBufferPointer<UInt8>? {
    let value = value(index)
    switch sqlite3_value_type(value) {
    case SQLITE_TEXT: return utf8(of: value)
    case SQLITE_NULL: return index < count ? nil : mismatch(index, "a column", nil)
    default: return mismatch(index, "text", Row.nothing)
    }
  }

  private static var nothing: UnsafeBufferPointer<UInt8> { .init(start: nil, count: 0) }

  /// The column itself, found once for all that is asked about it. It must not be shared between threads
  /// (<https://www.sqlite.org/c3ref/column_blob.html>, "unprotected"), and a connection never is.
  private func value(_ index: Int) -> OpaquePointer? { sqlite3_column_value(handle, Int32(index)) }

  private func utf8(of value: OpaquePointer?) -> UnsafeBufferPointer<UInt8> {
    // The pointer first, its length second: the other way round may count another encoding's bytes.
    guard let start = sqlite3_value_text(value) else { return noMemory(Row.nothing) }
    return UnsafeBufferPointer(start: start, count: Int(sqlite3_value_bytes(value)))
  }

  /// Takes note that a column is not what it was read as.
  @inline(never)
  private func mismatch<Value>(_ index: Int, _ wanted: StaticString, _ value: Value) -> Value {
    if statement.misread == nil {
      let name = sqlite3_column_name(handle, Int32(index)).map { " (\(String(cString: $0)))" }
      statement.misread = SQLiteError(
        extendedCode: SQLITE_MISMATCH,
        message: "column \(index)\(name ?? "") does not hold \(wanted)", sql: statement.sql)
    }
    return value
  }

  @inline(never)
  private func noMemory<Value>(_ value: Value) -> Value {
    if statement.misread == nil {
      statement.misread = SQLiteError(extendedCode: SQLITE_NOMEM, sql: statement.sql)
    }
    return value
  }
}
