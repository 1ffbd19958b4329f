import ArgumentParser
import Domain
import Store

/// `person`: shows or erases what is kept of a person.
struct PersonCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "person", abstract: "Export or erase the data of a person.",
    subcommands: [Export.self, Erase.self])

  struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write all that is kept of a person as JSON.",
      discussion: """
        Standard output gets one object: the user, the tokens without their secrets, the groups, the \
        person's requests, the partner records that are linked to the user, and the events by and \
        about the person. It is what staff sees, notes included. Read it before you hand it out.
        """)

    @OptionGroup var database: DatabaseOption

    @Argument(help: "The ID or the e-mail address of the user.")
    var user: String

    func run() throws {
      try tomi_referrals.Export.write(database) { snapshot, write in
        try snapshot.exportPerson(try known(user, in: snapshot).id, write: write)
      }
    }
  }

  struct Erase: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Erase the personal data of a person for good.",
      discussion: """
        Replaces the user's name and e-mail address, and removes the names of the user's tokens, the \
        free texts, outcome notes and consent of the person's requests, these values in the history, \
        the notes on these requests, and the notes that the person wrote. The user is disabled and \
        leaves all groups, and the tokens end. Stored answers that could show the person are deleted. \
        What happened, when, and to which IDs stays, and so do the names of groups. The notes of a \
        former member of staff on others' requests stay as well.

        It is refused as long as a request of the person is pending, matched, introduced or connected; \
        --force cancels such requests. It is refused for a user with a valid admin token: revoke that \
        first. A partner record that is linked to the user is not touched; see `partner erase`.

        \(erasureDiscussion)
        """)

    @OptionGroup var database: DatabaseOption
    @OptionGroup var options: ErasureOptions

    @Argument(help: "The ID or the e-mail address of the user.")
    var user: String

    func run() throws {
      let store = try database.open()
      defer { store.close() }
      let (id, partners) = try store.read(now: .present) { snapshot in
        let id = try known(user, in: snapshot).id
        return (id, try snapshot.partnerID(ofUser: id))
      }
      try options.erase(ErasureSubject(.user, id), in: store)
      if let partners {
        print(
          "The partner \(partners) is linked to this user. To erase it as well: "
            + "tomi-referrals partner erase \(partners)")
      }
    }
  }
}

/// `partner`: erases what is kept of a partner.
struct PartnerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "partner", abstract: "Erase the data of a partner.", subcommands: [Erase.self])

  struct Erase: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Erase the personal data of a partner for good.",
      discussion: """
        Removes the partner, and replaces or removes its names, e-mail address, telephone number, \
        website and all other texts, these values in the history, the notes on the partner, and the \
        reasons that it gave for its answers. Stored answers that could show it are deleted. What \
        happened, when, and to which IDs stays. The linked user is not touched; see `person erase`.

        It is refused as long as a request with the partner is matched, introduced or connected. With \
        --force, matched requests return to pending, and the others are cancelled.

        \(erasureDiscussion)
        """)

    @OptionGroup var database: DatabaseOption
    @OptionGroup var options: ErasureOptions

    @Argument(help: "The ID of the partner.")
    var id: ID

    func run() throws {
      let store = try database.open()
      defer { store.close() }
      try options.erase(ErasureSubject(.partner, id), in: store)
    }
  }
}

private let erasureDiscussion = """
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

  fileprivate func erase(_ subject: ErasureSubject, in store: Store) throws {
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
        "\(counted(ids.count, "request")) still open; end them, or use --force: \(list)")
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

/// The user with an ID or an e-mail address.
///
/// - Throws: `CommandError` if there is none.
func known(_ user: String, in snapshot: Snapshot) throws -> User {
  guard let known = try snapshot.user(named: user) else {
    throw CommandError("no user has the ID or the e-mail address \(user)")
  }
  return known
}
