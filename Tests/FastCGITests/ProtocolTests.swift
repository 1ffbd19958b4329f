import FastCGI
import Testing

@Suite("What else the FastCGI specification lets a web server send")
struct ProtocolTests {
  @Test("FCGI_GET_VALUES is answered, before a request and within one")
  func getValues() throws {
    let responder = try Responder(.init(threads: 2, connectionLimit: 300))
    let peer = try responder.peer()
    let ask = Wire.record(
      Wire.getValues, id: 0,
      Wire.pairs([("FCGI_MPXS_CONNS", ""), ("OTHER", ""), ("FCGI_MAX_CONNS", "")]), padding: 3)
    let expected = Peer.Record(
      type: Wire.getValuesResult, id: 0,
      content: Wire.pairs([("FCGI_MAX_CONNS", "300"), ("FCGI_MPXS_CONNS", "0")]))
    peer.send(ask)
    #expect(try peer.record() == expected)
    peer.send(
      Wire.begin() + ask + Wire.stream(Wire.params, Wire.pair("A", "b")) + ask
        + Wire.record(Wire.stdin, Array("12".utf8)) + ask + Wire.record(Wire.stdin))
    let answer = try peer.answer()
    #expect(answer.others == [expected, expected, expected])
    #expect(answer.text == "A=b\nbody 2 12")
  }

  @Test("FCGI_GET_VALUES that names a variable many times, which overflows libfcgi's stack")
  func repeatedGetValues() throws {
    let responder = try Responder()
    let peer = try responder.peer()
    let names = [(String, String)](repeating: ("FCGI_MAX_CONNS", ""), count: 500)
    peer.send(Wire.record(Wire.getValues, id: 0, Wire.pairs(names)))
    let record = try #require(try peer.record())
    #expect(record.type == Wire.getValuesResult)
    #expect(record.content.count < 30)
    peer.send(Wire.request([("A", "b")]))
    #expect(try peer.answer().text.hasPrefix("A=b\n"))
  }

