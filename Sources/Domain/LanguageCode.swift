/// A language by its two-letter code in ISO 639-1 (<https://www.loc.gov/standards/iso639-2/php/code_list.php>).
package struct LanguageCode: RawRepresentable, Hashable, Sendable {
  /// The code in lower case.
  package let rawValue: String

  /// The language with this code in lower case; nil if there is none.
  package init?(rawValue: String) {
    guard rawValue.utf8.count == 2, LanguageCode.codes.contains(rawValue) else { return nil }
    self.rawValue = rawValue
  }

  /// Reads a code in either case; nil if it is not the code of a language.
  package init?(_ text: String) {
    // In two bytes, nothing but ASCII letters has the lower-case form of a code.
    guard text.utf8.count == 2 else { return nil }
    self.init(rawValue: text.lowercased())
  }

  /// All 184 codes.
  package static let codes = Set(
    """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de \
    dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id \
    ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu \
    lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu \
    rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr \
    ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
    """.split(separator: " ").map(String.init))
}
