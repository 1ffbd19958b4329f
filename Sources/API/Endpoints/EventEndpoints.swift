import Store

/// `GET /api/admin/events`: all events, oldest first.
@Sendable func listEvents(_ call: Call, _ records: Snapshot) throws -> Answer {
  let number = call.query.integer("after") ?? 0
  return try call.page { try records.events(after: number, call.query.page, to: &$0) }
}
