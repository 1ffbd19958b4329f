"""A real browser on the pages: Debian's Chromium through Playwright. Each visit watches for what must never happen."""

import contextlib
import urllib.parse

from playwright.sync_api import sync_playwright

import service

WIDTHS = (360, 768, 1440)
SCHEMES = ("light", "dark")
# Reports what the Content-Security-Policy refused.
REPORT = """document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));"""


class Visit:
    """One tab with storage of its own, and what it did wrong so far."""

    def __init__(self, browser, address, token=None, width=1440, scheme="light", script=True):
        self.address = address
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme,
                                           java_script_enabled=script, base_url=address)
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.faults, self.requests = [], []
        self.expected = set()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self._request)
        self.page.on("response", self._response)
        if script:
            self.context.add_init_script(REPORT)
        if token:
            # Once, so that a page can sign out.
            self.context.add_init_script(
                f"""if (!sessionStorage.getItem("visit")) {{
                  sessionStorage.setItem("visit", "1"); sessionStorage.setItem("tomi.token", "{token}");
                }}""")

    def expect(self, *statuses):
        """Takes these statuses of answers, or 0 for none, as no fault from now on."""
        self.expected |= set(statuses)
        return self

    def _console(self, message):
        # The browser logs each refusal. Those are judged by their status.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.faults.append(f"console: {message.text}")

    def _request(self, request):
        self.requests.append(request)
        if not request.url.startswith(self.address + "/"):
            self.faults.append(f"foreign request: {request.url}")

    def _response(self, response):
        if response.status >= 400 and response.status not in self.expected:
            self.faults.append(f"{response.status} {response.request.method} {response.url}")

    def open(self, path):
        """Goes to a page and waits until it has all that it shows."""
        self.page.goto(path)
        self.settle()
        return self

    def settle(self):
        self.page.wait_for_load_state("networkidle")

    def wait(self, expression, seconds=15):
        """Waits until the expression is true. Playwright's own function polls with eval, which the policy forbids."""
        if not service.eventually(lambda: self.page.evaluate(expression), seconds, 0.05):
            raise service.Failure(f"in vain: {expression}")

    def sent(self, method, path=None):
        """The requests of a method, and of a path, that this tab has sent."""
        return [request for request in self.requests if request.method == method
                and (path is None or urllib.parse.urlsplit(request.url).path == path)]

    @property
    def path(self):
        """The path, query and fragment of the address."""
        return self.page.url.removeprefix(self.address)

    def text(self, selector):
        return " ".join(self.page.locator(selector).inner_text().split())

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def tab_to(self, selector, limit=120):
        """Moves the focus with the Tab key until it is on an element that matches; returns whether it came there."""
        for _ in range(limit):
            self.press("Tab")
            if self.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return True
        return False

    def close(self):
        self.context.close()


class Browser:
    """A context manager. `visit` opens a tab and closes it again."""

    def __init__(self, address):
        self.address = address

    def __enter__(self):
        self._playwright = sync_playwright().start()
        # Without its sandbox: it needs rights that root in a container does not have. It sees only our own pages.
        self.browser = self._playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        return self

    def __exit__(self, *_):
        self.browser.close()
        self._playwright.stop()

    @contextlib.contextmanager
    def visit(self, path=None, **options):
        visit = Visit(self.browser, self.address, **options)
        try:
            yield visit.open(path) if path else visit
        finally:
            visit.close()
