import Domain
import Foundation
import HTTPTypes
import JSON
import Logging
import Mail
import POSIX
import Synchronization
import Testing

@testable import API
@testable import Store

/// Who sends a request.
enum Role: String, CaseIterable, Sendable {
  /// No token at all.
  case nobody
  /// A token that nobody was ever given.
  case unknownToken
  /// Ann's token that has run out, at this very moment.
  case expired
  /// Ann's token that was taken back.
  case revoked
  /// Dora, whose account is disabled, though she is in Birch.
  case disabled
  /// Petra, who is in no group.
  case stranger
  /// Olga, who is in Oak alone.
  case outsider
  /// Ann, who is in Birch.
  case member
  /// Bob, who is in Birch as well.
  case otherMember
  /// Pablo, who has a partner record of his own in some worlds.
  case partner
  /// Paula, likewise.
  case otherPartner
  /// Sam of Tomi's staff, but with the token of an ordinary user.
  case staffWithoutRights
  /// Sam of Tomi's staff.
  case staff
  /// Tess of Tomi's staff.
  case otherStaff
  /// Tess with a token that only reads.
  case reader
  /// Tess with a token for what copies the accounts.
  case syncer
  /// Tess with a token for what follows the events.
  case follower

  /// The secret that the role shows; nil if none.
  var token: String? { self == .nobody ? nil : "tomi_test_\(rawValue)" }

  /// Whose token it is.
  var user: ID {
    switch self {
    case .disabled: Person.dora
    case .stranger: Person.petra
    case .partner: Person.pablo
    case .otherPartner: Person.paula
    case .outsider: Person.olga
    case .nobody, .unknownToken, .expired, .revoked, .member: Person.ann
    case .otherMember: Person.bob
    case .staffWithoutRights, .staff: Person.sam
    case .otherStaff, .reader, .syncer, .follower: Person.tess
    }
  }

  /// The scope of the token; nil for a token without staff's rights.
  var scope: Scope? {
    switch self {
    case .staff, .otherStaff: .admin
    case .reader: .read
    case .syncer: .sync
    case .follower: .events
    default: nil
    }
  }

  static let unauthenticated: [Role] = [.nobody, .unknownToken, .expired, .revoked, .disabled]
}

/// Those who are known from the start.
enum Person {
  static let sam = id(1)
  static let tess = id(2)
  static let ann = id(3)
  static let bob = id(4)
  static let dora = id(5)
  static let olga = id(6)
  static let petra = id(7)
  static let pablo = id(8)
  static let paula = id(9)

  static let all: [(id: ID, name: String)] = [
    (sam, "Sam"), (tess, "Tess"), (ann, "Ann"), (bob, "Bob"), (dora, "Dora"), (olga, "Olga"),
    (petra, "Petra"), (pablo, "Pablo"), (paula, "Paula"),
  ]

  private static func id(_ number: Int) -> ID {
    ID("00000000-0000-4000-8000-00000000000\(number)")!
  }
}

/// The time, which stands still until a test moves it.
final class StoppedClock: Sendable {
  private let time: Mutex<Timestamp>

  init(_ time: Timestamp) { self.time = Mutex(time) }

  var now: Timestamp { time.withLock { $0 } }

  func pass(days: Int) { pass(milliseconds: days * 86_400_000) }

  func pass(milliseconds: Int) {
    time.withLock { $0 = Timestamp(milliseconds: $0.milliseconds + Int64(milliseconds)) }
  }
}

/// A folder that goes when nobody needs it any more.
final class Folder: Sendable {
  private let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("api-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func file(_ name: String) -> URL { url.appendingPathComponent(name) }
}

/// The service with a database file of its own, the people in `Person`, and two groups.
///
/// Whatever a test sends, the answer is also held to what every answer must be: see `Reply.check`.
final class World: Sendable {
  /// When it is, at first.
  static let start = "2026-11-22T14:30:28.123Z"
  /// A group in Minnesota: Ann, Bob and Dora.
  static let birch = ID("00000000-0000-4000-8000-0000000000b1")!
  /// A group in California: Olga.
  static let oak = ID("00000000-0000-4000-8000-0000000000c1")!
  /// An ID that names nothing.
  static let unknown = "00000000-0000-4000-8000-00000000dead"

  /// How the service sends messages. Each letter has the subject of its template and says all its values, so that tests
  /// find what any template could show.
  static let mail = MailSettings(
    sender: "hello@tomi.example", staffAddress: staffAddress, publicURL: "https://tomi.example"
  ) { kind, values in
    Letter(
      subject: try templates.get().letter(kind, values).subject,
      text: String(decoding: values.bytes, as: UTF8.self))
  }
  private static let templates = Result { try Templates() }
  /// Where messages to staff go that are nobody's in particular.
  static let staffAddress = "staff@tomi.example"

