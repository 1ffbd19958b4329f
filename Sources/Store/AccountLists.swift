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
    try userList(filter)?.write(page, on: connection, to: &json)
  }

  /// Writes a page of the groups that the filter selects.
  ///
  /// - Returns: The last item's key if there are more items, else nil.
  package func groups(
    _ filter: GroupFilter, _ page: PageRequest, to json: inout JSONWriter
  ) throws -> [String]? {
    try groupList(filter)?.write(page, on: connection, to: &json)
  }

  /// The number of matches below which they are sorted; the list is walked in its order if there are more. The matches of a name
  /// can all be at one place of the list, far from its beginning, so that a walk is for very many only.
  static let sortedMatches = 15_000

  /// The number of users below which their groups are sorted. A group's members can be anywhere in the order of the groups.
  private static let sortedMembers = 2_000

  /// How many rows of a table match an FTS5 query, at most `limit`.
  private func count(_ query: String, in table: String, upTo limit: Int) throws -> Int {
    try connection.row(
      """
      SELECT count(*) FROM
        (SELECT 1 FROM \(table)_search WHERE \(table)_search MATCH ? LIMIT ?)
      """, query, limit
    ) { $0.int(0) } ?? 0
  }

  /// The list of `users(_:_:to:)`; nil if nothing can match the filter.
  func userList(
    _ filter: UserFilter, sortedMatches: Int = Snapshot.sortedMatches
  ) throws -> List? {
    var walked = List.Source(name: "users", alias: "u", number: "id")
    let phrases = filter.words.map(Search.phrases)
    var matches = 0
    if let phrases {
      if phrases.isEmpty { return nil }
      matches = try count(Search.query(phrases), in: "users", upTo: sortedMatches)
      if matches == 0 { return nil }
    }
    let areSorted = phrases != nil && matches < sortedMatches
    if areSorted { walked.index = "users_for_search" }
    var list = List(
      Table.users.list(.staff), items: List.Source(name: "users", alias: "u", number: "id"),
      walked: walked, sort: filter.order.by.column, descending: filter.order.descending)
    if areSorted {
      list.findsKeysFirst = true
      list.filter(
        "u.number IN (SELECT rowid FROM users_search WHERE users_search MATCH ?)",
        Search.query(phrases ?? []))
      if let isDisabled = filter.isDisabled { list.filter("+u.disabled = ?", isDisabled) }
    } else {
      if let words = filter.words { list.filter(words: words, in: "u.words") }
      list.walk("disabled", in: filter.isDisabled.map { [$0 ? "1" : "0"] } ?? ["0", "1"])
    }
    return list
  }

  /// The list of `groups(_:_:to:)`; nil if nothing can match the filter.
  func groupList(_ filter: GroupFilter) throws -> List? {
    var walked = List.Source(name: "groups", alias: "g", number: "id")
    let phrases = filter.words.map(Search.phrases)
    var (own, members) = (0, 0)
    if let phrases {
      if phrases.isEmpty { return nil }
      let query = Search.query(phrases)
      own = try count(query, in: "groups", upTo: Snapshot.sortedMatches)
      members = try count(query, in: "users", upTo: Snapshot.sortedMembers)
      if own + members == 0 { return nil }
    }
    let areSorted =
      phrases != nil && filter.member == nil && own < Snapshot.sortedMatches
      && members < Snapshot.sortedMembers
    if areSorted { walked.index = "groups_for_search" }
    var list = List(
      Table.groups.list(.staff), items: List.Source(name: "groups", alias: "g", number: "id"),
      walked: walked, sort: filter.order.by.column, descending: filter.order.descending)
    list.findsKeysFirst = areSorted || filter.member != nil
    if let member = filter.member {
      list.filter(
        "g.id IN (SELECT group_id FROM group_members WHERE user_id = ?)", member.text)
    }
    if let phrases, areSorted {
      list.filter(
        """
        g.number IN (
          SELECT rowid FROM groups_search WHERE groups_search MATCH ?
          UNION ALL
          SELECT theirs.number FROM users AS u JOIN group_members AS m ON m.user_id = u.id
          JOIN groups AS theirs ON theirs.id = m.group_id
          WHERE u.number IN (SELECT rowid FROM users_search WHERE users_search MATCH ?))
        """, Search.query(phrases), Search.query(phrases))
    } else if let phrases {
      let own = Search.condition(phrases, in: "g.words")
      let members = Search.condition(phrases, in: "u.words")
      list.filter(
        """
        (\(own.sql) OR EXISTS (
          SELECT 1 FROM group_members AS m JOIN users AS u ON u.id = m.user_id
          WHERE m.group_id = g.id AND \(members.sql)))
        """, arguments: own.arguments + members.arguments)
    }
    let states = filter.states.distinctWords
    if list.findsKeysFirst {
      list.filter(column: "state", in: states)
    } else {
      list.walk("state", in: states)
    }
    return list
  }
}
