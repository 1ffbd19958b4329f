/// The text that a requester agrees to before contact data is shared with a partner.
package struct Consent: Equatable, Sendable {
  /// What tells this text from earlier ones, such as `2026-01`.
  package var version: String
  package var text: String

  /// The most scalars of a version.
  package static let versionLimit = 50

  package init(version: String, text: String) {
    self.version = version
    self.text = text
  }

  /// Reads a file: a line such as `Version: 2026-01`, an empty line, and the text.
  ///
  /// - Throws: ``InvalidConsent``.
  package init(file: String) throws(InvalidConsent) {
    let lines = file.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    let label = "Version:"
    guard let first = lines.first, first.hasPrefix(label) else {
      throw InvalidConsent("its first line must be the version, such as \"Version: 2026-01\"")
    }
    let version = TextRule(limit: Consent.versionLimit).check(String(first.dropFirst(label.count)))
    guard case .success(let version?) = version else {
      throw InvalidConsent("its version must be a text of 1 to \(Consent.versionLimit) characters")
    }
    guard lines.count > 1, String(lines[1]).trimmingBlanks().isEmpty else {
      throw InvalidConsent("its second line must be empty")
    }
    let text = TextRule(limit: 50_000, multiline: true)
      .check(lines.dropFirst(2).joined(separator: "\n"))
    switch text {
    case .success(let text?): self.init(version: version, text: text)
    case .success(nil): throw InvalidConsent("it has no text")
    case .failure(let problem): throw InvalidConsent("its text is not valid: \(problem.detail)")
    }
  }
}

/// Why a file is not a text to agree to.
package struct InvalidConsent: Error, Equatable, CustomStringConvertible {
  package let description: String

  init(_ description: String) { self.description = description }
}

/// What the service asks of a requester before contact data is shared.
package struct ConsentPolicy: Equatable, Sendable {
  /// The present text; nil if there is none.
  package var present: Consent?
  /// Whether members must agree to it when they ask, and an introduction needs it.
  package var isRequired: Bool

  package init(present: Consent? = nil, isRequired: Bool = false) {
    self.present = present
    self.isRequired = isRequired
  }

  /// What is wrong with the version that a member agrees to: it must be the present text's.
  ///
  /// - Parameter version: Nil if the member names none.
  package func problem(with version: String?) -> FieldProblem? {
    guard let version else {
      return isRequired ? FieldProblem(.required, "This field is required.") : nil
    }
    guard let present, present.version != version else { return nil }
    return FieldProblem(
      .unknownValue, "Must be the version of the present text: \"\(present.version)\".")
  }
}
