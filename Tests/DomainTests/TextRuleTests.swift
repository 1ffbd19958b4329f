import Domain
import Testing

extension TextRule {
  /// The text that is kept, `nil` for nothing, or the code of what is wrong.
  fileprivate func result(_ text: String) -> String? {
    switch check(text) {
    case .success(let kept): kept
    case .failure(let problem): "!" + problem.code.rawValue
    }
  }
}

@Suite("Text rules")
struct TextRuleTests {
  @Test(
    "white space at both ends goes, inside it stays",
    arguments: [
      ("Ann", "Ann"), ("  Ann  Lee ", "Ann  Lee"), ("\n\tAnn\r\n", "Ann"),
      ("\u{A0}\u{2003}\u{3000}Ann\u{2028}\u{85}", "Ann"),
      ("\u{200B}Ann\u{FEFF}", "Ann"), (" \u{202D} Ann \u{202C} ", "Ann"),
      ("\u{115F}\u{1160}\u{3164}\u{FFA0}\u{2800}Ann\u{2800}", "Ann"), ("Ann\u{200D}", "Ann"),
      ("Ann ❤\u{FE0F}", "Ann ❤\u{FE0F}"), ("\u{FE0F}", nil), ("\u{34F}\u{180B}", nil),
      ("\u{FE0F}\u{34F}Ann", "Ann"), ("\u{16FE4}\u{1D159}", nil),
      ("\u{200B}", nil), ("\u{3164}", nil), ("\u{E0100}", nil),
      ("", nil), ("   ", nil), ("\r\n\t\u{2029}", nil),
    ] as [(String, String?)])
  func trimming(text: String, kept: String?) {
    #expect(TextRule(limit: 20).result(text) == kept)
    #expect(text.trimmingBlanks() == kept ?? "")
  }

  @Test("length counts Unicode scalars, after trimming")
  func length() {
    let rule = TextRule(limit: 4)
    #expect(rule.result("  four  ") == "four")
    #expect(rule.result("fives") == "!too_long")
    // One character to a reader, but two scalars, then seven.
    #expect(rule.result("abce\u{301}") == "!too_long")
    #expect(rule.result("abe\u{301}") == "abe\u{301}")
    #expect(TextRule(limit: 7).result("👨‍👩‍👧‍👦") == "👨‍👩‍👧‍👦")
    #expect(TextRule(limit: 6).result("👨‍👩‍👧‍👦") == "!too_long")
    #expect(TextRule(limit: 1).result("😀") == "😀")
    #expect(TextRule(limit: 3).result("a\r\nb") == "!control_character")
    #expect(TextRule(limit: 3, multiline: true).result("a\r\nb") == "!too_long")
    #expect(TextRule(limit: 4, multiline: true).result("a\r\nb") == "a\r\nb")
  }

