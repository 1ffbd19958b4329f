import Domain
import JSON
import SQLite

/// What a field holds. The kind says how a value is read from a body, stored, loaded and written.
package indirect enum Kind: Sendable {
  /// A UUID.
  case id
  case text(TextRule)
  /// A word of a vocabulary. `initial` holds the words that a new resource may have.
  case word([String], initial: [String])
  /// The code of a US state.
  case state
  /// The code of a language in ISO 639-1.
  case language
  /// A time. If `isPast` is true, it must not be in the future.
  case time(isPast: Bool)
  /// A day in UTC, such as `2026-11-22`.
  case date
  case flag
  case integer(ClosedRange<Int>)
  /// A list without repetitions. One column holds it as JSON.
  case list(of: Kind, limit: Int)
  /// An object with all of its fields. One column holds it as JSON.
  case object([Field])
  /// An object `{"min", "max"}` of integers. One column holds it as JSON. An end that is null is open.
  case range(ClosedRange<Int>)
  /// JSON that only the service writes.
  case json
  /// An object whose fields have their own columns. It is null if its first column is.
  case joined([Field])

  /// A text of one line.
  package static func text(limit: Int) -> Kind { .text(TextRule(limit: limit)) }

  /// A text of any number of lines.
  static func lines(limit: Int) -> Kind { .text(TextRule(limit: limit, multiline: true)) }

  static var time: Kind { .time(isPast: false) }

  /// A query parameter that is `true` or `false`.
  package static let truth = Kind.word(["true", "false"], initial: [])

  package static func word<Word: RawRepresentable<String> & CaseIterable>(
    _: Word.Type, initial: [Word] = Array(Word.allCases)
  ) -> Kind {
    .word(Word.allCases.map(\.rawValue), initial: initial.map(\.rawValue))
  }

  /// The value that a field has as long as nothing else is set.
  var empty: JSON {
    switch self {
    case .list: []
    case .flag: false
    case .object(let fields): .object(fields.map { JSON.Member($0.name, $0.kind.empty) })
    default: .null
    }
  }
}

/// The mistakes in a value. Their pointers start at the value.
struct Mistakes: Error {
  var errors: [FieldError]

  init(_ code: FieldCode, _ detail: String) { self.init(FieldProblem(code, detail)) }

  init(_ problem: FieldProblem) { errors = [FieldError(.pointer(""), problem)] }

  init(_ errors: [FieldError]) { self.errors = errors }

  /// The mistakes as those of the value's parent, in which the value is at `pointer`.
  func below(_ pointer: String) -> [FieldError] {
    errors.map { error in
      guard case .pointer(let rest) = error.place else { return error }
      return FieldError(.pointer(pointer + rest), error.problem)
    }
  }
}

// MARK: - From a request

extension Kind {
  /// The circumstances in which a value is read.
  struct Reading {
    /// The present time.
    let now: Timestamp
    /// Whether the body creates a resource.
    let isNew: Bool
    /// The value that the resource has now; nil if it is not known. It is not checked again.
    var stored: JSON?
  }

