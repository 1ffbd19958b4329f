"""The queue and one request: views, filters, a request's life by keyboard alone, undo, others' changes, failures."""

import datetime
import itertools
import json
import uuid

from axe_playwright_python.sync_playwright import Axe

from everywhere import AXE
from failing import NETWORK, answer, check_form
from sides import sign_in_again

STAFF = "sam@tomi.example"
FAILURES = (NETWORK, 409, 412, 422, 429, 500, 503)
LONG = "Grundstücksverkehrsgenehmigungszuständigkeitsübertragungsverordnungsgemeinschaft" * 2
NAMES = (LONG, "🏡🌲 Casa", "בית משותף ליד הים", "A")
numbers = itertools.count(1)


def run(checks, site, browser, _):
    desk = Desk(site)
    check_views(checks, desk, browser)
    check_rows(checks, desk, browser)
    check_life(checks, desk, browser)
    check_next(checks, desk, browser)
    check_undo(checks, desk, browser)
    check_half_undone(checks, desk, browser)
    check_introduction(checks, desk, browser)
    check_facts(checks, desk, browser)
    check_two(checks, desk, browser)
    check_letters(checks, desk, browser)
    check_bound(checks, desk, browser)
    check_keys(checks, desk, browser)
    check_filters(checks, desk, browser)
    check_others(checks, desk, browser)
    check_failures(checks, desk, browser)
    check_end(checks, desk, browser)
    check_drafts(checks, desk, browser)


class Desk:
    """The site with requests of groups that only this test has, and a second person of staff."""

    def __init__(self, site):
        self.site = site
        self.token = site.tokens["staff"]
        self.me = site.service.client(self.token).expect(200, "GET", "/api/me").json
        token = site.service.command("token", "create", "--admin", "--email", "ben@tomi.example").strip()
        self.ben = site.service.client(token).expect(200, "GET", "/api/me").json
        self.ben_token = token

    def request(self, status="pending", name=None, **context):
        """Makes a group with two members and its request, in a status; returns the request."""
        number = next(numbers)
        members = []
        for who in ("Mia", "Noah"):
            members.append(str(uuid.uuid4()))
            self.site.put_user(members[-1], f"{who} {number}", f"{who}{number}@group.example".lower())
        group = str(uuid.uuid4())
        self.site.send(201, "PUT", f"/api/admin/groups/{group}", {
            "name": name or f"Group {number}", "members": members})
        made = self.site.send(201, "POST", f"/api/groups/{group}/referrals", {
            "partner_type": "attorney", "requested_by": members[0], "context": {"state": "CA", **context}})
        path = f"/api/admin/referrals/{made['id']}"
        steps = {"pending": [], "matched": ["matched"], "intro_sent": ["matched", "intro_sent"],
                 "connected": ["matched", "intro_sent", "connected"],
                 "closed": ["matched", "intro_sent", "connected", "closed"], "cancelled": ["cancelled"]}[status]
        for step in steps:
            partner = {"partner_id": self.candidates(made)[0]["id"]} if step == "matched" else {}
            self.site.put(path, {"status": step, **partner})
        self.last = self.get(made)
        return self.last

    def get(self, referral):
        return self.site.get(f"/api/admin/referrals/{referral['id']}")

    def candidates(self, referral):
        return self.site.get(f"/api/admin/referrals/{referral['id']}/candidates")["data"]

    def events(self, referral):
        return self.site.get(f"/api/admin/referrals/{referral['id']}/history")["data"]

    def as_ben(self, referral, body):
        """Changes a request as the second person."""
        client = self.site.service.client(self.ben_token)
        client.expect(200, "PUT", f"/api/admin/referrals/{referral['id']}", body)

    def visit(self, browser, path=None, **options):
        return browser.visit(path, token=self.token, **options)

    def page(self, browser, referral, **options):
        """The page of one request, when it shows all of it."""
        return self.visit(browser, f"/desk/referral?id={referral['id']}", **options)


def ready(visit):
    visit.page.wait_for_selector(".request:not([aria-busy]) .facts")
    return visit


def check_axe(checks, visit, label):
    found = Axe().run(visit.page, options=AXE)
    checks.check(f"axe finds nothing: {label}", found.violations_count == 0,
                 found.generate_report() if found.violations_count else "")


def until(visit, desk, referral, **fields):
    """Waits until the API has a request with the fields; returns whether it comes to that."""
    def holds():
        now = desk.get(referral)
        return all(now[name] == value for name, value in fields.items())
    for _ in range(60):
        if holds():
            return True
        visit.page.wait_for_timeout(100)
    return False


def check_views(checks, desk, browser):
    desk.request()
    with desk.visit(browser, "/desk") as visit:
        page = visit.page
        page.wait_for_selector("#rows tr")
        checks.equal("a bare address is the view of what is new", visit.path, "/desk?status=pending&sort=status_since")
        checks.equal("its name is the title", [visit.text("h1"), page.title()], ["New", "New – Tomi"])
        page.wait_for_selector("#places .number")
        counted = int(page.locator("#places a:has-text('New') .number").inner_text().split()[0])
        total = desk.site.get("/api/admin/summary")["by_status"]["pending"]
        checks.equal("and its number is how many there are", [counted, page.locator("#rows tr").count()],
                     [total, min(total, 25)])
        page.select_option("[name=partner_type]", "attorney")
        page.wait_for_url("**partner_type=attorney**")
        visit.wait("""[...document.querySelectorAll("#rows .line")].every(({ textContent }) =>
          textContent.startsWith("Attorney"))""")
        checks.check("a filter stands in the address, and holds", page.locator("#rows .line").count() > 0)
        page.go_back()
        visit.wait(f"document.querySelectorAll('#rows tr').length === {min(total, 25)}")
        checks.equal("Back takes it off", page.input_value("[name=partner_type]"), "")
        visit.open("/desk?status=pending,matched&state=MN&older_than_days=0")
        page.select_option("[name=partner_type]", "attorney")
        page.wait_for_url("**partner_type=attorney**")
        checks.check("what a filter does not know stays", "status=pending,matched" in visit.path and
                     "older_than_days=0" in visit.path, visit.path)
        visit.open("/desk?status=pending,matched,intro_sent,connected&assigned_to=me&sort=status_since")
        page.wait_for_selector("#rows .empty")
        checks.check("what is empty says why, and what to do", "press a" in visit.text("#rows .empty"),
                     visit.text("#rows .empty"))
        visit.open("/desk?q=nobodyhasthisname&sort=-created_at")
        page.wait_for_selector("#rows .empty a")
        checks.equal("and leads on", page.locator("#rows .empty a").get_attribute("href"), "/desk?sort=-created_at")
        visit.press("/")
        checks.check("the key / searches", page.evaluate("document.activeElement.name === 'q'"))
        visit.open("/desk?sort=-created_at")
        page.wait_for_selector("#rows tr")
        page.get_by_role("button", name="Show more").click()
        visit.wait("document.querySelectorAll('#rows tr').length === 50")
        row = page.locator("#rows tr").nth(40).locator("a")
        name = row.inner_text()
        row.click()
        ready(visit)
        checks.check("a click opens the request beside the list", name in visit.text(".request h2") and
                     "open=" in visit.path, visit.text(".request h2"))
        page.locator(".request a[href^='/desk?group_id']").click()
        page.wait_for_url("**group_id=**")
        page.go_back()
        ready(visit)
        visit.wait("document.querySelectorAll('#rows tr').length === 50")
        visit.settle()
        checks.check("Back comes back to the same row", page.evaluate("""() => {
          const box = document.querySelector("#rows [aria-current]").getBoundingClientRect();
          return box.top >= 0 && box.bottom <= innerHeight;
        }"""))
        checks.clean("views", visit)


