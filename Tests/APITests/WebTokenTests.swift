import Crypto
import Domain
import Foundation
import HTTPTypes
import JSON
import Testing
import _CryptoExtras

@testable import API

@Suite("JSON Web Tokens of another sign-in")
struct WebTokenTests {
  private static let now = Timestamp("2026-11-22T14:30:28.123Z")!
  private static let seconds = Double(now.milliseconds) / 1000
  private static let issuer = "https://auth.tomi.example"
  private static let audience = "referrals"

  // Unsafe in name only: swift-crypto 3 does not say of its keys that threads may share them.
  private nonisolated(unsafe) static let secret = SymmetricKey(data: (0..<32).map { UInt8($0) })
  private nonisolated(unsafe) static let curve = P256.Signing.PrivateKey()
  private static let rsa = try! _RSA.Signing.PrivateKey(keySize: .bits2048)

  // MARK: The sign-in's side

  private static func base64URL(_ data: some DataProtocol) -> String {
    Data(data).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
      .replacing("=", with: "")
  }

  private static let secretJWK: JSON = [
    "kty": "oct", "kid": "s", "k": .string(base64URL(secret.withUnsafeBytes { Data($0) })),
  ]
  private static let curveJWK: JSON = {
    let point = curve.publicKey.rawRepresentation
    return [
      "kty": "EC", "crv": "P-256", "kid": "e", "use": "sig", "alg": "ES256",
      "x": .string(base64URL(point.prefix(32))), "y": .string(base64URL(point.suffix(32))),
    ]
  }()
  private static let rsaJWK: JSON = {
    let parts = try! rsa.publicKey.getKeyPrimitives()
    return [
      "kty": "RSA", "kid": "r", "alg": "RS256", "n": .string(base64URL(parts.modulus)),
      "e": .string(base64URL(parts.publicExponent)),
    ]
  }()

  private static func verifier(
    _ keys: [JSON] = [secretJWK, curveJWK, rsaJWK], staff: String? = nil
  ) throws -> WebTokenVerifier {
    try WebTokenVerifier(
      keySet: (["keys": .array(keys)] as JSON).bytes, issuer: issuer, audience: audience,
      staffClaim: staff.map { WebTokenVerifier.StaffClaim($0)! })
  }

  private static let claims: JSON = [
    "iss": .string(issuer), "aud": .string(audience), "sub": .string(Person.ann.text),
    "exp": .number(seconds + 300),
  ]

  private enum Signer: String, CaseIterable {
    case hs256 = "HS256"
    case es256 = "ES256"
    case rs256 = "RS256"

    var keyID: String {
      switch self {
      case .hs256: "s"
      case .es256: "e"
      case .rs256: "r"
      }
    }

    func sign(_ text: String) throws -> Data {
      let data = Data(text.utf8)
      return switch self {
      case .hs256:
        Data(HMAC<SHA256>.authenticationCode(for: data, using: WebTokenTests.secret))
      case .es256: try WebTokenTests.curve.signature(for: data).rawRepresentation
      case .rs256:
        try WebTokenTests.rsa.signature(
          for: SHA256.hash(data: data), padding: .insecurePKCS1v1_5
        ).rawRepresentation
      }
    }
  }

  private static func token(
    _ claims: JSON = claims, by signer: Signer = .es256, header: JSON? = nil
  ) throws -> String {
    let header =
      header
      ?? ["alg": .string(signer.rawValue), "typ": "JWT", "kid": .string(signer.keyID)] as JSON
    let text = "\(base64URL(header.bytes)).\(base64URL(claims.bytes))"
    return "\(text).\(base64URL(try signer.sign(text)))"
  }

  private static func caller(_ token: String, _ verifier: WebTokenVerifier? = nil) throws -> Caller?
  {
    try (verifier ?? WebTokenTests.verifier()).caller(of: token, now: now)
  }

  // MARK: Signatures

