import Domain
import Foundation
import JSON
import SQLite

/// The service's records in one SQLite database.
///
/// Readers run at once, each on a snapshot; changes queue for the one writer. What a database can refuse
/// arrives as `Failure`: `.unavailable` when it cannot be read or written just now.
package final class Store: Sendable {
  let database: Database
  private let random: @Sendable () -> UInt64

  /// Opens the database, which must have this executable's schema (see `Migrator`).
  ///
  /// - Parameters:
  ///   - random: Where the random bits of new IDs come from.
  ///   - changesPerCommit: The most changes in one transaction; nil for the usual.
  ///   - writerCacheKiB: The most that the writer's page cache holds; nil for the usual.
  ///   - onFatal: Told the cause when nobody can know any more whether a change is on the disk. The
  ///     process should end, and will find out when it starts again.
  ///   - onMaintenanceError: Told the cause when the write-ahead log cannot be copied into the database:
  ///     nothing is lost, but the log grows.
  /// - Throws: `Failure.unavailable` if the file cannot be opened, `MigrationError` if its schema is
  ///   another.
  package init(
    path: String,
    random: @escaping @Sendable () -> UInt64 = { .random(in: .min ... .max) },
    changesPerCommit: Int? = nil,
    writerCacheKiB: Int? = nil,
    onFatal: @escaping @Sendable (String) -> Void = { _ in },
    onMaintenanceError: @escaping @Sendable (String) -> Void = { _ in }
  ) throws {
    var configuration = Database.Configuration()
    configuration.highWaterMark = { connection in
      try connection.row("SELECT seq FROM sqlite_sequence WHERE name = 'events'") {
        Int64($0.int(0))
      }
        ?? 0
    }
    configuration.onFatal = { onFatal($0.description) }
    configuration.onMaintenanceError = { onMaintenanceError($0.description) }
    configuration.createsFile = false
    if let changesPerCommit { configuration.maximumBatch = changesPerCommit }
    if let writerCacheKiB { configuration.writerCacheKiB = writerCacheKiB }
    self.random = random
    database = try Store.translatingErrors { [configuration] in
      try Migrator.checkVersion(of: Connection(path: path, role: .reader))
      return try Database(path: path, configuration: configuration)
    }
  }

  /// The events that the database has lost since it was last written, or nil: its last event's number
  /// as it should be and as it is. A write-ahead log that was removed or cut shows in nothing else.
  package var lostEvents: (expected: Int64, found: Int64)? { database.lostSince }

  /// Whether the database can only be read, for as long as the store is open.
  package var isReadOnly: Bool { database.isReadOnly }

  /// Goes on after a loss: numbers that were given before are not given again, so that whoever follows
  /// the events notices the gap, and the history says what happened.
  package func acceptLoss(now: Timestamp) throws {
    guard let lost = lostEvents else { return }
    try write(now: now, actor: nil) { change in
      try change.skipEventNumbers(upTo: lost.expected)
      try change.record(
        "database.events_lost", .database, "events",
        changes: #"{"number":{"from":\#(lost.expected),"to":\#(lost.found)}}"#, actor: nil)
    }
    try Store.translatingErrors { try database.acceptLoss() }
  }

  /// Reads on one snapshot of the database.
  ///
  /// - Parameter now: The time that counts as present, for what expires.
  package func read<Result>(
    now: Timestamp, _ body: (Snapshot) throws -> Result
  ) throws -> Result {
    try Store.translatingErrors {
      try database.read { try body(Snapshot(connection: $0, now: now)) }
    }
  }

  /// Makes a change, all or nothing, and calls `completion` once it is on the disk.
  ///
  /// The body may run more than once, since a neighbour in the same commit can undo it; it must have no
  /// effect but through the `Change`.
  ///
  /// - Parameters:
  ///   - now: The time of the change.
  ///   - actor: The user who makes it; nil for the system.
  ///   - completion: Called exactly once, with what the body returned or threw, or with
  ///     `Failure.unavailable`. Every later change waits for it, so it must be quick and must not block.
  ///     It runs on the writer's thread; where the change cannot even be queued (too many wait, or the
  ///     store is closed), on the calling thread before this method returns.
  package func write<Value>(
    now: Timestamp, actor: ID?, _ body: @escaping @Sendable (Change) throws -> Value,
    then completion: @escaping @Sendable (Result<Value, any Error>) -> Void
  ) {
    database.write { [random] in
      try body(Change(connection: $0, now: now, actor: actor, random: random))
    } then: { result in
      completion(Result { try Store.translatingErrors { try result.get() } })
    }
  }

  /// Makes a change as the other `write` does, and returns once it is on the disk: for commands and tests.
  package func write<Value: Sendable>(
    now: Timestamp, actor: ID?, _ body: @escaping @Sendable (Change) throws -> Value
  ) throws -> Value {
    try Store.translatingErrors {
      try database.write { [random] in
        try body(Change(connection: $0, now: now, actor: actor, random: random))
      }
    }
  }

  /// Makes a large change in a transaction of its own, to fill a new database.
  ///
  /// A change that is queued runs in a savepoint, for which SQLite keeps the former content of each page in a
  /// list that it walks: that takes time with the square of the pages.
  package func fill(now: Timestamp, _ body: @escaping @Sendable (Change) throws -> Void) throws {
    try Store.translatingErrors {
      try database.maintain { [random] connection in
        try connection.run("BEGIN IMMEDIATE")
        do {
          try body(Change(connection: connection, now: now, actor: nil, random: random))
          try connection.run("COMMIT")
        } catch {
          _ = try? connection.run("ROLLBACK")
          throw error
        }
      }
      try database.checkpoint(.passive)
    }
  }

  /// What the writer has done since the start, how many changes wait for it, and how long the
  /// write-ahead log is.
  package var statistics: Database.Statistics { database.statistics }

  /// Writes what is left and closes the files. The store is of no use afterwards.
  package func close() { database.close() }

  /// Copies the database to `file`, consistent and checked, while others read and write it.
  ///
  /// - Throws: `Failure.unavailable` if the file cannot be written; if there is one already, an error
  ///   that says so.
  ///
  /// - Parameter progress: Told now and then how much is copied, 0 to 1; nil once the copy is being
  ///   checked.
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

  /// Notes beside the database that a backup is complete. Where nothing can be written, nothing is
  /// noted: the backup is as good.
  package func noteBackup(at file: String) {
    try? Data("\(file)\n".utf8).write(to: URL(fileURLWithPath: "\(database.path).backed-up"))
  }

  /// When the last backup was complete; nil if there was none, or nobody noted it.
  package var lastBackup: Timestamp? {
    let attributes = try? FileManager.default.attributesOfItem(atPath: "\(database.path).backed-up")
    return (attributes?[.modificationDate] as? Date).map {
      Timestamp(milliseconds: Int64($0.timeIntervalSince1970 * 1000))
    }
  }

  /// Makes the name of a file durable.
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
  /// The time that counts as present.
  package let now: Timestamp

  init(connection: Connection, now: Timestamp) {
    self.connection = connection
    self.now = now
  }

  /// The same records for a change that must not come to write anything: an attempt fails.
  package func withoutWriting(actor: ID?) -> Change {
    Change(connection: connection, now: now, actor: actor, random: { 0 })
  }

  /// One resource as JSON.
  ///
  /// - Throws: `Failure.notFound`.
  func view(_ shape: Shape, _ condition: String, _ arguments: (any Bindable)?...) throws -> [UInt8]
  {
    let bytes = try connection.row(shape.select + condition, arguments: arguments) { row in
      var json = JSONWriter()
      try shape.write(row, to: &json)
      return json.bytes
    }
    guard let bytes else { throw Failure.notFound }
    return bytes
  }

  /// Whether nothing but what the schema itself puts there is in the database.
  package func isEmpty() throws -> Bool {
    try connection.row(
      """
      SELECT 1 WHERE EXISTS (SELECT 1 FROM partners) OR EXISTS (SELECT 1 FROM groups)
        OR EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM events)
      """
    ) { _ in false } ?? true
  }

  /// Reads something, to show that the database answers.
  package func ping() throws {
    _ = try connection.row("SELECT number FROM events ORDER BY number DESC LIMIT 1") { _ in }
    _ = try connection.row("SELECT status FROM service_area_coverage LIMIT 1") { _ in }
  }
}

/// The records while one change is made to them.
package final class Change: Snapshot {
  /// The user who makes the change; nil for the system.
  package let actor: ID?
  private let random: @Sendable () -> UInt64

  init(
    connection: Connection, now: Timestamp, actor: ID?, random: @escaping @Sendable () -> UInt64
  ) {
    self.actor = actor
    self.random = random
    super.init(connection: connection, now: now)
  }

  /// The same change by another user, or at another time.
  package func acting(as actor: ID?, at now: Timestamp) -> Change {
    Change(connection: connection, now: now, actor: actor, random: random)
  }

  /// A new UUID, version 7, of the change's time.
  package func newID() -> ID {
    ID(time: now, random: (random(), random()))
  }

  /// The record of a new resource.
  ///
  /// - Parameter fields: An object with those of its fields that begin other than null.
  func newRecord(_ id: ID, _ fields: JSON = [:]) -> Record {
    guard case .object(let members) = fields else { preconditionFailure("a record is an object") }
    return Record(
      [JSON.Member("id", .string(id.text))] + members + [
        JSON.Member("created_at", .string(now.text)), JSON.Member("updated_at", .string(now.text)),
      ])
  }
}
