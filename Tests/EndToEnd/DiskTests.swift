import Foundation
import Glibc
import Testing

extension EndToEnd {
  @Suite("A disk that takes no more") struct DiskTests {
    private static func limit(_ service: Service, to size: String) throws {
      let pid = try service.responder.pid
      let limit = try Program.run(["prlimit", "--pid", "\(pid)", "--fsize=\(size):"])
      try #require(limit.status == 0, "\(limit.errors)")
    }

    private static func expectUnavailable(_ answer: Answer) throws {
      let problem = try answer.expectProblem(503, "unavailable", instance: "/api/admin/partners")
      #expect(answer["retry-after"].flatMap { Int($0) } != nil)
      #expect(!problem.description.contains(/SQL|disk|I\/O|\/tmp/), "\(problem)")
    }

    @Test(
      "when files cannot grow, changes are refused, reads go on, and nothing acknowledged is lost")
    func fileSizeLimit() throws {
      let options = Service.Options(wrapper: ["prlimit", "--fsize=1000000:"])
      try Service.run(options, logsErrors: true) { service in
        let staff = service.staff
        var acknowledged: Set<String> = []
        var refused = 0
        for number in 0..<400 where refused < 20 {
          let email = "\(number)@full.example"
          let answer = try staff.post(
            "/api/admin/partners",
            [
              "type": "title", "company_name": "Firm", "email": "\(email)",
              "notes": .string(String(repeating: "n", count: 8_000)),
            ])
          if answer.status == 201 {
            acknowledged.insert(email)
          } else {
            try Self.expectUnavailable(answer)
            refused += 1
            // Reads go on.
            try service.anyone.get("/api/coverage/MN").expect(200)
            try staff.get("/api/admin/partners").expect(200)
            try service.anyone.get("/api/health").expect(200)
          }
        }
        #expect(refused == 20, "\(acknowledged.count) changes fit into 1,000,000 bytes")
        #expect(acknowledged.count > 5)
        func present(_ service: Service) throws -> Set<String> {
          Set(try service.staff.all("/api/admin/partners?limit=100").map(\.["email"].text))
        }
        #expect(try present(service) == acknowledged)

        // It recovers by itself once there is room,
        try Self.limit(service, to: "unlimited")
        acknowledged.insert("room@full.example")
        try service.makePartner("room@full.example")
        #expect(try present(service) == acknowledged)
        // is still sound,
        try service.expectSound()
        // and has kept it all when it starts anew.
        try service.responder.kill()
        try service.startResponder(wrapper: [])
        #expect(try present(service) == acknowledged)
        try service.expectSound()
      }
    }

    @Test("a database that cannot be written is served for reading, which the log says")
    func readOnlyFolder() throws {
      try Service.run { service in
        try service.makePartner("before@full.example")
        #expect(service.stopResponder() == .exit(0))
        let data = "\(service.folder)/data"
        let open = "\(service.folder)/open"
        try FileManager.default.createDirectory(atPath: open, withIntermediateDirectories: false)
        let names = try FileManager.default.contentsOfDirectory(atPath: data)
        func permit(files: mode_t, folder: mode_t) {
          for name in names { chmod("\(data)/\(name)", files) }
          chmod(data, folder)
        }
        // Permissions do not bind root, who becomes nobody; and nobody may not be able to reach the
        // executable where it lies.
        chmod(service.folder, 0o755)
        chmod(open, 0o777)
        let executable = "\(open)/executable"
        try FileManager.default.copyItem(atPath: Service.executable, toPath: executable)
        permit(files: 0o444, folder: 0o555)
        defer { permit(files: 0o644, folder: 0o755) }
        let second = try Program(
          [executable, "serve", "--database", service.database, "--socket", "\(open)/s"],
          output: "\(open)/output", errors: "\(open)/errors",
          setpriv: geteuid() == 0 ? ["--reuid", "65534", "--regid", "65534", "--clear-groups"] : [])
        defer { second.kill() }
        try #require(
          eventually { second.errors.contains(#""message":"started""#) }, "\(second.errors)")
        let warnings = second.errors.split(separator: "\n").filter { $0.contains("critical") }
        #expect(warnings.count == 1 && warnings[0].contains("cannot be written"), "\(warnings)")
        let connection = try Connection(path: "\(open)/s")
        func answer(_ method: String, _ body: JSON? = nil) throws -> Answer {
          try connection.send(
            FastCGI.request(method, "/api/admin/partners", token: service.token, body))
          return try connection.receiveFastCGIAnswer()
        }
        for _ in 0..<2 {
          let list = try answer("GET")
          #expect(try list.status == 200 && list.json["data"].elements.count == 1)
          let refusal = try answer(
            "POST", ["type": "agent", "company_name": "Firm", "email": "during@full.example"])
          #expect(try refusal.status == 503 && refusal.json["code"] == "unavailable")
        }
        #expect(second.stop() == .exit(0))

        permit(files: 0o644, folder: 0o755)
        try service.startResponder()
        #expect(try service.staff.all("/api/admin/partners").count == 1)
      }
    }
  }
}
