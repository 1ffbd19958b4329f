import Domain
import JSON

/// The JSON of an object whose members `write` writes.
func object(_ write: (inout JSONWriter) throws -> Void) rethrows -> [UInt8] {
  var json = JSONWriter()
  try json.object(write)
  return json.bytes
}

extension JSONWriter {
  mutating func field(_ name: StaticString, _ time: Timestamp?) {
    field(name, time?.text)
  }

  mutating func field<Word: RawRepresentable<String>>(_ name: StaticString, _ word: Word?) {
    field(name, word?.rawValue)
  }

  mutating func field(_ name: StaticString, decimal: Double?) {
    self.name(name)
    value(decimal.map(JSON.number) ?? .null)
  }

  mutating func field(_ name: StaticString, _ words: [String]) {
    array(name, of: words) { $0.string($1) }
  }

  /// Writes an array that has an item for each of the values.
  mutating func array<Value>(
    _ name: StaticString, of values: some Sequence<Value>,
    _ write: (inout JSONWriter, Value) throws -> Void
  ) rethrows {
    self.name(name)
    try array { json in
      for value in values { try write(&json, value) }
    }
  }

  /// Writes an object that has a number for each of the words.
  mutating func counts<Word: RawRepresentable<String>>(
    _ name: StaticString, of words: [Word], _ count: (Word) -> Int
  ) {
    self.name(name)
    object { json in
      for word in words {
        json.name(escaping: word.rawValue)
        json.integer(count(word))
      }
    }
  }
}
