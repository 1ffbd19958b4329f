"""Sends absurd JSON bodies, queries and targets to the router in process. None may break the service.

FuzzTests send them to the router; after each refusal the database must be unchanged. The JSON reader is also compared
with Python's: both must refuse a generated text, or both must read the same value. Ours is stricter where documented
(no repeated names, at most 64 levels, no unpaired surrogates, no NaN, no number beyond a double).
"""

import json
import os
import random
import re
import struct
import subprocess
import sys
import time
import unicodedata

from service import PROJECT, Failure, Trouble, say

CASES, CASES_SHORT = 100_000, 5_000
DEPTH = 64
# Valid and invalid examples of each kind.
WORDS = ["null", "true", "false"], ["NaN", "Infinity", "-Infinity", "nul", "True", "undefined", ""]
NUMBERS = [
    "0", "-0", "1", "-1", "1.0", "0.1", "-2.50", "1e0", "1E5", "1e+2", "100e-2", "1e308", "5e-324", "2e-324", "1e-400",
    "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "9223372036854775807.5", "18446744073709551616", "0." + "3" * 400, "1" * 309, "4.35", "1e23",
], ["01", "-01", "1.", ".5", "1e", "1e+", "--1", "+1", "-", "1_0", "0x10", "1e309", "-1e309", "1" * 400]
TEXTS = [
    "", "a", "é", "e\u0301", "😀", "\0", "\x7f", "\u2028", "\ufeff", "\ufffd", "ß" * 50,
], ["\ud800", "\udc00"]
ESCAPES = ["\\ud83d\\ude00", "\\u0000", "\\/", "\\b", "\\u00E9", "\\uFFFF"], [
    "\\x41", "\\u12", "\\u12g4", "\\", "\\'", "\\U0041", "\\ud83d\\u0041", "\\ud83d", "\\ude00\\ud83d", "\t", "\x01",
    "\\u+123"]
SPACES = ["", "", "", "", " ", "\n", "\t", "\r\n", "  "], ["\u00a0", "\v", "\f", "/**/", "\ufeff", "\0"]


class Texts:
    """Generates texts that are JSON, or almost."""

    def __init__(self, seed):
        self.dice = random.Random(seed)

    def pick(self, kind):
        """Returns a valid example, or rarely an invalid one."""
        return self.dice.choice(kind[self.dice.random() < 0.01])

    def space(self):
        return self.pick(SPACES)

    def string(self):
        parts = []
        for _ in range(self.dice.randrange(4)):
            way = self.dice.randrange(5)
            parts.append(self.pick(ESCAPES) if way == 0
                         else json.dumps(self.pick(TEXTS), ensure_ascii=way < 3)[1:-1])
        return '"' + "".join(parts) + '"'

    def listed(self, items):
        comma = self.space() + "," + self.space()
        return self.space() + comma.join(items) + self.space()

    def value(self, depth=0):
        dice = self.dice
        kind = dice.randrange(9 if depth < 4 else 6) if depth else dice.choice([0, 2, 4, 6, 6, 7, 8, 8, 8])
        if kind < 2:
            return self.pick(NUMBERS) if dice.random() < 0.7 else repr(
                dice.choice([dice.random(), dice.getrandbits(70), dice.uniform(-1e300, 1e300)]))
        if kind < 4:
            return self.string()
        if kind < 6:
            return self.pick(WORDS)
        if kind == 6 and dice.random() < 0.03:
            opening, closing = dice.choice([("[", "]"), ('{"":[', "]}")])
            levels = (DEPTH - depth + dice.choice([-1, 0, 0, 1, 1, 500])) // len(closing)
            return opening * levels + closing * levels
        items = [self.value(depth + 1) for _ in range(dice.choice([0, 1, 2, 3, 5]))]
        if kind < 8:
            return "[" + self.listed(items) + "]"
        return "{" + self.listed([self.string() + self.space() + ":" + self.space() + item for item in items]) + "}"

    def text(self):
        """Returns the next text as bytes."""
        dice = self.dice
        made = (self.space() + self.value() + self.space()).encode("utf-8", "surrogatepass")
        if dice.random() < 0.05:
            made = b"\xef\xbb\xbf" + made
        if dice.random() < 0.6:
            return made
        changed = bytearray(made)
        for _ in range(dice.choice([1, 1, 2])):
            at = dice.randrange(len(changed) + 1)
            way = dice.randrange(5)
            if way == 0:
                del changed[at:]
            elif way == 1:
                del changed[at:at + 1]
            elif way == 2:
                changed[at:at] = dice.choice(b'{}[],:"\\0-.eE \n\x00\x1f\x7f\x80\xc0\xff').to_bytes(1, "big")
            elif way == 3 and at < len(changed):
                changed[at] = dice.randrange(256)
            else:
                changed[at:at] = changed[max(0, at - 3):at]
        return bytes(changed)


