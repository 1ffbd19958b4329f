import ArgumentParser
import Domain
import Foundation
import Store

/// The option that names the database.
struct DatabaseOption: ParsableArguments {
  @Option(
    name: .customLong("database"),
    help: ArgumentHelp("The database file (default: TOMI_DATABASE).", valueName: "path"))
  private var option: String?

  /// The file's path.
  var path: String { option ?? environment("TOMI_DATABASE") ?? "" }

  func validate() throws {
    guard !path.isEmpty else {
      throw ValidationError("No database is given. Use --database PATH or set TOMI_DATABASE.")
    }
    var isDirectory: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory),
      isDirectory.boolValue
    {
      throw ValidationError("The database \(path) is a directory. Name a file in it.")
    }
  }

  /// Opens the database, which must exist.
  ///
  /// - Parameters:
  ///   - mail: How messages are made; nil: no change makes one.
  ///   - onFatal: As that of `Store.init`.
  /// - Throws: `CommandError`, `MigrationError`.
  func open(
    mail: MailSettings? = nil, onFatal: @escaping @Sendable (String) -> Void = { _ in }
  ) throws -> Store {
    guard FileManager.default.fileExists(atPath: path) else {
      throw CommandError(
        "the database \(path) does not exist; create it with `tomi-referrals migrate`")
    }
    do {
      return try Store(path: path, mail: mail, onFatal: onFatal)
    } catch Failure.unavailable(let cause) {
      throw CommandError("cannot open the database \(path): \(cause)")
    }
  }
}
