import CSQLite
import Domain
import JSON
import Testing

@testable import SQLite
@testable import Store

/// A database of some size, its tables' statistics gathered as the service does now and then, or not.
private final class Plans {
  private let folder: TemporaryFolder
  let connection: Connection
  let snapshot: Snapshot

  static let partners = 3_000
  static let referrals = 6_000

  init(analyzed: Bool) throws {
    folder = try TemporaryFolder()
    do {
      let writer = try rawDatabase(in: folder)
      try writer.script("BEGIN; \(Self.rows); COMMIT")
      if analyzed { try writer.script("PRAGMA analysis_limit = 400; ANALYZE") }
    }
    connection = try Connection(path: folder.database, role: .reader)
    snapshot = Snapshot(connection: connection, now: now, mail: nil)
  }

  /// Most partners are active and most requests closed; each group has one open request at most.
  private static let rows = """
    CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
    SELECT i, printf('00000000-0000-7000-8000-%012d', i) AS id,
      printf('2026-01-%02dT%02d:%02d:00.000Z', 1 + i / 600 % 28, i / 25 % 24, i % 60) AS time FROM n;
    INSERT INTO users (id, email, email_key, name, disabled, created_at, updated_at, words, name_key)
    SELECT id, 'user' || i || '@example.com', 'user' || i || '@example.com',
      'User ' || i, i % 20 = 0, time, time, 'user ' || i || ' user' || i || ' example com', 'user ' || i
    FROM n WHERE i <= 2500;
    INSERT INTO groups (id, name, state, created_at, updated_at, words, name_key)
    SELECT id, 'Group ' || i, CASE i % 3 WHEN 0 THEN 'MN' WHEN 1 THEN 'CA' END, time, time, 'group ' || i,
      'group ' || i
    FROM n WHERE i <= 2500;
    INSERT INTO group_members
    SELECT n.id, printf('00000000-0000-7000-8000-%012d', 1 + (i + m.value) % 2500)
    FROM n JOIN json_each('[0, 1]') AS m WHERE i <= 2500;
    INSERT INTO partners (id, type, status, company_name, name_key, public_words, company_words, email, email_key,
      service_areas,
      agreement_signed_at, created_at, updated_at)
    SELECT id, CASE i % 7 WHEN 0 THEN 'lender' WHEN 1 THEN 'cpa' ELSE 'attorney' END,
      CASE i % 10 WHEN 0 THEN 'invited' WHEN 1 THEN 'removed' ELSE 'active' END,
      'Company ' || (i * 7919 % 3000), 'company ' || (i * 7919 % 3000), 'company ' || (i * 7919 % 3000),
      'company ' || (i * 7919 % 3000), 'partner' || i || '@example.com', 'partner' || i || '@example.com',
      CASE i % 3 WHEN 0 THEN '["MN","CA"]' WHEN 1 THEN '["MN"]' ELSE '["TX","WI"]' END, time, time,
      time FROM n WHERE i <= \(partners);
    UPDATE partners SET pending_changes = '{"website":null}'
    WHERE status = 'active' AND number % 50 = 3;
    INSERT INTO referral_requests (id, group_id, requested_by, partner_type, status, context,
      state, partner_id, intro_sent_at, outcome, created_at, updated_at, status_since, assigned_to,
      follow_up_on)
    SELECT id, printf('00000000-0000-7000-8000-%012d', 1 + i % 1500),
      printf('00000000-0000-7000-8000-%012d', 1 + i % 600), 'attorney',
      CASE WHEN i > 1500 THEN 'closed' WHEN i % 3 = 0 THEN 'pending' WHEN i % 3 = 1 THEN 'matched'
        ELSE 'intro_sent' END,
      json_object('state', CASE i % 4 WHEN 0 THEN 'CA' WHEN 1 THEN NULL ELSE 'MN' END),
      CASE i % 4 WHEN 0 THEN 'CA' WHEN 1 THEN NULL ELSE 'MN' END,
      CASE WHEN i > 1500 OR i % 3 > 0 THEN printf('00000000-0000-7000-8000-%012d', 1 + i % 40) END,
      CASE WHEN i > 1500 OR i % 3 = 2 THEN time END, CASE WHEN i > 1500 THEN 'unknown' END,
      time, time, time, CASE WHEN i % 4 > 0 THEN printf('00000000-0000-7000-8000-%012d', i % 4) END,
      CASE WHEN i % 2 = 0 THEN '2026-02-0' || (1 + i % 9) END FROM n WHERE i <= \(referrals);
    INSERT INTO events (at, actor_id, subject_kind, subject_id, kind, changes)
    SELECT time,
      CASE WHEN i % 3 > 0 THEN printf('00000000-0000-7000-8000-%012d', 1 + i % 3) END,
      CASE i % 10 WHEN 0 THEN 'referral' WHEN 1 THEN 'user' ELSE 'partner' END,
      printf('00000000-0000-7000-8000-%012d', 1 + i % 300),
      CASE i % 10 WHEN 0 THEN 'referral.matched' WHEN 1 THEN 'user.updated' WHEN 2 THEN 'partner.created'
        ELSE 'partner.updated' END, '{}' FROM n;
    """

