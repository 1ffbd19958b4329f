import Foundation
import Testing

extension EndToEnd {
  @Suite("Bad input") struct BadInputTests {
    /// A request, and how it is refused.
    private struct Case {
      var method = "PUT"
      let target: String
      let body: [UInt8]
      var headers: [String: String] = [:]
      let status: Int
      let code: String
      /// The place of the first error, where errors are named.
      var place: String?
    }

    @Test("gets the contract's refusal and changes nothing")
    func changesNothing() throws {
      try Service.run { service in
        let staff = service.staff
        let partner = try staff.post(
          "/api/admin/partners",
          [
            "type": "attorney", "company_name": "Firm", "email": "firm@law.example",
            "service_areas": ["MN"],
          ]
        ).expect(201)
        let path = try #require(partner["location"])
        let (userID, token, _) = try service.makeUser("maya@mail.example", name: "Maya")
        let groupID = UUID().uuidString.lowercased()
        let group = "/api/admin/groups/\(groupID)"
        try staff.put(group, ["name": "Group", "members": ["\(userID)"]]).expect(201)
        let referrals = "/api/groups/\(groupID)/referrals"
        let referral = try staff.post(referrals, ["partner_type": "attorney"]).expect(201).json
        let referralPath = "/api/admin/referrals/\(referral["id"].text)"
        let events = try service.lastEvent()
        let things = [
          path, group, "/api/admin/users/\(userID)", referralPath, "/api/admin/partners",
          "/api/admin/referrals", "/api/coverage",
        ]
        let before = try things.map { try staff.get($0).expect(200).text }

        let cases =
          Self.malformed(path) + Self.fields(path) + Self.texts(path)
          + Self.others(referrals: referrals, referralPath: referralPath, group: group)
        for item in cases {
          let answer = try staff.send(
            item.method, item.target, body: item.body, headers: item.headers)
          let name =
            "\(item.method) \(item.target) \(String(decoding: item.body.prefix(100), as: UTF8.self))"
          guard answer.status == item.status else {
            Issue.record("\(name) answered \(answer.status): \(answer.text)")
            continue
          }
          let problem = try answer.expectProblem(item.status, item.code)
          if let place = item.place {
            #expect(problem["errors"][0]["pointer"] == .string(place), "\(name): \(problem)")
            #expect(!problem["errors"][0]["code"].text.isEmpty, "\(name): \(problem)")
          }
        }
        for (target, parameter) in Self.queries {
          let answer = try staff.get(target)
          let problem = try answer.expectProblem(400, "invalid_parameter")
          #expect(problem["errors"][0]["parameter"] == .string(parameter), "\(target): \(problem)")
        }
        for words in Self.hostileWords {
          let query = words.addingPercentEncoding(withAllowedCharacters: .alphanumerics)!
          let answer = try staff.get("/api/admin/partners?q=\(query)").expect(200)
          #expect(try answer.json["data"] == [], "\(words)")
        }
        // A stranger's token gets no further than its bad input, and learns nothing by it.
        let member = Client(port: service.port, token: token)
        try member.send("PUT", path, body: Array("{".utf8)).expectProblem(403, "forbidden")
        try service.anyone.send("PUT", path, body: Array("{".utf8))
          .expectProblem(401, "unauthenticated")

        #expect(try service.lastEvent() == events)
        #expect(try things.map { try staff.get($0).expect(200).text } == before)
        try service.expectSound()
        let leak = try #require(try? Regex("SELECT|sqlite|\\.swift|/tmp/"))
        for answer in [try staff.get("/api/admin/partners?q=%00&limit=x"), try staff.get("/api/x")]
        {
          #expect(!answer.text.contains(leak))
        }
      }
    }

    @Test("gets a short refusal, however many mistakes it has")
    func manyMistakes() throws {
      try Service.run { service in
        let answer = try service.anyone.get(
          "/api/coverage?" + String(repeating: "a&", count: 4_000))
        let problem = try answer.expectProblem(400, "invalid_parameter")
        #expect(problem["errors"].elements.count == 100)
        #expect(answer.body.count < 65_536)
      }
    }

