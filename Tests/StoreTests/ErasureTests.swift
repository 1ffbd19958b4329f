import Domain
import Foundation
import JSON
import Testing

@testable import SQLite
@testable import Store

/// A word that is in no text but those that a test plants.
private let canary = "zqcanary"

@Suite("Erasure")
struct ErasureTests {
  /// The tables that can have data of a person or a partner, and those that have none. A new table has to be
  /// named here, and in `Holding` if it is of the first.
  private static let personal = [
    "users", "tokens", "partners", "partner_credentials", "referral_requests", "messages",
    "waiting_list",
  ]
  private static let others: Set<String> = [
    "groups", "group_members", "partner_areas", "service_area_coverage", "referral_past_partners",
    "referral_counts", "referral_steps", "partner_standings", "partner_ranks", "events",
    "idempotency_keys", "secrets", "erasures", "message_counts", "sign_in_codes", "waiting_codes",
    "declines", "past_introductions", "sqlite_sequence",
  ]

  private struct Planted: Resource {
    var record: Record
  }

  /// A value of a field with the canary in each text; nil if the field has no text.
  private static func planted(_ field: Field, _ number: Int) -> JSON? {
    switch field.kind {
    case .text:
      return .string(
        field.name.contains("email") ? "\(canary)\(number)@x.example" : "\(canary)\(number)")
    case .json: return ["x": .string(canary)]
    case .object(let fields):
      return .object(
        fields.map { JSON.Member($0.name, planted($0, number) ?? .null) })
    case .list(of: .text, _): return [.string(canary)]
    default: return nil
    }
  }

  /// Puts the canary into every text of a row, twice, so that the history has it as old and as new values, and into
  /// the notes.
  private static func plant(
    in table: Table, _ kind: EventKind, _ id: ID, subject: ID? = nil, of change: Change
  ) throws -> Int {
    var count = 0
    for round in 1...2 {
      let rows: [Planted] = try change.load(table, "WHERE \(table.alias).id = ?", [id.text])
      let old = try #require(rows.first)
      var new = old
      for field in table.fields where !field.isComputed {
        guard let value = planted(field, round) else { continue }
        new.record[field.name] = value
        count += 1
      }
      try table.update(old.record, to: new.record, on: change.connection)
      try change.record(
        kind, subject ?? id,
        changes: table.changes(from: old.record, to: new.record), note: "\(canary) note")
    }
    return count
  }