def check_rows(checks, desk, browser):
    for name in NAMES:
        desk.request(name=name, specific_need=f"{name} " * 5)
    today = desk.site.get("/api/admin/referrals?limit=1")["data"][0]
    desk.site.put(f"/api/admin/referrals/{today['id']}", {"assigned_to": desk.ben["id"], "follow_up_on": "2026-01-02"})
    for width in (320, 360, 768, 1440):
        with desk.visit(browser, "/desk?status=pending&sort=-created_at", width=width) as visit:
            visit.page.wait_for_selector("#rows tr")
            for name in NAMES:
                row = visit.page.locator("#rows tr", has=visit.page.get_by_role("link", name=name, exact=True)).first
                row.locator("a").click()
                ready(visit)
                wide = visit.page.evaluate("document.documentElement.scrollWidth")
                checks.check(f"{name[:12]} fits at {width} px", wide <= width, f"{wide} px")
            check_axe(checks, visit, f"an open request, {width} px")
            words = visit.page.locator("#rows tr").first.inner_text()
            checks.check(f"a row says who looks after it and when to follow up, at {width} px",
                         desk.ben["name"] in words and "Due Jan 2, 2026" in words, words.replace("\n", " "))
            checks.clean(f"rows at {width} px", visit)


def check_life(checks, desk, browser):
    """From the list to the outcome, with the keyboard alone."""
    desk.request(name="Keys after")
    referral = desk.request(name="Keys")
    first, second = desk.candidates(referral)[:2]
    with desk.visit(browser, "/desk?status=pending&sort=-created_at") as visit:
        page = visit.page
        page.wait_for_selector("#rows tr")
        visit.press("j")
        checks.equal("j comes to the first row", page.evaluate("document.activeElement.textContent"), "Keys")
        visit.press("j", "k", "Enter")
        ready(visit)
        checks.check("Enter opens it, and the focus is on its title", page.evaluate(
            "document.activeElement.matches('.request h2')") and visit.text(".request h2").startswith("Keys asks"))
        visit.press("a")
        checks.check("a: it is yours", until(visit, desk, referral, assigned_to=desk.me["id"]))
        page.wait_for_selector("#rows tr:first-child .did")
        visit.press("m", "2")
        checks.check("m 2 matches the second candidate", until(visit, desk, referral, status="matched",
                                                               partner_id=second["id"]))
        page.wait_for_selector(".request .actions button:has-text('Introduce both')")
        visit.press("m", "1")
        checks.check("m 1 changes to the first", until(visit, desk, referral, partner_id=first["id"]))
        checks.check("the row says what was done", first["company_name"] in visit.text("#rows tr:first-child"))
        visit.press("i")
        page.wait_for_selector("dialog #introduction button.main")
        letters = desk.site.get(f"/api/admin/referrals/{referral['id']}/introduction")
        shown = page.locator("dialog").inner_text()
        checks.check("i shows both letters", all(letters[one]["subject"] in shown and letters[one]["to"] in shown
                                                 for one in ("to_partner", "to_group")))
        checks.equal("and sends nothing yet", desk.get(referral)["status"], "matched")
        visit.press("Escape")
        page.wait_for_selector("dialog", state="detached")
        checks.equal("Esc gives it up", desk.get(referral)["status"], "matched")
        visit.press("i")
        page.wait_for_selector("dialog #introduction button.main")
        visit.press("Enter")
        checks.check("Enter introduces both", until(visit, desk, referral, status="intro_sent"))
        kinds = {one["kind"] for one in desk.site.get(f"/api/admin/messages?referral_id={referral['id']}")["data"]}
        checks.check("both letters are on their way", {"introduction.partner", "introduction.group"} <= kinds,
                     ", ".join(kinds))
        page.wait_for_selector(".request h2:has-text('Keys after')")
        checks.check("then the next request is there", "open=" in visit.path and page.evaluate(
            "document.activeElement.matches('.request h2')"))
        visit.press("k", "Enter")
        page.wait_for_selector(".request h2:has-text('Keys asks')")
        ready(visit)
        visit.press("n")
        page.wait_for_selector("#note textarea")
        page.keyboard.type("They rang.")
        visit.press("Tab", "Enter")
        visit.wait("!document.querySelector('#note')")
        checks.equal("n keeps a note", desk.events(referral)[0]["note"], "They rang.")
        visit.press("f")
        page.wait_for_selector("#followUp")
        visit.press("Tab", "Tab", "Enter")
        visit.wait("!document.querySelector('#followUp')")
        checks.check("f, a week: it comes back on a day", desk.get(referral)["follow_up_on"] is not None)
        page.wait_for_selector(".request h2:has-text('Keys after')")
        visit.press("k", "Enter")
        page.wait_for_selector(".request h2:has-text('Keys asks')")
        ready(visit)
        visit.press("o")
        page.wait_for_selector("#outcome")
        visit.press("ArrowDown", "Tab")
        page.keyboard.type("Signed.")
        visit.press("Tab", "Enter")
        checks.check("o records the outcome", until(visit, desk, referral, status="closed", outcome="deal_closed",
                                                    outcome_notes="Signed."))
        page.wait_for_selector(".request h2:has-text('Keys after')")
        visit.press("k", "Enter")
        page.wait_for_selector(".request h2:has-text('Keys asks')")
        ready(visit)
        visit.press("r")
        page.wait_for_selector("#reopen")
        checks.equal("r alone reopens nothing", desk.get(referral)["status"], "closed")
        visit.press("Tab", "Tab", "Enter")
        checks.check("r, then a button: it is connected again", until(visit, desk, referral, status="connected"))
        visit.wait("!document.querySelector('#reopen')")
        visit.press("i")
        page.wait_for_selector(".toast:has-text('not while the request is connected')")
        visit.press("?")
        keys = visit.text("dialog .keys")
        checks.check("? lists the keys", all(one in keys for one in ("Match", "Undo the last action", "Search")), keys)
        visit.press("Escape")
        page.wait_for_selector("dialog", state="detached")
        visit.press("Escape")
        visit.wait("!document.querySelector('.request')")
        checks.check("Esc closes the request, and comes back to its row", "open=" not in visit.path and
                     page.evaluate("document.activeElement.textContent") == "Keys")
        checks.clean("the life of a request", visit)


