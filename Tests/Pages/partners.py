"""Partners at the desk: the list, an invitation, one partner until it is active, its credentials and reviews."""

import contextlib
import datetime
import json

from failing import answer, check_form

LONG = "Rechtsanwaltsgesellschaft" * 7
HOSTILE = '<img src=x onerror="document.title=1">'
SIGNED = "2026-01-01T00:00:00.000Z"


def run(checks, site, browser, _):
    check_list(checks, site, browser)
    check_credentials_list(checks, site, browser)
    check_invitation(checks, site, browser)
    check_activation(checks, site, browser)
    check_expired(checks, site, browser)
    check_record(checks, site, browser)
    check_record_conflict(checks, site, browser)
    check_news(checks, site, browser)
    check_draft(checks, site, browser)
    check_credentials(checks, site, browser)
    check_review(checks, site, browser)
    check_review_ended(checks, site, browser)
    check_status(checks, site, browser)
    check_views(checks, site, browser)
    check_wrong(checks, site, browser)
    check_unreachable(checks, site, browser)


def make(site, name, **fields):
    return site.send(201, "POST", "/api/admin/partners", {
        "type": "cpa", "company_name": name, "email": f"{abs(hash(name))}@made.example", "service_areas": ["MN"],
        "agreement_signed_at": SIGNED, **fields})


def path_of(partner):
    return f"/api/admin/partners/{partner['id']}"


def page_of(partner, view=""):
    return f"/desk/partner?id={partner['id']}{view}"


def staff(site, browser):
    return browser.visit(token=site.tokens["staff"])


@contextlib.contextmanager
def refusing(page, path, method, status, body=None):
    """Refuses each request of a method meanwhile, as the service or the network would."""
    def refuse(route):
        if route.request.method != method:
            return route.fallback()
        if body:
            return route.fulfill(status=status, body=json.dumps(body), content_type="application/problem+json")
        return answer(route, status)
    page.route(path, refuse)
    yield
    page.unroute(path, refuse)


def settle(visit):
    """Waits until the list has its rows."""
    visit.wait("!document.querySelector('tbody[aria-busy]')")
    visit.settle()


def remove(site, *partners):
    for partner in partners:
        site.put(f"{path_of(partner)}/status", {"status": "removed"})


def check_list(checks, site, browser):
    names = [LONG, HOSTILE, "👩‍⚖️ Ünïcode & Söhne", "شركة المحاماة"]
    made = [make(site, name, contact_name=None) for name in names]
    with staff(site, browser) as visit:
        page = visit.open("/desk/partners").page
        page.wait_for_selector("#rows a")
        firsts = page.locator("#rows tr td:first-child a")
        checks.equal("the newest come first, whatever their names", firsts.all_inner_texts()[:4], names[::-1])
        checks.equal("no markup of a name became an element", page.locator("main img").count(), 0)
        page.select_option("[name=type]", "lender")
        settle(visit)
        page.select_option("[name=status]", "active")
        settle(visit)
        page.select_option("[name=state]", "CA")
        settle(visit)
        page.select_option("[name=sort]", "company_name")
        settle(visit)
        checks.equal("the address is the API's query", visit.path,
                     "/desk/partners?type=lender&status=active&state=CA&sort=company_name")
        wanted = site.get("/api/admin/partners?type=lender&status=active&state=CA&sort=company_name")["data"]
        checks.equal("the rows are its answer", firsts.all_inner_texts(), [one["company_name"] for one in wanted])
        page.go_back()
        settle(visit)
        checks.equal("Back undoes one filter", (visit.path, page.input_value("[name=sort]")),
                     ("/desk/partners?type=lender&status=active&state=CA", ""))
        page.locator("#views").get_by_role("link", name="Changes to review").click()
        page.wait_for_url("**?pending_changes=true")
        settle(visit)
        wanted = site.get("/api/admin/partners?pending_changes=true")["data"]
        checks.check("those with changes are a view of their own", len(wanted) > 0 and firsts.all_inner_texts() ==
                     [one["company_name"] for one in wanted], firsts.all_inner_texts())
        checks.equal("and its tab says so", visit.text("#views [aria-current]"), "Changes to review")
        before = len(visit.sent("GET", "/api/admin/partners"))
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
        settle(visit)
        checks.equal("whoever comes back finds the present state", len(visit.sent("GET", "/api/admin/partners")),
                     before + 1)
        page.fill("[name=q]", "zzzz")
        page.wait_for_selector("#rows .empty")
        checks.check("an empty list says what to do", page.locator("#rows .empty a").count() == 1,
                     visit.text("#rows .empty"))
        visit.open("/desk/partners")
        page.wait_for_selector("#rows a")
        visit.press("j", "j", "k")
        checks.equal("j and k go from row to row", page.evaluate("document.activeElement.innerText"), names[3])
        visit.press("Enter")
        page.wait_for_selector("#record dl")
        checks.equal("Enter opens the row", visit.text("h1"), names[3])
        checks.clean("the list", visit)
    with browser.visit(token=site.tokens["staff"], width=320) as visit:
        visit.open(page_of(made[0])).page.wait_for_selector("#record dl")
        wide = visit.page.evaluate("document.documentElement.scrollWidth")
        checks.check("a long name breaks at 320 px", wide <= 320, f"{wide} px wide")
        checks.clean("a long name", visit)
    remove(site, *made)


