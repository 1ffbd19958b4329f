"""The desk's overview: each number and the list that it counts, the charts' tables, and whether it is fair."""

import json
import re
import urllib.parse

import service
from failing import NETWORK, answer

WAITING = "overview@mail.example"
# What the API counts without a list that has the same filter.
WITHOUT_LIST = {"New, and no partner fits", "No state given"}
PATH = "/desk/overview"


def run(checks, site, browser, _):
    wait_for_coverage(site)
    check_numbers(checks, site, browser)
    check_tables(checks, site, browser)
    check_fairness(checks, site, browser)
    check_extremes(checks, browser, site)
    check_failures(checks, browser, site)


def wait_for_coverage(site):
    """Puts somebody on the waiting list, so that there is one to count."""
    site.send(202, "POST", "/api/coverage/WY/cpa/waitlist", {"email": WAITING})
    code = site.link(WAITING, "/#confirm=[\\w-]+").partition("=")[2]
    site.send(204, "POST", "/api/waitlist/confirm", {"code": code})


def every(site, path, query):
    """All items of a list."""
    found, cursor = [], ""
    while True:
        pairs = urllib.parse.urlencode({**query, "limit": 100, "cursor": cursor})
        page = site.get(f"{path}?{pairs}")
        found += page["data"]
        if not page["has_more"]:
            return found
        cursor = page["next_cursor"]


def counted(site, href):
    """How many rows the list has that a link of the overview leads to."""
    url = urllib.parse.urlsplit(href)
    query = dict(urllib.parse.parse_qsl(url.query))
    if url.path == "/desk":
        return len(every(site, "/api/admin/referrals", query))
    if url.path == "/desk/partners" and query.pop("view", None) == "credentials":
        return len(every(site, "/api/admin/credentials", query))
    if url.path == "/desk/partners":
        return len(every(site, "/api/admin/partners", query))
    waitlist = site.get("/api/admin/summary")["waitlist"]
    return {(row["state_code"], row["partner_type"]): row["count"] for row in waitlist}[query["state"], query["type"]]


def bars(visit):
    """Of each bar its caption, label, number as text, and address."""
    return visit.page.evaluate("""[...document.querySelectorAll(".chart")].flatMap((chart) =>
      [...chart.querySelectorAll(".bars li")].map((bar) => [chart.querySelector("figcaption").textContent,
        bar.querySelector("span").textContent, bar.querySelector(".number").textContent,
        bar.querySelector("a")?.getAttribute("href") ?? null]))""")


def check_numbers(checks, site, browser):
    summary = site.get("/api/admin/summary")
    with browser.visit(PATH, token=site.tokens["staff"]) as visit:
        visit.page.wait_for_selector("#fairness .chart")
        found = bars(visit)
        numbers = {label: text for _, label, text, _ in found}
        questions = visit.page.locator("main h2").all_inner_texts()
        checks.equal("it answers four questions from top to bottom", questions, [
            "What waits", "How long each step takes", "What comes of it", "Is it fair?"])
        wrong = [f"{label}: {text}, its list has {rows}" for _, label, text, href in found if href
                 for rows in [counted(site, href)] if text != f"{rows:,}"]
        links = sum(bool(bar[3]) for bar in found)
        checks.check("each number with a link is that of its list", not wrong and links > 20, "; ".join(wrong) or
                     f"{links} links")
        unlinked = {label for caption, label, _, href in found
                    if not href and caption.startswith(("Requests", "By state"))}
        checks.equal("only what no list can show has no link", unlinked, WITHOUT_LIST)
        checks.equal("the requests that are held up", numbers["New, and no partner fits"],
                     str(summary["pending_without_candidates"]))
        checks.equal("the medians", [numbers[label] for label in (
            "From new to matched", "From matched to introduced", "From introduced to connected",
            "From connected to closed")], [
                f"{days:g} {'day' if days == 1 else 'days'}" for days in summary["median_days"].values()])
        declines = [int(text) for caption, _, text, _ in found if caption.startswith("Why partners")]
        checks.equal("the reasons to decline", declines, [row["count"] for row in summary["declines"]])
        waiting = [(label, text) for caption, label, text, _ in found if caption.startswith("Waiting list")]
        checks.check("the waiting list", ("Wyoming, CPA", "1") in waiting and sum(int(number) for _, number in waiting) == sum(
            row["count"] for row in summary["waitlist"]), waiting)
        checks.clean("the numbers", visit)


