import Domain
import JSON
import SQLite

/// What an import takes from an export beside the fields that can be set.
private let restoredFields = Body.restoredFields + [.parameter("invited_by", .id)]

extension Change {
  /// Adds the partner of a spreadsheet's row, or changes it.
  ///
  /// - Parameters:
  ///   - cells: An object with the cells that are not empty, by the names of the exported fields.
  ///   - updating: Whether a partner who is there is changed. Without an ID, the type and the e-mail address
  ///     find it.
  /// - Throws: `Failure`: `.validation`, and `.conflict` as ``createPartner(_:invitedBy:)``,
  ///   ``updatePartner(_:_:by:if:)`` and ``changePartnerStatus(_:_:if:)`` throw it.
  package func importPartner(_ cells: JSON, updating: Bool) throws -> ImportedRow {
    if let known = try partner(of: cells, byEmail: updating) {
      return try update(known, cells, isAllowed: updating)
    }
    return try add(cells)
  }

  /// The partner who is there; nil if there is none.
  private func partner(of cells: JSON, byEmail: Bool) throws -> Partner? {
    if case .string(let id) = cells["id"] { return try ID(id).flatMap { try partner($0) } }
    guard byEmail else { return nil }
    let names = ["type", "email"]
    let body = Body(
      cells, Table.partners.fields.filter { names.contains($0.name) }, by: .staff, at: now)
    guard let type = body.text("type"), let email = body.text("email") else { return nil }
    let found: [Partner] = try load(
      .partners, "WHERE p.type = ? AND p.email_key = ? AND p.status <> 'removed'",
      [type, email.comparisonKey])
    return found.first
  }

  private func add(_ cells: JSON) throws -> ImportedRow {
    var cells = cells
    var lacksInviter = false
    if case .string(let text) = cells["invited_by"], let inviter = ID(text),
      try user(inviter) == nil
    {
      cells = cells.without(["invited_by"])
      lacksInviter = true
    }
    var fields = Table.partners.fields + restoredFields
    // With an ID it is no new partner, but one that comes back. The last field of a name counts.
    if cells["id"] != nil { fields.append(.parameter("status", .word(PartnerStatus.self))) }
    var body = Body(cells, fields, by: .staff, at: now, isNew: true)
    body.checkTimes(at: now)
    _ = try createPartner(body, invitedBy: nil)
    return ImportedRow(outcome: .added, lacksInviter: lacksInviter)
  }

  private func update(_ old: Partner, _ cells: JSON, isAllowed: Bool) throws -> ImportedRow {
    let restored = restoredFields.map(\.name)
    var own = Body(
      cells.without(restored + ["status"]), Table.partners.fields, by: .staff, at: now)
    try own.accept(storedIn: view(old.id, of: .partners, seenBy: .staff))
    let status = Body(
      ["status": cells["status"] ?? .string(old.status.rawValue)], partnerStatusFields, by: .staff,
      at: now)
    let ignored = Body(cells.only(restored), restoredFields, by: .staff, at: now)
    let errors = own.errors + status.errors + ignored.errors
    guard errors.isEmpty else { throw Failure.validation(errors) }
    var new = old
    own.apply(to: &new)
    status.apply(to: &new)
    let changed = Table.partners.fields.filter { new.record[$0.name] != old.record[$0.name] }
    if changed.isEmpty { return ImportedRow(outcome: .unchanged) }
    guard isAllowed else {
      throw Failure.knownRow(changed, "partner", "Use --update to change it.")
    }
    // What an active partner needs is there before it becomes active, and stays until it is no more.
    if new.status == .active { try updatePartner(old.id, own, by: .staff) }
    try changePartnerStatus(old.id, status)
    if new.status != .active { try updatePartner(old.id, own, by: .staff) }
    return ImportedRow(outcome: .updated)
  }
}
