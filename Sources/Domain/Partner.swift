/// The professions that a group of co-buyers needs, in Tomi's order.
package enum PartnerType: String, CaseIterable, Sendable {
  case attorney, lender, agent, title, insurance, cpa

  /// Why a group needs one.
  package var purpose: String {
    switch self {
    case .attorney: "TIC agreement review, real estate closings"
    case .lender: "TIC-friendly mortgage products"
    case .agent: "Co-ownership certified preferred"
    case .title: "Title search and title insurance for several owners"
    case .insurance: "Insurance that covers every owner"
    case .cpa: "Taxes of shared ownership"
    }
  }
}

/// The status of a partner in its life cycle with Tomi.
package enum PartnerStatus: String, CaseIterable, Sendable {
  case invited
  case pendingReview = "pending_review"
  case active, inactive, removed

  /// The statuses that a new partner may have.
  package static let initial: [PartnerStatus] = [.invited, .pendingReview, .active]

  /// The statuses that may follow this one.
  package var allowed: [PartnerStatus] {
    switch self {
    case .invited: [.pendingReview, .active, .removed]
    case .pendingReview: [.active, .inactive, .removed]
    case .active: [.inactive, .removed]
    case .inactive: [.active, .pendingReview, .removed]
    case .removed: [.pendingReview]
    }
  }
}

/// A professional or a company to whom Tomi introduces groups.
package struct Partner: Resource {
  package var record: Record

  package init(record: Record) { self.record = record }

  /// The user who edits the partner's profile; nil if no user is linked.
  package var userID: ID? { id("user_id") }

  package var type: PartnerType { required(word("type"), "type") }

  package var status: PartnerStatus {
    get { required(word("status"), "status") }
    set { set("status", newValue) }
  }

  package var companyName: String { required(text("company_name"), "company_name") }

  package var email: String { required(text("email"), "email") }

  /// The states that it serves, each once, in the order in which they were given.
  package var serviceAreas: [StateCode] {
    guard case .array(let areas) = record["service_areas"] else { return [] }
    return areas.compactMap { if case .string(let code) = $0 { StateCode(code) } else { nil } }
  }

  /// Checks that an active partner has a signed agreement and a service area.
  ///
  /// - Throws: `Failure.conflict(.partnerNotReady)`, naming the fields that are missing.
  package func checkReadiness() throws {
    guard status == .active else { return }
    var missing: [String] = []
    if record["agreement_signed_at"] == .null { missing.append("agreement_signed_at") }
    if serviceAreas.isEmpty { missing.append("service_areas") }
    guard missing.isEmpty else { throw Failure.conflict(.partnerNotReady(missing: missing)) }
  }

  /// The partner with the status `next`; itself if it has that status already.
  ///
  /// - Throws: `Failure.conflict` with `.transitionNotAllowed` or else `.partnerNotReady`.
  package func moved(to next: PartnerStatus) throws -> Partner {
    guard next != status else { return self }
    guard status.allowed.contains(next) else {
      throw Failure.conflict(
        .transitionNotAllowed(
          from: status.rawValue, to: next.rawValue, allowed: status.allowed.map(\.rawValue)))
    }
    var moved = self
    moved.status = next
    try moved.checkReadiness()
    return moved
  }
}
