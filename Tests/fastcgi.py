"""The web server's side of FastCGI (specification 1.0), for programs that use a responder's socket directly."""

import dataclasses

BEGIN_REQUEST, ABORT_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES, GET_VALUES_RESULT, \
    UNKNOWN_TYPE = range(1, 12)
RESPONDER = 1
REQUEST_COMPLETE, CANT_MULTIPLEX, OVERLOADED, UNKNOWN_ROLE = range(4)


class Malformed(Exception):
    """The bytes that arrived are not FastCGI."""


@dataclasses.dataclass
class Record:
    version: int
    type: int
    request_id: int
    content: bytes
    end: int  # where the next one begins


def record(kind, request_id=1, content=b"", padding=b"", version=1, length=None):
    """Returns a record. `length` is a false length of its content."""
    length = len(content) if length is None else length
    return bytes([version, kind, *request_id.to_bytes(2, "big"), *length.to_bytes(2, "big"), len(padding), 0]) \
        + content + padding


def next_record(stream, start=0):
    """The record that begins at `start`, or None if it has not wholly arrived."""
    if len(stream) - start < 8:
        return None
    length = int.from_bytes(stream[start + 4:start + 6], "big")
    end = start + 8 + length + stream[start + 6]
    if end > len(stream):
        return None
    return Record(stream[start], stream[start + 1], int.from_bytes(stream[start + 2:start + 4], "big"),
                  bytes(stream[start + 8:start + 8 + length]), end)


def records(stream):
    """The records of a stream that must be whole."""
    found, start = [], 0
    while start < len(stream):
        one = next_record(stream, start)
        if one is None:
            raise Malformed(f"a record is cut off at byte {start}")
        found.append(one)
        start = one.end
    return found


def size(number, wide=False):
    """The length of a name or a value (section 3.4)."""
    return bytes([number]) if number < 128 and not wide else (number | 1 << 31).to_bytes(4, "big")


def pair(name, value):
    return size(len(name)) + size(len(value)) + name + value


def pairs(items):
    return b"".join(pair(name, value) for name, value in items)


def read_pairs(stream):
    """The names and values of a stream; raises Malformed if a length runs past its end."""
    found, start = [], 0
    while start < len(stream):
        lengths = []
        for _ in range(2):
            wide = start < len(stream) and stream[start] >> 7
            part = stream[start:start + (4 if wide else 1)]
            if len(part) < (4 if wide else 1):
                raise Malformed("a length is cut off")
            lengths.append(int.from_bytes(part, "big") & (1 << 31) - 1 if wide else part[0])
            start += len(part)
        if sum(lengths) > len(stream) - start:
            raise Malformed("a length runs past the end")
        middle = start + lengths[0]
        found.append((stream[start:middle], stream[middle:middle + lengths[1]]))
        start = middle + lengths[1]
    return found


def begin(request_id=1, keep=True, role=RESPONDER):
    return record(BEGIN_REQUEST, request_id, role.to_bytes(2, "big") + bytes([keep, 0, 0, 0, 0, 0]))


def stream(kind, request_id, content, pieces=65535, padding=b""):
    """A whole stream, in records of at most `pieces` bytes, and the empty one that ends it."""
    parts = [content[start:start + pieces] for start in range(0, len(content), pieces)]
    return b"".join(record(kind, request_id, part, padding) for part in [*parts, b""])


def variables(method, target, body=b"", token=None, request_id="direct"):
    """What nginx sends for an HTTP request."""
    items = [(b"REQUEST_METHOD", method), (b"REQUEST_URI", target), (b"REQUEST_ID", request_id),
             (b"CONTENT_LENGTH", str(len(body)))]
    if body:
        items.append((b"CONTENT_TYPE", "application/json"))
    if token:
        items.append((b"HTTP_AUTHORIZATION", f"Bearer {token}"))
    return [(name, value.encode()) for name, value in items]


def request(method, target, body=b"", token=None, request_id=1, keep=True):
    """A whole request as nginx sends one."""
    return begin(request_id, keep) + stream(PARAMS, request_id, pairs(variables(method, target, body, token))) \
        + stream(STDIN, request_id, body)
