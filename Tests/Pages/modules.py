"""The shared modules: templates, forms, lists and versions, each against what pages meet rarely."""

import json

import service
from failing import NETWORK, answer

PAGES = service.PROJECT / "nginx/pages"
# Run in the page, so that the policy holds for it, too.
TEMPLATES = """async () => {
  const { html, fragment } = await import("/lib/html.js");
  const text = (node) => {
    const box = document.createElement("div");
    box.append(node);
    return box.innerHTML;
  };
  const fails = (make) => { try { make(); return false; } catch { return true; } };
  const escaped = html`<p title="a ${'"<b>'}">${"<b>&amp;</b>"}</p>`;
  let clicks = 0;
  html`<button onclick=${() => clicks++}>a</button>`.click();
  return {
    escapes: [escaped.title, escaped.textContent, escaped.children.length],
    nests: text(html`<ul>${["a", "b"].map((one) => html`<li>${one}</li>`)}</ul>`),
    nothing: text(html`<p>${null}${undefined}${false}${true}${""}${0}</p>`),
    attributes: text(html`<input disabled=${true} readonly=${false} value=${null} class="a ${1} b">`),
    spaces: text(html`<p>a ${"b"} c
      <b>d</b> e</p>`),
    svg: html`<svg viewBox="0 0 1 1"><g><path d="M0 0" /><path d="M1 1"></path></g></svg>`.lastChild.lastChild
      .namespaceURI,
    scripts: text(html`<a href=${"javascript:alert(1)"}>a</a>`) + text(html`<a href=${" javascript:alert(1)"}>a</a>`),
    several: text(fragment`<i>a</i> b`),
    clicks,
    refused: [() => html`<p>a</p><p>b</p>`, () => html`<p>`, () => html`</p>`, () => html`<p ${"a"}>b</p>`,
      () => html`<p onclick="a">b</p>`, () => html`<p a=b>c</p>`, () => html`a`, () => html`<p>${() => 1}</p>`,
    ].map(fails),
  };
}"""

FORM = """async ({ path, etag, values }) => {
  const { html, byID } = await import("/lib/html.js");
  const { Form, field, choices } = await import("/lib/form.js");
  const { get, put } = await import("/lib/api.js");
  const element = html`<form id="made">${field("Phone", html`<input name="phone">`)}${
    field("Website", html`<input name="website" type="url">`)}${
    field("Notes", html`<textarea name="notes"></textarea>`)}${
    choices("Languages", "languages", [["es", "Spanish"], ["vi", "Vietnamese"]], { multiple: true })}
    <button>Save</button></form>`;
  byID("main").replaceChildren(element);
  window.form = new Form(element, { values, etag, save: (body, form) => { window.body = body;
    return put(path, body, { etag: form.etag }); }, read: () => get(path), saved: () => window.saved = true });
}"""


def run(checks, site, browser, _):
    check_templates(checks, browser)
    check_form(checks, site, browser)
    check_draft(checks, site, browser)
    check_limits(checks)
    check_retries(checks, browser)
    check_refresh(checks, site, browser)
    check_version(checks, browser)


def check_templates(checks, browser):
    with browser.visit("/not-found") as visit:
        found = visit.page.evaluate(TEMPLATES)
        for label, wanted in {
            "escapes": ['a "<b>', "<b>&amp;</b>", 0],
            "nests": "<ul><li>a</li><li>b</li></ul>",
            "nothing": "<p>0</p>",
            "attributes": '<input disabled="" class="a 1 b">',
            "spaces": "<p>a b c<b>d</b> e</p>",
            "svg": "http://www.w3.org/2000/svg",
            "scripts": "<a>a</a><a>a</a>",
            "several": "<i>a</i> b",
            "clicks": 1,
            "refused": [True] * 8,
        }.items():
            checks.equal(f"templates: {label}", found[label], wanted)
        checks.clean("templates", visit)


def check_limits(checks):
    """The browser cuts a text that is pasted into a limited field, and says nothing. The service says it."""
    limited = [path.name for path in PAGES.rglob("*.js") if "maxlength" in path.read_text()]
    checks.equal("no field cuts what is pasted", limited, [])


def open_form(visit, path, etag, values):
    visit.page.evaluate(FORM, {"path": path, "etag": etag, "values": values})


