import ArgumentParser
import Domain
import Store

/// What the help of both erasures says.
let erasureDiscussion = """
  Afterwards the database is rewritten, so that its files have no trace of the data. That takes some \
  seconds for each gigabyte, and as much free space as the database has, both beside it and in the \
  directory of temporary files. Meanwhile the service answers reads, but changes wait or get 503. If \
  the command fails in this part, run it again with the ID.

  Backups from before still have the data until they are deleted. `restore` erases it again.
  """

/// What both erasures take and do.
struct ErasureOptions: ParsableArguments {
  @Flag(help: "End the open requests instead of refusing.")
  var force = false

  @Flag(name: .customLong("dry-run"), help: "Only print what would be done.")
  var dryRun = false

  /// Erases a person or a partner, and prints what was done.
  func erase(_ subject: ErasureSubject, in store: Store) throws {
    let name = "\(subject.kind.rawValue) \(subject.id)"
    let report: ErasureReport?
    do {
      report = try store.fill(now: .present, isKept: !dryRun) { [force] change in
        try change.erase(subject, force ? .cancel : .refuse)
      }
    } catch Failure.notFound {
      throw CommandError("no \(subject.kind.rawValue) has the ID \(subject.id)")
    } catch ErasureRefusal.isStaff {
      throw CommandError("the \(name) is staff; revoke the admin tokens first")
    } catch ErasureRefusal.openRequests(let ids) {
      let list = ids.prefix(10).map(\.text).joined(separator: ", ") + (ids.count > 10 ? ", …" : "")
      throw CommandError(
        "\(Wording.count(ids.count, "request")) still open; end them, or use --force: \(list)")
    }
    if let report {
      print("\(dryRun ? "Would erase" : "Erased") the \(name).")
      for line in report.lines { print(line) }
    } else {
      print("The \(name) was erased before. Nothing was changed.")
    }
    guard !dryRun else { return print("Nothing was written.") }
    Progress.update("Rewriting the database")
    defer { Progress.end() }
    do {
      try store.purge()
    } catch Failure.unavailable(let cause) {
      throw CommandError(
        "the data is erased, but traces can be left in the files; run this again with the ID "
          + "\(subject.id): \(cause)")
    }
  }
}

extension ErasureReport {
  /// What was done, a line each.
  fileprivate var lines: [String] {
    [
      (cancelled, "Requests cancelled"), (returned, "Requests returned to pending"),
      (tokens, "Tokens revoked"), (groups, "Groups left"), (rows, "Records without texts"),
      (events, "Events without texts"),
    ].filter { $0.0 > 0 }.map { "\($0.1): \($0.0)" }
  }
}
