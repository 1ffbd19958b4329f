import Domain
import JSON

extension Change {
  /// Adds the user of a spreadsheet's row, or changes it.
  ///
  /// - Parameters:
  ///   - cells: An object with the cells that are not empty, by the names of the exported fields.
  ///   - updating: Whether a user who is there is changed. Without an ID, the e-mail address finds the user.
  /// - Throws: `Failure`: `.validation`, `.conflict` as ``putUser(_:_:if:)`` throws it.
  package func importUser(_ cells: JSON, updating: Bool) throws -> ImportedRow {
    var cells = cells
    var known: User?
    if case .string(let id) = cells["id"] {
      known = try ID(id).flatMap { try user($0) }
    } else if updating, case .string(let email) = cells["email"] {
      known = try user(email: email)
      // It names the user here, in whatever case, and does not change the address.
      if known != nil { cells = cells.without(["email"]) }
    }
    return try importAccount(known, cells, .users, "user", updating: updating) {
      try putUser($0, $1)
    }
  }

  /// Adds the group of a spreadsheet's row, or changes it.
  ///
  /// - Parameters:
  ///   - cells: As for ``importUser(_:updating:)``. A member is an ID or the e-mail address of a user.
  ///   - updating: Whether a group that is there is changed. The ID finds it.
  /// - Throws: `Failure.validation`.
  package func importGroup(_ cells: JSON, updating: Bool) throws -> ImportedRow {
    var cells = cells
    if case .array(let members) = cells["members"] {
      let resolved = try members.map { member in
        guard case .string(let text) = member, text.contains("@") else { return member }
        guard let user = try user(email: text.trimmingBlanks()) else {
          throw Failure.validation([
            FieldError(
              .pointer("/members"), .unknownUser,
              "No user has the e-mail address \(text.trimmingBlanks().echo).")
          ])
        }
        return .string(user.id.text)
      }
      cells = .object(
        cells.without(["members"]).members + [JSON.Member("members", .array(resolved))])
    }
    var known: Group?
    if case .string(let id) = cells["id"] { known = try ID(id).flatMap { try group($0) } }
    return try importAccount(known, cells, .groups, "group", updating: updating) {
      try putGroup($0, $1)
    }
  }

  private func importAccount<Value: Resource>(
    _ known: Value?, _ cells: JSON, _ table: Table, _ noun: String, updating: Bool,
    put: (ID, Body) throws -> Bool
  ) throws -> ImportedRow {
    guard let known else {
      var body = Body(cells, table.fields + Body.restoredFields, by: .staff, at: now)
      body.checkTimes(at: now)
      // Without an ID that can be read, there is nothing to put, and the body says why.
      let id = body.id("id")
      if id == nil, body.has("id") { try body.check(against: nil) }
      _ = try put(id ?? newID(), body)
      return ImportedRow(outcome: .added)
    }
    let restored = Body.restoredFields
    let ignored = Body(cells.only(restored.map(\.name)), restored, by: .staff, at: now)
    var body = Body(cells.without(restored.map(\.name)), table.fields, by: .staff, at: now)
    try body.accept(storedIn: view(known.id, of: table, seenBy: .staff))
    let errors = body.errors + ignored.errors
    guard errors.isEmpty else { throw Failure.validation(errors) }
    var new = known
    body.apply(to: &new)
    let changed = table.fields.filter { !isSame(new.record[$0.name], known.record[$0.name]) }
    if changed.isEmpty { return ImportedRow(outcome: .unchanged) }
    guard updating else { throw Failure.knownRow(changed, noun, "Use --update to change it.") }
    _ = try put(known.id, body)
    return ImportedRow(outcome: .updated)
  }

  /// Whether two values are equal. The order of members says nothing.
  private func isSame(_ left: JSON, _ right: JSON) -> Bool {
    guard case .array(let left) = left, case .array(let right) = right else { return left == right }
    return left.count == right.count && left.allSatisfy(right.contains)
  }
}
