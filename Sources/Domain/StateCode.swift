/// A state of the USA or the District of Columbia, by its two-letter code (USPS Publication 28,
/// appendix B). Territories and military addresses are not served.
package enum StateCode: String, CaseIterable, Sendable {
  // swift-format-ignore: AlwaysUseLowerCamelCase
  // The codes in their usual form.
  case AK, AL, AR, AZ, CA, CO, CT, DC, DE, FL, GA, HI, IA, ID, IL, IN, KS, KY, LA, MA, MD, ME,
    MI, MN, MO, MS, MT, NC, ND, NE, NH, NJ, NM, NV, NY, OH, OK, OR, PA, RI, SC, SD, TN, TX,
    UT, VA, VT, WA, WI, WV, WY

  /// Reads a code in either case; nil if it is not the code of a state.
  package init?(_ text: some StringProtocol) {
    // In two bytes, nothing but ASCII letters has the upper-case form of a code.
    guard text.utf8.count == 2, let state = StateCode.byCode[text.uppercased()] else { return nil }
    self = state
  }

  private static let byCode = Dictionary(uniqueKeysWithValues: allCases.map { ($0.rawValue, $0) })

  /// The state's English name, such as `Minnesota`.
  package var name: String {
    switch self {
    case .AK: "Alaska"
    case .AL: "Alabama"
    case .AR: "Arkansas"
    case .AZ: "Arizona"
    case .CA: "California"
    case .CO: "Colorado"
    case .CT: "Connecticut"
    case .DC: "District of Columbia"
    case .DE: "Delaware"
    case .FL: "Florida"
    case .GA: "Georgia"
    case .HI: "Hawaii"
    case .IA: "Iowa"
    case .ID: "Idaho"
    case .IL: "Illinois"
    case .IN: "Indiana"
    case .KS: "Kansas"
    case .KY: "Kentucky"
    case .LA: "Louisiana"
    case .MA: "Massachusetts"
    case .MD: "Maryland"
    case .ME: "Maine"
    case .MI: "Michigan"
    case .MN: "Minnesota"
    case .MO: "Missouri"
    case .MS: "Mississippi"
    case .MT: "Montana"
    case .NC: "North Carolina"
    case .ND: "North Dakota"
    case .NE: "Nebraska"
    case .NH: "New Hampshire"
    case .NJ: "New Jersey"
    case .NM: "New Mexico"
    case .NV: "Nevada"
    case .NY: "New York"
    case .OH: "Ohio"
    case .OK: "Oklahoma"
    case .OR: "Oregon"
    case .PA: "Pennsylvania"
    case .RI: "Rhode Island"
    case .SC: "South Carolina"
    case .SD: "South Dakota"
    case .TN: "Tennessee"
    case .TX: "Texas"
    case .UT: "Utah"
    case .VA: "Virginia"
    case .VT: "Vermont"
    case .WA: "Washington"
    case .WI: "Wisconsin"
    case .WV: "West Virginia"
    case .WY: "Wyoming"
    }
  }
}
