import CBuild
import Store

/// The version of the executable (<https://semver.org>), and what it is made of.
enum Version {
  static let current = "1.1.0"

  /// The version; what `nginx/package` built it from; the SQLite that this process runs with. libfcgi does not
  /// tell its version, so only that of the build is known.
  static var report: String {
    let build = String(cString: tomi_build())
    return """
      \(current)
      \(build.isEmpty ? "Built without nginx/package, which records the commit" : build.replacing("; ", with: "\n"))
      SQLite in use: \(Store.libraryVersion)
      """
  }
}