  /// Sets a day to follow up on so many requests.
  func addFollowUps(_ count: Int) throws {
    try Connection(path: folder.database, role: .writer).script(
      "UPDATE referral_requests SET follow_up_on = '2026-02-01' WHERE number <= \(count)")
  }

  /// What is wrong with how SQLite would get a page.
  ///
  /// - Parameters:
  ///   - alias: The table that is walked.
  ///   - cursor: The column in which a deep page begins; nil: the page is the first.
  ///   - maySort: Whether the rows of one arm are so few that they may be sorted.
  func problems(
    with list: List, alias: String, _ page: PageRequest, cursor: String?, maySort: Bool = false
  ) throws -> [String] {
    let (sql, arguments) = try list.statement(for: page)
    let steps = try connection.rows("EXPLAIN QUERY PLAN " + sql, arguments: arguments) {
      (parent: $0.int(1), detail: $0.text(3))
    }
    let isMerged = sql.contains(") AS found")
    var problems: [String] = []
    var sorts = 0
    for (parent, detail) in steps {
      if detail.contains("AUTOMATIC") { problems.append(detail) }
      let words = detail.split(separator: " ")
      switch words.first {
      case "SCAN" where ["found", "(subquery"].contains(words[1].prefix { $0 != "-" }):
        break
      case "SCAN" where words[1] == alias && words.count > 2 && !(isMerged && parent == 0):
        if cursor != nil && !maySort { problems.append(detail) }
      case "SCAN" where detail.contains("VIRTUAL TABLE"):
        // A search.
        break
      case "SCAN" where detail.hasSuffix("INDEX tokens_of_staff"):
        // The tokens of staff are few.
        break
      case "SCAN":
        problems.append(detail)
      case "SEARCH" where words[1] == alias && !(isMerged && parent == 0):
        if let cursor, !maySort,
          ![
            "\(cursor)<?", "\(cursor)>?", "(\(cursor),partner_number)<",
            "(\(cursor),partner_number)>", "(\(cursor),id)<", "(\(cursor),id)>",
          ]
          .contains(where: detail.contains)
        {
          problems.append("not from the cursor on: \(detail)")
        }
      case "USE" where detail.contains("ORDER BY"):
        sorts += 1
        if !(isMerged && parent == 0) && !maySort { problems.append(detail) }
      default:
        break
      }
    }
    if isMerged {
      if sorts > 1 && !maySort { problems.append("sorts \(sorts) times") }
    }
    return problems
  }

  /// How many steps SQLite's machine takes for a page, and what is on it.
  func steps(_ page: (Snapshot) throws -> Page) throws -> (Int, Page) {
    // Once to prepare the statements.
    _ = try page(snapshot)
    let before = connection.steps
    let page = try page(snapshot)
    return (connection.steps - before, page)
  }
}

/// Every choice of one value from each array, for the body.
private func forEach<A, B, C>(_ a: [A], _ b: [B], _ c: [C], _ body: (A, B, C) throws -> Void)
  rethrows
{
  for a in a { for b in b { for c in c { try body(a, b, c) } } }
}