  let store: Store
  let log: RecordedLog
  let clock: StoppedClock
  let folder: Folder
  let router: Router
  private let requests = Atomic<Int>(0)

  init(
    origins: [String] = [], verifier: WebTokenVerifier? = nil, quotas: Quotas = Quotas(),
    consent: ConsentPolicy = ConsentPolicy(), mail: MailSettings? = World.mail
  ) throws {
    folder = try Folder()
    for (name, content) in try World.furnished.get() {
      try content.write(to: folder.file(name))
    }
    store = try Store(path: folder.file("test.db").path, mail: mail)
    let clock = StoppedClock(try #require(Timestamp(World.start)))
    let log = RecordedLog()
    self.clock = clock
    self.log = log
    router = Router(
      store: store, origins: origins, verifier: verifier, quotas: quotas, consent: consent,
      slowAfter: .seconds(3600), logger: Logger(label: "test") { _ in log }, clock: { clock.now })
  }

  /// A database with the people, their tokens and the groups, by file name, which each world begins
  /// with: made once, since that takes longer than most tests.
  private static let furnished = Result { () throws -> [String: Data] in
    let folder = try Folder()
    let path = folder.file("test.db").path
    try Migrator.migrate(path: path)
    let store = try Store(path: path)
    try store.write(now: try #require(Timestamp(start)), actor: nil) { try furnish($0) }
    store.close()
    // The database and its write-ahead log; its shared memory is made anew.
    let names = ["test.db", "test.db-wal"].filter {
      FileManager.default.fileExists(atPath: folder.file($0).path)
    }
    return try Dictionary(
      uniqueKeysWithValues: names.map { ($0, try Data(contentsOf: folder.file($0))) })
  }

  private static func furnish(_ change: Change) throws {
    // Past the changes that record events, so that each test's history begins empty.
    for person in Person.all {
      try Table.users.insert(
        Table.users.newRecord(
          person.id, at: change.now,
          [
            "email": .string("\(person.name.lowercased())@example.com"),
            "name": .string(person.name), "disabled": .bool(person.id == Person.dora),
          ]), on: change.connection)
    }
    let groups: [(ID, [String: JSON], [ID])] = [
      (birch, ["name": "Birch", "state": "MN"], [Person.ann, Person.bob, Person.dora]),
      (oak, ["name": "Oak", "state": "CA"], [Person.olga]),
    ]
    for (id, fields, members) in groups {
      try Table.groups.insert(
        Table.groups.newRecord(id, at: change.now, fields), on: change.connection)
      for member in members {
        try change.connection.run(
          "INSERT INTO group_members (group_id, user_id) VALUES (?, ?)", id.text, member.text)
      }
    }
    for role in Role.allCases {
      guard let secret = role.token, role != .unknownToken else { continue }
      let expiry: JSON = role == .expired ? .string(change.now.text) : .null
      try Table.tokens.insert(
        Table.tokens.newRecord(
          change.newID(), at: change.now,
          [
            "user_id": .string(role.user.text),
            "scope": role.scope.map { .string($0.rawValue) } ?? .null,
            "name": .string(role.rawValue),
            "expires_at": expiry,
            "revoked_at": role == .revoked ? .string(change.now.text) : .null,
          ]), secrets: [AccessToken.sha256(of: secret)], on: change.connection)
    }
  }

  deinit { store.close() }

  // MARK: Requests

  /// Sends a request. A body is declared as JSON unless `headers` say otherwise.
  @discardableResult
  func send(
    _ method: String, _ target: String, as role: Role = .staff, body: JSON? = nil,
    bytes: [UInt8]? = nil, headers: HTTPFields = [:], id: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) -> Reply {
    var headers = headers
    if let token = role.token, headers[.authorization] == nil {
      headers[.authorization] = "Bearer \(token)"
    }
    let bytes = bytes ?? body?.bytes ?? []
    if !bytes.isEmpty, headers[.contentType] == nil { headers[.contentType] = "application/json" }
    return send(
      Request(method: method, target: target, headers: headers, body: bytes, id: id ?? newID()),
      sourceLocation: sourceLocation)
  }

  /// Sends a request as it is.
  @discardableResult
  func send(_ request: Request, sourceLocation: SourceLocation = #_sourceLocation) -> Reply {
    let reply = Reply(router.answer(request))
    reply.check(request, log: log, sourceLocation: sourceLocation)
    return reply
  }

  private func newID() -> String { "request-\(requests.add(1, ordering: .relaxed).newValue)" }

  func get(
    _ target: String, as role: Role = .staff, headers: HTTPFields = [:],
    sourceLocation: SourceLocation = #_sourceLocation
  ) -> Reply {
    send("GET", target, as: role, headers: headers, sourceLocation: sourceLocation)
  }

  @discardableResult
  func put(
    _ target: String, _ body: JSON, as role: Role = .staff, headers: HTTPFields = [:],
    sourceLocation: SourceLocation = #_sourceLocation
  ) -> Reply {
    send("PUT", target, as: role, body: body, headers: headers, sourceLocation: sourceLocation)
  }

  @discardableResult
  func post(
    _ target: String, _ body: JSON? = nil, as role: Role = .staff, headers: HTTPFields = [:],
    sourceLocation: SourceLocation = #_sourceLocation
  ) -> Reply {
    send("POST", target, as: role, body: body, headers: headers, sourceLocation: sourceLocation)
  }

  // MARK: Things

  private let partners = Atomic<Int>(0)

  /// Makes a partner through the API, an attorney in Minnesota if nothing else is said.
  ///
  /// - Returns: Its ID.
  func partner(
    _ status: PartnerStatus = .active, type: String = "attorney", areas: JSON = ["MN"],
    with fields: JSON = [:], sourceLocation: SourceLocation = #_sourceLocation
  ) -> String {
    let number = partners.add(1, ordering: .relaxed).newValue
    let first: PartnerStatus = PartnerStatus.initial.contains(status) ? status : .active
    let body: JSON = [
      "type": .string(type), "status": .string(first.rawValue),
      "company_name": .string("Company \(number)"),
      "email": .string("company\(number)@example.com"), "service_areas": areas,
      "agreement_signed_at": "2026-01-01T00:00:00Z",
    ]
    let created = post("/api/admin/partners", body.with(fields), sourceLocation: sourceLocation)
    #expect(created.verdict == "201", sourceLocation: sourceLocation)
    let id = created["id"]?.text ?? ""
    if first != status { move(partner: id, to: status, sourceLocation: sourceLocation) }
    return id
  }

  func move(
    partner id: String, to status: PartnerStatus, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let moved = put(
      "/api/admin/partners/\(id)/status", ["status": .string(status.rawValue)],
      sourceLocation: sourceLocation)
    #expect(moved.verdict == "200", sourceLocation: sourceLocation)
  }

  /// Makes a request of Birch, by Ann, through the API and brings it to a status.
  ///
  /// - Parameter partner: Who it is matched with; nil: a new partner, if the status needs one.
  /// - Returns: Its ID.
  func referral(
    _ status: ReferralStatus = .pending, type: String = "attorney", context: JSON = [:],
    partner: String? = nil, group: ID = World.birch, as role: Role = .member,
    sourceLocation: SourceLocation = #_sourceLocation
  ) -> String {
    let created = post(
      "/api/groups/\(group)/referrals", ["partner_type": .string(type), "context": context],
      as: role, sourceLocation: sourceLocation)
    #expect(created.verdict == "201", sourceLocation: sourceLocation)
    let id = created["id"]?.text ?? ""
    let steps: [ReferralStatus] =
      switch status {
      case .pending: []
      case .matched: [.matched]
      case .introSent: [.matched, .introSent]
      case .connected: [.matched, .introSent, .connected]
      case .closed: [.matched, .introSent, .connected, .closed]
      case .cancelled: [.cancelled]
      }
    for step in steps {
      var body: JSON = ["status": .string(step.rawValue)]
      if step == .matched {
        let areas: JSON = context["state"].map { [$0] } ?? ["MN"]
        let id = partner ?? self.partner(type: type, areas: areas, sourceLocation: sourceLocation)
        body = body.with(["partner_id": .string(id)])
      }
      let moved = put("/api/admin/referrals/\(id)", body, sourceLocation: sourceLocation)
      #expect(moved.verdict == "200", sourceLocation: sourceLocation)
    }
    return id
  }

  /// Adds a credential to a partner, a bar admission in Minnesota if nothing else is said, verified by staff.
  ///
  /// - Returns: Its ID.
  func credential(
    of partner: String, with fields: JSON = [:], sourceLocation: SourceLocation = #_sourceLocation
  ) -> String {
    let body: JSON = [
      "kind": "bar_admission", "number": "MN 0391234", "state_code": "MN", "verified": true,
    ]
    let added = post(
      "/api/admin/partners/\(partner)/credentials", body.with(fields),
      sourceLocation: sourceLocation)
    #expect(added.verdict == "201", sourceLocation: sourceLocation)
    return added["id"]?.text ?? ""
  }

  /// What happened to a thing, oldest first.
  func events(of subject: String) -> [JSON] {
    events.filter { $0["subject"]?["id"]?.text == subject }
  }

  /// Everything that happened, oldest first.
  var events: [JSON] {
    var events: [JSON] = []
    var next: String? = "/api/admin/events?limit=100"
    while let target = next {
      let page = get(target)
      events += page["data"]?.elements ?? []
      next = page["next_cursor"]?.text.map { "/api/admin/events?limit=100&cursor=\($0)" }
    }
    return events
  }

  // MARK: Messages

  /// The messages that a query finds, without their texts, oldest first.
  func messages(_ query: String = "") -> [JSON] {
    var messages: [JSON] = []
    var next: String? = "/api/admin/messages?limit=100&\(query)"
    while let target = next {
      let page = get(target)
      #expect(page.verdict == "200", "\(target)")
      messages += page.items
      next = page.headers[.link].map { String($0.dropFirst().prefix { $0 != ">" }) }
    }
    return messages.reversed()
  }

  private let codes = Atomic<Int>(0)

  /// Hands over the letters that are due, as the mailer does. The codes in them are `code-1`, `code-2` and so on.
  @discardableResult
  func deliver(_ result: DeliveryResult = .accepted) throws -> [Dispatch] {
    var delivered: [Dispatch] = []
    while let next = try store.write(
      now: clock.now, actor: nil,
      { change in
        try change.takeMessage {
          let code = "code-\(self.codes.add(1, ordering: .relaxed).newValue)"
          return (code, AccessToken.sha256(of: code))
        }
      })
    {
      try store.write(now: clock.now, actor: nil) { _ = try $0.note(result, of: next) }
      delivered.append(next)
    }
    return delivered
  }

  /// Makes the messages whose time has come, as the mailer does.
  func remind() throws {
    for reminder in try store.read(now: clock.now, { try $0.dueReminders() }) {
      try store.write(now: clock.now, actor: nil) { try $0.remind(reminder) }
    }
  }

  /// Runs statements past the service.
  func run(_ sql: String) throws {
    try store.write(now: clock.now, actor: nil) { _ = try $0.connection.run(sql) }
  }

  /// All that is in the database, so that two of them tell whether anything was changed between.
  func contents() throws -> [String] {
    try store.read(now: clock.now) { snapshot in
      let tables = [
        "users", "groups", "group_members", "tokens", "partners", "partner_areas",
        "partners_search", "service_area_coverage", "referral_requests",
        "referral_past_partners", "past_introductions", "declines", "partner_standings",
        "partner_ranks", "partner_credentials", "events", "idempotency_keys", "erasures",
        "waiting_list", "messages", "message_counts", "sign_in_codes", "waiting_codes",
      ]
      return try tables.flatMap { table in
        let columns = try snapshot.connection.rows(
          "SELECT name FROM pragma_table_info('\(table)')"
        ) { "quote(\($0.text(0)))" }
        return try snapshot.connection.rows(
          "SELECT \(columns.joined(separator: "||','||")) FROM \(table) ORDER BY 1"
        ) { "\(table): \($0.text(0))" }
      }
    }
  }
}

extension Dispatch {
  /// The code in the letter's link; nil if it has none.
  var code: String? {
    letter.text.firstMatch(of: /#(?:code|confirm)=([\w-]+)/).map { String($0.1) }
  }
}

extension Router {
  /// Answers a request, and waits for the answer.
  func answer(_ request: Request) -> Response {
    let answer = Mutex<Response?>(nil)
    let isAnswered = Semaphore()
    respond(to: request) { response in
      answer.withLock {
        #expect($0 == nil, "a request is answered once")
        $0 = response
      }
      isAnswered.signal()
    }
    isAnswered.wait()
    return answer.withLock { $0 } ?? Response(status: .internalServerError)
  }
}

/// What the router logged.
final class RecordedLog: LogHandler, Sendable {
  private let recorded = Mutex<[String]>([])

  var lines: [String] { recorded.withLock { $0 } }

  var metadata: Logger.Metadata {
    get { [:] }
    set {}
  }
  var logLevel: Logger.Level {
    get { .trace }
    set {}
  }

  subscript(metadataKey _: String) -> Logger.Metadata.Value? {
    get { nil }
    set {}
  }

  func log(event: LogEvent) {
    let details = (event.metadata ?? [:]).map { "\($0.key)=\($0.value)" }.sorted()
    recorded.withLock {
      $0.append("\(event.level) \(event.message) \(details.joined(separator: " "))")
    }
  }
}
