import Domain
import JSON
import Testing

@testable import Store

/// Walks a list to its end, page by page.
///
/// - Parameter between: Called after each page but the last.
private func walk(
  limit: Int, page: (PageRequest) throws -> Page, between: () throws -> Void
) throws -> [JSON] {
  var request = PageRequest(limit: limit)
  var items: [JSON] = []
  while true {
    let page = try page(request)
    #expect(page.items.count <= limit)
    items += page.items
    guard let next = page.next else { return items }
    #expect(page.items.count == limit, "a page that is not the last is full")
    request.after = next
    try between()
  }
}

/// Whether two lists are the same but for what one of them has more, which must be in its place.
private func expect<Item: Resource>(
  _ walked: [Item], _ expected: [Item], isOrdered: (Item, Item) -> Bool, _ comment: String
) {
  let known = Set(expected.map(\.id))
  #expect(walked.map(\.id).filter(known.contains) == expected.map(\.id), "\(comment)")
  #expect(Set(walked.map(\.id)).count == walked.count, "\(comment): shown twice")
  for (left, right) in zip(walked, walked.dropFirst()) {
    #expect(isOrdered(left, right), "\(comment): out of order")
  }
}

private struct ReferralCase: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let filter: ReferralFilter

  init(_ name: String, _ edit: (inout ReferralFilter) -> Void) {
    testDescription = name
    var filter = ReferralFilter()
    edit(&filter)
    self.filter = filter
  }

  func keeps(_ referral: Referral) -> Bool {
    (filter.statuses.isEmpty || filter.statuses.contains(referral.status))
      && (filter.types.isEmpty || filter.types.contains(referral.partnerType))
      && (filter.states.isEmpty || filter.states.contains { $0 == referral.state })
      && (filter.groupID == nil || filter.groupID == referral.groupID)
      && (filter.partnerID == nil || filter.partnerID == referral.partnerID)
      && (filter.requestedBy == nil || filter.requestedBy == referral.requestedBy)
      && (filter.createdUntil.map { referral.createdAt <= $0 } ?? true)
      && (!filter.introducedOnly || referral.isIntroduced)
      && (filter.statusUntil.map { referral.time("status_since")! <= $0 } ?? true)
      && (filter.followUpUntil.map { day in referral.text("follow_up_on").map { $0 <= day } ?? false
      }
        ?? true)
      && isAssigned(referral)
      && (filter.words.map { words in
        words.split(separator: " ").allSatisfy { word in
          names(referral).contains { $0.lowercased().hasPrefix(word) }
        }
      } ?? true)
  }

  private func isAssigned(_ referral: Referral) -> Bool {
    switch filter.assignee {
    case nil: true
    case .nobody: referral["assigned_to"] == .null
    case .user(let id): referral.id("assigned_to") == id
    }
  }

  /// The words of those whom it names: see `TestStore.addGroups`.
  private func names(_ referral: Referral) -> [String] {
    func number(_ id: ID) -> Int { (1...99).first { sampleID($0) == id } ?? 0 }
    let user = number(referral.requestedBy)
    return [
      "Group", "\(number(referral.groupID))", "User", "\(user)", "user\(user)", "example", "com",
    ]
      + (referral.partnerID.map { ["Company", "\(number($0))"] } ?? [])
  }
}

/// Requests at random, of which many share their times; IDs rise with the rows' numbers.
private struct Referrals {
  var generator: SplitMix64
  var all: [Referral] = []
  private var open: Set<String> = []

  init(seed: UInt64) { generator = SplitMix64(state: seed) }

  mutating func next() -> Referral {
    let type = PartnerType.allCases.randomElement(using: &generator)!
    let state = ([nil, .MN, .MN, .CA, .WI] as [StateCode?]).randomElement(using: &generator)!
    let group = Int.random(in: 11...14, using: &generator)
    var status = ReferralStatus.allCases.randomElement(using: &generator)!
    let place = "\(group) \(type) \(state?.rawValue ?? "")"
    if status.isOpen && !open.insert(place).inserted { status = .cancelled }
    let partner =
      status == .pending ? nil : Int.random(in: 21...23, using: &generator)
    var referral = Referral.sample(
      100 + all.count, group: group, status, type, state: state, partner: partner)
    if status == .cancelled && Bool.random(using: &generator) { referral.introSentAt = now }
    referral["requested_by"] = JSON(sampleID(Int.random(in: 1...3, using: &generator)))
    referral["created_at"] = JSON(minute(Int.random(in: 0..<8, using: &generator)))
    referral.updatedAt = minute(Int.random(in: 0..<8, using: &generator))
    let since = Int.random(in: 0..<4, using: &generator)
    referral.set(
      "status_since",
      Timestamp(milliseconds: referral.createdAt.milliseconds + Int64(since) * 60_000))
    if let staff = [nil, 8, 9].randomElement(using: &generator)! {
      referral["assigned_to"] = JSON(sampleID(staff))
    }
    if let day = [nil, 1, 2, 3].randomElement(using: &generator)! {
      referral["follow_up_on"] = .string("2026-03-0\(day)")
    }
    all.append(referral)
    return referral
  }
}