  @Test(
    "control characters are refused; line breaks and tabs are fine where there may be several lines"
  )
  func controls() {
    for code in Array(UInt32(0)...0x1F) + Array(0x7F...0x9F) {
      guard let scalar = Unicode.Scalar(code) else { continue }
      let text = "a\(Character(scalar))b"
      let isLayout = [0x09, 0x0A, 0x0D].contains(code)
      #expect(TextRule(limit: 9).result(text) == "!control_character", "U+\(code)")
      #expect(
        TextRule(limit: 9, multiline: true).result(text)
          == (isLayout ? text : "!control_character"), "U+\(code)")
    }
    #expect(TextRule(limit: 9).result("\u{0}") == "!control_character")
    #expect(TextRule(limit: 9).result("a\u{7}") == "!control_character")
  }

  @Test("invisible characters are refused, but for those that scripts need")
  func invisible() {
    for code in [
      UInt32(0x202A), 0x202D, 0x202E, 0x2066, 0x2069, 0xAD, 0x61C, 0x200B, 0x200E, 0x200F, 0x2060,
      0x2064, 0xFEFF, 0x1D173, 0xE0001, 0xE0041, 0xE007F,
    ] {
      guard let scalar = Unicode.Scalar(code) else { continue }
      let text = "Firm \(Character(scalar))waL"
      for multiline in [false, true] {
        let rule = TextRule(limit: 20, multiline: multiline)
        #expect(rule.result(text) == "!invisible_character", "U+\(code)")
      }
    }
    #expect(TextRule(limit: 9).result("\u{E0041}") == "!invisible_character")
    #expect(TextRule(limit: 9).result("Ann\u{E0041}") == "!invisible_character")
    for separator in ["a\u{2028}b", "a\u{2029}b"] {
      #expect(TextRule(limit: 9).result(separator) == "!control_character")
      #expect(TextRule(limit: 9, multiline: true).result(separator) == separator)
    }
    for text in ["שלום", "مكتب", "👩‍👩‍👧", "क्\u{200D}ष", "می\u{200C}خواهم"] {
      #expect(TextRule(limit: 9).result(text) == text)
    }
  }

  @Test("cleaning joins no longer run of marks than any text may have")
  func joinedMarks() {
    let marks = String(String.UnicodeScalarView(repeatElement("\u{301}", count: 20)))
    #expect(TextRule.email.result("a\(marks)@example.com") == "a\(marks)@example.com")
    for joiner in ["\u{200B}", "\u{200D}", "\u{3164}"] {
      #expect(TextRule.email.result("a\(marks)\(joiner)\(marks)@example.com") == "!invalid_format")
      #expect(
        TextRule.website.result("https://a\(marks)\(joiner)\(marks).example") == "!invalid_format")
    }
  }

  @Test("the form is looked at last, and not where nothing is left")
  func order() {
    let rule = TextRule(limit: 3, expected: { $0 == "abc" ? nil : "abc is expected" })
    #expect(rule.result(" abc ") == "abc")
    #expect(rule.result("abd") == "!invalid_format")
    #expect(rule.result("abcd") == "!too_long")
    #expect(rule.result("abcd\u{1}") == "!control_character")
    #expect(rule.result(" ") == nil)
  }

  @Test(
    "e-mail addresses",
    arguments: [
      "a@b.co", "name@example.com", "First.Last+tag@sub.example.co.uk", "o'neil@example.com",
      "x_y-z!#$%&*/=?^`{|}~@example.com", "jürgen@example.com", "info@müller.example",
      "info@xn--mller-kva.example", "1@2.3", "用户@例子.广告",
      String(repeating: "a", count: 64) + "@example.com",
      "a@" + String(repeating: "b", count: 63) + ".example",
    ])
  func email(text: String) {
    #expect(TextRule.email.result(text) == text)
  }

  @Test(
    "what is no e-mail address",
    arguments: [
      "a", "@", "a@", "@b.co", "a@b", "a@@b.co", "a@b@c.co", "a b@c.co", "a@b c.co", "a@b..co",
      "a@.b.co", "a@b.co.", ".a@b.co", "a.@b.co", "a..b@c.co", "a@-b.co", "a@b-.co", "a@b.c,o",
      "Ann <a@b.co>", "<a@b.co>", "\"a b\"@c.co", "a@[127.0.0.1]", "a;b@c.co", "a,b@c.co",
      "mailto:a@b.co", "a(b)@c.co", "a\\b@c.co", "a\u{A0}b@c.co", "a\u{2003}b@c.co",
      "a@b.co/path", "a@b.co?x=1", "a@exa%6Dple.com", "a@b.😀",
      // A mark that joins with the sign before it must not hide it.
      "a@\u{301}b@c.co", "a<\u{338}b@c.co", "a,\u{301}b@c.co",
      String(repeating: "a", count: 65) + "@example.com",
      "a@" + String(repeating: "b", count: 64) + ".example",
    ])
  func noEmail(text: String) {
    #expect(TextRule.email.result(text) == "!invalid_format")
  }

  @Test("an e-mail address has 255 characters at most")
  func emailLength() {
    let labels = String(repeating: "abcdefghi.", count: 24)
    let longest = String(repeating: "l", count: 255 - 1 - 240 - 2) + "@" + labels + "io"
    #expect(longest.unicodeScalars.count == 255)
    #expect(TextRule.email.result(longest) == longest)
    #expect(TextRule.email.result("l" + longest) == "!too_long")
  }

  @Test(
    "phone numbers",
    arguments: [
      "5551234", "555-1234", "(612) 555-0100", "+1 612 555 0100", "1.612.555.0100",
      "612-555-0100 x204", "+49 (0) 89 1234567", "12345678901234567890", "6125550142x5",
      "+16125550142x12345",
    ])
  func phone(text: String) {
    #expect(TextRule.phone.result(text) == text)
  }

  @Test(
    "phone numbers in their one form",
    arguments: [
      ("612-555-0142x5", "612-555-0142 x5"), ("612-555-0142 X5", "612-555-0142 x5"),
      ("612-555-0142 #5", "612-555-0142 x5"), ("612-555-0142 ext 5", "612-555-0142 x5"),
      ("612-555-0142 ext. 5", "612-555-0142 x5"), ("612-555-0142, Ext.5", "612-555-0142 x5"),
      ("612-555-0142 extension 5", "612-555-0142 x5"), ("612-555-0142 Extn: 5", "612-555-0142 x5"),
      ("612-555-0142 (ext. 5)", "612-555-0142 x5"), ("6125550142X5", "6125550142 x5"),
      ("+1 (612) 555-0142 x12345", "+16125550142x12345"),
      ("+49 (0) 89 - 123 45 67 89", "+4989123456789"),
      ("+44 (0)20 7946 0958 x43", "+442079460958x43"),
      ("+44 (0)20 7946 0958", "+44 (0)20 7946 0958"),
      ("612-555-0142 - Ext.: 5", "612-555-0142 x5"), ("612-555-0142 x5 x6", "612-555-0142 x5 x6"),
      ("\u{202D}(612) 555-0142\u{202C}", "(612) 555-0142"),
      ("612\u{A0}555\u{2009}0142", "612 555 0142"), ("612\u{2011}555\u{2212}0142", "612-555-0142"),
      ("612\u{200B}5550142", "6125550142"),
    ])
  func cleanPhone(text: String, kept: String) {
    #expect(TextRule.phone.result(text) == kept)
    #expect(TextRule.phone.result(kept) == kept)
  }

  @Test(
    "what is no phone number",
    arguments: [
      ("555123", "!invalid_format"), ("call me", "!invalid_format"), ("+() -.x", "!invalid_format"),
      ("612/555/0100", "!invalid_format"), ("٦١٢٥٥٥٠١٠٠", "!invalid_format"),
      ("６１２５５５０１００", "!invalid_format"), ("612-555-0100 next 2", "!invalid_format"),
      ("ext 5551234", "!invalid_format"), ("612-555-0100 ext", "!invalid_format"),
      ("6125550 ext 2 ext 3", "!invalid_format"), ("612-555-0100 ext 2 ext 3", "!too_long"),
      ("5\u{301}551234", "!invalid_format"),
      ("6125550100;ext=2", "!invalid_format"), ("tel:6125550100", "!invalid_format"),
      ("612555\u{301}0100", "!invalid_format"), ("123456789012345678901", "!too_long"),
      ("612-555-0142 612-555-0143", "!too_long"), ("612-555-0142 - 612-555-0143", "!too_long"),
      ("(612) 555-0142 x51 x6", "!too_long"),
      ("6125550\n100", "!control_character"),
    ])
  func noPhone(text: String, code: String) {
    #expect(TextRule.phone.result(text) == code)
  }

  @Test(
    "websites",
    arguments: [
      "http://example.com", "https://example.com", "HTTPS://Example.COM", "https://example.com/",
      "https://example.com:8443/a/b?c=d&e=f#g", "https://sub.example.co.uk", "http://localhost",
      "http://127.0.0.1:8080/", "http://[::1]/", "https://[2001:db8::7]:8443/x",
      "https://[::ffff:192.0.2.1]", "https://münchen.example/straße",
      "https://xn--mnchen-3ya.example",
      "https://example.com?q=a@b", "https://example.com/@name", "https://example.com/%20x",
      "https://example.com#top", "https://a_b.example.com", "https://example.com:65535",
    ])
  func website(text: String) {
    #expect(TextRule.website.result(text) == text)
  }

  @Test(
    "what is no website",
    arguments: [
      "example.com", "www.example.com", "//example.com", "/path", "http:", "http:/", "http://",
      "http:///path", "https://?q", "https://#f", "http:example.com", "http:/example.com",
      "ftp://example.com", "javascript:alert(1)", "javascript://example.com/%0Aalert(1)",
      "data:text/html,x", "file:///etc/passwd", "mailto:a@b.co", "https ://example.com",
      "https://user@example.com", "https://user:pw@example.com", "https://@example.com",
      "https://a.example@b.example", "https://example.com:", "https://example.com:0",
      "https://example.com:65536", "https://example.com:+80", "https://example.com:8o",
      "https://example.com:80:80", "https://exa mple.com", "https://example.com/a b",
      "https://example.com/<script>", "https://example.com/\"x\"", "https://example.com\\x",
      "https://example.com/{x}", "https://example.com/`x`", "https://example.com/a|b",
      "https://.example.com", "https://example..com", "https://example.com.", "https://-a.example",
      "https://a-.example", "https://exa%6Dple.com", "https://exam!ple.com", "https://😀.example",
      "https://[]/", "https://[1]/", "https://[::1", "https://[::1]x", "https://[::1]:x",
      "https://a.test/?b[", "https://a.test/[x]", "https://a.test#]", "HTTp://w:65535?x[y",
      "https://[::g]", "https://::1/", "https://[::\u{FF11}]/", "https://a@[::1]/",
      "https://example.com/\u{2003}x", "https://example\u{3000}.com",
      "https://user@\u{301}example.com", "https://example.com/<\u{338}x",
      "http\u{301}://example.com", "ht\u{17F}p://example.com",
    ])
  func noWebsite(text: String) {
    #expect(TextRule.website.result(text) == "!invalid_format")
  }

  @Test("a website's address has 255 characters at most")
  func websiteLength() {
    let longest = "https://example.com/" + String(repeating: "a", count: 235)
    #expect(TextRule.website.result(longest) == longest)
    #expect(TextRule.website.result(longest + "a") == "!too_long")
  }
}