def check_next(checks, desk, browser):
    """Save and next: what is done stays in its row, and the last one ends quietly."""
    requests = [desk.request("matched", name=f"Next {letter}") for letter in "AB"]
    with desk.visit(browser, f"/desk?q=Next&status=matched&sort=created_at&open={requests[0]['id']}") as visit:
        page = ready(visit).page
        page.wait_for_selector("#rows tr >> nth=1")
        for letter in "AB":
            page.wait_for_selector(f".request h2:has-text('Next {letter}')")
            ready(visit)
            page.get_by_role("button", name="Cancel", exact=True).click()
            page.locator("#cancel button.main").click()
            page.wait_for_selector(f"#rows tr:has-text('Next {letter}') .did")
        visit.wait("!document.querySelector('#cancel')")
        checks.equal("both are cancelled", [desk.get(one)["status"] for one in requests], ["cancelled"] * 2)
        page.wait_for_timeout(1500)
        visit.wait("document.querySelector('#summary').textContent === 'No requests'")
        checks.check("the last one stays", "Next B" in visit.text(".request h2"))
        visit.press("u")
        checks.check("u takes it back, with its partner", until(visit, desk, requests[1], status="matched",
                                                               partner_id=requests[1]["partner_id"]))
        checks.equal("and only that", desk.get(requests[0])["status"], "cancelled")
        checks.clean("save and next", visit)
    referral = desk.request("matched", name="Undo from afar")
    desk.request("matched", name="Undo from afar, the next")
    with desk.visit(browser, f"/desk?q=afar&sort=created_at&open={referral['id']}") as visit:
        page = ready(visit).page
        page.wait_for_selector("#rows tr >> nth=1")
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.locator("#cancel button.main").click()
        page.wait_for_selector(".request h2:has-text('the next')")
        checks.check("it says which one is next", page.locator(".toast:has-text('Next: Undo from afar, the next')")
                     .count() == 1)
        page.go_back()
        page.wait_for_selector(".request h2:has-text('Undo from afar asks')")
        checks.check("and Back returns to the one that was worked on", referral["id"] in visit.path, visit.path)
        page.go_forward()
        page.wait_for_selector(".request h2:has-text('the next')")
        page.get_by_role("button", name="Undo").click()
        checks.check("Undo works when the next request is open", until(visit, desk, referral, status="matched"))
        page.wait_for_selector(".request h2:has-text('Undo from afar asks')")
        checks.clean("undo from the next request", visit)
    with desk.visit(browser, "/desk?q=afar&sort=created_at") as visit:
        page = visit.page
        page.wait_for_selector("#rows tr >> nth=1")
        page.route("**/desk/referral.js", lambda route: route.abort())
        visit.press("j", "Enter")
        page.wait_for_selector("#detail .notice.bad button")
        checks.check("without a network the request says so", "could not be reached" in visit.text("#detail"))
        page.unroute("**/desk/referral.js")
        page.locator("#detail .notice.bad button").click()
        ready(visit)
        page.locator("#rows tr a").nth(1).focus()
        visit.press("a")
        checks.check("a key acts on the row that has the focus, and opens it first", until(
            visit, desk, desk.last, assigned_to=desk.me["id"]) and "the next" in visit.text(".request h2"))
        checks.equal("and not on the one that was open", desk.get(referral)["assigned_to"], None)


def check_undo(checks, desk, browser):
    """Each action that has a way back: what it did, and that Undo restores what was there."""
    def press_undo(page):
        page.locator(".toast button:has-text('Undo')").click()

    def act(label, referral, do, **after):
        before = desk.get(referral)
        with desk.page(browser, referral) as visit:
            ready(visit)
            do(visit.page)
            done = until(visit, desk, referral, **after)
            checks.check(f"{label}: done", done, after)
            press_undo(visit.page)
            visit.page.wait_for_selector(".toast:has-text('Undone')")
            now = desk.get(referral)
            restored = {name: before[name] for name in (
                "status", "partner_id", "assigned_to", "follow_up_on", "outcome", "outcome_notes", "contact_id")}
            checks.equal(f"{label}: undone", {name: now[name] for name in restored}, restored)
            checks.clean(label, visit)

    def button(name, form=None, **fields):
        def do(page):
            page.locator(".request .actions").get_by_role("button", name=name).first.click()
            for field, value in fields.items():
                page.locator(f"#{form} [name={field}][value={value}]").check()
            if form:
                page.locator(f"#{form} .actions button.main").last.click()
        return do

    pending, connected = desk.request(), desk.request("connected")
    first = desk.candidates(pending)[0]
    act("matching", pending, button(f"Match {first['company_name']}"), status="matched")
    act("looking after it", pending, button("Look after it"), assigned_to=desk.me["id"])
    act("cancelling", pending, button("Cancel", "cancel"), status="cancelled")
    act("following up", pending, lambda page: (button("Follow up")(page), page.get_by_role(
        "button", name="In 3 days").click()))
    act("taking back", desk.request("matched"), button("Take back"), status="pending")
    act("closing", connected, button("Outcome", "outcome", outcome="not_engaged"), status="closed",
        outcome="not_engaged")
    desk.site.put(f"/api/admin/referrals/{connected['id']}/outcome", {"outcome": "engaged", "outcome_notes": "Good."})
    act("closing what had an outcome", connected, button("Outcome", "outcome", outcome="unknown"), status="closed")
    act("correcting an outcome", desk.request("closed"), button("Outcome", "outcome", outcome="deal_closed"),
        outcome="deal_closed")
    introduced = desk.request("intro_sent")
    with desk.page(browser, introduced) as visit:
        ready(visit)
        button("Accepted", "accept")(visit.page)
        checks.check("a partner that has told so has accepted", until(visit, desk, introduced, status="connected"))
        visit.page.wait_for_selector(".toast")
        checks.equal("which has no way back, so none is offered", visit.page.locator(".toast button").count(), 0)
        checks.clean("accepted", visit)
    introduced = desk.request("intro_sent")
    with desk.page(browser, introduced) as visit:
        ready(visit)
        button("Take back")(visit.page)
        visit.page.wait_for_selector("#takeBack")
        checks.equal("one key or click takes no introduction back", desk.get(introduced)["status"], "intro_sent")
        visit.page.fill("#takeBack [name=note]", "No answer.")
        visit.page.locator("#takeBack button.main").click()
        checks.check("the form does", until(visit, desk, introduced, status="pending"))
        checks.equal("with its note", desk.events(introduced)[0]["note"], "No answer.")
        name = introduced["partner"]["company_name"]
        visit.page.wait_for_selector("details:has-text('not proposed') summary")
        visit.page.locator("details:has-text('not proposed') > summary").click()
        words = visit.page.locator(f".candidate:has-text('{name}')").inner_text()
        checks.check("and the partner is not proposed again, with the reason in words", "taken off it" in words, words)
        checks.clean("taking back", visit)


