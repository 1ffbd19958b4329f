import Domain
import Testing

private func key(
  _ number: Int, certified: Bool = false, open: Int = 0, intro: Timestamp? = nil
) -> Ranking.Key {
  Ranking.Key(certified: certified, openReferrals: open, lastIntroAt: intro, id: sampleID(number))
}

@Suite("Ranking")
struct RankingTests {
  /// The best first; each but the last is better than the next by one criterion, and worse by every later one.
  private static let ordered = [
    key(9, certified: true, open: 0, intro: nil),
    key(8, certified: true, open: 0, intro: now.adding(days: -400)),
    key(7, certified: true, open: 0, intro: now.adding(days: -1)),
    key(6, certified: true, open: 1, intro: nil),
    key(5, certified: true, open: 10, intro: now.adding(days: -900)),
    key(2, certified: false, open: 0, intro: nil),
    key(3, certified: false, open: 0, intro: nil),
    key(4, certified: false, open: 0, intro: now.adding(days: -30)),
    key(1, certified: false, open: 2, intro: nil),
  ]

  @Test("certified, then fewest open, then longest since an introduction, then ID")
  func order() {
    for (index, left) in Self.ordered.enumerated() {
      for (other, right) in Self.ordered.enumerated() {
        #expect((left < right) == (index < other), "\(left) and \(right)")
      }
    }
  }

  @Test("any order of arrival gives the same ranking")
  func stable() {
    let expected = Self.ordered.map(\.id)
    #expect(Self.ordered.reversed().sorted().map(\.id) == expected)
    for shift in Self.ordered.indices {
      let rotated = Self.ordered[shift...] + Self.ordered[..<shift]
      #expect(rotated.sorted().map(\.id) == expected)
    }
  }

  @Test("a tie in all but the ID goes by ID")
  func tie() {
    let intro = now.adding(days: -3)
    let left = key(1, certified: true, open: 4, intro: intro)
    let right = key(2, certified: true, open: 4, intro: intro)
    #expect(left < right)
    #expect(!(right < left))
    #expect(!(left < left))
  }

  @Test("why, in words")
  func why() {
    #expect(
      Ranking.why(key(1, certified: true, open: 0), servedState: .MN)
        == [
          "Certified for co-ownership", "Serves Minnesota", "No open referrals",
          "Not introduced yet",
        ])
    #expect(
      Ranking.why(
        key(1, open: 1, intro: Timestamp("2025-12-31T23:59:59.999Z")!), servedState: nil)
        == ["1 open referral", "Last introduced on 2025-12-31"])
    #expect(
      Ranking.why(key(1, open: 12), servedState: .DC)
        == ["Serves District of Columbia", "12 open referrals", "Not introduced yet"])
  }

  @Test("to groups, only what concerns nobody else")
  func publicWhy() {
    let busy = key(1, certified: true, open: 7, intro: now)
    #expect(
      Ranking.publicWhy(busy, servedState: .WV)
        == ["Certified for co-ownership", "Serves West Virginia"])
    #expect(Ranking.publicWhy(key(1), servedState: .WV) == ["Serves West Virginia"])
  }

  @Test("the order is stated, and that payment has no part in it")
  func stated() {
    #expect(
      Ranking.order == """
        Certified for co-ownership first, then the fewest open referrals, then the longest since \
        the last introduction, then ID. Never by payment.
        """)
  }
}
