import ArgumentParser
import Domain
import FastCGI
import Foundation
import Store

/// `migrate`: brings the schema up to date.
struct Migrate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make the database, or bring its schema up to date.",
    discussion: "Each step is one transaction. serve does the same when it starts.")

  @OptionGroup var database: DatabaseOption

  @Flag(name: .customLong("dry-run"), help: "Only say what would be done.")
  var dryRun = false

  func run() throws {
    let migrations = try Migrator.migrate(path: database.path, dryRun: dryRun)
    if migrations.isEmpty { print("The schema is up to date.") }
    for migration in migrations {
      print(
        "\(dryRun ? "Would apply" : "Applied") migration \(migration.number), \(migration.name).")
    }
  }
}

/// `check`: looks for damage.
struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look for damage in the database.",
    discussion: """
      Looks at the file's integrity, foreign keys, counts against rows, the search index and the
      history. Ends with 1 and says what is wrong if anything is.
      """)

  @OptionGroup var database: DatabaseOption

  func run() throws {
    let store = try database.open()
    defer { store.close() }
    let findings = try store.check(now: .present) { Progress.update("Checking: \($0)") }
    Progress.end()
    for finding in findings { print(finding) }
    guard findings.isEmpty else {
      throw CommandError(
        findings.count == 1 ? "1 thing is wrong" : "\(findings.count) things are wrong")
    }
    print("Nothing is wrong.")
  }
}

/// `health`: asks a responder.
struct Health: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Ask a running responder through FastCGI whether it answers.")

  @OptionGroup var socket: SocketOption

  func run() throws { print(String(decoding: try socket.ask(for: "/api/health"), as: UTF8.self)) }
}

/// The option that names a running responder's socket.
struct SocketOption: ParsableArguments {
  @Option(
    name: .customLong("socket"),
    help: ArgumentHelp("The responder's Unix socket (else TOMI_SOCKET).", valueName: "path"))
  private var option: String?

  private var path: String { option ?? ProcessInfo.processInfo.environment["TOMI_SOCKET"] ?? "" }

  func validate() throws {
    guard !path.isEmpty else {
      throw ValidationError("No socket is named: give --socket PATH or set TOMI_SOCKET.")
    }
  }

  /// Asks the responder as a web server would.
  ///
  /// - Returns: The body of its answer.
  /// - Throws: `FastCGIError` if nobody answers, `CommandError` if the answer is not 200.
  func ask(for target: String) throws -> [UInt8] {
    let answer = try Client.send(
      to: path,
      parameters: [
        ("REQUEST_METHOD", "GET"), ("REQUEST_URI", target), ("REQUEST_ID", "command"),
      ])
    guard answer.status == .ok else {
      let text = String(decoding: answer.body, as: UTF8.self)
      throw CommandError("the responder answers with status \(answer.status.code): \(text)")
    }
    return answer.body
  }
}
