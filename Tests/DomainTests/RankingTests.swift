import Domain
import Testing

private func key(
  _ number: Int, certified: Bool = false, open: Int = 0, intro: Timestamp? = nil
) -> Ranking.Key {
  Ranking.Key(certified: certified, openReferrals: open, lastIntroAt: intro, id: sampleID(number))
}

@Suite("Ranking")
struct RankingTests {
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
