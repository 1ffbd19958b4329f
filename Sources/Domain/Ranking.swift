/// The order in which Tomi proposes partners. It never depends on payment.
package enum Ranking {
  /// A description of the order, for the API's answers.
  package static let order =
    "Certified for co-ownership first, then the fewest open referrals, then the longest since the "
    + "last introduction, then ID. Never by payment."

  /// What decides one partner's place in the order.
  package struct Key: Comparable, Sendable {
    package var certified: Bool
    /// How many requests are matched with the partner, or introduced to it and not answered.
    package var openReferrals: Int
    /// When a group was last introduced to the partner. Nil, for never, comes before every time.
    package var lastIntroAt: Timestamp?
    package var id: ID

    package init(certified: Bool, openReferrals: Int, lastIntroAt: Timestamp?, id: ID) {
      self.certified = certified
      self.openReferrals = openReferrals
      self.lastIntroAt = lastIntroAt
      self.id = id
    }

    package static func < (left: Key, right: Key) -> Bool {
      func sortKey(_ key: Key) -> (Int, Int, Int64, ID) {
        (
          key.certified ? 0 : 1, key.openReferrals, key.lastIntroAt?.milliseconds ?? .min, key.id
        )
      }
      return sortKey(left) < sortKey(right)
    }
  }

  /// The reasons that a group may see, in short texts: they say nothing about other groups.
  package static func publicWhy(_ key: Key, servedState: StateCode) -> [String] {
    (key.certified ? ["Certified for co-ownership"] : []) + ["Serves \(servedState.name)"]
  }

  /// The reasons for the partner's place, in short texts for staff.
  package static func why(_ key: Key, servedState: StateCode?) -> [String] {
    var why: [String] = []
    if key.certified { why.append("Certified for co-ownership") }
    if let servedState { why.append("Serves \(servedState.name)") }
    switch key.openReferrals {
    case 0: why.append("No open referrals")
    case 1: why.append("1 open referral")
    default: why.append("\(key.openReferrals) open referrals")
    }
    if let last = key.lastIntroAt {
      why.append("Last introduced on \(last.text.prefix(10))")
    } else {
      why.append("Not introduced yet")
    }
    return why
  }
}
