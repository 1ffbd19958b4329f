import Domain
import JSON

/// What one audience sees of a thing. Each audience has a type of its own, so that no field can reach
/// another through a forgotten filter.
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

  /// The view as a value, to compare with what a caller sends back.
  var json: JSON {
    do {
      return try JSON(parsing: bytes)
    } catch {
      preconditionFailure("A view writes JSON: \(error)")
    }
  }
}

extension JSONWriter {
  mutating func field(_ name: StaticString, _ id: ID?) {
    self.name(name)
    if let id { string(length: ID.length, id.write) } else { null() }
  }

  mutating func field(_ name: StaticString, _ time: Timestamp?) {
    self.name(name)
    if let time { string(length: Timestamp.length, time.write) } else { null() }
  }

  mutating func field(_ name: StaticString, _ words: [String]) {
    self.name(name)
    array { json in
      for word in words { json.string(word) }
    }
  }

  mutating func field<Word: RawRepresentable<String>>(_ name: StaticString, _ words: [Word]) {
    self.name(name)
    array { json in
      for word in words { json.string(word.rawValue) }
    }
  }

  mutating func field<Word: RawRepresentable<String>>(_ name: StaticString, _ word: Word?) {
    field(name, word?.rawValue)
  }

  mutating func field(_ name: StaticString, _ view: (some View)?) {
    self.name(name)
    if let view { view.write(to: &self) } else { null() }
  }
}

/// What changed between two views of a thing, as the history keeps it.
enum Changes {
  /// A JSON object: for each member that differs, `{"from": …, "to": …}`.
  ///
  /// - Parameters:
  ///   - old: The view before; nil for a thing that is new, of which the empty members are left out.
  ///   - fields: The members that count.
  static func between(_ old: (some View)?, _ new: some View, fields: [String]) -> String {
    let from = old?.json
    let to = new.json
    var json = JSONWriter()
    json.object {
      for field in fields {
        let before = from?[field] ?? .null
        let after = to[field] ?? .null
        guard before != after else { continue }
        $0.name(escaping: field)
        $0.object {
          $0.name("from")
          $0.value(before)
          $0.name("to")
          $0.value(after)
        }
      }
    }
    return json.text
  }
}
