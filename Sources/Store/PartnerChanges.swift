import Domain
import JSON
import SQLite

/// The fields of a body that changes a partner's status.
package let partnerStatusFields: [Field] = [
  .parameter("status", .word(PartnerStatus.self), .required), .note,
]

/// The fields of a body that decides about the changes that a partner proposes.
package let partnerReviewFields: [Field] = [
  .parameter("decision", .word(ReviewDecision.self), .required),
  .parameter(
    "fields",
    .list(
      of: .word(
        Table.partners.fields.filter { $0.traits.contains(.reviewed) }.map(\.name), initial: []),
      limit: 50)), .note,
]

extension Change {
  /// Creates a partner.
  ///
  /// - Parameters:
  ///   - body: Read with the fields of ``Table/partners`` for a new one.
  ///   - user: The staff user who creates it; nil for an import.
  /// - Throws: `Failure`: `.validation`, and `.conflict` with `.partnerNotReady`, `.partnerExists` or
  ///   `.userAlreadyLinked`.
  package func createPartner(_ body: Body, invitedBy user: ID?) throws -> ID {
    var body = body
    try checkUser(&body)
    try body.check(against: nil)
    var partner = Partner(record: Table.partners.newRecord(newID(), at: now))
    partner.status = .invited
    partner.set("invited_by", user)
    body.apply(to: &partner)
    try partner.checkReadiness()
    try checkUniqueness(of: partner)
    let coverage = try coverage(of: [partner])
    try Table.partners.insert(partner.record, on: connection)
    try recordCoverageChanges(since: coverage)
    try record(
      .partnerCreated, partner.id,
      changes: Table.partners.changes(from: nil, to: partner.record))
    try announce(partner, since: nil)
    return partner.id
  }

  /// Changes a partner's fields, except its status. What an active partner changes itself waits for
  /// staff's review if the field has the trait `.reviewed`. Whether the values are unique is not
  /// checked before the review, so that nobody finds out in this way who else is a partner.
  ///
  /// - Parameters:
  ///   - body: Read with the fields of ``Table/partners``.
  ///   - audience: Who changes it: staff or the partner itself.
  /// - Throws: `Failure`: `.notFound`, `.validation`, what `precondition` throws, `.conflict` with
  ///   `.partnerNotReady`, `.partnerHasReferrals`, `.partnerExists` or `.userAlreadyLinked`.
  package func updatePartner(
    _ id: ID, _ body: Body, by audience: Audiences, if precondition: Precondition = { _ in }
  ) throws {
    guard let old = try partner(id) else { throw Failure.notFound }
    let view = try view(id, of: .partners, seenBy: audience)
    var body = body
    try body.accept(storedIn: view)
    try checkUser(&body)
    try body.check(against: view, if: precondition)
    var new = old
    if audience == .partner, old.status == .active {
      body.propose(to: &new)
    } else {
      body.apply(to: &new)
    }
    let hasProposed = new.proposals != old.proposals
    try replace(
      old, by: new, hasProposed ? .partnerChangesProposed : .partnerUpdated, note: nil)
  }

  /// Takes back the changes that a partner proposes. Nothing happens if there are none.
  ///
  /// - Throws: `Failure.notFound`, and what `precondition` throws.
  package func withdrawPartnerChanges(_ id: ID, if precondition: Precondition = { _ in }) throws {
    guard let old = try partner(id) else { throw Failure.notFound }
    try precondition(view(id, of: .partners, seenBy: .partner))
    var new = old
    new.proposals = []
    try replace(old, by: new, .partnerChangesWithdrawn, note: nil)
  }

  /// Approves or rejects the changes that a partner proposes: all, or those of some fields.
  ///
  /// - Parameter body: Read with ``partnerReviewFields``.
  /// - Throws: `Failure`: `.notFound`, `.validation`, what `precondition` throws, `.conflict` with
  ///   `.noPendingChanges`, `.partnerNotReady` or `.partnerExists`.
  package func reviewPartnerChanges(
    _ id: ID, _ body: Body, if precondition: Precondition = { _ in }
  ) throws {
    guard let old = try partner(id) else { throw Failure.notFound }
    let waiting = old.proposals.map(\.name)
    var chosen = waiting
    var body = body
    if case .array(let names) = body.sent("fields") {
      if names.isEmpty {
        body.fail("fields", .required, "Must name a field. Leave it out for all fields.")
      }
      chosen = names.map { if case .string(let name) = $0 { name.trimmingBlanks() } else { "" } }
      // A list with other mistakes has no value.
      if body["fields"] != nil, !waiting.isEmpty {
        for (index, name) in chosen.enumerated() where !waiting.contains(name) {
          body.fail([
            FieldError(
              .pointer("/fields/\(index)"), .unknownValue,
              "Must be a field that waits: \(waiting.joined(separator: ", ")).")
          ])
        }
      }
    }
    try body.check(against: view(id, of: .partners, seenBy: .staff), if: precondition)
    guard !waiting.isEmpty else { throw Failure.conflict(.noPendingChanges) }
    let isApproved = body.word("decision") == ReviewDecision.approved
    var new = old
    for proposal in old.proposals where isApproved && chosen.contains(proposal.name) {
      new.record[proposal.name] = proposal.value
    }
    new.proposals.removeAll { chosen.contains($0.name) }
    try replace(
      old, by: new, isApproved ? .partnerChangesApproved : .partnerChangesRejected,
      note: body.text("note"))
    if let reviewed = try partner(id) {
      try announceReview(
        of: reviewed, isApproved: isApproved, chosen, note: body.text("note"))
    }
  }