@Suite("Lists")
struct ListTests {
  private static let referralCases = [
    ReferralCase("all") { _ in },
    ReferralCase("one status") { $0.statuses = [.cancelled] },
    ReferralCase("several statuses") { $0.statuses = [.cancelled, .pending, .closed] },
    ReferralCase("a status twice") { $0.statuses = [.cancelled, .cancelled] },
    ReferralCase("every status") { $0.statuses = ReferralStatus.allCases },
    ReferralCase("one state") { $0.states = [.MN] },
    ReferralCase("several states") { $0.states = [.MN, .WI, .TX, .MN] },
    ReferralCase("a state without any") { $0.states = [.HI] },
    ReferralCase("types") { $0.types = [.attorney, .cpa, .agent] },
    ReferralCase("group") { $0.groupID = sampleID(11) },
    ReferralCase("partner") { $0.partnerID = sampleID(21) },
    ReferralCase("requester") { $0.requestedBy = sampleID(1) },
    ReferralCase("unknown group") { $0.groupID = sampleID(99) },
    ReferralCase("created until") { $0.createdUntil = minute(4) },
    ReferralCase("statuses and created until") {
      $0.statuses = [.cancelled, .matched]
      $0.createdUntil = minute(5)
    },
    ReferralCase("states and created until") {
      $0.states = [.MN, .CA]
      $0.createdUntil = minute(5)
    },
    ReferralCase("assignee") { $0.assignee = .user(sampleID(9)) },
    ReferralCase("nobody") { $0.assignee = .nobody },
    ReferralCase("an assignee without any") { $0.assignee = .user(sampleID(1)) },
    ReferralCase("assignee and statuses") {
      $0.assignee = .user(sampleID(8))
      $0.statuses = [.pending, .cancelled]
    },
    ReferralCase("nobody, a status and a state") {
      $0.assignee = .nobody
      $0.statuses = [.cancelled]
      $0.states = [.MN]
    },
    ReferralCase("group and nobody") {
      $0.groupID = sampleID(11)
      $0.assignee = .nobody
    },
    ReferralCase("group and assignee") {
      $0.groupID = sampleID(11)
      $0.assignee = .user(sampleID(9))
    },
    ReferralCase("follow up") { $0.followUpUntil = "2026-03-02" },
    ReferralCase("follow up, before any") { $0.followUpUntil = "2026-02-28" },
    ReferralCase("follow up and statuses") {
      $0.followUpUntil = "2026-03-02"
      $0.statuses = [.cancelled, .pending]
    },
    ReferralCase("follow up, assignee and a state") {
      $0.followUpUntil = "2026-03-03"
      $0.assignee = .user(sampleID(9))
      $0.states = [.MN]
    },
    ReferralCase("partner and follow up") {
      $0.partnerID = sampleID(21)
      $0.followUpUntil = "2026-03-02"
    },
    ReferralCase("in its status until") { $0.statusUntil = minute(4) },
    ReferralCase("in its status until, and created until") {
      $0.statusUntil = minute(6)
      $0.createdUntil = minute(3)
    },
    ReferralCase("in its status until, statuses and nobody") {
      $0.statusUntil = minute(5)
      $0.statuses = [.cancelled, .closed]
      $0.assignee = .nobody
    },
    ReferralCase("a requester's word") { $0.words = "user2" },
    ReferralCase("a group's word") { $0.words = "12" },
    ReferralCase("a partner's word") { $0.words = "company 21" },
    ReferralCase("a word of all") { $0.words = "group" },
    ReferralCase("words of the group, the requester and the partner") {
      $0.words = "group 11 user1 company"
    },
    ReferralCase("a word without any") { $0.words = "nobody" },
    ReferralCase("a word and a word without any") { $0.words = "group nobody" },
    ReferralCase("a word and statuses") {
      $0.words = "user1"
      $0.statuses = [.cancelled, .closed, .pending]
      $0.states = [.MN, .CA]
    },
    ReferralCase("a word, assignee and follow up") {
      $0.words = "user"
      $0.assignee = .user(sampleID(9))
      $0.followUpUntil = "2026-03-03"
    },
    ReferralCase("a word and a group") {
      $0.words = "user3"
      $0.groupID = sampleID(12)
    },
    ReferralCase("group and statuses") {
      $0.groupID = sampleID(12)
      $0.statuses = [.closed, .cancelled]
    },
    ReferralCase("partner, introduced only, and statuses") {
      $0.partnerID = sampleID(22)
      $0.introducedOnly = true
      $0.statuses = ReferralStatus.introduced
    },
    ReferralCase("group, partner and requester") {
      $0.groupID = sampleID(11)
      $0.partnerID = sampleID(21)
      $0.requestedBy = sampleID(2)
    },
    ReferralCase("partner and requester") {
      $0.partnerID = sampleID(21)
      $0.requestedBy = sampleID(2)
    },
    ReferralCase("statuses, states and types") {
      $0.statuses = [.cancelled, .closed, .connected]
      $0.states = [.MN, .CA]
      $0.types = [.attorney, .lender, .title]
    },
    ReferralCase("everything") {
      $0.groupID = sampleID(11)
      $0.partnerID = sampleID(21)
      $0.requestedBy = sampleID(1)
      $0.statuses = [.cancelled, .closed, .connected]
      $0.states = [.MN, .CA, .WI]
      $0.types = PartnerType.allCases
      $0.createdUntil = minute(6)
      $0.introducedOnly = true
    },
  ]

