import Domain
import JSON
import SQLite

extension Change {
  /// Queues the messages about a new request: to its contact, and to staff.
  func announce(_ referral: Referral) throws {
    let about = MessageSubject(referral: referral.id)
    try queue(.requestReceived, to: contact(of: referral).map(recipient), about: about) {
      try values(of: referral)
    }
    try queue(.requestNew, to: staff, about: about) { try values(of: referral, forStaff: true) }
  }

  /// Queues the messages that follow from a request's change of status, and cancels those that have no reason any
  /// more.
  func announce(_ new: Referral, since old: Referral) throws {
    guard new.status != old.status else { return }
    try cancelMessages(
      of: MessageKind.obsolete(in: new.status), "referral_id = ?", new.id.text)
    guard new.status == .introSent, let id = new.partnerID, let partner = try partner(id) else {
      return
    }
    let about = MessageSubject(referral: new.id, partner: id)
    try queue(.introductionPartner, to: recipient(partner), about: about) {
      try values(of: new)
    }
    try queue(.introductionGroup, to: contact(of: new).map(recipient), about: about) {
      try values(of: new)
    }
  }

  /// Queues the messages about a partner's answer: to the request's owner or staff, and to the contact if the partner
  /// accepted.
  ///
  /// - Parameter old: The request before the answer, which names the partner.
  func announceAnswer(
    to old: Referral, accepted: Bool, code: DeclineReason?, reason: String?
  ) throws {
    let about = MessageSubject(referral: old.id, partner: old.partnerID)
    func letter(_ recipient: Recipient?, toContact: Bool) throws {
      try queue(.referralAnswered, to: recipient, about: about) {
        // The partner gives its reasons to staff.
        try values(of: old, forStaff: !toContact) + [
          JSON.Member("to_contact", .bool(toContact)), JSON.Member("accepted", .bool(accepted)),
          JSON.Member("reason", (toContact ? nil : reason).map(JSON.string) ?? .null),
          JSON.Member("reason_code", code.map { .string($0.words) } ?? .null),
        ]
      }
    }
    try letter(assigneeOrStaff(of: old), toContact: false)
    if accepted {
      try letter(contact(of: old).map(recipient), toContact: true)
    }
  }

  /// The member of staff who looks after a request, else staff's address.
  func assigneeOrStaff(of referral: Referral) throws -> Recipient? {
    guard let assignee = try referral.id("assigned_to").flatMap({ try user($0) }),
      !assignee.isDisabled
    else { return staff }
    var recipient = recipient(assignee)
    recipient.isStaff = true
    return recipient
  }
}

extension Snapshot {
  /// The user if a member of the group and not disabled, else nil.
  func reachable(_ id: ID, inGroup group: ID) throws -> User? {
    guard try isMember(id, of: group), let user = try user(id), !user.isDisabled else { return nil }
    return user
  }

  /// The contact of a request, if the partner can be put in touch with it.
  func contact(of referral: Referral) throws -> User? {
    try referral.contactID.flatMap { try reachable($0, inGroup: referral.groupID) }
  }

  /// The letters of a request's introduction as they would be now.
  ///
  /// - Parameter requiresConsent: Whether an introduction needs the requester's consent.
  /// - Returns: A JSON object.
  /// - Throws: `Failure.notFound`.
  package func introduction(of id: ID, requiresConsent: Bool) throws -> [UInt8] {
    guard let referral = try referral(id) else { throw Failure.notFound }
    let partner = try referral.partnerID.flatMap { try self.partner($0) }
    let contact = try contact(of: referral)
    var missing: [MissingForIntroduction] = []
    if partner == nil { missing.append(.partner) }
    if contact == nil { missing.append(.contact) }
    if requiresConsent, referral.consentVersion == nil { missing.append(.consent) }
    if mail?.sender == nil { missing.append(.mail) }
    // An introduction that was sent stays valid.
    let reasons = referral.isIntroduced ? [] : partner?.ineligibility(for: referral, at: now) ?? []
    let isComplete = partner != nil && contact != nil
    var json = JSONWriter()
    try json.object { json in
      for (name, kind, address) in [
        ("to_partner", MessageKind.introductionPartner, partner?.email),
        ("to_group", .introductionGroup, contact?.email),
      ] {
        json.name(escaping: name)
        guard isComplete, let address,
          let letter = try mail?.write(kind, values(of: referral))
        else {
          json.null()
          continue
        }
        json.object {
          $0.field("to", address)
          $0.field("subject", letter.subject)
          $0.field("text", letter.text)
        }
      }
      json.name("missing")
      json.value(
        .array((missing.map(\.rawValue) + reasons.map(\.rawValue)).map { .string($0) }))
    }
    return json.bytes
  }

  /// What the letters about a request say. Only staff sees who has made it: the partner and the group write to the
  /// contact.
  func values(of referral: Referral, forStaff: Bool = false) throws -> [JSON.Member] {
    let context = referral.record["context"]
    func text(_ name: String, in object: JSON?) -> String? {
      if case .string(let text) = object?[name] { text } else { nil }
    }
    func number(_ name: String, in object: JSON?) -> Int? {
      if case .integer(let number) = object?[name] { number } else { nil }
    }
    func json(_ text: String?) -> JSON { text.map(JSON.string) ?? .null }
    func person(_ user: User?) -> JSON {
      user.map { ["name": .string($0.name), "email": .string($0.email)] } ?? .null
    }
    let prices = context["home_price_range"]
    let need: [(String, String?)] = [
      ("specific_need", text("specific_need", in: context)),
      (
        "group_size",
        number("group_size", in: context).map { $0 == 1 ? "1 person" : "\($0) people" }
      ),
      (
        "home_price",
        Wording.dollars(from: number("min", in: prices), to: number("max", in: prices))
      ),
      ("timeline", text("timeline", in: context)),
    ]
    let partner = try referral.partnerID.flatMap { try self.partner($0) }
    return [
      JSON.Member("group", ["name": json(try group(referral.groupID)?.name)]),
      JSON.Member("type", .string(referral.partnerType.rawValue)),
      JSON.Member("type_name", .string(referral.partnerType.noun)),
      JSON.Member("a_type_name", .string(referral.partnerType.nounWithArticle)),
      JSON.Member("state", json(referral.state?.name)),
      JSON.Member(
        "need",
        need.allSatisfy { $0.1 == nil }
          ? .null : .object(need.map { JSON.Member($0.0, json($0.1)) })),
      JSON.Member("contact", person(try contact(of: referral))),
      JSON.Member(
        "requester", forStaff ? person(try user(referral.requestedBy)) : .null),
      JSON.Member(
        "partner",
        partner.map { partner in
          .object(
            [
              "company_name", "contact_name", "email", "phone", "website",
              "affiliation_disclosure",
            ].map { JSON.Member($0, partner.record[$0]) })
        } ?? .null),
      links([
        "group": "/group?id=\(referral.groupID)", "portal": "/portal",
        "desk": "/desk/referral?id=\(referral.id)",
      ]),
    ]
  }
}
