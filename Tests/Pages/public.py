"""The public pages: the map, the waiting list, the directory, a partner."""

from failing import check_form

WAITING = "waiting@mail.example"


def run(checks, site, browser, _):
    check_map(checks, site, browser)
    check_waiting_list(checks, site, browser)
    check_waiting_failures(checks, site, browser)
    check_directory(checks, site, browser)
    check_partner(checks, site, browser)
    check_next_step(checks, site, browser)
    check_menu(checks, site, browser)


def check_map(checks, site, browser):
    with browser.visit("/") as visit:
        page = visit.page
        checks.equal("the map has 51 states", page.locator("#map a").count(), 51)
        checks.equal("the list has the same", page.locator("#list li").count(), 51)
        rows = site.staff.expect(200, "GET", "/api/coverage").json["data"]
        named = {row["state_code"]: f'{row["state_name"]}: {row["message"]}' for row in rows}
        found = {tile.get_attribute("data-state"): tile.get_attribute("aria-label") for tile in
                 page.locator("#map a").all()}
        checks.check("each square says its state and status in words", found == named)

        checks.check("the Tab key comes to the types", visit.tab_to("#types input"))
        visit.press("ArrowRight")
        visit.settle()
        checks.equal("an arrow key chooses the first type", visit.path, "/?type=attorney")
        rows = site.staff.expect(200, "GET", "/api/admin/coverage?type=attorney").json["data"]
        served = sum(row["status"] == "available" for row in rows)
        visit.wait(f"document.querySelectorAll('#map a.available').length === {served}")
        checks.check("the map shows that type alone", True, served)
        checks.check("the Tab key comes to the way past the map", visit.tab_to("#skip-map"))
        checks.check("which shows itself", page.evaluate("getComputedStyle(document.activeElement).clipPath") == "none")
        visit.press("Enter")
        checks.equal("and leads past it, in the same address", (page.evaluate("document.activeElement.id"),
                     visit.path), ("which", "/?type=attorney"))
        page.locator("#skip-map").focus()
        checks.check("the Tab key comes to a state", visit.tab_to("#map a[data-state=MN]"))
        visit.press("Enter")
        visit.settle()
        checks.equal("Enter chooses it", visit.path, "/?state=MN&type=attorney")
        checks.equal("its six types show, the chosen one first", [visit.text(f"#state li:nth-child({n}) h3") for n in
                     range(1, 7)], ["Attorney", "Lender", "Agent", "Title", "Insurance", "CPA"])
        checks.equal("the focus stays where it was", page.evaluate("document.activeElement.dataset.state"), "MN")
        page.go_back()
        visit.settle()
        checks.equal("Back goes to the type without the state", (visit.path, visit.text("#state h2")),
                     ("/?type=attorney", "Choose a state"))
        page.select_option("#which", "CA")
        visit.settle()
        page.get_by_role("link", name="attorneys").click()
        visit.settle()
        checks.equal("from there to the attorneys of that state", visit.path, "/directory?state=CA&type=attorney")
        checks.clean("the map", visit)
    with browser.visit("/", width=360) as visit:
        page = visit.page
        for name in ("Utah", "Wyoming"):
            page.locator("#list").get_by_role("link", name=name).focus()
            visit.press("Enter")
            page.wait_for_selector(f"#state h2:has-text('{name}')")
            visit.wait("document.activeElement.matches('#state h2')")
            top = page.evaluate("document.activeElement.getBoundingClientRect().top")
            checks.check(f"{name} in the list: the focus goes to its heading, which is in view", 0 <= top < 900, top)
        checks.clean("the list", visit)


