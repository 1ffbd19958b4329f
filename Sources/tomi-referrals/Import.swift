import ArgumentParser
import Domain
import Foundation
import JSON
import Store

/// `import`: adds records from a spreadsheet.
struct Import: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Add records from a CSV file.", subcommands: [Partners.self])

  struct Partners: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Add partners from a CSV file, all of them or none.",
      discussion: """
        The first row names the columns, in any order. These are required: type, company_name, email. \
        These are optional: status (invited, pending_review or active), contact_name, phone, website, \
        service_areas (state codes separated by ;), co_ownership_certified (true or false), \
        agreement_signed_at (RFC 3339), notes, user_id. An empty cell leaves the field out.

        The other columns of an export (id, invited_by, created_at, updated_at) are set by the service. \
        Remove them.

        If a row has an error, nothing is added. Each error is printed with its line and column.
        """)

    @OptionGroup var database: DatabaseOption

    @Argument(help: "The CSV file, in UTF-8.")
    var file: String

    /// The errors in a file, a line of text each.
    private struct Errors: Error {
      let lines: [String]
    }

    private static let table = Table.partners

    /// The fields that staff sets in a new partner.
    private static let fields = table.fields.filter { $0.createdBy.contains(.staff) }

    func run() throws {
      defer { Progress.end() }
      do {
        let count = try addPartners()
        Progress.end()
        print("Imported \(counted(count, "partner")).")
      } catch let errors as Errors {
        Progress.end()
        // On standard output, because standard error gets only one line.
        for line in errors.lines { print(line) }
        throw CommandError("nothing was imported: \(counted(errors.lines.count, "error"))")
      }
    }

    /// Adds the partners of the file.
    ///
    /// - Returns: How many there are.
    /// - Throws: `Errors`, `CommandError`, `Failure`.
    private func addPartners() throws -> Int {
      guard let data = FileManager.default.contents(atPath: file) else {
        throw CommandError("cannot read \(file)")
      }
      let rows: [CSV.Row]
      do {
        rows = try CSV.rows(Array(data))
      } catch let error as CSV.SyntaxError {
        throw Errors(lines: ["line \(error.line): \(error.detail)"])
      }
      guard let header = rows.first else { throw CommandError("\(file) is empty") }
      let names = header.fields.map { $0.trimmingBlanks() }
      let errors = Partners.errors(inColumns: names)
      guard errors.isEmpty else { throw Errors(lines: errors) }
      let store = try database.open()
      defer { store.close() }
      Progress.update("Importing")
      try store.write(now: .present, actor: nil) { change in
        let errors = try rows.dropFirst().flatMap { try Partners.add($0, names, in: change) }
        guard errors.isEmpty else { throw Errors(lines: errors) }
      }
      return rows.count - 1
    }

    private static func errors(inColumns names: [String]) -> [String] {
      let errors = names.enumerated().compactMap { index, name -> String? in
        let place = "line 1, column \(index + 1)"
        if fields.contains(where: { $0.name == name }) {
          return names.firstIndex(of: name) == index
            ? nil : "\(place): duplicate column \"\(name)\""
        }
        return table.fields.contains { $0.name == name }
          ? "\(place): the service sets \(name); remove the column"
          : "\(place): unknown column \"\(name)\""
      }
      return errors
        + fields.filter { $0.traits.contains(.required) && !names.contains($0.name) }
        .map { "line 1: missing column \"\($0.name)\"" }
    }

    /// Adds one partner.
    ///
    /// - Returns: The errors in its row.
    private static func add(_ row: CSV.Row, _ names: [String], in change: Change) throws -> [String]
    {
      guard row.fields.count == names.count else {
        return ["line \(row.line): \(row.fields.count) cells, but the first row has \(names.count)"]
      }
      let members = zip(names, row.fields).compactMap { name, cell -> JSON.Member? in
        let text = CSV.plain(cell).trimmingBlanks()
        guard !text.isEmpty, let field = fields.first(where: { $0.name == name }) else {
          return nil
        }
        return JSON.Member(name, field.kind.value(ofCell: text))
      }
      let body = Body(.object(members), table.fields, by: .staff, at: change.now, isNew: true)
      func line(_ column: Substring, _ detail: String) -> String {
        "line \(row.line), column \(column): \(detail)"
      }
      do {
        _ = try change.createPartner(body, invitedBy: nil)
        return []
      } catch Failure.validation(let errors) {
        return errors.map { error in
          guard case .pointer(let pointer) = error.place else { return error.problem.detail }
          return line(pointer.split(separator: "/").first ?? "", error.problem.detail)
        }
      } catch Failure.conflict(.partnerExists) {
        return [line("email", "Another partner of this type has this e-mail address.")]
      } catch Failure.conflict(.userAlreadyLinked) {
        return [line("user_id", "This user is linked to another partner.")]
      } catch Failure.conflict(.partnerNotReady(let missing)) {
        return missing.map { line($0[...], "This field is required for an active partner.") }
      }
    }
  }
}
