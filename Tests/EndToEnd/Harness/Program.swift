import Foundation
import Glibc
import Synchronization

/// What went wrong in a test's own means.
struct Trouble: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }

  /// A failed call of the system, with the present `errno`.
  static func system(_ call: String) -> Trouble {
    Trouble("\(call): \(String(cString: strerror(errno)))")
  }
}

/// A program that a test started. It leads a process group of its own and ends with the test
/// process, whatever ends that.
final class Program: Sendable {
  enum End: Equatable {
    case exit(Int32)
    case signal(Int32)
  }

  let pid: pid_t
  /// The files that hold what it wrote.
  let outputPath: String
  let errorPath: String
  private let known = Mutex<End?>(nil)

  /// Starts a command, found on the PATH.
  ///
  /// - Parameters:
  ///   - environment: Added to the test's own, from which the service's variables are left out.
  ///   - input: What becomes its descriptor 0; nothing to read if left out.
  ///   - output: Where its standard output goes, a file's path; appended to.
  ///   - errors: The same of its standard error.
  ///   - setpriv: Further options of setpriv(1).
  init(
    _ command: [String], environment: [String: String] = [:], input: Int32? = nil,
    output: String, errors: String, setpriv: [String] = []
  ) throws {
    outputPath = output
    errorPath = errors
    let words = ["setpriv", "--pdeathsig", "TERM"] + setpriv + ["--"] + command
    pid = try Starter.shared.run {
      try Program.spawn(words, environment, input: input, output: output, errors: errors)
    }
  }

  private static func spawn(
    _ words: [String], _ environment: [String: String], input: Int32?, output: String,
    errors: String
  ) throws -> pid_t {
    var files = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&files)
    defer { posix_spawn_file_actions_destroy(&files) }
    if let input {
      posix_spawn_file_actions_adddup2(&files, input, 0)
    } else {
      posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)
    }
    let append = O_WRONLY | O_CREAT | O_APPEND
    posix_spawn_file_actions_addopen(&files, 1, output, append, 0o600)
    posix_spawn_file_actions_addopen(&files, 2, errors, append, 0o600)
    // Tests that run beside this one may have descriptors that would be inherited.
    for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
      if let descriptor = Int32(name), descriptor > 2 {
        posix_spawn_file_actions_addclose(&files, descriptor)
      }
    }

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

    var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("TOMI_") }
    // A Debian user's PATH has no sbin, where nginx is.
    variables["PATH", default: "/usr/bin:/bin"] += ":/usr/sbin"
    variables.merge(environment) { $1 }
    var arguments = words.map { strdup($0) } + [nil]
    var settings = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in arguments + settings { free(text) } }

    var pid: pid_t = 0
    let failure = posix_spawnp(&pid, words[0], &files, &attributes, &arguments, &settings)
    guard failure == 0 else {
      throw Trouble("cannot start \(words[0]): \(String(cString: strerror(failure)))")
    }
    return pid
  }

  deinit { kill() }

  /// How it ended; nil while it runs.
  var end: End? {
    known.withLock { known in
      if let known { return known }
      var status: Int32 = 0
      guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
      let signal = status & 0x7F
      known = signal == 0 ? .exit(status >> 8 & 0xFF) : .signal(signal)
      return known
    }
  }

  var isRunning: Bool { end == nil }

  /// Everything that it wrote to standard output.
  var output: String { Program.text(of: outputPath) }

  /// Everything that it wrote to standard error.
  var errors: String { Program.text(of: errorPath) }

  private static func text(of path: String) -> String {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
  }

  /// Sends it a signal; none once it has ended.
  func signal(_ signal: Int32) {
    known.withLock { known in
      if known == nil { Glibc.kill(pid, signal) }
    }
  }

  /// Waits for its end.
  func wait(seconds: Double = 30) throws -> End {
    guard eventually(within: seconds, { end != nil }), let end else {
      throw Trouble("process \(pid) has not ended after \(seconds) seconds")
    }
    return end
  }

  /// Ends it, and what else is in its process group, at once.
  func kill() {
    guard isRunning else { return }
    Glibc.kill(-pid, SIGKILL)
    _ = try? wait()
  }

  /// Ends it in order, and insists if it does not.
  ///
  /// - Returns: How it ended; nil if it had to be killed.
  @discardableResult
  func stop(_ signal: Int32 = SIGTERM) -> End? {
    self.signal(signal)
    if let end = try? wait() { return end }
    kill()
    return nil
  }

  /// What a command that has ended did.
  struct Result {
    let status: Int32
    let output: String
    let errors: String

    var lines: [String] { output.split(separator: "\n").map(String.init) }
    var errorLines: [String] { errors.split(separator: "\n").map(String.init) }
  }

  /// Runs a command to its end.
  static func run(
    _ command: [String], environment: [String: String] = [:], seconds: Double = 60
  ) throws -> Result {
    try inFolder { folder in
      let program = try Program(
        command, environment: environment, output: "\(folder)/1", errors: "\(folder)/2")
      defer { program.kill() }
      guard case .exit(let status) = try program.wait(seconds: seconds) else {
        throw Trouble("\(command) ended by a signal: \(program.errors)")
      }
      return Result(status: status, output: program.output, errors: program.errors)
    }
  }
}

