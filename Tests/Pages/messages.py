"""Messages at the desk: the list, one beside it, why one failed, sending again and cancelling."""

import json

from demo import OPTIONS
from failing import answer
from partners import make, refusing, remove, settle, staff

FAILURES = {67: ("user unknown", "does not know this address"), 78: ("no config", "not set up")}


def run(checks, site, browser, _):
    partners = [make(site, f"Letters {number}") for number in range(2)]
    check_list(checks, site, browser, partners)
    check_resend(checks, site, browser, partners[0])
    check_cancel(checks, site, browser, partners[1])
    check_failures(checks, site, browser)
    check_refusals(checks, site, browser, partners[0])
    remove(site, *partners)


def message_of(site, partner, status=None):
    query = f"&status={status}" if status else ""
    return site.get(f"/api/admin/messages?partner_id={partner['id']}{query}")["data"][0]


def opened(browser, site, message):
    return browser.visit(f"/desk/messages?open={message['id']}", token=site.tokens["staff"])


def check_list(checks, site, browser, partners):
    with staff(site, browser) as visit:
        page = visit.open("/desk/messages").page
        page.wait_for_selector("#rows a")
        newest = site.get("/api/admin/messages")["data"]
        checks.equal("the newest come first", page.locator("#rows td:first-child").all_inner_texts(),
                     [one["subject"] for one in newest])
        page.select_option("[name=status]", "queued")
        settle(visit)
        page.select_option("[name=kind]", "partner.invited")
        settle(visit)
        page.fill("[name=to]", partners[0]["email"][:6])
        page.wait_for_timeout(500)
        checks.equal("half an address is not sent yet", visit.path, "/desk/messages?status=queued&kind=partner.invited")
        page.locator("[name=to]").press("Enter")
        page.wait_for_selector("#filter-to-error")
        checks.equal("but asked for, at its field", (visit.path, visit.text("#filter-to-error")),
                     ("/desk/messages?status=queued&kind=partner.invited", "Write the whole address."))
        page.fill("[name=to]", partners[0]["email"])
        page.locator("[name=to]").press("Enter")
        settle(visit)
        checks.check("the filters are the API's", f"to={partners[0]['email'].replace('@', '%40')}" in visit.path and
                     page.locator("#rows a").count() == 1, visit.path)
        page.locator("#rows a").focus()
        visit.press("Enter")
        page.wait_for_selector("#detail .letter")
        message = message_of(site, partners[0])
        text = site.get(f"/api/admin/messages/{message['id']}")["text"]
        checks.equal("Enter opens one beside the list, with its text", visit.text("#detail .letter"),
                     " ".join(text.split()))
        checks.check("the lines of a paragraph are joined", page.locator("#detail .letter").inner_text().count("\n") <
                     text.count("\n"))
        checks.check("it stands in the address, and its row is marked", f"open={message['id']}" in visit.path and
                     page.locator("#rows tr[aria-current]").count() == 1, visit.path)
        checks.equal("the focus goes to it", page.evaluate("document.activeElement.id"), "detail")
        page.wait_for_selector(f"#detail a[href='/desk/partner?id={partners[0]['id']}']:has-text('Letters 0')")
        visit.press("Escape")
        page.wait_for_selector("#detail .empty")
        checks.check("Esc closes it, and the focus is in its row", "open=" not in visit.path and page.evaluate(
            "!!document.activeElement.closest('#rows tr')"), visit.path)
        page.go_back()
        page.wait_for_selector("#detail .letter")
        page.go_back()
        page.wait_for_selector("#detail .empty")
        checks.check("Back closes it and keeps the filters", "open=" not in visit.path and "kind=" in visit.path,
                     visit.path)
        page.go_forward()
        page.wait_for_selector("#detail .letter")
        checks.check("Forward opens it again", True)
        page.select_option("[name=status]", "failed")
        page.wait_for_selector("#rows .empty")
        checks.check("an empty list says what to do", page.locator("#rows .empty a").count() == 1,
                     visit.text("#rows .empty"))
        checks.clean("the list", visit)
    with browser.visit(f"/desk/messages?partner_id={partners[1]['id']}", token=site.tokens["staff"]) as visit:
        visit.page.wait_for_selector("#rows a")
        checks.equal("those of one partner are a view", (visit.page.locator("#rows tr").count(),
                     partners[1]["company_name"] in visit.text("#scope")), (1, True))
        checks.clean("one partner's", visit)
    with staff(site, browser) as visit:
        visit.expect(400).open("/desk/messages?to=half").page.wait_for_selector("#rows .notice")
        checks.check("400: half an address is explained at its field", "Write the whole address" in visit.text(
            "#filters .error") and "to:" not in visit.text("main"), visit.text("#rows .notice"))
        checks.clean("half an address", visit)


