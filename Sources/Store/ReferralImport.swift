import Domain
import JSON

/// The columns that hold the members of `context`, each with the member's pointer. A mistake in both prices is
/// reported at the first of them.
private let contextColumns = [
  (name: "group_size", pointer: "/context/group_size"),
  (name: "home_price_min", pointer: "/context/home_price_range/min"),
  (name: "home_price_max", pointer: "/context/home_price_range/max"),
  (name: "timeline", pointer: "/context/timeline"),
  (name: "state", pointer: "/context/state"),
  (name: "specific_need", pointer: "/context/specific_need"),
]

/// The fields of a row, all of which an import may set.
private let fields: [Field] = Table.referrals.fields.compactMap { field in
  guard !field.isComputed,
    field.traits.contains(.exported) || field.name == "context"
  else { return nil }
  let isRequired = ["group_id", "requested_by", "partner_type"].contains(field.name)
  let kind = if case .time = field.kind { Kind.time(isPast: true) } else { field.kind }
  return .parameter(field.name, kind, isRequired ? .required : .nullable)
}

extension Change {
  /// Adds the request of a spreadsheet's row.
  ///
  /// The event of the request's creation has its status and its partner, because its earlier history is not known.
  ///
  /// - Parameter cells: An object with the cells that are not empty, by the names of the exported fields. Names that
  ///   other tables hold, such as the group's, are not read.
  /// - Throws: `Failure`: `.validation`, `.conflict(.referralAlreadyOpen)`.
  package func importReferral(_ cells: JSON) throws -> ImportedRow {
    do {
      return try add(referral: withContext(cells))
    } catch Failure.validation(let errors) {
      throw Failure.validation(
        errors.map { error in
          guard case .pointer(let pointer) = error.place,
            let column = contextColumns.first(where: { $0.pointer.hasPrefix(pointer) })
          else { return error }
          return FieldError(.pointer("/\(column.name)"), error.problem)
        })
    }
  }

  /// The row's cells as a request's fields.
  private func withContext(_ cells: JSON) -> JSON {
    var prices: [JSON.Member] = []
    var context: [JSON.Member] = []
    for (column, pointer) in contextColumns {
      guard let value = cells[column] else { continue }
      let path = pointer.split(separator: "/").map(String.init)
      if path.count == 3 {
        prices.append(JSON.Member(path[2], value))
      } else {
        context.append(JSON.Member(path[1], value))
      }
    }
    if !prices.isEmpty { context.append(JSON.Member("home_price_range", .object(prices))) }
    return .object(
      cells.only(fields.map(\.name)).members + [JSON.Member("context", .object(context))])
  }

  private func add(referral cells: JSON) throws -> ImportedRow {
    var body = Body(cells, fields, by: .staff, at: now, isNew: true)
    body.checkTimes(at: now)
    if let id = body.id("id"), let known = try referral(id) {
      try body.check(against: nil)
      var new = known
      body.apply(to: &new)
      let changed = fields.filter { new.record[$0.name] != known.record[$0.name] }
      if changed.isEmpty { return ImportedRow(outcome: .unchanged) }
      throw Failure.knownRow(changed, "request", "An import only adds requests.")
    }
    if let group = body.id("group_id"), try self.group(group) == nil {
      body.fail("group_id", .unknownValue, "No group has this ID.")
    }
    for name in ["requested_by", "contact_id", "assigned_to"] {
      guard let id = body.id(name), try user(id) == nil else { continue }
      body.fail(name, .unknownUser, "No user has this ID.")
    }
    if let id = body.id("partner_id") {
      let partner = try partner(id)
      if partner == nil {
        body.fail("partner_id", .unknownPartner, "No partner has this ID.")
      } else if let type: PartnerType = body.word("partner_type"), partner?.type != type {
        body.fail("partner_id", .notAllowedHere, "This partner has another type.")
      } else if body.word("status") == ReferralStatus.matched, partner?.status != .active {
        body.fail("partner_id", .notAllowedHere, "The partner of a matched request must be active.")
      }
    }
    try body.check(against: nil)
    var new = Referral(record: Table.referrals.newRecord(body.id("id") ?? newID(), at: now))
    new.status = .pending
    body.apply(to: &new)
    if new.status == .closed, new.outcome == nil { new.outcome = .unknown }
    if new.time("status_since") == nil {
      new.set("status_since", new.status == .pending ? new.createdAt : new.updatedAt)
    }
    // A request that comes back from an export without a contact had none.
    if new.contactID == nil, !body.has("id"), try isMember(new.requestedBy, of: new.groupID) {
      new.contactID = new.requestedBy
    }
    if new.consentVersion != nil, new.time("consented_at") == nil { new.set("consented_at", now) }
    body.fail(new.contradictions)
    try body.check(against: nil)
    try add(new)
    return ImportedRow(outcome: .added)
  }
}

extension JSON {
  /// The members of an object; none of another value.
  var members: [Member] { if case .object(let members) = self { members } else { [] } }
}
