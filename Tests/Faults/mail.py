"""Breaks mail programs, locks the database and kills `mail`. No letter may be lost, or repeated without a kill.

1. Mail programs that fail in every way that they can. The long form waits for one that hangs, which takes a minute.
2. A database that is locked while a letter is in hand: the result must be noted later, also if `mail` is told to stop.
3. `mail` is killed (SIGKILL) repeatedly: before a hand-over, during one, and before its result is noted. Each letter
   must arrive, and a kill may repeat one, with the same Message-ID and the same bytes.
4. `mail --watch`: it must notice changes, run alone, end after the letter in hand, and rest in between.
"""

import collections
import contextlib
import dataclasses
import os
import pathlib
import random
import re
import signal
import statistics
import subprocess
import time
import uuid

from outbox import (
    MESSAGES, OPTIONS, WITH_CODE, Letter, invite, mail, mail_program, make_due, message, message_id, messages, seconds,
    wait_while, writing)
from service import Failure, Program, Service, Trouble, eventually, say

# The minutes between the attempts to hand a letter over.
RETRIES = [1, 5, 30, 120, 720]
# The seconds that a mail program has. No option changes them.
PATIENCE = 60
# The seconds for which the database is locked: longer than a change waits for the lock.
LOCKED = 10
# The seconds for which mail --watch rests.
REST = 10


# --- 1. Mail programs that fail ---


def failures(setting, service):
    """Each program gets a letter. What is tried again must be the same letter."""
    folder = setting.folder
    kept = pathlib.Path(folder, "kept")
    kept.mkdir()
    # The address is the last argument: -i -f SENDER -- ADDRESS
    good = mail_program(folder, "good", f'cat >{kept}/"$5"')
    paths = {"missing": f"{folder}/no-such-program", "not-executable": f"{folder}/empty", "directory": folder}
    pathlib.Path(folder, "empty").touch()
    # The status of the message afterwards, and the reason that staff sees.
    ends = {
        "missing": ("queued", f"cannot start {paths['missing']}: No such file or directory"),
        "not-executable": ("queued", f"cannot start {paths['not-executable']}: Permission denied"),
        "directory": ("queued", f"cannot start {paths['directory']}: Permission denied")}
    for name, body, *end in [
            ("exit75", "echo first >&2; echo >&2; echo 'later, please' >&2; exit 75", "queued",
             "exit status 75 (EX_TEMPFAIL): first / later, please"),
            ("exit69", "exit 69", "queued", "exit status 69 (EX_UNAVAILABLE)"),
            ("exit1", "exit 1", "queued", "exit status 1"),
            ("killed", f'cat >{kept}/"$5".killed; kill -KILL $$', "queued", "signal 9 (Killed)"),
            ("endless", "exec yes", "queued", "exit status 1: y / y / y"),
            ("exit67", "printf 'no such user\\r\\nhere' >&2; exit 67", "failed", "exit status 67 (EX_NOUSER): no such user / here"),
            ("exit64", "exit 64", "failed", "exit status 64 (EX_USAGE)"),
            ("exit65", "exit 65", "failed", "exit status 65 (EX_DATAERR)"),
            ("exit68", "exit 68", "failed", "exit status 68 (EX_NOHOST)"),
            ("exit77", "exit 77", "failed", "exit status 77 (EX_NOPERM)"),
            ("reads-nothing", "exec 0<&-; exit 0", "sent", None),
            ("endless-at-first", "yes; exit 0", "sent", None),
            ("goes-on", f"sleep 600 & echo $! >{kept}/goes-on.pids", "sent", None)]:
        paths[name], ends[name] = mail_program(folder, name, body), tuple(end)
    if not setting.short:
        # Neither it nor what it starts ends by itself.
        paths["hangs"] = mail_program(
            folder, "hangs", f"trap '' TERM; sleep 1000 & echo $$ $! >{kept}/hangs.pids; while :; do sleep 0.1; done")
        ends["hangs"] = ("queued", f"{paths['hangs']} did not end within {PATIENCE} s")
    again, took = 0, {}
    try:
        for name, end in ends.items():
            started = time.monotonic()
            expect_end(service, name, paths[name], *end)
            took[name] = time.monotonic() - started
            if end[0] == "queued":
                expect_again(service, name, good, kept)
                again += 1
        if (kept / "killed@mail.example").read_bytes() != (kept / "killed@mail.example.killed").read_bytes():
            raise Failure("the letter of a program that was killed is another one the second time")
        running = {path.stem for path, pid in left_behind(kept) if is_running(pid)}
        if running != {"goes-on"}:
            raise Failure(f"what a program started should run on only for goes-on: {running}")
    finally:
        for _, pid in left_behind(kept):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    hung = f"{took['hangs']:.1f} s" if "hangs" in took else f"not run: it takes {PATIENCE} s"
    return [("mail programs that fail or are odd; letters tried again", f"{len(ends)}; {again}"),
            ("one with endless output ended after", f"{took['endless']:.1f} s"),
            ("one that hangs was ended after", hung),
            schedule(service, paths["exit75"], good, kept)]


