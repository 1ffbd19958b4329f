/// Reads the names and values of a parameter stream (specification 1.0 §3.4), one pair after the other.
struct Pairs {
  private let bytes: UnsafeRawBufferPointer
  private var offset = 0
  /// Whether a length ran past the end of the stream. Then no pair follows.
  private(set) var isBroken = false

  init(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
  }

  /// The next name and value, or nil at the end or where the stream is broken.
  mutating func next() -> (name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)? {
    guard offset < bytes.count else { return nil }
    guard let nameLength = nextLength(), let valueLength = nextLength(),
      nameLength + valueLength <= bytes.count - offset
    else {
      isBroken = true
      return nil
    }
    let middle = offset + nameLength
    let end = middle + valueLength
    defer { offset = end }
    return (
      UnsafeRawBufferPointer(rebasing: bytes[offset..<middle]),
      UnsafeRawBufferPointer(rebasing: bytes[middle..<end])
    )
  }

  private mutating func nextLength() -> Int? {
    guard offset < bytes.count else { return nil }
    guard bytes[offset] & 0x80 != 0 else {
      defer { offset += 1 }
      return Int(bytes[offset])
    }
    guard bytes.count - offset >= 4 else { return nil }
    defer { offset += 4 }
    return Int(bytes[offset] & 0x7F) << 24 | Int(bytes[offset + 1]) << 16
      | Int(bytes[offset + 2]) << 8 | Int(bytes[offset + 3])
  }
}