def check_resend(checks, site, browser, partner):
    message = message_of(site, partner)
    with opened(browser, site, message) as visit:
        page = visit.page
        page.wait_for_selector("#detail .letter")
        page.evaluate("document.activeElement.blur()")
        visit.press("r")
        checks.equal("the key r goes to the button, and sends nothing", (visit.text(":focus"), len(visit.sent("POST"))),
                     ("Send again", 0))
        for status, words in ((0, "could not be reached"), (429, "too many requests"), (500, "tell us this number"),
                              (503, "out of reach")):
            visit.expect(status)
            with refusing(page, "**/resend", "POST", status):
                page.get_by_role("button", name="Send again").click()
                visit.wait(f"document.querySelector('#detail .error')?.innerText.includes('{words}')")
            checks.check(f"{status or 'no network'}: it says so", True)
        visit.press("Enter")
        page.wait_for_selector("#detail p:has-text('Sent again just now')")
        checks.check("it says so, with a link to the new one that has the focus, and no second button", page.evaluate(
            "document.activeElement.textContent") == "Open the new message" and page.get_by_role(
            "button", name="Send again").count() == 0)
        visit.press("Enter")
        visit.wait(f"!location.search.includes('{message['id']}')")
        page.wait_for_selector("#detail .letter")
        found = site.get(f"/api/admin/messages?partner_id={partner['id']}")["data"]
        checks.equal("a new one with the same text is queued, once", ([one["status"] for one in found], visit.path),
                     (["queued"] * 2, f"/desk/messages?open={found[0]['id']}"))
        texts = {site.get(f"/api/admin/messages/{one['id']}")["text"] for one in found}
        checks.equal("with the same text", len(texts), 1)
        visit.wait(f"!!document.querySelector('#rows tr[aria-current] a[href*=\"{found[0]['id']}\"]')")
        checks.check("and stands in the list, opened", True)
        page.go_back()
        page.wait_for_selector("#detail p:has-text('Sent again just now')")
        checks.check("the first one still says that it was sent again", page.get_by_role(
            "button", name="Send again").count() == 0)
        checks.clean("sending again", visit)


