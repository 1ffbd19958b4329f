"""Letters, mail programs, and messages as the service has them, for the programs in Faults."""

import contextlib
import dataclasses
import datetime
import email.header
import email.policy
import fcntl
import pathlib
import re
import sqlite3
import urllib.parse

from ledger import PARTNERS
from service import Failure

SENDER, STAFF, PAGES = "referrals@tomi.example", "staff@tomi.example", "https://referrals.example"
# Options of `serve` and `mail`.
OPTIONS = ["--mail-from", SENDER, "--staff-address", STAFF, "--public-url", PAGES]
MESSAGES = "/api/admin/messages"
# The kinds with a code, which is made for each hand-over.
WITH_CODE = {"sign_in", "waitlist.confirm"}


@dataclasses.dataclass
class Letter:
    """A letter as it arrived. The lines of `bytes` end with LF."""

    bytes: bytes
    sender: str | None = None
    to: list | None = None

    def __post_init__(self):
        self.message = email.message_from_bytes(self.bytes, policy=email.policy.default)

    @property
    def id(self):
        return str(self.message["Message-ID"])

    @property
    def text(self):
        return self.message.get_content()

    def mailboxes(self, name):
        """The names and addresses of a header field."""
        phrase = re.search(rf"^{name}: (.*(\n .*)*)<".encode(), self.bytes, re.MULTILINE)[1].strip().decode()
        # Python's new parser leaves a space between two encoded words, where RFC 2047, section 6.2, has none.
        decoded = phrase.startswith("=?") and str(email.header.make_header(email.header.decode_header(phrase)))
        return [(decoded or address.display_name, address.addr_spec.encode(errors="surrogateescape").decode())
                for address in self.message[name].addresses]

    @property
    def without_codes(self):
        """All of it but the codes of its links."""
        return self.bytes.partition(b"\n\n")[0], re.sub(r"#(\w+)=\S+", r"#\1", self.text)

    def code(self, name):
        """The code of the link with this name: code, confirm or leave."""
        found = re.search(rf"#{name}=(\S+)", self.text)
        if not found:
            raise Failure(f"a letter has no code {name}: {self.text!r:.1000}")
        return found[1]


def mail_program(folder, name, body, shell="/bin/sh"):
    """Returns the path of a new program of a shell's commands."""
    path = pathlib.Path(folder, name)
    path.write_text(f"#!{shell}\n{body}\n")
    path.chmod(0o755)
    return str(path)


def wait_while(path):
    """Returns a shell's commands that wait while a file exists, but no longer than a minute."""
    return f"n=0; while [ -e {path} ] && [ $((n += 1)) -lt 6000 ]; do sleep 0.01; done"


def mail(service, program, expected=0):
    """Hands over what is due. `expected` is the exit status, None for any."""
    service.command("mail", *OPTIONS, "--sendmail", program, expected=expected)


def message_id(row):
    """The Message-ID of a message's letter."""
    return f"<{row['id']}@{SENDER.partition('@')[2]}>"


def messages(client, **filters):
    """All messages that match, as staff sees them in a list, newest first."""
    found, cursor = [], {}
    while cursor is not None:
        page = client.expect(
            200, "GET", f"{MESSAGES}?{urllib.parse.urlencode({**filters, **cursor, 'limit': 100})}").json
        found += page["data"]
        cursor = {"cursor": page["next_cursor"]} if page["has_more"] else None
    return found


def message(client, **filters):
    """The only message that matches, with its text."""
    found = messages(client, **filters)
    if len(found) != 1:
        raise Failure(f"there are {len(found)} messages with {filters}")
    return client.expect(200, "GET", f"{MESSAGES}/{found[0]['id']}").json


def invite(client, address):
    """Makes a partner, and so a message to its address."""
    client.expect(201, "POST", PARTNERS, {"type": "agent", "company_name": f"Firm of {address}", "email": address})


@contextlib.contextmanager
def writing(service):
    """A connection that writes while nobody else does: it holds the lock that every writer takes, and SQLite's."""
    with open(f"{service.database}.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with contextlib.closing(sqlite3.connect(service.database, isolation_level=None)) as connection:
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")


def time_text(days=0.0):
    """A time so many days from now, as the database has it."""
    then = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return then.strftime("%Y-%m-%dT%H:%M:%S.") + f"{then.microsecond // 1000:03}Z"


def make_due(service):
    """Lets the next attempts be due now."""
    with writing(service) as connection:
        connection.execute("UPDATE messages SET due_at = ? WHERE status = 'queued'", (time_text(),))


def seconds(text):
    """A time of the API in seconds since 1970."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
