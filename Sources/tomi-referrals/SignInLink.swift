import API
import ArgumentParser
import Domain
import Store

/// `sign-in-link`: prints a link for signing in.
struct SignInLink: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sign-in-link", abstract: "Print a link with which a user signs in on the pages.",
    discussion: """
      The link is valid once, for 15 minutes. It gives a token of 30 days. With --admin the token has \
      the rights of staff, and the user is created if there is none with this address.
      """)

  @OptionGroup var database: DatabaseOption

  @OptionGroup var mail: MailOptions

  @Option(
    help: ArgumentHelp("The user's e-mail address.", valueName: "address"),
    transform: TokenCommand.Create.email)
  var email: String

  @Flag(help: "Give the rights of staff.")
  var admin = false

  func validate() throws {
    guard try mail.pages() != nil else {
      throw ValidationError(
        "The address of the pages is not given. Use --public-url URL or set TOMI_PUBLIC_URL.")
    }
  }

  func run() throws {
    let code = AccessToken.newCode()
    let store = try database.open()
    defer { store.close() }
    try store.write(now: .present, actor: nil) { [admin, email] change in
      let id =
        admin
        ? try TokenCommand.Create.user(email: email, in: change)
        : try known(email, in: change).id
      guard try change.user(id)?.isDisabled == false else {
        throw CommandError("the user \(id) is disabled")
      }
      try change.addSignInCode(
        AccessToken.sha256(of: code), for: id, scope: admin ? .admin : nil)
    }
    print("\(try mail.pages() ?? "")/sign-in#code=\(code)")
  }
}
