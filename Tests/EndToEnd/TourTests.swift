import Foundation
import Testing

extension EndToEnd {
  @Suite("The tour of phase 1") struct TourTests {
    @Test("a partner is invited and activated, a group asks, is introduced, and gets an outcome")
    func tour() throws {
      try Service.run { service in
        let (staff, anyone) = (service.staff, service.anyone)

        // Staff invites a partner.
        let invited = try staff.post(
          "/api/admin/partners",
          [
            "type": "attorney", "company_name": "  North Star Law ",
            "email": "Ada@northstar.example",
            "contact_name": "Ada Berg", "phone": "+1 (612) 555-0100",
            "website": "https://northstar.example", "service_areas": ["mn", "WI", "MN"],
            "notes": "Met at the bar association.",
          ]
        ).expect(201)
        var partner = try invited.json
        let partnerPath = "/api/admin/partners/\(partner["id"].text)"
        let staffID = partner["invited_by"].text
        #expect(invited["location"] == partnerPath)
        #expect(invited["cache-control"] == "private, no-cache")
        #expect(Tour.isID(partner["id"].text) && Tour.isID(staffID))
        #expect(Tour.isTime(partner["created_at"].text))
        #expect(
          partner == [
            "id": partner["id"], "user_id": nil, "type": "attorney", "status": "invited",
            "company_name": "North Star Law", "contact_name": "Ada Berg",
            "email": "Ada@northstar.example", "phone": "+1 (612) 555-0100",
            "website": "https://northstar.example", "service_areas": ["MN", "WI"],
            "co_ownership_certified": false, "description": nil, "languages": [],
            "affiliation_disclosure": nil, "accepting_referrals": false, "paused_until": nil,
            "max_open_referrals": nil, "credentials_status": "none", "agreement_signed_at": nil,
            "pending_changes": nil,
            "invited_by": .string(staffID), "notes": "Met at the bar association.",
            "created_at": partner["created_at"], "updated_at": partner["created_at"],
          ])
        #expect(try staff.get(partnerPath).expect(200).json == partner)

        // Without an agreement it cannot be active, and nothing is covered.
        let early = try staff.put("\(partnerPath)/status", ["status": "active"])
          .expectProblem(409, "partner_not_ready", instance: "\(partnerPath)/status")
        #expect(early["missing"] == ["agreement_signed_at"])
        #expect(
          try anyone.get("/api/coverage/mn/attorney").expect(200).json == [
            "state_code": "MN", "state_name": "Minnesota", "partner_type": "attorney",
            "status": "coming_soon", "message": "Coming soon", "partner_count": 0,
          ])

