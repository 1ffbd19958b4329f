import CSQLite
import Glibc

/// Work for the writer's thread, and the answer that its caller waits for.
///
/// The caller and the writer's thread take turns: the caller touches it before it is queued and
/// after ``wait()``.
class Job: @unchecked Sendable {
  /// Whether it runs outside of a batch and of any transaction.
  let isMaintenance: Bool

  private let answered = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  fileprivate init(isMaintenance: Bool) {
    self.isMaintenance = isMaintenance
    sem_init(answered, 0, 0)
  }

  deinit {
    sem_destroy(answered)
    answered.deallocate()
  }

  /// Why the last run failed, or `nil` if it did not.
  var error: (any Error)? { nil }

  /// Runs it, and keeps the result.
  func run(_ connection: Connection) {}

  /// Puts an error in the result's place.
  func fail(_ error: any Error) {}

  /// Lets the caller go. The result is final.
  final func answer() { sem_post(answered) }

  /// Waits for ``answer()``.
  final func wait() { while sem_wait(answered) != 0 && errno == EINTR {} }
}

/// A ``Job`` whose body returns a value.
final class ValueJob<Value: Sendable>: Job, @unchecked Sendable {
  private let body: @Sendable (Connection) throws -> Value
  private(set) var result: Result<Value, any Error>

  init(isMaintenance: Bool, body: @escaping @Sendable (Connection) throws -> Value) {
    self.body = body
    result = .failure(SQLiteError(extendedCode: SQLITE_BUSY, message: "not run"))
    super.init(isMaintenance: isMaintenance)
  }

  override var error: (any Error)? {
    if case .failure(let error) = result { error } else { nil }
  }

  override func run(_ connection: Connection) { result = Result { try body(connection) } }

  override func fail(_ error: any Error) { result = .failure(error) }
}
