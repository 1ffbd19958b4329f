import CFastCGI
import Glibc

/// Has libfcgi decode a request.
///
/// libfcgi reads from the descriptor that its request names. Here that is a file in memory, which holds one
/// request that is known to be whole. So libfcgi never waits for a peer, never reads past the request, and
/// never accepts or closes a connection: its `OS_Accept` waits up to two seconds for a first byte, and its
/// `OS_Close` as long for the peer's end. It never writes.
///
/// Not to be shared between threads.
final class RequestDecoder {
  private let request: UnsafeMutablePointer<FCGX_Request>
  private let inboxSize: Int
  private var inbox: Int32 = -1
  /// The file's bytes.
  private var inboxBytes: UnsafeMutableRawPointer?

  /// The one call of `FCGX_Init` in this process; 0 if it succeeded.
  ///
  /// It installs handlers for SIGPIPE, SIGUSR1 and SIGTERM, without SA_RESTART (`OS_LibInit`). The
  /// program's own handlers are restored.
  private static let initialized: Int32 = {
    let signals = [SIGPIPE, SIGUSR1, SIGTERM]
    let actions = signals.map { signal in
      var action = sigaction()
      sigaction(signal, nil, &action)
      return action
    }
    defer {
      for (signal, action) in zip(signals, actions) {
        var action = action
        sigaction(signal, &action, nil)
      }
    }
    return FCGX_Init()
  }()

  /// - Parameter requestSize: How many bytes the longest request has.
  /// - Throws: `FastCGIError` if libfcgi or the file in memory cannot be set up.
  init(requestSize: Int) throws {
    guard Self.initialized == 0 else { throw FastCGIError("libfcgi cannot be initialized") }
    inboxSize = requestSize
    request = .allocate(capacity: 1)
    FCGX_InitRequest(request, -1, 0)
    guard openInbox() else { throw FastCGIError.system("cannot create a file in memory") }
  }

  deinit {
    FCGX_Free(request, 0)
    request.deallocate()
    closeInbox()
  }

  private func openInbox() -> Bool {
    if inbox >= 0, inboxBytes != nil { return true }
    closeInbox()
    inbox = memfd_create("fastcgi-request", UInt32(MFD_CLOEXEC))
    guard inbox >= 0, ftruncate(inbox, inboxSize) == 0 else { return false }
    let bytes = mmap(nil, inboxSize, PROT_READ | PROT_WRITE, MAP_SHARED, inbox, 0)
    guard let bytes, bytes != MAP_FAILED else { return false }
    inboxBytes = bytes
    return true
  }

  private func closeInbox() {
    if let inboxBytes { munmap(inboxBytes, inboxSize) }
    inboxBytes = nil
    if inbox >= 0 { close(inbox) }
    inbox = -1
  }

  /// Decodes a request.
  ///
  /// - Parameters:
  ///   - bytes: The request, as ``RequestFramer`` found it.
  ///   - bodySize: How many bytes the web server sent on standard input.
  ///   - bodyLimit: The body was dropped if it is longer.
  /// - Returns: nil if libfcgi does not accept the request, or the body is not as long as
  ///   `CONTENT_LENGTH` says.
  func decode(_ bytes: UnsafeRawBufferPointer, bodySize: Int, bodyLimit: Int) -> Request? {
    defer {
      FCGX_Free(request, 0)
      request.pointee.ipcFd = -1
    }
    // The request is at the end of the file. So libfcgi reaches the end of the file after it, and not the bytes
    // of a longer request before it.
    let start = inboxSize - bytes.count
    guard openInbox(), let inboxBytes, let first = bytes.baseAddress, start >= 0,
      lseek(inbox, start, SEEK_SET) == start
    else { return nil }
    (inboxBytes + start).copyMemory(from: first, byteCount: bytes.count)
    request.pointee.ipcFd = inbox
    request.pointee.keepConnection = 1
    // If FCGX_Accept_r does not accept what it reads, it closes the descriptor and tries to accept a
    // connection. That fails at once, since it has no listening socket.
    guard FCGX_Accept_r(request) == 0 else {
      inbox = request.pointee.ipcFd
      return nil
    }
    guard let parameters = parameters(bodySize: bodySize) else { return nil }
    if bodySize > bodyLimit { return Request(parameters: parameters, body: .tooLarge) }
    guard let body = body(size: bodySize) else { return nil }
    return Request(parameters: parameters, body: .complete(body))
  }

  /// The parameters, or nil if one of them is a `CONTENT_LENGTH` other than `bodySize`. An empty one
  /// counts as missing; nginx sends it for a request without a body.
  private func parameters(bodySize: Int) -> [Request.Parameter]? {
    var parameters: [Request.Parameter] = []
    parameters.reserveCapacity(32)
    // libfcgi adds FCGI_ROLE as the first one.
    guard var entry = request.pointee.envp?.advanced(by: 1) else { return nil }
    while let text = entry.pointee {
      guard let equals = strchr(text, Int32(UInt8(ascii: "="))) else { return nil }
      let parameter = Request.Parameter(
        name: Self.string(text, count: equals - text),
        value: Self.string(equals + 1, count: strlen(equals + 1)))
      if parameter.name == "CONTENT_LENGTH", !parameter.value.isEmpty {
        let isNumber = parameter.value.utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard isNumber, Int(parameter.value) == bodySize else { return nil }
      }
      parameters.append(parameter)
      entry += 1
    }
    return parameters
  }

  private static func string(_ start: UnsafePointer<CChar>, count: Int) -> String {
    String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
  }

  /// Reads standard input to its end; nil if it is not `size` bytes long.
  private func body(size: Int) -> [UInt8]? {
    let input = request.pointee.in
    var body: [UInt8] = []
    if size > 0 {
      body = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        let read = buffer.withMemoryRebound(to: CChar.self) {
          FCGX_GetStr($0.baseAddress, Int32(size), input)
        }
        count = Int(read)
      }
    }
    guard body.count == size, FCGX_GetChar(input) == EOF, FCGX_GetError(input) == 0 else {
      return nil
    }
    return body
  }
}
