import Domain
import Testing

@Suite("IDs")
struct IDTests {
  @Test(
    "either case is read, lower case is kept, any version",
    arguments: [
      "0190a5d4-7c3f-7abc-8def-0123456789ab", "0190A5D4-7C3F-7ABC-8DEF-0123456789AB",
      "0190a5D4-7C3f-7AbC-8dEf-0123456789aB", "00000000-0000-0000-0000-000000000000",
      "ffffffff-ffff-ffff-ffff-ffffffffffff", "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6",
    ])
  func parsing(text: String) throws {
    let id = try #require(ID(text))
    #expect(id.text == text.lowercased())
    #expect(id.description == text.lowercased())
    #expect(ID(text[...]) == id)
    #expect(ID(id.text) == id)
  }

  @Test(
    "what is no UUID",
    arguments: [
      "", "-", "0190a5d47c3f7abc8def0123456789ab", "0190a5d4-7c3f-7abc-8def-0123456789a",
      "0190a5d4-7c3f-7abc-8def-0123456789abc", "0190a5d4-7c3f-7abc-8def-0123456789ag",
      "{0190a5d4-7c3f-7abc-8def-0123456789ab}", "urn:uuid:0190a5d4-7c3f-7abc-8def-0123456789ab",
      " 0190a5d4-7c3f-7abc-8def-0123456789ab", "0190a5d4-7c3f-7abc-8def-0123456789ab ",
      "0190a5d4-7c3f-7abc-8def-0123456789ab\n", "0190a5d4_7c3f_7abc_8def_0123456789ab",
      "0190a5d-47c3f-7abc-8def-0123456789ab", "0190a5d4-7c3f-7abc-8def--123456789ab",
      "0190a5d4-7c3f-7abc-8def-0123456789\u{E9}", "0190a5d4-7c3f-7abc-8def-0123456789a\u{FF11}",
      "------------------------------------", "0190a5d4-7c3f-7abc-8def-0123456789a\u{0}",
    ])
  func malformed(text: String) {
    #expect(ID(text) == nil)
  }

  @Test("version 7: the time, the version, the variant, and 74 random bits (RFC 9562, section 5.7)")
  func layout() throws {
    // The example of RFC 9562, appendix A.6: its time, and its random bits.
    let time = try #require(Timestamp("2022-02-22T19:22:22.000Z"))
    #expect(
      ID(time: time, random: (0xCC3, 0x18C4_DC0C_0C07_398F)).text
        == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
    #expect(ID(time: time, random: (0, 0)).text == "017f22e2-79b0-7000-8000-000000000000")
    #expect(
      ID(time: time, random: (.max, .max)).text == "017f22e2-79b0-7fff-bfff-ffffffffffff")
  }

  @Test("each of the 74 random bits shows, and no other")
  func randomBits() {
    let zero = ID(time: now, random: (0, 0))
    var seen: Set<ID> = []
    for bit in 0..<64 {
      let high = ID(time: now, random: (1 << UInt64(bit), 0))
      let low = ID(time: now, random: (0, 1 << UInt64(bit)))
      for id in [high, low] where id != zero { seen.insert(id) }
      #expect((high != zero) == (bit < 12))
      #expect((low != zero) == (bit < 62))
    }
    #expect(seen.count == 74)
  }

  @Test("IDs sort by their time, and what is made here can be read here")
  func sorting() throws {
    let times = [0, 1, 999, 1_772_366_400_000, 253_402_300_799_999].map {
      Timestamp(milliseconds: $0)
    }
    let ids = times.map { ID(time: $0, random: (.random(in: 0 ... .max), .random(in: 0 ... .max))) }
    #expect(ids == ids.sorted())
    for id in ids { #expect(ID(id.text) == id) }
  }

  @Test("a time before 1970 counts as 1970")
  func early() throws {
    let time = Timestamp(milliseconds: -1)
    #expect(ID(time: time, random: (0, 0)).text == "00000000-0000-7000-8000-000000000000")
  }
}