  /// Moves a partner to another status. A partner that is no longer active gives its matched requests back. The
  /// contact data of a removed one is in no answer to a group any more.
  ///
  /// - Parameters:
  ///   - body: Read with ``partnerStatusFields``.
  /// - Throws: `Failure`: `.notFound`, `.validation`, what `precondition` throws, `.conflict` with
  ///   `.transitionNotAllowed`, `.partnerNotReady` or `.partnerExists`.
  package func changePartnerStatus(_ id: ID, _ body: Body, if precondition: Precondition = { _ in })
    throws
  {
    guard let old = try partner(id) else { throw Failure.notFound }
    try body.check(against: view(id, of: .partners, seenBy: .staff), if: precondition)
    let new = try old.moved(to: body.word("status") ?? old.status)
    try replace(old, by: new, .partnerStatusChanged, note: body.text("note"))
    if new.status == .removed { try dropGroupAnswers(showing: id) }
    if old.status == .active, new.status != .active {
      for referral in try matchedReferrals(of: id) {
        try giveBack(referral, note: "The partner is no longer active.")
      }
    }
  }

  /// Stores a changed partner with the coverage that follows from it, and records it as an event.
  private func replace(
    _ old: Partner, by changed: Partner, _ kind: EventKind, note: String?
  ) throws {
    guard changed != old else { return }
    if try isErased(ErasureSubject(.partner, old.id)) { throw Failure.conflict(.partnerErased) }
    try changed.checkReadiness()
    var new = changed
    new.adaptProposals(since: old)
    new.updatedAt = now
    if new.type != old.type {
      let isNamed = try connection.row(
        "SELECT 1 FROM referral_requests WHERE partner_id = ? LIMIT 1", new.id.text
      ) { _ in true }
      if isNamed == true { throw Failure.conflict(.partnerHasReferrals) }
    }
    try checkUniqueness(of: new)
    let coverage = try coverage(of: [old, new])
    try Table.partners.update(old.record, to: new.record, on: connection)
    try recordCoverageChanges(since: coverage)
    try record(
      kind, new.id, changes: Table.partners.changes(from: old.record, to: new.record),
      note: note)
    try announce(new, since: old)
    try announceProposals(of: new, since: old)
  }

  /// Adds a mistake to the body if the linked user is not known.
  private func checkUser(_ body: inout Body) throws {
    guard let id = body.id("user_id"),
      try user(id) == nil || isErased(ErasureSubject(.user, id))
    else { return }
    body.fail("user_id", .unknownUser, "No user has this ID.")
  }

  /// Checks that no other partner has the e-mail address or the user. Removed partners do not count.
  private func checkUniqueness(of partner: Partner) throws {
    guard partner.status != .removed else { return }
    let sameEmail = try connection.row(
      """
      SELECT 1 FROM partners
      WHERE type = ? AND email_key = ? AND status <> 'removed' AND id <> ?
      """, partner.type.rawValue, partner.email.comparisonKey, partner.id.text
    ) { _ in true }
    if sameEmail == true { throw Failure.conflict(.partnerExists) }
    guard let user = partner.userID else { return }
    let sameUser = try connection.row(
      "SELECT 1 FROM partners WHERE user_id = ? AND status <> 'removed' AND id <> ?",
      user.text, partner.id.text
    ) { _ in true }
    if sameUser == true { throw Failure.conflict(.userAlreadyLinked) }
  }

  /// The coverage of these partners' types in their states, which a change to the partners can affect.
  private func coverage(of partners: [Partner]) throws -> [Coverage] {
    let types = Set(partners.map(\.type))
    let states = Set(partners.flatMap(\.serviceAreas))
    return try types.sorted { $0.rawValue < $1.rawValue }.flatMap { type in
      try states.sorted { $0.rawValue < $1.rawValue }.map { try coverage($0, type) }
    }
  }
}
