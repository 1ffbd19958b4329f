import Domain
import JSON

/// Checks what a caller makes a change depend on, such as `If-Match`.
///
/// - Parameter view: The resource as the caller sees it; nil if it does not exist yet.
package typealias Precondition = (_ view: [UInt8]?) throws -> Void

/// A request's body, read with a list of fields. It collects every mistake with its pointer (RFC 6901), so
/// that one answer names them all.
package struct Body: Sendable {
  /// The most mistakes that an answer lists.
  package static let errorLimit = 100

  package var errors: [FieldError] { Array((found + added).prefix(Body.errorLimit)) }
  /// The mistakes that reading has found.
  private var found: [FieldError] = []
  /// The mistakes that were found elsewhere.
  private var added: [FieldError] = []
  /// The valid values that were sent, in their stored form.
  private var values: [JSON.Member] = []
  /// The read-only fields that were sent.
  private var readOnly: [JSON.Member] = []
  /// Whether the body is an object. If it isn't, that is its only mistake.
  private let isObject: Bool
  /// The members of the body as they were sent.
  private let members: [JSON.Member]
  private let fields: [Field]
  private let audience: Audiences
  private let seer: Audiences
  private let reading: Kind.Reading

  /// Reads a body.
  ///
  /// - Parameters:
  ///   - json: The body, or nil if there is none.
  ///   - fields: The fields that it may have. A field that `audience` sees but may not set is read-only:
  ///     its value may be sent back unchanged.
  ///   - seer: Whose view decides which fields are read-only; nil: `audience`'s.
  ///   - isNew: Whether the body creates a resource.
  package init(
    _ json: JSON?, _ fields: [Field], by audience: Audiences, seenBy seer: Audiences? = nil,
    at now: Timestamp, isNew: Bool = false
  ) {
    self.init(json, fields, by: audience, seenBy: seer, Kind.Reading(now: now, isNew: isNew))
  }

  init(
    _ json: JSON?, _ fields: [Field], by audience: Audiences, seenBy seer: Audiences? = nil,
    _ reading: Kind.Reading
  ) {
    self.fields = fields
    self.audience = audience
    self.seer = seer ?? audience
    self.reading = reading
    guard case .object(let members) = json ?? .object([]) else {
      self.members = []
      isObject = false
      found = [FieldError(.pointer(""), .wrongType, "The body must be an object.")]
      return
    }
    self.members = members
    isObject = true
    // A field that nobody sees belongs to no resource, so that it is required in every body.
    require(fields.lazy.filter { reading.isNew || $0.seenBy.isEmpty })
    for member in members where found.count < Body.errorLimit {
      var isSeen = false
      var settable: Field?
      for field in fields where field.name.isSame(as: member.name) {
        let setters = reading.isNew ? field.createdBy : field.setBy
        if !setters.isDisjoint(with: audience) { settable = field }
        if field.seenBy.contains(self.seer) { isSeen = true }
      }
      if let settable {
        read(member, settable)
      } else if isSeen {
        readOnly.append(member)
      } else {
        find(.unknownField, "Unknown field.", member.name)
      }
    }
  }

  /// Adds a mistake for each required field that is missing.
  mutating func require(_ fields: some Sequence<Field>) {
    for field in fields where field.traits.contains(.required) && !has(field.name) {
      find(.required, "This field is required.", field.name)
    }
  }

  /// Reads the body again if it has mistakes, because a value that is sent back unchanged is no mistake: the
  /// rules may have changed since it was stored, and so may the clock.
  ///
  /// - Parameter view: The resource as the caller sees it.
  package mutating func accept(storedIn view: [UInt8]) throws {
    guard !errors.isEmpty, isObject else { return }
    var reading = reading
    reading.stored = try JSON(parsing: view)
    let added = added
    self = Body(.object(members), fields, by: audience, seenBy: seer, reading)
    self.added = added
  }

  private mutating func read(_ member: JSON.Member, _ field: Field) {
    var reading = reading
    reading.stored = reading.stored?[member.name]
    do throws(Mistakes) {
      if case .null = member.value {
        let isAllowed = !field.traits.isDisjoint(with: [.nullable, .onlyNull])
        guard isAllowed || field.kind.empty == [] else {
          throw Mistakes(.notNull, "Must not be null.")
        }
        values.append(JSON.Member(field.name, field.kind.empty))
        return
      }
      let value = try field.kind.read(member.value, reading)
      if value == .null, !field.traits.contains(.nullable) {
        find(.required, "Must not be empty.", field.name)
      } else {
        values.append(JSON.Member(field.name, value))
      }
    } catch {
      found += error.below(Body.pointer(field.name))
    }
  }

  private mutating func find(_ code: FieldCode, _ detail: String, _ name: String) {
    found.append(FieldError(.pointer(Body.pointer(name)), code, detail))
  }

  /// A field's value in its stored form; nil if it is missing or wrong.
  package subscript(_ name: String) -> JSON? { values.first { $0.name == name }?.value }

  /// Whether the field was sent.
  package func has(_ name: String) -> Bool { members.contains { $0.name.isSame(as: name) } }

  /// A field as it was sent.
  package func sent(_ name: String) -> JSON? { members.first { $0.name.isSame(as: name) }?.value }

  /// A text; nil if it is missing, null or wrong.
  package func text(_ name: String) -> String? {
    if case .string(let text) = self[name] { text } else { nil }
  }

  /// An ID; nil if it is missing, null or wrong.
  package func id(_ name: String) -> ID? { text(name).flatMap { ID($0) } }

  /// A time; nil if it is missing, null or wrong.
  package func time(_ name: String) -> Timestamp? { text(name).flatMap { Timestamp($0) } }

  /// A word of a vocabulary; nil if it is missing, null or wrong.
  package func word<Word: RawRepresentable<String>>(
    _ name: String, _: Word.Type = Word.self
  ) -> Word? {
    text(name).flatMap { Word(rawValue: $0) }
  }

  /// Sets the values that were sent in a resource. A field that the resource does not have is left out.
  package func apply(to resource: inout some Resource) {
    for value in values where resource.record.has(value.name) {
      resource.record[value.name] = value.value
    }
  }

  /// Sets the values that were sent in a partner, except that it proposes those of the fields that
  /// staff reviews.
  func propose(to partner: inout Partner) {
    for value in values {
      if fields.contains(where: { $0.name == value.name && $0.traits.contains(.reviewed) }) {
        partner.propose(value.value, for: value.name)
      } else {
        partner.record[value.name] = value.value
      }
    }
  }

  /// Adds a mistake at a field.
  package mutating func fail(_ name: String, _ code: FieldCode, _ detail: String) {
    fail([FieldError(.pointer(Body.pointer(name)), code, detail)])
  }

  /// Adds mistakes that were found elsewhere.
  package mutating func fail(_ others: [FieldError]) {
    guard isObject else { return }
    added += others.prefix(max(0, Body.errorLimit - found.count - added.count))
  }

  /// Checks the body and the precondition against the resource as it is now. A read-only field must have
  /// the stored value, so that the answer to a GET can be edited and sent back.
  ///
  /// - Parameter view: The resource as the caller sees it; nil if it does not exist yet.
  /// - Throws: `Failure.validation` with every mistake, then what `precondition` throws.
  package func check(against view: [UInt8]?, if precondition: Precondition = { _ in }) throws {
    var body = self
    if !readOnly.isEmpty {
      let stored = try view.map { try JSON(parsing: $0) }
      for member in readOnly where !Body.isSame(stored?[member.name], member.value) {
        body.fail(member.name, .readOnly, "This field is read-only.")
      }
    }
    guard body.errors.isEmpty else { throw Failure.validation(body.errors) }
    try precondition(view)
  }

  /// Whether a value equals the stored one, in any form that is accepted for IDs and times.
  static func isSame(_ stored: JSON?, _ given: JSON) -> Bool {
    if stored == given { return true }
    guard case .string(let stored) = stored, case .string(let given) = given else { return false }
    if let id = ID(stored) { return id == ID(given) }
    if let time = Timestamp(stored) { return time == Timestamp(given) }
    return false
  }

  /// A field's pointer (RFC 6901, section 3: "~" and "/" are escaped). A very long name, which no field has, is
  /// cut.
  private static func pointer(_ name: String) -> String {
    "/" + name.echo.unicodeScalars.map { $0 == "~" ? "~0" : $0 == "/" ? "~1" : String($0) }.joined()
  }
}
