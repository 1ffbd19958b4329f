import Domain
import JSON
import Testing

@testable import SQLite
@testable import Store

@Suite("Users and groups")
struct AccountTests {
  @Test("a user is added, then changed, and found by ID and by e-mail, case aside")
  func user() throws {
    let test = try TestStore()
    var user = User.sample(1)
    user["email"] = "Ann.Ünal@Example.com"
    user["name"] = "Ann"
    #expect(
      try test.change { try $0.putUser(1, ["email": "Ann.Ünal@Example.com", "name": "Ann"]) })
    try test.read { snapshot throws in
      #expect(try snapshot.user(user.id) == user)
      #expect(try snapshot.user(email: "ANN.ünal@example.COM") == user)
      #expect(try snapshot.user(email: "ann@example.com") == nil)
      #expect(try snapshot.user(sampleID(2)) == nil)
      #expect(refusal { try snapshot.view(sampleID(2), of: .users, seenBy: .staff) } == .notFound)
    }
    user["email"] = "other@example.com"
    user["name"] = "Ann Lee"
    user["disabled"] = true
    user.updatedAt = minute(5)
    let body: JSON = ["email": "other@example.com", "name": "Ann Lee", "disabled": true]
    for time in [minute(5), minute(6)] {
      // The second one changes nothing.
      #expect(try !test.change(at: time) { try $0.putUser(1, body) })
      try test.read { snapshot throws in
        #expect(try snapshot.user(user.id) == user)
        #expect(try snapshot.user(email: "ann.ünal@example.com") == nil)
        #expect(try snapshot.user(email: "other@example.com") == user)
        #expect(
          try shown(snapshot.view(user.id, of: .users, seenBy: .staff))
            == user.view(["id", "email", "name", "disabled", "created_at", "updated_at"]))
      }
    }
    #expect(
      try test.texts("SELECT kind || ' ' || changes FROM events") == [
        """
        user.created {"email":{"from":null,"to":"Ann.Ünal@Example.com"},\
        "name":{"from":null,"to":"Ann"},"disabled":{"from":null,"to":false}}
        """,
        """
        user.updated {"email":{"from":"Ann.Ünal@Example.com","to":"other@example.com"},\
        "name":{"from":"Ann","to":"Ann Lee"},"disabled":{"from":false,"to":true}}
        """,
      ])
  }

  @Test("one user for each e-mail, case aside; its own in another case is none of the others'")
  func emailTaken() throws {
    let test = try TestStore()
    try test.change { change in
      try change.insert(User.sample(1))
      try change.insert(User.sample(2))
    }
    let body: JSON = ["email": "USER1@example.com", "name": "Another"]
    for number in [2, 3] {
      #expect(
        refusal { try test.change { try $0.putUser(number, body) } } == .conflict(.emailTaken))
    }
    try test.change { try $0.putUser(1, ["email": "USER1@example.com"]) }
    #expect(try test.read { try $0.user(sampleID(1)) }?.email == "USER1@example.com")
    #expect(try test.number("SELECT count(*) FROM users") == 2)
  }

  @Test("a group and its members, in order; what is given replaces the membership")
  func group() throws {
    let test = try TestStore()
    try test.change { change in for number in 1...4 { try change.insert(User.sample(number)) } }
    var group = Group.sample(11, members: [1, 2, 3].map(sampleID))
    group["state"] = "MN"
    let body: JSON = [
      "name": "Group 11", "state": "MN", "members": JSON([3, 1, 2].map(sampleID)),
    ]
    #expect(try test.change { try $0.putGroup(11, body) })
    #expect(try test.read { try $0.group(group.id) } == group)
    group["name"] = "Renamed"
    group["state"] = .null
    group["members"] = JSON([2, 4].map(sampleID))
    group.updatedAt = minute(1)
    let change: JSON = [
      "name": "Renamed", "state": .null, "members": JSON([4, 2].map(sampleID)),
    ]
    for time in [minute(1), minute(2)] {
      // The second one changes nothing, though it names the members in another order than they are kept in.
      #expect(try !test.change(at: time) { try $0.putGroup(11, change) })
      try test.read { snapshot throws in
        #expect(try snapshot.group(group.id) == group)
        #expect(
          try (1...4).map { try snapshot.isMember(sampleID($0), of: group.id) }
            == [false, true, false, true])
        #expect(try !snapshot.isMember(sampleID(2), of: sampleID(12)))
        #expect(try snapshot.group(sampleID(12)) == nil)
        #expect(
          try shown(snapshot.view(group.id, of: .groups, seenBy: .staff))
            == group.view(["id", "name", "state", "members", "created_at", "updated_at"]))
      }
    }
    #expect(try test.texts("SELECT kind FROM events") == ["group.created", "group.updated"])
    group["members"] = []
    try test.change(at: minute(1)) { try $0.putGroup(11, ["members": []]) }
    #expect(try test.read { try $0.group(group.id) } == group)
  }

  @Test("a member that does not exist undoes the whole change")
  func unknownMember() throws {
    let test = try TestStore()
    try test.change { try $0.insert(User.sample(1)) }
    let members = JSON([1, 2].map(sampleID))
    #expect(
      refusal { try test.change { try $0.putGroup(11, ["name": "G", "members": members]) } }
        == .validation([
          FieldError(.pointer("/members/1"), .unknownUser, "No user has this ID.")
        ]))
    #expect(
      throws: SQLiteError.self, "the schema itself refuses it"
    ) {
      try test.change { try $0.insert(Group.sample(11, members: [1, 2].map(sampleID))) }
    }
    #expect(try test.read { try $0.group(sampleID(11)) } == nil)
    #expect(try test.number("SELECT count(*) FROM group_members") == 0)
    #expect(try test.number("SELECT count(*) FROM events") == 0)
  }

  @Test("staff may know of every group that exists, others of their own")
  func maySee() throws {
    let test = try TestStore()
    try test.addGroups()
    func may(_ group: Int, user: Int, staff: Bool) throws -> Bool {
      try test.read {
        try $0.maySee(sampleID(group), Caller(userID: sampleID(user), scope: staff ? .admin : nil))
      }
    }
    #expect(try may(11, user: 1, staff: false))
    #expect(try !may(11, user: 2, staff: false))
    #expect(try may(11, user: 2, staff: true))
    #expect(try !may(99, user: 1, staff: false))
    #expect(try !may(99, user: 1, staff: true))
  }
}

