import Domain
import Testing

@Suite("Coverage")
struct CoverageTests {
  @Test(
    "the best of several statuses",
    arguments: [
      ([], .unavailable),
      ([.unavailable], .unavailable),
      ([.comingSoon], .comingSoon),
      ([.available], .available),
      ([.unavailable, .comingSoon], .comingSoon),
      ([.comingSoon, .unavailable, .unavailable], .comingSoon),
      ([.unavailable, .comingSoon, .available], .available),
      ([.available, .unavailable], .available),
      (Array(repeating: .unavailable, count: 6), .unavailable),
    ] as [([CoverageStatus], CoverageStatus)])
  func best(statuses: [CoverageStatus], expected: CoverageStatus) {
    #expect(CoverageStatus.best(of: statuses) == expected)
    #expect(CoverageStatus.best(of: statuses.reversed()) == expected)
  }

  @Test("only what is available says so; the public is told of no other difference")
  func message() {
    #expect(
      CoverageStatus.allCases.map { [$0.rawValue, $0.message] } == [
        ["available", "Available"], ["coming_soon", "Coming soon"],
        ["unavailable", "Coming soon"],
      ])
  }

  @Test("available is not pinned without a partner; anything else is, and nothing at all")
  func pin() {
    for count in [0, 1, 7] {
      let coverage = Coverage(
        stateCode: .MN, partnerType: .attorney, status: .comingSoon, partnerCount: count,
        pinnedStatus: nil)
      for status in [nil, .available, .comingSoon, .unavailable] as [CoverageStatus?] {
        let expected: Failure? =
          status == .available && count == 0 ? .conflict(.noActivePartner) : nil
        #expect(refusal { try coverage.checkPin(status) } == expected)
      }
    }
  }
}
