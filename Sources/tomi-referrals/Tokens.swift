import API
import ArgumentParser
import Domain
import Foundation
import JSON
import Store

/// `token`: who may call.
struct TokenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token", abstract: "Make, list and revoke access tokens.",
    subcommands: [Create.self, List.self, Revoke.self])

  /// How long a token lasts.
  enum Lifetime: ExpressibleByArgument {
    case never
    case days(Int)

    init?(argument: String) {
      if argument == "never" {
        self = .never
      } else if argument.hasSuffix("d"), let days = Int(argument.dropLast()),
        (1...36_500).contains(days)
      {
        self = .days(days)
      } else {
        return nil
      }
    }

    var defaultValueDescription: String {
      switch self {
      case .never: "never"
      case .days(let days): "\(days)d"
      }
    }
  }

  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a token and print it, this once, alone on standard output.",
      discussion: """
        An admin token gives all of staff's rights; it is made here and nowhere else. The staff
        user is made if the e-mail address is new, with the part before the @ for a name.
        """)

    @OptionGroup var database: DatabaseOption

    @Flag(help: "Make an admin token; needs --email.")
    var admin = false

    @Option(help: "The staff user's e-mail address.")
    var email: String?

    @Option(help: ArgumentHelp("The user whom an ordinary token is for.", valueName: "id"))
    var user: String?

    @Option(help: "What the token is for.")
    var name: String?

    @Option(
      name: .customLong("expires-in"),
      help: ArgumentHelp("How long it lasts: 30d for 30 days, or never.", valueName: "time"))
    var lifetime = Lifetime.days(Token.defaultDays)

    private enum Holder {
      case staff(email: String)
      case user(ID)
    }

    private func holder() throws -> Holder {
      switch (admin, email, user) {
      case (true, .some(let email), nil):
        guard case .success(.some(let email)) = TextRule.email.check(email) else {
          throw ValidationError("Not an e-mail address: \(email)")
        }
        return .staff(email: email)
      case (false, nil, .some(let user)):
        guard let id = ID(user) else { throw ValidationError("Not a user's ID: \(user)") }
        return .user(id)
      default:
        throw ValidationError("Give either --admin with --email, or --user.")
      }
    }

    /// The token's own fields.
    private func body(at now: Timestamp) throws -> Body {
      let expiry: JSON =
        if case .days(let days) = lifetime { .string(now.adding(days: days).text) } else { .null }
      let body = Body(
        ["name": name.map { .string($0) } ?? .null, "expires_at": expiry], Table.tokens.fields,
        by: .staff, at: now, isNew: true)
      if let error = body.errors.first { throw ValidationError("--name: \(error.problem.detail)") }
      return body
    }

    func validate() throws {
      _ = try holder()
      _ = try body(at: .present)
    }

    func run() throws {
      let holder = try holder()
      let now = Timestamp.present
      let body = try body(at: now)
      let secret = AccessToken.new()
      let isAdmin = admin
      let store = try database.open()
      defer { store.close() }
      try store.write(now: now, actor: nil) { change in
        let user: ID
        switch holder {
        case .user(let id): user = id
        case .staff(let email):
          if let known = try change.user(email: email) {
            user = known.id
          } else {
            user = change.newID()
            let name = String(email.prefix { $0 != "@" })
            try change.putUser(
              user,
              Body(
                ["email": .string(email), "name": .string(name)], Table.users.fields, by: .staff,
                at: now))
          }
        }
        guard let known = try change.user(user) else {
          throw CommandError("no user has the ID \(user)")
        }
        if known.isDisabled { throw CommandError("the user \(user) is disabled") }
        _ = try change.createToken(
          for: user, isAdmin: isAdmin, sha256: AccessToken.sha256(of: secret), body)
      }
      print(secret)
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the tokens, the newest first, without their secrets.")

    @OptionGroup var database: DatabaseOption

    func run() throws {
      let now = Timestamp.present
      let store = try database.open()
      defer { store.close() }
      let rows = try store.read(now: now) { snapshot in
        try snapshot.tokens().map { token in
          let user = try snapshot.user(token.userID)
          let state =
            if let revoked = token.revokedAt {
              "revoked \(revoked)"
            } else if let expiry = token.expiresAt {
              "\(expiry > now ? "expires" : "expired") \(expiry)"
            } else {
              "never expires"
            }
          return [
            token.id.text, token.isAdmin ? "admin" : "user", user?.email ?? "", token.name ?? "-",
            state,
          ]
        }
      }
      guard !rows.isEmpty else { return print("There are no tokens.") }
      let widths = (0..<5).map { column in rows.map { $0[column].count }.max() ?? 0 }
      for row in rows {
        let cells = zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
        print(cells.joined(separator: "  ").trimmingCharacters(in: .whitespaces))
      }
    }
  }

  struct Revoke: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Revoke a token, from the next request on.")

    @OptionGroup var database: DatabaseOption

    @Argument(help: "The token's ID, as token list shows it.")
    var id: String

    func validate() throws {
      guard ID(id) != nil else { throw ValidationError("Not a token's ID: \(id)") }
    }

    func run() throws {
      guard let id = ID(id) else { return }
      let store = try database.open()
      defer { store.close() }
      try store.write(now: .present, actor: nil) { change in
        guard try change.token(id) != nil else { throw CommandError("no token has the ID \(id)") }
        try change.revokeToken(id)
      }
      print("Revoked.")
    }
  }
}
