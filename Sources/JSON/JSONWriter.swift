/// Writes a JSON text as UTF-8, in the order of the calls and without white space.
///
/// It has its own memory because an array would check its owner and its capacity for every byte.
package struct JSONWriter: ~Copyable {
  private var start: UnsafeMutablePointer<UInt8>
  private var count = 0
  private var capacity: Int
  private var needsComma = false

  /// - Parameter capacity: The number of bytes to allocate first. The memory grows when it is full.
  package init(capacity: Int = 1024) {
    self.capacity = max(capacity, 64)
    start = .allocate(capacity: self.capacity)
  }

  deinit { start.deallocate() }

  /// The text so far, as UTF-8.
  package var bytes: [UInt8] { Array(UnsafeBufferPointer(start: start, count: count)) }

  /// The text so far.
  package var text: String {
    String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
  }

  /// Writes an object. `body` writes its members, each as a name and a value.
  package mutating func object(_ body: (inout JSONWriter) throws -> Void) rethrows {
    open(UInt8(ascii: "{"))
    try body(&self)
    close(UInt8(ascii: "}"))
  }

  /// Writes an array. `body` writes its elements.
  package mutating func array(_ body: (inout JSONWriter) throws -> Void) rethrows {
    open(UInt8(ascii: "["))
    try body(&self)
    close(UInt8(ascii: "]"))
  }

  /// Writes what `body` writes, or nothing if `body` returns nil.
  package mutating func attempt<T>(_ body: (inout JSONWriter) throws -> T?) rethrows -> T? {
    let before = (count: count, needsComma: needsComma)
    let result = try body(&self)
    if result == nil { (count, needsComma) = before }
    return result
  }

  /// Writes the name of a member. It must not need escapes.
  package mutating func name(_ name: StaticString) {
    begin(room: name.utf8CodeUnitCount + 3)
    put(UInt8(ascii: "\""))
    put(name)
    put(UInt8(ascii: "\""))
    put(UInt8(ascii: ":"))
    needsComma = false
  }

  /// Writes the name of a member, with escapes.
  package mutating func name(escaping name: String) {
    string(name)
    reserve(1)
    put(UInt8(ascii: ":"))
    needsComma = false
  }

  /// Writes a string, with escapes.
  package mutating func string(_ value: String) {
    var value = value
    value.withUTF8 { string($0, escaped: JSONWriter.content(of: $0).needsEscapes) }
  }

  /// Writes a string from UTF-8, with escapes. Bytes that are not UTF-8 become U+FFFD.
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

  /// Writes a number, which must be finite, in as few digits as identify it.
  package mutating func number(_ value: Double) {
    precondition(value.isFinite, "JSON can't represent \(value)")
    raw("\(value)")
  }

  /// Writes `true` or `false`.
  package mutating func bool(_ value: Bool) { literal(value ? "true" : "false") }

  /// Writes `null`.
  package mutating func null() { literal("null") }

  private mutating func literal(_ text: StaticString) {
    begin(room: text.utf8CodeUnitCount)
    put(text)
  }

  /// Writes a value that is already JSON.
  package mutating func raw(_ json: String) {
    var json = json
    json.withUTF8 { text in
      begin(room: text.count)
      put(text)
    }
  }

  /// Writes a value that is already JSON, from UTF-8. Bytes that are not UTF-8 become U+FFFD.
  package mutating func raw(utf8 json: UnsafeBufferPointer<UInt8>) {
    guard JSONWriter.content(of: json).isASCII else {
      return raw(String(decoding: json, as: UTF8.self))
    }
    begin(room: json.count)
    put(json)
  }

  /// Writes a value with everything in it.
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

  /// Writes the comma before a value or a member if it needs one, and reserves room for so many bytes more.
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

  /// Reserves room for so many bytes more.
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

  /// Writes a byte. The caller has reserved room for it.
  @inline(__always)
  private mutating func put(_ byte: UInt8) {
    start[count] = byte
    count += 1
  }

  /// Writes bytes. The caller has reserved room for them.
  @inline(__always)
  private mutating func put(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard let first = bytes.baseAddress else { return }
    (start + count).initialize(from: first, count: bytes.count)
    count += bytes.count
  }

  @inline(__always)
  private mutating func put(_ text: StaticString) {
    put(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  private static func needsEscape(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
  }

  /// A mask of the bytes that need an escape, with all bits set. The operands are vectors, because the compiler
  /// makes a loop of a comparison with a number.
  private static func needsEscape(_ bytes: SIMD16<UInt8>) -> SIMD2<UInt64> {
    let mask =
      (bytes .< SIMD16<UInt8>(repeating: 0x20))
      .| (bytes .== SIMD16<UInt8>(repeating: UInt8(ascii: "\"")))
      .| (bytes .== SIMD16<UInt8>(repeating: UInt8(ascii: "\\")))
    return unsafeBitCast(mask, to: SIMD2<UInt64>.self)
  }

  /// At most sixteen bytes, followed by spaces.
  private static func padded(_ bytes: UnsafeRawBufferPointer) -> SIMD16<UInt8> {
    var padded = SIMD16<UInt8>(repeating: UInt8(ascii: " "))
    withUnsafeMutableBytes(of: &padded) { $0.copyMemory(from: bytes) }
    return padded
  }

  /// Whether a text needs escapes, and whether it is ASCII. It looks at sixteen bytes at once, because most of
  /// what is written passes through here.
  private static func content(
    of text: UnsafeBufferPointer<UInt8>
  ) -> (needsEscapes: Bool, isASCII: Bool) {
    let bytes = UnsafeRawBufferPointer(text)
    var found = SIMD2<UInt64>()
    var all = SIMD2<UInt64>()
    var index = 0
    while index < bytes.count {
      // The last sixteen bytes may overlap the ones before them.
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
      put("u00")
      for digit in [byte >> 4, byte & 0xF] { put(digit < 10 ? 0x30 + digit : 0x57 + digit) }
    }
  }
}

extension JSONWriter {
  /// Writes a member with a string, or with null for nil.
  package mutating func field(_ name: StaticString, _ value: String?) {
    self.name(name)
    if let value { string(value) } else { null() }
  }

  /// Writes a member with a whole number, or with null for nil.
  package mutating func field(_ name: StaticString, _ value: Int?) {
    self.name(name)
    if let value { integer(value) } else { null() }
  }

  /// Writes a member with `true` or `false`.
  package mutating func field(_ name: StaticString, _ value: Bool) {
    self.name(name)
    bool(value)
  }
}
