import FastCGI
import Foundation
import Glibc
import Testing

@Suite("Stopping")
struct StopTests {
  @Test("what runs and what has arrived is answered: running, idle and kept, and in the backlog")
  func answersWhatArrived() throws {
    let gate = DispatchSemaphore(value: 0)
    let responder = try Responder(.init(threads: 1)) { request in
      if request["WAIT"] != nil { gate.wait() }
      return Responder.echo(request)
    }
    let kept = try (0..<3).map { _ in try responder.peer() }
    for peer in kept {
      peer.send(Wire.request())
      _ = try peer.answer()
    }
    let running = try responder.peer()
    running.send(Wire.request([("WAIT", "1")]))
    #expect(eventually { responder.server.busyThreads == 1 })
    for peer in kept { peer.send(Wire.request([("KEPT", "1")])) }
    // The one thread is busy, so these stay in the backlog.
    let waiting = try (0..<20).map { _ in try responder.peer() }
    for peer in waiting { peer.send(Wire.request([("WAITED", "1")])) }
    responder.server.stop()
    responder.server.stop()
    #expect(!responder.ends(within: 0.1))
    gate.signal()
    #expect(try running.answer().text.hasPrefix("WAIT=1\n"))
    for peer in kept { #expect(try peer.answer().text.hasPrefix("KEPT=1\n")) }
    for peer in waiting { #expect(try peer.answer().text.hasPrefix("WAITED=1\n")) }
    #expect(responder.ends(within: 20))
    for peer in kept + waiting + [running] { #expect(try peer.isDismissed()) }
    #expect(throws: WireError.self) { try responder.peer() }
  }

  @Test("under load, a request that could be sent is answered", arguments: [true, false])
  func underLoad(keep: Bool) throws {
    for _ in 0..<5 {
      let responder = try Responder(.init(threads: 4))
      let answered = Counter()
      let lost = Record<String>()
      let clients = (0..<16).map { _ in
        Background {
          var kept: Peer?
          while true {
            guard let peer = try? kept ?? responder.peer(),
              peer.send(Wire.request([("A", "b")], keep: keep))
            else { return }
            do {
              let answer = try peer.answer()
              if answer.text != "A=b\nCONTENT_LENGTH=0\nbody 0 " { lost.append(answer.text) }
            } catch {
              lost.append("\(error)")
              return
            }
            answered.increment()
            kept = keep ? peer : nil
          }
        }
      }
      #expect(eventually { answered.value > 500 })
      responder.server.stop()
      #expect(responder.ends(within: 20))
      for client in clients { #expect(client.ends(within: 20)) }
      #expect(lost.all.isEmpty)
    }
  }

  @Test("the peer is asked to end idle connections; if it does, nothing delays the end")
  func idle() throws {
    // Long, so that a busy machine has the time for all of this before its end.
    let responder = try Responder(.init(threads: 2, stopTimeout: .seconds(10)))
    var peers = try (0..<50).map { id in
      let peer = try responder.peer()
      peer.send(Wire.request(id: id + 1))
      _ = try peer.answer(id: id + 1)
      return peer
    }
    responder.server.stop()
    for (id, peer) in peers.enumerated() {
      #expect(try peer.record() == .init(type: Wire.stderr, id: id + 1, content: []))
    }
    #expect(!responder.ends(within: 0.1))
    peers = []
    #expect(responder.ends(within: 5))
  }

  @Test("what crosses that on a kept connection is answered, for a while; then all are closed")
  func crossing() throws {
    let responder = try Responder(.init(threads: 2, stopTimeout: .seconds(5)))
    let peers = try (0..<10).map { _ in try responder.peer() }
    for peer in peers {
      peer.send(Wire.request())
      _ = try peer.answer()
    }
    responder.server.stop()
    for _ in 0..<2 {
      for peer in peers { #expect(peer.hasUnread(within: 5)) }
      for peer in peers {
        peer.send(Wire.request([("A", "b")]))
        let answer = try peer.answer()
        #expect(answer.text.hasPrefix("A=b\n"))
        #expect(answer.others.allSatisfy { $0 == .init(type: Wire.stderr, id: 1, content: []) })
        #expect((1...2).contains(answer.others.count))
      }
    }
    #expect(responder.ends(within: 20))
    for peer in peers { #expect(try peer.isDismissed()) }
  }

  @Test("a request that is arriving may go on for a while; half of one delays no longer")
  func halfRequest() throws {
    let responder = try Responder(
      .init(threads: 2, receiveTimeout: .seconds(60), stopTimeout: .seconds(4)))
    let late = try responder.peer()
    let never = try responder.peer()
    let request = Wire.request([("A", "b")])
    for peer in [late, never] {
      peer.send(Array(request[..<20]))
    }
    usleep(50_000)
    responder.server.stop()
    usleep(300_000)
    late.send(Array(request[20...]))
    #expect(try late.answer().text.hasPrefix("A=b\n"))
    #expect(try late.isDismissed())
    #expect(responder.ends(within: 20))
    #expect(try never.isClosed())
  }

  @Test("a request that trickles does not delay the end for longer than that")
  func trickling() throws {
    let responder = try Responder(.init(threads: 2, receiveTimeout: .seconds(60)))
    let peer = try responder.peer()
    let request = Wire.request(body: [UInt8](repeating: 0x61, count: 60_000))
    peer.send(Array(request[..<20]))
    let feed = Background {
      for byte in request[20...] {
        guard peer.send([byte]) else { return }
        usleep(2000)
      }
    }
    usleep(50_000)
    responder.server.stop()
    #expect(responder.ends(within: 20))
    #expect(feed.ends(within: 20))
  }

  @Test("a server stopped before it runs answers what waits and ends")
  func stoppedBefore() throws {
    let directory = TemporaryDirectory()
    let socket = try ListeningSocket.bind(path: directory.path + "/s")
    defer { socket.close() }
    let server = Server(
      socket: socket, configuration: .init(threads: 2), handler: { $1(Responder.echo($0)) })
    let peer = try Peer(directory.path + "/s")
    peer.send(Wire.request([("A", "b")]))
    server.stop()
    let run = Background { try! server.run() }
    #expect(try peer.answer().text.hasPrefix("A=b\n"))
    #expect(run.ends(within: 20))
    #expect(throws: FastCGIError.self) { try server.run() }
  }

  @Test("a server that gets no threads says so")
  func noThreads() throws {
    let directory = TemporaryDirectory()
    let socket = try ListeningSocket.bind(path: directory.path + "/s")
    defer { socket.close() }
    let server = Server(
      socket: socket, configuration: .init(threads: 2, stackSize: 1),
      handler: { $1(Responder.echo($0)) })
    #expect(throws: FastCGIError.self) { try server.run() }
  }
}