def check_credentials_list(checks, site, browser):
    with staff(site, browser) as visit:
        page = visit.open("/desk/partners?view=credentials&verified=true").page
        page.wait_for_selector("#rows a")
        wanted = site.get("/api/admin/credentials?verified=true")["data"]
        checks.equal("verified credentials stand by expiry", page.locator("#rows td:nth-child(3)").all_inner_texts(),
                     [one["number"] for one in wanted])
        today = datetime.datetime.now(datetime.UTC).date()
        soon = today + datetime.timedelta(days=30)

        def words(end):
            return ("Verified" if end is None or end > soon.isoformat() else
                    "Expired" if end < today.isoformat() else "Expires soon")
        shown = page.locator("#rows td:nth-child(5)").all_inner_texts()
        checks.equal("expired and expiring ones are told apart", shown, [words(one["expires_on"]) for one in wanted])
        page.select_option("[name=expiring_within_days]", "90")
        settle(visit)
        checks.equal("the filters are the API's", visit.path,
                     "/desk/partners?view=credentials&verified=true&expiring_within_days=90")
        page.get_by_role("link", name="Credentials to verify").click()
        page.wait_for_url("**verified=false")
        settle(visit)
        wanted = site.get("/api/admin/credentials?verified=false")["data"]
        checks.check("those that wait are a view of their own", len(wanted) > 0 and
                     page.locator("#rows td:nth-child(3)").all_inner_texts() == [one["number"] for one in wanted],
                     f"{len(wanted)} credentials")
        checks.clean("credentials", visit)


def check_invitation(checks, site, browser):
    taken = make(site, "Taken", type="attorney")
    with staff(site, browser) as visit:
        page = visit.open("/desk/partners").page
        page.wait_for_selector("#rows a")
        visit.press("n")
        page.wait_for_selector("#invitation")
        visit.expect(409, 422)
        page.fill("[name=service_areas]", "MN, zz")
        checks.equal("codes are said in words", visit.text("#invitation .field:has([name=service_areas]) output"),
                     "Minnesota and “zz”?")
        page.locator("[name=company_name]").press("Enter")
        page.wait_for_selector("#invitation .summary")
        wrong = page.locator("#invitation [aria-invalid]").evaluate_all("all => all.map((one) => one.name)")
        checks.equal("errors stand at their fields", wrong, ["company_name", "email", "service_areas"])
        page.fill("[name=company_name]", "Northside Law")
        page.fill("[name=email]", taken["email"])
        page.fill("[name=service_areas]", "mn")
        page.fill("[name=notes]", "Met at a fair.")
        page.locator("[name=email]").press("Enter")
        visit.wait("document.querySelector('#invitation .summary')?.innerText.includes('e-mail address')")
        checks.check("409: it says that there is one already, and keeps what was typed",
                     page.input_value("[name=notes]") == "Met at a fair." and page.locator(
                         "#invitation [aria-invalid]").get_attribute("name") == "email",
                     visit.text("#invitation .summary"))
        page.fill("[name=email]", "ana@northside.example")
        page.check("[name=status][value=active]")
        page.locator("[name=email]").press("Enter")
        visit.wait("document.querySelector('#invitation .summary')?.innerText.includes('signed agreement')")
        checks.check("409: what an active partner needs is in words", "agreement_signed" not in
                     visit.text("#invitation .summary"), visit.text("#invitation .summary"))
        page.check("[name=status][value=invited]")
        check_form(checks, visit, "the invitation", "POST", "**/api/admin/partners", "#invitation")
        page.locator("[name=email]").press("Enter")
        page.wait_for_url("**/desk/partner?id=*")
        page.wait_for_selector("#record dl")
        stored = site.get(f"/api/admin/partners/{visit.path.split('=')[1]}")
        checks.equal("it leads to the partner that the API has", (stored["company_name"], stored["status"],
                     stored["service_areas"], stored["notes"]), ("Northside Law", "invited", ["MN"], "Met at a fair."))
        checks.check("the partner gets a letter", len(site.letters("ana@northside.example")) == 1)
        checks.clean("the invitation", visit)
    with staff(site, browser) as visit:
        page = visit.open("/desk/partners").page
        page.get_by_role("button", name="Invite a partner").click()
        page.fill("[name=company_name]", "Half typed")
        asked = []
        page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
        visit.press("Escape")
        checks.check("Esc asks before it loses what was typed", asked == ["confirm"] and
                     page.input_value("[name=company_name]") == "Half typed")
        visit.expect(401)
        page.fill("[name=email]", "half@typed.example")
        with refusing(page, "**/api/admin/partners", "POST", 401):
            visit.press("Enter")
            page.locator("#invitation .summary a").click()
        sign_in(site, page)
        page.wait_for_selector("#invitation .summary.note")
        checks.equal("401: after signing in, the form is open with what was typed",
                     page.input_value("[name=company_name]"), "Half typed")
        checks.clean("leaving the invitation", visit)
    remove(site, taken, stored)


def sign_in(site, page):
    page.wait_for_url("**/sign-in?return=*")
    page.get_by_text("Sign in with a token").click()
    page.fill("#token [name=token]", site.tokens["staff"])
    page.locator("#token [name=token]").press("Enter")


