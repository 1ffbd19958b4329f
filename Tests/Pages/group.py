"""A group's page: who fits, asking, what becomes of it on both sides, cancelling."""

import json

from demo import CONSENT
from failing import check_form
from sides import Sides, sign_in_again

HOSTILE = '<img src=x onerror="document.title=1">'


def run(checks, site, browser, _):
    check_state(checks, site, browser)
    check_asking(checks, site, browser)
    check_refusals(checks, site, browser)
    check_life(checks, site, browser)
    check_cancelling(checks, site, browser)
    check_names(checks, site, browser)
    check_wrong_groups(checks, site, browser)


def main_request(sides):
    return sides.as_("member", 200, "GET", f"/api/groups/{sides.group}/referrals")["data"][0]


def check_state(checks, site, browser):
    """A group without a state, who fits in one, and the waiting list where nobody does."""
    sides = Sides(site, "stateless", state=None)
    with browser.visit(token=sides.tokens["member"]) as visit:
        page = visit.page
        visit.expect(400).open(sides.page).page.wait_for_selector("#fits select")
        checks.check("a group without a state says what to do", "Where do you want to buy?" in visit.text("#fits")
                     and "Choose one" in visit.text("#fits"), visit.text("#fits h2"))
        checks.check("nothing is next, and nothing was asked", not page.locator("#next").is_visible()
                     and not page.locator("#open").is_visible())
        checks.check("the Tab key comes to the state", visit.tab_to("#fits select"))
        page.keyboard.type("Nevada")
        page.wait_for_selector("#fits .types")
        checks.equal("what is chosen stands in the address", visit.path, f"{sides.page}&state=NV")
        wanted = sides.as_("member", 200, "GET", f"/api/groups/{sides.group}/recommendations?state=NV")
        found = [name for fit in wanted["data"] for name in (partner["company_name"] for partner in fit["partners"])]
        checks.equal("it shows the partners that fit, in the order of the API", page.locator(
            "#fits .types ul a").all_inner_texts(), found)
        checks.check("and why, and by which order", "Serves Nevada" in visit.text("#type-attorney") and
                     "Never by payment" in visit.text("#fits"), visit.text("#type-attorney"))
        visit.context.set_offline(True)
        page.select_option("#fits select", "UT")
        page.wait_for_selector("#fits .notice.bad")
        checks.equal("offline it says so, below the state that was chosen", (visit.text("#fits h2"), "You seem to be "
                     "offline" in visit.text("#fits .notice")), ("Who fits in Utah", True))
        visit.context.set_offline(False)
        page.select_option("#fits select", "NV")
        page.wait_for_selector("#fits .types")
        checks.check("the next thing is the first type that is available", "Begin with" in visit.text("#next h2"),
                     visit.text("#next h2"))
        page.go_back()
        page.wait_for_selector("#fits h2:has-text('Where do you want')")
        checks.clean("choosing a state", visit)

        missing = next(fit["partner_type"] for fit in wanted["data"] if fit["status"] != "available")
        visit.open(f"{sides.page}&state=NV").page.locator(f"#type-{missing} a").click()
        page.wait_for_selector("#state .types")
        checks.equal("what is coming offers the waiting list", visit.path, f"/?state=NV&type={missing}")
        page.locator("#state .types li").first.get_by_role("button").click()
        page.fill(f"#wait-{missing} [name=email]", sides.emails["member"])
        page.locator(f"#wait-{missing} .main").click()
        page.wait_for_selector("#state .notice.note")
        site.link(sides.emails["member"], "/#confirm=[\\w-]+")
        checks.check("and its letter arrives", True)
        checks.clean("the waiting list", visit)
    sides.close()


