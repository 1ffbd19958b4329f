import CSQLite
import Domain
import Foundation
import JSON
import Testing

@testable import SQLite
@testable import Store

/// A folder of a test's own, removed with all that is in it when the test is done.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "StoreTests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    path = folder.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The test's database file.
  var database: String { path + "/referrals.db" }

  /// The names of the files in it.
  var files: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
  }
}

/// A store on a fresh database with the real schema, in a folder of its own.
final class TestStore: Sendable {
  let folder: TemporaryFolder
  let store: Store

  /// - Parameter mail: How messages are made; nil: none are.
  init(mail: MailSettings? = nil) throws {
    folder = try TemporaryFolder()
    try Migrator.migrate(path: folder.database)
    store = try Store(path: folder.database, mail: mail)
  }

  deinit { store.close() }

  /// Makes a change.
  @discardableResult
  func change<Result: Sendable>(
    at time: Timestamp = now, by actor: ID? = nil,
    _ body: @escaping @Sendable (Change) throws -> Result
  ) throws -> Result {
    try store.write(now: time, actor: actor, body)
  }

  /// Reads something.
  func read<Result>(at time: Timestamp = now, _ body: (Snapshot) throws -> Result) throws -> Result
  {
    try store.read(now: time, body)
  }

  /// Runs one statement past the store's own methods.
  func run(_ sql: String, _ arguments: (any Bindable)?...) throws {
    try change { _ = try $0.connection.run(sql, arguments: arguments) }
  }

  /// The first column of a query, as text.
  func texts(_ sql: String, _ arguments: (any Bindable)?...) throws -> [String] {
    try read { try $0.connection.texts(sql, arguments) }
  }

  /// The one number that a query gives.
  func number(_ sql: String, _ arguments: (any Bindable)?...) throws -> Int {
    try read { try $0.connection.rows(sql, arguments: arguments) { $0.int(0) } }[0]
  }

  /// The keys of a request's candidates, best first.
  func ranking(for referral: Referral) throws -> [Ranking.Key] {
    try read { snapshot in
      var keys: [Ranking.Key] = []
      var page = PageRequest(limit: 3)
      repeat {
        var json = JSONWriter()
        try json.array {
          page.after = try snapshot.candidates(for: referral, page, to: &$0) { key, _, _ in
            keys.append(key)
          }
        }
      } while page.after != nil
      return keys
    }
  }

  /// The keys of the partners that are recommended to a group, best first.
  func recommended(
    to group: ID, _ type: PartnerType = .attorney, _ state: StateCode = .MN
  ) throws -> [Ranking.Key] {
    try read { snapshot in
      var keys: [Ranking.Key] = []
      var json = JSONWriter()
      try json.array {
        try snapshot.recommendations(
          forGroup: group, type: type, state: state, limit: 100, to: &$0
        ) { key, _ in keys.append(key) }
      }
      return keys
    }
  }

  /// What a check finds wrong.
  func findings() throws -> [String] { try store.check(now: now) }

  /// Users 1 to 9, and groups 11 to 19 in which the user with the last digit is a member.
  func addGroups() throws {
    try change { change in
      for number in 1...9 {
        try change.insert(User.sample(number))
        try change.insert(Group.sample(10 + number, members: [sampleID(number)]))
      }
    }
  }
}

/// A connection past everything, to a fresh database with the real schema.
func rawDatabase(in folder: TemporaryFolder) throws -> Connection {
  try Migrator.migrate(path: folder.database)
  return try Connection(path: folder.database, role: .writer)
}

extension Connection {
  /// The first column of a query, as text.
  func texts(_ sql: String, _ arguments: [(any Bindable)?] = []) throws -> [String] {
    try rows(sql, arguments: arguments) { $0.text(0) }
  }

  /// The message with which a statement is refused; nil if it is not. It changes nothing either way.
  func refusal(_ sql: String) throws -> String? {
    try run("SAVEPOINT attempt")
    defer { try? script("ROLLBACK TO attempt; RELEASE attempt") }
    do {
      try run(sql)
      return nil
    } catch let error as SQLiteError {
      return error.message
    }
  }
}

extension MailSettings {
  /// Letters that say their kind, and their values as JSON.
  static let sample = MailSettings(
    sender: "referrals@tomi.example", staffAddress: "staff@tomi.example",
    publicURL: "https://tomi.example"
  ) { kind, values in
    var json = JSONWriter()
    json.value(values)
    return Letter(subject: "About \(kind.rawValue)", text: json.text)
  }
}

/// The time at which the tests take place.
let now = Timestamp("2026-03-01T12:00:00.000Z")!

/// A time on the day of the tests.
func minute(_ number: Int) -> Timestamp {
  Timestamp(milliseconds: now.milliseconds + Int64(number) * 60_000)
}

