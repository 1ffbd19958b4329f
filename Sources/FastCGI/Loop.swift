import CFastCGI
import Glibc
import Synchronization

/// The one epoll set of a running server and what its threads do with an event.
///
/// In the set are the listening socket, every connection that rests, an event for the stop, a timer
/// and an event for the end. All but the last are armed for one delivery at a time, so that each is
/// one thread's at any moment. No thread belongs to a connection: threads bound only how many
/// requests run at once, and epoll hands out what is ready in the order in which it became so.
final class Loop: Sendable {
  /// How long, after a stop, requests may go on arriving on the connections that there are: a web
  /// server that has connected sends at once, and lets go of what is idle once it is asked to.
  private static let grace = 1000
  /// How long to wait when a connection cannot be accepted for want of descriptors.
  private static let pause = 50

  /// What an event's data says; anything else is the address of a connection.
  private enum Token {
    static let listener: UInt64 = 1
    static let stop: UInt64 = 2
    static let timer: UInt64 = 3
    static let end: UInt64 = 4
  }

  /// The connections, and the state that is decided together with their number.
  private struct Ledger {
    var connections: [Connection] = []
    /// Calls of accept that run just now; each may bring a connection.
    var accepting = 0
    /// When the timer goes off; in monotonic milliseconds.
    var timerDue = Int.max
    /// Whether the listening socket waits for the timer.
    var isPaused = false
    /// Whether there is nothing more to accept, after a stop.
    var isDrained = false

    var count: Int { connections.count + accepting }
  }

  private let socket: ListeningSocket
  private let configuration: Server.Configuration
  private let limits: Intake.Limits
  private let handler: @Sendable (Request) -> Response
  private let descriptors: Descriptors
  private let ledger = Mutex(Ledger())
  /// Until when requests may go on arriving after a stop, or `Int.max` before it.
  private let lastArrival = Atomic<Int>(.max)
  private let busy = Atomic<Int>(0)
  /// Which threads take the events.
  let crew: Crew

  /// How many bytes the longest request has, as it is handed to libfcgi.
  var requestSize: Int { limits.bytes }

  private var isStopping: Bool { lastArrival.load(ordering: .sequentiallyConsistent) != .max }

  /// How many threads run the handler just now.
  var busyThreads: Int { busy.load(ordering: .relaxed) }

  init(
    socket: ListeningSocket, configuration: Server.Configuration,
    handler: @escaping @Sendable (Request) -> Response
  ) throws {
    self.socket = socket
    self.configuration = configuration
    self.handler = handler
    limits = Intake.Limits(
      parameters: configuration.parametersLimit, body: configuration.bodyLimit,
      connections: configuration.connectionLimit)
    descriptors = try Descriptors()
    crew = Crew(
      threads: max(1, configuration.threads), places: Server.Configuration.places)
    let oneShot = EPOLLIN.rawValue | EPOLLONESHOT.rawValue
    for (descriptor, token, events) in [
      (socket.descriptor, Token.listener, oneShot), (descriptors.stop, Token.stop, oneShot),
      (descriptors.timer, Token.timer, oneShot), (descriptors.end, Token.end, EPOLLIN.rawValue),
    ] {
      guard control(EPOLL_CTL_ADD, descriptor, events, token) else {
        throw FastCGIError.system("cannot watch descriptor \(descriptor)")
      }
    }
  }

