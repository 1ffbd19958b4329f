/// How partners are ordered wherever Tomi proposes some: never by payment.
package enum Ranking {
  /// The order in words, as the answers state it.
  package static let order =
    "Certified for co-ownership first, then the fewest open referrals, then the longest since the "
    + "last introduction, then ID. Never by payment."

  /// One partner's place in the order.
  package struct Key: Comparable, Sendable {
    package var certified: Bool
    /// The matched and introduced requests that are open with the partner.
    package var openReferrals: Int
    /// Nil: never introduced, which is the longest of all.
    package var lastIntroAt: Timestamp?
    package var id: ID

    package init(certified: Bool, openReferrals: Int, lastIntroAt: Timestamp?, id: ID) {
      self.certified = certified
      self.openReferrals = openReferrals
      self.lastIntroAt = lastIntroAt
      self.id = id
    }

    package static func < (left: Key, right: Key) -> Bool {
      if left.certified != right.certified { return left.certified }
      if left.openReferrals != right.openReferrals {
        return left.openReferrals < right.openReferrals
      }
      let leftIntro = left.lastIntroAt?.text ?? ""
      let rightIntro = right.lastIntroAt?.text ?? ""
      if leftIntro != rightIntro { return leftIntro < rightIntro }
      return left.id < right.id
    }
  }

  /// The part of the key that concerns nobody else, in short texts: for groups.
  package static func publicWhy(_ key: Key, servedState: StateCode) -> [String] {
    (key.certified ? ["Certified for co-ownership"] : []) + ["Serves \(servedState.name)"]
  }

  /// The key in short texts, for staff.
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
