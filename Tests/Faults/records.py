"""Sends hostile FastCGI records to the responder's socket. Each connection must get what a model predicts, and no more.

Each case is one connection, generated at random from its number and the seed: valid, truncated, interleaved and
mislabelled requests with false lengths, perhaps damaged, sent whole or in pieces, and ended, reset or left open. A
model of the specification and of the service's limits predicts from the same bytes which records must come back. Many
cases hide the records of a complete request that creates a partner with a staff token in a body, a parameter, a padding
or another request. That partner may exist afterwards only if the model finds the request on the wire itself.
"""

import collections
import dataclasses
import errno
import json
import random
import select
import socket
import time

import fastcgi
from fastcgi import ABORT_REQUEST, BEGIN_REQUEST, GET_VALUES, PARAMS, STDIN, begin, pair, pairs, record, size, stream
from service import Failure, Service, say

# The service's limits: Server.Configuration and RequestFramer.Limits.
PARAMETERS, BODY = 131_072, 65_536
REQUEST = PARAMETERS + BODY + (128 << 10)
RECEIVE_TIMEOUT = 10
# Seconds within which a connection that has sent everything must be answered and closed.
PROMPT = 5
AT_ONCE = 24
HEALTH, NOTHING, PARTNERS = "/api/health", "/api/nothing", "/api/admin/partners"
VALUES = [b"FCGI_MAX_CONNS", b"FCGI_MAX_REQS", b"FCGI_MPXS_CONNS"]


# MARK: What must come back

@dataclasses.dataclass
class Asked:
    """A request that must be served."""
    request_id: int
    variables: list
    body: bytes | None  # None above the limit

    def last(self, name):
        return next((value.decode(errors="replace") for key, value in reversed(self.variables) if key == name), "")

    @property
    def email(self):
        """The address of the partner that it creates, if it is one of our requests."""
        try:
            return json.loads(self.body)["email"] if self.body else None
        except (ValueError, TypeError, KeyError):
            return None


def model(sent):
    """Returns what a responder must do with these bytes: the requests and replies in order, and then whether it closes
    the connection ("closed"), waits for the rest of a request ("incomplete") or for the next one ("idle")."""
    replies, at = [], 0
    phase, active, keeps, parameters, body, kept = None, 0, False, b"", b"", 0
    body_size = 0

    def end(request_id, status):
        replies.append((fastcgi.END_REQUEST, request_id, status))

    while (one := fastcgi.next_record(sent, at)) is not None:
        if one.version != 1:
            return replies, "closed"
        length, at = 8 + len(one.content), one.end
        if one.type == BEGIN_REQUEST:
            if one.request_id == 0 or len(one.content) != 8 or phase and one.request_id == active:
                return replies, "closed"
            if phase:
                end(one.request_id, fastcgi.CANT_MULTIPLEX)
                continue
            active, keeps = one.request_id, one.content[2] & 1
            if one.content[:2] == b"\0\1":
                phase, parameters, body, body_size, kept = PARAMS, b"", b"", 0, length
                continue
            end(active, fastcgi.UNKNOWN_ROLE)
        elif one.request_id == 0 and one.type == GET_VALUES:
            try:
                names = {name for name, _ in fastcgi.read_pairs(one.content)}
            except fastcgi.Malformed:
                return replies, "closed"
            replies.append((fastcgi.GET_VALUES_RESULT, 0, [name for name in VALUES if name in names]))
            continue
        elif one.request_id == 0:
            replies.append((fastcgi.UNKNOWN_TYPE, 0, one.type))
            continue
        elif not phase or one.request_id != active:
            continue
        elif one.type == ABORT_REQUEST:
            end(active, fastcgi.REQUEST_COMPLETE)
            phase = None
        elif one.type == PARAMS == phase:
            kept += length
            parameters += one.content
            if len(parameters) > PARAMETERS or kept > REQUEST:
                return replies, "closed"
            if one.content:
                continue
            try:
                variables = fastcgi.read_pairs(parameters)
            except fastcgi.Malformed:
                return replies, "closed"
            if any(0 in name + value or b"=" in name for name, value in variables):
                return replies, "closed"
            phase = STDIN
            continue
        elif one.type == STDIN == phase:
            body_size += len(one.content)
            if body_size <= BODY:
                body += one.content
                kept += length
            if kept > REQUEST:
                return replies, "closed"
            if one.content:
                continue
            said = [value for name, value in variables if name == b"CONTENT_LENGTH" and value]
            if not all(value.isdigit() and int(value) == body_size for value in said):
                return replies, "closed"
            replies.append(Asked(active, variables, body if body_size <= BODY else None))
            phase = None
        else:
            return replies, "closed"
        if not keeps:
            return replies, "closed"
    if len(sent) >= at + 8 and sent[at] != 1:  # known from the header alone
        return replies, "closed"
    return replies, "incomplete" if phase or at < len(sent) else "idle"


