import Foundation
import Testing

extension EndToEnd {
  @Suite("Metrics") struct MetricsTests {
    /// A text in Prometheus' format, taken apart strictly.
    private struct Metrics {
      private(set) var types: [String: String] = [:]
      private(set) var values: [String: Double] = [:]
      /// The names in the order of their first lines.
      private(set) var names: [String] = []

      init(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(text.hasSuffix("\n"), sourceLocation: sourceLocation)
        var described = ""
        for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
          if let match = line.wholeMatch(of: /# HELP ([a-z_]+) \S.*\./) {
            described = String(match.1)
            #expect(!names.contains(described), "\(line)", sourceLocation: sourceLocation)
            names.append(described)
          } else if let match = line.wholeMatch(of: /# TYPE ([a-z_]+) (counter|gauge|histogram)/) {
            #expect(match.1 == described, "\(line)", sourceLocation: sourceLocation)
            types[described] = String(match.2)
          } else {
            let match = try #require(
              line.wholeMatch(of: /(([a-z_]+)(?:\{(?:[a-z]+="[^"\\]*",?)+\})?) (\S+)/),
              "\(line)", sourceLocation: sourceLocation)
            let name =
              types[described] == "histogram"
              ? String(match.2.replacing(/_(?:bucket|sum|count)$/, with: "")) : String(match.2)
            #expect(name == described, "\(line)", sourceLocation: sourceLocation)
            #expect(
              (types[described] == "counter") == described.hasSuffix("_total"), "\(line)",
              sourceLocation: sourceLocation)
            let key = String(match.1)
            #expect(values[key] == nil, "\(line)", sourceLocation: sourceLocation)
            let value: Double = try #require(
              Double(match.3), "\(line)", sourceLocation: sourceLocation)
            values[key] = value
          }
        }
      }

      subscript(sample: String) -> Double? { values[sample] }

      /// The samples whose name and labels begin so, in the order of the bounds that they have.
      func buckets(_ start: String) -> [Double] {
        values.filter { $0.key.hasPrefix(start) }.compactMap { key, value in
          key.firstMatch(of: /le="([^"]+)"/).flatMap { Double(String($0.1)) }.map { ($0, value) }
        }.sorted { $0.0 < $1.0 }.map(\.1)
      }
    }

    private static func metrics(of service: Service) throws -> Metrics {
      let answer = try service.anyone.get("/metrics").expect(200)
      #expect(answer["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
      #expect(answer["cache-control"] == "no-store")
      return try Metrics(String(decoding: answer.body, as: UTF8.self))
    }