def check_activation(checks, site, browser):
    """From the invitation until it is active, by keyboard alone, with each step read back from the API."""
    partner = make(site, "Quick Taxes", agreement_signed_at=None, service_areas=[])
    path = path_of(partner)
    with staff(site, browser) as visit:
        page = visit.open(page_of(partner)).page
        page.wait_for_selector("#next .steps")
        checks.check("what is missing stands on top", all(words in visit.text("#next") for words in (
            "What is missing", "not signed", "No state is named", "No credentials yet")), visit.text("#next"))
        visit.expect(409)
        page.get_by_role("button", name="Make active").focus()
        visit.press("Enter")
        page.wait_for_selector("#next .error")
        checks.check("409: what is missing is in words", "a signed agreement and a state" in visit.text("#next .error"),
                     visit.text("#next .error"))
        page.locator("#next button.main").focus()
        visit.press("Enter")
        visit.wait("document.querySelector('#next').innerText.includes('Agreement signed')")
        checks.check("the agreement is signed", site.get(path)["agreement_signed_at"] is not None)
        checks.check("the focus stays among what is next", page.evaluate("!!document.activeElement.closest('#next')"))
        page.select_option("#next select", "IA")
        page.locator("#next button.main").focus()
        visit.press("Enter")
        visit.wait("document.querySelector('#next').innerText.includes('Serves Iowa')")
        checks.equal("the state is added", site.get(path)["service_areas"], ["IA"])
        page.evaluate("document.activeElement.blur()")
        visit.press("c")
        page.wait_for_selector("#credential-new")
        checks.equal("the license of its profession is chosen", page.input_value("#credential-new [name=kind]"),
                     "cpa_license")
        page.locator("#credential-new [name=number]").focus()
        page.keyboard.type("C-77")
        visit.press("Enter")
        visit.wait("document.querySelector('#next').innerText.includes('To verify: CPA license C-77')")
        page.locator("#next").get_by_role("button", name="Verify").focus()
        visit.press("Enter")
        visit.wait("document.querySelector('#next').innerText.includes('All credentials are verified')")
        [credential] = site.get(f"{path}/credentials")["data"]
        checks.check("the credential is verified", credential["verified_at"] is not None)
        checks.equal("then making it active is the next thing", visit.text("#next button.main"), "Make active")
        page.locator("#next button.main").focus()
        visit.press("Enter")
        visit.wait("document.querySelector('#state').innerText.includes('Active')")
        checks.equal("the partner is active", site.get(path)["status"], "active")
        checks.check("nothing is left to do, and the focus is at the name", page.locator("#next .steps").count() == 0
                     and page.evaluate("document.activeElement.id") == "name")
        checks.clean("the activation", visit)
    remove(site, partner)


def check_expired(checks, site, browser):
    """What keeps introductions away asks first."""
    partner = make(site, "Late", service_areas=["MN"])
    path = path_of(partner)
    for number, verified in (("V-1", True), ("U-1", False)):
        site.send(201, "POST", f"{path}/credentials", {
            "kind": "other", "number": number, "expires_on": "2021-01-01", "verified": verified})
    with staff(site, browser) as visit:
        page = visit.open(page_of(partner)).page
        page.wait_for_selector("#next .status.bad")
        lines = page.locator("#next .status.bad").all_inner_texts()
        checks.check("an expired credential is a line of its own", len(lines) == 2 and all(
            "expired on Jan 1, 2021" in line for line in lines), lines)
        page.locator("#next").get_by_role("button", name="Verify").click()
        page.wait_for_selector("#next :text('gets no introductions until it is renewed')")
        checks.equal("verifying it asks first", [one["verified_at"] is not None for one in site.get(
            f"{path}/credentials")["data"] if one["number"] == "U-1"], [False])
        page.locator("#next").get_by_role("button", name="Verify it all the same").click()
        visit.wait("!document.querySelector('#next').innerText.includes('Verify')")
        page.get_by_role("button", name="Make active").click()
        checks.check("making it active asks, too", "gets no introductions until" in visit.text("#next") and
                     site.get(path)["status"] != "active")
        page.get_by_role("button", name="Not now").click()
        page.get_by_role("button", name="Make active").click()
        page.get_by_role("button", name="Make it active all the same").click()
        visit.wait("document.querySelector('#state').innerText.includes('Active')")
        checks.equal("then it is active", site.get(path)["status"], "active")
        checks.clean("expired credentials", visit)
    remove(site, partner)


