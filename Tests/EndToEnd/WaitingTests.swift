import Foundation
import Glibc
import Testing

extension EndToEnd {
  /// Changes wait for the writer, the lock and the disk. Nothing else does.
  @Suite("Changes that wait") struct WaitingTests {
    /// How long the responder waits for the lock file. Then it refuses what waits, which a busy machine
    /// may need longer to send than this.
    private static let patience = Duration.seconds(5)

    /// Runs `body` while nothing can be written: the test holds the database's lock file, as a command that
    /// writes does.
    ///
    /// - Returns: What `body` returned, and what the changes may be answered that waited meanwhile.
    private static func whileLocked<Value>(
      _ service: Service, _ body: () throws -> Value
    ) throws -> (Value, statuses: Set<Int>) {
      let start = ContinuousClock.now
      let lock = open(service.database + ".lock", O_RDWR | O_CLOEXEC)
      guard lock >= 0, flock(lock, LOCK_EX) == 0 else { throw Trouble.system("flock") }
      let result = Result(catching: body)
      close(lock)
      let isInTime = ContinuousClock.now - start < patience
      return (try result.get(), isInTime ? [201] : [201, 503])
    }

    /// How many changes wait, without those that the writer has begun with.
    private static func queueLength(_ service: Service) throws -> Int {
      let text = try service.anyone.get("/metrics").expect(200).text
      let line = text.firstMatch(of: /(?m)^tomi_writer_queue_length (\d+)$/)
      return try #require(line.flatMap { Int($0.1) })
    }

    /// Starts so many changes or a few more, and returns once one of them waits behind others.
    ///
    /// - Returns: Their statuses.
    private static func startChanges(_ count: Int, _ service: Service) throws -> [Crowd<Int>] {
      func start(_ count: Int) -> Crowd<Int> {
        Crowd(count) { _ in try service.makePartner(expecting: nil).status }
      }
      var changes = [start(count)]
      // The writer may have begun with all of the first.
      while try !eventually(within: 0.3, { try queueLength(service) > 0 }) {
        changes.append(start(1))
      }
      return changes
    }

    @Test("64 of them keep no read waiting, and all are made in the end") func readsGoOn() throws {
      try Service.run(logsErrors: true) { service in
        let anyone = service.anyone
        let staff = service.staff
        let partner = try #require(try service.makePartner()["location"])
        func median() throws -> Duration {
          let times = try (0..<60).map { index in
            try ContinuousClock().measure {
              if index.isMultiple(of: 2) {
                try anyone.get("/api/coverage/MN").expect(200)
              } else {
                try staff.get(partner).expect(200)
              }
            }
          }
          return times.sorted()[times.count / 2]
        }
        _ = try median()
        // Each in turn, and the best of several: other tests run on the same processors.
        var free: [Duration] = []
        var held: [Duration] = []
        var count = 1
        for _ in 0..<4 {
          free.append(try median())
          let (changes, expected) = try Self.whileLocked(service) {
            let changes = try Self.startChanges(64, service)
            held.append(try median())
            return changes
          }
          let statuses = try changes.flatMap { try $0.values() }
          #expect(statuses.count >= 64 && expected.isSuperset(of: statuses), "\(statuses)")
          count += statuses.count { $0 == 201 }
        }
        // Reads once took as long as the lock was held, which is thousands of times as long.
        #expect(held.min()! <= free.min()! * 3, "held \(held), free \(free)")
        let partners = try staff.all("/api/admin/partners?limit=100")
        #expect(partners.count == count)
        try service.expectSound()
      }
    }

    /// A request that is refused without the database.
    private struct Refused {
      let status: Int
      let code: String
      let method: String
      let target: String
      var body: [UInt8]?
      var headers: [String: String] = [:]

      init(
        _ status: Int, _ code: String, _ method: String, _ target: String, _ body: String? = nil,
        _ headers: [String: String] = [:]
      ) {
        (self.status, self.code, self.method, self.target) = (status, code, method, target)
        self.body = body.map { Array($0.utf8) }
        self.headers = headers
      }
    }

