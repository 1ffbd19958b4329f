/// Work for the writer's thread, and the completion that is called at its end.
///
/// Only one thread uses it at a time: the one that queues it, then the writer's.
struct Job {
  /// Whether it runs alone, outside of any transaction.
  let isMaintenance: Bool

  /// Runs the body and keeps its value. A change may run again after it was undone.
  let run: (Connection) throws -> Void

  /// Completes with the error or, without one, with the value of the last run. It must be called exactly
  /// once.
  let complete: ((any Error)?) -> Void

  init<Value>(
    isMaintenance: Bool, body: @escaping (Connection) throws -> Value,
    completion: @escaping (Result<Value, any Error>) -> Void
  ) {
    self.isMaintenance = isMaintenance
    var value: Value?
    run = { value = try body($0) }
    complete = { error in completion(error.map { .failure($0) } ?? .success(value!)) }
  }
}
