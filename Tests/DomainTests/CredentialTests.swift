import Domain
import JSON
import Testing

@Suite("Credentials and languages")
struct CredentialTests {
  private static let staff = sampleID(1)

  private static func sample(verified: Timestamp? = nil) -> Credential {
    var credential = Credential(
      record: Record([
        JSON.Member("id", .string(sampleID(7).text)), JSON.Member("kind", "nmls"),
        JSON.Member("number", "12"), JSON.Member("state_code", .null),
        JSON.Member("issuer", .null), JSON.Member("expires_on", "2026-12-31"),
        JSON.Member("notes", .null), JSON.Member("verified_at", .null),
        JSON.Member("verified_by", .null),
      ]))
    credential.set("verified_at", verified)
    credential.set("verified_by", verified == nil ? nil : sampleID(2))
    return credential
  }

  @Test(
    "a change of what staff verified takes the verification off, another change does not",
    arguments: [
      ("kind", "other", true), ("number", "13", true), ("state_code", "MN", true),
      ("expires_on", .null, true), ("expires_on", "2027-12-31", true), ("issuer", "A", false),
      ("notes", "A", false), ("number", "12", false),
    ] as [(String, JSON, Bool)])
  func changes(field: String, value: JSON, takesOff: Bool) {
    let old = Self.sample(verified: now.adding(days: -9))
    var changed = old
    changed[field] = value
    let silent = changed.verified(nil, since: old, by: Self.staff, at: now)
    #expect(silent.isVerified == !takesOff)
    #expect((silent["verified_by"] == .null) == takesOff)
    #expect(silent[field] == value)
    let no = changed.verified(false, since: old, by: Self.staff, at: now)
    #expect(!no.isVerified && no["verified_by"] == .null)
    let yes = changed.verified(true, since: old, by: Self.staff, at: now)
    #expect(yes["verified_at"] == .string((takesOff ? now : now.adding(days: -9)).text))
    #expect(yes["verified_by"] == .string((takesOff ? Self.staff : sampleID(2)).text))
  }

  @Test("a new credential is verified if staff says so")
  func new() {
    for says in [nil, false] as [Bool?] {
      #expect(!Self.sample().verified(says, since: nil, by: Self.staff, at: now).isVerified)
    }
    let verified = Self.sample().verified(true, since: nil, by: Self.staff, at: now)
    #expect(verified["verified_at"] == .string(now.text))
    #expect(verified["verified_by"] == .string(Self.staff.text))
  }

  @Test("numbers are the same whatever their case, blanks and composed accents")
  func numbers() {
    let key = Credential.comparisonKey
    for (one, other) in [
      ("MN 123", "mn123"), ("M\u{A0}N\u{2003}1 2\u{200B}3", "Mn123"), ("É1", "e\u{301} 1"),
    ] {
      #expect(key(one) == key(other), "\(one)")
    }
    for (one, other) in [("12-3", "123"), ("0123", "123"), ("É1", "E1"), ("A", "B")] {
      #expect(key(one) != key(other), "\(one)")
    }
  }

  @Test("the 184 codes of ISO 639-1 in either case, and nothing else")
  func languages() {
    #expect(LanguageCode.codes.count == 184)
    for code in LanguageCode.codes {
      #expect(LanguageCode(code)?.rawValue == code)
      #expect(LanguageCode(code.uppercased())?.rawValue == code)
      #expect(LanguageCode(rawValue: code)?.rawValue == code)
    }
    for text in ["", "e", "eng", "xx", "e n", "e\u{301}", "\u{FB01}", "ı", "en\u{0}", "\u{212A}"] {
      #expect(LanguageCode(text) == nil, "\(text)")
    }
    #expect(LanguageCode(rawValue: "EN") == nil)
  }
}