@Suite("Query plans")
struct QueryPlanTests {
  @Test(
    "requests: whatever is asked for, a page is found along an index, from its cursor on, unsorted",
    arguments: [false, true])
  func referrals(analyzed: Bool) throws {
    let plans = try Plans(analyzed: analyzed)
    var found: [String] = []
    let ids = [nil, sampleID(3)]
    try forEach(ids, ids, ids) { group, partner, requester in
      try forEach(
        [[], [.pending], [.pending, .closed, .matched]] as [[ReferralStatus]],
        [[], [.MN], [.MN, .CA, .TX]] as [[StateCode]], [false, true]
      ) { statuses, states, isNarrowed in
        try forEach(ReferralFilter.Sort.allCases, [true, false], [true, false]) {
          sort, descending, isDeep in
          var filter = ReferralFilter()
          filter.groupID = group
          filter.partnerID = partner
          filter.requestedBy = requester
          filter.statuses = statuses
          filter.states = states
          if isNarrowed {
            filter.types = [.attorney, .cpa]
            filter.createdUntil = minute(0)
            filter.introducedOnly = true
          }
          filter.order.by = sort
          filter.order.descending = descending
          // By their update, the few requests of a group, a partner or a person are sorted.
          let maySort =
            sort != .createdAt && (group != nil || partner != nil || requester != nil)
          let page = PageRequest(after: isDeep ? ["2026-01-05T00:00:00.000Z", "900"] : nil)
          for audience in [Audiences.member, .partner, .staff] {
            let list = try plans.snapshot.referralList(filter, seenBy: audience)
            let problems = try plans.problems(
              with: list, alias: "r", page,
              cursor: isDeep ? sort.rawValue : nil, maySort: maySort)
            if !problems.isEmpty {
              found.append("\(problems) for \(filter), \(audience)\(isDeep ? ", deep" : "")")
            }
          }
        }
      }
    }
    #expect(found.isEmpty, "\(found.count) of them, such as \(found.prefix(3))")
  }

  @Test("messages: each filter is found along an index, newest first", arguments: [false, true])
  func messages(analyzed: Bool) throws {
    let plans = try Plans(analyzed: analyzed)
    var found: [String] = []
    try forEach(
      [[], [.queued], [.sent, .failed]] as [[MessageStatus]],
      [[], [.signIn], [.requestNew, .introductionGroup]] as [[MessageKind]], [0, 1, 2, 3]
    ) { statuses, kinds, subject in
      for isDeep in [true, false] {
        var filter = MessageFilter()
        filter.statuses = statuses
        filter.kinds = kinds
        if subject == 1 { filter.referralID = sampleID(3) }
        if subject == 2 { filter.partnerID = sampleID(3) }
        if subject == 3 { filter.address = "a@b.example" }
        let (sql, arguments) = try plans.snapshot.messageList(filter)
          .statement(for: PageRequest(after: isDeep ? ["900"] : nil))
        let plan = try plans.connection.rows("EXPLAIN QUERY PLAN " + sql, arguments: arguments) {
          $0.text(3)
        }
        // Without a filter, the table itself has the order.
        let isPlain = statuses.isEmpty && kinds.isEmpty && subject == 0
        let isScan = plan.contains { $0.hasPrefix("SCAN m") } && !isPlain
        let sorts = plan.filter { $0.hasPrefix("USE TEMP B-TREE") }.count
        if isScan || sorts > (sql.contains(") AS found") ? 1 : 0) {
          found.append("\(plan) for \(filter)")
        }
      }
    }
    #expect(found.isEmpty, "\(found.count) of them, such as \(found.prefix(3))")
  }

  @Test(
    "what the mailer looks for again and again is found along an index", arguments: [false, true])
  func mailer(analyzed: Bool) throws {
    let plans = try Plans(analyzed: analyzed)
    for (sql, arguments) in [
      (Snapshot.dueReferrals, ["intro_sent", "2026-01-02", "2026-01-01", "x", 9]),
      (Snapshot.dueCredentials, ["2026-01-02", "2026-01-09", 7, 9]),
      (Snapshot.dueAvailability, [9]),
      (
        "SELECT due_at FROM messages WHERE status = 'queued' ORDER BY due_at LIMIT 1", []
      ),
    ] as [(String, [any Bindable])] {
      let plan = try plans.connection.rows("EXPLAIN QUERY PLAN " + sql, arguments: arguments) {
        $0.text(3)
      }
      // The coverage has 306 rows.
      let scans = plan.filter {
        $0.hasPrefix("SCAN") && !$0.hasPrefix("SCAN a") && !$0.contains("USING COVERING INDEX")
      }
      #expect(scans.isEmpty, "\(plan)")
    }
  }

