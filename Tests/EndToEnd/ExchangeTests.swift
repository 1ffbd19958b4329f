import Foundation
import Testing

extension EndToEnd {
  /// Partners and requests as comma-separated values (RFC 4180), in and out.
  @Suite("Import and export") struct ExchangeTests {
    /// A database with the schema and nothing else, in a folder of its own.
    private struct Place {
      let folder: String
      let database: String

      static func new(_ body: (Place) throws -> Void) throws {
        try inFolder { folder in
          let place = Place(folder: folder, database: "\(folder)/test.db")
          let migration = try place.command("migrate")
          try #require(migration.status == 0, "\(migration.errors)")
          try body(place)
        }
      }

      func command(_ arguments: String...) throws -> Program.Result {
        try Service.command(arguments, database: database)
      }

      /// Imports a file with this content.
      func importPartners(_ bytes: [UInt8]) throws -> Program.Result {
        let file = "\(folder)/\(UUID().uuidString).csv"
        try Data(bytes).write(to: URL(filePath: file))
        return try command("import", "partners", file)
      }

      func importPartners(_ text: String) throws -> Program.Result {
        try importPartners(Array(text.utf8))
      }

      func export(_ what: String = "partners") throws -> String {
        let result = try command("export", what)
        try #require(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
        return result.output
      }

      /// The exported partners, each by its columns' names.
      func partners() throws -> [[String: String]] {
        let rows = Table.rows(try export())
        let names = try #require(rows.first)
        return rows.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(names, $0)) }
      }

