import Crypto
import Domain
import Foundation
import JSON

/// A query parameter that a route takes.
struct Parameter: Sendable {
  let name: String
  /// The value that counts if the parameter is left out.
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
              ? "A whole number of \(range.lowerBound) at least is expected."
              : "A whole number from \(range.lowerBound) to \(range.upperBound) is expected."))
      }
      return .success(String(value))
    }
  }

  static func id(_ name: String) -> Parameter {
    Parameter(name: name) { text in
      guard let id = ID(text) else {
        return .failure(FieldProblem(.invalidFormat, "An ID is a UUID."))
      }
      return .success(id.text)
    }
  }

  /// One or more words of a vocabulary, parted by commas.
  static func words<Word: RawRepresentable<String> & CaseIterable>(
    _ name: String, _: Word.Type, of allowed: [Word] = Array(Word.allCases)
  ) -> Parameter {
    let words = allowed.map(\.rawValue)
    return list(name) { text in
      words.contains(text)
        ? .success(text)
        : .failure(
          FieldProblem(
            .unknownValue, "One or more of these are expected: \(words.joined(separator: ", ")).")
        )
    }
  }

  /// One or more state codes, parted by commas.
  static func states(_ name: String) -> Parameter {
    list(name) { text in
      guard let state = StateCode(text) else {
        return .failure(FieldProblem(.unknownState, "US state codes are expected, such as MN,CA."))
      }
      return .success(state.rawValue)
    }
  }

  private static func list(
    _ name: String, _ normalize: @escaping @Sendable (String) -> Result<String, FieldProblem>
  ) -> Parameter {
    Parameter(name: name) { text in
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
        return .failure(FieldProblem(.unknownState, "A US state code is expected, such as MN."))
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
      words.contains(text.hasPrefix("-") ? String(text.dropFirst()) : text)
        ? .success(text)
        : .failure(
          FieldProblem(
            .unknownValue,
            "One of these is expected, - before it for descending: \(words.joined(separator: ", "))."
          ))
    }
  }
}

/// A request's query, checked against what its route takes.
struct Query: Sendable {
  private var values: [String: String] = [:]
  private let path: String
  private let isGiven: Set<String>

  /// - Parameters:
  ///   - text: What stands behind the `?`, as it was sent; nil if there is none.
  ///   - path: The request's path, which cursors belong to.
  /// - Throws: `Failure.invalidParameter` with every parameter that is unknown, repeated or wrong.
  init(_ text: Substring?, path: String, parameters: [Parameter]) throws {
    self.path = path
    var errors: [FieldError] = []
    var given: [String: String] = [:]
    var seen: Set<String> = []
    func wrong(_ name: String, _ problem: FieldProblem) {
      errors.append(FieldError(.parameter(name), problem))
    }
    for part in Array((text ?? "").utf8).split(separator: UInt8(ascii: "&")) {
      let halves = part.split(
        separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      let name = PercentEncoding.decode(halves[0], plusIsSpace: true)
      let value = halves.count > 1 ? PercentEncoding.decode(halves[1], plusIsSpace: true) : ""
      guard let name, parameters.contains(where: { $0.name == name }) else {
        wrong(
          name ?? String(decoding: halves[0], as: UTF8.self),
          FieldProblem(.unknownParameter, "There is no such parameter here."))
        continue
      }
      guard seen.insert(name).inserted else {
        wrong(name, FieldProblem(.repeatedParameter, "This parameter may stand only once."))
        continue
      }
      guard let value else {
        wrong(name, FieldProblem(.invalidFormat, "This is not percent-encoded UTF-8."))
        continue
      }
      if !value.isEmpty { given[name] = value }
    }
    for parameter in parameters {
      guard let value = given[parameter.name] ?? parameter.fallback else { continue }
      switch parameter.normalize(value) {
      case .success(let value): values[parameter.name] = value
      case .failure(let problem): wrong(parameter.name, problem)
      }
    }
    isGiven = Set(given.keys)
    if let cursor = values["cursor"], errors.isEmpty, decode(cursor: cursor) == nil {
      wrong("cursor", Query.foreignCursor)
    }
    guard errors.isEmpty else { throw Failure.invalidParameter(errors) }
  }

  /// The value of a parameter; nil if it was left out.
  subscript(_ name: String) -> String? { values[name] }

  /// The words of a parameter that takes several; none if it was left out.
  func words<Word: RawRepresentable<String>>(_ name: String, _: Word.Type = Word.self) -> [Word] {
    (values[name] ?? "").split(separator: ",").compactMap { Word(rawValue: String($0)) }
  }

  func id(_ name: String) -> ID? { values[name].flatMap { ID($0) } }

  func integer(_ name: String) -> Int? { values[name].flatMap { Int($0) } }

  /// The field to sort by and whether the order is descending.
  func sort<Sort: RawRepresentable<String>>(_: Sort.Type = Sort.self) -> (Sort, Bool)? {
    guard let text = values["sort"] else { return nil }
    let descending = text.hasPrefix("-")
    return Sort(rawValue: descending ? String(text.dropFirst()) : text).map { ($0, descending) }
  }

  /// The page that is asked for.
  var page: PageRequest {
    PageRequest(limit: integer("limit") ?? 25, after: values["cursor"].flatMap(decode(cursor:)))
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
    let others = values.filter { $0.key != "cursor" && isGiven.contains($0.key) }
    let pairs = others.sorted { $0.key < $1.key } + [(key: "cursor", value: cursor)]
    return path + "?"
      + pairs.map { "\($0.key)=\(PercentEncoding.encode($0.value))" }.joined(separator: "&")
  }

  static let foreignCursor = FieldProblem(
    .invalidCursor, "This cursor was not given for this list with these filters and this order.")

  /// What a cursor belongs to: the list, its filters and its order.
  private var fingerprint: String {
    let pairs = values.filter { $0.key != "cursor" && $0.key != "limit" }
      .sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    let hash = SHA256.hash(data: Data((path + "?" + pairs.joined(separator: "&")).utf8))
    return Data(hash.prefix(9)).base64EncodedString()
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
  /// Decodes a part of a URL; nil if an escape is broken or the result is not UTF-8.
  static func decode(_ text: ArraySlice<UInt8>, plusIsSpace: Bool = false) -> String? {
    guard text.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) else {
      return String(decoding: text, as: UTF8.self)
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
    return String(validating: bytes, as: UTF8.self)
  }

  /// Encodes all but the unreserved characters.
  static func encode(_ text: String) -> String {
    var result: [UInt8] = []
    result.reserveCapacity(text.utf8.count)
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: ","):
        result.append(byte)
      default:
        result.append(UInt8(ascii: "%"))
        for digit in [byte >> 4, byte & 0xF] {
          result.append(digit + (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "A") - 10))
        }
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  private static func hexadecimal(_ byte: UInt8) -> UInt8? {
    Character(Unicode.Scalar(byte)).hexDigitValue.map(UInt8.init)
  }
}
