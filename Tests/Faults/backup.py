"""Makes a backup every second under writes. Each must be sound and have everything that was acknowledged before it.

Six clients write while `backup` runs repeatedly. Each copy is moved to a new directory, as after the loss of a machine.
It is checked and served by a responder of its own, and the answers are compared with the ledger.
"""

import os
import shutil
import time

from ledger import Ledger, Writers, all_partners, balance
from service import Failure, Service, say


def run(setting):
    rounds = 10 if setting.short else 60
    ledger = Ledger()
    unsound, took, late = [], [], 0
    lost = {"missing": 0, "strange": 0, "doubled": 0}
    with Service(setting.executable, setting.folder) as service:
        with Writers(ledger, service.staff, pause=0.05) as writers:
            writers.wait_for(50)
            for number in range(rounds):
                started = time.monotonic()
                before = ledger.snapshot()
                folder = f"{setting.folder}/copy{number}"
                os.makedirs(f"{folder}/data")
                service.command("backup", f"{setting.folder}/backup")
                took.append(time.monotonic() - started)
                time.sleep(max(0, started + 1 - time.monotonic()))
                # New posts wait. Otherwise the database would grow faster than its copies can be checked.
                writers.going.clear()
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
                    say(f"  {number + 1} of {rounds} backups, the last with {len(partners)} partners")
                writers.going.set()
        if ledger.troubles:
            raise Failure(ledger.troubles[0])
        final = balance(all_partners(service.staff()), *ledger.snapshot(), ledger.sent)
        unsound += filter(None, [service.check()])
    figures = [
        ("backups, each restored, checked and served", rounds),
        ("posts acknowledged, refused", f"{len(ledger.acknowledged)}, {ledger.refused}"),
        ("acknowledged before the backup, missing in it", lost["missing"]),
        ("in a backup, never sent", lost["strange"]), ("duplicated in a backup", lost["doubled"]),
        *[(f"in the database itself: {label}", value) for label, value in final.figures()],
        ("check found something", f"{len(unsound)} times"),
        ("a backup took at most", f"{max(took):.2f} s"),
    ]
    if any(lost.values()) or not final or unsound or late or ledger.refused:
        raise Failure((unsound or ["a backup or the database differs from the ledger"])[0], figures)
    return figures
