import Foundation
import Testing

extension EndToEnd {
  @Suite("HTTP's conventions, through nginx") struct ConventionTests {
    private static let origin = "https://app.tomi.example"
    private static let exposed =
      "ETag, Location, Link, Retry-After, X-Request-Id, Idempotent-Replayed"

    private static func makePartner(
      _ staff: Client, _ number: Int = 1, notes: String? = nil
    ) throws -> Answer {
      try staff.post(
        "/api/admin/partners",
        [
          "type": "lender", "company_name": "Lender \(number)",
          "email": "office\(number)@lender.example", "notes": notes.map { .string($0) } ?? nil,
        ]
      ).expect(201)
    }

    @Test("an allowed origin may read answers, refusals and nginx's own errors; a foreign one not")
    func browsers() throws {
      try Service.run(.init(origins: [Self.origin, "http://localhost:3000"])) { service in
        let anyone = service.anyone
        for (target, status) in [
          ("/api/coverage/CA", 200), ("/api/nothing", 404), ("/api/admin/partners", 401),
          ("/elsewhere", 404),
        ] {
          for origin in [Self.origin, "http://localhost:3000"] {
            let answer = try anyone.get(target, headers: ["Origin": origin]).expect(status)
            #expect(answer["access-control-allow-origin"] == origin, "\(status)")
            #expect(answer["access-control-expose-headers"] == Self.exposed, "\(status)")
            #expect(Self.varies(answer), "\(status)")
          }
          for origin in ["https://evil.example", "https://app.tomi.example.evil.example", "null"] {
            let foreign = try anyone.get(target, headers: ["Origin": origin]).expect(status)
            #expect(!foreign.headers.contains { $0.name.hasPrefix("access-control") }, "\(status)")
            #expect(Self.varies(foreign), "\(status)")
          }
          #expect(Self.varies(try anyone.get(target).expect(status)), "\(status)")
        }
      }
    }

    private static func varies(_ answer: Answer) -> Bool {
      answer.values("vary").joined(separator: ",").split(separator: ",")
        .filter { $0.trimmingCharacters(in: .whitespaces).lowercased() == "origin" }.count == 1
    }

    @Test("a preflight answers an allowed origin with what it may send, without a token")
    func preflight() throws {
      try Service.run(.init(origins: [Self.origin])) { service in
        let anyone = service.anyone
        let asked = [
          "Origin": Self.origin, "Access-Control-Request-Method": "PUT",
          "Access-Control-Request-Headers": "authorization,if-match",
        ]
        let id = UUID().uuidString
        let allowed = try anyone.send("OPTIONS", "/api/admin/partners/\(id)", headers: asked)
          .expect(204)
        #expect(allowed["access-control-allow-origin"] == Self.origin)
        #expect(allowed["access-control-allow-methods"] == "GET, HEAD, PUT, OPTIONS")
        #expect(allowed["allow"] == "GET, HEAD, PUT, OPTIONS")
        #expect(
          allowed["access-control-allow-headers"]
            == "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match")
        #expect(allowed["access-control-max-age"] == "7200")
        #expect(Self.varies(allowed))

        let foreign = try anyone.send(
          "OPTIONS", "/api/admin/partners/\(id)",
          headers: asked.merging(["Origin": "https://evil.example"]) { $1 }
        ).expect(204)
        #expect(!foreign.headers.contains { $0.name.hasPrefix("access-control") })
        #expect(foreign["allow"] == "GET, HEAD, PUT, OPTIONS")

        let plain = try anyone.send("OPTIONS", "/api/admin/partners").expect(204)
        #expect(plain["allow"] == "GET, HEAD, POST, OPTIONS")
        try anyone.send("OPTIONS", "/api/nothing", headers: asked).expectProblem(404, "not_found")
      }
    }

    @Test("a method that a path does not have is refused with those that it has")
    func methods() throws {
      try Service.run { service in
        for (method, target, allowed) in [
          ("DELETE", "/api/admin/partners", "GET, HEAD, POST, OPTIONS"),
          ("POST", "/api/coverage/MN", "GET, HEAD, OPTIONS"),
          ("GET", "/api/admin/tokens/1", "DELETE, OPTIONS"),
          ("PATCH", "/api/health", "GET, HEAD, OPTIONS"),
          ("BREW", "/api/health", "GET, HEAD, OPTIONS"),
        ] {
          // Told before who may call: no token is needed to hear it.
          let answer = try service.anyone.send(method, target)
          try answer.expectProblem(405, "method_not_allowed", instance: target)
          #expect(answer["allow"] == allowed)
        }
      }
    }

