import Foundation
import Testing

extension EndToEnd {
  @Suite("nginx's limits, and callers who try to escape them or to use them against others")
  struct LimitTests {
    /// nginx takes the caller's address from a header, so that requests come from any network.
    private static let networks = [
      "server_tokens off;":
        "server_tokens off; set_real_ip_from 127.0.0.1; real_ip_header X-Network;"
    ]

    private static func run(
      _ locations: [String: String] = [:], rates: [String: String] = [:], cache: Bool = false,
      _ body: (Service) throws -> Void
    ) throws {
      try Service.run(
        .init(
          limits: true, cache: cache, locations: networks.merging(locations) { $1 },
          rates: rates), body)
    }

    /// A token in this service's form that nobody has.
    private static func madeUpToken(_ dice: inout Dice) -> String {
      let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
      return "tomi_" + String((0..<43).map { _ in letters.randomElement(using: &dice)! })
    }

    /// The number of the first request that is refused with 429; nil if none is.
    private static func firstRefusal(
      of count: Int, _ send: (Int) throws -> Answer
    ) throws -> Int? {
      try (0..<count).first { try send($0).status == 429 }
    }

    @Test("a token has one limit, however its header is spelled")
    func spellings() throws {
      try Self.run(["zone=tomi_writes burst=100": "zone=tomi_writes burst=10"]) { service in
        let client = Client(port: service.port)
        let spellings = (0..<400).map { number in
          let word = "bearer".enumerated().map { index, letter in
            number >> index & 1 == 1 ? letter.uppercased() : String(letter)
          }
          return word.joined() + String(repeating: " ", count: 1 + number / 64)
        }
        let refused = try Self.firstRefusal(of: spellings.count) { number in
          try client.put(
            "/api/admin/users/1", [:],
            headers: [
              "Authorization": spellings[number] + service.token,
              "X-Network": "192.0.2.\(number % 250)",
            ])
        }
        #expect(refused != nil)
        // What nginx does not see as this token is none to the responder either.
        for other in ["Bearer \t", "Bearer\t ", "Bearer \u{a0}", "Bearer \u{200b}", "Bearer  ,"] {
          try client.get(
            "/api/admin/partners", headers: ["Authorization": other + service.token]
          ).expectProblem(401, "unauthenticated")
        }
      }
    }

    @Test("the last character of a web token's signature has several spellings, and the same limit")
    func webTokens() throws {
      try Self.run(["zone=tomi_writes burst=100": "zone=tomi_writes burst=10"]) { service in
        let client = Client(port: service.port)
        for length in [43, 86, 342] {
          let signature = String(repeating: "s", count: length - 1)
          let refused = try Self.firstRefusal(of: 400) { number in
            try client.put(
              "/api/admin/users/1", [:],
              headers: [
                "Authorization":
                  "Bearer e30.\(length).\(signature)\(["Q", "R", "S", "T"][number % 4])",
                "X-Network": "192.0.2.\(number % 250)",
              ])
          }
          #expect(refused != nil, "\(length)")
        }
      }
    }