  @Test("requests of partners that left: the same", arguments: [false, true])
  func referralsByPartnerStatus(analyzed: Bool) throws {
    let plans = try Plans(analyzed: analyzed)
    var found: [String] = []
    try forEach(
      [[.inactive, .removed], [.removed], [.active]] as [[PartnerStatus]],
      [[], [.introSent], [.introSent, .closed]] as [[ReferralStatus]], [nil, sampleID(3)]
    ) { partnerStatuses, statuses, group in
      try forEach(ReferralFilter.Sort.allCases, [true, false], [true, false]) {
        sort, descending, isDeep in
        var filter = ReferralFilter()
        filter.partnerStatuses = partnerStatuses
        filter.statuses = statuses
        filter.groupID = group
        filter.order.by = sort
        filter.order.descending = descending
        let page = PageRequest(after: isDeep ? ["2026-01-05T00:00:00.000Z", "900"] : nil)
        let list = try plans.snapshot.referralList(filter, seenBy: .staff)
        let problems = try plans.problems(
          with: list, alias: "r", page, cursor: isDeep ? sort.rawValue : nil,
          maySort: sort != .createdAt && group != nil)
        let (sql, arguments) = try list.statement(for: page)
        let plan = try plans.connection.rows("EXPLAIN QUERY PLAN " + sql, arguments: arguments) {
          $0.text(3)
        }
        let isByStatus = plan.contains { $0.contains("referral_requests_by_partner_status") }
        if !problems.isEmpty || isByStatus != (group == nil && partnerStatuses != [.active]) {
          found.append("\(problems) \(plan) for \(filter)\(isDeep ? ", deep" : "")")
        }
      }
    }
    #expect(found.isEmpty, "\(found.count) of them, such as \(found.prefix(3))")
  }

  @Test("requests of the working list: the same", arguments: [false, true])
  func workingList(analyzed: Bool) throws {
    let plans = try Plans(analyzed: analyzed)
    var found: [String] = []
    let assignees: [ReferralFilter.Assignee?] = [nil, .nobody, .user(sampleID(3))]
    try forEach(
      assignees, [[], [.introSent], [.introSent, .closed]] as [[ReferralStatus]],
      [nil, minute(0)] as [Timestamp?]
    ) { assignee, statuses, until in
      try forEach(ReferralFilter.Sort.allCases, [true, false], [true, false]) {
        sort, descending, isDeep in
        var filter = ReferralFilter()
        filter.assignee = assignee
        filter.statuses = statuses
        filter.statusUntil = until
        filter.order = (sort, descending)
        let page = PageRequest(after: isDeep ? ["2026-01-05T00:00:00.000Z", "900"] : nil)
        let list = try plans.snapshot.referralList(filter, seenBy: .staff)
        let problems = try plans.problems(
          with: list, alias: "r", page, cursor: isDeep ? sort.rawValue : nil)
        if !problems.isEmpty { found.append("\(problems) for \(filter)\(isDeep ? ", deep" : "")") }
      }
    }
    #expect(found.isEmpty, "\(found.count) of them, such as \(found.prefix(3))")
  }

