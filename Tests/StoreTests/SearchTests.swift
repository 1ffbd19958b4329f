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
      ("zoë", [1]), ("o'neil", [1]), ("neil", [1]), ("oneil", [1]), ("O’NEIL", [1]),
      ("kanzlei@mueller.example", [1]),
      ("mueller", [1]), ("northstar.example", [2]), ("example", [1, 2, 3]), ("tic-conf", [1]),
      ("conference tic", [1]), ("日本", [1]), ("РУС", [1]), ("русский", [1]), ("quoted", [2]),
      ("100", [2]), ("c", [1, 2, 3]), ("  north   star  ", [2]), ("north\tstar\n", [2]),
    ] as [(String, [Int])])
  func words(words: String, expected: [Int]) throws {
    let test = try Self.store()
    #expect(try Self.found(words, in: test) == expected)
  }

  @Test(
    "names are found however they are written",
    arguments: [
      ("hawaii", [1]), ("Hawai’i", [1]), ("oneill", [2]), ("O'Neill", [2]), ("neill", [2]),
      ("αθηνα", [3]), ("ΑΘΗΝΑ", [3]), ("Soren", [4]), ("lukasz", [4]), ("strasse", [4]),
      ("法律", [5]), ("律事務", [5]), ("東京法律事務所", [5]), ("法東", []), ("所", [5]), ("ﾎｳ", []), ("한글", [6]),
      ("글", [6]), ("ho", [2]),
    ] as [(String, [Int])])
  func folded(words: String, expected: [Int]) throws {
    let test = try TestStore()
    for (index, name) in [
      "Hawaiʻi Title", "O’Neill & Hong", "Αθήνα Law", "Søren Łukasz, Straße", "東京法律事務所",
      "법률 한글",
    ].enumerated() {
      try test.change { try $0.insert(Partner.sample(index + 1, name: name)) }
    }
    #expect(try Self.found(words, in: test) == expected)
    var filter = DirectoryFilter()
    filter.words = words
    #expect(
      try test.read { try $0.directory(filter, PageRequest(limit: 100)) }.ids
        == expected.map(sampleID))
  }

  @Test(
    "staff finds a telephone number by a part of it, and nobody else does",
    arguments: [
      ("0142", [1, 2]), ("612", [1, 2]), ("612555", [1, 2]), ("6125550142", [1, 2]),
      ("(612) 555-0142", [1, 2]), ("+1 612 555 0142", [1, 2]), ("5550142", [1, 2]),
      ("612.555.0142 x5", [1, 2]), ("x5", [1]), ("0143", [3]), ("16125550142", [1, 2]),
    ] as [(String, [Int])])
  func phone(words: String, expected: [Int]) throws {
    let test = try TestStore()
    for (index, phone) in ["(612) 555-0142 x5", "+16125550142", "507-555-0143"].enumerated() {
      var partner = Partner.sample(index + 1, name: "Lake")
      partner["phone"] = .string(phone)
      try test.change { [partner] in try $0.insert(partner) }
    }
    #expect(try Self.found(words, in: test) == expected)
    var filter = DirectoryFilter()
    filter.words = words
    #expect(try test.read { try $0.directory(filter, PageRequest()) }.ids == [])
  }

  @Test("names sort by their folded form")
  func sorting() throws {
    let test = try TestStore()
    let names = ["Zenith", "Øster", "O'Reilly", "Éclair", "Abbey", "O’Reilly", "oreilly"]
    for (index, name) in names.enumerated() {
      try test.change { try $0.insert(Partner.sample(index + 1, name: name)) }
    }
    let page = try test.read { try $0.directory(DirectoryFilter(), PageRequest()) }
    #expect(
      page.items.compactMap { $0["company_name"]?.text }
        == ["Abbey", "Éclair", "O'Reilly", "O’Reilly", "oreilly", "Øster", "Zenith"])
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