def expect_end(service, name, program, status, reason):
    """Hands over a new message, and expects it to have a status and a reason afterwards."""
    staff, address = service.staff(), f"{name}@mail.example"
    invite(staff, address)
    mail(service, program, expected=0 if status == "sent" else 1)
    row = message(staff, to=address)
    if (row["status"], row["last_error"], row["attempts"]) != (status, reason, 1):
        raise Failure(f"after {name} the message is {row}")


def expect_again(service, name, program, kept):
    """The message must wait for its time, and then it must be the same letter."""
    address = f"{name}@mail.example"
    mail(service, program)
    if (kept / address).exists():
        raise Failure(f"after {name} the letter was handed over again before its time")
    make_due(service)
    mail(service, program)
    row = message(service.staff(), to=address)
    if (row["status"], row["attempts"], row["last_error"]) != ("sent", 2, None) or not (kept / address).exists():
        raise Failure(f"the second attempt after {name} left {row}")
    letter = Letter((kept / address).read_bytes())
    if letter.id != message_id(row) or letter.text != row["text"]:
        raise Failure(f"the second attempt after {name} handed over {letter.bytes!r:.1000}")


def left_behind(kept):
    """The processes that programs noted, each with the file of the note."""
    return [(path, int(pid)) for path in kept.glob("*.pids") for pid in path.read_text().split()]


def is_running(pid):
    """Whether the process is there and has not ended (proc_pid_stat(5))."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def schedule(service, failing, good, kept):
    """A letter that no program takes: its attempts follow at their times, and after the last one it has failed."""
    staff, address = service.staff(), "never@mail.example"
    invite(staff, address)
    waits = []
    for number in range(len(RETRIES) + 1):
        before = time.time()
        mail(service, failing, expected=1)
        after, row = time.time(), message(staff, to=address)
        if row["attempts"] != number + 1 or row["status"] != ("queued" if number < len(RETRIES) else "failed"):
            raise Failure(f"after attempt {number + 1} the message is {row}")
        if row["status"] == "queued":
            due = seconds(row["due_at"]) - 60 * RETRIES[number]
            # The database has whole milliseconds.
            if not before - 0.001 <= due <= after:
                raise Failure(f"after attempt {number + 1} the message is due at {row['due_at']}")
            waits.append(RETRIES[number])
            make_due(service)
    mail(service, good)
    if (kept / address).exists():
        raise Failure("a message that had failed was handed over")
    return ("minutes between the attempts, after which it failed", ", ".join(map(str, waits)))


# --- 2. A locked database ---


def locked_database(setting, service):
    """Others lock the database while a letter is in hand. Its result must be noted, also if `mail` is told to stop."""
    staff, folder = service.staff(), setting.folder
    letters, hold = pathlib.Path(folder, "letters"), pathlib.Path(folder, "hold")
    program = mail_program(folder, "slow", f"cat >>{letters}; {wait_while(hold)}")
    figures = []
    for told_to_stop in (False, True):
        hold.touch()
        letters.unlink(missing_ok=True)
        address = f"locked{told_to_stop:d}@mail.example"
        invite(staff, address)
        mailer = Program([service.executable, "mail", "--watch", *OPTIONS, "--sendmail", program, "--database",
                          service.database], service.log_path)
        try:
            if not eventually(letters.exists):
                raise Failure("mail did not hand the letter over")
            with writing(service):
                hold.unlink()
                if not eventually(lambda: not mailer.children()):
                    raise Failure("mail did not wait for the mail program")
                if told_to_stop:
                    mailer.send(signal.SIGTERM)
                time.sleep(LOCKED)
                if (row := message(staff, to=address))["status"] != "sending":
                    raise Failure(f"the message of a locked database is {row}")
            freed = time.monotonic()
            eventually(lambda: message(staff, to=address)["status"] == "sent" or not mailer.is_running(), 30)
            noted = time.monotonic() - freed
            code = mailer.stop()
        finally:
            hold.unlink(missing_ok=True)
            mailer.kill()
        mail(service, program)
        row, copies = message(staff, to=address), letters.read_bytes().count(b"\nMessage-ID: ")
        figures.append((f"locked for {LOCKED} s{', and told to stop' * told_to_stop}: noted after; exit status; copies",
                        f"{noted:.1f} s; {code}; {copies}"))
        if (code, copies, row["status"], row["attempts"]) != (0, 1, "sent", 1):
            raise Failure(f"mail exited with {code}, {copies} copies arrived, and the message is {row}", figures)
    return figures


# --- 3. Kills ---


class Journal:
    """A mail program that keeps each letter as a file and notes when it began and ended, with pauses in between."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder, "journal")
        self.folder.mkdir()
        self.notes = self.folder / "notes"
        self.notes.touch()
        self.program = mail_program(folder, "keeps", f"""
            pause() {{ printf -v seconds '0.%03d' $((RANDOM % 21)); sleep $seconds; }}
            name=$EPOCHREALTIME.$$
            echo "begun $name $EPOCHREALTIME" >>{self.notes}
            pause
            cat >{self.folder}/"$name"
            pause
            echo "ended $name $EPOCHREALTIME" >>{self.notes}""", shell="/bin/bash")

    def times(self):
        """When each hand-over began and ended, by name."""
        times = collections.defaultdict(dict)
        for line in self.notes.read_text().splitlines():
            event, name, moment = line.split()
            times[name][event] = float(moment)
        return times

    def is_running(self):
        """Whether a hand-over goes on, with or without the `mail` that began it."""
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if self.program.encode() in path.read_bytes():
                    return True
        return False

    def wait_for(self, event, mailer):
        """Waits for the next note of an event, while mail runs."""
        start = self.notes.stat().st_size
        while mailer.is_running():
            with open(self.notes) as file:
                file.seek(start)
                if event in file.read():
                    return
            time.sleep(0.0005)

    def letter(self, name):
        return Letter((self.folder / name).read_bytes())

    def letters(self):
        """The letters by Message-ID, each with its copies in the order of their hand-overs."""
        letters = collections.defaultdict(list)
        for name in sorted(self.times()):
            letter = self.letter(name)
            letters[letter.id].append(letter)
        return letters


