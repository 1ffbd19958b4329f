import CSQLite
import Glibc

extension Database {
  /// How far a backup is.
  package enum BackupStep: Sendable {
    /// The share that is copied, 0 to 1, judged by the size of the copy.
    case copying(Double)
    /// The copy is whole, and is being checked.
    case checking
  }

  /// Copies the database into a file while others read and write it.
  ///
  /// The copy is one snapshot. It is written under a temporary name beside its own, checked
  /// (`integrity_check` and `foreign_key_check`), synced, and only then given its name, so that a
  /// file of that name is always a whole backup. The database itself is neither written nor
  /// checkpointed, but its write-ahead log cannot start over meanwhile.
  ///
  /// The copy is made with `VACUUM INTO`, which numbers the rows of a table anew unless it has an
  /// INTEGER PRIMARY KEY (<https://www.sqlite.org/lang_vacuum.html>).
  ///
  /// - Parameters:
  ///   - file: The copy's path. It gets the database's permissions.
  ///   - replacing: Whether an existing file is replaced. Otherwise it is an error.
  ///   - progress: Called now and then with how far the copy is. It stops the backup by throwing.
  /// - Throws: What `progress` throws, and ``SQLiteError``. No file is left behind then.
  package func backup(
    to file: String, replacing: Bool = false, progress: ((BackupStep) throws -> Void)? = nil
  ) throws {
    if !replacing && access(file, F_OK) == 0 {
      throw SQLiteError(extendedCode: SQLITE_ERROR, about: file, number: EEXIST)
    }
    let directory = Database.directory(of: file)
    let name = String(file.utf8.dropFirst(directory.utf8.count))!
    let temporary = "\(directory).\(name).\(UInt64.random(in: .min ... .max)).tmp"
    var existing = stat()
    var source = stat()
    guard stat(path, &source) == 0 else {
      throw SQLiteError(extendedCode: SQLITE_CANTOPEN, about: path)
    }
    guard
      stat(file, &existing) != 0 || existing.st_ino != source.st_ino
        || existing.st_dev != source.st_dev
    else {
      throw SQLiteError(extendedCode: SQLITE_MISUSE, message: "\(file) is the database itself")
    }
    let descriptor = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw SQLiteError(extendedCode: SQLITE_CANTOPEN, about: temporary)
    }
    defer { Glibc.close(descriptor) }
    var isNamed = false
    defer { if !isNamed { unlink(temporary) } }
    try copy(to: temporary, descriptor, progress)
    try check(temporary, progress)
    guard fchmod(descriptor, source.st_mode & 0o777) == 0, fsync(descriptor) == 0 else {
      throw SQLiteError(extendedCode: SQLITE_IOERR, about: temporary)
    }
    // Unlike rename(2), link(2) never replaces a file that another process has created meanwhile.
    guard (replacing ? rename(temporary, file) : link(temporary, file)) == 0 else {
      throw SQLiteError(
        extendedCode: errno == EEXIST ? SQLITE_ERROR : SQLITE_IOERR, about: file)
    }
    if !replacing { unlink(temporary) }
    isNamed = true
    try Database.syncDirectory(of: file)
  }

  private func copy(
    to file: String, _ descriptor: Int32, _ progress: ((BackupStep) throws -> Void)?
  ) throws {
    let connection = try Connection(
      path: path, role: .backup, cacheKiB: configuration.writerCacheKiB,
      busyTimeout: configuration.busyTimeout.milliseconds)
    let size = try ["page_size", "page_count"].map { try connection.pragma($0).first ?? "" }
      .compactMap(Double.init).reduce(1, *)
    try connection.watching {
      var copy = stat()
      guard fstat(descriptor, &copy) == 0 else { return }
      try progress?(.copying(min(1, Double(copy.st_size) / max(1, size))))
    } body: {
      try connection.run("VACUUM INTO ?", file)
    }
  }

  private func check(_ file: String, _ progress: ((BackupStep) throws -> Void)?) throws {
    let connection = try Connection(path: file, role: .backup)
    try connection.watching {
      try progress?(.checking)
    } body: {
      let integrity = try connection.pragma("integrity_check(1)")
      guard integrity == ["ok"] else {
        throw SQLiteError(
          extendedCode: SQLITE_CORRUPT, message: integrity.first ?? "no integrity_check")
      }
      if let table = try connection.pragma("foreign_key_check").first {
        throw SQLiteError(
          extendedCode: Extended.constraintForeignKey,
          message: "a row of \(table) refers to one that does not exist")
      }
    }
  }
}

/// What a progress handler needs, in one object, since C passes it one pointer.
private final class Watch {
  let body: () throws -> Void
  var error: (any Error)?
  init(body: @escaping () throws -> Void) { self.body = body }
}

extension Connection {
  /// Runs `body`, and `watch` before it and every now and then meanwhile. `watch` stops it by
  /// throwing.
  fileprivate func watching(_ watch: () throws -> Void, body: () throws -> Void) throws {
    try watch()
    try withoutActuallyEscaping(watch) { watch in
      let context = Watch(body: watch)
      sqlite3_progress_handler(
        handle, 10_000,
        { context in
          guard let context else { return 0 }
          let watch = Unmanaged<Watch>.fromOpaque(context).takeUnretainedValue()
          do {
            try watch.body()
            return 0
          } catch {
            watch.error = error
            return 1
          }
        }, Unmanaged.passUnretained(context).toOpaque())
      defer { sqlite3_progress_handler(handle, 0, nil, nil) }
      do {
        try body()
      } catch {
        throw context.error ?? error
      }
    }
  }
}
