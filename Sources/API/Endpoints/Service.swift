import JSON
import Schema
import Store

/// `GET /api/health`: whether the database answers.
@Sendable func getHealth(_ call: Call<Snapshot>) throws -> Answer {
  try call.records.ping()
  return Answer(body: Array(#"{"status":"ok"}"#.utf8))
}

/// `GET /api/openapi.yaml`: the description of this API.
@Sendable func getOpenAPI(_ call: Call<Snapshot>) throws -> Answer {
  Answer(contentType: "application/yaml", body: Schema.openAPI, etag: openAPITag)
}

private let openAPITag = ETag.of(Schema.openAPI)
