import Domain
import SQLite

extension Store {
  /// Checks the file, the references between rows, and the derived rows.
  ///
  /// - Parameter progress: Called with the name of each part.
  /// - Returns: The findings, a sentence each.
  package func check(now: Timestamp, progress: (String) -> Void = { _ in }) throws -> [String] {
    var findings: [String] = []
    progress("The file's integrity")
    findings += try read(now: now) { snapshot in
      try snapshot.connection.rows("PRAGMA integrity_check") { $0.text(0) }.filter { $0 != "ok" }
    }
    progress("Foreign keys")
    findings += try read(now: now) { snapshot in
      try snapshot.connection.rows("PRAGMA foreign_key_check") { row in
        "A row of \(row.text(0)) refers to a row of \(row.text(2)) that does not exist."
      }
    }
    progress("Service areas, coverage and counts")
    findings += try read(now: now) { try $0.checkDerived() }
    progress("The search indexes")
    for (index, contents) in [
      ("partners_search", "partners"), ("users_search", "users"), ("groups_search", "groups"),
    ] {
      findings += try checkSearch(index, of: contents)
    }
    progress("The history")
    findings += try read(now: now) { try $0.checkHistory() + $0.checkSteps() }
    if let lost = lostEvents {
      findings.append(
        """
        Events are missing: number \(lost.expected) was written, but the last one is \
        \(lost.found). A write-ahead log was removed or cut, or an older copy was put in place.
        """)
    }
    return findings
  }

  private func checkSearch(_ index: String, of contents: String) throws -> [String] {
    struct Done: Error {}
    do {
      // The command is an INSERT, so only the writer can run it
      // (https://www.sqlite.org/fts5.html, section 6.5). It is rolled back.
      try database.write { connection in
        _ = try connection.run(
          "INSERT INTO \(index) (\(index), rank) VALUES ('integrity-check', 1)")
        throw Done()
      }
      return []
    } catch is Done {
      return []
    } catch let error as SQLiteError where error.isCorrupt {
      return ["The search index does not match the \(contents)."]
    }
  }
}