def check_asking(checks, site, browser):
    """The form, by keyboard alone, with each failure; and what the service then knows."""
    sides = Sides(site, "asking")
    with browser.visit(sides.page, token=sides.tokens["member"]) as visit:
        page = visit.page
        page.wait_for_selector("#next .main")
        checks.check("a link sends nothing by itself", not visit.sent("POST"))
        checks.check("the Tab key comes to what is next", visit.tab_to("#next .main"))
        visit.press("Enter")
        page.wait_for_selector("#request")
        checks.equal("it asks for an attorney in the group's state", (visit.text("h1"), page.input_value(
            "[name='context.state']")), ("Ask for an attorney", "NV"))
        checks.check("it says what the partner gets to know", sides.emails["member"] in visit.text("#request"))
        for name, text in (("specific_need", "Review\nof our agreement"), ("group_size", "0"),
                           ("home_price_range.min", "500000"), ("home_price_range.max", "420000"),
                           ("timeline", "by March")):
            checks.check(f"the Tab key comes to {name}", visit.tab_to(f"[name='context.{name}']"))
            page.keyboard.type(text)
        checks.check("the Tab key comes to the consent", visit.tab_to("[name=consent_version]"))
        visit.press("Space")
        visit.expect(422)
        checks.check("and to the button", visit.tab_to("#request .main"))
        visit.press("Enter")
        page.wait_for_selector("#request .error")
        wrong = page.eval_on_selector_all("[aria-invalid]", "all => all.map((one) => one.name)")
        checks.check("what is wrong stands at its fields", "context.group_size" in wrong and any(
            name.startswith("context.home_price_range") for name in wrong), wrong)
        page.fill("[name='context.group_size']", "4")
        page.fill("[name='context.home_price_range.max']", "650000")
        check_form(checks, visit, "asking", "POST", "**/referrals", "#request")
        page.locator("#request .main").focus()
        visit.press("Enter")
        page.wait_for_url("**/group?id=*#request-*")
        page.wait_for_selector("#open .card .timeline")
        made = main_request(sides)
        checks.equal("the service has the request as it was typed", (made["partner_type"], made["context"]), (
            "attorney", {"group_size": 4, "home_price_range": {"min": 500000, "max": 650000}, "timeline": "by March",
                         "state": "NV", "specific_need": "Review\nof our agreement"}))
        checks.equal("with the consent, and whom to contact", (made["consent_version"], made["contact_id"]),
                     (CONSENT, sides.users["member"]))
        checks.equal("the page goes to it", page.evaluate("document.activeElement.id"), f"request-{made['id']}")
        card = visit.text(f"#request-{made['id']}")
        checks.check("it says how it stands, and since when", "Attorney in Nevada" in card and "You asked, just now" in
                     card and "looking for somebody" in card, card)
        checks.check("on top: nothing to do now", "Tomi is looking for an attorney" in visit.text("#next") and
                     "need not do anything" in visit.text("#next"), visit.text("#next"))
        checks.check("it offers no second one of the kind", "see how it stands" in visit.text("#type-attorney") and
                     page.locator("#type-attorney .button").count() == 0, visit.text("#type-attorney"))
        checks.clean("asking", visit)
    link = site.link(sides.emails["member"], "/group\\?id=[0-9a-f-]+")
    with browser.visit(link, token=sides.tokens["other"]) as visit:
        visit.page.wait_for_selector("#open .timeline")
        checks.check("the letter's link opens the group, for the others too", sides.name in visit.text("h1") and
                     "Your group asked" in visit.text("#open"), visit.text("#open .timeline"))
        checks.check("and does nothing by itself", not visit.sent("POST") and not visit.sent("PUT"))
        checks.clean("the letter's link", visit)
    sides.close()


