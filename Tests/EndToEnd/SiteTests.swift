import Foundation
import Testing

extension EndToEnd {
  /// The configuration of a public host, as it is shipped, on free ports and with a certificate made here.
  @Suite("The public site") struct SiteTests {
    private struct Site {
      let plain: Int
      let secure: Int

      /// What curl(1) says of a request: the status, the headers in lower case, the body.
      func ask(
        _ path: String, secure isSecure: Bool = true, _ options: String...
      ) throws -> (status: String, headers: [String], body: String) {
        let host = "referrals.tomi.example"
        let port = isSecure ? secure : plain
        let result = try Program.run(
          [
            "curl", "-q", "--noproxy", "*", "--silent", "--show-error", "--insecure", "--include",
            "--max-time", "10", "--resolve", "\(host):\(port):127.0.0.1",
          ] + options + ["\(isSecure ? "https" : "http")://\(host):\(port)\(path)"])
        guard result.status == 0 else { throw Trouble("curl: \(result.errors)") }
        let text = result.output.replacing("\r\n", with: "\n")
        let parts = text.split(separator: "\n\n", maxSplits: 1, omittingEmptySubsequences: false)
        let lines = parts[0].split(separator: "\n").map(String.init)
        return (
          lines[0].split(separator: " ").prefix(2).joined(separator: " "),
          lines.dropFirst().map { line in
            let sides = line.split(separator: ":", maxSplits: 1)
            return sides.count == 2 ? "\(sides[0].lowercased()):\(sides[1])" : line
          }, parts.count > 1 ? String(parts[1]) : ""
        )
      }
    }

    private static func run(_ body: (Service, Site) throws -> Void) throws {
      try Service.run { service in
        let folder = "\(service.folder)/site"
        let parts = "\(folder)/tomi-referrals"
        try FileManager.default.createDirectory(atPath: parts, withIntermediateDirectories: true)
        try FileManager.default.createDirectory(
          atPath: "\(folder)/certbot/.well-known/acme-challenge", withIntermediateDirectories: true)
        try Data("proof".utf8).write(
          to: URL(filePath: "\(folder)/certbot/.well-known/acme-challenge/token"))
        let made = try Program.run([
          "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
          "/CN=referrals.tomi.example", "-keyout", "\(folder)/privkey.pem", "-out",
          "\(folder)/fullchain.pem",
        ])
        guard made.status == 0 else { throw Trouble("openssl: \(made.errors)") }

        let site = Site(plain: try freePort(), secure: try freePort())
        func copy(_ name: String, to target: String, _ replacements: KeyValuePairs<String, String>)
          throws
        {
          var text = try String(contentsOfFile: "\(Service.project)/nginx/\(name)", encoding: .utf8)
          for (old, new) in replacements {
            try #require(text.contains(old), "\(name) has no \(old)")
            text = text.replacing(old, with: new)
          }
          try text.write(toFile: target, atomically: true, encoding: .utf8)
        }
        try copy(
          "site.conf", to: "\(folder)/site.conf",
          [
            "listen 80;": "listen 127.0.0.1:\(site.plain);", "    listen [::]:80;\n": "",
            "/etc/letsencrypt/live/referrals.tomi.example": folder,
            "/var/www/html": "\(folder)/certbot",
            "/var/log/nginx": folder,
          ])
        try copy(
          "settings.conf", to: "\(parts)/settings.conf",
          [
            "/run/tomi-referrals/referrals.sock": service.socket,
            "/var/lib/nginx/tomi-referrals": "\(folder)/cache",
          ])
        try copy(
          "service.conf", to: "\(parts)/service.conf",
          ["/run/tomi-referrals/referrals.sock": service.socket])
        try copy(
          "locations.conf", to: "\(parts)/locations.conf",
          ["/usr/share/tomi-referrals/pages": "\(Service.project)/nginx/pages"])
        // The package's postinst writes this file.
        let version = try Program.run(["nginx", "-v"]).errors
        let isOlder = version.contains(/nginx\/1\.(\d|1\d|2[0-4]|25\.0)(\.|\s|$)/)
        try """
        listen 127.0.0.1:\(site.secure) ssl\(isOlder ? " http2;" : "; http2 on;")
        """.write(toFile: "\(parts)/listen.conf", atomically: true, encoding: .utf8)
        let user = geteuid() == 0 ? "user root root;" : ""
        let temporary = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"]
          .map { "\($0)_temp_path \(folder)/\($0);" }.joined(separator: " ")
        try """
        \(user) pid \(folder)/pid; error_log \(folder)/error.log alert; events {}
        http { \(temporary) include \(folder)/site.conf; }
        """.write(toFile: "\(folder)/nginx.conf", atomically: true, encoding: .utf8)
        let command = ["nginx", "-p", folder, "-c", "\(folder)/nginx.conf"]

        let test = try Program.run(command + ["-t"])
        #expect(test.status == 0, "\(test.errors)")
        #expect(!test.errors.contains("[warn]"), "\(test.errors)")

        let nginx = try Program(
          command + ["-g", "daemon off;"], output: "\(folder)/output", errors: "\(folder)/errors")
        defer { nginx.kill() }
        try #require(
          eventually {
            (try? String(contentsOfFile: "\(folder)/pid", encoding: .utf8))?.isEmpty == false
          }, "\(nginx.errors)")
        try body(service, site)
        #expect(nginx.stop(SIGQUIT) == .exit(0))
      }
    }

