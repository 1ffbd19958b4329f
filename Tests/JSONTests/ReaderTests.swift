import Testing

@testable import JSON

/// Reads a text, or tells what is wrong with it.
private func read(_ text: String) throws -> JSON { try JSON(parsing: Array(text.utf8)) }

@Suite("Reading JSON")
struct ReaderTests {
  @Test(
    "values",
    arguments: [
      ("null", .null), ("true", .bool(true)), ("false", .bool(false)),
      ("0", .integer(0)), ("-0", .integer(0)), ("7", .integer(7)), ("-12", .integer(-12)),
      ("\"\"", .string("")), ("\"a\"", .string("a")), ("[]", .array([])), ("{}", .object([])),
      (" \t\r\n1 \t\r\n", .integer(1)),
      ("[1,2,3]", .array([.integer(1), .integer(2), .integer(3)])),
      (" [ 1 , \"a\" , null ] ", .array([.integer(1), .string("a"), .null])),
      ("[[],[[]],{}]", .array([.array([]), .array([.array([])]), .object([])])),
      (
        "{ \"a\" : { \"b\" : [ true ] } , \"c\" : null }",
        .object([
          .init("a", .object([.init("b", .array([.bool(true)]))])), .init("c", .null),
        ])
      ),
      ("{\"\":0}", .object([.init("", .integer(0))])),
      ("{\"\\u0061\":1}", .object([.init("a", .integer(1))])),
    ] as [(String, JSON)])
  func values(text: String, value: JSON) throws {
    #expect(try read(text) == value)
  }

  @Test(
    "numbers: integers wherever the value is one that fits",
    arguments: [
      ("1.0", .integer(1)), ("1e0", .integer(1)), ("1E5", .integer(100_000)),
      ("1e+2", .integer(100)), ("100e-2", .integer(1)), ("-1.50e1", .integer(-15)),
      ("-0.0", .integer(0)), ("0e10", .integer(0)), ("1e18", .integer(1_000_000_000_000_000_000)),
      ("9007199254740993", .integer(9_007_199_254_740_993)),
      ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
      ("9223372036854775808", .number(9_223_372_036_854_775_808)),
      ("-9223372036854775809", .number(-9_223_372_036_854_775_808)),
      ("1e19", .number(1e19)), ("1e308", .number(1e308)),
      ("0.5", .number(0.5)), ("-2.25", .number(-2.25)), ("1.5e3", .integer(1500)),
      ("5e-324", .number(.leastNonzeroMagnitude)), ("1e-400", .integer(0)), ("0.1", .number(0.1)),
      ("3.141592653589793238462643383279", .number(3.141592653589793)),
    ] as [(String, JSON)])
  func numbers(text: String, value: JSON) throws {
    #expect(try read(text) == value)
    #expect(try read("[\(text)]") == .array([value]))
  }

  @Test(
    "what is no number",
    arguments: [
      "-", "+1", "01", "-01", "00", "1.", ".5", "-.5", "1.e1", "1e", "1e+", "1e-", "1e1.5", "0x10",
      "1_000", "1,000", "Infinity", "-Infinity", "NaN", "nan", "1e400", "-1e400", "1e99999", "1f",
      "--1", "1-", "- 1", "1 2", "1.2.3", "１",
    ])
  func noNumber(text: String) {
    #expect(throws: JSONError.self) { try read(text) }
    #expect(throws: JSONError.self) { try read("[\(text)]") }
  }

