import Domain
import Testing

@Suite("Kinds of events")
struct EventKindTests {
  @Test("each begins with the kind of its subject and a dot", arguments: EventKind.allCases)
  func subject(kind: EventKind) {
    #expect(kind.rawValue.hasPrefix(kind.subject.rawValue + "."))
  }

  @Test("each kind of subject has some", arguments: SubjectKind.allCases)
  func subjects(subject: SubjectKind) {
    #expect(EventKind.allCases.contains { $0.subject == subject })
  }
}
