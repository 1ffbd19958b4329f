import Foundation

extension String {
  /// The form in which e-mail addresses are compared: in lower case, with composed accents.
  var comparisonKey: String { precomposedStringWithCanonicalMapping.lowercased() }
}
