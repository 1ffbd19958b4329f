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
    let from = old.map { WrittenObject($0.bytes) }
    let to = WrittenObject(new.bytes)
    let null = ArraySlice("null".utf8)
    var json = JSONWriter()
    json.object {
      for field in fields {
        let before = from?[field] ?? null
        let after = to[field] ?? null
        guard before != after else { continue }
        $0.name(escaping: field)
        $0.object { json in
          json.name("from")
          before.withUnsafeBufferPointer { json.raw(utf8: $0) }
          json.name("to")
          after.withUnsafeBufferPointer { json.raw(utf8: $0) }
        }
      }
    }
    return json.text
  }
}

/// The members of an object that a `JSONWriter` wrote, as their text, which is equal where the values are:
/// a writer leaves no choice. To parse two views for their differences took a sixteenth of a whole POST.
private struct WrittenObject {
  private let text: [UInt8]
  private var members: [(name: Range<Int>, value: Range<Int>)] = []

  init(_ text: [UInt8]) {
    self.text = text
    var position = 1
    while text[position] != UInt8(ascii: "}") {
      if text[position] == UInt8(ascii: ",") { position += 1 }
      let name = position..<end(ofValueAt: position)
      let value = name.upperBound + 1..<end(ofValueAt: name.upperBound + 1)
      members.append((name, value))
      position = value.upperBound
    }
  }

  /// A member's value; nil if there is none of this name, which must not need escapes.
  subscript(name: String) -> ArraySlice<UInt8>? {
    for member in members where text[member.name].dropFirst().dropLast().elementsEqual(name.utf8) {
      return text[member.value]
    }
    return nil
  }

  private func end(ofValueAt start: Int) -> Int {
    var position = start
    var depth = 0
    repeat {
      switch text[position] {
      case UInt8(ascii: "\""):
        position += 1
        while text[position] != UInt8(ascii: "\"") {
          position += text[position] == UInt8(ascii: "\\") ? 2 : 1
        }
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      default: break
      }
      position += 1
    } while depth > 0 || !",:}".utf8.contains(text[position])
    return position
  }
}
