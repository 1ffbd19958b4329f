"""People and groups at the desk: the lists, a person's account and tokens, a group and its members."""

import json
import urllib.parse

import service
from failing import NETWORK, answer, check_form
from partners import change_as_other
from sides import sign_in_again

LONG = "Maximiliane" * 9
PEOPLE = {
    "00000000-0000-4000-8000-0000000000a1": ("Zelda Fitz", "zelda@people.example"),
    "00000000-0000-4000-8000-0000000000a2": ("Zelda מאיה 🏠", "zelda.maya@people.example"),
    "00000000-0000-4000-8000-0000000000a3": (LONG, "long@people.example"),
    "00000000-0000-4000-8000-0000000000a4": ("Zoran Staff", "zoran@people.example"),
}
ZELDA, MAYA, MAX, ZORAN = PEOPLE
GROUP = "00000000-0000-4000-8000-0000000000b1"
UNKNOWN = "00000000-0000-4000-8000-0000000000ff"


def run(checks, site, browser, _):
    for user, (name, address) in PEOPLE.items():
        site.put_user(user, name, address)
    site.send(201, "PUT", f"/api/admin/groups/{GROUP}", {"name": "Zebra House", "state": "MN", "members": [ZELDA, MAX]})
    check_lists(checks, site, browser)
    check_account(checks, site, browser)
    check_account_failures(checks, site, browser)
    check_staff(checks, site, browser)
    check_tokens(checks, site, browser)
    check_token_failures(checks, site, browser)
    check_group(checks, site, browser)
    check_members(checks, site, browser)
    check_nobody(checks, site, browser)


def api(site, kind, thing):
    return site.get(f"/api/admin/{kind}/{thing}")


def tokens(site, user):
    return site.get(f"/api/admin/users/{user}/tokens")["data"]


def names(visit):
    return visit.page.locator("#rows a").all_inner_texts()


def wait_for_names(visit, wanted):
    service.eventually(lambda: names(visit) == wanted)
    return names(visit)


def check_lists(checks, site, browser):
    with browser.visit("/desk/people", token=site.tokens["staff"]) as visit:
        page = visit.page
        page.wait_for_selector("#rows a")
        checks.equal("the people, by name", names(visit), [row["name"] for row in site.get("/api/admin/users")["data"]])
        page.locator("body").press("/")
        page.keyboard.type("zelda")
        wanted = [PEOPLE[user][0] for user in (ZELDA, MAYA)]
        checks.equal("the key / and a name find two", sorted(wait_for_names(visit, wanted)), sorted(wanted))
        checks.equal("the address has the search", visit.path, "/desk/people?q=zelda")
        page.select_option("[name=disabled]", "true")
        page.wait_for_selector("#rows .empty")
        checks.check("where nobody fits it says so and what to do", page.locator("#rows .empty a").get_attribute(
            "href") == "/desk/people", visit.text("#rows .empty"))
        page.go_back()
        wait_for_names(visit, wanted)
        page.locator("h1").click()
        visit.press("j", "j", "k")
        checks.equal("j and k move", page.evaluate("document.activeElement.innerText"), names(visit)[0])
        visit.press("Enter")
        page.wait_for_url("**/desk/person?id=*")
        page.wait_for_selector("#account")
        page.go_back()
        checks.equal("Enter opens, and Back returns to the search", (wait_for_names(visit, wanted), page.input_value(
            "[name=q]")), (wanted, "zelda"))
        page.get_by_role("navigation", name="Lists").get_by_role("link", name="Groups").click()
        page.wait_for_url("**/desk/people?view=groups")
        page.wait_for_selector("#rows a")
        checks.equal("the groups, by name", names(visit), [
            row["name"] for row in site.get("/api/admin/groups")["data"]])
        page.fill("[name=q]", "long@people")
        checks.equal("a member's address finds the group", wait_for_names(visit, ["Zebra House"]), ["Zebra House"])
        page.select_option("[name=state]", "CA")
        page.wait_for_selector("#rows .empty")
        checks.equal("the address has both, and the view", visit.path,
                     "/desk/people?view=groups&q=long%40people&state=CA")
        visit.open(f"/desk/people?view=groups&member={ZELDA}").page.wait_for_selector("#scope a")
        visit.settle()
        checks.equal("whose groups, in words", (names(visit), visit.text("#scope")),
                     (["Zebra House"], "Only groups of Zelda Fitz. Remove"))
        visit.open("/desk/people?staff=true").page.wait_for_selector("#rows a")
        wanted = [row["name"] for row in site.get("/api/admin/users?staff=true")["data"]]
        checks.equal("staff alone, and its filter says so", (names(visit), page.input_value("[name=staff]")),
                     (wanted, "true"))
        checks.clean("the lists", visit)
        visit.expect(400).open("/desk/people?view=groups&disabled=true").page.wait_for_selector("#rows .notice")
        checks.check("a wrong address says so, without the names of parameters", "does not know" in visit.text(
            "#rows .notice") and "disabled" not in visit.text("#rows"), visit.text("#rows .notice"))
        checks.equal("and the way back leads to the same list", page.locator("#rows .notice a").get_attribute("href"),
                     "?view=groups")
        checks.clean("a wrong address", visit)
    with browser.visit(f"/desk/people?q={LONG}", token=site.tokens["staff"], width=320) as visit:
        visit.page.wait_for_selector("#rows a")
        wide = visit.page.evaluate("document.documentElement.scrollWidth")
        checks.check("a name without spaces fits 320 px", wide == 320, f"{wide} px")
    with browser.visit(token=site.tokens["staff"]) as visit:
        visit.page.route("**/api/admin/users?*", lambda route: route.fulfill(
            body=json.dumps({"data": [], "has_more": False, "next_cursor": None}), content_type="application/json"))
        visit.open("/desk/people").page.wait_for_selector("#rows .empty")
        checks.check("without anybody it says who puts them there", "systems that own the accounts" in
                     visit.text("#rows .empty"), visit.text("#rows .empty"))


