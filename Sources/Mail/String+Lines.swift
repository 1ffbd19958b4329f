extension String {
  /// The text on one line: each run of spaces, line breaks and control characters is a space, and there is
  /// none at the ends.
  var onOneLine: String {
    unicodeScalars.split { $0 == " " || $0.isControl }.map { String($0) }.joined(separator: " ")
  }

  /// The lines of the text, without blank ones at either end, without trailing spaces, and with spaces for
  /// control characters.
  var lines: [String] {
    let all = split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map { line in
      String(String.UnicodeScalarView(line.unicodeScalars.map { $0.isControl ? " " : $0 }))
        .withoutTrailingSpaces
    }
    guard let first = all.firstIndex(where: { !$0.isEmpty }),
      let last = all.lastIndex(where: { !$0.isEmpty })
    else { return [] }
    return Array(all[first...last])
  }

  var withoutTrailingSpaces: String {
    let scalars = unicodeScalars
    guard let last = scalars.lastIndex(where: { $0 != " " && $0 != "\t" }) else { return "" }
    return String(scalars[...last])
  }

  /// The beginning of the text with at most `limit` Unicode scalars, which ends with an ellipsis if something is
  /// left out. No character is split, and no word, unless that would leave less than half of what fits.
  func shortened(to limit: Int) -> String {
    guard unicodeScalars.count > limit else { return self }
    var end = startIndex
    var blank: Index?
    var count = 1  // of the ellipsis
    while true {
      if self[end] == " ", count > limit / 2 { blank = end }
      count += self[end].unicodeScalars.count
      if count > limit { break }
      formIndex(after: &end)
    }
    return self[..<(blank ?? end)] + "…"
  }

  /// The line as lines of at most `width` characters where its spaces allow, each with the spaces and marks of a
  /// quotation at its beginning.
  func wrapped(to width: Int) -> [String] {
    guard count > width else { return [self] }
    let start = String(prefix { $0 == " " || $0 == ">" })
    var lines: [String] = []
    var line = start
    var length = start.count
    for word in dropFirst(start.count).split(separator: " ") {
      if length > start.count {
        if length + 1 + word.count > width {
          lines.append(line)
          line = start
          length = start.count
        } else {
          line += " "
          length += 1
        }
      }
      line += word
      length += word.count
    }
    return lines + [line]
  }
}

extension Unicode.Scalar {
  /// Whether it breaks a line or is a control character: the general categories Cc, Zl and Zp.
  var isControl: Bool {
    switch properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: true
    default: false
    }
  }
}