    @Test("has quotas by the responder's options: for a group's members, and none for staff")
    func quotas() throws {
      try Service.run(.init(responder: ["--group-requests-per-day", "2"])) { service in
        let staff = service.staff
        let (userID, token, _) = try service.makeUser("maya@mail.example", name: "Maya")
        let group = UUID().uuidString.lowercased()
        try staff.put(
          "/api/admin/groups/\(group)", ["name": "Group", "members": ["\(userID)"]]
        ).expect(201)
        let member = Client(port: service.port, token: token)
        let path = "/api/groups/\(group)/referrals"
        for type in ["cpa", "agent"] {
          try member.post(path, ["partner_type": .string(type)]).expect(201)
        }
        let refused = try member.post(path, ["partner_type": "title"])
        try refused.expectProblem(429, "quota_exceeded")
        let wait = try #require(refused["retry-after"].flatMap { Int($0) })
        #expect((1...86_400).contains(wait))
        try staff.post(path, ["partner_type": "title"]).expect(201)
      }
    }

    /// What is no JSON, or not the JSON that is expected, whatever its fields.
    private static func malformed(_ path: String) -> [Case] {
      let deep = String(repeating: "[", count: 30_000)
      let texts: [(String, String)] = [
        ("", "malformed_json"), ("{", "malformed_json"), ("{\"phone\":}", "malformed_json"),
        ("{'phone':1}", "malformed_json"), ("{\"phone\":1,}", "malformed_json"),
        ("{} {}", "malformed_json"), ("{\"phone\":01}", "malformed_json"),
        ("{\"phone\":NaN}", "malformed_json"), ("{\"phone\":\"\\ud800\"}", "malformed_json"),
        ("{\"phone\":\"a\nb\"}", "malformed_json"), ("{\"phone\":\"\\x\"}", "malformed_json"),
        ("{\"phone\":null,\"phone\":null}", "malformed_json"), ("\u{FEFF}", "malformed_json"),
        (deep, "malformed_json"), (deep + String(repeating: "]", count: 30_000), "malformed_json"),
        (String(repeating: "{\"a\":", count: 10_000), "malformed_json"),
        ("nul", "malformed_json"), ("/* */{}", "malformed_json"),
      ]
      let bytes: [[UInt8]] = [
        [0xFF, 0xFE, 0x7B, 0, 0x7D, 0], [0x7B, 0x22, 0xC3, 0x22, 0x7D],
        Array("{\"phone\":\"".utf8) + [0xED, 0xA0, 0x80] + Array("\"}".utf8),
        Array("{\"phone\":\"".utf8) + [0xC0, 0xAF] + Array("\"}".utf8), [0x7B, 0x00, 0x7D],
      ]
      let wrongRoots = ["[]", "null", "1", "\"phone\"", "true"]
      let wrongTypes = [
        "text/plain", "application/x-www-form-urlencoded", "application/jsonp",
        "application/problem+json",
      ]
      return texts.map {
        Case(target: path, body: Array($0.0.utf8), status: 400, code: $0.1)
      }
        + bytes.map { Case(target: path, body: $0, status: 400, code: "malformed_json") }
        + wrongRoots.map {
          Case(target: path, body: Array($0.utf8), status: 422, code: "validation", place: "")
        }
        + wrongTypes.map {
          Case(
            target: path, body: Array("{}".utf8), headers: ["Content-Type": $0], status: 415,
            code: "unsupported_media_type")
        }
        + ["gzip", "br", "identity, deflate"].map {
          Case(
            target: path, body: Array("{}".utf8), headers: ["Content-Encoding": $0], status: 415,
            code: "unsupported_media_type")
        }
    }