def save(visit, form="#account"):
    visit.page.locator(f"{form} .main").click()


def check_account(checks, site, browser):
    path = f"/api/admin/users/{ZELDA}"
    with browser.visit(f"/desk/person?id={ZELDA}", token=site.tokens["staff"]) as visit:
        page = visit.page
        page.wait_for_selector("#account")
        checks.equal("her groups are links", [link.get_attribute("href") for link in page.locator(
            "section:has(h2:text-is('Groups')) a").all()], [f"/desk/group?id={GROUP}"])
        checks.check("the Tab key comes to the name", visit.tab_to("#account [name=name]"))
        visit.press("Control+A")
        page.keyboard.type("Zelda Fitzgerald")
        visit.press("Enter")
        page.wait_for_selector(".toast:has-text('Saved')")
        checks.equal("by keyboard her name is another", api(site, "users", ZELDA)["name"], "Zelda Fitzgerald")
        sent = visit.sent("PUT", path)[-1]
        checks.equal("it sends what was changed, with the version that was read", (
            sent.post_data_json, sent.headers.get("if-match", "")[:1]), ({"name": "Zelda Fitzgerald"}, '"'))
        checks.equal("the heading follows", visit.text("h1"), "Zelda Fitzgerald")
        made = site.send(201, "POST", f"{path}/tokens", {})["token"]
        page.select_option("[name=disabled]", "true")
        save(visit)
        service.eventually(lambda: api(site, "users", ZELDA)["disabled"])
        checks.equal("disabled, her tokens do not work", (
            api(site, "users", ZELDA)["disabled"], site.service.client(made).request("GET", "/api/me").status),
            (True, 401))
        page.select_option("[name=disabled]", "false")
        save(visit)
        service.eventually(lambda: not api(site, "users", ZELDA)["disabled"])
        checks.equal("enabled, they do again", site.service.client(made).request("GET", "/api/me").status, 200)
        visit.expect(409, 412, 422)
        page.fill("#account [name=email]", "nonsense")
        save(visit)
        page.wait_for_selector("#account .error")
        checks.equal("422: the error stands at its field", page.locator(".field:has([name=email]) .error").count(), 1)
        page.fill("#account [name=email]", PEOPLE[MAYA][1])
        save(visit)
        visit.wait("document.querySelector('#account .summary')?.innerText.includes('address')")
        checks.check("409: another has the address, and what was typed is kept", page.input_value(
            "#account [name=email]") == PEOPLE[MAYA][1] and api(site, "users", ZELDA)["email"] == PEOPLE[ZELDA][1],
            visit.text("#account .summary"))
        change_as_other(site, "PUT", path, {"name": "Zelda Other", "disabled": True})
        page.fill("#account [name=email]", "zelda.new@people.example")
        save(visit)
        page.wait_for_selector("#account .summary:has-text('changed this')")
        said = visit.text("#account .summary")
        checks.check("412: who changed what, in words", all(part in said for part in (
            "Ben Other changed this", "Name: Zelda Fitzgerald → Zelda Other", "Access: Active → Disabled")), said)
        checks.equal("412: what was typed is kept", page.input_value("#account [name=email]"),
                     "zelda.new@people.example")
        save(visit)
        service.eventually(lambda: api(site, "users", ZELDA)["email"] == "zelda.new@people.example")
        stored = api(site, "users", ZELDA)
        checks.equal("412: saved again, nothing is lost", (stored["name"], stored["email"], stored["disabled"]),
                     ("Zelda Other", "zelda.new@people.example", True))
        checks.clean("an account", visit)
    site.put(path, {"name": PEOPLE[ZELDA][0], "email": PEOPLE[ZELDA][1], "disabled": False})