        // Review, agreement, active: coverage follows.
        try staff.put(
          "\(partnerPath)/status", ["status": "pending_review", "note": "Papers came."]
        )
        .expect(200)
        partner = try staff.put(
          partnerPath, ["agreement_signed_at": "2026-01-05T09:30:00.5+01:00"]
        ).expect(200).json
        #expect(partner["agreement_signed_at"] == "2026-01-05T08:30:00.500Z")
        #expect(partner["status"] == "pending_review")
        partner = try staff.put("\(partnerPath)/status", ["status": "active"]).expect(200).json
        #expect(partner["status"] == "active")
        let covered = try anyone.get("/api/coverage/MN/attorney").expect(200)
        #expect(
          try covered.json == [
            "state_code": "MN", "state_name": "Minnesota", "partner_type": "attorney",
            "status": "available", "message": "Available", "partner_count": 1,
          ])
        #expect(covered["cache-control"] == "public, max-age=60, stale-while-revalidate=300")
        let minnesota = try anyone.get("/api/coverage/MN").expect(200).json
        #expect(minnesota["status"] == "available")
        #expect(
          minnesota["partner_types"].elements.map(\.["partner_type"].text)
            == ["attorney", "lender", "agent", "title", "insurance", "cpa"])
        #expect(
          minnesota["partner_types"].elements.map(\.["status"].text)
            == ["available"] + Array(repeating: "coming_soon", count: 5))
        let states = try anyone.get("/api/coverage").expect(200).json
        #expect(states["data"].elements.count == 51 && states["has_more"] == false)
        #expect(
          states["data"].elements.filter { $0["status"] != "unavailable" }.map(
            \.["state_code"].text)
            == ["CA", "MN", "WI"])

        // Tomi's other systems put in a user and a group; sign-in hands out a token.
        let (userID, token, tokenID) = try service.makeUser("maya@mail.example", name: "Maya Ito")
        let (outsiderID, outsiderToken, _) = try service.makeUser("olaf@mail.example", name: "Olaf")
        let groupID = UUID().uuidString.lowercased()
        try staff.put(
          "/api/admin/groups/\(groupID)", ["name": "Elm Court", "members": ["\(userID)"]]
        )
        .expect(201)
        let member = Client(port: service.port, token: token)
        let outsider = Client(port: service.port, token: outsiderToken)

        // The member asks for an attorney.
        let referrals = "/api/groups/\(groupID)/referrals"
        let asked = try member.post(
          referrals,
          [
            "partner_type": "attorney",
            "context": [
              "group_size": 3, "home_price_range": ["min": 400_000, "max": 550_000], "state": "mn",
              "specific_need": "Review of our\nTIC agreement",
            ],
          ]
        ).expect(201)
        let referral = try asked.json
        let id = referral["id"].text
        let memberPath = "\(referrals)/\(id)"
        let adminPath = "/api/admin/referrals/\(id)"
        let context: JSON = [
          "group_size": 3, "home_price_range": ["min": 400_000, "max": 550_000], "timeline": nil,
          "state": "MN", "specific_need": "Review of our\nTIC agreement",
        ]
        #expect(asked["location"] == memberPath)
        #expect(
          referral == [
            "id": .string(id), "group_id": .string(groupID), "requested_by": .string(userID),
            "contact_id": .string(userID), "partner_type": "attorney", "status": "pending",
            "status_since": referral["created_at"], "context": context, "partner_id": nil,
            "intro_sent_at": nil, "outcome": nil, "consent_version": nil, "consented_at": nil,
            "created_at": referral["created_at"],
            "updated_at": referral["created_at"], "partner": nil,
            "timeline": [["status": "pending", "at": referral["created_at"]]],
          ])
        let again = try member.post(
          referrals, ["partner_type": "attorney", "context": ["state": "MN"]]
        ).expectProblem(409, "referral_already_open")
        #expect(again["existing"] == .string(memberPath))

        // Nobody else sees it.
        let hidden = try outsider.get(memberPath).expectProblem(404, "not_found")
        let missing = try outsider.get("\(referrals)/\(outsiderID)").expectProblem(404, "not_found")
        for name in hidden.names where !["instance", "request_id"].contains(name) {
          #expect(hidden[name] == missing[name])
        }
        try member.get(adminPath).expectProblem(403, "forbidden")
        let refused = try anyone.get(adminPath)
        try refused.expectProblem(401, "unauthenticated")
        #expect(refused["www-authenticate"] == #"Bearer realm="tomi""#)

        // Staff finds the candidates and matches one.
        let candidates = try staff.get("\(adminPath)/candidates").expect(200).json
        #expect(!candidates["order"].text.isEmpty)
        #expect(candidates["data"].elements.count == 1)
        let candidate = candidates["data"][0]
        #expect(
          candidate == [
            "id": partner["id"], "type": "attorney", "company_name": "North Star Law",
            "contact_name": "Ada Berg", "email": "Ada@northstar.example",
            "phone": "+1 (612) 555-0100", "website": "https://northstar.example",
            "co_ownership_certified": false, "open_referrals": 0, "last_intro_at": nil,
            "why": candidate["why"], "left_out": [],
          ])
        #expect(!candidate["why"].elements.isEmpty)
        let matched = try staff.put(
          adminPath, ["partner_id": partner["id"], "note": "The nearest one."]
        ).expect(200).json
        #expect(
          matched == [
            "id": .string(id), "group_id": .string(groupID), "requested_by": .string(userID),
            "contact_id": .string(userID), "assigned_to": nil, "assignee": nil,
            "follow_up_on": nil, "consent_version": nil, "consented_at": nil,
            "partner_type": "attorney", "status": "matched", "context": context,
            "status_since": matched["updated_at"],
            "contact": [
              "id": .string(userID), "name": "Maya Ito", "email": "maya@mail.example",
            ],
            "partner_id": partner["id"], "intro_sent_at": nil, "outcome": nil, "outcome_notes": nil,
            "created_at": referral["created_at"], "updated_at": matched["updated_at"],
            "group": ["id": .string(groupID), "name": "Elm Court"],
            "requester": [
              "id": .string(userID), "name": "Maya Ito", "email": "maya@mail.example",
            ],
            "partner": [
              "id": partner["id"], "type": "attorney", "company_name": "North Star Law",
              "contact_name": "Ada Berg", "email": "Ada@northstar.example",
              "phone": "+1 (612) 555-0100", "website": "https://northstar.example",
            ],
            "timeline": [
              ["status": "pending", "at": referral["created_at"]],
              ["status": "matched", "at": matched["updated_at"]],
            ],
          ])

        // The member sees who it is, and how to reach them once the introduction was sent.
        #expect(
          try member.get(memberPath).expect(200).json["partner"] == [
            "id": partner["id"], "type": "attorney", "company_name": "North Star Law",
            "contact_name": .null, "email": .null, "phone": .null,
            "website": "https://northstar.example",
          ])
        let sent = try staff.put(adminPath, ["status": "intro_sent"]).expect(200).json
        #expect(Tour.isTime(sent["intro_sent_at"].text))
        let introduced = try member.get(memberPath).expect(200).json
        #expect(introduced["partner"] == sent["partner"])
        #expect(introduced["outcome_notes"] == .absent && introduced["requester"] == .absent)

        // They get to work, and staff records what came of it.
        try staff.put(adminPath, ["status": "connected"]).expect(200)
        let closed = try staff.put(
          "\(adminPath)/outcome", ["outcome": "deal_closed", "outcome_notes": "Closed in May."]
        ).expect(200).json
        #expect(closed["status"] == "closed" && closed["outcome"] == "deal_closed")
        #expect(closed["outcome_notes"] == "Closed in May.")
        let seen = try member.get(memberPath).expect(200).json
        #expect(seen["outcome"] == "deal_closed" && seen["outcome_notes"] == .absent)
        #expect(
          seen["timeline"].elements.map(\.["status"].text)
            == ["pending", "matched", "intro_sent", "connected", "closed"])
        #expect(
          try staff.put(adminPath, ["status": "intro_sent"])
            .expectProblem(409, "transition_not_allowed")["allowed"] == ["connected", "pending"])

        // The history of each tells all of it, newest first.
        let history = try staff.all("\(adminPath)/history")
        #expect(
          history.map(\.["kind"].text) == [
            "referral.outcome_recorded", "referral.connected", "referral.intro_sent",
            "referral.matched", "referral.requested",
          ])
        #expect(history[3]["note"] == "The nearest one.")
        #expect(history[3]["actor"] == ["id": .string(staffID), "name": "sam"])
        #expect(history[3]["subject"] == ["kind": "referral", "id": .string(id)])
        #expect(history[3]["changes"]["status"] == ["from": "pending", "to": "matched"])
        #expect(history[3]["changes"]["partner_id"] == ["from": nil, "to": partner["id"]])
        #expect(history[4]["actor"] == ["id": .string(userID), "name": "Maya Ito"])
        #expect(history[0]["changes"]["outcome"] == ["from": nil, "to": "deal_closed"])
        let partnerHistory = try staff.all("\(partnerPath)/history")
        #expect(
          partnerHistory.map(\.["kind"].text) == [
            "partner.status_changed", "partner.updated", "partner.status_changed",
            "partner.created",
          ])
        #expect(partnerHistory[2]["note"] == "Papers came.")

        // The events tell it in the order in which it happened.
        let events = try staff.all("/api/admin/events?limit=7")
        #expect(events.map(\.["number"].int) == Array(1...events.count))
        #expect(
          events.filter { ["partner", "group", "referral"].contains($0["subject"]["kind"]) }
            .map(\.["kind"].text) == [
              "partner.created", "partner.status_changed", "partner.updated",
              "partner.status_changed", "group.created", "referral.requested", "referral.matched",
              "referral.intro_sent",
              "referral.connected", "referral.outcome_recorded",
            ])
        let coverage = events.filter { $0["kind"] == "coverage.status_changed" }
        #expect(coverage.map(\.["actor"]) == [nil, nil])
        #expect(
          Set(coverage.map(\.["subject"]["id"].text)) == ["MN/attorney", "WI/attorney"])
        #expect(!events.description.contains(token), "an event shows a token")
        let later = try staff.get("/api/admin/events?after=\(events.count - 2)").expect(200).json
        #expect(later["data"].elements == Array(events.suffix(2)))

        // A token that is revoked counts no more from the next request on.
        try member.get(referrals).expect(200)
        try staff.send("DELETE", "/api/admin/tokens/\(tokenID)").expect(204)
        let revoked = try member.get(referrals)
        try revoked.expectProblem(401, "unauthenticated")
        #expect(revoked["www-authenticate"] == #"Bearer realm="tomi", error="invalid_token""#)
        try service.expectSound()
      }
    }
  }
}

/// Forms that the contract fixes.
enum Tour {
  static func isID(_ text: String) -> Bool {
    text.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/)
      != nil
  }

  static func isTime(_ text: String) -> Bool {
    text.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil
  }
}
