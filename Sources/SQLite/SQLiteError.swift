import CSQLite
import Glibc
import POSIX

/// An error of SQLite's, or of this target in SQLite's terms.
///
/// The description names the SQL text but never the values bound to it, so that a log does not fill
/// with people's data.
package struct SQLiteError: Error, CustomStringConvertible, Sendable {
  /// The primary result code, such as `SQLITE_CONSTRAINT`: the low eight bits of ``extendedCode``.
  package var code: Int32 { extendedCode & 0xff }

  /// The extended result code, such as `SQLITE_CONSTRAINT_UNIQUE`
  /// (<https://www.sqlite.org/rescode.html>).
  package let extendedCode: Int32

  /// SQLite's own words: for a constraint, the table and column or the constraint's name; for a
  /// trigger's `RAISE`, its text.
  package let message: String

  /// The statement that failed, without the values bound to it.
  package let sql: String?

  /// The system's own error number where SQLite met one; else whatever it was before.
  let systemError: Int32

  /// An error with a result code of SQLite's. The message is SQLite's text for the code if left
  /// out.
  package init(extendedCode: Int32, message: String? = nil, sql: String? = nil) {
    self.extendedCode = extendedCode
    self.message = message ?? String(cString: sqlite3_errstr(extendedCode))
    self.sql = sql
    systemError = 0
  }

  /// A system call that failed, with the system's text for it.
  ///
  /// - Parameters:
  ///   - subject: What the call was about, such as the file's path.
  ///   - number: The system's error number.
  init(extendedCode: Int32, about subject: String, number: Int32 = errno) {
    self.init(extendedCode: extendedCode, message: "\(subject): \(systemErrorText(number))")
  }

  /// The error that `database` holds for its most recent call. Must be taken before the next call
  /// on it.
  init(last database: OpaquePointer, sql: String?, systemError: Int32 = 0) {
    extendedCode = sqlite3_extended_errcode(database)
    message = String(cString: sqlite3_errmsg(database))
    self.sql = sql
    self.systemError = systemError
  }

  package var description: String {
    "SQLite error \(extendedCode): \(message)" + (sql.map { " [\($0.prefix(300))]" } ?? "")
  }

  /// The database cannot be read or written now: the disk is full or fails, memory ran out,
  /// another process holds the lock, the file cannot be opened or written, too many changes wait, or
  /// the database is closed. The same call may succeed later.
  package var isUnavailable: Bool {
    switch code {
    case SQLITE_FULL, SQLITE_IOERR, SQLITE_NOMEM, SQLITE_BUSY, SQLITE_LOCKED, SQLITE_READONLY,
      SQLITE_CANTOPEN, SQLITE_PROTOCOL:
      true
    default:
      false
    }
  }

  /// A write found no room because of a quota or a limit on the size of files, for which SQLite does not
  /// report `SQLITE_FULL`.
  var isOutOfSpace: Bool {
    extendedCode == Extended.ioErrorWrite && [ENOSPC, EDQUOT, EFBIG].contains(systemError)
  }

  /// The connection or the file is for reading only.
  package var isReadOnly: Bool { code == SQLITE_READONLY }

  /// The file is damaged, or is not a database at all.
  package var isCorrupt: Bool { code == SQLITE_CORRUPT || code == SQLITE_NOTADB }
}

/// Extended result codes, which are macros that Swift does not import: the primary code, and a
/// number shifted by eight bits (<https://www.sqlite.org/rescode.html#extrc>).
enum Extended {
  static let abortRollback = SQLITE_ABORT | (2 << 8)
  static let constraintForeignKey = SQLITE_CONSTRAINT | (3 << 8)
  static let busyTimeout = SQLITE_BUSY | (3 << 8)
  static let readOnlyMoved = SQLITE_READONLY | (4 << 8)
  static let ioErrorWrite = SQLITE_IOERR | (3 << 8)
}
