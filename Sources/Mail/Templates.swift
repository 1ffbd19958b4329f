import Domain
import Glibc
import JSON
import Mustache
import POSIX
import Schema

/// The templates of all kinds of messages.
package struct Templates: Sendable {
  private let templates: [MessageKind: Template]

  /// Reads the embedded templates, and those that replace them.
  ///
  /// - Parameter directory: Where a file such as `sign_in.mustache` replaces the template of its kind; nil if none
  ///   is replaced. Hidden files and those with other endings do not count.
  /// - Throws: ``TemplateError`` for the first file that cannot be used, or a directory that cannot be read.
  package init(replacedBy directory: String? = nil) throws {
    let ending = ".mustache"
    var replaced: [String: String] = [:]
    if let directory {
      for file in try names(in: directory).sorted()
      where file.hasSuffix(ending) && !file.hasPrefix(".") {
        let path = directory + "/" + file
        let kind = String(file.dropLast(ending.count))
        guard MessageKind(rawValue: kind) != nil else {
          throw TemplateError(
            file: path, line: nil, detail: "There is no kind of message named “\(kind)”.")
        }
        replaced[kind] = path
      }
    }
    var templates: [MessageKind: Template] = [:]
    for kind in MessageKind.allCases {
      let path = replaced[kind.rawValue]
      templates[kind] = try Template(
        path.map(contents) ?? Schema.mailTemplates[kind.rawValue] ?? [],
        file: path ?? kind.rawValue + ending, names: kind.names)
    }
    self.templates = templates
  }

  /// Writes a letter.
  ///
  /// The subject is one line of at most 200 Unicode scalars. The text has lines of at most 72 characters where its
  /// words allow, and ends with a line break. No value acts as a template.
  ///
  /// - Parameter values: An object with every name of the kind; null where nothing is known.
  /// - Throws: ``LetterValueError``.
  package func letter(_ kind: MessageKind, _ values: JSON) throws -> Letter {
    guard let template = templates[kind] else { preconditionFailure("every kind has a template") }
    return template.letter(try Shape.object(kind.names).rendered(values, name: ""))
  }
}

/// A template cannot be used.
package struct TemplateError: Error, CustomStringConvertible {
  /// The path of the file; the name alone of an embedded one.
  package let file: String
  /// Nil if the whole file is meant.
  package let line: Int?
  package let detail: String

  package var description: String {
    "\(file)\(line.map { ", line \($0)" } ?? ""): \(detail)"
  }
}

/// The names of what is in a directory.
private func names(in directory: String) throws -> [String] {
  guard let stream = opendir(directory) else { throw unreadable(directory) }
  defer { closedir(stream) }
  var names: [String] = []
  while true {
    errno = 0
    guard let entry = readdir(stream) else {
      guard errno == 0 else { throw unreadable(directory) }
      return names
    }
    names.append(
      withUnsafeBytes(of: &entry.pointee.d_name) { name in
        String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
      })
  }
}

/// Everything in a file.
private func contents(of path: String) throws -> [UInt8] {
  let file = open(path, O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { throw unreadable(path) }
  defer { close(file) }
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = read(file, &buffer, buffer.count)
    if count < 0 && errno == EINTR { continue }
    guard count >= 0 else { throw unreadable(path) }
    if count == 0 { return bytes }
    bytes += buffer[..<count]
  }
}

private func unreadable(_ path: String) -> TemplateError {
  TemplateError(file: path, line: nil, detail: "cannot read it: \(systemErrorText(errno))")
}

/// A value that is not there: Mustache leaves its section out.
struct Absent: MustacheCustomRenderable {
  var renderText: String { "" }
  var isNull: Bool { true }
}
