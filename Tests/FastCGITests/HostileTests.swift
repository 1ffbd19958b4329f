import FastCGI
import Foundation
import Glibc
import Testing

@Suite("Hostile peers")
struct HostileTests {
  @Test("thousands of damaged requests neither crash nor hang the server nor cost a descriptor")
  func damaged() async {
    // In a process of its own, since descriptors are counted.
    let process = await #expect(
      processExitsWith: .success, observing: [\.standardErrorContent]
    ) {
      let responder = try Responder(.init(threads: 3, bodyLimit: 2000, parametersLimit: 4000))
      let before = try (0..<50).map { _ in try descriptors(of: responder) }.min() ?? 0
      var dice = Dice(11)
      for _ in 0..<4000 {
        // Thousands of waits on a busy machine: one of them may be long.
        let peer = try responder.peer(patience: 60)
        peer.send(Damage.stream(&dice))
        if Bool.random(using: &dice) {
          peer.endSending()
          try #require(peer.isClosedAfterAll())
        }
      }
      // The server may still be busy with what it was sent.
      #expect(try eventually(within: 60) { try descriptors(of: responder) <= before })
      responder.server.stop()
      #expect(responder.ends(within: 20))
    }
    // What it said when it ended early, which shows nowhere else.
    #expect(String(decoding: process?.standardErrorContent ?? [], as: UTF8.self) == "")
  }

  @Test("hundreds of connections at once, each damaged, and the next request is answered")
  func atOnce() throws {
    let responder = try Responder(.init(threads: 3))
    var dice = Dice(12)
    let damaged = try (0..<300).map { _ in
      let peer = try responder.peer()
      peer.send(Damage.stream(&dice))
      return peer
    }
    try withExtendedLifetime(damaged) {
      let peer = try responder.peer()
      peer.send(Wire.request([("A", "b")]))
      #expect(try peer.answer().text.hasPrefix("A=b\n"))
    }
  }
}

/// How many descriptors are open once the server has answered a request and closed its connection.
func descriptors(of responder: Responder) throws -> Int {
  let peer = try responder.peer(patience: 60)
  peer.send(Wire.request(keep: false))
  try #require(try peer.answer().protocolStatus == 0)
  try #require(try peer.isClosed())
  return (0..<1024).count { fcntl(Int32($0), F_GETFD) >= 0 }
}

/// Streams that a careless or malicious peer might send.
enum Damage {
  static func stream(_ dice: inout Dice) -> [UInt8] {
    var bytes: [UInt8] = []
    for _ in 0..<Int.random(in: 1...3, using: &dice) { bytes += piece(&dice) }
    switch Int.random(in: 0..<4, using: &dice) {
    case 0: bytes.removeLast(Int.random(in: 0..<bytes.count, using: &dice))
    case 1:
      for _ in 0..<Int.random(in: 1...8, using: &dice) {
        bytes[Int.random(in: 0..<bytes.count, using: &dice)] = .random(in: 0...255, using: &dice)
      }
    case 2:
      let at = Int.random(in: 0..<bytes.count, using: &dice)
      bytes.insert(contentsOf: random(Int.random(in: 1...40, using: &dice), &dice), at: at)
    default: break
    }
    return bytes
  }

  private static func random(_ count: Int, _ dice: inout Dice) -> [UInt8] {
    (0..<count).map { _ in .random(in: 0...255, using: &dice) }
  }

  private static func piece(_ dice: inout Dice) -> [UInt8] {
    switch Int.random(in: 0..<8, using: &dice) {
    case 0: return random(Int.random(in: 1...200, using: &dice), &dice)
    case 1:
      return Wire.record(
        .random(in: 0...12, using: &dice), id: .random(in: 0...2, using: &dice),
        random(.random(in: 0...60, using: &dice), &dice),
        padding: .random(in: 0...255, using: &dice))
    case 2:
      return Wire.begin(role: .random(in: 0...4, using: &dice))
        + Wire.stream(Wire.params, random(.random(in: 0...300, using: &dice), &dice))
        + Wire.record(Wire.stdin)
    case 3:
      return Wire.record(
        Wire.getValues, id: 0,
        Wire.pairs(
          (0..<Int.random(in: 0...50, using: &dice)).map { _ in
            (["FCGI_MAX_CONNS", "FCGI_MAX_REQS", "X"].randomElement(using: &dice) ?? "", "")
          }))
    default:
      return Wire.request(
        [("A", String(repeating: "v", count: .random(in: 0...6000, using: &dice)))],
        body: random(.random(in: 0...3000, using: &dice), &dice),
        id: .random(in: 1...3, using: &dice), keep: Bool.random(using: &dice),
        size: .random(in: 1...5000, using: &dice), padding: .random(in: 0...9, using: &dice))
    }
  }
}
