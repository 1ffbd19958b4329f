import Domain
import Foundation
import Testing

@testable import SQLite
@testable import Store

extension TestStore {
  fileprivate func record(_ count: Int, of subject: Int = 50) throws {
    for _ in 0..<count {
      try change {
        try $0.record("user.updated", .user, sampleID(subject).text, changes: "{}")
      }
    }
  }

  fileprivate func numbers() throws -> [Int] {
    try read { try $0.events(after: 0, PageRequest(limit: 100)) }.items.map(\.number)
  }
}

@Suite("Events")
struct EventTests {
  @Test("an event comes back as it was written, with its actor's name as it is now")
  func roundTrip() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change(at: minute(3), by: sampleID(1)) { change in
      try change.record(
        "partner.updated", .partner, sampleID(20).text,
        changes: #"{"notes":{"from":null,"to":"é \"x\""}}"#, note: "why\nnot")
      try change.record("coverage.status_changed", .coverage, "MN/cpa", changes: "{}", actor: nil)
      try change.record(
        "user.updated", .user, sampleID(2).text, changes: "{}", note: nil, actor: sampleID(2))
    }
    try test.change { change in
      var user = User.sample(1)
      user.name = "Renamed"
      try change.put(user)
    }
    let events = try test.read { try $0.events(after: 0, PageRequest()) }.items
    #expect(
      events == [
        Event(
          number: 1, at: minute(3), actor: (sampleID(1), "Renamed"), subjectKind: .partner,
          subjectID: sampleID(20).text, kind: "partner.updated",
          changes: #"{"notes":{"from":null,"to":"é \"x\""}}"#, note: "why\nnot"),
        Event(
          number: 2, at: minute(3), actor: nil, subjectKind: .coverage, subjectID: "MN/cpa",
          kind: "coverage.status_changed", changes: "{}", note: nil),
        Event(
          number: 3, at: minute(3), actor: (sampleID(2), "User 2"), subjectKind: .user,
          subjectID: sampleID(2).text, kind: "user.updated", changes: "{}", note: nil),
      ])
    #expect(events.map { $0.actor?.name } == ["Renamed", nil, "User 2"])
  }

  @Test("everything that happened, oldest first, in pages and after a number")
  func following() throws {
    let test = try TestStore()
    try test.record(7)
    var page = try test.read { try $0.events(after: 0, PageRequest(limit: 3)) }
    #expect(page.items.map(\.number) == [1, 2, 3])
    try test.record(1)
    page = try test.read { try $0.events(after: 0, PageRequest(limit: 3, after: page.next)) }
    #expect(page.items.map(\.number) == [4, 5, 6])
    page = try test.read { try $0.events(after: 0, PageRequest(limit: 3, after: page.next)) }
    #expect(page.items.map(\.number) == [7, 8])
    #expect(page.next == nil)
    page = try test.read { try $0.events(after: 5, PageRequest(limit: 2)) }
    #expect(page.items.map(\.number) == [6, 7])
    page = try test.read { try $0.events(after: 5, PageRequest(limit: 2, after: page.next)) }
    #expect(page.items.map(\.number) == [8])
    #expect(try test.read { try $0.events(after: 8, PageRequest()) }.items.isEmpty)
  }

  @Test("what happened to one thing, newest first")
  func history() throws {
    let test = try TestStore()
    try test.record(3, of: 50)
    try test.record(2, of: 51)
    try test.record(2, of: 50)
    var page = try test.read { try $0.events(of: .user, sampleID(50), PageRequest(limit: 2)) }
    #expect(page.items.map(\.number) == [7, 6])
    try test.record(1, of: 50)
    page = try test.read {
      try $0.events(of: .user, sampleID(50), PageRequest(limit: 2, after: page.next))
    }
    #expect(page.items.map(\.number) == [3, 2])
    page = try test.read {
      try $0.events(of: .user, sampleID(50), PageRequest(limit: 2, after: page.next))
    }
    #expect(page.items.map(\.number) == [1])
    #expect(page.next == nil)
    #expect(try test.read { try $0.events(of: .user, sampleID(52), PageRequest()) }.items.isEmpty)
    // A thing of another kind may have the same ID.
    #expect(
      try test.read { try $0.events(of: .partner, sampleID(50), PageRequest()) }.items.isEmpty)
  }

  @Test("a cursor of another shape is refused", arguments: [[], ["x"], ["1", "2"], [""], ["1.5"]])
  func cursor(after: [String]) throws {
    let test = try TestStore()
    #expect(
      refusal { try test.read { try $0.events(after: 0, PageRequest(after: after)) } }
        == .invalidParameter([
          FieldError(
            .parameter("cursor"), .invalidCursor, "This cursor was not given for this list.")
        ]))
  }

  @Test("the timeline is when a request got each status; other changes are not in it")
  func timeline() throws {
    let test = try TestStore()
    let changes = [
      #"{"status":{"from":null,"to":"pending"},"partner_type":{"from":null,"to":"cpa"}}"#,
      #"{"context":{"from":{},"to":{"state":"MN"}}}"#,
      #"{"status":{"from":"pending","to":"matched"}}"#,
      #"{"partner_id":{"from":"a","to":"b"}}"#,
      #"{"status":{"from":"matched","to":"pending"}}"#,
    ]
    for (index, changes) in changes.enumerated() {
      try test.change(at: minute(index)) {
        try $0.record("referral.updated", .referral, sampleID(31).text, changes: changes)
        try $0.record("referral.updated", .referral, sampleID(32).text, changes: changes)
      }
    }
    let timeline = try test.read { try $0.timeline(of: sampleID(31)) }
    #expect(timeline.map(\.status) == [.pending, .matched, .pending])
    #expect(timeline.map(\.at) == [minute(0), minute(2), minute(4)])
    #expect(try test.read { try $0.timeline(of: sampleID(33)) }.isEmpty)
  }

  @Test("a change that is undone leaves no event")
  func undone() throws {
    struct Undo: Error {}
    let test = try TestStore()
    try test.record(1)
    #expect(throws: Undo.self) {
      try test.change { (change) -> Void in
        try change.record("user.updated", .user, sampleID(1).text, changes: "{}")
        throw Undo()
      }
    }
    #expect(try test.numbers() == [1])
  }

  @Test("a number is never given twice, even if the last event were removed")
  func numbers() throws {
    let test = try TestStore()
    try test.record(3)
    try test.run("DROP TRIGGER events_are_never_removed")
    try test.run("DELETE FROM events WHERE number > 1")
    try test.record(1)
    #expect(try test.numbers() == [1, 4])
  }
}

