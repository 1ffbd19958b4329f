"""Replaces the responder and reloads nginx under load, and runs two responders. No request may fail or run twice.

1. A responder replaces another on a listening socket that both inherit, as systemd passes it (descriptor 3, LISTEN_PID
   and LISTEN_FDS) and as spawn-fcgi does (descriptor 0): the new one starts, then the old one gets SIGTERM. Eight
   clients GET, PUT and POST through nginx and repeat nothing. No request may fail.
2. nginx reloads (SIGHUP) under the same load. Clients that open a connection for each request must not notice. On a
   kept connection a request can meet the connection's end (RFC 9112, 9.3.1): it is sent again, a POST with an
   Idempotency-Key.
3. A second responder on the same socket must refuse to start and not disturb the first. A second one on the same
   database, with its own socket and nginx, must write next to the first, and nothing may be lost.
"""

import collections
import contextlib
import http.client
import itertools
import os
import socket
import statistics
import subprocess
import threading
import time

from ledger import PARTNERS, Follower, Ledger, Writers, all_partners, balance
from service import Failure, Program, Service, WebServer, eventually, say

# exec in bash can redirect, and it keeps the process ID.
WAYS = {
    "descriptor 3": 'exec 3<&"$0"; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"',
    "descriptor 0": 'exec "$@" <&"$0"',
}


class Load:
    """Clients that GET, PUT and POST until this context ends. A failed request is recorded, not repeated. With
    `resends` it is repeated once if its connection ended without an answer."""

    def __init__(self, service, clients=8, keeps=True, resends=False):
        self.service, self.keeps, self.resends = service, keeps, resends
        self.lock = threading.Lock()
        self.ledger = Ledger()
        self.notes = {}  # the last acknowledged notes, by partner's ID
        self.answered = collections.Counter()  # by method
        self.failed = []
        self.resent = 0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def wait_for(self, count):
        """Waits until this many more requests are answered or have failed."""
        def done():
            return self.answered.total() + len(self.failed)

        wanted = done() + count
        if not eventually(lambda: done() >= wanted, 30, 0.002):
            raise Failure("the load stopped")

    def _run(self, number):
        client = self.service.staff()
        try:
            own = self._post(client, f"l{number}-first@ledger.example")
            for turn in itertools.count():
                if self.over.is_set():
                    break
                self._send(client, 200, "GET", f"{PARTNERS}?limit=5")
                if own and self._send(client, 200, "PUT", f"{PARTNERS}/{own}", {"notes": f"{turn}"}):
                    self.notes[own] = f"{turn}"
                own = self._post(client, f"l{number}-{turn}@ledger.example") or own
        except Exception as error:
            self.failed.append(f"a client failed: {type(error).__name__}: {error}")
        finally:
            client.close()

    def _post(self, client, email):
        self.ledger.sent.add(email)
        body = {"type": "agent", "company_name": "Firm", "email": email}
        answer = self._send(client, 201, "POST", PARTNERS, body, {"Idempotency-Key": email})
        if answer:
            self.ledger.acknowledged[email] = answer.json["id"]
            return answer.json["id"]

    def _send(self, client, wanted, method, *request):
        for attempt in range(2):
            try:
                answer = client.request(method, *request)
            except (OSError, http.client.HTTPException) as error:
                if self.resends and not attempt:
                    with self.lock:
                        self.resent += 1
                    continue
                outcome = f"{type(error).__name__}: {error}"
                break
            if not self.keeps:
                client.close()
            if answer.status == wanted:
                with self.lock:
                    self.answered[method] += 1
                return answer
            outcome = f"{answer.status} {answer.body[:200]!r}"
            break
        with self.lock:
            self.failed.append(f"{method}: {outcome}")

    def figures(self, label):
        counts = ", ".join(f"{count} {method}" for method, count in sorted(self.answered.items()))
        return [(f"{label}: requests answered", counts), (f"{label}: requests failed", len(self.failed))]

    def judge(self, figures):
        """Fails if a request failed or the database lacks something acknowledged."""
        if self.failed:
            for failure in self.failed[:5]:
                say(f"  {failure}")
            raise Failure(f"{len(self.failed)} requests failed, the first: {self.failed[0]}", figures)
        partners = all_partners(self.service.staff())
        found = balance(partners, *self.ledger.snapshot(), self.ledger.sent)
        old = sum(partner["notes"] != self.notes.get(partner["id"], partner["notes"]) for partner in partners)
        if not found or old:
            raise Failure(f"{found}; {old} acknowledged PUTs are lost", figures)
        if unsound := self.service.check():
            raise Failure(f"check found {unsound}", figures)


@contextlib.contextmanager
def listening(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1024)
        yield listener
    os.unlink(path)


