import ArgumentParser
import Domain
import FastCGI
import Foundation

/// `status`: how a responder does.
struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say how a running responder does.",
    discussion: """
      Asks it through FastCGI for its metrics, the same that the web server offers to the machine
      itself at /metrics, and prints them for a person. What is counted is counted since its start.
      """)

  @OptionGroup var socket: SocketOption

  @Flag(help: "Print the metrics as they are, in Prometheus' text format.")
  var raw = false

  func run() throws {
    let answer = try socket.ask(for: Metrics.path)
    let text = String(decoding: answer, as: UTF8.self)
    guard !raw else { return print(text, terminator: "") }
    print(Status.summary(of: Samples(text), now: .present))
  }

  /// The metrics for a person, a line each.
  static func summary(of samples: Samples, now: Timestamp) -> String {
    var lines: [(name: String, text: String)] = []
    func time(_ name: String) -> String? {
      samples[name].map { seconds in
        let time = Timestamp(milliseconds: Int64(seconds * 1000))
        return "\(time) (\(span(Double(now.milliseconds) / 1000 - seconds)) ago)"
      }
    }
    let version = samples.all("tomi_build_info").first?.labels["version"].map(String.init)
    lines.append(("Version", version ?? "unknown"))
    lines.append(("Started", time("process_start_time_seconds") ?? "unknown"))

    let requests = samples.all("tomi_http_requests_total")
    let statuses = Dictionary(grouping: requests) { $0.labels["status"] ?? "" }
      .mapValues { $0.reduce(0) { $0 + $1.value } }.sorted { $0.key < $1.key }
    let list = statuses.map { "\(count($0.value)) × \($0.key)" }.joined(separator: ", ")
    lines.append(
      (
        "Requests",
        "\(count(requests.reduce(0) { $0 + $1.value }))\(list.isEmpty ? "" : ": \(list)")"
      )
    )
    lines.append(("Times", times(in: samples)))
    lines.append(
      (
        "Threads",
        "\(count(samples["tomi_threads_busy"])) of \(count(samples["tomi_threads"])) busy"
      ))

    let batches = samples["tomi_writer_batch_changes_count"] ?? 0
    let changes = samples["tomi_writer_batch_changes_sum"] ?? 0
    lines.append(
      (
        "Changes",
        """
        \(count(changes)) in \(count(batches)) transactions, \
        \(count(samples["tomi_writer_queue_length"])) waiting
        """
      ))
    if batches > 0, let seconds = samples["tomi_writer_commit_seconds_total"] {
      lines.append(("Commit", "\(span(seconds / batches)) on average"))
    }
    let checkpoints = samples["tomi_checkpoints_total"] ?? 0
    lines.append(
      (
        "Checkpoints",
        """
        \(count(checkpoints)), \(count(samples["tomi_checkpoints_incomplete_total"])) incomplete, \
        the longest \(span(samples["tomi_checkpoint_longest_seconds"] ?? 0))
        """
      ))
    lines.append(
      (
        "Database",
        """
        \(size(samples["tomi_database_bytes"])), write-ahead log \(size(samples["tomi_wal_bytes"]))
        """
      ))
    lines.append(("Last backup", time("tomi_last_backup_timestamp_seconds") ?? "none"))
    lines.append(("Memory", size(samples["process_resident_memory_bytes"])))
    lines.append(("CPU time", span(samples["process_cpu_seconds_total"] ?? 0)))
    let width = lines.map(\.name.count).max() ?? 0
    return lines.map { name, text in
      name.padding(toLength: width + 2, withPad: " ", startingAt: 0) + text
    }.joined(separator: "\n")
  }

  /// Half of the answers, and 99 of 100, took at most so long: the class of time that they fall in.
  private static func times(in samples: Samples) -> String {
    var classes: [Double: Double] = [:]
    for sample in samples.all("tomi_http_request_duration_seconds_bucket") {
      // Double knows "+Inf".
      guard let bound = sample.labels["le"].flatMap({ Double($0) }) else { continue }
      classes[bound, default: 0] += sample.value
    }
    guard let total = classes[.infinity], total > 0 else { return "no requests yet" }
    func quantile(_ share: Double) -> String {
      let bound = classes.keys.sorted().first { (classes[$0] ?? 0) >= share * total } ?? .infinity
      let slowest = classes.keys.filter { $0 < .infinity }.max() ?? 0
      return bound < .infinity ? "within \(span(bound))" : "over \(span(slowest))"
    }
    return "half \(quantile(0.5)), 99 % \(quantile(0.99))"
  }

  private static func count(_ value: Double?) -> String { value.map { "\(Int($0))" } ?? "?" }

  private static func size(_ bytes: Double?) -> String {
    guard let bytes else { return "none" }
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

/// The samples of a text in Prometheus' format, as `Metrics` writes it.
struct Samples {
  struct Sample {
    let name: Substring
    let labels: [Substring: Substring]
    let value: Double
  }

  private let samples: [Sample]

  init(_ text: String) {
    samples = text.split(separator: "\n").compactMap { line in
      guard !line.hasPrefix("#"), let space = line.lastIndex(of: " "),
        let value = Double(line[line.index(after: space)...])
      else { return nil }
      let parts = line[..<space].split(separator: "{", maxSplits: 1)
      let labels = (parts.dropFirst().first ?? "").dropLast().split(separator: ",").map { label in
        let sides = label.split(separator: "=", maxSplits: 1)
        return (sides[0], sides[1].dropFirst().dropLast())
      }
      return Sample(
        name: parts[0], labels: Dictionary(labels) { first, _ in first }, value: value)
    }
  }

  /// The samples of a name.
  func all(_ name: String) -> [Sample] { samples.filter { $0.name == name } }

  /// The value of the one sample of a name.
  subscript(name: String) -> Double? { all(name).first?.value }
}