def check_cancel(checks, site, browser, partner):
    message = message_of(site, partner)
    path = f"/api/admin/messages/{message['id']}"
    with opened(browser, site, message) as visit:
        page = visit.page
        page.get_by_role("button", name="Cancel", exact=True).click()
        checks.equal("cancelling asks first", visit.text(":focus"), "Cancel it for good")
        page.get_by_role("button", name="Keep it").click()
        checks.equal("and can be left", site.get(path)["status"], "queued")
        page.get_by_role("button", name="Cancel", exact=True).click()
        visit.expect(412)
        with refusing(page, "**/cancel", "POST", 412):
            page.get_by_role("button", name="Cancel it for good").click()
            page.wait_for_selector(".toast:has-text('changed meanwhile')")
        checks.equal("412: it shows how it is now", site.get(path)["status"], "queued")
        page.get_by_role("button", name="Cancel", exact=True).click()
        for status, words in ((0, "could not be reached"), (503, "out of reach")):
            visit.expect(status)
            with refusing(page, "**/cancel", "POST", status):
                page.get_by_role("button", name="Cancel it for good").click()
                visit.wait(f"document.querySelector('#detail .error')?.innerText.includes('{words}')")
            checks.check(f"{status or 'no network'}: it says so", True)
        visit.press("Enter")
        page.wait_for_selector("#detail .status:has-text('Cancelled')")
        checks.equal("it is cancelled", site.get(path)["status"], "cancelled")
        checks.equal("its row says so", visit.text("#rows tr[aria-current] .status"), "Cancelled")
        checks.check("with the version that was seen", "if-match" in visit.sent("POST", f"{path}/cancel")[-1].headers)
        checks.clean("cancelling", visit)

    queued = site.send(201, "POST", f"{path}/resend")
    with opened(browser, site, queued) as visit:
        visit.page.get_by_role("button", name="Cancel", exact=True).click()
        site.letters(partner["email"])
        visit.expect(409, 412)
        visit.page.get_by_role("button", name="Cancel it for good").click()
        visit.page.wait_for_selector("#detail .status:has-text('Sent')")
        checks.check("one that was sent meanwhile is shown as sent", "changed meanwhile" in visit.text(".toasts"),
                     visit.text(".toasts"))
        checks.clean("too late", visit)
    queued = site.send(201, "POST", f"{path}/resend")
    with opened(browser, site, queued) as visit:
        visit.page.wait_for_selector("#detail .status:has-text('Queued')")
        site.letters(partner["email"])
        visit.page.wait_for_selector("#detail .status:has-text('Sent')")
        checks.equal("the status of a queued one is followed until it is sent, in its row too", visit.text(
            "#rows tr[aria-current] .status"), "Sent")
        checks.clean("on its way", visit)


def check_failures(checks, site, browser):
    """Each way to fail: through a mail program that ends like that."""
    for code, (said, words) in FAILURES.items():
        partner = make(site, f"Failing {code}")
        program = site.mail.parent / f"sendmail-{code}"
        program.write_text(f"#!/bin/sh\ncat > /dev/null\necho '{said}' >&2\nexit {code}\n")
        program.chmod(0o755)
        site.service.command("mail", "--sendmail", program, *OPTIONS, expected=None)
        message = message_of(site, partner)
        with opened(browser, site, message) as visit:
            page = visit.page
            page.wait_for_selector("#detail .notice")
            shown = visit.text("#detail .notice")
            if message["status"] == "failed":
                checks.check(f"{code}: it says why it failed and what to do", words in shown and said in shown and
                             page.get_by_role("button", name="Send again").is_visible(), shown)
            else:
                checks.check(f"{code}: it says when the next attempt follows", "next attempt" in shown and said in
                             shown, shown)
            checks.clean(f"a failure, {code}", visit)
            if message["status"] == "failed":
                check_words(checks, visit, message)
        with browser.visit("/desk/messages?status=failed", token=site.tokens["staff"]) as visit:
            visit.page.wait_for_selector("#rows a")
            number = len(site.get("/api/admin/messages?status=failed&limit=50")["data"])
            visit.wait("document.querySelector('#places [aria-current] .number') !== null")
            checks.equal("their number stands at the place, which leads to them", (
                int(visit.text("#places [aria-current] .number").split()[0]),
                visit.page.locator("#places [aria-current]").get_attribute("href")),
                (number, "/desk/messages?status=failed"))
            visit.page.locator("#rows a").first.click()
            visit.page.get_by_role("button", name="Cancel", exact=True).click()
            checks.check("what cancelling does then is said", "It is not tried again" in visit.text("#detail"))
            checks.check("failed ones are a view", "Failed" in visit.text("#rows"), visit.text("#rows"))
        remove(site, partner)


