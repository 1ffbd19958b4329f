import Domain
import JSON
import SQLite

extension Table {
  /// The history.
  package static let events = Table(
    "events", alias: "e",
    fields: [
      Field("number", .integer(1...Int.max), seen: .staff),
      Field("at", .time, seen: .staff),
      Field(
        "actor",
        .joined([
          Field("id", .id, from: "e.actor_id"), Field("name", .text(limit: 100), from: "u.name"),
        ]), .derived, join: "LEFT JOIN users AS u ON u.id = e.actor_id", seen: .staff),
      Field(
        "subject",
        .joined([
          Field("kind", .word(SubjectKind.self), from: "e.subject_kind"),
          Field("id", .text(limit: 36), from: "e.subject_id"),
        ]), .derived, seen: .staff),
      Field("kind", .text(limit: 100), seen: .staff),
      Field("changes", .json, seen: .staff),
      Field("note", .lines(limit: 2_000), seen: .staff),
    ])
}

extension Snapshot {
  private func eventList(descending: Bool) -> List {
    List(
      Table.events.list(.staff), items: List.Source(name: "events", alias: "e"),
      descending: descending)
  }

  /// Writes a page of the events after the event `number`, oldest first.
  ///
  /// - Returns: The last item's key if there are more items, else nil.
  package func events(
    after number: Int, _ page: PageRequest, to json: inout JSONWriter
  ) throws -> [String]? {
    var list = eventList(descending: false)
    list.start("e.number > ?", number)
    return try list.write(page, on: connection, to: &json)
  }

  /// Writes a page of one resource's events, newest first.
  ///
  /// - Parameter kind: The resource's kind. Other systems choose the IDs of users and groups, so an ID alone may
  ///   not be unique.
  /// - Returns: The last item's key if there are more items, else nil.
  package func events(
    of kind: SubjectKind, _ subject: ID, _ page: PageRequest, to json: inout JSONWriter
  ) throws -> [String]? {
    var list = eventList(descending: true)
    list.filter("e.subject_id = ?", subject.text)
    list.filter("e.subject_kind = ?", kind.rawValue)
    return try list.write(page, on: connection, to: &json)
  }
}

extension Change {
  /// Writes an event by the change's actor.
  ///
  /// - Parameter changes: A JSON object: for each field, `{"from": …, "to": …}`.
  package func record(
    _ kind: String, _ subjectKind: SubjectKind, _ subject: ID, changes: String,
    note: String? = nil
  ) throws {
    try record(kind, subjectKind, subject.text, changes: changes, note: note, actor: actor)
  }

  /// Writes an event.
  ///
  /// - Parameter actor: The user who caused it; nil for the system.
  package func record(
    _ kind: String, _ subjectKind: SubjectKind, _ subject: String, changes: String,
    note: String? = nil, actor: ID?
  ) throws {
    try connection.run(
      """
      INSERT INTO events (at, actor_id, subject_kind, subject_id, kind, changes, note)
      VALUES (?, ?, ?, ?, ?, ?, ?)
      """, now.text, actor?.text, subjectKind.rawValue, subject, kind, changes, note)
  }

  /// Makes the next event's number greater than `number`.
  func skipEventNumbers(upTo number: Int64) throws {
    // The row exists from the first event on.
    let known = try connection.run(
      "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'events'", number)
    if known == 0 {
      try connection.run("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", number)
    }
  }
}
