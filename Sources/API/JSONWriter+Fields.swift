import Domain
import JSON

/// An answer with values that are computed: what is stored goes from its row to JSON by its table of fields.
protocol View {
  func write(to json: inout JSONWriter)
}

extension View {
  /// The view as JSON.
  var bytes: [UInt8] {
    var json = JSONWriter()
    write(to: &json)
    return json.bytes
  }
}

extension JSONWriter {
  mutating func field(_ name: StaticString, _ time: Timestamp?) {
    field(name, time?.text)
  }

  mutating func field(_ name: StaticString, _ words: [String]) {
    self.name(name)
    array { json in
      for word in words { json.string(word) }
    }
  }

  mutating func field<Word: RawRepresentable<String>>(_ name: StaticString, _ word: Word?) {
    field(name, word?.rawValue)
  }
}
