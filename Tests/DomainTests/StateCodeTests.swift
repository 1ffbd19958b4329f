import Domain
import Testing

/// The states and the federal district, in the order of their names (USPS Publication 28, appendix B).
private let states = """
  AL Alabama; AK Alaska; AZ Arizona; AR Arkansas; CA California; CO Colorado; CT Connecticut; \
  DE Delaware; DC District of Columbia; FL Florida; GA Georgia; HI Hawaii; ID Idaho; IL Illinois; \
  IN Indiana; IA Iowa; KS Kansas; KY Kentucky; LA Louisiana; ME Maine; MD Maryland; \
  MA Massachusetts; MI Michigan; MN Minnesota; MS Mississippi; MO Missouri; MT Montana; \
  NE Nebraska; NV Nevada; NH New Hampshire; NJ New Jersey; NM New Mexico; NY New York; \
  NC North Carolina; ND North Dakota; OH Ohio; OK Oklahoma; OR Oregon; PA Pennsylvania; \
  RI Rhode Island; SC South Carolina; SD South Dakota; TN Tennessee; TX Texas; UT Utah; \
  VT Vermont; VA Virginia; WA Washington; WV West Virginia; WI Wisconsin; WY Wyoming
  """

@Suite("State codes")
struct StateCodeTests {
  @Test("the 50 states and DC, each with its name, in either case")
  func all() throws {
    let expected = states.split(separator: "; ").map { entry in
      (code: String(entry.prefix(2)), name: String(entry.dropFirst(3)))
    }
    #expect(expected.count == 51)
    #expect(Set(StateCode.allCases.map(\.rawValue)) == Set(expected.map(\.code)))
    for (code, name) in expected {
      let mixed = code.prefix(1).lowercased() + code.suffix(1)
      for text in [code, code.lowercased(), mixed] {
        let state = try #require(StateCode(text))
        #expect(state.rawValue == code)
        #expect(state.name == name)
      }
    }
  }

  @Test("in the order of their codes, as lists show them")
  func order() {
    let codes = StateCode.allCases.map(\.rawValue)
    #expect(codes == codes.sorted())
  }

  @Test(
    "what is no state",
    arguments: [
      "", " ", "M", "MNN", " MN", "MN ", "M N", "ZZ", "PR", "GU", "VI", "AS", "MP", "AA", "AE",
      "AP",
      "US", "Minnesota", "\u{FB02}", "\u{FF2D}\u{FF2E}", "\u{41C}N", "M\u{0}", "MN\u{0}", "ıd",
      "K\u{17F}", "M\u{303}", "C\u{C5}",
    ])
  func unknown(text: String) {
    #expect(StateCode(text) == nil)
  }
}
