import Foundation
import Testing

@testable import FastCGI

@Suite("Which threads take requests")
struct CrewTests {
  /// A thread that stands for one of a server's, and does what it is told, step by step.
  private final class Hand: Sendable {
    private let worker: Worker
    private let crew: Crew

    init(of crew: Crew) throws {
      self.crew = crew
      worker = try Worker(requestSize: 4096)
    }

    func enter() -> Background { Background { [crew, worker] in crew.enter(worker) } }
    func leave() { crew.leave(worker) }
    /// Waits for an event until `event` is signalled.
    func watch(for event: DispatchSemaphore) -> Background {
      Background { [crew] in crew.watch { event.wait() } }
    }
    /// Takes an event, and is busy from now on.
    func take() { crew.watch {} }
  }

  @Test("no more threads have a place than there are places; one that is given up goes to the next")
  func places() throws {
    let crew = Crew(threads: 3, places: 2)
    #expect(crew.needsRelief)
    let hands = try (0..<3).map { _ in try Hand(of: crew) }
    for hand in hands[..<2] { #expect(hand.enter().ends(within: 5)) }
    let third = hands[2].enter()
    #expect(!third.ends(within: 0.2))
    // Whoever has one keeps it.
    #expect(hands[0].enter().ends(within: 5))
    #expect(!third.ends(within: 0.1))
    hands[1].leave()
    #expect(third.ends(within: 5))
    let second = hands[1].enter()
    #expect(!second.ends(within: 0.2))
    // A second time gives nothing up.
    hands[0].leave()
    hands[0].leave()
    #expect(second.ends(within: 5))
    let first = hands[0].enter()
    #expect(!first.ends(within: 0.2))
    hands[1].leave()
    #expect(first.ends(within: 5))
  }

  @Test("where there are places for all, nobody stands by")
  func placesForAll() throws {
    let crew = Crew(threads: 2, places: 4)
    #expect(!crew.needsRelief)
    for _ in 0..<2 { #expect(try Hand(of: crew).enter().ends(within: 5)) }
  }

  @Test("when all that have a place are busy for long, one more gets one, and it is given up again")
  func relief() throws {
    let crew = Crew(threads: 3, places: 1)
    let relief = Background { crew.relieve() }
    defer {
      crew.end()
      #expect(relief.ends(within: 5))
    }
    let hands = try (0..<3).map { _ in try Hand(of: crew) }
    #expect(hands[0].enter().ends(within: 5))
    let second = hands[1].enter()
    // It waits for an event: nobody need help it.
    let event = DispatchSemaphore(value: 0)
    let watch = hands[0].watch(for: event)
    #expect(!second.ends(within: 0.2))
    event.signal()
    #expect(watch.ends(within: 5))
    #expect(second.ends(within: 5))
    // The second waits now, so that the third is not needed.
    let watched = hands[1].watch(for: event)
    let third = hands[2].enter()
    #expect(!third.ends(within: 0.2))
    // The first is done, and there is one thread too many: it stands by.
    let first = hands[0].enter()
    #expect(!first.ends(within: 0.2))
    event.signal()
    #expect(watched.ends(within: 5))
    // Both that stand by come in, one after the other, while the second is busy.
    #expect(third.ends(within: 5))
    hands[2].take()
    #expect(first.ends(within: 5))
  }

  @Test("requests that take long, or wait, keep no other from being answered")
  func blockedRequests() throws {
    for waits in [false, true] {
      let gate = DispatchSemaphore(value: 0)
      let count = Server.Configuration.places * 4
      let responder = try Responder(
        .init(threads: count, mayWait: { waits && $0["WAIT"] != nil })
      ) { request in
        if request["WAIT"] != nil { gate.wait() }
        return Response(status: 200)
      }
      let held = try (1..<count).map { _ in try responder.peer(patience: 20) }
      for peer in held { peer.send(Wire.request([("WAIT", "1")])) }
      #expect(eventually(within: 10) { responder.server.busyThreads == count - 1 })
      let peer = try responder.peer()
      let start = Date()
      for _ in 0..<200 {
        peer.send(Wire.request())
        _ = try peer.answer()
      }
      // The one that is left stays, and does not wait for help at each request.
      #expect(Date().timeIntervalSince(start) < 2)
      for _ in held { gate.signal() }
      for peer in held { _ = try peer.answer() }
      responder.server.stop()
      #expect(responder.ends(within: 10))
    }
  }

  @Test("while a thread waits for an event, the one that gives relief sleeps")
  func sleep() throws {
    let crew = Crew(threads: 2, places: 1)
    let tasks = Record<String>()
    let relief = Background {
      // PID/task/TID
      tasks.append(
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")) ?? "")
      crew.relieve()
    }
    let hand = try Hand(of: crew)
    #expect(hand.enter().ends(within: 5))
    // Busy for a moment, which wakes the one that gives relief.
    hand.take()
    let event = DispatchSemaphore(value: 0)
    let watch = hand.watch(for: event)
    #expect(eventually { !tasks.all.isEmpty })
    usleep(100_000)
    func sleeps() throws -> Int {
      let path = "/proc/\(tasks.all[0])/status"
      let status = try String(contentsOfFile: path, encoding: .utf8)
      let line = status.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches") }
      return try #require(line?.split(separator: "\t").last.flatMap { Int($0) })
    }
    let before = try sleeps()
    usleep(300_000)
    #expect(try sleeps() - before < 3)
    event.signal()
    #expect(watch.ends(within: 5))
    // Now it looks again and again, as nobody waits for an event any more.
    #expect(try eventually { try sleeps() - before > 10 })
    crew.end()
    #expect(relief.ends(within: 5))
  }
}
