"""Floor (a): the same rows written and the same JSON answered as the program does, by hand: SQLAlchemy Core and plain
dictionaries behind plain Flask.

What it has: statements built once, one connection and one transaction per request, the same token looked up by the same
statement, the same rows visible, the same locks, the same arithmetic (business time, hash chain, lifecycle table: the
program's own pure functions), orjson. It need not read back what it has just written, and does not.

What it does not have, and so what the ratio to it is the price of: validation and its messages, permissions, one order
of refusals for all routes, repeats after a deadlock, `Idempotency-Key`, `ETag` and `If-Match`, cursors of further pages,
request ids in logs, metrics, security headers, events that others subscribe to, and domains that can be changed one by
one. `test_floor` proves that answers and rows are the program's.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final, cast
from uuid import UUID

import orjson
from flask import Flask, Response, abort, request
from sqlalchemy import (
    ARRAY,
    Connection,
    Engine,
    Table,
    Uuid,
    any_,
    bindparam,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from helpdesk.complaints import duplicates
from helpdesk.complaints.duplicate_queries import comparing
from helpdesk.complaints.lifecycle import LIFECYCLE
from helpdesk.complaints.models import NOTHING_DUE, Complaint, Issue, Message, Need, Person, TransitionRow
from helpdesk.complaints.replaying import born
from helpdesk.complaints.search_index import APPEND, appended, received_rows
from helpdesk.complaints.search_models import SearchSegment
from helpdesk.complaints.severity_models import SeverityAssessment
from helpdesk.complaints.text_seals import OF_COMPLAINT, new_salt, seal
from helpdesk.complaints.tracking_secret import Secrets, hash_of
from helpdesk.customers.models import Customer
from helpdesk.identity.models import Agent, Role, TeamMember, Token
from helpdesk.kernel.clock import parse_rfc3339, rfc3339
from helpdesk.kernel.db import make_engine
from helpdesk.kernel.event_log import EventRow, canonical, link_hash
from helpdesk.kernel.ids import new_id, new_reference
from helpdesk.kernel.mail import TOPIC, OutboundMail
from helpdesk.kernel.money import Money, format_minor
from helpdesk.kernel.outbox import Duty
from helpdesk.kernel.settings import Settings
from helpdesk.sla.business_time import Target, due_at, remaining
from helpdesk.sla.calendar_spec import Calendar
from helpdesk.sla.clock_terms import new_clock, policy_terms
from helpdesk.sla.ladder import first_ahead, place_of
from helpdesk.sla.models import Clock, SlaCalendar, SlaCalendarVersion, SlaPolicy, SlaPolicyVersion
from helpdesk.sla.policy_spec import Policy, compiled_targets
from helpdesk.sla.specs import compiled
from helpdesk.taxonomy.terms import shipped

JSON = orjson.OPT_UTC_Z


def _table(model: Any) -> Table:
    return cast(Table, model.__table__)


COMPLAINT, ISSUE, PERSON, NEED = map(_table, (Complaint, Issue, Person, Need))
ASSESSMENT = _table(SeverityAssessment)
MESSAGE, TRANSITION, CLOCK = map(_table, (Message, TransitionRow, Clock))
AGENT, ROLE, TOKEN, MEMBER, CUSTOMER = map(_table, (Agent, Role, Token, TeamMember, Customer))
EVENT, MAIL, DUTY, SEARCH = map(_table, (EventRow, OutboundMail, Duty, SearchSegment))
POLICY, POLICY_VERSION = map(_table, (SlaPolicy, SlaPolicyVersion))
CALENDAR, CALENDAR_VERSION = map(_table, (SlaCalendar, SlaCalendarVersion))
c = COMPLAINT.c

CALLER = (
    select(
        AGENT.c.id,
        func.array_to_string(ROLE.c.permissions, " ").label("permissions"),
        func.now().label("now"),
        select(func.array_agg(MEMBER.c.team_id))
        .where(MEMBER.c.agent_id == AGENT.c.id)
        .scalar_subquery()
        .label("team_ids"),
    )
    .select_from(AGENT)
    .join(ROLE, ROLE.c.name == AGENT.c.role)
    .join(TOKEN, TOKEN.c.agent_id == AGENT.c.id)
    .where(
        TOKEN.c.hash == bindparam("hash"),
        AGENT.c.active,
        TOKEN.c.revoked_at.is_(None),
        or_(TOKEN.c.expires_at.is_(None), TOKEN.c.expires_at > func.now()),
    )
)

VISIBLE = or_(
    c.assignee_id == bindparam("agent_id"),
    c.team_id.is_(None),
    c.team_id == any_(bindparam("team_ids", type_=ARRAY(Uuid))),
)

_SUMMARY: Final = [
    "id",
    "reference",
    "record_type",
    "status",
    "channel",
    "subject",
    "severity",
    "track",
    "waiting_on",
    "team_id",
    "assignee_id",
    "customer_id",
    "source",
    "external_id",
    "received_at",
    "acknowledged_at",
    "resolved_at",
    "updated_at",
    "next_due_at",
    "escalation_level",
    "stage",
    "vulnerable",
    "tags",
    "custom_fields",
    "version",
]
_REST: Final = [
    "description",
    "language",
    "impact",
    "urgency",
    "triaged_at",
    "investigated_at",
    "followed_up_at",
    "created_at",
    "double_deviation",
    "dismissal",
    "outcome",
    "fault",
    "root_cause",
    "contributing_causes",
    "no_remedy_reason",
    "remedies_undelivered",
    "jurisdiction",
    "sector",
    "source_data",
]
_HIDDEN: Final = [
    "offers_live",
    "offers_drafted",
    "offers_minor",
    "reopened_count",
    "price_minor",
    "loss_minor",
    "currency",
    "issue_count",
    "safety",
    "event_count",
    "event_head",
    "transition_count",
    "reopened_count",
    "child_count",
    "merged_into_id",
]
_ISSUE: Final = ["id", "category", "issue", "detail", "finding", "evidence", "no_evidence_reason", "cause", "outcome"]
_PERSON: Final = [
    "id",
    "role",
    "name",
    "email",
    "phone",
    "language",
    "region",
    "postcode",
    "authority",
    "customer_id",
    "agent_id",
]
_NEED: Final = ["id", "flag", "adjustment", "consent", "ground", "expires_at"]


def _children(table: Table, order: str, names: list[str]) -> Any:
    pairs: list[Any] = []
    for name in names:
        pairs += [literal_column(f"'{name}'"), table.c[name]]
    rows = (
        select(func.json_build_object(*pairs).label("item"))
        .where(table.c.complaint_id == c.id)
        .order_by(table.c[order])
        .correlate(COMPLAINT)
        .subquery()
    )
    return select(func.coalesce(func.json_agg(rows.c.item), func.json_build_array())).scalar_subquery()


def _column(name: str) -> Any:
    return func.nullif(c[name], NOTHING_DUE).label(name) if name == "next_due_at" else c[name]


DETAIL = select(
    *(_column(name) for name in _SUMMARY + _REST + _HIDDEN),
    _children(ISSUE, "position", _ISSUE).label("issues"),
    _children(PERSON, "id", _PERSON).label("people"),
    _children(NEED, "id", _NEED).label("needs"),
    select(ASSESSMENT.c.reasons)
    .where(ASSESSMENT.c.complaint_id == c.id)
    .order_by(ASSESSMENT.c.id.desc())
    .limit(1)
    .correlate(COMPLAINT)
    .scalar_subquery()
    .label("assessed"),
).where(c.reference == bindparam("reference"), VISIBLE)
LOCKED_DETAIL = DETAIL.with_for_update(of=COMPLAINT)
LOCKED = (
    select(
        c.id,
        c.reference,
        c.version,
        c.event_count,
        c.event_head,
        select(PERSON.c.email)
        .where(PERSON.c.complaint_id == c.id, PERSON.c.role == "complainant")
        .order_by(PERSON.c.id)
        .limit(1)
        .scalar_subquery()
        .label("email"),
    )
    .where(c.reference == bindparam("reference"), VISIBLE)
    .with_for_update(of=COMPLAINT)
)
_PAGE = (
    select(*(_column(name) for name in _SUMMARY)).where(VISIBLE).order_by(c.received_at.desc(), c.id.desc()).limit(26)
)
LIST = _PAGE
FILTERED = _PAGE.where(c.status == bindparam("status"), c.severity == bindparam("severity"))

POLICY_IN_FORCE = (
    select(
        POLICY.c.id,
        POLICY.c.version,
        POLICY_VERSION.c.spec,
        CALENDAR.c.id.label("calendar_id"),
        CALENDAR.c.version.label("calendar_version"),
        CALENDAR.c.name.label("calendar_name"),
        CALENDAR_VERSION.c.spec.label("calendar_spec"),
    )
    .join(POLICY_VERSION, (POLICY_VERSION.c.policy_id == POLICY.c.id) & (POLICY_VERSION.c.version == POLICY.c.version))
    .join(CALENDAR, CALENDAR.c.id == POLICY_VERSION.c.calendar_id)
    .join(
        CALENDAR_VERSION,
        (CALENDAR_VERSION.c.calendar_id == CALENDAR.c.id) & (CALENDAR_VERSION.c.version == CALENDAR.c.version),
    )
    .where(POLICY.c.is_default)
)
ALONE = select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("email"), 0x48444355)))
KNOWN_CUSTOMER = (
    select(CUSTOMER.c.id).where(func.lower(CUSTOMER.c.email) == bindparam("email")).order_by(CUSTOMER.c.id).limit(1)
)
OPEN_CLOCKS = (
    select(CLOCK)
    .where(CLOCK.c.complaint_id == bindparam("complaint_id"), CLOCK.c.stopped_at.is_(None))
    .order_by(CLOCK.c.id)
    .with_for_update()
)

NEW_COMPLAINT = insert(COMPLAINT)
NEW_CUSTOMER = insert(CUSTOMER)
TERMS = shipped()
NEW_ISSUES = insert(ISSUE)
NEW_PERSON = insert(PERSON)
NEW_CLOCKS = insert(CLOCK)
NEW_EVENTS = insert(EVENT)
NEW_MESSAGE = insert(MESSAGE)
NEW_MAIL = insert(MAIL)
NEW_DUTY = insert(DUTY)
NEW_TRANSITION = insert(TRANSITION)
NEW_SEARCH = insert(SEARCH)
REPLIED = (
    update(COMPLAINT)
    .where(c.id == bindparam("row_id"))
    .values({name: bindparam(f"new_{name}") for name in ("updated_at", "version", "event_count", "event_head")})
)
ACTED = REPLIED.values({name: bindparam(f"new_{name}") for name in ("waiting_on", "transition_count", "next_due_at")})
_CLOCK_CHANGES: Final = (
    "pauses",
    "state",
    "due_at",
    "remaining_seconds",
    "generation",
    "next_threshold",
    "next_alarm_at",
)
CHANGED_CLOCKS = (
    update(CLOCK)
    .where(CLOCK.c.id == bindparam("row_id"))
    .values({name: bindparam(f"new_{name}") for name in _CLOCK_CHANGES})
)


@dataclass(frozen=True, slots=True)
class Caller:
    id: UUID
    permissions: frozenset[str]
    now: datetime
    team_ids: list[UUID]

    @property
    def sight(self) -> dict[str, Any]:
        return {"agent_id": self.id, "team_ids": self.team_ids}

    def may(self, permission: str) -> bool:
        return permission in self.permissions


def create_app(engine: Engine | None = None) -> Flask:
    """On an engine as the program's, unless one is given."""
    if engine is None:
        settings = Settings.from_environment()
        engine = make_engine(settings.database_url or "", pool_size=settings.web_threads, name="floor-core")
    writing = engine
    reading = engine.execution_options(isolation_level="AUTOCOMMIT")
    app = Flask("floor_core", static_folder=None)

    @app.get("/api/v1/complaints/<ref>")
    def get(ref: str) -> Response:
        with reading.connect() as connection:
            caller = _caller(connection)
            row = connection.execute(DETAIL, {"reference": ref, **caller.sight}).mappings().one_or_none()
        return _refused(404) if row is None else _json(200, _detail(row, caller))

    @app.get("/api/v1/complaints")
    def page() -> Response:
        statement = FILTERED if "status" in request.args else LIST
        with reading.connect() as connection:
            caller = _caller(connection)
            rows = connection.execute(statement, {**request.args, **caller.sight}).mappings().all()
        items = [dict(row) for row in rows[:25]]
        return _json(200, {"items": items, "next_cursor": _cursor(items[-1]) if len(rows) > 25 else None})

    @app.post("/api/v1/complaints")
    def create() -> Response:
        with writing.begin() as connection:
            return _create(connection, _caller(connection), orjson.loads(request.get_data()))

    @app.post("/api/v1/complaints/<ref>/messages")
    def reply(ref: str) -> Response:
        with writing.begin() as connection:
            return _reply(connection, _caller(connection), ref, orjson.loads(request.get_data()))

    @app.post("/api/v1/complaints/<ref>/actions/<action>")
    def act(ref: str, action: str) -> Response:
        with writing.begin() as connection:
            return _act(connection, _caller(connection), ref, action, orjson.loads(request.get_data()))

    return app


