import Foundation
import POSIX
import Synchronization
import Testing

@testable import FastCGI

@Suite("How many threads there are")
struct ThreadLimiterTests {
  /// Threads under a limiter that wait for events and are busy with each until they are released.
  private final class Threads: Sendable {
    let limiter: ThreadLimiter
    let started = Counter()
    let ended = Counter()
    let busy = Counter()
    /// What each ended `run` of the limiter has thrown; "" for nothing.
    let outcomes = Record<String>()
    private let events = DispatchSemaphore(value: 0)
    private let releases = DispatchSemaphore(value: 0)
    private let isOver = Atomic(false)
    /// How many threads can start; any further one fails.
    private let available: Atomic<Int>
    private let background = Lock<Background?>(nil)

    init(limit: Int, usual: Int, available: Int = .max) {
      limiter = ThreadLimiter(limit: limit, usual: usual)
      self.available = Atomic(available)
    }

    func run() {
      background.withLock { $0 = Background { self.runLimiter() } }
    }

    func permitOneMore() { available.add(1, ordering: .relaxed) }

    func runLimiter() {
      do {
        try limiter.run { _, isExtra in
          guard started.value < available.load(ordering: .relaxed) else {
            throw FastCGIError("no further thread")
          }
          started.increment()
          Foundation.Thread.detachNewThread { self.work(isExtra) }
        } cancel: {
          end()
        }
        outcomes.append("")
      } catch {
        outcomes.append("\(error)")
      }
    }

    private func work(_ isExtra: Bool) {
      while !(isExtra && limiter.hasIdleThread) {
        limiter.whileIdle { events.wait() }
        if isOver.load(ordering: .sequentiallyConsistent) { break }
        busy.increment()
        releases.wait()
      }
      ended.increment()
      limiter.threadEnded()
    }

    /// Gives events to so many threads, and waits until they are busy.
    func occupy(_ count: Int) -> Bool {
      let before = busy.value
      for _ in 0..<count { events.signal() }
      return eventually { busy.value == before + count }
    }

    func release(_ count: Int) {
      for _ in 0..<count { releases.signal() }
    }

    func end() {
      isOver.store(true, ordering: .sequentiallyConsistent)
      for _ in 0..<100 {
        releases.signal()
        events.signal()
      }
    }

    /// Ends all threads and the limiter, and says whether they ended within 5 seconds.
    func stop() -> Bool {
      end()
      return background.withLock { $0 }?.ends(within: 20) == true && ended.value == started.value
    }
  }

  @Test("the usual threads start, and no others while one of them is idle")
  func usual() {
    let threads = Threads(limit: 4, usual: 2)
    threads.run()
    #expect(eventually { threads.started.value == 2 })
    #expect(threads.occupy(1))
    usleep(200_000)
    #expect(threads.started.value == 2)
    #expect(threads.stop())
    #expect(threads.outcomes.all == [""])
  }

  @Test(
    "while all are held, extra ones start up to the limit, and they end when they are not needed")
  func extra() {
    let threads = Threads(limit: 4, usual: 2)
    threads.run()
    #expect(threads.occupy(2))
    #expect(eventually { threads.started.value == 3 })
    // The third is idle: a fourth is not needed.
    usleep(200_000)
    #expect(threads.started.value == 3)
    #expect(threads.occupy(1))
    #expect(eventually { threads.started.value == 4 })
    #expect(threads.occupy(1))
    usleep(200_000)
    #expect(threads.started.value == 4)
    // All are released. The first that waits for an event lets the extra ones end, unless it is one of them,
    // which ends after its next event.
    threads.release(4)
    #expect(eventually { threads.limiter.hasIdleThread })
    for _ in 0..<4 where threads.ended.value < 2 {
      #expect(threads.occupy(1))
      threads.release(1)
      usleep(20_000)
    }
    #expect(eventually { threads.ended.value == 2 })
    // They come again.
    #expect(threads.occupy(2))
    #expect(eventually { threads.started.value == 5 })
    #expect(threads.stop())
  }

  @Test("with a limit below the usual number, no more start than the limit")
  func lowLimit() {
    let threads = Threads(limit: 1, usual: 4)
    threads.run()
    #expect(threads.occupy(1))
    usleep(200_000)
    #expect(threads.started.value == 1)
    #expect(threads.stop())
  }

