import CFastCGI
import Glibc

/// Finds the next request in the bytes of a connection that is whole and safe for libfcgi.
///
/// libfcgi 2.4.2 parses while it reads: half a request holds its thread for as long as the peer likes, and
/// the bytes that it reads past the end of a request are lost. It also trusts its peer. A parameter length
/// near 2³¹ ends in a failed assertion (`ReadParams`, `Malloc`), a few repeated names in FCGI_GET_VALUES
/// overflow a buffer on the stack (`ProcessManagementRecord`), and it accepts parameters without any limit.
/// So this type checks the records first, and libfcgi gets a request when all of it has arrived: one
/// FCGI_BEGIN_REQUEST, its FCGI_PARAMS and its FCGI_STDIN, without padding and with nothing in between. This
/// type also answers the other records that the specification lets a web server send.
struct RequestFramer {
  /// How much a connection may send.
  struct Limits: Sendable {
    /// Bytes of parameters in a request.
    var parameters: Int
    /// Bytes of body that are kept. A longer body is counted, and its rest is dropped.
    var body: Int
    /// How many connections the web server may open, as FCGI_GET_VALUES reports it.
    var connections: Int

    /// Bytes of a request as it is kept, with record headers. A peer that cuts its streams into records
    /// of a few bytes each reaches this limit before the others.
    var bytes: Int { parameters + body + (128 << 10) }
  }

  /// The result of ``scan(_:)``.
  enum Outcome: Equatable {
    /// The request is not whole yet. The next scan needs the first `kept` bytes, and behind them the bytes
    /// that arrive next.
    case incomplete(kept: Int)
    /// The first `length` bytes are a request. The bytes that follow it begin at `next`.
    case complete(length: Int, next: Int)
    /// The last request ended without being served, and the connection with it.
    case ended
    /// The bytes break the protocol or a limit. The connection must be closed.
    case refused
  }

  private enum Phase {
    /// No request has begun.
    case outside
    case parameters
    case input
  }

  private enum Verdict {
    case keep
    case skip
    case last
    case end
    case refuse
  }

  /// Records to send to the web server before anything else.
  var replies: [UInt8] = []
  /// Whether the web server goes on using the connection after the request.
  private(set) var keepsConnection = false
  /// The request's ID.
  private(set) var requestID: UInt16 = 0
  /// How many bytes the body of the request has, including those that were dropped.
  private(set) var bodySize = 0

  private let limits: Limits
  private var phase = Phase.outside
  private var parametersSize = 0
  /// How many bytes at the front are checked records of the request.
  private var accepted = 0

  init(limits: Limits) {
    self.limits = limits
  }

  /// Checks the records that are whole, and removes those from `bytes` that libfcgi must not see.
  ///
  /// `bytes` begins with the bytes that the last scan kept. The bytes behind those that the outcome names
  /// are undefined afterwards.
  mutating func scan(_ bytes: UnsafeMutableRawBufferPointer) -> Outcome {
    var unread = accepted
    while bytes.count - unread >= RecordHeader.size {
      let header = RecordHeader(UnsafeRawBufferPointer(bytes), at: unread)
      guard header.version == UInt8(FCGI_VERSION_1) else { return .refused }
      guard bytes.count - unread >= header.recordLength else { break }
      let verdict = judge(header, at: unread, in: UnsafeRawBufferPointer(bytes))
      let next = unread + header.recordLength
      if verdict == .keep || verdict == .last {
        // The padding goes, because libfcgi forgets that of the record that ends FCGI_PARAMS
        // (`SetReaderType`) and would read it as further records.
        RecordHeader.removePadding(bytes, at: unread)
        let bare = unread..<unread + RecordHeader.size + header.contentLength
        Self.move(bare, to: accepted, in: bytes)
        accepted += bare.count
      }
      if verdict == .last { return .complete(length: accepted, next: next) }
      if verdict == .end { return .ended }
      if verdict == .refuse || accepted > limits.bytes { return .refused }
      unread = next
    }
    Self.move(unread..<bytes.count, to: accepted, in: bytes)
    return .incomplete(kept: accepted + bytes.count - unread)
  }

  private static func move(
    _ range: Range<Int>, to start: Int, in bytes: UnsafeMutableRawBufferPointer
  ) {
    guard range.lowerBound != start, let base = bytes.baseAddress else { return }
    memmove(base + start, base + range.lowerBound, range.count)
  }

