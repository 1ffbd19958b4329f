import Domain
import JSON

/// Reads the fields of a JSON object and gathers every mistake with its pointer (RFC 6901), so that the
/// caller learns of all at once.
struct Fields {
  /// Reads one kind of value. Nil means that nothing is left of it, as of a text of spaces.
  struct Reader<Value> {
    let read: (JSON) -> Result<Value?, Mistakes>
  }

  /// What is wrong with a value, each with where it is below the value.
  struct Mistakes: Error {
    var list: [(pointer: String, problem: FieldProblem)]

    init(_ code: FieldCode, _ detail: String) {
      list = [("", FieldProblem(code, detail))]
    }

    init(_ list: [(pointer: String, problem: FieldProblem)]) { self.list = list }
  }

  /// How many mistakes are told of at most: nobody mends more at once, and each costs the writer time.
  static let errorLimit = 100

  private(set) var errors: [FieldError] = []
  private let members: [JSON.Member]
  private let pointer: String
  /// For each member, whether somebody has asked for it.
  private var isKnown: [Bool]

  /// - Throws: `Failure.validation` if the body is no object.
  init(_ body: JSON) throws {
    guard case .object(let members) = body else {
      throw Failure.validation([
        FieldError(.pointer(""), .wrongType, "The body must be an object.")
      ])
    }
    self.init(members, at: "")
  }

  private init(_ members: [JSON.Member], at pointer: String) {
    self.members = members
    self.pointer = pointer
    isKnown = Array(repeating: false, count: members.count)
  }

  /// Whether the caller gave the field at all.
  func has(_ name: String) -> Bool { members.contains { $0.name == name } }

  /// Sets a field that may not be empty. One that was left out stays as it is.
  mutating func set<Value>(_ name: String, _ target: inout Value, _ reader: Reader<Value>) {
    if let value = given(name, reader) { target = value }
  }

  /// Sets a list; null empties it. One that was left out stays as it is.
  mutating func set<Element>(
    _ name: String, _ target: inout [Element], list reader: Reader<[Element]>
  ) {
    if let value = givenOrNull(name, reader) { target = value ?? [] }
  }

  /// Sets a field that may be empty. One that was left out stays as it is.
  mutating func set<Value>(_ name: String, _ target: inout Value?, _ reader: Reader<Value>) {
    if let value = givenOrNull(name, reader) { target = value }
  }

  /// A field that may not be empty; nil if it was left out or is wrong.
  mutating func given<Value>(_ name: String, _ reader: Reader<Value>) -> Value? {
    guard let json = take(name) else { return nil }
    if case .null = json {
      fail(name, .notNull, "This field cannot be null.")
      return nil
    }
    switch read(name, json, reader) {
    case .some(.some(let value)):
      return value
    case .some(.none):
      fail(name, .required, "This field cannot be empty.")
      return nil
    case .none:
      return nil
    }
  }

  /// A field that may be empty; nil if it was left out or is wrong.
  mutating func givenOrNull<Value>(_ name: String, _ reader: Reader<Value>) -> Value?? {
    guard let json = take(name) else { return nil }
    if case .null = json { return .some(nil) }
    return read(name, json, reader)
  }

  /// An object inside this one, read by `body`; nil if it was left out, is null or is no object.
  mutating func object<Value>(_ name: String, _ body: (inout Fields) -> Value) -> Value? {
    switch take(name) {
    case .none, .null:
      return nil
    case .object(let members):
      var fields = Fields(members, at: path(name))
      let value = body(&fields)
      fields.refuseUnknown()
      fail(fields.errors)
      return value
    default:
      fail(name, .wrongType, "An object is expected.")
      return nil
    }
  }

  /// Notes an error for each of these fields that was left out.
  mutating func require(_ names: String...) {
    for name in names where !has(name) {
      fail(name, .required, "This field is required.")
    }
  }

