/// Whether Tomi has partners of a type in a state. The best status comes first.
package enum CoverageStatus: String, CaseIterable, Sendable {
  case available
  case comingSoon = "coming_soon"
  case unavailable

  /// The text that an app shows. The public sees "Coming soon" for every state without partners.
  package var message: String {
    self == .available ? "Available" : "Coming soon"
  }

  /// The best of several statuses; `unavailable` if there is none.
  package static func best(of statuses: some Sequence<CoverageStatus>) -> CoverageStatus {
    allCases.first(where: Set(statuses).contains) ?? .unavailable
  }
}

/// The coverage of one state by one type of partner.
package struct Coverage: Equatable, Sendable {
  package var stateCode: StateCode
  package var partnerType: PartnerType
  package var status: CoverageStatus
  /// How many active partners of the type serve the state.
  package var partnerCount: Int
  /// The status that staff has pinned; nil if the status follows the count.
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
