import Domain
import Foundation
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

  init() throws {
    folder = try TemporaryFolder()
    try Migrator.migrate(path: folder.database)
    store = try Store(path: folder.database)
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

  /// What a check finds wrong.
  func findings() throws -> [String] { try store.check(now: now) }

  /// Users 1 to 9, and groups 11 to 19 in which the user with the last digit is a member.
  func addGroups() throws {
    try change { change in
      for number in 1...9 {
        try change.put(User.sample(number))
        try change.put(Group.sample(10 + number, members: [sampleID(number)]))
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
    struct Undo: Error {}
    do {
      try savepoint {
        try run(sql)
        throw Undo()
      }
      return nil
    } catch is Undo {
      return nil
    } catch let error as SQLiteError {
      return error.message
    }
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

extension User {
  static func sample(_ number: Int) -> User {
    User(
      id: sampleID(number), email: "user\(number)@example.com", name: "User \(number)",
      createdAt: now, updatedAt: now)
  }
}

extension Group {
  static func sample(_ number: Int, members: [ID] = []) -> Group {
    Group(
      id: sampleID(number), name: "Group \(number)", members: members, createdAt: now,
      updatedAt: now)
  }
}

extension Partner {
  /// A partner who may be active.
  static func sample(
    _ number: Int, _ status: PartnerStatus = .active, _ type: PartnerType = .attorney,
    in areas: [StateCode] = [.MN], name: String? = nil
  ) -> Partner {
    Partner(
      id: sampleID(number), type: type, status: status, companyName: name ?? "Company \(number)",
      email: "partner\(number)@example.com", serviceAreas: areas, agreementSignedAt: now,
      createdAt: now, updatedAt: now)
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
    return Referral(
      id: sampleID(number), groupID: sampleID(group), requestedBy: sampleID(group - 10),
      partnerType: type, status: status, context: Context(state: state),
      partnerID: partner.map(sampleID), introSentAt: introduced ?? (isIntroduced ? now : nil),
      outcome: status == .closed ? .unknown : nil, createdAt: now, updatedAt: now)
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

/// What everybody may know of a partner, kept beyond its row.
struct KnownPartner: Equatable {
  let id: ID
  let type: PartnerType?
  let companyName: String
  let contactName: String?
  let website: String?
  let serviceAreas: String
  let coOwnershipCertified: Bool

  init(_ profile: PublicProfile) throws {
    id = try #require(ID(text(profile.id)))
    type = PartnerType(rawValue: text(profile.type))
    companyName = text(profile.companyName)
    contactName = profile.contactName.map(text)
    website = profile.website.map(text)
    serviceAreas = text(profile.serviceAreas)
    coOwnershipCertified = profile.coOwnershipCertified
  }

  init(_ partner: Partner) {
    id = partner.id
    type = partner.type
    companyName = partner.companyName
    contactName = partner.contactName
    website = partner.website
    serviceAreas =
      "[" + partner.serviceAreas.map { "\"\($0.rawValue)\"" }.joined(separator: ",") + "]"
    coOwnershipCertified = partner.coOwnershipCertified
  }
}

/// What the members of a group see of a request, kept beyond its row.
struct KnownReferral: Equatable {
  /// Its fields in order, and those of its partner.
  let texts: [String?]
  let context: Context

  init(_ record: MemberReferralRecord) throws {
    texts =
      [
        record.id, record.groupID, record.requestedBy, record.partnerType, record.status,
        record.introSentAt, record.outcome, record.createdAt, record.updatedAt,
        record.partner?.id, record.partner?.type, record.partner?.companyName,
        record.partner?.contactName, record.partner?.email, record.partner?.phone,
        record.partner?.website,
      ].map { $0.map(text) }
    context = try StoredContext.decode(record.context)
  }

  init(_ record: StaffReferralRecord) {
    let (referral, partner) = (record.referral, record.partner)
    texts = [
      referral.id.text, referral.groupID.text, referral.requestedBy.text,
      referral.partnerType.rawValue, referral.status.rawValue, referral.introSentAt?.text,
      referral.outcome?.rawValue, referral.createdAt.text, referral.updatedAt.text,
      partner?.id.text, partner?.type.rawValue, partner?.companyName, partner?.contactName,
      partner?.email, partner?.phone, partner?.website,
    ]
    context = referral.context
  }
}

private func text(_ utf8: UnsafeBufferPointer<UInt8>) -> String {
  String(decoding: utf8, as: UTF8.self)
}

extension Snapshot {
  /// A page of the directory.
  func directory(_ filter: DirectoryFilter, _ page: PageRequest) throws -> Page<KnownPartner> {
    var result = Page<KnownPartner>(items: [])
    result.next = try directory(filter, page) { result.items.append(try KnownPartner($0)) }
    return result
  }

  /// A page of requests as the members of their groups see them.
  func memberReferrals(_ filter: ReferralFilter, _ page: PageRequest) throws -> Page<KnownReferral>
  {
    var result = Page<KnownReferral>(items: [])
    result.next = try memberReferrals(filter, page) { result.items.append(try KnownReferral($0)) }
    return result
  }
}