def check_refusals(checks, site, browser):
    sides = Sides(site, "refused")
    path = f"/group/ask?id={sides.group}&type=attorney&state=NV"
    with browser.visit(path, token=sides.tokens["member"]) as visit:
        page = visit.page
        page.fill("[name='context.specific_need']", "What I typed.")
        page.fill("[name='context.group_size']", "5")
        asked = sides.request()
        visit.expect(409, 429, 401)
        page.locator("#request .main").click()
        page.wait_for_selector("#request .summary a")
        checks.check("409: it says that there is one already, at no field, and keeps what was typed", "already" in
                     visit.text("#request .summary") and page.locator("#request .error").count() == 0 and
                     page.input_value("[name='context.specific_need']") == "What I typed.",
                     visit.text("#request .summary"))
        checks.equal("and leads to it", page.get_attribute("#request .summary a", "href"),
                     f"{sides.page}#request-{asked}")

        quota = json.dumps({"code": "quota_exceeded", "status": 429, "detail": "A group can make 30."})
        page.route("**/referrals", lambda route: route.fulfill(
            status=429, headers={"Retry-After": "3600"}, content_type="application/problem+json", body=quota))
        page.locator("#request .main").click()
        page.wait_for_selector("#request .summary:has-text('tomorrow')")
        checks.check("429: it says when to ask again", "is kept" in visit.text(".summary"), visit.text(".summary"))
        page.unroute("**/referrals")

        sides.end_token("member")
        page.locator("#request .main").click()
        page.wait_for_selector("#request .summary a")
        sign_in_again(visit, sides.tokens["member"], path)
        page.wait_for_selector("#request .summary")
        typed = [page.input_value(f"[name='context.{name}']") for name in ("specific_need", "group_size")]
        checks.equal("an expired token: after signing in again, what was typed is there", typed, ["What I typed.", "5"])
        checks.clean("refusals", visit)
    with browser.visit(f"/group/ask?id={sides.group}", token=sides.tokens["member"]) as visit:
        visit.page.get_by_text("Lender", exact=True).click()
        visit.page.select_option("[name='context.state']", "UT")
        visit.page.locator("#request .main").click()
        visit.page.wait_for_url("**/group?id=*#request-*")
        made = main_request(sides)
        checks.equal("without a type in the address it asks which one", (made["partner_type"],
                     made["context"]["state"], made["consent_version"]), ("lender", "UT", None))
        checks.clean("choosing a type", visit)
    check_filled(checks, browser, sides)
    sides.close()


def check_filled(checks, browser, sides):
    """What the form begins with: what the group said last, unless it took it back."""
    group = f"/api/groups/{sides.group}/referrals"
    for size, ends in ((3, False), (9, True)):
        made = sides.as_("member", 201, "POST", group, {
            "partner_type": "cpa" if ends else "title", "context": {"state": "UT", "group_size": size}})["id"]
        if ends:
            sides.as_("member", 200, "POST", f"{group}/{made}/cancel")
    with browser.visit(f"/group/ask?id={sides.group}&type=cpa", token=sides.tokens["member"]) as visit:
        visit.page.wait_for_selector("#request")
        checks.equal("the form begins with the last request that was not cancelled", visit.page.input_value(
            "[name='context.group_size']"), "3")
        checks.equal("the header marks the group", visit.text("#navigation [aria-current]"), "Your group")
        visit.requests.clear()
        visit.open("/group/ask?type=cpa").page.wait_for_selector("#ask a")
        checks.check("without a group it asks for none", not any("/groups/" in one.url for one in visit.requests))
        visit.page.locator("#ask a").click()
        visit.page.wait_for_selector("#request")
        checks.check("and leads to the group's form, with the type", visit.text("h1") == "Ask for a CPA" and
                     sides.group in visit.path, visit.path)
        checks.clean("what the form begins with", visit)


