import Foundation
import Glibc
import Testing

extension EndToEnd {
  @Suite("nginx/serve") struct ServeTests {
    private static let script = "\(Service.project)/nginx/serve"

    private static func run(_ arguments: String...) throws -> Program.Result {
      try Program.run(
        [script] + arguments, environment: ["TOMI_EXECUTABLE": Service.executable])
    }

    /// nginx/serve, running.
    private static func start(
      _ folder: String, data: String = "data", _ arguments: String...
    ) throws -> (program: Program, port: Int) {
      let port = try freePort()
      let name = "\(folder)/\(UUID().uuidString)"
      let program = try Program(
        [script, "--port", "\(port)", "--data", "\(folder)/\(data)"] + arguments,
        environment: ["TOMI_EXECUTABLE": Service.executable], output: "\(name).1",
        errors: "\(name).2")
      guard
        eventually(
          within: 90, { !program.isRunning || program.output.contains("A first request") }),
        program.isRunning
      else {
        defer { program.stop() }
        throw Trouble("nginx/serve does not start: \(program.errors)")
      }
      return (program, port)
    }

    /// The processes that have this in their command lines.
    private static func processes(naming text: String) throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: "/proc").filter {
        $0.allSatisfy(\.isNumber)
      }
      .compactMap { try? kernelFile("/proc/\($0)/cmdline").replacing("\0", with: " ") }
      .filter { $0.contains(text) }
    }

    @Test("explains itself, and refuses wrong usage with 64 and one line")
    func usage() throws {
      let help = try Self.run("--help")
      #expect(help.status == 0 && help.errors.isEmpty)
      for option in ["--port", "--data", "--empty", "--threads", "--no-limits", "--no-cache"] {
        #expect(help.output.contains(option), "\(option)")
      }
      for arguments in [
        ["--port", "0"], ["--port", "65536"], ["--port"], ["--threads", "x"], ["now"],
      ] {
        let result = try Program.run([Self.script] + arguments)
        #expect(result.status == 64 && result.errorLines.count == 1, "\(arguments): \(result)")
        #expect(result.output.isEmpty)
      }
    }

    @Test(
      "starts with one command, answers its own first curl, and leaves nothing behind",
      arguments: [SIGINT, SIGTERM])
    func startAndStop(signal: Int32) throws {
      try inFolder { folder in
        // A directory that does not exist yet, with as many letters as namei's modes have.
        let (program, port) = try Self.start(folder, data: "fresh-data", "--empty")
        defer { program.stop() }
        let output = program.output
        #expect(output.contains("http://127.0.0.1:\(port)"))
        let token = try #require(output.firstMatch(of: /tomi_[A-Za-z0-9_-]{43}/)).output
        let curl = try #require(output.firstMatch(of: /(?m)^ +(curl .*)$/)).1
        #expect(!curl.contains(token), "every user can read the arguments of a command")
        var status = stat()
        #expect(
          stat("\(folder)/fresh-data/authorization", &status) == 0 && status.st_mode & 0o077 == 0)
        let first = try Program.run(["sh", "-c", "\(curl) --silent --fail"])
        #expect(first.status == 0, "\(first)")
        #expect(try JSON(parsing: Array(first.output.utf8))["data"] == [])
        try Client(port: port, token: String(token)).get("/api/admin/events").expect(200)
        let running = try Self.processes(naming: folder)
        #expect(running.contains { $0.contains("tomi-referrals serve") }, "\(running)")
        let temporary = try #require(
          try Self.processes(naming: "nginx: master").joined(separator: "\n")
            .matches(of: /\/tmp\/tomi-referrals\.\w+/).map { String($0.output) }
            .first {
              (try? FileManager.default.destinationOfSymbolicLink(atPath: "\($0)/responder.sock"))?
                .hasPrefix(folder) == true
            })

        #expect(program.stop(signal) == .exit(0), "\(program.errors)")
        #expect(try Self.processes(naming: folder) == [])
        #expect(try Self.processes(naming: temporary) == [])
        #expect(!FileManager.default.fileExists(atPath: temporary))
        let left = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/fresh-data")
        #expect(
          left.contains("referrals.db") && !left.contains("referrals.sock")
            && !left.contains("authorization"), "\(left)")
        #expect(throws: Trouble.self) { try Connection(port: port) }
        // What is there is served again, not filled.
        let (again, nextPort) = try Self.start(folder, data: "fresh-data")
        defer { again.stop() }
        try Client(port: nextPort, token: String(token)).get("/api/admin/events").expect(200)
        #expect(again.stop() == .exit(0))
      }
    }

    @Test("fills a new database with demo data")
    func demo() throws {
      try inFolder { folder in
        let (program, port) = try Self.start(folder)
        defer { program.stop() }
        let token = try #require(program.output.firstMatch(of: /tomi_[A-Za-z0-9_-]{43}/)).output
        let staff = Client(port: port, token: String(token))
        #expect(try staff.all("/api/admin/partners?limit=100").count == 60)
        let coverage = try staff.get("/api/coverage/MN").expect(200).json
        #expect(coverage["status"] == "available")
        #expect(program.stop(SIGINT) == .exit(0))
      }
    }

    @Test("refuses a port in use, and a folder that another one serves, before it starts anything")
    func conflicts() throws {
      try inFolder { folder in
        let taken = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(taken) }
        let takenPort = try bind(taken, port: 0)
        try #require(listen(taken, 5) == 0)
        let busy = try Self.run("--port", "\(takenPort)", "--data", "\(folder)/busy", "--empty")
        #expect(busy.status == 1 && busy.errorLines.count == 1, "\(busy)")
        #expect(busy.errors.contains("\(takenPort)"))
        #expect(!FileManager.default.fileExists(atPath: "\(folder)/busy/referrals.db"))

        let (program, port) = try Self.start(folder, "--empty", "--threads", "2", "--no-limits")
        defer { program.stop() }
        let second = try Self.run("--port", "\(try freePort())", "--data", "\(folder)/data")
        #expect(second.status == 1 && second.errorLines.count == 1, "\(second)")
        #expect(second.errors.contains("\(folder)/data"))
        try Client(port: port).get("/api/health").expect(200)
        #expect(program.stop(SIGINT) == .exit(0))
      }
    }

    @Test("refuses a folder of another user, or with a way to it that others may change")
    func foreignFolders() throws {
      try inFolder { folder in
        let mine = "\(folder)/mine"
        try FileManager.default.createDirectory(atPath: mine, withIntermediateDirectories: false)
        func expectRefusal(of data: String, naming text: String) throws {
          let result = try Self.run("--port", "\(try freePort())", "--data", data, "--empty")
          #expect(result.status == 1 && result.errorLines.count == 1, "\(data): \(result)")
          #expect(result.errors.contains(text), "\(data): \(result)")
          #expect(!FileManager.default.fileExists(atPath: "\(mine)/referrals.db"))
        }
        chmod(mine, 0o777)
        try expectRefusal(of: mine, naming: "mine")
        try expectRefusal(of: "\(mine)/below", naming: "every user may write to \"mine\"")
        chmod(mine, 0o1777)
        try expectRefusal(of: mine, naming: "other users may write")
        chmod(mine, 0o700)
        try expectRefusal(of: "/tmp", naming: "/tmp")

        guard geteuid() == 0 else { return }
        // As root a test can make what another user would have put there.
        let nobody: uid_t = 65_534
        let link = "\(folder)/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: mine)
        lchown(link, nobody, nobody)
        try expectRefusal(of: link, naming: "belongs to another user, nobody")
        try expectRefusal(of: "\(link)/below", naming: "belongs to another user, nobody")
        let log = "\(mine)/access.log"
        try FileManager.default.createSymbolicLink(
          atPath: log, withDestinationPath: "\(folder)/victim")
        lchown(log, nobody, nobody)
        try expectRefusal(of: mine, naming: "access.log belongs to another user")
        unlink(log)
        chown(mine, nobody, nobody)
        try expectRefusal(of: mine, naming: "belongs to another user, nobody")
        try expectRefusal(of: "\(mine)/below", naming: "belongs to another user, nobody")
        #expect(!FileManager.default.fileExists(atPath: "\(folder)/victim"))
      }
    }

    @Test("ends with 1 when a part of it dies, and takes the rest with it")
    func partDies() throws {
      try inFolder { folder in
        let (program, _) = try Self.start(folder, "--empty")
        defer { program.stop() }
        let responder = try #require(
          try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }
            .first {
              (try? kernelFile("/proc/\($0)/cmdline"))?
                .hasPrefix("\(Service.executable)\0serve\0--database\0\(folder)/") == true
            })
        kill(responder, SIGKILL)
        #expect(try program.wait() == .exit(1))
        #expect(program.errors.contains("responder"))
        #expect(try eventually { try Self.processes(naming: folder) == [] })
      }
    }
  }
}
