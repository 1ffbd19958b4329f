import API
import ArgumentParser
import Domain
import Foundation
import JSON
import Store

/// `token`: manages access tokens.
struct TokenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token", abstract: "Create, list and revoke access tokens.",
    subcommands: [Create.self, List.self, Revoke.self])

  /// How long a token is valid.
  struct Lifetime: ExpressibleByArgument {
    /// The number of days; nil if the token never expires.
    let days: Int?

    init(days: Int?) { self.days = days }

    init?(argument: String) {
      let days = argument.hasSuffix("d") ? Int(argument.dropLast()) : nil
      guard argument == "never" || (1...36_500).contains(days ?? 0) else { return nil }
      self.init(days: days)
    }

    var defaultValueDescription: String { days.map { "\($0)d" } ?? "never" }
  }

  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Create a token and print it. It cannot be shown again.",
      discussion: """
        An admin token has the rights of staff, or a part of them, which --scope chooses: admin (all), \
        read (staff's and groups' GET requests), sync (users, groups and their tokens, for the systems \
        that own accounts) or events (GET /api/admin/events, for mailers and bots). Only this command \
        and sign-in-link --admin create one. If no user has the e-mail address, a user is created whose \
        name is the part of the address before the @.
        """)

    @OptionGroup var database: DatabaseOption

    @Flag(help: "Create an admin token. Needs --email.")
    var admin = false

    @Option(help: ArgumentHelp("What an admin token may do (default: admin).", valueName: "scope"))
    var scope: Scope?

    @Option(help: "The e-mail address of the staff user.", transform: Create.email)
    var email: String?

    @Option(help: ArgumentHelp("The user of a token without the rights of staff.", valueName: "id"))
    var user: ID?

    @Option(help: "What the token is for.")
    var name: String?

    @Option(
      name: .customLong("expires-in"),
      help: ArgumentHelp(
        "How long it is valid, such as 30d for 30 days, or never.", valueName: "time"))
    var lifetime = Lifetime(days: Token.defaultDays)

    static func email(_ text: String) throws -> String {
      switch TextRule.email.check(text) {
      case .success(let email?): return email
      case .success(nil): throw ValidationError("Must not be empty.")
      case .failure(let problem): throw ValidationError(problem.detail)
      }
    }

    func validate() throws {
      guard admin == (email != nil), admin != (user != nil) else {
        throw ValidationError("Use either --admin with --email, or --user.")
      }
      guard admin || scope == nil else { throw ValidationError("Only --admin takes --scope.") }
      if let error = body(at: .present).errors.first {
        throw ValidationError("The value of --name is invalid: \(error.problem.detail)")
      }
    }

    /// The fields of the token.
    private func body(at now: Timestamp) -> Body {
      let expiry: JSON = lifetime.days.map { "\(now.adding(days: $0))" } ?? .null
      return Body(
        ["name": name.map { .string($0) } ?? .null, "expires_at": expiry], Table.tokens.fields,
        by: .staff, at: now, isNew: true)
    }

    func run() throws {
      let now = Timestamp.present
      let body = body(at: now)
      let secret = AccessToken.new()
      let store = try database.open()
      defer { store.close() }
      let scope = admin ? scope ?? .admin : nil
      try store.write(now: now, actor: nil) { [email, user] change in
        guard let id = try user ?? email.map({ try Create.user(email: $0, in: change) }),
          let holder = try change.user(id)
        else { throw CommandError("no user has the ID \(user?.text ?? "")") }
        if holder.isDisabled { throw CommandError("the user \(id) is disabled") }
        _ = try change.createToken(
          for: id, scope: scope, sha256: AccessToken.sha256(of: secret), body)
      }
      print(secret)
    }

    /// The ID of the user with an e-mail address, who is created if there is none.
    static func user(email: String, in change: Change) throws -> ID {
      if let known = try change.user(email: email) { return known.id }
      let id = change.newID()
      let fields: JSON = [
        "email": .string(email), "name": .string(String(email.prefix { $0 != "@" })),
      ]
      try change.putUser(id, Body(fields, Table.users.fields, by: .staff, at: change.now))
      return id
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the tokens without their secrets, newest first.",
      discussion: """
        Each line has the token's ID, its scope (user: a token without the rights of staff), its user, \
        its name, who created it over HTTP, and until when it is valid.
        """)

    @OptionGroup var database: DatabaseOption

    func run() throws {
      let now = Timestamp.present
      let store = try database.open()
      defer { store.close() }
      let rows = try store.read(now: now) { snapshot in
        try snapshot.tokens().map { token in
          let state =
            token.revokedAt.map { "revoked \($0)" }
            ?? token.expiresAt.map { "\($0 > now ? "expires" : "expired") \($0)" }
            ?? "never expires"
          return [
            token.id.text, token.scope?.rawValue ?? "user",
            try snapshot.user(token.userID)?.email ?? "", token.name ?? "-",
            try token.createdBy.map { "by \(try snapshot.user($0)?.email ?? $0.text)" }
              ?? "by the command line",
            state,
          ]
        }
      }
      if rows.isEmpty { print("There are no tokens.") }
      let widths = (0..<6).map { column in rows.map { $0[column].count }.max() ?? 0 }
      for row in rows {
        let cells = zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
        print(cells.joined(separator: "  ").trimmingCharacters(in: .whitespaces))
      }
    }
  }

  struct Revoke: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Revoke tokens. Requests with them fail from now on.",
      discussion: """
        With --created-by it revokes every token that a user created over HTTP. Use it after an admin \
        token leaked, and revoke that token itself as well.
        """)

    @OptionGroup var database: DatabaseOption

    @Argument(help: "The token's ID, as `token list` shows it.")
    var id: ID?

    @Option(help: ArgumentHelp("The ID or the e-mail address of the creator.", valueName: "user"))
    var createdBy: String?

    func validate() throws {
      guard (id == nil) != (createdBy == nil) else {
        throw ValidationError("Give either the ID of a token, or --created-by.")
      }
    }

    func run() throws {
      let store = try database.open()
      defer { store.close() }
      let count = try store.write(now: .present, actor: nil) { [id, createdBy] change in
        if let id {
          guard try change.token(id) != nil else {
            throw CommandError("no token has the ID \(id)")
          }
          try change.revokeToken(id)
          return 1
        }
        return try change.revokeTokens(createdBy: known(createdBy ?? "", in: change).id)
      }
      print(id == nil ? "Revoked \(Wording.count(count, "token"))." : "Revoked.")
    }
  }
}
