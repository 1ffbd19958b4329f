import Foundation
import Testing

extension EndToEnd {
  @Suite("Under load") struct LoadTests {
    /// The responder's resident memory, in KiB.
    private static func residentMemory(of pid: pid_t) throws -> Int {
      let status = try kernelFile("/proc/\(pid)/status")
      let line = try #require(status.firstMatch(of: /VmRSS:\s+(\d+) kB/))
      return try #require(Int(line.1))
    }

    @Test("2,000 requests of 32 clients are all answered as they should be; memory stays level")
    func answersAll() throws {
      try Service.run { service in
        var memory: [Int] = []
        for round in 1...3 {
          let counts = try inParallel(32) { client in
            try (0..<7).map { try Self.work(service, "\(round)-\(client)-\($0)") }.reduce(0, +)
          }
          #expect(counts.reduce(0, +) >= 2_000)
          memory.append(try Self.residentMemory(of: service.responder.pid))
        }
        #expect(memory.max()! < 100 * 1024, "KiB after each round: \(memory)")
        #expect(memory[1] < memory[0] * 11 / 10, "KiB after each round: \(memory)")
        #expect(memory[2] < memory[1] * 11 / 10, "KiB after each round: \(memory)")
        let partners = try service.staff.all("/api/admin/partners?limit=100")
        #expect(Set(partners.map(\.["email"].text)).count == 3 * 32 * 7)
        try service.expectSound()
      }
    }

    /// Some reads and writes, each answer checked.
    ///
    /// - Parameter name: Theirs alone.
    /// - Returns: How many requests they were.
    private static func work(_ service: Service, _ name: String) throws -> Int {
      let (staff, anyone) = (service.staff, service.anyone)
      let word = "w" + name.replacing("-", with: "x")
      let body: JSON = [
        "type": "insurance", "company_name": "Company \(word)",
        "email": "\(name)@load.example", "service_areas": ["OR", "WA"],
        "notes": .string(String(repeating: "n", count: 1_000)),
      ]
      let created = try staff.post("/api/admin/partners", body).expect(201)
      let path = try created.require("location")
      let partner = try created.json
      try created.check(partner.merging(body) == partner)

      let read = try staff.get(path).expect(200)
      try read.check(read.body == created.body && read["etag"] == created["etag"])
      let tag = try read.require("etag")
      try staff.get(path, headers: ["If-None-Match": tag]).expect(304)

      let changed = try staff.put(path, ["phone": "612 555 0100"], headers: ["If-Match": tag])
        .expect(200)
      try changed.check(try changed.json["phone"] == "612 555 0100")
      try staff.put(path, ["phone": nil], headers: ["If-Match": tag])
        .expectProblem(412, "precondition_failed")

      let found = try staff.get("/api/admin/partners?q=\(word)&type=insurance").expect(200)
      try found.check(try found.json["data"] == [try changed.json])
      try staff.post("/api/admin/partners", body).expectProblem(409, "partner_exists")
      let coverage = try anyone.get("/api/coverage/OR").expect(200)
      try coverage.check(try coverage.json["partner_types"].elements.count == 6)
      try anyone.get(path).expectProblem(401, "unauthenticated")
      return 9
    }
  }
}
