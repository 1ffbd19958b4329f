import ArgumentParser
import Domain
import JSON
import Store

/// `import`: adds records from a spreadsheet.
struct Import: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Add records from a CSV file.",
    discussion: """
      An import takes all rows of a file or none. The first row names the columns, in any order. Commas, \
      semicolons or tabs separate them. Rows without any text, and columns at the end without a name \
      and any text, are skipped. An empty cell leaves the field out. Semicolons separate the elements \
      of a list. A time is RFC 3339, or YYYY-MM-DD for the beginning of that day in UTC.

      The file that `export` writes is taken back as it is, with the columns id, created_at and \
      updated_at. A row whose id is already here is skipped if it would change nothing, else it is an \
      error. With --update it changes the record; an empty cell leaves its field alone.

      A cell that begins with = + - or @ (or their full-width forms), a tab or a carriage return may \
      have an apostrophe before it, as `export` writes it. One apostrophe is removed.

      If a row has an error, nothing is written. Each error is printed with its line and column.
      """,
    subcommands: [Users.self, Groups.self, Partners.self, Referrals.self])

  struct Users: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Add or change users from a CSV file, all of them or none.",
      discussion: """
        Required columns: email, name. Optional columns: id (a new one if left out), disabled (true or \
        false), created_at, updated_at. `tomi-referrals help import` says how files are read.

        With --update, a row changes the user with its id, or if it has no id, with its e-mail address. \
        Rows without such a user add one.
        """)

    @OptionGroup var database: DatabaseOption
    @OptionGroup var source: ImportSource

    @Flag(help: "Change the users that are already here, and add the others.")
    var update = false

    func run() throws {
      try Import.run(
        source, into: database, "user", .users, keys: ["id", "email"], updating: update
      ) {
        [update] cells, change in
        try change.importUser(cells, updating: update)
      }
    }
  }

  struct Groups: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Add or change groups from a CSV file, all of them or none.",
      discussion: """
        Required column: name. Optional columns: id (a new one if left out), state, members (IDs or \
        e-mail addresses of users, separated by ;), created_at, updated_at. \
        `tomi-referrals help import` says how files are read.

        With --update, a row changes the group with its id; its members replace the membership. Rows \
        without such a group add one.
        """)

    @OptionGroup var database: DatabaseOption
    @OptionGroup var source: ImportSource

    @Flag(help: "Change the groups that are already here, and add the others.")
    var update = false

    func run() throws {
      try Import.run(
        source, into: database, "group", .groups, keys: ["id"], updating: update
      ) {
        [update] cells, change in
        try change.importGroup(cells, updating: update)
      }
    }
  }

  struct Referrals: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Add referral requests from a CSV file, all of them or none.",
      discussion: """
        Required columns: group_id, requested_by (a user's ID), partner_type. Optional columns: id, \
        status (pending if left out), the group's need (group_size, home_price_min, home_price_max, \
        timeline, state, specific_need), contact_id (if left out: the requester, if \
        a member of the group), partner_id, \
        intro_sent_at, outcome, outcome_notes, assigned_to, follow_up_on, consent_version, \
        consented_at, status_since, created_at, updated_at. Names and e-mail addresses of groups, users \
        and partners may be there, as an export has them; they are not read. `tomi-referrals help import` \
        says how files are read.

        A request may have any status: from matched on it needs a partner_id, and from intro_sent on an \
        intro_sent_at. A group can have one open request for a type and state. Its history begins with \
        the import. Requests that are already here can't be changed by an import.
        """)

    @OptionGroup var database: DatabaseOption
    @OptionGroup var source: ImportSource

    func run() throws {
      let required = ["group_id", "requested_by", "partner_type"]
      try Import.run(source, into: database, "request", known: Table.referrals.exportedFields) {
        names in
        required.filter { !names.contains($0) }
      } row: { cells, change in
        try change.importReferral(cells)
      }
    }
  }

  struct Partners: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Add or change partners from a CSV file, all of them or none.",
      discussion: """
        Required columns: type (attorney, lender, agent, title, insurance, cpa), company_name, email. \
        Optional columns: status (invited, pending_review or active), contact_name, phone, website, \
        service_areas (state codes separated by ;), co_ownership_certified (true or false), \
        agreement_signed_at, description, languages (codes of ISO 639-1 separated by ;), \
        affiliation_disclosure, paused_until (YYYY-MM-DD), max_open_referrals (1 to 1000), notes, user_id \
        (the linked user). `tomi-referrals help import` says how files are read.

        The file that `export partners` writes is taken back as it is: its columns id, invited_by, \
        created_at and updated_at are kept, and a partner with an id may have any status. A user_id \
        must be known here; an invited_by that is not known is left empty, and the output says so. A \
        row whose id is already here is skipped if it would change nothing, else it is an error.

        With --update, a row changes the partner with its id, or if it has no id, the partner of its \
        type and e-mail address that is not removed. An empty cell leaves the field alone. So do id, \
        invited_by, created_at and updated_at. A new status must be allowed after the present one. \
        Rows without such a partner add one. The file needs the column id, or type and email.
        """)

    @OptionGroup var database: DatabaseOption
    @OptionGroup var source: ImportSource

    @Flag(help: "Change the partners that are already here, and add the others.")
    var update = false

    func run() throws {
      let table = Table.partners
      let required = table.fields.filter { $0.traits.contains(.required) }.map(\.name)
      try Import.run(source, into: database, "partner", known: table.exportedFields) { names in
        if !update { return required.filter { !names.contains($0) } }
        return names.contains("id") ? [] : ["type", "email"].filter { !names.contains($0) }
      } row: { [update] cells, change in
        try change.importPartner(cells, updating: update)
      }
    }
  }

  /// Imports a file of a table whose rows can be changed, in one transaction.
  ///
  /// - Parameter keys: The columns that each find the resource to change. A file of changes needs one of them, and
  ///   no other column.
  private static func run(
    _ source: ImportSource, into database: DatabaseOption, _ noun: String, _ table: Table,
    keys: [String], updating: Bool,
    row: @escaping @Sendable (_ cells: JSON, Change) throws -> ImportedRow
  ) throws {
    let required = table.fields.filter { $0.traits.contains(.required) }.map(\.name)
    try run(
      source, into: database, noun, known: table.exportedFields,
      missing: { names in
        updating && keys.contains(where: names.contains)
          ? [] : required.filter { !names.contains($0) }
      }, row: row)
  }

  /// Imports a file in one transaction.
  ///
  /// - Parameters:
  ///   - noun: What a row is, such as "partner".
  ///   - known: The fields that a column may hold.
  ///   - missing: The columns that are missing beside those with these names.
  ///   - row: Stores the cells of a row that are not empty.
  private static func run(
    _ source: ImportSource, into database: DatabaseOption, _ noun: String, known: [Field],
    missing: ([String]) -> [String],
    row: @escaping @Sendable (_ cells: JSON, Change) throws -> ImportedRow
  ) throws {
    defer { Progress.end() }
    do {
      let sheet = try Sheet(source.text(), of: source.name, known: known, missing: missing)
      let store = try database.open()
      defer { store.close() }
      let counts = try store.fill(now: .present, isKept: !source.dryRun) { change in
        try write(sheet, row, in: change)
      }
      Progress.end()
      print(counts.text(noun, isDone: !source.dryRun))
    } catch let error as CSV.SyntaxError {
      try fail(["line \(error.line): \(error.detail)"])
    } catch let errors as Sheet.Errors {
      try fail(errors.lines)
    }
  }

  private static func fail(_ lines: [String]) throws {
    Progress.end()
    // On standard output, because standard error gets only one line.
    for line in lines { print(line) }
    throw CommandError("nothing was imported: \(Wording.count(lines.count, "error"))")
  }

  /// Stores all rows.
  ///
  /// - Throws: `Sheet.Errors` with every mistake.
  private static func write(
    _ sheet: Sheet, _ store: (JSON, Change) throws -> ImportedRow, in change: Change
  ) throws -> Counts {
    var counts = Counts()
    var errors: [String] = []
    for (index, row) in sheet.rows.enumerated() {
      if index.isMultiple(of: 100) {
        Progress.update("Importing: \(100 * index / sheet.rows.count) %")
      }
      do {
        counts.add(try store(sheet.cells(of: row), change))
      } catch let mistakes as Sheet.Errors {
        errors += mistakes.lines
      } catch let failure as Failure {
        errors += try Sheet.lines(failure, of: row)
      }
    }
    guard errors.isEmpty else { throw Sheet.Errors(lines: errors) }
    return counts
  }

  /// What became of the rows.
  private struct Counts: Sendable {
    private var (added, updated, unchanged, withoutInviter) = (0, 0, 0, 0)

    mutating func add(_ row: ImportedRow) {
      switch row.outcome {
      case .added: added += 1
      case .updated: updated += 1
      case .unchanged: unchanged += 1
      }
      if row.lacksInviter { withoutInviter += 1 }
    }

    /// A report.
    ///
    /// - Parameter isDone: Whether the rows were stored, not only checked.
    func text(_ noun: String, isDone: Bool) -> String {
      var parts = ["\(isDone ? "Imported" : "Would import") \(Wording.count(added, noun))"]
      if updated > 0 { parts.append("\(isDone ? "updated" : "update") \(updated)") }
      if unchanged > 0 { parts.append("\(isDone ? "left" : "leave") \(unchanged) as they are") }
      var text = parts.joined(separator: ", ") + "."
      if withoutInviter > 0 {
        text +=
          "\ninvited_by is empty in \(withoutInviter) of them: their users are not known here."
      }
      if !isDone { text += "\nNothing was written." }
      return text
    }
  }
}