def check_words(checks, visit, message):
    """Failures that need days, or another installation, as the API would have them."""
    path = f"**/api/admin/messages/{message['id']}"
    for error, words in (("exit status 68 (EX_NOHOST)", "after the @"),
                         ("exit status 65 (EX_DATAERR): a", "cannot take"),
                         ("cannot start /usr/sbin/sendmail: No such file or directory", "whoever runs the server"),
                         ("exit status 75 (EX_TEMPFAIL)", "15 hours"), ("something new", "15 hours")):
        body = {**message, "last_error": error, "text": None}
        visit.page.route(path, lambda route: route.fulfill(  # noqa: B023
            body=json.dumps(body), content_type="application/json", headers={"ETag": '"1"'}))  # noqa: B023
        visit.page.reload()
        visit.page.wait_for_selector("#detail .notice")
        checks.check(f"{error}: what to do", words in visit.text("#detail .notice"), visit.text("#detail .notice"))
        checks.check("without its text it cannot be sent again, and says why", "cannot be sent again" in visit.text(
            "#detail") and visit.page.get_by_role("button", name="Send again").count() == 0)
        visit.page.unroute(path)
    body = {**message, "last_error": "exit status 67 (EX_NOUSER)", "kind": "waitlist.confirm", "user_id": None,
            "partner_id": None, "text": None}
    visit.page.route(path, lambda route: route.fulfill(body=json.dumps(body), content_type="application/json",
                                                       headers={"ETag": '"1"'}))
    visit.page.reload()
    visit.page.wait_for_selector("#detail .notice")
    checks.check("an address of the waiting list has no record to correct", "Ask the person" in visit.text(
        "#detail .notice"), visit.text("#detail .notice"))
    visit.page.unroute(path)


def check_refusals(checks, site, browser, partner):
    message = message_of(site, partner)
    with opened(browser, site, message) as visit:
        page = visit.page
        problem = {"status": 409, "code": "not_resendable", "detail": "Codes."}
        visit.expect(409)
        with refusing(page, "**/resend", "POST", 409, problem):
            page.get_by_role("button", name="Send again").click()
            page.wait_for_selector("#detail .error")
        checks.check("409: why it cannot be sent again is in words", "its text is gone" in visit.text("#detail .error"),
                     visit.text("#detail .error"))
        visit.expect(401)
        with refusing(page, "**/resend", "POST", 401):
            page.get_by_role("button", name="Send again").click()
            visit.wait("document.querySelector('#detail .error')?.innerText.includes('not signed in')")
        checks.check("401: it says so", True)
        checks.clean("refusals", visit)
    site.staff.expect(202, "POST", "/api/sign-in", {"email": site.people["partner"]})
    code = site.get("/api/admin/messages?kind=sign_in")["data"][0]
    with opened(browser, site, code) as visit:
        visit.page.wait_for_selector("#detail dl")
        checks.check("a letter with a code cannot be sent again, and says why", "works once" in visit.text(
            "#detail"), visit.text("#detail"))
        visit.press("r")
        checks.check("the key r does not go to Cancel", visit.page.evaluate("""
            !document.activeElement.matches("#detail button")""") and visit.page.get_by_role(
                "button", name="Cancel", exact=True).count() == 1)
        checks.clean("a letter with a code", visit)
    with staff(site, browser) as visit:
        for wrong in ("00000000-0000-7000-8000-000000000000", "nonsense"):
            visit.expect(404).open(f"/desk/messages?open={wrong}")
            visit.page.wait_for_selector("#detail a[href='/desk/messages']")
            checks.check("one that does not exist is said so, with the way to the others", "no such message" in
                         visit.text("#detail"), visit.text("#detail"))
            checks.equal("and asked for once", len(visit.sent("GET", f"/api/admin/messages/{wrong}")), 1)
        visit.expect(400).open("/desk/messages?partner_id=nonsense")
        visit.page.wait_for_selector("#rows .notice a[href='/desk/messages']")
        visit.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        visit.settle()
        checks.equal("what the list does not know is not asked for again", sum(
            "partner_id=nonsense" in request.url and "/api/" in request.url for request in visit.requests), 1)
        visit.expect(503)
        visit.page.route("**/api/admin/messages*", lambda route: answer(route, 503))
        visit.open("/desk/messages").page.wait_for_selector("#rows .notice")
        visit.page.unroute("**/api/admin/messages*")
        visit.page.get_by_role("button", name="Try again").click()
        visit.page.wait_for_selector("#rows a")
        checks.check("503: it offers to try again", True)
        checks.clean("what is not there", visit)