def check_waiting_list(checks, site, browser):
    with browser.visit("/?state=WY") as visit:
        page = visit.page
        page.get_by_role("button", name="Write to me when there is an attorney").click()
        checks.equal("the offer opens with the focus in the field",
                     page.evaluate("document.activeElement.name"), "email")
        visit.expect(422)
        visit.press("Enter")
        page.wait_for_selector("#wait-attorney .error")
        checks.check("an empty address is refused at its field, and above the form", page.locator(
            "#wait-attorney [name=email][aria-invalid=true]").count() == 1 and "e-mail address" in
            visit.text("#wait-attorney .summary"), visit.text("#wait-attorney .summary"))
        page.get_by_role("link", name="Your e-mail address").click()
        checks.equal("its link goes to the field", page.evaluate("document.activeElement.name"), "email")
        page.keyboard.type("nonsense")
        visit.press("Enter")
        visit.wait("document.querySelector('#wait-attorney .error')?.innerText.includes('name@example.com')")
        checks.equal("a wrong one too, and it stays", page.input_value("#wait-attorney [name=email]"), "nonsense")
        page.fill("#wait-attorney [name=email]", WAITING)
        visit.press("Enter")
        page.wait_for_selector("#state .notice")
        checks.check("then it says what happens next", WAITING in visit.text("#state .notice"),
                     visit.text("#state .notice"))
        page.get_by_role("button", name="Change it").click()
        checks.equal("a wrong address can be changed, with the focus in it", page.evaluate(
            "[document.activeElement.name, document.activeElement.value]"), ["email", WAITING])
        checks.clean("asking", visit)

    confirm = site.link(WAITING, "/#confirm=[\\w-]+")
    leave = site.link(WAITING, "/#leave=[\\w-]+")
    waiting = lambda: sum(row["count"] for row in site.get("/api/admin/summary")["waitlist"])  # noqa: E731
    before = waiting()
    with browser.visit(confirm) as visit:
        visit.page.wait_for_selector("#letter button")
        checks.equal("the letter's link sends nothing by itself", len(visit.sent("POST")), 0)
        checks.equal("and its code leaves the address", visit.path, "/")
        words = visit.text("#letter")
        checks.check("it says where to read what it is about", "The letter with this link says which and where" in words,
                     words)
        visit.page.reload()
        visit.page.wait_for_selector("#letter button")
        checks.equal("after a reload the button has the focus again", visit.page.evaluate(
            "document.activeElement.innerText"), "Confirm")
        checks.equal("nobody more waits yet", waiting(), before)
        visit.press("Enter")
        visit.page.wait_for_selector("#letter [role=status]")
        checks.equal("the button confirms", waiting(), before + 1)
        visit.page.reload()
        visit.page.wait_for_selector("#map a")
        checks.check("a code that was used is forgotten", not visit.page.locator("#letter").is_visible())
        checks.clean("confirming", visit)
    with browser.visit(leave) as visit:
        visit.page.get_by_role("button", name="Take me off the list").click()
        visit.page.wait_for_selector("#letter [role=status]")
        checks.equal("the other link's button takes off the list", waiting(), before)
        checks.clean("leaving", visit)
    with browser.visit() as visit:
        visit.expect(410).open(confirm)
        visit.page.get_by_role("button", name="Confirm").click()
        visit.page.wait_for_selector("#letter .error")
        checks.check("a code that is over is explained, without a button", "or you left the list" in
                     visit.text("#letter") and visit.page.locator("#letter button").count() == 0,
                     visit.text("#letter .error"))
        visit.page.reload()
        visit.page.wait_for_selector("#map a")
        checks.check("and forgotten", not visit.page.locator("#letter").is_visible())
        checks.clean("an old link", visit)


def check_waiting_failures(checks, site, browser):
    with browser.visit("/?state=ND&type=cpa") as visit:
        page = visit.page
        page.get_by_role("button", name="Write to me when there is a CPA").click()
        page.fill("#wait-cpa [name=email]", "patient@mail.example")
        check_form(checks, visit, "the waiting list", "POST", "**/waitlist", "#wait-cpa")
        page.route("**/waitlist", lambda route: (page.wait_for_timeout(1_500), route.continue_()))
        page.locator("#wait-cpa .main").click()
        page.wait_for_selector(".busy:not([hidden])")
        checks.check("a long wait shows itself", True)
        page.wait_for_selector("#state .notice.note")
        checks.check("and it works once the failure is over", "patient@mail.example" in visit.text("#state .notice"))
        checks.clean("the waiting list's failures", visit)

    areas = site.get(f"/api/admin/partners/{site.partner}")["service_areas"]
    kind = site.get(f"/api/admin/partners/{site.partner}")["type"]
    with browser.visit(f"/?state=SD&type={kind}") as visit:
        page = visit.page
        page.locator("#state li").first.get_by_role("button").click()
        page.fill(f"#wait-{kind} [name=email]", "late@mail.example")
        site.put(f"/api/admin/partners/{site.partner}", {"service_areas": [*areas, "SD"]})
        visit.expect(409)
        visit.press("Enter")
        page.wait_for_selector(f"#wait-{kind} .summary")
        checks.check("409: it says that it is available by now, and keeps the address", page.input_value(
            f"#wait-{kind} [name=email]") == "late@mail.example", visit.text(f"#wait-{kind} .summary"))
        checks.clean("the waiting list of what is available", visit)
        site.put(f"/api/admin/partners/{site.partner}", {"service_areas": areas})


