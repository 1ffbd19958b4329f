import CFastCGI
import Glibc
import Synchronization

/// Answers FastCGI requests through libfcgi, on a fixed number of threads.
///
/// A thread is held only while a request that has wholly arrived is being answered. A web server may
/// keep as many connections open as it likes, and send as slowly as it likes, without holding any.
package final class Server: Sendable {
  /// How a server deals with its connections.
  package struct Configuration: Sendable {
    /// How many requests are worked on at once. Eight times the processors and at least 32, if left
    /// alone. Of those that are short and wait for nothing, no more are than keep all processors busy,
    /// whatever is set here (``Crew``).
    package var threads: Int
    /// Whether a request may wait for something other than the processor, such as the disk: then its
    /// thread does not count among those that keep the processors busy. None does, if left alone.
    package var mayWait: @Sendable (Request) -> Bool
    /// Bytes of a request's body that are kept; a longer one is ``Request/Body/tooLarge``.
    package var bodyLimit: Int
    /// Bytes of a request's parameters; with more, the connection is closed. nginx sends at most
    /// 65,535.
    package var parametersLimit: Int
    /// How many connections are open at once; further ones wait in the listening socket's backlog.
    /// Half of the descriptors that the process may have and at most 8,192, if left alone.
    package var connectionLimit: Int
    /// How long a request may take to arrive, from its first byte to its last. A connection on
    /// which nothing arrives for as long after it was opened is closed too.
    package var receiveTimeout: Duration
    /// How long an answer may take to be written. It may be exceeded by one write, so by as long
    /// again.
    package var sendTimeout: Duration
    /// How long a connection may stay open between two requests.
    ///
    /// It must be longer than the web server keeps them (nginx: `keepalive_timeout` in `upstream`,
    /// 60 seconds by default). If the server were first, its close could cross a request on the
    /// way, and nginx answers 502 to one that it must not repeat, such as a POST.
    package var idleTimeout: Duration
    /// Bytes of stack of each thread.
    package var stackSize: Int

    /// A configuration that suits nginx on the same machine.
    package init(
      threads: Int? = nil, mayWait: @escaping @Sendable (Request) -> Bool = { _ in false },
      bodyLimit: Int = 65_536, parametersLimit: Int = 131_072,
      connectionLimit: Int? = nil, receiveTimeout: Duration = .seconds(10),
      sendTimeout: Duration = .seconds(30), idleTimeout: Duration = .seconds(300),
      stackSize: Int = 1 << 20
    ) {
      var descriptors = rlimit()
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors)
      self.threads = threads ?? max(32, 8 * Self.processors)
      self.mayWait = mayWait
      self.bodyLimit = bodyLimit
      self.parametersLimit = parametersLimit
      self.connectionLimit = connectionLimit ?? Int(min(descriptors.rlim_cur / 2, 8192))
      self.receiveTimeout = receiveTimeout
      self.sendTimeout = sendTimeout
      self.idleTimeout = idleTimeout
      self.stackSize = stackSize
    }

    private static let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))

    /// How many threads keep all processors busy, also where one of them waits for the disk to be read.
    static let places = max(4, 2 * processors)
  }

  private struct State {
    var loop: Loop?
    var hasRun = false
    var isStopRequested = false
  }

  private let socket: ListeningSocket
  private let configuration: Configuration
  private let handler: @Sendable (Request) -> Response
  private let state = Mutex(State())

  /// A server that answers each request with what `handler` returns for it. Up to
  /// ``Configuration/threads`` calls of it run at once, on the server's own threads.
  ///
  /// The socket stays the caller's, to close when ``run()`` has returned.
  package init(
    socket: ListeningSocket, configuration: Configuration = Configuration(),
    handler: @escaping @Sendable (Request) -> Response
  ) {
    self.socket = socket
    self.configuration = configuration
    self.handler = handler
  }

  /// How many threads run the handler just now.
  package var busyThreads: Int {
    state.withLock { $0.loop }?.busyThreads ?? 0
  }

  /// Starts the threads, and returns after ``stop()``, when all that had arrived is answered and
  /// every connection is closed. To be called once.
  ///
  /// - Throws: `FastCGIError` if there are no descriptors, memory or threads to be had.
  package func run() throws {
    try state.withLock { state in
      guard !state.hasRun else { throw FastCGIError("the server has run already") }
      state.hasRun = true
    }
    let loop = try Loop(socket: socket, configuration: configuration, handler: handler)
    let workers = try (0..<max(1, configuration.threads)).map { _ in
      try Worker(requestSize: loop.requestSize)
    }
    state.withLock { state in
      state.loop = loop
      if state.isStopRequested { loop.requestStop() }
    }
    defer { state.withLock { $0.loop = nil } }
    var threads: [Thread] = []
    var relief: Thread?
    defer {
      loop.crew.end()
      relief?.join()
    }
    do {
      if loop.crew.needsRelief {
        relief = try Thread(stackSize: configuration.stackSize) { loop.crew.relieve() }
      }
      for worker in workers {
        threads.append(try Thread(stackSize: configuration.stackSize) { loop.work(with: worker) })
      }
    } catch {
      loop.cancel()
      for thread in threads { thread.join() }
      throw error
    }
    for thread in threads { thread.join() }
  }

  /// Ends ``run()``, from any thread and however often it is called.
  ///
  /// Nothing more is accepted. What runs, and what has arrived, is answered first, also what waits
  /// in the listening socket's backlog. The web server is asked to end the connections that it
  /// keeps; what it still sends on them within a second is answered, and what has begun to arrive.
  package func stop() {
    state.withLock { state in
      if !state.isStopRequested { state.loop?.requestStop() }
      state.isStopRequested = true
    }
  }
}
