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

  init(parsing bytes: [UInt8]) throws {
    self = try JSONDecoder().decode(JSON.self, from: Data(bytes))
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

extension JSON: Codable {
  init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if value.decodeNil() {
      self = .null
    } else if let bool = try? value.decode(Bool.self) {
      self = .bool(bool)
    } else if let number = try? value.decode(Double.self) {
      self = .number(number)
    } else if let text = try? value.decode(String.self) {
      self = .string(text)
    } else if let elements = try? value.decode([JSON].self) {
      self = .array(elements)
    } else {
      self = .object(try value.decode([String: JSON].self))
    }
  }

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

extension JSON: CustomStringConvertible {
  var description: String {
    guard self != .absent, let bytes = try? bytes else { return "absent" }
    return String(decoding: bytes, as: UTF8.self)
  }
}