def check_record(checks, site, browser):
    user = "7d3c1f60-5b1e-4b7a-9f7a-0d5f3a1c2e04"
    site.put_user(user, "Lin Linked", "lin@linked.example")
    partner = make(site, "Old Name", status="active")
    path = path_of(partner)
    fields = {
        "company_name": "New Name", "contact_name": "Ana", "email": "new@name.example", "phone": "612-555-0142",
        "website": "https://new.example", "notes": "One.\nTwo.", "description": "What we do.",
        "affiliation_disclosure": "None to speak of.", "paused_until": "2030-01-31", "max_open_referrals": 5}
    with staff(site, browser) as visit:
        page = visit.open(page_of(partner)).page
        page.wait_for_selector("#record dl")
        visit.press("e")
        page.wait_for_selector("#record-form")
        checks.equal("the key e opens the record at its first field", page.evaluate("document.activeElement.name"),
                     "company_name")
        for name, value in fields.items():
            page.fill(f"#record-form [name={name}]", str(value))
        page.fill("#record-form [name=service_areas]", "WI mn")
        page.fill("#record-form [name=languages]", "en, so")
        page.select_option("#record-form [name=type]", "agent")
        page.check("#record-form [name=co_ownership_certified]")
        page.fill("#record-form [aria-label='Find a person']", "Lin")
        page.wait_for_selector(f"#record-form option[value='{user}']", state="attached")
        page.select_option("#record-form [name=user_id]", user)
        check_form(checks, visit, "the record", "PUT", f"**{path}", "#record-form")
        with refusing(page, f"**{path}", "GET", 503):
            page.get_by_role("button", name="Save").click()
            page.wait_for_selector("#next .notice.bad")
            checks.check("what was saved shows, even if it cannot be read again", "New Name" not in visit.text("h1") and
                         "new@name.example" in visit.text("#record dl"), visit.text("#record dl"))
        page.get_by_role("button", name="Try again").click()
        visit.wait("document.querySelector('main h1').innerText === 'New Name'")
        stored = site.get(path)
        wanted = {**fields, "service_areas": ["WI", "MN"], "languages": ["en", "so"], "type": "agent",
                  "co_ownership_certified": True, "user_id": user}
        checks.equal("each field is saved", {name: stored[name] for name in wanted}, wanted)
        checks.check("the page shows it", all(words in visit.text("main") for words in (
            "New Name", "Wisconsin and Minnesota", "English and Somali", "Paused until Jan 31, 2030")),
            visit.text("#record"))
        page.wait_for_selector("#record dd:has-text('Lin Linked')")
        page.get_by_role("button", name="Change", exact=True).click()
        page.wait_for_selector("#record-form")
        checks.equal("a pause is changed at its field", page.evaluate("document.activeElement.name"), "paused_until")
        page.fill("#record-form [name=paused_until]", "")
        page.fill("#record-form [name=website]", "nonsense")
        visit.expect(409, 422)
        page.get_by_role("button", name="Save").click()
        page.wait_for_selector("#record-form .error")
        checks.equal("an error stands at its field", page.locator("#record-form [aria-invalid]").evaluate_all(
            "all => all.map((one) => one.name)"), ["website"])
        page.fill("#record-form [name=website]", "")
        page.fill("#record-form [name=service_areas]", "")
        page.get_by_role("button", name="Save").click()
        visit.wait("document.querySelector('#record-form .summary')?.innerText.includes('a state that it serves')")
        checks.check("409: an active partner keeps a state", True)
        page.fill("#record-form [name=service_areas]", "MN")
        page.get_by_role("button", name="Save").click()
        page.wait_for_selector("#record dl")
        stored = site.get(path)
        checks.equal("what is emptied is cleared", (stored["paused_until"], stored["website"], stored["service_areas"]),
                     (None, None, ["MN"]))
        checks.clean("the record", visit)
    other = make(site, "Other")
    with staff(site, browser) as visit:
        page = visit.open(page_of(other)).page
        page.get_by_role("button", name="Link one").click()
        page.wait_for_selector("#record-form")
        page.fill("#record-form [aria-label='Find a person']", "lin@linked")
        page.wait_for_selector(f"#record-form option[value='{user}']", state="attached")
        page.select_option("#record-form [name=user_id]", user)
        visit.expect(409)
        page.get_by_role("button", name="Save").click()
        page.wait_for_selector("#record-form .summary")
        checks.check("409: an account belongs to one partner", "another partner" in visit.text("#record-form .summary"),
                     visit.text("#record-form .summary"))
        checks.clean("an account", visit)
    remove(site, partner, other)


def check_record_conflict(checks, site, browser):
    partner = make(site, "Two At Once")
    path = path_of(partner)
    with staff(site, browser) as visit:
        page = visit.open(page_of(partner)).page
        page.get_by_role("button", name="Edit", exact=True).click()
        page.fill("#record-form [name=notes]", "My note.")
        change_as_other(site, "PUT", path, {"phone": "(612) 555-0177"})
        visit.expect(412)
        page.get_by_role("button", name="Save").click()
        page.wait_for_selector("#record-form .summary")
        words = visit.text("#record-form .summary")
        checks.check("412: it says who changed what, and keeps what was typed", "Ben Other changed this" in words and
                     "(612) 555-0177" in words and page.input_value("#record-form [name=notes]") == "My note.", words)
        page.get_by_role("button", name="Save").click()
        page.wait_for_selector("#record dl")
        stored = site.get(path)
        checks.equal("saved again, both are there", (stored["phone"], stored["notes"]), ("(612) 555-0177", "My note."))

        change_as_other(site, "PUT", path, {"agreement_signed_at": None})
        page.locator("#next").get_by_role("button", name="Make active").click()
        page.wait_for_selector("#next .error")
        checks.check("412 of a button: it shows how it is now, and who changed it", "Ben Other changed this" in
                     visit.text("#next .error") and "not signed" in visit.text("#next"), visit.text("#next"))
        checks.equal("and nothing has happened", site.get(path)["status"], "invited")
        checks.clean("two at once", visit)
    remove(site, partner)


def change_as_other(site, method, path, body, status=200):
    """Sends a change as another member of staff, Ben Other."""
    if not hasattr(site, "other"):
        site.put_user("7d3c1f60-5b1e-4b7a-9f7a-0d5f3a1c2e09", "Ben Other", "other@tomi.example")
        site.other = site.service.command("token", "create", "--admin", "--email", "other@tomi.example").strip()
    return site.service.client(site.other).expect(status, method, path, body).json


