import CSQLite
import Domain
import JSON
import Testing

@testable import SQLite
@testable import Store

/// What pages and overviews cost as the database grows: the steps of SQLite's machine, which no other work
/// on this computer changes.
@Suite("Scale")
struct ScaleTests {
  /// A database with so many requests and partners.
  private final class Crowd {
    private let folder: TemporaryFolder
    private let connection: Connection
    let snapshot: Snapshot

    /// - Parameter isPaused: Whether all partners want no introductions.
    init(requests: Int, partners: Int, isPaused: Bool = false) throws {
      folder = try TemporaryFolder()
      do {
        let writer = try rawDatabase(in: folder)
        try writer.script(
          """
          BEGIN; \(Self.rows(requests, partners));
          \(isPaused ? "UPDATE partners SET paused_until = '9999-12-31'" : "");
          COMMIT; PRAGMA analysis_limit = 400; ANALYZE
          """)
      }
      connection = try Connection(path: folder.database, role: .reader)
      snapshot = Snapshot(connection: connection, now: now, mail: nil)
    }

    /// A hundred requests are pending, matched or introduced, however many there are; the others are
    /// over. Times and states repeat, and the order of updates is not that of creation. What is derived
    /// from the partners is filled at once, since their triggers take a second for a thousand of them.
    private static func rows(_ requests: Int, _ partners: Int) -> String {
      """
      CREATE TEMP TABLE n AS
        WITH RECURSIVE n (i) AS
          (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(max(requests, partners)))
        SELECT i, printf('00000000-0000-7000-8000-%012d', i) AS id,
          strftime('%Y-%m-%dT%H:%M:%S.000Z', '2025-01-01', (i / 3 * 20) || ' minutes') AS time,
          strftime('%Y-%m-%dT%H:%M:%S.000Z', '2026-01-01', (i * 7919 % 19997) || ' minutes')
            AS later
        FROM n;
      INSERT INTO users (id, email, email_key, name, disabled, created_at, updated_at, words)
      SELECT id, 'user' || i || '@example.com', 'user' || i || '@example.com',
        'User ' || i, 0, time, time, 'user ' || i || ' user' || i || ' example com' FROM n WHERE i <= 500;
      INSERT INTO groups (id, name, created_at, updated_at, words)
      SELECT id, 'Group ' || i, time, time, 'group ' || i FROM n WHERE i <= 100;
      INSERT INTO group_members SELECT id, id FROM n WHERE i <= 100;
      DROP TRIGGER partner_areas_inserted;
      DROP TRIGGER partners_search_inserted;
      DROP TRIGGER coverage_counts_area_inserted;
      DROP TRIGGER partner_ranks_partner_inserted;
      INSERT INTO partners (id, user_id, type, status, company_name, contact_name, email, email_key,
        service_areas, agreement_signed_at, created_at, updated_at, name_key, public_words,
        staff_words)
      SELECT id, CASE WHEN i <= 20 THEN id END,
        CASE i % 3 WHEN 0 THEN 'lender' WHEN 1 THEN 'cpa' ELSE 'attorney' END,
        CASE i % 10 WHEN 0 THEN 'inactive' ELSE 'active' END,
        'Company ' || (i * 7919 % 19997) || CASE WHEN i IN (5, 11, 17) THEN ' Rarity' ELSE '' END,
        'Contact ' || i, 'partner' || i || '@example.com', 'partner' || i || '@example.com',
        CASE i % 3 WHEN 0 THEN '["MN","CA"]' WHEN 1 THEN '["MN"]' ELSE '["MN","WI"]' END, time, time,
        later, 'company ' || (i * 7919 % 19997),
        'company ' || (i * 7919 % 19997) || CASE WHEN i IN (5, 11, 17) THEN ' rarity ' ELSE ' ' END
          || 'contact ' || i, 'partner' || i || ' example com'
      FROM n WHERE i <= \(partners);
      INSERT INTO partner_areas (partner_number, state_code, type, active, name_key, created_at)
      SELECT number, area.value, partners.type, status = 'active', name_key, created_at
      FROM partners, json_each(service_areas) AS area;
      INSERT INTO partner_standings (partner_id) SELECT id FROM partners;
      INSERT INTO partner_ranks SELECT * FROM partner_ranks_due;
      INSERT INTO partners_search (partners_search) VALUES ('rebuild');
      UPDATE service_area_coverage SET partner_count = (SELECT count(*) FROM partner_areas AS a
        WHERE a.state_code = service_area_coverage.state_code AND a.type = partner_type AND active);
      INSERT INTO referral_requests (id, group_id, requested_by, partner_type, status, context,
        state, partner_id, intro_sent_at, outcome, created_at, updated_at, status_since)
      SELECT id, printf('00000000-0000-7000-8000-%012d', 1 + i % 100),
        printf('00000000-0000-7000-8000-%012d', 1 + i % 50), 'attorney',
        CASE WHEN i > 100 THEN 'closed' WHEN i % 3 = 0 THEN 'pending' WHEN i % 3 = 1 THEN 'matched'
          ELSE 'intro_sent' END,
        json_object('state', CASE i % 4 WHEN 0 THEN 'CA' WHEN 1 THEN NULL ELSE 'MN' END),
        CASE i % 4 WHEN 0 THEN 'CA' WHEN 1 THEN NULL ELSE 'MN' END,
        CASE WHEN i > 100 OR i % 3 > 0 THEN printf('00000000-0000-7000-8000-%012d', 1 + i % 40) END,
        CASE WHEN i > 100 OR i % 3 = 2 THEN time END, CASE WHEN i > 100 THEN 'unknown' END,
        time, later, NULL
      FROM n WHERE i <= \(requests);
      -- Their steps, which a trigger counts: up to some twelve days.
      UPDATE referral_requests SET status = 'connected', outcome = NULL,
        status_since =
          strftime('%Y-%m-%dT%H:%M:%S.000Z', created_at, (number % 200) || ' hours')
      WHERE number % 2 = 0 AND number > 100;
      UPDATE referral_requests SET status = 'closed', outcome = 'unknown',
        status_since =
          strftime('%Y-%m-%dT%H:%M:%S.000Z', status_since, (number % 280) || ' hours')
      WHERE status = 'connected';
      -- Some of the pending ones were given back before, by one that does not fit them anyway.
      INSERT INTO referral_past_partners
      SELECT number, '00000000-0000-7000-8000-000000000003' FROM referral_requests
      WHERE number % 5 = 0;
      INSERT INTO events (at, subject_kind, subject_id, kind, changes)
      SELECT time, 'referral', printf('00000000-0000-7000-8000-%012d', 1 + i % 100),
        'referral.updated', '{}' FROM n WHERE i <= \(requests);
      """
    }

