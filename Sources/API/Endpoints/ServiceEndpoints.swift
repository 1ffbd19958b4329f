import Schema
import Store

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
