import Domain
import Foundation
import SQLite

extension Store {
  /// The result of a restoration.
  package struct Restoration: Equatable, Sendable {
    /// The path of the former database; nil if there was none.
    package let kept: String?
    /// The events of the former database that the restored one does not have; nil if there are none.
    package let lostEvents: LostEvents?
    /// How many erasures of the former database were repeated; nil if the former database can't be read.
    package let repeatedErasures: Int?
  }

  /// What a former database knows that goes on after it is replaced.
  private struct Former {
    /// The number of the last event.
    var lastEvent = 0
    var erasures: [ErasureSubject] = []

    /// - Returns: Nil if the database can't be read.
    init?(path: String, now: Timestamp) {
      guard FileManager.default.fileExists(atPath: path) else { return }
      do {
        let connection = try Connection(path: path, role: .backup)
        let snapshot = Snapshot(connection: connection, now: now, mail: nil)
        lastEvent = try snapshot.lastEvent()
        let hasErasures = try connection.row(
          "SELECT 1 FROM sqlite_schema WHERE name = 'erasures'"
        ) { _ in true }
        if hasErasures == true { erasures = try snapshot.erasures() }
      } catch {
        return nil
      }
    }
  }

  /// Lets a restored copy go on where the former database ended: erases again who was erased there, and uses none
  /// of its event numbers again.
  ///
  /// - Returns: The events that the copy does not have; nil if there are none. And how many erasures were repeated.
  private func follow(
    _ former: Former, now: Timestamp
  ) throws -> (lost: LostEvents?, repeated: Int) {
    let (lost, repeated) = try fill(now: now) { change in
      var lost: LostEvents?
      let found = try change.lastEvent()
      if former.lastEvent > found {
        lost = LostEvents(expected: Int64(former.lastEvent), found: Int64(found))
        try lost.map { try change.record($0) }
      }
      let repeated = try former.erasures.filter { try change.erase($0, .repeat) != nil }.count
      return (lost, repeated)
    }
    if repeated > 0 { try purge() }
    return (lost, repeated)
  }

  /// Restores a backup into another file, migrates it to this executable's schema, and checks it.
  ///
  /// - Parameters:
  ///   - file: A database that is not written meanwhile. It is not changed.
  ///   - copy: The new file's path. An existing file is replaced, and none is left there if this fails.
  ///   - progress: Called with the name of each step.
  /// - Throws: `MigrationError`, `Failure.unavailable`, `DamagedBackup`.
  package static func restore(
    _ file: String, into copy: String, now: Timestamp, progress: (String) -> Void = { _ in }
  ) throws {
    _ = try restore(file, into: copy, after: nil, now: now, progress: progress)
  }

  /// Restores a backup as ``restore(_:into:now:progress:)`` does, in place of the former database.
  private static func restore(
    _ file: String, into copy: String, after former: Former?, now: Timestamp,
    progress: (String) -> Void
  ) throws -> (lost: LostEvents?, repeated: Int) {
    let files = ["", "-wal", "-shm", ".lock"].map { copy + $0 }
    func remove(_ paths: some Sequence<String>) {
      for path in paths { try? FileManager.default.removeItem(atPath: path) }
    }
    // The files of an earlier attempt would be used as the new copy's log.
    remove(files)
    var isComplete = false
    defer { remove(files.dropFirst(isComplete ? 1 : 0)) }
    progress("Copying")
    try translatingErrors {
      // A copy of the file would not have the changes in its write-ahead log.
      _ = try Connection(path: file, role: .backup).run("VACUUM INTO ?", copy)
    }
    try Migrator.migrate(path: copy)
    let store = try Store(path: copy)
    let findings: [String]
    let result: (lost: LostEvents?, repeated: Int)
    do {
      defer { store.close() }
      if let former, !former.erasures.isEmpty { progress("Repeating erasures") }
      result = try former.map { try store.follow($0, now: now) } ?? (nil, 0)
      findings = try store.check(now: now, progress: progress)
    }
    guard findings.isEmpty else { throw DamagedBackup(file: file, findings: findings) }
    guard
      (try? FileManager.default.attributesOfItem(atPath: copy + "-wal")[.size]) as? Int ?? 0 == 0
    else { throw Failure.unavailable("\(copy) still has a write-ahead log") }
    try FileHandle(forUpdating: URL(fileURLWithPath: copy)).synchronize()
    isComplete = true
    return result
  }

  /// Replaces the database at `path` by a backup. No process may have the database open. The backup is not
  /// changed, and the former database is kept beside the new one.
  ///
  /// - Parameter progress: Called with the name of each step.
  /// - Throws: As ``restore(_:into:now:progress:)``, and `Failure.unavailable` if the database is in use.
  package static func restore(
    _ file: String, to path: String, now: Timestamp, progress: (String) -> Void = { _ in }
  ) throws -> Restoration {
    // The database's other files are beside the file itself, not beside a link to it.
    let path = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
    let copy = "\(path).restoring"
    let former = Former(path: path, now: now)
    let (lost, repeated) = try restore(
      file, into: copy, after: former, now: now, progress: progress)
    var isPlaced = false
    defer { if !isPlaced { try? FileManager.default.removeItem(atPath: copy) } }
    try adoptOwner(of: path, for: copy)
    let kept = "\(path).before-\(now.text.filter { $0 != ":" })"
    progress("Putting it in place")
    let existed = try translatingErrors { try Database.replace(path, by: copy, keepingAs: kept) }
    isPlaced = true
    let store = try Store(path: path)
    defer { store.close() }
    // The former database can have lost events itself, or be unreadable.
    let lostBefore = store.lostEvents
    try store.acceptLoss(now: now)
    return Restoration(
      kept: existed ? kept : nil,
      lostEvents: lostBefore.map {
        LostEvents(expected: $0.expected, found: lost?.found ?? $0.found)
      } ?? lost,
      repeatedErasures: former == nil ? nil : repeated)
  }

  /// Gives the copy to the owner of the database or its directory, since root may run the restoration.
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
      throw Failure.unavailable("\(copy) can't be given to the owner of \(model)")
    }
  }
}

/// A backup that did not pass the checks.
package struct DamagedBackup: Error, CustomStringConvertible {
  package let file: String
  /// The findings, a sentence each.
  package let findings: [String]

  package var description: String { "\(file) is damaged: \(findings.joined(separator: " "))" }
}
