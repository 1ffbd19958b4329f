import Domain
import Foundation
import JSON
import Mustache
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
      let files: [String]
      do {
        files = try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
      } catch {
        throw TemplateError(file: directory, line: nil, detail: reason(error))
      }
      for file in files where file.hasSuffix(ending) && !file.hasPrefix(".") {
        let path = (directory as NSString).appendingPathComponent(file)
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
      let file: String
      let bytes: [UInt8]
      if let path = replaced[kind.rawValue] {
        file = path
        do {
          bytes = try Array(Data(contentsOf: URL(filePath: path)))
        } catch {
          throw TemplateError(file: path, line: nil, detail: reason(error))
        }
      } else {
        file = kind.rawValue + ending
        bytes = Schema.mailTemplates[kind.rawValue] ?? []
      }
      templates[kind] = try Template(bytes, file: file, names: kind.names)
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

/// The system's reason why a file cannot be read.
private func reason(_ error: any Error) -> String {
  let error = error as NSError
  let cause = error.userInfo[NSUnderlyingErrorKey] as? NSError ?? error
  return "It cannot be read: \(cause.localizedDescription)"
}

/// A value that is not there: Mustache leaves its section out.
struct Absent: MustacheCustomRenderable {
  var renderText: String { "" }
  var isNull: Bool { true }
}
