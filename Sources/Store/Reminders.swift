import Domain
import JSON
import SQLite

/// A message whose time has come. It is made once for its cause.
package enum Reminder: Equatable, Sendable {
  /// To a partner that has not answered an introduction.
  case introduction(ID)
  /// To staff, about the same.
  case unanswered(ID)
  /// To staff, about a connection without an outcome.
  case outcome(ID)
  /// About a credential of a partner that expires within so many days.
  case credential(ID, days: Int)
  /// To somebody on the waiting list.
  case available(ID)
}

extension Snapshot {
  /// The days after which a reminder follows, by the status of the request.
  private static let delays:
    [(kind: MessageKind, status: ReferralStatus, days: Int, reminder: @Sendable (ID) -> Reminder)] =
      [
        (.introductionReminder, .introSent, 3, { .introduction($0) }),
        (.introductionUnanswered, .introSent, 7, { .unanswered($0) }),
        (.referralOutcome, .connected, 30, { .outcome($0) }),
      ]
  /// How many days later a reminder has no use any more, as when messages are switched on.
  private static let window = 30
  /// The days before the end of a credential, each with those of the next.
  private static let expiries = [(days: 7, from: 0), (days: 30, from: 8)]

  /// The days of a kind of reminder in words.
  static func delay(of kind: MessageKind) -> String {
    Wording.count(delays.first { $0.kind == kind }?.days ?? 0, "day")
  }

  /// The cause of a reminder about a request that has had its status since a time.
  static func cause(_ kind: MessageKind, _ id: String, _ since: String) -> String {
    "\(kind.rawValue) \(id) \(since)"
  }

  /// The reminders whose time has come and that are not made, at most `limit` of each sort.
  package func dueReminders(limit: Int = 100) throws -> [Reminder] {
    var due: [Reminder] = []
    for delay in Snapshot.delays {
      due += try connection.rows(
        Snapshot.dueReferrals, delay.status.rawValue, now.adding(days: -delay.days).text,
        now.adding(days: -delay.days - Snapshot.window).text, delay.kind.rawValue, limit
      ) { delay.reminder(try $0.id(0)) }
    }
    for expiry in Snapshot.expiries {
      due += try connection.rows(
        Snapshot.dueCredentials, now.adding(days: expiry.from).day,
        now.adding(days: expiry.days).day, expiry.days, limit
      ) { .credential(try $0.id(0), days: expiry.days) }
    }
    due += try connection.rows(Snapshot.dueAvailability, limit) { .available(try $0.id(0)) }
    return due
  }

  /// The requests that have had a status since a time or longer, without a message of a kind about it.
  static let dueReferrals = """
    SELECT r.id FROM referral_requests AS r
    WHERE r.status = ?1 AND r.status_since <= ?2 AND r.status_since > ?3
      AND NOT EXISTS (SELECT 1 FROM messages AS m
        WHERE m.cause = ?4 || ' ' || r.id || ' ' || r.status_since)
    ORDER BY r.status_since LIMIT ?5
    """

  /// The verified credentials that are good until a day from one to another, without a message about it. One that is
  /// followed by another of its kind and state is left out.
  static let dueCredentials = """
    SELECT c.id FROM partner_credentials AS c CROSS JOIN partners AS p ON p.id = c.partner_id
    WHERE c.good_until BETWEEN ?1 AND ?2 AND c.verified_at IS NOT NULL AND p.status <> 'removed'
      AND NOT EXISTS (SELECT 1 FROM partner_credentials AS later
        WHERE later.partner_id = c.partner_id AND later.kind = c.kind
          AND later.state_code IS c.state_code AND later.verified_at IS NOT NULL
          AND later.good_until > c.good_until)
      AND NOT EXISTS (SELECT 1 FROM messages AS m
        WHERE m.cause = 'credential.expiring ' || c.id || ' ' || c.good_until || ' ' || ?3)
    ORDER BY c.good_until LIMIT ?4
    """

  /// The confirmed entries of the waiting list whose type is available in the state, without a message about it.
  static let dueAvailability = """
    SELECT w.id FROM service_area_coverage AS a CROSS JOIN waiting_list AS w
      ON w.state_code = a.state_code AND w.partner_type = a.partner_type
    WHERE a.status = 'available' AND w.confirmed_at IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM messages AS m WHERE m.cause = 'coverage.available ' || w.id)
    LIMIT ?
    """
}