  /// Reads a value of a body that is not null.
  ///
  /// - Returns: The value to store. It is null for an empty text.
  /// - Throws: ``Mistakes``.
  func read(_ json: JSON, _ reading: Reading) throws(Mistakes) -> JSON {
    if let stored = reading.stored, Body.isSame(stored, json) { return stored }
    switch self {
    case .id, .text, .word, .state, .language, .time, .date:
      guard case .string(let text) = json else { throw Mistakes(.wrongType, "Must be a string.") }
      let trimmed = text.trimmingBlanks()
      if trimmed.isEmpty { return .null }
      var kind = self
      if case .word(_, let initial) = self, reading.isNew { kind = .word(initial, initial: []) }
      let value = try kind.value(ofText: trimmed).mapError { Mistakes($0) }.get()
      if case .time(isPast: true) = self, let time = Timestamp(value),
        time.isFuture(at: reading.now)
      {
        throw Mistakes(.inFuture, "Must not be in the future.")
      }
      return .string(value)
    case .flag:
      guard case .bool = json else { throw Mistakes(.wrongType, "Must be true or false.") }
      return json
    case .integer(let range): return try Kind.readInteger(json, range)
    case .list(let element, let limit):
      return try Kind.readList(json, of: element, limit: limit, reading)
    case .object(let fields):
      guard case .object = json else { throw Mistakes(.wrongType, "Must be an object.") }
      let body = Body(json, fields, by: .anyone, reading)
      guard body.errors.isEmpty else { throw Mistakes(body.errors) }
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

  /// Reads a value that is written as text: a string in a body, or the value of a query parameter.
  ///
  /// - Returns: The text in its one form.
  package func value(ofText text: String) -> Result<String, FieldProblem> {
    switch self {
    case .id:
      guard let id = ID(text) else { return .failure(.invalidFormat, "Must be a UUID.") }
      return .success(id.text)
    case .text(let rule):
      return rule.check(text).map { $0 ?? "" }
    case .word(let words, _):
      guard words.contains(where: { $0.isSame(as: text) }) else {
        return .failure(.unknownValue, "Must be one of: \(words.joined(separator: ", ")).")
      }
      return .success(text)
    case .state:
      guard let state = StateCode(text) else {
        return .failure(.unknownState, "\"\(text.echo)\" is not a US state code.")
      }
      return .success(state.rawValue)
    case .language:
      guard let language = LanguageCode(text) else {
        return .failure(
          .unknownValue, "\"\(text.echo)\" is not a language code of ISO 639-1, such as es.")
      }
      return .success(language.rawValue)
    case .time:
      guard let time = Timestamp(text) else {
        return .failure(.invalidFormat, "Must be an RFC 3339 time, such as 2026-11-22T14:30:28Z.")
      }
      return .success(time.text)
    case .date:
      guard Timestamp(day: text) != nil else {
        return .failure(.invalidFormat, "Must be a date, such as 2026-11-22.")
      }
      return .success(text)
    case .integer(let range):
      guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text),
        range.contains(number)
      else { return .failure(.outOfRange, range.expectation) }
      return .success(String(number))
    default: preconditionFailure("not written as text")
    }
  }

  private static func readInteger(
    _ json: JSON, _ range: ClosedRange<Int>
  ) throws(Mistakes) -> JSON {
    switch json {
    case .integer(let value) where range.contains(value):
      return json
    case .integer:
      throw Mistakes(.outOfRange, range.expectation)
    case .number(let value) where value.rounded() == value:
      throw Mistakes(.outOfRange, range.expectation)
    default:
      throw Mistakes(.wrongType, "Must be a whole number.")
    }
  }

  /// Reads a list. It keeps the order and drops repetitions. A list far beyond the limit is not read.
  private static func readList(
    _ json: JSON, of kind: Kind, limit: Int, _ reading: Reading
  ) throws(Mistakes) -> JSON {
    guard case .array(let elements) = json else {
      throw Mistakes(.wrongType, "Must be an array.")
    }
    let tooLong = Mistakes(.tooLong, "Must have at most \(limit) items.")
    guard elements.count <= 10 * limit else { throw tooLong }
    var reading = reading
    reading.stored = nil
    var values: [JSON] = []
    var seen: Set<[UInt8]> = []
    var errors: [FieldError] = []
    for (index, json) in elements.enumerated() where errors.count < Body.errorLimit {
      do throws(Mistakes) {
        let value = try kind.read(json, reading)
        guard case .string(let text) = value else {
          throw Mistakes(.required, "Must not be empty.")
        }
        if seen.insert(Array(text.utf8)).inserted { values.append(value) }
      } catch {
        errors += error.below("/\(index)")
      }
    }
    guard errors.isEmpty else { throw Mistakes(errors) }
    guard values.count <= limit else { throw tooLong }
    return .array(values)
  }
}

extension ClosedRange<Int> {
  /// What a number outside of the range should be.
  fileprivate var expectation: String {
    "Must be a whole number from \(lowerBound) to \(upperBound)."
  }
}

extension Result<String, FieldProblem> {
  fileprivate static func failure(_ code: FieldCode, _ detail: String) -> Self {
    .failure(FieldProblem(code, detail))
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

  /// The value to write to the column.
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
  /// - Throws: ``DamagedValue``. The schema's CHECKs and this service never write such a value.
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
        case .date: Timestamp(day: text) != nil
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
  /// A column as a spreadsheet's cell. A flag is a word, and semicolons separate a list's elements.
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

  /// A cell that is not empty, as a body's value.
  package func value(ofCell text: String) -> JSON {
    switch self {
    case .list:
      return .array(text.split(separator: ";").map { .string(String($0)) })
    case .time where text.utf8.count == "2026-11-22".utf8.count:
      // A day is its beginning in UTC. Another text of this length is no time either way.
      return .string(text + "T00:00:00Z")
    case .integer:
      return Int(text).map(JSON.integer) ?? .string(text)
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
