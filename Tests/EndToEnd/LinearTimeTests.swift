import Foundation
import Glibc
import Testing

extension EndToEnd {
  /// The same through nginx, in all that it lets through. APITests measure each place by itself.
  @Suite("Combining marks") struct LinearTimeTests {
    /// Marks of two classes in turn, which would have to be sorted.
    private static func marks(_ bytes: Int) -> String {
      "a" + String(repeating: "\u{301}\u{323}", count: bytes / 4)
    }

    /// A request with a text in it.
    private struct Place {
      let name: String
      let status: Int
      var method = "GET"
      var target = "/api/admin/partners"
      var headers: [String: String] = [:]
      var body: String?
      /// nginx takes 8 KB of a line, and 64 KB of a body.
      var size = 7_900
    }

    private static func places(partner: String) -> [Place] {
      var places = [
        Place(name: "path", status: 404, target: "/api/*"),
        Place(name: "path", status: 404, target: "/api/partners/*"),
        Place(name: "path and query of the metrics", status: 404, target: "/metrics?*"),
        Place(name: "query's name", status: 400, target: "/api/partners?*=1"),
        Place(name: "query's value", status: 400, target: "/api/partners?q=*"),
        Place(name: "query's value", status: 400, target: "/api/admin/referrals?status=*"),
      ]
      for (name, value, status) in [
        ("Authorization", "Bearer *", 400), ("Authorization", "* token", 400),
        ("If-None-Match", "\"*\"", 400), ("Origin", "https://*.example", 200),
        // Nothing looks at these.
        ("User-Agent", "*", 200), ("X-Tomi", "*", 200),
      ] {
        places.append(Place(name: name, status: status, headers: [name: value]))
      }
      for (name, value) in [
        ("If-Match", "*"), ("Content-Type", "application/json;charset=*"),
      ] {
        places.append(
          Place(
            name: name, status: 400, method: "PUT", target: partner, headers: [name: value],
            body: "{}"))
      }
      places.append(
        Place(
          name: "Idempotency-Key", status: 400, method: "POST",
          headers: ["Idempotency-Key": "\"*\""], body: "{}"))
      for (name, body) in [
        ("JSON's name", "{\"*\":1}"), ("JSON's word", "{\"type\":\"*\"}"),
        ("JSON's text", "{\"notes\":\"*\"}"), ("JSON's list", "{\"service_areas\":[\"*\"]}"),
        ("JSON's deep name", "{\"notes\":{\"a\":{\"*\":1}}}"),
      ] {
        places.append(
          Place(
            name: name, status: 400, method: "PUT", target: partner, body: body, size: 65_000))
      }
      return places
    }

    /// The CPU time of a process, in the kernel's ticks (proc_pid_stat(5)).
    private static func ticks(of pid: pid_t) throws -> Int {
      let text = try kernelFile("/proc/\(pid)/stat")
      let fields = text[(try #require(text.lastIndex(of: ")")))...].split(separator: " ")
      return try #require(Int(fields[12])) + #require(Int(fields[13]))
    }

    @Test("cost no more than as many letters, wherever they stand") func throughNginx() throws {
      try Service.run { service in
        let partner = try #require(try service.makePartner()["location"])
        let pid = try service.responder.pid
        let staff = service.staff
        // 100 ms for all ten: ticks of 10 ms cannot tell less. Sorted, ten take a second and more.
        let floor = max(sysconf(Int32(_SC_CLK_TCK)) / 10, 1)
        for place in Self.places(partner: partner) {
          func cost(_ text: String, status: Int?) throws -> Int {
            let start = try Self.ticks(of: pid)
            for _ in 0..<10 {
              let answer = try staff.send(
                place.method, place.target.replacing("*", with: text),
                body: place.body.map { Array($0.replacing("*", with: text).utf8) },
                headers: place.headers.mapValues { $0.replacing("*", with: text) })
              try status.map { try answer.check(answer.status == $0) }
            }
            return try Self.ticks(of: pid) - start
          }
          let text = Self.marks(place.size)
          let plain = try cost(String(repeating: "a", count: text.utf8.count), status: nil)
          let marks = try cost(text, status: place.status)
          #expect(marks <= max(plain, floor) * 3, "\(place.name): \(marks), letters \(plain)")
        }
        try service.expectSound()
      }
    }
  }
}
