import SQLite

/// A table of the data model in PostgreSQL, and where its rows come from.
private struct PostgresTable {
  /// A column's name, its type and constraints there, and what it is here: SQL that gives text, or NULL.
  struct Column {
    let name: String
    let type: String
    let source: String

    /// Text, numbers, times and JSON: PostgreSQL reads what SQLite writes.
    init(_ name: String, _ type: String, from source: String? = nil) {
      self.name = name
      self.type = type
      self.source = "CAST(\(source ?? name) AS TEXT)"
    }

    static func flag(_ name: String) -> Column {
      Column(name, "BOOLEAN NOT NULL", from: "CASE \(name) WHEN 0 THEN 'f' WHEN 1 THEN 't' END")
    }

    static func bytes(_ name: String, _ type: String = "BYTEA NOT NULL") -> Column {
      Column(name, type, from: #"'\x' || lower(hex(\#(name)))"#)
    }
  }

  let name: String
  let columns: [Column]
  /// What else the table's definition holds.
  var constraints: [String] = []
  var source: String?
  /// What comes after the rows: indexes, and what numbers go on from.
  var afterwards: [String] = []
  /// The order of the rows.
  let order: String

  var query: String {
    """
    SELECT \(columns.map(\.source).joined(separator: ", ")) FROM \(source ?? name) ORDER BY \(order)
    """
  }

  var definition: String {
    let lines = columns.map { "\($0.name) \($0.type)" } + constraints
    return "CREATE TABLE public.\(name) (\n  \(lines.joined(separator: ",\n  "))\n);\n"
  }

  private static let partnerTypes = "('attorney', 'lender', 'agent', 'title', 'insurance', 'cpa')"
  private static let coverageStatuses = "('available', 'coming_soon', 'unavailable')"

