import Domain
import Testing

@testable import SQLite

/// A row that every table takes, by column, as SQL; a test replaces one value or more.
private let rows: [String: [String: String]] = [
  "users": [
    "id": uuid(50), "email": "'new@example.com'", "email_key": "'new@example.com'", "name": "'N'",
    "disabled": "0", "created_at": time, "updated_at": time,
  ],
  "groups": [
    "id": uuid(51), "name": "'G'", "state": "NULL", "created_at": time, "updated_at": time,
  ],
  "group_members": ["group_id": uuid(2), "user_id": uuid(9)],
  "tokens": [
    "id": uuid(52), "user_id": uuid(1), "scope": "NULL", "name": "NULL",
    "sha256": "zeroblob(32)", "created_at": time, "expires_at": "NULL", "revoked_at": "NULL",
    "created_by": "NULL",
  ],
  "partners": [
    "id": uuid(53), "user_id": "NULL", "type": "'attorney'", "status": "'invited'",
    "company_name": "'C'", "contact_name": "NULL", "email": "'p@example.com'",
    "email_key": "'p@example.com'", "phone": "NULL", "website": "NULL", "service_areas": "'[]'",
    "co_ownership_certified": "0", "agreement_signed_at": "NULL", "invited_by": "NULL",
    "notes": "NULL", "pending_changes": "NULL", "created_at": time, "updated_at": time,
  ],
  "partner_credentials": [
    "id": uuid(55), "partner_id": uuid(3), "kind": "'nmls'", "number": "'N 1'",
    "number_key": "'n1'", "state_code": "NULL", "issuer": "NULL", "expires_on": "NULL",
    "good_until": "'9999-12-31'", "verified_at": "NULL", "verified_by": "NULL", "notes": "NULL",
    "created_at": time, "updated_at": time,
  ],
  "referral_requests": [
    "id": uuid(54), "group_id": uuid(2), "requested_by": uuid(1), "partner_type": "'attorney'",
    "status": "'pending'", "context": "'{}'", "partner_id": "NULL", "intro_sent_at": "NULL",
    "outcome": "NULL", "outcome_notes": "NULL", "created_at": time, "updated_at": time,
  ],
  "referral_past_partners": ["referral_number": "1", "partner_id": uuid(3)],
  "past_introductions": ["referral_number": "1", "partner_id": uuid(3), "intro_sent_at": time],
  "declines": [
    "referral_number": "1", "partner_id": uuid(3), "intro_sent_at": time, "declined_at": time,
    "reason_code": "'other'",
  ],
  "events": [
    "at": time, "actor_id": "NULL", "subject_kind": "'partner'", "subject_id": uuid(3),
    "kind": "'partner.updated'", "changes": "'{}'", "note": "NULL",
  ],
  "idempotency_keys": [
    "user_id": uuid(1), "path": "'/p'", "key": "'k'", "request_sha256": "zeroblob(32)",
    "status": "201", "location": "NULL", "etag": "NULL", "body": "x'7b7d'", "created_at": time,
  ],
  "secrets": ["name": "'s'", "value": "zeroblob(32)"],
  "erasures": ["subject_kind": "'user'", "subject_id": uuid(9)],
]

private let time = "'2026-03-01T12:00:00.000Z'"
private func uuid(_ number: Int) -> String { "'\(sampleID(number))'" }
private func text(_ count: Int) -> String { "'\(String(repeating: "x", count: count))'" }

private func insert(_ table: String, _ values: [String: String]) -> String {
  let row = (rows[table] ?? [:]).merging(values) { $1 }.sorted { $0.key < $1.key }
  return """
    INSERT INTO \(table) (\(row.map(\.key).joined(separator: ", ")))
    VALUES (\(row.map(\.value).joined(separator: ", ")))
    """
}

