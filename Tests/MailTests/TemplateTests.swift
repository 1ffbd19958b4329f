import Domain
import Foundation
import JSON
import Testing

@testable import Mail

@Suite("Templates")
struct TemplateTests {
  /// Templates of which one is replaced.
  private func templates(_ kind: MessageKind, _ text: String) throws -> Templates {
    let directory = try TemporaryDirectory()
    try directory.write(text, to: "\(kind.rawValue).mustache")
    return try Templates(replacedBy: directory.path)
  }

  /// The error of a template of the kind `referral.answered`.
  private func error(of bytes: [UInt8]) throws -> TemplateError? {
    let directory = try TemporaryDirectory()
    let file = try directory.write(bytes, to: "referral.answered.mustache")
    do {
      _ = try Templates(replacedBy: directory.path)
      return nil
    } catch let error as TemplateError {
      #expect(error.file == file)
      #expect(error.description.hasPrefix("\(file), line \(error.line ?? 0): "))
      return error
    }
  }

  @Test(
    "what is wrong in a template is named with its line",
    arguments: [
      ("", 1, "The first line must be"),
      ("Hello", 1, "The first line must be"),
      ("\nSubject: A\n\nB", 1, "The first line must be"),
      ("subject: A\n\nB", 1, "The first line must be"),
      ("Subject:  \n\nB", 1, "The first line must be"),
      ("Subject: A", 2, "The second line must be empty."),
      ("Subject: A\nB", 2, "The second line must be empty."),
      ("Subject: A\n\n", 3, "The text is missing."),
      ("Subject: A\n\n \n\t\n", 3, "The text is missing."),
      ("Subject: {{group\n\nB", 1, "does not end with }}"),
      ("Subject: {{#accepted}}\n\n{{/accepted}}", 1, "“accepted” has no end"),
      ("Subject: A\n\nB\n{{group.name}\n", 4, "does not end with }}"),
      ("Subject: A\n\nB\n{{/accepted}}\n", 4, "did not begin"),
      ("Subject: A\n\n{{#accepted}}\nB", 3, "“accepted” has no end"),
      ("Subject: A\n\n{{#need}}\n{{#contact}}\n{{/need}}\n{{/contact}}", 5, "of line 4"),
      ("Subject: A\n\n\n\n{{group.nme}}", 5, "no value named “group.nme”"),
      ("Subject: {{partner.fax}}\n\nB", 1, "no value named “partner.fax”"),
      ("Subject: A\n\n{{#partners}}\n{{/partners}}", 3, "no value named “partners”"),
      ("Subject: A\n\n{{^partners}}\n{{/partners}}", 3, "no value named “partners”"),
      ("Subject: A\n\n{{days}}", 3, "no value named “days”"),
      ("Subject: A\n\n{{#need}}\n{{email}}\n{{/need}}", 4, "no value named “email”"),
      ("Subject: A\n\n{{^contact}}\n{{email}}\n{{/contact}}", 4, "no value named “email”"),
      ("Subject: A\n\n{{}}", 3, "no value named “”"),
      ("Subject: A\n\n{{ #need }}", 3, "no value named “#need”"),
      ("Subject: A\n\n{{{group.nme}}}", 3, "no value named “group.nme”"),
      ("Subject: A\n\n{{& group.nme }}", 3, "no value named “group.nme”"),
      ("Subject: A\n\n{{{group.name}}", 3, "must end with }}}"),
      ("Subject: A\n\n{{group}}", 3, "“group” is not a text"),
      ("Subject: A\n\n{{accepted}}", 3, "“accepted” is not a text"),
      ("Subject: A\n\n{{reason}}", 3, "“reason” is not a text"),
      ("Subject: A\n\n{{reason.lines}}", 3, "“reason.lines” is not a text"),
      ("Subject: A\n\n{{#need}}{{.}}{{/need}}", 3, "“.” is not a text"),
      ("Subject: A\n\n{{.}}", 3, "no value named “.”"),
      ("Subject: A\n\n{{>other}}", 3, "a kind of tag that letters do not have"),
      ("Subject: A\n\n{{=<% %>=}}\n<%group.name%>", 3, "a kind of tag that letters do not have"),
      ("Subject: A\n\n{{% CONTENT_TYPE:HTML}}B", 3, "a kind of tag that letters do not have"),
      ("Subject: A\n\n{{$block}}{{/block}}", 3, "a kind of tag that letters do not have"),
      ("Subject: A\n\n{{<layout}}{{/layout}}", 3, "a kind of tag that letters do not have"),
      ("Subject: A\n\n{{uppercased(type)}}", 3, "no value named “uppercased(type)”"),
      ("Subject: A\n\n{{! one\ntwo }}\n{{oops}}", 5, "no value named “oops”"),
      ("Subject: A\r\n\r\n\r\n{{oops}}\r\n", 4, "no value named “oops”"),
    ])
  func mistakes(text: String, line: Int, detail: String) throws {
    let error = try #require(try error(of: Array(text.utf8)))
    #expect(error.line == line)
    #expect(error.detail.contains(detail), "\(error)")
  }

