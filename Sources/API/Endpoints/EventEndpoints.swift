import Domain
import Store

/// `GET /api/admin/events`: the events that match the filters, oldest first unless `sort` says otherwise.
@Sendable func listEvents(_ call: Call, _ records: Snapshot) throws -> Answer {
  var filter = EventFilter()
  filter.after = call.query.integer("after")
  filter.kinds = call.query.words("kind")
  filter.subjectKind = call.query["subject_kind"].flatMap { SubjectKind(rawValue: $0) }
  filter.subjectID = call.query["subject_id"]
  filter.actor = call.query.id("actor_id")
  filter.order = call.query.order() ?? filter.order
  return try call.page { try records.events(filter, call.query.page, to: &$0) }
}
