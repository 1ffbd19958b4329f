import Glibc

/// The rule for the content of a text field.
package struct TextRule: Sendable {
  /// The most Unicode scalars that the trimmed text may have.
  package let limit: Int
  /// Whether line breaks and tabs are allowed. Other control characters, and those that change the writing
  /// direction, never are.
  package var multiline = false
  /// A further check of the trimmed text: returns nil if it is valid, or else a sentence that says what is
  /// expected.
  package var expected: (@Sendable (String) -> String?)?

  package init(
    limit: Int, multiline: Bool = false, expected: (@Sendable (String) -> String?)? = nil
  ) {
    self.limit = limit
    self.multiline = multiline
    self.expected = expected
  }

  /// Trims white space at both ends, and checks the characters, the length and the form of the rest.
  ///
  /// - Returns: The trimmed text; nil if it is empty.
  package func check(_ text: String) -> Result<String?, FieldProblem> {
    let trimmed = text.trimmingWhitespace()
    // Most texts are printable ASCII, which needs no look-up of Unicode properties.
    let isPlain = trimmed.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    if !isPlain, trimmed.unicodeScalars.contains(where: isForbidden) {
      return .failure(
        FieldProblem(
          .controlCharacter,
          "Control characters\(multiline ? " other than line breaks and tabs" : "") are not allowed, "
            + "nor invisible characters that change the writing direction."))
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

  private func isForbidden(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "\n", "\r", "\t", "\u{2028}", "\u{2029}": !multiline
    // These also reorder the text around them (Unicode Standard Annex #9, section 2).
    case "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}": true
    default: scalar.properties.generalCategory == .control
    }
  }

  /// An e-mail address: one `@`, a local part of 1 to 64 characters, and a host of labels separated by dots.
  /// It checks no more, because RFC 5321 allows almost anything, and only a mail shows whether it exists.
  package static let email = TextRule(limit: 255) { text in
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
  }

  /// A telephone number as people write it: at least 7 digits, spaces and `+ ( ) - . x`.
  package static let phone = TextRule(limit: 20) { text in
    let isNumber =
      text.utf8.allSatisfy { "0123456789 +()-.x".utf8.contains($0) }
      && text.utf8.filter { (0x30...0x39).contains($0) }.count >= 7
    return isNumber
      ? nil : "Must be a phone number: at least 7 digits, spaces and + ( ) - . x."
  }

  /// An absolute `http` or `https` URL with a host and without a user name (RFC 3986).
  package static let website = TextRule(limit: 255) { text in
    isWebsite(text)
      ? nil : "Must be an absolute http or https URL, such as https://example.com."
  }

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

extension String {
  /// The text without Unicode white space at its beginning and its end.
  package func trimmingWhitespace() -> String {
    let visible = UInt8(0x21)...0x7E
    if let first = utf8.first, let last = utf8.last, visible.contains(first), visible.contains(last)
    {
      return self
    }
    let scalars = unicodeScalars
    guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
      let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
    else { return "" }
    return String(scalars[first...last])
  }
}