  /// Fields that cannot be set: they may be sent back as they are, so that what a GET gave can be edited
  /// and returned.
  ///
  /// - Parameter stored: The thing as the caller sees it; nil if it does not exist yet.
  mutating func readOnly(_ names: [String], stored: (some View)?) {
    var json: JSON?
    for name in names {
      guard let value = take(name) else { continue }
      if json == nil { json = stored?.json }
      if !Fields.isSame(json?[name], value) {
        fail(name, .readOnly, "This field cannot be set here.")
      }
    }
  }

  /// Whether a value is what is stored, in any of the forms that are taken for IDs and times.
  private static func isSame(_ stored: JSON?, _ given: JSON) -> Bool {
    if stored == given { return true }
    guard case .string(let stored) = stored, case .string(let given) = given else { return false }
    if let id = ID(stored) { return id == ID(given) }
    if let time = Timestamp(stored) { return time == Timestamp(given) }
    return false
  }

  /// Notes an error at a field.
  mutating func fail(_ name: String, _ code: FieldCode, _ detail: String) {
    fail([FieldError(.pointer(path(name)), code, detail)])
  }

  /// Notes errors that were found elsewhere.
  mutating func fail(_ others: [FieldError]) {
    errors += others.prefix(Fields.errorLimit - errors.count)
  }

  /// - Throws: `Failure.validation` with every error that was noted, unknown fields among them.
  mutating func finish() throws {
    refuseUnknown()
    guard errors.isEmpty else { throw Failure.validation(errors) }
  }

  private mutating func refuseUnknown() {
    for (member, isKnown) in zip(members, isKnown) where !isKnown {
      guard errors.count < Fields.errorLimit else { return }
      fail(member.name, .unknownField, "There is no such field here.")
    }
  }

  private mutating func take(_ name: String) -> JSON? {
    guard let index = members.firstIndex(where: { $0.name == name }) else { return nil }
    isKnown[index] = true
    return members[index].value
  }

  private mutating func read<Value>(
    _ name: String, _ json: JSON, _ reader: Reader<Value>
  ) -> Value?? {
    switch reader.read(json) {
    case .success(let value):
      return .some(value)
    case .failure(let mistakes):
      fail(mistakes.list.map { FieldError(.pointer(path(name) + $0.pointer), $0.problem) })
      return nil
    }
  }

  private func path(_ name: String) -> String {
    // RFC 6901, section 3: "~" and "/" are escaped.
    pointer + "/"
      + name.unicodeScalars.map { $0 == "~" ? "~0" : $0 == "/" ? "~1" : String($0) }.joined()
  }
}

extension Fields.Reader where Value == String {
  static func text(_ rule: TextRule) -> Self {
    Self { json in
      guard case .string(let text) = json else {
        return .failure(.init(.wrongType, "A text is expected."))
      }
      return rule.check(text).mapError { .init($0.code, $0.detail) }
    }
  }

  static func text(limit: Int, multiline: Bool = false) -> Self {
    text(TextRule(limit: limit, multiline: multiline))
  }

  /// What staff says about a change, for the history.
  static var note: Self { text(limit: 2_000, multiline: true) }
}

extension Fields.Reader where Value == Bool {
  static var bool: Self {
    Self { json in
      guard case .bool(let value) = json else {
        return .failure(.init(.wrongType, "true or false is expected."))
      }
      return .success(value)
    }
  }
}

extension Fields.Reader where Value == Int {
  static func integer(_ range: ClosedRange<Int>) -> Self {
    Self { json in
      switch json {
      case .integer(let value) where range.contains(value):
        .success(value)
      case _ where json.isWhole:
        .failure(
          .init(
            .outOfRange,
            range.upperBound == .max
              ? "\(range.lowerBound) at least is expected."
              : "A number from \(range.lowerBound) to \(range.upperBound) is expected."))
      default:
        .failure(.init(.wrongType, "A whole number is expected."))
      }
    }
  }
}

extension JSON {
  /// Whether this is a number without a fraction, whatever its size.
  fileprivate var isWhole: Bool {
    switch self {
    case .integer: true
    case .number(let value): value.rounded() == value
    default: false
    }
  }
}