def check_life(checks, site, browser):
    """A request through the pages of both sides: declined, then accepted, until it is closed."""
    sides = Sides(site, "life")
    request = sides.request()
    card, member = f"#request-{request}", sides.emails["member"]

    def group_page():
        return browser.visit(sides.page, token=sides.tokens["member"])

    sides.match(request)
    with group_page() as visit:
        visit.page.wait_for_selector(f"{card} .timeline")
        words = visit.text(card)
        checks.check("matched: it names the partner, and not yet how to reach it", f"Tomi has found {sides.company}" in
                     words and sides.emails["partner"] not in words, words)
        checks.clean("matched", visit)

    site.put(f"/api/admin/referrals/{request}", {"status": "intro_sent"})
    letter = site.letters(member)[-1]
    checks.check("introduced: the member's letter has the partner's address", sides.emails["partner"] in letter)
    with browser.visit(site.link(member, "/group\\?id=[0-9a-f-]+"), token=sides.tokens["member"]) as visit:
        visit.page.wait_for_selector(f"{card} .timeline")
        words = visit.text(card)
        checks.check("introduced: how to reach the partner", all(one in words for one in (
            sides.emails["partner"], "612 555 0142", "Paula Partner", "introduced you to each other")), words)
        checks.equal("its phone number is a link that can be dialed", visit.page.get_attribute(
            f"{card} a[href^='tel:']", "href"), "tel:6125550142")
        checks.equal("on top: write to the partner", (visit.text("#next h2"), visit.page.get_attribute(
            "#next .main", "href")), (f"Meet {sides.company}", f"mailto:{sides.emails['partner']}"))
        checks.clean("introduced", visit)

    letter = site.letters(sides.emails["partner"])[-1]
    checks.check("the partner's letter has the member's address", member in letter)
    with browser.visit(site.link(sides.emails["partner"], "/portal"), token=sides.tokens["partner"]) as visit:
        page = visit.page
        checks.equal("the link of the partner's letter shows what waits", visit.text("h1"),
                     "1 introduction waits for your answer")
        page.get_by_role("button", name="Decline", exact=True).click()
        page.get_by_text("No time at the moment").click()
        page.fill(f"#decline-{request} textarea", "Not before May.")
        page.get_by_role("button", name="Decline the introduction").click()
        page.wait_for_selector("#waiting .notice:has-text('You have declined')")
        checks.equal("declined: nothing waits any more", visit.text("h1"), "Nothing waits for your answer")
        checks.clean("declining", visit)
    stored = sides.read(request)
    event = site.get(f"/api/admin/referrals/{request}/history")["data"][0]
    checks.check("declined: the request is pending again, with the reason", stored["status"] == "pending" and
                 "no_capacity" in json.dumps(event) and "Not before May." in json.dumps(event), event["kind"])
    with group_page() as visit:
        visit.page.wait_for_selector(f"{card} .timeline")
        words = visit.text(card)
        checks.check("declined: the member sees that it goes on", "It did not work out" in words and
                     sides.emails["partner"] not in words and "Not before May" not in words, words)
        checks.equal("on top: Tomi looks on", visit.text("#next h2"), "Tomi is looking for an attorney")
        checks.clean("declined", visit)

    sides.introduce(request)
    with browser.visit("/portal", token=sides.tokens["partner"]) as visit:
        visit.page.get_by_role("button", name="Accept").click()
        visit.page.wait_for_selector("#waiting .notice:has-text('You have accepted')")
        checks.equal("accepted: the way to write is there", visit.page.get_attribute("#waiting .notice a", "href"),
                     f"mailto:{member}")
        checks.clean("accepting", visit)
    checks.equal("accepted: the request is connected", sides.read(request)["status"], "connected")
    letter = site.letters(member)[-1]
    checks.check("accepted: the member gets a letter", "has accepted our introduction" in " ".join(letter.split()))
    with group_page() as visit:
        visit.page.wait_for_selector(f"{card} .timeline")
        checks.check("accepted: the member sees it, and cannot cancel any more", f"in touch with {sides.company}" in
                     visit.text(card) and visit.page.locator(f"{card} button").count() == 0, visit.text(card))
        mail = f"mailto:{sides.emails['partner']}"
        touch = f"You are in touch with {sides.company}"
        checks.equal("accepted: on top, with whom, and how to write to them", (visit.text("#next h2"),
                     visit.page.get_attribute("#next .main", "href")), (touch, mail))
        checks.equal("accepted: and the same on the card, with what to do without an answer", (
            visit.page.get_attribute(f"{card} .button", "href"), "not hear from them" in visit.text(card)), (mail, True))
        visit.open(f"{sides.page}&state=CA").page.wait_for_selector("#next h2:has-text('Next:')")
        checks.check("on top: then the next type, where there is one", visit.text("#next").startswith(
            touch), visit.text("#next"))
        sides.request("lender")
        second = sides.request("cpa")
        visit.open(sides.page).page.wait_for_selector(f"#request-{second} .timeline")
        checks.equal("of several open requests, on top is what is next for each", visit.page.locator(
            "#next h2").all_inner_texts(), [touch, "Tomi is looking for a CPA and a lender"])
        checks.clean("accepted", visit)

    check_recorded(checks, browser, sides)
    site.put(f"/api/admin/referrals/{request}/outcome", {"outcome": "deal_closed"})
    with group_page() as visit:
        visit.page.wait_for_selector(f"#earlier {card}")
        visit.page.locator(f"{card} summary").click()
        visit.page.wait_for_selector(f"{card} .timeline")
        checks.check("closed: it is among the earlier ones, with all that happened", "Your deal is closed" in
                     visit.text(card) and visit.page.locator(f"{card} .timeline li").count() >= 7, visit.text(card))
        checks.clean("closed", visit)
    sides.close()


