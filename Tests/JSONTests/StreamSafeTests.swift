import Testing

@testable import JSON

/// The limit on combining marks (Unicode Standard Annex #15, section 13), which keeps what Swift's strings
/// do in linear time.
@Suite("The stream-safe format")
struct StreamSafeTests {
  private static func marks(_ mark: Unicode.Scalar, _ count: Int) -> String {
    String(String.UnicodeScalarView(repeatElement(mark, count: count)))
  }

  /// Of each general category of marks, with canonical combining class 0 and with others.
  @Test(
    "30 marks in a row are in it, 31 are not",
    arguments: [
      "\u{0300}",  // Mn, class 230
      "\u{0323}",  // Mn, class 220
      "\u{0345}",  // Mn, class 240
      "\u{05B0}",  // Mn, class 10
      "\u{094D}",  // Mn, class 9
      "\u{3099}",  // Mn, class 8
      "\u{0901}",  // Mn, class 0
      "\u{034F}",  // Mn, class 0: the combining grapheme joiner
      "\u{FE0F}",  // Mn, class 0: a variation selector
      "\u{0903}",  // Mc, class 0
      "\u{302E}",  // Mc, class 224
      "\u{1D165}",  // Mc, class 216, beyond the first plane
      "\u{0488}",  // Me
      "\u{20DD}",  // Me
      "\u{20E3}",  // Me: the keycap
      "\u{E0100}",  // Mn, class 0, beyond the first plane
    ] as [Unicode.Scalar])
  func limit(mark: Unicode.Scalar) {
    for start in ["", "a", "é", "中", "😀", "line\n"] {
      for end in ["", "b", "ü", "\n"] {
        #expect(isStreamSafe(start + Self.marks(mark, 30) + end))
        #expect(!isStreamSafe(start + Self.marks(mark, 31) + end))
      }
    }
    #expect(!isStreamSafe("a" + Self.marks(mark, 4_000)))
  }

  @Test("marks of all kinds count together, and a letter begins anew") func runs() {
    let mixed = "\u{0301}\u{0323}\u{0903}\u{20DD}\u{FE0F}"
    #expect(isStreamSafe("a" + String(repeating: mixed, count: 6)))
    #expect(!isStreamSafe("a" + String(repeating: mixed, count: 6) + "\u{0301}"))
    let full = "a" + Self.marks("\u{0301}", 30)
    #expect(isStreamSafe(String(repeating: full, count: 100)))
    #expect(!isStreamSafe(String(repeating: full, count: 100) + "\u{0301}"))
    #expect(!isStreamSafe("plain " + full + "\u{0301} plain"))
  }

  @Test(
    "what people write is in it",
    arguments: [
      "", "a", "Tomi", "A plain sentence, with signs: 100 % (of \"it\").\n\tAnd another line.",
      // Names, composed and decomposed.
      "José Núñez", "Jose\u{301} Nu\u{301}n\u{303}ez", "Łukasz Żółć", "Søren Ångström", "Straße",
      "Nguyễn Thị Hương", "Nguye\u{302}\u{303}n Thi\u{323} Hu\u{31B}o\u{31B}ng", "Kaʻiulani",
      "O’Neill", "Þórður Guðmundsson", "İstanbul", "Ελευθέριος Βενιζέλος", "Ἀριστοτέλης",
      "Владимир Ўзбекистон", "Անահիտ", "გიორგი",
      // Scripts that need marks.
      "क्षत्रिय श्रीमती लक्ष्मी", "ज़िन्दगी", "வணக்கம் ஸ்ரீ", "শ্রীমতী", "ស្រ្តី", "ผู้ใหญ่ที่น้ำ",
      "བསྒྲུབས་", "မြန်မာ", "בְּרֵאשִׁ֖ית בָּרָ֣א אֱלֹהִ֑ים", "בְּנֵי־בְּרָק", "مُحَمَّدٌ عَلَيْهِ السَّلَامُ",
      "بِسْمِ ٱللَّهِ ٱلرَّحْمَٰنِ", "한국어 김민준", "\u{1112}\u{1161}\u{11AB}\u{1100}\u{116E}\u{11A8}",
      "ガギグゲゴ", "カ\u{3099}キ\u{3099}", "中文名字 東京都",
      // Emoji, joined and not.
      "👩‍👩‍👧‍👦 👩🏽‍💻 ❤️‍🔥 🏳️‍🌈 1️⃣ 🇺🇸🇲🇳 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
      // As far as jokes usually go.
      "Z̴̡̢a̵̧̛l̶̨̕g̷̡̛o̸̢̕",
    ])
  func realTexts(text: String) {
    #expect(isStreamSafe(text))
    #expect(isStreamSafe(String(repeating: text, count: 50)))
  }

  @Test("JSON has the limit in names and values, raw and escaped", arguments: [30, 31])
  func json(count: Int) throws {
    let raw = "a" + Self.marks("\u{0301}", count)
    let escaped = "a" + String(repeating: "\\u0301", count: count)
    // Half raw, half escaped, and as a surrogate pair: U+1D165.
    let mixed = "a\u{0301}" + String(repeating: "\\u0323", count: count - 1)
    let pairs = "a" + String(repeating: "\\uD834\\uDD65", count: count)
    for text in [raw, escaped, mixed, pairs] {
      for document in [
        "\"\(text)\"", "[\"\(text)\"]", "{\"\(text)\":1}", "{\"b\":{\"\(text)\":null}}",
        "{\"b\":[{\"c\":\"\(text)\"}]}", "[\"b\",\"\\n\(text)\\n\"]",
      ] {
        let bytes = Array(document.utf8)
        if count == 30 {
          _ = try JSON(parsing: bytes)
        } else {
          let error = #expect(throws: JSONError.self) { try JSON(parsing: bytes) }
          #expect(
            error?.description == "A string has more than 30 combining marks in a row.",
            "\(document)")
        }
      }
    }
  }

  @Test("texts are the same byte by byte, not by canonical equivalence") func sameness() {
    #expect("".isSame(as: ""))
    #expect("status".isSame(as: "status"))
    #expect(!"status".isSame(as: "statuS"))
    #expect(!"status".isSame(as: "statu"))
    #expect("é" == "e\u{301}" && !"é".isSame(as: "e\u{301}"))
    let (left, right) = ("e\u{301}\u{323}", "e\u{323}\u{301}")
    #expect(left == right && !left.isSame(as: right))
    #expect("e\u{301}".isSame(as: "e\u{301}"))
    #expect(!"Å".isSame(as: "\u{212B}"))
  }
}
