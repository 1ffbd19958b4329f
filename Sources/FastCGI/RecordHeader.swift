import CFastCGI

/// The eight bytes at the head of each FastCGI record (specification 1.0 §3.3).
struct RecordHeader {
  /// The bytes of a header.
  static let size = Int(FCGI_HEADER_LEN)

  let version: UInt8
  let type: Int32
  let requestID: UInt16
  let contentLength: Int
  let paddingLength: Int

  /// The record's length: header, content and padding.
  var recordLength: Int { Self.size + contentLength + paddingLength }

  /// Reads the header that begins at `offset`. At least ``size`` bytes must follow.
  init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
    version = bytes[offset]
    type = Int32(bytes[offset + 1])
    requestID = UInt16(bytes[offset + 2]) << 8 | UInt16(bytes[offset + 3])
    contentLength = Int(bytes[offset + 4]) << 8 | Int(bytes[offset + 5])
    paddingLength = Int(bytes[offset + 6])
  }

  /// Sets the padding in the header that begins at `offset` to none.
  static func removePadding(_ bytes: UnsafeMutableRawBufferPointer, at offset: Int) {
    bytes[offset + 6] = 0
  }
}

extension [UInt8] {
  /// Appends a record without padding, of at most 65,535 bytes of content.
  mutating func appendRecord(type: Int32, requestID: UInt16, content: some Collection<UInt8>) {
    append(UInt8(FCGI_VERSION_1))
    append(UInt8(type))
    append(UInt8(requestID >> 8))
    append(UInt8(requestID & 0xFF))
    append(UInt8(content.count >> 8))
    append(UInt8(content.count & 0xFF))
    append(0)
    append(0)
    append(contentsOf: content)
  }

  /// Appends a part of a stream, in records of at most 65,535 bytes.
  mutating func appendStreamPart(type: Int32, requestID: UInt16, content: [UInt8]) {
    var rest = content[...]
    while !rest.isEmpty {
      let part = rest.prefix(Int(FCGI_MAX_LENGTH))
      appendRecord(type: type, requestID: requestID, content: part)
      rest = rest.dropFirst(part.count)
    }
  }

  /// Appends the empty record that ends a stream.
  mutating func appendStreamEnd(type: Int32, requestID: UInt16) {
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
