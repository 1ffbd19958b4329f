import CFastCGI
import Glibc
import Synchronization

/// A connection of the web server.
///
/// It belongs to no thread. Between two events it rests in the epoll set, and the event, armed for
/// one delivery at a time, gives it to the thread that is woken: only that thread touches what is
/// not atomic here, and only it closes the descriptor. That is why it may be sent between threads.
final class Connection: @unchecked Sendable {
  let descriptor: Int32
  /// Where it stands in the list of all connections; guarded by that list's lock.
  var place = 0
  /// Whether it is in the epoll set.
  var isRegistered = false
  /// What has arrived of a request that is not whole yet.
  var pending: [UInt8] = []
  var intake: Intake
  /// The ID of the last request that was answered on it; nginx gives all of them 1.
  var requestID: UInt16 = 1
  /// When the request that is arriving must be whole, or nil between requests.
  var requestDeadline: Int?

  /// 0 while a thread has it; above 0 when it may stay idle until that time; below 0 when a request
  /// must be whole by that time, negated; `dismissing` for the moment that this takes. In monotonic
  /// milliseconds.
  private let rest = Atomic<Int>(0)
  private static let dismissing = Int.min

  init(descriptor: Int32, intake: Intake, requestDeadline: Int) {
    self.descriptor = descriptor
    self.intake = intake
    self.requestDeadline = requestDeadline
  }

  /// Notes that a thread has it, which from here on sees all that the last one did to it.
  func wake() {
    var time = rest.load(ordering: .sequentiallyConsistent)
    while true {
      if time == Self.dismissing {
        sched_yield()
        time = rest.load(ordering: .sequentiallyConsistent)
      } else {
        let (isTaken, now) = rest.compareExchange(
          expected: time, desired: 0, ordering: .sequentiallyConsistent)
        if isTaken { return }
        time = now
      }
    }
  }

  /// Notes that it waits: for the rest of a request, if one is arriving, or else for the next. This
  /// is the last that a thread does to it.
  func settle(idleUntil idleDeadline: Int) {
    rest.store(requestDeadline.map(-) ?? idleDeadline, ordering: .sequentiallyConsistent)
  }

  /// Ends it if its time is up.
  func hangUp(ifOverdueAt now: Int) {
    let time = rest.load(ordering: .sequentiallyConsistent)
    // Nothing more may arrive. What has arrived can still be read, and behind it the end, at which
    // the thread that is woken by this closes the connection: so a request that came at the last
    // moment is answered.
    if time != 0, time != Self.dismissing, abs(time) <= now {
      shutdown(descriptor, Int32(SHUT_RD))
    }
  }

  /// Asks the web server to end it, if it is idle, and lets what is arriving, or what is sent before
  /// the web server has understood, go on until `deadline` at most.
  ///
  /// FastCGI has no word for it, and to close a connection on which the next request may be on its
  /// way would lose that request: the web server cannot know whether it was carried out, and must
  /// not repeat a POST. But a web server lets go of a connection on which something comes that it
  /// has not asked for (nginx: `ngx_http_upstream_keepalive_close_handler`, and
  /// `ngx_http_fastcgi_input_filter` for what follows FCGI_END_REQUEST). So it gets an empty
  /// FCGI_STDERR record, which does no harm either at the head of the answer to a request that
  /// crosses it.
  func dismiss(until deadline: Int) {
    let time = rest.load(ordering: .sequentiallyConsistent)
    // If a thread takes it in between, that thread will call this when it lets go of it.
    if time > 0 {
      guard exchange(time, for: Self.dismissing) else { return }
      var record: [UInt8] = []
      record.appendRecord(
        type: FCGI_STDERR, requestID: requestID, content: EmptyCollection())
      send(descriptor, record, record.count, Int32(MSG_DONTWAIT))
      rest.store(min(time, deadline), ordering: .sequentiallyConsistent)
    } else if time < -deadline, time != Self.dismissing {
      _ = exchange(time, for: -deadline)
    }
  }

  private func exchange(_ expected: Int, for time: Int) -> Bool {
    rest.compareExchange(expected: expected, desired: time, ordering: .sequentiallyConsistent)
      .exchanged
  }
}
