import Domain
import SQLite

/// A table of the data model in PostgreSQL. Its columns are those of the table in SQLite, so that a new column
/// is exported without a change here.
private struct PostgresTable {
  struct Column {
    let name: String
    /// Its type and constraints in PostgreSQL.
    let definition: String
    /// The SQL that reads it here as text or NULL. PostgreSQL reads the texts, numbers, times and JSON that
    /// SQLite writes.
    let source: String
  }

  let name: String
  /// What the columns hold, where SQLite's type alone does not say it.
  var kinds: [String: Kind] = [:]
  /// Definitions of columns that do not follow from their kinds.
  var exceptions: [String: String] = [:]
  /// The columns that are not exported: SQLite's own keys, and what is derived.
  var leftOut: Set<String> = []
  /// The constraints of the table.
  var constraints: [String] = []
  /// The statements that follow the rows.
  var afterwards: [String] = []
  var order = "id"

  /// The columns as the schema has them.
  func columns(_ connection: Connection) throws -> [Column] {
    let references = Dictionary(
      uniqueKeysWithValues: try connection.rows(
        // Those of several columns are constraints of the table.
        """
        SELECT "from", "table", "to", on_delete FROM pragma_foreign_key_list(?1)
        WHERE id NOT IN (SELECT id FROM pragma_foreign_key_list(?1) WHERE seq > 0)
        """, name
      ) { row in
        let action = row.text(3) == "CASCADE" ? " ON DELETE CASCADE" : ""
        return (row.text(0), " REFERENCES public.\(row.text(1)) (\(row.text(2)))\(action)")
      })
    return try connection.rows(
      #"SELECT name, type, "notnull" OR pk, dflt_value FROM pragma_table_info(?)"#, name
    ) { row in
      let name = row.text(0)
      guard !leftOut.contains(name) else { return nil }
      let type =
        kinds[name]?.postgresType(of: name) ?? (row.text(1) == "BLOB" ? "BYTEA" : row.text(1))
      let definition = [
        type, name == "id" ? " PRIMARY KEY" : row.int(2) != 0 ? " NOT NULL" : "",
        // SQLite's default for a flag is a number.
        type == "BOOLEAN" ? "" : row.textOrNil(3).map { " DEFAULT \($0)" } ?? "",
        references[name] ?? "",
      ].joined()
      let source =
        switch type {
        case "BOOLEAN": "CASE \(name) WHEN 0 THEN 'f' WHEN 1 THEN 't' END"
        case "BYTEA": #"'\x' || lower(hex(\#(name)))"#
        default: "CAST(\(name) AS TEXT)"
        }
      return Column(name: name, definition: exceptions[name] ?? definition, source: source)
    }.compactMap { $0 }
  }

  private static func kinds(_ table: Table) -> [String: Kind] {
    Dictionary(uniqueKeysWithValues: table.stored.map { ($0.name, $0.kind) })
  }