def check_news(checks, site, browser):
    partner = make(site, "Watched")
    with staff(site, browser) as visit:
        page = visit.page
        page.clock.install()
        visit.open(page_of(partner)).page.wait_for_selector("#record dl")
        page.get_by_role("button", name="Edit", exact=True).click()
        page.fill("#record-form [name=notes]", "Half typed.")
        page.clock.fast_forward(31_000)
        visit.settle()
        checks.equal("as long as nothing changes, nothing is said", page.locator(".toast").count(), 0)
        change_as_other(site, "PUT", path_of(partner), {"phone": "(612) 555-0123"})
        page.clock.fast_forward(31_000)
        page.wait_for_selector(".toast")
        checks.check("another's change is told within a minute", "Ben Other changed this" in visit.text(".toast") and
                     "555-0123" in visit.text(".toast"), visit.text(".toast"))
        page.get_by_role("button", name="Show").click()
        visit.settle()
        checks.equal("and shown, without a loss of what was typed", page.input_value("#record-form [name=notes]"),
                     "Half typed.")
        page.on("dialog", lambda dialog: dialog.accept())
        page.evaluate("document.activeElement.blur()")
        visit.press("Escape")
        page.wait_for_selector("#record dl:has-text('555-0123')")
        checks.check("Esc leaves the form, and shows the record as it is now", page.locator("#record-form").count() == 0)
        page.locator("#state summary").click()
        visit.press("Escape")
        # Going back would take a moment.
        page.wait_for_timeout(500)
        checks.check("Esc closes the menu alone", page.locator("#state details[open]").count() == 0 and
                     visit.path == page_of(partner), visit.path)
        checks.clean("another's change", visit)
    remove(site, partner)


def check_draft(checks, site, browser):
    partner = make(site, "Signed Out Meanwhile")
    with staff(site, browser) as visit:
        page = visit.open(page_of(partner)).page
        page.get_by_role("button", name="Edit", exact=True).click()
        page.fill("#record-form [name=notes]", "A long note.")
        visit.expect(401)
        with refusing(page, f"**{path_of(partner)}", "PUT", 401):
            page.get_by_role("button", name="Save").click()
            page.locator("#record-form .summary a").click()
        sign_in(site, page)
        page.wait_for_selector("#record-form .summary.note")
        checks.equal("401: after signing in, the record is open with what was typed",
                     page.input_value("#record-form [name=notes]"), "A long note.")
        checks.clean("signed out meanwhile", visit)
    remove(site, partner)


def check_credentials(checks, site, browser):
    partner = make(site, "Licensed")
    path = f"{path_of(partner)}/credentials"
    with staff(site, browser) as visit:
        page = visit.open(page_of(partner)).page
        page.get_by_role("button", name="Add a credential").click()
        page.fill("#credential-new [name=number]", "L-1")
        page.select_option("#credential-new [name=state_code]", "MN")
        page.fill("#credential-new [name=expires_on]", "2020-01-31")
        page.check("#credential-new [name=verified]")
        check_form(checks, visit, "a credential", "POST", f"**{path}", "#credential-new")
        page.locator("#credential-new [name=number]").press("Enter")
        page.wait_for_selector("#credentials tbody tr")
        [stored] = site.get(path)["data"]
        checks.equal("it is added", (stored["kind"], stored["number"], stored["state_code"], stored["expires_on"],
                     stored["verified_at"] is not None), ("cpa_license", "L-1", "MN", "2020-01-31", True))
        checks.check("that it has expired is seen", "Expired" in visit.text("#credentials tbody"),
                     visit.text("#credentials tbody"))
        one = f"{path}/{stored['id']}"

        page.get_by_role("button", name="Add a credential").click()
        page.fill("#credential-new [name=number]", "l-1")
        page.select_option("#credential-new [name=state_code]", "MN")
        visit.expect(409, 412, 422)
        page.locator("#credential-new [name=number]").press("Enter")
        page.wait_for_selector("#credential-new .summary")
        checks.check("409: the same one twice is refused in words", "kind, state and number" in
                     visit.text("#credential-new .summary"), visit.text("#credential-new .summary"))
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Not now").click()

        form = f"#credential-{stored['id']}"
        page.get_by_role("button", name="Edit CPA license L-1, Minnesota").click()
        checks.check("a day that is over has a hint at its field", "This day is over" in visit.text(
            f"{form} .field:has([name=expires_on])"))
        page.fill(f"{form} [name=expires_on]", "2031-01-31")
        checks.check("another day takes the hint and the verification off", "This day is over" not in visit.text(form)
                     and not page.is_checked(f"{form} [name=verified]"))
        page.fill(f"{form} [name=number]", "")
        page.locator(f"{form} [name=issuer]").press("Enter")
        page.wait_for_selector(f"{form} .error")
        checks.equal("422: a number is needed, and the error stands there", page.locator(f"{form} [aria-invalid]")
                     .evaluate_all("all => all.map((one) => one.name)"), ["number"])
        page.fill(f"{form} [name=number]", "L-1")
        page.check(f"{form} [name=verified]")
        check_form(checks, visit, "a change of a credential", "PUT", f"**{one}", form)
        change_as_other(site, "PUT", one, {"notes": "Seen by Ben."})
        page.locator(f"{form} [name=issuer]").press("Enter")
        visit.wait("document.querySelector('dialog .summary')?.innerText.includes('Ben Other changed this')")
        checks.equal("412: what was typed stays, the rest is what it is by now", (page.input_value(
            f"{form} [name=expires_on]"), page.input_value(f"{form} [name=notes]")), ("2031-01-31", "Seen by Ben."))
        page.locator(f"{form} [name=issuer]").press("Enter")
        visit.wait("!document.querySelector('dialog')")
        stored = site.get(one)
        checks.equal("renewed and looked at, it is verified", (stored["expires_on"], stored["verified_at"] is not None,
                     stored["notes"]), ("2031-01-31", True, "Seen by Ben."))

        page.get_by_role("button", name="Take verification off").click()
        page.locator("#credentials").get_by_role("button", name="Verify").wait_for()
        checks.check("the verification is taken off", site.get(one)["verified_at"] is None)
        page.locator("#credentials").get_by_role("button", name="Verify").click()
        page.get_by_role("button", name="Take verification off").wait_for()
        checks.check("and put on again", site.get(one)["verified_at"] is not None)

        change_as_other(site, "PUT", one, {"issuer": "Board"})
        page.get_by_role("button", name="Take verification off").click()
        page.wait_for_selector("main .error")
        checks.check("412 of a button: nothing happens to what was not seen", "Ben Other changed this" in
                     visit.text("main .error") and site.get(one)["verified_at"] is not None, visit.text("main .error"))
        page.get_by_role("button", name="Remove CPA license L-1, Minnesota").click()
        checks.equal("removing asks first", visit.text(":focus"), "Remove for good")
        page.get_by_role("button", name="Keep it").click()
        checks.equal("and can be left", len(site.get(path)["data"]), 1)
        page.get_by_role("button", name="Remove CPA license L-1, Minnesota").click()
        for status, words in ((0, "could not be reached"), (503, "out of reach"), (429, "too many requests")):
            visit.expect(status)
            with refusing(page, f"**{one}", "DELETE", status):
                page.get_by_role("button", name="Remove for good").click()
                visit.wait(f"document.querySelector('#credentials .error')?.innerText.includes('{words}')")
            checks.check(f"{status or 'no network'}: a button says it, too", True)
        visit.press("Enter")
        visit.wait("document.querySelector('#credentials').innerText.includes('There are none')")
        checks.equal("then it is removed", site.get(path)["data"], [])
        checks.clean("credentials", visit)
    soon = (datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=5)).isoformat()
    other = make(site, "Expires", status="active")
    for number, end in (("A-1", soon), ("B-1", "2020-01-01")):
        site.send(201, "POST", f"{path_of(other)}/credentials", {
            "kind": "nmls" if number == "A-1" else "other", "number": number, "expires_on": end, "verified": True})
        with staff(site, browser) as visit:
            page = visit.open(page_of(other)).page
            page.wait_for_selector("#next .notice")
            wanted = "expires soon" if end == soon else "has expired"
            checks.check(f"an active partner's credential that {wanted} stands on top", wanted in visit.text("#next")
                         and number in visit.text("#next"), visit.text("#next"))
            page.locator("#next").get_by_role("button", name="Renew it").last.click()
            page.wait_for_selector("dialog form")
            checks.clean(f"what {wanted}", visit)
    remove(site, partner, other)