    @Test("HEAD gives GET's status and headers without its body")
    func head() throws {
      try Service.run { service in
        let staff = service.staff
        let path = try #require(try Self.makePartner(staff)["location"])
        for target in [
          path, "/api/coverage", "/api/health", "/api/openapi.yaml", "/api/nothing",
          "/api/admin/partners/1",
        ] {
          let whole = try staff.get(target)
          let head = try staff.send("HEAD", target).expect(whole.status)
          #expect(head.body.isEmpty)
          #expect(
            !whole.body.isEmpty && head["content-length"] == "\(whole.body.count)", "\(target)")
          for name in ["etag", "cache-control", "content-type", "vary"] {
            #expect(head[name] == whole[name], "\(target) \(name)")
          }
        }
      }
    }

    @Test("a version that is known is not sent again, and one that has changed is not overwritten")
    func versions() throws {
      try Service.run { service in
        let staff = service.staff
        let created = try Self.makePartner(staff)
        let path = try #require(created["location"])
        let tag = try #require(created["etag"])
        #expect(try staff.get(path).expect(200)["etag"] == tag)
        #expect(tag.wholeMatch(of: /"[^"]+"/) != nil)

        for known in [tag, "W/\(tag)", "\"other\", \(tag)", "*"] {
          let same = try staff.get(path, headers: ["If-None-Match": known]).expect(304)
          #expect(same.body.isEmpty && same["etag"] == tag)
          #expect(same["cache-control"] == "private, no-cache")
        }
        try staff.get(path, headers: ["If-None-Match": "\"other\""]).expect(200)
        let states = try service.anyone.get("/api/coverage").expect(200)
        let stateTag = try #require(states["etag"])
        try service.anyone.get("/api/coverage", headers: ["If-None-Match": stateTag]).expect(304)

        let changed = try staff.put(path, ["phone": "612 555 0101"], headers: ["If-Match": tag])
          .expect(200)
        let newTag = try #require(changed["etag"])
        #expect(newTag != tag)
        #expect(try staff.get(path).expect(200)["etag"] == newTag)
        let before = try service.lastEvent()
        try staff.put(path, ["phone": "612 555 0102"], headers: ["If-Match": tag])
          .expectProblem(412, "precondition_failed", instance: path)
        try staff.put("\(path)/status", ["status": "removed"], headers: ["If-Match": tag])
          .expectProblem(412, "precondition_failed", instance: "\(path)/status")
        #expect(try service.lastEvent() == before)
        #expect(try staff.get(path).expect(200).json["phone"] == "612 555 0101")
        try staff.put("\(path)/status", ["status": "removed"], headers: ["If-Match": newTag])
          .expect(200)
      }
    }

    @Test("a tag that compression made weak is as good as ours")
    func compression() throws {
      try Service.run { service in
        let staff = service.staff
        let notes = String(repeating: "Long notes about a lender. ", count: 100)
        let created = try Self.makePartner(staff, notes: notes)
        let path = try #require(created["location"])
        let packed = try staff.get(path, headers: ["Accept-Encoding": "gzip"]).expect(200)
        #expect(packed["content-encoding"] == "gzip")
        #expect(packed.body.count < created.body.count / 4)
        #expect(
          packed.values("vary").joined(separator: ",").lowercased().contains("accept-encoding"))
        let weak = try #require(packed["etag"])
        #expect(weak == "W/\(created["etag"] ?? "")")
        try inFolder { folder in
          try Data(packed.body).write(to: URL(filePath: "\(folder)/a.gz"))
          let plain = try Program.run(["gzip", "-dc", "\(folder)/a.gz"])
          #expect(plain.output == created.text)
        }
        for encoding in ["gzip", "identity"] {
          let same = try staff.get(
            path, headers: ["If-None-Match": weak, "Accept-Encoding": encoding]
          ).expect(304)
          #expect(same.body.isEmpty)
        }
        try staff.put(path, ["phone": "612 555 0101"], headers: ["If-Match": weak]).expect(200)
        try staff.put(path, ["phone": "612 555 0102"], headers: ["If-Match": weak])
          .expectProblem(412, "precondition_failed")
      }
    }

    @Test("a POST that is sent again with its key has no second effect, and gets the first answer")
    func retries() throws {
      try Service.run { service in
        let staff = service.staff
        let body: JSON = [
          "type": "agent", "company_name": "Twice", "email": "twice@agent.example",
        ]
        let first = try staff.post(
          "/api/admin/partners", body, headers: ["Idempotency-Key": "key-1"]
        ).expect(201)
        #expect(first["idempotent-replayed"] == nil)
        let events = try service.lastEvent()
        for key in ["key-1", "\"key-1\""] {
          let second = try staff.post(
            "/api/admin/partners", body, headers: ["Idempotency-Key": key]
          ).expect(201)
          #expect(second.body == first.body && second["idempotent-replayed"] == "true")
          #expect(second["location"] == first["location"] && second["etag"] == first["etag"])
          #expect(second["x-request-id"] != first["x-request-id"])
        }
        #expect(try service.lastEvent() == events)
        try staff.post(
          "/api/admin/partners", body.merging(["email": "other@agent.example"]),
          headers: ["Idempotency-Key": "key-1"]
        ).expectProblem(422, "idempotency_key_reused")
        try staff.post("/api/admin/partners", body).expectProblem(409, "partner_exists")
        let long = String(repeating: "k", count: 256)
        for key in [long, "\"\"", "a b"] {
          let refusal = try staff.post(
            "/api/admin/partners", body, headers: ["Idempotency-Key": key]
          ).expectProblem(400, "invalid_parameter")
          #expect(refusal["errors"][0]["header"] == "Idempotency-Key")
        }
        #expect(try service.lastEvent() == events)
      }
    }

    @Test("a list is walked by its links, while rows are added, without a gap or a repeat")
    func pages() throws {
      try Service.run { service in
        let staff = service.staff
        for number in 1...23 { _ = try Self.makePartner(staff, number) }
        var names: [String] = []
        var next: String? = "/api/admin/partners?type=lender&limit=5&sort=company_name"
        while let target = next {
          let answer = try staff.get(target).expect(200)
          let page = try answer.json
          names += page["data"].elements.map(\.["company_name"].text)
          #expect(page["data"].elements.count <= 5)
          #expect(answer["etag"] == nil)
          next = answer["link"]?.wholeMatch(of: /<(\/api\/admin\/partners\?[^>]+)>; rel="next"/)
            .map { String($0.1) }
          #expect((next != nil) == (page["has_more"] == true))
          #expect((next != nil) == (page["next_cursor"] != nil))
          // One before and one after the place that the walk has reached.
          _ = try Self.makePartner(staff, 100 + names.count)
        }
        #expect(Set(names).count == names.count)
        #expect(names == names.sorted())
        #expect(Set(names).isSuperset(of: (1...23).map { "Lender \($0)" }))

        let first = try staff.get("/api/admin/partners?limit=5&type=lender").expect(200).json
        let cursor = first["next_cursor"].text
        for query in ["limit=5&type=agent", "limit=5", "sort=company_name&type=lender"] {
          let refusal = try staff.get("/api/admin/partners?\(query)&cursor=\(cursor)")
            .expectProblem(400, "invalid_parameter")
          #expect(refusal["errors"][0]["parameter"] == "cursor")
        }
      }
    }

    @Test(
      "public answers are cached for those without a token, whoever asks with one gets a new one")
    func cache() throws {
      try Service.run(.init(origins: [Self.origin], cache: true)) { service in
        let (staff, anyone) = (service.staff, service.anyone)
        let path = "/api/coverage/CA/lender"
        let before = try anyone.get(path).expect(200)
        #expect(try before.json["status"] == "coming_soon")
        try staff.put("/api/admin/coverage/CA/lender", ["status": "unavailable"]).expect(200)

        let cached = try anyone.get(path).expect(200)
        #expect(cached.body == before.body && cached["etag"] == before["etag"])
        #expect(cached["x-request-id"] != before["x-request-id"])
        #expect(try staff.get(path).expect(200).json["status"] == "unavailable")
        #expect(
          try anyone.get(path, headers: ["Cookie": "a=b"]).expect(200).json["status"]
            == "unavailable")
        #expect(try anyone.get(path).expect(200).body == before.body)
        // HEAD neither fills the cache with nothing nor takes a body from it.
        let other = "/api/coverage/CA/agent"
        #expect(try anyone.send("HEAD", other).expect(200).body.isEmpty)
        #expect(try anyone.get(other).expect(200).json["partner_type"] == "agent")
        #expect(try anyone.send("HEAD", other).expect(200).body.isEmpty)
        // One origin's answer is not another's.
        #expect(try anyone.get(other)["access-control-allow-origin"] == nil)
        #expect(
          try anyone.get(other, headers: ["Origin": Self.origin])["access-control-allow-origin"]
            == Self.origin)
        #expect(try anyone.get(other)["access-control-allow-origin"] == nil)
        // What is not public is never kept.
        let partner = try #require(try Self.makePartner(staff)["location"])
        try staff.get(partner).expect(200)
        try anyone.get(partner).expectProblem(401, "unauthenticated")
        try anyone.get("/api/health").expect(200)
        #expect(service.stopResponder() == .exit(0))
        try anyone.get("/api/health").expectProblem(502, "unavailable")
      }
    }
  }
}
