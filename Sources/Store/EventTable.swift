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
        ]), join: "LEFT JOIN users AS u ON u.id = e.actor_id", seen: .staff),
      Field(
        "subject",
        .joined([
          Field("kind", .word(SubjectKind.self), from: "e.subject_kind"),
          Field("id", .text(limit: 36), from: "e.subject_id"),
        ]), seen: .staff),
      Field("kind", .text(limit: 100), seen: .staff),
      Field("changes", .json, seen: .staff),
      Field("note", .lines(limit: 2_000), seen: .staff),
    ])
}

/// The filters and the order of the list of events. What is nil or empty filters nothing.
package struct EventFilter: Sendable {
  package enum Sort: String, CaseIterable, Sendable {
    case number
  }

  /// Only events with a higher number, in either order.
  package var after: Int?
  package var kinds: [EventKind] = []
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
    if filter.subjectID != nil {
      walked.index = "events_by_subject"
    } else if filter.actor != nil {
      walked.index = "events_by_actor_kind"
    } else if !filter.kinds.isEmpty || filter.subjectKind != nil {
      walked.index = "events_by_kind"
    }
    var list = List(
      Table.events.list(.staff), items: List.Source(name: "events", alias: "e"), walked: walked,
      descending: filter.order.descending)
    if let subject = filter.subjectID {
      list.walk("subject_id", in: [subject])
      list.filter(column: "kind", in: filter.kinds.distinctWords)
      list.filter(column: "actor_id", in: filter.actor.map { [$0.text] } ?? [])
      list.filter(column: "subject_kind", in: filter.subjectKind.map { [$0.rawValue] } ?? [])
    } else if walked.index != nil {
      let kinds = (filter.kinds.isEmpty ? EventKind.allCases : filter.kinds).filter { kind in
        filter.subjectKind.map { $0 == kind.subject } ?? true
      }
      if kinds.isEmpty { return nil }
      list.walk("actor_id", in: filter.actor.map { [$0.text] } ?? [])
      list.walk("kind", in: kinds.distinctWords)
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
    _ kind: EventKind, _ subject: ID, changes: String, note: String? = nil
  ) throws {
    try record(kind, subject.text, changes: changes, note: note, actor: actor)
  }

  /// Writes an event.
  ///
  /// - Parameter actor: The user who caused it; nil for the system.
  package func record(
    _ kind: EventKind, _ subject: String, changes: String, note: String? = nil, actor: ID?
  ) throws {
    try connection.run(
      """
      INSERT INTO events (at, actor_id, subject_kind, subject_id, kind, changes, note)
      VALUES (?, ?, ?, ?, ?, ?, ?)
      """, now.text, actor?.text, kind.subject.rawValue, subject, kind.rawValue, changes,
      note)
  }

  /// Records that events are lost. Their numbers are not used again.
  func record(_ lost: Store.LostEvents) throws {
    try skipEventNumbers(upTo: lost.expected)
    try record(
      .databaseEventsLost, "events",
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
