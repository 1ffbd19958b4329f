"""Traces syncs, and makes writes and syncs fail. Each answer must wait for its sync, and nothing answered may be lost.

First a trace of the responder's system calls must show, for every acknowledged post, the write of its row to the
write-ahead log, the commit frame after it, the completed fdatasync of the log, and only then the answer. This is done
with one client, and with sixteen whose posts share syncs. A program can do no more against power loss.

Then strace makes every write and every sync of the database's files fail, once with EIO and once with ENOSPC: the first
one in a run, the second one in the next, until a run has no more (the short form takes a sample). The service must
answer 503, or exit with 75 and work when it is started again. Everything acknowledged must be there, `check` must find
nothing, and reads must go on while it runs.
"""

import codecs
import collections
import itertools
import os
import re
import subprocess
import time

from ledger import Follower, Ledger, Writers
from service import Failure, Service, Trouble, eventually, say

IN_DOUBT = 75
WRITES = "pwrite64"
SYNCS = "fdatasync"
ANSWERS = "sendto"
# With -D the tracer is a grandchild, so signals and the exit status are the responder's.
STRACE = ["strace", "-D", "-f", "--seccomp-bpf"]

CALL = re.compile(rb"(\d+) +(\w+)\((?:\d+<(.*?)>)?")
RESUMED = re.compile(rb"(\d+) +<\.\.\. (\w+) resumed>")
STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"')
RESULT = re.compile(rb"= (-?\d+)")
EMAIL = re.compile(rb'(?:Firm of |")([a-z]+\d+-\d+@ledger\.example)')


class Call:
    """A system call in a trace, and the lines at which it began and ended."""

    def __init__(self, line, name, path, text):
        self.begin, self.name, self.path, self.text = line, name, path, text
        self.end, self.result = None, None

    @property
    def data(self):
        found = STRING.search(self.text)
        return codecs.escape_decode(found[1])[0] if found else b""

    @property
    def is_commit_frame(self):
        """The frame header that ends a transaction holds the database's size (sqlite.org/fileformat2.html, 4.1)."""
        return self.name == WRITES and len(data := self.data) == 24 and data[4:8] != bytes(4)


def read_trace(path):
    calls, open_calls = [], {}
    with open(path, "rb") as file:
        for line, text in enumerate(file):
            if resumed := RESUMED.match(text):
                call = open_calls.pop((resumed[1], resumed[2]), None)
            elif begun := CALL.match(text):
                call = Call(line, begun[2].decode(), (begun[3] or b"").decode(), text)
                calls.append(call)
                if text.endswith(b"<unfinished ...>\n"):
                    open_calls[begun[1], begun[2]] = call
                    continue
            else:
                continue
            if call:
                result = RESULT.search(text.rpartition(b")")[2])
                call.end, call.result = line, int(result[1]) if result else None
    return calls


def unsynced(calls, log):
    """Returns the addresses answered with 201, and those whose answer began before their commit was synced."""
    on_log = [call for call in calls if call.path == log and call.end is not None]
    first_write, commits, syncs = {}, [], []
    for index, call in enumerate(on_log):
        if call.name == SYNCS and call.result == 0:
            syncs.append(call)
        elif call.is_commit_frame:
            # SQLite writes a frame's page right after its header.
            commits.append(on_log[index + 1])
        elif call.name == WRITES:
            for email in EMAIL.findall(call.data):
                first_write.setdefault(email.decode(), call)
    answered, early = set(), set()
    for call in calls:
        if call.name != ANSWERS or "socket" not in call.path or b"Status: 201" not in (data := call.data):
            continue
        for email in set(EMAIL.findall(data)):
            email = email.decode()
            answered.add(email)
            row = first_write.get(email)
            commit = row and next((commit for commit in commits if commit.begin > row.end), None)
            if not commit or not any(commit.end < sync.begin and sync.end < call.begin for sync in syncs):
                early.add(email)
    return answered, early