extension Snapshot {
  fileprivate func checkDerived() throws -> [String] {
    var findings = try connection.rows(
      """
      SELECT p.id FROM partners AS p
      WHERE EXISTS (SELECT value FROM json_each(p.service_areas)
          EXCEPT SELECT state_code FROM partner_areas
            WHERE partner_number = p.number AND type = p.type
              AND active = (p.status = 'active') AND name_key = p.name_key)
        OR EXISTS (SELECT state_code FROM partner_areas WHERE partner_number = p.number
          EXCEPT SELECT value FROM json_each(p.service_areas))
      """
    ) { "The areas in the index of partner \($0.text(0)) are not its service areas." }
    try Search.defineFunctions(on: connection)
    findings += try connection.rows(
      """
      SELECT id FROM partners
      WHERE name_key <> sort_key(company_name)
        OR company_words <> search_words(company_name)
        OR public_words <> public_words(company_name, contact_name)
        OR staff_words <> staff_words(email, phone, notes)
      """
    ) {
      "The folded name or the searched words of partner \($0.text(0)) do not match its fields."
    }
    findings += try connection.rows(
      """
      SELECT x.subject_kind, x.subject_id FROM erasures AS x
      LEFT JOIN events AS e ON e.number = x.event_number
      WHERE e.kind IS NOT x.subject_kind || '.erased' OR e.subject_id IS NOT x.subject_id
      """
    ) { "The erasure of \($0.text(0)) \($0.text(1)) has no event." }
    findings += try connection.rows(
      """
      SELECT 'user', id FROM users
      WHERE words <> search_words(name, email) OR name_key <> sort_key(name) OR number IS NULL
      UNION ALL
      SELECT 'group', id FROM groups
      WHERE words <> search_words(name) OR name_key <> sort_key(name) OR number IS NULL
      """
    ) { row in
      """
      The number, the folded name or the searched words of \(row.text(0)) \(row.text(1)) do not match \
      its fields.
      """
    }
    findings += try connection.rows(
      """
      SELECT c.state_code, c.partner_type, c.partner_count, count(a.partner_number)
      FROM service_area_coverage AS c LEFT JOIN partner_areas AS a
        ON a.state_code = c.state_code AND a.type = c.partner_type AND a.active = 1
      GROUP BY c.id HAVING c.partner_count <> count(a.partner_number)
      """
    ) { row in
      """
      The coverage of \(row.text(0))/\(row.text(1)) counts \(Wording.count(row.int(2), "partner")), but there are \
      \(row.int(3)).
      """
    }
    findings += try connection.rows(
      """
      SELECT state_code, partner_type, status FROM service_area_coverage
      WHERE status <> CASE WHEN pinned_status IS NOT NULL THEN pinned_status
        WHEN partner_count > 0 THEN 'available' ELSE status_without_partners END
      """
    ) {
      "The coverage of \($0.text(0))/\($0.text(1)) is \($0.text(2)), which does not follow from its count."
    }
    findings += try connection.rows(
      """
      SELECT status, partner_type, state, sum(kept), sum(there) FROM (
        SELECT status, partner_type, state, count AS kept, 0 AS there FROM referral_counts
        UNION ALL SELECT status, partner_type, ifnull(state, ''), 0, count(*)
          FROM referral_requests GROUP BY 1, 2, 3)
      GROUP BY 1, 2, 3 HAVING sum(kept) <> sum(there)
      """
    ) { row in
      """
      The overview counts \(row.int(3)) requests of \(row.text(0))/\(row.text(1))/\(row.text(2)), but \
      there are \(row.int(4)).
      """
    }
    findings += try connection.rows(
      """
      SELECT r.id FROM referral_requests AS r LEFT JOIN partners AS p ON p.id = r.partner_id
      WHERE r.partner_status_unless_active IS NOT nullif(p.status, 'active')
      """
    ) { "Referral \($0.text(0)) keeps a status that its partner does not have." }
    findings += try connection.rows(
      """
      SELECT id FROM (
        SELECT id, 1 AS rows, 0 AS open, '' AS kept, '' AS last FROM partners
        UNION ALL SELECT partner_id, -1, open_referrals, last_intro_at, '' FROM partner_standings
        UNION ALL SELECT partner_id, 0, -count(*), '', '' FROM referral_requests
          WHERE status IN ('matched', 'intro_sent') GROUP BY partner_id
        UNION ALL SELECT partner_id, 0, 0, '', max(at) FROM partner_introductions
          GROUP BY partner_id)
      GROUP BY id HAVING sum(rows) <> 0 OR sum(open) <> 0 OR max(kept) <> max(last)
      """
    ) { "The standing of partner \($0.text(0)) does not follow from its referrals." }
    findings += try connection.rows(
      """
      SELECT DISTINCT r.id FROM (
        SELECT referral_number, partner_id, intro_sent_at, 1 AS kept FROM past_introductions
        UNION ALL SELECT referral_number, partner_id, intro_sent_at, -1 FROM ended_introductions)
        AS past JOIN referral_requests AS r ON r.number = past.referral_number
      GROUP BY r.id, past.partner_id, past.intro_sent_at HAVING sum(kept) <> 0
      """
    ) { "The past introductions of referral \($0.text(0)) do not match its history." }
    findings += try connection.rows(
      """
      SELECT r.id FROM declines AS d JOIN referral_requests AS r ON r.number = d.referral_number
      WHERE NOT EXISTS (SELECT 1 FROM events AS e
        WHERE e.subject_id = r.id AND e.subject_kind = 'referral' AND e.at = d.declined_at
          AND e.changes ->> '$.partner_id.from' = d.partner_id
          AND e.changes ->> '$.intro_sent_at.from' = d.intro_sent_at
          AND ifnull(e.changes ->> '$.decline_reason_code.to', 'other') = d.reason_code)
      UNION SELECT e.subject_id FROM events AS e
      WHERE e.subject_kind = 'referral' AND e.kind = 'referral.returned'
        AND e.changes ->> '$.decline_reason_code.to' IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM declines AS d
          WHERE d.referral_number = (SELECT number FROM referral_requests WHERE id = e.subject_id)
            AND d.partner_id = e.changes ->> '$.partner_id.from' AND d.declined_at = e.at)
      """
    ) { "The declines of referral \($0.text(0)) do not match its history." }
    findings += try connection.rows(
      """
      SELECT DISTINCT partner_id FROM (
        SELECT * FROM (SELECT * FROM partner_ranks EXCEPT SELECT * FROM partner_ranks_due)
        UNION ALL
        SELECT * FROM (SELECT * FROM partner_ranks_due EXCEPT SELECT * FROM partner_ranks))
      """
    ) { "The ranks of partner \($0.text(0)) do not follow from its areas and its standing." }
    findings += try connection.rows(
      """
      SELECT p.id FROM partners AS p JOIN partner_credentials_due AS due ON due.partner_id = p.id
      WHERE p.credentials_good_until IS NOT due.good_until
      """
    ) { "The last good day of partner \($0.text(0)) does not follow from its credentials." }
    findings += try connection.rows("SELECT id, number, number_key FROM partner_credentials") {
      Credential.comparisonKey(ofNumber: $0.text(1)) == $0.text(2)
        ? nil : "The key of credential \($0.text(0)) does not match its number."
    }.compactMap { $0 }
    findings += try connection.rows(
      """
      SELECT c.status, c.count, (SELECT count(*) FROM messages AS m WHERE m.status = c.status)
      FROM message_counts AS c
      """
    ) { row in
      row.int(1) == row.int(2)
        ? nil
        : """
        The overview counts \(row.int(1)) messages that are \(row.text(0)), but there are \
        \(row.int(2)).
        """
    }.compactMap { $0 }
    let rows = try connection.row("SELECT count(*) FROM service_area_coverage") { $0.int(0) } ?? 0
    let expected = StateCode.allCases.count * PartnerType.allCases.count
    if rows != expected { findings.append("There are \(rows) rows of coverage, not \(expected).") }
    return findings
  }

