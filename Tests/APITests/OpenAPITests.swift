import HTTPTypes
import Schema
import Testing

@testable import API

/// The description of the API against the table of routes: nothing is missing, nothing is too much.
@Suite struct OpenAPITests {
  let document: Outline

  init() throws {
    document = try Outline(String(decoding: Schema.openAPI, as: UTF8.self))
  }

  /// One operation of the document.
  private struct Operation {
    let name: String
    let node: Outline
    let parameters: [(name: String, place: String)]

    func names(_ place: String) -> [String] {
      parameters.filter { $0.place == place }.map(\.name).sorted()
    }
  }

  private func operations() throws -> [Operation] {
    let paths = try #require(document["paths"])
    return try paths.children.flatMap { path in
      try path.children.filter { $0.key != "parameters" }.map { operation in
        let own = (operation["parameters"]?.children ?? []) + (path["parameters"]?.children ?? [])
        return Operation(
          name: "\(operation.key.uppercased()) \(path.key)", node: operation,
          parameters: try own.map { item in
            let parameter = try resolve(item)
            return (
              try #require(parameter["name"]?.value), try #require(parameter["in"]?.value)
            )
          })
      }
    }
  }

  /// Follows a list item's `$ref`, if it is one.
  private func resolve(_ item: Outline) throws -> Outline {
    guard let reference = item["$ref"]?.value else { return item }
    var node = document
    for key in reference.split(separator: "/").dropFirst() {
      node = try #require(node[String(key)], "\(reference) leads nowhere")
    }
    return node
  }

  /// A route's name as the document has it.
  private func name(of route: Route) -> String {
    let path = route.segments.map { segment in
      switch segment {
      case .literal(let text): text
      case .variable(let name): "{\(name)}"
      }
    }
    return "\(route.method.rawValue) /" + path.joined(separator: "/")
  }

  @Test("Each route is described, and no other") func routes() throws {
    let described = try operations().map(\.name)
    #expect(described.sorted() == Route.all.map(name).sorted())
  }

  @Test("Each route's parameters, headers, body and audience are described, and no others")
  func parts() throws {
    let operations = try operations()
    #expect(!operations.isEmpty)
    for operation in operations {
      let route = try #require(Route.all.first { name(of: $0) == operation.name })
      #expect(
        operation.names("query") == route.parameters.map(\.name).sorted(), "\(operation.name)")
      let variables = route.segments.compactMap { segment -> String? in
        if case .variable(let name) = segment { name } else { nil }
      }
      #expect(operation.names("path") == variables.sorted(), "\(operation.name)")
      let headers = operation.names("header")
      let takesKey = route.method == .post && route.storable
      #expect(headers.contains("Idempotency-Key") == takesKey, "\(operation.name)")
      #expect(headers.contains("If-Match") == (route.method == .put), "\(operation.name)")
      #expect((operation.node["requestBody"] != nil) == (route.body != .none), "\(operation.name)")
      if let body = operation.node["requestBody"] {
        #expect(
          try (resolve(body)["required"]?.value == "true") == (route.body == .required),
          "\(operation.name)")
      }
      let isPublic = operation.node["security"]?.value == "[]"
      #expect(isPublic == (route.audience == .anyone), "\(operation.name)")
    }
  }

  @Test("Each GET of a thing with a version describes If-None-Match and 304, and no other does")
  func versions() throws {
    let operations = try operations()
    let furnished = try AudienceTests.Furnished()
    for scenario in AudienceTests.scenarios where scenario.method == "GET" {
      let role: Role = scenario.rights == .partners ? .partner : .staff
      let reply = furnished.world.get(furnished.expand(scenario.path), as: role)
      let route = try #require(Route.all.first { $0.matches(furnished.expand(scenario.path)) })
      let operation = try #require(operations.first { $0.name == name(of: route) })
      let hasVersion = reply.etag != nil
      #expect(
        operation.names("header").contains("If-None-Match") == hasVersion, "\(operation.name)")
      #expect((operation.node["responses"]?["304"] != nil) == hasVersion, "\(operation.name)")
    }
  }

  @Test("The statuses that the scenarios answer are described") func statuses() throws {
    let operations = try operations()
    let furnished = try AudienceTests.Furnished()
    for scenario in AudienceTests.scenarios {
      let path = furnished.expand(scenario.path)
      let route = try #require(
        Route.all.first { $0.matches(path) && $0.method.rawValue == scenario.method })
      let operation = try #require(operations.first { $0.name == name(of: route) })
      var statuses = [scenario.status]
      statuses += Role.allCases.compactMap { scenario.refusal(for: $0) }
        .compactMap { Int($0.prefix(3)) }
      for status in statuses {
        #expect(operation.node["responses"]?["\(status)"] != nil, "\(operation.name) \(status)")
      }
    }
  }

  @Test("The service answers with this document") func served() throws {
    let reply = try World().get("/api/openapi.yaml", as: .nobody)
    #expect(reply.body == Schema.openAPI)
    #expect(reply.headers[.contentType] == "application/yaml")
  }
}

