"""The reference: everything that the OpenAPI document has, its examples with curl, search, places, keys, failures."""

import json
import os
import re
import subprocess

from axe_playwright_python.sync_playwright import Axe

from everywhere import AXE
from failing import NETWORK, answer

PROBLEM = "application/problem+json"
DOCUMENT = "**/api/openapi.json"

# What the page shows of each operation, by ID. Folded content counts: the browser finds it, and opens it.
SHOWN = """() => Object.fromEntries([...document.querySelectorAll(".operation")].map((section) => {
  const all = (selector, get) => [...section.querySelectorAll(selector)].map(get);
  return [section.id, {
    text: section.textContent, title: section.querySelector("h3").textContent,
    method: section.querySelector(".method").textContent, path: section.querySelector("p code").textContent,
    parameters: all(".pair > .stack > section:has(> .fields) > .fields > li", (one) => one.dataset.name),
    required: all(".pair > .stack > section > .fields > li:has(> p > .tag)", (one) => one.dataset.name),
    fields: all("li[data-name]", (one) => one.dataset.name),
    statuses: all(".answer", (one) => one.dataset.status),
    codes: Object.fromEntries(all("li[data-code]", (one) => [one.dataset.code, [
      one.querySelector("p + p").textContent, one.querySelector("pre").textContent]])),
    samples: all(".sample", (one) => [one.querySelector("figcaption span").textContent,
      one.querySelector("pre").textContent]),
  }];
}))"""


def run(checks, site, browser, _):
    document = site.get("/api/openapi.json")
    with browser.visit("/reference") as visit:
        visit.press("Control+f")
        visit.wait("!document.querySelector('.later')")
        shown = visit.page.evaluate(SHOWN)
        check_operations(checks, document, shown)
        check_words(checks, document, visit, shown)
        check_parts(checks, document, visit)
        check_wide(checks, visit)
        checks.clean("the whole reference", visit)
    check_examples(checks, document, shown)
    check_requests(checks, site, document, shown)
    check_copy(checks, browser)
    check_search(checks, browser)
    check_places(checks, browser)
    check_keys(checks, browser)
    check_narrow(checks, browser)
    check_print(checks, browser)
    check_failures(checks, browser)


# --- The document, read without the page's code ---


class Document:
    """Follows references, and collects what a schema has at any depth."""

    def __init__(self, document):
        self.document = document

    def resolve(self, thing):
        while "$ref" in thing:
            target = self.document
            for key in thing["$ref"].removeprefix("#/").split("/"):
                target = target[key]
            thing = target
        return thing

    def fields(self, schema):
        schema = self.resolve(schema)
        found = set(schema.get("properties", {}))
        inner = [*schema.get("properties", {}).values(), *[schema[key] for key in ("items", "additionalProperties")
                 if isinstance(schema.get(key), dict)]]
        for one in [*inner, *schema.get("allOf", []), *schema.get("oneOf", []), *schema.get("anyOf", [])]:
            found |= self.fields(one)
        return found

    def codes(self, response):
        schema = response["content"][PROBLEM]["schema"]
        return {self.resolve(one)["properties"]["code"]["const"]: self.resolve(one)["examples"][0]
                for one in schema.get("oneOf", [schema])}

    def operations(self):
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                yield method.upper(), path, operation

    def responses(self, operation):
        """The answers by status and the problems by code."""
        answers, problems = {}, {}
        for status, response in operation["responses"].items():
            response = self.resolve(response)
            if PROBLEM in response.get("content", {}):
                problems |= self.codes(response)
            else:
                answers[status] = response
        return answers, problems


def schemas(response):
    return [content["schema"] for content in response.get("content", {}).values()]


# --- What is shown ---


