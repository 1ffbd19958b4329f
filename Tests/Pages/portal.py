"""A partner's portal: answers, the year, introductions, the profile, licenses, and what a status means."""

import datetime
import json

from failing import answer, check_form
from sides import Sides, sign_in_again

NO_PARTNER = "This page is not for you"


def run(checks, site, browser, _):
    check_declining(checks, site, browser)
    check_accepting(checks, site, browser)
    check_year(checks, site, browser)
    check_introductions(checks, site, browser)
    check_availability(checks, site, browser)
    check_profile(checks, site, browser)
    check_licenses(checks, site, browser)
    check_statuses(checks, site, browser)


def day(ahead):
    return str((datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=ahead)).date())


def own(sides):
    return sides.as_("partner", 200, "GET", "/api/partners/me")


def check_declining(checks, site, browser):
    sides = Sides(site, "declining")
    request = sides.introduce()
    form = f"#decline-{request}"
    with browser.visit("/portal", token=sides.tokens["partner"]) as visit:
        page = visit.page
        page.wait_for_selector("#waiting .card")
        checks.equal("the first view says how many wait", visit.text("h1"), "1 introduction waits for your answer")
        card = visit.text("#waiting .card")
        checks.check("who, what, where, since when", all(words in card for words in (
            sides.name, "an attorney in Nevada", "just now", "Mia Member", sides.emails["member"],
            "Review of our TIC agreement")), card)
        checks.check("opening it answers nothing", not visit.sent("PUT") and not visit.sent("POST"))
        checks.check("the Tab key comes to Decline", visit.tab_to("#waiting .main") and visit.tab_to("#waiting button"))
        visit.press("Enter")
        page.wait_for_selector(form)
        checks.equal("it asks why, with six reasons", page.locator(f"{form} [type=radio]").count(), 6)
        before = len(visit.sent("PUT"))
        page.locator(f"{form} .danger").click()
        page.wait_for_selector(f"{form} .error")
        checks.check("without a reason it says so at the choice, and sends nothing", visit.text(f"{form} .error") ==
                     "Choose a reason." and visit.text(f"{form} .summary a") == "Why do you decline? Choose a reason."
                     and len(visit.sent("PUT")) == before, visit.text(f"{form} .summary"))
        page.locator(f"{form} [type=radio]").first.focus()
        visit.press("Space", "ArrowDown")
        checks.equal("an arrow key chooses", page.evaluate("document.activeElement.value"), "conflict_of_interest")
        visit.press("Tab")
        page.keyboard.type("A cousin of ours.")
        check_form(checks, visit, "declining", "PUT", "**/response", form, (0, 409, 412, 422, 429, 500, 503))
        page.get_by_role("button", name="Back").click()
        checks.check("Back answers nothing", sides.read(request)["status"] == "intro_sent"
                     and page.get_by_role("button", name="Accept").is_visible())
        page.get_by_role("button", name="Decline", exact=True).click()
        visit.press("Space", "ArrowDown", "Tab")
        page.keyboard.type("A cousin of ours.")

        visit.expect(401)
        sides.end_token("partner")
        visit.press("Tab", "Enter")
        page.wait_for_selector(f"{form} .summary a")
        sign_in_again(visit, sides.tokens["partner"], "/portal")
        page.wait_for_selector(f"{form} .summary")
        checks.equal("an expired token: what was typed is there again", (page.input_value(f"{form} textarea"),
                     page.locator(f"{form} :checked").get_attribute("value")),
                     ("A cousin of ours.", "conflict_of_interest"))
        page.locator(f"{form} .danger").focus()
        visit.press("Enter")
        page.wait_for_selector("#waiting .notice:has-text('You have declined')")
        checks.equal("then nothing waits", visit.text("h1"), "Nothing waits for your answer")
        event = json.dumps(site.get(f"/api/admin/referrals/{request}/history")["data"][0])
        checks.check("the service has the answer and the reason", sides.read(request)["status"] == "pending" and
                     "conflict_of_interest" in event and "A cousin of ours." in event)
        checks.clean("declining", visit)
        visit.open("/portal").page.wait_for_selector("#waiting .empty")
        checks.check("an empty list says why", "you get a letter" in visit.text("#waiting"), visit.text("#waiting"))
    sides.close()


