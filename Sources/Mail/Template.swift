import Domain
import Mustache

/// The template of a message's kind: a line `Subject: …`, an empty line, and the text, in Mustache
/// (<https://mustache.github.io/mustache.5.html>).
///
/// Of Mustache it takes variables, sections, inverted sections and comments. The other tags have no use in a
/// letter.
struct Template: Sendable {
  private let subject: MustacheTemplate
  private let text: MustacheTemplate

  /// Reads a template. A byte-order mark and lines that end with CRLF are fine.
  ///
  /// - Parameters:
  ///   - file: The file's name for errors.
  ///   - names: The names that it may use.
  /// - Throws: ``TemplateError``.
  init(_ bytes: [UInt8], file: String, names: [String: Shape]) throws {
    func fail(_ line: Int, _ detail: String) -> TemplateError {
      TemplateError(file: file, line: line, detail: detail)
    }
    guard var source = String(validating: bytes, as: UTF8.self) else {
      let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      let line = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil }
      throw fail(line.map { $0 + 1 } ?? 1, "The text is not UTF-8.")
    }
    if source.unicodeScalars.first == "\u{FEFF}" { source.unicodeScalars.removeFirst() }
    var lines = source.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
      .map(String.init)
    let mark = "Subject:"
    guard lines[0].hasPrefix(mark), !lines[0].dropFirst(mark.count).allSatisfy(\.isWhitespace)
    else { throw fail(1, "The first line must be “Subject: ” and the subject.") }
    guard lines.count > 1, lines[1].allSatisfy(\.isWhitespace) else {
      throw fail(2, "The second line must be empty.")
    }
    guard !lines.dropFirst(2).allSatisfy({ $0.allSatisfy(\.isWhitespace) }) else {
      throw fail(3, "The text is missing.")
    }
    let first = String(lines.removeFirst().dropFirst(mark.count))
    let rest = lines.joined(separator: "\n")
    do {
      try checkTags(of: first, firstLine: 1, names: names)
      try checkTags(of: rest, firstLine: 2, names: names)
    } catch {
      throw fail(error.line, error.detail)
    }
    subject = try Template.parse(first, file: file, firstLine: 1)
    text = try Template.parse(rest, file: file, firstLine: 2)
  }

  private static func parse(_ part: String, file: String, firstLine: Int) throws -> MustacheTemplate
  {
    do {
      // Without it, Mustache escapes for HTML.
      return try MustacheTemplate(string: "{{%CONTENT_TYPE:TEXT}}\n" + part)
    } catch let error as MustacheTemplate.ParserError {
      throw TemplateError(
        file: file, line: firstLine + error.context.lineNumber - 2,
        detail: "The Mustache is not valid (\(error.error)).")
    }
  }

  /// The letter.
  ///
  /// - Parameter values: What `Shape.rendered(_:name:)` returns.
  func letter(_ values: Any) -> Letter {
    var lines: [String] = []
    for line in text.render(values).split(
      omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    {
      let line = String(line).withoutTrailingSpaces
      // What a section leaves out must not leave a gap.
      if line.isEmpty && lines.last?.isEmpty ?? true { continue }
      lines += line.wrapped(to: 72)
    }
    if lines.last == "" { lines.removeLast() }
    return Letter(
      subject: subject.render(values).onOneLine.shortened(to: 200),
      text: lines.joined(separator: "\n") + "\n")
  }
}

/// What is wrong in a template, and where.
private struct Fault: Error {
  let line: Int
  let detail: String
}

/// Checks every tag of a part of a template: its kind, its section, and that its name has a value.
///
/// - Parameter firstLine: The number of the part's first line in the file.
private func checkTags(of part: String, firstLine: Int, names: [String: Shape]) throws(Fault) {
  var open: [(name: Substring, line: Int, shape: Shape?)] = []
  var rest = part[...]
  var line = firstLine

  /// What the name stands for: a member of the innermost section that has such a member, as in Mustache.
  func shape(of name: Substring) throws(Fault) -> Shape {
    if name == ".", let innermost = open.last(where: { $0.shape != nil })?.shape {
      return innermost
    }
    let path = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    var scopes = open.reversed().compactMap { $0.shape?.members }
    scopes.append(names)
    var found = scopes.compactMap { $0[path[0]] }.first
    for member in path.dropFirst() { found = found?.members[member] }
    guard let found else {
      throw Fault(line: line, detail: "This kind of message has no value named “\(name)”.")
    }
    return found
  }

  while let start = rest.firstRange(of: "{{") {
    line += rest[..<start.lowerBound].count(where: \.isNewline)
    guard let end = rest[start.upperBound...].firstRange(of: "}}") else {
      throw Fault(line: line, detail: "A tag begins with {{ and does not end with }}.")
    }
    let tag = rest[start.upperBound..<end.lowerBound]
    rest = rest[end.upperBound...]
    let name = tag.dropFirst().trimmed
    switch tag.first {
    case "#", "^":
      let shape = try shape(of: name)
      if shape.wrapped == .list, tag.first == "#" {
        open.append((name, line, .text))
      } else {
        // Neither a flag nor an inverted section changes what names mean.
        open.append((name, line, tag.first == "^" || shape.wrapped == .flag ? nil : shape))
      }
    case "/":
      guard let section = open.popLast() else {
        throw Fault(line: line, detail: "{{/\(name)}} ends a section that did not begin.")
      }
      guard section.name == name else {
        throw Fault(
          line: line,
          detail: "{{/\(name)}} cannot end the section “\(section.name)” of line \(section.line).")
      }
    case "!": break
    case ">", "<", "=", "%", "$", "*":
      throw Fault(line: line, detail: "{{\(tag)}} is a kind of tag that letters do not have.")
    default:
      var variable = tag.trimmed
      if tag.first == "{" || tag.first == "&" { variable = name }
      if tag.first == "{" {
        guard rest.first == "}" else {
          throw Fault(line: line, detail: "{{\(tag)}} must end with }}}.")
        }
        rest.removeFirst()
      }
      guard try shape(of: variable).wrapped == .text else {
        throw Fault(
          line: line, detail: "“\(variable)” is not a text. It can only name a section.")
      }
    }
    line += tag.count(where: \.isNewline)
  }
  if let section = open.last {
    throw Fault(line: section.line, detail: "The section “\(section.name)” has no end.")
  }
}

extension Substring {
  fileprivate var trimmed: Substring {
    let start = drop(while: \.isWhitespace)
    return start.lastIndex { !$0.isWhitespace }.map { start[...$0] } ?? ""
  }
}
