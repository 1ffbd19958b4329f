import Domain
import SQLite

/// The first answer to a request with an idempotency key.
package struct StoredAnswer: Equatable, Sendable {
  /// The hash of the first request's body.
  package var requestSHA256: [UInt8]
  package var status: Int
  package var location: String?
  package var etag: String?
  package var body: [UInt8]

  package init(
    requestSHA256: [UInt8], status: Int, location: String?, etag: String?, body: [UInt8]
  ) {
    self.requestSHA256 = requestSHA256
    self.status = status
    self.location = location
    self.etag = etag
    self.body = body
  }
}

extension Change {
  /// The answer that the user got for this path and key in the last 24 hours; nil if there is none.
  package func storedAnswer(user: ID, path: String, key: String) throws -> StoredAnswer? {
    try connection.row(
      """
      SELECT request_sha256, status, location, etag, body FROM idempotency_keys
      WHERE user_id = ? AND path = ? AND key = ? AND created_at > ?
      """, user.text, path, key, now.adding(days: -1).text
    ) { row in
      StoredAnswer(
        requestSHA256: row.bytes(0), status: row.int(1), location: row.textOrNil(2),
        etag: row.textOrNil(3), body: row.bytes(4))
    }
  }

  /// The most answers that are kept of one user.
  private static let answerLimit = 1000

  /// Deletes the stored answers that show a partner to a group's members. A repeated request is then carried out again,
  /// which is safe: no other route shows a group its partner than the cancellation, which changes nothing again
  /// unless staff has reopened the request.
  func dropGroupAnswers(showing partner: ID) throws {
    // Staff's answers have another path.
    try connection.run(
      """
      DELETE FROM idempotency_keys
      WHERE path NOT LIKE 'staff %' AND instr(body, CAST(?1 AS BLOB)) > 0
        AND user_id IN (SELECT m.user_id FROM referral_requests AS r
          JOIN group_members AS m ON m.group_id = r.group_id
          WHERE r.partner_id = ?1 AND r.intro_sent_at IS NOT NULL
          UNION SELECT m.user_id FROM past_introductions AS past
          JOIN referral_requests AS r ON r.number = past.referral_number
          JOIN group_members AS m ON m.group_id = r.group_id
          WHERE past.partner_id = ?1)
      """, partner.text)
  }

  /// Stores an answer for 24 hours. It deletes up to ten older answers, and the user's oldest ones past the
  /// limit, so that the table does not grow.
  package func keep(_ answer: StoredAnswer, user: ID, path: String, key: String) throws {
    try connection.run(
      """
      DELETE FROM idempotency_keys WHERE rowid IN
        (SELECT rowid FROM idempotency_keys WHERE created_at <= ? ORDER BY created_at LIMIT 10)
      """, now.adding(days: -1).text)
    try connection.run(
      """
      INSERT OR REPLACE INTO idempotency_keys
        (user_id, path, key, request_sha256, status, location, etag, body, created_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
      """, user.text, path, key, answer.requestSHA256, answer.status, answer.location,
      answer.etag, answer.body, now.text)
    try connection.run(
      """
      DELETE FROM idempotency_keys WHERE rowid IN
        (SELECT rowid FROM idempotency_keys WHERE user_id = ?
          ORDER BY created_at DESC, rowid DESC LIMIT -1 OFFSET ?)
      """, user.text, Change.answerLimit)
  }
}