/// An ID that is the same for the same number, and greater for a greater one.
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

extension Failure {
  /// Whether the database could not be read or written.
  var isUnavailable: Bool { if case .unavailable = self { true } else { false } }
}

// MARK: - Samples

extension Resource {
  /// A field by its name; null empties it.
  subscript(_ field: String) -> JSON {
    get { record[field] }
    set { record[field] = newValue }
  }

  /// A sample of a table: its fields in their order, null where nothing is said.
  fileprivate init(_ table: Table, _ number: Int, _ values: [JSON.Member]) {
    var record = Record()
    for field in table.fields where !field.isComputed || !field.setBy.isEmpty {
      record[field.name] = .null
    }
    self.init(record: record)
    for value in values { self[value.name] = value.value }
    set("id", sampleID(number))
    set("created_at", now)
    if table.fields.contains(where: { $0.name == "updated_at" }) { set("updated_at", now) }
  }
}

extension JSON {
  /// The codes of states, as a list of them is stored.
  init(_ states: [StateCode]) { self = .array(states.map { .string($0.rawValue) }) }

  /// The IDs, as a list of them is stored.
  init(_ ids: [ID]) { self = .array(ids.map { .string($0.text) }) }

  init(_ id: ID) { self = .string(id.text) }

  init(_ time: Timestamp) { self = .string(time.text) }

  /// The object with further members.
  func with(_ others: [JSON.Member]) -> JSON {
    guard case .object(let members) = self else { return self }
    return .object(members + others)
  }

  /// The text, if it is one.
  var text: String? { if case .string(let text) = self { text } else { nil } }

  /// The names of an object's members, in their order.
  var names: [String] {
    if case .object(let members) = self { members.map(\.name) } else { [] }
  }
}

extension User {
  static func sample(_ number: Int) -> User {
    User(
      .users, number,
      [
        JSON.Member("email", .string("user\(number)@example.com")),
        JSON.Member("name", .string("User \(number)")), JSON.Member("disabled", false),
      ])
  }
}

extension Group {
  static func sample(_ number: Int, members: [ID] = []) -> Group {
    Group(
      .groups, number,
      [
        JSON.Member("name", .string("Group \(number)")), JSON.Member("members", JSON(members)),
      ])
  }
}

extension Token {
  /// A token that never expires.
  static func sample(_ number: Int, user: Int = 1, scope: Scope? = nil) -> Token {
    Token(
      .tokens, number,
      [
        JSON.Member("user_id", JSON(sampleID(user))),
        JSON.Member("scope", scope.map { .string($0.rawValue) } ?? .null),
      ])
  }
}

extension Partner {
  /// A partner who may be active.
  static func sample(
    _ number: Int, _ status: PartnerStatus = .active, _ type: PartnerType = .attorney,
    in areas: [StateCode] = [.MN], name: String? = nil
  ) -> Partner {
    Partner(
      .partners, number,
      [
        JSON.Member("type", .string(type.rawValue)),
        JSON.Member("status", .string(status.rawValue)),
        JSON.Member("company_name", .string(name ?? "Company \(number)")),
        JSON.Member("email", .string("partner\(number)@example.com")),
        JSON.Member("service_areas", JSON(areas)),
        JSON.Member("co_ownership_certified", false), JSON.Member("languages", []),
        JSON.Member("agreement_signed_at", JSON(now)),
      ])
  }
}

extension Referral {
  /// A request of the group's member (see `TestStore.addGroups`), with what its status takes.
  static func sample(
    _ number: Int, group: Int = 11, _ status: ReferralStatus = .pending,
    _ type: PartnerType = .attorney, state: StateCode? = .MN, partner: Int? = nil,
    introduced: Timestamp? = nil
  ) -> Referral {
    let isIntroduced = [.introSent, .connected, .closed].contains(status)
    var referral = Referral(
      .referrals, number,
      [
        JSON.Member("group_id", JSON(sampleID(group))),
        JSON.Member("requested_by", JSON(sampleID(group - 10))),
        JSON.Member("contact_id", JSON(sampleID(group - 10))),
        JSON.Member("status_since", JSON(now)),
        JSON.Member("partner_type", .string(type.rawValue)),
        JSON.Member("context", context(state: state)),
      ])
    referral.status = status
    referral.partnerID = partner.map(sampleID)
    referral.introSentAt = introduced ?? (isIntroduced ? now : nil)
    referral.outcome = status == .closed ? .unknown : nil
    return referral
  }

