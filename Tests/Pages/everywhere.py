"""What holds on every page: for each role, without script, on narrow screens, by keyboard, for screen readers, small
and quick.
"""

import pathlib
import re
import shutil

from axe_playwright_python.sync_playwright import Axe

import service
from browser import SCHEMES, WIDTHS

SCREENSHOTS = pathlib.Path(__file__).parent / "screenshots"
PAGES = service.PROJECT / "nginx/pages"
MOST_BYTES = 100_000
MOST_SECONDS = 0.2

# Beside its usual rules: WCAG's contrast of level AAA.
AXE = {"rules": {"color-contrast-enhanced": {"enabled": True}}}
# What each page shows when it has what it needs. A page that is missing here fails.
READY = {
    "index": "#state h2",
    "directory": "#partners > li",
    "partner": "#profile dl",
    "sign-in": "form, #way a",
    "not-found": "main .button",
    "desk": "#rows tr",
    "desk/referral": "#referral .facts",
    "desk/partners": "#rows tr",
    "desk/partner": "#record dl",
    "desk/messages": "#rows tr",
    "desk/history": "#rows tr",
    "desk/overview": "#fairness .chart",
    "desk/coverage": ".matrix",
    "desk/people": "#rows tr",
    "desk/person": "#account",
    "desk/group": "#record",
    "reference": "#listCoverage h3",
    "group": "#fits .types",
    "group/ask": "#request",
    "portal": "#year .chart",
    "portal/introductions": "#introductions > li",
    "portal/profile": "#profile .card",
    "portal/licenses": "#licenses .card",
}
# Whom a page is for, if not for everybody; the first of them sees it in the checks.
ROLES = {
    "group": ("member", "staff"), "group/ask": ("member", "staff"),
    "portal": ("partner",), "portal/introductions": ("partner",), "portal/profile": ("partner",),
    "portal/licenses": ("partner",),
}


def roles(name, site):
    return ("staff",) if name.startswith("desk") else ROLES.get(name, tuple(site.tokens))


def address(name, site):
    """The address of a page with the parameters that it needs."""
    path = "/" if name == "index" else "/" + name.removesuffix("/index")
    return {
        "index": f"{path}?state=WY", "partner": f"{path}?id={site.partner}", "group": f"{path}?id={site.group}",
        "group/ask": f"{path}?id={site.group}&type=cpa&state=CA",
        "desk": f"{path}?status=pending&sort=status_since", "desk/referral": f"{path}?id={site.referral}",
        "desk/partner": f"{path}?id={site.partner}", "desk/person": f"{path}?id={site.member}",
        "desk/group": f"{path}?id={site.group}",
    }.get(name, path)


def names():
    return sorted(str(path.relative_to(PAGES).with_suffix("")) for path in PAGES.rglob("*.html"))


def run(checks, site, browser, screenshots):
    checks.equal("every page is tested", sorted(READY), names())
    check_frames(checks)
    if screenshots:
        shutil.rmtree(SCREENSHOTS, ignore_errors=True)
        SCREENSHOTS.mkdir()
    blank = seconds(browser, "/icon.svg", "svg", None)
    for name in names():
        path = address(name, site)
        checks.title(f"  {path}")
        check_roles(checks, site, browser, name, path)
        check_plain(checks, browser, path)
        token = site.tokens[roles(name, site)[0]]
        for scheme in SCHEMES:
            with browser.visit(token=token, scheme=scheme) as visit:
                visit.open(path).page.wait_for_selector(READY[name])
                found = Axe().run(visit.page, options=AXE)
                checks.check(f"axe finds nothing, {scheme}", found.violations_count == 0, found.generate_report()
                             if found.violations_count else "")
        check_narrow(checks, browser, path, READY[name], token)
        check_keyboard(checks, browser, path, READY[name], token)
        check_size(checks, browser, path, READY[name], token)
        took = min(seconds(browser, path, READY[name], token) - blank for _ in range(3))
        checks.check(f"script and layout of its first view take at most {MOST_SECONDS * 1000:.0f} ms", took <=
                     MOST_SECONDS, f"{max(took, 0) * 1000:.0f} ms more than an empty page")
        if screenshots:
            take(browser, name, path, READY[name], token)


def check_roles(checks, site, browser, name, path):
    """Each role sees the page, or why it is not for them; whoever is not signed in comes to the page that does it."""
    for role, token in site.tokens.items():
        with browser.visit(token=token) as visit:
            if role in roles(name, site):
                visit.open(path).page.wait_for_selector(READY[name])
            elif token is None:
                visit.open(path).page.wait_for_url("**/sign-in?return=*")
                checks.equal("nobody is sent to sign in, and back", visit.page.evaluate(
                    "new URLSearchParams(location.search).get('return')"), path)
            else:
                # The page asks for what it shows before it knows who is there.
                visit.expect(403, 404).open(path).page.wait_for_selector("h1:has-text('This page is not for you')")
            checks.clean(f"as {role}", visit)