  @Test(
    "requests: every page, in each order, while others come in; nothing is left out or shown twice",
    arguments: referralCases)
  private func referrals(_ trial: ReferralCase) throws {
    let test = try TestStore()
    try test.addGroups()
    var referrals = Referrals(seed: 7)
    let rows = (0..<48).map { _ in referrals.next() }
    let partners = (21...23).map { number in
      var partner = Partner.sample(number)
      partner["contact_name"] = .string("Contact \(number)")
      return partner
    }
    try test.change { change in
      for partner in partners { try change.insert(partner) }
      for referral in rows { try change.insert(referral) }
    }
    for sort in ReferralFilter.Sort.allCases {
      for descending in [true, false] {
        var filter = trial.filter
        filter.order.by = sort
        filter.order.descending = descending
        func isOrdered(_ left: Referral, _ right: Referral) -> Bool {
          let (left, right) = descending ? (right, left) : (left, right)
          let times = (left.time(sort.rawValue)!, right.time(sort.rawValue)!)
          return times.0 == times.1 ? left.id < right.id : times.0 < times.1
        }
        let expected = referrals.all.filter(trial.keeps).sorted(by: isOrdered)
        var added = 0
        let items = try walk(limit: 4) { request in
          let page = try test.read { try $0.referrals(filter, request, seenBy: .staff) }
          for audience in [Audiences.staff, .member, .partner] {
            let others = try test.read { try $0.referrals(filter, request, seenBy: audience) }
            #expect(
              try others.items
                == page.ids.map { id in
                  let referral = try #require(referrals.all.first { $0.id == id })
                  return referral.view(
                    seenBy: audience, partner: partners.first { $0.id == referral.partnerID })
                })
            #expect(others.next == page.next)
          }
          return page
        } between: {
          guard added < 3 else { return }
          added += 1
          let referral = referrals.next()
          try test.change { try $0.insert(referral) }
        }
        let walked = try items.map { item in
          try #require(referrals.all.first { item["id"] == JSON($0.id) })
        }
        #expect(walked.allSatisfy(trial.keeps))
        expect(walked, expected, isOrdered: isOrdered, "\(sort), \(descending ? "down" : "up")")
      }
    }
  }

  @Test("a page that ends with the list has no next", arguments: [(4, 4), (4, 2), (4, 1), (1, 1)])
  func exactEnd(rows: Int, limit: Int) throws {
    let test = try TestStore()
    try test.change { change in
      for number in 1...rows { try change.insert(Partner.sample(number)) }
    }
    var request = PageRequest(limit: limit)
    for page in 1...rows / limit {
      let next = try test.read { try $0.partners(PartnerFilter(), request) }.next
      #expect((next == nil) == (page == rows / limit))
      request.after = next
    }
  }

  @Test("an empty list is one page")
  func empty() throws {
    let test = try TestStore()
    let page = try test.read { try $0.referrals(ReferralFilter(), PageRequest()) }
    #expect(page.items.isEmpty)
    #expect(page.next == nil)
  }

  @Test(
    "a cursor of another shape is refused",
    arguments: [[], ["x"], ["a", "b"], ["a", ""], ["a", "1", "2"], ["a", "1e3"], ["a", "٣"]])
  func cursor(after: [String]) throws {
    let test = try TestStore()
    let failure = List.invalidCursor
    let request = PageRequest(after: after)
    var several = ReferralFilter()
    several.statuses = [.pending, .matched]
    try test.read { snapshot throws in
      #expect(refusal { try snapshot.referrals(ReferralFilter(), request) } == failure)
      #expect(refusal { try snapshot.referrals(several, request) } == failure)
      #expect(refusal { try snapshot.partners(PartnerFilter(), request) } == failure)
      #expect(refusal { try snapshot.directory(DirectoryFilter(), request) } == failure)
    }
  }

  @Test("a cursor stays good when its own row is gone")
  func cursorOfNoRow() throws {
    let test = try TestStore()
    try test.change { change in for number in 1...5 { try change.insert(Partner.sample(number)) } }
    let first = try test.read { try $0.partners(PartnerFilter(), PageRequest(limit: 2)) }
    #expect(first.ids == [sampleID(5), sampleID(4)])
    try test.run("DELETE FROM partners WHERE id = ?", sampleID(4).text)
    let second = try test.read {
      try $0.partners(PartnerFilter(), PageRequest(limit: 2, after: first.next))
    }
    #expect(second.ids == [sampleID(3), sampleID(2)])
  }
}

