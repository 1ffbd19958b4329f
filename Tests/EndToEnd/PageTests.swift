import Foundation
import Testing

extension EndToEnd {
  /// What a browser does with the pages is tested in Tests/Pages.
  @Suite("The pages, as nginx serves them") struct PageTests {
    private static let browser = ["Accept": "text/html,application/xhtml+xml,*/*;q=0.8"]

    @Test("each page and file: its type, its tag, and headers that let nothing foreign in")
    func files() throws {
      try Service.run { service in
        for (target, type) in [
          ("/", "text/html; charset=utf-8"), ("/directory", "text/html; charset=utf-8"),
          ("/partner?id=1", "text/html; charset=utf-8"),
          ("/sign-in", "text/html; charset=utf-8"),
          ("/style.css", "text/css; charset=utf-8"),
          ("/lib/api.js", "text/javascript; charset=utf-8"),
          ("/icon.svg", "image/svg+xml"), ("/favicon.ico", "image/svg+xml"),
        ] {
          let answer = try service.anyone.get(target, headers: Self.browser).expect(200)
          #expect(answer["content-type"] == type, "\(target)")
          #expect(answer["cache-control"] == "no-cache", "\(target)")
          #expect(answer["x-content-type-options"] == "nosniff", "\(target)")
          #expect(answer["referrer-policy"] == "no-referrer", "\(target)")
          let policy = (try answer.require("content-security-policy")).split(separator: "; ")
          #expect(policy.contains("default-src 'none'"), "\(policy)")
          #expect(policy.contains("frame-ancestors 'none'"), "\(policy)")
          #expect(policy.contains("base-uri 'none'"), "\(policy)")
          #expect(policy.contains("require-trusted-types-for 'script'"), "\(policy)")
          #expect(policy.contains("trusted-types 'none'"), "\(policy)")
          #expect(
            policy.filter { $0.contains("-src ") }.allSatisfy {
              $0.hasSuffix(" 'self'") || $0 == "default-src 'none'"
            }, "\(policy)")
          let tag = try answer.require("etag")
          let again = try service.anyone.get(target, headers: ["If-None-Match": tag])
          #expect(again.status == 304, "\(target)")
        }
      }
    }

    @Test("only GET and HEAD")
    func methods() throws {
      try Service.run { service in
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
          for target in ["/directory", "/style.css"] {
            let answer = try service.anyone.send(method, target, [:])
            let problem = try answer.expectProblem(405, "method_not_allowed", instance: target)
            #expect(answer["allow"] == "GET, HEAD")
            #expect(problem["detail"] == "Allowed methods: GET, HEAD.")
          }
        }
        try service.anyone.send("HEAD", "/directory").expect(200)
      }
    }

    @Test(
      "where there is none a browser gets a page, a program a problem, and below /api everybody")
    func missing() throws {
      try Service.run { service in
        for target in ["/nothing", "/lib", "/lib/", "/.git/config", "/apifoo"] {
          let page = try service.anyone.get(target, headers: Self.browser).expect(404)
          #expect(page["content-type"] == "text/html; charset=utf-8", "\(target)")
          #expect(page["content-security-policy"] != nil, "\(target)")
          try service.anyone.get(target).expectProblem(404, "not_found", instance: target)
        }
        for target in ["/api", "/api/", "/api/nothing", "/api/partners/1"] {
          try service.anyone.get(target, headers: Self.browser).expectProblem(404, "not_found")
        }
      }
    }

    @Test("without the pages there is only the API")
    func off() throws {
      try Service.run(.init(locations: ["set $tomi_pages on;": "set $tomi_pages off;"])) {
        service in
        for target in ["/", "/directory", "/style.css", "/icon.svg", "/favicon.ico"] {
          try service.anyone.get(target, headers: Self.browser)
            .expectProblem(404, "not_found", instance: target)
        }
        try service.anyone.get("/api/health").expect(200)
      }
    }
  }
}