def statuses(asked, token):
    """Returns the HTTP statuses that a request may be answered with."""
    method, target = asked.last(b"REQUEST_METHOD"), asked.last(b"REQUEST_URI")
    tokens = [value for name, value in asked.variables if name == b"HTTP_AUTHORIZATION"]
    if (method, target) == ("GET", HEALTH):
        return {413} if asked.body is None else {200}
    if method == "GET" and target.startswith(NOTHING):
        return {404}
    if (method, target.partition("?")[0]) in [("GET", PARTNERS), ("POST", PARTNERS)]:
        if tokens != [f"Bearer {token}".encode()]:
            return {400} if len(tokens) > 1 else {401}
        if asked.body is None:
            return {413}
        if target == f"{PARTNERS}?limit=1" and method == "GET":
            return {200}
        return {201, 400, 409, 415, 422} if method == "POST" else {200, 400}
    return {200, 201, 204, 304, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422}


def check(expected, received, token):
    """Compares what came back with the model; returns the e-mail addresses of the partners that were created."""
    found, output, made = collections.deque(expected), collections.defaultdict(bytes), []
    for one in fastcgi.records(received):
        if one.type == fastcgi.STDERR and not one.content:
            continue
        if one.type == fastcgi.STDOUT:
            output[one.request_id] += one.content
            continue
        if not found:
            raise fastcgi.Malformed(f"an unexpected record of type {one.type} arrived")
        wanted = found.popleft()
        if isinstance(wanted, Asked):
            if (one.type, one.request_id) != (fastcgi.END_REQUEST, wanted.request_id) or one.content[4]:
                raise fastcgi.Malformed(f"{wanted} was not ended: {one}")
            status = judge(wanted, output.pop(one.request_id, b""), token)
            if status == 201:
                made.append(wanted.email)
            continue
        kind, request_id, detail = wanted
        if one.type == fastcgi.GET_VALUES_RESULT:
            got = [name for name, _ in fastcgi.read_pairs(one.content)]
        else:
            got = one.content[4] if one.type == fastcgi.END_REQUEST else one.content[0]
        if (one.type, one.request_id, got) != wanted:
            raise fastcgi.Malformed(f"{one} arrived instead of {wanted}")
    if found:
        raise fastcgi.Malformed(f"no answer arrived for {found[0]}")
    if output:
        raise fastcgi.Malformed("output came that was not ended")
    return made


def judge(asked, output, token):
    """Returns the status of an answer, which must be possible for the request."""
    head, separator, body = output.partition(b"\r\n\r\n")
    if not separator or not head.startswith(b"Status: "):
        raise fastcgi.Malformed(f"not a CGI answer: {output[:200]!r}")
    status = int(head[8:11])
    if status not in statuses(asked, token):
        raise fastcgi.Malformed(f"{status} is not a valid answer to {asked}: {body[:300]!r}")
    if status == 404 and asked.last(b"REQUEST_URI").isascii():
        problem = json.loads(body)
        if problem["instance"] != asked.last(b"REQUEST_URI").partition("?")[0] \
                or problem["request_id"] != asked.last(b"REQUEST_ID"):
            raise fastcgi.Malformed(f"{asked} got the answer of another request: {body!r}")
    return status


# MARK: Cases