def replace_responder(setting, way):
    rounds = 20 if setting.short else 150
    folder = f"{setting.folder}/{way[-1]}"
    os.makedirs(folder)
    stops = []
    with Service(setting.executable, folder) as service:
        service.responder.stop()
        with listening(service.socket) as listener:
            def start():
                number = listener.fileno()
                return service.start(wrapper=["bash", "-c", WAYS[way], number], descriptors=(number,), own_socket=False)

            start()
            with Load(service) as load:
                for _ in range(rounds):
                    load.wait_for(100)
                    old, new = service.responder, start()
                    try:
                        started = time.monotonic()
                        status = old.stop()
                        stops.append(time.monotonic() - started)
                    finally:
                        old.kill()
                    if status != 0 or not new.is_running():
                        raise Failure(f"the old responder exited with {status}, the new with {new.process.returncode}")
                load.wait_for(100)
            figures = [
                (f"{way}: responders replaced", rounds), *load.figures(way),
                (f"{way}: from SIGTERM to the exit, median and worst",
                 f"{statistics.median(stops) * 1000:.0f} and {max(stops) * 1000:.0f} ms")]
            load.judge(figures)
    return figures


def reload_nginx(setting, keeps):
    rounds = 10 if setting.short else 60
    label = "nginx reloads, kept connections" if keeps else "nginx reloads, new connections"
    folder = f"{setting.folder}/reload{keeps:d}"
    os.makedirs(folder)
    with Service(setting.executable, folder) as service:
        master = service.nginx.program
        with Load(service, keeps=keeps, resends=keeps) as load:
            for _ in range(rounds):
                before = set(master.children())
                service.nginx.reload()
                # The old worker processes exit once they have answered their requests.
                if not eventually(lambda: master.is_running() and master.children() and not before & set(
                        master.children()), 30):
                    raise Failure("nginx does not end its old worker processes")
                load.wait_for(50)
        figures = [(f"{label}: reloads", rounds), *load.figures(label)]
        if keeps:
            figures.append((f"{label}: repeated", load.resent))
        load.judge(figures)
    return figures


def two_on_one_socket(setting):
    attempts = 5 if setting.short else 50
    folder = f"{setting.folder}/socket"
    os.makedirs(folder)
    with Service(setting.executable, folder) as service, Load(service) as load:
        for _ in range(attempts):
            load.wait_for(20)
            second = subprocess.run(
                [setting.executable, "serve", "--database", service.database, "--socket", service.socket],
                capture_output=True, text=True, timeout=30)
            if second.returncode != 1 or service.socket not in second.stderr or second.stderr.count("\n") != 1:
                raise Failure(f"a second responder on one socket exited with {second.returncode}: {second.stderr}")
        load.wait_for(100)
        load.over.set()
        for thread in load.threads:
            thread.join()
        figures = [("one socket: second responders refused", attempts), *load.figures("one socket")]
        load.judge(figures)
    return figures


def two_on_one_database(setting):
    posts = 400 if setting.short else 4000
    folder = f"{setting.folder}/database"
    os.makedirs(f"{folder}/nginx2")
    ledger = Ledger()
    with Service(setting.executable, folder) as service, contextlib.ExitStack() as stack:
        path = f"{folder}/second.sock"
        second = Program([setting.executable, "serve", "--database", service.database, "--socket", path],
                         f"{folder}/log2")
        stack.callback(second.kill)
        nginx = WebServer(f"{folder}/nginx2", path)
        stack.callback(nginx.program.kill)

        def connect():
            client = service.staff()
            return type(client)(nginx.port, service.token)

        eventually(lambda: connect().request("GET", "/api/health").status == 200)
        started = time.monotonic()
        with Writers(ledger, service.staff, 4, name="one") as one, Writers(ledger, connect, 4, name="two"):
            one.wait_for(posts, 600)
        took = time.monotonic() - started
        if ledger.troubles:
            raise Failure(ledger.troubles[0])
        if (status := second.stop()) != 0:
            raise Failure(f"the second responder exited with {status}")
        client = service.staff()
        found = balance(all_partners(client), *ledger.snapshot(), ledger.sent)
        follower = Follower()
        missing = follower.follow(client, *ledger.snapshot())
        by = collections.Counter(email[:3] for email in ledger.acknowledged)
        figures = [
            ("one database: posts acknowledged by each", f"{by['one']}, {by['two']} in {took:.0f} s"),
            ("one database: refused", ledger.refused),
            *[(f"one database: {label}", value) for label, value in found.figures()]]
        if not found or missing or follower.twice or ledger.refused or service.check():
            raise Failure(f"two responders on one database: {found}; {service.check()}", figures)
        if min(by["one"], by["two"]) < posts // 10:
            raise Failure("one of two responders hardly wrote anything", figures)
    return figures


def run(setting):
    figures = []
    parts = [*[lambda way=way: replace_responder(setting, way) for way in WAYS],
             lambda: reload_nginx(setting, False), lambda: reload_nginx(setting, True),
             lambda: two_on_one_socket(setting), lambda: two_on_one_database(setting)]
    for part in parts:
        try:
            figures += part()
        except Failure as failure:
            raise Failure(str(failure), figures + failure.figures) from failure
        say(f"  {figures[-1][0].split(':')[0]}: done")
    return figures