def _json(status: int, body: Any) -> Response:
    return Response(orjson.dumps(body, option=JSON), status, mimetype="application/json")


def _cursor(last: Mapping[str, Any]) -> str:
    """Unsigned, and this floor has no second page."""
    return base64.urlsafe_b64encode(orjson.dumps([last["received_at"], last["id"]])).decode()


def _refused(status: int) -> Response:
    return Response(b"{}", status, mimetype="application/json")


def _caller(connection: Connection) -> Caller:
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    row = connection.execute(CALLER, {"hash": hashlib.sha256(token.encode()).digest()}).one_or_none()
    if row is None:
        abort(401)
    return Caller(row.id, frozenset(row.permissions.split()), row.now, row.team_ids or [])


def _money(minor: int | None, currency: str | None) -> dict[str, Any] | None:
    return (
        None if minor is None or currency is None else {"amount": format_minor(minor, currency), "currency": currency}
    )


def _detail(row: Any, caller: Caller) -> dict[str, Any]:
    shown = {name: row[name] for name in _SUMMARY}
    shown["next_due_at"] = None if row["next_due_at"] == NOTHING_DUE else row["next_due_at"]
    for name in _REST:
        shown[name] = row[name]
    shown["price"] = _money(row["price_minor"], row["currency"])
    shown["loss"] = _money(row["loss_minor"], row["currency"])
    shown["issues"], shown["people"], shown["needs"] = row["issues"], row["people"], row["needs"]
    reasons = row.get("assessed") or ()
    shown["severity_reasons"] = [{"rule": reason["rule"], "severity": reason["severity"]} for reason in reasons]
    shown["merged_into"] = row["merged_into_id"]  # nothing measured here is a duplicate, or has children
    facts = SimpleNamespace(
        case_limit=0,
        **row,
        regulator=row["channel"] in TERMS.regulator_channels,
        children_open=row["child_count"],
        authority="agent",
    )
    shown["allowed_actions"] = LIFECYCLE.allowed(row["status"], facts, caller.may)
    return shown


