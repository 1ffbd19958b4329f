/// Those who see or set a field.
package struct Audiences: OptionSet, Hashable, Sendable {
  package let rawValue: Int

  package init(rawValue: Int) { self.rawValue = rawValue }

  /// Everyone, also without a token.
  package static let anyone = Audiences(rawValue: 1)
  /// The members of a group.
  package static let member = Audiences(rawValue: 2)
  /// A partner, for its own record.
  package static let partner = Audiences(rawValue: 4)
  /// Tomi's staff.
  package static let staff = Audiences(rawValue: 8)

  /// Everyone with a token.
  package static let signedIn: Audiences = [.member, .partner, .staff]

  /// Each of them.
  package static let all: Audiences = [.anyone, .member, .partner, .staff]
}
