import Domain
import Testing

@Suite("Folded texts")
struct FoldedTextTests {
  @Test(
    "case, marks, width, apostrophes and punctuation don't count",
    arguments: [
      ("Abbey & Sons, LLC", "abbey sons llc"), ("Éclair", "eclair"), ("E\u{301}clair", "eclair"),
      ("Αθήνα", "αθηνα"), ("ΑΘΉΝΑΣ", "αθηνασ"), ("Αθήνας", "αθηνασ"), ("ᾼ", "α"),
      ("Łukasz", "lukasz"), ("Søren", "soren"),
      ("Øster", "oster"), ("Straße", "strasse"), ("STRASSE", "strasse"), ("ẞ", "ss"), ("ﬁn", "fin"),
      ("O’Neill", "oneill"), ("O'Neill", "oneill"), ("O‘Neill", "oneill"), ("OʼNeill", "oneill"),
      ("O`Neill", "oneill"), ("O´Neill", "oneill"), ("O＇Neill", "oneill"), ("O′Neill", "oneill"),
      ("Hawaiʻi", "hawaii"), ("Hawaiʼi", "hawaii"), ("Ｗｉｄｅ　１２", "wide 12"),
      ("Þórður", "thordur"), ("Æble", "aeble"), ("Ǽ", "ae"), ("Œuvre", "oeuvre"), ("Đặng", "dang"),
      ("Ħal", "hal"), ("Ŋ", "n"), ("ıI İi", "ii ii"), ("ĸ", "k"), ("Ƒ ƙ Ɨ", "f k i"),
      ("Ёлка й", "елка и"), ("مُحَمَّد", "محمد"), ("שָׁלוֹם", "שלום"), ("ǅ", "dz"), ("½", "1 2"),
      ("①", "1"), ("x²", "x2"),
      ("ſ", "s"), ("a\u{200B}b", "ab"), ("a\u{AD}b", "ab"), ("", ""), ("😀 & …", ""),
      ("\u{301}", ""),
      ("a_b", "a b"), ("１２３", "123"),
    ])
  func text(text: String, folded: String) {
    #expect(FoldedText.text(text) == folded)
    #expect(FoldedText.text(folded) == folded)
  }

  @Test("each Chinese, Japanese or Korean character is a part of its own in its word")
  func parts() {
    #expect(
      FoldedText.words("東京法律事務所 (Tokyo)") == [["東", "京", "法", "律", "事", "務", "所"], ["tokyo"]])
    #expect(FoldedText.words("ＡＢＣ東京1") == [["abc", "東", "京", "1"]])
    #expect(FoldedText.words("がｶﾞ") == [["か", "カ"]])
    #expect(FoldedText.words("佐々木") == [["佐", "々", "木"]])
    #expect(FoldedText.words("ㄅ") == [["ㄅ"]])
    // A Korean syllable and its letters, which some systems send instead, are the same.
    #expect(FoldedText.words("한글") == FoldedText.words("한글".decomposed))
    #expect(FoldedText.words("한글").first?.count == 6)
  }

  @Test("the key by which names sort has 200 scalars at most")
  func sortKey() {
    #expect(FoldedText.sortKey("Éclair & Co") == "eclair co")
    let long = FoldedText.sortKey(String(repeating: "ﷺ", count: 200))
    #expect(long.unicodeScalars.count == 200)
    #expect(FoldedText.text(String(repeating: "ﷺ", count: 200)).hasPrefix(long))
  }

  @Test("what an apostrophe separates is found, too")
  func searched() {
    #expect(FoldedText.searched("Rory O’Neill’s desk") == "rory oneills desk o neill s")
    #expect(FoldedText.searched("plain") == "plain")
  }

  @Test("the ends of a telephone number's digits")
  func phoneWords() {
    #expect(PhoneNumber.words("(612) 55-x77") == "61255 1255 255")
    #expect(PhoneNumber.words("12") == "")
    #expect(PhoneNumber.searched("+1 (612) 555-0142") == "6125550142")
    #expect(PhoneNumber.searched("612 555 0142 ext. 9") == "6125550142")
    #expect(PhoneNumber.searched("555") == nil)
    #expect(PhoneNumber.searched("Lot 612 555 0142") == nil)
  }
}

extension String {
  /// Its Korean syllables as letters (The Unicode Standard, section 3.12).
  fileprivate var decomposed: String {
    var scalars = String.UnicodeScalarView()
    for scalar in unicodeScalars {
      let index = scalar.value - 0xAC00
      scalars.append(Unicode.Scalar(0x1100 + index / 588)!)
      scalars.append(Unicode.Scalar(0x1161 + index % 588 / 28)!)
      if index % 28 > 0 { scalars.append(Unicode.Scalar(0x11A7 + index % 28)!) }
    }
    return String(scalars)
  }
}
