import CSpawn
import Domain
import Glibc
import POSIX

/// A program that takes a message on its standard input.
struct MailProgram {
  let path: String
  /// The time that it has.
  let limit: Duration

  /// The time from SIGTERM to SIGKILL.
  private static let grace = Duration.seconds(2)

  /// What it may write, in bytes, before its writes fail.
  private static let outputLimit = 1 << 20

  /// Runs the program.
  ///
  /// Its standard output and its standard error are a file in memory and not a pipe. So nobody has to read while it
  /// runs, and a process that it leaves behind holds nothing up.
  func run(_ arguments: [String], input message: [UInt8]) -> DeliveryResult {
    let input = memory_file(0)
    guard input >= 0 else { return cannotStart(errno) }
    defer { close(input) }
    guard writeAll(message, to: input), lseek(input, 0, SEEK_SET) == 0 else {
      return cannotStart(errno)
    }
    let output = memory_file(MailProgram.outputLimit)
    guard output >= 0 else { return cannotStart(errno) }
    defer { close(output) }

    var process = pid_t()
    var end: Int32 = -1
    let home = getenv("HOME").map { String(cString: $0) } ?? "/"
    let code = withCStrings([path] + arguments) { arguments in
      withCStrings([
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=\(home)",
        "LANG=C.UTF-8",
      ]) { environment in
        spawn_group(&process, &end, path, arguments, environment, input, output)
      }
    }
    guard code == 0 else { return cannotStart(code) }
    defer { close(end) }

    let hasEnded = wait(for: end, limit)
    if !hasEnded {
      // The process is not waited for before the last signal, so that no other one can have its number.
      kill(-process, SIGTERM)
      _ = wait(for: end, MailProgram.grace)
      kill(-process, SIGKILL)
    }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 {
      guard errno == EINTR else {
        return .temporarily("\(path): \(systemErrorText(errno))".asReason)
      }
    }
    guard hasEnded else {
      return .temporarily(
        "\(path) did not end within \(limit.milliseconds / 1000) s".asReason)
    }
    return result(status, lastLines(of: output))
  }

  private func cannotStart(_ code: Int32) -> DeliveryResult {
    .temporarily("cannot start \(path): \(systemErrorText(code))".asReason)
  }

  /// Waits until the descriptor of a process is readable, but no longer than the duration.
  ///
  /// - Returns: Whether the process has ended.
  private func wait(for end: Int32, _ duration: Duration) -> Bool {
    let deadline = MonotonicInstant.now + duration
    while true {
      let rest = max(0, (deadline - .now).nanoseconds)
      var descriptor = pollfd(fd: end, events: Int16(POLLIN), revents: 0)
      // Rounded up, so that the last millisecond is no busy loop.
      if poll(&descriptor, 1, Int32(clamping: (rest + 999_999) / 1_000_000)) > 0 { return true }
      if rest == 0 { return false }
    }
  }

  /// What a status of waitpid(2) means.
  private func result(_ status: Int32, _ lastLines: String) -> DeliveryResult {
    let signal = status & 0x7F
    guard signal == 0 else {
      let name = strsignal(signal).map { String(cString: $0) } ?? "unknown"
      return .temporarily(reason("signal \(signal) (\(name))", lastLines))
    }
    let exit = status >> 8 & 0xFF
    guard exit != 0 else { return .accepted }
    let name = exitNames[exit].map { " (\($0))" } ?? ""
    let text = reason("exit status \(exit)\(name)", lastLines)
    return permanentExits.contains(exit) ? .permanently(text) : .temporarily(text)
  }

  private func reason(_ end: String, _ lastLines: String) -> String {
    (lastLines.isEmpty ? end : "\(end): \(lastLines)").asReason
  }

  /// The last three lines with any text that the program wrote. msmtp names the server's reason before its last line.
  private func lastLines(of output: Int32) -> String {
    let end = min(lseek(output, 0, SEEK_CUR), MailProgram.outputLimit)
    // Longer lines are of no use, because a reason is shorter.
    let start = max(0, end - 4096)
    var bytes = [UInt8](repeating: 0, count: max(0, end - start))
    let count = pread(output, &bytes, bytes.count, start)
    guard count > 0 else { return "" }
    return String(decoding: bytes[..<count], as: UTF8.self).split(whereSeparator: \.isNewline)
      .map { String($0).onOneLine }.filter { !$0.isEmpty }.suffix(3).joined(separator: " / ")
  }
}

/// The exit statuses of mail programs (sysexits.h of BSD and glibc).
private let exitNames: [Int32: String] = [
  64: "EX_USAGE", 65: "EX_DATAERR", 66: "EX_NOINPUT", 67: "EX_NOUSER", 68: "EX_NOHOST",
  69: "EX_UNAVAILABLE", 70: "EX_SOFTWARE", 71: "EX_OSERR", 72: "EX_OSFILE", 73: "EX_CANTCREAT",
  74: "EX_IOERR", 75: "EX_TEMPFAIL", 76: "EX_PROTOCOL", 77: "EX_NOPERM", 78: "EX_CONFIG",
]

/// The message itself or its recipient is refused.
private let permanentExits: Set<Int32> = [64, 65, 67, 68, 77]

/// Calls `body` with the texts as an array of C strings that ends with a null pointer.
private func withCStrings<T>(
  _ texts: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> T
) -> T {
  let copies = texts.map { strdup($0) } + [nil]
  defer { for copy in copies { free(copy) } }
  return copies.withUnsafeBufferPointer { body($0.baseAddress!) }
}
