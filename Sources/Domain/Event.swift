/// One change, as the history keeps it.
package struct Event: Equatable, Sendable {
  /// What an event happened to.
  package enum SubjectKind: String, Sendable {
    case partner, referral, coverage, user, group, token, database
  }

  /// Rises with every event; never given twice.
  package var number: Int
  package var at: Timestamp
  /// Who did it; nil: the system.
  package var actor: (id: ID, name: String)?
  package var subjectKind: SubjectKind
  /// The subject's ID; a state and a type such as `MN/attorney` for coverage.
  package var subjectID: String
  /// Such as `partner.created`.
  package var kind: String
  /// A JSON object: for each field that changed, `{"from": …, "to": …}`.
  package var changes: String
  package var note: String?

  package init(
    number: Int, at: Timestamp, actor: (id: ID, name: String)?, subjectKind: SubjectKind,
    subjectID: String, kind: String, changes: String, note: String?
  ) {
    self.number = number
    self.at = at
    self.actor = actor
    self.subjectKind = subjectKind
    self.subjectID = subjectID
    self.kind = kind
    self.changes = changes
    self.note = note
  }

  package static func == (left: Event, right: Event) -> Bool {
    left.number == right.number && left.at == right.at && left.actor?.id == right.actor?.id
      && left.subjectKind == right.subjectKind && left.subjectID == right.subjectID
      && left.kind == right.kind && left.changes == right.changes && left.note == right.note
  }
}
