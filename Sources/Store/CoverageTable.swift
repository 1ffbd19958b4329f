import Domain
import SQLite

extension Snapshot {
  private static let coverageColumns =
    "state_code, partner_type, status, partner_count, pinned_status"

  private static func coverage(_ row: Row) throws -> Coverage {
    var columns = Columns(row)
    return Coverage(
      stateCode: try columns.word(), partnerType: try columns.word(), status: try columns.word(),
      partnerCount: columns.int(), pinnedStatus: try columns.wordOrNil())
  }

  /// Every state's own status, the best of its six, by state code.
  package func coverageByState() throws -> [(state: StateCode, status: CoverageStatus)] {
    let rows = try connection.rows(
      "SELECT \(Snapshot.coverageColumns) FROM service_area_coverage", read: Snapshot.coverage)
    let statuses = Dictionary(grouping: rows, by: \.stateCode)
      .mapValues { CoverageStatus.best(of: $0.map(\.status)) }
    return statuses.map { ($0.key, $0.value) }.sorted { $0.state.rawValue < $1.state.rawValue }
  }

  /// The six rows of a state, in the order of `PartnerType`.
  package func coverage(_ state: StateCode) throws -> [Coverage] {
    let rows = try connection.rows(
      "SELECT \(Snapshot.coverageColumns) FROM service_area_coverage WHERE state_code = ?",
      state.rawValue, read: Snapshot.coverage)
    return PartnerType.allCases.compactMap { type in rows.first { $0.partnerType == type } }
  }

  /// One state and type. The schema has a row for each.
  package func coverage(_ state: StateCode, _ type: PartnerType) throws -> Coverage {
    guard
      let coverage = try connection.row(
        """
        SELECT \(Snapshot.coverageColumns) FROM service_area_coverage
        WHERE state_code = ? AND partner_type = ?
        """, state.rawValue, type.rawValue, read: Snapshot.coverage)
    else { throw DamagedValue(text: "\(state)/\(type)") }
    return coverage
  }
}

extension Change {
  /// Pins a status, or follows the count again with nil.
  package func pin(_ status: CoverageStatus?, on coverage: Coverage) throws {
    try connection.run(
      """
      UPDATE service_area_coverage SET pinned_status = ?
      WHERE state_code = ? AND partner_type = ?
      """, status?.rawValue, coverage.stateCode.rawValue, coverage.partnerType.rawValue)
  }

  /// What a change of a partner may change in the coverage.
  func coverageStatuses(types: Set<PartnerType>, states: [StateCode]) throws -> [Coverage] {
    try types.sorted { $0.rawValue < $1.rawValue }.flatMap { type in
      try Set(states).sorted { $0.rawValue < $1.rawValue }.map { try coverage($0, type) }
    }
  }

  /// Records what the triggers have changed: nobody pinned it, so the actor is the system.
  func recordCoverageChanges(since before: [Coverage]) throws {
    for old in before {
      let new = try coverage(old.stateCode, old.partnerType)
      guard new.status != old.status || new.pinnedStatus != old.pinnedStatus else { continue }
      var changes: [String] = []
      if new.status != old.status {
        changes.append(
          #""status":{"from":"\#(old.status.rawValue)","to":"\#(new.status.rawValue)"}"#)
      }
      if let pin = old.pinnedStatus, new.pinnedStatus == nil {
        changes.append(#""pinned_status":{"from":"\#(pin.rawValue)","to":null}"#)
      }
      try record(
        "coverage.status_changed", .coverage,
        "\(old.stateCode.rawValue)/\(old.partnerType.rawValue)",
        changes: "{\(changes.joined(separator: ","))}", actor: nil)
    }
  }
}
