import Foundation
import Glibc
import Synchronization
import Testing

/// The whole service, as a test runs it: the executable behind nginx on a free port, with a new
/// database and an admin token, in a folder of its own.
final class Service: Sendable {
  struct Options: Sendable {
    /// The responder's own options.
    var responder: [String] = []
    /// What starts the responder, such as prlimit(1).
    var wrapper: [String] = []
    /// Browser origins that may read answers.
    var origins: [String] = []
    /// nginx's rate limits, and its cache.
    var limits = false
    var cache = false
    /// Texts to replace in nginx's locations, so that what takes long or much takes less.
    var locations: [String: String] = [:]
    /// The same in the zones of its limits.
    var rates: [String: String] = [:]
    /// Whether the responder has a listening socket of its own, or gets the test's.
    var listening = Listening.own
  }

  /// Where the responder's listening socket comes from.
  enum Listening: String, Sendable, CaseIterable {
    case own
    /// As spawn-fcgi(1) hands it over.
    case descriptor0
    /// As systemd does (sd_listen_fds(3)).
    case descriptor3
  }

  /// The executable: the environment's `TOMI_EXECUTABLE`, else the one beside the tests' own.
  static let executable: String = {
    if let path = ProcessInfo.processInfo.environment["TOMI_EXECUTABLE"] { return path }
    let tests = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    return tests.deletingLastPathComponent().appending(path: "tomi-referrals").path
  }()

  /// The project's folder.
  static let project = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  let folder: String
  let options: Options
  let port: Int
  /// An admin token.
  let token: String
  private let nginx: Program
  private let current: Mutex<Program?>
  private let listener: Int32?

  var database: String { "\(folder)/data/referrals.db" }
  var socket: String { "\(folder)/data/referrals.sock" }
  var logPath: String { "\(folder)/log" }
  var accessLogPath: String { "\(folder)/nginx/access.log" }

