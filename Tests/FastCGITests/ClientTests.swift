import FastCGI
import Foundation
import Glibc
import HTTPTypes
import Testing

@Suite("The client")
struct ClientTests {
  @Test("it asks and gets status, headers and body")
  func asks() throws {
    let responder = try Responder { request in
      var response = Responder.echo(request)
      response.status = 503
      response.headers = [.retryAfter: "5", HTTPField.Name("X-A")!: "b: c"]
      return response
    }
    let long = String(repeating: "v", count: 100_000)
    let body = [UInt8](repeating: 0x61, count: 60_000)
    let answer = try Client.send(
      to: responder.path, parameters: [("A", long), ("CONTENT_LENGTH", "60000")], body: body)
    #expect(answer.status == 503)
    #expect(answer.headers[.retryAfter] == "5")
    #expect(answer.headers[HTTPField.Name("x-a")!] == "b: c")
    #expect(
      String(decoding: answer.body, as: UTF8.self)
        == "A=\(long)\nCONTENT_LENGTH=60000\nbody 60000 " + String(repeating: "a", count: 60_000))
  }

  @Test("it says why there is no answer")
  func failures() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/s"
    #expect(
      message { try Client.send(to: path, parameters: []) }
        == "cannot connect to \(path): No such file or directory")
    let responder = try Responder(.init(threads: 1)) { _ in
      usleep(500_000)
      return Response(status: 200)
    }
    #expect(
      message { try Client.send(to: responder.path, parameters: [], timeout: .milliseconds(100)) }
        == "no answer in time on \(responder.path)")
    #expect(
      message { try Client.send(to: responder.path, parameters: [("CONTENT_LENGTH", "9")]) }
        == "\(responder.path) closed the connection without an answer")
  }

  @Test(
    "it does not take for an answer what is none",
    arguments: [
      Array("HTTP/1.1 200 OK\r\n\r\n".utf8),
      Wire.record(Wire.end, [0, 0, 0, 0, 3, 0, 0, 0]),
      Wire.record(Wire.stdout, Array("Status: 200".utf8))
        + Wire.record(Wire.end, [0, 0, 0, 0, 0, 0, 0, 0]),
      Wire.record(Wire.stdout, Array("Status: abc\r\n\r\n".utf8))
        + Wire.record(Wire.end, [0, 0, 0, 0, 0, 0, 0, 0]),
      Wire.record(Wire.stdout, Array("Status: -12\r\n\r\n".utf8))
        + Wire.record(Wire.end, [0, 0, 0, 0, 0, 0, 0, 0]),
      Wire.record(Wire.stdout, Array("A name: value\r\n\r\n".utf8))
        + Wire.record(Wire.end, [0, 0, 0, 0, 0, 0, 0, 0]),
    ])
  func nonsense(bytes: [UInt8]) throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/s"
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    #expect(try bindPlainly(descriptor, path) && listen(descriptor, 5) == 0)
    let server = Background {
      let connection = accept(descriptor, nil, nil)
      _ = write(connection, bytes, bytes.count)
      var buffer = [UInt8](repeating: 0, count: 1000)
      while recv(connection, &buffer, buffer.count, 0) > 0 {}
      close(connection)
    }
    #expect(throws: FastCGIError.self) { try Client.send(to: path, parameters: []) }
    #expect(server.ends(within: 20))
  }

  private func message(_ body: () throws -> Response) -> String? {
    do {
      _ = try body()
      return nil
    } catch {
      return "\(error)"
    }
  }
}
