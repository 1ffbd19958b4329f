/// The kinds of licenses and insurances that a partner can have.
package enum CredentialKind: String, CaseIterable, Sendable {
  case barAdmission = "bar_admission"
  case nmls
  case realEstateLicense = "real_estate_license"
  case titleLicense = "title_license"
  case insuranceLicense = "insurance_license"
  case cpaLicense = "cpa_license"
  case errorsAndOmissions = "errors_and_omissions"
  case other
}

/// What the credentials of a partner say, the worst first.
package enum CredentialsStatus: String, CaseIterable, Sendable {
  /// A verified one has expired, and no other verified one of its kind and state is good.
  case expired
  /// The same will be within ``Credential/warningDays``.
  case expiring
  case verified
  /// There are some, but staff has verified none.
  case unverified
  case none
}

/// A partner's license or insurance.
package struct Credential: Resource {
  package var record: Record

  /// So many days before its end, a credential counts as one that expires.
  package static let warningDays = 30

  package init(record: Record) { self.record = record }

  /// The partner who has it.
  package var partnerID: ID { required(id("partner_id"), "partner_id") }

  package var kind: CredentialKind { required(word("kind"), "kind") }

  /// The number as it was given.
  package var number: String { required(text("number"), "number") }

  /// The state that issued it; nil if none did.
  package var state: StateCode? { text("state_code").flatMap { StateCode($0) } }

  /// The last day on which it is good, such as `2026-11-22`; nil if it does not expire.
  package var expiresOn: String? { text("expires_on") }

  /// Whether staff has verified it.
  package var isVerified: Bool { record["verified_at"] != .null }

  /// The fields that staff verifies.
  private static let verifiedFields = ["kind", "number", "state_code", "expires_on"]

  /// The credential with its verification as it is after a change. A change of what staff verified takes the
  /// verification off.
  ///
  /// - Parameters:
  ///   - old: The credential before the change; nil if it is new.
  ///   - isVerified: What staff says of the changed credential; nil if nothing.
  ///   - staff: The user who says it.
  package func verified(
    _ isVerified: Bool?, since old: Credential?, by staff: ID?, at now: Timestamp
  ) -> Credential {
    var new = self
    let isOther = Credential.verifiedFields.contains { record[$0] != old?.record[$0] ?? .null }
    if isOther || isVerified == false {
      new.set("verified_at", Timestamp?.none)
      new.set("verified_by", ID?.none)
    }
    if isVerified == true, !new.isVerified {
      new.set("verified_at", now)
      new.set("verified_by", staff)
    }
    return new
  }

  /// The form in which numbers are compared: in lower case, without white space and invisible characters.
  package static func comparisonKey(ofNumber number: String) -> String {
    String(
      String.UnicodeScalarView(
        number.removingInvisible().lowercased().unicodeScalars.filter {
          !$0.properties.isWhitespace
        }))
  }
}