def check_half_undone(checks, desk, browser):
    """An Undo of two steps whose second one fails."""
    for status, words in ((409, "The test refuses it."), (NETWORK, "could not be reached"), (412, desk.ben["name"])):
        undo_half(checks, desk, browser, status, words)


def undo_half(checks, desk, browser, status, words):
    referral = desk.request("matched")
    company = referral["partner"]["company_name"]
    sent = []

    def refuse(route):
        if route.request.method == "PUT":
            sent.append(route)
        if route.request.method != "PUT" or len(sent) < 2:
            return route.fallback()
        if status != 412:
            return answer(route, status)
        desk.as_ben(referral, {"follow_up_on": "2027-01-05"})
        return route.fallback()
    with desk.page(browser, referral) as visit:
        page = ready(visit).page
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.locator("#cancel button.main").click()
        page.wait_for_selector(".toast button:has-text('Undo')")
        page.route(f"**/api/admin/referrals/{referral['id']}", refuse)
        visit.expect(status)
        page.locator(".toast button:has-text('Undo')").click()
        page.wait_for_selector(".request .notice:has-text('Only a part')")
        said = visit.text(".request .notice")
        checks.check(f"{status or 'no network'} at the second step of Undo: it says what was done and what was not",
                     "Done: reopening the request." in said and f": matching it with {company}." in said and
                     words in said and "nothing was done" not in said, said)
        checks.check("and shows it as it is", desk.get(referral)["status"] == "pending" and "New for" in visit.text(
            ".request header"), visit.text(".request header"))
        checks.clean("half an Undo", visit)


def check_introduction(checks, desk, browser):
    referral = desk.request("matched")
    contact = desk.get(referral)["contact_id"]
    desk.site.put(f"/api/admin/users/{contact}", {"disabled": True})
    with desk.page(browser, referral) as visit:
        page = ready(visit).page
        visit.press("i")
        page.wait_for_selector("dialog .notice.bad")
        words = visit.text("dialog .notice.bad")
        checks.check("what is missing is said in words, and there is no button to introduce", "contact" in words and
                     page.locator("dialog button.main").count() == 0, words)
        visit.press("Escape")
        page.get_by_role("button", name="Change the contact").click()
        page.wait_for_selector("#contact select")
        other = page.locator("#contact option").nth(1).get_attribute("value")
        page.select_option("#contact select", other)
        page.locator("#contact button.main").click()
        checks.check("another contact is chosen", until(visit, desk, referral, contact_id=other))
        visit.wait("!document.querySelector('#contact')")

        def without_mail(route):
            found = route.fetch()
            return route.fulfill(response=found, body=json.dumps({**found.json(), "missing": ["mail_not_configured"]}))
        page.route("**/introduction", without_mail)
        visit.press("i")
        page.wait_for_selector("dialog button.main")
        check_axe(checks, visit, "the letters")
        words = visit.text("dialog .foot")
        checks.check("who sends is said", "Send both yourself" in words and page.locator(
            "dialog a[href^='mailto:']").count() == 2, words)
        visit.press("Escape")
        page.unroute("**/introduction")
        visit.expect(*FAILURES)
        page.route("**/introduction", lambda route: answer(route, 500))
        visit.press("i")
        page.wait_for_selector("dialog .notice.bad button")
        checks.check("letters that cannot be read are explained", "on our side" in visit.text("dialog"))
        page.unroute("**/introduction")
        page.locator("dialog .notice.bad button").click()
        page.wait_for_selector("dialog #introduction button.main")
        # What a 412 does is in check_letters.
        check_form(checks, visit, "introducing", "PUT", f"**/api/admin/referrals/{referral['id']}", "#introduction",
                   [one for one in FAILURES if one != 412])
        checks.equal("after all that it is not introduced", desk.get(referral)["status"], "matched")
        page.locator("#introduction button.main").click()
        checks.check("and then it is", until(visit, desk, referral, status="intro_sent"))
        checks.clean("the introduction", visit)