def check_recorded(checks, browser, sides):
    """Staff records that they work together before the partner has answered: nobody has said yes."""
    request = sides.introduce(state="UT")
    sides.site.put(f"/api/admin/referrals/{request}/outcome", {"outcome": "engaged"})
    with browser.visit(sides.page, token=sides.tokens["member"]) as visit:
        visit.page.wait_for_selector(f"#request-{request} .timeline")
        words = visit.text(f"#request-{request}")
        checks.check("recorded by staff: the member reads that they work together, and not who said yes",
                     "You work together." in words and "said yes" not in visit.text("main"), words)
        checks.clean("recorded by staff", visit)


def check_cancelling(checks, site, browser):
    sides = Sides(site, "cancelling")
    for _ in range(11):
        one = sides.request("cpa")
        sides.as_("member", 200, "POST", f"/api/groups/{sides.group}/referrals/{one}/cancel")
    request = sides.request()
    form = f"#cancel-{request}"
    with browser.visit(sides.page, token=sides.tokens["member"]) as visit:
        page = visit.page
        page.wait_for_selector("#earlier .more")
        checks.equal("of many earlier requests it shows ten", page.locator("#earlier .card").count(), 10)
        page.locator("#earlier .more").click()
        visit.wait("document.querySelectorAll('#earlier .card').length === 11")
        checks.check("and then the rest, with the focus on the first new one", page.evaluate(
            "document.activeElement === document.querySelectorAll('#earlier .card')[10]") and
            not page.locator("#earlier .more").count())

        checks.check("the Tab key comes to the details", visit.tab_to(f"#request-{request} summary"))
        visit.press("Tab", "Enter")
        page.wait_for_selector(form)
        checks.check("cancelling asks once more", not visit.sent("POST") and sides.read(request)["status"] == "pending")
        page.keyboard.type("We wait a year.")
        check_form(checks, visit, "cancelling", "POST", "**/cancel", form)
        visit.expect(401)
        sides.end_token("member")
        page.locator(f"{form} .danger").click()
        page.wait_for_selector(f"{form} .summary a")
        sign_in_again(visit, sides.tokens["member"], sides.page)
        page.wait_for_selector(f"{form} .summary")
        checks.equal("an expired token: what was typed is there again", page.input_value(f"{form} textarea"),
                     "We wait a year.")
        checks.check("the Tab key comes to the button", visit.tab_to(f"{form} .danger"))
        visit.press("Enter")
        page.wait_for_selector(f"#earlier #request-{request}")
        checks.equal("then it is cancelled", sides.read(request)["status"], "cancelled")
        note = site.get(f"/api/admin/referrals/{request}/history")["data"][0]["note"]
        checks.equal("with the reason", note, "We wait a year.")
        checks.equal("the focus is on the page's head", page.evaluate("document.activeElement.id"), "name")
        card = f"#earlier #request-{request}"
        checks.check("it says who cancelled it", "You cancelled it just now" in visit.text(card), visit.text(card))
        visit.open(sides.page).page.wait_for_selector(card)
        checks.check("later, that it was one of two", "Your group or Tomi cancelled it" in visit.text(card))
        checks.clean("cancelling", visit)

    request = sides.introduce()
    form = f"#cancel-{request}"
    with browser.visit(sides.page, token=sides.tokens["member"]) as visit:
        page = visit.page
        page.get_by_role("button", name="Cancel this request").click()
        page.fill(f"{form} textarea", "Too late?")
        sides.as_("partner", 200, "PUT", f"/api/partners/me/referrals/{request}/response", {"response": "accepted"})
        visit.expect(409)
        page.locator(f"{form} .danger").click()
        page.wait_for_selector(f"{form} .summary")
        checks.check("409: it says why not, and keeps what was typed", "in touch with the partner by now" in visit.text(
            f"{form} .summary") and page.input_value(f"{form} textarea") == "Too late?", visit.text(f"{form} .summary"))
        checks.clean("cancelling too late", visit)
    sides.close()


