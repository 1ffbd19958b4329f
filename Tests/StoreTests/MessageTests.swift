import Domain
import JSON
import Testing

@testable import SQLite
@testable import Store

@Suite("Messages")
struct MessageTests {
  /// A store that sends messages, with groups, and partner 21 in Minnesota.
  private static func store(_ mail: MailSettings = .sample) throws -> TestStore {
    let test = try TestStore(mail: mail)
    try test.addGroups()
    try test.change { try $0.insert(Partner.sample(21)) }
    return test
  }

  /// Requests an introduction to partner 21 for a group, and introduces it.
  @discardableResult
  private static func introduce(
    _ test: TestStore, group: Int = 11, at time: Timestamp = now
  ) throws -> ID {
    try test.change(at: time) { change in
      let request = try change.requestReferral(
        group: group, ["partner_type": "attorney", "context": ["state": "MN"]])
      for command in [.match(sampleID(21)), .introduce] as [ReferralCommand] {
        try change.perform(
          command, on: try #require(try change.referral(request)),
          partner: try change.partner(sampleID(21)))
      }
      return request
    }
  }

  /// The kinds and addresses of the messages with a status, oldest first.
  private static func kinds(_ test: TestStore, _ status: MessageStatus = .queued) throws -> [String]
  {
    try test.texts(
      "SELECT kind || ' ' || ifnull(recipient, '-') FROM messages WHERE status = ? ORDER BY number",
      status.rawValue)
  }

  private static func take(_ test: TestStore, at time: Timestamp = now) throws -> Dispatch? {
    try test.change(at: time) { change in
      try change.takeMessage { ("code\(time.milliseconds)", [UInt8](repeating: 7, count: 32)) }
    }
  }

  /// Takes and notes all that are due.
  @discardableResult
  private static func sendAll(
    _ test: TestStore, _ result: DeliveryResult = .accepted, at time: Timestamp = now
  ) throws -> [String] {
    var sent: [String] = []
    while let dispatch = try take(test, at: time) {
      sent.append("\(dispatch.kind.rawValue) \(dispatch.address)")
      try test.change(at: time) { _ = try $0.note(result, of: dispatch) }
    }
    return sent
  }

  private static func remind(_ test: TestStore, at time: Timestamp) throws -> [Reminder] {
    let due = try test.read(at: time) { try $0.dueReminders() }
    try test.change(at: time) { change in for reminder in due { try change.remind(reminder) } }
    return due
  }

  private static let letters = [
    "request.received user1@example.com", "request.new staff@tomi.example",
    "introduction.partner partner21@example.com", "introduction.group user1@example.com",
  ]

  // MARK: - Handing over

  @Test("messages are handed over in the order in which they are due, each once")
  func order() throws {
    let test = try Self.store()
    try Self.introduce(test)
    #expect(try Self.kinds(test) == Self.letters)
    #expect(try Self.sendAll(test) == Self.letters)
    #expect(try Self.take(test) == nil)
    #expect(try Self.kinds(test, .sent) == Self.letters)
    #expect(try test.findings() == [])
  }

  @Test("without a sender's address, or without settings, nothing is queued")
  func off() throws {
    var mail = MailSettings.sample
    mail.sender = nil
    for test in [try Self.store(mail), try TestStore()] {
      if try test.texts("SELECT id FROM partners").isEmpty {
        try test.addGroups()
        try test.change { try $0.insert(Partner.sample(21)) }
      }
      try Self.introduce(test)
      #expect(try Self.remind(test, at: now.adding(days: 8)).isEmpty == false)
      #expect(try test.number("SELECT count(*) FROM messages") == 0)
    }
  }

