import FastCGI
import Foundation
import Glibc
import POSIX
import Synchronization
import Testing

@Suite("Replies")
struct ReplyTests {
  /// Keeps requests and their replies for later.
  private final class Waiting: Sendable {
    private let all = Lock<[(request: Request, reply: Reply)]>([])

    func add(_ request: Request, _ reply: Reply) {
      all.withLock { $0.append((request, reply)) }
    }

    var count: Int { all.withLock { $0.count } }

    /// Takes the oldest one.
    func take() -> (request: Request, reply: Reply)? {
      all.withLock { $0.isEmpty ? nil : $0.removeFirst() }
    }

    func takeAll() -> [(request: Request, reply: Reply)] {
      all.withLock { all in
        defer { all = [] }
        return all
      }
    }

    /// Answers all that wait with what they asked.
    func answerAll() {
      for (request, reply) in takeAll() { reply(Responder.echo(request)) }
    }
  }

  @Test("a thousand requests wait for their replies on one thread, and each gets its own")
  func thousand() async {
    // In a process of its own, since it needs more descriptors than a program has at first.
    await #expect(processExitsWith: .success) {
      var limit = rlimit()
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      limit.rlim_cur = min(limit.rlim_max, 4096)
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      let waiting = Waiting()
      let responder = try Responder(.init(threads: 1)) { request, reply in
        if request["NOW"] != nil {
          reply(Responder.echo(request))
        } else {
          waiting.add(request, reply)
        }
      }
      let peers = try (0..<1000).map { _ in try responder.peer() }
      for round in 0..<3 {
        for (number, peer) in peers.enumerated() {
          peer.send(Wire.request([("N", "\(round)-\(number)")]))
        }
        #expect(eventually { waiting.count == 1000 })
        #expect(eventually { responder.server.busyThreads == 0 })
        // They hold no thread.
        let other = try responder.peer()
        other.send(Wire.request([("NOW", "1")]))
        #expect(try other.answer().text.hasPrefix("NOW=1\n"))
        let replies = waiting.takeAll().shuffled()
        let halves = [replies[..<500], replies[500...]].map { half in
          Background { for (request, reply) in half { reply(Responder.echo(request)) } }
        }
        for (number, peer) in peers.enumerated() {
          #expect(try peer.answer().text.hasPrefix("N=\(round)-\(number)\n"))
        }
        for half in halves { #expect(half.ends(within: 20)) }
      }
      #expect(responder.server.abnormalEnds == [:])
    }
  }

