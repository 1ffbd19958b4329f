/// The order in which Tomi proposes partners. It never depends on payment. The database keeps the partners in this
/// order (`partner_ranks`).
package enum Ranking {
  /// A description of the order, for the API's answers.
  package static let order =
    "Certified for co-ownership first, then the fewest open referrals, then the longest since the "
    + "last introduction, then ID. Never by payment."

  /// What decides one partner's place in the order.
  package struct Key: Sendable {
    package var certified: Bool
    /// How many requests are matched with the partner, or introduced to it and not answered.
    package var openReferrals: Int
    /// When a group was last introduced to the partner, whatever came of it; nil if none ever was.
    package var lastIntroAt: Timestamp?
    package var id: ID

    package init(certified: Bool, openReferrals: Int, lastIntroAt: Timestamp?, id: ID) {
      self.certified = certified
      self.openReferrals = openReferrals
      self.lastIntroAt = lastIntroAt
      self.id = id
    }
  }

  /// Why an active partner of the type that serves the state is not proposed for a request.
  package enum LeftOut: String, CaseIterable, Sendable {
    /// It wants no introductions for now.
    case paused
    /// It has as many open referrals as it wants.
    case atCapacity = "at_capacity"
    /// A verified credential has expired, and no other one of its kind and state is good.
    case credentialExpired = "credential_expired"
    /// Staff holds its type back in the state.
    case heldBack = "held_back"
    /// The request was with it before.
    case triedBefore = "tried_before"
    /// Its own user is in the group.
    case ownGroup = "own_group"

    /// The reasons that are the same for all requests of a type and state.
    package static let general: [LeftOut] = [.paused, .atCapacity, .credentialExpired, .heldBack]
  }

  /// The reasons that a group may see, in short texts: they say nothing about other groups.
  package static func publicWhy(_ key: Key, servedState: StateCode) -> [String] {
    (key.certified ? ["Certified for co-ownership"] : []) + ["Serves \(servedState.name)"]
  }

  /// The reasons for the partner's place, in short texts for staff.
  package static func why(_ key: Key, servedState: StateCode?) -> [String] {
    let count = key.openReferrals
    return (key.certified ? ["Certified for co-ownership"] : [])
      + (servedState.map { ["Serves \($0.name)"] } ?? []) + [
        "\(count == 0 ? "No" : "\(count)") open referral\(count == 1 ? "" : "s")",
        key.lastIntroAt.map { "Last introduced on \($0.text.prefix(10))" } ?? "Not introduced yet",
      ]
  }
}
