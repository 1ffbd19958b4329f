"""A full disk, a broken one and a log that is gone: changes wait, reads go on, nothing is lost in silence.

1. A full file system (a small tmpfs), and files that may not grow (RLIMIT_FSIZE, whose SIGXFSZ kills who is not ready
   for it): changes are answered 503 with Retry-After, reads 200; with room again, changes work without a restart.
2. A file system that breaks (an ext4 whose journal is aborted, which makes it read-only, as after an I/O error): the
   service may end with 75; started again it answers reads, and changes with 503. On the mended file system everything
   acknowledged is there.
3. A write-ahead log that is removed or cut while nothing runs: the next start says so, serves what is left, and gives
   no event's number a second time.

What needs mount(2) needs root; without it those parts are told as not done.
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
        # Whoever was killed just now may still be letting go of its files.
        eventually(lambda: subprocess.run(["umount", point], capture_output=True).returncode == 0, 10, 0.1)


def post_until_refused(service, ledger, name):
    """Posts until so many were refused; each refusal must be a proper one, and reads must go on beside it."""
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
                raise Failure(f"GET {path} was answered {status} while nothing can be written")
        if refused == REFUSALS:
            return number + 1 - refused
    raise Trouble("3,000 posts found room")


def expect_refusal(answer):
    if answer.status != 503 or not (answer.headers["Retry-After"] or "").isdecimal():
        raise Failure(f"a change that cannot be written was answered {answer.status}, "
                      f"Retry-After {answer.headers['Retry-After']}: {answer.body[:200]!r}")


def expect_balance(service, ledger, what):
    """Compares by the partners themselves and by the events; check must find nothing."""
    found = balance(all_partners(service.staff()), *ledger.snapshot(), ledger.sent)
    follower = Follower()
    missing = follower.follow(service.staff(), *ledger.snapshot())
    if not found or missing or follower.twice:
        raise Failure(f"{what}: {found}, {len(missing)} missing in the events, {follower.twice} twice")
    if unsound := service.check():
        raise Failure(f"{what}: check found {unsound}")


def no_room(setting, name, data=None, wrapper=(), fill=None, make_room=None):
    """Figures of a run in which room ends and comes back, with clients that try again all the while."""
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
            raise Failure(f"{name}: the responder ended")
        expect_balance(service, ledger, f"{name}, with room again")
        responder.kill()
        service.start(wrapper=())
        expect_balance(service, ledger, f"{name}, after kill -9")
    label = {"full": "full file system", "limit": "RLIMIT_FSIZE"}[name]
    return [(f"{label}: big posts taken, refused with 503", f"{taken}, {REFUSALS}"),
            (f"{label}: posts acknowledged in all; missing, strange, doubled", f"{len(ledger.acknowledged)}; 0")]


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
                    raise Failure(f"the responder ended with {service.responder.process.returncode}")
                service.start()
            for number in range(REFUSALS):
                expect_refusal(client.request("PUT", "/api/admin/coverage/MN/cpa", {"status": "coming_soon"}))
                client.expect(200, "GET", "/api/health")
            # Each client gives up what it is at, which here is no trouble.
        acknowledged, activated = ledger.snapshot()
        before = balance(all_partners(client), acknowledged, activated, ledger.sent)
        if service.log().count("cannot be written") != 1:
            raise Failure("a database that cannot be written is served, and the log does not say so")
        if (status := service.responder.stop()) != 0:
            raise Failure(f"the responder on a read-only file system ended with {status}")
    # Its journal is replayed, as after a crash.
    with mounted(point, "-o", "loop", image), Service(setting.executable, f"{folder}/again", data=point) as service:
        expect_balance(service, ledger, "on the mended file system")
        service.staff().expect(200, "PUT", "/api/admin/coverage/MN/cpa", {"status": None})
    if not before:
        raise Failure(f"on the broken file system: {before}")
    return [("broken file system: ended with 75 and was started again", "yes" if ended else "no, it stayed up"),
            ("broken file system: changes refused with 503", REFUSALS),
            ("broken file system: posts acknowledged; missing on it, when mended", f"{len(acknowledged)}; 0, 0")]


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
            # An orderly stop empties the log, so that all of what follows is in it.
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
                raise Failure("a log that was cut took what was not in it")
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
                raise Failure("a loss that was told is told again")
            if unsound := service.check():
                raise Failure(f"after a log was {'cut' if number % 2 else 'removed'}: {unsound}")
    figures = [
        ("logs removed or cut; noticed at the next start", f"{rounds}; {noticed}"),
        ("posts that went with them", lost), ("event numbers given a second time", reused)]
    if noticed != rounds or reused or not lost:
        raise Failure("a lost log was not noticed, or numbers were given again", figures)
    return figures


def run(setting):
    figures = file_size_limit(setting) + lost_log(setting)
    if can_mount(setting.folder):
        return figures + full_file_system(setting) + broken_file_system(setting)
    say("  mount is not permitted here: no full and no broken file system")
    return [*figures, ("full and broken file system", "not done: mount is not permitted here")]
