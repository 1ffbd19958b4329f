"""The whole life of a request through the pages alone, from the group's request to the outcome: everybody comes by the
links of the letters, and nothing is done through the API.
"""

from sides import Sides

STAFF = "staff@tomi.example"
# Who introduces looks after the request from then on, and gets the letters about it.
OWNER = "sam@tomi.example"
NEED = "One of us lives abroad. Review our agreement, please."


def run(checks, site, browser, _):
    declining, accepting = Sides(site, "lifeone"), Sides(site, "lifetwo")
    with browser.visit() as member, browser.visit() as partner, browser.visit() as other, \
            browser.visit(token=site.tokens["staff"]) as staff:
        ask(checks, site, member, declining)
        introduce(checks, site, staff, declining)
        answer(checks, site, partner, declining, decline)
        decides_again(checks, site, staff, declining, accepting)
        answer(checks, site, other, accepting, accept)
        end(checks, site, staff, declining)
        read_outcome(checks, site, member, declining, accepting)
        for label, visit in (("member", member), ("first partner", partner), ("second partner", other), ("staff", staff)):
            checks.clean(f"the {label}'s way", visit)
    history = site.get(f"/api/admin/referrals/{request_of(site, declining)}/history")["data"]
    checks.equal("each person did their part", [(event["actor"] or {}).get("name") for event in reversed(history)
                 if event["changes"].get("status")], [
        "Mia Member", "sam", "sam", "Paula Partner", "sam", "sam", "Paula Partner", "sam"])
    for sides in (declining, accepting):
        sides.close()


def request_of(site, sides):
    return site.get(f"/api/admin/referrals?group_id={sides.group}")["data"][0]["id"]


def sign_in(visit, site, address):
    """Asks for a link on the page for signing in, and follows the one in the letter."""
    page = visit.page
    page.wait_for_url("**/sign-in**")
    page.fill("#mail [name=email]", address)
    page.locator("#mail button").click()
    page.wait_for_selector("#way .notice")
    visit.open(site.link(address, r"/sign-in#code=[\w-]+"))
    page.locator("#code button").click()


def ask(checks, site, visit, sides):
    page, address = visit.page, sides.emails["member"]
    visit.open("/")
    page.get_by_role("link", name="Sign in").click()
    sign_in(visit, site, address)
    page.wait_for_url("**/group?id=*")
    page.locator("#next .main").click()
    page.fill("[name='context.specific_need']", NEED)
    page.check("[name=consent_version]")
    page.locator("#request .main").click()
    page.wait_for_url("**#request-*")
    letter = site.letters(address)[-1]
    checks.check("the member's letter repeats the need", NEED in letter.replace("\n> ", " "), letter[:80])


def introduce(checks, site, visit, sides):
    """From staff's newest letter to the introduction."""
    page = visit.page
    visit.open(site.link(STAFF, r"/desk/referral\?id=[\w-]+"))
    page.wait_for_selector(".request .need")
    checks.equal("staff reads the need", visit.text(".request .need"), f"“{NEED}”")
    match(checks, visit, sides)


def match(checks, visit, sides):
    page = visit.page
    page.get_by_role("button", name=f"Match {sides.company}", exact=True).first.click()
    page.get_by_role("button", name="Introduce both").click()
    page.wait_for_selector("dialog .letter")
    checks.check("staff reads both letters before", page.locator("dialog .letter").count() == 2 and
                 sides.emails["partner"] in page.locator("dialog").inner_text())
    page.locator("dialog button.main").click()
    page.wait_for_selector(".request .status:has-text('Introduced')")


def answer(checks, site, visit, sides, act):
    """From the partner's letter through the page for signing in to the answer."""
    page, address = visit.page, sides.emails["partner"]
    letter = site.letters(address)[-1]
    checks.check("the partner's letter has the need and the contact", "One of us lives abroad" in letter and
                 "member@lifeone.example" in letter, letter[:80])
    visit.open(site.link(address, "/portal"))
    sign_in(visit, site, address)
    page.wait_for_url("**/portal")
    page.wait_for_selector("#waiting .card")
    act(page)


def decline(page):
    page.get_by_role("button", name="Decline", exact=True).click()
    page.get_by_label("No time at the moment").check()
    page.locator("#waiting textarea").fill("Ask us again in May.")
    page.locator("#waiting .danger").click()
    page.wait_for_selector("#waiting .notice:has-text('You have declined')")


def accept(page):
    page.get_by_role("button", name="Accept", exact=True).click()
    page.wait_for_selector("#waiting .notice")


def decides_again(checks, site, visit, declining, accepting):
    letter = site.letters(OWNER)[-1]
    checks.check("whoever introduced reads why", "Ask us again in May." in letter and declining.company in letter,
                 letter[:80])
    visit.open(site.link(OWNER, r"/desk/referral\?id=[\w-]+"))
    visit.page.wait_for_selector(".request .candidates")
    checks.check("who declined is not proposed again", visit.page.locator(
        "ol.candidates", has_text=declining.company).count() == 0)
    match(checks, visit, accepting)


def end(checks, site, visit, sides):
    page = visit.page
    visit.open(site.link(OWNER, r"/desk/referral\?id=[\w-]+"))
    page.wait_for_selector(".request .status:has-text('Connected')")
    page.get_by_role("button", name="Outcome").click()
    page.get_by_label("Deal closed").check()
    page.locator("#outcome button.main, #outcome button:not([type=button])").first.click()
    page.wait_for_selector(".request .status:has-text('Closed')")


def read_outcome(checks, site, visit, declining, accepting):
    letter = site.letters(declining.emails["member"])[-1]
    checks.check("the member's last letter says that the partner accepted", accepting.company in letter, letter[:80])
    visit.open(site.link(declining.emails["member"], r"/group\?id=[\w-]+"))
    visit.page.wait_for_selector("main .status:has-text('Closed')")
    visit.page.get_by_text("What it was about").first.click()
    visit.page.wait_for_selector("main .timeline li")
    told = visit.text("main .timeline")
    checks.check("the group's page tells all of it", "It did not work out" in told and
                 f"in touch with {accepting.company}" in told, told)
