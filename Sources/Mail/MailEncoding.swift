import Foundation

/// The most characters of a line with an encoded word (RFC 2047, section 2).
private let lineLimit = 76

/// A header field with a text, folded at its spaces.
///
/// A text that is not printable ASCII, or that looks like encoded words, becomes encoded words.
func headerField(_ name: String, _ text: String) -> String {
  let text = text.onOneLine
  var field = "\(name):"
  let words = text.split(separator: " ")
  guard text.isPlainHeaderText,
    words.allSatisfy({ $0.utf8.count < lineLimit - name.utf8.count - 2 })
  else { return "\(field) " + encodedWords(text, after: field.utf8.count + 1) }
  var column = field.utf8.count
  for word in words {
    if column + 1 + word.utf8.count > lineLimit {
      field += "\n"
      column = 0
    }
    field += " \(word)"
    column += 1 + word.utf8.count
  }
  return field
}

/// A header field with a mailbox (RFC 5322, section 3.4).
func headerField(_ name: String, _ mailbox: Mailbox) -> String {
  var field = "\(name): "
  let address = "<\(mailbox.address.mailAddress)>"
  let phrase = (mailbox.name ?? "").onOneLine
  guard !phrase.isEmpty else { return field + address }
  let quoted = phrase.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
  if phrase.isPlainHeaderText, field.utf8.count + quoted.utf8.count + 2 <= lineLimit {
    field += "\"\(quoted)\""
  } else {
    field += encodedWords(phrase, after: field.utf8.count)
  }
  let column =
    field.utf8.count
    - (field.utf8.lastIndex(of: UInt8(ascii: "\n"))
      .map { field.utf8.distance(from: field.utf8.startIndex, to: $0) + 1 } ?? 0)
  return field + (column + 1 + address.utf8.count > lineLimit ? "\n " : " ") + address
}

/// The text as encoded words (RFC 2047) of at most 75 characters in UTF-8 and the encoding Q, on lines of their own.
/// No word splits a character.
///
/// - Parameter column: The number of characters before it in the first line.
private func encodedWords(_ text: String, after column: Int) -> String {
  let start = "=?utf-8?Q?"
  let end = "?="
  var words = start
  var column = column + start.utf8.count
  for scalar in text.unicodeScalars {
    let encoded = encodedQ(scalar)
    if column + encoded.utf8.count + end.utf8.count > lineLimit {
      words += end + "\n " + start
      column = 1 + start.utf8.count
    }
    words += encoded
    column += encoded.utf8.count
  }
  return words + end
}

/// The character in the encoding Q. What stays as it is may stand in a phrase as well (RFC 2047, section 5).
private func encodedQ(_ scalar: Unicode.Scalar) -> String {
  switch scalar {
  case " ": "_"
  case "a"..."z", "A"..."Z", "0"..."9", "!", "*", "+", "-", "/": String(scalar)
  default: UTF8.encode(scalar)!.map(escaped).joined()
  }
}

/// The byte as `=E9`, the form of quoted-printable and of the encoding Q.
private func escaped(_ byte: UInt8) -> String {
  let digits = Array("0123456789ABCDEF")
  return "=\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
}

/// The text, whose lines end with LF, in quoted-printable (RFC 2045, section 6.7).
///
/// No line is changed on its way, because none begins with "." or "From ", or ends with a space.
func quotedPrintable(_ text: String) -> [UInt8] {
  var encoded: [UInt8] = []
  for line in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
    var column = 0
    var rest = line
    while let byte = rest.popFirst() {
      let isLiteral =
        switch byte {
        case UInt8(ascii: " "), UInt8(ascii: "\t"): !rest.isEmpty
        case UInt8(ascii: "."): column > 0
        case UInt8(ascii: "F"): column > 0 || !rest.starts(with: "rom ".utf8)
        case UInt8(ascii: "="): false
        default: (0x21...0x7E).contains(byte)
        }
      // The last column is for the "=" of a break that is not part of the text.
      if column + (isLiteral ? 1 : 3) >= lineLimit {
        encoded += Array("=\n".utf8)
        column = 0
        rest = line[line.index(before: rest.startIndex)...]
        continue
      }
      encoded += isLiteral ? [byte] : Array(escaped(byte).utf8)
      column += isLiteral ? 1 : 3
    }
    encoded.append(UInt8(ascii: "\n"))
  }
  // The last line break is the text's own.
  encoded.removeLast()
  return encoded
}

extension String {
  /// Whether a header can show the text as it is.
  fileprivate var isPlainHeaderText: Bool {
    utf8.allSatisfy { (0x20...0x7E).contains($0) } && !contains("=?")
  }

  /// The address in the form for headers and mail programs.
  ///
  /// A domain that is not ASCII becomes punycode (RFC 5891). A local part that is not ASCII has no such form: it stays,
  /// as RFC 6532 allows, and the mail system has to know SMTPUTF8 (RFC 6531) or refuses it. Characters that would
  /// end the address, and that `TextRule.email` never lets through, are left out.
  var mailAddress: String {
    let kept = unicodeScalars.filter {
      !$0.isControl && !$0.properties.isWhitespace && !"<>()[],;:\\\"".unicodeScalars.contains($0)
    }
    let address = String(String.UnicodeScalarView(kept))
    guard let at = address.unicodeScalars.lastIndex(of: "@") else { return address }
    let domain = String(address.unicodeScalars[address.unicodeScalars.index(after: at)...])
    guard !domain.utf8.allSatisfy({ $0 < 0x80 }),
      // Foundation converts the host of a URL.
      let url = URL(string: "http://\(domain)/")?.absoluteString,
      url.utf8.allSatisfy({ $0 < 0x80 }), url.hasPrefix("http://"), url.hasSuffix("/")
    else { return address }
    return String(address.unicodeScalars[...at]) + url.dropFirst("http://".count).dropLast()
  }
}
