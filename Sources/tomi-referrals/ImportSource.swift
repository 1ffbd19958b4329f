import ArgumentParser
import Domain
import Glibc
import POSIX

/// The arguments of every import: which file it reads, and whether it writes.
struct ImportSource: ParsableArguments {
  enum Encoding: String, ExpressibleByArgument, CaseIterable {
    case utf8 = "utf-8"
    case windows1252 = "windows-1252"

    init?(argument: String) { self.init(rawValue: argument.lowercased()) }
  }

  @Argument(help: ArgumentHelp("The CSV file; - for standard input.", valueName: "file"))
  var path: String

  @Option(help: "The file's encoding.")
  var encoding = Encoding.utf8

  @Flag(help: "Check the whole file, and say what would be done, without doing it.")
  var dryRun = false

  /// The file as messages name it.
  var name: String { path == "-" ? "standard input" : path }

  /// The file's text as UTF-8 without a byte-order mark.
  ///
  /// - Throws: `CommandError`, `CSV.SyntaxError`.
  func text() throws -> [UInt8] {
    Progress.update("Reading \(name)")
    let bytes = try bytes()
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      throw CSV.SyntaxError(line: 1, detail: "The text is UTF-16. Save the file as CSV in UTF-8.")
    }
    let hasMark = bytes.starts(with: [0xEF, 0xBB, 0xBF])
    guard encoding == .windows1252 else { return hasMark ? Array(bytes.dropFirst(3)) : bytes }
    if hasMark {
      throw CSV.SyntaxError(
        line: 1, detail: "The text is UTF-8, as its byte-order mark says, not windows-1252.")
    }
    return try ImportSource.decodeWindows1252(bytes)
  }

  /// Everything in the file. A pipe has no size, so it is read to its end.
  private func bytes() throws -> [UInt8] {
    let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw CommandError("cannot read \(name): \(systemErrorText(errno))")
    }
    defer { if descriptor != STDIN_FILENO { Glibc.close(descriptor) } }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else {
        throw CommandError("cannot read \(name): \(systemErrorText(errno))")
      }
      if count == 0 { return bytes }
      bytes += buffer[..<count]
    }
  }

  /// The characters of the bytes 0x80 to 0x9F in windows-1252; 0 for those without a character
  /// (<https://www.unicode.org/Public/MAPPINGS/VENDORS/MICSFT/WINDOWS/CP1252.TXT>).
  private static let windows1252: [UInt16] = [
    0x20AC, 0, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039,
    0x0152, 0, 0x017D, 0, 0, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC,
    0x2122, 0x0161, 0x203A, 0x0153, 0, 0x017E, 0x0178,
  ]

  private static func decodeWindows1252(_ bytes: [UInt8]) throws -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count + bytes.count / 16)
    var line = 1
    for byte in bytes {
      // From 0xA0 on, the bytes are the numbers of their characters.
      let code = (0x80...0x9F).contains(byte) ? windows1252[Int(byte) - 0x80] : UInt16(byte)
      guard code != 0 || byte == 0, let scalar = Unicode.Scalar(code) else {
        throw CSV.SyntaxError(
          line: line,
          detail: "The text is not windows-1252, which has no character for the byte \(byte).")
      }
      text += UTF8.encode(scalar)!
      if byte == UInt8(ascii: "\n") { line += 1 }
    }
    return text
  }
}
