import Crypto
import Domain
import Foundation
import JSON

/// A query parameter that a route takes.
struct Parameter: Sendable {
  let name: String
  /// The value that counts if the parameter is left out, in that one form.
  var fallback: String?
  /// The value in the one form that means the same, or what is wrong with it.
  let normalize: @Sendable (String) -> Result<String, FieldProblem>
}

extension Parameter {
  /// How many items a page has, 1 to `maximum`.
  static func limit(_ maximum: Int = 100, default fallback: Int = 25) -> Parameter {
    var parameter = integer("limit", 1...maximum)
    parameter.fallback = String(fallback)
    return parameter
  }

  /// Where a page begins. Whether it belongs to the list is checked when all others are known.
  static let cursor = Parameter(name: "cursor") { .success($0) }

  static func integer(_ name: String, _ range: ClosedRange<Int>) -> Parameter {
    Parameter(name: name) { text in
      guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(text),
        range.contains(value)
      else {
        return .failure(
          FieldProblem(
            .outOfRange,
            range.upperBound == .max
              ? "Must be a whole number, \(range.lowerBound) or more."
              : "Must be a whole number from \(range.lowerBound) to \(range.upperBound)."))
      }
      return .success(String(value))
    }
  }

  static func id(_ name: String) -> Parameter {
    Parameter(name: name) { text in
      guard let id = ID(text) else {
        return .failure(FieldProblem(.invalidFormat, "Must be a UUID."))
      }
      return .success(id.text)
    }
  }

  /// One or more words of a vocabulary, separated by commas.
  static func words<Word: RawRepresentable<String> & CaseIterable>(
    _ name: String, _: Word.Type, of allowed: [Word] = Array(Word.allCases)
  ) -> Parameter {
    let words = allowed.map(\.rawValue)
    return list(name) { text in
      words.contains { $0.isSame(as: text) }
        ? .success(text)
        : .failure(
          FieldProblem(
            .unknownValue, "Must be one or more of: \(words.joined(separator: ", ")).")
        )
    }
  }

  /// One or more state codes, separated by commas.
  static func states(_ name: String) -> Parameter {
    list(name) { text in
      guard let state = StateCode(text) else {
        return .failure(FieldProblem(.unknownState, "Must be US state codes, such as MN,CA."))
      }
      return .success(state.rawValue)
    }
  }

  private static func list(
    _ name: String, _ normalize: @escaping @Sendable (String) -> Result<String, FieldProblem>
  ) -> Parameter {
    Parameter(name: name) { text in
      guard text.utf8.contains(UInt8(ascii: ",")) else {
        return normalize(text.trimmingWhitespace())
      }
      var values: Set<String> = []
      for part in text.split(separator: ",", omittingEmptySubsequences: false) {
        switch normalize(String(part).trimmingWhitespace()) {
        case .success(let value): values.insert(value)
        case .failure(let problem): return .failure(problem)
        }
      }
      return .success(values.sorted().joined(separator: ","))
    }
  }

  /// One state code.
  static func state(_ name: String) -> Parameter {
    Parameter(name: name) { text in
      guard let state = StateCode(text) else {
        return .failure(FieldProblem(.unknownState, "Must be a US state code, such as MN."))
      }
      return .success(state.rawValue)
    }
  }

  /// Words to search for.
  static func search(_ name: String) -> Parameter {
    Parameter(name: name) { text in
      TextRule(limit: 200).check(text).map { $0 ?? "" }
    }
  }

  /// A field to sort by, `-` before it for descending.
  static func sort<Sort: RawRepresentable<String> & CaseIterable>(
    _: Sort.Type, default fallback: String
  ) -> Parameter {
    let words = Sort.allCases.map(\.rawValue)
    return Parameter(name: "sort", fallback: fallback) { text in
      words.contains {
        "-\($0)".isSame(as: text) || $0.isSame(as: text)
      }
        ? .success(text)
        : .failure(
          FieldProblem(
            .unknownValue,
            "Must be one of: \(words.joined(separator: ", ")). A leading - means descending."
          ))
    }
  }
}

/// A request's query, checked against what its route takes.
struct Query: Sendable {
  private struct Value {
    let name: String
    let text: String
    /// Whether the caller said it.
    let isGiven: Bool
  }

  /// In the order of their names.
  private let values: [Value]
  private let path: String