def check_accepting(checks, site, browser):
    sides = Sides(site, "accepting")
    first, second = sides.introduce(), sides.introduce(state="UT")
    with browser.visit("/portal", token=sides.tokens["partner"]) as visit:
        page = visit.page
        page.wait_for_selector(f"#accept-{second}")
        checks.equal("who has waited longest comes first", (visit.text("h1"), page.locator(
            "#waiting .card").first.get_attribute("id")), ("2 introductions wait for your answer",
                                                           f"introduction-{first}"))
        check_form(checks, visit, "accepting", "PUT", "**/response", f"#accept-{first}", (0, 409, 429, 500, 503))
        checks.check("the Tab key comes to Accept", visit.tab_to(f"#accept-{first} .main"))
        visit.press("Enter")
        page.wait_for_selector(f"#introduction-{first} .notice:has-text('You have accepted')")
        checks.equal("the service has it", sides.read(first)["status"], "connected")
        checks.equal("one waits on", visit.text("h1"), "1 introduction waits for your answer")
        checks.equal("the focus is on what was done", page.evaluate("document.activeElement.id"),
                     f"introduction-{first}")
        visit.wait("document.querySelector('#year dd').innerText === '2'")

        site.put(f"/api/admin/referrals/{second}", {"status": "pending"})
        visit.expect(404)
        page.locator(f"#accept-{second} .main").click()
        page.wait_for_selector(f"#accept-{second} .summary")
        checks.check("taken back meanwhile: it says so", "does not wait for an answer any more" in visit.text(
            f"#accept-{second} .summary"), visit.text(f"#accept-{second} .summary"))
        checks.clean("accepting", visit)
    sides.close()


def check_year(checks, site, browser):
    with browser.visit("/portal", token=site.tokens["partner"]) as visit:
        visit.page.wait_for_selector("#year .chart")
        summary = site.service.client(site.tokens["partner"]).expect(200, "GET", "/api/partners/me/summary").json
        months = summary["by_month"]
        median = summary["median_days_to_connection"]
        wanted = [str(sum(month[name] for month in months)) for name in ("introductions", "connections")]
        wanted += [str(summary["by_outcome"]["deal_closed"]), "–" if median is None else f"{median:g}"]
        checks.equal("the year in four numbers", visit.page.locator("#year .numbers dd").all_inner_texts(), wanted)
        bars = visit.page.locator("#year .bars .number").all_inner_texts()
        terms = visit.page.locator("#year .numbers dt").all_inner_texts()
        checks.equal("two of the year, two of all time, and it says so", [term.endswith(", all time") for term in
                     terms], [False, False, True, True])
        checks.equal("and a bar for each month", bars, [str(month["introductions"]) for month in months])
        checks.clean("the year", visit)
        visit.expect(500)
        visit.page.route("**/api/me", lambda route: answer(route, 500))
        visit.requests.clear()
        visit.open("/portal").page.wait_for_selector("main > .notice")
        checks.equal("who is signed in is asked for once, also when that fails", len(visit.sent("GET", "/api/me")), 1)
        checks.clean("without an answer", visit)