  @Test("replies that come while others are sent are not lost", arguments: [1, 4])
  func stream(threads: Int) throws {
    let waiting = Waiting()
    let responder = try Responder(.init(threads: threads), replying: { waiting.add($0, $1) })
    let isOver = Atomic(false)
    let replier = Background {
      while !isOver.load(ordering: .relaxed) { waiting.answerAll() }
    }
    let clients = try (0..<20).map { number in
      let peer = try responder.peer()
      return Background {
        for round in 0..<200 {
          let name = "\(number)-\(round)"
          peer.send(Wire.request([("N", name)], keep: round < 199))
          guard let answer = try? peer.answer(), answer.text.hasPrefix("N=\(name)\n") else {
            Issue.record("no answer to \(name)")
            return
          }
        }
        #expect((try? peer.isClosed()) == true)
      }
    }
    for client in clients { #expect(client.ends(within: 20)) }
    isOver.store(true, ordering: .relaxed)
    #expect(replier.ends(within: 20))
  }

  @Test("a reply that another thread gives before the handler returns is sent")
  func early() throws {
    let responder = try Responder(.init(threads: 1)) { request, reply in
      let replier = Background { reply(Responder.echo(request)) }
      #expect(replier.ends(within: 20))
    }
    let peer = try responder.peer()
    for number in 0..<20 {
      peer.send(Wire.request([("N", "\(number)")]))
      #expect(try peer.answer().text.hasPrefix("N=\(number)\n"))
    }
  }

  @Test("a reply that comes at the moment at which the handler returns is sent once")
  func race() throws {
    let handed = Lock<(Request, Reply)?>(nil)
    let isOver = Atomic(false)
    let replier = Background {
      while !isOver.load(ordering: .relaxed) {
        let next = handed.withLock { handed in
          defer { handed = nil }
          return handed
        }
        if let (request, reply) = next { reply(Responder.echo(request)) }
      }
    }
    let responder = try Responder(.init(threads: 1)) { request, reply in
      handed.withLock { $0 = (request, reply) }
    }
    let peer = try responder.peer()
    for number in 0..<3000 {
      peer.send(Wire.request([("N", "\(number)")]))
      let answer = try peer.answer()
      #expect(answer.text.hasPrefix("N=\(number)\n") && answer.others.isEmpty)
    }
    isOver.store(true, ordering: .relaxed)
    #expect(replier.ends(within: 20))
  }

  @Test("requests sent ahead wait until the one before is answered", arguments: [0, 10, 30])
  func pipelining(cut: Int) throws {
    let waiting = Waiting()
    let responder = try Responder(.init(threads: 2), replying: { waiting.add($0, $1) })
    let peer = try responder.peer()
    let requests = (1...20).map { Wire.request([("N", "\($0)")], id: $0) }
    let bytes = requests.flatMap { $0 }
    // The end of the last request comes when the others are answered.
    peer.send(Array(bytes.dropLast(cut)))
    for id in 1..<20 {
      #expect(eventually { waiting.count == 1 })
      if id % 7 == 0 { usleep(20_000) }
      #expect(waiting.count == 1)
      #expect(!peer.hasUnread(within: 0))
      waiting.answerAll()
      #expect(try peer.answer(id: id).text.hasPrefix("N=\(id)\n"))
    }
    peer.send(Array(bytes.suffix(cut)))
    #expect(eventually { waiting.count == 1 })
    waiting.answerAll()
    #expect(try peer.answer(id: 20).text.hasPrefix("N=20\n"))
  }

  @Test("a reply that is dropped closes the connection, at once or later")
  func dropped() throws {
    let waiting = Waiting()
    let responder = try Responder(.init(threads: 2)) { request, reply in
      if request["LATER"] != nil { waiting.add(request, reply) }
    }
    let now = try responder.peer()
    now.send(Wire.request([("A", "b")]))
    #expect(try now.isClosed())
    let later = try responder.peer()
    // What is behind it is not served either.
    later.send(Wire.request([("LATER", "1")]) + Wire.request([("LATER", "2")]))
    #expect(eventually { waiting.count == 1 })
    _ = waiting.takeAll()
    #expect(try later.isClosed())
    #expect(waiting.count == 0)
    #expect(eventually { responder.server.abnormalEnds == [.noReply: 2] })
    responder.server.stop()
    #expect(responder.ends(within: 20))
  }

  @Test("a second reply has no effect", arguments: ["both now", "one later", "both later"])
  func twice(way: String) throws {
    let waiting = Waiting()
    let responder = try Responder(.init(threads: 2)) { request, reply in
      if way != "both later" { reply(Responder.echo(request)) }
      if way == "both now" { reply(Response(status: 500)) }
      waiting.add(request, reply)
    }
    let peer = try responder.peer()
    for number in 0..<50 {
      peer.send(Wire.request([("N", "\(number)")]))
      if way != "both later" { #expect(try peer.answer().text.hasPrefix("N=\(number)\n")) }
      #expect(eventually { waiting.count == 1 })
      for (request, reply) in waiting.takeAll() {
        reply(Responder.echo(request))
        reply(Response(status: 500))
      }
      if way == "both later" { #expect(try peer.answer().text.hasPrefix("N=\(number)\n")) }
    }
    #expect(!peer.hasUnread(within: 0.1))
    #expect(responder.server.abnormalEnds == [:])
  }

  @Test("a stop waits for the replies that are outstanding, however late they come")
  func stop() throws {
    let waiting = Waiting()
    let reports = Record<[AbnormalEnd: Int]>()
    let responder = try Responder(
      .init(threads: 2), onAbnormalEnds: { reports.append($0) },
      replying: { waiting.add($0, $1) })
    let peers = try (0..<50).map { _ in try responder.peer() }
    for (number, peer) in peers.enumerated() {
      peer.send(Wire.request([("N", "\(number)")], keep: number % 2 == 0))
    }
    // Another request lies behind the one that waits.
    let ahead = try responder.peer()
    ahead.send(Wire.request([("AHEAD", "1")]) + Wire.request([("AHEAD", "2")]))
    #expect(eventually { waiting.count == 51 })
    responder.server.stop()
    #expect(!responder.ends(within: 1.5))
    for (request, reply) in waiting.takeAll() {
      usleep(2000)
      reply(Responder.echo(request))
    }
    for (number, peer) in peers.enumerated() {
      #expect(try peer.answer().text.hasPrefix("N=\(number)\n"))
      #expect(try number % 2 == 0 ? peer.isDismissed() : peer.isClosed())
    }
    #expect(try ahead.answer().text.hasPrefix("AHEAD=1\n"))
    #expect(!responder.ends(within: 0.2))
    #expect(eventually { waiting.count == 1 })
    waiting.answerAll()
    #expect(try ahead.answer().text.hasPrefix("AHEAD=2\n"))
    #expect(responder.ends(within: 20))
    #expect(reports.all.isEmpty)
  }

  @Test("a long answer that is given later reaches a slow reader, and holds up no other")
  func longAnswer() throws {
    let waiting = Waiting()
    let responder = try Responder(.init(threads: 1), replying: { waiting.add($0, $1) })
    let slow = try responder.peer()
    slow.send(Wire.request([("N", "slow")]))
    #expect(eventually { waiting.count == 1 })
    let body = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    waiting.take()?.reply(Response(status: .ok, body: body))
    let peer = try responder.peer()
    for _ in 0..<3 {
      peer.send(Wire.request([("N", "quick")]))
      #expect(eventually { waiting.count == 1 })
      waiting.answerAll()
      #expect(try peer.answer().text.hasPrefix("N=quick\n"))
    }
    #expect(try slow.answer().body == body)
    // The connection goes on as before.
    slow.send(Wire.request([("N", "again")]))
    #expect(eventually { waiting.count == 1 })
    waiting.answerAll()
    #expect(try slow.answer().text.hasPrefix("N=again\n"))
  }

  @Test("a web server that sends ahead and reads nothing does not keep the server from stopping")
  func deafPeer() throws {
    let waiting = Waiting()
    let responder = try Responder(
      .init(threads: 2, sendTimeout: .milliseconds(500)), replying: { waiting.add($0, $1) })
    let deaf = try responder.peer()
    deaf.send(Wire.request([("N", "1")]) + Wire.request([("N", "2")]))
    #expect(eventually { waiting.count == 1 })
    // The socket takes the answer, but then has too little room to be ready for more.
    waiting.take()?.reply(Response(status: .ok, body: [UInt8](repeating: 0x61, count: 150_000)))
    usleep(50_000)
    responder.server.stop()
    #expect(eventually { waiting.count == 1 })
    waiting.take()?.reply(Response(status: .ok, body: [UInt8](repeating: 0x61, count: 150_000)))
    #expect(responder.ends(within: 20))
  }

  @Test("bytes behind a request wait until a long answer is read")
  func pipeliningBehindLongAnswer() throws {
    let body = [UInt8](repeating: 0x61, count: 3_000_000)
    let responder = try Responder(.init(threads: 1)) { request in
      request["BIG"] == nil ? Responder.echo(request) : Response(status: .ok, body: body)
    }
    let peer = try responder.peer()
    peer.send(Wire.request([("BIG", "1")]) + Wire.request([("A", "b")], id: 2))
    usleep(50_000)
    #expect(try peer.answer().body == body)
    #expect(try peer.answer(id: 2).text.hasPrefix("A=b\n"))
  }
}
