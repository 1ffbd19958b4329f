"""The service with demo data for the pages: who can sign in, and the letters that it sends."""

import email
import email.policy
import pathlib
import re

import service

PARTNER, PARTNER_USER = "pat@partner.example", "7d3c1f60-5b1e-4b7a-9f7a-0d5f3a1c2e03"
PUBLIC_URL = "https://pages.example"
CONSENT = "2026-01"
OPTIONS = ["--mail-from", "referrals@tomi.example", "--staff-address", "staff@tomi.example",
           "--public-url", PUBLIC_URL]


class Site:
    """A running service. `tokens` has the token of each role, `people` the e-mail address of each."""

    def __init__(self, executable, folder):
        # The cache of public answers would hide for a minute what a check changes.
        consent = pathlib.Path(folder, "consent.txt")
        consent.write_text(f"Version: {CONSENT}\n\nI agree that Tomi gives my name and address to the partner.\n")
        options = [*OPTIONS, "--consent-file", consent]
        self.service = service.Service(executable, folder, options=options, demo=OPTIONS)
        self.mail = pathlib.Path(folder, "mail")
        self.address = f"http://127.0.0.1:{self.service.nginx.port}"
        waiting = self.get("/api/admin/referrals?status=intro_sent&sort=status_since&limit=1")["data"][0]
        self.referral = waiting["id"]
        self.group = waiting["group"]["id"]
        self.partner = waiting["partner_id"]
        member = waiting["requester"]
        self.member = member["id"]
        self.put_user(PARTNER_USER, "Pat Partner", PARTNER)
        self.put(f"/api/admin/partners/{self.partner}", {"user_id": PARTNER_USER})
        users = {"member": member["id"], "partner": PARTNER_USER}
        self.people = {"member": member["email"], "partner": PARTNER, "staff": "sam@tomi.example"}
        self.tokens = {"nobody": None, "staff": self.service.token}
        for role, user in users.items():
            self.tokens[role] = self.send(201, "POST", f"/api/admin/users/{user}/tokens", {"name": "pages"})["token"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.service.kill()

    @property
    def staff(self):
        """A client with the admin token. A new one each time: nginx closes a connection that was idle for a minute."""
        return self.service.staff()

    def send(self, status, method, path, body=None):
        """Sends a request as staff; returns the answer's body."""
        answer = self.staff.expect(status, method, path, body)
        return answer.json if answer.body else None

    def get(self, path):
        return self.send(200, "GET", path)

    def put_user(self, user, name, address):
        return self.send(201, "PUT", f"/api/admin/users/{user}", {"name": name, "email": address})

    def put(self, path, body):
        return self.send(200, "PUT", path, body)

    def letters(self, to):
        """Hands over what is queued; returns the texts of the letters to an address, the newest last."""
        self.service.command("mail", "--into", self.mail, *OPTIONS)
        letters = []
        for path in sorted(self.mail.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns):
            letter = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if to in letter["To"]:
                letters.append(letter.get_content())
        return letters

    def link(self, to, pattern):
        """The path and fragment of the newest link to an address that matches."""
        for text in reversed(self.letters(to)):
            if found := re.search(re.escape(PUBLIC_URL) + f"({pattern})", text):
                return found[1]
        raise service.Failure(f"no letter to {to} has a link {pattern}")