def trace_syncs(setting, clients, posts):
    """Returns the figures of a traced run. Each post must be answered after the sync of its commit."""
    folder = f"{setting.folder}/trace{clients}"
    os.makedirs(folder)
    trace = f"{folder}/calls"
    wrapper = [*STRACE, "-y", "-s", "8192", "-o", trace, "-e", f"trace={WRITES},{SYNCS},{ANSWERS}"]
    ledger = Ledger()
    with Service(setting.executable, folder, wrapper=wrapper) as service:
        with Writers(ledger, service.staff, clients) as writers:
            writers.wait_for(posts, 120)
        status = service.responder.stop()
        if status != 0:
            raise Failure(f"the responder exited with {status} after SIGTERM")
        log = os.path.realpath(f"{service.database}-wal")
    eventually(lambda: b"+++ exited" in open(trace, "rb").read()[-4096:])
    calls = read_trace(trace)
    answered, early = unsynced(calls, log)
    acknowledged = set(ledger.acknowledged)
    if acknowledged - answered:
        raise Failure(f"{len(acknowledged - answered)} acknowledged posts are not in the trace")
    # Without its syncs, the same trace must fail.
    without, guilty = unsynced([call for call in calls if call.name != SYNCS], log)
    if guilty != without:
        raise Trouble("the trace also passes without its syncs, so it shows nothing")
    syncs = sum(call.name == SYNCS and call.path == log for call in calls)
    changes = len(acknowledged) + len(ledger.activated)
    who = "1 client" if clients == 1 else f"{clients} clients"
    figures = [
        (f"{who}: posts acknowledged; they and PUTs, syncs of the log", f"{len(acknowledged)}; {changes}, {syncs}"),
        (f"{who}: answers that began before their commit was synced", len(early))]
    os.remove(trace)
    if early:
        raise Failure(f"{len(early)} posts were answered before they were synced", figures)
    return figures


