import Domain
import Foundation
import SQLite
import Schema

/// The reason why this executable can't use a database's schema.
package enum MigrationError: Error, Equatable, CustomStringConvertible {
  /// The file belongs to another program.
  case notOurs
  /// The database was written by a newer version.
  case newer(database: Int, known: Int)
  /// The database lacks migrations.
  case older(database: Int, known: Int)

  package var description: String {
    switch self {
    case .notOurs:
      "this file is a database of another program"
    case .newer(let database, let known):
      "the database has schema \(database), but this version knows only \(known): install the newer version again"
    case .older(let database, let known):
      "the database has schema \(database), but this version needs \(known): run tomi-referrals migrate"
    }
  }
}

/// Brings a database's schema up to date.
package enum Migrator {
  /// The first four bytes of "Tomi", as the first migration writes them into the file.
  private static let applicationID = 0x546F_6D69
  /// The migration that creates the table of secrets.
  private static let secretsMigration = 2

  /// Applies the missing migrations, each in one transaction. Creates the database if it does not exist.
  ///
  /// - Parameters:
  ///   - dryRun: Whether to apply nothing.
  ///   - progress: Called often, with the migration that is being applied and the share of its statements, from
  ///     0 to 1, that is done.
  ///   - migrations: The migrations, numbered from 1 without a gap.
  /// - Returns: The missing migrations.
  /// - Throws: `MigrationError`, `Failure.unavailable`.
  @discardableResult
  package static func migrate(
    path: String, dryRun: Bool = false, migrations: [Schema.Migration] = Schema.migrations,
    progress: @escaping @Sendable (Schema.Migration, Double) -> Void = { _, _ in }
  ) throws -> [Schema.Migration] {
    try Store.translatingErrors {
      if FileManager.default.fileExists(atPath: path) {
        // Opening for writing would switch the file to WAL, even another program's file, and create a lock
        // file. A read-only connection changes nothing if the database is up to date.
        let connection = try Connection(path: path, role: .backup)
        let version = try version(of: connection, known: migrations.count)
        if dryRun || version == migrations.count {
          return Array(migrations.dropFirst(version))
        }
      } else if dryRun {
        return migrations
      }
      let database = try Database(path: path)
      defer { database.close() }
      return try database.maintain { connection in
        let version = try version(of: connection, known: migrations.count)
        let missing = Array(migrations.dropFirst(version))
        try Search.defineFunctions(on: connection)
        for migration in missing {
          try apply(migration, on: connection) { progress(migration, $0) }
        }
        return missing
      }
    }
  }

  /// About how long the missing migrations of a database take.
  ///
  /// The migrations read and write most tables, so that their time follows from the file's size: a small server with
  /// a disk of its own migrates at least 50 MB a second.
  ///
  /// - Returns: Seconds, rounded up; 0 if the file does not exist.
  package static func expectedSeconds(path: String) -> Int {
    var status = stat()
    guard stat(path, &status) == 0 else { return 0 }
    return (Int(status.st_size) + 49_999_999) / 50_000_000
  }

  private static func apply(
    _ migration: Schema.Migration, on connection: Connection, progress: (Double) -> Void
  ) throws {
    try connection.allowSchemaEdits(true)
    defer { try? connection.allowSchemaEdits(false) }
    _ = try connection.run("BEGIN IMMEDIATE")
    do {
      try connection.script(migration.sql, progress: progress)
      if migration.number == secretsMigration {
        // SQLite's own random numbers are not made for keys.
        let key = (0..<32).map { _ in UInt8.random(in: .min ... .max) }
        _ = try connection.run("INSERT INTO secrets (name, value) VALUES ('cursors', ?)", key)
      }
      try refreshStatistics(on: connection)
      try connection.script("PRAGMA user_version = \(migration.number)")
      _ = try connection.run("COMMIT")
    } catch {
      _ = try? connection.run("ROLLBACK")
      throw error
    }
  }

  /// Counts the tables again if the database has statistics of them (<https://www.sqlite.org/lang_analyze.html>).
  ///
  /// The planner would compare the counted indexes with a guess about those that the migration has created. After an
  /// upgrade of version 1.0.0 with 200,000 requests it chose an index for which `check` ran for minutes, not seconds.
  private static func refreshStatistics(on connection: Connection) throws {
    let hasStatistics =
      try connection.row("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'") { _ in true }
    guard hasStatistics == true else { return }
    try connection.pragma("analysis_limit=400")
    try connection.script("ANALYZE")
  }

  /// - Throws: `MigrationError` unless the database has exactly this executable's schema.
  static func checkVersion(of connection: Connection) throws {
    let version = try version(of: connection, known: Schema.migrations.count)
    guard version == Schema.migrations.count else {
      throw MigrationError.older(database: version, known: Schema.migrations.count)
    }
  }

  private static func version(of connection: Connection, known: Int) throws -> Int {
    let version = try connection.row("PRAGMA user_version") { $0.int(0) } ?? 0
    let application = try connection.row("PRAGMA application_id") { $0.int(0) } ?? 0
    let isEmpty = try connection.row("SELECT count(*) FROM sqlite_schema") { $0.int(0) } == 0
    guard application == applicationID || (application == 0 && version == 0 && isEmpty) else {
      throw MigrationError.notOurs
    }
    guard version <= known else { throw MigrationError.newer(database: version, known: known) }
    return version
  }
}
