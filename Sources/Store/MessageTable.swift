import Domain
import JSON
import SQLite

extension Table {
  /// The messages that the service sends.
  package static let messages = Table(
    "messages", alias: "m",
    fields: [
      Field("id", .id, seen: .staff),
      Field("kind", .word(MessageKind.self), seen: .staff),
      Field("to", .text(.email), from: "m.recipient", seen: .staff),
      Field("subject", .text(limit: 200), seen: .staff),
      Field("status", .word(MessageStatus.self), .tracked, seen: .staff),
      Field("referral_id", .id, seen: .staff),
      Field("partner_id", .id, seen: .staff),
      Field("user_id", .id, seen: .staff),
      Field("attempts", .integer(0...Int.max), seen: .staff),
      Field("last_error", .text(limit: 500), seen: .staff),
      Field("created_at", .time, seen: .staff),
      Field("due_at", .time, seen: .staff),
      Field("sent_at", .time, seen: .staff),
      Field("text", .lines(limit: 100_000), .single, seen: .staff),
    ])
}

/// The filters of the list of messages. An empty list of values filters nothing.
package struct MessageFilter: Sendable {
  package var statuses: [MessageStatus] = []
  package var kinds: [MessageKind] = []
  package var referralID: ID?
  package var partnerID: ID?
  /// The address, in any case.
  package var address: String?

  package init() {}
}

/// How many messages wait, and for how long.
package struct MessageStatistics: Sendable {
  package var counts: [MessageStatus: Int]
  /// The seconds since the first of the messages that wait should have been handed over; 0 if none should.
  package var oldestQueuedSeconds: Double
}

extension Snapshot {
  /// Writes a page of the messages that the filter selects, newest first.
  ///
  /// - Returns: The last item's key if there are more items, else nil.
  package func messages(
    _ filter: MessageFilter, _ page: PageRequest, to json: inout JSONWriter
  ) throws -> [String]? {
    try messageList(filter).write(page, on: connection, to: &json)
  }

  /// The list of `messages(_:_:to:)`. A request, a partner or an address has few messages.
  func messageList(_ filter: MessageFilter) -> List {
    var list = List(
      Table.messages.list(.staff), items: List.Source(name: "messages", alias: "m"),
      descending: true)
    var walked = false
    for (column, value) in [
      ("referral_id", filter.referralID?.text), ("partner_id", filter.partnerID?.text),
      ("recipient_key", filter.address?.comparisonKey),
    ] {
      guard let value else { continue }
      if walked {
        list.filter(column: column, in: [value])
      } else {
        list.walk(column, in: [value])
        walked = true
      }
    }
    let statuses = filter.statuses.distinctWords
    let kinds = filter.kinds.distinctWords
    if walked {
      list.filter(column: "status", in: statuses)
      list.filter(column: "kind", in: kinds)
    } else if kinds.isEmpty {
      // The index has the order of the numbers only within one status and kind.
      if !statuses.isEmpty {
        list.walk("status", in: statuses)
        list.walk("kind", in: MessageKind.allCases.distinctWords)
      }
    } else {
      list.walk("status", in: statuses)
      list.walk("kind", in: kinds)
    }
    return list
  }

  /// The numbers of messages.
  package func messageStatistics() throws -> MessageStatistics {
    var counts: [MessageStatus: Int] = [:]
    try connection.each("SELECT status, count FROM message_counts") { row in
      counts[try row.word(0)] = row.int(1)
    }
    let due = try connection.row(
      "SELECT due_at FROM messages WHERE status = 'queued' AND due_at <= ? ORDER BY due_at LIMIT 1",
      now.text
    ) { try $0.time(0) }
    return MessageStatistics(
      counts: counts,
      oldestQueuedSeconds: due.map { Double(now.milliseconds - $0.milliseconds) / 1000 } ?? 0)
  }
}

extension Change {
  /// Makes a new message of the text of one that was made before, to the recipient's present address.
  ///
  /// - Returns: The new message's ID.
  /// - Throws: `Failure`: `.notFound`, `.conflict(.notResendable)`.
  package func resendMessage(_ id: ID) throws -> ID {
    let new = newID()
    let domain = mail?.sender.map(MailSettings.domain)
    let found = try connection.row(
      """
      SELECT m.kind, m.text IS NOT NULL AND m.recipient IS NOT NULL,
        ifnull(\(Change.presentAddress), '')
      FROM messages AS m WHERE m.id = ?
      """, id.text
    ) { (kind: try $0.word(0, MessageKind.self), hasText: $0.int(1) != 0, address: $0.text(2)) }
    guard let found else { throw Failure.notFound }
    guard found.hasText, !found.kind.isAskedFor, let domain else {
      throw Failure.conflict(.notResendable)
    }
    try connection.run(
      """
      INSERT INTO messages (id, kind, recipient, recipient_key, recipient_name, to_staff, subject,
        text, referral_id, partner_id, user_id, credential_id, waiting_id, message_id, created_at,
        due_at)
      SELECT ?1, kind, ?5, ?6, recipient_name, to_staff, subject, text,
        referral_id, partner_id, user_id, credential_id, waiting_id, ?2, ?3, ?3
      FROM messages WHERE id = ?4
      """, new.text, "<\(new)@\(domain)>", now.text, id.text, found.address,
      found.address.comparisonKey)
    try record(
      .messageResent, new,
      changes: #"{"resent_from":{"from":null,"to":"\#(id)"}}"#)
    return new
  }

  /// Cancels a message that is queued or has failed. Who was to be told that a type became available is taken off the
  /// waiting list.
  ///
  /// - Throws: `Failure`: `.notFound`, what `precondition` throws, `.conflict(.messageNotQueued)`.
  package func cancelMessage(_ id: ID, if precondition: Precondition = { _ in }) throws {
    let view = try view(id, of: .messages, seenBy: .staff)
    try precondition(view)
    guard let status: MessageStatus = try messageStatus(id) else { throw Failure.notFound }
    guard status == .queued || status == .failed else {
      throw Failure.conflict(.messageNotQueued(status))
    }
    try connection.run("UPDATE messages SET status = 'cancelled' WHERE id = ?", id.text)
    try forgetWaiting(toldBy: id)
    try record(
      .messageCancelled, id,
      changes: #"{"status":{"from":"\#(status.rawValue)","to":"cancelled"}}"#)
  }

  private func messageStatus(_ id: ID) throws -> MessageStatus? {
    try connection.row("SELECT status FROM messages WHERE id = ?", id.text) { try $0.word(0) }
  }
}
