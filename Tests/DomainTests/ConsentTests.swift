import Domain
import Testing

@Suite("The text to agree to")
struct ConsentTests {
  @Test("a file has its version, an empty line and the text")
  func file() throws {
    for file in [
      "Version: 2026-01\n\nYou agree.\n\nTo this.\n",
      "Version:2026-01\r\n \r\nYou agree.\r\n\r\nTo this.",
    ] {
      #expect(
        try Consent(file: file) == Consent(version: "2026-01", text: "You agree.\n\nTo this."))
    }
  }

  @Test(
    "a file of another form is refused, with what is wrong",
    arguments: [
      ("", "its first line must be the version, such as \"Version: 2026-01\""),
      ("You agree.", "its first line must be the version, such as \"Version: 2026-01\""),
      ("version: 1\n\nText", "its first line must be the version, such as \"Version: 2026-01\""),
      ("Version:\n\nText", "its version must be a text of 1 to 50 characters"),
      (
        "Version: \(String(repeating: "1", count: 51))\n\nText",
        "its version must be a text of 1 to 50 characters"
      ),
      ("Version: 1\u{7}\n\nText", "its version must be a text of 1 to 50 characters"),
      ("Version: 1", "its second line must be empty"),
      ("Version: 1\nText", "its second line must be empty"),
      ("Version: 1\n\n", "it has no text"), ("Version: 1\n\n  \n", "it has no text"),
    ])
  func broken(file: String, reason: String) {
    #expect(throws: InvalidConsent.self) { try Consent(file: file) }
    do {
      _ = try Consent(file: file)
    } catch {
      #expect(error.description == reason)
    }
  }

  @Test("a text with a control character, or one that is too long, is refused")
  func text() {
    for text in ["\u{7}", String(repeating: "a", count: 50_001)] {
      do {
        _ = try Consent(file: "Version: 1\n\n\(text)")
        Issue.record("it was read")
      } catch {
        #expect(error.description.hasPrefix("its text is not valid: "))
      }
    }
  }

  @Test("a member agrees to the present version")
  func policy() {
    let present = Consent(version: "2", text: "You agree.")
    let required = FieldProblem(.required, "This field is required.")
    let other = FieldProblem(.unknownValue, "Must be the version of the present text: \"2\".")
    for (policy, none, one, two) in [
      (ConsentPolicy(), nil, nil, nil),
      (ConsentPolicy(present: present), nil, other, nil),
      (ConsentPolicy(present: present, isRequired: true), required, other, nil),
    ] as [(ConsentPolicy, FieldProblem?, FieldProblem?, FieldProblem?)] {
      #expect(policy.problem(with: nil) == none)
      #expect(policy.problem(with: "1") == one)
      #expect(policy.problem(with: "2") == two)
    }
  }
}
