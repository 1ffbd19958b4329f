/// Why a connection ended while a request or an answer was on its way.
///
/// The raw values are labels of the service's metrics.
package enum AbnormalEnd: String, CaseIterable, Sendable {
  /// The web server sent records that break the protocol or a limit.
  case refused
  /// libfcgi did not accept the request, or its body is not as long as `CONTENT_LENGTH` says.
  case malformedRequest = "malformed_request"
  /// The request did not arrive within ``Server/Configuration/receiveTimeout``, or a stop left no time for
  /// the rest of it.
  case receiveTimeout = "receive_timeout"
  /// The web server ended the connection in the middle of a request.
  case incompleteRequest = "incomplete_request"
  /// The handler dropped its ``Reply`` without an answer.
  case noReply = "no_reply"
  /// The web server did not read its answer within ``Server/Configuration/sendTimeout``.
  case sendTimeout = "send_timeout"
  /// The web server ended the connection before it had read its answer.
  case sendFailure = "send_failure"
  /// The system refused to watch the connection.
  case systemError = "system_error"
}
