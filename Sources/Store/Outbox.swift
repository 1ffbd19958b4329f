import Domain
import JSON
import SQLite

/// Who the messages are from, where their links lead, and how they are written.
package struct MailSettings: Sendable {
  /// The sender's address. Without one no message is queued.
  package var sender: String?
  /// Where messages to staff go that are nobody's in particular.
  package var staffAddress: String?
  /// The address of the service's pages, such as `https://referrals.example`, without a slash at the end.
  package var publicURL: String?
  /// Writes a letter of a kind from its values.
  package var letter: @Sendable (MessageKind, JSON) throws -> Letter

  package init(
    sender: String? = nil, staffAddress: String? = nil, publicURL: String? = nil,
    letter: @escaping @Sendable (MessageKind, JSON) throws -> Letter
  ) {
    self.sender = sender
    self.staffAddress = staffAddress
    self.publicURL = publicURL
    self.letter = letter
  }

  /// The domain of an e-mail address.
  static func domain(_ address: String) -> String {
    String(address.split(separator: "@").last ?? "localhost")
  }

  /// A letter whose values are those of its kind and what every letter has.
  func write(_ kind: MessageKind, _ values: [JSON.Member]) throws -> Letter {
    try letter(
      kind,
      .object(
        values + [
          JSON.Member("staff_address", staffAddress.map(JSON.string) ?? .null),
          JSON.Member("public_url", publicURL.map(JSON.string) ?? .null),
        ]))
  }
}

extension Snapshot {
  /// The links of a letter by name, each with its path; all null without the address of the pages.
  func links(_ paths: KeyValuePairs<String, String>) -> JSON.Member {
    JSON.Member(
      "links",
      .object(
        paths.map { name, path in
          JSON.Member(name, mail?.publicURL.map { JSON.string($0 + path) } ?? .null)
        }))
  }
}

extension Store {
  /// Runs `body` while no other process hands over the messages of the database. What such a process had in hand
  /// when it ended is queued again first.
  ///
  /// - Returns: Nil if another process does.
  /// - Throws: `Failure.unavailable`, what `body` throws.
  package func aloneAsMailer<Value>(now: Timestamp, _ body: () throws -> Value) throws -> Value? {
    try Store.translatingErrors {
      try database.alone(suffix: ".mailer") {
        _ = try write(now: now, actor: nil) { try $0.requeueInterruptedMessages() }
        return try body()
      }
    }
  }
}

/// Who gets a message.
struct Recipient {
  let address: String
  let name: String?
  /// The user, if the recipient is one.
  var user: ID?
  var isStaff = false
}

/// What a message is about.
struct MessageSubject {
  var referral: ID?
  var partner: ID?
  var credential: ID?
  var waiting: ID?
}

/// A letter that the mailer hands over.
package struct Dispatch: Sendable {
  package let number: Int
  package let id: ID
  package let kind: MessageKind
  package let address: String
  package let name: String?
  package let letter: Letter
  package let messageID: String
  package let createdAt: Timestamp
}

extension Change {
  // MARK: - Queueing

  /// Queues a message, if the service sends any.
  ///
  /// - Parameters:
  ///   - recipient: Nil: there is nobody. With a cause, a cancelled message records that.
  ///   - cause: What the message is made for. It is made once for each cause; nil: each time.
  ///   - values: The values of the letter.
  func queue(
    _ kind: MessageKind, to recipient: Recipient?, about subject: MessageSubject,
    cause: String? = nil, _ values: () throws -> [JSON.Member]
  ) throws {
    guard let mail, let sender = mail.sender else { return }
    guard recipient != nil || cause != nil else { return }
    if let cause, try isMade(cause) { return }
    let letter = try mail.write(kind, values())
    let id = newID()
    try connection.run(
      """
      INSERT INTO messages (id, kind, recipient, recipient_key, recipient_name, to_staff, subject,
        text, status, referral_id, partner_id, user_id, credential_id, waiting_id, cause,
        message_id, last_error, created_at, due_at)
      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?18)
      """, id.text, kind.rawValue, recipient?.address, recipient?.address.comparisonKey,
      recipient?.name, recipient?.isStaff ?? true, letter.subject,
      kind.isAskedFor ? nil : letter.text,
      (recipient == nil ? MessageStatus.cancelled : .queued).rawValue, subject.referral?.text,
      subject.partner?.text, recipient?.user?.text, subject.credential?.text,
      subject.waiting?.text, cause, "<\(id)@\(MailSettings.domain(sender))>",
      recipient == nil ? "There was nobody to send it to." : nil, now.text)
  }