def check_facts(checks, desk, browser):
    referral = desk.request(group_size=3, home_price_range={"min": 420000, "max": 500000}, timeline="by March",
                            specific_need="A TIC agreement.\nOne of us is abroad.")
    with desk.page(browser, referral) as visit:
        page = ready(visit).page
        words = page.locator(".request").inner_text()
        wanted = ["attorney in California", "One of us is abroad", "$420,000 to $500,000", "by March", "Mia",
                  "Not recorded"]
        checks.equal("all of the need is there", [one for one in wanted if one not in words], [])
        page.get_by_role("button", name="Record the consent").click()
        page.fill("#consent [name=consent_version]", "2026-01")
        page.locator("#consent [name=consent_version]").press("Enter")
        checks.check("the consent is recorded", until(visit, desk, referral, consent_version="2026-01"))
        page.get_by_role("button", name="Hand over").click()
        page.select_option("#handOver select", label=desk.ben["name"])
        page.locator("#handOver .main").click()
        checks.check("it is handed over to a colleague", until(visit, desk, referral, assigned_to=desk.ben["id"]))
        page.locator("summary:has-text('History')").click()
        page.wait_for_selector(".timeline li >> nth=1")
        checks.check("the history tells it", "2026-01" in visit.text(".timeline"), visit.text(".timeline"))
        page.locator("summary:has-text('Letters')").click()
        page.locator(".request li summary").first.click()
        page.wait_for_selector(".letter")
        checks.check("a letter can be read", len(visit.text(".letter")) > 100)
        visit.open(f"/desk/referral?id={referral['id']}")
        page.wait_for_selector(".timeline li")
        checks.check("what was unfolded stays so for the next request", page.locator("details[open]").count() == 2)
        checks.clean("facts", visit)
    for path in ("/desk/referral?id=019ab4c3-7f10-7d21-8b3c-0a1b2c3d4e5f", "/desk/referral?id=nonsense",
                 "/desk?status=pending&sort=status_since&open=nonsense"):
        with desk.visit(browser) as visit:
            visit.expect(404).open(path)
            visit.page.wait_for_selector(".request a[href='/desk']")
            checks.check("a request that does not exist is said to", "does not exist" in visit.text("main"))
            asked = [request.url for request in visit.requests if "/api/admin/referrals/" in request.url]
            checks.equal("and nothing more is asked", len(asked), 1)
            checks.clean("an unknown request", visit)


def check_two(checks, desk, browser):
    """Two people of staff at one request at once."""
    referral = desk.request("matched")
    with desk.page(browser, referral) as visit:
        page = ready(visit).page
        visit.press("n")
        page.wait_for_selector("#note textarea")
        page.fill("#note textarea", "What I typed.")
        desk.as_ben(referral, {"status": "intro_sent"})
        visit.expect(412)
        page.locator("#note button.main").click()
        page.wait_for_selector("#note .summary")
        words = visit.text("#note .summary")
        checks.check("412: it says who did what, and when", desk.ben["name"] in words and "ago" in words and
                     "Matched → Introduced" in words, words)
        checks.equal("412: what was typed is kept", page.input_value("#note textarea"), "What I typed.")
        checks.check("412: the request is shown as it is now", "Introduced" in visit.text(".request header"))
        checks.equal("412: nothing was written", desk.events(referral)[0]["kind"], "referral.intro_sent")
        page.locator("#note button.main").click()
        visit.wait("!document.querySelector('#note')")
        checks.equal("saved again, it is", desk.events(referral)[0]["note"], "What I typed.")
        checks.clean("two at a note", visit)
    referral = desk.request()
    first, second = desk.candidates(referral)[:2]
    with desk.page(browser, referral) as visit:
        ready(visit)
        desk.as_ben(referral, {"partner_id": second["id"]})
        visit.expect(412)
        visit.press("m", "1")
        visit.page.wait_for_selector(".request .notice")
        words = visit.text(".request .notice")
        checks.check("412 at a key: who did what, and that nothing was done", desk.ben["name"] in words and
                     "New → Matched" in words and "nothing was done" in words, words)
        checks.equal("their match stays", desk.get(referral)["partner_id"], second["id"])
        visit.press("m", "1")
        checks.check("decided again, it is done", until(visit, desk, referral, partner_id=first["id"]))
        visit.page.wait_for_selector(".toast button:has-text('Undo')")
        desk.as_ben(referral, {"follow_up_on": "2027-01-05"})
        visit.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        visit.page.wait_for_selector(".request .notice:has-text('Jan 5, 2027')")
        visit.press("u")
        visit.page.wait_for_selector(".request .notice:has-text('nothing was done')")
        checks.equal("Undo does not undo past somebody else", desk.get(referral)["partner_id"], first["id"])
        checks.clean("two at a match", visit)


def check_letters(checks, desk, browser):
    """The letters that are sent are those that were read, whatever somebody else does meanwhile."""
    referral = desk.request("matched")
    second, third = [one for one in desk.candidates(referral) if one["id"] != referral["partner_id"]][:2]
    with desk.page(browser, referral) as visit:
        page = ready(visit).page
        path = f"/api/admin/referrals/{referral['id']}"
        visit.press("i")
        page.wait_for_selector("#introduction button.main")
        words = visit.text("dialog")
        checks.check("it says who looks after the request then, when it comes back, and that no consent is recorded",
                     "You look after the request" in words and "follow-up on" in words and
                     "No consent is recorded" in words, words[-300:])
        desk.as_ben(referral, {"partner_id": second["id"]})
        visit.expect(412)
        page.locator("#introduction button.main").click()
        page.wait_for_selector("#introduction .notice[role=alert]")
        words = visit.text("dialog")
        checks.check("412: it says who changed what, and shows the letters to the new partner", all(
            one in words for one in (desk.ben["name"], second["company_name"], "nothing was sent")) and
            second["company_name"] in visit.text("#introduction-title"), words[:300])
        checks.check("and Enter sends nothing: the focus is on what is new", page.evaluate(
            "document.activeElement.matches('.notice')"))
        visit.press("Enter")
        page.wait_for_timeout(300)
        checks.equal("it is not introduced", desk.get(referral)["status"], "matched")
        desk.as_ben(referral, {"partner_id": third["id"]})
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        visit.wait("document.querySelector('#introduction-title').textContent.includes("
                   f"{json.dumps(third['company_name'])})")
        page.wait_for_selector("#introduction .letter")
        to = site_letter(desk, referral)
        checks.check("a change that is seen before the button is pressed shows new letters at once", to in visit.text(
            "#introduction"), to)
        page.locator("#introduction button.main").click()
        checks.check("then it is introduced", until(visit, desk, referral, status="intro_sent",
                                                    partner_id=third["id"], assigned_to=desk.me["id"]))
        body = visit.sent("PUT", path)[-1].post_data_json
        checks.equal("with the partner of the letters", [body["status"], body["partner_id"]],
                     ["intro_sent", third["id"]])
        soon = (datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=3)).isoformat()
        checks.equal("and it comes back in 3 days", desk.get(referral)["follow_up_on"], soon)
        checks.clean("letters", visit)
    referral = desk.request("matched")
    desk.site.put(f"/api/admin/referrals/{referral['id']}", {
        "assigned_to": desk.ben["id"], "follow_up_on": "2027-03-04", "consent_version": "v1"})
    with desk.page(browser, referral) as visit:
        page = ready(visit).page
        visit.press("i")
        page.wait_for_selector("#introduction button.main")
        words = visit.text("dialog")
        checks.check("what is recorded is not said to be missing", "consent" not in words and
                     "look after" not in words and "follow-up on" not in words, words[-200:])
        desk.as_ben(referral, {"status": "intro_sent"})
        visit.expect(412)
        page.locator("#introduction button.main").click()
        page.wait_for_selector("#introduction .notice[role=alert]")
        checks.check("what somebody else has introduced is not introduced again", page.locator(
            "#introduction button.main").count() == 0 and "cannot be introduced now" in visit.text("dialog"))
        now = desk.get(referral)
        checks.equal("who looks after it and the day stay", [now["assigned_to"], now["follow_up_on"]],
                     [desk.ben["id"], "2027-03-04"])
        checks.clean("letters of two", visit)


