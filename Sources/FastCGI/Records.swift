import CFastCGI

/// The eight bytes at the head of each FastCGI record (specification 1.0 §3.3).
struct RecordHeader {
  /// How many bytes a header has.
  static let size = Int(FCGI_HEADER_LEN)

  let version: UInt8
  let type: Int32
  let requestID: UInt16
  let contentLength: Int
  let paddingLength: Int

  /// The record's length: header, content and padding.
  var recordLength: Int { Self.size + contentLength + paddingLength }

  /// Reads the header that begins at `offset`. At least ``size`` bytes must be there.
  init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
    version = bytes[offset]
    type = Int32(bytes[offset + 1])
    requestID = UInt16(bytes[offset + 2]) << 8 | UInt16(bytes[offset + 3])
    contentLength = Int(bytes[offset + 4]) << 8 | Int(bytes[offset + 5])
    paddingLength = Int(bytes[offset + 6])
  }

  /// Makes the header that begins at `offset` one of a record without padding.
  static func removePadding(_ bytes: UnsafeMutableRawBufferPointer, at offset: Int) {
    bytes[offset + 6] = 0
  }
}

extension [UInt8] {
  /// Appends a record of at most 65,535 bytes of content, without padding.
  mutating func appendRecord(type: Int32, requestID: UInt16, content: some Collection<UInt8>) {
    append(contentsOf: [
      UInt8(FCGI_VERSION_1), UInt8(type), UInt8(requestID >> 8), UInt8(requestID & 0xFF),
      UInt8(content.count >> 8), UInt8(content.count & 0xFF), 0, 0,
    ])
    append(contentsOf: content)
  }

  /// Appends the whole of a stream: records of at most 65,535 bytes, then the empty one that ends
  /// it.
  mutating func appendStream(type: Int32, requestID: UInt16, content: [UInt8]) {
    var rest = content[...]
    while !rest.isEmpty {
      let part = rest.prefix(Int(FCGI_MAX_LENGTH))
      appendRecord(type: type, requestID: requestID, content: part)
      rest = rest.dropFirst(part.count)
    }
    appendRecord(type: type, requestID: requestID, content: EmptyCollection())
  }

  /// Appends the record that ends a request.
  mutating func appendEnd(requestID: UInt16, protocolStatus: Int32) {
    appendRecord(
      type: FCGI_END_REQUEST, requestID: requestID,
      content: [0, 0, 0, 0, UInt8(protocolStatus), 0, 0, 0])
  }

  /// Appends a name and its value (specification 1.0 §3.4).
  mutating func appendPair(_ name: some Collection<UInt8>, _ value: some Collection<UInt8>) {
    for length in [name.count, value.count] {
      if length < 0x80 {
        append(UInt8(length))
      } else {
        append(UInt8(0x80 | length >> 24))
        append(contentsOf: [16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) })
      }
    }
    append(contentsOf: name)
    append(contentsOf: value)
  }
}

/// The names and values of a parameter stream (specification 1.0 §3.4), one after the other.
struct Pairs {
  private let bytes: UnsafeRawBufferPointer
  private var offset = 0
  /// Whether a length ran past the end of the stream. There is no next pair then.
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
