import Domain
import JSON

/// A request's body, read by a list of fields. It gathers every mistake with its pointer (RFC 6901), so that
/// the caller learns of all at once.
package struct Body: Sendable {
  /// How many mistakes are listed at most: nobody corrects more at once.
  static let errorLimit = 100

  package private(set) var errors: [FieldError] = []
  /// The values that were given and are right, as they are stored.
  private var values: [JSON.Member] = []
  /// Fields that cannot be set, as they were sent.
  private var unchangeable: [JSON.Member] = []
  /// Whether the body is an object. If not, nothing else is wrong with it.
  private let isObject: Bool
  /// The members of the body as they were sent.
  private let members: [JSON.Member]

  /// Reads a body.
  ///
  /// - Parameters:
  ///   - json: The body; nil for none.
  ///   - fields: The fields that it may have. A field that `audience` may not set, but sees, may be sent
  ///     back as it is.
  ///   - seer: Whose view counts for that; nil: `audience`'s.
  ///   - isNew: Whether the resource is to be made.
  package init(
    _ json: JSON?, _ fields: [Field], by audience: Audiences, seenBy seer: Audiences? = nil,
    at now: Timestamp, isNew: Bool = false
  ) {
    self.init(
      json, fields, by: audience, seenBy: seer, Kind.Reading(now: now, isNew: isNew),
      isNested: false)
  }

  init(
    _ json: JSON?, _ fields: [Field], by audience: Audiences, seenBy seer: Audiences? = nil,
    _ reading: Kind.Reading, isNested: Bool
  ) {
    guard case .object(let members) = json ?? .object([]) else {
      self.members = []
      isObject = false
      errors = [FieldError(.pointer(""), .wrongType, "The body must be an object.")]
      return
    }
    self.members = members
    isObject = true
    for field in fields
    where field.traits.contains(.required) && (reading.isNew || isRequiredAlways(field)) {
      if !has(field.name) { fail(field.name, .required, "This field is required.") }
    }
    for member in members {
      var isSeen = false
      var settable: Field?
      for field in fields where field.name.isSame(as: member.name) {
        let setters = reading.isNew ? field.createdBy : field.setBy
        if !setters.isDisjoint(with: audience) { settable = field }
        if field.seenBy.contains(seer ?? audience) { isSeen = true }
      }
      if let settable {
        read(member, settable, reading)
      } else if isSeen {
        unchangeable.append(member)
      } else {
        fail(member.name, .unknownField, "Unknown field.")
      }
    }
  }

  /// Whether a field that belongs to no resource must always be there.
  private func isRequiredAlways(_ field: Field) -> Bool { field.seenBy.isEmpty }

  private mutating func read(_ member: JSON.Member, _ field: Field, _ reading: Kind.Reading) {
    if case .null = member.value {
      if case .list = field.kind {
        values.append(JSON.Member(field.name, .array([])))
      } else if field.traits.isDisjoint(with: [.nullable, .onlyNull]) {
        fail(field.name, .notNull, "Must not be null.")
      } else {
        values.append(JSON.Member(field.name, .null))
      }
      return
    }
    do throws(Mistakes) {
      let value = try field.kind.read(member.value, reading)
      if value == .null, !field.traits.contains(.nullable) {
        fail(field.name, .required, "Must not be empty.")
      } else {
        values.append(JSON.Member(field.name, value))
      }
    } catch {
      fail(
        error.list.map { FieldError(.pointer(Body.pointer(field.name) + $0.pointer), $0.problem) })
    }
  }

  /// The value of a field as it is stored; nil if it was left out or is wrong.
  package subscript(_ name: String) -> JSON? { values.first { $0.name == name }?.value }

  /// Whether the field was sent at all.
  package func has(_ name: String) -> Bool { members.contains { $0.name.isSame(as: name) } }

  /// A field as it was sent.
  package func sent(_ name: String) -> JSON? { members.first { $0.name.isSame(as: name) }?.value }

  /// A text; nil if it was left out, is null or wrong.
  package func text(_ name: String) -> String? {
    if case .string(let text) = self[name] { text } else { nil }
  }

  /// A word of a vocabulary; nil if it was left out, is null or wrong.
  package func word<Word: RawRepresentable<String>>(
    _ name: String, _: Word.Type = Word.self
  ) -> Word? {
    text(name).flatMap { Word(rawValue: $0) }
  }

  /// Sets what was given in a resource.
  package func apply(to resource: inout some Resource) {
    for value in values { resource.record[value.name] = value.value }
  }

  /// Notes a mistake at a field.
  package mutating func fail(_ name: String, _ code: FieldCode, _ detail: String) {
    fail([FieldError(.pointer(Body.pointer(name)), code, detail)])
  }

  /// Notes mistakes that were found elsewhere.
  package mutating func fail(_ others: [FieldError]) {
    guard isObject else { return }
    errors += others.prefix(Body.errorLimit - errors.count)
  }

  /// Checks what cannot be set against the resource: it may be sent back as it is, so that what a GET gave
  /// can be edited and returned.
  ///
  /// - Parameter view: The resource as the caller sees it; nil if it does not exist yet.
  /// - Throws: `Failure.validation` with every mistake.
  package mutating func finish(against view: [UInt8]?) throws {
    if !unchangeable.isEmpty {
      let stored = try view.map { try JSON(parsing: $0) }
      for member in unchangeable where !Body.isSame(stored?[member.name], member.value) {
        fail(member.name, .readOnly, "This field can't be set here.")
      }
    }
    guard errors.isEmpty else { throw Failure.validation(errors) }
  }

  /// Whether a value is what is stored, in any of the forms that are accepted for IDs and times.
  private static func isSame(_ stored: JSON?, _ given: JSON) -> Bool {
    if stored == given { return true }
    guard case .string(let stored) = stored, case .string(let given) = given else { return false }
    if let id = ID(stored) { return id == ID(given) }
    if let time = Timestamp(stored) { return time == Timestamp(given) }
    return false
  }

  /// The mistakes as those of a value inside another body.
  var mistakes: Mistakes {
    Mistakes(
      errors.map { error in
        if case .pointer(let pointer) = error.place {
          (pointer, error.problem)
        } else {
          ("", error.problem)
        }
      })
  }

  /// A field's pointer (RFC 6901, section 3: "~" and "/" are escaped).
  private static func pointer(_ name: String) -> String {
    "/" + name.unicodeScalars.map { $0 == "~" ? "~0" : $0 == "/" ? "~1" : String($0) }.joined()
  }
}
