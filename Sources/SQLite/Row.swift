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

  /// Whether the column holds NULL.
  package func isNull(_ index: Int) -> Bool { type(index) == SQLITE_NULL }

  /// An INTEGER.
  package func int(_ index: Int) -> Int { Int(int64(index)) }

  /// An INTEGER, or `nil` for NULL.
  package func intOrNil(_ index: Int) -> Int? { isNull(index) ? nil : int(index) }

  /// An INTEGER.
  package func int64(_ index: Int) -> Int64 {
    expect(index, type(index) == SQLITE_INTEGER, "an integer")
      ? sqlite3_column_int64(handle, Int32(index)) : 0
  }

  /// An INTEGER, or `nil` for NULL.
  package func int64OrNil(_ index: Int) -> Int64? { isNull(index) ? nil : int64(index) }

  /// An INTEGER as a truth value: 0 is false, all else true.
  package func bool(_ index: Int) -> Bool { int64(index) != 0 }

  /// An INTEGER as a truth value, or `nil` for NULL.
  package func boolOrNil(_ index: Int) -> Bool? { isNull(index) ? nil : bool(index) }

  /// A REAL, or an INTEGER as the nearest one.
  package func double(_ index: Int) -> Double {
    let type = type(index)
    return expect(index, type == SQLITE_FLOAT || type == SQLITE_INTEGER, "a number")
      ? sqlite3_column_double(handle, Int32(index)) : 0
  }

  /// A REAL or an INTEGER, or `nil` for NULL.
  package func doubleOrNil(_ index: Int) -> Double? { isNull(index) ? nil : double(index) }

  /// A TEXT with all of its characters, NUL too. Bytes that are not UTF-8 come as U+FFFD.
  package func text(_ index: Int) -> String { String(decoding: utf8(index), as: UTF8.self) }

  /// A TEXT, or `nil` for NULL.
  package func textOrNil(_ index: Int) -> String? {
    utf8OrNil(index).map { String(decoding: $0, as: UTF8.self) }
  }

  /// A BLOB, or the bytes of a TEXT.
  package func bytes(_ index: Int) -> [UInt8] {
    let type = type(index)
    guard expect(index, type == SQLITE_BLOB || type == SQLITE_TEXT, "bytes") else { return [] }
    // A null pointer is an empty BLOB, or memory ran out: the length, asked second, tells which
    // (https://www.sqlite.org/c3ref/column_blob.html).
    let start = sqlite3_column_blob(handle, Int32(index))
    let count = Int(sqlite3_column_bytes(handle, Int32(index)))
    guard count > 0, hasMemory(start) else { return [] }
    return [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  }

  /// A BLOB or the bytes of a TEXT, or `nil` for NULL.
  package func bytesOrNil(_ index: Int) -> [UInt8]? { isNull(index) ? nil : bytes(index) }

  /// The bytes of a TEXT where SQLite holds them, without a copy; valid as long as the row.
  package func utf8(_ index: Int) -> UnsafeBufferPointer<UInt8> {
    utf8(index, type: type(index))
  }

  /// The bytes of a TEXT, as ``utf8(_:)`` gives them, or `nil` for NULL.
  package func utf8OrNil(_ index: Int) -> UnsafeBufferPointer<UInt8>? {
    let type = type(index)
    return type == SQLITE_NULL ? nil : utf8(index, type: type)
  }

  private func utf8(_ index: Int, type: Int32) -> UnsafeBufferPointer<UInt8> {
    let nothing = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
    guard expect(index, type == SQLITE_TEXT, "text") else { return nothing }
    // The pointer first, its length second: the other way round may count another encoding's bytes.
    let start = sqlite3_column_text(handle, Int32(index))
    guard hasMemory(start) else { return nothing }
    return UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, Int32(index))))
  }

  private func type(_ index: Int) -> Int32 {
    let type = sqlite3_column_type(handle, Int32(index))
    if type == SQLITE_NULL && index >= count { _ = expect(index, false, "a column") }
    return type
  }

  private func expect(_ index: Int, _ holds: Bool, _ wanted: String) -> Bool {
    if !holds && statement.misread == nil {
      let name = sqlite3_column_name(handle, Int32(index)).map { " (\(String(cString: $0)))" }
      statement.misread = SQLiteError(
        extendedCode: SQLITE_MISMATCH,
        message: "column \(index)\(name ?? "") does not hold \(wanted)", sql: statement.sql)
    }
    return holds
  }

  private func hasMemory(_ pointer: UnsafeRawPointer?) -> Bool {
    if pointer == nil && statement.misread == nil {
      statement.misread = SQLiteError(extendedCode: SQLITE_NOMEM, sql: statement.sql)
    }
    return pointer != nil
  }
}
