import Foundation
import Testing

extension EndToEnd {
  @Suite("Backups kept and restored") struct BackupTests {
    private static func names(in folder: String) throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    @Test("a folder of backups: each restored and checked before it counts, older ones removed")
    func rotation() throws {
      try Service.run { service in
        let folder = "\(service.folder)/backups"
        let wrong = try service.command("backup", "--into", folder)
        #expect(wrong.status == 1 && wrong.errors.contains(folder), "\(wrong)")
        try FileManager.default.createDirectory(
          atPath: folder, withIntermediateDirectories: false)
        let others = [
          "notes.txt", "referrals-2020-01-01.db", "referrals-2020-01-01T000000.000Z.db.bak",
          "referrals-2020-13-01T000000.000Z.db",
        ]
        for name in others + ["referrals-2020-01-01T000000.000Z.db"] {
          try Data("old".utf8).write(to: URL(filePath: "\(folder)/\(name)"))
        }

        try service.makePartner("first@rotation.example")
        let first = try service.command("backup", "--into", folder, "--daily", "1", "--weekly", "2")
        #expect(first.status == 0 && first.errors.isEmpty, "\(first)")
        #expect(first.lines.count == 1, "two weeks have one")
        try service.makePartner("second@rotation.example")
        let second = try service.command(
          "backup", "--into", folder, "--daily", "1", "--weekly", "1")
        #expect(second.status == 0 && second.errors.isEmpty, "\(second)")
        let made = try [first, second].map {
          String(try #require($0.lines[0].firstMatch(of: /^(.*\.db): \d+ bytes, restored and/)).1)
        }
        #expect(
          second.lines.dropFirst() == [
            "\(folder)/referrals-2020-01-01T000000.000Z.db: deleted.", "\(made[0]): deleted.",
          ])
        let left = try Self.names(in: folder)
        #expect(Set(left) == Set(others + [String(made[1].dropFirst(folder.count + 1))]))
        #expect(try sqlite(made[1], "SELECT count(*) FROM partners") == ["2"])

        // The search index of the copy would pass the file's own check.
        try sqlite(
          service.database,
          "UPDATE service_area_coverage SET partner_count = 7 WHERE state_code = 'NV'")
        let damaged = try service.command("backup", "--into", folder)
        #expect(damaged.status == 1 && damaged.errorLines.count == 1, "\(damaged)")
        #expect(damaged.output.contains("NV"), "\(damaged)")
        #expect(try Self.names(in: folder) == left)
        let noted = try Metrics.lastBackup(of: service)
        #expect(noted == made[1])
      }
    }

    private enum Metrics {
      /// The path that is noted beside the database.
      static func lastBackup(of service: Service) throws -> String {
        try String(contentsOfFile: "\(service.database).backed-up", encoding: .utf8)
          .trimmingCharacters(in: .newlines)
      }
    }

    @Test("restore refuses while the service runs, then goes back to the backup, and numbers go on")
    func restore() throws {
      try Service.run(logsErrors: true) { service in
        try service.makePartner("kept@restore.example")
        let backup = "\(service.folder)/backup.db"
        #expect(try service.command("backup", backup).status == 0)
        let before = try service.lastEvent()
        try service.makePartner("lost@restore.example")
        let last = try service.lastEvent()

        let refused = try service.command("restore", backup)
        #expect(refused.status == 1 && refused.errorLines.count == 1, "\(refused)")
        #expect(refused.errors.contains("in use"), "\(refused)")
        try service.staff.get("/api/admin/partners?q=lost").expect(200)
        try service.makePartner("after@restore.example")
        let end = try service.lastEvent()
        #expect(end > last)

        #expect(service.stopResponder() == .exit(0))
        let bytes = FileManager.default.contents(atPath: backup)
        let restored = try service.command("restore", backup)
        #expect(restored.status == 0 && restored.errors.isEmpty, "\(restored)")
        #expect(FileManager.default.contents(atPath: backup) == bytes)
        let kept = String(
          try #require(restored.output.firstMatch(of: /(?m)^(\S+): the replaced database\.$/)).1)
        #expect(try sqlite(kept, "SELECT count(*) FROM partners") == ["3"])
        #expect(
          restored.lines.contains(
            "The backup ends with event \(before). Later events, up to \(end), are lost."),
          "\(restored)")
        let modes = try [service.database, kept].map {
          try FileManager.default.attributesOfItem(atPath: $0)[.posixPermissions] as? Int
        }
        #expect(modes[0] == modes[1])

        try service.startResponder()
        let partners = try service.staff.all("/api/admin/partners?limit=100")
        #expect(partners.map(\.["email"].text) == ["kept@restore.example"])
        try service.makePartner("new@restore.example")
        let events = try service.staff.all("/api/admin/events?after=\(before)")
        #expect(events.map(\.["kind"].text).first == "database.events_lost")
        #expect(events.map(\.["kind"].text).last == "partner.created")
        #expect(events.compactMap(\.["number"].int).allSatisfy { $0 > end })
        #expect(!service.log.contains("critical"), "restore has said it")
        try service.expectSound()
      }
    }