  @Test("each of the three algorithms, with the key's name and without", arguments: Signer.allCases)
  private func algorithms(signer: Signer) throws {
    let ann = Caller(userID: Person.ann)
    #expect(try Self.caller(Self.token(by: signer)) == ann)
    #expect(
      try Self.caller(Self.token(by: signer, header: ["alg": .string(signer.rawValue)])) == ann)
    // Another key's name.
    #expect(
      try Self.caller(
        Self.token(by: signer, header: ["alg": .string(signer.rawValue), "kid": "x"])) == nil)
  }

  @Test("a signature by a key that is not in the set, or over another text, counts for nothing")
  func foreignKeys() throws {
    let token = try Self.token()
    #expect(try Self.caller(token, Self.verifier([Self.secretJWK, Self.rsaJWK])) == nil)
    var other: JSON = Self.curveJWK
    let point = P256.Signing.PrivateKey().publicKey.rawRepresentation
    other = other.with([
      "x": .string(Self.base64URL(point.prefix(32))),
      "y": .string(Self.base64URL(point.suffix(32))),
    ])
    #expect(try Self.caller(token, Self.verifier([other])) == nil)

    let parts = token.split(separator: ".").map(String.init)
    let staff = Self.base64URL(Self.claims.with(["sub": .string(Person.sam.text)]).bytes)
    for forged in [
      "\(parts[0]).\(staff).\(parts[2])", "\(parts[0]).\(parts[1]).", "\(parts[0]).\(parts[1])",
      "\(token).", ".\(token)", "..", "\(parts[0])..\(parts[2])",
      "\(parts[0]).\(parts[1])=.\(parts[2])",
      "\(parts[0]).\(parts[1]).\(parts[2].dropLast(4))", "\(parts[0]).\(parts[1]).AAAA",
    ] {
      #expect(try Self.caller(forged) == nil, "\(forged)")
    }
  }

  @Test("what the header says of the algorithm chooses among the keys, and nothing else")
  func keyConfusion() throws {
    // No signature at all.
    for name in ["none", "None", "NONE", "", "HS512", "PS256", "ES384"] {
      let header = Self.base64URL((["alg": .string(name)] as JSON).bytes)
      let text = "\(header).\(Self.base64URL(Self.claims.bytes))"
      #expect(try Self.caller("\(text).") == nil, "\(name)")
      #expect(
        try Self.caller("\(text).\(Self.base64URL(try Signer.hs256.sign(text)))") == nil, "\(name)")
    }
    // The public key, which everybody may know, taken for a secret: in every form that it has.
    let header = Self.base64URL((["alg": "HS256", "kid": "r"] as JSON).bytes)
    let text = "\(header).\(Self.base64URL(Self.claims.bytes))"
    let publicKeys: [Data] = [
      Self.rsa.publicKey.derRepresentation, Data(Self.rsa.publicKey.pemRepresentation.utf8),
      Data(Self.rsaJWK.bytes), try Self.rsa.publicKey.getKeyPrimitives().modulus,
      Self.curve.publicKey.rawRepresentation, Self.curve.publicKey.derRepresentation, Data(),
    ]
    for keys in [[Self.rsaJWK], [Self.rsaJWK, Self.curveJWK], [Self.rsaJWK, Self.secretJWK]] {
      for key in publicKeys {
        let code = HMAC<SHA256>.authenticationCode(
          for: Data(text.utf8), using: SymmetricKey(data: key))
        #expect(
          try Self.caller("\(text).\(Self.base64URL(Data(code)))", Self.verifier(keys)) == nil)
      }
    }
    // One key's signature under another's name.
    for (signer, algorithm) in [
      (Signer.es256, "RS256"), (.rs256, "ES256"), (.hs256, "ES256"), (.es256, "HS256"),
    ] {
      #expect(
        try Self.caller(Self.token(by: signer, header: ["alg": .string(algorithm)])) == nil)
    }
    // What must be understood, and is not (RFC 7515, section 4.1.11).
    #expect(
      try Self.caller(Self.token(header: ["alg": "ES256", "crit": ["b64"], "b64": true])) == nil)
  }

  // MARK: Claims

  @Test("claims that do not hold, and such as just do")
  func claims() throws {
    let cases: [(JSON, Bool)] = [
      (["exp": .number(Self.seconds - 59.9)], true), (["exp": .number(Self.seconds - 60)], false),
      (["exp": .null], false), (["exp": .string("\(Self.seconds + 300)")], false),
      (["exp": .integer(Int(Self.seconds) + 300)], true),
      (["nbf": .number(Self.seconds + 59.9)], true), (["nbf": .number(Self.seconds + 60.1)], false),
      (["nbf": .number(Self.seconds - 10_000)], true), (["nbf": "soon"], false),
      (["iss": "https://auth.tomi.example/"], false), (["iss": .null], false),
      (["iss": [.string(Self.issuer)]], false),
      (["aud": ["a", .string(Self.audience)]], true), (["aud": ["a", "b"]], false),
      (["aud": []], false), (["aud": "Referrals"], false), (["aud": .null], false),
      (["sub": .string(Person.ann.text.uppercased())], true), (["sub": "ann"], false),
      (["sub": .integer(1)], false), (["sub": .null], false),
      (["jti": "x", "extra": [1, 2]], true),
    ]
    for (change, counts) in cases {
      let caller = try Self.caller(Self.token(Self.claims.with(change)))
      #expect((caller != nil) == counts, "\(change)")
      #expect(caller == nil || caller?.userID == Person.ann, "\(change)")
    }
    for text in ["[]", "null", "1", "", "{\"sub\":", "{}"] {
      let header = Self.base64URL((["alg": "ES256"] as JSON).bytes)
      let signed = "\(header).\(Self.base64URL(Data(text.utf8)))"
      let signature = Self.base64URL(try Signer.es256.sign(signed))
      #expect(try Self.caller("\(signed).\(signature)") == nil, "\(text)")
    }
  }

  @Test("who is staff says a claim of the sign-in's own, if one is named")
  func staff() throws {
    let cases: [(String?, JSON, Bool)] = [
      (nil, ["role": "staff", "staff": true], false),
      ("staff", ["staff": true], true), ("staff", ["staff": false], false),
      ("staff", ["staff": "true"], false), ("staff", [:], false), ("staff", ["staff": 1], false),
      ("role=staff", ["role": "staff"], true), ("role=staff", ["role": "Staff"], false),
      ("role=staff", ["role": ["a", "staff"]], true), ("role=staff", ["role": ["a"]], false),
      ("role=staff", ["role": true], false), ("role=a=b", ["role": "a=b"], true),
      ("role=", ["role": ""], true), ("role=", [:], false),
    ]
    for (name, claims, isStaff) in cases {
      let caller = try Self.caller(
        Self.token(Self.claims.with(claims)), Self.verifier(staff: name))
      #expect(caller?.isStaff == isStaff, "\(name ?? "none") with \(claims)")
    }
    #expect(WebTokenVerifier.StaffClaim("") == nil)
    #expect(WebTokenVerifier.StaffClaim("=staff") == nil)
  }

  // MARK: Key sets

  @Test("a key set that cannot be used is refused with the reason")
  func keySets() throws {
    let cases: [(JSON, String)] = [
      ([], "JWK Set"), ([:], "JWK Set"), (["keys": [:]], "JWK Set"), (["keys": []], "no key"),
      (["keys": [["kty": "oct", "k": "c2hvcnQ"]]], "key 1: a secret for HS256 needs at least 32"),
      (["keys": [["kty": "oct"]]], "key 1: \"k\""),
      (["keys": [["kty": "oct", "k": "a+b/"]]], "key 1: \"k\""),
      (["keys": [Self.secretJWK, ["kid": "x"]]], "key 2: it has no \"kty\""),
      (["keys": [Self.curveJWK.with(["d": "AAAA"])]], "private"),
      (["keys": [Self.rsaJWK.with(["d": "AAAA"])]], "private"),
      (["keys": [Self.curveJWK.with(["y": Self.curveJWK["x"] ?? .null])]], "not a point"),
      (["keys": [Self.rsaJWK.with(["n": "AQAB"])]], "2048 bits"),
      // Others' keys are passed over; with nothing left there is no set.
      (["keys": [["kty": "OKP", "crv": "Ed25519", "x": "AAAA"]]], "no key"),
      (["keys": [Self.curveJWK.with(["use": "enc"])]], "no key"),
      (["keys": [Self.rsaJWK.with(["alg": "PS256"])]], "no key"),
    ]
    for (keySet, reason) in cases {
      let error = #expect(throws: KeySetError.self, "\(reason)") {
        try WebTokenVerifier(
          keySet: keySet.bytes, issuer: Self.issuer, audience: Self.audience, staffClaim: nil)
      }
      #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
    }
    #expect(throws: KeySetError.self) {
      try WebTokenVerifier(
        keySet: Array("no JSON".utf8), issuer: Self.issuer, audience: Self.audience,
        staffClaim: nil)
    }
    let mixed = try Self.verifier([["kty": "OKP"], Self.curveJWK])
    #expect(try Self.caller(Self.token(), mixed)?.userID == Person.ann)
  }

  // MARK: Requests

  private static func authorization(_ claims: JSON) throws -> HTTPFields {
    [.authorization: "Bearer \(try token(Self.claims.with(claims)))"]
  }

  @Test("its users have the rights of their own records, and the service's own tokens go on")
  func requests() throws {
    let world = try World(verifier: Self.verifier(staff: "role=staff"))
    let path = "/api/groups/\(World.birch)/referrals"
    let ann = try Self.authorization([:])
    #expect(world.get(path, headers: ann).status == 200)
    #expect(world.get("/api/groups/\(World.oak)/referrals", headers: ann).status == 404)
    #expect(world.get("/api/admin/partners", headers: ann).verdict == "403 forbidden")
    #expect(world.get(path, as: .member).status == 200)

    let sam = try Self.authorization(["sub": .string(Person.sam.text), "role": "staff"])
    #expect(world.get("/api/admin/partners", headers: sam).status == 200)
    let created = world.post(
      path, ["partner_type": "cpa"], headers: ann)
    #expect(created.status == 201)
    #expect(created["requested_by"]?.text == Person.ann.text)

    // Unknown here, disabled, out of date: alike.
    for claims in [
      ["sub": .string(World.unknown)], ["sub": .string(Person.dora.text)],
      ["exp": .integer(Int(Self.seconds) - 61)],
    ] as [JSON] {
      #expect(
        world.get(path, headers: try Self.authorization(claims)).verdict == "401 unauthenticated")
    }
    world.clock.pass(milliseconds: 361_000)
    #expect(world.get(path, headers: ann).verdict == "401 unauthenticated")
  }

  @Test("without a key set none is taken")
  func off() throws {
    let world = try World()
    let reply = world.get(
      "/api/groups/\(World.birch)/referrals", headers: try Self.authorization([:]))
    #expect(reply.verdict == "401 unauthenticated")
  }
}
