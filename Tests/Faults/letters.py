"""Sends a request's letters through msmtp to an SMTP server. Each must arrive once, as the API shows it.

1. A request's life, from the partner's invitation to the outcome, with names and texts that are hard to write in a
   letter. Every kind of message is sent. What the server refuses must be tried again or have failed.
2. Links that mail scanners open before the reader does must change nothing, and their codes must still work.
3. Line breaks, control characters and header fields in every text that reaches a letter: the API must refuse them, or
   they must add neither a header field nor a recipient.
"""

import collections
import contextlib
import json
import pathlib
import re
import sqlite3
import uuid

import service
from ledger import PARTNERS
from outbox import (
    MESSAGES, OPTIONS, PAGES, SENDER, STAFF, WITH_CODE, Letter, invite, mail, mail_program, message, message_id,
    messages, seconds, time_text, writing)
from service import PROJECT, Failure, Program, Service, Trouble, eventually, say

# Every field of a letter, in its order.
HEADERS = ["From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
           "Content-Transfer-Encoding"]
# Texts that the service accepts and a letter must carry.
HARD = {
    "company_name": ("=?utf-8?q?Bcc:_x=40evil.example?= & <b>Ünal</b> {{partner.email}} " + "Straße, " * 40)[:200],
    "contact_name": "\"Zoë O’Neill, Esq.\"",
    "phone": "+1 612 555 0142 x5",
    "website": "https://lake.example/?a=1&b=%22",
    "affiliation_disclosure": "Tomi’s founder owns 2 % of it. " + "ü" * 450,
    "user": "Maya \\ \"Ito\" <x@evil.example>, 伊藤",
    "group": "=?utf-8?q?x?= 🍁",
    "timeline": "From here on = soon",
    "specific_need": (
        "From here\n.\n..\r\nBcc: x@evil.example\r\n\r\n\t>quoted  \rSubject: no\u2028next\n" + "🍁" * 1800),
    "note": "." + "x" * 1998,
    "reason": "From Rome\n.\n" + "é" * 1900,
    "number": "=?utf-8?q?0?= № 7",
    "email": "info@bücher.example",
}
# What may not get into a header, whoever sends it.
INTRUDERS = {
    "CR": "\r", "LF": "\n", "CRLF": "\r\n", "U+0085": "\u0085", "U+2028": "\u2028", "NUL": "\0", "tab": "\t",
    "a field after CRLF": "\r\nBcc: x@evil.example\r\n",
    "a field after LF": "\nBcc: x@evil.example\n",
    "a text after two CRLF": "\r\n\r\n.\r\nMAIL FROM:<x@evil.example>\r\n",
    "a field in an encoded word": "=?utf-8?q?=0D=0ABcc:_x=40evil.example?=",
    "an address in quotation marks": "\" <x@evil.example>, \"",
    "an address after a comma": ",x@evil.example,",
    "an option": " -t -O x@evil.example ",
}


# --- The mail system and the service ---


