import Foundation
import Testing

extension EndToEnd {
  @Suite("Commands") struct CommandTests {
    private static let all = [
      ["serve"], ["migrate"], ["token"], ["token", "create"], ["token", "list"],
      ["token", "revoke"], ["backup"], ["restore"], ["check"], ["import", "partners"],
      ["export", "partners"],
      ["export", "referrals"], ["export", "postgres"], ["health"], ["status"], ["demo"],
      ["person", "export"], ["person", "erase"], ["partner", "erase"], ["mail"],
      ["sign-in-link"],
    ]

    /// Checks that a command ended with 1 and one line on standard error.
    private static func expectFailure(
      _ result: Program.Result, _ text: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
      #expect(result.status == 1, "\(result)", sourceLocation: sourceLocation)
      #expect(result.errorLines.count == 1, "\(result)", sourceLocation: sourceLocation)
      #expect(result.errors.hasSuffix("\n"), "\(result)", sourceLocation: sourceLocation)
      #expect(
        result.errors.lowercased().contains(text), "\(result)", sourceLocation: sourceLocation)
    }

    @Test("no command prints the help; each command has its own")
    func help() throws {
      let none = try Service.command([])
      #expect(none.status == 0 && none.errors.isEmpty)
      for name in Set(Self.all.map { $0[0] }) {
        #expect(none.output.contains("  \(name) "), "\(name)")
      }
      #expect(try Service.command(["--help"]).output == none.output)
      var texts: Set<String> = []
      for command in Self.all {
        let help = try Service.command(command + ["--help"])
        #expect(help.status == 0 && help.errors.isEmpty, "\(command)")
        let usage = "USAGE: tomi-referrals \(command.joined(separator: " "))"
        #expect(help.output.contains(usage), "\(command): \(help.output)")
        texts.insert(help.output)
      }
      #expect(texts.count == Self.all.count)
    }

