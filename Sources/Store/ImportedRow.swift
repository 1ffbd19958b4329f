import Domain
import JSON

/// What an import did with a row.
package struct ImportedRow: Equatable, Sendable {
  package enum Outcome: Sendable {
    case added, updated
    /// The resource is there, and has all values of the row.
    case unchanged
  }

  package let outcome: Outcome
  /// Whether the row names an inviter who is not a known user.
  package var lacksInviter = false
}

extension Body {
  /// The fields that only the service sets over HTTP, as an import takes them from an export.
  static let restoredFields: [Field] = [
    .parameter("id", .id), .parameter("created_at", .time(isPast: true)),
    .parameter("updated_at", .time(isPast: true)),
  ]

  /// Adds a mistake for each time that is before the resource's creation.
  mutating func checkTimes(at now: Timestamp) {
    // A time that is wrong can't be compared.
    guard let created = has("created_at") ? time("created_at") : now else { return }
    for name in ["updated_at", "status_since"] {
      guard let time = time(name), time < created else { continue }
      fail(name, .inPast, "Must not be before created_at.")
    }
  }
}

extension Failure {
  /// The refusal of a row that would change a resource, in an import that only adds.
  ///
  /// - Parameters:
  ///   - noun: What the row is, such as "partner".
  ///   - advice: What to do instead.
  static func knownRow(_ changed: [Field], _ noun: String, _ advice: String) -> Failure {
    .validation(
      changed.map {
        FieldError(
          .pointer("/\($0.name)"), .readOnly,
          "The \(noun) with this id has another value here. \(advice)")
      })
  }
}

extension JSON {
  /// The object without some members.
  func without(_ names: [String]) -> JSON { filtered { !names.contains($0) } }

  /// The object with these members alone.
  func only(_ names: [String]) -> JSON { filtered { names.contains($0) } }

  private func filtered(_ isKept: (String) -> Bool) -> JSON {
    guard case .object(let members) = self else { return self }
    return .object(members.filter { isKept($0.name) })
  }
}