def check_introductions(checks, site, browser):
    client = site.service.client(site.tokens["partner"])
    with browser.visit("/portal/introductions", token=site.tokens["partner"]) as visit:
        page = visit.page
        rows = page.locator("#introductions > .card")
        rows.first.wait_for()
        every = client.expect(200, "GET", "/api/partners/me/referrals?limit=100").json["data"]
        checks.equal("all introductions, newest first", rows.locator("h2").all_inner_texts(),
                     [one["group"]["name"] for one in every][:25])
        checks.check("the Tab key comes to the filter", visit.tab_to("#filters input"))
        visit.press("ArrowRight")
        page.wait_for_url("**/portal/introductions?status=intro_sent")
        waiting = [one["group"]["name"] for one in every if one["status"] == "intro_sent"]
        visit.wait(f"document.querySelectorAll('#introductions > .card').length === {len(waiting)}")
        checks.equal("the filter stands in the address, and the rows are the API's",
                     rows.locator("h2").all_inner_texts(), waiting)
        page.go_back()
        visit.wait(f"document.querySelectorAll('#introductions > .card').length === {len(every)}")
        checks.equal("Back undoes it", page.locator("#filters :checked").get_attribute("value"), "")
        answer = page.locator("#introductions .button").first
        wanted = answer.get_attribute("href").partition("#")[2]
        answer.click()
        page.wait_for_selector(f"#{wanted}")
        visit.wait(f"document.getElementById('{wanted}').getBoundingClientRect().top < innerHeight")
        checks.check("Answer leads to the introduction", True)
        checks.clean("introductions", visit)
    with browser.visit(token=site.tokens["partner"]) as visit:
        visit.expect(400).open("/portal/introductions?status=nonsense").page.wait_for_selector("#introductions .notice")
        checks.equal("a filter that is unknown is said once", visit.page.locator("main .error").all_inner_texts(),
                     ["Choose another one."])
        visit.page.get_by_role("link", name="Take all filters off").click()
        visit.page.wait_for_selector("#introductions > .card")
        checks.equal("and the way back shows all", (visit.path, visit.page.locator("main .error").count()),
                     ("/portal/introductions", 0))
        checks.clean("an unknown filter", visit)
    empty = Sides(site, "empty")
    with browser.visit("/portal/introductions", token=empty.tokens["partner"]) as visit:
        visit.page.wait_for_selector("#introductions .empty")
        checks.check("none says why", "not introduced a group to you yet" in visit.text("#introductions"),
                     visit.text("#introductions"))
        visit.open("/portal/introductions?status=closed").page.wait_for_selector("#introductions .empty a")
        checks.check("none of a filter offers all", "Show all" in visit.text("#introductions"))
        checks.clean("no introductions", visit)
    empty.close()


def check_availability(checks, site, browser):
    sides = Sides(site, "pausing")
    form = "#availability-form"
    with browser.visit("/portal/profile", token=sides.tokens["partner"]) as visit:
        page = visit.page
        page.wait_for_selector(form)
        checks.check("it says that introductions come", "You get introductions" in visit.text("#availability"))
        page.fill(f"{form} [name=max_open_referrals]", "0")
        visit.expect(412, 422)
        page.locator(f"{form} button").click()
        page.wait_for_selector(f"{form} .error")
        checks.equal("422: it stands at its field", page.locator(
            f"{form} .field:has([name=max_open_referrals]) .error").count(), 1)
        page.fill(f"{form} [name=max_open_referrals]", "3")
        page.fill(f"{form} [name=paused_until]", day(30))
        check_form(checks, visit, "pausing", "PUT", "**/api/partners/me", form, (0, 409, 429, 500, 503))
        site.put(f"/api/admin/partners/{sides.partner}", {"max_open_referrals": 7, "phone": "612 555 0199"})
        page.locator(f"{form} button").focus()
        visit.press("Enter")
        page.wait_for_selector(f"{form} .summary:has-text('meanwhile')")
        checks.check("412: it says what changed, and keeps what was typed", "7" in visit.text(f"{form} .summary") and
                     page.input_value(f"{form} [name=paused_until]") == day(30), visit.text(f"{form} .summary"))
        visit.press("Tab")
        page.locator(f"{form} button").click()
        page.wait_for_selector(".toast:has-text('Saved')")
        stored = own(sides)
        checks.equal("saved again, the service has it", (stored["paused_until"], stored["max_open_referrals"],
                     stored["accepting_referrals"]), (day(30), 3, False))
        checks.check("it says what that means", "You have paused introductions" in visit.text("#availability"))
        checks.clean("pausing", visit)
        visit.open("/portal").page.wait_for_selector("#standing .notice")
        words = visit.text("#standing")
        checks.check("and so does the first view", "You have paused" in words, words)
    sides.close()