  @Test(
    "a search and the days to follow up read few requests by their numbers; many are walked in order",
    arguments: [false, true])
  func fewAndMany(analyzed: Bool) throws {
    let plans = try Plans(analyzed: analyzed)
    var found: [String] = []
    try forEach(
      [
        // A search, a day to follow up, and whether few requests match.
        ("user 17", nil, true), ("group 12 user", nil, true), ("company 1919", nil, true),
        ("user group company", nil, false), ("example", nil, false), ("group", nil, false),
        (nil, "2026-02-01", true), (nil, "2026-02-09", true),
      ] as [(String?, String?, Bool)],
      [[], [.introSent], [.introSent, .closed]] as [[ReferralStatus]], [true, false]
    ) { trial, statuses, isDeep in
      let matches = try trial.0.map { try #require(try plans.snapshot.referralMatches($0)) }
      if let matches { #expect((matches.way == .sort) == trial.2, "\(trial)") }
      try forEach(
        ReferralFilter.Sort.allCases, [true, false], [nil, .nobody] as [ReferralFilter.Assignee?]
      ) {
        sort, descending, assignee in
        var filter = ReferralFilter()
        filter.followUpUntil = trial.1
        filter.statuses = statuses
        filter.assignee = assignee
        filter.order = (sort, descending)
        let page = PageRequest(after: isDeep ? ["2026-01-05T00:00:00.000Z", "900"] : nil)
        // Either way is taken for many matches.
        for way in matches == nil ? [.sort] : Search.Way.allCases {
          let list = try plans.snapshot.referralList(
            filter, seenBy: .staff, matches.map { $0.found(by: way) })
          let (sql, arguments) = try list.statement(for: page)
          let plan = try plans.connection.rows("EXPLAIN QUERY PLAN " + sql, arguments: arguments) {
            $0.text(3)
          }
          let isByNumber = plan.contains("SEARCH r USING INTEGER PRIMARY KEY (rowid=?)")
          let isMerged = sql.contains(") AS found")
          if way == .sort ? !isByNumber || isMerged : isByNumber && !isMerged {
            found.append("\(plan) for \(filter)")
          }
          let isScan = plan.contains { step in
            step.hasPrefix("SCAN") && !step.contains("VIRTUAL TABLE")
              && !step.contains("USING INDEX") && !step.contains("USING COVERING INDEX")
              && !step.contains("found") && !step.contains("subquery")
          }
          let sorts = plan.filter { $0.hasSuffix("ORDER BY") && $0.hasPrefix("USE") }.count
          if way == .walk, sorts > (isMerged ? 1 : 0) { found.append("\(plan) for \(filter)") }
          if isScan { found.append("\(plan) for \(filter)") }
        }
      }
    }
    #expect(found.isEmpty, "\(found.count) of them, such as \(found.prefix(3))")
  }

  @Test("many requests to follow up are walked in their order")
  func manyFollowUps() throws {
    let plans = try Plans(analyzed: true)
    try plans.addFollowUps(5_000)
    var filter = ReferralFilter()
    filter.followUpUntil = "2026-02-09"
    let list = try plans.snapshot.referralList(filter, seenBy: .staff)
    let (sql, arguments) = try list.statement(for: PageRequest())
    let plan = try plans.connection.rows("EXPLAIN QUERY PLAN " + sql, arguments: arguments) {
      $0.text(3)
    }
    #expect(plan.contains { $0.contains("USING INDEX referral_requests_by_creation") }, "\(plan)")
    #expect(!plan.contains { $0.contains("TEMP B-TREE") }, "\(plan)")
  }

  @Test("a search with very many matches walks the requests in their order, and finds them all")
  func manyRequests() throws {
    let plans = try Plans(analyzed: true)
    func all(_ filter: ReferralFilter) throws -> [ID?] {
      var ids: [ID?] = []
      var request = PageRequest(limit: 100)
      repeat {
        let page = try plans.snapshot.referrals(filter, request)
        ids += page.ids
        request.after = page.next
      } while request.after != nil
      return ids
    }
    for sort in ReferralFilter.Sort.allCases {
      for (words, statuses) in [
        ("example", []), ("group", [.closed]), ("user", [.pending, .closed]),
      ] as [(String, [ReferralStatus])] {
        var filter = ReferralFilter()
        filter.statuses = statuses
        filter.order.by = sort
        let expected = try all(filter)
        filter.words = words
        #expect(try all(filter) == expected)
        let (steps, page) = try plans.steps { try $0.referrals(filter, PageRequest()) }
        #expect(page.items.count == 25)
        // It counts the matches up to a limit, but sorts none.
        #expect(steps < 200_000)
      }
    }
  }

  @Test("overdue follow-ups are counted along an index")
  func overdue() throws {
    let plans = try Plans(analyzed: false)
    let steps = try plans.connection.rows(
      "EXPLAIN QUERY PLAN " + Snapshot.overdueFollowUps, "a", "b", "c", "d", "2026-01-01"
    ) { $0.text(3) }
    #expect(
      steps == [
        "SEARCH referral_requests USING COVERING INDEX referral_requests_by_follow_up (status=? AND follow_up_on<?)"
      ])
  }

  @Test("staff's partners: the same", arguments: [false, true])
  func partners(analyzed: Bool) throws {
    let plans = try Plans(analyzed: analyzed)
    var found: [String] = []
    try forEach(
      [[], [.attorney], [.attorney, .cpa]] as [[PartnerType]],
      [[], [.active], [.active, .removed]] as [[PartnerStatus]],
      [[], [.MN], [.MN, .CA]] as [[StateCode]]
    ) { types, statuses, states in
      try forEach(
        PartnerFilter.Sort.allCases.flatMap { sort in [nil, true, false].map { (sort, $0) } },
        [true, false], [true, false]
      ) { choice, descending, isDeep in
        let (sort, hasPendingChanges) = choice
        var filter = PartnerFilter()
        filter.types = types
        filter.statuses = statuses
        filter.states = states
        filter.hasPendingChanges = hasPendingChanges
        filter.order.by = sort
        filter.order.descending = descending
        let list = plans.snapshot.partnerList(filter)
        let page = PageRequest(after: isDeep ? ["2026-01-05T00:00:00.000Z", "900"] : nil)
        let problems = try plans.problems(
          with: list, alias: "p", page, cursor: isDeep ? list.sort : nil)
        if !problems.isEmpty { found.append("\(problems) for \(filter)\(isDeep ? ", deep" : "")") }
      }
    }
    #expect(found.isEmpty, "\(found.count) of them, such as \(found.prefix(3))")
  }

  @Test("the public directory: the same", arguments: [false, true])
  func directory(analyzed: Bool) throws {
    let plans = try Plans(analyzed: analyzed)
    var found: [String] = []
    try forEach(
      [[], [.attorney], [.attorney, .cpa]] as [[PartnerType]],
      [[], [.MN], [.MN, .CA], StateCode.allCases] as [[StateCode]], [true, false]
    ) { types, states, isDeep in
      for sort in DirectoryFilter.Sort.allCases {
        for descending in [true, false] {
          var filter = DirectoryFilter()
          filter.types = types
          filter.states = states
          filter.order.by = sort
          filter.order.descending = descending
          for languages in [[], [LanguageCode("es")!, LanguageCode("so")!]] {
            filter.languages = languages
            let list = try #require(try plans.snapshot.directoryList(filter))
            let page = PageRequest(after: isDeep ? ["company 5", "900"] : nil)
            let problems = try plans.problems(
              with: list, alias: list.walked.alias, page, cursor: isDeep ? list.sort : nil)
            if !problems.isEmpty {
              found.append("\(problems) for \(filter)\(isDeep ? ", deep" : "")")
            }
          }
        }
      }
    }
    #expect(found.isEmpty, "\(found.count) of them, such as \(found.prefix(3))")
  }

  @Test("events: the same, for each combination of filters", arguments: [false, true])
  func events(analyzed: Bool) throws {
    let plans = try Plans(analyzed: analyzed)
    var found: [String] = []
    try forEach(
      [[], [.partnerUpdated], [.partnerUpdated, .userErased]] as [[EventKind]],
      [nil, sampleID(7).text] as [String?],
      [nil, sampleID(1), sampleID(99)] as [ID?]
    ) { kinds, subject, actor in
      try forEach(
        [nil, .partner, .token] as [SubjectKind?], [nil, 5] as [Int?], [true, false]
      ) { subjectKind, after, isDeep in
        for descending in [true, false] {
          var filter = EventFilter()
          filter.kinds = kinds
          filter.subjectID = subject
          filter.subjectKind = subjectKind
          filter.actor = actor
          filter.after = after
          filter.order.descending = descending
          let page = PageRequest(after: isDeep ? ["3000"] : nil)
          guard let list = try plans.snapshot.eventList(filter) else { continue }
          // All events are in the order of their numbers.
          let problems = try plans.problems(
            with: list, alias: "e", page, cursor: isDeep ? "rowid" : nil
          ).filter { $0 != "SCAN e" }
          if !problems.isEmpty {
            found.append("\(problems) for \(filter)\(isDeep ? ", deep" : "")")
          }
          let (steps, _) = try plans.steps { try $0.events(filter, page) }
          if steps > 12_000 { found.append("\(steps) steps for \(filter)") }
        }
      }
    }
    #expect(found.isEmpty, "\(found.count) of them, such as \(found.prefix(3))")
  }

  @Test("users, groups and tokens: the same", arguments: [false, true])
  func accounts(analyzed: Bool) throws {
    let plans = try Plans(analyzed: analyzed)
    var found: [String] = []
    try forEach(
      [nil] + Search.Way.allCases, AccountSort.allCases, [true, false]
    ) { way, sort, descending in
      let users = try way.map {
        try #require(try plans.snapshot.userMatches("user 17")).found(by: $0)
      }
      let groups = try way.map {
        try #require(try plans.snapshot.groupMatches("user 17")).found(by: $0)
      }
      for isDeep in [true, false] {
        let page = PageRequest(after: isDeep ? ["user 5", sampleID(900).text] : nil)
        let isStaff = [nil, false, true] as [Bool?]
        for (isDisabled, isStaff) in zip(
          [nil, true, false, nil, true, false], isStaff + isStaff.reversed())
        {
          var filter = UserFilter()
          filter.isDisabled = isDisabled
          filter.isStaff = isStaff
          let users = isStaff == true ? plans.snapshot.staffMatches("user 17") : users
          let way = isStaff == true ? .sort : way
          filter.order = (sort, descending)
          let list = plans.snapshot.userList(filter, users)
          let problems = try plans.problems(
            with: list, alias: "u", page, cursor: isDeep ? list.sort : nil, maySort: way == .sort)
          if !problems.isEmpty {
            found.append("\(problems) for \(filter)\(isDeep ? ", deep" : "")")
          }
        }
        for states in [[], [.MN], [.MN, .WY]] as [[StateCode]] {
          for member in [nil, sampleID(7)] as [ID?] {
            var filter = GroupFilter()
            filter.states = states
            filter.member = member
            filter.order = (sort, descending)
            let list = plans.snapshot.groupList(filter, groups)
            let problems = try plans.problems(
              with: list, alias: "g", page, cursor: isDeep ? list.sort : nil,
              maySort: way == .sort || member != nil)
            if !problems.isEmpty {
              found.append("\(problems) for \(filter)\(isDeep ? ", deep" : "")")
            }
          }
        }
      }
    }
    for cursor in [nil, [sampleID(900).text]] as [[String]?] {
      let problems = try plans.problems(
        with: plans.snapshot.tokenList(of: sampleID(1)), alias: "t", PageRequest(after: cursor),
        cursor: cursor.map { _ in "id" })
      if !problems.isEmpty { found.append("\(problems) for tokens") }
    }
    #expect(found.isEmpty, "\(found.count) of them, such as \(found.prefix(3))")
  }

  @Test("users and groups: either way to find the matches of a page finds the same")
  func ways() throws {
    let plans = try Plans(analyzed: true)
    let users = try #require(try plans.snapshot.userMatches("user example"))
    let groups = try #require(try plans.snapshot.groupMatches("user"))
    func page(_ list: List) throws -> (steps: Int, Page) {
      try plans.steps { snapshot in
        try Page { try list.write(PageRequest(), on: snapshot.connection, to: &$0) }
      }
    }
    for sort in AccountSort.allCases {
      for descending in [false, true] {
        var userFilter = UserFilter()
        userFilter.order = (sort, descending)
        var groupFilter = GroupFilter()
        groupFilter.order = (sort, descending)
        let lists = { (way: Search.Way) in
          [
            plans.snapshot.userList(userFilter, users.found(by: way)),
            plans.snapshot.groupList(groupFilter, groups.found(by: way)),
          ]
        }
        for (walked, sorted) in zip(lists(.walk), lists(.sort)) {
          let (few, found) = try page(walked)
          let (many, same) = try page(sorted)
          #expect(found.items.count == 25 && same == found)
          // The walk ends with the page.
          #expect(few < 12_000 && few < many, "\(few), \(many)")
        }
      }
    }
  }

  @Test("a page costs the same however deep it lies")
  func flat() throws {
    let plans = try Plans(analyzed: true)
    var statuses = ReferralFilter()
    statuses.statuses = [.closed, .pending, .matched]
    var states = ReferralFilter()
    states.states = [.MN, .CA]
    var byUpdate = ReferralFilter()
    byUpdate.order.by = .updatedAt
    byUpdate.order.descending = false
    var old = ReferralFilter()
    old.createdUntil = minute(0)
    var oldAndPending = statuses
    oldAndPending.createdUntil = minute(0)
    for filter in [ReferralFilter(), statuses, states, byUpdate, old, oldAndPending] {
      try expectFlat("\(filter)", plans) { try $0.referrals(filter, $1) }
    }
    for sort in PartnerFilter.Sort.allCases {
      var filter = PartnerFilter()
      filter.order.by = sort
      try expectFlat("\(sort)", plans) { try $0.partners(filter, $1) }
    }
    var places = DirectoryFilter()
    places.states = [.MN, .TX]
    var types = DirectoryFilter()
    types.types = [.attorney, .lender]
    types.order.descending = true
    for filter in [DirectoryFilter(), places, types] {
      try expectFlat("\(filter)", plans) { try $0.directory(filter, $1) }
    }
    try expectFlat("events", plans) { try $0.events(after: 0, $1) }
  }

  private func expectFlat(
    _ name: String, _ plans: Plans, _ page: (Snapshot, PageRequest) throws -> Page
  ) throws {
    let (first, start) = try plans.steps { try page($0, PageRequest()) }
    var next = try #require(start.next)
    for _ in 0..<15 {
      next = try #require(try page(plans.snapshot, PageRequest(limit: 100, after: next)).next)
    }
    let (deep, _) = try plans.steps { try page($0, PageRequest(after: next)) }
    #expect(first > 100, "\(name): the steps are counted")
    #expect(deep < first * 2, "\(name): \(deep) steps deep in the list, \(first) at its start")
  }

  @Test("a quota looks at one day of one caller, unsorted", arguments: [false, true])
  func quotas(analyzed: Bool) throws {
    let plans = try Plans(analyzed: analyzed)
    for (sql, step) in [
      (
        Change.requestBeforeLast,
        "SEARCH referral_requests USING COVERING INDEX referral_requests_by_group (group_id=? AND created_at>?)"
      ),
      (
        Change.partnerChangeBeforeLast,
        "SEARCH events USING INDEX events_by_actor (actor_id=? AND at>?)"
      ),
    ] {
      #expect(
        try plans.connection.rows("EXPLAIN QUERY PLAN " + sql, "a", "2026", 30) { $0.text(3) }
          == [step])
    }
  }

