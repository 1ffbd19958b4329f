import CSQLite

/// A value that can stand for a parameter of a statement. `nil` binds NULL.
package protocol Bindable: Sendable {
  /// Binds the value to parameter `index` (the first is 1) of a statement, which keeps its own
  /// copy.
  ///
  /// - Returns: SQLite's result code.
  func bind(to statement: OpaquePointer, at index: Int32) -> Int32
}

extension Int64: Bindable {
  package func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
    sqlite3_bind_int64(statement, index, self)
  }
}

extension Int: Bindable {
  package func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
    sqlite3_bind_int64(statement, index, Int64(self))
  }
}

/// Binds 0 or 1, because SQLite has no Boolean type.
extension Bool: Bindable {
  package func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
    sqlite3_bind_int64(statement, index, self ? 1 : 0)
  }
}

/// Refuses NaN with `SQLITE_MISMATCH`, because SQLite would silently store NULL instead
/// (<https://www.sqlite.org/floatingpoint.html>).
extension Double: Bindable {
  package func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
    isNaN ? SQLITE_MISMATCH : sqlite3_bind_double(statement, index, self)
  }
}

/// Binds all of the text, NUL characters too.
extension String: Bindable {
  package func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
    var text = self
    return text.withUTF8 { utf8 in
      utf8.withMemoryRebound(to: CChar.self) { characters in
        guard let start = characters.baseAddress else {
          // A null pointer would bind NULL, not the empty text.
          return csqlite_bind_text_copy(statement, index, "", 0)
        }
        return csqlite_bind_text_copy(statement, index, start, UInt64(characters.count))
      }
    }
  }
}

/// Binds a BLOB.
extension [UInt8]: Bindable {
  package func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
    // An empty array may have no address, and a null pointer would bind NULL.
    isEmpty
      ? sqlite3_bind_zeroblob(statement, index, 0)
      : withUnsafeBytes {
        csqlite_bind_blob_copy(statement, index, $0.baseAddress, UInt64($0.count))
      }
  }
}

extension Optional: Bindable where Wrapped: Bindable {
  package func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
    switch self {
    case .some(let value): value.bind(to: statement, at: index)
    case .none: sqlite3_bind_null(statement, index)
    }
  }
}
