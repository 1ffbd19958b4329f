/// How telephone numbers are written and found.
package enum PhoneNumber {
  /// The words before an extension, the longest first.
  private static let markers = ["extension", "extn", "ext", "x", "#"]

  /// The number in the form in which it is kept: plain spaces and hyphens, and an extension as ` x5`.
  ///
  /// - Parameter limit: A number with more characters loses its punctuation.
  static func clean(_ text: String, limit: Int) -> String {
    var number = String(
      String.UnicodeScalarView(
        text.removingInvisible().unicodeScalars.map { $0.isDash ? "-" : $0 })
    ).trimmingBlanks()
    // A number is ASCII. Removing invisible characters may have joined long runs of marks, and comparing such
    // characters takes quadratic time.
    guard number.utf8.allSatisfy({ $0 < 0x80 }) else { return number }
    if let (base, digits) = split(number) { number = base + " x" + digits }
    guard number.utf8.count > limit else { return number }
    var long = number
    // "+44 (0)20": the zero is dialled only where there is no country code.
    if long.hasPrefix("+") { long = long.replacing("(0)", with: "") }
    let compact = long.filter { !" ().-".contains($0) }
    // A number has at most 15 digits (ITU-T E.164). With more, these are several, which must not become one.
    let parts = compact.split(separator: "x", omittingEmptySubsequences: false)
    guard parts.count <= 2, parts[0].filter(\.isDigit).count <= 15 else { return number }
    return compact
  }

  /// The number and the digits of its extension; nil if it has none, or has it in its one form already.
  private static func split(_ number: String) -> (base: String, extension: String)? {
    var text = Substring(number)
    // "(ext. 5)" at the end.
    if text.hasSuffix(")"), let open = text.lastIndex(of: "("),
      markers.contains(where: { text[open...].dropFirst().lowercased().hasPrefix($0) })
    {
      text = text.dropLast()
      text.remove(at: open)
    }
    let digits = text.suffix(while: \.isDigit)
    guard !digits.isEmpty else { return nil }
    let rest = text.dropLast(digits.count).trimmingEnd(" .:")
    guard let marker = markers.first(where: { rest.suffix($0.count).lowercased() == $0 })
    else { return nil }
    let base = rest.dropLast(marker.count)
    // A number without punctuation stays as it is, so that what was stored can be sent back.
    let isCompact =
      rest.hasSuffix("x") && rest.count + digits.count == number.count
      && base.allSatisfy { $0.isDigit || $0 == "+" }
    guard !isCompact, let last = base.last, !base.contains("x"), !last.isLetter else { return nil }
    return (String(base.trimmingEnd(" ,.-")), String(digits))
  }

  /// The digits of a number without its extension, and all ends of them with at least three digits, so that a
  /// search for the beginning of a word finds any run of its digits.
  package static func words(_ number: String) -> String {
    let digits = number.prefix { $0 != "x" }.filter(\.isDigit)
    return digits.indices.dropLast(2).map { String(digits[$0...]) }.joined(separator: " ")
  }

  /// The digits to search for if a search text is a whole telephone number; otherwise nil. The country code of
  /// the United States is left out, because not everyone writes it.
  package static func searched(_ text: String) -> String? {
    let number = clean(text, limit: .max)
    let digits = number.prefix { $0 != "x" }.filter(\.isDigit)
    guard digits.count >= 7, number.allSatisfy({ $0.isDigit || " +()-.x".contains($0) }) else {
      return nil
    }
    return digits.count == 11 && digits.hasPrefix("1") ? String(digits.dropFirst()) : digits
  }
}

extension Substring {
  fileprivate func trimmingEnd(_ characters: String) -> Substring {
    var text = self
    while let last = text.last, characters.contains(last) { text = text.dropLast() }
    return text
  }

  fileprivate func suffix(while isIncluded: (Character) -> Bool) -> Substring {
    guard let end = lastIndex(where: { !isIncluded($0) }) else { return self }
    return self[index(after: end)...]
  }
}

extension Character {
  fileprivate var isDigit: Bool { "0123456789".utf8.contains(asciiValue ?? 0) }
}

extension Unicode.Scalar {
  /// Whether it is a hyphen or a dash, or a minus sign, which people write for one.
  fileprivate var isDash: Bool {
    properties.generalCategory == .dashPunctuation || self == "\u{2212}"
  }
}
