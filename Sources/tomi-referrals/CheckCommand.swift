import ArgumentParser
import Domain
import Store

/// `check`: finds damage.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Find damage in the database.",
    discussion: """
      Checks the integrity of the file, foreign keys, counts, the search index and the history. \
      Prints each problem, and exits with 1 if there is one.
      """)

  @OptionGroup var database: DatabaseOption

  func run() throws {
    let store = try database.open()
    defer { store.close() }
    let findings = try store.check(now: .present) { Progress.update("Checking: \($0)") }
    Progress.end()
    for finding in findings { print(finding) }
    guard findings.isEmpty else {
      throw CommandError("the check found \(Wording.count(findings.count, "problem"))")
    }
    print("No problems found.")
  }
}