class MailSystem:
    """An SMTP server, and msmtp as the program that passes letters on to it. A context manager that ends the server."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder, "smtp")
        self.folder.mkdir()
        # Debian's packages are for Debian's Python, which need not be the first on the PATH.
        self.server = Program(["/usr/bin/python3", "-B", PROJECT / "Tests/smtp_server.py", self.folder],
                              f"{folder}/log")
        port = self.folder / "port"
        if not eventually(port.exists):
            self.server.kill()
            raise Trouble("the SMTP server did not start")
        settings = pathlib.Path(folder, "msmtprc")
        settings.write_text(f"account default\nhost 127.0.0.1\nport {port.read_text()}\nauth off\ntls off\n")
        self.program = mail_program(folder, "msmtp", f'exec msmtp -C {settings} "$@"')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.kill()

    def letters(self):
        """The letters that arrived, in that order."""
        paths = [path for path in self.folder.iterdir() if path.name.isdecimal()]
        return [self.letter(path) for path in sorted(paths, key=lambda path: int(path.name))]

    def letter(self, path):
        kept = json.loads(path.read_text())
        content = kept["bytes"].encode("latin-1")
        lines = content.replace(b"\r\n", b"\n")
        if b"\r" in lines or content.count(b"\r\n") != content.count(b"\n"):
            raise Failure(f"a letter has a line that does not end with CRLF: {content!r:.1000}")
        return Letter(lines, kept["from"], kept["to"])


class Post:
    """The service with a mail system, and the names of those who got letters, by their addresses."""

    def __init__(self, service, system):
        self.service, self.system, self.names = service, system, {}

    @property
    def staff(self):
        # nginx closes connections that are not used for long.
        return self.service.staff()

    def hand_over(self, expected=0):
        mail(self.service, self.system.program, expected)

    def invite(self, address):
        invite(self.staff, address)
        self.names[address] = f"Firm of {address}"

    def live(self, lives):
        """Takes requests through their lives. Messages are handed over before the next step can take away their
        reason."""
        for step in [Life.invite, Life.activate, Life.introduce, Life.decline, 7, Life.accept, 30]:
            if isinstance(step, int):
                with elapsed(self.service, [life.referral for life in lives], days=step):
                    self.hand_over()
            else:
                for life in lives:
                    step(life)
                self.hand_over()
        for life in lives:
            self.names |= life.names

    def compare(self):
        """Compares every letter with its message; returns the letters by Message-ID.

        Each message must have arrived once, at its address alone, and nothing else may have.
        """
        arrived = collections.defaultdict(list)
        for letter in self.system.letters():
            arrived[letter.id].append(letter)
        staff = self.staff
        rows = messages(staff)
        if unsent := [row for row in rows if row["status"] not in ("sent", "cancelled")]:
            raise Failure(f"a message was not sent: {unsent[0]}")
        sent = {message_id(row): row for row in rows if row["status"] == "sent"}
        for name, row in sent.items():
            if len(arrived[name]) != 1:
                raise Failure(f"the {row['kind']} {name} arrived {len(arrived[name])} times")
            self.compare_one(staff.expect(200, "GET", f"{MESSAGES}/{row['id']}").json, arrived[name][0])
        if strange := arrived.keys() - sent:
            raise Failure(f"{len(strange)} letters arrived that were not sent, such as {strange.pop()}")
        return {name: letters[0] for name, letters in arrived.items()}

    def compare_one(self, view, letter):
        header = letter.message
        if header.keys() != HEADERS:
            raise Failure(f"the {view['kind']} has the header fields {header.keys()} instead of {HEADERS}")
        # The waiting list forgets addresses.
        address = view["to"] or letter.to[0]
        local, _, domain = address.partition("@")
        expected = {
            "the envelope": (letter.sender, SENDER),
            "the list of recipients": (letter.to, [f"{local}@{domain.encode('idna').decode()}"]),
            "From": (letter.mailboxes("From"), [("Tomi", SENDER)]),
            "To": (letter.mailboxes("To"), [(self.names.get(address, ""), letter.to[0])]),
            "Reply-To": (letter.mailboxes("Reply-To"), [("Tomi", STAFF)]),
            "Subject": (str(header["Subject"]), view["subject"]),
            "Date": (header["Date"].datetime.timestamp(), int(seconds(view["created_at"]))),
            "Auto-Submitted": (str(header["Auto-Submitted"]), "auto-generated"),
            "Content-Type": (header.get_content_type(), "text/plain"),
            "the text": (letter.text, view["text"] or letter.text),
        }
        for what, (found, wanted) in expected.items():
            if found != wanted:
                raise Failure(f"{what} of the {view['kind']} is {found!r:.500} instead of {wanted!r:.500}")
        defects = [*header.defects, *(defect for field in header.values() for defect in field.defects)]
        # Python knows no address that needs SMTPUTF8 (RFC 6531).
        if defects and address.isascii():
            raise Failure(f"the {view['kind']} is malformed: {defects}, {letter.bytes!r:.1000}")
        if (view["text"] is None) != (view["kind"] in WITH_CODE or view["to"] is None):
            raise Failure(f"the API shows the text {view['text']!r} of the {view['kind']}")


def words(text):
    """The text without the marks of quotations, and with a space for each run of spaces and line breaks."""
    return " ".join(text.replace("\n> ", "\n").split())


@contextlib.contextmanager
def elapsed(service, referrals, days):
    """Days pass since the requests got their status. At the end they have not, because statistics count them too."""
    update = "UPDATE referral_requests SET status_since = ? WHERE id = ?"
    with writing(service) as connection:
        since = [connection.execute("SELECT status_since, id FROM referral_requests WHERE id = ?", (id,)).fetchone()
                 for id in referrals]
        connection.executemany(update, [(time_text(-days), id) for id in referrals])
    yield
    with writing(service) as connection:
        connection.executemany(update, since)


def contents(service):
    """Every row of every table."""
    with contextlib.closing(sqlite3.connect(f"file:{service.database}?mode=ro", uri=True)) as connection:
        names = [name for (name,) in connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'")]
        return {name: sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"'))) for name in names}


# --- A request's life ---


class Life:
    """A group's request and its partner, from the invitation to the outcome. Each step makes messages.

    `texts` are the values of fields by name. Those that the API refuses are left out and listed in `refused`. `number`
    keeps lives apart.
    """

    def __init__(self, service, number, texts):
        self.service, self.number, self.texts, self.staff = service, number, texts, service.staff()
        self.refused, self.taken = [], []
        self.names = {STAFF: ""}  # the names of recipients, by their addresses

    def send(self, client, status, method, path, make, names=()):
        """Sends the body that `make` makes of the texts with these names, without those that the API refuses."""
        names = [name for name in names if name in self.texts]
        while True:
            answer = client.request(method, path, make({name: self.texts[name] for name in names}))
            if answer.status != 422:
                break
            wrong = {error["pointer"].split("/")[-1] for error in answer.json["errors"]}
            # A user and a group have a name each.
            wrong = {{"name": "user" if "/users/" in path else "group"}.get(name, name) for name in wrong}
            if not wrong & set(names):
                break
            self.refused += sorted(wrong & set(names))
            names = [name for name in names if name not in wrong]
        if answer.status != status:
            raise Failure(f"{method} {path}: {answer.status} instead of {status}: {answer.body[:500]!r}")
        self.taken += names
        return answer.json if answer.body else None

    def user(self, address, name, names=()):
        """Puts a user there; returns the ID and a client with a token of theirs."""
        path = f"/api/admin/users/{uuid.uuid4()}"
        view = self.send(self.staff, 201, "PUT", path, lambda texts: {
            "email": address, "name": texts.get("user", name)}, names)
        self.names[view["email"]] = view["name"]
        token = self.staff.expect(201, "POST", f"{path}/tokens", {}).json["token"]
        return view["id"], self.service.client(token)

    def invite(self):
        """A group, and a partner that staff invites."""
        self.contact, self.group = f"maya{self.number}@mail.example", str(uuid.uuid4())
        member, self.member = self.user(self.contact, "Maya Ito", ["user"])
        self.send(self.staff, 201, "PUT", f"/api/admin/groups/{self.group}", lambda texts: {
            "name": texts.get("group", "Maple House"), "state": "MN", "members": [member]}, ["group"])
        user, self.answerer = self.user(f"pat{self.number}@law.example", "Pat")
        self.partner = self.send(self.staff, 201, "POST", PARTNERS, lambda texts: {
            "type": "attorney", "company_name": "Lake Law", "email": f"law{self.number}@law.example",
            "service_areas": ["MN"], "agreement_signed_at": "2026-01-01T00:00:00Z", "user_id": user,
            **texts}, ["company_name", "contact_name", "phone", "website", "affiliation_disclosure", "email"])
        self.names[self.partner["email"]] = self.partner["contact_name"] or self.partner["company_name"]
        self.path = f"{PARTNERS}/{self.partner['id']}"

    def activate(self):
        """Staff makes the partner active, who would like to change something."""
        self.staff.expect(200, "PUT", f"{self.path}/status", {"status": "active"})
        self.answerer.expect(200, "PUT", "/api/partners/me", {"description": "We know co-ownership."})

    def introduce(self):
        """Staff's review, a credential that expires, and a request that is introduced and declined."""
        self.send(self.staff, 200, "PUT", f"{self.path}/changes", lambda texts: {
            "decision": "rejected", **texts}, ["note"])
        credential = self.send(self.staff, 201, "POST", f"{self.path}/credentials", lambda texts: {
            "kind": "bar_admission", "number": "7", "state_code": "MN", "expires_on": time_text(20)[:10], **texts},
            ["number"])
        self.staff.expect(200, "PUT", f"{self.path}/credentials/{credential['id']}", {"verified": True})
        self.referral = self.send(self.member, 201, "POST", f"/api/groups/{self.group}/referrals", lambda texts: {
            "partner_type": "attorney", "context": {
                "state": "MN", "group_size": 3, "home_price_range": {"min": 400_000, "max": None}, **texts}},
            ["timeline", "specific_need"])["id"]
        self.match()

    def match(self):
        path = f"/api/admin/referrals/{self.referral}"
        self.staff.expect(200, "PUT", path, {"partner_id": self.partner["id"]})
        self.staff.expect(200, "PUT", path, {"status": "intro_sent"})

    def decline(self):
        """The partner's answer, after which staff asks the same partner again."""
        self.send(self.answerer, 204, "PUT", f"/api/partners/me/referrals/{self.referral}/response", lambda texts: {
            "response": "declined", **texts}, ["reason"])
        self.match()

    def accept(self):
        """The partner's other answer."""
        self.answerer.expect(200, "PUT", f"/api/partners/me/referrals/{self.referral}/response",
                             {"response": "accepted"})


