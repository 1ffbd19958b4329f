import Domain
import HTTPTypes
import JSON
import Store
import Testing

@testable import API

/// A text of so many scalars.
private func text(_ count: Int, _ scalar: Unicode.Scalar = "x") -> String {
  String(String.UnicodeScalarView(repeatElement(scalar, count: count)))
}

/// A host name of 212 characters.
private let longHost = Array(repeating: text(40), count: 5).joined(separator: ".") + ".example"

/// What a body's fields may hold, and what is said of those that may not.
@Suite struct FieldTests {
  // MARK: Partners

  static let wrongPartners: [(JSON, String)] = [
    (["surplus": 1], "/surplus:unknown_field"),
    (["Email": "a@example.com"], "/Email:unknown_field"),
    (["a/b~c": 1], "/a~1b~0c:unknown_field"),
    (["": 1], "/:unknown_field"),
    (["company_name": .null], "/company_name:not_null"),
    (["company_name": ""], "/company_name:required"),
    (["company_name": " \n\t\u{00A0}\u{3000} "], "/company_name:required"),
    (["company_name": "\u{200B}"], "/company_name:required"),
    (["company_name": "\u{3164}"], "/company_name:required"),
    (["company_name": " \u{2800}\u{115F}\u{1160}\u{FFA0}\u{FEFF} "], "/company_name:required"),
    (["company_name": "\u{FE0F}\u{34F}\u{200D}"], "/company_name:required"),
    (["company_name": "Law\u{E0041}"], "/company_name:invisible_character"),
    (["company_name": "La\u{E0041}\u{E007F}w"], "/company_name:invisible_character"),
    (["company_name": "La\u{200B}w"], "/company_name:invisible_character"),
    (["company_name": "La\u{AD}w"], "/company_name:invisible_character"),
    (["contact_name": "A\u{202E}nn"], "/contact_name:invisible_character"),
    (["notes": "line\n\u{2066}x"], "/notes:invisible_character"),
    (["company_name": 7], "/company_name:wrong_type"),
    (["company_name": .string(text(201))], "/company_name:too_long"),
    (["company_name": .string(text(201, "😀"))], "/company_name:too_long"),
    (["company_name": "Two\nlines"], "/company_name:control_character"),
    (["company_name": "Nul\u{0}"], "/company_name:control_character"),
    (["company_name": "\u{7F}x"], "/company_name:control_character"),
    (["company_name": "x\u{9F}x"], "/company_name:control_character"),
    (["contact_name": .string(text(101))], "/contact_name:too_long"),
    (["contact_name": "Tab\tbed"], "/contact_name:control_character"),
    (["contact_name": ["x"]], "/contact_name:wrong_type"),
    (["type": .null], "/type:not_null"), (["type": ""], "/type:required"),
    (["type": "Attorney"], "/type:unknown_value"), (["type": "broker"], "/type:unknown_value"),
    (["type": true], "/type:wrong_type"),
    (["email": .null], "/email:not_null"), (["email": " "], "/email:required"),
    (["email": "plain"], "/email:invalid_format"),
    (["email": "@example.com"], "/email:invalid_format"),
    (["email": "a@"], "/email:invalid_format"), (["email": "a@host"], "/email:invalid_format"),
    (["email": "a@b@example.com"], "/email:invalid_format"),
    (["email": "a b@example.com"], "/email:invalid_format"),
    (["email": "a@example..com"], "/email:invalid_format"),
    (["email": "a@.example.com"], "/email:invalid_format"),
    (["email": "a@-x.example"], "/email:invalid_format"),
    (["email": "a@exam ple.com"], "/email:invalid_format"),
    (["email": .string(text(65) + "@example.com")], "/email:invalid_format"),
    (["email": .string("a@\(longHost).\(text(46))")], "/email:too_long"),
    (["email": "a\u{0}@example.com"], "/email:control_character"),
    (["phone": "555-010"], "/phone:invalid_format"),
    (["phone": "call 555 0100"], "/phone:invalid_format"),
    (["phone": "٥٥٥٠١٠٠"], "/phone:invalid_format"),
    (["phone": .string(text(21, "5"))], "/phone:too_long"),
    (["phone": "555\n0100"], "/phone:control_character"),
    (["phone": "+49 (0)89 12345678901234 x1234567"], "/phone:too_long"),
    (["phone": "555-0100 ext. five"], "/phone:invalid_format"),
    (["phone": 5_550_100], "/phone:wrong_type"),
    (["website": "example.com"], "/website:invalid_format"),
    (["website": "ftp://example.com"], "/website:invalid_format"),
    (["website": "javascript:alert(1)"], "/website:invalid_format"),
    (["website": "https://"], "/website:invalid_format"),
    (["website": "https:///path"], "/website:invalid_format"),
    (["website": "https://user@example.com"], "/website:invalid_format"),
    (["website": "https://user:pass@example.com/"], "/website:invalid_format"),
    (["website": "https://exa mple.com"], "/website:invalid_format"),
    (["website": "https://example.com:0"], "/website:invalid_format"),
    (["website": "https://example.com:99999"], "/website:invalid_format"),
    (["website": "https://example.com/<x>"], "/website:invalid_format"),
    (["website": .string("https://example.com/" + text(236))], "/website:too_long"),
    (["service_areas": "MN"], "/service_areas:wrong_type"),
    (
      ["service_areas": ["MN", "ZZ", "CA", "PR"]],
      "/service_areas/1:unknown_state /service_areas/3:unknown_state"
    ),
    (
      ["service_areas": [1, .null, "", ["MN"]]],
      "/service_areas/0:wrong_type /service_areas/1:wrong_type /service_areas/2:required /service_areas/3:wrong_type"
    ),
    (["service_areas": ["ﬂ"]], "/service_areas/0:unknown_state"),
    (["co_ownership_certified": .null], "/co_ownership_certified:not_null"),
    (["co_ownership_certified": 1], "/co_ownership_certified:wrong_type"),
    (["co_ownership_certified": "true"], "/co_ownership_certified:wrong_type"),
    (["agreement_signed_at": "2026-11-22T14:35:28.124Z"], "/agreement_signed_at:in_future"),
    (["agreement_signed_at": "2026-11-22T14:35:28.123-00:01"], "/agreement_signed_at:in_future"),
    (["agreement_signed_at": "2026-11-22"], "/agreement_signed_at:invalid_format"),
    (["agreement_signed_at": "2026-11-22T14:30Z"], "/agreement_signed_at:invalid_format"),
    (["agreement_signed_at": "2026-11-22T14:30:28"], "/agreement_signed_at:invalid_format"),
    (["agreement_signed_at": "2026-11-22t14:30:28Z"], "/agreement_signed_at:invalid_format"),
    (["agreement_signed_at": "2026-11-22T14:30:28z"], "/agreement_signed_at:invalid_format"),
    (["agreement_signed_at": "2026-11-22 14:30:28Z"], "/agreement_signed_at:invalid_format"),
    (["agreement_signed_at": "2026-02-29T00:00:00Z"], "/agreement_signed_at:invalid_format"),
    (["agreement_signed_at": "2026-01-01T24:00:00Z"], "/agreement_signed_at:invalid_format"),
    (["agreement_signed_at": "2016-12-31T23:59:60Z"], "/agreement_signed_at:invalid_format"),
    (["agreement_signed_at": "0000-01-01T00:00:00Z"], "/agreement_signed_at:invalid_format"),
    (["agreement_signed_at": "0001-01-01T00:00:00+00:01"], "/agreement_signed_at:invalid_format"),
    (["agreement_signed_at": 1_700_000_000], "/agreement_signed_at:wrong_type"),
    (["description": .string(text(2_001))], "/description:too_long"),
    (["description": "bell\u{7}"], "/description:control_character"),
    (["description": ["x"]], "/description:wrong_type"),
    (["languages": "en"], "/languages:wrong_type"),
    (
      ["languages": ["en", "xx", "eng", "e", "", .null, 1, "ﬁ", "e\u{301}"]],
      """
      /languages/1:unknown_value /languages/2:unknown_value /languages/3:unknown_value \
      /languages/4:required /languages/5:wrong_type /languages/6:wrong_type \
      /languages/7:unknown_value /languages/8:unknown_value
      """
    ),
    (["affiliation_disclosure": .string(text(501))], "/affiliation_disclosure:too_long"),
    (["affiliation_disclosure": "a\nb"], "/affiliation_disclosure:control_character"),
    (["paused_until": "2026-02-30"], "/paused_until:invalid_format"),
    (["paused_until": "2026-12-01T00:00:00Z"], "/paused_until:invalid_format"),
    (["paused_until": "12/01/2026"], "/paused_until:invalid_format"),
    (["paused_until": "0000-01-01"], "/paused_until:invalid_format"),
    (["paused_until": 20_261_201], "/paused_until:wrong_type"),
    (["max_open_referrals": 0], "/max_open_referrals:out_of_range"),
    (["max_open_referrals": 1_001], "/max_open_referrals:out_of_range"),
    (["max_open_referrals": 1.5], "/max_open_referrals:wrong_type"),
    (["max_open_referrals": "5"], "/max_open_referrals:wrong_type"),
    (["notes": .string(text(10_001))], "/notes:too_long"),
    (["notes": "bell\u{7}"], "/notes:control_character"),
    (["notes": false], "/notes:wrong_type"),
    (["user_id": "nobody"], "/user_id:invalid_format"),
    (["user_id": .string(World.unknown)], "/user_id:unknown_user"),
    (["user_id": 1], "/user_id:wrong_type"),
  ]

