import Foundation
import Glibc
import Synchronization
import Testing

extension EndToEnd {
  @Suite("Stopped and replaced") struct StopTests {
    @Test("SIGTERM: every request that was accepted is answered, through nginx and straight")
    func answersWhatItAccepted() throws {
      try Service.run { service in
        // Nothing can be written while the test holds the lock, so all of these are in the
        // responder, or wait at its socket, when the signal comes.
        let lock = open(service.database + ".lock", O_RDWR | O_CLOEXEC)
        try #require(lock >= 0 && flock(lock, LOCK_EX) == 0)
        defer { close(lock) }
        let behind = Crowd(24) { client in
          try service.makePartner("nginx\(client)@stop.example").status
        }
        let straight = try (0..<12).map { number in
          let connection = try service.connectStraight()
          try connection.send(
            FastCGI.request(
              "POST", "/api/admin/partners", token: service.token,
              [
                "type": "agent", "company_name": "Firm", "email": "straight\(number)@stop.example",
              ]))
          return connection
        }
        let connections = 36
        #expect(
          try eventually {
            try kernelFile("/proc/net/unix").split(separator: "\n")
              .filter { $0.hasSuffix(" \(service.socket)") }.count >= connections + 1
          })
        usleep(200_000)
        let program = try service.responder
        program.signal(SIGTERM)
        usleep(200_000)
        #expect(program.isRunning, "it did not wait for what it had accepted")
        flock(lock, LOCK_UN)

        for connection in straight { #expect(try connection.receiveFastCGIAnswer().status == 201) }
        #expect(try behind.values() == Array(repeating: 201, count: 24))
        #expect(try program.wait() == .exit(0))
        #expect(!FileManager.default.fileExists(atPath: service.socket))
        #expect(throws: Trouble.self) { try service.connectStraight() }
        try service.anyone.get("/api/health").expectProblem(502, "unavailable")

        try service.startResponder()
        let emails = try service.staff.all("/api/admin/partners?limit=100").map(\.["email"].text)
        #expect(
          Set(emails)
            == Set(
              (0..<24).map { "nginx\($0)@stop.example" }
                + (0..<12).map { "straight\($0)@stop.example" }))
        try service.expectSound()
      }
    }

    @Test("SIGTERM under load: answers are whole or nginx's, and what was acknowledged is kept")
    func underLoad() throws {
      try Service.run { service in
        let acknowledged = Shared<Set<String>>([])
        for round in 1...5 {
          let clients = Crowd(16) { client in
            for number in 0... {
              let email = "\(round)-\(client)-\(number)@load.example"
              let answer = try service.makePartner(email, expecting: nil)
              if answer.status == 502 {
                try answer.expectProblem(502, "unavailable")
                return number
              }
              try answer.expect(201)
              acknowledged.withLock { _ = $0.insert(email) }
            }
            return 0
          }
          let wanted = acknowledged.withLock { $0.count } + 50
          #expect(eventually { acknowledged.withLock { $0.count } >= wanted })
          let program = try service.responder
          program.signal(SIGTERM)
          #expect(try program.wait() == .exit(0))
          _ = try clients.values()
          try service.startResponder()
        }
        let emails = Set(
          try service.staff.all("/api/admin/partners?limit=100").map(\.["email"].text))
        let kept = acknowledged.withLock { $0 }
        #expect(kept.isSubset(of: emails), "lost: \(kept.subtracting(emails))")
        // Every other one was in no answer at all, so it was never made.
        #expect(emails.isSubset(of: kept), "made without an answer: \(emails.subtracting(kept))")
      }
    }

    @Test("SIGINT stops it as well; SIGHUP and SIGUSR1 do not")
    func otherSignals() throws {
      try Service.run { service in
        for signal in [SIGHUP, SIGUSR1, SIGPIPE] { try service.responder.signal(signal) }
        for _ in 0..<20 { try service.anyone.get("/api/health").expect(200) }
        #expect(try service.responder.stop(SIGINT) == .exit(0))
        try service.startResponder()
      }
    }

    /// Neither does whoever connects anew for each request meet a gap, nor nginx, which keeps its
    /// connections: the old responder asks it to let go of them, and answers what crosses that.
    @Test(
      "one responder replaces the other on an inherited socket: every request gets its answer",
      arguments: [Service.Listening.descriptor0, .descriptor3])
    func replacement(listening: Service.Listening) throws {
      try Service.run(.init(listening: listening)) { service in
        let isOver = Shared(false)
        defer { isOver.withLock { $0 = true } }
        let count = Shared(0)
        let through = Crowd(8) { client in
          let staff = service.staff
          var emails: [String] = []
          for number in 0... {
            if isOver.withLock({ $0 }) { break }
            let email = "\(client)-\(number)@next.example"
            let isWrite = number.isMultiple(of: 4)
            let answer =
              isWrite
              ? try service.makePartner(email, by: staff, expecting: nil)
              : try staff.get("/api/admin/partners?limit=5")
            try answer.expect(isWrite ? 201 : 200)
            if isWrite { emails.append(email) }
            count.withLock { $0 += 1 }
          }
          return emails
        }
        let straight = Crowd(4) { _ in
          while !isOver.withLock({ $0 }) {
            let connection = try service.connectStraight()
            try connection.send(FastCGI.request("GET", "/api/health"))
            let answer = try connection.receiveFastCGIAnswer()
            guard answer.status == 200 else { throw Trouble("health: \(answer.status)") }
          }
        }
        for _ in 0..<6 {
          let wanted = count.withLock { $0 } + 100
          #expect(eventually { count.withLock { $0 } >= wanted }, "no progress")
          let old = try service.responder
          try service.startResponder()
          #expect(old.stop() == .exit(0))
        }
        isOver.withLock { $0 = true }
        _ = try straight.values()
        let made = try through.values().flatMap(\.self)
        let all = try service.staff.all("/api/admin/partners?limit=100").map(\.["email"].text)
        #expect(all.count == made.count && Set(all) == Set(made))
        // The socket's file is not theirs to remove.
        #expect(FileManager.default.fileExists(atPath: service.socket))
        try service.expectSound()
      }
    }
  }
}
