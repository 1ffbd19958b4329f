/// The version of the executable (<https://semver.org>).
enum Version {
  static let current = "1.0.0"
}
