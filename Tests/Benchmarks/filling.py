"""Fills a new database with many rows, with all triggers on. `tomi-referrals demo` syncs each change and is slower."""

import base64
import functools
import hashlib
import json
import random
import re
import sqlite3
import time

TYPES = ["attorney", "lender", "agent", "title", "insurance", "cpa"]
TYPE_WEIGHTS = [40, 25, 20, 5, 5, 5]
STATES = ("AK AL AR AZ CA CO CT DC DE FL GA HI IA ID IL IN KS KY LA MA MD ME MI MN MO MS MT NC ND NE NH NJ NM NV NY "
          "OH OK OR PA RI SC SD TN TX UT VA VT WA WI WV WY").split()
NAMES = "Maya Jonas Aisha Diego Ingrid Kofi Mei Noah Renée Sofia Tomasz Yusuf Zoë Elif Hannah Priya".split()
FAMILIES = ("Andersen Brandt Castillo Dubois Eriksson Fischer García Huang Ito Jensen Kowalski Larsen Müller Nguyen "
            "Okafor Petrov Quinn Rossi").split()
TOWNS = "Duluth Rochester Oakland Mankato Sacramento Fresno Eagan Berkeley Winona Pasadena".split()
BUSINESSES = ["Law", "Lending", "Realty", "Title & Escrow", "Insurance", "& Partners CPA"]
NEEDS = ["Review of our TIC agreement", "A TIC mortgage with fractional loans", "A duplex with a yard",
         "Title insurance for unequal shares", "A policy that names all owners", "How to share the deductions"]
TIMELINES = ["1 month", "3 months", "6 months", "this year"]
START = 1_761_955_200_000  # 2025-11-01, in milliseconds since 1970
DAY = 86_400_000
YEAR = 365 * DAY


