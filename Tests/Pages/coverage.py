"""Coverage at the desk: 306 places, their pins changed in place, by keyboard, against others and against failures."""

from failing import NETWORK, answer
from partners import change_as_other

PATH = "/desk/coverage"


def run(checks, site, browser, _):
    check_table(checks, site, browser)
    check_keyboard(checks, site, browser)
    check_others(checks, site, browser)
    check_failures(checks, site, browser)
    check_rights(checks, site, browser)


def pinned(site, place):
    return site.get(f"/api/admin/coverage/{place}")["pinned_status"]


def put(site, place, status):
    site.put(f"/api/admin/coverage/{place}", {"status": status})


def words(row):
    """What a place says to a screen reader."""
    status = {"available": "Available", "coming_soon": "Coming soon", "unavailable": "Unavailable"}
    kinds = {"attorney": "Attorney", "lender": "Lender", "agent": "Agent", "title": "Title", "insurance": "Insurance",
             "cpa": "CPA"}
    partners = f"{row['partner_count']} active partner{'' if row['partner_count'] == 1 else 's'}"
    pin = f"pinned to {status[row['pinned_status']]}" if row["pinned_status"] else "not pinned"
    return f"{row['state_name']}, {kinds[row['partner_type']]}: {status[row['status']]}, {partners}, {pin}"


def cell(visit, place):
    """The button of a place such as "Wyoming, CPA"."""
    return visit.page.locator(f".matrix button[aria-label^='{place}:']")


def labels(visit):
    return visit.page.evaluate("[...document.querySelectorAll('.matrix td button')].map((one) => one.ariaLabel)")


def wait_for_places(visit, number):
    visit.wait(f"document.querySelectorAll('.matrix td button').length === {number}")


def check_table(checks, site, browser):
    put(site, "OH/title", "coming_soon")
    rows = site.get("/api/admin/coverage")["data"]
    with browser.visit(PATH, token=site.tokens["staff"]) as visit:
        page = visit.page
        page.wait_for_selector(".matrix")
        checks.equal("51 states by 6 types", (page.locator(".matrix tbody tr").count(), len(labels(visit))), (51, 306))
        checks.equal("each place says its name, status, partners and pin", sorted(labels(visit)), sorted(
            map(words, rows)))
        available, pins = (sum(bool(row[name] == value if value else row[name]) for row in rows) for name, value in (
            ("status", "available"), ("pinned_status", None)))
        checks.equal("their number", visit.text("#summary"), f"306 places: {available} available, {pins} pinned")
        page.select_option("[name=type]", "title")
        wait_for_places(visit, 51)
        checks.equal("one type", (visit.path, len(labels(visit))), (f"{PATH}?type=title", 51))
        page.select_option("[name=pinned]", "true")
        wait_for_places(visit, 1)
        checks.equal("and of it what is pinned", (visit.path, labels(visit)), (
            f"{PATH}?type=title&pinned=true", ["Ohio, Title: Coming soon, 0 active partners, pinned to Coming soon"]))
        page.go_back()
        wait_for_places(visit, 51)
        checks.equal("Back undoes one filter, in the form too", (page.input_value("[name=pinned]"), len(labels(visit))),
                     ("", 51))
        visit.open(f"{PATH}?state=OH&type=cpa&pinned=true").page.wait_for_selector("#matrix .empty")
        checks.check("where nothing is pinned it says so", page.locator("#matrix .empty a").get_attribute("href") ==
                     PATH, visit.text("#matrix .empty"))
        checks.clean("the table", visit)
        visit.expect(400).open(f"{PATH}?tpye=cpa").page.wait_for_selector("#matrix .notice")
        checks.check("a wrong address says so, without the names of parameters", "does not exist" in visit.text(
            "#matrix .notice") and "tpye" not in visit.text("main"))
        visit.open(f"{PATH}?state=XX").page.wait_for_selector("#matrix .notice")
        checks.equal("a state that does not exist is shown as unknown", page.locator(
            "[name=state] option:checked").inner_text(), "XX (unknown)")
        checks.clean("a wrong address", visit)
    put(site, "OH/title", None)


