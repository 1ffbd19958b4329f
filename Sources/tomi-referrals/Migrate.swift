import ArgumentParser
import Store

/// `migrate`: brings the schema up to date.
struct Migrate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Create the database, or bring its schema up to date.",
    discussion: "Each migration is one transaction. The service does the same when it starts.")

  @OptionGroup var database: DatabaseOption

  @Flag(name: .customLong("dry-run"), help: "Only print what would be done.")
  var dryRun = false

  func run() throws {
    let migrations = try Migrator.migrate(path: database.path, dryRun: dryRun)
    if migrations.isEmpty { print("The schema is up to date.") }
    for migration in migrations {
      print(
        "\(dryRun ? "Would apply" : "Applied") migration \(migration.number), \(migration.name).")
    }
  }
}
