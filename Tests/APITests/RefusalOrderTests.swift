import Domain
import HTTPTypes
import JSON
import Testing

@testable import API

/// Which refusal comes first when several are due.
@Suite struct RefusalOrderTests {
  /// What can be wrong with a request, in the order in which it is told.
  enum Flaw: Int, CaseIterable {
    case path, method, token, right, size, mediaType, query, thing, field, version, rule

    var verdict: String {
      switch self {
      case .path, .thing: "404 not_found"
      case .method: "405 method_not_allowed"
      case .token: "401 unauthenticated"
      case .right: "403 forbidden"
      case .size: "413 too_large"
      case .mediaType: "415 unsupported_media_type"
      case .query: "400 invalid_parameter surplus:unknown_parameter"
      case .field: "422 validation /surplus:unknown_field"
      case .version: "412 precondition_failed"
      case .rule: "409 transition_not_allowed allowed=inactive,removed"
      }
    }
  }

  @Test("With any set of flaws the first one is told, and nothing changes") func everySet() throws {
    let world = try World()
    let partner = world.partner(.active)
    let before = try world.contents()
    for set in 1..<(1 << Flaw.allCases.count) {
      let flaws = Flaw.allCases.filter { set & 1 << $0.rawValue != 0 }
      func has(_ flaw: Flaw) -> Bool { flaws.contains(flaw) }
      var body: JSON = ["status": has(.rule) ? "invited" : "active"]
      if has(.field) { body = body.with(["surplus": 1]) }
      var headers: HTTPFields = [
        .contentType: has(.mediaType) ? "text/plain" : "application/json"
      ]
      if !has(.token) {
        let role: Role = has(.right) ? .member : .staff
        headers[.authorization] = "Bearer \(role.token ?? "")"
      }
      if has(.version) { headers[.ifMatch] = "\"another\"" }
      let reply = world.send(
        Request(
          method: has(.method) ? "PATCH" : "PUT",
          target: "/api/admin/\(has(.path) ? "partner" : "partners")/"
            + "\(has(.thing) ? World.unknown : partner)/status\(has(.query) ? "?surplus=1" : "")",
          headers: headers, body: has(.size) ? nil : body.bytes, id: "\(set)"))
      #expect(reply.verdict == flaws.first?.verdict, "\(flaws)")
    }
    #expect(try world.contents() == before)
    #expect(
      world.put("/api/admin/partners/\(partner)/status", ["status": "active"]).verdict == "200")
  }

  @Test("A body is needed, as JSON and said to be so") func bodies() throws {
    let world = try World()
    let partner = world.partner()
    let cases: [(String, String?, String)] = [
      ("{}", "application/json", "200"), ("{}", "application/json; charset=utf-8", "200"),
      ("{}", "Application/JSON;charset=\"utf-8\"", "200"), ("{}", " application/json ", "200"),
      ("{}", nil, "415 unsupported_media_type"), ("{}", "", "415 unsupported_media_type"),
      ("{}", "text/json", "415 unsupported_media_type"),
      ("{}", "application/json-patch+json", "415 unsupported_media_type"),
      ("{}", "application/x-www-form-urlencoded", "415 unsupported_media_type"),
      ("", "application/json", "400 malformed_json"), ("", nil, "400 malformed_json"),
      (" ", "application/json", "400 malformed_json"),
      ("{", "application/json", "400 malformed_json"),
      ("{} {}", "application/json", "400 malformed_json"),
      ("{\"notes\":\"\\ud800\"}", "application/json", "400 malformed_json"),
      ("{\"notes\":1,\"notes\":1}", "application/json", "400 malformed_json"),
      ("{\"notes\":NaN}", "application/json", "400 malformed_json"),
      ("{'notes':1}", "application/json", "400 malformed_json"),
      ("{\"notes\":1,}", "application/json", "400 malformed_json"),
      ("\u{FEFF}{}", "application/json", "200"),
      ("\u{FEFF}", "application/json", "400 malformed_json"),
      ("\u{FEFF}\u{FEFF}{}", "application/json", "400 malformed_json"),
      (" \u{FEFF}{}", "application/json", "400 malformed_json"),
      ("[]", "application/json", "422 validation :wrong_type"),
      ("null", "application/json", "422 validation :wrong_type"),
      ("\"{}\"", "application/json", "422 validation :wrong_type"),
      ("1", "application/json", "422 validation :wrong_type"),
    ]
    for (text, type, verdict) in cases {
      var headers: HTTPFields = [.authorization: "Bearer tomi_test_staff"]
      headers[.contentType] = type
      let reply = world.send(
        Request(
          method: "PUT", target: "/api/admin/partners/\(partner)", headers: headers,
          body: Array(text.utf8), id: "1"))
      #expect(reply.verdict == verdict, "\(text) \(type ?? "")")
    }
  }

  @Test(
    "A body with an encoding is refused by its name, as one of another media type is",
    arguments: [
      ("gzip", "gzip"), ("br", "br"), ("GZIP", "GZIP"), ("identity, gzip", "gzip"),
      ("x y", "x y"), (String(repeating: "é", count: 60), String(repeating: "é", count: 50)),
      ("identity", nil), ("Identity, identity", nil), ("", nil), (" , ", nil),
    ] as [(String, String?)])
  func encodedBodies(encoding: String, refused: String?) throws {
    let world = try World()
    let body = Array("{}".utf8)
    func send(
      _ method: String, _ target: String, as role: Role = .staff, type: String = "application/json"
    ) -> Reply {
      world.send(
        method, target, as: role, bytes: body,
        headers: [.contentType: type, .contentEncoding: encoding])
    }
    let path = "/api/admin/users/\(Person.ann)"
    let reply = send("PUT", path)
    if let refused {
      #expect(reply.verdict == "415 unsupported_media_type")
      #expect(
        reply["detail"]?.text
          == "The body has the Content-Encoding \"\(refused)\". Send it without one.")
      #expect(reply.headers[.acceptEncoding] == "identity")
      #expect(send("PUT", path + "?surplus=1").status == 415)
      #expect(send("PUT", "/api/admin/users/\(World.unknown)").status == 415)
    } else {
      #expect(reply.verdict == "200")
    }
    let wrongType = send("PUT", path, type: "text/plain")
    #expect(wrongType["detail"]?.text == "Send the header \"Content-Type: application/json\".")
    #expect(wrongType.headers[.acceptEncoding] == nil)
    #expect(send("PUT", path, as: .nobody).status == 401)
    #expect(send("PUT", path, as: .member).status == 403)
    // No body is read there.
    #expect(send("GET", path).status == 200)
  }

  @Test("A body that is not UTF-8 is not JSON") func notUTF8() throws {
    let reply = try World().send(
      "POST", "/api/admin/partners", bytes: Array("{\"notes\":\"".utf8) + [0xFF] + Array("\"}".utf8)
    )
    #expect(reply.verdict == "400 malformed_json")
  }

  @Test("64 levels are deep enough") func depth() throws {
    let world = try World()
    func nested(_ depth: Int) -> [UInt8] {
      Array("{\"surplus\":".utf8) + Array(repeating: 0x5B, count: depth - 1)
        + Array(repeating: 0x5D, count: depth - 1) + [0x7D]
    }
    let path = "/api/admin/users/\(Person.ann)"
    #expect(
      world.send("PUT", path, bytes: nested(64)).verdict == "422 validation /surplus:unknown_field")
    #expect(world.send("PUT", path, bytes: nested(65)).verdict == "400 malformed_json")
    #expect(world.send("PUT", path, bytes: nested(30_000)).verdict == "400 malformed_json")
  }

  @Test("Where no body is taken, one is not looked at; where one is optional, only if it is there")
  func unusedBodies() throws {
    let world = try World()
    let junk = Array("junk".utf8)
    let text: HTTPFields = [.contentType: "text/plain"]
    #expect(
      world.send("GET", "/api/coverage", as: .nobody, bytes: junk, headers: text).status == 200)
    let made = world.post("/api/admin/users/\(Person.ann)/tokens", [:])
    let token = try #require(made["id"]?.text)
    #expect(
      world.send("DELETE", "/api/admin/tokens/\(token)", bytes: junk, headers: text).status == 204)
    for (bytes, headers, verdict) in [
      (junk, text, "415 unsupported_media_type"),
      (junk, [:], "400 malformed_json"),
      ([], text, "200"), ([], [:], "200"),
    ] as [([UInt8], HTTPFields, String)] {
      let referral = world.referral(as: .member)
      let path = "/api/groups/\(World.birch)/referrals/\(referral)/cancel"
      #expect(world.send("POST", path, bytes: bytes, headers: headers).verdict == verdict)
      world.post(path)
    }
  }
}
