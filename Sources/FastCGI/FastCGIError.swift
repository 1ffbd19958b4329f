import Glibc
import POSIX

/// Why a socket could not be set up, a server could not run, or a client got no answer.
package struct FastCGIError: Error, CustomStringConvertible, Sendable {
  /// One readable line, without a full stop.
  package let description: String

  init(_ description: String) {
    self.description = description
  }

  /// A failed system call: what the program was doing, and the reason that `errno` gives.
  static func system(_ doing: String, errno code: Int32 = errno) -> FastCGIError {
    FastCGIError("\(doing): \(systemErrorText(code))")
  }
}
