import Domain
import JSON
import SQLite

/// Whose personal data is erased: a user or a partner.
package struct ErasureSubject: Hashable, Sendable {
  package enum Kind: String, Sendable {
    case user, partner

    /// Where the personal data is.
    fileprivate var holdings: [Holding] { self == .user ? Holding.ofUser : Holding.ofPartner }

    /// A condition on the events whose notes the subject wrote. Notes that a member of staff wrote on others'
    /// requests belong to those requests.
    fileprivate var authored: String {
      switch self {
      case .user:
        """
        e.actor_id = ?1
        AND NOT EXISTS (SELECT 1 FROM tokens WHERE user_id = ?1 AND scope IS NOT NULL)
        """
      case .partner:
        """
        e.actor_id IN (
          SELECT user_id FROM partners WHERE id = ?1
          UNION SELECT linked.changes ->> '$.user_id.to' FROM events AS linked
            WHERE linked.subject_id = ?1 AND linked.subject_kind = 'partner')
        AND CASE e.kind
          WHEN 'referral.returned' THEN e.changes ->> '$.partner_id.from' = ?1
          WHEN 'referral.connected' THEN ?1 = (
            SELECT named.changes ->> '$.partner_id.to' FROM events AS named
            WHERE named.subject_id = e.subject_id AND named.subject_kind = 'referral'
              AND named.number <= e.number AND named.changes ->> '$.partner_id.to' IS NOT NULL
            ORDER BY named.number DESC LIMIT 1)
          END
        """
      }
    }

    /// A condition on the requests that keep the subject from being erased.
    fileprivate var openRequests: String {
      switch self {
      case .user:
        """
        r.requested_by = ?1
        AND r.status IN ('pending', 'matched', 'intro_sent', 'connected')
        """
      case .partner: "r.partner_id = ?1 AND r.status IN ('matched', 'intro_sent', 'connected')"
      }
    }
  }

  package let kind: Kind
  package let id: ID

  package init(_ kind: Kind, _ id: ID) {
    self.kind = kind
    self.id = id
  }
}

/// Rows with data of a person or a partner. Every text in them is erased, and so are the old and new values of
/// these texts in the rows' events.
private struct Holding: Sendable {
  let table: Table
  /// A condition on the rows; `?1` is the ID of the person or partner.
  let condition: String
  /// The kind of the subject of the rows' events, and the column with the subject's ID.
  let subject: (kind: SubjectKind, column: String)

  static let ofUser = [
    Holding(table: .users, condition: "u.id = ?1", subject: (.user, "u.id")),
    Holding(table: .tokens, condition: "t.user_id = ?1", subject: (.token, "t.id")),
    Holding(table: .referrals, condition: "r.requested_by = ?1", subject: (.referral, "r.id")),
  ]

  static let ofPartner = [
    Holding(table: .partners, condition: "p.id = ?1", subject: (.partner, "p.id")),
    Holding(
      table: .credentials, condition: "c.partner_id = ?1", subject: (.partner, "c.partner_id")),
  ]

  /// A condition on the events `e` of the rows.
  var ofEvents: String {
    """
    e.subject_kind = '\(subject.kind.rawValue)' AND e.subject_id IN
      (SELECT \(subject.column) FROM \(table.name) AS \(table.alias) WHERE \(condition))
    """
  }
}

/// What happens to the open requests of a person or a partner that is erased.
package enum ErasureMode: Sendable {
  /// They refuse the erasure.
  case refuse
  /// They are cancelled.
  case cancel
  /// They are cancelled, and a user who is staff is erased as well: the erasure was carried out before, in a
  /// database that a backup replaces.
  case `repeat`
}

/// Why an erasure is refused.
package enum ErasureRefusal: Error, Equatable {
  /// The user has a valid admin token.
  case isStaff
  /// These requests are open.
  case openRequests([ID])
}

/// What an erasure did.
package struct ErasureReport: Equatable, Sendable {
  /// The requests that were cancelled.
  package internal(set) var cancelled = 0
  /// The requests that returned to pending.
  package internal(set) var returned = 0
  /// The tokens that were revoked.
  package internal(set) var tokens = 0
  /// The groups that the user was removed from.
  package internal(set) var groups = 0
  /// The rows that lost texts: the user or partner, tokens and requests.
  package internal(set) var rows = 0
  /// The events that lost old and new values, or their note.
  package internal(set) var events = 0

  init() {}
}