  /// Whether a message is made for a cause, whatever became of it.
  func isMade(_ cause: String) throws -> Bool {
    try connection.row("SELECT 1 FROM messages WHERE cause = ?", cause) { _ in true } ?? false
  }

  /// A user as a recipient.
  func recipient(_ user: User) -> Recipient {
    Recipient(address: user.email, name: user.name, user: user.id)
  }

  /// A partner as a recipient; nil for a removed one.
  func recipient(_ partner: Partner) -> Recipient? {
    guard partner.status != .removed else { return nil }
    return Recipient(
      address: partner.email, name: partner.text("contact_name") ?? partner.companyName,
      user: partner.userID)
  }

  /// Staff's address.
  var staff: Recipient? {
    mail?.staffAddress.map { Recipient(address: $0, name: nil, isStaff: true) }
  }

  /// Cancels the messages of some kinds that a condition selects and that are not sent yet. One that the mailer has in
  /// hand may be sent nevertheless, but is not tried again.
  func cancelMessages(
    of kinds: [MessageKind], _ condition: String, _ argument: any Bindable
  ) throws {
    guard !kinds.isEmpty else { return }
    // The unary plus keeps SQLite from walking the kinds.
    let marks = kinds.map { _ in "?" }.joined(separator: ", ")
    try connection.run(
      """
      UPDATE messages SET status = 'cancelled'
      WHERE \(condition) AND +kind IN (\(marks)) AND +status IN ('queued', 'sending')
      """, arguments: [argument] + kinds.map(\.rawValue))
  }

  // MARK: - Handing over

  /// Takes the next message that is due for the mailer: it is `sending` from now on.
  ///
  /// A message to an address that has got as many as it may within 24 hours waits. One that has no reason any more is
  /// cancelled. One that carries a code is written here. What people wait for comes first.
  ///
  /// - Parameter secret: Makes a code, with its SHA-256.
  /// - Returns: Nil if none is due.
  package func takeMessage(
    secret: () -> (code: String, sha256: [UInt8])
  ) throws -> Dispatch? {
    while let next = try nextMessage(askedFor: true) ?? nextMessage(askedFor: false) {
      guard try hasReason(next) else { continue }
      if let later = try whenAllowed(next) {
        try connection.run(
          "UPDATE messages SET due_at = ? WHERE number = ?", later.text, next.number)
        continue
      }
      guard let letter = try letter(of: next, secret: secret) else {
        try connection.run("UPDATE messages SET status = 'cancelled' WHERE number = ?", next.number)
        continue
      }
      try connection.run(
        """
        UPDATE messages
        SET status = 'sending', attempts = attempts + 1, recipient = ?, recipient_key = ?
        WHERE number = ?
        """, next.address, next.address.comparisonKey, next.number)
      return Dispatch(
        number: next.number, id: next.id, kind: next.kind, address: next.address, name: next.name,
        letter: letter, messageID: next.messageID, createdAt: next.createdAt)
    }
    return nil
  }

  private struct QueuedMessage {
    let number: Int
    let id: ID
    let kind: MessageKind
    let address: String
    let name: String?
    let isToStaff: Bool
    let subject: String
    let text: String?
    let user: ID?
    let referral: ID?
    let waiting: ID?
    let messageID: String
    let createdAt: Timestamp
  }