def check_tables(checks, site, browser):
    summary = site.get("/api/admin/summary")
    with browser.visit(PATH, token=site.tokens["staff"]) as visit:
        page = visit.page
        page.wait_for_selector("#fairness .chart")
        for caption in ("Requests that need somebody of Tomi", "Introductions that the partner has not answered"):
            chart = page.locator(f".chart:has(figcaption:text-is('{caption}'))")
            chart.locator("summary").focus()
            visit.press("Enter")
            rows = [row.locator("th, td").all_inner_texts() for row in chart.locator("tbody tr").all()]
            wanted = [[label, text] for title, label, text, _ in bars(visit) if title == caption]
            checks.equal(f"{caption}: the table has the same", rows, wanted)
        chart = page.locator(".chart:has(figcaption:text-is('By profession'))")
        chart.locator("summary").click()
        rows = [[int(text) for text in row.locator("td").all_inner_texts()] for row in chart.locator("tbody tr").all()]
        checks.equal("by profession and status", rows, [list(row["by_status"].values()) for row in summary["by_type"]])
        links = [(int(link.inner_text()), link.get_attribute("href")) for link in chart.locator("tbody a").all()]
        wrong = [f"{href}: {number}" for number, href in links if counted(site, href) != number]
        checks.check("its numbers are links to their lists", len(links) > 10 and not wrong, "; ".join(wrong) or
                     f"{len(links)} links")
        page.reload()
        page.wait_for_selector("#fairness .chart")
        table = page.locator(".chart table").first
        checks.check("on the screen a table is closed", not table.is_visible())
        page.emulate_media(media="print")
        checks.check("on paper it is open", page.evaluate("document.querySelector('.chart table').checkVisibility()"))
        checks.clean("the tables", visit)


def check_fairness(checks, site, browser):
    with browser.visit(PATH, token=site.tokens["staff"]) as visit:
        page = visit.page
        page.wait_for_selector("#fairness .chart")
        checks.equal("it begins with attorneys in Minnesota", fairness_rows(visit), wanted_rows(site, "attorney", "MN"))
        checks.equal("a dot for each partner", page.locator("#fairness circle").count(),
                     len(wanted_rows(site, "attorney", "MN")))
        label = page.locator("#fairness svg[role=img]").get_attribute("aria-label")
        checks.check("the dots say in words what they show", re.fullmatch(
            r"\d+ dots, (from \d+ to )?\d+ introductions?", label) is not None, label)
        shares = [row[1] for row in wanted_rows(site, "attorney", "MN")]
        words = visit.text("#fairness p >> nth=0")
        checks.check("and a sentence tells the spread", f"{sum(map(int, shares))} introductions" in words and
                     f"which is {round(100 * max(map(int, shares)) / sum(map(int, shares)))}%" in words, words)
        page.locator("body").press("t")
        checks.equal("the key t goes to the choice", page.evaluate("document.activeElement.name"), "partner_type")
        page.keyboard.type("Lender")
        visit.wait("location.search === '?partner_type=lender&state=MN'")
        visit.press("Tab")
        page.keyboard.type("California")
        visit.wait("location.search === '?partner_type=lender&state=CA'")
        wanted = wanted_rows(site, "lender", "CA")
        service.eventually(lambda: fairness_rows(visit) == wanted)
        checks.equal("by keyboard to the lenders of California", fairness_rows(visit), wanted)
        page.go_back()
        wanted = wanted_rows(site, "lender", "MN")
        service.eventually(lambda: fairness_rows(visit) == wanted)
        checks.equal("Back goes to those of Minnesota", (page.input_value("#filter-state"), fairness_rows(visit)),
                     ("MN", wanted))
        checks.clean("fairness", visit)
        visit.open(f"{PATH}?partner_type=cpa&state=WY").page.wait_for_selector("#fairness p")
        checks.check("where there is nobody it says so and what to do", "no active CPAs in Wyoming" in
                     visit.text("#fairness") and page.locator("#fairness a").get_attribute("href") ==
                     "/desk/coverage?state=WY&type=cpa", visit.text("#fairness"))
        visit.expect(400).open(f"{PATH}?partner_type=plumber").page.wait_for_selector("#fairness .notice")
        checks.check("a wrong address says so, and shows what it asks for", "no such profession" in visit.text(
            "#fairness") and page.locator("#choice option:checked").first.inner_text() == "plumber (unknown)",
            visit.text("#fairness .notice"))
        page.wait_for_selector("#numbers .chart")
        checks.equal("and the rest of the page stands", page.locator("#numbers .chart").count(), 9)
        checks.clean("fairness elsewhere", visit)


def fairness_rows(visit):
    return [row.locator("th, td").all_text_contents()[:4] for row in visit.page.locator("#fairness tbody tr").all()]