/// A fresh database: users 1 and 9, group 2 with user 1, an active attorney 3 who is user 1, its closed request
/// 4, and a token 5.
private func database(in folder: TemporaryFolder) throws -> Connection {
  let connection = try rawDatabase(in: folder)
  for sql in [
    insert(
      "users", ["id": uuid(1), "email": "'Ann@example.com'", "email_key": "'ann@example.com'"]),
    insert(
      "users", ["id": uuid(9), "email": "'bob@example.com'", "email_key": "'bob@example.com'"]),
    insert("groups", ["id": uuid(2)]),
    insert("group_members", ["user_id": uuid(1)]),
    insert(
      "partners",
      [
        "id": uuid(3), "user_id": uuid(1), "status": "'active'", "service_areas": #"'["MN"]'"#,
        "agreement_signed_at": time, "email_key": "'law@example.com'", "invited_by": uuid(1),
      ]),
    insert(
      "referral_requests",
      [
        "id": uuid(4), "status": "'closed'", "partner_id": uuid(3), "intro_sent_at": time,
        "outcome": "'unknown'",
      ]),
    insert("tokens", ["id": uuid(5), "sha256": "randomblob(32)"]),
    insert("events", ["actor_id": uuid(1)]),
    insert("idempotency_keys", ["key": "'used'"]),
  ] {
    try connection.run(sql)
  }
  return connection
}

/// Values that a table takes or refuses.
private struct Trial: Sendable, CustomTestStringConvertible {
  let table: String
  let values: [String: String]
  /// The beginning of SQLite's message; nil: the row is taken.
  let refusal: String?

  init(_ table: String, _ values: [String: String], _ refusal: String? = nil) {
    self.table = table
    self.values = values
    self.refusal = refusal
  }

  var testDescription: String {
    "\(table) \(values.map { "\($0.key) = \($0.value.prefix(40))" }.joined(separator: ", "))"
  }
}

