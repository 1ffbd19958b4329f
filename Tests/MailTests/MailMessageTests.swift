import Domain
import Foundation
import Testing

@testable import Mail

@Suite("Mail messages")
struct MailMessageTests {
  /// A message in which a test changes what it is about.
  private func message(
    from: Mailbox = Mailbox(name: "Tomi", address: "hello@tomi.example"),
    to: Mailbox = Mailbox(address: "maya@mail.example"), replyTo: Mailbox? = nil,
    subject: String = "Hello", text: String = "Hello.\n"
  ) throws -> MailMessage {
    MailMessage(
      from: from, to: to, replyTo: replyTo, subject: subject, text: text,
      messageID: "<0190a5d4-7c3f-7abc-8def-0123456789ab@tomi.example>",
      date: try #require(Timestamp("2026-11-29T21:47:28.999Z")))
  }

  private func text(_ message: MailMessage) -> String {
    String(decoding: message.bytes, as: UTF8.self)
  }

  /// The lines of a header field.
  private func field(_ name: String, of message: MailMessage) throws -> String {
    let header = try #require(text(message).firstRange(of: "\n\n")).lowerBound
    let lines = text(message)[..<header].split(separator: "\n")
    let start = try #require(lines.firstIndex { $0.hasPrefix("\(name):") })
    let end = lines[(start + 1)...].firstIndex { !$0.hasPrefix(" ") } ?? lines.endIndex
    return lines[start..<end].joined(separator: "\n")
  }

  private func body(_ message: MailMessage) throws -> String {
    let text = text(message)
    return String(text[try #require(text.firstRange(of: "\n\n")).upperBound...])
  }

  @Test("a whole message in ASCII")
  func plain() throws {
    let message = try message(
      to: Mailbox(name: "Maya Ito", address: "maya@mail.example"),
      replyTo: Mailbox(address: "partners@tomi.example"), subject: "Meet Lake Law",
      text: "Hello Maya,\n\nmeet Lake Law.\n")
    #expect(
      text(message) == """
        From: "Tomi" <hello@tomi.example>
        To: "Maya Ito" <maya@mail.example>
        Reply-To: <partners@tomi.example>
        Subject: Meet Lake Law
        Date: Sun, 29 Nov 2026 21:47:28 +0000
        Message-ID: <0190a5d4-7c3f-7abc-8def-0123456789ab@tomi.example>
        Auto-Submitted: auto-generated
        MIME-Version: 1.0
        Content-Type: text/plain; charset=utf-8
        Content-Transfer-Encoding: 7bit

        Hello Maya,

        meet Lake Law.

        """)
  }

  @Test(
    "subjects",
    arguments: [
      ("", "Subject:"),
      ("a  b\tc\r\nBcc: d", "Subject: a b c Bcc: d"),
      ("Zoë", "Subject: =?utf-8?Q?Zo=C3=AB?="),
      ("=?utf-8?Q?Zo=C3=AB?=", "Subject: =?utf-8?Q?=3D=3Futf-8=3FQ=3FZo=3DC3=3DAB=3F=3D?="),
      // 76 characters, then a fold, then 76 again.
      (
        String(repeating: "123456 ", count: 9) + "1234 " + String(repeating: "1", count: 60),
        "Subject: " + String(repeating: "123456 ", count: 9) + "1234\n "
          + String(repeating: "1", count: 60)
      ),
      // A word that fits on no line.
      (
        String(repeating: "x", count: 80),
        "Subject: =?utf-8?Q?\(String(repeating: "x", count: 55))?=\n =?utf-8?Q?\(String(repeating: "x", count: 25))?="
      ),
      // No character is split: four bytes need 12 columns, of which 55 and then 63 are free.
      (
        String(repeating: "😀", count: 10),
        "Subject: =?utf-8?Q?\(String(repeating: "=F0=9F=98=80", count: 4))?=\n"
          + " =?utf-8?Q?\(String(repeating: "=F0=9F=98=80", count: 5))?=\n"
          + " =?utf-8?Q?=F0=9F=98=80?="
      ),
    ])
  func subjects(subject: String, expected: String) throws {
    #expect(try field("Subject", of: message(subject: subject)) == expected)
  }

  @Test(
    "mailboxes",
    arguments: [
      (nil, "a@b.example", "To: <a@b.example>"),
      (" \n ", "a@b.example", "To: <a@b.example>"),
      ("O\"Neill \\ Sons, Inc.", "a@b.example", #"To: "O\"Neill \\ Sons, Inc." <a@b.example>"#),
      (
        "Zoë O’Neill, Esq.", "a@b.example",
        "To: =?utf-8?Q?Zo=C3=AB_O=E2=80=99Neill=2C_Esq=2E?= <a@b.example>"
      ),
      ("=?utf-8?Q?a?=", "a@b.example", "To: =?utf-8?Q?=3D=3Futf-8=3FQ=3Fa=3F=3D?= <a@b.example>"),
      ("A\r\nBcc: b@c.example", "a@b.example", #"To: "A Bcc: b@c.example" <a@b.example>"#),
      (
        String(repeating: "x", count: 60), "a@b.example",
        "To: \"\(String(repeating: "x", count: 60))\"\n <a@b.example>"
      ),
      (
        String(repeating: "x", count: 100), "a@b.example",
        "To: =?utf-8?Q?\(String(repeating: "x", count: 60))?=\n =?utf-8?Q?\(String(repeating: "x", count: 40))?= <a@b.example>"
      ),
      (nil, "a@bücher.example", "To: <a@xn--bcher-kva.example>"),
      (nil, "a@例え.jp", "To: <a@xn--r8jz45g.jp>"),
      // Only SMTPUTF8 has a form for it.
      (nil, "zoë@bücher.example", "To: <zoë@xn--bcher-kva.example>"),
      // What `TextRule.email` never lets through.
      (nil, "a@b.example>\r\nBcc: <c@d.example", "To: <a@b.exampleBccc@d.example>"),
      (nil, "a@b.example, c@d.example", "To: <a@b.examplec@d.example>"),
    ])
  func mailboxes(name: String?, address: String, expected: String) throws {
    #expect(
      try field("To", of: message(to: Mailbox(name: name, address: address))) == expected)
  }

  @Test(
    "texts",
    arguments: [
      ("", "7bit", "\n"),
      ("a", "7bit", "a\n"),
      ("a\r\nb\rc\n", "7bit", "a\nb\nc\n"),
      ("From me\tto you\n", "quoted-printable", "=46rom me\tto you\n"),
      ("Frog\n>From me\n", "7bit", "Frog\n>From me\n"),
      (".\n", "quoted-printable", "=2E\n"),
      ("..\n.a\n", "7bit", "..\n.a\n"),
      ("a \n", "quoted-printable", "a=20\n"),
      ("a\t\n", "quoted-printable", "a=09\n"),
      ("1=2, Zoë\n\n.\n", "quoted-printable", "1=3D2, Zo=C3=AB\n\n=2E\n"),
      ("\u{0}\u{C}\u{2028}\n", "quoted-printable", "=00=0C=E2=80=A8\n"),
      (String(repeating: "x", count: 78) + "\n", "7bit", String(repeating: "x", count: 78) + "\n"),
      (
        String(repeating: "x", count: 79) + "\n", "quoted-printable",
        String(repeating: "x", count: 75) + "=\nxxxx\n"
      ),
      // A line of 75 characters needs no break, and what begins a line after a break is safe too.
      (
        String(repeating: "x", count: 75) + "." + String(repeating: "é", count: 12) + "From me\n",
        "quoted-printable",
        String(repeating: "x", count: 75) + "=\n=2E" + String(repeating: "=C3=A9", count: 12)
          + "=\n=46rom me\n"
      ),
    ])
  func texts(text: String, encoding: String, expected: String) throws {
    let message = try message(text: text)
    #expect(
      try field("Content-Transfer-Encoding", of: message)
        == "Content-Transfer-Encoding: \(encoding)")
    #expect(try body(message) == expected)
  }

  @Test(
    "dates (RFC 5322, section 3.3)",
    arguments: [
      ("1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 +0000"),
      ("1969-12-31T23:59:59.999Z", "Wed, 31 Dec 1969 23:59:59 +0000"),
      ("2024-02-29T12:00:00+01:00", "Thu, 29 Feb 2024 11:00:00 +0000"),
      ("2026-11-28T23:59:59Z", "Sat, 28 Nov 2026 23:59:59 +0000"),
      ("0001-01-01T00:00:00Z", "Mon, 01 Jan 0001 00:00:00 +0000"),
      ("9999-12-31T23:59:59Z", "Fri, 31 Dec 9999 23:59:59 +0000"),
    ])
  func dates(time: String, expected: String) throws {
    var message = try message()
    message.date = try #require(Timestamp(time))
    #expect(try field("Date", of: message) == "Date: \(expected)")
  }

  @Test("a Message-ID is one line")
  func messageID() throws {
    var message = try message()
    message.messageID = "<a@b>\r\nBcc: c\u{0}ü"
    #expect(try field("Message-ID", of: message) == "Message-ID: <a@b>Bcc:c")
  }

  /// A message as Python reads it.
  private struct Sample: Encodable {
    let bytes: String
    let subject: String
    let text: String
    let from: [String?]
    let to: [String?]
    let replyTo: [String?]

    init(_ message: MailMessage, replyTo: Mailbox) {
      bytes = Data(message.bytes).base64EncodedString()
      subject = message.subject
      text = message.text
      from = [message.from.name, message.from.address]
      to = [message.to.name, message.to.address]
      self.replyTo = [replyTo.name, replyTo.address]
    }
  }

  /// What Python's `email` reads otherwise than it was written.
  private func differences(_ samples: [Sample]) throws -> String {
    let directory = try TemporaryDirectory()
    try directory.write(Array(JSONEncoder().encode(samples)), to: "samples.json")
    let script = """
      import base64, email, email.policy, email.utils, json, re, sys
      from email.header import decode_header, make_header

      def line(text):
          return re.sub('[\\0- \\x7f-\\x9f\\u2028\\u2029]+', ' ', text or '').strip(' ')

      for number, sample in enumerate(json.load(open(sys.argv[1]))):
          data = base64.b64decode(sample['bytes'])
          message = email.message_from_bytes(data, policy=email.policy.default)
          expected = {
              'names': ['From', 'To', 'Reply-To', 'Subject', 'Date', 'Message-ID', 'Auto-Submitted',
                        'MIME-Version', 'Content-Type', 'Content-Transfer-Encoding'],
              'subject': line(sample['subject']),
              'text': re.sub('\\r\\n?', '\\n', sample['text']),
              'type': 'text/plain', 'charset': 'utf-8', 'defects': [],
          }
          if not expected['text'].endswith('\\n'): expected['text'] += '\\n'
          found = {
              'names': message.keys(), 'subject': str(message['Subject']),
              'text': message.get_payload(decode=True).decode('utf-8'),
              'type': message.get_content_type(), 'charset': message.get_content_charset(),
              'defects': [str(d) for d in message.defects]
                  + [str(d) for value in message.values() for d in value.defects],
          }
          # Python 3.11 puts a space between the encoded words of a name, against RFC 2047, so that the names
          # are read with the older interface.
          older = email.message_from_bytes(data, policy=email.policy.compat32)
          for name in ['from', 'to', 'replyTo']:
              field = 'Reply-To' if name == 'replyTo' else name
              expected[name] = [(line(sample[name][0]), sample[name][1])]
              found[name] = [(str(make_header(decode_header(text))), address)
                             for text, address in email.utils.getaddresses([older[field]])]
              expected[field] = [sample[name][1]]
              found[field] = [address.addr_spec for address in message[field].addresses]
          for key in expected:
              if expected[key] != found[key]:
                  print(number, key, ascii(expected[key]), ascii(found[key]))
          if not data.isascii() or max(map(len, data.split(b'\\n'))) > 78:
              print(number, 'not ASCII, or a long line', data)
      """
    let python = Process()
    python.executableURL = URL(filePath: "/usr/bin/env")
    python.arguments = ["python3", "-c", script, directory.path + "/samples.json"]
    let pipe = Pipe()
    python.standardOutput = pipe
    python.standardError = pipe
    try python.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    python.waitUntilExit()
    return String(decoding: output, as: UTF8.self)
      + (python.terminationStatus == 0 ? "" : "\nexit status \(python.terminationStatus)")
  }

  @Test("Python's email reads back what was written")
  func python() throws {
    let nasty = [
      "", " ", "Maple House", "Zoë O’Neill, Esq.", "\"quoted\" \\ back\\", "a <b@c.example>, d",
      "(comment)",
      "=?utf-8?Q?Zo=C3=AB?=", "=?", "?=", "a =?utf-8?B?Wm8=?= b", "semi;colon:comma,", "@", "..",
      "a\r\nBcc: b@c.example", "a\nb", "a\rb", "a\u{0}b", "a\u{85}b", "a\u{2028}b\u{2029}c",
      "a\u{B}b\u{C}c",
      "\u{7F}", "\ttab\t", "  two  spaces  ", "e\u{301}clair",
      "👨\u{200D}👩\u{200D}👧\u{200D}👦 family",
      "日本語の長い件名 " + String(repeating: "漢字", count: 60), String(repeating: "x", count: 300),
      String(repeating: "word ", count: 60), String(repeating: "é", count: 100),
      String(repeating: "\"", count: 80), "_under_score_ =20 =5F", "שלום עולם", "\u{FEFF}mark",
      "100 % ~ ^ ` {|}",
    ]
    let texts = [
      "", "a", "a\n", "\n", "\n\n\n", " \n", "a \n\t\n", ".", ".\n.\n..\n",
      "From me\nFrom\n>From me\n",
      "a\r\nb\rc\n\r\n", "a\u{0}b\u{1}\u{7F}\n", "Zoë\n", "=3D =\n=",
      String(repeating: "x", count: 2_000),
      String(repeating: "é", count: 2_000), String(repeating: "x ", count: 500),
      "\u{85}\u{2028}\u{2029}\u{B}\u{C}\n",
      String(repeating: "x", count: 75) + ".\n", String(repeating: "x", count: 75) + "From me\n",
      "--\nTomi\n",
      String(repeating: "é", count: 12) + "  \n", "Subject: a\n\nb\n",
    ]
    var samples: [Sample] = []
    for index in 0..<max(nasty.count, texts.count) {
      let name = nasty[index % nasty.count]
      let replyTo = Mailbox(name: nasty[(index + 7) % nasty.count], address: "a.b+c'd@x-y.example")
      samples.append(
        Sample(
          try message(
            from: Mailbox(name: name, address: "hello@tomi.example"),
            to: Mailbox(
              name: nasty[(index + 1) % nasty.count], address: "!#$%&*/=?^_`{|}~@a.example"),
            replyTo: replyTo, subject: name, text: texts[index % texts.count]),
          replyTo: replyTo))
    }
    let differences = try differences(samples)
    #expect(differences.isEmpty, "\(differences)")
  }

  @Test("Python's email reads back what was written, for 500 random messages")
  func fuzz() throws {
    let pieces: [String] = [
      " ", "  ", "\n", "\r\n", "\r", "\t", "\u{0}", "\u{1B}", "\u{7F}", "\u{85}", "\u{A0}",
      "\u{2028}", "\u{301}",
      "a", "Bcc: ", "From ", ".", "=", "=?", "?=", "=?utf-8?Q?", "=20", "_", "\"", "\\", "<", ">",
      "@", ",", ";", ":",
      "(", ")", "é", "漢", "😀", "👨\u{200D}👩\u{200D}👧", "\u{FEFF}", "\u{10FFFF}", "longer words ",
      "x",
      String(repeating: "y", count: 70),
    ]
    var random = FixedRandom(seed: 7)
    func some(upTo count: Int) -> String {
      (0..<Int.random(in: 0...count, using: &random)).map { _ in
        pieces[Int.random(in: 0..<pieces.count, using: &random)]
      }.joined()
    }
    var samples: [Sample] = []
    for _ in 0..<500 {
      let replyTo = Mailbox(name: some(upTo: 4), address: "a@b.example")
      samples.append(
        Sample(
          try message(
            from: Mailbox(name: some(upTo: 12), address: "hello@tomi.example"),
            to: Mailbox(name: some(upTo: 40), address: "maya@mail.example"), replyTo: replyTo,
            subject: some(upTo: 60), text: some(upTo: 200)),
          replyTo: replyTo))
    }
    let differences = try differences(samples)
    #expect(differences.isEmpty, "\(differences)")
  }
}