@Suite("Tokens")
struct TokenTests {
  private static func hash(_ byte: UInt8) -> [UInt8] { Array(repeating: byte, count: 32) }

  @Test("a token names its user and whether it is staff's; one that is unknown names nobody")
  func caller() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      try change.insert(Token.sample(21), sha256: Self.hash(1))
      for (index, scope) in Scope.allCases.enumerated() {
        let token = Token.sample(22 + index, user: 2, scope: scope)
        try change.insert(token, sha256: Self.hash(UInt8(10 + index)))
      }
    }
    try test.read { snapshot throws in
      #expect(
        try snapshot.caller(tokenSHA256: Self.hash(1))
          == Caller(userID: sampleID(1)))
      for (index, scope) in Scope.allCases.enumerated() {
        #expect(
          try snapshot.caller(tokenSHA256: Self.hash(UInt8(10 + index)))
            == Caller(userID: sampleID(2), scope: scope))
      }
      #expect(try snapshot.caller(tokenSHA256: Self.hash(3)) == nil)
      #expect(try snapshot.caller(tokenSHA256: []) == nil)
      #expect(try snapshot.caller(tokenSHA256: Array(Self.hash(1).dropLast())) == nil)
    }
  }

  @Test("a token counts until the moment it expires")
  func expiry() throws {
    let test = try TestStore()
    try test.addGroups()
    var token = Token.sample(21)
    token["expires_at"] = JSON(minute(10))
    try test.change { [token] in try $0.insert(token, sha256: Self.hash(1)) }
    let last = Timestamp(milliseconds: minute(10).milliseconds - 1)
    #expect(try test.read(at: last) { try $0.caller(tokenSHA256: Self.hash(1)) } != nil)
    #expect(try test.read(at: minute(10)) { try $0.caller(tokenSHA256: Self.hash(1)) } == nil)
    #expect(try test.read(at: minute(11)) { try $0.caller(tokenSHA256: Self.hash(1)) } == nil)
  }

  @Test("a revoked token counts no more, and the first revocation stays")
  func revocation() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      try change.insert(Token.sample(21), sha256: Self.hash(1))
      try change.insert(Token.sample(22), sha256: Self.hash(2))
    }
    try test.change(at: minute(1)) { try $0.revokeToken(sampleID(21)) }
    try test.change(at: minute(2)) { try $0.revokeToken(sampleID(21)) }
    #expect(
      refusal { try test.change(at: minute(3)) { try $0.revokeToken(sampleID(99)) } } == .notFound)
    try test.read { snapshot throws in
      #expect(try snapshot.caller(tokenSHA256: Self.hash(1)) == nil)
      #expect(try snapshot.caller(tokenSHA256: Self.hash(2)) != nil)
      #expect(try snapshot.token(sampleID(21))?.revokedAt == minute(1))
      #expect(try snapshot.token(sampleID(22))?.revokedAt == nil)
      #expect(try snapshot.token(sampleID(99)) == nil)
    }
  }

  @Test("a disabled user's tokens count from the next moment on no more, and again once enabled")
  func disabled() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { try $0.insert(Token.sample(21, scope: .admin), sha256: Self.hash(1)) }
    for disabled in [true, false] {
      try test.change { try $0.putUser(1, ["disabled": .bool(disabled)]) }
      #expect(
        try test.read { try $0.caller(tokenSHA256: Self.hash(1)) == nil } == disabled)
    }
  }

  @Test("all tokens, the newest first, each as it was put in")
  func list() throws {
    let test = try TestStore()
    try test.addGroups()
    var tokens: [Token] = []
    for number in 21...24 {
      var token = Token.sample(number, user: number - 20, scope: number == 22 ? .read : nil)
      token["expires_at"] = JSON(minute(number))
      token["name"] = number == 23 ? .null : .string("name \(number)")
      token["created_at"] = JSON(minute(number / 2))
      tokens.append(token)
    }
    try test.change { [tokens] change in
      for (index, token) in tokens.enumerated() {
        try change.insert(token, sha256: Self.hash(UInt8(index)))
      }
    }
    // 22 and 23 share their time; the greater ID is first.
    #expect(try test.read { try $0.tokens() } == [tokens[3], tokens[2], tokens[1], tokens[0]])
    #expect(try test.read { try $0.token(sampleID(22)) } == tokens[1])
  }

  @Test(
    "a new token is one of its user, for 90 days if nothing else is said; its secret is not shown")
  func creation() throws {
    let test = try TestStore()
    try test.addGroups()
    let bodies: [(JSON, expiresAt: JSON, name: JSON)] = [
      ([:], JSON(now.adding(days: 90)), .null),
      (["expires_at": .null, "name": " laptop "], .null, "laptop"),
      (["expires_at": JSON(minute(1))], JSON(minute(1)), .null),
    ]
    for (index, (json, expiresAt, name)) in bodies.enumerated() {
      let hash = Self.hash(UInt8(index))
      let id = try test.change { change in
        let body = change.body(json, Table.tokens.fields, isNew: true)
        return try change.createToken(
          for: sampleID(1), scope: index == 1 ? .sync : nil, sha256: hash, body
        ).id
      }
      try test.read { snapshot throws in
        #expect(
          try snapshot.caller(tokenSHA256: hash)
            == Caller(userID: sampleID(1), scope: index == 1 ? .sync : nil))
        #expect(
          try shown(snapshot.view(id, of: .tokens, seenBy: .staff)) == [
            "id": JSON(id), "user_id": JSON(sampleID(1)), "scope": index == 1 ? "sync" : .null,
            "name": name, "expires_at": expiresAt, "created_at": JSON(now), "revoked_at": .null,
            "created_by": .null,
          ])
      }
    }
    let past = refusal {
      try test.change { change in
        let body = change.body(["expires_at": JSON(now)], Table.tokens.fields, isNew: true)
        return try change.createToken(
          for: sampleID(1), scope: nil, sha256: Self.hash(9), body)
      }
    }
    #expect(
      past
        == .validation([FieldError(.pointer("/expires_at"), .inPast, "Must be in the future.")]))
    #expect(try test.number("SELECT count(*) FROM tokens") == 3)
  }

  @Test("a user's tokens end within 400 days; the command line's need not end")
  func longest() throws {
    let test = try TestStore()
    try test.addGroups()
    func create(_ expiry: JSON, by actor: ID?) throws {
      let hash = (0..<32).map { _ in UInt8.random(in: .min ... .max) }
      try test.change(by: actor) { change in
        let body = change.body(["expires_at": expiry], Table.tokens.fields, isNew: true)
        _ = try change.createToken(for: sampleID(1), scope: nil, sha256: hash, body)
      }
    }
    let last = now.adding(days: 400)
    let later = Timestamp(milliseconds: last.milliseconds + 1)
    try create(JSON(last), by: sampleID(9))
    for (expiry, code, detail) in [
      (JSON(later), .outOfRange, "Must be within 400 days from now."),
      (.null, .notNull, "Must be a time within 400 days from now: a token has to expire."),
    ] as [(JSON, FieldCode, String)] {
      #expect(
        refusal { try create(expiry, by: sampleID(9)) }
          == .validation([FieldError(.pointer("/expires_at"), code, detail)]))
      try create(expiry, by: nil)
    }
    #expect(
      try test.texts("SELECT ifnull(created_by, '-') FROM tokens ORDER BY 1")
        == ["-", "-", sampleID(9).text])
  }

  @Test("all that a user created is revoked at once, and nothing else")
  func revocationByCreator() throws {
    let test = try TestStore()
    try test.addGroups()
    for (number, creator) in [(21, 8), (22, 8), (23, 8), (24, 9), (25, nil)] as [(Int, Int?)] {
      var token = Token.sample(number)
      token["created_by"] = creator.map { JSON(sampleID($0)) } ?? .null
      try test.change { [token] in try $0.insert(token, sha256: Self.hash(UInt8(number))) }
    }
    try test.change(at: minute(1)) { try $0.revokeToken(sampleID(21)) }
    #expect(try test.change(at: minute(2)) { try $0.revokeTokens(createdBy: sampleID(8)) } == 2)
    #expect(try test.change(at: minute(3)) { try $0.revokeTokens(createdBy: sampleID(8)) } == 0)
    #expect(
      try test.texts("SELECT ifnull(revoked_at, '-') FROM tokens ORDER BY id")
        == [minute(1).text, minute(2).text, minute(2).text, "-", "-"])
    #expect(try test.number("SELECT count(*) FROM events WHERE kind = 'token.revoked'") == 3)
  }
}
