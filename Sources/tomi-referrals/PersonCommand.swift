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

/// The user with an ID or an e-mail address.
///
/// - Throws: `CommandError` if there is none.
func known(_ user: String, in snapshot: Snapshot) throws -> User {
  guard let known = try snapshot.user(named: user) else {
    throw CommandError("no user has the ID or the e-mail address \(user)")
  }
  return known
}
