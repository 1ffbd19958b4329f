import FastCGI
import Foundation
import Glibc
import Synchronization
import Testing

@Suite("The listening socket")
struct ListeningSocketTests {
  static func mode(of path: String) throws -> mode_t {
    var status = stat()
    guard lstat(path, &status) == 0 else { throw WireError(description: "no \(path)") }
    return status.st_mode
  }

  static func message(_ body: () throws -> ListeningSocket) -> String? {
    do {
      try body().close()
      return nil
    } catch {
      return "\(error)"
    }
  }

  @Test("permissions and group are those asked for, whatever the umask")
  func permissions() async {
    await #expect(processExitsWith: .success) {
      let directory = TemporaryDirectory()
      let group = String(cString: getgrgid(getegid()).pointee.gr_name)
      for mask: mode_t in [0, 0o077, 0o777] {
        umask(mask)
        for mode: mode_t in [0o660, 0o600, 0o777] {
          let path = directory.path + "/s"
          let socket = try ListeningSocket.bind(path: path, group: group, mode: mode)
          #expect(try ListeningSocketTests.mode(of: path) == mode_t(S_IFSOCK) | mode)
          socket.close()
        }
      }
      umask(0o077)
    }
  }

  @Test("another group is set, where that is allowed")
  func group() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/s"
    guard geteuid() == 0, let other = getgrnam("daemon") else {
      #expect(
        Self.message { try .bind(path: path, group: "root") }?.hasPrefix("cannot set up") == true)
      return
    }
    let socket = try ListeningSocket.bind(path: path, group: "daemon")
    defer { socket.close() }
    var status = stat()
    #expect(lstat(path, &status) == 0)
    #expect(status.st_gid == other.pointee.gr_gid)
    #expect(status.st_uid == geteuid())
  }

  @Test("close removes its own file, and no other that has come in its place")
  func closing() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/s"
    let first = try ListeningSocket.bind(path: path)
    first.close()
    #expect(!FileManager.default.fileExists(atPath: path))
    let second = try ListeningSocket.bind(path: path)
    // As if this one had been found dead while it was ending.
    #expect(unlink(path) == 0)
    let third = try ListeningSocket.bind(path: path)
    second.close()
    _ = try Peer(path)
    third.close()
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
  }

  @Test("a live instance keeps its socket")
  func live() throws {
    let responder = try Responder()
    #expect(
      Self.message { try .bind(path: responder.path) }
        == "another instance answers on \(responder.path)")
    let peer = try responder.peer()
    peer.send(Wire.request())
    #expect(try peer.answer().protocolStatus == 0)
  }

  @Test("an instance whose backlog is full is alive, too")
  func fullBacklog() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/s"
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    #expect(try bindPlainly(descriptor, path) && listen(descriptor, 0) == 0)
    let first = try Peer(path)
    #expect(Self.message { try .bind(path: path) } == "another instance answers on \(path)")
    #expect(first.descriptor >= 0)
  }

  @Test("a dead socket is replaced")
  func stale() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/s"
    let dead = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    #expect(try bindPlainly(dead, path) && listen(dead, 5) == 0)
    close(dead)
    #expect(throws: WireError.self) { try Peer(path) }
    let socket = try ListeningSocket.bind(path: path)
    _ = try Peer(path)
    socket.close()
  }

  @Test("what is not a socket stays")
  func notASocket() throws {
    let directory = TemporaryDirectory()
    let file = directory.path + "/file"
    try Data("precious".utf8).write(to: URL(fileURLWithPath: file))
    let link = directory.path + "/link"
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: file)
    let other = directory.path + "/directory"
    try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: false)
    for path in [file, link, other] {
      #expect(Self.message { try .bind(path: path) } == "\(path) exists and is not a socket")
    }
    #expect(try Data(contentsOf: URL(fileURLWithPath: link)) == Data("precious".utf8))
  }

  @Test("of many that start at once on one path, one gets it")
  func race() throws {
    // The moment at which two could get in each other's way is short, so they try often.
    for round in 0..<100 {
      let directory = TemporaryDirectory()
      let path = directory.path + "/s"
      if round % 2 == 0 {
        let dead = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        #expect(try bindPlainly(dead, path))
        close(dead)
      }
      let sockets = Record<ListeningSocket>()
      let errors = Record<String>()
      let start = Atomic<Bool>(false)
      let starters = (0..<4).map { _ in
        Background {
          while !start.load(ordering: .acquiring) {}
          do {
            sockets.append(try .bind(path: path))
          } catch {
            errors.append("\(error)")
          }
        }
      }
      start.store(true, ordering: .releasing)
      for starter in starters { #expect(starter.ends(within: 20)) }
      #expect(sockets.all.count == 1)
      #expect(Set(errors.all) == ["another instance answers on \(path)"])
      _ = try Peer(path)
      for socket in sockets.all { socket.close() }
    }
  }

  @Test("a path, directory or group that cannot be used is named")
  func unusable() throws {
    let directory = TemporaryDirectory()
    let long = directory.path + "/" + String(repeating: "s", count: 108)
    #expect(
      Self.message { try .bind(path: long) }
        == "the socket path \(long) has \(long.utf8.count) bytes, and the system allows 107")
    let room = 107 - directory.path.utf8.count - 1
    try ListeningSocket.bind(path: directory.path + "/" + String(repeating: "s", count: room))
      .close()
    #expect(Self.message { try .bind(path: "") } != nil)
    #expect(
      Self.message { try .bind(path: directory.path + "/no/s") }
        == "cannot open the directory \(directory.path)/no: No such file or directory")
    #expect(
      Self.message { try .bind(path: directory.path + "/s", group: "no-such-group") }
        == "there is no group no-such-group")
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
  }

  @Test("a socket on descriptor 0 is taken, as spawn-fcgi passes it, and its file stays")
  func descriptorZero() async {
    await #expect(processExitsWith: .success) {
      let directory = TemporaryDirectory()
      let path = directory.path + "/s"
      try pass(path, as: 0)
      try answersOnce(try ListeningSocket.inherited(), at: path)
      #expect(FileManager.default.fileExists(atPath: path))
    }
  }

  @Test("the socket passed may be an Internet one")
  func internet() async {
    await #expect(processExitsWith: .success) {
      let descriptor = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      var address = loopback(port: 0)
      var size = socklen_t(MemoryLayout<sockaddr_in>.size)
      let listens = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          Glibc.bind(descriptor, $0, size) == 0 && listen(descriptor, 10) == 0
            && getsockname(descriptor, $0, &size) == 0
        }
      }
      try #require(listens)
      dup2(descriptor, 0)
      close(descriptor)
      let socket = try #require(try ListeningSocket.inherited())
      let server = Server(
        socket: socket, configuration: .init(threads: 2, idleTimeout: .seconds(3)),
        handler: { $1(Responder.echo($0)) })
      let run = Background { try! server.run() }
      let kept = try Peer(port: address.sin_port)
      for _ in 0..<2 {
        kept.send(Wire.request([("A", "b")]))
        #expect(try kept.answer().text.hasPrefix("A=b\n"))
      }
      #expect(try kept.isClosed())
      let single = try Peer(port: address.sin_port)
      single.send(Wire.request([("A", "b")], body: Array("x".utf8), keep: false))
      #expect(try single.answer().text.hasSuffix("body 1 x"))
      #expect(try single.isClosed())
      let idle = try Peer(port: address.sin_port)
      idle.send(Wire.request())
      _ = try idle.answer()
      server.stop()
      #expect(run.ends(within: 20))
    }
  }

  @Test("systemd's socket on descriptor 3 is taken, and its variables are unset")
  func systemd() async {
    await #expect(processExitsWith: .success) {
      if getenv("LISTEN_FDS") == nil {
        try startAgain(listeningAt: FileManager.default.temporaryDirectory.path + "/\(UUID()).s")
      }
      let path = String(cString: getenv("LISTEN_FDNAMES"))
      defer { unlink(path) }
      try answersOnce(try ListeningSocket.inherited(), at: path)
      for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
        try #require(getenv(name) == nil)
      }
      try #require(FileManager.default.fileExists(atPath: path))
    }
  }

  @Test("a socket shared with others goes on listening when this server stops")
  func shared() async {
    await #expect(processExitsWith: .success) {
      let directory = TemporaryDirectory()
      let path = directory.path + "/s"
      try pass(path, as: 0)
      let other = dup(0)
      try answersOnce(try ListeningSocket.inherited(), at: path)
      let peer = try Peer(path)
      let accepted = accept(other, nil, nil)
      #expect(accepted >= 0)
      #expect(peer.send([1]))
    }
  }

  @Test("without a passed socket there is none; one that does not listen is an error")
  func notPassed() async {
    await #expect(processExitsWith: .success) {
      let null = open("/dev/null", O_RDWR)
      dup2(null, 0)
      try #require(ListeningSocket.inherited() == nil)
      // The variables are another process's.
      setenv("LISTEN_PID", "1", 1)
      setenv("LISTEN_FDS", "1", 1)
      try #require(ListeningSocket.inherited() == nil)
      // Descriptor 3 is something of this process's own, which does not listen.
      for count in ["1", "2"] {
        setenv("LISTEN_PID", "\(getpid())", 1)
        setenv("LISTEN_FDS", count, 1)
        #expect(throws: FastCGIError.self) { try ListeningSocket.inherited() }
      }
      setenv("LISTEN_PID", "\(getpid())", 1)
      setenv("LISTEN_FDS", "0", 1)
      try #require(ListeningSocket.inherited() == nil)
    }
  }
}

