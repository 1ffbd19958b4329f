import CSQLite

/// What a progress handler needs, in one object, since C passes it one pointer.
private final class Allowance {
  var thousands: Int
  init(thousands: Int) { self.thousands = thousands }
}

extension Connection {
  /// Runs `body` while its statements take few steps of SQLite's machine. A step takes some tens of nanoseconds.
  ///
  /// - Parameter thousands: How many thousand steps they may take.
  /// - Returns: Nil if they took more. The statement that did was ended.
  /// - Throws: What `body` throws.
  package func limited<T>(toThousandSteps thousands: Int, _ body: () throws -> T) throws -> T? {
    let allowance = Allowance(thousands: thousands)
    return try withExtendedLifetime(allowance) {
      sqlite3_progress_handler(
        handle, 1_000,
        { context in
          guard let context else { return 1 }
          let allowance = Unmanaged<Allowance>.fromOpaque(context).takeUnretainedValue()
          allowance.thousands -= 1
          return allowance.thousands < 0 ? 1 : 0
        }, Unmanaged.passUnretained(allowance).toOpaque())
      defer { sqlite3_progress_handler(handle, 0, nil, nil) }
      do {
        return try body()
      } catch let error as SQLiteError where error.code == SQLITE_INTERRUPT {
        return nil
      }
    }
  }
}
