"""A backup every second under writes: each is sound, can be served, and has all that was acknowledged before.

Six clients go on writing while `backup` runs again and again. Each copy is moved to a fresh folder, as after the loss
of a machine, is checked, and served by a responder of its own, whose answers are held against the ledger.
"""

import os
import shutil
import time

from ledger import Ledger, Writers, all_partners, balance
from service import Failure, Service, say


def run(setting):
    rounds = 10 if setting.short else 120
    ledger = Ledger()
    unsound, took, late = [], [], 0
    lost = {"missing": 0, "strange": 0, "doubled": 0}
    with Service(setting.executable, setting.folder) as service:
        # Some pause, so that the database grows no faster than it can be copied and looked at.
        with Writers(ledger, service.staff, pause=0.02) as writers:
            writers.wait_for(50)
            for number in range(rounds):
                started = time.monotonic()
                before = ledger.snapshot()
                folder = f"{setting.folder}/copy{number}"
                os.makedirs(f"{folder}/data")
                service.command("backup", f"{setting.folder}/backup")
                took.append(time.monotonic() - started)
                os.rename(f"{setting.folder}/backup", f"{folder}/data/referrals.db")
                with ledger.lock:
                    sent = set(ledger.sent)
                unsound += filter(None, [service.check(f"{folder}/data/referrals.db")])
                with Service(setting.executable, folder) as copy:
                    partners = all_partners(copy.staff())
                    unsound += filter(None, [copy.check()])
                    late += "critical" in copy.log()
                found = balance(partners, *before, sent)
                shutil.rmtree(folder)
                for name in lost:
                    lost[name] += getattr(found, name)
                if number % 10 == 9:
                    say(f"  {number + 1} of {rounds} backups, {len(partners)} partners in the last")
                time.sleep(max(0, started + 1 - time.monotonic()))
        if ledger.troubles:
            raise Failure(ledger.troubles[0])
        final = balance(all_partners(service.staff()), *ledger.snapshot(), ledger.sent)
        unsound += filter(None, [service.check()])
    figures = [
        ("backups, each restored, checked and served", rounds),
        ("posts acknowledged meanwhile, refused", f"{len(ledger.acknowledged)}, {ledger.refused}"),
        ("acknowledged before the backup and missing in it", lost["missing"]),
        ("in a backup and never sent", lost["strange"]), ("doubled in a backup", lost["doubled"]),
        *[(f"in the database itself: {label}", value) for label, value in final.figures()],
        ("check found something", f"{len(unsound)} times"),
        ("a backup took at most", f"{max(took):.2f} s"),
    ]
    if any(lost.values()) or not final or unsound or late or ledger.refused:
        raise Failure((unsound or ["a backup, or the database, is not what the ledger says"])[0], figures)
    return figures