  /// User 1, a member of group 11, with a token and a request; and partner 21, to which the request is introduced
  /// and that user 2 is linked to. Each text of theirs has the canary.
  private static func store() throws -> TestStore {
    let test = try TestStore(mail: .sample)
    try test.addGroups()
    try test.change(by: sampleID(1)) { change in
      var partner = Partner.sample(21)
      partner.set("user_id", sampleID(2))
      try change.insert(partner)
      try change.insert(Token.sample(41), sha256: Array(repeating: 1, count: 32))
      let request = try change.requestReferral(
        group: 11,
        [
          "partner_type": "attorney",
          "context": ["group_size": 3, "state": "MN", "specific_need": "Need"],
        ])
      for command in [.match(sampleID(21)), .introduce] as [ReferralCommand] {
        try change.perform(
          command, on: try #require(try change.referral(request)),
          partner: try change.partner(sampleID(21)))
      }
      var planted = 0
      planted += try plant(in: .users, .userUpdated, sampleID(1), of: change)
      planted += try plant(in: .tokens, .tokenRevoked, sampleID(41), of: change)
      planted += try plant(in: .partners, .partnerUpdated, sampleID(21), of: change)
      planted += try plant(in: .referrals, .referralUpdated, request, of: change)
      let credential = try change.addCredential(
        toPartner: sampleID(21),
        Body(
          ["kind": "nmls", "number": "1"], Table.credentials.fields, by: .staff, at: change.now,
          isNew: true))
      planted += try plant(
        in: .credentials, .partnerCredentialChanged, credential, subject: sampleID(21), of: change)
      #expect(planted >= 2 * (2 + 1 + 8 + 3 + 3))
      // Another's request, on which both of them wrote.
      try change.insert(Referral.sample(33, group: 13))
      try change.record(
        .referralRequested, sampleID(33),
        changes: #"{"status":{"from":null,"to":"pending"}}"#)
      try change.record(
        .referralNoted, sampleID(33), changes: "{}", note: "\(canary) wrote")
      try change.acting(as: sampleID(2), at: change.now).record(
        .referralReturned, sampleID(33),
        changes: #"{"partner_id":{"from":"\#(sampleID(21))","to":null}}"#,
        note: "\(canary) reason")
      // An answer that shows each of them, and one that shows neither.
      for (user, text) in [(1, "1"), (3, sampleID(1).text), (4, sampleID(21).text), (5, "other")] {
        try change.keep(
          StoredAnswer(
            requestSHA256: Array(repeating: 0, count: 32), status: 201, location: nil, etag: nil,
            body: Array("{\"x\":\"\(text) \(text == "other" ? "" : canary)\"}".utf8)),
          user: sampleID(user), path: "/p", key: "k")
      }
    }
    try test.change { change in
      // Letters to and about both, of which some are sent; and what their user asks for.
      let email = try #require(try change.user(sampleID(1))).email
      try change.connection.run(
        """
        UPDATE messages SET subject = subject || ' \(canary)', text = text || ' \(canary)',
          recipient_name = iif(to_staff, NULL, '\(canary)'), last_error = '\(canary)'
        """)
      let asked = change.body(["email": .string(email)], addressFields)
      try change.askToSignIn(asked)
      try change.joinWaitingList(.TX, .cpa, asked)
      for _ in 1...3 {
        let letter = try #require(
          try change.takeMessage { ("code", Array(repeating: 5, count: 32)) })
        try change.note(.accepted, of: letter)
      }
      // Another's letter that names the person, who was the contact before.
      try change.requestReferral(group: 14, ["partner_type": "cpa"])
      try change.connection.run(
        """
        UPDATE messages SET text = 'Write to \(email).'
        WHERE number = (SELECT max(number) FROM messages WHERE NOT to_staff)
        """)
    }
    return test
  }

  private static func request(_ test: TestStore) throws -> String {
    try test.texts("SELECT id FROM referral_requests WHERE requested_by = ?", sampleID(1).text)[0]
  }

  /// The columns of any table that have the canary.
  private static func finds(_ store: Store) throws -> [String] {
    try store.read(now: now) { snapshot in
      let connection = snapshot.connection
      let tables = try connection.texts(
        """
        SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow')
          AND name NOT LIKE 'sqlite_schema'
        """)
      return try tables.flatMap { table in
        try connection.texts("SELECT name FROM pragma_table_xinfo(?)", [table]).filter { column in
          let found = try connection.row(
            "SELECT 1 FROM \(table) WHERE instr(lower(CAST(\(column) AS TEXT)), ?) > 0", canary
          ) { _ in true }
          return found == true
        }.map { "\(table).\($0)" }
      }
    }
  }

  /// Whether the bytes of the database's files have the canary.
  private static func isInFiles(_ folder: TemporaryFolder) throws -> Bool {
    let word = Data(canary.utf8)
    return try folder.files.filter { $0.hasPrefix("referrals.db") && !$0.contains("before") }
      .contains { name in
        let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/\(name)"))
        let lower = Data(bytes.map { (0x41...0x5A).contains($0) ? $0 + 0x20 : $0 })
        return lower.range(of: word) != nil
      }
  }

  private static let user = ErasureSubject(.user, sampleID(1))
  private static let partner = ErasureSubject(.partner, sampleID(21))

  private static func erase(
    _ subject: ErasureSubject, _ mode: ErasureMode = .cancel, in test: TestStore,
    at time: Timestamp = minute(1)
  ) throws -> ErasureReport? {
    try test.store.fill(now: time) { try $0.erase(subject, mode) }
  }

