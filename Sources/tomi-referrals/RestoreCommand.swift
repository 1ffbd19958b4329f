import ArgumentParser
import Domain
import Foundation
import Store

/// `restore`: replaces the database by a backup.
struct RestoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore", abstract: "Replace the database by a backup.",
    discussion: """
      Stop the service first. The backup is copied, brought up to this executable's schema, and \
      checked as `check` does. Then the copy replaces the database. The backup itself does not change, \
      and the replaced database stays next to the new one.

      People and partners that were erased (`person erase`, `partner erase`) in the replaced database \
      are erased again. The replaced database keeps the changes since the backup. Delete it when you \
      no longer need them.

      Changes since the backup are lost. The numbers of their events are not used again, so that \
      readers of the events notice the gap.
      """)

  @OptionGroup var database: DatabaseOption

  @Argument(help: "The backup.")
  var file: String

  func run() throws {
    guard FileManager.default.fileExists(atPath: file) else {
      throw CommandError("the file \(file) does not exist")
    }
    let restoration = try reportingDamage("nothing was restored: \(file) is damaged") {
      try Store.restore(file, to: database.path, now: .present) {
        Progress.update("Restoring: \($0)")
      }
    }
    print("\(database.path): restored from \(file) and checked.")
    if let kept = restoration.kept { print("\(kept): the replaced database.") }
    if let lost = restoration.lostEvents {
      print(
        "The backup ends with event \(lost.found). Later events, up to \(lost.expected), are lost.")
    }
    switch restoration.repeatedErasures {
    case nil:
      print(
        "The replaced database can't be read. If it knew erasures, repeat them with `person erase` "
          + "and `partner erase`.")
    case 0?: break
    case let count?: print("Repeated \(Wording.count(count, "erasure")) of the replaced database.")
    }
  }
}
