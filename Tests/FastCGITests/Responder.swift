import FastCGI
import Foundation
import HTTPTypes
import POSIX

/// A directory of its own for a test.
final class TemporaryDirectory: Sendable {
  let path: String

  init() {
    path = FileManager.default.temporaryDirectory.path + "/fastcgi-\(UUID().uuidString.prefix(8))"
    try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }
}

/// Something that runs on a thread of its own.
final class Background: Sendable {
  private let done = DispatchSemaphore(value: 0)

  init(_ body: @escaping @Sendable () -> Void) {
    let done = done
    Foundation.Thread.detachNewThread {
      body()
      done.signal()
    }
  }

  /// Whether it ends within so many seconds.
  func ends(within seconds: Double) -> Bool {
    guard done.wait(timeout: .now() + seconds) == .success else { return false }
    done.signal()
    return true
  }
}

/// A server on a socket in a directory of its own, running until it is stopped or forgotten.
final class Responder: Sendable {
  let directory = TemporaryDirectory()
  let path: String
  let server: Server
  private let socket: ListeningSocket
  private let run: Background

  /// With a handler that answers before it returns.
  convenience init(
    _ configuration: Server.Configuration = .init(threads: 4),
    handler: @escaping @Sendable (Request) -> Response = Responder.echo
  ) throws {
    try self.init(configuration, replying: { $1(handler($0)) })
  }

  init(
    _ configuration: Server.Configuration = .init(threads: 4),
    onAbnormalEnds: @escaping @Sendable ([AbnormalEnd: Int]) -> Void = { _ in },
    replying handler: @escaping Server.Handler
  ) throws {
    path = directory.path + "/s"
    socket = try ListeningSocket.bind(path: path)
    server = Server(
      socket: socket, configuration: configuration, onAbnormalEnds: onAbnormalEnds,
      handler: handler)
    let (server, socket) = (server, socket)
    run = Background {
      try! server.run()
      socket.close()
    }
  }

  deinit {
    server.stop()
    _ = run.ends(within: 20)
  }

  func peer(patience: Int = 15) throws -> Peer {
    try Peer(path, patience: patience)
  }

  /// Whether the server ends within so many seconds.
  func ends(within seconds: Double) -> Bool {
    run.ends(within: seconds)
  }

  /// Answers with what was asked: a line for each parameter, then the body.
  static func echo(_ request: Request) -> Response {
    var text = request.parameters.map { "\($0.name)=\($0.value)\n" }.joined()
    switch request.body {
    case .complete(let body): text += "body \(body.count) " + String(decoding: body, as: UTF8.self)
    case .tooLarge: text += "too large"
    }
    return Response(
      status: .ok, headers: [.contentType: "text/plain"], body: Array(text.utf8))
  }
}

/// A list to which several threads add.
final class Record<Element: Sendable>: Sendable {
  private let elements = Lock<[Element]>([])

  func append(_ element: Element) {
    elements.withLock { $0.append(element) }
  }

  var all: [Element] { elements.withLock { $0 } }
}

/// Waits until something is so, for `seconds` at most, and says whether it came to be.
func eventually(within seconds: Double = 15, _ condition: () throws -> Bool) rethrows -> Bool {
  let end = Date().addingTimeInterval(seconds)
  while Date() < end {
    if try condition() { return true }
    usleep(2000)
  }
  return try condition()
}

/// A generator of the same numbers each time (SplitMix64).
struct Dice: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }
}
