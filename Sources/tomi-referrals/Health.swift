import ArgumentParser

/// `health`: asks the running service.
struct Health: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Ask the running service whether its database answers.",
    discussion: "Sends GET /api/health to the service's socket, and prints the answer.")

  @OptionGroup var socket: SocketOption

  func validate() throws { _ = try socket.path }

  func run() throws { print(try socket.get("/api/health")) }
}
