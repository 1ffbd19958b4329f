import CFastCGI
import Glibc
import POSIX

/// A connection of the web server.
///
/// It belongs to no thread. While it is parked, the epoll set holds it, armed for one event. The thread
/// that receives the event claims the connection and parks it again or closes it. A connection whose
/// request is being answered stays claimed; the thread that sends the answer then owns it. Only the owner
/// touches the properties, except for ``index``; that makes the class safe to share.
final class FastCGIConnection: @unchecked Sendable {
  /// A socket that never blocks.
  let descriptor: Int32
  /// Its index in the ``ConnectionTable``, guarded by the table's lock.
  var index = 0
  /// Whether the epoll set holds it.
  var isRegistered = false
  /// The bytes that have arrived and are not served yet.
  var pending: [UInt8] = []
  /// Whether ``pending`` may hold a whole request, because it came behind one that was still unanswered.
  var hasUnscannedBytes = false
  var framer: RequestFramer
  /// The ID of the last request; nginx gives all of them 1.
  var requestID: UInt16 = 1
  /// Whether the web server goes on using the connection after the last request.
  var isKept = false
  /// When the request that is arriving must be whole; nil between requests.
  var requestDeadline: MonotonicInstant?
  /// The records of an answer that the socket did not take at once.
  var unsent: [UInt8] = []
  /// How many of the bytes in ``unsent`` are sent.
  var sentCount = 0
  /// When all of ``unsent`` must be sent.
  var sendDeadline = MonotonicInstant(nanoseconds: 0)

  private let state = Lock(State.claimed)

  private enum State {
    /// A thread or the handler of a request owns it.
    case claimed
    /// It waits for a request.
    case idle(until: MonotonicInstant)
    /// It waits for the rest of a request.
    case receiving(until: MonotonicInstant)
    /// It waits for room to send.
    case sending(until: MonotonicInstant)
  }

  init(descriptor: Int32, framer: RequestFramer, requestDeadline: MonotonicInstant) {
    self.descriptor = descriptor
    self.framer = framer
    self.requestDeadline = requestDeadline
  }

  /// Keeps bytes that are to be scanned when the present answer is sent.
  func setUnscanned(_ bytes: some Collection<UInt8>) {
    pending = Array(bytes)
    hasUnscannedBytes = !pending.isEmpty
  }

  /// Makes the calling thread its owner, which sees all that the previous owner did to it.
  func claim() {
    state.withLock { $0 = .claimed }
  }

  /// Ends the ownership. The caller must not touch the connection afterwards, except to arm its event.
  func park(idleUntil idleDeadline: MonotonicInstant) {
    let next: State =
      if !unsent.isEmpty {
        .sending(until: sendDeadline)
      } else if let requestDeadline {
        .receiving(until: requestDeadline)
      } else {
        .idle(until: idleDeadline)
      }
    state.withLock { $0 = next }
  }

  /// Ends it if its time is up.
  func expire(at now: MonotonicInstant) {
    state.withLock { state in
      switch state {
      case .idle(let deadline) where deadline <= now,
        .receiving(let deadline) where deadline <= now:
        // Nothing more can arrive. A thread can still read what has arrived, and then the end, at which it
        // closes the connection. So a request that came at the last moment is answered.
        shutdown(descriptor, Int32(SHUT_RD))
      case .sending(let deadline) where deadline <= now:
        shutdown(descriptor, Int32(SHUT_RDWR))
      default: break
      }
    }
  }

  /// Asks the web server to close the connection, if it is idle. A request that is arriving, or that the
  /// web server sends before it has understood, may go on until `deadline`.
  ///
  /// FastCGI has no record for this. To close a connection on which the next request may be on its way
  /// would lose that request: the web server cannot know whether it was carried out, and must not repeat
  /// a POST. But a web server drops a connection on which it receives something that it has not asked for
  /// (nginx: `ngx_http_upstream_keepalive_close_handler`, and `ngx_http_fastcgi_input_filter` for bytes
  /// that follow FCGI_END_REQUEST). So it gets an empty FCGI_STDERR record, which is also harmless at the
  /// head of the answer to a request that crosses it.
  ///
  /// A connection that is claimed is left alone. Its owner calls this when it parks it.
  func requestClose(until deadline: MonotonicInstant) {
    state.withLock { state in
      switch state {
      case .idle(let idleDeadline):
        var record: [UInt8] = []
        record.appendRecord(
          type: FCGI_STDERR, requestID: requestID, content: EmptyCollection())
        send(descriptor, record, record.count, Int32(MSG_NOSIGNAL))
        state = .idle(until: min(idleDeadline, deadline))
      case .receiving(let requestDeadline):
        state = .receiving(until: min(requestDeadline, deadline))
      case .claimed, .sending: break
      }
    }
  }
}
