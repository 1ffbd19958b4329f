import Synchronization

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

  private static let methods: Set = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]

  private let counts = Mutex<[Key: Count]>([:])

  /// What was counted since the start.
  package var present: [Key: Count] { counts.withLock { $0 } }

  func count(route: String, method: String, status: Int, took time: Duration) {
    let key = Key(route: route, method: Traffic.methods.contains(method) ? method : "other")
    let bucket = Traffic.bounds.firstIndex { time <= $0 } ?? Traffic.bounds.count
    counts.withLock { $0[key, default: Count()].add(status, bucket, time) }
  }
}
