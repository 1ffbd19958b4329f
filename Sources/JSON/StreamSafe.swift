/// Whether a text has at most 30 combining marks in a row, which is a simplified form of the stream-safe text
/// format (Unicode Standard Annex #15, section 13).
///
/// Swift compares and hashes strings by canonical equivalence, for which it sorts the marks of each character.
/// This takes quadratic time for a character with thousands of marks, but linear time for a stream-safe text.
package func isStreamSafe(_ text: String) -> Bool {
  // Most texts are ASCII, which has no marks.
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
  /// Whether both texts have the same bytes in UTF-8. Swift's `==` compares by canonical equivalence instead.
  package func isSame(as other: String) -> Bool {
    // A native string knows its length, and most texts that differ have different lengths.
    guard utf8.count == other.utf8.count else { return false }
    var (left, right) = (self, other)
    return left.withUTF8 { left in right.withUTF8 { right in left.elementsEqual(right) } }
  }
}
