import Domain
import JSON
import Store

/// `GET /api/admin/referrals`: the queue.
@Sendable func listReferrals(_ call: Call<Snapshot>) throws -> Answer {
  var filter = ReferralFilter()
  filter.statuses = call.query.words("status")
  filter.types = call.query.words("partner_type")
  filter.states = call.query.words("state")
  filter.groupID = call.query.id("group_id")
  filter.partnerID = call.query.id("partner_id")
  filter.requestedBy = call.query.id("requested_by")
  filter.createdUntil = call.query.integer("older_than_days").map { call.now.adding(days: -$0) }
  if let (sort, descending) = call.query.sort(ReferralFilter.Sort.self) {
    filter.sort = sort
    filter.descending = descending
  }
  return call.page(
    try call.records.staffReferrals(filter, call.query.page)
  ) { StaffReferral($0) }
}

/// `GET /api/admin/referrals/:id`: one request.
@Sendable func getReferral(_ call: Call<Snapshot>) throws -> Answer {
  .thing(try call.staffReferral())
}

/// `PUT /api/admin/referrals/:id`: matches, introduces, takes back, closes, corrects a request.
@Sendable func updateReferral(_ call: Call<Change>) throws -> Answer {
  let view = try call.staffReferral()
  let old = view.record.referral
  var fields = try call.fields()
  var update = ReferralUpdate(
    status: fields.given("status", .word()),
    partnerID: fields.givenOrNull("partner_id", .id),
    partnerType: fields.given("partner_type", .word()),
    context: fields.context("context"),
    introSentAt: fields.givenOrNull("intro_sent_at", .time))
  fields.set("note", &update.note, .note)
  fields.readOnly(
    StaffReferral.fields.filter { !ReferralUpdate.fields.contains($0) }, stored: view)
  let partnerID: ID? = (update.partnerID ?? old.partnerID) ?? nil
  let partner = try partnerID.flatMap { try call.records.partner($0) }
  // Without the status nobody knows what the other fields are held against.
  let wrong = fields.errors.map(\.place)
  if !wrong.contains(.pointer("/status")) {
    fields.fail(
      update.problems(
        for: old, partnerExists: partnerID == nil || partner != nil, at: call.now
      ).filter { !wrong.contains($0.place) })
  }
  try fields.finish()
  try call.checkPrecondition(view)
  var new = try update.applied(to: old, partner: partner, at: call.now)
  if new == old {
    // Staff's note on a request that stays as it is; one that is sent again adds nothing.
    let actor = try call.caller.userID
    let last = try call.records.events(of: .referral, old.id, PageRequest(limit: 1)).items.first
    if let note = update.note, last?.note != note || last?.actor?.id != actor {
      try call.records.record("referral.noted", .referral, old.id.text, changes: "{}", note: note)
    }
    return .thing(view)
  }
  new.updatedAt = call.now
  try call.records.update(new)
  let kind =
    if new.status != old.status {
      new.status.eventKind
    } else if new.partnerID != old.partnerID {
      ReferralStatus.matched.eventKind
    } else {
      "referral.updated"
    }
  try call.recordReferral(kind, from: old, to: new, note: update.note)
  return .thing(try call.staffReferral())
}

/// `PUT /api/admin/referrals/:id/outcome`: records what came of an introduction.
@Sendable func recordOutcome(_ call: Call<Change>) throws -> Answer {
  let view = try call.staffReferral()
  let old = view.record.referral
  var fields = try call.fields()
  if old.outcome == nil { fields.require("outcome") }
  let outcome = fields.given("outcome", .word(of: Outcome.allCases)) ?? old.outcome
  var notes = old.outcomeNotes
  fields.set("outcome_notes", &notes, .text(limit: 10_000, multiline: true))
  try fields.finish()
  try call.checkPrecondition(view)
  var new = try old.recording(outcome ?? .unknown, at: call.now)
  new.outcomeNotes = notes
  guard new != old else { return .thing(view) }
  new.updatedAt = call.now
  try call.records.update(new)
  try call.recordReferral("referral.outcome_recorded", from: old, to: new)
  return .thing(try call.staffReferral())
}

/// `GET /api/admin/referrals/:id/history`: what happened to a request, newest first.
@Sendable func listReferralHistory(_ call: Call<Snapshot>) throws -> Answer {
  let referral = try call.staffReferral().record.referral
  return call.page(
    try call.records.events(of: .referral, referral.id, call.query.page), as: EventView.init)
}

/// `GET /api/admin/referrals/:id/candidates`: the partners that fit a request, best first.
@Sendable func listCandidates(_ call: Call<Snapshot>) throws -> Answer {
  let referral = try call.staffReferral().record.referral
  let request = call.query.page
  var keys = try call.records.rankingKeys(for: referral).sorted()
  if let after = request.after {
    guard let last = Ranking.Key(after) else {
      throw Failure.invalidParameter([FieldError(.parameter("cursor"), Query.foreignCursor)])
    }
    keys.removeFirst(keys.prefix { $0 <= last }.count)
  }
  let next = keys.count > request.limit ? keys[request.limit - 1].texts : nil
  let candidates = try keys.prefix(request.limit).compactMap { key in
    try call.records.partner(key.id).map {
      Candidate(partner: $0, key: key, state: referral.context.state)
    }
  }
  return call.page(Page(items: candidates, next: next), order: Ranking.order) { $0 }
}

extension Call {
  /// The request that the path names, as staff sees it.
  ///
  /// - Throws: `Failure.notFound`.
  fileprivate func staffReferral() throws -> StaffReferral {
    guard let record = try records.referral(id()) else { throw Failure.notFound }
    return StaffReferral(record, timeline: try records.timeline(of: record.referral.id))
  }
}