def check_keyboard(checks, site, browser):
    with browser.visit(PATH, token=site.tokens["staff"]) as visit:
        page = visit.page
        page.wait_for_selector(".matrix")
        checks.check("the Tab key comes to the table", visit.tab_to(".matrix button"))
        focused = "document.activeElement.ariaLabel?.split(':')[0]"
        checks.equal("to its first place", page.evaluate(focused), "Alabama, Attorney")
        visit.press("Tab")
        checks.check("which is its one stop", page.evaluate("!document.activeElement.closest('.matrix')"))
        visit.press("Shift+Tab", "ArrowDown", "ArrowDown", "ArrowRight", "j", "k", "ArrowUp")
        checks.equal("arrow keys, j and k move in it", page.evaluate(focused), "Alaska, Lender")
        visit.press("ArrowUp", "ArrowUp", "ArrowUp", "ArrowLeft", "ArrowLeft")
        checks.equal("and stop at its edges", page.evaluate(focused), "Alabama, Attorney")
        visit.press("/")
        checks.equal("the key / goes to the choice of the state", page.evaluate("document.activeElement.name"), "state")
        page.locator(".matrix button").last.focus()
        visit.press("Enter")
        page.wait_for_selector("dialog[open]")
        checks.equal("Enter opens the place, on what it is now", (visit.text("#pin-title"), page.evaluate(
            "document.activeElement.innerText.split('\\n')[0].trim()")), ("Wyoming, CPA", "Follow the number of partners"))
        checks.equal("without a partner, Available is not offered", [
            one.split("\n")[0].strip() for one in page.locator(".choices button").all_inner_texts()], [
            "Follow the number of partners", "Pin to Coming soon", "Pin to Unavailable"])
        visit.press("Tab", "Enter")
        page.wait_for_selector("dialog", state="detached")
        checks.equal("two keys pin it", pinned(site, "WY/cpa"), "coming_soon")
        sent = visit.sent("PUT")[-1]
        checks.check("with the version that was read", sent.headers.get("if-match", "").startswith('"'))
        checks.equal("the place shows it and has the focus", page.evaluate("document.activeElement.ariaLabel"),
                     "Wyoming, CPA: Coming soon, 0 active partners, pinned to Coming soon")
        visit.press("Enter")
        page.wait_for_selector("dialog[open]")
        visit.press("Escape")
        page.wait_for_selector("dialog", state="detached")
        checks.equal("Esc changes nothing", (pinned(site, "WY/cpa"), len(visit.sent("PUT"))), ("coming_soon", 1))
        page.locator(".toast button").first.click()
        page.wait_for_selector(".toast:has-text('again')")
        checks.equal("Undo lets it follow the number again", (pinned(site, "WY/cpa"), cell(visit, "Wyoming, CPA")
                     .get_attribute("aria-label")[-10:]), (None, "not pinned"))
        checks.clean("by keyboard", visit)
    held = next(row for row in site.get("/api/admin/coverage")["data"] if row["partner_count"])
    place, name = f"{held['state_code']}/{held['partner_type']}", words(held).split(":")[0]
    with browser.visit(PATH, token=site.tokens["staff"]) as visit:
        for choice in ("Available", "Coming soon", "Unavailable"):
            cell(visit, name).click()
            visit.page.get_by_role("button", name=f"Pin to {choice}").click()
            visit.page.wait_for_selector("dialog", state="detached")
            checks.equal(f"a place with partners is pinned to {choice}", pinned(site, place),
                         choice.lower().replace(" ", "_"))
        cell(visit, name).click()
        checks.equal("its partners are a link", visit.page.locator("dialog a").get_attribute("href"),
                     f"/desk/partners?state={held['state_code']}&type={held['partner_type']}&status=active")
        visit.page.get_by_role("button", name="Follow the number").click()
        visit.page.wait_for_selector("dialog", state="detached")
        checks.equal("and follows their number again", pinned(site, place), None)
        checks.clean("with a pointer", visit)


