"""Runs Tests/conformance as each role, with several seeds and hundreds of requests for each operation.

A run that ends without its last line counts as a failure. The short form does nothing, since .ci/run runs
Tests/conformance with one seed.
"""

import os
import re
import subprocess
import time

from service import PROJECT, Failure, say

ROLES = ["staff", "member", "partner", "nobody"]
SEEDS, EXAMPLES = 5, 500


def run(setting):
    if setting.short:
        return [("not run", ".ci/run runs it with one seed")]
    rows, failed = [], []
    for role in ROLES:
        generated, started = 0, time.monotonic()
        findings = []
        for seed in range(setting.seed, setting.seed + SEEDS):
            say(f"  {role}, seed {seed}")
            output = os.path.join(setting.folder, f"{role}-{seed}")
            with open(output, "w") as file:
                code = subprocess.run(
                    [PROJECT / "Tests/conformance", role], stdout=file, stderr=file,
                    env={**os.environ, "TOMI_EXECUTABLE": setting.executable, "TOMI_SEED": str(seed),
                         "TOMI_EXAMPLES": str(EXAMPLES)}).returncode
            with open(output, errors="replace") as file:
                text = file.read()
            generated += sum(int(number) for number in re.findall(r"^\s*(\d+) generated", text, re.MULTILINE))
            if code or f"Conformance: no findings as {role} (seed {seed})" not in text:
                say(text[-4000:])
                findings.append(f"seed {seed}: exit {code}")
        rows.append((f"{role}: seeds, requests", f"{SEEDS}, {generated:,} in {time.monotonic() - started:.0f} s"))
        rows.append((f"{role}: findings", "; ".join(findings) or 0))
        failed += [f"{role}, {finding}" for finding in findings]
    if failed:
        raise Failure("; ".join(failed), rows)
    return rows
