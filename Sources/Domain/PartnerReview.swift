import JSON

/// What staff decides about the changes that a partner proposes.
package enum ReviewDecision: String, CaseIterable, Sendable {
  case approved, rejected
}

extension Partner {
  /// The values that the partner has proposed for its fields, and staff has not reviewed yet.
  package var proposals: [JSON.Member] {
    get { if case .object(let members) = record["pending_changes"] { members } else { [] } }
    set { record["pending_changes"] = newValue.isEmpty ? .null : .object(newValue) }
  }

  /// Proposes a value for a field. It replaces an earlier proposal; the present value proposes
  /// nothing.
  ///
  /// Of a list only additions need a review. What it leaves out is removed at once, and a list that
  /// adds nothing is set at once.
  package mutating func propose(_ value: JSON, for field: String) {
    let present = record[field]
    guard value != present else { return }
    if case .array(let proposed) = value, case .array(let current) = present {
      let kept = current.filter(proposed.contains)
      guard proposed.count > kept.count else {
        record[field] = value
        return
      }
      record[field] = .array(kept)
    }
    proposals = proposals.filter { $0.name != field } + [JSON.Member(field, value)]
  }

  /// Adapts the proposals to a change, so that a proposal is always what an approval sets.
  ///
  /// They end when the partner is no longer active, and each ends when its field has the value or, if
  /// it is a list, all of its elements. A proposed list gets the elements that the change has added to
  /// the field, and loses those that it has removed.
  package mutating func adaptProposals(since old: Partner) {
    guard status == .active else {
      proposals = []
      return
    }
    proposals = proposals.compactMap { proposal in
      let present = record[proposal.name]
      guard case .array(let proposed) = proposal.value, case .array(let current) = present,
        case .array(let former) = old.record[proposal.name]
      else { return proposal.value == present ? nil : proposal }
      let kept = proposed.filter { current.contains($0) || !former.contains($0) }
      let added = current.filter { !former.contains($0) && !kept.contains($0) }
      let isFulfilled = kept.allSatisfy(current.contains)
      return isFulfilled ? nil : JSON.Member(proposal.name, .array(kept + added))
    }
  }
}
