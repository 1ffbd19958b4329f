import Domain
import Foundation
import JSON
import Testing

@testable import Mail

/// A directory of a test's own, removed with all that is in it when the test is done.
final class TemporaryDirectory {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory
      .appending(path: "MailTests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file.
  ///
  /// - Returns: Its path.
  @discardableResult
  func write(_ text: some StringProtocol, to name: String, mode: Int = 0o600) throws -> String {
    try write(Array(text.utf8), to: name, mode: mode)
  }

  @discardableResult
  func write(_ bytes: [UInt8], to name: String, mode: Int = 0o600) throws -> String {
    let file = "\(path)/\(name)"
    try Data(bytes).write(to: URL(filePath: file))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
    return file
  }

  /// Writes a program.
  ///
  /// Another program writes the file. A test that starts a process at the same time would pass on a descriptor that
  /// is open for writing, and as long as one is, execve(2) answers ETXTBSY.
  ///
  /// - Returns: Its path.
  func program(_ text: String, to name: String) throws -> String {
    let source = try write(text, to: "\(name).source")
    let install = try Process.run(
      URL(filePath: "/usr/bin/install"), arguments: ["-m", "700", source, "\(path)/\(name)"])
    install.waitUntilExit()
    try #require(install.terminationStatus == 0)
    return "\(path)/\(name)"
  }

  func bytes(of name: String) throws -> [UInt8] {
    try Array(Data(contentsOf: URL(filePath: "\(path)/\(name)")))
  }

  func text(of name: String) throws -> String {
    String(decoding: try bytes(of: name), as: UTF8.self)
  }

  var files: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
  }
}

/// SplitMix64, so that a test has the same random numbers each time.
struct FixedRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

extension MessageKind {
  /// The names of its flags.
  var flags: [String] { names.filter { $0.value == .flag }.keys.sorted() }

  /// Every way to set its flags.
  var flagSettings: [[String: Bool]] {
    flags.reduce([[:]]) { settings, flag in
      settings.flatMap { setting in
        [false, true].map { setting.merging([flag: $0]) { $1 } }
      }
    }
  }

  /// Values for each of its names.
  ///
  /// - Parameters:
  ///   - isFull: Whether what may be null has a value.
  ///   - flags: The values of the flags.
  ///   - text: The text for a name such as `partner.email`.
  func values(
    isFull: Bool, flags: [String: Bool], text: (String) -> String = { $0 }
  ) -> JSON {
    Shape.object(names).value(name: "", isFull: isFull, flags: flags, text: text)
  }
}

extension Shape {
  fileprivate func value(
    name: String, isFull: Bool, flags: [String: Bool], text: (String) -> String
  ) -> JSON {
    switch self {
    case .optional(let shape):
      isFull ? shape.value(name: name, isFull: isFull, flags: flags, text: text) : .null
    case .text, .lines: .string(text(name))
    case .flag: .bool(flags[name] ?? false)
    case .list: preconditionFailure("no value is a list")
    case .object(let members):
      .object(
        members.sorted { $0.key < $1.key }.map { member, shape in
          JSON.Member(
            member,
            shape.value(
              name: name.isEmpty ? member : "\(name).\(member)", isFull: isFull, flags: flags,
              text: text))
        })
    }
  }
}
