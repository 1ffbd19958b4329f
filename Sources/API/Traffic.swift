import POSIX

/// How many requests were answered, by route, method and status, and in what time.
package final class Traffic: Sendable {
  /// What the answers are told apart by.
  package struct Key: Hashable, Sendable {
    /// The route's pattern, such as `/api/partners/:id`; `none` for a path that is none of ours.
    package let route: String
    /// The method; `other` for one that no route has, since callers can make up any.
    package let method: String
  }

  /// The answers of one key.
  package struct Count: Sendable {
    /// Their number by status.
    package fileprivate(set) var statuses: [Int: Int] = [:]
    /// Their number by time: those that took at most each of ``Traffic/bounds``, and at last the
    /// slower ones. Each answer is counted once.
    package fileprivate(set) var buckets = [Int](repeating: 0, count: Traffic.bounds.count + 1)
    /// The time that they took together.
    package fileprivate(set) var time = Duration.zero

    fileprivate mutating func add(_ status: Int, _ bucket: Int, _ time: Duration) {
      statuses[status, default: 0] += 1
      buckets[bucket] += 1
      self.time += time
    }
  }

  /// The upper bounds of the classes of time.
  package static let bounds: [Duration] = [
    .microseconds(500), .milliseconds(1), .microseconds(2_500), .milliseconds(5), .milliseconds(10),
    .milliseconds(25), .milliseconds(50), .milliseconds(100), .milliseconds(250),
    .milliseconds(500), .seconds(1), .milliseconds(2_500),
  ]

  /// The methods that are told apart; the last one stands for all others.
  private static let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "other"]

  private let routes: [String]
  /// For each route, and then for none of them, the counts by method.
  private let counts: Lock<[Count]>

  /// - Parameter routes: Their patterns.
  init(routes: [String]) {
    self.routes = routes + ["none"]
    counts = Lock(Array(repeating: Count(), count: (routes.count + 1) * Traffic.methods.count))
  }

  /// What was counted since the start.
  package var present: [Key: Count] {
    let counts = counts.withLock { $0 }
    var present: [Key: Count] = [:]
    for (index, count) in counts.enumerated() where !count.statuses.isEmpty {
      let (route, method) = index.quotientAndRemainder(dividingBy: Traffic.methods.count)
      present[Key(route: routes[route], method: Traffic.methods[method])] = count
    }
    return present
  }

  /// - Parameter route: Its place among the routes; nil for a path that is none of ours.
  func count(route: Int?, method: String, status: Int, took time: Duration) {
    let last = Traffic.methods.count - 1
    let method = Traffic.methods.firstIndex(of: method) ?? last
    let index = (route ?? routes.count - 1) * Traffic.methods.count + method
    let bucket = Traffic.bounds.firstIndex { time <= $0 } ?? Traffic.bounds.count
    counts.withLock { $0[index].add(status, bucket, time) }
  }
}
