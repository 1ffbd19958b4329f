import Foundation
import Testing

extension EndToEnd {
  @Suite("Messages") struct MailTests {
    private static let settings = [
      "--mail-from", "referrals@tomi.example", "--staff-address", "staff@tomi.example",
      "--public-url", "https://tomi.example/",
    ]
    private static let group = "22222222-2222-4222-8222-222222222222"

    /// A service that makes messages, with a group, whose member Maya has made a request.
    private static func run(_ body: (_ service: Service, _ maya: String) throws -> Void) throws {
      try Service.run(.init(responder: settings)) { service in
        let maya = try service.makeUser("maya@mail.example", name: "Maya Ito")
        try service.staff.put(
          "/api/admin/groups/\(group)",
          ["name": "Maple House", "members": [.string(maya.id)]]
        ).expect(201)
        try Client(port: service.port, token: maya.token).post(
          "/api/groups/\(group)/referrals",
          ["partner_type": "attorney", "context": ["state": "MN"]]
        ).expect(201)
        try body(service, maya.id)
      }
    }

    /// Runs `mail` with the settings of the service.
    private static func mail(_ service: Service, _ arguments: String...) throws -> Program.Result {
      try Service.command(["mail"] + settings + arguments, database: service.database)
    }

    /// The letters in a directory. A file that is not whole yet has a hidden name.
    private static func letters(_ directory: String) throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
        .filter { !$0.hasPrefix(".") }
        .map { try String(contentsOfFile: "\(directory)/\($0)", encoding: .utf8) }
    }

    @Test("mail --into writes each letter to a file once, and staff sees what became of it")
    func into() throws {
      try Self.run { service, _ in
        let directory = "\(service.folder)/letters"
        let first = try Self.mail(service, "--into", directory)
        #expect(first.status == 0 && first.output == "2 messages sent.\n", "\(first)")
        let letters = try Self.letters(directory)
        #expect(letters.count == 2)
        let received = try #require(letters.first { $0.contains("To: \"Maya Ito\" <maya@") })
        #expect(
          received.contains("Subject: We are looking for an attorney for Maple House\n")
            && received.contains("From: \"Tomi\" <referrals@tomi.example>\n")
            && received.contains("Auto-Submitted: auto-generated\n")
            && received.contains("https://tomi.example/group?id=\(Self.group)"), "\(received)")
        let again = try Self.mail(service, "--into", directory)
        #expect(again.status == 0 && again.output == "0 messages sent.\n")
        #expect(try Self.letters(directory) == letters)

        let listed = try service.staff.all("/api/admin/messages?status=sent")
        #expect(listed.map { $0["kind"].text } == ["request.new", "request.received"])
        let one = try service.staff.get("/api/admin/messages/\(listed[1]["id"].text)").expect(200)
        #expect(received.hasSuffix(try one.json["text"].text))
        let status = try Service.command(["status", "--socket", service.socket])
        #expect(status.output.contains("Messages     2 sent\n"), "\(status.output)")
        #expect(
          try service.anyone.get("/metrics").text.contains(#"tomi_messages{status="sent"} 2"#))
      }
    }