  /// The condition that a message goes to a partner, at the partner's own address.
  static let isToPartner = """
    (NOT m.to_staff AND m.kind IN
      (\(MessageKind.allCases.filter(\.isToPartner).map { "'\($0.rawValue)'" }.joined(separator: ", "))))
    """

  /// The present address of a message's recipient, who may have got another one since the message was made.
  static let presentAddress = """
    CASE WHEN \(isToPartner) THEN (SELECT email FROM partners WHERE id = m.partner_id)
    WHEN m.user_id IS NOT NULL THEN (SELECT email FROM users WHERE id = m.user_id)
    ELSE m.recipient END
    """

  /// - Parameter askedFor: Whether to look for what somebody asked for without a token.
  private func nextMessage(askedFor: Bool) throws -> QueuedMessage? {
    let asked = MessageKind.allCases.filter(\.isAskedFor).map(\.rawValue)
    // The first has an index of the status and the kind, the other one an index of the time.
    let condition = askedFor ? "m.kind IN (?, ?) AND +m.due_at <= ?" : "m.due_at <= ?"
    return try connection.row(
      """
      SELECT m.number, m.id, m.kind, \(Change.presentAddress), m.recipient_name, m.to_staff,
        m.subject, m.text, m.user_id, m.referral_id, m.waiting_id, m.message_id, m.created_at
      FROM messages AS m WHERE m.status = 'queued' AND \(condition)
      ORDER BY m.due_at, m.number LIMIT 1
      """, arguments: (askedFor ? asked : []) + [now.text]
    ) { row in
      QueuedMessage(
        number: row.int(0), id: try row.id(1), kind: try row.word(2), address: row.text(3),
        name: row.textOrNil(4), isToStaff: row.int(5) != 0, subject: row.text(6),
        text: row.textOrNil(7), user: row.textOrNil(8).flatMap { ID($0) },
        referral: row.textOrNil(9).flatMap { ID($0) },
        waiting: row.textOrNil(10).flatMap { ID($0) }, messageID: row.text(11),
        createdAt: try row.time(12))
    }
  }

  /// Whether a message still has a reason, as far as no change cancels it. If not, it is cancelled, or removed if its
  /// reason may come back.
  private func hasReason(_ message: QueuedMessage) throws -> Bool {
    if message.kind == .coverageAvailable {
      let isAvailable = try connection.row(
        """
        SELECT 1 FROM waiting_list AS w JOIN service_area_coverage AS a
          ON a.state_code = w.state_code AND a.partner_type = w.partner_type
        WHERE w.id = ? AND a.status = 'available'
        """, message.waiting?.text
      ) { _ in true }
      if isAvailable == true { return true }
      try connection.run("DELETE FROM messages WHERE number = ?", message.number)
      return false
    }
    guard !message.isToStaff, !message.kind.isToPartner, let user = message.user,
      let id = message.referral, let referral = try referral(id),
      try reachable(user, inGroup: referral.groupID) == nil
    else { return true }
    try connection.run("UPDATE messages SET status = 'cancelled' WHERE number = ?", message.number)
    return false
  }

  /// When an address may get the message; nil: now.
  private func whenAllowed(_ message: QueuedMessage) throws -> Timestamp? {
    if message.isToStaff { return nil }
    let kinds = MessageKind.allCases.filter { $0.isAskedFor == message.kind.isAskedFor }
    let marks = kinds.map { _ in "?" }.joined(separator: ", ")
    let oldest = try connection.row(
      """
      SELECT sent_at FROM messages
      WHERE recipient_key = ? AND sent_at > ? AND NOT to_staff AND +kind IN (\(marks))
      ORDER BY sent_at DESC LIMIT 1 OFFSET ?
      """,
      arguments: [message.address.comparisonKey, now.adding(days: -1).text] as [any Bindable]
        + kinds.map(\.rawValue) + [MessageLimits.perDay - 1]
    ) { try $0.time(0) }
    return oldest?.adding(days: 1)
  }

