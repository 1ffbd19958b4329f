import API
import ArgumentParser
import Domain
import FastCGI
import Foundation
import Logging
import POSIX
import Store

/// `serve`: runs the service.
struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Answer the web server's FastCGI requests until SIGTERM or SIGINT.",
    discussion: """
      First the database is created, or its schema is brought up to date. The service answers on a \
      socket that systemd passes (descriptor 3), that spawn-fcgi passes (descriptor 0), or that it \
      creates (--socket).

      Callers identify themselves with this service's tokens. With --jwt-keys, the service also \
      accepts JSON Web Tokens of another sign-in. The claim sub is the user's ID, the claim exp is \
      required, and clocks may differ by 60 seconds. The user must exist here, and not be disabled. \
      To change the keys, change the file and restart the service.

      The file of --consent-file has the text that members agree to before their contact data is \
      shared with a partner: a line with its version, such as "Version: 2026-01", an empty line, and \
      the text in UTF-8. The service shows it at /api/consent, and takes no other version from a \
      member. For a new text, give it a new version and restart the service.

      The log goes to standard error, one JSON object per line: start and stop, migrations, and \
      requests that fail with 5xx or take longer than half a second. At the level debug it also has \
      refused requests (4xx). Under systemd, the service reports when \
      it is ready (Type=notify), and notifies the watchdog (WatchdogSec) for as long as it answers.

      On SIGTERM the service answers the requests that have arrived, and exits with 0. It exits with \
      75 when a write to disk failed and it cannot know whether a change was stored. Start it again: \
      it reads the truth from the disk.

      If the database can only be read, the service answers reads and refuses changes until it is \
      restarted.
      """)

  /// EX_TEMPFAIL of sysexits(3).
  static let inDoubt: Int32 = 75

  @OptionGroup var database: DatabaseOption

  @OptionGroup var socket: SocketOption

  @Option(
    help: ArgumentHelp(
      """
      How many requests may be computed at once, 1 to 1024 (default: TOMI_THREADS, or 8 for each \
      processor and at least 32).
      """, valueName: "n"))
  var threads: Int?

  @Option(
    name: .customLong("allow-origin"),
    help: ArgumentHelp(
      """
      An origin whose pages may call the service from a browser, such as https://app.example. Repeat \
      the option for several (default: TOMI_ALLOW_ORIGIN, separated by commas or spaces).
      """, valueName: "origin"))
  var origins: [String] = []

  @Option(
    name: .customLong("jwt-keys"),
    help: ArgumentHelp(
      """
      A JWK Set in JSON. JSON Web Tokens that one of its keys has signed (HS256, ES256 or RS256) are \
      accepted. Needs --jwt-issuer and --jwt-audience (default: TOMI_JWT_KEYS).
      """, valueName: "file"))
  var webTokenKeys: String?

  @Option(
    name: .customLong("jwt-issuer"),
    help: ArgumentHelp("The required claim iss (default: TOMI_JWT_ISSUER).", valueName: "text"))
  var webTokenIssuer: String?

  @Option(
    name: .customLong("jwt-audience"),
    help: ArgumentHelp(
      "The required claim aud, or one of its values (default: TOMI_JWT_AUDIENCE).",
      valueName: "text"))
  var webTokenAudience: String?

  @Option(
    name: .customLong("jwt-staff-claim"),
    help: ArgumentHelp(
      """
      The claim that makes a user staff: NAME if it must be true, or NAME=VALUE if it must be that \
      text or a list that contains it (default: TOMI_JWT_STAFF_CLAIM, or no claim).
      """, valueName: "claim"))
  var webTokenStaffClaim: WebTokenVerifier.StaffClaim?

  @Option(
    help: ArgumentHelp(
      """
      How many requests a group may make in 24 hours, at least 1; staff may make more for it (default: \
      TOMI_GROUP_REQUESTS_PER_DAY, or 30).
      """, valueName: "n"))
  var groupRequestsPerDay: Int?

  @Option(
    help: ArgumentHelp(
      """
      How many changes a partner may make in 24 hours, at least 1 (default: \
      TOMI_PARTNER_CHANGES_PER_DAY, or 200).
      """, valueName: "n"))
  var partnerChangesPerDay: Int?

  @Option(
    help: ArgumentHelp(
      "The text that members agree to (default: TOMI_CONSENT_FILE, or none).", valueName: "file"))
  var consentFile: String?

  @Flag(
    help: ArgumentHelp(
      """
      Refuse a member's request without consent to the text, and an introduction without consent. Needs \
      --consent-file (default: TOMI_REQUIRE_CONSENT, true or false).
      """))
  var requireConsent = false

  @OptionGroup var mail: MailOptions

  @Option(
    name: .customLong("log-level"),
    help: ArgumentHelp(
      "The lowest level that is logged (default: TOMI_LOG_LEVEL, or info).", valueName: "level"))
  var logLevel: Logger.Level?

  @Option(
    help: ArgumentHelp(
      "The most changes in one transaction; 1 is for measuring the gain of larger ones.",
      valueName: "n", visibility: .hidden))
  var changesPerCommit: Int?

  /// The number of threads; nil for the default.
  private func threadLimit() throws -> Int? {
    let limit = try value(of: threads, or: "TOMI_THREADS")
    if let limit, !(1...1024).contains(limit) {
      throw ValidationError("The number of threads must be from 1 to 1024.")
    }
    return limit
  }

  private func quotas() throws -> Quotas {
    var quotas = Quotas()
    if let limit = try value(of: groupRequestsPerDay, or: "TOMI_GROUP_REQUESTS_PER_DAY") {
      quotas.groupRequestsPerDay = limit
    }
    if let limit = try value(of: partnerChangesPerDay, or: "TOMI_PARTNER_CHANGES_PER_DAY") {
      quotas.partnerChangesPerDay = limit
    }
    guard quotas.groupRequestsPerDay >= 1, quotas.partnerChangesPerDay >= 1 else {
      throw ValidationError("A quota must be at least 1.")
    }
    return quotas
  }

  /// Checks the options for consent.
  ///
  /// - Returns: A function that reads the file, and throws `CommandError` if it cannot be used.
  private func consent() throws -> () throws -> ConsentPolicy {
    let path = try value(of: consentFile, or: "TOMI_CONSENT_FILE")
    let isRequired = try value(of: requireConsent ? true : nil, or: "TOMI_REQUIRE_CONSENT") ?? false
    guard let path else {
      if isRequired { throw ValidationError("--require-consent needs --consent-file.") }
      return { ConsentPolicy() }
    }
    return {
      guard let file = FileManager.default.contents(atPath: path) else {
        throw CommandError("cannot read the consent file \(path)")
      }
      guard let text = String(validating: file, as: UTF8.self) else {
        throw CommandError("cannot use the consent file \(path): it is not UTF-8")
      }
      do {
        return ConsentPolicy(present: try Consent(file: text), isRequired: isRequired)
      } catch {
        throw CommandError("cannot use the consent file \(path): \(error)")
      }
    }
  }

  private func level() throws -> Logger.Level {
    try value(of: logLevel, or: "TOMI_LOG_LEVEL") ?? .info
  }

  private func allowedOrigins() throws -> [String] {
    let listed = (environment("TOMI_ALLOW_ORIGIN") ?? "").split { ", ".contains($0) }
    let allowed = origins.isEmpty ? listed.map(String.init) : origins
    let form = /https?:\/\/([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?/
    if let origin = allowed.first(where: { $0.wholeMatch(of: form) == nil }) {
      throw ValidationError(
        "'\(origin)' is not an origin: a scheme, a host and an optional port, such as https://app.example."
      )
    }
    return allowed
  }

  /// Checks the options for another sign-in's tokens.
  ///
  /// - Returns: A function that reads the key set, and throws `CommandError` if it cannot be used; nil if no
  ///   such tokens are accepted.
  private func webTokens() throws -> (() throws -> WebTokenVerifier)? {
    let keys = try value(of: webTokenKeys, or: "TOMI_JWT_KEYS")
    let issuer = try value(of: webTokenIssuer, or: "TOMI_JWT_ISSUER")
    let audience = try value(of: webTokenAudience, or: "TOMI_JWT_AUDIENCE")
    let staffClaim = try value(of: webTokenStaffClaim, or: "TOMI_JWT_STAFF_CLAIM")
    if keys == nil, issuer == nil, audience == nil, staffClaim == nil { return nil }
    guard let keys, let issuer, let audience else {
      throw ValidationError(
        "JSON Web Tokens need all of --jwt-keys, --jwt-issuer and --jwt-audience.")
    }
    return {
      guard let file = FileHandle(forReadingAtPath: keys), let keySet = try? file.readToEnd() else {
        throw CommandError("cannot read the key set \(keys)")
      }
      var status = stat()
      guard fstat(file.fileDescriptor, &status) == 0 else {
        throw CommandError("cannot read the key set \(keys): \(systemErrorText(errno))")
      }
      do {
        let verifier = try WebTokenVerifier(
          keySet: Array(keySet), issuer: issuer, audience: audience, staffClaim: staffClaim)
        if status.st_mode & S_IWOTH != 0 {
          throw KeySetError("every user of this machine can write it; run chmod o= on it")
        }
        if verifier.hasSecret, status.st_mode & S_IROTH != 0 {
          throw KeySetError(
            "it has a secret for HS256, and every user of this machine can read it; run chmod o= on it"
          )
        }
        return verifier
      } catch let error as KeySetError {
        throw CommandError("cannot use the key set \(keys): \(error)")
      }
    }
  }

  func validate() throws {
    _ = (
      try threadLimit(), try allowedOrigins(), try quotas(), try consent(), try level(),
      try webTokens()
    )
    if let changesPerCommit, changesPerCommit < 1 {
      throw ValidationError("A transaction needs at least one change.")
    }
  }

  func run() throws {
    // Before any thread starts, so that each inherits it.
    Signals.block()
    let configuration = Server.Configuration(threads: try threadLimit())
    let origins = try allowedOrigins()
    let quotas = try quotas()
    let consent = try consent()()
    let level = try level()
    let verifier = try webTokens()?()
    let mail = try mail.settings()
    LoggingSystem.bootstrap { _ in
      var log = JSONLog()
      log.logLevel = level
      return log
    }
    let logger = Logger(label: "tomi-referrals")

    let listening = try ListeningSocket.inherited() ?? ListeningSocket.bind(path: socket.path)
    defer { listening.close() }
    let migrations = try Migrator.migrate(path: database.path) { migration, share in
      let percent = Int(100 * share)
      Systemd.notify("STATUS=Applying migration \(migration.number): \(percent) %")
      if share == 0 {
        logger.notice(
          "migrating",
          metadata: [
            "migration": .stringConvertible(migration.number), "name": "\(migration.name)",
          ])
      }
    }
    for migration in migrations {
      logger.notice(
        "migrated",
        metadata: [
          "migration": .stringConvertible(migration.number), "name": "\(migration.name)",
        ])
    }
    if !migrations.isEmpty { Systemd.notify("STATUS=") }
    let store = try openStore(mail, logger)
    defer { store.close() }

    let router = Router(
      store: store, origins: origins, verifier: verifier, quotas: quotas, consent: consent,
      logger: logger, clock: { .present })
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
    metrics.include(server)
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
    try Systemd.notifyWatchdog(whileAnsweringAt: listening.path)
    try server.run()
    logger.notice("stopped")
  }

  /// Opens the store, and logs what is wrong with the database.
  private func openStore(_ mail: MailSettings, _ logger: Logger) throws -> Store {
    let store = try Store(
      path: database.path, mail: mail, changesPerCommit: changesPerCommit,
      onFatal: { cause in
        logger.critical(
          "it is unknown whether a change was stored, so the service ends",
          metadata: ["cause": "\(cause)"])
        _exit(Serve.inDoubt)
      },
      onMaintenanceError: { cause in
        logger.error(
          "the write-ahead log cannot be copied into the database", metadata: ["cause": "\(cause)"])
      })
    if store.isReadOnly {
      logger.critical(
        "the database cannot be written; changes are refused until the service is restarted")
    } else if let lost = store.lostEvents {
      logger.critical(
        """
        the database has lost events: its write-ahead log was removed or truncated, or the database \
        was replaced by an older copy
        """,
        metadata: [
          "expected": .stringConvertible(Int(lost.expected)),
          "found": .stringConvertible(Int(lost.found)),
        ])
      try store.acceptLoss(now: .present)
    }
    return store
  }
}

// swift-format-ignore: AvoidRetroactiveConformances
// No other package imports an executable.
extension Logger.Level: @retroactive ExpressibleByArgument {}

extension WebTokenVerifier.StaffClaim: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}
