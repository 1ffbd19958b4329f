import Glibc

/// The system's text for an error number, such as `No such file or directory`.
///
/// strerror(3) is thread-safe since glibc 2.32.
package func systemErrorText(_ code: Int32) -> String {
  strerror(code).map { String(cString: $0) } ?? "error \(code)"
}