  @Test("A wrong field of a partner is named, and nothing changes", arguments: ["PUT", "POST"])
  func wrongPartner(method: String) throws {
    let world = try World()
    let partner = world.partner()
    let before = try world.contents()
    let whole: JSON = [
      "type": "attorney", "company_name": "New", "email": "new@example.com",
    ]
    for (fields, errors) in FieldTests.wrongPartners {
      let reply =
        method == "PUT"
        ? world.put("/api/admin/partners/\(partner)", fields)
        : world.post("/api/admin/partners", whole.with(fields))
      #expect(reply.verdict == "422 validation " + errors, "\(fields)")
    }
    #expect(try world.contents() == before)
  }

  static let rightPartners: [(JSON, JSON)] = [
    (["company_name": "  Trimmed \n"], ["company_name": "Trimmed"]),
    (
      ["company_name": .string(" " + text(200, "😀") + " ")],
      ["company_name": .string(text(200, "😀"))]
    ),
    (["company_name": "e\u{301}"], ["company_name": "e\u{301}"]),
    (["company_name": "\"quotes\" \\ and \u{2028}"], ["company_name": "\"quotes\" \\ and"]),
    (["contact_name": .string(text(100))], ["contact_name": .string(text(100))]),
    (["contact_name": .null], ["contact_name": .null]),
    (["contact_name": " "], ["contact_name": .null]),
    (["type": " lender "], ["type": "lender"]),
    (["email": "o'Hara+tic@mail.Example.com"], ["email": "o'Hara+tic@mail.Example.com"]),
    (["email": .string(text(64) + "@example.com")], ["email": .string(text(64) + "@example.com")]),
    (
      ["email": .string("a@\(longHost).\(text(40))")],
      ["email": .string("a@\(longHost).\(text(40))")]
    ),
    (["email": "\u{200B}o\u{AD}lga@mail.example\u{FEFF}"], ["email": "olga@mail.example"]),
    (["website": "\u{200E}https://x.example/a\u{200B}b"], ["website": "https://x.example/ab"]),
    (["company_name": "\u{200B}\u{FEFF}Law\u{2800}\u{3164}"], ["company_name": "Law"]),
    (
      ["company_name": "क्\u{200D}ष 👩‍👧 می\u{200C}خواهم"],
      ["company_name": "क्\u{200D}ष 👩‍👧 می\u{200C}خواهم"]
    ),
    (["company_name": "Casa ❤️"], ["company_name": "Casa ❤️"]),
    (["phone": "+1 (612) 5.5-5x01"], ["phone": "+1 (612) 5.5-5 x01"]),
    (["phone": "\u{202D}(612) 555-0142\u{202C}"], ["phone": "(612) 555-0142"]),
    (["phone": "612\u{A0}555\u{202F}0142"], ["phone": "612 555 0142"]),
    (["phone": "612\u{2011}555\u{2013}0142"], ["phone": "612-555-0142"]),
    (["phone": "612-555-0142 ext. 5"], ["phone": "612-555-0142 x5"]),
    (["phone": "+1 (612) 555-0142 x12345"], ["phone": "+16125550142x12345"]),
    (["phone": "5550100"], ["phone": "5550100"]), (["phone": ""], ["phone": .null]),
    (["phone": .string(text(20, "5"))], ["phone": .string(text(20, "5"))]),
    (
      ["website": "HTTP://Example.com:8080/a?b=c#d"], ["website": "HTTP://Example.com:8080/a?b=c#d"]
    ),
    (["website": "https://[2001:db8::1]/"], ["website": "https://[2001:db8::1]/"]),
    (
      ["website": .string("https://example.com/" + text(235))],
      ["website": .string("https://example.com/" + text(235))]
    ),
    (["website": .null], ["website": .null]),
    (["service_areas": ["ca", "MN", "CA", "mn", " Ny "]], ["service_areas": ["CA", "MN", "NY"]]),
    (["service_areas": .array(Array(repeating: "MN", count: 200))], ["service_areas": ["MN"]]),
    (["co_ownership_certified": true], ["co_ownership_certified": true]),
    (
      ["agreement_signed_at": "2026-11-22T14:30:28.123999Z"],
      ["agreement_signed_at": "2026-11-22T14:30:28.123Z"]
    ),
    (
      ["agreement_signed_at": "2026-11-22T23:30:28.1+09:00"],
      ["agreement_signed_at": "2026-11-22T14:30:28.100Z"]
    ),
    (
      ["agreement_signed_at": "2024-02-29T23:59:59-00:00"],
      ["agreement_signed_at": "2024-02-29T23:59:59.000Z"]
    ),
    (
      ["agreement_signed_at": "0001-01-01T00:00:00Z"],
      ["agreement_signed_at": "0001-01-01T00:00:00.000Z"]
    ),
    (["description": " What\nwe do. "], ["description": "What\nwe do."]),
    (["description": .string(text(2_000, "é"))], ["description": .string(text(2_000, "é"))]),
    (["description": " "], ["description": .null]),
    (["languages": ["ES", "en", "es", " No "]], ["languages": ["es", "en", "no"]]),
    (["languages": .null], ["languages": []]),
    (
      ["affiliation_disclosure": .string(text(500))],
      ["affiliation_disclosure": .string(text(500))]
    ),
    (
      ["paused_until": " 2028-02-29 "],
      ["paused_until": "2028-02-29", "accepting_referrals": false]
    ),
    (["paused_until": "2026-11-22"], ["paused_until": "2026-11-22", "accepting_referrals": false]),
    (["paused_until": "2026-11-21"], ["paused_until": "2026-11-21"]),
    (["paused_until": ""], ["paused_until": .null]),
    (["max_open_referrals": 1], ["max_open_referrals": 1]),
    (["max_open_referrals": 1_000], ["max_open_referrals": 1_000]),
    (["max_open_referrals": .null], ["max_open_referrals": .null]),
    (["notes": " a\n\tb\r\nc "], ["notes": "a\n\tb\r\nc"]),
    (["notes": .string(text(10_000, "é"))], ["notes": .string(text(10_000, "é"))]),
    (["notes": "\r\n"], ["notes": .null]),
    (["user_id": .string(Person.petra.text.uppercased())], ["user_id": .string(Person.petra.text)]),
    (["user_id": .null], ["user_id": .null]),
  ]

