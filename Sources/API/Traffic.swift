import JSON
import POSIX

/// The numbers and times of the answers, by route, method and status.
package final class Traffic: Sendable {
  /// A route and a method.
  package struct Key: Hashable, Sendable {
    /// The route's pattern, such as `/api/partners/:id`, or `none` for an unknown path.
    package let route: String
    /// The method, or `other` for a method that no route has.
    package let method: String
  }

  /// The answers of one key.
  package struct Count: Sendable {
    /// Their number by status.
    package fileprivate(set) var statuses: [Int: Int] = [:]
    /// Their number by time: one bucket for each of ``Traffic/bounds``, and one for slower answers. Each answer
    /// is in one bucket.
    package fileprivate(set) var buckets = [Int](repeating: 0, count: Traffic.bounds.count + 1)
    /// The sum of their times.
    package fileprivate(set) var time = Duration.zero

    fileprivate mutating func add(_ status: Int, _ bucket: Int, _ time: Duration) {
      statuses[status, default: 0] += 1
      buckets[bucket] += 1
      self.time += time
    }
  }

  /// The upper bounds of the buckets.
  package static let bounds: [Duration] = [
    .microseconds(500), .milliseconds(1), .microseconds(2_500), .milliseconds(5), .milliseconds(10),
    .milliseconds(25), .milliseconds(50), .milliseconds(100), .milliseconds(250),
    .milliseconds(500), .seconds(1), .milliseconds(2_500),
  ]

  /// The methods of the keys. The last one is for all others.
  private static let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "other"]

  private let routes: [String]
  /// The counts by route and method. The counts of unknown paths come last.
  private let counts: Lock<[Count]>

  /// - Parameter routes: The patterns of the routes.
  init(routes: [String]) {
    self.routes = routes + ["none"]
    counts = Lock(Array(repeating: Count(), count: (routes.count + 1) * Traffic.methods.count))
  }

  /// The counts since the start.
  package var present: [Key: Count] {
    let counts = counts.withLock { $0 }
    var present: [Key: Count] = [:]
    for (index, count) in counts.enumerated() where !count.statuses.isEmpty {
      let (route, method) = index.quotientAndRemainder(dividingBy: Traffic.methods.count)
      present[Key(route: routes[route], method: Traffic.methods[method])] = count
    }
    return present
  }

  /// - Parameter route: The index of the pattern; nil for an unknown path.
  func count(route: Int?, method: String, status: Int, took time: Duration) {
    let last = Traffic.methods.count - 1
    let method = Traffic.methods.firstIndex { $0.isSame(as: method) } ?? last
    let index = (route ?? routes.count - 1) * Traffic.methods.count + method
    let bucket = Traffic.bounds.firstIndex { time <= $0 } ?? Traffic.bounds.count
    counts.withLock { $0[index].add(status, bucket, time) }
  }
}
