"""Fills the disk, breaks it, and removes the log. Reads must go on, and nothing may be lost without notice.

1. A full file system (a small tmpfs), and files that may not grow (RLIMIT_FSIZE, whose SIGXFSZ kills an unprepared
   process): changes get 503 with Retry-After, reads 200. Changes work again without a restart once there is space.
2. A broken file system (an ext4 with an aborted journal is read-only, as after an I/O error): the service may exit with
   75. Started again, it answers reads, and changes with 503. The repaired file system has everything acknowledged.
3. A write-ahead log that is removed or truncated while the service is stopped: the next start reports it, serves what
   is left, and reuses no event's number.

mount(2) needs root. Without it, those parts are reported as not run.
"""

import contextlib
import os
import random
import subprocess

from ledger import PARTNERS, Follower, Ledger, Writers, all_partners, balance
from service import Failure, Service, Trouble, eventually, say

REFUSALS = 20
IN_DOUBT = 75


def can_mount(folder):
    point = f"{folder}/probe"
    os.makedirs(point)
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", point], capture_output=True).returncode:
        return False
    subprocess.run(["umount", point], check=True)
    return True


@contextlib.contextmanager
def mounted(point, *words):
    os.makedirs(point, exist_ok=True)
    result = subprocess.run(["mount", *words, point], capture_output=True, text=True)
    if result.returncode:
        raise Trouble(f"mount {' '.join(words)}: {result.stderr.strip()}")
    try:
        yield
    finally:
        # A process that was just killed may still have files open.
        eventually(lambda: subprocess.run(["umount", point], capture_output=True).returncode == 0, 10, 0.1)


def post_until_refused(service, ledger, name):
    """Posts until REFUSALS posts were refused. Each refusal must be correct, and reads must go on."""
    client, refused = service.staff(), 0
    for number in range(3000):
        email = f"{name}0-{number}@ledger.example"
        ledger.sent.add(email)
        answer = client.request("POST", PARTNERS, {
            "type": "agent", "company_name": f"Firm of {email}", "email": email, "notes": "n" * 8000})
        if answer.status == 201:
            ledger.acknowledged[email] = answer.json["id"]
            continue
        expect_refusal(answer)
        refused += 1
        for path in ["/api/admin/partners?limit=5", "/api/coverage/MN", "/api/health", "/api/partners?q=firm"]:
            if (status := client.request("GET", path).status) != 200:
                raise Failure(f"GET {path} was answered with {status} while nothing could be written")
        if refused == REFUSALS:
            return number + 1 - refused
    raise Trouble("the disk was not full after 3,000 posts")


def expect_refusal(answer):
    if answer.status != 503 or not (answer.headers["Retry-After"] or "").isdecimal():
        raise Failure(f"a change that could not be written was answered with {answer.status}, "
                      f"Retry-After {answer.headers['Retry-After']}: {answer.body[:200]!r}")


def expect_balance(service, ledger, what):
    """Compares partners and events with the ledger; check must find nothing."""
    found = balance(all_partners(service.staff()), *ledger.snapshot(), ledger.sent)
    follower = Follower()
    missing = follower.follow(service.staff(), *ledger.snapshot())
    if not found or missing or follower.twice:
        raise Failure(f"{what}: {found}, {len(missing)} missing in the events, {follower.twice} duplicated")
    if unsound := service.check():
        raise Failure(f"{what}: check found {unsound}")


def no_room(setting, name, data=None, wrapper=(), fill=None, make_room=None):
    """Returns the figures of a run in which space runs out and returns, while clients keep trying."""
    folder, ledger = f"{setting.folder}/{name}", Ledger()
    os.makedirs(folder, exist_ok=True)
    with Service(setting.executable, folder, data=data, wrapper=wrapper) as service:
        responder = service.responder
        with Writers(ledger, service.staff, 3, name="a") as writers:
            writers.wait_for(20)
            if fill:
                fill(service)
            taken = post_until_refused(service, ledger, "b")
            make_room(service)
            writers.wait_for(20)
        if ledger.troubles:
            raise Failure(f"{name}: {ledger.troubles[0]}")
        if service.responder is not responder or not responder.is_running():
            raise Failure(f"{name}: the responder exited")
        expect_balance(service, ledger, f"{name}, with space again")
        responder.kill()
        service.start(wrapper=())
        expect_balance(service, ledger, f"{name}, after kill -9")
    label = {"full": "full file system", "limit": "RLIMIT_FSIZE"}[name]
    return [(f"{label}: big posts accepted, refused with 503", f"{taken}, {REFUSALS}"),
            (f"{label}: posts acknowledged in total; missing, unknown, duplicated", f"{len(ledger.acknowledged)}; 0")]


def full_file_system(setting):
    point = f"{setting.folder}/small"
    filler = f"{point}/filler"

    def fill(_):
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    with mounted(point, "-t", "tmpfs", "-o", "size=24m", "tmpfs"):
        return no_room(setting, "full", data=point, fill=fill, make_room=lambda _: os.remove(filler))


