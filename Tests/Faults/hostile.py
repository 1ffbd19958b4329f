"""Attacks the service while a well-behaved client works: none of its requests may fail or take much longer.

The client reads and changes things at a steady pace, with a token, from another address than the attacks. Its p99 is
measured without and with each attack, in turn. With one it may be three times as long; the best of up to three tries
counts, since other load on the machine can spoil one. nginx's limits and its cache are on, as they are delivered.

1. Changes from many networks with made-up tokens, long ones and ones in the right form: they must not crowd out real
   ones.
2. Changes with one token whose header is spelled in many ways: it must have one limit.
3. Reads from many addresses of one IPv6 network, and of public paths in many spellings with made-up tokens: they must
   be limited. nginx takes these addresses from a header, and only from the attackers' own address.
4. Queries with thousands of parameters, and combining marks in paths, queries and headers.
5. A member who makes and cancels requests with large texts, or reads recommendations among many partners.
6. Paths of 8 KB outside the API: the access log must stay small.
7. A thousand connections a second that send one byte.
"""

import collections
import contextlib
import itertools
import multiprocessing
import os
import pathlib
import random
import re
import resource
import select
import signal
import socket
import sqlite3
import time
import unicodedata
import uuid

import service
from service import Failure, Service, Trouble, say

GUEST, ATTACKER = "127.0.0.2", "127.0.0.3"
# The longest p99 next to an attack, as a multiple of the p99 without it.
MOST = 3
TRIES = 3
# A group's quota.
REQUESTS_A_DAY = 30
# Seconds after which an attack should have sent what it must.
PATIENCE = 60
# Callers whose tokens nginx has not seen: more than their keys have room for in a page that others have begun.
NEWCOMERS = 25
# The client's pace, below every limit of settings.conf.
PAUSE = 0.012
# The largest answer to a refused request, in bytes (its headers aside).
LARGEST = 64 * 1024
# How many lines of the access log a network may cause in a moment and in a second (locations.conf, settings.conf), and
# the bytes of a line.
LINES, LINES_A_SECOND, LINE = 50, 5, 600
# limit_req in locations.conf and settings.conf: the burst, and the requests a second.
ANONYMOUS, READS, WRITES = (200, 50), (300, 100), (100, 20)
FORM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


# --- The client ---


class Guest:
    """A client that works steadily, on a kept connection and on new ones in turn."""

    def __init__(self, service, group, partner):
        self.client = service.client(service.token, source=GUEST)
        self.number = itertools.count()
        self.work = [
            ("GET", "/api/health"), ("GET", "/api/admin/partners?limit=5"), ("GET", "/api/coverage/MN"),
            ("GET", f"/api/groups/{group}/referrals"), ("PUT", f"/api/admin/partners/{partner}"),
            ("GET", "/api/admin/referrals?status=pending&limit=5"), ("GET", "/api/partners?state=MN&limit=5"),
            ("GET", f"/api/admin/partners/{partner}")]

    def run(self, seconds, is_over=lambda: True):
        """Works for some seconds, and on until is_over(); returns the p99 of its requests in milliseconds."""
        times, end = [], time.monotonic() + seconds
        while (now := time.monotonic()) < end or not is_over():
            if now > end + PATIENCE:
                raise Trouble(f"an attack did not get going in {PATIENCE} seconds")
            number = next(self.number)
            method, path = self.work[number % len(self.work)]
            if number // len(self.work) % 2:
                self.client.close()
            started = time.monotonic()
            try:
                self.client.expect(200, method, path, {"notes": f"{number}"} if method == "PUT" else None)
            except (OSError, service.http.client.HTTPException) as error:
                raise Failure(f"{method} {path}: {type(error).__name__}: {error}") from error
            times.append(time.monotonic() - started)
            time.sleep(PAUSE)
        return sorted(times)[int(len(times) * 0.99)] * 1000


# --- Attackers, each a process of its own ---


class Answers:
    """What an attacker got, and in `count` how many answers so far, for other processes."""

    def __init__(self):
        self.statuses = collections.Counter()
        self.largest = self.seconds = 0
        self.count = None

    def add(self, status, size=0):
        self.statuses[status] += 1
        self.largest = max(self.largest, size)
        self.count.value += 1

    def passed(self):
        """How many answers were none of nginx's refusals."""
        return sum(count for status, count in self.statuses.items() if status != 429)