def check_directory(checks, site, browser):
    hostile = '<img src=x onerror="document.title=1">'
    name = f"Aardvark {hostile}"
    made = site.send(201, "POST", "/api/admin/partners", {
        "type": "cpa", "company_name": name, "contact_name": hostile, "email": "a@aardvark.example",
        "service_areas": ["MN"], "agreement_signed_at": "2026-01-01T00:00:00Z", "description": "One.\nTwo. " + hostile,
        "website": "https://www.aardvark.example/a?b=1", "languages": ["es", "vi"],
        "affiliation_disclosure": "Tomi owns 1 % of it."})
    site.put(f"/api/admin/partners/{made['id']}/status", {"status": "active"})
    total = len(all_active(site))
    with browser.visit("/directory") as visit:
        page = visit.page
        cards = page.locator("#partners > .card")
        checks.equal("the directory begins with 25", cards.count(), 25)
        first = visit.text("#partners > .card:first-child")
        checks.check("a card shows what it is at a glance, and markup as text", all(words in first for words in (
            "CPA", hostile, "Minnesota", "Spanish and Vietnamese", "aardvark.example", "Takes introductions",
            "relation with Tomi")), first)
        checks.equal("no markup of a partner became an element", page.locator("main img").count(), 0)
        while page.locator(".more").is_visible():
            before = cards.count()
            page.locator(".more").click()
            visit.wait(f"document.querySelectorAll('#partners > .card').length > {before}")
        checks.equal("Show more goes to the end", (cards.count(), visit.text("#summary")),
                     (total, f"{total} partners"))
        checks.check("the focus goes on to the first new one", page.evaluate(
            "!!document.activeElement.closest('#partners > .card')"))
        target = cards.nth(30).locator("h2 a")
        target.scroll_into_view_if_needed()
        place = page.evaluate("scrollY")
        target.click()
        page.wait_for_selector("#profile dl")
        page.go_back()
        visit.wait(f"document.querySelectorAll('#partners > .card').length === {total}")
        visit.wait(f"Math.abs(scrollY - {place}) < 50")
        checks.check("Back returns to the same rows and the same place", True)
        page.reload()
        visit.wait(f"document.querySelectorAll('#partners > .card').length === {total}")
        checks.check("and so does a reload", True)

        page.evaluate("scrollTo(0, 0)")
        page.fill("[name=q]", "law")
        page.wait_for_url("**/directory?q=law")
        visit.settle()
        page.select_option("[name=state]", "MN")
        visit.settle()
        page.select_option("[name=type]", "attorney")
        visit.settle()
        checks.equal("the address is the API's query", visit.path, "/directory?q=law&type=attorney&state=MN")
        wanted = site.get("/api/partners?q=law&type=attorney&state=MN&limit=100")["data"]
        checks.equal("the rows are its answer", cards.locator("h2").all_inner_texts(),
                     [partner["company_name"] for partner in wanted])
        page.go_back()
        visit.settle()
        checks.equal("Back undoes one filter, in the form too", (visit.path, page.input_value("[name=type]")),
                     ("/directory?q=law&state=MN", ""))
        page.fill("[name=q]", "zzzz")
        page.wait_for_selector("#partners .empty")
        checks.check("an empty list says what to do", page.locator("#partners .empty a").count() == 2,
                     visit.text("#partners .empty"))
        checks.clean("the directory", visit)

    with browser.visit("/directory?type=cpa&language=vi") as visit:
        checks.equal("a bookmark is a saved view", (visit.page.input_value("[name=language]"),
                     visit.page.locator("#partners > .card").count()), ("vi", 1))
    with browser.visit() as visit:
        visit.expect(400).open("/directory?tpye=cpa")
        visit.page.wait_for_selector("#partners .notice")
        checks.check("a wrong address says so, without the names of parameters", "does not know" in visit.text(
            "#partners .notice") and "tpye" not in visit.text("#partners"), visit.text("#partners .notice"))
    site.put(f"/api/admin/partners/{made['id']}/status", {"status": "removed"})


def all_active(site):
    found, cursor = [], ""
    while True:
        page = site.get(f"/api/partners?limit=100&cursor={cursor}")
        found += page["data"]
        if not page["has_more"]:
            return found
        cursor = page["next_cursor"]


