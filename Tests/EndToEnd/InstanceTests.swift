import Foundation
import Testing

extension EndToEnd {
  @Suite("Two instances") struct InstanceTests {
    @Test("a second one on the same socket refuses, and leaves the first alone")
    func sameSocket() throws {
      try Service.run { service in
        let second = try service.command("serve", "--socket", service.socket)
        #expect(second.status == 1)
        #expect(second.errorLines.count == 1, "\(second.errors)")
        #expect(second.errors.contains(service.socket))
        try service.anyone.get("/api/health").expect(200)
        try service.connectStraight().send(FastCGI.request("GET", "/api/health"))
      }
    }

    @Test("a socket that a killed responder left behind is replaced; another file is not")
    func leftovers() throws {
      try Service.run { service in
        try service.responder.kill()
        #expect(FileManager.default.fileExists(atPath: service.socket))
        try service.startResponder()
        try service.anyone.get("/api/health").expect(200)

        let file = "\(service.folder)/file"
        try Data("precious".utf8).write(to: URL(filePath: file))
        let refused = try service.command("serve", "--socket", file)
        #expect(refused.status == 1 && refused.errorLines.count == 1, "\(refused.errors)")
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "precious")
        let lost = try service.command("serve", "--socket", "\(service.folder)/no/socket")
        #expect(lost.status == 1 && lost.errorLines.count == 1, "\(lost.errors)")
      }
    }

    @Test("two on one database write at once, and nothing is lost")
    func sameDatabase() throws {
      try Service.run { service in
        let socket = "\(service.folder)/second.sock"
        let second = try Program(
          [Service.executable, "serve", "--database", service.database, "--socket", socket],
          output: "\(service.folder)/second.log", errors: "\(service.folder)/second.log")
        defer { second.kill() }
        try #require(eventually { second.errors.contains(#""message":"started""#) })
        try inParallel(8) { client in
          let connection = try Connection(path: client < 4 ? service.socket : socket)
          for number in 0..<25 {
            try connection.send(
              FastCGI.request(
                "POST", "/api/admin/partners", token: service.token,
                [
                  "type": "agent", "company_name": "Firm",
                  "email": "\(client)-\(number)@two.example",
                ]))
            let answer = try connection.receiveFastCGIAnswer()
            guard answer.status == 201 else { throw Trouble("\(answer.status): \(answer.text)") }
          }
        }
        #expect(second.stop() == .exit(0))
        #expect(!second.errors.contains(/"level":"(?:error|critical)"/), "\(second.errors)")
        let partners = try service.staff.all("/api/admin/partners?limit=100")
        #expect(Set(partners.map(\.["email"].text)).count == 200)
        let events = try service.staff.all("/api/admin/events?limit=100")
        #expect(events.map(\.["number"].int) == Array(1...events.count))
        try service.expectSound()
      }
    }
  }
}
