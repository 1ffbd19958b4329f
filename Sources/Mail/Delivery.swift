import Domain
import Glibc
import POSIX

/// Where messages are handed over.
package enum Delivery: Equatable, Sendable {
  /// A program with the interface of sendmail(1), which postfix, msmtp, nullmailer and exim have.
  case program(path: String)
  /// A directory where each message becomes a file with the ending `.eml`.
  case directory(String)

  /// Hands a message over.
  ///
  /// The program gets the message as a file on its standard input, so that it can take all of it or nothing. It is
  /// ended with all that it started if it takes longer than `limit`. What it leaves running when it ends by itself,
  /// such as a delivery in the background, goes on.
  ///
  /// The file in the directory has its name only when it is whole and on the disk. One with the same ID is replaced.
  /// The directory is created, for its owner alone, if it is missing.
  ///
  /// - Parameters:
  ///   - message: What `MailMessage.bytes` has.
  ///   - from: The sender's address, which gets the message back if it cannot be delivered.
  ///   - to: The recipient's address.
  ///   - id: The message's ID.
  ///   - limit: The time that the program has.
  package func deliver(
    _ message: [UInt8], from: String, to: String, id: ID, limit: Duration = .seconds(60)
  ) -> DeliveryResult {
    switch self {
    case .program(let path):
      MailProgram(path: path, limit: limit).run(
        ["-i", "-f", from.mailAddress, "--", to.mailAddress], input: message)
    case .directory(let path): store(message, in: path, id: id)
    }
  }

  private func store(_ message: [UInt8], in directory: String, id: ID) -> DeliveryResult {
    func failure(_ action: String, _ path: String) -> DeliveryResult {
      let reason = systemErrorText(errno)
      return .temporarily("cannot \(action) \(path): \(reason)".asReason)
    }
    guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
      return failure("create", directory)
    }
    let path = "\(directory)/\(id).eml"
    let unfinished = "\(directory)/.\(id).eml"
    let file = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else { return failure("create", unfinished) }
    guard writeAll(message, to: file), fsync(file) == 0 else {
      let result = failure("write", unfinished)
      close(file)
      unlink(unfinished)
      return result
    }
    close(file)
    guard rename(unfinished, path) == 0 else {
      let result = failure("create", path)
      unlink(unfinished)
      return result
    }
    // Without it, the name could be lost in a crash.
    let parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { if parent >= 0 { close(parent) } }
    guard parent >= 0, fsync(parent) == 0 else { return failure("write", directory) }
    return .accepted
  }
}

/// Writes all bytes.
///
/// - Returns: Whether it succeeded; if not, `errno` has the reason.
func writeAll(_ bytes: [UInt8], to file: Int32) -> Bool {
  var rest = bytes[...]
  while !rest.isEmpty {
    let count = rest.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
    if count < 0 && errno == EINTR { continue }
    guard count >= 0 else { return false }
    rest = rest.dropFirst(count)
  }
  return true
}

extension String {
  /// The text as a reason of a ``DeliveryResult``.
  var asReason: String { onOneLine.shortened(to: 500) }
}