  /// What a group says of its need, with all five fields.
  static func context(
    groupSize: Int? = nil, prices: JSON = .null, timeline: String? = nil, state: StateCode? = nil,
    need: String? = nil
  ) -> JSON {
    [
      "group_size": groupSize.map(JSON.integer) ?? .null, "home_price_range": prices,
      "timeline": timeline.map(JSON.string) ?? .null,
      "state": (state?.rawValue).map(JSON.string) ?? .null,
      "specific_need": need.map(JSON.string) ?? .null,
    ]
  }
}

// MARK: - Rows as they are

extension Change {
  // These write past every rule, but through the tables of fields that the service writes through.

  func insert(_ user: User) throws { try Table.users.insert(user.record, on: connection) }

  func insert(_ group: Group) throws {
    try Table.groups.insert(group.record, on: connection)
    for member in group.members {
      try connection.run(
        "INSERT INTO group_members (group_id, user_id) VALUES (?, ?)", group.id.text, member.text)
    }
  }

  func insert(_ token: Token, sha256: [UInt8]) throws {
    try Table.tokens.insert(token.record, secrets: [sha256], on: connection)
  }

  func insert(_ partner: Partner) throws {
    try Table.partners.insert(partner.record, on: connection)
  }

  func insert(_ referral: Referral) throws {
    try Table.referrals.insert(referral.record, on: connection)
  }

  func update(_ partner: Partner) throws {
    let old = try #require(try self.partner(partner.id))
    try Table.partners.update(old.record, to: partner.record, on: connection)
  }

  func update(_ referral: Referral) throws {
    let old = try #require(try self.referral(referral.id))
    try Table.referrals.update(old.record, to: referral.record, on: connection)
  }
}

// MARK: - Changes as the service makes them

extension Change {
  /// A body, read as the API reads it.
  func body(_ json: JSON, _ fields: [Field], isNew: Bool = false) -> Body {
    Body(json, fields, by: .staff, at: now, isNew: isNew)
  }

  @discardableResult
  func createPartner(_ json: JSON) throws -> ID {
    try createPartner(body(json, Table.partners.fields, isNew: true), invitedBy: actor)
  }

  func updatePartner(_ number: Int, _ json: JSON) throws {
    try updatePartner(sampleID(number), body(json, Table.partners.fields), by: .staff)
  }

  func movePartner(_ number: Int, to status: PartnerStatus) throws {
    try changePartnerStatus(
      sampleID(number), body(["status": .string(status.rawValue)], partnerStatusFields))
  }

  /// Asks for an introduction in the name of the group's member (see `TestStore.addGroups`).
  @discardableResult
  func requestReferral(group: Int, _ json: JSON) throws -> ID {
    try requestReferral(
      ofGroup: sampleID(group), body(json, Table.referrals.fields, isNew: true),
      by: Caller(userID: sampleID(group - 10)))
  }

  func updateReferral(_ number: Int, _ json: JSON) throws {
    try updateReferral(sampleID(number), body(json, Table.referrals.fields + [.note]))
  }

  @discardableResult
  func putUser(_ number: Int, _ json: JSON) throws -> Bool {
    try putUser(sampleID(number), body(json, Table.users.fields))
  }

  @discardableResult
  func putGroup(_ number: Int, _ json: JSON) throws -> Bool {
    try putGroup(sampleID(number), body(json, Table.groups.fields))
  }
}

// MARK: - What is shown

/// A page of a list.
struct Page: Equatable {
  var items: [JSON]
  /// The last item's key if the list goes on, else nil.
  var next: [String]?

  var ids: [ID?] { items.map { $0["id"]?.text.flatMap { ID($0) } } }

  var numbers: [JSON?] { items.map { $0["number"] } }

  /// - Parameter write: Writes the items into an array.
  init(_ write: (inout JSONWriter) throws -> [String]?) throws {
    var json = JSONWriter()
    var next: [String]?
    try json.array { next = try write(&$0) }
    self.next = next
    guard case .array(let items) = try JSON(parsing: json.bytes) else {
      throw Failure.malformedJSON("a page is an array")
    }
    self.items = items
  }
}

extension Snapshot {
  func partners(_ filter: PartnerFilter, _ page: PageRequest) throws -> Page {
    try Page { try partners(filter, page, to: &$0) }
  }

  func directory(_ filter: DirectoryFilter, _ page: PageRequest) throws -> Page {
    try Page { try directory(filter, page, to: &$0) }
  }

  func referrals(
    _ filter: ReferralFilter, _ page: PageRequest, seenBy audience: Audiences = .staff
  ) throws -> Page {
    try Page { try referrals(filter, page, seenBy: audience, to: &$0) }
  }

  func users(_ filter: UserFilter, _ page: PageRequest) throws -> Page {
    try Page { try users(filter, page, to: &$0) }
  }

  func groups(_ filter: GroupFilter, _ page: PageRequest) throws -> Page {
    try Page { try groups(filter, page, to: &$0) }
  }

