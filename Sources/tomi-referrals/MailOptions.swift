import ArgumentParser
import Domain
import Foundation
import Mail
import Store

/// The options of the commands that make messages.
struct MailOptions: ParsableArguments {
  /// Where the package has the templates that replace the embedded ones.
  private static let usualTemplates = "/etc/tomi-referrals/mail"

  @Option(
    help: ArgumentHelp(
      """
      The address that messages come from (default: TOMI_MAIL_FROM). Without it, the service makes no \
      messages.
      """, valueName: "address"))
  var mailFrom: String?

  @Option(
    help: ArgumentHelp(
      """
      The address of staff, which gets messages that are nobody's in particular, and answers to the \
      others (default: TOMI_STAFF_ADDRESS, or none).
      """, valueName: "address"))
  var staffAddress: String?

  @Option(
    name: .customLong("public-url"),
    help: ArgumentHelp(
      """
      The address of the service's pages, such as https://referrals.example, for links in messages \
      (default: TOMI_PUBLIC_URL, or no links).
      """, valueName: "url"))
  var publicURL: String?

  @Option(
    help: ArgumentHelp(
      """
      A directory of templates that replace those of the same name (default: TOMI_MAIL_TEMPLATES, or \
      /etc/tomi-referrals/mail if it exists).
      """, valueName: "directory"))
  var mailTemplates: String?

  /// The sender's address; nil if there is none.
  ///
  /// - Throws: `ValidationError`.
  func sender() throws -> String? { try address(mailFrom, "mail-from", "TOMI_MAIL_FROM") }

  /// Staff's address; nil if there is none.
  ///
  /// - Throws: `ValidationError`.
  func staff() throws -> String? {
    try address(staffAddress, "staff-address", "TOMI_STAFF_ADDRESS")
  }

  private func address(_ text: String?, _ option: String, _ variable: String) throws -> String? {
    guard let text = try value(of: text, or: variable) else { return nil }
    switch TextRule.email.check(text) {
    case .success(let address): return address
    case .failure(let problem):
      throw ValidationError("The value '\(text)' is invalid for --\(option): \(problem.detail)")
    }
  }

  /// The address of the pages without a slash at the end; nil if there is none.
  ///
  /// - Throws: `ValidationError`.
  func pages() throws -> String? {
    guard let text = try value(of: publicURL, or: "TOMI_PUBLIC_URL") else { return nil }
    guard case .success(let address?) = TextRule.website.check(text),
      !address.contains(where: { "?#".contains($0) })
    else {
      throw ValidationError(
        "The value '\(text)' is invalid for --public-url. Use an address such as https://referrals.example."
      )
    }
    return String(address.reversed().drop { $0 == "/" }.reversed())
  }

  /// How messages are made.
  ///
  /// - Throws: `ValidationError`, and `CommandError` for a template that can't be used.
  func settings() throws -> MailSettings {
    let directory =
      try value(of: mailTemplates, or: "TOMI_MAIL_TEMPLATES")
      ?? (FileManager.default.fileExists(atPath: MailOptions.usualTemplates)
        ? MailOptions.usualTemplates : nil)
    let templates: Templates
    do {
      templates = try Templates(replacedBy: directory)
    } catch let error as TemplateError {
      throw CommandError("cannot use a template of messages: \(error)")
    }
    return MailSettings(
      sender: try sender(), staffAddress: try staff(), publicURL: try pages(),
      letter: templates.letter)
  }

  func validate() throws { _ = (try sender(), try staff(), try pages()) }
}