  /// The steps of a statement's plan.
  private func plan(_ sql: String, _ arguments: any Bindable..., on plans: Plans) throws -> [String]
  {
    try plans.connection.rows("EXPLAIN QUERY PLAN " + sql, arguments: arguments) { $0.text(3) }
  }

  @Test("overviews count along indexes alone", arguments: [false, true])
  func overviews(analyzed: Bool) throws {
    let plans = try Plans(analyzed: analyzed)
    let unanswered = try plan(Snapshot.unanswered, "2026", on: plans)
    #expect(
      unanswered == [
        "SEARCH referral_requests USING COVERING INDEX referral_requests_by_status_since "
          + "(status=? AND status_since<?)"
      ])
    #expect(
      try plan(Snapshot.declinesForReason, "other", "2025", on: plans) == [
        "SEARCH declines USING COVERING INDEX declines_by_reason (reason_code=? AND declined_at>?)"
      ])
    let review = try plan(Snapshot.changesToReview, on: plans)
    #expect(review.count == 1)
    #expect(review.first?.contains("INDEX partners_to_review_by_") == true, "\(review)")
  }

  @Test("a partner's answers and a state's fairness: the same, unsorted", arguments: [false, true])
  func fairness(analyzed: Bool) throws {
    let plans = try Plans(analyzed: analyzed)
    let answers = try plan(Snapshot.answers, sampleID(3).text, "2025", on: plans)
    for step in [
      "SEARCH declines USING INDEX declines_by_partner (partner_id=? AND declined_at>?)",
      "SEARCH referral_requests USING INDEX referral_requests_by_",
    ] {
      #expect(answers.contains { $0.hasPrefix(step) }, "\(answers)")
    }
    let shares = try plan(Snapshot.shares, "MN", "attorney", "2025", on: plans)
    for step in [
      "SEARCH k USING PRIMARY KEY (state_code=? AND type=?)",
      "SEARCH r USING COVERING INDEX referral_requests_by_introduction (partner_id=? AND intro_sent_at>?)",
      "SEARCH past USING COVERING INDEX past_introductions_by_partner (partner_id=? AND intro_sent_at>?)",
      "SEARCH d USING COVERING INDEX declines_by_partner (partner_id=? AND declined_at>?)",
    ] {
      #expect(shares.contains(step), "\(shares)")
    }
    #expect(!(answers + shares).contains { $0.contains("TEMP B-TREE") || $0.hasPrefix("SCAN r") })
  }

  @Test("a search with very many matches walks the directory in its order, and finds them all")
  func manyMatches() throws {
    let plans = try Plans(analyzed: true)
    for sort in DirectoryFilter.Sort.allCases {
      for descending in [false, true] {
        var filter = DirectoryFilter()
        filter.words = "comp"
        filter.order.by = sort
        filter.order.descending = descending
        var found: [JSON] = []
        var request = PageRequest(limit: 100)
        repeat {
          let page = try plans.snapshot.directory(filter, request)
          found += page.items
          request.after = page.next
        } while request.after != nil
        filter.words = nil
        var all: [JSON] = []
        repeat {
          let page = try plans.snapshot.directory(filter, request)
          all += page.items
          request.after = page.next
        } while request.after != nil
        #expect(all.count == 2400)
        #expect(found == all)
        let matches = try #require(
          try plans.snapshot.partnerMatches("comp", in: Search.publicColumns))
        let list = try #require(try plans.snapshot.directoryList(filter, matches.found(by: .walk)))
        let (steps, page) = try plans.steps { snapshot in
          try Page { try list.write(PageRequest(), on: snapshot.connection, to: &$0) }
        }
        #expect(page.items == Array(all.prefix(25)))
        // It reads the numbers of the matches, but sorts none.
        #expect(steps < 40_000)
      }
    }
  }
}
