import Foundation
import HTTPTypes
import JSON
import Testing

@testable import API

/// An answer, as a test looks at it.
struct Reply: Sendable {
  let status: Int
  let headers: HTTPFields
  let body: [UInt8]
  /// The body as a value; null if it is not JSON.
  let json: JSON

  init(_ response: Response) {
    status = response.status.code
    headers = response.headers
    body = response.body
    json = (try? JSON(parsing: response.body)) ?? .null
  }

  subscript(_ name: String) -> JSON? { json[name] }

  var text: String { String(decoding: body, as: UTF8.self) }

  var etag: String? { headers[.eTag] }

  /// The items of a list.
  var items: [JSON] { json["data"]?.elements ?? [] }

  /// The answer in short: `200`, or for a refusal its status and code, then what each error says
  /// (`/email:required`), then what else the problem holds (`allowed=active,removed`).
  var verdict: String {
    guard status >= 400 else { return String(status) }
    var words = [String(status), json["code"]?.text ?? "?"]
    words += (json["errors"]?.elements ?? []).map { error in
      let place = error["pointer"] ?? error["parameter"] ?? error["header"]
      return "\(place?.text ?? "?"):\(error["code"]?.text ?? "?")"
    }.sorted()
    for name in ["allowed", "missing", "reasons"] {
      guard let list = json[name]?.elements else { continue }
      words.append("\(name)=\(list.map { $0.text ?? "?" }.joined(separator: ","))")
    }
    if let existing = json["existing"]?.text { words.append("existing=\(existing)") }
    return words.joined(separator: " ")
  }

  /// Notes an issue for each thing that holds for all answers and not for this one.
  func check(_ request: Request, log: RecordedLog, sourceLocation: SourceLocation) {
    func expect(_ holds: Bool, _ rule: String) {
      guard !holds else { return }
      Issue.record(
        "\(request.method) \(request.target): \(rule). \(status) \(headers) \(text)",
        sourceLocation: sourceLocation)
    }
    expect(status != 500, "no failure of ours: \(log.lines.last ?? "")")
    expect(headers[.vary] == "Origin", "Vary: Origin")
    expect(headers[.cacheControl] != nil, "Cache-Control")
    let type = headers[.contentType]
    if status == 204 || status == 304 {
      expect(body.isEmpty && type == nil && headers[.contentLength] == nil, "no body")
      return
    }
    if request.method == "HEAD" {
      expect(body.isEmpty, "no body for HEAD")
      expect((headers[.contentLength].flatMap { Int($0) } ?? 0) > 0, "the length of GET's body")
    } else {
      expect(headers[.contentLength] == String(body.count), "Content-Length")
    }
    if status == 202 {
      expect(body.isEmpty && type == nil, "nothing that shows what was done")
      return
    }
    guard status >= 400 else {
      expect(type == "application/json" || type == "application/yaml", "a media type")
      return
    }
    expect(type == "application/problem+json", "a problem's media type")
    expect(headers[.cacheControl] == "no-store", "no-store")
    expect(headers[.eTag] == nil && headers[.location] == nil, "no version of a problem")
    expect((headers[.allow] != nil) == (status == 405), "Allow with 405 and with no other")
    expect((headers[.wwwAuthenticate] != nil) == (status == 401), "WWW-Authenticate with 401")
    guard request.method != "HEAD" else { return }
    expect(body.count <= 65_536, "at most 64 KiB of a refusal")
    expect((json["errors"]?.elements ?? []).count <= 100, "at most 100 errors")
    let code = json["code"]?.text ?? ""
    let extra: [String] =
      switch code {
      case "validation", "invalid_parameter": ["errors"]
      case "transition_not_allowed": ["allowed"]
      case "partner_not_ready": ["missing"]
      case "partner_not_eligible": ["reasons"]
      case "referral_already_open": ["existing"]
      default: []
      }
    expect(
      json.keys == ["type", "title", "status", "code", "detail", "instance", "request_id"] + extra,
      "a problem's members")
    expect(
      json["type"]?.text == "/problems/" + code.replacing("_", with: "-"), "the problem's type")
    expect(json["status"] == .integer(status), "the problem's status")
    expect(json["title"]?.text?.isEmpty == false, "a title")
    expect(json["detail"]?.text?.isEmpty == false, "a detail")
    let path = request.target.unicodeScalars.prefix { $0 != "?" }.prefix(200)
    expect(json["instance"]?.text == String(Substring(path)), "the problem's instance")
    expect(json["request_id"]?.text == request.id, "the request's ID")
    for error in json["errors"]?.elements ?? [] {
      let place =
        code == "validation"
        ? ["pointer"] : [error["header"] == nil ? "parameter" : "header"]
      expect(error.keys == place + ["code", "detail"], "an error's members")
      expect(error["detail"]?.text?.isEmpty == false, "an error's detail")
    }
    for word in ["SELECT", "INSERT", "UPDATE ", "sqlite", "SQLite", "Sources/", ".swift"] {
      expect(!text.contains(word), "nothing of our insides")
    }
  }
}

extension JSON {
  var bytes: [UInt8] {
    var writer = JSONWriter()
    writer.value(self)
    return writer.bytes
  }

  var text: String? { if case .string(let text) = self { text } else { nil } }

  var number: Int? { if case .integer(let number) = self { number } else { nil } }

  /// An array's elements; none of anything else.
  var elements: [JSON] { if case .array(let elements) = self { elements } else { [] } }

  /// An object's members; none of anything else.
  var members: [Member] { if case .object(let members) = self { members } else { [] } }

  /// The names of an object's members, in their order.
  var keys: [String] { members.map(\.name) }

  subscript(_ index: Int) -> JSON? {
    elements.indices.contains(index) ? elements[index] : nil
  }

  /// The object with other values for these members, added if it has none.
  func with(_ changes: JSON) -> JSON {
    var members = members
    for change in changes.members {
      if let index = members.firstIndex(where: { $0.name == change.name }) {
        members[index] = change
      } else {
        members.append(change)
      }
    }
    return .object(members)
  }

  /// The object without these members.
  func without(_ names: String...) -> JSON {
    .object(members.filter { !names.contains($0.name) })
  }
}

extension [JSON] {
  /// The element at an index; null if there is none, so that a test fails instead of ending the run.
  func at(_ index: Int) -> JSON { indices.contains(index) ? self[index] : .null }
}
