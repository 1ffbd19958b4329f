import Foundation
import Synchronization
import Testing

extension EndToEnd {
  @Suite("Killed") struct CrashTests {
    /// What the clients sent, and what was acknowledged.
    private struct Ledger {
      var sent: Set<String> = []
      /// The partner's ID that each e-mail address was answered with.
      var acknowledged: [String: String] = [:]
      var isOver = false
    }

    /// Posts partners, each with a key and as often as it takes until one answer acknowledges it.
    private static func write(_ client: Int, _ service: Service, _ ledger: Shared<Ledger>) throws {
      var staff = service.staff
      for number in 0... {
        if ledger.withLock({ $0.isOver }) { return }
        let email = "\(client)-\(number)@crash.example"
        ledger.withLock { _ = $0.sent.insert(email) }
        var answer: Answer?
        for _ in 0..<2_000 {
          answer = try? staff.post(
            "/api/admin/partners",
            ["type": "agent", "company_name": "Firm", "email": "\(email)"],
            headers: ["Idempotency-Key": email])
          if let answer, answer.status != 502 { break }
          if answer == nil { staff = service.staff }
          usleep(5_000)
        }
        guard let answer else { throw Trouble("nginx did not answer") }
        let id = try answer.expect(201).json["id"].text
        ledger.withLock { $0.acknowledged[email] = id }
      }
    }

    @Test(
      "50 times in the middle of writes: what was acknowledged is there, once, and nothing else")
    func keepsWhatItAcknowledged() throws {
      try Service.run { service in
        try Self.killRepeatedly(service, times: 50)
      }
    }

    private static func killRepeatedly(_ service: Service, times: Int) throws {
      let ledger = Shared(Ledger())
      let clients = Crowd(4) { try write($0, service, ledger) }
      defer { ledger.withLock { $0.isOver = true } }
      var dice = Dice(50)
      var followed = 0
      var seen: Set<String> = []
      for round in 1...times {
        let before = ledger.withLock { $0.acknowledged.count }
        // Most rounds get some writes done; in every fifth the responder dies while it starts.
        let isEarly = round.isMultiple(of: 5)
        if !isEarly {
          let wanted = before + Int.random(in: 1...12, using: &dice)
          let progress = eventually { ledger.withLock { $0.acknowledged.count } >= wanted }
          try #require(progress, "no write was acknowledged in round \(round)")
        }
        usleep(.random(in: 0...15_000, using: &dice))
        let acknowledged = ledger.withLock { $0.acknowledged }
        let program = try service.responder
        program.kill()
        #expect(program.end == .signal(SIGKILL))
        try service.startResponder(waits: !isEarly, wrapper: [])
        guard !isEarly else { continue }

        // The events since the last round name every acknowledged partner. More are coming, so they
        // are followed only until all are found.
        var lost = Set(acknowledged.values).subtracting(seen)
        let staff = service.staff
        repeat {
          let page = try staff.get("/api/admin/events?limit=100&after=\(followed)").expect(200).json
          let events = page["data"].elements
          let numbers = events.compactMap(\.["number"].int)
          #expect(numbers == numbers.sorted() && (numbers.first ?? .max) > followed)
          followed = numbers.last ?? followed
          let made = events.filter { $0["kind"] == "partner.created" }.map(\.["subject"]["id"].text)
          seen.formUnion(made)
          lost.subtract(made)
          if page["has_more"] != true { break }
        } while !lost.isEmpty
        #expect(lost.isEmpty, "lost in round \(round): \(lost)")
        if round.isMultiple(of: 7) { try service.expectSound() }
      }
      ledger.withLock { $0.isOver = true }
      _ = try clients.values()

      let (sent, acknowledged) = ledger.withLock { ($0.sent, $0.acknowledged) }
      let partners = try service.staff.all("/api/admin/partners?limit=100")
      #expect(partners.count == acknowledged.count)
      #expect(
        Dictionary(partners.map { ($0["email"].text, $0["id"].text) }) { "\($0) and \($1)" }
          == acknowledged)
      #expect(Set(partners.map(\.["email"].text)).isSubset(of: sent))
      #expect(acknowledged.count > times)
      #expect(!service.log.contains("lost events"), "an intact database was taken for a cut one")
      try service.expectSound()
    }

    @Test("a write-ahead log that is removed is noticed at the next start, and numbers go on above")
    func noticesLostLog() throws {
      try Service.run(logsErrors: true) { service in
        // The log is copied into the database when the responder has been idle for a moment; it is
        // to die before.
        var known = 0
        var left = 0
        for attempt in 1...20 {
          try inParallel(4) { client in
            for number in 0..<5 {
              try service.staff.post(
                "/api/admin/partners",
                [
                  "type": "agent", "company_name": "Firm",
                  "email": "\(attempt)-\(client)-\(number)@lost.example",
                ]
              ).expect(201)
            }
          }
          known = try service.lastEvent()
          try service.responder.kill()
          #expect(!service.log.contains("critical"))
          for suffix in ["-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: service.database + suffix)
          }
          try service.startResponder()
          left = try service.staff.all("/api/admin/partners?limit=100").count
          if left < attempt * 20 { break }
        }
        try #require(left % 20 != 0 || left == 0, "the log held nothing that could be lost")

        let critical = try service.logLines.filter { $0["level"] == "critical" }
        try #require(critical.count == 1, "\(service.log)")
        #expect(critical[0]["message"].text.contains("lost"))
        #expect(critical[0]["expected"] == "\(known)" || critical[0]["expected"].int == known)

        // Whoever follows the events sees the gap: no number is given twice.
        try service.staff.post(
          "/api/admin/partners",
          ["type": "agent", "company_name": "Firm", "email": "after@lost.example"]
        ).expect(201)
        let later = try service.staff.all("/api/admin/events?after=\(known)")
        #expect(later.map(\.["kind"].text).last == "partner.created")
        #expect(later.compactMap(\.["number"].int).allSatisfy { $0 > known })
        let count = try service.logLines.count
        #expect(service.stopResponder() == .exit(0))
        try service.startResponder()
        #expect(try service.logLines.dropFirst(count).allSatisfy { $0["level"] != "critical" })
        try service.expectSound()
      }
    }

    @Test("a restart on an intact database has nothing to say")
    func intact() throws {
      try Service.run { service in
        for _ in 0..<2 {
          try service.makePartner()
          let events = try service.lastEvent()
          try service.responder.kill()
          try service.startResponder()
          #expect(try service.lastEvent() == events)
          #expect(service.stopResponder() == .exit(0))
          try service.startResponder()
          #expect(try service.lastEvent() == events)
        }
        let messages = try service.logLines.map(\.["message"].text)
        #expect(Set(messages) == ["started", "stopping", "stopped"])
      }
    }
  }
}
