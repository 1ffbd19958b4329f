import CFastCGI
import Glibc

/// One thread's use of libfcgi: it reads a request and writes the answer.
///
/// libfcgi reads from, and writes to, the one descriptor that its request names. Here that is, for
/// reading, a file in memory that holds a request already known to be whole, and for writing the
/// connection. So libfcgi never waits for a peer to send, never reads past the request, and never
/// opens, accepts or closes a connection: its `OS_Accept` waits up to two seconds for a first byte
/// and its `OS_Close` as long for the peer's end.
///
/// Not to be shared between threads.
final class Exchange {
  private let request: UnsafeMutablePointer<FCGX_Request>
  private let inboxSize: Int
  private var inbox: Int32 = -1
  /// The file's bytes.
  private var inboxBytes: UnsafeMutableRawPointer?
  private var head: [UInt8] = []

  /// The one call of `FCGX_Init` in this process; 0 if it succeeded.
  ///
  /// It installs handlers for SIGPIPE, SIGUSR1 and SIGTERM, without SA_RESTART (`OS_LibInit`). What
  /// was there before is put back: those signals are the program's.
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

  /// - Parameter requestSize: how many bytes the longest request has.
  /// - Throws: `FastCGIError` if libfcgi cannot be initialized or the file in memory not be made.
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

  /// Reads a request, from its first record to the last of its standard input.
  ///
  /// - Parameters:
  ///   - bytes: the request, as ``Intake`` found it.
  ///   - bodySize: how many bytes the web server sent on standard input.
  ///   - bodyLimit: above this the body was dropped.
  /// - Returns: nil if the request is broken: libfcgi does not take it, or the body is not as long
  ///   as `CONTENT_LENGTH` says.
  func receive(_ bytes: UnsafeRawBufferPointer, bodySize: Int, bodyLimit: Int) -> Request? {
    // The request lies at the end of the file, so that libfcgi finds the file's end behind it and
    // never what a longer request before it left there.
    let start = inboxSize - bytes.count
    guard openInbox(), let inboxBytes, let first = bytes.baseAddress, start >= 0,
      lseek(inbox, start, SEEK_SET) == start
    else { return nil }
    (inboxBytes + start).copyMemory(from: first, byteCount: bytes.count)
    request.pointee.ipcFd = inbox
    request.pointee.keepConnection = 1
    // Where FCGX_Accept_r does not like what it reads, it closes the descriptor and goes to accept
    // another; that fails at once, since there is no socket to accept from.
    guard FCGX_Accept_r(request) == 0 else {
      inbox = request.pointee.ipcFd
      return nil
    }
    guard let parameters = parameters(bodySize: bodySize) else { return nil }
    if bodySize > bodyLimit { return Request(parameters: parameters, body: .tooLarge) }
    guard let body = body(size: bodySize) else { return nil }
    return Request(parameters: parameters, body: .complete(body))
  }

  /// The parameters, or nil if one of them is a `CONTENT_LENGTH` other than `bodySize`. An empty
  /// one says nothing; nginx sends it where there is no body.
  private func parameters(bodySize: Int) -> [Request.Parameter]? {
    var parameters: [Request.Parameter] = []
    parameters.reserveCapacity(32)
    // The first entry is FCGI_ROLE, which libfcgi puts there itself.
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

  /// Standard input to its end, or nil if it is not `size` bytes long.
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

  /// Writes the answer to the request last received, and ends it.
  ///
  /// - Parameters:
  ///   - connection: the web server's connection, in blocking mode, with a send timeout.
  ///   - deadline: on the clock of ``monotonicMilliseconds()``; an answer that is not written by
  ///     then is given up.
  /// - Returns: whether the whole answer was written. If not, the connection is of no more use.
  func send(_ response: Response, to connection: Int32, before deadline: Int) -> Bool {
    request.pointee.ipcFd = connection
    head.removeAll(keepingCapacity: true)
    response.appendHead(to: &head)
    guard put(head, before: deadline), put(response.body, before: deadline),
      FCGX_FClose(request.pointee.err) == 0, FCGX_FClose(request.pointee.out) == 0
    else { return false }
    return true
  }

  private func put(_ bytes: [UInt8], before deadline: Int) -> Bool {
    bytes.withUnsafeBytes { bytes in
      // libfcgi writes whenever its buffer of 8 KiB is full, and each write may wait for as long as
      // the send timeout.
      var start = 0
      while start < bytes.count {
        let part = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + 8192, bytes.count)])
        let written = FCGX_PutStr(
          part.assumingMemoryBound(to: CChar.self).baseAddress, Int32(part.count),
          request.pointee.out)
        guard written == part.count, monotonicMilliseconds() < deadline else { return false }
        start += part.count
      }
      return true
    }
  }

  /// Frees what libfcgi holds for the request last received. The connection stays as it is.
  func finish() {
    FCGX_Free(request, 0)
    request.pointee.ipcFd = -1
  }
}
