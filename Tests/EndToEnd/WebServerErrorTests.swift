import Foundation
import Testing

extension EndToEnd {
  @Suite("nginx's own errors") struct WebServerErrorTests {
    private static let origin = "https://app.tomi.example"

    /// - Parameter knowsOrigin: Whether nginx had read the request's `Origin` when it refused it.
    private static func expectShape(
      _ answer: Answer, _ status: Int, _ code: String, instance: String? = nil,
      knowsOrigin: Bool = true,
      sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let problem = try answer.expectProblem(
        status, code, instance: instance, sourceLocation: sourceLocation)
      #expect(
        problem.names == ["type", "title", "status", "code", "detail", "instance", "request_id"],
        sourceLocation: sourceLocation)
      #expect(
        answer["access-control-allow-origin"] == (knowsOrigin ? origin : nil), "\(answer.headers)",
        sourceLocation: sourceLocation)
      #expect(answer["vary"] == "Origin", "\(answer.headers)", sourceLocation: sourceLocation)
      let retries = [429, 502, 503, 504].contains(status)
      #expect(
        (answer["retry-after"].flatMap { Int($0) } != nil) == retries, "\(answer.headers)",
        sourceLocation: sourceLocation)
    }

    @Test("400: a broken request line or header")
    func badRequest() throws {
      try Service.run(.init(origins: [Self.origin])) { service in
        let good = "Host: a\r\nOrigin: \(Self.origin)\r\n"
        let large = String(repeating: "x", count: 9_000)
        for (request, knowsOrigin) in [
          // Read up to its mistake, so a header after it is not known.
          ("nonsense\r\n\r\n", false),
          ("GET /api/health HTTP/9.9\r\n\(good)\r\n", false),
          ("GET /api/health HTTP/1.1\r\nOrigin: \(Self.origin)\r\n\r\n", true),
          ("GET /api/health HTTP/1.1\r\n\(good)X-Large: \(large)\r\n\r\n", true),
          ("GET /api/health HTTP/1.1\r\nOrigin: \(Self.origin)\r\nHost: a b\r\n\r\n", true),
          ("PUT /api/health HTTP/1.1\r\n\(good)Content-Length: abc\r\n\r\n", true),
          ("PUT /api/health HTTP/1.1\r\n\(good)Content-Length: -1\r\n\r\n", true),
          (
            "PUT /api/health HTTP/1.1\r\n\(good)Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
            true
          ),
          ("PUT /api/health HTTP/1.1\r\n\(good)Transfer-Encoding: chunked\r\n\r\nzz\r\n", true),
        ] {
          let connection = try service.connect()
          try connection.send(request)
          var answer = try connection.receiveAnswer()
          answer.request = String(request.prefix(80))
          try Self.expectShape(answer, 400, "bad_request", knowsOrigin: knowsOrigin)
        }
      }
    }

    @Test("413: a body has 65,536 bytes and not one more, sent whole or in chunks")
    func tooLarge() throws {
      try Service.run(.init(origins: [Self.origin])) { service in
        let events = try service.lastEvent()
        for (number, isChunked) in [false, true].enumerated() {
          var body = try JSON.object([
            "type": "title", "company_name": "Padded", "email": "pad\(number)@title.example",
          ]).bytes
          body += Array(repeating: UInt8(ascii: " "), count: 65_536 - body.count)
          for (size, status) in [(65_536, 201), (65_537, 413)] {
            body += Array(repeating: UInt8(ascii: " "), count: size - body.count)
            let head =
              "POST /api/admin/partners HTTP/1.1\r\nHost: a\r\nOrigin: \(Self.origin)\r\n"
              + "Authorization: Bearer \(service.token)\r\nContent-Type: application/json\r\n"
            let connection = try service.connect()
            if isChunked {
              try connection.send(head + "Transfer-Encoding: chunked\r\n\r\n")
              for start in stride(from: 0, to: size, by: 10_000) {
                let chunk = body[start..<min(start + 10_000, size)]
                try connection.send(
                  Array("\(String(chunk.count, radix: 16))\r\n".utf8) + chunk + Array("\r\n".utf8))
              }
              try connection.send("0\r\n\r\n")
            } else {
              try connection.send(head + "Content-Length: \(size)\r\n\r\n")
              try connection.send(body)
            }
            let answer = try connection.receiveAnswer()
            if status == 413 {
              try Self.expectShape(answer, 413, "too_large", instance: "/api/admin/partners")
            } else {
              try answer.expect(status)
            }
          }
        }
        #expect(try service.lastEvent() == events + 2)
      }
    }

    @Test("414: a request line over the limit")
    func uriTooLong() throws {
      try Service.run(.init(origins: [Self.origin])) { service in
        let target = "/api/coverage?q=" + String(repeating: "a", count: 8_200)
        let answer = try service.anyone.get(target, headers: ["Origin": Self.origin])
        // The line is refused before any header is read.
        try Self.expectShape(answer, 414, "uri_too_long", knowsOrigin: false)
      }
    }

    @Test("429: whoever comes without a token, or changes things, too fast; others are not held up")
    func rateLimited() throws {
      let limits = [
        "zone=tomi_anonymous burst=200": "zone=tomi_anonymous burst=20",
        "zone=tomi_writes burst=100": "zone=tomi_writes burst=10",
      ]
      try Service.run(.init(origins: [Self.origin], limits: true, locations: limits)) { service in
        let (staff, anyone) = (service.staff, service.anyone)
        let read = try Self.firstRefusal(of: anyone, "GET", "/api/health")
        try Self.expectShape(read, 429, "rate_limited", instance: "/api/health")
        // A token that is not looked at is none: a public path counts by address.
        _ = try Self.firstRefusal(of: staff, "GET", "/api/coverage/MN")
        try staff.get("/api/admin/partners").expect(200)

        let write = try Self.firstRefusal(of: staff, "PUT", "/api/admin/users/1", [:])
        try Self.expectShape(write, 429, "rate_limited", instance: "/api/admin/users/1")
        try staff.get("/api/admin/partners").expect(200)
        // Another token has a limit of its own, and a preflight none.
        let other = Client(
          port: service.port, token: "tomi_" + String(repeating: "x", count: 43))
        try other.send("PUT", "/api/admin/users/1", [:]).expectProblem(401, "unauthenticated")

        // After the time that Retry-After gives it is answered again.
        let wait = try #require(write["retry-after"].flatMap { UInt32($0) })
        sleep(wait)
        try staff.send("PUT", "/api/admin/users/1", [:]).expectProblem(404, "not_found")
        try anyone.get("/api/health").expect(200)
      }
    }

    private static func firstRefusal(
      of client: Client, _ method: String, _ target: String, _ json: JSON? = nil
    ) throws -> Answer {
      for _ in 0..<2_000 {
        let answer = try client.send(method, target, json, headers: ["Origin": origin])
        if answer.status == 429 { return answer }
      }
      throw Trouble("2,000 requests \(method) \(target) at once were not too many")
    }

    @Test("502 and 504: a responder that is gone, or does not answer; and then it is back")
    func unavailable() throws {
      let hasty = ["fastcgi_read_timeout 30s": "fastcgi_read_timeout 1s"]
      try Service.run(.init(origins: [Self.origin], locations: hasty)) { service in
        let anyone = service.anyone
        func expect(_ status: Int) throws {
          let answer = try anyone.get(
            "/api/coverage/MN?secret=1", headers: ["Origin": Self.origin])
          try Self.expectShape(answer, status, "unavailable", instance: "/api/coverage/MN")
        }
        try service.responder.signal(SIGSTOP)
        try expect(504)
        try service.responder.signal(SIGCONT)
        try anyone.get("/api/coverage/MN").expect(200)
        #expect(service.stopResponder() == .exit(0))
        try expect(502)
        try service.startResponder()
        try anyone.get("/api/coverage/MN").expect(200)
      }
    }

    @Test("paths are exact: what nginx would tidy up is not found")
    func paths() throws {
      try Service.run { service in
        for target in [
          "/api", "/api/", "/apifoo", "/api//health", "//api/health", "/api/health/",
          "/api/../api/health", "/foo/../api/health", "/api/./health", "/api/%2e%2e/api/health",
          "/api%2Fhealth", "/api/coverage%2FMN", "/api/coverage/MN%2Fattorney",
          "/api/../etc/passwd",
          "/api/%zz", "/api/health%00", "/api/%FF", "/API/health", "/problem", "/api/problem",
          "/api/health;a", "/api/groups//referrals", "/nginx.conf",
        ] {
          let answer = try service.anyone.get(target)
          if answer.status == 400 {
            // nginx refuses what it cannot decode before it looks for a path.
            try answer.expectProblem(400, "bad_request")
            #expect(["/api/%zz", "/api/health%00", "/api/../../x"].contains(target), "\(target)")
          } else {
            try answer.expectProblem(404, "not_found", instance: target)
          }
        }
        // Escaped letters are the same path (RFC 3986, section 6.2.2.2).
        try service.anyone.get("/api/%68ealth").expect(200)
      }
    }

    @Test("headers that would pass for others do nothing")
    func smuggling() throws {
      try Service.run { service in
        let staff = service.staff
        let body: JSON = ["type": "cpa", "company_name": "C", "email": "c@cpa.example"]
        let id = "00000000000000000000000000000000"
        let forged = [
          "Request_Id": id, "Request-Id": id, "X-Request-Id": id, "REQUEST_ID": id,
          "Proxy": "http://127.0.0.1:1", "Idempotency_Key": "smuggled", "If_None_Match": "*",
          "Request_Uri": "/api/health", "Request-Method": "GET", "Content_Length": "0",
          "Authorization_": "x", "Http_Authorization": "Bearer x",
        ]
        let first = try staff.post("/api/admin/partners", body, headers: forged).expect(201)
        #expect(first["x-request-id"] != id)
        // With the key, this would be the first answer again.
        let second = try staff.post("/api/admin/partners", body, headers: forged)
        let problem = try second.expectProblem(409, "partner_exists")
        #expect(problem["request_id"] != .string(id))
        let path = try #require(first["location"])
        try staff.get(path, headers: forged).expect(200)
        try staff.put(path, ["phone": "612 555 0100"], headers: ["If_Match": "\"other\""])
          .expect(200)
        for name in [
          "Authorization_", "Http_Authorization", "Http-Authorization", "AUTHORIZATION_",
        ] {
          try service.anyone.get(path, headers: [name: "Bearer \(service.token)"])
            .expectProblem(401, "unauthenticated")
        }
      }
    }

    @Test("two tokens are refused, and so are two bodies")
    func duplicates() throws {
      try Service.run { service in
        let bearer = "Authorization: Bearer \(service.token)\r\n"
        for headers in [bearer + bearer, bearer + "authorization: Bearer other\r\n"] {
          let connection = try service.connect()
          try connection.send("GET /api/admin/partners HTTP/1.1\r\nHost: a\r\n\(headers)\r\n")
          let answer = try connection.receiveAnswer()
          #expect(answer.status == 400)
          let problem = try answer.json
          #expect(
            ["invalid_parameter", "bad_request"].contains(problem["code"].text), "\(problem)")
          try answer.expectProblem(400, problem["code"].text, instance: "/api/admin/partners")
        }
        let connection = try service.connect()
        try connection.send(
          "PUT /api/admin/users/1 HTTP/1.1\r\nHost: a\r\n\(bearer)Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"
        )
        try connection.receiveAnswer().expectProblem(400, "bad_request")
      }
    }
  }
}