    @Test("what was cut off is in the log beside it, and is kept with the former database")
    func keepsLog() throws {
      try Service.run { service in
        let backup = "\(service.folder)/backup.db"
        #expect(try service.command("backup", backup).status == 0)
        try service.makePartner("logged@restore.example")
        try service.responder.kill()
        #expect(FileManager.default.fileExists(atPath: service.database + "-wal"))
        let restored = try service.command("restore", backup)
        #expect(restored.status == 0, "\(restored)")
        let kept = String(
          try #require(restored.output.firstMatch(of: /(?m)^(\S+): the replaced database\.$/)).1)
        #expect(try sqlite(kept, "SELECT email FROM partners") == ["logged@restore.example"])
        #expect(try sqlite(service.database, "SELECT count(*) FROM partners") == ["0"])
        try service.startResponder()
      }
    }

    @Test("what a cut-off restore left behind is not taken for the backup's")
    func leftovers() throws {
      try inFolder { folder in
        let database = "\(folder)/data.db"
        #expect(try Service.command(["demo", "--partners", "5"], database: database).status == 0)
        // In a folder and with a name whose letters have several bytes.
        let place = "\(folder)/Größe"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
        let backup = "\(place)/Sicherung für März.db"
        let copied = try Service.command(["backup", backup], database: database)
        #expect(copied.status == 0, "\(copied)")
        #expect(
          try FileManager.default.contentsOfDirectory(atPath: place) == ["Sicherung für März.db"])
        // One that was killed after it had changed its copy.
        let copy = "\(database).restoring"
        try Service.run { service in
          try service.makePartner("stale@restore.example")
          try service.responder.kill()
          for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(
              atPath: service.database + suffix, toPath: copy + suffix)
          }
          try service.startResponder()
        }
        let restored = try Service.command(["restore", backup], database: database)
        #expect(restored.status == 0, "\(restored)")
        #expect(try sqlite(database, "SELECT count(*) FROM partners") == ["5"])
        #expect(try sqlite(database, "SELECT 1 FROM partners WHERE email LIKE 'stale%'") == [])
        #expect(!FileManager.default.fileExists(atPath: copy))
      }
    }

    @Test("a database with a log beside it is restored with what the log holds")
    func withLog() throws {
      try Service.run { service in
        let other = "\(service.folder)/other.db"
        #expect(try Service.command(["demo", "--partners", "5"], database: other).status == 0)
        try service.makePartner("logged@restore.example")
        try service.responder.kill()
        #expect(FileManager.default.fileExists(atPath: service.database + "-wal"))
        let restored = try Service.command(["restore", service.database], database: other)
        #expect(restored.status == 0, "\(restored)")
        #expect(try sqlite(other, "SELECT email FROM partners") == ["logged@restore.example"])
        try service.startResponder()
      }
    }

    @Test("what is no sound backup is refused, and what is there stays")
    func refusals() throws {
      try inFolder { folder in
        let database = "\(folder)/data.db"
        #expect(
          try Service.command(["demo", "--partners", "10"], database: database).status == 0)
        let before = FileManager.default.contents(atPath: database)
        let backup = "\(folder)/backup.db"
        #expect(try Service.command(["backup", backup], database: database).status == 0)

        let damaged = "\(folder)/damaged.db"
        try FileManager.default.copyItem(atPath: backup, toPath: damaged)
        try sqlite(damaged, "DELETE FROM partner_areas WHERE partner_number = 3")
        let cut = "\(folder)/cut.db"
        let bytes = try #require(FileManager.default.contents(atPath: backup))
        try bytes.prefix(bytes.count / 2).write(to: URL(filePath: cut))
        let text = "\(folder)/text.db"
        try Data(String(repeating: "This is no database. ", count: 300).utf8)
          .write(to: URL(filePath: text))
        let newer = "\(folder)/newer.db"
        try FileManager.default.copyItem(atPath: backup, toPath: newer)
        try sqlite(newer, "PRAGMA user_version = 999")
        let known = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()

        for file in [damaged, cut, text, newer, "\(folder)/none.db"] {
          let result = try Service.command(["restore", file], database: database)
          #expect(result.status == 1 && result.errorLines.count == 1, "\(file): \(result)")
          #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == known, "\(file)"
          )
          #expect(FileManager.default.contents(atPath: database) == before, "\(file)")
        }
        // Where there is none yet, the backup becomes it.
        let new = "\(folder)/new.db"
        let restored = try Service.command(["restore", backup], database: new)
        #expect(restored.status == 0 && restored.lines.count == 1, "\(restored)")
        #expect(try Service.command(["check"], database: new).status == 0)
        #expect(try sqlite(new, "SELECT count(*) FROM partners") == ["10"])
      }
    }
  }
}