class _Chain:
    """The events of one request, linked as they are added."""

    def __init__(self, caller: Caller, row: Any, version: int) -> None:
        """`version`: the complaint's, once all is written."""
        self.caller, self.stream_id, self.version = caller, row["id"], version
        self.count, self.head = row.get("event_count", 0), bytes(row.get("event_head", b""))
        self.request_id = secrets.token_hex(12)
        self.rows: list[dict[str, Any]] = []

    def add(self, kind: str, payload: dict[str, Any], subject_id: UUID | None = None) -> None:
        """With a `subject_id`, an event outside the stream."""
        outside = subject_id is not None
        text, salt = canonical(payload), secrets.token_bytes(16)
        if not outside:
            self.count += 1
        row: dict[str, Any] = {
            "id": new_id(),
            "stream_id": None if outside else self.stream_id,
            "stream_seq": None if outside else self.count,
            "subject_id": subject_id or self.stream_id,
            "occurred_at": self.caller.now,
            "actor_kind": "agent",
            "actor_id": self.caller.id,
            "digest": hashlib.sha256(salt + text).digest(),
            "prev_hash": b"" if outside else self.head,
        }
        renamed = {("event_id" if name == "id" else name): value for name, value in row.items()}
        row["hash"] = link_hash(kind=kind, **renamed)
        row |= {"type": kind, "payload": orjson.loads(text), "salt": salt, "request_id": self.request_id}
        row["stream_version"] = None if outside else self.version
        if not outside:
            self.head = row["hash"]
        self.rows.append(row)