  @Test("every table is known to have personal data, or none")
  func tables() throws {
    let test = try TestStore()
    let tables = try test.texts(
      """
      SELECT name FROM pragma_table_list
      WHERE schema = 'main' AND type = 'table' AND name NOT IN ('sqlite_schema', 'sqlite_stat1')
      """)
    #expect(Set(tables) == Self.others.union(Self.personal))
  }

  @Test("no text of an erased person or partner is left in any column, or in the files' bytes")
  func everywhere() throws {
    let test = try Self.store()
    let before = try Self.finds(test.store)
    // Otherwise the test would find nothing in any case.
    for column in [
      "users.email", "users.email_key", "users.name", "users.words", "tokens.name",
      "partners.company_name", "partners.notes", "partners.staff_words", "partners.description",
      "partner_credentials.number", "partner_credentials.number_key", "partner_credentials.notes",
      "referral_requests.context", "referral_requests.outcome_notes", "events.changes",
      "events.note", "idempotency_keys.body", "messages.subject", "messages.text",
      "messages.recipient", "messages.recipient_key", "messages.recipient_name",
      "messages.last_error", "waiting_list.email", "waiting_list.email_key",
    ] {
      #expect(before.contains(column))
    }
    #expect(try Self.isInFiles(test.folder))
    let partner = try #require(try Self.erase(Self.partner, in: test))
    let user = try #require(try Self.erase(Self.user, in: test))
    #expect(partner.cancelled == 1 && partner.rows > 2 && partner.events >= 3)
    #expect(user.tokens == 1 && user.groups == 1 && user.rows > 3 && user.events >= 7)
    #expect(user.cancelled == 0)
    #expect(try Self.finds(test.store).filter { !$0.contains("_search_") } == [])
    try test.store.purge()
    #expect(try Self.finds(test.store) == [])
    #expect(try !Self.isInFiles(test.folder))
    #expect(try test.findings() == [])

    // What is not personal stays.
    try test.read { snapshot throws in
      let user = try #require(try snapshot.user(sampleID(1)))
      #expect(user.name == "Erased person" && user.isDisabled)
      #expect(user.email == "erased-\(sampleID(1))@erased.invalid")
      #expect(user.updatedAt == minute(1))
      #expect(try snapshot.group(sampleID(11))?.members == [])
      #expect(try snapshot.group(sampleID(11))?.name == "Group 11")
      let partner = try #require(try snapshot.partner(sampleID(21)))
      #expect(partner.status == .removed && partner.companyName == "Erased partner")
      #expect(partner["phone"] == .null && partner["notes"] == .null)
      #expect(partner.serviceAreas == [.MN] && partner.userID == sampleID(2))
      #expect(try snapshot.user(sampleID(2))?.name == "User 2")
      let request = try #require(
        try ID(Self.request(test)).flatMap { try snapshot.referral($0) })
      #expect(request.status == .cancelled && request.partnerID == sampleID(21))
      #expect(request["outcome_notes"] == .null)
      #expect(request["context"]["specific_need"] == .null)
    }
    let events = try test.read { try $0.events(after: 0, PageRequest(limit: 100)) }.items
    #expect(events.suffix(1).map { $0["kind"] } == ["user.erased"])
    #expect(events.filter { $0["actor"]?["id"] == JSON(sampleID(1)) }.count > 8, "who did what")
    let names = try test.texts(
      "SELECT changes ->> '$.name' FROM events WHERE subject_id = ? AND changes ->> '$.name' <> ''",
      sampleID(1).text)
    #expect(names.first == #"{"from":"Erased person","to":"Erased person"}"#)
    #expect(
      try test.texts("SELECT CAST(body AS TEXT) FROM idempotency_keys") == [#"{"x":"other "}"#])
  }

