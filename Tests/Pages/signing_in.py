"""Signing in and out: by a letter's link, with a token, on the way back, and when a token ends."""

import re

import service
from failing import check_form

HOMES = {"staff": "/desk", "partner": "/portal"}


def run(checks, site, browser, _):
    for role in ("member", "partner"):
        check_mail(checks, site, browser, role)
    check_command(checks, site, browser)
    check_token(checks, site, browser)
    check_tabs(checks, site, browser)
    check_way_back(checks, site, browser)
    check_end(checks, site, browser)


def home(site, role):
    return HOMES.get(role) or f"/group?id={site.group}"


def arrives(visit, wanted):
    """Whether the tab comes to a path."""
    visit.page.wait_for_url(lambda url: url.removeprefix(visit.address).startswith(wanted))
    return True


def check_mail(checks, site, browser, role):
    address = site.people[role]
    with browser.visit("/sign-in") as visit:
        page = visit.page
        checks.check(f"{role}: the Tab key comes to the field", visit.tab_to("#mail [name=email]"))
        visit.expect(422)
        visit.press("Enter")
        page.wait_for_selector("#mail .error")
        page.fill("#mail [name=email]", address)
        if role == "member":
            check_form(checks, visit, "asking for the link", "POST", "**/api/sign-in", "#mail")
        page.locator("#mail [name=email]").press("Enter")
        page.wait_for_selector("#way .notice")
        checks.check(f"{role}: it says where the link went", address in visit.text("#way .notice"))
        checks.clean(f"{role}: asking for the link", visit)
    link = site.link(address, "/sign-in#code=[\\w-]+")
    with browser.visit(link) as visit:
        page = visit.page
        page.wait_for_selector("#code button")
        checks.equal(f"{role}: the link sends nothing by itself", len(visit.sent("POST")), 0)
        checks.equal(f"{role}: its code leaves the address", visit.path, "/sign-in")
        page.reload()
        page.wait_for_selector("#code button")
        visit.wait("document.activeElement.matches('#code button')")
        visit.press("Enter")
        checks.check(f"{role}: the button signs in and goes on", arrives(visit, home(site, role)))
        visit.open("/directory")
        checks.check(f"{role}: the page knows who it is", visit.page.locator(".menu summary").is_visible(),
                     visit.text("#navigation"))
        kept = page.evaluate("[!!sessionStorage.getItem('tomi.token'), !!localStorage.getItem('tomi.token')]")
        checks.equal(f"{role}: the token ends with the tab", kept, [True, False])
        page.locator(".menu summary").click()
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/")
        page.get_by_role("link", name="Sign in").wait_for()
        page.wait_for_selector(".toast:has-text('You are signed out')")
        left = page.evaluate("[...Object.keys(sessionStorage), ...Object.keys(localStorage)]")
        checks.check(f"{role}: signing out forgets it", not {"tomi.token", "tomi.me"} & set(left), left)
        checks.clean(f"{role}: signing in", visit)
    with browser.visit() as visit:
        visit.expect(410).open(link)
        visit.page.locator("#code button").click()
        visit.page.wait_for_selector("#way .notice.bad")
        checks.check(f"{role}: the same link a second time is explained", visit.page.locator("#mail").is_visible(),
                     visit.text("#way .notice.bad"))
        checks.clean(f"{role}: a used link", visit)
        visit.page.reload()
        visit.page.wait_for_selector("#mail")
        checks.check(f"{role}: and forgotten", visit.page.locator("#code").count() == 0)
    with browser.visit(token=site.tokens[role]) as visit:
        visit.expect(410).open(link)
        visit.page.locator("#code button").click()
        visit.page.wait_for_selector("#way .notice.bad")
        checks.check(f"{role}: whoever is signed in reads so beside it, and can go on", address in visit.text("#way") and
                     visit.page.get_by_role("link", name="Go on").get_attribute("href") == home(site, role),
                     visit.text("#way"))
        checks.clean(f"{role}: a used link, signed in", visit)


def check_command(checks, site, browser):
    printed = site.service.command("sign-in-link", "--admin", "--email", "sam@tomi.example", "--public-url",
                                   site.address).strip()
    with browser.visit() as visit:
        visit.open(printed.removeprefix(site.address))
        visit.page.locator("[name=stays]").check()
        visit.page.locator("#code button").click()
        checks.check("staff: the command's link leads to the desk", arrives(visit, HOMES["staff"]))
        checks.check("staff: to stay signed in, the token outlives the tab",
                     visit.page.evaluate("!!localStorage.getItem('tomi.token')"))
        checks.clean("staff: the command's link", visit)


def check_token(checks, site, browser):
    with browser.visit("/sign-in") as visit:
        page = visit.page
        page.get_by_text("Sign in with a token").click()
        visit.expect(401, 422)
        for wrong in ("tomi_" + "A" * 43, "with space", "ünï", "x" * 9000):
            page.fill("#token [name=token]", wrong)
            page.locator("#token [name=token]").press("Enter")
            page.wait_for_selector("#token .error")
            checks.check(f"a wrong token ({wrong[:12]}) is refused at its field",
                         page.evaluate("!sessionStorage.getItem('tomi.token')"), visit.text("#token .error"))
        page.fill("#token [name=token]", f" {site.tokens['staff']} ")
        page.locator("#token [name=token]").press("Enter")
        checks.check("a good one leads home, blanks aside", arrives(visit, HOMES["staff"]))
        checks.clean("a token", visit)
    with browser.visit("/sign-in", token=site.tokens["partner"]) as visit:
        visit.page.get_by_role("link", name="Go on").wait_for()
        checks.equal("whoever is signed in is told so", visit.page.get_by_role("link", name="Go on").get_attribute(
            "href"), HOMES["partner"])
        checks.clean("signed in already", visit)


