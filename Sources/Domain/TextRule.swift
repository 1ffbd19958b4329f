import Glibc
import JSON

/// The rule for the content of a text field.
package struct TextRule: Sendable {
  /// The most Unicode scalars that the cleaned text may have.
  package let limit: Int
  /// Whether line breaks and tabs are allowed. Other control characters never are.
  package var multiline = false
  /// Brings the text into its one form before anything is checked.
  package var clean: (@Sendable (String) -> String)?
  /// A further check of the cleaned text: returns nil if it is valid, or else a sentence that says what is
  /// expected.
  package var expected: (@Sendable (String) -> String?)?

  package init(
    limit: Int, multiline: Bool = false, clean: (@Sendable (String) -> String)? = nil,
    expected: (@Sendable (String) -> String?)? = nil
  ) {
    self.limit = limit
    self.multiline = multiline
    self.clean = clean
    self.expected = expected
  }

  /// Cleans the text, trims blanks at both ends, and checks the characters, the length and the form of the
  /// rest.
  ///
  /// - Returns: The text to keep; nil if it is empty.
  package func check(_ text: String) -> Result<String?, FieldProblem> {
    let trimmed = (clean?(text) ?? text).trimmingBlanks()
    // Most texts are printable ASCII, which needs no look-up of Unicode properties.
    let isPlain = trimmed.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    if !isPlain {
      if trimmed.unicodeScalars.contains(where: isForbiddenControl) {
        return .failure(
          FieldProblem(
            .controlCharacter,
            "Control characters\(multiline ? " other than line breaks and tabs" : "") are not allowed."
          ))
      }
      if let invisible = trimmed.unicodeScalars.first(where: isForbiddenFormat) {
        let code = String(invisible.value, radix: 16, uppercase: true)
        return .failure(
          FieldProblem(
            .invisibleCharacter,
            "The invisible character U+\(String(repeating: "0", count: max(0, 4 - code.count)))\(code) is not allowed."
          ))
      }
    }
    if clean != nil, !isStreamSafe(trimmed) {
      // Cleaning may have joined what invisible characters kept apart.
      return .failure(
        FieldProblem(.invalidFormat, "Must have at most 30 combining marks in a row."))
    }
    if trimmed.isEmpty { return .success(nil) }
    let length = isPlain ? trimmed.utf8.count : trimmed.unicodeScalars.count
    guard length <= limit else {
      return .failure(
        FieldProblem(.tooLong, "Must have at most \(limit) characters; this has \(length)."))
    }
    if let expectation = expected?(trimmed) {
      return .failure(FieldProblem(.invalidFormat, expectation))
    }
    return .success(trimmed)
  }

  private func isForbiddenControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "\n", "\r", "\t", "\u{2028}", "\u{2029}": !multiline
    default: scalar.properties.generalCategory == .control
    }
  }

  /// The zero-width joiner and non-joiner are part of how some scripts and emoji are written.
  private func isForbiddenFormat(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.generalCategory == .format && scalar != "\u{200C}" && scalar != "\u{200D}"
  }

  /// A search text. Invisible characters in it mean nothing.
  package static let search = TextRule(limit: 200, clean: { $0.removingInvisible() })

  /// An e-mail address: one `@`, a local part of 1 to 64 characters, and a host of labels separated by dots.
  /// It checks no more, because RFC 5321 allows almost anything, and only a mail shows whether it exists.
  package static let email = TextRule(
    limit: 255, clean: { $0.removingInvisible() },
    expected: { text in
      let parts = text.split(separator: "@", omittingEmptySubsequences: false)
      // By scalars, because a combining mark after one of these characters would hide it.
      let isAddress =
        parts.count == 2 && (1...64).contains(parts[0].unicodeScalars.count)
        && text.unicodeScalars.count(where: { $0 == "@" }) == 1
        && !text.unicodeScalars.contains(where: {
          $0.properties.isWhitespace || "<>()[],;:\\\"".unicodeScalars.contains($0)
        })
        && !parts[0].hasPrefix(".") && !parts[0].hasSuffix(".") && !parts[0].contains("..")
        && isHostName(parts[1], dotted: true)
      return isAddress ? nil : "Must be an e-mail address, such as name@example.com."
    })

  /// A telephone number as people write it: at least 7 digits, spaces and `+ ( ) - . x`. An extension is kept
  /// as ` x5`. A number that is longer than 20 characters is kept without its punctuation.
  package static let phone = TextRule(
    limit: 20, clean: { PhoneNumber.clean($0, limit: 20) },
    expected: { text in
      let isNumber =
        text.utf8.allSatisfy { "0123456789 +()-.x".utf8.contains($0) }
        && text.utf8.filter { (0x30...0x39).contains($0) }.count >= 7
      return isNumber
        ? nil
        : "Must be a phone number: at least 7 digits, spaces and + ( ) - . and an extension such as x5."
    })

  /// An absolute `http` or `https` URL with a host and without a user name (RFC 3986).
  package static let website = TextRule(
    limit: 255, clean: { $0.removingInvisible() },
    expected: { text in
      isWebsite(text)
        ? nil : "Must be an absolute http or https URL, such as https://example.com."
    })

  private static func isWebsite(_ text: String) -> Bool {
    guard let colon = text.firstIndex(of: ":"),
      ["http", "https"].contains(text[..<colon].lowercased()),
      text[text.index(after: colon)...].hasPrefix("//")
    else { return false }
    let afterScheme = text[colon...].dropFirst(3)
    // By scalars, because a combining mark after one of these characters would hide it.
    let isPlain = !afterScheme.unicodeScalars.contains(where: {
      $0.properties.isWhitespace || "<>\"\\^`{|}".unicodeScalars.contains($0)
    })
    guard isPlain else { return false }
    let authority = afterScheme.prefix { !"/?#".contains($0) }
    // Brackets may only enclose an IPv6 address (RFC 3986, section 3.2.2).
    let rest = afterScheme.dropFirst(authority.count)
    guard !authority.contains("@"), !rest.unicodeScalars.contains(where: { $0 == "[" || $0 == "]" })
    else { return false }
    if authority.hasPrefix("[") {
      guard let end = authority.firstIndex(of: "]") else { return false }
      var address = in6_addr()
      return inet_pton(AF_INET6, String(authority[..<end].dropFirst()), &address) == 1
        && isPort(authority[end...].dropFirst())
    }
    let host = authority.prefix { $0 != ":" }
    return isHostName(host, dotted: false) && isPort(authority.dropFirst(host.count))
  }

  private static func isPort(_ text: Substring) -> Bool {
    if text.isEmpty { return true }
    guard text.hasPrefix(":"), let port = UInt16(text.dropFirst()), port > 0 else { return false }
    return text.dropFirst().utf8.allSatisfy { (0x30...0x39).contains($0) }
  }

  private static func isHostName(_ host: Substring, dotted: Bool) -> Bool {
    let labels = host.split(separator: ".", omittingEmptySubsequences: false)
    guard host.utf8.count <= 253, !dotted || labels.count > 1 else { return false }
    return labels.allSatisfy { label in
      (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
        && label.unicodeScalars.allSatisfy {
          $0 == "-" || $0 == "_" || $0.properties.isAlphabetic || $0.properties.numericType != nil
            || $0.properties.generalCategory == .nonspacingMark
        }
    }
  }
}
