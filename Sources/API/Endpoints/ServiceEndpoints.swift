import JSON
import Schema
import Store
import Yams

/// `GET /api/health`: whether the database answers.
@Sendable func getHealth(_ call: Call, _ records: Snapshot) throws -> Answer {
  try records.ping()
  return Answer(body: Array(#"{"status":"ok"}"#.utf8))
}

/// `GET /api/openapi.yaml`: the description of this API.
@Sendable func getOpenAPI(_ call: Call, _ records: Snapshot) throws -> Answer {
  Answer(contentType: "application/yaml", body: Schema.openAPI, etag: openAPITag)
}

private let openAPITag = ETag.of(Schema.openAPI)

/// `GET /api/openapi.json`: the same as JSON.
@Sendable func getOpenAPIAsJSON(_ call: Call, _ records: Snapshot) throws -> Answer {
  Answer(body: openAPIAsJSON.body, etag: openAPIAsJSON.etag)
}

/// Converted when somebody first asks for it.
private let openAPIAsJSON: (body: [UInt8], etag: String) = {
  guard let document = try? Yams.compose(yaml: String(decoding: Schema.openAPI, as: UTF8.self))
  else {
    preconditionFailure("schema/openapi.yaml is malformed")
  }
  var writer = JSONWriter(capacity: 2 * Schema.openAPI.count)
  writer.value(JSON(document))
  let body = writer.bytes
  return (body, ETag.of(body))
}()

extension JSON {
  /// The value of a node by YAML's JSON schema (YAML 1.2.2, section 10.2). The tags of Yams are those of YAML 1.1, for
  /// which a plain `no` is false.
  fileprivate init(_ node: Node) {
    switch node {
    case .scalar(let scalar):
      let value = scalar.style == .plain ? try? JSON(parsing: Array(scalar.string.utf8)) : nil
      self = value ?? .string(scalar.string)
    case .sequence(let sequence): self = .array(sequence.map { JSON($0) })
    case .mapping(let mapping):
      self = .object(mapping.map { Member($0.key.string ?? "", JSON($0.value)) })
    case .alias: preconditionFailure("compose(yaml:) replaces aliases")
    }
  }
}