  @Test("A right field of a partner is kept in one form; the others stay")
  func rightPartner() throws {
    let world = try World()
    let partner = world.partner(
      .active,
      with: [
        "contact_name": "Con", "phone": "5550199", "website": "https://x.example", "notes": "N",
      ])
    let path = "/api/admin/partners/\(partner)"
    let initial = world.get(path).json
    for (fields, kept) in FieldTests.rightPartners {
      world.clock.pass(milliseconds: 1)
      let before = world.get(path).json
      let reply = world.put(path, fields)
      #expect(reply.verdict == "200", "\(fields)")
      let expected = before.with(kept)
      #expect(reply.json.without("updated_at") == expected.without("updated_at"), "\(fields)")
      #expect(world.get(path).body == reply.body)
      // What is sent in the form in which it is kept changes nothing.
      let again = world.put(path, kept)
      #expect(again.body == reply.body)
      let back = world.put(path, initial.without("updated_at", "accepting_referrals"))
      #expect(back.json.without("updated_at") == initial.without("updated_at"))
    }
  }

  @Test("An e-mail address with invisible characters is the one without them")
  func invisibleTwin() throws {
    let world = try World()
    let fields: JSON = ["type": "attorney", "company_name": "A", "email": "a@ex.example"]
    #expect(world.post("/api/admin/partners", fields).status == 201)
    for email in [
      "\u{200B}a@ex.example", "a\u{2060}@ex.example", "A@ex\u{AD}.example\u{E0041}",
      "a\u{FE0F}@ex.example", "\u{34F}a@ex\u{180B}.example\u{E0100}",
    ] {
      let twin = world.post("/api/admin/partners", fields.with(["email": .string(email)]))
      #expect(twin.verdict == "409 partner_exists", "\(email.debugDescription)")
    }
  }