def check_account_failures(checks, site, browser):
    with browser.visit(f"/desk/person?id={MAYA}", token=site.tokens["staff"]) as visit:
        page = visit.page
        page.fill("#account [name=name]", "Maya Typed")
        check_form(checks, visit, "an account", "PUT", f"**/api/admin/users/{MAYA}", "#account")
        save(visit)
        page.wait_for_selector(".toast:has-text('Saved')")
        checks.equal("and it works once the failure is over", api(site, "users", MAYA)["name"], "Maya Typed")
        checks.clean("an account's failures", visit)
    site.put(f"/api/admin/users/{MAYA}", {"name": PEOPLE[MAYA][0]})
    with browser.visit(token=site.tokens["staff"]) as visit:
        visit.expect(503)
        page = visit.page
        page.route(f"**/api/admin/users/{MAYA}", lambda route: answer(route, 503))
        page.goto(f"/desk/person?id={MAYA}")
        page.wait_for_selector("#person .notice")
        page.unroute(f"**/api/admin/users/{MAYA}")
        page.locator("#person .notice button").click()
        page.wait_for_selector("#account")
        checks.clean("what cannot be read is read when it is tried again", visit)


def check_staff(checks, site, browser):
    staff = site.get("/api/admin/users?q=sam%40tomi")["data"][0]["id"]
    with browser.visit(f"/desk/person?id={staff}", token=site.tokens["staff"]) as visit:
        page = visit.page
        page.wait_for_selector("#person .notice")
        checks.check("staff: it says before that this page cannot change the account", "is staff" in
                     visit.text("#person .notice"), visit.text("#person .notice"))
        checks.equal("staff: so it offers neither that nor a token", page.locator("#account, main details").count(), 0)
        checks.check("staff: the token tells its scope", "Staff: admin" in visit.text("main table"))
        checks.clean("staff", visit)
    with browser.visit(f"/desk/person?id={ZORAN}", token=site.tokens["staff"]) as visit:
        page = visit.page
        page.wait_for_selector("#account")
        site.service.command("token", "create", "--admin", "--email", PEOPLE[ZORAN][1])
        visit.expect(409)
        page.fill("#account [name=name]", "Zoran Typed")
        save(visit)
        page.wait_for_selector("#account .summary")
        said = visit.text("#account .summary")
        checks.check("who became staff meanwhile: it says so after, and keeps what was typed", "admin token" in said and
                     page.input_value("#account [name=name]") == "Zoran Typed", said)
        page.get_by_text("Make a token").click()
        page.get_by_role("button", name="Make a token").click()
        page.wait_for_selector("#token .summary")
        checks.check("nor is there a token for them", "admin token" in visit.text("#token .summary") and
                     page.locator(".secret").count() == 0, visit.text("#token .summary"))
        checks.equal("their name stays", api(site, "users", ZORAN)["name"], PEOPLE[ZORAN][0])
        # Leaving asks, because the name is not saved.
        page.on("dialog", lambda dialog: dialog.accept())
        page.reload()
        page.wait_for_selector("#person .notice")
        page.get_by_role("button", name="End the token").first.click()
        page.get_by_role("button", name="End the token", exact=True).click()
        page.wait_for_selector("#account")
        checks.check("once the last admin token has ended, the account can be changed",
                     all(token["revoked_at"] for token in tokens(site, ZORAN)))
        checks.clean("who became staff", visit)


