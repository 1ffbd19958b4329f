import ArgumentParser
import Domain
import Foundation
import JSON
import Store

/// `import`: records from a spreadsheet.
struct Import: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Add records from a CSV file, all or none.", subcommands: [Partners.self])

  struct Partners: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Add partners from a CSV file, all or none.",
      discussion: """
        The first row names the columns, in any order: type, company_name and email, and perhaps
        status (invited, pending_review or active), contact_name, phone, website, service_areas
        (state codes separated by ;), co_ownership_certified (true or false),
        agreement_signed_at (RFC 3339), notes and user_id. An empty cell is a field left out.
        What export writes beside these (id, invited_by, created_at, updated_at) is the service's
        own to set: leave those columns out.

        If any row is wrong nothing is added, and every mistake is printed with its line and column.
        """)

    @OptionGroup var database: DatabaseOption

    @Argument(help: "The CSV file, in UTF-8.")
    var file: String

    private static let table = Table.partners

    /// The fields that staff gives to a new partner.
    private static let fields = table.fields.filter { $0.createdBy.contains(.staff) }

    func run() throws {
      let data: Data
      do {
        data = try Data(contentsOf: URL(fileURLWithPath: file))
      } catch {
        throw CommandError("\(file) cannot be read")
      }
      let rows: [CSV.Row]
      do {
        rows = try CSV.rows(Array(data))
      } catch let error as CSV.SyntaxError {
        throw Partners.refusal(["line \(error.line): \(error.detail)"])
      }
      guard let header = rows.first else { throw CommandError("\(file) is empty") }
      let names = header.fields.map { $0.trimmingWhitespace() }
      try Partners.check(names)
      let store = try database.open()
      defer { store.close() }
      let records = rows.dropFirst()
      let count = records.count
      Progress.update("Importing")
      do {
        try Partners.add(records, names, to: store)
      } catch let mistakes as Mistakes {
        throw Partners.refusal(mistakes.lines)
      }
      Progress.end()
      print("Imported \(count) partner\(count == 1 ? "" : "s").")
    }

    /// What is wrong with the rows.
    private struct Mistakes: Error {
      let lines: [String]
    }

    private static func add(
      _ records: ArraySlice<CSV.Row>, _ names: [String], to store: Store
    ) throws {
      try store.write(now: .present, actor: nil) { change in
        var mistakes: [String] = []
        for row in records { mistakes += try Partners.add(row, names, in: change) }
        guard mistakes.isEmpty else { throw Mistakes(lines: mistakes) }
      }
    }

    /// The mistakes are printed, since standard error has one line.
    private static func refusal(_ mistakes: [String]) -> CommandError {
      Progress.end()
      for mistake in mistakes { print(mistake) }
      return CommandError(
        "nothing was imported: \(mistakes.count) mistake\(mistakes.count == 1 ? "" : "s")")
    }

    private static func check(_ names: [String]) throws {
      var mistakes: [String] = []
      for (index, name) in names.enumerated() {
        if !fields.contains(where: { $0.name == name }) {
          mistakes.append(
            table.fields.contains { $0.name == name }
              ? "line 1, column \(index + 1): \(name) is set by the service; remove the column"
              : "line 1, column \(index + 1): unknown column \"\(name)\"")
        } else if names.firstIndex(of: name) != index {
          mistakes.append("line 1, column \(index + 1): \(name) is a duplicate")
        }
      }
      for field in fields where field.traits.contains(.required) && !names.contains(field.name) {
        mistakes.append("line 1: the column \(field.name) is missing")
      }
      guard mistakes.isEmpty else { throw Partners.refusal(mistakes) }
    }

    /// Adds one partner.
    ///
    /// - Returns: What is wrong with its row.
    private static func add(_ row: CSV.Row, _ names: [String], in change: Change) throws -> [String]
    {
      guard row.fields.count == names.count else {
        return [
          "line \(row.line): \(row.fields.count) cells, but the first row has \(names.count)"
        ]
      }
      let members = zip(names, row.fields).compactMap { name, cell -> JSON.Member? in
        let text = CSV.plain(cell).trimmingWhitespace()
        guard !text.isEmpty, let field = fields.first(where: { $0.name == name }) else {
          return nil
        }
        return JSON.Member(name, field.kind.value(ofCell: text))
      }
      let body = Body(.object(members), table.fields, by: .staff, at: change.now, isNew: true)
      func line(_ column: String, _ detail: String) -> String {
        "line \(row.line), column \(column): \(detail)"
      }
      do {
        _ = try change.createPartner(body, invitedBy: nil)
        return []
      } catch Failure.validation(let errors) {
        return errors.map { error in
          guard case .pointer(let pointer) = error.place else { return error.problem.detail }
          return line(String(pointer.split(separator: "/").first ?? ""), error.problem.detail)
        }
      } catch Failure.conflict(.partnerExists) {
        return [line("email", "Another partner of this type has this e-mail address.")]
      } catch Failure.conflict(.userAlreadyLinked) {
        return [line("user_id", "This user is linked to another partner.")]
      } catch Failure.conflict(.partnerNotReady(let missing)) {
        return missing.map { line($0, "An active partner needs this.") }
      }
    }
  }
}