    @Test("made-up tokens, of whatever form and length, leave room for others in every zone")
    func crowding() throws {
      let small = Dictionary(
        uniqueKeysWithValues: ["addresses", "anonymous", "reads", "writes", "refused"].map {
          ("zone=tomi_\($0):10m", "zone=tomi_\($0):64k")
        })
      try Self.run(rates: small) { service in
        let (member, staff) = (Client(port: service.port), service.staff)
        let partner = try staff.post(
          "/api/admin/partners", ["type": "cpa", "company_name": "C", "email": "c@cpa.example"]
        ).require("location")
        var dice = Dice(1)
        let letters = String(repeating: "x", count: 1_900)
        let forms: [(inout Dice) -> String] = [
          { "Bearer \(letters)\($0.next())" },
          { "Bearer \(Self.madeUpToken(&$0))" },
          { "Bearer e30.e30.\(letters)\($0.next())" },
          { dice in "Bearer e30.e30." + String(repeating: "y", count: Int(dice.next() % 300) + 43)
          },
          { "Basic \($0.next())" },
        ]
        for (index, form) in forms.enumerated() {
          for number in 0..<600 {
            let address =
              number.isMultiple(of: 2)
              ? "198.51.\(number / 250).\(number % 250)"
              : "2001:db8:\(index):\(String(number, radix: 16))::1"
            let headers = ["Authorization": form(&dice), "X-Network": address]
            if number.isMultiple(of: 3) {
              _ = try member.get("/api/admin/partners", headers: headers)
            } else {
              _ = try member.put("/api/admin/users/1", [:], headers: headers)
            }
          }
          try staff.put(partner, ["phone": "612 555 010\(index)"]).expect(200)
          try staff.get(partner).expect(200)
          try service.anyone.get("/api/health").expect(200)
        }
      }
    }

    @Test("an IPv6 /64 is one caller, as an IPv4 address is; a neighbour is another")
    func networkSizes() throws {
      let low = [
        "zone=tomi_anonymous burst=200": "zone=tomi_anonymous burst=5",
        "zone=tomi_addresses burst=600": "zone=tomi_addresses burst=20",
      ]
      // Slower than any machine is, so that only the burst counts.
      let slow = ["rate=50r/s": "rate=1r/m", "rate=300r/s": "rate=1r/m"]
      try Self.run(low, rates: slow) { service in
        let client = Client(port: service.port)
        var dice = Dice(2)
        func address(in network: String) -> String {
          let host = (0..<4).map { _ in String(dice.next() % 65_536, radix: 16) }
          return "\(network):\(host.joined(separator: ":"))"
        }
        // 0a is a line break to whoever reads an address as text.
        for network in ["2001:db8:1:1", "2001:db8:0:0", "2001:a0a:a0a:a0a", "2001:db8:1:2"] {
          let refused = try Self.firstRefusal(of: 20) { _ in
            try client.get("/api/health", headers: ["X-Network": address(in: network)])
          }
          #expect(refused == 6, "\(network)")
        }
        for base in ["192.0.2.1", "192.0.2.2"] {
          // An IPv4 address is the same caller on a socket for IPv6.
          let refused = try Self.firstRefusal(of: 20) { number in
            try client.get(
              "/api/health",
              headers: ["X-Network": number.isMultiple(of: 2) ? base : "::ffff:\(base)"])
          }
          #expect(refused == 6, "\(base)")
        }
        // With a token each, in one network.
        let refused = try Self.firstRefusal(of: 40) { _ in
          client.token = Self.madeUpToken(&dice)
          return try client.get(
            "/api/admin/partners", headers: ["X-Network": address(in: "2001:db8:5:5")])
        }
        #expect(refused == 21)
      }
    }

    @Test("a public path is one however it is escaped, with any token")
    func escapes() throws {
      let low = ["zone=tomi_anonymous burst=200": "zone=tomi_anonymous burst=5"]
      try Self.run(low, rates: ["rate=50r/s": "rate=1r/m"]) { service in
        var dice = Dice(3)
        for (index, path) in [
          "/api/%70artners", "/%61pi/partners", "/api/coverag%65", "/api/%63overage/MN",
          "/api/partners/%61", "/api/health", "/api/%68ealth", "/api/openapi%2Eyaml",
          "/api/partners/me%0A", "/api/partners/%6De%3F",
        ].enumerated() {
          let tokens = ["x", "Bearer \(Self.madeUpToken(&dice))", "Bearer \(service.token)"]
          for (number, authorization) in tokens.enumerated() {
            let client = Client(port: service.port)
            let refused = try Self.firstRefusal(of: 20) { _ in
              try client.get(
                path,
                headers: [
                  "Authorization": authorization,
                  "X-Network": "198.51.\(index).\(number)",
                ])
            }
            #expect(refused == 6, "\(path) \(authorization)")
          }
        }
        // The same spellings of a private path do not make it public.
        for path in ["/api/partners/me", "/api/partners/%6de", "/%61pi/partners/me"] {
          let refused = try Self.firstRefusal(of: 20) { _ in
            try service.staff.get(path, headers: ["X-Network": "198.51.100.1"])
          }
          #expect(refused == nil, "\(path)")
        }
      }
    }