  /// The tables with what they hold by themselves, each after those that it refers to. What triggers
  /// derive here (areas, counts, search) is left out: there, views and indexes do that.
  static let all = [
    PostgresTable(
      name: "users",
      columns: [
        Column("id", "UUID PRIMARY KEY"), Column("email", "VARCHAR(255) NOT NULL"),
        Column("email_key", "TEXT NOT NULL UNIQUE"), Column("name", "VARCHAR(100) NOT NULL"),
        .flag("disabled"), Column("created_at", "TIMESTAMPTZ NOT NULL"),
        Column("updated_at", "TIMESTAMPTZ NOT NULL"),
      ], order: "id"),
    PostgresTable(
      name: "groups",
      columns: [
        Column("id", "UUID PRIMARY KEY"), Column("name", "VARCHAR(200) NOT NULL"),
        Column("state", "VARCHAR(2)"), Column("created_at", "TIMESTAMPTZ NOT NULL"),
        Column("updated_at", "TIMESTAMPTZ NOT NULL"),
      ], order: "id"),
    PostgresTable(
      name: "group_members",
      columns: [
        Column("group_id", "UUID NOT NULL REFERENCES public.groups (id) ON DELETE CASCADE"),
        Column("user_id", "UUID NOT NULL REFERENCES public.users (id)"),
      ], constraints: ["PRIMARY KEY (group_id, user_id)"],
      afterwards: ["CREATE INDEX ON public.group_members (user_id)"], order: "group_id, user_id"),
    PostgresTable(
      name: "tokens",
      columns: [
        Column("id", "UUID PRIMARY KEY"),
        Column("user_id", "UUID NOT NULL REFERENCES public.users (id)"), .flag("admin"),
        Column("name", "VARCHAR(100)"), .bytes("sha256", "BYTEA NOT NULL UNIQUE"),
        Column("created_at", "TIMESTAMPTZ NOT NULL"), Column("expires_at", "TIMESTAMPTZ"),
        Column("revoked_at", "TIMESTAMPTZ"),
      ], afterwards: ["CREATE INDEX ON public.tokens (user_id)"], order: "id"),
    PostgresTable(
      name: "partners",
      columns: [
        Column("id", "UUID PRIMARY KEY"), Column("user_id", "UUID REFERENCES public.users (id)"),
        Column("type", "VARCHAR(50) NOT NULL CHECK (type IN \(partnerTypes))"),
        Column(
          "status",
          """
          VARCHAR(20) NOT NULL \
          CHECK (status IN ('invited', 'pending_review', 'active', 'inactive', 'removed'))
          """),
        Column("company_name", "VARCHAR(200) NOT NULL"), Column("contact_name", "VARCHAR(100)"),
        Column("email", "VARCHAR(255) NOT NULL"), Column("email_key", "TEXT NOT NULL"),
        Column("phone", "VARCHAR(20)"), Column("website", "VARCHAR(255)"),
        Column(
          "service_areas",
          "JSONB NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(service_areas) = 'array')"),
        .flag("co_ownership_certified"), Column("agreement_signed_at", "TIMESTAMPTZ"),
        Column("invited_by", "UUID REFERENCES public.users (id)"), Column("notes", "TEXT"),
        Column("created_at", "TIMESTAMPTZ NOT NULL"), Column("updated_at", "TIMESTAMPTZ NOT NULL"),
      ],
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
      name: "service_area_coverage",
      columns: [
        Column("id", "UUID PRIMARY KEY"), Column("state_code", "VARCHAR(2) NOT NULL"),
        Column("partner_type", "VARCHAR(50) NOT NULL CHECK (partner_type IN \(partnerTypes))"),
        Column("status", "VARCHAR(20) NOT NULL CHECK (status IN \(coverageStatuses))"),
        Column("partner_count", "INTEGER NOT NULL DEFAULT 0 CHECK (partner_count >= 0)"),
        Column("pinned_status", "VARCHAR(20) CHECK (pinned_status IN \(coverageStatuses))"),
        Column(
          "status_without_partners",
          """
          VARCHAR(20) NOT NULL CHECK (status_without_partners IN ('coming_soon', 'unavailable'))
          """),
      ], constraints: ["UNIQUE (state_code, partner_type)"], order: "state_code, partner_type"),
    PostgresTable(
      name: "referral_requests",
      columns: [
        Column("id", "UUID PRIMARY KEY"),
        Column("group_id", "UUID NOT NULL REFERENCES public.groups (id)"),
        Column("requested_by", "UUID NOT NULL REFERENCES public.users (id)"),
        Column("partner_type", "VARCHAR(50) NOT NULL CHECK (partner_type IN \(partnerTypes))"),
        Column(
          "status",
          """
          VARCHAR(20) NOT NULL CHECK (status IN \
          ('pending', 'matched', 'intro_sent', 'connected', 'closed', 'cancelled'))
          """),
        Column("context", "JSONB NOT NULL CHECK (jsonb_typeof(context) = 'object')"),
        Column("partner_id", "UUID REFERENCES public.partners (id)"),
        Column("intro_sent_at", "TIMESTAMPTZ"),
        Column(
          "outcome",
          """
          VARCHAR(50) CHECK (outcome IN ('engaged', 'not_engaged', 'deal_closed', 'unknown'))
          """),
        Column("outcome_notes", "TEXT"), Column("created_at", "TIMESTAMPTZ NOT NULL"),
        Column("updated_at", "TIMESTAMPTZ NOT NULL"), Column("status_changed_at", "TIMESTAMPTZ"),
        Column("connected_at", "TIMESTAMPTZ"),
      ],
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
      name: "referral_past_partners",
      columns: [
        Column(
          "referral_id", "UUID NOT NULL REFERENCES public.referral_requests (id)", from: "r.id"),
        Column("partner_id", "UUID NOT NULL REFERENCES public.partners (id)", from: "p.partner_id"),
      ], constraints: ["PRIMARY KEY (referral_id, partner_id)"],
      source:
        "referral_past_partners AS p JOIN referral_requests AS r ON r.number = p.referral_number",
      order: "p.referral_number, p.partner_id"),
    PostgresTable(
      name: "events",
      columns: [
        Column("number", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"),
        Column("at", "TIMESTAMPTZ NOT NULL"),
        Column("actor_id", "UUID REFERENCES public.users (id)"),
        Column("subject_kind", "TEXT NOT NULL"), Column("subject_id", "TEXT NOT NULL"),
        Column("kind", "TEXT NOT NULL"),
        Column("changes", "JSONB NOT NULL CHECK (jsonb_typeof(changes) = 'object')"),
        Column("note", "TEXT"),
      ], afterwards: ["CREATE INDEX ON public.events (subject_id, number)"], order: "number"),
    PostgresTable(
      name: "idempotency_keys",
      columns: [
        Column("user_id", "UUID NOT NULL REFERENCES public.users (id) ON DELETE CASCADE"),
        Column("path", "TEXT NOT NULL"), Column("key", "VARCHAR(255) NOT NULL"),
        .bytes("request_sha256"), Column("status", "INTEGER NOT NULL"), Column("location", "TEXT"),
        Column("etag", "TEXT"), .bytes("body"), Column("created_at", "TIMESTAMPTZ NOT NULL"),
      ], constraints: ["PRIMARY KEY (user_id, path, key)"],
      afterwards: ["CREATE INDEX ON public.idempotency_keys (created_at)"],
      order: "user_id, path, key"),
  ]
}

extension Snapshot {
  /// Writes everything as SQL for PostgreSQL 15: one transaction that makes the tables of the data model
  /// in the product document's own types and fills them, for psql(1), which understands COPY's rows.
  ///
  /// - Parameters:
  ///   - write: Takes the next piece of the text.
  ///   - progress: Told of each table.
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
      progress(table.name)
      let names = table.columns.map(\.name).joined(separator: ", ")
      try write("\n\(table.definition)COPY public.\(table.name) (\(names)) FROM stdin;\n")
      let indices = table.columns.indices
      _ = try connection.rows(table.query) { row in
        try write(
          indices.map { Snapshot.cell(row.textOrNil($0)) }.joined(separator: "\t") + "\n")
      }
      try write("\\.\n")
    }
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

  /// A value as COPY's text format has it
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