@Suite("Lost events")
struct LossTests {
  /// A folder whose database has two events, and whose write-ahead log with three more was removed.
  private static func folderWithLoss() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try Migrator.migrate(path: folder.database)
    try write(2, in: folder)
    do {
      // As long as someone reads, nothing gets from the log into the database.
      let reader = try Connection(path: folder.database, role: .reader)
      try reader.run("BEGIN")
      _ = try reader.texts("SELECT kind FROM events")
      try write(3, in: folder)
      try reader.run("ROLLBACK")
    }
    for sidecar in ["-wal", "-shm"] {
      try FileManager.default.removeItem(atPath: folder.database + sidecar)
    }
    return folder
  }

  private static func write(_ count: Int, in folder: TemporaryFolder) throws {
    let store = try Store(path: folder.database)
    defer { store.close() }
    for _ in 0..<count {
      try store.write(now: now, actor: nil) {
        try $0.record("user.updated", .user, sampleID(1).text, changes: "{}")
      }
    }
  }

  private static func events(_ store: Store) throws -> [Event] {
    try store.read(now: now) { try $0.events(after: 0, PageRequest(limit: 100)).items }
  }

  @Test("nothing is lost in a database that was closed or is open")
  func none() throws {
    let folder = try TemporaryFolder()
    try Migrator.migrate(path: folder.database)
    try Self.write(2, in: folder)
    let store = try Store(path: folder.database)
    defer { store.close() }
    #expect(store.lostEvents == nil)
    try store.acceptLoss(now: now)
    #expect(try Self.events(store).count == 2)
    #expect(try store.check(now: now) == [])
  }

  @Test("a removed log shows, and a check tells, until the loss is accepted")
  func accepted() throws {
    let folder = try Self.folderWithLoss()
    do {
      let store = try Store(path: folder.database)
      defer { store.close() }
      let lost = try #require(store.lostEvents)
      #expect(lost == (expected: 5, found: 2))
      #expect(
        try store.check(now: now) == [
          """
          Events are missing: number 5 was written, but the last one is 2. A write-ahead log was \
          removed or cut, or an older copy was put in place.
          """
        ])
      try store.acceptLoss(now: minute(1))
      #expect(store.lostEvents == nil)
      #expect(try store.check(now: now) == [])
      try store.write(now: now, actor: nil) {
        try $0.record("user.updated", .user, sampleID(1).text, changes: "{}")
      }
      let events = try Self.events(store)
      #expect(events.map(\.number) == [1, 2, 6, 7], "no number is given again")
      #expect(
        events[2]
          == Event(
            number: 6, at: minute(1), actor: nil, subjectKind: .database, subjectID: "events",
            kind: "database.events_lost", changes: #"{"number":{"from":5,"to":2}}"#, note: nil))
    }
    let store = try Store(path: folder.database)
    defer { store.close() }
    #expect(store.lostEvents == nil)
  }

  @Test("a loss that is not accepted stays known")
  func notAccepted() throws {
    let folder = try Self.folderWithLoss()
    try Self.write(1, in: folder)
    let store = try Store(path: folder.database)
    defer { store.close() }
    let lost = try #require(store.lostEvents)
    #expect(lost == (expected: 5, found: 3))
  }

  @Test("a database without any event can lose them, too")
  func allLost() throws {
    let folder = try TemporaryFolder()
    try Migrator.migrate(path: folder.database)
    let empty = folder.path + "/empty.db"
    try FileManager.default.copyItem(atPath: folder.database, toPath: empty)
    try Self.write(2, in: folder)
    for name in try folder.files where name.hasPrefix("referrals.db") && !name.hasSuffix(".lock") {
      try FileManager.default.removeItem(atPath: folder.path + "/" + name)
    }
    try FileManager.default.moveItem(atPath: empty, toPath: folder.database)
    let store = try Store(path: folder.database)
    defer { store.close() }
    let lost = try #require(store.lostEvents)
    #expect(lost == (expected: 2, found: 0))
    try store.acceptLoss(now: now)
    #expect(try Self.events(store).map(\.number) == [3])
  }
}
