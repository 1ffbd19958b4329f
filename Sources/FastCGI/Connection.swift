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
  /// When the request that is arriving must be whole, or nil between requests.
  var requestDeadline: Int?

  /// 0 while a thread has it; above 0 when it may stay idle until that time; below 0 when a request
  /// must be whole by that time, negated. In monotonic milliseconds.
  private let rest = Atomic<Int>(0)

  init(descriptor: Int32, intake: Intake, requestDeadline: Int) {
    self.descriptor = descriptor
    self.intake = intake
    self.requestDeadline = requestDeadline
  }

  /// Notes that a thread has it, which from here on sees all that the last one did to it.
  func wake() {
    _ = rest.exchange(0, ordering: .sequentiallyConsistent)
  }

  /// Notes that it waits: for the rest of a request, if one is arriving, or else for the next. This
  /// is the last that a thread does to it.
  func settle(idleUntil idleDeadline: Int) {
    rest.store(requestDeadline.map(-) ?? idleDeadline, ordering: .sequentiallyConsistent)
  }

  /// Ends it if its time is up.
  func hangUp(ifOverdueAt now: Int) {
    let time = rest.load(ordering: .sequentiallyConsistent)
    if time != 0, abs(time) <= now { hangUp() }
  }

  /// Ends it if it is idle, and lets a request that is arriving go on until `deadline` at most.
  func hangUp(sparingRequestsUntil deadline: Int) {
    let time = rest.load(ordering: .sequentiallyConsistent)
    if time > 0 { hangUp() }
    if time < -deadline {
      // If a thread has taken it in between, that thread will call this when it lets go of it.
      _ = rest.compareExchange(
        expected: time, desired: -deadline, ordering: .sequentiallyConsistent)
    }
  }

  /// Lets nothing more arrive. What has arrived can still be read, and behind it the end, at which
  /// the thread that is woken by this closes the connection: so a request that came at the last
  /// moment is answered.
  private func hangUp() {
    shutdown(descriptor, Int32(SHUT_RD))
  }
}
