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
      guard let files = try? FileManager.default.contentsOfDirectory(atPath: directory) else {
        throw TemplateError(file: directory, line: nil, detail: "This directory can't be read.")
      }
      for file in files.sorted()
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
      guard let path = replaced[kind.rawValue] else {
        templates[kind] = try Template(
          Schema.mailTemplates[kind.rawValue] ?? [], file: kind.rawValue + ending,
          names: kind.names)
        continue
      }
      guard let file = FileManager.default.contents(atPath: path) else {
        throw TemplateError(file: path, line: nil, detail: "This file can't be read.")
      }
      templates[kind] = try Template([UInt8](file), file: path, names: kind.names)
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

/// A value that is not there: Mustache leaves its section out.
struct Absent: MustacheCustomRenderable {
  var renderText: String { "" }
  var isNull: Bool { true }
}