    @Test("HTTPS with HTTP/2 and for good; plain HTTP leads pages there, and refuses programs")
    func site() throws {
      try Self.run { service, site in
        let transport = "strict-transport-security: max-age=63072000"
        let token = "Authorization: Bearer \(service.token)"
        for (path, status, options) in [
          ("/api/health", "200", []), ("/api/coverage/MN/attorney", "200", []),
          ("/api/admin/partners", "200", ["--header", token]),
          ("/api/admin/partners", "401", []), ("/api/nothing", "404", []), ("/", "200", []),
          ("/directory", "200", []), ("/lib/api.js", "200", []), ("/nothing", "404", []),
          ("/api/partners/me", "413", ["--data", String(repeating: "x", count: 70_000)]),
        ] as [(String, String, [String])] {
          let answer = try site.ask(path, options.first ?? "--globoff", options.last ?? "--globoff")
          #expect(answer.status == "HTTP/2 \(status)", "\(path)")
          #expect(answer.headers.filter { $0 == transport }.count == 1, "\(path) \(answer.headers)")
          #expect(answer.headers.contains("x-content-type-options: nosniff"), "\(path)")
        }
        #expect(try site.ask("/metrics").body.contains("tomi_build_info"))

        let refused = try site.ask("/api/admin/partners?q=x", secure: false, "--header", token)
        #expect(refused.status == "HTTP/1.1 403")
        #expect(refused.headers.contains("content-type: application/problem+json"))
        let problem = try JSON(parsing: Array(refused.body.utf8))
        #expect(problem["code"] == "https_required" && problem["instance"] == "/api/admin/partners")
        #expect(!refused.headers.contains { $0.hasPrefix("location:") })
        #expect(!refused.headers.contains { $0.hasPrefix("strict-transport") })
        let page = try site.ask("/page?x=1", secure: false)
        #expect(page.status == "HTTP/1.1 301")
        #expect(page.headers.contains("location: https://referrals.tomi.example/page?x=1"))
        // A caller chooses the Host, so it leads nowhere.
        for path in ["/page", "/api/health"] {
          let other = try site.ask(path, secure: false, "--header", "Host: evil.example")
          #expect(!"\(other)".contains("evil.example"), "\(other)")
          #expect("\(other)".contains("https://referrals.tomi.example"), "\(other)")
        }
        let proof = try site.ask("/.well-known/acme-challenge/token", secure: false)
        #expect(proof.status == "HTTP/1.1 200" && proof.body == "proof")
      }
    }

    @Test("plain HTTP: no caller makes a line of the log long, or many lines")
    func plainLog() throws {
      try Self.run { service, site in
        let long = String(repeating: "p", count: 7_000)
        let client = Client(port: site.plain)
        for _ in 0..<1_000 {
          #expect(try client.get("/api/\(long)").status == 403)
          #expect(try client.get("/\(long)").status == 301)
        }
        let log = "\(service.folder)/site/tomi-referrals.access.log"
        let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n")
        #expect((1..<700).contains(lines.count), "\(lines.count)")
        #expect(lines.allSatisfy { $0.utf8.count < 600 })
      }
    }

    /// Settings that somebody has edited stay when the package is upgraded.
    @Test("the settings of version 1.0.0 fit this version's locations and limits")
    func olderSettings() throws {
      try inFolder { folder in
        let made = try Program.run([
          "\(Service.project)/nginx/configure", "--port", "\(try freePort())", "--socket",
          "\(folder)/socket", folder,
        ])
        #expect(made.status == 0, "\(made)")
        try """
        upstream tomi_referrals {
            server unix:\(folder)/socket;
            keepalive 32;
            keepalive_timeout 60s;
        }
        geo $tomi_limits { default on; }
        geo $tomi_cache { default on; }
        map $http_origin $tomi_allowed_origin {
            default "";
            "https://app.tomi.example" $http_origin;
        }
        limit_req_zone $tomi_anonymous_caller zone=tomi_anonymous:10m rate=50r/s;
        limit_req_zone $tomi_limited_address zone=tomi_addresses:10m rate=300r/s;
        limit_req_zone $tomi_writing_caller zone=tomi_writes:10m rate=20r/s;
        limit_conn_zone $tomi_limited_address zone=tomi_connections:10m;
        fastcgi_cache_path \(folder)/cache levels=1:2 keys_zone=tomi_public:1m
                           max_size=64m inactive=10m use_temp_path=off;
        """.write(toFile: "\(folder)/settings.conf", atomically: true, encoding: .utf8)
        let test = try Program.run(["nginx", "-p", folder, "-c", "nginx.conf", "-t"])
        #expect(test.status == 0, "\(test.errors)")
      }
    }

    @Test("TLS 1.2 and 1.3, with forward secrecy; nothing older")
    func protocols() throws {
      try Self.run { _, site in
        for (options, isTaken) in [
          (["-tls1_3"], true), (["-tls1_2"], true),
          (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], false),
          (["-tls1", "-cipher", "ALL:@SECLEVEL=0"], false),
          (["-tls1_2", "-cipher", "AES128-GCM-SHA256"], false),
          (["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA"], false),
        ] {
          let result = try Program.run(
            ["openssl", "s_client", "-connect", "127.0.0.1:\(site.secure)", "-servername", "x"]
              + options)
          #expect((result.status == 0) == isTaken, "\(options): \(result.errors)")
        }
      }
    }
  }
}
