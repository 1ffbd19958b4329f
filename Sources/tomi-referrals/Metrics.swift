import API
import Domain
import FastCGI
import Foundation
import POSIX
import Store

/// The service's metrics in Prometheus' text format
/// (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
final class Metrics: Sendable {
  /// The path at which the service offers them. nginx answers it only to requests from the machine itself.
  static let path = "/metrics"
  static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  private let router: Router
  private let store: Store
  private let database: String
  private let threads: Int
  private let startTime = Timestamp.present
  private let server = Lock<Server?>(nil)

  /// - Parameters:
  ///   - database: The path of the database file.
  ///   - threads: How many requests may be computed at once.
  init(router: Router, store: Store, database: String, threads: Int) {
    self.router = router
    self.store = store
    self.database = database
    self.threads = threads
  }

  /// Adds the metrics of a server. It is created after them, because its handler offers them.
  func include(_ server: Server) { self.server.withLock { $0 = server } }

  /// The metrics at this moment.
  var text: String {
    var text = Exposition()
    let server = server.withLock { $0 }
    text.add(
      "tomi_build_info", "Always 1, with the version of the executable.",
      [([("version", Version.current)], 1)])
    addRequests(to: &text)
    text.add("tomi_threads", "How many requests may be computed at once.", Double(threads))
    text.add(
      "tomi_threads_busy", "The threads that compute an answer now, this one included.",
      server.map { Double($0.busyThreads) })
    let ends = server?.abnormalEnds ?? [:]
    text.add(
      "tomi_fastcgi_connections_ended_total",
      "The web server's connections that ended during a request or an answer, by reason.",
      AbnormalEnd.allCases.map { ([("reason", $0.rawValue)], Double(ends[$0] ?? 0)) })
    addWriter(to: &text)
    addMessages(to: &text)
    addFiles(to: &text)
    addProcess(to: &text)
    return text.text
  }

  private func addRequests(to text: inout Exposition) {
    let counts = router.traffic.present.sorted {
      ($0.key.route, $0.key.method) < ($1.key.route, $1.key.method)
    }
    text.add(
      "tomi_http_requests_total", "Answers by route, method and status.",
      counts.flatMap { key, count in
        count.statuses.sorted { $0.key < $1.key }.map { status, number in
          (
            [("route", key.route), ("method", key.method), ("status", "\(status)")],
            Double(number)
          )
        }
      })
    text.addHistogram(
      "tomi_http_request_duration_seconds",
      "The time from a whole request to its whole answer, by route and method.",
      counts.map { key, count in
        Exposition.Histogram(
          labels: [("route", key.route), ("method", key.method)],
          bounds: Traffic.bounds.map { $0 / .seconds(1) }, counts: count.buckets,
          sum: count.time / .seconds(1))
      })
  }

  private func addWriter(to text: inout Exposition) {
    let writer = store.statistics
    text.add(
      "tomi_writer_queue_length", "The changes that wait to be committed.",
      Double(writer.queueLength))
    text.addHistogram(
      "tomi_writer_batch_changes", "The changes in a transaction.",
      [
        Exposition.Histogram(
          labels: [], bounds: (0..<writer.batchSizes.count - 1).map { Double(1 << $0) },
          counts: writer.batchSizes, sum: Double(writer.changes))
      ])
    text.add(
      "tomi_writer_commit_seconds_total",
      "The time of committed transactions, the disk's sync included.",
      writer.committing / .seconds(1))
    text.add(
      "tomi_writer_restarts_total",
      "The transactions that were lost, after which each of their changes ran in its own.",
      Double(writer.restarts))
    text.add(
      "tomi_checkpoints_total", "The copies of the write-ahead log into the database.",
      Double(writer.checkpoints))
    text.add(
      "tomi_checkpoints_incomplete_total",
      "The checkpoints that left pages in the log, because of a reader or an error.",
      Double(writer.incompleteCheckpoints))
    text.add(
      "tomi_maintenance_errors_total",
      "The errors of checkpoints and of PRAGMA optimize. The log names their cause.",
      Double(writer.maintenanceErrors))
    text.add(
      "tomi_checkpoint_seconds_total", "The time of checkpoints.",
      writer.checkpointing / .seconds(1))
    text.add(
      "tomi_checkpoint_longest_seconds", "The longest checkpoint since the start.",
      writer.longestCheckpoint / .seconds(1))
  }