  /// Starts the service, runs `body` with it, and stops it: in order, with exit status 0.
  ///
  /// - Parameter logsErrors: Whether the responder may have logged errors of its own; if not, one is
  ///   a failure of the test.
  static func run(
    _ options: Options = Options(), logsErrors: Bool = false,
    sourceLocation: SourceLocation = #_sourceLocation, _ body: (Service) throws -> Void
  ) throws {
    try inFolder { folder in
      let service = try Service(in: folder, options)
      defer { service.kill() }
      try body(service)
      let last = service.current.withLock { $0 }
      #expect(
        last == nil || service.stopResponder() == .exit(0), "\(service.log)",
        sourceLocation: sourceLocation)
      #expect(service.nginx.stop(SIGQUIT) == .exit(0), sourceLocation: sourceLocation)
      if options.listening == .own {
        #expect(
          !FileManager.default.fileExists(atPath: service.socket), "the socket is left behind",
          sourceLocation: sourceLocation)
      }
      guard !logsErrors else { return }
      let errors = service.log.split(separator: "\n")
        .filter { !$0.contains(/"level":"(?:debug|info|notice|warning)"/) }
      #expect(errors.isEmpty, "the responder logged errors", sourceLocation: sourceLocation)
    }
  }

  private init(in folder: String, _ options: Options) throws {
    guard FileManager.default.isExecutableFile(atPath: Service.executable) else {
      throw Trouble("\(Service.executable) is not there: build it, or name it by TOMI_EXECUTABLE")
    }
    self.folder = folder
    self.options = options
    for name in ["data", "nginx"] {
      try FileManager.default.createDirectory(
        atPath: "\(folder)/\(name)", withIntermediateDirectories: false)
    }
    let database = "\(folder)/data/referrals.db"
    let migration = try Service.command(["migrate"], database: database)
    guard migration.status == 0 else { throw Trouble("migrate failed: \(migration.errors)") }
    let creation = try Service.command(
      ["token", "create", "--admin", "--email", "sam@tomi.example"],
      database: database)
    guard creation.status == 0 else { throw Trouble("token create failed: \(creation.errors)") }
    token = creation.lines[0]
    listener = options.listening == .own ? nil : try listen(at: "\(folder)/data/referrals.sock")
    (nginx, port) = try Service.startNginx(in: folder, options)
    current = Mutex(nil)
    try startResponder()
  }

  private static func startNginx(in folder: String, _ options: Options) throws -> (Program, Int) {
    let home = "\(folder)/nginx"
    // Another process may take the port that was free a moment ago.
    for _ in 0..<5 {
      let port = try freePort()
      var arguments = ["--port", "\(port)", "--socket", "\(folder)/data/referrals.sock"]
      for origin in options.origins { arguments += ["--allow-origin", origin] }
      if !options.limits { arguments.append("--no-limits") }
      if !options.cache { arguments.append("--no-cache") }
      let configuration = try Program.run(
        ["\(project)/nginx/configure"] + arguments + [home])
      guard configuration.status == 0 else {
        throw Trouble("nginx/configure failed: \(configuration.errors)")
      }
      try edit(["\(home)/locations.conf"], options.locations)
      try edit(["\(home)/settings.conf", "\(home)/service.conf"], options.rates)
      let nginx = try Program(
        ["nginx", "-p", home, "-c", "nginx.conf", "-g", "daemon off;"],
        output: "\(home)/errors", errors: "\(home)/errors")
      let starts = eventually {
        !nginx.isRunning
          || ((try? String(contentsOfFile: "\(home)/nginx.pid", encoding: .utf8))?.isEmpty == false)
      }
      if starts, nginx.isRunning { return (nginx, port) }
      let errors = nginx.errors
      nginx.kill()
      if nginx.end == .exit(127) {
        throw Trouble(
          "nginx is not installed, and these tests need it: nginx/requirements installs it")
      }
      guard errors.contains("Address already in use") else {
        throw Trouble("nginx does not start: \(errors)")
      }
    }
    throw Trouble("no port stayed free")
  }

  /// Replaces texts in the files that contain them.
  private static func edit(_ paths: [String], _ replacements: [String: String]) throws {
    for (old, new) in replacements {
      var isFound = false
      for path in paths {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        guard text.contains(old) else { continue }
        isFound = true
        try text.replacing(old, with: new).write(toFile: path, atomically: true, encoding: .utf8)
      }
      guard isFound else { throw Trouble("no file of \(paths) has \"\(old)\"") }
    }
  }

  private func kill() {
    nginx.kill()
    current.withLock { $0 }?.kill()
    if let listener { close(listener) }
  }

  // MARK: The responder

  /// The responder that was started last.
  var responder: Program {
    get throws {
      guard let program = current.withLock({ $0 }) else { throw Trouble("no responder runs") }
      return program
    }
  }

  /// Starts a responder on the service's database and socket.
  ///
  /// - Parameter waits: Whether to wait until it says that it has started.
  @discardableResult
  func startResponder(waits: Bool = true, wrapper: [String]? = nil) throws -> Program {
    var command = [Service.executable, "serve", "--database", database]
    if listener == nil { command += ["--socket", socket] }
    command += options.origins.flatMap { ["--allow-origin", $0] } + options.responder
    if options.listening == .descriptor3 {
      // The process ID is known only to the process itself.
      let script = #"exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@""#
      command = ["sh", "-c", script, "sh"] + command
    }
    let logged = log.utf8.count
    let program = try Program(
      (wrapper ?? options.wrapper) + command, input: listener, output: logPath, errors: logPath)
    current.withLock { $0 = program }
    if waits {
      let started = eventually {
        !program.isRunning
          || log.utf8.dropFirst(logged).split(separator: UInt8(ascii: "\n")).contains {
            String($0)?.contains(#""message":"started""#) == true
          }
      }
      guard started, program.isRunning else {
        throw Trouble("the responder does not start: \(program.errors)")
      }
    }
    return program
  }

  /// Stops the responder in order.
  ///
  /// - Returns: How it ended; nil if it had to be killed.
  func stopResponder() -> Program.End? {
    let program = current.withLock { program in
      defer { program = nil }
      return program
    }
    return program?.stop()
  }

  /// What all responders of the service logged.
  var log: String {
    String(decoding: FileManager.default.contents(atPath: logPath) ?? Data(), as: UTF8.self)
  }

  /// The log's lines as JSON.
  var logLines: [JSON] {
    get throws {
      try log.split(separator: "\n").map { line in
        do {
          return try JSON(parsing: Array(line.utf8))
        } catch {
          throw Trouble("a line of the log is not JSON: \(line)")
        }
      }
    }
  }

  /// Runs a command of the executable to its end.
  static func command(
    _ arguments: [String], database: String? = nil, environment: [String: String] = [:]
  ) throws -> Program.Result {
    try Program.run(
      [executable] + arguments + (database.map { ["--database", $0] } ?? []),
      environment: environment)
  }

  func command(_ arguments: String...) throws -> Program.Result {
    try Service.command(arguments, database: database)
  }

  /// Checks that `check` finds the database sound.
  func expectSound(sourceLocation: SourceLocation = #_sourceLocation) throws {
    let check = try command("check")
    #expect(
      check.status == 0 && check.errors.isEmpty, "\(check.output)\(check.errors)",
      sourceLocation: sourceLocation)
  }

  // MARK: Callers

  /// A caller without a token.
  var anyone: Client { Client(port: port) }

  /// A caller with the admin token.
  var staff: Client { Client(port: port, token: token) }

  /// A new connection to nginx.
  func connect() throws -> Connection { try Connection(port: port) }

  /// A new connection to the responder itself.
  func connectStraight() throws -> Connection { try Connection(path: socket) }

  /// The number of the last event.
  func lastEvent() throws -> Int {
    try staff.all("/api/admin/events?limit=100").last?["number"].int ?? 0
  }

  /// Makes a user, and a token for it.
  func makeUser(
    _ email: String, name: String
  ) throws -> (id: String, token: String, tokenID: String) {
    let id = UUID().uuidString.lowercased()
    let staff = staff
    try staff.put("/api/admin/users/\(id)", ["email": .string(email), "name": .string(name)])
      .expect(201)
    let token = try staff.post("/api/admin/users/\(id)/tokens", [:]).expect(201).json
    return (id, token["token"].text, token["id"].text)
  }
}