def site_letter(desk, referral):
    """The address that the letter to the partner would go to."""
    return desk.site.get(f"/api/admin/referrals/{referral['id']}/introduction")["to_partner"]["to"]


def check_bound(checks, desk, browser):
    """After another's change, a second press of a form does not do what the form does not say."""
    referral = desk.request("intro_sent")
    with desk.page(browser, referral) as visit:
        page = ready(visit).page
        page.get_by_role("button", name="Take back").click()
        page.fill("#takeBack [name=note]", "No answer.")
        other = next(one for one in desk.candidates(referral) if one["id"] != referral["partner_id"])
        for body in ({"status": "pending"}, {"partner_id": other["id"]}, {"status": "intro_sent"}):
            desk.as_ben(referral, body)
        visit.expect(412)
        page.locator("#takeBack button.main").click()
        page.wait_for_selector("#takeBack .notice")
        words = visit.text("#takeBack")
        checks.check("the form is drawn anew, for the new partner", other["company_name"] in words and
                     desk.ben["name"] in words and "nothing was done" in words, words)
        checks.equal("with what was typed", page.input_value("#takeBack [name=note]"), "No answer.")
        desk.as_ben(referral, {"status": "cancelled"})
        page.locator("#takeBack button.main").click()
        page.wait_for_selector("#note .notice")
        checks.check("what cannot be done any more has no form, and the note is not lost",
                     page.locator("#takeBack").count() == 0 and desk.get(referral)["status"] == "cancelled" and
                     page.input_value("#note textarea") == "No answer.", visit.text("#note"))
        checks.clean("forms of two", visit)
    referral = desk.request("connected")
    with desk.page(browser, referral) as visit:
        page = ready(visit).page
        page.get_by_role("button", name="Outcome").click()
        page.check("#outcome [value=deal_closed]")
        page.fill("#outcome textarea", "They signed on Friday.")
        desk.as_ben(referral, {"status": "cancelled"})
        visit.expect(412)
        page.locator("#outcome button.main").click()
        page.wait_for_selector("#note .notice")
        checks.check("the notes of an outcome are not lost either", "nothing was done" in visit.text("#note .notice")
                     and page.input_value("#note textarea") == "They signed on Friday.", visit.text("#note .notice"))
        asked = []
        page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
        visit.press("Escape")
        checks.check("and closing it asks first", len(asked) == 1 and page.locator("#note").count() == 1)
        page.locator("#note button.main").click()
        visit.wait("!document.querySelector('#note')")
        checks.equal("they can be kept as a note", desk.events(referral)[0]["note"], "They signed on Friday.")
        checks.clean("an outcome of two", visit)


def check_keys(checks, desk, browser):
    """Keys while a form is open."""
    referral = desk.request("intro_sent")
    with desk.page(browser, referral) as visit:
        page = ready(visit).page
        visit.press("n")
        page.wait_for_selector("#note textarea")
        visit.press("Escape")
        page.wait_for_selector("#note", state="detached")
        checks.check("one Esc closes an empty form", page.locator(".request").count() == 1)
        visit.press("n")
        page.keyboard.type("Half")
        asked = []
        page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
        visit.press("Escape")
        checks.check("with a text it asks", len(asked) == 1 and page.input_value("#note textarea") == "Half")
        page.evaluate("document.activeElement.blur()")
        visit.press("f")
        page.wait_for_selector(".toast:has-text('Finish this form first')")
        checks.check("another key leaves the form alone", page.input_value("#note textarea") == "Half" and
                     page.locator("#followUp").count() == 0)
        page.evaluate("document.activeElement.blur()")
        visit.press("n")
        visit.wait("document.activeElement.matches('#note textarea')")
        page.once("dialog", lambda dialog: dialog.accept())
        visit.press("Escape")
        page.wait_for_selector("#note", state="detached")
        visit.press("f")
        page.fill("#followUp [name=follow_up_on]", "")
        page.locator("#followUp button.main").click()
        page.wait_for_selector("#followUp .field .error")
        checks.check("no day is refused at its field", "Choose a day" in visit.text("#followUp .field .error"))
        page.fill("#followUp [name=follow_up_on]", "2020-01-01")
        checks.check("a day that is over has a hint", "This day is over" in visit.text("#followUp"))
        checks.clean("keys at forms", visit)