def check_tokens(checks, site, browser):
    with browser.visit(f"/desk/person?id={MAYA}", token=site.tokens["staff"]) as visit:
        visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = visit.page
        page.wait_for_selector("#account")
        checks.check("without a token it says so", "There are none" in visit.text("section:has(h2:text-is('Tokens'))"))
        checks.check("the Tab key comes to the offer", visit.tab_to("main details summary"))
        visit.press("Enter")
        page.wait_for_selector("#token")
        visit.press("Tab")
        page.keyboard.type("Maya's phone")
        visit.press("Enter")
        page.wait_for_selector(".secret")
        secret = visit.text(".secret")
        checks.equal("by keyboard a token is made, and works", (service.eventually(lambda: visit.page.evaluate(
            "document.activeElement.matches('.notice')")), json.loads(site.service.client(secret).request(
                "GET", "/api/me").body)["id"]), (True, MAYA))
        checks.equal("it is asked for once, without a key to repeat it",
                     visit.sent("POST")[-1].headers.get("idempotency-key"), None)
        page.get_by_role("button", name="Copy it").click()
        page.wait_for_selector(".toast:has-text('Copied')")
        checks.equal("it is copied", page.evaluate("navigator.clipboard.readText()"), secret)
        page.wait_for_selector("main table")
        checks.check("the list has it", "Maya's phone" in visit.text("main table"), visit.text("main table"))
        checks.equal("the form is empty again", page.input_value("#token [name=name]"), "")
        page.evaluate("void (navigator.clipboard.writeText = () => Promise.reject(new Error('no')))")
        page.get_by_role("button", name="Copy it").click()
        page.wait_for_selector(".toast:has-text('selected')")
        checks.equal("without a clipboard it is selected", page.evaluate("getSelection().toString()"), secret)
        page.reload()
        page.wait_for_selector("main table")
        checks.check("no page shows it again", secret not in page.content())
        visit.expect(422)
        page.get_by_text("Make a token").click()
        page.fill("#token [name=expires_at]", "2040-01-01T12:00")
        page.get_by_role("button", name="Make a token").click()
        page.wait_for_selector("#token .error")
        checks.equal("422: the error stands at its field", page.locator(
            ".field:has([name=expires_at]) .error").count(), 1)
        page.fill("#token [name=expires_at]", "")
        end = page.get_by_role("button", name="End the token Maya's phone")
        end.focus()
        visit.press("Enter")
        page.wait_for_selector("dialog[open]")
        said = visit.text("dialog")
        checks.check("ending asks, and says what it means", "cannot be undone" in said, said)
        page.get_by_role("button", name="Keep it").click()
        page.wait_for_selector("dialog", state="detached")
        checks.equal("kept, it works on", site.service.client(secret).request("GET", "/api/me").status, 200)
        end.click()
        visit.expect(503)
        page.route("**/api/admin/tokens/*", lambda route: answer(route, 503))
        page.get_by_role("button", name="End the token", exact=True).click()
        page.wait_for_selector("dialog .notice")
        checks.check("503: the dialog says so", len(visit.text("dialog .notice")) > 20, visit.text("dialog .notice"))
        page.unroute("**/api/admin/tokens/*")
        page.locator("dialog .notice button").click()
        page.wait_for_selector("dialog", state="detached")
        checks.equal("tried again, it has ended", (site.service.client(secret).request("GET", "/api/me").status,
                     bool(tokens(site, MAYA)[0]["revoked_at"])), (401, True))
        page.wait_for_selector("main table .off")
        checks.equal("the list says so", visit.text("main table .off"), "Ended")
        page.get_by_role("button", name="Make a token").click()
        page.wait_for_selector(".secret")
        page.get_by_role("button", name="End the token without a name").click()
        page.get_by_role("button", name="End the token", exact=True).click()
        page.wait_for_selector(".secret", state="detached")
        checks.check("what has ended is not shown any more", True)
        checks.equal("and the place is People", visit.text("#places [aria-current]"), "People")
        checks.clean("tokens", visit)