def check_form(checks, site, browser):
    path = f"/api/admin/partners/{site.partner}"
    first = site.staff.expect(200, "GET", path)
    with browser.visit("/not-found", token=site.tokens["staff"]) as visit:
        page = visit.page
        open_form(visit, path, first.headers["ETag"], first.json)
        checks.equal("a form shows what it edits", page.input_value("[name=phone]"), first.json["phone"])
        page.fill("[name=website]", "nonsense")
        page.check("[value=vi]")
        visit.expect(412, 422)
        page.get_by_role("button", name="Save").click()
        page.wait_for_selector(".error")
        checks.equal("it sends only what was changed", page.evaluate("window.body"),
                     {"website": "nonsense", "languages": ["vi"]})
        checks.equal("the error stands at its field", page.locator(".field:has([name=website]) .error").count(), 1)
        checks.equal("and the field names it", page.locator("[name=website]").get_attribute("aria-describedby"),
                     page.locator(".error").get_attribute("id"))

        site.put(path, {"phone": "(612) 555-0199", "notes": "Ben was here."})
        page.fill("[name=website]", "https://new.example")
        page.fill("[name=notes]", "What I typed.")
        page.get_by_role("button", name="Save").click()
        page.wait_for_selector(".summary h2:has-text('changed this')")
        words = visit.text(".summary")
        checks.check("412: it shows what changed", "(612) 555-0199" in words and "Ben was here." in words, words)
        checks.equal("412: what was typed stays, the rest is what it is by now",
                     [page.input_value(f"[name={name}]") for name in ("phone", "website", "notes")],
                     ["(612) 555-0199", "https://new.example", "What I typed."])
        page.get_by_role("button", name="Save").click()
        visit.wait("window.saved")
        stored = site.get(path)
        checks.equal("saved again, it loses nothing", (stored["phone"], stored["notes"], stored["languages"]),
                     ("(612) 555-0199", "What I typed.", ["vi"]))
        checks.equal("then nothing is unsaved", page.evaluate("window.form.isDirty"), False)

        page.fill("[name=phone]", "(612) 555-0177")
        asked = []
        page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
        page.goto("/directory")
        checks.equal("leaving with something unsaved asks", asked, ["beforeunload"])
        checks.clean("a form", visit)
    site.put(path, {name: first.json[name] for name in ("phone", "website", "notes", "languages")})


def check_draft(checks, site, browser):
    path = f"/api/admin/partners/{site.partner}"
    first = site.staff.expect(200, "GET", path)
    with browser.visit("/not-found", token=site.tokens["staff"]) as visit:
        page = visit.page
        visit.expect(401, 404)
        open_form(visit, path, first.headers["ETag"], first.json)
        page.fill("[name=notes]", "A long note.")
        page.route("**" + path, lambda route: answer(route, 401))
        page.get_by_role("button", name="Save").click()
        page.wait_for_selector(".summary a")
        checks.check("401: it offers to sign in and come back", "is kept" in visit.text(".summary"),
                     visit.text(".summary"))
        page.unroute("**" + path)
        page.locator(".summary a").click()
        page.wait_for_url("**/sign-in?return=*")
        page.get_by_text("Sign in with a token").click()
        page.fill("#token [name=token]", site.tokens["staff"])
        page.locator("#token [name=token]").press("Enter")
        page.wait_for_url("**/not-found")
        open_form(visit, path, first.headers["ETag"], first.json)
        checks.equal("401: after that, what was typed is there", page.input_value("[name=notes]"), "A long note.")
        checks.clean("401", visit)


def attempts(visit, method, status):
    """How often a request is sent that meets this status each time, and the code of the problem in the end."""
    count = []

    def refuse(route):
        count.append(route)
        answer(route, status)
    visit.page.route("**/api/test", refuse)
    code = visit.page.evaluate("""async (method) => { const api = await import("/lib/api.js");
      try { await api[method]("/api/test", {}); } catch (error) { return error.code; } }""", method)
    visit.page.unroute("**/api/test")
    return len(count), code


def check_retries(checks, browser):
    with browser.visit("/not-found") as visit:
        visit.expect(503)
        for method in ("get", "post", "put", "remove"):
            count, _ = attempts(visit, method, 503)
            checks.equal(f"{method}: 503 is tried again, and not for ever", count, 4)
        for method, wanted in (("get", 4), ("post", 4), ("put", 1), ("remove", 1)):
            checks.equal(f"{method}: without an answer, only what does no harm twice is sent again",
                         attempts(visit, method, NETWORK), (wanted, "network"))
        quota = json.dumps({"code": "quota_exceeded", "detail": "Tomorrow."})
        visit.page.route("**/api/test", lambda route: route.fulfill(
            status=429, headers={"Retry-After": "3600"}, body=quota, content_type="application/json"))
        visit.expect(429)
        code = visit.page.evaluate("""async () => { const api = await import("/lib/api.js");
          try { await api.post("/api/test", {}); } catch (error) { return error.code; } }""")
        checks.equal("a quota is not tried again", code, "quota_exceeded")
        checks.clean("retries", visit)