    @Test("what was asked, committed and copied is counted, and nothing that a caller made up")
    func counts() throws {
      try Service.run { service in
        let before = try Self.metrics(of: service)
        let posts = #"{route="/api/admin/partners",method="POST""#
        #expect(before["tomi_http_requests_total\(posts),status=\"201\"}"] == nil)
        #expect(before["tomi_last_backup_timestamp_seconds"] == nil)
        #expect(before["tomi_threads_busy"] == 1)

        for _ in 0..<7 { try service.makePartner() }
        for _ in 0..<3 { try service.staff.post("/api/admin/partners", [:]).expect(422) }
        _ = try service.anyone.send("SECRET", "/api/secretpath?secretquery")
        _ = try service.anyone.send("SECRET", "/api/coverage/MN")
        try service.anyone.get("/api/coverage/MN").expect(200)
        let ends = #"tomi_fastcgi_connections_ended_total{reason="refused"}"#
        #expect(before[ends] == 0)
        let connection = try service.connectStraight()
        try connection.send("GET / HTTP/1.1\r\n\r\n")
        #expect(try connection.receiveAll().isEmpty)
        let earliest = Date().timeIntervalSince1970 - 1
        #expect(try service.command("backup", "\(service.folder)/copy").status == 0)

        let metrics = try Self.metrics(of: service)
        #expect(metrics[ends] == 1)
        #expect(metrics["tomi_http_requests_total\(posts),status=\"201\"}"] == 7)
        #expect(metrics["tomi_http_requests_total\(posts),status=\"422\"}"] == 3)
        #expect(
          metrics[#"tomi_http_requests_total{route="none",method="other",status="404"}"#] == 1)
        #expect(
          metrics[
            #"tomi_http_requests_total{route="/api/coverage/:stateCode",method="other",status="405"}"#
          ] == 1)
        #expect(!metrics.values.keys.contains { $0.lowercased().contains("secret") })

        let buckets = metrics.buckets("tomi_http_request_duration_seconds_bucket\(posts)")
        #expect(buckets.count == 13 && buckets == buckets.sorted() && buckets.last == 10)
        #expect(metrics["tomi_http_request_duration_seconds_count\(posts)}"] == 10)
        let time = try #require(metrics["tomi_http_request_duration_seconds_sum\(posts)}"])
        #expect(time > 0 && time < 60)

        // What was refused in its transaction is answered with it.
        let changes = try #require(metrics["tomi_writer_batch_changes_sum"])
        #expect(changes >= 7 + (before["tomi_writer_batch_changes_sum"] ?? 0))
        let batches = metrics.buckets("tomi_writer_batch_changes_bucket")
        #expect(batches.last == metrics["tomi_writer_batch_changes_count"])
        #expect((1...changes).contains(batches.last ?? 0), "\(batches)")
        #expect(metrics["tomi_writer_queue_length"] == 0)
        #expect((metrics["tomi_writer_commit_seconds_total"] ?? 0) > 0)
        #expect((metrics["tomi_wal_bytes"] ?? 0) > 4096)
        #expect((metrics["tomi_database_bytes"] ?? 0) > 4096)
        #expect((metrics["tomi_last_backup_timestamp_seconds"] ?? 0) > earliest)
        #expect((metrics["process_resident_memory_bytes"] ?? 0) > 1_048_576)
        #expect((metrics["process_cpu_seconds_total"] ?? 0) > 0)
        #expect((metrics["process_start_time_seconds"] ?? .infinity) < earliest + 1)
      }
    }

    @Test("status prints them for a person, and as they are")
    func status() throws {
      try Service.run { service in
        for _ in 0..<5 { try service.makePartner() }
        try service.anyone.get("/api/nothing").expect(404)
        let arguments = ["status", "--socket", service.socket]
        let status = try Service.command(arguments)
        #expect(status.status == 0 && status.errors.isEmpty)
        #expect(status.lines.contains("Requests     6: 5 × 201, 1 × 404"), "\(status.output)")
        #expect(status.lines.contains { $0.hasPrefix("Changes      5 in ") }, "\(status.output)")
        let threads = max(32, 8 * sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        #expect(status.lines.contains("Threads      1 of \(threads) busy"), "\(status.output)")
        #expect(status.lines.contains("Last backup  none"), "\(status.output)")
        let printed = try Service.command(["--version"]).lines
        let version = printed[0]
        #expect(printed.contains { $0.contains(/^SQLite in use: 3\.\d+\.\d+$/) }, "\(printed)")
        #expect(status.lines.contains("Version      \(version)"), "\(status.output)")

        let raw = try Service.command(arguments + ["--raw"])
        let metrics = try Metrics(raw.output)
        #expect(metrics["tomi_build_info{version=\"\(version)\"}"] == 1)
      }
      let nobody = try Service.command(["status", "--socket", "/nonexistent/socket"])
      #expect(nobody.status == 1 && nobody.errorLines.count == 1)
    }

    @Test("to another machine there are none")
    func otherMachines() throws {
      var options = Service.Options()
      options.locations = ["    allow 127.0.0.1;\n": ""]
      try Service.run(options) { service in
        let answer = try service.anyone.get("/metrics").expect(404)
        #expect(answer["content-type"] == "application/problem+json")
        #expect(try answer.json["code"] == "not_found")
      }
    }

    @Test("the web server's own errors have the shape of all others")
    func errors() throws {
      try Service.run { service in
        try service.anyone.send("POST", "/metrics", body: []).expect(404)
        let large = try service.anyone.send(
          "GET", "/metrics", body: [UInt8](repeating: 0, count: 100_000))
        #expect(try large.expect(413).json["code"] == "too_large")
        #expect(service.stopResponder() == .exit(0))
        #expect(try service.anyone.get("/metrics").expect(502).json["code"] == "unavailable")
        try service.startResponder()
      }
    }
  }
}
