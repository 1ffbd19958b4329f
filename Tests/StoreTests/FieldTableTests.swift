import Domain
import Testing

@testable import SQLite
@testable import Store

/// What a table of fields leaves to others, each named here so that nothing is left out by mistake.
private struct Exceptions {
  /// The row's own keys and what triggers alone write, which nobody sees or sets.
  var rowKeys: Set<String> = []
  /// Fields that may be sent as null, or empty, whose columns are never null: what they get then.
  var neverNull: Set<String> = []
  /// Fields that are null until something happens, though nobody may send null for them.
  var nullAtFirst: Set<String> = []
  /// Fields that somebody may set without seeing them.
  var setUnseen: Set<String> = []
}

extension Field.Traits {
  fileprivate static let emptied: Field.Traits = [.nullable, .onlyNull]
}

@Suite("Tables of fields")
struct FieldTableTests {
  private static let tables: [(table: Table, exceptions: Exceptions)] = [
    (
      .partners,
      Exceptions(
        rowKeys: ["number"],
        nullAtFirst: ["invited_by", "pending_changes", "credentials_good_until"])
    ),
    (
      .credentials,
      Exceptions(rowKeys: ["serial"], nullAtFirst: ["verified_at", "verified_by"])
    ),
    (
      .referrals,
      Exceptions(
        rowKeys: ["number", "partner_status_unless_active"],
        // Whoever asks is the requester, and a context in which nothing is said is kept whole.
        neverNull: ["requested_by", "context"],
        nullAtFirst: ["outcome", "outcome_notes", "status_since", "connected_at", "consented_at"])
    ),
    (.users, Exceptions(rowKeys: ["number"])),
    (.groups, Exceptions(rowKeys: ["number"])),
    (.tokens, Exceptions(nullAtFirst: ["revoked_at", "scope", "created_by"])),
    (.events, Exceptions(nullAtFirst: ["note"])),
  ]

  private struct Column {
    let name: String
    let type: String
    let isNotNull: Bool
  }

  /// The columns of a table as the schema has them.
  private static func columns(of table: Table, on connection: Connection) throws -> [Column] {
    try connection.rows(
      #"SELECT name, type, "notnull" OR pk FROM pragma_table_xinfo(?)"#, arguments: [table.name]
    ) { Column(name: $0.text(0), type: $0.text(1), isNotNull: $0.int(2) != 0) }
  }

  private static func stored(_ table: Table) -> [Field] {
    table.fields.filter { !$0.isComputed }
  }

  /// The columns of the table's own that an expression names.
  private static func columns(in expression: String, _ alias: String) -> [String] {
    expression.matches(of: /\b([a-z]+)\.([a-z_0-9]+)/)
      .filter { $0.1 == alias }.map { String($0.2) }
  }

  /// A field's expressions, and those of the fields in it.
  private static func expressions(_ field: Field) -> [String] {
    guard case .joined(let inner) = field.kind else { return field.source.map { [$0] } ?? [] }
    return inner.flatMap(expressions)
  }

  @Test("each stored, derived or secret column is one of the schema's, and once")
  func present() throws {
    let folder = try TemporaryFolder()
    let connection = try rawDatabase(in: folder)
    for (table, _) in Self.tables {
      let columns = Set(try Self.columns(of: table, on: connection).map(\.name))
      #expect(!columns.isEmpty, "\(table.name)")
      let written =
        Self.stored(table).map(\.name) + table.derived.map(\.column) + table.secretColumns
      for column in written {
        #expect(columns.contains(column), "\(table.name) has no column \(column)")
      }
      #expect(Set(written).count == written.count, "\(table.name): a column is written twice")
      for field in table.fields {
        for column in Self.expressions(field).flatMap({ Self.columns(in: $0, table.alias) }) {
          #expect(columns.contains(column), "\(table.name).\(field.name) reads \(column)")
        }
      }
    }
  }

  @Test("each column of the schema is a field, derived, secret, or one of the row's own keys")
  func complete() throws {
    let folder = try TemporaryFolder()
    let connection = try rawDatabase(in: folder)
    for (table, exceptions) in Self.tables {
      // An event's writer is not the table's, so that objects may stand for columns there.
      let shown =
        table.name == "events"
        ? table.fields.flatMap(Self.expressions).flatMap { Self.columns(in: $0, table.alias) } : []
      let known = Set(
        Self.stored(table).map(\.name) + table.derived.map(\.column) + table.secretColumns + shown)
      let columns = Set(try Self.columns(of: table, on: connection).map(\.name))
      #expect(columns.subtracting(known) == exceptions.rowKeys, "\(table.name)")
    }
  }