def check_profile(checks, site, browser):
    sides = Sides(site, "profile")
    form = "#profile-form"
    with browser.visit("/portal/profile", token=sides.tokens["partner"]) as visit:
        page = visit.page
        page.get_by_role("button", name="Change the profile").click()
        page.wait_for_selector(form)
        checks.equal("the form opens with the focus in it", page.evaluate("document.activeElement.name"),
                     "company_name")
        page.fill(f"{form} [name=company_name]", "Renamed law")
        page.fill(f"{form} [name=phone]", "no number")
        page.check(f"{form} [name=service_areas][value=AZ]")
        page.uncheck(f"{form} [name=service_areas][value=UT]")
        page.check(f"{form} [name=languages][value=vi]")
        visit.expect(409, 412, 422)
        page.locator(f"{form} .main").click()
        page.wait_for_selector(f"{form} .error")
        checks.equal("422: it stands at its field", page.locator(f"{form} .field:has([name=phone]) .error").count(), 1)
        page.fill(f"{form} [name=phone]", "612 555 0177")
        check_form(checks, visit, "the profile", "PUT", "**/api/partners/me", form)
        page.uncheck(f"{form} [name=service_areas][value=NV]")
        page.locator(f"{form} .main").click()
        page.wait_for_selector(f"{form} .error:has-text('Keep one of your present states')")
        checks.check("409: at the states it says what to do", True, visit.text(f"{form} .error"))
        page.check(f"{form} [name=service_areas][value=NV]")
        site.put(f"/api/admin/partners/{sides.partner}", {"contact_name": "Petra Partner"})
        page.locator(f"{form} .main").click()
        page.wait_for_selector(f"{form} .summary:has-text('Petra Partner')")
        checks.equal("412: it says what changed, and keeps what was typed", page.input_value(
            f"{form} [name=company_name]"), "Renamed law")
        page.locator(f"{form} .main").click()
        page.wait_for_selector("#profile .proposed")
        stored = own(sides)
        checks.equal("the service has it: some at once, some for a review", (
            stored["company_name"], stored["phone"], stored["languages"], stored["contact_name"],
            stored["service_areas"], stored["pending_changes"]), (
            sides.company, "612 555 0177", ["en", "vi"], "Petra Partner", ["NV"],
            {"company_name": "Renamed law", "service_areas": ["AZ", "NV"]}))
        shown = visit.text("#profile .card")
        checks.check("what waits stands beside what is published", f"{sides.company} Waits for review Renamed law" in
                     shown and "Nevada Waits for review Arizona and Nevada" in shown, shown)
        checks.check("and how much waits", "2 changes wait" in visit.text("#changes"), visit.text("#changes"))
        checks.equal("the focus is where it changed", page.evaluate("document.activeElement.id"), "profile")
        check_waiting(checks, visit, sides)

        check_form(checks, visit, "taking back", "DELETE", "**/changes", "#take-back", (0, 429, 500, 503))
        site.put(f"/api/admin/partners/{sides.partner}", {"contact_name": "Paula Partner"})
        page.locator("#take-back button").click()
        page.wait_for_selector("#take-back .summary:has-text('changed meanwhile')")
        checks.check("412: taking back says to look again", own(sides)["pending_changes"] is not None)
        visit.open("/portal").page.wait_for_selector("#standing .notice")
        checks.check("the first view says what waits", "2 changes to your profile wait" in visit.text("#standing"))
        visit.open("/portal/profile").page.wait_for_selector("#take-back")
        checks.check("the Tab key comes to the button", visit.tab_to("#take-back button"))
        visit.press("Enter")
        page.wait_for_selector("#changes", state="hidden")
        checks.check("taken back: nothing waits", own(sides)["pending_changes"] is None and
                     page.locator(".proposed").count() == 0)
        checks.clean("the profile", visit)
    site.letters(sides.emails["partner"])
    link = site.link(sides.emails["partner"], "/portal")
    with browser.visit(link, token=sides.tokens["partner"]) as visit:
        checks.equal("the letter that says that one is active leads to the portal", visit.path, "/portal")
        checks.clean("the letter's link", visit)
    sides.close()


def check_waiting(checks, visit, sides):
    """The form while changes wait: it begins with them, and they stay."""
    page, form = visit.page, "#profile-form"
    page.get_by_role("button", name="Change the profile").click()
    checks.equal("the form begins with what waits", (page.input_value(f"{form} [name=company_name]"), page.locator(
        f"{form} [name=service_areas]:checked").evaluate_all("all => all.map((one) => one.value)")),
        ("Renamed law", ["AZ", "NV"]))
    marks = page.locator(f"{form} .hint:has-text('Waits for review')").all_inner_texts()
    checks.equal("and says at both fields what is published", [words.rpartition("Now: ")[2] for words in marks],
                 [sides.company, "Nevada"])
    page.fill(f"{form} [name=company_name]", sides.company)
    before = len(visit.sent("PUT"))
    page.locator(f"{form} .main").click()
    page.wait_for_selector(f"{form} .error")
    checks.check("one change taken back alone is refused at its field, and nothing is sent", "cannot be taken back" in
                 visit.text(f"{form} .error") and len(visit.sent("PUT")) == before, visit.text(f"{form} .error"))
    page.fill(f"{form} [name=company_name]", "Renamed again")
    page.fill(f"{form} [name=contact_name]", "Pia Partner")
    page.locator(f"{form} .main").click()
    page.wait_for_selector("#profile .proposed")
    stored = own(sides)
    checks.equal("what was not touched still waits, the rest is replaced", (stored["pending_changes"],
                 stored["contact_name"]), ({"company_name": "Renamed again", "service_areas": ["AZ", "NV"]},
                                           "Pia Partner"))