/// A resource of any table.
private struct AnyResource: Resource {
  var record: Record
}

extension String {
  /// Whether the text has an e-mail address, and not only another one that ends or begins like it.
  ///
  /// - Parameter address: In the form in which addresses are compared.
  fileprivate func names(address: String) -> Bool {
    let (text, address) = (Array(comparisonKey.utf8), Array(address.utf8))
    guard let first = address.first, text.count >= address.count else { return false }
    func isPart(_ byte: UInt8) -> Bool {
      byte >= 0x80 || (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte)
        || "!#$%&'*+-/=?^_`{|}~.".utf8.contains(byte)
    }
    var index = 0
    while let start = text[index...].firstIndex(of: first), start + address.count <= text.count {
      index = start + 1
      let end = start + address.count
      guard text[start..<end].elementsEqual(address) else { continue }
      let continues =
        end < text.count && isPart(text[end])
        // A full stop may end a sentence.
        && !(text[end] == UInt8(ascii: ".") && (end + 1 == text.count || !isPart(text[end + 1])))
      if !continues, start == 0 || !isPart(text[start - 1]) { return true }
    }
    return false
  }
}

// MARK: - Values without personal data

extension Field {
  /// A value without what people have written: null, or if the resource must have a text, one that says nothing.
  ///
  /// - Parameter id: The ID of the resource, by which a text that must be unique is.
  func erased(_ value: JSON, of id: ID) -> JSON {
    if value == .null || traits.contains(.personal) { return .null }
    switch kind {
    case .text:
      guard traits.contains(.required) else { return .null }
      switch name {
      case "name": return "Erased person"
      case "company_name": return "Erased partner"
      case "email": return .string("erased-\(id)@erased.invalid")
      default: return .string("erased-\(id)")
      }
    case .object(let fields):
      return .object(
        fields.map { JSON.Member($0.name, $0.erased(value[$0.name] ?? .null, of: id)) })
    case .json, .joined:
      return .null
    case .list(of: .text, _):
      return []
    case .list, .id, .word, .state, .language, .time, .date, .flag, .integer, .range:
      return value
    }
  }
}

extension Table {
  /// A record without personal data.
  fileprivate func erased(_ resource: AnyResource, at now: Timestamp) -> AnyResource {
    var new = resource
    for field in stored {
      new.record[field.name] = field.erased(resource.record[field.name], of: resource.id)
    }
    if new != resource, stored.contains(where: { $0.name == "updated_at" }) { new.updatedAt = now }
    return new
  }
}

extension Array where Element == Holding {
  /// What events have beside fields, and that says nothing personal.
  private static let facts: Set = ["decline_reason_code", "status_since"]

  /// The changes of an event without personal data. A field that no table has is taken for personal.
  func erased(_ changes: JSON, of kind: SubjectKind, _ id: ID) -> JSON {
    guard case .object(let members) = changes else { return changes }
    let tracked = filter { $0.subject.kind == kind }.flatMap(\.table.fields)
      .filter { $0.traits.contains(.tracked) }
    return .object(
      members.map { member in
        if Self.facts.contains(member.name) { return member }
        let fields = tracked.filter { $0.name == member.name }
        func erased(_ end: String) -> JSON {
          guard !fields.isEmpty else { return .null }
          return fields.reduce(member.value[end] ?? .null) { $1.erased($0, of: id) }
        }
        return JSON.Member(member.name, ["from": erased("from"), "to": erased("to")])
      })
  }
}

// MARK: - Erasing