extension Call<Change> {
  /// Writes what happened to a request into the history.
  func recordReferral(
    _ kind: String, from old: Referral, to new: Referral, note: String? = nil, actor: ID?? = nil
  ) throws {
    try records.record(
      kind, .referral, new.id.text,
      changes: Changes.between(
        StaffReferral.Core(old), StaffReferral.Core(new), fields: StaffReferral.history),
      note: note, actor: actor ?? records.actor)
  }

  /// Returns a matched request to pending, because its partner is gone: the system does it, whoever
  /// caused it.
  func giveBack(_ old: Referral, note: String) throws {
    var new = old.moved(to: .pending, at: now)
    new.updatedAt = now
    try records.update(new)
    try recordReferral(
      ReferralStatus.pending.eventKind, from: old, to: new, note: note, actor: .some(nil))
  }
}

extension ReferralStatus {
  /// What the history calls a request's change to this status.
  var eventKind: String {
    switch self {
    case .pending: "referral.returned"
    case .matched: "referral.matched"
    case .introSent: "referral.intro_sent"
    case .connected: "referral.connected"
    case .closed: "referral.closed"
    case .cancelled: "referral.cancelled"
    }
  }
}

extension ReferralUpdate {
  /// The fields that staff may send.
  fileprivate static let fields = [
    "status", "partner_id", "partner_type", "context", "intro_sent_at",
  ]
}

extension Ranking.Key {
  /// The key as a cursor has it.
  fileprivate var texts: [String] {
    [certified ? "1" : "0", String(openReferrals), lastIntroAt?.text ?? "", id.text]
  }

  /// Reads the key from a cursor; nil if it is none.
  fileprivate init?(_ texts: [String]) {
    guard texts.count == 4, let open = Int(texts[1]), let id = ID(texts[3]) else { return nil }
    let lastIntroAt = Timestamp(texts[2])
    guard texts[2].isEmpty || lastIntroAt != nil else { return nil }
    self.init(
      certified: texts[0] == "1", openReferrals: open, lastIntroAt: lastIntroAt, id: id)
  }
}

/// A request as staff sees it: everything.
struct StaffReferral: View {
  let record: StaffReferralRecord
  /// Nil in a list.
  let timeline: Timeline?

  init(
    _ record: StaffReferralRecord, timeline: [(status: ReferralStatus, at: Timestamp)]? = nil
  ) {
    self.record = record
    self.timeline = timeline.map(Timeline.init)
  }

  /// The names of all its fields.
  static let fields =
    ["id", "group_id", "requested_by"] + history.dropFirst(2) + [
      "created_at", "updated_at", "group", "requester", "partner", "timeline",
    ]

  /// The fields whose changes the history keeps.
  static let history = [
    "group_id", "requested_by", "partner_type", "status", "context", "partner_id",
    "intro_sent_at", "outcome", "outcome_notes",
  ]

  /// The request's own fields.
  struct Core: View {
    let referral: Referral

    init(_ referral: Referral) { self.referral = referral }

    func write(to json: inout JSONWriter) {
      json.object { writeMembers(to: &$0) }
    }

    fileprivate func writeMembers(to json: inout JSONWriter) {
      json.field("id", referral.id)
      json.field("group_id", referral.groupID)
      json.field("requested_by", referral.requestedBy)
      json.field("partner_type", referral.partnerType)
      json.field("status", referral.status)
      json.name("context")
      json.context(referral.context)
      json.field("partner_id", referral.partnerID)
      json.field("intro_sent_at", referral.introSentAt)
      json.field("outcome", referral.outcome)
      json.field("outcome_notes", referral.outcomeNotes)
      json.field("created_at", referral.createdAt)
      json.field("updated_at", referral.updatedAt)
    }
  }

  func write(to json: inout JSONWriter) {
    let referral = record.referral
    json.object {
      Core(referral).writeMembers(to: &$0)
      $0.name("group")
      $0.object {
        $0.field("id", referral.groupID)
        $0.field("name", record.groupName)
      }
      $0.name("requester")
      $0.object {
        $0.field("id", referral.requestedBy)
        $0.field("name", record.requesterName)
        $0.field("email", record.requesterEmail)
      }
      $0.field("partner", record.partner.map(ReferredPartner.init))
      if let timeline { $0.field("timeline", timeline) }
    }
  }
}

/// A request's partner as staff sees it.
private struct ReferredPartner: View {
  let partner: PartnerContact

  func write(to json: inout JSONWriter) {
    json.object {
      $0.field("id", partner.id)
      $0.field("type", partner.type)
      $0.field("company_name", partner.companyName)
      $0.field("contact_name", partner.contactName)
      $0.field("email", partner.email)
      $0.field("phone", partner.phone)
      $0.field("website", partner.website)
    }
  }
}

/// A partner that fits a request.
struct Candidate: View {
  let partner: Partner
  let key: Ranking.Key
  /// The request's state, if it names one.
  let state: StateCode?

  func write(to json: inout JSONWriter) {
    json.object {
      $0.field("id", partner.id)
      $0.field("type", partner.type)
      $0.field("company_name", partner.companyName)
      $0.field("contact_name", partner.contactName)
      $0.field("email", partner.email)
      $0.field("phone", partner.phone)
      $0.field("website", partner.website)
      $0.field("co_ownership_certified", key.certified)
      $0.field("open_referrals", key.openReferrals)
      $0.field("last_intro_at", key.lastIntroAt)
      $0.field("why", Ranking.why(key, servedState: state))
    }
  }
}
