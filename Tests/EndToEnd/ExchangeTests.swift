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

      /// A file with this content.
      func file(_ bytes: [UInt8]) throws -> String {
        let file = "\(folder)/\(UUID().uuidString).csv"
        try Data(bytes).write(to: URL(filePath: file))
        return file
      }

      /// Imports a file with this content.
      func importPartners(_ bytes: [UInt8], _ options: [String] = []) throws -> Program.Result {
        try Service.command(["import", "partners", file(bytes)] + options, database: database)
      }

      func importPartners(_ text: String, _ options: [String] = []) throws -> Program.Result {
        try importPartners(Array(text.utf8), options)
      }

      /// Goes on only if an import says this.
      func expectImport(
        _ text: String, _ options: String..., says output: String,
        sourceLocation: SourceLocation = #_sourceLocation
      ) throws {
        let result = try importPartners(text, options)
        try #require(
          result.status == 0 && result.errors.isEmpty && result.output == output + "\n",
          "\(result)", sourceLocation: sourceLocation)
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
        _ bytes: [UInt8], _ mistakes: [String], options: [String] = [],
        sourceLocation: SourceLocation = #_sourceLocation
      ) throws {
        let before = try export()
        let result = try importPartners(bytes, options)
        #expect(result.status == 1, sourceLocation: sourceLocation)
        #expect(result.lines == mistakes, "\(result.output)", sourceLocation: sourceLocation)
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
        // The byte-order mark, which a spreadsheet takes for no part of the first cell.
        if scalars.first == "\u{FEFF}" { scalars.removeFirst() }
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

      /// By scalars, because a quotation mark with an accent is another Character.
      private static func quoted(_ cell: String) -> String {
        "\"\(cell.unicodeScalars.map { $0 == "\"" ? "\"\"" : String($0) }.joined())\""
      }

      static func text(_ rows: [[String]]) -> String {
        rows.map { row in
          row.map(quoted).joined(separator: ",") + "\r\n"
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
          "type,company_name,email,companyname,,type,\r\ncpa,A,a@example.com,,,,\r\n",
          "line 1, column 4: unknown column \"companyname\"",
          "line 1, column 5: unknown column \"\"",
          "line 1, column 6: duplicate column \"type\"")
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
          header + "cpa,A\ncpa,a\(String(repeating: "\u{301}", count: 31)),a@example.com\n",
          "line 3: A cell has more than 30 combining marks in a row.")
        try place.expectRefusal(
          header + "cpa,A \"B\",a@example.com\n",
          "line 2: A field that is not quoted contains a quotation mark.")
        try place.expectRefusal(
          header + "cpa,\"A\nB\",a@example.com\ncpa,\"A\" B,b@example.com\n",
          "line 4: Text follows a closing quotation mark.")
        let latin1 = Array(header.utf8) + Array("cpa,Caf".utf8) + [0xE9] + Array(",a@b.ex\n".utf8)
        try place.expectRefusal(
          latin1,
          ["line 2: The text is not UTF-8. Files of Windows often need --encoding windows-1252."])
        // UTF-16, as some spreadsheets write "Unicode text".
        let wide: [UInt8] = [0xFF, 0xFE] + header.utf8.flatMap { [$0, 0] }
        try place.expectRefusal(
          wide, ["line 1: The text is UTF-16. Save the file as CSV in UTF-8."])

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
        "'quoted'", "'", "a=1", "Berg, Ada", "＝1+1", "＋1", "－1", "＠SUM(A1)", "'＝1",
      ]
      try Place.new { place in
        // As a hand writes it: what has an apostrophe of its own gets another.
        let rows = names.enumerated().map { number, name in
          [
            "cpa",
            ["'=", "''-", "'＝"].contains(where: name.hasPrefix) ? "'" + name : name,
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
            "'''-1", "'quoted'", "'", "a=1", "Berg, Ada", "'＝1+1", "'＋1", "'－1", "'＠SUM(A1)",
            "''＝1",
          ])
        // No cell of the file itself begins as a formula does.
        for cell in Table.rows(try place.export()).joined() {
          #expect(!"=+-@＝＋－＠".contains { cell.hasPrefix(String($0)) }, "\(cell)")
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
            + "co_ownership_certified,agreement_signed_at,notes,description,languages,"
            + "affiliation_disclosure,paused_until,max_open_referrals\r\n"
            + "attorney,active,\"Berg, \"\"Ada\"\"\",\"Ada\",a@example.com,+1 612 555 0100,"
            + "https://a.example/?q=1,MN;WI,true,2026-01-01T00:00:00Z,\"- first\r\n- \"\"second\"\"\","
            + "\"What\r\nwe do\",EN;es,None,2026-12-01,12\r\n"
            + "lender,pending_review,Ærø & Søn,=José,b@example.com,,,,,,\"\n tail\",,,,,\r\n"
            + "cpa,invited,C,,c@example.com,,,TX,no,2025-12-31T23:59:59.999-12:00,@home,,,,,\r\n")
        #expect(result.status == 0, "\(result.output)\(result.errors)")
        let export = try place.export()
        #expect(export.hasSuffix("\r\n"))
        let rows = Table.rows(export)
        #expect(
          rows[0] == [
            "id", "user_id", "type", "status", "company_name", "contact_name", "email", "phone",
            "website", "service_areas", "co_ownership_certified", "description", "languages",
            "affiliation_disclosure", "paused_until", "max_open_referrals", "agreement_signed_at",
            "invited_by", "notes", "created_at", "updated_at",
          ])
        #expect(rows.count == 4)
        #expect(rows.allSatisfy { $0.count == rows[0].count })
        #expect(Array(rows[1][11...15]) == ["What\r\nwe do", "en;es", "None", "2026-12-01", "12"])
        #expect(rows[1][18] == "'- first\r\n- \"second\"")
        // As it is: with the IDs and times.
        try Place.new { other in
          try other.expectImport(export, says: "Imported 3 partners.")
          #expect(try other.export() == export)
          #expect(try other.command("check").status == 0)
          for options in [[], ["--update"]] {
            let again = try other.importPartners(export, options)
            #expect(again.output == "Imported 0 partners, left 3 as they are.\n", "\(again)")
            #expect(try other.export() == export)
          }
        }
        // And without what a new record gets of itself.
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
            [2, 5, 6].map {
              "line \($0), column email: "
                + "Another partner of this type has this e-mail address."
            })
        }
      }
    }

    @Test("A database's partners come back in any status, with what the service had set")
    func restored() throws {
      try Service.run { service in
        let staff = service.staff
        let (user, _, _) = try service.makeUser("linked@example.com", name: "Linked")
        var ids: [String] = []
        for (number, steps) in [
          ["active"], ["active", "inactive"], ["active", "removed"], [], ["pending_review"],
        ].enumerated() {
          let partner = try staff.post(
            "/api/admin/partners",
            [
              "type": "lender", "company_name": "P\(number)",
              // The removed one leaves its address to another.
              "email": .string("p\(number == 3 ? 2 : number)@example.com"),
              "service_areas": ["MN", "CA"], "agreement_signed_at": "2026-01-01T00:00:00Z",
              "user_id": number == 0 ? .string(user) : .null, "notes": "=1",
            ]
          ).expect(201).json["id"].text
          ids.append(partner)
          for step in steps {
            try staff.put("/api/admin/partners/\(partner)/status", ["status": .string(step)])
              .expect(200)
          }
        }
        let export = try service.command("export", "partners").output
        #expect(export.unicodeScalars.first == "\u{FEFF}")
        let rows = Table.rows(export)
        let names = rows[0]
        func column(_ name: String) throws -> Int { try #require(names.firstIndex(of: name)) }
        #expect(rows.dropFirst().map { $0[0] } == ids)
        let (linked, inviter) = (try column("user_id"), try column("invited_by"))
        let staffID = rows[1][inviter]
        #expect(!staffID.isEmpty)

        // Where nobody is known, the link is a mistake, and who invited them is told to be lost.
        try Place.new { place in
          try place.expectRefusal(
            Array(export.utf8), ["line 2, column user_id: No user has this ID."])
          var unlinked = rows
          unlinked[1][linked] = ""
          let lost = "invited_by is empty in 5 of them: their users are not known here."
          try place.expectImport(
            Table.text(unlinked), "--dry-run",
            says: "Would import 5 partners.\n\(lost)\nNothing was written.")
          #expect(try place.partners().isEmpty)
          try place.expectImport(Table.text(unlinked), says: "Imported 5 partners.\n\(lost)")
          for index in unlinked.indices.dropFirst() { unlinked[index][inviter] = "" }
          #expect(Table.rows(try place.export()) == unlinked)
          #expect(try place.command("check").status == 0)
        }
        // Where the users are known, nothing is lost.
        try Place.new { place in
          for id in [staffID, user] {
            try sqlite(
              place.database,
              """
              INSERT INTO users (id, email, email_key, name, created_at, updated_at)
              VALUES ('\(id)', '\(id)', '\(id)', 'U', '2026-01-01T00:00:00.000Z',
                '2026-01-01T00:00:00.000Z')
              """)
          }
          try place.expectImport(export, says: "Imported 5 partners.")
          #expect(try place.export() == export)
        }
      }
    }

    @Test("Without --update a row whose id is there must be the same; times must be in order")
    func knownIDs() throws {
      try Place.new { place in
        try place.expectImport(
          "type,company_name,email\ncpa,A,a@example.com\n", says: "Imported 1 partner.")
        let id = try #require(try place.partners().first?["id"])
        let header = "id,type,company_name,email,status,created_at,updated_at\n"
        let other = "The partner with this id has another value here. Use --update to change it."
        try place.expectRefusal(
          header + "\(id),cpa,B,b@example.com,,,\n\(id.uppercased()),cpa,A,a@example.com,,,\n",
          "line 2, column company_name: \(other)", "line 2, column email: \(other)")
        try place.expectImport(
          header + "\(id.uppercased()),cpa,A,a@example.com,,,\n",
          says: "Imported 0 partners, left 1 as they are.")
        let new = "00000000-0000-4000-8000-00000000abcd"
        let time = "Must be an RFC 3339 time, such as 2026-11-22T14:30:28Z."
        try place.expectRefusal(
          header
            + "\(new),cpa,C,c@example.com,gone,2026-02-01,2026-01-31\n"
            + "not-an-id,cpa,D,d@example.com,,yesterday,2999-01-01\n"
            + ",cpa,E,e@example.com,inactive,2026-02-30,\n",
          "line 2, column status: "
            + "Must be one of: invited, pending_review, active, inactive, removed.",
          "line 2, column updated_at: Must not be before created_at.",
          "line 3, column id: Must be a UUID.", "line 3, column created_at: \(time)",
          "line 3, column updated_at: Must not be in the future.",
          "line 4, column status: Must be one of: invited, pending_review, active.",
          "line 4, column created_at: \(time)")
        try place.expectImport(
          header + "\(new.uppercased()),cpa,C,c@example.com,removed,2026-02-01,2026-02-02\n"
            + ",cpa,E,e@example.com,,2025-12-31T23:00:00-02:00,\n",
          says: "Imported 2 partners.")
        let rows = try place.partners()
        #expect(
          rows.map { $0["created_at"] }.prefix(2)
            == ["2026-01-01T01:00:00.000Z", "2026-02-01T00:00:00.000Z"])
        #expect(rows[1]["id"] == new && rows[1]["status"] == "removed")
        #expect(rows[1]["updated_at"] == "2026-02-02T00:00:00.000Z")
        #expect(try place.command("check").status == 0)
      }
    }

    @Test("--update changes what the id names, else type and e-mail, and only what a cell holds")
    func update() throws {
      try Place.new { place in
        try place.expectImport(
          "type,company_name,email,phone,notes,service_areas,agreement_signed_at,status\n"
            + "cpa,A,a@example.com,612 555 0100,kept,MN,2026-01-01,active\n"
            + "lender,A2,a@example.com,,,,,\n", says: "Imported 2 partners.")
        func byType() throws -> [String: [String: String]] {
          Dictionary(uniqueKeysWithValues: try place.partners().map { ($0["type"] ?? "", $0) })
        }
        let before = try byType()
        let id = try #require(before["cpa"]?["id"])
        let lender = try #require(before["lender"]?["id"])
        // Without an ID: the e-mail address in any case, and the type.
        try place.expectImport(
          "type;email;phone;company_name\ncpa;A@Example.com;612 555 0199;\n"
            + "agent;a@example.com;;New\nlender;a@example.com;;A2\n",
          "--update", says: "Imported 1 partner, updated 1, left 1 as they are.")
        var rows = try byType()
        #expect(rows.count == 3)
        #expect(rows["cpa"]?["phone"] == "612 555 0199")
        #expect(rows["cpa"]?["email"] == "A@Example.com")
        for column in ["company_name", "notes", "service_areas", "status", "created_at", "id"] {
          #expect(rows["cpa"]?[column] == before["cpa"]?[column], "\(column)")
        }
        #expect(rows["lender"] == before["lender"])
        #expect(rows["agent"]?["company_name"] == "New")
        // By ID, whatever the rest says; what the service sets is left alone.
        let file =
          "id,email,type,status,created_at,invited_by\n"
          + "\(id),b@example.com,title,inactive,2020-01-01,\(UUID().uuidString)\n"
        try place.expectImport(
          file, "--update", "--dry-run",
          says: "Would import 0 partners, update 1.\nNothing was written.")
        #expect(try byType() == rows)
        try place.expectImport(file, "--update", says: "Imported 0 partners, updated 1.")
        rows = try byType()
        let title = try #require(rows["title"])
        #expect(title["email"] == "b@example.com" && title["status"] == "inactive")
        #expect(title["created_at"] == before["cpa"]?["created_at"] && title["invited_by"] == "")
        // What an active partner needs may come with the status.
        try place.expectImport(
          "id,status,service_areas,agreement_signed_at\n\(lender),active,CA;OR,2026-03-01\n",
          "--update", says: "Imported 0 partners, updated 1.")
        #expect(try byType()["lender"]?["status"] == "active")
        #expect(
          try sqlite(place.database, "SELECT kind FROM events WHERE subject_id = '\(id)'")
            == [
              "partner.created", "partner.updated", "partner.status_changed", "partner.updated",
            ])
        // The rules are those of a change.
        try place.expectRefusal(
          Array(
            ("id,status,email,type,phone,created_at\n\(id),invited,,,,\n,,x@example.com,cpa,,\n"
              + "\(id),,,,12,never\n\(lender),,a@example.com,agent,,\n").utf8),
          [
            "line 2, column status: The partner is inactive and can't become invited. "
              + "Allowed: active, pending_review, removed.",
            "line 3, column company_name: This field is required.",
            "line 4, column phone: "
              + "Must be a phone number: at least 7 digits, spaces and + ( ) - . "
              + "and an extension such as x5.",
            "line 4, column created_at: Must be an RFC 3339 time, such as 2026-11-22T14:30:28Z.",
            "line 5, column email: Another partner of this type has this e-mail address.",
          ], options: ["--update"])
        try place.expectRefusal(
          Array("email,phone\na@example.com,12\n".utf8), ["line 1: missing column \"type\""],
          options: ["--update"])
        #expect(try place.command("check").status == 0)
      }
    }

    @Test("Commas, semicolons and tabs separate; what does not is named")
    func separators() throws {
      try Place.new { place in
        for (number, separator) in [",", ";", "\t"].enumerated() {
          // The two others are text.
          let notes = [",", ";", "\t"].filter { $0 != separator }.joined(separator: "x")
          let rows = [
            ["type", "company_name", "email", "service_areas", "notes"],
            ["cpa", "A \(number)", "a\(number)@example.com", "\"MN;CA\"", "x\(notes)y"],
            [
              "lender", "\"B\(separator == "\t" ? "" : separator)b\"", "b\(number)@example.com", "",
              "",
            ],
          ]
          try place.expectImport(
            rows.map { $0.joined(separator: separator) + "\n" }.joined(),
            says: "Imported 2 partners.")
          let partners = try place.partners().filter { $0["email"]?.contains("\(number)@") == true }
          let cpa = try #require(partners.first { $0["type"] == "cpa" })
          #expect(cpa["service_areas"] == "MN;CA" && cpa["notes"] == "x\(notes)y")
          let lender = try #require(partners.first { $0["type"] == "lender" })
          #expect(lender["company_name"] == "B\(separator == "\t" ? "" : separator)b")
        }
        for separator in ["；", "，", "、", "|", ":", " ", "。", "､", "﹔"] {
          let line = ["type", "company_name", "email"].joined(separator: separator)
          try place.expectRefusal(
            line + "\ncpa\(separator)C\(separator)c@example.com\n",
            "line 1, column 1: \"\(separator)\" does not separate columns. "
              + "Use commas, semicolons or tabs.")
        }
        try place.expectRefusal(
          "type,company_name；email\ncpa,C；c@example.com\n",
          "line 1, column 2: \"；\" does not separate columns. Use commas, semicolons or tabs.")
        for separator in [",", ";", "\t"] {
          // As spreadsheets write it for each other.
          let line = ["type", "company_name", "email"].joined(separator: separator)
          let row = ["cpa", "S", "s\(separator.utf8.first!)@example.com"].joined(
            separator: separator)
          try place.expectImport(
            "sep=\(separator)\r\n\(line)\r\n\(row)\r\n", says: "Imported 1 partner.")
        }
        try place.expectRefusal(
          "type,company_name,email\rcpa,R,r@example.com\r",
          "line 1: The lines end with CR alone. Save the file with lines that end with CRLF or LF.")
      }
    }

    @Test("Rows and columns at the end are skipped if they have no text, and only then")
    func blanks() throws {
      try Place.new { place in
        try place.expectImport(
          ",,,,\r\n \r\ntype,company_name,email,,\r\ncpa,A,a@example.com,,\r\n,,,,\r\n"
            + "cpa,B,b@example.com, ,\"\t\"\r\n\r\ncpa,C,c@example.com\r\n"
            + "cpa,D,d@example.com,,,,,,\r\n,,,,,,,,,\r\n\" \",\"\"\r\n,,,,,,,,,",
          says: "Imported 4 partners.")
        try place.expectRefusal(
          "type,company_name,email,,\ncpa,E,e@example.com,,x\n,,,,y\ncpa,F\n",
          "line 2: 5 cells, but the first row has 3", "line 3: 5 cells, but the first row has 3",
          "line 4: 2 cells, but the first row has 3")
      }
    }

    @Test("Standard input and pipes are read like a file")
    func pipes() throws {
      try Place.new { place in
        for (number, script) in [
          #"cat "$2" | "$0" import partners - --database "$1""#,
          #""$0" import partners - --database "$1" < "$2""#,
          #"cat "$2" | "$0" import partners /dev/stdin --database "$1""#,
          #"mkfifo "$2.p"; cat "$2" > "$2.p" & exec "$0" import partners "$2.p" --database "$1""#,
        ].enumerated() {
          // More than a pipe holds.
          let rows = (0..<600).map {
            "cpa,A,a\(number).\($0)@example.com,\(String(repeating: "x", count: 200))\n"
          }
          let file = try place.file(
            Array(("type,company_name,email,notes\n" + rows.joined()).utf8))
          let result = try Program.run(
            ["sh", "-c", script, Service.executable, place.database, file])
          #expect(
            result.status == 0 && result.output == "Imported 600 partners.\n",
            "\(script): \(result)")
        }
        for (script, text) in [
          (#": | "$0" import partners - --database "$1""#, "standard input is empty"),
          (#""$0" import partners / --database "$1""#, "cannot read /: Is a directory"),
        ] {
          let result = try Program.run(["sh", "-c", script, Service.executable, place.database])
          #expect(result.status == 1 && result.errorLines.count == 1, "\(result)")
          #expect(result.errors.contains(text), "\(script): \(result)")
        }
      }
    }

    @Test("--encoding windows-1252 reads what Windows writes")
    func encodings() throws {
      try Place.new { place in
        let header = Array("type;company_name;email\r\n".utf8)
        // “Café” – 5 €, with the bytes of windows-1252.
        let text: [UInt8] = [
          0x93, 0x43, 0x61, 0x66, 0xE9, 0x94, 0x20, 0x96, 0x20, 0x35, 0x20, 0x80,
        ]
        let row = Array("cpa;".utf8) + text + Array(";a@example.com\r\n".utf8)
        let result = try place.importPartners(header + row, ["--encoding", "Windows-1252"])
        #expect(result.output == "Imported 1 partner.\n", "\(result)")
        #expect(try place.partners()[0]["company_name"] == "“Café” – 5 €")
        try place.expectRefusal(
          header + row + Array("cpa;".utf8) + [0x81] + Array(";b@example.com\r\n".utf8),
          ["line 3: The text is not windows-1252, which has no character for the byte 129."],
          options: ["--encoding", "windows-1252"])
        let marked = Array("\u{FEFF}type;company_name;email\r\ncpa;É;b@example.com\r\n".utf8)
        try place.expectRefusal(
          marked, ["line 1: The text is UTF-8, as its byte-order mark says, not windows-1252."],
          options: ["--encoding", "windows-1252"])
        let utf8 = try place.importPartners(marked, ["--encoding", "utf-8"])
        #expect(utf8.output == "Imported 1 partner.\n", "\(utf8)")
        #expect(try place.importPartners(header, ["--encoding", "latin1"]).status == 64)
      }
    }

    @Test("Whatever a cell holds, it comes back as it was")
    func anything() throws {
      // The same cells in each run.
      var state: UInt64 = 10
      func random(_ count: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % count
      }
      let line = [
        "'", "''", "=", "+", "-", "@", "＝", "＋", "－", "＠", "\"", ",", ";", "|", " ", "a", "é",
        "\u{301}", "法", "\u{10FFFD}", "\u{A0}", "\\", "\\n",
      ]
      let lines = line + ["\t", "\r", "\n", "\r\n", "\u{2028}", "\u{2029}"]
      func text(_ pieces: [String]) -> String {
        (0..<random(6)).map { _ in pieces[random(pieces.count)] }.joined()
      }
      func runs(_ text: String) -> Bool {
        let first = text.unicodeScalars.first { $0 != "'" }
        return first.map { "=+-@＝＋－＠\t\r".unicodeScalars.contains($0) } ?? false
      }
      func stored(_ text: String) -> String {
        let scalars = text.unicodeScalars
        guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
          let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
        else { return "" }
        return String(scalars[first...last])
      }
      let cells = (0..<400).map { _ in (company: "\(text(line))x", notes: text(lines)) }
      let rows = cells.enumerated().map { number, cell in
        ["cpa", cell.company, "n\(number)@example.com", cell.notes].map { runs($0) ? "'\($0)" : $0 }
      }
      try Place.new { place in
        try place.expectImport(
          Table.text([["type", "company_name", "email", "notes"]] + rows),
          says: "Imported 400 partners.")
        func values(_ place: Place) throws -> [String] {
          try sqlite(
            place.database,
            """
            SELECT hex(company_name) || ' ' || hex(ifnull(notes, '')) FROM partners
            ORDER BY length(email), email
            """)
        }
        func hex(_ text: String) -> String { text.utf8.map { String(format: "%02X", $0) }.joined() }
        let expected = cells.map { "\(hex(stored($0.company))) \(hex(stored($0.notes)))" }
        #expect(try values(place) == expected)
        let export = try place.export()
        for cell in Table.rows(export).joined() where !cell.hasPrefix("'") {
          #expect(!runs(cell), "\(cell)")
        }
        try Place.new { other in
          try other.expectImport(export, says: "Imported 400 partners.")
          #expect(try values(other) == expected)
          #expect(try other.export() == export)
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
              "contact_id", "partner_type", "status", "status_since", "group_size",
              "home_price_min", "home_price_max", "timeline", "state", "specific_need",
              "partner_id", "partner_company_name", "intro_sent_at", "outcome", "outcome_notes",
              "assigned_to", "follow_up_on", "consent_version", "consented_at", "created_at",
              "updated_at",
            ],
            [
              empty["id"].text, group, "'=Birch", ann, "Ann, of Birch", "ann@example.com", ann,
              "cpa", "pending", empty["created_at"].text, "", "", "", "", "", "", "", "", "", "",
              "", "", "", "", "", empty["created_at"].text, empty["updated_at"].text,
            ],
            [
              full["id"].text, group, "'=Birch", ann, "Ann, of Birch", "ann@example.com", ann,
              "attorney", "closed", full["status_since"].text, "3", "0", "450000", "'-soon", "MN",
              "one\ntwo, three", partner, "North \"Law\"", full["intro_sent_at"].text,
              "deal_closed", "'@last", "", "", "", "", full["created_at"].text,
              full["updated_at"].text,
            ],
          ])
      }
    }

    @Test("Users, groups, partners and requests that are exported come back as they were")
    func whole() throws {
      try inFolder { folder in
        let (old, new) = ("\(folder)/old.db", "\(folder)/new.db")
        let demo = try Service.command(
          ["demo", "--partners", "30", "--groups", "20", "--referrals", "80"], database: old)
        try #require(demo.status == 0, "\(demo.errors)")
        try #require(Service.command(["migrate"], database: new).status == 0)
        for what in ["users", "groups", "partners", "referrals"] {
          let export = try Service.command(["export", what], database: old)
          let file = "\(folder)/\(what).csv"
          try Data(export.output.utf8).write(to: URL(filePath: file))
          let trial = try Service.command(["import", what, file, "--dry-run"], database: new)
          #expect(trial.output.hasSuffix("Nothing was written.\n"), "\(trial)")
          let result = try Service.command(["import", what, file], database: new)
          let count = Table.rows(export.output).count - 1
          let noun = what == "referrals" ? "requests" : what
          #expect(result.output.hasPrefix("Imported \(count) \(noun)"), "\(result)")
          #expect(try Service.command(["export", what], database: new).output == export.output)
          // Again, nothing is to do.
          let again = try Service.command(["import", what, file], database: new)
          #expect(again.output == "Imported 0 \(noun), left \(count) as they are.\n", "\(again)")
        }
        let check = try Service.command(["check"], database: new)
        #expect(check.status == 0, "\(check.output)")
      }
    }

    @Test("Users and groups: members by e-mail address, --update, and each wrong cell named")
    func accounts() throws {
      try Place.new { place in
        func expect(
          _ what: String, _ text: String, _ options: String..., says output: String,
          sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
          let result = try Service.command(
            ["import", what, place.file(Array(text.utf8))] + options, database: place.database)
          #expect(result.output == output + "\n", "\(result)", sourceLocation: sourceLocation)
          let isRefused = output.hasPrefix("line")
          #expect(result.status == (isRefused ? 1 : 0), sourceLocation: sourceLocation)
        }
        let (ann, birch) = (
          "00000000-0000-4000-8000-0000000000a1", "00000000-0000-4000-8000-0000000000b1"
        )
        try expect(
          "users", "id,email,name\n\(ann),Ann@example.com,Ann\n,ben@example.com,Ben",
          says: "Imported 2 users.")
        try expect(
          "users", "email,name\nANN@example.com,Other\nx,\n",
          says: """
            line 2, column email: Another user has this e-mail address.
            line 3, column email: Must be an e-mail address, such as name@example.com.
            line 3, column name: This field is required.
            """)
        try expect(
          "users", "id,email,name\n\(ann),ann@example.com,Ann Ito",
          says: """
            line 2, column email: The user with this id has another value here. \
            Use --update to change it.
            line 2, column name: The user with this id has another value here. \
            Use --update to change it.
            """)
        try expect(
          "users", "email;disabled\nben@example.com;yes\nann@example.com;", "--update",
          says: "Imported 0 users, updated 1, left 1 as they are.")
        try expect("users", "name\nCarl", says: "line 1: missing column \"email\"")
        try expect(
          "users", "id,email,name\n7,c@example.com,Carl",
          says: "line 2, column id: Must be a UUID.")
        let users = Table.rows(try place.export("users"))
        #expect(users[0] == ["id", "email", "name", "disabled", "created_at", "updated_at"])
        let ben = try #require(users.first { $0[1] == "ben@example.com" })
        #expect(ben[3] == "true")
        #expect(users.contains { $0[0] == ann && $0[1] == "Ann@example.com" && $0[3] == "false" })

        try expect(
          "groups",
          "id,name,state,members\n\(birch),Birch,mn,ANN@example.com;\(ben[0])\n,Maple,,\n",
          says: "Imported 2 groups.")
        let members = [ann, ben[0]].sorted().joined(separator: ";")
        var groups = Table.rows(try place.export("groups"))
        #expect(groups[0] == ["id", "name", "state", "members", "created_at", "updated_at"])
        #expect(groups.contains { Array($0[..<4]) == [birch, "Birch", "MN", members] })
        try expect(
          "groups", "id,members\n\(birch),\(ben[0]);ann@example.com", "--update",
          says: "Imported 0 groups, left 1 as they are.")
        try expect(
          "groups", "id,members\n\(birch),\(ann)", "--update",
          says: "Imported 0 groups, updated 1.")
        try expect(
          "groups", "name,state,members\nOak,ZZ,7\nElm,,nobody@example.com",
          says: """
            line 2, column state: "ZZ" is not a US state code.
            line 2, column members: Must be a UUID.
            line 3, column members: No user has the e-mail address nobody@example.com.
            """)
        try expect(
          "groups", "name,members\nOak,\(birch)",
          says: "line 2, column members: No user has this ID.")
        groups = Table.rows(try place.export("groups"))
        #expect(groups.contains { Array($0[..<4]) == [birch, "Birch", "MN", ann] })
        #expect(try place.command("check").status == 0)

        try expect(
          "referrals",
          "group_id,requested_by,partner_type,state,group_size,home_price_max,status,outcome\n"
            + "\(birch),\(ann),cpa,MN,3,500000,,\n\(birch),\(ann),agent,,,,cancelled,\n",
          says: "Imported 2 requests.")
        try expect(
          "referrals",
          """
          group_id,requested_by,partner_type,state,group_size,home_price_max,status,outcome
          \(birch),\(ann),cpa,MN,,,,
          \(ann),\(birch),cook,XX,0,-1,gone,unknown
          \(birch),\(ann),lender,,,,closed,
          \(birch),\(ann),lender,,,,pending,engaged
          """,
          says: """
            line 2, column group_id: The group has an open request of this type and state.
            line 3, column partner_type: Must be one of: attorney, lender, agent, title, insurance, cpa.
            line 3, column status: Must be one of: pending, matched, intro_sent, connected, closed, \
            cancelled.
            line 3, column group_size: Must be a whole number from 1 to 100.
            line 3, column state: "XX" is not a US state code.
            line 3, column home_price_max: Must be a whole number from 0 to 1000000000000.
            line 3, column group_id: No group has this ID.
            line 3, column requested_by: No user has this ID.
            line 4, column partner_id: A closed request needs a partner.
            line 4, column intro_sent_at: A closed request needs the time of its introduction.
            line 5, column outcome: A pending request has no outcome.
            """)
        #expect(Table.rows(try place.export("referrals")).count == 3)
        #expect(try place.command("check").status == 0)

        try expect(
          "referrals",
          "group_id,requested_by,partner_type,home_price_max,home_price_min\n"
            + "\(birch),\(ann),title,3,5",
          says: "line 2, column home_price_min: The minimum must not be above the maximum.")
        // Times are in the past and in order, and only an active partner is matched.
        try place.expectImport(
          "type,company_name,email\ncpa,Lake,lake@example.com", says: "Imported 1 partner.")
        let lake = Table.rows(try place.export())[1][0]
        try expect(
          "referrals",
          """
          group_id,requested_by,partner_type,status,partner_id,status_since,created_at,intro_sent_at
          \(birch),\(ann),title,pending,,2020-01-01,2020-01-02,
          \(birch),\(ann),title,pending,,2020-01-01,,
          \(birch),\(ann),title,pending,,2999-01-01,2999-01-01,
          \(birch),\(ann),cpa,closed,\(lake),,,2999-01-01
          \(birch),\(ann),cpa,matched,\(lake),,,
          """,
          says: """
            line 2, column status_since: Must not be before created_at.
            line 3, column status_since: Must not be before created_at.
            line 4, column status_since: Must not be in the future.
            line 4, column created_at: Must not be in the future.
            line 5, column intro_sent_at: Must not be in the future.
            line 6, column partner_id: The partner of a matched request must be active.
            """)
      }
    }

    @Test("An imported request goes on from its status, and the overview counts from then")
    func goesOn() throws {
      try Service.run { service in
        let (ann, group) = (
          "00000000-0000-4000-8000-0000000000a1", "00000000-0000-4000-8000-0000000000b1"
        )
        let staff = service.staff
        try staff.put(
          "/api/admin/users/\(ann)", ["email": "ann@example.com", "name": "Ann"]
        ).expect(201)
        try staff.put(
          "/api/admin/groups/\(group)", ["name": "Birch", "members": [.string(ann)]]
        ).expect(201)
        let file = "\(service.folder)/requests.csv"
        try Data(
          """
          group_id,requested_by,partner_type,created_at,status_since
          \(group),\(ann),cpa,2026-01-01,2026-01-02
          """.utf8
        ).write(to: URL(filePath: file))
        let result = try service.command("import", "referrals", file)
        #expect(result.output == "Imported 1 request.\n", "\(result)")
        let list = try staff.get("/api/admin/referrals?in_status_days=1").expect(200).json["data"]
        let request = try #require(list.elements.first)
        #expect(request["status_since"] == "2026-01-02T00:00:00.000Z")
        #expect(request["contact_id"] == .string(ann))
        try staff.put(
          "/api/admin/referrals/\(request["id"].text)", ["status": "cancelled"]
        ).expect(200)
        try service.expectSound()
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
