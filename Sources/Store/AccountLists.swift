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

  /// The list of `users(_:_:to:)`; nil if nothing can match the filter.
  func userList(_ filter: UserFilter) throws -> List? {
    var list = List(
      Table.users.list(.staff), items: List.Source(name: "users", alias: "u", number: "id"),
      sort: filter.order.by.column, descending: filter.order.descending)
    if let words = filter.words {
      let phrases = Search.phrases(words)
      let count = try matchingUsers(words, limit: Search.manyMatches).count
      if count == 0 { return nil }
      if count < Search.manyMatches {
        list.filter(
          "u.number IN (SELECT rowid FROM users_search WHERE users_search MATCH ?)",
          Search.query(phrases))
        if let isDisabled = filter.isDisabled { list.filter("+u.disabled = ?", isDisabled) }
        return list
      }
      list.filter(words: words, in: "u.words")
    }
    list.walk("disabled", in: filter.isDisabled.map { [$0 ? "1" : "0"] } ?? ["0", "1"])
    return list
  }

  /// The list of `groups(_:_:to:)`; nil if nothing can match the filter.
  func groupList(_ filter: GroupFilter) throws -> List? {
    var list = List(
      Table.groups.list(.staff), items: List.Source(name: "groups", alias: "g", number: "id"),
      sort: filter.order.by.column, descending: filter.order.descending)
    // Few groups are read and sorted. Else the list is walked in its order.
    var areFew = false
    if let member = filter.member {
      list.filter(
        "g.id IN (SELECT group_id FROM group_members WHERE user_id = ?)", member.text)
      areFew = true
    }
    if let words = filter.words {
      let phrases = Search.phrases(words)
      let users = try matchingUsers(words, limit: Search.manyMatches).count
      let groups = try matchingGroups(words, limit: Search.manyMatches).count
      if users + groups == 0 { return nil }
      if users + groups < Search.manyMatches, !areFew {
        let query = Search.query(phrases)
        list.filter(
          """
          g.id IN (
            SELECT id FROM groups WHERE number IN
              (SELECT rowid FROM groups_search WHERE groups_search MATCH ?)
            UNION
            SELECT m.group_id FROM users AS u JOIN group_members AS m ON m.user_id = u.id
            WHERE u.number IN (SELECT rowid FROM users_search WHERE users_search MATCH ?))
          """, query, query)
        areFew = true
      } else {
        let own = Search.condition(phrases, in: "g.words")
        let members = Search.condition(phrases, in: "u.words")
        list.filter(
          """
          (\(own.sql) OR EXISTS (
            SELECT 1 FROM group_members AS m JOIN users AS u ON u.id = m.user_id
            WHERE m.group_id = g.id AND \(members.sql)))
          """, arguments: own.arguments + members.arguments)
      }
    }
    let states = filter.states.distinctWords
    if areFew {
      list.filter(column: "state", in: states)
    } else {
      list.walk("state", in: states)
    }
    return list
  }
}
