import Domain
import JSON
import SQLite

extension Snapshot {
  private static let coverageColumns =
    "state_code, partner_type, status, partner_count, pinned_status"

  private static func coverage(_ row: Row) throws -> Coverage {
    Coverage(
      stateCode: try row.word(0), partnerType: try row.word(1), status: try row.word(2),
      partnerCount: row.int(3), pinnedStatus: try row.wordOrNil(4))
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
  ///
  /// - Throws: `Failure.conflict(.noActivePartner)`.
  package func pinCoverage(_ state: StateCode, _ type: PartnerType, to status: CoverageStatus?)
    throws
  {
    let old = try coverage(state, type)
    try old.checkPin(status)
    guard status != old.pinnedStatus else { return }
    try connection.run(
      """
      UPDATE service_area_coverage SET pinned_status = ?
      WHERE state_code = ? AND partner_type = ?
      """, status?.rawValue, state.rawValue, type.rawValue)
    try recordChange(
      of: old, status == nil ? "coverage.unpinned" : "coverage.pinned", actor: actor)
  }

  /// Records what the triggers have changed: nobody pinned it, so the actor is the system.
  func recordCoverageChanges(since before: [Coverage]) throws {
    for old in before { try recordChange(of: old, "coverage.status_changed", actor: nil) }
  }

  private func recordChange(of old: Coverage, _ kind: String, actor: ID?) throws {
    let new = try coverage(old.stateCode, old.partnerType)
    guard new.status != old.status || new.pinnedStatus != old.pinnedStatus else { return }
    var json = JSONWriter(capacity: 128)
    json.object { json in
      func write(_ name: StaticString, _ from: CoverageStatus?, _ to: CoverageStatus?) {
        guard from != to else { return }
        json.name(name)
        json.object {
          $0.field("from", from?.rawValue)
          $0.field("to", to?.rawValue)
        }
      }
      write("status", old.status, new.status)
      write("pinned_status", old.pinnedStatus, new.pinnedStatus)
    }
    try record(
      kind, .coverage, "\(old.stateCode.rawValue)/\(old.partnerType.rawValue)", changes: json.text,
      actor: actor)
  }
}
