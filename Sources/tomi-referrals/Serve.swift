import API
import ArgumentParser
import Domain
import FastCGI
import Foundation
import Logging
import POSIX
import Store

/// `serve`: the responder.
struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Answer the web server's FastCGI requests until SIGTERM or SIGINT.",
    discussion: """
      The database is made or brought up to date first. The socket is one of its own (--socket), or
      one that is handed over: by systemd (descriptor 3) or by spawn-fcgi (descriptor 0).

      Callers have tokens of this service's own. Those of another sign-in are taken as well if it is
      told how to know them (--jwt-keys): sub is the user's ID, exp must be there, and clocks may
      differ by 60 seconds. The user must be known here, and not disabled. To change the keys, change
      the file and restart.

      It logs to standard error, one JSON object a line: its start and stop, migrations, and
      requests that failed or took longer than half a second. Under systemd it says when it is ready
      (Type=notify), and feeds the watchdog (WatchdogSec) for as long as it answers.

      On SIGTERM it answers what has arrived, then ends with 0. It ends with 75 when a failed write
      to disk left it in doubt about a change: start it again, and it knows.

      A database that cannot be written is served for reading, and changes are refused: what has
      changed about that counts from the next start.
      """)

  /// EX_TEMPFAIL of sysexits(3).
  private static let inDoubt: Int32 = 75

  @OptionGroup var database: DatabaseOption

  @Option(
    help: ArgumentHelp(
      "The Unix socket to make and to answer on (else TOMI_SOCKET).", valueName: "path"))
  var socket: String?

  @Option(
    help: ArgumentHelp(
      "Requests computed at once (else TOMI_THREADS, else 32 or more).", valueName: "n"))
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
    name: .customLong("jwt-keys"),
    help: ArgumentHelp(
      """
      A JWK Set in JSON: take JSON Web Tokens that one of its keys has signed (HS256, ES256 or \
      RS256), besides the service's own tokens. Needs --jwt-issuer and --jwt-audience \
      (else TOMI_JWT_KEYS).
      """, valueName: "file"))
  var webTokenKeys: String?

  @Option(
    name: .customLong("jwt-issuer"),
    help: ArgumentHelp("What iss must be in them (else TOMI_JWT_ISSUER).", valueName: "text"))
  var webTokenIssuer: String?

  @Option(
    name: .customLong("jwt-audience"),
    help: ArgumentHelp(
      "What aud must be or hold in them (else TOMI_JWT_AUDIENCE).", valueName: "text"))
  var webTokenAudience: String?

  @Option(
    name: .customLong("jwt-staff-claim"),
    help: ArgumentHelp(
      """
      The claim that makes their users staff: its name, if it is true then, or NAME=VALUE, if it is \
      that text or a list that holds it (else TOMI_JWT_STAFF_CLAIM; nobody).
      """, valueName: "claim"))
  var webTokenStaffClaim: String?

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
    var webTokens: WebTokens?
    var logLevel: Logger.Level
  }

  /// Another sign-in's tokens, as they are to be known.
  private struct WebTokens {
    let keys: String
    let issuer: String
    let audience: String
    let staffClaim: WebTokenVerifier.StaffClaim?

    /// - Throws: `CommandError` if the key set is of no use.
    func verifier() throws -> WebTokenVerifier {
      guard let keySet = FileManager.default.contents(atPath: keys) else {
        throw CommandError("the key set \(keys) cannot be read")
      }
      do {
        return try WebTokenVerifier(
          keySet: Array(keySet), issuer: issuer, audience: audience, staffClaim: staffClaim)
      } catch let error as KeySetError {
        throw CommandError("the key set \(keys) cannot be used: \(error.description)")
      }
    }
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
    settings.webTokens = try webTokens(
      keys: webTokenKeys ?? variable("TOMI_JWT_KEYS"),
      issuer: webTokenIssuer ?? variable("TOMI_JWT_ISSUER"),
      audience: webTokenAudience ?? variable("TOMI_JWT_AUDIENCE"),
      staffClaim: webTokenStaffClaim ?? variable("TOMI_JWT_STAFF_CLAIM"))
    return settings
  }

  private func webTokens(
    keys: String?, issuer: String?, audience: String?, staffClaim: String?
  ) throws -> WebTokens? {
    guard let keys else {
      guard issuer == nil, audience == nil, staffClaim == nil else {
        throw ValidationError("Without --jwt-keys no JSON Web Token is taken: name its file.")
      }
      return nil
    }
    guard let issuer, let audience else {
      throw ValidationError("--jwt-keys needs --jwt-issuer and --jwt-audience.")
    }
    let claim = staffClaim.map { WebTokenVerifier.StaffClaim($0) }
    if let staffClaim, claim == .some(nil) {
      throw ValidationError("A staff claim is NAME or NAME=VALUE, not \(staffClaim).")
    }
    return WebTokens(keys: keys, issuer: issuer, audience: audience, staffClaim: claim ?? nil)
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
    let verifier = try settings.webTokens?.verifier()

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
      },
      onMaintenanceError: { cause in
        logger.error(
          "the write-ahead log cannot be copied into the database", metadata: ["cause": "\(cause)"])
      })
    defer { store.close() }
    if store.isReadOnly {
      logger.critical(
        "the database cannot be written, so changes are refused until the service is started again")
    } else if let lost = store.lostEvents {
      logger.critical(
        "the database has lost events: its write-ahead log was removed or cut, or an older copy was put in place",
        metadata: [
          "expected": .stringConvertible(Int(lost.expected)),
          "found": .stringConvertible(Int(lost.found)),
        ])
      try store.acceptLoss(now: .present)
    }

    let router = Router(
      store: store, origins: settings.origins, verifier: verifier, logger: logger,
      clock: { .present })
    let configuration = Server.Configuration(threads: settings.threads)
    let metrics = Metrics(
      router: router, store: store, database: database.path, threads: configuration.threads)
    let server = Server(
      socket: listening, configuration: configuration,
      onAbnormalEnds: { counts in
        logger.warning(
          "connections of the web server ended abnormally",
          metadata: Dictionary(
            uniqueKeysWithValues: counts.map { ($0.rawValue, .stringConvertible($1)) }))
      },
      handler: { request, reply in
        Gateway.respond(to: request, router: router, metrics: metrics, reply: reply)
      })
    metrics.tell(of: server)
    try POSIX.Thread(name: "signals") {
      var signal = Signals.wait()
      while signal != SIGTERM && signal != SIGINT { signal = Signals.wait() }
      Systemd.notify("STOPPING=1")
      logger.notice("stopping", metadata: ["signal": "\(signal == SIGTERM ? "SIGTERM" : "SIGINT")"])
      server.stop()
    }.detach()
    logger.notice(
      "started",
      metadata: [
        "pid": .stringConvertible(Int(getpid())),
        "threads": .stringConvertible(configuration.threads),
      ])
    Systemd.notify("READY=1")
    try Systemd.keepWatchdogQuiet(askingAt: listening.path)
    try server.run()
    logger.notice("stopped")
  }
}