    /// Fields of another type or value, unknown ones, and ones that cannot be set.
    private static func fields(_ path: String) -> [Case] {
      let bodies: [(JSON, String)] = [
        (["company_name": 1], "/company_name"), (["company_name": nil], "/company_name"),
        (["company_name": " \t "], "/company_name"), (["company_name": ["a"]], "/company_name"),
        (["co_ownership_certified": "true"], "/co_ownership_certified"),
        (["co_ownership_certified": 1], "/co_ownership_certified"),
        (["service_areas": "MN"], "/service_areas"),
        (["service_areas": ["MN", "ZZ"]], "/service_areas/1"),
        (["service_areas": ["MN", nil]], "/service_areas/1"),
        (["service_areas": [["MN"]]], "/service_areas/0"), (["type": "plumber"], "/type"),
        (["type": "Attorney"], "/type"), (["user_id": "1"], "/user_id"),
        (["user_id": "\(UUID().uuidString)"], "/user_id"),
        (["agreement_signed_at": "yesterday"], "/agreement_signed_at"),
        (["agreement_signed_at": "2026-02-30T00:00:00Z"], "/agreement_signed_at"),
        (["agreement_signed_at": "2026-01-01t00:00:00z"], "/agreement_signed_at"),
        (["agreement_signed_at": "2999-01-01T00:00:00Z"], "/agreement_signed_at"),
        (["agreement_signed_at": 1_700_000_000], "/agreement_signed_at"),
        (["email": "nobody"], "/email"), (["email": "a@b@c.example"], "/email"),
        (["email": nil], "/email"), (["phone": "12345"], "/phone"),
        (["phone": "call 612 555 0100"], "/phone"), (["website": "ftp://a.example"], "/website"),
        (["website": "javascript:alert(1)"], "/website"), (["website": "https://"], "/website"),
        (["website": "https://user@a.example"], "/website"), (["status": "active"], "/status"),
        (["id": "\(UUID().uuidString)"], "/id"), (["invited_by": nil], "/invited_by"),
        (["created_at": "2026-01-01T00:00:00Z"], "/created_at"), (["company": "x"], "/company"),
        (["": 1], "/"), (["a/b~c": 1], "/a~1b~0c"), (["__proto__": [:]], "/__proto__"),
      ]
      return bodies.map { body, place in
        Case(
          target: path, body: (try? body.bytes) ?? [], status: 422, code: "validation",
          place: place)
      }
    }

    /// Texts that are one over, or hold what is refused.
    private static func texts(_ path: String) -> [Case] {
      func text(_ field: String, _ value: String) -> Case {
        Case(
          target: path, body: (try? JSON.object([field: .string(value)]).bytes) ?? [], status: 422,
          code: "validation", place: "/\(field)")
      }
      return [
        text("company_name", String(repeating: "é", count: 201)),
        text("contact_name", String(repeating: "😀", count: 101)),
        text("email", String(repeating: "a", count: 240) + "@law.example.example"),
        text("phone", String(repeating: "1", count: 21)),
        text("website", "https://a.example/" + String(repeating: "a", count: 238)),
        text("notes", String(repeating: "n", count: 10_001)),
        text("company_name", "a\nb"), text("company_name", "a\u{0}b"),
        text("notes", "a\u{7}b"), text("contact_name", "a\u{85}b"),
      ]
    }

