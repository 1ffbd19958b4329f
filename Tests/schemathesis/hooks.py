"""What schemathesis cannot read from openapi.yaml: which requests to avoid, and rules of the whole API.

Tests/conformance names the role that is tested in TOMI_ROLE, its token in TOMI_TOKEN, the member's group in
TOMI_GROUP, the record of the partner whose user has the partner's token in TOMI_PARTNER, partners with changes to
review in TOMI_PROPOSERS, codes for signing in in TOMI_SIGN_IN_CODES, and one of the waiting list in TOMI_WAITING_CODE.
"""

import itertools
import os
import re
import unicodedata
import uuid

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.core.jsonschema import make_validator
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi.checks import is_unexpected_http_status_case

ROLE = os.environ["TOMI_ROLE"]
TOKEN = os.environ.get("TOMI_TOKEN")
OWN_GROUP = os.environ["TOMI_GROUP"]
OWN_PARTNER = os.environ["TOMI_PARTNER"]
PROPOSERS = os.environ["TOMI_PROPOSERS"].split()
SIGN_IN_CODES = os.environ["TOMI_SIGN_IN_CODES"].split()
WAITING_CODE = os.environ["TOMI_WAITING_CODE"]

# Rules on fields that JSON Schema does not state: relations between fields, to the clock, to stored things.
RULES = {
    "createPartner": {("/user_id", "unknown_user"), ("/agreement_signed_at", "in_future")},
    "updatePartner": {("/user_id", "unknown_user"), ("/agreement_signed_at", "in_future")},
    "requestReferral": {
        ("/requested_by", "not_a_member"),
        ("/contact_id", "not_a_member"),
        ("/consent_version", "unknown_value"),
        ("/context/home_price_range", "out_of_range"),
    },
    "updateReferral": {
        ("/partner_id", "required"),
        ("/partner_id", "not_null"),
        ("/partner_id", "unknown_partner"),
        ("/partner_id", "not_allowed_here"),
        ("/intro_sent_at", "not_null"),
        ("/intro_sent_at", "not_allowed_here"),
        ("/intro_sent_at", "in_future"),
        ("/context/home_price_range", "out_of_range"),
        ("/contact_id", "not_a_member"),
        ("/contact_id", "not_null"),
        ("/assigned_to", "unknown_user"),
        ("/assigned_to", "not_staff"),
    },
    "recordOutcome": {("/outcome", "required")},
    "reviewPartnerChanges": {("/fields/#", "unknown_value")},
    "respondToReferral": {("/reason_code", "not_allowed_here")},
    "putUser": {("/email", "required"), ("/name", "required")},
    "putGroup": {("/name", "required"), ("/members/#", "unknown_user")},
    "createToken": {("/expires_at", "in_past"), ("/expires_at", "out_of_range")},
}

# The same for query parameters.
QUERY_RULES = {"recommendPartners": {("state", "required")}}

# What an admin token of each narrower scope may do.
SCOPES = {
    "read": re.compile("GET /api/(admin|groups)/"),
    "sync": re.compile("[A-Z]+ /api/admin/(users|groups|tokens)(/|$)"),
    "events": re.compile("GET /api/admin/events$"),
}

# What changes users, groups and tokens.
CHANGERS = {"putUser", "putGroup", "revokeToken"}

# The IDs of users, groups and tokens that this run made.
made = {"users": [], "groups": [], "tokens": []}

# The IDs of the partners in answers, and of the referral requests with their groups. They exclude the partner whose
# user has the partner's token, and the introductions made to it: those are for the partner's run.
partners = []
referrals = []

# The IDs of credentials in answers, with their partners; None for the partner's own.
credentials = []

# The statuses of the messages in answers, by their IDs.
messages = {}

# The best candidate for a referral request, by the request's ID.
candidates = {}

turns = itertools.count()

# The next page by operation: the query of the page before, and the cursor.
next_pages = {}


def operation_id(case):
    return case.operation.definition.raw["operationId"]


def is_id(value):
    try:
        return bool(uuid.UUID(value))
    except (AttributeError, TypeError, ValueError):
        return False


