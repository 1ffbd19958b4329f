import FastCGI
import Foundation
import Glibc
import Synchronization
import Testing

@Suite("Connections and threads")
struct ConnectionTests {
  @Test("a body that the handler does not look at never becomes a request")
  func forgedRequest() throws {
    let seen = Record<Request>()
    let responder = try Responder(.init(threads: 2, bodyLimit: 100)) { request in
      seen.append(request)
      return Response(status: 413)
    }
    let forged = Wire.request([("REMOTE_USER", "root")], id: 2)
    // Within the limit, over it, and so long that most of it comes after the handler could answer.
    for count in [1, 10, 5000] {
      let peer = try responder.peer()
      let body = (0..<count).flatMap { _ in forged }
      peer.send(Wire.request([("A", "b")], body: body, size: 4096))
      #expect(try peer.answer(id: 1).others.isEmpty)
      peer.send(Wire.request([("LAST", "1")], id: 3))
      #expect(try peer.answer(id: 3).others.isEmpty)
    }
    #expect(seen.all.count == 6)
    #expect(seen.all.allSatisfy { $0["REMOTE_USER"] == nil })
  }

  @Test("parameters stay what they were while later requests come on the same thread")
  func copiedParameters() throws {
    let seen = Record<Request>()
    let responder = try Responder(.init(threads: 1)) { request in
      seen.append(request)
      return Response(status: 200)
    }
    let peer = try responder.peer()
    let values = (0..<50).map { String(repeating: "\($0)-", count: 100) }
    for value in values {
      peer.send(Wire.request([("NUMBER", value)], body: Array(value.utf8)))
      _ = try peer.answer()
    }
    #expect(seen.all.map { $0["NUMBER"] } == values)
    #expect(seen.all.map(\.body) == values.map { .complete(Array($0.utf8)) })
  }

  @Test("idle kept connections hold no thread")
  func idleConnections() throws {
    let responder = try Responder(.init(threads: 4))
    let idle = try (0..<200).map { _ in try responder.peer() }
    for peer in idle {
      peer.send(Wire.request())
      _ = try peer.answer()
    }
    let peer = try responder.peer()
    peer.send(Wire.request([("A", "b")]))
    #expect(try peer.answer().text.hasPrefix("A=b\n"))
    for peer in idle {
      peer.send(Wire.request([("AGAIN", "1")]))
      #expect(try peer.answer().text.hasPrefix("AGAIN=1\n"))
    }
  }

  @Test("connections that say nothing, or half of a request, hold no thread")
  func halfRequests() throws {
    // On a busy machine the other half of a request may be sent many seconds later.
    let responder = try Responder(.init(threads: 2, receiveTimeout: .seconds(120)))
    let request = Wire.request([("A", "b")], body: [UInt8](repeating: 0x61, count: 3000))
    var slow: [(Peer, Int)] = []
    for index in 0..<50 {
      let peer = try responder.peer()
      let cut = index * request.count / 50
      peer.send(Array(request[..<cut]))
      slow.append((peer, cut))
    }
    for _ in 0..<3 {
      let peer = try responder.peer()
      peer.send(request)
      #expect(try peer.answer().text.hasPrefix("A=b\n"))
    }
    // An answer arrives before its thread has noted that the handler has returned.
    #expect(eventually { responder.server.busyThreads == 0 })
    for (peer, cut) in slow {
      peer.send(Array(request[cut...]))
      #expect(try peer.answer().text.hasPrefix("A=b\n"), "cut at \(cut)")
    }
  }