  /// The descriptors that the loop itself needs.
  private final class Descriptors: Sendable {
    let epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    let stop = eventfd(0, Int32(EFD_CLOEXEC))
    let timer = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC))
    let end = eventfd(0, Int32(EFD_CLOEXEC))

    init() throws {
      guard min(epoll, stop, timer, end) >= 0 else {
        throw FastCGIError.system("cannot create the server's event descriptors")
      }
    }

    deinit {
      for descriptor in [epoll, stop, timer, end] where descriptor >= 0 { Glibc.close(descriptor) }
    }
  }

  // MARK: - Threads

  /// Wakes a thread to begin the stop.
  func requestStop() {
    eventfd_write(descriptors.stop, 1)
  }

  /// Ends all threads at once, where not all of them could be started.
  func cancel() {
    eventfd_write(descriptors.end, 1)
  }

  /// What each thread does, until the stop is complete.
  func work(with worker: Worker) {
    while true {
      crew.enter(worker)
      var event = epoll_event()
      // One event at a time: a second one would wait for this thread while others are free.
      guard crew.watch({ epoll_wait(descriptors.epoll, &event, 1, -1) }) == 1 else {
        precondition(errno == EINTR, "epoll_wait failed with error \(errno)")
        continue
      }
      switch event.data.u64 {
      case Token.listener: listen(with: worker)
      case Token.stop: stop()
      case Token.timer: tick()
      case Token.end:
        // The next one that stands by finds the same event.
        crew.leave(worker)
        return
      case let address: serve(Self.connection(at: address), with: worker)
      }
    }
  }

  private func control(
    _ operation: Int32, _ descriptor: Int32, _ events: UInt32, _ token: UInt64
  ) -> Bool {
    var event = epoll_event(events: events, data: epoll_data_t(u64: token))
    return epoll_ctl(descriptors.epoll, operation, descriptor, &event) == 0
  }

  private func rearm(_ descriptor: Int32, _ token: UInt64) {
    let armed = control(
      EPOLL_CTL_MOD, descriptor, EPOLLIN.rawValue | EPOLLONESHOT.rawValue, token)
    precondition(armed, "epoll_ctl failed with error \(errno)")
  }

  // MARK: - Accepting

  private enum Acceptance {
    case connection(Connection)
    /// Nothing is waiting.
    case nothing
    /// What waited has gone.
    case aborted
    /// There is no descriptor or memory for it, or there are as many connections as are allowed.
    case exhausted
    /// The socket was shut down.
    case closed
  }

  private func accept() -> Acceptance {
    let isAllowed = ledger.withLock { ledger in
      guard ledger.count < configuration.connectionLimit else { return false }
      ledger.accepting += 1
      return true
    }
    guard isAllowed else { return .exhausted }
    let descriptor = accept4(socket.descriptor, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
    guard descriptor >= 0 else {
      let code = errno
      ledger.withLock { ledger in
        ledger.accepting -= 1
        endIfDone(ledger)
      }
      switch code {
      case EAGAIN: return .nothing
      case ECONNABORTED, EINTR: return .aborted
      case EINVAL: return .closed
      default: return .exhausted
      }
    }
    // 0 would mean none.
    let sendTimeout = max(configuration.sendTimeout.milliseconds, 1)
    var timeout = timeval(tv_sec: sendTimeout / 1000, tv_usec: sendTimeout % 1000 * 1000)
    setsockopt(
      descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    if !socket.isLocal {
      var on: Int32 = 1
      setsockopt(
        descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }
    let connection = Connection(
      descriptor: descriptor, intake: Intake(limits: limits),
      requestDeadline: monotonicMilliseconds() + configuration.receiveTimeout.milliseconds)
    ledger.withLock { ledger in
      ledger.accepting -= 1
      connection.place = ledger.connections.count
      ledger.connections.append(connection)
      armTimer(&ledger)
    }
    return .connection(connection)
  }

  private func listen(with worker: Worker) {
    // After a stop, the thread that began it accepts what still waits.
    if isStopping { return }
    switch accept() {
    case .connection(let connection):
      rearm(socket.descriptor, Token.listener)
      // Most often the request came with the connection.
      serve(connection, with: worker)
    case .nothing, .aborted, .closed:
      rearm(socket.descriptor, Token.listener)
    case .exhausted:
      ledger.withLock { ledger in
        ledger.isPaused = true
        armTimer(&ledger)
      }
    }
  }

  // MARK: - Serving

  private static func address(of connection: Connection) -> UInt64 {
    UInt64(UInt(bitPattern: Unmanaged.passUnretained(connection).toOpaque()))
  }

  /// The connection of an event. The ledger holds it until the thread that has the event closes it.
  private static func connection(at address: UInt64) -> Connection {
    guard let pointer = UnsafeRawPointer(bitPattern: UInt(address)) else {
      preconditionFailure("an event without a connection")
    }
    return Unmanaged<Connection>.fromOpaque(pointer).takeUnretainedValue()
  }

  private func serve(_ connection: Connection, with worker: Worker) {
    connection.wake()
    let count = recv(
      connection.descriptor, worker.buffer.baseAddress, worker.buffer.count, Int32(MSG_DONTWAIT))
    if count < 0, errno == EAGAIN || errno == EINTR { return settle(connection) }
    guard count > 0 else { return close(connection) }
    let arrived = UnsafeMutableRawBufferPointer(rebasing: worker.buffer[..<count])
    if connection.pending.isEmpty {
      guard let rest = consume(arrived, of: connection, with: worker) else {
        return close(connection)
      }
      connection.pending = Array(arrived[rest])
    } else {
      var bytes = connection.pending
      connection.pending = []
      bytes.append(contentsOf: arrived)
      let rest = bytes.withUnsafeMutableBytes { consume($0, of: connection, with: worker) }
      guard let rest else { return close(connection) }
      bytes.removeLast(bytes.count - rest.upperBound)
      bytes.removeFirst(rest.lowerBound)
      connection.pending = rest.isEmpty ? [] : bytes
    }
    settle(connection)
  }

  /// Serves the requests that are whole in `bytes`, one after the other.
  ///
  /// - Returns: where in `bytes` the rest lies, which begins a request, or nil if the connection is
  ///   to be closed.
  private func consume(
    _ bytes: UnsafeMutableRawBufferPointer, of connection: Connection, with worker: Worker
  ) -> Range<Int>? {
    var start = 0
    while true {
      let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
      let outcome = connection.intake.scan(rest)
      guard sendReplies(of: connection) else { return nil }
      switch outcome {
      case .refused:
        return nil
      case .incomplete(let kept):
        if kept == 0 {
          connection.requestDeadline = nil
        } else if connection.requestDeadline == nil {
          connection.requestDeadline =
            monotonicMilliseconds() + configuration.receiveTimeout.milliseconds
        }
        return start..<start + kept
      case .complete(let length, let next):
        let request = UnsafeRawBufferPointer(rebasing: rest[..<length])
        guard answer(request, on: connection, with: worker) else { return nil }
        connection.requestID = connection.intake.requestID
        connection.intake = Intake(limits: limits)
        connection.requestDeadline = nil
        start += next
      }
    }
  }

  private func sendReplies(of connection: Connection) -> Bool {
    let replies = connection.intake.replies
    if replies.isEmpty { return true }
    connection.intake.replies = []
    // A web server that does not read its answers gets no more of them.
    return send(connection.descriptor, replies, replies.count, Int32(MSG_DONTWAIT))
      == replies.count
  }

  /// - Returns: whether the connection can be used further.
  private func answer(
    _ bytes: UnsafeRawBufferPointer, on connection: Connection, with worker: Worker
  ) -> Bool {
    defer { worker.exchange.finish() }
    let request = worker.exchange.receive(
      bytes, bodySize: connection.intake.bodySize, bodyLimit: configuration.bodyLimit)
    guard let request else { return false }
    busy.add(1, ordering: .relaxed)
    if configuration.mayWait(request) { crew.leave(worker) }
    let response = handler(request)
    busy.subtract(1, ordering: .relaxed)
    let deadline = monotonicMilliseconds() + configuration.sendTimeout.milliseconds
    return worker.exchange.send(response, to: connection.descriptor, before: deadline)
      && connection.intake.keepsConnection
  }

  /// Gives the connection back to the epoll set. It must not be touched after that.
  private func settle(_ connection: Connection) {
    let operation = connection.isRegistered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD
    connection.isRegistered = true
    connection.settle(
      idleUntil: monotonicMilliseconds() + configuration.idleTimeout.milliseconds)
    let deadline = lastArrival.load(ordering: .sequentiallyConsistent)
    if deadline != .max { connection.dismiss(until: deadline) }
    let armed = control(
      operation, connection.descriptor, EPOLLIN.rawValue | EPOLLONESHOT.rawValue,
      Self.address(of: connection))
    if !armed { close(connection) }
  }

  private func close(_ connection: Connection) {
    ledger.withLock { ledger in
      let last = ledger.connections.removeLast()
      if last !== connection {
        ledger.connections[connection.place] = last
        last.place = connection.place
      }
      Glibc.close(connection.descriptor)
      endIfDone(ledger)
    }
  }

  // MARK: - Time

  private func armTimer(_ ledger: inout Ledger) {
    let isUrgent = ledger.isPaused || isStopping
    let shortest = min(configuration.receiveTimeout, configuration.idleTimeout).milliseconds
    let period = min(max(shortest / 4, 10), isUrgent ? Self.pause : 1000)
    let due = monotonicMilliseconds() + period
    if due >= ledger.timerDue { return }
    ledger.timerDue = due
    var time = itimerspec()
    time.it_value = timespec(tv_sec: period / 1000, tv_nsec: period % 1000 * 1_000_000)
    timerfd_settime(descriptors.timer, 0, &time, nil)
  }

  /// Ends what has waited for too long, and lets the listening socket try again.
  private func tick() {
    var expirations: UInt64 = 0
    read(descriptors.timer, &expirations, MemoryLayout<UInt64>.size)
    let now = monotonicMilliseconds()
    ledger.withLock { ledger in
      for connection in ledger.connections { connection.hangUp(ifOverdueAt: now) }
      if ledger.isPaused, !isStopping {
        rearm(socket.descriptor, Token.listener)
      }
      ledger.isPaused = false
      ledger.timerDue = .max
      if ledger.count > 0 { armTimer(&ledger) }
    }
    rearm(descriptors.timer, Token.timer)
  }

  // MARK: - Stopping

  private func stop() {
    let deadline = monotonicMilliseconds() + Self.grace
    lastArrival.store(deadline, ordering: .sequentiallyConsistent)
    socket.refuseFurther()
    // On a socket that others share, connections may go on coming in.
    accepting: while monotonicMilliseconds() < deadline {
      switch accept() {
      case .connection(let connection): settle(connection)
      case .exhausted: usleep(10_000)
      case .aborted: continue
      case .nothing, .closed: break accepting
      }
    }
    ledger.withLock { ledger in
      for connection in ledger.connections { connection.dismiss(until: deadline) }
      ledger.isDrained = true
      armTimer(&ledger)
      endIfDone(ledger)
    }
  }

  private func endIfDone(_ ledger: borrowing Ledger) {
    if ledger.isDrained, ledger.count == 0 { eventfd_write(descriptors.end, 1) }
  }
}
