import Foundation

extension String {
  /// What counts when e-mail addresses are compared: case and the way of writing accents aside.
  var comparisonKey: String { precomposedStringWithCanonicalMapping.lowercased() }
}