  private mutating func judge(
    _ header: RecordHeader, at offset: Int, in bytes: UnsafeRawBufferPointer
  ) -> Verdict {
    let start = offset + RecordHeader.size
    let content = UnsafeRawBufferPointer(rebasing: bytes[start..<start + header.contentLength])
    if header.type == FCGI_BEGIN_REQUEST { return begin(header, content) }
    if header.requestID == UInt16(FCGI_NULL_REQUEST_ID) { return manage(header, content) }
    // Records of a request that is not active are ignored (specification 1.0 §3.3).
    guard phase != .outside, header.requestID == requestID else { return .skip }
    switch (header.type, phase) {
    case (FCGI_PARAMS, .parameters):
      guard content.isEmpty else {
        parametersSize += content.count
        return parametersSize <= limits.parameters ? .keep : .refuse
      }
      phase = .input
      return parametersAreSound(in: bytes) ? .keep : .refuse
    case (FCGI_STDIN, .input):
      guard !content.isEmpty else { return .last }
      bodySize += content.count
      return bodySize <= limits.body ? .keep : .skip
    case (FCGI_ABORT_REQUEST, _):
      replies.appendEnd(requestID: requestID, protocolStatus: FCGI_REQUEST_COMPLETE)
      return abandon()
    default:
      return .refuse
    }
  }

  private mutating func begin(_ header: RecordHeader, _ content: UnsafeRawBufferPointer) -> Verdict
  {
    guard header.requestID != UInt16(FCGI_NULL_REQUEST_ID),
      content.count == MemoryLayout<FCGI_BeginRequestBody>.size
    else { return .refuse }
    guard phase == .outside else {
      if header.requestID == requestID { return .refuse }
      replies.appendEnd(requestID: header.requestID, protocolStatus: FCGI_CANT_MPX_CONN)
      return .skip
    }
    requestID = header.requestID
    keepsConnection = content[2] & UInt8(FCGI_KEEP_CONN) != 0
    guard Int32(content[0]) << 8 | Int32(content[1]) == FCGI_RESPONDER else {
      replies.appendEnd(requestID: requestID, protocolStatus: FCGI_UNKNOWN_ROLE)
      return abandon()
    }
    phase = .parameters
    return .keep
  }

  /// Forgets a request that ended without being served.
  private mutating func abandon() -> Verdict {
    phase = .outside
    parametersSize = 0
    bodySize = 0
    accepted = 0
    return keepsConnection ? .skip : .end
  }

  /// Answers a management record (specification 1.0 §4).
  private mutating func manage(_ header: RecordHeader, _ content: UnsafeRawBufferPointer) -> Verdict
  {
    let null = UInt16(FCGI_NULL_REQUEST_ID)
    guard header.type == FCGI_GET_VALUES else {
      replies.appendRecord(
        type: FCGI_UNKNOWN_TYPE, requestID: null,
        content: [UInt8(header.type), 0, 0, 0, 0, 0, 0, 0])
      return .skip
    }
    var asked: Set<String> = []
    var pairs = Pairs(content)
    while let (name, _) = pairs.next() {
      asked.insert(String(decoding: name, as: UTF8.self))
    }
    if pairs.isBroken { return .refuse }
    var values: [UInt8] = []
    for (name, value) in [
      (FCGI_MAX_CONNS, limits.connections), (FCGI_MAX_REQS, limits.connections),
      (FCGI_MPXS_CONNS, 0),
    ] where asked.contains(name) {
      values.appendPair(name.utf8, String(value).utf8)
    }
    replies.appendRecord(type: FCGI_GET_VALUES_RESULT, requestID: null, content: values)
    return .skip
  }

  /// Whether the parameters end where their lengths say, and libfcgi can represent them. It makes C strings
  /// `name=value` of them. A NUL would cut them short, and an equals sign in a name would make another
  /// variable.
  private func parametersAreSound(in bytes: UnsafeRawBufferPointer) -> Bool {
    var parts: [UnsafeRawBufferPointer] = []
    var offset = 0
    while offset < accepted {
      let header = RecordHeader(bytes, at: offset)
      if header.type == FCGI_PARAMS {
        let start = offset + RecordHeader.size
        parts.append(UnsafeRawBufferPointer(rebasing: bytes[start..<start + header.contentLength]))
      }
      offset += header.recordLength
    }
    if parts.count == 1 { return Self.areSound(Pairs(parts[0])) }
    return Array(parts.joined()).withUnsafeBytes { Self.areSound(Pairs($0)) }
  }

  private static func areSound(_ parameters: Pairs) -> Bool {
    func contains(_ byte: Int32, _ bytes: UnsafeRawBufferPointer) -> Bool {
      guard let start = bytes.baseAddress else { return false }
      return memchr(start, byte, bytes.count) != nil
    }
    var pairs = parameters
    while let (name, value) = pairs.next() {
      if contains(0, name) || contains(Int32(UInt8(ascii: "=")), name) || contains(0, value) {
        return false
      }
    }
    return !pairs.isBroken
  }
}