    @Test("a refusal of the mail program is told, and the messages are tried again or fail")
    func refusals() throws {
      try Self.run { service, _ in
        let program = "\(service.folder)/sendmail"
        for (status, wanted) in [
          (75, "0 messages sent, 2 to be tried again.\n"), (67, "0 messages sent, 2 failed.\n"),
        ] {
          let source = "\(program).source"
          try Data("#!/bin/sh\necho 'no such user' >&2\nexit \(status)\n".utf8)
            .write(to: URL(fileURLWithPath: source))
          // Another program writes the file. A test that starts a process at the same time would pass on a
          // descriptor that is open for writing, and as long as one is, execve(2) answers ETXTBSY.
          let install = try Program.run(["install", "-m", "755", source, program])
          try #require(install.status == 0, "\(install)")
          let result = try Self.mail(service, "--sendmail", program)
          #expect(result.status == 1 && result.output == wanted, "\(result)")
          let listed = try service.staff.all("/api/admin/messages")
          #expect(listed.allSatisfy { $0["last_error"].text.contains("no such user") })
          for message in listed where status == 75 {
            #expect(message["status"].text == "queued" && message["attempts"] == 1)
            try service.staff.post("/api/admin/messages/\(message["id"].text)/resend", [:])
              .expect(201)
            try service.staff.post("/api/admin/messages/\(message["id"].text)/cancel", [:])
              .expect(200)
          }
        }
        #expect(
          try service.staff.all("/api/admin/messages").map { $0["status"].text }
            == ["failed", "failed", "cancelled", "cancelled"])
        try service.expectSound()
      }
    }

    @Test("mail --watch hands over what is made, one such command at a time, and ends in order")
    func watch() throws {
      try Self.run { service, maya in
        let directory = "\(service.folder)/letters"
        let output = "\(service.folder)/mail.log"
        let watcher = try Program(
          [Service.executable, "mail", "--watch", "--into", directory, "--database"]
            + [service.database] + Self.settings, output: output, errors: output)
        defer { watcher.kill() }
        func has(_ count: Int) -> Bool {
          eventually { (try? Self.letters(directory).count) == count }
        }
        #expect(has(2))
        let other = try Self.mail(service, "--into", directory)
        #expect(other.status == 1 && other.errors.contains("another"), "\(other)")
        #expect(
          try service.anyone.post("/api/sign-in", ["email": "MAYA@mail.example"]).expect(202)
            .body.isEmpty)
        #expect(has(3))
        let code = try #require(
          try Self.letters(directory).compactMap {
            // A soft line break of quoted-printable ends with "=" (RFC 2045, section 6.7).
            let isQuoted = $0.contains("quoted-printable")
            let text =
              isQuoted
              ? $0.replacing("=\n", with: "").replacing("=3D", with: "=") : $0
            return try? /sign-in#code=([\w-]+)/.firstMatch(in: text)?.1
          }.first)
        let signedIn = try service.anyone.post("/api/sign-in/code", ["code": .string(String(code))])
          .expect(200)
        #expect(try signedIn.json["user_id"].text == maya)
        #expect(signedIn.values("Cache-Control") == ["no-store"])
        try Client(port: service.port, token: signedIn.json["token"].text).get("/api/me").expect(
          200)
        try service.anyone.post("/api/sign-in/code", ["code": .string(String(code))])
          .expectProblem(410, "code_expired")
        #expect(watcher.stop() == .exit(0))
        #expect(watcher.errors.contains(#""message":"stopped""#))
      }
    }

    @Test("sign-in-link prints a link that signs in once; with --admin as staff")
    func signInLink() throws {
      try Self.run { service, maya in
        for (arguments, scope) in [
          (["--email", "maya@mail.example"], "null"),
          (["--email", "new@tomi.example", "--admin"], "admin"),
        ] {
          let result = try Service.command(
            ["sign-in-link", "--public-url", "https://tomi.example"] + arguments,
            database: service.database)
          #expect(result.status == 0, "\(result)")
          let code = try #require(result.lines.first?.split(separator: "=").last)
          #expect(result.lines == ["https://tomi.example/sign-in#code=\(code)"])
          let answer = try service.anyone.post("/api/sign-in/code", ["code": .string(String(code))])
            .expect(200)
          #expect(answer.text.contains(scope == "null" ? "\"scope\":null" : "\"scope\":\"admin\""))
          let caller = Client(port: service.port, token: try answer.json["token"].text)
          try caller.get("/api/admin/messages").expect(scope == "admin" ? 200 : 403)
          try service.anyone.post("/api/sign-in/code", ["code": .string(String(code))])
            .expectProblem(410, "code_expired")
        }
        let unknown = try Service.command(
          ["sign-in-link", "--public-url", "https://tomi.example", "--email", "nobody@x.example"],
          database: service.database)
        #expect(unknown.status == 1 && unknown.errorLines.count == 1, "\(unknown)")
      }
    }

    @Test("a broken template keeps serve and mail from starting, and its line is named")
    func templates() throws {
      try inFolder { folder in
        let file = "\(folder)/sign_in.mustache"
        let check = ["mail", "--check-templates", "--mail-templates", folder]
        #expect(
          try Service.command(check, database: "x").output == "The templates are fine.\n")
        for (text, line) in [
          ("Subject: Hello\n\n{{#name}}\nHello\n", "line"), ("Hello\n", "line 1"),
          ("Subject: Hello\n\nDear {{nmae}},\n", "line 3"),
        ] {
          try Data(text.utf8).write(to: URL(fileURLWithPath: file))
          for command in [
            check, ["serve", "--socket", "\(folder)/s", "--mail-templates", folder],
          ] {
            let result = try Service.command(command, database: "\(folder)/referrals.db")
            #expect(result.status == 1 && result.errorLines.count == 1, "\(result)")
            #expect(
              result.errors.contains(file) && result.errors.contains(line), "\(result.errors)")
          }
        }
        try Data("Subject: Your link\n\n{{links.sign_in}}\n".utf8)
          .write(to: URL(fileURLWithPath: file))
        #expect(try Service.command(check, database: "x").status == 0)
      }
    }
  }
}
