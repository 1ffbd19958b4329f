import Domain
import Testing

@testable import SQLite
@testable import Store

@Suite("Users and groups")
struct AccountTests {
  @Test("a user is added, then replaced, and found by ID and by e-mail, case aside")
  func user() throws {
    let test = try TestStore()
    var user = User(
      id: sampleID(1), email: "Ann.Ünal@Example.com", name: "Ann", createdAt: now, updatedAt: now)
    try test.change { [user] in try $0.put(user) }
    try test.read { snapshot throws in
      #expect(try snapshot.user(user.id) == user)
      #expect(try snapshot.user(email: "ANN.ünal@example.COM") == user)
      #expect(try snapshot.user(email: "ann@example.com") == nil)
      #expect(try snapshot.user(sampleID(2)) == nil)
    }
    user.email = "other@example.com"
    user.name = "Ann Lee"
    user.disabled = true
    user.updatedAt = minute(5)
    try test.change { [user] in try $0.put(user) }
    try test.read { snapshot throws in
      #expect(try snapshot.user(user.id) == user)
      #expect(try snapshot.user(email: "ann.ünal@example.com") == nil)
      #expect(try snapshot.user(email: "other@example.com") == user)
    }
  }

  @Test("one user for each e-mail, case aside; its own in another case is none of the others'")
  func emailTaken() throws {
    let test = try TestStore()
    try test.change { change in
      try change.put(User.sample(1))
      try change.put(User.sample(2))
    }
    for number in [2, 3] {
      var user = User.sample(number)
      user.email = "USER1@example.com"
      #expect(refusal { try test.change { [user] in try $0.put(user) } } == .conflict(.emailTaken))
    }
    var first = User.sample(1)
    first.email = "USER1@example.com"
    try test.change { [first] in try $0.put(first) }
    #expect(try test.read { try $0.user(first.id) } == first)
    #expect(try test.number("SELECT count(*) FROM users") == 2)
  }

  @Test("a group and its members, in order; what is given replaces the membership")
  func group() throws {
    let test = try TestStore()
    try test.change { change in for number in 1...4 { try change.put(User.sample(number)) } }
    var group = Group.sample(11, members: [3, 1, 2].map(sampleID))
    group.state = .MN
    try test.change { [group] in try $0.put(group) }
    group.members.sort()
    #expect(try test.read { try $0.group(group.id) } == group)
    group.name = "Renamed"
    group.state = nil
    group.members = [2, 4].map(sampleID)
    group.updatedAt = minute(1)
    try test.change { [group] in try $0.put(group) }
    try test.read { snapshot throws in
      #expect(try snapshot.group(group.id) == group)
      #expect(
        try (1...4).map { try snapshot.isMember(sampleID($0), of: group.id) }
          == [false, true, false, true])
      #expect(try !snapshot.isMember(sampleID(2), of: sampleID(12)))
      #expect(try snapshot.group(sampleID(12)) == nil)
    }
    group.members = []
    try test.change { [group] in try $0.put(group) }
    #expect(try test.read { try $0.group(group.id) } == group)
  }

  @Test("a member that does not exist undoes the whole change")
  func unknownMember() throws {
    let test = try TestStore()
    let group = Group.sample(11, members: [sampleID(1)])
    #expect(throws: SQLiteError.self) { try test.change { try $0.put(group) } }
    #expect(try test.read { try $0.group(group.id) } == nil)
  }

  @Test("staff may know of every group that exists, others of their own")
  func mayKnow() throws {
    let test = try TestStore()
    try test.addGroups()
    func may(_ group: Int, user: Int, staff: Bool) throws -> Bool {
      try test.read {
        try $0.mayKnow(sampleID(group), Caller(userID: sampleID(user), isStaff: staff))
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

  private static func token(
    _ number: Int, user: Int = 1, admin: Bool = false, expires: Timestamp? = nil
  )
    -> Token
  {
    Token(
      id: sampleID(number), userID: sampleID(user), admin: admin, name: nil, createdAt: now,
      expiresAt: expires)
  }

  @Test("a token names its user and whether it is staff's; one that is unknown names nobody")
  func caller() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { change in
      try change.insert(Self.token(21), sha256: Self.hash(1))
      try change.insert(Self.token(22, user: 2, admin: true), sha256: Self.hash(2))
    }
    try test.read { snapshot throws in
      #expect(
        try snapshot.caller(tokenSHA256: Self.hash(1))
          == Caller(userID: sampleID(1), isStaff: false))
      #expect(
        try snapshot.caller(tokenSHA256: Self.hash(2))
          == Caller(userID: sampleID(2), isStaff: true))
      #expect(try snapshot.caller(tokenSHA256: Self.hash(3)) == nil)
      #expect(try snapshot.caller(tokenSHA256: []) == nil)
      #expect(try snapshot.caller(tokenSHA256: Array(Self.hash(1).dropLast())) == nil)
    }
  }

  @Test("a token counts until the moment it expires")
  func expiry() throws {
    let test = try TestStore()
    try test.addGroups()
    try test.change { try $0.insert(Self.token(21, expires: minute(10)), sha256: Self.hash(1)) }
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
      try change.insert(Self.token(21), sha256: Self.hash(1))
      try change.insert(Self.token(22), sha256: Self.hash(2))
    }
    try test.change(at: minute(1)) { try $0.revoke(sampleID(21)) }
    try test.change(at: minute(2)) { try $0.revoke(sampleID(21)) }
    try test.change(at: minute(3)) { try $0.revoke(sampleID(99)) }
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
    try test.change { try $0.insert(Self.token(21, admin: true), sha256: Self.hash(1)) }
    for disabled in [true, false] {
      var user = User.sample(1)
      user.disabled = disabled
      try test.change { [user] in try $0.put(user) }
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
      var token = Self.token(
        number, user: number - 20, admin: number == 22, expires: minute(number))
      token.name = number == 23 ? nil : "name \(number)"
      token.createdAt = minute(number / 2)
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
}