  func events(_ filter: EventFilter, _ page: PageRequest) throws -> Page {
    try Page { try events(filter, page, to: &$0) }
  }

  func events(after number: Int, _ page: PageRequest) throws -> Page {
    var filter = EventFilter()
    filter.after = number
    return try events(filter, page)
  }

  func events(of kind: SubjectKind, _ subject: ID, _ page: PageRequest) throws -> Page {
    try Page { try events(of: kind, subject, page, to: &$0) }
  }
}

extension Search.Matches {
  /// The same matches, found in one of the ways.
  func found(by way: Search.Way) -> Search.Matches {
    var matches = self
    matches.way = way
    return matches
  }
}

extension Connection {
  /// How many steps SQLite's machine has taken for the statements that the connection keeps. No other work on this
  /// computer changes it.
  var steps: Int {
    var steps = 0
    var statement = sqlite3_next_stmt(handle, nil)
    while statement != nil {
      steps += Int(sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 0))
      statement = sqlite3_next_stmt(handle, statement)
    }
    return steps
  }
}

/// A view, parsed.
func shown(_ bytes: [UInt8]) throws -> JSON { try JSON(parsing: bytes) }

extension Partner {
  /// What staff sees of it, as long as it is not paused, has no maximum and no credentials.
  var staffView: JSON {
    view(record.members.map(\.name).filter { $0 != "credentials_good_until" }).with([
      JSON.Member("accepting_referrals", .bool(status == .active)),
      JSON.Member("credentials_status", "none"),
    ])
  }

  /// What everybody may know of it.
  var publicProfile: JSON {
    view([
      "id", "type", "company_name", "contact_name", "website", "service_areas",
      "co_ownership_certified", "description", "languages", "affiliation_disclosure",
    ]).with([JSON.Member("accepting_referrals", .bool(status == .active))])
  }
}

extension Resource {
  /// An object of some of its fields.
  func view(_ names: [String]) -> JSON {
    .object(names.map { JSON.Member($0, self[$0]) })
  }
}

extension Referral {
  /// The request as an audience sees it in a list.
  ///
  /// - Parameter partner: Its partner, if it has one.
  func view(seenBy audience: Audiences, partner: Partner?) -> JSON {
    var names = [
      "id", "partner_type", "status", "status_since", "intro_sent_at", "outcome", "created_at",
      "updated_at",
    ]
    if audience != .partner {
      names += [
        "group_id", "requested_by", "contact_id", "partner_id", "consent_version", "consented_at",
      ]
    }
    if audience == .staff { names += ["outcome_notes", "assigned_to", "follow_up_on"] }
    guard case .object(var members) = view(names) else { return .null }
    let isHidden = audience == .partner && status == .cancelled
    var context = self["context"]
    if isHidden, case .object(let fields) = context {
      context = .object(
        fields.map { $0.name == "specific_need" ? JSON.Member($0.name, .null) : $0 })
    }
    members.append(JSON.Member("context", context))
    // See `TestStore.addGroups`.
    func number(_ id: ID) -> Int { (1...99).first { sampleID($0) == id } ?? 0 }
    if audience != .member {
      members.append(
        JSON.Member(
          "group",
          ["id": JSON(groupID), "name": .string("Group \(number(groupID))")]))
      func person(_ id: ID) -> JSON {
        var person: [JSON.Member] = [
          JSON.Member("name", .string("User \(number(id))")),
          JSON.Member("email", .string("user\(number(id))@example.com")),
        ]
        if audience == .staff { person.append(JSON.Member("id", JSON(id))) }
        return .object(person)
      }
      if audience == .staff { members.append(JSON.Member("requester", person(requestedBy))) }
      members.append(JSON.Member("contact", isHidden ? .null : contactID.map(person) ?? .null))
    }
    if audience == .staff {
      let assignee = id("assigned_to").map { id -> JSON in
        ["id": JSON(id), "name": .string("User \(number(id))")]
      }
      members.append(JSON.Member("assignee", assignee ?? .null))
    }
    if audience != .partner {
      let contact = partner.map { partner in
        JSON.object(
          [
            "id", "type", "company_name", "contact_name", "email", "phone", "website",
          ].map { name in
            let isContact = ["contact_name", "email", "phone"].contains(name)
            let isKnown = isIntroduced && partner.status != .removed
            let isHidden = audience == .member && isContact && !isKnown
            return JSON.Member(name, isHidden ? .null : partner[name])
          })
      }
      members.append(JSON.Member("partner", contact ?? .null))
    }
    return .object(members)
  }
}

/// Random numbers that are the same in each run (https://prng.di.unimi.it/splitmix64.c).
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
