"""Kills the responder (SIGKILL) during writes, starts and stops. Nothing acknowledged may be lost.

Six clients post partners through nginx while the responder is killed repeatedly: mostly after some writes, sometimes
while it starts, sometimes while it stops and empties its write-ahead log. After each round the events must have
everything that was acknowledged, and in the long form `check` must find nothing. At the end the database must match the
ledger, and every idempotency key must give the same answer as before.
"""

import random
import statistics
import time

from ledger import Follower, Ledger, Writers, all_partners, balance
from service import Failure, Service, Trouble, say

KEYS_ASKED_AGAIN = 50


def first_answer(service):
    """Returns the seconds from the start of a responder to its first answer through nginx."""
    client = service.client(timeout=5)
    started = time.monotonic()
    responder = service.start(waits=False)
    while client.request("GET", "/api/health").status != 200:
        if not responder.is_running() or time.monotonic() > started + 30:
            raise Failure("the responder did not start again")
        time.sleep(0.001)
    client.close()
    return time.monotonic() - started


def run(setting):
    rounds = 30 if setting.short else 500
    dice = random.Random(setting.seed)
    ledger, follower = Ledger(), Follower()
    restarts, unsound, lost, strange = [], [], 0, 0
    killed = {"writing": 0, "starting": 0, "stopping": 0}
    with Service(setting.executable, setting.folder) as service:
        staff = service.staff()
        with Writers(ledger, service.staff) as writers:
            for number in range(1, rounds + 1):
                way = dice.choices(["writing", "starting", "stopping"], [7, 2, 1])[0]
                if way == "starting":
                    service.responder.kill()
                    service.start(waits=False)
                    time.sleep(dice.uniform(0, 0.06))
                else:
                    writers.wait_for(dice.randint(1, 15))
                    time.sleep(dice.uniform(0, 0.015))
                if way == "stopping":
                    service.responder.send(15)
                    time.sleep(dice.uniform(0, 0.02))
                service.responder.kill()
                killed[way] += 1
                acknowledged, activated = ledger.snapshot()
                restarts.append(first_answer(service))
                # New posts wait. Otherwise the database would grow faster than it can be checked.
                writers.going.clear()
                missing = follower.follow(staff, acknowledged, activated)
                lost += len(missing)
                with ledger.lock:
                    strange += len(follower.made.keys() - ledger.sent)
                if not setting.short or number % 10 == 0:
                    unsound += filter(None, [service.check()])
                writers.going.set()
                if number % 50 == 0:
                    say(f"  round {number} of {rounds}, {len(ledger.acknowledged)} posts acknowledged")
        if ledger.troubles:
            raise Failure(ledger.troubles[0])
        final = balance(all_partners(staff), *ledger.snapshot(), ledger.sent)
        follower.follow(staff, *ledger.snapshot())
        otherwise = 0
        for email in dice.sample(sorted(ledger.acknowledged), min(KEYS_ASKED_AGAIN, len(ledger.acknowledged))):
            body = {"type": "agent", "company_name": f"Firm of {email}", "email": email,
                    "service_areas": ["MN", "CA"], "agreement_signed_at": "2026-01-01T00:00:00Z", "notes": None}
            answer = staff.request("POST", "/api/admin/partners", body, {"Idempotency-Key": email})
            otherwise += (answer.status, answer.json.get("id")) != (201, ledger.acknowledged[email])
        unsound += filter(None, [service.check()])
    figures = [
        ("killed while writing, starting, stopping", ", ".join(map(str, killed.values()))),
        ("posts acknowledged, partners made active", f"{len(ledger.acknowledged)}, {len(ledger.activated)}"),
        ("posts and PUTs repeated", ledger.resent),
        ("of these posts, stored before the kill and replayed", ledger.replayed),
        ("acknowledged, missing after a kill", lost),
        ("present, never sent", strange),
        ("duplicate events", follower.twice),
        *[(f"at the end: {label}", value) for label, value in final.figures()],
        (f"of {KEYS_ASKED_AGAIN} keys repeated, answered differently", otherwise),
        ("check found something", f"{len(unsound)} times"),
        ("from start to the first answer, median", f"{statistics.median(restarts) * 1000:.0f} ms"),
        ("from start to the first answer, worst", f"{max(restarts) * 1000:.0f} ms"),
    ]
    if lost or strange or follower.twice or not final or otherwise or unsound:
        raise Failure((unsound or ["the database is not what the ledger says"])[0], figures)
    if len(ledger.acknowledged) < rounds:
        raise Trouble("too few posts were acknowledged for this to show anything")
    return figures
