import Domain
import SQLite

// The schema's CHECKs and this service never write another form, so another form means a damaged database.
extension Row {
  /// A word of a fixed vocabulary.
  ///
  /// - Throws: ``DamagedValue``.
  func word<Word: RawRepresentable<String>>(_ index: Int, _: Word.Type = Word.self) throws -> Word {
    try valid(text(index)) { Word(rawValue: $0) }
  }

  func wordOrNil<Word: RawRepresentable<String>>(
    _ index: Int, _: Word.Type = Word.self
  ) throws -> Word? {
    try textOrNil(index).map { try valid($0) { Word(rawValue: $0) } }
  }

  func id(_ index: Int) throws -> ID { try valid(text(index)) { ID($0) } }

  func time(_ index: Int) throws -> Timestamp { try valid(text(index)) { Timestamp($0) } }

  func timeOrNil(_ index: Int) throws -> Timestamp? {
    try textOrNil(index).map { try valid($0) { Timestamp($0) } }
  }

  private func valid<Value>(_ text: String, _ read: (String) -> Value?) throws -> Value {
    guard let value = read(text) else { throw DamagedValue(text: text) }
    return value
  }
}