def file_size_limit(setting):
    def lift(service):
        subprocess.run(["prlimit", "--pid", str(service.responder.pid), "--fsize=unlimited:"], check=True)

    return no_room(setting, "limit", wrapper=["prlimit", "--fsize=2500000:"], make_room=lift)


def broken_file_system(setting):
    folder, ledger = f"{setting.folder}/broken", Ledger()
    image, point = f"{folder}/image", f"{folder}/data"
    os.makedirs(folder)
    with open(image, "wb") as file:
        file.truncate(96 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    with mounted(point, "-o", "loop", image), Service(setting.executable, folder, data=point) as service:
        writers = Writers(ledger, service.staff, 3, patience=3)
        with writers:
            writers.wait_for(60)
            subprocess.run(["mount", "-o", "remount,abort", point], check=True)
            client = service.staff()
            ended = eventually(lambda: not service.responder.is_running(), 2)
            if ended:
                if service.responder.process.returncode != IN_DOUBT:
                    raise Failure(f"the responder exited with {service.responder.process.returncode}")
                service.start()
            for number in range(REFUSALS):
                expect_refusal(client.request("PUT", "/api/admin/coverage/MN/cpa", {"status": "coming_soon"}))
                client.expect(200, "GET", "/api/health")
            # Each client abandons its request, which is expected here.
        acknowledged, activated = ledger.snapshot()
        before = balance(all_partners(client), acknowledged, activated, ledger.sent)
        if service.log().count("cannot be written") != 1:
            raise Failure("the log does not say that the database is read-only")
        if (status := service.responder.stop()) != 0:
            raise Failure(f"the responder on a read-only file system exited with {status}")
    # Mounting it replays its journal, as after a crash.
    with mounted(point, "-o", "loop", image), Service(setting.executable, f"{folder}/again", data=point) as service:
        expect_balance(service, ledger, "on the repaired file system")
        service.staff().expect(200, "PUT", "/api/admin/coverage/MN/cpa", {"status": None})
    if not before:
        raise Failure(f"on the broken file system: {before}")
    return [("broken file system: exited with 75 and was started again", "yes" if ended else "no, it kept running"),
            ("broken file system: changes refused with 503", REFUSALS),
            ("broken file system: posts acknowledged; missing on it, after the repair", f"{len(acknowledged)}; 0, 0")]


def last_number(client):
    follower = Follower()
    follower.follow(client, {"nobody": "nobody"}, set())
    return follower.number


def lost_log(setting):
    dice, rounds = random.Random(setting.seed), 4 if setting.short else 40
    folder = f"{setting.folder}/lost"
    os.makedirs(folder)
    noticed = reused = lost = 0
    with Service(setting.executable, folder) as service:
        for number in range(rounds):
            # A clean stop empties the log, so that it holds everything that follows.
            service.responder.stop()
            service.start()
            ledger, before = Ledger(), len(all_partners(service.staff()))
            with Writers(ledger, service.staff, 4, name=f"r{number}n") as writers:
                writers.wait_for(15)
            known = last_number(service.staff())
            service.responder.kill()
            log = f"{service.database}-wal"
            if number % 2:
                os.truncate(log, dice.randrange(os.path.getsize(log) - 4096))
            else:
                os.remove(log)
            logged = os.path.getsize(service.log_path)
            service.start()
            text = service.log(logged)
            noticed += text.count('"level":"critical"') == 1 and f'"expected":{known}' in text
            partners = all_partners(service.staff())
            ours = [partner for partner in partners if partner["email"] in ledger.sent]
            lost += len(ledger.acknowledged) - len(ours)
            if len(partners) - len(ours) != before:
                raise Failure("a truncated log lost changes that were not in it")
            with Writers(ledger, service.staff, 1, name=f"s{number}n") as writers:
                writers.wait_for(1)
            if ledger.troubles:
                raise Failure(ledger.troubles[0])
            events = service.staff().expect(200, "GET", f"/api/admin/events?limit=100&after={known}").json["data"]
            reused += not any(event["kind"] == "partner.created" for event in events)
            logged = os.path.getsize(service.log_path)
            service.responder.kill()
            service.start()
            if "critical" in service.log(logged):
                raise Failure("a reported loss was reported again")
            if unsound := service.check():
                raise Failure(f"after a log was {'truncated' if number % 2 else 'removed'}: {unsound}")
    figures = [
        ("logs removed or truncated; noticed at the next start", f"{rounds}; {noticed}"),
        ("posts lost with them", lost), ("event numbers reused", reused)]
    if noticed != rounds or reused or not lost:
        raise Failure("a lost log was not noticed, or event numbers were reused", figures)
    return figures


def run(setting):
    figures = file_size_limit(setting) + lost_log(setting)
    if can_mount(setting.folder):
        return figures + full_file_system(setting) + broken_file_system(setting)
    say("  mount is not permitted here: the full and the broken file system are not tested")
    return [*figures, ("full and broken file system", "not run: mount is not permitted here")]