  @Test("a text is erased for the whole address alone; what is not sent then is cancelled")
  func addresses() throws {
    for (text, isErased) in [
      ("Write to ÉVA@x.example.", true), ("<éva@x.example>", true), ("éva@x.example, Bo", true),
      ("joéva@x.example", false), ("éva@x.example.com", false), ("éva@x.examples", false),
      ("a.éva@x.example", false), ("éva@x.exampl", false),
    ] {
      let test = try TestStore(mail: .sample)
      try test.addGroups()
      try test.change { change in
        _ = try change.putUser(1, ["email": "éva@x.example"])
        try change.requestReferral(group: 14, ["partner_type": "cpa"])
        _ = try change.connection.run("UPDATE messages SET text = ?", text)
      }
      #expect(try Self.erase(Self.user, in: test) != nil)
      #expect(
        try test.texts("SELECT DISTINCT status || ifnull(text, '') FROM messages")
          == [isErased ? "cancelled" : "queued\(text)"], "\(text)")
      #expect(try Self.erase(Self.user, in: test, at: minute(2)) == nil)
    }
  }

  @Test("an address that another user has taken does not keep a person from being erased")
  func takenAddress() throws {
    let test = try Self.store()
    let taken = "erased-\(sampleID(1))@erased.invalid"
    try test.change { _ = try $0.putUser(3, ["email": .string(taken)]) }
    #expect(try Self.erase(Self.user, in: test) != nil)
    let email = try #require(try test.read { try $0.user(sampleID(1)) }).email
    #expect(email != taken && email.hasPrefix("erased-") && email.hasSuffix("@erased.invalid"))
    #expect(try Self.erase(Self.user, in: test, at: minute(2)) == nil)
  }

  @Test("an erased partner does not come back, and the reasons of declines still count")
  func partnerStays() throws {
    let test = try TestStore()
    try test.addGroups()
    var partner = Partner.sample(21)
    partner.set("user_id", sampleID(2))
    let request = try test.change(by: sampleID(1)) { [partner] change in
      try change.insert(partner)
      let request = try change.requestReferral(group: 11, ["partner_type": "attorney"])
      for command in [.match(sampleID(21)), .introduce] as [ReferralCommand] {
        try change.perform(
          command, on: try #require(try change.referral(request)),
          partner: try change.partner(sampleID(21)))
      }
      return request
    }
    _ = try test.change(by: sampleID(2)) { change in
      try change.answerReferral(
        request, ofPartner: sampleID(21),
        Body(
          ["response": "declined", "reason_code": "no_capacity", "reason": "\(canary) reason"],
          responseFields, by: .partner, at: change.now))
    }
    #expect(try Self.erase(Self.user, in: test) != nil)
    #expect(try Self.erase(Self.partner, in: test) != nil)
    #expect(try test.findings() == [])
    #expect(try Self.finds(test.store).filter { !$0.contains("_search_") } == [])
    #expect(try test.texts("SELECT reason_code FROM declines") == ["no_capacity"])
    for status in ["pending_review", "removed"] {
      let body: JSON = ["status": .string(status)]
      let failure = refusal {
        try test.change {
          try $0.changePartnerStatus(
            sampleID(21), Body(body, partnerStatusFields, by: .staff, at: $0.now))
        }
      }
      #expect(failure == (status == "removed" ? nil : .conflict(.partnerErased)))
    }
    #expect(
      refusal {
        try test.change {
          try $0.updatePartner(
            sampleID(21),
            Body(["company_name": "Back"], Table.partners.fields, by: .staff, at: $0.now),
            by: .staff)
        }
      } == .conflict(.partnerErased))
  }

  @Test("the context of a request keeps its numbers and its state")
  func context() throws {
    let test = try TestStore()
    try test.addGroups()
    let id = try test.change(by: sampleID(1)) { change in
      try change.requestReferral(
        group: 11,
        [
          "partner_type": "attorney",
          "context": [
            "group_size": 3, "state": "MN", "specific_need": "Need", "timeline": "Soon",
            "home_price_range": ["min": 1, "max": 2],
          ],
        ])
    }
    #expect(try Self.erase(Self.user, in: test)?.cancelled == 1)
    #expect(
      try test.read { try $0.referral(id) }?["context"]
        == Referral.context(groupSize: 3, prices: ["min": 1, "max": 2], state: .MN))
    #expect(try test.findings() == [])
  }

  @Test("an open request refuses, unless it is ended; nothing changes then")
  func open() throws {
    for (status, isOpen) in [
      (.pending, true), (.matched, true), (.introSent, true), (.connected, true),
      (.closed, false), (.cancelled, false),
    ] as [(ReferralStatus, Bool)] {
      let test = try TestStore()
      try test.addGroups()
      try test.change { change in
        try change.insert(Partner.sample(21))
        try change.insert(
          Referral.sample(31, status, partner: status == .pending ? nil : 21))
      }
      let isPartners = status != .pending
      for (subject, isRefused) in [(Self.user, isOpen), (Self.partner, isOpen && isPartners)] {
        let count = try test.number("SELECT count(*) FROM events")
        if isRefused {
          #expect(throws: ErasureRefusal.openRequests([sampleID(31)]), "\(status)") {
            try Self.erase(subject, .refuse, in: test)
          }
          #expect(try test.number("SELECT count(*) FROM events") == count)
          #expect(try test.number("SELECT count(*) FROM erasures") == 0)
        }
      }
      let report = try #require(try Self.erase(Self.partner, in: test), "\(status)")
      let after = try test.read { try $0.referral(sampleID(31)) }?.status
      switch status {
      case .matched:
        #expect(report.returned == 1 && report.cancelled == 0 && after == .pending)
      case .introSent, .connected:
        #expect(report.returned == 0 && report.cancelled == 1 && after == .cancelled)
      default:
        #expect(report.returned == 0 && report.cancelled == 0 && after == status)
      }
      _ = try Self.erase(Self.user, in: test)
      #expect(
        try test.read { try $0.referral(sampleID(31)) }?.status
          == (status == .closed ? .closed : .cancelled))
    }
  }

  @Test("a user with a valid admin token is refused, even by force; one who was staff keeps notes")
  func staff() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change(by: sampleID(1)) { change in
      try change.insert(
        Token.sample(41, scope: .events), sha256: Array(repeating: 1, count: 32))
      try change.record(
        .referralNoted, sampleID(33), changes: "{}", note: "Papers checked.")
    }
    for mode in [ErasureMode.refuse, .cancel] {
      #expect(throws: ErasureRefusal.isStaff) { try Self.erase(Self.user, mode, in: test) }
    }
    try test.change { try $0.revokeToken(sampleID(41)) }
    #expect(try Self.erase(Self.user, .refuse, in: test) != nil)
    #expect(
      try test.texts("SELECT note FROM events WHERE note IS NOT NULL") == ["Papers checked."])
  }

  @Test("an erasure is made once, and an erased user does not come back")
  func once() throws {
    let test = try Self.store()
    #expect(try Self.erase(Self.user, in: test) != nil)
    let count = try test.number("SELECT count(*) FROM events")
    #expect(try Self.erase(Self.user, in: test, at: minute(2)) == nil)
    #expect(try test.number("SELECT count(*) FROM events") == count)
    for body in [["name": "Ann"], ["disabled": false], ["email": "a@b.example"]] as [JSON] {
      #expect(
        refusal { try test.change { try $0.putUser(1, body) } } == .conflict(.userErased))
    }
    #expect(try test.change { try $0.putUser(1, ["disabled": true]) } == false)
    // Nor as a member, a partner's user or the owner of a token.
    let member = refusal {
      try test.change { try $0.putGroup(12, ["members": .array([.string(sampleID(1).text)])]) }
    }
    #expect(
      member
        == .validation([
          FieldError(.pointer("/members/0"), .unknownUser, "No user has this ID.")
        ]))
    #expect(
      refusal {
        try test.change {
          try $0.createToken(
            for: sampleID(1), scope: nil, sha256: Array(repeating: 9, count: 32),
            Body([:], Table.tokens.fields, by: .staff, at: $0.now, isNew: true))
        }
      } == .conflict(.userErased))
    #expect(refusal { try Self.erase(ErasureSubject(.user, sampleID(99)), in: test) } == .notFound)
    #expect(
      refusal { try Self.erase(ErasureSubject(.partner, sampleID(1)), in: test) } == .notFound)
  }

  @Test("a change that is only tried writes nothing")
  func dryRun() throws {
    let test = try Self.store()
    let before = try Self.finds(test.store)
    let report = try test.store.fill(now: now, isKept: false) {
      try $0.erase(Self.user, .cancel)
    }
    #expect(report?.tokens == 1)
    #expect(try Self.finds(test.store) == before)
    #expect(try test.number("SELECT count(*) FROM erasures") == 0)
  }

  // MARK: - The history's protection

  @Test("events can be edited between an erasure's row and its event only")
  func window() throws {
    let test = try Self.store()
    let edit = "UPDATE events SET note = NULL WHERE number = 1"
    let never = "an event is never edited"
    let next = try test.number("SELECT max(number) FROM events") + 1
    let begin = """
      INSERT INTO erasures (event_number, subject_kind, subject_id)
      VALUES (\(next), 'user', '\(sampleID(1))')
      """
    // Not in a queued change, which can't have the savepoints of `refusal`.
    try test.store.fill(now: now) { change in
      let connection = change.connection
      #expect(try connection.refusal(edit) == never)
      try connection.run(begin)
      #expect(try connection.refusal(edit) == nil)
      for (column, value) in [
        ("number", "900"), ("at", "'x'"), ("actor_id", "'\(sampleID(3))'"),
        ("subject_kind", "'group'"), ("subject_id", "'x'"), ("kind", "'x'"),
      ] {
        #expect(
          try connection.refusal("UPDATE events SET \(column) = \(value) WHERE number = 1")
            == never, "\(column)")
      }
      #expect(
        try connection.refusal("DELETE FROM events WHERE number = 1")
          == "an event is never removed")
      try change.record(.userErased, sampleID(1), changes: "{}")
      #expect(try connection.refusal(edit) == never)
    }
    #expect(throws: SQLiteError.self) { try test.run(edit) }
  }

  @Test("a transaction that edits events without recording an erasure is not committed")
  func unrecorded() throws {
    let test = try Self.store()
    let before = try test.number("SELECT count(*) FROM events WHERE note IS NULL")
    let next = try test.number("SELECT max(number) FROM events") + 1
    let edit: @Sendable (Change) throws -> Void = { change in
      try change.connection.run(
        "INSERT INTO erasures VALUES (?, 'user', ?)", next, sampleID(1).text)
      try change.connection.run("UPDATE events SET note = NULL")
    }
    #expect(throws: SQLiteError.self) { try test.change(edit) }
    #expect(throws: SQLiteError.self) { try test.store.fill(now: now, edit) }
    #expect(try test.number("SELECT count(*) FROM erasures") == 0)
    #expect(try test.number("SELECT count(*) FROM events WHERE note IS NULL") == before)
  }

  // MARK: - Backups

  @Test("a restored backup from before does not bring the person back")
  func restoration() throws {
    let test = try Self.store()
    let backup = test.folder.path + "/backup.db"
    try test.store.backup(to: backup)
    #expect(try Self.erase(Self.user, in: test) != nil)
    #expect(try Self.erase(Self.partner, in: test) != nil)
    // Someone whom the backup does not know.
    try test.change { try $0.insert(User.sample(70)) }
    #expect(try Self.erase(ErasureSubject(.user, sampleID(70)), in: test) != nil)
    let last = try test.number("SELECT max(number) FROM events")
    try test.store.purge()
    test.store.close()

    for round in 1...2 {
      let restoration = try Store.restore(backup, to: test.folder.database, now: minute(round))
      #expect(restoration.repeatedErasures == 3)
      #expect(Int(restoration.lostEvents?.expected ?? 0) >= last)
      let store = try Store(path: test.folder.database)
      defer { store.close() }
      #expect(try Self.finds(store) == [])
      #expect(try store.check(now: now) == [])
      try store.read(now: now) { snapshot in
        #expect(try snapshot.user(sampleID(1))?.name == "Erased person")
        #expect(try snapshot.partner(sampleID(21))?.status == .removed)
        #expect(
          Set(try snapshot.erasures()) == [
            Self.user, Self.partner, ErasureSubject(.user, sampleID(70)),
          ])
        // No number of the replaced database is used again.
        var filter = EventFilter()
        filter.kinds = [.userErased]
        let numbers = try snapshot.events(filter, PageRequest()).numbers
        #expect(numbers.count == 2)
        for case .integer(let number)? in numbers { #expect(number > last) }
      }
      #expect(try !Self.isInFiles(test.folder))
    }
  }

  @Test("a backup that knows the erasures is restored as it is")
  func laterBackup() throws {
    let test = try Self.store()
    #expect(try Self.erase(Self.user, in: test) != nil)
    let backup = test.folder.path + "/backup.db"
    try test.store.backup(to: backup)
    test.store.close()
    let restoration = try Store.restore(backup, to: test.folder.database, now: minute(9))
    #expect(restoration.repeatedErasures == 0)
    #expect(restoration.lostEvents == nil)
  }

  @Test("a database that can't be read is replaced, and its erasures are not known")
  func unreadable() throws {
    let test = try Self.store()
    let backup = test.folder.path + "/backup.db"
    try test.store.backup(to: backup)
    test.store.close()
    for suffix in ["-wal", "-shm"] {
      try? FileManager.default.removeItem(atPath: test.folder.database + suffix)
    }
    try Data(String(repeating: "This is no database. ", count: 300).utf8)
      .write(to: URL(fileURLWithPath: test.folder.database))
    let restoration = try Store.restore(backup, to: test.folder.database, now: minute(9))
    #expect(restoration.repeatedErasures == nil)
    #expect(
      try Store.restore(backup, to: test.folder.path + "/new.db", now: now)
        .repeatedErasures == 0)
  }

  // MARK: - Export

  @Test("an export has all that is kept of a person, and nothing of others")
  func export() throws {
    let test = try Self.store()
    func export(_ number: Int) throws -> JSON {
      var text = ""
      try test.read { try $0.exportPerson(sampleID(number)) { text += $0 } }
      return try JSON(parsing: Array(text.utf8))
    }
    let person = try export(1)
    #expect(
      person.names == [
        "user", "tokens", "groups", "referrals", "partners", "messages", "waiting_list", "events",
      ])
    #expect(person["user"]?["name"]?.text?.hasPrefix(canary) == true)
    func items(_ name: String, of person: JSON) -> [JSON] {
      if case .array(let items)? = person[name] { items } else { [] }
    }
    #expect(items("tokens", of: person).map { $0["id"] } == [JSON(sampleID(41))])
    #expect(items("tokens", of: person)[0]["sha256"] == nil)
    #expect(
      items("groups", of: person).map(\.names) == [
        ["id", "name", "state", "created_at", "updated_at"]
      ])
    #expect(items("referrals", of: person).map { $0["outcome_notes"]?.text } == ["\(canary)2"])
    #expect(items("partners", of: person) == [])
    let events = items("events", of: person)
    #expect(
      events.count
        == (try test.number(
          "SELECT count(*) FROM events WHERE actor_id = ?", sampleID(1).text)))
    #expect(items("partners", of: try export(2)).map { $0["id"] } == [JSON(sampleID(21))])
    #expect(items("events", of: try export(2)).map { $0["kind"] } == ["referral.returned"])
    #expect(refusal { try export(99) } == .notFound)
    for subject in [Self.user, Self.partner] {
      #expect(try Self.erase(subject, in: test) != nil)
    }
    var text = ""
    try test.read { try $0.exportPerson(sampleID(1)) { text += $0 } }
    #expect(text.contains("Erased person") && !text.contains(canary))
  }
}