extension Fields.Reader where Value == ID {
  static var id: Self {
    Self { json in
      guard case .string(let text) = json else {
        return .failure(.init(.wrongType, "An ID is expected."))
      }
      let trimmed = text.trimmingWhitespace()
      if trimmed.isEmpty { return .success(nil) }
      guard let id = ID(trimmed) else {
        return .failure(.init(.invalidFormat, "An ID is a UUID."))
      }
      return .success(id)
    }
  }
}

extension Fields.Reader where Value == Timestamp {
  static var time: Self {
    Self { json in
      guard case .string(let text) = json else {
        return .failure(.init(.wrongType, "A time is expected."))
      }
      let trimmed = text.trimmingWhitespace()
      if trimmed.isEmpty { return .success(nil) }
      guard let time = Timestamp(trimmed) else {
        return .failure(
          .init(.invalidFormat, "A time is expected as RFC 3339 has it: 2026-11-22T14:30:28Z."))
      }
      return .success(time)
    }
  }

  /// A time that is not after `now`.
  static func time(until now: Timestamp) -> Self {
    Self { json in
      time.read(json).flatMap { time in
        guard let time, time > now else { return .success(time) }
        return .failure(.init(.inFuture, "This time lies in the future."))
      }
    }
  }
}

extension Fields.Reader where Value: RawRepresentable<String> & CaseIterable {
  /// A word of a fixed vocabulary.
  static func word(of words: [Value] = Array(Value.allCases)) -> Self {
    Self { json in
      guard case .string(let text) = json else {
        return .failure(.init(.wrongType, "A text is expected."))
      }
      let trimmed = text.trimmingWhitespace()
      if trimmed.isEmpty { return .success(nil) }
      guard let word = Value(rawValue: trimmed), words.contains(where: { $0.rawValue == trimmed })
      else {
        return .failure(
          .init(
            .unknownValue,
            "One of these is expected: \(words.map(\.rawValue).joined(separator: ", "))."))
      }
      return .success(word)
    }
  }
}

extension Fields.Reader where Value == StateCode {
  static var state: Self {
    Self { json in
      guard case .string(let text) = json else {
        return .failure(.init(.wrongType, "A state code is expected."))
      }
      let trimmed = text.trimmingWhitespace()
      if trimmed.isEmpty { return .success(nil) }
      guard let state = StateCode(trimmed) else {
        return .failure(.init(.unknownState, "\"\(trimmed.prefix(20))\" is not a US state code."))
      }
      return .success(state)
    }
  }
}

extension Fields.Reader {
  /// The same, but a text in which nothing is left is a mistake; null is not.
  var notEmpty: Self {
    Self { json in
      read(json).flatMap { value in
        value == nil ? .failure(.init(.required, "This cannot be empty.")) : .success(value)
      }
    }
  }

  /// A list in its order, each element once. One of many times the limit is not looked into.
  static func list<Element: Hashable>(
    of element: Fields.Reader<Element>, limit: Int
  ) -> Fields.Reader<[Element]> where Value == [Element] {
    Self { json in
      guard case .array(let elements) = json else {
        return .failure(.init(.wrongType, "A list is expected."))
      }
      let tooLong = Fields.Mistakes(.tooLong, "At most \(limit) elements are allowed.")
      guard elements.count <= 10 * limit else { return .failure(tooLong) }
      var values: [Element] = []
      var seen: Set<Element> = []
      var mistakes: [(pointer: String, problem: FieldProblem)] = []
      for (index, json) in elements.enumerated() where mistakes.count < Fields.errorLimit {
        switch element.read(json) {
        case .success(.some(let value)):
          if seen.insert(value).inserted { values.append(value) }
        case .success(.none):
          mistakes.append(("/\(index)", FieldProblem(.required, "This cannot be empty.")))
        case .failure(let error):
          mistakes += error.list.map { ("/\(index)" + $0.pointer, $0.problem) }
        }
      }
      guard mistakes.isEmpty else { return .failure(.init(mistakes)) }
      guard values.count <= limit else {
        return .failure(tooLong)
      }
      return .success(values)
    }
  }
}
