/// The reason why a text is not JSON.
package struct JSONError: Error, Equatable, CustomStringConvertible {
  /// What is wrong, as a sentence.
  package let description: String

  fileprivate static let tooManyMarks = JSONError(
    description: "A string has more than 30 combining marks in a row.")
}

extension JSON {
  /// How many levels of arrays and objects a text may have.
  package static let depthLimit = 64

  /// Reads a JSON text. It must be UTF-8, without trailing commas, duplicate names, unpaired surrogates or text
  /// after the value, and its numbers must be in the range of `Double`. A byte-order mark before it is ignored
  /// (RFC 8259, section 8.1), because some editors and clients write one.
  ///
  /// Foundation's reader is not used because it accepts trailing commas and UTF-16, and drops one of two equal
  /// names without an error.
  ///
  /// - Throws: `JSONError`, with the offset of the error in bytes.
  package init(parsing bytes: [UInt8]) throws {
    self = try bytes.withUnsafeBufferPointer { try JSON(parsing: $0) }
  }

  /// Reads a JSON text in the same way from a buffer.
  package init(parsing bytes: UnsafeBufferPointer<UInt8>) throws {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw JSONError(description: "The text is not UTF-8.")
    }
    guard isStreamSafe(text) else { throw JSONError.tooManyMarks }
    var reader = Reader(bytes: bytes)
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { reader.position = 3 }
    reader.skipWhitespace()
    self = try reader.value(depth: 0)
    reader.skipWhitespace()
    guard reader.position == bytes.count else { throw reader.unexpected("the end of the text") }
  }
}

private struct Reader {
  let bytes: UnsafeBufferPointer<UInt8>
  var position = 0

  var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  func unexpected(_ expected: String) -> JSONError {
    JSONError(
      description: next == nil
        ? "Expected \(expected) at byte \(position), where the text ends."
        : "Expected \(expected) at byte \(position).")
  }

  mutating func skipWhitespace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      position += 1
    }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    position += 1
    return true
  }

  private mutating func word(_ word: String, _ value: JSON) throws -> JSON {
    guard bytes[position...].starts(with: word.utf8) else { throw unexpected("a value") }
    position += word.utf8.count
    return value
  }

  mutating func value(depth: Int) throws -> JSON {
    switch next {
    case UInt8(ascii: "{"):
      return try object(depth: depth + 1)
    case UInt8(ascii: "["):
      return try array(depth: depth + 1)
    case UInt8(ascii: "\""):
      return .string(try string())
    case UInt8(ascii: "t"):
      return try word("true", .bool(true))
    case UInt8(ascii: "f"):
      return try word("false", .bool(false))
    case UInt8(ascii: "n"):
      return try word("null", .null)
    case .some(0x30...0x39), UInt8(ascii: "-"):
      return try number()
    default:
      throw unexpected("a value")
    }
  }

  private func checkDepth(_ depth: Int) throws {
    guard depth <= JSON.depthLimit else {
      throw JSONError(
        description: "Arrays and objects are nested more than \(JSON.depthLimit) levels deep.")
    }
  }

  private mutating func object(depth: Int) throws -> JSON {
    try checkDepth(depth)
    position += 1
    var members: [JSON.Member] = []
    members.reserveCapacity(8)
    var names: Set<[UInt8]> = []
    skipWhitespace()
    if take(UInt8(ascii: "}")) { return .object(members) }
    while true {
      skipWhitespace()
      let start = position
      guard next == UInt8(ascii: "\"") else { throw unexpected("a name in quotes") }
      let name = try string()
      // By bytes, because Swift's strings would equate é with e and a combining accent. Comparing is faster than
      // hashing for a few names, but takes quadratic time for many.
      if members.count == 16 { names = Set(members.map { Array($0.name.utf8) }) }
      let isNew =
        members.count < 16
        ? !members.contains { $0.name.isSame(as: name) }
        : names.insert(Array(name.utf8)).inserted
      guard isNew else {
        throw JSONError(description: "The name at byte \(start) is a duplicate in its object.")
      }
      skipWhitespace()
      guard take(UInt8(ascii: ":")) else { throw unexpected("a colon") }
      skipWhitespace()
      members.append(JSON.Member(name, try value(depth: depth)))
      skipWhitespace()
      if take(UInt8(ascii: "}")) { return .object(members) }
      guard take(UInt8(ascii: ",")) else { throw unexpected("a comma or a closing brace") }
    }
  }

  private mutating func array(depth: Int) throws -> JSON {
    try checkDepth(depth)
    position += 1
    var elements: [JSON] = []
    skipWhitespace()
    if take(UInt8(ascii: "]")) { return .array(elements) }
    while true {
      skipWhitespace()
      elements.append(try value(depth: depth))
      skipWhitespace()
      if take(UInt8(ascii: "]")) { return .array(elements) }
      guard take(UInt8(ascii: ",")) else { throw unexpected("a comma or a closing bracket") }
    }
  }

  private mutating func string() throws -> String {
    position += 1
    let start = position
    while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 {
      position += 1
    }
    if take(UInt8(ascii: "\"")) {
      return String(decoding: bytes[start..<position - 1], as: UTF8.self)
    }

    var text = Array(bytes[start..<position])
    while let byte = next {
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        let result = String(decoding: text, as: UTF8.self)
        guard isStreamSafe(result) else { throw JSONError.tooManyMarks }
        return result
      case UInt8(ascii: "\\"):
        position += 1
        try escape(into: &text)
      case 0..<0x20:
        throw unexpected("an escape instead of a control character")
      default:
        text.append(byte)
        position += 1
      }
    }
    throw unexpected("the string's closing quote")
  }

  private mutating func escape(into text: inout [UInt8]) throws {
    guard let byte = next else { throw unexpected("an escape") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      let start = position
      var code = try hexadecimal()
      if (0xD800...0xDBFF).contains(code) {
        guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else { throw loneSurrogate(start) }
        let low = try hexadecimal()
        guard (0xDC00...0xDFFF).contains(low) else { throw loneSurrogate(start) }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw loneSurrogate(start) }
      text.append(contentsOf: UTF8.encode(scalar)!)
    default:
      position -= 1
      throw unexpected("an escape")
    }
  }

  private func loneSurrogate(_ start: Int) -> JSONError {
    JSONError(description: "The escape at byte \(start) is an unpaired surrogate.")
  }

  private mutating func hexadecimal() throws -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw unexpected("a hexadecimal digit")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }

  private mutating func digits() throws {
    let start = position
    while let byte = next, (0x30...0x39).contains(byte) { position += 1 }
    guard position > start else { throw unexpected("a digit") }
  }

  private mutating func number() throws -> JSON {
    let start = position
    _ = take(UInt8(ascii: "-"))
    if !take(UInt8(ascii: "0")) { try digits() }
    var isInteger = true
    if take(UInt8(ascii: ".")) {
      isInteger = false
      try digits()
    }
    if let byte = next, byte | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      position += 1
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      try digits()
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let value = Int(text) { return .integer(value) }
    // An integer below Int.min can become equal to it as a Double. So it stays a number.
    guard let value = Double(text), value.isFinite else {
      throw JSONError(description: "The number at byte \(start) is out of range.")
    }
    return isInteger ? .number(value) : Int(exactly: value).map(JSON.integer) ?? .number(value)
  }
}
