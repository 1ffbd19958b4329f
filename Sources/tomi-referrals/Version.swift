/// The executable's version (<https://semver.org>).
enum Version {
  static let current = "1.0.0"
}
