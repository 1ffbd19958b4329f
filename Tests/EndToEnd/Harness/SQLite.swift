import Glibc

/// Runs SQL on a database as its keeper might by hand, past the service.
///
/// The library is the one that the executable runs with; no package for its command line is needed.
///
/// - Returns: The first column of each row.
@discardableResult
func sqlite(_ database: String, _ sql: String) throws -> [String] {
  typealias Open =
    @convention(c) (UnsafePointer<CChar>, UnsafeMutablePointer<OpaquePointer?>) ->
    Int32
  typealias Row =
    @convention(c) (
      UnsafeMutableRawPointer?, Int32, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?,
      UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    ) -> Int32
  typealias Execute =
    @convention(c) (
      OpaquePointer?, UnsafePointer<CChar>, Row, UnsafeMutableRawPointer?, UnsafeMutableRawPointer?
    ) -> Int32
  typealias Close = @convention(c) (OpaquePointer?) -> Int32

  guard let library = dlopen("libsqlite3.so.0", RTLD_NOW) else {
    throw Trouble("libsqlite3.so.0 cannot be loaded")
  }
  func function<Function>(_ name: String, _: Function.Type = Function.self) throws -> Function {
    guard let address = dlsym(library, name) else { throw Trouble("libsqlite3 has no \(name)") }
    return unsafeBitCast(address, to: Function.self)
  }
  let open: Open = try function("sqlite3_open")
  let execute: Execute = try function("sqlite3_exec")
  let close: Close = try function("sqlite3_close")

  var connection: OpaquePointer?
  defer { _ = close(connection) }
  guard open(database, &connection) == 0 else { throw Trouble("SQLite cannot open \(database)") }
  var values: [String] = []
  let code = withUnsafeMutablePointer(to: &values) { values in
    execute(
      connection, sql,
      { values, _, columns, _ in
        let text = columns?[0].map { String(cString: $0) }
        values?.assumingMemoryBound(to: [String].self).pointee.append(text ?? "")
        return 0
      }, values, nil)
  }
  guard code == 0 else { throw Trouble("SQLite refuses with error \(code): \(sql)") }
  return values
}
