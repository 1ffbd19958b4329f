import POSIX

/// Answers one request: call it with the response, once, on any thread.
///
/// A second call has no effect. If the last reference goes away without a call, the request's connection is
/// closed, so that the web server does not wait in vain.
package final class Reply: Sendable {
  private enum State {
    /// The handler is running.
    case handling
    /// The handler is running, and the response is there.
    case answered(Response)
    /// The handler has returned, and there is no response yet.
    case deferred
    /// The response has been passed on.
    case done
  }

  private let loop: Loop
  private let connection: FastCGIConnection
  private let state = Lock(State.handling)

  init(loop: Loop, connection: FastCGIConnection) {
    self.loop = loop
    self.connection = connection
  }

  deinit {
    state.withLock { state in
      if case .deferred = state { loop.deliver(nil, to: connection) }
    }
  }

  /// Answers the request. The calling thread sends nothing: the thread of the handler does that when the
  /// handler returns or, if it has returned, another of the server's threads.
  package func callAsFunction(_ response: Response) {
    let isDeferred = state.withLock { state in
      switch state {
      case .handling:
        state = .answered(response)
        return false
      case .deferred:
        state = .done
        return true
      case .answered, .done:
        return false
      }
    }
    if isDeferred { loop.deliver(response, to: connection) }
  }

  /// Ends the handler's turn.
  ///
  /// - Parameter prepare: Called if there is no response yet, before another thread can send one.
  /// - Returns: The response, or nil if it comes later.
  func endHandling(orDefer prepare: () -> Void) -> Response? {
    state.withLock { state in
      if case .answered(let response) = state {
        state = .done
        return response
      }
      prepare()
      state = .deferred
      return nil
    }
  }
}