  @Test("if a usual thread cannot start, those that have started end, and the error is thrown")
  func failingStart() {
    let threads = Threads(limit: 4, usual: 3, available: 2)
    threads.run()
    #expect(eventually { threads.outcomes.all == ["no further thread"] })
    #expect(threads.started.value == 2 && threads.ended.value == 2)
  }

  @Test("if an extra thread cannot start, it is tried again")
  func failingExtra() {
    let threads = Threads(limit: 4, usual: 2, available: 2)
    threads.run()
    #expect(threads.occupy(2))
    usleep(200_000)
    #expect(threads.started.value == 2)
    threads.permitOneMore()
    #expect(eventually { threads.started.value == 3 })
    #expect(threads.stop())
    #expect(threads.outcomes.all == [""])
  }

  @Test("the limiter sleeps while a thread is idle")
  func sleep() throws {
    let threads = Threads(limit: 2, usual: 1)
    let tasks = Record<String>()
    // PID/task/TID
    let limiter = Background {
      tasks.append(
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")) ?? "")
      threads.runLimiter()
    }
    #expect(eventually { threads.started.value == 1 && threads.limiter.hasIdleThread })
    // A moment without an idle thread wakes it.
    #expect(threads.occupy(1))
    threads.release(1)
    #expect(eventually { threads.limiter.hasIdleThread })
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
    // While both threads are held, it looks again and again.
    #expect(threads.occupy(2))
    #expect(try eventually { try sleeps() - before > 10 })
    threads.end()
    #expect(limiter.ends(within: 20))
  }

  @Test("long requests keep no short one from being answered")
  func longRequests() throws {
    let gate = DispatchSemaphore(value: 0)
    let count = ThreadLimiter.usualThreads * 4
    let threads = Record<String?>()
    let responder = try Responder(.init(threads: count)) { request in
      if request["WAIT"] != nil {
        gate.wait()
      } else {
        threads.append(
          try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self"))
      }
      return Response(status: .ok)
    }
    let held = try (1..<count).map { _ in try responder.peer(patience: 20) }
    for peer in held { peer.send(Wire.request([("WAIT", "1")])) }
    #expect(eventually(within: 10) { responder.server.busyThreads == count - 1 })
    let peer = try responder.peer()
    for _ in 0..<200 {
      peer.send(Wire.request())
      _ = try peer.answer()
    }
    // The one that is left stays, and the next request need not wait for another to start.
    #expect(threads.all.count == 200)
    #expect(Set(threads.all).count == 1)
    for _ in held { gate.signal() }
    for peer in held { _ = try peer.answer() }
    responder.server.stop()
    #expect(responder.ends(within: 10))
  }

  @Test("no more handlers run at once than `threads` says, and all requests are answered")
  func limit() throws {
    let count = ThreadLimiter.usualThreads + 2
    let gate = DispatchSemaphore(value: 0)
    let responder = try Responder(.init(threads: count)) { _ in
      gate.wait()
      return Response(status: .ok)
    }
    let peers = try (0..<2 * count).map { _ in try responder.peer() }
    for peer in peers { peer.send(Wire.request()) }
    #expect(eventually { responder.server.busyThreads == count })
    usleep(300_000)
    #expect(responder.server.busyThreads == count)
    for _ in peers { gate.signal() }
    for peer in peers { #expect(try peer.answer().protocolStatus == 0) }
  }

  @Test("short requests need no extra thread, however many there are")
  func shortRequests() throws {
    let threads = Record<UInt>()
    let responder = try Responder(.init(threads: 64)) { _ in
      threads.append(UInt(pthread_self()))
      return Response(status: .ok)
    }
    let clients = try (0..<32).map { _ in
      let peer = try responder.peer()
      return Background {
        for _ in 0..<100 {
          peer.send(Wire.request())
          guard (try? peer.answer()) != nil else { return }
        }
      }
    }
    for client in clients { #expect(client.ends(within: 20)) }
    #expect(threads.all.count == 3200)
    // A busy machine may hold all threads for a moment.
    #expect(Set(threads.all).count <= ThreadLimiter.usualThreads + 4)
  }
}