def propose(site, partner, user, body):
    """Lets the partner itself propose changes."""
    site.put_user(user, "Pro Poser", f"{user[-3:]}@proposer.example")
    site.put(path_of(partner), {"user_id": user})
    token = site.send(201, "POST", f"/api/admin/users/{user}/tokens", {})["token"]
    return site.service.client(token), site.service.client(token).expect(200, "PUT", "/api/partners/me", body)


def check_review(checks, site, browser):
    partner = make(site, "Reviewed", status="active", website="https://old.example", service_areas=["MN"])
    path = path_of(partner)
    client, _ = propose(site, partner, "7d3c1f60-5b1e-4b7a-9f7a-0d5f3a1c2e05", {
        "website": "https://new.example", "service_areas": ["MN", "IA"], "description": f"New {HOSTILE}"})
    with staff(site, browser) as visit:
        page = visit.open(page_of(partner)).page
        page.wait_for_selector("#review-form")
        row = visit.text("#review-form tr:has([value=website])")
        checks.check("the proposed value stands beside the stored one",
                     "https://old.example https://new.example" in row, row)
        checks.equal("an added state is marked", visit.text("#review-form ins"), "Iowa")
        boxes = page.locator("#review-form [name=fields]")
        for index in range(3):
            boxes.nth(index).uncheck()
        page.get_by_role("button", name="Approve").click()
        page.wait_for_selector("#review-form .error")
        checks.check("no field at all is refused before it is sent", not visit.sent("PUT"),
                     visit.text("#review-form .error"))
        page.check("[value=website]")
        page.fill("#review-form [name=note]", "The old one had an error.")
        page.focus("#review-form [name=note]")
        visit.press("Escape")
        checks.equal("Esc leads out of the note, and not off the page", (visit.path, page.input_value(
            "#review-form [name=note]")), (page_of(partner), "The old one had an error."))
        check_form(checks, visit, "a review", "PUT", f"**{path}/changes", "#review-form")

        client.expect(200, "PUT", "/api/partners/me", {"website": "https://newer.example"})
        visit.expect(412)
        page.get_by_role("button", name="Approve").click()
        page.wait_for_selector("#next > .notice.bad")
        words = visit.text("#next > .notice")
        checks.check("412: nothing is approved that was not seen", "Pro Poser changed this" in words and
                     site.get(path)["website"] == "https://old.example", words)
        checks.check("412: it shows what is proposed by now, and keeps the note", "https://newer.example" in
                     visit.text("#review-form") and page.input_value("#review-form [name=note]") ==
                     "The old one had an error.")
        checks.check("412: what was not chosen is not chosen again", not page.is_checked("[value=service_areas]") and
                     not page.is_checked("[value=description]"))
        page.get_by_role("button", name="Approve").click()
        page.wait_for_selector("#review-form:not(:has([value=website]))")
        stored = site.get(path)
        checks.equal("one is approved, the others wait", (stored["website"], sorted(stored["pending_changes"])),
                     ("https://newer.example", ["description", "service_areas"]))
        newest = site.get(f"{path}/history?limit=1")["data"][0]
        checks.equal("the history has the note", (newest["kind"], newest["note"]),
                     ("partner.changes_approved", "The old one had an error."))
        checks.equal("the next note begins empty", page.input_value("#review-form [name=note]"), "")
        page.fill("#review-form [name=note]", "Too far away.")
        page.get_by_role("button", name="Reject").click()
        visit.wait("!document.querySelector('#review-form')")
        waiting = [one["id"] for one in site.get("/api/admin/partners?pending_changes=true")["data"]]
        page.wait_for_selector("#next a.button")
        checks.check("then it leads to the next partner with changes", page.locator("#next a.button").get_attribute(
            "href").split("=")[1] in waiting, visit.text("#next"))
        checks.equal("the number of the place leads to all of them", page.locator(
            "#places a:has-text('Partners')").get_attribute("href"), "/desk/partners?pending_changes=true")
        stored = site.get(path)
        checks.equal("the rest is rejected", [stored[name] for name in (
            "service_areas", "description", "pending_changes")], [["MN"], None, None])
        checks.clean("a review", visit)
    client.expect(200, "PUT", "/api/partners/me", {"website": "https://third.example"})
    with staff(site, browser) as visit:
        page = visit.open(page_of(partner)).page
        page.wait_for_selector("#review-form")
        problem = {"status": 409, "code": "no_pending_changes", "detail": "This partner has no pending changes."}
        visit.expect(409)
        with refusing(page, f"**{path}/changes", "PUT", 409, problem):
            page.get_by_role("button", name="Reject").click()
            page.wait_for_selector("#review-form .summary")
        checks.check("409: somebody else was first", "Somebody else was first" in visit.text("#review-form .summary"),
                     visit.text("#review-form .summary"))
        checks.clean("a review that is over", visit)
    remove(site, partner)