class Refused(Exception):
    pass


def refuse(text):
    raise Refused(text)


def members(pairs):
    if len({name for name, _ in pairs}) < len(pairs):
        raise Refused("a repeated name")
    return dict(pairs)


def check_marks(text):
    """Refuses more than 30 combining marks in a row."""
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character)[0] == "M" or unicodedata.combining(character) else 0
        if marks > 30:
            raise Refused("too many marks")


def notation(value, depth=0):
    """Returns the value as ReferenceTests.swift writes it."""
    if isinstance(value, (list, dict)) and depth >= DEPTH:
        raise Refused("too deep")
    if isinstance(value, list):
        return "[" + ",".join(notation(one, depth + 1) for one in value) + "]"
    if isinstance(value, dict):
        for name in value:
            check_marks(name)
        return "{" + ",".join(f"{name.encode().hex()}:{notation(one, depth + 1)}" for name, one in value.items()) + "}"
    if isinstance(value, str):
        check_marks(value)
        return "s" + value.encode().hex()  # raises on an unpaired surrogate
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int) and -2**63 <= value < 2**63:
        return f"i{value}"
    number = float(value)  # raises on an integer beyond a double
    if number in (float("inf"), float("-inf")):
        raise Refused("too large")
    # An integer beyond Int64 stays a number, although as a double it may be an integer that fits.
    if isinstance(value, float) and number.is_integer() and -2**63 <= number < 2**63:
        return f"i{int(number)}"
    return f"d{struct.unpack('>Q', struct.pack('>d', number))[0]:x}"


def reading(text):
    """Returns the value that Python reads. It refuses a byte-order mark, so the first one is taken away."""
    try:
        return notation(json.loads(text.removeprefix(b"\xef\xbb\xbf").decode(), parse_constant=refuse, object_pairs_hook=members))
    except (Refused, ValueError, OverflowError, RecursionError):
        return "refused"


def run(setting):
    count = CASES_SHORT if setting.short else CASES
    sys.set_int_max_str_digits(0)
    texts = Texts(setting.seed)
    accepted = 0
    path = os.path.join(setting.folder, "texts")
    with open(path, "w") as file:
        for _ in range(count):
            text = texts.text()
            read = reading(text)
            accepted += read != "refused"
            file.write(f"{text.hex()}\t{read}\n")
    if not count / 5 < accepted < count * 4 / 5:
        raise Trouble(f"{accepted} valid texts of {count} are too few or too many for a test")
    say("  building and running FuzzTests and ReferenceTests")
    started = time.monotonic()
    output = os.path.join(setting.folder, "output")
    with open(output, "w") as file:
        result = subprocess.run(
            ["swift", "test", "--package-path", PROJECT, "--disable-xctest", "--filter", "FuzzTests|ReferenceTests"],
            stdout=file, stderr=file, env={**os.environ, "TOMI_FUZZ_CASES": str(count), "TOMI_SEED": str(setting.seed),
                                           "TOMI_JSON_CASES": path})
    with open(output, errors="replace") as file:
        lines = file.read().splitlines()
    ran = next((line for line in lines if re.search(r"Test run with \d+ tests?", line)), None)
    findings = [line for line in lines if "recorded an issue" in line]
    figures = [
        ("bodies, queries and targets, of each", f"{count:,}"),
        ("JSON texts, of them valid", f"{count:,}, {accepted:,}"),
        ("failed, changed by a refusal, or misread", len(findings)),
        ("tests, including the build", f"{time.monotonic() - started:.0f} s"),
    ]
    if result.returncode and (findings or ran):
        say("\n".join((findings or lines)[-30:]))
        raise Failure((findings or [ran])[0][:500], figures)
    if result.returncode or not ran:
        say("\n".join(lines[-20:]))
        raise Trouble("could not build or run the tests")
    return figures
