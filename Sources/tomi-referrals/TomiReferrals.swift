import ArgumentParser
import Domain
import Foundation
import Store

@main
struct TomiReferrals: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tomi-referrals",
    abstract: "Tomi's partner referrals: the responder behind the web server, and its upkeep.",
    discussion: """
      Every command works on one SQLite database, named by --database or TOMI_DATABASE, also while
      the responder serves it. It ends with 0; with 1 and one line on standard error if something
      went wrong; with 64 for wrong usage.
      """,
    version: Version.current,
    subcommands: [
      Serve.self, Migrate.self, TokenCommand.self, Backup.self, Restore.self, Check.self,
      Health.self,
      Status.self,
      Import.self, Export.self, DemoCommand.self,
    ])

  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let error as CommandError {
      exit(complaining: error.message)
    } catch let failure as Failure {
      exit(complaining: CommandError(failure).message)
    } catch  where exitCode(for: error) == .failure && !(error is ExitCode) {
      exit(complaining: "\(error)")
    } catch {
      exit(withError: error)
    }
  }

  private static func exit(complaining message: String) -> Never {
    let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
    FileHandle.standardError.write(Data("tomi-referrals: \(line)\n".utf8))
    exit(withError: ExitCode.failure)
  }
}

/// What went wrong, for the person who typed the command.
struct CommandError: Error {
  let message: String

  init(_ message: String) { self.message = message }

  init(_ failure: Failure) {
    switch failure {
    case .unavailable(let cause): message = "the database cannot be used: \(cause)"
    case .conflict(.emailTaken): message = "another user has this e-mail address"
    default: message = "\(failure)"
    }
  }
}

/// The option that names the database.
struct DatabaseOption: ParsableArguments {
  @Option(
    name: .customLong("database"),
    help: ArgumentHelp(
      "The database's file (else the environment's TOMI_DATABASE).", valueName: "path"))
  private var option: String?

  /// The file's path.
  var path: String { option ?? ProcessInfo.processInfo.environment["TOMI_DATABASE"] ?? "" }

  func validate() throws {
    guard !path.isEmpty else {
      throw ValidationError("No database is named: give --database PATH or set TOMI_DATABASE.")
    }
  }

  /// Opens the database, which must be there.
  ///
  /// - Throws: `CommandError`, `MigrationError`.
  func open() throws -> Store {
    guard FileManager.default.fileExists(atPath: path) else {
      throw CommandError("there is no database \(path); migrate makes one")
    }
    do {
      return try Store(path: path)
    } catch Failure.unavailable(let cause) {
      throw CommandError("the database \(path) cannot be used: \(cause)")
    }
  }
}

extension Timestamp {
  /// The present, by the machine's clock.
  static var present: Timestamp {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
  }
}

/// What a command says while it works, on standard error.
enum Progress {
  static func say(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
  }

  /// A line that the next one replaces; nothing if standard error is no terminal.
  static func update(_ text: String) {
    guard isatty(STDERR_FILENO) == 1 else { return }
    FileHandle.standardError.write(Data("\r\u{1B}[K\(text)".utf8))
  }

  /// Ends the line that `update` wrote.
  static func end() {
    guard isatty(STDERR_FILENO) == 1 else { return }
    FileHandle.standardError.write(Data("\r\u{1B}[K".utf8))
  }
}
