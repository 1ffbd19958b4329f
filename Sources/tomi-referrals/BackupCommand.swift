import ArgumentParser
import Domain
import Foundation
import Store

/// `backup`: copies the database.
struct BackupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup", abstract: "Copy the database while others read and write it.",
    discussion: """
      The copy is a snapshot of one moment. It gets its name after it is checked and on the disk. An \
      existing file is never replaced.

      With --into, the name of the copy is its time. The copy is also restored in the directory, \
      brought up to this executable's schema, and checked as `check` does. Then older backups are \
      deleted: the newest of each of the last days and of each of the last weeks stay. Days and weeks \
      are in UTC, and weeks begin on Monday. Other files in the directory are not touched.
      """)

  @OptionGroup var database: DatabaseOption

  @Argument(help: "The path of the copy.")
  var file: String?

  @Option(help: ArgumentHelp("A directory of backups, instead of a file.", valueName: "directory"))
  var into: String?

  @Option(help: ArgumentHelp("For how many days a backup is kept, 1 to 3650.", valueName: "n"))
  var daily = 7

  @Option(help: ArgumentHelp("For how many weeks a backup is kept, 0 to 520.", valueName: "n"))
  var weekly = 5

  func validate() throws {
    guard (file == nil) != (into == nil) else {
      throw ValidationError("Use either a file or --into DIRECTORY.")
    }
    guard (1...3_650).contains(daily), (0...520).contains(weekly) else {
      throw ValidationError("--daily must be from 1 to 3650, --weekly from 0 to 520.")
    }
  }

  func run() throws {
    let store = try database.open()
    defer { store.close() }
    if let file {
      try BackupCommand.copy(store, to: file)
      try BackupCommand.finish(store, file, "checked")
    } else if let into {
      try rotate(store, BackupDirectory(path: into))
    }
  }

  private func rotate(_ store: Store, _ directory: BackupDirectory) throws {
    let now = Timestamp.present
    let file = directory.file(of: now)
    try directory.removeUnfinished()
    let unproven = "\(file).unproven"
    let restored = "\(file).restored"
    defer {
      for path in [unproven, restored] { try? FileManager.default.removeItem(atPath: path) }
    }
    try BackupCommand.copy(store, to: unproven)
    try reportingDamage("the backup was not kept: it is damaged") {
      try Store.restore(unproven, into: restored, now: now) {
        Progress.update("Restoring the copy: \($0)")
      }
    }
    guard rename(unproven, file) == 0 else {
      throw CommandError(
        "cannot rename \(unproven) to \(file): \(String(cString: strerror(errno)))")
    }
    try Store.syncDirectory(of: file)
    try BackupCommand.finish(store, file, "restored and checked")
    for old in try directory.removeSurplus(Rotation(days: daily, weeks: weekly)) {
      print("\(old): deleted.")
    }
  }

  private static func copy(_ store: Store, to file: String) throws {
    defer { Progress.end() }
    try store.backup(to: file) { share in
      Progress.update(share.map { "Copying: \(Int($0 * 100)) %" } ?? "Checking the copy")
    }
  }

  private static func finish(_ store: Store, _ file: String, _ result: String) throws {
    store.noteBackup(at: file)
    let size = try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int ?? 0
    print("\(file): \(size) bytes, \(result).")
  }
}

/// Runs `body`, and prints what is wrong with a damaged backup.
///
/// - Throws: What `body` throws, but `CommandError` with `message` if a backup is damaged.
func reportingDamage<Result>(_ message: String, _ body: () throws -> Result) throws -> Result {
  defer { Progress.end() }
  do {
    return try body()
  } catch let damage as DamagedBackup {
    Progress.end()
    for finding in damage.findings { print(finding) }
    throw CommandError(message)
  }
}

/// A directory of backups that have their times as names.
private struct BackupDirectory {
  let path: String

  init(path: String) throws {
    self.path = path
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory),
      isDirectory.boolValue
    else { throw CommandError("the directory \(path) does not exist") }
  }

  /// The path of the backup of a time. It has no colons, which some systems do not allow in names.
  func file(of time: Timestamp) -> String {
    "\(path)/referrals-\(time.text.filter { $0 != ":" }).db"
  }

  /// Removes the files of a backup that was interrupted.
  func removeUnfinished() throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: path)
    where name.contains(/^referrals-[0-9TZ.-]+\.db\.(?:unproven|restored)/) {
      try? FileManager.default.removeItem(atPath: "\(path)/\(name)")
    }
  }

  /// Removes the backups that a rotation does not keep.
  ///
  /// - Returns: Their paths.
  func removeSurplus(_ rotation: Rotation) throws -> [String] {
    let times = try FileManager.default.contentsOfDirectory(atPath: path).compactMap { name in
      name.wholeMatch(of: /referrals-(\d{4}-\d\d-\d\dT\d\d)(\d\d)(\d\d\.\d{3}Z)\.db/)
        .flatMap { Timestamp("\($0.1):\($0.2):\($0.3)") }
    }
    return try rotation.surplus(of: times).sorted().map { time in
      let file = file(of: time)
      guard unlink(file) == 0 else { throw CommandError("cannot delete \(file)") }
      return file
    }
  }
}