class Injection:
    """Runs in which one write or sync of one of the database's files fails."""

    def __init__(self, service):
        self.service, self.ledger, self.follower = service, Ledger(), Follower()
        self.outcomes = collections.Counter()
        self.unsound, self.lost = [], 0
        self.trace = f"{service.folder}/injected"
        self.runs = 0

    def run(self, call, error, number, paths, rests):
        """Makes the `number`th such call on the paths fail; returns whether there was one. rests: pause until the
        responder has copied its log into the database."""
        service, self.runs = self.service, self.runs + 1
        wrapper = [*STRACE, "-o", self.trace, "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={number}",
                   *itertools.chain(*(("-P", path) for path in paths))]
        logged = os.path.getsize(service.log_path)
        refused = self.ledger.refused
        ended = set()
        service.start(waits=False, wrapper=wrapper)
        self._await_start(ended)
        for name in ["x", "y"] if rests else ["x"]:
            with Writers(self.ledger, service.staff, 2, name=f"{name}{self.runs}n") as writers:
                self._supervise(writers, 1, ended)
            if rests and name == "x":
                time.sleep(1.2)
        if self.ledger.troubles:
            raise Failure(f"{self._what(call, error, number)}: {self.ledger.troubles[0]}")
        status = service.responder.stop()
        if status not in (0, IN_DOUBT):
            raise Failure(f"{self._what(call, error, number)}: exited with {status} after SIGTERM")
        ended.add(status)
        eventually(lambda: b"+++ exited" in open(self.trace, "rb").read()[-200:], 5)
        with open(self.trace, "rb") as file:
            happened = b"(INJECTED)" in file.read()
        service.start()
        staff = service.staff()
        missing = self.follower.follow(staff, *self.ledger.snapshot())
        self.lost += len(missing)
        self.unsound += filter(None, [service.check()])
        if "lost events" in service.log(logged):
            raise Failure(f"{self._what(call, error, number)}: an intact database was reported as one that lost events")
        if missing or self.unsound:
            raise Failure(f"{self._what(call, error, number)}: {len(missing)} are missing; {self.unsound}")
        staff.close()
        service.responder.stop()
        if happened:
            self.outcomes["exited with 75" if IN_DOUBT in ended else "started at the second try" if 1 in ended
                          else "answered 503" if self.ledger.refused > refused else "no effect"] += 1
        return happened

    @staticmethod
    def _what(call, error, number):
        return f"{call} number {number} failed with {error}"

    def _await_start(self, ended):
        """Waits for the first answer. A start that fails because of the fault is repeated without it."""
        client = self.service.client()
        while client.request("GET", "/api/health").status != 200:
            self._restart_if_ended(ended)
            time.sleep(0.002)
        client.close()

    def _restart_if_ended(self, ended):
        """Restarts it as systemd would."""
        if self.service.responder.is_running():
            return
        status = self.service.responder.process.returncode
        if status not in (1, IN_DOUBT):
            raise Failure(f"the responder exited with {status}: {self.service.log()[-300:]}")
        ended.add(status)
        self.service.start(wrapper=())

    def _supervise(self, writers, posts, ended):
        """Waits for acknowledged posts, restarts the responder when it exits, and reads meanwhile."""
        reader = self.service.staff()
        wanted = len(self.ledger.acknowledged) + posts
        end = time.monotonic() + 60
        while any(thread.is_alive() for thread in writers.threads):
            if len(self.ledger.acknowledged) >= wanted:
                writers.over.set()  # Each client finishes its request, which may need a restart.
            if self.ledger.troubles or time.monotonic() > end:
                raise Failure((self.ledger.troubles or ["no write succeeds any more"])[0])
            responder = self.service.responder
            answer = reader.request("GET", "/api/admin/partners?limit=1")
            if answer.status != 200 and not eventually(
                    lambda: not responder.is_running(), 2):
                raise Failure(f"a read was answered with {answer.status} by a responder that kept running")
            self._restart_if_ended(ended)
            time.sleep(0.005)
        reader.close()


def inject(setting):
    """Returns the figures of all runs with a failing write or sync."""
    folder = f"{setting.folder}/inject"
    os.makedirs(folder)
    with Service(setting.executable, folder) as service:
        service.responder.stop()
        injection = Injection(service)
        data, log = os.path.dirname(service.database), f"{service.database}-wal"
        # The log is written at once, the database file only when the log is copied into it.
        places = [(False, [log, f"{service.database}-shm"]), (True, [service.database, data])]
        steps = {WRITES: 61, SYNCS: 4} if setting.short else {WRITES: 1, SYNCS: 1}
        reached = collections.Counter()
        for (rests, paths), call, error in itertools.product(places, [WRITES, SYNCS], ["EIO", "ENOSPC"]):
            numbers = itertools.count(1, steps[call])
            count = sum(1 for _ in itertools.takewhile(lambda n: injection.run(call, error, n, paths, rests), numbers))
            reached[call] += count
            say(f"  {call} of the {'database' if rests else 'log'}, {error}: {count} failed")
    outcomes = ", ".join(f"{name}: {count}" for name, count in sorted(injection.outcomes.items()))
    return [
        ("writes that failed", reached[WRITES]), ("syncs that failed", reached[SYNCS]),
        ("result", outcomes),
        ("posts acknowledged", len(injection.ledger.acknowledged)),
        ("acknowledged, missing", injection.lost),
        ("duplicate events", injection.follower.twice),
        ("check found something", f"{len(injection.unsound)} times")]


def run(setting):
    if subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode:
        raise Failure("strace cannot trace here: ptrace is forbidden, or strace is missing")
    posts = 60 if setting.short else 300
    figures = trace_syncs(setting, 1, posts // 2) + trace_syncs(setting, 16, posts)
    return figures + inject(setting)