@functools.cache
def _date(days):
    return time.strftime("%Y-%m-%d", time.gmtime(START // 1000 + days * 86_400))


def _time(milliseconds):
    """A time as the database keeps it, in milliseconds since the start."""
    days, rest = divmod(milliseconds, DAY)
    seconds, rest = divmod(rest, 1000)
    return f"{_date(days)}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}Z"


@functools.cache
def _context(price, timeline, state, need):
    return json.dumps({
        "group_size": 3, "home_price_range": {"min": price, "max": price + 150_000}, "timeline": timeline,
        "state": state, "specific_need": need}, separators=(",", ":"))


def _folded(text):
    """The service's folded form of a text in ASCII."""
    return " ".join(re.findall("[a-z0-9]+", text.lower().replace("'", "")))


def _searched(*texts):
    """The words by which the service finds texts in ASCII."""
    parts = [[text, *(part for word in text.split() if "'" in word for part in word.split("'"))] for text in texts]
    return " ".join(_folded(" ".join(words)) for words in parts)


class _Filling:
    def __init__(self, path, seed):
        self.random = random.Random(seed)
        self.database = sqlite3.connect(path, isolation_level=None)
        # An unfinished database is thrown away, so nothing needs to be durable yet.
        self.database.execute("PRAGMA journal_mode=OFF")
        self.database.execute("PRAGMA synchronous=OFF")
        self.database.execute("PRAGMA cache_size=-200000")


    def id(self, milliseconds):
        """A UUID of version 7 (RFC 9562, section 5.7)."""
        low = 1 << 63 | self.random.getrandbits(62)
        high = (START + milliseconds) << 16 | 0x7000 | self.random.getrandbits(12)
        text = f"{high:016x}{low:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def insert(self, table, columns, rows):
        marks = ", ".join("?" for _ in columns.split())
        self.database.executemany(f"INSERT INTO {table} ({', '.join(columns.split())}) VALUES ({marks})", rows)

    def user(self, email):
        at = _time(0)
        user = self.id(0)
        name = f"{self.random.choice(NAMES)} {self.random.choice(FAMILIES)}"
        self.insert("users", "id email email_key name name_key words created_at updated_at",
                    [(user, email, email, name, _folded(name), _searched(name, email), at, at)])
        return user

    def partners(self, count, staff):
        """Adds partners, nine of ten active; the active ones by type."""
        active = {kind: [] for kind in TYPES}

        def rows():
            for number in range(count):
                kind = self.random.choices(TYPES, TYPE_WEIGHTS)[0]
                home = self.random.choices(["MN", "CA", self.random.choice(STATES)], [40, 35, 25])[0]
                areas = [home]
                if self.random.random() < 0.3 and (further := self.random.choice(STATES)) != home:
                    areas.append(further)
                family, town = self.random.choice(FAMILIES), self.random.choice(TOWNS)
                company = f"{family} {BUSINESSES[TYPES.index(kind)]}, {town}"
                mail = f"office{number}@{family.lower()}.example"
                created = self.random.randrange(YEAR // 10)
                partner = self.id(created)
                is_active = self.random.random() < 0.9
                if is_active:
                    active[kind].append(partner)
                contact = f"{self.random.choice(NAMES)} {family}"
                phone, notes = "(612) 555-0142", "Met through a member's tip."
                digits = re.sub("[^0-9]", "", phone)
                ends = " ".join(digits[start:] for start in range(len(digits) - 2))
                yield (partner, kind, "active" if is_active else "pending_review", company, _folded(company),
                       _searched(company), _searched(company, contact), _searched(mail, phone, ends, notes), contact, mail, mail, phone,
                       f"https://www.{family.lower()}{number}.example", json.dumps(areas, separators=(",", ":")),
                       self.random.random() < 0.3, _time(created), staff, notes,
                       _time(created), _time(created))

        self.insert("partners", "id type status company_name name_key company_words public_words staff_words contact_name email "
                    "email_key phone website service_areas co_ownership_certified agreement_signed_at invited_by notes "
                    "created_at updated_at", rows())
        return active

    def groups(self, count):
        """Adds groups of three; returns each one's ID, state, members and a token of the first member."""
        at = _time(0)
        groups = []
        for number in range(count):
            group, state = self.id(0), self.random.choice(["MN", "CA"])
            members = sorted(self.user(f"member{number}.{index}@mail.example") for index in range(3))
            token = "tomi_" + base64.urlsafe_b64encode(self.random.randbytes(32)).decode().rstrip("=")
            name = f"{self.random.choice(TOWNS)} House {number}"
            self.insert("groups", "id name name_key words state created_at updated_at",
                        [(group, name, _folded(name), _searched(name), state, at, at)])
            self.insert("group_members", "group_id user_id", [(group, member) for member in members])
            self.insert("tokens", "id user_id name sha256 created_at",
                        [(self.id(0), members[0], "benchmark", hashlib.sha256(token.encode()).digest(), at)])
            groups.append((group, state, members, token))
        return groups

    def work(self, status, created):
        """Who looks after a referral and when to follow up: nobody and never for most."""
        if self.random.random() >= (0.01 if status == "closed" else 0.5):
            return None, None
        day = _date((created + int(self.random.random() * 60 * DAY)) // DAY)
        return self.random.choice(self.staff), day if self.random.random() < 0.5 else None

    def referrals(self, count, groups, active, progress):
        """Adds referrals in the order of time, a group's last of each type open, all others closed."""
        chance = self.random.random
        last_turn = (count - 1) // len(groups)

        def rows(numbers, events):
            for number in numbers:
                group, state, members, _ = groups[number % len(groups)]
                turn = number // len(groups)
                kind = TYPES[turn % len(TYPES)]
                created = YEAR // 10 + number * (YEAR - YEAR // 5) // count
                at, changed_at = _time(created), _time(created + int(chance() * YEAR / 20))
                referral, member = self.id(created), members[int(chance() * 3)]
                context = _context(
                    int(5 + chance() * 12) * 50_000, TIMELINES[int(chance() * 4)], state, NEEDS[turn % len(TYPES)])
                # A group has one open request for a type and a state. The newest ones are open, so that a page has some.
                status = ("intro_sent", "pending", "matched")[turn % 3] if last_turn - turn < len(TYPES) else "closed"
                partner = None if status == "pending" else active[kind][int(chance() * len(active[kind]))]
                events.append((
                    at, member, "referral", referral, "referral.requested",
                    f'{{"group_id":{{"from":null,"to":"{group}"}},"requested_by":{{"from":null,"to":"{member}"}},'
                    f'"partner_type":{{"from":null,"to":"{kind}"}},"status":{{"from":null,"to":"pending"}}}}'))
                if partner:
                    events.append((
                        changed_at, None, "referral", referral, f"referral.{status}",
                        f'{{"status":{{"from":"pending","to":"{status}"}},'
                        f'"partner_id":{{"from":null,"to":"{partner}"}}}}'))
                yield (referral, group, member, kind, status, context, state, partner,
                       changed_at if status in ("intro_sent", "closed") else None,
                       "deal_closed" if status == "closed" else None, at, changed_at if partner else at,
                       changed_at if partner else at, member, *self.work(status, created))

        for first in range(0, count, 20_000):
            events = []
            self.insert(
                "referral_requests", "id group_id requested_by partner_type status context state partner_id "
                "intro_sent_at outcome created_at updated_at status_since contact_id assigned_to follow_up_on",
                rows(range(first, min(first + 20_000, count)), events))
            self.insert("events", "at actor_id subject_kind subject_id kind changes", events)
            progress(min(first + 20_000, count) / count)


def fill(path, partners, groups, referrals, seed=1, progress=lambda share: None):
    """Fills a migrated, empty database; returns the groups as pairs of ID and a member's token."""
    filling = _Filling(path, seed)
    database = filling.database
    database.execute("BEGIN")
    filling.staff = [filling.user(f"{name}@tomi.example") for name in ("ana", "ben", "cleo")]
    staff = filling.staff[0]
    active = filling.partners(partners, staff)
    made = filling.groups(groups)
    filling.referrals(referrals, made, active, progress)
    database.execute("COMMIT")
    # The service does this when it stops, so queries are planned as in a database that has been in use.
    database.execute("PRAGMA analysis_limit=400")
    database.execute("ANALYZE")
    database.execute("PRAGMA journal_mode=WAL")
    database.close()
    return [(group, token) for group, _, _, token in made]