_policies: dict[str, Policy] = {}


def _policy(connection: Connection) -> Policy:
    """Kept, as the program does: it compares its own once a second."""
    name = str(connection.engine.url)
    if name not in _policies:
        row = connection.execute(POLICY_IN_FORCE).one()
        calendar = compiled(row.calendar_id, row.calendar_version, row.calendar_spec, row.calendar_name)
        targets, tiers = compiled_targets(
            row.spec, row.calendar_id, {row.calendar_id: (row.calendar_version, calendar)}
        )
        _policies[name] = Policy(row.id, row.version, row.spec["name"], True, calendar, targets, tiers)
    return _policies[name]


def _create(connection: Connection, caller: Caller, given: dict[str, Any]) -> Response:
    policy = _policy(connection)
    person = given["complainant"]
    connection.execute(ALONE, {"email": person["email"].lower()})  # of two at once, one makes the customer
    customer_id = connection.execute(KNOWN_CUSTOMER, {"email": person["email"].lower()}).scalar_one_or_none()
    price = Money.parse(**given["price"])
    row: dict[str, Any] = dict.fromkeys(_SUMMARY + _REST) | {
        "id": new_id(),
        "reference": new_reference(),
        "record_type": "complaint",
        "status": "received",
        "channel": given["channel"],
        "subject": given["subject"],
        "description": given["description"],
        "language": person["language"],
        "received_at": caller.now,
        "created_at": caller.now,
        "updated_at": caller.now,
        "customer_id": customer_id or new_id(),
        "team_id": UUID(given["team_id"]),
        "severity": "S3",
        "waiting_on": "us",
        "escalation_level": 0,
        "stage": "1",
        "double_deviation": False,
        "transition_count": 0,
        "reopened_count": 0,
        "child_count": 0,
        "merged_into_id": None,
        "offers_live": 0,
        "offers_drafted": 0,
        "offers_approved": 0,
        "offers_minor": 0,
        "remedies_undelivered": 0,
        "issue_count": len(given["issues"]),
        "vulnerable": False,
        "safety": any(issue["issue"] in TERMS.safety_issues for issue in given["issues"]),
        "price_minor": price.minor,
        "loss_minor": None,
        "currency": price.currency,
        "tags": [],
        "custom_fields": {},
        "terms": [],
        "text_salt": new_salt(),
        "version": 1,
    }
    secret = Secrets("floor").of(row["id"], 1)
    row |= {"tracking_number": 1, "tracking_hash": hash_of(secret)}
    chain = _Chain(caller, row, 1)
    if customer_id is None:
        known = {"id": row["customer_id"], "name": person["name"], "email": person["email"], "phone": None}
        connection.execute(NEW_CUSTOMER, {**known, "language": person["language"]})
        chain.add("customer.created", {"customer_id": known["id"], "kind": "person"}, subject_id=known["id"])
    facts = (
        "reference",
        "record_type",
        "channel",
        "severity",
        "received_at",
        "source",
        "jurisdiction",
        "sector",
        "team_id",
    )
    chain.add(
        "complaint.received",
        {"complaint_id": row["id"], "customer_id": row["customer_id"]}
        | {name: row[name] for name in facts}
        | {
            "clock_starts": {"complaint_received": caller.now},
            "split_from": None,
            "acknowledged": False,
            "imported": False,
            "born": born(row),
            "texts": seal(row["text_salt"], {name: row[name] for name in OF_COMPLAINT}),
            "message_texts": {},
            "message_facts": {},
        },
    )
    clocks = [
        policy_terms(policy, kind=kind, severity="S3", tier=None, start=caller.now, now=caller.now)
        for kind in ("acknowledge", "investigate", "resolve")
    ]
    made = [new_clock(row["id"], terms) for terms in clocks if terms is not None]
    due = _next_due([clock["due_at"] for clock in made])
    told = [_told(clock, clock) | _promised(clock) for clock in made]
    chain.add("sla.started", _of_clocks(row["id"], told))
    row |= {"event_count": chain.count, "event_head": chain.head, "next_due_at": due}
    connection.execute(NEW_COMPLAINT, row)
    issues = [dict.fromkeys(_ISSUE) | issue | {"id": new_id()} for issue in given["issues"]]
    placed = [issue | {"complaint_id": row["id"], "position": place} for place, issue in enumerate(issues, start=1)]
    connection.execute(NEW_ISSUES, placed)
    complainant = dict.fromkeys(_PERSON) | person | {"id": new_id(), "role": "complainant"}
    complainant["customer_id"] = row["customer_id"]
    connection.execute(NEW_PERSON, complainant | {"complaint_id": row["id"]})
    connection.execute(NEW_SEARCH, received_rows(row, [complainant], [issue["detail"] for issue in issues]))
    connection.execute(NEW_CLOCKS, made)
    connection.execute(NEW_EVENTS, chain.rows)
    shown = _detail(row | {"issues": issues, "people": [complainant], "needs": []}, caller)
    asked = {"complaint_id": row["id"], "days": duplicates.WINDOW_DAYS, "most": duplicates.AT_INTAKE + 1}
    sight = {"actor_id": caller.id, "actor_teams": caller.team_ids}
    found = connection.execute(comparing("own and open to all"), asked | sight).all()
    likely = duplicates.judged(found)[: duplicates.SHOWN_AT_INTAKE]
    return _json(201, shown | {"tracking_secret": secret, "possible_duplicates": likely})


