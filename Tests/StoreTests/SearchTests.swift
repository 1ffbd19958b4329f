import Domain
import JSON
import Testing

@testable import Store

@Suite("Search")
struct SearchTests {
  /// Partners whose words differ.
  private static func store() throws -> TestStore {
    let test = try TestStore()
    var first = Partner.sample(1, name: "Müller & Söhne Law")
    first["contact_name"] = "Renée Zoë O'Neil"
    first["email"] = "kanzlei@mueller.example"
    first["notes"] = "TIC-conference; 日本語, русский. AND, OR, NOT and NEAR are words, too."
    var second = Partner.sample(2, name: "North Star Lending")
    second["email"] = "hello@northstar.example"
    second["notes"] = "100% C++ \"quoted\""
    let third = Partner.sample(3, name: "Northern Lights")
    try test.change { [first, second] change in
      for partner in [first, second, third] { try change.insert(partner) }
    }
    return test
  }

  private static func found(_ words: String, in test: TestStore) throws -> [Int] {
    var filter = PartnerFilter()
    filter.words = words
    filter.order.descending = false
    let page = try test.read { try $0.partners(filter, PageRequest(limit: 100)) }
    let ids = (1...9).map(sampleID)
    return page.ids.map { id in ids.firstIndex { $0 == id }! + 1 }
  }

  @Test(
    "words begin words of company, contact, e-mail or notes, accents and case aside",
    arguments: [
      ("north", [2, 3]), ("NORTH", [2, 3]), ("northe", [3]), ("north star", [2]),
      ("star north", [2]), ("orth", []), ("lights north", [3]), ("north müller", []),
      ("muller", [1]), ("MÜLLER", [1]), ("mu\u{308}ll", [1]), ("sohne", [1]), ("renee", [1]),
      ("zoë", [1]), ("o'neil", [1]), ("neil", [1]), ("oneil", []), ("kanzlei@mueller.example", [1]),
      ("mueller", [1]), ("northstar.example", [2]), ("example", [1, 2, 3]), ("tic-conf", [1]),
      ("conference tic", [1]), ("日本", [1]), ("РУС", [1]), ("русский", [1]), ("quoted", [2]),
      ("100", [2]), ("c", [1, 2, 3]), ("  north   star  ", [2]), ("north\tstar\n", [2]),
    ] as [(String, [Int])])
  func words(words: String, expected: [Int]) throws {
    let test = try Self.store()
    #expect(try Self.found(words, in: test) == expected)
  }

  @Test("what FTS5 takes for syntax is only words here")
  func syntax() throws {
    let test = try Self.store()
    for (words, expected) in [
      ("and", [1]), ("AND", [1]), ("north AND star", []), ("north OR lights", []),
      ("NOT", [1]), ("near", [1]), ("NEAR(north star)", []), ("north NOT star", []),
      ("north*", [2, 3]), ("^north", [2, 3]), ("-north", [2, 3]), ("+north", [2, 3]),
      ("\"north\"", [2, 3]), ("\"north star\"", [2]), ("\"north", [2, 3]), ("north\"", [2, 3]),
      ("(north)", [2, 3]), ("(north", [2, 3]), ("north)", [2, 3]), ("{company_name} : north", []),
      ("company_name:north", []), ("notes:quoted", []), ("north + star", [2]),
      ("north;DROP TABLE partners", []), ("north' OR '1'='1", []), ("north%", [2, 3]),
      ("n_rth", []), ("north\u{0}star", [2]), ("north😀star", [2]),
    ] as [(String, [Int])] {
      #expect(try Self.found(words, in: test) == expected, "\(words)")
    }
  }

  @Test("no word, nothing found")
  func noWord() throws {
    let test = try Self.store()
    for words in [
      "", " ", "\n", "*", "\"", "\"\"", "^", "-", "(", ")", "()", "!?", "…", "😀", "\u{0}",
      "\u{FEFF}",
      "&&", "+", "%", "_", "'", "’", "\u{200D}", "::", "{}", "€",
    ] {
      #expect(try Self.found(words, in: test) == [], "\(words.debugDescription)")
    }
  }

  @Test("marks alone, unknown scripts and very long words are no error")
  func odd() throws {
    let test = try Self.store()
    for words in [
      "\u{301}", "\u{20DD}", "\u{301} north", "का", "\u{1E900}", "\u{E000}", "\u{10FFFD}", "½", "①",
      String(repeating: "x", count: 10_000), String(repeating: "a ", count: 500),
      "👨‍👩‍👧‍👦", "\u{FFFD}", "\u{FFFF}",
    ] {
      #expect(throws: Never.self, "\(words.prefix(20).debugDescription)") {
        try Self.found(words, in: test)
      }
    }
  }

  @Test("the index follows every change of the words")
  func follows() throws {
    let test = try Self.store()
    let changes: [(JSON, String)] = [
      (["company_name": "Polaris"], "polaris"), (["contact_name": "Quentin"], "quentin"),
      (["email": "q@vega.example"], "vega"), (["notes": "Sirius"], "sirius"),
    ]
    for (edit, word) in changes {
      #expect(try Self.found(word, in: test) == [])
      try test.change { try $0.updatePartner(2, edit) }
      #expect(try Self.found(word, in: test) == [2])
    }
    #expect(try Self.found("star", in: test) == [])
    #expect(try Self.found("quoted", in: test) == [])
    try test.change { change in
      try change.updatePartner(2, ["contact_name": .null, "notes": .null])
      try change.movePartner(2, to: .removed)
    }
    #expect(try Self.found("quentin", in: test) == [])
    #expect(try Self.found("polaris", in: test) == [2], "removed ones are found as well")
    try test.run("DELETE FROM partners WHERE id = ?", sampleID(2).text)
    #expect(try Self.found("polaris", in: test) == [])
    #expect(try test.findings() == [])
  }

  @Test("words and other filters hold together")
  func combined() throws {
    let test = try Self.store()
    var filter = PartnerFilter()
    filter.words = "north"
    filter.types = [.attorney]
    filter.statuses = [.active, .removed]
    filter.states = [.MN, .TX]
    #expect(try test.read { try $0.partners(filter, PageRequest()) }.items.count == 2)
    filter.states = [.TX]
    #expect(try test.read { try $0.partners(filter, PageRequest()) }.items.isEmpty)
    filter.states = []
    filter.statuses = [.removed]
    #expect(try test.read { try $0.partners(filter, PageRequest()) }.items.isEmpty)
  }
}