def check_operations(checks, document, shown):
    read = Document(document)
    wrong = {"is shown": [], "has its method and path": [], "has its parameters": [], "marks what is required": [],
             "has the fields of its body": [], "has its answers": [], "has the fields of its answers": [],
             "has the headers of its answers": [], "has its errors": [], "says what each error means": [],
             "has an example of each error": []}

    def note(what, holds, operation, detail=""):
        if not holds:
            wrong[what].append(f"{operation['operationId']} {detail}".strip())
    for method, path, operation in read.operations():
        found = shown.get(operation["operationId"])
        note("is shown", found and found["title"] == operation["summary"], operation)
        if not found:
            continue
        parameters = [read.resolve(one) for one in operation.get("parameters", [])]
        answers, problems = read.responses(operation)
        note("has its method and path", (found["method"], found["path"]) == (method, path), operation, found["path"])
        places = sorted(parameters, key=lambda one: ("path", "query", "header").index(one["in"]))
        names = [one["name"] for one in places]
        note("has its parameters", found["parameters"][:len(names)] == names, operation, found["parameters"])
        body = read.resolve(operation["requestBody"])["content"]["application/json"]["schema"] \
            if "requestBody" in operation else {}
        needed = {one["name"] for one in parameters if one.get("required")}
        needed |= set(read.resolve(body).get("required", []))
        note("marks what is required", set(found["required"]) == needed, operation, found["required"])
        note("has the fields of its body", read.fields(body) <= set(found["fields"]), operation)
        note("has its answers", found["statuses"] == list(answers), operation, found["statuses"])
        for response in answers.values():
            for schema in schemas(response):
                missing = read.fields(schema) - set(found["fields"])
                note("has the fields of its answers", not missing, operation, missing)
        headers = {name for one in operation["responses"].values() for name in read.resolve(one).get("headers", {})}
        missing = headers - set(found["fields"])
        note("has the headers of its answers", not missing, operation, missing)
        note("has its errors", set(found["codes"]) == set(problems), operation, set(problems) ^ set(found["codes"]))
        for code, (sentence, example) in found["codes"].items():
            note("says what each error means", len(sentence) > 9 and sentence.endswith("."), operation, sentence)
            note("has an example of each error", json.loads(example) == problems.get(code), operation, code)
    checks.equal("there are as many operations as in the document", len(shown), len(list(read.operations())))
    for what, operations in wrong.items():
        checks.check(f"each operation {what}", not operations, "; ".join(operations))


def plain(text):
    """A text without spaces and without what is Markdown. Items of an enumeration end with a full stop on the page."""
    text = re.sub(r"(?m)^\|(?:-+\|)+$|^\* |^## ", "", text)
    return re.sub(r"[\s`|]|\*\*", "", text).replace(";", ".")


def check_words(checks, document, visit, shown):
    """Each description is on the page, and none of its Markdown."""
    read = Document(document)
    page = plain(visit.page.locator("#reference").evaluate("(one) => one.textContent"))
    missing = []

    def look(text, where, place):
        if plain(text) not in where:
            missing.append(f"{place}: {text[:60]}")

    def walk(thing, place):
        for key, value in thing.items() if isinstance(thing, dict) else enumerate(thing):
            if key in ("description", "summary") and isinstance(value, str):
                look(value, page, place)
            elif key not in ("example", "examples", "responses") and isinstance(value, (dict, list)):
                walk(value, f"{place}/{key}")
    for part in ("tags", "paths"):
        walk(document[part], part)
    for part in ("securitySchemes", "parameters", "headers"):
        # No operation has 405: every path can answer it, and the introduction says so.
        walk({name: one for name, one in document["components"][part].items() if name != "Allow"}, part)
    for name, schema in document["components"]["schemas"].items():
        walk(schema, name)
    for text in re.split(r"(?m)^## .*$", document["info"]["description"]):
        look(text, page, "info")
    for _, _, operation in read.operations():
        text = plain(shown[operation["operationId"]]["text"])
        look(operation.get("description", ""), text, operation["operationId"])
        for status, response in operation["responses"].items():
            response = read.resolve(response)
            if PROBLEM not in response.get("content", {}):
                look(response["description"], text, f"{operation['operationId']} {status}")
                continue
            # The sentences of several codes stand beside their codes.
            for sentence in re.split(r"`\w+`(?: \([^)]*\))?: ", response["description"]):
                if status != "default":
                    look(sentence, text, f"{operation['operationId']} {status}")
    checks.check("every description is on the page", not missing, "; ".join(missing))

    left = visit.page.evaluate("""() => {
      const walker = document.createTreeWalker(document.querySelector("#reference"), NodeFilter.SHOW_TEXT);
      const left = [];
      while (walker.nextNode()) {
        const { nodeValue: text, parentElement: parent } = walker.currentNode;
        if (!parent.closest("code") && /`|\\*\\*|\\]\\(|^\\s*(?:[|#>*]|\\d+\\. )|\\|/.test(text)) left.push(text);
      }
      return left;
    }""")
    checks.check("no Markdown is left over", not left, "; ".join(left))
    counts = visit.page.evaluate("['table', 'section > ul, .stack > ul', 'strong', 'td code'].map((one) => "
                                 "document.querySelectorAll('#reference ' + one).length)")
    checks.check("tables, lists, bold and code became elements", all(counts), counts)