  /// The tables, each after those that it refers to. What triggers derive here (areas, counts, search) is left
  /// out: views and indexes replace it in PostgreSQL. So are the secrets, which are of no use elsewhere.
  static let all = [
    PostgresTable(
      name: "users", kinds: kinds(.users), leftOut: ["number", "name_key", "words"],
      constraints: ["UNIQUE (email_key)"]),
    PostgresTable(name: "groups", kinds: kinds(.groups), leftOut: ["number", "name_key", "words"]),
    PostgresTable(
      name: "group_members", kinds: ["group_id": .id, "user_id": .id],
      constraints: ["PRIMARY KEY (group_id, user_id)"],
      afterwards: ["CREATE INDEX ON public.group_members (user_id)"], order: "group_id, user_id"),
    PostgresTable(
      name: "tokens", kinds: kinds(.tokens), constraints: ["UNIQUE (sha256)"],
      afterwards: ["CREATE INDEX ON public.tokens (user_id)"]),
    PostgresTable(
      name: "partners", kinds: kinds(.partners), leftOut: ["number", "company_words"],
      constraints: [
        """
        CHECK (status <> 'active' \
        OR (agreement_signed_at IS NOT NULL AND jsonb_array_length(service_areas) > 0))
        """
      ],
      afterwards: [
        "CREATE UNIQUE INDEX ON public.partners (type, email_key) WHERE status <> 'removed'",
        """
        CREATE UNIQUE INDEX ON public.partners (user_id) \
        WHERE user_id IS NOT NULL AND status <> 'removed'
        """,
        "CREATE INDEX ON public.partners (status, created_at)",
        "CREATE INDEX ON public.partners USING gin (service_areas)",
      ], order: "number"),
    PostgresTable(
      name: "partner_credentials", kinds: kinds(.credentials), leftOut: ["serial", "good_until"],
      afterwards: [
        """
        CREATE UNIQUE INDEX ON public.partner_credentials \
        (partner_id, kind, coalesce(state_code, ''), number_key)
        """,
        "CREATE INDEX ON public.partner_credentials (expires_on)",
      ], order: "serial"),
    PostgresTable(
      name: "service_area_coverage",
      kinds: [
        "id": .id, "state_code": .state, "partner_type": .word(PartnerType.self),
        "status": .word(CoverageStatus.self), "pinned_status": .word(CoverageStatus.self),
        "status_without_partners": .word(["coming_soon", "unavailable"], initial: []),
      ],
      constraints: ["UNIQUE (state_code, partner_type)", "CHECK (partner_count >= 0)"],
      order: "state_code, partner_type"),
    PostgresTable(
      name: "referral_requests", kinds: kinds(.referrals),
      leftOut: ["number", "state", "partner_status_unless_active"],
      afterwards: [
        """
        CREATE UNIQUE INDEX ON public.referral_requests \
        (group_id, partner_type, coalesce(context ->> 'state', '')) \
        WHERE status IN ('pending', 'matched', 'intro_sent')
        """,
        "CREATE INDEX ON public.referral_requests (status, created_at)",
        "CREATE INDEX ON public.referral_requests (group_id, created_at)",
        "CREATE INDEX ON public.referral_requests (partner_id, created_at)",
      ], order: "number"),
    PostgresTable(
      name: "events", kinds: ["at": .time, "actor_id": .id, "changes": .json],
      exceptions: ["number": "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"],
      afterwards: ["CREATE INDEX ON public.events (subject_id, number)"], order: "number"),
    PostgresTable(name: "erasures", order: "event_number"),
    PostgresTable(
      name: "waiting_list",
      kinds: [
        "id": .id, "email": .text(.email), "state_code": .state,
        "partner_type": .word(PartnerType.self), "created_at": .time, "confirmed_at": .time,
      ],
      constraints: [
        "UNIQUE (email_key, state_code, partner_type)",
        """
        FOREIGN KEY (state_code, partner_type) \
        REFERENCES public.service_area_coverage (state_code, partner_type)
        """,
      ]),
    PostgresTable(
      name: "messages",
      kinds: kinds(.messages).merging(
        [
          "recipient": .text(.email), "credential_id": .id, "waiting_id": .id, "to_staff": .flag,
          "recipient_name": .text(limit: 255),
        ]) { kind, _ in kind },
      leftOut: ["number"], constraints: ["UNIQUE (cause)"],
      afterwards: [
        "CREATE INDEX ON public.messages (status, due_at)",
        "CREATE INDEX ON public.messages (referral_id)",
      ], order: "number"),
    PostgresTable(
      name: "idempotency_keys",
      kinds: ["user_id": .id, "key": .text(limit: 255), "created_at": .time],
      constraints: ["PRIMARY KEY (user_id, path, key)"],
      afterwards: ["CREATE INDEX ON public.idempotency_keys (created_at)"],
      order: "user_id, path, key"),
  ]
}

extension Kind {
  /// The type of a column in PostgreSQL, with the CHECK that belongs to it.
  fileprivate func postgresType(of column: String) -> String {
    switch self {
    case .id: "UUID"
    case .text(let rule): rule.limit <= 255 ? "VARCHAR(\(rule.limit))" : "TEXT"
    case .word(let words, _):
      // The product document has these two sizes.
      """
      VARCHAR(\(column.contains("status") ? 20 : 50)) \
      CHECK (\(column) IN ('\(words.joined(separator: "', '"))'))
      """
    case .state, .language: "VARCHAR(2)"
    case .time: "TIMESTAMPTZ"
    case .date: "DATE"
    case .flag: "BOOLEAN"
    case .integer: "BIGINT"
    case .list: "JSONB CHECK (jsonb_typeof(\(column)) = 'array')"
    case .object, .range, .json: "JSONB CHECK (jsonb_typeof(\(column)) = 'object')"
    case .joined: preconditionFailure("it has no column")
    }
  }
}