      /// Goes on only if the import was refused for these mistakes, and nothing was imported.
      func expectRefusal(
        _ bytes: [UInt8], _ mistakes: [String],
        sourceLocation: SourceLocation = #_sourceLocation
      ) throws {
        let before = try export()
        let result = try importPartners(bytes)
        #expect(result.status == 1, sourceLocation: sourceLocation)
        #expect(result.lines == mistakes, sourceLocation: sourceLocation)
        let count = "\(mistakes.count) error\(mistakes.count == 1 ? "" : "s")"
        #expect(
          result.errorLines.count == 1
            && result.errors.hasSuffix("nothing was imported: \(count)\n"),
          "\(result.errors)", sourceLocation: sourceLocation)
        #expect(try export() == before, sourceLocation: sourceLocation)
        let check = try command("check")
        #expect(check.status == 0, "\(check.output)", sourceLocation: sourceLocation)
      }

      func expectRefusal(
        _ text: String, _ mistakes: String..., sourceLocation: SourceLocation = #_sourceLocation
      ) throws {
        try expectRefusal(Array(text.utf8), mistakes, sourceLocation: sourceLocation)
      }
    }

    /// Comma-separated values as a spreadsheet takes them, written for the tests alone.
    private enum Table {
      static func rows(_ text: String) -> [[String]] {
        var rows: [[String]] = [[]]
        var cell = ""
        var isQuoted = false
        var scalars = Array(text.unicodeScalars)[...]
        while let scalar = scalars.popFirst() {
          switch (scalar, isQuoted) {
          case ("\"", true):
            if scalars.first == "\"" {
              cell.unicodeScalars.append("\"")
              scalars.removeFirst()
            } else {
              isQuoted = false
            }
          case ("\"", false):
            isQuoted = true
          case (",", false):
            rows[rows.count - 1].append(cell)
            cell = ""
          case ("\r", false) where scalars.first == "\n":
            scalars.removeFirst()
            rows[rows.count - 1].append(cell)
            cell = ""
            rows.append([])
          default:
            cell.unicodeScalars.append(scalar)
          }
        }
        return rows.dropLast()
      }

      static func text(_ rows: [[String]]) -> String {
        rows.map { row in
          row.map { "\"\($0.replacing("\"", with: "\"\""))\"" }.joined(separator: ",") + "\r\n"
        }.joined()
      }
    }

    @Test("Each field arrives as it was written, by columns in any order") func fields() throws {
      try Place.new { place in
        let result = try place.importPartners(
          """
          email, type ,company_name,status,contact_name,phone,website,service_areas,\
          co_ownership_certified,agreement_signed_at,notes
          Ada@north.example,attorney,North Law,active,Ada Berg,+1 612 555 0100,\
          https://north.example,mn;WI;MN,yes,2026-03-01T10:00:00+02:00,Met at a fair
          few@example.com,cpa,Few,,,,,,,,
            pad@example.com , lender ,  Pad  , pending_review ,,,, CA ; TX ,FALSE,,

          """)
        #expect(result.status == 0, "\(result.output)\(result.errors)")
        #expect(result.output == "Imported 3 partners.\n")
        let partners = try place.partners()
        #expect(partners.map { $0["company_name"] } == ["North Law", "Few", "Pad"])
        let north = try #require(partners.first)
        for (name, value) in [
          ("user_id", ""), ("type", "attorney"), ("status", "active"), ("contact_name", "Ada Berg"),
          ("email", "Ada@north.example"), ("phone", "'+1 612 555 0100"),
          ("website", "https://north.example"), ("service_areas", "MN;WI"),
          ("co_ownership_certified", "true"), ("agreement_signed_at", "2026-03-01T08:00:00.000Z"),
          ("invited_by", ""), ("notes", "Met at a fair"),
        ] {
          #expect(north[name] == value, "\(name)")
        }
        #expect(partners[1]["status"] == "invited")
        #expect(partners[1]["co_ownership_certified"] == "false")
        #expect(partners[2]["status"] == "pending_review")
        #expect(partners[2]["service_areas"] == "CA;TX")
        #expect(try place.command("check").status == 0)
      }
    }

    @Test(
      "What spreadsheets write is read: byte-order mark, CRLF, quotes, line breaks, no last line end"
    )
    func spreadsheets() throws {
      try Place.new { place in
        let text =
          "\u{FEFF}\"type\",company_name,email,notes\r\n"
          + "attorney,\"Berg, \"\"Ada\"\" & Co\",a@example.com,\"one\r\ntwo\nthree, and \"\"four\"\"\"\r\n"
          + "\r\n" + "cpa,,b@example.com,\r\n".replacing(",,", with: ",\"B\",")
          + "title,\"C\",c@example.com,\"\""
        let result = try place.importPartners(text)
        #expect(result.status == 0, "\(result.output)\(result.errors)")
        let partners = try place.partners()
        #expect(partners.map { $0["company_name"] } == ["Berg, \"Ada\" & Co", "B", "C"])
        #expect(partners[0]["notes"] == "one\r\ntwo\nthree, and \"four\"")
        #expect(partners[2]["notes"] == "")
        // Lines that end with LF alone are the same.
        try Place.new { other in
          let result = try other.importPartners("type,company_name,email\ncpa,B,b@example.com\n")
          #expect(result.output == "Imported 1 partner.\n")
        }
      }
    }

    @Test("Columns that are unknown, twice there or missing are named") func columns() throws {
      try Place.new { place in
        try place.expectRefusal(
          "type,company_name,email,companyname,id,type,\r\ncpa,A,a@example.com,,,,\r\n",
          "line 1, column 4: unknown column \"companyname\"",
          "line 1, column 5: the service sets id; remove the column",
          "line 1, column 6: duplicate column \"type\"",
          "line 1, column 7: unknown column \"\"")
        try place.expectRefusal(
          "notes\r\nx\r\n", "line 1: missing column \"type\"",
          "line 1: missing column \"company_name\"", "line 1: missing column \"email\"")
        try place.expectRefusal(
          "Type,company_name,email\r\ncpa,A,a@example.com\r\n",
          "line 1, column 1: unknown column \"Type\"",
          "line 1: missing column \"type\"")
      }
    }

    @Test("Each wrong cell is named by line and column, and nothing of the file is imported")
    func mistakes() throws {
      try Place.new { place in
        let first = try place.importPartners(
          "type,company_name,email\ncpa,There,there@example.com\n")
        #expect(first.status == 0)
        let file = """
          type,company_name,email,status,service_areas,agreement_signed_at,phone,website,user_id,notes
          attorney,Good,good@example.com,active,MN,2026-01-01T00:00:00Z,,,,"two
          lines"
          baker,,nobody,,MN;ZZ;XX,,12,,,
          cpa,Again,THERE@example.com,,,,,,,
          attorney,Twice,Good@Example.com,,,,,,,
          lender,Not ready,l@example.com,active,,,,,,
          lender,Short row,s@example.com
          lender,Late,late@example.com,removed,,2999-01-01T00:00:00Z,,ftp://x.example,\
          00000000-0000-4000-8000-00000000dead,

          """
        let before = try place.export()
        let result = try place.importPartners(file)
        #expect(result.status == 1)
        // Each mistake by its place, row after row; what it says after that is for people.
        let places = result.lines.map { line in String(line.prefix { $0 != ":" }) }.sorted()
        #expect(
          places
            == [
              "line 4, column type", "line 4, column company_name", "line 4, column email",
              "line 4, column phone", "line 4, column service_areas",
              "line 4, column service_areas", "line 5, column email", "line 6, column email",
              "line 7, column agreement_signed_at", "line 7, column service_areas", "line 8",
              "line 9, column status", "line 9, column website",
              "line 9, column agreement_signed_at", "line 9, column user_id",
            ].sorted(), "\(result.output)")
        #expect(result.lines.allSatisfy { $0.contains(/: .*[.a-z0-9]$/) }, "\(result.output)")
        let lines = result.lines.map { $0.prefix("line 4".count) }
        #expect(lines == lines.sorted(), "\(result.output)")
        #expect(result.lines.contains("line 8: 3 cells, but the first row has 10"))
        #expect(result.errors.hasSuffix("nothing was imported: 15 errors\n"), "\(result.errors)")
        #expect(try place.export() == before)
      }
    }

    @Test("What is no such file is refused, with the line where that shows") func unreadable()
      throws
    {
      try Place.new { place in
        let header = "type,company_name,email\n"
        try place.expectRefusal(
          header + "cpa,\"A,a@example.com\n", "line 2: A quoted field is not closed.")
        try place.expectRefusal(
          header + "cpa,A \"B\",a@example.com\n",
          "line 2: A field that is not quoted contains a quotation mark.")
        try place.expectRefusal(
          header + "cpa,\"A\nB\",a@example.com\ncpa,\"A\" B,b@example.com\n",
          "line 4: Text follows a closing quotation mark.")
        let latin1 = Array(header.utf8) + Array("cpa,Caf".utf8) + [0xE9] + Array(",a@b.ex\n".utf8)
        try place.expectRefusal(latin1, ["line 2: The text is not UTF-8."])
        // UTF-16, as some spreadsheets write "Unicode text".
        let wide: [UInt8] = [0xFF, 0xFE] + header.utf8.flatMap { [$0, 0] }
        try place.expectRefusal(wide, ["line 1: The text is not UTF-8."])

        for empty in ["", "\u{FEFF}", "\r\n\n"] {
          let result = try place.importPartners(empty)
          #expect(result.status == 1)
          #expect(result.output.isEmpty)
          #expect(
            result.errorLines.count == 1 && result.errors.hasSuffix(".csv is empty\n"),
            "\(result.errors)")
        }
        let headerAlone = try place.importPartners(header)
        #expect(headerAlone.status == 0)
        #expect(headerAlone.output == "Imported 0 partners.\n")

        let missing = try place.command("import", "partners", "\(place.folder)/nothing.csv")
        #expect(missing.status == 1)
        #expect(missing.errorLines.count == 1, "\(missing.errors)")
        #expect(try place.command("import", "partners").status == 64)
        #expect(try place.partners().isEmpty)
      }
    }

    @Test("An accent upon a comma, a quotation mark or an apostrophe parts no cell and hides none")
    func accents() throws {
      let names = [
        "need,\"\u{301},=HYPERLINK(1)", "soon,\u{301} or later", "Acme \"\u{301}quote", "=2+3",
      ]
      try Place.new { place in
        let lines = names.enumerated().map { number, name in
          let text = name.unicodeScalars.map { $0 == "\"" ? "\"\"" : String($0) }.joined()
          return "cpa,\"\(text)\",n\(number)@example.com\r\n"
        }
        let result = try place.importPartners("type,company_name,email\r\n" + lines.joined())
        #expect(result.status == 0, "\(result.output)\(result.errors)")
        let rows = Table.rows(try place.export()).dropFirst()
        let width = try #require(rows.first?.count)
        #expect(rows.allSatisfy { $0.count == width || $0 == [""] }, "\(rows)")
        let column = try #require(Table.rows(try place.export())[0].firstIndex(of: "company_name"))
        #expect(
          rows.filter { $0.count == width }.map { Array($0[column].unicodeScalars) }
            == names.map { Array(($0.hasPrefix("=") ? "'" + $0 : $0).unicodeScalars) })
      }
    }

    @Test("A cell that a spreadsheet would run is exported harmless, and comes back as it was")
    func formulas() throws {
      let names = [
        "=1+1", "+1", "-1", "@SUM(A1)", "=HYPERLINK(\"http://x.example\",\"y\")", "'=1", "''-1",
        "'quoted'", "'", "a=1", "Berg, Ada",
      ]
      try Place.new { place in
        // As a hand writes it: what has an apostrophe of its own gets another.
        let rows = names.enumerated().map { number, name in
          [
            "cpa", name.hasPrefix("'=") || name.hasPrefix("''-") ? "'" + name : name,
            "n\(number)@example.com",
          ]
        }
        let result = try place.importPartners(
          Table.text([["type", "company_name", "email"]] + rows))
        #expect(result.status == 0, "\(result.output)\(result.errors)")
        let exported = try place.partners().map { $0["company_name"] ?? "" }
        #expect(
          exported == [
            "'=1+1", "'+1", "'-1", "'@SUM(A1)", "'=HYPERLINK(\"http://x.example\",\"y\")", "''=1",
            "'''-1", "'quoted'", "'", "a=1", "Berg, Ada",
          ])
        // No cell of the file itself begins as a formula does.
        for cell in Table.rows(try place.export()).joined() {
          #expect(!["=", "+", "-", "@"].contains(cell.prefix(1)), "\(cell)")
        }
        try Place.new { other in
          let columns = ["type", "company_name", "email"]
          let table = try place.partners().map { row in columns.map { row[$0] ?? "" } }
          let again = try other.importPartners(Table.text([columns] + table))
          #expect(again.status == 0, "\(again.output)")
          // The same text is stored: it is exported the same.
          #expect(try other.partners().map { $0["company_name"] ?? "" } == exported)
        }
      }
    }

    @Test("Partners that are exported and imported elsewhere are the same") func roundTrip() throws
    {
      try Place.new { place in
        let result = try place.importPartners(
          "type,status,company_name,contact_name,email,phone,website,service_areas,"
            + "co_ownership_certified,agreement_signed_at,notes\r\n"
            + "attorney,active,\"Berg, \"\"Ada\"\"\",\"Ada\",a@example.com,+1 612 555 0100,"
            + "https://a.example/?q=1,MN;WI,true,2026-01-01T00:00:00Z,\"- first\r\n- \"\"second\"\"\"\r\n"
            + "lender,pending_review,Ærø & Søn,=José,b@example.com,,,,,,\"\n tail\"\r\n"
            + "cpa,invited,C,,c@example.com,,,TX,no,2025-12-31T23:59:59.999-12:00,@home\r\n")
        #expect(result.status == 0, "\(result.output)\(result.errors)")
        let export = try place.export()
        #expect(export.hasSuffix("\r\n"))
        let rows = Table.rows(export)
        #expect(
          rows[0] == [
            "id", "user_id", "type", "status", "company_name", "contact_name", "email", "phone",
            "website", "service_areas", "co_ownership_certified", "agreement_signed_at",
            "invited_by", "notes", "created_at", "updated_at",
          ])
        #expect(rows.count == 4)
        #expect(rows.allSatisfy { $0.count == rows[0].count })
        #expect(rows[1][13] == "'- first\r\n- \"second\"")
        // All but what a new record gets of itself.
        let kept = rows[0].indices.filter {
          !["id", "invited_by", "created_at", "updated_at"].contains(rows[0][$0])
        }
        let table = rows.map { row in kept.map { row[$0] } }
        try Place.new { other in
          let again = try other.importPartners(Table.text(table))
          #expect(again.status == 0, "\(again.output)\(again.errors)")
          #expect(Table.rows(try other.export()).map { row in kept.map { row[$0] } } == table)
          #expect(try other.command("check").status == 0)
          // A second time each of them is there already.
          try other.expectRefusal(
            Array(Table.text(table).utf8),
            [2, 4, 5].map {
              "line \($0), column email: "
                + "Another partner of this type has this e-mail address."
            })
        }
      }
    }

    @Test("Requests are exported with who asked, what for, and what came of it") func referrals()
      throws
    {
      try Service.run { service in
        let staff = service.staff
        let (ann, group) = (
          "00000000-0000-4000-8000-0000000000a1", "00000000-0000-4000-8000-0000000000b1"
        )
        try staff.put(
          "/api/admin/users/\(ann)", ["email": "ann@example.com", "name": "Ann, of Birch"]
        ).expect(201)
        try staff.put(
          "/api/admin/groups/\(group)", ["name": "=Birch", "members": [.string(ann)]]
        ).expect(201)
        let partner = try staff.post(
          "/api/admin/partners",
          [
            "type": "attorney", "status": "active", "company_name": "North \"Law\"",
            "email": "n@example.com", "service_areas": ["MN"],
            "agreement_signed_at": "2026-01-01T00:00:00Z",
          ]
        ).expect(201).json["id"].text
        let empty = try staff.post(
          "/api/groups/\(group)/referrals", ["partner_type": "cpa", "requested_by": .string(ann)]
        ).expect(201).json
        var full = try staff.post(
          "/api/groups/\(group)/referrals",
          [
            "partner_type": "attorney", "requested_by": .string(ann),
            "context": [
              "group_size": 3, "home_price_range": ["min": 0, "max": 450_000],
              "timeline": "-soon", "state": "MN", "specific_need": "one\ntwo, three",
            ],
          ]
        ).expect(201).json
        let path = "/api/admin/referrals/\(full["id"].text)"
        try staff.put(path, ["partner_id": .string(partner)]).expect(200)
        try staff.put(path, ["status": "intro_sent"]).expect(200)
        full = try staff.put(
          "\(path)/outcome", ["outcome": "deal_closed", "outcome_notes": "@last"]
        ).expect(200).json

        let result = try service.command("export", "referrals")
        #expect(result.status == 0 && result.errors.isEmpty)
        let rows = Table.rows(result.output)
        #expect(
          rows == [
            [
              "id", "group_id", "group_name", "requested_by", "requester_name", "requester_email",
              "partner_type", "status", "group_size", "home_price_min", "home_price_max",
              "timeline", "state", "specific_need", "partner_id", "partner_company_name",
              "intro_sent_at", "outcome", "outcome_notes", "created_at", "updated_at",
            ],
            [
              empty["id"].text, group, "'=Birch", ann, "Ann, of Birch", "ann@example.com", "cpa",
              "pending", "", "", "", "", "", "", "", "", "", "", "", empty["created_at"].text,
              empty["updated_at"].text,
            ],
            [
              full["id"].text, group, "'=Birch", ann, "Ann, of Birch", "ann@example.com",
              "attorney", "closed", "3", "0", "450000", "'-soon", "MN", "one\ntwo, three", partner,
              "North \"Law\"", full["intro_sent_at"].text, "deal_closed", "'@last",
              full["created_at"].text, full["updated_at"].text,
            ],
          ])
      }
    }

    @Test(
      "More than a page is exported whole, and an import while the service writes waits its turn")
    func many() throws {
      try Service.run { service in
        let rows = (0..<1_203).map { ["agent", "Agent \($0)", "agent\($0)@example.com"] }
        let file = "\(service.folder)/agents.csv"
        try Data(Table.text([["type", "company_name", "email"]] + rows).utf8)
          .write(to: URL(filePath: file))
        let result = try service.command("import", "partners", file)
        #expect(result.output == "Imported 1203 partners.\n", "\(result.errors)")
        #expect(result.errors.isEmpty)
        let exported = Table.rows(try service.command("export", "partners").output).dropFirst()
        #expect(exported.map { $0[4] } == rows.map { $0[1] })
        // The running service knows them, and has their events, which nobody is the actor of.
        let partners = try service.staff.all("/api/admin/partners?limit=100")
        #expect(partners.count == 1_203)
        let event = try service.staff.get("/api/admin/events?after=0&limit=100").expect(200).json
        let created = event["data"].elements.filter { $0["kind"] == "partner.created" }
        #expect(!created.isEmpty && created.allSatisfy { $0["actor"] == .null })
        try service.expectSound()
      }
    }
  }
}
