"""Opens more connections than threads: busy, idle, slow and broken ones. Each client must get its share in time.

Four threads serve 64 busy clients, and each client's answers are counted: if a connection held a thread, some clients
would get none. The run is repeated while 500 connections stay idle, 200 send a byte now and then, and 50 stop in the
middle of a body. Rounds with and without them alternate, so that other load on the machine affects both. All of this
happens directly on the responder's socket, and through nginx. At the end memory and descriptors must be released.
"""

import json
import pathlib
import socket
import statistics
import subprocess
import threading
import time

import fastcgi
from service import Failure, Service, Trouble, eventually, require, say

THREADS, BUSY, IDLE, SLOW, HALTING = 4, 64, 500, 200, 50
# Seconds between two bytes of a slow sender. Its header of 53 bytes must arrive within 5 (locations.conf).
PAUSE = 0.03
# Seconds that a client waits for an answer to its first request.
PATIENCE = 10
# The receive timeout of responder and nginx alike (Server.Configuration, locations.conf).
RECEIVE_TIMEOUT = 10
TARGET = "/api/coverage/MN/attorney"
BODY = b'{"type": "agent", "company_name": "Half a company", "email": "half@mail.example"}'


class Way:
    """How clients reach the responder: directly on its socket, or through nginx."""

    def __init__(self, name, service):
        self.name = name
        token = service.token
        if name == "direct":
            self.family, self.address, self.crowd = socket.AF_UNIX, service.socket, ["fastcgi", service.socket]
            self.request = fastcgi.request("GET", TARGET)
            self.short_request = fastcgi.begin() + fastcgi.stream(fastcgi.PARAMS, 1, fastcgi.pairs(
                [(b"REQUEST_METHOD", b"GET"), (b"REQUEST_URI", TARGET.encode())])) + fastcgi.record(fastcgi.STDIN)
            whole = fastcgi.request("POST", "/api/admin/partners", BODY, token)
            self.half_request = whole[:-8 - len(BODY) // 2]  # without the stream's end and half of its record
        else:
            port = service.nginx.port
            self.family, self.address, self.crowd = socket.AF_INET, ("127.0.0.1", port), ["http", str(port)]
            self.request = self.short_request = f"GET {TARGET} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
            head = f"POST /api/admin/partners HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n" \
                   f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
            self.half_request = head.encode() + BODY[:len(BODY) // 2]

    def connect(self):
        connection = socket.socket(self.family)
        connection.settimeout(PATIENCE)
        connection.connect(self.address)
        return connection

    def is_answer(self, received):
        """Whether these bytes are a complete answer with status 200."""
        if self.name == "direct":
            return b"Status: 200" in received and fastcgi.records(received)[-1].type == fastcgi.END_REQUEST
        head, _, body = received.partition(b"\r\n\r\n")
        return head.startswith(b"HTTP/1.1 200 ") and body.endswith(b"}")


def has_arrived(connection):
    """Whether a non-blocking connection has bytes to read, or its end."""
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except ConnectionResetError:
        pass
    return True


class Burden:
    """The idle, slow and broken connections, maintained by a thread. A context manager."""

    def __init__(self, way):
        self.way = way
        self.idle, self.slow, self.halting = [], [], {}
        self.answered = 0  # requests that came byte by byte
        self.given_up = []  # seconds after which a half-sent body was closed
        self.trouble = None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.keep_up)

    def __enter__(self):
        try:
            for _ in range(IDLE):
                connection = self.way.connect()
                self.idle.append(connection)
                connection.sendall(self.way.request)
                if not self.way.is_answer(connection.recv(65536)):
                    raise Failure(f"the first request of an idle connection was not answered ({self.way.name})")
                connection.setblocking(False)
            for index in range(SLOW):
                self.slow.append(Slow(self.way, index % len(self.way.short_request)))
            for _ in range(HALTING):
                self.halt()
        except BaseException as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise Failure(f"{self.way.name}: a connection got no answer within {PATIENCE} seconds") from error
            raise
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        self.close()
        if self.trouble:
            raise Failure(f"{self.way.name}: {self.trouble}")

    def close(self):
        for connection in [*self.idle, *(one.connection for one in self.slow), *self.halting]:
            connection.close()

    def halt(self):
        """Opens another connection that stops in the middle of a body."""
        connection = self.way.connect()
        connection.sendall(self.way.half_request)
        connection.setblocking(False)
        self.halting[connection] = time.monotonic()

    def keep_up(self):
        try:
            while not self.stopping.wait(PAUSE):
                for one in self.slow:
                    self.answered += one.step()
                for connection in list(filter(has_arrived, self.halting)):
                    self.given_up.append(time.monotonic() - self.halting.pop(connection))
                    connection.close()
                    self.halt()
            if any(map(has_arrived, self.idle)):
                self.trouble = "idle connections were closed"
        except Exception as error:
            self.trouble = f"{type(error).__name__}: {error}"


class Slow:
    """A client that repeatedly sends its request byte by byte."""

    def __init__(self, way, sent):
        """Starts after the first `sent` bytes, so that the clients are not in step."""
        self.way, self.connection, self.sent = way, way.connect(), sent
        self.connection.sendall(way.short_request[:sent])
        self.connection.setblocking(False)

    def step(self):
        """Sends the next byte or receives the answer; returns whether it received one."""
        if self.sent < len(self.way.short_request):
            self.connection.send(self.way.short_request[self.sent:self.sent + 1])
            self.sent += 1
            return False
        if not has_arrived(self.connection):
            return False
        received = self.connection.recv(65536)
        if not self.way.is_answer(received):
            raise Failure(f"a slow sender got {received[:200]!r}")
        self.sent = 0
        return True


class Crowd:
    """The busy clients, in a separate program."""

    def __init__(self, folder):
        self.program, self.request = f"{folder}/crowd", f"{folder}/request"
        source = pathlib.Path(__file__).with_name("crowd.c")
        compiler = ["cc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"]
        if subprocess.run([*compiler, source, "-o", self.program]).returncode:
            raise Trouble("crowd.c does not compile")

    def run(self, way, seconds, clients=BUSY):
        """Runs them for some seconds and returns their figures."""
        pathlib.Path(self.request).write_bytes(way.request)
        result = subprocess.run(
            [self.program, *way.crowd, self.request, str(clients), str(seconds)], capture_output=True, text=True,
            timeout=seconds + 60)
        if result.returncode:
            raise Failure(f"{way.name}: {result.stderr.strip()}")
        return json.loads(result.stdout)


def evenness(figures):
    """Returns the fewest answers of a client as a share of the most."""
    return min(figures["answers"]) / max(1, *figures["answers"])


def share(way, crowd, seconds, least):
    """Returns the figures of the fairest of three runs. Fails if a client got too few answers.

    Other load on the machine can spoil a run. If connections held threads, no run would be fair.
    """
    figures = max((crowd.run(way, seconds) for _ in range(3)), key=evenness)
    answers = figures["answers"]
    rows = [(f"{way.name}: answers a second", f"{sum(answers) / figures['seconds']:,.0f}"),
            (f"{way.name}: answers of a client, least and most",
             f"{min(answers):,} and {max(answers):,} ({evenness(figures):.2f})"),
            (f"{way.name}: p99, longest wait", f"{figures['p99'] / 1000:.1f} ms, {figures['most'] / 1000:.0f} ms")]
    if evenness(figures) < least:
        raise Failure(f"{way.name}: some clients do not get their share", rows)
    return rows


def burdened_and_without(way, crowd, rounds, seconds):
    """Runs the busy clients without and with the burden in turn; returns the ratio of their p99, and the runs."""
    without, burdened = [], []
    for _ in range(rounds):
        without.append(crowd.run(way, seconds))
        with Burden(way):
            burdened.append(crowd.run(way, seconds))
    return statistics.median(
        after["p99"] / before["p99"] for before, after in zip(without, burdened)), without, burdened


def compare(way, crowd, rounds, seconds):
    """Compares the p99 of the busy clients without and with the burden: the best of up to three tries."""
    tries = []
    while not tries or (tries[-1][0] > 2 and len(tries) < 3):
        tries.append(burdened_and_without(way, crowd, rounds, seconds))
    ratio, without, burdened = min(tries, key=lambda one: one[0])
    medians = [[statistics.median(run[name] for run in runs) / 1000 for runs in (without, burdened)]
               for name in ("p99", "most")]
    rates = [statistics.median(sum(run["answers"]) / run["seconds"] for run in runs) for runs in (without, burdened)]
    rows = [(f"{way.name}: p99 alone, next to {IDLE} idle, {SLOW} slow, {HALTING} stopped",
             "{:.1f} ms, {:.1f} ms".format(*medians[0]) + f" ({ratio:.2f}, median of {rounds}, try {len(tries)})"),
            (f"{way.name}: longest wait, in both", "{:.0f} ms, {:.0f} ms".format(*medians[1])),
            (f"{way.name}: answers a second, in both", "{:,.0f}, {:,.0f}".format(*rates))]
    if ratio > 2:
        raise Failure(f"{way.name}: idle and slow connections make the others' p99 {ratio:.1f} times as long", rows)
    return rows


def endure(ways, seconds):
    """Keeps the burden longer than the timeouts: slow senders are answered, half-sent bodies are closed."""
    with Burden(ways[0]) as first, Burden(ways[1]) as second:
        time.sleep(seconds)
    rows = []
    for burden in (first, second):
        times = burden.given_up
        rows.append((f"{burden.way.name}: half-sent bodies closed after",
                     f"{len(times)}, {min(times):.1f} to {max(times):.1f} s" if times else "never"))
        rows.append((f"{burden.way.name}: byte-by-byte requests answered", burden.answered))
        if len(times) < HALTING or not RECEIVE_TIMEOUT - 1 < min(times) <= max(times) < RECEIVE_TIMEOUT + 3:
            raise Failure(f"{burden.way.name}: half-sent bodies are not closed in time", rows)
        if burden.answered < SLOW:
            raise Failure(f"{burden.way.name}: slow senders are not answered", rows)
    return rows


def keep_connections(nginx):
    """Lets nginx keep a connection forever. By default it ends one after 1,000 requests."""
    workers = set(nginx.program.children())
    nginx.edit("locations.conf", lambda text: text + f"keepalive_requests {10**9};\n")
    nginx.reload()
    if not eventually(lambda: workers.isdisjoint(nginx.program.children())):
        raise Trouble("nginx did not load its configuration")


def run(setting):
    require("gcc", "libc6-dev")
    fair, rounds, seconds = (1, 3, 1) if setting.short else (10, 20, 2)
    crowd = Crowd(setting.folder)
    with Service(setting.executable, setting.folder, ["--threads", THREADS]) as service:
        responder = service.responder
        keep_connections(service.nginx)
        ways = [Way("direct", service), Way("through nginx", service)]
        for way in ways:  # open what stays open: database connections, buffers, caches
            with Burden(way):
                crowd.run(way, 1)
            if way is ways[0]:
                descriptors = responder.descriptors()  # before nginx opens connections that it keeps
        resident = responder.resident_bytes()
        figures = [("threads, busy clients", f"{THREADS}, {BUSY}")]
        # The kernel distributes connections unevenly among nginx's processes, so the shares differ more.
        for way, least in zip(ways, [0.5, 0.1]):
            say(f"  {way.name}")
            figures += share(way, crowd, fair, least)
            figures += compare(way, crowd, rounds, seconds)
        say("  beyond the timeouts")
        figures += endure(ways, RECEIVE_TIMEOUT + 3 if setting.short else 3 * RECEIVE_TIMEOUT)
        grown = responder.resident_bytes() - resident
        service.nginx.stop()
        left = responder.descriptors() - descriptors
        trouble = [line for line in service.log().splitlines() if '"level":"error"' in line
                   or '"level":"critical"' in line]
        status = responder.stop()
    figures += [("growth of memory", f"{grown / 1e6:.1f} MB, to {(resident + grown) / 1e6:.0f} MB"),
                ("descriptors not released", left)]
    if grown > 8e6 or left > 0:
        raise Failure("memory or descriptors are not released", figures)
    if trouble or status:
        raise Failure(trouble[0] if trouble else f"the responder exited with {status}", figures)
    return figures
