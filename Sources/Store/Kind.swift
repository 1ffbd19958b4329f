import Domain
import JSON
import SQLite

/// What a field holds, and with that how its value is read from a body, stored, loaded and written.
package indirect enum Kind: Sendable {
  /// A UUID.
  case id
  case text(TextRule)
  /// A word of a vocabulary; `initial` are those that a new resource may have.
  case word([String], initial: [String])
  /// A state's code.
  case state
  /// A time; one that is `past` is not in the future.
  case time(isPast: Bool)
  case flag
  case integer(ClosedRange<Int>)
  /// A list without repetitions, as JSON in one column.
  case list(of: Kind, limit: Int)
  /// An object with all of its fields, as JSON in one column.
  case object([Field])
  /// An object `{"min", "max"}` of integers, as JSON in one column. An end that is null is open.
  case range(ClosedRange<Int>)
  /// JSON that the service itself writes.
  case json
  /// An object whose fields have columns of their own. It is null where its first column is.
  case joined([Field])

  /// A text of one line.
  static func text(limit: Int) -> Kind { .text(TextRule(limit: limit)) }

  /// A text of any number of lines.
  static func lines(limit: Int) -> Kind { .text(TextRule(limit: limit, multiline: true)) }

  static var time: Kind { .time(isPast: false) }

  package static func word<Word: RawRepresentable<String> & CaseIterable>(
    _: Word.Type, initial: [Word] = Array(Word.allCases)
  ) -> Kind {
    .word(Word.allCases.map(\.rawValue), initial: initial.map(\.rawValue))
  }
}

/// What is wrong with a value, and where it is below the value.
struct Mistakes: Error {
  var list: [(pointer: String, problem: FieldProblem)]

  init(_ code: FieldCode, _ detail: String) {
    list = [("", FieldProblem(code, detail))]
  }

  init(_ list: [(pointer: String, problem: FieldProblem)]) { self.list = list }
}

// MARK: - From a body

extension Kind {
  /// What a body is read for.
  struct Reading {
    /// The present time.
    let now: Timestamp
    /// Whether the resource is to be made.
    let isNew: Bool
  }

  /// Reads a value that is not null.
  ///
  /// - Returns: The value as it is stored; null if nothing is left of it, as of a text of spaces.
  /// - Throws: ``Mistakes``.
  func read(_ json: JSON, _ reading: Reading) throws(Mistakes) -> JSON {
    switch self {
    case .id, .text, .word, .state, .time: return try readText(json, reading)
    case .flag:
      guard case .bool = json else { throw Mistakes(.wrongType, "Must be true or false.") }
      return json
    case .integer(let range): return try Kind.readInteger(json, range)
    case .list(let element, let limit):
      return try Kind.readList(json, of: element, limit: limit, reading)
    case .object(let fields):
      guard case .object = json else { throw Mistakes(.wrongType, "Must be an object.") }
      let body = Body(json, fields, by: .anyone, reading, isNested: true)
      guard body.errors.isEmpty else { throw body.mistakes }
      return .object(fields.map { JSON.Member($0.name, body[$0.name] ?? .null) })
    case .range(let bounds):
      let ends = ["min", "max"].map { Field($0, .integer(bounds), [.nullable], set: .anyone) }
      let range = try Kind.object(ends).read(json, reading)
      guard range["min"] != .null || range["max"] != .null else { return .null }
      if case (.integer(let min), .integer(let max)) = (range["min"], range["max"]), min > max {
        throw Mistakes(.outOfRange, "The minimum must not be above the maximum.")
      }
      return range
    case .json, .joined:
      preconditionFailure("no body sets this kind of field")
    }
  }

  private func readText(_ json: JSON, _ reading: Reading) throws(Mistakes) -> JSON {
    guard case .string(let text) = json else { throw Mistakes(.wrongType, "Must be a string.") }
    if case .text(let rule) = self {
      switch rule.check(text) {
      case .success(let text): return text.map(JSON.string) ?? .null
      case .failure(let problem): throw Mistakes(problem.code, problem.detail)
      }
    }
    let trimmed = text.trimmingWhitespace()
    if trimmed.isEmpty { return .null }
    switch self {
    case .id:
      guard let id = ID(trimmed) else { throw Mistakes(.invalidFormat, "Must be a UUID.") }
      return .string(id.text)
    case .word(let words, let initial):
      let allowed = reading.isNew ? initial : words
      guard allowed.contains(where: { $0.isSame(as: trimmed) }) else {
        throw Mistakes(.unknownValue, "Must be one of: \(allowed.joined(separator: ", ")).")
      }
      return .string(trimmed)
    case .state:
      guard let state = StateCode(trimmed) else {
        throw Mistakes(.unknownState, "\"\(trimmed.prefix(20))\" is not a US state code.")
      }
      return .string(state.rawValue)
    case .time(let isPast):
      guard let time = Timestamp(trimmed) else {
        throw Mistakes(
          .invalidFormat, "Must be a time as in RFC 3339, such as 2026-11-22T14:30:28Z.")
      }
      guard !isPast || time <= reading.now else {
        throw Mistakes(.inFuture, "Must not be in the future.")
      }
      return .string(time.text)
    default:
      preconditionFailure("not a kind of text")
    }
  }

