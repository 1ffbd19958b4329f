import CSQLite
import Domain
import Foundation
import JSON
import Synchronization
import Testing

@testable import SQLite
@testable import Store

@Suite("The store")
struct StoreTests {
  @Test("is empty until something is put in")
  func isEmpty() throws {
    for put in [
      { try $0.insert(User.sample(1)) }, { try $0.insert(Group.sample(11)) },
      { try $0.insert(Partner.sample(21, .invited)) },
      { try $0.record(.userUpdated, sampleID(1), changes: "{}") },
    ] as [@Sendable (Change) throws -> Void] {
      let test = try TestStore()
      #expect(try test.read { try $0.isEmpty() })
      try test.change(put)
      #expect(try !test.read { try $0.isEmpty() })
    }
  }

  @Test("a read is of one moment, whatever is changed meanwhile")
  func snapshot() throws {
    let test = try TestStore()
    try test.read { snapshot throws in
      #expect(try snapshot.user(sampleID(1)) == nil)
      try test.change { try $0.insert(User.sample(1)) }
      #expect(try snapshot.user(sampleID(1)) == nil)
    }
    #expect(try test.read { try $0.user(sampleID(1)) } != nil)
  }

  @Test("a change carries its time and actor, and makes IDs of that time")
  func change() throws {
    let folder = try TemporaryFolder()
    try Migrator.migrate(path: folder.database)
    let counter = Mutex<UInt64>(0)
    let store = try Store(
      path: folder.database,
      random: {
        counter.withLock {
          $0 += 1
          return $0
        }
      })
    defer { store.close() }
    let time = try #require(Timestamp("2022-02-22T19:22:22.000Z"))
    let (first, second, actor) = try store.write(now: time, actor: sampleID(7)) { change in
      #expect(change.now == time)
      return (change.newID(), change.newID(), change.actor)
    }
    #expect(first.text == "017f22e2-79b0-7001-8000-000000000002")
    #expect(second.text == "017f22e2-79b0-7003-8000-000000000004")
    #expect(actor == sampleID(7))
  }

  @Test("a change completes by calling back, once it is there, and with the same failures")
  func completion() throws {
    let test = try TestStore()
    let results = Mutex<[Result<ID?, any Error>]>([])
    let isAnswered = DispatchSemaphore(value: 0)
    @Sendable func note(_ result: Result<ID?, any Error>) {
      results.withLock { $0.append(result) }
      isAnswered.signal()
    }
    test.store.write(now: now, actor: sampleID(7)) { change in
      try change.insert(User.sample(1))
      return change.actor
    } then: {
      note($0)
    }
    isAnswered.wait()
    #expect(try test.read { try $0.user(sampleID(1)) } != nil)
    test.store.write(now: now, actor: nil) { change in
      try change.insert(User.sample(2))
      throw Failure.notFound
    } then: {
      note($0)
    }
    isAnswered.wait()
    test.store.write(now: now, actor: nil) { _ in
      throw SQLiteError(extendedCode: SQLITE_FULL)
    } then: {
      note($0)
    }
    isAnswered.wait()
    #expect(try test.read { try $0.user(sampleID(2)) } == nil)
    test.store.close()
    test.store.write(now: now, actor: nil) {
      $0.actor
    } then: {
      note($0)
    }
    #expect(isAnswered.wait(timeout: .now()) == .success, "refused before it returns")
    let answers = results.withLock { $0 }
    #expect(try answers[0].get() == sampleID(7))
    #expect(refusal { try answers[1].get() } == .notFound)
    for answer in answers[2...] {
      guard case .unavailable = refusal({ try answer.get() }) else {
        Issue.record("\(answer)")
        continue
      }
    }
  }

  @Test("without a given source, new IDs are all different")
  func newIDs() throws {
    let test = try TestStore()
    let ids = try test.change { change in (0..<1000).map { _ in change.newID() } }
    #expect(Set(ids).count == 1000)
    #expect(ids.allSatisfy { ID($0.text) == $0 })
  }

