/// Where a message is on its way to the machine's mail system.
package enum MessageStatus: String, CaseIterable, Sendable {
  case queued
  /// The mailer has it in hand.
  case sending
  /// The mail system has taken it.
  case sent
  case failed, cancelled
}

/// The answer of the machine's mail system to a letter. The texts are for staff, in one line.
package enum DeliveryResult: Equatable, Sendable {
  case accepted
  /// It may be accepted later.
  case temporarily(String)
  /// It will never be accepted.
  case permanently(String)
}

/// How often messages are sent.
package enum MessageLimits {
  /// How many minutes after each attempt the next one follows. After the last one the message has failed.
  package static let retryMinutes = [1, 5, 30, 120, 720]
  /// The most messages to an address within 24 hours. Staff's have no limit. Those that somebody asked for without a
  /// token are counted apart, so that they keep no others back.
  package static let perDay = 20
  /// The most messages within an hour that somebody without a token can have sent to an address.
  package static let askedForPerHour = 5
  /// How long the text of a message is kept that is sent, failed or cancelled.
  package static let textDays = 90
  /// How long a code for signing in is valid after the letter is handed over.
  package static let signInMinutes = 15
  /// How long a token lasts that somebody gets for such a code.
  package static let signInDays = 30
  /// How long the waiting list keeps an address that is not confirmed.
  package static let confirmationDays = 7
}

/// What keeps a request from being introduced, or its letters from being sent, beside an ``Ineligibility`` of its
/// partner.
package enum MissingForIntroduction: String, CaseIterable, Sendable {
  case partner = "partner_missing"
  case contact = "contact_missing"
  case consent = "consent_missing"
  /// The service has no sender's address, so that it sends no messages.
  case mail = "mail_not_configured"
}