/// A port of 127.0.0.1 on which nothing listens just now.
func freePort() throws -> Int {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
  guard descriptor >= 0 else { throw Trouble.system("socket") }
  defer { close(descriptor) }
  return try bind(descriptor, port: 0)
}

/// Binds a socket to a port of 127.0.0.1, 0 for any that is free, and returns the port.
func bind(_ descriptor: Int32, port: Int) throws -> Int {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = in_port_t(port).bigEndian
  address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
  var size = socklen_t(MemoryLayout<sockaddr_in>.size)
  let failed = withUnsafeMutablePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      bind(descriptor, $0, size) != 0 || getsockname(descriptor, $0, &size) != 0
    }
  }
  guard !failed else { throw Trouble.system("bind") }
  return Int(in_port_t(bigEndian: address.sin_port))
}

/// A listening Unix domain socket.
func listen(at path: String) throws -> Int32 {
  let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
  guard descriptor >= 0 else { throw Trouble.system("socket") }
  var address = try unixAddress(path)
  let bound = withUnsafeBytes(of: &address) {
    bind(descriptor, $0.assumingMemoryBound(to: sockaddr.self).baseAddress!, socklen_t($0.count))
  }
  guard bound == 0, listen(descriptor, 1024) == 0 else {
    defer { close(descriptor) }
    throw Trouble.system("listen")
  }
  return descriptor
}

extension Service {
  /// Has staff make a partner.
  ///
  /// - Parameters:
  ///   - email: One that no other partner has.
  ///   - expecting: The status that the answer must have; nil for any.
  @discardableResult
  func makePartner(
    _ email: String = "\(UUID().uuidString)@firm.example", by staff: Client? = nil,
    expecting status: Int? = 201, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Answer {
    let answer = try (staff ?? self.staff).post(
      "/api/admin/partners", ["type": "agent", "company_name": "Firm", "email": .string(email)])
    return try status.map { try answer.expect($0, sourceLocation: sourceLocation) } ?? answer
  }
}

/// A value that several threads use.
final class Shared<Value: Sendable>: Sendable {
  private let value: Mutex<Value>

  init(_ value: Value) { self.value = Mutex(value) }

  func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
    var result: Result?
    try value.withLock { result = try body(&$0) }
    return result!
  }
}

/// A generator of the same numbers each time (SplitMix64: Steele, Lea, Flood, Fast splittable
/// pseudorandom number generators, 2014).
struct Dice: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }
}