extension Change {
  /// Erases the personal data of a user or a partner for good: in its rows, in the old and new values and notes of
  /// the events, and in the answers that are kept for retries. A user is disabled, loses the tokens and the
  /// memberships; a partner is removed. An event records it.
  ///
  /// The bytes can still be in unused parts of the files. ``Store/purge()`` removes them.
  ///
  /// - Returns: Nil if the data was erased already. Then nothing happens.
  /// - Throws: `Failure.notFound` unless it is a repetition, ``ErasureRefusal``.
  package func erase(_ subject: ErasureSubject, _ mode: ErasureMode) throws -> ErasureReport? {
    let (kind, id) = (subject.kind, subject.id)
    let email = kind == .user ? try user(id)?.email : try partner(id)?.email
    var report = ErasureReport()
    if email != nil {
      try closeRequests(of: subject, mode, &report)
      switch kind {
      case .user: try close(user: id, &report)
      case .partner: try close(partner: id)
      }
    } else if mode != .repeat {
      throw Failure.notFound
    }
    report.rows = try eraseRows(of: subject)
    if let email { report.rows += try eraseMessages(of: subject, email) }
    let edits = try edits(for: subject)
    report.events = edits.count
    if report == ErasureReport(), try isErased(subject) { return nil }
    if let email { try dropAllAnswers(showing: id, email) }

    // From here on until the event is written, the schema allows to edit events.
    try connection.run(
      """
      INSERT INTO erasures (event_number, subject_kind, subject_id) VALUES (?, ?, ?)
      ON CONFLICT (subject_kind, subject_id) DO UPDATE SET event_number = excluded.event_number
      """, try lastEvent() + 1, kind.rawValue, id.text)
    for edit in edits {
      try connection.run(
        "UPDATE events SET changes = ?, note = NULL WHERE number = ?", edit.changes, edit.number)
    }
    try record(kind == .user ? .userErased : .partnerErased, id, changes: "{}")
    return report
  }

  /// Ends the open requests, or refuses because of them.
  private func closeRequests(
    of subject: ErasureSubject, _ mode: ErasureMode, _ report: inout ErasureReport
  ) throws {
    if subject.kind == .user, mode != .repeat, try holdsAdminToken(subject.id) {
      throw ErasureRefusal.isStaff
    }
    let open: [Referral] = try load(
      .referrals, "WHERE \(subject.kind.openRequests) ORDER BY r.number", [subject.id.text])
    guard open.isEmpty || mode != .refuse else {
      throw ErasureRefusal.openRequests(open.map(\.id))
    }
    for referral in open {
      // A partner that leaves gives these back.
      if subject.kind == .partner, referral.status == .matched {
        report.returned += 1
      } else {
        try perform(.cancel, on: referral, partner: nil)
        report.cancelled += 1
      }
    }
  }

  private func close(user id: ID, _ report: inout ErasureReport) throws {
    for token in try tokens(of: id) where token.revokedAt == nil {
      try revokeToken(token.id)
      report.tokens += 1
    }
    for group in try groups(of: id) {
      let others = group.members.filter { $0 != id }.map { JSON.string($0.text) }
      try putGroup(
        group.id, Body(["members": .array(others)], Table.groups.fields, by: .staff, at: now))
      report.groups += 1
    }
    if try user(id)?.isDisabled == false {
      try putUser(id, Body(["disabled": true], Table.users.fields, by: .staff, at: now))
    }
  }

  private func close(partner id: ID) throws {
    try changePartnerStatus(
      id, Body(["status": "removed"], partnerStatusFields, by: .staff, at: now))
  }

  /// - Returns: How many rows lost texts.
  private func eraseRows(of subject: ErasureSubject) throws -> Int {
    var count = 0
    for holding in subject.kind.holdings {
      let table = holding.table
      let rows: [AnyResource] = try load(
        table, "WHERE \(holding.condition)", [subject.id.text])
      for old in rows {
        var new = table.erased(old, at: now)
        // Somebody may have given another user this address.
        if case .string(let email) = new.record["email"], table.name == Table.users.name,
          let holder = try user(email: email), holder.id != subject.id
        {
          new.record["email"] = .string("erased-\(newID())@erased.invalid")
          // A repetition finds the address that it made before.
          if old.text("email")?.hasSuffix("@erased.invalid") == true { new = old }
        }
        guard new != old else { continue }
        try table.update(old.record, to: new.record, on: connection)
        count += 1
      }
    }
    return count
  }