    @Test("asking for letters and using their codes is limited by network, with any token")
    func letters() throws {
      let low = ["zone=tomi_letters burst=20": "zone=tomi_letters burst=5"]
      try Self.run(low, rates: ["rate=1r/s": "rate=1r/m"]) { service in
        var dice = Dice(4)
        for (index, path) in [
          "/api/sign-in", "/api/sign%2Din", "/api/sign-in/code", "/api/coverage/MN/cpa/waitlist",
          "/%61pi/coverage/MN/cpa/waitlis%74", "/api/waitlist/confirm", "/api/waitlist/leave",
        ].enumerated() {
          let tokens: [(inout Dice) -> String?] = [
            { _ in nil }, { _ in "Bearer \(service.token)" },
            // Another one each time.
            { "Bearer \(Self.madeUpToken(&$0))" },
          ]
          for (number, token) in tokens.enumerated() {
            let client = Client(port: service.port)
            let refused = try Self.firstRefusal(of: 20) { _ in
              var headers = ["X-Network": "198.51.\(index).\(number)"]
              if let token = token(&dice) { headers["Authorization"] = token }
              return try client.post(path, [:], headers: headers)
            }
            #expect(refused == 6, "\(path) \(number)")
            // That leaves what is read alone, and other changes.
            let headers = ["X-Network": "198.51.\(index).\(number)"]
            try client.get("/api/coverage/MN", headers: headers).expect(200)
            try service.staff.put("/api/admin/users/1", [:], headers: headers)
              .expectProblem(404, "not_found")
          }
        }
      }
    }

    @Test("the cache keeps no answer to a POST, and takes it for no GET's")
    func cachedPosts() throws {
      try Self.run(cache: true) { service in
        let body: JSON = ["email": "w@mail.example"]
        for path in ["/api/sign-in", "/api/coverage/MN/cpa/waitlist"] {
          for _ in 0..<2 {
            let answer = try service.anyone.post(path, body).expect(202)
            #expect(answer["cache-control"] == "no-store")
          }
          try service.anyone.get(path).expectProblem(405, "method_not_allowed")
        }
        try service.anyone.get("/api/coverage/MN/cpa").expect(200)
        func statuses() throws -> [String] {
          try String(contentsOfFile: service.accessLogPath, encoding: .utf8).split(separator: "\n")
            .map { try JSON(parsing: Array($0.utf8)) }
            .filter { $0["method"] == "POST" }.map(\.["cache"].text)
        }
        #expect(try eventually { try statuses().count == 4 })
        #expect(try statuses() == ["", "", "", ""])
      }
    }

    @Test("reads with a token are limited by it, and another token in the network is not")
    func reads() throws {
      try Self.run(
        ["zone=tomi_reads burst=300": "zone=tomi_reads burst=5"],
        rates: ["rate=100r/s": "rate=1r/m"]
      ) { service in
        let other = Client(
          port: service.port, token: try service.makeUser("m@mail.example", name: "M").token)
        let staff = service.staff
        let refused = try Self.firstRefusal(of: 20) { _ in try staff.get("/api/admin/partners") }
        #expect(refused == 6)
        try other.get("/api/admin/partners").expectProblem(403, "forbidden")
        // Changes and public paths have limits of their own.
        try staff.put("/api/admin/users/1", [:]).expectProblem(404, "not_found")
        try staff.get("/api/coverage/MN").expect(200)
      }
    }