    /// How many steps SQLite's machine takes for something, its statements prepared already.
    func steps<Result>(_ body: (Snapshot) throws -> Result) throws -> (count: Int, result: Result) {
      _ = try body(snapshot)
      let before = connection.steps
      let result = try body(snapshot)
      return (connection.steps - before, result)
    }

    /// The key of the row that so many rows of a table precede.
    func key(_ table: String, by columns: [String], descending: Bool, depth: Int) throws -> [String]
    {
      let direction = descending ? "DESC" : "ASC"
      let order = columns.map { "\($0) \(direction)" }.joined(separator: ", ")
      let names = columns.map { "CAST(\($0.prefix { $0 != " " }) AS TEXT)" }.joined(separator: ", ")
      return try #require(
        try connection.row(
          "SELECT \(names) FROM \(table) ORDER BY \(order) LIMIT 1 OFFSET \(depth)"
        ) {
          row in columns.indices.map { row.text($0) }
        })
    }

    /// Checks that a page far down a list costs what the second one does, and the first one but for
    /// what going on behind a key takes, which is the same everywhere.
    ///
    /// - Returns: What the first one costs.
    @discardableResult
    func expectFlat(
      _ name: String, after key: [String], _ page: (Snapshot, PageRequest) throws -> Page
    ) throws -> Int {
      let (first, start) = try steps { try page($0, PageRequest()) }
      let next = try #require(start.next, "\(name)")
      let (second, _) = try steps { try page($0, PageRequest(after: next)) }
      let (deep, found) = try steps { try page($0, PageRequest(after: key)) }
      #expect(start.items.count == 25, "\(name)")
      #expect(found.items.count == 25, "\(name)")
      #expect(first > 100, "\(name): the steps are counted")
      #expect(
        Double(deep) <= Double(second) * 1.1, "\(name): \(deep) steps far down, \(second) second")
      #expect(
        Double(deep) <= Double(first) * 1.3 + 100,
        "\(name): \(deep) steps far down, \(first) at first")
      return first
    }
  }

  private static func expectSame(_ many: Int, _ few: Int, _ name: String) {
    #expect(few > 100, "\(name): the steps are counted")
    #expect(Double(many) <= Double(few) * 1.3, "\(name): \(many) steps, \(few) among a tenth")
  }

  @Test(
    "staff's queue: a page costs the same far down, and among ten times as many, whatever is asked")
  func queue() throws {
    let many = try Crowd(requests: 12_000, partners: 200)
    let few = try Crowd(requests: 1_200, partners: 200)
    let filters: [(name: String, edit: (inout ReferralFilter) -> Void)] = [
      ("all", { _ in }), ("closed", { $0.statuses = [.closed] }),
      ("closed and pending", { $0.statuses = [.closed, .pending] }),
      (
        "attorneys in two states",
        {
          $0.types = [.attorney]
          $0.states = [.MN, .CA]
        }
      ),
      ("whose partner left", { $0.partnerStatuses = [.inactive, .removed] }),
      (
        "closed, whose partner left",
        {
          $0.statuses = [.closed]
          $0.partnerStatuses = [.inactive]
        }
      ),
      (
        "closed in one",
        {
          $0.statuses = [.closed]
          $0.states = [.MN]
        }
      ),
      ("old", { $0.createdUntil = now }),
      (
        "old and closed",
        {
          $0.createdUntil = now
          $0.statuses = [.closed]
        }
      ),
    ]
    for sort in ReferralFilter.Sort.allCases {
      for descending in [false, true] {
        let key = try many.key(
          "referral_requests", by: [sort.rawValue, "number"], descending: descending,
          depth: 10_000)
        for (name, edit) in filters {
          var filter = ReferralFilter()
          filter.order.by = sort
          filter.order.descending = descending
          edit(&filter)
          let name = "\(name), by \(sort)\(descending ? ", descending" : "")"
          let first = try many.expectFlat(name, after: key) { try $0.referrals(filter, $1) }
          let (less, _) = try few.steps { try $0.referrals(filter, PageRequest()) }
          Self.expectSame(first, less, name)
        }
      }
    }
  }

  @Test("a group's, a person's and a partner's requests, and the events: the same")
  func ownLists() throws {
    let many = try Crowd(requests: 12_000, partners: 200)
    let few = try Crowd(requests: 4_000, partners: 200)
    let filters: [(name: String, edit: (inout ReferralFilter) -> Void)] = [
      ("a group's", { $0.groupID = sampleID(1) }),
      (
        "a group's closed ones",
        {
          $0.groupID = sampleID(1)
          $0.statuses = [.closed]
        }
      ),
      ("a person's", { $0.requestedBy = sampleID(1) }),
      (
        "a partner's",
        {
          $0.partnerID = sampleID(1)
          $0.introducedOnly = true
        }
      ),
      (
        "a partner's closed ones",
        {
          $0.partnerID = sampleID(1)
          $0.introducedOnly = true
          $0.statuses = [.closed]
        }
      ),
    ]
    let key = try many.key(
      "referral_requests", by: ["created_at", "number"], descending: true, depth: 8_000)
    for (name, edit) in filters {
      var filter = ReferralFilter()
      edit(&filter)
      let first = try many.expectFlat(name, after: key) {
        try $0.referrals(filter, $1, seenBy: .member)
      }
      let (less, _) = try few.steps { try $0.referrals(filter, PageRequest(), seenBy: .member) }
      Self.expectSame(first, less, name)
    }
    let first = try many.expectFlat("all events", after: ["11000"]) { try $0.events(after: 0, $1) }
    Self.expectSame(
      first, try few.steps { try $0.events(after: 0, PageRequest()) }.count, "all events")
    let (late, page) = try many.steps { try $0.events(after: 11_000, PageRequest()) }
    #expect(page.numbers.first == 11_001)
    Self.expectSame(late, first, "events after a number")
    let own = try many.expectFlat("one request's events", after: ["6000"]) {
      try $0.events(of: .referral, sampleID(1), $1)
    }
    Self.expectSame(
      own, try few.steps { try $0.events(of: .referral, sampleID(1), PageRequest()) }.count,
      "one request's events")
  }

  @Test("the directory: a page costs the same far down, and among ten times as many partners")
  func directory() throws {
    let many = try Crowd(requests: 200, partners: 12_000)
    let few = try Crowd(requests: 200, partners: 1_200)
    for sort in DirectoryFilter.Sort.allCases {
      for descending in [false, true] {
        let column = sort == .companyName ? "name_key" : "created_at"
        let key = try many.key(
          "partners", by: [column, "number"], descending: descending, depth: 10_000)
        for (types, states) in [
          ([], []), ([.attorney, .cpa], []), ([], [.MN]), ([.attorney, .lender], [.MN, .WI]),
          ([], StateCode.allCases),
        ] as [([PartnerType], [StateCode])] {
          var filter = DirectoryFilter()
          filter.types = types
          filter.states = states
          filter.order.by = sort
          filter.order.descending = descending
          let first = try many.expectFlat("\(filter)", after: key) { try $0.directory(filter, $1) }
          let (less, _) = try few.steps { try $0.directory(filter, PageRequest()) }
          Self.expectSame(first, less, "\(filter)")
        }
      }
    }
    // Its overview and the partner's profile are of one partner.
    let (profile, _) = try many.steps { snapshot in
      let id = try #require(try snapshot.partnerID(ofUser: sampleID(5)))
      return try snapshot.view(id, of: .partners, seenBy: .partner)
    }
    #expect(profile < 150)
  }

  @Test("the directory's search: a rare word costs the same among more; a common one sorts nobody")
  func search() throws {
    let many = try Crowd(requests: 200, partners: 12_000)
    let few = try Crowd(requests: 200, partners: 2_500)
    for sort in DirectoryFilter.Sort.allCases {
      for descending in [false, true] {
        var filter = DirectoryFilter()
        filter.order.by = sort
        filter.order.descending = descending
        filter.words = "rarity"
        let (rare, page) = try many.steps { try $0.directory(filter, PageRequest()) }
        #expect(page.items.count == 3)
        let (rareAmongFew, _) = try few.steps { try $0.directory(filter, PageRequest()) }
        // The search index is a tree, which grows higher.
        Self.expectSame(rare, 2 * rareAmongFew, "a rare word")

        let column = sort == .companyName ? "name_key" : "created_at"
        let key = try many.key(
          "partners", by: [column, "number"], descending: descending, depth: 10_000)
        for (types, states) in [
          ([], []), ([.attorney], []), ([], [.WI]), ([.attorney], [.WI]),
          ([.attorney, .lender], [.MN, .CA]),
        ] as [([PartnerType], [StateCode])] {
          filter.types = types
          filter.states = states
          filter.words = "company"
          let name = "a common word, \(filter)"
          let steps = try many.expectFlat(name, after: key) { try $0.directory(filter, $1) }
          // Six steps gather a match; to look one up and sort it takes some thirty.
          #expect(steps < 8 * 12_000, "\(name): \(steps) steps")
          filter.words = nil
          let plain = try many.snapshot.directory(filter, PageRequest(after: key)).items
          filter.words = "company"
          #expect(try many.snapshot.directory(filter, PageRequest(after: key)).items == plain)
        }
      }
    }
  }

  @Test("users: many matches that are all far down the list are sorted after a short walk")
  func farDown() throws {
    let folder = try TemporaryFolder()
    let (others, matching) = (20_000, 5_500)
    try rawDatabase(in: folder).script(
      """
      BEGIN;
      WITH RECURSIVE n (i) AS
        (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(others + matching))
      INSERT INTO users (id, email, email_key, name, created_at, updated_at, words, name_key)
      SELECT printf('00000000-0000-7000-8000-%012d', i), i || '@a.example', i || '@a.example', name,
        '2026', '2026', name, name
      FROM (SELECT i, iif(i > \(others), 'zoe ', 'ann ') || printf('%05d', i * 7919 % 99991) AS name
        FROM n);
      COMMIT; PRAGMA analysis_limit = 400; ANALYZE
      """)
    let connection = try Connection(path: folder.database, role: .reader)
    let snapshot = Snapshot(connection: connection, now: now, mail: nil)
    var filter = UserFilter()
    filter.words = "zoe"
    var names: [JSON?] = []
    var request = PageRequest(limit: 100)
    repeat {
      let page = try snapshot.users(filter, request)
      names += page.items.map { $0["name"] }
      request.after = page.next
    } while request.after != nil && names.count < 1_000
    let expected = try connection.rows(
      "SELECT name FROM users WHERE name > 'b' ORDER BY name LIMIT 1000"
    ) { JSON.string($0.text(0)) }
    #expect(names == expected)
    // The first page costs a walk that is given up, and the sort of all matches.
    _ = try snapshot.users(filter, PageRequest())
    let before = connection.steps
    _ = try snapshot.users(filter, PageRequest())
    let steps = connection.steps - before
    #expect(steps > 1_000 * Search.thousandSteps, "\(steps)")
    #expect(steps < 1_000 * Search.thousandSteps + 40 * matching, "\(steps)")
  }

  @Test("staff's partners: the same with their words")
  func partners() throws {
    let many = try Crowd(requests: 200, partners: 12_000)
    for sort in PartnerFilter.Sort.allCases {
      let column = sort == .companyName ? "name_key" : sort.rawValue
      let key = try many.key("partners", by: [column, "number"], descending: true, depth: 10_000)
      for statuses in [[], [.active]] as [[PartnerStatus]] {
        var filter = PartnerFilter()
        filter.order.by = sort
        filter.statuses = statuses
        try many.expectFlat("\(filter)", after: key) { try $0.partners(filter, $1) }
        filter.words = "example com"
        let steps = try many.expectFlat("\(filter)", after: key) { try $0.partners(filter, $1) }
        #expect(steps < 8 * 12_000, "\(filter): \(steps) steps")
      }
    }
  }

  @Test("candidates and recommendations: the same, whether a state is named or not")
  func candidates() throws {
    let many = try Crowd(requests: 200, partners: 12_000)
    let few = try Crowd(requests: 200, partners: 1_200)
    for state in [.MN, nil] as [StateCode?] {
      let request = Referral.sample(9_999, state: state)
      func page(_ snapshot: Snapshot, _ page: PageRequest) throws -> Page {
        try Page { try snapshot.candidates(for: request, page, to: &$0) { _, _, _ in } }
      }
      let key = try many.key(
        """
        (SELECT 1 - uncertified AS certified, open_referrals, last_intro_at, partner_id
         FROM partner_ranks WHERE state_code = '\(state?.rawValue ?? "")' AND type = 'attorney')
        """,
        by: ["certified", "open_referrals", "last_intro_at", "partner_id"], descending: false,
        depth: 3_500)
      // The key follows the part of the list: 0, those that are not left out.
      let first = try many.expectFlat("\(state as Any)", after: ["0"] + key, page)
      Self.expectSame(first, try few.steps { try page($0, PageRequest()) }.count, "candidates")
    }
    func recommend(_ snapshot: Snapshot) throws -> Page {
      try Page {
        try snapshot.recommendations(
          forGroup: sampleID(1), type: .attorney, state: .MN, limit: 10, to: &$0
        ) { _, _ in }
        return nil
      }
    }
    let (steps, page) = try many.steps(recommend)
    #expect(page.items.count == 10)
    Self.expectSame(steps, try few.steps(recommend).count, "recommendations")
  }

  @Test("candidates that are left out: a page costs the same far down, and sorts nobody")
  func leftOut() throws {
    let crowd = try Crowd(requests: 200, partners: 12_000, isPaused: true)
    for state in [.MN, nil] as [StateCode?] {
      let request = Referral.sample(9_999, state: state)
      func steps(_ depth: Int) throws -> Int {
        let key = try crowd.key(
          """
          (SELECT 1 - uncertified AS certified, open_referrals, last_intro_at, partner_id
           FROM partner_ranks WHERE state_code = '\(state?.rawValue ?? "")' AND type = 'attorney')
          """,
          by: ["certified", "open_referrals", "last_intro_at", "partner_id"], descending: false,
          depth: depth)
        let (count, page) = try crowd.steps { snapshot in
          try Page {
            try snapshot.candidates(
              for: request, includingLeftOut: true, PageRequest(after: ["1"] + key), to: &$0
            ) { _, reasons, _ in #expect(reasons.contains(.paused)) }
          }
        }
        #expect(page.items.count == 25)
        return count
      }
      Self.expectSame(try steps(3_500), try steps(100), "left out, \(state as Any)")
      #expect(try crowd.steps { try $0.staffSummary() }.result.withoutCandidates == 33)
    }
  }

  @Test(
    "staff's overview costs the same for ten times as many requests that are over, and partners")
  func summary() throws {
    let (small, few) = try Crowd(requests: 1_200, partners: 200).steps { try $0.staffSummary() }
    let (large, many) = try Crowd(requests: 12_000, partners: 2_000)
      .steps { try $0.staffSummary() }
    // Both know of all of them.
    #expect(few.counts.reduce(0) { $0 + $1.count } == 1_200)
    #expect(many.counts.reduce(0) { $0 + $1.count } == 12_000)
    #expect(few.pendingOlderThan7Days == 33)
    #expect(many.pendingOlderThan7Days == 33)
    #expect(few.withoutCandidates == many.withoutCandidates)
    #expect(few.medianDays.last?.days != nil)
    #expect(many.medianDays.last?.days != nil)
    Self.expectSame(large, small, "the overview")
  }
}
