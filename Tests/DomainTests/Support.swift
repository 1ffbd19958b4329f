import Domain
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

extension Partner {
  /// An attorney of Minnesota who may be active.
  static func sample(_ number: Int, status: PartnerStatus = .active) -> Partner {
    Partner(
      id: sampleID(number), type: .attorney, status: status, companyName: "North Star Law",
      email: "office@example.com", serviceAreas: [.MN], agreementSignedAt: now.adding(days: -30),
      createdAt: now.adding(days: -60), updatedAt: now.adding(days: -30))
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
    return Referral(
      id: sampleID(1), groupID: sampleID(2), requestedBy: sampleID(3), partnerType: .attorney,
      status: status,
      context: Context(groupSize: 3, state: .MN), partnerID: hasPartner ? partner : nil,
      introSentAt: isIntroduced ? introduction : nil,
      outcome: status == .closed ? .dealClosed : nil,
      createdAt: now.adding(days: -9), updatedAt: now.adding(days: -1),
      statusChangedAt: status == .pending ? nil : now.adding(days: -1),
      connectedAt: status == .connected ? now.adding(days: -1) : nil)
  }
}
