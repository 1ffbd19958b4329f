import ArgumentParser
import Domain
import Foundation

/// `status`: shows the state of the running service.
struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the state of the running service.",
    discussion: """
      Reads the service's metrics through its socket. nginx offers the same metrics at /metrics on \
      this machine. All counts begin when the service starts.
      """)

  @OptionGroup var socket: SocketOption

  @Flag(help: "Print the metrics in Prometheus' text format.")
  var raw = false

  func validate() throws { _ = try socket.path }

  func run() throws {
    let text = try socket.get(Metrics.path)
    print(raw ? text : Status.summary(of: Samples(text)), terminator: raw ? "" : "\n")
  }

  /// A line for each subject.
  private static func summary(of samples: Samples) -> String {
    func value(_ name: String) -> Double { samples[name] ?? 0 }
    func count(_ name: String) -> Int { Int(value(name)) }
    func time(_ name: String) -> String? {
      samples[name].map { seconds in
        let time = Timestamp(milliseconds: Int64(seconds * 1000))
        return "\(time) (\(span(Date().timeIntervalSince1970 - seconds)) ago)"
      }
    }
    let requests = Dictionary(grouping: samples.all("tomi_http_requests_total")) {
      $0.labels["status"] ?? ""
    }.mapValues { Int($0.reduce(0) { $0 + $1.value }) }.sorted { $0.key < $1.key }
    let statuses = requests.map { "\($0.value) × \($0.key)" }.joined(separator: ", ")
    let batches = value("tomi_writer_batch_changes_count")
    let lines: [(name: String, text: String)] = [
      ("Version", "\(samples.all("tomi_build_info").first?.labels["version"] ?? "unknown")"),
      ("Started", time("process_start_time_seconds") ?? "unknown"),
      (
        "Requests",
        "\(requests.reduce(0) { $0 + $1.value })\(statuses.isEmpty ? "" : ": \(statuses)")"
      ),
      ("Latency", latency(in: samples)),
      ("Threads", "\(count("tomi_threads_busy")) of \(count("tomi_threads")) busy"),
      (
        "Changes",
        """
        \(count("tomi_writer_batch_changes_sum")) in \(Int(batches)) transactions, \
        \(count("tomi_writer_queue_length")) waiting
        """
      ),
      (
        "Commit time",
        "\(span(value("tomi_writer_commit_seconds_total") / max(1, batches))) on average"
      ),
      (
        "Checkpoints",
        """
        \(count("tomi_checkpoints_total")), \(count("tomi_checkpoints_incomplete_total")) \
        incomplete, longest \(span(value("tomi_checkpoint_longest_seconds")))
        """
      ),
      (
        "Database",
        "\(size(value("tomi_database_bytes"))), write-ahead log \(size(value("tomi_wal_bytes")))"
      ),
      ("Messages", messages(in: samples)),
      ("Last backup", time("tomi_last_backup_timestamp_seconds") ?? "none"),
      ("Memory", size(value("process_resident_memory_bytes"))),
      ("CPU time", span(value("process_cpu_seconds_total"))),
    ]
    return lines.map { $0.padding(toLength: 13, withPad: " ", startingAt: 0) + $1 }
      .joined(separator: "\n")
  }

  /// The time that half of the answers took at most, and the time that 99 % took at most, by the buckets
  /// in which they are counted.
  private static func latency(in samples: Samples) -> String {
    var buckets: [Double: Double] = [:]
    for sample in samples.all("tomi_http_request_duration_seconds_bucket") {
      // Double also reads "+Inf".
      guard let bound = sample.labels["le"].flatMap({ Double($0) }) else { continue }
      buckets[bound, default: 0] += sample.value
    }
    guard let total = buckets[.infinity], total > 0 else { return "no requests yet" }
    let bounds = buckets.keys.sorted()
    return [0.5, 0.99].map { share in
      let bound = bounds.first { buckets[$0, default: 0] >= share * total } ?? .infinity
      let text =
        bound < .infinity ? "within \(span(bound))" : "over \(span(bounds.dropLast().last ?? 0))"
      return "\(Int(share * 100)) % \(text)"
    }.joined(separator: ", ")
  }

  /// How many messages have each status, and how long the first one that is due has waited.
  private static func messages(in samples: Samples) -> String {
    let counts = samples.all("tomi_messages").filter { $0.value > 0 }.map {
      "\(Int($0.value)) \($0.labels["status"] ?? "")"
    }
    let waiting = samples["tomi_messages_oldest_queued_seconds"] ?? 0
    return (counts.isEmpty ? "none" : counts.joined(separator: ", "))
      + (waiting > 0 ? "; the first one that is due has waited for \(span(waiting))" : "")
  }

  private static func size(_ bytes: Double) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
    let power = bytes < 1 ? 0 : min(Int(log2(bytes) / 10), units.count - 1)
    let value = bytes / pow(1024, Double(power))
    return "\(power == 0 ? "\(Int(value))" : String(format: "%.1f", value)) \(units[power])"
  }

  private static func span(_ seconds: Double) -> String {
    switch seconds {
    case ..<1: "\((seconds * 1_000_000).rounded() / 1000) ms"
    case ..<120: String(format: "%.1f s", seconds)
    case ..<7200: "\(Int(seconds / 60)) minutes"
    case ..<172_800: "\(Int(seconds / 3600)) hours"
    default: "\(Int(seconds / 86_400)) days"
    }
  }
}

/// The samples in a text of Prometheus' format that `Metrics` has written.
private struct Samples {
  struct Sample {
    let name: Substring
    let labels: [Substring: Substring]
    let value: Double
  }

  private let samples: [Sample]

  init(_ text: String) {
    samples = text.split(separator: "\n").compactMap { line in
      guard let parts = line.wholeMatch(of: /(\w+)(?:\{(.*)\})? (\S+)/),
        let value = Double(parts.3)
      else { return nil }
      let labels = (parts.2 ?? "").matches(of: /(\w+)="([^"]*)"/).map { ($0.1, $0.2) }
      return Sample(
        name: parts.1, labels: Dictionary(labels) { first, _ in first }, value: value)
    }
  }

  /// The samples of a name.
  func all(_ name: String) -> [Sample] { samples.filter { $0.name == name } }

  /// The value of the only sample of a name.
  subscript(name: String) -> Double? { all(name).first?.value }
}
