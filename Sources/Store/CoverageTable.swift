import Domain
import JSON
import SQLite

/// The filters of staff's list of coverage. An empty list of values filters nothing.
package struct CoverageFilter: Sendable {
  package var states: [StateCode] = []
  package var types: [PartnerType] = []
  /// Whether a status is pinned; nil: all.
  package var isPinned: Bool?

  package init() {}
}

extension Snapshot {
  private static let coverageColumns =
    "state_code, partner_type, status, partner_count, pinned_status"

  private static func coverage(_ row: Row) throws -> Coverage {
    Coverage(
      stateCode: try row.word(0), partnerType: try row.word(1), status: try row.word(2),
      partnerCount: row.int(3), pinnedStatus: try row.wordOrNil(4))
  }

  /// Every state with the best status of these types, in the order of the codes.
  ///
  /// - Parameter types: None means all six.
  package func coverageByState(
    _ types: [PartnerType] = []
  ) throws -> [(state: StateCode, status: CoverageStatus)] {
    let rows = try connection.rows(
      "SELECT \(Snapshot.coverageColumns) FROM service_area_coverage", read: Snapshot.coverage)
    return Dictionary(
      grouping: rows.filter { types.isEmpty || types.contains($0.partnerType) }, by: \.stateCode
    )
    .map { (state: $0, status: CoverageStatus.best(of: $1.map(\.status))) }
    .sorted { $0.state.rawValue < $1.state.rawValue }
  }

  /// The states and types that the filter selects, in the order of the codes and of `PartnerType`.
  package func coverage(_ filter: CoverageFilter) throws -> [Coverage] {
    let states = filter.states.isEmpty ? StateCode.allCases : filter.states
    return try Set(states).sorted { $0.rawValue < $1.rawValue }.flatMap { try coverage($0) }
      .filter { row in
        (filter.types.isEmpty || filter.types.contains(row.partnerType))
          && (filter.isPinned == nil || filter.isPinned == (row.pinnedStatus != nil))
      }
  }

  /// Whether staff holds a type back in a state. Both are given as words.
  func isHeldBack() throws -> (_ state: String, _ type: String) -> Bool {
    let held = Set(
      try connection.rows(
        """
        SELECT state_code || partner_type FROM service_area_coverage
        WHERE pinned_status <> 'available'
        """
      ) { $0.text(0) })
    return { held.contains($0 + $1) }
  }

  /// The condition that staff does not hold a type back in a state.
  ///
  /// - Parameters:
  ///   - state: The SQL expression for the state.
  ///   - type: The SQL expression for the type.
  static func isOffered(state: String, type: String) -> String {
    """
    NOT EXISTS (SELECT 1 FROM service_area_coverage AS held WHERE held.state_code = \(state) \
    AND held.partner_type = \(type) AND held.pinned_status <> 'available')
    """
  }

  /// The six types of a state, in the order of `PartnerType`.
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

/// The fields of a body that pins a coverage status. The others are those of staff's view, which may be sent back.
package let coveragePinFields: [Field] = [
  .parameter("status", .word(CoverageStatus.self), [.required, .nullable]),
  Field("state_code", .state, seen: .staff),
  Field("state_name", .text(limit: 100), seen: .staff),
  Field("partner_type", .word(PartnerType.self), seen: .staff),
  Field("message", .text(limit: 100), seen: .staff),
  Field("partner_count", .integer(0...Int.max), seen: .staff),
  Field("pinned_status", .word(CoverageStatus.self), seen: .staff),
]

extension Change {
  /// Pins a status. Null lets the status follow the count again. A view that is sent back as it was read changes
  /// nothing.
  ///
  /// - Parameters:
  ///   - body: Read with ``coveragePinFields``.
  ///   - view: The coverage as the caller sees it.
  /// - Throws: `Failure`: `.validation`, what `precondition` throws, `.conflict(.noActivePartner)`.
  package func pinCoverage(
    _ state: StateCode, _ type: PartnerType, _ body: Body, seenAs view: (Coverage) -> [UInt8],
    if precondition: Precondition = { _ in }
  ) throws {
    let old = try coverage(state, type)
    try body.check(against: view(old), if: precondition)
    let status: CoverageStatus? = body.word("status")
    // A whole view whose status is unchanged is no pin. To pin the present status, send the status alone.
    if body.has("pinned_status"), status == old.status { return }
    try old.checkPin(status)
    guard status != old.pinnedStatus else { return }
    try connection.run(
      """
      UPDATE service_area_coverage SET pinned_status = ?
      WHERE state_code = ? AND partner_type = ?
      """, status?.rawValue, state.rawValue, type.rawValue)
    try recordChange(
      of: old, status == nil ? .coverageUnpinned : .coveragePinned, actor: actor)
  }

  /// Records the changes that the triggers have made to coverage. The events' actor is the system.
  func recordCoverageChanges(since before: [Coverage]) throws {
    for old in before { try recordChange(of: old, .coverageStatusChanged, actor: nil) }
  }

  private func recordChange(of old: Coverage, _ kind: EventKind, actor: ID?) throws {
    let new = try coverage(old.stateCode, old.partnerType)
    guard new.status != old.status || new.pinnedStatus != old.pinnedStatus else { return }
    let fields = [
      ("status", old.status, new.status), ("pinned_status", old.pinnedStatus, new.pinnedStatus),
    ]
    var json = JSONWriter(capacity: 128)
    json.object {
      for (name, from, to) in fields where from != to {
        $0.name(escaping: name)
        $0.object {
          $0.field("from", from?.rawValue)
          $0.field("to", to?.rawValue)
        }
      }
    }
    try record(
      kind, "\(old.stateCode.rawValue)/\(old.partnerType.rawValue)", changes: json.text,
      actor: actor)
  }
}