/// `export`: records for a spreadsheet.
struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write records to standard output.",
    discussion: """
      Partners and referrals are written as CSV. A cell that a spreadsheet would take for a
      formula, since it begins with = + - or @, gets an apostrophe before it; import takes it off
      again.
      """, subcommands: [Partners.self, Referrals.self, Postgres.self])

  /// Writes a table's header and rows, from one snapshot.
  private static func write(_ database: DatabaseOption, _ table: Table) throws {
    try write(database) { snapshot, write in
      try write(CSV.line(table.exportedColumns))
      try snapshot.export(table) { try write(CSV.line($0)) }
    }
  }

  /// Writes what is made of one snapshot.
  private static func write(
    _ database: DatabaseOption,
    _ body: (_ snapshot: Snapshot, _ write: (String) throws -> Void) throws -> Void
  ) throws {
    let store = try database.open()
    defer { store.close() }
    // First into a file of no name: a reader that takes its time, such as less(1), would keep the
    // write-ahead log from beginning anew.
    let path = "\(NSTemporaryDirectory())/tomi-export-\(UUID().uuidString)"
    guard
      FileManager.default.createFile(
        atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]),
      let file = FileHandle(forUpdatingAtPath: path)
    else { throw CommandError("\(path) cannot be made") }
    unlink(path)
    var pending = Data()
    func flush() throws {
      try file.write(contentsOf: pending)
      pending.removeAll(keepingCapacity: true)
    }
    try store.read(now: .present) { snapshot in
      try body(snapshot) { text in
        pending.append(contentsOf: text.utf8)
        if pending.count >= 1 << 18 { try flush() }
      }
    }
    try flush()
    try file.seek(toOffset: 0)
    while let bytes = try file.read(upToCount: 1 << 20), !bytes.isEmpty {
      try FileHandle.standardOutput.write(contentsOf: bytes)
    }
  }

  struct Postgres: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write everything as SQL for PostgreSQL 15.",
      discussion: """
        One transaction that makes the tables of the data model in an empty database, in PostgreSQL's
        own types (UUID, JSONB, TIMESTAMPTZ), and fills them:

          tomi-referrals export postgres > referrals.sql
          psql --set ON_ERROR_STOP=1 --dbname DATABASE --file referrals.sql

        What is derived (partners' areas, counts, the search index) is left out. The hashes of tokens
        are in it: keep the file as safe as the database.
        """)

    @OptionGroup var database: DatabaseOption

    func run() throws {
      defer { Progress.end() }
      try Export.write(database) { snapshot, write in
        try snapshot.postgres(write: write) { Progress.update("Exporting \($0)") }
      }
    }
  }

  struct Partners: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write all partners as CSV, the oldest first.")

    @OptionGroup var database: DatabaseOption

    func run() throws { try Export.write(database, .partners) }
  }

  struct Referrals: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write all referral requests as CSV, the oldest first.")

    @OptionGroup var database: DatabaseOption

    func run() throws { try Export.write(database, .referrals) }
  }
}