    @Test("what is wrong with a request is told at once, while others wait")
    func refusalsDoNotWait() throws {
      try Service.run(logsErrors: true) { service in
        let staff = service.staff
        let (user, member, tokenID) = try service.makeUser("ann@wait.example", name: "Ann")
        let (other, _, _) = try service.makeUser("pat@wait.example", name: "Pat")
        let partnerToken = try staff.post("/api/admin/users/\(other)/tokens", [:]).expect(201)
          .json["token"].text
        let group = UUID().uuidString.lowercased()
        try staff.put("/api/admin/groups/\(group)", ["name": "G", "members": [.string(user)]])
          .expect(201)
        let partner = try #require(try service.makePartner()["location"])
        try staff.put(partner, ["user_id": .string(other)]).expect(200)
        let referrals = "/api/groups/\(group)/referrals"
        let referral = try staff.post(referrals, ["partner_type": "agent"]).expect(201)
          .json["id"].text
        let queue = "/api/admin/referrals/\(referral)"
        let unknown = UUID().uuidString.lowercased()
        let before = try [partner, queue, "/api/coverage"].map { try staff.get($0).text }

        let bearer: (String) -> [String: String] = { ["Authorization": "Bearer \($0)"] }
        let cases: [Refused] = [
          // Mistakes in the body.
          Refused(422, "validation", "POST", "/api/admin/partners", "{}"),
          Refused(422, "validation", "PUT", partner, #"{"surplus":1}"#),
          Refused(422, "validation", "PUT", partner, #"{"email":"nobody","phone":7}"#),
          Refused(422, "validation", "PUT", "\(partner)/status", #"{"status":"gone"}"#),
          Refused(422, "validation", "POST", referrals, #"{"partner_type":"baker"}"#),
          Refused(
            422, "validation", "POST", referrals, #"{"partner_type":"baker"}"#,
            ["Idempotency-Key": "a"]),
          Refused(422, "validation", "POST", "\(referrals)/\(referral)/cancel", #"{"note":1}"#),
          Refused(422, "validation", "PUT", queue, #"{"status":"lost"}"#),
          Refused(422, "validation", "PUT", "\(queue)/outcome", #"{"outcome":"fine"}"#),
          Refused(422, "validation", "PUT", "/api/admin/coverage/MN/agent", #"{"status":"?"}"#),
          Refused(422, "validation", "PUT", "/api/admin/users/\(user)", #"{"email":"a"}"#),
          Refused(422, "validation", "PUT", "/api/admin/groups/\(group)", #"{"members":[1]}"#),
          Refused(
            422, "validation", "POST", "/api/admin/users/\(user)/tokens", #"{"expires_at":"now"}"#),
          Refused(
            422, "validation", "PUT", "/api/partners/me", #"{"notes":"x"}"#, bearer(partnerToken)),
          // The form of the request.
          Refused(413, "too_large", "PUT", partner, String(repeating: " ", count: 70_000)),
          Refused(
            415, "unsupported_media_type", "PUT", partner, "{}", ["Content-Type": "text/plain"]),
          Refused(400, "malformed_json", "PUT", partner, "{"),
          Refused(400, "malformed_json", "PUT", partner, ""),
          Refused(400, "invalid_parameter", "PUT", "\(partner)?surplus=1", "{}"),
          Refused(
            400, "invalid_parameter", "POST", "/api/admin/partners", "{}",
            ["Idempotency-Key": "a b"]),
          Refused(405, "method_not_allowed", "DELETE", partner),
          Refused(404, "not_found", "PUT", "/api/admin/partner/\(unknown)", "{}"),
          Refused(404, "not_found", "PUT", "/api/admin/partners/none", "{}"),
          Refused(404, "not_found", "DELETE", "/api/admin/tokens/none"),
          Refused(404, "not_found", "PUT", "/api/admin/coverage/ZZ/agent", #"{"status":null}"#),
          // A missing resource counts before the body's mistakes.
          Refused(404, "not_found", "PUT", "/api/admin/partners/\(unknown)", #"{"surplus":1}"#),
          Refused(404, "not_found", "PUT", "/api/admin/referrals/\(unknown)", #"{"surplus":1}"#),
          Refused(
            404, "not_found", "POST", "/api/groups/\(unknown)/referrals", #"{"surplus":1}"#,
            bearer(member)),
          // Who asks.
          Refused(
            401, "unauthenticated", "PUT", partner, #"{"phone":null}"#, bearer("tomi_nobody")),
          Refused(
            401, "unauthenticated", "DELETE", "/api/admin/tokens/\(tokenID)", nil, bearer("a.b.c")),
          Refused(403, "forbidden", "PUT", partner, #"{"phone":null}"#, bearer(member)),
          Refused(403, "forbidden", "PUT", "/api/partners/me", #"{"phone":null}"#, bearer(member)),
        ]
        let (waiting, expected) = try Self.whileLocked(service) {
          let waiting = try Self.startChanges(2, service)
          for item in cases {
            // Whatever waits for the lock is not answered before it is refused: with 503.
            let answer = try service.staff.send(
              item.method, item.target, body: item.body, headers: item.headers)
            #expect(
              throws: Never.self, "\(item.method) \(item.target)",
              performing: { try answer.expectProblem(item.status, item.code) })
          }
          return waiting
        }
        let statuses = try waiting.flatMap { try $0.values() }
        #expect(expected.isSuperset(of: statuses), "\(statuses)")
        #expect(try [partner, queue, "/api/coverage"].map { try staff.get($0).text } == before)
      }
    }

    @Test("SIGTERM: more of them than one commit takes are all answered") func stop() throws {
      try Service.run(logsErrors: true) { service in
        let emails = (0..<300).map { "straight\($0)@wait.example" }
        let program = try service.responder
        let (connections, expected) = try Self.whileLocked(service) {
          let connections = try emails.map { email in
            let connection = try service.connectStraight()
            try connection.send(
              FastCGI.request(
                "POST", "/api/admin/partners", token: service.token,
                ["type": "agent", "company_name": "Firm", "email": .string(email)]))
            return connection
          }
          program.signal(SIGTERM)
          usleep(100_000)
          #expect(program.isRunning, "it did not wait for what it had accepted")
          return connections
        }
        let statuses = try connections.map { try $0.receiveFastCGIAnswer().status }
        #expect(expected.isSuperset(of: statuses), "\(statuses)")
        #expect(try program.wait() == .exit(0))
        try service.startResponder()
        let kept = try service.staff.all("/api/admin/partners?limit=100").map(\.["email"].text)
        let made = zip(emails, statuses).filter { $0.1 == 201 }.map(\.0)
        #expect(kept.count == made.count && Set(kept) == Set(made))
        try service.expectSound()
      }
    }
  }
}
