import Domain
import Foundation
import SQLite

/// Reads a row's columns from left to right.
struct Columns {
  private let row: Row
  private var index: Int = 0

  init(_ row: Row) { self.row = row }

  mutating func text() -> String { row.text(next()) }
  mutating func textOrNil() -> String? { row.textOrNil(next()) }
  mutating func int() -> Int { row.int(next()) }
  mutating func bool() -> Bool { int() != 0 }

  // What follows is held to its form by the schema's CHECKs, or by whoever wrote it here: another text
  // means a damaged database.

  mutating func id() throws -> ID { try value(utf8(), ID.init(utf8:)) }
  mutating func idOrNil() throws -> ID? { try valueOrNil(ID.init(utf8:)) }
  mutating func time() throws -> Timestamp { try value(utf8(), Timestamp.init(utf8:)) }
  mutating func timeOrNil() throws -> Timestamp? { try valueOrNil(Timestamp.init(utf8:)) }

  /// A word of a fixed vocabulary.
  mutating func word<Word: RawRepresentable<String>>(_: Word.Type = Word.self) throws -> Word {
    try value(utf8()) { Word(rawValue: String(decoding: $0, as: UTF8.self)) }
  }

  mutating func wordOrNil<Word: RawRepresentable<String>>(
    _: Word.Type = Word.self
  ) throws -> Word? {
    try valueOrNil { Word(rawValue: String(decoding: $0, as: UTF8.self)) }
  }

  // The bytes of a text, to be read before the row is left.

  mutating func utf8() -> UnsafeBufferPointer<UInt8> { row.utf8(next()) }
  mutating func utf8OrNil() -> UnsafeBufferPointer<UInt8>? { row.utf8OrNil(next()) }

  mutating func skip(_ count: Int) { index += count }

  private mutating func next() -> Int {
    defer { index += 1 }
    return index
  }

  private mutating func valueOrNil<Value>(
    _ read: (UnsafeBufferPointer<UInt8>) -> Value?
  ) throws -> Value? {
    try row.utf8OrNil(next()).map { try value($0, read) }
  }

  private func value<Value>(
    _ text: UnsafeBufferPointer<UInt8>, _ read: (UnsafeBufferPointer<UInt8>) -> Value?
  ) throws -> Value {
    guard let value = read(text) else {
      throw DamagedValue(text: String(decoding: text, as: UTF8.self))
    }
    return value
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