  @Test("a snapshot cannot be written through")
  func readOnly() throws {
    let test = try TestStore()
    #expect(throws: (any Error).self) {
      try test.read { try $0.connection.run("DELETE FROM service_area_coverage") }
    }
    #expect(try test.number("SELECT count(*) FROM service_area_coverage") == 306)
  }

  @Test("changes of many threads are all made, each once")
  func concurrency() throws {
    let test = try TestStore()
    try test.addGroups()
    DispatchQueue.concurrentPerform(iterations: 8) { thread in
      for number in 0..<10 {
        do {
          try test.change(by: sampleID(1 + thread)) { change in
            try change.createPartner([
              "type": "attorney", "status": "active", "company_name": "Company",
              "email": .string("partner\(thread * 10 + number)@example.com"),
              "service_areas": ["TX"], "agreement_signed_at": JSON(now),
            ])
          }
        } catch {
          Issue.record(error)
        }
      }
    }
    #expect(try test.read { try $0.coverage(.TX, .attorney) }.partnerCount == 80)
    let kinds = try test.texts("SELECT kind FROM events ORDER BY number")
    #expect(kinds.filter { $0 == "partner.created" }.count == 80)
    #expect(kinds.filter { $0 == "coverage.status_changed" }.count == 1)
    #expect(try test.findings() == [])
  }

  @Test("a damaged file cannot be read just now, whatever part of it is")
  func damaged() throws {
    for code in [SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_IOERR] {
      let failure = #expect(throws: Failure.self) {
        try Store.translatingErrors { throw SQLiteError(extendedCode: code) }
      }
      guard case .unavailable = failure else {
        Issue.record("\(String(describing: failure))")
        continue
      }
    }
  }

  @Test("a closed store is unavailable, and may be closed again")
  func closed() throws {
    let test = try TestStore()
    test.store.close()
    test.store.close()
    #expect(refusal { try test.read { try $0.ping() } }?.isUnavailable == true)
    #expect(refusal { try test.change { try $0.insert(User.sample(1)) } }?.isUnavailable == true)
  }

  @Test("what was changed is there after the store is opened again")
  func reopened() throws {
    let folder = try TemporaryFolder()
    try Migrator.migrate(path: folder.database)
    for number in 1...3 {
      let store = try Store(path: folder.database)
      try store.write(now: now, actor: nil) { try $0.insert(User.sample(number)) }
      store.close()
    }
    let store = try Store(path: folder.database)
    defer { store.close() }
    #expect(try store.read(now: now) { try $0.user(sampleID(1)) } == .sample(1))
    #expect(try store.read(now: now) { try $0.user(sampleID(3)) } == .sample(3))
  }
}

@Suite("Backups")
struct BackupTests {
  @Test("the copy is a store of its own, with all that was there at its moment")
  func backup() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      try change.insert(Partner.sample(21, in: [.MN, .WI], name: "Needle & Co"))
      try change.insert(Referral.sample(31, .matched, partner: 21))
      try change.record(
        .referralRequested, sampleID(31),
        changes: #"{"status":{"from":null,"to":"matched"}}"#)
    }
    let file = test.folder.path + "/copy.db"
    var steps: [Double?] = []
    try test.store.backup(to: file) { steps.append($0) }
    #expect(steps.contains { $0 == nil }, "the copy was checked")
    #expect(steps.compactMap { $0 }.allSatisfy { (0...1).contains($0) })
    try test.change { try $0.insert(User.sample(90)) }

    let copy = try Store(path: file)
    defer { copy.close() }
    #expect(try copy.check(now: now) == [])
    #expect(copy.lostEvents == nil)
    try copy.read(now: now) { snapshot throws in
      #expect(try snapshot.partner(sampleID(21))?["company_name"] == "Needle & Co")
      #expect(try snapshot.referral(sampleID(31))?.status == .matched)
      #expect(try snapshot.user(sampleID(90)) == nil)
      var filter = PartnerFilter()
      filter.words = "needle"
      #expect(try snapshot.partners(filter, PageRequest()).items.count == 1)
    }
    try copy.write(now: now, actor: nil) { try $0.insert(User.sample(91)) }
    #expect(try test.read { try $0.user(sampleID(91)) } == nil)
  }

  @Test("a file that is there already stays as it is")
  func existing() throws {
    let test = try TestStore()
    let file = test.folder.path + "/copy.db"
    #expect(FileManager.default.createFile(atPath: file, contents: Data("mine".utf8)))
    for path in [file, test.folder.database] {
      let error = #expect(throws: SQLiteError.self) { try test.store.backup(to: path) }
      #expect(error?.message == "\(path): File exists")
    }
    #expect(FileManager.default.contents(atPath: file) == Data("mine".utf8))
    #expect(try test.findings() == [])
  }

  @Test("a place that cannot be written is unavailable, and nothing is left")
  func unwritable() throws {
    let test = try TestStore()
    let before = try test.folder.files
    let file = test.folder.path + "/none/copy.db"
    #expect(refusal { try test.store.backup(to: file) }?.isUnavailable == true)
    #expect(try test.folder.files == before)
  }
}
