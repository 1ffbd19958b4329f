import Testing

@testable import FastCGI

@Suite("Which bytes of a connection libfcgi gets")
struct RequestFramerTests {
  /// The result of a connection's bytes.
  struct Result: Equatable {
    var requests: [[UInt8]] = []
    var sizes: [Int] = []
    var replies: [UInt8] = []
    var isRefused = false
  }

  static let limits = RequestFramer.Limits(parameters: 3000, body: 2000, connections: 10)

  /// Feeds `bytes` in pieces, as the server does.
  static func run(_ pieces: [[UInt8]]) -> Result {
    var result = Result()
    var framer = RequestFramer(limits: limits)
    var pending: [UInt8] = []
    for piece in pieces {
      pending += piece
      var isWhole = true
      while isWhole {
        let outcome = pending.withUnsafeMutableBytes { framer.scan($0) }
        result.replies += framer.replies
        framer.replies = []
        switch outcome {
        case .refused, .ended:
          result.isRefused = true
          return result
        case .incomplete(let kept):
          pending.removeLast(pending.count - kept)
          isWhole = false
        case .complete(let length, let next):
          result.requests.append(Array(pending[..<length]))
          result.sizes.append(framer.bodySize)
          pending.removeFirst(next)
          framer = RequestFramer(limits: limits)
        }
      }
    }
    return result
  }

  @Test("it does not matter how the bytes are cut")
  func cuts() {
    var dice = Dice(21)
    var whole = 0
    var refused = 0
    for number in 0..<800 {
      let bytes = Damage.stream(&dice)
      let expected = Self.run([bytes])
      var pieces: [[UInt8]] = []
      var rest = bytes[...]
      while !rest.isEmpty {
        let size = Int.random(in: 1...(number % 3 == 0 ? 9 : 900), using: &dice)
        pieces.append(Array(rest.prefix(size)))
        rest = rest.dropFirst(size)
      }
      #expect(Self.run(pieces) == expected, "case \(number)")
      whole += expected.requests.count
      refused += expected.isRefused ? 1 : 0
    }
    #expect(whole > 100 && refused > 400, "\(whole) whole, \(refused) refused")
  }

  @Test("of each request there is one beginning, its parameters and its body, and nothing else")
  func canonical() {
    var dice = Dice(22)
    for _ in 0..<800 {
      for request in Self.run([Damage.stream(&dice)]).requests {
        var types: [UInt8] = []
        var ids: Set<[UInt8]> = []
        var offset = 0
        while offset < request.count {
          let length = Int(request[offset + 4]) << 8 | Int(request[offset + 5])
          types.append(request[offset + 1])
          ids.insert(Array(request[offset + 2..<offset + 4]))
          offset += 8 + length + Int(request[offset + 6])
        }
        #expect(offset == request.count)
        #expect(ids.count == 1)
        #expect(types == types.sorted { order($0) < order($1) })
        #expect(types.filter { $0 == Wire.begin }.count == 1)
        #expect(types.last == Wire.stdin)
      }
    }
  }

  private func order(_ type: UInt8) -> Int {
    [Wire.begin, Wire.params, Wire.stdin].firstIndex(of: type) ?? -1
  }
}
