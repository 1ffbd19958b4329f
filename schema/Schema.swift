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
    Migration(number: 5, name: "pages", sql: text(PackageResources._005_pages_sql)),
  ]

  /// The OpenAPI 3.1 document that the service is tested against, as UTF-8.
  package static let openAPI: [UInt8] = PackageResources.openapi_yaml

  /// The templates of the messages that the service sends, as UTF-8, by kind.
  package static let mailTemplates: [String: [UInt8]] = [
    "request.received": PackageResources.request_received_mustache,
    "request.new": PackageResources.request_new_mustache,
    "introduction.partner": PackageResources.introduction_partner_mustache,
    "introduction.group": PackageResources.introduction_group_mustache,
    "introduction.reminder": PackageResources.introduction_reminder_mustache,
    "introduction.unanswered": PackageResources.introduction_unanswered_mustache,
    "referral.answered": PackageResources.referral_answered_mustache,
    "referral.outcome": PackageResources.referral_outcome_mustache,
    "partner.invited": PackageResources.partner_invited_mustache,
    "partner.activated": PackageResources.partner_activated_mustache,
    "partner.changes_reviewed": PackageResources.partner_changes_reviewed_mustache,
    "partner.changes_waiting": PackageResources.partner_changes_waiting_mustache,
    "credential.expiring": PackageResources.credential_expiring_mustache,
    "coverage.available": PackageResources.coverage_available_mustache,
    "sign_in": PackageResources.sign_in_mustache,
    "waitlist.confirm": PackageResources.waitlist_confirm_mustache,
  ]

  private static func text(_ bytes: [UInt8]) -> String {
    String(decoding: bytes, as: UTF8.self)
  }
}
