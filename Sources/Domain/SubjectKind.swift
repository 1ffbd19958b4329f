/// The kinds of subjects that an event can have.
package enum SubjectKind: String, CaseIterable, Sendable {
  case partner, referral, coverage, user, group, token, message, database
}
