import CSQLite
import Glibc

extension Database {
  /// Replaces a database, which must not be open, by another one that consists of one file.
  ///
  /// The old database is kept under another name, and its write-ahead log is copied into it. If that fails
  /// because the file is damaged, the log is kept next to it. The lock file's high-water mark stays, because
  /// the numbers up to it are in use. If there was a database at `path`, there is one at every moment.
  ///
  /// - Parameters:
  ///   - path: Where the database is to be.
  ///   - file: The new database, synced, in the same directory. This name is gone afterwards.
  ///   - kept: The old database's new name.
  ///   - lockTimeout: How long to wait for the lock file.
  /// - Returns: Whether there was an old database.
  /// - Throws: ``SQLiteError``: `SQLITE_BUSY` if another process has the database open or holds its
  ///   lock; `SQLITE_IOERR` if a file cannot be given its name.
  package static func replace(
    _ path: String, by file: String, keepingAs kept: String,
    lockTimeout: Duration = .seconds(5)
  ) throws -> Bool {
    let resolved = realpath(path, nil)
    defer { free(resolved) }
    let path = resolved.map { String(cString: $0) } ?? path
    let lock = LockFile(besideDatabaseAt: path)
    try lock.acquire(timeout: lockTimeout)
    defer { lock.release() }
    let exists = access(path, F_OK) == 0
    if exists {
      guard try !isOpen(path) else {
        throw SQLiteError(
          extendedCode: SQLITE_BUSY, message: "\(path) is in use: stop the service first")
      }
      if let old = try? Connection(path: path, role: .writer) {
        _ = try? old.checkpoint(SQLITE_CHECKPOINT_TRUNCATE, wait: 0)
      }
      try name(path, kept, by: link)
      var log = stat()
      if stat(path + "-wal", &log) == 0, log.st_size > 0 {
        try name(path + "-wal", kept + "-wal", by: link)
      }
      try syncDirectory(of: path)
    }
    for suffix in ["-wal", "-shm"] where unlink(path + suffix) != 0 && errno != ENOENT {
      throw SQLiteError(extendedCode: SQLITE_IOERR, about: path + suffix)
    }
    try name(file, path, by: rename)
    try syncDirectory(of: path)
    return exists
  }

  /// Whether another process has a database open: every connection to one in WAL mode holds a shared
  /// lock on these bytes for as long as it is open
  /// (<https://www.sqlite.org/src/file/src/os.h>, "PENDING_BYTE").
  private static func isOpen(_ path: String) throws -> Bool {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw SQLiteError(extendedCode: SQLITE_IOERR, about: path)
    }
    defer { Glibc.close(descriptor) }
    var lock = flock()
    lock.l_type = Int16(F_WRLCK)
    lock.l_whence = Int16(SEEK_SET)
    lock.l_start = 0x4000_0000
    lock.l_len = 512
    guard fcntl(descriptor, F_GETLK, &lock) == 0 else {
      throw SQLiteError(extendedCode: SQLITE_IOERR, about: path)
    }
    return lock.l_type != Int16(F_UNLCK)
  }

  private static func name(
    _ old: String, _ new: String, by call: (UnsafePointer<CChar>, UnsafePointer<CChar>) -> Int32
  ) throws {
    guard call(old, new) == 0 else {
      throw SQLiteError(extendedCode: SQLITE_IOERR, about: new)
    }
  }

  /// Makes the names in a file's directory durable (fsync(2) of the directory).
  package static func syncDirectory(of path: String) throws {
    let directory = directory(of: path).isEmpty ? "." : directory(of: path)
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw SQLiteError(extendedCode: SQLITE_IOERR, about: directory)
    }
    defer { Glibc.close(descriptor) }
    guard fsync(descriptor) == 0 else {
      throw SQLiteError(extendedCode: SQLITE_IOERR, about: directory)
    }
  }

  /// The directory that a path begins with, up to its last slash; empty if it has none.
  static func directory(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "" }
    return String(path.utf8[...slash])!
  }
}
