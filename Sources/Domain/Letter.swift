/// What a message says.
package struct Letter: Equatable, Sendable {
  /// One line.
  package var subject: String
  /// Plain text.
  package var text: String

  package init(subject: String, text: String) {
    self.subject = subject
    self.text = text
  }
}
