import JSON

/// The fields of a resource by name, with the values that the API shows and the database stores: IDs, words
/// and times are strings, lists and contexts are JSON.
package struct Record: Equatable, Sendable {
  /// The fields in the order in which they were first set.
  package private(set) var members: [JSON.Member]

  package init(_ members: [JSON.Member] = []) {
    self.members = members
  }

  /// Whether the record has the field, whatever its value.
  package func has(_ name: String) -> Bool { members.contains { $0.name == name } }

  /// A field's value; null if it was never set.
  package subscript(_ name: String) -> JSON {
    get { members.first { $0.name == name }?.value ?? .null }
    set {
      if let index = members.firstIndex(where: { $0.name == name }) {
        members[index].value = newValue
      } else {
        members.append(JSON.Member(name, newValue))
      }
    }
  }
}

/// A record, with typed access to the fields that the rules need.
package protocol Resource: Equatable, Sendable {
  /// All fields.
  var record: Record { get set }
  init(record: Record)
}

extension Resource {
  /// The ID in a field; nil if the field is null.
  package func id(_ field: String) -> ID? {
    text(field).flatMap { ID($0) }
  }

  /// The time in a field; nil if the field is null.
  package func time(_ field: String) -> Timestamp? {
    text(field).flatMap { Timestamp($0) }
  }

  /// The word in a field; nil if the field is null.
  package func word<Word: RawRepresentable<String>>(
    _ field: String, _: Word.Type = Word.self
  ) -> Word? {
    text(field).flatMap { Word(rawValue: $0) }
  }

  /// The text in a field; nil if the field is null.
  package func text(_ field: String) -> String? {
    if case .string(let text) = record[field] { text } else { nil }
  }

  /// Whether a field is true.
  package func flag(_ field: String) -> Bool { record[field] == .bool(true) }

  /// Unwraps the value of a field that every record of this type has.
  package func required<Value>(_ value: Value?, _ field: String) -> Value {
    guard let value else { preconditionFailure("\(Self.self) has no valid \(field)") }
    return value
  }

  /// Sets a field to an ID; to null if it is nil.
  package mutating func set(_ field: String, _ id: ID?) {
    record[field] = id.map { .string($0.text) } ?? .null
  }

  /// Sets a field to a time; to null if it is nil.
  package mutating func set(_ field: String, _ time: Timestamp?) {
    record[field] = time.map { .string($0.text) } ?? .null
  }

  /// Sets a field to a word; to null if it is nil.
  package mutating func set(_ field: String, _ word: (some RawRepresentable<String>)?) {
    record[field] = word.map { .string($0.rawValue) } ?? .null
  }

  /// The resource's ID.
  package var id: ID { required(id("id"), "id") }

  /// When the resource was last changed.
  package var updatedAt: Timestamp {
    get { required(time("updated_at"), "updated_at") }
    set { set("updated_at", newValue) }
  }

  /// When the resource was created.
  package var createdAt: Timestamp { required(time("created_at"), "created_at") }
}
