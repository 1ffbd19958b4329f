"""What a form meets when the service or the network fails. Each test of a page's forms uses it."""

import json

NETWORK = 0


def answer(route, status):
    """Answers a request as the service would refuse it, or as a network without a way does."""
    if status == NETWORK:
        return route.abort("connectionrefused")
    problem = {"type": "/problems/test", "title": "Test", "status": status, "code": {
        401: "unauthenticated", 409: "test_conflict", 412: "precondition_failed", 422: "validation",
        429: "rate_limited", 500: "internal", 503: "unavailable"}[status], "detail": "The test refuses it.",
        "instance": "/", "request_id": "0123456789abcdef"}
    headers = {"Retry-After": "0"} if status in (429, 503) else {}
    return route.fulfill(status=status, headers=headers, content_type="application/problem+json",
                         body=json.dumps(problem))


def check_form(checks, visit, label, method, path, form, statuses=(NETWORK, 429, 500, 503)):
    """Submits a form that is filled in, against each failure: it says so, keeps what was typed, and works once the
    failure is over. `form` is its selector, `path` a pattern of what it sends to."""
    page = visit.page
    visit.expect(*statuses)
    held = "form => [...new FormData(document.querySelector(form))].join()"
    for status in statuses:
        name = status or "no network"
        before, keys = page.evaluate(held, form), submit(page, method, path, form, status)
        words = visit.text(f"{form} .summary")
        checks.check(f"{label}, {name}: it says so and keeps what was typed", "is kept" in words and len(words) > 40 and
                     page.evaluate(held, form) == before, words)
        checks.check(f"{label}, {name}: the summary has the focus", page.evaluate(
            "document.activeElement.matches('.summary')"))
        if method == "POST":
            checks.check(f"{label}, {name}: each attempt has the same key", None not in keys and len(set(keys)) == 1,
                         f"{len(keys)} attempts")


def submit(page, method, path, form, status):
    """Submits the form and refuses it; returns the `Idempotency-Key` of each attempt."""
    keys = []

    def refuse(route):
        if route.request.method != method:
            return route.fallback()
        keys.append(route.request.headers.get("idempotency-key"))
        return answer(route, status)
    page.route(path, refuse)
    page.locator(form).evaluate("form => form.requestSubmit()")
    page.wait_for_selector(f"{form} .summary")
    page.unroute(path, refuse)
    return keys
