import Glibc

/// What a text field allows.
package struct TextRule: Sendable {
  /// How many Unicode scalars it may have after trimming.
  package let limit: Int
  /// Whether line breaks and tabs are allowed; other control characters, those that turn the direction
  /// of writing among them, never are.
  package var multiline = false
  /// What else must hold; nil if the trimmed text is right, else what is expected.
  package var expected: (@Sendable (String) -> String?)?

  package init(
    limit: Int, multiline: Bool = false, expected: (@Sendable (String) -> String?)? = nil
  ) {
    self.limit = limit
    self.multiline = multiline
    self.expected = expected
  }

  /// Trims white space at both ends, then checks what is left: its characters, its length, its form.
  ///
  /// - Returns: The trimmed text, nil if nothing is left.
  package func check(_ text: String) -> Result<String?, FieldProblem> {
    let trimmed = text.trimmingWhitespace()
    // Most texts are plain, and to ask Unicode about each character takes longest of all.
    let isPlain = trimmed.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    if !isPlain, trimmed.unicodeScalars.contains(where: isForbidden) {
      return .failure(
        FieldProblem(
          .controlCharacter,
          "Control characters\(multiline ? " other than line breaks and tabs" : "") are not allowed, "
            + "nor invisible marks that turn the direction of writing."))
    }
    if trimmed.isEmpty { return .success(nil) }
    let length = isPlain ? trimmed.utf8.count : trimmed.unicodeScalars.count
    guard length <= limit else {
      return .failure(
        FieldProblem(.tooLong, "At most \(limit) characters are allowed; this has \(length)."))
    }
    if let expectation = expected?(trimmed) {
      return .failure(FieldProblem(.invalidFormat, expectation))
    }
    return .success(trimmed)
  }

  private func isForbidden(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "\n", "\r", "\t", "\u{2028}", "\u{2029}": !multiline
    // They turn what stands around them, in texts that are shown beside others' (Unicode Standard
    // Annex #9, section 2).
    case "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}": true
    default: scalar.properties.generalCategory == .control
    }
  }

  /// An e-mail address: one `@`, a local part of 1 to 64 characters, a host of labels parted by dots.
  /// Deliberately no more (RFC 5321 allows almost anything); whether it exists only a mail can tell.
  package static let email = TextRule(limit: 255) { text in
    let parts = text.split(separator: "@", omittingEmptySubsequences: false)
    // By scalars, since a mark that joins with a sign before it would hide the sign.
    let isAddress =
      parts.count == 2 && (1...64).contains(parts[0].unicodeScalars.count)
      && text.unicodeScalars.count(where: { $0 == "@" }) == 1
      && !text.unicodeScalars.contains(where: {
        $0.properties.isWhitespace || "<>()[],;:\\\"".unicodeScalars.contains($0)
      })
      && !parts[0].hasPrefix(".") && !parts[0].hasSuffix(".") && !parts[0].contains("..")
      && isHostName(parts[1], dotted: true)
    return isAddress ? nil : "An e-mail address is expected, such as name@example.com."
  }

  /// A telephone number for people to read: digits, spaces and `+ ( ) - . x`, with 7 digits at least.
  package static let phone = TextRule(limit: 20) { text in
    let isNumber =
      text.utf8.allSatisfy { "0123456789 +()-.x".utf8.contains($0) }
      && text.utf8.filter { (0x30...0x39).contains($0) }.count >= 7
    return isNumber
      ? nil : "A phone number is expected: 7 digits at least, spaces and + ( ) - . x."
  }

  /// An absolute `http` or `https` URL with a host and without a user name (RFC 3986).
  package static let website = TextRule(limit: 255) { text in
    isWebsite(text)
      ? nil : "An absolute http or https URL is expected, such as https://example.com."
  }

  private static func isWebsite(_ text: String) -> Bool {
    guard let colon = text.firstIndex(of: ":"),
      ["http", "https"].contains(text[..<colon].lowercased()),
      text[text.index(after: colon)...].hasPrefix("//")
    else { return false }
    let afterScheme = text[colon...].dropFirst(3)
    // By scalars, since a mark that joins with a sign before it would hide the sign.
    let isPlain = !afterScheme.unicodeScalars.contains(where: {
      $0.properties.isWhitespace || "<>\"\\^`{|}".unicodeScalars.contains($0)
    })
    guard isPlain else { return false }
    let authority = afterScheme.prefix { !"/?#".contains($0) }
    // Brackets stand around an address only (RFC 3986, section 3.2.2).
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
  /// The text without Unicode white space at its two ends.
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

/// What is wrong with one field, without its name.
package struct FieldProblem: Error, Equatable, Sendable {
  package var code: FieldCode
  package var detail: String

  package init(_ code: FieldCode, _ detail: String) {
    self.code = code
    self.detail = detail
  }
}

/// The codes of what can be wrong with one field or parameter.
package enum FieldCode: String, Sendable {
  case controlCharacter = "control_character"
  case inFuture = "in_future"
  case inPast = "in_past"
  case invalidCursor = "invalid_cursor"
  case invalidFormat = "invalid_format"
  case notAMember = "not_a_member"
  case notAllowedHere = "not_allowed_here"
  case notNull = "not_null"
  case outOfRange = "out_of_range"
  case readOnly = "read_only"
  case repeatedParameter = "repeated_parameter"
  case required
  case tooLong = "too_long"
  case unknownField = "unknown_field"
  case unknownParameter = "unknown_parameter"
  case unknownPartner = "unknown_partner"
  case unknownState = "unknown_state"
  case unknownUser = "unknown_user"
  case unknownValue = "unknown_value"
  case wrongType = "wrong_type"
}