  @Test("a column may be null exactly if its field may")
  func nullability() throws {
    let folder = try TemporaryFolder()
    let connection = try rawDatabase(in: folder)
    for (table, exceptions) in Self.tables {
      let columns = try Self.columns(of: table, on: connection)
      for field in Self.stored(table) {
        let column = try #require(columns.first { $0.name == field.name })
        let isEmptied = !field.traits.isDisjoint(with: .emptied)
        #expect(
          !(isEmptied && field.traits.contains(.required)),
          "\(table.name).\(field.name) is required and may be emptied")
        let mayBeNull =
          isEmptied && !exceptions.neverNull.contains(field.name)
          || exceptions.nullAtFirst.contains(field.name)
        #expect(column.isNotNull == !mayBeNull, "\(table.name).\(field.name)")
      }
      let names = Set(Self.stored(table).map(\.name))
      #expect(
        exceptions.neverNull.union(exceptions.nullAtFirst).isSubset(of: names), "\(table.name)")
    }
  }

  @Test("a column has the type that its field's kind is stored as")
  func types() throws {
    let folder = try TemporaryFolder()
    let connection = try rawDatabase(in: folder)
    for (table, _) in Self.tables {
      let columns = try Self.columns(of: table, on: connection)
      for field in Self.stored(table) {
        let column = try #require(columns.first { $0.name == field.name })
        let type =
          switch field.kind {
          case .flag, .integer: "INTEGER"
          default: "TEXT"
          }
        #expect(column.type == type, "\(table.name).\(field.name)")
      }
    }
  }

  @Test("no audience sees a name twice, and no record has one twice")
  func names() {
    for (table, _) in Self.tables {
      for audience in [Audiences.anyone, .member, .partner, .staff] {
        let seen = table.fields.filter { $0.seenBy.contains(audience) }.map(\.name)
        #expect(Set(seen).count == seen.count, "\(table.name), \(audience)")
        // A body's member is given to the first field of its name.
        let set = table.fields.filter { $0.setBy.union($0.createdBy).contains(audience) }
          .map(\.name)
        #expect(Set(set).count == set.count, "\(table.name), \(audience)")
      }
      let loaded = table.fields.filter { !$0.isComputed || !$0.setBy.isEmpty }
        .map(\.name)
      #expect(Set(loaded).count == loaded.count, "\(table.name)")
      let exported = table.fields.filter { $0.traits.contains(.exported) }.map(\.name)
      #expect(Set(exported).count == exported.count, "\(table.name)")
    }
  }

  @Test("whoever sets a field sees it")
  func visibility() {
    for (table, exceptions) in Self.tables {
      let unseen = table.fields.filter {
        !$0.setBy.union($0.createdBy).isSubset(of: $0.seenBy)
      }
      #expect(Set(unseen.map(\.name)) == exceptions.setUnseen, "\(table.name)")
    }
  }

  @Test(
    "what is tracked or required is a field of the record; what a new one needs, somebody gives")
  func traits() {
    for (table, _) in Self.tables {
      for field in table.fields {
        let isLoaded = !field.isComputed || !field.setBy.isEmpty
        if field.traits.contains(.tracked) {
          #expect(isLoaded, "\(table.name).\(field.name) is tracked, but not loaded")
        }
        if field.traits.contains(.reviewed) {
          #expect(
            table.name == "partners" && field.setBy.contains(.partner),
            "\(table.name).\(field.name) waits for a review, but no partner sets it")
        }
        if field.traits.contains(.required) {
          #expect(!field.createdBy.isEmpty, "\(table.name).\(field.name) can't be given")
        }
        if !field.setBy.isEmpty {
          #expect(
            field.traits.contains(.tracked), "\(table.name).\(field.name) changes without a trace")
        }
      }
    }
  }

  @Test("each audience sees these fields of a single resource, and no others")
  func audiences() {
    func seen(_ table: Table, _ audience: Audiences) -> String {
      table.fields.filter { $0.seenBy.contains(audience) }.map(\.name).joined(separator: " ")
    }
    let contact = """
      id type company_name contact_name website service_areas co_ownership_certified description \
      languages affiliation_disclosure accepting_referrals credentials
      """
    #expect(seen(.partners, .anyone) == contact)
    #expect(seen(.partners, .member) == contact)
    #expect(
      seen(.partners, .partner) == """
        id type status company_name contact_name email phone website service_areas \
        co_ownership_certified description languages affiliation_disclosure accepting_referrals \
        paused_until max_open_referrals credentials_status agreement_signed_at pending_changes \
        created_at updated_at
        """)
    #expect(
      seen(.partners, .staff) == """
        id user_id type status company_name contact_name email phone website service_areas \
        co_ownership_certified description languages affiliation_disclosure accepting_referrals \
        paused_until max_open_referrals credentials_status agreement_signed_at invited_by notes \
        pending_changes created_at updated_at
        """)
    #expect(
      seen(.credentials, .partner) == """
        id kind number state_code issuer expires_on verified_at verified_by created_at updated_at
        """)
    #expect(
      seen(.credentials, .staff) == """
        id kind number state_code issuer expires_on verified_at verified_by notes created_at \
        updated_at
        """)
    #expect(
      seen(.referrals, .member) == """
        id group_id requested_by contact_id partner_type status status_since context partner_id \
        intro_sent_at outcome consent_version consented_at created_at updated_at partner timeline
        """)
    #expect(
      seen(.referrals, .partner) == """
        id partner_type status status_since context intro_sent_at outcome created_at updated_at \
        group contact timeline
        """)
    #expect(
      seen(.referrals, .staff) == """
        id group_id requested_by contact_id partner_type status status_since context partner_id \
        intro_sent_at outcome outcome_notes assigned_to follow_up_on consent_version consented_at \
        created_at updated_at group requester contact assignee partner timeline
        """)
    #expect(seen(.users, .staff) == "id email name disabled created_at updated_at")
    #expect(seen(.groups, .staff) == "id name state members created_at updated_at")
    #expect(
      seen(.tokens, .staff)
        == "id user_id scope name expires_at created_at revoked_at created_by")
    #expect(seen(.events, .staff) == "number at actor subject kind changes note")
    for table in [Table.users, .groups, .tokens, .events, .referrals, .credentials] {
      #expect(seen(table, .anyone) == "")
    }
    for table in [Table.users, .groups, .tokens, .events] {
      #expect(seen(table, .member) == "")
      #expect(seen(table, .partner) == "")
    }
  }
}
