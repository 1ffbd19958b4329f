import Domain
import Foundation
import SQLite

extension Store {
  /// What a restored database lacks of the one that was in its place.
  package struct Restoration: Equatable, Sendable {
    /// Where the former database is kept; nil if there was none.
    package let kept: String?
    /// The last event that was ever written here, and the last one that is there now; nil if none is
    /// missing.
    package let lostEvents: LostEvents?

    /// Two numbers of events.
    package struct LostEvents: Equatable, Sendable {
      /// The last one that was ever written.
      package let expected: Int
      /// The last one that is there.
      package let found: Int
    }
  }

  /// Restores a backup into a file of its own, brings it up to this executable's schema and checks it,
  /// rows and all.
  ///
  /// - Parameters:
  ///   - file: A database that is not written meanwhile; it stays as it is.
  ///   - copy: The new file's path. What is there is replaced, and nothing is left there if this fails.
  ///   - progress: Told what is done next.
  /// - Throws: `MigrationError`, `Failure.unavailable`, `DamagedBackup`.
  package static func restore(
    _ file: String, into copy: String, now: Timestamp, progress: (String) -> Void = { _ in }
  ) throws {
    let files = ["", "-wal", "-shm", ".lock"].map { copy + $0 }
    func remove(_ paths: some Sequence<String>) {
      for path in paths { try? FileManager.default.removeItem(atPath: path) }
    }
    // Of one that was cut short: its log would be taken for the new copy's.
    remove(files)
    var isComplete = false
    defer { remove(files.dropFirst(isComplete ? 1 : 0)) }
    progress("Copying")
    try translatingErrors {
      // Not a copy of the file, since what a log beside it holds belongs to it.
      _ = try Connection(path: file, role: .backup).run("VACUUM INTO ?", copy)
    }
    try Migrator.migrate(path: copy)
    let store = try Store(path: copy)
    let findings: [String]
    do {
      defer { store.close() }
      findings = try store.check(now: now, progress: progress)
    }
    guard findings.isEmpty else { throw DamagedBackup(file: file, findings: findings) }
    guard
      (try? FileManager.default.attributesOfItem(atPath: copy + "-wal")[.size]) as? Int ?? 0 == 0
    else { throw Failure.unavailable("\(copy) could not be made one file") }
    try FileHandle(forUpdating: URL(fileURLWithPath: copy)).synchronize()
    isComplete = true
  }

  /// Puts a backup in the place of the database at `path`, which nobody may have open, if there is
  /// one. The backup itself stays as it is, and the former database is kept beside the new one.
  ///
  /// - Parameter progress: Told what is done next.
  /// - Throws: As ``restore(_:into:now:progress:)``, and `Failure.unavailable` if the database is in
  ///   use.
  package static func restore(
    _ file: String, to path: String, now: Timestamp, progress: (String) -> Void = { _ in }
  ) throws -> Restoration {
    // What lies beside the database lies beside the file itself.
    let path = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
    let copy = "\(path).restoring"
    try restore(file, into: copy, now: now, progress: progress)
    var isPlaced = false
    defer { if !isPlaced { try? FileManager.default.removeItem(atPath: copy) } }
    try adoptOwner(of: path, for: copy)
    let kept = "\(path).before-\(now.text.filter { $0 != ":" })"
    progress("Putting it in place")
    let existed = try translatingErrors { try Database.replace(path, by: copy, keepingAs: kept) }
    isPlaced = true
    let store = try Store(path: path)
    defer { store.close() }
    let lost = store.lostEvents.map {
      Restoration.LostEvents(expected: Int($0.expected), found: Int($0.found))
    }
    try store.acceptLoss(now: now)
    return Restoration(kept: existed ? kept : nil, lostEvents: lost)
  }

  /// Root restores for the user whose database it is: that of the file, or of its folder.
  private static func adoptOwner(of path: String, for copy: String) throws {
    let manager = FileManager.default
    let model =
      manager.fileExists(atPath: path)
      ? path : URL(fileURLWithPath: path).deletingLastPathComponent().path
    var attributes = try manager.attributesOfItem(atPath: model)
      .filter { [.ownerAccountID, .groupOwnerAccountID].contains($0.key) }
    attributes[.posixPermissions] = 0o640
    do {
      try manager.setAttributes(attributes, ofItemAtPath: copy)
    } catch {
      throw Failure.unavailable("\(copy) cannot be given to the owner of \(model)")
    }
  }
}

/// A backup that is not sound.
package struct DamagedBackup: Error, CustomStringConvertible {
  package let file: String
  /// What is wrong, a sentence each.
  package let findings: [String]

  package var description: String { "\(file) is damaged: \(findings.joined(separator: " "))" }
}