# --- 1. Real letters ---


def real_letters(post):
    staff, nobody = post.staff, post.service.client()
    nobody.expect(202, "POST", "/api/coverage/WY/cpa/waitlist", {"email": "wait@mail.example"})
    post.hand_over()
    for letter in post.system.letters():
        nobody.expect(204, "POST", "/api/waitlist/confirm", {"code": letter.code("confirm")})
    life = Life(post.service, 1, HARD)
    post.live([life])
    if life.refused:
        raise Failure(f"the API refused {life.refused}")
    cpa = staff.expect(201, "POST", PARTNERS, {
        "type": "cpa", "company_name": "Éclair & Co", "email": "eclair@wy.example", "status": "active",
        "service_areas": ["WY"], "agreement_signed_at": "2026-01-01T00:00:00Z"}).json
    post.names[cpa["email"]] = cpa["company_name"]
    # The codes of these stay unused for now.
    nobody.expect(202, "POST", "/api/sign-in", {"email": life.contact.upper()})
    nobody.expect(202, "POST", "/api/sign-in", {"email": "stranger@mail.example"})
    nobody.expect(202, "POST", "/api/coverage/ND/cpa/waitlist", {"email": "late@mail.example"})
    post.hand_over()

    letters, rows = post.compare(), messages(staff, status="sent")
    partner, contact = "info@xn--bcher-kva.example", life.contact
    expected = {
        "request.received": [contact], "request.new": [STAFF], "introduction.partner": [partner, partner],
        "introduction.group": [contact, contact], "introduction.reminder": [partner],
        "introduction.unanswered": [STAFF], "referral.answered": [contact, STAFF, STAFF], "referral.outcome": [STAFF],
        "partner.invited": [partner], "partner.activated": ["eclair@wy.example", partner],
        "partner.changes_reviewed": [partner], "partner.changes_waiting": [STAFF],
        "credential.expiring": [partner, STAFF], "coverage.available": ["wait@mail.example"], "sign_in": [contact],
        "waitlist.confirm": ["late@mail.example", "wait@mail.example"]}
    recipients = collections.defaultdict(list)
    for row in rows:
        recipients[row["kind"]] += letters[message_id(row)].to
    for kind in expected | recipients:
        if sorted(recipients[kind]) != sorted(expected.get(kind, [])):
            raise Failure(f"{kind} went to {recipients[kind]} instead of {expected.get(kind)}")
    told = {
        "introduction.partner": [life.names[contact], contact, "From here", "Subject: no"],
        "introduction.group": [life.partner[name] for name in [
            "company_name", "contact_name", "email", "phone", "website", "affiliation_disclosure"]]}
    for row in rows:
        text = words(letters[message_id(row)].text)
        if missing := [part for part in told.get(row["kind"], []) if words(part) not in text]:
            raise Failure(f"the {row['kind']} does not say {missing}")
    lines = [line for letter in letters.values() for line in letter.bytes.splitlines()]
    return [
        ("letters of a request's life: arrived once, as the API shows them; kinds", f"{len(letters)}; {len(expected)}"),
        ("longest line; longest subject",
         f"{max(map(len, lines))} bytes; {max(len(row['subject']) for row in rows)} characters"),
        *addresses(post)]


