"""The history: every kind of event in words, the list of all, and who changed a thing last."""

import re

from failing import answer
from partners import change_as_other, make, path_of, remove, settle, staff

SAY = """async (events) => {
  const { eventWords } = await import("/lib/history.js");
  const { html } = await import("/lib/html.js");
  const shown = events.map((event) => html`<p>${eventWords(event)}</p>`);
  document.querySelector("main").replaceChildren(...shown);
}"""
WHO = """async ([kind, id]) => {
  const { whoChanged } = await import("/desk/changed.js");
  return whoChanged(kind, id);
}"""
# Of a newer service: neither the kind, nor the subject, nor the fields are known.
NEW = {"number": 1, "at": "2026-01-01T00:00:00.000Z", "actor": None, "subject": {"kind": "thing", "id": "x"},
       "kind": "thing.moved_away", "note": "Why not.", "changes": {
           "new_field": {"from": "a_b", "to": None}, "their_status": {"from": "on_hold", "to": "half_open"},
           "size": {"from": 1, "to": 2}, "list": {"from": [], "to": ["a"]}, "object": {"from": None, "to": {"a": 1}}}}


def run(checks, site, browser, _):
    check_words(checks, site, browser)
    check_list(checks, site, browser)
    check_who(checks, site, browser)


def all_events(site):
    found, cursor = [], ""
    while True:
        page = site.get(f"/api/admin/events?limit=100&cursor={cursor}")
        found += page["data"]
        if not page["has_more"]:
            return found
        cursor = page["next_cursor"]


def check_words(checks, site, browser):
    partner = make(site, "Storied", status="active", notes="x" * 500)
    path = path_of(partner)
    credential = site.send(201, "POST", f"{path}/credentials", {"kind": "nmls", "number": "N-1", "state_code": "MN"})
    site.send(204, "DELETE", f"{path}/credentials/{credential['id']}")
    site.put(path, {"co_ownership_certified": True, "paused_until": "2030-01-31", "languages": ["so"]})
    site.put(f"{path}/status", {"status": "inactive", "note": "On leave."})
    group = site.get(f"/api/admin/groups/{site.group}")
    site.put(f"/api/admin/groups/{site.group}", {"name": group["name"] + " II"})
    referral = site.send(201, "POST", f"/api/groups/{site.group}/referrals", {
        "partner_type": "cpa", "context": {"state": "MN", "group_size": 3, "home_price_range": {"min": 1, "max": 2}}})
    site.put(f"/api/admin/referrals/{referral['id']}", {"context": {"state": "IA", "specific_need": "Quick, please."}})
    site.put(f"/api/admin/referrals/{referral['id']}", {"note": "Seen."})
    events = all_events(site)
    kinds = {}
    for event in events:
        kinds.setdefault(event["kind"], event)
    own = [event for event in events if event["subject"]["id"] in (partner["id"], referral["id"])]
    with staff(site, browser) as visit:
        page = visit.open("/not-found").page
        page.evaluate(SAY, [*own, *kinds.values(), NEW])
        visit.settle()
        said = [" ".join(text.split()) for text in page.locator("main p").all_inner_texts()]
        wanted = {
            "partner.created": "status Active; company name “Storied”",
            "partner.credential_added": "Credential added: kind NMLS license; number “N-1”; state Minnesota",
            "partner.credential_removed": "Credential removed: kind NMLS license; number “N-1”; state Minnesota",
            "partner.updated": "Updated: co ownership certified no → yes; languages nothing → Somali; paused until "
                               "Jan 31, 2030",
            "partner.status_changed": "Changed: status Active → Inactive. Note: “On leave.”",
            "referral.updated": "Updated: group size 3 → nothing; home price range $1 to $2 → nothing; "
                                "state Minnesota → Iowa; specific need “Quick, please.”",
            "referral.noted": "Note: “Seen.”",
        }
        for kind, words in wanted.items():
            found = [said[index] for index, event in enumerate(own) if event["kind"] == kind]
            checks.check(f"{kind} reads well", any(words in text for text in found), " / ".join(found))
        checks.check("a long text is cut", max(map(len, said)) < 1200, max(map(len, said)))
        checks.equal("what a newer service says reads well, too", said[-1], "Moved away: new field “a_b” → nothing; "
                     "their status on hold → half open; size 1 → 2; list nothing → “a”; object {\"a\":1}. "
                     "Note: “Why not.”")
        codes = [text for text in said[:-1] if re.search(r"[a-z]_[a-z]|undefined|null|\[object|[0-9a-f]{8}-", text)]
        checks.check(f"no code and no ID stands in {len(kinds)} kinds of events", not codes, " / ".join(codes))
        checks.check("names take the place of IDs", any(group["name"] in text for text in said))
        checks.clean("words", visit)
    remove(site, partner)
    site.put(f"/api/admin/referrals/{referral['id']}", {"status": "cancelled"})
    site.put(f"/api/admin/groups/{site.group}", {"name": group["name"]})


