import Glibc

/// Why a socket could not be had, a server could not run, or a client got no answer.
package struct FastCGIError: Error, CustomStringConvertible, Sendable {
  /// One readable line, without a full stop.
  package let description: String

  init(_ description: String) {
    self.description = description
  }

  /// A system call that failed: what was being done, and the reason that `errno` gives.
  static func system(_ doing: String, errno code: Int32 = errno) -> FastCGIError {
    var text = [CChar](repeating: 0, count: 128)
    guard strerror_r(code, &text, text.count) == 0 else {
      return FastCGIError("\(doing): error \(code)")
    }
    let reason = text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
    return FastCGIError("\(doing): \(String(decoding: reason, as: UTF8.self))")
  }
}