  @Test("A time that is not in the future may be five minutes ahead")
  func clockDifference() throws {
    let world = try World()
    let path = "/api/admin/partners/\(world.partner())"
    for time in ["2026-11-22T14:30:29.123Z", "2026-11-22T14:35:28.123Z"] {
      #expect(world.put(path, ["agreement_signed_at": .string(time)]).verdict == "200")
    }
  }

  @Test("A stored value that is sent back unchanged is not checked again")
  func unchanged() throws {
    let world = try World()
    let partner = world.partner(.active)
    let path = "/api/admin/partners/\(partner)"
    // The clock is behind the time that is stored, and 1.0.0 accepted invisible characters.
    try world.run(
      """
      UPDATE partners SET agreement_signed_at = '2026-11-23T00:00:00.000Z',
        company_name = 'La' || char(0x200B) || 'w', phone = '612-555-0142x5'
      """)
    let before = world.get(path)
    let reply = world.put(path, before.json)
    #expect(reply.verdict == "200")
    let changed = world.put(path, before.json.with(["notes": "New", "phone": .null]))
    #expect(changed.verdict == "200")
    #expect(changed.json["company_name"] == before.json["company_name"])
    #expect(changed.json["agreement_signed_at"] == before.json["agreement_signed_at"])
    #expect(
      world.put(path, before.json.with(["company_name": "La\u{200B}w!"])).verdict
        == "422 validation /company_name:invisible_character")