def check_parts(checks, document, visit):
    """Schemas and problems have their own places, and each link within the page leads somewhere."""
    page = visit.page
    components = document["components"]["schemas"]
    problems = {schema["properties"]["code"]["const"]: schema for schema in components.values()
                if "const" in schema.get("properties", {}).get("code", {})}
    found = page.evaluate("[...document.querySelectorAll('.schema')].map((one) => one.id)")
    checks.equal("each schema has its place", sorted(found), sorted(f"schema-{name}" for name, schema in
                 components.items() if schema not in problems.values()))
    texts = page.evaluate("""Object.fromEntries([...document.querySelectorAll('.problem')].map((one) =>
      [one.id.replace('code-', ''), [...one.querySelectorAll('.pair > .stack > p')].map((line) => line.textContent)]))""")
    checks.equal("each problem has its place", sorted(texts), sorted(problems))
    silent = [code for code, [title, meaning, advice, *_] in texts.items()
              if not re.fullmatch(r"\d{3}(, \d{3})* .+\.", title) or problems[code]["examples"][0]["title"] not in title
              or len(meaning) < 10 or not re.fullmatch(r"What to do: [A-Z].{8,}\.", advice)]
    checks.check("each says its status, what it means, and what to do", not silent, "; ".join(silent))
    broken = page.evaluate("""[...document.querySelectorAll('main a[href^="#"]')].map((one) => one.hash.slice(1))
      .filter((id) => !document.getElementById(id))""")
    checks.check("each link within the page leads somewhere", not broken, "; ".join(broken))
    double = page.evaluate("""[...document.querySelectorAll('[id]')].map((one) => one.id)
      .filter((id, index, all) => all.indexOf(id) !== index)""")
    checks.check("no ID stands twice", not double, "; ".join(double))
    links = page.evaluate("document.querySelectorAll('#listPartners a[href=\"#schema-PartnerType\"]').length")
    checks.check("a field links its schema", links > 0, links)
    tools = page.locator(".document > p a").evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
    checks.equal("tools find the document", tools, ["/api/openapi.yaml", "/api/openapi.json"])


def check_wide(checks, visit):
    """All of it fits a narrow screen, and is good for a screen reader."""
    page = visit.page
    page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true")
    page.set_viewport_size({"width": 320, "height": 900})
    wide = page.evaluate("document.documentElement.scrollWidth")
    checks.check("with all details it fits 320 px", wide <= 320, f"{wide} px wide")
    page.set_viewport_size({"width": 1440, "height": 900})
    for id in ("updateReferral", "requestReferral", "listCoverage", "code-validation", "schema-Event"):
        found = Axe().run(page, context={"include": [f"#{id}"]}, options=AXE)
        checks.check(f"axe finds nothing in {id}", found.violations_count == 0, found.generate_report()
                     if found.violations_count else "")


