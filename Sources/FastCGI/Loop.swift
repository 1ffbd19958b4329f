import CFastCGI
import Glibc
import POSIX
import Synchronization

/// The epoll set of a running server, and what its threads do with an event.
///
/// The set holds the listening socket, every parked connection, an event for replies, an event for the stop,
/// a timer, and an event for the end. Connections, listening socket, stop and timer are armed for one event
/// at a time, so that each belongs to one thread at any moment. No thread belongs to a connection: threads
/// bound only how many requests are computed at once, and epoll hands out events in their order.
final class Loop: Sendable {
  /// How long to wait when a connection cannot be accepted for lack of descriptors.
  private static let pause = Duration.milliseconds(50)

  /// What an event's data says. Anything else is the address of a connection.
  private enum Token {
    static let listener: UInt64 = 1
    static let stop: UInt64 = 2
    static let timer: UInt64 = 3
    static let replies: UInt64 = 4
    static let end: UInt64 = 5
  }

  private let socket: ListeningSocket
  private let configuration: Server.Configuration
  private let limits: RequestFramer.Limits
  private let onAbnormalEnds: @Sendable ([AbnormalEnd: Int]) -> Void
  private let handler: Server.Handler
  private let descriptors: Descriptors
  private let limiter: ThreadLimiter
  private let table = Lock(ConnectionTable())
  /// The responses that were given after their handler had returned; nil for a reply that was dropped.
  private let replies = Lock<[(connection: FastCGIConnection, response: Response?)]>([])
  /// Until when requests may arrive after a stop, in nanoseconds of ``POSIX/MonotonicInstant``; `Int64.max`
  /// before it.
  private let lastArrival = Atomic<Int64>(.max)
  private let busy = Atomic<Int>(0)

  private var isStopping: Bool { lastArrival.load(ordering: .sequentiallyConsistent) != .max }

  /// How many threads run the handler now.
  var busyThreads: Int { busy.load(ordering: .relaxed) }

  /// How many connections have ended abnormally, by reason.
  var abnormalEnds: [AbnormalEnd: Int] { table.withLock { $0.abnormalEnds } }

  init(
    socket: ListeningSocket, configuration: Server.Configuration,
    onAbnormalEnds: @escaping @Sendable ([AbnormalEnd: Int]) -> Void,
    handler: @escaping Server.Handler
  ) throws {
    self.socket = socket
    self.configuration = configuration
    self.onAbnormalEnds = onAbnormalEnds
    self.handler = handler
    limits = RequestFramer.Limits(
      parameters: configuration.parametersLimit, body: configuration.bodyLimit,
      connections: configuration.connectionLimit)
    descriptors = try Descriptors()
    limiter = ThreadLimiter(limit: configuration.threads)
    let oneShot = EPOLLIN.rawValue | EPOLLONESHOT.rawValue
    for (descriptor, token, events) in [
      (socket.descriptor, Token.listener, oneShot), (descriptors.stop, Token.stop, oneShot),
      (descriptors.timer, Token.timer, oneShot),
      // Each write to it is one event for one thread, and need not be read.
      (descriptors.replies, Token.replies, EPOLLIN.rawValue | EPOLLET.rawValue),
      (descriptors.end, Token.end, EPOLLIN.rawValue),
    ] {
      guard control(EPOLL_CTL_ADD, descriptor, events, token) else {
        throw FastCGIError.system("cannot watch descriptor \(descriptor)")
      }
    }
  }

  deinit {
    // Only a server that could not start all its threads leaves connections.
    for connection in table.withLock({ $0.connections }) { Glibc.close(connection.descriptor) }
  }

