import Domain
import JSON
import Testing

/// The time at which the tests take place.
let now = Timestamp("2026-03-01T12:00:00.000Z")!

/// An ID that is the same for the same number.
func sampleID(_ number: Int) -> ID {
  let digits = String(number)
  return ID(
    "00000000-0000-7000-8000-" + String(repeating: "0", count: 12 - digits.count) + digits)!
}

/// What `body` is refused for; nil if it is not refused.
func refusal<Result>(_ body: () throws -> Result) -> Failure? {
  do {
    _ = try body()
    return nil
  } catch let failure as Failure {
    return failure
  } catch {
    Issue.record(error)
    return nil
  }
}

extension Resource {
  /// A field by its name; null empties it.
  subscript(_ field: String) -> JSON {
    get { record[field] }
    set { record[field] = newValue }
  }
}

extension Partner {
  /// An attorney of Minnesota who may be active.
  static func sample(_ number: Int, status: PartnerStatus = .active) -> Partner {
    Partner(
      record: Record([
        JSON.Member("id", .string(sampleID(number).text)), JSON.Member("user_id", .null),
        JSON.Member("type", "attorney"), JSON.Member("status", .string(status.rawValue)),
        JSON.Member("company_name", "North Star Law"),
        JSON.Member("email", "office@example.com"), JSON.Member("service_areas", ["MN"]),
        JSON.Member("agreement_signed_at", .string(now.adding(days: -30).text)),
        JSON.Member("created_at", .string(now.adding(days: -60).text)),
        JSON.Member("updated_at", .string(now.adding(days: -30).text)),
      ]))
  }
}

extension Referral {
  /// The partner of a sample that has one.
  static let partner = sampleID(100)

  /// When a sample was introduced, if it was.
  static let introduction = now.adding(days: -2)

  /// A request as it stands in a status: with a partner from matched on, introduced from intro_sent on.
  static func sample(_ status: ReferralStatus) -> Referral {
    let hasPartner = status != .pending && status != .cancelled
    let isIntroduced = hasPartner && status != .matched
    var referral = Referral(
      record: Record([
        JSON.Member("id", .string(sampleID(1).text)),
        JSON.Member("group_id", .string(sampleID(2).text)),
        JSON.Member("requested_by", .string(sampleID(3).text)),
        JSON.Member("contact_id", .string(sampleID(3).text)),
        JSON.Member("partner_type", "attorney"), JSON.Member("status", .null),
        JSON.Member("context", ["group_size": 3, "state": "MN"]),
        JSON.Member("partner_id", .null), JSON.Member("intro_sent_at", .null),
        JSON.Member("outcome", .null), JSON.Member("outcome_notes", .null),
        JSON.Member("created_at", .string(now.adding(days: -9).text)),
        JSON.Member("updated_at", .string(now.adding(days: -1).text)),
        JSON.Member("status_since", .null), JSON.Member("connected_at", .null),
      ]))
    referral.status = status
    referral.partnerID = hasPartner ? partner : nil
    referral.introSentAt = isIntroduced ? introduction : nil
    referral.outcome = status == .closed ? .dealClosed : nil
    referral.set("status_since", now.adding(days: status == .pending ? -9 : -1))
    referral.set("connected_at", status == .connected ? now.adding(days: -1) : nil)
    return referral
  }
}