    let referral = world.referral()
    let own = "/api/admin/referrals/\(referral)"
    try world.run(
      """
      UPDATE referral_requests
      SET context = json_set(context, '$.home_price_range', json('{"min":null,"max":9007199254740993}'))
      """)
    let context = try #require(world.get(own).json["context"])
    let longer = world.put(own, ["context": context.with(["timeline": "Soon"])])
    #expect(longer.verdict == "200")
    #expect(longer.json["context"]?["home_price_range"] == context["home_price_range"])
    #expect(longer.json["context"]?["timeline"] == "Soon")
    #expect(
      world.put(own, ["context": ["home_price_range": ["max": 9_007_199_254_740_994]]]).verdict
        == "422 validation /context/home_price_range/max:out_of_range")
  }

  @Test("What a new partner lacks is named at once, with all that is wrong")
  func newPartner() throws {
    let world = try World()
    let before = try world.contents()
    let path = "/api/admin/partners"
    #expect(
      world.post(path, [:]).verdict
        == "422 validation /company_name:required /email:required /type:required")
    #expect(
      world.post(
        path,
        [
          "type": "x", "company_name": .null, "email": 1, "id": .string(World.unknown),
          "status": "removed", "invited_by": .null, "created_at": "now", "updated_at": .null,
          "service_areas": ["MN", "??"], "surplus": [:],
        ]
      ).verdict
        == "422 validation /company_name:not_null /created_at:read_only /email:wrong_type "
        + "/id:read_only /invited_by:read_only /service_areas/1:unknown_state "
        + "/status:unknown_value /surplus:unknown_field /type:unknown_value /updated_at:read_only")
    // However much is wrong, the answer stays short, and the writer is not kept for long.
    let unknown = JSON.object((0..<3_000).map { JSON.Member("x\($0)", .null) })
    #expect(world.post(path, unknown)["errors"]?.elements.count == 100)
    let codes = JSON.array(Array(repeating: .integer(1), count: 500))
    #expect(world.post(path, ["service_areas": codes])["errors"]?.elements.count == 100)
    let many = JSON.array(Array(repeating: .integer(1), count: 511))
    #expect(
      world.post(path, ["service_areas": many]).verdict
        == "422 validation /company_name:required /email:required /service_areas:too_long "
        + "/type:required")
    let least: JSON = ["type": "cpa", "company_name": "C", "email": "c@example.com"]
    for (status, verdict): (JSON, String) in [
      ("inactive", "422 validation /status:unknown_value"),
      ("removed", "422 validation /status:unknown_value"),
      (.null, "422 validation /status:not_null"),
      ("", "422 validation /status:required"),
      ("active", "409 partner_not_ready missing=agreement_signed_at,service_areas"),
    ] {
      #expect(world.post(path, least.with(["status": status])).verdict == verdict, "\(status)")
    }
    #expect(
      world.post(path, least.with(["status": "active", "service_areas": ["MN"]])).verdict
        == "409 partner_not_ready missing=agreement_signed_at")
    #expect(
      world.post(
        path, least.with(["status": "active", "agreement_signed_at": "2026-01-01T00:00:00Z"])
      ).verdict == "409 partner_not_ready missing=service_areas")
    #expect(try world.contents() == before)
    for (index, status) in ["invited", "pending_review"].enumerated() {
      let made = world.post(
        path, least.with(["status": .string(status), "email": .string("\(index)@example.com")]))
      #expect(made.verdict == "201")
      #expect(made["status"] == .string(status))
    }
  }

  @Test("What a problem says of a wrong field") func problem() throws {
    let reply = try World().send(
      "POST", "/api/admin/partners?limit=", as: .staff,
      body: [
        "type": "cpa", "company_name": "C", "email": "c@example.com", "service_areas": ["ZZ"],
      ],
      id: "abc")
    #expect(reply.verdict.hasPrefix("400"))
    let wrong = try World().send(
      "POST", "/api/admin/partners", as: .staff,
      body: [
        "type": "cpa", "company_name": "C", "email": "c@example.com", "service_areas": ["ZZ"],
      ],
      id: "abc")
    #expect(
      wrong.json == [
        "type": "/problems/validation", "title": "The request is not valid", "status": 422,
        "code": "validation", "detail": "1 field needs another value.",
        "instance": "/api/admin/partners", "request_id": "abc",
        "errors": [
          [
            "pointer": "/service_areas/0", "code": "unknown_state",
            "detail": "\"ZZ\" is not a US state code.",
          ]
        ],
      ])
  }

  // MARK: Requests

  static let wrongContexts: [(JSON, String)] = [
    ("MN", ":wrong_type"), ([], ":wrong_type"), (["surplus": 1], "/surplus:unknown_field"),
    (["group_size": 0], "/group_size:out_of_range"),
    (["group_size": 101], "/group_size:out_of_range"),
    (["group_size": -1], "/group_size:out_of_range"),
    (["group_size": 1e300], "/group_size:out_of_range"),
    (["group_size": 2.5], "/group_size:wrong_type"),
    (["group_size": "2"], "/group_size:wrong_type"),
    (["home_price_range": 1], "/home_price_range:wrong_type"),
    (["home_price_range": ["min": -1]], "/home_price_range/min:out_of_range"),
    (["home_price_range": ["max": 1_000_000_000_001]], "/home_price_range/max:out_of_range"),
    (["home_price_range": ["max": 0.5]], "/home_price_range/max:wrong_type"),
    (["home_price_range": ["max": 1e19]], "/home_price_range/max:out_of_range"),
    (["home_price_range": ["min": 2, "max": 1]], "/home_price_range:out_of_range"),
    (["home_price_range": ["low": 2]], "/home_price_range/low:unknown_field"),
    (["timeline": .string(text(101))], "/timeline:too_long"),
    (["timeline": "two\nlines"], "/timeline:control_character"),
    (["state": "XX"], "/state:unknown_state"), (["state": 1], "/state:wrong_type"),
    (["specific_need": .string(text(2_001))], "/specific_need:too_long"),
    (["specific_need": "\u{1B}[0m"], "/specific_need:control_character"),
    (
      [
        "group_size": 0, "state": "XX", "timeline": 1, "home_price_range": ["min": "1", "max": -1],
      ],
      "/group_size:out_of_range /home_price_range/max:out_of_range "
        + "/home_price_range/min:wrong_type /state:unknown_state /timeline:wrong_type"
    ),
  ]

  @Test("A wrong context is named field by field, by POST and by PUT", arguments: ["POST", "PUT"])
  func wrongContext(method: String) throws {
    let world = try World()
    let referral = world.referral(context: ["state": "MN", "group_size": 4])
    let before = try world.contents()
    for (context, errors) in FieldTests.wrongContexts {
      let reply =
        method == "PUT"
        ? world.put("/api/admin/referrals/\(referral)", ["context": context])
        : world.post(
          "/api/groups/\(World.birch)/referrals", ["partner_type": "cpa", "context": context],
          as: .member)
      let expected = errors.split(separator: " ").map {
        "/context\($0)"
      }
      #expect(reply.verdict == "422 validation " + expected.joined(separator: " "), "\(context)")
    }
    #expect(try world.contents() == before)
  }

  @Test("A right context is kept in one form, and replaced whole") func rightContext() throws {
    let world = try World()
    let path =
      "/api/admin/referrals/\(world.referral(context: ["timeline": "soon", "state": "MN"]))"
    let empty: JSON = [
      "group_size": .null, "home_price_range": .null, "timeline": .null, "state": .null,
      "specific_need": .null,
    ]
    let cases: [(JSON, JSON)] = [
      (["group_size": 1], ["group_size": 1]), (["group_size": 100], ["group_size": 100]),
      (["group_size": 3.0], ["group_size": 3]),
      (["home_price_range": ["min": 0, "max": 0]], ["home_price_range": ["min": 0, "max": 0]]),
      (["home_price_range": ["max": 1]], ["home_price_range": ["min": .null, "max": 1]]),
      (
        ["home_price_range": ["min": 1_000_000_000_000]],
        ["home_price_range": ["min": 1_000_000_000_000, "max": .null]]
      ),
      (["home_price_range": [:]], [:]), (["state": " wi "], ["state": "WI"]),
      (["timeline": .string(text(100))], ["timeline": .string(text(100))]),
      (["specific_need": .string(text(2_000))], ["specific_need": .string(text(2_000))]),
      (["specific_need": " a\nb\t"], ["specific_need": "a\nb"]), ([:], [:]), (.null, [:]),
    ]
    for (given, kept) in cases {
      let reply = world.put(path, ["context": given])
      #expect(reply.verdict == "200")
      #expect(reply["context"] == empty.with(kept), "\(given)")
      #expect(world.get(path).body == reply.body)
    }
  }

  @Test("What a new request may name, by whom") func newReferral() throws {
    let world = try World()
    let path = "/api/groups/\(World.birch)/referrals"
    let before = try world.contents()
    func id(_ id: ID) -> JSON { .string(id.text) }
    let cases: [(Role, JSON, String)] = [
      (.member, [:], "/partner_type:required"),
      (.member, ["partner_type": .null], "/partner_type:not_null"),
      (.member, ["partner_type": "broker"], "/partner_type:unknown_value"),
      (
        .member, ["partner_type": "cpa", "requested_by": id(Person.bob)],
        "/requested_by:not_a_member"
      ),
      (
        .member, ["partner_type": "cpa", "requested_by": .string(World.unknown)],
        "/requested_by:not_a_member"
      ),
      (.member, ["partner_type": "cpa", "requested_by": "me"], "/requested_by:invalid_format"),
      (
        .staff, ["partner_type": "cpa", "requested_by": id(Person.olga)],
        "/requested_by:not_a_member"
      ),
      (
        .staff, ["partner_type": "cpa", "requested_by": id(Person.tess)],
        "/requested_by:not_a_member"
      ),
      (.staff, ["partner_type": "cpa", "note": "x"], "/note:unknown_field"),
      (
        .member,
        [
          "id": .string(World.unknown), "group_id": id(World.birch), "status": "pending",
          "partner_id": .null, "intro_sent_at": .null, "outcome": .null, "outcome_notes": "x",
          "created_at": "x", "updated_at": "x", "group": [:], "requester": [:], "partner": .null,
          "timeline": [], "surplus": .null,
        ],
        "/created_at:read_only /group:read_only /group_id:read_only /id:read_only "
          + "/intro_sent_at:read_only /outcome:read_only /outcome_notes:read_only "
          + "/partner:read_only /partner_id:read_only /partner_type:required "
          + "/requester:read_only /status:read_only /surplus:unknown_field /timeline:read_only "
          + "/updated_at:read_only"
      ),
    ]
    for (role, body, errors) in cases {
      #expect(world.post(path, body, as: role).verdict == "422 validation " + errors, "\(body)")
    }
    #expect(try world.contents() == before)

    let right: [(String, Role, JSON?, ID)] = [
      ("attorney", .member, nil, Person.ann), ("lender", .member, id(Person.ann), Person.ann),
      ("agent", .member, .null, Person.ann), ("title", .staff, nil, Person.sam),
      ("insurance", .staff, id(Person.bob), Person.bob),
      ("cpa", .staff, id(Person.sam), Person.sam),
    ]
    for (type, role, requester, kept) in right {
      let body: JSON = ["partner_type": .string(type)]
      let made = world.post(
        path, requester.map { body.with(["requested_by": $0]) } ?? body, as: role)
      #expect(made.verdict == "201", "\(type)")
      #expect(made["requested_by"] == id(kept), "\(type)")
    }
  }

  // MARK: Accounts

  @Test("What a user and a group may hold") func accounts() throws {
    let world = try World()
    let before = try world.contents()
    let new = "/api/admin/users/\(World.unknown)"
    let old = "/api/admin/users/\(Person.ann)"
    let newGroup = "/api/admin/groups/\(World.unknown)"
    let oldGroup = "/api/admin/groups/\(World.birch)"
    let tokens = "/api/admin/users/\(Person.ann)/tokens"
    let hundred = JSON.array((0..<101).map { _ in .string(World.unknown) })
    let cases: [(String, String, JSON, String)] = [
      ("PUT", new, [:], "/email:required /name:required"),
      ("PUT", new, ["name": .null, "email": "x"], "/email:invalid_format /name:not_null"),
      (
        "PUT", new,
        [
          "name": "N", "email": "n@example.com", "created_at": .string(World.start),
          "updated_at": .null,
        ], "/created_at:read_only /updated_at:read_only"
      ),
      (
        "PUT", new, ["name": "N", "email": "n@example.com", "id": .string(Person.ann.text)],
        "/id:read_only"
      ),
      ("PUT", old, ["name": ""], "/name:required"),
      ("PUT", old, ["email": .null], "/email:not_null"),
      ("PUT", old, ["name": .string(text(101))], "/name:too_long"),
      ("PUT", old, ["name": "a\nb"], "/name:control_character"),
      ("PUT", old, ["disabled": "no"], "/disabled:wrong_type"),
      ("PUT", old, ["disabled": .null], "/disabled:not_null"),
      ("PUT", old, ["id": .string(World.unknown)], "/id:read_only"),
      ("PUT", old, ["created_at": "2026-01-01T00:00:00.000Z"], "/created_at:read_only"),
      ("PUT", old, ["admin": true], "/admin:unknown_field"),
      ("PUT", newGroup, [:], "/name:required"),
      ("PUT", newGroup, ["name": "  "], "/name:required"),
      ("PUT", oldGroup, ["name": .null], "/name:not_null"),
      ("PUT", oldGroup, ["name": .string(text(201))], "/name:too_long"),
      ("PUT", oldGroup, ["state": "XX"], "/state:unknown_state"),
      (
        "PUT", oldGroup,
        ["members": [.string(Person.ann.text), .string(World.unknown), "x", .null]],
        "/members/1:unknown_user /members/2:invalid_format /members/3:wrong_type"
      ),
      ("PUT", oldGroup, ["members": "x"], "/members:wrong_type"),
      ("PUT", oldGroup, ["surplus": 1, "id": "x"], "/id:read_only /surplus:unknown_field"),
      ("POST", tokens, ["name": .string(text(101))], "/name:too_long"),
      ("POST", tokens, ["expires_at": .string(World.start)], "/expires_at:in_past"),
      ("POST", tokens, ["expires_at": "tomorrow"], "/expires_at:invalid_format"),
      ("POST", tokens, ["expires_at": ""], "/expires_at:required"),
      ("POST", tokens, ["expires_at": " \t"], "/expires_at:required"),
      ("POST", tokens, ["expires_at": .null], "/expires_at:not_null"),
      // 400 days and a millisecond from now.
      ("POST", tokens, ["expires_at": "2027-12-27T14:30:28.124Z"], "/expires_at:out_of_range"),
      ("POST", tokens, ["expires_at": "9999-12-31T23:59:59Z"], "/expires_at:out_of_range"),
      ("POST", tokens, ["admin": true, "name": 1], "/admin:unknown_field /name:wrong_type"),
      (
        "POST", tokens, ["scope": "admin", "created_by": .null],
        "/created_by:read_only /scope:read_only"
      ),
    ]
    for (method, path, body, errors) in cases {
      #expect(
        world.send(method, path, body: body).verdict == "422 validation " + errors,
        "\(path) \(body)")
    }
    #expect(world.put(oldGroup, ["members": hundred]).status == 422)
    #expect(try world.contents() == before)
    for path in [
      "/api/admin/users/\(World.unknown)", "/api/admin/users/x", "/api/admin/groups/x",
      "/api/admin/groups/\(World.unknown)",
    ] {
      #expect(world.get(path).verdict == "404 not_found")
    }
    #expect(world.put("/api/admin/users/x", [:]).verdict == "404 not_found")
    #expect(world.put("/api/admin/groups/x", [:]).verdict == "404 not_found")
    #expect(
      world.post("/api/admin/users/\(World.unknown)/tokens", ["x": 1]).verdict == "404 not_found")
    #expect(world.send("DELETE", "/api/admin/tokens/x").verdict == "404 not_found")
    #expect(world.send("DELETE", "/api/admin/tokens/\(World.unknown)").verdict == "404 not_found")
  }

  @Test("A group has at most 100 members") func manyMembers() throws {
    let world = try World()
    let ids = (0..<101).map { number in
      "10000000-0000-4000-8000-0000000000" + (number < 16 ? "0" : "") + String(number, radix: 16)
    }
    try world.store.write(now: world.clock.now, actor: nil) { change in
      for id in ids {
        try change.putUser(
          ID(id)!,
          Body(
            ["email": .string("\(id)@example.com"), "name": "Member"], Table.users.fields,
            by: .staff, at: change.now))
      }
    }
    let path = "/api/admin/groups/\(World.oak)"
    let members = ids.map { JSON.string($0) }
    #expect(
      world.put(path, ["members": .array(members)]).verdict == "422 validation /members:too_long")
    #expect(world.put(path, ["members": .array(members.dropLast().reversed())]).status == 200)
    #expect(world.get(path)["members"] == .array(Array(members.dropLast())))
    #expect(world.put(path, ["members": .null])["members"] == [])
  }

  // MARK: Statuses, outcomes, cancellations, coverage

  @Test("What the smaller bodies may hold") func smallBodies() throws {
    let world = try World()
    let partner = "/api/admin/partners/\(world.partner())/status"
    let referral = world.referral(.introSent)
    let outcome = "/api/admin/referrals/\(referral)/outcome"
    let update = "/api/admin/referrals/\(referral)"
    let cancel = "/api/groups/\(World.birch)/referrals/\(referral)/cancel"
    let coverage = "/api/admin/coverage/MN/attorney"
    let before = try world.contents()
    let cases: [(String, String, JSON, String)] = [
      ("PUT", partner, [:], "/status:required"),
      ("PUT", partner, ["status": .null], "/status:not_null"),
      ("PUT", partner, ["status": "gone"], "/status:unknown_value"),
      ("PUT", partner, ["status": "active", "note": .string(text(2_001))], "/note:too_long"),
      ("PUT", partner, ["status": "active", "notes": "x"], "/notes:unknown_field"),
      ("PUT", outcome, [:], "/outcome:required"),
      ("PUT", outcome, ["outcome": .null], "/outcome:not_null"),
      ("PUT", outcome, ["outcome": "won"], "/outcome:unknown_value"),
      ("PUT", outcome, ["outcome_notes": "x"], "/outcome:required"),
      (
        "PUT", outcome,
        ["outcome": "engaged", "outcome_notes": .string(text(10_001)), "note": 1],
        "/note:unknown_field /outcome_notes:too_long"
      ),
      ("PUT", update, ["note": "\u{0}"], "/note:control_character"),
      ("PUT", update, ["status": "open"], "/status:unknown_value"),
      (
        "PUT", update, ["partner_type": .null, "status": .null],
        "/partner_type:not_null /status:not_null"
      ),
      (
        "PUT", update, ["partner_id": "x", "intro_sent_at": "x"],
        "/intro_sent_at:invalid_format /partner_id:invalid_format"
      ),
      ("PUT", update, ["partner_id": .string(World.unknown)], "/partner_id:unknown_partner"),
      ("POST", cancel, ["reason": "x", "note": 1], "/note:wrong_type /reason:unknown_field"),
      ("POST", cancel, ["note": .string(text(2_001))], "/note:too_long"),
      ("PUT", coverage, [:], "/status:required"),
      ("PUT", coverage, ["status": "open"], "/status:unknown_value"),
      ("PUT", coverage, ["status": .null, "count": 1], "/count:unknown_field"),
    ]
    for (method, path, body, errors) in cases {
      #expect(
        world.send(method, path, body: body).verdict == "422 validation " + errors,
        "\(path) \(body)")
    }
    #expect(try world.contents() == before)
    #expect(
      world.put(outcome, ["outcome": "engaged", "outcome_notes": .string(text(10_000))]).status
        == 200)
    #expect(world.post(cancel, ["note": .string(text(2_000) + "  ")]).status == 200)
    #expect(world.events(of: referral).last?["note"] == .string(text(2_000)))
  }

  // MARK: What was read may be sent back

  @Test("What a GET gave may be edited in one field and returned whole") func echo() throws {
    let world = try World()
    let partner = "/api/admin/partners/\(world.partner(with: ["notes": "x"]))"
    let user = "/api/admin/users/\(Person.ann)"
    let group = "/api/admin/groups/\(World.birch)"
    let cases: [(String, JSON)] = [
      (partner, ["company_name": "Edited"]), (user, ["name": "Edited"]),
      (group, ["name": "Edited"]),
      (group, ["members": []]), (partner, ["agreement_signed_at": "2026-05-01T00:00:00.000Z"]),
    ]
    for (path, edit) in cases {
      world.clock.pass(milliseconds: 1)
      let read = world.get(path).json
      #expect(world.put(path, read).json == read)
      let edited = world.put(path, read.with(edit))
      #expect(edited.verdict == "200", "\(path)")
      #expect(
        edited.json == read.with(edit).with(["updated_at": .string(world.clock.now.text)]))
      // What was read before the edit is not what is stored any more.
      #expect(world.put(path, read).verdict == "422 validation /updated_at:read_only")
    }
    #expect(
      world.put(
        partner,
        [
          "id": "x", "status": "inactive", "invited_by": .null, "created_at": .null,
          "updated_at": "x",
        ]
      ).verdict
        == "422 validation /created_at:read_only /id:read_only /invited_by:read_only "
        + "/status:read_only /updated_at:read_only")
  }

  @Test("The same for a request, in each status", arguments: ReferralStatus.allCases)
  func echoReferral(status: ReferralStatus) throws {
    let world = try World()
    let referral = world.referral(status, context: ["state": "MN"])
    let path = "/api/admin/referrals/\(referral)"
    let read = world.get(path).json
    let events = world.events.count
    world.clock.pass(milliseconds: 1)
    let same = world.put(path, read)
    #expect(same.verdict == "200")
    #expect(same.json == read)
    #expect(world.events.count == events)
    let edit: JSON = ["context": read["context"]?.with(["timeline": "Later"]) ?? .null]
    let edited = world.put(path, read.with(edit))
    #expect(edited.verdict == "200")
    #expect(
      edited.json == read.with(edit).with(["updated_at": .string(world.clock.now.text)]))
    #expect(world.events(of: referral).last?["kind"] == "referral.updated")
    let wrong: JSON = [
      "id": .string(World.unknown), "group_id": .string(World.oak.text),
      "requested_by": .string(Person.bob.text), "outcome": "deal_closed", "outcome_notes": "x",
      "created_at": "x", "updated_at": "x", "group": .null, "requester": [:], "timeline": [],
      "status_since": "x", "consented_at": "x", "contact": .null, "assignee": [:],
      "partner": ["id": "x"],
    ]
    #expect(
      world.put(path, wrong).verdict
        == "422 validation "
        + wrong.keys.sorted().map { "/\($0):read_only" }.joined(separator: " "))
  }

  @Test("What was read while matched may be returned with the status edited to intro_sent")
  func echoIntoNextStatus() throws {
    let world = try World()
    let path = "/api/admin/referrals/\(world.referral(.matched))"
    let introduced = world.put(path, world.get(path).json.with(["status": "intro_sent"]))
    #expect(introduced.verdict == "200")
    #expect(introduced["intro_sent_at"] == .string(World.start))
    let connected = world.put(path, world.get(path).json.with(["status": "connected"]))
    #expect(connected.verdict == "200")
    let closed = world.put(path, world.get(path).json.with(["status": "closed"]))
    #expect(closed["outcome"] == "unknown")
  }
}
