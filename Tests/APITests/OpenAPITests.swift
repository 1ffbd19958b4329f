import Domain
import HTTPTypes
import JSON
import Schema
import Store
import Testing
import Yams

@testable import API

/// The description of the API against the table of routes: nothing is missing, nothing is too much.
@Suite struct OpenAPITests {
  let document: Node

  init() throws {
    document = try OpenAPITests.document()
  }

  static func document() throws -> Node {
    try #require(try Yams.compose(yaml: String(decoding: Schema.openAPI, as: UTF8.self)))
  }

  /// One operation of the document.
  private struct Operation {
    let name: String
    let node: Node
    let parameters: [(name: String, place: String)]

    func names(_ place: String) -> [String] {
      parameters.filter { $0.place == place }.map(\.name).sorted()
    }
  }

  private func operations() throws -> [Operation] {
    try members(of: document["paths"]).flatMap { path, item in
      try members(of: item).filter { $0.name != "parameters" }.map { name, operation in
        let own = elements(of: operation["parameters"]) + elements(of: item["parameters"])
        return Operation(
          name: "\(name.uppercased()) \(path)", node: operation,
          parameters: try own.map { item in
            let parameter = try resolve(item)
            return (
              try #require(parameter["name"]?.string), try #require(parameter["in"]?.string)
            )
          })
      }
    }
  }

  private func members(of node: Node?) throws -> [(name: String, value: Node)] {
    try #require(node?.mapping).map { (try #require($0.key.string), $0.value) }
  }

  private func elements(of node: Node?) -> [Node] { node?.sequence.map { Array($0) } ?? [] }

  /// Whether an operation has a response of this status.
  private func describes(_ status: String, _ operation: Operation) throws -> Bool {
    // The document quotes them, and the subscript would look for a number.
    try members(of: operation.node["responses"]).contains { $0.name == status }
  }

  /// Follows a node's `$ref`, if it is one.
  private func resolve(_ item: Node) throws -> Node {
    guard let reference = item["$ref"]?.string else { return item }
    var node = document
    for key in reference.split(separator: "/").dropFirst() {
      node = try #require(node[String(key)], "\(reference) leads nowhere")
    }
    return node
  }

  /// A route's name as the document has it.
  private func name(of route: Route) -> String {
    let path = route.segments.map { segment in
      switch segment {
      case .literal(let text): text
      case .variable(let name): "{\(name)}"
      }
    }
    return "\(route.method.rawValue) /" + path.joined(separator: "/")
  }

  @Test("Each route is described, and no other") func routes() throws {
    let described = try operations().map(\.name)
    #expect(described.sorted() == Route.all.map(name).sorted())
  }

