import Glibc

/// The buffers of one of the server's threads. Only that thread uses them after its start; that makes the
/// class safe to share.
final class Worker: @unchecked Sendable {
  /// Where received bytes go.
  let input = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 8)
  let decoder: RequestDecoder
  /// The records of an answer.
  var output: [UInt8] = []
  /// The head of an answer.
  var head: [UInt8] = []
  /// Whether the thread runs only while it is needed; see ``ThreadLimiter``.
  let isExtra: Bool

  /// - Parameter requestSize: How many bytes the longest request has.
  /// - Throws: `FastCGIError` if libfcgi or the decoder's file cannot be set up.
  init(requestSize: Int, isExtra: Bool) throws {
    decoder = try RequestDecoder(requestSize: requestSize)
    self.isExtra = isExtra
  }

  deinit {
    input.deallocate()
  }
}
