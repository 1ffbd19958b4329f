import Domain
import JSON
import SQLite

/// The fields of a body with an e-mail address alone.
package let addressFields: [Field] = [.parameter("email", .text(.email), .required)]

/// The fields of a body with the code of a letter.
package let codeFields: [Field] = [.parameter("code", .text(limit: 100), .required)]

extension Change {
  /// Whether as many messages as allowed were asked for without a token for an address within the last hour.
  func isAskedTooOften(_ address: String) throws -> Bool {
    let kinds = MessageKind.allCases.filter(\.isAskedFor).map(\.rawValue)
    let count = try connection.row(
      """
      SELECT count(*) FROM messages
      WHERE recipient_key = ? AND created_at > ? AND +kind IN (?, ?)
      """,
      arguments: [address.comparisonKey, now.adding(minutes: -60).text] as [any Bindable] + kinds
    ) { $0.int(0) }
    return (count ?? 0) >= MessageLimits.askedForPerHour
  }

  /// Writes something where no message is queued, so that the answer takes as long as for an address that is known:
  /// a change that writes nothing does not wait for the disk.
  func skipMessage() throws {
    // The row exists from the first message on.
    let known = try connection.run(
      "UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'messages'")
    if known == 0 {
      try connection.run("INSERT INTO sqlite_sequence (name, seq) VALUES ('messages', 1)")
    }
  }

  /// Queues a letter with a link for signing in, if the address is that of a user who may. Nothing shows whether it
  /// is.
  ///
  /// - Parameter body: Read with ``addressFields``.
  /// - Throws: `Failure.validation`.
  package func askToSignIn(_ body: Body) throws {
    try body.check(against: nil)
    guard mail?.sender != nil, mail?.publicURL != nil else { return }
    guard let user = try user(email: body.text("email") ?? ""), !user.isDisabled,
      try !isAskedTooOften(user.email)
    else { return try skipMessage() }
    try cancelMessages(of: [.signIn], "user_id = ?", user.id.text)
    try queue(.signIn, to: recipient(user), about: MessageSubject()) {
      try signInValues(user, code: nil)
    }
  }

  private func signInValues(_ user: User, code: String?) throws -> [JSON.Member] {
    [
      JSON.Member("name", .string(user.name)),
      JSON.Member("minutes", .string(Wording.count(MessageLimits.signInMinutes, "minute"))),
      links(["sign_in": "/sign-in#code=\(code ?? "")"]),
    ]
  }

  /// Cancels the letters for signing in that a user has asked for, and ends the codes of those that were sent.
  func endSignIn(of user: ID) throws {
    try cancelMessages(of: [.signIn], "user_id = ?", user.text)
    try connection.run("DELETE FROM sign_in_codes WHERE user_id = ?", user.text)
  }

  /// The letter with a code that ends those of earlier messages; nil if the user may not sign in.
  func signInLetter(
    for id: ID, _ code: String, _ sha256: [UInt8], message: Int
  ) throws -> Letter? {
    guard let mail, let user = try user(id), !user.isDisabled else { return nil }
    try connection.run(
      """
      DELETE FROM sign_in_codes
      WHERE user_id = ? AND scope IS NULL AND message_number IS NOT NULL AND message_number <> ?
      """, id.text, message)
    try addSignInCode(sha256, for: id, scope: nil, message: message)
    return try mail.write(.signIn, signInValues(user, code: code))
  }

  /// Keeps the hash of a code that gives a token.
  ///
  /// - Parameters:
  ///   - scope: The scope of an admin token; nil for a user's token.
  ///   - message: The number of the message that carries the code; nil if none does.
  package func addSignInCode(
    _ sha256: [UInt8], for user: ID, scope: Scope?, message: Int? = nil
  ) throws {
    try connection.run(
      """
      INSERT INTO sign_in_codes (sha256, user_id, scope, message_number, expires_at)
      VALUES (?, ?, ?, ?, ?)
      """, sha256, user.text, scope?.rawValue, message,
      now.adding(minutes: MessageLimits.signInMinutes).text)
  }

  /// Creates a token for whoever has a code. The code is valid once.
  ///
  /// - Parameters:
  ///   - body: Read with ``codeFields``.
  ///   - hash: The SHA-256 of a code.
  ///   - secret: The SHA-256 of the new token.
  /// - Throws: `Failure`: `.validation`, `.codeExpired`.
  package func signIn(
    _ body: Body, hash: (String) -> [UInt8], tokenSHA256 secret: [UInt8]
  ) throws -> Token {
    try body.check(against: nil)
    let found = try connection.row(
      """
      SELECT c.user_id, c.scope FROM sign_in_codes AS c JOIN users AS u ON u.id = c.user_id
      WHERE c.sha256 = ? AND c.expires_at > ? AND NOT u.disabled
      """, hash(body.text("code") ?? ""), now.text
    ) { (user: try $0.id(0), scope: try $0.wordOrNil(1, Scope.self)) }
    guard let found else { throw Failure.codeExpired }
    // The letter may have been handed over twice, with two codes.
    try connection.run(
      "DELETE FROM sign_in_codes WHERE user_id = ? AND scope IS ?", found.user.text,
      found.scope?.rawValue)
    let change = acting(as: found.user, at: now)
    var token = change.newToken(for: found.user, found.scope)
    token.record["name"] = "Sign-in by link"
    token.set("expires_at", now.adding(days: MessageLimits.signInDays))
    try change.add(token, sha256: secret)
    return token
  }
}