def is_positive(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


def is_probe(case):
    """Whether schemathesis sends this with another method or media type than the operation's, on purpose."""
    return is_unexpected_http_status_case(case)


def refusal(case):
    """Returns the status with which the role is refused an operation; None if it is allowed."""
    if not case.operation.definition.raw.get("security", [{}]):
        return None
    if ROLE == "nobody":
        return 401
    path = case.operation.path
    if path == "/api/me":
        return None
    if ROLE in SCOPES:
        return None if SCOPES[ROLE].match(f"{case.operation.method.upper()} {path}") else 403
    if path.startswith("/api/admin/"):
        return None if ROLE == "staff" else 403
    if path.startswith("/api/partners/me"):
        return None if ROLE == "partner" else 403
    return 404 if ROLE == "partner" else None


def bears_the_token(response):
    sent = response.request.headers.get("Authorization")
    return sent == (f"Bearer {TOKEN}" if TOKEN else None)


def pick(known, given):
    """Returns a known thing, or every fourth time the given one, which does not exist."""
    turn = next(turns)
    return known[turn % len(known)] if known and turn % 4 else given


@schemathesis.hook
def before_call(context, case, kwargs):
    path = case.path_parameters
    # The test must not disable its own user or revoke its own token. It changes only users, groups and tokens that it
    # created, and creates new ones instead of changing others.
    if operation_id(case) in CHANGERS and is_id(path.get("id")):
        own = made[case.operation.path.split("/")[3]]
        path["id"] = pick(own, str(uuid.uuid4())) if path["id"] not in own else path["id"]
    # A link may lead to the partner whose run is still to come.
    if case.operation.path.startswith("/api/admin/partners/{id}") and path.get("id") == OWN_PARTNER:
        path["id"] = str(uuid.uuid4())
    if not is_positive(case) or is_probe(case):
        return
    # A generated ID is valid but ends in 404, so use IDs of things that exist. A member has one group. A partner has
    # none, and uses the groups that it was introduced to.
    if operation_id(case) == "reviewPartnerChanges":
        path["id"] = pick(PROPOSERS, path["id"])
        # Most fields do not wait.
        if isinstance(case.body, dict) and next(turns) % 2:
            case.body.pop("fields", None)
    if "credentialId" in path:
        owner, path["credentialId"] = pick(credentials, (path.get("id"), path["credentialId"]))
        if "id" in path:
            path["id"] = owner
    elif case.operation.path.startswith(("/api/admin/partners/{id}", "/api/partners/{id}")):
        path["id"] = pick(partners, path["id"])
    elif case.operation.path.startswith(("/api/admin/referrals/{id}", "/api/partners/me/referrals/{id}")):
        path["id"] = pick(referrals, (None, path["id"]))[1]
    elif case.operation.path.startswith("/api/groups/{groupId}/referrals/{id}"):
        path["groupId"], path["id"] = pick(referrals, (path["groupId"], path["id"]))
    elif case.operation.path.startswith("/api/admin/messages/{id}"):
        # Most are sent. Only those over the day's limit of an address are queued for long.
        cancels = operation_id(case) == "cancelMessage"
        path["id"] = pick([id for id in messages if not cancels or messages[id] == "queued"], path["id"])
    elif operation_id(case) == "listTokens":
        path["id"] = pick(made["users"], path["id"])
    elif "groupId" in path and ROLE == "partner":
        path["groupId"] = pick(referrals, (OWN_GROUP, None))[0]
    elif "groupId" in path and (ROLE == "member" or not made["groups"]):
        path["groupId"] = OWN_GROUP
    elif "groupId" in path:
        path["groupId"] = pick(made["groups"], path["groupId"])
    if operation_id(case) == "signInWithCode" and SIGN_IN_CODES:
        case.body["code"] = SIGN_IN_CODES.pop()
    if operation_id(case) == "confirmWaiting":
        case.body["code"] = pick([WAITING_CODE], case.body["code"])
    # Generated addresses are short, and users of the roles before may have them.
    if operation_id(case) == "putUser" and isinstance(case.body, dict) and "email" in case.body and next(turns) % 2:
        case.body["email"] = f"{uuid.uuid4().hex}@conformance.example"
    if isinstance(case.body, dict):
        # Many fields together nearly always break a rule between them. Every second time keep only one.
        if operation_id(case) == "updateReferral" and case.body and next(turns) % 2:
            field = sorted(case.body)[next(turns) % len(case.body)]
            case.body = {field: case.body[field]}
        for field, known in (("partner_id", partners), ("user_id", made["users"])):
            if is_id(case.body.get(field)):
                case.body[field] = candidates.get(path.get("id")) or pick(known, case.body[field])
    # A generated tag is valid but never the current one.
    if "If-Match" in (case.headers or {}):
        case.headers["If-Match"] = pick(["*"], case.headers["If-Match"])
    # A cursor is opaque: only one from the service, with the same query, is valid.
    if "cursor" in (case.query or {}):
        query, cursor = next_pages.get(operation_id(case), (case.query, None))
        case.query = {name: value for name, value in query.items() if name != "cursor"}
        if cursor:
            case.query["cursor"] = cursor


@schemathesis.hook
def after_call(context, case, response):
    if response.status_code == 204 and "credentialId" in (case.path_parameters or {}):
        credential = case.path_parameters["credentialId"]
        credentials[:] = [known for known in credentials if known[1] != credential]
    if response.status_code not in (200, 201) or not response.headers["content-type"][0].startswith("application/json"):
        return
    answer = response.json()
    for thing in answer.get("data", [answer]):
        # Other roles make users and groups of their own.
        if ROLE == "read" and "disabled" in thing and thing["id"] not in made["users"]:
            made["users"].append(thing["id"])
        if "company_name" in thing and thing["id"] not in [OWN_PARTNER, *partners]:
            partners.append(thing["id"])
        group = thing.get("group_id") or thing.get("group", {}).get("id")
        if group and thing.get("partner_id") != OWN_PARTNER and (group, thing["id"]) not in referrals:
            referrals.append((group, thing["id"]))
        if "due_at" in thing:
            messages[thing["id"]] = thing["status"]
        if "expires_on" in thing:
            owner = thing.get("partner", {}).get("id") or (case.path_parameters or {}).get("id")
            if owner != OWN_PARTNER and (owner, thing["id"]) not in credentials:
                credentials.append((owner, thing["id"]))
    if operation_id(case) == "listCandidates":
        fitting = [one["id"] for one in answer["data"] if one["id"] != OWN_PARTNER and not one["left_out"]]
        candidates[case.path_parameters["id"]] = next(iter(fitting), None)
    kind = {"putUser": "users", "putGroup": "groups", "createToken": "tokens"}.get(operation_id(case))
    if kind and answer["id"] not in made[kind]:
        made[kind].append(answer["id"])
    # Each ID in a path has a list of its own, and a cursor is valid only for that list.
    if answer.get("next_cursor") and "{" not in case.operation.path:
        next_pages[operation_id(case)] = (dict(case.query or {}), answer["next_cursor"])


# Unicode's White_Space, which the service trims.
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
# Blank characters that are neither white space nor of the general category Cf.
FILLERS = "\u115f\u1160\u2800\u3164\uffa0"
# Characters that never make a text visible, beside those of the category Cf.
IGNORABLE = re.compile("[\u034f\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\ufff0-\ufff8\U000e0000-\U000e0fff]")


def is_invisible(character):
    return unicodedata.category(character) == "Cf" or character in FILLERS


def cleaned_everywhere(text):
    return "".join(" " if unicodedata.category(one) == "Zs" else one for one in text if not is_invisible(one))


def cleaned_phone(text):
    text = cleaned_everywhere(text)
    text = "".join("-" if unicodedata.category(one) == "Pd" or one == "\u2212" else one for one in text)
    text = re.sub(r"[ ,]*(?:extension|extn|ext|x|#) *[.:]? *([0-9]+)$", r" x\1", text.strip(WHITE_SPACE), flags=re.I)
    return re.sub("[ ().-]", "", text) if len(text) > 20 else text


def cleaned(value, name=None):
    """Returns a value in the form to which openapi.yaml's patterns and lengths apply."""
    if isinstance(value, str):
        value = {"email": cleaned_everywhere, "website": cleaned_everywhere, "phone": cleaned_phone}.get(name, str)(value)
        if all(one in WHITE_SPACE or is_invisible(one) or IGNORABLE.match(one) for one in value):
            return ""
        # Tag characters are refused wherever they stand.
        ends = {one for one in value if is_invisible(one) and not 0xE0000 <= ord(one) <= 0xE007F}
        return value.strip(WHITE_SPACE + "".join(ends))
    if isinstance(value, list):
        return [cleaned(element) for element in value]
    if isinstance(value, dict):
        return {name: cleaned(element, name) for name, element in value.items()}
    return value


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """The service cleans texts before it checks them, so a body that fits its schema after that is valid. And a rule that
    a schema cannot state may refuse a query that fits its schema."""
    if isinstance(failure, RejectedPositiveData) and response.status_code == 400:
        found = {(error.get("parameter"), error["code"]) for error in response.json().get("errors", [])}
        return not found or not found <= QUERY_RULES.get(operation_id(case), set())
    if not isinstance(failure, AcceptedNegativeData) or case.meta is None:
        return True
    negative = {location for location in case.meta.components if case.meta.is_negative_at(location)}
    if negative != {ParameterLocation.BODY} or not isinstance(case.body, dict):
        return True
    schema = case.operation.get_body_for_media_type(case.media_type).optimized_schema
    validator = make_validator(schema, case.operation.schema.adapter.jsonschema_validator_cls)
    return not validator.is_valid(cleaned(case.body))


@schemathesis.check
def RefusedByARule(ctx, response, case):
    """Only a rule that a schema cannot state may refuse a body that fits its schema."""
    if not is_positive(case) or is_probe(case) or response.status_code != 422:
        return
    problem = response.json()
    if problem["code"] == "idempotency_key_reused":
        return
    allowed = RULES.get(operation_id(case), set())
    for error in problem["errors"]:
        pointer = "/".join("#" if part.isdigit() else part for part in error["pointer"].split("/"))
        if (pointer, error["code"]) not in allowed:
            raise AssertionError(f"openapi.yaml allows what {error['pointer']} holds: {error['detail']}")


@schemathesis.check
def AnsweredByRight(ctx, response, case):
    """A missing right is reported before any error in the data, and no role gets another's view."""
    if is_probe(case) or response.status_code in (413, 414) or not bears_the_token(response):
        return
    if not case.operation.definition.raw.get("security", [{}]):
        if response.status_code in (401, 403):
            raise AssertionError("A public path asks for a token")
        return
    expected = refusal(case)
    allowed = {expected}
    # A wrong path parameter may make it another path, which is 404 for everyone.
    if case.meta is not None and case.meta.is_negative_at(ParameterLocation.PATH):
        allowed.add(404)
    # The service checks everything else before it looks for the group.
    if expected == 404:
        allowed |= {400, 415}
    if expected and response.status_code not in allowed:
        raise AssertionError(f"{ROLE} gets {response.status_code} instead of {expected}")
    if case.operation.path.startswith("/api/groups/{groupId}/referrals") and response.status_code in (200, 201):
        things = response.json()
        for thing in things.get("data", [things]):
            if ("outcome_notes" in thing) != (ROLE in ("staff", "read")):
                raise AssertionError(f"{ROLE} gets another's view")


@schemathesis.check
def ProblemOfItsStatus(ctx, response, case):
    """The answers that every operation shares have one description for several statuses, so it can't say these."""
    if not response.headers.get("content-type", [""])[0].startswith("application/problem+json") or case.method == "HEAD":
        return
    status = response.status_code
    if response.json()["status"] != status:
        raise AssertionError(f"the status is {status}, but the problem says {response.json()['status']}")
    if ("retry-after" in response.headers) != (status in (429, 502, 503, 504)):
        raise AssertionError(f"Retry-After is missing or too much with {status}")


@schemathesis.check
def DaysToATenth(ctx, response, case):
    """Medians have one decimal. (Most validators get `multipleOf: 0.1` wrong with binary numbers.)"""
    if response.status_code != 200 or not operation_id(case).endswith("Summary"):
        return
    answer = response.json()
    medians = answer.get("median_days", {None: answer.get("median_days_to_connection")})
    for median in [*medians.values(), answer.get("median_hours_to_answer")]:
        if median is not None and round(median, 1) != median:
            raise AssertionError(f"the median {median} is not to a tenth")


@schemathesis.check
class AcceptedAtLeastOnce:
    """Each operation that the role may call has succeeded at least once, with each status in openapi.yaml. A run in
    which everything is refused would test little and look fine."""

    def __init__(self):
        self.expected = set()
        self.seen = set()

    def after_response(self, ctx, response, case):
        if refusal(case):
            return
        operation = operation_id(case)
        self.expected |= {
            (operation, status) for status in case.operation.definition.raw["responses"] if status.startswith("2")
        }
        if not is_probe(case):
            self.seen.add((operation, str(response.status_code)))

    def after_run(self, ctx):
        missing = self.expected - self.seen
        if missing or not self.expected:
            raise AssertionError("never seen: " + ", ".join(f"{name} {status}" for name, status in sorted(missing)))
