import CFastCGI
import Glibc
import POSIX

/// A socket on which a web server connects.
///
/// libfcgi's `FCGX_OpenSocket` is not used because it removes any file at the path, leaves the permissions to
/// the umask, and ends the process when it fails.
package struct ListeningSocket: Sendable {
  /// The socket's file, which this process created.
  private struct File {
    let path: String
    let device: dev_t
    let inode: ino_t
  }

  /// A socket that never blocks: another process may accept the connection that woke this one.
  let descriptor: Int32
  /// Whether it is a Unix domain socket.
  let isLocal: Bool
  private let file: File?

  /// The path of the socket, also of an inherited one; nil if it has none.
  package var path: String? {
    var address = sockaddr_un()
    var length = socklen_t(MemoryLayout<sockaddr_un>.size)
    let isNamed = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        getsockname(descriptor, $0, &length) == 0
      }
    }
    guard isNamed, isLocal, length > MemoryLayout<sa_family_t>.size else { return nil }
    return withUnsafeBytes(of: address.sun_path) { bytes in
      bytes.first == 0 ? nil : String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  // MARK: - Inherited

  /// The socket that the program inherited, or nil.
  ///
  /// That is descriptor 3 if systemd passed it (`LISTEN_PID`, `LISTEN_FDS`; sd_listen_fds(3)), or else
  /// descriptor 0 if it listens (FastCGI specification 1.0 §2.2; spawn-fcgi). The method unsets systemd's
  /// variables, so that no child process uses them. The socket's file belongs to another process and stays.
  /// Call it before other threads start, because it changes the environment.
  ///
  /// - Throws: `FastCGIError` if systemd passed more than one descriptor, or one that does not listen.
  package static func inherited() throws -> ListeningSocket? {
    let variables = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]
    let values = variables.map { name in getenv(name).map { String(cString: $0) } }
    for name in variables { unsetenv(name) }
    if values[0] == String(getpid()), let count = values[1].flatMap({ Int($0) }), count > 0 {
      guard count == 1 else {
        throw FastCGIError("systemd passed \(count) sockets, and one is expected")
      }
      guard isListening(3) else {
        throw FastCGIError("systemd passed a descriptor that is not a listening stream socket")
      }
      return try ListeningSocket(adopting: 3)
    }
    return isListening(0) ? try ListeningSocket(adopting: 0) : nil
  }

  private static func isListening(_ descriptor: Int32) -> Bool {
    option(SO_ACCEPTCONN, of: descriptor) == 1
      && option(SO_TYPE, of: descriptor) == Int32(SOCK_STREAM.rawValue)
  }

  private static func option(_ name: Int32, of descriptor: Int32) -> Int32? {
    var value: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    return getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : nil
  }

  private init(adopting descriptor: Int32) throws {
    let flags = fcntl(descriptor, F_GETFL)
    guard flags >= 0, fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0,
      fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0
    else { throw FastCGIError.system("cannot set up descriptor \(descriptor)") }
    self.descriptor = descriptor
    isLocal = Self.option(SO_DOMAIN, of: descriptor) == AF_UNIX
    file = nil
  }

  // MARK: - Bound

  /// Creates a Unix domain socket at `path` and listens on it.
  ///
  /// It replaces a socket at the path if no process answers on it. When it begins to accept connections, it has
  /// exactly `mode` and `group`, whatever the umask is.
  ///
  /// - Parameters:
  ///   - path: At most 107 bytes (unix(7)).
  ///   - group: The name of a group, or nil for the process's own.
  ///   - mode: Permissions. A client needs the permission to write.
  /// - Throws: `FastCGIError` if another process answers at `path`, `path` is not a socket, the group is
  ///   unknown, or the system refuses.
  package static func bind(
    path: String, group: String? = nil, mode: mode_t = 0o660
  ) throws -> ListeningSocket {
    let address = try SocketAddress(path: path)
    let groupID = try group.map(self.groupID)
    // Two processes that start at once could remove each other's socket. So the directory is locked until
    // this one listens. This leaves no lock file.
    let directory = try lockDirectory(of: path)
    defer { Glibc.close(directory) }
    try removeStaleSocket(at: path, address)
    let descriptor = try SocketAddress.makeSocket()
    guard address.withPointer({ Glibc.bind(descriptor, $0, $1) }) == 0 else {
      let error = FastCGIError.system("cannot create a socket at \(path)")
      Glibc.close(descriptor)
      throw error
    }
    // No process can connect before it listens. So the umask's permissions do no harm until then.
    var status = stat()
    guard chmod(path, mode) == 0, groupID.map({ lchown(path, uid_t.max, $0) }) ?? 0 == 0,
      listen(descriptor, 1024) == 0, lstat(path, &status) == 0
    else {
      let error = FastCGIError.system("cannot set up the socket at \(path)")
      unlink(path)
      Glibc.close(descriptor)
      throw error
    }
    return ListeningSocket(
      descriptor: descriptor, isLocal: true,
      file: File(path: path, device: status.st_dev, inode: status.st_ino))
  }

  private init(descriptor: Int32, isLocal: Bool, file: File?) {
    self.descriptor = descriptor
    self.isLocal = isLocal
    self.file = file
  }

  private static func groupID(of name: String) throws -> gid_t {
    var buffer = [CChar](repeating: 0, count: 64 << 10)
    var entry = group()
    var found: UnsafeMutablePointer<group>?
    let code = getgrnam_r(name, &entry, &buffer, buffer.count, &found)
    guard code == 0 else {
      throw FastCGIError.system("cannot look up the group \(name)", errno: code)
    }
    guard found != nil else { throw FastCGIError("there is no group \(name)") }
    return entry.gr_gid
  }

  private static func lockDirectory(of path: String) throws -> Int32 {
    let slash = path.lastIndex(of: "/")
    let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw FastCGIError.system("cannot open the directory \(directory)")
    }
    let deadline = MonotonicInstant.now + .seconds(5)
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      guard errno == EWOULDBLOCK || errno == EINTR, MonotonicInstant.now < deadline else {
        let error = FastCGIError.system("cannot lock the directory \(directory)")
        Glibc.close(descriptor)
        throw error
      }
      usleep(10_000)
    }
    return descriptor
  }

  private static func removeStaleSocket(at path: String, _ address: SocketAddress) throws {
    var status = stat()
    guard lstat(path, &status) == 0 else {
      if errno == ENOENT { return }
      throw FastCGIError.system("cannot read \(path)")
    }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw FastCGIError("\(path) exists and is not a socket")
    }
    let probe = try SocketAddress.makeSocket()
    defer { Glibc.close(probe) }
    // EAGAIN means a full backlog, so a process listens.
    if address.withPointer({ connect(probe, $0, $1) }) == 0 || errno == EAGAIN {
      throw FastCGIError("another instance answers on \(path)")
    }
    guard errno == ECONNREFUSED else {
      throw FastCGIError.system("cannot find out whether another instance answers on \(path)")
    }
    guard unlink(path) == 0 else {
      throw FastCGIError.system("cannot remove the dead socket \(path)")
    }
  }

  // MARK: - The end

  /// Refuses connections from now on. Those that wait can still be accepted. An inherited socket continues,
  /// because other processes may share it: its connections wait for the next process that accepts them.
  func refuseFurther() {
    if file != nil { shutdown(descriptor, Int32(SHUT_RD)) }
  }

  /// Closes the socket, and removes its file if this process created it and it is still the same file.
  package func close() {
    if let file {
      var status = stat()
      if lstat(file.path, &status) == 0, status.st_dev == file.device, status.st_ino == file.inode {
        unlink(file.path)
      }
    }
    Glibc.close(descriptor)
  }
}

/// The address of a Unix domain socket.
struct SocketAddress {
  private var address = sockaddr_un()

  /// - Throws: `FastCGIError` if the path is empty, too long, or contains a NUL.
  init(path: String) throws {
    let bytes = Array(path.utf8)
    let room = MemoryLayout.size(ofValue: address.sun_path) - 1
    guard !bytes.isEmpty, !bytes.contains(0) else {
      throw FastCGIError("a socket's path cannot be empty or contain a NUL")
    }
    guard bytes.count <= room else {
      throw FastCGIError(
        "the socket path \(path) has \(bytes.count) bytes, and the system allows \(room)")
    }
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
  }

  /// A new stream socket that never blocks.
  ///
  /// - Throws: `FastCGIError` if the system has no descriptors or memory.
  static func makeSocket() throws -> Int32 {
    let type = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
    let descriptor = socket(AF_UNIX, Int32(type), 0)
    guard descriptor >= 0 else { throw FastCGIError.system("cannot create a socket") }
    return descriptor
  }

  /// Calls `body` with the address in the form of the socket calls.
  func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    withUnsafePointer(to: address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
}
