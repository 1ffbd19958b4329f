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
    guard let first = scalars.firstIndex(where: { !$0.isBlank }),
      let last = scalars.lastIndex(where: { !$0.isBlank }),
      scalars[first...last].contains(where: {
        !$0.properties.isDefaultIgnorableCodePoint && !$0.isBlank
      })
    else { return "" }
    return String(scalars[first...last])
  }

  /// The text without invisible characters, and with plain spaces instead of all other space characters.
  package func removingInvisible() -> String {
    var copy = self
    let isASCII = copy.withUTF8 { $0.allSatisfy { $0 < 0x80 } }
    if isASCII { return self }
    var kept = String.UnicodeScalarView()
    for scalar in unicodeScalars where !scalar.isInvisible {
      kept.append(scalar.properties.generalCategory == .spaceSeparator ? " " : scalar)
    }
    return String(kept)
  }
}

extension Unicode.Scalar {
  /// Whether a reader cannot see the character: the general category Cf, and characters of other categories
  /// that are blank by design (the Hangul fillers and the braille pattern without dots).
  package var isInvisible: Bool {
    switch self {
    case "\u{115F}", "\u{1160}", "\u{3164}", "\u{FFA0}", "\u{2800}": true
    default: properties.generalCategory == .format
    }
  }

  /// Whether the end of a text has no use for the character. Tag characters are not trimmed but refused: they
  /// hide a text in another one.
  fileprivate var isBlank: Bool {
    switch properties.generalCategory {
    case .format: !(0xE0000...0xE007F).contains(value)
    case .spaceSeparator, .lineSeparator, .paragraphSeparator: true
    case .control: properties.isWhitespace
    default: isInvisible
    }
  }
}
