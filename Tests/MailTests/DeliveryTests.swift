import Domain
import Foundation
import Glibc
import Testing

@testable import Mail

/// In order, because they change the signals of the process.
@Suite("Delivery", .serialized)
struct DeliveryTests {
  private let directory: TemporaryDirectory
  private let id = ID("0190a5d4-7c3f-7abc-8def-0123456789ab")!
  private let message = Array("Subject: A\n\nFrom here\n.\nZo\u{EB}\n".utf8)

  init() throws {
    directory = try TemporaryDirectory()
  }

  /// Hands the message over to a shell script, which starts in the test's directory.
  private func deliver(
    script: String, from: String = "hello@tomi.example", to: String = "maya@mail.example",
    limit: Duration = .seconds(60), shell: String = "/bin/sh"
  ) throws -> DeliveryResult {
    let program = try directory.program(
      "#!\(shell)\ncd '\(directory.path)'\n\(script)\n", to: "sendmail")
    return Delivery.program(path: program).deliver(
      message, from: from, to: to, id: id, limit: limit)
  }

  @Test("the program gets the message and the addresses")
  func accepted() throws {
    let result = try deliver(
      script: "printf '%s\\n' \"$@\" >arguments; stat -L -c %F /proc/self/fd/0 >kind; cat >message")
    #expect(result == .accepted)
    #expect(try directory.bytes(of: "message") == message)
    #expect(try directory.text(of: "kind") == "regular file\n")
    #expect(
      try directory.text(of: "arguments")
        == "-i\n-f\nhello@tomi.example\n--\nmaya@mail.example\n")
  }

  @Test("an address of a program has no more characters than one in a header")
  func addresses() throws {
    #expect(
      try deliver(
        script: "printf '%s\\n' \"$@\" >arguments", from: "-x@b.example", to: "zoë@bücher.example\n"
      )
        == .accepted)
    #expect(
      try directory.text(of: "arguments") == "-i\n-f\n-x@b.example\n--\nzoë@xn--bcher-kva.example\n"
    )
  }

  @Test("a program may ignore the message")
  func unread() throws {
    #expect(try deliver(script: "exit 0") == .accepted)
  }

  @Test("each exit status", arguments: 1..<256)
  func exits(status: Int) throws {
    let names = [
      64: "EX_USAGE", 65: "EX_DATAERR", 66: "EX_NOINPUT", 67: "EX_NOUSER", 68: "EX_NOHOST",
      69: "EX_UNAVAILABLE",
      70: "EX_SOFTWARE", 71: "EX_OSERR", 72: "EX_OSFILE", 73: "EX_CANTCREAT", 74: "EX_IOERR",
      75: "EX_TEMPFAIL", 76: "EX_PROTOCOL", 77: "EX_NOPERM", 78: "EX_CONFIG",
    ]
    let text = "exit status \(status)\(names[status].map { " (\($0))" } ?? "")"
    let expected: DeliveryResult =
      [64, 65, 67, 68, 77].contains(status) ? .permanently(text) : .temporarily(text)
    #expect(try deliver(script: "exit \(status)") == expected)
  }

  @Test(
    "the reason ends with the program's last three lines, on one line, of at most 500 characters")
  func reasons() throws {
    #expect(
      try deliver(script: "echo first >&2; printf 'no  such\\tuser\\r\\n\\n \\n' >&2; exit 67")
        == .permanently("exit status 67 (EX_NOUSER): first / no such user"))
    #expect(
      try deliver(script: "printf 'not \\377 UTF-8' >&2; exit 75")
        == .temporarily("exit status 75 (EX_TEMPFAIL): not \u{FFFD} UTF-8"))
    #expect(
      try deliver(script: "echo error >&2; echo output; exit 1")
        == .temporarily("exit status 1: error / output"))
    // "exit status 1: " has 15 characters.
    #expect(
      try deliver(script: "head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1")
        == .temporarily("exit status 1: \(String(repeating: "x", count: 484))…"))
    #expect(
      try deliver(script: "seq 1000 >&2; exit 1")
        == .temporarily("exit status 1: 998 / 999 / 1000"))
  }

  @Test("a program that writes without end holds nothing up")
  func endlessOutput() throws {
    #expect(
      try deliver(script: "yes yes >&2; exit 67")
        == .permanently("exit status 67 (EX_NOUSER): yes / yes / yes"))
  }

  @Test("a program that a signal ends may work the next time")
  func killed() throws {
    #expect(
      try deliver(script: "echo so far >&2; kill -9 $$")
        == .temporarily("signal 9 (Killed): so far"))
  }

  @Test("a program that cannot be started may be there the next time")
  func notStarted() throws {
    func result(_ path: String) -> DeliveryResult {
      Delivery.program(path: path).deliver(message, from: "a@b.example", to: "c@d.example", id: id)
    }
    let missing = directory.path + "/missing"
    #expect(
      result(missing) == .temporarily("cannot start \(missing): No such file or directory"))
    let file = try directory.write("#!/bin/sh\n", to: "file", mode: 0o600)
    #expect(result(file) == .temporarily("cannot start \(file): Permission denied"))
    let unknown = try directory.program("exit 0\n", to: "unknown")
    #expect(result(unknown) == .temporarily("cannot start \(unknown): Exec format error"))
  }

  /// Whether the process whose ID is in the file runs.
  private func isRunning(_ file: String) throws -> Bool {
    let text = try directory.text(of: file).trimmingCharacters(in: .whitespacesAndNewlines)
    let status = (try? String(contentsOfFile: "/proc/\(text)/stat", encoding: .utf8)) ?? ""
    // A zombie waits for its parent only.
    return !status.isEmpty && !status.contains(") Z ")
  }

  /// Waits until the process ends, because a signal takes a moment.
  private func waitForEnd(_ file: String) throws {
    for _ in 0..<500 where try isRunning(file) { usleep(10_000) }
    #expect(try !isRunning(file))
  }

  @Test("a program that takes too long is ended, with what it started")
  func timeOut() throws {
    let result = try deliver(
      script: "sleep 1000 & echo $! >child; echo $$ >parent; wait", limit: .seconds(3))
    #expect(result == .temporarily("\(directory.path)/sendmail did not end within 3 s"))
    #expect(try !isRunning("parent"))
    try waitForEnd("child")
  }

  @Test("a program that ignores SIGTERM is ended as well")
  func stubborn() throws {
    let result = try deliver(
      script:
        "trap '' TERM; sleep 1000 & echo $! >child; echo $$ >parent; while :; do sleep 1; done",
      limit: .seconds(3))
    #expect(result == .temporarily("\(directory.path)/sendmail did not end within 3 s"))
    #expect(try !isRunning("parent"))
    try waitForEnd("child")
  }

  @Test("what a program leaves in the background holds nothing up, and goes on")
  func background() throws {
    #expect(try deliver(script: "sleep 1000 & echo $! >child") == .accepted)
    #expect(try isRunning("child"))
    let child = try #require(
      pid_t(try directory.text(of: "child").trimmingCharacters(in: .whitespacesAndNewlines)))
    kill(child, SIGKILL)
  }

  @Test("the program inherits no descriptor")
  func descriptors() throws {
    let secret = try directory.write("secret", to: "secret")
    let files = (0..<3).map { _ in open(secret, O_RDONLY) }
    defer { for file in files { close(file) } }
    #expect(files.allSatisfy { $0 > 2 })
    #expect(
      try deliver(script: "for file in /proc/$$/fd/*; do readlink $file; done | sort -u >list")
        == .accepted)
    let list = Set(try directory.text(of: "list").split(separator: "\n").map(String.init))
    // The shell has its script open, and the pipe of the list.
    #expect(list.contains("/memfd:mail (deleted)"))
    #expect(
      list.subtracting(["/memfd:mail (deleted)", "\(directory.path)/sendmail"]).allSatisfy {
        $0.hasPrefix("pipe:")
      }, "\(list)")
  }

  @Test("the program has no blocked or ignored signal, and an environment of its own")
  func signalsAndEnvironment() throws {
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    let handler = signal(SIGPIPE, SIG_IGN)
    defer { signal(SIGPIPE, handler) }
    #expect(
      try deliver(
        script:
          "grep -E '^Sig(Blk|Ign)' /proc/self/status >signals; tr '\\0' '\\n' </proc/$$/environ >environment",
        // Debian's sh unblocks all signals by itself.
        shell: "/bin/bash"
      )
        == .accepted)
    for line in try directory.text(of: "signals").split(separator: "\n") {
      let signals = try #require(UInt64(line.suffix(16), radix: 16))
      // glibc ignores its own two, 32 and 33, on the way.
      #expect(signals & ~(0b11 << 31) == 0, "\(line)")
    }
    #expect(
      try directory.text(of: "environment").split(separator: "\n").map { $0.prefix { $0 != "=" } }
        == ["PATH", "HOME", "LANG"])
  }

  @Test("a directory gets one file a message, whole, and readable for its owner alone")
  func stored() throws {
    let path = directory.path + "/mail"
    let delivery = Delivery.directory(path)
    let before = umask(0)
    defer { umask(before) }
    #expect(
      delivery.deliver(Array("old".utf8), from: "a@b.example", to: "c@d.example", id: id)
        == .accepted)
    #expect(delivery.deliver(message, from: "a@b.example", to: "c@d.example", id: id) == .accepted)
    #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["\(id).eml"])
    #expect(try directory.bytes(of: "mail/\(id).eml") == message)
    func mode(_ path: String) throws -> Int? {
      (try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber)?
        .intValue
    }
    #expect(try mode(path) == 0o700)
    #expect(try mode("\(path)/\(id).eml") == 0o600)
  }

  @Test("a directory that cannot be used may be usable the next time")
  func notStored() throws {
    func result(_ path: String) -> DeliveryResult {
      Delivery.directory(path).deliver(message, from: "a@b.example", to: "c@d.example", id: id)
    }
    let nested = directory.path + "/a/b"
    #expect(result(nested) == .temporarily("cannot create \(nested): No such file or directory"))
    let file = try directory.write("", to: "file")
    #expect(
      result(file) == .temporarily("cannot create \(file)/.\(id).eml: Not a directory"))
    let taken = directory.path + "/taken"
    try FileManager.default.createDirectory(
      atPath: "\(taken)/\(id).eml", withIntermediateDirectories: true)
    #expect(result(taken) == .temporarily("cannot create \(taken)/\(id).eml: Is a directory"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: taken) == ["\(id).eml"])
  }
}