class Sender:
    """Sends requests on one kept connection, many at once, and reads their answers."""

    HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) .*?\r\n\r\n", re.DOTALL)
    LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)

    def __init__(self, port, answers):
        self.port, self.answers, self.socket = port, answers, None

    def connect(self):
        self.socket = socket.socket()
        self.socket.bind((ATTACKER, 0))
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", self.port))
        self.socket.setblocking(False)

    def send(self, requests):
        """Sends these and waits for their answers, or for the connection's end."""
        if self.socket is None:
            self.connect()
        unsent, received, missing = b"".join(requests), b"", len(requests)
        while missing:
            readable, writable, _ = select.select([self.socket], [self.socket] if unsent else [], [], 10)
            if not readable and not writable:
                raise Failure("an attacker got no answer within 10 seconds")
            try:
                if writable:
                    unsent = unsent[self.socket.send(unsent[:65536]):]
                if not readable:
                    continue
                arrived = self.socket.recv(1 << 20)
            except (ConnectionResetError, BrokenPipeError):
                arrived = b""
            received += arrived
            while (head := self.HEAD.match(received)) and (length := self.LENGTH.search(head[0])):
                end = head.end() + int(length[1])
                if end > len(received):
                    break
                self.answers.add(int(head[1]), int(length[1]))
                received = received[end:]
                missing -= 1
            if not arrived:
                self.socket.close()
                self.socket = None
                return


def flood(port, requests, rate, batch, answers, over):
    """Sends requests at a rate, in batches, until `over` is set."""
    sender, started = Sender(port, answers), time.monotonic()
    for number in itertools.count(1):
        sender.send(list(itertools.islice(requests, batch)))
        if over.wait(max(0.0, started + number * batch / rate - time.monotonic())):
            return


