import Foundation
import Testing

extension EndToEnd {
  @Suite("Migration") struct MigrationTests {
    /// A database as version 1.0.0 left it, with so many requests.
    private static func makeFirstRelease(_ database: String, referrals: Int) throws {
      let folder = URL(filePath: #filePath).deletingLastPathComponent().path + "/../.."
      func text(_ path: String) throws -> String {
        try String(contentsOfFile: "\(folder)/\(path)", encoding: .utf8)
      }
      try sqlite(
        database,
        """
        PRAGMA journal_mode = WAL; BEGIN;
        \(text("schema/0001_initial.sql"))
        PRAGMA user_version = 1;
        CREATE TEMP TABLE size AS SELECT \(referrals) AS referrals;
        \(text("Tests/first_release.sql"))
        COMMIT;
        """)
    }

    private static func version(_ database: String) throws -> Int {
      try #require(Int(sqlite(database, "PRAGMA user_version").first ?? ""))
    }

    /// The schema's text, and the number of rows of the largest tables.
    private static func shape(_ database: String) throws -> [String] {
      try sqlite(
        database,
        """
        SELECT ifnull(sql, name) FROM sqlite_schema ORDER BY name;
        SELECT count(*) FROM referral_requests; SELECT count(*) FROM events;
        """)
    }

    @Test("killed at any moment, it leaves the old version or the new one whole")
    func killed() throws {
      try inFolder { folder in
        let database = "\(folder)/referrals.db"
        try Self.makeFirstRelease(database, referrals: 12_000)
        // The shape after each version that it can stop at, and the time that it takes undisturbed.
        var shapes = [1: try Self.shape(database)]
        try sqlite(database, "VACUUM INTO '\(folder)/whole.db'")
        let start = Date()
        #expect(try Service.command(["migrate"], database: "\(folder)/whole.db").status == 0)
        let time = Date().timeIntervalSince(start)
        let last = try Self.version("\(folder)/whole.db")
        shapes[last] = try Self.shape("\(folder)/whole.db")

        var stopped: Set<Int> = []
        for round in 0..<9 {
          let copy = "\(folder)/\(round).db"
          try sqlite(database, "VACUUM INTO '\(copy)'")
          let program = try Program(
            [Service.executable, "migrate", "--database", copy], output: "\(folder)/output",
            errors: "\(folder)/errors")
          usleep(UInt32(time * 1_000_000 * Double(round) / 8))
          program.kill()
          let version = try Self.version(copy)
          stopped.insert(version)
          #expect(try sqlite(copy, "PRAGMA integrity_check") == ["ok"])
          if let shape = shapes[version] { #expect(try Self.shape(copy) == shape) }
          #expect(try Service.command(["migrate"], database: copy).status == 0)
          #expect(try Self.shape(copy) == shapes[last])
          let check = try Service.command(["check"], database: copy)
          #expect(check.status == 0, "\(check.output)")
          for suffix in ["", "-wal", "-shm", ".lock"] { unlink(copy + suffix) }
        }
        #expect(stopped.contains(1), "it was killed too late each time")
      }
    }
  }
}