    @Test("wrong usage ends with 64, and makes nothing")
    func wrongUsage() throws {
      try inFolder { folder in
        let database = ["--database", "\(folder)/referrals.db"]
        let id = UUID().uuidString
        let admin = ["token", "create", "--admin", "--email", "a@b.example"]
        for arguments in [
          // No database.
          ["migrate"], ["check"], ["token", "list"], ["backup", "\(folder)/copy"], ["demo"], admin,
          ["serve", "--socket", "\(folder)/s"],
          // No file.
          ["migrate", "--database", folder], ["demo", "--database", "\(folder)/"],
          // No socket.
          ["health"], ["status"],
          // Malformed IDs and values.
          ["token", "revoke", "1"] + database, ["token", "create", "--user", "1"] + database,
          ["token", "create", "--user", id, "--admin"] + database,
          ["token", "create"] + database, ["token", "create", "--admin"] + database,
          ["token", "create", "--admin", "--email", "nobody"] + database,
          admin + ["--expires-in", "soon"] + database, admin + ["--expires-in", "0d"] + database,
          admin + ["--expires-in", "-1d"] + database, admin + ["--expires-in", "30"] + database,
          admin + ["--name", String(repeating: "n", count: 101)] + database,
          admin + ["--scope", "all"] + database, admin + ["--scope", ""] + database,
          ["token", "create", "--user", id, "--scope", "read"] + database,
          ["token", "revoke"] + database, ["token", "revoke", id, "--created-by", id] + database,
          ["serve", "--socket", "\(folder)/s", "--threads", "0"] + database,
          ["serve", "--socket", "\(folder)/s", "--threads", "many"] + database,
          ["serve", "--socket", "\(folder)/s", "--group-requests-per-day", "0"] + database,
          ["serve", "--socket", "\(folder)/s", "--partner-changes-per-day", "-1"] + database,
          ["serve", "--socket", "\(folder)/s", "--changes-per-commit", "0"] + database,
          ["serve", "--socket", "\(folder)/s", "--require-consent"] + database,
          ["serve", "--socket", "\(folder)/s", "--allow-origin", "*"] + database,
          ["serve", "--socket", "\(folder)/s", "--log-level", "loud"] + database,
          ["demo", "--partners", "-1"] + database, ["demo", "--seed", "x"] + database,
          ["demo", "--referrals", "1000001"] + database,
          ["demo", "--until", "2999-01-01T00:00:00Z"] + database,
          ["demo", "--until", "x"] + database,
          ["demo", "--until", "1999-12-31T23:59:59Z"] + database,
          ["mail"] + database, ["mail", "--mail-from", "nobody"] + database,
          ["mail", "--mail-from", "a@b.example", "--into", "x", "--sendmail", "y"] + database,
          ["sign-in-link", "--email", "a@b.example"] + database,
          ["sign-in-link", "--email", "nobody", "--public-url", "https://a.example"] + database,
          ["serve", "--socket", "\(folder)/s", "--public-url", "tomi"] + database,
          ["serve", "--socket", "\(folder)/s", "--staff-address", "tomi"] + database,
          ["backup"] + database, ["serve"] + database,
          ["person", "export"] + database, ["person", "erase"] + database,
          ["person", "erase", id, id] + database, ["partner", "erase", "1"] + database,
          // Unknown ones.
          ["dance"], ["migrate", "--quickly"] + database, ["migrate", "now"] + database,
        ] {
          let result = try Service.command(arguments)
          #expect(result.status == 64, "\(arguments): \(result)")
          #expect(!result.errors.isEmpty && result.output.isEmpty, "\(arguments): \(result)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == [])
      }
    }

    @Test(
      "serve shows the text of a consent file, cached like all public answers, and refuses a broken one"
    )
    func consent() throws {
      try inFolder { folder in
        let file = "\(folder)/consent.txt"
        try Data("Version: 2026-01\n\nYou agree.\n".utf8).write(to: URL(fileURLWithPath: file))
        try Service.run(.init(responder: ["--consent-file", file], cache: true)) { service in
          let first = try service.anyone.get("/api/consent").expect(200)
          #expect(try first.json == ["version": "2026-01", "text": "You agree."])
          // A token is not looked at, and nginx answers the second request itself.
          #expect(service.stopResponder() == .exit(0))
          #expect(try service.anyone.get("/api/consent").expect(200).body == first.body)
        }
        let serve = ["serve", "--socket", "\(folder)/s", "--consent-file", file]
        for (text, reason) in [
          ("You agree.", "its first line must be the version, such as \"Version: 2026-01\""),
          ("Version: 1\n\n", "it has no text"),
        ] {
          try Data(text.utf8).write(to: URL(fileURLWithPath: file))
          let result = try Service.command(serve, database: "\(folder)/referrals.db")
          #expect(result.status == 1)
          #expect(result.errors.contains("cannot use the consent file \(file): \(reason)"))
        }
        try Data([0xFF]).write(to: URL(fileURLWithPath: file))
        #expect(
          try Service.command(serve, database: "\(folder)/referrals.db").errors
            .contains("cannot use the consent file \(file): it is not UTF-8"))
        try FileManager.default.removeItem(atPath: file)
        let missing = try Service.command(
          ["serve", "--socket", "\(folder)/s"], database: "\(folder)/referrals.db",
          environment: ["TOMI_CONSENT_FILE": file])
        #expect(missing.status == 1)
        #expect(missing.errors.contains("cannot read the consent file \(file)"))
      }
    }

