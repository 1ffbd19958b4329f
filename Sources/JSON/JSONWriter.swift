/// Writes a JSON text into bytes, in the order of the calls and without white space.
///
/// The bytes lie in memory of its own: one by one, an array would be asked for its owner and its room
/// far more often than there is something to write.
package struct JSONWriter: ~Copyable {
  private var start: UnsafeMutablePointer<UInt8>
  private var count = 0
  private var capacity: Int
  private var needsComma = false

  /// - Parameter capacity: How many bytes to have room for from the start; more are made as needed.
  package init(capacity: Int = 1024) {
    self.capacity = max(capacity, 64)
    start = .allocate(capacity: self.capacity)
  }

  deinit { start.deallocate() }

  /// What was written so far, as UTF-8.
  package var bytes: [UInt8] { Array(UnsafeBufferPointer(start: start, count: count)) }

  /// What was written so far.
  package var text: String {
    String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
  }

  /// Writes an object whose members `body` writes with `name(_:)` and a value each.
  package mutating func object(_ body: (inout JSONWriter) throws -> Void) rethrows {
    open(UInt8(ascii: "{"))
    try body(&self)
    close(UInt8(ascii: "}"))
  }

  /// Writes an array whose elements `body` writes.
  package mutating func array(_ body: (inout JSONWriter) throws -> Void) rethrows {
    open(UInt8(ascii: "["))
    try body(&self)
    close(UInt8(ascii: "]"))
  }

  /// Writes a member's name, which needs no escapes.
  package mutating func name(_ name: StaticString) {
    begin(room: name.utf8CodeUnitCount + 3)
    put(UInt8(ascii: "\""))
    put(UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
    put(UInt8(ascii: "\""))
    put(UInt8(ascii: ":"))
    needsComma = false
  }

  /// Writes a member's name, escaped.
  package mutating func name(escaping name: String) {
    string(name)
    reserve(1)
    put(UInt8(ascii: ":"))
    needsComma = false
  }

  /// Writes a string, escaped.
  package mutating func string(_ value: String) {
    var value = value
    value.withUTF8 { string($0, escaped: JSONWriter.content(of: $0).needsEscapes) }
  }

  /// Writes a string that is given as UTF-8, escaped. Bytes that are not UTF-8 go out as U+FFFD.
  package mutating func string(utf8 text: UnsafeBufferPointer<UInt8>) {
    let content = JSONWriter.content(of: text)
    if content.isASCII {
      string(text, escaped: content.needsEscapes)
    } else {
      string(String(decoding: text, as: UTF8.self))
    }
  }

  private mutating func string(_ text: UnsafeBufferPointer<UInt8>, escaped: Bool) {
    begin(room: text.count + 2)
    put(UInt8(ascii: "\""))
    if escaped {
      for byte in text {
        reserve(6)
        if JSONWriter.needsEscape(byte) { escape(byte) } else { put(byte) }
      }
      reserve(1)
    } else {
      put(text)
    }
    put(UInt8(ascii: "\""))
  }

  /// Writes a string of ASCII that needs no escapes.
  ///
  /// - Parameters:
  ///   - length: How many characters it has.
  ///   - fill: Writes exactly that many.
  package mutating func string(
    length: Int, _ fill: (UnsafeMutableBufferPointer<UInt8>) -> Void
  ) {
    begin(room: length + 2)
    put(UInt8(ascii: "\""))
    fill(UnsafeMutableBufferPointer(start: start + count, count: length))
    count += length
    put(UInt8(ascii: "\""))
  }

  /// Writes a whole number.
  package mutating func integer(_ value: Int) {
    begin(room: 20)
    var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
    withUnsafeMutableBytes(of: &digits) { digits in
      var rest = value.magnitude
      var first = digits.count
      repeat {
        first -= 1
        digits[first] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      } while rest > 0
      if value < 0 { put(UInt8(ascii: "-")) }
      put(UnsafeBufferPointer(rebasing: digits.bindMemory(to: UInt8.self)[first...]))
    }
  }

  /// Writes a number, which must be finite.
  package mutating func number(_ value: Double) {
    // Swift writes the fewest digits that give the value back, but "inf" is not JSON.
    precondition(value.isFinite, "JSON has no such number")
    raw("\(value)")
  }

  /// Writes `true` or `false`.
  package mutating func bool(_ value: Bool) {
    literal(value ? "true" : "false")
  }

  /// Writes `null`.
  package mutating func null() {
    literal("null")
  }

  private mutating func literal(_ text: StaticString) {
    begin(room: text.utf8CodeUnitCount)
    put(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// Writes a value that is JSON text already.
  package mutating func raw(_ json: String) {
    var json = json
    json.withUTF8 { text in
      begin(room: text.count)
      put(text)
    }
  }

  /// Writes a value that is JSON text already, given as UTF-8. Bytes that are not go out as U+FFFD.
  package mutating func raw(utf8 json: UnsafeBufferPointer<UInt8>) {
    guard JSONWriter.content(of: json).isASCII else {
      return raw(String(decoding: json, as: UTF8.self))
    }
    begin(room: json.count)
    put(json)
  }

  /// Writes a value with all that is in it.
  package mutating func value(_ value: JSON) {
    switch value {
    case .null: null()
    case .bool(let value): bool(value)
    case .integer(let value): integer(value)
    case .number(let value): number(value)
    case .string(let value): string(value)
    case .array(let elements): array { for element in elements { $0.value(element) } }
    case .object(let members):
      object {
        for member in members {
          $0.name(escaping: member.name)
          $0.value(member.value)
        }
      }
    }
  }

  /// Begins a value or a member, and makes room for what the caller then puts.
  @inline(__always)
  private mutating func begin(room: Int) {
    reserve(room + 1)
    if needsComma { put(UInt8(ascii: ",")) }
    needsComma = true
  }

  /// A member's value as a database lends it: texts are UTF-8.
  package enum Lent {
    case null
    case bool(Bool)
    case integer(Int)
    /// A text, which is escaped.
    case string(UnsafeBufferPointer<UInt8>)
    /// JSON text.
    case json(UnsafeBufferPointer<UInt8>)
  }

  /// Writes a member of an object.
  ///
  /// - Parameter name: Its name, in quotes and with a colon.
  @inline(__always)
  package mutating func member(_ name: UnsafeBufferPointer<UInt8>, _ value: Lent) {
    if case .string(let text) = value,
      JSONWriter.content(of: text) == (needsEscapes: false, isASCII: true)
    {
      // In one go, since most of what a list writes is such a text.
      begin(room: name.count + text.count + 2)
      put(name)
      put(UInt8(ascii: "\""))
      put(text)
      put(UInt8(ascii: "\""))
      return
    }
    begin(room: name.count)
    put(name)
    needsComma = false
    switch value {
    case .null: null()
    case .bool(let flag): bool(flag)
    case .integer(let number): integer(number)
    case .string(let text): string(utf8: text)
    case .json(let text): raw(utf8: text)
    }
  }

  /// Begins an object. Each needs a ``close()``.
  ///
  /// - Parameter name: If it is a member of another object, its name in quotes and with a colon.
  package mutating func open(_ name: UnsafeBufferPointer<UInt8>?) {
    if let name {
      begin(room: name.count)
      put(name)
      needsComma = false
    }
    open(UInt8(ascii: "{"))
  }

  /// Ends the object that ``open(_:)`` began last.
  package mutating func close() { close(UInt8(ascii: "}")) }

  private mutating func open(_ bracket: UInt8) {
    begin(room: 1)
    put(bracket)
    needsComma = false
  }

  private mutating func close(_ bracket: UInt8) {
    reserve(1)
    put(bracket)
    needsComma = true
  }

  /// Makes room for that many bytes more.
  @inline(__always)
  private mutating func reserve(_ more: Int) {
    if count + more > capacity { grow(by: more) }
  }

  @inline(never)
  private mutating func grow(by more: Int) {
    capacity = max(2 * capacity, count + more)
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
    larger.initialize(from: start, count: count)
    start.deallocate()
    start = larger
  }

  /// Writes a byte where there is room for it.
  @inline(__always)
  private mutating func put(_ byte: UInt8) {
    start[count] = byte
    count += 1
  }

  /// Writes bytes where there is room for them.
  @inline(__always)
  private mutating func put(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard let first = bytes.baseAddress else { return }
    (start + count).initialize(from: first, count: bytes.count)
    count += bytes.count
  }

  private static func needsEscape(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
  }

  /// Which of sixteen bytes need an escape: all bits of those are set. Each is compared with a vector,
  /// since the compiler makes a loop of what is compared with a number.
  private static func needsEscape(_ bytes: SIMD16<UInt8>) -> SIMD2<UInt64> {
    let mask =
      (bytes .< SIMD16<UInt8>(repeating: 0x20))
      .| (bytes .== SIMD16<UInt8>(repeating: UInt8(ascii: "\"")))
      .| (bytes .== SIMD16<UInt8>(repeating: UInt8(ascii: "\\")))
    return unsafeBitCast(mask, to: SIMD2<UInt64>.self)
  }

  /// At most sixteen bytes, and spaces behind them.
  private static func padded(_ bytes: UnsafeRawBufferPointer) -> SIMD16<UInt8> {
    var padded = SIMD16<UInt8>(repeating: UInt8(ascii: " "))
    withUnsafeMutableBytes(of: &padded) { $0.copyMemory(from: bytes) }
    return padded
  }

  /// What is in a text. It is looked at sixteen bytes at once: most of what is written comes by here.
  private static func content(
    of text: UnsafeBufferPointer<UInt8>
  ) -> (needsEscapes: Bool, isASCII: Bool) {
    let bytes = UnsafeRawBufferPointer(text)
    var found = SIMD2<UInt64>()
    var all = SIMD2<UInt64>()
    var index = 0
    while index < bytes.count {
      // The last sixteen may overlap those before them.
      let part =
        bytes.count < 16
        ? padded(bytes)
        : bytes.loadUnaligned(
          fromByteOffset: min(index, bytes.count - 16), as: SIMD16<UInt8>.self)
      found = found | needsEscape(part)
      all = all | unsafeBitCast(part, to: SIMD2<UInt64>.self)
      index += 16
    }
    return (found[0] | found[1] != 0, (all[0] | all[1]) & 0x8080_8080_8080_8080 == 0)
  }

  private mutating func escape(_ byte: UInt8) {
    put(UInt8(ascii: "\\"))
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): put(byte)
    case 0x0A: put(UInt8(ascii: "n"))
    case 0x0D: put(UInt8(ascii: "r"))
    case 0x09: put(UInt8(ascii: "t"))
    default:
      for byte in [UInt8(ascii: "u"), UInt8(ascii: "0"), UInt8(ascii: "0")] { put(byte) }
      for digit in [byte >> 4, byte & 0xF] { put(digit < 10 ? 0x30 + digit : 0x57 + digit) }
    }
  }
}

// Members of the kinds that views are made of: each a name and a value, `null` for nil.
extension JSONWriter {
  package mutating func field(_ name: StaticString, _ value: String?) {
    self.name(name)
    if let value { string(value) } else { null() }
  }

  package mutating func field(_ name: StaticString, _ value: Int?) {
    self.name(name)
    if let value { integer(value) } else { null() }
  }

  package mutating func field(_ name: StaticString, _ value: Double?) {
    self.name(name)
    if let value { number(value) } else { null() }
  }

  package mutating func field(_ name: StaticString, _ value: Bool) {
    self.name(name)
    bool(value)
  }
}