/// Binds as a program would that knows nothing of ``ListeningSocket``.
func bindPlainly(_ descriptor: Int32, _ path: String) throws -> Bool {
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
  return withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
    }
  }
}

/// Makes a listening socket, in blocking mode as systemd and spawn-fcgi do, and puts it on a
/// descriptor.
func pass(_ path: String, as target: Int32) throws {
  let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
  try #require(try bindPlainly(descriptor, path))
  try #require(listen(descriptor, 10) == 0)
  if descriptor != target {
    dup2(descriptor, target)
    close(descriptor)
  }
}

/// Replaces this process by one of the same program, arguments and process number, which finds
/// what systemd would have given it: a program that runs already has its own use for descriptor 3.
func startAgain(listeningAt path: String) throws {
  func strings(_ file: String) throws -> [String] {
    try Data(contentsOf: URL(fileURLWithPath: "/proc/self/" + file)).split(separator: 0)
      .map { String(decoding: $0, as: UTF8.self) }
  }
  let variables = ["LISTEN_PID=\(getpid())", "LISTEN_FDS=1", "LISTEN_FDNAMES=\(path)"]
  let arguments = try strings("cmdline").map { strdup($0) } + [nil]
  let environment = try (strings("environ") + variables).map { strdup($0) } + [nil]
  try pass(path, as: 3)
  execve("/proc/self/exe", arguments, environment)
  throw WireError(description: "the process could not be replaced")
}

/// Serves one request on a socket, and stops.
func answersOnce(_ socket: ListeningSocket?, at path: String) throws {
  let socket = try #require(socket)
  let server = Server(
    socket: socket, configuration: .init(threads: 2), handler: { $1(Responder.echo($0)) })
  let run = Background { try! server.run() }
  let peer = try Peer(path)
  peer.send(Wire.request([("A", "b")]))
  try #require(try peer.answer().text.hasPrefix("A=b\n"))
  server.stop()
  try #require(run.ends(within: 20))
  socket.close()
}