def check_partner(checks, site, browser):
    credential = site.send(201, "POST", f"/api/admin/partners/{site.partner}/credentials", {
        "kind": "nmls", "number": "123456", "state_code": "MN"})
    site.put(f"/api/admin/partners/{site.partner}/credentials/{credential['id']}", {"verified": True})
    partner = site.get(f"/api/partners/{site.partner}")
    with browser.visit(f"/partner?id={site.partner}") as visit:
        visit.page.wait_for_selector("#profile dl")
        shown = visit.text("main")
        checks.check("a partner's page has its profile and its verified licenses", all(words in shown for words in (
            partner["company_name"], partner["contact_name"], "NMLS license 123456, Minnesota")), shown)
        checks.equal("its title is the name", visit.page.title(), f"{partner['company_name']} – Tomi")
        checks.clean("a partner", visit)
    with browser.visit("/partner") as visit:
        visit.page.wait_for_selector("#profile .lead")
        checks.check("without a partner it asks for none, and says what to do", visit.text("h1") ==
                     "No partner is chosen" and not any("/api/partners" in one.url for one in visit.requests))
        checks.clean("/partner", visit)
    for wrong in ("?id=00000000-0000-7000-8000-000000000000", "?id=../../me", "?id=nonsense"):
        with browser.visit() as visit:
            visit.expect(*([404] if "-" in wrong else [])).open(f"/partner{wrong}")
            visit.page.wait_for_selector("#profile .lead, #profile .notice")
            checks.check(f"/partner{wrong} says that there is none", "not in the directory" in visit.text("h1"),
                         visit.text("h1"))
            checks.clean(f"/partner{wrong}", visit)


def check_next_step(checks, site, browser):
    """From the public pages to asking: for a member, for a visitor, and nothing for others."""
    partner = site.get(f"/api/partners/{site.partner}")
    kind, state = partner["type"], partner["service_areas"][0]
    single = state if len(partner["service_areas"]) == 1 else None
    pages = {f"/?state={state}&type={kind}": ("#state", state), f"/directory?type={kind}&state={state}": ("#next", state),
             f"/partner?id={site.partner}": ("#profile", single)}
    for path, (place, asked) in pages.items():
        with browser.visit(path, token=site.tokens["member"]) as visit:
            wanted = f"/group/ask?id={site.group}&type={kind}" + (f"&state={asked}" if asked else "")
            visit.page.wait_for_selector(f"{place} a[href*='/group/ask']")
            found = visit.page.locator(f"{place} a[href*='/group/ask']").evaluate_all(
                "all => all.map((one) => one.getAttribute('href'))")
            checks.check(f"{path[:12]}: a member can ask", wanted in found, found[0])
            if place == "#profile":
                checks.check("and comes back to the group", site.group in visit.page.locator(
                    "#ways a").nth(1).get_attribute("href"))
            checks.clean(path, visit)
        with browser.visit(path) as visit:
            visit.page.wait_for_selector(f"{place} a[href^='/sign-in']")
            checks.check(f"{path[:12]}: a visitor reads how to come to an introduction", "ask for an introduction on "
                         "their group's page" in visit.text(place) and not visit.page.locator(
                             "main a[href*='/group/ask']").count())
            checks.clean(path, visit)
        with browser.visit(path, token=site.tokens["partner"]) as visit:
            checks.check(f"{path[:12]}: a partner reads none of it", "on their group's page" not in visit.text("main"))


def check_menu(checks, site, browser):
    """The menu of whoever is signed in, on the narrowest screen, with a long address."""
    user = "5f0c6a0e-9a51-4a0e-8c7e-1f2d3c4b5a69"
    site.put_user(user, "Mo Menu", f"{'long' * 15}@{'domain' * 8}.example")
    made = site.send(201, "POST", f"/api/admin/users/{user}/tokens", {})
    for width in (320, 700):
        with browser.visit("/", token=made["token"], width=width) as visit:
            visit.page.locator(".menu summary").click()
            left, right = visit.page.evaluate("""() => {
              const { left, right } = document.querySelector(".menu > div").getBoundingClientRect();
              return [left, right];
            }""")
            checks.check(f"the menu stays within {width} px", 0 <= left < right <= width and visit.page.evaluate(
                "document.documentElement.scrollWidth") <= width, f"{left:.0f} to {right:.0f}")