extension Snapshot {
  /// Writes everything as SQL for PostgreSQL 15: one transaction that makes the tables of the data model
  /// in the product document's own types and fills them, for psql(1), which understands COPY's rows.
  ///
  /// - Parameters:
  ///   - write: Called with each piece of the text.
  ///   - progress: Called with each table's name.
  package func postgres(
    write: (String) throws -> Void, progress: (String) -> Void = { _ in }
  ) throws {
    try write(
      """
      -- Tomi partner referrals, for an empty database of PostgreSQL 15:
      --   psql --set ON_ERROR_STOP=1 --dbname DATABASE --file THIS
      SET client_encoding = 'UTF8';
      SET TIME ZONE 'UTC';
      BEGIN;

      """)
    for table in PostgresTable.all {
      try copy(
        table.name, table.columns(connection), table.constraints,
        "\(table.name) ORDER BY \(table.order)", write, progress)
    }
    // A row here has the request's number, which is not exported.
    try copy(
      "referral_past_partners",
      [
        .init(
          name: "referral_id",
          definition: "UUID NOT NULL REFERENCES public.referral_requests (id)", source: "r.id"),
        .init(
          name: "partner_id", definition: "UUID NOT NULL REFERENCES public.partners (id)",
          source: "p.partner_id"),
      ], ["PRIMARY KEY (referral_id, partner_id)"],
      """
      referral_past_partners AS p JOIN referral_requests AS r ON r.number = p.referral_number
      ORDER BY p.referral_number, p.partner_id
      """, write, progress)
    try copy(
      "declines",
      [
        .init(
          name: "referral_id",
          definition: "UUID NOT NULL REFERENCES public.referral_requests (id)", source: "r.id"),
        .init(
          name: "partner_id", definition: "UUID NOT NULL REFERENCES public.partners (id)",
          source: "d.partner_id"),
        .init(
          name: "intro_sent_at", definition: "TIMESTAMPTZ NOT NULL", source: "d.intro_sent_at"),
        .init(name: "declined_at", definition: "TIMESTAMPTZ NOT NULL", source: "d.declined_at"),
        .init(name: "reason_code", definition: "TEXT NOT NULL", source: "d.reason_code"),
      ], [],
      """
      declines AS d JOIN referral_requests AS r ON r.number = d.referral_number
      ORDER BY d.number
      """, write, progress)
    try write("\n")
    for statement in PostgresTable.all.flatMap(\.afterwards) { try write("\(statement);\n") }
    let last = try connection.row("SELECT seq FROM sqlite_sequence WHERE name = 'events'") {
      $0.int(0)
    }
    try write(
      """
      SELECT setval(pg_get_serial_sequence('public.events', 'number'), \(max(last ?? 0, 1)), \
      \((last ?? 0) > 0));
      COMMIT;
      ANALYZE;

      """)
  }

  /// Writes a table's definition and its rows.
  private func copy(
    _ name: String, _ columns: [PostgresTable.Column], _ constraints: [String],
    _ rows: String, _ write: (String) throws -> Void, _ progress: (String) -> Void
  ) throws {
    progress(name)
    let lines = columns.map { "\($0.name) \($0.definition)" } + constraints
    let names = columns.map(\.name).joined(separator: ", ")
    try write(
      """

      CREATE TABLE public.\(name) (
        \(lines.joined(separator: ",\n  "))
      );
      COPY public.\(name) (\(names)) FROM stdin;

      """)
    let sources = columns.map(\.source).joined(separator: ", ")
    try connection.each("SELECT \(sources) FROM \(rows)") { row in
      try write(
        columns.indices.map { Snapshot.cell(row.textOrNil($0)) }.joined(separator: "\t") + "\n")
    }
    try write("\\.\n")
  }

  /// A value in COPY's text format
  /// (<https://www.postgresql.org/docs/15/sql-copy.html>, "Text Format").
  private static func cell(_ text: String?) -> String {
    guard let text else { return "\\N" }
    var cell = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": cell += "\\\\"
      case "\t": cell += "\\t"
      case "\n": cell += "\\n"
      case "\r": cell += "\\r"
      default: cell.unicodeScalars.append(scalar)
      }
    }
    return cell
  }
}
