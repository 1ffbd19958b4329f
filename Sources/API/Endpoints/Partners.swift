import Domain
import JSON
import Store

/// `GET /api/admin/partners`: the partners that the filters keep.
@Sendable func listPartners(_ call: Call<Snapshot>) throws -> Answer {
  var filter = PartnerFilter()
  filter.types = call.query.words("type")
  filter.statuses = call.query.words("status")
  filter.states = call.query.words("state")
  filter.words = call.query["q"]
  if let (sort, descending) = call.query.sort(PartnerFilter.Sort.self) {
    filter.sort = sort
    filter.descending = descending
  }
  return call.page(try call.records.partners(filter, call.query.page), as: StaffPartner.init)
}

/// `POST /api/admin/partners`: creates a partner.
@Sendable func createPartner(_ call: Call<Change>) throws -> Answer {
  let partner = try Partners.create(
    call.body ?? .null, invitedBy: call.caller.userID, in: call.records)
  return .thing(StaffPartner(partner)).created(at: "/api/admin/partners/\(partner.id)")
}

/// The creation of partners, which the command line's import makes as well.
package enum Partners {
  /// Adds a partner, with its event.
  ///
  /// - Parameters:
  ///   - body: The fields that staff may set.
  ///   - user: The staff user who adds it; nil for an import.
  /// - Throws: `Failure`: `.validation`, and `.conflict` with `.partnerNotReady`, `.partnerExists` or
  ///   `.userAlreadyLinked`.
  package static func create(
    _ body: JSON, invitedBy user: ID?, in change: Change
  ) throws -> Partner {
    var partner = Partner(
      id: change.newID(), invitedBy: user, createdAt: change.now, updatedAt: change.now)
    var fields = try Fields(body)
    fields.require("type", "company_name", "email")
    fields.setPartner(&partner, at: change.now)
    fields.set("status", &partner.status, .word(of: PartnerStatus.initial))
    fields.readOnly(StaffPartner.readOnly.filter { $0 != "status" }, stored: StaffPartner?.none)
    try fields.checkUser(partner.userID, in: change)
    try fields.finish()
    try partner.checkReadiness()
    try change.insert(partner)
    try change.record(
      "partner.created", .partner, partner.id.text,
      changes: Changes.between(
        StaffPartner?.none, StaffPartner(partner), fields: StaffPartner.history))
    return partner
  }
}

/// `GET /api/admin/partners/:id`: one partner.
@Sendable func getPartner(_ call: Call<Snapshot>) throws -> Answer {
  .thing(StaffPartner(try call.partner()))
}

/// `PUT /api/admin/partners/:id`: changes a partner's fields, its status aside.
@Sendable func updatePartner(_ call: Call<Change>) throws -> Answer {
  let old = try call.partner()
  var new = old
  var fields = try call.fields()
  fields.setPartner(&new, at: call.now)
  fields.readOnly(StaffPartner.readOnly, stored: StaffPartner(old))
  try fields.checkUser(new.userID, in: call.records)
  try fields.finish()
  try call.checkPrecondition(StaffPartner(old))
  guard new != old else { return .thing(StaffPartner(old)) }
  try new.checkReadiness()
  new.updatedAt = call.now
  try call.records.update(old, to: new)
  return .thing(try call.recordPartner("partner.updated", from: old, to: new))
}

/// `PUT /api/admin/partners/:id/status`: moves a partner along its life cycle.
@Sendable func changePartnerStatus(_ call: Call<Change>) throws -> Answer {
  let old = try call.partner()
  var fields = try call.fields()
  fields.require("status")
  let status = fields.given("status", .word(of: PartnerStatus.allCases))
  var note: String?
  fields.set("note", &note, .note)
  try fields.finish()
  try call.checkPrecondition(StaffPartner(old))
  var new = try old.moved(to: status ?? old.status)
  guard new != old else { return .thing(StaffPartner(old)) }
  new.updatedAt = call.now
  try call.records.update(old, to: new)
  let view = try call.recordPartner("partner.status_changed", from: old, to: new, note: note)
  if old.status == .active {
    for referral in try call.records.matchedReferrals(of: old.id) {
      try call.giveBack(referral, note: "The partner is no longer active.")
    }
  }
  return .thing(view)
}

