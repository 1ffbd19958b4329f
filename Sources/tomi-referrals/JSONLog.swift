import Domain
import Glibc
import JSON
import Logging

/// Writes each log message to standard error, as one JSON object on one line.
struct JSONLog: LogHandler {
  var logLevel: Logger.Level = .info
  var metadata: Logger.Metadata = [:]

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var json = JSONWriter(capacity: 256)
    json.object { json in
      json.field("time", Timestamp.present.text)
      json.field("level", event.level.rawValue)
      json.field("message", event.message.description)
      let all = metadata.merging(event.metadata ?? [:]) { $1 }
      for (key, value) in all.sorted(by: { $0.key < $1.key }) {
        json.name(escaping: key)
        JSONLog.put(value, to: &json)
      }
    }
    // A single write, so that the lines of several threads do not mix. Its error is ignored: the service goes
    // on without a log.
    let line = json.bytes + [UInt8(ascii: "\n")]
    _ = write(STDERR_FILENO, line, line.count)
  }

  private static func put(_ value: Logger.MetadataValue, to json: inout JSONWriter) {
    switch value {
    case .string(let text): json.string(text)
    case .stringConvertible(let value as Int): json.integer(value)
    case .stringConvertible(let value as Double): json.number(value)
    case .stringConvertible(let value): json.string(value.description)
    case .array(let values):
      json.array { json in
        for value in values { put(value, to: &json) }
      }
    case .dictionary(let members):
      json.object { json in
        for (key, value) in members.sorted(by: { $0.key < $1.key }) {
          json.name(escaping: key)
          put(value, to: &json)
        }
      }
    }
  }
}