def addresses(post):
    """What the SMTP server refuses, and addresses that only look like trouble."""
    figures = []
    for local, wanted in [
            ("nobody", ["failed"]), ("later", ["queued"]), ("-t", ["sent"]), ("zoë", ["sent", "failed"])]:
        address = f"{local}@mail.example"
        post.invite(address)
        post.hand_over(expected=None)
        row = message(post.staff, to=address)
        arrived = [letter.to for letter in post.system.letters()].count([address])
        figures.append((f"{address}: status, copies, error",
                        f"{row['status']}, {arrived}, {(row['last_error'] or 'none').partition(' (account')[0]}"))
        if row["status"] not in wanted or arrived != (row["status"] == "sent"):
            raise Failure(f"{arrived} letters to {address} arrived, and the message is {row}", figures)
        if row["status"] != "sent":
            post.staff.expect(200, "POST", f"{MESSAGES}/{row['id']}/cancel")
    return figures


# --- 2. Links ---


def opened_links(post):
    letters = post.compare()
    links = {link for letter in letters.values() for link in re.findall(r"https?://\S+", letter.text)}
    ours = sorted(link for link in links if link.startswith(PAGES))
    before, client, opened = contents(post.service), post.service.client(), collections.Counter()
    for path in 2 * [link.removeprefix(PAGES) for link in ours]:
        for method in ["GET", "HEAD"]:
            # A browser keeps the fragment to itself. A careless scanner may not.
            for target in [path.partition("#")[0], path.replace("#", "?")]:
                opened[client.request(method, target).status] += 1
    after = contents(post.service)
    if changed := [name for name in before if before[name] != after[name]]:
        raise Failure(f"opening links has changed {changed}")
    by_kind = {(row["kind"], *letters[message_id(row)].to): letters[message_id(row)]
               for row in messages(post.staff, status="sent")}
    code = by_kind["sign_in", "maya1@mail.example"].code("code")
    token = client.expect(200, "POST", "/api/sign-in/code", {"code": code}).json["token"]
    post.service.client(token).expect(200, "GET", "/api/me")
    client.expect(410, "POST", "/api/sign-in/code", {"code": code})
    late = by_kind["waitlist.confirm", "late@mail.example"]
    for name in ["confirm", "confirm", "leave", "leave"]:
        client.expect(204, "POST", f"/api/waitlist/{name}", {"code": late.code(name)})
    if len(ours) < 10:
        raise Failure(f"the letters have only the links {ours}")
    answers = ", ".join(f"{count} with {status}" for status, count in sorted(opened.items()))
    return [("links to the service in letters; tables that opening them changed", f"{len(ours)}; 0"),
            ("requests of such links", answers)]


