/// Values as letters have them.
package enum Wording {
  /// "Minnesota", "Minnesota and California", "Minnesota, California and Iowa"; nil for nothing.
  package static func list(_ words: [String]) -> String? {
    guard let last = words.last else { return nil }
    guard words.count > 1 else { return last }
    return words.dropLast().joined(separator: ", ") + " and " + last
  }

  /// "1 day", "3 days".
  package static func count(_ number: Int, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
  }

  /// "$420,000".
  package static func dollars(_ amount: Int) -> String {
    var digits = Array(String(amount))
    var index = digits.count - 3
    while index > 0 {
      digits.insert(",", at: index)
      index -= 3
    }
    return "$" + String(digits)
  }

  /// "$420,000 to $500,000", "from $420,000", "up to $500,000"; nil for an open range.
  package static func dollars(from min: Int?, to max: Int?) -> String? {
    switch (min, max) {
    case (nil, nil): nil
    case (let min?, nil): "from \(dollars(min))"
    case (nil, let max?): "up to \(dollars(max))"
    case (let min?, let max?): min == max ? dollars(min) : "\(dollars(min)) to \(dollars(max))"
    }
  }

  /// A day such as `2026-11-22` as "November 22, 2026".
  package static func date(_ day: String) -> String {
    let months = [
      "January", "February", "March", "April", "May", "June", "July", "August", "September",
      "October", "November", "December",
    ]
    let parts = day.split(separator: "-").compactMap { Int($0) }
    guard parts.count == 3, months.indices.contains(parts[1] - 1) else { return day }
    return "\(months[parts[1] - 1]) \(parts[2]), \(parts[0])"
  }
}

extension PartnerType {
  /// The profession in words, such as "real estate agent".
  package var noun: String {
    switch self {
    case .attorney: "attorney"
    case .lender: "lender"
    case .agent: "real estate agent"
    case .title: "title company"
    case .insurance: "insurance agent"
    case .cpa: "CPA"
    }
  }

  /// The profession with its article, such as "an attorney".
  package var nounWithArticle: String {
    (self == .attorney || self == .insurance ? "an " : "a ") + noun
  }
}

extension DeclineReason {
  /// The reason in words, as they follow "because of" or stand alone.
  package var words: String {
    switch self {
    case .conflictOfInterest: "a conflict of interest"
    case .noCapacity: "no capacity at the moment"
    case .outsideArea: "outside of the area it serves"
    case .outsidePractice: "outside of its practice"
    case .terms: "the terms"
    case .other: "another reason"
    }
  }
}

extension CredentialKind {
  /// The kind in words, such as "bar admission".
  package var words: String {
    switch self {
    case .barAdmission: "bar admission"
    case .nmls: "NMLS license"
    case .realEstateLicense: "real estate license"
    case .titleLicense: "title license"
    case .insuranceLicense: "insurance license"
    case .cpaLicense: "CPA license"
    case .errorsAndOmissions: "errors and omissions insurance"
    case .other: "credential"
    }
  }
}