/// `GET /api/admin/partners/:id/history`: what happened to a partner, newest first.
@Sendable func listPartnerHistory(_ call: Call<Snapshot>) throws -> Answer {
  let partner = try call.partner()
  return call.page(
    try call.records.events(of: .partner, partner.id, call.query.page), as: EventView.init)
}

extension Call {
  /// The partner that the path names.
  ///
  /// - Throws: `Failure.notFound`.
  fileprivate func partner() throws -> Partner {
    guard let partner = try records.partner(id()) else { throw Failure.notFound }
    return partner
  }
}

extension Call<Change> {
  /// Writes what happened to a partner into the history.
  @discardableResult
  func recordPartner(
    _ kind: String, from old: Partner, to new: Partner, note: String? = nil
  ) throws -> StaffPartner {
    let view = StaffPartner(new)
    try records.record(
      kind, .partner, new.id.text,
      changes: Changes.between(StaffPartner(old), view, fields: StaffPartner.history), note: note)
    return view
  }
}

extension Fields {
  /// Reads what a partner may set of itself.
  mutating func setProfile(_ partner: inout Partner) {
    set("company_name", &partner.companyName, .text(limit: 200))
    set("contact_name", &partner.contactName, .text(limit: 100))
    set("email", &partner.email, .text(.email))
    set("phone", &partner.phone, .text(.phone))
    set("website", &partner.website, .text(.website))
    set("service_areas", &partner.serviceAreas, list: .list(of: .state, limit: 51))
  }

  /// Reads what staff may set of a partner.
  fileprivate mutating func setPartner(_ partner: inout Partner, at now: Timestamp) {
    setProfile(&partner)
    set("user_id", &partner.userID, .id)
    set("type", &partner.type, .word())
    set("co_ownership_certified", &partner.coOwnershipCertified, .bool)
    set("agreement_signed_at", &partner.agreementSignedAt, .time(until: now))
    set("notes", &partner.notes, .text(limit: 10_000, multiline: true))
  }

  /// Notes an error if the linked user is not known.
  fileprivate mutating func checkUser(_ id: ID?, in records: Snapshot) throws {
    guard has("user_id"), let id, try records.user(id) == nil else { return }
    fail("user_id", .unknownUser, "There is no user with this ID.")
  }
}

/// A partner as staff sees it: everything.
struct StaffPartner: View {
  let partner: Partner

  init(_ partner: Partner) { self.partner = partner }

  /// The fields that are never set through the partner itself.
  static let readOnly = ["id", "status", "invited_by", "created_at", "updated_at"]

  /// The fields whose changes the history keeps.
  static let history = [
    "user_id", "type", "status", "company_name", "contact_name", "email", "phone", "website",
    "service_areas", "co_ownership_certified", "agreement_signed_at", "invited_by", "notes",
  ]

  func write(to json: inout JSONWriter) {
    json.object {
      $0.field("id", partner.id)
      $0.field("user_id", partner.userID)
      $0.field("type", partner.type)
      $0.field("status", partner.status)
      $0.field("company_name", partner.companyName)
      $0.field("contact_name", partner.contactName)
      $0.field("email", partner.email)
      $0.field("phone", partner.phone)
      $0.field("website", partner.website)
      $0.field("service_areas", partner.serviceAreas)
      $0.field("co_ownership_certified", partner.coOwnershipCertified)
      $0.field("agreement_signed_at", partner.agreementSignedAt)
      $0.field("invited_by", partner.invitedBy)
      $0.field("notes", partner.notes)
      $0.field("created_at", partner.createdAt)
      $0.field("updated_at", partner.updatedAt)
    }
  }
}
