import Domain
import Foundation
import JSON
import SQLite

/// The service's records in one SQLite database.
///
/// Readers run in parallel, each on a snapshot. Changes queue for the one writer. `Failure.unavailable` says
/// that the database can't be read or written at the moment.
package final class Store: Sendable {
  /// The version of the SQLite that this process runs with, such as `3.40.1`.
  package static var libraryVersion: String { Database.libraryVersion }

  let database: Database
  /// The secret with which the API encrypts cursors: 256 bits. It is in the database, so that each process that
  /// uses the database reads the cursors of the others, and a restored database brings its own.
  package let cursorKey: [UInt8]
  private let random: @Sendable () -> UInt64
  private let mail: MailSettings?

  /// Opens the database, which must have this executable's schema (see `Migrator`).
  ///
  /// - Parameters:
  ///   - random: The source of the random bits in new IDs.
  ///   - mail: How messages are made; nil: no change makes one.
  ///   - changesPerCommit: The most changes in one transaction; nil for the default.
  ///   - writerCacheKiB: The size limit of the writer's page cache; nil for the default.
  ///   - onFatal: Called with the cause when it is unknown whether a change is on the disk. The process should
  ///     end; at the next start, the database has the change or not.
  ///   - onMaintenanceError: Called with the cause when the write-ahead log can't be copied into the database.
  ///     Nothing is lost, but the log grows.
  /// - Throws: `Failure.unavailable` if the file can't be opened, `MigrationError` if it has another schema.
  package init(
    path: String,
    random: @escaping @Sendable () -> UInt64 = { .random(in: .min ... .max) },
    mail: MailSettings? = nil,
    changesPerCommit: Int? = nil,
    writerCacheKiB: Int? = nil,
    onFatal: @escaping @Sendable (String) -> Void = { _ in },
    onMaintenanceError: @escaping @Sendable (String) -> Void = { _ in }
  ) throws {
    var configuration = Database.Configuration()
    configuration.highWaterMark = {
      try $0.row("SELECT seq FROM sqlite_sequence WHERE name = 'events'") { Int64($0.int(0)) } ?? 0
    }
    configuration.onFatal = { onFatal($0.description) }
    configuration.onMaintenanceError = { onMaintenanceError($0.description) }
    configuration.createsFile = false
    if let changesPerCommit { configuration.maximumBatch = changesPerCommit }
    if let writerCacheKiB { configuration.writerCacheKiB = writerCacheKiB }
    self.random = random
    self.mail = mail
    (database, cursorKey) = try Store.translatingErrors { [configuration] in
      let connection = try Connection(path: path, role: .reader)
      try Migrator.checkVersion(of: connection)
      let key = try connection.row("SELECT value FROM secrets WHERE name = 'cursors'") {
        $0.bytes(0)
      }
      guard let key else { throw Failure.unavailable("the database has no key for cursors") }
      return (try Database(path: path, configuration: configuration), key)
    }
  }

  /// Two numbers of events.
  package struct LostEvents: Equatable, Sendable {
    /// The last event that was ever written.
    package let expected: Int64
    /// The last event that is there.
    package let found: Int64
  }

  /// The events that the database has lost since it was last written; nil if there are none. Nothing else shows
  /// that a write-ahead log was removed or cut.
  package var lostEvents: LostEvents? {
    database.lostSince.map { LostEvents(expected: $0.expected, found: $0.found) }
  }

  /// Whether the database can only be read as long as the store is open.
  package var isReadOnly: Bool { database.isReadOnly }

  /// Accepts a loss of events. The lost numbers are not used again, so that clients notice the gap, and an event
  /// records the loss.
  package func acceptLoss(now: Timestamp) throws {
    guard let lost = lostEvents else { return }
    try write(now: now, actor: nil) { try $0.record(lost) }
    try Store.translatingErrors { try database.acceptLoss() }
  }

  /// Reads on one snapshot of the database.
  ///
  /// - Parameter now: The present time.
  package func read<Result>(
    now: Timestamp, _ body: (Snapshot) throws -> Result
  ) throws -> Result {
    try Store.translatingErrors {
      try database.read { try body(Snapshot(connection: $0, now: now, mail: mail)) }
    }
  }

  /// Makes a change, all or nothing, and calls `completion` when it is on the disk.
  ///
  /// The body can run more than once, because another change in the same commit can undo it. It must have no
  /// effects outside of the `Change`.
  ///
  /// - Parameters:
  ///   - now: The time of the change.
  ///   - actor: The user who makes it; nil for the system.
  ///   - completion: Called exactly once, with the body's result or error, or with `Failure.unavailable`. All
  ///     later changes wait for it, so it must be quick and must not block. It runs on the writer's thread. If
  ///     the change can't be queued (too many wait, or the store is closed), it runs on the calling thread
  ///     before this method returns.
  package func write<Value>(
    now: Timestamp, actor: ID?, _ body: @escaping @Sendable (Change) throws -> Value,
    then completion: @escaping @Sendable (Result<Value, any Error>) -> Void
  ) {
    database.write { [random, mail] in
      try body(Change(connection: $0, now: now, actor: actor, random: random, mail: mail))
    } then: { result in
      completion(Result { try Store.translatingErrors { try result.get() } })
    }
  }

  /// Makes a change, and returns when it is on the disk. Commands and tests use this.
  package func write<Value: Sendable>(
    now: Timestamp, actor: ID?, _ body: @escaping @Sendable (Change) throws -> Value
  ) throws -> Value {
    try Store.translatingErrors {
      try database.write { [random, mail] in
        try body(Change(connection: $0, now: now, actor: actor, random: random, mail: mail))
      }
    }
  }

  /// Makes a large change in a transaction of its own: to fill a new database, or for an import.
  ///
  /// A queued change runs in a savepoint. SQLite keeps the former content of the savepoint's pages in a list and
  /// walks it for each statement, which takes time with the square of the number of pages.
  ///
  /// - Parameter isKept: Whether the change stays. Otherwise only its result does.
  package func fill<Value: Sendable>(
    now: Timestamp, isKept: Bool = true, _ body: @escaping @Sendable (Change) throws -> Value
  ) throws -> Value {
    try Store.translatingErrors {
      let value = try database.maintain { [random, mail] connection in
        try connection.run("BEGIN IMMEDIATE")
        do {
          let value = try body(
            Change(connection: connection, now: now, actor: nil, random: random, mail: mail))
          try connection.run(isKept ? "COMMIT" : "ROLLBACK")
          return value
        } catch {
          _ = try? connection.run("ROLLBACK")
          throw error
        }
      }
      if isKept { try database.checkpoint(.passive) }
      return value
    }
  }

  /// The writer's work since the start, the number of waiting changes, and the length of the write-ahead log.
  package var statistics: Database.Statistics { database.statistics }

  /// Writes the waiting changes and closes the files. The store can't be used afterwards.
  package func close() { database.close() }

  /// Copies the database to `file` and checks the copy. Others can read and write the database meanwhile.
  ///
  /// - Parameter progress: Called with the part that is copied, from 0 to 1, and with nil when the check begins.
  /// - Throws: `Failure.unavailable` if the file can't be written; another error if it already exists.
  package func backup(to file: String, progress: @escaping (Double?) -> Void = { _ in }) throws {
    try Store.translatingErrors {
      try database.backup(to: file) { step in
        switch step {
        case .copying(let share): progress(share)
        case .checking: progress(nil)
        }
      }
    }
  }

  /// Writes a file beside the database that records the last backup. An error is ignored, because the backup is
  /// complete without it.
  package func noteBackup(at file: String) {
    try? Data("\(file)\n".utf8).write(to: URL(fileURLWithPath: "\(database.path).backed-up"))
  }

  /// The time at which the last backup was complete; nil if none is recorded.
  package var lastBackup: Timestamp? {
    let attributes = try? FileManager.default.attributesOfItem(atPath: "\(database.path).backed-up")
    return (attributes?[.modificationDate] as? Date).map {
      Timestamp(milliseconds: Int64($0.timeIntervalSince1970 * 1000))
    }
  }

  /// Makes a file's directory entry durable.
  ///
  /// - Throws: `Failure.unavailable`.
  package static func syncDirectory(of path: String) throws {
    try translatingErrors { try Database.syncDirectory(of: path) }
  }

  static func translatingErrors<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as SQLiteError where error.isUnavailable || error.isCorrupt {
      throw Failure.unavailable(error.description)
    }
  }
}