    private static func others(
      referrals: String, referralPath: String, group: String
    ) -> [Case] {
      let unknown = UUID().uuidString.lowercased()
      func json(
        _ method: String, _ target: String, _ body: JSON, _ status: Int, _ code: String,
        _ place: String? = nil
      ) -> Case {
        Case(
          method: method, target: target, body: (try? body.bytes) ?? [], status: status, code: code,
          place: place)
      }
      return [
        json("POST", referrals, [:], 422, "validation", "/partner_type"),
        json(
          "POST", referrals, ["partner_type": "attorney", "context": []], 422, "validation",
          "/context"),
        json(
          "POST", referrals, ["partner_type": "attorney", "context": ["group_size": 0]], 422,
          "validation", "/context/group_size"),
        json(
          "POST", referrals, ["partner_type": "attorney", "context": ["group_size": 101]], 422,
          "validation", "/context/group_size"),
        json(
          "POST", referrals,
          ["partner_type": "attorney", "context": ["home_price_range": ["min": 2, "max": 1]]], 422,
          "validation", "/context/home_price_range"),
        json(
          "POST", referrals,
          ["partner_type": "attorney", "context": ["home_price_range": ["min": -1]]], 422,
          "validation", "/context/home_price_range/min"),
        json(
          "POST", referrals,
          [
            "partner_type": "attorney",
            "context": ["timeline": .string(String(repeating: "t", count: 101))],
          ],
          422, "validation", "/context/timeline"),
        json(
          "POST", referrals,
          [
            "partner_type": "attorney",
            "context": ["specific_need": .string(String(repeating: "n", count: 2_001))],
          ], 422, "validation", "/context/specific_need"),
        json(
          "POST", referrals, ["partner_type": "attorney", "context": ["budget": 1]], 422,
          "validation", "/context/budget"),
        json(
          "POST", referrals, ["partner_type": "lender", "status": "matched"], 422, "validation",
          "/status"),
        json(
          "POST", referrals, ["partner_type": "lender", "requested_by": .string(unknown)], 422,
          "validation", "/requested_by"),
        json(
          "POST", "/api/groups/\(unknown)/referrals", ["partner_type": "lender"], 404, "not_found"),
        json("POST", "/api/groups/1/referrals", ["partner_type": "lender"], 404, "not_found"),
        json(
          "PUT", referralPath, ["partner_id": .string(unknown)], 422, "validation", "/partner_id"),
        json("PUT", referralPath, ["partner_id": nil], 422, "validation", "/partner_id"),
        json("PUT", referralPath, ["status": "matched"], 422, "validation", "/partner_id"),
        json("PUT", referralPath, ["status": "closed"], 409, "transition_not_allowed"),
        json(
          "PUT", referralPath, ["note": .string(String(repeating: "n", count: 2_001))], 422,
          "validation", "/note"),
        json("PUT", "\(referralPath)/outcome", ["outcome": "engaged"], 409, "outcome_not_possible"),
        json("PUT", "\(referralPath)/outcome", ["outcome": nil], 422, "validation", "/outcome"),
        json("PUT", "/api/admin/referrals/\(unknown)", [:], 404, "not_found"),
        json("PUT", group, ["members": [.string(unknown)]], 422, "validation", "/members/0"),
        json("PUT", group, ["state": "Minnesota"], 422, "validation", "/state"),
        json("PUT", "/api/admin/groups/\(unknown)", ["members": []], 422, "validation", "/name"),
        json(
          "PUT", "/api/admin/users/\(unknown)", ["email": "a@b.example"], 422, "validation", "/name"
        ),
        json(
          "PUT", "/api/admin/users/\(unknown)", ["email": "MAYA@mail.example", "name": "Other"],
          409,
          "email_taken"),
        json(
          "PUT", "/api/admin/coverage/MN/lender", ["status": "available"], 409, "no_active_partner"),
        json("PUT", "/api/admin/coverage/MN/lender", [:], 422, "validation", "/status"),
        json("PUT", "/api/admin/coverage/ZZ/lender", ["status": nil], 404, "not_found"),
        json(
          "POST", "/api/admin/partners",
          ["type": "attorney", "company_name": "X", "email": "FIRM@law.example"], 409,
          "partner_exists"),
        json(
          "POST", "/api/admin/partners",
          [
            "type": "attorney", "company_name": "X", "email": "x@law.example", "status": "active",
          ], 409, "partner_not_ready"),
        json("POST", "/api/admin/users/\(unknown)/tokens", [:], 404, "not_found"),
      ]
    }

    private static let queries = [
      ("/api/admin/partners?limit=0", "limit"), ("/api/admin/partners?limit=101", "limit"),
      ("/api/admin/partners?limit=1e1", "limit"), ("/api/admin/partners?page=2", "page"),
      ("/api/admin/partners?type=attorney&type=lender", "type"),
      ("/api/admin/partners?type=plumber", "type"), ("/api/admin/partners?state=ZZ", "state"),
      ("/api/admin/partners?sort=email", "sort"), ("/api/admin/partners?sort=--created_at", "sort"),
      ("/api/admin/partners?cursor=abc", "cursor"), ("/api/admin/partners?q=%FF", "q"),
      ("/api/admin/partners?q=" + String(repeating: "z", count: 201), "q"),
      ("/api/admin/partners?q=%zz", "q"), ("/api/admin/partners?q=a%00b", "q"),
      ("/api/admin/referrals?group_id=1", "group_id"),
      ("/api/admin/referrals?older_than_days=-1", "older_than_days"),
      ("/api/admin/referrals?older_than_days=3651", "older_than_days"),
      ("/api/admin/events?after=-1", "after"),
      ("/api/admin/events?after=99999999999999999999", "after"), ("/api/coverage?limit=1", "limit"),
    ]

    /// Search texts that mean something to SQL, to FTS5 or to LIKE.
    private static let hostileWords = [
      "\"", "' OR 1=1 --", "firm AND NOT x", "NEAR(firm law)", "company:zzz", "*", "^zzz",
      "zzz*) OR (firm", "%", "_", "\\", "{notes}:zzz", "-", "()", "zzz\"",
      String(repeating: "zzz ", count: 50), "zz\u{301}\u{301}\u{301}z",
    ]
  }
}