    @Test("migrate says what it does, --dry-run what it would do")
    func migrate() throws {
      try inFolder { folder in
        let database = "\(folder)/referrals.db"
        let plan = try Service.command(["migrate", "--dry-run"], database: database)
        #expect(plan.status == 0)
        #expect(
          plan.lines == [
            "Would apply migration 1, initial.", "Would apply migration 2, found_in_use.",
            "Would apply migration 3, operation.", "Would apply migration 4, messages.",
            "Would apply migration 5, pages.",
            "This takes about a second.",
          ])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == [])
        let first = try Service.command(["migrate"], environment: ["TOMI_DATABASE": database])
        #expect(first.status == 0)
        #expect(
          first.lines == plan.lines.dropLast().map { $0.replacing("Would apply", with: "Applied") })
        let second = try Service.command(["migrate"], database: database)
        let third = try Service.command(["migrate", "--dry-run"], database: database)
        #expect(second.status == 0 && second.output == third.output)
        #expect(second.output != first.output)
        #expect(try Service.command(["check"], database: database).status == 0)
        // It may hold personal data.
        var status = stat()
        #expect(stat(database, &status) == 0 && status.st_mode & 0o007 == 0)
      }
    }

    @Test("serve refuses keys that others may write, and a secret that everyone may read")
    func keyFiles() throws {
      try inFolder { folder in
        let file = "\(folder)/keys.json"
        let secret =
          #"{"keys":[{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#
        let curve =
          #"{"keys":[{"kty":"EC","crv":"P-256","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}]}"#
        for (keys, mode, reason) in [
          (secret, 0o644, "can read it"), (secret, 0o604, "can read it"),
          (secret, 0o642, "can write it"), (curve, 0o646, "can write it"),
          // The database's folder is missing, so it goes no further than that.
          (secret, 0o640, "database"), (curve, 0o644, "database"),
        ] {
          try Data(keys.utf8).write(to: URL(filePath: file))
          chmod(file, mode_t(mode))
          Self.expectFailure(
            try Service.command(
              [
                "serve", "--socket", "\(folder)/s", "--jwt-keys", file, "--jwt-issuer", "i",
                "--jwt-audience", "a",
              ], database: "\(folder)/none/referrals.db"), reason)
        }
      }
    }

    @Test("what cannot be done ends with 1 and one line that says why")
    func failures() throws {
      try inFolder { folder in
        let missing = "\(folder)/none/referrals.db"
        for arguments in [
          ["migrate"], ["check"], ["token", "list"], ["demo"], ["backup", "\(folder)/copy"],
          ["serve", "--socket", "\(folder)/s"],
        ] {
          Self.expectFailure(try Service.command(arguments, database: missing), "database")
        }
        let unmade = "\(folder)/unmade.db"
        for arguments in [
          ["check"], ["token", "list"], ["backup", "\(folder)/copy"], ["export", "partners"],
        ] {
          Self.expectFailure(
            try Service.command(arguments, database: unmade),
            "the database \(unmade.lowercased()) does not exist")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == [])

        let text = "\(folder)/text.db"
        try Data(String(repeating: "This is not a database. ", count: 100).utf8)
          .write(to: URL(filePath: text))
        for arguments in [["migrate"], ["check"], ["serve", "--socket", "\(folder)/s"]] {
          Self.expectFailure(try Service.command(arguments, database: text), "not a database")
        }
        #expect(try String(contentsOfFile: text, encoding: .utf8).hasPrefix("This is not"))

        let newer = "\(folder)/newer.db"
        #expect(try Service.command(["migrate"], database: newer).status == 0)
        try sqlite(newer, "PRAGMA user_version = 999")
        for arguments in [["migrate"], ["check"], ["serve", "--socket", "\(folder)/s"]] {
          Self.expectFailure(try Service.command(arguments, database: newer), "newer")
        }
      }
    }

    @Test("a token is printed alone and once, is never listed, and ends with its revocation")
    func tokens() throws {
      try Service.run { service in
        let created = try service.command(
          "token", "create", "--admin", "--email", "second@tomi.example", "--name", "Two",
          "--expires-in", "never")
        #expect(created.status == 0 && created.errors.isEmpty)
        let token = try #require(created.lines.first)
        #expect(created.output == token + "\n")
        // 256 bits in base64url.
        #expect(token.wholeMatch(of: /tomi_[A-Za-z0-9_-]{43}/) != nil, "\(token)")
        let second = Client(port: service.port, token: token)
        try second.get("/api/admin/partners").expect(200)

        let (userID, _, _) = try service.makeUser("maya@mail.example", name: "Maya")
        let user = try service.command("token", "create", "--user", userID, "--expires-in", "1d")
        #expect(user.status == 0 && user.lines.count == 1)
        try Client(port: service.port, token: user.lines[0]).get("/api/admin/partners")
          .expectProblem(403, "forbidden")

        let list = try service.command("token", "list")
        #expect(list.status == 0 && list.lines.count == 4, "\(list)")
        for secret in [token, user.lines[0], service.token] {
          #expect(!list.output.contains(secret.dropFirst(5)))
        }
        let line = try #require(list.lines.first { $0.contains("second@tomi.example") })
        #expect(line.contains("admin") && line.contains("Two") && line.contains("never"))
        let id = try #require(line.firstMatch(of: /[0-9a-f-]{36}/)).output
        for _ in 0..<2 {
          let revoked = try service.command("token", "revoke", String(id))
          #expect(revoked.status == 0, "\(revoked)")
          try second.get("/api/admin/partners").expectProblem(401, "unauthenticated")
        }
        #expect(try service.command("token", "list").output.contains("revoked"))
        try service.staff.get("/api/admin/partners").expect(200)

        let unknown = UUID().uuidString.lowercased()
        Self.expectFailure(try service.command("token", "revoke", unknown), unknown)
        for user in [unknown, "nobody@tomi.example"] {
          Self.expectFailure(try service.command("token", "revoke", "--created-by", user), user)
        }
        Self.expectFailure(try service.command("token", "create", "--user", unknown), unknown)
        try service.staff.put("/api/admin/users/\(userID)", ["disabled": true]).expect(200)
        Self.expectFailure(try service.command("token", "create", "--user", userID), "disabled")
        #expect(!service.log.contains(token))
      }
    }

    @Test("an admin token has a scope, and what a leaked one created ends at once")
    func scopes() throws {
      try Service.run { service in
        let (user, _, _) = try service.makeUser("maya@mail.example", name: "Maya")
        for (scope, readsPartners, readsUsers) in [
          ("admin", true, true), ("read", true, true), ("sync", false, true),
          ("events", false, false),
        ] {
          let created = try service.command(
            "token", "create", "--admin", "--email", "\(scope)@tomi.example", "--scope", scope)
          #expect(created.status == 0, "\(created)")
          let client = Client(port: service.port, token: created.lines.first ?? "")
          for (path, isAllowed) in [
            ("partners", readsPartners), ("users/\(user)", readsUsers), ("events", scope != "sync"),
          ] {
            let reply = try client.get("/api/admin/\(path)")
            if isAllowed {
              try reply.expect(200)
            } else {
              try reply.expectProblem(403, "forbidden")
            }
          }
          let list = try service.command("token", "list")
          let line = try #require(list.lines.first { $0.contains("\(scope)@tomi.example") })
          #expect(line.contains(" \(scope) ") && line.contains("by the command line"), "\(line)")
          guard scope == "sync" else { continue }

          let tokens = try (0..<2).map { _ in
            try client.post("/api/admin/users/\(user)/tokens", [:]).expect(201).json["token"].text
          }
          let own = tokens.map { Client(port: service.port, token: $0) }
          for client in own {
            try client.get("/api/admin/partners").expectProblem(403, "forbidden")
          }
          let after = try service.command("token", "list")
          let made = after.lines.filter { $0.contains("by sync@tomi.example") }
          #expect(made.count == 2 && made.allSatisfy { $0.contains(" user ") }, "\(after.output)")
          let creator = try #require(
            service.staff.all("/api/admin/events?limit=100").first {
              $0["actor"]["name"].text == "sync"
            })["actor"]["id"].text
          for (name, count) in [("SYNC@tomi.example", "2 tokens"), (creator, "0 tokens")] {
            let revoked = try service.command("token", "revoke", "--created-by", name)
            #expect(revoked.output == "Revoked \(count).\n", "\(revoked)")
          }
          for client in own {
            try client.get("/api/admin/partners").expectProblem(401, "unauthenticated")
          }
          try client.get("/api/admin/users/\(user)").expect(200)
        }
      }
    }

    @Test("a person and a partner are exported and erased while the service runs, and stay erased")
    func erasure() throws {
      try Service.run { service in
        let word = "zqcanary"
        let (user, token, _) = try service.makeUser("\(word)@mail.example", name: "\(word) name")
        let group = UUID().uuidString.lowercased()
        try service.staff.put(
          "/api/admin/groups/\(group)", ["name": "Maple House", "members": [.string(user)]]
        ).expect(201)
        let member = Client(port: service.port, token: token)
        let path = "/api/groups/\(group)/referrals"
        let request = try member.post(
          path, ["partner_type": "cpa", "context": ["specific_need": .string("\(word) need")]],
          headers: ["Idempotency-Key": "\(word)-key"]
        ).expect(201).json["id"].text
        let partner = try service.makePartner("\(word)@partner.example").json["id"].text
        let backup = "\(service.folder)/before.db"
        #expect(try service.command("backup", backup).status == 0)

        let export = try service.command("person", "export", "\(word)@MAIL.example")
        #expect(export.status == 0 && export.errors.isEmpty, "\(export)")
        let kept = try JSON(parsing: Array(export.output.utf8))
        #expect(kept["user"]["id"].text == user && kept["referrals"][0]["id"].text == request)
        #expect(!export.output.contains(token.dropFirst(5)))

        Self.expectFailure(try service.command("person", "erase", user), request)
        let plan = try service.command("person", "erase", user, "--force", "--dry-run")
        #expect(plan.status == 0 && plan.lines.first == "Would erase the user \(user).", "\(plan)")
        #expect(plan.lines.last == "Nothing was written.")
        try member.get("/api/me").expect(200)
        Self.expectFailure(try service.command("person", "erase", "sam@tomi.example"), "staff")
        let unknown = UUID().uuidString.lowercased()
        for command in [["person", "erase"], ["person", "export"], ["partner", "erase"]] {
          let result = try Service.command(command + [unknown], database: service.database)
          Self.expectFailure(result, unknown)
        }

        let erased = try service.command("person", "erase", "\(word)@mail.example", "--force")
        #expect(erased.status == 0 && erased.errors.isEmpty, "\(erased)")
        #expect(
          erased.lines.prefix(4) == [
            "Erased the user \(user).", "Requests cancelled: 1", "Tokens revoked: 1",
            "Groups left: 1",
          ], "\(erased)")
        #expect(!erased.output.contains(word))
        let again = try service.command("person", "erase", user)
        #expect(again.status == 0 && again.lines.count == 1, "\(again)")
        #expect(again.output.contains("before"))
        #expect(try service.command("partner", "erase", partner).status == 0)

        try member.get("/api/me").expectProblem(401, "unauthenticated")
        let view = try service.staff.get("/api/admin/users/\(user)").expect(200).json
        #expect(view["name"].text == "Erased person" && view["disabled"] == true)
        try service.staff.put("/api/admin/users/\(user)", ["name": "Maya"])
          .expectProblem(409, "user_erased")
        let events = try service.staff.all("/api/admin/events?limit=100")
        #expect(events.suffix(1).map(\.["kind"].text) == ["partner.erased"])
        func expectNoTrace(sourceLocation: SourceLocation = #_sourceLocation) throws {
          for suffix in ["", "-wal"] {
            let bytes = FileManager.default.contents(atPath: service.database + suffix) ?? Data()
            #expect(bytes.range(of: Data(word.utf8)) == nil, sourceLocation: sourceLocation)
          }
        }
        try expectNoTrace()
        try service.expectSound()
        for command in [["export", "partners"], ["export", "referrals"], ["export", "postgres"]] {
          let result = try Service.command(command, database: service.database)
          #expect(result.status == 0 && !result.output.contains(word), "\(command)")
        }

        #expect(service.stopResponder() == .exit(0))
        let restored = try service.command("restore", backup)
        #expect(restored.status == 0, "\(restored)")
        #expect(restored.lines.contains("Repeated 2 erasures of the replaced database."))
        try expectNoTrace()
        try service.startResponder()
        #expect(
          try service.staff.get("/api/admin/users/\(user)").expect(200).json["disabled"] == true)
        try service.expectSound()
      }
    }

    @Test("backup copies a moment while the service writes, and never replaces a file")
    func backup() throws {
      try Service.run { service in
        let acknowledged = Shared<[String]>([])
        let isOver = Shared(false)
        let clients = Crowd(4) { client in
          for number in 0... {
            if isOver.withLock({ $0 }) { return }
            let email = "\(client)-\(number)@copy.example"
            try service.makePartner(email)
            acknowledged.withLock { $0.append(email) }
          }
        }
        defer { isOver.withLock { $0 = true } }
        func copy(_ name: String) throws -> Set<String> {
          let wanted = acknowledged.withLock { $0.count } + 40
          try #require(eventually { acknowledged.withLock { $0.count } >= wanted })
          let before = acknowledged.withLock { $0 }
          let file = "\(service.folder)/\(name)"
          let backup = try service.command("backup", file)
          try #require(backup.status == 0, "\(backup)")
          let check = try Service.command(["check"], database: file)
          #expect(check.status == 0, "\(check)")
          let emails = Set(try sqlite(file, "SELECT email FROM partners"))
          #expect(emails.isSuperset(of: before), "acknowledged before, and not in the copy")
          return emails
        }
        let first = try copy("first.db")
        let second = try copy("second.db")
        #expect(first.isStrictSubset(of: second))
        isOver.withLock { $0 = true }
        _ = try clients.values()

        let file = "\(service.folder)/first.db"
        let bytes = FileManager.default.contents(atPath: file)
        Self.expectFailure(try service.command("backup", file), "first.db")
        #expect(FileManager.default.contents(atPath: file) == bytes)
        Self.expectFailure(try service.command("backup", "\(service.folder)/no/copy"), "/no/")
        let names = try FileManager.default.contentsOfDirectory(atPath: service.folder)
        #expect(
          Set(names.filter { $0.contains(".db") }.filter { !$0.hasSuffix(".lock") })
            .isSubset(of: [
              "first.db", "second.db", "first.db-wal", "first.db-shm", "second.db-wal",
              "second.db-shm",
            ]),
          "\(names)")

        // The copy serves.
        #expect(service.stopResponder() == .exit(0))
        for suffix in ["", "-wal", "-shm", ".lock"] {
          try? FileManager.default.removeItem(atPath: service.database + suffix)
        }
        try FileManager.default.copyItem(atPath: file, toPath: service.database)
        try service.startResponder()
        let emails = try service.staff.all("/api/admin/partners?limit=100").map(\.["email"].text)
        #expect(Set(emails) == first)
      }
    }

    @Test("check finds what is wrong, and says it")
    func check() throws {
      try Service.run { service in
        try service.makePartner()
        let sound = try service.command("check")
        #expect(sound.status == 0 && sound.lines.count == 1 && sound.errors.isEmpty, "\(sound)")
        #expect(service.stopResponder() == .exit(0))
        try sqlite(
          service.database,
          """
          UPDATE service_area_coverage SET partner_count = 7
          WHERE state_code = 'MN' AND partner_type = 'cpa'
          """)
        let unsound = try service.command("check")
        Self.expectFailure(unsound, "problem")
        #expect(unsound.lines.count == 1 && unsound.output.contains("MN/cpa"), "\(unsound)")
        try service.startResponder()
      }
    }

    @Test("health asks the responder, and says whether it answers")
    func health() throws {
      try Service.run { service in
        let well = try Service.command(["health", "--socket", service.socket])
        #expect(well.status == 0 && well.errors.isEmpty && !well.output.isEmpty, "\(well)")
        let other = try Service.command(["health"], environment: ["TOMI_SOCKET": service.socket])
        #expect(other.status == 0, "\(other)")
        #expect(service.stopResponder() == .exit(0))
        Self.expectFailure(
          try Service.command(["health", "--socket", service.socket]), "referrals.sock")
        try service.startResponder()
        try service.responder.kill()
        Self.expectFailure(
          try Service.command(["health", "--socket", service.socket]), "referrals.sock")
        try service.startResponder()
      }
    }

    @Test("demo gives the same seed the same data, and leaves a database with data alone")
    func demo() throws {
      func fill(_ folder: String, seed: Int) throws -> (result: Program.Result, database: String) {
        let database = "\(folder)/\(UUID().uuidString).db"
        let arguments = [
          "--partners", "30", "--groups", "8", "--referrals", "24", "--seed", "\(seed)",
          "--until", "2026-11-01T18:00:00Z", "--mail-from", "referrals@tomi.example",
          "--staff-address", "staff@tomi.example", "--public-url", "https://tomi.example",
        ]
        return (try Service.command(["demo"] + arguments, database: database), database)
      }
      try Service.run { service in
        let (first, firstDatabase) = try fill(service.folder, seed: 7)
        let (second, secondDatabase) = try fill(service.folder, seed: 7)
        let (_, thirdDatabase) = try fill(service.folder, seed: 8)
        #expect(first.status == 0 && first.errors.isEmpty && first.lines.count == 1, "\(first)")
        #expect(second.output == first.output)
        var all: [[[JSON]]] = []
        for database in [firstDatabase, secondDatabase, thirdDatabase] {
          #expect(service.stopResponder() == .exit(0))
          for suffix in ["", "-wal", "-shm", ".lock"] {
            try? FileManager.default.removeItem(atPath: service.database + suffix)
          }
          try FileManager.default.copyItem(atPath: database, toPath: service.database)
          let wal = "\(database)-wal"
          if FileManager.default.fileExists(atPath: wal) {
            try FileManager.default.copyItem(atPath: wal, toPath: "\(service.database)-wal")
          }
          let token = try service.command(
            "token", "create", "--admin", "--email", "late@tomi.example")
          try #require(token.status == 0, "\(token)")
          try service.startResponder()
          let staff = Client(port: service.port, token: token.lines[0])
          let events = try staff.all("/api/admin/events?limit=100")
          all.append([
            try staff.all("/api/admin/partners?limit=100"),
            try staff.all("/api/admin/referrals?limit=100"),
            // The last two are the token's.
            Array(events.dropLast(2)),
            try staff.all("/api/coverage"),
            try staff.all("/api/admin/messages?limit=100"),
          ])
          try service.expectSound()
        }
        #expect(all[0] == all[1])
        #expect(all[0][0] != all[2][0] && all[0][1] != all[2][1])
        #expect(all[0][0].count == 30)
        #expect(all[0][1].count > 5 && all[0][1].count <= 24)
        // It is a lived-in service: several statuses of each, some coverage.
        #expect(Set(all[0][0].map(\.["status"].text)).count >= 3)
        #expect(Set(all[0][1].map(\.["status"].text)).count >= 3)
        #expect(all[0][3].contains { $0["status"] == "available" })
        // What staff works with is there: credentials, descriptions, languages, owners, days to follow up.
        #expect(Set(all[0][0].map(\.["credentials_status"].text)).count >= 3)
        #expect(Set(all[0][0].map(\.["languages"])).count >= 2)
        #expect(all[0][0].contains { $0["description"] != .null })
        #expect(all[0][0].contains { $0["user_id"] != .null })
        #expect(all[0][1].contains { $0["assigned_to"] != .null && $0["follow_up_on"] != .null })

        // There are messages of the last days.
        #expect(Set(all[0][4].map(\.["status"].text)).isSuperset(of: ["sent", "failed"]))

        let before = try Service.command(["check"], database: firstDatabase)
        #expect(before.status == 0)
        Self.expectFailure(try Service.command(["demo"], database: firstDatabase), "empty")
        // A database in use, with a user and a token, is not empty either.
        Self.expectFailure(try service.command("demo"), "empty")
      }
    }
  }
}