extension Change {
  /// Queues the message of a reminder, unless it has no reason any more or is made already, or the service sends none.
  package func remind(_ reminder: Reminder) throws {
    guard mail?.sender != nil else { return }
    switch reminder {
    case .introduction(let id):
      guard let referral = try referral(id), referral.status == .introSent else { return }
      let partner = try referral.partnerID.flatMap { try self.partner($0) }
      try remind(.introductionReminder, partner.map { recipient($0) } ?? nil, of: referral)
    case .unanswered(let id):
      guard let referral = try referral(id), referral.status == .introSent else { return }
      let cause = Snapshot.cause(
        .introductionUnanswered, id.text, referral.time("status_since")?.text ?? "")
      guard try !isMade(cause) else { return }
      try remind(.introductionUnanswered, assigneeOrStaff(of: referral), of: referral)
      try record(.referralUnanswered, id, changes: "{}")
    case .outcome(let id):
      guard let referral = try referral(id), referral.status == .connected else { return }
      try remind(.referralOutcome, assigneeOrStaff(of: referral), of: referral)
    case .credential(let id, let days):
      guard let credential: Credential = try find(.credentials, "id", id.text),
        credential.isVerified, let partner = try partner(credential.partnerID)
      else { return }
      try remind(credential, of: partner, days)
    case .available(let id):
      try remindWaiting(id)
    }
  }

  private func remind(_ kind: MessageKind, _ recipient: Recipient?, of referral: Referral) throws {
    let since = referral.time("status_since")?.text ?? ""
    try queue(
      kind, to: recipient,
      about: MessageSubject(referral: referral.id, partner: referral.partnerID),
      cause: Snapshot.cause(kind, referral.id.text, since)
    ) {
      try values(of: referral, forStaff: kind != .introductionReminder)
        + [JSON.Member("days", .string(Snapshot.delay(of: kind)))]
    }
  }

  private func remind(_ credential: Credential, of partner: Partner, _ days: Int) throws {
    guard let day = credential.expiresOn, let end = Timestamp(day: day),
      let today = Timestamp(day: now.day)
    else { return }
    let left = Int((end.milliseconds - today.milliseconds) / 86_400_000)
    // The cause without an address stands for both messages.
    let cause = "credential.expiring \(credential.id) \(day) \(days)"
    for (recipient, toPartner, cause) in [
      (recipient(partner), true, cause), (staff, false, cause + " staff"),
    ] {
      try queue(
        .credentialExpiring, to: recipient,
        about: MessageSubject(partner: partner.id, credential: credential.id), cause: cause
      ) {
        values(of: partner) + [
          JSON.Member("to_partner", .bool(toPartner)),
          JSON.Member(
            "credential",
            [
              "kind": .string(credential.kind.words), "number": .string(credential.number),
              "state": credential.state.map { .string($0.name) } ?? .null,
              "expires_on": .string(Wording.date(day)),
            ]),
          JSON.Member("days", .string(left == 0 ? "today" : Wording.count(left, "day"))),
        ]
      }
    }
  }

  private func remindWaiting(_ id: ID) throws {
    let entry = try connection.row(
      """
      SELECT email, state_code, partner_type FROM waiting_list
      WHERE id = ? AND confirmed_at IS NOT NULL
      """, id.text
    ) {
      (
        email: $0.text(0), state: try $0.word(1, StateCode.self),
        type: try $0.word(2, PartnerType.self)
      )
    }
    guard let entry, try coverage(entry.state, entry.type).status == .available else { return }
    try queue(
      .coverageAvailable, to: Recipient(address: entry.email, name: nil),
      about: MessageSubject(waiting: id), cause: "coverage.available \(id)"
    ) {
      [
        JSON.Member("state", .string(entry.state.name)),
        JSON.Member("type_name", .string(entry.type.noun)),
        JSON.Member("a_type_name", .string(entry.type.nounWithArticle)),
        links([
          "directory": "/directory?state=\(entry.state.rawValue)&type=\(entry.type.rawValue)"
        ]),
      ]
    }
  }
}