def check_others(checks, site, browser):
    with browser.visit(PATH, token=site.tokens["staff"]) as visit:
        page = visit.page
        visit.expect(412)
        cell(visit, "Iowa, CPA").focus()
        put(site, "IA/cpa", "coming_soon")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        visit.wait("document.activeElement.ariaLabel.endsWith('pinned to Coming soon')")
        checks.check("another's pin shows on return to the tab, under the focus", True)
        visit.press("Enter")
        page.wait_for_selector("dialog[open]")
        change_as_other(site, "PUT", "/api/admin/coverage/IA/cpa", {"status": None})
        page.get_by_role("button", name="Pin to Unavailable").click()
        page.wait_for_selector("dialog .notice")
        said = visit.text("dialog .notice")
        checks.check("412: it says who changed what, and that nothing was saved", all(part in said for part in (
            "Ben Other changed this", "It was pinned to Coming soon, and is not pinned now.",
            "Nothing of yours was saved")), said)
        checks.check("412: it has the focus", page.evaluate("document.activeElement.matches('dialog .notice')"))
        checks.check("412: all of it is in view", page.evaluate(
            "document.querySelector('dialog').getBoundingClientRect().bottom <= innerHeight"))
        checks.check("412: what is now is marked", visit.text("dialog [aria-pressed=true]").startswith(
            "Follow the number of partners"), visit.text("dialog [aria-pressed=true]"))
        checks.equal("412: the other's choice stands", pinned(site, "IA/cpa"), None)
        page.get_by_role("button", name="Pin to Unavailable").click()
        page.wait_for_selector("dialog", state="detached")
        checks.equal("412: chosen again, it is stored", pinned(site, "IA/cpa"), "unavailable")
        put(site, "IA/cpa", "coming_soon")
        page.locator(".toast button").first.click()
        page.wait_for_selector(".toast:has-text('not undone')")
        checks.equal("Undo does not undo what another did", pinned(site, "IA/cpa"), "coming_soon")
        checks.clean("others", visit)
    put(site, "IA/cpa", None)


def check_failures(checks, site, browser):
    with browser.visit(PATH, token=site.tokens["staff"]) as visit:
        page = visit.page
        path = "**/api/admin/coverage/UT/cpa"
        for status in (NETWORK, 409, 422, 429, 500, 503):
            name = status or "no network"
            visit.expect(status)
            cell(visit, "Utah, CPA").click()
            page.wait_for_selector("dialog[open]")

            def refuse(route):
                return answer(route, status) if route.request.method == "PUT" else route.fallback()
            page.route(path, refuse)
            page.get_by_role("button", name="Pin to Coming soon").click()
            page.wait_for_selector("dialog .notice")
            checks.check(f"{name}: the dialog stays and says so", len(visit.text("dialog .notice")) > 20 and
                         pinned(site, "UT/cpa") is None, visit.text("dialog .notice"))
            page.unroute(path, refuse)
            page.locator("dialog .notice button").click()
            page.wait_for_selector("dialog", state="detached")
            checks.equal(f"{name}: trying again works", pinned(site, "UT/cpa"), "coming_soon")
            put(site, "UT/cpa", None)
        page.route(path, lambda route: answer(route, 503))
        cell(visit, "Utah, CPA").click()
        page.wait_for_selector("dialog .notice")
        checks.check("what cannot be read says so", "could not be read" in visit.text("dialog"), visit.text("dialog"))
        page.unroute(path)
        page.locator("dialog .notice button").click()
        page.wait_for_selector("dialog .choices")
        checks.check("and opens when it is tried again", visit.text("#pin-title") == "Utah, CPA")
        checks.clean("failures", visit)


def check_rights(checks, site, browser):
    made = site.service.command("token", "create", "--admin", "--scope", "read", "--email", "reader@tomi.example")
    with browser.visit(PATH, token=made.strip()) as visit:
        visit.expect(403)
        cell(visit, "Utah, CPA").click()
        visit.page.get_by_role("button", name="Pin to Coming soon").click()
        visit.page.wait_for_selector("dialog .notice")
        checks.equal("who may only read sees all, and is refused in words", (bool(visit.text("dialog .notice")), pinned(
            site, "UT/cpa")), (True, None))
        checks.clean("who may only read", visit)
    with browser.visit(PATH, token=site.tokens["staff"]) as visit:
        cell(visit, "Utah, CPA").click()
        visit.page.wait_for_selector("dialog[open]")
        visit.page.route("**/api/admin/coverage/UT/cpa", lambda route: answer(route, 401))
        visit.expect(401)
        visit.page.get_by_role("button", name="Pin to Coming soon").click()
        visit.page.wait_for_selector("dialog .notice a")
        checks.equal("whose token has ended is led to the sign-in, and back", visit.page.locator("dialog .notice a")
                     .get_attribute("href"), "/sign-in?return=%2Fdesk%2Fcoverage")
        checks.clean("an ended token", visit)
