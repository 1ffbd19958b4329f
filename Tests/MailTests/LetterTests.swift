import Domain
import JSON
import Schema
import Testing

@testable import Mail

@Suite("Letters")
struct LetterTests {
  @Test("every kind has a template, and nothing else has one")
  func kinds() {
    #expect(Set(Schema.mailTemplates.keys) == Set(MessageKind.allCases.map(\.rawValue)))
  }

  @Test(
    "a letter has no gaps, whatever is known", arguments: MessageKind.allCases, [true, false])
  func form(kind: MessageKind, isFull: Bool) throws {
    let templates = try Templates()
    for flags in kind.flagSettings {
      let letter = try templates.letter(kind, kind.values(isFull: isFull, flags: flags))
      let text = letter.text
      #expect(!letter.subject.isEmpty && letter.subject == letter.subject.onOneLine)
      #expect(text.hasSuffix("\n") && !text.hasSuffix("\n\n") && text.first?.isWhitespace == false)
      for part in [letter.subject, text] {
        for gap in ["{{", "}}", "()", " ,", " .", " :", " ;", "!", "\n\n\n", " \n", "null"] {
          #expect(!part.contains(gap), "\(gap) in \(part)")
        }
      }
      for line in text.split(separator: "\n") {
        #expect(line.count <= 72, "\(line)")
        #expect(!line.drop { $0 == " " }.contains("  "), "\(line)")
      }
    }
  }

  @Test("an introduction, word for word")
  func introduction() throws {
    let values: JSON = [
      "staff_address": "partners@tomi.example", "public_url": "https://tomi.example",
      "group": ["name": "Maple House"], "type": "attorney", "type_name": "attorney",
      "a_type_name": "an attorney", "state": "Minnesota",
      "need": [
        "specific_need": """
        We need an agreement for three households that says what happens when one of us sells.

        One of us still works abroad.
        """,
        "group_size": "4 people", "home_price": "$420,000 to $500,000", "timeline": "by spring",
      ],
      "contact": ["name": "Maya Ito", "email": "maya@mail.example"],
      "requester": ["name": "Ben Ode", "email": "ben@mail.example"],
      "partner": [
        "company_name": "Lake Law", "contact_name": "Ana Ruiz", "email": "hello@lakelaw.example",
        "phone": "(612) 555-0142", "website": "https://lakelaw.example",
        "affiliation_disclosure": "An investor of Tomi owns a tenth of Lake Law.",
      ],
      "links": [
        "group": "https://tomi.example/group?id=1", "portal": "https://tomi.example/portal",
        "desk": "https://tomi.example/desk/referral?id=2",
      ],
    ]
    let templates = try Templates()
    let toPartner = try templates.letter(.introductionPartner, values)
    #expect(
      toPartner.subject == "Please contact Maple House in Minnesota: they need an attorney")
    #expect(
      toPartner.text == """
        Hello Ana Ruiz,

        We would like you to meet Maple House. They are buying a home together
        in Minnesota and need an attorney. Please write to Maya Ito, who is your
        contact:

          Maya Ito
          maya@mail.example

        We have sent Maya Ito your contact details too.

        This is what they told us:

          Group size: 4 people
          Home price: $420,000 to $500,000
          Timeline: by spring

        > We need an agreement for three households that says what happens when
        > one of us sells.
        >
        > One of us still works abroad.

        Please tell us within three days whether you can help them. You can
        accept or decline here:
        https://tomi.example/portal

        If you decline, we will look for someone else for them.

        Tomi has this relationship with Lake Law, and has told the group about
        it:

        > An investor of Tomi owns a tenth of Lake Law.

        No fee was paid for this introduction.

        Questions? Write to us at partners@tomi.example.

        Tomi

        """)
    let toGroup = try templates.letter(.introductionGroup, values)
    #expect(toGroup.subject == "Meet Lake Law, an attorney for Maple House")
    #expect(
      toGroup.text == """
        Hello Maya Ito,

        Maple House has asked us for an attorney in Minnesota. We would like you
        to meet Lake Law. This is how you reach them:

          Ana Ruiz
          hello@lakelaw.example
          (612) 555-0142
          https://lakelaw.example

        We have given them your name and your e-mail address, and asked them to
        write to you. You can also write to them first.

        This is what we told them about your request:

          Group size: 4 people
          Home price: $420,000 to $500,000
          Timeline: by spring

        > We need an agreement for three households that says what happens when
        > one of us sells.
        >
        > One of us still works abroad.

        Please know that Tomi has this relationship with Lake Law:

        > An investor of Tomi owns a tenth of Lake Law.

        No fee was paid for this introduction. Whether you work with them is up
        to you. If they are not right for you, tell us, and we will look for
        someone else.

        You can see how your request stands on your group's page:
        https://tomi.example/group?id=1

        Questions? Write to us at partners@tomi.example.

        Tomi

        """)
  }

  @Test("what the answer of a partner says depends on the answer and on the reader")
  func answers() throws {
    let templates = try Templates()
    func text(toContact: Bool, accepted: Bool) throws -> String {
      try templates.letter(
        .referralAnswered,
        MessageKind.referralAnswered.values(
          isFull: true, flags: ["to_contact": toContact, "accepted": accepted])
      ).text
    }
    for accepted in [true, false] {
      // What the partner gives as a reason, and the desk, are for staff.
      let toContact = try text(toContact: true, accepted: accepted)
      #expect(!toContact.contains("reason") && !toContact.contains("links.desk"))
      #expect(toContact.contains("links.group"))
      #expect(toContact.contains("partner.email") == accepted)
      let toStaff = try text(toContact: false, accepted: accepted)
      #expect(toStaff.contains("reason_code") == !accepted)
      #expect(toStaff.contains("> reason\n") == !accepted)
      #expect(toStaff.contains("links.desk") && !toStaff.contains("links.group"))
    }
  }
}
