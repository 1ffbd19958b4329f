import Domain
import JSON
import SQLite

extension Snapshot {
  /// How many people wait for a type of partner in a state, with a confirmed address. In the order of the codes and of
  /// `PartnerType`.
  package func waitingCounts() throws -> [(state: StateCode, type: PartnerType, count: Int)] {
    let order = PartnerType.allCases
    return try connection.rows(
      """
      SELECT state_code, partner_type, count(*) FROM waiting_list
      WHERE confirmed_at IS NOT NULL GROUP BY state_code, partner_type
      """
    ) { row -> (state: StateCode, type: PartnerType, count: Int) in
      (state: try row.word(0), type: try row.word(1), count: row.int(2))
    }.sorted {
      ($0.state.rawValue, order.firstIndex(of: $0.type) ?? 0)
        < ($1.state.rawValue, order.firstIndex(of: $1.type) ?? 0)
    }
  }

  /// The entry of the waiting list that a code belongs to; nil if there is none.
  fileprivate func waiting(_ body: Body, hash: (String) -> [UInt8]) throws -> ID? {
    try connection.row(
      """
      SELECT w.id FROM waiting_codes AS c JOIN waiting_list AS w ON w.id = c.waiting_id
      WHERE c.sha256 = ? AND (w.confirmed_at IS NOT NULL OR w.created_at > ?)
      """, hash(body.text("code") ?? ""), now.adding(days: -MessageLimits.confirmationDays).text
    ) { try $0.id(0) }
  }
}

extension Change {
  /// Puts an address on the waiting list of a state and type, and queues a letter that asks to confirm it. Nothing
  /// shows whether the address is there already.
  ///
  /// - Parameter body: Read with ``addressFields``.
  /// - Throws: `Failure`: `.validation`, `.conflict(.alreadyAvailable)`.
  package func joinWaitingList(_ state: StateCode, _ type: PartnerType, _ body: Body) throws {
    try body.check(against: nil)
    if try coverage(state, type).status == .available {
      throw Failure.conflict(.alreadyAvailable)
    }
    guard mail?.sender != nil, mail?.publicURL != nil, let email = body.text("email") else {
      return
    }
    guard try !isAskedTooOften(email) else { return try skipMessage() }
    let entry = try connection.row(
      """
      SELECT id, confirmed_at IS NOT NULL FROM waiting_list
      WHERE email_key = ? AND state_code = ? AND partner_type = ?
      """, email.comparisonKey, state.rawValue, type.rawValue
    ) { (id: try $0.id(0), isConfirmed: $0.int(1) != 0) }
    guard entry?.isConfirmed != true else { return try skipMessage() }
    let id = entry?.id ?? newID()
    try connection.run(
      """
      INSERT INTO waiting_list (id, email, email_key, state_code, partner_type, created_at)
      VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET created_at = excluded.created_at
      """, id.text, email, email.comparisonKey, state.rawValue, type.rawValue, now.text)
    try cancelMessages(of: [.waitlistConfirm], "waiting_id = ?", id.text)
    try queue(
      .waitlistConfirm, to: Recipient(address: email, name: nil), about: MessageSubject(waiting: id)
    ) { confirmationValues(state, type, code: nil) }
  }

  private func confirmationValues(
    _ state: StateCode, _ type: PartnerType, code: String?
  ) -> [JSON.Member] {
    [
      JSON.Member("state", .string(state.name)),
      JSON.Member("a_type_name", .string(type.nounWithArticle)),
      JSON.Member("days", .string(Wording.count(MessageLimits.confirmationDays, "day"))),
      links(["confirm": "/#confirm=\(code ?? "")", "leave": "/#leave=\(code ?? "")"]),
    ]
  }

  /// The letter with a code for an entry of the waiting list; nil if it is gone.
  func confirmationLetter(for id: ID, _ code: String, _ sha256: [UInt8]) throws -> Letter? {
    let place = try connection.row(
      "SELECT state_code, partner_type FROM waiting_list WHERE id = ?", id.text
    ) { (state: try $0.word(0, StateCode.self), type: try $0.word(1, PartnerType.self)) }
    guard let mail, let place else { return nil }
    try connection.run(
      "INSERT INTO waiting_codes (sha256, waiting_id) VALUES (?, ?)", sha256, id.text)
    return try mail.write(.waitlistConfirm, confirmationValues(place.state, place.type, code: code))
  }

  /// Confirms an address on the waiting list. Nothing happens if it is confirmed already.
  ///
  /// - Parameters:
  ///   - body: Read with ``codeFields``.
  ///   - hash: The SHA-256 of a code.
  /// - Throws: `Failure`: `.validation`, `.codeExpired`.
  package func confirmWaiting(_ body: Body, hash: (String) -> [UInt8]) throws {
    try body.check(against: nil)
    guard let id = try waiting(body, hash: hash) else { throw Failure.codeExpired }
    try connection.run(
      "UPDATE waiting_list SET confirmed_at = ? WHERE id = ? AND confirmed_at IS NULL", now.text,
      id.text)
  }

  /// Takes an address off the waiting list. Nothing happens if no entry has the code.
  ///
  /// - Parameters: As `confirmWaiting(_:hash:)`.
  /// - Throws: `Failure.validation`.
  package func leaveWaitingList(_ body: Body, hash: (String) -> [UInt8]) throws {
    try body.check(against: nil)
    guard let id = try waiting(body, hash: hash) else { return }
    try connection.run("DELETE FROM waiting_list WHERE id = ?", id.text)
  }
}
