import Domain
import SQLite

extension Snapshot {
  private func eventList(descending: Bool) -> List {
    List(
      columns: """
        e.number, e.at, e.actor_id, u.name, e.subject_kind, e.subject_id, e.kind, e.changes, e.note
        """,
      items: List.Table(name: "events", alias: "e"),
      joins: "LEFT JOIN users AS u ON u.id = e.actor_id",
      descending: descending)
  }

  private static func event(_ columns: inout Columns) throws -> Event {
    let number = columns.int()
    let at = try columns.time()
    let actorID = try columns.idOrNil()
    let actorName = columns.textOrNil()
    return try Event(
      number: number, at: at, actor: actorID.map { ($0, actorName ?? "") },
      subjectKind: columns.word(), subjectID: columns.text(), kind: columns.text(),
      changes: columns.text(), note: columns.textOrNil())
  }

  /// A page of everything that happened after the event `number`, oldest first.
  package func events(after number: Int, _ page: PageRequest) throws -> Page<Event> {
    var list = eventList(descending: false)
    list.start("e.number > ?", number)
    return try list.page(page, on: connection, read: Snapshot.event)
  }

  /// A page of what happened to one thing, newest first.
  ///
  /// - Parameter kind: What it is: other systems choose the IDs of users and groups.
  package func events(
    of kind: Event.SubjectKind, _ subject: ID, _ page: PageRequest
  ) throws -> Page<Event> {
    var list = eventList(descending: true)
    list.filter("e.subject_id = ?", subject.text)
    list.filter("e.subject_kind = ?", kind.rawValue)
    return try list.page(page, on: connection, read: Snapshot.event)
  }

  /// When a referral request got each of its statuses, oldest first.
  package func timeline(of referral: ID) throws -> [(status: ReferralStatus, at: Timestamp)] {
    try connection.rows(
      """
      SELECT changes ->> '$.status.to', at FROM events
      WHERE subject_id = ? AND subject_kind = 'referral' AND changes ->> '$.status.to' IS NOT NULL ORDER BY number
      """, referral.text
    ) { row in
      var columns = Columns(row)
      return (try columns.word(), try columns.time())
    }
  }
}

extension Change {
  /// Writes an event by the change's actor.
  ///
  /// - Parameter changes: A JSON object: for each field, `{"from": …, "to": …}`.
  package func record(
    _ kind: String, _ subjectKind: Event.SubjectKind, _ subjectID: String, changes: String,
    note: String? = nil
  ) throws {
    try record(kind, subjectKind, subjectID, changes: changes, note: note, actor: actor)
  }

  /// Writes an event by another than the change's actor; nil: the system.
  package func record(
    _ kind: String, _ subjectKind: Event.SubjectKind, _ subjectID: String, changes: String,
    note: String? = nil, actor: ID?
  ) throws {
    try connection.run(
      """
      INSERT INTO events (at, actor_id, subject_kind, subject_id, kind, changes, note)
      VALUES (?, ?, ?, ?, ?, ?, ?)
      """, now.text, actor?.text, subjectKind.rawValue, subjectID, kind, changes, note)
  }

  /// Makes the next event's number higher than `number`.
  func skipEventNumbers(upTo number: Int64) throws {
    // The row is there from the first event on.
    let known = try connection.run(
      "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'events'", number)
    if known == 0 {
      try connection.run("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", number)
    }
  }
}