  fileprivate func checkHistory() throws -> [String] {
    try connection.rows(
      """
      SELECT r.id, r.status FROM referral_requests AS r
      WHERE r.status IS NOT (SELECT e.changes ->> '$.status.to' FROM events AS e
        WHERE e.subject_id = r.id AND e.changes ->> '$.status.to' IS NOT NULL
        ORDER BY e.number DESC LIMIT 1)
      """
    ) { "Referral \($0.text(0)) is \($0.text(1)), which is not the last status in its history." }
  }

  fileprivate func checkSteps() throws -> [String] {
    try connection.rows(
      """
      SELECT DISTINCT from_status, to_status FROM (
        SELECT from_status, to_status, tenths_of_days, count AS kept, 0 AS there
          FROM referral_steps
        UNION ALL SELECT changes ->> '$.status.from', changes ->> '$.status.to',
            max(0, CAST(round(10 * (julianday(at) - julianday(since))) AS INTEGER)), 0, 1
          FROM (SELECT at, changes,
              lag(ifnull(changes ->> '$.status_since.to', at))
                OVER (PARTITION BY subject_id ORDER BY number) AS since
            FROM events
            WHERE subject_kind = 'referral' AND changes ->> '$.status.to' IS NOT NULL)
          WHERE changes ->> '$.status.from' IS NOT NULL)
      GROUP BY from_status, to_status, tenths_of_days HAVING sum(kept) <> sum(there)
      """
    ) { row in
      """
      The overview's times from \(row.text(0)) to \(row.text(1)) do not match the history.
      """
    }
  }
}