def check_examples(checks, document, shown):
    """The example of an answer has all fields that the schema requires, and no other."""
    read, wrong = Document(document), []

    def compare(schema, value, place):
        schema = read.resolve(schema)
        choices = schema.get("oneOf") or schema.get("anyOf")
        if value is None:
            return
        if choices:
            real = [one for one in choices if one.get("type") != "null"]
            return compare(real[0], value, place) if len(real) == 1 or isinstance(value, dict) else None
        if isinstance(value, list):
            for item in value:
                compare(schema["items"], item, f"{place}[]")
        if isinstance(value, dict):
            parts = [read.resolve(one) for one in schema.get("allOf", [])] + [schema]
            fields = {name: one for part in parts for name, one in part.get("properties", {}).items()}
            required = {name for part in parts for name in part.get("required", [])}
            if fields and not required <= set(value) <= set(fields):
                wrong.append(f"{place} {required ^ set(value)}")
            for name in set(fields) & set(value):
                compare(fields[name], value[name], f"{place}/{name}")
    compared = 0
    for _, _, operation in read.operations():
        samples = dict(shown[operation["operationId"]]["samples"])
        for status, response in read.responses(operation)[0].items():
            if f"Answer {status}" in samples:
                compared += 1
                compare(response["content"]["application/json"]["schema"], json.loads(samples[f"Answer {status}"]),
                        operation["operationId"])
    answers = sum(any("application/json" in one.get("content", {}) for one in read.responses(operation)[0].values())
                  for _, _, operation in read.operations())
    checks.equal("each operation that answers with JSON has an example of it", compared, answers)
    checks.check("the examples have the fields of their schemas", not wrong, "; ".join(wrong))
    bodies = [name for name, one in shown.items() if any("-d '" in text for _, text in one["samples"])]
    checks.equal("each operation with a body has it in its request", sorted(bodies), sorted(
        operation["operationId"] for _, _, operation in read.operations() if "requestBody" in operation))


# --- The requests ---


def curl(text, token):
    """Runs a request of the page in a shell; returns the status."""
    command = "curl() { command curl -s -o /dev/null -w '%{http_code}' \"$@\"; }\n" + text
    return subprocess.run(["bash", "-c", command], env={**os.environ, "TOKEN": token, "ETAG": ""}, check=True,
                          capture_output=True, text=True).stdout


def check_requests(checks, site, document, shown):
    read = Document(document)
    credential = site.send(201, "POST", f"/api/admin/partners/{site.partner}/credentials", {
        "kind": "other", "number": "reference"})["id"]
    user = site.get("/api/admin/users?limit=1")["data"][0]["id"]
    message = site.get("/api/admin/messages?limit=1")["data"][0]["id"]
    things = [("/api/admin/messages/", message), ("/api/admin/users/", user), ("/api/admin/groups/", site.group),
              ("/api/groups/", site.group), ("referrals/", site.referral), ("partners/", site.partner),
              ("credentials/", credential)]
    uuid = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    for method, path, operation in read.operations():
        name = operation["operationId"]
        requests = [text for label, text in shown[name]["samples"] if label in ("Request", "Or")]
        token = site.tokens["partner" if path.startswith("/api/partners/me") else "staff"]
        public = operation.get("security") == []
        checks.check(f"{name}: the request names this host, and a token where one is needed", all(
            f"'{site.address}/api/" in text and ("$TOKEN" in text) != public for text in requests) and requests)
        for text in requests:
            if method == "GET":
                for place, thing in things:
                    text = re.sub(f"({re.escape(place)}){uuid}", rf"\g<1>{thing}", text)
                found = curl(text, token)
                wanted = ["200"] + (["404"] if name == "getConsent" else [])
            else:
                # Nothing has the IDs of the examples, so these change little. They must be well-formed.
                found = curl(text, token)
                wanted = set(operation["responses"]) - {"400", "401", "403", "415", "default"}
            checks.check(f"{method} {path} as curl", found in wanted, found)


def check_copy(checks, browser):
    with browser.visit("/reference#createPartner") as visit:
        page = visit.page
        page.wait_for_selector("#createPartner .sample")
        visit.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=visit.address)
        page.locator("#createPartner .sample button").first.click()
        page.wait_for_selector(".toast")
        wanted = page.locator("#createPartner .sample pre").first.text_content()
        checks.check("the button copies the request", page.evaluate("navigator.clipboard.readText()") == wanted and
                     wanted.startswith("curl -X POST"), visit.text(".toast"))
        page.evaluate("void (navigator.clipboard.writeText = () => Promise.reject(new Error('no')))")
        page.locator("#createPartner .sample button").first.click()
        page.get_by_text("The text is selected").wait_for()
        checks.equal("without a clipboard it selects it", page.evaluate("getSelection().toString()").split(),
                     wanted.split())
        checks.clean("copying", visit)


# --- Search, places, keys ---


def results(page):
    return page.locator("#contents ul ul:not(.codes) a").evaluate_all("(all) => all.map((one) => one.hash.slice(1))")


