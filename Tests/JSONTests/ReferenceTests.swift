import Foundation
import Testing

@testable import JSON

private let path = ProcessInfo.processInfo.environment["TOMI_JSON_CASES"]

/// Where texts and what another reader makes of them come from a file that TOMI_JSON_CASES names: on
/// each line a text in hexadecimal digits, a tab, and the value as `notation(_:)` has it, or "refused".
@Suite(
  "Reading JSON as another reader does",
  .enabled(if: path != nil, "TOMI_JSON_CASES names no file")
)
struct ReferenceTests {
  @Test("each text is refused by both, or means the same to both")
  func agreement() throws {
    let text = try String(contentsOfFile: try #require(path), encoding: .utf8)
    var count = 0
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: "\t")
      try #require(parts.count == 2)
      let bytes = try #require(Self.bytes(ofHexadecimal: parts[0]))
      let value = try? JSON(parsing: bytes)
      let found = value.map(Self.notation) ?? "refused"
      #expect(found == parts[1], "\(parts[0]): \(String(decoding: bytes, as: UTF8.self))")
      count += 1
    }
    #expect(count > 0)
  }

  private static func bytes(ofHexadecimal digits: Substring) -> [UInt8]? {
    let values = digits.utf8.map { Character(Unicode.Scalar($0)).hexDigitValue }
    guard values.count.isMultiple(of: 2), !values.contains(nil) else { return nil }
    return stride(from: 0, to: values.count, by: 2).map {
      UInt8(values[$0]! << 4 | values[$0 + 1]!)
    }
  }

  /// A value, such that any difference shows: of numbers the bits, of texts the bytes.
  private static func notation(_ value: JSON) -> String {
    func hexadecimal(_ text: String) -> String {
      text.utf8.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
    return switch value {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "i\(value)"
    case .number(let value): "d" + String(value.bitPattern, radix: 16)
    case .string(let value): "s" + hexadecimal(value)
    case .array(let elements): "[" + elements.map(notation).joined(separator: ",") + "]"
    case .object(let members):
      "{"
        + members.map { hexadecimal($0.name) + ":" + notation($0.value) }.joined(separator: ",")
        + "}"
    }
  }
}
