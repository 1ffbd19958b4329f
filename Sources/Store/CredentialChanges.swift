import Domain
import JSON
import SQLite

/// The field of a body with which staff verifies a credential, or takes that back.
package let credentialVerified = Field.parameter("verified", .flag)

extension Change {
  /// Adds a credential to a partner.
  ///
  /// - Parameter body: Read with the fields of ``Table/credentials`` for a new one, and for staff with
  ///   ``credentialVerified``.
  /// - Throws: `Failure`: `.notFound` if the partner doesn't exist, `.validation`,
  ///   `.conflict(.credentialExists)`.
  package func addCredential(toPartner partner: ID, _ body: Body) throws -> ID {
    guard try self.partner(partner) != nil else { throw Failure.notFound }
    try body.check(against: nil)
    let id = newID()
    var credential = Credential(record: Table.credentials.newRecord(id, at: now))
    credential.set("partner_id", partner)
    body.apply(to: &credential)
    credential = credential.verified(body.isVerified, since: nil, by: actor, at: now)
    try checkUniqueness(of: credential)
    try Table.credentials.insert(credential.record, on: connection)
    try record(.partnerCredentialAdded, from: nil, to: credential)
    return id
  }

  /// Changes a partner's credential.
  ///
  /// - Parameters:
  ///   - body: Read with the fields of ``Table/credentials``, and for staff with ``credentialVerified``.
  ///   - audience: Who changes it: staff or the partner itself.
  /// - Throws: `Failure`: `.notFound`, `.validation`, what `precondition` throws, `.conflict` with
  ///   `.credentialVerified` or `.credentialExists`.
  package func updateCredential(
    _ id: ID, ofPartner partner: ID, _ body: Body, by audience: Audiences,
    if precondition: Precondition = { _ in }
  ) throws {
    guard let old = try credential(id, ofPartner: partner) else { throw Failure.notFound }
    let view = try credential(id, ofPartner: partner, seenBy: audience)
    var body = body
    try body.accept(storedIn: view)
    try body.check(against: view, if: precondition)
    var new = old
    body.apply(to: &new)
    new = new.verified(body.isVerified, since: old, by: actor, at: now)
    guard new != old else { return }
    try checkMayChange(old, by: audience)
    try checkUniqueness(of: new)
    new.updatedAt = now
    try Table.credentials.update(old.record, to: new.record, on: connection)
    if new.expiresOn != old.expiresOn || !new.isVerified { try cancelReminders(ofCredential: id) }
    try record(.partnerCredentialChanged, from: old, to: new)
  }

  /// Removes a partner's credential.
  ///
  /// - Parameter audience: Who removes it: staff or the partner itself.
  /// - Throws: `Failure`: `.notFound`, what `precondition` throws, `.conflict(.credentialVerified)`.
  package func removeCredential(
    _ id: ID, ofPartner partner: ID, by audience: Audiences,
    if precondition: Precondition = { _ in }
  ) throws {
    guard let old = try credential(id, ofPartner: partner) else { throw Failure.notFound }
    try precondition(credential(id, ofPartner: partner, seenBy: audience))
    try checkMayChange(old, by: audience)
    try cancelReminders(ofCredential: id)
    try connection.run("DELETE FROM partner_credentials WHERE id = ?", id.text)
    try record(.partnerCredentialRemoved, from: old, to: nil)
  }

  private func cancelReminders(ofCredential id: ID) throws {
    try cancelMessages(of: [.credentialExpiring], "credential_id = ?", id.text)
  }

  private func checkMayChange(_ credential: Credential, by audience: Audiences) throws {
    guard audience == .staff || !credential.isVerified else {
      throw Failure.conflict(.credentialVerified)
    }
  }

  /// Checks that the partner has no other credential of the kind, state and number.
  private func checkUniqueness(of credential: Credential) throws {
    let same = try connection.row(
      """
      SELECT 1 FROM partner_credentials
      WHERE partner_id = ? AND kind = ? AND ifnull(state_code, '') = ? AND number_key = ? AND id <> ?
      """, credential.partnerID.text, credential.kind.rawValue, credential.state?.rawValue ?? "",
      Credential.comparisonKey(ofNumber: credential.number), credential.id.text
    ) { _ in true }
    if same == true { throw Failure.conflict(.credentialExists) }
  }

  /// Records an event of the partner. It always names the kind, the number and the state, because the partner may
  /// have several credentials.
  private func record(_ kind: EventKind, from old: Credential?, to new: Credential?) throws {
    guard let partner = (new ?? old)?.partnerID else { return }
    try record(
      kind, partner,
      changes: Table.credentials.changes(
        from: old?.record, to: new?.record, always: ["kind", "number", "state_code"]))
  }
}

extension Body {
  /// What staff says of the credential; nil if nothing.
  fileprivate var isVerified: Bool? { self["verified"].map { $0 == true } }
}
