import API
import ArgumentParser
import Domain
import FastCGI
import Foundation
import Logging
import Mail
import POSIX
import Store

/// `mail`: hands the messages to the machine's mail system.
struct MailCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mail", abstract: "Hand over the messages that are due to the mail system.",
    discussion: """
      The service writes messages into the database. This command gives each to a program with the \
      interface of sendmail(1), which postfix, msmtp, nullmailer and exim have, or with --into writes \
      it to a file. It also makes the messages whose time has come: reminders, credentials that \
      expire, what the waiting list waits for.

      Each letter is the standard input of the program, which has 60 seconds. If it exits with 64, 65, \
      67, 68 or 77 (sysexits(3)), the message has failed. After any other failure it is tried again \
      after 1, 5 and 30 minutes, 2 and 12 hours. `GET /api/admin/messages` shows the messages, and the \
      reasons of failures.

      A message can arrive twice if the machine or this command stops between the hand-over and the \
      note of it. Both copies have the same Message-ID.

      Only one such command can run for a database. Without --watch it ends when nothing is due any \
      more. With it, it ends on SIGTERM or SIGINT, after the letter in hand; and it logs to standard \
      error, one JSON object per line.
      """)

  @OptionGroup var database: DatabaseOption

  @OptionGroup var mail: MailOptions

  @Flag(help: "Wait for messages and hand them over until SIGTERM or SIGINT.")
  var watch = false

  @Option(
    help: ArgumentHelp(
      "The mail program (default: TOMI_SENDMAIL, or /usr/sbin/sendmail).", valueName: "path"))
  var sendmail: String?

  @Option(
    help: ArgumentHelp(
      "Write each letter to a file in this directory instead, as ID.eml.", valueName: "directory"))
  var into: String?

  @Flag(help: "Check the templates, and do nothing else.")
  var checkTemplates = false

  func validate() throws {
    if checkTemplates { return }
    if sendmail != nil, into != nil {
      throw ValidationError("Use either --sendmail or --into.")
    }
    guard try mail.sender() != nil else {
      throw ValidationError(
        "No sender is given. Use --mail-from ADDRESS or set TOMI_MAIL_FROM.")
    }
  }

  private func delivery() throws -> Delivery {
    if let into { return .directory(into) }
    return .program(
      path: try value(of: sendmail, or: "TOMI_SENDMAIL") ?? "/usr/sbin/sendmail")
  }

  func run() throws {
    let settings = try mail.settings()
    if checkTemplates { return print("The templates are fine.") }
    // Before any thread starts, so that each inherits it.
    Signals.block()
    let logger = JSONLog()
    let store = try database.open(mail: settings) { cause in
      logger.log(
        .critical, "it is unknown whether a change was stored, so the mailer ends",
        ["cause": "\(cause)"])
      _exit(Serve.inDoubt)
    }
    defer { store.close() }
    guard let sender = settings.sender else { return }
    let counts = Lock(Counts())
    let isWatching = watch
    let mailer = Mailer(
      store: store, sender: Mailbox(name: "Tomi", address: sender),
      replyTo: settings.staffAddress.map { Mailbox(name: "Tomi", address: $0) },
      delivery: try delivery(),
      secret: {
        let code = AccessToken.newCode()
        return (code, AccessToken.sha256(of: code))
      }, clock: { .present },
      report: { attempt in
        counts.withLock { $0.add(attempt) }
        if isWatching {
          MailCommand.log(attempt, logger)
        } else {
          Progress.update("Handing over: \(counts.withLock { $0.text })")
        }
      },
      onError: { error in
        logger.log(.error, "a message can't be made or noted", ["cause": "\(error)"])
      })
    try POSIX.Thread(name: "signals") {
      var signal = Signals.wait()
      while signal != SIGTERM && signal != SIGINT { signal = Signals.wait() }
      Systemd.notify("STOPPING=1")
      mailer.stop()
    }.detach()
    let ended: Void? = try store.aloneAsMailer(now: .present) {
      guard watch else { return try mailer.run() }
      Systemd.notify("READY=1")
      logger.log(.notice, "started")
      mailer.watch()
      logger.log(.notice, "stopped")
    }
    guard ended != nil else {
      throw CommandError("another `tomi-referrals mail` hands over the messages of this database")
    }
    guard !watch else { return }
    Progress.end()
    print(counts.withLock { $0.text + "." })
    // A failure should not pass unnoticed in a timer or a script.
    if counts.withLock({ $0.failed + $0.retried }) > 0 { throw ExitCode.failure }
  }

  /// What became of the messages.
  private struct Counts: Sendable {
    var sent = 0
    var retried = 0
    var failed = 0

    mutating func add(_ attempt: Mailer.Attempt) {
      switch attempt.result {
      case .accepted: sent += 1
      default: if attempt.next == nil { failed += 1 } else { retried += 1 }
      }
    }

    var text: String {
      var parts = ["\(Wording.count(sent, "message")) sent"]
      if retried > 0 { parts.append("\(retried) to be tried again") }
      if failed > 0 { parts.append("\(failed) failed") }
      return parts.joined(separator: ", ")
    }
  }

  /// Logs an attempt, without what says to whom it was.
  private static func log(_ attempt: Mailer.Attempt, _ logger: JSONLog) {
    var metadata: Logger.Metadata = [
      "id": "\(attempt.id)", "kind": "\(attempt.kind.rawValue)",
    ]
    switch attempt.result {
    case .accepted: logger.log(.info, "message sent", metadata)
    case .temporarily, .permanently:
      if let next = attempt.next {
        metadata["next"] = "\(next)"
        logger.log(.warning, "message to be tried again", metadata)
      } else {
        logger.log(.error, "message failed", metadata)
      }
    }
  }
}

extension JSONLog {
  fileprivate func log(
    _ level: Logger.Level, _ message: Logger.Message, _ metadata: Logger.Metadata = [:]
  ) {
    var logger = Logger(label: "tomi-referrals") { _ in self }
    logger.logLevel = .info
    logger.log(level: level, message, metadata: metadata)
  }
}