  private static func readInteger(
    _ json: JSON, _ range: ClosedRange<Int>
  ) throws(Mistakes) -> JSON {
    switch json {
    case .integer(let value) where range.contains(value):
      return json
    case .number(let value) where value.rounded() != value:
      throw Mistakes(.wrongType, "Must be a whole number.")
    case .integer(let value):
      throw Mistakes(.outOfRange, range.expectation(isAbove: value > range.upperBound))
    case .number(let value):
      throw Mistakes(.outOfRange, range.expectation(isAbove: value > 0))
    default:
      throw Mistakes(.wrongType, "Must be a whole number.")
    }
  }

  /// Reads a list in its order, each element once. One with many times the limit is not looked into.
  private static func readList(
    _ json: JSON, of kind: Kind, limit: Int, _ reading: Reading
  ) throws(Mistakes) -> JSON {
    guard case .array(let elements) = json else {
      throw Mistakes(.wrongType, "Must be an array.")
    }
    let tooLong = Mistakes(.tooLong, "Must have at most \(limit) elements.")
    guard elements.count <= 10 * limit else { throw tooLong }
    var values: [JSON] = []
    var seen: Set<[UInt8]> = []
    var mistakes: [(pointer: String, problem: FieldProblem)] = []
    for (index, json) in elements.enumerated() where mistakes.count < Body.errorLimit {
      do throws(Mistakes) {
        let value = try kind.read(json, reading)
        guard case .string(let text) = value else {
          throw Mistakes(.required, "Must not be empty.")
        }
        if seen.insert(Array(text.utf8)).inserted { values.append(value) }
      } catch {
        mistakes += error.list.map { ("/\(index)" + $0.pointer, $0.problem) }
      }
    }
    guard mistakes.isEmpty else { throw Mistakes(mistakes) }
    guard values.count <= limit else { throw tooLong }
    return .array(values)
  }
}

extension ClosedRange<Int> {
  /// What a number outside of the range should have been.
  fileprivate func expectation(isAbove: Bool) -> String {
    guard upperBound == .max else { return "Must be from \(lowerBound) to \(upperBound)." }
    return isAbove ? "Must be \(upperBound) or less." : "Must be \(lowerBound) or more."
  }
}

// MARK: - To and from the database

extension Kind {
  /// Whether the column holds JSON.
  private var isJSON: Bool {
    switch self {
    case .list, .object, .range, .json: true
    default: false
    }
  }

  /// What stands for a value in its column.
  func column(for value: JSON) -> (any Bindable)? {
    switch value {
    case .null: return nil
    case .bool(let flag): return flag
    case .integer(let number): return number
    case .string(let text) where !isJSON: return text
    default:
      var json = JSONWriter(capacity: 256)
      json.value(value)
      return json.text
    }
  }

  /// The value of a column.
  ///
  /// - Throws: ``DamagedValue``: the schema's CHECKs hold what was written here to its form.
  func load(_ row: Row, _ index: Int) throws -> JSON {
    switch row.value(index) {
    case .null: return .null
    case .integer(let number):
      if case .flag = self { return .bool(number != 0) }
      return .integer(number)
    case .text(let utf8):
      if isJSON { return try JSON(parsing: utf8) }
      let text = String(decoding: utf8, as: UTF8.self)
      let isValid =
        switch self {
        case .id: ID(text) != nil
        case .time: Timestamp(text) != nil
        case .word(let words, _): words.contains(text)
        default: true
        }
      guard isValid else { throw DamagedValue(text: text) }
      return .string(text)
    case .real, .blob: throw DamagedValue(text: "column \(index)")
    }
  }
}

/// A value in the database that its schema does not allow.
struct DamagedValue: Error, CustomStringConvertible {
  let text: String
  var description: String { "the database holds a value that its schema does not allow" }
}

// MARK: - To and from a spreadsheet

extension Kind {
  /// A column as a spreadsheet's cell: words for a flag, a list's elements separated by semicolons.
  func cell(_ row: Row, _ index: Int) throws -> String? {
    switch try load(row, index) {
    case .null: nil
    case .bool(let flag): flag ? "true" : "false"
    case .integer(let number): String(number)
    case .string(let text): text
    case .array(let elements):
      elements.map { if case .string(let text) = $0 { text } else { "" } }.joined(separator: ";")
    case .object, .number: throw DamagedValue(text: "column \(index)")
    }
  }

  /// A spreadsheet's cell, which is not empty, as a body would have it.
  package func value(ofCell text: String) -> JSON {
    switch self {
    case .list:
      return .array(text.split(separator: ";").map { .string(String($0)) })
    case .flag:
      switch text.lowercased() {
      case "true", "yes", "1": return .bool(true)
      case "false", "no", "0": return .bool(false)
      default: return .string(text)
      }
    default:
      return .string(text)
    }
  }
}