  /// - Parameters:
  ///   - text: What stands behind the `?`, as it was sent; nil if there is none.
  ///   - path: The request's path, which cursors belong to.
  ///   - parameters: In the order of their names.
  /// - Throws: `Failure.invalidParameter` with every parameter that is unknown, repeated or wrong.
  init(_ text: Substring?, path: String, parameters: [Parameter]) throws {
    var errors: [FieldError] = []
    func wrong(_ name: String, _ problem: FieldProblem) {
      errors.append(FieldError(.parameter(name), problem))
    }
    var given = [String?](repeating: nil, count: parameters.count)
    for part in Array((text ?? "").utf8).split(separator: UInt8(ascii: "&")) {
      let equals = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
      let name = PercentEncoding.decode(part[..<equals], plusIsSpace: true)
      let value = PercentEncoding.decode(part[equals...].dropFirst(), plusIsSpace: true)
      guard let name, let index = parameters.firstIndex(where: { $0.name.isSame(as: name) }) else {
        wrong(
          name ?? String(decoding: part[..<equals], as: UTF8.self),
          FieldProblem(.unknownParameter, "Unknown parameter."))
        continue
      }
      guard given[index] == nil else {
        wrong(name, FieldProblem(.repeatedParameter, "This parameter can be sent only once."))
        continue
      }
      given[index] = value ?? ""
      if value == nil {
        wrong(
          name,
          FieldProblem(
            .invalidFormat,
            "Must be percent-encoded UTF-8, with at most 30 combining marks in a row."))
      }
    }
    var values: [Value] = []
    values.reserveCapacity(parameters.count)
    for (parameter, text) in zip(parameters, given) {
      if let text, !text.isEmpty {
        switch parameter.normalize(text) {
        case .success(let text):
          values.append(Value(name: parameter.name, text: text, isGiven: true))
        case .failure(let problem): wrong(parameter.name, problem)
        }
      } else if let fallback = parameter.fallback {
        values.append(Value(name: parameter.name, text: fallback, isGiven: false))
      }
    }
    self.values = values
    self.path = path
    if let cursor = self["cursor"], errors.isEmpty, decode(cursor: cursor) == nil {
      wrong("cursor", Query.foreignCursor)
    }
    guard errors.isEmpty else { throw Failure.invalidParameter(errors) }
  }

  /// The value of a parameter; nil if it was left out.
  subscript(_ name: String) -> String? { values.first { $0.name == name }?.text }

  /// The words of a parameter that takes several; none if it was left out.
  func words<Word: RawRepresentable<String>>(_ name: String, _: Word.Type = Word.self) -> [Word] {
    (self[name] ?? "").utf8.split(separator: UInt8(ascii: ","))
      .compactMap { Word(rawValue: String(Substring($0))) }
  }

  func id(_ name: String) -> ID? { self[name].flatMap { ID($0) } }

  func integer(_ name: String) -> Int? { self[name].flatMap { Int($0) } }

  /// The field to sort by and whether the order is descending.
  func sort<Sort: RawRepresentable<String>>(_: Sort.Type = Sort.self) -> (Sort, Bool)? {
    guard let text = self["sort"] else { return nil }
    let descending = text.hasPrefix("-")
    return Sort(rawValue: descending ? String(text.dropFirst()) : text).map { ($0, descending) }
  }

  /// The page that is asked for.
  var page: PageRequest {
    PageRequest(limit: integer("limit") ?? 25, after: self["cursor"].flatMap(decode(cursor:)))
  }

  /// A cursor for what follows an item with this key.
  func cursor(after key: [String]) -> String {
    var json = JSONWriter()
    json.array { json in
      json.string(fingerprint)
      for text in key { json.string(text) }
    }
    return Base64URL.encode(json.bytes)
  }

  /// The address of the page that the cursor begins, relative to the host.
  func address(cursor: String) -> String {
    var address = Array(path.utf8) + "?".utf8
    for value in values where value.isGiven && value.name != "cursor" {
      address += value.name.utf8
      address += "=".utf8
      address += PercentEncoding.encode(value.text).utf8
      address += "&".utf8
    }
    address += "cursor=".utf8
    address += cursor.utf8
    return String(decoding: address, as: UTF8.self)
  }

  static let foreignCursor = FieldProblem(
    .invalidCursor, "This cursor belongs to another list, other filters or another order.")

  /// What a cursor belongs to: the list, its filters and its order.
  private var fingerprint: String {
    var list = Array(path.utf8) + "?".utf8
    var isFirst = true
    for value in values where value.name != "cursor" && value.name != "limit" {
      if !isFirst { list += "&".utf8 }
      isFirst = false
      list += value.name.utf8
      list += "=".utf8
      list += value.text.utf8
    }
    return SHA256.hash(data: list).base64(first: 9)
  }

  private func decode(cursor: String) -> [String]? {
    guard let bytes = Base64URL.decode(cursor), let json = try? JSON(parsing: bytes),
      case .array(let elements) = json
    else { return nil }
    let texts = elements.compactMap { element -> String? in
      if case .string(let text) = element { text } else { nil }
    }
    guard texts.count == elements.count, texts.count > 1, texts[0] == fingerprint else {
      return nil
    }
    return Array(texts.dropFirst())
  }
}

/// Percent-encoding (RFC 3986, section 2.1).
enum PercentEncoding {
  /// Decodes a part of a URL; nil if an escape is broken, or the result is not UTF-8 or not in the
  /// stream-safe format.
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

  /// Encodes all but the unreserved characters and the comma.
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

  /// Whether a byte means itself; the comma does in a query.
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
