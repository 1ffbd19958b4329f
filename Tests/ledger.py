"""Clients that write, and a ledger of what they sent and what was acknowledged, to compare with a database."""

import collections
import dataclasses
import http.client
import random
import threading
import time

from service import Failure, Trouble

PARTNERS = "/api/admin/partners"


class Ledger:
    """What was sent, recorded before it is sent, and what was acknowledged, recorded when the answer arrives."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent = set()  # e-mail addresses of partners
        self.acknowledged = {}  # the ID in the answer, by address
        self.activated = set()  # IDs whose move to active was answered
        self.resent = 0  # requests sent again because no answer came
        self.refused = 0  # those that were answered with 503
        self.replayed = 0  # those whose first try had made its change
        self.troubles = []  # answers that no client may get

    def snapshot(self):
        """Returns what is acknowledged now: IDs by address, and the IDs made active."""
        with self.lock:
            return dict(self.acknowledged), set(self.activated)


class Writers:
    """Clients that post partners, and make every third of them active, until this context ends.

    Each post has an Idempotency-Key and is repeated until it is acknowledged, as is a PUT.
    """

    def __init__(self, ledger, connect, count=6, name="a", pause=0.0, notes=0, patience=60.0):
        """connect: makes a service.Client. name: a prefix of these clients' addresses. pause: seconds between two posts
        of a client. notes: the length of each partner's notes. patience: seconds to try one request."""
        self.ledger, self.connect, self.pause, self.patience = ledger, connect, pause, patience
        self.notes = notes
        self.over = threading.Event()
        self.going = threading.Event()  # While it is not set, each client finishes its request and waits.
        self.going.set()
        self.threads = [
            threading.Thread(target=self._run, args=(f"{name}{number}",), daemon=True) for number in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, error, *_):
        self.over.set()
        if not error:  # Otherwise the service may be gone.
            self.stop()

    def stop(self):
        """Lets each client finish its request."""
        self.over.set()
        self.going.set()
        for thread in self.threads:
            thread.join()

    def wait_for(self, count, seconds=30):
        """Waits until this many more posts are acknowledged."""
        wanted = len(self.ledger.acknowledged) + count
        end = time.monotonic() + seconds
        while len(self.ledger.acknowledged) < wanted:
            if self.ledger.troubles:
                raise Failure(self.ledger.troubles[0])
            if time.monotonic() > end:
                raise Failure(f"fewer than {count} posts were acknowledged within {seconds} s")
            time.sleep(0.002)

    def _run(self, name):
        client = self.connect()
        try:
            number = 0
            while self.going.wait() and not self.over.is_set():
                self._add(client, f"{name}-{number}@ledger.example", activates=number % 3 == 0)
                number += 1
                if self.pause:
                    time.sleep(random.uniform(0, 2 * self.pause))
        except Exception as error:
            self.ledger.troubles.append(f"{type(error).__name__}: {error}")
        finally:
            client.close()

    def _add(self, client, email, activates):
        ledger = self.ledger
        body = {"type": "agent", "company_name": f"Firm of {email}", "email": email, "service_areas": ["MN", "CA"],
                "agreement_signed_at": "2026-01-01T00:00:00Z", "notes": "n" * self.notes or None}
        with ledger.lock:
            ledger.sent.add(email)
        answer = self._send(client, 201, "POST", PARTNERS, body, {"Idempotency-Key": email})
        identifier = answer.json["id"]
        with ledger.lock:
            ledger.acknowledged[email] = identifier
            ledger.replayed += answer.headers["Idempotent-Replayed"] == "true"
        if activates:
            self._send(client, 200, "PUT", f"{PARTNERS}/{identifier}/status", {"status": "active"})
            with ledger.lock:
                ledger.activated.add(identifier)

    def _send(self, client, wanted, *request):
        """Sends a request until the responder answers it with the wanted status."""
        end = time.monotonic() + self.patience
        while True:
            try:
                answer = client.request(*request)
                if answer.status == wanted:
                    return answer
                if answer.status not in (502, 503, 504):
                    raise Failure(f"{request[0]} {request[1]} was answered with {answer.status}: {answer.body[:300]!r}")
                with self.ledger.lock:
                    self.ledger.refused += answer.status == 503
            except (OSError, http.client.HTTPException):
                pass
            if time.monotonic() > end:
                raise Trouble(f"no answer to {request[0]} {request[1]} for {self.patience:.0f} s")
            with self.ledger.lock:
                self.ledger.resent += 1
            time.sleep(0.005)


class Follower:
    """Follows the events, and learns from them which partners were created and made active."""

    def __init__(self):
        self.number = 0
        self.made = {}  # IDs by address
        self.active = set()
        self.twice = 0  # repeated addresses and event numbers

    def follow(self, client, acknowledged, activated):
        """Reads events until everything acknowledged has come or none are left. Returns what is missing."""
        while True:
            answer = client.expect(200, "GET", f"/api/admin/events?limit=100&after={self.number}").json
            for event in answer["data"]:
                self.twice += event["number"] <= self.number
                self.number = max(self.number, event["number"])
                identifier, changes = event["subject"]["id"], event["changes"]
                if event["kind"] == "partner.created":
                    email = changes["email"]["to"]
                    self.twice += email in self.made
                    self.made[email] = identifier
                if changes.get("status", {}).get("to") == "active":
                    self.active.add(identifier)
            missing = {email for email, identifier in acknowledged.items() if self.made.get(email) != identifier}
            missing |= activated - self.active
            if not missing or not answer["has_more"]:
                return missing


def all_partners(client):
    """Every partner there is, as staff sees it."""
    partners, path = [], f"{PARTNERS}?limit=100"
    while path:
        page = client.expect(200, "GET", path).json
        partners += page["data"]
        path = page["next_cursor"] and f"{PARTNERS}?limit=100&cursor={page['next_cursor']}"
    return partners


@dataclasses.dataclass
class Balance:
    """What a database holds, against a ledger."""

    missing: int  # acknowledged, and not there
    strange: int  # there, and never sent
    doubled: int  # there twice, or under another ID than the one acknowledged

    def figures(self):
        return [("acknowledged, missing", self.missing), ("present, never sent", self.strange),
                ("duplicated", self.doubled)]

    def __bool__(self):
        return not (self.missing or self.strange or self.doubled)


def balance(partners, acknowledged, activated, sent):
    """Holds all partners of a database against what was sent and what of it was acknowledged."""
    by_email = collections.defaultdict(list)
    for partner in partners:
        by_email[partner["email"]].append(partner)
    missing = sum(email not in by_email for email in acknowledged)
    active = {partner["id"] for partner in partners if partner["status"] == "active"}
    missing += len(activated - active)
    strange = sum(email not in sent for email in by_email)
    doubled = sum(len(found) > 1 or found[0]["id"] != acknowledged.get(email, found[0]["id"])
                  for email, found in by_email.items())
    return Balance(missing, strange, doubled)