  @Test("an unknown management record is answered with FCGI_UNKNOWN_TYPE")
  func unknownManagement() throws {
    let responder = try Responder()
    let peer = try responder.peer()
    peer.send(Wire.record(77, id: 0, [1, 2, 3]))
    #expect(
      try peer.record()
        == Peer.Record(type: Wire.unknownType, id: 0, content: [77, 0, 0, 0, 0, 0, 0, 0]))
    peer.send(Wire.request())
    #expect(try peer.answer().protocolStatus == 0)
  }

  @Test("roles other than the responder's are refused as unknown", arguments: [0, 2, 3, 4, 256])
  func roles(role: Int) throws {
    let responder = try Responder()
    let kept = try responder.peer()
    kept.send(
      Wire.begin(role: role) + Wire.stream(Wire.params, Wire.pair("A", "b"))
        + Wire.record(Wire.stdin))
    #expect(try kept.answer().protocolStatus == 3)
    kept.send(Wire.request([("A", "c")]))
    #expect(try kept.answer().text.hasPrefix("A=c\n"))
    let single = try responder.peer()
    single.send(Wire.begin(role: role, keep: false))
    #expect(try single.answer().protocolStatus == 3)
    #expect(try single.isClosed())
  }

  @Test("an aborted request is ended, and the next one on the connection is not mixed with it")
  func abort() throws {
    let responder = try Responder()
    let part = Wire.stream(Wire.params, Wire.pair("OLD", "1")) + Wire.record(5, [1, 2, 3])
    let kept = try responder.peer()
    kept.send(Wire.begin() + part + Wire.record(Wire.abort))
    #expect(try kept.answer().head.isEmpty)
    kept.send(Wire.request([("NEW", "2")], body: Array("xy".utf8)))
    #expect(try kept.answer().text == "NEW=2\nCONTENT_LENGTH=2\nbody 2 xy")
    kept.send(Wire.record(Wire.abort))
    kept.send(Wire.request([("NEW", "3")]))
    #expect(try kept.answer().text.hasPrefix("NEW=3\n"))
    let single = try responder.peer()
    single.send(Wire.begin(keep: false) + Wire.record(Wire.abort))
    #expect(try single.answer().protocolStatus == 0)
    #expect(try single.isClosed())
  }

  @Test("a second request within the first is refused, and the first is answered")
  func multiplexing() throws {
    let responder = try Responder()
    let peer = try responder.peer()
    peer.send(
      Wire.begin(id: 1) + Wire.begin(id: 2)
        + Wire.stream(Wire.params, id: 2, Wire.pair("REMOTE_USER", "root"))
        + Wire.stream(Wire.params, id: 1, Wire.pair("A", "b"))
        + Wire.record(Wire.stdin, id: 2, [0x21]) + Wire.record(Wire.stdin, id: 1, [0x2A])
        + Wire.record(Wire.stdin, id: 2) + Wire.record(Wire.stdin, id: 1))
    let answer = try peer.answer(id: 1)
    #expect(answer.text == "A=b\nbody 1 *")
    #expect(
      answer.others == [.init(type: Wire.end, id: 2, content: [0, 0, 0, 0, 1, 0, 0, 0])])
  }

  @Test("records of a request that is not active are ignored")
  func inactive() throws {
    let responder = try Responder()
    let peer = try responder.peer()
    peer.send(
      Wire.stream(Wire.params, id: 9, Wire.pair("REMOTE_USER", "root"))
        + Wire.record(Wire.stdin, id: 9) + Wire.request([("A", "b")]))
    #expect(try peer.answer().text == "A=b\nCONTENT_LENGTH=0\nbody 0 ")
  }

  static let broken: [(String, [UInt8])] = [
    ("another version", Wire.record(Wire.begin, [0, 1, 1, 0, 0, 0, 0, 0], version: 2)),
    ("HTTP", Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)),
    ("a begin without request", Wire.begin(id: 0)),
    ("a begin of 7 bytes", Wire.record(Wire.begin, [0, 1, 1, 0, 0, 0, 0])),
    ("a begin of 9 bytes", Wire.record(Wire.begin, [0, 1, 1, 0, 0, 0, 0, 0, 0])),
    ("the same begin twice", Wire.begin() + Wire.begin()),
    ("body before the parameters' end", Wire.begin() + Wire.record(Wire.stdin, [1])),
    (
      "parameters after their end",
      Wire.begin() + Wire.record(Wire.params) + Wire.record(Wire.params, Wire.pair("A", "b"))
    ),
    ("data, which is a filter's", Wire.begin() + Wire.record(Wire.data, [1])),
    ("an unknown type", Wire.begin() + Wire.record(99, [1])),
    ("a name beyond the end", Wire.begin() + Wire.stream(Wire.params, [5, 0, 0x41])),
    ("a value beyond the end", Wire.begin() + Wire.stream(Wire.params, [1, 5, 0x41, 0x42])),
    ("half a length", Wire.begin() + Wire.stream(Wire.params, [0x80, 0])),
    (
      "lengths whose sum is beyond an int, which abort libfcgi",
      Wire.begin()
        + Wire.stream(Wire.params, [0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0xFF, 0xFF, 0xFE, 0x41])
    ),
    (
      "a length of 2 GB, which libfcgi would allocate",
      Wire.begin() + Wire.stream(Wire.params, [0xFF, 0xFF, 0xFF, 0x00, 0, 0x41])
    ),
    ("a NUL in a value", Wire.begin() + Wire.stream(Wire.params, Wire.pair("A", "b\0c"))),
    ("a NUL in a name", Wire.begin() + Wire.stream(Wire.params, Wire.pair("A\0B", "c"))),
    (
      "an equals sign in a name",
      Wire.begin() + Wire.stream(Wire.params, Wire.pair("REMOTE_USER=root", "x"))
    ),
    ("broken FCGI_GET_VALUES", Wire.record(Wire.getValues, id: 0, [200, 200])),
    (
      "more parameters than are allowed",
      Wire.begin()
        + Wire.stream(
          Wire.params, Wire.pairs((0..<3000).map { ("N\($0)", String(repeating: "v", count: 50)) }))
    ),
    (
      "records of one byte without end",
      Wire.begin() + Wire.record(Wire.params)
        + (0..<40_000).flatMap { _ in Wire.record(Wire.stdin, [1]) }
    ),
  ]

  @Test("what breaks the rules ends the connection, and nothing reaches the handler")
  func refusals() throws {
    let seen = Record<Request>()
    let responder = try Responder { request in
      seen.append(request)
      return Response(status: 200)
    }
    for (name, bytes) in Self.broken {
      let peer = try responder.peer()
      peer.send(bytes + Wire.record(Wire.stdin))
      #expect(try peer.isClosed(), "\(name)")
    }
    #expect(seen.all.isEmpty)
    let peer = try responder.peer()
    peer.send(Wire.request())
    #expect(try peer.answer().protocolStatus == 0)
    #expect(seen.all.count == 1)
  }
}
