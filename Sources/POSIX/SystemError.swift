import Glibc

/// The system's own words for an error number, such as `No such file or directory`.
///
/// strerror(3) is safe in every thread from glibc 2.32 on.
package func systemErrorText(_ code: Int32) -> String {
  strerror(code).map { String(cString: $0) } ?? "error \(code)"
}
