import JSON
import Testing

/// What `body` writes, as text.
private func written(_ body: (inout JSONWriter) -> Void) -> String {
  var writer = JSONWriter()
  body(&writer)
  return String(decoding: writer.bytes, as: UTF8.self)
}

/// Random numbers that are the same in each run (https://prng.di.unimi.it/splitmix64.c).
private struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

@Suite("Writing JSON")
struct WriterTests {
  @Test("commas and colons stand where they belong, and no white space")
  func structure() {
    let text = written { writer in
      writer.object {
        $0.name("a")
        $0.integer(1)
        $0.name("b")
        $0.array {
          $0.bool(true)
          $0.null()
          $0.array { _ in }
          $0.object { _ in }
          $0.object {
            $0.name(escaping: "c")
            $0.string("d")
            $0.name("e")
            $0.number(0.5)
          }
          $0.raw(#"{"f":[]}"#)
          $0.string("g")
        }
        $0.name("h")
        $0.object { _ in }
        $0.field("i", "j")
        $0.field("k", nil as String?)
        $0.field("l", 2)
        $0.field("m", nil as Int?)
        $0.field("n", false)
      }
    }
    #expect(
      text == """
        {"a":1,"b":[true,null,[],{},{"c":"d","e":0.5},{"f":[]},"g"],"h":{},"i":"j","k":null,\
        "l":2,"m":null,"n":false}
        """)
  }

  @Test(
    "strings",
    arguments: [
      ("", #""""#), ("abc", #""abc""#), ("a\"b\\c/d", #""a\"b\\c/d""#), ("\"", #""\"""#),
      ("\n\r\t", #""\n\r\t""#),
      ("\u{0}\u{1}\u{8}\u{C}\u{1F}", #""\u0000\u0001\u0008\u000c\u001f""#),
      ("\u{7F}é😀\u{2028}", "\"\u{7F}é😀\u{2028}\""), ("a\u{0}", #""a\u0000""#),
      ("e\u{301}", "\"e\u{301}\""), ("</script>", #""</script>""#),
    ])
  func strings(value: String, text: String) {
    #expect(Array(written { $0.string(value) }.utf8) == Array(text.utf8))
    #expect(
      Array(
        written { writer in
          writer.object {
            $0.name(escaping: value)
            $0.null()
          }
        }.utf8) == Array("{\(text):null}".utf8))
  }

  @Test("what an attempt writes is there only if it succeeds")
  func attempt() {
    func text(_ results: [Int?]) -> String {
      written { writer in
        writer.array { writer in
          for result in results {
            let returned = writer.attempt { writer -> Int? in
              writer.object {
                $0.name("a")
                $0.string("x")
              }
              writer.integer(result ?? 0)
              return result
            }
            #expect(returned == result)
          }
        }
      }
    }
    #expect(text([]) == "[]")
    #expect(text([nil]) == "[]")
    #expect(text([nil, 1, nil, 2]) == #"[{"a":"x"},1,{"a":"x"},2]"#)
  }

  @Test("every control character comes back as it was")
  func controls() throws {
    for code in UInt32(0)...0x9F {
      let value = String(Character(Unicode.Scalar(code)!))
      let text = written { $0.string(value) }
      #expect(text.utf8.allSatisfy { $0 >= 0x20 })
      #expect(try JSON(parsing: Array(text.utf8)) == .string(value))
    }
  }

  @Test("bytes that are not UTF-8 go out as U+FFFD")
  func notUTF8() {
    for (bytes, text) in [
      ([], ""), ([0x61, 0xFF, 0x62], "a\u{FFFD}b"), ([0xC3, 0xA9, 0x22], "é\\\""),
      (Array(repeating: 0x7A, count: 20) + [0xE2, 0x82], "zzzzzzzzzzzzzzzzzzzz\u{FFFD}"),
    ] as [([UInt8], String)] {
      bytes.withUnsafeBufferPointer { bytes in
        #expect(written { $0.string(utf8: bytes) } == "\"\(text)\"")
        #expect(
          written { json in
            json.object { json in
              Array("\"a\":".utf8).withUnsafeBufferPointer { json.member($0, .string(bytes)) }
            }
          } == "{\"a\":\"\(text)\"}")
      }
    }
    for (bytes, text) in [
      (Array(#"{"a":"é"}"#.utf8), #"{"a":"é"}"#), ([0x22, 0xFF, 0x22], "\"\u{FFFD}\""),
    ] {
      bytes.withUnsafeBufferPointer { bytes in
        #expect(written { json in json.array { $0.raw(utf8: bytes) } } == "[\(text)]")
      }
    }
  }

  @Test("numbers")
  func numbers() {
    #expect(written { $0.integer(.min) } == "-9223372036854775808")
    #expect(written { $0.integer(.max) } == "9223372036854775807")
    #expect(written { $0.integer(0) } == "0")
    #expect(written { $0.number(0.1) } == "0.1")
    #expect(written { $0.number(-2.5) } == "-2.5")
  }

  @Test("what is written can be read, and is the same", arguments: UInt64(1)...40)
  func roundTrip(seed: UInt64) throws {
    var generator = SplitMix64(state: seed)
    for _ in 0..<40 {
      let value = random(depth: 0, &generator)
      var writer = JSONWriter(capacity: 0)
      writer.value(value)
      #expect(try JSON(parsing: writer.bytes) == value)
    }
  }

  private func random(depth: Int, _ generator: inout SplitMix64) -> JSON {
    switch Int.random(in: 0..<(depth < 5 ? 9 : 6), using: &generator) {
    case 0: return .null
    case 1: return .bool(.random(using: &generator))
    case 2: return .integer(Int(bitPattern: UInt(generator.next())))
    case 3: return .integer(.random(in: -100...100, using: &generator))
    case 4:
      let double = Double(bitPattern: generator.next())
      guard double.isFinite else { return .null }
      return Int(exactly: double).map(JSON.integer) ?? .number(double)
    case 5: return .string(string(&generator))
    case 6, 7:
      return .array(
        (0..<Int.random(in: 0...4, using: &generator)).map { _ in
          random(depth: depth + 1, &generator)
        })
    default:
      return .object(
        (0..<Int.random(in: 0...4, using: &generator)).map { index in
          JSON.Member("\(string(&generator))\(index)", random(depth: depth + 1, &generator))
        })
    }
  }

  /// Any scalars at all, those often that need an escape.
  private func string(_ generator: inout SplitMix64) -> String {
    var string = ""
    for _ in 0..<Int.random(in: 0...12, using: &generator) {
      let limit: UInt32 = [0x22, 0x80, 0x800, 0x110000].randomElement(using: &generator) ?? 0x80
      let code = UInt32.random(in: 0..<limit, using: &generator)
      string.unicodeScalars.append(Unicode.Scalar(code) ?? "\\")
    }
    return string
  }
}
