import Domain
import Foundation

/// A sender or a recipient.
package struct Mailbox: Equatable, Sendable {
  /// The name that mail programs show.
  package var name: String?
  /// The address, such as `hello@tomi.example`.
  package var address: String

  package init(name: String? = nil, address: String) {
    self.name = name
    self.address = address
  }
}

/// An e-mail message with one recipient and a plain text.
package struct MailMessage: Sendable {
  package var from: Mailbox
  package var to: Mailbox
  package var replyTo: Mailbox?
  package var subject: String
  package var text: String
  /// With its angle brackets, such as `<0190a5d4-7c3f-7abc-8def-0123456789ab@tomi.example>`.
  package var messageID: String
  package var date: Timestamp

  package init(
    from: Mailbox, to: Mailbox, replyTo: Mailbox? = nil, subject: String, text: String,
    messageID: String, date: Timestamp
  ) {
    self.from = from
    self.to = to
    self.replyTo = replyTo
    self.subject = subject
    self.text = text
    self.messageID = messageID
    self.date = date
  }

  /// The message (RFC 5322, 2045 and 2047), with lines that end with LF.
  ///
  /// A Unix mail program reads such lines from its standard input, and some of them keep a CR as a part of the text.
  /// Mail is stored so as well, and whatever reads files of mail takes both. The network's CRLF is the work of the
  /// mail system.
  ///
  /// Every field but an address is ASCII, whatever it holds, and no field can add another one. The text comes back
  /// byte for byte, with LF for CR and CRLF, and with a line break at its end.
  package var bytes: [UInt8] {
    let text = self.text.endingLines
    let isPlain = text.isPlainMailText
    var lines = [headerField("From", from), headerField("To", to)]
    if let replyTo { lines.append(headerField("Reply-To", replyTo)) }
    lines += [
      headerField("Subject", subject),
      "Date: \(date.mailDate)",
      "Message-ID: \(String(messageID.unicodeScalars.filter { $0.isASCII && $0 > " " && $0 != "\u{7F}" }))",
      // Nobody's absence should be answered to a machine (RFC 3834).
      "Auto-Submitted: auto-generated",
      "MIME-Version: 1.0",
      "Content-Type: text/plain; charset=utf-8",
      "Content-Transfer-Encoding: \(isPlain ? "7bit" : "quoted-printable")",
    ]
    return Array((lines.joined(separator: "\n") + "\n\n").utf8)
      + (isPlain ? Array(text.utf8) : quotedPrintable(text))
  }
}

extension String {
  /// The text with LF for CR and CRLF, and with one at its end.
  fileprivate var endingLines: String {
    var bytes: [UInt8] = []
    var previous: UInt8 = 0
    for byte in utf8 {
      if byte == UInt8(ascii: "\r") {
        bytes.append(UInt8(ascii: "\n"))
      } else if byte != UInt8(ascii: "\n") || previous != UInt8(ascii: "\r") {
        bytes.append(byte)
      }
      previous = byte
    }
    if bytes.last != UInt8(ascii: "\n") { bytes.append(UInt8(ascii: "\n")) }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Whether the text survives without an encoding: it is printable ASCII in lines of at most 78 characters
  /// (RFC 5322, section 2.1.1), and nothing on its way changes a line: neither trailing spaces, nor the line "."
  /// that ends a message, nor the "From " that separates messages in a file.
  fileprivate var isPlainMailText: Bool {
    utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).allSatisfy { line in
      line.count <= 78 && line.allSatisfy { (0x20...0x7E).contains($0) || $0 == UInt8(ascii: "\t") }
        && line.last != UInt8(ascii: " ") && line.last != UInt8(ascii: "\t")
        && !line.elementsEqual(".".utf8) && !line.starts(with: "From ".utf8)
    }
  }
}

extension Timestamp {
  /// The moment as `Sun, 22 Nov 2026 14:30:28 +0000` (RFC 5322, section 3.3).
  fileprivate var mailDate: String {
    let names = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    let text = self.text
    func part(_ start: Int, _ length: Int) -> String {
      String(text.dropFirst(start).prefix(length))
    }
    // 719,162 days before 1970 was the first day of the year 1, a Monday.
    let days = milliseconds / 86_400_000 + (milliseconds % 86_400_000 < 0 ? -1 : 0) + 719_162
    let month = months[Int(part(5, 2))! - 1]
    return
      "\(names[Int((days + 1) % 7)]), \(part(8, 2)) \(month) \(part(0, 4)) \(part(11, 8)) +0000"
  }
}