def check_token_failures(checks, site, browser):
    with browser.visit(f"/desk/person?id={MAYA}", token=site.tokens["staff"]) as visit:
        page = visit.page
        page.wait_for_selector("#account")
        path = f"**/api/admin/users/{MAYA}/tokens"
        before = len(tokens(site, MAYA))
        # The modules are loaded when they are wanted. That can fail, too.
        page.route("**/desk/tokens.js", lambda route: route.abort())
        page.get_by_text("Make a token").click()
        page.wait_for_selector(".toast:has-text('could not be reached')")
        checks.check("without the way to it the offer closes again", not page.evaluate(
            "document.querySelector('main details').open"))
        page.unroute("**/desk/tokens.js")
        page.reload()
        page.get_by_text("Make a token").click()
        page.fill("#token [name=name]", "Typed")
        visit.expect(NETWORK, 429, 500, 503)
        for status in (NETWORK, 429, 500, 503):
            def refuse(route):
                return answer(route, status) if route.request.method == "POST" else route.fallback()
            page.route(path, refuse)
            sent = len(visit.sent("POST"))
            page.get_by_role("button", name="Make a token").click()
            page.wait_for_selector("#token .summary")
            said = visit.text("#token .summary")
            checks.check(f"a token, {status or 'no network'}: it says so and keeps what was typed", "is kept" in said
                         and page.input_value("#token [name=name]") == "Typed", said)
            checks.equal(f"a token, {status or 'no network'}: it is sent once", len(visit.sent("POST")) - sent, 1)
            page.unroute(path, refuse)
            page.evaluate("document.querySelector('#token .summary').remove()")

        def lose(route):
            # The token is made, and the answer is lost.
            if route.request.method != "POST":
                return route.fallback()
            route.fetch()
            return route.abort("connectionreset")
        page.route(path, lose)
        page.get_by_role("button", name="Make a token").click()
        page.wait_for_selector("#token .summary:has-text('not known')")
        page.wait_for_selector("main table th:has-text('Typed')")
        checks.equal("an answer that was lost: the list shows the token that nobody has seen", len(tokens(site, MAYA)),
                     before + 1)
        checks.clean("tokens' failures", visit)
    with browser.visit(f"/desk/person?id={MAYA}", token=site.tokens["staff"]) as visit:
        page = visit.page
        page.get_by_text("Make a token").click()
        page.fill("#token [name=name]", "Half typed")
        visit.expect(401)
        page.route(path, lambda route: answer(route, 401) if route.request.method == "POST" else route.fallback())
        page.get_by_role("button", name="Make a token").click()
        page.wait_for_selector("#token .summary a")
        page.unroute(path)
        sign_in_again(visit, site.tokens["staff"], f"/desk/person?id={MAYA}")
        page.wait_for_selector("#token .summary.note")
        checks.equal("after signing in, the form is open with what was typed", page.input_value("#token [name=name]"),
                     "Half typed")
        checks.clean("a token's draft", visit)