  /// Erases the messages to the subject, and the texts of those about it. What is not sent yet is cancelled.
  ///
  /// - Parameter email: The address before the erasure.
  /// - Returns: How many messages lost something.
  private func eraseMessages(of subject: ErasureSubject, _ email: String) throws -> Int {
    let (id, key) = (subject.id.text, email.comparisonKey)
    func numbers(_ condition: String, _ arguments: any Bindable...) throws -> Set<Int> {
      Set(
        try connection.rows(
          "SELECT m.number FROM messages AS m WHERE \(condition)", arguments: arguments
        ) { $0.int(0) })
    }
    var own = try numbers("m.recipient_key = ?", key)
    var about: Set<Int>
    switch subject.kind {
    case .user:
      // A partner's letters have the ID of its user, but are not the user's.
      own.formUnion(try numbers("m.user_id = ? AND NOT \(Change.isToPartner)", id))
      about = try numbers(
        """
        m.referral_id IN
          (SELECT id FROM referral_requests WHERE requested_by = ?1 OR contact_id = ?1)
        """, id)
    case .partner:
      about = try numbers("m.partner_id = ?", id)
      own.formUnion(try numbers("m.partner_id = ? AND \(Change.isToPartner)", id))
    }
    // Another text may still name the address, or somebody who was the contact before.
    try connection.each(
      """
      SELECT m.number, m.text, EXISTS (SELECT 1 FROM events AS e
        WHERE e.subject_id = m.referral_id AND e.subject_kind = 'referral'
          AND e.changes ->> '$.contact_id.from' = ?)
      FROM messages AS m WHERE m.text IS NOT NULL
      """, arguments: [id]
    ) { row in
      if row.int(2) != 0 || row.text(1).names(address: key) { about.insert(row.int(0)) }
    }
    var count = 0
    for number in own.union(about).sorted() {
      count += try connection.run(
        """
        UPDATE messages SET
          status = iif(status IN ('queued', 'sending'), 'cancelled', status),
          recipient = iif(?2, NULL, recipient), recipient_key = iif(?2, NULL, recipient_key),
          recipient_name = iif(?2, NULL, recipient_name),
          subject = 'Erased', text = NULL, last_error = NULL
        WHERE number = ?1 AND (text IS NOT NULL OR subject <> 'Erased' OR last_error IS NOT NULL
          OR status IN ('queued', 'sending') OR (?2 AND recipient IS NOT NULL))
        """, number, own.contains(number))
    }
    if subject.kind == .user {
      try connection.run("DELETE FROM sign_in_codes WHERE user_id = ?", id)
      try connection.run("DELETE FROM waiting_list WHERE email_key = ?", key)
    }
    return count
  }

  private struct Edit {
    let number: Int
    let changes: String
  }

  /// The events that have personal data, and what is left of it.
  private func edits(for subject: ErasureSubject) throws -> [Edit] {
    let holdings = subject.kind.holdings
    var seen: Set<Int> = []
    func edits(_ condition: String, _ erase: (JSON, SubjectKind, ID) -> JSON) throws -> [Edit] {
      try connection.rows(
        """
        SELECT e.number, e.subject_kind, e.subject_id, e.changes, e.note FROM events AS e
        WHERE \(condition) ORDER BY e.number
        """, subject.id.text
      ) { row -> Edit? in
        let number = row.int(0)
        guard seen.insert(number).inserted else { return nil }
        let before = try JSON(parsing: row.utf8(3))
        let after = try erase(before, row.word(1), row.id(2))
        guard after != before || row.textOrNil(4) != nil else { return nil }
        var json = JSONWriter()
        json.value(after)
        return Edit(number: number, changes: json.text)
      }.compactMap { $0 }
    }
    // Where only the note is the subject's, the values are another's.
    return try holdings.flatMap { try edits($0.ofEvents, holdings.erased) }
      + edits(subject.kind.authored) { changes, _, _ in changes }
  }

  /// Deletes the stored answers that can show a person or a partner, and those that they got.
  private func dropAllAnswers(showing id: ID, _ email: String) throws {
    try connection.run(
      """
      DELETE FROM idempotency_keys
      WHERE user_id = ?1 OR user_id = (SELECT user_id FROM partners WHERE id = ?1)
        OR instr(path, ?1) > 0 OR instr(body, CAST(?1 AS BLOB)) > 0
        OR instr(body, CAST(?2 AS BLOB)) > 0
      """, id.text, email)
  }
}

extension Snapshot {
  /// The number of the last event that there ever was; 0 before the first.
  func lastEvent() throws -> Int {
    try connection.row("SELECT seq FROM sqlite_sequence WHERE name = 'events'") { $0.int(0) } ?? 0
  }

