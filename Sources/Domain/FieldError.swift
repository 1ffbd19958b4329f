/// One wrong field of a body, or one wrong query parameter or header.
package struct FieldError: Error, Equatable, Sendable {
  /// Where the error is.
  package enum Place: Equatable, Sendable {
    /// A JSON pointer into the body (RFC 6901), such as `/service_areas/1`.
    case pointer(String)
    /// A query parameter's name.
    case parameter(String)
    /// A header field's name.
    case header(String)
  }

  /// Where it is.
  package var place: Place
  /// What it is.
  package var problem: FieldProblem

  package init(_ place: Place, _ code: FieldCode, _ detail: String) {
    self.init(place, FieldProblem(code, detail))
  }

  package init(_ place: Place, _ problem: FieldProblem) {
    self.place = place
    self.problem = problem
  }
}

extension StringProtocol {
  /// A text of the caller's as an answer repeats it: its first 50 Unicode scalars. A refusal must not be much
  /// longer than the request, however many mistakes that has.
  package var echo: String {
    String(String.UnicodeScalarView(unicodeScalars.prefix(50)))
  }
}

/// What is wrong with one field, without the field's name.
package struct FieldProblem: Error, Equatable, Sendable {
  package var code: FieldCode
  /// A sentence that says what is expected.
  package var detail: String

  package init(_ code: FieldCode, _ detail: String) {
    self.code = code
    self.detail = detail
  }
}

/// The codes of the errors that one field or parameter can have.
package enum FieldCode: String, CaseIterable, Sendable {
  case controlCharacter = "control_character"
  case inFuture = "in_future"
  case inPast = "in_past"
  case invalidCursor = "invalid_cursor"
  case invalidFormat = "invalid_format"
  case invisibleCharacter = "invisible_character"
  case notAMember = "not_a_member"
  case notAllowedHere = "not_allowed_here"
  case notNull = "not_null"
  case notStaff = "not_staff"
  case outOfRange = "out_of_range"
  case readOnly = "read_only"
  case repeatedParameter = "repeated_parameter"
  case required
  case tooLong = "too_long"
  case unknownField = "unknown_field"
  case unknownParameter = "unknown_parameter"
  case unknownPartner = "unknown_partner"
  case unknownState = "unknown_state"
  case unknownUser = "unknown_user"
  case unknownValue = "unknown_value"
  case wrongType = "wrong_type"
}
