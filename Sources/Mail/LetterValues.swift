import Domain
import JSON

/// What a name in a template stands for.
indirect enum Shape: Equatable, Sendable {
  /// A text on one line.
  case text
  /// A text of several lines, such as what a person wrote. In a template it is an object whose `lines` are its
  /// lines, so that each of them can be marked as a quotation.
  case lines
  case flag
  /// The elements are texts.
  case list
  case object([String: Shape])
  /// The value may be null.
  case optional(Shape)

  /// The shape without its ``optional(_:)``.
  var wrapped: Shape { if case .optional(let shape) = self { shape } else { self } }

  /// The names that a section of this shape adds.
  var members: [String: Shape] {
    switch wrapped {
    case .object(let members): members
    case .lines: ["lines": .list]
    case .text, .flag, .list, .optional: [:]
    }
  }
}

extension MessageKind {
  /// The names that the templates of this kind may use, and that its values must have.
  var names: [String: Shape] {
    switch self {
    case .requestReceived, .requestNew: referralNames
    case .introductionPartner, .introductionGroup:
      // The introduction of nobody to nobody is a mistake of the program.
      referralNames.merging(["contact": person, "partner": introduced]) { $1 }
    case .introductionReminder, .introductionUnanswered, .referralOutcome:
      referralNames.merging(["partner": introduced, "days": .text]) { $1 }
    case .referralAnswered:
      referralNames.merging([
        "partner": introduced, "to_contact": .flag, "accepted": .flag,
        "reason": .optional(.lines), "reason_code": .optional(.text),
      ]) { $1 }
    case .partnerInvited, .partnerActivated: partnerNames
    case .partnerChangesReviewed:
      partnerNames.merging([
        "approved": .optional(.text), "rejected": .optional(.text), "note": .optional(.lines),
      ]) { $1 }
    case .partnerChangesWaiting: partnerNames.merging(["fields": .text]) { $1 }
    case .credentialExpiring:
      partnerNames.merging([
        "to_partner": .flag, "days": .text,
        "credential": .object([
          "kind": .text, "number": .text, "state": .optional(.text), "expires_on": .text,
        ]),
      ]) { $1 }
    case .coverageAvailable:
      commonNames.merging([
        "state": .text, "type_name": .text, "a_type_name": .text, "links": links("directory"),
      ]) { $1 }
    case .signIn:
      commonNames.merging([
        "name": .optional(.text), "minutes": .text, "links": .object(["sign_in": .text]),
      ]) { $1 }
    case .waitlistConfirm:
      commonNames.merging([
        "state": .text, "a_type_name": .text, "days": .text,
        "links": .object(["confirm": .text, "leave": .text]),
      ]) { $1 }
    }
  }
}

private let commonNames: [String: Shape] = [
  "staff_address": .optional(.text), "public_url": .optional(.text),
]

private let person = Shape.object(["name": .text, "email": .text])

private let introduced = Shape.object([
  "company_name": .text, "contact_name": .optional(.text), "email": .text,
  "phone": .optional(.text), "website": .optional(.text),
  "affiliation_disclosure": .optional(.text),
])

private let referralNames = commonNames.merging([
  "group": .object(["name": .text]), "type": .text, "type_name": .text, "a_type_name": .text,
  "state": .optional(.text),
  "need": .optional(
    .object([
      "specific_need": .optional(.lines), "group_size": .optional(.text),
      "home_price": .optional(.text), "timeline": .optional(.text),
    ])),
  "contact": .optional(person), "requester": .optional(person), "partner": .optional(introduced),
  "links": links("group", "portal", "desk"),
]) { $1 }

private let partnerNames = commonNames.merging([
  "partner": .object([
    "company_name": .text, "contact_name": .optional(.text), "email": .text, "type_name": .text,
    "states": .optional(.text),
  ]),
  "links": links("sign_in", "portal", "desk"),
]) { $1 }

/// Links, which are null if the service does not know its own address.
private func links(_ names: String...) -> Shape {
  .object(Dictionary(uniqueKeysWithValues: names.map { ($0, .optional(.text)) }))
}

/// The values of a letter do not have what its kind needs. It is a mistake of the program.
package struct LetterValueError: Error, CustomStringConvertible {
  package let description: String
}

extension Shape {
  /// The value in the form that Mustache takes: `String`, `Bool`, `[String]`, `[String: Any]`, or
  /// ``Absent``.
  ///
  /// A text on one line stays on one line, whatever it holds. An empty text is absent where it may be, because
  /// only then its section disappears.
  ///
  /// - Parameter name: The value's full name, for the error.
  /// - Throws: ``LetterValueError``.
  func rendered(_ value: JSON?, name: String) throws -> Any {
    switch (self, value) {
    case (.optional, .null): return Absent()
    case (.optional(let shape), _):
      let value = try shape.rendered(value, name: name)
      return switch value {
      case let text as String where text.isEmpty: Absent()
      case let object as [String: [String]] where object["lines"] == []: Absent()
      default: value
      }
    case (.text, .string(let text)): return text.onOneLine
    case (.lines, .string(let text)): return ["lines": text.lines]
    case (.flag, .bool(let flag)): return flag
    case (.object(let members), .object):
      var object: [String: Any] = [:]
      for (member, shape) in members {
        object[member] = try shape.rendered(
          value?[member], name: name.isEmpty ? member : "\(name).\(member)")
      }
      return object
    default:
      throw LetterValueError(description: "a letter has no usable value for \(name)")
    }
  }
}
