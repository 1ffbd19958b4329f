// libFuzzer calls this with each input, the bytes of a connection. The framer reads them, and each request that it finds
// goes to libfcgi. intake.py compiles this file with Sources/FastCGI. A violated expectation ends the process.

import CFastCGI

private let limits = RequestFramer.Limits(parameters: 1000, body: 500, connections: 10)
// libFuzzer calls from one thread.
nonisolated(unsafe) private let decoder = try! RequestDecoder(requestSize: limits.bytes)

/// The result of a connection's bytes.
private struct Outcome: Equatable {
  var requests: [[UInt8]] = []
  var bodySizes: [Int] = []
  var replies: [UInt8] = []
  var isRefused = false
}

/// Reads the bytes as a server does that receives them in pieces of `size`.
private func read(_ bytes: ArraySlice<UInt8>, inPiecesOf size: Int) -> Outcome {
  var outcome = Outcome()
  var framer = RequestFramer(limits: limits)
  var pending: [UInt8] = []
  var unsent = bytes
  while !unsent.isEmpty {
    pending += unsent.prefix(size)
    unsent = unsent.dropFirst(size)
    scanning: while true {
      let found = pending.withUnsafeMutableBytes { framer.scan($0) }
      outcome.replies += framer.replies
      framer.replies = []
      switch found {
      case .refused, .ended:
        outcome.isRefused = true
        return outcome
      case .incomplete(let kept):
        precondition(kept <= pending.count, "more is kept than came")
        pending.removeLast(pending.count - kept)
        break scanning
      case .complete(let length, let next):
        precondition(length <= next && next <= pending.count, "a request is longer than what came")
        outcome.requests.append(Array(pending[..<length]))
        outcome.bodySizes.append(framer.bodySize)
        pending.removeFirst(next)
        framer = RequestFramer(limits: limits)
      }
    }
  }
  return outcome
}

/// What a request says, read from its records without libfcgi.
private func parts(of request: [UInt8]) -> (parameters: [Request.Parameter], body: [UInt8]) {
  var streams: [Int32: [UInt8]] = [:]
  var types: [Int32] = []
  var offset = 0
  request.withUnsafeBytes { bytes in
    while offset < bytes.count {
      let header = RecordHeader(bytes, at: offset)
      precondition(offset + header.recordLength <= bytes.count, "a record is cut off")
      let start = offset + RecordHeader.size
      let content = bytes[start..<start + header.contentLength]
      streams[header.type, default: []] += content
      types.append(header.type)
      offset += header.recordLength
    }
  }
  precondition(types == types.sorted() && types.last == FCGI_STDIN, "records are out of order")
  precondition(Set(types) == [FCGI_BEGIN_REQUEST, FCGI_PARAMS, FCGI_STDIN], "records are missing")
  var parameters: [Request.Parameter] = []
  streams[FCGI_PARAMS]!.withUnsafeBytes { bytes in
    var pairs = Pairs(bytes)
    while let (name, value) = pairs.next() {
      parameters.append(
        Request.Parameter(
          name: String(decoding: name, as: UTF8.self),
          value: String(decoding: value, as: UTF8.self)))
    }
    precondition(!pairs.isBroken, "parameters are cut off")
  }
  return (parameters, streams[FCGI_STDIN]!)
}

/// The first byte says in which pieces the others come.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let input = Array(UnsafeBufferPointer(start: start, count: count))
  guard let size = input.first else { return 0 }
  let outcome = read(input.dropFirst(), inPiecesOf: .max)
  let inPieces = read(input.dropFirst(), inPiecesOf: Int(size) + 1)
  precondition(inPieces == outcome, "it matters how the bytes are cut")
  for (request, bodySize) in zip(outcome.requests, outcome.bodySizes) {
    let (parameters, body) = parts(of: request)
    let lies = parameters.contains {
      $0.name == "CONTENT_LENGTH" && !$0.value.isEmpty
        && !($0.value.allSatisfy { "0"..."9" ~= $0 } && Int($0.value) == bodySize)
    }
    let received = request.withUnsafeBytes {
      decoder.decode($0, bodySize: bodySize, bodyLimit: limits.body)
    }
    precondition((received == nil) == lies, "libfcgi does not take a request, or takes a lie")
    if let received {
      precondition(received.parameters == parameters, "libfcgi reads other parameters")
      let expected: Request.Body = bodySize > limits.body ? .tooLarge : .complete(body)
      precondition(received.body == expected, "libfcgi reads another body")
    }
  }
  return 0
}
