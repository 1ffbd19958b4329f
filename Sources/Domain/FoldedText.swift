import Foundation

/// The folded form of a text, in which texts are searched and names sorted.
///
/// Case, accents and other marks, the width of characters, and apostrophes don't count. What is left are words of
/// letters and digits.
package enum FoldedText {
  /// The words of a text. A word has several parts if it has Chinese, Japanese or Korean characters: each is a
  /// part of its own, because these scripts put no space between words.
  package static func words(_ text: String) -> [[String]] {
    var words: [[String]] = []
    var word: [String] = []
    var part = String.UnicodeScalarView()
    func endPart() {
      if !part.isEmpty { word.append(String(part)) }
      part.removeAll()
    }
    func endWord() {
      endPart()
      if !word.isEmpty { words.append(word) }
      word.removeAll()
    }
    for scalar in decomposed(text) where !isIgnored(scalar) {
      if scalar.isASCII {
        switch scalar {
        case "a"..."z", "0"..."9": part.append(scalar)
        case "A"..."Z": part.append(Unicode.Scalar(UInt8(ascii: scalar) | 0x20))
        default: endWord()
        }
      } else if isWordAlone(scalar) {
        endPart()
        part.append(scalar)
        endPart()
      } else if isPartOfWord(scalar) {
        part.append(contentsOf: folded(scalar))
      } else {
        endWord()
      }
    }
    endWord()
    return words
  }

  /// The text as its words, separated by spaces.
  package static func text(_ text: String) -> String {
    words(text).joined().joined(separator: " ")
  }

  /// The form by which names sort: the folded text, cut after 200 scalars. A character may have a long folded form,
  /// and the key is part of each index and of a page's address.
  package static func sortKey(_ text: String) -> String {
    String(FoldedText.text(text).unicodeScalars.prefix(200))
  }

  /// The words by which a text is found: those of its folded form, and for a word with an apostrophe also what
  /// the apostrophe separates, so that both "oneill" and "neill" find O’Neill.
  package static func searched(_ text: String) -> String {
    let parts = text.unicodeScalars
      .split { $0.properties.isWhitespace }
      .filter { $0.contains(where: isApostrophe) }
      .flatMap { $0.split(whereSeparator: isApostrophe) }
    return FoldedText.text(
      parts.isEmpty ? text : text + " " + parts.map(String.init).joined(separator: " "))
  }

  /// The scalars of the text after compatibility decomposition (NFKD, Unicode Standard Annex #15), which takes
  /// accents off their letters and makes wide and narrow characters plain.
  private static func decomposed(_ text: String) -> String.UnicodeScalarView {
    if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.unicodeScalars }
    // Without marks, since sorting those of a letter takes long. The acute and the grave accent on their own stand
    // for apostrophes, but would become spaces.
    let scalars = text.unicodeScalars.filter { !isIgnored($0) }
    return String(String.UnicodeScalarView(scalars))
      .decomposedStringWithCompatibilityMapping.unicodeScalars
  }

  private static func isIgnored(_ scalar: Unicode.Scalar) -> Bool {
    if isApostrophe(scalar) { return true }
    guard !scalar.isASCII else { return false }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .format: return true
    default: return false
    }
  }

  /// Apostrophes, the signs that are written for them, and letters of that form, such as the ʻokina.
  private static func isApostrophe(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "'", "`", "\u{B4}", "\u{2B9}"..."\u{2BF}", "\u{2C8}", "\u{2CA}", "\u{2CB}", "\u{2EE}",
      "\u{5F3}",
      "\u{2018}"..."\u{201B}", "\u{2032}", "\u{2035}", "\u{A78B}", "\u{A78C}", "\u{FF07}",
      "\u{FF40}":
      true
    default: false
    }
  }

  private static func isPartOfWord(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
      .decimalNumber, .letterNumber, .otherNumber, .privateUse:
      true
    default: false
    }
  }

  /// Whether the character is of a script without spaces between words: Chinese, Japanese or Korean. The ranges
  /// are those of the blocks in Unicode's Blocks.txt. A Korean syllable comes as its letters.
  private static func isWordAlone(_ scalar: Unicode.Scalar) -> Bool {
    guard scalar.value >= 0x1100 else { return false }
    if scalar.properties.isIdeographic { return true }
    switch scalar.value {
    case 0x3005,  // the ideographic iteration mark
      0x1100...0x11FF, 0x3130...0x318F, 0xA960...0xA97F, 0xAC00...0xD7FF,  // Hangul
      0x3040...0x30FF, 0x31F0...0x31FF, 0x1AFF0...0x1B16F,  // Kana
      0x3100...0x312F, 0x31A0...0x31BF:  // Bopomofo
      return scalar.properties.isAlphabetic || scalar.value == 0x3005
    default: return false
    }
  }

  /// A letter without its case, and without a stroke, hook or the like, which decomposition leaves.
  private static func folded(_ scalar: Unicode.Scalar) -> String.UnicodeScalarView {
    // By the capitals, since some letters have two small forms, and ß has the capitals SS and ẞ.
    let lower = scalar.properties.lowercaseMapping.unicodeScalars
      .map(\.properties.uppercaseMapping).joined().unicodeScalars
      .map(\.properties.lowercaseMapping).joined().unicodeScalars
    var folded = String.UnicodeScalarView()
    for scalar in lower {
      folded.append(contentsOf: scalar.isASCII ? [scalar] : plain(scalar))
    }
    return folded
  }

  /// A Latin letter in the letters of English, by its name in Unicode; any other letter as it is.
  private static func plain(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
    guard scalar.value < 0x2C80 || (0xA720...0xAB6F).contains(scalar.value),
      let name = scalar.properties.name, name.hasPrefix("LATIN SMALL ")
    else { return [scalar] }
    let kind = name.split(separator: " ").dropFirst(2)
    guard kind.first == "LETTER" || kind.first == "LIGATURE",
      kind.count == 2 || kind.dropFirst(2).first == "WITH", let letter = kind.dropFirst().first
    else { return name == "LATIN SMALL LETTER DOTLESS J" ? ["j"] : [scalar] }
    let plain: Substring =
      switch letter {
      case "THORN": "TH"
      case "ETH": "D"
      case "ENG": "N"
      case "KRA": "K"
      default: letter
      }
    guard plain.utf8.count <= 2 else { return [scalar] }
    return plain.utf8.map { Unicode.Scalar($0 | 0x20) }
  }
}