  @Test("a temporary refusal is retried 1, 5, 30, 120 and 720 minutes after the last attempt")
  func retries() throws {
    let test = try Self.store()
    try test.change { _ = try $0.requestReferral(group: 11, ["partner_type": "cpa"]) }
    try test.run("DELETE FROM messages WHERE to_staff")
    var time = now
    var ids: Set<String> = []
    for minutes in [1, 5, 30, 120, 720, nil] {
      let dispatch = try #require(try Self.take(test, at: time))
      ids.insert(dispatch.messageID)
      #expect(try Self.take(test, at: time) == nil, "it is in hand")
      let next = try test.change(at: time) { try $0.note(.temporarily("Later."), of: dispatch) }
      #expect(next == minutes.map { time.adding(minutes: $0) })
      guard let next else { break }
      #expect(try Self.take(test, at: Timestamp(milliseconds: next.milliseconds - 1)) == nil)
      time = next
    }
    #expect(ids.count == 1, "the Message-ID stays the same")
    #expect(
      try test.texts("SELECT status || attempts || last_error FROM messages") == ["failed6Later."])
    #expect(try test.findings() == [])
  }

  @Test("a permanent refusal fails at once, and a failed message can be cancelled or sent again")
  func permanent() throws {
    let test = try Self.store()
    try test.change { _ = try $0.requestReferral(group: 11, ["partner_type": "cpa"]) }
    try Self.sendAll(test, .permanently("No such user."))
    #expect(try Self.kinds(test, .failed).count == 2)
    let id = try #require(ID(try test.texts("SELECT id FROM messages ORDER BY number")[0]))
    let new = try test.change(by: sampleID(9)) { try $0.resendMessage(id) }
    #expect(
      try test.texts(
        """
        SELECT count(DISTINCT message_id) || count(DISTINCT text) || count(DISTINCT subject)
        FROM messages WHERE id IN (?, ?)
        """, id.text, new.text) == ["211"])
    try test.change { try $0.cancelMessage(id) }
    #expect(
      refusal { try test.change { try $0.cancelMessage(id) } }
        == .conflict(.messageNotQueued(.cancelled)))
    #expect(
      try test.texts("SELECT kind FROM events WHERE subject_kind = 'message'")
        == ["message.resent", "message.cancelled"])
    #expect(try Self.sendAll(test) == ["request.received user1@example.com"])
    #expect(try test.findings() == [])
  }

  @Test("what a mailer had in hand when it ended is queued again, with the same Message-ID")
  func interrupted() throws {
    let test = try Self.store()
    try test.change { _ = try $0.requestReferral(group: 11, ["partner_type": "cpa"]) }
    let first = try #require(try Self.take(test))
    #expect(try test.change { try $0.requeueInterruptedMessages() } == 1)
    let again = try #require(try Self.take(test))
    #expect(again.number == first.number && again.messageID == first.messageID)
    #expect(again.letter == first.letter)
    try test.change { _ = try $0.note(.accepted, of: again) }
    // The first mailer wakes up late: it changes nothing.
    try test.change { _ = try $0.note(.permanently("Gone."), of: first) }
    #expect(try Self.kinds(test, .sent) == ["request.received user1@example.com"])
  }

  @Test("an address gets 20 messages within 24 hours; staff and what is asked for count apart")
  func limit() throws {
    let test = try Self.store()
    try test.change { change in
      for _ in 1...25 {
        try change.queue(
          .requestReceived, to: try change.user(sampleID(1)).map { change.recipient($0) },
          about: MessageSubject()
        ) { [] }
        try change.queue(.requestNew, to: change.staff, about: MessageSubject()) { [] }
      }
    }
    let sent = try Self.sendAll(test)
    #expect(sent.filter { $0.hasSuffix("user1@example.com") }.count == 20)
    #expect(sent.filter { $0.hasSuffix("staff@tomi.example") }.count == 25)
    try test.change { change in
      try change.askToSignIn(change.body(["email": "USER1@example.com"], addressFields))
    }
    #expect(try Self.sendAll(test) == ["sign_in user1@example.com"])
    #expect(try Self.sendAll(test, at: now.adding(minutes: 1439)) == [])
    #expect(try Self.sendAll(test, at: now.adding(days: 1)).count == 5)
  }

  // MARK: - Reasons that are gone

  @Test("a change of status cancels what has no reason any more, and keeps the rest")
  func obsolete() throws {
    for (command, left) in [
      (.cancel, []), (.giveBack, ["request.received", "request.new"]),
      (.connect, Self.letters.map { $0.split(separator: " ")[0] }.map(String.init)),
    ] as [(ReferralCommand, [String])] {
      let test = try Self.store()
      let id = try Self.introduce(test)
      try test.change { change in
        let referral = try #require(try change.referral(id))
        try change.perform(
          command, on: referral, partner: try change.partner(sampleID(21)))
      }
      #expect(
        try Self.kinds(test).map { String($0.split(separator: " ")[0]) } == left, "\(command)")
      #expect(try test.findings() == [])
    }
  }

  @Test("a removed partner, a disabled user and a changed credential leave no letters")
  func gone() throws {
    let test = try Self.store()
    try Self.introduce(test)
    try test.change { try $0.movePartner(21, to: .removed) }
    #expect(try Self.kinds(test) == Array(Self.letters.prefix(2)))
    try test.change { _ = try $0.putUser(1, ["disabled": true]) }
    #expect(try Self.kinds(test) == [Self.letters[1]])
  }

  @Test("what the mailer has in hand when its reason goes is not tried again, but noted if sent")
  func inHand() throws {
    for (result, status) in [
      (.temporarily("Later."), "cancelled"), (.permanently("No."), "cancelled"),
      (.accepted, "sent"),
      (nil, "cancelled"),
    ] as [(DeliveryResult?, String)] {
      let test = try Self.store()
      let id = try Self.introduce(test)
      try test.run("DELETE FROM messages WHERE kind <> 'introduction.partner'")
      let letter = try #require(try Self.take(test))
      try test.change { change in
        try change.perform(.cancel, on: try #require(try change.referral(id)), partner: nil)
        if let result {
          _ = try change.note(result, of: letter)
        } else {
          _ = try change.requeueInterruptedMessages()
        }
      }
      #expect(try test.texts("SELECT status FROM messages") == [status], "\(status)")
      #expect(try Self.take(test, at: now.adding(days: 1)) == nil)
      #expect(try test.findings() == [])
    }
  }

  @Test("a letter goes to the address that its reader has when it is handed over")
  func presentAddress() throws {
    let test = try Self.store()
    try Self.introduce(test)
    try test.change { change in
      _ = try change.putUser(1, ["email": "new@example.com"])
      try change.updatePartner(21, ["email": "other@example.com"])
    }
    let letters = [
      "request.received new@example.com", "request.new staff@tomi.example",
      "introduction.partner other@example.com", "introduction.group new@example.com",
    ]
    #expect(try Self.sendAll(test) == letters)
    #expect(try Self.kinds(test, .sent) == letters)
    // Sent again, it goes to the address of then.
    let id = try #require(ID(try test.texts("SELECT id FROM messages ORDER BY number")[0]))
    try test.change { change in
      _ = try change.putUser(1, ["email": "third@example.com"])
      _ = try change.resendMessage(id)
    }
    #expect(try Self.kinds(test) == ["request.received third@example.com"])
  }

  @Test("who has left the group gets no letter about it, and is in none")
  func formerMember() throws {
    let test = try Self.store()
    let id = try Self.introduce(test)
    try test.change { _ = try $0.putGroup(11, ["members": [.string(sampleID(2).text)]]) }
    #expect(
      try Self.sendAll(test) == [
        "request.new staff@tomi.example", "introduction.partner partner21@example.com",
      ])
    #expect(try Self.remind(test, at: now.adding(days: 3)) == [.introduction(id)])
    #expect(
      try test.number(
        """
        SELECT count(*) FROM messages
        WHERE kind = 'introduction.reminder' AND instr(text, 'user1@example.com') > 0
        """) == 0)
    try test.change { change in
      _ = try change.answerReferral(
        id, ofPartner: sampleID(21),
        Body(["response": "accepted"], responseFields, by: .partner, at: change.now))
    }
    #expect(
      try test.texts("SELECT recipient FROM messages WHERE kind = 'referral.answered'")
        == ["staff@tomi.example"])
  }

  @Test("the disabled user of a partner keeps no letter from the company")
  func disabledPartnerUser() throws {
    let test = try Self.store()
    try test.run("UPDATE partners SET user_id = ?", sampleID(5).text)
    try Self.introduce(test)
    try test.change { _ = try $0.putUser(5, ["disabled": true]) }
    #expect(try Self.sendAll(test) == Self.letters)
  }

  // MARK: - Reminders

  @Test("an unanswered introduction reminds the partner after 3 days and staff after 7, once each")
  func unanswered() throws {
    let test = try Self.store()
    let id = try Self.introduce(test)
    try Self.sendAll(test)
    #expect(try Self.remind(test, at: now.adding(minutes: 3 * 1440 - 1)) == [])
    #expect(try Self.remind(test, at: now.adding(days: 3)) == [.introduction(id)])
    #expect(try Self.remind(test, at: now.adding(days: 6)) == [])
    #expect(try Self.remind(test, at: now.adding(days: 7)) == [.unanswered(id)])
    // Twice at once, as two mailers would: still once.
    try test.change { change in
      try change.remind(.unanswered(id))
      try change.remind(.introduction(id))
    }
    #expect(
      try Self.kinds(test) == [
        "introduction.reminder partner21@example.com", "introduction.unanswered staff@tomi.example",
      ])
    #expect(
      try test.number("SELECT count(*) FROM events WHERE kind = 'referral.unanswered'") == 1)
    #expect(try Self.remind(test, at: now.adding(days: 20)) == [])
    // An introduction that is made again counts again.
    try test.change(at: now.adding(days: 21)) { change in
      let partner = try change.partner(sampleID(21))
      for command in [.giveBack, .match(sampleID(21)), .introduce] as [ReferralCommand] {
        try change.perform(
          command, on: try #require(try change.referral(id)),
          partner: command == .giveBack ? nil : partner)
      }
    }
    #expect(try Self.remind(test, at: now.adding(days: 24)) == [.introduction(id)])
  }

  @Test("the owner of a request is told, staff if nobody owns it, and it is noted if nobody can be")
  func owner() throws {
    var mail = MailSettings.sample
    mail.staffAddress = nil
    let test = try Self.store(mail)
    let (own, other) = (try Self.introduce(test), try Self.introduce(test, group: 12))
    try test.run(
      "UPDATE referral_requests SET assigned_to = ? WHERE id = ?", sampleID(9).text, own.text)
    try Self.sendAll(test)
    let due = try Self.remind(test, at: now.adding(days: 7))
    #expect(due.contains(.unanswered(own)) && due.contains(.unanswered(other)))
    #expect(
      try Self.kinds(test).filter { $0.hasPrefix("introduction.unanswered") }
        == ["introduction.unanswered user9@example.com"])
    #expect(try Self.kinds(test, .cancelled) == ["introduction.unanswered -"])
    #expect(try Self.remind(test, at: now.adding(days: 7)) == [])
    #expect(
      try test.number("SELECT count(*) FROM events WHERE kind = 'referral.unanswered'") == 2)
  }

  @Test("a connection of 30 days without an outcome is told once; old ones are not")
  func outcome() throws {
    let test = try Self.store()
    try test.change { change in
      for (number, days) in [(31, 29), (32, 30), (33, 59), (34, 60)] {
        var referral = Referral.sample(number, group: number - 20, .connected, partner: 21)
        referral.set("status_since", now.adding(days: -days))
        try change.insert(referral)
      }
    }
    #expect(
      Set(try Self.remind(test, at: now).map { "\($0)" })
        == Set([Reminder.outcome(sampleID(32)), .outcome(sampleID(33))].map { "\($0)" }))
    #expect(try Self.remind(test, at: now) == [])
    #expect(
      try Self.kinds(test) == Array(repeating: "referral.outcome staff@tomi.example", count: 2))
  }

  @Test("a credential is told 30 and 7 days before its end, to the partner and to staff")
  func credentials() throws {
    let test = try Self.store()
    func add(_ number: String, _ days: Int, verified: Bool = true) throws -> ID {
      try test.change { change in
        try change.addCredential(
          toPartner: sampleID(21),
          Body(
            [
              "kind": "bar_admission", "number": .string(number), "state_code": "MN",
              "expires_on": .string(now.adding(days: days).day), "verified": .bool(verified),
            ], Table.credentials.fields + [credentialVerified], by: .staff, at: change.now,
            isNew: true))
      }
    }
    let first = try add("1", 31)
    _ = try add("2", 20, verified: false)
    #expect(try Self.remind(test, at: now) == [])
    #expect(try Self.remind(test, at: now.adding(days: 1)) == [.credential(first, days: 30)])
    #expect(
      try Self.kinds(test) == [
        "credential.expiring partner21@example.com", "credential.expiring staff@tomi.example",
      ])
    #expect(try Self.remind(test, at: now.adding(days: 2)) == [])
    #expect(try Self.remind(test, at: now.adding(days: 24)) == [.credential(first, days: 7)])
    // Another of the kind and state that is good for longer: nobody needs to be told.
    let later = try add("3", 400)
    #expect(try Self.remind(test, at: now.adding(days: 25)) == [])
    #expect(try Self.remind(test, at: now.adding(days: 371)) == [.credential(later, days: 30)])
    // What is removed has no reason any more.
    try test.change { try $0.removeCredential(first, ofPartner: sampleID(21), by: .staff) }
    #expect(try Self.kinds(test).count == 2)
    #expect(try test.findings() == [])
  }

  // MARK: - Codes and the waiting list

  @Test("a letter with a code is written when it is handed over; only the code's hash is kept")
  func codes() throws {
    let test = try Self.store()
    try test.change { try $0.askToSignIn($0.body(["email": "user1@example.com"], addressFields)) }
    #expect(try test.number("SELECT count(*) FROM messages WHERE text IS NOT NULL") == 0)
    let dispatch = try #require(try Self.take(test))
    #expect(
      dispatch.letter.text.contains("https://tomi.example/sign-in#code=code\(now.milliseconds)"))
    #expect(try test.number("SELECT count(*) FROM messages WHERE text IS NOT NULL") == 0)
    // After a crash the letter carries another code, and both are good.
    _ = try test.change { try $0.requeueInterruptedMessages() }
    let again = try test.change { change in
      try change.takeMessage { ("second", [UInt8](repeating: 8, count: 32)) }
    }
    #expect(try #require(again).messageID == dispatch.messageID)
    #expect(try test.number("SELECT count(*) FROM sign_in_codes") == 2)
    for _ in 1...2 {
      try test.change { try $0.forgetOldMessages() }
    }
    #expect(try test.number("SELECT count(*) FROM sign_in_codes") == 2)
    try test.change(at: minute(15)) { try $0.forgetOldMessages() }
    #expect(try test.number("SELECT count(*) FROM sign_in_codes") == 0)
  }

  @Test("a new letter for signing in ends the code of the one before; a late one is not sent")
  func replacedCode() throws {
    let test = try Self.store()
    let ask: @Sendable (Change) throws -> Void = {
      try $0.askToSignIn($0.body(["email": "user1@example.com"], addressFields))
    }
    try test.change(ask)
    #expect(try Self.take(test) != nil)
    try test.change(ask)
    let next = try test.change { change in
      try change.takeMessage { ("second", [UInt8](repeating: 8, count: 32)) }
    }
    #expect(next != nil)
    #expect(
      try test.texts("SELECT hex(sha256) FROM sign_in_codes") == [
        String(repeating: "08", count: 32)
      ])
    try test.change(ask)
    #expect(try Self.take(test, at: minute(60)) == nil)
    // The first two were in hand when another one was asked for.
    #expect(
      try test.texts("SELECT status || attempts FROM messages ORDER BY number")
        == ["cancelled1", "cancelled1", "cancelled0"])
  }

  @Test("who waits is told once when the type becomes available, however it does, and forgotten")
  func waiting() throws {
    let test = try Self.store()
    try test.change { change in
      for email in ["a@x.example", "b@x.example"] {
        try change.joinWaitingList(
          .TX, .cpa, change.body(["email": .string(email)], addressFields))
      }
    }
    let first = try #require(try Self.take(test))
    try test.change { change in
      _ = try change.note(.accepted, of: first)
      try change.confirmWaiting(change.body(["code": "x"], codeFields)) { _ in
        [UInt8](repeating: 7, count: 32)
      }
    }
    #expect(try test.read { try $0.waitingCounts() }.map(\.count) == [1])
    #expect(try Self.remind(test, at: now) == [])
    // As an import does it: without the settings of messages.
    try test.change { try $0.insert(Partner.sample(22, .active, .cpa, in: [.TX])) }
    #expect(try Self.remind(test, at: now).count == 1)
    #expect(try Self.remind(test, at: now) == [])
    try test.run("DELETE FROM messages WHERE kind = 'waitlist.confirm' AND status = 'queued'")
    #expect(try Self.sendAll(test) == ["coverage.available a@x.example"])
    #expect(try test.texts("SELECT email FROM waiting_list") == ["b@x.example"])
    #expect(
      try test.number("SELECT count(*) FROM messages WHERE recipient = 'a@x.example'") == 0)
    // The other one has never confirmed.
    try test.change(at: now.adding(days: 7)) { try $0.forgetOldMessages() }
    #expect(try test.number("SELECT count(*) FROM waiting_list") == 0)
    #expect(try test.number("SELECT count(*) FROM messages WHERE recipient LIKE '%x.example'") == 0)
    #expect(try test.findings() == [])
  }

  @Test("a type that is not available any more is not told, and told when it is again")
  func availableAgain() throws {
    let test = try Self.store()
    try test.change { change in
      try change.joinWaitingList(.TX, .cpa, change.body(["email": "a@x.example"], addressFields))
    }
    let letter = try #require(try Self.take(test))
    try test.change { change in
      _ = try change.note(.accepted, of: letter)
      try change.confirmWaiting(change.body(["code": "x"], codeFields)) { _ in
        [UInt8](repeating: 7, count: 32)
      }
      try change.insert(Partner.sample(22, .active, .cpa, in: [.TX]))
    }
    #expect(try Self.remind(test, at: now).count == 1)
    try test.change { try $0.movePartner(22, to: .inactive) }
    try test.run("DELETE FROM messages WHERE kind LIKE 'partner.%'")
    #expect(try Self.sendAll(test) == [])
    #expect(try test.number("SELECT count(*) FROM waiting_list") == 1)
    try test.change { try $0.movePartner(22, to: .active) }
    #expect(try Self.remind(test, at: now).count == 1)
    #expect(try Self.sendAll(test).contains("coverage.available a@x.example"))
    #expect(try test.findings() == [])
  }

  @Test("what people wait for is handed over before what is due longer; a new address ends codes")
  func askedFirst() throws {
    let test = try Self.store()
    try Self.introduce(test)
    let ask: @Sendable (Change) throws -> Void = {
      try $0.askToSignIn($0.body(["email": "user1@example.com"], addressFields))
    }
    try test.change(at: minute(1), ask)
    let letter = try #require(try Self.take(test, at: minute(1)))
    #expect(letter.kind == .signIn)
    #expect(try test.number("SELECT count(*) FROM sign_in_codes") == 1)
    try test.change { change in
      try ask(change)
      _ = try change.putUser(1, ["email": "new@example.com"])
    }
    #expect(try test.number("SELECT count(*) FROM sign_in_codes") == 0)
    #expect(try Self.sendAll(test, at: minute(2)).contains { $0.hasPrefix("sign_in") } == false)
  }

  @Test("who was to be told is forgotten when staff cancels the letter")
  func cancelledTelling() throws {
    let test = try Self.store()
    try test.change { change in
      try change.joinWaitingList(
        .TX, .cpa, change.body(["email": "a@x.example"], addressFields))
    }
    let letter = try #require(try Self.take(test))
    try test.change { change in
      _ = try change.note(.accepted, of: letter)
      try change.confirmWaiting(change.body(["code": "x"], codeFields)) { _ in
        [UInt8](repeating: 7, count: 32)
      }
      try change.insert(Partner.sample(22, .active, .cpa, in: [.TX]))
    }
    #expect(try Self.remind(test, at: now).count == 1)
    let id = try #require(
      ID(try test.texts("SELECT id FROM messages WHERE kind = 'coverage.available'")[0]))
    try test.change { try $0.cancelMessage(id) }
    #expect(try test.number("SELECT count(*) FROM waiting_list") == 0)
    #expect(try test.number("SELECT count(*) FROM messages WHERE recipient IS NOT NULL") == 0)
    #expect(try Self.remind(test, at: now) == [])
    #expect(try test.findings() == [])
  }

  // MARK: - Keeping

  @Test("texts are dropped after 90 days, and the rows stay")
  func texts() throws {
    let test = try Self.store()
    try Self.introduce(test)
    try Self.sendAll(test)
    for (days, left) in [(89, 4), (90, 0)] {
      try test.change(at: now.adding(days: days)) { try $0.forgetOldMessages() }
      #expect(try test.number("SELECT count(*) FROM messages WHERE text IS NOT NULL") == left)
    }
    #expect(try test.number("SELECT count(*) FROM messages") == 4)
    let id = try #require(ID(try test.texts("SELECT id FROM messages")[0]))
    #expect(
      refusal { try test.change { _ = try $0.resendMessage(id) } } == .conflict(.notResendable))
  }

  @Test("the statistics count each status, and the time since the first that is due")
  func statistics() throws {
    let test = try Self.store()
    try Self.introduce(test)
    let dispatch = try #require(try Self.take(test))
    try test.change { _ = try $0.note(.accepted, of: dispatch) }
    let statistics = try test.read(at: minute(2)) { try $0.messageStatistics() }
    #expect(statistics.counts[.sent] == 1 && statistics.counts[.queued] == 3)
    #expect(statistics.oldestQueuedSeconds == 120)
    try Self.sendAll(test)
    #expect(try test.read(at: minute(2)) { try $0.messageStatistics() }.oldestQueuedSeconds == 0)
  }
}
