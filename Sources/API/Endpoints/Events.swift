import Domain
import JSON
import Store

/// `GET /api/admin/events`: everything that happened, oldest first.
@Sendable func listEvents(_ call: Call<Snapshot>) throws -> Answer {
  call.page(
    try call.records.events(after: call.query.integer("after") ?? 0, call.query.page),
    as: EventView.init)
}

/// A change, as staff sees it.
struct EventView: View {
  let event: Event

  init(_ event: Event) { self.event = event }

  func write(to json: inout JSONWriter) {
    json.object {
      $0.field("number", event.number)
      $0.field("at", event.at)
      $0.name("actor")
      if let actor = event.actor {
        $0.object {
          $0.field("id", actor.id)
          $0.field("name", actor.name)
        }
      } else {
        $0.null()
      }
      $0.name("subject")
      $0.object {
        $0.field("kind", event.subjectKind)
        $0.field("id", event.subjectID)
      }
      $0.field("kind", event.kind)
      $0.name("changes")
      $0.raw(event.changes)
      $0.field("note", event.note)
    }
  }
}
