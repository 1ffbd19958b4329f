import ArgumentParser
import Domain
import Foundation

/// The executable: `tomi-referrals` and its subcommands.
@main
struct TomiReferrals: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tomi-referrals",
    abstract: "Run and maintain Tomi's partner referral service.",
    discussion: """
      Commands work on one SQLite database, which --database or TOMI_DATABASE names. They can run \
      while the service uses the database, unless their help says otherwise.

      The exit status is 0 for success, 1 for an error, with one line on standard error, and 64 for \
      wrong usage.
      """,
    version: Version.report,
    subcommands: [
      Serve.self, Migrate.self, TokenCommand.self, BackupCommand.self, RestoreCommand.self,
      CheckCommand.self, Health.self, Status.self, Import.self, Export.self,
      PersonCommand.self, PartnerCommand.self, MailCommand.self, SignInLink.self,
      DemoCommand.self,
    ])

  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let error as CommandError {
      exit(printing: error.message)
    } catch let failure as Failure {
      exit(printing: CommandError(failure).message)
    } catch  where exitCode(for: error) == .failure && !(error is ExitCode) {
      exit(printing: "\(error)")
    } catch {
      exit(withError: error)
    }
  }

  private static func exit(printing message: String) -> Never {
    let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
    FileHandle.standardError.write(Data("tomi-referrals: \(line)\n".utf8))
    exit(withError: ExitCode.failure)
  }
}

/// Why a command failed, for the person who ran it.
struct CommandError: Error {
  /// A line without a capital letter at its beginning and a full stop at its end.
  let message: String

  init(_ message: String) { self.message = message }

  init(_ failure: Failure) {
    switch failure {
    case .unavailable(let cause): message = "cannot use the database: \(cause)"
    case .conflict(.emailTaken): message = "another user has this e-mail address"
    default: message = "\(failure)"
    }
  }
}

/// A line on standard error that says what a command is doing. Without a terminal nothing is written.
enum Progress {
  /// Replaces the line.
  static func update(_ text: String) {
    guard isatty(STDERR_FILENO) == 1 else { return }
    FileHandle.standardError.write(Data("\r\u{1B}[K\(text)".utf8))
  }

  /// Removes the line.
  static func end() { update("") }
}

/// The value of an environment variable; nil if it is not set, or empty.
func environment(_ name: String) -> String? {
  ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
}

/// The value of an option; without it, that of an environment variable.
///
/// - Throws: `ValidationError` if the option does not take the variable's value.
func value<Value: ExpressibleByArgument>(
  of option: Value?, or variable: String
) throws -> Value? {
  guard option == nil, let text = environment(variable) else { return option }
  guard let value = Value(argument: text) else {
    throw ValidationError("The value '\(text)' is invalid for \(variable).")
  }
  return value
}

extension Timestamp {
  /// The present time by the system's clock.
  static var present: Timestamp {
    Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
  }
}

extension Scope: ExpressibleByArgument {}

extension ID: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}