def crowd(port, rate, hold, answers, over):
    """Opens connections at a rate, sends one byte on each, and holds them for some seconds."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    held, started, opened = collections.deque(), time.monotonic(), 0
    while not over.wait(0.01):
        for _ in range(opened, int((time.monotonic() - started) * rate)):
            connection = socket.socket()
            connection.bind((ATTACKER, 0))
            connection.settimeout(10)
            connection.connect(("127.0.0.1", port))
            connection.send(b"G")
            held.append((time.monotonic(), connection))
            opened += 1
            answers.add("connections")
        while held and held[0][0] < time.monotonic() - hold:
            held.popleft()[1].close()


class Attack:
    """Runs an attacker in a process of its own, which ends with this one. A context manager."""

    def __init__(self, function, *arguments):
        self.answers, self.over = Answers(), multiprocessing.Event()
        self.answers.count = self.count = multiprocessing.Value("Q", 0)
        self.ours, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=self._run, args=(function, arguments, theirs), daemon=True)

    def _run(self, function, arguments, pipe):
        service._libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, prctl(2)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # Attackers do not run on the server.
        os.nice(5)
        try:
            function(*arguments, self.answers, self.over)
        except Exception as error:
            pipe.send(f"{type(error).__name__}: {error}")
        else:
            self.answers.count = None  # cannot be sent
            pipe.send(self.answers)

    def __enter__(self):
        self.started = time.monotonic()
        self.process.start()
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        sent = self.ours.recv() if self.ours.poll(30) else "it did not stop"
        self.process.join(5)
        self.process.kill()
        if isinstance(sent, Answers):
            self.answers = sent
            self.answers.seconds = time.monotonic() - self.started
        elif kind is None:
            raise Trouble(f"an attacker failed: {sent}")


# --- What they send ---


def request(method, target, headers=(), body=None):
    lines = [f"{method} {target} HTTP/1.1", "Host: a", *headers]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


def marks(count):
    """The combining marks, those of the highest classes first, which is the worst order to sort them into."""
    known = [chr(code) for code in range(0x300, 0x370) if unicodedata.combining(chr(code))]
    known.sort(key=lambda mark: -unicodedata.combining(mark))
    return "".join(mark * (count // len(known) + 1) for mark in known)[:count]


def network(dice):
    return "X-Network: " + ".".join(f"{dice.getrandbits(8)}" for _ in range(4))


def long_tokens(dice):
    """Changes with tokens of 1.9 KB that nobody has."""
    while True:
        yield request("PUT", "/api/admin/users/1",
                      [f"Authorization: Bearer {dice.getrandbits(64):x}{'x' * 1_900}", network(dice)], b"{}")


def forged_tokens(dice):
    """Changes with tokens that nobody has, in the form of real ones."""
    while True:
        for token in ("tomi_" + "".join(dice.choices(FORM, k=43)),
                      "e30.e30." + "".join(dice.choices(FORM, k=43 + dice.randrange(200)))):
            yield request("PUT", "/api/admin/users/1", [f"Authorization: Bearer {token}", network(dice)], b"{}")


def spellings(dice, token):
    while True:
        scheme = "".join(dice.choice([letter, letter.upper()]) for letter in "bearer")
        yield request("PUT", "/api/admin/users/1", [f"Authorization: {scheme}{' ' * dice.randint(1, 99)}{token}"],
                      b"{}")


def one_network(dice):
    while True:
        host = ":".join(f"{dice.getrandbits(16):x}" for _ in range(4))
        yield request("GET", "/api/coverage/MN/attorney", [f"X-Network: 2001:db8:1:1:{host}"])


def escaped_paths(dice):
    path = "/api/partners"
    while True:
        escaped = "".join(f"%{ord(letter):02x}" if letter != "/" and dice.random() < 0.3 else letter
                          for letter in path)
        yield request("GET", escaped, ["Authorization: Bearer tomi_" + "".join(dice.choices(FORM, k=43))])


def many_parameters(_):
    return itertools.repeat(request("GET", "/api/coverage?" + "a&" * 4_000))


def combining_marks(_):
    plain = marks(3_900)
    escaped = "".join(f"%{byte:02x}" for byte in marks(1_300).encode())
    return itertools.cycle([
        request("GET", f"/api/partners/{plain}"), request("GET", f"/api/partners?q=e{plain}"),
        request("GET", f"/api/partners/e{escaped}"), request("GET", f"/api/partners?q=e{escaped}"),
        request("GET", f"/api/coverage/{escaped}/attorney"), request("GET", f"/api/partners?e{escaped}=x"),
        request("GET", "/api/coverage", [f"If-None-Match: \"{plain}\""]),
        request("GET", "/api/admin/partners", [f"Authorization: Bearer {plain}"])])


def long_paths(dice):
    while True:
        yield request("GET", f"/{dice.getrandbits(64):x}/" + "x" * 7_900)


def recommendations(group, token):
    return itertools.repeat(request(
        "GET", f"/api/groups/{group}/recommendations?state=MN&limit=10", [f"Authorization: Bearer {token}"]))


def create_and_cancel(port, group, token, answers, over):
    """Makes a request with a large text and cancels it, in turn, as fast as it is let."""
    client = service.Client(port, token, source=ATTACKER)
    body = {"partner_type": "cpa", "context": {"specific_need": "\U0001F3E1" * 2_000, "state": "MN"}}
    path = f"/api/groups/{group}/referrals"
    while not over.is_set():
        made = client.request("POST", path, body)
        answers.add(made.status)
        if made.status == 201:
            while (status := client.request("POST", f"{path}/{made.json['id']}/cancel").status) == 429:
                time.sleep(0.05)
            answers.add(status)
        elif made.status == 429:
            over.wait(0.02)
        elif made.status != 409:
            raise Failure(f"a member's request: {made.status} {made.body[:200]!r}")
    client.close()


# --- The run ---


def allowed(limit, seconds):
    """How many requests a limit lets through in this time, with a second to spare."""
    return limit[0] + limit[1] * (seconds + 1)


def judge(name, limit, answers):
    """Fails if more was let through than the limit allows, or an answer is too large."""
    if answers.largest > LARGEST:
        raise Failure(f"{name}: an answer has {answers.largest:,} bytes")
    if limit and answers.passed() > allowed(limit, answers.seconds):
        raise Failure(f"{name}: {answers.passed():,} requests in {answers.seconds:.1f} s were not limited "
                      f"({dict(answers.statuses)})")


def check_newcomers(target, tokens):
    """Callers whose tokens nginx has not seen yet must be able to make a change."""
    for token in tokens:
        client = target.client(token, source=GUEST)
        client.expect(200, "PUT", "/api/partners/me", {"contact_name": "New"})
        client.close()


def compare(name, guest, checks, seconds, start, enough, limit):
    """Measures the client without and with an attack that gets at least `enough` answers; returns the figures of the
    best of up to three tries. Next to the first one it runs the checks."""
    tries = []
    while not tries or (tries[-1][0] > MOST and len(tries) < TRIES):
        without = guest.run(seconds)
        with start() as attack:
            time.sleep(0.1)
            during = guest.run(seconds, lambda: attack.count.value >= enough or not attack.process.is_alive())
            if not tries:
                for check in checks:
                    check()
        judge(name, limit, attack.answers)
        tries.append((during / without, without, during, attack.answers))
    ratio, without, during, answers = min(tries, key=lambda one: one[0])
    statuses = ", ".join(f"{count:,} {status}" for status, count in sorted(answers.statuses.items(), key=str))
    rows = [(f"{name}: p99 without, with", f"{without:.1f} ms, {during:.1f} ms ({ratio:.2f}, try {len(tries)})"),
            (f"{name}: answers to the attack", statuses)]
    if ratio > MOST:
        raise Failure(f"{name}: the client's p99 is {ratio:.1f} times as long", rows)
    return rows


def furnish(staff):
    """Makes a group with a member, and a partner; returns the group's ID, the partner's, and the tokens."""
    group, users, tokens = uuid.uuid4(), [uuid.uuid4(), uuid.uuid4()], []
    for user, count in zip(users, (1, 2 * NEWCOMERS)):
        staff.expect(201, "PUT", f"/api/admin/users/{user}", {"email": f"{user}@mail.example", "name": "Member"})
        for _ in range(count):
            tokens.append(staff.expect(201, "POST", f"/api/admin/users/{user}/tokens", {}).json["token"])
    staff.expect(201, "PUT", f"/api/admin/groups/{group}",
                 {"name": "Elm", "state": "MN", "members": [str(users[0])]})
    partner = staff.expect(201, "POST", "/api/admin/partners", {
        "type": "agent", "company_name": "Guest", "email": "guest@firm.example", "user_id": str(users[1])})
    return str(group), partner.json["id"], tokens


def large_requests(database):
    """How many requests `create_and_cancel` made."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT count(*) FROM referral_requests WHERE length(context) > 2000").fetchone()[0]