def _next_due(dues: list[datetime | None]) -> datetime:
    return min((due for due in dues if due is not None), default=NOTHING_DUE)


def _told(clock: Any, now: Mapping[str, Any]) -> dict[str, Any]:
    """What an event says of every clock. `now`: how it stands."""
    said: dict[str, Any] = {"clock_id": clock["id"], "kind": clock["kind"], "round": clock["round"]}
    said |= {
        "generation": now["generation"],
        "policy_id": clock["policy_id"],
        "policy_version": clock["policy_version"],
    }
    return said | {"state": now["state"], "due_at": _written(now["due_at"])}


def _promised(clock: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: clock[name] for name in _PROMISED}
    return said | {"started_at": rfc3339(clock["started_at"])}


_PROMISED: Final = (
    "calendar_id",
    "calendar_version",
    "severity",
    "target_amount",
    "target_unit",
    "pausable",
)


def _of_clocks(complaint_id: UUID, told: list[dict[str, Any]]) -> dict[str, Any]:
    return {"complaint_id": complaint_id, "kinds": [clock["kind"] for clock in told], "clocks": told}


def _moved(clock: Any, change: Mapping[str, Any]) -> dict[str, Any]:
    """What a pause, or its end, says of a clock."""
    now = {name: change[f"new_{name}"] for name in _MOVING}
    left = {} if now["remaining_seconds"] is None else {"remaining_seconds": now["remaining_seconds"]}
    changes = {name: [_written(clock[name]), _written(now[name])] for name in _MOVING if clock[name] != now[name]}
    return _told(clock, now) | left | {"changes": changes}