def kills(setting, service):
    rounds = 60 if setting.short else 200
    dice, staff, nobody = random.Random(setting.seed), service.staff(), service.client()
    journal = Journal(setting.folder)
    command = [service.executable, "mail", *OPTIONS, "--sendmail", journal.program, "--database", service.database]
    killed = collections.Counter()
    for number in range(20):
        person = str(uuid.uuid4())
        address = f"user{number}@mail.example"
        staff.expect(201, "PUT", f"/api/admin/users/{person}", {"email": address, "name": f"User {number}"})
        nobody.expect(202, "POST", "/api/sign-in", {"email": address})
        nobody.expect(202, "POST", "/api/coverage/ND/cpa/waitlist", {"email": address})
    for number in range(rounds):
        for extra in range(2):
            invite(staff, f"kill{number}-{extra}@mail.example")
        begun = time.time()
        mailer = Program(command, service.log_path)
        way = dice.choices(["any time", "in a hand-over", "between two"], [1, 4, 5])[0]
        if way == "any time":
            time.sleep(dice.uniform(0, 0.2))
        elif way == "in a hand-over":
            journal.wait_for("begun", mailer)
            time.sleep(dice.uniform(0, 0.06))
        else:
            journal.wait_for("ended", mailer)
            time.sleep(dice.uniform(0, 0.015))
        was_running = mailer.is_running()
        mailer.kill()
        moment = time.time()
        # The mail program goes on.
        if not eventually(lambda: not journal.is_running()):
            raise Failure("a mail program did not end")
        if any("ended" not in times for times in journal.times().values()):
            raise Failure("a mail program was ended together with mail")
        killed[stage(staff, journal, begun, moment) if was_running else "too late"] += 1
        if number % 50 == 49:
            say(f"  kill {number + 1} of {rounds}")
    say(f"  the rest: {len(messages(staff, status='queued'))} messages")
    subprocess.run(command, check=True, capture_output=True)
    # nginx has closed connections that were not used meanwhile.
    staff = service.staff()
    rows, letters = messages(staff), journal.letters()
    names = {message_id(row): row for row in rows}
    repeated = sum(len(copies) - 1 for copies in letters.values())
    figures = [
        *[(f"killed {place}", count) for place, count in sorted(killed.items())],
        ("letters; missing, never sent", f"{len(rows)}; {len(names.keys() - letters)}, {len(letters.keys() - names)}"),
        ("repeated letters; of them with a code",
         f"{repeated}; {sum(len(letters[name]) - 1 for name, row in names.items() if row['kind'] in WITH_CODE)}"),
    ]
    if unsent := [row for row in rows if row["status"] != "sent"]:
        raise Failure(f"after the last run a message is {unsent[0]}", figures)
    if names.keys() != letters.keys() or repeated > rounds:
        raise Failure("the letters are not those of the messages, or more were repeated than kills", figures)
    for name, row in names.items():
        text = staff.expect(200, "GET", f"{MESSAGES}/{row['id']}").json["text"]
        for letter in letters[name]:
            if text is not None and letter.text != text or not letter.text.endswith("\nTomi\n"):
                raise Failure(f"half a letter: {letter.bytes!r:.1000}", figures)
        if len({letter.without_codes if row["kind"] in WITH_CODE else letter.bytes for letter in letters[name]}) > 1:
            raise Failure(f"the copies of {name} differ: {[letter.bytes for letter in letters[name]]!r:.3000}", figures)
    use_codes(service.client(), names, letters)
    if killed["during a hand-over"] + killed["before the note"] < rounds / 3:
        raise Trouble("too few kills met a letter in hand")
    return figures


