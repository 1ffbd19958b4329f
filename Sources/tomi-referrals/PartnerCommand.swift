import ArgumentParser
import Domain
import Store

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