  @Test("Each route's parameters, headers, body and audience are described, and no others")
  func parts() throws {
    let operations = try operations()
    #expect(!operations.isEmpty)
    for operation in operations {
      let route = try #require(Route.all.first { name(of: $0) == operation.name })
      #expect(
        operation.names("query") == route.parameters.map(\.name).sorted(), "\(operation.name)")
      let variables = route.segments.compactMap { segment -> String? in
        if case .variable(let name) = segment { name } else { nil }
      }
      #expect(operation.names("path") == variables.sorted(), "\(operation.name)")
      let headers = operation.names("header")
      let takesKey = route.method == .post && route.storable
      #expect(headers.contains("Idempotency-Key") == takesKey, "\(operation.name)")
      // A token is revoked whatever has become of it.
      let takesMatch =
        route.method == .put
        || route.method == .delete && route.pattern != "/api/admin/tokens/:id"
        || route.pattern == "/api/admin/messages/:id/cancel"
      #expect(headers.contains("If-Match") == takesMatch, "\(operation.name)")
      #expect((operation.node["requestBody"] != nil) == (route.body != .none), "\(operation.name)")
      if let body = operation.node["requestBody"] {
        #expect(
          try (resolve(body)["required"]?.bool == true) == (route.body == .required),
          "\(operation.name)")
      }
      let isPublic = operation.node["security"]?.sequence?.isEmpty == true
      #expect(isPublic == (route.audience == .anyone), "\(operation.name)")
    }
  }

  @Test("Each GET of a thing with a version describes If-None-Match and 304, and no other does")
  func versions() throws {
    let operations = try operations()
    let furnished = try AudienceTests.Furnished()
    for scenario in AudienceTests.scenarios where scenario.method == "GET" {
      let role: Role = [.partners, .pablo].contains(scenario.rights) ? .partner : .staff
      let reply = furnished.world.get(furnished.expand(scenario.path), as: role)
      let route = try #require(Route.all.first { $0.matches(furnished.expand(scenario.path)) })
      let operation = try #require(operations.first { $0.name == name(of: route) })
      let hasVersion = reply.etag != nil
      #expect(
        operation.names("header").contains("If-None-Match") == hasVersion, "\(operation.name)")
      #expect((try describes("304", operation)) == hasVersion, "\(operation.name)")
    }
  }

  @Test("The statuses that the scenarios answer are described") func statuses() throws {
    let operations = try operations()
    let furnished = try AudienceTests.Furnished()
    for scenario in AudienceTests.scenarios {
      let path = furnished.expand(scenario.path)
      let route = try #require(
        Route.all.first { $0.matches(path) && $0.method.rawValue == scenario.method })
      let operation = try #require(operations.first { $0.name == name(of: route) })
      var statuses = [scenario.status]
      statuses += Role.allCases.compactMap { scenario.refusal(for: $0) }
        .compactMap { Int($0.prefix(3)) }
      for status in statuses {
        #expect(try describes("\(status)", operation), "\(operation.name) \(status)")
      }
    }
  }

  @Test("What every request can be answered with is described once") func shared() throws {
    let common = "#/components/responses/AnyTime"
    for operation in try operations() {
      let responses = try members(of: operation.node["responses"])
      let shared = responses.first { $0.name == "default" }?.value["$ref"]?.string
      #expect(shared == common, "\(operation.name)")
      #expect(!responses.contains { ["413", "414", "500", "502", "503", "504"].contains($0.name) })
    }
    let problems = try members(of: resolve(["$ref": Node(common)])["content"]).flatMap {
      try elements(of: $0.value["schema"]?["oneOf"]).map { try #require($0["$ref"]?.string) }
    }
    #expect(
      problems.map { $0.split(separator: "/").last }
        == ["TooLarge", "UriTooLong", "RateLimited", "Internal", "Unavailable"])
  }

  /// The properties of a schema with those of the schemas that it consists of, and which are required.
  private func properties(of schema: Node) throws -> (all: Set<String>, required: Set<String>) {
    let schema = try resolve(schema)
    var all: Set<String> = []
    if let own = schema["properties"] { all = Set(try members(of: own).map(\.name)) }
    var required = Set(elements(of: schema["required"]).compactMap(\.string))
    for part in elements(of: schema["allOf"]) {
      let inner = try properties(of: part)
      all.formUnion(inner.all)
      required.formUnion(inner.required)
    }
    return (all, required)
  }

  @Test(
    "Each view's properties are the fields that its audience sees, all of them required",
    arguments: [
      ("Partner", .partners, .staff, true), ("OwnPartner", .partners, .partner, true),
      ("PublicPartner", .partners, .anyone, false),
      ("PublicPartnerDetail", .partners, .anyone, true),
      ("Credential", .credentials, .staff, true), ("OwnCredential", .credentials, .partner, true),
      ("StaffReferral", .referrals, .staff, false),
      ("StaffReferralDetail", .referrals, .staff, true),
      ("MemberReferral", .referrals, .member, false),
      ("MemberReferralDetail", .referrals, .member, true),
      ("PartnerReferral", .referrals, .partner, false),
      ("PartnerReferralDetail", .referrals, .partner, true),
      ("User", .users, .staff, true), ("Token", .tokens, .staff, false),
      ("Group", .groups, .staff, true),
      ("Message", .messages, .staff, false), ("MessageDetail", .messages, .staff, true),
      ("Event", .events, .staff, true),
    ] as [(String, Table, Audiences, Bool)])
  func views(schema: String, table: Table, audience: Audiences, isSingle: Bool) throws {
    let described = try properties(
      of: try #require(document["components"]?["schemas"]?[schema], "\(schema) is missing"))
    let seen = table.fields.filter {
      $0.seenBy.contains(audience) && (isSingle || !$0.traits.contains(.single))
    }
    #expect(described.all == Set(seen.map(\.name)))
    #expect(described.required == described.all)
    for field in seen {
      guard case .joined(let inner) = field.kind else { continue }
      let nested = try nestedSchema(field.name, in: schema)
      #expect(try properties(of: nested).all == Set(inner.map(\.name)), "\(field.name)")
      #expect(try properties(of: nested).required == Set(inner.map(\.name)), "\(field.name)")
    }
  }

  /// The schema of a property that is an object, or an object or null.
  private func nestedSchema(_ name: String, in schema: String) throws -> Node {
    func find(_ node: Node) throws -> Node? {
      let node = try resolve(node)
      if let property = node["properties"]?[name] { return property }
      return try elements(of: node["allOf"]).compactMap(find).first
    }
    let whole = try #require(document["components"]?["schemas"]?[schema])
    let property = try #require(try find(whole))
    let choices = elements(of: try resolve(property)["oneOf"])
    return try choices.first { $0["$ref"] != nil || $0["properties"] != nil } ?? resolve(property)
  }

  @Test(
    "Each body's properties are the fields that may be set, and those that may be sent back",
    arguments: [
      ("PartnerCreation", .partners, .staff, .creation),
      ("PartnerUpdate", .partners, .staff, .update),
      ("OwnPartnerUpdate", .partners, .partner, .update),
      ("ReferralRequest", .referrals, .member, .creation),
      ("ReferralUpdate", .referrals, .staff, .update), ("UserRecord", .users, .staff, .update),
      ("GroupRecord", .groups, .staff, .update), ("TokenCreation", .tokens, .staff, .creation),
      ("CredentialCreation", .credentials, .staff, .creation),
      ("CredentialUpdate", .credentials, .staff, .update),
      ("OwnCredentialCreation", .credentials, .partner, .creation),
      ("OwnCredentialUpdate", .credentials, .partner, .update),
    ] as [(String, Table, Audiences, BodyPurpose)])
  private func bodies(
    schema: String, table: Table, audience: Audiences, purpose: BodyPurpose
  ) throws {
    let described = try properties(
      of: try #require(document["components"]?["schemas"]?[schema], "\(schema) is missing"))
    let isNew = purpose == .creation
    let taken = table.fields.filter {
      !(isNew ? $0.createdBy : $0.setBy.union($0.seenBy)).isDisjoint(with: audience)
    }
    // The fields that belong to the body alone.
    let further: Set<String> =
      switch schema {
      case "ReferralUpdate": ["note"]
      case "CredentialCreation", "CredentialUpdate": ["verified"]
      default: []
      }
    #expect(described.all == Set(taken.map(\.name)).union(further))
    let required = taken.filter { isNew && $0.traits.contains(.required) }
    #expect(described.required == Set(required.map(\.name)))
  }

  @Test(
    "The bodies of sign-in and of the waiting list",
    arguments: [("Address", addressFields), ("Code", codeFields)])
  func publicBodies(schema: String, fields: [Field]) throws {
    let described = try properties(
      of: try #require(document["components"]?["schemas"]?[schema], "\(schema) is missing"))
    #expect(described.all == Set(fields.map(\.name)))
    #expect(described.required == described.all)
  }

  @Test("What waits for a review are the fields of that trait") func reviewed() throws {
    let schemas = try #require(document["components"]?["schemas"])
    let names = Table.partners.fields.filter { $0.traits.contains(.reviewed) }.map(\.name)
    #expect(try members(of: schemas["PendingChanges"]?["properties"]).map(\.name) == names)
    let chosen = schemas["PartnerReview"]?["properties"]?["fields"]?["items"]?["enum"]
    #expect(elements(of: chosen).compactMap(\.string) == names)
  }

  private enum BodyPurpose {
    case creation, update
  }

  /// A failure for each problem of the document's that this service answers.
  private static let failures: [String: Failure] = [
    "InvalidParameter": .invalidParameter([
      FieldError(.parameter("limit"), .outOfRange, "Must be a whole number from 1 to 100.")
    ]),
    "Unauthenticated": .unauthenticated(tokenGiven: false), "Forbidden": .forbidden,
    "NotFound": .notFound,
    "MethodNotAllowed": .methodNotAllowed(["GET", "HEAD", "PUT", "OPTIONS"]),
    "TransitionNotAllowed": .conflict(
      .transitionNotAllowed(from: "removed", to: "active", allowed: ["pending_review"])),
    "PartnerNotReady": .conflict(
      .partnerNotReady(missing: ["agreement_signed_at", "service_areas"])),
    "PartnerExists": .conflict(.partnerExists),
    "UserAlreadyLinked": .conflict(.userAlreadyLinked),
    "PartnerHasReferrals": .conflict(.partnerHasReferrals),
    "CredentialExists": .conflict(.credentialExists),
    "CredentialVerified": .conflict(.credentialVerified),
    "PartnerNotEligible": .conflict(.partnerNotEligible([.notActive, .doesNotServeState])),
    "PartnerAlreadyIntroduced": .conflict(.partnerAlreadyIntroduced),
    "ReferralNotPending": .conflict(.referralNotPending),
    "ReferralClosed": .conflict(.referralClosed), "ContactMissing": .conflict(.contactMissing),
    "ConsentMissing": .conflict(.consentMissing),
    "ReferralAlreadyOpen": .conflict(
      .referralAlreadyOpen(
        group: ID("019ab4c1-22d0-7c3e-9a44-5e0f6a7b8c9d")!,
        referral: ID("019ab4c3-7f10-7d21-8b3c-0a1b2c3d4e5f")!)),
    "OutcomeNotPossible": .conflict(.outcomeNotPossible(status: .pending)),
    "NoActivePartner": .conflict(.noActivePartner),
    "AlreadyAvailable": .conflict(.alreadyAvailable),
    "NotResendable": .conflict(.notResendable),
    "MessageNotQueued": .conflict(.messageNotQueued(.sent)), "CodeExpired": .codeExpired,
    "NoPendingChanges": .conflict(.noPendingChanges), "EmailTaken": .conflict(.emailTaken),
    "UserErased": .conflict(.userErased), "PartnerErased": .conflict(.partnerErased),
    "UserIsStaff": .conflict(.userIsStaff),
    "PreconditionFailed": .preconditionFailed, "TooLarge": .tooLarge,
    "QuotaExceeded": .quotaExceeded(
      ExceededQuota(
        .groupRequests, limit: 30, oldest: Timestamp(milliseconds: 0),
        now: Timestamp(milliseconds: 0))),
    "UnsupportedMediaType": .unsupportedMediaType(),
    "Validation": .validation([
      FieldError(.pointer("/company_name"), .required, "This field is required."),
      FieldError(.pointer("/service_areas/1"), .unknownState, "\"ZZ\" is not a US state code."),
    ]),
    "IdempotencyKeyReused": .idempotencyKeyReused, "Unavailable": .unavailable(""),
  ]

  @Test("Each problem's example is what the service answers") func problems() throws {
    var names: [String] = []
    for (name, schema) in try members(of: document["components"]?["schemas"]) {
      guard
        elements(of: schema["allOf"]).contains(where: {
          $0["$ref"]?.string == "#/components/schemas/Problem"
        })
      else { continue }
      names.append(name)
      let example = try #require(elements(of: schema["examples"]).first, "\(name)")
      var problem: Problem
      if let failure = Self.failures[name] {
        problem = Problem(failure)
      } else if name == "Internal" {
        problem = .internalError
      } else if name == "MalformedJSON" {
        problem = Problem(.malformedJSON(try #require(example["detail"]?.string)))
      } else {
        // nginx answers these.
        continue
      }
      problem.instance = try #require(example["instance"]?.string)
      problem.requestID = try #require(example["request_id"]?.string)
      #expect(try JSON(parsing: problem.bytes) == json(example), "\(name)")
    }
    let own = Set(Self.failures.keys).union(["Internal", "MalformedJSON"])
    #expect(Set(names).subtracting(own) == ["UnreadableRequest", "UriTooLong", "RateLimited"])
    #expect(own.isSubset(of: names))
  }

  /// A node of the document as JSON.
  private func json(_ node: Node) throws -> JSON {
    if node.mapping != nil {
      return .object(try members(of: node).map { JSON.Member($0.name, try json($0.value)) })
    }
    if node.sequence != nil { return .array(try elements(of: node).map(json)) }
    if let number = node.int { return .integer(number) }
    return .string(try #require(node.string))
  }

  @Test("The list of all credentials has staff's view and the partner")
  func credentialsOfPartners() throws {
    let schemas = try #require(document["components"]?["schemas"])
    let described = try properties(of: try #require(schemas["PartnerCredential"]))
    let own = try properties(of: try #require(schemas["Credential"])).all
    #expect(described.all == own.union(["partner"]))
    #expect(described.required == described.all)
    let partner = try nestedSchema("partner", in: "PartnerCredential")
    #expect(try properties(of: partner).required == ["id", "company_name"])
  }

  @Test("The vocabularies are the service's")
  func words() throws {
    let schemas = try #require(document["components"]?["schemas"])
    let languages = elements(of: schemas["LanguageCode"]?["enum"]).compactMap(\.string)
    #expect(languages.count == 184)
    #expect(Set(languages) == LanguageCode.codes)
    let reasons = schemas["Candidate"]?["properties"]?["left_out"]?["items"]?["enum"]
    #expect(
      elements(of: reasons).compactMap(\.string) == Ranking.LeftOut.allCases.map(\.rawValue))
    #expect(
      elements(of: schemas["EventKind"]?["enum"]).compactMap(\.string)
        == EventKind.allCases.map(\.rawValue))
    #expect(
      elements(of: schemas["SubjectKind"]?["enum"]).compactMap(\.string)
        == SubjectKind.allCases.map(\.rawValue))
    #expect(
      elements(of: schemas["CredentialKind"]?["enum"]).compactMap(\.string)
        == CredentialKind.allCases.map(\.rawValue))
    #expect(
      elements(of: schemas["CredentialsStatus"]?["enum"]).compactMap(\.string)
        == CredentialsStatus.allCases.map(\.rawValue))
    #expect(
      elements(of: schemas["MessageKind"]?["enum"]).compactMap(\.string)
        == MessageKind.allCases.map(\.rawValue))
    #expect(
      elements(of: schemas["MessageStatus"]?["enum"]).compactMap(\.string)
        == MessageStatus.allCases.map(\.rawValue))
    let missing = schemas["IntroductionPreview"]?["properties"]?["missing"]?["items"]?["enum"]
    #expect(
      elements(of: missing).compactMap(\.string)
        == MissingForIntroduction.allCases.map(\.rawValue) + Ineligibility.allCases.map(\.rawValue))
  }

  @Test("The service answers with this document") func served() throws {
    let reply = try World().get("/api/openapi.yaml", as: .nobody)
    #expect(reply.body == Schema.openAPI)
    #expect(reply.headers[.contentType] == "application/yaml")
  }

  @Test("The service answers with this document as JSON too") func servedAsJSON() throws {
    let reply = try World().get("/api/openapi.json", as: .nobody)
    #expect(reply.headers[.contentType] == "application/json")
    let text = String(decoding: reply.body, as: UTF8.self)
    // Each JSON text is YAML too.
    let read = try #require(try Yams.compose(yaml: text))
    expectSame(read, document, at: "")
    #expect(try JSON(parsing: reply.body)["openapi"] == "3.1.0")
  }

  private func expectSame(_ found: Node, _ wanted: Node, at path: String) {
    switch (found, wanted) {
    case (.mapping(let found), .mapping(let wanted)):
      #expect(found.map(\.key.string) == wanted.map(\.key.string), "\(path)")
      for (found, wanted) in zip(found, wanted) {
        expectSame(found.value, wanted.value, at: "\(path)/\(wanted.key.string ?? "")")
      }
    case (.sequence(let found), .sequence(let wanted)):
      #expect(found.count == wanted.count, "\(path)")
      for (index, pair) in zip(found, wanted).enumerated() {
        expectSame(pair.0, pair.1, at: "\(path)/\(index)")
      }
    case (.scalar(let found), .scalar(let wanted)):
      #expect(found.string == wanted.string, "\(path)")
      // Only what the document has without quotes is anything but text.
      if wanted.style != .plain { #expect(found.style == .doubleQuoted, "\(path)") }
      if let number = Double(wanted.string), wanted.style == .plain {
        #expect(Double(found.string) == number && found.style == .plain, "\(path)")
      }
      if ["true", "false", "null"].contains(wanted.string), wanted.style == .plain {
        #expect(found.style == .plain, "\(path)")
      }
    default: Issue.record("\(path): \(found) instead of \(wanted)")
    }
  }
}

extension Route {
  fileprivate func matches(_ path: String) -> Bool {
    fits(path.prefix { $0 != "?" }.split(separator: "/").map(String.init))
  }
}
