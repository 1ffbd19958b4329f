import API
import FastCGI
import HTTPTypes

/// Takes HTTP out of FastCGI's parameters, and puts it back.
enum Gateway {
  /// The parameters that carry the header fields that the service looks at (RFC 3875, section 4.1.18).
  private static let fields: [String: HTTPField.Name] = {
    var fields: [String: HTTPField.Name] = [:]
    for name in HTTPField.Name.ofRequests {
      let words = name.canonicalName.uppercased().split(separator: "-").joined(separator: "_")
      fields[name == .contentType ? "CONTENT_TYPE" : "HTTP_" + words] = name
    }
    return fields
  }()

  /// Answers a request of the web server: the service's own, and that for the metrics.
  static func respond(
    to request: FastCGI.Request, _ router: Router, metrics: Metrics
  ) -> FastCGI.Response {
    var http = API.Request(method: "", target: "", id: "")
    for parameter in request.parameters {
      switch parameter.name {
      case "REQUEST_METHOD": http.method = parameter.value
      case "REQUEST_URI": http.target = parameter.value
      case "REQUEST_ID": http.id = parameter.value
      default:
        // nginx sends an empty CONTENT_TYPE where the request had none.
        guard let name = fields[parameter.name],
          !(name == .contentType && parameter.value.isEmpty)
        else { continue }
        http.headers.append(HTTPField(name: name, value: parameter.value))
      }
    }
    if http.target == Metrics.path {
      return FastCGI.Response(
        status: 200,
        headers: [("Content-Type", Metrics.contentType), ("Cache-Control", "no-store")],
        body: Array(metrics.text.utf8))
    }
    http.body = if case .complete(let bytes) = request.body { bytes } else { nil }
    let answer = router.respond(to: http)
    return FastCGI.Response(
      status: answer.status.code,
      headers: answer.headers.map { (name: $0.name.rawName, value: $0.value) }, body: answer.body)
  }
}
