/// What is embedded in the executable: the database's migrations and the API's description.
package enum Schema {
  /// One numbered step of the database's schema. A step that has shipped never changes.
  package struct Migration: Sendable {
    /// 1 for the first; the database keeps the last one applied in `PRAGMA user_version`.
    package let number: Int
    /// The file's name without its number, such as `initial`.
    package let name: String
    /// The statements, run as one transaction.
    package let sql: String
  }

  /// Every migration, in order and without a gap.
  package static let migrations: [Migration] = [
    // SwiftPM names an embedded resource after its file, with what Swift's identifiers forbid as "_".
    Migration(number: 1, name: "initial", sql: text(PackageResources._001_initial_sql)),
    Migration(number: 2, name: "found_in_use", sql: text(PackageResources._002_found_in_use_sql)),
    Migration(number: 3, name: "operation", sql: text(PackageResources._003_operation_sql)),
    Migration(number: 4, name: "messages", sql: text(PackageResources._004_messages_sql)),
  ]

  /// The OpenAPI 3.1 document that the service is tested against, as UTF-8.
  package static let openAPI: [UInt8] = PackageResources.openapi_yaml

  private static func text(_ bytes: [UInt8]) -> String {
    String(decoding: bytes, as: UTF8.self)
  }
}
