import Foundation
import Testing

extension EndToEnd {
  @Suite("Logs") struct LogTests {
    @Test("the responder's: a refused request is in it only at the level debug")
    func refusals() throws {
      try Service.run { service in
        for _ in 0..<20 { try service.anyone.get("/api/nothing").expectProblem(404, "not_found") }
        try service.anyone.get("/api/admin/partners").expectProblem(401, "unauthenticated")
        #expect(service.stopResponder() == .exit(0))
        #expect(!service.log.contains("request failed"))
        try service.startResponder()
      }
    }

    @Test("the responder's: start, stop and what failed, each a JSON object on a line, no secrets")
    func responder() throws {
      try Service.run(.init(responder: ["--log-level", "debug"])) { service in
        let staff = service.staff
        let (userID, token, _) = try service.makeUser("secretmail@mail.example", name: "Secretname")
        let member = Client(port: service.port, token: token)
        let good = try service.makePartner("secretmail@firm.example")
        let path = try good.require("location")

        var expected: [(answer: Answer, method: String, route: String, caller: JSON)] = []
        let id = UUID().uuidString
        let staffID = try good.json["invited_by"]
        expected.append(
          (
            try staff.send(
              "PUT", path, body: Array("{\"email\":\"secretmail@x\",\"secretfield\":1}".utf8)),
            "PUT", "/api/admin/partners/:id", staffID
          ))
        expected.append(
          (
            try staff.get("/api/admin/partners?q=secretquery&limit=0"), "GET",
            "/api/admin/partners", staffID
          ))
        expected.append(
          (
            try member.get("/api/groups/\(id)/referrals/\(id)"), "GET",
            "/api/groups/:groupId/referrals/:id", .string(userID)
          ))
        expected.append(
          (try member.get(path), "GET", "/api/admin/partners/:id", .absent))
        expected.append(
          (try service.anyone.get("/api/secretpath?secretquery=1"), "GET", "none", .absent))
        expected.append(
          (
            try Client(port: service.port, token: "secrettoken").get(path), "GET",
            "/api/admin/partners/:id", .absent
          ))
        try staff.get("/api/admin/partners?q=secretquery").expect(200)
        #expect(service.stopResponder() == .exit(0))

        let lines = try service.logLines
        #expect(lines.first?["message"] == "started" && lines.last?["message"] == "stopped")
        #expect(lines.map(\.["message"].text).filter { $0 == "stopping" }.count == 1)
        for line in lines {
          #expect(Tour.isTime(line["time"].text), "\(line)")
          #expect(["debug", "info", "notice", "warning"].contains(line["level"].text), "\(line)")
        }
        let failures = lines.filter { $0["message"] == "request failed" }
        try #require(failures.count == expected.count, "\(failures)")
        for (line, (answer, method, route, caller)) in zip(failures, expected) {
          #expect(line["request_id"] == .string(answer["x-request-id"] ?? ""), "\(line)")
          #expect(line["status"] == .number(Double(answer.status)), "\(line)")
          #expect(line["method"] == .string(method) && line["route"] == .string(route), "\(line)")
          #expect(line["caller"] == caller, "\(line)")
          if case .number(let milliseconds) = line["ms"] {
            #expect(milliseconds >= 0)
          } else {
            Issue.record("ms is no number: \(line)")
          }
        }
        for secret in ["secret", "Secretname", service.token, token, "@mail.example", id] {
          #expect(!service.log.contains(secret), "the log shows \(secret)")
        }
        try service.startResponder()
      }
    }

    @Test("nginx's: each request a JSON object on a line, without query, token or cookie")
    func accessLog() throws {
      try Service.run { service in
        let answers = [
          try service.staff.get(
            "/api/admin/partners?q=secretquery",
            headers: ["Cookie": "secretcookie=1", "Referer": "http://secretreferer/"]),
          try service.makePartner("secretmail@firm.example"),
          try service.anyone.get("/api/\"quoted\"\\?secretquery"),
          try service.anyone.get("/elsewhere?secretquery"),
          try service.staff.send("BREW", "/api/health"),
        ]
        let broken = try service.connect()
        try broken.send("GET /secretpath HTTP/1.1\r\n\r\n")
        #expect(try broken.receiveAnswer().status == 400)

        func read() throws -> [JSON] {
          try String(contentsOfFile: service.accessLogPath, encoding: .utf8)
            .split(separator: "\n").map { try JSON(parsing: Array($0.utf8)) }
        }
        // nginx writes its log once a second.
        #expect(try eventually { try read().count >= answers.count + 1 })
        let lines = try read()
        for answer in answers {
          let line = try #require(
            lines.first { $0["request_id"].text == answer["x-request-id"] }, "\(answer.request)")
          #expect(line["status"].int == answer.status, "\(line)")
          #expect(line["bytes"].int == answer.body.count, "\(line)")
          #expect(answer.request.hasPrefix(line["method"].text + " "), "\(line)")
          #expect(line["ms"].int != nil && line["remote_addr"] == "127.0.0.1", "\(line)")
          #expect(!line["path"].text.contains("?"), "\(line)")
        }
        #expect(lines.contains { $0["path"] == "/api/admin/partners" && $0["method"] == "POST" })
        #expect(lines.allSatisfy { $0.names == lines[0].names })
        for file in [service.accessLogPath, "\(service.folder)/nginx/error.log"] {
          let text = try String(contentsOfFile: file, encoding: .utf8)
          for secret in [
            "secretquery", "secretcookie", "secretreferer", "secretmail", service.token,
          ] {
            #expect(!text.contains(secret), "\(file) shows \(secret)")
          }
        }
      }
    }

    @Test("the web server's connections that end abnormally: how many, and why")
    func abnormalEnds() throws {
      try Service.run { service in
        for _ in 0..<5 {
          let connection = try service.connectStraight()
          try connection.send("GET / HTTP/1.1\r\n\r\n")
          #expect(try connection.receiveAll().isEmpty)
        }
        #expect(service.stopResponder() == .exit(0))
        let lines = try service.logLines.filter {
          $0["message"] == "connections of the web server ended abnormally"
        }
        #expect(lines.allSatisfy { $0["level"] == "warning" })
        #expect(lines.compactMap { $0["refused"].int }.reduce(0, +) == 5, "\(lines)")
      }
    }

    @Test("a log that cannot be written is no reason to stop")
    func fullLog() throws {
      try Service.run { service in
        let socket = "\(service.folder)/full.sock"
        let program = try Program(
          [Service.executable, "serve", "--database", service.database, "--socket", socket],
          output: "/dev/null", errors: "/dev/full")
        defer { program.kill() }
        #expect(eventually { !program.isRunning || (try? Connection(path: socket)) != nil })
        let connection = try Connection(path: socket)
        for _ in 0..<3 {
          try connection.send(FastCGI.request("GET", "/api/nothing"))
          #expect(try connection.receiveFastCGIAnswer().status == 404)
        }
        #expect(program.stop() == .exit(0))
      }
    }
  }
}