  /// The letter of a message; nil if it has no reason any more.
  private func letter(
    of message: QueuedMessage, secret: () -> (code: String, sha256: [UInt8])
  ) throws -> Letter? {
    guard message.kind.isAskedFor else {
      return message.text.map { Letter(subject: message.subject, text: $0) }
    }
    let (code, sha256) = secret()
    if message.kind == .signIn {
      // Nobody waits for it any more. A new code would only lie about in the mailbox.
      let isLate = message.createdAt.adding(minutes: 60) <= now
      guard let user = message.user, !isLate else { return nil }
      return try signInLetter(for: user, code, sha256, message: message.number)
    }
    guard let waiting = message.waiting else { return nil }
    return try confirmationLetter(for: waiting, code, sha256)
  }

  /// Notes what the mail system said of a message that the mailer had taken.
  ///
  /// - Returns: When the next attempt follows; nil if there is none.
  @discardableResult
  package func note(_ result: DeliveryResult, of dispatch: Dispatch) throws -> Timestamp? {
    let found = try connection.row(
      "SELECT attempts, status FROM messages WHERE number = ?", dispatch.number
    ) { (attempts: $0.int(0), status: try $0.word(1, MessageStatus.self)) }
    // Meanwhile it may have been cancelled. Then it is noted if it was sent, but it is not tried again.
    guard let found, found.status == .sending || (found.status == .cancelled && result == .accepted)
    else { return nil }
    let attempts = found.attempts
    var next: Timestamp?
    switch result {
    case .accepted:
      try connection.run(
        "UPDATE messages SET status = 'sent', sent_at = ?, last_error = NULL WHERE number = ?",
        now.text, dispatch.number)
    case .temporarily(let error) where attempts <= MessageLimits.retryMinutes.count:
      let due = now.adding(minutes: MessageLimits.retryMinutes[attempts - 1])
      next = due
      try connection.run(
        "UPDATE messages SET status = 'queued', due_at = ?, last_error = ? WHERE number = ?",
        due.text, error, dispatch.number)
    case .temporarily(let error), .permanently(let error):
      try connection.run(
        "UPDATE messages SET status = 'failed', last_error = ? WHERE number = ?", error,
        dispatch.number)
    }
    if next == nil { try forgetWaiting(toldBy: dispatch.id) }
    return next
  }

  /// Takes off the waiting list who was told by a message, or is not to be told any more.
  func forgetWaiting(toldBy message: ID) throws {
    try connection.run(
      """
      DELETE FROM waiting_list
      WHERE id = (SELECT waiting_id FROM messages WHERE id = ? AND kind = ?)
      """, message.text, MessageKind.coverageAvailable.rawValue)
  }

  /// Queues the messages again that a mailer had taken when it ended. Call it while no other mailer runs.
  ///
  /// - Returns: How many there are.
  package func requeueInterruptedMessages() throws -> Int {
    try connection.run(
      "UPDATE messages SET status = 'queued', due_at = ? WHERE status = 'sending'", now.text)
  }

  /// Drops the texts, codes and unconfirmed addresses whose time is over.
  package func forgetOldMessages() throws {
    try connection.run(
      """
      UPDATE messages SET text = NULL
      WHERE text IS NOT NULL AND ifnull(sent_at, created_at) <= ?
        AND status IN ('sent', 'failed', 'cancelled')
      """, now.adding(days: -MessageLimits.textDays).text)
    try connection.run(
      "DELETE FROM waiting_list WHERE confirmed_at IS NULL AND created_at <= ?",
      now.adding(days: -MessageLimits.confirmationDays).text)
    try connection.run("DELETE FROM sign_in_codes WHERE expires_at <= ?", now.text)
  }
}

extension Snapshot {
  /// When the next message is due; nil if none is queued.
  package func nextMessageDue() throws -> Timestamp? {
    try connection.row(
      "SELECT due_at FROM messages WHERE status = 'queued' ORDER BY due_at LIMIT 1"
    ) { try $0.time(0) }
  }
}