# --- 3. Texts that add to a letter's header ---


def injections(post):
    refused, taken = collections.Counter(), collections.Counter()
    lives, nobody = [], post.service.client()
    for number, text in enumerate(INTRUDERS.values(), 10):
        lives.append(Life(post.service, number, {
            **{name: f"A{text}B" for name in HARD}, "phone": f"612{text}5550142",
            "website": f"https://lake.example/{text}", "email": f"a{number}{text}@law.example"}))
        for path in ["/api/sign-in", "/api/coverage/ND/cpa/waitlist"]:
            answer = nobody.request("POST", path, {"email": f"b{number}{text}@mail.example"})
            {422: refused, 202: taken}[answer.status]["email"] += 1
    post.live(lives)
    for life in lives:
        refused.update(life.refused)
        taken.update(life.taken)
    letters = post.compare()
    if evil := [letter.to for letter in letters.values() if any("evil" in address for address in letter.to)]:
        raise Failure(f"a letter went to {evil[0]}")
    return [("texts that could add to a header; fields that had each", f"{len(INTRUDERS)}; {len(refused | taken)}"),
            ("of these: refused; in letters, without effect", f"{refused.total()}; {taken.total()}"),
            ("letters compared", len(letters))]


def run(setting):
    service.require("msmtp", "python3-aiosmtpd")
    figures = []
    with Service(setting.executable, setting.folder, options=OPTIONS) as running, MailSystem(setting.folder) as system:
        post = Post(running, system)
        for check in [real_letters, opened_links, injections]:
            say(f"  {check.__name__.replace('_', ' ')}")
            try:
                figures += check(post)
            except Failure as failure:
                failure.figures = figures + failure.figures
                raise
        if unsound := running.check():
            raise Failure(f"check found {unsound}", figures)
    return figures
