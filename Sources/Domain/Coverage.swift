/// Whether Tomi has partners of a type in a state; the best first.
package enum CoverageStatus: String, CaseIterable, Sendable {
  case available
  case comingSoon = "coming_soon"
  case unavailable

  /// What an app shows: places without partners are all "Coming soon" to the public.
  package var message: String {
    self == .available ? "Available" : "Coming soon"
  }

  /// The best of several, `unavailable` if there is none.
  package static func best(of statuses: some Sequence<CoverageStatus>) -> CoverageStatus {
    let present = Set(statuses)
    return allCases.first(where: present.contains) ?? .unavailable
  }
}

/// One state and type of partner.
package struct Coverage: Equatable, Sendable {
  package var stateCode: StateCode
  package var partnerType: PartnerType
  package var status: CoverageStatus
  /// The active partners of the type whose areas name the state.
  package var partnerCount: Int
  /// What staff has pinned; nil if the status follows the count.
  package var pinnedStatus: CoverageStatus?

  package init(
    stateCode: StateCode, partnerType: PartnerType, status: CoverageStatus, partnerCount: Int,
    pinnedStatus: CoverageStatus?
  ) {
    self.stateCode = stateCode
    self.partnerType = partnerType
    self.status = status
    self.partnerCount = partnerCount
    self.pinnedStatus = pinnedStatus
  }

  /// Checks that the status may be pinned.
  ///
  /// - Throws: `Failure.conflict(.noActivePartner)` for `available` without a partner.
  package func checkPin(_ status: CoverageStatus?) throws {
    guard status != .available || partnerCount > 0 else {
      throw Failure.conflict(.noActivePartner)
    }
  }
}