/// The thread that starts all programs. The kernel sends a program its last signal when the thread
/// that started it ends (prctl(2), PR_SET_PDEATHSIG), and Dispatch's threads come and go.
private final class Starter: Sendable {
  static let shared = Starter()

  private let jobs = Mutex<[@Sendable () -> Void]>([])
  private let waiting = DispatchSemaphore(value: 0)

  private init() {
    Thread.detachNewThread { [self] in
      while true {
        waiting.wait()
        jobs.withLock { $0.removeFirst() }()
      }
    }
  }

  func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
    let job = Job(body)
    jobs.withLock { $0.append(job.run) }
    waiting.signal()
    return try job.value()
  }

  private final class Job<Value: Sendable>: Sendable {
    private let body: @Sendable () throws -> Value
    private let result = Mutex<Result<Value, any Error>?>(nil)
    private let done = DispatchSemaphore(value: 0)

    init(_ body: @escaping @Sendable () throws -> Value) { self.body = body }

    @Sendable func run() {
      let result = Result(catching: body)
      self.result.withLock { $0 = result }
      done.signal()
    }

    func value() throws -> Value {
      done.wait()
      return try result.withLock { try $0!.get() }
    }
  }
}

/// Runs `body` with a new folder, which is removed afterwards.
func inFolder<Value>(_ body: (_ path: String) throws -> Value) throws -> Value {
  // Short, since a socket's path has 107 bytes at most (unix(7)).
  var template = Array("/tmp/tomi-test.XXXXXX".utf8CString)
  guard mkdtemp(&template) != nil else { throw Trouble.system("mkdtemp") }
  let path = String(decoding: template.dropLast().map { UInt8($0) }, as: UTF8.self)
  defer { try? FileManager.default.removeItem(atPath: path) }
  return try body(path)
}

/// The text of a file under /proc, which comes in pieces and has no size beforehand.
func kernelFile(_ path: String) throws -> String {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw Trouble.system("open \(path)") }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var piece = [UInt8](repeating: 0, count: 65_536)
  while true {
    let count = read(descriptor, &piece, piece.count)
    guard count >= 0 else { throw Trouble.system("read \(path)") }
    guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
    bytes += piece[..<count]
  }
}

/// Waits until something is so, and says whether it came to be.
func eventually(within seconds: Double = 30, _ condition: () throws -> Bool) rethrows -> Bool {
  let end = ContinuousClock.now + .seconds(seconds)
  while ContinuousClock.now < end {
    if try condition() { return true }
    usleep(3000)
  }
  return try condition()
}

/// Runs `body` on so many threads at once, and returns what it returned by its number.
///
/// - Throws: The first error, once all have ended.
@discardableResult
func inParallel<Value: Sendable>(
  _ count: Int, _ body: @escaping @Sendable (_ index: Int) throws -> Value
) throws -> [Value] {
  try Crowd(count, body).values()
}

/// Threads that run beside the test.
final class Crowd<Value: Sendable>: Sendable {
  private let results: Mutex<[Int: Result<Value, any Error>]>
  private let count: Int
  private let group = DispatchGroup()

  init(_ count: Int, _ body: @escaping @Sendable (_ index: Int) throws -> Value) {
    self.count = count
    results = Mutex([:])
    for index in 0..<count {
      group.enter()
      Thread.detachNewThread { [self] in
        let result = Result { try body(index) }
        results.withLock { $0[index] = result }
        group.leave()
      }
    }
  }

  /// Waits for all of them.
  ///
  /// - Throws: The first error.
  func values() throws -> [Value] {
    guard group.wait(timeout: .now() + 180) == .success else {
      throw Trouble("threads of the test have not ended after three minutes")
    }
    return try results.withLock { results in try (0..<count).map { try results[$0]!.get() } }
  }
}