def check_frames(checks):
    """The head, header and footer stand in each file, so that they are there before any script runs."""
    def frame(name):
        text = (PAGES / f"{name}.html").read_text()
        text = re.sub(r"<title>.*</title>", "<title></title>", text).replace(f'src="/{name}.js"', 'src=""')
        text = re.sub(r'  <link rel="stylesheet" href="/(chart|public|desk|desk-pages|reference).css">\n', "", text)
        return text[:text.index("  <main")] + text[text.index("</main>"):]
    first = frame("index")
    others = [name for name in names() if frame(name) != first]
    checks.equal("every page has the same head, header and footer", others, [])


def check_plain(checks, browser, path):
    """Without JavaScript: what the page is for, and where the same is to be had."""
    with browser.visit(path, script=False) as visit:
        main = visit.page.locator("main")
        links = [link.get_attribute("href") for link in main.locator("a").all() if link.is_visible()]
        leads = any(link.startswith(("/api", "/directory")) for link in links)
        words = len(visit.text("main p").split()) if main.locator("p").count() == 1 else len(main.inner_text().split())
        checks.check("without script it says what it is and links the API", visit.page.locator("h1").is_visible()
                     and words >= 8 and leads, f"{words} words, links {', '.join(links)}")


def check_narrow(checks, browser, path, ready, token):
    for width, zoom in ((320, 1), (640, 2)):
        # A zoom of 200 % is a viewport of half the width.
        with browser.visit(token=token, width=width // zoom) as visit:
            visit.open(path).page.wait_for_selector(ready)
            wide = visit.page.evaluate("document.documentElement.scrollWidth")
            checks.check(f"nothing is cut off at {width} px{' and 200 %' if zoom > 1 else ''}", wide <= width // zoom,
                         f"{wide} px wide")
    with browser.visit(token=token, width=320) as visit:
        visit.open(path).page.wait_for_selector(ready)
        small = visit.page.evaluate("""() => {
          const controls = [...document.querySelectorAll("main :is(button, .button, input, select, #map a)")];
          return controls.filter((one) => one.checkVisibility() && !one.closest("label.choice"))
            .filter((one) => Math.min(one.offsetWidth, one.offsetHeight) < 24)
            .map((one) => one.outerHTML.slice(0, 80));
        }""")
        checks.check("everything is big enough for a thumb", not small, "; ".join(small))


def check_keyboard(checks, browser, path, ready, token):
    """The Tab key alone: it reaches everything once, the skip link first, and shows where it is."""
    with browser.visit(token=token) as visit:
        visit.open(path).page.wait_for_selector(ready)
        visit.page.evaluate("document.activeElement.blur()")
        reachable = visit.page.evaluate("""() => {
          const stops = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")];
          return stops.filter((one) => one.checkVisibility() && one.tabIndex >= 0 && !one.disabled)
            .filter((one) => one.type !== "radio" || one.checked).length;
        }""")
        seen, invisible, first, last = set(), [], None, None
        # A date has several stops in itself.
        for _ in range(reachable + 5 + 4 * visit.page.locator("main [type=date]").count()):
            visit.press("Tab")
            state = visit.page.evaluate("""() => {
              const one = document.activeElement;
              if (one === document.body) return null;
              const shown = one.matches(".segments input") ? one.nextElementSibling : one;
              const style = getComputedStyle(shown);
              return [[...document.querySelectorAll("*")].indexOf(one), one.className,
                style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2, one.outerHTML.slice(0, 60)];
            }""")
            if state is None or state[0] in seen and state[0] != last:
                break
            first, last = first or state[1], state[0]
            seen.add(state[0])
            if not state[2]:
                invisible.append(state[3])
        checks.equal("the first stop of the Tab key skips to the content", first, "skip")
        checks.check("the Tab key reaches everything", len(seen) >= reachable, f"{len(seen)} of {reachable}")
        checks.check("the focus is always visible", not invisible, "; ".join(invisible))


def check_size(checks, browser, path, ready, token):
    sizes = {}

    def note(response):
        if "/api/" not in response.url and response.request.resource_type in ("document", "script", "stylesheet"):
            sizes[response.url] = len(response.body())
    with browser.visit(token=token) as visit:
        visit.page.on("requestfinished", lambda request: note(request.response()))
        visit.open(path).page.wait_for_selector(ready)
        visit.page.wait_for_timeout(200)
    total = sum(sizes.values())
    checks.check(f"with its scripts and style it has at most {MOST_BYTES // 1000} KB", 0 < total <= MOST_BYTES,
                 f"{total / 1000:.1f} KB in {len(sizes)} files")


def seconds(browser, path, ready, token):
    """The time that script and layout take until the page shows what it has to."""
    with browser.visit(token=token) as visit:
        session = visit.context.new_cdp_session(visit.page)
        session.send("Performance.enable")
        visit.open(path).page.wait_for_selector(ready)
        metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
        return sum(metrics[name] for name in ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration"))


def take(browser, name, path, ready, token):
    for scheme in SCHEMES:
        for width in WIDTHS:
            with browser.visit(token=token, scheme=scheme, width=width) as visit:
                visit.open(path).page.wait_for_selector(ready)
                file = SCREENSHOTS / f"{name.replace('/', '-')}-{scheme}-{width}.png"
                visit.page.screenshot(path=file, full_page=True)
