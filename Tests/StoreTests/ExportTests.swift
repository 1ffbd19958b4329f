import Domain
import Foundation
import JSON
import Testing

@testable import SQLite
@testable import Store

@Suite("Export to spreadsheets")
struct ExportTests {
  /// The rows of a table, each cell under its column's name; empty ones are left out.
  private static func rows(_ table: Table, in test: TestStore) throws -> [[String: String]] {
    var rows: [[String: String]] = []
    try test.read { snapshot throws in
      try snapshot.export(table) { cells in
        try #require(cells.count == table.exportedColumns.count)
        rows.append(
          Dictionary(
            uniqueKeysWithValues: zip(table.exportedColumns, cells).compactMap { name, cell in
              cell.map { (name, $0) }
            }))
      }
    }
    return rows
  }

  @Test("partners: every field that staff sees is a column, except proposals; the oldest first")
  func partners() throws {
    let test = try TestStore()
    try test.addGroups()
    var full = Partner.sample(21, in: [.WI, .MN], name: "A, \"B\"")
    for (name, value) in [
      "user_id": JSON(sampleID(1)), "contact_name": "Ann", "phone": "5551234",
      "website": "https://example.com", "co_ownership_certified": true,
      "invited_by": JSON(sampleID(2)), "notes": "a\nb", "created_at": JSON(minute(1)),
      "description": "c\nd", "languages": ["en", "es"], "affiliation_disclosure": "None",
      "paused_until": "2026-03-31", "max_open_referrals": 12,
    ] as [String: JSON] {
      full[name] = value
    }
    var bare = Partner.sample(22, .removed, .cpa, in: [])
    bare["agreement_signed_at"] = .null
    try test.change { [full, bare] change in
      try change.insert(full)
      try change.insert(bare)
    }
    let derived = ["accepting_referrals", "credentials_status", "pending_changes"]
    #expect(
      Table.partners.exportedColumns
        == Table.partners.fields.filter { $0.seenBy.contains(.staff) }.map(\.name)
        .filter { !derived.contains($0) })
    #expect(
      try Self.rows(.partners, in: test) == [
        [
          "id": sampleID(22).text, "type": "cpa", "status": "removed",
          "company_name": "Company 22", "email": "partner22@example.com", "service_areas": "",
          "co_ownership_certified": "false", "languages": "", "created_at": now.text,
          "updated_at": now.text,
        ],
        [
          "id": sampleID(21).text, "user_id": sampleID(1).text, "type": "attorney",
          "status": "active", "company_name": "A, \"B\"", "contact_name": "Ann",
          "email": "partner21@example.com", "phone": "5551234", "website": "https://example.com",
          "service_areas": "WI;MN", "co_ownership_certified": "true", "description": "c\nd",
          "languages": "en;es", "affiliation_disclosure": "None", "paused_until": "2026-03-31",
          "max_open_referrals": "12",
          "agreement_signed_at": now.text, "invited_by": sampleID(2).text, "notes": "a\nb",
          "created_at": minute(1).text, "updated_at": now.text,
        ],
      ])
  }

  @Test("requests: with the names of group, requester and partner, and the context's fields")
  func referrals() throws {
    let test = try TestStore()
    try test.addGroups()
    var full = Referral.sample(31, group: 12, .closed, partner: 21)
    full["context"] = Referral.context(
      groupSize: 4, prices: ["min": 0, "max": 9_007_199_254_740_993], timeline: "\"soon\"",
      state: .DC, need: "a\nb")
    full["outcome_notes"] = "good"
    full["assigned_to"] = JSON(sampleID(9))
    full["follow_up_on"] = "2026-03-09"
    full.setConsent("2026-01", at: minute(1))
    let bare = Referral.sample(32, state: nil)
    try test.change { [full] change in
      try change.insert(Partner.sample(21))
      try change.insert(full)
      try change.insert(bare)
    }
    #expect(
      try Self.rows(.referrals, in: test) == [
        [
          "id": sampleID(31).text, "group_id": sampleID(12).text, "group_name": "Group 12",
          "requested_by": sampleID(2).text, "requester_name": "User 2",
          "requester_email": "user2@example.com", "contact_id": sampleID(2).text,
          "partner_type": "attorney", "status": "closed", "status_since": now.text,
          "assigned_to": sampleID(9).text, "follow_up_on": "2026-03-09",
          "consent_version": "2026-01", "consented_at": minute(1).text,
          "group_size": "4", "home_price_min": "0", "home_price_max": "9007199254740993",
          "timeline": "\"soon\"", "state": "DC", "specific_need": "a\nb",
          "partner_id": sampleID(21).text, "partner_company_name": "Company 21",
          "intro_sent_at": now.text, "outcome": "unknown", "outcome_notes": "good",
          "created_at": now.text, "updated_at": now.text,
        ],
        [
          "id": sampleID(32).text, "group_id": sampleID(11).text, "group_name": "Group 11",
          "requested_by": sampleID(1).text, "requester_name": "User 1",
          "requester_email": "user1@example.com", "contact_id": sampleID(1).text,
          "partner_type": "attorney", "status": "pending", "status_since": now.text,
          "created_at": now.text, "updated_at": now.text,
        ],
      ])
  }

  @Test("PostgreSQL: each stored field is a column of its table, with the type of its kind")
  func postgres() throws {
    let test = try TestStore()
    var text = ""
    try test.read { snapshot throws in try snapshot.postgres(write: { text += $0 }) }
    // PostgreSQL refuses a column that refers to one of a key's several columns.
    let references = text.matches(
      of: /^  \w+ [A-Z].* REFERENCES public\.(\w+) \((\w+)\)/.anchorsMatchLineEndings())
    #expect(!references.isEmpty)
    for reference in references {
      #expect(["id", "number"].contains(reference.2), "\(reference.0)")
    }
    for (table, expected) in [
      (
        Table.users,
        ["id UUID PRIMARY KEY", "disabled BOOLEAN NOT NULL", "email_key TEXT NOT NULL"]
      ),
      (.groups, ["state VARCHAR(2)", "name VARCHAR(200) NOT NULL"]),
      (
        .tokens,
        [
          "user_id UUID NOT NULL REFERENCES public.users (id)", "sha256 BYTEA NOT NULL",
          "expires_at TIMESTAMPTZ",
        ]
      ),
      (
        .partners,
        [
          """
          status VARCHAR(20) CHECK (status IN ('invited', 'pending_review', 'active', 'inactive', \
          'removed')) NOT NULL
          """, "phone VARCHAR(20)", "notes TEXT", "invited_by UUID REFERENCES public.users (id)",
          """
          service_areas JSONB CHECK (jsonb_typeof(service_areas) = 'array') NOT NULL DEFAULT '[]'
          """,
        ]
      ),
      (
        .credentials,
        [
          "partner_id UUID NOT NULL REFERENCES public.partners (id) ON DELETE CASCADE",
          "expires_on DATE", "verified_by UUID REFERENCES public.users (id)",
        ]
      ),
      (
        .referrals,
        [
          "context JSONB CHECK (jsonb_typeof(context) = 'object') NOT NULL",
          "partner_id UUID REFERENCES public.partners (id)", "created_at TIMESTAMPTZ NOT NULL",
        ]
      ),
    ] {
      let start = try #require(text.range(of: "CREATE TABLE public.\(table.name) (\n"))
      let definition = text[start.upperBound...].prefix { $0 != ";" }
      let lines = definition.split(separator: "\n").map { line in
        line.trimmingCharacters(in: [" ", ","])
      }
      for line in expected { #expect(lines.contains(line), "\(table.name): \(line)") }
      let columns = Set(lines.compactMap { $0.split(separator: " ").first.map(String.init) })
      #expect(columns.isSuperset(of: table.stored.map(\.name)), "\(table.name)")
    }
  }

  @Test("a cell is read as a body would have it")
  func cells() {
    for (field, cell, value) in [
      ("service_areas", "WI;MN", ["WI", "MN"]), ("service_areas", " WI ; MN ", [" WI ", " MN "]),
      ("service_areas", ";;", []), ("co_ownership_certified", "YES", true),
      ("co_ownership_certified", "0", false), ("co_ownership_certified", "perhaps", "perhaps"),
      ("phone", "5551234", "5551234"),
      ("agreement_signed_at", "2026-01-02", "2026-01-02T00:00:00Z"),
      ("agreement_signed_at", "2026-01-02T03:04:05+01:00", "2026-01-02T03:04:05+01:00"),
      ("created_at", "2026-01-02", "2026-01-02T00:00:00Z"), ("notes", "2026-01-02", "2026-01-02"),
      ("paused_until", "2026-01-02", "2026-01-02"), ("max_open_referrals", "12", 12),
      ("max_open_referrals", "twelve", "twelve"), ("languages", "EN;es", ["EN", "es"]),
    ] as [(String, String, JSON)] {
      let kind = Table.partners.fields.first { $0.name == field }?.kind
      #expect(kind?.value(ofCell: cell) == value, "\(field): \(cell)")
    }
  }
}