def check_review_ended(checks, site, browser):
    """A review that somebody else ends, and one whose sign-in ends: the note is not lost."""
    partner = make(site, "Reviewed Twice", status="active")
    path = path_of(partner)
    client, _ = propose(site, partner, "7d3c1f60-5b1e-4b7a-9f7a-0d5f3a1c2e06", {"description": "What we do."})
    with staff(site, browser) as visit:
        page = visit.open(page_of(partner)).page
        page.fill("#review-form [name=note]", "Too long.")
        visit.expect(401, 412)
        with refusing(page, f"**{path}/changes", "PUT", 401):
            page.get_by_role("button", name="Reject").click()
            page.locator("#review-form .summary a").click()
        sign_in(site, page)
        page.wait_for_selector("#review-form .summary.note")
        checks.equal("401: after signing in, the note is there", page.input_value("#review-form [name=note]"),
                     "Too long.")
        change_as_other(site, "PUT", f"{path}/changes", {"fields": ["description"], "decision": "approved"})
        page.get_by_role("button", name="Reject").click()
        page.wait_for_selector("#next :text('Your note was')")
        checks.check("412: without a review, the note can still be read", "Too long." in visit.text("#next") and
                     "Ben Other changed this" in visit.text("#next") and page.locator("#review-form").count() == 0,
                     visit.text("#next"))
        page.get_by_role("button", name="Remove it").click()
        checks.check("until it is removed", "Too long." not in visit.text("#next"))
        checks.clean("a review that somebody else ends", visit)
    client.expect(200, "PUT", "/api/partners/me", {"description": "What we do well."})
    with staff(site, browser) as visit:
        page = visit.open(page_of(partner)).page
        page.fill("#review-form [name=note]", "Better.")
        page.get_by_role("button", name="Approve").click()
        visit.wait("!document.querySelector('#review-form')")
        checks.check("a note that was sent is not said to be left", "Your note was" not in visit.text("#next"))
        checks.clean("a review with a note", visit)
    remove(site, partner)


def check_status(checks, site, browser):
    partner = make(site, "Moved", status="active")
    path = path_of(partner)

    def choose(page, words):
        page.locator("#state summary").click()
        page.locator("#state").get_by_role("button", name=words).click()
        page.wait_for_selector("dialog form")
    with staff(site, browser) as visit:
        page = visit.open(page_of(partner)).page
        page.wait_for_selector("#state summary")
        choose(page, "Inactive")
        page.fill("dialog [name=note]", "On leave.")
        check_form(checks, visit, "a change of the status", "PUT", f"**{path}/status", "#status-inactive")
        change_as_other(site, "PUT", path, {"notes": "Ben was here."})
        visit.expect(412)
        page.get_by_role("button", name="Change to").click()
        visit.wait("document.querySelector('dialog .summary')?.innerText.includes('Ben Other changed this')")
        checks.check("412: nothing happens, and the note is kept", site.get(path)["status"] == "active" and
                     page.input_value("dialog [name=note]") == "On leave.", visit.text("dialog .summary"))
        page.get_by_role("button", name="Change to").click()
        visit.wait("document.querySelector('#state').innerText.includes('Inactive')")
        newest = site.get(f"{path}/history?limit=1")["data"][0]
        checks.equal("the status is changed, with the note", (site.get(path)["status"], newest["note"]),
                     ("inactive", "On leave."))
        page.get_by_role("button", name="Undo").click()
        visit.wait("document.querySelector('#state .status').innerText === 'Active'")
        checks.equal("Undo takes it back", site.get(path)["status"], "active")
        choose(page, "Removed")
        page.wait_for_selector("dialog[open]")
        visit.press("Escape")
        page.wait_for_selector("dialog", state="detached")
        checks.equal("Esc leaves it", site.get(path)["status"], "active")
        choose(page, "Removed")
        page.get_by_role("button", name="Change to").click()
        visit.wait("document.querySelector('#next').innerText.includes('This partner is removed')")
        checks.equal("a partner is removed", site.get(path)["status"], "removed")
        page.locator("#state summary").click()
        checks.equal("it can only come back into review", page.locator("#state details button").all_inner_texts(),
                     ["In review"])
        page.locator("#state details button").click()
        problem = {"status": 409, "code": "transition_not_allowed", "detail": "Codes.", "allowed": ["active"]}
        visit.expect(409)
        with refusing(page, f"**{path}/status", "PUT", 409, problem):
            page.get_by_role("button", name="Change to").click()
            page.wait_for_selector("dialog .summary")
        checks.check("409: a move that is not allowed is explained in words", "can only become “Active”" in
                     visit.text("dialog .summary"), visit.text("dialog .summary"))
        page.get_by_role("button", name="Change to").click()
        visit.wait("document.querySelector('#state').innerText.includes('In review')")
        checks.equal("it is in review again", site.get(path)["status"], "pending_review")
        checks.clean("the status", visit)
    remove(site, partner)


