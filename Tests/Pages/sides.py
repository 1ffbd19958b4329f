"""A group and a partner of a test's own, so that what it does to them is no other test's business."""

import uuid


class Sides:
    """A group with two members and an active partner, each with a token."""

    def __init__(self, site, label, state="NV", name=None, company=None):
        self.site, self.state, self.label = site, state, label
        self.emails = {role: f"{role}@{label}.example" for role in ("member", "other", "partner")}
        self.users = {role: str(uuid.uuid4()) for role in self.emails}
        self.names = {"member": "Mia Member", "other": "Otto Other", "partner": "Paula Partner"}
        for role, user in self.users.items():
            site.put_user(user, self.names[role], self.emails[role])
        self.group = str(uuid.uuid4())
        self.name = name or f"{label} house"
        site.send(201, "PUT", f"/api/admin/groups/{self.group}", {
            "name": self.name, "state": state, "members": [self.users["member"], self.users["other"]]})
        self.company = company or f"{label} law"
        self.partner = site.send(201, "POST", "/api/admin/partners", {
            "type": "attorney", "company_name": self.company, "contact_name": "Paula Partner", "phone": "612 555 0142",
            "email": self.emails["partner"], "service_areas": [state or "NV", "UT"], "status": "active",
            "agreement_signed_at": "2026-01-01T00:00:00Z", "user_id": self.users["partner"], "languages": ["en"],
            "website": "https://law.example"})["id"]
        self.made = {role: self.make_token(role) for role in self.users}
        self.tokens = {role: made["token"] for role, made in self.made.items()}

    def make_token(self, role):
        return self.site.send(201, "POST", f"/api/admin/users/{self.users[role]}/tokens", {"name": "pages"})

    def end_token(self, role):
        """Ends the token that `tokens` has, and makes another."""
        self.site.send(204, "DELETE", f"/api/admin/tokens/{self.made[role]['id']}")
        self.made[role] = self.make_token(role)
        self.tokens[role] = self.made[role]["token"]

    @property
    def page(self):
        return f"/group?id={self.group}"

    def as_(self, role, status, method, path, body=None):
        """Sends a request as a member or the partner; returns the answer's body."""
        answer = self.site.service.client(self.tokens[role]).expect(status, method, path, body)
        return answer.json if answer.body else None

    def request(self, kind="attorney", need="Review of our TIC agreement", state=None):
        """A request of the member; returns its ID."""
        return self.as_("member", 201, "POST", f"/api/groups/{self.group}/referrals", {
            "partner_type": kind, "context": {"state": state or self.state, "specific_need": need}})["id"]

    def read(self, request):
        return self.site.get(f"/api/admin/referrals/{request}")

    def match(self, request):
        self.site.put(f"/api/admin/referrals/{request}", {"status": "matched", "partner_id": self.partner})

    def introduce(self, request=None, **options):
        """Matches and introduces a request, a new one if none is given; returns its ID."""
        request = request or self.request(**options)
        self.match(request)
        self.site.put(f"/api/admin/referrals/{request}", {"status": "intro_sent"})
        return request

    def close(self):
        """Takes the partner out of the directory and of the coverage again."""
        self.site.put(f"/api/admin/partners/{self.partner}/status", {"status": "removed"})


def sign_in_again(visit, token, path):
    """Follows the link of a form that was refused with 401, signs in with a token, and comes back."""
    visit.page.locator(".summary a").click()
    visit.page.wait_for_url("**/sign-in?return=*")
    visit.page.get_by_text("Sign in with a token").click()
    visit.page.fill("#token [name=token]", token)
    visit.page.locator("#token [name=token]").press("Enter")
    visit.page.wait_for_url(lambda url: url.removeprefix(visit.address) == path)
    visit.settle()