def check_licenses(checks, site, browser):
    sides = Sides(site, "licenses")
    path = "/api/partners/me/credentials"
    with browser.visit("/portal/licenses", token=sides.tokens["partner"]) as visit:
        page = visit.page
        page.wait_for_selector("#licenses .empty")
        checks.check("none says what to do", "add yours" in visit.text("#licenses .empty"))
        checks.check("the Tab key comes to the button", visit.tab_to("#licenses > div > button"))
        visit.press("Enter")
        page.wait_for_selector("#license-new")
        checks.equal("the form has a heading", visit.text("#licenses h2"), "Add a license")
        visit.expect(409, 412, 422)
        page.locator("#license-new .main").focus()
        visit.press("Enter")
        page.wait_for_selector("#license-new .error")
        checks.equal("422: what is missing stands at its fields", page.eval_on_selector_all(
            "#license-new [aria-invalid]", "all => all.map((one) => one.name)"), ["kind", "number"])
        page.select_option("#license-new [name=kind]", "bar_admission")
        page.fill("#license-new [name=number]", "4711")
        page.select_option("#license-new [name=state_code]", "NV")
        page.fill("#license-new [name=expires_on]", day(-1))
        checks.check("a day that is past is told before sending", "This day is past" in visit.text(
            "#license-new .warning"), visit.text("#license-new .warning"))
        page.fill("#license-new [name=expires_on]", day(20))
        checks.equal("and no more once it is not", visit.text("#license-new .warning"), "")
        check_form(checks, visit, "adding", "POST", f"**{path}", "#license-new")
        page.locator("#license-new .main").focus()
        visit.press("Enter")
        page.wait_for_selector("#licenses .card")
        made = sides.as_("partner", 200, "GET", path)["data"]
        checks.equal("the service has it", [(one["kind"], one["number"], one["state_code"], one["expires_on"])
                     for one in made], [("bar_admission", "4711", "NV", day(20))])
        card, identity = visit.text("#licenses .card"), made[0]["id"]
        checks.check("it shows until when it is good, and that it waits", "Good until" in card and
                     "Waits for Tomi's check" in card, card)

        page.get_by_role("button", name="Add a license").click()
        page.select_option("#license-new [name=kind]", "bar_admission")
        page.fill("#license-new [name=number]", "47 11")
        page.select_option("#license-new [name=state_code]", "NV")
        page.locator("#license-new .main").click()
        page.wait_for_selector("#license-new .field:has([name=number]) .error:has-text('already')")
        checks.check("409: one that is there already is told at the number", True)
        page.locator("#license-new .quiet").click()

        form = f"#change-{identity}"
        page.get_by_role("button", name="Change Bar admission 4711").click()
        page.fill(f"{form} [name=number]", "4712")
        check_form(checks, visit, "changing", "PUT", f"**{path}/*", form, (0, 429, 500, 503))
        site.put(f"/api/admin/partners/{sides.partner}/credentials/{identity}", {"issuer": "State bar"})
        page.locator(f"{form} .main").click()
        page.wait_for_selector(f"{form} .summary:has-text('State bar')")
        checks.equal("412: it says what changed, and keeps what was typed", page.input_value(f"{form} [name=number]"),
                     "4712")
        page.locator(f"{form} .main").click()
        page.wait_for_selector("#licenses h2:has-text('4712')")
        stored = sides.as_("partner", 200, "GET", f"{path}/{identity}")
        checks.equal("changed", (stored["number"], stored["issuer"]), ("4712", "State bar"))

        form = f"#remove-{identity}"
        page.get_by_role("button", name="Remove Bar admission 4712").click()
        page.wait_for_selector(form)
        checks.check("removing asks once more", not visit.sent("DELETE"))
        check_form(checks, visit, "removing", "DELETE", f"**{path}/*", form, (0, 429, 500, 503))
        site.put(f"/api/admin/partners/{sides.partner}/credentials/{identity}", {"issuer": "The state bar"})
        page.locator(f"{form} .danger").click()
        page.wait_for_selector(f"{form} .summary:has-text('changed meanwhile')")
        checks.check("412: it says to look again", True)
        visit.open("/portal/licenses").page.get_by_role("button", name="Change Bar admission 4712").click()
        form = f"#change-{identity}"
        page.fill(f"{form} [name=number]", "4713")
        site.put(f"/api/admin/partners/{sides.partner}/credentials/{identity}", {"verified": True})
        # Its tag is another now. After the 412 the form has the new one, and the rule speaks.
        page.locator(f"{form} .main").click()
        page.wait_for_selector(f"{form} .summary")
        page.locator(f"{form} .main").click()
        page.wait_for_selector(f"{form} .summary:has-text('only Tomi can change it')")
        checks.check("409: what is verified meanwhile says why, and what to do", "4713" == page.input_value(
            f"{form} [name=number]"), visit.text(f"{form} .summary"))
        page.locator(f"{form} .quiet").click()
        visit.open("/portal/licenses").page.wait_for_selector("#licenses .card")
        checks.check("verified: it expires soon, and offers no change", "Expires soon" in visit.text("#licenses .card")
                     and page.locator("#licenses .card button").count() == 0, visit.text("#licenses .card"))
        site.put(f"/api/admin/partners/{sides.partner}/credentials/{identity}", {"verified": False})
        visit.open("/portal/licenses").page.get_by_role("button", name="Remove Bar admission 4712").click()
        page.wait_for_selector(f"#remove-{identity}")
        visit.press("Enter")
        page.wait_for_selector("#licenses .empty")
        checks.equal("removed", sides.as_("partner", 200, "GET", path)["data"], [])
        checks.clean("licenses", visit)
    sides.close()


