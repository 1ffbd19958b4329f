import ArgumentParser
import Domain
import Foundation
import Store

/// `backup`: copies the database.
struct Backup: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Copy the database, also while it is written.",
    discussion: """
      The copy is one moment's state, checked and synced before it gets its name. A file that is
      there already is never replaced.

      With --into the copy gets the time for its name, in a folder that keeps some of them: the
      newest of each of the last days, and of each of the last weeks (by UTC; a week begins on
      Monday). It counts only once it has been restored beside the others, brought up to this
      executable's schema and checked as by check; older ones are removed after that. Nothing else
      in the folder is touched.
      """)

  @OptionGroup var database: DatabaseOption

  @Argument(help: "The copy's path.")
  var file: String?

  @Option(help: ArgumentHelp("The folder of backups, instead of a file.", valueName: "folder"))
  var into: String?

  @Option(help: ArgumentHelp("How many days keep a backup.", valueName: "n"))
  var daily = 7

  @Option(help: ArgumentHelp("How many weeks keep a backup.", valueName: "n"))
  var weekly = 5

  func validate() throws {
    guard (file == nil) != (into == nil) else {
      throw ValidationError("Give either a file or --into FOLDER.")
    }
    guard (1...3_650).contains(daily), (0...520).contains(weekly) else {
      throw ValidationError("--daily takes 1 to 3650, --weekly 0 to 520.")
    }
  }

  func run() throws {
    let store = try database.open()
    defer { store.close() }
    if let file {
      try Backup.copy(store, to: file)
      store.noteBackup(at: file)
      print("\(file): \(try Backup.size(of: file)) bytes, checked.")
    } else if let into {
      try rotate(store, BackupFolder(path: into))
    }
  }

  private func rotate(_ store: Store, _ folder: BackupFolder) throws {
    let now = Timestamp.present
    let file = folder.file(of: now)
    try folder.removeUnfinished()
    let unproven = "\(file).unproven"
    let restored = "\(file).restored"
    defer {
      for path in [unproven, restored] { try? FileManager.default.removeItem(atPath: path) }
    }
    try Backup.copy(store, to: unproven)
    do {
      try Store.restore(unproven, into: restored, now: now) {
        Progress.update("Restoring the copy: \($0)")
      }
    } catch let damage as DamagedBackup {
      Progress.end()
      for finding in damage.findings { print(finding) }
      throw CommandError("the backup does not count: restored, it is damaged")
    }
    Progress.end()
    guard rename(unproven, file) == 0 else {
      throw CommandError("\(file) cannot get its name: \(String(cString: strerror(errno)))")
    }
    try Store.syncDirectory(of: file)
    store.noteBackup(at: file)
    print("\(file): \(try Backup.size(of: file)) bytes, restored and checked.")
    for old in try folder.removeSurplus(Rotation(days: daily, weeks: weekly)) {
      print("\(old): removed.")
    }
  }

  private static func copy(_ store: Store, to file: String) throws {
    defer { Progress.end() }
    try store.backup(to: file) { share in
      Progress.update(share.map { "Copying: \(Int($0 * 100)) %" } ?? "Checking the copy")
    }
  }

  private static func size(of file: String) throws -> Int {
    try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int ?? 0
  }
}

/// A folder of backups, each with its time for a name.
private struct BackupFolder {
  let path: String

  init(path: String) throws {
    self.path = path
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue
    else { throw CommandError("there is no folder \(path)") }
  }

  /// The path of the backup of that time. Colons are left out: some systems' names have none.
  func file(of time: Timestamp) -> String {
    "\(path)/referrals-\(time.text.filter { $0 != ":" }).db"
  }

  /// Removes what a backup left here that was cut short.
  func removeUnfinished() throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: path) {
      guard name.contains(/^referrals-[0-9TZ.-]+\.db\.(?:unproven|restored)/) else { continue }
      try? FileManager.default.removeItem(atPath: "\(path)/\(name)")
    }
  }

  /// Removes what a rotation does not ask for.
  ///
  /// - Returns: The paths of what is gone.
  func removeSurplus(_ rotation: Rotation) throws -> [String] {
    let times = try FileManager.default.contentsOfDirectory(atPath: path).compactMap { name in
      name.wholeMatch(of: /referrals-(\d{4}-\d\d-\d\dT\d\d)(\d\d)(\d\d\.\d{3}Z)\.db/)
        .flatMap { Timestamp("\($0.1):\($0.2):\($0.3)") }
    }
    return try rotation.surplus(of: times).sorted().map { time in
      let file = file(of: time)
      do {
        try FileManager.default.removeItem(atPath: file)
      } catch {
        throw CommandError("\(file) cannot be removed")
      }
      return file
    }
  }
}

/// `restore`: puts a backup in the database's place.
struct Restore: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Put a backup in the place of the database, which nobody may be using.",
    discussion: """
      Stop the service first. The backup is copied, brought up to this executable's schema and
      checked as by check, and only then put in place; it stays as it is. The former database is
      kept beside the new one.

      What happened after the backup is not in it. Its events are gone, but their numbers are not
      given again, so that whoever follows the events sees the gap.
      """)

  @OptionGroup var database: DatabaseOption

  @Argument(help: "The backup.")
  var file: String

  func run() throws {
    guard FileManager.default.fileExists(atPath: file) else {
      throw CommandError("there is no file \(file)")
    }
    defer { Progress.end() }
    let restoration: Store.Restoration
    do {
      restoration = try Store.restore(file, to: database.path, now: .present) {
        Progress.update("Restoring: \($0)")
      }
    } catch let damage as DamagedBackup {
      Progress.end()
      for finding in damage.findings { print(finding) }
      throw CommandError("nothing was restored: \(file) is damaged")
    }
    Progress.end()
    print("\(database.path): restored from \(file), and checked.")
    if let kept = restoration.kept { print("\(kept): the former database.") }
    if let lost = restoration.lostEvents {
      print("It ends with event \(lost.found); there had been \(lost.expected).")
    }
  }
}
