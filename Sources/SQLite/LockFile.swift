import CSQLite
import Glibc
import POSIX

/// A file beside a database with a lock that one process holds at a time. Only the holder of `PATH.lock` writes and
/// checkpoints.
///
/// SQLite's own locks keep two processes from writing at once, but not one from writing while
/// another checkpoints, which is enough to corrupt the file with the SQLite of Debian 12 (fixed in
/// 3.51.3, <https://www.sqlite.org/wal.html#walresetbug>).
///
/// That file also carries the high-water mark, 20 decimal digits and a line feed: the greatest
/// number that the database is known to have committed. If a write-ahead log is deleted or cut, the
/// database is sound in itself but lacks the last changes, and its own number is less than the mark.
///
/// The file is never removed: another process may be about to lock it.
final class LockFile {
  private let path: String
  private let databasePath: String
  private var descriptor: Int32 = -1
  /// When this process released the lock last.
  private var lastRelease = MonotonicInstant(nanoseconds: 0)
  /// Since when it has held the lock without a break of a millisecond.
  private var heldSince = MonotonicInstant(nanoseconds: 0)

  /// - Parameter databasePath: The database's real path, so that two names of one database share
  ///   one lock.
  init(besideDatabaseAt databasePath: String, suffix: String = ".lock") {
    self.databasePath = databasePath
    path = databasePath + suffix
  }

  deinit { closeFile() }

  /// Takes the lock, waiting at most `timeout`.
  ///
  /// - Throws: ``SQLiteError``, always `isUnavailable`: `SQLITE_BUSY_TIMEOUT` when another holds it
  ///   for too long, `SQLITE_READONLY` or `SQLITE_CANTOPEN` when the file cannot be made or opened.
  func acquire(timeout: Duration) throws {
    yieldToOthers()
    let deadline = MonotonicInstant.now + timeout
    var pause: UInt32 = 100
    while true {
      try openFile()
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 {
        if isCurrent { return }
        // The file was removed or replaced, so other processes take a different lock.
        closeFile()
        continue
      }
      guard errno == EWOULDBLOCK || errno == EINTR else {
        throw SQLiteError(extendedCode: SQLITE_CANTOPEN, about: "cannot lock \(path)")
      }
      guard MonotonicInstant.now < deadline else {
        throw SQLiteError(
          extendedCode: Extended.busyTimeout,
          message: "\(path) is locked by another process, or another opening of the database")
      }
      // flock(2) has no timeout.
      usleep(pause)
      pause = min(pause * 2, 1_000)
    }
  }

  /// Whether the file exists or can be made, and can be written.
  var canBeOpened: Bool { (try? openFile()) != nil }

  /// Gives the lock back.
  func release() {
    flock(descriptor, LOCK_UN)
    lastRelease = .now
  }

  /// Waits for a moment if this process has held the lock almost without a break.
  ///
  /// The others try again once a millisecond. Without a break as long as two tries they would hardly ever
  /// find the lock free while changes keep coming here.
  private func yieldToOthers() {
    let now = MonotonicInstant.now
    if now - lastRelease > .milliseconds(1) {
      heldSince = now
    } else if now - heldSince > .milliseconds(50) {
      usleep(2_000)
      heldSince = .now
    }
  }

  /// Reads the high-water mark.
  ///
  /// - Returns: `nil` when there is none, or none that can be read.
  func readMark() -> Int64? {
    guard (try? openFile()) != nil else { return nil }
    var text = [UInt8](repeating: 0, count: Self.markLength)
    guard pread(descriptor, &text, text.count, 0) == text.count, text.last == UInt8(ascii: "\n")
    else { return nil }
    return Int64(String(decoding: text.dropLast(), as: UTF8.self))
  }

  /// Writes the high-water mark. It is not synced: a power failure may undo it, which hides a loss
  /// but never invents one.
  func writeMark(_ mark: Int64) {
    let digits = String(max(0, mark))
    let text = String(repeating: "0", count: Self.markLength - 1 - digits.count) + digits + "\n"
    // An error is ignored, because it has the same effect as a mark that a power failure undoes.
    _ = pwrite(descriptor, text, Self.markLength, 0)
  }

  private static let markLength = 21

  private func openFile() throws {
    guard descriptor < 0 else { return }
    descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
    if descriptor >= 0 || errno != ENOENT { return try checkOpen() }
    descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_CREAT, 0o640)
    try checkOpen()
    // Whatever the umask is.
    fchmod(descriptor, 0o640)
    var database = stat()
    if geteuid() == 0 && stat(databasePath, &database) == 0 {
      // As SQLite does for its own files beside the database: root must not lock out the owner.
      _ = fchown(descriptor, database.st_uid, database.st_gid)
    }
  }

  private func checkOpen() throws {
    guard descriptor < 0 else { return }
    throw SQLiteError(
      extendedCode: [EROFS, EACCES, EPERM].contains(errno) ? SQLITE_READONLY : SQLITE_CANTOPEN,
      about: "cannot open \(path)")
  }

  private func closeFile() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
  }

  private var isCurrent: Bool {
    var held = stat()
    var named = stat()
    return fstat(descriptor, &held) == 0 && stat(path, &named) == 0
      && held.st_ino == named.st_ino && held.st_dev == named.st_dev
  }
}