def stage(staff, journal, begun, moment):
    """Where a letter was when `mail`, which ran since the time `begun`, was killed."""
    sending = messages(staff, status="sending")
    if not sending:
        return "without a letter in hand"
    for name, times in journal.times().items():
        if times["begun"] > begun and sending[0]["id"] in journal.letter(name).id:
            return "during a hand-over" if times["ended"] > moment else "before the note"
    return "before a hand-over"


def use_codes(client, names, letters):
    """Uses the codes of all copies. The reader may open any of them, but a link for signing in works only once."""
    for name, row in names.items():
        copies = letters[name]
        if row["kind"] == "sign_in":
            client.expect(200, "POST", "/api/sign-in/code", {"code": copies[0].code("code")})
            for letter in copies:
                client.expect(410, "POST", "/api/sign-in/code", {"code": letter.code("code")})
        elif row["kind"] == "waitlist.confirm":
            for letter in copies:
                client.expect(204, "POST", "/api/waitlist/confirm", {"code": letter.code("confirm")})


# --- 4. mail --watch ---


class Watch:
    """`mail --watch` with a program that adds each letter to a file named by its address, and ends when it may."""

    def __init__(self, setting, service):
        self.service = service
        self.folder = pathlib.Path(setting.folder, "watch")
        self.folder.mkdir()
        self.hold = self.folder / "hold"
        program = mail_program(setting.folder, "watched", f'cat >>{self.folder}/"$5"; {wait_while(self.hold)}')
        self.command = [service.executable, "mail", *OPTIONS, "--sendmail", program, "--database", service.database]
        self.start()

    def start(self):
        logged = os.path.getsize(self.service.log_path)
        self.mailer = Program([*self.command, "--watch"], self.service.log_path)
        if not eventually(lambda: '"message":"started"' in self.service.log(logged)):
            raise Failure("mail --watch did not start")

    def copies(self, address):
        path = self.folder / address
        return path.read_bytes().count(b"\nMessage-ID: ") if path.exists() else 0

    def expect(self, address):
        """Invites a partner; returns the seconds until its letter arrives."""
        started = time.monotonic()
        invite(self.service.staff(), address)
        if not eventually(lambda: self.copies(address), 30) or not self.mailer.is_running():
            raise Failure(f"mail --watch did not hand the letter to {address} over")
        return time.monotonic() - started

    def expect_sent(self, address):
        """Waits until the message is sent. Its letter must have arrived once."""
        staff = self.service.staff()
        if not eventually(lambda: message(staff, to=address)["status"] == "sent", 30, 0.1) or self.copies(address) != 1:
            raise Failure(f"{self.copies(address)} copies to {address}: {message(staff, to=address)}")


def counters(pid):
    """The bytes that a process has read, and of them from the disk (proc_pid_io(5)), and its CPU time in ticks."""
    with open(f"/proc/{pid}/io") as file:
        io = dict(line.split(": ") for line in file.read().splitlines())
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(io["rchar"]), int(io["read_bytes"]), int(fields[11]) + int(fields[12])


def watching(setting, service):
    watch = Watch(setting, service)
    try:
        return [*woken(setting, watch), *at_rest(watch), *stopped(watch), *restarted(watch), *restored(setting, watch)]
    finally:
        watch.hold.unlink(missing_ok=True)
        watch.mailer.kill()