def check_group(checks, site, browser):
    path = f"/api/admin/groups/{GROUP}"
    with browser.visit(f"/desk/group?id={GROUP}", token=site.tokens["staff"]) as visit:
        page = visit.page
        page.wait_for_selector("#record")
        page.fill("#record [name=name]", "Zebra Home")
        page.select_option("#record [name=state]", "")
        save(visit, "#record")
        page.wait_for_selector(".toast:has-text('Saved')")
        stored = api(site, "groups", GROUP)
        checks.equal("a group has another name, no state, and its members", (
            stored["name"], stored["state"], stored["members"]), ("Zebra Home", None, [ZELDA, MAX]))
        visit.expect(412, 422)
        page.fill("#record [name=name]", " ")
        save(visit, "#record")
        page.wait_for_selector("#record .error")
        checks.equal("422: the error stands at its field", page.locator(".field:has([name=name]) .error").count(), 1)
        site.put(path, {"state": "CA"})
        page.fill("#record [name=name]", "Zebra Place")
        save(visit, "#record")
        page.wait_for_selector("#record .summary:has-text('changed this')")
        said = visit.text("#record .summary")
        checks.check("412: who changed what, and what was typed is kept", "State: nothing → California" in said and
                     page.input_value("#record [name=name]") == "Zebra Place", said)
        check_form(checks, visit, "a group", "PUT", f"**{path}", "#record")
        save(visit, "#record")
        service.eventually(lambda: api(site, "groups", GROUP)["name"] == "Zebra Place")
        stored = api(site, "groups", GROUP)
        checks.equal("saved again, nothing is lost", (stored["name"], stored["state"], stored["members"]),
                     ("Zebra Place", "CA", [ZELDA, MAX]))
        checks.clean("a group", visit)
    with browser.visit(f"/desk/group?id={site.group}", token=site.tokens["staff"]) as visit:
        visit.page.wait_for_selector("#record")
        requests = visit.page.locator("section:has(h2:text-is('Requests')) a")
        links = [link.get_attribute("href") for link in requests.all()]
        wanted = [f"/desk/referral?id={row['id']}" for row in site.get(
            f"/api/admin/referrals?group_id={site.group}&limit=5")["data"]]
        checks.equal("its requests, and all of them in the queue", links, [*wanted, "/desk?" + urllib.parse.urlencode(
            {"group_id": site.group, "sort": "-created_at"})])
        checks.clean("its requests", visit)


def members(site):
    """They come in the order of their IDs."""
    return api(site, "groups", GROUP)["members"]


