import Foundation
import Testing

extension EndToEnd {
  @Suite("Slow and idle callers") struct SlowClientTests {
    @Test("40 callers that stay in the middle of a request hold nobody up, at nginx or behind it")
    func halfRequests() throws {
      // A half-sent header waits for as long as this test takes.
      let patience = ["client_header_timeout 5s": "client_header_timeout 60s"]
      try Service.run(.init(responder: ["--threads", "2"], locations: patience)) { service in
        let head = "PUT /api/admin/users/1 HTTP/1.1\r\nHost: a\r\n"
        let whole = try FastCGI.request("GET", "/api/health")
        var slow: [Connection] = []
        for number in 0..<40 {
          let connection = try service.connect()
          try connection.send(
            number.isMultiple(of: 2) ? head : head + "Content-Length: 100\r\n\r\n{\"half\":")
          slow.append(connection)
          let straight = try service.connectStraight()
          try straight.send(Array(whole[..<(number % whole.count)]))
          slow.append(straight)
        }
        for number in 0..<10 {
          try service.makePartner("\(number)@patient.example")
          try service.anyone.get("/api/coverage/MN").expect(200)
        }
        // One that goes on is answered as if it had never paused.
        try slow[1].send(whole)
        #expect(try slow[1].receiveFastCGIAnswer().status == 200)
        try slow[0].send("Content-Length: 2\r\n\r\n{}")
        try slow[0].receiveAnswer().expectProblem(401, "unauthenticated")
      }
    }

    @Test("kept connections that rest hold no thread, and are good for the next request")
    func idleConnections() throws {
      try Service.run(.init(responder: ["--threads", "2"])) { service in
        let health = try FastCGI.request("GET", "/api/health")
        let kept = try (0..<20).map { _ in try service.connectStraight() }
        for _ in 0..<3 {
          for connection in kept {
            try connection.send(health)
            #expect(try connection.receiveFastCGIAnswer().status == 200)
          }
          try service.anyone.get("/api/coverage").expect(200)
        }
      }
    }

    @Test("a caller that reads its answer slowly holds nobody up")
    func slowReader() throws {
      try Service.run(.init(responder: ["--threads", "2"])) { service in
        let readers = try (0..<10).map { _ in
          let connection = try service.connect()
          for _ in 0..<10 {
            try connection.send("GET /api/openapi.yaml HTTP/1.1\r\nHost: a\r\n\r\n")
          }
          return connection
        }
        for number in 0..<10 { try service.makePartner("\(number)@quick.example") }
        let document = try service.anyone.get("/api/openapi.yaml").expect(200).body
        for reader in readers {
          for _ in 0..<10 { #expect(try reader.receiveAnswer().body == document) }
        }
      }
    }
  }
}