/// The records at one moment.
package class Snapshot {
  let connection: Connection
  /// The present time.
  package let now: Timestamp
  /// How messages are made; nil: no change makes one.
  let mail: MailSettings?

  init(connection: Connection, now: Timestamp, mail: MailSettings?) {
    self.connection = connection
    self.now = now
    self.mail = mail
    connection.today = now.day
  }

  /// Tries a change up to the point where it would write.
  ///
  /// - Throws: What refuses the change before that point.
  package func rehearse(actor: ID?, _ body: (Change) throws -> Void) throws {
    do {
      try body(Change(connection: connection, now: now, actor: actor, random: { 0 }, mail: mail))
    } catch let error as SQLiteError where error.isReadOnly {
      // A reader's connection does not write.
    }
  }

  /// Whether the database has nothing but the rows of the migrations.
  package func isEmpty() throws -> Bool {
    try connection.row(
      """
      SELECT 1 WHERE EXISTS (SELECT 1 FROM partners) OR EXISTS (SELECT 1 FROM groups)
        OR EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM events)
      """
    ) { _ in false } ?? true
  }

  /// Reads two rows to check that the database answers.
  package func ping() throws {
    _ = try connection.row("SELECT number FROM events ORDER BY number DESC LIMIT 1") { _ in }
    _ = try connection.row("SELECT status FROM service_area_coverage LIMIT 1") { _ in }
  }
}

/// The records during one change.
package final class Change: Snapshot {
  /// The user who makes the change; nil for the system.
  package let actor: ID?
  private let random: @Sendable () -> UInt64

  init(
    connection: Connection, now: Timestamp, actor: ID?,
    random: @escaping @Sendable () -> UInt64, mail: MailSettings?
  ) {
    self.actor = actor
    self.random = random
    super.init(connection: connection, now: now, mail: mail)
  }

  /// The same change by another user or at another time.
  package func acting(as actor: ID?, at now: Timestamp) -> Change {
    Change(connection: connection, now: now, actor: actor, random: random, mail: mail)
  }

  /// A new UUID, version 7, of the change's time.
  package func newID() -> ID {
    ID(time: now, random: (random(), random()))
  }
}
