import Domain
import JSON
import SQLite

/// The order of staff's lists of users and of groups.
package enum AccountSort: String, CaseIterable, Sendable {
  case name
  case createdAt = "created_at"

  /// The column to sort by.
  fileprivate var column: String { self == .name ? "name_key" : rawValue }
}

/// The filters and the order of staff's list of users.
package struct UserFilter: Sendable {
  /// Each word must begin a word of the name or the e-mail address.
  package var words: String?
  package var isDisabled: Bool?
  /// Whether a request can be assigned to them: they have an admin token of all of staff's rights that is neither
  /// revoked nor expired.
  package var isStaff: Bool?
  package var order = (by: AccountSort.name, descending: false)

  package init() {}
}

/// The filters and the order of staff's list of groups. An empty list of values filters nothing.
package struct GroupFilter: Sendable {
  /// Each word must begin a word of the name, or each a word of one member's name or e-mail address.
  package var words: String?
  package var states: [StateCode] = []
  package var member: ID?
  package var order = (by: AccountSort.name, descending: false)

  package init() {}
}

extension Snapshot {
  /// Writes a page of the users that the filter selects.
  ///
  /// - Returns: The last item's key if there are more items, else nil.
  package func users(
    _ filter: UserFilter, _ page: PageRequest, to json: inout JSONWriter
  ) throws -> [String]? {
    if filter.isStaff == true {
      // They are few.
      guard let staff = staffMatches(filter.words) else { return nil }
      return try userList(filter, staff).write(page, on: connection, to: &json)
    }
    return try write(page, matching: filter.words, to: &json, find: userMatches) {
      userList(filter, $0)
    }
  }

  /// Writes a page of the groups that the filter selects.
  ///
  /// - Returns: The last item's key if there are more items, else nil.
  package func groups(
    _ filter: GroupFilter, _ page: PageRequest, to json: inout JSONWriter
  ) throws -> [String]? {
    try write(page, matching: filter.words, to: &json, find: groupMatches) { groupList(filter, $0) }
  }

  /// A query for the IDs of those for whom `holdsAdminToken(_:scope:)` is true with the scope `admin`. Its argument is
  /// the present time.
  private static let staff = """
    SELECT user_id FROM tokens
    WHERE scope = 'admin' AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)
    """

  /// The staff who match all words; nil if there are none.
  ///
  /// - Parameter words: Nil: all of them.
  func staffMatches(_ words: String?) -> Search.Matches? {
    let phrases = words.map(Search.phrases)
    if phrases?.isEmpty == true { return nil }
    return Search.Matches(
      numbers: ("SELECT number FROM users WHERE id IN (\(Snapshot.staff))", [now.text]),
      condition: phrases.map { Search.condition($0, in: "u.words") }, needCondition: true,
      way: .sort)
  }

  /// The users that match all words; nil if there are none.
  func userMatches(_ words: String) throws -> Search.Matches? {
    let phrases = Search.phrases(words)
    guard !phrases.isEmpty else { return nil }
    let numbers = (Search.numbers(in: "users"), [Search.query(phrases)])
    let count = try count(numbers.0, numbers.1)
    if count == 0 { return nil }
    return Search.Matches(
      numbers: numbers, condition: Search.condition(phrases, in: "u.words"),
      way: count < List.many ? .sort : .walk)
  }

  /// The groups that match all words, or one of whose members does; nil if there are none.
  func groupMatches(_ words: String) throws -> Search.Matches? {
    let phrases = Search.phrases(words)
    guard !phrases.isEmpty else { return nil }
    let query = Search.query(phrases)
    let (own, members) = (Search.numbers(in: "groups"), Search.numbers(in: "users"))
    let count = try count(own, [query]) + count(members, [query])
    if count == 0 { return nil }
    let ownWords = Search.condition(phrases, in: "g.words")
    let memberWords = Search.condition(phrases, in: "u.words")
    return Search.Matches(
      numbers: (
        """
        \(own)
        UNION ALL
        SELECT theirs.number FROM users AS u JOIN group_members AS m ON m.user_id = u.id
        JOIN groups AS theirs ON theirs.id = m.group_id
        WHERE u.number IN (\(members))
        """, [query, query]
      ),
      condition: (
        """
        (\(ownWords.sql) OR EXISTS (
          SELECT 1 FROM group_members AS m JOIN users AS u ON u.id = m.user_id
          WHERE m.group_id = g.id AND \(memberWords.sql)))
        """, ownWords.arguments + memberWords.arguments
      ), way: count < List.many ? .sort : .walk)
  }

  /// The list of `users(_:_:to:)`.
  func userList(
    _ filter: UserFilter, _ matches: Search.Matches? = nil
  ) -> List {
    let isSorted = matches?.way == .sort
    var walked = List.Source(name: "users", alias: "u", number: "id")
    if isSorted { walked.index = "users_for_search" }
    var list = List(
      Table.users.list(.staff), items: List.Source(name: "users", alias: "u", number: "id"),
      walked: walked, sort: filter.order.by.column, descending: filter.order.descending)
    list.findsKeysFirst = isSorted
    if let matches { list.filter(matches) }
    if !isSorted {
      list.walk("disabled", in: filter.isDisabled.map { [$0 ? "1" : "0"] } ?? ["0", "1"])
    } else if let isDisabled = filter.isDisabled {
      list.filter("+u.disabled = ?", isDisabled)
    }
    if filter.isStaff == false { list.filter("u.id NOT IN (\(Snapshot.staff))", now.text) }
    return list
  }

  /// The list of `groups(_:_:to:)`.
  func groupList(
    _ filter: GroupFilter, _ matches: Search.Matches? = nil
  ) -> List {
    // A member has few groups, which are sorted.
    let isSorted = matches?.way == .sort || filter.member != nil
    var walked = List.Source(name: "groups", alias: "g", number: "id")
    if matches?.way == .sort { walked.index = "groups_for_search" }
    var list = List(
      Table.groups.list(.staff), items: List.Source(name: "groups", alias: "g", number: "id"),
      walked: walked, sort: filter.order.by.column, descending: filter.order.descending)
    list.findsKeysFirst = isSorted
    if let member = filter.member {
      list.filter(
        "g.id IN (SELECT group_id FROM group_members WHERE user_id = ?)", member.text)
    }
    if let matches { list.filter(matches) }
    let states = filter.states.distinctWords
    if isSorted {
      list.filter(column: "state", in: states)
    } else {
      list.walk("state", in: states)
    }
    return list
  }
}
