import Domain
import Foundation
import JSON
import Store

/// A query parameter that a route takes.
struct Parameter: Sendable {
  let name: String
  /// What its value is read as; nil: any text.
  let kind: Kind?
  /// Whether it takes several values, separated by commas.
  var isList = false
  var isRequired = false
  /// The value of a parameter that is missing.
  var fallback: String?
  /// The words that it takes beside the values of its kind.
  var words: [String] = []

  /// The value in its one form, or what is wrong with it.
  func normalize(_ text: String) -> Result<String, FieldProblem> {
    guard let kind, !words.contains(where: { $0.isSame(as: text) }) else { return .success(text) }
    guard isList else {
      return kind.value(ofText: text).mapError { problem in
        words.isEmpty
          ? problem
          : FieldProblem(
            problem.code, "Must be a UUID, or one of: \(words.joined(separator: ", ")).")
      }
    }
    guard text.utf8.contains(UInt8(ascii: ",")) else {
      return kind.value(ofText: text.trimmingBlanks())
    }
    var values: Set<String> = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      switch kind.value(ofText: String(part).trimmingBlanks()) {
      case .success(let value): values.insert(value)
      case .failure(let problem): return .failure(problem)
      }
    }
    return .success(values.sorted().joined(separator: ","))
  }
}

extension Parameter {
  static func one(_ name: String, _ kind: Kind) -> Parameter { Parameter(name: name, kind: kind) }

  static func required(_ name: String, _ kind: Kind) -> Parameter {
    Parameter(name: name, kind: kind, isRequired: true)
  }

  /// A parameter that takes a UUID or one of some words.
  static func id(_ name: String, or words: String...) -> Parameter {
    Parameter(name: name, kind: .id, words: words)
  }

  static func list(_ name: String, _ kind: Kind) -> Parameter {
    Parameter(name: name, kind: kind, isList: true)
  }

  /// The most items of a page.
  static func limit(_ maximum: Int = 100, default fallback: Int = 25) -> Parameter {
    Parameter(name: "limit", kind: .integer(1...maximum), fallback: String(fallback))
  }

  /// The beginning of a page. `Query` checks it after all other parameters.
  static let cursor = Parameter(name: "cursor", kind: nil)

  /// Words to search for.
  static let search = one("q", .text(.search))

  /// A field to sort by, with `-` before it for descending order.
  static func sort<Sort: RawRepresentable<String> & CaseIterable>(
    _: Sort.Type, default fallback: String
  ) -> Parameter {
    let words = Sort.allCases.flatMap { [$0.rawValue, "-" + $0.rawValue] }
    return Parameter(name: "sort", kind: .word(words, initial: words), fallback: fallback)
  }
}

/// A request's query, checked against what its route takes.
struct Query: Sendable {
  private struct Value {
    let name: String
    let text: String
    /// Whether the caller sent it.
    let isSent: Bool
  }

  /// The parameters' values in the order of the names.
  private let values: [Value]
  private let path: String
  private let cipher: CursorCipher
  /// The key that the caller's cursor holds; nil if there is none.
  private var start: [String]?

  /// - Parameters:
  ///   - text: The part of the target after the `?`, as it was sent; nil if there is none.
  ///   - path: The request's path. Cursors belong to it.
  ///   - parameters: The route's parameters in the order of their names.
  ///   - cipher: Makes and reads the cursors.
  /// - Throws: `Failure.invalidParameter` with every parameter that is unknown, repeated or wrong.
  init(
    _ text: Substring?, path: String, parameters: [Parameter], cipher: CursorCipher
  ) throws {
    var errors: [FieldError] = []
    func wrong(_ name: String, _ code: FieldCode, _ detail: String) {
      guard errors.count < Body.errorLimit else { return }
      errors.append(FieldError(.parameter(name.echo), code, detail))
    }
    var sent = [String?](repeating: nil, count: parameters.count)
    for part in Array((text ?? "").utf8).split(separator: UInt8(ascii: "&")) {
      let equals = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
      let name = PercentEncoding.decode(part[..<equals], plusIsSpace: true)
      let value = PercentEncoding.decode(part[equals...].dropFirst(), plusIsSpace: true)
      guard let name, let index = parameters.firstIndex(where: { $0.name.isSame(as: name) }) else {
        wrong(
          name ?? String(decoding: part[..<equals], as: UTF8.self), .unknownParameter,
          "Unknown parameter.")
        continue
      }
      guard sent[index] == nil else {
        wrong(name, .repeatedParameter, "This parameter can be sent only once.")
        continue
      }
      sent[index] = value ?? ""
      if value == nil {
        wrong(
          name, .invalidFormat,
          "Must be percent-encoded UTF-8 with at most 30 combining marks in a row.")
      }
    }
    var values: [Value] = []
    values.reserveCapacity(parameters.count)
    for (parameter, text) in zip(parameters, sent) {
      if let text, !text.isEmpty {
        switch parameter.normalize(text) {
        case .success(let text):
          values.append(Value(name: parameter.name, text: text, isSent: true))
        case .failure(let problem): wrong(parameter.name, problem.code, problem.detail)
        }
      } else if let fallback = parameter.fallback {
        values.append(Value(name: parameter.name, text: fallback, isSent: false))
      } else if parameter.isRequired {
        wrong(parameter.name, .required, "This parameter is required.")
      }
    }
    self.values = values
    self.path = path
    self.cipher = cipher
    guard errors.isEmpty else { throw Failure.invalidParameter(errors) }
    if let cursor = self["cursor"] {
      start = cipher.key(in: cursor, of: list)
      guard start != nil else { throw List.invalidCursor }
    }
  }