def check_list(checks, site, browser):
    with staff(site, browser) as visit:
        page = visit.open("/desk/history").page
        page.wait_for_selector("#rows a")
        visit.settle()
        newest = site.get("/api/admin/events?sort=-number")["data"]
        checks.equal("the newest come first", page.locator("#rows td:nth-child(2)").all_inner_texts(),
                     [event["actor"]["name"] if event["actor"] else "Tomi" for event in newest])
        page.locator(".more").click()
        visit.wait("document.querySelectorAll('#rows tr').length === 50")
        checks.check("Show more goes on", True)
        page.select_option("[name=subject_kind]", "partner")
        settle(visit)
        page.select_option("[name=kind]", "partner.status_changed")
        settle(visit)
        checks.equal("the filters are the API's", visit.path,
                     "/desk/history?subject_kind=partner&kind=partner.status_changed")
        wanted = site.get("/api/admin/events?subject_kind=partner&kind=partner.status_changed&sort=-number")["data"]
        links = page.locator("#rows td:nth-child(3) a").evaluate_all("all => all.map((a) => a.getAttribute('href'))")
        checks.equal("subjects are links to their pages", links,
                     [f"/desk/partner?id={event['subject']['id']}" for event in wanted])
        page.get_by_role("link", name="Only this").first.click()
        page.wait_for_url("**subject_id=*")
        page.wait_for_selector("#rows a")
        subject = wanted[0]["subject"]["id"]
        wanted = site.get(f"/api/admin/events?subject_kind=partner&subject_id={subject}&sort=-number")["data"]
        checks.equal("one thing's history is a view", page.locator("#rows tr").count(), len(wanted))
        visit.wait("document.querySelector('#scope a')?.innerText.length > 0")
        visit.settle()
        name = site.get(f"/api/admin/partners/{subject}")["company_name"]
        checks.check("it says of what", name in visit.text("#scope"), visit.text("#scope"))
        page.locator("#rows td:nth-child(2) a").first.click()
        page.wait_for_url("**actor_id=*")
        page.wait_for_selector("#rows a")
        checks.check("and one person's, too", "Only events by " in visit.text("#scope"), visit.text("#scope"))
        page.locator("#scope").get_by_role("button", name="Remove").click()
        page.wait_for_url("**/desk/history")
        page.wait_for_selector("#rows a")
        page.select_option("[name=kind]", "database.events_lost")
        page.wait_for_selector("#rows .empty")
        checks.check("an empty list says what to do", page.locator("#rows .empty a").count() == 1,
                     visit.text("#rows .empty"))
        checks.clean("the history", visit)
    with staff(site, browser) as visit:
        visit.expect(503)
        visit.page.route("**/api/admin/events*", lambda route: answer(route, 503))
        visit.open("/desk/history").page.wait_for_selector("#rows .notice")
        visit.page.unroute("**/api/admin/events*")
        visit.page.get_by_role("button", name="Try again").click()
        visit.page.wait_for_selector("#rows a")
        checks.check("503: it offers to try again", True)
        checks.clean("503", visit)


def check_who(checks, site, browser):
    partner = make(site, "Contested")
    path = path_of(partner)
    with staff(site, browser) as visit:
        page = visit.open("/not-found").page
        me = site.get("/api/me")["id"]
        checks.equal("nobody else has changed it", page.evaluate(WHO, ["partner", partner["id"]]), None)
        change_as_other(site, "PUT", f"{path}/status", {"status": "active"})
        words = page.evaluate(WHO, ["partner", partner["id"]])
        checks.check("who changed a thing last, and what", re.fullmatch(
            r"Ben Other changed this \d+ seconds? ago: status Invited → Active\.", words or ""), words)
        change_as_other(site, "PUT", path, {"user_id": me})
        words = page.evaluate(WHO, ["partner", partner["id"]])
        checks.check("with names, not IDs", f"account {site.get('/api/me')['name']}." in words, words)
        checks.equal("without a history nobody knows", page.evaluate(WHO, ["partner", "no"]), None)
        checks.clean("who", visit)
    site.put(path, {"user_id": None})
    remove(site, partner)
