import API
import ArgumentParser
import Domain
import FastCGI
import Foundation
import Logging
import Store

/// `serve`: the responder.
struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Answer the web server's FastCGI requests until SIGTERM or SIGINT.",
    discussion: """
      The database is made or brought up to date first. The socket is one of its own (--socket), or
      one that is handed over: by systemd (descriptor 3) or by spawn-fcgi (descriptor 0).

      It logs to standard error, one JSON object a line: its start and stop, migrations, and
      requests that failed or took longer than half a second. Under systemd it says when it is ready
      (Type=notify), and feeds the watchdog (WatchdogSec) for as long as it answers.

      On SIGTERM it answers what has arrived, then ends with 0. It ends with 75 when a failed write
      to disk left it in doubt about a change: start it again, and it knows.
      """)

  /// EX_TEMPFAIL of sysexits(3).
  private static let inDoubt: Int32 = 75

  @OptionGroup var database: DatabaseOption

  @Option(
    help: ArgumentHelp(
      "The Unix socket to make and to answer on (else TOMI_SOCKET).", valueName: "path"))
  var socket: String?

  @Option(help: ArgumentHelp("Requests worked on at once (else TOMI_THREADS).", valueName: "n"))
  var threads: Int?

  @Option(
    name: .customLong("allow-origin"),
    help: ArgumentHelp(
      """
      An origin whose pages may call the service from a browser, such as https://app.example; may \
      be given several times (else TOMI_ALLOW_ORIGIN, several parted by commas).
      """, valueName: "origin"))
  var origins: [String] = []

  @Option(
    name: .customLong("log-level"),
    help: ArgumentHelp(
      "The least level that is logged: \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")) (else TOMI_LOG_LEVEL; info).",
      valueName: "level"),
    transform: Serve.level)
  var logLevel: Logger.Level?

  @Option(
    help: ArgumentHelp(
      "The most changes that one commit makes durable; 1 is for measuring what committing together gains.",
      valueName: "n", visibility: .hidden))
  var changesPerCommit: Int?

  private static func level(_ text: String) throws -> Logger.Level {
    guard let level = Logger.Level(rawValue: text) else {
      throw ValidationError("There is no log level \(text).")
    }
    return level
  }

  private struct Settings {
    var socket: String?
    var threads: Int?
    var origins: [String]
    var logLevel: Logger.Level
  }

  private func settings() throws -> Settings {
    let environment = ProcessInfo.processInfo.environment
    func variable(_ name: String) -> String? {
      environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
    var settings = Settings(
      socket: socket ?? variable("TOMI_SOCKET"), threads: threads,
      origins: origins.isEmpty
        ? (variable("TOMI_ALLOW_ORIGIN") ?? "").split(whereSeparator: { ", ".contains($0) })
          .map(String.init) : origins,
      logLevel: logLevel ?? .info)
    if threads == nil, let text = variable("TOMI_THREADS") {
      guard let number = Int(text) else {
        throw ValidationError("TOMI_THREADS is not a number: \(text)")
      }
      settings.threads = number
    }
    if let number = settings.threads, !(1...1024).contains(number) {
      throw ValidationError("The number of threads is 1 to 1024, not \(number).")
    }
    if let changesPerCommit, changesPerCommit < 1 {
      throw ValidationError("A commit makes one change at least.")
    }
    if logLevel == nil, let text = variable("TOMI_LOG_LEVEL") {
      settings.logLevel = try Serve.level(text)
    }
    for origin in settings.origins {
      guard
        origin.wholeMatch(
          of: /https?:\/\/[A-Za-z0-9.\-]+(:[0-9]+)?|https?:\/\/\[[0-9A-Fa-f:.]+\](:[0-9]+)?/)
          != nil
      else {
        throw ValidationError(
          "An origin is a scheme, a host and perhaps a port, such as https://app.example: \(origin)"
        )
      }
    }
    return settings
  }

  func validate() throws { _ = try settings() }

  func run() throws {
    // Before any thread starts, so that each inherits it.
    Signals.block()
    let settings = try settings()
    LoggingSystem.bootstrap { _ in
      var log = JSONLog()
      log.logLevel = settings.logLevel
      return log
    }
    let logger = Logger(label: "tomi-referrals")

    let listening: ListeningSocket
    if let inherited = try ListeningSocket.inherited() {
      listening = inherited
    } else if let path = settings.socket {
      listening = try ListeningSocket.bind(path: path)
    } else {
      throw ValidationError("No socket is named: give --socket PATH or set TOMI_SOCKET.")
    }
    defer { listening.close() }

    for migration in try Migrator.migrate(path: database.path) {
      logger.notice(
        "migrated",
        metadata: [
          "migration": .stringConvertible(migration.number), "name": "\(migration.name)",
        ])
    }
    let store = try Store(
      path: database.path, changesPerCommit: changesPerCommit,
      onFatal: { cause in
        logger.critical(
          "a change is in doubt, so the service ends", metadata: ["cause": "\(cause)"])
        _exit(Serve.inDoubt)
      })
    defer { store.close() }
    if let lost = store.lostEvents {
      logger.critical(
        "the database has lost events: its write-ahead log was removed or cut, or an older copy was put in place",
        metadata: [
          "expected": .stringConvertible(Int(lost.expected)),
          "found": .stringConvertible(Int(lost.found)),
        ])
      try store.acceptLoss(now: .present)
    }

    let router = Router(
      store: store, origins: settings.origins, logger: logger, clock: { .present })
    let configuration = Server.Configuration(threads: settings.threads)
    let metrics = Metrics(
      router: router, store: store, database: database.path, threads: configuration.threads)
    let server = Server(socket: listening, configuration: configuration) { request in
      Gateway.respond(to: request, router, metrics: metrics)
    }
    metrics.tell(of: server)
    Thread.detachNewThread {
      var signal = Signals.wait()
      while signal != SIGTERM && signal != SIGINT { signal = Signals.wait() }
      Systemd.notify("STOPPING=1")
      logger.notice("stopping", metadata: ["signal": "\(signal == SIGTERM ? "SIGTERM" : "SIGINT")"])
      server.stop()
    }
    logger.notice(
      "started",
      metadata: [
        "pid": .stringConvertible(Int(getpid())),
        "threads": .stringConvertible(configuration.threads),
      ])
    Systemd.notify("READY=1")
    Systemd.keepWatchdogQuiet(askingAt: listening.path)
    try server.run()
    logger.notice("stopped")
  }
}