def check_filters(checks, desk, browser):
    """What a filter cannot say is said above the list, and what the API refuses at its control."""
    referral = desk.request(name="Scope")
    group = referral["group_id"]
    with desk.visit(browser, f"/desk?sort=-created_at&group_id={group}&older_than_days=0&state=CA") as visit:
        page = visit.page
        page.wait_for_selector("#scope p >> nth=1")
        visit.settle()
        checks.check("filters without a control are said", "of the group Scope" in visit.text("#scope") and
                     "0 days ago or earlier" in visit.text("#scope"), visit.text("#scope"))
        page.locator("#scope p:has-text('Scope') button").click()
        visit.wait("document.querySelectorAll('#scope p').length === 1")
        checks.check("and can be taken off alone", "group_id" not in visit.path and "state=CA" in visit.path, visit.path)
        visit.expect(400).open("/desk?sort=-created_at&state=XX")
        page.wait_for_selector("#filter-state-error")
        checks.check("a value that no filter has shows as unknown, and the error is at its control",
                     page.locator("#filter-state option:checked").inner_text() == "XX (unknown)" and
                     "state:" not in visit.text("main"), visit.text("#rows"))
        page.select_option("#filter-state", "CA")
        page.wait_for_selector("#rows tr td:nth-child(2)")
        checks.equal("another value takes it away", page.locator("#filter-state-error").count(), 0)
        names = page.locator("#filter-assigned_to option").all_inner_texts()
        checks.equal("nobody is in the filter twice", names.count(desk.me["name"]), 0)
        checks.clean("filters", visit)
    over = desk.request("closed", name="Over")
    desk.site.put(f"/api/admin/referrals/{over['id']}", {"follow_up_on": "2026-01-02"})
    with desk.visit(browser, f"/desk?sort=-created_at&group_id={over['group_id']}&open={over['id']}") as visit:
        ready(visit)
        checks.check("what is over is not due", "Due" not in visit.text("#rows") and "Follow up on" not in visit.text(
            ".request header"), visit.text("#rows"))
        checks.clean("what is over", visit)
    with desk.visit(browser, "/desk") as visit:
        visit.page.wait_for_selector("#rows tr")
        visit.press("?")
        visit.page.wait_for_selector("dialog .keys")
        checks.check("? lists the keys of a request before one is open", "Undo the last action" in visit.text(
            "dialog .keys"), visit.text("dialog .keys"))
        checks.clean("keys", visit)
    with browser.visit(token=desk.site.tokens["member"]) as visit:
        visit.expect(403).open("/desk").page.wait_for_selector("h1:has-text('not for you')")
        checks.check("whoever is not signed in as staff reads how staff signs in", "an admin token, or with a link that "
                     "the server prints" in visit.text("main"), visit.text("main"))
        left = visit.page.evaluate("[...document.querySelectorAll('main > *')].map((e) => e.offsetLeft)")
        checks.equal("in one column", len(set(left)), 1)
        checks.clean("not for members", visit)


def check_others(checks, desk, browser):
    """What others change comes within a minute, and nothing that is typed is lost."""
    referral, other = desk.request(name="Others A"), desk.request(name="Others B")
    with desk.visit(browser, f"/desk?q=Others&status=pending&sort=created_at&open={referral['id']}") as visit:
        page = ready(visit).page
        page.wait_for_selector("#rows tr >> nth=1")
        visit.press("n")
        page.wait_for_selector("#note textarea")
        page.keyboard.type("Half a no")
        desk.as_ben(referral, {"follow_up_on": "2027-01-05"})
        desk.as_ben(other, {"status": "cancelled"})
        page.wait_for_selector(".request .notice", timeout=60_000)
        words = visit.text(".request .notice")
        checks.check("within a minute the request says who did what", desk.ben["name"] in words and
                     "Jan 5, 2027" in words, words)
        page.wait_for_selector("#rows tr.gone:has-text('Others B')", timeout=60_000)
        checks.check("the row that is gone is greyed, and stays", page.locator("#rows tr").count() == 2)
        checks.check("the row that changed shows it", "Jan 5, 2027" in visit.text("#rows tr:has-text('Others A')"))
        page.keyboard.type("te")
        checks.equal("what is being typed goes on", page.input_value("#note textarea"), "Half a note")
        visit.press("Tab", "Enter")
        visit.wait("!document.querySelector('#note')")
        checks.equal("and is saved without a conflict", desk.events(referral)[0]["note"], "Half a note")
        asked = []
        visit.press("n")
        page.wait_for_selector("#note textarea")
        page.keyboard.type("Unsaved")
        page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
        page.locator("#rows tr:has-text('Others B') a").click()
        page.wait_for_timeout(300)
        checks.check("another row asks before it takes what is typed away", len(asked) == 1 and
                     page.input_value("#note textarea") == "Unsaved" and referral["id"] in visit.path, asked)
        page.once("dialog", lambda dialog: dialog.accept())
        page.locator("#rows tr:has-text('Others B') a").click()
        page.wait_for_selector(".request h2:has-text('Others B')")
        checks.clean("others", visit)