  @Test("a template that is not UTF-8 is named with its line")
  func encoding() throws {
    let error = try #require(try error(of: Array("Subject: A\n\nB\n".utf8) + [0xE9, 0x0A]))
    #expect(error.line == 4)
    #expect(error.detail == "The text is not UTF-8.")
  }

  @Test("a file replaces the template of its kind alone")
  func replaced() throws {
    let templates = try templates(
      .signIn, "Subject: In, {{name}}\n\n{{! for {{us} }}Go to {{{links.sign_in}}} & {{&minutes}}")
    let values = MessageKind.signIn.values(isFull: true, flags: [:]) { "<\($0)>" }
    #expect(
      try templates.letter(.signIn, values)
        == Letter(subject: "In, <name>", text: "Go to <links.sign_in> & <minutes>\n"))
    let other = MessageKind.waitlistConfirm.values(isFull: true, flags: [:])
    #expect(
      try templates.letter(.waitlistConfirm, other)
        == Templates().letter(.waitlistConfirm, other))
  }

  @Test("a byte-order mark, CRLF and blanks in the second line are fine")
  func windows() throws {
    let templates = try templates(
      .signIn, "\u{FEFF}Subject: In\r\n \t\r\n{{#name}}\r\nHello {{.}}\r\n{{/name}}\r\nGo\r\n")
    let values = MessageKind.signIn.values(isFull: true, flags: [:])
    #expect(
      try templates.letter(.signIn, values) == Letter(subject: "In", text: "Hello name\nGo\n"))
  }

  @Test("a file that is for no kind is refused; hidden files and other endings do not count")
  func unknownFiles() throws {
    let directory = try TemporaryDirectory()
    try directory.write("{{", to: ".#sign_in.mustache")
    try directory.write("{{", to: "sign_in.mustache~")
    try directory.write("{{", to: "README")
    _ = try Templates(replacedBy: directory.path)

    let file = try directory.write("Subject: A\n\nB", to: "signin.mustache")
    let error = #expect(throws: TemplateError.self) {
      try Templates(replacedBy: directory.path)
    }
    #expect(error?.description == "\(file): There is no kind of message named “signin”.")
  }

  @Test("a directory or a file that cannot be read is named")
  func unreadable() throws {
    let directory = try TemporaryDirectory()
    let missing = directory.path + "/missing"
    var error = #expect(throws: TemplateError.self) { try Templates(replacedBy: missing) }
    #expect(error?.file == missing)
    #expect(error?.line == nil)
    #expect(error?.description.contains("No such file or directory") == true, "\(error!)")

    let file = directory.path + "/sign_in.mustache"
    try FileManager.default.createDirectory(atPath: file, withIntermediateDirectories: false)
    error = #expect(throws: TemplateError.self) { try Templates(replacedBy: directory.path) }
    #expect(error?.file == file)
    #expect(error?.description.contains("Is a directory") == true, "\(error!)")
  }

  @Test("the subject is one line, and cut at a word after 200 characters")
  func subject() throws {
    let templates = try templates(.signIn, "Subject: {{name}}\n\n{{minutes}}")
    func subject(_ name: String) throws -> String {
      try templates.letter(
        .signIn, MessageKind.signIn.values(isFull: true, flags: [:]) { _ in name }
      )
      .subject
    }
    #expect(
      try subject("  a\r\nBcc: b\u{2028}c\u{85}d\u{0}\u{7F}e\tf  g ") == "a Bcc: b c d e f g")
    let words = Array(repeating: "1234 6789", count: 30).joined(separator: " ")
    #expect(try subject(String(words.prefix(199))) == words.prefix(199))
    #expect(try subject(String(words.prefix(201))) == words.prefix(199) + "…")
    #expect(try subject("x" + words.prefix(201)) == "x" + words.prefix(194) + "…")
    #expect(try subject(words) == words.prefix(199) + "…")
    #expect(
      try subject(String(repeating: "x", count: 200)) == String(repeating: "x", count: 200))
    #expect(
      try subject(String(repeating: "x", count: 201)) == String(repeating: "x", count: 199) + "…")
    #expect(
      try subject("a b " + String(repeating: "x", count: 300))
        == "a b " + String(repeating: "x", count: 195) + "…")
    // A character of seven Unicode scalars is not split.
    let family = "👨\u{200D}👩\u{200D}👧\u{200D}👦"
    #expect(
      try subject(String(repeating: family, count: 29)) == String(repeating: family, count: 28)
        + "…")
  }

  @Test("a value is never a template, and stays on one line unless it is a text of several lines")
  func values() throws {
    let templates = try templates(
      .referralAnswered,
      "Subject: {{group.name}}\n\n{{group.name}}\n{{#reason}}\n{{#lines}}\n> {{.}}\n{{/lines}}\n{{/reason}}"
    )
    let values = MessageKind.referralAnswered.values(isFull: true, flags: [:]) { name in
      switch name {
      case "group.name": "{{type}} & {{{type}}} <b>\n{{#need}}"
      case "reason": "\n\n 1 {{type}}\r\n\r\n2\u{2028}3\r4\u{7}5 \n\n"
      default: name
      }
    }
    #expect(
      try templates.letter(.referralAnswered, values)
        == Letter(
          subject: "{{type}} & {{{type}}} <b> {{#need}}",
          text: """
            {{type}} & {{{type}}} <b> {{#need}}
            >  1 {{type}}
            >
            > 2
            > 3
            > 4 5

            """))
  }

  @Test("long lines are wrapped at 72 characters, with the marks at their beginning")
  func wrapping() throws {
    let words = Array(repeating: "1234", count: 16).joined(separator: " ")
    let link = "https://tomi.example/" + String(repeating: "x", count: 80)
    #expect(words.wrapped(to: 72) == [String(words.prefix(69)), "1234 1234"])
    #expect("\(words.prefix(69)) 12".wrapped(to: 72) == [words.prefix(69) + " 12"])
    #expect("\(words.prefix(69)) 123".wrapped(to: 72) == [String(words.prefix(69)), "123"])
    #expect("> \(words)".wrapped(to: 72) == ["> " + words.prefix(69), "> 1234 1234"])
    #expect("  See \(link) here".wrapped(to: 72) == ["  See", "  \(link)", "  here"])
    #expect(link.wrapped(to: 72) == [link])
    #expect("> > \(link)".wrapped(to: 72) == ["> > \(link)"])
  }

  @Test(
    "values that lack a name, or have something else there, are refused",
    arguments: MessageKind.allCases)
  func missing(kind: MessageKind) throws {
    let templates = try Templates()
    guard case .object(let members) = kind.values(isFull: true, flags: [:]) else {
      Issue.record("values are an object")
      return
    }
    for member in members {
      let rest = JSON.object(members.filter { $0 != member })
      let error = #expect(throws: LetterValueError.self) { try templates.letter(kind, rest) }
      #expect(error?.description == "a letter has no usable value for \(member.name)")
      let wrong = JSON.object(members.map { JSON.Member($0.name, $0 == member ? 1 : $0.value) })
      #expect(throws: LetterValueError.self) { try templates.letter(kind, wrong) }
    }
  }
}
