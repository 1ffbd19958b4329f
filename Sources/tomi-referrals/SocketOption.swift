import ArgumentParser
import FastCGI

/// The option that names the socket of the service.
struct SocketOption: ParsableArguments {
  @Option(
    name: .customLong("socket"),
    help: ArgumentHelp("The service's Unix socket (default: TOMI_SOCKET).", valueName: "path"))
  private var option: String?

  /// The socket's path.
  ///
  /// - Throws: `ValidationError` if neither the option nor the variable names it.
  var path: String {
    get throws {
      guard let path = option ?? environment("TOMI_SOCKET") else {
        throw ValidationError("No socket is given. Use --socket PATH or set TOMI_SOCKET.")
      }
      return path
    }
  }

  /// Sends a GET request to the running service as a web server would.
  ///
  /// - Returns: The body of the answer.
  /// - Throws: `FastCGIError` if there is no answer, `CommandError` if its status is not 200.
  func get(_ target: String) throws -> String {
    let answer = try Client.get(target, from: path, requestID: "command")
    let text = String(decoding: answer.body, as: UTF8.self)
    guard answer.status == .ok else {
      throw CommandError("the service answered with status \(answer.status.code): \(text)")
    }
    return text
  }
}

extension Client {
  /// Sends a GET request with a request ID for the log.
  ///
  /// - Parameter timeout: The limit for all of it, from connecting to the end of the answer.
  /// - Throws: `FastCGIError` if there is no answer in time.
  static func get(
    _ target: String, from path: String, requestID: String, timeout: Duration = .seconds(5)
  ) throws -> Response {
    try send(
      to: path,
      parameters: [
        ("REQUEST_METHOD", "GET"), ("REQUEST_URI", target), ("REQUEST_ID", requestID),
      ], timeout: timeout)
  }
}