def check_search(checks, browser):
    with browser.visit("/reference") as visit:
        page = visit.page
        page.wait_for_selector("#listCoverage")
        everything = len(results(page))
        for words, wanted in (("email_taken", ["putUser"]), ("/api/admin/fairness", ["getFairness"]),
                              ("follow up until", ["listReferrals"]), ("Erase ETAG", []), ("upported", []),
                              ("recordoutcome", ["recordOutcome"]), ("delete credential", [
                                  "removeOwnCredential", "removeCredential"])):
            page.fill("#search", words)
            checks.equal(f"search: {words}", results(page), wanted)
        page.fill("#search", "paused_until")
        checks.check("it says which field it found", "paused_until" in visit.text("#contents ul ul a >> nth=0"),
                     visit.text("#contents ul ul a >> nth=0"))
        checks.check("and how many", visit.text("#contents [role=status]") ==
                     f"{len(results(page))} of {everything} operations", visit.text("#contents [role=status]"))
        page.fill("#search", "409")
        statuses = page.locator("#contents .codes .method").all_inner_texts()
        checks.check("a status finds its codes, and the operations that answer with it", len(statuses) > 10 and
                     set(statuses) == {"409"} and "updateReferral" in results(page), len(statuses))
        page.fill("#search", "caching browsers")
        checks.equal("a heading of the guide is found", page.locator("#contents li > a").evaluate_all(
            "(all) => all.map((one) => one.textContent)"), ["Caching, browsers, other methods"])
        page.fill("#search", "(.*[")
        checks.check("what is nowhere is said, and what to do", "Try" in visit.text("#contents [role=status]")
                     and not results(page), visit.text("#contents [role=status]"))
        page.fill("#search", "email_taken")
        visit.press("Enter")
        checks.equal("Enter goes to the first operation", visit.path, "/reference#putUser")
        page.fill("#search", "")
        checks.equal("an empty search shows all again", len(results(page)), everything)
        checks.clean("search", visit)


def top(page, id):
    return page.evaluate("(id) => Math.round(document.getElementById(id).getBoundingClientRect().top)", id)


def current(page):
    return page.evaluate("document.querySelector('#contents [aria-current]')?.hash")


def check_places(checks, browser):
    for id in ("updateReferral", "listEvents", "code-quota_exceeded", "schema-MessageKind", "about-errors"):
        with browser.visit(f"/reference#{id}") as visit:
            visit.page.wait_for_timeout(300)
            checks.check(f"a fragment leads to its place: {id}", 0 <= top(visit.page, id) <= 32, top(visit.page, id))
    with browser.visit("/reference#%") as visit:
        checks.clean("a fragment that is nothing", visit)
    with browser.visit("/reference") as visit:
        page = visit.page
        built = page.evaluate("document.querySelectorAll('.operation:not(.later)').length")
        checks.check("at first only what is near is built", built < 6, built)
        page.locator('#contents a[href="#listMessages"]').click()
        page.wait_for_timeout(300)
        checks.check("a click in the contents goes there", visit.path == "/reference#listMessages" and
                     0 <= top(page, "listMessages") <= 32, top(page, "listMessages"))
        checks.equal("the contents mark it", current(page), "#listMessages")
        page.locator('#listMessages a[href="#schema-MessageKind"]').first.click()
        page.wait_for_timeout(300)
        checks.equal("a field's link goes to the schema", (visit.path, current(page)),
                     ("/reference#schema-MessageKind", "#schemas"))
        page.go_back()
        page.wait_for_timeout(300)
        checks.check("Back returns to the operation", visit.path == "/reference#listMessages" and
                     0 <= top(page, "listMessages") <= 32, f"{visit.path} {top(page, 'listMessages')}")
        jumps = []
        for _ in range(30):
            # Above it much is not built yet. What is read must not jump when that comes.
            id = page.evaluate("""[...document.querySelectorAll('#reference > section')].find((one) =>
              one.getBoundingClientRect().bottom > 100).id""")
            before = top(page, id)
            page.mouse.move(800, 450)
            page.mouse.wheel(0, -400)
            page.wait_for_timeout(120)
            jumps.append(top(page, id) - before)
        checks.check("scrolling up moves what is read by the wheel alone", all(jump == 400 for jump in jumps), jumps)
        section = page.evaluate("""[...document.querySelectorAll('#reference > section')].find((one) =>
          one.getBoundingClientRect().bottom > 100).id""")
        checks.equal("the mark in the contents follows", current(page), f"#{section}")
        visible = page.evaluate("""(() => {
          const link = document.querySelector('#contents [aria-current]').getBoundingClientRect();
          return link.top >= 0 && link.bottom <= innerHeight;
        })()""")
        checks.check("and stays in view", visible)
        checks.clean("places", visit)