_MOVING: Final = ("state", "due_at", "remaining_seconds", "pauses", "generation")


def _written(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value


def _add_reply(
    connection: Connection, chain: _Chain, given: Mapping[str, Any], purpose: str, to: Any
) -> dict[str, Any]:
    """Message, mail and duty; the message as it is shown."""
    caller = chain.caller
    mail = {"id": new_id(), "subject_id": chain.stream_id, "reason": purpose, "recipient": to["email"]}
    message = {
        "id": new_id(),
        "kind": "public_reply",
        "purpose": purpose,
        "channel": given.get("channel"),
        "author_kind": "agent",
        "author_id": caller.id,
        "body": given["body"],
        "in_reply_to": None,
        "created_at": caller.now,
    }
    salt = new_salt()
    posting = {"subject": f"Your complaint {to['reference']}", "body": given["body"], "thread": to["reference"]}
    connection.execute(NEW_MAIL, mail | posting | {"automatic": None, "completion": "reply", "author_id": caller.id})
    connection.execute(NEW_MESSAGE, message | {"complaint_id": chain.stream_id, "mail_id": mail["id"], "salt": salt})
    connection.execute(APPEND, appended(chain.stream_id, given["body"]))
    chain.add(
        "complaint.message_added",
        {"complaint_id": chain.stream_id, "reference": to["reference"], "message_id": message["id"], "mentions": []}
        | {"texts": seal(salt, {"body": given["body"]}), "attachment_ids": []}
        | {name: message[name] for name in ("kind", "purpose", "channel", "in_reply_to", "author_kind", "author_id")},
    )
    due = {"not_before": caller.now, "next_at": caller.now}
    connection.execute(NEW_DUTY, {"id": new_id(), "topic": TOPIC, "subject_id": mail["id"], "payload": {}, **due})
    posted = {"state": "queued", "recipient": to["email"], "sent_at": None, "reason": None}
    return message | {
        "body_html": None,
        "mentions": [],
        "attachments": [],
        "sender": None,
        "delivery": posted,
        "redacted": None,
    }


def _reply(connection: Connection, caller: Caller, ref: str, given: dict[str, Any]) -> Response:
    row = connection.execute(LOCKED, {"reference": ref, **caller.sight}).mappings().one_or_none()
    if row is None:
        return _refused(404)
    chain = _Chain(caller, row, row["version"] + 1)
    connection.execute(OPEN_CLOCKS, {"complaint_id": row["id"]}).all()  # whether any waits for an answer: none here
    message = _add_reply(connection, chain, given, "message", row)
    connection.execute(NEW_EVENTS, chain.rows)
    connection.execute(REPLIED, _head(chain, row))
    return _json(201, message)


def _head(chain: _Chain, row: Any) -> dict[str, Any]:
    return {
        "row_id": chain.stream_id,
        "new_updated_at": chain.caller.now,
        "new_version": row["version"] + 1,
        "new_event_count": chain.count,
        "new_event_head": chain.head,
    }


def _act(connection: Connection, caller: Caller, ref: str, action: str, given: dict[str, Any]) -> Response:
    found = connection.execute(LOCKED_DETAIL, {"reference": ref, **caller.sight}).mappings().one_or_none()
    if found is None:
        return _refused(404)
    row = dict(found)
    LIFECYCLE.transition(
        action,
        row["status"],
        SimpleNamespace(**row, regulator=False, children_open=0, authority="agent", case_limit=0),
        caller.may,
    )
    asked = action == "ask_customer"
    chain = _Chain(caller, row, row["version"] + 1)
    if asked:
        email = next(person["email"] for person in row["people"] if person["role"] == "complainant")
        to = {"reference": row["reference"], "email": email}
        _add_reply(connection, chain, {"body": given["message"]}, "question", to)
    before, row["waiting_on"] = row["waiting_on"], "customer" if asked else "us"
    clocks = connection.execute(OPEN_CLOCKS, {"complaint_id": row["id"]}).mappings().all()
    changed = [change for clock in clocks if (change := (_paused if asked else _resumed)(clock, caller.now))]
    dues = {clock["id"]: clock["due_at"] for clock in clocks} | {
        change["row_id"]: change["new_due_at"] for change in changed
    }
    if changed:
        connection.execute(CHANGED_CLOCKS, changed)
    moved = {change["row_id"]: change for change in changed}
    told = [_moved(clock, moved[clock["id"]]) for clock in clocks if clock["id"] in moved]
    step = {"action": action, "from_status": row["status"], "to_status": row["status"], "given": given}
    who = {"actor_kind": "agent", "actor_id": caller.id, "at": caller.now}
    number = row["transition_count"] + 1
    transition = {"id": new_id(), "complaint_id": row["id"], "number": number, **step, **who}
    connection.execute(NEW_TRANSITION, transition)
    chain.add(
        "complaint.customer_asked" if asked else "complaint.resumed",
        {
            "complaint_id": row["id"],
            "reference": row["reference"],
            **step,
            "record_type": row["record_type"],
            "severity": row["severity"],
            "waiting_on": row["waiting_on"],
            "acknowledged": row["acknowledged_at"] is not None,
            "reopened_count": row["reopened_count"],
            "changes": {"waiting_on": [before, row["waiting_on"]]},
            "issues": {},
        },
    )
    if told:
        chain.add("sla.paused" if asked else "sla.resumed", _of_clocks(row["id"], told))
    connection.execute(NEW_EVENTS, chain.rows)
    after = {"new_waiting_on": row["waiting_on"], "new_transition_count": number}
    due = _next_due(list(dues.values()))
    connection.execute(ACTED, _head(chain, row) | after | {"new_next_due_at": due})
    row |= {"version": row["version"] + 1, "updated_at": caller.now, "next_due_at": due}
    return _json(200, _detail(row, caller))


def _calendar(clock: Any) -> Calendar:
    """Compiled when the clock's complaint was taken in, or by the program's own tables in this process."""
    return compiled(clock["calendar_id"], clock["calendar_version"], _CALENDAR_SPEC, "Office hours")


_CALENDAR_SPEC: Final = {
    "timezone": "UTC",
    "weekly_hours": {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
}
"""The shipped calendar; the benchmark's database knows no other."""
_RUNGS: Final = ("50%", "75%", "90%")


def _pauses(clock: Any) -> list[tuple[datetime, datetime | None]]:
    return [(parse_rfc3339(since), parse_rfc3339(until) if until else None) for since, until in clock["pauses"]]


def _paused(clock: Any, now: datetime) -> dict[str, Any] | None:
    target = Target(clock["target_amount"], clock["target_unit"])
    if clock["state"] != "running" or not clock["pausable"] or now > clock["due_at"]:
        return None
    return {
        "row_id": clock["id"],
        "new_pauses": [*clock["pauses"], [rfc3339(now), None]],
        "new_state": "paused",
        "new_due_at": None,
        "new_remaining_seconds": remaining(_calendar(clock), clock["started_at"], target, now, _pauses(clock)),
        "new_generation": clock["generation"],
        "new_next_threshold": None,
        "new_next_alarm_at": None,
    }


def _resumed(clock: Any, now: datetime) -> dict[str, Any] | None:
    if clock["state"] != "paused":
        return None
    calendar, target = _calendar(clock), Target(clock["target_amount"], clock["target_unit"])
    pauses = _pauses(clock)
    pauses[-1] = (pauses[-1][0], now)
    due = due_at(calendar, clock["started_at"], target, pauses)
    rung, at = first_ahead(calendar, _RUNGS, (clock["started_at"], due), pauses, now)
    return {
        "row_id": clock["id"],
        "new_pauses": [*clock["pauses"][:-1], [clock["pauses"][-1][0], rfc3339(now)]],
        "new_state": "running",
        "new_due_at": due,
        "new_remaining_seconds": None,
        "new_generation": clock["generation"] + 1,
        "new_next_threshold": place_of(rung).percent,
        "new_next_alarm_at": at,
    }
