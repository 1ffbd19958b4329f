extension String {
  /// The text without white space and invisible characters at its beginning and its end. A text without any
  /// visible character becomes empty.
  package func trimmingBlanks() -> String {
    let visible = UInt8(0x21)...0x7E
    if let first = utf8.first, let last = utf8.last, visible.contains(first), visible.contains(last)
    {
      return self
    }
    let scalars = unicodeScalars
    // A variation selector at the beginning has nothing to select. At the end it may belong to an emoji.
    func isVisible(_ scalar: Unicode.Scalar) -> Bool {
      !scalar.isBlank && (!scalar.properties.isDefaultIgnorableCodePoint || scalar.isTag)
    }
    guard let first = scalars.firstIndex(where: isVisible),
      let last = scalars.lastIndex(where: { !$0.isBlank })
    else { return "" }
    return String(scalars[first...last])
  }

  /// The text without invisible characters, and with plain spaces instead of all other space characters.
  package func removingInvisible() -> String {
    var copy = self
    let isASCII = copy.withUTF8 { $0.allSatisfy { $0 < 0x80 } }
    if isASCII { return self }
    var kept = String.UnicodeScalarView()
    for scalar in unicodeScalars
    where !scalar.isInvisible && !scalar.properties.isDefaultIgnorableCodePoint {
      kept.append(scalar.properties.generalCategory == .spaceSeparator ? " " : scalar)
    }
    return String(kept)
  }
}

extension Unicode.Scalar {
  /// Whether a reader cannot see the character: the general category Cf, and characters of other categories
  /// that are blank by design (fillers, the braille pattern without dots, the null note head).
  package var isInvisible: Bool {
    switch self {
    case "\u{115F}", "\u{1160}", "\u{3164}", "\u{FFA0}", "\u{2800}", "\u{16FE4}", "\u{1D159}": true
    default: properties.generalCategory == .format
    }
  }

  /// Whether it is a tag character. They are not trimmed but refused: they hide a text in another one.
  fileprivate var isTag: Bool { (0xE0000...0xE007F).contains(value) }

  /// Whether the end of a text has no use for the character.
  fileprivate var isBlank: Bool {
    switch properties.generalCategory {
    case .format: !isTag
    case .spaceSeparator, .lineSeparator, .paragraphSeparator: true
    case .control: properties.isWhitespace
    default: isInvisible
    }
  }
}
