import Domain
import Glibc
import POSIX
import Store

/// Hands the messages of the outbox to the machine's mail system, one after the other.
package final class Mailer: Sendable {
  /// What became of a message.
  package struct Attempt: Sendable {
    package let id: ID
    package let kind: MessageKind
    package let result: DeliveryResult
    /// When the next attempt follows; nil if there is none.
    package let next: Timestamp?
  }

  private let store: Store
  private let sender: Mailbox
  private let replyTo: Mailbox?
  private let delivery: Delivery
  private let limit: Duration
  private let secret: @Sendable () -> (code: String, sha256: [UInt8])
  private let clock: @Sendable () -> Timestamp
  private let report: @Sendable (Attempt) -> Void
  private let onError: @Sendable (any Error) -> Void
  private let isStopping = Monitor(false)

  /// - Parameters:
  ///   - store: With the settings of messages.
  ///   - sender: Who the letters are from.
  ///   - replyTo: Who gets the answers; nil: the sender.
  ///   - limit: How long the mail program may take for a letter.
  ///   - secret: Makes a code for a letter, with its SHA-256.
  ///   - report: Called after each attempt.
  ///   - onError: Called with what keeps a message from being made or noted at the moment.
  package init(
    store: Store, sender: Mailbox, replyTo: Mailbox?, delivery: Delivery,
    limit: Duration = .seconds(60),
    secret: @escaping @Sendable () -> (code: String, sha256: [UInt8]),
    clock: @escaping @Sendable () -> Timestamp,
    report: @escaping @Sendable (Attempt) -> Void, onError: @escaping @Sendable (any Error) -> Void
  ) {
    self.store = store
    self.sender = sender
    self.replyTo = replyTo
    self.delivery = delivery
    self.limit = limit
    self.secret = secret
    self.clock = clock
    self.report = report
    self.onError = onError
  }

  /// Makes the messages whose time has come, hands over all that are due, and forgets what is too old.
  ///
  /// - Throws: `Failure.unavailable`.
  package func run() throws {
    try remind()
    try handOver()
    try store.write(now: clock(), actor: nil) { try $0.forgetOldMessages() }
  }

  /// Does what ``run()`` does whenever there is something to do, until ``stop()`` is called.
  ///
  /// It looks for a message that is due each second, which reads no more than SQLite keeps in memory unless the
  /// database has changed; and for reminders each minute.
  ///
  /// After an error it goes on after five seconds.
  package func watch() {
    var nextReminders = MonotonicInstant.now
    var nextForgetting = MonotonicInstant.now
    while !pause(.zero) {
      do {
        if MonotonicInstant.now >= nextReminders {
          nextReminders = .now + .seconds(60)
          try remind()
        }
        if MonotonicInstant.now >= nextForgetting {
          try store.write(now: clock(), actor: nil) { try $0.forgetOldMessages() }
          nextForgetting = .now + .seconds(3600)
        }
        let now = clock()
        if let due = try store.read(now: now, { try $0.nextMessageDue() }), due <= now {
          try handOver()
        }
        _ = pause(.seconds(1))
      } catch {
        onError(error)
        _ = pause(.seconds(5))
        // Nothing is in hand here, whatever the error was.
        _ = try? store.write(now: clock(), actor: nil) { try $0.requeueInterruptedMessages() }
      }
    }
  }

  /// Ends ``watch()`` and ``run()`` after the letter in hand. It can be called on any thread.
  package func stop() { isStopping.change { $0 = true } }

  /// - Returns: Whether it was told to stop.
  private func pause(_ duration: Duration) -> Bool {
    isStopping.wait(until: .now + duration) { $0 }
  }

  /// Makes the messages whose time has come. Each is a change of its own, so that others do not wait long, and so that
  /// one that can't be made keeps no other back.
  private func remind() throws {
    var before: [Reminder] = []
    while !pause(.zero) {
      let due = try store.read(now: clock()) { try $0.dueReminders() }
      // What is left can't be made now.
      guard due != before else { return }
      for reminder in due {
        do {
          try store.write(now: clock(), actor: nil) { try $0.remind(reminder) }
        } catch {
          onError(error)
        }
      }
      before = due
    }
  }

  private func handOver() throws {
    while !pause(.zero) {
      let taken = try store.write(now: clock(), actor: nil) { [secret] change in
        try change.takeMessage(secret: secret)
      }
      guard let taken else { return }
      let message = MailMessage(
        from: sender, to: Mailbox(name: taken.name, address: taken.address), replyTo: replyTo,
        subject: taken.letter.subject, text: taken.letter.text, messageID: taken.messageID,
        date: taken.createdAt)
      let result = delivery.deliver(
        message.bytes, from: sender.address, to: taken.address, id: taken.id, limit: limit)
      let next = try note(result, of: taken)
      report(Attempt(id: taken.id, kind: taken.kind, result: result, next: next))
    }
  }

  /// Notes a result. The note is worth waiting for a full disk or a lock, because the letter is repeated without it.
  /// After ``stop()`` it tries three times more.
  private func note(_ result: DeliveryResult, of taken: Dispatch) throws -> Timestamp? {
    var attemptsAfterStop = 3
    while true {
      do {
        return try store.write(now: clock(), actor: nil) { try $0.note(result, of: taken) }
      } catch let failure as Failure where attemptsAfterStop > 0 {
        onError(failure)
        guard pause(.seconds(5)) else { continue }
        attemptsAfterStop -= 1
        sleep(1)
      }
    }
  }
}