def check_failures(checks, desk, browser):
    """Each form against each failure."""
    pending, connected, cancelled = desk.request(), desk.request("connected"), desk.request("cancelled")

    def check(referral, label, form, opener, fields=None, path=""):
        with desk.page(browser, referral) as visit:
            page = ready(visit).page
            page.locator(".request").get_by_role("button", name=opener).first.click()
            page.wait_for_selector(f"#{form}")
            for selector, value in (fields or {}).items():
                if value is True:
                    page.check(f"#{form} {selector}")
                else:
                    page.fill(f"#{form} {selector}", value)
            target = f"**/api/admin/referrals/{referral['id']}{path}"
            check_form(checks, visit, label, "PUT", target, f"#{form}", FAILURES)
            page.locator(f"#{form} button.main").click()
            visit.wait(f"!document.querySelector('#{form}')")
            checks.clean(label, visit)

    check(pending, "a note", "note", "Note", {"textarea": "A note."})
    checks.equal("the note is there once", sum(event["note"] == "A note." for event in desk.events(pending)), 1)
    check(pending, "a day", "followUp", "Follow up", {"[name=follow_up_on]": "2027-02-03"})
    checks.equal("the day is there", desk.get(pending)["follow_up_on"], "2027-02-03")
    check(pending, "the contact", "contact", "Change the contact")
    check(pending, "the consent", "consent", "Record the consent", {"[name=consent_version]": "v3"})
    check(pending, "cancelling", "cancel", "Cancel", {"textarea": "They found one."})
    checks.equal("it is cancelled, with the note", [desk.get(pending)["status"], desk.events(pending)[0]["note"]],
                 ["cancelled", "They found one."])
    check(cancelled, "reopening", "reopen", "Reopen", {"textarea": "Again."})
    checks.equal("it is open again", desk.get(cancelled)["status"], "pending")
    check(connected, "the outcome", "outcome", "Outcome", {"[value=not_engaged]": True, "textarea": "No."}, "/outcome")
    checks.equal("the outcome is there", desk.get(connected)["outcome_notes"], "No.")

    referral = desk.request("intro_sent")
    with desk.page(browser, referral) as visit:
        page = ready(visit).page
        visit.expect(422)
        visit.press("o")
        page.locator("#outcome button.main").click()
        page.wait_for_selector("#outcome .error")
        checks.check("422: the error stands at its field", page.locator("#outcome fieldset .error").count() == 1,
                     visit.text("#outcome .error"))
        page.locator("#outcome .actions").get_by_role("button", name="Not now").click()
        visit.press("n")
        page.locator("#note button.main").click()
        page.wait_for_selector("#note .error")
        checks.check("an empty note is refused at its field", "required" in visit.text("#note .error"))
        page.focus("#note textarea")
        page.keyboard.insert_text("x" * 2_005)
        page.locator("#note button.main").click()
        page.wait_for_selector("#note .error:has-text('2000')")
        checks.check("one that is too long is not cut, and it says by how much", "this has 2005" in visit.text(
            "#note .error") and len(page.input_value("#note textarea")) == 2_005, visit.text("#note .error"))
        checks.clean("errors at fields", visit)
    referral = desk.request()
    first = desk.candidates(referral)[0]
    with desk.page(browser, referral) as visit:
        page = ready(visit).page
        path = f"**/api/admin/referrals/{referral['id']}"
        visit.expect(*FAILURES)

        def refuse(route):
            return answer(route, status) if route.request.method == "PUT" else route.fallback()
        for status in FAILURES:
            page.route(path, refuse)
            visit.press("m", "1")
            page.wait_for_selector(".request .notice")
            words = visit.text(".request .notice")
            checks.check(f"matching by key, {status or 'no network'}: it says so", len(words) > 20, words)
            page.unroute(path, refuse)
            page.evaluate("document.querySelector('.request .notice').remove()")
        checks.equal("and nothing was done", desk.get(referral)["status"], "pending")
        visit.press("m", "1")
        checks.check("then it is", until(visit, desk, referral, status="matched", partner_id=first["id"]))
        again = desk.site.send(201, "POST", f"/api/groups/{referral['group_id']}/referrals", {
            "partner_type": "cpa", "requested_by": referral["requested_by"], "context": {"state": "CA"}})
        desk.site.put(f"/api/admin/referrals/{again['id']}", {"status": "cancelled"})
        desk.site.send(201, "POST", f"/api/groups/{referral['group_id']}/referrals", {
            "partner_type": "cpa", "requested_by": referral["requested_by"], "context": {"state": "CA"}})
        visit.open(f"/desk/referral?id={again['id']}")
        ready(visit)
        visit.press("r")
        page.locator("#reopen button.main").click()
        page.wait_for_selector("#reopen .summary")
        words = visit.text("#reopen .summary")
        checks.check("409: another open request is named in words", "another open request" in words and
                     "/api/" not in words, words)
        checks.clean("failures of keys", visit)
    with desk.visit(browser) as visit:
        visit.expect(503)
        visit.page.route("**/candidates?*", lambda route: answer(route, 503))
        visit.open(f"/desk/referral?id={referral['id']}")
        visit.page.wait_for_selector(".request .notice.bad button")
        checks.check("a part that cannot be read leaves the others", visit.page.locator(".request .facts").is_visible())
        visit.page.unroute("**/candidates?*")
        visit.page.locator(".request .notice.bad button").click()
        visit.page.wait_for_selector(".candidates li")
        checks.clean("a part fails", visit)


def check_end(checks, desk, browser):
    """A token that ends keeps what was typed."""
    referral = desk.request()
    made = desk.site.service.command("token", "create", "--admin", "--email", STAFF).strip()
    with browser.visit(f"/desk/referral?id={referral['id']}", token=made) as visit:
        page = ready(visit).page
        visit.press("n")
        page.wait_for_selector("#note textarea")
        page.keyboard.type("A long note.")
        listed = desk.site.get(f"/api/admin/users/{desk.me['id']}/tokens")["data"]
        newest = max(listed, key=lambda one: one["created_at"])
        desk.site.send(204, "DELETE", f"/api/admin/tokens/{newest['id']}")
        visit.expect(401)
        page.locator("#note button.main").click()
        page.wait_for_selector("#note .summary a")
        checks.check("401: it says so, and what is kept", "is kept" in visit.text("#note .summary"))
        page.locator("#note .summary a").click()
        page.wait_for_url("**/sign-in?return=*")
        page.get_by_text("Sign in with a token").click()
        page.fill("#token [name=token]", desk.token)
        page.locator("#token [name=token]").press("Enter")
        page.wait_for_url("**/desk/referral?id=*")
        page.wait_for_selector("#note textarea")
        checks.equal("after signing in, the note is there", page.input_value("#note textarea"), "A long note.")
        page.locator("#note button.main").click()
        visit.wait("!document.querySelector('#note')")
        checks.equal("and is kept", desk.events(referral)[0]["note"], "A long note.")
        checks.clean("a token that ends", visit)


def check_drafts(checks, desk, browser):
    """What was typed when a sign-in ended is there again, in every form of a request."""
    referral = desk.request("intro_sent")

    def typed(opener, form, do, path=f"/desk/referral?id={referral['id']}", meanwhile=None):
        with desk.visit(browser, path) as visit:
            page = ready(visit).page
            page.locator(".request").get_by_role("button", name=opener, exact=True).first.click()
            page.wait_for_selector(f"#{form}")
            do(page)
            held = "form => [...new FormData(document.querySelector(form))].join()"
            before = page.evaluate(held, f"#{form}")
            visit.expect(401)
            target = f"**/api/admin/referrals/{referral['id']}*"
            page.route(target, lambda route: answer(route, 401) if route.request.method == "PUT" else route.fallback())
            page.locator(f"#{form} button.main").click()
            page.wait_for_selector(f"#{form} .summary a")
            page.unroute(target)
            if meanwhile:
                meanwhile()
            sign_in_again(visit, desk.token, visit.path)
            if meanwhile:
                page.wait_for_selector("#note .notice")
                checks.equal(f"{opener}: what is not possible any more leaves its text in a note",
                             page.input_value("#note textarea"), "Not lost.")
            else:
                page.wait_for_selector(f"#{form} .summary.note")
                checks.equal(f"{opener}: after signing in, what was typed is there", page.evaluate(held, f"#{form}"),
                             before)
            checks.clean(opener, visit)
    typed("Record the consent", "consent", lambda page: page.fill("#consent input", "v9"))
    typed("Hand over", "handOver", lambda page: page.select_option("#handOver select", label=desk.ben["name"]))
    typed("Change the contact", "contact", lambda page: page.select_option("#contact select", page.locator(
        "#contact option:not(:checked)").last.get_attribute("value")))
    typed("Follow up", "followUp", lambda page: page.fill("#followUp input", "2027-03-04"),
          f"/desk?status=pending,intro_sent&sort=-created_at&q=Group&open={referral['id']}")
    typed("Take back", "takeBack", lambda page: page.fill("#takeBack textarea", "Not lost."),
          meanwhile=lambda: desk.as_ben(referral, {"status": "cancelled"}))
