import CSQLite

/// One row of a result, valid only within the closure that receives it.
///
/// Columns are numbered from 0. A reader is strict: if the column does not exist, holds another
/// type than the reader's, or holds NULL for a reader without `OrNil`, the reader returns an empty
/// value, and the call that produced the row throws `SQLITE_MISMATCH` with the column's name as
/// soon as the closure returns. So a wrong column never passes as 0 or "".
package struct Row {
  /// What a column holds.
  package enum Value {
    case null
    case integer(Int)
    case real(Double)
    /// The bytes of a TEXT where SQLite holds them, valid as long as the row.
    case text(UnsafeBufferPointer<UInt8>)
    /// A BLOB, which ``Row/bytes(_:)`` reads.
    case blob
  }

  let statement: Statement

  private var handle: OpaquePointer { statement.handle }

  /// The number of columns.
  package var count: Int { Int(sqlite3_data_count(handle)) }

  /// What a column holds, without a copy.
  @inline(__always)
  package func value(_ index: Int) -> Value {
    // The column is found once for all questions about it. Such a value must not be shared between
    // threads (https://www.sqlite.org/c3ref/column_blob.html, "unprotected"); no connection is.
    let column = sqlite3_column_value(handle, Int32(index))
    switch sqlite3_value_type(column) {
    case SQLITE_INTEGER:
      return .integer(Int(sqlite3_value_int64(column)))
    case SQLITE_FLOAT:
      return .real(sqlite3_value_double(column))
    case SQLITE_TEXT:
      // The pointer first: asked first, the length may be that of another encoding.
      guard let start = sqlite3_value_text(column) else { return noMemory(.null) }
      return .text(UnsafeBufferPointer(start: start, count: Int(sqlite3_value_bytes(column))))
    case SQLITE_BLOB:
      return .blob
    default:
      return 0..<count ~= index ? .null : mismatch(index, "a column", .null)
    }
  }

  /// An INTEGER.
  package func int(_ index: Int) -> Int {
    if case .integer(let number) = value(index) { number } else { mismatch(index, "an integer", 0) }
  }

  /// A TEXT with all of its characters, NUL too. Bytes that are not UTF-8 become U+FFFD.
  package func text(_ index: Int) -> String { String(decoding: utf8(index), as: UTF8.self) }

  /// A TEXT, or `nil` for NULL.
  package func textOrNil(_ index: Int) -> String? {
    if case .null = value(index) { nil } else { text(index) }
  }

  /// A BLOB, or the bytes of a TEXT.
  package func bytes(_ index: Int) -> [UInt8] {
    switch value(index) {
    case .text(let bytes):
      return [UInt8](bytes)
    case .blob:
      // A null pointer is an empty BLOB, or memory ran out. The length, asked second, tells which
      // (https://www.sqlite.org/c3ref/column_blob.html).
      let start = sqlite3_column_blob(handle, Int32(index))
      let count = Int(sqlite3_column_bytes(handle, Int32(index)))
      guard count > 0 else { return [] }
      guard let start else { return noMemory([]) }
      return [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    default:
      return mismatch(index, "bytes", [])
    }
  }

  /// The bytes of a TEXT where SQLite holds them, without a copy; valid as long as the row.
  package func utf8(_ index: Int) -> UnsafeBufferPointer<UInt8> {
    if case .text(let bytes) = value(index) { return bytes }
    return mismatch(index, "text", UnsafeBufferPointer(start: nil, count: 0))
  }

  /// Records that a column does not hold what a reader expects.
  @inline(never)
  private func mismatch<T>(_ index: Int, _ wanted: StaticString, _ value: T) -> T {
    if statement.misread == nil {
      let name = sqlite3_column_name(handle, Int32(index)).map { " (\(String(cString: $0)))" }
      statement.misread = SQLiteError(
        extendedCode: SQLITE_MISMATCH,
        message: "column \(index)\(name ?? "") does not hold \(wanted)", sql: statement.sql)
    }
    return value
  }

  @inline(never)
  private func noMemory<T>(_ value: T) -> T {
    if statement.misread == nil {
      statement.misread = SQLiteError(extendedCode: SQLITE_NOMEM, sql: statement.sql)
    }
    return value
  }
}