def check_views(checks, site, browser):
    with staff(site, browser) as visit:
        page = visit.open(f"/desk/partner?id={site.partner}").page
        page.wait_for_selector("#record dl")
        page.get_by_role("link", name="Introductions", exact=True).click()
        page.wait_for_selector("#view .chart")
        page.wait_for_selector("#view tbody a")
        summary = site.get(f"/api/admin/partners/{site.partner}/summary")
        checks.check("introductions in numbers", f"Connected {summary['by_status']['connected']} Closed" in
                     visit.text("#view dl"), visit.text("#view dl"))
        wanted = site.get(f"/api/admin/referrals?partner_id={site.partner}")["data"]
        links = page.locator(".dense tbody a").evaluate_all("all => all.map((one) => one.getAttribute('href'))")
        checks.equal("and as a list", links, [f"/desk/referral?id={one['id']}" for one in wanted])
        page.select_option("[name=status]", "connected")
        settle(visit)
        checks.equal("its filter stands in the address", visit.path,
                     f"/desk/partner?id={site.partner}&view=introductions&status=connected")
        page.go_back()
        settle(visit)
        page.get_by_role("link", name="History", exact=True).last.click()
        page.wait_for_selector("#view .timeline li")
        wanted = site.get(f"/api/admin/partners/{site.partner}/history?limit=100")["data"]
        checks.equal("the history has every event", page.locator("#view .timeline li").count(), min(25, len(wanted)))
        page.get_by_role("link", name="Messages", exact=True).last.click()
        page.wait_for_selector("#view tbody tr")
        checks.clean("the views", visit)
    empty = make(site, "New", status="pending_review")
    for view, words in (("introductions", "not matched"), ("messages", "Nothing was written")):
        with staff(site, browser) as visit:
            visit.open(page_of(empty, f"&view={view}")).page.wait_for_selector("#view .empty")
            checks.check(f"no {view}: it says why", words in visit.text("#view .empty"), visit.text("#view .empty"))
            checks.clean(f"no {view}", visit)
    remove(site, empty)


def check_wrong(checks, site, browser):
    for wrong in ("?id=00000000-0000-7000-8000-000000000000", "?id=nonsense", "?id=nonsense&view=introductions",
                  "?id=../../me", ""):
        with staff(site, browser) as visit:
            visit.expect(404, 405, 400).open(f"/desk/partner{wrong}").page.wait_for_selector("#next *")
            checks.check(f"/desk/partner{wrong} says that there is none", "no such partner" in visit.text("h1"),
                         visit.text("main h1"))
            visit.press("e")
            visit.settle()
            asked = [request.url for request in visit.requests if request.url.startswith(f"{site.address}/api/") and
                     ("nonsense" in request.url or "00000000-" in request.url)]
            checks.check("and asks for nothing more", len(asked) <= 1, asked)
            checks.clean(f"/desk/partner{wrong}", visit)
    with staff(site, browser) as visit:
        visit.expect(503)
        visit.page.route("**/api/admin/partners/*", lambda route: answer(route, 503))
        visit.open(f"/desk/partner?id={site.partner}").page.wait_for_selector("#next .notice")
        visit.page.unroute("**/api/admin/partners/*")
        visit.page.get_by_role("button", name="Try again").click()
        visit.page.wait_for_selector("#record dl")
        checks.check("503: it offers to try again", True)
        checks.clean("503", visit)


def check_unreachable(checks, site, browser):
    """The modules are loaded when they are wanted. That can fail, too."""
    partner = make(site, "Far Away")
    with staff(site, browser) as visit:
        page = visit.open(page_of(partner)).page
        page.wait_for_selector("#record dl")
        for module in ("desk/partner-form", "desk/changed"):
            page.route(f"**/{module}.js", lambda route: route.abort())
        page.get_by_role("button", name="Edit", exact=True).click()
        page.wait_for_selector(".toast:has-text('could not be reached')")
        change_as_other(site, "PUT", path_of(partner), {"notes": "Ben was here."})
        visit.expect(412)
        page.get_by_role("button", name="Make active").click()
        page.wait_for_selector("#next .error")
        checks.check("what says who was first cannot be loaded: it says so", "could not be reached" in visit.text(
            "#next .error"), visit.text("#next .error"))
        checks.clean("without the modules", visit)
    with staff(site, browser) as visit:
        visit.page.route("**/desk/partner-views.js", lambda route: route.abort())
        visit.open(page_of(partner, "&view=history")).page.wait_for_selector("#view .notice")
        visit.page.unroute("**/desk/partner-views.js")
        visit.page.get_by_role("button", name="Try again").click()
        visit.page.wait_for_selector("#view .timeline li")
        checks.check("a view that cannot be loaded can be tried again", True)
        checks.clean("without a view", visit)
    remove(site, partner)
