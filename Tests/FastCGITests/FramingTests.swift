import FastCGI
import Glibc
import HTTPTypes
import Testing

@Suite("Requests and answers on the wire")
struct FramingTests {
  @Test("parameters come in their order, repeated ones too, without libfcgi's own FCGI_ROLE")
  func parameters() throws {
    let seen = Record<Request>()
    let responder = try Responder { request in
      seen.append(request)
      return Response(status: 204)
    }
    let long = String(repeating: "x", count: 5000)
    let parameters = [
      ("HTTP_X", "1"), ("EMPTY", ""), ("HTTP_X", "2"), ("", "nameless"), ("HTTP_LONG", long),
      ("QUERY_STRING", "a=b=c"), ("HTTP_X", "3"), (String(repeating: "N", count: 200), "v"),
    ]
    let peer = try responder.peer()
    peer.send(Wire.begin() + Wire.stream(Wire.params, Wire.pairs(parameters)) + Wire.record(5))
    #expect(try peer.answer().protocolStatus == 0)
    let request = try #require(seen.all.first)
    #expect(
      request.parameters == parameters.map { Request.Parameter(name: $0.0, value: $0.1) })
    #expect(request["HTTP_X"] == "1")
    #expect(request["QUERY_STRING"] == "a=b=c")
    #expect(request["FCGI_ROLE"] == nil)
    #expect(request.body == .complete([]))
  }

  @Test("a request without any parameter or body is one")
  func emptyRequest() throws {
    let responder = try Responder()
    let peer = try responder.peer()
    peer.send(Wire.begin() + Wire.record(Wire.params) + Wire.record(Wire.stdin))
    #expect(try peer.answer().text == "body 0 ")
  }

  @Test("bytes that are not UTF-8 are repaired")
  func invalidUTF8() throws {
    let responder = try Responder()
    let peer = try responder.peer()
    let pair: [UInt8] = [1, 2, 0x41, 0xFF, 0x42]
    peer.send(Wire.begin() + Wire.stream(Wire.params, pair) + Wire.record(Wire.stdin))
    #expect(try peer.answer().text == "A=\u{FFFD}B\nbody 0 ")
  }

  @Test(
    "streams may be cut into records anywhere, padded or not",
    arguments: [(1, 0), (2, 255), (3, 1), (7, 0), (16, 7), (1000, 0), (65_535, 5)])
  func records(size: Int, padding: Int) throws {
    let responder = try Responder()
    let peer = try responder.peer()
    let body = (0..<300).map { UInt8(truncatingIfNeeded: $0 % 64 + 32) }
    for round in 0..<3 {
      peer.send(
        Wire.request(
          [("A", String(repeating: "v", count: 150)), ("ROUND", "\(round)")], body: body,
          id: 7 + round, size: size, padding: padding))
      let answer = try peer.answer(id: 7 + round)
      #expect(answer.text.contains("\nROUND=\(round)\n"))
      #expect(answer.text.hasSuffix("body 300 " + String(decoding: body, as: UTF8.self)))
    }
  }

  @Test("padding is nothing, also where it looks like records")
  func paddingLikeRecords() throws {
    let responder = try Responder()
    let forged = Wire.record(Wire.stdin, Array("forged".utf8)) + Wire.record(Wire.stdin)
    func padded(_ type: UInt8, _ content: [UInt8] = []) -> [UInt8] {
      var record = Wire.record(type, content)
      record[6] = UInt8(forged.count)
      return record + forged
    }
    let peer = try responder.peer()
    for _ in 0..<2 {
      peer.send(
        Wire.begin() + padded(Wire.params, Wire.pair("A", "b")) + padded(Wire.params)
          + padded(Wire.stdin, Array("body".utf8)) + padded(Wire.stdin))
      #expect(try peer.answer().text == "A=b\nbody 4 body")
    }
  }

  @Test("lengths below 128 may take four bytes")
  func longLengths() throws {
    let responder = try Responder()
    let peer = try responder.peer()
    let pair = Wire.length(1, long: true) + Wire.length(2, long: true) + Array("Abc".utf8)
    peer.send(Wire.begin() + Wire.stream(Wire.params, pair) + Wire.record(Wire.stdin))
    #expect(try peer.answer().text.hasPrefix("A=bc\n"))
  }

  @Test("a request that arrives byte by byte is answered")
  func byteByByte() throws {
    let responder = try Responder()
    let peer = try responder.peer()
    for byte in Wire.request([("A", "b")], body: Array("hello".utf8)) { peer.send([byte]) }
    #expect(try peer.answer().text.hasSuffix("body 5 hello"))
  }

  @Test("the connection is kept if the web server says so, and else closed")
  func keeping() throws {
    let responder = try Responder()
    let kept = try responder.peer()
    for id in 1...5 {
      kept.send(Wire.request([("N", "\(id)")], id: id))
      #expect(try kept.answer(id: id).text.hasPrefix("N=\(id)\n"))
    }
    let single = try responder.peer()
    single.send(Wire.request(keep: false))
    #expect(try single.answer().protocolStatus == 0)
    #expect(try single.isClosed())
  }

  @Test("requests sent ahead are answered one after the other, wherever the bytes are cut")
  func pipelining() throws {
    let responder = try Responder(.init(threads: 2))
    let requests = (1...3).map { id in
      Wire.request([("N", "\(id)")], body: Array("body-\(id)".utf8), id: id)
    }
    let bytes = requests.flatMap { $0 }
    for cut in stride(from: 0, to: bytes.count, by: 5) {
      let peer = try responder.peer()
      peer.send(Array(bytes[..<cut]))
      if cut % 2 == 0 { usleep(200) }
      peer.send(Array(bytes[cut...]))
      for id in 1...3 {
        #expect(
          try peer.answer(id: id).text == "N=\(id)\nCONTENT_LENGTH=6\nbody 6 body-\(id)",
          "cut \(cut)")
      }
    }
  }

  @Test("the head is CGI's, and no header can split it")
  func head() throws {
    for name in ["X\r\nX-Evil", "X Y", "X:", "", "X\0", "\u{E4}"] {
      #expect(HTTPField.Name(name) == nil)
    }
    let responder = try Responder { _ in
      var headers: HTTPFields = [
        HTTPField.Name("X-A")!: "one\r\nX-Evil: yes", HTTPField.Name("X-B")!: "two\n\nbody",
        HTTPField.Name("Link")!: "</a>; rel=\"next\"", HTTPField.Name("X-Nul")!: "a\0b",
      ]
      headers.append(
        HTTPField(name: .init("X-Lenient")!, lenientValue: Array("a\r\n\r\n\0b".utf8)))
      return Response(status: .notFound, headers: headers, body: Array("gone".utf8))
    }
    let peer = try responder.peer()
    peer.send(Wire.request())
    let answer = try peer.answer()
    #expect(
      answer.head
        == "Status: 404 Not Found\r\nX-A: one  X-Evil: yes\r\nX-B: two  body\r\n"
        + "Link: </a>; rel=\"next\"\r\nX-Nul: a b\r\nX-Lenient: a     b\r\n\r\n")
    #expect(answer.text == "gone")
  }

  @Test(
    "each status has a phrase, and no phrase can split the head",
    arguments: [
      (.contentTooLarge, "413 Content Too Large"), (599, "599 Unknown"),
      (.init(code: 400, reasonPhrase: "Bad\r\nX-Evil: yes"), "400 Bad  X-Evil: yes"),
    ] as [(HTTPResponse.Status, String)])
  func statusLine(status: HTTPResponse.Status, expected: String) throws {
    let responder = try Responder { _ in Response(status: status) }
    let peer = try responder.peer()
    peer.send(Wire.request())
    #expect(try peer.answer().head == "Status: \(expected)\r\n\r\n")
  }

  @Test("a head longer than a record arrives whole")
  func longHead() throws {
    let value = String(repeating: "v", count: 70_000)
    let responder = try Responder { _ in
      Response(status: .ok, headers: [HTTPField.Name("Link")!: value], body: Array("body".utf8))
    }
    let peer = try responder.peer()
    peer.send(Wire.request())
    let answer = try peer.answer()
    #expect(answer.head == "Status: 200 OK\r\nLink: \(value)\r\n\r\n")
    #expect(answer.text == "body")
  }

  @Test("answers of any length arrive whole", arguments: [0, 1, 8_000, 8_192, 65_536, 3_000_000])
  func answerLength(count: Int) throws {
    let body = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let responder = try Responder { _ in Response(status: 200, body: body) }
    let peer = try responder.peer()
    for _ in 0..<2 {
      peer.send(Wire.request())
      #expect(try peer.answer().body == body)
    }
  }

  @Test("a body up to the limit is whole; a longer one is read to its end and thrown away")
  func bodyLimit() throws {
    let responder = try Responder(.init(threads: 2, bodyLimit: 1000))
    let peer = try responder.peer()
    for (count, expected) in [
      (1000, "body 1000 "), (1001, "too large"), (500_000, "too large"), (0, "body 0 "),
    ] {
      let body = [UInt8](repeating: 0x61, count: count)
      #expect(peer.send(Wire.request(body: body, size: 700)))
      let text = try peer.answer().text
      #expect(text.contains("\n" + expected))
    }
  }

  @Test(
    "a body of another length than CONTENT_LENGTH is no request",
    arguments: ["4", "6", "-5", "+5", "5 ", " 5", "0x5", "5,5", "٥", "99999999999999999999"])
  func lyingLength(value: String) throws {
    let seen = Record<Request>()
    let responder = try Responder { request in
      seen.append(request)
      return Response(status: 200)
    }
    let peer = try responder.peer()
    peer.send(Wire.request([("CONTENT_LENGTH", value)], body: Array("12345".utf8)))
    #expect(try peer.isClosed())
    #expect(seen.all.isEmpty)
  }

  @Test("CONTENT_LENGTH may be missing or empty; each that is there must be right")
  func contentLength() throws {
    let responder = try Responder()
    let body = Array("12345".utf8)
    let streams = Wire.stream(Wire.stdin, body)
    for (parameters, isTaken) in [
      ([("A", "b")], true), ([("CONTENT_LENGTH", "")], true), ([("CONTENT_LENGTH", "005")], true),
      ([("CONTENT_LENGTH", "5"), ("CONTENT_LENGTH", "5")], true),
      ([("CONTENT_LENGTH", "5"), ("CONTENT_LENGTH", "4")], false),
    ] {
      let peer = try responder.peer()
      peer.send(Wire.begin() + Wire.stream(Wire.params, Wire.pairs(parameters)) + streams)
      if isTaken {
        #expect(try peer.answer().text.hasSuffix("body 5 12345"), "\(parameters)")
      } else {
        #expect(try peer.isClosed(), "\(parameters)")
      }
    }
  }

  @Test("a body over the limit must have the length it says, too")
  func lyingLongBody() throws {
    let responder = try Responder(.init(threads: 2, bodyLimit: 100))
    let peer = try responder.peer()
    peer.send(
      Wire.request([("CONTENT_LENGTH", "999")], body: [UInt8](repeating: 0, count: 1000)))
    #expect(try peer.isClosed())
  }
}