/// Partners at random; many names differ in case alone.
private struct Partners {
  var generator: SplitMix64
  var all: [Partner] = []

  init(seed: UInt64) { generator = SplitMix64(state: seed) }

  mutating func next() -> Partner {
    let names = [
      "alpha", "Alpha", "ALPHA", "beta", "Beta law", "Émile", "emile", "Zoe", "zoe", "[x]", "~",
    ]
    var areas = [StateCode.MN, .CA, .WI].filter { _ in Bool.random(using: &generator) }
    let status = PartnerStatus.allCases.randomElement(using: &generator)!
    if status == .active && areas.isEmpty { areas = [.MN] }
    var partner = Partner.sample(
      100 + all.count, Bool.random(using: &generator) ? .active : status,
      PartnerType.allCases.randomElement(using: &generator)!, in: areas.isEmpty ? [.TX] : areas,
      name: names.randomElement(using: &generator)!)
    partner["contact_name"] = ["Ann Beta", "Bob", .null].randomElement(using: &generator)!
    partner["notes"] = ["alpha", .null].randomElement(using: &generator)!
    partner["created_at"] = JSON(minute(Int.random(in: 0..<8, using: &generator)))
    partner.updatedAt = minute(Int.random(in: 0..<8, using: &generator))
    all.append(partner)
    return partner
  }
}

extension Partner {
  /// The name without case, accents and signs, by which it sorts.
  fileprivate var nameKey: String {
    (self["company_name"].text ?? "").replacing("É", with: "E").replacing("é", with: "e")
      .lowercased().filter { $0.isLetter || $0 == " " }
  }

  /// Whether each word begins one of the fields'.
  fileprivate func has(_ word: String, in fields: [String]) -> Bool {
    fields.compactMap { self[$0].text }.joined(separator: " ").lowercased().split(separator: " ")
      .contains { $0.hasPrefix(word) }
  }
}

private struct PartnerCase: Sendable, CustomTestStringConvertible {
  var types: [PartnerType] = []
  var statuses: [PartnerStatus] = []
  var states: [StateCode] = []
  var word: String?

  var testDescription: String { "\(types) \(statuses) \(states) \(word ?? "")" }

  static let all: [PartnerCase] = [
    PartnerCase(), PartnerCase(types: [.attorney]), PartnerCase(types: [.attorney, .cpa, .agent]),
    PartnerCase(statuses: [.active]), PartnerCase(statuses: [.active, .removed, .invited]),
    PartnerCase(states: [.MN]), PartnerCase(states: [.MN, .CA, .TX]),
    PartnerCase(states: StateCode.allCases), PartnerCase(states: [.HI]),
    PartnerCase(types: [.lender, .title], states: [.CA, .WI]),
    PartnerCase(types: [.lender, .agent, .cpa], statuses: [.active, .inactive]),
    PartnerCase(
      types: [.lender, .agent, .cpa], statuses: [.active, .invited], states: [.MN, .WI]),
    PartnerCase(types: PartnerType.allCases, states: StateCode.allCases),
    PartnerCase(word: "beta"), PartnerCase(word: "alpha"), PartnerCase(states: [.MN], word: "a"),
    PartnerCase(types: [.attorney, .cpa, .title], statuses: [.active], word: "zo"),
  ]
}