  @Test("of many more busy connections than threads, each gets its share")
  func shares() throws {
    let responder = try Responder(.init(threads: 4)) { _ in
      usleep(200)
      return Response(status: 200)
    }
    let isOver = Atomic<Bool>(false)
    let counts = (0..<64).map { _ in Counter() }
    // Nothing counts until all clients run: on a busy machine a thread may start late.
    let started = Counter()
    let clients = try counts.map { count in
      let peer = try responder.peer(patience: 20)
      return Background {
        while !isOver.load(ordering: .relaxed) {
          peer.send(Wire.request())
          guard (try? peer.answer()) != nil else { return }
          if started.value == 64 {
            count.increment()
          } else if count.value == 0 {
            started.increment()
            guard eventually(within: 20, { started.value == 64 }) else { return }
          }
        }
      }
    }
    let total = { counts.reduce(0) { $0 + $1.value } }
    #expect(eventually(within: 60) { total() >= 64 * 100 })
    isOver.store(true, ordering: .relaxed)
    for client in clients { #expect(client.ends(within: 20)) }
    let least = counts.map(\.value).min() ?? 0
    #expect(least * 4 >= total() / 64, "\(counts.map(\.value).sorted())")
  }

  @Test("as many handlers run at once as there are threads, and busyThreads counts them")
  func busyThreads() throws {
    let gate = DispatchSemaphore(value: 0)
    let responder = try Responder(.init(threads: 3)) { _ in
      gate.wait()
      return Response(status: 200)
    }
    let peers = try (0..<5).map { _ in try responder.peer() }
    for peer in peers { peer.send(Wire.request()) }
    #expect(eventually { responder.server.busyThreads == 3 })
    usleep(50_000)
    #expect(responder.server.busyThreads == 3)
    for _ in peers { gate.signal() }
    for peer in peers { #expect(try peer.answer().protocolStatus == 0) }
    #expect(eventually { responder.server.busyThreads == 0 })
  }

  @Test("a request that does not arrive in time ends its connection, however it trickles")
  func receiveTimeout() throws {
    let responder = try Responder(.init(threads: 1, receiveTimeout: .milliseconds(300)))
    let silent = try responder.peer()
    let half = try responder.peer()
    half.send(Array(Wire.request().dropLast()))
    let trickling = try responder.peer()
    let sent = Counter()
    let feed = Background {
      for byte in Wire.request(body: [UInt8](repeating: 0x61, count: 1000)) {
        guard trickling.send([byte]) else { return }
        sent.increment()
        usleep(5000)
      }
    }
    #expect(try silent.isClosed())
    #expect(try half.isClosed())
    #expect(feed.ends(within: 20))
    #expect(sent.value < 1000)
  }

  @Test("a kept connection may be idle for the idle timeout, and is closed after it")
  func idleTimeout() throws {
    let responder = try Responder(
      .init(threads: 1, receiveTimeout: .seconds(1), idleTimeout: .seconds(6)))
    let peer = try responder.peer(patience: 15)
    for _ in 0..<2 {
      peer.send(Wire.request())
      #expect(try peer.answer().protocolStatus == 0)
      usleep(1_500_000)
    }
    #expect(try peer.isClosed())
  }

  @Test(
    "a web server that does not read its answer holds no thread, and is dropped after the send timeout"
  )
  func sendTimeout() throws {
    let big = [UInt8](repeating: 0x62, count: 8 << 20)
    let responder = try Responder(.init(threads: 1, sendTimeout: .milliseconds(300))) { request in
      Response(status: 200, body: request["BIG"] == nil ? [] : big)
    }
    let deaf = try responder.peer()
    deaf.send(Wire.request([("BIG", "1")]))
    let peer = try responder.peer()
    peer.send(Wire.request())
    #expect(try peer.answer().protocolStatus == 0)
    #expect(eventually { responder.server.abnormalEnds == [.sendTimeout: 1] })
    #expect(throws: WireError.self) { _ = try deaf.answer() }
  }

  @Test(
    "a reader that takes a little now and then holds no thread, and is dropped after the send timeout"
  )
  func slowReader() throws {
    let big = [UInt8](repeating: 0x62, count: 8 << 20)
    let responder = try Responder(.init(threads: 1, sendTimeout: .milliseconds(400))) { request in
      Response(status: 200, body: request["BIG"] == nil ? [] : big)
    }
    let slow = try responder.peer()
    slow.send(Wire.request([("BIG", "1")]))
    let reading = Background {
      var buffer = [UInt8](repeating: 0, count: 32 << 10)
      while recv(slow.descriptor, &buffer, buffer.count, 0) > 0 { usleep(100_000) }
    }
    let peer = try responder.peer()
    peer.send(Wire.request())
    #expect(try peer.answer().protocolStatus == 0)
    #expect(reading.ends(within: 20))
    #expect(eventually { responder.server.abnormalEnds == [.sendTimeout: 1] })
  }

  @Test("a web server that has gone before its answer does no harm")
  func vanished() throws {
    let gate = DispatchSemaphore(value: 0)
    let responder = try Responder(.init(threads: 2)) { request in
      if request["WAIT"] != nil { gate.wait() }
      return Response(status: 200, body: [UInt8](repeating: 0, count: 100_000))
    }
    for _ in 0..<2 {
      let peer = try responder.peer()
      peer.send(Wire.request([("WAIT", "1")]))
    }
    #expect(eventually { responder.server.busyThreads == 2 })
    gate.signal()
    gate.signal()
    let peer = try responder.peer()
    peer.send(Wire.request())
    #expect(try peer.answer().body.count == 100_000)
  }

  @Test("neither the first byte nor the peer's close is waited for on a thread")
  func lingering() throws {
    let responder = try Responder(.init(threads: 1))
    // libfcgi would wait two seconds for a first byte of each silent one, and two for each other's close:
    // longer than the last peer's patience.
    let silent = try (0..<10).map { _ in try responder.peer() }
    let open = try (0..<10).map { _ in
      let peer = try responder.peer(patience: 15)
      peer.send(Wire.request(keep: false))
      _ = try peer.answer()
      return peer
    }
    let peer = try responder.peer(patience: 15)
    peer.send(Wire.request())
    #expect(try peer.answer().protocolStatus == 0)
    for peer in open { #expect(try peer.isClosed()) }
    for peer in silent {
      peer.endSending()
      #expect(try peer.isClosed())
    }
  }

  @Test("connections over the limit wait for one to close")
  func connectionLimit() throws {
    let responder = try Responder(.init(threads: 2, connectionLimit: 3))
    var open = try (0..<3).map { _ in try responder.peer() }
    for peer in open {
      peer.send(Wire.request())
      _ = try peer.answer()
    }
    let surplus = try responder.peer()
    surplus.send(Wire.request([("A", "b")]))
    var entry = pollfd(fd: surplus.descriptor, events: Int16(POLLIN), revents: 0)
    #expect(poll(&entry, 1, 300) == 0)
    open.removeLast()
    #expect(try surplus.answer().text.hasPrefix("A=b\n"))
  }

  @Test("without descriptors nothing is accepted and nothing spins, until there are some")
  func noDescriptors() async {
    await #expect(processExitsWith: .success) {
      let responder = try Responder(.init(threads: 2))
      let first = try responder.peer()
      first.send(Wire.request())
      _ = try first.answer()
      let peer = Peer()
      // Beyond all that this process has open, so that there are some to fill up.
      let highest = (0..<4096).last { fcntl($0, F_GETFD) >= 0 } ?? 0
      var limit = rlimit(rlim_cur: rlim_t(highest + 10), rlim_max: rlim_t(highest + 10))
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      var filler: [Int32] = []
      while case let descriptor = dup(0), descriptor >= 0 { filler.append(descriptor) }
      try peer.connect(to: responder.path)
      peer.send(Wire.request())
      let before = processorMilliseconds()
      var entry = pollfd(fd: peer.descriptor, events: Int16(POLLIN), revents: 0)
      let came = poll(&entry, 1, 1000)
      let spent = processorMilliseconds() - before
      for descriptor in filler { close(descriptor) }
      #expect(came == 0)
      #expect(spent < 300)
      #expect(try peer.answer().protocolStatus == 0)
    }
  }
}

final class Counter: Sendable {
  private let count = Atomic<Int>(0)

  func increment() { count.add(1, ordering: .relaxed) }

  var value: Int { count.load(ordering: .relaxed) }
}

/// How much processor time this process has used.
func processorMilliseconds() -> Int {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}