  /// Whether the personal data of the user or the partner was erased.
  func isErased(_ subject: ErasureSubject) throws -> Bool {
    try connection.row(
      "SELECT 1 FROM erasures WHERE subject_kind = ? AND subject_id = ?", subject.kind.rawValue,
      subject.id.text
    ) { _ in true } ?? false
  }

  /// Whose personal data was erased, in the order of the erasures.
  func erasures() throws -> [ErasureSubject] {
    try connection.rows("SELECT subject_kind, subject_id FROM erasures ORDER BY event_number") {
      ErasureSubject(try $0.word(0), try $0.id(1))
    }
  }
}

extension Store {
  /// Rewrites the database and its search indexes, so that nothing is left in the files of what was deleted or
  /// replaced. Changes by others wait meanwhile; reads don't.
  ///
  /// It takes as much free space as the database has, twice: in the directory of temporary files, and beside the
  /// database.
  ///
  /// - Throws: `Failure.unavailable`, also if a reader keeps the write-ahead log from being emptied.
  package func purge() throws {
    try Store.translatingErrors {
      try database.maintain { connection in
        let indexes = try connection.rows(
          "SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE % USING fts5%'"
        ) { $0.text(0) }
        for index in indexes {
          // https://www.sqlite.org/fts5.html, section 6.10. Deleted terms stay until the index is merged.
          try connection.run("INSERT INTO \(index) (\(index)) VALUES ('rebuild')")
        }
        // The new copy would be in memory.
        try connection.pragma("temp_store=1")
        try connection.run("VACUUM")
      }
      guard try database.checkpoint(.truncate) else {
        throw Failure.unavailable("another process still reads the write-ahead log: run this again")
      }
    }
  }
}

// MARK: - Exporting

extension Snapshot {
  /// Writes all that is kept of a person as JSON, as staff sees it: the user, tokens without secrets, groups,
  /// requests, the linked partner records, and the events by and about the person.
  ///
  /// - Parameter write: Called with each piece of the text.
  /// - Throws: `Failure.notFound`, what `write` throws.
  package func exportPerson(_ id: ID, write: (String) throws -> Void) throws {
    let user = try view(id, of: .users, seenBy: .staff)
    try write("{\n\"user\": \(String(decoding: user, as: UTF8.self))")
    func list(_ name: String, _ shape: Shape, _ condition: String) throws {
      try write(",\n\"\(name)\": [")
      var separator = "\n"
      try connection.each(shape.select + condition, arguments: [id.text]) { row in
        var json = JSONWriter()
        try shape.write(row, to: &json)
        try write(separator + json.text)
        separator = ",\n"
      }
      try write("]")
    }
    try list("tokens", Table.tokens.list(.staff), "WHERE t.user_id = ?1 ORDER BY t.id")
    let group = Table.groups.fields.filter { $0.name != "members" && $0.seenBy.contains(.staff) }
    try list(
      "groups", Shape(group, of: "groups", "g"),
      "WHERE g.id IN (SELECT group_id FROM group_members WHERE user_id = ?1) ORDER BY g.id")
    for holding in Holding.ofUser where holding.table.name == Table.referrals.name {
      try list(
        "referrals", Table.referrals.single(.staff),
        "WHERE \(holding.condition) OR r.contact_id = ?1 ORDER BY r.number")
    }
    try list("partners", Table.partners.single(.staff), "WHERE p.user_id = ?1 ORDER BY p.number")
    try list(
      "messages", Table.messages.single(.staff),
      """
      WHERE m.user_id = ?1 OR m.recipient_key = (SELECT email_key FROM users WHERE id = ?1)
      ORDER BY m.number
      """)
    let waiting = [
      Field("state_code", .state), Field("partner_type", .word(PartnerType.self)),
      Field("created_at", .time), Field("confirmed_at", .time),
    ]
    try list(
      "waiting_list", Shape(waiting, of: "waiting_list", "w"),
      """
      WHERE w.email_key = (SELECT email_key FROM users WHERE id = ?1)
      ORDER BY w.state_code, w.partner_type
      """)
    let events = (Holding.ofUser.map(\.ofEvents) + ["e.actor_id = ?1"])
      .map { "SELECT e.number FROM events AS e WHERE \($0)" }.joined(separator: " UNION ")
    try list(
      "events", Table.events.list(.staff), "WHERE e.number IN (\(events)) ORDER BY e.number")
    try write("\n}\n")
  }
}
