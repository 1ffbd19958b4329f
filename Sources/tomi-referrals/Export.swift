import ArgumentParser
import Foundation
import Store

/// `export`: writes records for a spreadsheet or another database.
struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write records to standard output.",
    discussion: """
      Users, groups, partners and referral requests are written as CSV in UTF-8 with a byte-order mark, \
      by which spreadsheets know the encoding. A cell that begins, after any apostrophes, with = + - or @ \
      (or their full-width forms), a tab or a carriage return, which a spreadsheet could run as a formula, \
      gets an apostrophe before it. An import removes it again, and takes each file back as it is.
      """,
    subcommands: [
      Users.self, Groups.self, Partners.self, Referrals.self, Postgres.self,
    ])

  struct Users: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write all users as CSV, oldest first.")

    @OptionGroup var database: DatabaseOption

    func run() throws { try Export.write(.users, of: database) }
  }

  struct Groups: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write all groups with their members' IDs as CSV, oldest first.")

    @OptionGroup var database: DatabaseOption

    func run() throws { try Export.write(.groups, of: database) }
  }

  struct Partners: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write all partners as CSV, oldest first.")

    @OptionGroup var database: DatabaseOption

    func run() throws { try Export.write(.partners, of: database) }
  }

  struct Referrals: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write all referral requests as CSV, oldest first.")

    @OptionGroup var database: DatabaseOption

    func run() throws { try Export.write(.referrals, of: database) }
  }

  struct Postgres: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write all data as SQL for PostgreSQL 15.",
      discussion: """
        The output is one transaction. It creates the tables in an empty database, with PostgreSQL's \
        own types (UUID, JSONB, TIMESTAMPTZ), and fills them:

          tomi-referrals export postgres > referrals.sql
          psql --set ON_ERROR_STOP=1 --dbname DATABASE --file referrals.sql

        Derived data (areas of partners, counts, the search index) is not written. The hashes of \
        tokens are: protect the file as you protect the database.
        """)

    @OptionGroup var database: DatabaseOption

    func run() throws {
      defer { Progress.end() }
      try Export.write(database) { snapshot, write in
        try snapshot.postgres(write: write) { Progress.update("Exporting \($0)") }
      }
    }
  }

  /// Writes a table as CSV.
  private static func write(_ table: Table, of database: DatabaseOption) throws {
    defer { Progress.end() }
    try write(database) { snapshot, write in
      // Without a byte-order mark, a spreadsheet reads UTF-8 as another encoding.
      try write("\u{FEFF}" + CSV.line(table.exportedColumns))
      var count = 0
      try snapshot.export(table) { cells in
        if count.isMultiple(of: 1_000) { Progress.update("Exporting: \(count) rows") }
        count += 1
        try write(CSV.line(cells))
      }
    }
  }

  /// Writes the texts that `body` makes of one snapshot.
  static func write(
    _ database: DatabaseOption,
    _ body: (_ snapshot: Snapshot, _ write: (String) throws -> Void) throws -> Void
  ) throws {
    let store = try database.open()
    defer { store.close() }
    // All of it goes to a temporary file first. Otherwise a slow reader of standard output, such as less(1),
    // would hold the snapshot, and the write-ahead log could not start over.
    let path = "\(NSTemporaryDirectory())/tomi-export-\(UUID().uuidString)"
    guard
      FileManager.default.createFile(
        atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]),
      let file = FileHandle(forUpdatingAtPath: path)
    else { throw CommandError("cannot create \(path)") }
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
}
