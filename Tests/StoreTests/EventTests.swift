import Domain
import Foundation
import JSON
import Testing

@testable import SQLite
@testable import Store

extension TestStore {
  fileprivate func record(_ count: Int, of subject: Int = 50) throws {
    for _ in 0..<count {
      try change {
        try $0.record(.userUpdated, sampleID(subject), changes: "{}")
      }
    }
  }

  fileprivate func numbers() throws -> [JSON?] {
    try read { try $0.events(after: 0, PageRequest(limit: 100)) }.numbers
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
        .partnerUpdated, sampleID(20),
        changes: #"{"notes":{"from":null,"to":"é \"x\""}}"#, note: "why\nnot")
      try change.record(.coverageStatusChanged, "MN/cpa", changes: "{}", actor: nil)
      try change.record(
        .userUpdated, sampleID(2).text, changes: "{}", note: nil, actor: sampleID(2))
    }
    try test.run("UPDATE users SET name = 'Renamed' WHERE id = ?", sampleID(1).text)
    let events = try test.read { try $0.events(after: 0, PageRequest()) }.items
    #expect(
      events == [
        [
          "number": 1, "at": JSON(minute(3)),
          "actor": ["id": JSON(sampleID(1)), "name": "Renamed"],
          "subject": ["kind": "partner", "id": JSON(sampleID(20))], "kind": "partner.updated",
          "changes": ["notes": ["from": .null, "to": "é \"x\""]], "note": "why\nnot",
        ],
        [
          "number": 2, "at": JSON(minute(3)), "actor": .null,
          "subject": ["kind": "coverage", "id": "MN/cpa"], "kind": "coverage.status_changed",
          "changes": [:], "note": .null,
        ],
        [
          "number": 3, "at": JSON(minute(3)),
          "actor": ["id": JSON(sampleID(2)), "name": "User 2"],
          "subject": ["kind": "user", "id": JSON(sampleID(2))], "kind": "user.updated",
          "changes": [:], "note": .null,
        ],
      ])
    #expect(
      try test.texts("SELECT changes FROM events WHERE number = 1")
        == [#"{"notes":{"from":null,"to":"é \"x\""}}"#])
  }

  @Test("everything that happened, oldest first, in pages and after a number")
  func following() throws {
    let test = try TestStore()
    try test.record(7)
    var page = try test.read { try $0.events(after: 0, PageRequest(limit: 3)) }
    #expect(page.numbers == [1, 2, 3])
    try test.record(1)
    page = try test.read { try $0.events(after: 0, PageRequest(limit: 3, after: page.next)) }
    #expect(page.numbers == [4, 5, 6])
    page = try test.read { try $0.events(after: 0, PageRequest(limit: 3, after: page.next)) }
    #expect(page.numbers == [7, 8])
    #expect(page.next == nil)
    page = try test.read { try $0.events(after: 5, PageRequest(limit: 2)) }
    #expect(page.numbers == [6, 7])
    page = try test.read { try $0.events(after: 5, PageRequest(limit: 2, after: page.next)) }
    #expect(page.numbers == [8])
    #expect(try test.read { try $0.events(after: 8, PageRequest()) }.items.isEmpty)
  }

  @Test("what happened to one resource, newest first")
  func history() throws {
    let test = try TestStore()
    try test.record(3, of: 50)
    try test.record(2, of: 51)
    try test.record(2, of: 50)
    var page = try test.read { try $0.events(of: .user, sampleID(50), PageRequest(limit: 2)) }
    #expect(page.numbers == [7, 6])
    try test.record(1, of: 50)
    page = try test.read {
      try $0.events(of: .user, sampleID(50), PageRequest(limit: 2, after: page.next))
    }
    #expect(page.numbers == [3, 2])
    page = try test.read {
      try $0.events(of: .user, sampleID(50), PageRequest(limit: 2, after: page.next))
    }
    #expect(page.numbers == [1])
    #expect(page.next == nil)
    #expect(try test.read { try $0.events(of: .user, sampleID(52), PageRequest()) }.items.isEmpty)
    // A resource of another kind may have the same ID.
    #expect(
      try test.read { try $0.events(of: .partner, sampleID(50), PageRequest()) }.items.isEmpty)
  }

  @Test("a cursor of another shape is refused", arguments: [[], ["x"], ["1", "2"], [""], ["1.5"]])
  func cursor(after: [String]) throws {
    let test = try TestStore()
    #expect(
      refusal { try test.read { try $0.events(after: 0, PageRequest(after: after)) } }
        == List.invalidCursor)
  }

  @Test("the timeline is when a request got each status; other changes are not in it")
  func timeline() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      try change.insert(Partner.sample(21))
      for (number, group) in [(31, 11), (32, 12), (33, 13)] {
        try change.insert(Referral.sample(number, group: group, .introSent, partner: 21))
      }
    }
    let changes = [
      #"{"status":{"from":null,"to":"pending"},"partner_type":{"from":null,"to":"cpa"}}"#,
      #"{"context":{"from":{},"to":{"state":"MN"}}}"#,
      #"{"status":{"from":"pending","to":"matched"}}"#,
      #"{"partner_id":{"from":"a","to":"b"}}"#,
      #"{"status":{"from":"matched","to":"intro_sent"}}"#,
      #"{"status":{"from":"intro_sent","to":"pending"}}"#,
      #"{"status":{"from":"pending","to":"intro_sent"}}"#,
      #"{"outcome_notes":{"from":null,"to":"n"}}"#,
      #"{"status":{"from":"intro_sent","to":"connected"}}"#,
    ]
    for (index, changes) in changes.enumerated() {
      try test.change(at: minute(index)) {
        try $0.record(.referralUpdated, sampleID(31), changes: changes)
        try $0.record(.referralUpdated, sampleID(32), changes: changes)
        // Another kind of resource may have the same ID.
        try $0.record(.userUpdated, sampleID(31), changes: changes)
      }
    }
    let steps: [JSON] = [
      ["status": "pending", "at": JSON(minute(0))], ["status": "matched", "at": JSON(minute(2))],
      ["status": "intro_sent", "at": JSON(minute(4))],
      ["status": "pending", "at": JSON(minute(5))],
      ["status": "intro_sent", "at": JSON(minute(6))],
      ["status": "connected", "at": JSON(minute(8))],
    ]
    try test.read { snapshot throws in
      for number in [31, 32] {
        let (id, group) = (sampleID(number), sampleID(number - 20))
        #expect(
          try shown(snapshot.view(id, of: .referrals, seenBy: .staff))["timeline"] == .array(steps))
        #expect(
          try shown(snapshot.referral(id, ofGroup: group, seenBy: .member))["timeline"]
            == .array(steps))
        // What was before the last introduction is not the partner's.
        #expect(
          try shown(snapshot.referral(id, ofPartner: sampleID(21)))["timeline"]
            == .array(Array(steps.suffix(2))))
      }
      #expect(
        try shown(snapshot.view(sampleID(33), of: .referrals, seenBy: .staff))["timeline"] == [])
      #expect(try shown(snapshot.referral(sampleID(33), ofPartner: sampleID(21)))["timeline"] == [])
    }
  }

  @Test("a change that is undone leaves no event")
  func undone() throws {
    struct Undo: Error {}
    let test = try TestStore()
    try test.record(1)
    #expect(throws: Undo.self) {
      try test.change { (change) -> Void in
        try change.record(.userUpdated, sampleID(1), changes: "{}")
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
        try $0.record(.userUpdated, sampleID(1), changes: "{}")
      }
    }
  }

  private static func events(_ store: Store) throws -> Page {
    try store.read(now: now) { try $0.events(after: 0, PageRequest(limit: 100)) }
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
    #expect(try Self.events(store).items.count == 2)
    #expect(try store.check(now: now) == [])
  }

  @Test("a removed log shows, and a check tells, until the loss is accepted")
  func accepted() throws {
    let folder = try Self.folderWithLoss()
    do {
      let store = try Store(path: folder.database)
      defer { store.close() }
      let lost = try #require(store.lostEvents)
      #expect(lost == Store.LostEvents(expected: 5, found: 2))
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
        try $0.record(.userUpdated, sampleID(1), changes: "{}")
      }
      let events = try Self.events(store)
      #expect(events.numbers == [1, 2, 6, 7], "no number is given again")
      #expect(
        events.items[2] == [
          "number": 6, "at": JSON(minute(1)), "actor": .null,
          "subject": ["kind": "database", "id": "events"], "kind": "database.events_lost",
          "changes": ["number": ["from": 5, "to": 2]], "note": .null,
        ])
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
    #expect(lost == Store.LostEvents(expected: 5, found: 3))
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
    #expect(lost == Store.LostEvents(expected: 2, found: 0))
    try store.acceptLoss(now: now)
    #expect(try Self.events(store).numbers == [3])
  }
}
