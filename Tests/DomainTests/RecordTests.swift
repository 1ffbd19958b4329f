import Domain
import JSON
import Testing

@Suite("Records")
struct RecordTests {
  @Test("a field that was never set is null; one that is set keeps its place")
  func fields() {
    var record = Record([JSON.Member("a", 1), JSON.Member("b", 2)])
    #expect(record["c"] == .null)
    record["a"] = .null
    record["c"] = 3
    #expect(
      record.members == [JSON.Member("a", .null), JSON.Member("b", 2), JSON.Member("c", 3)])
  }

  @Test("a field is read as what it is; null and another form are nil")
  func types() {
    var partner = Partner.sample(1)
    #expect(partner.id == sampleID(1))
    #expect(partner.id("user_id") == nil)
    #expect(partner.time("agreement_signed_at") == now.adding(days: -30))
    #expect(partner.word("status") == PartnerStatus.active)
    #expect(partner.text("phone") == nil)
    #expect(!partner.flag("co_ownership_certified"))
    partner["co_ownership_certified"] = true
    #expect(partner.flag("co_ownership_certified"))
    partner["user_id"] = "x"
    #expect(partner.id("user_id") == nil)
    #expect(partner.word("status", ReferralStatus.self) == nil)
    partner.set("user_id", sampleID(7))
    partner.set("agreement_signed_at", Timestamp?.none)
    #expect(partner["user_id"] == .string(sampleID(7).text))
    #expect(partner["agreement_signed_at"] == .null)
  }
}