@Suite("Lists of partners")
struct PartnerListTests {
  @Test(
    "staff's list: every page, in each order, while others come in", arguments: PartnerCase.all)
  private func staff(_ trial: PartnerCase) throws {
    var filter = PartnerFilter()
    filter.types = trial.types
    filter.statuses = trial.statuses
    filter.states = trial.states
    filter.words = trial.word
    try walkAll(
      orders: PartnerFilter.Sort.allCases.flatMap { [($0, true), ($0, false)] },
      keeps: { partner in
        (trial.types.isEmpty || trial.types.contains(partner.type))
          && (trial.statuses.isEmpty || trial.statuses.contains(partner.status))
          && (trial.states.isEmpty || trial.states.contains(where: partner.serviceAreas.contains))
          && (trial.word.map {
            partner.has($0, in: ["company_name", "contact_name", "email", "notes"])
          } ?? true)
      },
      page: { snapshot, order, request in
        var filter = filter
        filter.order = order
        let page = try snapshot.partners(filter, request)
        for item in page.items {
          let id = try #require(item["id"]?.text.flatMap { ID($0) })
          let partner = try #require(try snapshot.partner(id))
          #expect(item == partner.staffView)
          #expect(try shown(snapshot.view(id, of: .partners, seenBy: .staff)) == item)
        }
        return page
      },
      isOrdered: { order, left, right in
        switch order.0 {
        case .createdAt: left.createdAt < right.createdAt
        case .updatedAt: left.updatedAt < right.updatedAt
        case .companyName: left.nameKey < right.nameKey
        }
      })
  }

  @Test(
    "the public directory: every page, in each order, while others come in",
    arguments: PartnerCase.all)
  private func directory(_ trial: PartnerCase) throws {
    var filter = DirectoryFilter()
    filter.types = trial.types
    filter.states = trial.states
    filter.words = trial.word
    try walkAll(
      orders: DirectoryFilter.Sort.allCases.flatMap { [($0, true), ($0, false)] },
      keeps: { partner in
        partner.status == .active
          && (trial.types.isEmpty || trial.types.contains(partner.type))
          && (trial.states.isEmpty || trial.states.contains(where: partner.serviceAreas.contains))
          && (trial.word.map {
            partner.has($0, in: ["company_name", "contact_name"])
          } ?? true)
      },
      page: { snapshot, order, request in
        var filter = filter
        filter.order = order
        let page = try snapshot.directory(filter, request)
        for profile in page.items {
          let id = try #require(profile["id"]?.text.flatMap { ID($0) })
          let partner = try #require(try snapshot.partner(id))
          #expect(profile == partner.publicProfile)
          #expect(
            try shown(snapshot.publicPartner(id))
              == profile.with([JSON.Member("credentials", [])]))
        }
        return page
      },
      isOrdered: { order, left, right in
        switch order.0 {
        case .createdAt: left.createdAt < right.createdAt
        case .companyName: left.nameKey < right.nameKey
        }
      })
  }

  private func walkAll<Sort>(
    orders: [(Sort, Bool)], keeps: (Partner) -> Bool,
    page: (Snapshot, (Sort, Bool), PageRequest) throws -> Page,
    isOrdered: ((Sort, Bool), Partner, Partner) -> Bool
  ) throws {
    let test = try TestStore()
    var partners = Partners(seed: 11)
    let rows = (0..<40).map { _ in partners.next() }
    try test.change { change in for partner in rows { try change.insert(partner) } }
    for order in orders {
      func precedes(_ left: Partner, _ right: Partner) -> Bool {
        let (left, right) = order.1 ? (right, left) : (left, right)
        if isOrdered(order, left, right) { return true }
        return !isOrdered(order, right, left) && left.id < right.id
      }
      let expected = partners.all.filter(keeps).sorted(by: precedes)
      var added = 0
      let items = try walk(limit: 5) { request in
        try test.read { try page($0, order, request) }
      } between: {
        guard added < 3 else { return }
        added += 1
        let partner = partners.next()
        try test.change { try $0.insert(partner) }
      }
      let walked = try items.map { item in
        try #require(partners.all.first { item["id"] == JSON($0.id) })
      }
      #expect(walked.filter { !keeps($0) } == [])
      expect(walked, expected, isOrdered: precedes, "\(order.0), \(order.1 ? "down" : "up")")
      for partner in walked { #expect(try test.read { try $0.partner(partner.id) } == partner) }
    }
  }
}