def check_refresh(checks, site, browser):
    with browser.visit("/not-found", token=site.tokens["staff"]) as visit:
        page = visit.page
        page.evaluate("""async () => {
          const { html, byID } = await import("/lib/html.js");
          const { List } = await import("/lib/list.js");
          byID("main").replaceChildren(html`<table><tbody id="rows"></tbody></table>`);
          window.list = new List({ path: "/api/admin/partners", rows: byID("rows"), key: (one) => one.id,
            noun: ["partner", "partners"], empty: "None.", query: { status: "active" },
            row: (one) => html`<tr id=${`p-${one.id}`}><td><a href="#">${one.company_name}</a></td></tr>` });
          await list.load();
        }""")
        shown = page.evaluate("list.items.map((item) => item.id)")
        changed, gone = shown[3], shown[5]
        name = site.get(f"/api/admin/partners/{changed}")["company_name"]
        page.locator(f"#p-{changed} a").focus()
        site.put(f"/api/admin/partners/{changed}", {"company_name": "Renamed meanwhile"})
        site.put(f"/api/admin/partners/{gone}/status", {"status": "inactive"})
        made = site.send(201, "POST", "/api/admin/partners", {
            "type": "title", "company_name": "New meanwhile", "email": "new@meanwhile.example", "status": "active",
            "service_areas": ["MN"], "agreement_signed_at": "2026-01-01T00:00:00Z"})
        page.evaluate("list.refresh()")
        page.wait_for_selector("tr.changed")
        checks.equal("refresh: a changed row is marked in its place", visit.text("tr.changed"), "Renamed meanwhile")
        checks.equal("refresh: it keeps the focus", page.evaluate("document.activeElement.closest('tr')?.id"),
                     f"p-{changed}")
        checks.equal("refresh: one that is gone stays, greyed", page.locator("tr.gone").get_attribute("id"),
                     f"p-{gone}")
        checks.check("refresh: a new one waits", "1 new row" in visit.text(".news") and
                     page.locator(f"#p-{made['id']}").count() == 0, visit.text(".news"))
        page.locator(".news").click()
        page.wait_for_selector(f"#p-{made['id']}")
        checks.check("refresh: until it is asked for", page.locator("tr.gone").count() == 0)
        page.evaluate("list.move(1)")
        page.evaluate("list.move(1)")
        checks.equal("moving goes from row to row", page.evaluate(
            "[...document.querySelectorAll('#rows tr')].indexOf(document.activeElement.closest('tr'))"), 1)
        others = {"data": [{"id": f"{number}", "company_name": "Another"} for number in range(25)], "next_cursor": "x"}
        page.route("**/api/admin/partners?*", lambda route: route.fulfill(json=others))
        page.evaluate("list.refresh()")
        page.wait_for_selector(".news:not([hidden])")
        checks.check("refresh: a page of nothing but new ones waits, too", "25 new rows" in visit.text(".news"),
                     visit.text(".news"))
        checks.clean("refresh", visit)
    site.put(f"/api/admin/partners/{changed}", {"company_name": name})
    site.put(f"/api/admin/partners/{gone}/status", {"status": "active"})
    site.put(f"/api/admin/partners/{made['id']}/status", {"status": "removed"})


def check_version(checks, browser):
    with browser.visit() as visit:
        page = visit.page
        page.clock.install()
        visit.open("/directory")
        page.clock.fast_forward(5_000)
        visit.settle()
        page.clock.fast_forward(70_000)
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        visit.settle()
        checks.equal("as long as nothing changes, nothing is said", page.locator(".toast").count(), 0)
        page.route("**/api/openapi.yaml", lambda route: route.fulfill(headers={"ETag": '"other"'}, body=""))
        page.clock.fast_forward(70_000)
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for_selector(".toast")
        checks.check("a new version of the service offers to reload", "new version" in visit.text(".toast"),
                     visit.text(".toast"))
        checks.clean("versions", visit)