def check_names(checks, site, browser):
    """Names that are long, hostile, right to left, or full of emoji."""
    name, company = f"بيت العائلة 🏡 {'Verylongname' * 12}", f"{HOSTILE} {'w' * 120}"
    sides = Sides(site, "names", name=name, company=company)
    need = f"{HOSTILE}\n{'n' * 300}\nשלום 👨‍👩‍👧"
    request = sides.introduce(need=need)
    for role, path in (("member", sides.page), ("member", f"/group/ask?id={sides.group}&type=cpa"),
                       ("partner", "/portal"), ("partner", "/portal/introductions"), ("partner", "/portal/profile")):
        with browser.visit(token=sides.tokens[role], width=320) as visit:
            visit.open(path)
            for details in visit.page.locator("main details").all():
                details.evaluate("details => details.open = true")
            wide = visit.page.evaluate("document.documentElement.scrollWidth")
            checks.check(f"{path.split('?')[0]} for {role}: names of every kind are text, and fit", wide <= 320 and
                         visit.page.locator("main img").count() == 0, f"{wide} px wide")
            checks.clean(path.split("?")[0], visit)
    with browser.visit(sides.page, token=sides.tokens["member"]) as visit:
        visit.page.locator(f"#request-{request} summary").click()
        shown = visit.text(f"#request-{request}")
        checks.check("what was asked for shows as it was typed", "👨‍👩‍👧" in shown and HOSTILE in shown)
    sides.close()


def check_wrong_groups(checks, site, browser):
    sides = Sides(site, "elsewhere")
    for path in (f"/group?id={site.group}", "/group?id=../../me", "/group", f"/group/ask?id={site.group}",
                 "/group/ask?id=../x"):
        with browser.visit(token=sides.tokens["member"]) as visit:
            visit.expect(*([404] if site.group in path else [])).open(path).page.wait_for_selector("main .button")
            checks.check(f"{path[:20]}…: it says what is wrong, and leads to the member's own", visit.text("h1") in (
                "This group is not yours", "Your groups") and sides.name in visit.text("main"), visit.text("main"))
            checks.equal("and asks for a group only by what can be an ID", any(
                "/api/groups/" in one.url for one in visit.requests), site.group in path)
            checks.clean(path, visit)
    with browser.visit(token=sides.tokens["member"]) as visit:
        visit.expect(503)
        visit.page.route("**/recommendations*", lambda route: route.fulfill(
            status=503, headers={"Retry-After": "0"}, content_type="application/problem+json",
            body='{"code": "unavailable", "status": 503}'))
        visit.page.goto(sides.page)
        visit.page.wait_for_selector("#fits .notice.bad")
        visit.page.unroute("**/recommendations*")
        visit.page.get_by_role("button", name="Try again").click()
        visit.page.wait_for_selector("#fits .types")
        checks.check("what cannot be read offers to try again", True)
        checks.clean("503", visit)
    sides.close()