extension Route {
  fileprivate func matches(_ path: String) -> Bool {
    fits(path.split(separator: "/").map(String.init))
  }
}

/// The outline of a YAML document that is written in blocks of two spaces, a key a line: no more of YAML
/// than the description of this API uses for its paths.
struct Outline {
  private(set) var key: String
  /// What stands behind the key on its line, without quotes.
  private(set) var value: String
  private(set) var children: [Outline] = []

  struct Unreadable: Error {
    let line: Int
  }

  subscript(_ key: String) -> Outline? { children.first { $0.key == key } }

  init(_ text: String) throws {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
      .compactMap { number, line -> (indent: Int, text: Substring, number: Int)? in
        let content = line.drop { $0 == " " }
        guard !content.isEmpty, !content.hasPrefix("#") else { return nil }
        return (line.count - content.count, content, number + 1)
      }
    var rest = lines[...]
    self.init(key: "", value: "")
    children = try Outline.block(&rest, indent: 0)
  }

  private init(key: String, value: String) {
    self.key = key
    self.value = value
  }

  /// Reads the lines of one indentation, with what stands below each.
  private static func block(
    _ lines: inout ArraySlice<(indent: Int, text: Substring, number: Int)>, indent: Int
  ) throws -> [Outline] {
    var nodes: [Outline] = []
    while let line = lines.first, line.indent >= indent {
      guard line.indent == indent else { throw Unreadable(line: line.number) }
      lines.removeFirst()
      if line.text.hasPrefix("- ") {
        // A list's item: what follows the dash is the first line of a block that lies two deeper.
        var item = Outline(key: "-", value: "")
        lines.insert(
          (indent + 2, line.text.dropFirst(2), line.number), at: lines.startIndex)
        if line.text.dropFirst(2).contains(": ") || line.text.hasSuffix(":") {
          item.children = try block(&lines, indent: indent + 2)
        } else {
          item.value = String(lines.removeFirst().text)
        }
        nodes.append(item)
        continue
      }
      guard let colon = colon(in: line.text) else { throw Unreadable(line: line.number) }
      let key = unquoted(line.text[..<colon])
      let value = unquoted(line.text[line.text.index(after: colon)...])
      var node = Outline(key: key, value: value)
      if value.hasPrefix("{ $ref: ") {
        let target = value.dropFirst(8).prefix { $0 != "}" }
        node.children = [Outline(key: "$ref", value: unquoted(target))]
      }
      if !value.isEmpty {
        // A text or a flow collection that goes on below.
        lines = lines.drop { $0.indent > indent }
      } else if let next = lines.first, next.indent > indent {
        node.children = try block(&lines, indent: next.indent)
      } else if let next = lines.first, next.indent == indent, next.text.hasPrefix("- ") {
        // A list may stand as deep as its key.
        node.children = try block(&lines, indent: indent)
      }
      nodes.append(node)
    }
    return nodes
  }

  /// Where a line's key ends: at the first colon outside quotes that a space or the end follows.
  private static func colon(in text: Substring) -> Substring.Index? {
    var quote: Character?
    for index in text.indices {
      let character = text[index]
      if let open = quote {
        if character == open { quote = nil }
      } else if index == text.startIndex, character == "'" || character == "\"" {
        quote = character
      } else if character == ":" {
        let next = text.index(after: index)
        if next == text.endIndex || text[next] == " " { return index }
      }
    }
    return nil
  }

  private static func unquoted(_ text: some StringProtocol) -> String {
    var text = text.drop { $0 == " " }
    while text.last == " " { text.removeLast() }
    for quote in ["'", "\""] where text.count > 1 && text.hasPrefix(quote) && text.hasSuffix(quote)
    {
      return String(text.dropFirst().dropLast())
    }
    return String(text)
  }
}
