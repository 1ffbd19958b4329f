import Glibc
import POSIX

/// Answers FastCGI requests on a few threads.
///
/// A thread is held only while a handler computes. A web server may keep as many connections as it likes,
/// and send and read as slowly as it likes, and a handler may answer long after it has returned: none of
/// that holds a thread.
package final class Server: Sendable {
  /// How a server deals with its connections.
  package struct Configuration: Sendable {
    /// How many calls of the handler may run at once: eight times the processors and at least 32 by
    /// default. Short requests never use more threads than keep all processors busy (``ThreadLimiter``).
    package var threads: Int
    /// Bytes of a request's body that are kept. A longer one is ``Request/Body/tooLarge``.
    package var bodyLimit: Int
    /// Bytes of a request's parameters. With more, the connection is closed. nginx sends at most 65,535.
    package var parametersLimit: Int
    /// How many connections are open at once. Further ones wait in the listening socket's backlog. The
    /// default is half of the descriptors that the process may have, and at most 8,192.
    package var connectionLimit: Int
    /// How long a request may take to arrive, from its first byte to its last. A new connection on which
    /// nothing arrives for as long is closed too.
    package var receiveTimeout: Duration
    /// How long the web server may take to read an answer.
    package var sendTimeout: Duration
    /// How long a connection may stay open between two requests.
    ///
    /// It must be longer than the web server keeps a connection (nginx: `keepalive_timeout` in
    /// `upstream`, 60 seconds by default). If the server closed first, its close could cross a request,
    /// and nginx answers 502 to a request that it must not repeat, such as a POST.
    package var idleTimeout: Duration
    /// How long after a stop the web server may still send requests on the connections that it keeps.
    package var stopTimeout: Duration
    /// Bytes of stack of each thread.
    package var stackSize: Int

    /// A configuration that suits nginx on the same machine.
    package init(
      threads: Int? = nil, bodyLimit: Int = 65_536, parametersLimit: Int = 131_072,
      connectionLimit: Int? = nil, receiveTimeout: Duration = .seconds(10),
      sendTimeout: Duration = .seconds(30), idleTimeout: Duration = .seconds(300),
      stopTimeout: Duration = .seconds(1), stackSize: Int = 1 << 20
    ) {
      var descriptors = rlimit()
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors)
      self.threads = threads ?? max(32, 8 * sysconf(Int32(_SC_NPROCESSORS_ONLN)))
      self.bodyLimit = bodyLimit
      self.parametersLimit = parametersLimit
      self.connectionLimit = connectionLimit ?? Int(min(descriptors.rlim_cur / 2, 8192))
      self.receiveTimeout = receiveTimeout
      self.sendTimeout = sendTimeout
      self.idleTimeout = idleTimeout
      self.stopTimeout = stopTimeout
      self.stackSize = stackSize
    }
  }

  /// Answers a request by calling the reply, before it returns or at any later time.
  package typealias Handler = @Sendable (Request, Reply) -> Void

  private struct State {
    var loop: Loop?
    var hasRun = false
    var isStopRequested = false
  }

  private let socket: ListeningSocket
  private let configuration: Configuration
  private let onAbnormalEnds: @Sendable ([AbnormalEnd: Int]) -> Void
  private let handler: Handler
  private let state = Lock(State())

  /// A server that calls `handler` for each request, on its own threads.
  ///
  /// The socket stays the caller's, to close when ``run()`` has returned.
  ///
  /// - Parameters:
  ///   - onAbnormalEnds: Called at most once a second with the number of connections that have ended
  ///     abnormally since the last call, by reason.
  package init(
    socket: ListeningSocket, configuration: Configuration = Configuration(),
    onAbnormalEnds: @escaping @Sendable ([AbnormalEnd: Int]) -> Void = { _ in },
    handler: @escaping Handler
  ) {
    self.socket = socket
    self.configuration = configuration
    self.onAbnormalEnds = onAbnormalEnds
    self.handler = handler
  }

  /// How many threads run the handler now.
  package var busyThreads: Int {
    state.withLock { $0.loop }?.busyThreads ?? 0
  }

  /// How many connections have ended abnormally since ``run()`` began, by reason.
  package var abnormalEnds: [AbnormalEnd: Int] {
    state.withLock { $0.loop }?.abnormalEnds ?? [:]
  }

  /// Starts the threads, and returns after ``stop()``, when every request that had arrived is answered and
  /// every connection is closed. Call it once.
  ///
  /// - Throws: `FastCGIError` or `POSIX.Thread.StartError` if the system has no descriptors, memory or
  ///   threads.
  package func run() throws {
    try state.withLock { state in
      guard !state.hasRun else { throw FastCGIError("the server has run already") }
      state.hasRun = true
    }
    let loop = try Loop(
      socket: socket, configuration: configuration, onAbnormalEnds: onAbnormalEnds,
      handler: handler)
    state.withLock { state in
      state.loop = loop
      if state.isStopRequested { loop.requestStop() }
    }
    defer { state.withLock { $0.loop = nil } }
    try loop.run()
  }

  /// Ends ``run()``, from any thread and however often it is called.
  ///
  /// The server accepts nothing more. It answers the requests that are running and those that have arrived,
  /// also those in the listening socket's backlog. It asks the web server to close the connections that it
  /// keeps. It still answers requests that the web server sends on them within the stop timeout, and those that had
  /// begun to arrive.
  package func stop() {
    state.withLock { state in
      if !state.isStopRequested { state.loop?.requestStop() }
      state.isStopRequested = true
    }
  }
}
