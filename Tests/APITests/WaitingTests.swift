import HTTPTypes
import JSON
import POSIX
import Synchronization
import Testing

@testable import API
@testable import Store

/// Changes wait for the writer, up to a limit, and nothing else waits for them.
@Suite struct WaitingTests {
  /// The most changes that wait.
  private static let limit = 1_024

  /// The answers to requests by their number.
  private final class Answers: Sendable {
    private let answers = Mutex<[Int: Response]>([:])
    private let arrived = Semaphore()

    var count: Int { answers.withLock { $0.count } }

    subscript(number: Int) -> Reply? { answers.withLock { $0[number].map(Reply.init) } }

    func reply(_ number: Int) -> @Sendable (Response) -> Void {
      { response in
        self.answers.withLock {
          #expect($0[number] == nil, "a request is answered once")
          $0[number] = response
        }
        self.arrived.signal()
      }
    }

    func wait(for count: Int) { for _ in 0..<count { arrived.wait() } }
  }

  private static func creation(_ number: Int) -> Request {
    let body: JSON = [
      "type": "agent", "company_name": "Firm", "email": .string("\(number)@wait.example"),
    ]
    return Request(
      method: "POST", target: "/api/admin/partners",
      headers: [
        .authorization: "Bearer \(Role.staff.token ?? "")", .contentType: "application/json",
        .idempotencyKey: "key\(number)",
      ], body: body.bytes, id: "\(number)")
  }

  /// Requests that wait for nobody, with their numbers and answers.
  private static let others: [(Int, String, Request)] = {
    var mistaken = creation(0)
    mistaken.body = Array("{\"surplus\":1}".utf8)
    var broken = creation(0)
    broken.body = [0x7B]
    return [
      (-1, "200", Request(method: "GET", target: "/api/coverage/MN", id: "1")),
      (
        -2,
        "422 validation /company_name:required /email:required /surplus:unknown_field /type:required",
        mistaken
      ),
      (-3, "400 malformed_json", broken),
    ]
  }()

  /// Holds the writer from within a change, so that it does not depend on any time.
  private static func whileHeld(_ world: World, _ body: () throws -> Void) rethrows {
    let (isHeld, isReleased) = (Semaphore(), Semaphore())
    world.store.write(now: world.clock.now, actor: nil) { _ in
      isHeld.signal()
      isReleased.wait()
    } then: { _ in
    }
    isHeld.wait()
    defer { isReleased.signal() }
    try body()
  }

  @Test("1,024 of them wait; the next one is refused at once, and may be sent again") func limit()
    throws
  {
    let world = try World()
    let answers = Answers()
    // The change that holds the writer is one of them.
    let waiting = Self.limit - 1
    Self.whileHeld(world) {
      for number in 0..<waiting {
        world.router.respond(to: Self.creation(number), reply: answers.reply(number))
      }
      #expect(answers.count == 0)

      for number in [waiting, waiting + 1] {
        world.router.respond(to: Self.creation(number), reply: answers.reply(number))
        // Refused on this thread, so that the test ends also if it is not.
        #expect(answers[number]?.verdict == "503 unavailable")
        #expect((answers[number]?.headers[.retryAfter].flatMap { Int($0) } ?? 0) > 0)
      }
      // What reads, and what is refused without the database, is answered as ever.
      for (number, verdict, request) in Self.others {
        world.router.respond(to: request, reply: answers.reply(number))
        #expect(answers[number]?.verdict == verdict)
      }
      #expect(answers.count == 2 + Self.others.count)
    }
    answers.wait(for: waiting + 2 + Self.others.count)
    for number in 0..<waiting { #expect(answers[number]?.verdict == "201", "\(number)") }

    let again = world.send(Self.creation(waiting))
    #expect(again.verdict == "201" && again.headers[.idempotentReplayed] == nil)
    // Of the user's answers the newest 1,000 are kept.
    let replayed = world.send(Self.creation(waiting - 1))
    #expect(replayed.verdict == "201" && replayed.headers[.idempotentReplayed] == "true")
    #expect(world.events.count == waiting + 1)
  }

  @Test("one that is answered makes room for another") func room() throws {
    let world = try World()
    for _ in 0..<3 {
      let answers = Answers()
      let start = world.events.count
      Self.whileHeld(world) {
        for number in start..<start + 100 {
          world.router.respond(to: Self.creation(number), reply: answers.reply(number))
        }
      }
      answers.wait(for: 100)
      #expect(world.events.count == start + 100)
    }
  }
}