  /// The value of a parameter; nil if it is missing.
  subscript(_ name: String) -> String? { values.first { $0.name == name }?.text }

  /// The values of a parameter that takes several; none if it is missing.
  func words<Word: RawRepresentable<String>>(_ name: String, _: Word.Type = Word.self) -> [Word] {
    (self[name] ?? "").utf8.split(separator: UInt8(ascii: ","))
      .compactMap { Word(rawValue: String(Substring($0))) }
  }

  func id(_ name: String) -> ID? { self[name].flatMap { ID($0) } }

  func integer(_ name: String) -> Int? { self[name].flatMap { Int($0) } }

  /// The field to sort by and whether the order is descending, if the route has `sort`.
  func order<Sort: RawRepresentable<String>>() -> (by: Sort, descending: Bool)? {
    guard let text = self["sort"] else { return nil }
    let descending = text.hasPrefix("-")
    return Sort(rawValue: descending ? String(text.dropFirst()) : text).map { ($0, descending) }
  }

  /// The page that the caller asks for.
  var page: PageRequest {
    PageRequest(limit: integer("limit") ?? 25, after: start)
  }

  /// The cursor of the page after an item with this key.
  func cursor(after key: [String]) -> String { cipher.cursor(for: key, of: list) }

  /// The path and query of the page that begins at the cursor.
  func address(cursor: String) -> String {
    var address = Array(path.utf8) + "?".utf8
    for value in values where value.isSent && value.name != "cursor" {
      address += value.name.utf8
      address += "=".utf8
      address += PercentEncoding.encode(value.text).utf8
      address += "&".utf8
    }
    address += "cursor=".utf8
    address += cursor.utf8
    return String(decoding: address, as: UTF8.self)
  }

  /// The list, its filters and its order, to which a cursor belongs.
  private var list: [UInt8] {
    var list = Array(path.utf8) + "?".utf8
    var isFirst = true
    for value in values where value.name != "cursor" && value.name != "limit" {
      if !isFirst { list += "&".utf8 }
      isFirst = false
      list += value.name.utf8
      list += "=".utf8
      list += value.text.utf8
    }
    return list
  }
}

/// Percent-encoding (RFC 3986, section 2.1).
enum PercentEncoding {
  /// Decodes a part of a URL; nil if an escape is invalid, or if the result is not UTF-8 in the stream-safe
  /// format.
  static func decode(_ text: ArraySlice<UInt8>, plusIsSpace: Bool = false) -> String? {
    guard text.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) else {
      return streamSafe(String(decoding: text, as: UTF8.self))
    }
    var bytes: [UInt8] = []
    var iterator = text.makeIterator()
    while let byte = iterator.next() {
      switch byte {
      case UInt8(ascii: "%"):
        guard let high = iterator.next().flatMap(hexadecimal),
          let low = iterator.next().flatMap(hexadecimal)
        else { return nil }
        bytes.append(high << 4 | low)
      case UInt8(ascii: "+") where plusIsSpace:
        bytes.append(UInt8(ascii: " "))
      default:
        bytes.append(byte)
      }
    }
    return String(validating: bytes, as: UTF8.self).flatMap(streamSafe)
  }

  private static func streamSafe(_ text: String) -> String? { isStreamSafe(text) ? text : nil }

  /// Encodes a text, except for unreserved characters and the comma.
  static func encode(_ text: String) -> String {
    guard !text.utf8.allSatisfy(isUnreserved) else { return text }
    var result: [UInt8] = []
    result.reserveCapacity(text.utf8.count)
    for byte in text.utf8 {
      if isUnreserved(byte) {
        result.append(byte)
      } else {
        result.append(UInt8(ascii: "%"))
        for digit in [byte >> 4, byte & 0xF] {
          result.append(digit + (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "A") - 10))
        }
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// Whether a byte needs no encoding in a query.
  private static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: ","):
      true
    default: false
    }
  }

  private static func hexadecimal(_ byte: UInt8) -> UInt8? {
    Character(Unicode.Scalar(byte)).hexDigitValue.map(UInt8.init)
  }
}