def stored_bytes(database):
    """The size of the database and of its write-ahead log."""
    return sum(os.path.getsize(database + suffix) for suffix in ("", "-wal"))


def trust_attacker(nginx):
    """Lets the attackers' address name others, so that attacks come from many networks."""
    workers = set(nginx.program.children())
    nginx.edit("locations.conf", lambda text: f"set_real_ip_from {ATTACKER};\nreal_ip_header X-Network;\n" + text)
    nginx.reload()
    if not service.eventually(lambda: workers.isdisjoint(nginx.program.children())):
        raise Trouble("nginx did not load its configuration")


def run(setting):
    seconds, partners = (1.5, 1_000) if setting.short else (10, 10_000)
    figures = []
    demo = ["--partners", partners, "--groups", 100, "--referrals", 200]
    with Service(setting.executable, setting.folder, nginx_options=(), demo=demo) as target:
        trust_attacker(target.nginx)
        staff, port = target.staff(), target.nginx.port
        group, partner, (member, *tokens) = furnish(staff)
        other = target.command("token", "create", "--admin", "--email", "kim@tomi.example").strip()
        guest = Guest(target, group, partner)
        guest.run(seconds)  # open what stays open, fill the cache
        log = pathlib.Path(target.nginx.folder, "access.log")

        def let_newcomers_in():
            check_newcomers(target, [tokens.pop() for _ in range(NEWCOMERS)])

        def flooding(requests, rate, batch):
            return lambda: Attack(flood, port, requests(random.Random(setting.seed)), rate, batch)

        attacks = [
            ("long made-up tokens", flooding(long_tokens, 3_000, 50), 8_500, None, let_newcomers_in),
            ("forged tokens", flooding(forged_tokens, 1_000, 20), 1_000, None, let_newcomers_in),
            ("one token in many spellings", flooding(lambda dice: spellings(dice, other), 1_000, 20), 400, WRITES),
            ("one IPv6 network", flooding(one_network, 1_000, 20), 500, ANONYMOUS),
            ("escaped public paths", flooding(escaped_paths, 1_000, 20), 500, ANONYMOUS),
            ("4,000 parameters", flooding(many_parameters, 400, 4), 20, ANONYMOUS),
            ("combining marks", flooding(combining_marks, 400, 4), 100, ANONYMOUS),
            ("a member's large requests", lambda: Attack(create_and_cancel, port, group, member), 4, WRITES),
            ("recommendations", flooding(lambda _: recommendations(group, member), 400, 4), 100, READS),
            ("long paths", flooding(long_paths, 2_000, 20), 1_000, None),
            ("connections with one byte", lambda: Attack(crowd, port, 1_000, 12), 3_000, None),
        ]
        for name, start, enough, limit, *checks in attacks:
            say(f"  {name}")
            before = log.stat().st_size
            started = time.monotonic()
            stored = stored_bytes(target.database)
            try:
                figures += compare(name, guest, checks, seconds, start, enough, limit)
            except Failure as failure:
                raise Failure(str(failure), [*figures, *failure.figures]) from failure
            if name == "long paths":
                time.sleep(1.2)  # nginx writes its log once a second
                took = time.monotonic() - started
                grown = log.stat().st_size - before
                figures.append((f"{name}: the access log grew by", f"{grown / 1e3:,.0f} KB"))
                # The client's own lines, too.
                if grown > (LINES + LINES_A_SECOND * took + took / PAUSE + 100) * LINE:
                    raise Failure(f"{name}: the access log grew by {grown:,} bytes in {took:.1f} s", figures)
            if name == "a member's large requests":
                grown = stored_bytes(target.database) - stored
                figures.append((f"{name}: the database grew by", f"{grown / 1e6:,.1f} MB"))
                made = large_requests(target.database)
                figures.append((f"{name}: made", f"{made}"))
                if made > REQUESTS_A_DAY:
                    raise Failure(f"{name}: {made} were made", figures)
        if unsound := target.check():
            raise Failure(f"check found {unsound}", figures)
        if trouble := [line for line in target.log().splitlines() if '"level":"error"' in line]:
            raise Failure(trouble[0], figures)
    return figures
