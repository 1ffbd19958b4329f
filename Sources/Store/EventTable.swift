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

/// The filters and the order of the list of events. What is nil filters nothing.
package struct EventFilter: Sendable {
  package enum Sort: String, CaseIterable, Sendable {
    case number
  }

  /// Only events with a higher number, in either order.
  package var after: Int?
  package var kind: String?
  package var subjectKind: SubjectKind?
  package var subjectID: String?
  package var actor: ID?
  package var order = (by: Sort.number, descending: false)

  package init() {}
}

extension Kind {
  /// The ID of an event's subject: a UUID in either case, or another text.
  package static let subjectID = Kind.text(
    TextRule(
      limit: 36,
      clean: { text in
        let text = text.removingInvisible().trimmingBlanks()
        return ID(text)?.text ?? text
      }))

  /// The kind of an event, as a caller names it.
  package static let eventKind = Kind.text(
    TextRule(limit: 100, clean: { $0.removingInvisible() }))
}

extension Snapshot {
  /// Writes a page of the events that the filter selects.
  ///
  /// - Returns: The last item's key if there are more items, else nil.
  package func events(
    _ filter: EventFilter, _ page: PageRequest, to json: inout JSONWriter
  ) throws -> [String]? {
    try eventList(filter)?.write(page, on: connection, to: &json)
  }

  /// The list of `events(_:_:to:)`; nil if no event can match the filter.
  ///
  /// One subject has few events. Else the events of each kind are walked separately, because each index has the
  /// order of the numbers only within one kind.
  func eventList(_ filter: EventFilter) throws -> List? {
    var walked = List.Source(name: "events", alias: "e")
    var kinds: [String] = []
    if filter.subjectID != nil {
      walked.index = "events_by_subject"
    } else if filter.actor != nil || filter.kind != nil || filter.subjectKind != nil {
      walked.index = filter.actor == nil ? "events_by_kind" : "events_by_actor_kind"
      kinds = try (filter.kind.map { [$0] } ?? eventKinds()).filter { kind in
        filter.subjectKind.map { kind.hasPrefix($0.rawValue + ".") } ?? true
      }
      if kinds.isEmpty { return nil }
    }
    var list = List(
      Table.events.list(.staff), items: List.Source(name: "events", alias: "e"), walked: walked,
      descending: filter.order.descending)
    if let subject = filter.subjectID {
      list.walk("subject_id", in: [subject])
      list.filter(column: "kind", in: filter.kind.map { [$0] } ?? [])
      list.filter(column: "actor_id", in: filter.actor.map { [$0.text] } ?? [])
      list.filter(column: "subject_kind", in: filter.subjectKind.map { [$0.rawValue] } ?? [])
    } else {
      list.walk("actor_id", in: filter.actor.map { [$0.text] } ?? [])
      list.walk("kind", in: kinds)
    }
    if let number = filter.after {
      if filter.order.descending {
        list.filter("e.number > ?", number)
      } else {
        list.start("e.number > ?", number)
      }
    }
    return list
  }

  /// The kinds of all events. Each is looked up in an index after the one before.
  private func eventKinds() throws -> [String] {
    try connection.rows(
      """
      WITH RECURSIVE found (kind) AS (
        SELECT min(kind) FROM events
        UNION ALL
        SELECT (SELECT min(e.kind) FROM events AS e WHERE e.kind > found.kind)
        FROM found WHERE found.kind IS NOT NULL)
      SELECT kind FROM found WHERE kind IS NOT NULL
      """
    ) { $0.text(0) }
  }

  /// Writes a page of one resource's events, newest first.
  ///
  /// - Parameter kind: The resource's kind. Other systems choose the IDs of users and groups, so an ID alone may
  ///   not be unique.
  /// - Returns: The last item's key if there are more items, else nil.
  package func events(
    of kind: SubjectKind, _ subject: ID, _ page: PageRequest, to json: inout JSONWriter
  ) throws -> [String]? {
    var filter = EventFilter()
    filter.subjectKind = kind
    filter.subjectID = subject.text
    filter.order.descending = true
    return try events(filter, page, to: &json)
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
  /// - Parameters:
  ///   - kind: Begins with the subject's kind and a dot, which the list of events relies on.
  ///   - actor: The user who caused it; nil for the system.
  package func record(
    _ kind: String, _ subjectKind: SubjectKind, _ subject: String, changes: String,
    note: String? = nil, actor: ID?
  ) throws {
    assert(kind.hasPrefix(subjectKind.rawValue + "."))
    try connection.run(
      """
      INSERT INTO events (at, actor_id, subject_kind, subject_id, kind, changes, note)
      VALUES (?, ?, ?, ?, ?, ?, ?)
      """, now.text, actor?.text, subjectKind.rawValue, subject, kind, changes, note)
  }

  /// Records that events are lost. Their numbers are not used again.
  func record(_ lost: Store.LostEvents) throws {
    try skipEventNumbers(upTo: lost.expected)
    try record(
      "database.events_lost", .database, "events",
      changes: #"{"number":{"from":\#(lost.expected),"to":\#(lost.found)}}"#, actor: nil)
  }

  /// Makes the next event's number greater than `number`.
  private func skipEventNumbers(upTo number: Int64) throws {
    // The row exists from the first event on.
    let known = try connection.run(
      "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'events'", number)
    if known == 0 {
      try connection.run("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", number)
    }
  }
}
