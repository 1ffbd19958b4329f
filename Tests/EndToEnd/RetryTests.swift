import Foundation
import Glibc
import Testing

extension EndToEnd {
  @Suite("A connection to the responder that ends before the answer") struct RetryTests {
    /// A responder that ends the connection instead of answering the first request for `/api/end`.
    private final class Responder: Sendable {
      /// The methods of the requests that arrived.
      let arrived = Shared<[String]>([])
      private let listener: Int32

      init(at path: String) throws {
        listener = try listen(at: path)
        let (listener, arrived) = (listener, arrived)
        let hasEnded = Shared(false)
        Foundation.Thread.detachNewThread {
          while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { return }
            Foundation.Thread.detachNewThread {
              defer { close(connection) }
              while let (method, isLast) = Responder.receive(connection) {
                arrived.withLock { $0.append(method) }
                let endsNow =
                  isLast
                  && hasEnded.withLock { ended in
                    let isFirst = !ended
                    ended = true
                    return isFirst
                  }
                if endsNow { return }
                let answer = Array("Status: 200\r\nContent-Type: text/plain\r\n\r\nok".utf8)
                let records =
                  [1, 6, 0, 1, 0, UInt8(answer.count), 0, 0] + answer + [1, 3, 0, 1, 0, 8, 0, 0]
                  + [UInt8](repeating: 0, count: 8)
                guard Glibc.send(connection, records, records.count, Int32(MSG_NOSIGNAL)) > 0 else {
                  return
                }
              }
            }
          }
        }
      }

      /// The method of the next request, and whether it is for `/api/end`; nil at the connection's end.
      private static func receive(_ connection: Int32) -> (String, Bool)? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        // An empty record of FCGI_STDIN ends a request (FastCGI 1.0, section 5.3).
        while bytes.suffix(8) != [1, 5, 0, 1, 0, 0, 0, 0] {
          let count = recv(connection, &buffer, buffer.count, 0)
          guard count > 0 else { return nil }
          bytes += buffer[..<count]
        }
        let text = String(decoding: bytes, as: UTF8.self)
        return text.firstMatch(of: /REQUEST_METHOD(GET|HEAD|OPTIONS|PUT|POST|DELETE)/)
          .map { (String($0.1), text.contains("/api/end")) }
      }

      deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
      }
    }

    @Test(
      "nginx sends a request again that changes nothing, and no change",
      arguments: ["GET", "HEAD", "OPTIONS", "PUT", "POST", "DELETE"])
    func again(method: String) throws {
      try Service.run { service in
        #expect(service.stopResponder() == .exit(0))
        let responder = try Responder(at: service.socket)
        defer { unlink(service.socket) }
        let client = service.staff
        // From now on nginx has a kept connection.
        #expect(try client.get("/api/x").status == 200)
        let answer = try client.send(
          method, "/api/end", method == "PUT" || method == "POST" ? [:] : nil,
          headers: ["If-Match": "\"tag\""])
        let isSafe = ["GET", "HEAD", "OPTIONS"].contains(method)
        #expect(answer.status == (isSafe ? 200 : 502))
        #expect(
          responder.arrived.withLock { $0 } == ["GET"]
            + Array(repeating: method, count: isSafe ? 2 : 1))
      }
    }
  }
}