def wanted_rows(site, kind, state):
    rows = site.get(f"/api/admin/fairness?partner_type={kind}&state={state}")["data"]
    return [[row["company_name"], *(str(row[name]) for name in ("introductions", "declines", "open_referrals"))]
            for row in rows]


def serve(page, path, body):
    page.route(path, lambda route: route.fulfill(body=json.dumps(body), content_type="application/json"))


def check_extremes(checks, browser, site):
    """Nothing at all, and a thousand of everything with names that do not break."""
    summary = site.get("/api/admin/summary")
    statuses = list(summary["by_status"])
    none = dict.fromkeys(statuses, 0)
    empty = {**summary, "total": 0, "by_status": none, "by_state": [], "waitlist": [],
             "by_type": [{**row, "total": 0, "by_status": none} for row in summary["by_type"]],
             "declines": [{**row, "count": 0} for row in summary["declines"]],
             "median_days": dict.fromkeys(summary["median_days"]), "changes_to_review": 0, "credentials_expiring": 0}
    with browser.visit(token=site.tokens["staff"]) as visit:
        serve(visit.page, "**/api/admin/summary", empty)
        visit.open(PATH).page.wait_for_selector("#numbers .chart")
        numbers = {label: text for _, label, text, _ in bars(visit)}
        checks.equal("without any step the median is none, not 0", numbers["From new to matched"], "None yet")
        shown = visit.text("#numbers")
        checks.check("without requests, declines and people it says so", all(words in shown for words in (
            "All 0 requests", "No partner has declined yet", "nobody waits")), shown[-160:])
        checks.clean("nothing", visit)
    coverage = site.get("/api/admin/coverage")["data"]
    full = {**summary, "waitlist": [{"state_code": row["state_code"], "partner_type": row["partner_type"], "count": 7}
                                    for row in coverage]}
    name = "Rechtsanwaltskanzlei" * 10
    partners = {"partner_type": "attorney", "state_code": "MN", "order": "By turns.", "data": [
        {"id": site.partner, "company_name": f"{name}{number}", "introductions": number % 40, "declines": 0,
         "open_referrals": 0, "last_intro_at": None} for number in range(1000)]}
    with browser.visit(token=site.tokens["staff"], width=320) as visit:
        serve(visit.page, "**/api/admin/summary", full)
        serve(visit.page, "**/api/admin/fairness?*", partners)
        visit.open(PATH).page.wait_for_selector("#fairness circle")
        for details in visit.page.locator("main details").all():
            details.evaluate("details => details.open = true")
        wide = visit.page.evaluate("document.documentElement.scrollWidth")
        checks.check("a thousand partners with long names fit 320 px, also as tables", wide == 320, f"{wide} px")
        words = visit.text("#fairness p >> nth=0")
        checks.check("of several with the most, none is named", "25 of them got the most: 39 each" in words, words)
        checks.equal("each has its dot", visit.page.locator("#fairness circle").count(), 1000)
        chart = visit.page.locator(".chart:has(figcaption:text('Waiting list'))")
        checks.equal("of 306 places the first are bars, and the table has all",
                     (chart.locator("li svg").count(), chart.locator("tbody tr").count()), (12, 306))
        checks.check("and the bars say so", "294 more" in chart.locator(".bars").inner_text())
        checks.clean("a thousand", visit)


def check_failures(checks, browser, site):
    for status in (NETWORK, 429, 500, 503):
        for path, place in (("**/api/admin/summary", "#numbers"), ("**/api/admin/fairness?*", "#fairness")):
            name = f"{place}, {status or 'no network'}"
            with browser.visit(token=site.tokens["staff"]) as visit:
                page = visit.page
                visit.expect(status)

                def refuse(route):
                    answer(route, status)
                page.route(path, refuse)
                page.goto(PATH)
                page.wait_for_selector(f"{place} .notice")
                checks.check(f"{name}: it says what to do", len(visit.text(f"{place} .notice")) > 40,
                             visit.text(f"{place} .notice"))
                page.unroute(path, refuse)
                page.locator(f"{place} .notice button").click()
                page.wait_for_selector(f"{place} .chart")
                checks.clean(f"{name}: trying again works", visit)
    user = site.get("/api/admin/users?q=Pat")["data"][0]["id"]
    made = site.send(201, "POST", f"/api/admin/users/{user}/tokens", {})
    site.send(204, "DELETE", f"/api/admin/tokens/{made['id']}")
    with browser.visit(token=made["token"]) as visit:
        visit.expect(401).open(PATH).page.wait_for_url("**/sign-in?return=%2Fdesk%2Foverview")
        checks.clean("with a token that has ended it leads to the sign-in, and back", visit)
