/// Whether a text is in the stream-safe format, simplified: at most 30 combining marks in a row (Unicode
/// Standard Annex #15, section 13).
///
/// Swift compares and hashes strings by canonical equivalence, for which it sorts the marks of each
/// character: a character with thousands of them takes time with the square of their number. A text in this
/// format takes linear time in all that is done with it.
package func isStreamSafe(_ text: String) -> Bool {
  // Most texts are ASCII, and no mark is.
  var copy = text
  let isASCII = copy.withUTF8 { $0.allSatisfy { $0 < 0x80 } }
  if isASCII { return true }
  var marks = 0
  for scalar in text.unicodeScalars {
    if scalar.value >= 0x300, scalar.isCombiningMark {
      marks += 1
      if marks > 30 { return false }
    } else {
      marks = 0
    }
  }
  return true
}

extension Unicode.Scalar {
  fileprivate var isCombiningMark: Bool {
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: true
    default: properties.canonicalCombiningClass != .notReordered
    }
  }
}

extension String {
  /// Whether two texts are the same byte by byte. Swift's `==` compares by canonical equivalence instead.
  package func isSame(as other: String) -> Bool {
    // Native strings know their length, by which most that differ are told apart.
    guard utf8.count == other.utf8.count else { return false }
    var (left, right) = (self, other)
    return left.withUTF8 { left in
      right.withUTF8 { right in
        left.elementsEqual(right)
      }
    }
  }
}
