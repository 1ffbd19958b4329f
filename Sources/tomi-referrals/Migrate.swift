import ArgumentParser
import Store

/// `migrate`: brings the schema up to date.
struct Migrate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Create the database, or bring its schema up to date.",
    discussion: """
      Each migration is one transaction: if it is interrupted, the database stays as it was before. The \
      service does the same when it starts. Make a backup before you install a new version, since an \
      older version can't use the database afterwards.
      """)

  @OptionGroup var database: DatabaseOption

  @Flag(
    name: .customLong("dry-run"),
    help: "Only print what would be done, and about how long it would take.")
  var dryRun = false

  func run() throws {
    defer { Progress.end() }
    let seconds = Migrator.expectedSeconds(path: database.path)
    let migrations = try Migrator.migrate(path: database.path, dryRun: dryRun) { migration, share in
      Progress.update(
        "Applying migration \(migration.number), \(migration.name): \(Int(100 * share)) %")
    }
    Progress.end()
    if migrations.isEmpty { print("The schema is up to date.") }
    for migration in migrations {
      print(
        "\(dryRun ? "Would apply" : "Applied") migration \(migration.number), \(migration.name).")
    }
    if dryRun, !migrations.isEmpty {
      print("This takes \(seconds > 1 ? "about \(seconds) seconds" : "about a second").")
    }
  }
}