  /// The descriptors that the loop itself needs.
  private final class Descriptors: Sendable {
    let epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    let stop = eventfd(0, Int32(EFD_CLOEXEC))
    let timer = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC))
    let replies = eventfd(0, Int32(EFD_CLOEXEC))
    let end = eventfd(0, Int32(EFD_CLOEXEC))

    private var all: [Int32] { [epoll, stop, timer, replies, end] }

    init() throws {
      guard all.allSatisfy({ $0 >= 0 }) else {
        throw FastCGIError.system("cannot create the server's event descriptors")
      }
    }

    deinit {
      for descriptor in all where descriptor >= 0 { Glibc.close(descriptor) }
    }
  }

  // MARK: - Threads

  /// Starts the threads, and returns when the stop is complete.
  func run() throws {
    // All of them before the first thread serves a request.
    let workers = try (0..<limiter.usual).map { _ in
      try Worker(requestSize: limits.bytes, isExtra: false)
    }
    try limiter.run { number, isExtra in
      let worker =
        isExtra ? try Worker(requestSize: limits.bytes, isExtra: true) : workers[number - 1]
      do {
        try Thread(name: "fcgi-\(number)", stackSize: configuration.stackSize) {
          self.work(with: worker)
          self.limiter.threadEnded()
        }.detach()
      } catch {
        throw FastCGIError("\(error)")
      }
    } cancel: {
      eventfd_write(descriptors.end, 1)
    }
    let unreported = table.withLock { $0.takeReport() }
    if !unreported.isEmpty { onAbnormalEnds(unreported) }
  }

  /// Begins the stop.
  func requestStop() {
    eventfd_write(descriptors.stop, 1)
  }

  /// What each thread does until the stop is complete.
  private func work(with worker: Worker) {
    while !(worker.isExtra && limiter.hasIdleThread) {
      var event = epoll_event()
      // One event at a time: a second one would wait for this thread while others are free.
      guard limiter.whileIdle({ epoll_wait(descriptors.epoll, &event, 1, -1) }) == 1 else {
        precondition(errno == EINTR, "epoll_wait failed: \(systemErrorText(errno))")
        continue
      }
      switch event.data.u64 {
      case Token.listener: listen(with: worker)
      case Token.stop: stop()
      case Token.timer: tick()
      case Token.replies: sendReplies(with: worker)
      case Token.end: return
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
    let isArmed = control(
      EPOLL_CTL_MOD, descriptor, EPOLLIN.rawValue | EPOLLONESHOT.rawValue, token)
    precondition(isArmed, "epoll_ctl failed: \(systemErrorText(errno))")
  }

  // MARK: - Accepting

  private enum Acceptance {
    case connection(FastCGIConnection)
    /// No connection is waiting.
    case nothing
    /// The connection that was waiting has gone.
    case aborted
    /// There are no descriptors or memory, or as many connections as are allowed.
    case exhausted
    /// The socket was shut down.
    case closed
  }

  private func accept() -> Acceptance {
    let isAllowed = table.withLock { table in
      guard table.count < configuration.connectionLimit else { return false }
      table.accepting += 1
      return true
    }
    guard isAllowed else { return .exhausted }
    let descriptor = accept4(
      socket.descriptor, nil, nil, Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue))
    guard descriptor >= 0 else {
      let code = errno
      table.withLock { table in
        table.accepting -= 1
        endIfDone(table)
      }
      switch code {
      case EAGAIN: return .nothing
      case ECONNABORTED, EINTR: return .aborted
      case EINVAL: return .closed
      default: return .exhausted
      }
    }
    if !socket.isLocal {
      var on: Int32 = 1
      setsockopt(
        descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }
    let connection = FastCGIConnection(
      descriptor: descriptor, framer: RequestFramer(limits: limits),
      requestDeadline: .now + configuration.receiveTimeout)
    table.withLock { table in
      table.accepting -= 1
      table.insert(connection)
      armTimer(&table)
    }
    return .connection(connection)
  }

  private func listen(with worker: Worker) {
    // After a stop, the thread that began it accepts the connections that still wait.
    if isStopping { return }
    switch accept() {
    case .connection(let connection):
      rearm(socket.descriptor, Token.listener)
      // Usually the request arrives with the connection.
      serve(connection, with: worker)
    case .nothing, .aborted, .closed:
      rearm(socket.descriptor, Token.listener)
    case .exhausted:
      table.withLock { table in
        table.isPaused = true
        armTimer(&table)
      }
    }
  }

  // MARK: - Receiving

  private static func address(of connection: FastCGIConnection) -> UInt64 {
    UInt64(UInt(bitPattern: Unmanaged.passUnretained(connection).toOpaque()))
  }

  /// The connection of an event. The table holds it until its owner closes it.
  private static func connection(at address: UInt64) -> FastCGIConnection {
    guard let pointer = UnsafeRawPointer(bitPattern: UInt(address)) else {
      preconditionFailure("an event without a connection")
    }
    return Unmanaged<FastCGIConnection>.fromOpaque(pointer).takeUnretainedValue()
  }

  /// How far the requests in a connection's bytes are served.
  private enum Progress {
    /// The bytes of this range begin a request. The others are served.
    case incomplete(Range<Int>)
    /// The socket does not take all of an answer. The bytes from this index on are not scanned yet.
    case blocked(Int)
    /// A handler has returned without an answer. The connection belongs to its reply.
    case deferred
    /// The connection must be closed.
    case ended(AbnormalEnd?)
  }

  private func serve(_ connection: FastCGIConnection, with worker: Worker) {
    connection.claim()
    if !connection.unsent.isEmpty {
      switch sendRest(on: connection) {
      case .sent where connection.isKept: break
      case .sent: return close(connection, nil)
      case .blocked: return park(connection)
      case .failed:
        let isOverdue = MonotonicInstant.now >= connection.sendDeadline
        return close(connection, isOverdue ? .sendTimeout : .sendFailure)
      }
    }
    if connection.hasUnscannedBytes {
      connection.hasUnscannedBytes = false
      return servePending(of: connection, with: worker)
    }
    let count = recv(connection.descriptor, worker.input.baseAddress, worker.input.count, 0)
    if count < 0, errno == EAGAIN || errno == EINTR { return park(connection) }
    guard count > 0 else { return close(connection, reasonForEnd(of: connection)) }
    let arrived = UnsafeMutableRawBufferPointer(rebasing: worker.input[..<count])
    guard connection.pending.isEmpty else {
      connection.pending.append(contentsOf: arrived)
      return servePending(of: connection, with: worker)
    }
    switch serveRequests(in: arrived, of: connection, with: worker) {
    case .incomplete(let rest): connection.pending = Array(arrived[rest])
    case .blocked(let start): connection.setUnscanned(arrived[start...])
    case .deferred: return
    case .ended(let reason): return close(connection, reason)
    }
    park(connection)
  }

  /// Why a connection has ended on which nothing more can arrive; nil if it is in order.
  private func reasonForEnd(of connection: FastCGIConnection) -> AbnormalEnd? {
    guard !connection.pending.isEmpty, let deadline = connection.requestDeadline else { return nil }
    return MonotonicInstant.now >= min(deadline, lastArrivalInstant)
      ? .receiveTimeout : .incompleteRequest
  }

  private func servePending(of connection: FastCGIConnection, with worker: Worker) {
    var bytes = connection.pending
    connection.pending = []
    let progress = bytes.withUnsafeMutableBytes {
      serveRequests(in: $0, of: connection, with: worker)
    }
    switch progress {
    case .incomplete(let rest):
      bytes.removeLast(bytes.count - rest.upperBound)
      bytes.removeFirst(rest.lowerBound)
      connection.pending = rest.isEmpty ? [] : bytes
    case .blocked(let start): connection.setUnscanned(bytes[start...])
    case .deferred: return
    case .ended(let reason): return close(connection, reason)
    }
    park(connection)
  }

  /// Serves the requests that are whole in `bytes`, one after the other.
  private func serveRequests(
    in bytes: UnsafeMutableRawBufferPointer, of connection: FastCGIConnection,
    with worker: Worker
  ) -> Progress {
    var start = 0
    while true {
      let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
      let outcome = connection.framer.scan(rest)
      guard sendFramerReplies(of: connection) else { return .ended(.sendFailure) }
      switch outcome {
      case .ended: return .ended(nil)
      case .refused: return .ended(.refused)
      case .incomplete(let kept):
        if kept == 0 {
          connection.requestDeadline = nil
        } else if connection.requestDeadline == nil {
          connection.requestDeadline = .now + configuration.receiveTimeout
        }
        return .incomplete(start..<start + kept)
      case .complete(let length, let next):
        start += next
        let framer = connection.framer
        connection.framer = RequestFramer(limits: limits)
        connection.requestDeadline = nil
        connection.requestID = framer.requestID
        connection.isKept = framer.keepsConnection
        let request = worker.decoder.decode(
          UnsafeRawBufferPointer(rebasing: rest[..<length]), bodySize: framer.bodySize,
          bodyLimit: configuration.bodyLimit)
        guard let request else { return .ended(.malformedRequest) }
        let response = handle(request, of: connection) {
          connection.setUnscanned(bytes[start...])
        }
        guard let response else { return .deferred }
        switch send(response, on: connection, with: worker) {
        case .sent where connection.isKept: break
        case .sent: return .ended(nil)
        case .blocked: return .blocked(start)
        case .failed: return .ended(.sendFailure)
        }
      }
    }
  }

  /// Has the handler answer a request.
  ///
  /// - Parameter prepare: Called if the response comes later, before another thread can send it.
  /// - Returns: The response; nil if it comes later, and the connection must not be touched any more.
  private func handle(
    _ request: Request, of connection: FastCGIConnection, orDefer prepare: () -> Void
  ) -> Response? {
    let reply = Reply(loop: self, connection: connection)
    busy.add(1, ordering: .relaxed)
    handler(request, reply)
    busy.subtract(1, ordering: .relaxed)
    return reply.endHandling(orDefer: prepare)
  }

  // MARK: - Sending

  private enum Sending {
    case sent
    /// The socket has no room for the rest, which is in ``FastCGIConnection/unsent``.
    case blocked
    case failed
  }

  /// Takes the response of a handler that has returned; nil closes the connection. Called on any thread.
  func deliver(_ response: Response?, to connection: FastCGIConnection) {
    let isFirst = replies.withLock { replies in
      replies.append((connection, response))
      return replies.count == 1
    }
    // The thread that this wakes takes all that are there by then.
    if isFirst { eventfd_write(descriptors.replies, 1) }
  }

  private func sendReplies(with worker: Worker) {
    let batch = replies.withLock { replies in
      defer { replies = [] }
      return replies
    }
    for (connection, response) in batch {
      guard let response else {
        close(connection, .noReply)
        continue
      }
      switch send(response, on: connection, with: worker) {
      // Another thread serves the bytes after the request, so that they delay no reply.
      case .sent where connection.isKept, .blocked: park(connection)
      case .sent: close(connection, nil)
      case .failed: close(connection, .sendFailure)
      }
    }
  }

  private func send(
    _ response: Response, on connection: FastCGIConnection, with worker: Worker
  ) -> Sending {
    worker.output.removeAll(keepingCapacity: true)
    response.appendRecords(
      requestID: connection.requestID, to: &worker.output, head: &worker.head)
    let count = Glibc.send(
      connection.descriptor, worker.output, worker.output.count, Int32(MSG_NOSIGNAL))
    if count == worker.output.count { return .sent }
    guard count >= 0 || errno == EAGAIN || errno == EINTR else { return .failed }
    connection.unsent = worker.output
    worker.output = []
    connection.sentCount = max(count, 0)
    connection.sendDeadline = .now + configuration.sendTimeout
    return .blocked
  }

  private func sendRest(on connection: FastCGIConnection) -> Sending {
    while connection.sentCount < connection.unsent.count {
      let count = connection.unsent[connection.sentCount...].withUnsafeBytes {
        Glibc.send(connection.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count >= 0 else { return errno == EAGAIN || errno == EINTR ? .blocked : .failed }
      connection.sentCount += count
    }
    connection.unsent = []
    return .sent
  }

  private func sendFramerReplies(of connection: FastCGIConnection) -> Bool {
    let records = connection.framer.replies
    if records.isEmpty { return true }
    connection.framer.replies = []
    // A web server that does not read its answers gets no more of them.
    return Glibc.send(connection.descriptor, records, records.count, Int32(MSG_NOSIGNAL))
      == records.count
  }

  // MARK: - Between events

  /// Gives the connection back to the epoll set. The caller must not touch it afterwards.
  private func park(_ connection: FastCGIConnection) {
    let operation = connection.isRegistered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD
    connection.isRegistered = true
    var events = EPOLLONESHOT.rawValue
    // A connection with bytes to scan is ready as soon as the web server reads what was sent before. Until
    // then it is idle, and must notice when its time is up.
    if !connection.unsent.isEmpty || connection.hasUnscannedBytes { events |= EPOLLOUT.rawValue }
    if connection.unsent.isEmpty { events |= EPOLLIN.rawValue }
    connection.park(idleUntil: .now + configuration.idleTimeout)
    if isStopping { connection.requestClose(until: lastArrivalInstant) }
    let isArmed = control(
      operation, connection.descriptor, events, Self.address(of: connection))
    if !isArmed { close(connection, .systemError) }
  }

  private func close(_ connection: FastCGIConnection, _ reason: AbnormalEnd?) {
    table.withLock { table in
      table.remove(connection, end: reason)
      Glibc.close(connection.descriptor)
      endIfDone(table)
    }
  }

  // MARK: - Time

  private func armTimer(_ table: inout ConnectionTable) {
    let isUrgent = table.isPaused || isStopping
    let shortest = min(
      configuration.receiveTimeout, configuration.sendTimeout, configuration.idleTimeout)
    let period = min(max(shortest / 4, .milliseconds(10)), isUrgent ? Self.pause : .seconds(1))
    let due = MonotonicInstant.now + period
    if let timerDue = table.timerDue, due >= timerDue { return }
    table.timerDue = due
    var time = itimerspec()
    time.it_value = due.timespec
    timerfd_settime(descriptors.timer, Int32(TFD_TIMER_ABSTIME), &time, nil)
  }

  /// Ends the connections whose time is up, reports abnormal ends, and lets the listening socket try again.
  private func tick() {
    var expirations: UInt64 = 0
    read(descriptors.timer, &expirations, MemoryLayout<UInt64>.size)
    let now = MonotonicInstant.now
    let report = table.withLock { table in
      for connection in table.connections { connection.expire(at: now) }
      if table.isPaused, !isStopping { rearm(socket.descriptor, Token.listener) }
      table.isPaused = false
      table.timerDue = nil
      let report = table.takeReport(at: now)
      if table.count > 0 || table.hasUnreportedEnds { armTimer(&table) }
      return report
    }
    if let report { onAbnormalEnds(report) }
    rearm(descriptors.timer, Token.timer)
  }

  // MARK: - Stopping

  private var lastArrivalInstant: MonotonicInstant {
    MonotonicInstant(nanoseconds: lastArrival.load(ordering: .sequentiallyConsistent))
  }

  private func stop() {
    let deadline = MonotonicInstant.now + configuration.stopTimeout
    lastArrival.store(deadline.nanoseconds, ordering: .sequentiallyConsistent)
    socket.refuseFurther()
    // On a socket that others share, connections may go on arriving.
    accepting: while MonotonicInstant.now < deadline {
      switch accept() {
      case .connection(let connection): park(connection)
      case .exhausted: usleep(10_000)
      case .aborted: continue
      case .nothing, .closed: break accepting
      }
    }
    table.withLock { table in
      for connection in table.connections { connection.requestClose(until: deadline) }
      table.isDrained = true
      armTimer(&table)
      endIfDone(table)
    }
  }

  private func endIfDone(_ table: borrowing ConnectionTable) {
    if table.isDrained, table.count == 0 { eventfd_write(descriptors.end, 1) }
  }
}