def woken(setting, watch):
    """It notices changes, and is alone."""
    dice, waits = random.Random(setting.seed), []
    for number in range(5 if setting.short else 20):
        time.sleep(dice.uniform(0, 1))
        waits.append(watch.expect(f"wait{number}@mail.example"))
    for options in [["--watch"], []]:
        second = subprocess.run([*watch.command, *options], capture_output=True, text=True)
        if second.returncode != 1 or "another `tomi-referrals mail`" not in second.stderr:
            raise Failure(f"a second mail {options} exited with {second.returncode}: {second.stderr}")
    return [("from a change to its letter, median; longest", f"{statistics.median(waits):.1f} s; {max(waits):.1f} s"),
            ("a second one says", second.stderr.strip())]


def at_rest(watch):
    """It reads nothing from the disk while nothing changes."""
    before = counters(watch.mailer.pid)
    time.sleep(REST)
    characters, disk, ticks = (now - then for now, then in zip(counters(watch.mailer.pid), before))
    figures = [(f"at rest for {REST} s: read; of that from the disk; CPU time",
                f"{characters:,} bytes; {disk:,}; {1000 * ticks / os.sysconf('SC_CLK_TCK'):.0f} ms")]
    if disk:
        raise Failure("mail --watch reads from the disk while nothing changes", figures)
    return figures


def stopped(watch):
    """It is told to stop with a letter in hand and another one waiting."""
    staff = watch.service.staff()
    watch.hold.touch()
    watch.expect("in-hand@mail.example")
    invite(staff, "next@mail.example")
    watch.mailer.send(signal.SIGTERM)
    time.sleep(1)
    if not watch.mailer.is_running():
        raise Failure("mail --watch did not wait for the letter in hand")
    watch.hold.unlink()
    code = watch.mailer.stop()
    rows = [message(staff, to=f"{local}@mail.example")["status"] for local in ("in-hand", "next")]
    if code != 0 or rows != ["sent", "queued"]:
        raise Failure(f"mail --watch exited with {code} and left the messages {rows}")
    watch.start()
    for local in ("in-hand", "next"):
        watch.expect_sent(f"{local}@mail.example")
    return [("told to stop with a letter in hand: exit status; the letter, the next one", f"{code}; {', '.join(rows)}")]


def restarted(watch):
    """The responder stops, and another one starts."""
    watch.service.responder.stop()
    time.sleep(3)
    watch.service.start()
    waited = watch.expect("restarted@mail.example")
    watch.expect_sent("restarted@mail.example")
    return [("from a change after a restart of the service to its letter", f"{waited:.1f} s")]


def restored(setting, watch):
    """A backup with a message that is sent later. restore must refuse while mail runs, and repeats that message."""
    service, address = watch.service, "old@mail.example"
    watch.mailer.stop()
    invite(service.staff(), address)
    backup = f"{setting.folder}/backup"
    service.command("backup", backup)
    watch.start()
    watch.expect_sent(address)
    service.responder.stop()
    refused = subprocess.run([service.executable, "restore", backup, "--database", service.database],
                             capture_output=True, text=True)
    if refused.returncode != 1 or "in use" not in refused.stderr:
        raise Failure(f"restore exited with {refused.returncode} while mail --watch ran: {refused.stderr}")
    service.start()
    watch.expect("refused@mail.example")
    service.responder.stop()
    if (code := watch.mailer.stop()) != 0:
        raise Failure(f"mail --watch exited with {code}")
    service.command("restore", backup)
    service.start()
    watch.start()
    watch.expect("restored@mail.example")
    watch.expect_sent("restored@mail.example")
    names = re.findall(rb"\nMessage-ID: (.*)", (watch.folder / address).read_bytes())
    if len(set(names)) != 1:
        raise Failure(f"a restored message was sent again as {names}")
    return [("restore while it runs", refused.stderr.strip().rpartition("/")[2]),
            ("copies of a letter that was sent after the backup", len(names))]


def run(setting):
    figures = []
    for check in [failures, locked_database, kills, watching]:
        say(f"  {check.__name__.replace('_', ' ')}")
        folder = f"{setting.folder}/{check.__name__}"
        os.makedirs(folder)
        try:
            with Service(setting.executable, folder, options=OPTIONS) as service:
                figures += check(dataclasses.replace(setting, folder=folder), service)
                if unsound := service.check():
                    raise Failure(f"check found {unsound}")
        except Failure as failure:
            failure.figures = figures + failure.figures
            raise
    return figures
