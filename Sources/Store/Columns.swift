import Domain
import Foundation
import SQLite

/// Reads a row's columns from left to right.
struct Columns {
  private let row: Row
  private var index: Int = 0

  init(_ row: Row) { self.row = row }

  mutating func text() -> String {
    defer { index += 1 }
    return row.text(index)
  }

  mutating func textOrNil() -> String? {
    defer { index += 1 }
    return row.textOrNil(index)
  }

  mutating func int() -> Int {
    defer { index += 1 }
    return row.int(index)
  }

  mutating func intOrNil() -> Int? {
    defer { index += 1 }
    return row.intOrNil(index)
  }

  mutating func bool() -> Bool { int() != 0 }
  mutating func id() -> ID { ID(stored: text()) }
  mutating func idOrNil() -> ID? { textOrNil().map(ID.init(stored:)) }
  mutating func time() -> Timestamp { Timestamp(stored: text()) }
  mutating func timeOrNil() -> Timestamp? { textOrNil().map(Timestamp.init(stored:)) }

  /// A word of a fixed vocabulary. The schema's CHECKs hold the column to it, so that another word
  /// means a damaged database.
  mutating func word<Word: RawRepresentable<String>>(_: Word.Type = Word.self) throws -> Word {
    let text = text()
    guard let word = Word(rawValue: text) else { throw DamagedValue(text: text) }
    return word
  }

  mutating func wordOrNil<Word: RawRepresentable<String>>(
    _: Word.Type = Word.self
  ) throws -> Word? {
    guard let text = textOrNil() else { return nil }
    guard let word = Word(rawValue: text) else { throw DamagedValue(text: text) }
    return word
  }
}

/// A value in the database that its schema does not allow.
struct DamagedValue: Error, CustomStringConvertible {
  let text: String
  var description: String { "the database holds a value that its schema does not allow" }
}

extension String {
  /// What counts when e-mail addresses are compared: case and the way of writing accents aside.
  var comparisonKey: String { precomposedStringWithCanonicalMapping.lowercased() }
}
