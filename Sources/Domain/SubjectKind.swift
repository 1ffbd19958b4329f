/// What an event happened to.
package enum SubjectKind: String, CaseIterable, Sendable {
  case partner, referral, coverage, user, group, token, database
}