  /// Adds the numbers of messages, unless the database can't be read at the moment.
  private func addMessages(to text: inout Exposition) {
    let statistics = try? store.read(now: .present) { try $0.messageStatistics() }
    guard let statistics else { return }
    text.add(
      "tomi_messages", "The messages by status.",
      MessageStatus.allCases.map {
        ([("status", $0.rawValue)], Double(statistics.counts[$0] ?? 0))
      })
    text.add(
      "tomi_messages_oldest_queued_seconds",
      "For how long the first message that is due has waited to be handed over; 0 if none is due.",
      statistics.oldestQueuedSeconds)
  }

  private func addFiles(to text: inout Exposition) {
    for (name, help, path) in [
      ("tomi_database_bytes", "The size of the database file.", database),
      ("tomi_wal_bytes", "The size of the write-ahead log's file.", "\(database)-wal"),
    ] {
      let attributes = try? FileManager.default.attributesOfItem(atPath: path)
      text.add(name, help, (attributes?[.size] as? Int).map(Double.init))
    }
    text.add(
      "tomi_last_backup_timestamp_seconds",
      "When the last backup of this database was complete, in seconds since 1970.",
      store.lastBackup.map { Double($0.milliseconds) / 1000 })
  }

  /// Adds the metrics that every process has
  /// (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>).
  private func addProcess(to text: inout Exposition) {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    let cpu = [usage.ru_utime, usage.ru_stime].map { Double($0.tv_sec) + Double($0.tv_usec) / 1e6 }
    text.add("process_cpu_seconds_total", "User and system CPU time.", cpu.reduce(0, +))
    // statm(5): the second number is the resident pages.
    let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?
      .split(separator: " ").dropFirst().first.flatMap { Double($0) }
    text.add(
      "process_resident_memory_bytes", "Resident memory.",
      pages.map { $0 * Double(sysconf(Int32(_SC_PAGESIZE))) })
    text.add(
      "process_start_time_seconds", "When the process started, in seconds since 1970.",
      Double(startTime.milliseconds) / 1000)
  }
}

/// A text in Prometheus' format.
private struct Exposition {
  typealias Labels = [(name: String, value: String)]

  struct Histogram {
    let labels: Labels
    let bounds: [Double]
    /// The count up to each bound, without those up to the bound before it; the last count is above all bounds.
    let counts: [Int]
    let sum: Double
  }

  private(set) var text = ""

  /// Adds a metric with one value. Without a value, nothing is added.
  mutating func add(_ name: String, _ help: String, _ value: Double?) {
    if let value { add(name, help, [([], value)]) }
  }

  /// Adds a metric: a counter if its name ends with `_total`, or else a gauge.
  mutating func add(_ name: String, _ help: String, _ samples: [(Labels, Double)]) {
    begin(name, name.hasSuffix("_total") ? "counter" : "gauge", help)
    for (labels, value) in samples { addSample(name, labels, value) }
  }

  mutating func addHistogram(_ name: String, _ help: String, _ histograms: [Histogram]) {
    begin(name, "histogram", help)
    for histogram in histograms {
      var total = 0
      for (index, count) in histogram.counts.enumerated() {
        total += count
        let bound =
          index < histogram.bounds.count ? Exposition.number(histogram.bounds[index]) : "+Inf"
        addSample("\(name)_bucket", histogram.labels + [("le", bound)], Double(total))
      }
      addSample("\(name)_sum", histogram.labels, histogram.sum)
      addSample("\(name)_count", histogram.labels, Double(total))
    }
  }

  private mutating func begin(_ name: String, _ type: String, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
  }

  /// Adds a line. The labels' values are the service's own words, which need no escapes.
  private mutating func addSample(_ name: String, _ labels: Labels, _ value: Double) {
    let list = labels.map { "\($0.name)=\"\($0.value)\"" }.joined(separator: ",")
    text += "\(name)\(list.isEmpty ? "" : "{\(list)}") \(Exposition.number(value))\n"
  }

  private static func number(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
  }
}