def check_statuses(checks, site, browser):
    """What a status means, in words."""
    sides = Sides(site, "statuses")
    user = sides.users["partner"]
    invited = site.send(201, "POST", "/api/admin/partners", {
        "type": "cpa", "company_name": "Invited CPA", "email": "invited@statuses.example", "service_areas": []})["id"]
    path = f"/api/admin/partners/{sides.partner}"

    def standing(visit):
        visit.open("/portal").page.wait_for_selector("#standing .notice")
        return visit.text("#standing")
    with browser.visit(token=sides.tokens["partner"]) as visit:
        visit.open("/portal").page.wait_for_selector("#year .chart")
        checks.check("active: there is nothing to say", not visit.page.locator("#standing").is_visible())
        for page in ("/portal", "/portal/introductions", "/portal/profile", "/portal/licenses"):
            visit.open(page).page.wait_for_selector(".menu summary")
            checks.equal(f"{page}: the header marks the portal", visit.text("#navigation [aria-current]"), "Portal")
            visit.page.set_viewport_size({"width": 320, "height": 700})
            checks.equal(f"{page}: its tabs fit a line at 320 px", visit.page.locator(".tabs a").evaluate_all(
                "all => new Set(all.map((one) => one.offsetTop)).size"), 1)
            visit.page.set_viewport_size({"width": 1440, "height": 900})
        site.put(f"{path}/status", {"status": "inactive"})
        checks.check("inactive", "You are inactive" in standing(visit), standing(visit))
        site.put(f"{path}/status", {"status": "pending_review"})
        checks.check("in review", "reviewing your record" in standing(visit), standing(visit))
        visit.open("/portal/profile").page.wait_for_selector("#availability-form")
        checks.check("in review: the profile does not say that introductions come", "You get introductions" not in
                     visit.text("#availability"), visit.text("#availability"))
        sides.close()
        visit.expect(403)
        for page in ("/portal", "/portal/introductions", "/portal/profile", "/portal/licenses"):
            visit.open(page).page.wait_for_selector(f"h1:has-text('{NO_PARTNER}')")
            checks.check(f"removed: {page} says what that means", "your record was removed" in visit.text("main"),
                         visit.text("main"))
        site.put(f"/api/admin/partners/{invited}", {"user_id": user})
        checks.check("invited", "has invited you" in standing(visit), standing(visit))
        checks.clean("statuses", visit)
    site.put(f"/api/admin/partners/{invited}/status", {"status": "removed"})
