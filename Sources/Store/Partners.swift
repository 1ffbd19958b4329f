import Domain
import SQLite

/// What staff looks for among the partners. An empty list of values filters nothing.
package struct PartnerFilter: Sendable {
  package enum Sort: String, CaseIterable, Sendable {
    case createdAt = "created_at"
    case updatedAt = "updated_at"
    case companyName = "company_name"
  }

  package var types: [PartnerType] = []
  package var statuses: [PartnerStatus] = []
  package var states: [StateCode] = []
  /// Words, each the beginning of one in company, contact, e-mail or notes.
  package var words: String?
  package var sort = Sort.createdAt
  package var descending = true

  package init() {}
}

extension Snapshot {
  static let partnerColumns = """
    p.id, p.user_id, p.type, p.status, p.company_name, p.contact_name, p.email, p.phone, \
    p.website, p.service_areas, p.co_ownership_certified, p.agreement_signed_at, p.invited_by, \
    p.notes, p.created_at, p.updated_at
    """

  static let partnerTable = List.Table(name: "partners", alias: "p")

  static func partner(_ columns: inout Columns) throws -> Partner {
    try Partner(
      id: columns.id(), userID: columns.idOrNil(), type: columns.word(),
      status: columns.word(), companyName: columns.text(), contactName: columns.textOrNil(),
      email: columns.text(), phone: columns.textOrNil(), website: columns.textOrNil(),
      serviceAreas: states(inArray: columns.utf8()), coOwnershipCertified: columns.bool(),
      agreementSignedAt: columns.timeOrNil(), invitedBy: columns.idOrNil(),
      notes: columns.textOrNil(), createdAt: columns.time(), updatedAt: columns.time())
  }

  /// The states in a JSON array of codes, such as `["MN","CA"]`.
  private static func states(
    inArray json: UnsafeBufferPointer<UInt8>
  ) throws -> [StateCode] {
    var states: [StateCode] = []
    var index = 0
    while index < json.count {
      switch json[index] {
      case UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "\""), UInt8(ascii: ","),
        UInt8(ascii: " "):
        index += 1
      default:
        guard index + 1 < json.count, let state = StateCode(json[index], json[index + 1]) else {
          throw DamagedValue(text: String(decoding: json, as: UTF8.self))
        }
        states.append(state)
        index += 2
      }
    }
    return states
  }

  /// The partner with this ID, whatever its status; nil if there is none.
  package func partner(_ id: ID) throws -> Partner? {
    try connection.row(
      "SELECT \(Snapshot.partnerColumns) FROM partners AS p WHERE p.id = ?", id.text
    ) { row in
      var columns = Columns(row)
      return try Snapshot.partner(&columns)
    }
  }

  /// A page of the partners that the filter keeps, for staff.
  package func partners(_ filter: PartnerFilter, _ page: PageRequest) throws -> Page<Partner> {
    try partnerList(filter)?.page(page, on: connection, read: Snapshot.partner)
      ?? Page(items: [])
  }

  /// The list behind `partners(_:_:)`; nil if the filter can find nothing.
  func partnerList(_ filter: PartnerFilter) throws -> List? {
    var list = List(
      columns: Snapshot.partnerColumns, items: Snapshot.partnerTable, sort: filter.sort.rawValue,
      collation: filter.sort == .companyName ? " COLLATE NOCASE" : "",
      descending: filter.descending)
    let statuses = filter.statuses.distinctWords
    let types = filter.types.distinctWords
    if filter.sort == .createdAt, !statuses.isEmpty {
      list.walk("status", in: statuses)
      list.filter(column: "type", in: types)
    } else if filter.sort == .createdAt {
      list.walk("type", in: types)
    } else {
      list.filter(column: "status", in: statuses)
      list.filter(column: "type", in: types)
    }
    if !filter.states.isEmpty {
      list.filter(Snapshot.serves(filter.states))
    }
    if let words = filter.words {
      guard let matches = try matches(words) else { return nil }
      list.filter(matches)
    }
    return list
  }
}

extension Snapshot {
  /// The condition that a partner serves one of the states.
  static func serves(_ states: [StateCode]) -> String {
    // A vocabulary's words, so there is nothing to quote.
    let codes = Set(states.map { "'\($0.rawValue)'" }).sorted().joined(separator: ", ")
    return """
      EXISTS (SELECT 1 FROM partner_areas AS area WHERE area.partner_number = p.number \
      AND area.state_code IN (\(codes)))
      """
  }
}

extension Change {
  /// Adds a partner.
  ///
  /// - Throws: `Failure.conflict`: `.partnerExists`, `.userAlreadyLinked`.
  package func insert(_ partner: Partner) throws {
    try checkUniqueness(of: partner)
    let before = try coverageStatuses(types: [partner.type], states: partner.serviceAreas)
    try connection.run(
      """
      INSERT INTO partners (id, user_id, type, status, company_name, contact_name, email, email_key,
        phone, website, service_areas, co_ownership_certified, agreement_signed_at, invited_by,
        notes, created_at, updated_at)
      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
      """, arguments: values(of: partner) + [partner.createdAt.text, partner.updatedAt.text])
    try recordCoverageChanges(since: before)
  }

