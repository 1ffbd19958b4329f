import FastCGI
import Foundation
import Glibc
import Testing

@Suite("Abnormal ends of connections")
struct AbnormalEndTests {
  private static let big = [UInt8](repeating: 0x62, count: 8 << 20)

  /// Answers with a long body if `BIG` is asked for, and not at all to `DROP`.
  private static func responder(
    _ reports: Record<[AbnormalEnd: Int]> = Record()
  ) throws -> Responder {
    try Responder(
      .init(threads: 2, receiveTimeout: .milliseconds(200), sendTimeout: .milliseconds(200)),
      onAbnormalEnds: { reports.append($0) },
      replying: { request, reply in
        if request["DROP"] != nil { return }
        if request["SLOW"] != nil { usleep(100_000) }
        reply(Response(status: .ok, body: request["BIG"] == nil ? [] : big))
      })
  }

  private static let half = Array(Wire.request().dropLast())

  static let causes: [(AbnormalEnd, @Sendable (Peer) -> Void)] = [
    (.refused, { $0.send(Array("GET / HTTP/1.1\r\n\r\n".utf8)) }),
    (.malformedRequest, { $0.send(Wire.request([("CONTENT_LENGTH", "5")])) }),
    (.receiveTimeout, { $0.send(half) }),
    (
      .incompleteRequest,
      {
        $0.send(half)
        $0.endSending()
      }
    ),
    (.noReply, { $0.send(Wire.request([("DROP", "1")])) }),
    (.sendTimeout, { $0.send(Wire.request([("BIG", "1")])) }),
    (
      .sendFailure,
      {
        $0.send(Wire.request([("SLOW", "1")]))
        shutdown($0.descriptor, Int32(SHUT_RDWR))
      }
    ),
  ]

  @Test("each reason is counted", arguments: causes)
  func reasons(reason: AbnormalEnd, cause: @Sendable (Peer) -> Void) throws {
    let responder = try Self.responder()
    for count in 1...3 {
      let peer = try responder.peer()
      cause(peer)
      #expect(
        eventually { responder.server.abnormalEnds == [reason: count] },
        "\(responder.server.abnormalEnds)")
    }
  }

  @Test("ends that lose nothing are not counted")
  func normal() throws {
    let responder = try Self.responder()
    let single = try responder.peer()
    single.send(Wire.request(keep: false))
    _ = try single.answer()
    #expect(try single.isClosed())
    let silent = try responder.peer()
    #expect(try silent.isClosed())
    let role = try responder.peer()
    role.send(Wire.begin(role: 3, keep: false))
    _ = try role.answer()
    #expect(try role.isClosed())
    let aborted = try responder.peer()
    aborted.send(Wire.begin(keep: false) + Wire.record(Wire.abort))
    _ = try aborted.answer()
    #expect(try aborted.isClosed())
    let kept = try responder.peer()
    kept.send(Wire.request())
    _ = try kept.answer()
    kept.endSending()
    #expect(try kept.isClosed())
    #expect(responder.server.abnormalEnds == [:])
  }

  @Test("they are reported once a second at most, and none is missed")
  func reports() throws {
    let reports = Record<[AbnormalEnd: Int]>()
    let responder = try Self.responder(reports)
    let start = ContinuousClock.now
    var count = 0
    while ContinuousClock.now - start < .seconds(2.5) {
      let peer = try responder.peer()
      peer.send(count % 3 == 0 ? Wire.request([("DROP", "1")]) : Wire.record(99, version: 9))
      #expect(try peer.isClosed())
      count += 1
      usleep(1000)
    }
    // At the start, and after each second.
    let seconds = Int((ContinuousClock.now - start).components.seconds)
    #expect((2...2 + seconds).contains(reports.all.count), "\(reports.all)")
    responder.server.stop()
    #expect(responder.ends(within: 20))
    let total = reports.all.reduce(into: [:]) { $0.merge($1, uniquingKeysWith: +) }
    #expect(total == [.noReply: (count + 2) / 3, .refused: count - (count + 2) / 3])
    #expect(reports.all.allSatisfy { !$0.isEmpty && $0.values.allSatisfy { $0 > 0 } })
  }

  @Test("they are reported after the last connection has gone")
  func lastReport() throws {
    let reports = Record<[AbnormalEnd: Int]>()
    let responder = try Self.responder(reports)
    for count in 1...2 {
      let peer = try responder.peer()
      peer.send(Wire.request([("DROP", "1")]))
      #expect(try peer.isClosed())
      #expect(eventually { reports.all.count == count })
      #expect(reports.all.last == [.noReply: 1])
    }
  }
}