    @Test("the cache keeps nothing private, however a path is escaped, and no answer for each Host")
    func cache() throws {
      try Self.run(cache: true) { service in
        let (userID, token, _) = try service.makeUser("p@mail.example", name: "P")
        let staff = service.staff
        try staff.post(
          "/api/admin/partners",
          [
            "type": "cpa", "company_name": "Own", "email": "own@cpa.example",
            "user_id": .string(userID),
          ]
        ).expect(201)
        let partner = Client(port: service.port, token: token)
        for path in ["/api/partners/me", "/api/partners/%6de", "/%61pi/partners/me"] {
          try partner.get(path).expect(200)
          try service.anyone.get(path).expectProblem(401, "unauthenticated")
        }
        for host in ["a.example", "b.example", "c.example"] {
          try service.anyone.get("/api/coverage/MN", headers: ["Host": host]).expect(200)
        }
        func stored() throws -> [String] {
          try String(contentsOfFile: service.accessLogPath, encoding: .utf8).split(separator: "\n")
            .map { try JSON(parsing: Array($0.utf8)) }
            .filter { $0["path"] == "/api/coverage/MN" }.map(\.["cache"].text)
        }
        #expect(try eventually { try stored().count == 3 })
        // Each of nginx's processes writes its own lines.
        #expect(try stored().sorted() == ["HIT", "HIT", "MISS"])
      }
    }

    @Test("the access log: no caller makes a line long, or many lines of refused requests")
    func accessLog() throws {
      try Self.run { service in
        let long = String(repeating: "p", count: 7_900)
        let client = Client(port: service.port)
        let first = try client.get("/\(long)").expect(404)
        // nginx's errors before it has read a header, or without a location, and the limits' own.
        let oddities = [
          "\(String(repeating: "M", count: 4_000)) /odd HTTP/1.1\r\nHost: a\r\n\r\n",
          "GET /odd HTTP/1.\(String(repeating: "0", count: 4_000))1\r\nHost: a\r\n\r\n",
          "GET /odd\(long) HTTP/1.1\r\nHost: a b\r\n\r\n",
          "\(long)\r\n\r\n",
        ]
        for oddity in oddities {
          let connection = try service.connect()
          try connection.send(oddity)
          #expect(try connection.receiveAnswer().status >= 400)
        }
        let began = ContinuousClock.now
        for _ in 0..<1_500 {
          let status = try client.get("/\(long)").status
          #expect(status == 404 || status == 429)
        }
        let seconds = Int((ContinuousClock.now - began).components.seconds) + 1
        for _ in 0..<300 {
          let connection = try service.connect()
          try connection.send("GET /bad\(long) HTTP/1.1\r\n\r\n")
          #expect(try connection.receiveAnswer().status == 400)
        }
        var refused = 0
        while refused < 1_500 {
          let answer = try client.get("/api/coverage/\(long)")
          refused += answer.status == 429 ? 1 : 0
        }
        try service.anyone.get("/api/coverage/MN", headers: ["X-Network": "192.0.2.7"]).expect(200)

        func lines() throws -> [String] {
          try String(contentsOfFile: service.accessLogPath, encoding: .utf8)
            .split(separator: "\n").map(String.init)
        }
        #expect(try eventually { try lines().contains { $0.contains("192.0.2.7") } })
        let all = try lines()
        #expect(all.allSatisfy { $0.utf8.count < 600 }, "\(all.map(\.utf8.count).max() ?? 0)")
        let read = try all.map { try JSON(parsing: Array($0.utf8)) }
        let own = try #require(read.first { $0["request_id"].text == first["x-request-id"] })
        #expect(own["path"].text == "/" + long.prefix(199))
        // At most the bursts, and what is allowed in the time that this took.
        let missing = read.filter {
          $0["status"].int == 404 && !$0["path"].text.hasPrefix("/api")
        }
        #expect(missing.count < 310 + 100 * seconds)
        #expect(read.filter { $0["status"].int == 429 }.count < 100)
      }
    }
  }
}
