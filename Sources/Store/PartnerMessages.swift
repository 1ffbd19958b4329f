import Domain
import JSON
import SQLite

extension Change {
  /// Queues the message about a partner's new status, and cancels those that have no reason any more.
  ///
  /// - Parameter old: The partner before the change; nil if it is new.
  func announce(_ new: Partner, since old: Partner?) throws {
    guard new.status != old?.status else { return }
    if old != nil {
      try cancelMessages(
        of: MessageKind.obsolete(in: new.status), "partner_id = ?", new.id.text)
    }
    let kind: MessageKind? =
      switch new.status {
      case .invited: .partnerInvited
      case .active: .partnerActivated
      default: nil
      }
    guard let kind else { return }
    try queue(kind, to: recipient(new), about: MessageSubject(partner: new.id)) { values(of: new) }
  }

  /// Queues the message to staff that changes wait for a review, or cancels it. One is enough until nothing waits any
  /// more.
  func announceProposals(of new: Partner, since old: Partner) throws {
    guard old.proposals.isEmpty != new.proposals.isEmpty else { return }
    guard !new.proposals.isEmpty else {
      return try cancelMessages(of: [.partnerChangesWaiting], "partner_id = ?", new.id.text)
    }
    try queue(.partnerChangesWaiting, to: staff, about: MessageSubject(partner: new.id)) {
      values(of: new) + [JSON.Member("fields", words(new.proposals.map(\.name)))]
    }
  }

  /// Queues the message to a partner that staff has reviewed the changes of some fields.
  func announceReview(
    of partner: Partner, isApproved: Bool, _ fields: [String], note: String?
  ) throws {
    try queue(
      .partnerChangesReviewed, to: recipient(partner), about: MessageSubject(partner: partner.id)
    ) {
      values(of: partner) + [
        JSON.Member("approved", words(isApproved ? fields : [])),
        JSON.Member("rejected", words(isApproved ? [] : fields)),
        JSON.Member("note", note.map(JSON.string) ?? .null),
      ]
    }
  }

  /// The names of fields as letters have them; null for none.
  private func words(_ fields: [String]) -> JSON {
    Wording.list(fields.map { $0 == "email" ? "e-mail address" : $0.replacing("_", with: " ") })
      .map(JSON.string) ?? .null
  }

  /// What the letters about a partner say.
  func values(of partner: Partner) -> [JSON.Member] {
    let states = partner.serviceAreas.map(\.name)
    return [
      JSON.Member(
        "partner",
        [
          "company_name": .string(partner.companyName),
          "contact_name": partner.record["contact_name"],
          "email": .string(partner.email),
          "type_name": .string(partner.type.noun),
          "a_type_name": .string(partner.type.nounWithArticle),
          "states": Wording.list(states).map(JSON.string) ?? .null,
        ]),
      links([
        "sign_in": "/sign-in", "portal": "/portal", "desk": "/desk/partner?id=\(partner.id)",
      ]),
    ]
  }
}