def check_members(checks, site, browser):
    path = f"/api/admin/groups/{GROUP}"
    with browser.visit(f"/desk/group?id={GROUP}", token=site.tokens["staff"]) as visit:
        page = visit.page
        page.wait_for_selector("main .plain button")
        page.locator("h1").click()
        visit.press("/")
        page.keyboard.type("zelda")
        page.wait_for_selector("[aria-label^='Add']")
        checks.check("who is a member already is not offered again", "Zelda Fitz zelda@people.example Is a member" in
                     visit.text("[aria-live] .plain"), visit.text("[aria-live] .plain"))
        checks.check("the Tab key comes to the offer", visit.tab_to("[aria-label^='Add']"))
        visit.press("Enter")
        page.wait_for_selector("#count:text-is('3 members')")
        checks.equal("by keyboard somebody is added", members(site), [ZELDA, MAYA, MAX])
        checks.check("the focus is back in the search", page.evaluate("document.activeElement.id") == "candidate")
        page.locator(f"[aria-label='Remove {LONG}']").click()
        page.wait_for_selector("#count:text-is('2 members')")
        checks.equal("somebody is removed", members(site), [ZELDA, MAYA])
        checks.equal("the focus goes to their number", page.evaluate("document.activeElement.id"), "count")
        page.locator(".toast:has-text('no member') button").first.click()
        page.wait_for_selector("#count:text-is('3 members')")
        checks.equal("Undo adds them again", members(site), [ZELDA, MAYA, MAX])
        page.fill("#record [name=name]", "Zebra Own")
        save(visit, "#record")
        page.wait_for_selector(".toast:has-text('Saved')")
        checks.equal("one's own change of members is no conflict for the record", (api(site, "groups", GROUP)["name"],
                     page.locator("#record .summary").count()), ("Zebra Own", 0))

        # Another is quicker, once: both changes hold.
        visit.expect(412)
        quicker = []

        def overtake(route):
            if route.request.method == "PUT" and not quicker:
                quicker.append(site.put(path, {"members": [ZELDA, MAYA, MAX, ZORAN], "state": "OH"}))
            route.fallback()
        page.route(f"**{path}", overtake)
        page.locator("[aria-label='Remove Zelda Fitz']").click()
        page.wait_for_selector("[aria-label='Remove Zoran Staff']")
        checks.equal("two at once: neither change is lost", members(site), [MAYA, MAX, ZORAN])
        page.unroute(f"**{path}", overtake)
        page.fill("#record [name=name]", "Zebra Late")
        save(visit, "#record")
        page.wait_for_selector("#record .summary:has-text('State: California → Ohio')")
        checks.check("and what the other did to the record is told", api(site, "groups", GROUP)["name"] == "Zebra Own")
        save(visit, "#record")
        service.eventually(lambda: api(site, "groups", GROUP)["name"] == "Zebra Late")

        for status in (NETWORK, 412, 429, 503):
            visit.expect(status)

            def refuse(route):
                return answer(route, status) if route.request.method == "PUT" else route.fallback()
            page.route(f"**{path}", refuse)
            page.locator(f"[aria-label='Remove {LONG}']").click()
            page.wait_for_selector("main .notice.bad")
            said = visit.text("main .notice.bad")
            checks.check(f"members, {status or 'no network'}: it says so, and nobody is lost", len(said) > 20 and
                         MAX in members(site), said)
            page.unroute(f"**{path}", refuse)
            page.locator("main .notice.bad button").click()
            page.wait_for_selector("#count:text-is('2 members')")
            checks.equal(f"members, {status or 'no network'}: trying again works", members(site), [MAYA, ZORAN])
            site.put(path, {"members": [MAYA, MAX, ZORAN]})
            page.reload()
            page.wait_for_selector("#count:text-is('3 members')")
        page.route("**/api/admin/users?*", lambda route: answer(route, 503))
        page.fill("#candidate", "zelda")
        page.wait_for_selector("[aria-live] .notice")
        checks.check("a search that fails says so", len(visit.text("[aria-live] .notice")) > 20)
        page.unroute("**/api/admin/users?*")
        page.locator("[aria-live] .notice button").click()
        page.wait_for_selector("[aria-label='Add Zelda Fitz']")
        page.fill("#candidate", "nobodyhasthisname")
        page.wait_for_selector("[aria-live]:has-text('Nobody has')")
        page.fill("#candidate", "")
        page.wait_for_selector("[aria-live]:has-text('Nobody has')", state="detached")
        # Longer than it waits for another letter.
        page.wait_for_timeout(600)
        checks.equal("an empty search asks for nobody", [request.url for request in visit.requests if
                     "/api/admin/users?" in request.url and "q=" not in request.url], [])
        checks.clean("members", visit)


def check_nobody(checks, site, browser):
    for path, words in (("person", "no such person"), ("group", "no such group")):
        for wrong in (f"?id={UNKNOWN}", "?id=nonsense", "?id=../me", ""):
            with browser.visit(token=site.tokens["staff"]) as visit:
                visit.expect(404, 400).open(f"/desk/{path}{wrong}")
                visit.page.wait_for_selector(f"h1:has-text('{words}')")
                checks.check(f"/desk/{path}{wrong}: it says so and what to do", visit.page.locator(
                    f"#{path} a").get_attribute("href").startswith("/desk/people"))
                asked = [request.url for request in visit.requests
                         if "/api/" in request.url and wrong[4:] in request.url]
                checks.check("and asks nothing more", not wrong[4:] or len(asked) <= 1, asked)
                checks.clean(f"/desk/{path}{wrong}", visit)
    with browser.visit(f"/desk/person?id={MAYA}", token=site.tokens["staff"]) as visit:
        visit.expect(401)
        visit.page.fill("#account [name=name]", "Typed before")
        visit.page.route("**/api/admin/users/*", lambda route: answer(route, 401))
        save(visit)
        visit.page.wait_for_selector("#account .summary a")
        checks.equal("an ended token: the form offers to sign in and come back", visit.page.locator(
            "#account .summary a").get_attribute("href"), f"/sign-in?return=%2Fdesk%2Fperson%3Fid%3D{MAYA}")
        checks.clean("an ended token", visit)