  @Test(
    "escapes",
    arguments: [
      (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"),
      (#""A\u00e9\u00E9é""#, "Aééé"), (#""\u0000""#, "\u{0}"), (#""\uFFFF""#, "\u{FFFF}"),
      (#""\uD83D\uDE00""#, "😀"), (#""\ud83d\ude00x""#, "😀x"), (#""\uDBFF\uDFFF""#, "\u{10FFFF}"),
      (#""\uD800\uDC00""#, "\u{10000}"), (#""\\u0041""#, "\\u0041"), (#""a\u002fb""#, "a/b"),
      ("\"\u{7F}\u{2028}😀é\"", "\u{7F}\u{2028}😀é"), (#""\u2028""#, "\u{2028}"),
    ])
  func escapes(text: String, value: String) throws {
    guard case .string(let read) = try read(text) else {
      Issue.record("no string")
      return
    }
    #expect(Array(read.unicodeScalars) == Array(value.unicodeScalars))
  }

  @Test(
    "what is no string",
    arguments: [
      "\"", "\"a", "a\"", "'a'", "\"\\\"", #""\x41""#, #""\u""#, #""\u12""#, #""\u123""#,
      #""\u123g""#, #""\U0041""#, #""\'""#, #""\a""#, #""\0""#, #""\u+123""#, #""\u 123""#,
      "\"a\nb\"", "\"a\tb\"", "\"\u{0}\"", "\"\u{1F}\"", "\"a\\\nb\"", "\"\\u00\u{E9}\"",
      // Half of a surrogate pair, or both halves the wrong way round.
      #""\uD800""#, #""\uDC00""#, #""\uD83Dx""#, #""\uD83D\n""#, #""\uD83D\u0041""#,
      #""\uD83D\uD83D""#, #""\uDE00\uD83D""#, #""\uD83D\u""#, #""\uD83D\uDE""#, #""\ud83d""#,
    ])
  func noString(text: String) {
    #expect(throws: JSONError.self) { try read(text) }
    #expect(throws: JSONError.self) { try read("{\(text):1}") }
  }

  @Test(
    "what is no JSON text",
    arguments: [
      "", " ", "\n", "nul", "nulll", "Null", "NULL", "True", "tru", "fals", "undefined", "x",
      "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1,,2]", "[1 2]", "[1}", "[\"a\"", "[1]]", "[1],",
      "{", "}", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "{\"a\"}",
      "{\"a\" 1}", "{\"a\"::1}", "{\"a\":1 \"b\":2}", "{\"a\":1,,\"b\":2}", "{a:1}", "{1:1}",
      "{'a':1}", "{null:1}", "{\"a\":1]", "{\"a\":1}}", "{}{}", "1 1", "true false", "\"a\" \"b\"",
      "// a comment\n1", "/* a comment */1", "1 # a comment", "[1] x", "1\u{FEFF}",
      "\u{FEFF}", "\u{FEFF}\u{FEFF}1", " \u{FEFF}1", "[\u{FEFF}1]",
      "\u{A0}1", "1\u{A0}", "\u{B}1", "\u{C}1", "\u{2028}1", "1\u{0}", "\u{0}",
      "[\"a\",\u{A0}\"b\"]", ":", ",", "\\", "*", "{\"a\":}", "[:]", "[\"a\":1]", "<a>",
    ])
  func noJSON(text: String) {
    #expect(throws: JSONError.self) { try read(text) }
  }

  @Test("a byte-order mark before the text is ignored")
  func byteOrderMark() throws {
    #expect(try read("\u{FEFF}1") == 1)
    #expect(try read("\u{FEFF} {\"a\": \"\u{FEFF}\"}") == ["a": "\u{FEFF}"])
  }

  @Test(
    "bytes that are not UTF-8 are refused, wherever they stand",
    arguments: [
      [0xFF], [0x80], [0xC3], [0xC3, 0x28], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80],
      [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF0, 0x9F, 0x98],
      [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFE],
    ] as [[UInt8]])
  func notUTF8(bytes: [UInt8]) {
    let quote = UInt8(ascii: "\"")
    for text in [bytes, [quote] + bytes + [quote], [UInt8(ascii: "1"), 0x20] + bytes] {
      #expect(throws: JSONError(description: "The text is not UTF-8.")) { try JSON(parsing: text) }
    }
  }

  @Test("other encodings and their byte-order marks are refused")
  func encodings() {
    for bytes in [
      [0xFE, 0xFF, 0x00, 0x7B, 0x00, 0x7D],
      [0xFF, 0xFE, 0x7B, 0x00, 0x7D, 0x00], [0x7B, 0x00, 0x7D, 0x00], [0x00, 0x7B, 0x00, 0x7D],
    ] as [[UInt8]] {
      #expect(throws: JSONError.self) { try JSON(parsing: bytes) }
    }
  }

  @Test(
    "nested 64 deep, and no deeper",
    arguments: [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")])
  func depth(open: String, close: String) throws {
    let levels = open.first == "[" && open.count > 1 ? 2 : 1
    func nested(_ depth: Int, _ inner: String) -> String {
      String(repeating: open, count: depth / levels) + inner
        + String(repeating: close, count: depth / levels)
    }
    var value = try read(nested(64, "1"))
    for _ in 0..<64 {
      switch value {
      case .array(let elements): value = try #require(elements.first)
      case .object(let members): value = try #require(members.first).value
      default: Issue.record("not nested")
      }
    }
    #expect(value == .integer(1))
    let error = JSONError(description: "Arrays and objects are nested more than 64 levels deep.")
    #expect(throws: error) { try read(nested(64, "[]")) }
    #expect(throws: JSONError.self) { try read(nested(64, "{}")) }
    #expect(throws: JSONError.self) { try read(String(repeating: open, count: 100_000)) }
  }

  @Test("depth counts what is open, not what was")
  func breadth() throws {
    let text = "[" + Array(repeating: "[[{}]]", count: 1000).joined(separator: ",") + "]"
    guard case .array(let elements) = try read(text) else {
      Issue.record("no array")
      return
    }
    #expect(elements.count == 1000)
  }

  @Test(
    "a name twice in an object is refused, however it is written",
    arguments: [
      #"{"a":1,"a":1}"#, #"{"a":1,"b":2,"a":3}"#, #"{"a":1,"\u0061":2}"#, #"{"":1,"":2}"#,
      #"[{"x":{"a":1,"a":2}}]"#, #"{"é":1,"\u00e9":2}"#, #"{"😀":1,"\ud83d\ude00":2}"#,
    ])
  func duplicates(text: String) {
    #expect(throws: JSONError.self) { try read(text) }
  }

  @Test("names are the same only if their characters are (RFC 8259, section 8.3)")
  func differentNames() throws {
    // é as one scalar, and as e with an accent: equal to Swift, but two names to JSON.
    let value = try read(#"{"\u00e9":1,"e\u0301":2,"a":3,"A":4}"#)
    guard case .object(let members) = value else {
      Issue.record("no object")
      return
    }
    #expect(members.map(\.value) == [.integer(1), .integer(2), .integer(3), .integer(4)])
    #expect(try read(#"[{"a":1},{"a":2}]"#)["a"] == nil)
  }

  @Test("members keep their order, are found by name, and count as equal in any order")
  func members() throws {
    let value = try read(#"{"b":1,"a":2,"c":null}"#)
    guard case .object(let members) = value else {
      Issue.record("no object")
      return
    }
    #expect(members.map(\.name) == ["b", "a", "c"])
    #expect(value["a"] == .integer(2))
    #expect(value["c"] == .null)
    #expect(value["d"] == nil)
    #expect(JSON.array([])["a"] == nil)
    #expect(try value == read(#"{"c":null,"a":2,"b":1}"#))
    #expect(try value != read(#"{"c":null,"a":2}"#))
    #expect(try value != read(#"{"b":1,"a":3,"c":null}"#))
    #expect(try read("\"\u{E9}\"") != read("\"e\u{301}\""))
    #expect(try read(#"{"\u00e9":1}"#) != read(#"{"e\u0301":1}"#))
    #expect(try read("[1,2]") != read("[2,1]"))
    #expect(JSON.integer(1) != .string("1"))
    #expect(JSON.null != .bool(false))
  }

  @Test("an error says where")
  func offsets() {
    func message(_ text: String) -> String? {
      do {
        _ = try read(text)
        return nil
      } catch { return "\(error)" }
    }
    #expect(message("[1,x]") == "Expected a value at byte 3.")
    #expect(
      message("[1") == "Expected a comma or a closing bracket at byte 2, where the text ends.")
    #expect(message(#"{"a":1,"a":2}"#) == "The name at byte 7 is a duplicate in its object.")
    #expect(message(#"["\uD800"]"#) == "The escape at byte 4 is an unpaired surrogate.")
    #expect(message("[1e400]") == "The number at byte 1 is out of range.")
  }
}