def check_tabs(checks, site, browser):
    """A new tab has the sign-in of another, and signing out ends it in all, whether it stays or not."""
    for stays in (False, True):
        label = "a sign-in that stays" if stays else "a sign-in of a tab"
        with browser.visit("/sign-in") as visit:
            first = visit.page
            first.get_by_text("Sign in with a token").click()
            first.fill("#token [name=token]", site.tokens["staff"])
            first.locator("#token [name=stays]").set_checked(stays)
            first.locator("#token [name=token]").press("Enter")
            arrives(visit, HOMES["staff"])
            second = visit.context.new_page()
            second.goto("/desk/people")
            second.wait_for_selector("#rows tr")
            checks.check(f"{label}: a new tab has it", second.url.endswith("/desk/people"), second.url)
            # A form with something typed would ask before the page goes.
            second.goto(f"/desk/person?id={site.member}")
            second.wait_for_selector("#account input")
            second.locator("#account input").first.press_sequentially(" typed")
            first.locator(".menu summary").click()
            first.get_by_role("button", name="Sign out").click()
            first.wait_for_url("**/")
            second.wait_for_url("**/sign-in?return=*")
            second.wait_for_selector("#mail")
            checks.check(f"{label}: signing out ends it in the other tab, which shows nothing any more",
                         second.locator("#account").count() == 0 and second.evaluate(
                             "sessionStorage.getItem('tomi.token') ?? localStorage.getItem('tomi.token')") is None)
            checks.clean(label, visit)
    sign_in = "token => import('/lib/api.js').then(({ signIn }) => signIn(token, true))"
    with browser.visit("/sign-in") as visit:
        visit.page.evaluate(sign_in, site.tokens["staff"])
        second = visit.context.new_page()
        second.goto("/desk/people")
        second.wait_for_selector("#rows tr")
        visit.page.evaluate(sign_in, site.tokens["partner"])
        second.wait_for_selector("h1:has-text('This page is not for you')")
        checks.check("whoever signs in takes the place of who was there, in the other tab too",
                     site.people["partner"] in second.inner_text("main"))
        checks.clean("another person", visit)
    check_lost(checks, site, browser)


def check_lost(checks, site, browser):
    """A token that has ended by itself: what is typed in another tab stays."""
    made = site.send(201, "POST", f"/api/admin/users/{site.member}/tokens", {})
    with browser.visit("/directory", token=made["token"]) as visit:
        first = visit.page
        first.wait_for_selector(".menu summary")
        second = visit.context.new_page()
        second.goto(f"/group/ask?id={site.group}")
        second.wait_for_selector("#request")
        second.fill("#request textarea", "What I typed.")
        site.send(204, "DELETE", f"/api/admin/tokens/{made['id']}")
        visit.expect(401).open("/directory")
        first.locator("#navigation").get_by_role("link", name="Sign in").wait_for()
        checks.check("a token that has ended takes no other tab's form away", service.eventually(
            lambda: second.evaluate("sessionStorage.getItem('tomi.token')") is None, 5, 0.1) and
            second.input_value("#request textarea") == "What I typed.")
        checks.clean("a lost sign-in", visit)


def check_way_back(checks, site, browser):
    for given, wanted in (("/directory?type=cpa", "/directory?type=cpa"), ("//evil.example/", HOMES["staff"]),
                          ("https://evil.example/", HOMES["staff"]), ("javascript:alert(1)", HOMES["staff"]),
                          ("/\\evil.example", HOMES["staff"]), ("/sign-in", HOMES["staff"]), ("", HOMES["staff"])):
        with browser.visit() as visit:
            visit.open(f"/sign-in?return={given}")
            visit.page.get_by_text("Sign in with a token").click()
            visit.page.fill("#token [name=token]", site.tokens["staff"])
            visit.page.locator("#token [name=token]").press("Enter")
            checks.check(f"back to {given or 'nothing'}: {wanted}", arrives(visit, wanted))
            checks.clean(f"back to {given or 'nothing'}", visit)


def check_end(checks, site, browser):
    user = site.get("/api/admin/users?q=Pat")["data"][0]["id"]
    made = site.send(201, "POST", f"/api/admin/users/{user}/tokens", {})
    with browser.visit("/directory", token=made["token"]) as visit:
        visit.page.wait_for_selector(".menu summary")
        site.send(204, "DELETE", f"/api/admin/tokens/{made['id']}")
        visit.expect(401).open("/directory")
        visit.page.locator("#navigation").get_by_role("link", name="Sign in").wait_for()
        checks.check("a token that has ended is forgotten, and a public page goes on",
                     visit.page.locator("#partners > .card").count() > 0)
        checks.check("no address or request ever held a token", not any(re.search(r"tomi_|code=", request.url)
                     for request in visit.requests))
        checks.clean("a token that has ended", visit)
