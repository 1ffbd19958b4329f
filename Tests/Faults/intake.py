"""Runs libFuzzer on the code that splits a connection's bytes into requests and gives them to libfcgi.

The sources of FastCGI are compiled with intake.swift, libFuzzer and AddressSanitizer. The same requests must be found
wherever the bytes are split, libfcgi must read each as it was found, and no access may leave their memory.
"""

import os
import pathlib
import re
import subprocess
import sys

import fastcgi
from service import PROJECT, Failure, Trouble, say

SECONDS, SECONDS_SHORT = 180, 10
# The most bytes of an input: enough for several requests, and to exceed each of intake.swift's limits.
LONGEST = 4096


def examples():
    """Returns the seeds of the mutations: one of each kind in the specification."""
    parameters = fastcgi.pairs([(b"REQUEST_METHOD", b"POST"), (b"CONTENT_LENGTH", b"4"), (b"A", b"b" * 200)])
    request = fastcgi.begin() + fastcgi.stream(fastcgi.PARAMS, 1, parameters, 50, b"\0" * 5) \
        + fastcgi.stream(fastcgi.STDIN, 1, b"body", padding=b"\0")
    null = [fastcgi.record(fastcgi.GET_VALUES, 0, fastcgi.pairs([(b"FCGI_MAX_CONNS", b""), (b"FCGI_MPXS_CONNS", b"")])),
            fastcgi.record(99, 0)]
    return [fastcgi.request("GET", "/"), request, request * 2, request + null[0], *null, fastcgi.begin(role=2),
            fastcgi.begin() + fastcgi.record(fastcgi.ABORT_REQUEST) + request,
            request[:-8] + fastcgi.begin(2) + request[-8:],
            fastcgi.request("POST", "/", b"x" * 600), fastcgi.request("POST", "/", request, request_id=300)]


def sources(target):
    return sorted((PROJECT / "Sources" / target).glob("*.swift"))


def run(setting):
    program, corpus = f"{setting.folder}/intake", f"{setting.folder}/corpus"
    os.mkdir(corpus)
    for number, example in enumerate(examples()):
        with open(f"{corpus}/{number}", "wb") as file:
            file.write(bytes([7 * number]) + example)
    say("  compiling")
    # swift-http-types as SwiftPM builds it.
    subprocess.run(["swift", "build", "--target", "HTTPTypes"], stdout=sys.stderr, cwd=PROJECT, check=True)
    built = pathlib.Path(subprocess.run(
        ["swift", "build", "--show-bin-path"], capture_output=True, text=True, cwd=PROJECT, check=True).stdout.strip())
    options = ["swiftc", "-sanitize=fuzzer,address", "-parse-as-library", "-O", "-wmo", "-package-name", "tomi",
               "-swift-version", "6", "-I", setting.folder, "-I", built / "Modules"]
    for command in (
            [*options, "-module-name", "POSIX", "-emit-module", "-emit-object", *sources("POSIX"), "-o", "POSIX.o"],
            [*options, "-I", PROJECT / "Sources/CFastCGI", *sources("FastCGI"), PROJECT / "Tests/Faults/intake.swift",
             "POSIX.o", *sorted((built / "HTTPTypes.build").glob("*.o")), "-o", program]):
        compiled = subprocess.run(command, capture_output=True, text=True, cwd=setting.folder)
        if compiled.returncode:
            raise Trouble(f"intake.swift does not compile: {compiled.stderr[-2000:]}")
    seconds = SECONDS_SHORT if setting.short else SECONDS
    say(f"  fuzzing for {seconds} seconds")
    result = subprocess.run(
        [program, f"-seed={setting.seed}", f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-timeout=10",
         "-rss_limit_mb=1024", "-print_final_stats=1", f"-artifact_prefix={setting.folder}/", corpus],
        capture_output=True, text=True, errors="replace")
    inputs = [name for name in os.listdir(setting.folder) if re.match("(crash|leak|oom|timeout)-", name)]
    if result.returncode or inputs:
        say(result.stderr[-4000:])
        for name in inputs:
            with open(f"{setting.folder}/{name}", "rb") as file:
                say(f"{name}:\n{file.read().hex()}")
        raise Failure(f"libFuzzer exited with {result.returncode}: {', '.join(inputs) or 'no input saved'}")
    runs = int(re.search(r"stat::number_of_executed_units:\s*(\d+)", result.stderr)[1])
    covered = re.findall(r"cov: (\d+)", result.stderr)
    if runs < 100 * seconds:
        raise Trouble(f"{runs} inputs are too few for a test")
    return [("inputs, seconds", f"{runs:,}, {seconds}"),
            ("branches reached, inputs that reach them", f"{covered[-1]}, {len(os.listdir(corpus)):,}"),
            ("misread, crashes, leaks", 0)]