class Case:
    """One connection: its bytes, the pieces in which they are sent, and how it ends."""

    def __init__(self, seed, number, token, ending=None):
        self.number = number
        self.dice = random.Random(f"{seed}:{number}")
        self.token = token
        self.forgeries = 0
        dice = self.dice
        self.bytes = b"".join(self.piece() for _ in range(dice.choice([1, 1, 1, 2, 3])))
        if dice.random() < 0.4:
            self.bytes = self.damaged(self.bytes)
        # "end": ends its sending. "reset": closes at some byte, with unread answers. "hang": stays open.
        self.ending = ending or dice.choices(["end", "reset"], [12, 1])[0]
        if self.ending == "reset":
            self.bytes = self.bytes[:dice.randint(0, len(self.bytes))]
        count = dice.choice([0, 0, 1, 3, 8, 20])
        cuts = sorted(dice.randint(0, len(self.bytes)) for _ in range(count))
        self.pieces = [self.bytes[start:end] for start, end in zip([0, *cuts], [*cuts, len(self.bytes)]) if start < end]

    def target(self):
        """A path that does not exist: the problem in the answer names the path and the request."""
        return f"{NOTHING}/{self.number}/{self.dice.randrange(1000)}"

    def forged(self, request_id=1):
        """The records of a request that creates a partner as staff."""
        self.forgeries += 1
        body = json.dumps({"type": "cpa", "company_name": "Forged",
                           "email": f"forged-{self.number}-{self.forgeries}@canary.example"}).encode()
        return fastcgi.request("POST", PARTNERS, body, self.token, request_id)

    def plain(self):
        """The variables and the body of a valid request."""
        dice = self.dice
        name, body = f"{self.number}-{dice.randrange(1000)}", b""
        kind = dice.randrange(5)
        if kind == 0:
            return fastcgi.variables("GET", HEALTH, request_id=name), body
        if kind == 1:
            token = dice.choice([None, self.token, "tomi_" + "x" * 43])
            return fastcgi.variables("GET", f"{PARTNERS}?limit=1", token=token, request_id=name), body
        if kind == 2:
            body = dice.randbytes(dice.choice([1, 10, 1000, 20_000]))
        if kind == 3:
            body = self.forged(dice.choice([1, 1, 2]))
        return fastcgi.variables("GET", self.target(), body, request_id=name), body

    def whole(self, variables, body, request_id=None, parameters=None):
        """A request of these parts, split into records and padded at random."""
        dice = self.dice
        request_id = request_id or dice.choice([1, 1, 1, 2, 255, 256, 65535])
        parameters = pairs(variables) if parameters is None else parameters
        padding = dice.choice([b"", b"", b"\0" * 7, dice.randbytes(dice.randrange(256)), self.forged()[:255]])
        return begin(request_id, dice.random() < 0.85) + b"".join(
            stream(kind, request_id, content, dice.choice([65535, 65535, 8192, 100, max(1, len(content) // 3)]),
                   padding)
            for kind, content in [(PARAMS, parameters), (STDIN, body)])

    def piece(self):
        return self.dice.choices(*PIECES)[0](self)

    def right(self):
        return self.whole(*self.plain())

    def lying_length(self):
        """CONTENT_LENGTH and the body disagree."""
        dice = self.dice
        variables, _ = self.plain()
        body = dice.choice([b"", b"x" * 50, self.forged()])
        lie = dice.choice([len(body) + 1, len(body) - 1, -1, -len(body), 0, len(body) + 65536, 2**31, 2**32 + len(body),
                           2**63, 2**64 + len(body), f"+{len(body)}", f" {len(body)}", f"{len(body)} ", "x", "0x10",
                           f"0{len(body)}", f"{len(body)}.0", "1e2", "", "\u0661", len(body)])
        said = [(b"CONTENT_LENGTH", str(lie).encode())]
        rest = [item for item in variables if item[0] != b"CONTENT_LENGTH"]
        if dice.random() < 0.4:
            said.insert(dice.randrange(2), (b"CONTENT_LENGTH", str(len(body)).encode()))
        return self.whole(rest + said, body) + dice.choice([b"", self.forged()])

    def forging(self):
        """A request that hides another one."""
        dice = self.dice
        variables, _ = self.plain()
        inner = self.forged(dice.choice([1, 1, 2]))
        way = dice.randrange(5)
        if way == 0:
            variables.append((dice.choice([b"HTTP_COOKIE", b"HTTP_X", b""]), inner))
            return self.whole([item for item in variables if item[0] != b"CONTENT_LENGTH"], b"")
        if way == 1:  # in the records of a request that never began
            return begin(1) + stream(PARAMS, 1, pairs(variables)) + record(STDIN, 7, inner) + record(STDIN)
        if way == 2:  # after the last request of the connection
            return begin(1, keep=False) + stream(PARAMS, 1, pairs(variables)) + record(STDIN) + inner
        if way == 3:  # a length that leaves the hidden request outside its record
            return begin(1) + stream(PARAMS, 1, pairs(variables)) + record(STDIN, 1, inner, length=0)
        named = [(b"REMOTE_USER", b"sam@tomi.example"), (b"AUTHORIZATION", f"Bearer {self.token}".encode()),
                 (b"Http_Authorization", f"Bearer {self.token}".encode())]
        return self.whole(fastcgi.variables("GET", f"{PARTNERS}?limit=1") + named, b"")

    def odd_parameters(self):
        """Parameters that are truncated, repeated, far too long, or not text."""
        dice = self.dice
        variables, body = self.plain()
        right = pairs(variables)
        return self.whole([], body, parameters=dice.choice([
            lambda: right[:dice.randrange(len(right) + 1)],
            lambda: right + size(2**31 - 1 - dice.randrange(3)) + size(dice.choice([0, 2**31 - 1])),
            lambda: right + size(1) + size(2**31 - 1) + b"A",
            lambda: size(dice.randrange(200), wide=True) + right,
            lambda: right + right,
            lambda: pairs(variables + dice.choices(variables, k=3)),
            lambda: right + pairs([(b"HTTP_AUTHORIZATION", f"Bearer {self.token}".encode())] * 2),
            lambda: right + pair(b"A\0B", b"x") + pair(b"A", b"x\0REMOTE_USER=sam"),
            lambda: right + pair(b"A=B", b"x"),
            lambda: right + pair(b"", b"") * dice.randrange(500),
            lambda: right + pair(dice.randbytes(9).replace(b"\0", b"").replace(b"=", b""), b"\xff\xfe\xed\xa0\x80"),
            lambda: right + pair(b"HTTP_X", b"y" * dice.choice([127, 128, 60_000, PARAMETERS])),
            lambda: pairs([(name, dice.choice([value, b"", dice.randbytes(5)])) for name, value in variables]),
            lambda: dice.randbytes(dice.randrange(300)),
        ])())

    def disorder(self):
        """Records in an order or of a type that no web server sends."""
        dice = self.dice
        variables, body = self.plain()
        parts = [begin(1), stream(PARAMS, 1, pairs(variables)), stream(STDIN, 1, body)]
        way = dice.randrange(7)
        if way == 0:
            dice.shuffle(parts)
        elif way == 1:
            parts.insert(dice.randrange(4), record(ABORT_REQUEST, dice.choice([1, 1, 2]), dice.randbytes(2)))
        elif way == 2:
            parts.insert(dice.randrange(4), begin(dice.choice([0, 1, 2, 3])))
        elif way == 3:
            parts.insert(dice.randrange(4), record(dice.randrange(256), dice.randrange(3), dice.randbytes(5)))
        elif way == 4:
            parts[0] = begin(1, role=dice.choice([0, 2, 3, 4, 256, 65535]), keep=dice.random() < 0.5)
        elif way == 5:
            parts[dice.randrange(3)] = b""
        else:  # two requests with alternating records
            other = self.forged(2)
            both = [[one[:] for one in whole] for whole in (split(b"".join(parts)), split(other))]
            parts = []
            while both[0] or both[1]:
                turn = both[dice.randrange(2)]
                if turn:
                    parts.append(turn.pop(0))
        return b"".join(parts)

    def asking(self):
        """FCGI_GET_VALUES and other records that belong to no request."""
        dice = self.dice
        asked = pairs([(dice.choice([*VALUES, b"FCGI_MAX_CONNS" * 20, b"", b"X"]), dice.choice([b"", b"1" * 200]))
                       for _ in range(dice.choice([0, 1, 3, 100]))])
        if dice.random() < 0.2:
            asked += dice.choice([b"\xff", size(2**31 - 1) + b"\0", b"\x05\0ab"])
        kind = dice.choice([GET_VALUES] * 5 + [0, 2, 10, 11, 255])
        return record(kind, 0, asked, dice.randbytes(dice.choice([0, 3, 255]))) + dice.choice([b"", self.right()])

    def too_much(self):
        """A body at the limit and above it, or many small records."""
        dice = self.dice
        if dice.random() < 0.1:
            variables = [*fastcgi.variables("GET", self.target()), (b"HTTP_X", b"y" * 60_000)]
            return begin(1) + stream(PARAMS, 1, pairs(variables), dice.choice([1, 2, 3])) + record(STDIN)
        inner = self.forged()
        body = inner.ljust(BODY + dice.choice([-1, 0, 1, 1000, 50_000]), b"\0")
        variables = fastcgi.variables(*dice.choice([("GET", HEALTH), ("POST", PARTNERS), ("GET", self.target())]), body,
                                      dice.choice([None, self.token]))
        return self.whole(variables, body)

    def noise(self):
        return self.dice.randbytes(self.dice.choice([1, 7, 8, 9, 100, 1000]))

    def damaged(self, sent):
        """The bytes with a little damage."""
        dice = self.dice
        changed = bytearray(sent)
        for _ in range(dice.choice([1, 1, 2, 5])):
            if not changed:
                break
            at = dice.randrange(len(changed))
            way = dice.randrange(7)
            if way == 0:
                changed[at] = dice.randrange(256)
            elif way == 1:
                changed[at] ^= 1 << dice.randrange(8)
            elif way == 2:
                del changed[at:]
            elif way == 3:
                del changed[at:at + dice.randrange(1, 40)]
            elif way == 4:
                changed[at:at] = dice.randbytes(dice.randrange(1, 40))
            elif way == 5:
                changed[at:at] = changed[at:at + dice.randrange(1, 200)]
            else:  # in a record's header
                starts, start = [], 0
                while (one := fastcgi.next_record(changed, start)) is not None:
                    starts.append(start)
                    start = one.end
                if starts:
                    at = dice.choice(starts) + dice.choice([0, 1, 2, 3, 4, 5, 6])
                    changed[at] = dice.choice([0, 1, 2, 4, 5, 127, 128, 255])
        return bytes(changed)


def split(sent):
    """The bytes of each record."""
    parts, start = [], 0
    while (one := fastcgi.next_record(sent, start)) is not None:
        parts.append(sent[start:one.end])
        start = one.end
    return parts


PIECES = ([Case.right, Case.lying_length, Case.forging, Case.odd_parameters, Case.disorder, Case.asking, Case.too_much,
           Case.noise], [20, 15, 15, 20, 20, 8, 1, 3])


# MARK: Connections

class Visit:
    """A case in progress: a non-blocking connection."""

    def __init__(self, case, path):
        self.case = case
        self.unsent = collections.deque(case.pieces)
        self.received = bytearray()
        self.sent = self.ended = None  # when everything was sent, and when the connection ended
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PROMPT)
        self.socket.connect(path)
        self.socket.setblocking(False)

    def step(self, events):
        """Sends a piece and receives; returns whether the connection has ended."""
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            try:
                arrived = self.socket.recv(1 << 16)
                self.received += arrived
                if not arrived:
                    return True
            except BlockingIOError:
                pass
            except ConnectionResetError:
                return True
        if events & select.EPOLLOUT and self.unsent:
            try:
                piece = self.unsent.popleft()
                count = self.socket.send(piece)
                if count < len(piece):
                    self.unsent.appendleft(piece[count:])
            except BlockingIOError:
                self.unsent.appendleft(piece)
            except OSError as error:
                if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                    raise
                self.unsent.clear()  # It refused the rest. Its earlier answers can still be read.
        return self.case.ending == "reset" and not self.unsent

    def interests(self):
        """Returns what epoll must watch for. Ends the sending once everything is sent."""
        if self.unsent or self.case.ending == "reset":
            return select.EPOLLIN | select.EPOLLOUT
        self.sent = time.monotonic()
        if self.case.ending == "end":
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # It is already closed.
        return select.EPOLLIN


class Throng:
    """Many visits at a time, in one epoll set."""

    def __init__(self, path):
        self.path = path
        self.epoll = select.epoll()
        self.visits = {}

    def admit(self, case):
        visit = Visit(case, self.path)
        self.visits[visit.socket.fileno()] = visit
        self.epoll.register(visit.socket, visit.interests())

    def ended(self):
        """Waits for events; returns the visits that have ended."""
        ended = []
        for descriptor, events in self.epoll.poll(0.1):
            visit = self.visits[descriptor]
            had_unsent = bool(visit.unsent)
            if visit.step(events):
                visit.ended = time.monotonic()
                self.dismiss(visit)
                ended.append(visit)
            elif had_unsent and not visit.unsent:
                self.epoll.modify(visit.socket, visit.interests())
        return ended

    def dismiss(self, visit):
        del self.visits[visit.socket.fileno()]
        visit.socket.close()

    def close(self):
        for visit in list(self.visits.values()):
            self.dismiss(visit)
        self.epoll.close()


class Trial:
    """The cases of a run against one service, and the partners that they created."""

    def __init__(self, setting, service):
        self.seed, self.service = setting.seed, service
        self.kinds = collections.Counter()
        self.made, self.possible = set(), set()
        self.slowest = 0.0

    def fault(self, case, text):
        """Returns a failure with everything that is needed to repeat the case."""
        return Failure(f"{text}\nseed {self.seed}, case {case.number} ({case.ending}), in pieces of "
                       f"{[len(piece) for piece in case.pieces]} bytes:\n{case.bytes.hex()}")

    def conclude(self, visit):
        case = visit.case
        expected, state = model(case.bytes)
        asked = [one for one in expected if isinstance(one, Asked)]
        self.kinds["requests served"] += len(asked)
        if case.ending == "reset":
            self.possible |= {one.email for one in asked if one.email}
            self.kinds["reset at some byte"] += 1
            return
        self.kinds["served, then waiting" if state == "idle" else f"{state} request" if state == "incomplete"
                   else "closed by the responder"] += 1
        try:
            self.made |= set(check(expected, bytes(visit.received), self.service.token))
        except (fastcgi.Malformed, ValueError, KeyError, IndexError) as error:
            raise self.fault(case, str(error)) from error

    def run(self, numbers):
        """Sends cases, a few dozen at a time, and checks each."""
        throng, numbers = Throng(self.service.socket), iter(numbers)
        try:
            while True:
                while len(throng.visits) < AT_ONCE and (number := next(numbers, None)) is not None:
                    throng.admit(Case(self.seed, number, self.service.token))
                if not throng.visits:
                    return
                for visit in throng.ended():
                    if visit.sent:
                        self.slowest = max(self.slowest, visit.ended - visit.sent)
                    self.conclude(visit)
                for visit in throng.visits.values():
                    if visit.sent and time.monotonic() > visit.sent + PROMPT:
                        raise self.fault(visit.case, f"neither answered nor closed within {PROMPT} seconds")
                if not self.service.responder.is_running():
                    raise Failure("the responder exited during one of these cases: "
                                  + ", ".join(str(visit.case.number) for visit in throng.visits.values()))
        finally:
            throng.close()

    def hang(self, numbers):
        """Leaves connections open after the last byte. Those in the middle of a request must be closed in time."""
        throng = Throng(self.service.socket)
        waited = []
        try:
            for number in numbers:
                throng.admit(Case(self.seed, number, self.service.token, "hang"))
            end = time.monotonic() + RECEIVE_TIMEOUT + 3
            while throng.visits and time.monotonic() < end:
                for visit in throng.ended():
                    if model(visit.case.bytes)[1] == "incomplete":
                        waited.append(visit.ended - visit.sent)
                    self.conclude(visit)
            for visit in throng.visits.values():
                if visit.case.bytes and model(visit.case.bytes)[1] != "idle":
                    raise self.fault(visit.case, "was not closed in time")
                self.conclude(visit)
        finally:
            throng.close()
        if waited and min(waited) < RECEIVE_TIMEOUT - 1:
            raise Failure(f"an unfinished request was closed after only {min(waited):.1f} seconds")
        return waited


def everything(staff):
    """Returns the e-mail addresses of all partners."""
    path, found = f"{PARTNERS}?limit=100", set()
    while path:
        answer = staff.expect(200, "GET", path).json
        found |= {partner["email"] for partner in answer["data"]}
        path = answer["has_more"] and f"{PARTNERS}?limit=100&cursor={answer['next_cursor']}"
    return found


def stir(service):
    """Sends many requests at once, so that each thread opens the database connection that it keeps."""
    for _ in range(20):
        connections = [socket.socket(socket.AF_UNIX) for _ in range(64)]
        for connection in connections:
            connection.connect(service.socket)
        for connection in connections:
            connection.sendall(fastcgi.request("GET", f"{PARTNERS}?limit=1", token=service.token))
        for connection in connections:
            connection.recv(1)
            connection.close()


def read(log):
    """The lines of the log that tell of trouble, and how many connections it says ended abnormally, by reason."""
    errors, ends = [], collections.Counter()
    for line in log.splitlines():
        one = json.loads(line)
        if one["message"] == "connections of the web server ended abnormally":
            ends.update({key: value for key, value in one.items() if isinstance(value, int)})
        elif one["level"] not in ("info", "notice"):
            errors.append(line)
    return errors, ends


def run(setting):
    count, warm, hanging = (5_000, 1_000, 100) if setting.short else (100_000, 10_000, 400)
    with Service(setting.executable, setting.folder, ["--threads", "4"]) as service:
        trial, responder = Trial(setting, service), service.responder
        before = everything(service.staff())
        stir(service)
        trial.run(range(warm))
        descriptors = responder.descriptors()
        resident = responder.resident_bytes()
        started = time.monotonic()
        for first in range(warm, count, 10_000):
            trial.run(range(first, min(first + 10_000, count)))
            say(f"  {min(first + 10_000, count):,} of {count:,} cases")
        rate = (count - warm) / (time.monotonic() - started)
        grown = responder.resident_bytes() - resident
        waited = trial.hang(range(count, count + hanging))
        left = responder.descriptors() - descriptors
        # Compare all partners, since a damaged byte may have been in an address.
        present = everything(service.staff()) - before
        stopped = responder.stop()
        errors, ends = read(service.log())
        unsound = service.check()
    forged, missing = present - trial.made - trial.possible, trial.made - present
    figures = [
        ("connections", f"{count + hanging:,}, {rate:,.0f} a second"),
        *[(label, f"{number:,}") for label, number in trial.kinds.most_common()],
        ("different from the model", 0),
        ("slowest to be answered or closed", f"{trial.slowest * 1000:.0f} ms"),
        ("unfinished requests left open, closed after", f"{len(waited)}, {min(waited):.1f} to {max(waited):.1f} s"),
        ("ended abnormally, as the log says", ", ".join(f"{number:,} {reason}" for reason, number in ends.most_common())),
        ("requests that created a partner, as predicted", f"{len(trial.made):,}"),
        ("forged partners", len(forged)),
        ("growth of memory after the first cases", f"{grown / 1e6:.1f} MB, to {(resident + grown) / 1e6:.0f} MB"),
        ("descriptors not released", left),
        ("exit status at the end", stopped),
    ]
    if forged or missing:
        raise Failure(f"forged partners: {sorted(forged)[:5]}; lost: {sorted(missing)[:5]}", figures)
    if errors:
        raise Failure(f"{len(errors)} warnings or errors in the log, such as {errors[0][:300]}", figures)
    closed = ends["refused"] + ends["malformed_request"]
    if ends["receive_timeout"] < len(waited) or not 0 < closed <= trial.kinds["closed by the responder"]:
        raise Failure("the log does not count the connections that ended abnormally", figures)
    if grown > 8e6 or left > 0:
        raise Failure("memory or descriptors are not released", figures)
    if stopped or unsound:
        raise Failure(unsound or f"the responder exited with {stopped}", figures)
    return figures