  /// Replaces a partner's row by what is given, its creation aside.
  ///
  /// - Throws: `Failure.conflict`: `.partnerHasReferrals`, `.partnerExists`, `.userAlreadyLinked`.
  package func update(_ old: Partner, to new: Partner) throws {
    if new.type != old.type {
      let isNamed = try connection.row(
        "SELECT 1 FROM referral_requests WHERE partner_id = ? LIMIT 1", new.id.text
      ) { _ in true }
      if isNamed == true { throw Failure.conflict(.partnerHasReferrals) }
    }
    try checkUniqueness(of: new)
    let before = try coverageStatuses(
      types: [old.type, new.type], states: old.serviceAreas + new.serviceAreas)
    try connection.run(
      """
      UPDATE partners
      SET user_id = ?2, type = ?3, status = ?4, company_name = ?5, contact_name = ?6, email = ?7,
        email_key = ?8, phone = ?9, website = ?10, service_areas = ?11,
        co_ownership_certified = ?12, agreement_signed_at = ?13, invited_by = ?14, notes = ?15,
        updated_at = ?16
      WHERE id = ?1
      """, arguments: values(of: new) + [new.updatedAt.text])
    try recordCoverageChanges(since: before)
  }

  private func values(of partner: Partner) -> [(any Bindable)?] {
    let areas = partner.serviceAreas.map { "\"\($0.rawValue)\"" }.joined(separator: ",")
    return [
      partner.id.text, partner.userID?.text, partner.type.rawValue, partner.status.rawValue,
      partner.companyName, partner.contactName, partner.email, partner.email.comparisonKey,
      partner.phone, partner.website, "[\(areas)]", partner.coOwnershipCertified,
      partner.agreementSignedAt?.text, partner.invitedBy?.text, partner.notes,
    ]
  }

  /// Removed partners do not count: another may have taken their place.
  private func checkUniqueness(of partner: Partner) throws {
    guard partner.status != .removed else { return }
    let sameEmail = try connection.row(
      """
      SELECT 1 FROM partners
      WHERE type = ? AND email_key = ? AND status <> 'removed' AND id <> ?
      """, partner.type.rawValue, partner.email.comparisonKey, partner.id.text
    ) { _ in true }
    if sameEmail == true { throw Failure.conflict(.partnerExists) }
    guard let user = partner.userID else { return }
    let sameUser = try connection.row(
      "SELECT 1 FROM partners WHERE user_id = ? AND status <> 'removed' AND id <> ?",
      user.text, partner.id.text
    ) { _ in true }
    if sameUser == true { throw Failure.conflict(.userAlreadyLinked) }
  }
}

/// Words that a person typed, as a query of SQLite's full-text search (FTS5).
enum Search {
  /// The partners that fit a query, which is FTS5's.
  enum Matches {
    /// So few that the list is made of them and sorted.
    case few(query: String)
    /// So many that the list is walked in its order instead: then the next of them is never far.
    case many(query: String)
  }

  /// From how many matches on they are many.
  static let manyMatches = 2_000

  /// Every word must begin a word of the text. Each is quoted, so that none is read as the query
  /// language's syntax (https://www.sqlite.org/fts5.html, section 3.1).
  ///
  /// - Parameter columns: The columns that are searched; all if none is named.
  /// - Returns: Nil if there is no word in it.
  static func query(_ text: String, in columns: [String] = []) -> String? {
    // What the tokenizer takes for words: letters, digits and private use (fts5.html, section 4.3.1).
    let words = text.unicodeScalars.split { scalar in
      switch scalar.properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
        .decimalNumber, .letterNumber, .otherNumber, .privateUse, .nonspacingMark,
        .spacingMark, .enclosingMark:
        false
      default: true
      }
    }
    .filter { word in
      // Marks alone are no word to the tokenizer.
      !word.allSatisfy {
        [.nonspacingMark, .spacingMark, .enclosingMark].contains($0.properties.generalCategory)
      }
    }
    guard !words.isEmpty else { return nil }
    // A word that begins another one asks for nothing more, but each costs as much as the first.
    let byLowercase = Dictionary(
      words.map { (Array($0.map(\.properties.lowercaseMapping).joined().unicodeScalars), $0) },
      uniquingKeysWith: { first, _ in first })
    let phrases = byLowercase.filter { word in
      !byLowercase.keys.contains { $0 != word.key && $0.starts(with: word.key) }
    }.map { "\"\(String(String.UnicodeScalarView($0.value)))\"*" }.sorted()
    let filter = columns.isEmpty ? "" : "{\(columns.joined(separator: " "))} : "
    return "\(filter)(\(phrases.joined(separator: " AND ")))"
  }
}

extension Snapshot {
  /// The partners that have all of the words; nil if there are none.
  ///
  /// - Parameter columns: As in `Search.query(_:in:)`.
  func matches(_ words: String, in columns: [String] = []) throws -> Search.Matches? {
    guard let query = Search.query(words, in: columns) else { return nil }
    let count =
      try connection.row(
        """
        SELECT count(*) FROM
          (SELECT 1 FROM partners_search WHERE partners_search MATCH ? LIMIT ?)
        """, query, Search.manyMatches
      ) { $0.int(0) } ?? 0
    if count == 0 { return nil }
    return count < Search.manyMatches ? .few(query: query) : .many(query: query)
  }
}

extension List {
  /// Keeps the partners that are among the matches.
  mutating func filter(_ matches: Search.Matches) {
    let number = "\(walked.alias).\(walked.number)"
    let found = "(SELECT rowid FROM partners_search WHERE partners_search MATCH ?)"
    switch matches {
    case .few(let query): filter("\(number) IN \(found)", query)
    // The unary plus keeps SQLite from looking each of them up and sorting.
    case .many(let query): filter("+\(number) IN \(found)", query)
    }
  }
}