def check_keys(checks, browser):
    with browser.visit("/reference#listPartners") as visit:
        page = visit.page
        page.wait_for_timeout(300)
        visit.press("j")
        page.wait_for_timeout(300)
        checks.equal("j goes to the next operation, with the focus", (visit.path, page.evaluate(
            "document.activeElement.hash")), ("/reference#createPartner", "#createPartner"))
        visit.press("k")
        page.wait_for_timeout(300)
        visit.press("k")
        page.wait_for_timeout(300)
        checks.equal("k goes back", (visit.path, current(page)), ("/reference#tag-partners", "#tag-partners"))
        before = page.evaluate("scrollY")
        visit.press("/")
        checks.equal("/ goes to the search, and the page stays", (page.evaluate("document.activeElement.id"),
                     page.evaluate("scrollY")), ("search", before))
        visit.press("/", "j")
        checks.equal("there the keys are text", page.input_value("#search"), "/j")
        page.fill("#search", "no_active_partner")
        checks.check("the Tab key comes to what it found", visit.tab_to("#contents ul ul a"))
        visit.press("Enter")
        checks.equal("Enter goes there", visit.path, "/reference#pinCoverage")
        page.wait_for_selector("#pinCoverage .sample button")
        checks.check("the Tab key comes to the request's button", visit.tab_to("#pinCoverage .sample button"))
        checks.clean("keys", visit)


def check_narrow(checks, browser):
    with browser.visit("/reference", width=360) as visit:
        page = visit.page
        page.wait_for_selector("#listCoverage")
        opened = "document.querySelector('#contents details').open"
        checks.check("on a narrow screen the contents are folded", not page.evaluate(opened))
        page.fill("#search", "email_taken")
        checks.check("a search opens them", page.evaluate(opened))
        page.locator("#contents ul ul:not(.codes) a").click()
        page.wait_for_timeout(300)
        checks.check("a choice folds them and goes there", not page.evaluate(opened) and
                     0 <= top(page, "putUser") <= 32, top(page, "putUser"))
        checks.clean("a narrow screen", visit)


def check_print(checks, browser):
    with browser.visit("/reference") as visit:
        page = visit.page
        page.wait_for_selector("#listCoverage")
        page.evaluate("""addEventListener("beforeprint", () => window.printed = [".later", "main details:not([open])"]
          .map((selector) => document.querySelectorAll(selector).length))""")
        size = len(page.pdf())
        checks.equal("on paper everything is there and open", page.evaluate("printed"), [0, 0])
        checks.check("it is printed", size > 1_000_000, f"{size / 1e6:.1f} MB")
        folded = page.evaluate("document.querySelectorAll('main details:not([open])').length")
        checks.check("afterwards it is folded again", folded > 500, folded)
        checks.clean("printing", visit)


def check_failures(checks, browser):
    for status in (NETWORK, 429, 500, 503):
        with browser.visit() as visit:
            page, name = visit.page, status or "no network"
            visit.expect(status)
            page.route(DOCUMENT, lambda route: answer(route, status))
            page.goto("/reference")
            page.wait_for_selector("#reference [role=alert]")
            words = visit.text("#reference [role=alert] p >> nth=0")
            checks.check(f"{name}: it says so", len(words) > 20, words)
            page.unroute(DOCUMENT)
            page.get_by_role("button", name="Try again").click()
            page.wait_for_selector("#listCoverage")
            checks.check(f"{name}: another try shows it", not page.locator("#reference [role=alert]").count())
            checks.clean(f"{name}", visit)
    with browser.visit(token="tomi_" + "A" * 43) as visit:
        visit.expect(401).open("/reference")
        visit.page.wait_for_selector("#listCoverage")
        checks.check("an expired token is forgotten, and the reference is there", visit.page.get_by_role(
            "link", name="Sign in", exact=True).is_visible())
        checks.clean("an expired token", visit)
