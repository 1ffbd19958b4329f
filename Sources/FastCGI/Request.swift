/// A whole request of the web server, its body read to the end.
package struct Request: Sendable {
  /// A CGI variable (RFC 3875 §4.1), such as `REQUEST_METHOD` or `HTTP_ACCEPT`.
  package struct Parameter: Sendable, Equatable {
    /// The variable's name.
    package var name: String
    /// The variable's value. Bytes that are not UTF-8 are replaced by U+FFFD.
    package var value: String

    /// A variable and its value.
    package init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  /// The request's standard input.
  package enum Body: Sendable, Equatable {
    /// All of it; empty if the request had none.
    case complete([UInt8])
    /// It was longer than ``Server/Configuration/bodyLimit``. It was read to its end and dropped.
    case tooLarge
  }

  /// The variables in the order received. A repeated name is here repeatedly: nginx passes repeated headers
  /// in this way.
  package var parameters: [Parameter]
  /// The body.
  package var body: Body

  /// A request of these variables and this body.
  package init(parameters: [Parameter], body: Body = .complete([])) {
    self.parameters = parameters
    self.body = body
  }

  /// The value of the first variable of that name, or nil.
  package subscript(_ name: String) -> String? {
    parameters.first { $0.name == name }?.value
  }
}
