import API
import FastCGI
import HTTPTypes
import JSON

/// Translates between FastCGI and HTTP.
enum Gateway {
  /// The header fields that the service reads, by the parameters that carry them (RFC 3875, section 4.1.18).
  private static let fields: [String: HTTPField.Name] = {
    var fields: [String: HTTPField.Name] = [:]
    for name in HTTPField.Name.ofRequests {
      let words = name.canonicalName.uppercased().split(separator: "-").joined(separator: "_")
      fields[name == .contentType ? "CONTENT_TYPE" : "HTTP_" + words] = name
    }
    return fields
  }()

  /// Answers a request for the API or for the metrics.
  static func respond(
    to request: FastCGI.Request, router: Router, metrics: Metrics, reply: Reply
  ) {
    var http = API.Request(method: "", target: "", id: "")
    for parameter in request.parameters {
      switch parameter.name {
      case "REQUEST_METHOD": http.method = parameter.value
      case "REQUEST_URI": http.target = parameter.value
      case "REQUEST_ID": http.id = parameter.value
      default:
        // nginx sends an empty CONTENT_TYPE if the request has none.
        guard let name = fields[parameter.name],
          !(name == .contentType && parameter.value.isEmpty)
        else { continue }
        http.headers.append(HTTPField(name: name, value: parameter.value))
      }
    }
    if http.target.isSame(as: Metrics.path) {
      return reply(
        FastCGI.Response(
          status: .ok,
          headers: [.contentType: Metrics.contentType, .cacheControl: "no-store"],
          body: Array(metrics.text.utf8)))
    }
    http.body = if case .complete(let bytes) = request.body { bytes } else { nil }
    router.respond(to: http) { answer in
      reply(FastCGI.Response(status: answer.status, headers: answer.headers, body: answer.body))
    }
  }
}