@Suite("The schema")
struct SchemaTests {
  private static let taken: [Trial] =
    rows.keys.sorted().map { Trial($0, [:]) } + [
      Trial("users", ["name": text(100), "email": text(255), "disabled": "1"]),
      Trial("groups", ["name": text(200), "state": "'MN'"]),
      Trial(
        "tokens",
        [
          "name": text(100), "scope": "'events'", "expires_at": time, "revoked_at": time,
          "created_by": uuid(1),
        ]),
      Trial(
        "partners",
        [
          "company_name": text(200), "contact_name": text(100), "email": text(255),
          "phone": text(20), "website": text(255), "notes": text(10_000),
          "co_ownership_certified": "1", "invited_by": uuid(1), "user_id": uuid(9),
        ]),
      Trial(
        "partners",
        [
          "description": text(2_000), "languages": #"'["en"]'"#,
          "affiliation_disclosure": text(500), "paused_until": "'2026-03-01'",
          "max_open_referrals": "1000",
        ]),
      Trial(
        "partner_credentials",
        [
          "number": text(50), "state_code": "'MN'", "issuer": text(100), "notes": text(2_000),
          "expires_on": "'2026-03-01'", "good_until": "'2026-03-01'", "verified_at": time,
          "verified_by": uuid(1),
        ]),
      // The same address with another type, or with one that was removed.
      Trial("partners", ["type": "'lender'", "email_key": "'law@example.com'"]),
      Trial("partners", ["status": "'removed'", "email_key": "'law@example.com'"]),
      Trial("partners", ["status": "'removed'", "user_id": uuid(1)]),
      Trial(
        "partners",
        ["status": "'active'", "agreement_signed_at": time, "service_areas": #"'["MN"]'"#]),
      Trial(
        "partners",
        [
          "status": "'active'", "agreement_signed_at": time, "service_areas": #"'["MN"]'"#,
          "pending_changes": #"'{"website":null}'"#,
        ]),
      Trial("declines", ["reason_code": "'no_capacity'"]),
      Trial("referral_requests", ["outcome_notes": text(10_000)]),
      Trial("events", ["actor_id": uuid(1), "note": "'n'", "subject_kind": "'database'"]),
      Trial("idempotency_keys", ["key": text(255), "path": "'/q'"]),
      Trial("idempotency_keys", ["key": "'used'", "path": "'/q'"]),
      Trial("idempotency_keys", ["key": "'used'", "user_id": uuid(9)]),
    ]

  private static let refused: [Trial] = [
    // Lengths and vocabularies.
    Trial("users", ["id": "'x'"], "CHECK constraint failed: length(id) = 36"),
    Trial("users", ["email": "'a@'"], "CHECK constraint failed: length(email)"),
    Trial("users", ["email": text(256)], "CHECK constraint failed: length(email)"),
    Trial("users", ["name": "''"], "CHECK constraint failed: length(name)"),
    Trial("users", ["name": text(101)], "CHECK constraint failed: length(name)"),
    Trial("users", ["disabled": "2"], "CHECK constraint failed: disabled"),
    Trial("groups", ["id": "'x'"], "CHECK constraint failed: length(id) = 36"),
    Trial("groups", ["name": "''"], "CHECK constraint failed: length(name)"),
    Trial("groups", ["name": text(201)], "CHECK constraint failed: length(name)"),
    Trial("groups", ["state": "'MNN'"], "CHECK constraint failed: length(state)"),
    Trial("tokens", ["id": "'x'"], "CHECK constraint failed: length(id) = 36"),
    Trial("tokens", ["scope": "'all'"], "CHECK constraint failed: scope"),
    Trial("tokens", ["name": text(101)], "CHECK constraint failed: length(name)"),
    Trial("tokens", ["sha256": "zeroblob(31)"], "CHECK constraint failed: length(sha256) = 32"),
    Trial("tokens", ["sha256": text(32)], "cannot store TEXT value in BLOB column tokens.sha256"),
    Trial("partners", ["id": "'x'"], "CHECK constraint failed: length(id) = 36"),
    Trial("partners", ["type": "'notary'"], "CHECK constraint failed: type"),
    Trial("partners", ["type": "'Attorney'"], "CHECK constraint failed: type"),
    Trial("partners", ["status": "'pending'"], "CHECK constraint failed: status"),
    Trial("partners", ["company_name": "''"], "CHECK constraint failed: length(company_name)"),
    Trial("partners", ["company_name": text(201)], "CHECK constraint failed: length(company_name)"),
    Trial("partners", ["contact_name": text(101)], "CHECK constraint failed: length(contact_name)"),
    Trial("partners", ["email": "'a@'"], "CHECK constraint failed: length(email)"),
    Trial("partners", ["email": text(256)], "CHECK constraint failed: length(email)"),
    Trial("partners", ["phone": text(21)], "CHECK constraint failed: length(phone)"),
    Trial("partners", ["website": text(256)], "CHECK constraint failed: length(website)"),
    Trial("partners", ["notes": text(10_001)], "CHECK constraint failed: length(notes)"),
    Trial("partners", ["service_areas": "'MN'"], "CHECK constraint failed: json_valid"),
    Trial("partners", ["service_areas": "'{}'"], "CHECK constraint failed: json_valid"),
    Trial("partners", ["service_areas": "'\"MN\"'"], "CHECK constraint failed: json_valid"),
    Trial("partners", ["description": text(2_001)], "CHECK constraint failed: length(description)"),
    Trial("partners", ["languages": "'{}'"], "CHECK constraint failed: json_valid(languages)"),
    Trial("partners", ["languages": "NULL"], "NOT NULL constraint failed: partners.languages"),
    Trial(
      "partners", ["affiliation_disclosure": text(501)],
      "CHECK constraint failed: length(affiliation_disclosure)"),
    Trial("partners", ["paused_until": time], "CHECK constraint failed: length(paused_until)"),
    Trial("partners", ["max_open_referrals": "0"], "CHECK constraint failed: max_open_referrals"),
    Trial(
      "partners", ["max_open_referrals": "1001"], "CHECK constraint failed: max_open_referrals"),
    Trial("partner_credentials", ["id": "'x'"], "CHECK constraint failed: length(id) = 36"),
    Trial("partner_credentials", ["kind": "'diploma'"], "CHECK constraint failed: kind"),
    Trial("partner_credentials", ["number": "''"], "CHECK constraint failed: length(number)"),
    Trial("partner_credentials", ["number": text(51)], "CHECK constraint failed: length(number)"),
    Trial(
      "partner_credentials", ["state_code": "'MNN'"],
      "CHECK constraint failed: length(state_code)"),
    Trial("partner_credentials", ["issuer": text(101)], "CHECK constraint failed: length(issuer)"),
    Trial(
      "partner_credentials", ["expires_on": time], "CHECK constraint failed: length(expires_on)"),
    Trial(
      "partner_credentials", ["expires_on": "'2026-03-01'"],
      "CHECK constraint failed: good_until"),
    Trial(
      "partner_credentials", ["verified_by": uuid(1)],
      "CHECK constraint failed: verified_by IS NULL"),
    Trial("partner_credentials", ["notes": text(2_001)], "CHECK constraint failed: length(notes)"),
    Trial(
      "partner_credentials", ["partner_id": uuid(99)], "FOREIGN KEY constraint failed"),
    Trial(
      "partners", ["co_ownership_certified": "2"],
      "CHECK constraint failed: co_ownership_certified"),
    Trial(
      "partners", ["status": "'active'", "service_areas": #"'["MN"]'"#],
      "CHECK constraint failed: status <> 'active'"),
    Trial(
      "partners", ["status": "'active'", "agreement_signed_at": time],
      "CHECK constraint failed: status <> 'active'"),
    // Nobody but an active partner has proposals, and no proposals are null.
    Trial(
      "partners", ["pending_changes": #"'{"website":null}'"#],
      "CHECK constraint failed: pending_changes IS NULL"),
    Trial(
      "partners",
      [
        "status": "'active'", "agreement_signed_at": time, "service_areas": #"'["MN"]'"#,
        "pending_changes": "'{}'",
      ], "CHECK constraint failed: pending_changes IS NULL"),
    Trial(
      "partners",
      [
        "status": "'active'", "agreement_signed_at": time, "service_areas": #"'["MN"]'"#,
        "pending_changes": "'[1]'",
      ], "CHECK constraint failed: pending_changes IS NULL"),
    Trial("declines", ["reason_code": "'never'"], "CHECK constraint failed: reason_code"),
    Trial("declines", ["partner_id": uuid(99)], "FOREIGN KEY constraint failed"),
    Trial("declines", ["referral_number": "99"], "FOREIGN KEY constraint failed"),
    Trial("past_introductions", ["partner_id": uuid(99)], "FOREIGN KEY constraint failed"),
    Trial("past_introductions", ["referral_number": "99"], "FOREIGN KEY constraint failed"),
    Trial("referral_requests", ["id": "'x'"], "CHECK constraint failed: length(id) = 36"),
    Trial(
      "referral_requests", ["partner_type": "'notary'"], "CHECK constraint failed: partner_type"),
    Trial("referral_requests", ["status": "'open'"], "CHECK constraint failed: status"),
    Trial("referral_requests", ["context": "'[]'"], "CHECK constraint failed: json_valid"),
    Trial("referral_requests", ["context": "'{'"], "CHECK constraint failed: json_valid"),
    Trial("referral_requests", ["state": "'MN'"], "CHECK constraint failed: state IS"),
    Trial(
      "referral_requests", ["context": #"'{"state":"MN"}'"#], "CHECK constraint failed: state IS"),
    Trial(
      "referral_requests", ["outcome_notes": text(10_001)],
      "CHECK constraint failed: length(outcome_notes)"),
    Trial("events", ["subject_kind": "'thing'"], "CHECK constraint failed: subject_kind"),
    Trial("events", ["changes": "'[]'"], "CHECK constraint failed: json_valid"),
    Trial("events", ["changes": "'{\"a\"}'"], "CHECK constraint failed: json_valid"),
    Trial("idempotency_keys", ["key": "''"], "CHECK constraint failed: length(key)"),
    Trial("idempotency_keys", ["key": text(256)], "CHECK constraint failed: length(key)"),
    Trial(
      "idempotency_keys", ["request_sha256": "zeroblob(33)"],
      "CHECK constraint failed: length(request_sha256) = 32"),
    Trial("erasures", ["subject_kind": "'group'"], "CHECK constraint failed: subject_kind"),
    Trial("erasures", ["subject_id": "'x'"], "CHECK constraint failed: length(subject_id) = 36"),
    Trial("secrets", ["value": "zeroblob(31)"], "CHECK constraint failed: length(value) = 32"),
    // What there is one of.
    Trial("users", ["id": uuid(1)], "UNIQUE constraint failed: users.id"),
    Trial(
      "users", ["email_key": "'ann@example.com'"], "UNIQUE constraint failed: users.email_key"),
    Trial("groups", ["id": uuid(2)], "UNIQUE constraint failed: groups.id"),
    Trial(
      "group_members", ["user_id": uuid(1)],
      "UNIQUE constraint failed: group_members.group_id, group_members.user_id"),
    Trial("tokens", ["id": uuid(5)], "UNIQUE constraint failed: tokens.id"),
    Trial(
      "tokens", ["sha256": "(SELECT sha256 FROM tokens)"],
      "UNIQUE constraint failed: tokens.sha256"),
    Trial("partners", ["id": uuid(3)], "UNIQUE constraint failed: partners.id"),
    Trial(
      "partners", ["email_key": "'law@example.com'"],
      "UNIQUE constraint failed: partners.type, partners.email_key"),
    Trial("partners", ["user_id": uuid(1)], "UNIQUE constraint failed: partners.user_id"),
    Trial("referral_requests", ["id": uuid(4)], "UNIQUE constraint failed: referral_requests.id"),
    Trial(
      "idempotency_keys", ["key": "'used'"],
      "UNIQUE constraint failed: idempotency_keys.user_id, idempotency_keys.path"),
    Trial("secrets", ["name": "'cursors'"], "UNIQUE constraint failed: secrets.name"),
    // What must exist.
    Trial("group_members", ["group_id": uuid(99)], "FOREIGN KEY constraint failed"),
    Trial("group_members", ["user_id": uuid(99)], "FOREIGN KEY constraint failed"),
    Trial("tokens", ["user_id": uuid(99)], "FOREIGN KEY constraint failed"),
    Trial("tokens", ["created_by": uuid(99)], "FOREIGN KEY constraint failed"),
    Trial("partners", ["user_id": uuid(99)], "FOREIGN KEY constraint failed"),
    Trial("partners", ["invited_by": uuid(99)], "FOREIGN KEY constraint failed"),
    Trial("referral_requests", ["group_id": uuid(99)], "FOREIGN KEY constraint failed"),
    Trial("referral_requests", ["requested_by": uuid(99)], "FOREIGN KEY constraint failed"),
    Trial(
      "referral_requests", ["partner_id": uuid(99), "status": "'matched'"],
      "FOREIGN KEY constraint failed"),
    Trial("referral_past_partners", ["partner_id": uuid(99)], "FOREIGN KEY constraint failed"),
    Trial("referral_past_partners", ["referral_number": "99"], "FOREIGN KEY constraint failed"),
    Trial("events", ["actor_id": uuid(99)], "FOREIGN KEY constraint failed"),
    Trial("idempotency_keys", ["user_id": uuid(99)], "FOREIGN KEY constraint failed"),
    // Types are kept to.
    Trial("users", ["disabled": "'no'"], "cannot store TEXT value in INTEGER column"),
    Trial("partners", ["notes": "x'00'"], "cannot store BLOB value in TEXT column"),
    Trial("events", ["number": "'one'"], "datatype mismatch"),
    Trial("idempotency_keys", ["status": "'ok'"], "cannot store TEXT value in INTEGER column"),
  ]

  @Test("rows that are taken, up to their limits", arguments: taken)
  private func takes(_ trial: Trial) throws {
    let folder = try TemporaryFolder()
    let connection = try database(in: folder)
    #expect(try connection.refusal(insert(trial.table, trial.values)) == nil)
  }

  @Test("rows that are refused")
  func refuses() throws {
    let folder = try TemporaryFolder()
    let connection = try database(in: folder)
    for trial in Self.refused {
      let message = try connection.refusal(insert(trial.table, trial.values))
      #expect(
        message?.hasPrefix(trial.refusal ?? "") == true,
        "\(trial.testDescription): \(message ?? "taken"), not \(trial.refusal ?? "")")
    }
  }

  @Test(
    "a column that has no NULL in the rows above, or only where the product document has none, refuses it"
  )
  func notNull() throws {
    let folder = try TemporaryFolder()
    let connection = try database(in: folder)
    let mayBeNull = [
      "groups": ["state"], "tokens": ["name", "expires_at", "revoked_at", "scope", "created_by"],
      "partners": [
        "user_id", "contact_name", "phone", "website", "agreement_signed_at", "invited_by", "notes",
        "pending_changes",
      ],
      "partner_credentials": [
        "state_code", "issuer", "expires_on", "verified_at", "verified_by", "notes",
      ],
      "referral_requests": ["partner_id", "intro_sent_at", "outcome", "outcome_notes"],
      "events": ["actor_id", "note"], "idempotency_keys": ["location", "etag"],
    ]
    for (table, row) in rows {
      for column in row.keys {
        let message = try connection.refusal(insert(table, [column: "NULL"]))
        let expected =
          mayBeNull[table]?.contains(column) == true
          ? nil : "NOT NULL constraint failed: \(table).\(column)"
        #expect(message == expected, "\(table).\(column)")
      }
    }
  }

  @Test("what a request's status takes: a partner, an introduction, an outcome")
  func referralStatuses() throws {
    let folder = try TemporaryFolder()
    let connection = try database(in: folder)
    // For each status, the combinations that are taken: p a partner, i an introduction, o an outcome.
    let taken: [String: Set<String>] = [
      "pending": ["---"], "matched": ["p--"], "intro_sent": ["pi-"],
      "connected": ["pi-", "pio"], "closed": ["pio"],
      "cancelled": ["---", "p--", "-i-", "--o", "pi-", "p-o", "-io", "pio"],
    ]
    for (status, taken) in taken {
      for number in 0..<8 {
        let (partner, introduction, outcome) = (number & 1, number & 2, number & 4)
        let combination =
          (partner > 0 ? "p" : "-") + (introduction > 0 ? "i" : "-") + (outcome > 0 ? "o" : "-")
        let message = try connection.refusal(
          insert(
            "referral_requests",
            [
              "status": "'\(status)'", "partner_id": partner > 0 ? uuid(3) : "NULL",
              "intro_sent_at": introduction > 0 ? time : "NULL",
              "outcome": outcome > 0 ? "'engaged'" : "NULL",
            ]))
        #expect((message == nil) == taken.contains(combination), "\(status) \(combination)")
        if let message { #expect(message.hasPrefix("CHECK constraint failed: status")) }
      }
    }
    let outcome = insert(
      "referral_requests",
      ["status": "'cancelled'", "outcome": "'good'"])
    #expect(try connection.refusal(outcome)?.hasPrefix("CHECK constraint failed: outcome") == true)
  }

  @Test("one open request of a group, type and state; no state counts as one")
  func oneOpenRequest() throws {
    let folder = try TemporaryFolder()
    let connection = try database(in: folder)
    func request(_ id: Int, _ values: [String: String]) -> String {
      insert("referral_requests", values.merging(["id": uuid(id)]) { $1 })
    }
    let unique = "UNIQUE constraint failed: index 'referral_requests_one_open'"
    let inMinnesota = ["context": #"'{"state":"MN"}'"#, "state": "'MN'"]
    try connection.run(request(60, [:]))
    try connection.run(request(61, inMinnesota))
    #expect(try connection.refusal(request(62, [:])) == unique)
    #expect(try connection.refusal(request(62, ["context": #"'{"state":null}'"#])) == unique)
    #expect(try connection.refusal(request(62, inMinnesota)) == unique)
    for (status, introduced) in [("matched", "NULL"), ("intro_sent", time)] {
      let values = [
        "status": "'\(status)'", "partner_id": uuid(3), "intro_sent_at": introduced,
      ]
      #expect(try connection.refusal(request(62, values)) == unique)
    }
    for values in [
      ["context": #"'{"state":"WI"}'"#, "state": "'WI'"], ["partner_type": "'lender'"],
      ["status": "'cancelled'"],
      ["status": "'connected'", "partner_id": uuid(3), "intro_sent_at": time],
    ] {
      #expect(try connection.refusal(request(62, values)) == nil)
    }
  }

  @Test("a thing that others name is not removed, but a group goes with its memberships")
  func removal() throws {
    let folder = try TemporaryFolder()
    let connection = try database(in: folder)
    let named = "FOREIGN KEY constraint failed"
    for table in ["users", "partners", "groups"] {
      #expect(try connection.refusal("DELETE FROM \(table)") == named, "\(table)")
    }
    try connection.run(insert("groups", [:]))
    try connection.run(insert("group_members", ["group_id": uuid(51), "user_id": uuid(9)]))
    try connection.run("DELETE FROM groups WHERE id = \(uuid(51))")
    #expect(try connection.texts("SELECT group_id FROM group_members") == [sampleID(2).text])
  }

  @Test("a partner's type is fixed while a request names it")
  func fixedType() throws {
    let folder = try TemporaryFolder()
    let connection = try database(in: folder)
    try connection.run(insert("partners", [:]))
    #expect(
      try connection.refusal("UPDATE partners SET type = 'cpa' WHERE id = \(uuid(3))")
        == "a referral names this partner, so its type is fixed")
    let same = "UPDATE partners SET type = 'attorney' WHERE id = \(uuid(3))"
    #expect(try connection.refusal(same) == nil)
    let other = "UPDATE partners SET type = 'cpa' WHERE id = \(uuid(53))"
    #expect(try connection.refusal(other) == nil)
  }

  @Test("an event is never edited or removed")
  func events() throws {
    let folder = try TemporaryFolder()
    let connection = try database(in: folder)
    #expect(try connection.refusal("UPDATE events SET note = 'x'") == "an event is never edited")
    #expect(
      try connection.refusal("UPDATE events SET number = 7") == "an event is never edited")
    #expect(try connection.refusal("DELETE FROM events") == "an event is never removed")
  }

  @Test(
    "every table of rows is STRICT, and the tables and columns of the product document are there by name"
  )
  func dataModel() throws {
    let folder = try TemporaryFolder()
    let connection = try rawDatabase(in: folder)
    #expect(
      try connection.texts(
        """
        SELECT name FROM pragma_table_list
        WHERE schema = 'main' AND type = 'table' AND NOT strict AND name NOT LIKE 'sqlite%'
        """) == [])
    let model = [
      "partners": """
      id user_id type status company_name contact_name email phone website service_areas \
      agreement_signed_at invited_by notes created_at updated_at
      """,
      "referral_requests": """
      id group_id requested_by partner_type status context partner_id intro_sent_at outcome \
      outcome_notes created_at updated_at
      """,
      "service_area_coverage": "id state_code partner_type status partner_count",
    ]
    for (table, columns) in model {
      let present = Set(try connection.texts("SELECT name FROM pragma_table_xinfo(?)", [table]))
      #expect(present.isSuperset(of: columns.split(separator: " ").map(String.init)), "\(table)")
    }
  }
}
