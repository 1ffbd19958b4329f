import Foundation

/// A JSON value, to write requests and to compare answers with.
enum JSON: Hashable, Sendable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([JSON])
  case object([String: JSON])
  /// A member or an element that is not there; never part of a document.
  case absent

  /// Reads a document.
  init(parsing bytes: [UInt8]) throws {
    var parser = JSONParser(bytes: bytes)
    self = try parser.document()
  }

  /// The value as JSON; the same value always gives the same bytes.
  var bytes: [UInt8] {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      return Array(try encoder.encode(self))
    }
  }

  subscript(name: String) -> JSON {
    get { if case .object(let members) = self { members[name] ?? .absent } else { .absent } }
    set {
      guard case .object(var members) = self else { return }
      members[name] = newValue == .absent ? nil : newValue
      self = .object(members)
    }
  }

  subscript(index: Int) -> JSON {
    if case .array(let elements) = self, elements.indices.contains(index) {
      elements[index]
    } else {
      .absent
    }
  }

  var elements: [JSON] { if case .array(let elements) = self { elements } else { [] } }

  var names: Set<String> {
    if case .object(let members) = self { Set(members.keys) } else { [] }
  }

  /// A string's text; empty for anything else.
  var text: String { if case .string(let text) = self { text } else { "" } }

  /// A whole number; nil for anything else.
  var int: Int? { if case .number(let number) = self { Int(exactly: number) } else { nil } }

  func merging(_ other: JSON) -> JSON {
    guard case .object(let old) = self, case .object(let new) = other else { return other }
    return .object(old.merging(new) { $1 })
  }
}

extension JSON: Encodable {
  func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    switch self {
    case .null, .absent: try value.encodeNil()
    case .bool(let bool): try value.encode(bool)
    case .number(let number):
      if let int { try value.encode(int) } else { try value.encode(number) }
    case .string(let text): try value.encode(text)
    case .array(let elements): try value.encode(elements)
    case .object(let members): try value.encode(members)
    }
  }
}

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByStringLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral
{
  init(nilLiteral: ()) { self = .null }
  init(booleanLiteral value: Bool) { self = .bool(value) }
  init(integerLiteral value: Int) { self = .number(Double(value)) }
  init(stringLiteral value: String) { self = .string(value) }
  init(arrayLiteral elements: JSON...) { self = .array(elements) }
  init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(Dictionary(elements) { $1 })
  }
}

/// Reads RFC 8259's grammar, and refuses names that stand twice in an object.
private struct JSONParser {
  let bytes: [UInt8]
  private var position = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func document() throws -> JSON {
    guard String(validating: bytes, as: UTF8.self) != nil else { throw trouble("is not UTF-8") }
    let value = try value()
    skipSpace()
    guard position == bytes.count else { throw trouble("goes on") }
    return value
  }

  private func trouble(_ what: String) -> Trouble {
    Trouble("the JSON \(what) at byte \(position)")
  }

  private mutating func skipSpace() {
    while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) {
      position += 1
    }
  }

  /// Whether this comes next; if so it is passed.
  private mutating func pass(_ text: StaticString) -> Bool {
    let end = position + text.utf8CodeUnitCount
    guard end <= bytes.count,
      bytes[position..<end].elementsEqual(
        UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    else { return false }
    position = end
    return true
  }

  private mutating func value() throws -> JSON {
    skipSpace()
    if pass("null") { return .null }
    if pass("true") { return .bool(true) }
    if pass("false") { return .bool(false) }
    if pass("\"") { return .string(try string()) }
    if pass("[") { return .array(try items("]") { try $0.value() }) }
    if pass("{") {
      let members = try items("}") { parser in
        guard parser.pass("\"") else { throw parser.trouble("lacks a name") }
        let name = try parser.string()
        parser.skipSpace()
        guard parser.pass(":") else { throw parser.trouble("lacks a colon") }
        return (name, try parser.value())
      }
      guard Set(members.map(\.0)).count == members.count else { throw trouble("repeats a name") }
      return .object(Dictionary(uniqueKeysWithValues: members))
    }
    return .number(try number())
  }

  /// The items up to the closing bracket, parted by commas.
  private mutating func items<Item>(
    _ close: StaticString, _ item: (inout JSONParser) throws -> Item
  ) throws -> [Item] {
    var items: [Item] = []
    skipSpace()
    if pass(close) { return items }
    while true {
      skipSpace()
      items.append(try item(&self))
      skipSpace()
      if pass(close) { return items }
      guard pass(",") else { throw trouble("lacks a comma") }
    }
  }

  private mutating func number() throws -> Double {
    let start = position
    while position < bytes.count, "+-.0123456789eE".utf8.contains(bytes[position]) { position += 1 }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    guard text.wholeMatch(of: /-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/) != nil,
      let number = Double(text)
    else { throw trouble("lacks a value") }
    return number
  }

  private mutating func string() throws -> String {
    var units: [UInt8] = []
    while position < bytes.count, bytes[position] >= 0x20 {
      if pass("\"") { return String(decoding: units, as: UTF8.self) }
      if pass("\\") {
        units += Array(String(try escape()).utf8)
      } else {
        units.append(bytes[position])
        position += 1
      }
    }
    throw trouble("has a string without an end")
  }

  private mutating func escape() throws -> Unicode.Scalar {
    if pass("u") {
      let unit = try codeUnit()
      guard UTF16.isLeadSurrogate(unit) else {
        guard let scalar = Unicode.Scalar(unit) else { throw trouble("has half a character") }
        return scalar
      }
      guard pass("\\u") else { throw trouble("has half a character") }
      let next = try codeUnit()
      guard UTF16.isTrailSurrogate(next) else { throw trouble("has half a character") }
      return UTF16.decode(UTF16.EncodedScalar([unit, next]))
    }
    let escapes: [UInt8: Unicode.Scalar] = [
      0x22: "\"", 0x5C: "\\", 0x2F: "/", 0x62: "\u{8}", 0x66: "\u{C}", 0x6E: "\n", 0x72: "\r",
      0x74: "\t",
    ]
    guard position < bytes.count, let scalar = escapes[bytes[position]] else {
      throw trouble("has an unknown escape")
    }
    position += 1
    return scalar
  }

  private mutating func codeUnit() throws -> UInt16 {
    guard position + 4 <= bytes.count,
      let unit = UInt16(
        String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
    else { throw trouble("has a broken escape") }
    position += 4
    return unit
  }
}

extension JSON: CustomStringConvertible {
  var description: String {
    guard self != .absent, let bytes = try? bytes else { return "absent" }
    return String(decoding: bytes, as: UTF8.self)
  }
}
