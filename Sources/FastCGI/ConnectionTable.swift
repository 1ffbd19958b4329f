import POSIX

/// The connections of a running server, and the state that changes together with their number.
struct ConnectionTable {
  /// The open connections, in no order.
  private(set) var connections: [FastCGIConnection] = []
  /// The calls of accept4 that are running. Each may add a connection.
  var accepting = 0
  /// When the timer fires; nil while it is not set.
  var timerDue: MonotonicInstant?
  /// Whether the listening socket waits for the timer.
  var isPaused = false
  /// Whether a stop has accepted every connection that was waiting.
  var isDrained = false
  /// How many connections have ended abnormally, by reason.
  private(set) var abnormalEnds: [AbnormalEnd: Int] = [:]
  /// The part of ``abnormalEnds`` that has been reported.
  private var reportedEnds: [AbnormalEnd: Int] = [:]
  private var nextReport = MonotonicInstant(nanoseconds: 0)

  /// How many connections there are, and may be added by calls of accept4 that are running.
  var count: Int { connections.count + accepting }

  /// Whether some abnormal ends have not been reported.
  var hasUnreportedEnds: Bool { reportedEnds != abnormalEnds }

  mutating func insert(_ connection: FastCGIConnection) {
    connection.index = connections.count
    connections.append(connection)
  }

  /// Removes a connection, and counts its end if it was abnormal.
  mutating func remove(_ connection: FastCGIConnection, end: AbnormalEnd?) {
    let last = connections.removeLast()
    if last !== connection {
      connections[connection.index] = last
      last.index = connection.index
    }
    if let end { abnormalEnds[end, default: 0] += 1 }
  }

  /// The abnormal ends since the last report, unless that was less than a second before `now`.
  mutating func takeReport(at now: MonotonicInstant) -> [AbnormalEnd: Int]? {
    guard hasUnreportedEnds, now >= nextReport else { return nil }
    nextReport = now + .seconds(1)
    return takeReport()
  }

  /// The abnormal ends since the last report.
  mutating func takeReport() -> [AbnormalEnd: Int] {
    let reported = reportedEnds
    reportedEnds = abnormalEnds
    return abnormalEnds.merging(reported, uniquingKeysWith: -).filter { $0.value > 0 }
  }
}
